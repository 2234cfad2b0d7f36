"""Whether two traces computed the same: the proof that no constant in them changes by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.compile.program import Program, Value

__all__ = ["Difference", "difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two programs part.

    Attributes:
        said: The place, as an error says it.
        decided: Whether a check of data went the other way there: the calls are of two kinds, each
            with code of its own, which tells them apart.
    """

    said: str
    decided: bool = False


def difference(first: Program, second: Program) -> Difference | None:
    """Find where two programs part, or return None if they compute the same.

    >>> difference(Program("f"), Program("f"))
    """
    twin: dict[Value, Value] = {}
    if [i.path for i in first.inputs] != [i.path for i in second.inputs]:
        # A number that has changed is an input from then on: what it was is no constant any more.
        return Difference("they read different state", decided=True)
    for a, b in zip(first.inputs, second.inputs, strict=True):
        twin[a.value] = b.value
    for one, other in zip(first.instructions, second.instructions, strict=False):
        where = f"{other.origin[0]}:{other.origin[1]}" if other.origin[0] else other.scope
        if one.function != other.function:
            return Difference(f"{one.function} in one, {other.function} in the other, at {where}")
        if not _alike(one.args, other.args, twin) or not _alike(one.kwargs, other.kwargs, twin):
            decided = one.function == "check" and _alike(one.args[0], other.args[0], twin)
            return Difference(f"{one.function} has another operand, at {where}", decided)
        twin[one.out] = other.out
    if len(first.instructions) != len(second.instructions):
        return Difference("one does more than the other")
    if not _alike(first.results, second.results, twin):
        return Difference("they return different values")
    states = [[u.result for u in program.updates] for program in (first, second)]
    if len(states[0]) != len(states[1]) or not _alike(states[0], states[1], twin):
        return Difference("they leave different state behind")
    return None


def _alike(a: Any, b: Any, twin: dict[Value, Value]) -> bool:
    if isinstance(a, Value):
        if a.constant is not None:
            known = isinstance(b, Value) and b.constant is not None
            return known and _equal(a.constant, b.constant)
        return twin.get(a) is b
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(a[k], b[k], twin) for k in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(_alike(p, q, twin) for p, q in zip(a, b, strict=True))
    if isinstance(a, slice):
        return _alike((a.start, a.stop, a.step), (b.start, b.stop, b.step), twin)
    return a is b or repr(a) == repr(b)


def _equal(a: Any, b: Any) -> bool:
    if a is b:
        return True
    same = a.shape == b.shape and a.dtype == b.dtype
    return same and bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
