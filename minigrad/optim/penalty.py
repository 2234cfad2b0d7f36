"""Penalties on parameters, to be added to a loss."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from minigrad import ops
from minigrad.tensor import Tensor

__all__ = ["l1_penalty", "l2_penalty"]


def l1_penalty(parameters: Iterable[Tensor], strength: float = 1.0) -> Tensor:
    """``strength * Σ |p|``: draws parameters to 0, and leaves many exactly there.

    >>> w = Tensor([3.0, -4.0], requires_grad=True)
    >>> l1_penalty([w], 0.5).backward(); w.grad
    Tensor([ 0.5, -0.5], dtype=float64)
    """
    return _total([ops.sum(ops.absolute(p)) for p in parameters], strength)


def l2_penalty(parameters: Iterable[Tensor], strength: float = 1.0) -> Tensor:
    """``strength / 2 * Σ p²``: what ``weight_decay=strength`` adds to a gradient is its gradient.

    >>> w = Tensor([3.0, -4.0], requires_grad=True)
    >>> l2_penalty([w], 0.5).backward(); w.grad
    Tensor([ 1.5, -2. ], dtype=float64)
    """
    return _total([ops.sum(ops.square(p)) for p in parameters], strength / 2.0)


def _total(parts: list[Tensor], factor: float) -> Tensor:
    if not parts:
        raise ValueError("there are no parameters to penalise")
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total * np.asarray(factor, total.dtype)
