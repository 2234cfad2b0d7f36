"""A corpus of gradients to judge a checker by: right ones, wrong ones, and points without any.

Every case is a triple ``(f, vjp, inputs)`` in plain NumPy. What is true of it is measured, never
asserted: the derivative of ``f`` in ``longdouble`` by an extrapolation of its own (`derivative`),
the right gradient against it (`gradient_error`), a wrong one against the right (`is_wrong`), and
the quotients on both sides of a point without a derivative (`has_no_derivative`). The checker under
judgement takes no part in it. `test_corpus.py` repeats the measurement.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from tests.testing.corpus_arrays import algebra, indexing, products, reductions
from tests.testing.corpus_elementwise import pairs, scalars, shaped
from tests.testing.corpus_kinks import kinks
from tests.testing.corpus_models import losses, networks, normalisations, softmaxes
from tests.testing.corpus_mutants import MUTANTS
from tests.testing.corpus_rules import LONG, Array, Rule

__all__ = [
    "MUTANTS",
    "Case",
    "gradient_error",
    "has_no_derivative",
    "is_wrong",
    "right",
    "rules",
    "unsmooth",
    "wrong",
]

SMALL = 300
MUTANTS_EACH = 9


@dataclass(frozen=True)
class Case:
    """A function, a rule that claims to be its gradient, and a point.

    ``twin`` is the right rule of the same function there, ``fault`` what was done to it.
    """

    name: str
    kind: Literal["right", "wrong", "kink"]
    rule: Rule
    f: Callable[..., Any]
    vjp: Callable[..., Any]
    inputs: tuple[Array, ...]
    fault: str = ""

    @property
    def twin(self) -> Callable[..., Any]:
        return self.rule.vjp


@cache
def rules() -> tuple[Rule, ...]:
    parts = (scalars, shaped, pairs, reductions, indexing, products, algebra)
    models = (softmaxes, losses, normalisations, networks)
    return tuple(rule for part in parts + models for rule in part())


def drawn(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def right(seed: int) -> Iterator[Case]:
    for rule in rules():
        inputs = tuple(map(np.asarray, rule.draw(drawn(rule.name, seed))))
        yield Case(rule.name, "right", rule, rule.f, rule.vjp, inputs)


def unsmooth(seed: int) -> Iterator[Case]:
    for rule in kinks():
        yield Case(rule.name, "kink", rule, rule.f, rule.vjp, rule.draw(drawn(rule.name, seed)))


def wrong(case: Case, seed: int, each: int = MUTANTS_EACH) -> Iterator[Case]:
    """The wrong twins of a right case: its own and ``each`` of the general ones, in turn."""
    rule, rng = case.rule, drawn(case.name, seed + 1)
    made = dict(rule.wrong)
    names = list(MUTANTS)
    start = zlib.crc32(rule.name.encode()) + seed * each
    for i in range(each):
        fault = names[(start + i * 7) % len(names)]
        mutant = MUTANTS[fault](rule, case.inputs, rng)
        if mutant is not None:
            made[fault] = mutant
    for fault, vjp in made.items():
        if is_wrong(case, vjp):
            yield Case(f"{case.name}: {fault}", "wrong", rule, rule.f, vjp, case.inputs, fault)


# What is true -----------------------------------------------------------------------------------


def wide(inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(x.astype(LONG) for x in inputs)


def cotangent(out: Array, rng: np.random.Generator) -> Array:
    return rng.choice([-1.0, 1.0], size=np.shape(out)) * rng.uniform(1, 2, np.shape(out))


def directions(inputs: tuple[Array, ...], rng: np.random.Generator) -> Iterator[tuple[Array, ...]]:
    """Every element by itself in small inputs, all at once in large ones; in steps of
    their size, powers of two so that they are taken exactly."""
    zeros = tuple(np.zeros(x.shape, LONG) for x in inputs)
    sizes = [np.abs(x) + (np.abs(x).max(initial=0) or 1) * (x == 0) for x in wide(inputs)]
    scale = tuple(LONG(2.0) ** np.floor(np.log2(size)) for size in sizes)
    if sum(x.size for x in inputs) > SMALL:
        for _ in range(4):
            yield tuple(s * rng.choice([-1, 1], size=s.shape) for s in scale)
        return
    for at, x in enumerate(inputs):
        for i in range(x.size):
            step = tuple(z.copy() for z in zeros)
            step[at].flat[i] = scale[at].flat[i]
            yield step


def along(
    rule: Rule, inputs: tuple[Array, ...], g: Array, step: tuple[Array, ...]
) -> Callable[[Any], tuple[Any, Any]]:
    """``f`` as a function of one number, in longdouble: its change, and how far that is rounded."""
    f, start = rule.exact or rule.f, wide(inputs)

    def at(t):
        return f(*(x + t * s for x, s in zip(start, step, strict=True)))

    base = at(0)
    moved = np.zeros(np.shape(base), bool)
    for t in (LONG(0.25), LONG(-0.25), LONG(1e-3), LONG(1e6)):  # what never moves adds no rounding
        moved |= at(t) != base

    def value(t):
        out = at(t)
        rounding = LONG(2.0) ** -60 * np.sum(np.abs(g * out) * moved, dtype=LONG)
        return np.sum(g * (out - base), dtype=LONG), rounding

    return value


def derivative(value: Callable[[Any], tuple[Any, Any]]) -> tuple[Any, Any]:
    """The derivative at 0 and a bound of its error, by Ridders' extrapolation at several scales.

    From small steps to large ones, each accepted only if it lies within the bound of those before.
    """
    best, error = LONG(0), LONG(np.inf)
    for first in range(-22, 27, 6):
        rows: list[Any] = []
        for k in range(7):
            h = LONG(2.0) ** (first - k)
            (ahead, rounding), (behind, _) = value(h), value(-h)
            row = [(ahead - behind) / (2 * h)]
            for j, before in enumerate(rows):
                row.append(row[j] + (row[j] - before) / (LONG(4) ** (j + 1) - 1))
            if rows:
                gap = max(abs(row[-1] - row[-2]), abs(row[-1] - rows[-1])) + rounding / h
                if gap < error and not abs(row[-1] - best) > 2 * error:
                    best, error = row[-1], gap
            rows = row
        if error <= 1e-12 * abs(best):
            break
    return best, error


def pulled(vjp: Callable[..., Any], g: Array, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(np.asarray(r) for r in vjp(np.array(g), *(x.copy() for x in inputs)))


def gradient_error(case: Case) -> tuple[float, float, float]:
    """Largest error of the right rule in longdouble, and of its own self, against ``f`` alone;
    and how well ``f`` alone says it.

    Relative to the larger of the element and a millionth of its gradient's typical size along the
    steps taken.
    """
    rng, rule, inputs = drawn(case.name, 7), case.rule, case.inputs
    with np.errstate(all="ignore"):
        g = cotangent(np.asarray((rule.exact or rule.f)(*wide(inputs))), rng)
        truth = [
            (step, *derivative(along(rule, inputs, g, step))) for step in directions(inputs, rng)
        ]
        exact = pulled(rule.exact_vjp or rule.vjp, g.astype(LONG), wide(inputs))
        out = np.asarray(rule.f(*inputs))
        own = pulled(rule.vjp, g.astype(out.dtype), inputs)
    size = max((abs(value) for _, value, _ in truth), default=0)
    worst, known = [0.0, 0.0], 0.0
    for step, value, bound in truth:
        for k, result in enumerate((exact, own)):
            said = sum(np.sum(r * s, dtype=LONG) for r, s in zip(result, step, strict=True))
            scale = max(abs(value), 1e-6 * size) if size > 1e-25 else 1
            if any(s.size > SMALL for s in step):  # a sum of many, which may cancel
                scale = max(
                    scale, 1e-3 * sum(np.abs(r * s).sum() for r, s in zip(exact, step, strict=True))
                )
            worst[k] = max(worst[k], float((abs(said - value) - 10 * bound) / scale))
            known = max(known, float(bound / scale))
    return worst[0], worst[1], known


def is_wrong(case: Case, vjp: Callable[..., Any], least: float = 5e-7) -> bool:
    """Whether a rule differs from the right one, by more than ``least`` of the elements' size.

    In low precision by more than a few units in the last place of that precision.
    """
    rng, inputs = drawn(case.name, 11), case.inputs
    with np.errstate(all="ignore"):
        out = np.asarray(case.f(*(x.copy() for x in inputs)))
        for length in (1.0, 1e-3, 1e4):
            g = np.array(length * cotangent(out, rng), out.dtype)
            kept, start = g.copy(), tuple(x.copy() for x in inputs)
            before = pulled(case.vjp, g, inputs)
            said = vjp(g, *start)
            if len(said) != len(before) or any(r is None for r in said):
                return True
            after = tuple(np.asarray(r) for r in said)
            for a, b, x, y in zip(before, after, inputs, start, strict=True):
                if not np.array_equal(x, y) or a.shape != b.shape or a.dtype != b.dtype:
                    return True
                if differ(a, b, least, x.dtype):
                    return True
            if not np.array_equal(kept, g):
                return True
    return False


def differ(a: Array, b: Array, least: float, dtype: Any) -> bool:
    if a.size == 0:
        return False
    low = float(np.finfo(dtype).eps) * 100 if np.dtype(dtype).itemsize < 8 else 0.0
    a, b = np.asarray(a, float), np.asarray(b, float)
    scale = np.maximum(np.abs(a), 1e-3 * np.sqrt(np.mean(a * a)))
    return bool(np.any(~(np.abs(a - b) <= max(least, low) * scale) & np.isfinite(a)))


def has_no_derivative(case: Case) -> bool:
    """Whether the quotients of ``f`` on the two sides of the point fail to meet, in some direction.

    They are taken in longdouble, from 1e-4 of the size down to 4e-9. Of a function with a
    derivative the smaller ones are as much nearer to each other as their steps are smaller.
    """
    rng = drawn(case.name, 13)
    with np.errstate(all="ignore"):
        out = np.asarray(case.f(*wide(case.inputs)))
        g = cotangent(out, rng)
        steps = list(directions(case.inputs, rng))
        partials = []
        for step in steps:
            one, rounding, restless = quotients(along(case.rule, case.inputs, g, step))
            if restless:
                return True
            partials.append(one)
        for _ in range(4 if steps else 0):  # partial derivatives that do not add up
            weights = rng.choice([-1, 1], size=len(steps))
            parts = zip(*steps, strict=True)
            both = tuple(sum(w * p for w, p in zip(weights, part, strict=True)) for part in parts)
            one, rounding, restless = quotients(along(case.rule, case.inputs, g, both))
            apart = abs(one - sum(w * p for w, p in zip(weights, partials, strict=True)))
            if restless or apart > 1e-4 * (abs(one) + sum(map(abs, partials))) + rounding:
                return True
    return False


def quotients(value: Callable[[Any], tuple[Any, Any]]) -> tuple[float, float, bool]:
    """The last quotient, its rounding, and whether the last are as far apart as larger ones."""
    steps = [LONG(3.1) ** -k for k in range(8, 18)]
    sides = np.array([[s * value(s * h)[0] / h for s in (1, -1)] for h in steps])
    if not np.isfinite(sides).all():
        return 0.0, 0.0, True
    rounding = float(64 * value(steps[-1])[1] / steps[-1])
    early, late = np.ptp(sides[:4]), np.ptp(sides[-4:])
    return float(sides[-1].mean()), rounding, bool(late > 0.1 * early + rounding)
