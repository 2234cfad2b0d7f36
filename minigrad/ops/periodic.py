"""What goes round: angles, and spectra whose zero stands at the start or in the middle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.ops.shape import operand
from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__ = ["unwrap"]


@primitive(np.unwrap, cases=[case(6), case(3, 4, axis=0, period=1.0)])
@defvjp(x=lambda g: g)
def unwrap(
    x: Array, /, discont: float | None = None, axis: int = -1, period: float = 2 * np.pi
) -> Array:
    """Angles with jumps of more than half a period taken out by adding whole periods.

    The gradient is that of the angles themselves: how many periods are added is constant between
    the jumps.

    >>> unwrap(np.array([0.0, 3.0, 6.0 - 2 * np.pi])).round(12)
    array([0., 3., 6.])
    """


def _axes(x: Array, axes: int | Sequence[int] | None) -> tuple[int, ...]:
    if axes is None:
        return tuple(range(len(x.shape)))
    return (axes,) if isinstance(axes, int) else tuple(axes)


@composition(np.fft.fftshift)
def fftshift(x: Array, axes: int | Sequence[int] | None = None) -> Array:
    """A spectrum with its zero frequency moved to the middle; ``np.fft.fftshift`` on tensors.

    >>> fftshift(np.array([0.0, 1.0, -1.0]))
    array([-1.,  0.,  1.])
    """
    x = operand(x)
    where = _axes(x, axes)
    return np.roll(x, tuple(x.shape[i] // 2 for i in where), where)


@composition(np.fft.ifftshift)
def ifftshift(x: Array, axes: int | Sequence[int] | None = None) -> Array:
    """A spectrum with its zero frequency moved back to the start; the inverse of ``fftshift``.

    >>> ifftshift(np.array([-1.0, 0.0, 1.0]))
    array([ 0.,  1., -1.])
    """
    x = operand(x)
    where = _axes(x, axes)
    return np.roll(x, tuple(-(x.shape[i] // 2) for i in where), where)


@composition(np.real_if_close)
def real_if_close(x: Array, tol: float = 100) -> Array:
    """``x`` itself, where it is real; ``np.real_if_close`` on tensors.

    >>> real_if_close(np.array([1.0]))
    array([1.])
    """
    x = operand(x)
    return x if x.dtype.kind != "c" else np.real_if_close(x, tol)
