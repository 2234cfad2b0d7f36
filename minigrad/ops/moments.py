"""Moments: mean, variance and standard deviation, and what statistics makes of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.ops.index import everything, plain_index
from minigrad.ops.reduce import REDUCTIONS, spread, sum
from minigrad.ops.shape import expand_reduced, operand
from minigrad.primitive import Array, Axis, case, composition, defvjp, primitive

__all__ = ["average", "corrcoef", "cov", "mean", "std", "var"]


_ndarray = np.ndarray
_add: Callable[..., Array] = np.add.reduce


def _count(shape: tuple[int, ...], axis: Axis) -> int:
    """Number of elements that a reduction over ``axis`` combines."""
    if axis is None or not shape:
        return math.prod(shape)
    count = 1
    for i in axis if isinstance(axis, tuple) else (axis,):
        count *= shape[i]
    return count


@primitive(numpy=[np.mean], name="mean", cases=REDUCTIONS, onnx="ReduceMean")
@defvjp(
    x=lambda g, x_shape, axis, keepdims: spread(
        g / float(_count(x_shape, axis)), x_shape, axis, keepdims
    )
)
def _mean(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean over ``axis``."""
    if not isinstance(x, _ndarray) or x.dtype.char not in "fd" or not x.size:
        return np.mean(x, axis=axis, keepdims=keepdims)
    # np.mean is a Python function four times as slow as this on small arrays.
    count = x.size if axis is None else _count(x.shape, axis)
    return _add(x, axis=axis, keepdims=keepdims) / float(count)


def _precise(x: Array, dtype: Any) -> tuple[Array, Any]:
    """``x`` in the dtype in which NumPy takes its moments, and the dtype that results."""
    x = operand(x)
    if dtype is not None:
        return np.astype(x, dtype), dtype
    if x.dtype == np.float16:
        return np.astype(x, np.float32), np.float16
    return (x, x.dtype) if x.dtype.kind in "fc" else (np.astype(x, np.float64), np.float64)


def _counted(x: Array, axis: Axis, keepdims: bool, where: Any) -> Array:
    """How many elements count, in the dtype of ``x``."""
    mask = np.broadcast_to(True if where is None else plain_index(where), x.shape)
    return operand(np.count_nonzero(mask, axis=axis, keepdims=keepdims)).astype(x.dtype)


@composition(np.mean)
def mean(
    x: Array, axis: Axis = None, keepdims: bool = False, dtype: Any = None, where: Any = None
) -> Array:
    """Mean over ``axis`` of the elements for which ``where`` holds; integers give float64.

    The mean of nothing is NaN, with NumPy's warning.

    >>> mean(np.array([[1.0, 2.0], [3.0, 6.0]]), axis=0)
    array([2., 4.])
    """
    if dtype is None and where is None:
        return _mean.apply((x,), {"axis": axis, "keepdims": keepdims})
    x, result = _precise(x, dtype)
    total = sum(x, axis, keepdims, where=where)
    return np.astype(total / _counted(x, axis, keepdims, where), result)


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


@primitive(np.var, name="var", cases=MOMENTS)
@defvjp(x=pull_var)
def _var(x: Array, /, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Array:
    """Variance over ``axis``."""


def _freedom(ddof: float, correction: float | None) -> float:
    if correction is None:
        return ddof
    if ddof:
        raise ValueError("var, std: ddof and correction are two names of one number: pass one")
    return correction


@composition(np.var)
def var(
    x: Array,
    axis: Axis = None,
    ddof: float = 0,
    keepdims: bool = False,
    dtype: Any = None,
    where: Any = None,
    mean: Any = None,
    correction: float | None = None,
) -> Array:
    """Variance over ``axis``: mean squared deviation, divided by ``n - ddof``.

    ``correction`` is another name of ``ddof``, which here is 0 by default and in PyTorch 1.
    ``where`` says which elements count, and ``mean`` is their mean where it is known already.

    >>> var(np.array([[1.0, 3.0]]), axis=1), var(np.array([[1.0, 3.0]]), axis=1, ddof=1)
    (array([1.]), array([2.]))
    """
    ddof = _freedom(ddof, correction)
    if dtype is None and where is None and mean is None:
        return _var(x, axis, ddof, keepdims)
    return _moment(x, axis, ddof, keepdims, dtype, where, mean)


def _moment(
    x: Array, axis: Axis, ddof: float, keepdims: bool, dtype: Any, where: Any, centre: Any
) -> Array:
    x, result = _precise(x, dtype)
    if centre is None:
        centre = sum(x, axis, True, where=where) / _counted(x, axis, True, where)
    degrees = np.maximum(_counted(x, axis, keepdims, where) - ddof, 0)
    return np.astype(sum(np.square(x - centre), axis, keepdims, where=where) / degrees, result)


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


@primitive(np.std, name="std", cases=MOMENTS)
@defvjp(x=pull_std)
def _std(x: Array, /, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Array:
    """Standard deviation over ``axis``."""


@composition(np.std)
def std(
    x: Array,
    axis: Axis = None,
    ddof: float = 0,
    keepdims: bool = False,
    dtype: Any = None,
    where: Any = None,
    mean: Any = None,
    correction: float | None = None,
) -> Array:
    """Standard deviation over ``axis``; its gradient is 0 where all elements are equal.

    The parameters are those of ``var``: here ``ddof`` is 0 by default, in PyTorch it is 1.

    >>> std(np.array([[1.0, 3.0]]), axis=1)
    array([1.])
    """
    ddof = _freedom(ddof, correction)
    if dtype is None and where is None and mean is None:
        return _std(x, axis, ddof, keepdims)
    return root(_moment(x, axis, ddof, keepdims, dtype, where, mean))


def root(variance: Array) -> Array:
    """Square root whose gradient at 0 is 0."""
    flat = np.equal(variance, 0)
    return np.where(flat, 0, np.sqrt(np.where(flat, 1, variance)))


@composition(np.average)
def average(
    x: Array,
    axis: Axis = None,
    weights: Array | None = None,
    returned: bool = False,
    keepdims: bool = False,
) -> Array:
    """Weighted mean over ``axis``: ``sum(weights * x) / sum(weights)``.

    ``weights`` have the shape of ``x``, or one length for each of the axes; both get gradients.
    With ``returned``, the sum of the weights comes along.

    Raises:
        ZeroDivisionError: If weights sum to 0.

    >>> average(np.array([1.0, 2.0, 4.0]), weights=np.array([1.0, 1.0, 2.0]))
    np.float64(2.75)
    """
    x = operand(x)
    if weights is None:
        out = mean(x, axis, keepdims)
        scale = out * 0 + float(_count(x.shape, axis))
        return (out, scale) if returned else out
    weights = _aligned(operand(weights), x.shape, axis)
    integers = x.dtype.kind in "biu" and weights.dtype.kind in "biu"
    dtype = np.result_type(x.dtype, weights.dtype, *([np.float64] if integers else []))
    weights = np.astype(weights, dtype)
    scale = sum(weights, axis, keepdims)
    if np.any(everything(scale) == 0.0):
        raise ZeroDivisionError("average: weights sum to zero, so they can't be normalised")
    out = sum(np.astype(x, dtype) * weights, axis, keepdims) / scale
    return (out, np.broadcast_to(scale, out.shape)) if returned else out


def _aligned(weights: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """Weights in the shape of what they weigh, where they are given for ``axis`` only."""
    if weights.shape == shape:
        return weights
    if axis is None:
        raise TypeError(
            f"average: weights of shape {weights.shape} for {shape} need an axis to lie along"
        )
    axes = tuple(i % len(shape) for i in (axis if isinstance(axis, tuple) else (axis,)))
    if weights.shape != tuple(shape[i] for i in axes):
        raise ValueError(
            f"average: weights of shape {weights.shape} do not fit axis {axis} of {shape}"
        )
    weights = np.transpose(weights, tuple(int(i) for i in np.argsort(axes)))
    weights = np.reshape(weights, tuple(n if i in axes else 1 for i, n in enumerate(shape)))
    return np.broadcast_to(weights, shape)


def _rows(m: Array, rowvar: bool) -> Array:
    """Observations as a matrix with a row for each variable."""
    m = operand(m)
    if len(m.shape) > 2:
        raise ValueError(f"cov: m has one axis or two, not shape {m.shape}")
    m = np.reshape(m, (1, -1)) if len(m.shape) < 2 else m
    return m if rowvar or m.shape[0] == 1 else np.transpose(m)


@composition(np.cov)
def cov(
    m: Array,
    y: Array | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Array | None = None,
    aweights: Array | None = None,
    dtype: Any = None,
) -> Array:
    """Covariance matrix of the rows of ``m`` (and of ``y``), each a variable.

    Divided by ``n - 1``, by ``n`` with ``bias``, or by ``n - ddof``. ``fweights`` are whole numbers
    that repeat an observation; ``aweights`` weigh it and get gradients.

    >>> cov(np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    ddof = (0 if bias else 1) if ddof is None else ddof
    x = _rows(m, rowvar)
    if y is not None:
        x = np.concatenate([x, _rows(y, rowvar)], axis=0)
    x = np.astype(x, dtype or np.result_type(x.dtype, np.float64))
    weights: Any = None
    if fweights is not None:
        weights = plain_index(operand(fweights)).astype(np.float64)
    if aweights is not None:
        weights = operand(aweights) if weights is None else weights * operand(aweights)
    if weights is None:
        centred, total = x - mean(x, 1, True), float(x.shape[1])
    else:
        total = sum(weights)
        centred = x - sum(x * weights, 1, True) / total
    factor: Any = total - ddof
    if aweights is not None and ddof:
        factor = total - ddof * sum(weights * operand(aweights)) / total
    few = everything(factor) <= 0
    if few.any() if hasattr(few, "any") else few:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        factor = np.where(np.less_equal(plain_index(factor), 0), factor * 0.0, factor)
    weighed = centred if weights is None else centred * weights
    # Multiplied by the reciprocal, as NumPy does.
    product = np.matmul(weighed, np.transpose(centred)) * np.divide(1.0, factor)
    return np.reshape(product, ()) if product.shape == (1, 1) else product


@composition(np.corrcoef)
def corrcoef(x: Array, y: Array | None = None, rowvar: bool = True, dtype: Any = None) -> Array:
    """Correlation coefficients of the rows of ``x`` (and of ``y``), each a variable.

    Clipped to ``-1 .. 1`` as in NumPy, where rounding would leave it.

    >>> corrcoef(np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.shape:
        return c / c
    deviation = np.sqrt(np.diagonal(c))
    out = c / deviation[:, None] / deviation[None, :]
    return np.clip(out, -1, 1)
