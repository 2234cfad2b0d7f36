"""Layers without parameters that rearrange axes, or nothing at all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.arguments import telling
from minigrad.errors import ShapeError
from minigrad.nn.module import Module

__all__ = ["Flatten", "Identity"]


class Flatten(Module):
    """Joins the axes from ``start_axis`` to ``end_axis`` into one, by default all but the batch.

    >>> Flatten()(np.zeros((2, 3, 4))).shape, Flatten(0, 1)(np.zeros((2, 3, 4))).shape
    ((2, 12), (6, 4))
    """

    @telling
    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: Any) -> Any:
        """Return ``x`` with these axes joined.

        Raises:
            ShapeError: If ``x`` lacks one of them, or they are not in order.
        """
        shape = np.shape(x)
        n = len(shape)
        first, last = (i + n if i < 0 else i for i in (self.start_axis, self.end_axis))
        if not (0 <= first <= last < n or first == last + 1 == n):  # a batch of numbers: of rows
            asked = f"start_axis={self.start_axis} to end_axis={self.end_axis}"
            raise ShapeError(f"Flatten: x {shape} has no axes {asked}")
        joined = math.prod(shape[first : last + 1])
        return ops.reshape(x, (*shape[:first], joined, *shape[last + 1 :]))


class Identity(Module):
    """Returns what it is given: stands where a layer was taken out.

    >>> Identity()(np.ones(2))
    array([1., 1.])
    """

    def forward(self, x: Any) -> Any:
        """Return ``x``."""
        return x
