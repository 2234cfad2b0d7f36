"""Norms of vectors and matrices, and what is said by them: rank and condition.

At 0 a norm has the tip of a cone. Its subgradient there is 0, in all of these, and so are the
higher derivatives: never NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.ops.decomposition import largest, negligible, transposed
from minigrad.ops.shape import expand_reduced
from minigrad.primitive import Array, Axis, case, composition, defvjp, primitive

__all__ = ["norm"]  # minigrad.linalg makes the others public, under NumPy's names

Order = float | str | None


def _floating(x: Array) -> Array:
    x = x if hasattr(x, "shape") else np.asarray(x)
    return x if x.dtype.kind in "fc" else np.astype(x, np.float64)


# Norms of vectors


def pull_euclidean(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    """``g * x / out``, and 0 where the norm is 0."""
    flat = np.equal(out, 0)
    ratio = np.where(flat, 0.0, g / np.where(flat, 1.0, out))
    return expand_reduced(ratio, len(x.shape), axis, keepdims) * x


@primitive(
    name="euclidean_norm",
    cases=[case(2, 3), case(2, 3, axis=1), case(2, 3, 2, axis=(0, 2), keepdims=True), case(0, 3)],
)
@defvjp(x=pull_euclidean)
def _euclidean(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Root of the sum of squares."""
    if axis is None or axis.__class__ is int or len(axis) == 2:  # type: ignore[arg-type]
        return np.linalg.norm(x, axis=axis, keepdims=keepdims)
    return np.sqrt(np.sum(np.square(np.abs(x)), axis=axis, keepdims=keepdims))


def pull_power(
    g: Array, x: Array, out: Array, ord: float, axis: int | None, keepdims: bool
) -> Array:
    """``g * sign(x) * (|x| / out) ** (ord - 1)``, and 0 where ``x`` or the norm is 0."""
    whole = expand_reduced(out, len(x.shape), axis, keepdims)
    dead = np.logical_or(np.equal(x, 0), np.equal(whole, 0))
    ratio = np.where(dead, 1.0, np.abs(x) / np.where(np.equal(whole, 0), 1.0, whole))
    slope = np.where(dead, 0.0, np.sign(x) * ratio ** (ord - 1))
    return expand_reduced(g, len(x.shape), axis, keepdims) * slope


@primitive(
    lambda x, ord, axis=None, keepdims=False: np.linalg.norm(x, ord, axis, keepdims),
    numpy=[],
    name="power_norm",
    domain=(0.3, 2.0),
    cases=[
        case(3, ord=3.0),
        case(2, 3, ord=1.5, axis=0),
        case(2, 3, ord=-1, axis=1, keepdims=True),
    ],
)
@defvjp(x=pull_power)
def _power(x: Array, /, ord: float, axis: int | None = None, keepdims: bool = False) -> Array:
    """``sum(|x| ** ord) ** (1 / ord)``."""


def _vector(x: Array, ord: Order, axis: int | None, keepdims: bool) -> Array:
    """A norm of the vectors along one axis, or of all elements of one."""
    if isinstance(ord, str):
        raise ValueError(f"norm: ord {ord!r} is a norm of matrices, not of vectors")
    if ord is None or ord == 2:
        return _euclidean(x, axis, keepdims)
    if ord == np.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:  # a count: constant, but part of the graph; NaN counts, as it is not 0
        ones = np.where(np.isnan(x), 1.0, np.abs(np.sign(x)))
        return np.sum(ones, axis=axis, keepdims=keepdims)
    return _power(x, float(ord), axis, keepdims)


# Norms of matrices


def _polar_parts(matrix: Array) -> tuple[Array, Array, Array, Array]:
    """Singular vectors and values, with the vectors of values that are 0 left out."""
    u, s, vh = np.linalg.svd(matrix, full_matrices=False)
    zero = negligible(s, largest(s), max(matrix.shape[-2:]))
    return np.where(zero[..., None, :], 0.0, u), s, np.where(zero[..., :, None], 0.0, vh), zero


def pull_polar(g: Array, matrix: Array) -> Array:
    """The Hessian of the nuclear norm, applied to ``g``: it needs sums of singular values only.

    So it is finite where values tie. What leaves the spans is divided by the value; values that are
    0 take no part.
    """
    if not math.prod(matrix.shape):
        return np.zeros(matrix.shape, g.dtype)
    u, s, vh, zero = _polar_parts(matrix)
    pair = s[..., None, :] + s[..., :, None]
    neither = np.logical_or(zero[..., None, :], zero[..., :, None])
    inner = np.matmul(np.matmul(transposed(u), g), transposed(vh))
    middle = np.where(neither, 0.0, (inner - transposed(inner)) / np.where(neither, 1.0, pair))
    scale = np.where(zero, 0.0, 1.0 / np.where(zero, 1.0, s))[..., None, :]
    right, left = np.matmul(g, transposed(vh)), np.matmul(transposed(u), g)
    columns = np.matmul((right - np.matmul(u, inner)) * scale, vh)
    rows = np.matmul(u * scale, left - np.matmul(inner, vh))
    return np.matmul(np.matmul(u, middle), vh) + columns + rows


@primitive(name="polar_factor", cases=[case(3, 3), case(3, 2), case(2, 2, 3)])
@defvjp(matrix=pull_polar)
def _polar(matrix: Array, /) -> Array:
    """``U @ Vh`` of the singular vectors whose value is not 0: the slope of the nuclear norm."""
    if not np.size(matrix):
        return np.zeros(np.shape(matrix), matrix.dtype)
    u, _, vh, _ = _polar_parts(matrix)
    return np.matmul(u, vh)


@primitive(name="nuclear_norm", cases=[case(3, 3), case(2, 2, 3), case(2, 0)])
@defvjp(matrix=lambda g, matrix: g[..., None, None] * _polar(matrix))
def _nuclear(matrix: Array, /) -> Array:
    """Sum of the singular values."""
    return np.add.reduce(np.linalg.svd(matrix, compute_uv=False), axis=-1)


def _matrix(x: Array, ord: Order, axis: tuple[int, int], keepdims: bool) -> Array:
    """A norm of the matrices that two axes hold."""
    ndim = len(x.shape)
    rows, columns = (i % ndim if -ndim <= i < ndim else i for i in axis)
    for i in (rows, columns):
        if not 0 <= i < ndim:
            raise np.exceptions.AxisError(i, ndim)
    if rows == columns:
        raise ValueError(f"norm: axis {axis} names one axis twice")
    if ord in (None, "fro", "f"):
        return _euclidean(x, (rows, columns), keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        inner, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = np.add.reduce(np.abs(x), axis=inner, keepdims=True)
        pick = np.max if ord > 0 else np.min
        out = pick(sums, axis=other, keepdims=True)
        return out if keepdims else np.squeeze(out, axis=(rows, columns))
    if ord not in (2, -2, "nuc"):
        raise ValueError(f"norm: ord {ord!r} is no norm of matrices; 1, 2, inf, 'fro', 'nuc' are")
    if (rows, columns) != (ndim - 2, ndim - 1):
        x = np.moveaxis(x, (rows, columns), (-2, -1))
    if ord == "nuc":
        out = _nuclear(x)
    else:
        out = (np.max if ord == 2 else np.min)(np.linalg.svdvals(x), axis=-1)
    return np.expand_dims(out, (rows, columns)) if keepdims else out


@composition(np.linalg.norm)
def norm(x: Array, ord: Order = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Norm of the vectors along ``axis``, or of the matrices that a pair of axes holds.

    Args:
        x: An array. Integers give float64.
        ord: Of vectors any number: ``sum(|x|**ord)**(1/ord)``, ``inf`` and ``-inf`` (the largest
            and the smallest magnitude), 0 (how many are not 0); by default 2. Of matrices ``"fro"``
            (the default: the root of the sum of squares), ``"nuc"`` (the sum of singular values), 2
            and -2 (the largest and the smallest of them), 1 and -1, ``inf`` and ``-inf`` (the
            largest and the smallest sum of magnitudes of a column, and of a row). PyTorch calls it
            ``p``.
        axis: One axis for vectors, two for matrices; None takes an array of one or two axes whole
            and, if ``ord`` is None, any array as one vector. PyTorch calls it ``dim``.
        keepdims: Whether these axes stay, with length 1.

    Where the norm is 0 its gradient is 0, and so are higher derivatives. Elements (columns, rows,
    singular values) that tie for the largest or the smallest share the gradient equally. With any
    ``ord`` but 2 an element that is 0 gets 0.

    >>> norm(np.array([[3.0, 4.0], [0.0, 2.0]]), axis=1)
    array([5., 2.])
    """
    x = _floating(x)
    ndim = len(x.shape)
    if axis is None and (ord is None or (ord in ("fro", "f") and ndim == 2) or
                         (ord == 2 and ndim == 1)):  # fmt: skip
        return _euclidean(x, None, keepdims)
    axes = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        return _vector(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix(x, ord, (axes[0], axes[1]), keepdims)
    raise ValueError(f"norm: takes one axis or two, not {len(axes)}: of a vector or of a matrix")


@composition(np.linalg.vector_norm)
def vector_norm(x: Array, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Array:
    """Norm of vectors along one axis, or of all elements along several; by default of all.

    ``ord`` is any number, as in :func:`norm`. Where the norm is 0 its gradient is 0. PyTorch calls
    the axis ``dim``.

    >>> vector_norm(np.array([[3.0, 0.0], [0.0, 4.0]]), keepdims=True)
    array([[5.]])
    """
    x = _floating(x)
    ndim = len(x.shape)
    if axis.__class__ is int:
        return _vector(x, ord, axis, keepdims)
    axes = range(ndim) if axis is None else axis
    chosen = [i % ndim for i in axes]  # type: ignore[union-attr]
    rest = [i for i in range(ndim) if i not in chosen]
    moved = np.transpose(x, [*chosen, *rest])
    left = tuple(x.shape[i] for i in rest)
    flat = np.reshape(moved, (math.prod(x.shape[i] for i in chosen), *left))
    out = _vector(flat, ord, 0, False)
    ones = tuple(1 if i in chosen else n for i, n in enumerate(x.shape))
    return np.reshape(out, ones) if keepdims else out


@composition(np.linalg.matrix_norm)
def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Order = "fro") -> Array:
    """Norm of the matrices in the last two axes; ``ord`` as in :func:`norm`.

    Where the norm is 0 its gradient is 0.

    >>> matrix_norm(np.array([[[3.0, 0.0], [0.0, 4.0]]]))
    array([5.])
    """
    return _matrix(_floating(x), ord, (-2, -1), keepdims)


# What norms say


@composition(np.linalg.cond)
def cond(x: Array, p: Order = None) -> Array:
    """Condition number ``norm(x, p) * norm(inv(x), p)`` of matrices; infinite of singular ones.

    By default, and for ``p`` 2 and -2, it is a quotient of singular values, which rectangular
    matrices have, too.

    Raises:
        LinAlgError: If ``x`` is empty, or ``p`` needs an inverse and ``x`` is not square or, in a
            single matrix, singular.

    >>> cond(np.array([[[4.0, 0.0], [0.0, 2.0]]]))
    array([2.])
    """
    x = _floating(x)
    if not math.prod(x.shape):
        raise np.linalg.LinAlgError("cond is not defined on empty arrays")
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        top, low = s[..., 0], s[..., -1]
        above, below = (low, top) if p == -2 else (top, low)
        with np.errstate(divide="ignore"):
            return above / below
    return _matrix(x, p, (-2, -1), False) * _matrix(np.linalg.inv(x), p, (-2, -1), False)


@composition(np.linalg.matrix_rank)
def matrix_rank(
    A: Array,  # noqa: N803
    tol: Any = None,
    hermitian: bool = False,
    *,
    rtol: Any = None,
) -> Array:
    """Number of singular values above a tolerance: integers, so without a gradient.

    The tolerance is ``tol``, or ``rtol`` times the largest value, by default ``max(m, n)`` times
    the rounding of the dtype.

    >>> matrix_rank(np.array([[[1.0, 2.0], [2.0, 4.0]]]))
    array([1])
    """
    plain = (x.numpy() if hasattr(x, "numpy") else x for x in (A, tol, rtol))
    matrix, absolute, relative = plain
    return np.linalg.matrix_rank(matrix, absolute, hermitian, rtol=relative)
