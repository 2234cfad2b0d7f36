"""How pictures look: two themes, the colours of numbers, and how a number is written.

Values are coloured on a diverging purple and green scale, which colour-blind readers tell apart and
which no edge uses. Every pair of text and background has a contrast of at least 4.5 to 1.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["DARK", "FONT", "LIGHT", "THEMES", "Theme", "clean", "contrast", "heat", "ink", "number"]

FONT = "Helvetica,Arial,sans-serif"  # their metrics are built into every Graphviz and browser


# Control characters, halves of surrogate pairs, and what turns the direction of writing.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def clean(text: str) -> str:
    r"""Replace what no file or terminal should be given, and put it on one line.

    >>> clean("a\nb")
    'a b'
    """
    return _FORBIDDEN.sub("\ufffd", text.replace("\n", " ").replace("\t", " "))


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, as ``#rrggbb``."""

    page: str
    body: str  # of a card
    group: str  # background of a module
    rim: str  # border of a module
    line: str  # between the halves of a card
    text: str
    muted: str
    empty: str  # an exact zero, or the empty part of a bar
    forward: str
    forward_tint: str
    backward: str
    backward_tint: str
    parameter: str
    parameter_tint: str
    input: str
    input_tint: str
    loss: str
    loss_tint: str
    alarm: str
    alarm_tint: str
    good: str
    low: tuple[str, str]  # the weakest and the strongest negative number
    high: tuple[str, str]  # the weakest and the strongest positive number


LIGHT = Theme(
    page="#ffffff",
    body="#ffffff",
    group="#f7f9fb",
    rim="#b6c2cf",
    line="#c3ccd6",
    text="#1b2733",
    muted="#56626e",
    empty="#f1f3f5",
    forward="#0b5cad",
    forward_tint="#e8f1fb",
    backward="#b93c0a",
    backward_tint="#fdeee6",
    parameter="#7d5800",
    parameter_tint="#fdf4d9",
    input="#3f4c5a",
    input_tint="#eef1f4",
    loss="#5b2a86",
    loss_tint="#f2eaf9",
    alarm="#9f1239",
    alarm_tint="#ffe4e9",
    good="#1a7f42",
    low=("#f0e8f4", "#8d52ad"),
    high=("#e8f3ec", "#3f9664"),
)

DARK = Theme(
    page="#12171d",
    body="#1b222b",
    group="#161c24",
    rim="#4a5867",
    line="#46535f",
    text="#e8edf2",
    muted="#a3b0bd",
    empty="#28313b",
    forward="#6fb1f5",
    forward_tint="#172c44",
    backward="#ff9a5c",
    backward_tint="#3b2315",
    parameter="#f0c652",
    parameter_tint="#3a2f10",
    input="#c3ccd6",
    input_tint="#28313b",
    loss="#cfa5f0",
    loss_tint="#321f45",
    alarm="#ff9dae",
    alarm_tint="#4a1622",
    good="#5fc48a",
    low=("#2f2c41", "#9d70be"),
    high=("#22352f", "#4fa977"),
)

THEMES = {"light": LIGHT, "dark": DARK}


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    shares = [c / 255 for c in _channels(colour)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    """Contrast of two colours as WCAG defines it, from 1 to 21.

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    dark, bright = sorted([_luminance(a), _luminance(b)])
    return (bright + 0.05) / (dark + 0.05)


def ink(fill: str) -> str:
    """Black or white, whichever is read better on ``fill``: one of them always has 4.58 to 1.

    >>> ink("#f7f9fb"), ink("#8d52ad")
    ('#000000', '#ffffff')
    """
    return max("#000000", "#ffffff", key=lambda text: contrast(text, fill))


def heat(x: float, scale: float, theme: Theme) -> str:
    """Colour of ``x`` where ``scale`` is the largest magnitude around it.

    Zero is grey, what is not finite has the colour of alarms.

    >>> heat(-2.0, 2.0, LIGHT), heat(0.0, 2.0, LIGHT)
    ('#8d52ad', '#f1f3f5')
    """
    if not math.isfinite(x):
        return theme.alarm
    if x == 0 or not scale:
        return theme.empty
    # The exponent lets numbers far below the largest still differ from zero.
    share = min(abs(x) / scale, 1.0) ** 0.7
    weak, strong = theme.low if x < 0 else theme.high
    mixed = (
        round(a + (b - a) * share) for a, b in zip(_channels(weak), _channels(strong), strict=True)
    )
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def number(x: Any) -> str:
    """Write a number in at most six characters: two decimals, or one digit and an exponent.

    >>> number(0.125), number(-3), number(-0.00031), number(123456.0), number(float("nan"))
    ('0.12', '−3', '−3e−4', '1e5', 'nan')
    """
    if isinstance(x, bool):
        return str(int(x))
    size = abs(x)
    if isinstance(x, int):
        text = str(x) if size < 10000 else f"{float(x):.0e}" if size < 1e300 else "big"
    elif math.isnan(x):
        return "nan"
    elif math.isinf(x):
        return "−∞" if x < 0 else "∞"
    elif size == 0:
        return "0"
    elif 0.005 <= size < 99.95:
        text = f"{x:.2f}" if size < 9.995 else f"{x:.1f}"
    elif 1 <= size < 9999.5:
        text = f"{x:.0f}"
    else:
        text = f"{x:.0e}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")
