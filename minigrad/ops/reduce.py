"""Reductions over ``axis`` (an int, a tuple, negative, or None for all), and sorting.

``spread`` is the adjoint of a sum: it repeats a cotangent along the axes that were reduced.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.ops.elementwise import stop_gradient
from minigrad.ops.shape import expand_reduced
from minigrad.primitive import Array, Axis, case, defvjp, primitive

__all__ = [
    "argmax",
    "argmin",
    "argsort",
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "sort",
    "spread",
    "std",
    "sum",
    "var",
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


@primitive(np.add.reduce, numpy=[np.add.reduce, np.sum], cases=REDUCTIONS, onnx="ReduceSum")
@defvjp(x=lambda g, x_shape, axis, keepdims: spread(g, x_shape, axis, keepdims))
def sum(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over ``axis``.

    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """


def _count(shape: tuple[int, ...], axis: Axis) -> int:
    """Number of elements that a reduction over ``axis`` combines."""
    if axis is None or not shape:
        return math.prod(shape)
    count = 1
    for i in axis if isinstance(axis, tuple) else (axis,):
        count *= shape[i]
    return count


@primitive(numpy=[np.mean], cases=REDUCTIONS, onnx="ReduceMean")
@defvjp(
    x=lambda g, x_shape, axis, keepdims: spread(
        g / float(_count(x_shape, axis)), x_shape, axis, keepdims
    )
)
def mean(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean over ``axis``; integers give float64.

    >>> mean(np.array([[1.0, 2.0], [3.0, 6.0]]), axis=0)
    array([2., 4.])
    """
    if not isinstance(x, np.ndarray) or x.dtype.char not in "fd" or not x.size:
        return np.mean(x, axis=axis, keepdims=keepdims)
    # np.mean is a Python function four times as slow as this on small arrays.
    count = x.size if axis is None else _count(x.shape, axis)
    total: Array = np.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]
    return total / float(count)


def pull_extremum(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    """Divide the cotangent among the elements that reach the extremum."""
    ndim = len(x.shape)
    winners = np.equal(x, expand_reduced(out, ndim, axis, keepdims)).astype(g.dtype)
    ties = np.add.reduce(winners, axis=axis, keepdims=True)
    return winners * (expand_reduced(g, ndim, axis, keepdims) / ties)


@primitive(
    np.maximum.reduce,
    numpy=[np.maximum.reduce, np.max, np.amax],
    cases=REDUCTIONS,
    onnx="ReduceMax",
)
@defvjp(x=pull_extremum)
def max(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest element along ``axis``; elements that tie share the cotangent equally.

    >>> max(np.array([[1.0, 5.0], [3.0, 2.0]]), axis=0)
    array([3., 5.])
    """


@primitive(
    np.minimum.reduce,
    numpy=[np.minimum.reduce, np.min, np.amin],
    cases=REDUCTIONS,
    onnx="ReduceMin",
)
@defvjp(x=pull_extremum)
def min(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest element along ``axis``; elements that tie share the cotangent equally.

    >>> min(np.array([[1.0, 5.0], [3.0, 2.0]]), axis=0)
    array([1., 2.])
    """


def _centred(x: Array, axis: Axis) -> Array:
    return x - np.mean(x, axis=axis, keepdims=True)


def _degrees(shape: tuple[int, ...], axis: Axis, ddof: float) -> float:
    """Degrees of freedom: a variance divides by them."""
    degrees = float(_count(shape, axis) - ddof)
    return degrees if degrees > 0 else np.nan


def pull_var(
    g: Array, x: Array, x_shape: tuple[int, ...], axis: Axis, ddof: float, keepdims: bool
) -> Array:
    """``g * 2 * (x - mean(x)) / (n - ddof)``."""
    scale = 2.0 / _degrees(x_shape, axis, ddof)
    return expand_reduced(g, len(x_shape), axis, keepdims) * _centred(x, axis) * scale


MOMENTS = [*REDUCTIONS, case(2, 3, axis=1, ddof=1)]


@primitive(np.var, cases=MOMENTS)
@defvjp(x=pull_var)
def var(x: Array, /, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Array:
    """Variance over ``axis``: mean squared deviation, divided by ``n - ddof``.

    >>> var(np.array([[1.0, 3.0]]), axis=1), var(np.array([[1.0, 3.0]]), axis=1, ddof=1)
    (array([1.]), array([2.]))
    """


def pull_std(
    g: Array,
    x: Array,
    out: Array,
    x_shape: tuple[int, ...],
    axis: Axis,
    ddof: float,
    keepdims: bool,
) -> Array:
    """``g * (x - mean(x)) / ((n - ddof) * out)``, and 0 where the deviation is 0."""
    flat = np.equal(out, 0)
    ratio = np.where(flat, 0.0, g / np.where(flat, 1.0, out))
    scale = 1.0 / _degrees(x_shape, axis, ddof)
    return expand_reduced(ratio, len(x_shape), axis, keepdims) * _centred(x, axis) * scale


@primitive(np.std, cases=MOMENTS)
@defvjp(x=pull_std)
def std(x: Array, /, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Array:
    """Standard deviation over ``axis``; its gradient is 0 where all elements are equal.

    >>> std(np.array([[1.0, 3.0]]), axis=1)
    array([1.])
    """


def _others(x: Array) -> Array:
    """Product of all other elements of the last axis, without division, in O(n log n)."""
    n = x.shape[-1]
    if n < 2:
        return x * 0.0 + 1.0
    left, right = x[..., : n // 2], x[..., n // 2 :]
    return np.concatenate(
        [
            _others(left) * np.multiply.reduce(right, axis=-1, keepdims=True),
            _others(right) * np.multiply.reduce(left, axis=-1, keepdims=True),
        ],
        axis=-1,
    )


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
    np.multiply.reduce, numpy=[np.multiply.reduce, np.prod], cases=REDUCTIONS, onnx="ReduceProd"
)
@defvjp(x=pull_prod)
def prod(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product over ``axis``; its gradient is right where elements are 0, too.

    >>> prod(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([3., 8.])
    """


def _shifted(x: Array, axis: Axis) -> tuple[Array, Array]:
    """``exp(x - max)`` and the maximum, where an infinite maximum is taken as 0."""
    top = np.maximum.reduce(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    return np.exp(x - top), top


def pull_logsumexp(g: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """``g * softmax(x)``, computed from ``x - max`` so that large logits lose no digits."""
    if not x.size:  # nothing has no maximum
        return x * 0.0
    top = stop_gradient(np.max(x, axis=axis, keepdims=True))
    weights = np.exp(x - np.where(np.isfinite(top), top, 0.0))
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


@primitive(np.sort, cases=[case(5), case(3, 4, axis=0), case(3, 4, axis=None)])
@defvjp(x=lambda g, x, axis: unsort(g, x, axis))
def sort(x: Array, /, axis: int | None = -1) -> Array:
    """Elements in ascending order along ``axis`` (None sorts the flattened array).

    >>> sort(np.array([3.0, 1.0, 2.0]))
    array([1., 2., 3.])
    """


def unsort(g: Array, x: Array, axis: int | None) -> Array:
    """Send the cotangent of each sorted element back to where the element was."""
    if axis is None:
        return np.reshape(unsort(g, np.reshape(x, -1), -1), x.shape)
    return np.take_along_axis(g, np.argsort(np.argsort(x, axis=axis), axis=axis), axis=axis)


@primitive(np.argsort, cases=[case(5), case(3, 4, axis=0)])
def argsort(x: Array, /, axis: int | None = -1) -> Array:
    """Indices that sort ``x`` along ``axis``.

    >>> argsort(np.array([3.0, 1.0, 2.0]))
    array([1, 2, 0])
    """


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
