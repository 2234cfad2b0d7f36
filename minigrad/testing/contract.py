"""What every rule owes whatever its numbers: repeatable, linear in ``g``, and it writes nothing."""

from __future__ import annotations

import numpy as np

from minigrad.testing.differences import EXACT, Bools, Floats
from minigrad.testing.probe import RuleFault, Subject


def impurity(subject: Subject) -> str:
    """Say why ``f`` can't be checked at all: it is random, keeps state or writes into its inputs.

    Returns an empty string if it can.
    """
    before = [x.copy() for x in subject.point]
    again = subject.value()
    for i, (x, y) in enumerate(zip(before, subject.point, strict=True)):
        if not _same(x, y):
            return f"f writes into its input {i}: let it work on a copy"
    largest = np.max(np.abs(subject.base), initial=0.0, where=np.isfinite(subject.base))
    slack = 2.0 ** (6 - subject.bits) * largest  # threads may sum in another order
    with np.errstate(all="ignore"):
        close = np.abs(again - subject.base) <= slack
    if not np.all(close | (again == subject.base) | (np.isnan(again) & np.isnan(subject.base))):
        return "f is random or keeps state, two calls differ: pass it a seeded generator"
    return ""


def breach(subject: Subject) -> str:
    """Say which part of its contract the rule breaks; an empty string if none."""
    rng = subject.rng
    live = np.isfinite(subject.base)
    g = np.where(live, rng.choice([-1.0, 1.0], live.shape) * (1.0 + rng.random(live.shape)), 0.0)
    g = g.astype(subject.out_dtype).astype(np.float64)
    try:
        said = _writes(subject, g)
        if said:
            return said
        first = subject.pull(g)
        if not _close(first, subject.pull(g), first, subject.bits):
            return "the rule is random or keeps state: called twice, it gives two gradients"
        return _nonlinear(subject, g, first, live)
    except RuleFault as fault:
        return str(fault)


def _writes(subject: Subject, g: Floats) -> str:
    """Call the rule once with arrays that are compared afterwards."""
    inputs = [x.copy() for x in subject.point]
    cotangent = g.reshape(subject.out_shape).astype(subject.out_dtype)
    kept = cotangent.copy()
    rule = subject.vjp

    def watched(_: object, *arrays: object) -> object:
        return rule(cotangent, *arrays)

    subject.vjp = watched
    try:
        subject.pull(g)
    finally:
        subject.vjp = rule
    if not _same(cotangent, kept):
        return "the rule writes into the cotangent it is given"
    for i, (x, y) in enumerate(zip(inputs, subject.point, strict=True)):
        if not _same(x, y):
            subject.point[i][...] = x
            return f"the rule writes into input {i}"
    return ""


def _nonlinear(subject: Subject, g: Floats, first: list[Floats], live: Bools) -> str:
    """Scale and add cotangents, by amounts that small fixed cotangents never reach."""
    if not g.size and any(np.any(row != 0.0) for row in first):
        return "f has no outputs, so its gradient is 0, but the rule gives something else"
    reach = max((np.max(np.abs(row), initial=1.0) for row in [g, *first]), default=1.0)
    room = float(np.finfo(subject.out_dtype).max) / (reach if np.isfinite(reach) else np.inf)
    large = float(2.0 ** np.clip(np.floor(np.log2(max(room, 8.0))) - 3.0, 3.0, 20.0))
    for factor in (-2.0, large, 1.0 / large):
        scaled = subject.pull(factor * g)
        if not _close([factor * row for row in first], scaled, scaled, subject.bits):
            return (
                f"the rule is not linear in g: {factor:g} g does not give {factor:g} times as much"
            )
    other = np.where(live, subject.rng.integers(-4, 5, g.shape), 0.0)
    second, both = subject.pull(other), subject.pull(g - other)
    wanted = [a - b for a, b in zip(first, second, strict=True)]
    size = [np.abs(a) + np.abs(b) for a, b in zip(first, second, strict=True)]
    bits = min(subject.bits_at(i) for i in subject.active)  # a rule may compute in any of them
    if not _close(wanted, both, size, bits):
        # A gradient that is 0 but for rounding, of a bias before a mean is taken off, adds up to
        # nothing: what an ulp in the inputs would change is no witness.
        # Nor is what one does not change, as where a softmax is 1, but a longer way would.
        noise = [*zip(subject.rule_noise(g, first), subject.rule_quantum(g), strict=True)]
        rows = zip(wanted, both, noise, strict=True)
        heard = [np.where(np.abs(a - b) <= 32.0 * np.max(n, initial=0.0), a, b) for a, b, n in rows]
        if not _close(wanted, heard, size, bits, 1e-6 if _rounds(subject) else 1e-9):
            return "the rule is not linear in g: the gradient of a sum is not the sum of gradients"
    return ""


def _rounds(subject: Subject) -> bool:
    """Whether a float64 function is rounded to less on its way, and its rule with it.

    Then some output stands still on a line so short that only float64 can tell its points apart.
    """
    short, long = (np.ptp(subject._line(s, subject._change), axis=0) for s in (20, 34))
    return bool(np.any((short == 0.0) & (long > 0.0)))


def _close(
    a: list[Floats], b: list[Floats], sizes: list[Floats], bits: int, exact: float = 1e-9
) -> bool:
    relative = {EXACT: exact, 24: 1e-3, 11: 0.1}[bits]
    for x, y, size in zip(a, b, sizes, strict=True):
        whole = np.isfinite(x) & np.isfinite(y)
        if not whole.any():
            continue
        reach = np.abs(size[whole]) + 1e-4 * np.max(np.abs(size[whole]))
        if np.any(np.abs(x[whole] - y[whole]) > relative * reach):
            return False
    return True


def _same(a: object, b: object) -> bool:
    x, y = np.asarray(a), np.asarray(b)
    return x.shape == y.shape and bool(np.array_equal(x, y, equal_nan=x.dtype.kind == "f"))
