"""Reductions over ``axis``: an int, a tuple, negative, or None for all.

``spread`` is the adjoint of a sum: it repeats a cotangent along the axes that were reduced. What
NumPy's ``dtype``, ``initial`` and ``where`` ask for is composed of the plain reductions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.cumulative import shifted
from minigrad.ops.elementwise import stop_gradient
from minigrad.ops.index import plain_index
from minigrad.ops.shape import expand_reduced, operand
from minigrad.primitive import Array, Axis, Primitive, case, composition, defvjp, primitive

__all__ = [
    "argmax",
    "argmin",
    "count_nonzero",
    "logsumexp",
    "max",
    "min",
    "prod",
    "ptp",
    "spread",
    "sum",
]

REDUCTIONS = [
    case(2, 3),
    case(2, 3, axis=0),
    case(2, 3, axis=-1, keepdims=True),
    case(2, 3, 2, axis=(0, 2)),
    case(2, 3, 2, axis=(-1, 0), keepdims=True),
]


@primitive(cases=[case(3, shape=(2, 3), axis=0), case((), shape=(2, 3))])
@defvjp(g=lambda g, axis, keepdims: np.add.reduce(g, axis=axis, keepdims=keepdims))
def spread(g: Array, /, shape: tuple[int, ...], axis: Axis = None, keepdims: bool = False) -> Array:
    """Repeat ``g`` along the axes that a reduction took away; the adjoint of ``sum``.

    >>> spread(np.array([1.0, 2.0]), (2, 2), axis=1)
    array([[1., 1.],
           [2., 2.]])
    """
    out = np.empty(shape, g.dtype)
    if axis is None and not g.shape:
        out.fill(g)
    else:
        out[...] = expand_reduced(g, len(shape), axis, keepdims)
    return out


@primitive(
    np.add.reduce,
    numpy=[np.add.reduce, np.sum],
    name="sum",
    cases=REDUCTIONS,
    onnx="ReduceSum",
)
@defvjp(x=lambda g, x_shape, axis, keepdims: spread(g, x_shape, axis, keepdims))
def _sum(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over ``axis``."""


def _chosen(x: Array, dtype: Any, where: Any, fill: Any) -> Array:
    """``x`` converted, with ``fill`` where it does not count."""
    x = operand(x)
    if dtype is not None and x.dtype != dtype:
        x = np.astype(x, dtype)
    if where is None or where is True:
        return x
    return np.where(np.broadcast_to(plain_index(where), x.shape), x, fill)


@composition(np.add.reduce, np.sum)
def sum(
    x: Array,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: Any = None,
    initial: Any = None,
    where: Any = None,
) -> Array:
    """Sum over ``axis`` of the elements for which ``where`` holds, plus ``initial``.

    The sum of nothing is 0. Integers shorter than 64 bits are summed in 64, as NumPy does.

    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    >>> float(sum(np.array([1.0, np.nan]), where=[True, False]))
    1.0
    """
    if dtype is None and initial is None and where is None:
        return _sum.apply((x,), {"axis": axis, "keepdims": keepdims})
    out = _sum(_chosen(x, dtype, where, 0), axis, keepdims)
    return out if initial is None else out + initial


def pull_extremum(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    """Divide the cotangent among the elements that reach the extremum."""
    ndim = len(x.shape)
    equal = np.equal(x, expand_reduced(out, ndim, axis, keepdims))
    winners = np.logical_or(equal, np.not_equal(x, x)).astype(g.dtype)  # NaN is its own extremum
    ties = np.add.reduce(winners, axis=axis, keepdims=True)
    return winners * (expand_reduced(g, ndim, axis, keepdims) / ties)


def _extremum(op: Primitive[...], x: Array, axis: Axis, keepdims: bool) -> Array:
    try:
        return op.apply((x,), {"axis": axis, "keepdims": keepdims})
    except ValueError as error:
        if 0 in np.shape(x):
            error.add_note(
                f"  {op.name} of no elements: shape {np.shape(x)}, axis {axis}; "
                "initial= says what it is then"
            )
        raise


def _bounded(
    op: Primitive[...],
    pairwise: np.ufunc,
    x: Array,
    axis: Axis,
    keepdims: bool,
    initial: Any,
    where: Any,
) -> Array:
    """An extremum of those elements that count, and of ``initial``."""
    if initial is None:
        raise ValueError(f"{op.name}: with where=, initial= must say what {op.name} of nothing is")
    x = operand(x)
    if x.dtype.kind == "f":
        never: Any = -np.inf if op.name == "max" else np.inf
    elif x.dtype.kind == "b":
        never = op.name == "min"
    else:
        limits = np.iinfo(x.dtype)
        never = int(limits.min if op.name == "max" else limits.max)
    x = _chosen(x, None, where, never)
    if not hasattr(initial, "__primitive__"):
        initial = np.asarray(initial).astype(x.dtype)
    if not x.size:  # the sum of nothing is 0, in the right shape
        return np.astype(_sum(x, axis, keepdims), x.dtype) + initial
    return pairwise(op(x, axis, keepdims), initial)


@primitive(
    np.maximum.reduce,
    numpy=[np.maximum.reduce, np.max, np.amax],
    name="max",
    cases=REDUCTIONS,
    onnx="ReduceMax",
)
@defvjp(x=pull_extremum)
def _max(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest element along ``axis``."""


@composition(np.maximum.reduce, np.max, np.amax)
def max(
    x: Array, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """Largest element along ``axis``; elements that tie share the cotangent equally.

    A NaN is the largest of all and gets the cotangent. With ``initial`` the result is at
    least that, also of nothing; ``where`` says which elements count and needs an ``initial``.
    PyTorch calls it ``amax``.

    Raises:
        ValueError: If there are no elements and no ``initial``.

    >>> max(np.array([[1.0, 5.0], [3.0, 2.0]]), axis=0)
    array([3., 5.])
    """
    if initial is None and where is None:
        return _extremum(_max, x, axis, keepdims)
    return _bounded(_max, np.maximum, x, axis, keepdims, initial, where)


@primitive(
    np.minimum.reduce,
    numpy=[np.minimum.reduce, np.min, np.amin],
    name="min",
    cases=REDUCTIONS,
    onnx="ReduceMin",
)
@defvjp(x=pull_extremum)
def _min(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest element along ``axis``."""


@composition(np.minimum.reduce, np.min, np.amin)
def min(
    x: Array, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """Smallest element along ``axis``; elements that tie share the cotangent equally.

    A NaN is the smallest of all and gets the cotangent. With ``initial`` the result is at
    most that, also of nothing; ``where`` says which elements count and needs an ``initial``.
    PyTorch calls it ``amin``.

    Raises:
        ValueError: If there are no elements and no ``initial``.

    >>> min(np.array([[1.0, 5.0], [3.0, 2.0]]), axis=0)
    array([1., 2.])
    """
    if initial is None and where is None:
        return _extremum(_min, x, axis, keepdims)
    return _bounded(_min, np.minimum, x, axis, keepdims, initial, where)


def _others(x: Array) -> Array:
    """Product of all other elements of the last axis: of those before and of those after."""
    after = np.flip(np.cumprod(np.flip(x, -1), axis=-1), -1)
    return shifted(np.cumprod(x, axis=-1), -1, 1.0, False) * shifted(after, -1, 1.0, True)


def pull_prod(g: Array, x: Array, x_shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    """``g`` times the product of all other elements, right also where elements are 0."""
    ndim = len(x_shape)
    axes = range(ndim) if axis is None or not ndim else np.atleast_1d(axis).tolist()
    reduced = [i % ndim for i in axes]
    order = [i for i in range(ndim) if i not in reduced] + reduced
    moved = np.transpose(x, order)
    flat = np.reshape(moved, (*moved.shape[: ndim - len(reduced)], -1)) if x.size else moved
    others = np.reshape(_others(flat), moved.shape) if x.size else moved
    back = sorted(range(ndim), key=order.__getitem__)
    return expand_reduced(g, ndim, axis, keepdims) * np.transpose(others, back)


@primitive(
    np.multiply.reduce,
    numpy=[np.multiply.reduce, np.prod],
    name="prod",
    cases=REDUCTIONS,
    onnx="ReduceProd",
)
@defvjp(x=pull_prod)
def _prod(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product over ``axis``."""


@composition(np.multiply.reduce, np.prod)
def prod(
    x: Array,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: Any = None,
    initial: Any = None,
    where: Any = None,
) -> Array:
    """Product over ``axis`` of the elements for which ``where`` holds, times ``initial``.

    The product of nothing is 1. Gradients of any order are exact where elements are 0, too.

    >>> prod(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([3., 8.])
    """
    if dtype is None and initial is None and where is None:
        return _prod.apply((x,), {"axis": axis, "keepdims": keepdims})
    out = _prod(_chosen(x, dtype, where, 1), axis, keepdims)
    return out if initial is None else out * initial


@composition(np.ptp)
def ptp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Range over ``axis``, from the smallest element to the largest; elements that tie share.

    >>> ptp(np.array([[1.0, 5.0], [3.0, 2.0]]), axis=0)
    array([2., 3.])
    """
    return max(x, axis, keepdims) - min(x, axis, keepdims)


def _shifted(x: Array, axis: Axis) -> tuple[Array, Array]:
    """``exp(x - max)`` and the maximum, where an infinite maximum is taken as 0."""
    top = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    return np.exp(x - top), top


def pull_logsumexp(g: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """``g * softmax(x)``, computed from ``x - max`` so that large logits lose no digits.

    Infinities that are the maximum share, as finite elements that tie do.
    """
    if not x.size:  # nothing has no maximum
        return x * 0.0
    top = stop_gradient(np.max(x, axis=axis, keepdims=True))
    infinite = np.logical_and(np.equal(x, top), np.isinf(top))
    weights = np.exp(np.where(infinite, 0.0, x - np.where(infinite, 0.0, top)))
    total = np.add.reduce(weights, axis=axis, keepdims=True)
    return expand_reduced(g, len(x.shape), axis, keepdims) * (weights / total)


@primitive(cases=REDUCTIONS, onnx="ReduceLogSumExp")
@defvjp(x=pull_logsumexp)
def logsumexp(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """``log(sum(exp(x)))`` over ``axis`` without overflow; its gradient is the softmax of ``x``.

    >>> logsumexp(np.array([[1e4, 1e4]]), axis=1) - 1e4
    array([0.69314718])
    """
    x = np.asarray(x)
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    scaled, top = _shifted(x, axis)
    with np.errstate(divide="ignore"):  # log(0) is the right answer where all x are -inf
        out = np.log(np.add.reduce(scaled, axis=axis, keepdims=True)) + top
    return out if keepdims else np.squeeze(out, axis=axis)


@primitive(np.argmax, cases=[case(5), case(3, 4, axis=0), case(3, 4, axis=1, keepdims=True)])
def argmax(x: Array, /, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the largest element along ``axis``; the first where several tie.

    >>> argmax(np.array([[1.0, 3.0], [5.0, 2.0]]), axis=1)
    array([1, 0])
    """


@primitive(np.argmin, cases=[case(5), case(3, 4, axis=0), case(3, 4, axis=1, keepdims=True)])
def argmin(x: Array, /, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the smallest element along ``axis``; the first where several tie.

    >>> argmin(np.array([[1.0, 3.0], [5.0, 2.0]]), axis=1)
    array([0, 1])
    """


@primitive(
    np.count_nonzero, cases=[case(2, 3), case(2, 3, axis=0), case(2, 3, axis=1, keepdims=True)]
)
def count_nonzero(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """How many elements along ``axis`` are not 0, as an integer.

    >>> count_nonzero(np.array([[0.0, 3.0], [5.0, 2.0]]), axis=0)
    array([1, 2])
    """
