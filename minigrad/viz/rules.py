"""The gradient rules of an op as text for people: ``xᵀ · g`` instead of ``np.dot(a.T, g)``.

The text comes from the registry: from the source of a rule that is a lambda, from the docstring of
one that is a function. So ops that users declare have one too.
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any

from minigrad.primitive import OUT, Primitive, Rule
from minigrad.viz.markup import LONGEST

__all__ = ["Writer", "asks_for", "rule_text"]

_BINARY: dict[type[ast.operator], tuple[str, int]] = {
    ast.Add: (" + ", 1),
    ast.Sub: (" − ", 1),
    ast.Mult: (" × ", 2),
    ast.Div: (" / ", 2),
    ast.FloorDiv: (" // ", 2),
    ast.Mod: (" % ", 2),
    ast.MatMult: (" · ", 2),
    ast.BitAnd: (" and ", 0),
    ast.BitOr: (" or ", 0),
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Gt: ">",
    ast.GtE: "≥",
    ast.Lt: "<",
    ast.LtE: "≤",
    ast.Eq: "=",
    ast.NotEq: "≠",
}
_CALLED: dict[str, str] = {
    "greater": ">",
    "less": "<",
    "equal": "=",
    "greater_equal": "≥",
    "less_equal": "≤",
    "floor_divide": "//",
    "logical_and": "and",
    "add": "+",
}
# What private functions of the ops come to: {0} is their first argument.
_PHRASES: dict[str, str] = {
    "share": "{0} where {1} = {3}, else 0",
    "inside": "{1} ≤ {0} ≤ {2}",
    "loggable": "{1}",
    "like": "{0}",
    "number_like": "{0}",
    "asarray": "{0}",
    "expand_reduced": "{0}",
    "one_minus_square": "1 − {0}²",
    "float": "{0}",  # a rule's way of keeping float32 float32
    "unsort": "{0} where it stood before sorting",
    "hazard": "φ({0}) / Φ({0})",
    "pull_transpose": "{0} with its axes in the order before",
    "pull_polygamma": "{0} × the next derivative",
}
_LOOSE = ("one_minus_square", "share", "inside", "unsort", "pull_transpose")
_POWERS = str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·")
_TYPED = {" - ": " − ", " * ": " × ", "** ": "^ ", ".T": "ᵀ"}
_ATOM = 9


class Writer:
    """Writes a Python expression as mathematics, with operands under the names they have.

    Args:
        names: What to write for the names in the expression that are arrays.
        known: Values of the names that are not: what depends on them alone is computed.
        arrays: Further names that are arrays.
        scope: The globals of the function that the expression is from.

    >>> body = ast.parse("g * b / out ** 2", mode="eval").body
    >>> Writer({"b": "weight"}, {}).write(body)
    'g × weight / out²'
    """

    def __init__(
        self,
        names: Mapping[str, str],
        known: Mapping[str, Any],
        arrays: frozenset[str] = frozenset(),
        scope: Mapping[str, Any] | None = None,
    ) -> None:
        self.names, self.known = names, known
        self.arrays = (arrays | frozenset(names) | {"g", "out"}) - set(known)
        self.scope = dict(scope or {})

    def write(self, node: ast.expr, within: int = 0) -> str:
        """Write an expression, in brackets if it binds less than what is around it."""
        text, strength = self.node(node)
        return f"({text})" if strength < within else text

    def node(self, node: ast.expr) -> tuple[str, int]:
        """The text of an expression, and how strongly it binds."""
        scalar = self.scalar(node)
        if scalar is not None:
            return scalar, _ATOM if not scalar.startswith("−") else 2
        match node:
            case ast.Name(id=name):
                return self.names.get(name, name), _ATOM
            case ast.Attribute(attr="T" | "mT", value=value):
                return f"{self.write(value, _ATOM)}ᵀ", _ATOM
            case ast.BinOp(op=ast.Pow(), left=left, right=right):
                return self.power(left, right)
            case ast.BinOp(op=ast.Mult(), left=_, right=ast.Constant(value=0.0)):
                return "0", _ATOM
            case ast.BinOp(op=ast.Sub(), left=left, right=ast.Constant(value=0)):
                return self.node(left)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _BINARY:
                sign, strength = _BINARY[type(op)]
                return (
                    f"{self.write(left, strength)}{sign}{self.write(right, strength + 1)}",
                    strength,
                )
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"−{self.write(operand, 2)}", 2
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                return f"{self.write(left, 1)} {_COMPARE[type(op)]} {self.write(right, 1)}", 0
            case ast.Subscript(value=value, slice=index):
                parts = index.elts if isinstance(index, ast.Tuple) else [index]
                inside = ", ".join(self.write(part) for part in parts)
                return f"{self.write(value, _ATOM)}[{inside}]", _ATOM
            case ast.Call():
                return self.call(node)
            case ast.IfExp(test=ast.Compare(ops=[ast.Is()]), orelse=usual):
                return self.node(usual)
            case ast.Tuple(elts=parts):
                return f"({', '.join(self.write(p) for p in parts)})", _ATOM
        return ast.unparse(node), _ATOM

    def scalar(self, node: ast.expr) -> str | None:
        """The value of an expression of shapes and static parameters alone, if it is a number."""
        if self.arrays & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}:
            return None
        try:
            code = compile(ast.Expression(node), "<rule>", "eval")
            value = eval(code, self.scope, dict(self.known))
        except Exception:  # whatever it was, the expression itself is shown instead
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{value:.4g}".replace("-", "−")
        return None

    def power(self, left: ast.expr, right: ast.expr) -> tuple[str, int]:
        """A power, with the exponent raised if it is a number."""
        exponent = self.write(right)
        if exponent == "1":
            return self.node(left)
        raised = exponent.replace("−", "-")
        if re.fullmatch(r"-?\d+", raised):
            return f"{self.write(left, _ATOM)}{raised.translate(_POWERS)}", _ATOM
        return f"{self.write(left, _ATOM)}^{self.write(right, _ATOM)}", 3

    def call(self, node: ast.Call) -> tuple[str, int]:
        """A call, by the sign that it has in mathematics if there is one."""
        name = ast.unparse(node.func)
        method = isinstance(node.func, ast.Attribute) and not name.startswith("np.")
        plain = name.removeprefix("np.").lstrip("_")
        arguments = [a for a in node.args if not self.is_static(a)] or node.args
        if plain in ("where", "select") and len(arguments) == 3:
            condition, a, b = (self.write(x) for x in arguments)
            return f"{a} where {condition}, else {b}", 0
        if plain in ("dot", "matmul") and len(arguments) == 2:
            left, right = arguments
            return f"{self.write(left, 2)} · {self.write(right, 3)}", 2
        if plain in _CALLED and len(arguments) == 2:
            left, right = arguments
            return f"{self.write(left, 1)} {_CALLED[plain]} {self.write(right, 1)}", 0
        if plain == "add.reduce":
            return f"Σ {self.write(arguments[0], 3)}", 2
        if plain == "spread":
            plain = "repeat"
        if plain in _PHRASES and _PHRASES[plain] in ("{0}", "{1}"):
            return self.node(node.args[int(_PHRASES[plain][1])])
        if plain in _PHRASES:
            text = _PHRASES[plain].format(*(self.write(a, _ATOM) for a in node.args))
            return text, 0 if plain in _LOOSE else 2
        told = _told(self.scope.get(name))
        if told is not None:
            parameters = self.scope[name].__code__.co_varnames
            inner = {p: self.write(a, _ATOM) for p, a in zip(parameters, node.args, strict=False)}
            return Writer(inner, {}).node(told)
        if method and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("astype", "copy", "reshape"):
                return self.node(node.func.value)
            plain = f"{self.write(node.func.value, _ATOM)}.{node.func.attr}"
        return f"{plain}({', '.join(self.write(a) for a in arguments)})", _ATOM

    def is_static(self, node: ast.expr) -> bool:
        """Whether an argument is only a shape or an axis, which readers can do without."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        return bool(names) and not names & self.arrays


@functools.lru_cache(maxsize=64)
def _lambdas(filename: str) -> tuple[ast.Lambda, ...]:
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.Lambda))


def _source(code: CodeType) -> ast.expr | None:
    """The body of the lambda that was compiled to ``code``, if its file can be read."""
    found = []
    for candidate in _lambdas(code.co_filename):
        parameters = [a.arg for a in candidate.args.args]
        if candidate.lineno == code.co_firstlineno and parameters == list(
            code.co_varnames[: code.co_argcount]
        ):
            found.append(candidate)
    if len(found) > 1:  # several on one line: the one whose columns the instructions come from
        columns = {(line, col) for line, _, col, _ in code.co_positions() if col is not None}
        found = [f for f in found if (f.body.lineno, f.body.col_offset) in columns] or found
    return found[0].body if found else None


def _told(function: Any) -> ast.expr | None:
    """The expression that the docstring of a function begins with, if it does."""
    if not isinstance(function, FunctionType):
        return None
    line = (function.__doc__ or "").strip().split("\n")[0].rstrip(".")
    quoted = re.match(r"``([^`]+)``($|[,;])", line)
    try:
        return ast.parse(quoted[1].replace("²", "**2"), mode="eval").body if quoted else None
    except SyntaxError:
        return None


@functools.cache
def _body(rule: Rule) -> ast.expr | str:
    """What a rule computes: an expression, or the sentence that its docstring begins with."""
    code = getattr(rule, "__code__", None)
    if code is not None and code.co_name == "<lambda>":
        return _source(code) or ""
    told = _told(rule)
    if told is not None:
        return told
    paragraph = " ".join((getattr(rule, "__doc__", None) or "").split("\n\n")[0].split())
    line = re.split(r"[.:](?: |$)|;", paragraph)[0]
    while len(line) > LONGEST and "," in line:
        line = line[: line.rfind(",")]
    return line or f"{getattr(rule, '__name__', 'rule')}(g)"


def _typeset(text: str) -> str:
    """Signs of mathematics for those of Python, in a sentence that is not an expression."""
    for sign, better in _TYPED.items():
        text = text.replace(sign, better)
    return "−" + text[1:] if text[:1] == "-" else text


def rule_text(
    primitive: Primitive[...],
    position: int,
    names: Mapping[str, str],
    known: Mapping[str, Any],
) -> str:
    """Say what the rule of an op computes for the input at ``position``.

    Args:
        primitive: The op.
        position: Which input the gradient goes to.
        names: What the inputs are called here, by the names of the declaration.
        known: Static parameters, ``<input>_shape`` and inputs that are numbers, by name, to compute
            numbers from.

    >>> from minigrad import ops
    >>> from minigrad.primitive import REGISTRY
    >>> rule_text(ops.matmul, 1, {"a": "x", "b": "weight"}, {})
    'xᵀ · g'
    >>> known = {"x_shape": (4, 2), "axis": None, "keepdims": False}
    >>> rule_text(REGISTRY["mean"], 0, {"x": "h"}, known)
    'repeat(g / 8)'
    """
    name = primitive.inputs[0] if primitive.variadic else primitive.inputs[position]
    rule = primitive.rules.get(name)
    if rule is None:
        return "no gradient"
    body = _body(rule)
    if isinstance(body, str):
        if not body:
            return f"rule of {primitive.name}"
        text = _typeset(re.sub(r"``([^`]+)``", lambda m: names.get(m[1], m[1]), body))
        return text[0].lower() + text[1:] if text[1:2].islower() else text
    scope = rule.__globals__ if isinstance(rule, FunctionType) else {}
    arrays = frozenset(primitive.inputs) - set(known)
    return Writer(names, known, arrays, scope).write(body)


def asks_for(primitive: Primitive[...], sources: tuple[int, ...], names: Mapping[int, str]) -> str:
    """Say what the rules of a call saved, for the header of its backward card.

    >>> from minigrad import ops
    >>> asks_for(ops.exp, (-1,), {})
    'needs out'
    """
    wanted = ["out" if s == OUT else names.get(s, "in") for s in sources if s >= OUT]
    return f"needs {', '.join(dict.fromkeys(wanted))}" if wanted else "passes g on"
