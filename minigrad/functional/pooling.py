"""Pooling: one number of each window, its largest, its mean or its norm.

Channels stand before the spatial axes, ``(batch, channels, height, width)``, as in PyTorch; the
batch axis may be missing.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.functional.composition import composite, floating
from minigrad.functional.convolution import described, images, misfit, padded, spans
from minigrad.ops.correlation import window_product
from minigrad.ops.window import Ints, each, window_view
from minigrad.primitive import Array
from minigrad.tensor import Tensor

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

FEW = 32  # offsets in a window: up to here a loop over them is faster than argmax


def _counts(
    function: str,
    x: Array,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> tuple[int, ...]:
    """How many windows there are along each axis, as PyTorch counts them."""
    span = spans(kernel, dilation)
    if any(p > n // 2 for p, n in zip(padding, span, strict=True)):
        raise ValueError(f"{function}: padding {padding} is more than half of a window {span}")
    counts = []
    for n, s, p, reach in zip(x.shape[-len(kernel) :], stride, padding, span, strict=True):
        room = n + 2 * p - reach
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1  # a window must start in x or in the border before it
        if count < 1:
            raise misfit(
                function,
                [described(x, "x")],
                f"a window spans {span}, more than x padded by {padding}",
                "pad x, or take a smaller window",
            )
        counts.append(count)
    return tuple(counts)


def _borders(
    x: Array,
    counts: Sequence[int],
    span: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
) -> tuple[tuple[int, int], ...]:
    """Borders that make room for every window, the last ones of ``ceil_mode`` too."""
    return tuple(
        (p, max(p, (count - 1) * s + reach - n - p))
        for n, count, reach, s, p in zip(
            x.shape[-len(span) :], counts, span, stride, padding, strict=True
        )
    )


def first_largest(windows: Array, n: int) -> Array:
    """Place of the largest element in each window, the first where several tie; NaN is largest."""
    kernel = windows.shape[-n:]
    if math.prod(kernel) > FEW:
        return np.argmax(windows.reshape(*windows.shape[:-n], math.prod(kernel)), axis=-1)
    parts = [windows[(..., *offset)] for offset in itertools.product(*map(range, kernel))]
    largest = np.array(parts[0])
    for part in parts[1:]:
        np.maximum(largest, part, out=largest)
    choice = np.zeros(largest.shape, np.uint8)
    missing = np.ones(largest.shape, bool)
    for part in parts:
        missing &= part != largest
        choice += missing
    if missing.any():  # NaN equals nothing
        choice[missing] = 0
        for part in parts:
            missing &= part == part
            choice += missing
    return choice


def largest(
    function: str,
    n: int,
    x: Any,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
) -> tuple[Array, Array]:
    """``x`` with its border, and the place of each window's largest element in it."""
    x = images(function, x, n)
    kernel = each(kernel_size, n, f"{function}: kernel_size", 1)
    steps = kernel if stride is None else each(stride, n, f"{function}: stride", 1)
    sides = each(padding, n, f"{function}: padding", 0)
    gaps = each(dilation, n, f"{function}: dilation", 1)
    counts = _counts(function, x, kernel, steps, sides, gaps, ceil_mode)
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    x = padded(x, _borders(x, counts, spans(kernel, gaps), steps, sides), least)
    data = x._data if isinstance(x, Tensor) else x
    axes = tuple(range(data.ndim - n, data.ndim))
    windows = window_view(data, kernel, axes, steps, gaps)
    windows = windows[(..., *map(slice, counts), *(slice(None),) * n)]
    choice = first_largest(windows, n)
    rows = [math.prod(data.shape[axis + 1 :]) for axis in axes]
    within = _sums([np.arange(k) * d * r for k, d, r in zip(kernel, gaps, rows, strict=True)])
    starts = [np.arange(c) * s * r for c, s, r in zip(counts, steps, rows, strict=True)]
    return x, _sums(starts) + within.ravel()[choice]


def _max_pool(function: str, n: int, x: Any, *window: Any) -> Array:
    x, index = largest(function, n, x, *window)
    return picked(x, n, index)


def _sums(parts: Sequence[Array]) -> Array:
    """Every sum of one element of each of some vectors, with an axis for each vector."""
    return sum(np.ix_(*parts), np.zeros((), np.intp))


def picked(x: Array, n: int, index: Array) -> Array:
    """Elements of ``x`` by their place in an image of ``n`` axes."""
    shape = index.shape
    size = math.prod(x.shape[-n:])
    first = np.arange(math.prod(x.shape[:-n])) * size
    index = index + first.reshape(*x.shape[:-n], *(1,) * n)
    return ops.reshape(ops.getitem(ops.reshape(x, -1), index.ravel()), shape)


@composite
def max_pool1d(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> Array:
    """Largest element of each window of ``(batch, channels, length)``.

    The parameters are those of :func:`max_pool2d`.

    >>> max_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[3., 2.]])
    """
    return _max_pool("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


@composite
def max_pool2d(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> Array:
    """Largest element of each window of images.

    Where several elements tie, the first (row by row) gets the cotangent. A window that holds a NaN
    gives NaN.

    Args:
        x: ``(batch, channels, height, width)``, or without the batch.
        kernel_size: Height and width of a window, or one number for both.
        stride: How far a window is from the next one; by default as far as it is long.
        padding: Border of ``-inf`` around each image, at most half a window.
        dilation: How far elements of a window are apart.
        ceil_mode: Whether a last window may reach beyond the border.

    Raises:
        ShapeError: If a window is larger than the padded image.
        ValueError: If the border is wider than half a window.

    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _max_pool("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


@composite
def max_pool3d(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> Array:
    """Largest element of each window of ``(batch, channels, depth, height, width)``.

    The parameters are those of :func:`max_pool2d`.

    >>> max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    array([[[[7.]]]])
    """
    return _max_pool("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode)


def _avg_pool(
    function: str,
    n: int,
    x: Any,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: float | None,
) -> Array:
    x = images(function, x, n)
    kernel = each(kernel_size, n, f"{function}: kernel_size", 1)
    steps = kernel if stride is None else each(stride, n, f"{function}: stride", 1)
    sides = each(padding, n, f"{function}: padding", 0)
    counts = _counts(function, x, kernel, steps, sides, (1,) * n, ceil_mode)
    lengths = []
    for size, k, s, p, count in zip(x.shape[-n:], kernel, steps, sides, counts, strict=True):
        start = np.arange(count) * s - p
        low, high = (-p, size + p) if count_include_pad else (0, size)
        lengths.append(np.minimum(start + k, high) - np.maximum(start, low))
    total = window_sums(padded(x, _borders(x, counts, kernel, steps, sides)), kernel, steps, counts)
    if divisor_override is not None:
        return total / divisor_override
    if all((length == length[0]).all() for length in lengths):
        return total / float(math.prod(int(length[0]) for length in lengths))
    dtype = total.dtype if total.dtype.kind == "f" else np.dtype(float)
    elements: Array = functools.reduce(np.multiply, np.ix_(*lengths))
    return total / elements.astype(dtype)


def window_sums(
    x: Array, kernel: tuple[int, ...], stride: tuple[int, ...], counts: tuple[int, ...]
) -> Array:
    """Sum of each window: the product with a kernel of ones."""
    n = len(kernel)
    lead = x.shape[:-n]
    used = tuple((c - 1) * s + k for c, s, k in zip(counts, stride, kernel, strict=True))
    if any(size >= u + s for size, u, s in zip(x.shape[-n:], used, stride, strict=True)):
        x = ops.getitem(x, (..., *map(slice, used)))
    x = ops.reshape(x, (math.prod(lead), 1, 1, *x.shape[-n:]))
    ones = np.ones((1, 1, 1, *kernel), x.dtype)
    return ops.reshape(window_product(x, ones, stride, (1,) * n), (*lead, *counts))


@composite
def avg_pool1d(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Mean of each window of ``(batch, channels, length)``.

    The parameters are those of :func:`avg_pool2d`.

    >>> avg_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[2., 1.]])
    """
    return _avg_pool(
        "avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None
    )


@composite
def avg_pool2d(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Array:
    """Mean of each window of images.

    Args:
        x: ``(batch, channels, height, width)``, or without the batch.
        kernel_size: Height and width of a window, or one number for both.
        stride: How far a window is from the next one; by default as far as it is long.
        padding: Border of zeros around each image, at most half a window.
        ceil_mode: Whether a last window may reach beyond the border.
        count_include_pad: Whether zeros of the border count as elements.
        divisor_override: What to divide sums by instead of the number of elements.

    Raises:
        ShapeError: If a window is larger than the padded image.
        ValueError: If the border is wider than half a window.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return _avg_pool(
        "avg_pool2d",
        2,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


@composite
def avg_pool3d(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: float | None = None,
) -> Array:
    """Mean of each window of ``(batch, channels, depth, height, width)``.

    The parameters are those of :func:`avg_pool2d`.

    >>> avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    array([[[[3.5]]]])
    """
    return _avg_pool(
        "avg_pool3d",
        3,
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def _lp_pool(
    n: int, x: Any, norm_type: float, kernel_size: Ints, stride: Ints | None, ceil_mode: bool
) -> Array:
    function = f"lp_pool{n}d"
    if not norm_type > 0:
        raise ValueError(f"{function}: norm_type is positive, not {norm_type}")
    x = floating(x)
    elements = math.prod(each(kernel_size, n, f"{function}: kernel_size", 1))
    mean = _avg_pool(function, n, x**norm_type, kernel_size, stride, 0, ceil_mode, True, None)
    # A root has an infinite slope at 0, so it is taken of 1 there and not selected.
    zero = ops.equal(mean, 0)
    roots = (ops.where(zero, 1.0, mean) * float(elements)) ** (1 / norm_type)
    return ops.where(zero, 0.0, roots)


@composite
def lp_pool1d(
    x: Array,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Array:
    """``sum(x ** norm_type) ** (1 / norm_type)`` of each window of ``(batch, channels, length)``.

    The parameters are those of :func:`lp_pool2d`.

    >>> lp_pool1d(np.array([[3.0, 4.0, 0.0, 0.0]]), 2, 2)
    array([[5., 0.]])
    """
    return _lp_pool(1, x, norm_type, kernel_size, stride, ceil_mode)


@composite
def lp_pool2d(
    x: Array,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Array:
    """``sum(x ** norm_type) ** (1 / norm_type)`` of each window of images.

    A sum of 0 has gradient 0, where PyTorch's is NaN. A window of ``ceil_mode`` that reaches beyond
    the image counts as if its mean went on there, as in PyTorch.

    Args:
        x: ``(batch, channels, height, width)``, or without the batch.
        norm_type: The power: 1 sums, and a large one takes the largest.
        kernel_size: Height and width of a window, or one number for both.
        stride: How far a window is from the next one; by default as far as it is long.
        ceil_mode: Whether a last window may reach beyond the image.

    Raises:
        ShapeError: If a window is larger than the image.
        ValueError: If the power is not positive.

    >>> lp_pool2d(np.array([[[3.0, 0.0], [0.0, 4.0]]]), 2, 2)
    array([[[5.]]])
    """
    return _lp_pool(2, x, norm_type, kernel_size, stride, ceil_mode)


@composite
def lp_pool3d(
    x: Array,
    norm_type: float,
    kernel_size: Ints,
    stride: Ints | None = None,
    ceil_mode: bool = False,
) -> Array:
    """As :func:`lp_pool2d`, of windows of ``(batch, channels, depth, height, width)``.

    >>> lp_pool3d(np.ones((1, 2, 2, 2)), 1, 2)
    array([[[[8.]]]])
    """
    return _lp_pool(3, x, norm_type, kernel_size, stride, ceil_mode)
