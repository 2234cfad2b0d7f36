"""Functions of PyTorch and JAX: right ones pass, wrong ones are named, nothing is changed."""

import importlib
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest

from minigrad.testing import check_vjp, from_jax, from_torch

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))


def optional(package):
    """A package, or None where it is not installed; what importing it warns of is not our own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(package)
        except ImportError:
            return None


torch: Any = optional("torch")
jax: Any = optional("jax")
needs_torch = pytest.mark.skipif(torch is None, reason="needs PyTorch")
needs_jax = pytest.mark.skipif(jax is None, reason="needs JAX")


class Pair(NamedTuple):
    left: object
    right: object


if torch is not None:

    class Scaled(torch.autograd.Function):  # type: ignore[misc]
        """x ** 2 * scale; wrong in the gradient of scale, which is not summed over rows."""

        @staticmethod
        def forward(ctx, x, scale):
            ctx.save_for_backward(x, scale)
            return x * x * scale

        @staticmethod
        def backward(ctx, g):
            x, scale = ctx.saved_tensors
            return 2 * g * x * scale, (g * x * x).mean(0)

    class Once(torch.autograd.Function):  # type: ignore[misc]
        """exp, whose rule leaves the graph."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x.exp())
            return x.exp()

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0].detach()


@needs_torch
@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("softmax over rows", 1), ("conv", 1), ("several outputs", 1), ("nested", 1),
        ("not used", 1), ("scalar", 1), ("not used", 2), ("scalar", 2),
    ],
)  # fmt: skip
def test_functions_of_torch_pass(name, order):
    F = torch.nn.functional
    cases: dict[str, Any] = {
        "softmax over rows": (lambda x: F.softmax(x, dim=1), [X]),
        "conv": (lambda x, w: F.conv1d(x, w), [X[None, :2, :3], RNG.normal(size=(1, 2, 2))]),
        "several outputs": (lambda x: (x.sin(), {"sum": x.sum(), "n": torch.tensor(3)}), [X]),
        "nested": (
            lambda d, n: d["w"][0] * d["w"][1].left.exp() * n,
            [{"w": [torch.tensor(X), Pair(X[0], 3)]}, 2.0],
        ),
        "not used": (lambda x, y: x * x.abs(), [X[0, :2], X[1, :2]]),
        "scalar": (lambda x: (x * x).sum(), [X[0]]),
    }
    f, inputs = cases[name]
    foreign = from_torch(f, *inputs, order=order)
    check_vjp(*foreign).raise_if_failed()
    assert foreign.inputs[0].dtype == np.float64


@needs_torch
def test_a_wrong_function_of_torch_is_named():
    report = check_vjp(*from_torch(lambda x, scale: Scaled.apply(x, scale), X, X[0]))
    assert report.verdict == "fail"
    assert report.cause == (
        "the gradient of scale is 1/3 of what it should be: a sum is treated as a mean"
    )
    x = torch.tensor(X[0], requires_grad=True)
    assert check_vjp(*from_torch(Once.apply, x))
    assert not check_vjp(*from_torch(Once.apply, x, order=2))
    assert x.grad is None


@needs_torch
def test_float32_of_torch_is_checked_in_float64():
    report = check_vjp(*from_torch(lambda x: x.tanh(), X.astype("f4")))
    assert report
    assert report.resolution < 1e-8


@needs_torch
def test_a_module_of_torch_is_checked_in_its_parameters_and_left_alone():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 5), torch.nn.BatchNorm1d(5), torch.nn.Tanh(), torch.nn.Linear(5, 2)
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = check_vjp(*from_torch(model, X.astype("f4")))
    assert report, report
    assert list(report.elements) == ["input", *[name for name, _ in model.named_parameters()]]
    labels = torch.tensor([0, 1, 1])
    x = torch.tensor(X)

    def loss():
        logits = model(x.float())  # in which alone it runs: the weights are not promoted
        return torch.nn.functional.cross_entropy(logits, labels)

    assert check_vjp(*from_torch(loss, params=model))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.dtype == torch.float32 for p in model.parameters())

    def detached():
        return loss() + (model[3].bias.detach() * model[3].bias).sum()

    report = check_vjp(*from_torch(detached, params=model))
    assert {finding.name for finding in report.findings} == {"3.bias"}
    model[0].weight.requires_grad_(False)
    assert "0.weight" not in check_vjp(*from_torch(loss, params=model)).elements


@needs_torch
def test_dropout_of_torch_is_told_to_be_random():
    report = check_vjp(*from_torch(torch.nn.Dropout(0.5), X))
    assert report.verdict == "inconclusive"
    assert "f is random" in report.cause


@needs_jax
@pytest.mark.parametrize(
    ("name", "order"), [("softmax", 1), ("pytree", 1), ("several outputs", 1), ("softmax", 2)]
)
def test_functions_of_jax_pass(name, order):
    jnp = jax.numpy
    cases: dict[str, Any] = {
        "softmax": (jax.nn.softmax, [X[0, :2]]),
        "pytree": (
            lambda params, x, n: jnp.tanh(x @ params["w"] + params["b"]) * n,
            [{"w": jnp.asarray(X[:2, :1], "float32"), "b": X[0, :1]}, X[:1, :2], 3],
        ),
        "several outputs": (lambda x: (jnp.sin(x), {"sum": jnp.sum(x), "n": jnp.array(3)}), [X[0]]),
    }
    f, inputs = cases[name]
    foreign = from_jax(f, *inputs, order=order)
    report = check_vjp(*foreign)
    report.raise_if_failed()
    if name == "pytree":
        assert set(report.elements) == {"params['b']", "params['w']", "x"}


@needs_jax
def test_a_wrong_rule_of_jax_is_named_and_64_bits_are_switched_back():
    @jax.custom_vjp
    def cubed(x):
        return x**3

    cubed.defvjp(lambda x: (x**3, x), lambda x, g: (3 * g * x,))
    before = jax.config.jax_enable_x64
    report = check_vjp(*from_jax(lambda x: cubed(x), X[0]))
    assert report.cause == "in the gradient of x a factor x is missing"
    assert jax.config.jax_enable_x64 == before
    assert check_vjp(*from_jax(jax.nn.relu, X[0])).resolution < 1e-6
