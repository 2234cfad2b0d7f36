"""Figures that tell how good a model is, without a gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.errors import ShapeError
from minigrad.tensor import Tensor

__all__ = ["accuracy"]


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
    if not truth.size:
        return math.nan
    return math.fabs(np.mean(scores.argmax(axis=-1) == truth))  # not float(): it may be traced
