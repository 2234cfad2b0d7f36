"""The source of one group: loops over rows, and over the elements of each row.

Kernels know nothing of the program that they are from: operands are ``a``, ``b``, ... and lie where
they are told. So fifty layers of one kind share the kernel that is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from minigrad.compile.native.groups import Group, Member, arrays, indices
from minigrad.compile.native.layout import contiguous, follows
from minigrad.compile.native.scalars import converted, number
from minigrad.compile.program import Value

__all__ = ["Kernel", "loops", "needs_memory"]

WIDE = 256  # float32 numbers: sums of more are kept in float64
IDENTITY = {"add": 0.0, "multiply": 1.0, "maximum": -np.inf, "minimum": np.inf}
COMBINED = {
    "add": "{0} + {1}",
    "multiply": "{0} * {1}",
    "maximum": "{1} if ({1} > {0}) | ({1} != {1}) else {0}",
    "minimum": "{1} if ({1} < {0}) | ({1} != {1}) else {0}",
}
KEY = Callable[[Value, "np.dtype[Any]"], Hashable]


class Kernel:
    """Lines of a function of pointers and numbers, and what it is called with."""

    def __init__(self, key: KEY) -> None:
        self.key = key
        self.letters: dict[Hashable, str] = {}
        self.operands: list[tuple[Value, np.dtype[Any]]] = []
        self.lines: list[str] = []

    def letter(self, base: Value, dtype: np.dtype[Any] | None) -> str:
        """The parameter that points to the memory of a value."""
        assert dtype is not None
        key = self.key(base, dtype)
        if key not in self.letters:
            count = len(self.letters)
            self.letters[key] = chr(97 + count) if count < 8 else f"a{count}"
            self.operands.append((base, dtype))
        return self.letters[key]

    def line(self, depth: int, text: str) -> None:
        """Add a statement."""
        self.lines.append("    " * (depth + 1) + text)


def needs_memory(group: Group, value: Value) -> bool:
    """Whether the group itself reads a result from memory, or has to leave it there."""
    member = group.inside[value]
    if not member.registers:
        return True
    for other in group.members:
        if any(group.layouts.of(v).base is value for v in arrays(other)):
            element = not (member.row or member.ends_row)
            if element and (other.phase > member.phase or other.picks == "column"):
                return True
    return False


def loops(group: Group, stored: set[Value], key: KEY) -> Kernel:
    """Write the loops of a group.

    Args:
        group: What is computed.
        stored: Results that are written to memory.
        key: What tells memory from other memory.
    """
    return _Writer(group, stored, Kernel(key)).run()


class _Writer:
    """One group on its way to text."""

    def __init__(self, group: Group, stored: set[Value], kernel: Kernel) -> None:
        self.group, self.stored, self.kernel = group, stored, kernel
        self.names = {m.instruction.out: f"t{k}" for k, m in enumerate(group.members)}
        self.loaded: dict[str, str] = {}
        self.rows: list[str] = []  # statements of a row at this phase
        self.elements: list[str] = []  # statements of an element at this phase
        self.stores: list[str] = []
        self.after: list[str] = []
        self.before: list[str] = []  # before all loops
        self.end: list[str] = []
        self.count = 0
        self.axes()

    def axes(self) -> None:
        """Choose the loops: axes that all operands go through evenly are one."""
        group = self.group
        n = len(group.shape)
        whole = not any(m.row or m.ends_row or m.picks for m in group.members)
        picks = any(m.picks for m in group.members)
        lead = [k for k in range(n if whole else n - 1) if group.shape[k] > 1]
        strides = [tuple(s[k] for k in lead) for s in self.all_strides()]
        runs = (1,) * len(lead) if picks else follows(strides, tuple(group.shape[k] for k in lead))
        self.loops: list[tuple[int, int]] = []  # the last axis of a run, and its length
        start = 0
        for run in runs:
            members = lead[start : start + run]
            length = int(np.prod([group.shape[k] for k in members]))
            self.loops.append((members[-1], length))
            start += run
        self.inner: tuple[int, int] | None = None
        if whole:
            self.inner = self.loops.pop() if self.loops else None
        elif n:
            self.inner = (n - 1, group.shape[-1])

    def all_strides(self) -> list[tuple[int, ...]]:
        group = self.group
        found = []
        for member in group.members:
            if member.picks not in ("take", "column"):
                found += [group.reach(v, member) for v in arrays(member)]
            if member.instruction.out in self.stored:
                found.append(group.own(member))
        return found

    # Text

    def at(self, strides: tuple[int, ...], offset: int = 0, extra: str = "") -> str:
        """An index into memory at the place of the loops."""
        terms = [extra] if extra else []
        for k, (axis, _) in enumerate(self.loops):
            if strides[axis]:
                terms.append(f"i{k} * {strides[axis]}" if strides[axis] != 1 else f"i{k}")
        if self.inner is not None and strides[self.inner[0]]:
            step = strides[self.inner[0]]
            terms.append(f"j * {step}" if step != 1 else "j")
        if offset or not terms:
            terms.append(str(offset))
        return " + ".join(terms)

    def moves(self, strides: tuple[int, ...]) -> bool:
        """Whether an operand is another one at each element of a row."""
        return self.inner is not None and bool(strides[self.inner[0]])

    def run(self) -> Kernel:
        """Write everything."""
        kernel, group = self.kernel, self.group
        depth = len(self.loops)
        last = max(m.phase for m in group.members)
        body: list[str] = []
        for phase in range(last + 1):
            self.rows, self.elements, self.after = [], [], []
            self.stores, self.loaded = [], {}
            for member in group.members:
                if member.phase == phase:
                    self.member(member)
            body += self.rows
            elements = self.elements + self.stores  # what is overwritten has been read by then
            if elements and self.inner is not None:
                body.append(f"for j in range({self.inner[1]}):")
                elements = [f"    {line}" for line in elements]
            body += elements
            body += self.after
        for line in self.before:
            kernel.line(0, line)
        for k, (_, length) in enumerate(self.loops):
            kernel.line(k, f"for i{k} in range({length}):")
        for line in body:
            kernel.line(depth, line)
        for line in self.end:
            kernel.line(0, line)
        return kernel

    def fresh(self) -> str:
        """A new name."""
        self.count += 1
        return f"v{self.count}"

    def value(self, x: Any, member: Member, kind: np.dtype[Any], strides: Any = None) -> str:
        """An operand, converted to a dtype."""
        if not isinstance(x, Value):
            return number(x, kind)
        assert x.dtype is not None
        if x.weak:
            return converted(self.kernel.letter(x, x.dtype), x.dtype, kind)
        base = self.group.layouts.of(x).base
        inner = self.group.inside.get(base)
        if inner is not None and (inner.row or inner.ends_row or inner.phase == member.phase):
            return converted(self.names[base], x.dtype, kind)
        where = self.group.layouts.of(x)
        strides = self.group.reach(x, member) if strides is None else strides
        at = self.at(strides, where.offset)
        return converted(self.read(x, at, self.moves(strides) and not member.row), x.dtype, kind)

    def read(self, x: Value, at: str, element: bool) -> str:
        """A number from memory, read once."""
        base = self.group.layouts.of(x).base
        text = f"{self.kernel.letter(base, x.dtype)}[{at}]"
        if text not in self.loaded:
            self.loaded[text] = self.fresh()
            test = " != 0" if x.dtype is not None and x.dtype.char == "?" else ""
            lines = self.elements if element else self.rows
            lines.append(f"{self.loaded[text]} = {text}{test}")
        return self.loaded[text]

    # Members

    def member(self, member: Member) -> None:
        """Write one instruction."""
        if member.reduces:
            self.reduction(member)
            return
        lines = self.rows if member.row else self.elements
        out = member.instruction.out
        lines.append(f"{self.names[out]} = {self.computed(member)}")
        if out in self.stored:
            text = self.names[out]
            stored = (
                f"np.uint8({text})" if out.dtype is not None and out.dtype.char == "?" else text
            )
            letter = self.kernel.letter(out, out.dtype)
            lines = self.rows if member.row else self.stores
            lines.append(f"{letter}[{self.at(self.group.own(member))}] = {stored}")

    def computed(self, member: Member) -> str:
        """The expression of an element."""
        out = member.instruction.out
        assert out.dtype is not None
        if member.picks == "column":
            return self.column(member)
        if member.picks == "take":
            return self.taken(member)
        if member.picks == "mark":
            return self.marked(member)
        recipe = member.recipe
        assert recipe is not None
        pairs = zip(recipe.operands, recipe.kinds, strict=True)
        texts = [self.value(x, member, kind) for x, kind in pairs]
        return (
            converted(f"({recipe.text.format(*texts)})", recipe.kind, out.dtype)
            if (recipe.kind != out.dtype)
            else self.narrow(recipe.text.format(*texts), out.dtype)
        )

    def narrow(self, text: str, dtype: np.dtype[Any]) -> str:
        """Integers as narrow as NumPy has them: Numba widens."""
        if dtype.kind in "iu" and dtype != np.int64:
            return f"np.{dtype.name}({text})"
        return text

    def index(self, index: Value, length: int, strides: tuple[int, ...]) -> str:
        """A whole number that counts from the end if it is negative."""
        element = self.moves(strides)
        name = self.read(index, self.at(strides, self.group.layouts.of(index).offset), element)
        if index.dtype is not None and index.dtype.kind == "u":
            return name
        lines = self.elements if element else self.rows
        chosen = self.fresh()
        lines.append(f"{chosen} = {name} + {length} if {name} < 0 else {name}")
        return chosen

    def column(self, member: Member) -> str:
        """``x[rows, labels]``: one element of each row."""
        x = member.instruction.args[0]
        where = self.group.layouts.of(x)
        label = self.index(indices(member)[0], x.shape[1], self.group.spread((2,), (1,), (0,)))
        extra = f"{label} * {where.strides[1]}"
        at = self.at(self.group.spread((2,), where.strides[:1], (0,)), where.offset, extra)
        return self.read(x, at, False)

    def taken(self, member: Member) -> str:
        """``table[index]``: one row, or element, for each index."""
        x, index = member.instruction.args
        where, many = self.group.layouts.of(x), len(index.shape)
        steps = self.group.spread(index.shape, contiguous(index.shape), tuple(range(many)))
        chosen = self.index(index, x.shape[0], steps)
        rest = tuple(range(many, many + len(x.shape) - 1))
        strides = self.group.spread(x.shape[1:], where.strides[1:], rest)
        element = self.moves(strides) or self.moves(steps)
        at = self.at(strides, where.offset, f"{chosen} * {where.strides[0]}")
        return self.read(x, at, element)

    def marked(self, member: Member) -> str:
        """The adjoint of one element of each row."""
        instruction, out = member.instruction, member.instruction.out
        assert out.dtype is not None
        function, args = instruction.function, instruction.args
        label = self.index(indices(member)[0], out.shape[1], self.group.spread((2,), (1,), (0,)))
        g = self.value(args[2], member, out.dtype)
        if function == "increment":
            x = self.value(args[0], member, out.dtype)
            return self.narrow(f"{x} + {g} if j == {label} else {x}", out.dtype)
        return f"{g} if j == {label} else {number(0, out.dtype)}"

    # Reductions

    def reduction(self, member: Member) -> None:
        """Write a sum, product, maximum or minimum."""
        x, out = member.instruction.args[0], member.instruction.out
        assert out.dtype is not None
        kind = self.wide(member)
        strides = self.group.own(member)
        text = self.value(x, member, kind)
        lines = self.rows if member.row else self.elements
        name = self.names[out]
        first = f"{name} = {self.identity(member.reduces, kind)}"
        combined = COMBINED[member.reduces]
        final = f"{name} = {converted(name, kind, out.dtype)}" if kind != out.dtype else ""
        if member.ends_row:
            self.rows.append(first)
            lines.append(f"{name} = {self.narrow(combined.format(name, text), kind)}")
            self.after += [final] if final else []
            if out in self.stored:
                self.after.append(f"{self.place(member, out)} = {name}")
        elif not any(strides):
            self.before.append(first)
            lines.append(f"{name} = {self.narrow(combined.format(name, text), kind)}")
            self.end += [final] if final else []
            self.end.append(f"{self.kernel.letter(out, out.dtype)}[0] = {name}")
        else:
            self.to_memory(member, text, kind)

    def to_memory(self, member: Member, text: str, kind: np.dtype[Any]) -> None:
        """Write a reduction that adds to memory at each row or element."""
        out = member.instruction.out
        assert out.dtype is not None
        letter, place = self.kernel.letter(out, out.dtype), self.place(member, out)
        start = self.identity(member.reduces, out.dtype)
        self.before += [f"for k in range({out.size}):", f"    {letter}[k] = {start}"]
        combined = COMBINED[member.reduces]
        held = f"{self.fresh()}"
        if member.row or self.moves(self.group.own(member)):
            lines = self.rows if member.row else self.elements
            text = converted(text, kind, out.dtype)
        else:
            name, lines = self.names[out], self.after
            self.rows.append(f"{name} = {self.identity(member.reduces, kind)}")
            self.elements.append(f"{name} = {self.narrow(combined.format(name, text), kind)}")
            if kind != out.dtype:
                lines.append(f"{held}_sum = {converted(name, kind, out.dtype)}")
                name = f"{held}_sum"
            text = name
        if not text.isidentifier():
            lines.append(f"{held}_new = {text}")
            text = f"{held}_new"
        lines.append(f"{held} = {place}")
        lines.append(f"{place} = {self.narrow(combined.format(held, text), out.dtype)}")

    def place(self, member: Member, out: Value) -> str:
        """Where a result is written."""
        return f"{self.kernel.letter(out, out.dtype)}[{self.at(self.group.own(member))}]"

    def wide(self, member: Member) -> np.dtype[Any]:
        """The dtype of a running sum."""
        out = member.instruction.out
        assert out.dtype is not None
        shape = self.group.shape
        count = int(np.prod([shape[a] for k, a in enumerate(member.axes) if k not in member.kept]))
        if out.dtype == np.float32 and member.reduces == "add" and count > WIDE:
            return np.dtype(np.float64)
        return out.dtype

    def identity(self, reduces: str, kind: np.dtype[Any]) -> str:
        """What a reduction begins with."""
        start = IDENTITY[reduces]
        if kind.kind in "iu" and not np.isfinite(start):
            info = np.iinfo(kind)
            start = info.min if start < 0 else info.max
        return number(start, kind)
