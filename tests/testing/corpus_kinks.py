"""The corpus: points without a derivative, each with the gradient that people customarily give."""

from typing import Any

import numpy as np

from tests.testing.corpus_rules import Array, Rule, apart, both, cast, eigh, of, uniform


def at(values):
    """Fixed values in drawn company: the point of interest stays, the others are drawn."""

    def draw(rng):
        array = np.array(values, dtype=float)
        array[np.isnan(array)] = rng.uniform(0.4, 2.0, np.isnan(array).sum())
        return (array,)

    return draw


ANY = np.nan
ONE_ZERO = at([ANY, 0.0, ANY])
TABLE: list[tuple[Any, ...]] = [
    ("abs", np.abs, np.sign, ONE_ZERO),
    ("abs, alone", np.abs, np.sign, of(0.0)),
    ("abs, all zero", np.abs, np.sign, of([0.0, 0.0])),
    ("abs beside 1e8", np.abs, np.sign, of([0.0, 1e8])),
    ("abs beside 1e-8", np.abs, np.sign, of([0.0, 1e-8])),
    ("abs of a matrix", np.abs, np.sign, at([[ANY, ANY], [0.0, ANY]])),
    ("abs far from zero", lambda x: np.abs(x - 1e6), lambda x: np.sign(x - 1e6), of([1e6, 2e6])),
    ("abs at 1e-6", lambda x: np.abs(x - 1e-6), lambda x: np.sign(x - 1e-6), of([1e-6, 3e-6])),
    ("abs, slope 1", np.abs, lambda x: np.where(x >= 0, 1.0, -1.0), ONE_ZERO),
    ("relu, slope 0", lambda x: np.maximum(x, 0), lambda x: (x > 0) * np.ones_like(x), ONE_ZERO),
    ("relu, slope 1", lambda x: np.maximum(x, 0), lambda x: (x >= 0) * np.ones_like(x), ONE_ZERO),
    ("relu, slope 1/2", lambda x: np.maximum(x, 0), lambda x: np.heaviside(x, 0.5), ONE_ZERO),
    (
        "leaky relu",
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: np.where(x > 0, 1, 0.01),
        ONE_ZERO,
    ),
    (
        "selu",
        lambda x: np.where(x > 0, x, 1.67 * np.expm1(x)),
        lambda x: np.where(x > 0, 1, 1.67 * np.exp(x)),
        ONE_ZERO,
    ),
    ("relu6", lambda x: np.clip(x, 0, 6), lambda x: ((x > 0) & (x < 6)) * 1.0, at([6.0, ANY])),
    (
        "hard sigmoid",
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
        lambda x: (np.abs(x) < 3) / 6,
        at([-3.0, ANY]),
    ),
    (
        "hard swish",
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
        lambda x: np.where(np.abs(x) < 3, x / 3 + 0.5, x > 3),
        at([3.0, ANY]),
    ),
    ("clip", lambda x: np.clip(x, -1, 1), lambda x: (np.abs(x) <= 1) * 1.0, at([1.0, 0.3])),
    (
        "weak kink",
        lambda x: np.sin(x) + 0.01 * np.abs(x),
        lambda x: np.cos(x) + 0.01 * np.sign(x),
        ONE_ZERO,
    ),
    (
        "weaker kink",
        lambda x: np.exp(x) + 1e-4 * np.abs(x),
        lambda x: np.exp(x) + 1e-4 * np.sign(x),
        ONE_ZERO,
    ),
    ("offset kink", lambda x: np.abs(x) + 1e4, np.sign, ONE_ZERO),
    ("huge kink", lambda x: 1e8 * np.abs(x), lambda x: 1e8 * np.sign(x), ONE_ZERO),
    ("small kink", lambda x: 1e-8 * np.abs(x), lambda x: 1e-8 * np.sign(x), ONE_ZERO),
    ("root of the square", lambda x: np.sqrt(x * x), np.sign, ONE_ZERO),
    (
        "exp of -|x|",
        lambda x: np.exp(-np.abs(x)),
        lambda x: -np.sign(x) * np.exp(-np.abs(x)),
        ONE_ZERO,
    ),
    ("|sin|", lambda x: np.abs(np.sin(x)), lambda x: np.sign(np.sin(x)) * np.cos(x), ONE_ZERO),
    (
        "|x log|x||",
        lambda x: np.abs(x) * np.log(np.abs(x) + (x == 0)),
        lambda x: np.sign(x) * (np.log(np.abs(x) + (x == 0)) + 1),
        ONE_ZERO,
    ),
    (
        "x sin 1/x",
        lambda x: x * np.sin(1 / np.where(x == 0, 1, x)),
        lambda x: np.where(
            x == 0,
            0,
            np.sin(1 / np.where(x == 0, 1, x))
            - np.cos(1 / np.where(x == 0, 1, x)) / np.where(x == 0, 1, x),
        ),
        of([0.0, 1.0]),
    ),
    (
        "x sin 1/x, alone",
        lambda x: x * np.sin(1 / np.where(x == 0, 1, x)),
        lambda x: np.where(
            x == 0,
            0,
            np.sin(1 / np.where(x == 0, 1, x))
            - np.cos(1 / np.where(x == 0, 1, x)) / np.where(x == 0, 1, x),
        ),
        of(0.0),
    ),
    (
        "x cos log|x|",
        lambda x: x * np.cos(np.log(np.abs(x) + (x == 0))),
        lambda x: np.where(
            x == 0, 0, np.cos(np.log(np.abs(x) + (x == 0))) - np.sin(np.log(np.abs(x) + (x == 0)))
        ),
        of([0.0, 1.0]),
    ),
    ("steps: floor", np.floor, lambda x: 0 * x, at([1.0, 0.3])),
    ("steps: round", np.round, lambda x: 0 * x, at([0.5, 0.3])),
    ("steps: sign", np.sign, lambda x: 0 * x, ONE_ZERO),
    ("steps: heaviside", lambda x: np.heaviside(x, 0.5), lambda x: 0 * x, ONE_ZERO),
    ("steps: small", lambda x: np.sin(x) + 1e-6 * (x > 0), np.cos, ONE_ZERO),
    ("steps: sawtooth", lambda x: x - np.floor(x), np.ones_like, at([2.0, 0.3])),
    ("steps: branch", lambda x: np.where(x > 0, x + 1, x), np.ones_like, ONE_ZERO),
    ("steps: indicator", lambda x: 1.0 * (x == 0.5), lambda x: 0 * x, at([0.5, 0.3])),
    (
        "vertical: cbrt",
        np.cbrt,
        lambda x: np.where(x == 0, 0, 1 / (3 * np.cbrt(x + (x == 0)) ** 2)),
        ONE_ZERO,
    ),
    (
        "vertical: root of |x|",
        lambda x: np.sqrt(np.abs(x)),
        lambda x: np.where(x == 0, 0, np.sign(x) / (2 * np.sqrt(np.abs(x) + (x == 0)))),
        ONE_ZERO,
    ),
    (
        "vertical: |x|^0.7",
        lambda x: np.abs(x) ** 0.7,
        lambda x: np.where(x == 0, 0, 0.7 * np.sign(x) / (np.abs(x) + (x == 0)) ** 0.3),
        ONE_ZERO,
    ),
    ("edge: sqrt", np.sqrt, lambda x: np.where(x == 0, 0, 0.5 / np.sqrt(x + (x == 0))), ONE_ZERO),
    (
        "edge: x log x",
        lambda x: x * np.log(x + (x == 0)),
        lambda x: np.log(x + (x == 0)) + 1,
        ONE_ZERO,
    ),
    (
        "edge: arcsin",
        np.arcsin,
        lambda x: np.where(x == 1, 0, 1 / np.sqrt(1 - x * x + (x == 1))),
        of([1.0, 0.3]),
    ),
    (
        "edge: arccosh",
        np.arccosh,
        lambda x: np.where(x == 1, 0, 1 / np.sqrt(x * x - 1 + (x == 1))),
        of([1.0, 2.3]),
    ),
    ("edge: x^1.5", lambda x: x**1.5, lambda x: 1.5 * x**0.5, ONE_ZERO),
    (
        "interpolation at a knot",
        lambda x: np.where(x < 1, x, 1.5 - 0.5 * x),
        lambda x: np.where(x < 1, 1, -0.5),
        at([1.0, 0.3]),
    ),
    ("float32 abs", np.abs, np.sign, cast(ONE_ZERO, "float32")),
    (
        "float16 relu",
        lambda x: np.maximum(x, 0),
        lambda x: (x > 0).astype(x.dtype),
        cast(ONE_ZERO, "float16"),
    ),
    ("float32 floor", np.floor, lambda x: 0 * x, cast(at([1.0, 0.3]), "float32")),
]


def first(x: Array) -> Array:
    """One-hot of the first largest."""
    return (np.arange(x.size) == np.argmax(x)) * np.ones_like(x)


def shared(x: Array) -> Array:
    return (x == x.max()) / np.sum(x == x.max())


def many() -> list[Rule]:
    """Functions of several elements."""

    def norm(x):
        return np.sqrt((x * x).sum())

    def cone(x):
        return x[0] * x[1] / np.where(norm(x) == 0, 1, norm(x))

    def pull_cone(g, x):
        r = norm(x) or 1
        return (g * (x[::-1] / r - x[0] * x[1] * x / r**3),)

    def values(a):
        return eigh((a + a.T) / 2)[0]

    def pull_values(g, a):
        v = eigh((a + a.T) / 2)[1]
        return ((v * g) @ v.T,)

    def nuclear(a):
        return np.sqrt(np.maximum(eigh(a.T @ a)[0], 0)).sum()

    def pull_nuclear(g, a):
        w, v = eigh(a.T @ a)
        return (g * a @ (v / np.sqrt(np.maximum(w, 1e-12))) @ v.T,)

    def zero_row(rng):
        x = rng.normal(size=(3, 2))
        x[1] = 0
        return (x,)

    def with_zero(n):
        def draw(rng):
            x = apart((n,))(rng)[0]
            x[n // 2] = 0
            return (x,)

        return draw

    def pull_rows(g, x):
        r = np.sqrt((x * x).sum(1, keepdims=True))
        return (g[:, None] * x / np.where(r == 0, 1, r),)

    tied = at([2.5, ANY, 2.5])
    return [
        Rule("max, tie to the first", np.max, lambda g, x: (g * first(x),), tied),
        Rule("max, tie shared", np.max, lambda g, x: (g * shared(x),), tied),
        Rule("max, all equal", np.max, lambda g, x: (g * shared(x),), of([1.0, 1.0, 1.0])),
        Rule("min, tie", np.min, lambda g, x: (g * first(-x),), at([0.1, ANY, 0.1])),
        Rule(
            "sort, tie",
            np.sort,
            lambda g, x: (g[np.argsort(np.argsort(x, kind="stable"))],),
            of([1.0, 3.0, 1.0]),
        ),
        Rule(
            "median, tie",
            lambda x: np.sort(x)[1],
            lambda g, x: (g * (np.argsort(np.argsort(x, kind="stable")) == 1),),
            of([1.0, 1.0, 2.0]),
        ),
        Rule(
            "maximum, tie",
            np.maximum,
            lambda g, x, y: (g * ((x > y) + (x == y) / 2), g * ((y > x) + (x == y) / 2)),
            of([1.0, 2.0], [1.0, 0.5]),
        ),
        Rule(
            "minimum, tie",
            np.minimum,
            lambda g, x, y: (g * (x <= y), g * (y < x)),
            of([1.0, 2.0], [1.0, 0.5]),
        ),
        Rule(
            "|x - y|",
            lambda x, y: np.abs(x - y),
            lambda g, x, y: (g * np.sign(x - y), -g * np.sign(x - y)),
            of([1.0, 2.0], [1.0, 0.5]),
        ),
        Rule(
            "|x| + |y|",
            lambda x, y: np.abs(x) + np.abs(y),
            lambda g, x, y: (g * np.sign(x), g * np.sign(y)),
            of([0.0], [1.0]),
        ),
        Rule(
            "max pool, tie",
            lambda x: x.reshape(2, 2).max(1),
            lambda g, x: ((np.eye(2)[x.reshape(2, 2).argmax(1)] * g[:, None]).ravel(),),
            of([1.0, 1.0, 0.2, 0.9]),
        ),
        Rule(
            "hinge at its margin",
            lambda x: np.maximum(0, 1 - x).sum(),
            lambda g, x: (-g * (x < 1),),
            at([1.0, ANY, 0.3]),
        ),
        Rule(
            "mean absolute error, one exact",
            lambda x, y: np.abs(x - y).mean(),
            lambda g, x, y: (g * np.sign(x - y) / x.size, -g * np.sign(x - y) / x.size),
            of([1.0, 2.0, 4.0], [1.0, 0.5, 3.0]),
        ),
        Rule("norm at zero", norm, lambda g, x: (g * x / (norm(x) or 1),), of([0.0, 0.0, 0.0])),
        Rule("norms of rows, one zero", lambda x: np.sqrt((x * x).sum(1)), pull_rows, zero_row),
        Rule("norm 1", lambda x: np.abs(x).sum(), lambda g, x: (g * np.sign(x),), at([ANY, 0.0])),
        Rule(
            "largest of absolutes",
            lambda x: np.abs(x).max(),
            lambda g, x: (g * np.sign(x) * first(np.abs(x)),),
            of([1.0, -1.0, 0.5]),
        ),
        Rule("partials without a derivative", cone, pull_cone, of([0.0, 0.0])),
        Rule(
            "product of a kink",
            lambda x, y: np.abs(x) * y,
            lambda g, x, y: (g * np.sign(x) * y, g * np.abs(x)),
            both(of([0.0, 1.0]), uniform((2,), low=1, high=2)),
        ),
        Rule(
            "network with a dead unit",
            lambda x: np.tanh(np.maximum(x, 0) @ np.array([0.5, -1.0, 2.0])),
            lambda g, x: (
                g
                * (1 - np.tanh(np.maximum(x, 0) @ np.array([0.5, -1.0, 2.0])) ** 2)
                * (x > 0)
                * np.array([0.5, -1.0, 2.0]),
            ),
            of([0.0, 1.0, -0.5]),
        ),
        Rule(
            "relu among 300",
            lambda x: np.maximum(x, 0),
            lambda g, x: (g * (x > 0),),
            with_zero(301),
        ),
        Rule(
            "abs among 400, summed",
            lambda x: np.abs(x).sum(),
            lambda g, x: (g * np.sign(x),),
            with_zero(401),
        ),
        Rule(
            "relu of 100000, all zero",
            lambda x: np.maximum(x, 0),
            lambda g, x: (g * (x > 0),),
            lambda rng: (np.zeros(100_000),),
        ),
        Rule("double eigenvalue", values, pull_values, lambda rng: (np.eye(2),)),
        Rule("nuclear norm of rank one", nuclear, pull_nuclear, of([[1.0, 2.0], [2.0, 4.0]])),
        Rule(
            "floor in a sum",
            lambda x: np.floor(x).sum() + (x * x).sum(),
            lambda g, x: (2 * g * x,),
            at([1.0, ANY]),
        ),
        Rule(
            "argmax picks",
            lambda x: (np.argmax(x) + 1.0) * x.sum(),
            lambda g, x: (g * (np.argmax(x) + 1.0) * np.ones_like(x),),
            of([1.0, 1.0, 0.2]),
        ),
    ]


def kinks() -> list[Rule]:
    return [
        Rule(name, f, lambda g, x, d=d: ((g * d(x)).astype(x.dtype),), draw)
        for name, f, d, draw in TABLE
    ] + many()
