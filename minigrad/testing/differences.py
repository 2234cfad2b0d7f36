"""Finite differences that know how far they can be trusted.

A :class:`Ray` samples a function on both sides of a point, at steps that are powers of two. From
the samples :func:`judge` extrapolates the derivative, bounds its error by what the extrapolation
still changed and by the measured rounding noise of the function, and tells smooth points from
kinks, jumps, vertical tangents and edges of the domain by how one-sided slopes change with the
step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

EXACT = 53  # bits of a float64
QUICK = {53: (6, 8, 10), 24: (2, 4, 6), 11: (0, 2, 4)}
"""Binary orders of the first steps, below the size of x, by bits of precision: eps ** (1/5)."""


DEPTH = 18
"""Binary orders below the first steps down to which a kink must persist, if noise permits."""


def power_of_two(size: float) -> float:
    """Return the largest power of two not above ``size``.

    >>> power_of_two(0.3)
    0.25
    """
    return float(2.0 ** np.floor(np.log2(size)))


class Ray:
    """Samples of a function on both sides of a point, along one direction.

    Args:
        sample: Maps a step to the step really taken and the change of the function, one number
            for each channel (an output, or a combination of outputs).
        noise: Rounding noise of each channel.
        size: The step of order 0, a power of two; order ``p`` is ``size * 2 ** -p``.
        deepest: The largest order that the point can still resolve.
        highest: The smallest order worth trying.
        moved: Outputs that any step so far has changed; ``sample`` keeps it.
        bits: Precision in which the function works.
    """

    def __init__(
        self,
        sample: Callable[[float], tuple[float, Floats]],
        noise: Floats,
        size: float,
        deepest: int,
        highest: int,
        moved: Bools,
        bits: int = EXACT,
    ) -> None:
        self.sample, self.noise, self.size = sample, noise, size
        self.deepest, self.highest, self.moved, self.bits = deepest, highest, moved, bits
        self.taken: dict[int, tuple[float, float, Floats, Floats]] = {}

    def take(self, *orders: int) -> None:
        """Sample at these orders, unless that was done."""
        for order in orders:
            if order not in self.taken and self.highest <= order <= self.deepest:
                step = self.size * 2.0**-order
                ahead, rise = self.sample(step)
                behind, fall = self.sample(-step)
                if ahead > 0.0 > behind:
                    self.taken[order] = (ahead, -behind, rise, -fall)

    def table(self) -> Table:
        """Return all samples, the largest step first."""
        orders = sorted(self.taken)
        rows = [self.taken[order] for order in orders]
        ahead = np.array([[row[0]] for row in rows])
        behind = np.array([[row[1]] for row in rows])
        rise = np.array([row[2] for row in rows])
        fall = np.array([row[3] for row in rows])
        return Table(
            np.array(orders), ahead, behind, rise, fall, rise / ahead, fall / behind,
            (rise + fall) / (ahead + behind), (ahead + behind) / 2.0,
        )  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Samples of a ray in rows of decreasing step, a column for each channel."""

    orders: npt.NDArray[np.int_]
    ahead: Floats
    behind: Floats
    rise: Floats
    fall: Floats
    right: Floats
    left: Floats
    slope: Floats
    step: Floats


@dataclass(frozen=True)
class Estimate:
    """The derivative in every channel, and how far it can be trusted.

    Attributes:
        value: The extrapolated derivative; NaN where there is none.
        bar: Bound of its error: truncation plus rounding.
        windows: Every extrapolation, the largest steps first.
        bars: Bound of the error of each.
        witnesses: Those of nearly disjoint steps that give the same.
        suspicious: Whether one-sided slopes do not come together as those of a smooth function.
        growing: Whether slopes grow as the step shrinks.
        broken: ``""`` where smooth, else ``"kink"``, ``"jump"``, ``"vertical"``, ``"wild"`` or
            ``"edge"``.
        sides: Slopes on the left and the right at the smallest step that noise does not drown.
    """

    value: Floats
    bar: Floats
    windows: Floats
    bars: Floats
    witnesses: Bools
    suspicious: Bools
    growing: Bools
    broken: npt.NDArray[np.str_]
    sides: tuple[Floats, Floats]


def judge(table: Table, noise: Floats, bits: int = EXACT, deepest: int = 50) -> Estimate:
    """Extrapolate the derivative in every channel and tell whether there is one.

    >>> def cube(step):
    ...     return step, np.array([(2.0 + step) ** 3 - 8.0])
    >>> ray = Ray(cube, np.array([1e-15]), 2.0, 50, -2, np.array([True]))
    >>> ray.take(6, 8, 10)
    >>> judge(ray.table(), ray.noise).value
    array([12.])
    """
    windows, bars = _extrapolations(table, noise)
    value, bar, witnesses = _most_precise(windows, bars)
    suspicious, growing, broken = _breaks(table, noise, bits, deepest)
    at = _deepest(
        4.0 * noise / table.step <= 0.02 * np.abs(table.right) + 0.02 * np.abs(table.left)
    )
    columns = np.arange(len(noise))
    sides = table.left[at, columns] + 0.0, table.right[at, columns] + 0.0
    return Estimate(value, bar, windows, bars, witnesses, suspicious, growing, broken, sides)


def _extrapolations(table: Table, noise: Floats) -> tuple[Floats, Floats]:
    """Neville's scheme in the squared step, on every three consecutive steps."""
    slope, step = table.slope, table.step
    if len(step) < 3:
        return np.full((1, len(noise)), np.nan), np.full((1, len(noise)), np.inf)
    ratio = (step[:-1] / step[1:]) ** 2
    once = slope[1:] + (slope[1:] - slope[:-1]) / (ratio - 1.0)
    wide = (step[:-2] / step[2:]) ** 2
    twice = once[1:] + (once[1:] - once[:-1]) / (wide - 1.0)
    # Where errors do not fall with the squared step, extrapolation gains nothing: say so.
    gain = np.abs(once[1:] - once[:-1])
    coarse = np.maximum(np.abs(slope[2:] - slope[1:-1]), gain)
    stall = gain * (gain / np.where(coarse > 0.0, coarse, 1.0))
    truncation = np.maximum(np.abs(twice - once[1:]), stall)
    bars = truncation + 4.0 * noise / step[2:]
    return twice, np.where(np.isfinite(twice) & np.isfinite(bars), bars, np.inf)


def _most_precise(windows: Floats, bars: Floats) -> tuple[Floats, Floats, Bools]:
    """Pick the window of the smallest error among those that no smaller steps contradict."""
    count, channels = windows.shape
    apart = np.abs(windows[:, None] - windows[None, :])
    allowed = 2.0 * (bars[:, None] + bars[None, :])
    agree = (apart <= allowed) | ~np.isfinite(allowed)
    smaller = np.tri(count, dtype=bool).T[:, :, None]
    standing = np.all(agree | ~smaller, axis=1)
    best = np.argmin(np.where(standing, bars, np.inf), axis=0)
    columns = np.arange(channels)
    value, bar = windows[best, columns], bars[best, columns]
    distant = np.abs(np.arange(count)[:, None] - best[None, :]) >= 2
    informative = bars <= np.maximum(64.0 * bar, 1e-4 * np.abs(value))
    witnesses = distant & agree[best, :, columns].T & informative & np.isfinite(bars)
    return np.where(np.isfinite(bar), value, np.nan), bar, witnesses


def _deepest(reliable: Bools) -> npt.NDArray[np.int_]:
    """Row of the smallest step that is reliable, by channel; the largest step if none is."""
    rows = np.arange(len(reliable))[:, None]
    return np.max(np.where(reliable, rows, 0), axis=0)


def _breaks(
    table: Table, noise: Floats, bits: int, deepest: int
) -> tuple[Bools, Bools, npt.NDArray[np.str_]]:
    """Tell from the change of one-sided slopes with the step whether the function breaks here."""
    channels = len(noise)
    broken = np.full(channels, "", dtype="<U8")
    suspicious, growing = np.zeros(channels, dtype=bool), np.zeros(channels, dtype=bool)
    orders = table.orders
    for k in range(channels):
        whole = np.isfinite(table.right[:, k]) & np.isfinite(table.left[:, k])
        if not whole[-1] or np.sum(whole) < 3:
            suspicious[k] = True
            if not whole[-1] and orders[-1] >= deepest - 5:
                broken[k] = "edge"
            continue
        seen = _Slopes(
            orders[whole], table.step[whole, 0], table.right[whole, k], table.left[whole, k]
        )
        enough = min(QUICK[bits][-1] + DEPTH, deepest - 2)
        growing[k], broken[k] = _growth(seen, float(noise[k]), deepest - 6)
        if not broken[k]:
            suspicious[k], broken[k] = _gap(seen, float(noise[k]), enough, deepest - 6)
        suspicious[k] |= growing[k]
        if not broken[k] and _wild(seen, float(noise[k])):
            suspicious[k] = True
            broken[k] = "wild" if orders[-1] >= deepest - 6 else ""
    return suspicious, growing, broken


@dataclass(frozen=True)
class _Slopes:
    """One-sided slopes of one channel at steps where both are finite."""

    orders: npt.NDArray[np.int_]
    step: Floats
    right: Floats
    left: Floats

    def deep_enough(self, row: int, order: int) -> bool:
        """Whether no smaller step would say more: it was tried, or noise drowns it."""
        return bool(self.orders[row] >= order or row < len(self.orders) - 1)


def _growth(seen: _Slopes, noise: float, enough: int) -> tuple[bool, str]:
    """Whether the slope grows as the step shrinks, and what that makes of the point."""
    steep = np.abs(seen.right + seen.left) / 2.0
    loud = np.flatnonzero((4.0 * noise / seen.step <= 0.02 * steep) & (steep > 0.0))
    if len(loud) < 3:
        return False, ""
    heard = 4.0 * noise / seen.step <= 0.02 * steep[loud[-1]]
    if heard[loud[-1] + 1 :].any():  # it ends at smaller steps, as beside a jump
        return False, ""
    tail = loud[seen.orders[loud] >= seen.orders[loud[-1]] - 12]
    rates = 1.03 ** np.diff(seen.orders[tail])
    if len(tail) < 3 or not np.all(steep[tail[1:]] >= rates * steep[tail[:-1]]):
        return False, ""
    wide = seen.orders[tail[-1]] - seen.orders[tail[0]] >= 9
    if not wide or not seen.deep_enough(tail[-1], enough):
        return True, ""
    return True, "vertical" if _exponent(seen.step[tail], steep[tail]) > -0.9 else "jump"


def _gap(seen: _Slopes, noise: float, enough: int, far: int) -> tuple[bool, str]:
    """Whether the slopes on both sides stay apart, and what that makes of the point."""
    step, gap = seen.step, seen.right - seen.left
    ratio = step[:-1] / step[1:]
    rest = (ratio * gap[1:] - gap[:-1]) / (ratio - 1.0)  # the gap that stays as steps shrink
    doubt = 10.0 * noise / step[1:]
    size = np.abs(rest)
    smallest = 1e-9 * float(np.max((np.abs(seen.right) + np.abs(seen.left))[-2:]))
    informed = np.flatnonzero(doubt <= 0.2 * float(np.max(size)))
    # A gap is judged at the smallest step at which noise would not hide it.
    d = int(informed[-1]) if len(informed) else len(size) - 1
    gapped = size[d] > 2.0 * doubt[d] and size[d] > max(0.2 * size[d - 1] if d else 0.0, smallest)
    if not (gapped and len(informed)):
        # Of a smooth function the gap shrinks with the step; if it did not, by luck or not, go on.
        wide = np.abs(gap[-2:]) > np.maximum(doubt[-2:], 1e6 * smallest)
        return bool(np.any(wide & (np.abs(gap[-2:]) > 0.6 * np.abs(gap[-3:-1])))), ""
    tail = informed[seen.orders[informed + 1] >= seen.orders[d + 1] - 9]
    span = seen.orders[d + 1] - seen.orders[tail[0]]
    same = np.all(np.sign(rest[tail]) == np.sign(rest[d]))
    shrinks = np.min(size[tail]) < 0.5 * size[tail[0]]
    few = span < 9 or len(tail) < 3  # of two far apart, curvature may be left
    if few or not same or shrinks or not seen.deep_enough(d + 1, enough):
        return True, ""
    steady = np.abs(size[d] - size[d - 1]) <= 0.1 * size[d] + 2.0 * doubt[d]
    if not steady and not seen.deep_enough(d + 1, far):
        return True, ""
    if size[d] <= 2.0 * size[tail[0]]:
        return True, "kink"
    if not seen.deep_enough(d + 1, far):
        return True, ""
    if _exponent(step[tail + 1], size[tail]) > -0.9:
        return True, "vertical"
    # Noise is constant as steps shrink, too, and where it is measured it may be less by luck.
    return True, "jump" if size[d] > 10.0 * doubt[d] else ""


def _wild(seen: _Slopes, noise: float) -> bool:
    """Whether slopes go on changing as the step shrinks, as those of ``x * sin(1 / x)`` at 0 do.

    The last three steps are as restless as the three before; of a smooth function they are calmer
    by as much as they are smaller.
    """
    if len(seen.orders) < 8:
        return False
    both = np.array([seen.right, seen.left])
    late, before = np.ptp(both[:, -3:]), np.ptp(both[:, -6:-3])
    largest = float(np.max(np.abs(both[:, -6:])))
    doubt = 40.0 * noise / seen.step[-1]
    return bool(late > max(0.3 * before, 0.05 * largest, doubt) and before > 0.05 * largest)


def _exponent(step: Floats, size: Floats) -> float:
    """The power of the step with which a size changes."""
    return float(np.log(size[-1] / size[0]) / np.log(step[-1] / step[0]))


def noise_of(values: Floats, floor: Floats, order: int = 3) -> Floats:
    """Rounding noise of each column of ``values``, taken on an evenly spaced, tiny grid.

    Differences of an ``order`` remove what is smooth and leave the noise, for the third about 4.5
    times as large; the ``floor`` is what the format of the numbers itself implies.

    >>> noise_of(np.array([[1.0], [2.0], [3.0], [4.0 + 9e-9]]), np.array([0.0])) < 1e-8
    array([ True])
    """
    rest = np.diff(values, n=order, axis=0)
    finite = np.where(np.isfinite(rest), np.abs(rest), 0.0)
    gain = np.sqrt(math.comb(2 * order, order))
    return np.maximum(np.max(finite, axis=0, initial=0.0) / gain, floor)
