"""Noise while training, so that no unit can rely on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from minigrad import functional
from minigrad.arguments import telling
from minigrad.nn.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]

DROP: dict[str, Callable[..., Any]] = {
    "element": functional.dropout,
    "channel of 1": functional.dropout1d,
    "channel of 2": functional.dropout2d,
    "channel of 3": functional.dropout3d,
    "element of selu": functional.alpha_dropout,
}


class Dropout(Module):
    """Zeroes each element with probability ``p`` while training and scales the rest up.

    Args:
        p: Probability of zero.
        rng: Where the draws come from; by default the global stream.

    >>> Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    drops: ClassVar[str] = "element"

    @telling
    def __init__(self, p: float = 0.5, rng: np.random.Generator | int | None = None) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"{type(self).__name__}: p is a probability, not {p}")
        self.p = p
        self.rng = None if rng is None else np.random.default_rng(rng)

    def forward(self, x: Any) -> Any:
        """Return ``x`` with elements dropped, or as it is in evaluation mode."""
        return DROP[self.drops](x, self.p, self.training, self.rng)

    def title(self) -> str:
        """Return the layer with its probability."""
        return f"{type(self).__name__}({self.p})"


class Dropout1d(Dropout):
    """Zeroes whole channels of ``(batch, channels, length)``; arguments as Dropout's.

    >>> Dropout1d(0.5, rng=0)(np.ones((1, 2, 3)))
    array([[[2., 2., 2.],
            [0., 0., 0.]]])
    """

    drops = "channel of 1"


class Dropout2d(Dropout):
    """Zeroes whole channels of images, whose neighbouring elements say the same anyway.

    >>> Dropout2d(0.5, rng=0)(np.ones((1, 2, 1, 2)))
    array([[[[2., 2.]],
    <BLANKLINE>
            [[0., 0.]]]])
    """

    drops = "channel of 2"


class Dropout3d(Dropout):
    """Zeroes whole channels of ``(batch, channels, depth, height, width)``.

    >>> Dropout3d(0.5, rng=0)(np.ones((1, 2, 1, 1, 2))).ravel()
    array([2., 2., 0., 0.])
    """

    drops = "channel of 3"


class AlphaDropout(Dropout):
    """Dropout for ``selu``: what is dropped is not zeroed, so that mean and variance stay.

    >>> AlphaDropout(0.5, rng=0)(np.zeros(3)).round(2)
    array([ 0.78, -0.78, -0.78])
    """

    drops = "element of selu"
