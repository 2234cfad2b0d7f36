"""Which instructions become one loop: elementwise chains together with their reductions.

A group goes through the elements of one shape, row by row. What it computes stands in registers for
what follows in the group at the same element, or, if it is one number a row, in the same row. A
reduction of the last axis ends an inner loop over the row, and the next one may use its result: so
a softmax is two loops over each row. Other reductions add to memory and end with the group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.compile.algebra import is_count
from minigrad.compile.native.layout import Layouts, contiguous, is_plain
from minigrad.compile.native.scalars import Recipe, recipe_of
from minigrad.compile.program import Instruction, Value

__all__ = ["Group", "Member", "member_of"]

REDUCTIONS = {
    "np.add.reduce": "add",
    "np.sum": "add",
    "np.multiply.reduce": "multiply",
    "np.prod": "multiply",
    "np.maximum.reduce": "maximum",
    "np.max": "maximum",
    "np.minimum.reduce": "minimum",
    "np.min": "minimum",
}
MEMBERS = 48  # in a group: more of them do not stay in registers


@dataclass(eq=False, slots=True)
class Member:
    """One instruction in a group.

    Attributes:
        instruction: What is computed.
        shape: Of what it is computed on: the result's, or a reduction's operand's.
        axes: The group's axis for each axis of ``shape``.
        row: Whether it is computed once a row, not once an element.
        phase: Before or in which of the loops over a row.
        recipe: How an element is computed; None of a reduction.
        reduces: The reduction: ``"add"``, ``"multiply"``, ``"maximum"``, ``"minimum"`` or none.
        kept: Axes of ``shape`` that the result has, for reductions.
        picks: How an integer index takes part: ``"column"`` for ``x[rows, labels]``, ``"mark"`` for
            its adjoint, ``"take"`` for rows of a table.
        ends_row: A reduction of the last axis alone: its result is there once the row is.
    """

    instruction: Instruction
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    row: bool = False
    phase: int = 0
    recipe: Recipe | None = None
    reduces: str = ""
    kept: tuple[int, ...] = ()
    picks: str = ""
    ends_row: bool = False

    @property
    def out_axes(self) -> tuple[int, ...]:
        """The group's axis for each axis of the result; -1 for one of a single element."""
        if not self.reduces:
            return self.axes
        if len(self.instruction.out.shape) == len(self.axes):
            return tuple(a if k in self.kept else -1 for k, a in enumerate(self.axes))
        return tuple(self.axes[k] for k in self.kept)

    @property
    def registers(self) -> bool:
        """Whether later members of the group may use the result as it stands in a register."""
        return not self.reduces or self.ends_row


@dataclass(eq=False, slots=True)
class Group:
    """Loops over one shape."""

    shape: tuple[int, ...]
    layouts: Layouts
    members: list[Member] = field(default_factory=list)
    inside: dict[Value, Member] = field(default_factory=dict)

    def operands(self) -> Iterator[Value]:
        """The bases of all values that members compute with."""
        for member in self.members:
            for value in member.instruction.operands():
                yield self.layouts.of(value).base

    def outs(self) -> Iterator[Value]:
        """What it computes."""
        return iter(self.inside)

    # Where elements lie

    def strides(self, value: Value, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
        """Strides of an operand along the group's axes, broadcast to a shape that has ``axes``."""
        where = self.layouts.of(value)
        return self.spread(value.shape, where.strides, axes[len(shape) - len(value.shape) :])

    def reach(self, value: Value, member: Member) -> tuple[int, ...]:
        """Strides along the group's axes of an operand of a member."""
        if member.picks == "mark" and value.shape != member.shape:  # one number for each row
            return self.spread(value.shape, self.layouts.of(value).strides, (0,) * len(value.shape))
        return self.strides(value, member.shape, member.axes)

    def spread(
        self, shape: tuple[int, ...], strides: tuple[int, ...], axes: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Strides of an array's axes as strides of the group's axes."""
        steps = [0] * len(self.shape)
        for n, step, axis in zip(shape, strides, axes, strict=True):
            if n > 1 and axis >= 0:
                steps[axis] = step
        return tuple(steps)

    def own(self, member: Member) -> tuple[int, ...]:
        """Strides of a result along the group's axes."""
        out = member.instruction.out
        return self.spread(out.shape, contiguous(out.shape), member.out_axes)

    def inner(self, value: Value) -> Member | None:
        """The member that computes the memory of a value, if there is one."""
        return self.inside.get(self.layouts.of(value).base)

    # Joining

    def add(self, member: Member) -> None:
        """Take a member in, after all others."""
        self.members.append(member)
        self.inside[member.instruction.out] = member

    def fits(self, member: Member, *, alone: bool = False) -> bool:
        """Whether a member may join; it learns its axes and its phase."""
        if len(self.members) >= MEMBERS or not self._axes(member):
            return False
        phase = 0
        shared = alone
        for value in arrays(member):
            inner = self.inner(value)
            if inner is None:
                shared = shared or (value.size > 1 and self.reads(value))
                continue
            if not inner.registers or not self.same(value, inner, member):
                return False
            element = not (inner.row or inner.ends_row)
            if member.picks == "take" or (element and member.row and member.picks != "column"):
                return False
            shared = True
            phase = max(phase, self._after(inner, member))
        for index in indices(member):
            if self.inner(index) is not None:
                return False
        member.phase = phase
        return shared

    def _after(self, inner: Member, member: Member) -> int:
        """The phase in which a member can use the result of another."""
        return inner.phase + bool(inner.reduces or (member.picks == "column" and not inner.row))

    def reads(self, value: Value) -> bool:
        """Whether a member computes with the same memory."""
        base = self.layouts.of(value).base
        return base.size > 1 and base in set(self.operands())

    def same(self, value: Value, inner: Member, member: Member) -> bool:
        """Whether a member reads, at each element, what the other computed there."""
        where = self.layouts.of(value)
        if where.offset or value.dtype != where.base.dtype:
            return False
        if member.picks == "column":
            return value.shape == self.shape and where.strides == contiguous(value.shape)
        return self.reach(value, member) == self.own(inner)

    def _axes(self, member: Member) -> bool:
        n = len(self.shape)
        every = tuple(range(n))
        if member.picks == "column":
            member.axes, member.row = (0,), True
            table = member.instruction.args[0]
            return n == 2 and table.shape == self.shape
        if member.shape == self.shape:
            member.axes, member.row = every, n == 0
        elif n and member.shape in (self.shape[:-1], (*self.shape[:-1], 1)):
            member.axes, member.row = every[: len(member.shape)], True
            inner = [self.inner(v) for v in arrays(member)]
            if not any(m is not None and (m.row or m.ends_row) for m in inner):
                return False
        else:
            return False
        if member.reduces:
            gone = [a for k, a in enumerate(member.axes) if k not in member.kept]
            wide = [a for a in gone if self.shape[a] > 1]
            last = wide == [n - 1] or (not wide and n - 1 in gone)
            member.ends_row = last and not member.row
        return True


def arrays(member: Member) -> list[Value]:
    """Operands of which elements are read at the place of the loop (or at a picked column)."""
    args: tuple[Any, ...] = member.instruction.args
    if member.picks in ("column", "take"):
        args = args[:1]
    elif member.picks == "mark":
        args = (args[2],) if member.instruction.function in ("put_at", "add_at") else args[::2]
    return [v for v in args if isinstance(v, Value) and not v.weak]


def indices(member: Member) -> list[Value]:
    """The integer arrays that a member picks by."""
    if not member.picks:
        return []
    index = member.instruction.args[1]
    return [index[-1] if isinstance(index, tuple) else index]


def member_of(instruction: Instruction, known: set[Value]) -> Member | None:
    """An instruction as a member of some group, or None if loops can't express it.

    Args:
        instruction: What is to be computed.
        known: Bases of integer arrays that are checked when the program starts, so that they may
            be used as an index.
    """
    out = instruction.out
    if out.weak or not is_plain(out) or not all(map(is_plain, instruction.operands())):
        return None
    if instruction.function in REDUCTIONS:
        return _reduction(instruction)
    picked = _picking(instruction, known)
    if picked is not None:
        return picked
    recipe = recipe_of(instruction)
    return None if recipe is None else Member(instruction, out.shape, (), recipe=recipe)


def _reduction(instruction: Instruction) -> Member | None:
    x, out = instruction.args[0], instruction.out
    if len(instruction.args) != 1 or set(instruction.kwargs) - {"axis", "keepdims"}:
        return None
    if not isinstance(x, Value) or x.weak or x.dtype is None or out.dtype is None:
        return None
    kind = REDUCTIONS[instruction.function]
    if "?" in (x.dtype.char, out.dtype.char) and (kind != "add" or out.dtype.char == "?"):
        return None
    axis = instruction.kwargs.get("axis", 0 if instruction.function.endswith("reduce") else None)
    axes = range(len(x.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % len(x.shape) for a in axes}
    kept = tuple(a for a in range(len(x.shape)) if a not in gone)
    return Member(instruction, x.shape, (), reduces=kind, kept=kept)


def _picking(instruction: Instruction, known: set[Value]) -> Member | None:
    function, args = instruction.function, instruction.args
    if function not in ("getitem", "put_at", "add_at", "increment"):
        return None
    index = args[1]
    if function == "getitem" and isinstance(index, Value):
        whole = index.dtype is not None and index.dtype.kind in "iu" and index in known
        return Member(instruction, instruction.out.shape, (), picks="take") if whole else None
    if not isinstance(index, tuple) or len(index) != 2 or not is_count(index[0]):
        return None
    table = args[0] if function != "add_at" and function != "put_at" else instruction.out
    rows, labels = index
    shape = table.shape
    if len(shape) != 2 or rows.shape != (shape[0],) or labels.shape != (shape[0],):
        return None
    if labels not in known or labels.dtype is None or labels.dtype.kind not in "iu":
        return None
    g = args[2] if len(args) > 2 else None
    if function == "getitem":
        return Member(instruction, instruction.out.shape, (), picks="column")
    if isinstance(g, Value) and (g.weak or g.dtype != instruction.out.dtype):
        return None
    if isinstance(g, Value) and g.shape not in ((shape[0],), ()):
        return None
    if (
        not isinstance(g, Value)
        and np.result_type(g, instruction.out.dtype) != instruction.out.dtype
    ):
        return None
    return Member(instruction, shape, (), picks="mark")
