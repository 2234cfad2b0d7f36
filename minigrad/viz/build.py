"""From a folded tape to cards, edges and groups."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

from minigrad.scopes import Scope
from minigrad.viz import diagnose
from minigrad.viz.cost import bytes_of, flops_of
from minigrad.viz.describe import describe_composite, describe_fold, describe_op, inside
from minigrad.viz.diagnose import Finding
from minigrad.viz.fold import Fold, Scopes, Unit, fold_tape
from minigrad.viz.graph import Card, Edge, Graph, Group, Issue
from minigrad.viz.mirror import mirror
from minigrad.viz.operands import Namer
from minigrad.viz.style import number
from minigrad.viz.tape import Tape

__all__ = ["Builder", "build"]

_WORST = (
    "failed",
    "detached",
    "unused",
    "non-finite",
    "exploding",
    "vanishing",
    "dead",
    "no gradient",
    "saturated",
    "symmetric",
)


class Builder:
    """Makes the cards of the units of one tape."""

    def __init__(self, tape: Tape, fold: Fold, max_cards: int, mode: str) -> None:
        self.tape, self.mode = tape, mode
        self.vertices = tape.vertices
        self.scopes = Scopes(tape)
        self.units = fold_tape(tape, self.scopes, fold, max_cards)
        self.unit_of = {m: k for k, unit in enumerate(self.units) for m in unit.members}
        self.parameters = self.scopes.parameters()
        self.namer = Namer(tape, self.unit_of)
        self.findings = [*tape.findings, *diagnose.of_layers(self.layers())]
        self.found: dict[int, list[Finding]] = {}
        for finding in self.findings:
            self.found.setdefault(finding.vertex, []).append(finding)
        self.used_outside = self._used_outside()
        self.homes: dict[Scope, str] = {}
        self.groups = self._groups()
        self.cards = [self.card(k, unit) for k, unit in enumerate(self.units)]

    def _used_outside(self) -> set[int]:
        """Vertices that a later unit reads, or that are outputs."""
        used = set(self.tape.outputs)
        for v in self.vertices:
            for p in v.inputs:
                if self.unit_of.get(p) != self.unit_of.get(v.index):
                    used.add(p)
        return used

    def layers(self) -> list[tuple[str, int, float]]:
        """Innermost modules that have parameters: name, last vertex, gradient norm; in order."""
        last: dict[Scope, int] = {}
        for v in self.vertices:
            if v.kind == "op" and v.scope is not None:
                for scope in self.scopes.chain(v.scope):
                    last[scope] = v.index
        found = []
        for scope, leaves in self.parameters.items():
            inner = any(child in self.parameters for child in self.scopes.children[scope])
            norm = self.norm(leaves)
            if not inner and norm is not None:
                found.append((last[scope], scope.path, norm))
        return [(path, vertex, norm) for vertex, path, norm in sorted(found, key=lambda x: x[0])]

    def norm(self, leaves: Iterable[int]) -> float | None:
        """Gradient norm of several leaves together; None if no gradient is known."""
        gradients = [self.vertices[i].gradient for i in leaves]
        known = [g.norm for g in gradients if g is not None]
        return math.hypot(*known) if known else None

    def _groups(self) -> list[Group]:
        wanted = [home for unit in self.units if unit.home is not None for home in [unit.home]]
        groups: list[Group] = []
        calls: dict[int, int] = {}  # of a module that is called several times
        for scope in dict.fromkeys(wanted):
            for s in reversed(self.scopes.chain(scope)):
                if s in self.homes:
                    continue
                self.homes[s] = f"g{len(groups)}"
                parent = self.homes[s.parent] if s.parent is not None else None
                leaves = self.parameters.get(s, [])
                title = "" if s.title == "function" else s.title
                group = Group(self.homes[s], s.name, title, s.path, parent)
                if len(s.label) > 2:  # a module has one label for all of its calls
                    turn = calls[id(s.label)] = calls.get(id(s.label), 0) + 1
                    if turn > 1:
                        group.subtitle = f"{group.subtitle} · call {turn}"
                group.params = sum(self.vertices[i].size for i in leaves)
                group.norm = self.norm(leaves) if leaves else None
                groups.append(group)
        for v in self.vertices:
            if v.kind == "op":
                for s in self.scopes.chain(v.scope):
                    if s in self.homes:
                        groups[int(self.homes[s][1:])].ops += 1
        return groups

    # Cards

    def card(self, k: int, unit: Unit) -> Card:
        """The card of a unit."""
        last = self.last(unit)
        v = self.vertices[last]
        kind = "op"
        if last in self.tape.outputs:
            kind = "loss"
        elif v.kind != "op":
            kind = "parameter" if v.kind == "leaf" else "input"
        elif unit.kind not in ("vertex", "composite"):
            kind = "fold"
        card = Card(f"n{k}", kind, self.namer.of(v.index))
        card.shape = v.shape if v.dtype else None
        card.dtype, card.value, card.gradient, card.step = v.dtype, v.value, v.gradient, v.step
        card.bytes, card.saved = bytes_of(v), sum(self.vertices[m].saved for m in unit.members)
        counts = [flops_of(self.vertices[m], self.vertices) for m in unit.members]
        known = [n for n in counts if n is not None]
        card.flops = sum(known) if known else None
        card.line = v.line
        card.group = self.homes[unit.home] if unit.home is not None else None
        card.path = unit.home.path if unit.home is not None else ""
        if v.kind == "op" and unit.kind == "vertex":
            describe_op(self, card, v)
        elif unit.kind == "composite" and unit.scope is not None:
            describe_composite(self, card, unit)
        elif v.kind == "op":
            describe_fold(self, card, unit)
        elif v.kind == "leaf" and self.mode != "forward" and v.gradient is None:
            card.note = "no gradient"
        elif v.update is not None:
            card.note = f"the next update is {number(v.update)} of its size"
        self.judge(card, unit)
        return card

    def last(self, unit: Unit) -> int:
        """The vertex that a unit hands on."""
        for m in reversed(unit.members):
            if m in self.used_outside:
                return m
        return unit.members[-1]

    def judge(self, card: Card, unit: Unit) -> None:
        """Put the findings of a unit on its card, the worst first."""
        members = [*unit.members, *(inside(self, unit) if card.kind == "fold" else [])]
        found = [finding for m in members for finding in self.found.get(m, ())]
        found.sort(key=lambda f: _WORST.index(f.kind) if f.kind in _WORST else len(_WORST))
        if card.kind != "fold":
            found.sort(key=lambda f: f.kind in ("vanishing", "exploding"))
        for finding in found:
            message = finding.message
            relative = finding.kind in ("vanishing", "exploding")
            if card.kind == "fold" and unit.members[-1] != finding.vertex and not relative:
                where = self.namer.full(finding.vertex)
                around = unit.scope.path if unit.scope is not None else card.path
                message = f"{where.removeprefix(f'{around}.')}: {message}"
            card.badges.append(message)
            if card.kind != "fold" and (finding.rows or finding.columns):
                half = card.marks.setdefault(finding.half, {"rows": (), "columns": ()})
                half["rows"] += finding.rows
                half["columns"] += finding.columns
        if len(card.badges) > 2:
            more = len(card.badges) - 1
            card.badges = [card.badges[0], f"and {more:,} more"]

    # Edges

    def edges(self) -> list[Edge]:
        """What each card is made of; in mode both also the gradients that come back."""
        found: dict[tuple[int, int], Edge] = {}
        for v in self.vertices:
            target = self.unit_of.get(v.index)
            if target is None:
                continue
            for p in v.inputs:
                source = self.unit_of.get(p)
                if source is None or source == target or (source, target) in found:
                    continue
                kind = {"leaf": "parameter", "constant": "input"}.get(self.vertices[p].kind, "data")
                found[source, target] = Edge(f"n{source}", f"n{target}", kind)
        edges = list(found.values())
        if self.mode == "both":
            # Where everything hangs together, a second edge everywhere hides more than it shows.
            tangled = len(found) > 2 * len(self.units)
            for (source, target), edge in found.items():
                gradient = self.cards[source].gradient
                if gradient is None or edge.kind == "input" or not self.cards[target].gradient:
                    continue
                if not tangled or target == source + 1:
                    edges.append(Edge(edge.source, edge.target, "gradient", gradient.norm))
        return edges

    def issues(self) -> list[Issue]:
        """All findings, with the card that says so."""
        found = []
        for finding in self.findings:
            k = self.unit_of.get(finding.vertex)
            if k is None:
                v = self.vertices[finding.vertex]
                k = self.unit_of.get(self.scopes.consumers.get(v.index, [-1])[0], 0)
            found.append(
                Issue(finding.kind, f"n{k}", self.namer.full(finding.vertex), finding.message)
            )
        return found


def build(
    tape: Tape,
    *,
    mode: str,
    title: str | None = None,
    fold: Fold = "auto",
    theme: str = "light",
    max_cards: int = 40,
    show_values: bool = True,
) -> Graph:
    """Make the graph that is drawn of a tape; it can be folded further later."""
    builder = Builder(tape, fold, max_cards, mode)
    edges = builder.edges()
    cards = builder.cards
    if mode == "backward":
        row, below = mirror(builder, edges)
        cards, edges = cards + row, edges + below
    if not show_values:
        for card in cards:
            card.value, card.gradient, card.marks = None, None, {}
    output = builder.cards[builder.unit_of[tape.outputs[0]]]
    names = {"both": "forward and backward", "forward": "forward", "backward": "backward, op by op"}
    return Graph(
        title=title or f"{output.title}: {names[mode]}",
        subtitle=_subtitle(builder, mode, show_values),
        mode=mode,
        theme=theme,
        dtype=_dtype(tape),
        cards=cards,
        edges=edges,
        groups=builder.groups,
        issues=builder.issues(),
        outputs=[f"n{builder.unit_of[i]}" for i in tape.outputs],
        refold=functools.partial(_refold, tape, mode, title, theme, show_values),
    )


def _refold(
    tape: Tape, mode: str, title: str | None, theme: str, show_values: bool, max_cards: int
) -> Graph:
    return build(
        tape, mode=mode, title=title, theme=theme, max_cards=max_cards, show_values=show_values
    )


def _subtitle(builder: Builder, mode: str, show_values: bool) -> str:
    """One line about the whole graph."""
    tape = builder.tape
    output = builder.vertices[tape.outputs[0]]
    ops = sum(v.kind == "op" for v in tape.vertices)
    leaves = [v for v in tape.vertices if v.kind == "leaf"]
    parts = []
    batches = [v.shape[0] for v in tape.vertices if v.kind == "constant" and len(v.shape) > 1]
    if batches and not output.shape:
        parts.append(f"batch of {batches[0]:,}")
    parts.append(_dtype(tape))
    drawn = len(builder.units)
    shown = f"{ops:,} op{'s' * (ops != 1)}"
    if any(unit.kind not in ("vertex", "composite") for unit in builder.units):
        shown += f" folded into {drawn:,} cards"
    parts.append(shown)
    if leaves:
        total = sum(v.size for v in leaves)
        parts.append(f"{total:,} parameter{'s' * (total != 1)}")
    if output.value is not None and output.value.size == 1 and output.value.rows:
        title = builder.cards[builder.unit_of[output.index]].title
        parts.append(f"{title} = {output.value.rows[0][0]:.4g}")
    if not tape.released and mode == "both" and show_values:
        parts.append("left half of a card: value, right half: gradient")
    if mode == "backward":
        parts.append("top: forward, bottom: backward, numbered in order; dotted: what was saved")
    return " · ".join(filter(None, [*parts, *tape.notes])).replace("-", "−")


def _dtype(tape: Tape) -> str:
    """The dtype of the output, or of what a call was given that has none."""
    return tape.vertices[tape.outputs[0]].dtype or tape.vertices[0].dtype
