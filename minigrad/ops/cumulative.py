"""Running sums, products and extrema along an axis, and the linear recurrence that pulls them back.

What a cumulative product or logarithm hands back to its elements obeys
``s[i] = a[i] * s[i - 1] + b[i]``, read from the end. That recurrence divides by nothing, so zeros
are no special case, and it is its own gradient: every order is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops.shape import operand
from minigrad.primitive import Array, Primitive, case, composition, defvjp, primitive

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "linear_recurrence",
    "logcumsumexp",
]

NARROW = 16  # recurrences side by side, below which Python's floats are faster than NumPy's loop


def _along(x: Array, axis: int, part: slice) -> Array:
    return x[(slice(None),) * (axis % len(x.shape)) + (part,)]


def shifted(x: Array, axis: int, fill: float, later: bool) -> Array:
    """Each element's predecessor along an axis, or with ``later`` its successor."""
    if not x.shape[axis]:
        return x
    edge = np.full_like(_along(x, axis, slice(1)), fill)
    if later:
        return np.concatenate([_along(x, axis, slice(1, None)), edge], axis=axis)
    return np.concatenate([edge, _along(x, axis, slice(-1))], axis=axis)


def pull_terms(g: Array, a: Array, axis: int, reverse: bool) -> Array:
    """What each term contributes to all of the results from its own on."""
    return linear_recurrence(shifted(a, axis, 0.0, not reverse), g, axis, not reverse)


def pull_factors(g: Array, a: Array, out: Array, axis: int, reverse: bool) -> Array:
    """The result that a factor scales, times what its own result contributes."""
    return pull_terms(g, a, axis, reverse) * shifted(out, axis, 0.0, reverse)


@primitive(
    cases=[
        case((5,), (5,)),
        case((3, 2), (3, 2), axis=0, reverse=True),
        case((2, 17), (2, 17), axis=0),
    ]
)
@defvjp(a=pull_factors, b=pull_terms)
def linear_recurrence(a: Array, b: Array, /, axis: int = -1, reverse: bool = False) -> Array:
    """``s[i] = a[i] * s[i - 1] + b[i]`` along ``axis``, from ``s[0] = b[0]``.

    ``a`` and ``b`` have one shape; ``a[0]`` is not used and has gradient 0. With ``reverse`` the
    recurrence runs from the last element to the first. A geometric moving average and the states of
    a linear state-space model are such recurrences.

    >>> linear_recurrence(np.array([2.0, 2.0, 2.0]), np.array([1.0, 0.0, 1.0]))
    array([1., 2., 5.])
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        raise ValueError(f"linear_recurrence: a {a.shape} and b {b.shape} must have one shape")
    out = np.empty(b.shape, np.result_type(a, b))
    steps = slice(None, None, -1) if reverse else slice(None)
    factors, terms, states = (np.moveaxis(x, axis, 0)[steps] for x in (a, b, out))
    n, width = b.shape[axis], b.size // max(b.shape[axis], 1)
    if not b.size:
        return out
    if width < NARROW and out.dtype.kind == "f":
        rows = (np.reshape(x, (n, width)).T.tolist() for x in (factors, terms))
        scanned = []
        for factor_row, term_row in zip(*rows, strict=True):
            state = 0.0
            row: list[float] = []
            for factor, term in zip(factor_row, term_row, strict=True):
                state = factor * state + term if row else term
                row.append(state)
            scanned.append(row)
        with np.errstate(over="ignore"):
            states[...] = np.reshape(np.array(scanned).T, states.shape)
        return out
    states[0] = terms[0]
    for i in range(1, n):
        np.multiply(factors[i], states[i - 1], out=states[i, ...])
        states[i] += terms[i]
    return out


@primitive(np.cumsum, numpy=[], name="cumsum", cases=[case(5, axis=0), case(2, 3, axis=-1)])
@defvjp(x=lambda g, axis: np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis))
def _cumsum(x: Array, /, axis: int) -> Array:
    """Running sum along ``axis``."""


def pull_cumprod(g: Array, x: Array, out: Array, axis: int) -> Array:
    """Product of all before an element, times what the element's own factor scales after it."""
    after = linear_recurrence(shifted(x, axis, 0.0, True), g, axis, True)
    return shifted(out, axis, 1.0, False) * after


@primitive(np.cumprod, numpy=[], name="cumprod", cases=[case(5, axis=0), case(2, 3, axis=-1)])
@defvjp(x=pull_cumprod)
def _cumprod(x: Array, /, axis: int) -> Array:
    """Running product along ``axis``."""


def pull_cumulative_extremum(g: Array, x: Array, out: Array, axis: int) -> Array:
    """Each result's cotangent, in equal parts, to the elements so far that reach it."""
    equal = np.equal(x, out).astype(g.dtype)
    before = shifted(out, axis, 0.0, False)
    goes_on = np.equal(out, before).astype(g.dtype)  # 0 where a new extremum is reached
    ties = np.maximum(linear_recurrence(goes_on, equal, axis), 1.0)
    return equal * linear_recurrence(shifted(goes_on, axis, 0.0, True), g / ties, axis, True)


@primitive(
    lambda x, axis: np.maximum.accumulate(x, axis=axis),
    numpy=[],
    name="cummax",
    cases=[case(5, axis=0), case(2, 3, axis=-1)],
)
@defvjp(x=pull_cumulative_extremum)
def _cummax(x: Array, /, axis: int) -> Array:
    """Largest element so far along ``axis``."""


@primitive(
    lambda x, axis: np.minimum.accumulate(x, axis=axis),
    numpy=[],
    name="cummin",
    cases=[case(5, axis=0), case(2, 3, axis=-1)],
)
@defvjp(x=pull_cumulative_extremum)
def _cummin(x: Array, /, axis: int) -> Array:
    """Smallest element so far along ``axis``."""


def pull_logcumsumexp(g: Array, x: Array, out: Array, axis: int) -> Array:
    """Each result's cotangent times the softmax of the elements so far; no factor exceeds 1."""
    top = np.where(np.isfinite(out), out, 0.0)
    remains = np.exp(out - shifted(top, axis, np.inf, True))
    return np.exp(x - top) * linear_recurrence(remains, g, axis, True)


@primitive(
    lambda x, axis: np.logaddexp.accumulate(x, axis=axis),
    numpy=[],
    name="logcumsumexp",
    cases=[case(5, axis=0), case(2, 3, axis=-1)],
)
@defvjp(x=pull_logcumsumexp)
def _logcumsumexp(x: Array, /, axis: int) -> Array:
    """Running logarithm of a sum of exponentials along ``axis``."""


def _flat(x: Array, axis: int | None) -> tuple[Array, int]:
    """``x`` and the axis to run along: NumPy flattens without one, and gives a scalar one."""
    x = operand(x)
    if axis is None or (not x.shape and axis in (0, -1)):
        return np.reshape(x, -1), 0
    return x, axis


def _run(op: Primitive[...], x: Array, axis: int | None, dtype: Any = None) -> Array:
    x, axis = _flat(x, axis)
    return op(x if dtype is None or x.dtype == dtype else np.astype(x, dtype), axis)


@composition(np.cumsum)
def cumsum(x: Array, axis: int | None = None, dtype: Any = None) -> Array:
    """Running sum along ``axis``; without one, of the flattened array.

    >>> cumsum(np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    """
    return _run(_cumsum, x, axis, dtype)


@composition(np.cumprod)
def cumprod(x: Array, axis: int | None = None, dtype: Any = None) -> Array:
    """Running product along ``axis``; without one, of the flattened array.

    Gradients of any order are exact where elements are 0, too.

    >>> cumprod(np.array([1.0, 2.0, 3.0]))
    array([1., 2., 6.])
    """
    return _run(_cumprod, x, axis, dtype)


def cummax(x: Array, axis: int | None = None) -> Array:
    """Largest element so far along ``axis``: ``np.maximum.accumulate``, of tensors too.

    The elements so far that tie share the cotangent of a result equally; a NaN stays from where it
    stands on, and nothing passes it. PyTorch's ``cummax`` returns the indices, too.

    >>> cummax(np.array([1.0, 3.0, 2.0]))
    array([1., 3., 3.])
    """
    return _run(_cummax, x, axis)


def cummin(x: Array, axis: int | None = None) -> Array:
    """Smallest element so far along ``axis``: ``np.minimum.accumulate``, of tensors too.

    The elements so far that tie share the cotangent of a result equally; a NaN stays from where it
    stands on, and nothing passes it. PyTorch's ``cummin`` returns the indices, too.

    >>> cummin(np.array([2.0, 3.0, 1.0]))
    array([2., 2., 1.])
    """
    return _run(_cummin, x, axis)


def logcumsumexp(x: Array, axis: int | None = None) -> Array:
    """``log(cumsum(exp(x)))`` along ``axis`` without overflow: ``np.logaddexp.accumulate``.

    Where all elements so far are -inf, so is the result, and its gradient is 0. JAX calls it
    ``cumlogsumexp``. PyTorch calls it ``logcumsumexp``.

    >>> logcumsumexp(np.array([1e4, 1e4])) - 1e4
    array([0.        , 0.69314718])
    """
    x, axis = _flat(x, axis)
    if x.dtype.kind != "f":
        x = np.astype(x, np.logaddexp(x.dtype.type(0), x.dtype.type(0)).dtype)
    return _logcumsumexp(x, axis)


def _including(out: Array, x: Array, axis: int | None, identity: int, include: bool) -> Array:
    if len(np.shape(x)) > 1 and axis is None:
        raise ValueError("cumulative_sum, cumulative_prod: pass an axis for more than one")
    if not include:
        return out
    axis = axis or 0
    edge = [1 if i == axis % len(out.shape) else n for i, n in enumerate(out.shape)]
    return np.concatenate([np.full(edge, identity, out.dtype), out], axis=axis)


def cumulative_sum(
    x: Array, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Array:
    """Running sum along ``axis``, which starts with a 0 if that is to be included.

    >>> cumulative_sum(np.array([1.0, 2.0]), include_initial=True)
    array([0., 1., 3.])
    """
    return _including(cumsum(x, axis, dtype), x, axis, 0, include_initial)


def cumulative_prod(
    x: Array, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Array:
    """Running product along ``axis``, which starts with a 1 if that is to be included.

    >>> cumulative_prod(np.array([2.0, 3.0]), include_initial=True)
    array([1., 2., 6.])
    """
    return _including(cumprod(x, axis, dtype), x, axis, 1, include_initial)


# ``accumulate`` runs along axis 0 unless told otherwise.


@composition(np.add.accumulate)
def _accumulated_sum(x: Array, axis: int = 0, dtype: Any = None) -> Array:
    return cumsum(x, axis, dtype)


@composition(np.multiply.accumulate)
def _accumulated_product(x: Array, axis: int = 0, dtype: Any = None) -> Array:
    return cumprod(x, axis, dtype)


@composition(np.maximum.accumulate)
def _accumulated_maximum(x: Array, axis: int = 0) -> Array:
    return cummax(x, axis)


@composition(np.minimum.accumulate)
def _accumulated_minimum(x: Array, axis: int = 0) -> Array:
    return cummin(x, axis)


@composition(np.logaddexp.accumulate)
def _accumulated_logaddexp(x: Array, axis: int = 0) -> Array:
    return logcumsumexp(x, axis)


if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
    composition(np.cumulative_sum)(cumulative_sum)
    composition(np.cumulative_prod)(cumulative_prod)
