"""Indexing and its adjoints: reading at an index, and adding into zeros at that index.

``getitem`` and ``scatter_add`` are each other's rule, as are ``take_along_axis`` and
``add_along_axis``: that is what closes them under differentiation of any order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__ = [
    "add_at",
    "getitem",
    "one_hot",
    "scatter_add",
    "set_at",
    "take_along_axis",
]

FEW = 128  # elements: for fewer, it takes longer to say where they are than to add them
INDICES = [
    1,
    (slice(None), 1),
    (Ellipsis, None, slice(None, None, -2)),
    np.array([0, 2, 0]),
    (np.array([[0, 1], [1, 0]]), slice(1, None)),
    np.array([True, False, True]),
    (slice(0, 0),),
]


def plain_index(index: Any) -> Any:
    """An index in which whatever holds an array (``argsort`` of a Tensor is a Tensor) is one.

    >>> plain_index((np.array([1]), slice(2)))
    (array([1]), slice(None, 2, None))
    """
    if isinstance(index, tuple):
        return tuple(map(plain_index, index))
    return index.numpy() if hasattr(index, "numpy") else index


def everything(x: Any) -> Array:
    """The array of ``x``, inside ``vmap`` of all examples: for what must hold of each.

    >>> everything(np.array([1.0]))
    array([1.])
    """
    while hasattr(x.__class__, "_examples"):
        x = x._examples
    return plain_index(x)


def beside(x: Array, index: Any) -> Array:
    """``x`` as ``index`` can point into it: one that differs by example can't into a plain array.

    >>> beside(np.array([1.0]), np.array([0, 0]))
    array([1.])
    """
    if index.__class__ is np.ndarray:
        return x
    lift = getattr(index.__class__, "_lift", None)
    return x if lift is None else lift(x)


_SEVERAL = (np.ndarray, list)


def writes_once(index: Any) -> bool:
    """Whether an index names no element twice: anything but arrays or lists of integers."""
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, _SEVERAL) and np.asarray(part).dtype.kind != "b":
            return False
    return True


def add_into(out: Array, index: Any, g: Array) -> None:
    """Add ``g`` to ``out`` at an index, in place; repeated indices add up.

    >>> out = np.zeros(3)
    >>> add_into(out, np.array([0, 0]), np.array([1.0, 2.0]))
    >>> out
    array([3., 0., 0.])
    """
    if writes_once(index):
        out[index] += g
    else:
        _add_each(out, index, g)


def _add_each(out: Array, index: Any, g: Array) -> None:
    # np.add.at takes 10 ns an element, and 1 where both array and index have one axis.
    many = getattr(g, "size", 1) > FEW and out.__class__ is np.ndarray and out.flags.c_contiguous
    places = _flat(index, out.shape) if many else None
    if places is None:
        np.add.at(out, index, g)
    else:
        np.add.at(out.reshape(-1), places.reshape(-1), np.broadcast_to(g, places.shape).reshape(-1))


def _is_integer(part: Any) -> bool:
    return isinstance(part, np.ndarray | list | int) and np.asarray(part).dtype.kind in "iu"


def _flat(index: Any, shape: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
    """Where ``index`` points in the elements of an array of ``shape``, one after the other.

    None unless it is integers, side by side, and all of the other axes.
    """
    parts = list(index) if isinstance(index, tuple) else [index]
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    at = dots[0] if dots else len(parts)
    missing = len(shape) - len(parts) + len(dots)
    if dots and not missing:  # also dots for no axis part the integers on both sides
        return None
    parts[at : at + 1] = [slice(None)] * missing
    whole = [isinstance(part, slice) and part == slice(None) for part in parts]
    start = whole.index(False)
    stop = len(whole) - whole[::-1].index(False)
    if not all(map(_is_integer, parts[start:stop])):
        return None
    places = np.zeros((), np.intp)
    for part, n in zip(parts[start:stop], shape[start:stop], strict=True):
        i = np.asarray(part, np.intp)
        if i.size and not -n <= i.min() <= i.max() < n:
            return None
        places = places * n + np.where(i < 0, i + n, i)
    before, after = shape[:start], shape[stop:]
    if after:
        inner = np.arange(math.prod(after)).reshape(after)
        places = places[(..., *(None,) * len(after))] * inner.size + inner
    if before:
        lead = np.arange(math.prod(before)) * math.prod(shape[start:])
        places = lead.reshape(*before, *(1,) * places.ndim) + places
    return places


@primitive(
    cases=[case(3, shape=(4,), index=np.array([0, 2, 0])), case(2, shape=(4,), index=slice(1, 3))]
)
@defvjp(g=lambda g, index: g[index])
def scatter_add(g: Array, /, shape: tuple[int, ...], index: Any) -> Array:
    """Zeros of ``shape`` with ``g`` added at ``index``; repeated indices add up.

    To add along an axis as PyTorch's ``scatter_add`` does, pass the index of every axis:
    ``add_at(x, (np.arange(m)[:, None], indices), values)``.

    >>> scatter_add(np.array([1.0, 2.0, 3.0]), (3,), np.array([2, 0, 2]))
    array([2., 0., 4.])
    """
    out = np.zeros(shape, g.dtype)
    if writes_once(index):
        out[index] = g
    else:
        _add_each(out, index, g)
    return out


class Scattered:
    """What ``scatter_add`` would return, not written out yet: ``g`` at ``index``, 0 elsewhere.

    ``add_to`` an array touches only what the index names, so that the cotangents of N slices cost N
    slices and not N whole arrays.
    """

    __slots__ = ("dtype", "g", "index", "shape")

    def __init__(self, g: Array, shape: tuple[int, ...], index: Any) -> None:
        self.g, self.shape, self.index, self.dtype = g, shape, index, g.dtype

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Write it out."""
        return np.asarray(scatter_add(self.g, self.shape, self.index), dtype)

    def astype(self, dtype: Any) -> Scattered:
        """Return the same in another dtype."""
        return Scattered(self.g.astype(dtype), self.shape, self.index)

    __array_priority__ = 1.0  # so that array + scattered is left to __radd__

    def __radd__(self, array: Array) -> Array:
        """Add it to a copy of an array."""
        total = np.array(array)
        self.add_to(total)
        return total

    def add_to(self, array: Array) -> None:
        """Add it in place."""
        add_into(array, self.index, self.g)


def pull_getitem(g: Array, x_shape: tuple[int, ...], index: Any) -> Array:
    """``g`` at the index, in zeros: written out at once only if that is to be recorded."""
    if isinstance(g, np.ndarray):
        return Scattered(g, x_shape, index)
    return scatter_add(g, x_shape, index)


@primitive(
    lambda x, index: x[index],
    numpy=[],
    cases=[case(3, 4, index=index) for index in INDICES],
)
@defvjp(x=pull_getitem)
def getitem(x: Array, /, index: Any) -> Array:
    """``x[index]`` with all of NumPy's indexing: integers, slices, arrays, masks, mixed.

    >>> getitem(np.array([1.0, 2.0, 3.0]), np.array([2, 0, 2]))
    array([3., 1., 3.])
    """


def add_at(x: Array, index: Any, value: Array) -> Array:
    """``x`` with ``value`` added at ``index``, as a new array; repeated indices add up.

    PyTorch calls it ``index_add``.

    >>> add_at(np.zeros(3), np.array([0, 0]), 1.0)
    array([2., 0., 0.])
    """
    return _add_at(x, value, plain_index(index))


@primitive(
    name="add_at",
    cases=[case((3,), (2,), index=np.array([0, 0])), case((3, 2), (), index=1)],
    broadcasts=True,
)
@defvjp(x=lambda g: g, value=lambda g, index: g[index])
def _add_at(x: Array, value: Array, /, index: Any) -> Array:
    out = np.array(x)
    add_into(out, index, value)
    return out


def set_at(x: Array, index: Any, value: Array) -> Array:
    """``x`` with ``x[index] = value`` done, as a new array: assignment that has a gradient.

    Where an index is repeated, the value that NumPy writes last stays and gets the cotangent.
    PyTorch calls it ``index_put``.

    >>> set_at(np.zeros(3), slice(1, None), np.array([5.0, 6.0]))
    array([0., 5., 6.])
    """
    return _set_at(x, value, plain_index(index))


def pull_value(g: Array, x_shape: tuple[int, ...], index: Any) -> Array:
    """``g[index]`` for the values that stayed."""
    taken = g[index]
    if not writes_once(index):
        order = np.arange(np.prod(taken.shape, dtype=int)).reshape(taken.shape)
        last = np.empty(x_shape, dtype=int)
        last[index] = order
        taken = np.where(np.equal(last[index], order), taken, 0.0)
    return taken


def pull_target(g: Array, index: Any) -> Array:
    """``g`` with 0 at the index."""
    return _set_at(g, 0.0, index)


@primitive(
    name="set_at",
    cases=[
        case((3,), (2,), index=slice(1, None)),
        case((3,), (2,), index=np.array([0, 0])),
        case((3, 2), (), index=1),
    ],
    broadcasts=True,
)
@defvjp(x=pull_target, value=pull_value)
def _set_at(x: Array, value: Array, /, index: Any) -> Array:
    out = np.array(x)
    if out.dtype.kind in "biu" and np.asarray(value).dtype.kind not in "biu":
        raise TypeError(f"set_at: {out.dtype} would cut a value's fraction off: x.astype(float)")
    out[index] = value
    return out


@primitive(cases=[case(1, 4, shape=(3, 4), indices=np.array([[0, 0, 2, 1]]), axis=0)])
@defvjp(g=lambda g, indices, axis: np.take_along_axis(g, indices, axis))
def add_along_axis(g: Array, /, shape: tuple[int, ...], indices: Array, axis: int = -1) -> Array:
    """Zeros of ``shape`` with ``g`` added where ``indices`` points along ``axis``.

    >>> add_along_axis(np.array([[1.0, 2.0]]), (2, 2), np.array([[1, 0]]), axis=0)
    array([[0., 2.],
           [1., 0.]])
    """
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in shape)])
    grid[axis] = indices
    out = np.zeros(shape, g.dtype)
    _add_each(out, tuple(grid), g)
    return out


@primitive(
    lambda x, indices, axis: np.take_along_axis(x, indices, axis),
    numpy=[],
    name="take_along_axis",
    cases=[
        case(3, 4, indices=np.array([[0, 0, 2, 1]]), axis=0),
        case(3, 2, indices=np.array([[1, 1], [0, 1], [1, 0]]), axis=-1),
    ],
)
@defvjp(x=lambda g, x_shape, indices, axis: add_along_axis(g, x_shape, indices, axis))
def _take_along_axis(x: Array, /, indices: Array, axis: int = -1) -> Array:
    """Elements that ``indices`` names along ``axis``."""


@composition(np.take_along_axis)
def take_along_axis(x: Array, indices: Array, axis: int | None = -1) -> Array:
    """Elements that ``indices`` names along ``axis``, as ``argsort`` and ``argmax`` give them.

    An element named twice collects both cotangents. PyTorch calls it ``gather``.

    >>> take_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), axis=1)
    array([[2.],
           [3.]])
    """
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    indices = np.asarray(indices) if isinstance(indices, list) else plain_index(indices)
    return _take_along_axis(x, indices, axis)


@primitive(cases=[case(3, num_classes=4)])
def one_hot(labels: Array, /, num_classes: int, dtype: Any = np.float64) -> Array:
    """Rows of zeros with a one at each label; a label outside ``0 .. num_classes - 1`` raises.

    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: labels must be integers, not {labels.dtype}")
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        raise IndexError(
            f"one_hot: labels span {labels.min()}..{labels.max()}, "
            f"but {num_classes} classes are 0..{num_classes - 1}"
        )
    return (labels[..., None] == np.arange(num_classes)).astype(dtype)
