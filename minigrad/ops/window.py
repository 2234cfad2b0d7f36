"""Sliding windows, their adjoint, and the product that convolutions make of them.

``sliding_windows`` and ``overlap_add`` are each other's rule, and those of ``contract`` are
contractions again: that is what closes them under differentiation of any order.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minigrad.errors import ShapeError
from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__ = ["overlap_add", "sliding_windows"]

Ints = int | Sequence[int]


def each(value: Ints, count: int, name: str, least: int) -> tuple[int, ...]:
    """One whole number for each of ``count`` axes, from one for all or one for each.

    >>> each(2, 3, "pool: step", 1)
    (2, 2, 2)
    """
    given = (value,) * count if isinstance(value, int | np.integer) else tuple(value)
    if len(given) != count:
        raise ShapeError(f"{name} {given} for {count} axes: pass one number, or one for each")
    numbers = tuple(map(operator.index, given))
    if any(number < least for number in numbers):
        raise ShapeError(f"{name} {value} must be at least {least}")
    return numbers


def _axes(axis: Ints | None, ndim: int, name: str) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    if any(not -ndim <= i < ndim for i in axes):
        raise np.exceptions.AxisError(f"{name}: axis {axis} of an array of {ndim} axes")
    return tuple(operator.index(i) % ndim for i in axes)


def pull_sliding_windows(
    g: Array,
    x_shape: tuple[int, ...],
    axis: tuple[int, ...],
    step: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """Each element collects the cotangents of all windows that it is in."""
    return _overlap_add(g, x_shape, axis, step, dilation)


@primitive(
    name="sliding_windows",
    cases=[
        case(7, window_shape=(3,), axis=(0,), step=(2,), dilation=(2,)),
        case(2, 4, 5, window_shape=(2, 3), axis=(1, 2), step=(1, 1), dilation=(1, 1)),
        case(4, 2, 6, window_shape=(2, 2), axis=(2, 0), step=(3, 2), dilation=(2, 1)),
    ],
)
@defvjp(x=pull_sliding_windows)
def _sliding_windows(
    x: Array,
    /,
    window_shape: tuple[int, ...],
    axis: tuple[int, ...],
    step: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """Windows as trailing axes of a read-only view."""
    extent = tuple(
        d * (width - 1) + 1 if width else 0 for width, d in zip(window_shape, dilation, strict=True)
    )
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis)
    pick = [slice(None)] * x.ndim
    for i, s in zip(axis, step, strict=True):
        pick[i] = slice(None, None, s)
    return view[(*pick, *(slice(None, None, d) for d in dilation))]


@composition(np.lib.stride_tricks.sliding_window_view)
def sliding_windows(
    x: Array,
    window_shape: Ints,
    axis: Ints | None = None,
    step: Ints = 1,
    dilation: Ints = 1,
) -> Array:
    """Every window of ``x`` along one or more axes, as a view: nothing is copied.

    The shape is that of ``x``, with the number of windows at each ``axis``, followed by the window:
    ``out[..., p, ..., k] = x[..., p * step + k * dilation, ...]``. NumPy's ``sliding_window_view``
    is the same with ``step`` and ``dilation`` 1, and runs this on Tensors. PyTorch's method
    ``unfold(dimension, size, step)`` is this with ``axis=dimension``. The gradient is
    :func:`overlap_add`.

    Args:
        x: Any shape.
        window_shape: Length of the window along each axis.
        axis: The axes along which it slides; None for all. An axis may be named twice: windows of
            windows.
        step: How far a window is from the next one, for all axes or each.
        dilation: How far elements of a window are apart, for all axes or each.

    Raises:
        ShapeError: If a window is longer than its axis, or numbers and axes do not match.

    >>> sliding_windows(np.arange(6.0), 3, step=2)
    array([[0., 1., 2.],
           [2., 3., 4.]])
    """
    shape = np.shape(x)
    axes = _axes(axis, len(shape), "sliding_windows")
    widths = each(window_shape, len(axes), "sliding_windows: window_shape", 0)
    steps = each(step, len(axes), "sliding_windows: step", 1)
    dilations = each(dilation, len(axes), "sliding_windows: dilation", 1)
    if len(set(axes)) < len(axes):
        for i, width, s, d in zip(axes, widths, steps, dilations, strict=True):
            x = sliding_windows(x, width, i, s, d)
        return x
    for i, width, d in zip(axes, widths, dilations, strict=True):
        if d * (width - 1) + 1 > shape[i]:
            spread = f" with dilation {d} spans {d * (width - 1) + 1} elements" if d > 1 else ""
            raise ShapeError(
                f"sliding_windows: x {shape}: axis {i} has {shape[i]} elements, but a window of "
                f"{width}{spread} needs more: pad x, or take a smaller window"
            )
    x = x if hasattr(x, "__array_function__") else np.asarray(x)
    return _sliding_windows(x, widths, axes, steps, dilations)


class _Slide(NamedTuple):
    """One axis of ``x[p * step + k * dilation]``: ``count`` positions, ``width`` offsets."""

    count: int
    width: int
    step: int
    dilation: int

    @property
    def used(self) -> int:
        """Length of the part of ``x`` that some window covers."""
        return (self.count - 1) * self.step + (self.width - 1) * self.dilation + 1

    def swapped(self) -> _Slide:
        """Positions for offsets: the formula is symmetric in the two."""
        return _Slide(self.width, self.count, self.dilation, self.step)


def _slides(
    shape: tuple[int, ...],
    axis: tuple[int, ...],
    step: tuple[int, ...],
    dilation: tuple[int, ...],
) -> list[_Slide]:
    widths = shape[len(shape) - len(axis) :]
    return [_Slide(shape[i], *rest) for i, *rest in zip(axis, widths, step, dilation, strict=True)]


def pull_overlap_add(
    g: Array,
    windows_shape: tuple[int, ...],
    axis: tuple[int, ...],
    step: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """The windows of ``g``, up to the last element that some window covers."""
    keep = [slice(None)] * len(g.shape)
    for i, slide in zip(axis, _slides(windows_shape, axis, step, dilation), strict=True):
        if slide.width and slide.used + slide.step <= g.shape[i]:
            keep[i] = slice(slide.used)
    if keep != [slice(None)] * len(keep):
        g = g[tuple(keep)]
    return _sliding_windows(g, windows_shape[len(g.shape) :], axis, step, dilation)


@primitive(
    name="overlap_add",
    cases=[
        case(3, 3, shape=(8,), axis=(0,), step=(2,), dilation=(1,)),
        case(2, 3, 4, 2, 2, shape=(2, 4, 5), axis=(1, 2), step=(1, 1), dilation=(1, 1)),
        case(2, 3, 2, 5, shape=(13, 6), axis=(1, 0), step=(2, 3), dilation=(1, 2)),
    ],
)
@defvjp(windows=pull_overlap_add)
def _overlap_add(
    windows: Array,
    /,
    shape: tuple[int, ...],
    axis: tuple[int, ...],
    step: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """Windows added to zeros of ``shape``, one strided addition for each offset in a window."""
    # Sums of half precision are made in single precision, as NumPy's are.
    out = np.zeros(shape, np.float32 if windows.dtype == np.float16 else windows.dtype)
    if not windows.size:
        return out.astype(windows.dtype)
    slides = _slides(windows.shape, axis, step, dilation)
    for j, (i, slide) in enumerate(zip(axis, slides, strict=True)):
        if slide.width > slide.count:  # fewer, longer additions
            windows = np.swapaxes(windows, i, len(shape) + j)
            slides[j] = slide.swapped()
    disjoint = all((s.width - 1) * s.dilation < s.step for s in slides)
    target = [slice(None)] * len(shape)
    for offset in itertools.product(*(range(slide.width) for slide in slides)):
        for i, k, s in zip(axis, offset, slides, strict=True):
            start = k * s.dilation
            target[i] = slice(start, start + (s.count - 1) * s.step + 1, s.step)
        if disjoint:
            out[tuple(target)] = windows[(..., *offset)]
        else:
            out[tuple(target)] += windows[(..., *offset)]
    return out.astype(windows.dtype, copy=False)


def overlap_add(
    windows: Array,
    shape: Sequence[int],
    axis: Ints | None = None,
    step: Ints = 1,
    dilation: Ints = 1,
) -> Array:
    """Zeros of ``shape`` with every window added where :func:`sliding_windows` takes it from.

    Its adjoint, and so its gradient. ``windows`` has as many axes as ``shape``, with the number of
    windows at each ``axis``, followed by the window. Elements that no window covers stay 0.

    Raises:
        ShapeError: If the windows do not fit into ``shape``.

    >>> overlap_add(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]), (6,), step=2)
    array([ 1.,  2., 13., 20., 30.,  0.])
    """
    shape = tuple(map(operator.index, shape))
    axes = _axes(axis, len(shape), "overlap_add")
    if len(set(axes)) < len(axes):
        raise ShapeError(f"overlap_add: axis {axes} names an axis twice: add one axis at a time")
    steps = each(step, len(axes), "overlap_add: step", 1)
    dilations = each(dilation, len(axes), "overlap_add: dilation", 1)
    given = np.shape(windows)
    if len(given) != len(shape) + len(axes):
        raise ShapeError(
            f"overlap_add: windows {given} for shape {shape} and {len(axes)} axes: expected "
            f"{len(shape) + len(axes)} axes, those of the shape followed by the window"
        )
    slides = dict(zip(axes, _slides(given, axes, steps, dilations), strict=True))
    for i, n in enumerate(shape):
        if i not in slides and given[i] != n:
            raise ShapeError(f"overlap_add: windows {given}: axis {i} is {given[i]}, not {n}")
        if i in slides and not slides[i].count:
            raise ShapeError(f"overlap_add: windows {given}: axis {i} holds no window")
        if i in slides and slides[i].used > n:
            raise ShapeError(
                f"overlap_add: windows {given} cover {slides[i].used} elements of axis {i}, "
                f"but shape {shape} has {n}"
            )
    windows = windows if hasattr(windows, "__array_function__") else np.asarray(windows)
    return _overlap_add(windows, shape, axes, steps, dilations)


class _Plan(NamedTuple):
    """Where the axes of two operands go so that their contraction is a product of matrices."""

    a: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    b: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    out: tuple[int, ...]


@functools.lru_cache(maxsize=256)
def _planned(subscripts: str) -> _Plan:
    inputs, _, out = subscripts.partition("->")
    a, b = inputs.split(",")
    batch = [c for c in a if c in b and c in out]
    inner = [c for c in b if c in a and c not in out]
    left = [c for c in a if c not in b]
    right = [c for c in b if c not in a]

    def places(term: str | list[str], wanted: list[str]) -> tuple[int, ...]:
        return tuple(term.index(c) for c in wanted)

    return _Plan(
        (places(a, batch), places(a, left), places(a, inner)),
        (places(b, batch), places(b, inner), places(b, right)),
        places([*batch, *left, *right], list(out)),
    )


def _matrices(
    x: Array, batch: tuple[int, ...], rows: tuple[int, ...], columns: tuple[int, ...]
) -> Array:
    """A stack of matrices; where that needs a copy, it is made in runs as long as possible.

    BLAS takes a matrix by rows or by columns, so there is a choice.
    """
    straight, turned = x.transpose(batch + rows + columns), x.transpose(batch + columns + rows)
    shape, lead = straight.shape, len(batch)
    stack = math.prod(shape[:lead])
    height = math.prod(shape[lead : lead + len(rows)])
    width = math.prod(shape[lead + len(rows) :])
    if not straight.flags.c_contiguous and (
        turned.flags.c_contiguous or turned.shape[-1] > straight.shape[-1]
    ):
        return np.swapaxes(turned.reshape(stack, width, height), 1, 2)
    return straight.reshape(stack, height, width)


@primitive(
    cases=[
        case((2, 3, 2), (4, 2, 2), subscripts="goc,ngc->ngo"),
        case((1, 2, 3, 2), (2, 1, 3, 4, 2), subscripts="goci,ngcpi->ngop"),
        case((2, 3), (4, 2, 3), subscripts="ij,pij->p"),
    ],
)
@defvjp(
    a=lambda g, b, subscripts: contract(g, b, _turned(subscripts)[0]),
    b=lambda g, a, subscripts: contract(a, g, _turned(subscripts)[1]),
)
def contract(a: Array, b: Array, /, subscripts: str) -> Array:
    """Contraction of two operands, as ``einsum`` writes it, by one BLAS product of matrices.

    Each letter is an axis of at least two of ``a``, ``b`` and the result, and of one length in all.
    What is kept for the gradient is the operands as they are: of windows, the view.

    >>> contract(np.ones((2, 3)), np.ones((4, 3)), "oc,nc->no").shape
    (4, 2)
    """
    plan = _planned(subscripts)
    left, right = _matrices(a, *plan.a), _matrices(b, *plan.b)
    product = np.matmul(left, right)
    shape = [a.shape[i] for i in plan.a[0] + plan.a[1]] + [b.shape[i] for i in plan.b[2]]
    return product.reshape(shape).transpose(plan.out)


@functools.lru_cache(maxsize=256)
def _turned(subscripts: str) -> tuple[str, str]:
    """The contractions of the result with either operand that give the other one's gradient."""
    inputs, _, out = subscripts.partition("->")
    a, b = inputs.split(",")
    return f"{out},{b}->{a}", f"{a},{out}->{b}"
