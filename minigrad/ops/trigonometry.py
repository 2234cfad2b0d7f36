"""Angles: circular and hyperbolic functions, their inverses, and what goes with them.

The inverses' slopes are written so that no square overflows and no difference cancels near an edge:
``(1 - x) * (1 + x)`` keeps the digits that ``1 - x * x`` loses, and ``hypot`` squares nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.ops.rounding import pull_nothing
from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__ = [
    "angle",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "hypot",
    "rad2deg",
    "radians",
    "sin",
    "sinc",
    "sinh",
    "tan",
    "tanh",
]


@primitive(np.sin, onnx="Sin")
@defvjp(x=lambda g, x: g * np.cos(x))
def sin(x: Array, /) -> Array:
    """Sine of an angle in radians.

    >>> sin(np.array([0.0, np.pi / 2]))
    array([0., 1.])
    """


@primitive(np.cos, onnx="Cos")
@defvjp(x=lambda g, x: -g * np.sin(x))
def cos(x: Array, /) -> Array:
    """Cosine of an angle in radians.

    >>> cos(np.array([0.0, np.pi]))
    array([ 1., -1.])
    """


@primitive(np.tan, domain=(-1.4, 1.4), onnx="Tan")
@defvjp(x=lambda g, out: g * (out * out + 1.0))
def tan(x: Array, /) -> Array:
    """Tangent of an angle in radians.

    >>> tan(np.array([0.0, np.pi / 4])).round(12)
    array([0., 1.])
    """


@primitive(name="one_minus_square", domain=(-1.0, 1.0))
@defvjp(x=lambda g, x: g * x * -2.0)
def _one_minus_square(x: Array, /) -> Array:
    """``1 - x²``, exact near its zeros, with a gradient that is exact near 0."""
    return (1.0 - x) * (1.0 + x)


@primitive(np.arcsin, domain=(-1.0, 1.0), onnx="Asin")
@defvjp(x=lambda g, x: g / np.sqrt(_one_minus_square(x)))
def arcsin(x: Array, /) -> Array:
    """Angle in ``[-π/2, π/2]`` whose sine is ``x``; its slope at -1 and 1 is infinite.

    >>> arcsin(np.array([0.0, 1.0]))
    array([0.        , 1.57079633])
    """


@primitive(np.arccos, domain=(-1.0, 1.0), onnx="Acos")
@defvjp(x=lambda g, x: -g / np.sqrt(_one_minus_square(x)))
def arccos(x: Array, /) -> Array:
    """Angle in ``[0, π]`` whose cosine is ``x``; its slope at -1 and 1 is minus infinity.

    >>> arccos(np.array([0.0, 1.0]))
    array([1.57079633, 0.        ])
    """


def pull_arctan(g: Array, x: Array) -> Array:
    """``g / (1 + x²)``, without the square that overflows float16 at 256."""
    length = np.hypot(x, 1.0)
    return g / length / length


@primitive(np.arctan, onnx="Atan")
@defvjp(x=pull_arctan)
def arctan(x: Array, /) -> Array:
    """Angle in ``[-π/2, π/2]`` whose tangent is ``x``.

    >>> arctan(np.array([0.0, 1.0]))
    array([0.        , 0.78539816])
    """


def _nonzero(length: Array) -> Array:
    """``length``, and 1 where it is 0, so that what is divided by it there stays 0."""
    return np.where(np.equal(length, 0), 1.0, length)


def pull_side(g: Array, side: Array, out: Array) -> Array:
    """``g * side / out``, and 0 at the origin."""
    return g * (side / _nonzero(out))


@primitive(np.hypot, domain=[(0.3, 2.0), (-2.0, 2.0)])
@defvjp(a=lambda g, a, out: pull_side(g, a, out), b=lambda g, b, out: pull_side(g, b, out))
def hypot(a: Array, b: Array, /) -> Array:
    """Length ``sqrt(a² + b²)`` of a hypotenuse, without overflow; its gradient at the origin is 0.

    >>> hypot(np.array([3.0, 1e200]), np.array([4.0, 0.0]))
    array([5.e+000, 1.e+200])
    """


def pull_angle(g: Array, a: Array, b: Array, other: Array) -> Array:
    """``g * other / (a² + b²)``, and 0 at the origin."""
    length = _nonzero(np.hypot(a, b))
    slope = other / length / length
    return g * slope


@primitive(np.arctan2, domain=[(-2.0, 2.0), (0.3, 2.0)])
@defvjp(
    a=lambda g, a, b: pull_angle(g, a, _number_like(b, g), b),
    b=lambda g, a, b: pull_angle(-g, _number_like(a, g), b, a),
)
def arctan2(a: Array, b: Array, /) -> Array:
    """Angle in ``[-π, π]`` of the point ``(b, a)``; its gradient at the origin is 0.

    >>> arctan2(np.array([1.0, 0.0]), np.array([1.0, -1.0]))
    array([0.78539816, 3.14159265])
    """


def _number_like(x: Array, g: Array) -> Array:
    """A Python number in the dtype of ``g``, since ufuncs of two numbers give float64."""
    return np.asarray(x, g.dtype) if isinstance(x, int | float) else x


@primitive(np.sinh, onnx="Sinh")
@defvjp(x=lambda g, x: g * np.cosh(x))
def sinh(x: Array, /) -> Array:
    """Hyperbolic sine ``(exp(x) - exp(-x)) / 2``.

    >>> sinh(np.array([0.0, 1.0]))
    array([0.        , 1.17520119])
    """


@primitive(np.cosh, onnx="Cosh")
@defvjp(x=lambda g, x: g * np.sinh(x))
def cosh(x: Array, /) -> Array:
    """Hyperbolic cosine ``(exp(x) + exp(-x)) / 2``.

    >>> cosh(np.array([0.0, 1.0]))
    array([1.        , 1.54308063])
    """


@primitive(np.tanh, onnx="Tanh")
@defvjp(x=lambda g, out: g * (1.0 - out * out))
def tanh(x: Array, /) -> Array:
    """Hyperbolic tangent.

    >>> tanh(np.array([0.0, 1e4]))
    array([0., 1.])
    """


@primitive(np.arcsinh, onnx="Asinh")
@defvjp(x=lambda g, x: g / np.hypot(x, 1.0))
def arcsinh(x: Array, /) -> Array:
    """Inverse of the hyperbolic sine, ``log(x + sqrt(x² + 1))``.

    >>> arcsinh(np.array([0.0, 1e200]))
    array([  0.        , 461.21016578])
    """


@primitive(np.arccosh, domain=(1.0, np.inf), onnx="Acosh")
@defvjp(x=lambda g, x: g / np.sqrt(x - 1.0) / np.sqrt(x + 1.0))
def arccosh(x: Array, /) -> Array:
    """Inverse of the hyperbolic cosine for ``x >= 1``; its slope at 1 is infinite.

    >>> arccosh(np.array([1.0, 2.0]))
    array([0.       , 1.3169579])
    """


@primitive(np.arctanh, domain=(-1.0, 1.0), onnx="Atanh")
@defvjp(x=lambda g, x: g / _one_minus_square(x))
def arctanh(x: Array, /) -> Array:
    """Inverse of the hyperbolic tangent for ``-1 < x < 1``; infinite at both ends, as its slope is.

    >>> arctanh(np.array([0.0, 0.5]))
    array([0.        , 0.54930614])
    """


def _turned_sine(turns: Array, quarters: int) -> Array:
    """``sin(π turns + quarters π/2)``, exact for many turns, too."""
    rest = np.pi * (turns - 2.0 * np.rint(turns / 2.0))
    wave = np.cos(rest) if quarters % 2 else np.sin(rest)
    return -wave if quarters % 4 > 1 else wave


def _sinc_derivative(x: Array, order: int) -> Array:
    """The ``order``-th derivative of ``sin(πx) / (πx)``, to rounding also where ``x`` is near 0.

    With ``t = πx``, far from 0 the recurrence ``t s⁽ⁿ⁾ = sin⁽ⁿ⁾(t) - n s⁽ⁿ⁻¹⁾`` is stable; below
    ``n + 1`` it is not, but there the Taylor series of ``s`` at 0 has little cancellation.
    """
    t = np.pi * x
    near = np.abs(t) < order + 1.0
    far, turns = np.where(near, order + 1.0, t), np.where(near, (order + 1.0) / np.pi, x)
    upward = _turned_sine(turns, 0) / far
    for n in range(1, order + 1):
        upward = (_turned_sine(turns, n) - n * upward) / far
    small = np.where(near, t, 0.0)
    series = np.zeros_like(small)
    for k in range((order + 1) // 2, (order + 1) // 2 + 12 + 3 * order):
        power = 2 * k - order
        term = (-1) ** k / ((2 * k + 1) * math.factorial(power))
        series = series + term * small**power
    return math.pi**order * np.where(near, series, upward)


def pull_sinc(g: Array, x: Array, order: int) -> Array:
    """``g`` times the next derivative."""
    return g * _sinc(x, order + 1)


@primitive(
    name="sinc",
    cases=[case(2, 3, order=0), case(2, order=1), case((), order=2), case(0, 3, order=0)],
)
@defvjp(x=pull_sinc)
def _sinc(x: Array, /, order: int) -> Array:
    """The ``order``-th derivative of ``sin(πx) / (πx)``."""
    if not order:
        return np.sinc(x)
    return _sinc_derivative(np.asarray(x, np.float64), order).astype(x.dtype)


@composition(np.sinc)
def sinc(x: Array) -> Array:
    """Normalised sinc ``sin(πx) / (πx)``, and 1 at 0, where it is smooth to any order.

    Its rule is the same function with the next derivative, from the Taylor series near 0.

    >>> sinc(np.array([0.0, 0.5]))
    array([1.        , 0.63661977])
    """
    return _sinc(x, 0)


@primitive(np.degrees, numpy=[np.degrees, np.rad2deg])
@defvjp(x=lambda g: np.degrees(g))
def degrees(x: Array, /) -> Array:
    """Degrees of an angle in radians. Also called ``rad2deg``.

    PyTorch calls it ``rad2deg``.

    >>> degrees(np.array([0.0, np.pi]))
    array([  0., 180.])
    """


rad2deg = degrees


@primitive(np.radians, numpy=[np.radians, np.deg2rad])
@defvjp(x=lambda g: np.radians(g))
def radians(x: Array, /) -> Array:
    """Radians of an angle in degrees. Also called ``deg2rad``.

    PyTorch calls it ``deg2rad``.

    >>> radians(np.array([0.0, 180.0]))
    array([0.        , 3.14159265])
    """


deg2rad = radians


@primitive(np.angle, domain=(0.0, np.inf), cases=[case(2, 3, deg=False), case(2, deg=True)])
@defvjp(x=pull_nothing)
def angle(x: Any, /, deg: bool = False) -> Array:
    """Angle of a real number in the complex plane: 0, or π where ``x < 0``; its gradient is 0.

    ``deg`` gives degrees.

    >>> angle(np.array([2.0, -1.0]))
    array([0.        , 3.14159265])
    """
