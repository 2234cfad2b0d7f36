"""What all losses share: shapes that must agree, weights, and the mean or the sum at the end."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.composition import as_operand, held, in_dtype, run
from minigrad.primitive import REGISTRY, Array

SUM, MEAN = REGISTRY["sum"], REGISTRY["mean"]  # the ops themselves: a loss calls them directly
_ALL = {"axis": None, "keepdims": False}

Reduction = Literal["mean", "sum", "none"]


def reduced(loss: Array, reduction: Reduction) -> Array:
    """The losses of all elements as their mean, their sum, or as they are."""
    if reduction == "mean":
        return run(MEAN, loss, _ALL)
    if reduction == "sum":
        return run(SUM, loss, _ALL)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def matched(name: str, prediction: Any, target: Any) -> tuple[Array, Array]:
    """Prediction and target as floats of one dtype, if they have one shape."""
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


def fitting(name: str, what: str, weight: Any, like: Array) -> Array:
    """A weight in the dtype of what it weighs, if it broadcasts to that shape and not beyond."""
    weight = in_dtype(weight, like.dtype)
    axes = zip(reversed(weight.shape), reversed(like.shape), strict=False)
    if len(weight.shape) > len(like.shape) or any(n not in (1, m) for n, m in axes):
        raise ShapeError(f"{name}: {what} {weight.shape} does not broadcast to {like.shape}")
    return weight


def weighted(name: str, loss: Array, weight: Any, reduction: Reduction) -> Array:
    """Losses times weights; their mean divides by the sum of the weights."""
    weight = as_operand(weight)
    if weight.shape != loss.shape:
        raise ShapeError(
            f"{name}: weight {weight.shape} for losses {loss.shape}: pass one for each"
        )
    weight = in_dtype(weight, loss.dtype)
    total = reduced(loss * weight, "sum" if reduction == "mean" else reduction)
    return total / ops.sum(weight) if reduction == "mean" else total


def signs(name: str, target: Any) -> Array:
    """A target of 1 and -1, which nothing else may be in: classes 0 and 1 are a common mistake."""
    target = as_operand(target)
    data = held(target)
    if not np.logical_or(data == 1, data == -1).all():
        raise ValueError(f"{name}: targets are 1 and -1; classes 0 and 1 are targets * 2 - 1")
    return target


def alike(name: str, **operands: Array) -> None:
    """Raise if operands that are compared with each other differ in shape."""
    if len({x.shape for x in operands.values()}) > 1:
        said = ", ".join(f"{label} {x.shape}" for label, x in operands.items())
        raise ShapeError(f"{name}: {said} would broadcast and compare the wrong pairs")
