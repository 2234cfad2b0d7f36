"""Losses of order: what should be larger has to be so by a margin, and then costs nothing.

``max(x, 0)`` passes the gradient where ``x`` is 0, that is on the margin, as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.composition import as_operand, composite, floating, held, in_dtype
from minigrad.functional.reduction import Reduction, alike, fitting, matched, reduced, signs
from minigrad.functional.similarity import pairwise_distance, two
from minigrad.primitive import Array

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "hinge_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def _positive_part(x: Array) -> Array:
    return ops.clip(x, 0.0, None)


@composite
def hinge_loss(
    scores: Array, target: Any, *, margin: float = 1.0, reduction: Reduction = "mean"
) -> Array:
    """``max(0, margin - target * score)``: the loss of support vector machines.

    Args:
        scores: Any shape; the sign is the predicted class.
        target: Classes 1 and -1 of the same shape.
        margin: How far from 0 a score has to be.
        reduction: ``"mean"`` over the elements, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.
        ValueError: If a target is neither 1 nor -1.

    >>> hinge_loss(np.array([0.5, 2.0, -3.0]), np.array([1, 1, 1]), reduction="none")
    array([0.5, 0. , 4. ])
    """
    scores, target = matched("hinge_loss", scores, signs("hinge_loss", target))
    return reduced(_positive_part(margin - target * scores), reduction)


@composite
def soft_margin_loss(scores: Array, target: Any, *, reduction: Reduction = "mean") -> Array:
    """``log(1 + exp(-target * score))``, for targets 1 and -1, without overflow.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> soft_margin_loss(np.array([0.0, -1e4]), np.array([1, 1]), reduction="none")
    array([6.93147181e-01, 1.00000000e+04])
    """
    scores, target = matched("soft_margin_loss", scores, target)
    return reduced(ops.softplus(-target * scores), reduction)


@composite
def hinge_embedding_loss(
    distance: Array, target: Any, *, margin: float = 1.0, reduction: Reduction = "mean"
) -> Array:
    """``distance`` of pairs that belong together (1), ``max(0, margin - distance)`` of others (-1).

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.
        ValueError: If a target is neither 1 nor -1.

    >>> hinge_embedding_loss(np.array([0.5, 0.25]), np.array([1, -1]), reduction="none")
    array([0.5 , 0.75])
    """
    name = "hinge_embedding_loss"
    distance, target = matched(name, distance, signs(name, target))
    together = ops.greater(target, 0)
    return reduced(ops.where(together, distance, _positive_part(margin - distance)), reduction)


@composite
def margin_ranking_loss(
    x1: Array, x2: Array, target: Any, *, margin: float = 0.0, reduction: Reduction = "mean"
) -> Array:
    """``max(0, margin - target * (x1 - x2))``: ``x1`` ranks above ``x2`` (1) or below (-1).

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> margin_ranking_loss(np.array([1.0, 1.0]), np.array([3.0, 0.0]), np.array([1, 1]))
    np.float64(1.0)
    """
    x1, x2 = two(x1, x2)
    target = in_dtype(target, x1.dtype)
    alike("margin_ranking_loss", x1=x1, x2=x2, target=target)
    return reduced(_positive_part(margin - target * (x1 - x2)), reduction)


@composite
def cosine_embedding_loss(
    x1: Array, x2: Array, target: Any, *, margin: float = 0.0, reduction: Reduction = "mean"
) -> Array:
    """``1 - cosine`` of pairs that belong together (1), ``max(0, cosine - margin)`` of others (-1).

    Args:
        x1: Vectors along the last axis: shape ``(N, D)`` or ``(D,)``.
        x2: The same shape.
        target: 1 and -1, of that shape without the last axis.
        margin: The cosine up to which others cost nothing.
        reduction: ``"mean"`` over the pairs, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes do not fit, since broadcasting would compare the wrong pairs.
        ValueError: If a target is neither 1 nor -1.

    >>> same, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> cosine_embedding_loss(same, other, np.array([1]))
    np.float64(1.0)
    """
    name = "cosine_embedding_loss"
    x1, x2 = two(x1, x2)
    target = signs(name, target)
    alike(name, x1=x1, x2=x2)
    if target.shape != x1.shape[:-1]:
        raise ShapeError(f"{name}: target {target.shape} for vectors {x1.shape}")
    # PyTorch's 1e-12 under the root, which gives zero vectors a cosine of 0 and a gradient.
    squares = (ops.sum(x1 * x1, -1) + 1e-12) * (ops.sum(x2 * x2, -1) + 1e-12)
    cosine = ops.sum(x1 * x2, -1) / ops.sqrt(squares)
    loss = ops.where(ops.greater(target, 0), 1.0 - cosine, _positive_part(cosine - margin))
    return reduced(loss, reduction)


@composite
def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array:
    """``max(0, margin + |anchor - positive| - |anchor - negative|)``, with p-norms.

    Args:
        anchor: Vectors along the last axis.
        positive: Vectors of the same shape that should be close to the anchors.
        negative: Vectors of the same shape that should be farther away, by the margin.
        margin: How much farther.
        p: Of the norm.
        eps: Added to differences, see ``pairwise_distance``.
        swap: Whether the distance of positive and negative counts where it is the smaller one
            (Balntas et al., 2016).
        reduction: ``"mean"`` over the triplets, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong triplets.

    >>> near, far = np.array([[0.0, 1.0]]), np.array([[0.0, 1.5]])
    >>> triplet_margin_loss(np.zeros((1, 2)), near, far, reduction="none")
    array([0.5])
    """

    def distance(a: Array, b: Array) -> Array:
        return pairwise_distance(a, b, p, eps)

    return _triplet(
        "triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction
    )


@composite
def triplet_margin_with_distance_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    distance_function: Callable[[Array, Array], Array] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Array:
    """``triplet_margin_loss`` with a distance of one's own, by default ``pairwise_distance``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong triplets.

    >>> near, far = np.array([[0.0, 1.0]]), np.array([[0.0, 1.5]])
    >>> triplet_margin_with_distance_loss(
    ...     np.zeros((1, 2)), near, far, distance_function=lambda a, b: abs(a - b).max(axis=-1)
    ... )
    np.float64(0.5)
    """
    name = "triplet_margin_with_distance_loss"
    distance = distance_function or pairwise_distance
    return _triplet(name, anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    name: str,
    anchor: Array,
    positive: Array,
    negative: Array,
    distance: Callable[[Array, Array], Array],
    margin: float,
    swap: bool,
    reduction: Reduction,
) -> Array:
    if not margin > 0:
        raise ValueError(f"{name}: margin is positive, not {margin}")
    anchor, positive, negative = floating(anchor), floating(positive), floating(negative)
    alike(name, anchor=anchor, positive=positive, negative=negative)
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ops.minimum(far, distance(positive, negative))
    return reduced(_positive_part(near - far + margin), reduction)


@composite
def multi_margin_loss(
    scores: Array,
    labels: Any,
    *,
    p: Literal[1, 2] = 1,
    margin: float = 1.0,
    weight: Any = None,
    reduction: Reduction = "mean",
) -> Array:
    """``sum(max(0, margin - score[label] + score) ** p) / classes``, over all other classes.

    Args:
        scores: Of shape ``(..., classes)``.
        labels: Integers of shape ``(...)``.
        p: Power of each term, 1 or 2.
        margin: By how much the label's score has to lead.
        weight: Factor for each label's class, of shape ``(classes,)``.
        reduction: ``"mean"`` over the examples, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the labels' shape is not that of the scores without classes.
        IndexError: If a label is not one of ``0 .. classes - 1``.

    >>> multi_margin_loss(np.array([[1.0, 0.5, -2.0]]), np.array([0]))
    np.float64(0.166666667)
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p is 1 or 2, not {p}")
    scores, labels = floating(scores), held(as_operand(labels))
    shape = scores.shape
    if not shape or labels.shape != shape[:-1] or labels.dtype.kind not in "iu":
        wanted = f"integers of shape {shape[:-1]}" if shape else "scores of shape (..., classes)"
        raise ShapeError(
            f"multi_margin_loss: {labels.dtype} labels {labels.shape} for scores {shape}: pass "
            f"{wanted}"
        )
    here = held(ops.one_hot(labels, shape[-1], bool))
    own = ops.take_along_axis(scores, labels[..., None], -1)
    terms = _positive_part(scores - own + margin)
    if p == 2:
        terms = ops.square(terms)
    if weight is not None:
        weight = in_dtype(weight, scores.dtype)
        if weight.shape != shape[-1:]:
            raise ShapeError(f"multi_margin_loss: weight {weight.shape} for {shape[-1]} classes")
        terms = terms * weight[labels][..., None]
    return reduced(ops.sum(ops.where(here, 0.0, terms), -1) / float(shape[-1]), reduction)


@composite
def multilabel_margin_loss(scores: Array, labels: Any, *, reduction: Reduction = "mean") -> Array:
    """``sum(max(0, 1 - score[label] + score)) / classes``, over labels and all other classes.

    Args:
        scores: Of shape ``(..., classes)``.
        labels: Integers of the same shape: the labels of each example, ended by -1.
        reduction: ``"mean"`` over the examples, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ.
        IndexError: If a label before the first -1 is not one of ``0 .. classes - 1``.

    >>> multilabel_margin_loss(np.array([[0.1, 0.2, 0.4, 0.8]]), np.array([[3, 0, -1, 1]]))
    np.float64(0.85)
    """
    scores, labels = floating(scores), held(as_operand(labels))
    if labels.shape != scores.shape or not scores.shape or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"multilabel_margin_loss: {labels.dtype} labels {labels.shape} for scores "
            f"{scores.shape}: pass integers of that shape, ended by -1"
        )
    classes = scores.shape[-1]
    valid = np.logical_and.accumulate(labels != -1, axis=-1)
    kept = np.where(valid, labels, 0)
    chosen = held(ops.one_hot(kept, classes, bool))
    others = ~np.any(np.logical_and(chosen, valid[..., None]), axis=-2)
    own = ops.take_along_axis(scores, kept, -1)
    terms = _positive_part(scores[..., None, :] - own[..., None] + 1.0)
    counts = np.logical_and(valid[..., None], others[..., None, :])
    total = ops.sum(ops.where(counts, terms, 0.0), (-2, -1))
    return reduced(total / float(classes), reduction)


@composite
def multilabel_soft_margin_loss(
    logits: Array, targets: Any, *, weight: Any = None, reduction: Reduction = "mean"
) -> Array:
    """Mean over the last axis of the binary cross-entropies of logits against targets in 0..1.

    Args:
        logits: Of shape ``(..., classes)``.
        targets: The same shape.
        weight: Factor for each class, of a shape that broadcasts.
        reduction: ``"mean"`` over the examples, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> multilabel_soft_margin_loss(np.array([[0.0, 1e4]]), np.array([[1, 1]]))
    np.float64(0.34657359)
    """
    name = "multilabel_soft_margin_loss"
    logits, targets = matched(name, logits, targets)
    loss = targets * ops.softplus(-logits) + (1.0 - targets) * ops.softplus(logits)
    if weight is not None:
        loss = loss * fitting(name, "weight", weight, loss)
    return reduced(ops.mean(loss, -1), reduction)
