"""The check of single elements: what the rule claims of each, and what finite differences say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from minigrad.testing.differences import Floats, Ray
from minigrad.testing.examine import BROKEN, COARSE, FAIL, OPEN, PASS, Weighed, weigh
from minigrad.testing.ladder import Claim
from minigrad.testing.probe import RuleFault, Subject, quiet
from minigrad.testing.report import Finding, Verdict

UNITS = 32  # outputs that get a cotangent of their own
SIGNS = 6  # random cotangents where there are more outputs
MOVED = 16  # elements that may be checked elsewhere, because noise hides them where they are

VERDICTS: dict[int, Verdict] = {
    PASS: "pass", OPEN: "inconclusive", FAIL: "fail", BROKEN: "not differentiable"
}  # fmt: skip
RANK = {PASS: 0, OPEN: 1, BROKEN: 2, FAIL: 3}


@dataclass
class Survey:
    """Rows of the rule, one for each cotangent, and what finite differences said of them.

    Attributes:
        rows: By cotangent, then by active input, the flat gradient of the rule.
        measured: By active input, finite differences by cotangent and element; NaN where unknown.
        codes: By active input, a code for each element; -1 where it was not checked by itself.
    """

    subject: Subject
    names: Sequence[str]
    channels: Floats | None
    cotangents: Floats
    labels: list[str]
    rows: list[list[Floats]]
    measured: list[Floats] = field(default_factory=list)
    tolerances: list[Floats] = field(default_factory=list)
    codes: list[np.ndarray] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    resolution: float = 0.0
    checked: int = 0
    notes: list[str] = field(default_factory=list)
    moved: int = 0
    _noise: list[list[Floats]] | None = None
    _quantum: Floats | None = None

    def quantum(self) -> Floats:
        """Noise of every channel that only wide lines show."""
        if self._quantum is None:
            self._quantum = self.subject.quantum(self.channels)
        return self._quantum

    def noise(self) -> list[list[Floats]]:
        """How far rounding moves the rule, in the layout of ``rows``."""
        if self._noise is None:
            self._noise = []
            for g, row, coarse in zip(self.cotangents, self.rows, self.quantum(), strict=True):
                noise = self.subject.rule_noise(g, row)
                if coarse > 0.0:  # only then may the rule be as coarse
                    wide = self.subject.rule_quantum(g)
                    noise = [np.fmax(a, b) for a, b in zip(noise, wide, strict=True)]
                self._noise.append(noise)
        return self._noise


def begin(subject: Subject, names: Sequence[str]) -> Survey:
    """Choose cotangents and ask the rule for all of them."""
    live = np.flatnonzero(np.isfinite(subject.base))
    count = subject.base.size
    if len(live) <= UNITS:
        cotangents = np.zeros((len(live), count))
        cotangents[np.arange(len(live)), live] = 1.0
        channels = None if len(live) == count else cotangents
        labels = [_label(int(k), subject.out_shape) for k in live]
    else:
        cotangents = np.zeros((SIGNS, count))
        cotangents[:, live] = subject.rng.choice([-1.0, 1.0], (SIGNS, len(live)))
        cotangents[1::2, live] *= _evened(subject)[live]
        channels, labels = cotangents, [f"±mix {k}" for k in range(SIGNS)]
    rows = [subject.pull(g) for g in cotangents]
    return Survey(subject, names, channels, cotangents, labels, rows)


def _evened(subject: Subject) -> Floats:
    """Weights that give outputs of very different size the same say; 1 where they are alike."""
    size = np.fmax(np.abs(subject.base), 2.0 ** (subject.bits - 1) * subject.grain())
    known = np.isfinite(size) & (subject.base != 0.0)
    middle = np.median(size[known]) if known.any() else 1.0
    size = np.where(known, size, middle)
    steps = np.round(np.log2(size / middle) / 16.0)  # within a factor of 256 they are alike
    return np.asarray(np.clip(2.0 ** (-16.0 * steps), 2.0**-96, 2.0**96))


def _label(k: int, shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(str(int(i)) for i in np.unravel_index(k, shape)) + "]" if shape else ""


def renoise(made: Survey) -> Callable[[Ray], Floats]:
    """How to measure the noise of a ray again, once it is known which outputs it moves."""

    def renoise(ray: Ray) -> Floats:
        if made.channels is None or ray.moved.all():
            return ray.noise
        return made.subject.seen_noise(made.channels, ray.moved)

    return renoise


def _suggested(made: Survey, size: float) -> Floats:
    """The derivative that the size of the function suggests, in every channel."""
    base = np.where(np.isfinite(made.subject.base), made.subject.base, 0.0)
    total = np.abs(base) if made.channels is None else np.sqrt(made.channels**2 @ base**2)
    return np.asarray(total / max(size, 0.125))


def element(made: Survey, position: int, j: int, balanced: bool = True) -> Weighed:
    """Check one element in every channel."""
    subject = made.subject
    i = subject.active[position]
    ray = subject.element(i, j, made.channels)
    rule = np.array([row[position][j] for row in made.rows])
    with np.errstate(invalid="ignore"):
        largest = np.array([np.max(np.abs(row[position])) for row in made.rows])
    largest = np.where(np.isfinite(largest), largest, 0.0)
    eps = 2.0 ** (1 - ray.bits)

    def noise() -> Floats:
        moved = np.array([row[position][j] for row in made.noise()])
        steady = np.nan_to_num(moved, nan=0.0, posinf=0.0)
        return 2.0 * steady + 4.0 * eps * (largest + 16.0 * _suggested(made, max(ray.size, 1.0)))

    suggested = _suggested(made, ray.size)
    claim = Claim(rule, largest, suggested, np.zeros(len(rule)), noise, made.quantum)
    weighed = weigh(ray, claim, renoise(made))
    if (weighed.codes == BROKEN).any():
        # 0 * inf: what is infinite in one output makes the others NaN.
        weighed.codes[(weighed.codes == FAIL) & ~np.isfinite(rule)] = BROKEN
    if balanced and _hidden(weighed, ray, rule):
        again = _balanced(made, position, j)
        if again is not None:
            return again
    made.measured[position][:, j] = weighed.estimate.value
    made.tolerances[position][:, j] = weighed.tolerance
    made.resolution = max(made.resolution, weighed.resolution)
    worst = max(weighed.codes.tolist(), key=RANK.__getitem__)
    made.codes[position][j] = worst
    if worst != PASS:
        made.findings.append(_finding(made, position, j, rule, weighed, worst))
    return weighed


def _hidden(weighed: Weighed, ray: Ray, rule: Floats) -> bool:
    """Whether noise hides what happens at steps as small as the element itself."""
    left, right = weighed.estimate.sides
    own = np.fmax(
        np.abs(np.where(np.isfinite(rule), rule, 0.0)), np.fmax(np.abs(left), np.abs(right))
    )
    limit = COARSE[ray.bits] * own
    drowned = 4.0 * ray.noise / ray.size > limit
    coarse = (weighed.codes != PASS) | (weighed.tolerance > limit)
    return bool(np.any(drowned & coarse & (own > 0.0)))


def _balanced(made: Survey, position: int, j: int) -> Weighed | None:
    """Check an element where the others are no larger than it, so that they make less noise.

    The rule has to be right there, too. Nothing is concluded where ``f`` is not defined there.
    """
    subject = made.subject
    size = abs(float(subject.point[subject.active[position]].flat[j]))
    if size == 0.0 or made.moved >= MOVED:
        return None
    made.moved += 1
    point = [x.copy() for x in subject.point]
    for p, i in enumerate(subject.active):
        limit = size * (1.0 + 3.0 * subject.rng.random(point[i].shape))
        shrunk = np.sign(point[i]) * np.minimum(np.abs(point[i]), limit)
        if p == position:
            shrunk.flat[j] = point[i].flat[j]
        point[i] = np.asarray(shrunk, dtype=subject.point[i].dtype)
    with quiet():
        try:
            nearby = Subject(subject.f, subject.vjp, point, subject.rng)
        except (ArithmeticError, ValueError):
            return None
    fits = nearby.base.shape == subject.base.shape and np.isfinite(nearby.base).all()
    if fits and np.isfinite(subject.base).all():
        try:
            there = begin(nearby, made.names)
        except RuleFault:  # it may rely on what is true of the point: a symmetric matrix
            subject.evaluations += nearby.evaluations
            return None
        there.measured = [np.full_like(m, np.nan) for m in made.measured]
        there.tolerances = [np.full_like(m, np.nan) for m in made.tolerances]
        there.codes = [np.full_like(c, -1) for c in made.codes]
        weighed = element(there, position, j, balanced=False)
        subject.evaluations += nearby.evaluations
        made.codes[position][j] = there.codes[position][j]
        made.findings += there.findings
        made.resolution = max(made.resolution, there.resolution)
        if not there.findings:
            made.notes.append(
                f"{_called(made, position, j)}: checked where other elements are smaller"
            )
        return weighed
    subject.evaluations += nearby.evaluations
    return None


def _called(made: Survey, position: int, j: int) -> str:
    i = made.subject.active[position]
    index = ", ".join(str(int(a)) for a in np.unravel_index(j, made.subject.point[i].shape))
    return f"{made.names[i]}[{index}]" if index else made.names[i]


def _finding(
    made: Survey, position: int, j: int, rule: Floats, weighed: Weighed, code: int
) -> Finding:
    """Describe an element through the channel that is furthest off."""
    i = made.subject.active[position]
    estimate = weighed.estimate
    with np.errstate(all="ignore"):
        excess = np.abs(rule - estimate.value) / np.maximum(weighed.tolerance, 1e-300)
    k = int(
        np.argmax(np.where(weighed.codes == code, np.nan_to_num(excess, nan=1e300) + 1.0, -1.0))
    )
    index = tuple(int(a) for a in np.unravel_index(j, made.subject.point[i].shape))
    broken = str(estimate.broken[k])
    note = _told(broken, float(estimate.sides[0][k]), float(estimate.sides[1][k]), float(rule[k]))
    return Finding(
        VERDICTS[code], made.names[i], index, made.labels[k], float(rule[k]),
        float(estimate.value[k]), float(weighed.tolerance[k]), note,
    )  # fmt: skip


def _told(broken: str, left: float, right: float, rule: float) -> str:
    if broken == "kink":
        low, high = sorted((left, right))
        inside = "between" if low <= rule <= high else "not between"
        return f"kink: slopes {left:.4g} and {right:.4g}, the rule's is {inside} them"
    if broken == "jump":
        return "jump: the function is not continuous here"
    if broken == "vertical":
        return "vertical tangent: the slope grows without bound"
    if broken == "wild":
        return "the slope goes on changing as the step shrinks"
    if broken == "edge":
        return "edge of the domain: f is not finite on one side"
    return ""
