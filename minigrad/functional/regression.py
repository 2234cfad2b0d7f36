"""Losses of numbers: how far a prediction is from its target, or how unlikely it makes it."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.composition import as_operand, composite, floored, held, in_dtype
from minigrad.functional.reduction import Reduction, matched, reduced, weighted
from minigrad.primitive import Array

__all__ = [
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


@composite
def mse_loss(
    prediction: Array, target: Any, *, weight: Any = None, reduction: Reduction = "mean"
) -> Array:
    """Squared error ``(prediction - target) ** 2``, by default its mean over all elements.

    Args:
        prediction: Any shape.
        target: The same shape.
        weight: Factor for each element, of the same shape; the mean divides by their sum.
        reduction: ``"mean"`` over the elements, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]), reduction="none")
    array([0., 4.])
    """
    prediction, target = matched("mse_loss", prediction, target)
    loss = ops.square(prediction - target)
    return (
        reduced(loss, reduction)
        if weight is None
        else weighted("mse_loss", loss, weight, reduction)
    )


@composite
def l1_loss(
    prediction: Array, target: Any, *, weight: Any = None, reduction: Reduction = "mean"
) -> Array:
    """Absolute error ``|prediction - target|``; its gradient is 0 where they are equal.

    Args:
        prediction: Any shape.
        target: The same shape.
        weight: Factor for each element, of the same shape; the mean divides by their sum.
        reduction: ``"mean"`` over the elements, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(1.0)
    """
    prediction, target = matched("l1_loss", prediction, target)
    loss = ops.absolute(prediction - target)
    return (
        reduced(loss, reduction) if weight is None else weighted("l1_loss", loss, weight, reduction)
    )


def _huber(difference: Array, delta: float) -> Array:
    """``d² / 2`` up to ``delta``, and beyond it the line ``delta * (|d| - delta / 2)``."""
    size = ops.absolute(difference)
    near = ops.less_equal(size, delta)
    # The square of what is not selected must not overflow: infinity times 0 has no gradient.
    inner = ops.square(ops.where(near, difference, 0.0)) * 0.5
    return ops.where(near, inner, (size - 0.5 * delta) * delta)


@composite
def smooth_l1_loss(
    prediction: Array, target: Any, *, beta: float = 1.0, reduction: Reduction = "mean"
) -> Array:
    """``d² / (2 * beta)`` of the difference ``d`` up to ``beta``, and ``|d| - beta / 2`` beyond.

    Args:
        prediction: Any shape.
        target: The same shape.
        beta: Where the parabola becomes a line; 0 is the absolute error.
        reduction: ``"mean"`` over the elements, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> smooth_l1_loss(np.array([0.5, 3.0]), np.zeros(2), reduction="none")
    array([0.125, 2.5  ])
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta is not negative, but {beta}")
    prediction, target = matched("smooth_l1_loss", prediction, target)
    difference = prediction - target
    return reduced(_huber(difference, beta) / beta if beta else ops.absolute(difference), reduction)


@composite
def huber_loss(
    prediction: Array,
    target: Any,
    *,
    delta: float = 1.0,
    weight: Any = None,
    reduction: Reduction = "mean",
) -> Array:
    """``d² / 2`` of the difference ``d`` up to ``delta``, and ``delta * (|d| - delta / 2)`` beyond.

    Args:
        prediction: Any shape.
        target: The same shape.
        delta: Where the parabola becomes a line.
        weight: Factor for each element, of the same shape. As in PyTorch, the mean of this loss
            divides by the number of elements, not by the sum of the weights.
        reduction: ``"mean"`` over the elements, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> huber_loss(np.array([0.5, 3.0]), np.zeros(2), delta=2.0, reduction="none")
    array([0.125, 4.   ])
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is positive, not {delta}")
    prediction, target = matched("huber_loss", prediction, target)
    loss = _huber(prediction - target, delta)
    if weight is None:
        return reduced(loss, reduction)
    return reduced(weighted("huber_loss", loss, weight, "none"), reduction)


def _x_log_x(x: Array) -> Array:
    """``x * log(x)``, and 0 where ``x`` is 0, with the gradient of that 0, too."""
    nothing = ops.equal(x, 0)
    return x * ops.log(ops.where(nothing, 1.0, x))


@composite
def kl_div(
    log_probs: Array,
    target: Any,
    *,
    log_target: bool = False,
    reduction: Reduction | Literal["batchmean"] = "mean",
) -> Array:
    """Kullback-Leibler divergence ``target * (log(target) - log_probs)`` from a model's log-probs.

    A target of 0 costs nothing. ``"mean"`` divides by the number of elements, as in PyTorch; the
    divergence of mathematics is ``"batchmean"``, which divides by the length of the first axis.

    Args:
        log_probs: Logarithms of the model's probabilities, as ``log_softmax`` gives them.
        target: Probabilities of the same shape, or their logarithms.
        log_target: Whether ``target`` holds logarithms.
        reduction: ``"batchmean"``, ``"mean"``, ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> kl_div(np.log(np.array([[0.5, 0.5]])), np.array([[1.0, 0.0]]), reduction="batchmean")
    np.float64(0.693147181)
    """
    log_probs, target = matched("kl_div", log_probs, target)
    if log_target:
        loss = ops.exp(target) * (target - log_probs)
    else:
        # 0 * -inf counts as 0: an outcome of probability 0 costs nothing, however impossible.
        nothing = ops.logical_and(ops.equal(target, 0), ops.equal(log_probs, -np.inf))
        loss = _x_log_x(target) - target * ops.where(nothing, 0.0, log_probs)
    if reduction == "batchmean":
        return reduced(loss, "sum") / float(log_probs.shape[0] if log_probs.shape else 1)
    return reduced(loss, reduction)


@composite
def poisson_nll_loss(
    prediction: Array,
    target: Any,
    *,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Array:
    """Negative log-likelihood of counts under Poisson distributions: ``rate - target * log(rate)``.

    Args:
        prediction: Logarithm of the rate, or the rate.
        target: Counts of the same shape.
        log_input: Whether the prediction is the logarithm of the rate.
        full: Whether to add Stirling's approximation of ``log(target!)``, where the target is
            above 1.
        eps: Added to a rate before its logarithm is taken.
        reduction: ``"mean"`` over the elements, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> poisson_nll_loss(np.array([0.0, 1.0]), np.array([1.0, 0.0]), reduction="none")
    array([1.        , 2.71828183])
    """
    prediction, target = matched("poisson_nll_loss", prediction, target)
    if log_input:
        loss = ops.exp(prediction) - target * prediction
    else:
        loss = prediction - target * ops.log(prediction + eps)
    if full:
        counts = ops.where(ops.greater(target, 1), target, 1.0)
        stirling = counts * ops.log(counts) - counts + ops.log(counts * (2.0 * math.pi)) * 0.5
        loss = loss + ops.where(ops.greater(target, 1), stirling, 0.0)
    return reduced(loss, reduction)


@composite
def gaussian_nll_loss(
    prediction: Array,
    target: Any,
    var: Any,
    *,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> Array:
    """Negative log-likelihood of numbers under Gaussians: ``(log(var) + d² / var) / 2``.

    Args:
        prediction: Means of the Gaussians.
        target: Numbers of the same shape.
        var: Variances: one, or of the same shape, or without its last axis, or with one axis of
            length 1.
        full: Whether to add the constant ``log(2π) / 2``.
        eps: Least variance that counts; the gradient passes as if it had not been raised.
        reduction: ``"mean"`` over the elements, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.
        ValueError: If a variance is negative.

    >>> gaussian_nll_loss(np.array([0.0]), np.array([2.0]), np.array([4.0]))
    np.float64(1.193147181)
    """
    prediction, target = matched("gaussian_nll_loss", prediction, target)
    var = in_dtype(as_operand(var), prediction.dtype)
    if np.less(held(var), 0).any():
        raise ValueError("gaussian_nll_loss: a variance is negative")
    shape = prediction.shape
    if var.shape not in ((), shape):
        if var.shape == shape[:-1]:
            var = var[..., None]
        ones = sum(n != m for n, m in zip(var.shape, shape, strict=False))
        if (
            len(var.shape) != len(shape)
            or ones > 1
            or any(n not in (1, m) for n, m in zip(var.shape, shape, strict=True))
        ):
            raise ShapeError(f"gaussian_nll_loss: var {var.shape} for predictions {shape}")
    var = floored(var, eps)
    loss = (ops.log(var) + ops.square(prediction - target) / var) * 0.5
    return reduced(loss + 0.5 * math.log(2.0 * math.pi) if full else loss, reduction)
