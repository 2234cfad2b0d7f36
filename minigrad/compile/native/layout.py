"""Where the elements of values lie: views are strides over the memory of another value.

Whether a NumPy function gives a view, and which one, NumPy itself is asked: the function runs on
an array that nobody reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad.compile.program import (
    Instruction,
    Program,
    Value,
    function_of,
    is_view,
    values_in,
)

__all__ = ["Layouts", "Where", "contiguous", "prepared"]

NUMBERS = frozenset("?bBhHiIlLqQfd")  # dtype.char of what machine code is made for
UNSEEN = frozenset({"call", "rng", "math"})
LARGE = 1 << 28  # bytes: larger arrays are not asked for views


@dataclass(frozen=True, slots=True)
class Where:
    """The elements of a value: strides, in elements, over the memory of ``base``."""

    base: Value
    offset: int
    strides: tuple[int, ...]


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of an array in C order; 0 along axes of one element.

    >>> contiguous((2, 3, 1))
    (3, 1, 0)
    """
    strides = []
    step = 1
    for n in reversed(shape):
        strides.append(step if n > 1 else 0)
        step *= n
    return tuple(strides[::-1])


def is_plain(value: Value) -> bool:
    """Whether a value is an array, or a number, that machine code can hold."""
    dtype = value.dtype
    return dtype is not None and dtype.isnative and dtype.char in NUMBERS and value.size > 0


class Layouts:
    """Where every value of a program lies."""

    def __init__(self) -> None:
        self.places: dict[Value, Where] = {}

    def of(self, value: Value) -> Where:
        """Where a value lies: by itself, unless it is known to be a view."""
        if value not in self.places:
            self.places[value] = Where(value, 0, contiguous(value.shape))
        return self.places[value]

    def view(self, instruction: Instruction) -> bool:
        """Note the result of an instruction as a view, if it is one."""
        where = self._seen(instruction)
        if where is not None:
            self.places[instruction.out] = where
        return where is not None

    def _seen(self, instruction: Instruction) -> Where | None:
        function, args = instruction.function, instruction.args
        x = args[0] if args else None
        home = function.partition(".")[0]
        if home in UNSEEN or not is_view(instruction) or not isinstance(x, Value):
            return None
        rest = [*values_in(args[1:]), *values_in(tuple(instruction.kwargs.values()))]
        if x.weak or rest or not is_plain(x) or not is_plain(instruction.out):
            return None
        place = self.of(x)
        if place.base.nbytes > LARGE or instruction.out.nbytes > LARGE:
            return None
        return self._asked(instruction, x, place)

    def _asked(self, instruction: Instruction, x: Value, place: Where) -> Where | None:
        assert x.dtype is not None
        size = x.dtype.itemsize
        memory = np.empty(place.base.nbytes // size, x.dtype)
        strides = [s * size for s in place.strides]
        array: Any = np.ndarray(x.shape, x.dtype, memory, place.offset * size, strides)
        for axis, n in enumerate(x.shape):  # strides of single elements decide what is contiguous
            if n == 1:
                strides[axis] = size * int(np.prod(x.shape[axis + 1 :], dtype=int))
        array = np.ndarray(x.shape, x.dtype, memory, place.offset * size, strides)
        seen = function_of(instruction.function)(array, *instruction.args[1:], **instruction.kwargs)
        start, end = memory.ctypes.data, memory.ctypes.data + memory.nbytes
        inside = isinstance(seen, np.ndarray) and start <= seen.ctypes.data < end
        if not inside or not np.may_share_memory(seen, memory) or seen.itemsize != size:
            return None
        offset = (seen.ctypes.data - start) // size
        steps = zip(seen.strides, seen.shape, strict=True)
        return Where(place.base, offset, tuple(s // size if n > 1 else 0 for s, n in steps))


def prepared(program: Program, layouts: Layouts) -> tuple[list[Instruction], list[Any]]:
    """Instructions of which each output is an array of its own, and copies are explicit.

    Returns the instructions, and the outputs: those that are an input, a constant or a view, or
    that are handed out twice, are copies.
    """
    rest: list[Instruction] = []
    made: set[Value] = set()
    for old in program.instructions:
        instruction = Instruction(
            old.function, old.args, old.kwargs, old.out, old.section, old.scope, old.op, old.origin
        )
        if not layouts.view(instruction):
            if _copies(instruction):
                rest.append(_copied(instruction))
                layouts.view(instruction)
            else:
                made.add(instruction.out)
        rest.append(instruction)
    written = {u.result for u in program.updates if u.in_place and isinstance(u.result, Value)}
    outputs: list[Any] = []
    for value in [*program.results, *(u.result for u in program.updates if not u.in_place)]:
        array = isinstance(value, Value) and not value.weak and value.dtype is not None
        if array and (value not in made or value in written or value in outputs):
            copy = Value(value.shape, value.dtype, name=f"{value.name}_copy_{len(outputs)}")
            section = rest[-1].section if rest else "forward"
            rest.append(Instruction("copy", (value,), {}, copy, section))
            outputs.append(copy)
        else:
            outputs.append(value)
    return rest, outputs


def _copies(instruction: Instruction) -> bool:
    """Whether this is a reshape that has to copy, which is a copy and then a view."""
    if instruction.function not in ("np.reshape", "np.ravel") or instruction.kwargs.get("order"):
        return False
    x = instruction.args[0]
    return isinstance(x, Value) and is_plain(x) and not x.weak and len(instruction.args) <= 2


def _copied(instruction: Instruction) -> Instruction:
    """A copy of the first operand, which takes its place."""
    x = instruction.args[0]
    copy = Value(x.shape, x.dtype, name=f"{instruction.out.name}_copy")
    first = Instruction(
        "copy", (x,), {}, copy, instruction.section, instruction.scope, instruction.op
    )
    instruction.args = (copy, *instruction.args[1:])
    return first


def follows(strides: list[tuple[int, ...]], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Numbers of axes that are gone through as one: how many of them in each new axis.

    >>> follows([(12, 4, 1), (0, 0, 1)], (2, 3, 4))
    (2, 1)
    """
    if not shape:
        return ()
    runs = [1]
    for axis, following in pairwise(range(len(shape))):
        joined = all(
            s[axis] == s[following] * shape[following]
            or shape[axis] == 1
            or (shape[following] == 1 and not s[following] and not s[axis])
            for s in strides
        )
        if joined:
            runs[-1] += 1
        else:
            runs.append(1)
    return tuple(runs)
