"""What a page shows: the unfolded graph as cards in SVG, and the data that its script reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from minigrad.viz.boxes import Palette, Rows, draw_label
from minigrad.viz.cost import cost_text
from minigrad.viz.digest import DIGITS, Digest
from minigrad.viz.graph import Card, Edge, Graph, Group
from minigrad.viz.heat import Album
from minigrad.viz.label import Labels
from minigrad.viz.metrics import width
from minigrad.viz.style import THEMES, clean, number

__all__ = ["Story"]

DEEPEST = 300  # cards that can be unfolded
FIRST = 40  # cards of the first view
_WORST = ("unused", "non-finite", "exploding", "vanishing", "dead", "no gradient", "saturated")


@dataclass
class _Sizes:
    """Size of a card with and without its gradient."""

    full: tuple[float, float]
    bare: tuple[float, float]


class Story:
    """All that a page shows: the cards of the unfolded graph, and one for each folded module."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.deep = _unfolded(graph)
        self.palette = Palette()
        self.examples = _examples(self.deep)
        self.members = _members(self.deep)
        self.folds = [
            _folded(self.deep, group, self.members[group.id]) for group in self.deep.groups
        ]
        self.hung = _hung(self.deep)
        self.saved = sum(card.saved for card in self.deep.cards)
        self.sizes: dict[str, _Sizes] = {}
        self.cards = self._draw()

    def _draw(self) -> str:
        """Every card as SVG, with its gradient and without; both themes are one drawing."""
        every = [*self.deep.cards, *self.folds]
        full, bare, album = [], [], Album(inline=True)
        for theme in THEMES.values():
            whole = replace(self.deep, cards=every)
            values = replace(whole, mode=_bare(whole.mode))
            labels = Labels(whole, theme, album), Labels(values, theme, album)
            full.append([labels[0].card(card) for card in every])
            bare.append([labels[1].card(_forward(card)) for card in every])
        out = []
        for i, card in enumerate(every):
            drawn, shared = [], dict[str, str]()
            for light, dark in (full, bare):
                # A repeat is folded for good: only what opens shows the sign for it.
                fixed = card.kind == "fold" and card.id[0] != "g"
                a, b = (text.replace("⊞ ", "", fixed) for text in (light[i], dark[i]))
                rows = self._rows(card)
                drawn.append(draw_label(a, b, self.palette, f"t-{card.id}", shared, rows))
            sizes = [(round(d.width, 1), round(d.height, 1)) for d in drawn]
            self.sizes[card.id] = _Sizes(sizes[0], sizes[1])
            shown = f'<g class="full">{drawn[0].svg}</g><g class="bare">{drawn[1].svg}</g>'
            out.append(f'<g class="card {card.kind}" id="{card.id}">{shown}</g>')
        return "\n".join(out)

    def _rows(self, card: Card) -> Rows:
        """How the rows of a card belong to examples."""
        value = card.value or card.gradient
        if value is None or not _batched(card, self.examples) or value.rows is None:
            return Rows()
        if len(value.shape) == 1 and not (value.integer and value.size <= DIGITS):
            return Rows()
        lines = value.size if len(value.shape) == 1 else len(value.rows)
        return Rows(self.examples, lines // self.examples)

    def plain(self) -> dict[str, Any]:
        """What the script reads."""
        return {
            "title": self.deep.title,
            "subtitle": self.graph.subtitle,
            "mode": self.deep.mode,
            "theme": self.graph.theme,
            "dtype": self.deep.dtype,
            "examples": self.examples,
            "cards": [self._card(card) for card in [*self.deep.cards, *self.folds]],
            "edges": self._edges(),
            "groups": [self._group(group) for group in self.deep.groups],
            "folded": _first_view(self.graph, self.deep, self.members),
            "steps": _steps(self.deep),
            "issues": [
                {"card": issue.card, "text": issue.message, "path": issue.path}
                for issue in self.deep.issues
            ],
        }

    def _card(self, card: Card) -> dict[str, Any]:
        sizes = self.sizes[card.id]
        name = f"{card.path}.{card.title}" if card.path else card.title
        if card.kind == "fold" and card.id[0] == "g":
            name = card.path
        batched = _batched(card, self.examples)
        return {
            "id": card.id,
            "kind": card.kind,
            "title": card.title,
            "about": card.subtitle,
            "name": name,
            "group": card.group,
            "shape": "" if card.shape is None else str(card.shape),
            "dtype": card.dtype,
            "size": sizes.full,
            "bare": sizes.bare,
            "under": self.hung.get(card.id),
            "value": _numbers(card.value, batched and self.examples),
            "gradient": _numbers(card.gradient, batched and self.examples),
            "rules": card.rules,
            "badges": card.badges,
            "note": card.note,
            "ops": card.ops,
            "params": card.params,
            "cost": cost_text(card, self.saved),
            "line": card.line,
        }

    def _edges(self) -> list[list[Any]]:
        norms = [e.norm for e in self.deep.edges if e.kind == "gradient" and 0 < e.norm < math.inf]
        least, most = min(norms, default=1.0), max(norms, default=1.0)
        return [
            [edge.source, edge.target, edge.kind, _pen(edge, least, most)]
            for edge in self.deep.edges
        ]

    def _group(self, group: Group) -> dict[str, Any]:
        facts = [group.subtitle] if group.subtitle else []
        if group.params:
            facts.append(f"{group.params:,} params")
        if group.norm is not None and self.deep.mode != "forward":
            facts.append(f"grad norm {number(group.norm)}")
        title, about = clean(group.title)[:40], clean(" · ".join(facts))[:80]
        return {
            "id": group.id,
            "title": title,
            "about": about,
            "path": group.path,
            "parent": group.parent,
            "width": round(width(f"⊟ {title}", 12, True) + width(f"  {about}", 9)),
        }


def _unfolded(graph: Graph) -> Graph:
    """The graph with as many cards as a page can hold."""
    if graph.refold is None:
        return graph
    deep = graph.refold(DEEPEST)
    return deep if len(deep.cards) > len(graph.cards) else graph


def _bare(mode: str) -> str:
    return "forward" if mode == "both" else mode


def _forward(card: Card) -> Card:
    """A card as it is before anything came back."""
    if card.kind in ("pull", "grad"):
        return card
    return replace(card, gradient=None, rules=[], norms=[])


def _examples(graph: Graph) -> int:
    """How many examples the batch holds; 0 if there is none."""
    for card in graph.cards:
        if card.kind == "input" and card.shape is not None and len(card.shape) > 1:
            return card.shape[0]
    return 0


def _batched(card: Card, examples: int) -> bool:
    """Whether the first axis of a card counts examples."""
    shape = card.shape
    return examples > 1 and bool(shape) and card.kind != "parameter" and shape[0] == examples  # type: ignore[index]


def _members(graph: Graph) -> dict[str, list[Card]]:
    """The cards of each group, also of those inside it."""
    parents = {group.id: group.parent for group in graph.groups}
    found: dict[str, list[Card]] = {group.id: [] for group in graph.groups}
    for card in graph.cards:
        at = card.group
        while at is not None:
            found[at].append(card)
            at = parents[at]
    return found


def _folded(graph: Graph, group: Group, members: list[Card]) -> Card:
    """The card that stands for a folded group."""
    inside = {card.id for card in members}
    leaving = {e.source for e in graph.edges if e.kind == "data" and e.target not in inside}
    made = [card for card in members if card.kind in ("op", "fold", "loss")]
    last = next((c for c in reversed(made) if c.id in leaving), made[-1] if made else None)
    card = Card(group.id, "fold", group.title, group.subtitle, path=group.path, group=group.parent)
    if last is not None:
        card.shape, card.dtype = last.shape, last.dtype
        card.value, card.gradient = last.value, last.gradient
        card.bytes = last.bytes
    card.ops, card.params = group.ops, group.params
    card.saved = sum(c.saved for c in members)
    counts = [c.flops for c in members if c.flops is not None]
    card.flops = sum(counts) if counts else None
    card.norms = [] if group.norm is None else [group.norm]
    found = [issue for issue in graph.issues if issue.card in inside]
    found.sort(key=lambda issue: _WORST.index(issue.kind) if issue.kind in _WORST else 9)
    for issue in found:
        where = issue.path.removeprefix(f"{group.path}.")
        relative = issue.kind in ("vanishing", "exploding")
        card.badges.append(issue.message if relative else f"{where}: {issue.message}")
    if len(card.badges) > 2:
        card.badges = [card.badges[0], f"and {len(card.badges) - 1:,} more"]
    return card


def _hung(graph: Graph) -> dict[str, str]:
    """For each card that is placed beside another the other one."""
    cards = {card.id: card for card in graph.cards}
    first: dict[str, str] = {}  # what a card is made of first
    fed: dict[str, str] = {}  # what brings its data: an op, or else an input
    for edge in graph.edges:
        if edge.kind in ("data", "parameter", "input"):
            first.setdefault(edge.target, edge.source)
        if edge.kind == "data":
            fed[edge.target] = edge.source
    for edge in graph.edges:
        if edge.kind == "input":
            fed.setdefault(edge.target, edge.source)
    found: dict[str, str] = {}
    seen: set[str] = set()
    for edge in graph.edges:
        source, target = cards[edge.source], cards[edge.target]
        if edge.kind not in ("parameter", "input") or source.id in seen:
            continue
        seen.add(source.id)  # only beside its first reader: it has to come before the others
        alone = target.id not in fed and first[target.id] == source.id
        if source.group == target.group and fed.get(target.id) != source.id and not alone:
            found[source.id] = target.id
    for card in graph.cards:
        if card.twin is not None:
            found[card.id] = found.get(card.twin, card.twin)
    return found


def _first_view(graph: Graph, deep: Graph, members: dict[str, list[Card]]) -> list[str]:
    """Groups that are folded at first: those that the drawing itself folds, and more if needed."""
    shown = {group.path for group in graph.groups}
    folded = {group.id for group in deep.groups if group.path not in shown}
    if graph is deep:
        folded = set()
    height: dict[str, int] = {}
    for group in reversed(deep.groups):  # children come after their parents
        height.setdefault(group.id, 0)
        if group.parent is not None:
            height[group.parent] = max(height.get(group.parent, 0), height[group.id] + 1)
    limit = max(FIRST, len(graph.cards))
    for level in range(max(height.values(), default=-1) + 1):
        hidden = {card.id for g in folded for card in members[g]}
        if len(deep.cards) - len(hidden) + len(folded) <= limit:
            break
        folded |= {g for g, h in height.items() if h == level}
    return sorted(folded, key=lambda g: int(g[1:]))


def _steps(graph: Graph) -> list[dict[str, str]]:
    """The pass, forward and then backward: the card of each step, and what it does."""
    steps = []
    for card in graph.cards:
        if card.kind in ("op", "fold", "loss"):
            name = f"{card.path}.{card.title}" if card.path else card.title
            steps.append({"card": card.id, "way": "forward", "text": f"{name} {card.subtitle}"})
    walked = [card for card in graph.cards if card.step and card.kind != "input"]
    if graph.mode == "backward":
        walked = [card for card in graph.cards if card.kind == "pull"]
    if graph.mode == "forward":
        walked = []
    for card in sorted(walked, key=lambda card: card.step):
        name = f"{card.path}.{card.title}" if card.path else card.title
        rule = "   ".join(card.rules) or card.subtitle
        if card.kind == "parameter":
            rule = "its gradient is complete"
        steps.append({"card": card.id, "way": "backward", "text": f"{name}  {rule}".strip()})
    return steps


def _pen(edge: Edge, least: float, most: float) -> float:
    """Width of a gradient's line, by the logarithm of its norm."""
    if edge.kind != "gradient":
        return 1.3
    if not 0 < edge.norm < math.inf:
        return 1.0 if not edge.norm > 0 else 3.5
    span = max(math.log10(most) - math.log10(least), 1.0)
    return round(1.0 + 2.5 * (math.log10(edge.norm) - math.log10(least)) / span, 2)


def _numbers(digest: Digest | None, examples: int) -> dict[str, Any] | None:
    """A digest for the panel: to five digits, with what JSON can't hold as text."""
    if digest is None:
        return None
    stats = {name: _json(getattr(digest, name)) for name in ("low", "mean", "high", "norm")}
    found: dict[str, Any] = {"shape": list(digest.shape), **stats}
    if digest.rows is not None:
        found["rows"] = [[_json(x) for x in row] for row in digest.rows]
        if examples and len(digest.shape) > 1 and len(digest.rows) % examples == 0:
            found["each"] = len(digest.rows) // examples
        elif examples and len(digest.shape) == 1:
            found["each"] = 0  # one number for each example, in lines
    else:
        found["bins"] = list(digest.bins)
    if digest.nan or digest.inf:
        found["bad"] = [digest.nan, digest.inf]
    return found


def _json(x: float) -> float | str:
    if isinstance(x, bool | int):
        return int(x) if abs(x) < 2**53 else str(x)
    if not math.isfinite(x):
        return str(x)
    short = float(f"{x:.5g}")
    return short if math.isfinite(short) else x  # rounding up has overflowed
