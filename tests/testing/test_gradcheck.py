"""The checker checked: right rules pass, planted faults are found and named, kinks are no pass."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import (
    GradientError,
    InconclusiveCheck,
    NotDifferentiablePoint,
    check_vjp,
    gradcheck,
)

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
        assert report.evaluations <= 15 + 30 * size


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


KINKS: dict[str, Any] = {
    "abs": (np.abs, lambda g, x: g * np.sign(x), [0.0, 1.0, -2.0], "kink: slopes -1 and 1"),
    "relu": (lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0), [0.0, 1.0], "is between them"),
    "a weak kink": (
        lambda x: x * x + 1e-4 * np.abs(x - 2),
        lambda g, x: g * (2 * x + 1e-4 * np.sign(x - 2)),
        [2.0, 1.0],
        "kink",
    ),
    "a tie": (
        lambda x: x.max(),
        lambda g, x: g * (x == x.max()) / np.sum(x == x.max()),
        [1.0, 2.0, 2.0],
        "kink",
    ),
    "a jump": (np.floor, lambda g, x: g * 0.0, [1.0, 2.5], "jump"),
    "sign": (np.sign, lambda g, x: g * 0.0, [0.0, 2.5], "jump"),
    "a vertical tangent": (
        np.cbrt,
        lambda g, x: g / 3 / np.cbrt(np.where(x == 0, np.inf, x)) ** 2,
        [0.0, 1.0],
        "vertical tangent",
    ),
    "an edge": (np.sqrt, lambda g, x: g * 0.5 / np.sqrt(x), [0.0, 1.0], "edge of the domain"),
    "a cone": (
        lambda x: np.sqrt(np.sum(x * x)),
        lambda g, x: g * x / max(np.sqrt(np.sum(x * x)), 1e-300),
        [0.0, 0.0],
        "kink",
    ),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", KINKS)
def test_points_without_a_derivative_are_reported(name, seed):
    f, rule, x, note = KINKS[name]
    report = check_vjp(f, rule, [np.array(x)], seed)
    assert report.verdict == "not differentiable", report
    assert report.worst is not None
    assert report.worst.index in ((0,), (1,))
    assert note in report.worst.note
    with pytest.raises(NotDifferentiablePoint):
        report.raise_if_failed()


def test_a_kink_does_not_excuse_the_rest():
    report = check_vjp(np.abs, lambda g, x: g * np.where(x > 0, 1.0, -2.0), [np.array([0.0, -2.0])])
    assert report.verdict == "fail"
    nearby = check_vjp(np.abs, lambda g, x: g * 3.0 * np.sign(x), [np.array([0.0])])
    assert nearby.verdict == "fail"
    assert "at a generic point nearby" in " ".join(nearby.notes)


def test_one_kink_among_many_elements():
    x = RNG.normal(size=3000)
    x[7] = 0.0
    report = check_vjp(np.abs, lambda g, x: g * np.sign(x), [x])
    assert report.verdict == "not differentiable"
    assert report.worst is not None
    assert report.worst.where == "x[7]"


def test_where_f_is_not_finite_there_is_no_derivative():
    report = check_vjp(np.log, lambda g, x: g / x, [np.array([0.0, 1.0])])
    assert report.verdict == "not differentiable"


def test_what_noise_hides_is_not_a_pass():
    # The 1e-6 of x is below the rounding of 1e16, at any step for which x is x.
    report = check_vjp(
        lambda x: np.round(x * 1e3) / 1e3 + 0.3 * x, lambda g, x: g * 1.3, [np.array([0.7])]
    )
    assert not report


def test_a_random_function_is_refused():
    generator = np.random.default_rng()
    report = check_vjp(lambda x: x * generator.random(), lambda g, x: g, [X])
    assert report.verdict == "inconclusive"
    assert "pass it a seeded generator" in report.cause
    with pytest.raises(InconclusiveCheck):
        report.raise_if_failed()
    seeded = check_vjp(
        lambda x: x * np.random.default_rng(3).random(),
        lambda g, x: g * np.random.default_rng(3).random(),
        [X],
    )
    assert seeded


def test_a_function_that_writes_into_its_input_is_refused():
    report = check_vjp(lambda x: np.multiply(x, 2, out=x) * 1.0, lambda g, x: 2 * g, [X])
    assert "f writes into its input 0" in report.cause


def test_inputs_are_never_disturbed():
    x = X.copy()
    x.setflags(write=False)
    check_vjp(np.sin, lambda g, x: g * np.cos(x), [x])
    np.testing.assert_array_equal(x, X)
    with pytest.raises(ZeroDivisionError):
        check_vjp(lambda x: 1 / 0, lambda g, x: g, [x])


def test_the_cost_does_not_depend_on_the_size():
    calls = [
        check_vjp(np.sin, lambda g, x: g * np.cos(x), [np.linspace(0.1, 3, n)]).evaluations
        for n in (1_000, 100_000)
    ]
    assert calls[1] < calls[0] + 20
    assert max(calls) < 300


def test_wrong_use_is_said():
    with pytest.raises(TypeError, match=r"\[x\] for a single one"):
        check_vjp(np.sin, lambda g, x: g, X)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no input is floating"):
        check_vjp(np.sin, lambda g, x: g, [np.arange(3)])
    with pytest.raises(TypeError, match="nothing to differentiate"):
        gradcheck(lambda x: x, 3)
    with pytest.raises(TypeError, match="returns Tensors, not float"):
        gradcheck(lambda x: 1.0, 3.0)
    with pytest.raises(ValueError, match="order must be"):
        gradcheck(mg.exp, 3.0, order=0)


# Functions of Tensors


def test_orders():
    for order in (1, 2, 3):
        assert gradcheck(lambda x: mg.exp(x) * x, X[0, :2], order=order)
    assert gradcheck(lambda x: 3 * x, X[0], order=2)


@mg.primitive(np.exp, numpy=[], name="exp_with_a_constant_slope")
@mg.defvjp(x=lambda g, out: g * np.asarray(getattr(out, "data", out)))
def detached_exp(x, /):
    """An op whose rule leaves the graph: right once, wrong twice."""


def test_a_rule_that_reads_a_detached_array_is_right_once_and_wrong_twice():
    assert gradcheck(detached_exp, X[0])
    report = gradcheck(detached_exp, X[0], order=2)
    assert report.verdict == "fail"


def test_nested_arguments_are_named_by_their_path():
    tree = {"w": X, "rest": [1.5, (X[0], 3)]}

    def f(tree, scale):
        wrong = mg.stop_gradient(tree["rest"][1][0])
        return (tree["w"] * wrong).sum() * tree["rest"][0] * scale

    report = gradcheck(f, tree, 2.0)
    assert {finding.name for finding in report.findings} == {"tree['rest'][1][0]"}
    assert "the gradient of tree['rest'][1][0] is zero" in report.cause


class Model:
    """Two weights, as a module would hold them."""

    def __init__(self, dtype=np.float32):
        rng = np.random.default_rng(0)
        self.weights = {
            "encoder.weight": mg.Tensor(rng.normal(size=(4, 3)), True, dtype),
            "head.weight": mg.Tensor(rng.normal(size=(3, 2)), True, dtype),
        }

    def named_parameters(self):
        yield from self.weights.items()

    def __call__(self, x):
        return mg.tanh(x @ self.weights["encoder.weight"]) @ self.weights["head.weight"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [1, 2])
def test_a_model_is_checked_through_its_loss(dtype, order):
    model = Model(dtype)
    held = [(t, t.data, t.data.copy(), t.node) for t in model.weights.values()]
    x = X.astype(dtype)
    report = gradcheck(lambda: mg.square(model(mg.Tensor(x))).mean(), params=model, order=order)
    assert report
    assert report.checked == 18
    assert set(report.elements) == set(model.weights)
    for tensor, data, copied, node in held:
        assert tensor.data is data
        assert tensor.node is node
        assert tensor.grad is None
        np.testing.assert_array_equal(data, copied)


def test_a_fault_in_a_model_is_named_by_the_parameter():
    model = Model()
    head = model.weights["head.weight"]

    def loss(x):
        return (mg.tanh(x @ model.weights["encoder.weight"]) @ (0.5 * (head + head.detach()))).sum()

    report = gradcheck(loss, X.astype(np.float32), params=model)
    assert report.worst is not None
    assert report.worst.name == "head.weight"
    assert "head.weight is off by the constant factor 0.5" in report.cause


def test_parameters_come_back_when_the_loss_raises():
    model = Model()
    held = [(t, t.data, t.node) for t in model.weights.values()]

    def loss():
        raise KeyError("batch")

    with pytest.raises(KeyError):
        gradcheck(loss, params=model)
    for tensor, data, node in held:
        assert tensor.data is data
        assert tensor.node is node


def test_an_input_may_be_a_tensor_of_a_graph():
    x = mg.Tensor(X, requires_grad=True)
    assert gradcheck(mg.sin, x)
    assert gradcheck(mg.sin, x * 2.0)
    assert x.grad is None
