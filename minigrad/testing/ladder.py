"""Which steps along a ray to take next, given what the steps so far have left open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minigrad.testing.differences import (
    DEPTH,
    EXACT,
    QUICK,
    Bools,
    Estimate,
    Floats,
    Ray,
    Table,
)

FAR = 30  # binary orders below the first steps from which on steps fall faster
LEVEL = {53: 1e-10, 24: 1e-4, 11: 1e-1}
"""Resolution, as a part of what the function itself suggests, for gradients that are about 0."""


@dataclass
class Claim:
    """What a rule says about one ray.

    Attributes:
        rule: The derivative in every channel, by the rule.
        natural: The size of the largest derivative, in every channel.
        suggested: The size of a derivative that the function itself suggests, in every channel.
        terms: The size of what adds up to the derivative, which may cancel; 0 for an element.
        noise: Computes how far rounding alone moves the rule, in every channel.
        quantum: Computes the noise of the function that only wide lines show.
    """

    rule: Floats
    natural: Floats
    suggested: Floats
    terms: Floats
    noise: Callable[[], Floats]
    quantum: Callable[[], Floats]


class Plan:
    """Which steps to take next: smaller ones until noise drowns them, then larger ones."""

    def __init__(self, ray: Ray) -> None:
        self.ray = ray
        self.first = QUICK[ray.bits][-1]
        self.upward: list[int] | None = None

    def down(self) -> bool:
        """Take the next smaller step, if the point can resolve it."""
        ray = self.ray
        deep = max([*ray.taken, self.first])
        outside = deep not in ray.taken or not np.isfinite(ray.taken[deep][2:]).all()
        order = deep + (6 if outside or deep >= self.first + FAR else 3)
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
            level = LEVEL[ray.bits] * np.fmax(claim.natural, claim.suggested)
            scale = np.where(rule > 0.0, rule, level)[open_]
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
