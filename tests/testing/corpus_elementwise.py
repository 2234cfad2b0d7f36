"""The corpus: functions of one element, where they are easy and where they are not."""

from typing import Any

import numpy as np

from tests.testing.corpus_rules import (
    PI,
    Array,
    Draw,
    Rule,
    apart,
    both,
    cast,
    digamma,
    erf,
    fold,
    lgamma,
    normal,
    of,
    spread,
    uniform,
)

ROOT_PI = float(np.sqrt(2 / PI))


def sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(ROOT_PI * (x + 0.044715 * x**3)))


def d_gelu_tanh(x: Array) -> Array:
    t = np.tanh(ROOT_PI * (x + 0.044715 * x**3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT_PI * (1 + 3 * 0.044715 * x * x)


def d_gelu(x: Array) -> Array:
    return 0.5 * (1 + erf(x * 0.5**0.5)) + x * np.exp(-x * x / 2) / np.sqrt(2 * PI).astype(x.dtype)


def mish(x: Array) -> Array:
    return x * np.tanh(np.logaddexp(x, 0))


def d_mish(x: Array) -> Array:
    t = np.tanh(np.logaddexp(x, 0))
    return t + x * (1 - t * t) * sigmoid(x)


def smooth_step(x: Array) -> Array:
    t = np.clip(x, 0, 1)
    return t * t * (3 - 2 * t)


N = normal((3, 4))
TINY = normal((6,), scale=1e-8)
HUGE = normal((6,), scale=1e8)
MIXED = spread((8,), low=-8, high=8, signed=True)
POSITIVE = uniform((7,), low=0.3, high=3)
ALL_POSITIVE = spread((8,), low=-8, high=8)

# name, f, derivative, draws by the name of the range
TABLE: list[tuple[Any, ...]] = [
    ("sin", np.sin, np.cos, {"unit": N, "tiny": TINY, "mixed": spread((8,), low=-8, high=3)}),
    ("cos", np.cos, lambda x: -np.sin(x), {"unit": N, "far": normal((5,), scale=1, shift=1e4)}),
    (
        "tan",
        np.tan,
        lambda x: 1 / np.cos(x) ** 2,
        {
            "unit": uniform((6,), low=-1, high=1),
            "near its pole": uniform((4,), low=1.55, high=1.57),
        },
    ),
    (
        "exp",
        np.exp,
        np.exp,
        {
            "unit": N,
            "tiny": TINY,
            "small results": uniform((5,), low=-300, high=-100),
            "large results": uniform((5,), low=50, high=300),
        },
    ),
    ("expm1", np.expm1, np.exp, {"tiny": TINY, "mixed": spread((7,), low=-8, high=1, signed=True)}),
    ("exp2", np.exp2, lambda x: float(np.log(2)) * np.exp2(x), {"unit": N}),
    (
        "log",
        np.log,
        lambda x: 1 / x,
        {
            "unit": POSITIVE,
            "tiny": spread((5,), low=-9, high=-7),
            "huge": spread((5,), low=7, high=9),
            "mixed": ALL_POSITIVE,
            "near its edge": spread((5,), low=-300, high=-290),
        },
    ),
    (
        "log1p",
        np.log1p,
        lambda x: 1 / (1 + x),
        {"unit": POSITIVE, "tiny": TINY, "near its edge": uniform((5,), low=-0.9999, high=-0.999)},
    ),
    (
        "log10",
        np.log10,
        lambda x: 1 / (x * float(np.log(10))),
        {"unit": POSITIVE, "mixed": ALL_POSITIVE},
    ),
    ("sqrt", np.sqrt, lambda x: 0.5 / np.sqrt(x), {"unit": POSITIVE, "mixed": ALL_POSITIVE}),
    ("cbrt", np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2), {"mixed": MIXED}),
    (
        "reciprocal",
        lambda x: 1 / x,
        lambda x: -1 / x**2,
        {"unit": POSITIVE, "tiny": apart((5,), scale=1e-8), "mixed": MIXED},
    ),
    ("square", np.square, lambda x: 2 * x, {"unit": N, "tiny": TINY, "huge": HUGE, "mixed": MIXED}),
    (
        "cube",
        lambda x: x**3,
        lambda x: 3 * x**2,
        {"unit": N, "mixed": spread((6,), low=-4, high=4)},
    ),
    (
        "power 1.7",
        lambda x: x**1.7,
        lambda x: 1.7 * x**0.7,
        {"unit": POSITIVE, "mixed": ALL_POSITIVE},
    ),
    (
        "power -2",
        lambda x: x**-2.0,
        lambda x: -2 * x**-3.0,
        {"unit": POSITIVE, "tiny": spread((5,), low=-8, high=-6)},
    ),
    (
        "tanh",
        np.tanh,
        lambda x: 1 - np.tanh(x) ** 2,
        {"unit": N, "tiny": TINY, "bending": uniform((6,), low=2, high=4)},
    ),
    (
        "tanh by cosh",
        np.tanh,
        lambda x: 1 / np.cosh(x) ** 2,
        {"saturated": uniform((6,), low=4, high=7)},
    ),
    (
        "steep tanh",
        lambda x: np.tanh(1e3 * x),
        lambda x: 1e3 * (1 - np.tanh(1e3 * x) ** 2),
        {"steep": normal((6,), scale=1e-3), "steep, far": uniform((4,), low=0.001, high=0.002)},
    ),
    (
        "sigmoid",
        sigmoid,
        lambda x: sigmoid(x) * (1 - sigmoid(x)),
        {"unit": N, "bending": uniform((5,), low=3, high=6)},
    ),
    (
        "logistic",
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2,
        {"unit": N, "saturated low": uniform((5,), low=-30, high=-10)},
    ),
    (
        "softplus",
        lambda x: np.logaddexp(x, 0),
        sigmoid,
        {"unit": N, "at zero": of([0.0, 0.5, -0.5]), "saturated": uniform((6,), low=10, high=30)},
    ),
    (
        "softplus low",
        lambda x: np.log1p(np.exp(x)),
        lambda x: 1 / (1 + np.exp(-x)),
        {"saturated": uniform((6,), low=-30, high=-10)},
    ),
    (
        "log sigmoid",
        lambda x: -np.logaddexp(-x, 0),
        lambda x: 1 / (1 + np.exp(x)),
        {"unit": N, "far": uniform((5,), low=-20, high=20)},
    ),
    (
        "silu",
        lambda x: x * sigmoid(x),
        lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
        {"unit": N, "at zero": of([0.0, 1.0])},
    ),
    (
        "gelu",
        lambda x: 0.5 * x * (1 + erf(x * 0.5**0.5)),
        d_gelu,
        {"unit": N, "wide": uniform((6,), low=-3, high=3)},
    ),
    ("gelu tanh", gelu_tanh, d_gelu_tanh, {"unit": N, "bending": uniform((5,), low=2, high=6.3)}),
    ("mish", mish, d_mish, {"unit": N}),
    (
        "elu",
        lambda x: np.where(x > 0, x, np.expm1(x)),
        lambda x: np.where(x > 0, 1, np.exp(x)),
        {"unit": apart((3, 4))},
    ),
    (
        "selu",
        lambda x: 1.0507 * np.where(x > 0, x, 1.6733 * np.expm1(x)),
        lambda x: 1.0507 * np.where(x > 0, 1, 1.6733 * np.exp(x)),
        {"unit": apart((6,))},
    ),
    (
        "relu",
        lambda x: np.maximum(x, 0),
        lambda x: np.where(x > 0, 1, 0) + 0 * x,
        {
            "unit": apart((3, 4)),
            "tiny": apart((6,), scale=1e-8),
            "huge": apart((6,), scale=1e8),
            "mixed": MIXED,
        },
    ),
    (
        "leaky relu",
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: np.where(x > 0, 1, 0.01) + 0 * x,
        {"unit": apart((6,)), "mixed": MIXED},
    ),
    ("abs", np.abs, np.sign, {"unit": apart((6,)), "mixed": MIXED}),
    (
        "softsign",
        lambda x: x / (1 + np.abs(x)),
        lambda x: 1 / (1 + np.abs(x)) ** 2,
        {"unit": N, "mixed": MIXED},
    ),
    (
        "hard tanh",
        lambda x: np.clip(x, -1, 1),
        lambda x: np.where(np.abs(x) < 1, 1.0, 0.0).astype(x.dtype),
        {"unit": apart((6,), gap=0.13)},
    ),
    (
        "arcsin",
        np.arcsin,
        lambda x: 1 / np.sqrt(1 - x * x),
        {
            "unit": uniform((5,), low=-0.9, high=0.9),
            "near its edge": uniform((4,), low=0.9999, high=0.99999),
        },
    ),
    (
        "arccos",
        np.arccos,
        lambda x: -1 / np.sqrt((1 - x) * (1 + x)),
        {"unit": uniform((5,), low=-0.9, high=0.9)},
    ),
    (
        "arctan",
        np.arctan,
        lambda x: 1 / (1 + x * x),
        {"unit": N, "mixed": spread((8,), low=-8, high=4)},
    ),
    ("arctanh", np.arctanh, lambda x: 1 / (1 - x * x), {"unit": uniform((5,), low=-0.9, high=0.9)}),
    (
        "arccosh",
        np.arccosh,
        lambda x: 1 / np.sqrt((x - 1) * (x + 1)),
        {
            "unit": uniform((5,), low=1.5, high=9),
            "near its edge": uniform((4,), low=1.0001, high=1.001),
        },
    ),
    ("arcsinh", np.arcsinh, lambda x: 1 / np.hypot(x, 1), {"unit": N, "mixed": MIXED}),
    ("sinh", np.sinh, np.cosh, {"unit": N}),
    ("cosh", np.cosh, np.sinh, {"unit": N, "near its bottom": TINY}),
    (
        "gaussian",
        lambda x: np.exp(-x * x),
        lambda x: -2 * x * np.exp(-x * x),
        {"unit": N, "tail": uniform((4,), low=3, high=6)},
    ),
    (
        "sinc",
        lambda x: np.sin(x) / x,
        lambda x: np.cos(x) / x - np.sin(x) / x**2,
        {"unit": POSITIVE},
    ),
    (
        "x log x",
        lambda x: x * np.log(x),
        lambda x: np.log(x) + 1,
        {"unit": POSITIVE, "mixed": spread((8,), low=-8, high=4)},
    ),
    ("erf", erf, lambda x: 2 / np.sqrt(PI).astype(x.dtype) * np.exp(-x * x), {"unit": N}),
    (
        "lgamma",
        lgamma,
        digamma,
        {"unit": uniform((6,), low=0.3, high=6), "wide": uniform((4,), low=20, high=90)},
    ),
    ("oscillating", lambda x: np.sin(50 * x), lambda x: 50 * np.cos(50 * x), {"unit": N}),
    (
        "fast oscillating",
        lambda x: np.sin(1e4 * x),
        lambda x: 1e4 * np.cos(1e4 * x),
        {"unit": normal((5,))},
    ),
    (
        "chirp",
        lambda x: np.sin(x * x),
        lambda x: 2 * x * np.cos(x * x),
        {"far": uniform((5,), low=30, high=40)},
    ),
    (
        "sin 1/x",
        lambda x: np.sin(1 / x),
        lambda x: -np.cos(1 / x) / x**2,
        {"near zero": uniform((5,), low=0.01, high=0.03)},
    ),
    (
        "steep exponential",
        lambda x: np.exp(60 * x),
        lambda x: 60 * np.exp(60 * x),
        {"unit": normal((5,))},
    ),
    (
        "narrow bump",
        lambda x: 1 / (1 + 1e8 * (x - 0.5) ** 2),
        lambda x: -2e8 * (x - 0.5) / (1 + 1e8 * (x - 0.5) ** 2) ** 2,
        {"on it": normal((5,), shift=0.5, scale=1e-4)},
    ),
    ("offset 1e6", lambda x: np.sin(x) + 1e6, np.cos, {"unit": N}),
    ("offset 1e9", lambda x: np.exp(x) + 1e9, np.exp, {"unit": normal((5,))}),
    (
        "far from zero",
        lambda x: (x - 1e6) ** 3,
        lambda x: 3 * (x - 1e6) ** 2,
        {"far": normal((5,), shift=1e6)},
    ),
    (
        "cancelling cosine",
        lambda x: 1 - np.cos(x),
        np.sin,
        {"small": spread((5,), low=-3, high=-2)},
    ),
    (
        "cancelling root",
        lambda x: np.sqrt(x * x + 1) - x,
        lambda x: x / np.sqrt(x * x + 1) - 1,
        {"small": uniform((5,), low=0, high=3)},
    ),
    (
        "expanded square",
        lambda x: x * x - 2 * x + 1,
        lambda x: 2 * x - 2,
        {"near its root": normal((5,), shift=1, scale=0.01)},
    ),
    (
        "expanded power",
        lambda x: x**4 - 4 * x**3 + 6 * x**2 - 4 * x + 1,
        lambda x: 4 * (x - 1) ** 3,
        {"unit": normal((5,))},
    ),
    ("constant", lambda x: 0 * x + 3.0, lambda x: 0 * x, {"unit": normal((4,))}),
    (
        "identity",
        lambda x: x * 1.0,
        np.ones_like,
        {"unit": N, "mixed": MIXED, "zero": of([0.0, 0.0, 0.0])},
    ),
    ("affine", lambda x: 3 * x - 2, lambda x: 0 * x + 3, {"unit": N, "mixed": MIXED, "huge": HUGE}),
    (
        "x |x|",
        lambda x: x * np.abs(x),
        lambda x: 2 * np.abs(x),
        {"smooth at zero": of([0.0, 1.0, -2.0])},
    ),
    (
        "square of relu",
        lambda x: np.maximum(x, 0) ** 2,
        lambda x: 2 * np.maximum(x, 0),
        {"smooth at zero": of([0.0, 1.0, -2.0])},
    ),
    (
        "huber",
        lambda x: np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5),
        lambda x: np.clip(x, -1, 1),
        {"at its joint": of([1.0, -1.0, 0.3, 2.0]), "unit": N},
    ),
    (
        "smooth step",
        smooth_step,
        lambda x: np.where((x > 0) & (x < 1), 6 * x * (1 - x), 0),
        {"at its joints": of([0.0, 1.0, 0.4])},
    ),
    (
        "log cosh",
        lambda x: np.logaddexp(x, -x) - float(np.log(2)),
        np.tanh,
        {"unit": N, "far": uniform((5,), low=5, high=50)},
    ),
    (
        "rational",
        lambda x: (x**2 + 1) / (x**2 - 4),
        lambda x: -10 * x / (x**2 - 4) ** 2,
        {"unit": uniform((5,), low=-1.5, high=1.5)},
    ),
    ("horner", lambda x: ((2 * x - 3) * x + 1) * x - 7, lambda x: (6 * x - 6) * x + 1, {"unit": N}),
]

WRONG: dict[str, dict[str, Any]] = {
    "gelu": {
        "dropped term": lambda g, x: (g * 0.5 * (1 + erf(x * 0.5**0.5)),),
        "approximate constant": lambda g, x: (g * d_gelu_tanh(x),),
    },
    "gelu tanh": {
        "approximate constant": lambda g, x: (g * (d_gelu_tanh(x) + 0.002 * x * np.exp(-x * x)),)
    },
    "silu": {"dropped term": lambda g, x: (g * sigmoid(x),)},
    "mish": {"dropped term": lambda g, x: (g * np.tanh(np.logaddexp(x, 0)),)},
    "exp2": {
        "approximate constant": lambda g, x: (g * 0.693 * np.exp2(x),),
        "forgotten constant": lambda g, x: (g * np.exp2(x),),
    },
    "log10": {"forgotten constant": lambda g, x: (g / x,)},
    "x log x": {"dropped term": lambda g, x: (g * np.log(x),)},
    "lgamma": {"approximate constant": lambda g, x: (g * (np.log(x) - 0.5 / x),)},
    "tanh": {"wrong formula": lambda g, x: (g * (1 - np.tanh(x)),)},
    "sigmoid": {"wrong formula": lambda g, x: (g * sigmoid(x) * (1 - x),)},
    "leaky relu": {"wrong branch": lambda g, x: (g * np.where(x < 0, 1, 0.01),)},
    "elu": {"wrong branch": lambda g, x: (g * np.where(x < 0, 1, np.exp(-np.abs(x))),)},
    "sinc": {"dropped term": lambda g, x: (g * np.cos(x) / x,)},
    "arctan": {"wrong formula": lambda g, x: (g / np.sqrt(1 + x * x),)},
    "erf": {"forgotten constant": lambda g, x: (g * np.exp(-x * x),)},
    "relu": {"wrong formula": lambda g, x: (g * np.maximum(x, 0),)},
    "constant": {"wrong formula": lambda g, x: (g * (0 * x + 3),)},
}


def elementwise(f: Any, derivative: Any) -> tuple[Any, Any]:
    return f, lambda g, x: ((g * derivative(x)).astype(x.dtype),)


def scalars() -> list[Rule]:
    rules = []
    for name, f, derivative, draws in TABLE:
        for where, draw in draws.items():
            wrong = WRONG.get(name, {})
            rules.append(Rule(f"{name}, {where}", *elementwise(f, derivative), draw, wrong))
    return rules


SHAPES = {
    "0-d": ((), "sin exp tanh softplus gaussian"),
    "size 1": ((1,), "sin log square arctan"),
    "empty": ((0,), "sin square"),
    "empty matrix": ((2, 0, 3), "exp"),
    "four axes": ((2, 1, 3, 2), "tanh cos"),
    "300": ((300,), "sin tanh square"),
    "100000": ((100_000,), "sin exp silu square tanh"),
}
LOW = "sin exp tanh square softplus gaussian silu gelu reciprocal sigmoid"
LOW_DRAW = uniform((2, 3), low=0.3, high=1.5)


def shaped() -> list[Rule]:
    """The same functions of other shapes and in low precision."""
    table: dict[str, tuple[Any, Any]] = {
        name: elementwise(f, derivative) for name, f, derivative, _ in TABLE
    }
    rules = [
        Rule(f"{name}, {called}", *table[name], uniform(shape, low=0.3, high=1.5))
        for called, (shape, names) in SHAPES.items()
        for name in names.split()
    ]
    rules += [
        Rule(f"{name}, {dtype}", *table[name], cast(LOW_DRAW, dtype))
        for dtype in ("float32", "float16")
        for name in LOW.split()
    ]
    rules += [
        Rule(f"{name}, float32, {where}", *table[name], cast(draw, "float32"))
        for name, where, draw in [
            ("log", "mixed", spread((6,), low=-8, high=8)),
            ("sqrt", "mixed", spread((6,), low=-8, high=8)),
            ("relu", "mixed", spread((6,), low=-8, high=8, signed=True)),
            ("sin", "100000", uniform((100_000,), low=-3, high=3)),
            ("offset 1e6", "unit", normal((5,))),
        ]
    ]
    return rules + [
        insists(name, dtype, table)
        for name in ("sin", "tanh", "exp", "square")
        for dtype in ("float32", "float16")
    ]


def insists(name: str, dtype: str, table: dict[str, Any]) -> Rule:
    """A kernel that runs in one precision only, as compiled ones do."""
    f, vjp = table[name]

    def only(x):
        if x.dtype != dtype:
            raise TypeError(f"this kernel takes {dtype}, not {x.dtype}")
        return f(x)

    draw = cast(LOW_DRAW, dtype)
    return Rule(f"{name}, {dtype} kernel", only, vjp, draw, exact=f, exact_vjp=vjp)


def pair(name, f, a, b, draws, **wrong) -> list[Rule]:
    """A function of two broadcast arguments from its two partial derivatives."""

    def vjp(g, x, y):
        return fold(g * a(x, y), x.shape), fold(g * b(x, y), y.shape)

    return [Rule(f"{name}, {where}", f, vjp, draw, wrong) for where, draw in draws.items()]


S, R, C = (3, 4), (4,), (3, 1)
SAME, ROW, COLUMN, OUTER = (normal(*s) for s in ((S, S), (S, R), (C, S), (C, R)))
SCALAR = normal((), S)
BROADCAST = {"same shape": SAME, "row": ROW, "column": COLUMN, "outer": OUTER, "scalar": SCALAR}
SQUARE = {"square": normal((4, 4), (4,))}


def positives(*shapes: tuple[int, ...]) -> Draw:
    return uniform(*shapes, low=0.4, high=2.5)


def pairs() -> list[Rule]:
    def wrong_axis(g, x, y):
        return g * y, (g * x).sum(axis=1) if y.shape == (4,) else g * x

    def averaged(g, x, y):
        return fold(g * y, x.shape) * x.size / g.size, fold(g * x, y.shape) * y.size / g.size

    apart_pair = apart((2, 3, 4))
    return [
        *pair("add", np.add, lambda x, y: 1 + 0 * x, lambda x, y: 1 + 0 * y, BROADCAST),
        *pair("subtract", np.subtract, lambda x, y: 1 + 0 * x, lambda x, y: -1 + 0 * y, BROADCAST),
        *pair(
            "multiply", np.multiply, lambda x, y: y, lambda x, y: x, BROADCAST, averaged=averaged
        ),
        *pair(
            "multiply",
            np.multiply,
            lambda x, y: y,
            lambda x, y: x,
            SQUARE,
            **{"wrong axis": wrong_axis},
        ),
        *pair(
            "multiply",
            np.multiply,
            lambda x, y: y,
            lambda x, y: x,
            {"1e-8 by 1e8": both(normal((5,), scale=1e-8), normal((5,), scale=1e8))},
        ),
        *pair(
            "divide",
            np.divide,
            lambda x, y: 1 / y,
            lambda x, y: -x / y**2,
            {
                "row": both(normal(S), positives(R)),
                "tiny divisor": both(normal(R), spread(R, low=-8, high=-6)),
            },
        ),
        *pair(
            "power",
            np.power,
            lambda x, y: y * x ** (y - 1),
            lambda x, y: x**y * np.log(x),
            {
                "row": both(positives(S), normal(R)),
                "mixed": both(spread(R, low=-4, high=4), normal(R)),
            },
        ),
        *pair(
            "arctan2",
            np.arctan2,
            lambda x, y: y / (x**2 + y**2),
            lambda x, y: -x / (x**2 + y**2),
            {
                "row": both(positives(S), positives(R)),
                "tiny": both(spread(R, low=-8, high=-7), spread(R, low=-8, high=-7)),
            },
        ),
        *pair(
            "hypot",
            np.hypot,
            lambda x, y: x / np.hypot(x, y),
            lambda x, y: y / np.hypot(x, y),
            {"outer": both(positives(C), positives(R)), "mixed": both(MIXED, MIXED)},
        ),
        *pair(
            "logaddexp",
            np.logaddexp,
            lambda x, y: 1 / (1 + np.exp(y - x)),
            lambda x, y: 1 / (1 + np.exp(x - y)),
            {
                "row": ROW,
                "far apart": both(normal((4,), scale=20), normal((4,), scale=20)),
                "equal": of([1.0, 2.0], [1.0, 2.0]),
            },
        ),
        *pair(
            "maximum",
            np.maximum,
            lambda x, y: (x > y) * np.ones_like(x + y),
            lambda x, y: (y > x) * np.ones_like(x + y),
            {"same shape": lambda rng: tuple(apart_pair(rng)[0])},
        ),
        *pair(
            "minimum",
            np.minimum,
            lambda x, y: (x < y) * np.ones_like(x + y),
            lambda x, y: (y < x) * np.ones_like(x + y),
            {"same shape": lambda rng: tuple(apart_pair(rng)[0])},
        ),
        *pair(
            "xlogy",
            lambda x, y: x * np.log(y),
            lambda x, y: np.log(y) + 0 * x,
            lambda x, y: x / y,
            {"row": both(normal(S), positives(R))},
        ),
        *pair(
            "difference of squares",
            lambda x, y: x * x - y * y,
            lambda x, y: 2 * x,
            lambda x, y: -2 * y,
            {"nearly equal": lambda rng: (a := rng.normal(size=4), a + 1e-3 * rng.normal(size=4))},
        ),
        *pair(
            "squared distance",
            lambda x, y: (x - y) ** 2,
            lambda x, y: 2 * (x - y),
            lambda x, y: 2 * (y - x),
            {"row": ROW, "offset": normal(R, R, shift=1e5)},
        ),
    ]
