"""Affine maps."""

from __future__ import annotations

from minigrad import ops
from minigrad.functional.composition import composite
from minigrad.primitive import Array

__all__ = ["linear"]


@composite
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight + bias`` for a weight of shape ``(in_features, out_features)``.

    >>> import numpy as np
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0]))
    array([[16.]])
    """
    product = ops.matmul(x, weight)
    return product if bias is None else product + bias
