"""Functions of JAX, drawn: one forward and backward pass with values and gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.errors import MissingExtra
from minigrad.scopes import Scope
from minigrad.viz.fold import Fold
from minigrad.viz.foreign import Recorder, checked
from minigrad.viz.graph import Graph

__all__ = ["from_jax"]

# Primitives of JAX that compute what an op of minigrad does.
SAME = {
    **{
        name: name for name in ("exp", "expm1", "log", "log1p", "sqrt", "tanh", "sin", "cos", "tan")
    },
    **{name: name for name in ("square", "erf", "sinh", "cosh")},
    "add": "add",
    "add_any": "add",
    "sub": "subtract",
    "mul": "multiply",
    "div": "divide",
    "neg": "negative",
    "logistic": "sigmoid",
    "max": "maximum",
    "min": "minimum",
    "pow": "power",
    "abs": "absolute",
}
RULES = {
    "reshape": ("∂L/∂in = reshape(g)",),
    "transpose": ("∂L/∂in = g with its axes in the order before",),
    "broadcast_in_dim": ("∂L/∂in = Σ g over the new axes",),
    "reduce_sum": ("∂L/∂in = repeat(g)",),
    "convert_element_type": ("∂L/∂in = g",),
    "dot_general": ("g contracted with the other operand",),
}
INLINE = ("pjit", "jit", "closed_call", "core_call", "remat", "checkpoint", "remat2")


def from_jax(
    f: Callable[..., Any],
    *args: Any,
    argnums: int | Sequence[int] = 0,
    mode: str = "both",
    title: str | None = None,
    fold: Fold = "auto",
    theme: str = "light",
    max_cards: int = 40,
) -> Graph:
    """Draw one forward and backward pass of a function of JAX, as :func:`minigrad.draw` draws.

    Every primitive of its jaxpr becomes a card with its value and the gradient that arrives there,
    functions that are jitted inside and ``jax.named_scope`` become boxes, and the same is found to
    be wrong as in graphs of minigrad::

        mg.viz.from_jax(loss, params, x, y).save("model.svg")

    Args:
        f: A function of arrays, or of nested dicts, lists and tuples of them.
        args: What to call it with.
        argnums: Which arguments are parameters, as for ``jax.grad``.
        mode: As for ``draw``, like all that follows.
        title: Heading of the picture.
        fold: Whether scopes are folded.
        theme: ``"light"`` or ``"dark"``.
        max_cards: How many cards are drawn before more is folded.

    Raises:
        MissingExtra: If JAX is not installed.
        ValueError: If an argument is none of those above.
    """
    try:
        import jax
    except ImportError as error:
        raise MissingExtra("JAX", "mg.viz.from_jax", "jax") from error
    look = checked(mode, title, fold, theme, max_cards)
    wanted = {argnums} if isinstance(argnums, int) else set(argnums)
    closed = jax.make_jaxpr(f)(*args)
    names, values, trained = _arguments(jax, f, args, wanted)
    run = _Run(jax)
    outs = run.whole(closed, values)
    recorder, index = Recorder(), dict[int, int]()
    for ref, (value, name, parameter) in enumerate(zip(values, names, trained, strict=True)):
        kind = "leaf" if parameter and _differs(value) else "constant"
        index[ref] = recorder.new(kind, value, name).index
    for step in run.steps:
        _record(recorder, step, index, run.constants)
    roots = [index[ref] for ref in outs if ref in index]
    if not roots:
        raise ValueError("from_jax() found nothing computed from the arguments in the result")
    gradients = _gradients(jax, closed, values, run, outs)
    useful = _between(recorder, roots)
    for ref in sorted(gradients.keys() & index.keys(), key=lambda ref: -index[ref]):
        if index[ref] in useful:
            recorder.gradient(recorder.tape.vertices[index[ref]], gradients[ref])
    recorder.finish(roots)
    if any(np.size(run.values[ref]) != 1 for ref in outs if ref in index):
        recorder.tape.notes.append("started from ones, as the output is not a scalar")
    return recorder.draw(mode, look)


@dataclass
class _Step:
    """One primitive as it ran: numbers for its operands, or what they are themselves."""

    name: str
    operands: list[tuple[int | None, Any]]
    results: list[tuple[int, Any]]
    scope: Scope | None


class _Run:
    """Runs a jaxpr step by step; calls inside of it are opened, so that their steps are seen.

    Every array gets a number, the same in every run, so that a second run can add to it.
    """

    def __init__(self, jax: Any, added: dict[int, Any] | None = None) -> None:
        self.jax, self.added = jax, added or {}
        self.steps: list[_Step] = []
        self.values: dict[int, Any] = {}
        self.constants: dict[int, Any] = {}
        self.scopes: dict[tuple[Scope | None, str], Scope] = {}

    def new(self, value: Any) -> int:
        """Number an array, and add to it what is to be added there."""
        ref = len(self.values)
        self.values[ref] = value + self.added[ref] if ref in self.added else value
        return ref

    def whole(self, closed: Any, values: Sequence[Any]) -> list[int]:
        """Run on arguments; returns the numbers of the results."""
        refs = [self.new(value) for value in values]
        return [out for out in self.inner(closed, refs, None) if out is not None]

    def inner(self, closed: Any, refs: Sequence[int | None], scope: Scope | None) -> list[Any]:
        jaxpr = getattr(closed, "jaxpr", closed)
        environment = dict(zip(jaxpr.invars, refs, strict=True))
        for variable, value in zip(jaxpr.constvars, getattr(closed, "consts", ()), strict=False):
            ref = environment[variable] = self.new(value)
            self.constants[ref] = value
        for equation in jaxpr.eqns:
            operands = [
                (None, atom.val) if hasattr(atom, "val") else (environment[atom], None)
                for atom in equation.invars
            ]
            inside = self.scope(equation, scope)
            name = equation.primitive.name
            body = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
            if name in INLINE and body is not None:
                called = str(equation.params.get("name", ""))
                if called.isidentifier() and called[0] != "_":
                    inside = self.nested(inside, called, fresh=True)
                given = [self.number(ref, value) for ref, value in operands]
                results = self.inner(body, given, inside)
            else:
                results = self.primitive(equation, operands, inside)
            environment.update(zip(equation.outvars, results, strict=True))
        return [None if hasattr(v, "val") else environment[v] for v in jaxpr.outvars]

    def number(self, ref: int | None, value: Any) -> int:
        if ref is not None:
            return ref
        ref = self.new(value)
        self.constants[ref] = value
        return ref

    def primitive(
        self, equation: Any, operands: list[tuple[int | None, Any]], scope: Scope | None
    ) -> list[int]:
        inputs = [value if ref is None else self.values[ref] for ref, value in operands]
        bound = equation.primitive.get_bind_params(equation.params)
        functions, settings = bound if isinstance(bound, tuple) else ((), bound)  # before JAX 0.10
        made = equation.primitive.bind(*functions, *inputs, **settings)
        made = list(made) if equation.primitive.multiple_results else [made]
        refs = [self.new(value) for value in made]
        name = equation.primitive.name
        if name.startswith("custom_"):
            body = equation.params.get("call_jaxpr", equation.params.get("fun_jaxpr"))
            name = str(equation.params.get("name") or _only_call(body) or name)
        self.steps.append(_Step(name, operands, list(zip(refs, made, strict=True)), scope))
        return refs

    def scope(self, equation: Any, outer: Scope | None) -> Scope | None:
        """The named scopes around a step, inside those of the call that it is in."""
        stack = str(equation.source_info.name_stack)
        for name in filter(str.isidentifier, stack.split("/")):
            outer = self.nested(outer, name)
        return outer

    def nested(self, outer: Scope | None, name: str, fresh: bool = False) -> Scope:
        if fresh:  # every call is one card
            return Scope((name, ""), outer)
        return self.scopes.setdefault((outer, name), Scope((name, ""), outer))


def _only_call(body: Any) -> str | None:
    """The name of the function that a body does nothing but call."""
    equations: Any = getattr(getattr(body, "jaxpr", body), "eqns", ())
    return equations[0].params.get("name") if len(equations) == 1 else None


def _differs(value: Any) -> bool:
    return bool(np.issubdtype(np.asarray(value).dtype, np.inexact))


def _arguments(
    jax: Any, f: Any, args: tuple[Any, ...], wanted: set[int]
) -> tuple[list[str], list[Any], list[bool]]:
    """All arrays among the arguments: what they are called, and whether they are parameters."""
    try:
        given = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        given = []
    names: list[str] = []
    values: list[Any] = []
    trained: list[bool] = []
    for i, arg in enumerate(args):
        called = given[i] if i < len(given) else f"x{i}"
        for path, value in jax.tree_util.tree_flatten_with_path(arg)[0]:
            keys = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in path]
            names.append(
                ".".join(keys) if keys and not keys[0].isdigit() else ".".join([called, *keys])
            )
            values.append(value)
            trained.append(i in wanted or i - len(args) in wanted)
    return names, values, trained


def _record(
    recorder: Recorder, step: _Step, index: dict[int, int], constants: dict[int, Any]
) -> None:
    """Add the vertices of a step; what only prepares an index stands for what it is made of."""
    if not any(_differs(value) for _, value in step.results):
        made_of = [index[ref] for ref, _ in step.operands if ref in index]
        named = [i for i in made_of if recorder.tape.vertices[i].name is not None]
        for result, value in step.results:
            constants[result] = value
            if named:
                index[result] = named[-1]
        return
    parents: list[int | None] = []
    numbers: dict[int, Any] = {}
    for i, (ref, value) in enumerate(step.operands):
        if ref is not None and ref not in index:
            value = constants[ref]
        if ref is None or ref not in index:
            array = np.asarray(value)
            if array.ndim == 0:
                numbers[i] = array.item()
                parents.append(None)
                continue
            made = recorder.new("constant", array)
            if ref is not None:
                index[ref] = made.index
            parents.append(made.index)
            continue
        parents.append(index[ref])
    known = SAME.get(step.name, "relu" if step.name == "relu" else None)
    for k, (result, value) in enumerate(step.results):
        label = step.name if len(step.results) == 1 else f"{step.name}[{k}]"
        v = recorder.op(label, value, parents, numbers, step.scope, known)
        v.rules = RULES.get(step.name, ())
        index[result] = v.index


def _gradients(
    jax: Any, closed: Any, values: Sequence[Any], run: _Run, outs: Sequence[int]
) -> dict[int, Any]:
    """The gradient of the output with respect to every array on the way.

    It is that with respect to zeros that are added there.
    """
    places = [ref for ref, value in run.values.items() if _differs(value)]
    zeros = {ref: jax.numpy.zeros_like(run.values[ref]) for ref in places}

    def output(added: dict[int, Any]) -> Any:
        again = _Run(jax, added)
        found = again.whole(closed, values)
        return sum(again.values[ref].sum() for ref in found if _differs(run.values[ref]))

    assert outs
    return dict(jax.grad(output)(zeros))


def _between(recorder: Recorder, roots: Sequence[int]) -> set[int]:
    """Vertices that parameters lead to and that lead to an output."""
    vertices = recorder.tape.vertices
    after = {v.index for v in vertices if v.kind == "leaf"}
    for v in vertices:
        if not after.isdisjoint(v.inputs):
            after.add(v.index)
    before = set(roots)
    for v in reversed(vertices):
        if v.index in before:
            before.update(v.inputs)
    return after & before
