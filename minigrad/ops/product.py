"""Products of vectors and matrices: what makes a layer."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.ops.contraction import einsum
from minigrad.ops.shape import fold
from minigrad.primitive import NUMPY, Array, case, composition, defvjp, primitive

__all__ = [
    "cross",
    "dot",
    "inner",
    "kron",
    "matmul",
    "matvec",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
    "vecmat",
]


_ndarray = np.ndarray


def _flip_last(x: Array) -> Array:
    return x.T if len(x.shape) == 2 else np.swapaxes(x, -1, -2)


def _rows(x: Array) -> Array:
    """All but the last axis as one."""
    return np.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def pull_left(g: Array, a_shape: tuple[int, ...], b: Array) -> Array:
    """``g @ b.T``; a vector counts as a row."""
    if len(a_shape) == b.ndim == 2:
        return g.dot(b.T) if g.__class__ is b.__class__ is _ndarray else np.dot(g, b.T)
    if len(b.shape) == 1:  # every row of a met the vector b
        return fold(g[..., None] * b, a_shape)
    if len(a_shape) == 1:
        if len(b.shape) == 2:
            return np.dot(b, g)
        return fold(np.matmul(g[..., None, :], _flip_last(b))[..., 0, :], a_shape)
    return np.matmul(g, _flip_last(b))


def pull_right(g: Array, a: Array, b_shape: tuple[int, ...]) -> Array:
    """``a.T @ g``; a vector counts as a column."""
    if len(b_shape) == a.ndim == 2:
        return a.T.dot(g) if g.__class__ is a.__class__ is _ndarray else np.dot(a.T, g)
    if len(a.shape) == 1:  # the vector a met every column of b
        return fold(g[..., None, :] * a[:, None] if len(b_shape) > 1 else g * a, b_shape)
    if len(b_shape) == 1:
        return np.dot(np.reshape(g, -1), _rows(a))
    if len(b_shape) == 2:  # one product of all rows: a stack of products would have to be summed
        return np.dot(_rows(a).T, _rows(g))
    if a.shape[-2] == 1:  # an outer product, which np.matmul takes five times as long for
        return _flip_last(a) * g
    return np.matmul(_flip_last(a), g)


def _product(a: Array, b: Array) -> Array:
    # dot takes half of np.matmul's time on small matrices and is the same BLAS call.
    if a.__class__ is b.__class__ is _ndarray:
        return a.dot(b) if a.ndim == b.ndim == 2 else np.matmul(a, b)
    flat = getattr(a, "ndim", 0) == getattr(b, "ndim", 0) == 2  # not lists and numbers
    return np.dot(a, b) if flat else np.matmul(a, b)


@primitive(
    _product,
    numpy=[np.matmul],
    cases=[
        case((2, 3), (3, 4)),
        case((3,), (3,)),
        case((3,), (3, 4)),
        case((2, 3), (3,)),
        case((5, 2, 3), (3, 4)),
        case((5, 2, 3), (1, 3, 4)),
        case((3,), (5, 3, 4)),
        case((5, 2, 3), (3,)),
        case((2, 0), (0, 3)),
    ],
    broadcasts=True,
    onnx="MatMul",
)
@defvjp(a=pull_left, b=pull_right)
def matmul(a: Array, b: Array, /) -> Array:
    """Matrix product ``a @ b``: of vectors, matrices, and stacks of matrices that broadcast.

    PyTorch calls it ``mm`` for matrices, ``mv`` for a matrix and a vector and ``bmm`` for stacks.

    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """


@composition(np.dot)
def dot(a: Array, b: Array) -> Array:
    """Dot product as NumPy's ``np.dot`` means it: a scalar scales, vectors and matrices multiply,
    and more axes sum the last of ``a`` with the last but one of ``b``.

    >>> dot(np.array([[1.0, 2.0]]), np.array([3.0, 4.0]))
    array([11.])
    """
    ndim_a, ndim_b = np.ndim(a), np.ndim(b)
    if not ndim_a or not ndim_b:
        return np.multiply(a, b)
    if ndim_a == 1 or ndim_b <= 2:
        return matmul(np.asarray(a) if isinstance(a, list) else a, b)
    return tensordot(a, b, axes=(-1, -2))


@composition(np.outer)
def outer(a: Array, b: Array) -> Array:
    """Every product of an element of ``a`` and one of ``b``, as a matrix.

    Inputs of more axes are flattened. PyTorch's takes vectors only.

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


@composition(np.inner)
def inner(a: Array, b: Array) -> Array:
    """Sum of products over the last axes of ``a`` and ``b``, for all pairs of the others.

    A scalar scales. The shape is ``a.shape[:-1] + b.shape[:-1]``.

    >>> inner(np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([3.0, 4.0]))
    array([11.,  4.])
    """
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    return tensordot(a, b, axes=(-1, -1))


def _summed(axes: Any, ndim_a: int, ndim_b: int) -> tuple[list[int], list[int]]:
    """The axes of both operands that a tensordot sums, in every form that NumPy takes."""
    try:
        left, right = axes
    except TypeError:
        n = operator.index(axes)
        if n < 0 or n > min(ndim_a, ndim_b):
            raise ValueError(
                f"tensordot: axes={n} of operands with {ndim_a} and {ndim_b} axes"
            ) from None
        left, right = range(ndim_a - n, ndim_a), range(n)
    sums = []
    for given, ndim in ((left, ndim_a), (right, ndim_b)):
        chosen = [int(i) for i in np.atleast_1d(given)] if np.size(given) else []
        for i in chosen:
            if not -ndim <= i < ndim:
                raise np.exceptions.AxisError(i, ndim)
        sums.append([i % ndim for i in chosen])
    if len(sums[0]) != len(sums[1]):
        raise ValueError(f"tensordot: axes names {len(sums[0])} axes of a, {len(sums[1])} of b")
    return sums[0], sums[1]


@composition(np.tensordot)
def tensordot(
    a: Array, b: Array, axes: int | tuple[int | Sequence[int], int | Sequence[int]] = 2
) -> Array:
    """Sum of products over pairs of axes of ``a`` and ``b``; the axes left are those of the result.

    Args:
        a: An array.
        b: An array.
        axes: A number: so many last axes of ``a`` and first axes of ``b``. Or a pair: the axes of
            ``a`` (an int or several), and those of ``b`` that they meet. PyTorch calls it ``dims``.

    Raises:
        ValueError: If axes that meet differ in length; there is no broadcasting.

    >>> tensordot(np.ones((2, 3, 4)), np.ones((4, 3)), axes=([1, 2], [1, 0]))
    array([12., 12.])
    """
    a, b = (x if hasattr(x, "shape") else np.asarray(x) for x in (a, b))
    left, right = _summed(axes, len(a.shape), len(b.shape))
    met = [a.shape[i] for i in left]
    if met != [b.shape[i] for i in right]:
        raise ValueError(
            f"tensordot: axes {tuple(left)} of a {a.shape} and {tuple(right)} of b {b.shape} differ"
        )
    rows = [i for i in range(len(a.shape)) if i not in left]
    columns = [i for i in range(len(b.shape)) if i not in right]
    shape = tuple(a.shape[i] for i in rows), tuple(b.shape[i] for i in columns)
    n = math.prod(met)
    matrix = np.reshape(_ordered(a, rows + left), (math.prod(shape[0]), n))
    other = np.reshape(_ordered(b, right + columns), (n, math.prod(shape[1])))
    return np.reshape(np.dot(matrix, other), shape[0] + shape[1])


def _ordered(x: Array, order: list[int]) -> Array:
    return x if order == sorted(order) else np.transpose(x, order)


@composition(np.vdot)
def vdot(a: Array, b: Array) -> Array:
    """Sum of all products of elements of ``a`` (conjugated where complex) and ``b``, flattened.

    >>> float(vdot(np.array([[1.0, 2.0], [3.0, 4.0]]), np.ones((2, 2))))
    10.0
    """
    return np.dot(np.reshape(_conjugate(a), -1), np.reshape(b, -1))


def _conjugate(x: Array) -> Array:
    return np.conjugate(x) if np.iscomplexobj(x) else x


def _last(x: Array, axis: int) -> Array:
    return x if axis == -1 else np.moveaxis(x, axis, -1)


@composition(np.vecdot)
def vecdot(a: Array, b: Array, axis: int = -1) -> Array:
    """Sum of products over one axis, the last by default; the other axes broadcast.

    The first operand is conjugated where complex.

    >>> vecdot(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 1.0]))
    array([3., 7.])
    """
    a, b = (x if hasattr(x, "shape") else np.asarray(x) for x in (a, b))
    if not a.shape or not b.shape or a.shape[axis] != b.shape[axis]:  # einsum would broadcast it
        raise ValueError(f"vecdot: axis {axis} of shapes {a.shape} and {b.shape} differs in length")
    return einsum("...i,...i->...", _last(_conjugate(a), axis), _last(b, axis))


def matvec(a: Array, b: Array) -> Array:
    """Product of the matrices in ``a`` and the vectors in ``b``; leading axes broadcast.

    PyTorch calls it ``mv`` for one matrix and one vector.

    >>> matvec(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [0.0, 1.0]]))
    array([[3., 7.],
           [2., 4.]])
    """
    a, b = (x if hasattr(x, "shape") else np.asarray(x) for x in (a, b))
    if len(b.shape) == 1:
        return matmul(a, b)
    return matmul(a, b[..., None])[..., 0]


def vecmat(a: Array, b: Array) -> Array:
    """Product of the vectors in ``a`` and the matrices in ``b``; leading axes broadcast.

    The vectors are conjugated where complex.

    >>> vecmat(np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[4., 6.],
           [3., 4.]])
    """
    a, b = (x if hasattr(x, "shape") else np.asarray(x) for x in (_conjugate(a), b))
    if len(a.shape) == 1 or len(b.shape) == 2:
        return matmul(a, b)
    return matmul(a[..., None, :], b)[..., 0, :]


for _name, _op in {"matvec": matvec, "vecmat": vecmat}.items():
    if hasattr(np, _name):  # NumPy 2.2
        NUMPY[getattr(np, _name)] = _op


@composition(np.kron)
def kron(a: Array, b: Array) -> Array:
    """Kronecker product: ``b`` scaled by every element of ``a``, the blocks laid out as ``a`` is.

    The operand of fewer axes gets leading ones. The shape is the product of both shapes.

    >>> kron(np.array([1.0, 10.0]), np.array([1.0, 2.0]))
    array([ 1.,  2., 10., 20.])
    """
    a, b = (x if hasattr(x, "shape") else np.asarray(x) for x in (a, b))
    ndim = max(len(a.shape), len(b.shape))
    outer_shape = (1,) * (ndim - len(a.shape)) + a.shape
    inner_shape = (1,) * (ndim - len(b.shape)) + b.shape
    blocks = np.reshape(a, [n for m in outer_shape for n in (m, 1)]) * np.reshape(
        b, [n for m in inner_shape for n in (1, m)]
    )
    return np.reshape(blocks, [m * n for m, n in zip(outer_shape, inner_shape, strict=True)])


@primitive(np.cross, numpy=[], name="cross", cases=[case((3,), (2, 3))], broadcasts=True)
@defvjp(a=lambda g, b: np.cross(b, g), b=lambda g, a: np.cross(g, a))
def _cross(a: Array, b: Array, /) -> Array:
    """Cross product of vectors of three elements along the last axis."""


@composition(np.cross)
def cross(
    a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """Cross product of the 3-vectors along an axis of ``a`` and of ``b``; other axes broadcast.

    Args:
        a: Vectors of three elements.
        b: Vectors of three elements.
        axisa: Where the vectors of ``a`` lie.
        axisb: Where those of ``b`` lie.
        axisc: Where those of the result shall lie.
        axis: All three at once. PyTorch calls it ``dim``.

    Raises:
        ValueError: If the vectors have another length than 3. (NumPy deprecated plane vectors:
            ``a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]`` is their product.)

    >>> cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = (x if hasattr(x, "shape") else np.asarray(x) for x in (a, b))
    a, b = _last(a, axisa), _last(b, axisb)
    if not a.shape or not b.shape or a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(
            f"cross: takes vectors of 3 elements, not shapes {a.shape} and {b.shape}; in the plane "
            "it is a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]"
        )
    out = _cross(a, b)
    return out if axisc == -1 else np.moveaxis(out, -1, axisc)
