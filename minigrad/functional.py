"""Functions composed of ops: softmax, losses, dropout. None has a gradient rule of its own.

Each is a scope of its own, so that drawings show it as one card that can be opened. Given Tensors
they are recorded, given arrays they return arrays.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.graph import SCOPE, Scope, asarray
from minigrad.primitive import Array, Primitive
from minigrad.random import generator
from minigrad.tensor import Tensor, record

__all__ = [
    "accuracy",
    "binary_cross_entropy_with_logits",
    "composite",
    "cross_entropy",
    "dropout",
    "linear",
    "log_softmax",
    "mse_loss",
    "softmax",
]

_NO_STATICS: dict[str, Any] = {}
_LAST = {"axis": -1, "keepdims": False}
_ALL = {"axis": None, "keepdims": False}

Reduction = Literal["mean", "sum", "none"]
P = ParamSpec("P")
R = TypeVar("R")


def composite(function: Callable[P, R]) -> Callable[P, R]:
    """Record what ``function`` does in a scope of its name, so that it is drawn as one card.

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


def _shifted(logits: Array, axis: int) -> Array:
    """Logits minus their largest, a constant: it changes no softmax and lets no exp overflow."""
    data = logits._data if isinstance(logits, Tensor) else logits
    if data.dtype.kind != "f":
        logits = data = data.astype(float)  # differences of uint8 wrap around
    return logits - np.maximum.reduce(data, axis=axis, keepdims=True)


def _array(x: Any) -> Array:
    return x if isinstance(x, Tensor) else asarray(x)


def _run(op: Primitive[...], x: Array, statics: dict[str, Any] = _NO_STATICS) -> Array:
    """Run an op of one input whose static parameters are complete: a loss calls many of them."""
    return record(op, (x,), statics) if isinstance(x, Tensor) else op.kernel(x, **statics)


@composite
def softmax(logits: Array, axis: int = -1) -> Array:
    """Probabilities ``exp(x) / sum(exp(x))`` along ``axis``, exact for logits of any size.

    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    weights = ops.exp(_shifted(_array(logits), axis))
    return weights / ops.sum(weights, axis, True)


@composite
def log_softmax(logits: Array, axis: int = -1) -> Array:
    """Logarithm of the softmax along ``axis``, exact where the softmax underflows to 0.

    >>> log_softmax(np.array([0.0, -1e4]))
    array([     0., -10000.])
    """
    shifted = _shifted(_array(logits), axis)
    return shifted - ops.log(ops.sum(ops.exp(shifted), axis, True))


def _reduce(loss: Array, reduction: Reduction) -> Array:
    if reduction == "mean":
        return _run(ops.mean, loss, _ALL)
    if reduction == "sum":
        return _run(ops.sum, loss, _ALL)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")


@composite
def cross_entropy(logits: Array, labels: Any, *, reduction: Reduction = "mean") -> Array:
    """Cross-entropy ``-sum(y * log(softmax(logits)))`` of logits against labels, in nats.

    Args:
        logits: Unnormalised scores of shape ``(..., classes)``: no softmax before.
        labels: Integers of shape ``(...)``, or probabilities of the shape of the logits.
        reduction: ``"mean"`` over the examples, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the labels' shape is neither of the two.
        IndexError: If a label is not one of ``0 .. classes - 1``.
        TypeError: If labels are not integers, or probabilities not floating.

    >>> cross_entropy(np.array([[0.0, 0.0], [1e4, 0.0]]), np.array([0, 0]), reduction="none")
    array([0.69314718, 0.        ])
    """
    logits = _array(logits)
    labels = labels._data if isinstance(labels, Tensor) and labels._node is None else _array(labels)
    shape = logits.shape
    if labels.shape == shape and labels.dtype.kind == "f":
        log_probs = log_softmax(logits)
        if labels.dtype != log_probs.dtype:  # float32 logits have a float32 loss
            labels = ops.astype(labels, log_probs.dtype)
        # 0 * log(0) counts as 0: a class of probability 0 costs nothing, however impossible.
        nothing = ops.logical_and(ops.equal(labels, 0), ops.equal(log_probs, -np.inf))
        terms = labels * ops.where(nothing, 0.0, log_probs)
        return _reduce(-ops.sum(terms, -1), reduction)
    if labels.shape != shape[:-1]:
        if labels.shape == shape:
            raise TypeError(f"cross_entropy: probabilities are floating, not {labels.dtype}")
        raise ShapeError(
            f"cross_entropy: labels {labels.shape} for logits {shape}: pass integers of shape "
            f"{shape[:-1]}, or probabilities of shape {shape}"
        )
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: class labels are integers, not {labels.dtype}")
    if not labels.dtype.isnative:
        labels = labels.astype(labels.dtype.newbyteorder("="))
    # One look at both ends of the range: as an unsigned number, a negative label is a huge one.
    if labels.size and labels.view(f"u{labels.itemsize}").max() >= shape[-1]:
        raise IndexError(
            f"cross_entropy: labels span {labels.min()}..{labels.max()}, but logits {shape} have "
            f"classes 0..{shape[-1] - 1}"
        )
    shifted = _shifted(logits, -1)
    if len(shape) == 2:
        chosen = _run(ops.getitem, shifted, {"index": (np.arange(shape[0]), labels)})
    else:
        chosen = ops.take_along_axis(shifted, labels[..., None], -1)[..., 0]
    log_norm = _run(ops.log, _run(ops.sum, _run(ops.exp, shifted), _LAST))
    return _reduce(log_norm - chosen, reduction)


@composite
def binary_cross_entropy_with_logits(
    logits: Array, targets: Any, *, reduction: Reduction = "mean"
) -> Array:
    """Cross-entropy of probabilities ``sigmoid(logits)`` against targets in 0..1, in nats.

    Exact for logits of any size: ``y * softplus(-x) + (1 - y) * softplus(x)``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> logits, targets = np.array([0.0, 1e4]), np.array([1.0, 1.0])
    >>> binary_cross_entropy_with_logits(logits, targets, reduction="none")
    array([0.69314718, 0.        ])
    """
    logits, targets = _matched("binary_cross_entropy_with_logits", logits, targets)
    loss = targets * ops.softplus(-logits) + (1.0 - targets) * ops.softplus(logits)
    return _reduce(loss, reduction)


@composite
def mse_loss(prediction: Array, target: Any, *, reduction: Reduction = "mean") -> Array:
    """Squared error ``(prediction - target) ** 2``, by default its mean over all elements.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]), reduction="none")
    array([0., 4.])
    """
    prediction, target = _matched("mse_loss", prediction, target)
    return _reduce(ops.square(prediction - target), reduction)


def _matched(name: str, prediction: Any, target: Any) -> tuple[Array, Array]:
    prediction, target = _array(prediction), _array(target)
    if prediction.shape != target.shape:
        raise ShapeError(
            f"{name}: prediction {prediction.shape} and target {target.shape} would broadcast and "
            f"compare the wrong pairs: reshape the target to {prediction.shape}"
        )
    if prediction.dtype.kind != "f":
        prediction = ops.astype(prediction, np.dtype(float))  # differences of uint8 wrap around
    if target.dtype != prediction.dtype:
        target = ops.astype(target, prediction.dtype)  # float32 predictions have a float32 loss
    return prediction, target


@composite
def dropout(
    x: Array,
    p: float = 0.5,
    training: bool = True,
    rng: np.random.Generator | int | None = None,
) -> Array:
    """``x`` with each element zeroed with probability ``p``, the others divided by ``1 - p``.

    Args:
        x: Any shape.
        p: Probability of zero, ``0 <= p < 1``; 1 gives zeros.
        training: Whether to drop at all; without, ``x`` is returned as it is.
        rng: Where the draws come from; by default the global stream.

    >>> dropout(np.ones(4), p=0.5, rng=0)
    array([2., 0., 0., 0.])
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is a probability, not {p}")
    if not training or p == 0.0:
        return x
    x = _array(x)
    kept = generator(rng).random(x.shape) >= p
    scale = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return x * (kept * scale).astype(x.dtype if x.dtype.kind == "f" else float)


@composite
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight + bias`` for a weight of shape ``(in_features, out_features)``.

    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0]))
    array([[16.]])
    """
    product = ops.matmul(x, weight)
    return product if bias is None else product + bias


def accuracy(logits: Any, labels: Any) -> float:
    """Share of examples whose largest logit is at their label, or at their largest probability.

    Raises:
        ShapeError: If the labels have neither the shape ``(...)`` of logits ``(..., classes)``, nor
            all of it.

    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    scores = logits.numpy() if isinstance(logits, Tensor) else np.asarray(logits)
    truth = labels.numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if truth.shape == scores.shape and truth.ndim:
        truth = truth.argmax(axis=-1)
    if truth.shape != scores.shape[:-1]:
        raise ShapeError(f"accuracy: labels {truth.shape} for logits {scores.shape}")
    return float(np.mean(scores.argmax(axis=-1) == truth)) if truth.size else float("nan")
