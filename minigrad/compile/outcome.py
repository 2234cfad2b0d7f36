"""What a trace hands out and leaves behind: arrays and numbers where traced values stood."""

from __future__ import annotations

import collections
import enum
import gc
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.compile.capture import MISSING, Data, Walk
from minigrad.compile.contents import PLAIN, Contents, keys_of
from minigrad.compile.doors import TracedGenerator
from minigrad.compile.program import CompileError, Program
from minigrad.compile.traced import Number, Traced
from minigrad.primitive import Primitive
from minigrad.tensor import Tensor, wrap

__all__ = ["Leaf", "Result", "Saved", "Watched", "concrete", "made_anew", "own", "settle"]


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


class Saved:
    """What a trace may change, as it was: containers, and where streams of numbers stand."""

    def __init__(self, walk: Walk, stream: np.random.Generator) -> None:
        self.walk = walk
        self.copies = [
            (c, list(c) if isinstance(c, list) else {k: c[k] for k in keys_of(c)})
            for c, _ in walk.sizes
            if isinstance(c, dict | list)
        ]
        places = [(s.place, s.value) for s in walk.states if isinstance(s.place, Contents)]
        self.contents = [(place, told, place.parts()) for place, told in places]
        streams = [s.value for s in walk.states if isinstance(s.value, np.random.Generator)]
        self.bits = [(g.bit_generator, g.bit_generator.state) for g in (*streams, stream)]

    def restore(self) -> None:
        """Put everything back."""
        for container, copied in self.copies:
            if isinstance(container, list):
                container[:] = copied
            else:
                for key in [k for k in container if k not in copied]:
                    del container[key]
                container.update(copied)
        for place, told, parts in self.contents:
            if place.get() != told:
                place.put(parts)
        for state in reversed(self.walk.states):
            if state.place.get() is not state.value:
                state.place.set(state.value)
        for bits, stands in self.bits:
            bits.state = stands


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
        if isinstance(state.place, Contents):
            state.place.replace(_settled)
            continue
        now = state.place.get()
        plain = concrete(now)
        if plain is not None and plain is not MISSING:
            if isinstance(state.place, Data) and isinstance(plain, np.ndarray):
                plain = own(plain)
            state.place.set(plain)


def _settled(x: Any) -> Any:
    plain = concrete(x)
    return x if plain is None or plain is MISSING else plain


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
    if isinstance(x, np.ndarray):
        return x.dtype.kind == "O"
    changes = isinstance(x, Iterator | set | collections.deque | bytearray)
    return hasattr(x, "__dict__") or changes or _holds_traced(x)


def _holds_traced(x: Any) -> bool:
    """Whether a view of a dict, a slice or an object with slots holds what was computed."""
    waiting = gc.get_referents(x)
    while waiting:
        held = waiting.pop()
        if isinstance(getattr(held, "_data", held), Traced | Number):
            return True
        if isinstance(held, dict | list | tuple | set | frozenset):
            waiting += gc.get_referents(held)
    return False


class Result:
    """What a call returns: how compiled code makes it, and as it is now."""

    def __init__(self, program: Program, walk: Walk) -> None:
        self.program = program
        self.visited = {id(x) for x in walk.values()}
        places = [state.place for state in walk.states]
        self.known = {id(place.tensor) for place in places if isinstance(place, Data)}

    def leaf(self, x: Any) -> Leaf:
        """How a leaf is made by later calls."""
        results = self.program.results
        if isinstance(x, Tensor) and id(x) not in self.known and isinstance(x._data, Traced):
            results.append(x._data._traced_value)
            return Leaf("tensor", len(results) - 1)
        if isinstance(x, Traced | Number):
            results.append(x._traced_value)
            return Leaf("array" if isinstance(x, Traced) else "number", len(results) - 1)
        fixed = isinstance(x, Tensor) and id(x) not in self.known
        if not fixed and id(x) not in self.visited and made_anew(x):
            raise CompileError(
                f"{self.program.name} returns a {type(x).__name__} that each call makes anew, "
                "which compiled code can't: return Tensors, arrays, numbers, or tuples, lists, "
                "dicts and dataclasses of them"
            )
        return Leaf("constant" if fixed else "object", item=x)

    def plain(self, x: Any) -> Any:
        """A leaf as this call returns it."""
        if isinstance(x, Tensor) and id(x) not in self.known:
            return wrap(own(x._data._now) if isinstance(x._data, Traced) else np.array(x._data))
        if isinstance(x, np.ndarray):  # a constant of the program, which its caller may write to
            return x.copy()
        if isinstance(x, Traced):
            return own(x._now) if x.shape else x._now
        return x._now if isinstance(x, Number) else x
