"""Reductions that leave NaN out: it counts as nothing and gets no cotangent."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from minigrad.ops.cumulative import cumprod, cumsum
from minigrad.ops.index import everything, plain_index
from minigrad.ops.moments import root
from minigrad.ops.reduce import max, min, prod, sum
from minigrad.ops.shape import operand
from minigrad.primitive import Array, Axis, case, composition, primitive

__all__ = [
    "nanargmax",
    "nanargmin",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]


def _without(x: Array, fill: float) -> tuple[Array, Array]:
    """``x`` with ``fill`` in the place of NaN; and where there was something else."""
    x = operand(x)
    if x.dtype.kind != "f":
        return x, np.ones(x.shape, bool)
    missing = np.isnan(plain_index(x))
    return np.where(missing, fill, x), np.logical_not(missing)


@composition(np.nansum)
def nansum(
    x: Array,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: Any = None,
    initial: Any = None,
    where: Any = None,
) -> Array:
    """Sum over ``axis`` of the elements that are not NaN; 0 where there are none.

    >>> nansum(np.array([1.0, np.nan, 2.0]))
    np.float64(3.0)
    """
    return sum(_without(x, 0.0)[0], axis, keepdims, dtype, initial, where)


@composition(np.nanprod)
def nanprod(
    x: Array,
    axis: Axis = None,
    keepdims: bool = False,
    dtype: Any = None,
    initial: Any = None,
    where: Any = None,
) -> Array:
    """Product over ``axis`` of the elements that are not NaN; 1 where there are none.

    >>> nanprod(np.array([3.0, np.nan, 2.0]))
    np.float64(6.0)
    """
    return prod(_without(x, 1.0)[0], axis, keepdims, dtype, initial, where)


@composition(np.nancumsum)
def nancumsum(x: Array, axis: int | None = None, dtype: Any = None) -> Array:
    """Running sum along ``axis``, to which NaN adds nothing.

    >>> nancumsum(np.array([1.0, np.nan, 2.0]))
    array([1., 1., 3.])
    """
    return cumsum(_without(x, 0.0)[0], axis, dtype)


@composition(np.nancumprod)
def nancumprod(x: Array, axis: int | None = None, dtype: Any = None) -> Array:
    """Running product along ``axis``, which NaN leaves as it is.

    >>> nancumprod(np.array([3.0, np.nan, 2.0]))
    array([3., 3., 6.])
    """
    return cumprod(_without(x, 1.0)[0], axis, dtype)


def _unless_none(out: Array, there: Array, axis: Axis, keepdims: bool) -> Array:
    """NaN, with NumPy's warning, where no element was there."""
    some = np.any(there, axis=axis, keepdims=keepdims)
    if np.all(everything(some)):
        return out
    warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=3)
    return np.where(some, out, np.nan)


@composition(np.nanmax)
def nanmax(
    x: Array, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """Largest element along ``axis`` that is not NaN; those that tie share the cotangent.

    NaN where there are none, with a warning.

    >>> nanmax(np.array([1.0, np.nan, 2.0]))
    np.float64(2.0)
    """
    filled, there = _without(x, -np.inf)
    out = max(filled, axis, keepdims, initial, where)
    return out if initial is not None else _unless_none(out, there, axis, keepdims)


@composition(np.nanmin)
def nanmin(
    x: Array, axis: Axis = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """Smallest element along ``axis`` that is not NaN; those that tie share the cotangent.

    NaN where there are none, with a warning.

    >>> nanmin(np.array([1.0, np.nan, 2.0]))
    np.float64(1.0)
    """
    filled, there = _without(x, np.inf)
    out = min(filled, axis, keepdims, initial, where)
    return out if initial is not None else _unless_none(out, there, axis, keepdims)


def _both(there: Array, where: Any) -> Array:
    return there if where is None else np.logical_and(there, plain_index(where))


@composition(np.nanmean)
def nanmean(
    x: Array, axis: Axis = None, keepdims: bool = False, dtype: Any = None, where: Any = None
) -> Array:
    """Mean over ``axis`` of the elements that are not NaN; NaN where there are none.

    >>> nanmean(np.array([1.0, np.nan, 2.0]))
    np.float64(1.5)
    """
    filled, there = _without(x, 0.0)
    counts = _both(there, where)
    empty = np.count_nonzero(counts, axis=axis, keepdims=keepdims) == 0
    if np.any(everything(empty)):
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=2)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, as the warning has said
        return np.mean(filled, axis=axis, keepdims=keepdims, dtype=dtype, where=counts)


@composition(np.nanvar)
def nanvar(
    x: Array,
    axis: Axis = None,
    ddof: float = 0,
    keepdims: bool = False,
    dtype: Any = None,
    where: Any = None,
    correction: float | None = None,
) -> Array:
    """Variance over ``axis`` of the elements that are not NaN, divided by their number - ``ddof``.

    NaN where they are too few. ``correction`` is another name of ``ddof``.

    >>> nanvar(np.array([1.0, np.nan, 3.0]))
    np.float64(1.0)
    """
    ddof = ddof if correction is None else correction
    filled, there = _without(x, 0.0)
    counts = _both(there, where)
    few = np.count_nonzero(counts, axis=axis, keepdims=keepdims) <= ddof
    some = np.any(everything(few))
    if some:
        warnings.warn("Degrees of freedom <= 0 for slice.", RuntimeWarning, stacklevel=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.var(filled, axis=axis, ddof=ddof, keepdims=keepdims, dtype=dtype, where=counts)
    return np.where(few, np.nan, out) if some else out


@composition(np.nanstd)
def nanstd(
    x: Array,
    axis: Axis = None,
    ddof: float = 0,
    keepdims: bool = False,
    dtype: Any = None,
    where: Any = None,
    correction: float | None = None,
) -> Array:
    """Standard deviation over ``axis`` of the elements that are not NaN; gradient 0 where it is 0.

    The parameters are those of ``nanvar``.

    >>> float(nanstd(np.array([1.0, np.nan, 3.0])))
    1.0
    """
    return root(nanvar(x, axis, ddof, keepdims, dtype, where, correction))


@primitive(np.nanargmax, cases=[case(5), case(3, 4, axis=0), case(3, 4, axis=1, keepdims=True)])
def nanargmax(x: Array, /, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the largest element along ``axis`` that is not NaN; the first where several tie.

    Raises:
        ValueError: If all elements are NaN.

    >>> nanargmax(np.array([1.0, np.nan, 2.0]))
    np.int64(2)
    """


@primitive(np.nanargmin, cases=[case(5), case(3, 4, axis=0), case(3, 4, axis=1, keepdims=True)])
def nanargmin(x: Array, /, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the smallest element along ``axis`` that is not NaN; the first where several tie.

    Raises:
        ValueError: If all elements are NaN.

    >>> nanargmin(np.array([1.0, np.nan, 2.0]))
    np.int64(0)
    """
