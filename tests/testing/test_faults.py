"""Right rules pass; planted faults are found and named."""

from typing import Any

import numpy as np
import pytest

from minigrad.testing import GradientError, check_vjp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))
SQUARE = RNG.normal(size=(3, 3))
POSITIVE = RNG.uniform(0.5, 2.0, 6)
MIXED = np.array([1e-8, -1e-4, 1.0, -1e4, 1e8])


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def pull_softmax(g, x):
    s = softmax(x)
    return s * (g - (g * s).sum(axis=-1, keepdims=True))


RIGHT: dict[str, Any] = {
    "sin": (np.sin, lambda g, x: g * np.cos(x), [X]),
    "square, mixed sizes": (np.square, lambda g, x: 2 * g * x, [MIXED]),
    "a norm, mixed sizes": (
        lambda x: np.sqrt(np.sum(x * x)),
        lambda g, x: g * x / np.sqrt(np.sum(x * x)),
        [MIXED],
    ),
    "relu summed, mixed sizes": (
        lambda x: np.maximum(x, 0).sum(),
        lambda g, x: g * (x > 0),
        [MIXED],
    ),
    "log, tiny and huge": (np.log, lambda g, x: g / x, [np.array([1e-300, 1e-8, 1.0, 1e8])]),
    "arcsin at its edge": (
        np.arcsin,
        lambda g, x: g / np.sqrt((1 - x) * (1 + x)),
        [np.array([1 - 1e-9, -1 + 1e-6, 0.2])],
    ),
    "tanh, saturated": (
        np.tanh,
        lambda g, x: g * (1 - np.tanh(x) ** 2),
        [np.array([-9.0, 12.0, 18.0, 25.0, 0.3])],
    ),
    "cancelling": (lambda x: (x + 1e8) - 1e8, lambda g, x: g * 1.0, [X]),
    "1 - cos, tiny": (
        lambda x: 1 - np.cos(x),
        lambda g, x: g * np.sin(x),
        [np.array([1e-8, 1e-4])],
    ),
    "steep": (
        lambda x: np.tanh(1e6 * (x - 0.5)),
        lambda g, x: g * 1e6 * (1 - np.tanh(1e6 * (x - 0.5)) ** 2),
        [np.array([0.5, 0.5 + 3e-7, 0.4])],
    ),
    "fast": (lambda x: np.sin(1e5 * x), lambda g, x: g * 1e5 * np.cos(1e5 * x), [X[0]]),
    "fast, of large inputs": (np.sin, lambda g, x: g * np.cos(x), [1e8 * X[0]]),
    "softmax of large inputs": (softmax, pull_softmax, [1e8 + X]),
    "1 - cos, tiny, of a few units in the last place": (
        lambda x: 1 - np.cos(x),
        lambda g, x: g * np.sin(x),
        [np.array([-1.4e-6, -2.1e-6, 1.5e-6])],
    ),
    "nearly tied": (
        lambda x: x.max(),
        lambda g, x: g * (x == x.max()),
        [np.array([1.0, 1.0 + 1e-7, 0.5, -0.3])],
    ),
    "many elements, sorted": (
        np.sort,
        lambda g, x: np.put_along_axis(z := np.zeros_like(x), np.argsort(x), g, 0) or z,  # type: ignore[func-returns-value]
        [RNG.normal(size=30_000)],
    ),
    "a large offset": (lambda x: x * x + 1e8, lambda g, x: 2 * g * x, [X]),
    "a kink that is near": (
        lambda x: np.maximum(x - 1, 0),
        lambda g, x: g * (x > 1),
        [np.array([1 + 1e-5, 1 - 1e-7, 3.0, -2.0])],
    ),
    "a flat inflection": (lambda x: x**3, lambda g, x: 3 * g * x * x, [np.array([0.0, 1.0])]),
    "smooth but not twice": (
        lambda x: x * abs(x),
        lambda g, x: 2 * g * abs(x),
        [np.array([0.0, 1])],
    ),
    "float32": (np.exp, lambda g, x: g * np.exp(x), [X.astype("f4")]),
    "float16": (lambda x: x * x, lambda g, x: g * x * 2, [X.astype("f2")]),
    "only in float32": (
        lambda x: np.exp(x.astype("f4")),
        lambda g, x: (g * np.exp(x.astype("f4"))).astype(x.dtype),
        [X.astype("f4")],
    ),
    "0-d": (lambda x: x**3, lambda g, x: 3 * g * x * x, [np.array(2.0)]),
    "nothing": (lambda x: x * 2, lambda g, x: g * 2, [np.zeros((0, 3))]),
    "constant": (lambda x: np.zeros(3), lambda g, x: np.zeros_like(x), [X]),
    "a step, between its jumps": (np.floor, lambda g, x: g * 0.0, [X]),
    "matmul": (lambda a, b: a @ b, lambda g, a, b: (g @ b.T, a.T @ g), [X.T.copy(), X]),
    "broadcast": (lambda a, b: a + b, lambda g, a, b: (g, g.sum(0)), [X, X[0]]),
    "softmax": (softmax, pull_softmax, [X]),
    "an integer input": (
        lambda i, x: x[i],
        lambda g, i, x: (None, np.bincount(i, g, len(x))),
        [np.array([0, 2, 2]), X[0]],
    ),
    "many elements": (np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), [RNG.normal(size=20_000)]),
    "many elements, one value": (
        lambda x: np.sum(x * x),
        lambda g, x: 2 * g * x,
        [RNG.normal(size=(200, 100))],
    ),
    "fortran order": (np.sin, lambda g, x: g * np.cos(x), [np.asfortranarray(X)]),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", RIGHT)
def test_right_rules_pass(name, seed):
    f, rule, inputs = RIGHT[name]
    report = check_vjp(f, rule, inputs, seed)
    report.raise_if_failed()
    assert report
    assert report.resolution < 1e-2
    size = sum(x.size for x in inputs)
    if 0 < size <= 256:
        assert report.evaluations <= 40 * max(size, 2)


def test_one_element_is_found_whatever_its_size_beside_the_others():
    x = 10.0 ** RNG.uniform(-8, 8, 20_000)
    x[777] = 1e-3

    for factor in (1.01, np.nan, np.inf):

        def spoiled(g, x, factor=factor):
            c = 2 * g * x
            c[777] *= factor
            return c

        report = check_vjp(np.square, spoiled, [x])
        assert report.verdict == "fail"
        assert report.worst is not None
        assert report.worst.index == (777,)


def test_an_element_at_the_edge_of_the_domain_is_not_let_go():
    x = 1.0 - np.array([3.7e-7, 1.6e-5, 1.4e-6, 1.3e-9, 6.2e-6])
    for k in range(5):

        def spoiled(g, x, k=k):
            c = -g / (1 - x)
            c[k] = 0.0
            return c

        assert check_vjp(lambda x: np.log1p(-x), spoiled, [x]).verdict == "fail"


def test_no_outputs_have_no_gradient():
    assert check_vjp(lambda x: x[:0], lambda g, x: np.zeros_like(x), [X])
    assert not check_vjp(lambda x: x[:0], lambda g, x: np.full_like(x, np.nan), [X])


def one_wrong(g, x):
    c = 2 * g * x
    c[777] *= 1.01
    return c


def relu_wrong_below(g, x):
    return np.where(x > 0, g, 0.1 * g)


WRONG: dict[str, Any] = {
    "sign": (np.sin, lambda g, x: -g * np.cos(x), [X], "the sign of the gradient of x is flipped"),
    "zero": (np.sin, lambda g, x: g * 0.0, [X], "the gradient of x is zero, but f depends on it"),
    "mean as sum": (
        np.mean,
        lambda g, x: np.full(x.shape, g),
        [X],
        "12 times too large: a mean is treated as a sum",
    ),
    "ddof": (
        lambda x: np.var(x, ddof=1),
        lambda g, x: 2 * g * (x - x.mean()) / x.size,
        [POSITIVE],
        "5/6 of what it should be: the degrees of freedom (ddof)",
    ),
    "factor": (np.square, lambda g, x: g * x, [X], "off by the constant factor 0.5"),
    "approximate constant": (
        np.exp,
        lambda g, x: g * np.exp(x) * (3.14159 / np.pi),
        [X],
        "off by a relative 8.4e-07 everywhere",
    ),
    "transposed": (
        lambda x: (x * SQUARE).sum(),
        lambda g, x: g * SQUARE.T,
        [SQUARE + 1],
        "the gradient of x is transposed",
    ),
    "reversed": (
        np.cumsum,
        lambda g, x: np.cumsum(g[::-1]),
        [POSITIVE],
        "is reversed along axis 0",
    ),
    "swapped": (
        lambda a, b: a * b**2,
        lambda g, a, b: (2 * g * a * b, g * b**2),
        [POSITIVE, POSITIVE + 1],
        "arguments are swapped",
    ),
    "unchanged": (np.exp, lambda g, x: g.copy(), [X], "is the incoming gradient, unchanged"),
    "missing fold": (
        lambda a, b: a + b,
        lambda g, a, b: (g, g),
        [X, X[0]],
        "shape (3, 4) for b of shape (4,): a broadcast was not summed",
    ),
    "missing factor": (
        lambda x: x**3,
        lambda g, x: 3 * g * x,
        [X],
        "a factor x is missing",
    ),
    "extra factor": (np.exp, lambda g, x: g * np.exp(x) ** 2, [X], "a factor f(x) is too many"),
    "below zero": (
        lambda x: np.maximum(x, 0),
        relu_wrong_below,
        [X],
        "wrong only where x < 0",
    ),
    "one element": (
        lambda x: x * np.arange(1.0, 7.0),
        lambda g, x: g * np.array([1.0, 2.0, 3.0, 4.001, 5.0, 6.0]),
        [POSITIVE],
        "wrong only at [3]",
    ),
    "one row": (
        lambda x: x * x,
        lambda g, x: 2 * g * x * np.array([[1.0], [1.5], [1.0]]),
        [X],
        "wrong only at index 1 of axis 0",
    ),
    "one of 100000": (
        lambda x: np.sum(x * x),
        one_wrong,
        [np.linspace(1.0, 2.0, 100_000)],
        "wrong only at [777]",
    ),
    "nan": (
        lambda x: x * x,
        lambda g, x: g * 2 * np.where(x == 0.0, np.nan, x),
        [np.array([0.0, 1.0])],
        "the rule gives nan for x where f is smooth",
    ),
    "float64 for float32": (
        np.exp,
        lambda g, x: g * np.exp(x.astype("f8")),
        [X.astype("f4")],
        "the rule returned float64 for x, which is float32",
    ),
    "wrong in float32 alone": (
        np.exp,
        lambda g, x: g * np.exp(x) * x.dtype.type(1.0 if x.dtype == "f8" else 1.01),
        [X.astype("f4")],
        "in float32 the rule is another than in float64",
    ),
    "clipped": (
        np.square,
        lambda g, x: 2 * x * np.clip(g, -10, 10),
        [X],
        "the rule is not linear in g",
    ),
    "random": (
        np.square,
        lambda g, x: 2 * x * g * (1 + 1e-3 * np.random.default_rng().random()),
        [X],
        "the rule is random or keeps state",
    ),
    "writes g": (
        np.negative,
        lambda g, x: np.negative(g, out=g),
        [X],
        "the rule writes into the cotangent it is given",
    ),
    "writes x": (
        np.negative,
        lambda g, x: (np.negative(g), x.fill(0.0))[0],
        [X],
        "the rule writes into x",
    ),
    "too few": (lambda a, b: a * b, lambda g, a, b: (g * b,), [X, X], "1 gradients for 2 inputs"),
    "raises": (np.sin, lambda g, x: g[99], [X], "the rule raised IndexError"),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", WRONG)
def test_planted_faults_are_found_and_named(name, seed):
    f, rule, inputs, cause = WRONG[name]
    report = check_vjp(f, rule, inputs, seed)
    assert report.verdict == "fail", report
    assert not report
    assert cause in report.cause
    with pytest.raises(GradientError) as raised:
        report.raise_if_failed()
    assert cause in " ".join(str(raised.value).split())
