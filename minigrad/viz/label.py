"""Cards as the HTML-like labels of Graphviz."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minigrad.viz.digest import BINS, DIGITS, Digest
from minigrad.viz.graph import Card, Graph, Group
from minigrad.viz.style import Theme, heat, ink, number

__all__ = ["Labels", "escape"]

CELLS = 5000  # coloured cells in one picture: beyond that, histograms
LONGEST = 60
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def escape(text: str, longest: int = LONGEST) -> str:
    """Make any text safe inside a label; what XML can't hold becomes U+FFFD. Never empty.

    >>> escape('a<b & "c"'), escape("")
    ('a&lt;b &amp; &quot;c&quot;', ' ')
    """
    text = _FORBIDDEN.sub("\ufffd", text.replace("\n", " ").replace("\t", " "))
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return html.escape(text) or " "


def _font(text: str, size: float, colour: str, bold: bool = False, face: str = "") -> str:
    text = f"<B>{text}</B>" if bold else text
    name = f' FACE="{face}"' if face else ""
    return f'<FONT POINT-SIZE="{size:g}" COLOR="{colour}"{name}>{text}</FONT>'


def _row(*cells: str) -> str:
    return f"<TR>{''.join(cells)}</TR>"


def _cell(content: str = "", **attributes: object) -> str:
    written = "".join(f' {name.upper()}="{value}"' for name, value in attributes.items())
    return f"<TD{written}>{content}</TD>"


def _table(rows: Sequence[str], **attributes: object) -> str:
    attributes = {"border": 0, "cellborder": 0, "cellspacing": 0, "cellpadding": 0, **attributes}
    written = "".join(f' {name.upper()}="{value}"' for name, value in attributes.items())
    return f"<TABLE{written}>{''.join(rows)}</TABLE>"


@dataclass(frozen=True)
class _Tint:
    line: str
    fill: str


class Labels:
    """Writes the labels of one graph in one theme."""

    def __init__(self, graph: Graph, theme: Theme) -> None:
        self.graph, self.theme = graph, theme
        self.cells = 0
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
            note = _font(escape(card.note), 8, self.theme.muted)
            rows.append(_row(_cell(note, colspan=2, align="LEFT", cellpadding=4)))
        if card.rules:
            lines = '<BR ALIGN="LEFT"/>'.join([*map(escape, card.rules), ""])
            text = _font(lines, 9, self.theme.backward)
            look = {"sides": "T", "border": 1, "color": self.theme.line} if body else {}
            rows.append(_row(_cell(text, colspan=2, align="LEFT", cellpadding=4, **look)))
        for badge in card.badges:
            text = _font(escape(f"⚠ {badge}", 76), 9, self.theme.alarm, bold=True)
            rows.append(_row(_cell(text, colspan=2, bgcolor=self.theme.alarm_tint, cellpadding=4)))
        frame = {"style": "rounded", "color": tint.line, "bgcolor": self.theme.body}
        return _table(rows, border=1, **frame)

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
        text = _font(escape(title, 44), 12, tint.line, bold=True)
        if details:
            text += _font(escape("   " + "  ".join(details)), 9, self.theme.muted)
        return _row(_cell(text, colspan=2, bgcolor=tint.fill, align="LEFT", cellpadding=5))

    def body(self, card: Card) -> list[str]:
        """Value and gradient, as far as they are known."""
        t = self.theme
        left, right = card.value, card.gradient
        if card.kind in ("pull", "grad"):
            return [] if right is None else [self.whole(card, "gradient")]
        if not self.halves or right is None:
            return [] if left is None else [self.whole(card, "value")]
        if left is None:
            caption = _cell(_font("gradient", 8, t.backward), colspan=2, cellpadding=2)
            return [_row(caption), self.whole(card, "gradient")]
        line = {"sides": "L", "border": 1, "color": t.line}
        return [
            _row(
                _cell(_font("value", 8, t.forward), cellpadding=2),
                _cell(_font("gradient", 8, t.backward), cellpadding=2),
            ),
            _row(
                _cell(self.half(card, "value"), cellpadding=4),
                _cell(self.half(card, "gradient"), cellpadding=4, **line),
            ),
        ]

    def whole(self, card: Card, half: str) -> str:
        """One half as wide as the card."""
        return _row(_cell(self.half(card, half), colspan=2, cellpadding=5))

    def half(self, card: Card, half: str) -> str:
        """One of the two halves: numbers, a mosaic, a histogram, or one big number."""
        digest = card.value if half == "value" else card.gradient
        assert digest is not None
        colour = self.theme.forward if half == "value" else self.theme.backward
        if digest.size == 1 and digest.rows:
            if card.kind == "loss":
                big = self.theme.loss if half == "value" else self.theme.backward
                return _font(number(digest.rows[0][0]), 16, big, bold=True)
            marks: dict[str, tuple[int, ...]] = {}
            return self.digits(digest, marks, False)
        if not digest.size:
            return _font("empty", 9, self.theme.muted)
        marks = card.marks.get(half, {})
        if digest.digits and self.afford(digest):
            indexed = half == "value" and card.kind not in ("parameter",) and len(digest.shape) > 0
            indexed = indexed or card.kind == "pull"
            upright = digest.integer and len(digest.shape) == 1 and digest.size <= DIGITS
            return self.digits(digest, marks, indexed, upright)
        if digest.rows is not None and self.afford(digest):
            return self.mosaic(digest, marks)
        return self.histogram(digest, colour)

    def afford(self, digest: Digest) -> bool:
        """Whether its cells may be drawn one by one, which is taken off the budget."""
        if self.cells + digest.size > CELLS:
            return False
        self.cells += digest.size
        return True

    def digits(
        self,
        digest: Digest,
        marks: dict[str, tuple[int, ...]],
        indexed: bool,
        upright: bool = False,
    ) -> str:
        """Numbers on a heat map."""
        rows = digest.rows or ()
        if upright:
            rows = tuple((x,) for row in rows for x in row)
        indexed = indexed and (len(digest.shape) > 1 or upright)
        scale = max(abs(digest.low), abs(digest.high))
        written = []
        for i, row in enumerate(rows):
            cells = []
            if indexed:
                index = _font(str(i), 8, self.theme.muted)
                cells.append(_cell(index, width=14, height=16, fixedsize="TRUE"))
            for j, x in enumerate(row):
                outlined = i in marks.get("rows", ()) or j in marks.get("columns", ())
                cells.append(self.digit(x, scale, digest.integer, outlined))
            if len(row) < len(rows[0]):
                cells.append(_cell(colspan=len(rows[0]) - len(row)))
            written.append(_row(*cells))
        width = 35 * max(map(len, rows)) + 1 + (15 if indexed else 0)
        size = {"width": width, "height": 17 * len(rows) + 1, "fixedsize": "TRUE"}
        return _table(written, cellspacing=1, **size)

    def digit(self, x: float, scale: float, integer: bool, outlined: bool) -> str:
        """One number."""
        fill = self.theme.input_tint if integer else heat(x, scale, self.theme)
        colour = ink(fill)
        if integer:
            colour = self.theme.text
        elif x == 0:
            colour = self.theme.muted
        border = {"border": 1.5, "color": self.theme.alarm} if outlined else {}
        size = {"width": 34, "height": 16, "fixedsize": "TRUE"}
        return _cell(_font(number(x), 9, colour), bgcolor=fill, **size, **border)

    def mosaic(self, digest: Digest, marks: dict[str, tuple[int, ...]]) -> str:
        """Cells without digits."""
        rows = digest.rows or ()
        scale = max(abs(digest.low), abs(digest.high))
        side = 7 if len(rows) <= 16 else 5
        written = []
        for i, row in enumerate(rows):
            cells = []
            for j, x in enumerate(row):
                fill = heat(x, scale, self.theme)
                if (i in marks.get("rows", ()) or j in marks.get("columns", ())) and x == 0:
                    fill = self.theme.alarm
                cells.append(_cell(bgcolor=fill, width=side, height=side, fixedsize="TRUE"))
            if len(row) < len(rows[0]):
                cells.append(_cell(colspan=len(rows[0]) - len(row)))
            written.append(_row(*cells))
        return _table(written)

    def histogram(self, digest: Digest, colour: str) -> str:
        """Bars, and under them the smallest, the mean, the largest and the norm."""
        muted = self.theme.muted
        ends = f"{number(digest.low)} … {number(digest.high)}"
        middle = f"mean {number(digest.mean)}  norm {number(digest.norm)}"
        lines = [_row(_cell(self.bars(digest, colour, 9, 26)))]
        lines += [_row(_cell(_font(text, 8, muted), cellpadding=1)) for text in (ends, middle)]
        if digest.nan or digest.inf:
            bad = f"{digest.nan:,} NaN" if digest.nan else ""
            bad += f" {digest.inf:,} infinite" if digest.inf else ""
            lines.append(_row(_cell(_font(bad.strip(), 8, self.theme.alarm, bold=True))))
        return _table(lines)

    def bars(self, digest: Digest, colour: str, width: int, height: int) -> str:
        """A histogram; an empty interval keeps a thin line."""
        counts = histogram(digest)
        top = max(counts, default=0) or 1
        cells = []
        for count in counts:
            share = max(round(height * count / top), 1)
            fill = colour if count else self.theme.line
            cells.append(_cell(_bar(width, height, share, fill)))
        size = {"width": (width + 1) * len(counts) + 1, "height": height + 2}
        return _table([_row(*cells)], cellspacing=1, fixedsize="TRUE", **size)

    # A folded module

    def folded(self, card: Card) -> list[str]:
        """Size, activations and gradient of what was folded."""
        t = self.theme
        facts = f"{card.ops:,} op{'s' * (card.ops != 1)}"
        if card.params:
            facts += f" · {card.params:,} param{'s' * (card.params != 1)}"
        shape = _shape(card.shape) if card.shape is not None else ""
        rows = [self.fact(_font(escape(facts), 8, t.muted), _font(escape(shape), 8, t.muted))]
        if card.value is not None and card.value.size:
            value = card.value
            if value.size == 1 and value.rows:
                right = _font(number(value.rows[0][0]), 9, t.forward, bold=True)
                rows.append(self.fact(_font("value", 8, t.forward), right))
            else:
                bars = self.bars(value, t.forward, 7, 18)
                rows.append(self.fact(_font("activations", 8, t.forward), bars))
        if not self.halves:
            return rows
        name = _font("grad norm", 8, t.backward)
        if len(card.norms) > 1:
            ends = f"{number(card.norms[0])} … {number(card.norms[-1])}"
            rows.append(self.fact(name, _font(ends, 9, t.backward, bold=True)))
            rows.append(_row(_cell(self.steps(card.norms), colspan=2, cellpadding=4)))
        elif card.norms:
            colour = self.verdict(card)
            rows.append(self.fact(name, _font(number(card.norms[0]), 9, colour, bold=True)))
            rows.append(_row(_cell(self.log_bar(card.norms[0], colour), colspan=2, cellpadding=4)))
        elif card.gradient is not None:
            norm = _font(number(card.gradient.norm), 9, t.backward, bold=True)
            rows.append(self.fact(name, norm))
        return rows

    def fact(self, left: str, right: str) -> str:
        """What, on the left, and how much, on the right."""
        return _row(
            _cell(left, align="LEFT", cellpadding=3), _cell(right, align="RIGHT", cellpadding=3)
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
            _cell(bgcolor=fill, width=width, height=7, fixedsize="TRUE")
            for width, fill in parts
            if width
        ]
        return _table([_row(*cells)], fixedsize="TRUE", width=130, height=7)

    def steps(self, norms: Sequence[float]) -> str:
        """One bar for each repeat."""
        width = max(2, min(9, 150 // len(norms)))
        cells = []
        for norm in norms:
            height = max(round(22 * self.share(norm)), 1)
            cells.append(_cell(_bar(width, 22, height, self.theme.backward)))
        size = {"width": (width + 1) * len(norms) + 1, "height": 24}
        return _table([_row(*cells)], cellspacing=1, fixedsize="TRUE", **size)

    # What surrounds the cards

    def group(self, group: Group, narrow: bool) -> str:
        """The title of a module; where edges come from above, narrow enough to stay beside them."""
        name, kind = group.title, group.subtitle
        if kind.startswith(name):
            name, kind = kind, ""
        title = _font(escape(name, 40), 12, self.theme.text, bold=True)
        facts = [kind] if kind else []
        if group.params:
            facts.append(f"{group.params:,} params")
        if group.norm is not None and self.graph.mode != "forward":
            facts.append(f"grad norm {number(group.norm)}")
        if not facts:
            return title
        if narrow:
            rows = [title, *(_font(escape(fact, 24), 9, self.theme.muted) for fact in facts)]
            return _table([_row(_cell(row, align="LEFT")) for row in rows])
        return f"{title} {_font(escape(' · '.join(facts), 80), 9, self.theme.muted)}"

    def heading(self) -> str:
        """Title, subtitle and legend of the picture."""
        t = self.theme
        title = _font(escape(self.graph.title, 90), 16, t.text, bold=True)
        subtitle = _font(escape(self.graph.subtitle, 400), 10, t.muted)
        rows = [
            _row(_cell(title, align="LEFT", colspan=2)),
            _row(_cell(subtitle, align="LEFT", colspan=2)),
            _row(_cell(self.legend(), align="LEFT"), _cell()),
            _row(_cell(height=10, colspan=2)),
        ]
        return _table(rows, cellpadding=2)

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
            ("pull", "gradient rule"),
        ):
            if kind in kinds:
                tint = self.tint(kind)
                look = {"border": 1, "style": "rounded", "cellpadding": 3, "color": tint.line}
                text = _font(f"&nbsp;{name}&nbsp;", 9, tint.line)
                cells.append(_cell(text, bgcolor=tint.fill, **look))
        cells.append(_cell(_font("&nbsp; ━▶ forward", 9, t.forward)))
        if self.graph.mode != "forward":
            cells.append(_cell(_font("&nbsp; ◀╌ gradient, wider is larger", 9, t.backward)))
        cells.append(_cell(width=14))
        for x, sign in ((-1.0, "−"), (-0.3, ""), (0.0, "0"), (0.3, ""), (1.0, "+")):
            fill = heat(x, 1.0, t)
            text = _font(sign, 8, t.muted if x == 0 else ink(fill)) if sign else ""
            cells.append(_cell(text, bgcolor=fill, width=16, height=12, fixedsize="TRUE"))
        return _table([_row(*cells)], cellspacing=4)


def _bar(width: int, height: int, filled: int, colour: str) -> str:
    """A bar that stands on the ground: Graphviz centres what is not as high as its cell."""
    rows = [_row(_cell(height=filled, bgcolor=colour, width=width, fixedsize="TRUE"))]
    if filled < height:
        rows.insert(0, _row(_cell(height=height - filled, width=width, fixedsize="TRUE")))
    return _table(rows, height=height, width=width, fixedsize="TRUE")


def histogram(digest: Digest) -> tuple[int, ...]:
    """Counts of 14 equal intervals, also of an array that is kept whole."""
    if digest.rows is None:
        return digest.bins
    numbers = [x for row in digest.rows for x in row if math.isfinite(x)]
    if not numbers or digest.low == digest.high:
        return tuple(len(numbers) if i == BINS // 2 else 0 for i in range(BINS))
    counts = np.histogram(numbers, BINS, (digest.low, digest.high))[0]
    return tuple(counts.tolist())


def _shape(shape: tuple[int, ...]) -> str:
    return str(shape)
