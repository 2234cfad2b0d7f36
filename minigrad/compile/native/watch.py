"""Guards as machine code: a look at some seventy places takes Python longer than a small step.

A list of rows says what stood where when the step ran last. If all of it still does, neither guards
nor owners of arrays need another look; if not, the generated Python looks at everything, one by
one, as it does without this. Items of dicts and lists are asked for with Python's functions of C.
Where a Tensor keeps its array, and an object how many hold it, is read from memory, at distances
that :func:`distances` finds by trial; where that does not come out, nothing is watched.
"""

from __future__ import annotations

import ctypes
from array import array
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np

from minigrad.compile.capture import Asking, Cell, Data, Item
from minigrad.compile.guards import Condition, Length
from minigrad.compile.program import Program
from minigrad.graph import Node
from minigrad.tensor import Tensor, wrap

__all__ = ["Distances", "Watch", "distances", "watch_of"]

WORD, COUNT, DICT_ITEM, LIST_ITEM, DICT_SIZE, LIST_SIZE, CELL = range(7)


@dataclass(frozen=True, slots=True)
class Distances:
    """Bytes from an object's address to what it holds."""

    kind: int
    data: int
    node: int
    grad: int
    hooks: int


@cache
def distances() -> Distances | None:
    """Where a Tensor keeps what it holds; None if objects are not laid out as expected."""
    held = [object()]
    counts = []
    for _ in range(3):  # an object that 1, 2 and 3 hold
        counts.append(ctypes.c_int32.from_address(id(held[0])).value)
        held.append(held[0])
    data, node, grad, hooks = np.zeros(2), object(), wrap(np.zeros(2)), object()
    tensor, leaf = (
        wrap(data, cast("Node", node)),
        cast("Any", Tensor(1.0, requires_grad=True)._node),
    )
    tensor.grad, leaf.hooks = grad, hooks
    found = [*_distances(tensor, Tensor, data, node, grad), *_distances(leaf, hooks)]
    return Distances(*found) if counts == [1, 2, 3] and min(found) > 0 else None


def _distances(thing: Any, *held: Any) -> list[int]:
    """How far from an object's address those of others are kept, or -1 if that is not one place."""
    size = ctypes.sizeof(ctypes.c_size_t)
    words = list((ctypes.c_size_t * (type(thing).__basicsize__ // size)).from_address(id(thing)))
    return [words.index(id(x)) * size if words.count(id(x)) == 1 else -1 for x in held]


def watch_of(program: Program) -> Watch | None:
    """A watch without rows; None if arrays are overwritten of which none can tell the place."""
    at, targets = distances(), {u.target for u in program.updates if u.in_place}
    places = [i.place for i in program.inputs if i.value in targets]
    plain = all(isinstance(p, Data) or (isinstance(p, Item) and _is_plain(p)) for p in places)
    return Watch(at) if at is not None and plain else None


def _kind_of(holder: Any) -> type | None:
    """Whether a look into a container is one into a dict or a list, and runs nobody's code."""
    kind = dict if isinstance(holder, dict) else list if isinstance(holder, list) else None
    if kind is None:
        return None
    found = [getattr(type(holder), name) for name in ("__getitem__", "__len__")]
    return kind if found == [kind.__getitem__, kind.__len__] else None


def _is_plain(place: Item) -> bool:
    """Whether there is a kind of row for an entry."""
    kind, key = _kind_of(place.container), place.key
    if kind is list:
        return type(key) is int and key >= 0
    return kind is dict and type(key) in (str, int)


class Watch:
    """Rows of what is to be as it was.

    Attributes:
        rows: How many there are, then a kind, an object, a key and a value each; fewer than none
            while they are not to be relied upon.
        count: How many there are.
        kept: What has to live as long.
        notes: Lines that write what may change into the rows, where ``watched`` is ``kept``.
    """

    def __init__(self, at: Distances) -> None:
        self.at, self.rows, self.count = at, array("q", [-1]), 0
        self.kept: list[Any] = []  # rows know addresses only
        self.notes: list[str] = []

    @property
    def address(self) -> int:
        """Where the rows are, once there will be no more of them."""
        return self.rows.buffer_info()[0]

    def row(self, kind: int, thing: int = 0, key: int = 0, value: int = 0) -> int:
        """Add a row, and say where it is."""
        self.rows.extend([kind, thing, key, value])
        self.count += 1
        return len(self.rows) - 4

    def condition(self, condition: Condition) -> bool:
        """Add a test of a guard, if there is a kind of row for it."""
        place, value = condition.place, condition.value
        if isinstance(place, Length) and _kind_of(place.container):
            kind = DICT_SIZE if isinstance(place.container, dict) else LIST_SIZE
            self.row(kind, id(place.container), 0, value)
        elif isinstance(place, Item) and _is_plain(place):
            self.item(place, id(value))
        elif isinstance(place, Cell):
            self.row(CELL, id(place.cell), 0, id(value))
        elif isinstance(place, Asking) and isinstance(value, bool):
            self.asking(place.tensor, value)
        else:
            return False
        self.kept += [place, value]
        return True

    def asking(self, tensor: Tensor, asked: bool) -> None:
        """Add rows for a Tensor that requires a gradient nobody has hooks for, or requires none."""
        node = self.row(WORD, id(tensor), self.at.node, id(None))
        if asked:
            hooks = self.row(WORD, 0, self.at.hooks, id(None))
            known = f"watched[{len(self.kept)}]._node"
            self.notes.append(f"    rows[{node + 3}] = rows[{hooks + 1}] = id({known})")
        self.kept.append(tensor)

    def item(self, place: Item, value: int) -> int:
        """Add a row for an entry of a dict or a list."""
        self.kept.append(place)
        holder, key = place.container, place.key
        if isinstance(holder, list):
            return self.row(LIST_ITEM, id(holder), key, value)
        return self.row(DICT_ITEM, id(holder), id(key), value)

    def owned(self, place: Any, holders: int, name: str) -> None:
        """Add rows for an array that is overwritten.

        Args:
            place: What holds it.
            holders: How many hold it, the generated function's own variables aside.
            name: Of the variable that holds it.
        """
        if isinstance(place, Item):
            found = self.item(place, 0)
        else:
            found = self.row(WORD, id(place.tensor), self.at.data)
        count = self.row(COUNT, value=holders)
        self.notes.append(f"    rows[{found + 3}] = rows[{count + 1}] = id({name})")

    def lent(self, owner: Tensor, array: str, gradient: str) -> None:
        """Add rows for the array of a gradient, which the gradient and a list hold.

        Args:
            owner: Whose gradient it is.
            array: Name of the variable that holds the array.
            gradient: Name of the variable that holds the gradient.
        """
        tensor = self.row(WORD, id(owner), self.at.grad) + 3
        kind = self.row(WORD, 0, self.at.kind, id(Tensor))
        data = self.row(WORD, 0, self.at.data)
        node = self.row(WORD, 0, self.at.node, id(None))
        alone, shared = self.row(COUNT, value=1), self.row(COUNT, value=2)
        places = [tensor, kind + 1, data + 1, node + 1, alone + 1]
        gradients = " = ".join(f"rows[{at}]" for at in places)
        self.notes += [
            f"    {gradient} = watched[{len(self.kept)}].grad",
            f"    {gradients} = id({gradient})",
            f"    rows[{data + 3}] = rows[{shared + 1}] = id({array})",
        ]
        self.kept.append(owner)
