"""A line search: how far to go in a direction, so that the loss and its slope fall enough.

The strong Wolfe conditions, by bracketing and zooming with cubic interpolation (Nocedal and Wright,
*Numerical Optimization*, algorithms 3.5 and 3.6), in the order of trials of Schmidt's minFunc,
which PyTorch's L-BFGS follows, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from minigrad.primitive import Array

__all__ = ["Trial", "strong_wolfe"]

ARMIJO, CURVATURE = 1e-4, 0.9


class Trial(NamedTuple):
    """What was found at a distance along the direction."""

    t: float
    loss: float
    gradient: Array
    slope: float  # of the loss along the direction


Evaluate = Callable[[float], Trial]


def strong_wolfe(
    evaluate: Evaluate, start: Trial, t: float, reach: float, tolerance: float, trials: int
) -> tuple[Trial, int]:
    """Return a trial that satisfies the conditions, or the best, and how many were made.

    Args:
        evaluate: Gives the trial at a distance.
        start: The trial at distance 0; its slope is negative.
        t: The first distance to try.
        reach: Largest element of the direction, which makes distances comparable.
        tolerance: A bracket that is smaller is not searched further.
        trials: How many trials to make at most after the first.
    """
    bracket, used = _bracket(evaluate, start, t, trials)
    if len(bracket) == 1:
        return bracket[0], used + 1
    best, used = _zoom(evaluate, start, bracket, reach, tolerance, used, trials)
    return best, used + 1


def _bracket(evaluate: Evaluate, start: Trial, t: float, trials: int) -> tuple[list[Trial], int]:
    """Go further until one trial is right, or two have a right one between them."""
    before, now = start, evaluate(t)
    for used in range(trials):
        if _too_high(now, start) or (used > 1 and now.loss >= before.loss):
            return [before, now], used
        if abs(now.slope) <= -CURVATURE * start.slope:
            return [now], used
        if now.slope >= 0.0:
            return [before, now], used
        low, high = now.t + 0.01 * (now.t - before.t), now.t * 10.0
        before, now = now, evaluate(_interpolated(before, now, low, high))
    return [start, now], max(trials, 0)


def _zoom(
    evaluate: Evaluate,
    start: Trial,
    bracket: list[Trial],
    reach: float,
    tolerance: float,
    used: int,
    trials: int,
) -> tuple[Trial, int]:
    """Shrink a bracket around a right trial; its lower end is the best so far."""
    stuck = False
    first, last = bracket
    low = 0 if first.loss <= last.loss else 1
    while used < trials:
        first, last = bracket
        if abs(last.t - first.t) * reach < tolerance:
            break
        t, stuck = _inside(bracket, stuck)
        now = evaluate(t)
        used += 1
        high = 1 - low
        if _too_high(now, start) or now.loss >= bracket[low].loss:
            bracket[high] = now
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
            continue
        done = abs(now.slope) <= -CURVATURE * start.slope
        if not done and now.slope * (bracket[high].t - bracket[low].t) >= 0.0:
            bracket[high] = bracket[low]
        bracket[low] = now
        if done:
            break
    return bracket[low], used


def _too_high(now: Trial, start: Trial) -> bool:
    return now.loss > start.loss + ARMIJO * now.t * start.slope


def _inside(bracket: list[Trial], stuck: bool) -> tuple[float, bool]:
    """Where to try next; not so close to an end that the bracket would hardly shrink."""
    ends = [trial.t for trial in bracket]
    low, high = min(ends), max(ends)
    t = _interpolated(bracket[0], bracket[1], low, high)
    margin = 0.1 * (high - low)
    if min(high - t, t - low) >= margin:
        return t, False
    if stuck or t >= high or t <= low:
        return (high - margin if abs(t - high) < abs(t - low) else low + margin), False
    return t, True


def _interpolated(a: Trial, b: Trial, low: float, high: float) -> float:
    """Minimum of the cubic through two losses and slopes, within bounds."""
    d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0.0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    if a.t > b.t:
        a, b = b, a
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2))
    return min(max(t, low), high)
