"""What is looked at as a whole: sets, queues, arrays of objects, streams, files and memory.

A dict or a list has a place for each of its entries; these have none.
"""

from __future__ import annotations

import array
import collections
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.tensor import Tensor

__all__ = ["PLAIN", "Contents", "Position", "is_whole", "keys_of", "same_keys"]

PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, range)


def is_whole(value: Any) -> bool:
    """Whether a value holds others, or numbers, in no place that could be given another."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "biufc"
    kinds = (set, collections.deque, bytearray, array.array)
    return isinstance(value, kinds) or _is_memory(value)


def _is_memory(value: Any) -> bool:
    return isinstance(value, memoryview) or type(type(value)).__module__ == "_ctypes"


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What a set, a deque, memory, or an array of text or objects holds, as text."""

    container: Any

    def get(self) -> Any:
        """What is there now."""
        held = self.container
        if isinstance(held, np.ndarray) and held.dtype.kind != "O":
            return _told(held)
        if _is_memory(held):
            return str(hash(memoryview(held).tobytes()))
        items = [_told(x) for x in self.parts()]
        return str(sorted(items) if isinstance(held, set) else items)

    def set(self, value: Any) -> None:
        """Leave it: text is no more than looked at."""

    def parts(self) -> list[Any]:
        """The elements."""
        held = self.container
        if _is_memory(held):
            return list(memoryview(held).tobytes())
        return list(held.flat if isinstance(held, np.ndarray) else held)

    def put(self, parts: list[Any]) -> None:
        """Put other elements there, as many of an array."""
        held = self.container
        if isinstance(held, np.ndarray):
            held = held if held.ndim else held.reshape(1)
            for index, part in zip(np.ndindex(held.shape), parts, strict=True):
                held[index] = part  # .flat would take apart an array that is to be an element
        elif _is_memory(held):
            memoryview(held).cast("B")[:] = bytes(parts)
        elif isinstance(held, array.array):
            held[:] = array.array(held.typecode, parts)
        else:
            held.clear()
            (held.update if isinstance(held, set) else held.extend)(parts)

    def replace(self, change: Callable[[Any], Any]) -> None:
        """Put what ``change`` makes of the elements in their place."""
        old = self.parts()
        new = [change(x) for x in old]
        if any(a is not b for a, b in zip(old, new, strict=True)):
            self.put(new)


def _told(x: Any) -> str:
    """A plain value, or the numbers of an array; of anything else, which object it is."""
    if isinstance(x, PLAIN):
        return repr(x)
    if isinstance(x, np.ndarray) and x.dtype.kind != "O":
        return f"{x.dtype} {x.shape} {hash(x.tobytes())}"  # of many numbers the text takes long
    if type(x) is tuple:
        return f"({', '.join(map(_told, x))})"
    return f"#{id(x)}"


@dataclass(frozen=True, slots=True, eq=False)
class Position:
    """Where a stream of Python's stands, or a file: one that moves makes each call another."""

    stream: Any

    def get(self) -> Any:
        """What is there now, as text."""
        if isinstance(self.stream, np.random.RandomState):
            return str(self.stream.get_state(legacy=False))
        if isinstance(self.stream, random.Random):
            return str(self.stream.getstate())
        try:
            return "closed" if self.stream.closed else str(self.stream.tell())
        except OSError:  # text that is iterated over does not tell
            return f"moving since {time.monotonic_ns()}"

    def set(self, value: Any) -> None:
        """Leave it: what was read is read."""


def keys_of(mapping: Any) -> list[Any]:
    """The keys of a dict, without the label that a module makes for itself.

    >>> keys_of({"weight": 1, "_label": 2})
    ['weight']
    """
    return [key for key in mapping if key.__class__ is not str or key != "_label"]


def same_keys(container: Any, keys: tuple[Any, ...] | int) -> bool:
    """Whether a dict has these keys in this order, or a list this length."""
    if isinstance(keys, int):
        return len(container) == keys
    now = keys_of(container)
    # A Tensor is a key by its identity, and == of two of them is no truth value.
    return len(now) == len(keys) and all(
        a is b or (not isinstance(a, Tensor) and a == b) for a, b in zip(now, keys, strict=True)
    )
