"""Comparisons, truth and whole numbers: ops that have no gradient."""

from __future__ import annotations

import numpy as np

from minigrad.primitive import Array, Axis, case, primitive

__all__ = [
    "all",
    "any",
    "bitwise_and",
    "bitwise_count",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "equal",
    "gcd",
    "greater",
    "greater_equal",
    "iscomplex",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "lcm",
    "left_shift",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "right_shift",
    "signbit",
]


@primitive(np.equal, onnx="Equal")
def equal(a: Array, b: Array, /) -> Array:
    """Whether ``a == b``, elementwise.

    PyTorch calls it ``eq``.

    >>> equal(np.array([1, 2]), 2)
    array([False,  True])
    """


@primitive(np.not_equal)
def not_equal(a: Array, b: Array, /) -> Array:
    """Whether ``a != b``, elementwise.

    >>> not_equal(np.array([1, 2]), 2)
    array([ True, False])
    """


@primitive(np.less, onnx="Less")
def less(a: Array, b: Array, /) -> Array:
    """Whether ``a < b``, elementwise.

    >>> less(np.array([1, 2]), 2)
    array([ True, False])
    """


@primitive(np.less_equal, onnx="LessOrEqual")
def less_equal(a: Array, b: Array, /) -> Array:
    """Whether ``a <= b``, elementwise.

    >>> less_equal(np.array([1, 3]), 2)
    array([ True, False])
    """


@primitive(np.greater, onnx="Greater")
def greater(a: Array, b: Array, /) -> Array:
    """Whether ``a > b``, elementwise.

    >>> greater(np.array([1, 3]), 2)
    array([False,  True])
    """


@primitive(np.greater_equal, onnx="GreaterOrEqual")
def greater_equal(a: Array, b: Array, /) -> Array:
    """Whether ``a >= b``, elementwise.

    >>> greater_equal(np.array([1, 2]), 2)
    array([False,  True])
    """


@primitive(np.logical_and, onnx="And")
def logical_and(a: Array, b: Array, /) -> Array:
    """Whether both are true, elementwise.

    >>> logical_and(np.array([True, True]), np.array([True, False]))
    array([ True, False])
    """


@primitive(np.logical_or, onnx="Or")
def logical_or(a: Array, b: Array, /) -> Array:
    """Whether either is true, elementwise.

    >>> logical_or(np.array([True, False]), False)
    array([ True, False])
    """


@primitive(np.logical_xor, onnx="Xor")
def logical_xor(a: Array, b: Array, /) -> Array:
    """Whether exactly one is true, elementwise.

    >>> logical_xor(np.array([True, False]), True)
    array([False,  True])
    """


@primitive(np.logical_not, onnx="Not")
def logical_not(x: Array, /) -> Array:
    """Whether ``x`` is false, elementwise.

    >>> logical_not(np.array([True, False]))
    array([False,  True])
    """


@primitive(np.bitwise_and)
def bitwise_and(a: Array, b: Array, /) -> Array:
    """``a & b`` of booleans (whether both is true) or of the bits of integers.

    >>> bitwise_and(np.array([6, 1]), 3)
    array([2, 1])
    """


@primitive(np.bitwise_or)
def bitwise_or(a: Array, b: Array, /) -> Array:
    """``a | b`` of booleans (whether either is true) or of the bits of integers.

    >>> bitwise_or(np.array([6, 1]), 3)
    array([7, 3])
    """


@primitive(np.bitwise_xor)
def bitwise_xor(a: Array, b: Array, /) -> Array:
    """``a ^ b`` of booleans (whether exactly one is true) or of the bits of integers.

    >>> bitwise_xor(np.array([6, 1]), 3)
    array([5, 2])
    """


@primitive(np.bitwise_not)
def bitwise_not(x: Array, /) -> Array:
    """``~x`` of booleans (not) or of the bits of integers.

    >>> bitwise_not(np.array([True, False]))
    array([False,  True])
    """


@primitive(np.bitwise_count)
def bitwise_count(x: Array, /) -> Array:
    """Number of ones among the bits of ``|x|``.

    >>> bitwise_count(np.array([0, 3, 8]))
    array([0, 2, 1], dtype=uint8)
    """


@primitive(np.left_shift)
def left_shift(a: Array, b: Array, /) -> Array:
    """Bits of ``a`` moved up by ``b``.

    PyTorch calls it ``bitwise_left_shift``.

    >>> left_shift(np.array([1, 3]), 2)
    array([ 4, 12])
    """


@primitive(np.right_shift)
def right_shift(a: Array, b: Array, /) -> Array:
    """Bits of ``a`` moved down by ``b``.

    PyTorch calls it ``bitwise_right_shift``.

    >>> right_shift(np.array([4, 12]), 2)
    array([1, 3])
    """


@primitive(np.gcd)
def gcd(a: Array, b: Array, /) -> Array:
    """Greatest common divisor of whole numbers.

    >>> gcd(np.array([12, 7]), 18)
    array([6, 1])
    """


@primitive(np.lcm)
def lcm(a: Array, b: Array, /) -> Array:
    """Least common multiple of whole numbers.

    >>> lcm(np.array([4, 7]), 6)
    array([12, 42])
    """


@primitive(np.signbit)
def signbit(x: Array, /) -> Array:
    """Whether an element has a minus sign, as -0.0 has too.

    >>> signbit(np.array([-1.0, -0.0, 0.0]))
    array([ True,  True, False])
    """


@primitive(np.isnan, onnx="IsNaN")
def isnan(x: Array, /) -> Array:
    """Whether an element is not a number.

    >>> isnan(np.array([1.0, np.nan]))
    array([False,  True])
    """


@primitive(np.isinf, onnx="IsInf")
def isinf(x: Array, /) -> Array:
    """Whether an element is infinite, of either sign.

    >>> isinf(np.array([1.0, -np.inf]))
    array([False,  True])
    """


@primitive(np.isposinf)
def isposinf(x: Array, /) -> Array:
    """Whether an element is infinity.

    >>> isposinf(np.array([np.inf, -np.inf]))
    array([ True, False])
    """


@primitive(np.isneginf)
def isneginf(x: Array, /) -> Array:
    """Whether an element is minus infinity.

    >>> isneginf(np.array([np.inf, -np.inf]))
    array([False,  True])
    """


@primitive(np.isreal)
def isreal(x: Array, /) -> Array:
    """Whether an element has no imaginary part, as all of a real array.

    >>> isreal(np.array([1.0, 2.0]))
    array([ True,  True])
    """


@primitive(np.iscomplex)
def iscomplex(x: Array, /) -> Array:
    """Whether an element has an imaginary part.

    >>> iscomplex(np.array([1.0, 2.0]))
    array([False, False])
    """


@primitive(np.isfinite)
def isfinite(x: Array, /) -> Array:
    """Whether an element is neither infinite nor NaN.

    >>> isfinite(np.array([1.0, np.nan]))
    array([ True, False])
    """


@primitive(np.all, cases=[case(2, 3), case(2, 3, axis=1, keepdims=True)])
def all(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether every element along ``axis`` is true.

    >>> all(np.array([[True, False], [True, True]]), axis=1)
    array([False,  True])
    """


@primitive(np.any, cases=[case(2, 3), case(2, 3, axis=1, keepdims=True)])
def any(x: Array, /, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether some element along ``axis`` is true.

    >>> any(np.array([[True, False], [False, False]]), axis=1)
    array([ True, False])
    """
