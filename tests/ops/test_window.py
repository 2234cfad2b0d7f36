"""Windows are views, their adjoint adds them up, and products with kernels go block by block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.ops import correlation
from minigrad.ops.correlation import kernel_product, overlap_product, window_product

sliding_window_view = np.lib.stride_tricks.sliding_window_view


@st.composite
def slides(draw):
    """A shape, and windows that fit into it along some of its axes."""
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    axis = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    window, step, dilation = [], [], []
    for i in axis:
        d = draw(st.integers(1, 3))
        dilation.append(d)
        window.append(draw(st.integers(1, (shape[i] - 1) // d + 1)))
        step.append(draw(st.integers(1, 3)))
    return shape, axis, window, step, dilation


def slope_of(tensor):
    assert tensor.grad is not None
    return tensor.grad.numpy()


def whole(shape, seed=0):
    return np.random.default_rng(seed).integers(-9, 9, shape).astype(float)


@given(slides())
def test_windows_hold_what_their_formula_says(drawn):
    shape, axis, window, step, dilation = drawn
    x = whole(shape)
    out = mg.sliding_windows(x, window, axis, step, dilation)
    assert out.shape[len(shape) :] == tuple(window)
    for i, k, s, d in zip(axis, window, step, dilation, strict=True):
        # One window more would not fit, and the last one does.
        last = (out.shape[i] - 1) * s + d * (k - 1)
        assert last < shape[i] <= last + s
    for place in np.ndindex(*out.shape):
        source = list(place[: len(shape)])
        for j, (i, s, d) in enumerate(zip(axis, step, dilation, strict=True)):
            source[i] = source[i] * s + place[len(shape) + j] * d
        assert out[place] == x[tuple(source)]


@given(slides())
def test_adding_windows_up_is_the_adjoint_of_taking_them(drawn):
    shape, axis, window, step, dilation = drawn
    x = whole(shape)
    windows = mg.sliding_windows(x, window, axis, step, dilation)
    g = whole(windows.shape, seed=1)
    added = mg.overlap_add(g, shape, axis, step, dilation)
    assert np.vdot(added, x) == np.vdot(g, windows)  # small whole numbers: exact


@given(slides())
def test_without_steps_they_are_numpys(drawn):
    shape, axis, window, _, _ = drawn
    x = whole(shape)
    wanted = sliding_window_view(x, tuple(window), tuple(axis))
    np.testing.assert_array_equal(mg.sliding_windows(x, window, axis), wanted)
    t = mg.Tensor(x, requires_grad=True)
    out = sliding_window_view(t, tuple(window), axis=tuple(axis))
    assert isinstance(out, mg.Tensor)
    np.testing.assert_array_equal(out.numpy(), wanted)
    out.sum().backward()
    counted = mg.overlap_add(np.ones(wanted.shape), shape, axis)
    np.testing.assert_array_equal(slope_of(t), counted)


def test_windows_of_windows_are_numpys():
    x = whole((2, 9))
    for axis in [(1, 1), (1, 0, 1), (-1, 1)]:
        window = (3, 2, 2)[: len(axis)]
        wanted = sliding_window_view(x, window, axis)
        np.testing.assert_array_equal(mg.sliding_windows(x, window, axis), wanted)
    twice = mg.sliding_windows(mg.sliding_windows(x, 3, 1, 2, 1), 2, 1, 1, 2)
    once = mg.sliding_windows(x, (3, 2), (1, 1), (2, 1), (1, 2))
    np.testing.assert_array_equal(once, twice)
    g = whole(once.shape, seed=1)
    added = mg.overlap_add(g, x.shape, (1, 1), (2, 1), (1, 2))
    assert np.vdot(added, x) == np.vdot(g, once)


def test_windows_are_a_view_that_can_not_be_written():
    x = whole((4, 5))
    out = mg.sliding_windows(x, (2, 2), step=2)
    assert np.shares_memory(x, out)
    assert not out.flags.writeable
    x[0, 0] = 100.0
    assert out[0, 0, 0, 0] == 100.0


def test_a_window_of_nothing_and_windows_of_empty_arrays():
    np.testing.assert_array_equal(
        mg.sliding_windows(np.arange(3.0), 0), sliding_window_view(np.arange(3.0), 0)
    )
    assert mg.sliding_windows(np.zeros((0, 5)), 2, axis=1).shape == (0, 4, 2)
    assert mg.overlap_add(np.zeros((0, 4, 2)), (0, 5), axis=1).shape == (0, 5)
    t = mg.Tensor(np.zeros((0, 5)), requires_grad=True)
    mg.sliding_windows(t, 2, axis=1).sum().backward()
    assert slope_of(t).shape == (0, 5)


def test_half_precision_is_added_in_single():
    # 64 windows of 64 elements that all meet at one element: 64 tenths.
    meet = mg.overlap_add(np.full((64, 64), 0.1, np.float16), (127,))
    assert meet.dtype == np.float16
    assert meet[63] == np.float16(64 * np.float32(np.float16(0.1)))
    one_by_one = np.float16(0.0)
    for _ in range(64):
        one_by_one += np.float16(0.1)
    assert meet[63] != one_by_one


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: mg.sliding_windows(x, 7, 1), r"x \(4, 5\): axis 1 has 5 elements, but a window"),
        (lambda x: mg.sliding_windows(x, 3, 1, 1, 3), r"a window of 3 spans 7"),
        (lambda x: mg.sliding_windows(x, (2, 2), 1), r"window_shape \(2, 2\) for 1 axes"),
        (lambda x: mg.sliding_windows(x, 2, 1, 0), r"step 0 must be at least 1"),
        (lambda x: mg.sliding_windows(x, -1, 1), r"window_shape -1 must be at least 0"),
        (lambda x: mg.overlap_add(x, (4,)), r"windows \(4, 5\) make 8 elements along axis 0"),
        (lambda x: mg.overlap_add(x, (4, 5)), r"expected 4 axes"),
        (lambda x: mg.overlap_add(x[..., None], (3, 9), 1), r"make 4 elements along axis 0"),
    ],
)
def test_what_does_not_fit_is_told(call, words):
    with pytest.raises(ShapeError, match=words):
        call(whole((4, 5)))


def test_an_axis_that_is_not_there_and_numbers_that_are_not_whole():
    with pytest.raises(np.exceptions.AxisError, match="sliding_windows: axis 2"):
        mg.sliding_windows(whole((4, 5)), 2, 2)
    with pytest.raises(TypeError):
        mg.sliding_windows(whole((4, 5)), 2.5, 1)  # type: ignore[arg-type]


SIZES = [((7,), (3,)), ((6, 5), (2, 3)), ((4, 3, 5), (2, 2, 3)), ((5, 9), (5, 1)), ((3, 4), (1, 1))]
FORMS = [
    (size, kernel, step, dilation)
    for size, kernel in SIZES
    for step, dilation in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]
    if all(n > d * (k - 1) for n, k, d in zip(size, kernel, [dilation] * 3, strict=False))
]


@pytest.mark.parametrize(("block", "narrow"), [(1, 1), (300, 4), (300, 64), (1 << 21, 1)])
@pytest.mark.parametrize(("size", "kernel", "step", "dilation"), FORMS)
def test_products_do_not_depend_on_the_size_of_a_block(
    monkeypatch, size, kernel, step, dilation, block, narrow
):
    monkeypatch.setattr(correlation, "BLOCK", block)
    monkeypatch.setattr(correlation, "NARROW", narrow)
    correlation._form.cache_clear()
    n = len(size)
    x, weight = whole((3, 2, 3, *size)), whole((2, 4, 3, *kernel), seed=1)
    steps, gaps = (step,) * n, (dilation,) * n
    axis = tuple(range(3, n + 3))
    windows = mg.sliding_windows(x, kernel, axis, steps, gaps)
    p, k = "pqr"[:n], "ijk"[:n]
    product = np.einsum(f"ngc{p}{k},goc{k}->ngo{p}", windows, weight)
    np.testing.assert_array_equal(window_product(x, weight, steps, gaps), product)
    g = whole(product.shape, seed=2)
    spread = np.einsum(f"ngo{p},goc{k}->ngc{p}{k}", g, weight)
    wanted = mg.overlap_add(spread, x.shape, axis, steps, gaps)
    np.testing.assert_array_equal(overlap_product(g, weight, size, steps, gaps), wanted)
    wanted = np.einsum(f"ngo{p},ngc{p}{k}->goc{k}", g, windows)
    np.testing.assert_array_equal(kernel_product(x, g, kernel, steps, gaps), wanted)
