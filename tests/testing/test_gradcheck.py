"""Functions of Tensors and models: orders, names, precision, and everything put back."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import check_vjp, gradcheck

X = np.random.default_rng(0).normal(size=(3, 4))


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


def test_a_forgotten_mask_is_no_approximation():
    x, w = np.array([0.5, 2.0]), np.array([[1.0, 2.0, -1.0], [0.5, -1.0, 0.2]])

    def f(w):
        return np.maximum(x @ w, 0.0)  # two of three units are off

    assert check_vjp(f, lambda g, w: np.outer(x, g * (x @ w > 0)), [w]).verdict == "pass"
    # Right wherever the truth is not 0, and wrong by as much as it is large wherever it is.
    report = check_vjp(f, lambda g, w: np.outer(x, g), [w])
    assert report.verdict == "fail"
    assert "approximation" not in report.cause
    coarse = check_vjp(np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2) * (1 + 1e-5 * x), [x])
    assert "off by a relative 2e-05 at most: an approximation" in coarse.cause
