"""Time several ways of doing the same, side by side in one process.

Machines drift and neighbours disturb; what stays is the ratio of two things timed in turn. Each
round times every contestant once, in an order that rotates; the ratio is taken within a round, and
the median over the rounds is reported.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median


def calls_for(step: Callable[[], object], seconds: float) -> int:
    """Number of calls that take about ``seconds``."""
    calls = 1
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            step()
        spent = time.perf_counter() - start
        if spent > seconds / 4:
            return max(1, round(calls * seconds / spent))
        calls *= 4


def race(
    contestants: dict[str, Callable[[], object]], *, rounds: int = 21, seconds: float = 0.02
) -> dict[str, tuple[float, float]]:
    """Return for each contestant the median seconds a call and the median ratio to the first."""
    names = list(contestants)
    for step in contestants.values():
        for _ in range(5):
            step()
    calls = {name: calls_for(step, seconds) for name, step in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            step = contestants[name]
            gc.collect()
            start = time.perf_counter()
            for _ in range(calls[name]):
                step()
            times[name].append((time.perf_counter() - start) / calls[name])
    first = times[names[0]]
    return {
        name: (median(spent), median(a / b for a, b in zip(spent, first, strict=True)))
        for name, spent in times.items()
    }
