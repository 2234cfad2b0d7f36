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
    QUICK,
    Bools,
    Estimate,
    Floats,
    Ray,
    Table,
    judge,
)
from minigrad.testing.ladder import LEVEL, Claim, Plan

Codes = npt.NDArray[np.int8]
PASS, OPEN, FAIL, BROKEN = 0, 1, 2, 3

FINE = {53: 1e-6, 24: 1e-3, 11: 0.05}  # relative resolution at which a ray needs no further steps
COARSE = {53: 1e-2, 24: 2e-2, 11: 0.15}  # relative resolution beyond which nothing passes
TRUST = 2e-9  # nothing is held against a rule that is as near as this: noise may well be hidden
UNIT = 2.0**-6  # a step that most functions notice


@dataclass
class Weighed:
    """What became of every channel of one ray."""

    codes: Codes
    estimate: Estimate
    tolerance: Floats
    resolution: float


def weigh(ray: Ray, claim: Claim, renoise: Callable[[Ray], Floats]) -> Weighed:
    """Sample a ray until the claim is settled in every channel, or nothing more can be learned."""
    ray.take(*QUICK[ray.bits])
    if ray.size < UNIT / 16.0 and not ray.moved.any():
        unit = int(np.log2(ray.size / UNIT))  # x is too small for its own size to be a step
        ray.take(unit, unit + 2, unit + 4)
    plan = Plan(ray)
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
        again = _decide(ray, table, estimate, claim, last=True)
        if not ((weighed.codes == BROKEN) & (again.codes == FAIL)).any():  # noise but excuses
            weighed = again
    accused = (weighed.codes == FAIL) & np.isfinite(claim.rule)
    stuck = accused & (claim.rule != 0.0) & _stuck(table)
    if stuck.any():
        _hear_larger_steps(ray, claim, weighed, stuck)
    elif accused.any():
        _hear_smaller_steps(ray, claim, weighed, accused)
    return weighed


def _nothing(claim: Claim) -> Weighed:
    count = len(claim.rule)
    empty = np.full(count, np.nan)
    broken = np.full(count, "edge", dtype="<U8")
    none = np.zeros(count, dtype=bool)
    estimate = Estimate(
        empty, empty, empty[None], empty[None], none[None], ~none, none, broken, (empty, empty)
    )
    return Weighed(np.full(count, BROKEN, dtype=np.int8), estimate, empty, 0.0)


def _stuck(table: Table) -> Bools:
    """Channels in which the smallest steps changed nothing, and larger ones nothing or both sides.

    So it is where a function is rounded coarsely; of a relu beside its kink, one side stays at 0.
    """
    ahead, behind = table.rise != 0.0, table.fall != 0.0
    even = np.any(ahead & behind, axis=0)
    return np.asarray(_unmoved(table) | (even & (_last(ahead | behind) < len(ahead) - 3)))


def _unmoved(table: Table) -> Bools:
    """Channels in which no step changed anything at all; one that left the domain says nothing."""
    inside = np.isfinite(table.rise) & np.isfinite(table.fall)
    still = (table.rise == 0.0) & (table.fall == 0.0)
    return np.asarray(np.all(still | ~inside, axis=0) & inside[-1])


def _decide(ray: Ray, table: Table, estimate: Estimate, claim: Claim, *, last: bool) -> Weighed:
    """Give each channel its code; ``last`` when no more steps will come."""
    rule, value = claim.rule, estimate.value
    own = np.fmax(np.abs(value), np.where(np.isfinite(rule), np.abs(rule), 0.0))
    own = np.fmax(own, claim.terms)
    tolerance, miss, confirmed = _tolerance(ray, estimate, claim, own, last=last)
    level, natural = LEVEL[ray.bits], _natural(ray, table, claim)
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
    accused = far & known & calm & (confirmed | ~np.isfinite(rule))
    if last:
        suspect = far & known & (confirmed | (miss > 8.0 * tolerance))
        accused = suspect | (far & ~np.isfinite(rule))
    if accused.any() or (last and (far & (codes == OPEN)).any()):
        allowed = tolerance + claim.noise()
        accused &= ~(miss <= allowed)
        tolerance = np.where(near | ~(miss <= allowed), tolerance, allowed)
        near = miss <= allowed
    codes[accused] = FAIL
    if last:
        codes[(codes == OPEN) & near & _resolved(ray, table, estimate, claim, tolerance, own)] = (
            PASS
        )
        lost = (codes == OPEN) & ~np.isfinite(value) & ~np.isfinite(rule)
        codes[lost] = BROKEN
    codes[estimate.broken != ""] = BROKEN
    tiny = (np.abs(rule) <= 10.0 * level * natural) & (tolerance > COARSE[ray.bits] * own)
    scale = np.where(tiny, natural, own)
    passed = (codes == PASS) & ~still & (scale > 0.0) & np.isfinite(tolerance)
    resolution = float(np.max(np.where(passed, tolerance / np.where(passed, scale, 1.0), 0.0)))
    return Weighed(codes, estimate, tolerance, resolution)


def _tolerance(
    ray: Ray, estimate: Estimate, claim: Claim, own: Floats, *, last: bool
) -> tuple[Floats, Floats, Bools]:
    """How far off a rule may be, how far it is, and whether a second set of steps says so, too."""
    tolerance = 2.0 * estimate.bar + max(2.0 ** (4 - ray.bits), TRUST) * own
    with np.errstate(invalid="ignore"):
        miss = np.abs(claim.rule - estimate.value)
        against = estimate.witnesses & (np.abs(claim.rule - estimate.windows) > estimate.bars)
    confirmed = np.asarray(np.any(against, axis=0))
    if last:
        alone = ~confirmed & (miss > tolerance)
        tolerance = np.where(alone, _doubt(ray, estimate, claim.rule, tolerance), tolerance)
    return tolerance, miss, confirmed


def _doubt(ray: Ray, estimate: Estimate, rule: Floats, tolerance: Floats) -> Floats:
    """The tolerance of a rule that one set of steps speaks against, and no second one.

    Where one-sided slopes are far apart and the rule lies between them, as where a function
    saturates, their mean is of no use. A bound of truncation may be too small by chance, too.
    """
    left, right = estimate.sides
    gap = np.abs(right - left)
    wide = gap > 0.5 * np.fmax(np.abs(left), np.abs(right))
    bent = wide & ((rule - left) * (rule - right) < 0.0)
    small = np.fmax(1e-6 * np.abs(estimate.value), 1e3 * ray.noise / ray.size)
    chance = np.where(8.0 * tolerance <= small, 8.0 * tolerance, tolerance)
    return np.where(bent, np.fmax(tolerance, gap), chance)


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
    rule, natural, met = claim.rule, _natural(ray, table, claim), _met(table)
    coarse = COARSE[ray.bits]
    enough = np.maximum(coarse * own, min(100.0 * LEVEL[ray.bits], coarse) * natural)
    joint = np.abs(rule) <= 1e-12 * met  # 0 between slopes that are not
    enough = np.where(joint, np.maximum(enough, 1e-5 * met), enough)
    resolved = (tolerance <= enough) | ((rule == 0.0) & _level(table, ray.noise))
    return np.asarray(resolved)


def _met(table: Table) -> Floats:
    """The largest slope on either side at the first steps."""
    sides = np.fmax(np.abs(table.right[:3]), np.abs(table.left[:3]))
    return np.nanmax(np.where(np.isfinite(sides), sides, 0.0), axis=0, initial=0.0)


def _natural(ray: Ray, table: Table, claim: Claim) -> Floats:
    """The size of a derivative that others, slopes nearby, and the function suggest.

    The last for a rule that says 0 but for rounding: what a function of about 1e14 shows of a
    derivative of 1 is not enough to verify it.
    """
    natural = np.fmax(claim.natural, _met(table))
    zero = np.abs(claim.rule) <= 2.0 ** (16 - ray.bits) * claim.suggested
    natural = np.where(zero, np.fmax(natural, claim.suggested), natural)
    return np.where(np.isfinite(natural), natural, 0.0)


def _converged(ray: Ray, table: Table, estimate: Estimate, natural: Floats) -> Bools:
    """Channels whose estimate is more than the size of what steps too large happen to give."""
    rounding = 16.0 * ray.noise / table.step[-1]
    return np.asarray(
        (estimate.bar <= 0.05 * np.abs(estimate.value))
        | (estimate.bar <= rounding)
        | (estimate.bar <= 1e-6 * natural)
    )


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
    ray.take(*range(QUICK[ray.bits][0] - 4, ray.highest - 1, -5))
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
