"""Affine maps, and the row lookup that is one of one-hot vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.composition import as_operand, composite, held
from minigrad.primitive import Array

__all__ = ["bilinear", "embedding", "linear"]


@composite
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight + bias`` for a weight of shape ``(in_features, out_features)``.

    >>> import numpy as np
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([5.0]))
    array([[16.]])
    """
    product = ops.matmul(x, weight)
    return product if bias is None else product + bias


@composite
def bilinear(x1: Array, x2: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x1 @ weight[..., k] @ x2 + bias[k]`` for each of the output features ``k``.

    Args:
        x1: Of shape ``(..., in1_features)``.
        x2: Of shape ``(..., in2_features)``, with the same leading axes.
        weight: Of shape ``(in1_features, in2_features, out_features)``: inputs before outputs as in
            ``linear``, where PyTorch has the output first.
        bias: Of shape ``(out_features,)``.

    Raises:
        ShapeError: If the leading axes differ, or the weight does not fit the features.

    >>> bilinear(np.array([[1.0, 2.0]]), np.array([[3.0]]), np.array([[[1.0]], [[10.0]]]))
    array([[63.]])
    """
    x1, x2, weight = as_operand(x1), as_operand(x2), as_operand(weight)
    if x1.shape[:-1] != x2.shape[:-1]:
        raise ShapeError(f"bilinear: x1 {x1.shape} and x2 {x2.shape} differ before the last axis")
    if len(weight.shape) != 3 or weight.shape[:2] != x1.shape[-1:] + x2.shape[-1:]:
        wanted = f"({x1.shape[-1]}, {x2.shape[-1]}, out_features)"
        raise ShapeError(f"bilinear: weight {weight.shape} where {wanted} fits")
    # (x1 @ weight) as one product of matrices, then a row times a column for each output.
    rows, columns, features = weight.shape
    left = ops.matmul(x1, ops.reshape(weight, (rows, columns * features)))
    left = ops.reshape(left, (*x1.shape[:-1], columns, features))
    out = ops.matmul(x2[..., None, :], left)[..., 0, :]
    return out if bias is None else out + bias


@composite
def embedding(indices: Any, weight: Array, padding_idx: int | None = None) -> Array:
    """Rows of ``weight`` at ``indices``: a vector for each token.

    The gradient of a row is the sum over the places where it was looked up.

    Args:
        indices: Integers of any shape, ``0 .. rows - 1``.
        weight: Of shape ``(rows, features)``.
        padding_idx: A row that gets no gradient, from its end if negative.

    Returns:
        Shape ``(*indices.shape, features)``.

    Raises:
        IndexError: If an index or ``padding_idx`` names no row.
        TypeError: If the indices are not integers.

    >>> embedding(np.array([2, 0, 2]), np.array([[1.0], [2.0], [3.0]]))
    array([[3.],
           [1.],
           [3.]])
    """
    indices, weight = held(as_operand(indices)), as_operand(weight)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"embedding: indices are integers, not {indices.dtype}; they come first")
    if len(weight.shape) != 2:
        raise ShapeError(f"embedding: weight {weight.shape} is not (rows, features)")
    rows = weight.shape[0]
    if indices.size and not (indices.min() >= 0 and indices.max() < rows):
        raise IndexError(
            f"embedding: indices span {indices.min()}..{indices.max()}, but weight {weight.shape} "
            f"has rows 0..{rows - 1}"
        )
    found = ops.getitem(weight, index=indices)
    if padding_idx is None:
        return found
    if not -rows <= padding_idx < rows:
        raise IndexError(f"embedding: padding_idx {padding_idx} of {rows} rows")
    padding = np.equal(indices, padding_idx % rows)
    return ops.where(padding[..., None], ops.stop_gradient(found), found)
