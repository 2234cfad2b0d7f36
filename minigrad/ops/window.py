"""Sliding windows and their adjoint: reading windows, and adding them up where they were read.

``sliding_windows`` and ``overlap_add`` are each other's rule: that is what closes them under
differentiation of any order.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence

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
        case(2, 9, window_shape=(2, 3), axis=(1, 1), step=(2, 2), dilation=(3, 1)),
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
    return window_view(x, window_shape, axis, step, dilation)


def window_view(
    x: Array,
    window_shape: tuple[int, ...],
    axis: tuple[int, ...],
    step: tuple[int, ...],
    dilation: tuple[int, ...],
    *,
    writeable: bool = False,
) -> Array:
    """Windows as trailing axes, with step and dilation in elements of ``x``.

    >>> window_view(np.arange(5.0), (2,), (0,), (1,), (3,))
    array([[0., 3.],
           [1., 4.]])
    """
    extent = tuple(
        d * (width - 1) + 1 if width else 0 for width, d in zip(window_shape, dilation, strict=True)
    )
    view = np.lib.stride_tricks.sliding_window_view(x, extent, axis, writeable=writeable)
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
        axis: The axes along which it slides; None for all. An axis may be named twice, which takes
            windows of its windows.
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
    steps, dilations = _repeated(axes, steps, dilations)
    for i, reach in _reaches(axes, widths, dilations).items():
        if reach >= shape[i]:
            width = " x ".join(str(w) for w, j in zip(widths, axes, strict=True) if j == i)
            raise ShapeError(
                f"sliding_windows: x {shape}: axis {i} has {shape[i]} elements, but a window of "
                f"{width} spans {reach + 1}: pad x, or take a smaller window or dilation"
            )
    x = x if hasattr(x, "__array_function__") else np.asarray(x)
    return _sliding_windows(x, widths, axes, steps, dilations)


def _repeated(
    axis: tuple[int, ...], step: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Steps and dilations in elements of ``x`` where an axis may be named twice.

    Windows of windows: ``x[(p * s2 + k2 * d2) * s1 + k1 * d1]``.
    """
    total: dict[int, int] = {}
    scaled = []
    for i, s, d in zip(axis, step, dilation, strict=True):
        scaled.append(d * total.get(i, 1))
        total[i] = s * total.get(i, 1)
    return tuple(total[i] for i in axis), tuple(scaled)


def _reaches(
    axis: tuple[int, ...], widths: tuple[int, ...], dilation: tuple[int, ...]
) -> dict[int, int]:
    """How far after its first element the last one of a window is, by axis."""
    reach: dict[int, int] = {}
    for i, width, d in zip(axis, widths, dilation, strict=True):
        reach[i] = reach.get(i, 0) + d * (width - 1) if width else reach.get(i, 0) - 1
    return reach


def _disjoint(
    axis: tuple[int, ...],
    widths: tuple[int, ...],
    step: tuple[int, ...],
    dilation: tuple[int, ...],
) -> bool:
    """Whether no element is in two windows, or twice in one."""
    reach = dict.fromkeys(axis, 0)
    for d, i, width in sorted(zip(dilation, axis, widths, strict=True)):
        if width > 1 and d <= reach[i]:
            return False
        reach[i] += d * (width - 1)
    return all(reach[i] < s for i, s in zip(axis, step, strict=True))


def pull_overlap_add(
    g: Array,
    windows_shape: tuple[int, ...],
    axis: tuple[int, ...],
    step: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Array:
    """The windows of ``g``, up to the last element that some window covers."""
    ndim = len(windows_shape) - len(axis)
    widths = windows_shape[ndim:]
    reach = _reaches(axis, widths, dilation)
    keep = [slice(None)] * ndim
    for i, s in zip(axis, step, strict=True):
        used = (windows_shape[i] - 1) * s + reach[i] + 1
        if used + s <= g.shape[i]:
            keep[i] = slice(used)
    if keep != [slice(None)] * ndim:
        g = g[tuple(keep)]
    return _sliding_windows(g, widths, axis, step, dilation)


@primitive(
    name="overlap_add",
    cases=[
        case(3, 3, shape=(8,), axis=(0,), step=(2,), dilation=(1,)),
        case(2, 3, 4, 2, 2, shape=(2, 4, 5), axis=(1, 2), step=(1, 1), dilation=(1, 1)),
        case(2, 3, 2, 5, shape=(13, 6), axis=(1, 0), step=(2, 3), dilation=(1, 2)),
        case(2, 2, 2, 3, shape=(2, 9), axis=(1, 1), step=(2, 2), dilation=(3, 1)),
        case(2, 2, 2, 3, shape=(2, 14), axis=(1, 1), step=(7, 7), dilation=(3, 1)),
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
    widths = windows.shape[len(shape) :]
    if not windows.size:
        pass
    elif _disjoint(axis, widths, step, dilation):
        window_view(out, widths, axis, step, dilation, writeable=True)[
            tuple(slice(n) for n in windows.shape[: len(shape)])
        ] = windows
    else:
        add_windows(out, windows, axis, step, dilation)
    return out.astype(windows.dtype, copy=False)


def add_windows(
    out: Array,
    windows: Array,
    axis: tuple[int, ...],
    step: tuple[int, ...],
    dilation: tuple[int, ...],
) -> None:
    """One strided addition for each offset in a window, or for each window if those are fewer."""
    counts, widths = list(windows.shape[: out.ndim]), list(windows.shape[out.ndim :])
    steps, gaps = dict(zip(axis, step, strict=True)), list(dilation)
    for j, i in enumerate(axis):
        if widths[j] > counts[i] and axis.count(i) == 1:  # the formula is symmetric in the two
            windows = np.swapaxes(windows, i, out.ndim + j)
            counts[i], widths[j] = widths[j], counts[i]
            steps[i], gaps[j] = gaps[j], steps[i]
    offsets = list(itertools.product(*map(range, widths)))
    starts: dict[int, list[int]] = {i: [0] * len(offsets) for i in steps}
    for j, (i, gap) in enumerate(zip(axis, gaps, strict=True)):
        starts[i] = [a + o[j] * gap for a, o in zip(starts[i], offsets, strict=True)]
    target = [slice(None)] * out.ndim
    for n, offset in enumerate(offsets):
        for i, s in steps.items():
            start = starts[i][n]
            target[i] = slice(start, start + (counts[i] - 1) * s + 1, s)
        part = out[tuple(target)]
        np.add(part, windows[(..., *offset)], out=part)


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
    steps = each(step, len(axes), "overlap_add: step", 1)
    dilations = each(dilation, len(axes), "overlap_add: dilation", 1)
    given = np.shape(windows)
    if len(given) != len(shape) + len(axes):
        raise ShapeError(
            f"overlap_add: windows {given} for shape {shape} and {len(axes)} axes: expected "
            f"{len(shape) + len(axes)} axes, those of the shape followed by the window"
        )
    steps, dilations = _repeated(axes, steps, dilations)
    reach = _reaches(axes, given[len(shape) :], dilations)
    by_axis = dict(zip(axes, steps, strict=True))
    for i, n in enumerate(shape):
        used = (given[i] - 1) * by_axis[i] + reach[i] + 1 if i in reach else given[i]
        if used > n or (i not in reach and used < n) or (i in reach and not given[i]):
            raise ShapeError(
                f"overlap_add: windows {given} make {used} elements along axis {i}, "
                f"but shape {shape} has {n}"
            )
    windows = windows if hasattr(windows, "__array_function__") else np.asarray(windows)
    return _overlap_add(windows, shape, axes, steps, dilations)
