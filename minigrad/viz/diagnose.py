"""What is wrong with a model, found while its graph is read.

Every finding names the vertex, says in words what was seen, and how many examples it was seen on.
A healthy model has none, so a test may assert that ``draw(loss).issues`` is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minigrad.diagnosis.checks import LARGE, SMALL
from minigrad.primitive import Array
from minigrad.viz.style import number

if TYPE_CHECKING:
    from minigrad.viz.tape import Vertex

__all__ = ["Finding", "of_cut", "of_layers", "of_parameter", "of_rule", "of_update", "of_value"]

DEAD = 0.25  # share of the units of a wide layer from which chance is no explanation any more
WIDE = 8  # units of a layer that is written out, where every dead one is told
FLAT = 0.05  # slope of a sigmoid or tanh under which it counts as saturated
SATURATED = 0.9
RATIO = 1e3
FAR = 3.0  # times the median: what a layer needs besides to be judged by the last one


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: ``"non-finite"``, ``"dead"``, ``"saturated"``, ``"vanishing"``, ``"exploding"``,
            ``"no gradient"``, ``"symmetric"``, ``"update"``, ``"unused"`` or ``"detached"``.
        vertex: Index of the vertex.
        message: What was seen, in words.
        half: Which half of the card shows it: ``"value"`` or ``"gradient"``.
        rows: Rows to outline.
        columns: Columns to outline.
    """

    kind: str
    vertex: int
    message: str
    half: str = "value"
    rows: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()


def of_value(
    v: Vertex, array: Array, inputs: Sequence[Array | None], earlier: Sequence[Finding]
) -> list[Finding]:
    """Judge the value of a vertex: the first that is not finite, dead units, saturation."""
    if array.dtype.kind not in "fc":
        return []
    found = _non_finite(v, array, inputs, earlier)
    if not found and v.function == "relu" and array.ndim > 1:
        found = _dead(v, array)
    elif not found and v.function in ("sigmoid", "tanh") and array.size >= 4:
        slope = array * (1 - array) if v.function == "sigmoid" else 1 - array * array
        share = float(np.mean(np.abs(slope) < FLAT))
        if share > SATURATED:
            text = f"saturated: slope under {FLAT} for {share:.0%} of the elements"
            found = [Finding("saturated", v.index, text)]
    return found


def _non_finite(
    v: Vertex, array: Array, inputs: Sequence[Array | None], earlier: Sequence[Finding]
) -> list[Finding]:
    if np.isfinite(array).all() or any(f.kind == "non-finite" for f in earlier):
        return []
    if any(x is not None and not np.isfinite(x).all() for x in inputs):
        return []
    if not all(np.isfinite(x) for x in v.numbers.values()):
        return []
    if v.kind == "constant" and not np.isnan(array).any():
        return []  # a mask of -inf is meant
    made = _count_bad(array)
    if v.kind != "op":
        return [Finding("non-finite", v.index, f"holds {made}")]
    known = [x for x in inputs if x is not None and np.size(x)]
    least = f", input min {number(float(np.min(known[0].real)))}" if known else ""
    return [Finding("non-finite", v.index, f"{v.op} made {made} here{least}")]


def _count_bad(array: Array) -> str:
    nan = int(np.isnan(array).sum())
    inf = int(np.isinf(array).sum())
    return " and ".join(f"{n:,} {word}" for n, word in ((nan, "NaN"), (inf, "infinite")) if n)


def _dead(v: Vertex, array: Array) -> list[Finding]:
    """Units (columns, or channels of images) that are 0 for every example."""
    axis = 1 if array.ndim == 4 else array.ndim - 1
    others = tuple(i for i in range(array.ndim) if i != axis)
    examples, units = array.size // max(array.shape[axis], 1), array.shape[axis]
    dead = np.flatnonzero(~array.any(axis=others)) if array.size else np.arange(0)
    if examples < 2 or not _notable(len(dead), units):
        return []
    rows = f"for all {examples:,} {'examples' if array.ndim == 2 else 'positions'}"
    text = f"{_count(dead, units, 'unit', 'is', 'are')} dead: 0 {rows}"
    return [Finding("dead", v.index, text, columns=tuple(map(int, dead)))]


def _notable(n: int, of: int) -> bool:
    """Whether ``n`` of so many is more than what chance leaves in a healthy layer."""
    return n > 0 and (of <= WIDE or n >= DEAD * of)


def _count(which: Array, of: int, noun: str, one: str, several: str) -> str:
    if len(which) == 1:
        return f"{noun} {which[0]} {one}"
    if len(which) <= 3:
        return f"{noun}s {', '.join(map(str, which))} {several}"
    return f"{len(which):,} of {of:,} {noun}s {several}"


def of_rule(v: Vertex, g: Array, c: Array, earlier: Sequence[Finding]) -> list[Finding]:
    """Judge what a rule made of a finite cotangent: the first that is not finite."""
    if np.isfinite(c).all() or not np.isfinite(g).all():
        return []
    if any(f.kind == "non-finite" for f in earlier):
        return []
    text = f"the gradient of {v.op} is {_count_bad(c)} here"
    return [Finding("non-finite", v.index, text, "gradient")]


def of_update(v: Vertex) -> list[Finding]:
    """Judge the next update of a matrix of weights, relative to it; biases start at 0."""
    if v.update is None or len(v.shape) < 2 or SMALL <= v.update <= LARGE:
        return []
    if v.gradient is not None and not v.gradient.norm:
        return []  # said already
    text = f"the next update is {number(v.update)} of its size"
    advice = "lower the learning rate" if v.update > LARGE else "it does not learn"
    return [Finding("update", v.index, f"{text}: {advice}", "gradient")]


def of_parameter(
    v: Vertex, value: Array | None, g: Array, *, rows: bool, columns: bool
) -> list[Finding]:
    """Judge the gradient of a leaf: zero everywhere, rows or columns without, symmetric units.

    Args:
        v: The vertex.
        value: Its array.
        g: Its gradient.
        rows: Whether a row without gradient is a fault.
        columns: Whether a column without gradient is a fault.
    """
    if not g.size or not np.isfinite(g).all():
        return []
    if not g.any():
        text = "gradient is 0" if g.size == 1 else "gradient is 0 everywhere"
        return [Finding("no gradient", v.index, text, "gradient")]
    if g.ndim != 2 or v.name is None:
        return []
    found = []
    for axis, judged, other in (("column", columns, 0), ("row", rows, 1)):
        which, of = np.flatnonzero(~g.any(axis=other)), g.shape[1 - other]
        if judged and _notable(len(which), of):
            text = f"{_count(which, of, axis, 'gets', 'get')} no gradient"
            marks = {f"{axis}s": tuple(map(int, which))}
            found.append(Finding("no gradient", v.index, text, "gradient", **marks))
    if value is not None and columns and not found and g.shape[1] > 1:
        same = (g == g[:, :1]).all() and (np.asarray(value) == np.asarray(value)[:, :1]).all()
        if same:
            text = f"all {g.shape[1]:,} units are equal and get equal gradients"
            found.append(Finding("symmetric", v.index, text, "gradient"))
    return found


def of_layers(norms: Sequence[tuple[str, int, float]]) -> list[Finding]:
    """Compare gradient norms of layers, each a name, a vertex and a norm, in forward order.

    The measure is the median, which one odd layer does not move: what gets a thousandth of it, or
    a thousand times as much, will not learn at the same pace. In a chain that fades evenly the
    median fades as well; there the last layer, the one next to the loss, is the measure for those
    that are also far from the median.
    """
    finite = [(name, vertex, norm) for name, vertex, norm in norms if norm > 0]
    if len(finite) < 2:
        return []
    last, _, next_to_loss = finite[-1]
    median = float(np.median([norm for _, _, norm in finite]))
    found = []
    for _, vertex, norm in finite:
        measures = [(next_to_loss, f"in {last}")]
        if len(finite) > 2:
            measures = [(median, f"the median of {len(finite)} layers"), *measures]
        for measure, of in measures:
            far = max(norm / median, median / norm) > FAR or len(finite) == 2
            ratio = norm / measure
            if far and ratio < 1 / RATIO:
                text = f"vanishing: gradient {_times(1 / ratio)} smaller than {of}"
                found.append(Finding("vanishing", vertex, text, "gradient"))
                break
            if far and ratio > RATIO:
                text = f"exploding: gradient {_times(ratio)} larger than {of}"
                found.append(Finding("exploding", vertex, text, "gradient"))
                break
    return found


def of_cut(v: Vertex, lost: int) -> Finding:
    """Say that ``v`` was made by recorded ops and is a constant here, where parameters are lost."""
    text = (
        f"detached: {lost:,} parameter{'s' * (lost != 1)} before it get{'s' * (lost == 1)} nothing"
    )
    return Finding("detached", v.index, text)


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}×" if ratio < 1e6 else f"{number(ratio)}×"
