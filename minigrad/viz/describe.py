"""What the cards of ops, functions and folded modules say of themselves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from minigrad.viz.fold import Unit
from minigrad.viz.graph import Card
from minigrad.viz.known import closed_form
from minigrad.viz.rules import rule_text
from minigrad.viz.tape import Vertex

if TYPE_CHECKING:
    from minigrad.viz.build import Builder

__all__ = ["describe_composite", "describe_fold", "describe_op", "gradient_text", "inside"]


def describe_op(builder: Builder, card: Card, v: Vertex) -> None:
    """Operands and gradient rules of a single op."""
    card.title = v.op
    if v.primitive is None:
        card.rules = [] if builder.mode == "forward" else list(v.rules)
        return
    card.subtitle = builder.namer.operands(v)
    if builder.mode == "forward" or not v.pulls:
        return
    names = builder.namer.arguments(v)
    targets: dict[str, list[str]] = {}  # a rule, and what it is the gradient of
    for i in v.pulls:
        text = gradient_text(builder.vertices, v, i, names)
        targets.setdefault(text, []).append(f"∂L/∂{builder.namer.argument(v, i)}")
    if len(targets) > 1:
        targets.pop("g", None)
    card.rules = [
        f"{', '.join(dict.fromkeys(of))} = {text}" for text, of in list(targets.items())[:3]
    ]


def gradient_text(vertices: Sequence[Vertex], v: Vertex, i: int, names: Mapping[str, str]) -> str:
    """What is computed for input ``i`` of an op, with the inputs called by ``names``."""
    assert v.primitive is not None
    known = {**v.primitive.statics, **v.params}
    known |= {v.primitive.inputs[k]: number for k, number in v.numbers.items()}
    for name, p in zip(v.primitive.inputs, v.parents, strict=False):
        if p is not None:
            known[f"{name}_shape"] = vertices[p].shape
    text = rule_text(v.primitive, i, names, known)
    parent = v.parents[i]
    if parent is None or not v.primitive.broadcasts:
        return text
    wanted = vertices[parent].shape
    return _folded(text, _before_folding(v, wanted), wanted)


def describe_composite(builder: Builder, card: Card, unit: Unit) -> None:
    """A function: its name, and the ops that its gradient runs through."""
    assert unit.scope is not None
    card.title = unit.scope.name
    inner = [builder.vertices[m].op for m in unit.members]
    card.ops = len(inner)
    if builder.mode == "forward" or not card.gradient:
        return
    form = _known_form(builder, unit, card)
    if form is not None:
        card.rules = [form]
    elif len(inner) > 1:
        inner = [op for op, _ in itertools.groupby(inner)]
        shown = inner if len(inner) <= 5 else [*inner[:2], "…", *inner[-2:]]
        card.rules = ["through " + ", ".join(reversed(shown))]


def _known_form(builder: Builder, unit: Unit, card: Card) -> str | None:
    """The closed form of a function of one input that gets a gradient and of others that do not."""
    outside = {p for m in unit.members for p in builder.vertices[m].inputs} - set(unit.members)
    drawn = sorted(p for p in outside if p in builder.unit_of)
    inputs = [p for p in drawn if builder.vertices[p].kind != "constant"]
    others = [p for p in drawn if builder.vertices[p].kind == "constant"]
    if len(inputs) != 1 or card.gradient is None:
        return None
    x = builder.vertices[inputs[0]]
    if x.value is None or x.gradient is None or card.gradient.rows != ((1.0,),):
        return None
    name = "in" if x.kind == "op" else builder.namer.of(x.index)
    for i in others:
        other, other_name = builder.vertices[i].value, builder.namer.of(i)
        form = closed_form(card.title, x.value, name, other, other_name, x.gradient)
        if form is not None:
            return f"∂L/∂{name} = {form}"
    return None


def describe_fold(builder: Builder, card: Card, unit: Unit) -> None:
    """A module, a repeat or a run: how much is in it."""
    card.ops = sum(1 for m in unit.members if builder.vertices[m].kind == "op")
    leaves = inside(builder, unit)
    card.params = sum(builder.vertices[i].size for i in leaves)
    if unit.kind == "module" and unit.scope is not None:
        card.title, card.subtitle = unit.scope.name, unit.scope.title
    elif unit.kind == "repeat":
        period = len(unit.parts) // unit.times
        card.title = " → ".join(_part_title(builder, p) for p in unit.parts[:period])
        card.subtitle = f"× {unit.times:,}"
    else:
        first, last = unit.parts[0], unit.parts[-1]
        card.title = f"{_part_title(builder, first)} … {_part_title(builder, last)}"
        card.subtitle = f"{len(unit.parts):,} steps"
    if unit.kind == "repeat" and unit.times <= 60:
        period = len(unit.parts) // unit.times
        for i in range(0, len(unit.parts), period):
            own = [x for part in unit.parts[i : i + period] for x in inside(builder, part)]
            norm = builder.norm(own)
            if norm is not None:
                card.norms.append(norm)
        if len(card.norms) < unit.times:  # shared parameters: what arrives at each time instead
            ends = [builder.vertices[builder.last(p)] for p in unit.parts[period - 1 :: period]]
            known = [v.gradient.norm for v in ends if v.gradient is not None]
            card.norms = known if len(known) == unit.times else []
    constants = _constants(builder, unit)
    if constants:
        shapes = {builder.vertices[i].shape for i in constants}
        of = f" {next(iter(shapes))}" if len(shapes) == 1 else ""
        card.note = f"with {len(constants):,} input{'s' * (len(constants) > 1)}{of}"
    if not card.norms:
        norm = builder.norm(leaves)
        card.norms = [] if norm is None else [norm]


def _constants(builder: Builder, unit: Unit) -> list[int]:
    """Arrays that were given to a repeat or a run and are not drawn."""
    if unit.kind not in ("repeat", "run"):
        return []
    used = dict.fromkeys(p for m in unit.members for p in builder.vertices[m].inputs)
    constants = [p for p in used if builder.vertices[p].kind == "constant"]
    return [p for p in constants if p not in builder.unit_of and builder.vertices[p].size > 1]


def _part_title(builder: Builder, part: Unit) -> str:
    """What one part of a repeat or a run is called."""
    if part.scope is not None:
        return part.scope.title or part.scope.name
    return builder.vertices[builder.last(part)].op


def inside(builder: Builder, unit: Unit) -> list[int]:
    """Leaves that only this unit uses, so that they are not drawn."""
    found = []
    members = set(unit.members)
    for m in unit.members:
        for p in builder.vertices[m].inputs:
            hidden = builder.vertices[p].kind == "leaf" and p not in builder.unit_of
            if hidden and all(c in members for c in builder.scopes.consumers[p]):
                found.append(p)
    return list(dict.fromkeys(found))


def _folded(text: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Say that broadcasting is undone, where the engine does so."""
    extra = len(shape) - len(wanted)
    axes = [i for i in range(len(shape)) if i < extra or wanted[i - extra] < shape[i]]
    if not axes or extra < 0:
        return text
    if any(sign in text for sign in (" + ", " − ", " where ", " × ", " / ")):
        text = f"({text})"
    if len(axes) == len(shape):
        return f"Σ {text}"
    if axes == [0] and len(shape) == 2:
        return f"Σ rows {text}"
    return f"Σ ax{'i' if len(axes) == 1 else 'e'}s {', '.join(map(str, axes))} {text}"


def _before_folding(v: Vertex, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a rule of a broadcasting op makes: of a product only the batch broadcasts."""
    if v.function != "matmul":
        return v.shape
    return (*v.shape[:-2], *wanted[-2:]) if len(v.shape) > 2 and len(wanted) > 1 else wanted
