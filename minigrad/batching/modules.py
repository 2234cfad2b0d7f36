"""Modules with other values in the places of their tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from minigrad.tensor import Tensor


def substituted(module: Any, replace: Callable[[Tensor], Any]) -> Any:
    """A copy of a Module that has ``replace(tensor)`` for each of its parameters and buffers.

    A tensor or a module that it holds in two places is replaced by one value in both.

    >>> from minigrad import nn
    >>> import numpy as np
    >>> twos = substituted(nn.Linear(1, 1, bias=False), lambda w: Tensor(np.full(w.shape, 2.0)))
    >>> twos(np.ones((1, 1)))
    Tensor([[2.]], dtype=float64)
    """
    done: dict[int, Any] = {}
    return _replaced(module, replace, done)


def _replaced(value: Any, replace: Callable[[Tensor], Any], done: dict[int, Any]) -> Any:
    if id(value) in done:
        return done[id(value)]
    if hasattr(value, "named_parameters"):
        made = copy.copy(value)
        done[id(value)] = made
        for name, part in vars(made).items():
            vars(made)[name] = _replaced(part, replace, done)
    elif isinstance(value, Tensor) and type(value) is not Tensor:  # a Parameter or a Buffer
        made = done[id(value)] = replace(value)
    elif isinstance(value, dict):
        made = {key: _replaced(part, replace, done) for key, part in value.items()}
    elif isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        made = type(value)(_replaced(part, replace, done) for part in value)
    else:
        made = value
    return made
