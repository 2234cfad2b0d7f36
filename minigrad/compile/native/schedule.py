"""The order of loops, products and NumPy calls: what belongs together, nothing too early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minigrad.compile.native.groups import Group, Member, arrays, indices, member_of
from minigrad.compile.native.layout import Layouts, is_plain
from minigrad.compile.phrases import PYTHON
from minigrad.compile.program import Instruction, Program, Value, is_view

__all__ = ["Bounds", "Check", "Plain", "Product", "Scatter", "Schedule", "Step"]


@dataclass(eq=False, slots=True)
class Product:
    """A product of matrices, or of stacks of them."""

    instruction: Instruction


@dataclass(eq=False, slots=True)
class Scatter:
    """Rows added where an index of whole numbers says."""

    instruction: Instruction


@dataclass(eq=False, slots=True)
class Check:
    """The program is left if two numbers differ."""

    instruction: Instruction


@dataclass(eq=False, slots=True)
class Bounds:
    """The program is left if an index is not in range."""

    index: Value
    length: int


@dataclass(eq=False, slots=True)
class Plain:
    """A NumPy call as it is."""

    instruction: Instruction
    reason: str = ""


Step = Group | Product | Scatter | Check | Bounds | Plain


@dataclass(eq=False)
class Schedule:
    """Steps in order, made of instructions one by one.

    Attributes:
        program: Whose instructions they are.
        layouts: Where values lie.
        outputs: What has to be in memory at the end.
        blas: From how many multiplications on a product is left to NumPy; None for never.
    """

    program: Program
    layouts: Layouts
    outputs: list[Any]
    blas: int | None = None
    steps: list[Step] = field(default_factory=list)
    made: dict[Value, Step] = field(default_factory=dict)
    bounds: dict[tuple[Value, int], Bounds] = field(default_factory=dict)

    def run(self, instructions: list[Instruction]) -> list[Step]:
        """Group all instructions."""
        self.targets = {
            u.result: u.target for u in self.program.updates if u.in_place and u.target is not None
        }
        self.inputs = {i.value for i in self.program.inputs}
        self.floor: Step | None = None
        for instruction in instructions:
            if self.layouts.of(instruction.out).base is instruction.out:
                self.place(instruction)
        self.sink()
        self.steps = [*self.bounds.values(), *self.steps]
        self.draw_early()
        self.merge()
        return self.steps

    def base(self, value: Value) -> Value:
        """The value whose memory this one is."""
        return self.layouts.of(value).base

    def place(self, instruction: Instruction) -> None:
        """Put one instruction into a step."""
        step = self.step_of(instruction)
        if isinstance(step, Member):
            step = self.joined(step)
        else:
            self.steps.append(step)
        self.made[instruction.out] = step
        if isinstance(step, Check):
            self.floor = step

    def step_of(self, instruction: Instruction) -> Step | Member:
        """A step for an instruction, or what may become a member of a group."""
        function, out = instruction.function, instruction.out
        if function == "check":
            asked, expected = instruction.args
            known = isinstance(asked, Value) and is_plain(asked) and not asked.weak
            if known and isinstance(expected, bool | int | float) and not asked.shape:
                return Check(instruction)
            return Plain(instruction, "a check")
        if function.startswith("rng."):
            return Plain(instruction, "a draw")
        if out.weak or out.dtype is None or function in PYTHON:
            return Plain(instruction)
        if not is_plain(out) or not all(map(is_plain, instruction.operands())):
            return Plain(instruction, f"of {out.dtype}" if not is_plain(out) else "of its operands")
        if function in ("np.dot", "np.matmul"):
            return self.product(instruction)
        if function == "add_at" and self.whole_rows(instruction):
            return Scatter(instruction)
        member = member_of(instruction, self.checked(instruction))
        if member is None:
            return Plain(instruction, "no loop is written for it")
        return member

    def product(self, instruction: Instruction) -> Step:
        """A product, unless NumPy does it better."""
        a, b = instruction.args
        kinds = {x.dtype for x in (a, b, instruction.out) if isinstance(x, Value)}
        floats = kinds in ({np.dtype(np.float32)}, {np.dtype(np.float64)})
        if not floats or instruction.kwargs or not isinstance(b, Value):
            return Plain(instruction, "a product of other numbers than two alike")
        if a.weak or b.weak or not a.shape or not b.shape:
            return Plain(instruction, "a product of numbers")
        size = instruction.out.size * a.shape[-1]
        if self.blas is not None and size >= self.blas:
            return Plain(instruction, "a large product, for which NumPy has several threads")
        return Product(instruction)

    # Indices

    def checked(self, instruction: Instruction) -> set[Value]:
        """Integer operands that can be checked before the program begins, and that now will be."""
        found = set()
        for value in instruction.operands():
            base = self.base(value)
            kind = value.dtype.kind if value.dtype is not None else ""
            if (
                base is value
                and kind in "iu"
                and (value.constant is not None or value in self.inputs)
            ):
                found.add(value)
        function, args = instruction.function, instruction.args
        if function not in ("getitem", "put_at", "add_at", "increment") or not found:
            return found
        index = args[1][-1] if isinstance(args[1], tuple) else args[1]
        table = args[0] if function in ("put_at", "add_at") else args[0].shape
        axis = len(args[1]) - 1 if isinstance(args[1], tuple) else 0
        known = isinstance(index, Value) and index in found and axis < len(table)
        if known and not self.in_range(index, table[axis]):
            found.discard(index)
        return found

    def in_range(self, index: Value, length: int) -> bool:
        """Whether an index is known to be in range, or will be checked."""
        if index.constant is not None:
            return bool((index.constant >= -length).all() and (index.constant < length).all())
        self.bounds.setdefault((index, length), Bounds(index, length))
        return True

    def whole_rows(self, instruction: Instruction) -> bool:
        """Whether ``add_at`` adds rows at one checked index array, in one dtype."""
        shape, index, g = instruction.args
        if not isinstance(index, Value) or not isinstance(g, Value) or g.weak:
            return False
        rows = g.shape == (*index.shape, *shape[1:]) and g.dtype == instruction.out.dtype
        return rows and g.dtype != np.bool and index in self.checked(instruction)

    # Groups

    def joined(self, member: Member) -> Group:
        """Put a member into the latest group that it fits, or into a new one."""
        instruction = member.instruction
        first = self.earliest(instruction)
        for k in range(len(self.steps) - 1, first - 1, -1):
            step = self.steps[k]
            if isinstance(step, Group) and step.fits(member) and self.may_write(member, step):
                step.add(member)
                return step
        group = Group(member.shape, self.layouts)
        if not group.fits(member, alone=True):
            raise AssertionError(f"{instruction.function} fits no loop over {member.shape}")
        group.add(member)
        self.steps.append(group)
        return group

    def earliest(self, instruction: Instruction) -> int:
        """The first step that an instruction may be a part of."""
        after = [self.made[b] for b in map(self.base, instruction.operands()) if b in self.made]
        after += [self.floor] if self.floor is not None else []
        latest = max([0, *map(self.steps.index, after)])
        target = self.targets.get(instruction.out)
        if target is not None:  # what it overwrites has been read
            for k in range(len(self.steps) - 1, latest, -1):
                if target in reads(self.steps[k], self.layouts):
                    return k
        return latest

    def may_write(self, member: Member, group: Group) -> bool:
        """Whether a group that reads the old value of what a member updates has read it by then."""
        target = self.targets.get(member.instruction.out)
        if target is None or target not in set(group.operands()):
            return True
        return not member.row and not member.reduces and reads_in_step(group, target, member.phase)

    # Afterwards

    def sink(self) -> None:
        """Compute what is cheap where it is used, if that is one later group.

        So the mask of a rectifier is not kept from the forward pass to the backward pass.
        """
        outputs = {self.base(v) for v in self.outputs if isinstance(v, Value)} | {*self.targets}
        for step in self.steps:
            if not isinstance(step, Group):
                continue
            for member in step.members[::-1]:
                recipe, out = member.recipe, member.instruction.out
                if recipe is None or not recipe.cheap or member.row or out in outputs:
                    continue
                users = [s for s in self.steps if out in reads(s, self.layouts)]
                if len(users) == 1 and isinstance(users[0], Group) and users[0] is not step:
                    self.move(member, step, users[0])

    def move(self, member: Member, old: Group, new: Group) -> None:
        """Compute a member in another group, before those who use it."""
        operands = [self.base(v) for v in arrays(member)]
        later = self.steps[self.steps.index(old) + 1 : self.steps.index(new)]
        written = {self.targets.get(v) for s in later for v in outs(s)}
        kept = {v for s in self.steps if s is not old for v in reads(s, self.layouts)}
        free = all(v not in old.inside or v in kept for v in operands)
        out, phase = member.instruction.out, member.phase
        uses = [(v, m) for m in new.members for v in arrays(m) if self.base(v) is out]
        users = list(dict.fromkeys(m for _, m in uses))
        if not free or written & {*operands} or member.shape != new.shape:
            return
        if any(new.inner(v) is not None for v in arrays(member)):
            return
        if not uses or any(self.base(v) is out for m in new.members for v in indices(m)):
            return
        if any(m.picks == "column" or m.row or not new.same(v, member, m) for v, m in uses):
            return
        at = old.members.index(member)
        old.members.remove(member)
        del old.inside[out]
        member.phase = min(m.phase for m in users)
        member.axes = tuple(range(len(new.shape)))
        new.members.insert(new.members.index(users[0]), member)
        new.inside[out] = member
        if not self.reads_first(new, operands):
            new.members.remove(member)
            del new.inside[out]
            old.members.insert(at, member)
            old.inside[out], member.phase = member, phase
            return
        self.made[out] = new
        if not old.members:
            self.steps.remove(old)

    def reads_first(self, group: Group, operands: list[Value]) -> bool:
        """Whether what a group overwrites of some operands has been read by then."""
        for value, member in group.inside.items():
            target = self.targets.get(value)
            if target in operands:
                if member.row or member.reduces:
                    return False
                if not reads_in_step(group, target, member.phase):
                    return False
        return True

    def merge(self) -> None:
        """Make one group of two that follow each other and share what they read or make."""
        for k in range(len(self.steps) - 2, -1, -1):
            first, second = self.steps[k : k + 2]
            if isinstance(first, Group) and isinstance(second, Group):
                both = self.merged(first, second)
                if both is not None:
                    self.steps[k : k + 2] = [both]

    def merged(self, first: Group, second: Group) -> Group | None:
        """Two groups as one, or None if they can't be or have nothing in common."""
        known = {v for v in first.operands() if v.size > 1} | {*first.inside}
        if first.shape != second.shape or not known & {*second.operands()}:
            return None
        both = Group(first.shape, self.layouts, [*first.members], {**first.inside})
        for member in second.members:
            new = replace(member)
            if not both.fits(new, alone=True) or not self.may_write(new, both):
                return None
            both.add(new)
        return both

    def draw_early(self) -> None:
        """Put numbers first, and draws after the checks, as they depend on no array.

        So they part no machine code. Draws keep their order, so all of them are moved or none.
        """
        known = {*self.inputs, *self.program.constants()}
        numbers = []
        for step in self.steps:
            if not isinstance(step, Plain) or step.reason or not step.instruction.out.weak:
                continue
            if known.issuperset(step.instruction.operands()):
                numbers.append(step)
                known.add(step.instruction.out)
        checks = [k for k, s in enumerate(self.steps) if isinstance(s, Check | Bounds)]
        start = checks[-1] + 1 if checks else 0
        draws = [s for s in self.steps if isinstance(s, Plain) and s.reason == "a draw"]
        free = all(known.issuperset(s.instruction.operands()) for s in draws)
        if not free or any(s in self.steps[:start] for s in draws):
            draws = []
        early = {*numbers, *draws}
        self.steps = [
            *numbers,
            *(s for s in self.steps[:start] if s not in early),
            *draws,
            *(s for s in self.steps[start:] if s not in early),
        ]


def reads(step: Step, layouts: Layouts) -> set[Value]:
    """The bases of what a step reads."""
    if isinstance(step, Group):
        return {*step.operands()}
    if isinstance(step, Bounds):
        return {layouts.of(step.index).base}
    return {layouts.of(v).base for v in step.instruction.operands()}


def outs(step: Step) -> Iterator[Value]:
    """What a step makes."""
    if isinstance(step, Group):
        yield from step.inside
    elif not isinstance(step, Bounds | Check):
        yield step.instruction.out


def reads_in_step(group: Group, base: Value, phase: int) -> bool:
    """Whether a group reads memory element by element only, no later than in a phase."""
    straight = True
    for member in group.members:
        for value in {*arrays(member), *indices(member)}:
            if group.layouts.of(value).base is not base:
                continue
            where = group.layouts.of(value)
            same = member.shape == group.shape == value.shape and not where.offset
            same = same and group.reach(value, member) == where.strides and not member.picks
            same = same and value.dtype == base.dtype and base.shape == value.shape
            straight = straight and same and member.phase <= phase and not member.row
    return straight


def borrowed(step: Step) -> bool:
    """Whether the result of a NumPy call may be a view of what it was given."""
    return isinstance(step, Plain) and is_view(step.instruction)
