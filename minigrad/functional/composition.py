"""What every function here is made with: a scope of its own, and operands as they come."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from minigrad.graph import SCOPE, Scope, asarray
from minigrad.primitive import Array, Primitive
from minigrad.tensor import Tensor, record

__all__ = ["composite"]

_NO_STATICS: dict[str, Any] = {}

P = ParamSpec("P")
R = TypeVar("R")


def composite(function: Callable[P, R]) -> Callable[P, R]:
    """Record what ``function`` does in a scope of its name, so that it is drawn as one card.

    >>> from minigrad import ops
    >>> @composite
    ... def swish(x):
    ...     return x * ops.sigmoid(x)
    >>> swish(Tensor(1.0, requires_grad=True)).node.scope
    swish
    """
    label = (function.__name__, "")

    @functools.wraps(function)
    def scoped(*args: P.args, **kwargs: P.kwargs) -> R:
        token = SCOPE.set(Scope(label, SCOPE.get()))
        try:
            return function(*args, **kwargs)
        finally:
            SCOPE.reset(token)

    return scoped


def as_operand(x: Any) -> Array:
    """``x`` as an op takes it: a Tensor or an array as they are, else an array of it."""
    return x if isinstance(x, Tensor) else asarray(x)


def run(op: Primitive[...], x: Array, statics: dict[str, Any] = _NO_STATICS) -> Array:
    """Run an op of one input whose static parameters are complete: a loss calls many of them."""
    return record(op, (x,), statics) if isinstance(x, Tensor) else op.kernel(x, **statics)
