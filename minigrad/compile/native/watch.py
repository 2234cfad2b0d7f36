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
from typing import Any

import numpy as np

from minigrad.compile.capture import Cell, Data, Item
from minigrad.compile.guards import Condition, Length
from minigrad.compile.program import Program
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


@cache
def distances() -> Distances | None:
    """Where a Tensor keeps what it holds; None if objects are not laid out as expected."""
    held = [object()]
    counts = []
    for _ in range(3):  # an object that 1, 2 and 3 hold
        counts.append(ctypes.c_int32.from_address(id(held[0])).value)
        held.append(held[0])
    data, node, grad = np.zeros(2), object(), wrap(np.zeros(2))
    tensor: Any = wrap(data, node)  # type: ignore[arg-type]
    tensor.grad = grad
    size = ctypes.sizeof(ctypes.c_void_p)
    words = (ctypes.c_size_t * (Tensor.__basicsize__ // size)).from_address(id(tensor))
    wanted = [Tensor, data, node, grad]
    if counts != [1, 2, 3] or any(list(words).count(id(x)) != 1 for x in wanted):
        return None
    return Distances(*(list(words).index(id(x)) * size for x in wanted))


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
    """

    def __init__(self, at: Distances) -> None:
        self.at, self.rows, self.count = at, array("q", [-1]), 0
        self.kept: list[Any] = []  # rows know addresses only

    @property
    def address(self) -> int:
        """Where the rows are, once there will be no more of them."""
        return self.rows.buffer_info()[0]

    def row(self, kind: int, thing: int = 0, key: int = 0, value: int = 0) -> int:
        """Add a row, and say where it is."""
        self.rows.extend([kind, thing, key, value])
        self.count += 1
        return len(self.rows) - 4

    def test(self, test: Condition) -> bool:
        """Add a test of a guard, if there is a kind of row for it."""
        place, value = test.place, test.value
        if isinstance(place, Length) and _kind_of(place.container):
            kind = DICT_SIZE if isinstance(place.container, dict) else LIST_SIZE
            self.row(kind, id(place.container), 0, value)
        elif isinstance(place, Item) and _is_plain(place):
            self.item(place, id(value))
        elif isinstance(place, Cell):
            self.row(CELL, id(place.cell), 0, id(value))
        else:
            return False
        self.kept += [place, value]
        return True

    def item(self, place: Item, value: int) -> int:
        """Add a row for an entry of a dict or a list."""
        self.kept.append(place)
        holder, key = place.container, place.key
        if isinstance(holder, list):
            return self.row(LIST_ITEM, id(holder), key, value)
        return self.row(DICT_ITEM, id(holder), id(key), value)

    def owned(self, place: Any, holders: int, name: str) -> list[str]:
        """Add rows for an array that is overwritten; lines that write it into them.

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
        return [f"    rows[{found + 3}] = rows[{count + 1}] = id({name})"]

    def lent(self, owner: Tensor, array: str, gradient: str) -> list[str]:
        """Add rows for the array of a gradient, which it and a list hold; lines that write them."""
        tensor = self.row(WORD, id(owner), self.at.grad) + 3
        kind = self.row(WORD, 0, self.at.kind, id(Tensor))
        data = self.row(WORD, 0, self.at.data)
        node = self.row(WORD, 0, self.at.node, id(None))
        alone, shared = self.row(COUNT, value=1), self.row(COUNT, value=2)
        places = [tensor, kind + 1, data + 1, node + 1, alone + 1]
        gradients = " = ".join(f"rows[{at}]" for at in places)
        return [
            f"    {gradients} = id({gradient})",
            f"    rows[{data + 3}] = rows[{shared + 1}] = id({array})",
        ]
