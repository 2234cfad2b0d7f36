"""The drawing as one HTML file that is explored: folded, searched, and walked through step by step.

Python writes the cards, JavaScript places them; the file asks for nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from importlib.resources import files
from typing import Any

from minigrad.viz.graph import Graph
from minigrad.viz.story import Story
from minigrad.viz.style import THEMES, clean, ink

__all__ = ["Page", "write"]


class Page:
    """An interactive page, which a notebook shows in a frame of its own.

    Attributes:
        html: The whole page, which needs no other file.
        height: Height of the frame in pixels.
    """

    def __init__(self, html: str, height: int) -> None:
        self.html, self.height = html, height

    def _repr_html_(self) -> str:
        """Return a frame that can run the page's own script, and reach nothing around it."""
        return (
            '<iframe sandbox="allow-scripts allow-downloads" title="Graph of the gradient" '
            f'style="width:100%;height:{self.height}px;border:1px solid #8886;border-radius:6px" '
            f'srcdoc="{html.escape(self.html)}"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<minigrad page of {len(self.html) / 1000:,.0f} kB>"


def write(graph: Graph) -> str:
    """Write the page of a graph.

    >>> import minigrad as mg
    >>> w = mg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> page = write(mg.draw((w * w).sum()))
    >>> page[:15], "http" in page.split("</style>")[1].replace("http://www.w3.org/2000/svg", "")
    ('<!doctype html>', False)
    """
    story = Story(graph)
    assets = _assets()
    style = _variables() + story.palette.css() + assets["page.css"]
    script = "\n".join(
        ('"use strict";', assets["layout.js"], assets["panel.js"], assets["page.js"])
    )
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = {
        "policy": policy,
        "style": style,
        "script": script,
        "theme": graph.theme,
        "title": html.escape(clean(story.deep.title)),
        "subtitle": html.escape(clean(graph.subtitle)),
        "cards": story.cards,
        "data": _embedded(story.plain()),
    }
    pieces = assets["page.html"].split("%%")
    # Every second piece is a name, so nothing that is put in is ever looked at again.
    return "".join(parts[p] if i % 2 else p for i, p in enumerate(pieces))


@cache
def _assets() -> dict[str, str]:
    folder = files("minigrad.viz") / "assets"
    names = ("page.html", "page.css", "layout.js", "panel.js", "page.js")
    return {name: (folder / name).read_text(encoding="utf-8") for name in names}


def _variables() -> str:
    """The colours of both themes that the page itself uses."""
    written = []
    for name, t in THEMES.items():
        colours = {
            "page": t.page,
            "panel": t.group if name == "light" else t.body,
            "box": t.group,
            "rim": t.rim,
            "text": t.text,
            "muted": t.muted,
            "blue": t.forward,
            "orange": t.backward,
            "ochre": t.parameter,
            "grey": t.input,
            "rose": t.alarm,
            "low": t.low[1],
            "low-ink": ink(t.low[1]),
            "high": t.high[1],
            "high-ink": ink(t.high[1]),
        }
        lines = ";".join(f"--{key}:{colour}" for key, colour in colours.items())
        written.append(f':root[data-theme="{name}"]{{{lines};color-scheme:{name}}}')
    return "".join(written)


def _hash(text: str) -> str:
    """What a Content-Security-Policy calls an inline script or style."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _embedded(data: Any) -> str:
    """JSON in ASCII that holds nothing which HTML or JavaScript could take for its own."""
    text = json.dumps(_cleaned(data), separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _cleaned(data: Any) -> Any:
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, dict):
        return {clean(str(key)): _cleaned(value) for key, value in data.items()}
    return [_cleaned(x) for x in data] if isinstance(data, list | tuple) else data
