"""The backward row of ``mode="backward"``: one card for each rule that ran, under its op."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minigrad.primitive import OUT
from minigrad.viz.digest import Digest
from minigrad.viz.fold import Unit
from minigrad.viz.graph import Card, Edge
from minigrad.viz.rules import asks_for

if TYPE_CHECKING:
    from minigrad.viz.build import Builder

__all__ = ["mirror"]


def mirror(builder: Builder, edges: list[Edge]) -> tuple[list[Card], list[Edge]]:
    """Make the cards and edges of the backward row; diagnoses of gradients move down to it."""
    twins: dict[int, Card] = {}
    for k, (unit, card) in enumerate(zip(builder.units, builder.cards, strict=True)):
        v = builder.vertices[builder.last(unit)]
        if v.kind == "leaf" and v.gradient is not None:
            twins[k] = _of_leaf(k, card)
        elif v.kind == "op" and v.step:
            twins[k] = _of_op(builder, k, unit, card)
    pulls = [card for card in twins.values() if card.kind == "pull"]
    for turn, card in enumerate(sorted(pulls, key=lambda card: card.step), 1):
        card.step = turn
    backward = []
    for edge in edges:
        source, target = int(edge.source[1:]), int(edge.target[1:])
        if source in twins and target in twins and edge.kind != "input":
            gradient = builder.cards[source].gradient
            norm = gradient.norm if gradient is not None else 0.0
            backward.append(Edge(f"b{source}", f"b{target}", "gradient", norm))
    return list(twins.values()), backward + _saved(builder, twins)


def _of_leaf(k: int, card: Card) -> Card:
    twin = Card(f"b{k}", "grad", f"{card.title}.grad", shape=card.shape, dtype=card.dtype)
    twin.group, twin.path, twin.twin = card.group, card.path, card.id
    twin.gradient = card.gradient
    if "gradient" in card.marks:
        twin.marks["gradient"] = card.marks.pop("gradient")
        twin.badges, card.badges = card.badges, []
    return twin


def _of_op(builder: Builder, k: int, unit: Unit, card: Card) -> Card:
    v = builder.vertices[builder.last(unit)]
    twin = Card(f"b{k}", "pull", card.title, rules=card.rules, dtype=card.dtype)
    twin.group, twin.path, twin.twin, twin.step = card.group, card.path, card.id, v.step
    card.rules = []
    handed = _handed_on(builder, unit)
    if handed is not None:
        twin.gradient, twin.shape = handed, handed.shape
    if unit.kind == "vertex" and v.primitive is not None:
        names = {i: builder.namer.argument(v, i) for i in range(len(v.parents))}
        constants = {i for i, p in enumerate(v.parents) if p is None}
        asked = [i for i, r in enumerate(v.primitive.inputs) if _asks(v.primitive.requests, r)]
        sources = [s for s in v.sources if s == OUT or s in asked or v.primitive.variadic]
        sources = [s for s in sources if s not in constants]
        twin.subtitle = asks_for(v.primitive, tuple(sources), names)
    return twin


def _asks(requests: dict[str, tuple[str, ...]], name: str) -> bool:
    return any(name in wanted for wanted in requests.values())


def _handed_on(builder: Builder, unit: Unit) -> Digest | None:
    """The gradient that a unit passes to what came before: to an op rather than to a leaf."""
    outside = [
        builder.vertices[p]
        for m in unit.members
        for p in builder.vertices[m].inputs
        if builder.unit_of.get(p) != builder.unit_of[m]
    ]
    with_gradient = [p for p in outside if p.gradient is not None]
    ops = [p for p in with_gradient if p.kind == "op"]
    return (ops or with_gradient)[0].gradient if with_gradient else None


def _saved(builder: Builder, twins: dict[int, Card]) -> list[Edge]:
    """Edges from what forward kept to the rules that asked for it."""
    found: dict[tuple[str, str], Edge] = {}
    for k, twin in twins.items():
        for m in builder.units[k].members if twin.kind == "pull" else ():
            v = builder.vertices[m]
            for source in v.sources:
                at = None
                if source == OUT:
                    at = k
                elif 0 <= source < len(v.parents) and v.primitive is not None:
                    parent = v.parents[source]
                    asked = v.primitive.variadic or _asks(
                        v.primitive.requests, v.primitive.inputs[source]
                    )
                    if parent is not None and asked:
                        at = builder.unit_of.get(parent)
                if at is not None and (at != k or source == OUT):
                    pair = (f"n{at}", twin.id)
                    found.setdefault(pair, Edge(*pair, "saved"))
    return list(found.values())
