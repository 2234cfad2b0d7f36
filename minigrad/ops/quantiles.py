"""Medians and quantiles: what stands at a place, or between two, of the sorted array.

The cotangent goes to the elements that stand there: one, or the two that are interpolated between.
Where elements tie, sorting says which of them stands there.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.ops.index import beside, everything, plain_index
from minigrad.ops.shape import operand, place_of
from minigrad.primitive import Array, Axis, composition

__all__ = ["median", "nanmedian", "nanpercentile", "nanquantile", "percentile", "quantile"]


def _sorted(x: Array, axis: Axis) -> tuple[Array, tuple[int, ...]]:
    """``x`` sorted along the one leading axis that ``axis`` becomes; and the shape with them 1."""
    ndim = len(x.shape)
    if axis is None:
        return np.sort(np.reshape(x, -1)), (1,) * ndim
    axes = axis if isinstance(axis, tuple) else (axis,)
    reduced = [place_of(i, ndim) for i in axes]
    if len(set(reduced)) != len(reduced):
        raise ValueError("duplicate value in 'axis'")
    rest = [i for i in range(ndim) if i not in reduced]
    kept = tuple(1 if i in reduced else n for i, n in enumerate(x.shape))
    merged = math.prod(x.shape[i] for i in reduced)
    moved = np.transpose(x, (*reduced, *rest))
    return np.sort(np.reshape(moved, (merged, *(x.shape[i] for i in rest))), axis=0), kept


def _last_if_nan(ascending: Array, out: Array) -> Array:
    """``out``, or NaN where there is one among what was sorted: it then stands last."""
    if ascending.dtype.kind != "f" or not ascending.shape[0]:
        return out
    last = ascending[-1]
    return np.where(np.isnan(last), last, out)


@composition(np.median)
def median(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Median over ``axis``: the middle element, or the mean of the two in the middle.

    These get the cotangent; NaN among the elements gives NaN. PyTorch's ``median`` takes the lower
    of two in the middle: that is ``quantile(x, 0.5, method="lower")``.

    >>> median(np.array([[1.0, 5.0, 2.0], [4.0, 4.0, 9.0]]), axis=1)
    array([2., 4.])
    """
    ascending, kept = _sorted(operand(x), axis)
    n = ascending.shape[0]
    out = _last_if_nan(ascending, np.mean(ascending[(n - 1) // 2 if n else 0 : n // 2 + 1], axis=0))
    return np.reshape(out, kept) if keepdims else out


def _alpha_beta(alpha: float, beta: float) -> Callable[[Any, Any], Any]:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


# Where the quantile stands in the sorted array: Hyndman and Fan, "Sample Quantiles in Statistical
# Packages", 1996, as NumPy numbers from 0.
CONTINUOUS: dict[str, Callable[[Any, Any], Any]] = {
    "linear": lambda n, q: (n - 1) * q,
    "interpolated_inverted_cdf": _alpha_beta(0, 1),
    "hazen": _alpha_beta(0.5, 0.5),
    "weibull": _alpha_beta(0, 0),
    "median_unbiased": _alpha_beta(1 / 3, 1 / 3),
    "normal_unbiased": _alpha_beta(3 / 8, 3 / 8),
}


def _midpoint(n: Any, q: Any) -> Any:
    return 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q))


def _averaged(n: Any, q: Any) -> Any:
    place = n * q - 1
    return np.where(place % 1 == 0, place + 0.5, np.floor(place) + 1)


def _inverted(n: Any, q: Any) -> Any:
    return np.ceil(n * q - 1)


def _closest(n: Any, q: Any) -> Any:
    place = n * q - 1.5
    low = np.floor(place)
    return np.where((place == low) & (low % 2 == 1), low, low + 1)


STEPPED: dict[str, Callable[[Any, Any], Any]] = {
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.around((n - 1) * q),
    "midpoint": _midpoint,
    "inverted_cdf": _inverted,
    "averaged_inverted_cdf": _averaged,
    "closest_observation": _closest,
}


def _place(method: str, n: Any, q: Any) -> Array:
    """Place of the quantiles ``q`` among ``n`` sorted elements, within ``0 .. n - 1``."""
    if method in STEPPED:
        place = STEPPED[method](n, plain_index(q))
    elif method in CONTINUOUS:
        place = CONTINUOUS[method](n, q)
    else:
        known = ", ".join([*CONTINUOUS, *STEPPED])
        raise ValueError(f"quantile: no method {method!r}; there are {known}")
    return np.clip(place, 0, n - 1)


def _asked(q: Any, x: Array, what: str, most: float) -> tuple[Any, bool]:
    """The quantiles as a Tensor or array, checked; and whether it is a number without a dtype."""
    weak = isinstance(q, int | float)
    values = operand(plain_index(q))
    if values.ndim > 1:
        raise ValueError(f"{what}: q is a number or has one axis, not shape {values.shape}")
    known = everything(values)
    if not (np.all(known >= 0) and np.all(known <= most)):
        raise ValueError(f"{what}: q lies in [0, {most:g}]")
    if x.dtype.kind not in "fiu":
        raise TypeError(f"{what}: x must hold real numbers, not {x.dtype}")
    return (values if weak or not hasattr(q, "dtype") else q), weak


WITHIN = frozenset({*CONTINUOUS, "midpoint", "averaged_inverted_cdf"})  # between two elements


def _interpolates(method: str, place: Array) -> bool:
    """Whether NumPy interpolates; linearly it does not where ``q`` is a whole number, 0 or 1."""
    return method in WITHIN and (method != "linear" or place.dtype.kind == "f")


def _between(low: Array, high: Array, weight: Array, weak: bool, dtype: np.dtype[Any]) -> Array:
    """``low + (high - low) * weight``, from the nearer end as NumPy computes it."""
    if weak and dtype.kind == "f":
        weight = weight.astype(dtype)
    step = high - low
    upper = np.greater_equal(plain_index(weight), 0.5)
    return np.where(upper, high - step * (1 - weight), low + step * weight)


@composition(np.quantile)
def quantile(
    x: Array, q: Array, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """Quantiles ``q`` (between 0 and 1) over ``axis``; the axis of ``q`` comes first.

    ``method`` is one of NumPy's thirteen. The two elements that a quantile lies between share the
    cotangent as they are weighed. ``q`` gets a gradient, too, from the methods that interpolate:
    the slope on its right where it falls on an element, and 0 at the ends. NaN gives NaN.

    Raises:
        ValueError: If ``q`` lies outside of 0 .. 1 or there is no such method.

    >>> float(quantile(np.array([1.0, 2.0, 4.0]), 0.75))
    3.0
    """
    x = operand(x)
    q, weak = _asked(q, x, "quantile", 1)
    return _quantile(x, q, weak, axis, method, keepdims)


def _quantile(x: Array, q: Any, weak: bool, axis: Axis, method: str, keepdims: bool) -> Array:
    ascending, kept = _sorted(x, axis)
    n = ascending.shape[0]
    if not n:
        raise IndexError(f"quantile of no elements: shape {x.shape}, axis {axis}")
    place = _place(method, n, q)
    low = np.floor(plain_index(place)).astype(int)
    high = np.minimum(low + 1, n - 1)
    ascending = beside(ascending, low)
    out = ascending[low]
    if _interpolates(method, place):
        weight = np.reshape(
            place - low.astype(place.dtype), (*low.shape, *(1,) * (len(ascending.shape) - 1))
        )
        out = _between(out, ascending[high], weight, weak, x.dtype)
    out = _last_if_nan(ascending, out)
    return np.reshape(out, (*low.shape, *kept)) if keepdims else out


@composition(np.percentile)
def percentile(
    x: Array, q: Array, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """Percentiles: ``quantile`` with ``q`` between 0 and 100.

    >>> float(percentile(np.array([1.0, 2.0, 4.0]), 75))
    3.0
    """
    x = operand(x)
    q, weak = _asked(q, x, "percentile", 100)
    return _quantile(x, np.true_divide(q, 100), weak, axis, method, keepdims)


def _present(ascending: Array) -> Array:
    """How many elements are not NaN, with NumPy's warning where there is none."""
    count = np.add.reduce(np.logical_not(np.isnan(plain_index(ascending))), axis=0)
    if not np.all(everything(count)):
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=3)
    return count


@composition(np.nanmedian)
def nanmedian(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Median over ``axis`` of the elements that are not NaN; NaN where there are none.

    PyTorch's ``nanmedian`` takes the lower of two in the middle.

    >>> nanmedian(np.array([1.0, np.nan, 5.0, 2.0]))
    np.float64(2.0)
    """
    x = operand(x)
    if x.dtype.kind != "f":
        return median(x, axis, keepdims)
    ascending, kept = _sorted(x, axis)
    if not ascending.shape[0]:
        return np.mean(x, axis=axis, keepdims=keepdims)  # NaN, with NumPy's warning
    count = np.maximum(_present(ascending), 1)[None]
    low = np.take_along_axis(ascending, (count - 1) // 2, axis=0)[0]
    high = np.take_along_axis(ascending, count // 2, axis=0)[0]
    out = low * 0.5 + high * 0.5  # halves do not overflow where a sum would
    return np.reshape(out, kept) if keepdims else out


@composition(np.nanquantile)
def nanquantile(
    x: Array, q: Array, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """Quantiles over ``axis`` of the elements that are not NaN; NaN where there are none.

    >>> float(nanquantile(np.array([1.0, np.nan, 2.0, 4.0]), 0.75))
    3.0
    """
    x = operand(x)
    q, weak = _asked(q, x, "nanquantile", 1)
    return _nanquantile(x, q, weak, axis, method, keepdims)


def _nanquantile(x: Array, q: Any, weak: bool, axis: Axis, method: str, keepdims: bool) -> Array:
    if x.dtype.kind != "f":
        return _quantile(x, q, weak, axis, method, keepdims)
    ascending, kept = _sorted(x, axis)
    count = np.maximum(_present(ascending), 1)
    wide = np.reshape(q, (-1, *(1,) * count.ndim))
    exact = count.astype(wide.dtype) if wide.dtype.kind == "f" else count
    place = _place(method, exact, wide)
    low = np.floor(plain_index(place)).astype(int)
    high = np.minimum(low + 1, count - 1)
    out = np.take_along_axis(ascending, low, axis=0)
    if _interpolates(method, place):
        above = np.take_along_axis(ascending, high, axis=0)
        out = _between(out, above, place - low.astype(place.dtype), weak, x.dtype)
    return np.reshape(out, (*np.shape(q), *(kept if keepdims else count.shape)))


@composition(np.nanpercentile)
def nanpercentile(
    x: Array, q: Array, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """Percentiles over ``axis`` of the elements that are not NaN; NaN where there are none.

    >>> float(nanpercentile(np.array([1.0, np.nan, 2.0, 4.0]), 75))
    3.0
    """
    x = operand(x)
    q, weak = _asked(q, x, "nanpercentile", 100)
    return _nanquantile(x, np.true_divide(q, 100), weak, axis, method, keepdims)
