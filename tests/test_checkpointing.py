"""checkpoint: the same values and gradients of any order, less memory, the same draws."""

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import MutationError, NotDifferentiable
from minigrad.random import fork, generator

RNG = np.random.default_rng(2)
X = RNG.normal(size=(5, 4))


def close(a, b, rtol=1e-12):
    np.testing.assert_allclose(a.numpy() if hasattr(a, "numpy") else a, b, rtol=rtol, atol=1e-13)


def model():
    mg.seed(1)
    return mg.nn.Sequential(mg.nn.Linear(4, 8, dtype=float), mg.nn.Linear(8, 4, dtype=float))


def steps(f, net, h):
    """First and second order gradients of the input and of closed-over parameters."""
    x = mg.tensor(X, requires_grad=True)
    out = f(mg.sin(x) if h else x)
    (out * out).sum().backward(create_graph=True)
    first = [x.grad, *(p.grad for p in net.parameters())]
    for t in (x, *net.parameters()):
        t.grad = None
    sum((g * g).sum() for g in first).backward()
    second = [x.grad, *(p.grad for p in net.parameters())]
    for p in net.parameters():
        p.grad = None
    return [out, *first, *second]


@pytest.mark.parametrize("intermediate", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_values_and_gradients_of_two_orders_are_the_same(intermediate, nested):
    net = model()

    def f(x):
        return mg.tanh(net(x)) * x

    again = mg.checkpoint(f)
    if nested:
        inner = again
        again = mg.checkpoint(lambda x: inner(mg.exp(x) * 0.1) + inner(x))
        wanted = steps(lambda x: f(mg.exp(x) * 0.1) + f(x), net, intermediate)
    else:
        wanted = steps(f, net, intermediate)
    for got, want in zip(steps(again, net, intermediate), wanted, strict=True):
        close(got, want.numpy())


def test_closed_over_results_and_a_module_itself():
    net, w = model(), mg.tensor(X[0], requires_grad=True)
    h = mg.exp(w)
    (mg.checkpoint(lambda x: net(x) * h)(X) * h).sum().backward()
    got = w.grad
    w.zero_grad()
    h = mg.exp(w)
    (net(X) * h * h).sum().backward()
    assert w.grad is not None
    close(got, w.grad.numpy())
    x = mg.tensor(X, requires_grad=True)
    close(
        mg.grad(lambda x: mg.checkpoint(net)(x).sum())(X),
        mg.grad(lambda x: net(x).sum())(X).numpy(),
    )
    out = mg.checkpoint(net)(x)
    assert out.node.primitive.name == "checkpoint"
    assert len(out.node.parents) == 5


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x * x).sum(),
        lambda x: x @ x,
        lambda x: mg.einsum("i,ij,j", x, X[:4, :4], x),
        lambda x: mg.concatenate([x, x]).prod(),
        lambda x: (x * x + mg.checkpoint(lambda y: y * y)(x)).sum(),
    ],
)
def test_an_input_that_one_op_takes_twice(f):
    close(mg.grad(mg.checkpoint(f))(X[0]), mg.grad(f)(X[0]).numpy())
    close(mg.hessian(mg.checkpoint(f))(X[0]), mg.hessian(f)(X[0]).numpy())
    w = mg.tensor(X[0], requires_grad=True)

    def closed(x):
        return f(x) * (w * w).sum()

    close(mg.grad(mg.checkpoint(closed))(X[1]), mg.grad(closed)(X[1]).numpy())


def test_several_nested_results_of_several_dtypes():
    def f(x, scale=1.0):
        return {"a": mg.sin(x) * scale, "b": (mg.exp(x).astype(np.float32), x.argmax()), "c": None}

    def head(f):
        def value(x):
            out = f(x, scale=2.0)
            return (out["a"] * 3.0).sum() + (out["b"][0] ** 2.0).sum()

        return value

    out = mg.checkpoint(f)(mg.tensor(X, requires_grad=True))
    assert out["b"][0].dtype == np.float32
    assert out["b"][1].item() == X.argmax()
    assert out["c"] is None
    close(mg.grad(head(mg.checkpoint(f)))(X), mg.grad(head(f))(X).numpy(), rtol=1e-6)
    assert mg.grad(lambda x: mg.checkpoint(f)(x)["a"].sum())(X).shape == X.shape


def test_every_derivative_passes_through():
    f = lambda x: mg.sin(x) * x.sum()  # noqa: E731
    again = mg.checkpoint(f)
    for mode in ("reverse", "forward"):
        close(mg.jacobian(again, mode=mode)(X[0]), mg.jacobian(f)(X[0]).numpy())
    close(mg.jvp(again, [X], [X])[1], mg.jvp(f, [X], [X])[1].numpy())
    close(mg.vjp(again, X)[1](X)[0], mg.vjp(f, X)[1](X)[0].numpy())
    energy = lambda x: f(x).prod()  # noqa: E731
    close(mg.hessian(mg.checkpoint(energy))(X[0]), mg.hessian(energy)(X[0]).numpy(), rtol=1e-10)
    close(mg.hvp(mg.checkpoint(energy), X[0], X[1]), mg.hvp(energy, X[0], X[1]).numpy(), rtol=1e-10)
    close(mg.vmap(mg.grad(mg.checkpoint(energy)))(X), mg.vmap(mg.grad(energy))(X).numpy())
    close(mg.vmap(again)(X), mg.vmap(f)(X).numpy())
    fifth: Any = lambda x: x**5.0  # noqa: E731
    third = mg.grad(mg.grad(mg.grad(mg.checkpoint(fifth))))
    close(third(2.0), 240.0)
    assert mg.gradcheck(again, X, order=2).verdict == "pass"


def test_no_grad_and_constants_record_nothing():
    w = mg.tensor(X, requires_grad=True)
    with mg.no_grad():
        assert not mg.checkpoint(mg.sin)(w).requires_grad
    assert not mg.checkpoint(mg.sin)(X[0] * mg.tensor(1.0)).requires_grad
    sine: Any = np.sin
    assert isinstance(mg.checkpoint(sine)(X), np.ndarray)


# Draws


def noisy(x):
    return mg.dropout(mg.exp(x), 0.5) * mg.dropout(x, 0.3)


def test_random_draws_are_made_again():
    mg.seed(4)
    wanted = mg.grad(lambda x: noisy(x).sum())(X).numpy()
    mg.seed(4)
    got = mg.grad(lambda x: mg.checkpoint(noisy)(x).sum())(X)
    np.testing.assert_array_equal(got, wanted)
    after = generator().random()
    mg.seed(4)
    noisy(X)
    assert generator().random() == after  # the stream moved once


def test_the_stream_may_be_reseeded_or_forked_between():
    mg.seed(4)
    wanted = mg.grad(lambda x: noisy(x).sum())(X).numpy()
    x = mg.tensor(X, requires_grad=True)
    mg.seed(4)
    out = mg.checkpoint(noisy)(x)
    mg.seed(9)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, wanted)
    x.zero_grad()
    with fork(3):
        wanted = mg.grad(lambda x: noisy(x).sum())(X).numpy()
    with fork(3):
        out = mg.checkpoint(noisy)(x)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, wanted)


def test_a_given_generator_is_set_back_and_then_left_where_it_was():
    own = np.random.default_rng(0)
    f = lambda x: mg.dropout(x, 0.5, rng=own)  # noqa: E731
    x = mg.tensor(np.ones(50), requires_grad=True)
    out = mg.checkpoint(f)(x)
    before = own.bit_generator.state
    out.sum().backward()
    assert own.bit_generator.state == before
    np.testing.assert_array_equal(x.grad, out.numpy())


def test_draws_that_nobody_can_repeat_raise():
    own = np.random.default_rng(0)
    x = mg.tensor(np.ones(50), requires_grad=True)
    out = mg.checkpoint(lambda x: x * own.random(50))(x)
    with pytest.raises(NotDifferentiable, match="something else when it ran again"):
        out.sum().backward()


# State


def test_a_parameter_that_was_changed_between_raises():
    net = model()
    x = mg.tensor(X, requires_grad=True)
    out = mg.checkpoint(net)(x).sum()
    net.parameters()[0].data -= 1.0
    with pytest.raises(MutationError, match="changed since a checkpoint"):
        out.backward()
    out = mg.checkpoint(net)(x).sum()
    net.parameters()[0].data = np.zeros((4, 8))
    with pytest.raises(MutationError, match="changed since a checkpoint"):
        out.backward()


def test_buffers_keep_what_the_first_run_left():
    class Counted(mg.nn.Module):
        def __init__(self):
            self.calls = mg.nn.Buffer(np.zeros(1))

        def forward(self, x):
            self.calls.data = self.calls.data + 1.0
            return mg.sin(x)

    module = Counted()
    x = mg.tensor(X, requires_grad=True)
    out = mg.checkpoint(module)(x)
    out.sum().backward()
    assert module.calls.data == 1.0
    out = mg.checkpoint(module.forward)(x)
    out.sum().backward()
    assert module.calls.data == 2.0


def test_a_leaf_that_the_function_makes_and_keeps_gets_its_gradient():
    made: list[mg.Tensor] = []

    def lazy(x):
        if not made:
            made.append(mg.tensor(2.0, requires_grad=True))
        return x * made[0]

    mg.checkpoint(lazy)(mg.tensor(X, requires_grad=True)).sum().backward()
    close(made[0].grad, X.sum())


def test_scopes_and_failures_inside():
    x = mg.tensor(X, requires_grad=True)
    with mg.scope("block"):
        out = mg.checkpoint(lambda x: mg.sin(x))(x)
    assert out.node.scope.path == "block"
    with pytest.raises(ValueError, match="matmul"):
        mg.checkpoint(lambda x: x @ np.ones(7))(x)


# Memory


def deep(x):
    for _ in range(20):
        x = mg.sin(x)
    return x


def peak(f, x):
    gc.collect()
    tracemalloc.start()
    f(x).sum().backward()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / x.data.nbytes


def test_memory_is_that_of_one_segment():
    x = mg.tensor(np.ones(100_000), requires_grad=True)
    plain = peak(lambda x: deep(deep(deep(deep(x)))), x)
    again = mg.checkpoint(deep)
    saved = peak(lambda x: again(again(again(again(x)))), x)
    assert plain > 80.0  # one array for each of the 80 operations
    assert saved < 32.0  # twenty of a segment, four between, and the cotangents
    out = again(again(x))
    held = sum(len(node.kept or ()) for node in (out.node, out.node.parents[0]))
    assert held == 2


def test_nothing_is_left_for_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        x = mg.tensor(X, requires_grad=True)
        mg.checkpoint(noisy)(x).sum().backward()
        mg.checkpoint(noisy)(x)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not [g for g in gc.garbage if isinstance(g, mg.Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
