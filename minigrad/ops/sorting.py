"""Sorting and what is read off a sorted array: order, ranks, quantiles.

Sorting is a permutation, so its cotangents are permuted back. Where elements tie, the one that
stands first in the array takes the first of their places: each place has one element, which gets
all of its cotangent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from minigrad.ops.elementwise import where
from minigrad.ops.index import add_along_axis, plain_index
from minigrad.ops.shape import operand, place_of
from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__ = [
    "argpartition",
    "argsort",
    "argwhere",
    "digitize",
    "flatnonzero",
    "lexsort",
    "nonzero",
    "partition",
    "searchsorted",
    "sort",
    "topk",
    "unique",
]

Kind = Literal["quicksort", "heapsort", "mergesort", "stable"] | None


def unsort(g: Array, x: Array, axis: int | None) -> Array:
    """Send the cotangent of each sorted element back to where the element was."""
    if axis is None:
        return np.reshape(unsort(g, np.reshape(x, -1), -1), x.shape)
    if not len(x.shape):
        return g
    order = plain_index(np.argsort(x, axis=axis, kind="stable"))
    return add_along_axis(g, x.shape, order, axis)


@primitive(
    lambda x, axis, kind, stable: np.sort(x, axis=axis, kind=kind, stable=stable),
    numpy=[np.sort],
    cases=[case(5), case(3, 4, axis=0, kind="stable"), case(3, 4, axis=None, stable=True)],
)
@defvjp(x=lambda g, x, axis: unsort(g, x, axis))
def sort(
    x: Array, /, axis: int | None = -1, kind: Kind = None, stable: bool | None = None
) -> Array:
    """Elements in ascending order along ``axis`` (None sorts the flattened array), NaN last.

    Where elements tie, the first in ``x`` is the first in the result and gets its cotangent.

    >>> sort(np.array([3.0, 1.0, 2.0]))
    array([1., 2., 3.])
    """


@primitive(
    lambda x, axis, kind, stable: np.argsort(x, axis=axis, kind=kind, stable=stable),
    numpy=[np.argsort],
    cases=[case(5), case(3, 4, axis=0), case(3, 4, axis=None, stable=True)],
)
def argsort(
    x: Array, /, axis: int | None = -1, kind: Kind = None, stable: bool | None = None
) -> Array:
    """Indices that sort ``x`` along ``axis``.

    >>> argsort(np.array([3.0, 1.0, 2.0]))
    array([1, 2, 0])
    """


def pull_partition(g: Array, x: Array, out: Array, axis: int | None) -> Array:
    """The cotangent of each place, to the element that has the same rank as what stands there."""
    if axis is None:
        return np.reshape(pull_partition(g, np.reshape(x, -1), out, -1), x.shape)
    ascending = np.take_along_axis(g, np.argsort(out, axis=axis, kind="stable"), axis=axis)
    return unsort(ascending, x, axis)


Kth = int | Sequence[int]


@primitive(
    np.partition,
    cases=[case(5, kth=2), case(3, 4, kth=(1, 2), axis=0), case(3, 4, kth=5, axis=None)],
)
@defvjp(x=pull_partition)
def partition(x: Array, /, kth: Kth, axis: int | None = -1, kind: str = "introselect") -> Array:
    """Elements so arranged that the ``kth`` is the one that sorting would put there.

    Smaller elements stand before it and larger ones after it, in NumPy's order.

    >>> partition(np.array([3.0, 1.0, 2.0]), 0)[0]
    np.float64(1.0)
    """


@primitive(np.argpartition, cases=[case(5, kth=2), case(3, 4, kth=1, axis=0)])
def argpartition(x: Array, /, kth: Kth, axis: int | None = -1, kind: str = "introselect") -> Array:
    """Indices that partition ``x`` along ``axis``, as ``partition`` arranges it.

    >>> argpartition(np.array([3.0, 1.0, 2.0]), 0)[0]
    np.int64(1)
    """


class TopK(NamedTuple):
    """The largest elements, and where they stood."""

    values: Array
    indices: Array


def topk(x: Array, k: int, axis: int = -1, largest: bool = True) -> TopK:
    """The ``k`` largest elements along ``axis``, descending, and their indices.

    With ``largest=False`` the smallest, ascending. Of elements that tie the first is taken first;
    NaN counts as the largest. PyTorch calls it ``topk``, with ``dim`` for ``axis``.

    Raises:
        ValueError: If there are fewer than ``k`` elements.

    >>> topk(np.array([1.0, 5.0, 3.0]), 2)
    TopK(values=array([5., 3.]), indices=array([1, 2]))
    """
    x = operand(x)
    axis = place_of(axis, len(x.shape))
    n = x.shape[axis]
    if not 0 <= k <= n:
        raise ValueError(f"topk: k={k} of {n} elements along axis {axis} of {x.shape}")
    held = plain_index(x)
    if held.__class__ is np.ndarray and 8 * k <= n and k and not np.isnan(held).any():
        indices = _first_of_many(held, k, axis, largest)
    else:
        indices = _descending(x, axis) if largest else np.argsort(x, axis=axis, kind="stable")
        indices = indices[(*(slice(None),) * axis, slice(k))]
    return TopK(np.take_along_axis(x, indices, axis=axis), indices)


def _descending(x: Array, axis: int) -> Array:
    """Indices that sort from the largest, the first of those that tie first."""
    order = np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
    return x.shape[axis] - 1 - order


def _first_of_many(x: Array, k: int, axis: int, largest: bool) -> Array:
    """Indices of the ``k`` first in order, in a third of the time that sorting all would take."""
    rows = np.moveaxis(x, axis, -1)
    n = rows.shape[-1]
    last = np.partition(rows, n - k if largest else k - 1)[..., [n - k if largest else k - 1]]
    ahead, level = rows > last if largest else rows < last, rows == last
    free = k - np.count_nonzero(ahead, axis=-1, keepdims=True)
    taken = ahead | (level & (np.cumsum(level, axis=-1) <= free))
    places = np.nonzero(taken)[-1].reshape(*rows.shape[:-1], k)
    found = np.take_along_axis(rows, places, axis=-1)
    order = _descending(found, -1) if largest else np.argsort(found, axis=-1, kind="stable")
    return np.moveaxis(np.take_along_axis(places, order, axis=-1), -1, axis)


@primitive(np.lexsort, numpy=[], name="lexsort", cases=[case(2, 5), case(2, 3, 4, axis=0)])
def _lexsort(keys: Array, /, axis: int = -1) -> Array:
    """Indices that sort by the last key."""


@composition(np.lexsort)
def lexsort(keys: Sequence[Array] | Array, axis: int = -1) -> Array:
    """Indices that sort by the last of ``keys``, by the one before where that ties, and so on.

    >>> lexsort([np.array([1.0, 0.0, 2.0]), np.array([5.0, 5.0, 4.0])])
    array([2, 1, 0])
    """
    if not hasattr(keys, "dtype"):
        keys = np.stack(np.broadcast_arrays(*keys))
    return _lexsort(keys, axis)


@primitive(
    np.searchsorted,
    numpy=[],
    name="searchsorted",
    cases=[case((4,), (2, 3)), case((4,), (), side="right")],
)
def _searchsorted(
    a: Array, v: Array, /, side: Literal["left", "right"] = "left", sorter: Array | None = None
) -> Array:
    """Indices at which ``v`` keep ``a`` sorted."""


@composition(np.searchsorted)
def searchsorted(
    a: Array, v: Array, side: Literal["left", "right"] = "left", sorter: Array | None = None
) -> Array:
    """Indices at which the elements of ``v`` would keep the ascending ``a`` sorted.

    Of equal elements, ``side`` says whether to stand left or right. ``sorter`` are the indices that
    sort ``a``, where it is not sorted.

    >>> searchsorted(np.array([1.0, 2.0, 3.0]), np.array([2.0, 9.0]))
    array([1, 3])
    """
    return _searchsorted(a, v, side, plain_index(sorter))


@composition(np.digitize)
def digitize(x: Array, bins: Array, right: bool = False) -> Array:
    """Index of the bin that holds each element: ``bins[i - 1] <= x < bins[i]`` for index ``i``.

    With ``right`` a bin holds its right edge and not its left. ``bins`` may descend. PyTorch calls
    it ``bucketize``, with ``right`` the other way round.

    Raises:
        ValueError: If ``bins`` neither ascend nor descend.

    >>> digitize(np.array([0.5, 3.0]), np.array([0.0, 1.0, 2.0]))
    array([1, 3])
    """
    edges = operand(plain_index(bins))
    steps = np.diff(edges)
    side: Literal["left", "right"] = "left" if right else "right"
    if np.all(steps >= 0):
        return searchsorted(edges, x, side)
    if not np.all(steps <= 0):
        raise ValueError("digitize: bins must ascend or descend")
    return len(edges) - searchsorted(edges[::-1], x, side)


@primitive(np.argwhere, cases=[case(2, 3), case(3)])
def argwhere(x: Array, /) -> Array:
    """Indices of the elements that are not 0, a row for each. PyTorch calls it ``argwhere``.

    >>> argwhere(np.array([[0.0, 3.0], [5.0, 0.0]]))
    array([[0, 1],
           [1, 0]])
    """


@composition(np.nonzero)
def nonzero(x: Array) -> tuple[Array, ...]:
    """Indices of the elements that are not 0, an array for each axis.

    >>> nonzero(np.array([[0.0, 3.0], [5.0, 0.0]]))
    (array([0, 1]), array([1, 0]))
    """
    x = operand(x)
    if not x.shape:
        raise ValueError("nonzero of a 0-d array: atleast_1d(x) has an axis")
    places = argwhere(x)
    return tuple(places[:, axis] for axis in range(len(x.shape)))


@composition(np.where)
def _where_or_nonzero(condition: Array, x: Any = None, y: Any = None) -> Any:
    return nonzero(condition) if x is None and y is None else where(condition, x, y)


@composition(np.flatnonzero)
def flatnonzero(x: Array) -> Array:
    """Indices of the elements of the flattened ``x`` that are not 0.

    >>> flatnonzero(np.array([[0.0, 3.0], [5.0, 0.0]]))
    array([1, 2])
    """
    return nonzero(np.ravel(x))[0]


Places = Literal["index", "inverse", "counts"]


@primitive(name="unique_places", cases=[case(3, what="index"), case(2, 3, what="counts", axis=0)])
def _unique_places(
    x: Array,
    /,
    what: Places,
    axis: int | None = None,
    equal_nan: bool = True,
) -> Array:
    """What NumPy returns beside the unique elements."""
    wanted: dict[str, Any] = {f"return_{what}": True}
    return np.unique(x, axis=axis, equal_nan=equal_nan, **wanted)[1]


@composition(np.unique)
def unique(
    x: Array,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    equal_nan: bool = True,
) -> Any:
    """The different elements in ascending order; each gives its cotangent to its first occurrence.

    ``axis`` compares whole slices. On request come along, each as an array of integers: the index
    of the first occurrence, the inverse (which unique element an element is), and the counts.

    >>> unique(np.array([3.0, 1.0, 3.0]))
    array([1., 3.])
    >>> unique(np.array([3.0, 1.0, 3.0]), return_counts=True)
    (array([1., 3.]), array([1, 2]))
    """
    x = operand(x)
    index = _unique_places(x, "index", axis, equal_nan)
    values = np.take(np.reshape(x, -1) if axis is None else x, index, axis=axis or 0)
    wanted: dict[Places, bool] = {
        "index": return_index,
        "inverse": return_inverse,
        "counts": return_counts,
    }
    if not any(wanted.values()):
        return values
    names: tuple[Places, ...] = ("index", "inverse", "counts")
    places = [_unique_places(x, what, axis, equal_nan) for what in names if wanted[what]]
    return (values, *places)
