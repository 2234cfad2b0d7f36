"""The table of a model's modules: what each gives and how many parameters it has."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from minigrad.graph import enable_grad
from minigrad.tensor import Tensor

__all__ = ["Summary"]

Observer = Callable[[Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

OBSERVER: ContextVar[Observer | None] = ContextVar("observer", default=None)
"""Asked instead of ``forward`` while a model is being looked at."""


@dataclass
class Row:
    """One call of a module."""

    name: str
    kind: str
    depth: int
    parameters: int
    output: str = "failed"
    kept: int = 0
    seconds: float = 0.0


@dataclass
class Summary:
    """Rows in the order of the calls, and totals; printing it gives the table."""

    rows: list[Row] = field(default_factory=list)
    parameters: int = 0
    nbytes: int = 0
    kept: int = 0
    error: str = ""
    show_time: bool = False
    calls: list[tuple[Row, Any]] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        cells = [["module", "kind", "output", "parameters", "kept", "time"]]
        total = self.rows[0].seconds if self.rows else 0.0
        for row in self.rows:
            share = f"{row.seconds / total:.0%}" if total else ""
            name = "  " * row.depth + row.name
            cells.append([name, row.kind, row.output, f"{row.parameters:,}", size(row.kept), share])
        shown = cells if self.show_time else [row[:-1] for row in cells]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        widths[2] += 1
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in shown
        ]
        lines.append(
            f"total: {self.parameters:,} parameters, {self.nbytes:,} bytes; "
            f"kept for backward: {self.kept:,} bytes"
        )
        if self.error:
            lines.append(self.error)
        return "\n".join(lines)

    __repr__ = __str__


def _shape(output: Any) -> str:
    if isinstance(output, Tensor):
        return str(output.shape)
    if isinstance(output, list | tuple):
        return ", ".join(_shape(part) for part in output)
    return str(getattr(output, "shape", type(output).__name__))


def size(nbytes: int) -> str:
    """A number of bytes as people read it.

    >>> size(64), size(1536), size(3 << 20)
    ('64 B', '1.5 kB', '3.0 MB')
    """
    number, unit = float(nbytes), 0
    while number >= 1000.0 and unit < 3:
        number, unit = number / 1024.0, unit + 1
    return f"{number:.1f} {('B', 'kB', 'MB', 'GB')[unit]}" if unit else f"{nbytes} B"


def _note_kept(summary: Summary, outputs: list[Any], model: Any) -> None:
    """Count what the graph keeps for backward, besides parameters, at every module on the way."""
    firsts: dict[int, Row] = {}
    for row, module in summary.calls:
        firsts.setdefault(id(module), row)
    seen = {id(base(tensor._data)) for tensor in model._state().values()}
    stack = [t._node for output in outputs for t in _tensors(output) if t._node is not None]
    visited = set()
    while stack:
        node = stack.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        stack += [parent for parent in node.parents if parent is not None]
        scope, arrays = node.scope, node.kept or ()
        nbytes = 0
        for array in arrays if node.plan is not None else ():
            if isinstance(array, np.ndarray) and id(base(array)) not in seen:
                seen.add(id(base(array)))
                nbytes += array.nbytes
        summary.kept += nbytes
        inside = set()
        while scope is not None:
            module = scope.label[2]() if len(scope.label) > 2 else None
            if id(module) in firsts and id(module) not in inside:
                inside.add(id(module))
                firsts[id(module)].kept += nbytes
            scope = scope.parent


def base(array: Any) -> Any:
    """The array that holds the memory of a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, list | tuple):
        return [tensor for part in output for tensor in _tensors(part)]
    if isinstance(output, dict):
        return _tensors(list(output.values()))
    return []


def summarise(model: Any, x: Any, time: bool = False) -> Summary:
    """Run ``model`` on ``x`` in evaluation mode and note every call; stop at one that fails."""
    summary = Summary(show_time=time)
    names = {id(module): name for name, module in model.named_modules()}
    outputs: list[Any] = []
    depth = -1

    def observe(
        module: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        nonlocal depth
        count = sum(parameter.size for parameter in module.parameters())
        depth += 1
        row = Row(names.get(id(module), "?"), module.title(), depth, count)
        summary.rows.append(row)
        summary.calls.append((row, module))
        start = perf_counter()
        try:
            output = forward(*args, **kwargs)
        finally:
            depth -= 1
            row.seconds = perf_counter() - start
        row.output = _shape(output)
        outputs.append(output)
        return output

    modes = [(module, module.training) for _, module in model.named_modules()]
    token = OBSERVER.set(observe)
    model.eval()
    try:
        with enable_grad():
            model(x)
    except (ValueError, TypeError, IndexError) as error:
        summary.error = f"{type(error).__name__}: {error}"
    finally:
        OBSERVER.reset(token)
        for module, training in modes:
            module.training = training
    _note_kept(summary, outputs, model)
    parameters = model.parameters()
    summary.parameters = sum(parameter.size for parameter in parameters)
    summary.nbytes = sum(parameter.numpy().nbytes for parameter in parameters)
    return summary
