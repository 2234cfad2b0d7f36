"""Elementwise ops: one value in, one value out, broadcasting as NumPy does.

Read any block aloud: *multiply is NumPy's multiply; a's cotangent is g times b; b's is g times a.*
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.ops.masks import select
from minigrad.ops.rounding import pull_nothing
from minigrad.primitive import POSITIVE, Array, case, composition, defvjp, primitive

__all__ = [
    "abs",
    "absolute",
    "add",
    "astype",
    "cbrt",
    "clip",
    "conj",
    "conjugate",
    "divide",
    "divmod",
    "fabs",
    "float_power",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frexp",
    "imag",
    "ldexp",
    "maximum",
    "minimum",
    "mod",
    "modf",
    "multiply",
    "nan_to_num",
    "negative",
    "positive",
    "power",
    "real",
    "reciprocal",
    "relu",
    "remainder",
    "sqrt",
    "square",
    "stop_gradient",
    "subtract",
    "where",
]


@primitive(np.add, onnx="Add")
@defvjp(a=lambda g: g, b=lambda g: g)
def add(a: Array, b: Array, /) -> Array:
    """Sum ``a + b``, elementwise.

    >>> add(np.array([1.0, 2.0]), 3.0)
    array([4., 5.])
    """


@primitive(np.subtract, onnx="Sub")
@defvjp(a=lambda g: g, b=lambda g: -g)
def subtract(a: Array, b: Array, /) -> Array:
    """Difference ``a - b``, elementwise.

    >>> subtract(np.array([1.0, 2.0]), 3.0)
    array([-2., -1.])
    """


@primitive(np.multiply, onnx="Mul")
@defvjp(a=lambda g, b: g * b, b=lambda g, a: g * a)
def multiply(a: Array, b: Array, /) -> Array:
    """Product ``a * b``, elementwise.

    >>> multiply(np.array([1.0, 2.0]), 3.0)
    array([3., 6.])
    """


@primitive(np.divide, domain=[(-np.inf, np.inf), POSITIVE], onnx="Div")
@defvjp(a=lambda g, b: g / b, b=lambda g, b, out: -g * out / b)
def divide(a: Array, b: Array, /) -> Array:
    """Quotient ``a / b``, elementwise; integers give floats. Differentiable where ``b != 0``.

    >>> divide(np.array([1.0, 2.0]), 4.0)
    array([0.25, 0.5 ])
    """


@primitive(np.floor_divide, domain=[(0.1, 0.9), (1.1, 2.0)])
@defvjp(a=pull_nothing, b=pull_nothing)
def floor_divide(a: Array, b: Array, /) -> Array:
    """Floor of the quotient, ``a // b``; constant between its jumps, so its gradient is 0.

    >>> floor_divide(np.array([1.0, 5.0]), 2.0)
    array([0., 2.])
    """


@primitive(np.remainder, domain=[(2.45, 2.9), (1.1, 1.2)], onnx="Mod")
@defvjp(a=lambda g: g, b=lambda g, a, b: -g * np.floor_divide(a, b))
def remainder(a: Array, b: Array, /) -> Array:
    """Remainder ``a % b`` with the sign of ``b``; not differentiable where ``a / b`` is whole.

    >>> remainder(np.array([1.0, -1.0]), 3.0)
    array([1., 2.])
    """


mod = remainder


@primitive(np.fmod, domain=[(2.45, 2.9), (1.1, 1.2)])
@defvjp(a=lambda g: g, b=lambda g, a, b, out: -g * np.rint((a - out) / b))
def fmod(a: Array, b: Array, /) -> Array:
    """Remainder of ``a / b`` with the sign of ``a``, as in C; not differentiable where it jumps.

    ``remainder`` has the sign of ``b``, as Python's ``%`` does.

    >>> fmod(np.array([1.0, -1.0]), 3.0)
    array([ 1., -1.])
    """


@composition(np.divmod)
def divmod(a: Array, b: Array) -> tuple[Array, Array]:
    """The pair of ``floor_divide(a, b)`` and ``remainder(a, b)``.

    >>> divmod(np.array([7.0, -7.0]), 2.0)
    (array([ 3., -4.]), array([1., 1.]))
    """
    return floor_divide(a, b), remainder(a, b)


@composition(np.modf)
def modf(x: Array) -> tuple[Array, Array]:
    """Fraction and whole part of ``x``, both with its sign; the cotangent passes to the fraction.

    >>> modf(np.array([1.5, -0.25]))
    (array([ 0.5 , -0.25]), array([ 1., -0.]))
    """
    finite = where(np.isinf(x), np.copysign(0.0, x), x)  # fmod of an infinity is NaN
    return fmod(finite, 1.0), np.trunc(positive(x))


@primitive(np.ldexp)
@defvjp(x=lambda g, exponent: np.ldexp(g, exponent))
def ldexp(x: Array, exponent: Array, /) -> Array:
    """``x * 2 ** exponent`` for whole exponents, which get no gradient.

    >>> ldexp(np.array([0.75, 1.0]), np.array([2, 10]))
    array([   3., 1024.])
    """


@primitive(name="frexp_exponent")
def _exponent(x: Array, /) -> Array:
    """The exponent that ``frexp`` gives, a whole number."""
    return np.frexp(x)[1]


@composition(np.frexp)
def frexp(x: Array) -> tuple[Array, Array]:
    """Mantissa in ``[0.5, 1)`` and whole exponent, so that ``x = mantissa * 2 ** exponent``.

    The exponent is constant between its jumps, so only the mantissa has a gradient.

    >>> frexp(np.array([3.0, 0.125]))
    (array([0.75, 0.5 ]), array([ 2, -2], dtype=int32))
    """
    exponent = _exponent(x)
    return ldexp(x, -exponent), exponent


@primitive(np.negative, onnx="Neg")
@defvjp(x=lambda g: -g)
def negative(x: Array, /) -> Array:
    """Negative ``-x``.

    >>> negative(np.array([1.0, -2.0]))
    array([-1.,  2.])
    """


@primitive(np.positive, numpy=[np.positive, np.copy], onnx="Identity")
@defvjp(x=lambda g: g)
def positive(x: Array, /) -> Array:
    """Copy ``+x``: the identity, as a new vertex of the graph.

    >>> positive(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """


@primitive(np.conjugate)
@defvjp(x=lambda g: g)
def conjugate(x: Array, /) -> Array:
    """Complex conjugate, which of a real array is a copy. Also called ``conj``.

    PyTorch calls it ``conj``.

    >>> conjugate(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """


conj = conjugate


@composition(np.real)
def real(x: Array) -> Array:
    """Real part: a real array itself.

    >>> real(np.array([1.0, -2.0]))
    array([ 1., -2.])
    """
    return np.asarray(x).real if isinstance(x, int | float | list) else x


@primitive(np.imag)
def imag(x: Array, /) -> Array:
    """Imaginary part: zeros for a real array, without a gradient.

    >>> imag(np.array([1.0, -2.0]))
    array([0., 0.])
    """


@primitive(np.reciprocal, domain=POSITIVE, onnx="Reciprocal")
@defvjp(x=lambda g, out: -g * out * out)
def reciprocal(x: Array, /) -> Array:
    """Reciprocal ``1 / x``; of integers whole, as NumPy's is. Differentiable where ``x != 0``.

    >>> reciprocal(np.array([2.0, -4.0]))
    array([ 0.5 , -0.25])
    """


def pull_base(g: Array, a: Array, b: Array) -> Array:
    """``g * b * a ** (b - 1)``, and 0 where ``b`` is 0."""
    if isinstance(b, int | float):  # a Python number keeps float32, an array of it would not
        return g * b * a ** (b - 1) if b else g * 0.0
    still = np.logical_and(np.equal(b, 0), np.logical_not(np.greater(a, 0)))  # else 0 * inf there
    return g * b * np.power(a, np.where(still, b, b - 1))


def pull_exponent(g: Array, a: Array, out: Array) -> Array:
    """``g * a ** b * log(a)``, and 0 where ``a`` is not positive, also where the power is inf."""
    if isinstance(a, int | float):  # np.log of a Python number would promote float32
        return g * 0.0 if a <= 0 else g * out * math.log(a)
    none = np.less_equal(a, 0)
    return g * np.where(none, 0.0, out) * np.log(np.where(none, 1.0, a))


@primitive(np.power, domain=[POSITIVE, (-2.0, 2.0)], onnx="Pow")
@defvjp(a=pull_base, b=pull_exponent)
def power(a: Array, b: Array, /) -> Array:
    """Power ``a ** b``; by convention the gradient is 0 to ``a`` where ``b`` is 0 (also ``0 ** 0``)
    and 0 to ``b`` where ``a <= 0``, where no real derivative exists.

    PyTorch calls it ``pow``.

    >>> power(np.array([1.0, 2.0]), 3.0)
    array([1., 8.])
    """


@composition(np.float_power)
def float_power(a: Array, b: Array) -> Array:
    """Power ``a ** b`` in float64, so that whole numbers may have negative exponents.

    Conventions are those of ``power``.

    >>> float_power(np.array([2, 4]), -1)
    array([0.5 , 0.25])
    """
    return power(astype(a, np.float64), astype(b, np.float64))


@primitive(np.square)
@defvjp(x=lambda g, x: g * x * 2.0)
def square(x: Array, /) -> Array:
    """Square ``x ** 2``.

    >>> square(np.array([1.0, -3.0]))
    array([1., 9.])
    """


@primitive(np.sqrt, domain=POSITIVE, onnx="Sqrt")
@defvjp(x=lambda g, out: g * 0.5 / out)
def sqrt(x: Array, /) -> Array:
    """Square root; its slope at 0 is infinite.

    >>> sqrt(np.array([4.0, 9.0]))
    array([2., 3.])
    """


@primitive(np.cbrt, domain=POSITIVE)
@defvjp(x=lambda g, out: g / (out * out * 3.0))
def cbrt(x: Array, /) -> Array:
    """Cube root, also of negative numbers; its slope at 0 is infinite.

    >>> cbrt(np.array([8.0, -27.0]))
    array([ 2., -3.])
    """


_ZEROS = {np.dtype(kind): np.zeros((), kind) for kind in "efd"}  # of 0 NumPy makes one each time


@primitive(domain=POSITIVE, onnx="Relu")
@defvjp(x=lambda g, out: g * (out > 0))
def relu(x: Array, /) -> Array:
    """Rectifier ``max(x, 0)``; its gradient at 0 is 0.

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return np.maximum(x, _ZEROS.get(x.dtype, 0) if x.__class__ is np.ndarray else 0)


@primitive(np.absolute, domain=POSITIVE, onnx="Abs")
@defvjp(x=lambda g, x: g * np.sign(x))
def absolute(x: Array, /) -> Array:
    """Absolute value ``|x|``; its gradient at 0 is 0. Also called ``abs``.

    >>> absolute(np.array([-1.0, 2.0]))
    array([1., 2.])
    """


abs = absolute


@primitive(np.fabs, domain=POSITIVE)
@defvjp(x=lambda g, x: g * np.sign(x))
def fabs(x: Array, /) -> Array:
    """Absolute value as a float, also of integers; its gradient at 0 is 0.

    >>> fabs(np.array([-1, 2]))
    array([1., 2.])
    """


def _share(g: Array, mine: Array, other: Array, out: Array) -> Array:
    """Give the cotangent to the operand that won, half of it where both did."""
    return select(np.equal(mine, out), select(np.equal(other, out), g * 0.5, g), 0.0)


@primitive(np.maximum, onnx="Max")
@defvjp(
    a=lambda g, a, b, out: _share(g, a, b, out),
    b=lambda g, a, b, out: _share(g, b, a, out),
)
def maximum(a: Array, b: Array, /) -> Array:
    """Larger of ``a`` and ``b``, elementwise; where they tie, each gets half of the cotangent.

    >>> maximum(np.array([1.0, 4.0]), 2.0)
    array([2., 4.])
    """


@primitive(np.minimum, onnx="Min")
@defvjp(
    a=lambda g, a, b, out: _share(g, a, b, out),
    b=lambda g, a, b, out: _share(g, b, a, out),
)
def minimum(a: Array, b: Array, /) -> Array:
    """Smaller of ``a`` and ``b``, elementwise; where they tie, each gets half of the cotangent.

    >>> minimum(np.array([1.0, 4.0]), 2.0)
    array([1., 2.])
    """


@primitive(np.fmax)
@defvjp(
    a=lambda g, a, b, out: _share(g, a, b, out),
    b=lambda g, a, b, out: _share(g, b, a, out),
)
def fmax(a: Array, b: Array, /) -> Array:
    """Larger of ``a`` and ``b``, or the one that is not NaN; a NaN gets no gradient, a tie shares.

    >>> fmax(np.array([1.0, np.nan]), 2.0)
    array([2., 2.])
    """


@primitive(np.fmin)
@defvjp(
    a=lambda g, a, b, out: _share(g, a, b, out),
    b=lambda g, a, b, out: _share(g, b, a, out),
)
def fmin(a: Array, b: Array, /) -> Array:
    """Smaller of ``a`` and ``b``, or the one that is not NaN; a NaN gets no gradient, a tie shares.

    >>> fmin(np.array([1.0, np.nan]), 2.0)
    array([1., 2.])
    """


def _inside(x: Array, low: Array, high: Array) -> Array:
    """Where ``x`` lies between the bounds, the bounds included; None is no bound."""
    above = np.equal(x, x) if low is None else np.greater_equal(x, low)
    return above if high is None else np.logical_and(above, np.less_equal(x, high))


@primitive(
    np.clip,
    numpy=[],
    name="clip",
    domain=[(-6.0, 6.0), (-3.0, -2.0), (2.0, 3.0)],  # so wide that both bounds are met
    cases=[case((2, 3), (), ()), case((2, 3), (3,), (2, 1))],
    broadcasts=True,
    onnx="Clip",
)
@defvjp(
    x=lambda g, x, a_min, a_max: select(_inside(x, a_min, a_max), g, 0.0),
    a_min=lambda g, x, a_min, a_max: select(
        np.logical_and(np.less(x, a_min), True if a_max is None else np.less(a_min, a_max)), g, 0.0
    ),
    a_max=lambda g, x, a_min, a_max: select(
        np.greater(x if a_min is None else np.maximum(x, a_min), a_max), g, 0.0
    ),
)
def _clip(x: Array, a_min: Array, a_max: Array, /) -> Array:
    """``x`` limited to ``[a_min, a_max]``; None is no bound."""


@composition(np.clip)
def clip(
    x: Array, a_min: Array = None, a_max: Array = None, *, min: Array = None, max: Array = None
) -> Array:
    """``x`` limited to ``[a_min, a_max]``; None is no bound. On a bound the gradient goes to ``x``.

    ``min`` and ``max`` are other names of the bounds.

    >>> clip(np.array([-2.0, 0.5, 2.0]), 0.0, 1.0)
    array([0. , 0.5, 1. ])
    """
    for bound, other in ((a_min, min), (a_max, max)):
        if bound is not None and other is not None:
            raise TypeError("clip: a_min and min are one bound, as are a_max and max: pass either")
    return _clip(x, min if a_min is None else a_min, max if a_max is None else a_max)


@primitive(
    select,
    numpy=[np.where],
    cases=[case((2, 3), (2, 3), (2, 3)), case((3,), (2, 1), ())],
    broadcasts=True,
)
@defvjp(
    a=lambda g, condition: select(condition, g, 0.0),
    b=lambda g, condition: select(condition, 0.0, g),
)
def where(condition: Array, a: Array, b: Array, /) -> Array:
    """``a`` where the condition holds, else ``b``; the cotangent is selected, never multiplied.

    >>> where(np.array([True, False]), 1.0, np.array([2.0, 3.0]))
    array([1., 3.])
    """


@primitive(np.nan_to_num, cases=[case(2, 3), case((), nan=1.0, posinf=2.0)])
@defvjp(x=lambda g, x: np.where(np.isfinite(x), g, 0.0))
def nan_to_num(
    x: Array,
    /,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Array:
    """``x`` with numbers in place of NaN and infinities, where its gradient is 0.

    Args:
        x: Any array.
        nan: What replaces NaN.
        posinf: What replaces infinity; by default the largest number of the dtype.
        neginf: What replaces minus infinity; by default the smallest number of the dtype.

    >>> nan_to_num(np.array([1.0, np.nan, np.inf]), posinf=9.0)
    array([1., 0., 9.])
    """


@primitive(name="astype", cases=[case(2, 3, dtype=np.float32)])
@defvjp(x=lambda g: g)
def _astype(x: Array, /, dtype: type | np.dtype) -> Array:
    """``x`` in another dtype; the engine gives the cotangent back in the dtype of ``x``."""
    return np.asarray(x).astype(dtype)


@composition(np.astype)
def astype(x: Array, dtype: type | np.dtype, copy: bool = True) -> Array:
    """``x`` in another dtype; no gradient passes through integers and booleans.

    ``copy`` is NumPy's parameter and changes nothing: the result is an array of its own.
    PyTorch calls it ``to``.

    >>> astype(np.array([1.5]), np.float32)
    array([1.5], dtype=float32)
    """
    return _astype(x if np.dtype(dtype).kind in "fc" else stop_gradient(x), dtype)


@primitive()
def stop_gradient(x: Array, /) -> Array:
    """``x`` as a constant: it has no rule, so nothing is recorded and no gradient passes.

    PyTorch calls it ``detach``.

    >>> stop_gradient(np.array([1.0]))
    array([1.])
    """
    return x
