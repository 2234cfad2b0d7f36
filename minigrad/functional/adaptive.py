"""Pooling into as many regions as are wanted, whatever the size of the images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.functional.composition import composite
from minigrad.functional.convolution import described, images, misfit
from minigrad.functional.pooling import first_largest, picked, window_sums
from minigrad.ops.window import Ints, each
from minigrad.primitive import Array
from minigrad.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]

Sizes = int | None | Sequence[int | None]


def _output_size(function: str, x: Array, n: int, output_size: Sizes) -> tuple[int, ...]:
    if 0 in x.shape[-n:]:
        problem = "there is nothing to pool along an axis of length 0"
        raise misfit(function, [described(x, "x")], problem, "pass images that are not empty")
    if isinstance(output_size, Sequence):
        if len(output_size) != n:
            raise ValueError(f"{function}: output_size {output_size} for {n} axes: one for each")
        sizes = zip(output_size, x.shape[-n:], strict=True)
        size: Ints = [old if new is None else new for new, old in sizes]
    else:
        size = x.shape[-n:] if output_size is None else output_size
    return each(size, n, f"{function}: output_size", 1)


def _regions(length: int, count: int) -> tuple[Array, Array]:
    """Places of the elements of ``count`` regions that cover an axis, and their numbers.

    Region ``i`` is ``floor(i * length / count) : ceil((i + 1) * length / count)``; a shorter one
    repeats its last element.
    """
    i = np.arange(count)
    start, stop = i * length // count, -(-(i + 1) * length // count)
    widths = stop - start
    places = start[:, None] + np.arange(widths.max())
    return np.minimum(places, stop[:, None] - 1), widths


def _adaptive_avg_pool(function: str, n: int, x: Any, output_size: Sizes) -> Array:
    x = images(function, x, n)
    size = _output_size(function, x, n, output_size)
    if all(old % new == 0 for old, new in zip(x.shape[-n:], size, strict=True)):
        kernel = tuple(old // new for old, new in zip(x.shape[-n:], size, strict=True))
        return window_sums(x, kernel, kernel, size) / float(math.prod(kernel))
    for axis, new in zip(range(len(x.shape) - n, len(x.shape)), size, strict=True):
        places, widths = _regions(x.shape[axis], new)
        after = (1,) * (len(x.shape) - axis - 1)
        inside = (np.arange(places.shape[1]) < widths[:, None]).reshape(*places.shape, *after)
        x = ops.where(inside, ops.getitem(x, (slice(None),) * axis + (places,)), 0.0)
        x = ops.sum(x, axis=axis + 1) / widths.reshape(-1, *after).astype(x.dtype)
    return x


def _adaptive_max_pool(function: str, n: int, x: Any, output_size: Sizes) -> Array:
    x = images(function, x, n)
    size = _output_size(function, x, n, output_size)
    data = x._data if isinstance(x, Tensor) else x
    places = [_regions(old, new)[0] for old, new in zip(x.shape[-n:], size, strict=True)]
    grid = [
        p.reshape(*(1,) * a, p.shape[0], *(1,) * (n - 1), p.shape[1], *(1,) * (n - a - 1))
        for a, p in enumerate(places)
    ]
    choice = first_largest(data[(..., *grid)], n)
    offsets = np.unravel_index(choice.astype(np.intp), [p.shape[1] for p in places])
    index = np.zeros((), np.intp)
    for a, (p, k) in enumerate(zip(places, offsets, strict=True)):
        which = np.arange(size[a]).reshape(-1, *(1,) * (n - a - 1))
        index = index * x.shape[a - n] + p[which, k]
    return picked(x, n, index)


@composite
def adaptive_avg_pool1d(x: Array, output_size: Sizes) -> Array:
    """Means of ``output_size`` regions that cover ``(batch, channels, length)``.

    The regions are those of :func:`adaptive_avg_pool2d`.

    >>> adaptive_avg_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[2., 1.]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size)


@composite
def adaptive_avg_pool2d(x: Array, output_size: Sizes) -> Array:
    """Means of as many regions of images as the result shall have.

    Region ``i`` of ``n`` along an axis goes from ``floor(i * length / n)`` to ``ceil((i + 1) *
    length / n)``: neighbours share an element where ``n`` does not divide the length.

    Args:
        x: ``(batch, channels, height, width)``, or without the batch.
        output_size: Height and width of the result, or one number for both; None keeps an axis.

    Raises:
        ShapeError: If the images are empty.

    >>> adaptive_avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 1)
    array([[[[7.5]]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size)


@composite
def adaptive_avg_pool3d(x: Array, output_size: Sizes) -> Array:
    """Means of regions that cover ``(batch, channels, depth, height, width)``.

    The regions are those of :func:`adaptive_avg_pool2d`.

    >>> adaptive_avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), (1, 1, 2))
    array([[[[3., 4.]]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, x, output_size)


@composite
def adaptive_max_pool1d(x: Array, output_size: Sizes) -> Array:
    """Largest elements of ``output_size`` regions that cover ``(batch, channels, length)``.

    Where several elements tie, the first gets the cotangent; the regions are those of
    :func:`adaptive_avg_pool2d`.

    >>> adaptive_max_pool1d(np.array([[1.0, 3.0, 2.0, 0.0]]), 2)
    array([[3., 2.]])
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, x, output_size)


@composite
def adaptive_max_pool2d(x: Array, output_size: Sizes) -> Array:
    """Largest elements of as many regions of images as the result shall have.

    Where several elements tie, the first (row by row) gets the cotangent; the regions are those of
    :func:`adaptive_avg_pool2d`.

    >>> adaptive_max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), (1, 2))
    array([[[[13., 15.]]]])
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, x, output_size)


@composite
def adaptive_max_pool3d(x: Array, output_size: Sizes) -> Array:
    """Largest elements of regions that cover ``(batch, channels, depth, height, width)``.

    Where several elements tie, the first gets the cotangent; the regions are those of
    :func:`adaptive_avg_pool2d`.

    >>> adaptive_max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 1)
    array([[[[7.]]]])
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, x, output_size)
