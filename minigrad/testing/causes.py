"""Say in one sentence why a gradient is wrong, where the numbers show it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.testing.differences import Bools, Floats
from minigrad.testing.examine import BROKEN, FAIL
from minigrad.testing.report import Finding

if TYPE_CHECKING:
    from minigrad.testing.elements import Survey


def argument_names(f: Callable[..., Any], count: int) -> list[str]:
    """Names of the first ``count`` parameters of ``f``, or ``input 0``, ``input 1``, ...

    >>> argument_names(lambda x, w: x @ w, 2)
    ['x', 'w']
    """
    told = getattr(f, "input_names", None)  # an adapter's, which are paths
    if told is not None:
        return list(told)
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(named) >= count:
        return named[:count]
    rest = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
    if rest:
        return named + [f"{rest[0]}[{i}]" for i in range(count - len(named))]
    return ["x"] if count == 1 else [f"input {i}" for i in range(count)]


def with_names(said: str, names: Sequence[str]) -> str:
    """Replace ``input 0`` in a sentence by the name of that input."""
    return re.sub(r"\binput (\d+)\b", lambda m: names[int(m[1])], said)


def cause_of(made: Survey, worst: Finding) -> str:
    """Explain the worst finding by comparing everything measured with everything claimed."""
    if worst.verdict == "not differentiable":
        return f"{worst.where} is at a point where f has no derivative"
    if worst.verdict == "inconclusive":
        return f"f is too noisy or too steep at {worst.where} to verify its gradient"
    if worst.note:
        return f"{worst.where}: {worst.note}"
    position = next(p for p, i in enumerate(made.subject.active) if made.names[i] == worst.name)
    claimed = np.array([row[position] for row in made.rows])
    measured = made.measured[position]
    known = np.isfinite(measured) & (made.codes[position] != BROKEN)
    if not known.any():
        return ""
    rule, truth = np.where(known, claimed, 0.0), np.where(known, measured, 0.0)
    slack = np.where(known, made.tolerances[position], 0.0)
    if not np.isfinite(rule).all():
        return f"the rule gives {rule[~np.isfinite(rule)][0]} for {worst.name} where f is smooth"
    said = next(_explanations(made, position, rule, truth, slack, known), "")
    return said.format(name=worst.name) if said else ""


def _explanations(
    made: Survey, position: int, rule: Floats, truth: Floats, slack: Floats, known: Bools
) -> Iterator[str]:
    """All explanations that fit, the most telling first."""
    size = np.max(np.abs(truth))
    reach = 2.0 * slack + 1e-7 * size

    def fits(candidate: Any) -> bool:
        with np.errstate(all="ignore"):
            return bool(
                np.all(np.abs(rule - candidate) <= reach * (1.0 + np.abs(candidate) / size))
            )

    if size == 0.0:
        yield "the gradient of {name} should be 0: f does not depend on it"
        return
    if not rule.any():
        yield "the gradient of {name} is zero, but f depends on it"
    if fits(-truth):
        yield "the sign of the gradient of {name} is flipped"
    yield from _constants(made, position, rule, truth, slack)
    yield from _arrangements(made, position, fits, truth, known)
    yield from _factors(made, position, rule, truth, slack)
    yield from _places(made, position, rule, truth)


def _constants(
    made: Survey, position: int, rule: Floats, truth: Floats, slack: Floats
) -> Iterator[str]:
    """One factor everywhere: a size, a degree of freedom, a half, an approximate constant."""
    strong = np.abs(truth) > np.maximum(1e3 * slack, 1e-6 * np.max(np.abs(truth)))
    if not strong.any():
        return
    ratios = rule[strong] / truth[strong]
    c = float(np.median(ratios))
    spread = float(np.max(np.abs(ratios - c)))
    weakest = float(np.max(slack[strong] / np.abs(truth[strong])))
    off = np.abs(rule - c * truth) > 4.0 * slack * (1 + abs(c)) + 1e-7 * np.max(np.abs(truth))
    if c == 0.0 or off.any() or spread > 4.0 * weakest + 1e-6 * abs(c) + 0.02 * abs(c - 1.0):
        return
    shapes = [x.shape for x in made.subject.point]
    lengths = [n for shape in shapes for n in (*shape, int(np.prod(shape)))]
    sizes = {n for n in (*lengths, *made.subject.out_shape, made.subject.base.size) if n > 2}
    for n in sorted(sizes):
        for value, said in (
            (float(n), f"{n} times too large: a mean is treated as a sum, or a sum counted twice"),
            (1.0 / n, f"1/{n} of what it should be: a sum is treated as a mean"),
            (n / (n - 1.0), f"{n}/{n - 1} of what it should be: the degrees of freedom (ddof)"),
            ((n - 1.0) / n, f"{n - 1}/{n} of what it should be: the degrees of freedom (ddof)"),
        ):
            if abs(c - value) <= 1e-5 * value:
                yield f"the gradient of {{name}} is {said}"
    if abs(c - 1.0) < 0.02:
        yield (
            f"the gradient of {{name}} is off by a relative {abs(c - 1.0):.1e} everywhere: an "
            "approximate constant, or lower precision"
        )
    yield f"the gradient of {{name}} is off by the constant factor {c:.6g}"


def _arrangements(
    made: Survey, position: int, fits: Callable[[Any], bool], truth: Floats, known: Bools
) -> Iterator[str]:
    """The right numbers in the wrong place."""
    subject = made.subject
    shape = subject.point[subject.active[position]].shape
    cubes = truth.reshape(len(truth), *shape)
    square = len(shape) == 2 and shape[0] == shape[1] > 1
    if square and fits(np.swapaxes(cubes, 1, 2).reshape(truth.shape)):
        yield "the gradient of {name} is transposed"
    for axis in range(len(shape)):
        if shape[axis] > 1 and fits(np.flip(cubes, axis + 1).reshape(truth.shape)):
            yield f"the gradient of {{name}} is reversed along axis {axis}"
    for other, i in enumerate(subject.active):
        measured = made.measured[other]
        alike = other != position and measured.shape == truth.shape and known.all()
        if alike and fits(np.nan_to_num(measured)):
            yield f"the gradient of {{name}} is that of {made.names[i]}: arguments are swapped"
    if made.cotangents.shape == truth.shape and fits(np.where(known, made.cotangents, 0.0)):
        yield "the gradient of {name} is the incoming gradient, unchanged"


def _factors(
    made: Survey, position: int, rule: Floats, truth: Floats, slack: Floats
) -> Iterator[str]:
    """A factor that is missing or too many: x, its square, or the output."""
    x = made.subject.point[made.subject.active[position]].astype(np.float64).ravel()
    candidates = {"x": x, "x**2": x * x, "2*x": 2.0 * x, "1 - x": 1.0 - x}
    if made.subject.base.size == x.size:
        y = made.subject.base
        candidates |= {"f(x)": y, "f(x)**2": y * y, "1 - f(x)": 1.0 - y, "1 - f(x)**2": 1 - y * y}
    size = np.max(np.abs(truth))
    for label, factor in candidates.items():
        if np.ptp(factor) <= 1e-6 * np.max(np.abs(factor), initial=0.0):
            continue
        with np.errstate(all="ignore"):
            for wanted, said in ((truth * factor, "too many"), (truth / factor, "missing")):
                reach = 4.0 * slack * (1.0 + np.abs(wanted) / size) + 1e-7 * np.abs(wanted)
                if np.all(np.abs(rule - wanted) <= reach + 1e-9 * size):
                    yield f"in the gradient of {{name}} a factor {label} is {said}"


def _places(made: Survey, position: int, rule: Floats, truth: Floats) -> Iterator[str]:
    """What the wrong elements have in common."""
    subject = made.subject
    x = subject.point[subject.active[position]]
    codes = made.codes[position]
    bad, good = codes == FAIL, codes == 0
    flat = x.astype(np.float64).ravel()
    if bad.sum() > 0 and good.any():
        if np.all(flat[bad] < 0) and np.all(flat[good] >= 0):
            yield "the gradient of {name} is wrong only where {name} < 0"
        if np.all(flat[bad] > 0) and np.all(flat[good] <= 0):
            yield "the gradient of {name} is wrong only where {name} > 0"
        places = np.argwhere(bad.reshape(x.shape)) if x.ndim else np.zeros((1, 0))
        for axis in range(x.ndim):
            row = int(places[0][axis])
            whole = np.all(places[:, axis] == row) and len(places) * x.shape[axis] == x.size
            if whole and x.ndim > 1:
                yield f"the gradient of {{name}} is wrong only at index {row} of axis {axis}"
        if bad.sum() == 1:
            place = ", ".join(str(int(a)) for a in places[0])
            yield f"the gradient of {{name}} is wrong only at [{place}]"
    wrong = np.abs(rule - truth)
    size = np.max(np.abs(truth))
    strong = np.abs(truth) > 1e-6 * size
    relative = float(np.max(wrong[strong] / np.abs(truth[strong])))
    if relative < 1e-2 and np.all(wrong[~strong] < 1e-2 * size):  # where it should be 0, too
        yield (
            f"the gradient of {{name}} is off by a relative {relative:.0e} at most: an "
            "approximation, or lower precision"
        )
