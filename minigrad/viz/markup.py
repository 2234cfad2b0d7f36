"""The pieces of which labels are made: text, cells, tables, and numbers drawn as such."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np

from minigrad.viz.digest import BINS, Digest
from minigrad.viz.heat import Album, Heat, blocks_text, heat_of
from minigrad.viz.style import Theme, clean, heat, ink, number

__all__ = ["Numbers", "bar", "cell", "escape", "font", "histogram", "row", "table"]

CELLS = 5000  # coloured cells in one picture: beyond that, heat pictures
HEATS = 120  # heat pictures in one picture: beyond that, histograms
LONGEST = 60


def escape(text: str, longest: int = LONGEST) -> str:
    """Make any text safe inside a label; what XML can't hold becomes U+FFFD. Never empty.

    >>> escape('a<b & "c"'), escape("")
    ('a&lt;b &amp; &quot;c&quot;', ' ')
    """
    text = clean(text)
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return html.escape(text) or " "


def font(text: str, size: float, colour: str, bold: bool = False) -> str:
    """Text of one size and colour; it must be escaped already, and not be empty."""
    text = f"<B>{text}</B>" if bold else text
    return f'<FONT POINT-SIZE="{size:g}" COLOR="{colour}">{text}</FONT>'


def row(*cells: str) -> str:
    """One row of a table."""
    return f"<TR>{''.join(cells)}</TR>"


def cell(content: str = "", **attributes: object) -> str:
    """One cell, with the attributes that Graphviz knows, in any case of letters."""
    written = "".join(f' {name.upper()}="{value}"' for name, value in attributes.items())
    return f"<TD{written}>{content}</TD>"


def table(rows: Sequence[str], **attributes: object) -> str:
    """A table, without borders unless they are asked for."""
    attributes = {"border": 0, "cellborder": 0, "cellspacing": 0, "cellpadding": 0, **attributes}
    written = "".join(f' {name.upper()}="{value}"' for name, value in attributes.items())
    return f"<TABLE{written}>{''.join(rows)}</TABLE>"


def bar(width: int, height: int, filled: int, colour: str) -> str:
    """A bar that stands on the ground: Graphviz centres what is not as high as its cell."""
    rows = [row(cell(height=filled, bgcolor=colour, width=width, fixedsize="TRUE"))]
    if filled < height:
        rows.insert(0, row(cell(height=height - filled, width=width, fixedsize="TRUE")))
    return table(rows, height=height, width=width, fixedsize="TRUE")


def histogram(digest: Digest) -> tuple[int, ...]:
    """Counts of 14 equal intervals, also of an array that is kept whole."""
    if digest.rows is None:
        return digest.bins
    numbers = [x for line in digest.rows for x in line if math.isfinite(x)]
    if not numbers or digest.low == digest.high:
        return tuple(len(numbers) if i == BINS // 2 else 0 for i in range(BINS))
    counts = np.histogram(numbers, BINS, (digest.low, digest.high))[0]
    return tuple(counts.tolist())


class Numbers:
    """Draws digests in one picture, within its budget of cells.

    Args:
        theme: Its colours.
        album: Where heat pictures are kept; None where a picture must be text alone.
    """

    def __init__(self, theme: Theme, album: Album | None = None) -> None:
        self.theme, self.album = theme, album
        self.cells = self.heats = 0

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
            rows = tuple((x,) for line in rows for x in line)
        indexed = indexed and (len(digest.shape) > 1 or upright)
        scale = max(abs(digest.low), abs(digest.high))
        written = []
        for i, line in enumerate(rows):
            cells = []
            if indexed:
                index = font(str(i), 8, self.theme.muted)
                cells.append(cell(index, width=14, height=16, fixedsize="TRUE"))
            for j, x in enumerate(line):
                outlined = i in marks.get("rows", ()) or j in marks.get("columns", ())
                cells.append(self.digit(x, scale, digest.integer, outlined))
            if len(line) < len(rows[0]):
                cells.append(cell(colspan=len(rows[0]) - len(line)))
            written.append(row(*cells))
        width = 35 * max(map(len, rows)) + 1 + (15 if indexed else 0)
        size = {"width": width, "height": 17 * len(rows) + 1, "fixedsize": "TRUE"}
        return table(written, cellspacing=1, **size)

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
        return cell(font(number(x), 9, colour), bgcolor=fill, **size, **border)

    def mosaic(self, digest: Digest, marks: dict[str, tuple[int, ...]]) -> str:
        """Cells without digits."""
        rows = digest.rows or ()
        scale = max(abs(digest.low), abs(digest.high))
        side = 7 if len(rows) <= 16 else 5
        written = []
        for i, line in enumerate(rows):
            cells = []
            for j, x in enumerate(line):
                fill = heat(x, scale, self.theme)
                if (i in marks.get("rows", ()) or j in marks.get("columns", ())) and x == 0:
                    fill = self.theme.alarm
                cells.append(cell(bgcolor=fill, width=side, height=side, fixedsize="TRUE"))
            if len(line) < len(rows[0]):
                cells.append(cell(colspan=len(rows[0]) - len(line)))
            written.append(row(*cells))
        size = {"width": side * max(map(len, rows)), "height": side * len(rows)}
        return table(written, fixedsize="TRUE", **size)

    def large(self, digest: Digest, colour: str) -> str:
        """What is not drawn cell by cell: a heat picture, if it may be one, and a histogram."""
        heat = digest.heat
        if heat is None and digest.rows is not None and not digest.integer:
            width = max(map(len, digest.rows))
            padded = [[*line, *[0.0] * (width - len(line))] for line in digest.rows]
            heat = heat_of(np.array(padded))
        if heat is None or self.album is None or self.heats >= HEATS:
            return self.histogram(digest, colour)
        self.heats += 1
        lines = [row(cell(self.picture(heat, self.album), cellpadding=1))]
        told = blocks_text(heat)
        if told:
            lines.append(row(cell(font(told, 8, self.theme.muted), cellpadding=1)))
        return table([*lines, row(cell(self.histogram(digest, colour)))])

    def picture(self, heat: Heat, album: Album) -> str:
        """A heat picture, on the colour of zeros."""
        width, height = heat.size
        size = {"width": width, "height": height, "fixedsize": "TRUE"}
        image = f'<IMG SRC="{album.add(heat)}" SCALE="BOTH"/>'
        return table([row(cell(image, bgcolor=self.theme.empty, **size))], **size)

    def histogram(self, digest: Digest, colour: str) -> str:
        """Bars, and under them the smallest, the mean, the largest and the norm."""
        muted = self.theme.muted
        ends = f"{number(digest.low)} … {number(digest.high)}"
        middle = f"mean {number(digest.mean)}  norm {number(digest.norm)}"
        lines = [row(cell(self.bars(digest, colour, 9, 26)))]
        lines += [row(cell(font(text, 8, muted), cellpadding=1)) for text in (ends, middle)]
        if digest.nan or digest.inf:
            bad = f"{digest.nan:,} NaN" if digest.nan else ""
            bad += f" {digest.inf:,} infinite" if digest.inf else ""
            lines.append(row(cell(font(bad.strip(), 8, self.theme.alarm, bold=True))))
        return table(lines)

    def bars(self, digest: Digest, colour: str, width: int, height: int) -> str:
        """A histogram; an empty interval keeps a thin line."""
        counts = histogram(digest)
        top = max(counts, default=0) or 1
        cells = []
        for count in counts:
            share = max(round(height * count / top), 1)
            fill = colour if count else self.theme.line
            cells.append(cell(bar(width, height, share, fill)))
        size = {"width": (width + 1) * len(counts) + 1, "height": height + 2}
        return table([row(*cells)], cellspacing=1, fixedsize="TRUE", **size)
