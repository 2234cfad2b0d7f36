"""Pooling, against loops over every window."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError

MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVG = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}
ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def slope_of(tensor):
    assert tensor.grad is not None
    return tensor.grad.numpy()


def whole(shape, seed=0, most=9):
    return np.random.default_rng(seed).integers(-most, most, shape).astype(float)


def distinct(shape, seed=0):
    order = np.random.default_rng(seed).permutation(math.prod(shape))
    return order.reshape(shape) / 4


@st.composite
def pools(draw):
    n = draw(st.integers(1, 3))
    kernel, size, stride, padding, dilation = [], [], [], [], []
    for _ in range(n):
        k = draw(st.integers(1, 3))
        kernel.append(k)
        stride.append(draw(st.integers(1, 3)))
        padding.append(draw(st.integers(0, k // 2)))
        dilation.append(draw(st.integers(1, 2)))
        size.append(draw(st.integers(dilation[-1] * (k - 1) + 1, 7)))
    params = {"stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    return n, (draw(st.integers(1, 2)), 2, *size), kernel, dilation, params


def windows_by_loops(size, kernel, dilation, stride, padding, ceil_mode):
    """For each window the places of its elements, those in the border too, and its last border."""
    starts = []
    for n, k, d, s, p in zip(size, kernel, dilation, stride, padding, strict=True):
        own = []
        start = -p
        # All that fit; with ceil_mode also one that starts in x or before, but ends too late.
        while start + d * (k - 1) < n + p or (
            ceil_mode and start < n and start - s + d * (k - 1) + 1 < n + p
        ):
            own.append(start)
            start += s
        starts.append(own)
    for position in itertools.product(*(range(len(own)) for own in starts)):
        corner = [own[i] for own, i in zip(starts, position, strict=True)]
        yield (
            position,
            [
                tuple(c + i * d for c, i, d in zip(corner, offset, dilation, strict=True))
                for offset in np.ndindex(*kernel)
            ],
        )


def inside(place, size):
    return all(0 <= i < n for i, n in zip(place, size, strict=True))


@given(pools())
def test_the_largest_of_each_window_and_its_gradient(drawn):
    n, shape, kernel, dilation, params = drawn
    x = whole(shape, most=2)  # many ties: the first in a window counts
    t = mg.Tensor(x, requires_grad=True)
    out = MAX[n](t, kernel, dilation=dilation, **params)
    g = whole(out.shape, seed=1)
    out.backward(g)
    wanted, slope, count = np.zeros(out.shape), np.zeros(shape), 0
    for position, places in windows_by_loops(shape[2:], kernel, dilation, **params):
        count += 1
        places = [place for place in places if inside(place, shape[2:])]
        for b, c in np.ndindex(*shape[:2]):
            best = max(places, key=lambda place: x[b, c, *place], default=None)
            wanted[b, c, *position] = -np.inf if best is None else x[b, c, *best]
            if best is not None:
                slope[b, c, *best] += g[b, c, *position]
    assert count == math.prod(out.shape[2:])
    np.testing.assert_array_equal(out.numpy(), wanted)
    np.testing.assert_array_equal(slope_of(t), slope)


@given(pools(), st.booleans(), st.sampled_from([None, 3]))
def test_the_mean_of_each_window_and_its_gradient(drawn, count_include_pad, divisor):
    n, shape, kernel, _, params = drawn
    if n > 1:
        params = {**params, "divisor_override": divisor}
    else:
        divisor = None
    x = whole(shape)
    t = mg.Tensor(x, requires_grad=True)
    out = AVG[n](t, kernel, count_include_pad=count_include_pad, **params)
    g = whole(out.shape, seed=1)
    out.backward(g)
    wanted, slope = np.zeros(out.shape), np.zeros(shape)
    geometry = {name: params[name] for name in ("stride", "padding", "ceil_mode")}
    bordered = [size + p for size, p in zip(shape[2:], params["padding"], strict=True)]
    for position, places in windows_by_loops(shape[2:], kernel, [1] * n, **geometry):
        real = [place for place in places if inside(place, shape[2:])]
        counted = [p for p in places if all(i < b for i, b in zip(p, bordered, strict=True))]
        size = divisor or len(counted if count_include_pad else real)
        for place in real:
            wanted[:, :, *position] += x[:, :, *place] / size
            slope[:, :, *place] += g[:, :, *position] / size
    np.testing.assert_allclose(out.numpy(), wanted, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(slope_of(t), slope, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_regions_cover_everything(n, count):
    shape = (2, 2, *(6, 5, 4)[:n])
    x = whole(shape, most=3)
    largest, mean = np.zeros((2, 2, *(count,) * n)), np.zeros((2, 2, *(count,) * n))
    g = whole(mean.shape, seed=1)
    slope_largest, slope_mean = np.zeros(shape), np.zeros(shape)
    for place in np.ndindex(*(count,) * n):
        region = [
            range(i * size // count, -(-(i + 1) * size // count))
            for i, size in zip(place, shape[2:], strict=True)
        ]
        elements = list(itertools.product(*region))
        for b, c in np.ndindex(2, 2):
            best = max(elements, key=lambda e: x[b, c][e])
            largest[b, c, *place] = x[b, c, *best]
            slope_largest[b, c, *best] += g[b, c, *place]
        for e in elements:
            for b, c in np.ndindex(2, 2):
                mean[b, c, *place] += x[b, c][e] / len(elements)
                slope_mean[b, c][e] += g[b, c, *place] / len(elements)
    cases = [(ADAPTIVE_MAX[n], largest, slope_largest), (ADAPTIVE_AVG[n], mean, slope_mean)]
    for f, wanted, slope in cases:
        t = mg.Tensor(x, requires_grad=True)
        out = f(t, count)
        out.backward(g)
        np.testing.assert_allclose(out.numpy(), wanted, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(slope_of(t), slope, rtol=1e-13, atol=1e-13)


def test_none_keeps_an_axis():
    x = whole((2, 2, 6, 5))
    assert F.adaptive_avg_pool2d(x, (None, 1)).shape == (2, 2, 6, 1)
    np.testing.assert_array_equal(
        F.adaptive_max_pool2d(x, (None, 1)), np.max(x, axis=-1, keepdims=True)
    )


@pytest.mark.parametrize(
    "f",
    [
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.max_pool2d(x, (1, 2), ceil_mode=True),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        lambda x: F.avg_pool2d(x, 2, ceil_mode=True),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
        lambda x: F.adaptive_avg_pool2d(x, (2, 1)),
        lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    ],
)
def test_second_order(f):
    x = distinct((1, 2, 4, 5))
    assert mg.gradcheck(f, x)
    assert mg.gradcheck(lambda t: (f(t) ** 2).sum(), x, order=2)


def test_large_windows_take_the_first_too():
    x = whole((2, 3, 8, 9), most=2)
    t = mg.Tensor(x, requires_grad=True)
    F.max_pool2d(t, (8, 9)).sum().backward()
    first = np.zeros((6, 72))
    first[np.arange(6), x.reshape(6, 72).argmax(axis=1)] = 1.0
    np.testing.assert_array_equal(slope_of(t).reshape(6, 72), first)


@pytest.mark.parametrize("window", [2, 6])
def test_nan_and_infinity(window):
    x = np.full((1, 1, 12, 12), -np.inf)
    x[0, 0, 0, :4] = [np.nan, np.nan, 5.0, 7.0]
    t = mg.Tensor(x, requires_grad=True)
    out = F.max_pool2d(t, window)
    out.sum().backward()
    slope = slope_of(t)[0, 0]
    assert np.isnan(out.numpy()[0, 0, 0, 0])
    assert slope[0, 0] == 1.0  # the first NaN
    assert out.numpy()[0, 0, -1, -1] == -np.inf
    assert slope[-window, -window] == 1.0  # the first of equal elements
    assert slope.sum() == (12 // window) ** 2
    mean = F.avg_pool2d(x, window)
    assert np.isnan(mean).sum() == 1
    assert np.isinf(mean).sum() == (12 // window) ** 2 - 1
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 0, 4] = np.inf
    regions = F.adaptive_avg_pool2d(x, 3)
    assert regions[0, 0, 0, 2] == np.inf
    assert np.isfinite(regions).sum() == 8


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.uint8])
def test_dtype(dtype):
    x = np.abs(whole((2, 2, 5, 6))).astype(dtype)
    for out in (F.max_pool2d(x, 2, padding=1), F.adaptive_max_pool2d(x, 2)):
        assert out.dtype == dtype
    mean = F.avg_pool2d(x, 2, padding=1, count_include_pad=False)
    assert mean.dtype == (dtype if np.dtype(dtype).kind == "f" else float)
    np.testing.assert_allclose(
        mean, F.avg_pool2d(x.astype(float), 2, padding=1, count_include_pad=False), rtol=1e-3
    )
    sizes = (2, 4)
    np.testing.assert_allclose(
        F.adaptive_avg_pool2d(x, sizes), F.adaptive_avg_pool2d(x.astype(float), sizes), rtol=1e-3
    )


def test_layout_and_a_missing_batch():
    x = distinct((2, 3, 6, 8))
    for f in (
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.adaptive_avg_pool2d(x, (4, 3)),
        lambda x: F.adaptive_max_pool2d(x, (4, 3)),
    ):
        np.testing.assert_array_equal(f(x[0]), f(x)[0])
        np.testing.assert_array_equal(f(np.asfortranarray(x)), f(x))
        np.testing.assert_array_equal(f(x[:, ::-1, ::-1]), f(x[:, ::-1, ::-1].copy()))
        assert f(np.zeros((0, 3, 6, 8))).shape == f(x)[:0].shape


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: F.max_pool2d(x[0, 0], 2), r"x \(4, 5\): expected 4 axes"),
        (lambda x: F.max_pool2d(x, 6), r"max_pool2d: x \(1, 2, 4, 5\): a window spans \(6, 6\)"),
        (lambda x: F.avg_pool2d(x, 2, 0), r"avg_pool2d: stride 0 must be at least 1"),
        (lambda x: F.avg_pool2d(x, (2, 2, 2)), r"kernel_size \(2, 2, 2\) for 2 axes"),
        (lambda x: F.adaptive_avg_pool2d(x, 0), r"output_size 0 must be at least 1"),
        (lambda x: F.adaptive_max_pool2d(x[:, :, :0], 2), r"nothing to pool along an axis of"),
    ],
)
def test_what_does_not_fit_is_told(call, words):
    with pytest.raises(ShapeError, match=words):
        call(whole((1, 2, 4, 5)))


def test_a_border_wider_than_half_a_window_is_refused():
    for f in (F.max_pool2d, F.avg_pool2d):
        with pytest.raises(ValueError, match=r"padding \(2, 2\) is more than half of a window"):
            f(whole((1, 1, 4, 4)), 3, padding=2)
    with pytest.raises(ValueError, match="for 2 axes: one for each"):
        F.adaptive_avg_pool2d(whole((1, 1, 4, 4)), (1, 2, 3))
