"""The softmax family: scores made probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops
from minigrad.functional.composition import as_operand, composite, floating, held, in_dtype, run
from minigrad.functional.reduction import SUM
from minigrad.primitive import Array
from minigrad.random import generator
from minigrad.tensor import Tensor

__all__ = ["gumbel_softmax", "log_softmax", "softmax", "softmin"]


_largest = np.maximum.reduce


def shifted(logits: Array, axis: int) -> Array:
    """Logits minus their largest, a constant: it changes no softmax and lets no exp overflow."""
    data = logits._data if isinstance(logits, Tensor) else logits
    if data.dtype.kind != "f":
        logits = data = data.astype(float)  # differences of uint8 wrap around
    try:
        return logits - _largest(data, axis=axis, keepdims=True)
    except ValueError:
        if data.size:
            raise
        return logits  # nothing to choose from: as empty as it is


@composite
def softmax(logits: Array, axis: int = -1, dtype: Any = None) -> Array:
    """Probabilities ``exp(x) / sum(exp(x))`` along ``axis``, exact for logits of any size.

    A logit of ``-inf`` is impossible: its probability is 0, and its gradient too. Where all of them
    are there is nothing to choose, and the probabilities are NaN, as in PyTorch.

    Args:
        logits: Unnormalised scores of any shape.
        axis: Along which the probabilities sum to 1.
        dtype: Floating dtype to compute in, such as float32 for float16 logits.

    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    logits = as_operand(logits)
    if dtype is not None:
        logits = ops.astype(logits, dtype)
    weights = run(ops.exp, shifted(logits, axis))
    return weights / run(SUM, weights, {"axis": axis, "keepdims": True})


@composite
def log_softmax(logits: Array, axis: int = -1, dtype: Any = None) -> Array:
    """Logarithm of the softmax along ``axis``, exact where the softmax underflows to 0.

    A logit of ``-inf`` stays ``-inf``; where all of them are, the result is NaN, as in PyTorch.

    Args:
        logits: Unnormalised scores of any shape.
        axis: Along which the probabilities sum to 1.
        dtype: Floating dtype to compute in, such as float32 for float16 logits.

    >>> log_softmax(np.array([0.0, -1e4]))
    array([     0., -10000.])
    """
    logits = as_operand(logits)
    if dtype is not None:
        logits = ops.astype(logits, dtype)
    centred = shifted(logits, axis)
    if not centred.size:
        return centred
    total = run(SUM, run(ops.exp, centred), {"axis": axis, "keepdims": True})
    return centred - run(ops.log, total)


@composite
def softmin(x: Array, axis: int = -1, dtype: Any = None) -> Array:
    """Softmax of ``-x``: the smallest elements are the most probable.

    >>> softmin(np.array([0.0, np.log(3.0)]))
    array([0.75, 0.25])
    """
    return softmax(-floating(x), axis, dtype)


@composite
def gumbel_softmax(
    logits: Array,
    tau: float = 1.0,
    hard: bool = False,
    axis: int = -1,
    rng: np.random.Generator | int | None = None,
) -> Array:
    """Random choices among classes through which gradients pass: a softmax of noisy logits.

    Jang et al., Categorical Reparameterization with Gumbel-Softmax (2017).

    Args:
        logits: Unnormalised log-probabilities.
        tau: Temperature: the smaller, the closer each draw is to one class.
        hard: Whether to return the class itself, as a one and zeros; the gradient is that of the
            soft draw.
        axis: Of the classes.
        rng: Where the draws come from; by default the global stream.

    >>> gumbel_softmax(np.log(np.array([0.01, 0.98, 0.01])), hard=True, rng=0)
    array([0., 1., 0.])
    """
    if not tau > 0:
        raise ValueError(f"gumbel_softmax: tau is a temperature above 0, not {tau}")
    logits = floating(logits)
    # The smallest positive number keeps log away from 0, which is drawn once in 2 ** 53.
    drawn = np.maximum(generator(rng).exponential(size=logits.shape), np.finfo(float).tiny)
    noise = -np.log(drawn).astype(logits.dtype)
    soft = softmax((logits + noise) / tau, axis)
    if not hard:
        return soft
    best = np.argmax(held(soft), axis=axis, keepdims=True)
    behind = len(soft.shape) - 1 - axis % len(soft.shape)
    classes = np.arange(soft.shape[axis]).reshape((-1,) + (1,) * behind)
    chosen = in_dtype(np.equal(best, classes), soft.dtype)
    # In this order the difference is exactly 0, so that what is returned are exact ones and zeros.
    return soft - ops.stop_gradient(soft) + chosen
