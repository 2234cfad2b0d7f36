"""Functions known at samples: differences, integrals, interpolation, convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from minigrad.ops.index import beside, plain_index
from minigrad.ops.shape import operand, place_of
from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__ = ["convolve", "correlate", "diff", "ediff1d", "gradient", "interp", "trapezoid"]


def _part(x: Array, axis: int, *part: Any) -> Array:
    return x[(slice(None),) * place_of(axis, len(x.shape)) + (slice(*part),)]


@composition(np.diff)
def diff(
    x: Array, n: int = 1, axis: int = -1, prepend: Array | None = None, append: Array | None = None
) -> Array:
    """Differences of neighbours along ``axis``, ``x[i + 1] - x[i]``, taken ``n`` times.

    >>> diff(np.array([1.0, 4.0, 9.0]))
    array([3., 5.])
    """
    x = operand(x)
    if n < 0:
        raise ValueError(f"diff: order n must not be negative, not {n}")
    if not n:
        return x
    if not x.shape:
        raise ValueError("diff: x must have at least one axis")
    axis = place_of(axis, len(x.shape))
    if prepend is not None or append is not None:
        edge = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
        before, after = (
            [] if end is None else [np.broadcast_to(end, edge) if not np.shape(end) else end]
            for end in (prepend, append)
        )
        x = np.concatenate([*before, x, *after], axis=axis)
    minus = np.not_equal if x.dtype == bool else np.subtract
    for _ in range(n):
        x = minus(_part(x, axis, 1, None), _part(x, axis, None, -1))
    return x


@composition(np.ediff1d)
def ediff1d(x: Array, to_end: Array | None = None, to_begin: Array | None = None) -> Array:
    """Differences of neighbours in the flattened ``x``, between ``to_begin`` and ``to_end``.

    >>> ediff1d(np.array([1.0, 4.0, 9.0]), to_begin=np.array([0.0]))
    array([0., 3., 5.])
    """
    x = np.reshape(x, -1)
    parts = [to_begin, x[1:] - x[:-1], to_end]
    parts = [np.reshape(operand(p), -1) for p in parts if p is not None]
    return np.concatenate([np.astype(p, x.dtype) for p in parts]) if len(parts) > 1 else parts[0]


def _spacing(spacing: Sequence[Any], shape: tuple[int, ...], axes: Sequence[int]) -> list[Any]:
    """For each axis the distance of samples: one number, or the steps between them."""
    given = list(spacing) or [1.0]
    if len(given) == 1 and not np.ndim(given[0]):
        given *= len(axes)
    if len(given) != len(axes):
        raise TypeError(f"gradient: {len(given)} spacings for {len(axes)} axes")
    steps = []
    for value, axis in zip(given, axes, strict=True):
        if not np.ndim(value):
            steps.append(value)
            continue
        if np.shape(value) != (shape[axis],):
            raise ValueError(
                f"gradient: coordinates of shape {np.shape(value)} for axis {axis} of {shape}"
            )
        step = np.diff(value)
        if step.dtype.kind in "biu":
            step = np.astype(step, np.float64)
        constant = isinstance(step, np.ndarray) and np.all(step == step[0])
        steps.append(step[0] if constant else step)
    return steps


def _uniform(f: Array, axis: int, step: Any, edge_order: int) -> list[Array]:
    """Derivatives at the first sample, in the interior, and at the last."""

    def at(i: int) -> Array:
        return _part(f, axis, i, i + 1 if i != -1 else None)

    inner = (_part(f, axis, 2, None) - _part(f, axis, None, -2)) / (2.0 * step)
    if edge_order == 1:
        return [(at(1) - at(0)) / step, inner, (at(-1) - at(-2)) / step]
    a, b, c = -1.5 / step, 2.0 / step, -0.5 / step
    first = a * at(0) + b * at(1) + c * at(2)
    a, b, c = 0.5 / step, -2.0 / step, 1.5 / step
    return [first, inner, a * at(-3) + b * at(-2) + c * at(-1)]


def _uneven(f: Array, axis: int, steps: Array, edge_order: int) -> list[Array]:
    """The same where samples are not equally far apart: second order in the distances."""

    def at(i: int) -> Array:
        return _part(f, axis, i, i + 1 if i != -1 else None)

    wide = (-1,) + (1,) * (len(f.shape) - 1 - axis % len(f.shape))
    h, k = np.reshape(steps[:-1], wide), np.reshape(steps[1:], wide)
    inner = (
        -k / (h * (h + k)) * _part(f, axis, None, -2)
        + (k - h) / (h * k) * _part(f, axis, 1, -1)
        + h / (k * (h + k)) * _part(f, axis, 2, None)
    )
    if edge_order == 1:
        return [(at(1) - at(0)) / steps[0], inner, (at(-1) - at(-2)) / steps[-1]]
    h, k = steps[0], steps[1]
    first = (
        -(2.0 * h + k) / (h * (h + k)) * at(0)
        + (h + k) / (h * k) * at(1)
        - h / (k * (h + k)) * at(2)
    )
    h, k = steps[-2], steps[-1]
    last = (
        k / (h * (h + k)) * at(-3)
        - (k + h) / (h * k) * at(-2)
        + (2.0 * k + h) / (k * (h + k)) * at(-1)
    )
    return [first, inner, last]


@composition(np.gradient)
def gradient(
    f: Array, *varargs: Any, axis: int | tuple[int, ...] | None = None, edge_order: int = 1
) -> Any:
    """Derivative of the samples ``f`` along each axis by central differences, at ends one-sided.

    ``varargs`` are the distances of the samples, or their coordinates, for each axis; they get
    gradients, too. For one axis an array, for several a tuple. The derivative of a *function* is
    ``mg.grad``.

    >>> gradient(np.array([1.0, 4.0, 9.0, 16.0]))
    array([3., 4., 6., 7.])
    """
    f = operand(f)
    if f.dtype.kind in "biu":
        f = np.astype(f, np.float64)
    ndim = len(f.shape)
    chosen = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = [place_of(i, ndim) for i in chosen]
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order is 1 or 2, not {edge_order}")
    found = []
    for i, step in zip(axes, _spacing(varargs, f.shape, axes), strict=True):
        if f.shape[i] < edge_order + 1:
            raise ValueError(
                f"gradient: axis {i} of {f.shape} needs at least {edge_order + 1} samples"
            )
        derive = _uneven if np.ndim(step) else _uniform
        whole = np.concatenate(derive(f, i, step, edge_order), axis=i)
        found.append(np.astype(whole, f.dtype))  # as NumPy, whatever the dtype of the distances
    return found[0] if len(found) == 1 else tuple(found)


@composition(np.trapezoid)
def trapezoid(y: Array, x: Array | None = None, dx: float = 1.0, axis: int = -1) -> Array:
    """Integral of the samples ``y`` along ``axis`` by the trapezoidal rule.

    The samples are ``dx`` apart, or at ``x``, of one axis or the shape of ``y``; both get
    gradients.

    >>> trapezoid(np.array([1.0, 2.0, 4.0]))
    np.float64(4.5)
    """
    y = operand(y)
    axis = place_of(axis, len(y.shape))
    step: Any = dx
    if x is not None:
        x = operand(x)
        if len(x.shape) == 1:
            step = np.reshape(np.diff(x), (-1,) + (1,) * (len(y.shape) - 1 - axis))
        else:
            step = np.diff(x, axis=axis)
    return np.sum(step * (_part(y, axis, 1, None) + _part(y, axis, None, -1)) / 2.0, axis=axis)


@composition(np.interp)
def interp(
    x: Array,
    xp: Array,
    fp: Array,
    left: Any = None,
    right: Any = None,
    period: float | None = None,
) -> Array:
    """Piecewise linear function through the points ``(xp, fp)``, with ``xp`` ascending, at ``x``.

    Beyond the points it is ``left`` and ``right``, by default their values at the ends. ``x``,
    ``xp`` and ``fp`` get gradients. At a point, the slope is that on its right (at the last, on its
    left); beyond the points it is 0. The result is float64, as NumPy's.

    >>> interp(np.array([0.5, 3.0]), np.array([0.0, 1.0, 2.0]), np.array([0.0, 10.0, 0.0]))
    array([5., 0.])
    """
    x, xp, fp = (np.astype(operand(v), np.float64) for v in (x, xp, fp))
    if len(xp.shape) != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise ValueError(f"interp: xp {xp.shape} and fp {fp.shape} are not points along one axis")
    if period is not None:
        x, xp, fp = _wrapped(x, xp, fp, period)
        left = right = None
    at, knots = plain_index(x), plain_index(xp)
    last = len(knots) - 1
    below, above = np.less(at, knots[0]), np.greater(at, knots[-1])
    inside = np.where(np.logical_or(below, above), xp[0], x)
    place = np.searchsorted(knots, plain_index(inside), side="right") - 1
    base = np.clip(place, 0, last)
    interval = np.minimum(base, np.maximum(last - 1, 0))
    end = np.minimum(interval + 1, last)
    xp, fp = beside(xp, base), beside(fp, base)
    run = np.where(np.equal(end, interval), 1.0, xp[end] - xp[interval])  # of one point: no slope
    out = (fp[end] - fp[interval]) / run * (inside - xp[base]) + fp[base]
    out = np.where(below, fp[0] if left is None else left, out)
    return np.where(above, fp[-1] if right is None else right, out)


def _wrapped(x: Array, xp: Array, fp: Array, period: float) -> tuple[Array, Array, Array]:
    """Points and places within one period, with a neighbour added at either end."""
    if not period:
        raise ValueError("interp: period must not be 0")
    period = abs(period)
    x, xp = np.remainder(x, period), np.remainder(xp, period)
    order = plain_index(np.argsort(xp))
    xp, fp = xp[order], beside(fp, order)[order]
    xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, np.concatenate([fp[-1:], fp, fp[:1]])


Mode = Literal["full", "same", "valid"]


def _middle(full: Array, m: int, n: int, mode: Mode, swapped: bool) -> Array:
    """The part of a full convolution of lengths ``m`` and ``n`` that a mode keeps."""
    short, long = min(m, n), max(m, n)
    if mode == "full":
        return full
    if mode == "valid":
        return full[short - 1 : long]
    if mode != "same":
        raise ValueError(f"mode is 'full', 'same' or 'valid', not {mode!r}")
    start = short // 2 if swapped else short - 1 - short // 2
    return full[start : start + long]


def _pair(a: Array, v: Array, what: str) -> tuple[Array, Array]:
    a, v = (np.reshape(x, -1) if not x.shape else x for x in (operand(a), operand(v)))
    if len(a.shape) != 1 or len(v.shape) != 1:
        raise ValueError(f"{what}: a {a.shape} and v {v.shape} must have one axis each")
    if not a.shape[0] or not v.shape[0]:
        raise ValueError(f"{what}: a {a.shape} and v {v.shape} must not be empty")
    return a, v


@primitive(
    lambda a, v: np.convolve(a, v),
    numpy=[],
    name="convolve",
    cases=[case((5,), (3,)), case((2,), (4,)), case((1,), (1,))],
)
@defvjp(
    a=lambda g, v: np.convolve(g, np.flip(v), "valid"),
    v=lambda g, a: np.convolve(g, np.flip(a), "valid"),
)
def _convolve(a: Array, v: Array, /) -> Array:
    """Full convolution of two sequences."""


@composition(np.convolve)
def convolve(a: Array, v: Array, mode: Mode = "full") -> Array:
    """Convolution ``sum(a[m] * v[n - m])`` of two sequences: the product of two polynomials.

    ``mode`` is ``"full"``, ``"same"`` (as long as the longer) or ``"valid"`` (where both overlap
    wholly). PyTorch's ``conv1d`` is a correlation with channels.

    >>> convolve(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    array([1., 5., 6.])
    """
    a, v = _pair(a, v, "convolve")
    return _middle(_convolve(a, v), a.shape[0], v.shape[0], mode, False)


@composition(np.correlate)
def correlate(a: Array, v: Array, mode: Mode = "valid") -> Array:
    """Correlation ``sum(a[n + m] * v[m])`` of two sequences: convolution with ``v`` reversed.

    >>> correlate(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0]))
    array([ 7., 11.])
    """
    a, v = _pair(a, v, "correlate")
    m, n = a.shape[0], v.shape[0]
    return _middle(_convolve(a, np.flip(v)), m, n, mode, n > m)
