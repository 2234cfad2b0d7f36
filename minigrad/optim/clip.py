"""Limits on gradients, between ``backward()`` and ``step()``."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minigrad.tensor import Tensor, wrap

__all__ = ["clip_grad_norm"]


def clip_grad_norm(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together so that their joint 2-norm is at most ``max_norm``.

    Returns the norm before (Pascanu et al., 2013). The gradients are replaced, never written into.

    Raises:
        ValueError: If the norm is not finite, so that no scale would help; nothing has changed.

    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_norm([w], 1.0), w.grad
    (10.0, Tensor([0.6, 0.8], dtype=float64))
    """
    if not max_norm > 0.0:
        raise ValueError(f"max_norm is positive, so it can't be {max_norm}")
    with_grad = [p for p in parameters if p.grad is not None]
    gradients = [p.grad.numpy() for p in with_grad if p.grad is not None]
    # Scaled by the largest element, so that squares of float16 and float32 neither over- nor underflow.
    top = max((float(np.abs(g).max()) for g in gradients if g.size), default=0.0)
    if not math.isfinite(top):
        names = [p.name or "?" for p, g in zip(with_grad, gradients, strict=True) if not np.isfinite(g).all()]
        raise ValueError(f"the gradient of {', '.join(names)} is not finite")
    if top == 0.0:
        return 0.0
    norm = top * math.sqrt(sum(float(np.sum((g / top).astype(np.float64) ** 2)) for g in gradients))
    if norm > max_norm:
        for p, g in zip(with_grad, gradients, strict=True):
            p.grad = wrap(g * (max_norm / norm))
    return norm
