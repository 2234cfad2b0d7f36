"""Where results go: into an operand that is not needed any more, into memory kept between calls, or
into a new array.

Small arrays are made anew, since NumPy keeps small blocks at hand; from ``LARGE`` bytes on, a new
array costs page faults, and a buffer that every call reuses does not.
"""

from __future__ import annotations

from minigrad.compile.algebra import is_elementwise
from minigrad.compile.capture import Replaced
from minigrad.compile.program import Buffer, Instruction, Program, Update, Value, is_view

__all__ = ["LARGE", "plan"]

LARGE = 65_536  # bytes
_REDUCTIONS = (".reduce", ".accumulate")


def plan(program: Program) -> None:
    """Fill in ``Instruction.into``, ``Update.in_place`` and ``Program.buffers``."""
    _Planner(program).run()
    read = {v for i in program.instructions for v in i.operands()}
    read.update(v for v in program.outputs() if isinstance(v, Value))
    read.update(i.into for i in program.instructions if isinstance(i.into, Value))
    program.inputs = [i for i in program.inputs if i.value in read or i.kind == "argument"]


def takes_out(instruction: Instruction) -> bool:
    """Whether a function can write its result into an array that it is given."""
    if instruction.out.weak or instruction.out.dtype is None:
        return False
    if is_elementwise(instruction) or instruction.function in ("np.dot", "np.matmul"):
        return True
    return instruction.function.endswith(_REDUCTIONS) and bool(instruction.out.shape)


class _Planner:
    """One look over a program, with what each value's memory is and when it is last used."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.root: dict[Value, Value] = {}  # whose memory a value is: its own, or of a view's base
        self.last: dict[Value, int] = {}
        self.kept = {v for v in program.outputs() if isinstance(v, Value)}
        self.inputs = {i.value for i in program.inputs}
        self.free: list[Buffer] = []
        self.held: dict[Value, Buffer] = {}

    def run(self) -> None:
        """Decide for one instruction after another."""
        program = self.program
        pinned: set[Value] = set()
        for i, instruction in enumerate(program.instructions):
            view = is_view(instruction)
            bases = [self.base(v) for v in instruction.operands()]
            self.root[instruction.out] = bases[0] if view and bases else instruction.out
            if view:
                pinned.update(bases[1:])  # it may be a view of any of them
            for base in bases:
                self.last[base] = i
        for value in self.kept | pinned:
            self.last[self.base(value)] = len(program.instructions)
        self.updates_in_place()
        for i, instruction in enumerate(program.instructions):
            if instruction.into is None:
                self.place(i, instruction)
            self.release(i, instruction)

    def base(self, value: Value) -> Value:
        """The value whose memory this one is."""
        return self.root.get(value, value)

    def dies(self, value: Value, i: int) -> bool:
        """Whether nothing uses a value's memory after an instruction."""
        return self.base(value) is value and self.last.get(value, -1) <= i

    def overwritable(self, instruction: Instruction, i: int) -> list[Value]:
        """Operands of which the memory may take the result."""
        out = instruction.out
        if instruction.function.startswith("increment"):
            candidates = instruction.args[:1]
        elif is_elementwise(instruction) and takes_out(instruction):
            candidates = instruction.args
        else:
            return []
        return [
            x
            for x in candidates
            if isinstance(x, Value)
            and x.constant is None
            and x.weak is None
            and x.shape == out.shape
            and bool(out.shape)
            and x.dtype == out.dtype
            and self.dies(x, i)
            and (x in self.inputs or self.own(x))
        ]

    def own(self, x: Value) -> bool:
        """Whether a value was made by an instruction that gives a new array to nobody else."""
        return x in self.root and self.root[x] is x

    def place(self, i: int, instruction: Instruction) -> None:
        """Decide where one result goes."""
        out = instruction.out
        candidates = [x for x in self.overwritable(instruction, i) if x not in self.inputs]
        for x in candidates:
            # What outlives the call may not be a buffer that the next one overwrites.
            if out in self.kept and x in self.held:
                continue
            instruction.into = x
            if x in self.held:
                self.held[out] = self.held.pop(x)
            return
        if out in self.kept_bases() or out.nbytes < LARGE or not takes_out(instruction):
            return
        for buffer in self.free:
            if (buffer.shape, buffer.dtype) == (out.shape, out.dtype):
                self.free.remove(buffer)
                break
        else:
            buffer = Buffer(out.shape, out.dtype)  # type: ignore[arg-type]
            self.program.buffers.append(buffer)
        instruction.into = self.held[out] = buffer

    def kept_bases(self) -> set[Value]:
        """Values whose memory outlives the call."""
        return {self.base(value) for value in self.kept}

    def release(self, i: int, instruction: Instruction) -> None:
        """Let buffers be used again whose content nobody needs any more."""
        for value in {*map(self.base, instruction.operands()), instruction.out}:
            if value in self.held and self.last.get(value, i) <= i:
                self.free.append(self.held.pop(value))

    # State

    def updates_in_place(self) -> None:
        """Overwrite the array of a parameter, or of what an optimiser remembers, with the new one.

        From the new value back to the old one there must be a chain of elementwise functions, each
        of which may overwrite its operand.
        """
        made = {x.out: (i, x) for i, x in enumerate(self.program.instructions)}
        writes = [i for i, x in made.values() if x.function == "check"]
        after = max(writes, default=-1)
        results = [u.result for u in self.program.updates] + self.program.results
        for update in self.program.updates:
            result, target = update.result, update.target
            if not isinstance(result, Value) or target is None or result not in made:
                continue
            if results.count(result) > 1 or target in self.kept or target.weak:
                continue
            if target not in self.last and not is_view(made[result][1]):
                if made[result][0] > after:
                    self.lent(update, made[result][1], target)
                continue
            if isinstance(update.place, Replaced):  # its holder is another each time
                continue
            chain = self.chain(result, target, made, after)
            for instruction, operand in chain or []:
                instruction.into = operand
            update.in_place = chain is not None

    def lent(self, update: Update, instruction: Instruction, target: Value) -> None:
        """Write into the array that is replaced and that nothing reads: the last gradient's."""
        out = instruction.out
        alike = out.shape == target.shape and out.dtype == target.dtype and bool(out.shape)
        if alike and takes_out(instruction) and instruction.into is None:
            instruction.into, update.in_place = target, True

    def chain(
        self, value: Value, target: Value, made: dict[Value, tuple[int, Instruction]], after: int
    ) -> list[tuple[Instruction, Value]] | None:
        """The instructions that lead from ``target`` to ``value``, each overwriting an operand."""
        if value not in made:
            return None
        i, instruction = made[value]
        if i <= after or instruction.into is not None:
            return None
        for x in self.overwritable(instruction, i):
            if x is target:
                return [(instruction, x)]
            if x in self.inputs or x in self.kept:
                continue
            before = self.chain(x, target, made, after)
            if before is not None:
                return [*before, (instruction, x)]
        return None
