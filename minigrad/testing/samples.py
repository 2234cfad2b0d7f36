"""Calls of an op that are worth checking, drawn from its declaration: domain, cases, signature."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.primitive import Array, Case, Primitive

Shapes = tuple[tuple[int, ...], ...]

GENERATED: dict[int, tuple[Shapes, ...]] = {
    1: (((2, 3),), ((),), ((0, 3),), ((1,),)),
    2: (
        ((2, 3), (2, 3)),
        ((2, 3), (3,)),
        ((2, 1), (1, 3)),
        ((), (2,)),
        ((2,), ()),
        ((), ()),
        ((0, 3), (1, 3)),
        ((3, 1, 2), (4, 1)),
    ),
    3: (((2, 3), (2, 3), (2, 3)), ((2, 3), (3,), ()), ((), (2, 1), (3,)), ((0, 2), (2,), ())),
}
"""Shapes on which ops are called that declare no cases, by their number of inputs."""

WHOLE = frozenset({"gcd", "lcm", "left_shift", "right_shift"})  # ops that take whole numbers only
WIDTH = 2.0  # how far from its finite end, or from 0, an unbounded domain is sampled


class Call(NamedTuple):
    """Inputs and static parameters of one call of an op."""

    arrays: tuple[Array, ...]
    params: dict[str, Any]


def cases_of(primitive: Primitive[...]) -> tuple[Case, ...]:
    """The declared cases, or generated ones: broadcasting pairs, 0-d and zero-size arrays.

    >>> from minigrad import ops
    >>> cases_of(ops.exp)[1]
    Case(shapes=((),), params={})
    """
    if primitive.cases:
        return primitive.cases
    return tuple(Case(shapes, {}) for shapes in GENERATED[max(primitive.arity, 1)])


def domain_of(primitive: Primitive[...], position: int) -> tuple[float, float]:
    """The open interval on which an op and its rules are smooth in one of its inputs.

    >>> from minigrad import ops
    >>> domain_of(ops.log, 0)
    (0.0, inf)
    """
    domain = primitive.domain
    if isinstance(domain[0], list | tuple):
        domain = domain[min(position, len(domain) - 1)]
    low, high = domain
    return float(low), float(high)


def interval(primitive: Primitive[...], position: int) -> tuple[float, float]:
    """The finite part of an input's domain from which values are drawn.

    >>> from minigrad import ops
    >>> interval(ops.log, 0)
    (0.1, 2.1)
    """
    low, high = domain_of(primitive, position)
    if np.isfinite(low) and np.isfinite(high):
        margin = 0.05 * (high - low)
        return low + margin, high - margin
    if np.isfinite(low):
        return low + 0.1, low + 0.1 + WIDTH
    return (high - 0.1 - WIDTH, high - 0.1) if np.isfinite(high) else (-WIDTH, WIDTH)


def kind_of(primitive: Primitive[...], position: int) -> str:
    """What an input holds: ``"f"`` floats, ``"b"`` truth values or ``"i"`` small whole numbers.

    >>> from minigrad import ops
    >>> kind_of(ops.where, 0), kind_of(ops.where, 1)
    ('b', 'f')
    """
    name = primitive.inputs[0 if primitive.variadic else position]
    if name == "condition" or primitive.name.startswith("logical_"):
        return "b"
    whole = name in {"labels", "exponent"} or primitive.name in WHOLE
    return "i" if whole or primitive.name.startswith("bitwise_") else "f"


def takes_matrices(primitive: Primitive[...]) -> bool:
    """Whether the first input is a stack of matrices that LAPACK computes with.

    Those are drawn with a heavy diagonal: invertible, and positive definite if symmetric.

    >>> from minigrad import linalg, ops
    >>> takes_matrices(linalg.inv), takes_matrices(ops.matmul)
    (True, False)
    """
    return primitive.inputs[0] == "matrix"


def call_of(
    primitive: Primitive[...], case: Case, rng: np.random.Generator, dtype: Any = np.float64
) -> Call:
    """Draw the inputs of a case from the op's domain.

    >>> from minigrad import case, ops
    >>> call_of(ops.log, case(2), np.random.default_rng(0)).arrays[0].shape
    (2,)
    """
    arrays = []
    for position, shape in enumerate(case.shapes):
        kind = kind_of(primitive, position)
        if kind == "f":
            low, high = interval(primitive, position)
            drawn = np.asarray(rng.uniform(low, high, shape))
            if position == 0 and takes_matrices(primitive):
                drawn = drawn + 2 * max(shape[-2:]) * np.eye(shape[-2], shape[-1])
            drawn = drawn.astype(dtype)
        elif kind == "b":
            drawn = np.asarray(rng.integers(0, 2, shape)).astype(bool)
        else:
            drawn = np.asarray(rng.integers(0, 3, shape))
        arrays.append(drawn)
    return Call(tuple(arrays), dict(case.params))


def calls_of(primitive: Primitive[...], seed: int = 0, dtype: Any = np.float64) -> list[Call]:
    """One call for each case of an op.

    >>> from minigrad import ops
    >>> len(calls_of(ops.exp))
    4
    """
    rng = np.random.default_rng(seed)
    return [call_of(primitive, case, rng, dtype) for case in cases_of(primitive)]
