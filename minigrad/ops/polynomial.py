"""Polynomials as ``np.poly*`` means them: coefficients, that of the highest power first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.ops.index import plain_index
from minigrad.ops.shape import operand
from minigrad.primitive import Array, composition

__all__ = [
    "poly",
    "polyadd",
    "polyder",
    "polydiv",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "trim_zeros",
    "vander",
]


def _vector(p: Any) -> Array:
    """Coefficients with one axis; lists become arrays."""
    return np.atleast_1d(operand(p))


@composition(np.polyval)
def polyval(p: Array, x: Array) -> Array:
    """Value of the polynomial with coefficients ``p`` at ``x``, by Horner's rule.

    Differentiable with respect to the coefficients and to ``x``, which may have any shape.

    >>> polyval(np.array([2.0, 0.0, 1.0]), np.array([1.0, 3.0]))
    array([ 3., 19.])
    """
    p = _vector(p)
    x = operand(x)
    value: Array = np.zeros_like(x)
    for i in range(p.shape[0]):
        value = value * x + p[i]
    return value


def _aligned(a: Any, b: Any) -> tuple[Array, Array]:
    """Two polynomials with leading zeros, so that they have equally many coefficients."""
    a, b = _vector(a), _vector(b)
    length = max(a.shape[0], b.shape[0])
    return np.pad(a, (length - a.shape[0], 0)), np.pad(b, (length - b.shape[0], 0))


@composition(np.polyadd)
def polyadd(a: Array, b: Array) -> Array:
    """Coefficients of the sum of two polynomials.

    >>> polyadd(np.array([1.0, 2.0]), np.array([3.0]))
    array([1., 5.])
    """
    left, right = _aligned(a, b)
    return left + right


@composition(np.polysub)
def polysub(a: Array, b: Array) -> Array:
    """Coefficients of the difference of two polynomials.

    >>> polysub(np.array([1.0, 2.0]), np.array([3.0]))
    array([ 1., -1.])
    """
    left, right = _aligned(a, b)
    return left - right


@composition(np.polymul)
def polymul(a: Array, b: Array) -> Array:
    """Coefficients of the product of two polynomials.

    >>> polymul(np.array([1.0, 2.0]), np.array([1.0, -2.0]))
    array([ 1.,  0., -4.])
    """
    return np.convolve(_vector(a), _vector(b))


class Quotient(NamedTuple):
    """What ``polydiv`` returns."""

    quotient: Array
    remainder: Array


@composition(np.polydiv)
def polydiv(u: Array, v: Array) -> Quotient:
    """Quotient and remainder of two polynomials.

    The remainder has as many coefficients as its value needs: leading ones that are 0 are left out,
    as NumPy does.

    >>> polydiv(np.array([1.0, 0.0, -3.0]), np.array([1.0, 1.0]))
    Quotient(quotient=array([ 1., -1.]), remainder=array([-2.]))
    """
    rest, v = _vector(u) + 0.0, _vector(v) + 0.0
    steps = rest.shape[0] - v.shape[0] + 1
    quotient = []
    for k in range(steps):
        factor = rest[k] / v[0]
        quotient.append(factor)
        rest = rest - np.pad(factor * v, (k, steps - 1 - k))
    start = 0
    while start < rest.shape[0] - 1 and np.allclose(rest[start], 0, rtol=1e-14):
        start += 1
    return Quotient(np.stack(quotient) if quotient else rest[:1] * 0.0, rest[start:])


@composition(np.polyder)
def polyder(p: Array, m: int = 1) -> Array:
    """Coefficients of the ``m``-th derivative of a polynomial.

    >>> polyder(np.array([1.0, 5.0, 7.0]))
    array([2., 5.])
    """
    if m < 0:
        raise ValueError("polyder: m is how often to differentiate, which can't be negative")
    p = _vector(p)
    for _ in range(int(m)):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


@composition(np.polyint)
def polyint(p: Array, m: int = 1, k: Any = None) -> Array:
    """Coefficients of the ``m``-th antiderivative, with the constants of integration ``k`` (0).

    >>> polyint(np.array([2.0, 5.0]), k=7.0)
    array([1., 5., 7.])
    """
    if m < 0:
        raise ValueError("polyint: m is how often to integrate, which can't be negative")
    constants = np.zeros(m) if k is None else _vector(k)
    if constants.shape[0] == 1 < m:
        constants = constants * np.ones(m)
    if constants.shape[0] < m:
        raise ValueError(f"polyint: {m} constants are needed, or one; {constants.shape[0]} given")
    p = _vector(p)
    for i in range(int(m)):
        p = np.concatenate([p / np.arange(p.shape[0], 0, -1), constants[i : i + 1]])
    return p


@composition(np.poly)
def poly(roots: Array) -> Array:
    """Coefficients of the polynomial that has these roots, the first of them 1.

    A matrix, of which NumPy takes the eigenvalues, raises: pass ``np.linalg.eigvalsh(matrix)``.

    >>> poly(np.array([1.0, -1.0]))
    array([ 1.,  0., -1.])
    """
    roots = _vector(roots)
    if len(roots.shape) != 1:
        raise TypeError("poly: pass roots; of a symmetric matrix they are np.linalg.eigvalsh(m)")
    coefficients: Array = np.ones(1, roots.dtype)
    for i in range(roots.shape[0]):
        shifted = np.pad(coefficients, (1, 0)) * roots[i]
        coefficients = np.pad(coefficients, (0, 1)) - shifted
    return coefficients


@composition(np.vander)
def vander(x: Array, n: int | None = None, increasing: bool = False) -> Array:
    """Vandermonde matrix: the powers of each element of ``x`` in a row, the highest first.

    Args:
        x: A vector.
        n: Number of columns, by default as many as rows.
        increasing: Whether the powers increase from left to right.

    >>> vander(np.array([2.0, 3.0]), 3)
    array([[4., 2., 1.],
           [9., 3., 1.]])
    """
    x = operand(x)
    if len(x.shape) != 1:
        raise ValueError(f"vander: x has one axis, not shape {x.shape}")
    columns = x.shape[0] if n is None else n
    if columns < 0:
        raise ValueError(f"vander: n={n} columns")
    dtype = np.promote_types(x.dtype, int)
    if columns < 2:  # made of x all the same, so that it is a tensor if x is one
        return np.stack([np.power(np.astype(x, dtype), 0)], axis=1)[:, :columns]
    powers: list[Array] = [np.ones(x.shape, dtype)]
    while len(powers) < columns:
        powers.append(powers[-1] * x)
    return np.stack(powers if increasing else powers[::-1], axis=1)


@composition(np.trim_zeros)
def trim_zeros(x: Array, trim: str = "fb", axis: int | Sequence[int] | None = None) -> Array:
    """A vector without the zeros at its front (``"f"`` in ``trim``) and back (``"b"``).

    How many are left out depends on the values and has no gradient; those that stay have.

    >>> trim_zeros(np.array([0.0, 1.0, 0.0, 2.0, 0.0]))
    array([1., 0., 2.])
    """
    x = operand(x)
    if len(x.shape) != 1 or axis not in (None, 0, -1, (0,), (-1,)):
        raise TypeError("trim_zeros: of a vector; of more axes, index with t[start:stop]")
    (there,) = plain_index(np.nonzero(x))
    if not len(there):
        return x[:0]
    start = int(there[0]) if "f" in trim.lower() else 0
    stop = int(there[-1]) + 1 if "b" in trim.lower() else x.shape[0]
    return x[start:stop]
