"""Algebra on a program: what changes nothing is left out, what is narrow is computed narrow."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.compile.program import Instruction, Program, Value

__all__ = [
    "add_into",
    "drop_broadcasts",
    "is_count",
    "is_elementwise",
    "narrow_early",
    "replace",
    "simplify",
    "uniform",
]


def replace(program: Program, new: dict[Value, Any]) -> bool:
    """Use other operands in the place of values, everywhere."""
    if not new:
        return False
    for value in list(new):  # a chain of replacements ends where nothing is replaced
        while isinstance(new[value], Value) and new[value] in new:
            new[value] = new[new[value]]
    for instruction in program.instructions:
        instruction.substitute(new)
    program.results = [new.get(r, r) if isinstance(r, Value) else r for r in program.results]
    for update in program.updates:
        if isinstance(update.result, Value):
            update.result = new.get(update.result, update.result)
    return True


def uniform(x: Value) -> float | int | None:
    """The number that a constant array is made of, if it is a single finite one."""
    if x.constant is None or not x.size or x.dtype is None or x.dtype.kind not in "fi":
        return None
    first = x.constant.flat[0]
    if not np.isfinite(first) or not bool((x.constant == first).all()):
        return None
    number: float | int = first.item()
    return number


def is_elementwise(instruction: Instruction) -> bool:
    """Whether an instruction is one ufunc with one result."""
    function = instruction.function
    if not function.startswith("np.") or function.count(".") != 1:
        return False
    ufunc = getattr(np, function[3:], None)
    return isinstance(ufunc, np.ufunc) and ufunc.signature is None and ufunc.nout == 1


def simplify(program: Program) -> bool:
    """Leave out what changes nothing: ``x * 1``, ``-(-x)``, a transpose of a transpose."""
    new: dict[Value, Any] = {}
    maker: dict[Value, Instruction] = {}
    rest = []
    for instruction in program.instructions:
        instruction.substitute(new)
        same = _same_as(instruction, maker)
        if same is not None:
            new[instruction.out] = same
        else:
            rest.append(instruction)
            maker[instruction.out] = instruction
    program.instructions = rest
    return replace(program, new)


def _same_as(instruction: Instruction, maker: dict[Value, Instruction]) -> Value | None:
    """The operand that an instruction gives back, if it does."""
    args = instruction.args
    if not args or not isinstance(args[0], Value):
        x: Any = args[1] if instruction.function == "np.multiply" and _is_one(args[0]) else None
    else:
        x = _unchanged(instruction, args[0], maker)
    if not isinstance(x, Value) or x.shape != instruction.out.shape or x.weak:
        return None
    return x if x.dtype == instruction.out.dtype else None


def _unchanged(instruction: Instruction, x: Value, maker: dict[Value, Instruction]) -> Any:
    function, args = instruction.function, instruction.args
    before = maker.get(x)
    if function in ("np.multiply", "np.divide", "np.power") and _is_one(args[1]):
        return x
    if function in ("np.positive", "np.copy", "np.broadcast_to", "np.reshape", "np.conjugate"):
        return x
    if function == "np.negative" and before is not None and before.function == function:
        return before.args[0]
    if function == "np.transpose" and before is not None and before.function == function:
        return before.args[0] if not (instruction.kwargs or before.kwargs) else None
    if function == "astype":
        return x
    return None


def _is_one(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and x == 1


def drop_broadcasts(program: Program) -> bool:
    """Let elementwise functions broadcast by themselves."""
    maker = {i.out: i for i in program.instructions if i.function == "np.broadcast_to"}
    changed = False
    for instruction in program.instructions:
        if not maker or len(instruction.args) < 2 or not is_elementwise(instruction):
            continue
        for i, x in enumerate(instruction.args):
            if not isinstance(x, Value) or x not in maker:
                continue
            source = maker[x].args[0]
            others = [a.shape for j, a in enumerate(instruction.args) if j != i and _is_array(a)]
            if _is_array(source) and instruction.out.shape in others:
                args = list(instruction.args)
                args[i] = source
                instruction.args, changed = tuple(args), True
    return changed


def _is_array(x: Any) -> bool:
    return isinstance(x, Value) and x.weak is None


def narrow_early(program: Program) -> bool:
    """Compute on the few numbers that are broadcast, and broadcast the result.

    Of ``np.negative(np.broadcast_to(x, shape))`` and ``np.broadcast_to(x, shape) / c``.
    """
    maker = {i.out: i for i in program.instructions if i.function == "np.broadcast_to"}
    new: list[Instruction] = []
    changed = False
    for instruction in program.instructions:
        args = instruction.args
        wide = [x for x in args if isinstance(x, Value) and x in maker]
        rest_plain = all(not isinstance(x, Value) or x in maker for x in args)
        if len(wide) != 1 or not rest_plain or not is_elementwise(instruction):
            new.append(instruction)
            continue
        source: Value = maker[wide[0]].args[0]
        if not _is_array(source) or source.dtype is None:
            new.append(instruction)
            continue
        small = Value(source.shape, instruction.out.dtype)
        inner = tuple(source if x is wide[0] else x for x in args)
        new.append(_like(instruction, instruction.function, inner, small))
        shape = instruction.out.shape
        new.append(_like(instruction, "np.broadcast_to", (small, shape), instruction.out))
        changed = True
    program.instructions = new
    return changed


def _like(old: Instruction, function: str, args: tuple[Any, ...], out: Value) -> Instruction:
    return Instruction(function, args, {}, out, old.section, old.scope, old.op, old.origin)


def add_into(program: Program) -> bool:
    """Add what stands at an index where it belongs: ``x + zeros with g at i`` is ``x[i] += g``.

    This is where ``softmax - one_hot`` comes from.
    """
    uses: dict[Value, int] = {}
    for value in [v for i in program.instructions for v in i.operands()] + [
        v for v in program.outputs() if isinstance(v, Value)
    ]:
        uses[value] = uses.get(value, 0) + 1
    maker = {i.out: i for i in program.instructions if i.function in ("add_at", "put_at")}
    changed = False
    for instruction in program.instructions:
        if instruction.function != "np.add" or len(instruction.args) != 2:
            continue
        for x, other in (instruction.args, instruction.args[::-1]):
            if x not in maker or uses[x] != 1 or not _is_array(other):
                continue
            _, index, g = maker[x].args
            if other.shape == x.shape and other.dtype == x.dtype and other not in maker:
                once = maker[x].function == "put_at" or names_each_once(index)
                instruction.function = "increment" if once else "increment_each"
                instruction.args, changed = (other, index, g), True
                break
    return changed


def names_each_once(index: Any) -> bool:
    """Whether an index of arrays names no element twice: one of them counts 0, 1, 2, ..."""
    if not isinstance(index, tuple) or not all(isinstance(part, Value) for part in index):
        return False
    return len({part.shape for part in index}) == 1 and any(is_count(part) for part in index)


def is_count(x: Any) -> bool:
    """Whether a constant is ``np.arange(n)``."""
    if not isinstance(x, Value) or x.constant is None or len(x.shape) != 1:
        return False
    return x.constant.dtype.kind == "i" and bool((x.constant == np.arange(x.shape[0])).all())
