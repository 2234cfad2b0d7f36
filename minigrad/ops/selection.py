"""Elements taken, chosen and put: by index, by condition, by a table of choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.ops.index import beside, everything, plain_index, scatter_add, set_at
from minigrad.ops.shape import operand, place_of
from minigrad.primitive import Array, composition

__all__ = [
    "bincount",
    "choose",
    "compress",
    "extract",
    "piecewise",
    "put_along_axis",
    "select",
    "take",
]


def _within(indices: Array, n: int, mode: str) -> Array:
    """Indices as a mode brings them into ``0 .. n - 1``; "raise" leaves that to indexing."""
    if mode == "wrap":
        return np.remainder(indices, n)
    if mode == "clip":
        return np.clip(indices, 0, n - 1)
    if mode != "raise":
        raise ValueError(f"mode is 'raise', 'wrap' or 'clip', not {mode!r}")
    return indices


@composition(np.take)
def take(x: Array, indices: Any, axis: int | None = None, mode: str = "raise") -> Array:
    """Elements at ``indices`` along ``axis``, or of the flattened ``x``.

    ``mode`` says what an index beyond the end does: raise, wrap around, or clip to the end (where
    negative ones mean 0). An element taken twice collects both cotangents. PyTorch calls it
    ``index_select``.

    >>> take(np.array([[1.0, 2.0], [3.0, 4.0]]), [0, 0], axis=1)
    array([[1., 1.],
           [3., 3.]])
    """
    x = operand(x)
    if axis is None:
        x, axis = np.reshape(x, -1), 0
    elif not x.shape:  # NumPy takes a scalar for one element
        x = np.reshape(x, -1)
    axis = place_of(axis, len(x.shape))
    indices = operand(plain_index(indices))
    if not indices.size and indices.dtype.kind == "f":
        indices = indices.astype(int)  # NumPy takes an empty list for floats
    if indices.dtype.kind not in "biu":
        raise TypeError(f"take: indices must be integers, not {indices.dtype}")
    if indices.dtype.kind == "b":
        indices = indices.astype(int)
    lead = (slice(None),) * axis
    return beside(x, indices)[(*lead, _within(indices, x.shape[axis], mode))]


@composition(np.compress)
def compress(condition: Array, x: Array, axis: int | None = None) -> Array:
    """Slices of ``x`` along ``axis`` for which the one axis of ``condition`` holds.

    >>> compress([True, False], np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([[1., 2.]])
    """
    mask = np.asarray(plain_index(condition))
    if mask.ndim != 1:
        raise ValueError(f"compress: condition has one axis, not shape {mask.shape}")
    return take(x, np.flatnonzero(mask), axis)


@composition(np.extract)
def extract(condition: Array, x: Array) -> Array:
    """Elements of the flattened ``x`` for which ``condition`` holds.

    PyTorch calls it ``masked_select``, with ``x`` first.

    >>> extract([True, False, True], np.array([1.0, 2.0, 3.0]))
    array([1., 3.])
    """
    return take(x, np.flatnonzero(plain_index(condition)))


@composition(np.choose)
def choose(a: Array, choices: Sequence[Array] | Array, mode: str = "raise") -> Array:
    """Elements of the arrays ``choices``, of which ``a`` says at each place which to take.

    >>> choose(np.array([1, 0]), [np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([3., 2.])
    """
    places = operand(plain_index(a))
    arrays = np.broadcast_arrays(*choices)
    known = everything(places)
    if mode == "raise" and known.size and (known.min() < 0 or known.max() >= len(arrays)):
        raise ValueError(f"choose: a names choices {known.min()}..{known.max()} of {len(arrays)}")
    shape = np.broadcast_shapes(places.shape, arrays[0].shape)
    table = np.stack([np.broadcast_to(array, shape) for array in arrays])
    places = np.broadcast_to(_within(places, len(arrays), mode), shape)
    return np.take_along_axis(table, places[None], axis=0)[0]


@composition(np.select)
def select(condlist: Sequence[Array], choicelist: Sequence[Array], default: Array = 0) -> Array:
    """Elements of the first of ``choicelist`` whose condition holds, or of ``default``.

    >>> x = np.array([1.0, 2.0, 3.0])
    >>> select([x < 2, x > 2], [-x, x * x])
    array([-1.,  0.,  9.])
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(f"select: {len(condlist)} conditions for {len(choicelist)} choices")
    conditions = [operand(plain_index(condition)) for condition in condlist]
    if any(condition.dtype != bool for condition in conditions):
        raise TypeError("select: conditions must be booleans")
    out = default
    for condition, choice in zip(conditions[::-1], choicelist[::-1], strict=True):
        out = np.where(condition, choice, out)
    return out


@composition(np.piecewise)
def piecewise(x: Array, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """At each place the function (or number) of the last condition that holds there.

    A function gets only the elements for which its condition holds. One function more than
    conditions is for the elements for which none does, which else are 0.

    >>> piecewise(np.array([-1.0, 2.0]), [[True, False]], [0.5, lambda t: t * t])
    array([0.5, 4. ])
    """
    x = operand(x)
    conditions = plain_index(condlist)
    if isinstance(conditions, list | tuple):
        conditions = [plain_index(condition) for condition in conditions]
    if not isinstance(conditions, list | tuple) or (x.shape and not np.ndim(conditions[0])):
        conditions = [conditions] if np.ndim(conditions) == len(x.shape) else conditions
    masks = [np.broadcast_to(np.asarray(condition, bool), x.shape) for condition in conditions]
    if len(funclist) == len(masks) + 1:
        masks.append(~np.any(masks, axis=0))
    if len(funclist) != len(masks):
        raise ValueError(f"piecewise: {len(funclist)} functions for {len(masks)} conditions")
    out = np.zeros_like(x)
    for mask, function in zip(masks, funclist, strict=True):
        if np.any(mask):
            value = function(x[mask], *args, **kw) if callable(function) else function
            out = set_at(out, mask, value)
    return out


@composition()
def put_along_axis(x: Array, indices: Array, values: Array, axis: int | None) -> Array:
    """``x`` with ``values`` where ``indices`` points along ``axis``, as a new array.

    The differentiable form of ``np.put_along_axis``, which writes in place. PyTorch calls it
    ``scatter``.

    >>> put_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), 9.0, axis=1)
    array([[1., 9.],
           [9., 4.]])
    """
    x, indices = operand(x), operand(plain_index(indices))
    if axis is None:
        return np.reshape(put_along_axis(np.reshape(x, -1), indices, values, 0), x.shape)
    if len(indices.shape) != len(x.shape):
        raise ValueError(f"put_along_axis: indices {indices.shape} need the axes of {x.shape}")
    # An axis of length 1 in the indices stands for all of the axis, as in take_along_axis.
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in x.shape)])
    grid[axis] = indices
    return set_at(x, tuple(grid), values)


@composition(np.bincount)
def bincount(x: Array, weights: Array | None = None, minlength: int = 0) -> Array:
    """How often each of 0, 1, 2, … occurs in ``x``; or the sum of its ``weights``, which get
    gradients.

    >>> bincount([0, 2, 2], weights=np.array([1.0, 3.0, 4.0]))
    array([1., 0., 7.])
    """
    places = np.asarray(plain_index(x))
    if weights is None:
        return np.bincount(places, minlength=minlength)
    weights = np.astype(operand(weights), np.float64)
    if weights.shape != places.shape or places.ndim != 1:
        raise ValueError(f"bincount: weights {weights.shape} for x {places.shape}")
    length = len(np.bincount(places, minlength=minlength))
    return scatter_add(weights, (length,), places)
