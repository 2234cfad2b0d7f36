"""What every function here is made with: a scope of its own, and operands as they come."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from minigrad import ops
from minigrad.arguments import misnamed
from minigrad.batching import BranchError
from minigrad.graph import asarray
from minigrad.primitive import Array, Primitive
from minigrad.scopes import enter, leave
from minigrad.tensor import Tensor

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
        token = enter(label)
        try:
            return function(*args, **kwargs)
        except BranchError as error:  # inside vmap: it decides by values that differ by example
            return error.again(scoped, args, kwargs)
        except TypeError as error:
            names = inspect.signature(function).parameters
            message = misnamed(function.__name__, names, kwargs)
            if message:
                raise TypeError(message) from error
            raise
        finally:
            leave(token)

    return scoped


def as_operand(x: Any) -> Array:
    """``x`` as an op takes it: a Tensor or an array as they are, else an array of it."""
    return x if isinstance(x, Tensor) else asarray(x)


def floating(x: Any) -> Array:
    """``x`` as an operand that differs and scales as numbers do: bytes would wrap around."""
    x = as_operand(x)
    return ops.astype(x, np.dtype(float)) if x.dtype.kind in "biu" else x


def in_dtype(x: Any, dtype: np.dtype[Any]) -> Array:
    """``x`` as an operand of a dtype: what a float32 function takes besides is float32, too."""
    x = as_operand(x)
    return x if x.dtype == dtype else ops.astype(x, dtype)


def widened(x: Any) -> Array:
    """``x`` as floats in which squares do not overflow: float32 for float16."""
    x = floating(x)
    return ops.astype(x, np.dtype(np.float32)) if x.dtype == np.float16 else x


def held(x: Array) -> Array:
    """The array of an operand: for what is decided or counted, not differentiated."""
    return x._data if isinstance(x, Tensor) else x


def floored(x: Array, low: float) -> Array:
    """``x``, at least ``low``; the gradient passes as if nothing was cut, as PyTorch does it."""
    return ops.where(ops.less(x, low), x - ops.stop_gradient(x) + low, x)


def run(op: Primitive[...], x: Array, statics: dict[str, Any] = _NO_STATICS) -> Array:
    """Run an op of one input whose static parameters are complete: a loss calls many of them."""
    if isinstance(x, Tensor):
        return Tensor.__primitive__(op, (x,), statics)
    return op.apply((x,), statics)
