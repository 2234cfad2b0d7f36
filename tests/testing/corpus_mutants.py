"""The corpus: how right gradients become wrong ones, whatever the function.

A mutant takes the right rule, the inputs and a generator and gives a wrong rule, or None where it
does not apply. Whether the result truly is wrong is measured later, not assumed here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.testing.corpus_rules import Array, Rule

Vjp = Callable[..., Any]
Mutant = Callable[[Rule, tuple[Array, ...], np.random.Generator], Vjp | None]


def changed(vjp: Vjp, at: int, change: Callable[..., Any]) -> Vjp:
    """The rule with ``change(result, g, inputs)`` in place of the result for one input."""

    def wrong(g, *inputs):
        out = list(vjp(g, *inputs))
        out[at] = change(out[at], g, inputs)
        return tuple(out)

    return wrong


def of_result(change: Callable[..., Any]) -> Mutant:
    """A mutant that changes what one input receives; the input is drawn."""

    def mutant(rule, inputs, rng):
        return changed(rule.vjp, int(rng.integers(len(inputs))), change)

    return mutant


def where_shape(fits: Callable[[Array], bool], change: Callable[..., Any]) -> Mutant:
    """The same, for the inputs whose shape allows it."""

    def mutant(rule, inputs, rng):
        at = [i for i, x in enumerate(inputs) if fits(x)]
        return changed(rule.vjp, int(rng.choice(at)), change) if at else None

    return mutant


def times(factor: float) -> Mutant:
    return of_result(lambda r, g, inputs: (r * factor).astype(r.dtype))


def one_element(change: Callable[[Any, Array], Any]) -> Mutant:
    """A mutant of one element, drawn."""

    def mutant(rule, inputs, rng):
        at = int(rng.integers(len(inputs)))
        if inputs[at].size == 0:
            return None
        index = int(rng.integers(inputs[at].size))

        def spoil(r, g, ins):
            r = np.array(r)
            r.flat[index] = change(r.flat[index], r)
            return r

        return changed(rule.vjp, at, spoil)

    return mutant


def shrunk(dtype: Any) -> Mutant:
    """The whole rule in a lower precision."""

    def mutant(rule, inputs, rng):
        if inputs[0].dtype.itemsize <= np.dtype(dtype).itemsize:
            return None

        def wrong(g, *ins):
            out = rule.vjp(np.asarray(g).astype(dtype), *(x.astype(dtype) for x in ins))
            return tuple(np.asarray(r).astype(x.dtype) for r, x in zip(out, ins, strict=True))

        try:
            with np.errstate(all="ignore"):
                wrong(np.asarray(rule.f(*inputs)), *inputs)
        except TypeError:  # LAPACK has no float16
            return None
        return wrong

    return mutant


def of_cotangent(change: Callable[[Array], Array]) -> Mutant:
    return lambda rule, inputs, rng: lambda g, *ins: rule.vjp(change(np.asarray(g)), *ins)


def swapped(rule: Rule, inputs: tuple[Array, ...], rng: np.random.Generator) -> Vjp | None:
    alike = [
        (i, j) for i in range(len(inputs)) for j in range(i) if inputs[i].shape == inputs[j].shape
    ]
    if not alike:
        return None
    i, j = alike[0]

    def wrong(g, *ins):
        out = list(rule.vjp(g, *ins))
        out[i], out[j] = out[j], out[i]
        return tuple(out)

    return wrong


def stale(rule: Rule, inputs: tuple[Array, ...], rng: np.random.Generator) -> Vjp:
    """Residuals of the step before: of inputs that have since moved by one per cent."""
    before = tuple((x * (1 + 0.01 * rng.uniform(0.5, 1, x.shape))).astype(x.dtype) for x in inputs)
    return lambda g, *ins: rule.vjp(g, *before)


def writes_input(rule: Rule, inputs: tuple[Array, ...], rng: np.random.Generator) -> Vjp:
    def wrong(g, *ins):
        out = rule.vjp(g, *ins)
        ins[-1][...] *= 2
        ins[-1][...] += 1
        return out

    return wrong


def writes_cotangent(rule: Rule, inputs: tuple[Array, ...], rng: np.random.Generator) -> Vjp:
    def wrong(g, *ins):
        out = tuple(np.array(r) for r in rule.vjp(g, *ins))
        g[...] = 0.5
        return out

    return wrong


def returns_cotangent(
    rule: Rule, inputs: tuple[Array, ...], rng: np.random.Generator
) -> Vjp | None:
    shape = np.shape(rule.f(*inputs))
    at = [i for i, x in enumerate(inputs) if x.shape == shape]
    return changed(rule.vjp, at[0], lambda r, g, ins: np.array(g)) if at else None


def times_output(rule: Rule, inputs: tuple[Array, ...], rng: np.random.Generator) -> Vjp | None:
    if np.shape(rule.f(*inputs)) != inputs[0].shape:
        return None
    return changed(rule.vjp, 0, lambda r, g, ins: r * np.asarray(rule.f(*ins)))


def random_rule(rule: Rule, inputs: tuple[Array, ...], rng: np.random.Generator) -> Vjp:
    own = np.random.default_rng(3)
    return changed(
        rule.vjp, 0, lambda r, g, ins: (r * (1 + 1e-3 * own.normal(size=r.shape))).astype(r.dtype)
    )


def forward_quotient(rule: Rule, inputs: tuple[Array, ...], rng: np.random.Generator) -> Vjp | None:
    """Somebody's finite difference with a step of 1e-3."""
    if inputs[0].size > 100:
        return None

    def quotient(r, g, ins):
        out = np.zeros_like(ins[0])
        for i in range(out.size):
            x = ins[0].copy()
            x.flat[i] += 1e-3
            out.flat[i] = np.sum(g * (rule.f(x, *ins[1:]) - rule.f(*ins))) / 1e-3
        return out

    return changed(rule.vjp, 0, quotient)


def is_square(x: Array) -> bool:
    return x.ndim == 2 and x.shape[0] == x.shape[1] > 1


def is_matrix(x: Array) -> bool:
    return x.ndim == 2 and x.shape[0] != x.shape[1] and min(x.shape) > 1


def is_long_vector(x: Array) -> bool:
    return x.ndim >= 1 and x.shape[0] > 1 and x.size > 1


def typical(r: Array) -> Any:
    return np.sqrt(np.sum(np.square(np.asarray(r, float))) / max(np.size(r), 1)) or 1.0


def clipped(r: Array, g: Array, ins: tuple[Array, ...]) -> Array:
    length = np.sqrt(np.sum(r * r))
    return (r / max(length, 1e-300)).astype(r.dtype) if length > 1 else r


MUTANTS: dict[str, Mutant] = {
    "sign": times(-1.0),
    "zero": times(0.0),
    "factor 2": times(2.0),
    "factor 1/2": times(0.5),
    "factor 1.01": times(1.01),
    "factor 1 + 1e-3": times(1 + 1e-3),
    "factor 1 + 1e-4": times(1 + 1e-4),
    "factor 1 + 1e-5": times(1 + 1e-5),
    "factor 1 + 1e-6": times(1 + 1e-6),
    "factor 1 - 1e-6": times(1 - 1e-6),
    "factor size": where_shape(
        lambda x: x.size > 2, lambda r, g, ins: (r * r.size).astype(r.dtype)
    ),
    "factor 1/size": where_shape(
        lambda x: x.size > 2, lambda r, g, ins: (r / r.size).astype(r.dtype)
    ),
    "factor n/(n-1)": where_shape(
        lambda x: x.ndim > 0 and x.shape[0] > 2,
        lambda r, g, ins: (r * (len(r) / (len(r) - 1))).astype(r.dtype),
    ),
    "one element, sign": one_element(lambda v, r: -v),
    "one element, zero": one_element(lambda v, r: 0),
    "one element, factor": one_element(lambda v, r: v * 1.01),
    "one element, tiny factor": one_element(lambda v, r: v * (1 + 1e-4)),
    "one element, shifted": one_element(lambda v, r: v + 0.1 * typical(r)),
    "one element, NaN": one_element(lambda v, r: np.nan),
    "one element, infinite": one_element(lambda v, r: np.inf),
    "all NaN": times(np.nan),
    "transposed": where_shape(is_square, lambda r, g, ins: r.T.copy()),
    "reshaped for transposed": where_shape(
        is_matrix, lambda r, g, ins: r.T.reshape(r.shape).copy()
    ),
    "reversed": where_shape(is_long_vector, lambda r, g, ins: r[::-1].copy()),
    "rolled": where_shape(is_long_vector, lambda r, g, ins: np.roll(r, 1)),
    "one row": where_shape(
        is_long_vector, lambda r, g, ins: np.concatenate([r[:-1], 1.1 * r[-1:]]).astype(r.dtype)
    ),
    "negative inputs only": where_shape(
        lambda x: bool((x < 0).any() and (x > 0).any()), lambda r, g, ins: r
    ),
    "summed": where_shape(
        is_long_vector, lambda r, g, ins: (r * 0 + r.sum(0, keepdims=True)).astype(r.dtype)
    ),
    "averaged": where_shape(
        is_long_vector, lambda r, g, ins: (r * 0 + r.sum() / r.size).astype(r.dtype)
    ),
    "swapped arguments": swapped,
    "stale value": stale,
    "shifted by a constant": of_result(lambda r, g, ins: (r + 0.01 * typical(r)).astype(r.dtype)),
    "rounded": of_result(lambda r, g, ins: np.round(r / typical(r), 2) * typical(r)),
    "absolute": of_result(lambda r, g, ins: np.abs(r)),
    "clipped gradient": of_result(clipped),
    "clipped cotangent": of_cotangent(lambda g: np.clip(g, -1, 1)),
    "loosely clipped cotangent": of_cotangent(lambda g: np.clip(g, -100, 100)),
    "ignored cotangent": of_cotangent(np.ones_like),
    "cotangent's sign": of_cotangent(np.sign),
    "cotangent's size": of_cotangent(np.abs),
    "squared cotangent": of_cotangent(lambda g: g * g),
    "averaged cotangent": of_cotangent(lambda g: np.full_like(g, g.mean() if g.size else 0)),
    "positive cotangents only": of_cotangent(lambda g: np.maximum(g, 0)),
    "factor x": of_result(lambda r, g, ins: r),
    "returns the cotangent": returns_cotangent,
    "factor y": times_output,
    "in place, input": writes_input,
    "in place, cotangent": writes_cotangent,
    "random": random_rule,
    "finite difference": forward_quotient,
    "shape, flat": where_shape(lambda x: x.ndim != 1, lambda r, g, ins: r.reshape(-1)),
    "shape, new axis": of_result(lambda r, g, ins: r[None]),
    "shape, sum": where_shape(lambda x: x.ndim > 0 and x.size > 1, lambda r, g, ins: r.sum()),
    "dtype, lower": of_result(
        lambda r, g, ins: r.astype("float32" if r.dtype == float else "float64")
    ),
    "dtype, integer": of_result(lambda r, g, ins: np.round(r).astype(int)),
    "nothing returned": of_result(lambda r, g, ins: None),
    "too many returned": lambda rule, inputs, rng: lambda g, *ins: (*rule.vjp(g, *ins), ins[0]),
    "float32 inside": shrunk("float32"),
    "float16 inside": shrunk("float16"),
}


def at_drawn(change: Callable[[Array, Array], Array], fits: Callable[[Array], bool]) -> Mutant:
    """A mutant whose change needs the input itself."""

    def mutant(rule, inputs, rng):
        at = [i for i, x in enumerate(inputs) if fits(x)]
        if not at:
            return None
        i = int(rng.choice(at))
        return changed(rule.vjp, i, lambda r, g, ins: change(r, ins[i]).astype(r.dtype))

    return mutant


MUTANTS["factor x"] = at_drawn(lambda r, x: r * x, lambda x: x.size > 0)
MUTANTS["missing factor x"] = at_drawn(lambda r, x: r / x, lambda x: x.size > 0)
MUTANTS["factor x squared"] = at_drawn(lambda r, x: r * x * x, lambda x: x.size > 0)
MUTANTS["negative inputs only"] = at_drawn(
    lambda r, x: r * np.where(x < 0, 1.5, 1), lambda x: bool((x < 0).any() and (x > 0).any())
)
