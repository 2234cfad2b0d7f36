"""The whole check of one rule at one point: every element, or random directions through many."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from minigrad.testing.differences import Floats
from minigrad.testing.elements import RANK, Survey, begin, element, renoise
from minigrad.testing.examine import BROKEN, FAIL, OPEN, PASS, TRUST, Weighed, weigh
from minigrad.testing.ladder import Claim
from minigrad.testing.probe import Subject
from minigrad.testing.report import Finding

ELEMENTWISE = 256  # elements in all that are checked one by one
DIRECTIONS = 6  # random directions through a large input
ENOUGH = 2  # of them that must pass
SAMPLE = 6  # elements of a large input that are checked one by one besides


def survey(subject: Subject, names: Sequence[str], limit: int = ELEMENTWISE) -> Survey:
    """Check the rule of ``subject`` in every active input."""
    made = begin(subject, names)
    sizes = [subject.point[i].size for i in subject.active]
    for size in sizes:
        made.measured.append(np.full((len(made.rows), size), np.nan))
        made.tolerances.append(np.full((len(made.rows), size), np.nan))
        made.codes.append(np.full(size, -1))
        made.checked += size if made.rows else 0
    if not made.rows:
        return made
    left = limit
    for position in sorted(range(len(sizes)), key=sizes.__getitem__):
        if sizes[position] <= left:
            left -= sizes[position]
            for j in range(sizes[position]):
                element(made, position, j)
        else:
            _directions(made, position)
    known = all(f.verdict == "inconclusive" for f in made.findings)
    if known and 1 < sum(sizes) <= limit:
        _jointly(made)
    return made


def _directions(made: Survey, position: int) -> None:
    """Check a large input in random directions and, where one fails, look for the culprit."""
    subject = made.subject
    i = subject.active[position]
    strides = subject.strides(i)
    infinite = np.flatnonzero(~np.isfinite([row[position] for row in made.rows]).all(axis=0))
    for j in infinite[:SAMPLE]:  # no direction would tell them from the others
        element(made, position, int(j))
    passed = 0 if len(infinite) else _passed(made, position, strides)
    _some_elements(made, position)
    if passed:
        made.notes.append(
            f"{made.names[i]}: {strides.size} elements in {passed} random directions, seen through "
            f"{len(made.rows)} cotangents: a single wrong element shows in each of them, "
            f"several hide from all with a chance of 2^-{passed}"
        )


def _passed(made: Survey, position: int, strides: Floats) -> int:
    """How many random directions pass; a culprit, or too few that do, is among the findings."""
    passed, open_ = 0, None
    for _ in range(DIRECTIONS):
        v = strides * made.subject.rng.choice([-1.0, 1.0], strides.shape)
        weighed = _along(made, {position: v})
        worst = max(weighed.codes.tolist(), key=RANK.__getitem__)
        if worst == PASS:
            made.resolution = max(made.resolution, weighed.resolution)
            passed += 1
        elif worst == OPEN:
            open_ = v
        elif _bisect(made, position, v, worst):
            return passed
        # No element bears it out: thousands of them together cross kinks that lie so near that no
        # step keeps clear of all. Other directions may.
    if passed < ENOUGH and (open_ is None or not _bisect(made, position, open_, BROKEN)):
        name = made.names[made.subject.active[position]]
        made.findings.append(
            Finding("inconclusive", name, (), "a direction", np.nan, np.nan, np.nan)
        )
    return passed


def _some_elements(made: Survey, position: int) -> None:
    """Check a few elements of a large input one by one, and one that is 0."""
    subject, i = made.subject, made.subject.active[position]
    size = subject.point[i].size
    zeros = np.flatnonzero(subject.point[i].ravel() == 0.0)
    picks = set(subject.rng.choice(size, min(SAMPLE, size), replace=False).tolist())
    picks |= {int(z) for z in zeros[:1]}
    for j in sorted(picks):
        if made.codes[position][j] == -1:
            element(made, position, j)


def _along(made: Survey, along: Mapping[int, Floats], coarse: bool = True) -> Weighed:
    """Check one direction, through the inputs at these positions, in every channel.

    Without ``coarse``, noise that only wide lines show is not looked for.
    """
    subject = made.subject
    ray = subject.direction({subject.active[p]: v for p, v in along.items()}, made.channels)
    parts = [np.concatenate([row[p] * v for p, v in along.items()]) for row in made.rows]
    rule = np.array([float(np.sum(part)) for part in parts])
    natural = np.array([float(np.linalg.norm(part)) for part in parts])
    eps = 2.0 ** (1 - ray.bits)
    count = sum(v.size for v in along.values())

    def noise() -> Floats:
        moved = [
            4.0 * math.hypot(*(float(np.linalg.norm(_finite(row[p]) * along[p])) for p in along))
            for row in made.noise()
        ]
        # Where the terms cancel, as much is trusted as of each of them.
        return np.array(moved) + max(16.0 * eps * np.log2(count + 2.0), TRUST) * natural

    natural = np.where(np.isfinite(natural), natural, 0.0)
    quantum = made.quantum if coarse else lambda: np.zeros(len(rule))
    return weigh(ray, Claim(rule, natural, natural, natural, noise, quantum), renoise(made))


def _finite(row: Floats) -> Floats:
    return np.nan_to_num(row, posinf=0.0)


def _jointly(made: Survey) -> None:
    """Move all elements at once: partial derivatives alone do not make a derivative."""
    subject = made.subject
    along = {
        p: subject.strides(i) * subject.rng.choice([-1.0, 1.0], subject.point[i].size)
        for p, i in enumerate(subject.active)
    }
    terms = np.array(
        [sum(np.sum(np.abs(row[p] * v)) for p, v in along.items()) for row in made.rows]
    )
    rule = np.array([sum(np.sum(row[p] * v) for p, v in along.items()) for row in made.rows])
    ray = subject.direction({subject.active[p]: v for p, v in along.items()}, made.channels)
    ray.take(4, 7)
    if len(ray.taken) < 2:
        return
    table = ray.table()
    gap, miss = np.abs(table.right - table.left), np.abs(table.slope - rule)
    size = np.fmax(terms, np.abs(table.right[-1]))
    bent = gap[-1] > np.fmax(0.5 * gap[0], 0.02 * size)
    apart = miss[-1] > np.fmax(0.5 * miss[0], 0.05 * size)
    moved = (table.rise[-1] != 0.0) | (table.fall[-1] != 0.0)
    if not (moved & (bent | apart)).any():  # larger steps must say so, too: not only noise
        return
    weighed = _along(made, along, coarse=False)
    codes, estimate = weighed.codes, weighed.estimate
    off = (codes == FAIL) | (  # or what excuses the rule is that it jumps here
        (codes == OPEN) & (np.abs(rule - estimate.value) > 8.0 * estimate.bar)
    )
    off &= estimate.value != 0.0  # as if nothing moved: f is rounded coarsely
    broken = moved & ((bent & (codes == BROKEN)) | (apart & off))
    if not broken.any():
        return
    k = int(np.argmax(broken))
    made.findings.append(
        Finding(
            "not differentiable", made.names[subject.active[0]], (), made.labels[k], float(rule[k]),
            float(weighed.estimate.value[k]), float(weighed.tolerance[k]),
            "the derivatives of single elements do not add up to that along a diagonal",
        )
    )  # fmt: skip


def _bisect(made: Survey, position: int, v: Floats, code: int) -> bool:
    """Halve a direction until an element is left, and say whether it has ``code`` itself."""
    inside = np.flatnonzero(v)
    while len(inside) > 1:
        halves = inside[: len(inside) // 2], inside[len(inside) // 2 :]
        scores = []
        for half in halves:
            part = np.zeros_like(v)
            part[half] = v[half]
            scores.append(_score(_along(made, {position: part}), code))
            if scores[0] > 1e6:
                break
        inside = halves[int(np.argmax(scores))]
    j = int(inside[0])
    element(made, position, j)
    return bool(made.codes[position][j] == code)


def _score(weighed: Weighed, code: int) -> float:
    """How strongly a direction shows what is looked for."""
    if not (weighed.codes == code).any():
        return 0.0
    if code == BROKEN:
        return 1.0
    return 1.0 + float(np.sum(weighed.codes == code))
