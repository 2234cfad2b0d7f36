"""``detect_anomaly``: the op in which NaN or infinity was born, and arrays changed meanwhile.

Nothing of it is paid for outside: inside, an onlooker sees every op, and before each walk backward
the rules of its nodes are replaced by watched ones.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.autodiff import backward
from minigrad.errors import MinigradError, MutationError
from minigrad.graph import LINE, Node
from minigrad.interposing import interposed
from minigrad.primitive import Plan, Primitive
from minigrad.scopes import SCOPE
from minigrad.tensor import Tensor

_HERE = str(Path(__file__).parent) + os.sep  # a folder of another package may begin alike
_REMEMBERED = 1_000_000  # nodes of which a mode knows where they were recorded


class AnomalyError(MinigradError, FloatingPointError):
    """NaN or infinity that ``detect_anomaly`` met; the message says where it was born."""


class _Notes:
    """What one ``detect_anomaly`` knows of the nodes recorded in it, by their serial."""

    def __init__(self, infinities: bool) -> None:
        self.infinities = infinities
        self.lines: dict[int, str] = {}
        self.sums: dict[int, tuple[int, ...]] = {}

    def take(self, node: Node) -> None:
        """Remember where a node was recorded, and a checksum of what its rules will read."""
        if len(self.lines) >= _REMEMBERED:
            for known in (self.lines, self.sums):
                known.pop(next(iter(known)))
        line = self.lines[node.serial] = _line()
        node.names = {**(node.names or {}), LINE: line}  # for pictures, also after the block
        self.sums[node.serial] = tuple(_checksum(value) for value in _asked(node))


_NOTES: ContextVar[_Notes | None] = ContextVar("notes", default=None)


@contextlib.contextmanager
def detect_anomaly(infinities: bool = True) -> Iterator[None]:
    """Raise where NaN or infinity is born inside the block, forward or backward; also a decorator.

    The error names the op and its operands, the module, the line that called it, and the first
    element that is not finite; if a NaN was there before, in an argument or a parameter, it says in
    which. An infinity that an operand already held, such as that of a mask, passes. An array that
    a gradient needs and that was written to after forward (``t.data[0] = v``, ``.fill``, ``out=``)
    raises in backward, also where no Tensor could see it. Several times as slow as without.

    Args:
        infinities: Whether an infinity is an anomaly, too; NaN always is.

    Raises:
        AnomalyError: Where a value is born that is not finite.
        MutationError: Where backward needs an array that was written to meanwhile.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 0.0], requires_grad=True, name="x")
    >>> with detect_anomaly():
    ...     y = mg.sqrt(x).sum()
    ...     try:
    ...         y.backward()
    ...     except AnomalyError as error:
    ...         print(str(error).splitlines()[0])
    the gradient rule of sqrt gave inf for x at index (1,)
    """
    token = _NOTES.set(_Notes(infinities))
    try:
        with interposed(_watch), _watched_backward():
            yield
    finally:
        _NOTES.reset(token)


def mode() -> Any:
    """The mode in force here, for :func:`resumed`; None where there is none."""
    return _NOTES.get()


@contextlib.contextmanager
def resumed(notes: Any) -> Iterator[None]:
    """Be in a mode that is in force elsewhere, or in none."""
    token = _NOTES.set(notes)
    try:
        yield
    finally:
        _NOTES.reset(token)


def _watch(record: Callable[..., Any], primitive: Primitive[...], args: Any, params: Any) -> Any:
    """Record a call and look at what it gave; an onlooker."""
    notes = _NOTES.get()
    if notes is None:
        return record(primitive, args, params)
    with np.errstate(all="ignore"):  # the error below says more than a warning
        out = record(primitive, args, params)
    if not isinstance(out, Tensor):
        return out
    kind = _anomaly(out, notes)
    if kind:
        holds = [_anomaly(arg, notes) for arg in args]
        if kind == "nan" or "inf" not in holds:
            raise AnomalyError(_forward_message(primitive, args, out, kind))
    if out._node is not None:
        notes.take(out._node)
    return out


def _anomaly(value: Any, notes: _Notes) -> str:
    """``"nan"``, ``"inf"`` or, where all is finite, ``""``."""
    array = value._data if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray | float | np.floating):
        return ""
    if getattr(getattr(array, "dtype", None), "kind", "f") not in "fc" or np.isfinite(array).all():
        return ""
    if np.isnan(array).any():
        return "nan"
    return "inf" if notes.infinities else ""


def _first(array: Any, kind: str) -> str:
    array = np.asarray(array)
    bad = np.argwhere(np.isnan(array) if kind == "nan" else np.isinf(array))[0]
    return f" at index {tuple(map(int, bad))}" if array.ndim else ""


def _forward_message(primitive: Primitive[...], args: Any, out: Tensor, kind: str) -> str:
    names = primitive.inputs * len(args) if primitive.variadic else primitive.inputs
    told, before = [], ""
    notes = _NOTES.get() or _Notes(infinities=True)
    for i, (arg, name) in enumerate(zip(args, names, strict=False)):
        called = getattr(arg, "name", None) or (f"{name}[{i}]" if primitive.variadic else name)
        held = _anomaly(arg, notes)
        told.append(_described(called, arg))
        if held == "nan" and not before:
            before = f"\n  it was there before: {called}{_origin(arg)} holds nan{_first_of(arg)}"
    verb = "passed on" if before else "gave"
    scope = SCOPE.get()
    where = f"\n  in {scope}" if scope else ""
    return (
        f"{primitive.name}({', '.join(told)}) {verb} {kind}{_first(out._data, kind)}"
        f"{where}\n  at {_line()}{before}"
    )


def _first_of(arg: Any) -> str:
    return _first(arg._data if isinstance(arg, Tensor) else arg, "nan")


def _origin(arg: Any) -> str:
    node = getattr(arg, "_node", None)
    if node is None:
        return ", a constant,"
    return ", a leaf," if node.primitive is None else f", the result of {node.primitive.name},"


def _described(name: str, arg: Any) -> str:
    """An operand with its shape and the range of its finite elements."""
    array = np.asarray(arg._data if isinstance(arg, Tensor) else arg)
    text = f"{name}: {array.shape} {array.dtype}" if array.ndim else f"{name}: {array}"
    finite = array[np.isfinite(array)] if array.ndim and array.dtype.kind in "fiu" else array[...]
    if array.ndim and finite.size:
        text += f" in {finite.min():.3g}..{finite.max():.3g}"
    return text


def _line() -> str:
    """Where, outside of minigrad, the call came from."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"


# Backward


_LOCK = threading.Lock()
_RUNNING = [0]  # modes anywhere, while which Tensor.backward asks whether it is in one


@contextlib.contextmanager
def _watched_backward() -> Iterator[None]:
    with _LOCK:
        _RUNNING[0] += 1
        Tensor.backward = _backward
    try:
        yield
    finally:
        with _LOCK:
            _RUNNING[0] -= 1
            if not _RUNNING[0]:
                Tensor.backward = backward


@functools.wraps(backward)
def _backward(self: Tensor, *args: Any, **kwargs: Any) -> None:
    with watched([self._node] if self._node is not None else []):
        backward(self, *args, **kwargs)


_UNWATCHED = contextlib.nullcontext()


def watched(
    roots: Iterable[Node], useful: set[Node] | None = None
) -> contextlib.AbstractContextManager[None]:
    """Have the rules of all nodes behind ``roots`` watched inside the block, in this mode."""
    notes = _NOTES.get()
    return _UNWATCHED if notes is None else _watched(roots, useful, notes)


@contextlib.contextmanager
def _watched(roots: Iterable[Node], useful: set[Node] | None, notes: _Notes) -> Iterator[None]:
    plans: list[tuple[Node, Plan]] = []
    try:
        for node in _behind(roots):
            if node.plan is None or (useful is not None and node not in useful):
                continue
            _check_sums(node, notes)
            plans.append((node, node.plan))
            node.plan = dataclasses.replace(
                node.plan,
                pulls=tuple(
                    (i, _watched_rule(node, i, pull, notes)) for i, pull in node.plan.pulls
                ),
            )
        with np.errstate(all="ignore"):
            yield
    finally:
        for node, plan in plans:
            node.plan = plan


def _behind(roots: Iterable[Node]) -> list[Node]:
    seen, stack = set(roots), list(roots)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return list(seen)


def _watched_rule(
    node: Node, i: int, pull: Callable[..., Any], notes: _Notes
) -> Callable[..., Any]:
    def rule(g: Any, kept: Any, vertex: Any) -> Any:
        c = pull(g, kept, vertex)
        kind = _anomaly(c, notes)
        if kind and (kind == "nan" or not _anomaly(g, notes)):
            raise AnomalyError(_backward_message(node, i, g, c, kind, notes))
        return c

    return rule


def _backward_message(node: Node, i: int, g: Any, c: Any, kind: str, notes: _Notes) -> str:
    primitive = node.primitive
    assert primitive is not None
    parent = node.parents[i]
    name = primitive.inputs[0 if primitive.variadic else i]
    name = f"{name}[{i}]" if primitive.variadic else name
    called = (parent.name if parent is not None else None) or name
    told = ", ".join(_kept_operands(node, primitive))
    before = f"\n  its cotangent already held {_anomaly(g, notes)}" if _anomaly(g, notes) else ""
    scope = f"\n  in {node.scope}" if node.scope else ""
    line = notes.lines.get(node.serial)
    recorded = f"\n  recorded at {line}" if line else "\n  recorded outside of detect_anomaly()"
    array = c._data if isinstance(c, Tensor) else c
    return (
        f"the gradient rule of {primitive.name} gave {kind} for {called}{_first(array, kind)}"
        f"\n  of {primitive.name}({told}) with a cotangent {_described('g', g)}"
        f"{scope}{recorded}{before}"
    )


def _kept_operands(node: Node, primitive: Primitive[...]) -> Iterator[str]:
    known = dict(zip(node.plan.sources if node.plan else (), node.kept or (), strict=False))
    for i, parent in enumerate(node.parents):
        name = primitive.inputs[0 if primitive.variadic else i]
        called = (parent.name if parent is not None else None) or (node.names or {}).get(i) or name
        value = known.get(i)
        if value is None:
            yield f"{called}: {parent.shape}" if parent is not None else called
        else:
            yield _described(called, value)
    if -1 in known:
        yield _described("out", known[-1])


# Arrays that were written to


def _asked(node: Node) -> list[Any]:
    """The inputs that a node kept because one of its rules asks for them, not for a drawing."""
    plan = node.plan
    if plan is None or node.kept is None:
        return []
    primitive, arity = plan.primitive, len(node.parents)
    names = primitive.inputs * arity if primitive.variadic else primitive.inputs
    asked = {request for i, _ in plan.pulls for request in primitive.requests[names[i]]}
    return [
        value if source >= 0 and names[source] in asked else None
        for source, value in zip(plan.sources, node.kept, strict=True)
    ]


def _checksum(value: Any) -> int:
    if not isinstance(value, np.ndarray):
        return 0
    return zlib.crc32(np.ascontiguousarray(value).view(np.uint8).data) if value.size else 0


def _check_sums(node: Node, notes: _Notes) -> None:
    """Raise if an array that a rule is about to read is not what forward used."""
    sums = notes.sums.get(node.serial)
    if sums is None or node.kept is None:
        return
    for source, value, known in zip(node.plan.sources, _asked(node), sums, strict=True):  # type: ignore[union-attr]
        if _checksum(value) != known:
            parent = node.parents[source]
            name = (parent.name if parent is not None else (node.names or {}).get(source)) or (
                str(parent) if parent is not None else f"the constant at input {source}"
            )
            raise MutationError(
                f"{name} was written to after {node} used it (at {notes.lines[node.serial]}), so "
                "its gradient would be wrong: call backward() before, or write to a copy"
            )
