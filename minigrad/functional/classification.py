"""Losses of classes: how little probability a model gives to what is so.

The class axis is the last one, ``(..., classes)``, where PyTorch has it second.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.composition import (
    as_operand,
    composite,
    floating,
    held,
    in_dtype,
    run,
)
from minigrad.functional.probability import log_softmax, shifted
from minigrad.functional.reduction import SUM, Reduction, fitting, matched, reduced
from minigrad.ops.index import everything
from minigrad.primitive import Array
from minigrad.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "nll_loss",
]

_LAST = {"axis": -1, "keepdims": False}
_UNSIGNED = {np.dtype(f"{kind}{n}"): np.dtype(f"u{n}") for kind in "iu" for n in (1, 2, 4, 8)}
# Names of this module, since CPython 3.11 is slow at attributes of NumPy's.
_ndarray, _arange, _largest = np.ndarray, np.arange, np.maximum.reduce
_exp, _log, _getitem = ops.exp, ops.log, ops.getitem


@composite
def cross_entropy(
    logits: Array,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Array:
    """Cross-entropy ``-sum(y * log(softmax(logits)))`` of logits against labels, in nats.

    The mean over labels divides by the sum of their classes' weights, and leaves out those that
    are ignored (nothing is left: NaN); the mean over probabilities divides by the number of
    examples. Both are PyTorch's.

    Args:
        logits: Unnormalised scores of shape ``(..., classes)``: no softmax before.
        labels: Integers of shape ``(...)``, or probabilities of the shape of the logits.
        weight: Factor for each class, of shape ``(classes,)``.
        ignore_index: Label of examples that do not count.
        label_smoothing: Share of each label's probability that is spread evenly over all classes.
        reduction: ``"mean"`` over the examples, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the labels' shape is neither of the two.
        IndexError: If a label is neither one of ``0 .. classes - 1`` nor ``ignore_index``.
        TypeError: If labels are not integers, or probabilities not floating.

    >>> cross_entropy(np.array([[0.0, 0.0], [1e4, 0.0]]), np.array([0, 0]), reduction="none")
    array([0.69314718, 0.        ])
    """
    logits = as_operand(logits)
    labels = (
        labels._data if isinstance(labels, Tensor) and labels._node is None else as_operand(labels)
    )
    shape = held(logits).shape
    if labels.shape != shape[:-1] or labels.dtype.kind not in "iu":
        if labels.shape != shape or labels.dtype.kind != "f":
            raise _misfit("cross_entropy", shape, labels, "logits", soft=True)
        if ignore_index >= 0:
            raise ValueError("cross_entropy: ignore_index is for labels, not for probabilities")
        return _expected(logits, labels, weight, label_smoothing, reduction)
    if not labels.dtype.isnative:
        labels = labels.astype(labels.dtype.newbyteorder("="))
    # One look at both ends of the range: as an unsigned number, a negative label is a huge one.
    known = labels if labels.__class__ is _ndarray else everything(labels)
    outside = known.size and _highest(known) >= shape[-1]
    if outside or weight is not None or label_smoothing or ignore_index >= 0:
        return _chosen(logits, labels, weight, ignore_index, label_smoothing, reduction)
    centred = shifted(logits, -1)
    if len(shape) == 2:
        chosen = run(_getitem, centred, {"index": (_arange(shape[0]), labels)})
    else:
        chosen = ops.take_along_axis(centred, labels[..., None], -1)[..., 0]
    log_norm = run(_log, run(SUM, run(_exp, centred), _LAST))
    return reduced(log_norm - chosen, reduction)


def _highest(labels: Array) -> Array:
    """The largest of labels as unsigned numbers."""
    if labels.__class__ is _ndarray:
        return _largest(labels.view(_UNSIGNED[labels.dtype]), None)
    return labels.view(f"u{labels.itemsize}").max()


def _misfit(
    name: str, shape: tuple[int, ...], labels: Array, what: str, *, soft: bool
) -> Exception:
    """Why labels do not fit logits or log-probabilities of a shape."""
    if labels.shape == shape[:-1]:
        return TypeError(
            f"{name}: class labels are integers, not {labels.dtype}: pass labels.astype(int)"
        )
    if soft and labels.shape == shape:
        return TypeError(
            f"{name}: probabilities are floating, not {labels.dtype}: pass labels.astype(float), "
            "or labels.argmax(axis=-1) of ones and zeros"
        )
    said = f"{name}: labels {labels.shape} for {what} {shape}: pass integers of shape {shape[:-1]}"
    if soft:
        said += f", or probabilities of shape {shape}"
    if len(shape) > 2 and labels.shape == (shape[0], *shape[2:]):
        said += f"\n  hint: the class axis is the last one here: np.moveaxis({what}, 1, -1)"
    return ShapeError(said)


def _class_weight(name: str, weight: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    weight = in_dtype(weight, dtype)
    if weight.shape != shape[-1:]:
        raise ShapeError(f"{name}: weight {weight.shape} for {shape[-1]} classes")
    return weight


def _smoothing(share: float) -> float:
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing is a share of 1, not {share}")
    return share


def _expected(
    logits: Array, labels: Array, weight: Any, label_smoothing: float, reduction: Reduction
) -> Array:
    """Cross-entropy against probabilities."""
    log_probs = log_softmax(logits)
    if labels.dtype != log_probs.dtype:  # float32 logits have a float32 loss
        labels = ops.astype(labels, log_probs.dtype)
    if label_smoothing:
        share = _smoothing(label_smoothing)
        labels = labels * (1.0 - share) + share / labels.shape[-1]
    # 0 * log(0) counts as 0: a class of probability 0 costs nothing, however impossible.
    nothing = ops.logical_and(ops.equal(labels, 0), ops.equal(log_probs, -np.inf))
    terms = labels * ops.where(nothing, 0.0, log_probs)
    if weight is not None:
        terms = terms * _class_weight("cross_entropy", weight, logits.shape, log_probs.dtype)
    return reduced(-ops.sum(terms, -1), reduction)


def _chosen(
    logits: Array,
    labels: Array,
    weight: Any,
    ignore_index: int,
    label_smoothing: float,
    reduction: Reduction,
) -> Array:
    """Cross-entropy against labels, with all that may be asked for."""
    ignored = labels == ignore_index
    if ignored.any():  # what these rows hold does not count, not even a NaN
        logits = ops.where(ignored[..., None], 0.0, logits)
    return _negative_log_likelihood(
        "cross_entropy",
        log_softmax(logits),
        labels,
        ignored,
        weight,
        reduction,
        _smoothing(label_smoothing),
    )


def _negative_log_likelihood(
    name: str,
    log_probs: Array,
    labels: Array,
    ignored: Array,
    weight: Any,
    reduction: Reduction,
    smoothing: float = 0.0,
) -> Array:
    shape = log_probs.shape
    classes = shape[-1]
    kept = np.where(ignored, 0, labels)
    if kept.size and (kept.min() < 0 or kept.max() >= classes):
        raise IndexError(
            f"{name}: labels span {kept.min()}..{kept.max()}, but logits {shape} have "
            f"classes 0..{classes - 1}"
        )
    loss = -ops.take_along_axis(log_probs, kept[..., None], -1)[..., 0]
    counts = np.logical_not(ignored)
    if weight is None:
        # The mean of nothing is NaN. A compiled step follows fabs, which gives a float, too.
        total = math.fabs(counts.sum()) or math.nan
    else:
        weight = _class_weight(name, weight, shape, log_probs.dtype)
        shares = weight[kept]
        loss = loss * shares
        total = ops.sum(ops.where(counts, shares, 0.0))
    if smoothing:
        even = ops.sum(log_probs if weight is None else log_probs * weight, -1)
        loss = loss * (1.0 - smoothing) - even * (smoothing / classes)
    if not counts.all():
        loss = ops.where(counts, loss, 0.0)
    return reduced(loss, "sum") / total if reduction == "mean" else reduced(loss, reduction)


@composite
def nll_loss(
    log_probs: Array,
    labels: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
) -> Array:
    """Negative log-likelihood ``-log_probs[label]``: the cross-entropy, given ``log_softmax``.

    Args:
        log_probs: Logarithms of probabilities, of shape ``(..., classes)``.
        labels: Integers of shape ``(...)``.
        weight: Factor for each class, of shape ``(classes,)``; the mean divides by the sum of the
            weights of the labels.
        ignore_index: Label of examples that do not count; without others the mean is NaN.
        reduction: ``"mean"`` over the examples, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the labels' shape is not that of the log-probabilities without classes.
        IndexError: If a label is neither one of ``0 .. classes - 1`` nor ``ignore_index``.
        TypeError: If labels are not integers.

    >>> nll_loss(np.log(np.array([[0.5, 0.5], [0.25, 0.75]])), np.array([0, 0]), reduction="none")
    array([0.69314718, 1.38629436])
    """
    log_probs, labels = floating(log_probs), held(as_operand(labels))
    if labels.shape != log_probs.shape[:-1] or labels.dtype.kind not in "iu":
        raise _misfit("nll_loss", log_probs.shape, labels, "log_probs", soft=False)
    ignored = labels == ignore_index
    return _negative_log_likelihood("nll_loss", log_probs, labels, ignored, weight, reduction)


@composite
def binary_cross_entropy(
    probs: Array, targets: Any, *, weight: Any = None, reduction: Reduction = "mean"
) -> Array:
    """Cross-entropy of probabilities against targets in 0..1, in nats.

    ``-(y * log(p) + (1 - y) * log(1 - p))``, where a logarithm is -100 at least and its slope 1e12
    at most, as in PyTorch. Of logits, ``binary_cross_entropy_with_logits`` is exact.

    Args:
        probs: Probabilities of any shape.
        targets: Probabilities, or classes 0 and 1, of the same shape.
        weight: Factor for each element, of a shape that broadcasts to it.
        reduction: ``"mean"`` over the elements, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.
        ValueError: If a probability is outside ``[0, 1]``, as logits are.

    >>> binary_cross_entropy(np.array([0.5, 0.0]), np.array([1.0, 1.0]), reduction="none")
    array([  0.69314718, 100.        ])
    """
    probs, targets = matched("binary_cross_entropy", probs, targets)
    data = held(probs)
    if data.size and (data.min() < 0 or data.max() > 1):
        raise ValueError(
            f"binary_cross_entropy: probabilities span {data.min()}..{data.max()}, beyond 0..1; "
            "of logits use binary_cross_entropy_with_logits"
        )
    loss = -targets * _log_above(probs) - (1.0 - targets) * _log_above(1.0 - probs)
    if weight is not None:
        loss = loss * fitting("binary_cross_entropy", "weight", weight, loss)
    return reduced(loss, reduction)


def _log_above(x: Array) -> Array:
    """``max(log(x), -100)``, whose slope is ``1 / x`` down to 1e-12 and stays 1e12 below."""
    tiny = ops.less(x, 1e-12)
    data = held(x)
    with np.errstate(divide="ignore"):
        low = np.maximum(np.log(data), -100.0)
    line = (x - ops.stop_gradient(x)) * 1e12 + low  # PyTorch's slope, not its derivative
    return ops.where(tiny, line, ops.log(ops.where(tiny, 1.0, x)))


@composite
def binary_cross_entropy_with_logits(
    logits: Array,
    targets: Any,
    *,
    weight: Any = None,
    pos_weight: Any = None,
    reduction: Reduction = "mean",
) -> Array:
    """Cross-entropy of probabilities ``sigmoid(logits)`` against targets in 0..1, in nats.

    Exact for logits of any size: ``y * softplus(-x) + (1 - y) * softplus(x)``.

    Args:
        logits: Unnormalised scores of any shape: no sigmoid before.
        targets: Probabilities, or classes 0 and 1, of the same shape.
        weight: Factor for each element, of a shape that broadcasts to it.
        pos_weight: Factor for the positive part ``y``, of a shape that broadcasts: above 1 it makes
            misses cost more than false alarms.
        reduction: ``"mean"`` over the elements, their ``"sum"``, or ``"none"``.

    Raises:
        ShapeError: If the shapes differ, since broadcasting would compare the wrong pairs.

    >>> logits, targets = np.array([0.0, 1e4]), np.array([1.0, 1.0])
    >>> binary_cross_entropy_with_logits(logits, targets, reduction="none")
    array([0.69314718, 0.        ])
    """
    name = "binary_cross_entropy_with_logits"
    logits, targets = matched(name, logits, targets)
    hits = targets * ops.softplus(-logits)
    if pos_weight is not None:
        hits = hits * fitting(name, "pos_weight", pos_weight, logits)
    loss = hits + (1.0 - targets) * ops.softplus(logits)
    if weight is not None:
        loss = loss * fitting(name, "weight", weight, loss)
    return reduced(loss, reduction)
