"""Where in an array a gradient is wrong, as a picture: one square for each element."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from minigrad.testing.elements import Survey

Mark = tuple[str, float]  # what a square says, and the relative error

COLOURS = {
    "pass": "#cfe8d8",
    "fail": "#c2361f",
    "not differentiable": "#7a68c9",
    "inconclusive": "#9c9c9c",
    "only in directions": "#f0f0f0",
}
"""What a square says; wrong elements go from pale orange (a millionth) to red (all of it)."""

ROWS, COLUMNS = 24, 48  # squares of the largest picture; of more elements it shows the worst
SIDE = 14
LIGHTEST, DECADES = np.array([0xFB, 0xD0, 0xA4]), 6.0  # from pale to full red


def errors_of(made: Survey, position: int) -> NDArray[Any]:
    """Relative error of the rule, in the shape of the input: 0 where it is within tolerance.

    NaN stands where an element was not checked by itself, infinity where the gradient should be 0.
    """
    shape = made.subject.point[made.subject.active[position]].shape
    measured = made.measured[position]
    rule = np.array([row[position] for row in made.rows]).reshape(measured.shape)
    with np.errstate(all="ignore"):
        gap = np.abs(rule - measured)
        share = np.where(gap <= made.tolerances[position], 0.0, gap / np.abs(measured))
    share = np.where(np.isfinite(measured) & ~np.isfinite(rule), np.inf, share)
    most = np.max(np.where(np.isnan(share), -1.0, share), axis=0, initial=-1.0)
    return np.where(most < 0.0, np.nan, most).reshape(shape)


def picture(name: str, errors: NDArray[Any], marked: dict[tuple[int, ...], Mark]) -> str:
    """Draw the errors of one input as SVG.

    Args:
        name: Of the input; the squares say it when pointed at.
        errors: Relative, 0 within tolerance, NaN where an element was not checked by itself.
        marked: Verdict and error by index, where more is known than that.

    >>> picture("x", np.array([0.0, 0.5]), {}).count("<rect")
    2
    """
    if not errors.size:
        return ""
    grid, block = _grid(errors, marked)
    squares = []
    for (row, column), ((verdict, share), index) in grid.items():
        where = f"{name}[{', '.join(map(str, index))}]" if index else name
        said = f"{verdict}, off by a relative {share:.1g}" if verdict == "fail" else verdict
        squares.append(
            f'<rect x="{column * SIDE}" y="{row * SIDE}" width="{SIDE - 1}" height="{SIDE - 1}" '
            f'fill="{_colour(verdict, share)}">'
            f"<title>{html.escape(where)}: {said}</title></rect>"
        )
    high, wide = (1 + max(place[axis] for place in grid) for axis in (0, 1))
    whole = f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide * SIDE}" height="{high * SIDE}">'
    told = "" if block == (1, 1) else f" (the worst of {block[0]} x {block[1]} in each square)"
    shape = " x ".join(map(str, errors.shape)) or "one number"
    return f"<div>{html.escape(name)}: {shape}{told}</div>{whole}{''.join(squares)}</svg>"


def legend() -> str:
    """What the colours mean, as HTML."""
    parts = [
        f'<span style="background:{colour};display:inline-block;width:11px;height:11px;'
        f'margin:0 4px 0 12px"></span>{verdict}'
        for verdict, colour in COLOURS.items()
    ]
    return f'<div style="margin-top:6px">{"".join(parts)}</div>'


def _grid(
    errors: NDArray[Any], marked: dict[tuple[int, ...], Mark]
) -> tuple[dict[tuple[int, int], tuple[Mark, tuple[int, ...]]], tuple[int, int]]:
    """By row and column the worst of the elements that share a square; and how many do."""
    width = errors.shape[-1] if errors.ndim > 1 else min(errors.size, COLUMNS)
    height = -(-errors.size // width)
    block = (-(-height // ROWS), -(-width // COLUMNS))
    grid: dict[tuple[int, int], tuple[Mark, tuple[int, ...]]] = {}
    telling = np.flatnonzero(~np.isnan(errors)) if max(block) > 1 else np.arange(errors.size)
    corners = [row * width + column for row in range(0, height, block[0]) for column in
               range(0, width, block[1]) if row * width + column < errors.size]  # fmt: skip
    known = [int(np.ravel_multi_index(index, errors.shape)) for index in marked]
    for flat in (*corners, *telling.tolist(), *known):
        place = (flat // width // block[0], flat % width // block[1])
        index = tuple(int(i) for i in np.unravel_index(flat, errors.shape))
        mark = marked.get(index) or _mark(float(errors[index]))
        if place not in grid or _rank(mark) > _rank(grid[place][0]):
            grid[place] = mark, index
    return grid, block


def _mark(share: float) -> Mark:
    if np.isnan(share):
        return "only in directions", share
    return ("fail" if share else "pass"), share


def _rank(mark: Mark) -> tuple[int, float]:
    order = ("only in directions", "pass", "inconclusive", "not differentiable", "fail")
    return order.index(mark[0]), float(np.nan_to_num(mark[1], nan=-1.0))


def _colour(verdict: str, share: float) -> str:
    if verdict != "fail":
        return COLOURS[verdict]
    full = np.array([int(COLOURS["fail"][i : i + 2], 16) for i in (1, 3, 5)])
    strength = np.clip(1.0 + np.log10(max(share, 1e-300)) / DECADES, 0.0, 1.0)
    mixed = (LIGHTEST + strength * (full - LIGHTEST)).round().astype(int)
    return "#" + "".join(f"{part:02x}" for part in mixed)
