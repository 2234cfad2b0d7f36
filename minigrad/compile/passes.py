"""Rewriting a program: each pass is one function from a program to whether it changed something.

What a pass does is exact: the result of every output stays the same number (``x + 0`` is left
alone, since ``-0.0 + 0`` is 0.0), except that NumPy may sum in another order where memory lies
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.compile.algebra import (
    add_into,
    drop_broadcasts,
    is_elementwise,
    narrow_early,
    replace,
    simplify,
    uniform,
)
from minigrad.compile.program import Instruction, Program, Value, function_of

__all__ = ["PIPELINE", "optimise"]

Pass = Callable[[Program], bool]
SMALL = 4096  # elements: a larger constant is not folded into, it would have to be stored


def optimise(program: Program) -> dict[str, int]:
    """Run the pipeline until nothing changes; return how often each pass found something.

    >>> from minigrad.compile.program import Input
    >>> x, y = Value((2,), np.dtype(float)), Value((2,), np.dtype(float))
    >>> doubled = Instruction("np.multiply", (x, 1.0), {}, y)
    >>> program = Program("f", [Input(x, "argument", "x")], [doubled], [y])
    >>> optimise(program)["simplify"], program.instructions
    (1, [])
    """
    found = {step.__name__: 0 for step in PIPELINE}
    changed = True
    while changed:
        changed = False
        for step in PIPELINE:
            if step(program):
                found[step.__name__] += 1
                changed = True
    checks_first(program)
    share_constants(program)
    found["update_early"] = int(update_early(program))
    drop_inputs(program)
    return found


# Constants


def fold_constants(program: Program) -> bool:
    """Compute at once what depends on constants alone."""
    new: dict[Value, Any] = {}
    rest = []
    for instruction in program.instructions:
        instruction.substitute(new)
        operands = list(instruction.operands())
        known = all(v.constant is not None for v in operands)
        if not known or not instruction.pure or instruction.out.dtype is None:
            rest.append(instruction)
            continue
        now = _run(instruction)
        weak = instruction.out.weak is not None
        if not weak and now.size > max([SMALL, *(v.size for v in operands)]):
            rest.append(instruction)
            continue
        new[instruction.out] = now if weak else operand_of(now)
    program.instructions = rest
    return replace(program, new)


def _run(instruction: Instruction) -> Any:
    def plain(x: Any) -> Any:
        if isinstance(x, Value):
            return x.constant
        if isinstance(x, tuple | list):
            return type(x)(map(plain, x))
        return slice(plain(x.start), plain(x.stop), plain(x.step)) if isinstance(x, slice) else x

    kwargs = {name: plain(value) for name, value in instruction.kwargs.items()}
    return function_of(instruction.function)(*map(plain, instruction.args), **kwargs)


def operand_of(now: Any) -> Value:
    """A constant array as an operand."""
    array = np.ascontiguousarray(now).reshape(np.shape(now))
    return Value(array.shape, array.dtype, constant=array)


def scalar_constants(program: Program) -> bool:
    """Write an array that is one number everywhere as that number, where it broadcasts anyway."""
    changed = False
    for instruction in program.instructions:
        args = instruction.args
        if instruction.function == "increment" and isinstance(args[2], Value):
            number = uniform(args[2])
            if number is not None:
                instruction.args, changed = (*args[:2], number), True
        if len(args) != 2 or not is_elementwise(instruction):
            continue
        for i, other in ((0, args[1]), (1, args[0])):
            x = args[i]
            if not isinstance(x, Value) or x.constant is None or not isinstance(other, Value):
                continue
            number = uniform(x)
            full = other.shape == instruction.out.shape
            if number is not None and full and other.dtype == x.dtype and not other.weak:
                args = tuple(number if j == i else a for j, a in enumerate(args))
                instruction.args, changed = args, True
    return changed


# Common subexpressions, dead code


def share(program: Program) -> bool:
    """Compute once what would be computed twice."""
    seen: dict[Any, Value] = {}
    new: dict[Value, Any] = {}
    rest = []
    for instruction in program.instructions:
        instruction.substitute(new)
        if not instruction.pure:
            rest.append(instruction)
            continue
        kwargs = tuple((k, _key(v)) for k, v in sorted(instruction.kwargs.items()))
        key = (instruction.function, _key(instruction.args), kwargs)
        if key in seen:
            new[instruction.out] = seen[key]
        else:
            seen[key] = instruction.out
            rest.append(instruction)
    program.instructions = rest
    return replace(program, new)


def share_constants(program: Program) -> None:
    """Keep constant arrays that are equal once."""
    seen: dict[Any, Value] = {}
    new = {v: seen.setdefault(_key(v), v) for v in program.constants()}
    replace(program, {v: first for v, first in new.items() if v is not first})


def _key(operand: Any) -> Any:
    """What tells an operand from others: its type, too, since 1, 1.0 and True are equal."""
    if isinstance(operand, Value):
        if operand.constant is None:
            return id(operand)
        array = operand.constant
        if array.size > SMALL:
            return id(array)
        return array.shape, array.dtype.str, array.tobytes()
    if isinstance(operand, tuple | list):
        return (type(operand), *map(_key, operand))
    if isinstance(operand, slice):
        return "slice", _key(operand.start), _key(operand.stop), _key(operand.step)
    if callable(operand) and not isinstance(operand, type):
        return id(operand)
    return type(operand), repr(operand)


def drop_dead(program: Program) -> bool:
    """Drop what nothing needs; draws and checks are needed."""
    needed = {v for v in program.outputs() if isinstance(v, Value)}
    rest = []
    for instruction in reversed(program.instructions):
        needless = instruction.pure or instruction.function == "call"
        if instruction.out not in needed and needless:
            continue
        needed.update(instruction.operands())
        rest.append(instruction)
    changed = len(rest) < len(program.instructions)
    program.instructions = rest[::-1]
    return changed


def drop_inputs(program: Program) -> None:
    """Ask for nothing that no instruction, result or update needs, save for arguments."""
    needed = {v for i in program.instructions for v in i.operands()}
    needed.update(v for v in program.outputs() if isinstance(v, Value))
    # A gradient that is replaced lends its memory to the next one.
    needed.update(u.target for u in program.updates if u.target is not None)
    program.inputs = [i for i in program.inputs if i.value in needed or i.kind == "argument"]


def checks_first(program: Program) -> None:
    """Move checks, and what they need, before all else that does not draw: nothing is written yet.

    Draws stay where they are, so a check that depends on one comes after it; and so does one of
    gradients, since it needs nearly all there is: nothing is written into before it.
    """
    maker = {i.out: i for i in program.instructions}
    late = _of_gradients(program)
    first: list[Instruction] = []
    placed: set[Instruction] = set()

    def place(instruction: Instruction) -> None:
        for value in instruction.operands():
            if value in maker and maker[value] not in placed:
                place(maker[value])
        if instruction not in placed:
            placed.add(instruction)
            first.append(instruction)

    for instruction in program.instructions:
        if instruction.function == "check" and instruction not in late:
            place(instruction)
    rest = [i for i in program.instructions if i not in placed]
    draws = [i for i in first if i.function.startswith("rng.")]
    if draws and any(i.function.startswith("rng.") for i in rest):
        return  # the order of draws is part of what a program does
    program.instructions = first + rest


def _of_gradients(program: Program) -> set[Instruction]:
    """Instructions that depend on what the backward pass computes."""
    late: set[Instruction] = set()
    values: set[Value] = set()
    for instruction in program.instructions:
        if instruction.section == "backward" or not values.isdisjoint(instruction.operands()):
            late.add(instruction)
            values.add(instruction.out)
    return late


CACHE = 262_144  # bytes: gradients beyond this have left the cache when the update begins


def update_early(program: Program) -> bool:
    """Update a parameter as soon as its gradient is there, if the gradients are large together.

    Only where nothing reads the parameter afterwards, so that it may be overwritten.
    """
    gradients = [u.result for u in program.updates if isinstance(u.target, Value)]
    size = sum(v.nbytes for v in gradients if isinstance(v, Value))
    sections = [i.section for i in program.instructions]
    if size < CACHE or "update" not in sections or "backward" not in sections:
        return False
    first = sections.index("update")
    body, tail = program.instructions[:first], program.instructions[first:]
    if any(i.section != "update" or not i.pure for i in tail):
        return False
    last_read = {v: i for i, x in enumerate(body) for v in x.operands()}
    made = {x.out: i for i, x in enumerate(body)}
    ready: dict[int, list[Instruction]] = {}
    begin = sections.index("backward")
    for instruction in tail:
        operands = list(instruction.operands())
        at = max([begin, *(made.get(v, 0) for v in operands)])
        at = max([at, *(last_read.get(v, 0) for v in operands if v not in made)])
        made[instruction.out] = at
    wanted: dict[Value, int] = {}  # what needs no gradient stands where it is first needed
    for instruction in reversed(tail):
        at = made[instruction.out] = max(made[instruction.out], wanted.get(instruction.out, 0))
        wanted.update((v, min(at, wanted.get(v, at))) for v in instruction.operands())
    for instruction in tail:
        ready.setdefault(made[instruction.out], []).append(instruction)
    program.instructions = [x for i, y in enumerate(body) for x in (y, *ready.get(i, ()))]
    return True


PIPELINE: tuple[Pass, ...] = (
    fold_constants,
    scalar_constants,
    simplify,
    narrow_early,
    drop_broadcasts,
    share,
    add_into,
    drop_dead,
)
