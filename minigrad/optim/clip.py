"""Limits on gradients, between ``backward()`` and ``step()``."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Iterable

import numpy as np

from minigrad.arguments import telling_also
from minigrad.tensor import Tensor, wrap

__all__ = ["clip_grad_norm", "clip_grad_value"]


def _with_grad(name: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """Those of the parameters that have a gradient; a tensor is the only one."""
    if hasattr(type(parameters), "parameters"):
        raise TypeError(f"{name} takes parameters: pass model.parameters()")
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in given:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"{name} takes tensors, not a {type(p).__name__}: pass model.parameters()"
            )
    return [p for p in given if p.grad is not None]


@telling_also("norm_type", "error_if_nonfinite", "foreach")
def clip_grad_norm(parameters: Tensor | Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together so that their joint 2-norm is at most ``max_norm``.

    Returns the norm before (Pascanu et al., 2013). The gradients are replaced, never written into.

    Raises:
        TypeError: If they are no parameters.
        ValueError: If the norm is not finite, so that no scale would help; nothing has changed.

    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_norm([w], 1.0), w.grad
    (10.0, Tensor([0.6, 0.8], dtype=float64))
    """
    max_norm = float(max_norm)  # a NumPy scalar would promote float32
    if not max_norm > 0.0:
        raise ValueError(f"max_norm is positive, so it can't be {max_norm}")
    with_grad = _with_grad("clip_grad_norm", parameters)
    grads = [p.grad for p in with_grad]
    gradients = [g.numpy() if isinstance(g, Tensor) else np.asarray(g) for g in grads]
    # Functions of math give Python numbers, as float() does, but a compiled step can follow them.
    largest = [np.abs(g).max() for g in gradients if g.size]
    if not largest:
        return 0.0
    top = math.fabs(functools.reduce(np.maximum, largest))
    if not top < math.inf:
        named = [(p.name or "?", g) for p, g in zip(with_grad, gradients, strict=True)]
        infinite = [name for name, g in named if not np.isfinite(g).all()]
        raise ValueError(f"the gradient of {', '.join(infinite)} is not finite")
    if top == 0.0:
        return 0.0
    # Scaled by the largest element, so that no square overflows or underflows, also in float16.
    squares = [np.sum((g / top).astype(np.float64) ** 2) for g in gradients]
    norm = top * math.sqrt(functools.reduce(operator.add, squares))
    if not norm < math.inf:
        raise ValueError(f"the norm of gradients as large as {top} is not finite")
    if type(norm) is float and norm <= max_norm:  # while it is traced, either may come
        return norm
    scale = max_norm / math.fabs(np.maximum(norm, max_norm))
    for p, g in zip(with_grad, gradients, strict=True):
        p.grad = wrap(np.asarray(g * scale))
    return norm


@telling_also("foreach")
def clip_grad_value(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of every gradient to ``-clip_value .. clip_value``.

    Unlike ``clip_grad_norm`` it turns the gradient: large elements shrink, small ones don't. The
    gradients are replaced, never written into; NaN stays NaN.

    >>> w = Tensor([3.0, 0.25], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_value([w], 1.0); w.grad
    Tensor([1. , 0.5], dtype=float64)
    """
    clip_value = float(clip_value)
    if not clip_value > 0.0:
        raise ValueError(f"clip_value is positive, so it can't be {clip_value}")
    for p in _with_grad("clip_grad_value", parameters):
        g = p.grad.numpy() if isinstance(p.grad, Tensor) else np.asarray(p.grad)
        p.grad = wrap(np.asarray(np.clip(g, -clip_value, clip_value)))
