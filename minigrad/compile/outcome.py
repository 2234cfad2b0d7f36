"""What a trace hands out and leaves behind: arrays and numbers where traced values stood."""

from __future__ import annotations

import collections
import enum
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.compile.capture import MISSING, PLAIN, Data, Walk
from minigrad.compile.doors import TracedGenerator
from minigrad.compile.traced import Number, Traced
from minigrad.primitive import Primitive

__all__ = ["Leaf", "Watched", "concrete", "made_anew", "own", "restore", "settle"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf of a result: how its value is handed out, or the object itself."""

    kind: str  # "tensor", "array" or "number" of the program, a "constant" Tensor, an "object"
    index: int = -1
    item: Any = None


class Watched:
    """An iterator while a step is traced: that it is asked for more makes each call another."""

    def __init__(self, iterator: Any, path: str, moved: dict[str, None]) -> None:
        self._iterator, self._path, self._moved = iterator, path, moved

    def __iter__(self) -> Watched:
        return self

    def __next__(self) -> Any:
        self._moved[self._path] = None
        return next(self._iterator)

    def __getattr__(self, name: str) -> Any:
        if name in ("send", "throw", "close"):
            self._moved[self._path] = None
        return getattr(self._iterator, name)


def restore(walk: Walk, copies: list[tuple[Any, Any]]) -> None:
    """Put everything back as it was before a trace."""
    for container, copied in copies:
        if isinstance(container, list):
            container[:] = copied
        else:
            for key in [k for k in container if k not in copied]:
                del container[key]
            container.update(copied)
    for state in reversed(walk.states):
        if state.place.get() is not state.value:
            state.place.set(state.value)


def concrete(x: Any) -> Any:
    """An array, number or Tensor in the place of a traced one; None if nothing was traced."""
    if isinstance(x, Traced):
        return np.asarray(x._now)
    if isinstance(x, Number):
        return x._now
    if isinstance(x, TracedGenerator):
        return MISSING
    if isinstance(x, Watched):
        return x._iterator
    if isinstance(x, tuple):
        parts = [concrete(part) for part in x]
        if all(part is None for part in parts):
            return None
        new = [a if b is None else b for a, b in zip(x, parts, strict=True)]
        return type(x)(*new) if hasattr(x, "_fields") else tuple(new)
    return None


def settle(root: Any, walk: Walk, installed: Mapping[int, Any]) -> None:
    """Leave arrays and numbers where traced values stand."""
    for i, state in enumerate(walk.states):
        if i in installed and state.place.get() is installed[i]:
            state.place.set(state.value)
    for state in Walk(root).states:
        now = state.place.get()
        plain = concrete(now)
        if plain is not None and plain is not MISSING:
            if isinstance(state.place, Data) and isinstance(plain, np.ndarray):
                plain = own(plain)
            state.place.set(plain)


def own(array: Any) -> Any:
    """An array that nobody else writes to, as state must be."""
    array = np.asarray(array)
    return array if array.base is None and array.flags.writeable else array.copy()


def made_anew(x: Any) -> bool:
    """Whether an object that was not there before may hold what the call computed."""
    if isinstance(x, types.FunctionType):
        return x.__closure__ is not None
    if isinstance(x, (*PLAIN, type, types.ModuleType, enum.Enum, np.ufunc, Primitive)):
        return False
    return hasattr(x, "__dict__") or isinstance(x, Iterator | set | collections.deque | bytearray)
