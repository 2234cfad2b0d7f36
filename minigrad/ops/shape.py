"""Ops that rearrange elements: the rule of each is the arrangement back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from minigrad.primitive import Array, Axis, case, composition, defvjp, primitive

__all__ = [
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flip",
    "fliplr",
    "flipud",
    "matrix_transpose",
    "moveaxis",
    "pad",
    "ravel",
    "reshape",
    "roll",
    "rollaxis",
    "rot90",
    "squeeze",
    "stack",
    "swapaxes",
    "transpose",
]


def expand_reduced(g: Array, ndim: int, axis: Axis, keepdims: bool) -> Array:
    """Give a reduced array its lost axes back with length 1, so that it broadcasts."""
    if keepdims or axis is None or not ndim:  # NumPy lets a 0-d array be reduced over axis 0
        return g
    if axis.__class__ is int:  # the common case, ten times as fast as the general one
        return (
            g[..., None] if axis in (-1, ndim - 1) else g[(slice(None),) * (axis % ndim) + (None,)]
        )
    axes = {i % ndim for i in (axis if isinstance(axis, tuple) else (axis,))}
    return g[tuple(None if i in axes else slice(None) for i in range(ndim))]


def place_of(axis: int, ndim: int) -> int:
    """Number of an axis, counted from the front; raises as NumPy does where there is none.

    >>> place_of(-1, 3)
    2
    """
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def operand(x: Array) -> Array:
    """``x`` itself, or a list or number as an array."""
    return x if hasattr(x, "dtype") else np.asarray(x)


_sum: Callable[..., Array] = np.add.reduce


def fold(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum ``g`` over the axes along which ``shape`` was broadcast: broadcasting, undone.

    >>> fold(np.ones((2, 3)), (3,)), fold(np.ones((2, 3)), (2, 1))
    (array([2., 2., 2.]), array([[3.],
           [3.]]))
    """
    lead = len(g.shape) - len(shape)
    if lead == 1 and g.shape[1:] == shape:  # a bias: the common case
        return _sum(g, axis=0)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1
    )
    summed = _sum(g, axis=axes[0] if len(axes) == 1 else axes)
    return summed if summed.shape == shape else np.reshape(summed, shape)


Order = Literal["C", "F"]


@primitive(
    numpy=[np.reshape],
    cases=[case(2, 6, shape=(3, 4)), case(2, 3, shape=-1), case(2, 3, shape=(3, 2), order="F")],
    onnx="Reshape",
)
@defvjp(x=lambda g, x_shape, order: np.reshape(g, x_shape, order=order))
def reshape(x: Array, /, shape: int | tuple[int, ...], order: Order = "C") -> Array:
    """The same elements in another shape; one length may be -1 and is inferred.

    With ``order="F"`` the first index is the fastest, both in ``x`` and in the result. The order
    ``"A"``, which depends on how ``x`` lies in memory, is refused. PyTorch calls it ``view``.

    >>> reshape(np.arange(4.0), (2, 2))
    array([[0., 1.],
           [2., 3.]])
    """
    if order not in ("C", "F"):
        raise ValueError(f"reshape: order is 'C' or 'F', not {order!r}")
    return np.reshape(x, shape, order)  # NumPy 2.0 names the shape differently


@composition(np.ravel)
def ravel(x: Array, order: Order = "C") -> Array:
    """The elements of ``x`` in one axis, the last index (or, in order F, the first) fastest.

    PyTorch calls it ``flatten``.

    >>> ravel(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 2., 3., 4.])
    """
    if order not in ("C", "F"):
        raise ValueError(f"ravel: order is 'C' or 'F', not {order!r}")
    return np.reshape(x if order == "C" else np.transpose(x), -1)


def pull_transpose(g: Array, axes: Sequence[int] | None) -> Array:
    """``g`` with its axes in the order before."""
    return np.transpose(g, None if axes is None else [int(i) for i in np.argsort(axes)])


@primitive(
    np.transpose, cases=[case(2, 3), case(2, 3, 4, axes=(1, 2, 0)), case(2, 3, axes=(-1, 0))]
)
@defvjp(x=lambda g, x_shape, axes: pull_transpose(g, _positive(axes, len(x_shape))))
def transpose(x: Array, /, axes: Sequence[int] | None = None) -> Array:
    """Axes in the order ``axes``; reversed by default. PyTorch calls it ``permute``.

    >>> transpose(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 3.],
           [2., 4.]])
    """


def _positive(axes: Sequence[int] | None, ndim: int) -> Sequence[int] | None:
    return None if axes is None else [i % ndim for i in axes]


@primitive(np.swapaxes, cases=[case(2, 3, 4, axis1=0, axis2=-1)])
@defvjp(x=lambda g, axis1, axis2: np.swapaxes(g, axis1, axis2))
def swapaxes(x: Array, /, axis1: int, axis2: int) -> Array:
    """Two axes interchanged.

    >>> swapaxes(np.array([[1.0, 2.0]]), 0, 1)
    array([[1.],
           [2.]])
    """


@primitive(np.moveaxis, cases=[case(2, 3, 4, source=0, destination=-1)])
@defvjp(x=lambda g, source, destination: np.moveaxis(g, destination, source))
def moveaxis(
    x: Array, /, source: int | tuple[int, ...], destination: int | tuple[int, ...]
) -> Array:
    """Axes moved to other positions, the rest in order.

    >>> moveaxis(np.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """


@primitive(np.expand_dims, cases=[case(2, 3, axis=1), case(2, 3, axis=(0, -1))], onnx="Unsqueeze")
@defvjp(x=lambda g, x_shape: np.reshape(g, x_shape))
def expand_dims(x: Array, /, axis: int | tuple[int, ...]) -> Array:
    """A new axis of length 1 at each of the positions ``axis`` of the result.

    PyTorch calls it ``unsqueeze``.

    >>> expand_dims(np.array([1.0, 2.0]), 1)
    array([[1.],
           [2.]])
    """


@primitive(np.squeeze, cases=[case(2, 1, 3, 1), case(2, 1, 3, axis=1)], onnx="Squeeze")
@defvjp(x=lambda g, x_shape: np.reshape(g, x_shape))
def squeeze(x: Array, /, axis: Axis = None) -> Array:
    """Axes of length 1 removed: those in ``axis``, or all.

    >>> squeeze(np.array([[1.0], [2.0]]))
    array([1., 2.])
    """


@primitive(
    np.broadcast_to, cases=[case(3, shape=(2, 3)), case(2, 1, shape=(2, 3))], broadcasts=True
)
@defvjp(x=lambda g: g)
def broadcast_to(x: Array, /, shape: tuple[int, ...]) -> Array:
    """``x`` repeated to ``shape`` by broadcasting, without a copy. PyTorch calls it ``expand``.

    >>> broadcast_to(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """


@composition(np.rollaxis)
def rollaxis(x: Array, axis: int, start: int = 0) -> Array:
    """Axis ``axis`` moved to stand before ``start``. ``moveaxis`` is easier to read.

    >>> rollaxis(np.zeros((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    ndim = len(np.shape(x))
    axis = place_of(axis, ndim)
    if not -ndim <= start <= ndim:
        raise np.exceptions.AxisError(f"start {start} is out of bounds for {ndim} axes")
    start = start + ndim if start < 0 else start
    return np.moveaxis(x, axis, start - 1 if axis < start else start)


@composition(np.matrix_transpose)
def matrix_transpose(x: Array) -> Array:
    """The last two axes interchanged: each matrix of a stack transposed.

    >>> matrix_transpose(np.zeros((2, 3, 4))).shape
    (2, 4, 3)
    """
    if len(np.shape(x)) < 2:
        raise ValueError(f"matrix_transpose: x needs two axes, not shape {np.shape(x)}")
    return np.swapaxes(x, -1, -2)


@primitive(np.flip, cases=[case(2, 3), case(2, 3, axis=1)])
@defvjp(x=lambda g, axis: np.flip(g, axis))
def flip(x: Array, /, axis: Axis = None) -> Array:
    """Order reversed along ``axis``, or along all axes.

    >>> flip(np.array([1.0, 2.0]))
    array([2., 1.])
    """


@composition(np.fliplr)
def fliplr(x: Array) -> Array:
    """Order reversed along the second axis.

    >>> fliplr(np.array([[1.0, 2.0]]))
    array([[2., 1.]])
    """
    if len(np.shape(x)) < 2:
        raise ValueError(f"fliplr: x needs two axes, not shape {np.shape(x)}")
    return np.flip(x, 1)


@composition(np.flipud)
def flipud(x: Array) -> Array:
    """Order reversed along the first axis.

    >>> flipud(np.array([1.0, 2.0]))
    array([2., 1.])
    """
    if not np.shape(x):
        raise ValueError("flipud: x needs an axis")
    return np.flip(x, 0)


@composition(np.rot90)
def rot90(x: Array, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Turned ``k`` times by 90 degrees from the first of two axes towards the second.

    >>> rot90(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[2., 4.],
           [1., 3.]])
    """
    x = operand(x)
    first, second = (place_of(i, len(x.shape)) for i in axes)
    if first == second:
        raise ValueError(f"rot90: axes {axes} are one axis")
    if k % 4 == 0:
        return x[...]
    if k % 4 == 2:
        return np.flip(x, (first, second))
    if k % 4 == 1:
        return np.swapaxes(np.flip(x, second), first, second)
    return np.flip(np.swapaxes(x, first, second), second)


def _negated(shift: int | Sequence[int]) -> int | tuple[int, ...]:
    back = np.negative(shift).tolist()
    return tuple(back) if isinstance(back, list) else back


@primitive(
    np.roll,
    cases=[case(5, shift=2), case(2, 3, shift=-1, axis=1), case(2, 3, shift=(1, 1), axis=(0, 1))],
)
@defvjp(x=lambda g, shift, axis: np.roll(g, _negated(shift), axis))
def roll(x: Array, /, shift: int | Sequence[int], axis: Axis = None) -> Array:
    """Elements moved on by ``shift`` along ``axis``; those that leave the end come in at the start.

    >>> roll(np.array([1.0, 2.0, 3.0]), 1)
    array([3., 1., 2.])
    """


def pull_concatenate(
    g: Array, index: int, arrays_shape: tuple[tuple[int, ...], ...], axis: int | None
) -> Array:
    """The part of ``g`` that came from one of the arrays."""
    shape = arrays_shape[index]
    if axis is None:
        start = sum(int(np.prod(s, dtype=int)) for s in arrays_shape[:index])
        return np.reshape(g[start : start + int(np.prod(shape, dtype=int))], shape)
    axis %= len(shape)
    start = sum(s[axis] for s in arrays_shape[:index])
    return g[(slice(None),) * axis + (slice(start, start + shape[axis]),)]


@primitive(
    lambda *arrays, axis=0: np.concatenate(arrays, axis=axis),
    numpy=[],
    name="concatenate",
    cases=[
        case((2, 3), (1, 3)),
        case((2, 3), (2, 1), (2, 2), axis=-1),
        case((2,), (2, 2), axis=None),
    ],
    onnx="Concat",
)
@defvjp(arrays=pull_concatenate)
def _concatenate(*arrays: Array, axis: int | None = 0) -> Array:
    """Arrays joined along an axis that they have."""


@composition(np.concatenate)
def concatenate(arrays: Sequence[Array], axis: int | None = 0, dtype: Any = None) -> Array:
    """Arrays joined along an axis that they have; None joins them flattened.

    PyTorch calls it ``cat``.

    >>> concatenate([np.array([1.0]), np.array([2.0, 3.0])])
    array([1., 2., 3.])
    """
    out = _concatenate(*arrays, axis=axis)
    return out if dtype is None else np.astype(out, dtype)


@composition(np.stack)
def stack(arrays: Sequence[Array], axis: int = 0, dtype: Any = None) -> Array:
    """Arrays of one shape joined along a new axis.

    >>> stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])], axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    return concatenate([np.expand_dims(array, axis) for array in arrays], axis=axis, dtype=dtype)


Widths = int | tuple[int, int] | Sequence[tuple[int, int]] | dict[int, int | tuple[int, int]]


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """Every form that NumPy takes for a padding, as one pair for each axis."""
    if isinstance(pad_width, dict):
        widths = np.zeros((ndim, 2), dtype=int)
        for axis, width in pad_width.items():
            widths[axis] = width
        pad_width = widths
    return [(int(a), int(b)) for a, b in np.broadcast_to(np.asarray(pad_width), (ndim, 2))]


def pull_pad(g: Array, x_shape: tuple[int, ...], pad_width: Widths) -> Array:
    """The inner part of ``g``."""
    widths = _widths(pad_width, len(x_shape))
    return g[tuple(slice(a, a + n) for (a, _), n in zip(widths, x_shape, strict=True))]


@primitive(
    lambda x, pad_width, constant_values: np.pad(x, pad_width, constant_values=constant_values),
    numpy=[],
    name="pad",
    cases=[case(2, 3, pad_width=1), case(2, 3, pad_width=((0, 1), (2, 0)), constant_values=3.0)],
    onnx="Pad",
)
@defvjp(x=pull_pad)
def _pad(x: Array, /, pad_width: Widths, constant_values: Any = 0) -> Array:
    """``x`` with constant borders."""


@composition(np.pad)
def pad(x: Array, pad_width: Widths, mode: str = "constant", constant_values: Any = 0) -> Array:
    """``x`` with a border of ``pad_width`` elements before and after each axis.

    ``mode`` is NumPy's ``"constant"``, ``"edge"``, ``"reflect"``, ``"symmetric"`` or ``"wrap"``; an
    element that the border repeats collects the cotangent of every copy.

    >>> pad(np.array([1.0, 2.0]), (1, 2)), pad(np.array([1.0, 2.0]), 1, mode="edge")
    (array([0., 1., 2., 0., 0.]), array([1., 1., 2., 2.]))
    """
    if isinstance(pad_width, dict):
        pad_width = _widths(pad_width, len(np.shape(x)))
    if mode == "constant":
        return _pad(x, pad_width, constant_values)
    if mode in ("replicate", "circular"):
        here = "edge" if mode == "replicate" else "wrap"
        raise ValueError(f"pad: PyTorch's mode {mode!r} is NumPy's: write mode={here!r}")
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise ValueError(
            f"pad: mode {mode!r} has no gradient rule; 'constant', 'edge', 'reflect', 'symmetric' "
            "and 'wrap' have. mg.concatenate joins a border computed from x, such as its mean"
        )
    for axis, widths in enumerate(_widths(pad_width, len(np.shape(x)))):
        source = np.pad(np.arange(np.shape(x)[axis]), widths, mode=mode)  # type: ignore[call-overload]
        x = x[(slice(None),) * axis + (source,)]
    return x
