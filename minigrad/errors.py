"""Every exception minigrad raises by itself, and the words in which it says so.

Each also is the builtin that a NumPy user would catch::

    MinigradError
    ├── ShapeError            (ValueError)    operands that do not fit each other
    ├── DTypeError            (TypeError)     a gradient asked of integers, a dtype no op takes
    ├── RuleError             (TypeError)     a gradient rule that its declaration does not fit
    ├── NotDifferentiable     (TypeError)     no gradient, or one that would be lost
    ├── BackwardError         (RuntimeError)  a graph that is released, or was never made
    ├── MutationError         (RuntimeError)  an array that backward needs was changed in place
    ├── StateError            (ValueError)    a file or state dict that does not fit the model
    └── MissingExtra          (ImportError)   an optional package that is not installed

The functions below write the messages, because what a message needs (operands with their names and
shapes, the module path) is the same for every op.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class MinigradError(Exception):
    """The root: catches everything minigrad raises by itself and nothing else."""


class ShapeError(MinigradError, ValueError):
    """Shapes that do not fit. ``operands`` holds the operands, to inspect or to draw."""

    operands: tuple[Operand, ...] = ()


class DTypeError(MinigradError, TypeError):
    """A dtype that cannot do what was asked, such as an integer Tensor that requires a gradient."""


class RuleError(MinigradError, TypeError):
    """A gradient rule that does not fit the op it is declared for; raised at import."""


class NotDifferentiable(MinigradError, TypeError):
    """An operation that has no gradient, or that would silently leave the graph."""


class BackwardError(MinigradError, RuntimeError):
    """A graph that cannot be walked backward."""


class MutationError(MinigradError, RuntimeError):
    """An array that backward needs was changed in place since forward used it."""


class StateError(MinigradError, ValueError):
    """A saved state that is damaged or does not fit the model it is loaded into."""


class MissingExtra(MinigradError, ImportError):
    """An optional package is needed; the message is the pip command that brings it."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs {package}: pip install 'minigrad[{extra}]'")


class Operand(NamedTuple):
    """What an error says of one operand."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} {self.shape}"


def matmul_message(left: Operand, right: Operand) -> str:
    """Say which axis of ``left @ right`` does not fit, and which transposition would.

    >>> print(matmul_message(Operand("x", (3, 4), "float64"), Operand("w", (3, 4), "float64")))
    matmul: x (3, 4) @ w (3, 4): x axis 1 is 4, but w axis 0 is 3
      hint: w.T fits: (3, 4) @ (4, 3) -> (3, 3)
    """
    head = f"matmul: {left} @ {right}"
    for side in (left, right):
        if not side.shape:
            return f"{head}: {side.name} is a scalar\n  hint: use * to scale by it"
    inner = max(len(right.shape) - 2, 0)
    if left.shape[-1] == right.shape[inner]:
        batches = f"{left.shape[:-2]} and {right.shape[:-2]}"
        return f"{head}: the leading (batch) axes {batches} do not broadcast"
    lines = [
        f"{head}: {left.name} axis {len(left.shape) - 1} is {left.shape[-1]}, "
        f"but {right.name} axis {inner} is {right.shape[inner]}"
    ]
    if len(left.shape) == len(right.shape) == 2:
        (rows, columns), (height, width) = left.shape, right.shape
        if columns == width:
            lines.append(
                f"hint: {right.name}.T fits: ({rows}, {columns}) @ ({width}, {height})"
                f" -> ({rows}, {height})"
            )
        elif rows == height:
            lines.append(
                f"hint: {left.name}.T fits: ({columns}, {rows}) @ ({height}, {width})"
                f" -> ({columns}, {width})"
            )
    return "\n  ".join(lines)


def broadcast_message(op: str, operands: Sequence[Operand]) -> str:
    """Say which axes of elementwise operands do not broadcast, and what would; "" if they do.

    >>> print(broadcast_message("add", [Operand("h", (32, 8), "f8"), Operand("b", (32,), "f8")]))
    add: h (32, 8) and b (32,) do not broadcast: h axis 1 is 8, but b axis 0 is 32
      hint: b[:, None] fits: (32, 1) broadcasts with (32, 8)
    """
    names = " and ".join(str(operand) for operand in operands)
    for i, left in enumerate(operands):
        for right in operands[i + 1 :]:
            clash = _clash(left.shape, right.shape)
            if clash is None:
                continue
            a, b = clash
            lines = [
                f"{op}: {names} do not broadcast: {left.name} axis {a} is {left.shape[a]}, "
                f"but {right.name} axis {b} is {right.shape[b]}"
            ]
            for short, other in ((left, right), (right, left)):
                column = (*short.shape, 1)
                if len(short.shape) == 1 and _clash(column, other.shape) is None:
                    lines.append(
                        f"hint: {short.name}[:, None] fits: {column} broadcasts with {other.shape}"
                    )
                    break
            return "\n  ".join(lines)
    return ""


def _clash(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the last pair of axes on which two shapes do not broadcast, or None."""
    for back in range(1, min(len(a), len(b)) + 1):
        if a[-back] != b[-back] and 1 not in (a[-back], b[-back]):
            return len(a) - back, len(b) - back
    return None
