"""A drawn graph as plain data: cards, edges, groups, and the files they become."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minigrad.viz.digest import Digest
from minigrad.viz.style import clean, number

if TYPE_CHECKING:
    from minigrad.viz.page import Page

__all__ = ["Card", "Edge", "Graph", "Group", "Issue"]

_ID = re.compile(r'(?<=<g) id="[a-z]+_?[0-9a-z_]*"')  # of Graphviz, which nothing refers to


@dataclass
class Card:
    """One tensor, or several ops folded into one.

    Attributes:
        id: ``n0``, ``n1``, ... in the order of creation.
        kind: ``"input"``, ``"parameter"``, ``"op"``, ``"loss"``, ``"fold"``, ``"failed"`` for what
            raised an error, or ``"pull"`` and ``"grad"`` for the cards of the backward row.
        title: The op, or the name of a leaf or module.
        subtitle: Operands and static parameters, or the module's class.
        shape: Shape of the tensor; None where it is not known.
        dtype: Name of its dtype.
        group: Id of the group it lies in.
        path: Dotted names from the outermost module.
        value: Its numbers.
        gradient: The gradient of the output with respect to it.
        rules: What its backward step computes, one line for each input.
        badges: Diagnoses, in words.
        marks: Rows and columns to outline, by ``"value"`` or ``"gradient"``.
        step: Turn in the backward walk, from 1; 0 if it is not reached.
        ops: How many ops were folded into it.
        params: How many parameter elements were folded into it.
        norms: Gradient norm of the folded parameters; for a repeat one for each time.
        twin: For a card of the backward row, the forward card above it.
        note: A line of its own, such as why there is no gradient.
        flops: Floating point operations of the forward call, or of those that were folded; None
            where they are not counted.
        bytes: Of the value.
        saved: Bytes kept for the backward step and not by an earlier one, parameters apart.
        line: The line that called it, known under :func:`minigrad.detect_anomaly` and of what
            raised an error.
    """

    id: str
    kind: str
    title: str
    subtitle: str = ""
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    group: str | None = None
    path: str = ""
    value: Digest | None = None
    gradient: Digest | None = None
    rules: list[str] = field(default_factory=list)
    badges: list[str] = field(default_factory=list)
    marks: dict[str, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    step: int = 0
    ops: int = 0
    params: int = 0
    norms: list[float] = field(default_factory=list)
    twin: str | None = None
    note: str = ""
    flops: int | None = None
    bytes: int = 0
    saved: int = 0
    line: str = ""


@dataclass
class Edge:
    """From one card to another.

    Attributes:
        source: Id of the card that it starts from.
        target: Id of the card that it points to.
        kind: ``"data"``, ``"parameter"``, ``"input"``, ``"gradient"`` or ``"saved"``.
        norm: Of a gradient, its norm.
    """

    source: str
    target: str
    kind: str
    norm: float = 0.0


@dataclass
class Group:
    """A module that is drawn as a box around its cards."""

    id: str
    title: str
    subtitle: str
    path: str
    parent: str | None
    ops: int = 0
    params: int = 0
    norm: float | None = None


@dataclass
class Issue:
    """Something that is wrong with the model, and the card that says so."""

    kind: str
    card: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


@dataclass
class Graph:
    """A drawing of a computation.

    In a notebook it shows itself; ``save`` writes a file, ``print`` a table, ``issues`` lists what
    is wrong. Attributes hold plain data only: changing the model later changes no drawing.
    """

    title: str
    subtitle: str
    mode: str
    theme: str
    dtype: str
    cards: list[Card]
    edges: list[Edge]
    groups: list[Group]
    issues: list[Issue]
    outputs: list[str]
    refold: Callable[[int], Graph] | None = field(default=None, repr=False, compare=False)

    @property
    def dot(self) -> str:
        """The drawing in the DOT language, the same text for the same graph in every run."""
        from minigrad.viz.dot import source

        return source(self)

    def save(self, path: str | os.PathLike[str], engine: str = "auto") -> Path:
        """Write the drawing; the suffix says as what: .html .svg .png .pdf .dot .gv .json.

        An .html file is the interactive page: one file that works offline and needs no Graphviz.

        Args:
            path: Where to.
            engine: ``"auto"``, ``"dot"`` (Graphviz of the system) or ``"pygraphviz"``.

        Raises:
            MissingExtra: If nothing can lay out the drawing. Its DOT text was written beside
                ``path`` then.
            ValueError: If the suffix is none of these.
            TimeoutError: If the layout takes too long, even folded further.
        """
        from minigrad.viz import engine as engines

        path = Path(path)
        kind = path.suffix.lower().lstrip(".")
        if kind in ("dot", "gv"):
            path.write_text(self.dot, encoding="utf-8")
        elif kind == "json":
            path.write_text(json.dumps(self.plain(), indent=1), encoding="utf-8")
        elif kind in ("html", "htm"):
            from minigrad.viz import page

            path.write_text(page.write(self), encoding="utf-8")
        elif kind in ("svg", "png", "pdf"):
            path.write_bytes(engines.render(self, kind, engine, beside=path))
        else:
            known = ".html .svg .png .pdf .dot .gv or .json"
            raise ValueError(f"can't draw {path.name!r}: use {known}")
        return path

    def interactive(self, height: int = 620) -> Page:
        """Return the interactive page, which a notebook shows in a frame of its own.

        The frame is sandboxed: the page runs its own script, and reaches neither the notebook nor
        the network.

        Args:
            height: Height of the frame in pixels.

        >>> import minigrad as mg
        >>> w = mg.Tensor([1.0, 2.0], requires_grad=True, name="w")
        >>> page = mg.draw((w * w).sum()).interactive()
        >>> page._repr_html_()[:48]
        '<iframe sandbox="allow-scripts allow-downloads" '
        """
        from minigrad.viz import page

        return page.Page(page.write(self), height)

    def plain(self) -> dict[str, Any]:
        """Return everything as dicts, lists, strings and numbers, as JSON has them."""
        cards = []
        for card in self.cards:
            value, gradient = card.value, card.gradient
            cards.append(
                {
                    **asdict(card),
                    "shape": None if card.shape is None else list(card.shape),
                    "value": value and value.plain(),
                    "gradient": gradient and gradient.plain(),
                }
            )
        return {
            **{name: getattr(self, name) for name in ("title", "subtitle", "mode", "dtype")},
            "cards": cards,
            "edges": [asdict(edge) for edge in self.edges],
            "groups": [asdict(group) for group in self.groups],
            "issues": [asdict(issue) for issue in self.issues],
            "outputs": self.outputs,
        }

    def _repr_svg_(self) -> str | None:
        """Return the SVG for a notebook, or None where nothing can lay it out."""
        from minigrad.viz import engine as engines

        try:
            # Outputs of a notebook share one document, where an id may occur only once.
            return _ID.sub("", engines.render(self, "svg").decode("utf-8"))
        except Exception:  # a notebook shows the text then: showing must never raise
            return None

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return the picture and the text for a notebook, which takes what it can show.

        Where nothing can lay out the picture, the interactive page stands in for it.
        """
        bundle = {"text/plain": str(self)}
        svg = self._repr_svg_()
        if svg is not None:
            bundle["image/svg+xml"] = svg
            return bundle
        with contextlib.suppress(Exception):  # showing must never raise
            bundle["text/html"] = self.interactive()._repr_html_()
        return bundle

    def __str__(self) -> str:
        """A table: one line for each card, in the order of computation."""
        places = {card.id: i for i, card in enumerate(self.cards)}
        sources: dict[str, list[str]] = {card.id: [] for card in self.cards}
        for edge in self.edges:
            if edge.kind not in ("gradient", "saved"):
                sources[edge.target].append(f"#{places[edge.source]}")
        rows = [("#", "op", "shape", "from", "value", "gradient", "")]
        for i, card in enumerate(self.cards):
            name = f"{card.path}.{card.title}" if card.path else card.title
            shape = "" if card.shape is None else str(card.shape)
            badge = f"⚠ {card.badges[0]}" if card.badges else ""
            cells = (_brief(card.value), _brief(card.gradient))
            rows.append((str(i), name[:48], shape, " ".join(sources[card.id]), *cells, badge))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [f"{self.title}  ({self.subtitle})" if self.subtitle else self.title]
        for row in rows:
            line = "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))
            lines.append(line.rstrip())
        return "\n".join(map(clean, lines))


def _brief(digest: Digest | None) -> str:
    """A number as it is, more by their norm."""
    if digest is None:
        return ""
    if digest.size == 1 and digest.rows:
        return number(digest.rows[0][0])
    bad = "".join(f" {n} {word}" for n, word in ((digest.nan, "nan"), (digest.inf, "inf")) if n)
    return f"norm {number(digest.norm)}{bad}"
