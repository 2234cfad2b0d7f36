"""Labels as SVG, laid out here: the part of Graphviz's tables that cards use, in two themes.

The page needs cards that it can move, fold and recolour. It takes the labels that the other
pictures take, so that a card looks the same everywhere, but needs no Graphviz.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from minigrad.viz.metrics import width

__all__ = ["Drawing", "Palette", "Rows", "draw_label"]

LEADING = 1.2  # height of a line, in sizes of its font
ROUND = 6  # radius of a card


class Palette:
    """Pairs of colours, of the light and of the dark theme; each pair is a number."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[str, str], int] = {}

    def of(self, light: str, dark: str) -> int:
        """The number of a pair."""
        return self.pairs.setdefault((light, dark), len(self.pairs))

    def css(self) -> str:
        """Variables of both themes, and the classes ``f0``, ``s0`` that fill and stroke."""
        variables = [
            ";".join(f"--c{i}:{pair[theme]}" for pair, i in self.pairs.items()) for theme in (0, 1)
        ]
        classes = "".join(
            f".f{i}{{fill:var(--c{i})}}.s{i}{{stroke:var(--c{i})}}" for i in self.pairs.values()
        )
        return f':root{{{variables[0]}}}:root[data-theme="dark"]{{{variables[1]}}}{classes}'


@dataclass(frozen=True)
class Rows:
    """Which rows of numbers belong to which example: ``each`` rows to each of ``examples``."""

    examples: int = 0
    each: int = 1


@dataclass(frozen=True)
class Drawing:
    """A label as SVG, and its size."""

    width: float
    height: float
    svg: str


@dataclass(slots=True)
class _Run:
    text: str
    size: float
    bold: bool
    colour: int


@dataclass(slots=True)
class _Cell:
    look: dict[str, str]
    fill: int | None
    stroke: int | None
    lines: list[list[_Run]] = field(default_factory=list)
    table: _Table | None = None
    image: str | None = None
    width: float = 0.0
    height: float = 0.0

    @property
    def span(self) -> int:
        return int(self.look.get("COLSPAN", 1))


@dataclass(slots=True)
class _Table:
    look: dict[str, str]
    fill: int | None
    stroke: int | None
    element: ET.Element
    rows: list[list[_Cell]] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    heights: list[float] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0

    @property
    def border(self) -> float:
        return float(self.look["BORDER"])

    @property
    def spacing(self) -> float:
        return float(self.look["CELLSPACING"])


def draw_label(
    light: str, dark: str, palette: Palette, name: str, shared: dict[str, str], rows: Rows
) -> Drawing:
    """Draw a label that was written in both themes.

    Args:
        light: The label in the light theme.
        dark: The same label in the dark one.
        palette: Where its colours are noted.
        name: What ids begin with.
        shared: Tables of numbers that were drawn before, by their markup, and their ids.
        rows: How rows of numbers are tagged with the example they belong to.
    """
    table = _Reader(palette).table(ET.fromstring(light), ET.fromstring(dark))
    writer = _Writer(name, shared, rows)
    writer.table(table, 0.0, 0.0, 0)
    return Drawing(table.width, table.height, "".join(writer.out))


class _Reader:
    """Reads labels into tables of known size."""

    def __init__(self, palette: Palette) -> None:
        self.palette = palette

    def pair(self, a: ET.Element, b: ET.Element, name: str) -> int | None:
        return self.palette.of(a.attrib[name], b.attrib[name]) if name in a.attrib else None

    def table(self, a: ET.Element, b: ET.Element) -> _Table:
        colours = self.pair(a, b, "BGCOLOR"), self.pair(a, b, "COLOR")
        table = _Table(a.attrib, *colours, a)
        for x, y in zip(a, b, strict=True):
            table.rows.append([self.cell(*pair, table) for pair in zip(x, y, strict=True)])
        _measure(table)
        return table

    def cell(self, a: ET.Element, b: ET.Element, table: _Table) -> _Cell:
        cell = _Cell(a.attrib, self.pair(a, b, "BGCOLOR"), self.pair(a, b, "COLOR"))
        cell.lines = [[]]
        self.inline(cell, a, b, 9.0, False, 0)
        cell.lines = [line for line in cell.lines if line]
        pad = float(cell.look.get("CELLPADDING", table.look["CELLPADDING"]))
        pad = 2 * (pad + float(cell.look.get("BORDER", table.look["CELLBORDER"])))
        wide, high = float(cell.look.get("WIDTH", 0)), float(cell.look.get("HEIGHT", 0))
        if cell.look.get("FIXEDSIZE") != "TRUE":
            if cell.table is not None:
                wide, high = max(wide, cell.table.width + pad), max(high, cell.table.height + pad)
            if cell.lines:
                wide = max(wide, pad + max(map(_width, cell.lines)))
                high = max(high, pad + sum(map(_height, cell.lines)))
        cell.width, cell.height = wide, high
        return cell

    def inline(
        self, cell: _Cell, a: ET.Element, b: ET.Element, size: float, bold: bool, colour: int
    ) -> None:
        """Collect text, line breaks and a nested table."""
        if a.text:
            cell.lines[-1].append(_Run(a.text, size, bold, colour))
        for x, y in zip(a, b, strict=True):
            if x.tag == "FONT":
                own = self.pair(x, y, "COLOR")
                ink = colour if own is None else own
                self.inline(cell, x, y, float(x.get("POINT-SIZE", size)), bold, ink)
            elif x.tag == "B":
                self.inline(cell, x, y, size, True, colour)
            elif x.tag == "BR":
                cell.lines.append([])
            elif x.tag == "TABLE":
                cell.table = self.table(x, y)
            elif x.tag == "IMG":
                cell.image = x.attrib["SRC"]
            else:
                raise ValueError(f"a label on a page can't hold <{x.tag}>")
            if x.tail:
                cell.lines[-1].append(_Run(x.tail, size, bold, colour))


def _width(line: list[_Run]) -> float:
    return sum(width(run.text, run.size, run.bold) for run in line)


def _height(line: list[_Run]) -> float:
    return LEADING * max(run.size for run in line)


def _measure(table: _Table) -> None:
    """Columns as wide as their widest cell; what spans several makes them equally wider."""
    gap = table.spacing
    columns = max((sum(cell.span for cell in line) for line in table.rows), default=0)
    table.widths = [0.0] * columns
    spanning = []
    for line in table.rows:
        at = 0
        for cell in line:
            if cell.span == 1:
                table.widths[at] = max(table.widths[at], cell.width)
            else:
                spanning.append((at, cell))
            at += cell.span
        table.heights.append(max((cell.height for cell in line), default=0.0))
    for at, cell in spanning:
        missing = cell.width - sum(table.widths[at : at + cell.span]) - gap * (cell.span - 1)
        for i in range(at, at + cell.span):
            table.widths[i] += max(missing, 0.0) / cell.span
    around = 2 * table.border + gap
    table.width = sum(table.widths) + gap * columns + around
    table.height = sum(table.heights) + gap * len(table.rows) + around
    if table.look.get("FIXEDSIZE") == "TRUE":
        table.width, table.height = float(table.look["WIDTH"]), float(table.look["HEIGHT"])


def _n(x: float) -> str:
    return f"{round(x, 1):g}"


class _Writer:
    """Writes tables as SVG."""

    def __init__(self, name: str, shared: dict[str, str], rows: Rows) -> None:
        self.name, self.shared, self.rows = name, shared, rows
        self.out: list[str] = []

    def table(self, table: _Table, x: float, y: float, depth: int) -> None:
        """A table with its frame on top."""
        rounded = ROUND if table.look.get("STYLE") == "rounded" else 0
        box = (x, y, table.width, table.height)
        if table.fill is not None:
            self.rect(*box, f"f{table.fill}", rounded)
        tags = iter(self.tags(table))
        down = y + table.border + table.spacing
        for i, (line, height) in enumerate(zip(table.rows, table.heights, strict=True)):
            tag = next(tags, None)
            if tag is not None:
                self.out.append(f'<g data-row="{tag}">')
            across, at = x + table.border + table.spacing, 0
            for cell in line:
                wide = sum(table.widths[at : at + cell.span]) + table.spacing * (cell.span - 1)
                whole = rounded > 0 and len(line) == 1
                corners = (whole and i == 0, whole and i == len(table.rows) - 1)
                self.cell(cell, (across, down, wide, height), corners, depth)
                across, at = across + wide + table.spacing, at + cell.span
            if tag is not None:
                self.out.append("</g>")
            down += height + table.spacing
        if table.border and table.stroke is not None:
            self.rect(*box, f"n s{table.stroke}", rounded, table.border)

    def tags(self, table: _Table) -> Iterator[int]:
        """The example that each row of numbers belongs to."""
        n, each = self.rows.examples, self.rows.each
        if n and len(table.rows) == n * each and _holds_numbers(table):
            yield from (i // each for i in range(n * each))

    def cell(
        self,
        cell: _Cell,
        box: tuple[float, float, float, float],
        corners: tuple[bool, bool],
        depth: int,
    ) -> None:
        """Background, border and content of a cell."""
        x, y, wide, high = box
        if cell.fill is not None:
            if any(corners):
                self.out.append(f'<path class="f{cell.fill}" d="{_tab(*box, *corners)}"/>')
            else:
                self.rect(*box, f"f{cell.fill}")
        border = float(cell.look.get("BORDER", 0))
        if border and cell.stroke is not None:
            sides = cell.look.get("SIDES")
            if sides is None:
                self.rect(*box, f"n s{cell.stroke}", 0, border)
            else:
                path = f"M{_n(x)} {_n(y)}" + (f"v{_n(high)}" if sides == "L" else f"h{_n(wide)}")
                self.out.append(f'<path class="n s{cell.stroke}" d="{path}"/>')
        pad = float(cell.look.get("CELLPADDING", 0)) + border
        if cell.table is not None:
            free = wide - cell.table.width
            left = {"LEFT": pad, "RIGHT": free - pad}.get(cell.look.get("ALIGN", ""), free / 2)
            self.nested(cell.table, x + left, y + (high - cell.table.height) / 2, depth + 1)
        if cell.image is not None:
            look = 'preserveAspectRatio="none" image-rendering="pixelated"'
            size = f'width="{_n(wide)}" height="{_n(high)}"'
            place = f'x="{_n(x)}" y="{_n(y)}" {size}'
            self.out.append(f'<image href="{escape(cell.image)}" {place} {look}/>')
        self.text(cell, x, y, wide, high, pad)

    def nested(self, table: _Table, x: float, y: float, depth: int) -> None:
        """A table in a table; numbers and images are drawn once, and used where they occur."""
        if not _holds_image(table) and (depth > 1 or not _holds_numbers(table)):
            return self.table(table, x, y, depth)
        source = ET.tostring(table.element, "unicode")
        known = self.shared.get(source)
        if known is not None:
            self.out.append(f'<use href="#{known}" x="{_n(x)}" y="{_n(y)}"/>')
            return None
        name = self.shared[source] = f"{self.name}-{len(self.shared)}"
        # The outer group places it, so that a use of the inner one starts at its own corner.
        self.out.append(f'<g transform="translate({_n(x)} {_n(y)})"><g id="{name}">')
        self.table(table, 0.0, 0.0, depth)
        self.out.append("</g></g>")
        return None

    def text(self, cell: _Cell, x: float, y: float, wide: float, high: float, pad: float) -> None:
        """Lines of text, as one element each."""
        down = y + (high - sum(map(_height, cell.lines))) / 2
        align = cell.look.get("ALIGN", "")
        at = {"LEFT": x + pad, "RIGHT": x + wide - pad}.get(align, x + wide / 2)
        anchor = {"LEFT": "", "RIGHT": " e"}.get(align, " m")
        for line in cell.lines:
            size = max(run.size for run in line)
            base = down + _height(line) / 2 + 0.35 * size
            place = f'x="{_n(at)}" y="{_n(base)}"'
            first = line[0]
            attributes = (
                f'class="f{first.colour}{anchor}{" b" * first.bold}" font-size="{first.size:g}"'
            )
            self.out.append(f"<text {place} {attributes}>{escape(first.text)}")
            for run in line[1:]:
                look = f'class="f{run.colour} {"b" if run.bold else "p"}" font-size="{run.size:g}"'
                self.out.append(f"<tspan {look}>{escape(run.text)}</tspan>")
            self.out.append("</text>")
            down += _height(line)

    def rect(
        self,
        x: float,
        y: float,
        wide: float,
        high: float,
        look: str,
        rounded: int = 0,
        border: float = 0,
    ) -> None:
        """A box; a path is the shortest way to write a plain one, and most are cells of numbers."""
        if not rounded and not border:
            self.out.append(
                f'<path class="{look}" d="M{_n(x)} {_n(y)}h{_n(wide)}v{_n(high)}h{_n(-wide)}z"/>'
            )
            return
        rx = f' rx="{rounded}"' if rounded else ""
        pen = f' stroke-width="{border:g}"' if border not in (0, 1) else ""
        size = f'width="{_n(wide)}" height="{_n(high)}"'
        self.out.append(f'<rect class="{look}" x="{_n(x)}" y="{_n(y)}" {size}{rx}{pen}/>')


def _holds_numbers(table: _Table) -> bool:
    """Whether a table is one of digits or a mosaic, rather than of bars."""
    cells = [cell for line in table.rows for cell in line]
    return not table.border and all(cell.table is None for cell in cells)


def _holds_image(table: _Table) -> bool:
    return any(cell.image is not None for line in table.rows for cell in line)


def _tab(x: float, y: float, wide: float, high: float, top: bool, bottom: bool) -> str:
    """The outline of a header or footer that ends in the corners of its card."""
    t, b = (ROUND if top else 0), (ROUND if bottom else 0)
    return (
        f"M{_n(x)} {_n(y + t)}"
        + (f"q0 {-t} {t} {-t}" if t else "")
        + f"H{_n(x + wide - t)}"
        + (f"q{t} 0 {t} {t}" if t else "")
        + f"V{_n(y + high - b)}"
        + (f"q0 {b} {-b} {b}" if b else "")
        + f"H{_n(x + b)}"
        + (f"q{-b} 0 {-b} {-b}" if b else "")
        + "z"
    )
