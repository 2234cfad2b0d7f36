"""Convolutions and patches, against loops over every index."""

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from minigrad.ops import correlation

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def slope_of(tensor):
    assert tensor.grad is not None
    return tensor.grad.numpy()


def whole(shape, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(float)


def by_loops(x, weight, bias, stride, padding, dilation, groups):
    """Every product of the definition, one after the other."""
    spatial = x.shape[2:]
    count = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(spatial, weight.shape[2:], stride, padding, dilation, strict=True)
    ]
    out = np.zeros((x.shape[0], weight.shape[0], *count))
    share = weight.shape[0] // groups
    for n, o, *p in np.ndindex(*out.shape):
        for c, *k in np.ndindex(*weight.shape[1:]):
            place = [
                a * s + b * d - q
                for a, b, s, d, q in zip(p, k, stride, dilation, padding, strict=True)
            ]
            if all(0 <= i < size for i, size in zip(place, spatial, strict=True)):
                channel = o // share * weight.shape[1] + c
                out[n, o, *p] += weight[o, c, *k] * x[n, channel, *place]
        out[n, o, *p] += bias[o]
    return out


@st.composite
def convolutions(draw):
    n = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 2))
    kernel, size, stride, padding, dilation = [], [], [], [], []
    for _ in range(n):
        k, d, p = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(0, 2))
        span = d * (k - 1) + 1
        kernel.append(k)
        dilation.append(d)
        padding.append(p)
        stride.append(draw(st.integers(1, 3)))
        size.append(draw(st.integers(max(1, span - 2 * p), span + 3)))
    x = whole((draw(st.integers(1, 2)), groups * draw(st.integers(1, 2)), *size))
    weight = whole((groups * draw(st.integers(1, 2)), x.shape[1] // groups, *kernel), seed=1)
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return n, x, weight, whole(weight.shape[0], seed=2), params


@given(convolutions())
def test_a_convolution_is_its_definition(drawn):
    n, x, weight, bias, params = drawn
    np.testing.assert_array_equal(
        CONV[n](x, weight, bias, **params), by_loops(x, weight, bias, **params)
    )


@given(convolutions())
def test_gradients_of_a_convolution_are_the_other_two_products(drawn):
    n, x, weight, bias, params = drawn
    tensors: list[Any] = [mg.Tensor(a, requires_grad=True) for a in (x, weight, bias)]
    out = CONV[n](*tensors, **params)
    g = whole(out.shape, seed=3)
    out.backward(g)
    # Bilinear in x and weight, linear in the bias: products with another point tell all of it.
    for i, t in enumerate(tensors):
        other = [x, weight, np.zeros_like(bias)]
        other[i] = whole(t.shape, seed=4)
        if i == 2:
            other[0] = np.zeros_like(x)
        assert np.vdot(slope_of(t), other[i]) == np.vdot(g, by_loops(*other, **params))


@given(convolutions())
def test_a_transposed_convolution_is_the_adjoint(drawn):
    n, x, weight, _, params = drawn
    y = whole(CONV[n](x, weight, **params).shape, seed=3)
    sizes = zip(x.shape[2:], y.shape[2:], weight.shape[2:], *list(params.values())[:3], strict=True)
    # What a stride steps over at the end is output_padding.
    extra = [a - ((b - 1) * s - 2 * p + d * (k - 1) + 1) for a, b, k, s, p, d in sizes]
    back = TRANSPOSED[n](y, weight, output_padding=extra, **params)
    assert back.shape == x.shape
    assert np.vdot(back, x) == np.vdot(y, CONV[n](x, weight, **params))


PARAMS = [
    {},
    {"stride": 2, "padding": 1},
    {"padding": (0, 1), "dilation": (1, 2)},
    {"groups": 2, "stride": (1, 2)},
]


@pytest.mark.parametrize("params", PARAMS)
def test_second_order(params):
    groups = params.get("groups", 1)
    x, bias = whole((1, 2, 3, 4)) / 4, whole(2, seed=2) / 4
    weight = whole((2, 2 // groups, 2, 3), seed=1) / 4
    assert mg.gradcheck(lambda *a: F.conv2d(*a, **params), x, weight, bias, order=2)
    if params.get("stride") == 2:
        params = {**params, "output_padding": (1, 0)}
    weight = whole((2, 2, 2, 3), seed=1) / 4
    bias = whole(2 * groups, seed=2) / 4
    assert mg.gradcheck(lambda *a: F.conv_transpose2d(*a, **params), x, weight, bias, order=2)


@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (1, 1)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_keeps_the_size_and_puts_an_odd_zero_after(kernel, dilation):
    x, weight = whole((1, 1, 6, 7)), whole((1, 1, *kernel), seed=1)
    out = F.conv2d(x, weight, padding="same", dilation=dilation)
    assert out.shape == x.shape
    total = [dilation * (k - 1) for k in kernel]
    padded = np.pad(x, ((0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)))
    np.testing.assert_array_equal(out, F.conv2d(padded, weight, dilation=dilation))
    valid = F.conv2d(padded, weight, padding="valid", dilation=dilation)
    np.testing.assert_array_equal(out, valid)


def test_a_batch_may_be_missing():
    for n in (1, 2, 3):
        x, weight = whole((2, 5, 4, 3)[: n + 1]), whole((2, 2, 2, 2, 2)[: n + 2], seed=1)
        for f in (CONV[n], TRANSPOSED[n]):
            np.testing.assert_array_equal(f(x, weight), f(x[None], weight)[0])
    x = whole((2, 4, 5))
    columns = F.unfold(x, 2)
    np.testing.assert_array_equal(columns, F.unfold(x[None], 2)[0])
    np.testing.assert_array_equal(F.fold(columns, (4, 5), 2), F.fold(columns[None], (4, 5), 2)[0])


def test_a_depthwise_convolution_filters_channels_apart():
    x, weight = whole((2, 3, 5, 5)), whole((6, 1, 3, 3), seed=1)
    out = F.conv2d(x, weight, groups=3, padding=1)
    for o in range(6):
        alone = F.conv2d(x[:, o // 2, None], weight[o, None], padding=1)
        np.testing.assert_array_equal(out[:, o, None], alone)


def test_layout_and_dtype():
    x, weight, bias = whole((2, 2, 5, 6)), whole((4, 2, 3, 3), seed=1), whole(4, seed=2)
    wanted = F.conv2d(x, weight, bias, padding=1)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    np.testing.assert_array_equal(
        F.conv2d(np.moveaxis(last, -1, 1), np.asfortranarray(weight), bias, padding=1), wanted
    )
    np.testing.assert_array_equal(
        F.conv2d(x[:, :, ::-1], weight, bias, padding=1),
        F.conv2d(x[:, :, ::-1].copy(), weight, bias, padding=1),
    )
    for dtype in (np.float16, np.float32):
        x_, weight_, bias_ = (
            mg.Tensor(a.astype(dtype), requires_grad=True) for a in (x, weight, bias)
        )
        out = F.conv2d(x_, weight_, bias_, padding=1)
        assert out.dtype == dtype
        np.testing.assert_array_equal(out.numpy(), wanted)  # whole numbers: exact
        out.sum().backward()
        assert [slope_of(t).dtype for t in (x_, weight_, bias_)] == [dtype] * 3
    out = F.conv2d(x.astype(int), weight.astype(int), bias.astype(int), padding=1)
    assert out.dtype == int
    np.testing.assert_array_equal(out, wanted)


def test_an_empty_batch():
    x = mg.Tensor(np.zeros((0, 2, 5, 5)), requires_grad=True)
    weight = mg.Tensor(whole((3, 2, 3, 3)), requires_grad=True)
    out = F.conv2d(x, weight)
    assert out.shape == (0, 3, 3, 3)
    out.sum().backward()
    assert slope_of(x).shape == x.shape
    np.testing.assert_array_equal(slope_of(weight), np.zeros(weight.shape))
    assert F.conv_transpose2d(x, whole((2, 3, 3, 3))).shape == (0, 3, 7, 7)


def test_nan_stays_in_the_windows_that_hold_it():
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 0, 4] = np.nan
    out = F.conv2d(x, np.ones((1, 1, 2, 2)))
    assert np.isnan(out[0, 0, 0, 3])
    assert np.isnan(out).sum() == 1


def test_columns_of_a_whole_batch_are_never_made(monkeypatch):
    monkeypatch.setattr(correlation, "BLOCK", 1 << 16)
    x = mg.Tensor(np.ones((16, 4, 32, 32)), requires_grad=True)
    weight = mg.Tensor(np.ones((4, 4, 5, 5)), requires_grad=True)
    F.conv2d(x, weight, padding=2).sum().backward()  # what is loaded once
    x.grad = weight.grad = None
    tracemalloc.start()
    try:
        out = F.conv2d(x, weight, padding=2)
        kept, peak_forward = tracemalloc.get_traced_memory()
        out.sum().backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    image = x.data.nbytes  # its columns would be 25 times as large
    assert kept < 3 * image  # the padded input, and the output
    assert peak_forward < 4 * image
    assert peak < 8 * image


def test_a_constant_weight_costs_no_gradient():
    x = mg.Tensor(whole((1, 1, 4, 4)), requires_grad=True)
    F.conv2d(x, np.ones((1, 1, 2, 2))).sum().backward()
    np.testing.assert_array_equal(slope_of(x)[0, 0, 1:3, 1:3], np.full((2, 2), 4.0))


def test_a_convolution_is_a_scope():
    out = F.conv2d(mg.Tensor(whole((1, 1, 4, 4)), requires_grad=True), np.ones((1, 1, 2, 2)))
    assert str(out.node.scope) == "conv2d"


# Patches


def patches_by_loops(x, kernel, dilation, padding, stride):
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    columns = []
    for p in range(0, x.shape[2] - spans[0] + 1, stride[0]):
        for q in range(0, x.shape[3] - spans[1] + 1, stride[1]):
            patch = x[:, :, p : p + spans[0] : dilation[0], q : q + spans[1] : dilation[1]]
            columns.append(patch.reshape(len(x), -1))
    return np.stack(columns, axis=-1)


PATCHES = [
    dict(zip(("kernel_size", "dilation", "padding", "stride"), values, strict=True))
    for values in itertools.product([(2, 3), (1, 2)], [(1, 1), (2, 1)], [(0, 1)], [(1, 2), (3, 1)])
]


@pytest.mark.parametrize("params", PATCHES)
def test_unfold_and_fold(params):
    x = whole((1, 2, 5, 4))
    columns = F.unfold(x, **params)
    kernel, *rest = params.values()
    np.testing.assert_array_equal(columns, patches_by_loops(x, kernel, *rest))
    g = whole(columns.shape, seed=1)
    assert np.vdot(F.fold(g, (5, 4), **params), x) == np.vdot(g, columns)
    assert mg.gradcheck(lambda x: F.unfold(x, **params), x, order=2)
    assert mg.gradcheck(lambda y: F.fold(y, (5, 4), **params), g, order=2)


@pytest.mark.parametrize("lead", [(), (2,), (2, 1)])
def test_channels_as_pixels(lead):
    x = whole((*lead, 12, 2, 3))
    out = F.pixel_shuffle(x, 2)
    assert out.shape == (*lead, 3, 4, 6)
    for c, i, j, p, q in np.ndindex(3, 2, 2, 2, 3):
        np.testing.assert_array_equal(
            out[..., c, p * 2 + i, q * 2 + j], x[..., c * 4 + i * 2 + j, p, q]
        )
    np.testing.assert_array_equal(F.pixel_unshuffle(out, 2), x)
    assert mg.gradcheck(lambda t: F.pixel_shuffle(t, 2), x, order=2)
    assert mg.gradcheck(lambda t: F.pixel_unshuffle(t, 2), out, order=2)


# Words


X, W = np.zeros((2, 3, 8, 9)), np.zeros((4, 3, 3, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: F.conv2d(X[0, 0], W), r"x \(8, 9\): expected 4 axes \(batch, channels, height"),
        (lambda: F.conv2d(X, W[0]), r"weight \(3, 3, 3\): expected a weight \(out, in / groups"),
        (lambda: F.conv2d(X[:, :2], W), r"x has 2 channels, but weight takes 3"),
        (lambda: F.conv2d(np.moveaxis(X, 1, -1), W), r"np.moveaxis\(x, -1, -3\) fits"),
        (lambda: F.conv2d(np.zeros((9, 8, 8)), W[:, :1]), r"x\[:, None\] is a batch"),
        (lambda: F.conv2d(X, W.swapaxes(0, 1)), r"np.swapaxes\(weight, 0, 1\) fits"),
        (lambda: F.conv2d(X, W, groups=2), r"groups=2 must divide the 3 channels of x"),
        (lambda: F.conv2d(X, W, np.zeros(3)), r"bias \(3,\): expected a bias of one number for"),
        (lambda: F.conv2d(X, W, dilation=4), r"the kernel spans \(9, 9\), but x padded by 0 has"),
        (lambda: F.conv2d(X, W, stride=0), r"conv2d: stride 0 must be at least 1"),
        (lambda: F.conv2d(X, W, stride=(1, 1, 1)), r"conv2d: stride \(1, 1, 1\) for 2 axes"),
        (lambda: F.conv_transpose2d(X, W), r"x has 3 channels, but weight takes 4"),
        (
            lambda: F.conv_transpose2d(X, W.swapaxes(0, 1), padding=5),
            r"cropped by padding=\(5, 5\) to nothing",
        ),
        (lambda: F.fold(np.zeros((1, 4, 5)), 3, 2), r"expected \(batch, channels \* 4, 2 \* 2\)"),
        (lambda: F.pixel_shuffle(X, 2), r"x \(2, 3, 8, 9\): expected \(\.\.\., channels \* 4"),
        (lambda: F.pixel_unshuffle(X, 2), r"height and width multiples of 2"),
        (lambda: F.unfold(X, 9), r"a window of 9 spans 9"),
    ],
)
def test_what_does_not_fit_is_told(call, words):
    with pytest.raises(ShapeError, match=words):
        call()


def test_an_error_names_tensors_and_holds_the_operands():
    image = mg.Tensor(X, name="image")
    with pytest.raises(ShapeError, match=r"image \(2, 3, 8, 9\) and weight \(4, 2, 3, 3\)") as info:
        F.conv2d(image, W[:, :2])
    assert [operand.name for operand in info.value.operands] == ["image", "weight"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: F.conv2d(X, W, padding="same", stride=2), "padding='same' needs stride 1, not 2"),
        (
            lambda: F.conv2d(X, W, padding="full"),  # type: ignore[arg-type]
            "'same', 'valid' or numbers, not 'full'",
        ),
        (
            lambda: F.conv_transpose2d(X, W.swapaxes(0, 1), output_padding=1),
            r"output_padding \(1, 1\) must be smaller than stride \(1, 1\) or dilation",
        ),
    ],
)
def test_values_that_make_no_sense_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
