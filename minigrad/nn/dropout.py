"""Noise while training, so that no unit can rely on another."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.functional import dropout
from minigrad.nn.module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """Zeroes each element with probability ``p`` while training and scales the rest up.

    Args:
        p: Probability of zero.
        rng: Where the draws come from; by default the global stream.

    >>> Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, rng: np.random.Generator | int | None = None) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: p is a probability, not {p}")
        self.p = p
        self.rng = None if rng is None else np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        """Return ``x`` with elements dropped, or as it is in evaluation mode."""
        return dropout(x, self.p, self.training, self.rng)

    def title(self) -> str:
        """Return the layer with its probability."""
        return f"Dropout({self.p})"
