"""Plant every small mistake in every gradient rule, and count what the checker finds.

``python -m tests.testing.mutation`` takes each op's rules apart as syntax, makes one mutant for
each place where a sign, an operator, a constant, a comparison, a call or an argument can be wrong,
puts it in the registry in place of the rule, and runs ``gradcheck`` on the op's declared cases. A
mutant that computes what the rule computes is equivalent and does not count; every other one has to
fail.
"""

from __future__ import annotations

import argparse
import ast
import copy
import functools
import inspect
import linecache
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.primitive import REGISTRY, Case, Primitive, Rule
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck
from minigrad.testing.samples import call_of, cases_of, kind_of

OPS = {
    name: op
    for name, op in sorted(REGISTRY.items())
    if op.rules and op.__module__.startswith("minigrad.")
}
# As in tests/ops/test_registry.py: what LAPACK reads of a matrix, and the signs it leaves open.
SYMMETRIC = {"cholesky", "eigh", "eigvalsh"}
SIGNLESS = {"eigh", "svd"}
DRAWS = 24  # on which an equivalent mutant agrees with its rule

# Mutants that are wrong and not found, by op and what was done to the rule, and why.
SURVIVORS: dict[tuple[str, str], str] = {
    ("astype", "result 1e-6 too large"): "its outputs have no more than float32's 7 digits",
    ("cholesky", "symmetric(middle) -> middle"): "checked on symmetric matrices, whose gradients "
    "differ by what is antisymmetric",
}

OPPOSITE: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.Pow: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.Lt, ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
RENAMED = {
    "cos": "sin", "sin": "cos", "tan": "tanh", "cosh": "sinh", "sinh": "cosh", "exp": "expm1",
    "log": "log1p", "log1p": "log", "maximum": "minimum", "minimum": "maximum", "sqrt": "cbrt",
    "greater": "less", "less": "greater", "greater_equal": "less", "less_equal": "greater",
    "equal": "not_equal", "not_equal": "equal", "logical_and": "logical_or",
    "logical_or": "logical_and", "add": "subtract", "subtract": "add", "multiply": "divide",
    "divide": "multiply", "zeros_like": "ones_like", "ones_like": "zeros_like", "triu": "tril",
    "tril": "triu", "sum": "max", "max": "sum", "ceil": "floor", "floor": "ceil",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A rule with one mistake: of which op and input, of what kind, and what was written."""

    op: str
    input: str
    kind: str
    what: str
    make: Callable[[], Rule]

    def __str__(self) -> str:
        return f"{self.op}, rule for {self.input}: {self.kind}: {self.what}"


# Mistakes in the syntax


def tree_of(rule: Rule) -> ast.Lambda | ast.FunctionDef:
    """The syntax of a rule: a lambda, which may be one of several on its line, or a function."""
    code: Any = vars(type(rule)).get("__code__") and rule.__code__
    tree = _parsed(code.co_filename)
    places = [(line, column) for line, _, column, _ in code.co_positions() if column is not None]
    inside = [
        place for place in places if place[0] is not None and place != (code.co_firstlineno, 0)
    ]
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda | ast.FunctionDef)
        and [a.arg for a in node.args.args] == list(inspect.signature(rule).parameters)
        and all(_start(node) <= place <= _end(node) for place in inside)
    ]
    return min(found, key=lambda node: (node.end_lineno or 0) - node.lineno)


@functools.cache
def _parsed(filename: str) -> ast.Module:
    return ast.parse("".join(linecache.getlines(filename)))


def _start(node: ast.Lambda | ast.FunctionDef) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _end(node: ast.Lambda | ast.FunctionDef) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def changes(node: ast.AST, arrays: Sequence[str]) -> Iterator[tuple[str, ast.AST]]:
    """Every small mistake at one node: its kind, and the node that takes its place."""
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            yield "operand dropped", left
            yield "operand dropped", right
            if isinstance(op, ast.Sub | ast.Div | ast.Pow | ast.MatMult):
                yield "operands swapped", ast.BinOp(right, op, left)
            if type(op) in OPPOSITE:
                yield "other operator", ast.BinOp(left, _opposite(op), right)
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield "sign dropped", operand
        case ast.BoolOp(op=op, values=values):
            yield "other operator", ast.BoolOp(_opposite(op), values)
        case ast.Compare(left=left, ops=[op], comparators=rest) if type(op) in OPPOSITE:
            yield "comparison", ast.Compare(left, [_opposite(op)], rest)
        case ast.Constant(value=bool(value)):
            yield "constant", ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield "constant", ast.Constant(value + 1)
            if isinstance(value, float) and value:
                yield "constant by 1e-3", ast.Constant(value * 1.001)
        case ast.Attribute(value=value, attr="T" | "mT"):
            yield "call dropped", value
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "branches swapped", ast.IfExp(test, orelse, body)
        case ast.Name(id=name, ctx=ast.Load()) if name in arrays:
            if name == "g":
                zero = ast.BinOp(node, ast.Mult(), ast.Constant(0.0))
                yield "g as ones", ast.BinOp(zero, ast.Add(), ast.Constant(1.0))
            for other in arrays:
                if other != name:
                    yield "other argument", ast.Name(other, ast.Load())
        case ast.Call():
            yield from _changed_call(node)


def _changed_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if node.args and not isinstance(node.args[0], ast.Starred):
        yield "call dropped", node.args[0]
    elif isinstance(node.func, ast.Attribute):
        yield "call dropped", node.func.value
    if isinstance(node.func, ast.Attribute) and name in RENAMED:
        other = ast.Attribute(node.func.value, RENAMED[name], ast.Load())
        yield "other function", ast.Call(other, node.args, node.keywords)
    if name == "where" and len(node.args) == 3:
        condition, yes, no = node.args
        yield "branches swapped", ast.Call(node.func, [condition, no, yes], node.keywords)
    for keyword in node.keywords:
        rest = [k for k in node.keywords if k is not keyword]
        yield "keyword dropped", ast.Call(node.func, node.args, rest)


def _opposite(op: Any) -> Any:
    return OPPOSITE[type(op)]()


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else super().generic_visit(node)


def rewritten(op: Primitive[...], name: str) -> Iterator[Mutant]:
    """Every mutant of one rule."""
    rule = op.rules[name]
    statics = {*op.statics, "index"}
    parameters = list(inspect.signature(rule).parameters)
    arrays = [p for p in parameters if p not in statics and not p.endswith("_shape")]
    arrays = arrays if not op.variadic else ["g"]
    original = tree_of(rule)
    for position, node in enumerate(_nodes(original)):
        for number, (kind, new) in enumerate(changes(node, arrays)):
            old, said = ast.unparse(node), ast.unparse(ast.fix_missing_locations(new))
            if old != said:
                make = functools.partial(_rewrite, rule, original, arrays, position, number)
                yield Mutant(op.name, name, kind, f"{old} -> {said}", make)


def _nodes(tree: ast.Lambda | ast.FunctionDef) -> list[ast.AST]:
    """Every node that is computed, without the docstring."""
    parts: list[Any] = tree.body if isinstance(tree, ast.FunctionDef) else [tree.body]
    if isinstance(parts[0], ast.Expr):
        parts = parts[1:]
    return [node for part in parts for node in ast.walk(part)]


def _rewrite(
    rule: Rule,
    original: ast.Lambda | ast.FunctionDef,
    arrays: Sequence[str],
    position: int,
    number: int,
) -> Rule:
    tree = copy.deepcopy(original)
    node = _nodes(tree)[position]
    _, new = list(changes(node, arrays))[number]
    return _compiled(_Replace(node, new).visit(tree), rule)


def _compiled(tree: Any, rule: Rule) -> Rule:
    """The function that the syntax of a rule says, in the module of the rule."""
    scope = dict(rule.__globals__)
    flags = __import__("__future__").annotations.compiler_flag
    if isinstance(tree, ast.Lambda):
        code = compile(ast.fix_missing_locations(ast.Expression(tree)), "<mutant>", "eval", flags)
        return eval(code, scope)
    tree.decorator_list = []
    module = ast.fix_missing_locations(ast.Module([tree], []))
    exec(compile(module, "<mutant>", "exec", flags), scope)
    return scope[tree.name]


# Mistakes in the result


def _one_element(c: Any) -> Any:
    c = np.array(c)
    c.flat[-1:] *= 1.01
    return c


def _one_nan(c: Any) -> Any:
    c = np.array(c)
    c.flat[:1] = np.nan
    return c


RESULTS: dict[str, Callable[[Any], Any]] = {
    "negated": np.negative,
    "zero": lambda c: c * 0.0,
    "ones": lambda c: c * 0.0 + 1.0,
    "1% too large": lambda c: c * 1.01,
    "1e-4 too large": lambda c: c * (1.0 + 1e-4),
    "1e-6 too large": lambda c: c * (1.0 + 1e-6),
    "one element 1% too large": _one_element,
    "one element NaN": _one_nan,
    "rounded to float32": lambda c: c.astype(np.float32).astype(c.dtype),
    "reversed": lambda c: c.ravel()[::-1].reshape(c.shape),
    "shifted by the mean": lambda c: c + np.mean(c) if c.size else c,
}


def distorted(op: Primitive[...], name: str) -> Iterator[Mutant]:
    """Every mutant whose rule is right and whose result is not."""
    rule = op.rules[name]
    for kind, change in RESULTS.items():

        def wrong(*args: Any, change: Callable[[Any], Any] = change) -> Any:
            return change(np.asarray(rule(*args)))

        yield Mutant(
            op.name, name, f"result {kind}", "the result", functools.partial(_itself, wrong)
        )


def _itself(rule: Rule) -> Rule:
    return rule


def mutants_of(op: Primitive[...]) -> list[Mutant]:
    return [m for name in op.rules for m in (*rewritten(op, name), *distorted(op, name))]


# Finding them


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Put a mutant in the place of its rule, in the registry, for as long as the block lasts."""
    op = REGISTRY[mutant.op]
    rule = op.rules[mutant.input]
    op.rules[mutant.input] = mutant.make()
    op.plans.clear()
    try:
        yield
    finally:
        op.rules[mutant.input] = rule
        op.plans.clear()


def is_found(mutant: Mutant, seeds: Sequence[int]) -> bool:
    """Whether the checker fails the op on one of its cases."""
    op = REGISTRY[mutant.op]
    with planted(mutant):
        for seed in seeds:
            rng = np.random.default_rng(seed)
            for case in cases_of(op):
                if _checked(op, case, rng, seed) == "fail":
                    return True
    return False


def _checked(op: Primitive[...], case: Case, rng: np.random.Generator, seed: int) -> str:
    call = call_of(op, case, rng)
    floating = [i for i in range(len(call.arrays)) if kind_of(op, i) == "f"]

    def f(*tensors: Any) -> Any:
        arrays = list(call.arrays)
        for i, t in zip(floating, tensors, strict=True):
            arrays[i] = (t + t.mT) / 2 if op.name in SYMMETRIC else t
        out = op(*arrays, **call.params)
        return out * out if op.name in SIGNLESS else out

    return gradcheck(f, *[call.arrays[i] for i in floating], seed=seed).verdict


def is_equivalent(mutant: Mutant) -> bool:
    """Whether it gives the gradients that the rule gives, on many draws of every case."""
    op = REGISTRY[mutant.op]
    cases = cases_of(op)
    for seed in range(100, 100 + -(-DRAWS // len(cases))):
        for case in cases:
            right = _gradients(op, case, seed)
            try:
                with planted(mutant):
                    found = _gradients(op, case, seed)
            except Exception:  # a rule that raises is another rule
                return False
            if not all(map(_same, right, found)):
                return False
    return True


def _gradients(op: Primitive[...], case: Case, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    call = call_of(op, case, rng)
    leaves = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in call.arrays]
    out = op(*leaves, **call.params)
    out.backward(rng.normal(size=out.shape))
    return [leaf.grad.numpy() for leaf in leaves if leaf.grad is not None]


def _same(a: Any, b: Any) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    reach = 1e-12 * np.max(np.abs(a), initial=0.0, where=np.isfinite(a))
    return bool(np.allclose(a, b, rtol=1e-12, atol=reach, equal_nan=True))


Outcome = str  # "killed", "equivalent" or "survived"


def reason_of(mutant: Mutant) -> str:
    """Why a mutant is known to survive; empty if it is not."""
    said = (SURVIVORS.get((mutant.op, told), "") for told in (mutant.what, mutant.kind))
    return next(filter(None, said), "")


def outcome_of(mutant: Mutant) -> Outcome:
    with np.errstate(all="ignore"):
        if is_found(mutant, [0]):
            return "killed"
        if is_equivalent(mutant):
            return "equivalent"
        return "killed" if is_found(mutant, range(1, 6)) else "survived"


def sampled(seed: int, count: int) -> list[Mutant]:
    """Mutants of as many ops and kinds as there can be."""
    rng = random.Random(seed)
    names = list(OPS)
    rng.shuffle(names)
    chosen: list[Mutant] = []
    seen: Counter[str] = Counter()
    while len(chosen) < count:
        for name in names[: count - len(chosen)]:
            mutants = mutants_of(OPS[name])
            rng.shuffle(mutants)
            rarest = min(mutants, key=lambda m: seen[m.kind])
            seen[rarest.kind] += 1
            chosen.append(rarest)
    return chosen


def main() -> int:
    """Run every mutant and print what became of it, by kind; return 1 if one survives unlisted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ops", nargs="*", help="only these ops")
    options = parser.parse_args()
    start = time.perf_counter()
    table: dict[str, Counter[Outcome]] = {}
    unlisted = []
    for name in options.ops or OPS:
        for mutant in mutants_of(OPS[name]):
            outcome = outcome_of(mutant)
            table.setdefault(mutant.kind, Counter())[outcome] += 1
            if outcome == "survived":
                reason = reason_of(mutant)
                print(f"survived: {mutant} ({reason})")
                unlisted += [] if reason else [mutant]
    print(f"{'mistake':<34}{'killed':>8}{'equivalent':>12}{'survived':>10}")
    total: Counter[Outcome] = Counter()
    for kind, counts in sorted(table.items()):
        total += counts
        print(f"{kind:<34}" + _row(counts))
    print(f"{'all':<34}" + _row(total))
    live = total["killed"] + total["survived"]
    seconds = time.perf_counter() - start
    print(f"killed {total['killed'] / max(live, 1):.2%} of {live} live mutants in {seconds:.0f} s")
    return 1 if unlisted else 0


def _row(counts: Counter[Outcome]) -> str:
    return f"{counts['killed']:>8}{counts['equivalent']:>12}{counts['survived']:>10}"


if __name__ == "__main__":
    raise SystemExit(main())
