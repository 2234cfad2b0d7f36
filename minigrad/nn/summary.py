"""The table of a model's modules: what each gives and how many parameters it has."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from minigrad.graph import no_grad
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


@dataclass
class Summary:
    """Rows in the order of the calls, and totals; printing it gives the table."""

    rows: list[Row] = field(default_factory=list)
    parameters: int = 0
    nbytes: int = 0
    error: str = ""

    def __str__(self) -> str:
        cells = [("module", "kind", "output", "parameters")]
        cells += [
            ("  " * row.depth + row.name, row.kind, row.output, f"{row.parameters:,}")
            for row in self.rows
        ]
        widths = [max(len(row[i]) for row in cells) for i in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2] + 1}}  {d:>{widths[3]}}"
            for a, b, c, d in cells
        ]
        lines.append(f"total: {self.parameters:,} parameters, {self.nbytes:,} bytes")
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


def summarise(model: Any, x: Any) -> Summary:
    """Run ``model`` on ``x`` in evaluation mode and note every call; stop at one that fails."""
    summary = Summary()
    names = {id(module): name for name, module in model.named_modules()}
    depth = -1

    def observe(
        module: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        nonlocal depth
        count = sum(parameter.size for parameter in module.parameters())
        depth += 1
        row = Row(names.get(id(module), "?"), module.title(), depth, count)
        summary.rows.append(row)
        try:
            output = forward(*args, **kwargs)
        finally:
            depth -= 1
        row.output = _shape(output)
        return output

    modes = [(module, module.training) for _, module in model.named_modules()]
    token = OBSERVER.set(observe)
    model.eval()
    try:
        with no_grad():
            model(x)
    except (ValueError, TypeError, IndexError) as error:
        summary.error = f"{type(error).__name__}: {error}"
    finally:
        OBSERVER.reset(token)
        for module, training in modes:
            module.training = training
    parameters = model.parameters()
    summary.parameters = sum(parameter.size for parameter in parameters)
    summary.nbytes = sum(parameter.numpy().nbytes for parameter in parameters)
    return summary
