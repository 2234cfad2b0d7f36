"""Linear algebra under NumPy's names: ``mg.linalg.solve`` is ``np.linalg.solve`` with a gradient.

All of it works on stacks of matrices along leading axes, on arrays and on Tensors, and
``np.linalg.f(t)`` of a Tensor leads here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minigrad import ops
from minigrad.names import advice
from minigrad.ops.decomposition import (
    EighResult,
    QRResult,
    SVDResult,
    cholesky,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    qr,
    svd,
    svdvals,
)
from minigrad.ops.linalg import (
    SlogdetResult,
    det,
    inv,
    lstsq,
    matrix_power,
    multi_dot,
    pinv,
    slogdet,
    solve,
    tensorinv,
    tensorsolve,
)
from minigrad.ops.magnitude import cond, matrix_norm, matrix_rank, norm, vector_norm
from minigrad.primitive import Array, composition

__all__ = [
    "EighResult",
    "QRResult",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

matmul = composition(np.linalg.matmul)(ops.matmul)
tensordot = composition(np.linalg.tensordot)(ops.tensordot)
vecdot = composition(np.linalg.vecdot)(ops.vecdot)


@composition(np.linalg.outer)
def outer(a: Array, b: Array, /) -> Array:
    """Every product of an element of the vector ``a`` and one of the vector ``b``.

    Raises:
        ValueError: If they are not vectors; :func:`minigrad.outer` flattens them.

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    if np.ndim(a) != 1 or np.ndim(b) != 1:
        raise ValueError(f"linalg.outer: takes vectors, not shapes {np.shape(a)} and {np.shape(b)}")
    return ops.outer(a, b)


@composition(np.linalg.cross)
def cross(a: Array, b: Array, /, *, axis: int = -1) -> Array:
    """Cross product of the vectors of three elements along ``axis``; other axes broadcast.

    >>> cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    return ops.cross(a, b, axis=axis)


@composition(np.linalg.matrix_transpose, np.matrix_transpose)
def matrix_transpose(x: Array, /) -> Array:
    """The last two axes interchanged. As a property of a Tensor it is called ``mT``.

    >>> matrix_transpose(np.ones((4, 2, 3))).shape
    (4, 3, 2)
    """
    if np.ndim(x) < 2:
        raise ValueError(f"matrix_transpose: takes two axes or more, not shape {np.shape(x)}")
    return np.swapaxes(x, -1, -2)


@composition(np.linalg.diagonal)
def diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """Elements ``x[..., i, i + offset]`` of the matrices in the last two axes.

    >>> diagonal(np.array([[1.0, 2.0], [3.0, 4.0]]), offset=1)
    array([2.])
    """
    rows, columns = np.shape(x)[-2:]
    if offset >= 0:
        x, rows, columns = x[..., :, offset:], rows, max(columns - offset, 0)
    else:
        x, rows = x[..., -offset:, :], max(rows + offset, 0)
    n = min(rows, columns)
    return np.einsum("...ii->...i", x[..., :n, :n])


@composition(np.linalg.trace)
def trace(x: Array, /, *, offset: int = 0, dtype: type | np.dtype | None = None) -> Array:
    """Sum of the elements ``x[..., i, i + offset]`` of the matrices in the last two axes.

    :func:`numpy.trace` sums along the *first* two.

    >>> trace(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([5.])
    """
    along = diagonal(x, offset=offset)
    return np.sum(along if dtype is None else np.astype(along, dtype), axis=-1)


if not TYPE_CHECKING:  # a type checker is to say itself that a name is unknown

    def __getattr__(name: str) -> object:
        """Say what a name that does not exist is called here; runs on failure only."""
        known = () if name[:1] == "_" else [*__all__, *vars(ops)["__all__"]]
        raise AttributeError(advice(name, "minigrad.linalg", known), name=name)
