"""One NumPy function of numbers as Numba compiles it, with NumPy's rules of dtypes.

Numba promotes otherwise than NumPy (int32 plus int32 is int64 there), so the dtype in which a ufunc
computes is asked of the ufunc, and every operand is converted to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.compile.algebra import is_elementwise
from minigrad.compile.native.layout import is_plain
from minigrad.compile.program import Instruction, Value

__all__ = ["Recipe", "converted", "number", "recipe_of", "storage"]

BOTH = {
    "np.add": "{0} + {1}",
    "np.subtract": "{0} - {1}",
    "np.multiply": "{0} * {1}",
    "np.negative": "-{0}",
    "np.positive": "{0}",
    "np.square": "{0} * {0}",
    "np.greater": "{0} > {1}",
    "np.greater_equal": "{0} >= {1}",
    "np.less": "{0} < {1}",
    "np.less_equal": "{0} <= {1}",
    "np.equal": "{0} == {1}",
    "np.not_equal": "{0} != {1}",
    "np.absolute": "abs({0})",
}
FLOATS = {
    **BOTH,
    "np.divide": "{0} / {1}",
    "np.reciprocal": "{one} / {0}",
    "np.maximum": "{0} if ({0} >= {1}) | ({0} != {0}) else {1}",
    "np.minimum": "{0} if ({0} <= {1}) | ({0} != {0}) else {1}",
    "np.fmax": "{0} if ({0} >= {1}) | ({1} != {1}) else {1}",
    "np.fmin": "{0} if ({0} <= {1}) | ({1} != {1}) else {1}",
    "np.sign": "{one} if {0} > {zero} else (-{one} if {0} < {zero} else {0})",
    "np.power": "math.pow({0}, {1})",
    "np.float_power": "math.pow({0}, {1})",
    "np.isnan": "{0} != {0}",
    "np.isfinite": "{0} - {0} == {zero}",
    "np.isinf": "abs({0}) == np.inf",
    "np.fabs": "abs({0})",
    "np.sqrt": "math.sqrt({0})",
    "np.exp": "math.exp({0})",
    "np.log": "math.log({0})",
    "np.tanh": "math.tanh({0})",
    "np.arctan2": "math.atan2({0}, {1})",
    "np.copysign": "math.copysign({0}, {1})",
    **{f"np.{name}": f"math.{name}({{0}})" for name in ("sin", "cos", "tan", "sinh", "cosh")},
    **{f"np.{name}": f"math.{name}({{0}})" for name in ("log1p", "expm1")},
    **{f"np.arc{name}": f"math.a{name}({{0}})" for name in ("sin", "cos", "tan", "sinh")},
    **{f"np.{name}": f"np.{name}({{0}})" for name in ("floor", "ceil", "trunc", "rint", "log2")},
    **{f"np.{name}": f"np.{name}({{0}})" for name in ("log10", "exp2", "arccosh", "arctanh")},
    "np.logaddexp": "np.logaddexp({0}, {1})",
    "np.hypot": "math.hypot({0}, {1})",
}
INTEGERS = {
    **BOTH,
    "np.maximum": "{0} if {0} >= {1} else {1}",
    "np.minimum": "{0} if {0} <= {1} else {1}",
    "np.bitwise_and": "{0} & {1}",
    "np.bitwise_or": "{0} | {1}",
    "np.bitwise_xor": "{0} ^ {1}",
    "np.invert": "~{0}",
}
BOOLS = {
    **dict.fromkeys(("np.add", "np.maximum", "np.bitwise_or", "np.logical_or"), "{0} | {1}"),
    **{f"np.{name}": "{0} & {1}" for name in ("multiply", "minimum", "bitwise_and", "logical_and")},
    **{f"np.{name}": "{0} != {1}" for name in ("not_equal", "bitwise_xor", "logical_xor")},
    "np.equal": "{0} == {1}",
    "np.logical_not": "not {0}",
    "np.invert": "not {0}",
}
LITERAL_RIGHT = {  # of a number that is no nan: half of the comparisons
    "np.maximum": "{1} if {0} < {1} else {0}",
    "np.minimum": "{1} if {0} > {1} else {0}",
}
POWERS: dict[Any, str | None] = {2: "{0} * {0}", 3: "{0} * {0} * {0}", 1: "{0}", -1: "{one} / {0}"}
HEAVY = ("math.", "np.log", "np.exp", "np.arc")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one element is computed: operands converted to ``kinds``, then ``text``.

    Attributes:
        operands: What is computed with: Values and Python numbers.
        kinds: The dtype that each operand is converted to.
        text: The expression, with ``{0}`` for the first operand.
        kind: The dtype in which the expression comes out.
    """

    operands: tuple[Any, ...]
    kinds: tuple[np.dtype[Any], ...]
    text: str
    kind: np.dtype[Any]

    @property
    def cheap(self) -> bool:
        """Whether computing it again costs less than keeping it."""
        return not any(word in self.text for word in HEAVY)


def storage(dtype: np.dtype[Any]) -> str:
    """The type of the elements in memory: a bool is a byte."""
    return "np.uint8" if dtype.char == "?" else f"np.{dtype.name}"


def number(x: Any, dtype: np.dtype[Any]) -> str:
    """A Python number as a literal of a dtype.

    >>> number(2, np.dtype("f4")), number(0.5, np.dtype("f8")), number(-np.inf, np.dtype("f8"))
    ('np.float32(2.0)', '0.5', '-np.inf')
    """
    if dtype.char == "?":
        return str(bool(x))
    if dtype.kind == "f":
        text = repr(float(x)) if np.isfinite(x) else "np.nan" if x != x else "np.inf"
        text = f"-{text}" if x == -np.inf else text
        return text if dtype.char == "d" else f"np.{dtype.name}({text})"
    return repr(int(x)) if dtype == np.int64 else f"np.{dtype.name}({int(x)})"


def converted(text: str, before: np.dtype[Any], after: np.dtype[Any]) -> str:
    """A number of one dtype as one of another."""
    if before == after:
        return text
    return f"({text} != 0)" if after.char == "?" else f"np.{after.name}({text})"


def recipe_of(instruction: Instruction) -> Recipe | None:
    """How an element of an elementwise function is computed; None if Numba can't do as NumPy."""
    out = instruction.out
    if out.weak or not is_plain(out) or out.dtype is None:
        return None
    function, args = instruction.function, instruction.args
    if function == "copy":
        return Recipe(args, (out.dtype,), "{0}", out.dtype)
    if function == "astype":
        return _cast(args[0], out)
    if function == "np.where" and len(args) == 3 and not instruction.kwargs:
        return _where(args, out)
    if function == "np.clip" and len(args) == 3 and not instruction.kwargs:
        return _clip(args, out)
    if not is_elementwise(instruction) or instruction.kwargs:
        return None
    kinds = _loop(function, args)
    if kinds is None:
        return None
    table = BOOLS if kinds[0].char == "?" else FLOATS if kinds[0].kind == "f" else INTEGERS
    text = table.get(function)
    last = args[-1]
    if isinstance(last, int | float) and not isinstance(last, bool) and kinds[0].kind == "f":
        if function == "np.power":
            text = POWERS.get(last, text)
        elif last == last:
            text = LITERAL_RIGHT.get(function, text)
    if text is None or len({k.char for k in kinds[:-1]}) != 1:
        return None
    for name, x in (("{one}", 1), ("{zero}", 0)):
        text = text.replace(name, number(x, kinds[0]))
    return Recipe(args, kinds[:-1], text, kinds[-1])


def _cast(x: Any, out: Value) -> Recipe | None:
    assert out.dtype is not None
    if not isinstance(x, Value) or not is_plain(x) or x.weak or x.dtype is None:
        return None
    if x.dtype.kind == "f" and out.dtype.kind not in "fb":
        return None  # what becomes of nan depends on the machine
    return Recipe((x,), (x.dtype,), converted("{0}", x.dtype, out.dtype), out.dtype)


def _where(args: tuple[Any, ...], out: Value) -> Recipe | None:
    assert out.dtype is not None
    if not all(_fits(x, out.dtype) for x in args[1:]) or not isinstance(args[0], Value):
        return None
    if not is_plain(args[0]):
        return None
    kinds = (np.dtype(bool), out.dtype, out.dtype)
    return Recipe(args, kinds, "{1} if {0} else {2}", out.dtype)


def _clip(args: tuple[Any, ...], out: Value) -> Recipe | None:
    assert out.dtype is not None
    x, low, high = args
    limits = [v for v in (low, high) if v is not None]
    if not isinstance(x, Value) or x.dtype != out.dtype or out.dtype.char == "?":
        return None
    for limit in limits:
        finite = isinstance(limit, int | float) and limit == limit
        if not finite or not _fits(limit, out.dtype):
            return None
    if not limits or (len(limits) == 2 and low > high):
        return None
    text = "{0}"
    if low is not None:
        text = f"{number(low, out.dtype)} if {{0}} < {number(low, out.dtype)} else {text}"
    if high is not None:
        text = f"{number(high, out.dtype)} if {{0}} > {number(high, out.dtype)} else ({text})"
    return Recipe((x,), (out.dtype,), text, out.dtype)


def _fits(x: Any, dtype: np.dtype[Any]) -> bool:
    """Whether an operand is a number, or an array, that converts to a dtype as NumPy converts."""
    if isinstance(x, Value):
        return is_plain(x) and (x.weak is None or dtype.kind == "f" or dtype == x.dtype)
    if isinstance(x, bool):
        return dtype.char == "?" or dtype.kind in "iuf"
    if isinstance(x, int) and dtype.kind in "iu":
        return bool(np.iinfo(dtype).min <= x <= np.iinfo(dtype).max)
    return isinstance(x, int | float) and dtype.kind == "f"


def _loop(function: str, args: tuple[Any, ...]) -> tuple[np.dtype[Any], ...] | None:
    """The dtypes in which a ufunc computes: of each operand, and of the result."""
    given: list[Any] = []
    for x in args:
        if isinstance(x, Value):
            if not is_plain(x):
                return None
            given.append(x.weak if x.weak in (int, float) else x.dtype)
        elif isinstance(x, bool | np.bool):
            given.append(np.dtype(bool))
        elif isinstance(x, int | float):
            given.append(type(x))
        else:
            return None
    try:
        kinds = getattr(np, function[3:]).resolve_dtypes((*given, None))
    except (TypeError, ValueError):
        return None
    if any(k.char not in "?bBhHiIlLqQfd" for k in kinds):
        return None
    return kinds if all(_fits(x, k) for x, k in zip(args, kinds, strict=False)) else None
