"""Batching rules of indexing: where in the arrays of all examples an index of one points.

An index may be the same for all examples or, as ``argmax`` gives it, one for each. NumPy puts the
axes of an indexed result behind the axes before the index, or in front of them all if its arrays
stand apart; :class:`Place` keeps track of where that leaves the batch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad import ops
from minigrad.batching.batched import BranchError
from minigrad.batching.interpreter import TAKES_EACH, Call, Each, one_by_one, plain
from minigrad.batching.rules import batches, behind


class Place(NamedTuple):
    """An index into the arrays of all examples, and the order in which its axes come out.

    ``axes[i]`` is the axis of ``x[parts]`` that is axis ``i`` of the batch's result.
    """

    parts: tuple[Any, ...]
    axes: tuple[int, ...]

    def read(self, x: Any) -> Any:
        """``x[index]`` with the batch as first axis."""
        out = x[self.parts]
        return out if self.axes == tuple(range(out.ndim)) else ops.transpose(out, self.axes)

    def ordered(self, value: Any) -> Any:
        """A value of the batch's result with its axes as ``x[index]`` has them."""
        if self.axes == tuple(range(len(self.axes))):
            return value
        return ops.transpose(value, tuple(int(i) for i in np.argsort(self.axes)))


def _is_array(part: Any) -> bool:
    plain = isinstance(part, Each | list | int | np.integer) and part is not True
    return plain or _has_axes(part)


def _has_axes(part: Any) -> bool:
    """Whether a part of an index is an array, or a duck of one such as those that are traced."""
    return hasattr(type(part), "__array_function__")


def place(index: Any, shape: tuple[int, ...], size: int, *, shared: bool) -> Place | None:
    """Where an index of one example of ``shape`` points in all; None if that can't be told here.

    Args:
        index: As it was given; parts that differ by example are :class:`Each`.
        shape: Shape of one example.
        size: Number of examples.
        shared: Whether all examples index the same array, which then has no axis for the batch.
    """
    parts = _expanded(index, len(shape))
    if parts is None:
        return None
    varying = any(isinstance(part, Each) for part in parts)
    if varying or any(map(_has_axes, parts)):  # else integers only drop their axes
        arrays = [i for i, part in enumerate(parts) if _is_array(part)]
    else:
        arrays = []
    inner = max((_ndim(parts[i]) for i in arrays), default=0)
    together = not arrays or arrays[-1] - arrays[0] == len(arrays) - 1
    before = [p for p in parts[: arrays[0] if arrays and together else 0] if not _is_int(p)]
    start = len(before)  # axis of one example's result at which the arrays' own axes begin
    kept = sum(not _is_array(p) if arrays else not _is_int(p) for p in parts)
    ndim = inner + kept  # of one example's result
    if varying:
        parts = [_aligned(part, inner) for part in parts]
        if shared:  # the arrays have an axis for the batch, in front of their own
            order = list(range(ndim + 1))
            order.insert(0, order.pop(start))
            return Place(tuple(parts), tuple(order))
        rows = np.arange(size).reshape((size, *(1,) * inner))
        # The rows are an array at the very front, so all arrays' axes come out first.
        own = list(range(1, inner + 1))
        rest = list(range(inner + 1, ndim + 1))
        return Place((rows, *parts), (0, *rest[:start], *own, *rest[start:]))
    order = list(range(ndim + 1))
    if arrays and not together:  # the arrays' axes come out before the batch's
        order.insert(0, order.pop(inner))
    return Place((slice(None), *parts), tuple(order))


def _expanded(index: Any, ndim: int) -> list[Any] | None:
    """The parts of an index, one for each axis, its ellipsis and masks written out."""
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, Each) and part.value.dtype.kind == "b":
            raise BranchError(
                "a mask that differs by example selects a different number of elements in each, "
                "which no array can hold: use mg.where(mask, x, 0.0)"
            )
        if isinstance(part, list):
            part = np.asarray(part)
        kind = part.dtype.kind if _has_axes(part) else ""
        if isinstance(part, bool | np.bool) or (kind == "b" and not part.ndim):
            return None
        if kind == "b":
            parts += part.nonzero()
        elif kind not in "iu":
            return None
        else:
            parts.append(part)
    taken = sum(part is not None and part is not Ellipsis for part in parts)
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    at = next(i for i, part in enumerate(parts) if part is Ellipsis)
    if taken > ndim:
        return None  # let NumPy say so
    return [*parts[:at], *[slice(None)] * (ndim - taken), *parts[at + 1 :]]


def _is_int(part: Any) -> bool:
    return isinstance(part, int | np.integer)


def _ndim(part: Any) -> int:
    return part.value.ndim - 1 if isinstance(part, Each) else np.ndim(part)


def _aligned(part: Any, inner: int) -> Any:
    if not isinstance(part, Each):
        return part
    value = part.value
    lost = inner + 1 - value.ndim
    value = ops.reshape(value, (value.shape[0], *(1,) * lost, *value.shape[1:])) if lost else value
    return plain(value)


@batches("getitem", knows="index")
def getitem(call: Call) -> Any:
    """Reading; a table that all examples share is read once, at all of their indices."""
    shared = not call.batched[0]
    where = place(call.params["index"], call.shape(0), call.size, shared=shared)
    return one_by_one(call) if where is None else where.read(call.values[0])


@batches("scatter_add", knows="shape index")
def scatter_add(call: Call) -> Any:
    """Adding into zeros, the adjoint of reading."""
    shape = call.params["shape"]
    where = place(call.params["index"], shape, call.size, shared=False)
    if where is None:
        return one_by_one(call)
    return call.run(where.ordered(call.each(0)), shape=(call.size, *shape), index=where.parts)


@batches("add_at", "set_at", knows="index")
def write_at(call: Call) -> Any:
    """Adding and assigning, into an array of its own for each example."""
    where = place(call.params["index"], call.shape(0), call.size, shared=False)
    if where is None:
        return one_by_one(call)
    target, ndim = call.each(0), len(where.axes) - 1
    value = call.values[1]
    if call.batched[1]:
        shape = (call.size, *(1,) * (ndim - call.ndim(1)), *call.shape(1))
        value = where.ordered(ops.reshape(value, shape))
    elif np.ndim(value):
        value = where.ordered(ops.reshape(value, (1,) * (ndim + 1 - np.ndim(value)) + value.shape))
    return call.run(target, value, index=where.parts)


@batches("take_along_axis", knows="indices axis")
def take_along_axis(call: Call) -> Any:
    """Reading along an axis, at indices that broadcast with the other axes."""
    return call.run(_fronted(call), indices=_indices(call), axis=behind(call.params["axis"]))


@batches("add_along_axis", knows="shape indices axis")
def add_along_axis(call: Call) -> Any:
    """The adjoint of reading along an axis."""
    shape = (call.size, *call.params["shape"])
    axis = behind(call.params["axis"])
    return call.run(call.each(0), shape=shape, indices=_indices(call), axis=axis)


def _fronted(call: Call) -> Any:
    """The operand with a first axis of one example or of all."""
    return call.values[0] if call.batched[0] else ops.expand_dims(call.values[0], 0)


def _indices(call: Call) -> Any:
    indices = call.params["indices"]
    if isinstance(indices, Each):
        return plain(indices.value)
    return np.asarray(indices)[None]


TAKES_EACH |= {getitem, scatter_add, write_at, take_along_axis, add_along_axis}
