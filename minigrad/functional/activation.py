"""Activations and the softmax family."""

from __future__ import annotations

import numpy as np

from minigrad import ops
from minigrad.functional.composition import as_operand, composite
from minigrad.primitive import Array
from minigrad.tensor import Tensor

__all__ = ["log_softmax", "softmax"]


def shifted(logits: Array, axis: int) -> Array:
    """Logits minus their largest, a constant: it changes no softmax and lets no exp overflow."""
    data = logits._data if isinstance(logits, Tensor) else logits
    if data.dtype.kind != "f":
        logits = data = data.astype(float)  # differences of uint8 wrap around
    return logits - np.maximum.reduce(data, axis=axis, keepdims=True)


@composite
def softmax(logits: Array, axis: int = -1) -> Array:
    """Probabilities ``exp(x) / sum(exp(x))`` along ``axis``, exact for logits of any size.

    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    weights = ops.exp(shifted(as_operand(logits), axis))
    return weights / ops.sum(weights, axis, True)


@composite
def log_softmax(logits: Array, axis: int = -1) -> Array:
    """Logarithm of the softmax along ``axis``, exact where the softmax underflows to 0.

    >>> log_softmax(np.array([0.0, -1e4]))
    array([     0., -10000.])
    """
    centred = shifted(as_operand(logits), axis)
    return centred - ops.log(ops.sum(ops.exp(centred), axis, True))
