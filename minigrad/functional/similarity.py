"""Lengths, distances and angles of vectors along an axis."""

from __future__ import annotations

import numpy as np

from minigrad import ops
from minigrad.errors import Operand, ShapeError
from minigrad.functional.composition import composite, floating, floored, in_dtype, widened
from minigrad.primitive import Array

__all__ = ["cdist", "cosine_similarity", "normalize", "pairwise_distance"]


def length(x: Array, p: float, axis: int | tuple[int, ...], keepdims: bool = True) -> Array:
    """The p-norm along ``axis``: ``sum(|x| ** p) ** (1 / p)``, with gradient 0 where it is 0."""
    if p == 2:
        powers = ops.square(x)
    elif p == np.inf:
        return ops.max(ops.absolute(x), axis, keepdims)
    elif p == 0:
        return ops.astype(ops.sum(ops.not_equal(x, 0), axis, keepdims), x.dtype)
    elif p == 1:
        return ops.sum(ops.absolute(x), axis, keepdims)
    else:
        size = ops.absolute(x)
        zero = ops.equal(size, 0)
        powers = ops.where(zero, 0.0, ops.where(zero, 1.0, size) ** p)
    total = ops.sum(powers, axis, keepdims)
    # A root has an infinite slope at 0, so it is taken of 1 there and not selected.
    zero = ops.equal(total, 0)
    safe = ops.where(zero, 1.0, total)
    return ops.where(zero, 0.0, ops.sqrt(safe) if p == 2 else safe ** (1.0 / p))


def _is_norm(name: str, p: float) -> None:
    if not p >= 0:
        raise ValueError(f"{name}: p is not negative, but {p}")


def two(x1: Array, x2: Array) -> tuple[Array, Array]:
    """Two operands as floats of the wider of their dtypes."""
    x1, x2 = floating(x1), floating(x2)
    dtype = np.result_type(x1.dtype, x2.dtype)
    return in_dtype(x1, dtype), in_dtype(x2, dtype)


@composite
def normalize(
    x: Array, p: float = 2.0, axis: int | tuple[int, ...] = 1, eps: float = 1e-12
) -> Array:
    """``x / max(norm, eps)``: vectors along ``axis`` with a p-norm of 1; zeros stay zeros.

    >>> import numpy as np
    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    _is_norm("normalize", p)
    x = floating(x)
    wide = widened(x)
    return in_dtype(wide / ops.clip(length(wide, p, axis), eps, None), x.dtype)


@composite
def cosine_similarity(x1: Array, x2: Array, axis: int = 1, eps: float = 1e-8) -> Array:
    """Cosine of the angle between vectors along ``axis``: 1 for one direction, -1 for opposites.

    The operands broadcast. A vector shorter than ``eps`` is divided by ``eps``, so that the cosine
    with a zero vector is 0; so is its gradient there.

    >>> import numpy as np
    >>> cosine_similarity(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0], [-2.0, 0.0]]))
    array([ 0.70710678, -1.        ])
    """
    x1, x2 = two(x1, x2)
    dtype = x1.dtype
    x1, x2 = widened(x1), widened(x2)
    if not x1.shape and not x2.shape:
        raise np.exceptions.AxisError(f"cosine_similarity: two numbers have no axis {axis}")
    if len(x1.shape) != len(x2.shape) or x1.shape[axis] != x2.shape[axis]:
        # The axis, and how many elements it has, are those of what both broadcast to.
        shape = np.broadcast_shapes(x1.shape, x2.shape)
        x1, x2 = ops.broadcast_to(x1, shape), ops.broadcast_to(x2, shape)
    a = x1 / floored(length(x1, 2, axis), eps)
    b = x2 / floored(length(x2, 2, axis), eps)
    return in_dtype(ops.sum(a * b, axis), dtype)


@composite
def pairwise_distance(
    x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> Array:
    """p-norm of ``x1 - x2 + eps`` along the last axis, row by row; the operands broadcast.

    ``eps`` keeps the distance of equal rows away from 0, where a norm has no gradient.

    >>> import numpy as np
    >>> pairwise_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([4.9999986, 0.999999 ])
    """
    _is_norm("pairwise_distance", p)
    x1, x2 = two(x1, x2)
    return in_dtype(length(widened(x1) - widened(x2) + eps, p, -1, keepdims), x1.dtype)


@composite
def cdist(x1: Array, x2: Array, p: float = 2.0) -> Array:
    """p-norm of the difference of every row of ``x1`` and every row of ``x2``.

    ``(..., n, features)`` and ``(..., m, features)`` give ``(..., n, m)``; axes before broadcast.
    Differences are computed one by one, so that close rows of large numbers keep their digits; the
    distance of equal rows is 0, with gradient 0. PyTorch's ``pdist(x)`` is what stands above the
    diagonal: ``cdist(x, x)[np.triu_indices(n, 1)]``.

    Raises:
        ShapeError: If rows have different lengths, or there are none.
        ValueError: If ``p`` is negative.

    >>> import numpy as np
    >>> cdist(np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[3.0, 4.0]]))
    array([[5.],
           [4.]])
    """
    _is_norm("cdist", p)
    x1, x2 = two(x1, x2)
    if min(len(x1.shape), len(x2.shape)) < 2 or x1.shape[-1] != x2.shape[-1]:
        operands = [Operand("x1", x1.shape, str(x1.dtype)), Operand("x2", x2.shape, str(x2.dtype))]
        raise ShapeError(
            f"cdist: {operands[0]} and {operands[1]}: expected (..., n, features) and (..., m, "
            "features): x[None] makes a row of a vector"
        )
    a, b = ops.expand_dims(widened(x1), -2), ops.expand_dims(widened(x2), -3)
    return in_dtype(length(a - b, p, -1, False), x1.dtype)
