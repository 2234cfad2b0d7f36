"""Images in other sizes, and read at places that a network may have computed.

Channels stand before the spatial axes, as in PyTorch; the batch axis comes first. A place is
between elements, and what is there is a sum of its neighbours, weighted along each axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
)
from minigrad.functional.composition import composite, floating, held, in_dtype
from minigrad.functional.convolution import described, misfit
from minigrad.ops.window import Ints, each
from minigrad.primitive import Array

__all__ = ["affine_grid", "grid_sample", "interpolate"]

Resampling = Literal[
    "nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"
]
Border = Literal["zeros", "border", "reflection"]
Neighbours = list[tuple[Array, Array | float]]  # indices along an axis, and the weight of each

AXES = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}
ANY_AXES = ("nearest", "nearest-exact", "area")
MEANS = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
BEND = -0.75  # slope of the cubic kernel at 1 (Keys, 1981), as in PyTorch and OpenCV


def _cubic(t: Array) -> list[Array]:
    """Weights of the four neighbours of a place ``t`` after the second of them."""

    def near(x: Array) -> Array:
        return ((BEND + 2.0) * x - (BEND + 3.0)) * x * x + 1.0

    def far(x: Array) -> Array:
        return ((BEND * x - 5.0 * BEND) * x + 8.0 * BEND) * x - 4.0 * BEND

    return [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]


def _neighbours(place: Array, mode: str) -> Neighbours:
    """Elements that make what is at a place along an axis; indices may lie outside."""
    position = held(place)
    if mode == "nearest":
        return [(np.rint(position).astype(np.intp), 1.0)]
    first = np.floor(position)
    index = first.astype(np.intp)
    t = place - first.astype(position.dtype)
    if mode == "bicubic":
        return [(index + i - 1, weight) for i, weight in enumerate(_cubic(t))]
    return [(index, 1.0 - t), (index + 1, t)]


def _sizes(
    x: Array, size: Ints | None, scale_factor: float | Sequence[float] | None, n: int
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Length of each axis of the result, and how far apart its elements are in ``x``."""
    lengths = x.shape[2:]
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: pass either size= or scale_factor=")
    if size is not None:
        sizes = each(size, n, "interpolate: size", 1)
        return sizes, tuple(a / b for a, b in zip(lengths, sizes, strict=True))
    given = scale_factor if isinstance(scale_factor, Sequence) else (scale_factor,) * n
    factors = tuple(float(f) for f in given if f is not None)
    if len(factors) != n or min(factors) <= 0:
        raise ValueError(
            f"interpolate: scale_factor {scale_factor} for {n} axes: pass a positive number for "
            "all of them, or one for each"
        )
    sizes = tuple(math.floor(a * f) for a, f in zip(lengths, factors, strict=True))
    if 0 in sizes:
        raise misfit(
            "interpolate",
            [described(x, "x")],
            f"nothing is left at scale_factor={scale_factor}",
            "pass a larger scale_factor=",
        )
    return sizes, tuple(1.0 / f for f in factors)


def _taken(length: int, count: int, gap: float, mode: str, align_corners: bool) -> Neighbours:
    """The elements of an axis that make each of ``count`` of the result."""
    i = np.arange(count, dtype=float)
    if mode == "nearest":
        return [(np.minimum(np.floor(i * gap), length - 1).astype(np.intp), 1.0)]
    if mode == "nearest-exact":
        return [(np.minimum(np.floor((i + 0.5) * gap), length - 1).astype(np.intp), 1.0)]
    if align_corners:
        place = i * ((length - 1) / (count - 1) if count > 1 else 0.0)
    else:
        place = (i + 0.5) * gap - 0.5
        place = place if mode == "bicubic" else np.maximum(place, 0.0)
    return [(np.clip(j, 0, length - 1), weight) for j, weight in _neighbours(place, mode)]


@composite
def interpolate(
    x: Array,
    size: Ints | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: Resampling = "nearest",
    align_corners: bool = False,
) -> Array:
    """Images in another size, as PyTorch's ``interpolate`` computes them.

    Args:
        x: ``(batch, channels, ...)`` with one to three spatial axes.
        size: Length of each spatial axis of the result, or one number for all.
        scale_factor: How many times as long they are instead, rounded down.
        mode: ``"nearest"`` repeats elements (``"nearest-exact"`` those whose centres are nearest);
            ``"linear"``, ``"bilinear"`` and ``"trilinear"`` are for one, two and three axes;
            ``"bicubic"`` is for two; ``"area"`` takes means, as adaptive pooling does.
        align_corners: Whether the centres of the first and the last element stay where they are,
            and not the outer edges. It has no meaning for the nearest and for means.

    Raises:
        ShapeError: If the mode is for another number of axes, or nothing is left.
        ValueError: If both or none of size and scale_factor are passed, or the mode is unknown.

    >>> interpolate(np.array([[[1.0, 2.0]]]), scale_factor=2)
    array([[[1., 1., 2., 2.]]])
    >>> interpolate(np.array([[[1.0, 2.0]]]), size=3, mode="linear", align_corners=True)
    array([[[1. , 1.5, 2. ]]])
    """
    x = floating(x)
    n = len(x.shape) - 2
    if mode not in (*AXES, *ANY_AXES):
        raise ValueError(f"interpolate: mode is one of {[*AXES, *ANY_AXES]}, not {mode!r}")
    if not 1 <= n <= 3 or AXES.get(mode, n) != n:
        wanted = AXES.get(mode, "one to three")
        raise misfit(
            "interpolate",
            [described(x, "x")],
            f"mode={mode!r} is for {wanted} spatial axes after batch and channels",
            "reshape x, or pass another mode=",
        )
    sizes, gaps = _sizes(x, size, scale_factor, n)
    if mode == "area":
        return MEANS[n](x, sizes)
    for axis, (count, gap) in enumerate(zip(sizes, gaps, strict=True), 2):
        if count == x.shape[axis] and gap == 1.0:
            continue
        shape = (-1, *(1,) * (n + 1 - axis))
        parts = [
            part if weight.__class__ is float else part * np.reshape(weight, shape).astype(x.dtype)
            for index, weight in _taken(x.shape[axis], count, gap, mode, align_corners)
            for part in (ops.take(x, index, axis),)
        ]
        x = sum(parts[1:], parts[0])
    return x


def _reflected(x: Array, low: float, high: float, where: Callable[..., Array]) -> Array:
    """``x`` thrown back at two bounds, however often it crosses them."""
    if high <= low:
        return x * 0
    away = np.abs(x - low)
    span = high - low
    turns = np.floor(held(away) / span)
    rest = away - (turns * span).astype(held(away).dtype)
    return where(turns % 2 == 0, rest + low, high - rest)


def _kept_inside(place: Array, length: int, border: str, align_corners: bool) -> Array:
    """A place along an axis, or an index, moved into it as ``border`` says."""
    if border == "reflection":
        low, high = (0.0, length - 1.0) if align_corners else (-0.5, length - 0.5)
        place = _reflected(place, low, high, ops.where)
    return place if border == "zeros" else ops.clip(place, 0, length - 1)


def _axis_neighbours(
    place: Array, length: int, mode: str, border: str, align_corners: bool
) -> Neighbours:
    """Neighbours along one axis, with indices inside and weight 0 for what lies beyond."""
    if mode != "bicubic":  # which moves each of its elements, not the place
        place = _kept_inside(place, length, border, align_corners)
    found: Neighbours = []
    for index, weight in _neighbours(place, mode):
        if mode == "bicubic" and border != "zeros":
            moved = _kept_inside(index.astype(float), length, border, align_corners)
            index = np.asarray(moved).astype(np.intp)
        inside = (index >= 0) & (index < length)
        found.append((np.where(inside, index, 0), weight * inside.astype(held(place).dtype)))
    return found


def _check_grid(x: Array, grid: Array, mode: str, padding_mode: str) -> None:
    n = len(x.shape) - 2
    if n not in (2, 3) or len(grid.shape) != n + 2 or grid.shape[-1] != n or len(grid) != len(x):
        raise misfit(
            "grid_sample",
            [described(x, "x"), described(grid, "grid")],
            "expected (batch, channels, height, width) and (batch, out height, out width, 2), "
            "or both with a depth",
            "pass one grid for each image: affine_grid makes one",
        )
    if mode not in ("bilinear", "nearest") and (mode != "bicubic" or n == 3):
        raise ValueError(
            f"grid_sample: mode is 'bilinear', 'nearest' or, without a depth, 'bicubic', not "
            f"{mode!r}"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"grid_sample: padding_mode is 'zeros', 'border' or 'reflection', not {padding_mode!r}"
        )


@composite
def grid_sample(
    x: Array,
    grid: Array,
    mode: Literal["bilinear", "nearest", "bicubic"] = "bilinear",
    padding_mode: Border = "zeros",
    align_corners: bool = False,
) -> Array:
    """Images read at the places of a grid, as PyTorch's ``grid_sample`` does it.

    A place is given along the last spatial axis first (``x, y``), from -1 to 1 across the image.
    Gradients flow to the image and, unless the nearest element is taken, to the grid.

    Args:
        x: ``(batch, channels, height, width)``, or with a depth before the height.
        grid: ``(batch, out height, out width, 2)``, or ``(batch, out depth, ..., 3)``.
        mode: ``"bilinear"`` (with a depth: trilinear), ``"nearest"`` or, without, ``"bicubic"``.
        padding_mode: What lies beyond the image: zeros, its border, or its reflection.
        align_corners: Whether -1 and 1 are the centres of the outer elements, or their edges.

    Raises:
        ShapeError: If image and grid do not fit.
        ValueError: If a mode is unknown.

    >>> grid = np.array([[[[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]]])
    >>> grid_sample(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), grid, align_corners=True)
    array([[[[1. , 2.5, 4. ]]]])
    """
    x, grid = floating(x), floating(grid)
    n = len(x.shape) - 2
    _check_grid(x, grid, mode, padding_mode)
    grid = in_dtype(grid, x.dtype)
    by_axis = []
    for i, length in enumerate(x.shape[2:]):
        place = grid[..., n - 1 - i] + 1.0
        place = place * ((length - 1) / 2) if align_corners else place * (length / 2) - 0.5
        by_axis.append(_axis_neighbours(place, length, mode, padding_mode, align_corners))
    rows = np.arange(len(x)).reshape(-1, *(1,) * n)
    total: Any = None
    for corner in itertools.product(*by_axis):
        index = (rows, slice(None), *(position for position, _ in corner))
        weight = math.prod(w for _, w in corner[1:])
        part = ops.moveaxis(ops.getitem(x, index), -1, 1) * ops.expand_dims(
            corner[0][1] * weight, 1
        )
        total = part if total is None else total + part
    return total


@composite
def affine_grid(theta: Array, size: Sequence[int], align_corners: bool = False) -> Array:
    """The grid on which :func:`grid_sample` reads an image moved by an affine map.

    Args:
        theta: ``(batch, 2, 3)``, or ``(batch, 3, 4)`` for images with a depth: the matrix of the
            map and, as its last column, the shift.
        size: Of the images to make, as ``(batch, channels, height, width)``, or with a depth.
        align_corners: Whether -1 and 1 are the centres of the outer elements, or their edges.

    Raises:
        ShapeError: If matrices and size do not fit.

    >>> affine_grid(np.array([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    array([[[[0., 0.],
             [1., 0.]]]])
    """
    theta = floating(theta)
    n = len(size) - 2
    if n not in (2, 3) or theta.shape != (size[0], n, n + 1):
        raise ShapeError(
            f"affine_grid: theta {theta.shape} for size {tuple(size)}: expected (batch, 2, 3) and "
            "(batch, channels, height, width), or (batch, 3, 4) and a size with a depth"
        )
    lines = []
    for length in size[2:]:
        shrink = 1.0 if align_corners else (length - 1) / length
        line = np.linspace(-shrink, shrink, length) if length > 1 else np.zeros(1)
        lines.append(line)
    places = np.meshgrid(*lines, indexing="ij")[::-1]
    corners = np.stack([*places, np.ones_like(places[0])], -1).astype(theta.dtype)
    flat = ops.matmul(corners.reshape(-1, n + 1), ops.swapaxes(theta, 1, 2))
    return ops.reshape(flat, (size[0], *size[2:], n))
