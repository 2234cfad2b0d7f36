"""Layers without parameters that rearrange axes, or nothing at all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.nn.module import Module

__all__ = ["Flatten", "Identity"]


class Flatten(Module):
    """Joins all axes from ``start_axis`` on into one, keeping the batch.

    >>> Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, start_axis: int = 1) -> None:
        self.start_axis = start_axis

    def forward(self, x: Any) -> Any:
        """Return ``x`` of shape ``x.shape[:start_axis] + (-1,)``."""
        shape = np.shape(x)
        lead = shape[: self.start_axis]
        return ops.reshape(x, (*lead, math.prod(shape[self.start_axis :])))


class Identity(Module):
    """Returns what it is given: stands where a layer was taken out.

    >>> Identity()(np.ones(2))
    array([1., 1.])
    """

    def forward(self, x: Any) -> Any:
        """Return ``x``."""
        return x
