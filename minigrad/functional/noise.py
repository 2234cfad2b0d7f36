"""Noise that regularises while training."""

from __future__ import annotations

import numpy as np

from minigrad.functional.composition import as_operand, composite
from minigrad.primitive import Array
from minigrad.random import generator

__all__ = ["dropout"]


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
    x = as_operand(x)
    kept = generator(rng).random(x.shape) >= p
    scale = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return x * (kept * scale).astype(x.dtype if x.dtype.kind == "f" else float)
