"""Largest elements with the places they came from, and putting them back there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.functional.composition import composite, held
from minigrad.functional.convolution import described, images, misfit
from minigrad.functional.pooling import largest, picked
from minigrad.ops.window import Ints, each
from minigrad.primitive import Array

__all__ = [
    "max_pool1d_with_indices",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def _with_indices(
    function: str,
    n: int,
    x: Any,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
) -> tuple[Array, Array]:
    size = images(function, x, n).shape[-n:]
    x, index = largest(function, n, x, kernel_size, stride, padding, dilation, ceil_mode)
    within = np.unravel_index(index, x.shape[-n:])
    sides = each(padding, n, f"{function}: padding", 0)
    place = tuple(i - side for i, side in zip(within, sides, strict=True))
    return picked(x, n, index), np.ravel_multi_index(place, size)


@composite
def max_pool1d_with_indices(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """What :func:`max_pool1d` takes of each window, and where it was.

    >>> max_pool1d_with_indices(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
    (array([[3., 2.]]), array([[1, 2]]))
    """
    function = "max_pool1d_with_indices"
    return _with_indices(function, 1, x, kernel_size, stride, padding, dilation, ceil_mode)


@composite
def max_pool2d_with_indices(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """What :func:`max_pool2d` takes of each window, and where it was.

    Places count the elements of an image row by row, which is how :func:`max_unpool2d` takes them.
    They are an array of integers. In PyTorch this is ``max_pool2d(..., return_indices=True)``.

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

    >>> max_pool2d_with_indices(np.array([[[1.0, 3.0], [2.0, 0.0]]]), 2)
    (array([[[3.]]]), array([[[1]]]))
    """
    function = "max_pool2d_with_indices"
    return _with_indices(function, 2, x, kernel_size, stride, padding, dilation, ceil_mode)


@composite
def max_pool3d_with_indices(
    x: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:
    """What :func:`max_pool3d` takes of each window, and where it was.

    >>> max_pool3d_with_indices(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    (array([[[[7.]]]]), array([[[[7]]]]))
    """
    function = "max_pool3d_with_indices"
    return _with_indices(function, 3, x, kernel_size, stride, padding, dilation, ceil_mode)


def _unpool(
    n: int,
    x: Any,
    indices: Any,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    output_size: Sequence[int] | None,
) -> Array:
    function = f"max_unpool{n}d"
    x, indices = images(function, x, n), np.asarray(held(indices))
    kernel = each(kernel_size, n, f"{function}: kernel_size", 1)
    steps = kernel if stride is None else each(stride, n, f"{function}: stride", 1)
    sides = each(padding, n, f"{function}: padding", 0)
    sizes = zip(x.shape[-n:], kernel, steps, sides, strict=True)
    size = tuple((length - 1) * s - 2 * p + k for length, k, s, p in sizes)
    if output_size is not None:
        size = each(tuple(output_size)[-n:], n, f"{function}: output_size", 1)
    operands = [described(x, "x"), described(indices, "indices")]
    if indices.shape != x.shape:
        raise misfit(function, operands, "expected one place for each element", "pass both results")
    if indices.size and (indices.min() < 0 or indices.max() >= math.prod(size)):
        problem = f"an image of {size} has no place {indices.min()} or {indices.max()}"
        hint = f"pass the size of what {function.replace('un', '')} took as output_size="
        raise misfit(function, operands, problem, hint)
    lead, elements = x.shape[:-n], math.prod(size)
    first = np.arange(math.prod(lead)).reshape(*lead, *(1,) * n) * elements
    flat = np.zeros(math.prod(lead) * elements, x.dtype)
    put = ops.set_at(flat, (indices + first).ravel(), ops.reshape(x, -1))
    return ops.reshape(put, (*lead, *size))


@composite
def max_unpool1d(
    x: Array,
    indices: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put elements back where :func:`max_pool1d_with_indices` took them; zeros are elsewhere.

    The parameters are those of :func:`max_unpool2d`.

    >>> max_unpool1d(np.array([[3.0, 2.0]]), np.array([[1, 2]]), 2)
    array([[0., 3., 2., 0.]])
    """
    return _unpool(1, x, indices, kernel_size, stride, padding, output_size)


@composite
def max_unpool2d(
    x: Array,
    indices: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put elements back where :func:`max_pool2d_with_indices` took them; zeros are elsewhere.

    Where a place is named more than once, the last element stays, and it alone gets a cotangent.

    Args:
        x: ``(batch, channels, height, width)``, or without the batch.
        indices: The places, of the same shape.
        kernel_size: Height and width of the windows, or one number for both.
        stride: How far they were apart; by default as far as a window is long.
        padding: What border there was.
        output_size: Height and width of the result, where windows of several sizes are as many.

    Raises:
        ShapeError: If places do not fit to the elements, or lie outside of the result.

    >>> max_unpool2d(np.array([[[3.0]]]), np.array([[[1]]]), 2)
    array([[[0., 3.],
            [0., 0.]]])
    """
    return _unpool(2, x, indices, kernel_size, stride, padding, output_size)


@composite
def max_unpool3d(
    x: Array,
    indices: Array,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Put elements back where :func:`max_pool3d_with_indices` took them; zeros are elsewhere.

    The parameters are those of :func:`max_unpool2d`.

    >>> max_unpool3d(np.array([[[[7.0]]]]), np.array([[[[7]]]]), 2).ravel()
    array([0., 0., 0., 0., 0., 0., 0., 7.])
    """
    return _unpool(3, x, indices, kernel_size, stride, padding, output_size)
