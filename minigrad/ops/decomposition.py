"""Decompositions of matrices, and of stacks of them along the leading axes.

A decomposition has several results and an op has one, so each is a primitive that lays its results
flat, side by side in one array; the public function slices them out (docs/decisions/0014).

Where eigenvalues or singular values tie, their vectors are arbitrary and have no derivative. Of
what the gradient needs then, a part can't be known: NaN stands for it, never a number that might be
wrong. The values alone keep their gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from minigrad.errors import NotDifferentiable
from minigrad.ops.elementwise import stop_gradient
from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__: list[str] = []  # minigrad.linalg makes them public, under NumPy's names

Shapes = Sequence[tuple[int, ...]]
Triangle = Literal["L", "U"]
Mode = Literal["reduced", "complete"]


class EighResult(NamedTuple):
    """What :func:`eigh` returns."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """What :func:`qr` returns."""

    Q: Array
    R: Array


class SVDResult(NamedTuple):
    """What :func:`svd` returns."""

    U: Array
    S: Array
    Vh: Array


def pack(parts: Sequence[Array], batch: tuple[int, ...]) -> Array:
    """Lay the parts of a result flat, side by side along one last axis."""
    flat = [np.reshape(x, (*batch, math.prod(x.shape[len(batch) :]))) for x in parts]
    return np.concatenate(flat, axis=-1)


def unpack(packed: Array, shapes: Shapes) -> list[Array]:
    """Take the parts of the given shapes out again, as views."""
    parts, start, batch = [], 0, packed.shape[:-1]
    for shape in shapes:
        stop = start + math.prod(shape)
        parts.append(np.reshape(packed[..., start:stop], (*batch, *shape)))
        start = stop
    return parts


def transposed(x: Array) -> Array:
    """Each matrix of a stack with its rows as columns."""
    return x.T if len(x.shape) == 2 else np.swapaxes(x, -1, -2)


def symmetric(x: Array) -> Array:
    """The symmetric part of each matrix."""
    return (x + transposed(x)) * 0.5


def from_lower(x: Array) -> Array:
    """The symmetric matrices that the lower triangles stand for."""
    n = x.shape[-1]
    return x * np.tri(n, dtype=x.dtype) + transposed(x * np.tri(n, k=-1, dtype=x.dtype))


def diagonal_matrix(x: Array) -> Array:
    """Matrices with the vectors ``x`` on the diagonal."""
    return x[..., None] * np.eye(x.shape[-1], dtype=x.dtype)


def negligible(values: Array, scale: Array, size: int) -> Array:
    """Where ``values`` are 0 but for rounding, given the ``scale`` of what they were made of."""
    eps = float(np.finfo(values.dtype).eps)
    return np.less_equal(np.abs(stop_gradient(values)), scale * (eps * size))


def largest(values: Array) -> Array:
    """The largest magnitude along the last axis, which stays; a constant."""
    return np.maximum.reduce(np.abs(stop_gradient(values)), axis=-1, keepdims=True)


def _divided(numerator: Array, divisor: Array, tied: Array, silent: Array) -> Array:
    """``numerator / divisor``; where the divisor is as good as 0, 0 if ``silent``, else NaN."""
    ratio = np.where(tied, 0.0, numerator / np.where(tied, 1.0, divisor))
    return np.where(np.logical_and(tied, np.logical_not(silent)), np.nan, ratio)


def _nothing(*parts: Array) -> Array:
    """Where no part, nor its transpose, has any cotangent at all."""
    zero = np.equal(parts[0], 0)
    for part in (*(transposed(x) for x in parts), *parts[1:]):
        zero = np.logical_and(zero, np.equal(part, 0))
    return zero


# Cholesky


def pull_cholesky(g: Array, out: Array, upper: bool) -> Array:
    """``L⁻ᵀ Φ(Lᵀ g) L⁻¹``, symmetrised; ``Φ`` takes the lower triangle and halves its diagonal.

    Iain Murray, *Differentiation of the Cholesky decomposition* (2016), equation 10.
    """
    factor, g = (transposed(out), transposed(g)) if upper else (out, g)
    n = out.shape[-1]
    lower = np.tri(n, dtype=g.dtype) - np.eye(n, dtype=g.dtype) * 0.5
    inverse = np.linalg.inv(factor)
    middle = np.matmul(transposed(factor), g) * lower
    return np.matmul(transposed(inverse), np.matmul(symmetric(middle), inverse))


@primitive(
    lambda matrix, upper=False: np.linalg.cholesky(matrix, upper=upper),
    numpy=[],
    name="cholesky",
    cases=[case(3, 3), case(2, 3, 3, upper=True), case(0, 0)],
)
@defvjp(matrix=pull_cholesky)
def _cholesky(matrix: Array, /, upper: bool = False) -> Array:
    """Cholesky factor of symmetric positive definite matrices."""


@composition(np.linalg.cholesky)
def cholesky(a: Array, /, *, upper: bool = False) -> Array:
    """Lower triangular ``L`` with ``a = L @ L.T``, or, with ``upper``, its transpose.

    Of a stack of symmetric positive definite matrices, shape ``(..., n, n)``. Only the lower (with
    ``upper`` the upper) triangle is read; the gradient is symmetric, as that of a function of
    symmetric matrices: what the two elements of a pair get is half of the derivative in both.

    Raises:
        LinAlgError: If a matrix is not positive definite.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    array([[2., 0.],
           [1., 2.]])
    """
    return _cholesky(a, upper=upper)


# QR


def _factors(matrix: Array, mode: Mode) -> Array:
    matrix = np.asarray(matrix)
    return pack(np.linalg.qr(matrix, mode), matrix.shape[:-2])


def _qr_shapes(shape: tuple[int, ...], mode: str) -> Shapes:
    m, n = shape[-2:]
    k = m if mode == "complete" else min(m, n)
    return (m, k), (k, n)


def pull_qr(g: Array, out: Array, matrix_shape: tuple[int, ...], mode: str) -> Array:
    """``(gQ + Q·copyltu(R gRᵀ - gQᵀ Q)) R⁻ᵀ``; of a wide matrix, for its square part.

    The columns of a wide matrix that follow its square part are ``Q`` times those of ``R``.
    Roberts and Roberts, *QR and LQ decomposition matrix backpropagation* (2020).
    """
    shapes = _qr_shapes(matrix_shape, mode)
    (q, r), (gq, gr) = unpack(out, shapes), unpack(g, shapes)
    m, n = matrix_shape[-2:]
    k = min(m, n)
    if shapes[0][1] > k:
        _refuse(gq[..., k:], f"qr(mode='complete') of shape {matrix_shape}", "Q", k)
        q, r, gq, gr = q[..., :k], r[..., :k, :], gq[..., :k], gr[..., :k, :]
    if not math.prod(matrix_shape):
        return np.zeros(matrix_shape, g.dtype)
    rest = gr[..., k:]
    if n > k:
        gq = gq + np.matmul(q, np.matmul(r[..., k:], transposed(rest)))
        r, gr = r[..., :k], gr[..., :k]
    middle = np.matmul(r, transposed(gr)) - np.matmul(transposed(gq), q)
    strict = np.tri(k, k=-1, dtype=g.dtype)
    copied = middle * np.tri(k, dtype=g.dtype) + transposed(middle * strict)
    square = transposed(np.linalg.solve(r, transposed(gq + np.matmul(q, copied))))
    return np.concatenate([square, np.matmul(q, rest)], axis=-1) if n > k else square


def _refuse(g: Array, what: str, part: str, k: int) -> None:
    """Raise if a cotangent reaches vectors that any rotation could replace."""
    if bool(np.any(np.not_equal(g, 0))):
        raise NotDifferentiable(
            f"{what} fills {part} with vectors that are not determined, so they have no gradient: "
            f"use the first {k} only, or "
            + ("mode='reduced'" if "qr" in what else "full_matrices=False")
        )


@primitive(
    _factors,
    numpy=[],
    name="qr",
    cases=[case(3, 3), case(4, 2), case(2, 2, 4), case(0, 2)],
)
@defvjp(matrix=pull_qr)
def _qr(matrix: Array, /, mode: Mode = "reduced") -> Array:
    """Q and R, flat, side by side."""


@composition(np.linalg.qr)
def qr(a: Array, mode: Literal["reduced", "complete", "r"] = "reduced") -> Any:
    """Orthonormal ``Q`` and upper triangular ``R`` with ``a = Q @ R``.

    Of a stack of matrices, shape ``(..., m, n)``: ``Q`` has shape ``(..., m, k)`` and ``R``
    ``(..., k, n)`` with ``k = min(m, n)``; in mode ``"complete"`` ``k = m``, and in mode ``"r"``
    only ``R`` is returned. The first ``k`` columns must be independent to have a gradient.

    Raises:
        LinAlgError: In backward, if the first ``k`` columns are dependent.
        NotDifferentiable: In backward, in mode ``"complete"``, if the columns of ``Q`` take part
            that ``a`` does not determine.

    >>> q, r = qr(np.array([[3.0, 1.0], [4.0, 2.0]]))
    >>> np.abs(r)
    array([[5. , 2.2],
           [0. , 0.4]])
    """
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"qr: mode is 'reduced', 'complete' or 'r', not {mode!r}")
    inner: Mode = "complete" if mode == "complete" else "reduced"
    a = a if hasattr(a, "shape") else np.asarray(a)
    if len(a.shape) < 2:
        raise np.linalg.LinAlgError(f"qr: takes matrices, not shape {a.shape}")
    q, r = unpack(_qr(a, inner), _qr_shapes(a.shape, inner))
    return r if mode == "r" else QRResult(q, r)


# Eigenvalues of symmetric matrices


def _spectrum(matrix: Array, uplo: Triangle) -> Array:
    return pack(np.linalg.eigh(matrix, uplo), np.shape(matrix)[:-2])


def pull_eigh(g: Array, out: Array, matrix_shape: tuple[int, ...]) -> Array:
    """``U (diag(gw) + skew(Uᵀ gU) / (wⱼ - wᵢ)) Uᵀ``, where ``skew`` is the antisymmetric part."""
    n = matrix_shape[-1]
    if not math.prod(matrix_shape):
        return np.zeros(matrix_shape, g.dtype)
    (w, u), (gw, gu) = unpack(out, ((n,), (n, n))), unpack(g, ((n,), (n, n)))
    inner = np.matmul(transposed(u), gu)
    gap = w[..., None, :] - w[..., :, None]
    tied = negligible(gap, largest(w)[..., None], n)
    skew = (inner - transposed(inner)) * 0.5
    silent = np.logical_or(_nothing(inner), np.eye(n, dtype=bool))
    middle = _divided(skew, gap, tied, silent) + diagonal_matrix(gw)
    return np.matmul(u, np.matmul(middle, transposed(u)))


@primitive(
    _spectrum,
    numpy=[],
    name="eigh",
    cases=[case(4, 4, uplo="L"), case(2, 2, 2, uplo="U"), case(0, 0, uplo="L")],
)
@defvjp(matrix=pull_eigh)
def _eigh(matrix: Array, /, uplo: Triangle = "L") -> Array:
    """Eigenvalues and eigenvectors, flat, side by side."""


@composition(np.linalg.eigh)
def eigh(a: Array, UPLO: Triangle = "L") -> EighResult:  # noqa: N803
    """Eigenvalues in ascending order and eigenvectors, in columns, of symmetric matrices.

    Of a stack of shape ``(..., n, n)``, of which only the triangle ``UPLO`` is read; the gradient
    is symmetric, as that of a function of symmetric matrices. The sign of each vector is arbitrary,
    so only functions that don't depend on it have a meaningful gradient. Where eigenvalues tie (to
    rounding), so is the choice of vectors, and they have no derivative: the gradient is NaN if it
    reaches two vectors of one eigenvalue, and right if it reaches the values alone. A square root
    of the identity matrix, taken by its eigenvectors, is such a case.

    Raises:
        LinAlgError: If a matrix is not square, or the iteration doesn't converge.

    >>> values, vectors = eigh(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> values
    array([1., 3.])
    """
    a = a if hasattr(a, "shape") else np.asarray(a)
    packed = _eigh(a, UPLO)
    n = a.shape[-1]
    return EighResult(*unpack(packed, ((n,), (n, n))))


def pull_eigvalsh(g: Array, matrix: Array, uplo: Triangle) -> Array:
    """``U diag(g) Uᵀ``."""
    u = np.linalg.eigh(matrix, uplo)[1]
    return np.matmul(u * g[..., None, :], transposed(u))


@primitive(
    lambda matrix, uplo="L": np.linalg.eigvalsh(matrix, uplo),
    numpy=[],
    name="eigvalsh",
    cases=[case(4, 4, uplo="L"), case(2, 2, 2, uplo="U"), case(0, 0, uplo="L")],
)
@defvjp(matrix=pull_eigvalsh)
def _eigvalsh(matrix: Array, /, uplo: Triangle = "L") -> Array:
    """Eigenvalues of symmetric matrices."""


@composition(np.linalg.eigvalsh)
def eigvalsh(a: Array, UPLO: Triangle = "L") -> Array:  # noqa: N803
    """Eigenvalues of symmetric matrices, in ascending order.

    Of a stack of shape ``(..., n, n)``, of which only the triangle ``UPLO`` is read; the gradient
    is symmetric. Where eigenvalues tie, the gradient of functions that treat them alike (a sum, a
    log-determinant) is right, but the second derivative is NaN: it needs the eigenvectors.

    >>> eigvalsh(np.array([[2.0, 1.0], [1.0, 2.0]]))
    array([1., 3.])
    """
    return _eigvalsh(a, UPLO)


# Singular values


def _svd_shapes(shape: tuple[int, ...], full: bool) -> Shapes:
    m, n = shape[-2:]
    k = min(m, n)
    return ((m, m), (k,), (n, n)) if full else ((m, k), (k,), (k, n))


def pull_svd(
    g: Array, out: Array, matrix_shape: tuple[int, ...], full: bool, hermitian: bool
) -> Array:
    """``U M Vᵀ`` plus what leaves the spans of ``U`` and ``V``, divided by the singular values.

    With ``X = skew(Uᵀ gU)`` and ``Y = skew(Vᵀ gV)``, twice the antisymmetric parts,
    ``Mᵢⱼ = ½ (X + Y) / (sⱼ - sᵢ) + ½ (X - Y) / (sⱼ + sᵢ)`` and ``gs`` on the diagonal. As one
    fraction over ``sⱼ² - sᵢ²`` it could not tell values that tie from values that are 0.
    """
    m, n = matrix_shape[-2:]
    k = min(m, n)
    if not math.prod(matrix_shape):
        return np.zeros(matrix_shape, g.dtype)
    shapes = _svd_shapes(matrix_shape, full)
    (u, s, vh), (gu, gs, gvh) = unpack(out, shapes), unpack(g, shapes)
    if full and m != n:
        what = f"svd(full_matrices=True) of shape {matrix_shape}"
        _refuse(gu[..., k:], what, "U", k)
        _refuse(gvh[..., k:, :], what, "Vh", k)
        u, gu, vh, gvh = u[..., :k], gu[..., :k], vh[..., :k, :], gvh[..., :k, :]
    v, gv = transposed(vh), transposed(gvh)
    top = largest(s)
    left, right = np.matmul(transposed(u), gu), np.matmul(vh, gv)
    silent = np.logical_or(_nothing(left, right), np.eye(k, dtype=bool))
    x, y = left - transposed(left), right - transposed(right)
    gap, sum_ = s[..., None, :] - s[..., :, None], s[..., None, :] + s[..., :, None]
    middle = _divided((x + y) * 0.5, gap, negligible(gap, top[..., None], max(m, n)), silent)
    middle = middle + _divided(
        (x - y) * 0.5, sum_, negligible(sum_, top[..., None], max(m, n)), silent
    )
    middle = middle + diagonal_matrix(gs)
    zero, row = negligible(s, top, max(m, n))[..., None, :], s[..., None, :]
    rows, columns = np.matmul(u, middle), vh
    if m > k:
        rows = rows + _divided(gu - np.matmul(u, left), row, zero, np.equal(gu, 0))
    out_of_rows = np.matmul(rows, columns)
    if hermitian:
        return symmetric(out_of_rows)
    if n > k:
        beyond = _divided(gv - np.matmul(v, right), row, zero, np.equal(gv, 0))
        return out_of_rows + np.matmul(u, transposed(beyond))
    return out_of_rows


def _singular(matrix: Array, full: bool, hermitian: bool) -> Array:
    matrix = np.asarray(matrix)
    parts = np.linalg.svd(matrix, full_matrices=full, hermitian=hermitian)
    return pack(parts, matrix.shape[:-2])


@primitive(
    _singular,
    numpy=[],
    name="svd",
    cases=[case(3, 3), case(4, 2), case(2, 2, 3), case(0, 2)],
)
@defvjp(matrix=pull_svd)
def _svd(matrix: Array, /, full: bool = False, hermitian: bool = False) -> Array:
    """U, S and Vh, flat, side by side."""


@composition(np.linalg.svd)
def svd(
    a: Array, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Singular value decomposition ``a = U @ diag(S) @ Vh`` of matrices, with ``S`` descending.

    Of a stack of shape ``(..., m, n)``, with ``k = min(m, n)``: ``S`` has shape ``(..., k)``, ``U``
    ``(..., m, k)`` and ``Vh`` ``(..., k, n)``, or square ones with ``full_matrices``, whose further
    vectors have no gradient. Where singular values tie (to rounding), or are 0, their vectors have
    no derivative: the gradient is NaN if it reaches them, and right if it reaches ``S`` alone.
    ``hermitian`` says that the matrices are symmetric: only the lower triangle is read, and the
    gradient is symmetric.

    Raises:
        NotDifferentiable: In backward, if the vectors take part that ``full_matrices`` added.
        LinAlgError: If the iteration doesn't converge.

    >>> svd(np.array([[0.0, 2.0], [1.0, 0.0]])).S
    array([2., 1.])
    """
    a = a if hasattr(a, "shape") else np.asarray(a)
    if not compute_uv:
        return _svdvals(a, hermitian)
    if len(a.shape) < 2:
        raise np.linalg.LinAlgError(f"svd: takes matrices, not shape {a.shape}")
    full = full_matrices and a.shape[-1] != a.shape[-2]
    return SVDResult(*unpack(_svd(a, full, hermitian), _svd_shapes(a.shape, full)))


def pull_svdvals(g: Array, matrix: Array, hermitian: bool) -> Array:
    """``U diag(g) Vᵀ``, without the values that are 0."""
    if not math.prod(matrix.shape):
        return np.zeros(matrix.shape, g.dtype)
    u, s, vh = np.linalg.svd(matrix, full_matrices=False, hermitian=hermitian)
    g = np.where(negligible(s, largest(s), max(matrix.shape[-2:])), 0.0, g)
    slope = np.matmul(u * g[..., None, :], vh)
    return symmetric(slope) if hermitian else slope


@primitive(
    lambda matrix, hermitian=False: np.linalg.svd(matrix, compute_uv=False, hermitian=hermitian),
    numpy=[],
    name="svdvals",
    cases=[case(3, 3), case(2, 2, 3), case(0, 2)],
)
@defvjp(matrix=pull_svdvals)
def _svdvals(matrix: Array, /, hermitian: bool = False) -> Array:
    """Singular values, descending."""


@composition(np.linalg.svdvals)
def svdvals(x: Array, /) -> Array:
    """Singular values of matrices, in descending order.

    Of a stack of shape ``(..., m, n)``. A value of 0 is the tip of a cone, as 0 is of ``abs``: its
    subgradient is 0. Where values tie, the gradient of functions that treat them alike is right,
    but the second derivative is NaN: it needs the vectors.

    >>> svdvals(np.array([[0.0, 2.0], [1.0, 0.0]]))
    array([2., 1.])
    """
    return _svdvals(x)


# Eigenvalues that may be complex


def _without_rule(name: str, a: Array, instead: str) -> Any:
    """What NumPy computes of a constant; raise if a gradient is wanted."""
    if getattr(a, "requires_grad", False):
        raise NotDifferentiable(
            f"np.linalg.{name} has no gradient rule in minigrad: of a matrix that is not symmetric "
            f"its results are complex. Use mg.linalg.{instead} of a symmetric matrix, "
            "mg.linalg.svdvals of any, or use t.numpy() to leave the graph"
        )
    return getattr(np.linalg, name)(a.numpy() if hasattr(a, "numpy") else a)


@composition(np.linalg.eig)
def eig(a: Array) -> Any:
    """Eigenvalues and eigenvectors, which may be complex, of square arrays.

    Raises:
        NotDifferentiable: If ``a`` requires a gradient, since gradients are real here.

    >>> eig(np.array([[2.0, 0.0], [0.0, 3.0]])).eigenvalues
    array([2., 3.])
    """
    return _without_rule("eig", a, "eigh")


@composition(np.linalg.eigvals)
def eigvals(a: Array) -> Any:
    """Eigenvalues, which may be complex, of square arrays.

    Raises:
        NotDifferentiable: If ``a`` requires a gradient, since gradients are real here.

    >>> eigvals(np.array([[2.0, 0.0], [0.0, 3.0]]))
    array([2., 3.])
    """
    return _without_rule("eigvals", a, "eigvalsh")
