"""Losses: what a model is trained to make small."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.activation import log_softmax, shifted
from minigrad.functional.composition import as_operand, composite, run
from minigrad.primitive import Array
from minigrad.tensor import Tensor

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "mse_loss"]

_LAST = {"axis": -1, "keepdims": False}
_ALL = {"axis": None, "keepdims": False}

Reduction = Literal["mean", "sum", "none"]


def _reduce(loss: Array, reduction: Reduction) -> Array:
    if reduction == "mean":
        return run(ops.mean, loss, _ALL)
    if reduction == "sum":
        return run(ops.sum, loss, _ALL)
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
    logits = as_operand(logits)
    labels = (
        labels._data if isinstance(labels, Tensor) and labels._node is None else as_operand(labels)
    )
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
    centred = shifted(logits, -1)
    if len(shape) == 2:
        chosen = run(ops.getitem, centred, {"index": (np.arange(shape[0]), labels)})
    else:
        chosen = ops.take_along_axis(centred, labels[..., None], -1)[..., 0]
    log_norm = run(ops.log, run(ops.sum, run(ops.exp, centred), _LAST))
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
    prediction, target = as_operand(prediction), as_operand(target)
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
