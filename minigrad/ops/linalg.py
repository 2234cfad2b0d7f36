"""Determinants, inverses and systems of linear equations, of matrices and stacks of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.ops.decomposition import diagonal_matrix, from_lower, symmetric, transposed
from minigrad.ops.index import everything, plain_index
from minigrad.ops.shape import fold
from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__: list[str] = []  # minigrad.linalg makes them public, under NumPy's names


class SlogdetResult(NamedTuple):
    """What :func:`slogdet` returns."""

    sign: Array
    logabsdet: Array


def pull_inv(g: Array, out: Array) -> Array:
    """``-out.T @ g @ out.T``."""
    turned = transposed(out)
    return -np.matmul(np.matmul(turned, g), turned)


@primitive(np.linalg.inv, cases=[case(3, 3), case(2, 2, 2), case(0, 0)])
@defvjp(matrix=pull_inv)
def inv(matrix: Array, /) -> Array:
    """Inverse of square matrices, shape ``(..., n, n)``. PyTorch calls it ``inverse``.

    Raises:
        LinAlgError: If a matrix is singular or not square.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """


# Systems of equations


def pull_sides(g: Array, matrix: Array, b_shape: tuple[int, ...]) -> Array:
    """``solve(matrix.T, g)``; the vectors of a stack are columns."""
    if len(b_shape) == 1 and len(g.shape) > 1:
        return np.linalg.solve(transposed(matrix), g[..., None])[..., 0]
    return np.linalg.solve(transposed(matrix), g)


def pull_matrix(g: Array, matrix: Array, out: Array, b_shape: tuple[int, ...]) -> Array:
    """``-solve(matrix.T, g) @ out.T``."""
    back = pull_sides(g, matrix, b_shape)
    if len(b_shape) == 1:
        return fold(-back[..., :, None] * out[..., None, :], matrix.shape)
    return -np.matmul(back, transposed(out))


@primitive(
    np.linalg.solve,
    cases=[
        case((3, 3), (3,)),
        case((3, 3), (3, 2)),
        case((2, 2, 2), (2, 1)),
        case((2, 2), (2, 2, 1)),
        case((2, 2, 2), (2,)),
    ],
    broadcasts=True,
)
@defvjp(matrix=pull_matrix, b=pull_sides)
def solve(matrix: Array, b: Array, /) -> Array:
    """Solution ``x`` of ``matrix @ x = b``.

    Of a stack of matrices, shape ``(..., n, n)``. As in NumPy 2, ``b`` is a vector if it has one
    axis, and otherwise a stack of matrices, shape ``(..., n, k)``; leading axes broadcast.

    Raises:
        LinAlgError: If a matrix is singular or not square.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])
    """


# Determinants


def _others(values: Array) -> Array:
    """For each element of the last axis the product of all others."""
    n = values.shape[-1]
    grid = np.where(np.eye(n, dtype=bool), 1.0, values[..., None, :])
    return np.multiply.reduce(grid, axis=-1)


def _other_pairs(values: Array) -> Array:
    """For each pair of elements of the last axis the product of all others; 0 for a twin."""
    n = values.shape[-1]
    twin = np.eye(n, dtype=bool)
    left_out = np.logical_or(twin[:, None, :], twin[None, :, :])
    grid = np.where(left_out, 1.0, values[..., None, None, :])
    return np.where(twin, 0.0, np.multiply.reduce(grid, axis=-1))


def _orientation(u: Array, vh: Array) -> Array:
    """1, or -1 where one of two rotations mirrors; a constant by nature."""
    return np.sign(np.linalg.det(u) * np.linalg.det(vh))[..., None, None]


def pull_cofactor(g: Array, matrix: Array) -> Array:
    """The second derivative of the determinant, applied to ``g``: finite at any matrix.

    In the basis of singular vectors it is made of products of all values but two. Where no matrix
    is near to singular, the same is ``(sum(g C) C - C gᵀ C) / det`` with the cofactors ``C``, which
    has derivatives of any order also where singular values tie.
    """
    if not math.prod(matrix.shape):
        return np.zeros(matrix.shape, g.dtype)
    values = np.linalg.svdvals(matrix)
    if bool(np.all(np.greater(values[..., -1], values[..., 0] * 1e-3))):
        c = _cofactor(matrix)
        whole = np.add.reduce(g * c, axis=(-1, -2), keepdims=True)
        turned = np.matmul(np.matmul(c, transposed(g)), c)
        return (whole * c - turned) / np.linalg.det(matrix)[..., None, None]
    u, s, vh = np.linalg.svd(matrix)
    pairs = _other_pairs(s)
    inner = np.matmul(np.matmul(transposed(u), g), transposed(vh))
    diagonal = np.einsum("...ii->...i", inner)
    middle = diagonal_matrix(np.matmul(pairs, diagonal[..., None])[..., 0])
    middle = (middle - pairs * transposed(inner)) * _orientation(u, vh)
    return np.matmul(np.matmul(u, middle), vh)


@primitive(name="cofactor", cases=[case(3, 3), case(2, 3, 3), case(1, 1), case(0, 0)])
@defvjp(matrix=pull_cofactor)
def _cofactor(matrix: Array, /) -> Array:
    """Cofactors of square matrices, the gradient of the determinant: ``det * inv.T`` or, where
    a matrix is singular, of its singular values and vectors.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            out = transposed(np.linalg.inv(matrix)) * np.linalg.det(matrix)[..., None, None]
        if np.isfinite(out).all():
            return out
    except np.linalg.LinAlgError:
        if np.shape(matrix)[-1] != np.shape(matrix)[-2]:
            raise
    u, s, vh = np.linalg.svd(matrix)
    return np.matmul(u * _others(s)[..., None, :], vh) * _orientation(u, vh)


@primitive(np.linalg.det, cases=[case(3, 3), case(2, 2, 2), case(0, 0)])
@defvjp(matrix=lambda g, matrix: g[..., None, None] * _cofactor(matrix))
def det(matrix: Array, /) -> Array:
    """Determinant of square matrices, shape ``(..., n, n)``.

    The gradient is the matrix of cofactors, so it is right where a matrix is singular, too, and so
    is the second derivative. The third is NaN at singular matrices of which singular values tie.

    Raises:
        LinAlgError: If a matrix is not square.

    >>> det(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    array([-2.])
    """


def pull_slogdet(g: Array, matrix: Array, out: Array) -> Array:
    """``g * inv(matrix).T`` for the logarithm; NaN where the matrix is singular."""
    singular = np.equal(out[..., 0], 0)[..., None, None]
    safe = np.where(singular, np.eye(matrix.shape[-1], dtype=matrix.dtype), matrix)
    slope = np.where(singular, np.nan, transposed(np.linalg.inv(safe)))
    return g[..., 1, None, None] * slope


@primitive(name="slogdet", cases=[case(3, 3), case(2, 2, 2), case(0, 0)])
@defvjp(matrix=pull_slogdet)
def _slogdet(matrix: Array, /) -> Array:
    """Sign and logarithm, side by side."""
    return np.stack(np.linalg.slogdet(matrix), axis=-1)


@composition(np.linalg.slogdet)
def slogdet(a: Array) -> SlogdetResult:
    """Sign and logarithm of the magnitude of the determinant, which itself might overflow.

    Of a stack of square matrices, shape ``(..., n, n)``. The sign has the gradient 0. A singular
    matrix has the sign 0 and the logarithm ``-inf``, and its gradient is NaN.

    Raises:
        LinAlgError: If a matrix is not square.

    >>> slogdet(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    SlogdetResult(sign=array([-1.]), logabsdet=array([0.69314718]))
    """
    packed = _slogdet(a)
    return SlogdetResult(packed[..., 0], packed[..., 1])


# Pseudo-inverse and least squares


def pull_pinv(g: Array, matrix: Array, out: Array, hermitian: bool) -> Array:
    """``-Pᵀ g Pᵀ + (1 - A P) gᵀ P Pᵀ + Pᵀ P gᵀ (1 - P A)`` with ``P = out``.

    Golub and Pereyra, *The differentiation of pseudo-inverses* (1973), equation 4.12.
    """
    turned, back = transposed(out), transposed(g)
    matrix = from_lower(matrix) if hermitian else matrix
    tall = np.matmul(back, np.matmul(out, turned))
    wide = np.matmul(np.matmul(turned, out), back)
    change = tall - np.matmul(matrix, np.matmul(out, tall))
    change = change + wide - np.matmul(np.matmul(wide, out), matrix)
    change = change - np.matmul(np.matmul(turned, g), turned)
    return symmetric(change) if hermitian else change


@primitive(
    lambda matrix, rcond=None, hermitian=False: np.linalg.pinv(matrix, rcond, hermitian),
    numpy=[],
    name="pinv",
    cases=[case(3, 2), case(2, 2, 3), case(2, 2)],
)
@defvjp(matrix=pull_pinv)
def _pinv(matrix: Array, /, rcond: Any = None, hermitian: bool = False) -> Array:
    """Pseudo-inverse."""


@composition(np.linalg.pinv)
def pinv(a: Array, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    """Pseudo-inverse (Moore-Penrose) of matrices, shape ``(..., m, n)`` to ``(..., n, m)``.

    Singular values below ``rcond`` (or ``rtol``) times the largest count as 0. The gradient is that
    of matrices of the same rank: where a small change raises the rank, no derivative exists.

    Args:
        a: Matrices.
        rcond: By default ``max(m, n)`` times the rounding of the dtype. PyTorch calls it ``rtol``.
        hermitian: Whether the matrices are symmetric; then only the lower triangle is read, and the
            gradient is symmetric.
        rtol: Another name of ``rcond``.

    >>> pinv(np.array([[2.0], [0.0]]))
    array([[0.5, 0. ]])
    """
    if rtol is not None and rcond is not None:
        raise ValueError("pinv: rcond and rtol are the same: pass either")
    rcond = rtol if rcond is None else rcond
    return _pinv(a, rcond.numpy() if hasattr(rcond, "numpy") else rcond, hermitian)


@composition(np.linalg.lstsq)
def lstsq(a: Array, b: Array, rcond: float | None = None) -> tuple[Array, Array, Array, Array]:
    """Least-squares solution ``x`` of ``a @ x = b``: the shortest of those with least residual.

    Returns ``(x, residuals, rank, s)`` as NumPy does: the sums of squared residuals (empty unless
    ``a`` has more rows than columns and full rank), the rank, which is a constant, and the singular
    values of ``a``. The gradient is that of ``pinv(a) @ b``.

    Args:
        a: A matrix, shape ``(m, n)``.
        b: A vector, shape ``(m,)``, or a matrix, shape ``(m, k)``.
        rcond: Singular values below so many times the largest count as 0; by default ``max(m, n)``
            times the rounding of the dtype.

    >>> lstsq(np.array([[1.0], [1.0]]), np.array([1.0, 3.0]))[0]
    array([2.])
    """
    a, b = (x if hasattr(x, "shape") else np.asarray(x) for x in (a, b))
    if len(a.shape) != 2 or len(b.shape) not in (1, 2):
        raise np.linalg.LinAlgError(f"lstsq: takes a matrix and one or two axes of b, not "
                                    f"{a.shape} and {b.shape}")  # fmt: skip
    m, n = a.shape
    if b.shape[0] != m:
        raise np.linalg.LinAlgError(f"lstsq: a {a.shape} and b {b.shape} differ in rows")
    s = np.linalg.svdvals(a)
    eps = float(np.finfo(s.dtype).eps)
    rcond = eps * max(m, n) if rcond is None else max(rcond, eps) if rcond < 0 else rcond
    plain = plain_index(s)
    rank = (plain > rcond * plain[:1]).sum().astype(np.int32)
    x = np.matmul(_pinv(a, rcond), b)
    rest = b - np.matmul(a, x)
    residuals = np.add.reduce(rest * rest, axis=0)
    if m <= n or _agreed(rank != n):
        residuals = np.reshape(residuals[..., None], -1)[:0]
    elif len(b.shape) == 1:
        residuals = np.reshape(residuals, (1,))
    return x, residuals, rank, s


def _agreed(x: Any) -> bool:
    """The truth of ``x``, which inside ``vmap`` has to be that of all examples, or it raises."""
    known = everything(x)
    if known.shape and (not known.size or known.all() == known.any()):
        return bool(known.any())
    return bool(x)


# Products of several matrices, and arrays seen as matrices


@composition(np.linalg.matrix_power)
def matrix_power(a: Array, n: int) -> Array:
    """Product of ``n`` copies of square matrices, shape ``(..., m, m)``, by repeated squaring.

    A negative ``n`` inverts first; 0 gives the identity.

    Raises:
        LinAlgError: If a matrix is not square, or ``n`` negative and it is singular.

    >>> matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 3)
    array([[1., 3.],
           [0., 1.]])
    """
    a = a if hasattr(a, "shape") else np.asarray(a)
    n = operator.index(n)
    if len(a.shape) < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"matrix_power: takes square matrices, not shape {a.shape}")
    if n == 0:  # chosen, so that a is part of the graph, with the gradient 0
        return np.where(np.True_, np.eye(a.shape[-1], dtype=a.dtype), a)
    if n < 0:
        a, n = np.linalg.inv(a), -n
    power = None
    while n:
        if n & 1:
            power = a if power is None else np.matmul(power, a)
        n >>= 1
        if n:
            a = np.matmul(a, a)
    return power


def _cheapest(lengths: Sequence[int]) -> dict[tuple[int, int], int]:
    """For each part of a chain of matrices where to split it; Cormen et al., section 15.2."""
    cost = {(i, i): 0 for i in range(len(lengths) - 1)}
    split = {}
    for span in range(1, len(lengths) - 1):
        for i in range(len(lengths) - 1 - span):
            j = i + span
            ways = [
                cost[i, k] + cost[k + 1, j] + lengths[i] * lengths[k + 1] * lengths[j + 1]
                for k in range(i, j)
            ]
            cost[i, j] = min(ways)
            split[i, j] = i + ways.index(cost[i, j])
    return split


@composition(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Array]) -> Array:
    """Product of two or more matrices in the order that takes the fewest multiplications.

    The first and the last may be vectors, which count as a row and a column.

    >>> multi_dot([np.ones((2, 3)), np.ones((3, 4)), np.ones(4)])
    array([12., 12.])
    """
    chain = [x if hasattr(x, "shape") else np.asarray(x) for x in arrays]
    if len(chain) < 2:
        raise ValueError("multi_dot: takes two or more matrices")
    row, column = len(chain[0].shape) == 1, len(chain[-1].shape) == 1
    if row:
        chain[0] = chain[0][None, :]
    if column:
        chain[-1] = chain[-1][:, None]
    for x in chain:
        if len(x.shape) != 2:
            raise np.linalg.LinAlgError(f"multi_dot: takes matrices, not shape {x.shape}")
    split = _cheapest([chain[0].shape[0], *(x.shape[1] for x in chain)])

    def product(i: int, j: int) -> Array:
        if i == j:
            return chain[i]
        k = split[i, j]
        return np.matmul(product(i, k), product(k + 1, j))

    out = product(0, len(chain) - 1)
    out = out[0] if row else out
    return out[..., 0] if column else out


@composition(np.linalg.tensorinv)
def tensorinv(a: Array, ind: int = 2) -> Array:
    """Inverse of the map that ``tensordot(a, x, ind)`` is; the first ``ind`` axes become the last.

    >>> tensorinv(np.array([2.0]).reshape(1, 1), ind=1)
    array([[0.5]])
    """
    a = a if hasattr(a, "shape") else np.asarray(a)
    if ind <= 0:
        raise ValueError(f"tensorinv: ind is positive, not {ind}")
    rows = math.prod(a.shape[:ind])
    matrix = np.reshape(a, (rows, math.prod(a.shape[ind:])))
    return np.reshape(np.linalg.inv(matrix), a.shape[ind:] + a.shape[:ind])


@composition(np.linalg.tensorsolve)
def tensorsolve(a: Array, b: Array, axes: Sequence[int] | None = None) -> Array:
    """Solution ``x`` of ``tensordot(a, x, x.ndim) = b``, whose shape is the rest of that of ``a``.

    ``axes`` of ``a`` are moved to the end first.

    >>> tensorsolve(np.eye(4).reshape(2, 2, 2, 2) * 2.0, np.ones((2, 2)))
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    a, b = (x if hasattr(x, "shape") else np.asarray(x) for x in (a, b))
    if axes is not None:
        last = [i % len(a.shape) for i in axes]
        a = np.transpose(a, [i for i in range(len(a.shape)) if i not in last] + last)
    shape = a.shape[len(b.shape) :]
    rows, columns = math.prod(b.shape), math.prod(shape)
    if rows != columns or math.prod(a.shape) != rows * columns:
        raise np.linalg.LinAlgError(
            f"tensorsolve: a {a.shape} is no square matrix for b {b.shape}; "
            "prod(a.shape[b.ndim:]) has to be prod(a.shape[:b.ndim])"
        )
    matrix = np.reshape(a, (rows, columns))
    return np.reshape(np.linalg.solve(matrix, np.reshape(b, -1)), shape)
