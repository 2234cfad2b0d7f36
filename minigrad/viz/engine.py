"""From DOT text to a picture, with whatever Graphviz there is, and never without an end."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from minigrad.errors import MissingExtra
from minigrad.viz.dot import source
from minigrad.viz.heat import Album
from minigrad.viz.style import FONT

if TYPE_CHECKING:
    from minigrad.viz.graph import Graph

__all__ = ["TIMEOUT", "render"]

TIMEOUT = 10.0  # seconds for one layout
FEWER = 12  # cards to try again with

# Layout runs in a process of its own, because only a process can be ended in time.
_EMBEDDED = """
import sys, warnings
warnings.simplefilter("ignore")
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot"))
"""


def render(graph: Graph, kind: str, engine: str = "auto", beside: Path | None = None) -> bytes:
    """Lay a graph out as ``"svg"``, ``"png"`` or ``"pdf"``; see :meth:`Graph.save`."""
    if engine not in ("auto", "dot", "pygraphviz"):
        raise ValueError(f"engine is 'auto', 'dot' or 'pygraphviz', not {engine!r}")
    command = _command(kind, engine)
    if command is None:
        if beside is not None:
            beside.with_suffix(".dot").write_text(graph.dot, encoding="utf-8")
        raise MissingExtra("Graphviz or pygraphviz", f"a drawing as {kind}", "draw")
    try:
        picture = _laid_out(command, graph)
    except subprocess.TimeoutExpired:
        picture = _again(graph, command)
    return _scalable(picture) if kind == "svg" else picture


def _command(kind: str, engine: str) -> list[str] | None:
    """How to call Graphviz: the system's, else the one that pygraphviz brings."""
    if engine != "pygraphviz":
        # The graphviz package writes the DOT text, but its pipe() has no timeout.
        dot = shutil.which("dot")
        if dot is not None:
            return [dot, f"-T{kind}"]
    if engine != "dot" and importlib.util.find_spec("pygraphviz") is not None:
        return [sys.executable, "-c", _EMBEDDED, kind]
    return None


def _laid_out(command: list[str], graph: Graph) -> bytes:
    """Lay out, with the heat pictures in files meanwhile, and in an SVG itself in the end."""
    album = Album()
    dot = source(graph, album)
    if not album.files:
        return _run(command, dot)
    with tempfile.TemporaryDirectory(prefix="minigrad") as folder:
        for name, png in album.files.items():
            Path(folder, name).write_bytes(png)
        picture = _run(command, dot, folder)
    if not picture.lstrip().startswith(b"<"):
        return picture
    return album.embedded(picture.decode("utf-8")).encode("utf-8")


def _run(command: list[str], dot: str, folder: str | None = None) -> bytes:
    done = subprocess.run(
        command,
        input=dot.encode("utf-8"),
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
        cwd=folder,
    )
    if done.returncode or not done.stdout:
        message = done.stderr.decode("utf-8", "replace").strip()[-2000:]
        raise RuntimeError(f"Graphviz failed with status {done.returncode}: {message}")
    return done.stdout


def _again(graph: Graph, command: list[str]) -> bytes:
    """Fold further, once."""
    cards = len(graph.cards)
    if graph.refold is not None and cards > FEWER:
        try:
            return _laid_out(command, graph.refold(FEWER))
        except subprocess.TimeoutExpired:
            pass
    raise TimeoutError(
        f"Graphviz took more than {TIMEOUT:g} s to lay out {cards:,} cards: draw fewer with "
        "max_cards= or fold=True, or save as .dot and lay it out yourself"
    ) from None


def _scalable(svg: bytes) -> bytes:
    """Take the size in inches away, so that the picture fits where it is shown, and make it small.

    Most of a picture are the cells of tables, which Graphviz writes as polygons of five points, and
    texts that all name the same fonts.
    """
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    match = re.match(r'<svg width="([\d.]+)pt" height="[\d.]+pt"', text)
    if match is not None:
        largest = round(float(match[1]) * 4 / 3)
        start = f'<svg style="max-width:{largest}px" font-family="{FONT}"'
        text = start + text[match.end() :]
    named = f' font-family="{FONT}"'
    first = text.find(named) + len(named)
    text = text[:first] + text[first:].replace(named, "")
    text = re.sub(r' xml:space="preserve"( text-anchor="start")?(?=[^>]*>[^ <])', r"\1", text)
    text = text.replace(' text-anchor="start"', "")
    return _CELL.sub(_rectangle, text).encode("utf-8")


# A filled cell without a border.
_CELL = re.compile(r'<polygon fill="([^"]*)" stroke="(?:none|transparent)" points="([-\d., ]+)"/>')


def _rectangle(match: re.Match[str]) -> str:
    """Write an upright rectangle in the shortest way; anything else stays as it is."""
    points = [tuple(map(float, point.split(","))) for point in match[2].split()]
    xs, ys = sorted({x for x, _ in points}), sorted({y for _, y in points})
    if len(points) != 5 or len(xs) != 2 or len(ys) != 2:
        return match[0]
    (x, right), (y, bottom) = xs, ys
    return f'<path fill="{match[1]}" d="M{x:g},{y:g}H{right:g}V{bottom:g}H{x:g}z"/>'
