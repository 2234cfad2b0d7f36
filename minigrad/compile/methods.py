"""Calls that read as something else: methods, brackets, and functions that are not NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.compile.phrases import is_array
from minigrad.compile.program import Instruction, Value
from minigrad.ops.masks import BITS, MANY

__all__ = ["METHODS"]


def _where(e: Any, i: Instruction) -> str:
    """``select`` for large arrays, which takes a sixth of ``np.where``'s time."""
    texts = ", ".join(map(e.text, i.args))
    mask = i.args[0]
    irregular = isinstance(mask, Value) and mask.dtype == bool and mask.size >= MANY
    if len(i.args) != 3 or not irregular or i.out.dtype not in BITS:
        return f"np.where({texts})"
    e.imports.add("from minigrad.ops.masks import select")
    return f"select({texts})"


METHODS: dict[str, Callable[[Any, Instruction], str]] = {
    "getitem": lambda e, i: f"{e.factor(i.args[0])}[{e.index(i.args[1])}]",
    "astype": lambda e, i: f"{e.factor(i.args[0])}.astype({e.text(i.args[1])})",
    "view": lambda e, i: f"{e.factor(i.args[0])}.view({e.text(i.args[1])})",
    "abs": lambda e, i: f"abs({e.text(i.args[0])})",
    "np.reshape": lambda e, i: (
        f"{e.factor(i.args[0])}.reshape({e.text(i.args[1])})"
        if {*i.args[2:], *i.kwargs.values()} <= {"C"} and is_array(i.args[0])
        else f"np.reshape({', '.join(map(e.text, [*i.args, *i.kwargs.values()]))})"
    ),
    "np.transpose": lambda e, i: (
        f"{e.factor(i.args[0])}.transpose({e.text(i.kwargs['axes'])})"
        if i.kwargs
        else f"{e.factor(i.args[0])}.T"
    ),
    "np.where": _where,
}
"""How an emitter writes an instruction, by its function."""
