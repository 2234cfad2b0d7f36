"""Constants, shapes and long lines as source text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.compile.algebra import is_count, uniform
from minigrad.compile.program import Buffer, Value

__all__ = ["amount", "broken", "constant", "dtype_argument", "literal", "shape_text", "wrapped"]

WIDTH = 100


def literal(x: Any) -> str:
    """A constant operand.

    >>> literal(0.5), literal(np.dtype("f4")), literal(-np.inf), literal(1.0 - 0.9)
    ('0.5', 'np.float32', '-np.inf', '1.0 - 0.9')
    """
    if isinstance(x, np.dtype):
        return f"np.{x.name}" if hasattr(np, x.name) and x.isnative else repr(x.str)
    if isinstance(x, type) and issubclass(x, np.generic):
        return f"np.{x.__name__}"
    if isinstance(x, type):
        return x.__name__
    if isinstance(x, float) and not np.isfinite(x):
        return "np.nan" if np.isnan(x) else "np.inf" if x > 0 else "-np.inf"
    if type(x) is float and len(repr(x)) > 12:
        return _as_it_came(x)
    return "..." if x is Ellipsis else repr(x).replace("'", '"')


def _as_it_came(x: float) -> str:
    """The short expression that a number of many digits is the value of, if there is one."""
    share = round(1.0 - x, 9)
    if share and 1.0 - share == x:
        return f"1.0 - {share!r}"
    count = round(1.0 / x)
    return f"1.0 / {float(count)!r}" if count and 1.0 / count == x else repr(x)


def constant(value: Value) -> str:
    """The expression that makes a constant array."""
    array = value.constant
    if is_count(value) and array.dtype == np.int64:
        return f"np.arange({value.shape[0]})"
    number = uniform(value)
    if number is not None and value.shape:
        return f"np.full({shape_text(value.shape)}, {literal(number)}{dtype_argument(value)})"
    elements = [literal(x) for x in array.ravel().tolist()]
    shape = "" if array.ndim == 1 else f".reshape({shape_text(array.shape)})"
    line = f"np.array([{', '.join(elements)}], np.{array.dtype.name}){shape}"
    if len(line) <= 60:
        return line
    rows = textwrap.wrap(", ".join(elements), WIDTH - 8)
    body = "\n".join(f"        {row}" for row in rows)
    return f"np.array(\n    [\n{body}\n    ],\n    np.{array.dtype.name},\n){shape}"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as a tuple."""
    return repr(tuple(shape))


def dtype_argument(value: Value | Buffer) -> str:
    """The dtype as a further argument, where it is not the default."""
    return "" if value.dtype == np.float64 else f", {literal(value.dtype)}"


def amount(size: int) -> str:
    """An amount of memory.

    >>> amount(2_500_000)
    '2.5 MB'
    """
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


# Long lines


def broken(head: str, parts: list[str], tail: str) -> list[str]:
    """Parts between brackets on lines of their own."""
    indent = " " * (len(head) - len(head.lstrip()) + 4)
    return [head, *(f"{indent}{part}," for part in parts), tail]


def wrapped(line: str) -> list[str]:
    r"""One statement over several lines: broken at the commas of its outermost bracket.

    >>> print(*wrapped("x = f(a, (b, c))"), sep="\n")
    x = f(
        a,
        (b, c),
    )
    >>> print(*wrapped("x = a / (b - c)"), sep="\n")
    x = (
        a / (b - c)
    )
    """
    indent = " " * (len(line) - len(line.lstrip()))
    head, bracket, inner = line.partition("(")
    called = head[-1:].isalnum() or head.endswith(("_", "]"))  # (a + b,) would be a tuple
    parts = list(_split(inner[:-1])) if inner.endswith(")") and called else []
    if parts and line.count("(") == line.count(")") and _closes(line):
        return broken(head + bracket, parts, indent + ")")
    target, sign, value = line.partition("= ")
    if not sign:
        return [line]
    return [f"{target}{sign}(", f"{indent}    {value}", f"{indent})"]


def _closes(line: str) -> bool:
    """Whether the last bracket of a line closes the first."""
    depth = 0
    for i, char in enumerate(line):
        depth += (char == "(") - (char == ")")
        if char == ")" and not depth:
            return i == len(line) - 1
    return False


def _split(text: str) -> Iterator[str]:
    depth, start = 0, 0
    for i, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and not depth:
            yield text[start:i].strip()
            start = i + 1
    yield text[start:].strip()
