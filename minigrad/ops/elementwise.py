"""Elementwise ops: one value in, one value out, broadcasting as NumPy does.

Read any block aloud: *multiply is NumPy's multiply; a's cotangent is g times b; b's is g times a.*
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.primitive import POSITIVE, Array, case, composition, defvjp, primitive

__all__ = [
    "abs",
    "absolute",
    "add",
    "astype",
    "ceil",
    "clip",
    "cos",
    "divide",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "positive",
    "power",
    "relu",
    "remainder",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "sqrt",
    "square",
    "stop_gradient",
    "subtract",
    "tanh",
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
@defvjp(a=lambda g: g * 0.0, b=lambda g: g * 0.0)
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


def pull_base(g: Array, a: Array, b: Array) -> Array:
    """``g * b * a ** (b - 1)``, and 0 where ``b`` is 0."""
    if isinstance(b, int | float):  # a Python number keeps float32, an array of it would not
        return g * b * a ** (b - 1) if b else g * 0.0
    return g * b * np.power(a, np.where(b == 0, b, b - 1))


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

    >>> power(np.array([1.0, 2.0]), 3.0)
    array([1., 8.])
    """


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


@primitive(np.exp, onnx="Exp")
@defvjp(x=lambda g, out: g * out)
def exp(x: Array, /) -> Array:
    """Exponential ``e ** x``.

    >>> exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """


@primitive(np.expm1)
@defvjp(x=lambda g, out: g * (out + 1.0))
def expm1(x: Array, /) -> Array:
    """``exp(x) - 1``, exact for small ``x``.

    >>> expm1(np.array([0.0, 1e-10]))
    array([0.e+00, 1.e-10])
    """


@primitive(np.log, domain=POSITIVE, onnx="Log")
@defvjp(x=lambda g, x: g / x)
def log(x: Array, /) -> Array:
    """Natural logarithm; differentiable where ``x > 0``.

    >>> log(np.array([1.0, np.e]))
    array([0., 1.])
    """


@primitive(np.log1p, domain=(-1.0, np.inf))
@defvjp(x=lambda g, x: g / (x + 1.0))
def log1p(x: Array, /) -> Array:
    """``log(1 + x)``, exact for small ``x``.

    >>> log1p(np.array([0.0, 1e-10]))
    array([0.e+00, 1.e-10])
    """


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


@primitive(np.tanh, onnx="Tanh")
@defvjp(x=lambda g, out: g * (1.0 - out * out))
def tanh(x: Array, /) -> Array:
    """Hyperbolic tangent.

    >>> tanh(np.array([0.0, 1e4]))
    array([0., 1.])
    """


@primitive(onnx="Sigmoid")
@defvjp(x=lambda g, out: g * out * (1.0 - out))
def sigmoid(x: Array, /) -> Array:
    """Logistic function ``1 / (1 + exp(-x))``, without overflow and exact in both tails.

    >>> sigmoid(np.array([0.0, -1e4, 1e4]))
    array([0.5, 0. , 1. ])
    """
    decay = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), 1.0, decay) / (1.0 + decay)


@primitive(onnx="Softplus")
@defvjp(x=lambda g, x: g * sigmoid(x))
def softplus(x: Array, /) -> Array:
    """Smooth rectifier ``log(1 + exp(x))``, without overflow; its slope is the sigmoid.

    >>> softplus(np.array([0.0, -1e4, 1e4]))
    array([6.93147181e-01, 0.00000000e+00, 1.00000000e+04])
    """
    return np.logaddexp(x, 0)


@primitive(domain=POSITIVE, onnx="Relu")
@defvjp(x=lambda g, out: g * (out > 0))
def relu(x: Array, /) -> Array:
    """Rectifier ``max(x, 0)``; its gradient at 0 is 0.

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return np.maximum(x, 0)


@primitive(np.absolute, domain=POSITIVE, onnx="Abs")
@defvjp(x=lambda g, x: g * np.sign(x))
def absolute(x: Array, /) -> Array:
    """Absolute value ``|x|``; its gradient at 0 is 0. Also called ``abs``.

    >>> absolute(np.array([-1.0, 2.0]))
    array([1., 2.])
    """


abs = absolute


@primitive(np.sign, domain=POSITIVE, onnx="Sign")
@defvjp(x=lambda g: g * 0.0)
def sign(x: Array, /) -> Array:
    """Sign of ``x``: -1, 0 or 1; constant on both sides, so its gradient is 0.

    >>> sign(np.array([-2.0, 0.0, 5.0]))
    array([-1.,  0.,  1.])
    """


@primitive(np.floor, domain=(0.1, 0.9), onnx="Floor")
@defvjp(x=lambda g: g * 0.0)
def floor(x: Array, /) -> Array:
    """Largest whole number not above ``x``; constant between its jumps, so its gradient is 0.

    >>> floor(np.array([-0.5, 1.5]))
    array([-1.,  1.])
    """


@primitive(np.ceil, domain=(0.1, 0.9), onnx="Ceil")
@defvjp(x=lambda g: g * 0.0)
def ceil(x: Array, /) -> Array:
    """Smallest whole number not below ``x``; constant between its jumps, so its gradient is 0.

    >>> ceil(np.array([0.5, 1.5]))
    array([1., 2.])
    """


def _share(g: Array, mine: Array, other: Array, out: Array) -> Array:
    """Give the cotangent to the operand that won, half of it where both did."""
    return np.where(np.equal(mine, out), np.where(np.equal(other, out), g * 0.5, g), 0.0)


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
    x=lambda g, x, a_min, a_max: np.where(_inside(x, a_min, a_max), g, 0.0),
    a_min=lambda g, x, a_min, a_max: np.where(
        np.logical_and(np.less(x, a_min), True if a_max is None else np.less(a_min, a_max)), g, 0.0
    ),
    a_max=lambda g, x, a_min, a_max: np.where(
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


@primitive(np.where, cases=[case((2, 3), (2, 3), (2, 3)), case((3,), (2, 1), ())], broadcasts=True)
@defvjp(
    a=lambda g, condition: np.where(condition, g, 0.0),
    b=lambda g, condition: np.where(condition, 0.0, g),
)
def where(condition: Array, a: Array, b: Array, /) -> Array:
    """``a`` where the condition holds, else ``b``; the cotangent is selected, never multiplied.

    >>> where(np.array([True, False]), 1.0, np.array([2.0, 3.0]))
    array([1., 3.])
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

    >>> astype(np.array([1.5]), np.float32)
    array([1.5], dtype=float32)
    """
    return _astype(x if np.dtype(dtype).kind in "fc" else stop_gradient(x), dtype)


@primitive()
def stop_gradient(x: Array, /) -> Array:
    """``x`` as a constant: it has no rule, so nothing is recorded and no gradient passes.

    >>> stop_gradient(np.array([1.0]))
    array([1.])
    """
    return x
