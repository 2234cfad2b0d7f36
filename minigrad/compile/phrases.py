"""How an instruction reads: as an operator, in place, and what is said of inputs."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from minigrad.compile.program import Input, Instruction, Program, Value
from minigrad.ops.index import FEW

__all__ = [
    "COMMUTE",
    "INLINE",
    "OPERATORS",
    "PYTHON",
    "SIMPLE",
    "adding",
    "augments",
    "bare",
    "basic",
    "is_array",
    "note",
    "sentence",
    "through_inputs",
]

OPERATORS = {
    "np.add": "+",
    "np.subtract": "-",
    "np.multiply": "*",
    "np.divide": "/",
    "np.power": "**",
    "np.floor_divide": "//",
    "np.remainder": "%",
    "np.greater": ">",
    "np.greater_equal": ">=",
    "np.less": "<",
    "np.less_equal": "<=",
    "np.equal": "==",
    "np.not_equal": "!=",
    "np.bitwise_and": "&",
    "np.bitwise_or": "|",
    "np.bitwise_xor": "^",
}
COMMUTE = frozenset({"np.add", "np.multiply"})

SIMPLE = re.compile(r"[\w.]+$")
PYTHON = frozenset({"+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!="})
INLINE = frozenset({"np.transpose", "getitem", "view", "np.reshape"})


def augments(instruction: Instruction) -> bool:
    """Whether ``a += b`` may say that an operand takes the result."""
    if instruction.function.startswith("increment"):
        return True
    if instruction.function not in OPERATORS or not isinstance(instruction.into, Value):
        return False
    first, second = instruction.args
    commutes = instruction.function in COMMUTE
    return first is instruction.into or (commutes and second is instruction.into)


def bare(text: str) -> str:
    """An expression without parentheses around the whole of it."""
    closed, depth = [], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        closed.append(depth == 0)
    return (
        text[1:-1]
        if text.startswith("(") and [*closed, True].index(True) == len(text) - 1
        else text
    )


def through_inputs(program: Program) -> None:
    """Call what takes an input's memory, and nothing else, what the input is called."""
    inputs = {i.value for i in program.inputs}
    theirs = {value: value for value in inputs}
    for instruction in program.instructions:
        lent = instruction.into in inputs and instruction.into not in set(instruction.operands())
        if instruction.into in theirs and (lent or augments(instruction)):
            instruction.out.name = instruction.into.name
            theirs[instruction.out] = instruction.out


def is_array(x: Any) -> bool:
    """Whether an operand is an array with axes."""
    return isinstance(x, Value) and x.weak is None and bool(x.shape)


def adding(out: Value, index: Any, g: Any, at: str, what: str) -> str:
    """A call that adds ``g`` at an index, which may name an element twice, given their texts."""
    row = math.prod(out.shape[1:])
    named = isinstance(index, Value) and index.dtype == np.intp and index.shape
    whole = named and isinstance(g, Value) and g.size == index.size * row
    if not whole or row == 1 or g.size <= FEW:
        return f"np.add.at({out.name}, {at}, {what})"
    # np.add.at is ten times as fast where array and index have one axis each.
    places = f"({at}[..., None] * {row} + np.arange({row})).reshape(-1)"
    return f"np.add.at({out.name}.reshape(-1), {places}, {what}.reshape(-1))"


def basic(index: Any) -> bool:
    """Whether an index holds no arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(part, Value | list) for part in parts)


def sentence(program: Program) -> str:
    """What a program does, for its docstring."""
    sections = {instruction.section for instruction in program.instructions}
    what = [name for name in ("forward", "backward", "update") if name in sections]
    return f"Compute one call: {', '.join(what) or 'nothing'}."


def note(given: Input, written: set[Value]) -> str:
    """What becomes of an input's memory."""
    if given.value not in written:
        return ""
    return ", memory for the gradient" if given.kind == "gradient" else ", overwritten"
