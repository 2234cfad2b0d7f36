"""What tensors are called in a picture."""

from __future__ import annotations

import inspect
from collections.abc import Container, Iterable
from typing import Any

import numpy as np

from minigrad.scopes import Scope
from minigrad.tensor import Tensor
from minigrad.viz.tape import Tape, Vertex

__all__ = ["Namer", "by_array", "caller_names", "same", "setting"]

_SIGNS = {
    "add": "+",
    "subtract": "−",
    "multiply": "×",
    "divide": "/",
    "floor_divide": "//",
    "remainder": "%",
    "power": "^",
    "matmul": "@",
}


def by_array(named: Iterable[tuple[str, Any]]) -> dict[int, str]:
    """Names of arrays, and of Tensors without history, by the ``id`` of the array."""
    found: dict[int, str] = {}
    for name, value in named:
        if isinstance(value, Tensor) and value.is_leaf:
            found[id(value.data)] = name
        elif isinstance(value, np.ndarray):
            found[id(value)] = name
    return found


def caller_names() -> dict[int, str]:
    """Names of the variables that hold arrays where the function that asks for them was called."""
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame is not None and frame.f_back is not None else None
    if caller is None:
        return {}
    scopes = [caller.f_globals, caller.f_locals]
    return by_array((n, v) for scope in scopes for n, v in scope.items() if n[:1] != "_")


class Namer:
    """Names for every vertex: those given by users, and ``x``, ``y``, ``p`` for the rest."""

    def __init__(self, tape: Tape, drawn: Container[int] = ()) -> None:
        self.vertices = tape.vertices
        self.paths: dict[int, str] = {}
        self.names: dict[int, str] = {}
        taken = {v.name for v in tape.vertices if v.name is not None}
        for v in sorted(tape.vertices, key=lambda v: v.index not in drawn):
            if v.kind == "op":
                continue
            if v.name is not None:
                self.names[v.index] = v.name.strip() or "∅"
                continue
            letter = "p" if v.kind == "leaf" else "x"
            if v.kind == "constant" and v.dtype.startswith(("int", "uint", "bool")):
                letter = "y"
            name, i = letter, 1
            while name in taken:
                i += 1
                name = f"{letter}{i}"
            taken.add(name)
            self.names[v.index] = name
        for v in tape.vertices:
            if v.scope is not None:
                for p in v.inputs:
                    if tape.vertices[p].kind == "leaf":
                        self.paths.setdefault(p, _module(v.scope).path)

    def of(self, index: int) -> str:
        """The name of a leaf or constant, or the op that made a tensor."""
        return self.names.get(index) or self.vertices[index].op

    def full(self, index: int) -> str:
        """The name with the modules it lies in, such as ``fc1.weight``."""
        v = self.vertices[index]
        path = v.scope.path if v.scope is not None else self.paths.get(index, "")
        name = self.of(index)
        return f"{path}.{name}" if path and not name.startswith(f"{path}.") else name

    def argument(self, v: Vertex, i: int) -> str:
        """What the input at ``i`` is called in the rules of ``v``."""
        parent = v.parents[i]
        if parent is None:
            return _plain(v.numbers[i]) if i in v.numbers else self._declared(v, i)
        if self.vertices[parent].kind != "op":
            return self.of(parent)
        ops = [p for p in v.parents if p is not None and self.vertices[p].kind == "op"]
        return "in" if len(set(ops)) == 1 else self._declared(v, i)

    def _declared(self, v: Vertex, i: int) -> str:
        assert v.primitive is not None
        if v.primitive.variadic:
            return f"{v.primitive.inputs[0]}[{i}]"
        return v.primitive.inputs[i]

    def arguments(self, v: Vertex) -> dict[str, str]:
        """What the inputs of ``v`` are called, by the names of the declaration."""
        assert v.primitive is not None
        if v.primitive.variadic:
            return {v.primitive.inputs[0]: "in"}
        return {name: self.argument(v, i) for i, name in enumerate(v.primitive.inputs)}

    def operands(self, v: Vertex) -> str:
        """Operands that have a name and parameters that differ from their defaults."""
        assert v.primitive is not None
        parts = []
        shown = [self._operand(v, i) for i in range(len(v.parents))]
        if v.function in _SIGNS and any(shown):
            parts.append(f"{shown[0]} {_SIGNS[v.function]} {shown[1] or 'in'}".strip())
        elif v.function not in _SIGNS and any(i in v.numbers for i in range(len(v.parents))):
            parts.append(", ".join(name or "in" for name in shown))
        for name, value in v.params.items():
            told = name == "shape"  # the card's own
            if not told and not same(value, v.primitive.statics.get(name)):
                parts.append(setting(name, value))
        return "  ".join(parts)

    def _operand(self, v: Vertex, i: int) -> str:
        parent = v.parents[i]
        if parent is None or self.vertices[parent].kind != "op":
            known = parent is not None or i in v.numbers or v.function in _SIGNS
            return self.argument(v, i) if known else "–"
        return ""


def _module(scope: Scope) -> Scope:
    """The module that a function was called in, which the function's parameters belong to."""
    at: Scope | None = scope
    while at is not None and len(at.label) < 3:
        at = at.parent
    return at or scope


def _plain(x: Any) -> str:
    """A constant as it would be typed."""
    return f"{x:.4g}".replace("-", "−") if isinstance(x, int | float) else str(x)


def same(a: Any, b: Any) -> bool:
    """Whether a static parameter has its default value."""
    return a is b or (type(a) is type(b) and isinstance(a, int | float | str | tuple) and a == b)


def setting(name: str, value: Any) -> str:
    """A static parameter, in a few characters."""
    if name == "index":
        parts = value if isinstance(value, tuple) else (value,)
        return f"[{', '.join(map(_index, parts))}]"[:32]
    if isinstance(value, np.ndarray):
        return f"{name} {value.shape}"
    text = getattr(value, "__name__", None) or str(value)
    return f"{name}={text}"[:32].replace("-", "−")


def _index(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if x is None else str(x) for x in (part.start, part.stop)]
        step = "" if part.step is None else f":{part.step}"
        return ":".join(ends) + step
    if part is Ellipsis:
        return "…"
    return f"array {part.shape}" if isinstance(part, np.ndarray) and part.shape else str(part)
