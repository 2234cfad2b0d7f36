"""Arrays joined, parted, repeated: what changes how many arrays or elements there are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.ops.index import plain_index
from minigrad.ops.shape import operand, place_of
from minigrad.primitive import Array, composition

__all__ = [
    "append",
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block",
    "broadcast_arrays",
    "column_stack",
    "delete",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "insert",
    "meshgrid",
    "repeat",
    "resize",
    "split",
    "tile",
    "unstack",
    "vsplit",
    "vstack",
]


# Joining


def _all_at_least(arrays: tuple[Array, ...], one: Any) -> Any:
    made = tuple(one(operand(x)) for x in arrays)
    return made[0] if len(made) == 1 else made


@composition(np.atleast_1d)
def atleast_1d(*arrays: Array) -> Any:
    """Each array with at least one axis; a tuple of them, if there are several.

    >>> atleast_1d(3.0)
    array([3.])
    """
    return _all_at_least(arrays, lambda x: x if len(x.shape) else np.reshape(x, (1,)))


@composition(np.atleast_2d)
def atleast_2d(*arrays: Array) -> Any:
    """Each array with at least two axes, new ones first; a tuple of them, if there are several.

    >>> atleast_2d(np.array([1.0, 2.0]))
    array([[1., 2.]])
    """
    return _all_at_least(
        arrays, lambda x: x if len(x.shape) > 1 else np.reshape(x, (1, math.prod(x.shape)))
    )


@composition(np.atleast_3d)
def atleast_3d(*arrays: Array) -> Any:
    """Each array with at least three axes: ``(n,)`` gives ``(1, n, 1)``, ``(m, n)`` ``(m, n, 1)``.

    >>> atleast_3d(np.array([1.0, 2.0])).shape
    (1, 2, 1)
    """
    return _all_at_least(arrays, lambda x: np.reshape(x, _three(x.shape)))


def _three(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) < 2:
        return (1, *(shape or (1,)), 1)
    return (*shape, 1) if len(shape) == 2 else shape


def _several(arrays: Any) -> list[Array]:
    return [operand(x) for x in arrays]


@composition(np.hstack)
def hstack(tup: Sequence[Array], dtype: Any = None) -> Array:
    """Arrays joined along their second axis, or along the only one.

    >>> hstack([np.array([1.0]), np.array([2.0, 3.0])])
    array([1., 2., 3.])
    """
    arrays = [atleast_1d(x) for x in _several(tup)]
    return _cast(np.concatenate(arrays, axis=0 if len(arrays[0].shape) == 1 else 1), dtype)


@composition(np.vstack)
def vstack(tup: Sequence[Array], dtype: Any = None) -> Array:
    """Arrays joined along their first axis; those with one axis become rows.

    >>> vstack([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([[1., 2.],
           [3., 4.]])
    """
    return _cast(np.concatenate([atleast_2d(x) for x in _several(tup)], axis=0), dtype)


@composition(np.dstack)
def dstack(tup: Sequence[Array]) -> Array:
    """Arrays joined along their third axis, which those with fewer axes get.

    >>> dstack([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([[[1., 3.],
            [2., 4.]]])
    """
    return np.concatenate([atleast_3d(x) for x in _several(tup)], axis=2)


@composition(np.column_stack)
def column_stack(tup: Sequence[Array]) -> Array:
    """Arrays joined along their second axis; those with one axis become columns.

    >>> column_stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([[1., 3.],
           [2., 4.]])
    """
    columns = [np.reshape(x, (-1, 1)) if len(x.shape) < 2 else x for x in _several(tup)]
    return np.concatenate(columns, axis=1)


def _cast(x: Array, dtype: Any) -> Array:
    return x if dtype is None else np.astype(x, dtype)


@composition(np.block)
def block(arrays: Any) -> Array:
    """A matrix of blocks: nested lists of arrays, the innermost joined along the last axis.

    >>> block([[np.ones((1, 2)), np.zeros((1, 1))], [np.zeros((1, 3))]])
    array([[1., 1., 0.],
           [0., 0., 0.]])
    """
    depth = _depth(arrays)
    ndim = max(_most_axes(arrays), depth)
    return _joined(arrays, depth, ndim, 0)


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError("block: a list of blocks is empty")
    depths = {_depth(part) for part in arrays}
    if len(depths) > 1:
        raise ValueError("block: blocks are nested to different depths")
    return 1 + depths.pop()


def _most_axes(arrays: Any) -> int:
    return max(map(_most_axes, arrays)) if isinstance(arrays, list) else np.ndim(arrays)


def _joined(arrays: Any, depth: int, ndim: int, level: int) -> Array:
    if level == depth:
        x = operand(arrays)
        return np.reshape(x, (1,) * (ndim - len(x.shape)) + x.shape)
    parts = [_joined(part, depth, ndim, level + 1) for part in arrays]
    return np.concatenate(parts, axis=level - depth)


@composition(np.broadcast_arrays)
def broadcast_arrays(*arrays: Array) -> tuple[Array, ...]:
    """The arrays in the one shape that they broadcast to. PyTorch calls it ``broadcast_tensors``.

    >>> broadcast_arrays(np.array([1.0, 2.0]), 3.0)
    (array([1., 2.]), array([3., 3.]))
    """
    given = _several(arrays)
    shape = np.broadcast_shapes(*(x.shape for x in given))
    return tuple(x if x.shape == shape else np.broadcast_to(x, shape) for x in given)


@composition(np.meshgrid)
def meshgrid(*xi: Array, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """Coordinates of a grid, an array for each axis, from the coordinates along the axes.

    ``indexing="xy"`` interchanges the first two axes, as pictures do; ``"ij"`` does not, as in
    PyTorch by default. With ``sparse`` they broadcast to the grid instead of filling it.

    >>> meshgrid(np.array([1.0, 2.0]), np.array([3.0]))
    (array([[1., 2.]]), array([[3., 3.]]))
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    axes = list(range(len(xi)))
    if indexing == "xy" and len(xi) > 1:
        axes[:2] = [1, 0]
    shapes = [tuple(-1 if i == axis else 1 for i in range(len(xi))) for axis in axes]
    grid = tuple(np.reshape(x, shape) for x, shape in zip(_several(xi), shapes, strict=True))
    return grid if sparse or not grid else broadcast_arrays(*grid)


# Parting


def _cuts(n: int, indices_or_sections: Any) -> list[tuple[int | None, int | None]]:
    if np.ndim(indices_or_sections):
        edges = [None, *(int(i) for i in indices_or_sections), None]
        return list(zip([0, *edges[1:-1]], edges[1:], strict=True))
    sections = int(indices_or_sections)
    if sections < 1:
        raise ValueError("array_split: the number of parts must be positive")
    size, more = divmod(n, sections)
    ends = np.cumsum([0, *[size + 1] * more, *[size] * (sections - more)]).tolist()
    return list(itertools.pairwise(ends))


@composition(np.array_split)
def array_split(x: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts of ``x`` along ``axis``, as many as asked for or cut before the indices given.

    The parts differ by one in length where they can't be equal. PyTorch calls it ``tensor_split``.

    >>> array_split(np.array([1.0, 2.0, 3.0]), 2)
    [array([1., 2.]), array([3.])]
    """
    x = operand(x)
    axis = place_of(axis, len(x.shape))
    lead = (slice(None),) * axis
    return [x[(*lead, slice(a, b))] for a, b in _cuts(x.shape[axis], indices_or_sections)]


@composition(np.split)
def split(x: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Equal parts of ``x`` along ``axis``, as many as asked for; or cut before the indices given.

    PyTorch's ``split`` takes the length of the parts instead: ``split(x, range(n, len(x), n))``.

    Raises:
        ValueError: If the parts can't be equal.

    >>> split(np.array([1.0, 2.0, 3.0]), [1])
    [array([1.]), array([2., 3.])]
    """
    x = operand(x)
    axis = place_of(axis, len(x.shape))
    if not np.ndim(indices_or_sections) and x.shape[axis] % int(indices_or_sections):
        raise ValueError(
            f"split: axis {axis} of {x.shape} has no {indices_or_sections} equal parts; "
            "array_split makes parts that differ by one"
        )
    return array_split(x, indices_or_sections, axis)


@composition(np.hsplit)
def hsplit(x: Array, indices_or_sections: Any) -> list[Array]:
    """``split`` along the second axis, or along the only one.

    >>> hsplit(np.array([[1.0, 2.0]]), 2)
    [array([[1.]]), array([[2.]])]
    """
    return split(x, indices_or_sections, 1 if _needs(x, 1, "hsplit") > 1 else 0)


@composition(np.vsplit)
def vsplit(x: Array, indices_or_sections: Any) -> list[Array]:
    """``split`` along the first of at least two axes.

    >>> vsplit(np.array([[1.0], [2.0]]), 2)
    [array([[1.]]), array([[2.]])]
    """
    _needs(x, 2, "vsplit")
    return split(x, indices_or_sections, 0)


@composition(np.dsplit)
def dsplit(x: Array, indices_or_sections: Any) -> list[Array]:
    """``split`` along the third axis.

    >>> dsplit(np.array([[[1.0, 2.0]]]), 2)
    [array([[[1.]]]), array([[[2.]]])]
    """
    _needs(x, 3, "dsplit")
    return split(x, indices_or_sections, 2)


def _needs(x: Array, least: int, what: str) -> int:
    ndim = len(np.shape(x))
    if ndim < least:
        raise ValueError(f"{what}: x has {ndim} axes, and at least {least} are needed")
    return ndim


def unstack(x: Array, axis: int = 0) -> tuple[Array, ...]:
    """The slices of ``x`` along ``axis``, which they do not have. PyTorch calls it ``unbind``.

    >>> unstack(np.array([[1.0, 2.0], [3.0, 4.0]]))
    (array([1., 2.]), array([3., 4.]))
    """
    x = operand(x)
    if not x.shape:
        raise ValueError("unstack of a 0-d array")
    lead = (slice(None),) * place_of(axis, len(x.shape))
    return tuple(x[(*lead, i)] for i in range(x.shape[axis]))


if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
    composition(np.unstack)(unstack)


# Repeating


@composition(np.tile)
def tile(x: Array, reps: int | Sequence[int]) -> Array:
    """``x`` laid beside itself ``reps`` times along each axis. PyTorch calls it ``tile``.

    >>> tile(np.array([1.0, 2.0]), 2)
    array([1., 2., 1., 2.])
    """
    x = operand(x)
    counts = tuple(int(n) for n in np.atleast_1d(plain_index(reps)))
    counts = (1,) * (len(x.shape) - len(counts)) + counts
    shape = (1,) * (len(counts) - len(x.shape)) + x.shape
    wide = tuple(n for pair in zip(counts, shape, strict=True) for n in pair)
    x = np.reshape(x, tuple(n for length in shape for n in (1, length)))
    return np.reshape(
        np.broadcast_to(x, wide), tuple(a * b for a, b in zip(counts, shape, strict=True))
    )


@composition(np.repeat)
def repeat(x: Array, repeats: int | Sequence[int] | Array, axis: int | None = None) -> Array:
    """Each element of ``x`` along ``axis`` repeated, all as often or each as ``repeats`` says.

    Without ``axis``, the flattened elements. PyTorch calls it ``repeat_interleave``; its ``repeat``
    is ``tile``.

    >>> repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    x = operand(x)
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    elif not x.shape:
        x = np.reshape(x, -1)
    axis = place_of(axis, len(x.shape))
    times = np.asarray(plain_index(repeats))
    if times.size != 1:
        return np.take(x, np.repeat(np.arange(x.shape[axis]), times), axis=axis)
    n = int(times.reshape(()))
    if n < 0:
        raise ValueError("repeat: repeats must not be negative")
    lead, tail = x.shape[: axis + 1], x.shape[axis + 1 :]
    out = np.broadcast_to(np.reshape(x, (*lead, 1, *tail)), (*lead, n, *tail))
    return np.reshape(out, (*lead[:-1], lead[-1] * n, *tail))


@composition(np.resize)
def resize(x: Array, new_shape: int | tuple[int, ...]) -> Array:
    """The elements of ``x`` in a shape of any size, repeated from the start or cut off.

    >>> resize(np.array([1.0, 2.0]), (3,))
    array([1., 2., 1.])
    """
    x = np.reshape(x, -1)
    shape = new_shape if isinstance(new_shape, tuple) else (int(new_shape),)
    if any(n < 0 for n in shape):
        raise ValueError(f"resize: no axis of new_shape {shape} can be negative")
    size = math.prod(shape)
    if not x.shape[0]:
        return np.broadcast_to(np.astype(np.sum(x), x.dtype), shape)  # zeros, as NumPy's
    return np.reshape(tile(x, -(-size // x.shape[0]))[:size], shape)


# Adding and taking away


@composition(np.append)
def append(x: Array, values: Array, axis: int | None = None) -> Array:
    """``x`` with ``values`` after it along ``axis``, or both flattened. A list's append it is not.

    >>> append(np.array([1.0]), np.array([2.0, 3.0]))
    array([1., 2., 3.])
    """
    return np.concatenate([operand(x), operand(values)], axis=axis)


@composition(np.insert)
def insert(x: Array, obj: Any, values: Array, axis: int | None = None) -> Array:
    """``x`` with ``values`` put before the indices ``obj`` along ``axis``; flattened without one.

    >>> insert(np.array([1.0, 2.0]), 1, 9.0)
    array([1., 9., 2.])
    """
    x, values, obj = operand(x), operand(values), plain_index(obj)
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    axis = place_of(axis, len(x.shape))
    n, ndim = x.shape[axis], len(x.shape)
    values = np.astype(values, x.dtype)
    values = np.reshape(values, (1,) * (ndim - len(values.shape)) + values.shape)
    scalar = not isinstance(obj, slice) and not np.ndim(obj)
    if scalar:
        values = np.moveaxis(values, 0, axis)
    count = values.shape[axis] if scalar else len(np.insert(np.arange(n), obj, 0)) - n
    # NumPy itself says where each of the values goes: they are marked by negative numbers.
    marks = np.insert(np.arange(n), obj, -1 - np.arange(count))
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    both = np.concatenate([x, np.broadcast_to(values, shape)], axis=axis)
    return np.take(both, np.where(marks >= 0, marks, n - 1 - marks), axis=axis)


@composition(np.delete)
def delete(x: Array, obj: Any, axis: int | None = None) -> Array:
    """``x`` without the elements at the indices ``obj`` along ``axis``, or of the flattened ``x``.

    >>> delete(np.array([1.0, 2.0, 3.0]), 1)
    array([1., 3.])
    """
    x = operand(x)
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    axis = place_of(axis, len(x.shape))
    return np.take(x, np.delete(np.arange(x.shape[axis]), plain_index(obj)), axis=axis)
