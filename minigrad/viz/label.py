"""Cards as the HTML-like labels of Graphviz."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from minigrad.viz.digest import DIGITS
from minigrad.viz.graph import Card, Graph, Group
from minigrad.viz.heat import Album
from minigrad.viz.markup import Numbers, bar, cell, escape, font, row, table
from minigrad.viz.style import Theme, clean, heat, ink, number

__all__ = ["Labels"]


# Graphviz fills a cell up to its corners, which would stick out of the round ones of the card.
_BAND = {"style": "rounded", "cellpadding": 5}


@dataclass(frozen=True)
class _Tint:
    line: str
    fill: str


class Labels:
    """Writes the labels of one graph in one theme."""

    def __init__(self, graph: Graph, theme: Theme, album: Album | None = None) -> None:
        self.graph, self.theme = graph, theme
        self.numbers = Numbers(theme, album)
        self.halves = graph.mode == "both"
        norms = [n for card in graph.cards for n in card.norms if n > 0 and math.isfinite(n)]
        self.most = max(norms, default=1.0)
        self.least = min(min(norms, default=1.0), self.most * 1e-4)

    def tint(self, kind: str) -> _Tint:
        """The colours of a kind of card."""
        t = self.theme
        return {
            "input": _Tint(t.input, t.input_tint),
            "parameter": _Tint(t.parameter, t.parameter_tint),
            "loss": _Tint(t.loss, t.loss_tint),
            "failed": _Tint(t.alarm, t.alarm_tint),
            "pull": _Tint(t.backward, t.backward_tint),
            "grad": _Tint(t.backward, t.backward_tint),
        }.get(kind, _Tint(t.forward, t.forward_tint))

    # A card

    def card(self, card: Card) -> str:
        """The label of a card."""
        tint = self.tint(card.kind)
        body = self.folded(card) if card.kind == "fold" else self.body(card)
        rows = [self.header(card, tint), *body]
        if card.note:
            note = font(escape(card.note), 8, self.theme.muted)
            rows.append(row(cell(note, colspan=2, align="LEFT", cellpadding=4)))
        if card.rules:
            lines = '<BR ALIGN="LEFT"/>'.join([*map(escape, card.rules), ""])
            text = font(lines, 9, self.theme.backward)
            look = {"sides": "T", "border": 1, "color": self.theme.line} if body else {}
            rows.append(row(cell(text, colspan=2, align="LEFT", cellpadding=4, **look)))
        for badge in card.badges:
            wrapped = textwrap.wrap(clean(f"⚠ {badge}"), 76)[:4]
            lines = "<BR/>".join(escape(line, 76) for line in wrapped)
            text = font(lines, 9, self.theme.alarm, bold=True)
            rows.append(row(cell(text, colspan=2, bgcolor=self.theme.alarm_tint, **_BAND)))
        frame = {"style": "rounded", "color": tint.line, "bgcolor": self.theme.body}
        return table(rows, border=1, **frame)

    def header(self, card: Card, tint: _Tint) -> str:
        """The tinted row: name, operands, shape, and the dtype where it is unusual."""
        mark = {"parameter": "◆ ", "grad": "◆ ", "fold": "⊞ "}.get(card.kind, "")
        title = mark + card.title
        details = []
        if card.kind == "pull":
            title = f"{card.step}  {title} ⟵"
        if card.kind == "input":
            details.append("input")
        if card.subtitle:
            details.append(card.subtitle)
        if card.shape is not None and card.kind not in ("fold", "pull"):
            details.append(_shape(card.shape))
        if card.dtype and card.dtype != self.graph.dtype and card.kind != "pull":
            details.append(card.dtype)
        text = font(escape(title, 44), 12, tint.line, bold=True)
        if details:
            # Browsers leave out spaces at the beginning, but not those that may not break.
            spaced = escape("   " + "  ".join(details)).replace(" ", "&#160;")
            text += font(spaced, 9, self.theme.muted)
        return row(cell(text, colspan=2, bgcolor=tint.fill, align="LEFT", **_BAND))

    def body(self, card: Card) -> list[str]:
        """Value and gradient, as far as they are known."""
        t = self.theme
        left, right = card.value, card.gradient
        if card.kind in ("pull", "grad"):
            return [] if right is None else [self.whole(card, "gradient")]
        if not self.halves or right is None:
            return [] if left is None else [self.whole(card, "value")]
        if left is None:
            caption = cell(font("gradient", 8, t.backward), colspan=2, cellpadding=2)
            return [row(caption), self.whole(card, "gradient")]
        line = {"sides": "L", "border": 1, "color": t.line}
        return [
            row(
                cell(font("value", 8, t.forward), cellpadding=2),
                cell(font("gradient", 8, t.backward), cellpadding=2),
            ),
            row(
                cell(self.half(card, "value"), cellpadding=4),
                cell(self.half(card, "gradient"), cellpadding=4, **line),
            ),
        ]

    def whole(self, card: Card, half: str) -> str:
        """One half as wide as the card."""
        return row(cell(self.half(card, half), colspan=2, cellpadding=5))

    def half(self, card: Card, half: str) -> str:
        """One of the two halves: numbers, a mosaic, a histogram, or one big number."""
        digest = card.value if half == "value" else card.gradient
        assert digest is not None
        colour = self.theme.forward if half == "value" else self.theme.backward
        if digest.size == 1 and digest.rows:
            if card.kind == "loss":
                big = self.theme.loss if half == "value" else self.theme.backward
                return font(number(digest.rows[0][0]), 16, big, bold=True)
            marks: dict[str, tuple[int, ...]] = {}
            return self.numbers.digits(digest, marks, False)
        if not digest.size:
            return font("empty", 9, self.theme.muted)
        marks = card.marks.get(half, {})
        if digest.digits and self.numbers.afford(digest):
            indexed = half == "value" and card.kind not in ("parameter",) and len(digest.shape) > 0
            indexed = indexed or card.kind == "pull"
            upright = digest.integer and len(digest.shape) == 1 and digest.size <= DIGITS
            return self.numbers.digits(digest, marks, indexed, upright)
        if digest.rows is not None and self.numbers.afford(digest):
            return self.numbers.mosaic(digest, marks)
        return self.numbers.large(digest, colour)

    # A folded module

    def folded(self, card: Card) -> list[str]:
        """Size, activations and gradient of what was folded."""
        t = self.theme
        facts = f"{card.ops:,} op{'s' * (card.ops != 1)}"
        if card.params:
            facts += f" · {card.params:,} param{'s' * (card.params != 1)}"
        shape = _shape(card.shape) if card.shape is not None else ""
        rows = [self.fact(font(escape(facts), 8, t.muted), font(escape(shape), 8, t.muted))]
        if card.value is not None and card.value.size:
            value = card.value
            if value.size == 1 and value.rows:
                right = font(number(value.rows[0][0]), 9, t.forward, bold=True)
                rows.append(self.fact(font("value", 8, t.forward), right))
            else:
                bars = self.numbers.bars(value, t.forward, 7, 18)
                rows.append(self.fact(font("activations", 8, t.forward), bars))
        if not self.halves:
            return rows
        name = font("grad norm", 8, t.backward)
        if len(card.norms) > 1:
            ends = f"{number(card.norms[0])} … {number(card.norms[-1])}"
            rows.append(self.fact(name, font(ends, 9, t.backward, bold=True)))
            rows.append(row(cell(self.steps(card.norms), colspan=2, cellpadding=4)))
        elif card.norms:
            colour = self.verdict(card)
            rows.append(self.fact(name, font(number(card.norms[0]), 9, colour, bold=True)))
            rows.append(row(cell(self.log_bar(card.norms[0], colour), colspan=2, cellpadding=4)))
        elif card.gradient is not None:
            norm = font(number(card.gradient.norm), 9, t.backward, bold=True)
            rows.append(self.fact(name, norm))
        return rows

    def fact(self, left: str, right: str) -> str:
        """What, on the left, and how much, on the right."""
        return row(
            cell(left, align="LEFT", cellpadding=3), cell(right, align="RIGHT", cellpadding=3)
        )

    def verdict(self, card: Card) -> str:
        """The colour of a gradient norm."""
        bad = any(b.startswith(("vanishing", "exploding")) for b in card.badges)
        return self.theme.alarm if bad else self.theme.good

    def share(self, norm: float) -> float:
        """Place of a norm between the least and the greatest of the picture, on a log scale."""
        if not norm > 0 or not math.isfinite(norm):
            return 0.0 if not norm > 0 else 1.0
        span = math.log10(self.most) - math.log10(self.least)
        return min(max((math.log10(norm) - math.log10(self.least)) / (span or 1.0), 0.04), 1.0)

    def log_bar(self, norm: float, colour: str) -> str:
        """A norm as a bar on a log scale."""
        full = round(130 * self.share(norm))
        parts = [(full, colour), (130 - full, self.theme.empty)]
        cells = [
            cell(bgcolor=fill, width=width, height=7, fixedsize="TRUE")
            for width, fill in parts
            if width
        ]
        return table([row(*cells)], fixedsize="TRUE", width=130, height=7)

    def steps(self, norms: Sequence[float]) -> str:
        """One bar for each repeat."""
        width = max(2, min(9, 150 // len(norms)))
        cells = []
        for norm in norms:
            height = max(round(22 * self.share(norm)), 1)
            cells.append(cell(bar(width, 22, height, self.theme.backward)))
        size = {"width": (width + 1) * len(norms) + 1, "height": 24}
        return table([row(*cells)], cellspacing=1, fixedsize="TRUE", **size)

    # What surrounds the cards

    def group(self, group: Group, narrow: bool) -> str:
        """The title of a module; where edges come from above, narrow enough to stay beside them."""
        name, kind = group.title, group.subtitle
        if kind.startswith(name):
            name, kind = kind, ""
        title = font(escape(name, 40), 12, self.theme.text, bold=True)
        facts = [kind] if kind else []
        if group.params:
            facts.append(f"{group.params:,} params")
        if group.norm is not None and self.graph.mode != "forward":
            facts.append(f"grad norm {number(group.norm)}")
        if not facts:
            return title
        if narrow:
            lines = [title, *(font(escape(fact, 24), 9, self.theme.muted) for fact in facts)]
            return table([row(cell(line, align="LEFT")) for line in lines])
        return f"{title} {font(escape(' · '.join(facts), 80), 9, self.theme.muted)}"

    def heading(self) -> str:
        """Title, subtitle and legend of the picture."""
        t = self.theme
        title = font(escape(self.graph.title, 90), 16, t.text, bold=True)
        subtitle = font(escape(self.graph.subtitle, 400), 10, t.muted)
        rows = [
            row(cell(title, align="LEFT", colspan=2)),
            row(cell(subtitle, align="LEFT", colspan=2)),
            row(cell(self.legend(), align="LEFT"), cell()),
            row(cell(height=10, colspan=2)),
        ]
        return table(rows, cellpadding=2)

    def legend(self) -> str:
        """The kinds of cards and edges that occur, and the scale of colours."""
        t = self.theme
        kinds = dict.fromkeys(card.kind for card in self.graph.cards)
        cells = []
        for kind, name in (
            ("input", "input"),
            ("parameter", "◆ parameter"),
            ("op", "op"),
            ("fold", "⊞ folded"),
            ("loss", "output"),
            ("failed", "failed"),
            ("pull", "gradient rule"),
        ):
            if kind in kinds:
                tint = self.tint(kind)
                look = {"border": 1, "style": "rounded", "cellpadding": 3, "color": tint.line}
                text = font(f"&nbsp;{name}&nbsp;", 9, tint.line)
                cells.append(cell(text, bgcolor=tint.fill, **look))
        cells.append(cell(font("&nbsp; ━▶ forward", 9, t.forward)))
        if self.graph.mode != "forward":
            cells.append(cell(font("&nbsp; ◀╌ gradient, wider is larger", 9, t.backward)))
        cells.append(cell(width=14))
        for x, sign in ((-1.0, "−"), (-0.3, ""), (0.0, "0"), (0.3, ""), (1.0, "+")):
            fill = heat(x, 1.0, t)
            text = font(sign, 8, t.muted if x == 0 else ink(fill)) if sign else ""
            cells.append(cell(text, bgcolor=fill, width=16, height=12, fixedsize="TRUE"))
        return table([row(*cells)], cellspacing=4)


def _shape(shape: tuple[int, ...]) -> str:
    return str(shape)
