"""Products of matrices: what makes a layer."""

from __future__ import annotations

import numpy as np

from minigrad.ops.shape import fold
from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__ = ["dot", "einsum", "matmul", "outer"]


def _flip_last(x: Array) -> Array:
    return x.T if len(x.shape) == 2 else np.swapaxes(x, -1, -2)


def pull_left(g: Array, a_shape: tuple[int, ...], b: Array) -> Array:
    """``g @ b.T``; a vector counts as a row."""
    if len(a_shape) == len(b.shape) == 2:
        return np.dot(g, b.T)
    if len(b.shape) == 1:  # every row of a met the vector b
        return fold(g[..., None] * b, a_shape)
    if len(a_shape) == 1:
        return fold(np.matmul(g[..., None, :], _flip_last(b))[..., 0, :], a_shape)
    return np.matmul(g, _flip_last(b))


def pull_right(g: Array, a: Array, b_shape: tuple[int, ...]) -> Array:
    """``a.T @ g``; a vector counts as a column."""
    if len(a.shape) == len(b_shape) == 2:
        return np.dot(a.T, g)
    if len(a.shape) == 1:  # the vector a met every column of b
        return fold(g[..., None, :] * a[:, None] if len(b_shape) > 1 else g * a, b_shape)
    if len(b_shape) == 1:
        return fold(np.matmul(_flip_last(a), g[..., None])[..., 0], b_shape)
    return np.matmul(_flip_last(a), g)


def _product(a: Array, b: Array) -> Array:
    # np.dot takes two thirds of np.matmul's time on small matrices and is the same BLAS call.
    try:
        flat = a.ndim == b.ndim == 2
    except AttributeError:  # lists and numbers
        flat = False
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
    ],
    broadcasts=True,
    onnx="MatMul",
)
@defvjp(a=pull_left, b=pull_right)
def matmul(a: Array, b: Array, /) -> Array:
    """Matrix product ``a @ b``: of vectors, matrices, and stacks of matrices that broadcast.

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
    if ndim_b == 1 or ndim_a <= ndim_b == 2:
        return matmul(np.asarray(a) if isinstance(a, list) else a, b)
    letters = "abcdefghijklmnopqrstuvwxyz"
    left = letters[: ndim_a - 1]
    right = letters[ndim_a - 1 : ndim_a + ndim_b - 3]
    last = letters[ndim_a + ndim_b - 3]
    return einsum(f"{left}Z,{right}Z{last}->{left}{right}{last}", a, b)


@composition(np.outer)
def outer(a: Array, b: Array) -> Array:
    """Every product of an element of ``a`` and one of ``b``, as a matrix.

    >>> outer(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([[3., 4.],
           [6., 8.]])
    """
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


def _explicit(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """Subscripts with every axis named: ellipses written out and the output stated."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} names {len(terms)} operands, {len(ndims)} given")
    spare = "".join(c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba")
    spare = "".join(c for c in spare if c not in subscripts)
    covered = [
        n - len(term.replace("...", "")) if "..." in term else 0
        for term, n in zip(terms, ndims, strict=True)
    ]
    dots = spare[: max(covered, default=0)]
    named = [
        term.replace("...", dots[len(dots) - n :]) for term, n in zip(terms, covered, strict=True)
    ]
    if not arrow:
        once = sorted(c for c in set(inputs) - set(".,") if inputs.count(c) == 1)
        output = "..." + "".join(once)
    return named, output.replace("...", dots)


def pull_einsum(
    g: Array,
    operands: tuple[Array, ...],
    index: int,
    operands_shape: tuple[tuple[int, ...], ...],
    subscripts: str,
) -> Array:
    """The same contraction with ``g`` in the place of the operand, and its axes as output.

    An axis that the operand alone has was summed: ones bring it back. An axis named twice was a
    diagonal: an identity matrix puts ``g`` on it.
    """
    terms, output = _explicit(subscripts, [len(shape) for shape in operands_shape])
    mine, shape = terms[index], operands_shape[index]
    factors = [g, *operands[:index], *operands[index + 1 :]]
    names = [output, *terms[:index], *terms[index + 1 :]]
    wanted = ""
    used = set("".join([*names, mine]))
    spare = (c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in used)
    for axis, letter in enumerate(mine):
        if letter in wanted:
            twin = next(spare)
            factors.append(np.eye(shape[axis], dtype=g.dtype))
            names.append(letter + twin)
            wanted += twin
        else:
            if not any(letter in name for name in names):
                factors.append(np.ones(shape[axis], dtype=g.dtype))
                names.append(letter)
            wanted += letter
    return einsum(f"{','.join(names)}->{wanted}", *factors)


@primitive(
    lambda *operands, subscripts: np.einsum(subscripts, *operands, optimize=len(operands) > 2),
    numpy=[],
    name="einsum",
    cases=[
        case((2, 3), (3, 4), subscripts="ij,jk->ik"),
        case((2, 3), (2, 3), subscripts="ij,ij->"),
        case((3, 3), subscripts="ii->i"),
        case((3, 3), subscripts="ii"),
        case((2, 3), subscripts="ij->j"),
        case((2, 3), subscripts="ij->ji"),
        case((5, 2, 3), (3, 4), subscripts="...ij,jk->...ik"),
        case((2,), (2, 3), (3,), subscripts="i,ij,j"),
    ],
    broadcasts=True,
    onnx="Einsum",
)
@defvjp(operands=pull_einsum)
def _einsum(*operands: Array, subscripts: str) -> Array:
    """Einstein summation with the subscripts as a static parameter."""


@composition(np.einsum)
def einsum(subscripts: str, *operands: Array, optimize: object = True) -> Array:
    """Einstein summation: axes named alike are multiplied, those not in the output summed.

    ``optimize`` is NumPy's parameter and changes nothing: the order of products is chosen here.

    >>> einsum("ij,jk->ik", np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    if not isinstance(subscripts, str):
        raise TypeError("einsum: pass the subscripts as a string first, such as 'ij,jk->ik'")
    return _einsum(*operands, subscripts=subscripts)
