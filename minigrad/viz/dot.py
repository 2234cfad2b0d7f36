"""The drawing in the DOT language."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from minigrad.viz.graph import Card, Edge, Graph, Group
from minigrad.viz.heat import Album
from minigrad.viz.label import Labels
from minigrad.viz.markup import escape
from minigrad.viz.style import FONT, THEMES, Theme

if TYPE_CHECKING:
    import graphviz

__all__ = ["source"]

LARGE = 300  # cards from which Graphviz must cut its network simplex short
LONG = 12  # cards in a row from which the graph runs from top to bottom


def source(graph: Graph, album: Album | None = None) -> str:
    """Write a graph as DOT text; the same text for the same graph in every run.

    It refers to files only where ``album`` takes them.
    """
    import graphviz

    digraph = graphviz.Digraph("minigrad")
    _Writer(graph, digraph, album).write()
    return str(digraph.source)


class _Writer:
    def __init__(self, graph: Graph, digraph: graphviz.Digraph, album: Album | None) -> None:
        self.graph, self.digraph = graph, digraph
        self.theme: Theme = THEMES[graph.theme]
        self.labels = Labels(graph, self.theme, album)
        self.cards = {card.id: card for card in graph.cards}
        self.mirror = graph.mode == "backward"
        self.spine = self._spine()
        self.fed_by_data = {target for _, target in self.spine}
        self.first_of: dict[str, str] = {}  # what a card is made of first
        for edge in graph.edges:
            self.first_of.setdefault(edge.target, edge.source)
        self.hung: set[tuple[str, str]] = set()  # what hangs beside its op, in its rank
        self.flipped: set[tuple[str, str]] = set()  # hangs on the other side of its op
        self.first: dict[str, str] = {}  # where a leaf that several ops use is held
        for edge in graph.edges:
            if edge.kind == "parameter":
                self.first.setdefault(edge.source, edge.target)
        gradients = [e.norm for e in graph.edges if e.kind == "gradient" and 0 < e.norm < math.inf]
        self.least, self.most = min(gradients, default=1.0), max(gradients, default=1.0)

    def _spine(self) -> set[tuple[str, str]]:
        """Edges of the data path: for each card the edge from what was made last before it."""
        places = {card.id: i for i, card in enumerate(self.graph.cards)}
        last: dict[str, str] = {}
        for edge in self.graph.edges:
            data = edge.kind == "data"
            feeds = edge.kind == "input" and edge.target not in last
            if not (data or feeds):
                continue
            known = last.get(edge.target)
            worse = known is None or self.cards[known].kind == "input"
            if worse or places[edge.source] > places[known or edge.source]:
                last[edge.target] = edge.source
        return {(source, target) for target, source in last.items()}

    @property
    def upright(self) -> bool:
        """Whether the graph runs from top to bottom: where it is long, or mostly folded."""
        forward = [card for card in self.graph.cards if card.kind in ("op", "fold", "loss")]
        folded = sum(card.kind == "fold" for card in forward)
        return not self.mirror and (len(forward) > LONG or 2 * folded > len(forward))

    def write(self) -> None:
        t, large = self.theme, len(self.graph.cards) > LARGE
        across = "0.3" if self.mirror else "0.34"
        self.digraph.attr(
            "graph",
            rankdir="TB" if self.upright else "LR",
            bgcolor=t.page,
            fontname=FONT,
            fontcolor=t.text,
            nodesep="0.45" if self.upright else across,
            ranksep="0.4" if self.upright else "0.55",
            pad="0.25",
            labelloc="t",
            labeljust="l",
            label=f"<{self.labels.heading()}>",
            **({"nslimit": "1", "nslimit1": "1", "mclimit": ".1"} if large else {}),
        )
        self.digraph.attr("node", shape="plain", fontname=FONT, fontcolor=t.text)
        edge = {"arrowsize": "0.7", "penwidth": "1.3", "color": t.forward}
        self.digraph.attr("edge", fontname=FONT, fontsize="8", fontcolor=t.muted, **edge)
        self.place()
        for drawn in self.graph.edges:
            self.edge(drawn)

    def place(self) -> None:
        """Write all cards, inside the boxes of their groups."""
        children: dict[str | None, list[Group]] = {}
        for g in self.graph.groups:
            children.setdefault(g.parent, []).append(g)
        members: dict[str | None, list[Card]] = {}
        for card in self.graph.cards:
            members.setdefault(card.group, []).append(card)
        self._place(self.digraph, None, children, members)

    def _place(
        self,
        digraph: graphviz.Digraph,
        group: str | None,
        children: dict[str | None, list[Group]],
        members: dict[str | None, list[Card]],
    ) -> None:
        for card in members.get(group, ()):
            digraph.node(card.id, label=f"<{self.labels.card(card)}>", tooltip=self.tooltip(card))
        ranks = self.ranks(members.get(group, ()))
        for same in ranks:
            if self.mirror and group is None:
                # Outside of clusters Graphviz orders ranks the other way round.
                with digraph.subgraph(name=f"cluster_{same[0]}") as cluster:
                    cluster.attr(peripheries="0", label="", margin="0")
                    self.rank(cluster, same)
            else:
                self.rank(digraph, same)
        for child in children.get(group, ()):
            with digraph.subgraph(name=f"cluster_{child.id}") as cluster:
                cluster.attr(
                    style="rounded,filled",
                    fillcolor=self.theme.group,
                    color=self.theme.rim,
                    penwidth="1",
                    margin="12",
                    labeljust="l",
                    labelloc="t",
                    label=f"<{self.labels.group(child, self.upright)}>",
                    tooltip=_quoted(child.path),
                )
                self._place(cluster, child.id, children, members)

    def rank(self, digraph: graphviz.Digraph, same: list[str]) -> None:
        """Put cards above each other."""
        for above, below in self.order(same):
            digraph.edge(above, below, style="invis")
        with digraph.subgraph() as rank:
            rank.attr(rank="same")
            for name in same:
                rank.node(name)

    def ranks(self, members: Any) -> list[list[str]]:
        """Cards to be put above each other: an op with its parameters and its gradient rule."""
        inside = {card.id for card in members}
        leads = {source for source, _ in self.spine}
        ranks: dict[str, list[str]] = {}
        placed: set[str] = set()
        for edge in self.graph.edges:
            hangs = edge.kind == "parameter" or (edge.kind == "input" and edge.source not in leads)
            if not hangs or edge.source in placed or edge.target[0] == "b":
                continue
            if edge.source in inside and edge.target in inside and self.fed(edge):
                beside = len(ranks.get(edge.target, ())) - 1
                if beside > 0 and beside % 2 and not self.mirror:
                    self.flipped.add((edge.source, edge.target))
                placed.add(edge.source)
                self.hung.add((edge.source, edge.target))
                ranks.setdefault(edge.target, [edge.target]).append(edge.source)
        for card in members:
            if card.twin is None:
                continue
            for same in ranks.values():
                if card.twin in same:
                    same.append(card.id)
                    break
            else:
                ranks[card.twin] = [card.twin, card.id]
        return list(ranks.values())

    def order(self, same: list[str]) -> list[tuple[str, str]]:
        """Edges that keep the backward row below the forward row.

        Edges inside a rank order it, upward inside a cluster that reads from left to right. As a
        parameter points up to its op, all the others must point up as well.
        """
        pull = next((n for n in same if self.cards[n].kind == "pull"), None)
        if pull is None:
            return []
        hung = [n for n in same if (n, same[0]) in self.hung]
        return [(pull, n) for n in hung] or [(pull, same[0])]

    def fed(self, edge: Edge) -> bool:
        """Whether the target has a data path, so that this operand may hang beside it."""
        return edge.target in self.fed_by_data or self.first_of[edge.target] != edge.source

    def tooltip(self, card: Card) -> str:
        name = f"{card.path}.{card.title}" if card.path else card.title
        shape = "" if card.shape is None else f" {card.shape}"
        what = f"{name}{shape} {card.dtype}".strip()
        line = f" · called at {card.line}" if card.line else ""
        return _quoted(f"{what}{line}")

    def edge(self, edge: Edge) -> None:
        t, spine = self.theme, (edge.source, edge.target) in self.spine
        weight = ("900" if self.mirror else "50") if spine else "1"
        match edge.kind:
            case "data":
                look = {"weight": weight, "color": t.forward}
            case "input":
                look = {"weight": weight, "color": t.forward if spine else t.input}
            case "parameter":
                look = {"weight": "1", "color": t.parameter}
            case "saved":
                look = {"style": "dotted", "color": t.muted, "arrowsize": "0.5"}
                look["constraint"] = "false"
            case _:
                look = {"dir": "back", "color": t.backward, "style": "dashed", "weight": "1"}
                look["penwidth"] = f"{self.width(edge.norm):.2f}"
                source, target = edge.source.replace("b", "n"), edge.target.replace("b", "n")
                if self.mirror and (source, target) in self.spine:
                    look["weight"] = "900"
        if self.first.get(edge.source, edge.target) != edge.target:
            look["constraint"] = "false"
        source, target = edge.source, edge.target
        if (source, target) in self.flipped:  # edges inside a rank order it
            source, target = target, source
            look["dir"] = "forward" if look.get("dir") == "back" else "back"
        self.digraph.edge(source, target, **look)

    def width(self, norm: float) -> float:
        """Pen width of a gradient, by the logarithm of its norm among those in the picture."""
        if not 0 < norm < math.inf:
            return 1.0 if not norm > 0 else 3.5
        span = max(math.log10(self.most) - math.log10(self.least), 1.0)
        return 1.0 + 2.5 * (math.log10(norm) - math.log10(self.least)) / span


def _quoted(text: str) -> str:
    """Text for an attribute, where Graphviz reads entities and backslashes."""
    return escape(text, 200).replace("\\", "\\\\")
