"""Weigh a rule against finite differences, ray by ray, until each channel is settled.

Most rays need three steps on each side. Where those leave a doubt, the ray is followed down to
steps that noise drowns, or up to steps that rise above it. A rule is accused only if two nearly
disjoint sets of steps agree with each other and not with the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from minigrad.testing.differences import (
    DEPTH,
    EXACT,
    QUICK,
    Bools,
    Estimate,
    Floats,
    Ray,
    Table,
    judge,
)

Codes = npt.NDArray[np.int8]
PASS, OPEN, FAIL, BROKEN = 0, 1, 2, 3

FINE = {53: 1e-6, 24: 1e-3, 11: 0.05}  # relative resolution at which a ray needs no further steps
COARSE = {53: 1e-2, 24: 2e-2, 11: 0.15}  # relative resolution beyond which nothing passes
TRUST = 2e-9  # nothing is held against a rule that is as near as this: noise may well be hidden
UNIT = 2.0**-6  # a step that most functions notice
LEVEL = {53: 1e-10, 24: 1e-4, 11: 1e-1}
"""Resolution, as a part of what the function itself suggests, for gradients that are about 0."""


@dataclass
class Weighed:
    """What became of every channel of one ray."""

    codes: Codes
    estimate: Estimate
    tolerance: Floats
    resolution: float


@dataclass
class Claim:
    """What a rule says about one ray.

    Attributes:
        rule: The derivative in every channel, by the rule.
        natural: The size of a derivative that the function suggests, in every channel.
        noise: Computes how far rounding alone moves the rule, in every channel.
        quantum: Computes the noise of the function that only wide lines show.
    """

    rule: Floats
    natural: Floats
    noise: Callable[[], Floats]
    quantum: Callable[[], Floats]


def weigh(ray: Ray, claim: Claim, renoise: Callable[[Ray], Floats]) -> Weighed:
    """Sample a ray until the claim is settled in every channel, or nothing more can be learned."""
    ray.take(*QUICK[ray.bits])
    if ray.size < UNIT / 16.0 and not ray.moved.any():
        unit = int(np.log2(ray.size / UNIT))  # x is too small for its own size to be a step
        ray.take(unit, unit + 2, unit + 4)
    plan = _Plan(ray)
    while True:
        if not ray.taken:
            if not plan.down():
                break
            continue
        table = ray.table()
        while (between := _threshold(table)) is not None:
            ray.take(between)
            table = ray.table()
        ray.noise = _with_quantum(table, renoise(ray), ray, claim.rule)
        estimate = judge(table, ray.noise, ray.bits, ray.deepest)
        weighed = _decide(ray, table, estimate, claim, last=False)
        open_ = weighed.codes == OPEN
        if not open_.any() or not plan.further(table, estimate, claim, open_):
            break
    if not ray.taken:
        return _nothing(claim)
    weighed = _decide(ray, table, estimate, claim, last=True)
    if (weighed.codes != PASS).any() and (coarse := claim.quantum()).any():
        ray.noise = np.fmax(ray.noise, 8.0 * coarse)
        estimate = judge(table, ray.noise, ray.bits, ray.deepest)
        weighed = _decide(ray, table, estimate, claim, last=True)
    accused = (weighed.codes == FAIL) & np.isfinite(claim.rule)
    if (accused & _unmoved(table)).any():
        _hear_larger_steps(ray, claim, weighed, accused & _unmoved(table))
    elif accused.any():
        _hear_smaller_steps(ray, claim, weighed, accused)
    return weighed


def _nothing(claim: Claim) -> Weighed:
    count = len(claim.rule)
    empty = np.full(count, np.nan)
    broken = np.full(count, "edge", dtype="<U8")
    none = np.zeros(count, dtype=bool)
    estimate = Estimate(
        empty, empty, none, empty[None], empty[None], ~none, none, broken, (empty, empty)
    )
    return Weighed(np.full(count, BROKEN, dtype=np.int8), estimate, empty, 0.0)


def _unmoved(table: Table) -> Bools:
    """Channels in which no step changed anything at all; one that left the domain says nothing."""
    inside = np.isfinite(table.rise) & np.isfinite(table.fall)
    still = (table.rise == 0.0) & (table.fall == 0.0)
    return np.asarray(np.all(still | ~inside, axis=0) & inside[-1])


def _decide(ray: Ray, table: Table, estimate: Estimate, claim: Claim, *, last: bool) -> Weighed:
    """Give each channel its code; ``last`` when no more steps will come."""
    rule, value, coarse = claim.rule, estimate.value, COARSE[ray.bits]
    eps = 2.0 ** (1 - ray.bits)
    own = np.fmax(np.abs(value), np.where(np.isfinite(rule), np.abs(rule), 0.0))
    tolerance = 2.0 * estimate.bar + max(8.0 * eps, TRUST) * own
    with np.errstate(invalid="ignore"):
        miss = np.abs(rule - value)
    level, natural = LEVEL[ray.bits], _natural(table, claim)
    tiny = np.abs(rule) <= 10.0 * level * natural
    fine = tolerance <= np.maximum(
        FINE[ray.bits] * own, np.where(rule == 0.0, level * natural, 0.0)
    )
    still = _unmoved(table) & (rule == 0.0)
    codes = np.full(len(rule), OPEN, dtype=np.int8)
    calm = ~estimate.suspicious
    near = miss <= tolerance
    codes[still | (near & fine & calm)] = PASS
    far = ~near & np.isfinite(value)
    known = (tolerance <= 0.1 * np.fmax(own, miss)) & _converged(ray, table, estimate, natural)
    accused = far & known & calm & (estimate.confirmed | ~np.isfinite(rule))
    if last:
        suspect = far & known & (estimate.confirmed | (miss > 8.0 * tolerance))
        accused = suspect | (far & ~np.isfinite(rule))
    if accused.any() or (last and (far & (codes == OPEN)).any()):
        allowed = tolerance + claim.noise()
        accused &= ~(miss <= allowed)
        near = miss <= allowed
    codes[accused] = FAIL
    if last:
        codes[(codes == OPEN) & near & _resolved(ray, table, estimate, claim, tolerance, own)] = (
            PASS
        )
        lost = (codes == OPEN) & ~np.isfinite(value) & ~np.isfinite(rule)
        codes[lost] = BROKEN
    codes[estimate.broken != ""] = BROKEN
    scale = np.where(tiny & (tolerance > coarse * own), natural, own)
    passed = (codes == PASS) & ~still & (scale > 0.0) & np.isfinite(tolerance)
    resolution = float(np.max(np.where(passed, tolerance / np.where(passed, scale, 1.0), 0.0)))
    return Weighed(codes, estimate, tolerance, resolution)


def _level(table: Table, noise: Floats) -> Bools:
    """Channels that the smallest steps leave alone, though they would show a thousandth of the
    slopes that larger ones met: where a relu is 0, beside its kink.
    """
    unmoved = np.all((table.rise[-2:] == 0.0) & (table.fall[-2:] == 0.0), axis=0)
    met = np.nanmax(np.abs(table.slope), axis=0, initial=0.0)
    return np.asarray(unmoved & (4.0 * noise / table.step[-1] <= 1e-3 * met))


def _resolved(
    ray: Ray, table: Table, estimate: Estimate, claim: Claim, tolerance: Floats, own: Floats
) -> Bools:
    """Channels in which the last word is fine enough for a rule within its tolerance to pass."""
    rule, natural, met = claim.rule, _natural(table, claim), _met(table)
    enough = np.maximum(COARSE[ray.bits] * own, 100.0 * LEVEL[ray.bits] * natural)
    joint = np.abs(rule) <= 1e-12 * met  # 0 between slopes that are not
    enough = np.where(joint, np.maximum(enough, 1e-5 * met), enough)
    resolved = (tolerance <= enough) | ((rule == 0.0) & _level(table, ray.noise))
    drowned = ~resolved & (np.abs(estimate.value) <= tolerance)
    if drowned.any():  # nothing but rounding, in the rule and in f
        resolved |= drowned & (np.abs(rule) <= 4.0 * claim.noise())
    return np.asarray(resolved)


def _met(table: Table) -> Floats:
    """The largest slope on either side at the first steps."""
    sides = np.fmax(np.abs(table.right[:3]), np.abs(table.left[:3]))
    return np.nanmax(np.where(np.isfinite(sides), sides, 0.0), axis=0, initial=0.0)


def _natural(table: Table, claim: Claim) -> Floats:
    """The size of a derivative that the function, and its slopes nearby, suggest."""
    natural = np.fmax(claim.natural, _met(table))
    return np.where(np.isfinite(natural), natural, 0.0)


def _converged(ray: Ray, table: Table, estimate: Estimate, natural: Floats) -> Bools:
    """Channels whose estimate is more than the size of what steps too large happen to give."""
    rounding = 16.0 * ray.noise / table.step[-1]
    return np.asarray(
        (estimate.bar <= 0.05 * np.abs(estimate.value))
        | (estimate.bar <= rounding)
        | (estimate.bar <= 1e-6 * natural)
    )


class _Plan:
    """Which steps to take next."""

    def __init__(self, ray: Ray) -> None:
        self.ray = ray
        self.first = QUICK[ray.bits][-1]
        self.upward: list[int] | None = None

    def down(self) -> bool:
        """Take the next smaller step, if the point can resolve it."""
        ray = self.ray
        deep = max([*ray.taken, self.first])
        outside = deep not in ray.taken or not np.isfinite(ray.taken[deep][2:]).all()
        order = deep + (6 if outside or deep >= self.first + DEPTH else 3)
        if order > ray.deepest:
            return False
        ray.take(order)
        return order in ray.taken

    def further(self, table: Table, estimate: Estimate, claim: Claim, open_: Bools) -> bool:
        """Take the step that promises most; False if none promises anything."""
        ray = self.ray
        reach = self.first + DEPTH if ray.bits == EXACT else ray.deepest
        deep = int(table.orders[-1])
        smallest = table.step[-1, 0]
        noise = ray.noise[open_]
        rule = np.where(np.isfinite(claim.rule), np.abs(claim.rule), 0.0)[open_]
        seen = np.fmax(np.abs(table.slope[-1]), np.abs(table.right[-1] - table.left[-1]))[open_]
        any_slope = np.nanmax(np.abs(table.slope), axis=0, initial=0.0)[open_]
        worth = np.fmax(np.fmax(np.nan_to_num(seen), rule), 1e-3 * any_slope)
        drowned = 4.0 * noise / smallest > 0.3 * worth
        lost = ~np.isfinite(seen) | ~np.isfinite(estimate.value[open_])
        wanted = bool(np.any(~drowned | lost))
        quiet = _rounding_limits(estimate, ray, table)[open_] & ~estimate.suspicious[open_]
        near = np.abs(claim.rule - estimate.value)[open_] <= 2.0 * estimate.bar[open_]
        if np.all(quiet & near):
            return self.up(claim, open_)
        growing = estimate.growing[open_] | (estimate.suspicious[open_] & (deep >= reach))
        unresolved = bool(np.any(growing)) or bool(
            np.any(lost | ~(estimate.bar[open_] <= 1e-4 * (seen + rule)))
        )
        if wanted and (deep < reach or unresolved) and self.down():
            return True
        return self.up(claim, open_)

    def up(self, claim: Claim, open_: Bools) -> bool:
        """Take the next larger step, starting where rounding is one part in 10 ** 8."""
        ray = self.ray
        if self.upward is None:
            rule = np.where(np.isfinite(claim.rule), np.abs(claim.rule), 0.0)
            scale = np.where(rule > 0.0, rule, LEVEL[ray.bits] * claim.natural)[open_]
            usable = scale > 0.0
            need = (
                8.0 * ray.noise[open_][usable] / scale[usable] * (1e8 if ray.bits == EXACT else 1e3)
            )
            least = float(np.max(need)) if need.size else 0.0
            start = self.first - 8
            if 0.0 < least < np.inf:
                start = min(start, int(np.floor(np.log2(ray.size) - np.log2(least))))
            start = max(start, ray.highest + 4)
            orders = [start, start - 2, start - 4, start + 2, start + 4]
            self.upward = [o for o in orders if ray.highest <= o and o not in ray.taken]
        while self.upward:
            before = len(ray.taken)
            ray.take(self.upward.pop(0))
            if len(ray.taken) > before:
                return True
        return False


def _rounding_limits(estimate: Estimate, ray: Ray, table: Table) -> Bools:
    """Channels whose precision rounding limits, not truncation."""
    return np.asarray(4.0 * ray.noise / table.step[-1] >= 0.4 * estimate.bars[-1])


def _with_quantum(table: Table, noise: Floats, ray: Ray, rule: Floats) -> Floats:
    """Raise the noise where only larger steps move a function because it is rounded coarsely.

    That is so if the larger steps agree on a slope, from both sides, that is too small for the
    smaller steps to be noticed. A staircase such as ``floor`` looks the same, so a rule that says
    0 is not judged by it.
    """
    moved = (table.rise != 0.0) | (table.fall != 0.0)
    last = _last(moved)
    some = (last >= 2) & (last < len(moved) - 1) & (rule != 0.0)
    if not some.any():
        return noise
    sizes = np.minimum(_positive(table.rise), _positive(table.fall))
    quantum = np.min(sizes, axis=0)
    some &= np.isfinite(quantum) & (quantum > noise)
    if not some.any():
        return noise
    raised = np.where(some, quantum, noise)
    estimate = judge(table, raised, ray.bits, ray.deepest)
    still = table.step[np.minimum(last + 1, len(moved) - 1), 0]
    gap, step = table.right - table.left, table.step
    ratio = step[:-1] / step[1:]
    rest = np.abs(ratio * gap[1:] - gap[:-1]) / (ratio - 1.0)  # what stays of it as steps shrink
    slope = np.abs(estimate.value)
    explained = (estimate.bar <= 2.0 * COARSE[ray.bits] * slope) & (slope * still <= 2.0 * quantum)
    allowed = 0.1 * slope + np.minimum(12.0 * quantum / step[1:], 0.5 * slope)
    explained &= np.any((rest <= allowed) & moved[1:], axis=0)
    return np.where(some & explained, quantum, noise)


def _last(moved: Bools) -> npt.NDArray[np.int_]:
    """Row of the smallest step that moved each channel; -1 if none did."""
    return np.asarray(np.max(np.where(moved, np.arange(len(moved))[:, None], -1), axis=0))


def _threshold(table: Table) -> int | None:
    """An order between steps far apart, of which the larger moves a channel and the smaller not."""
    moved = (table.rise != 0.0) | (table.fall != 0.0)
    for last in set(_last(moved).tolist()):
        if 0 <= last < len(moved) - 1:
            above, below = int(table.orders[last]), int(table.orders[last + 1])
            if below - above > 4:
                return (above + below) // 2
    return None


def _positive(change: Floats) -> Floats:
    return np.where((change != 0.0) & np.isfinite(change), np.abs(change), np.inf)


def _hear_smaller_steps(ray: Ray, claim: Claim, weighed: Weighed, accused: Bools) -> None:
    """Acquit a rule that is right on this side of a kink so near that all steps crossed it.

    Steps on both sides of a kink agree with each other, on a mean of its slopes. The smallest step
    whose noise could not hide what the rule is off by decides: one that is still off is guilty.
    """
    miss = np.where(accused, np.abs(claim.rule - weighed.estimate.value), 0.0)
    loud = accused & (miss > 0.0) & np.isfinite(miss)
    if not loud.any():
        return
    least = float(np.max(64.0 * ray.noise[loud] / miss[loud]))
    if not least < ray.size:
        return
    order = int(np.floor(np.log2(ray.size) - np.log2(max(least, 1e-300))))
    order, known = min(order, ray.deepest), max(ray.taken)
    witnesses = [o for o in (order, order - 2, order - 4) if o > known]
    slopes, still = [], claim.rule == 0.0
    for witness in witnesses:
        ray.take(witness)
        if witness not in ray.taken:
            return
        ahead, behind, rise, fall = ray.taken[witness]
        slopes.append((rise + fall) / (ahead + behind))
        still &= (rise == 0.0) & (fall == 0.0)
        loud &= np.abs(slopes[-1] - claim.rule) <= 0.25 * miss
        if not loud.any():
            return
    if len(slopes) < 2:
        return
    step = ray.size * 2.0 ** -witnesses[-1]
    tolerance = np.abs(slopes[-1] - slopes[0]) + 8.0 * ray.noise / step
    clear = loud & (np.abs(slopes[-1] - claim.rule) <= tolerance)
    own = np.maximum(np.abs(claim.rule), np.abs(slopes[-1]))
    weighed.codes[clear] = np.where(still | (tolerance <= COARSE[ray.bits] * own), PASS, OPEN)[
        clear
    ]
    weighed.tolerance[clear] = tolerance[clear]
    passed = clear & (weighed.codes == PASS) & (own > 0.0)
    if passed.any():
        relative = float(np.max(tolerance[passed] / own[passed]))
        weighed.resolution = max(weighed.resolution, relative)


def _hear_larger_steps(ray: Ray, claim: Claim, weighed: Weighed, accused: Bools) -> None:
    """Acquit a rule where small steps changed nothing because the function is rounded coarsely."""
    highest = ray.highest
    ray.highest = min(highest, -int(np.ceil(np.log2(max(1.0 / ray.size, 1.0)))) - 2)
    ray.take(*range(QUICK[ray.bits][0] - 4, ray.highest - 1, -3))
    table = ray.table()
    quantum = np.min(np.minimum(_positive(table.rise), _positive(table.fall)), axis=0)
    use = accused & np.isfinite(quantum)
    if not use.any():
        return
    estimate = judge(table, np.where(use, quantum, ray.noise), ray.bits, ray.deepest)
    tolerance = 2.0 * estimate.bar
    agrees = np.abs(claim.rule - estimate.value) <= tolerance
    clear = use & agrees & (tolerance <= COARSE[ray.bits] * np.abs(claim.rule))
    weighed.codes[clear] = PASS
    weighed.tolerance[clear] = tolerance[clear]
    if clear.any():
        relative = float(np.max(tolerance[clear] / np.abs(claim.rule[clear])))
        weighed.resolution = max(weighed.resolution, relative)
