"""Diagonals and triangles of matrices, and of stacks of them.

``diagonal`` and ``scatter_diagonal`` are each other's rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.shape import operand
from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__ = [
    "diag",
    "diagflat",
    "diagonal",
    "scatter_diagonal",
    "trace",
    "tril",
    "triu",
]


@primitive(
    cases=[
        case(3, shape=(3, 3)),
        case(2, shape=(3, 4), offset=2),
        case(2, 2, shape=(3, 2, 4), axis1=0, axis2=2, offset=-1),
    ]
)
@defvjp(g=lambda g, offset, axis1, axis2: np.diagonal(g, offset=offset, axis1=axis1, axis2=axis2))
def scatter_diagonal(
    g: Array, /, shape: tuple[int, ...], offset: int = 0, axis1: int = 0, axis2: int = 1
) -> Array:
    """Zeros of ``shape`` with ``g`` on a diagonal; the adjoint of ``diagonal``.

    PyTorch calls it ``diagonal_scatter``.

    >>> scatter_diagonal(np.array([1.0, 2.0]), (2, 3))
    array([[1., 0., 0.],
           [0., 2., 0.]])
    """
    out = np.zeros(shape, g.dtype)
    view = np.diagonal(out, offset=offset, axis1=axis1, axis2=axis2)
    view.setflags(write=True)  # a view of what was made here
    view[...] = g
    return out


@primitive(
    np.diagonal,
    cases=[case(3, 3), case(3, 4, offset=1), case(3, 2, 4, offset=-1, axis1=0, axis2=-1)],
)
@defvjp(
    x=lambda g, x_shape, offset, axis1, axis2: scatter_diagonal(g, x_shape, offset, axis1, axis2)
)
def diagonal(x: Array, /, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Elements whose index along ``axis2`` is that along ``axis1`` plus ``offset``, as last axis.

    >>> diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 4.])
    """


@composition(np.diag)
def diag(x: Array, k: int = 0) -> Array:
    """The ``k``-th diagonal of a matrix, or the matrix that has a vector there.

    >>> diag(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    x = operand(x)
    if len(x.shape) == 2:
        return np.diagonal(x, offset=k)
    if len(x.shape) != 1:
        raise ValueError(f"diag: x has one axis or two, not shape {x.shape}")
    n = x.shape[0] + abs(k)
    return scatter_diagonal(x, (n, n), k)


@composition(np.diagflat)
def diagflat(x: Array, k: int = 0) -> Array:
    """The matrix with the flattened ``x`` on its ``k``-th diagonal.

    >>> diagflat(np.array([[1.0, 2.0]]))
    array([[1., 0.],
           [0., 2.]])
    """
    return diag(np.reshape(x, -1), k)


@composition(np.trace)
def trace(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Array:
    """Sum of a diagonal of a matrix, or of each of a stack.

    >>> trace(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.float64(5.0)
    """
    return np.sum(np.diagonal(x, offset=offset, axis1=axis1, axis2=axis2), axis=-1, dtype=dtype)


def _triangle(x: Array, k: int, lower: bool) -> Array:
    x = operand(x)
    if not x.shape:
        raise ValueError("tril, triu: x needs an axis")
    if len(x.shape) == 1:  # NumPy takes a vector for a matrix of equal rows
        x = np.broadcast_to(x, (x.shape[0], x.shape[0]))
    rows, columns = x.shape[-2:]
    mask = np.tri(rows, columns, k if lower else k - 1, bool)
    zero = np.zeros((), x.dtype)
    return np.where(mask, x, zero) if lower else np.where(mask, zero, x)


@composition(np.tril)
def tril(x: Array, k: int = 0) -> Array:
    """Lower triangle of a matrix, or of each of a stack: 0 above the ``k``-th diagonal.

    >>> tril(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 0.],
           [3., 4.]])
    """
    return _triangle(x, k, lower=True)


@composition(np.triu)
def triu(x: Array, k: int = 0) -> Array:
    """Upper triangle of a matrix, or of each of a stack: 0 below the ``k``-th diagonal.

    >>> triu(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [0., 4.]])
    """
    return _triangle(x, k, lower=False)
