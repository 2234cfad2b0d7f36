"""Comparisons and truth: ops that have no gradient and give booleans."""

from __future__ import annotations

import numpy as np

from minigrad.primitive import Array, Axis, case, primitive

__all__ = [
    "all",
    "any",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]


@primitive(np.equal, onnx="Equal")
def equal(a: Array, b: Array, /) -> Array:
    """Whether ``a == b``, elementwise.

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
