"""Transformations of functions: arguments of any nesting, modes, auxiliary results, any order."""

import dataclasses
import math
import time
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError

RNG = np.random.default_rng(7)
X = RNG.uniform(0.2, 1.0, 4)
M = RNG.normal(size=(3, 4))


def close(a, b, rtol=1e-11):
    np.testing.assert_allclose(a.numpy() if hasattr(a, "numpy") else a, b, rtol=rtol, atol=1e-12)


class Pair(NamedTuple):
    left: object
    right: object


@dataclasses.dataclass
class Affine:
    slope: object
    shift: object


def energy(x):
    return (mg.sin(x) * mg.exp(x[::-1])).sum() + x.prod()


# Arguments


def test_gradients_are_nested_as_arguments_are():
    def f(tree, affine):
        inside = tree["a"] * tree["b"][1] + tree["b"][0]
        return (inside * affine.slope + affine.shift).sum()

    tree, affine = {"a": X, "b": (X + 1.0, X + 2.0)}, Affine(X, 2.0)
    by_tree, by_affine = mg.grad(f, (0, 1))(tree, affine)
    close(by_tree["a"], (X + 2.0) * X)
    close(by_tree["b"][0], X)
    close(by_tree["b"][1], X * X)
    assert isinstance(by_affine, Affine)
    close(by_affine.slope, X * (X + 2.0) + X + 1.0)
    close(by_affine.shift, 4.0)
    pair = mg.grad(lambda p: (p.left * p.right).sum())(Pair(X, X + 1.0))
    assert isinstance(pair, Pair)
    close(pair.right, X)
    assert mg.grad(lambda t: (t[0] ** 2.0).sum())([X, None])[1] is None


def test_argnums_count_from_either_end():
    f = lambda a, b, c: (a * b**2.0 * c**3.0).sum()  # noqa: E731
    wanted = mg.grad(f, (0, 1, 2))(X, X, X)
    close(mg.grad(f, -1)(X, X, X), wanted[2].numpy())
    got = mg.grad(f, (-1, 0))(X, X, X)
    close(got[0], wanted[2].numpy())
    close(got[1], wanted[0].numpy())
    close(mg.jacobian(f, -2)(X, X, X), wanted[1].numpy())
    close(mg.hessian(f, -1)(X, X, X), np.diag(6.0 * X**4.0))
    with pytest.raises(ValueError, match="names argument 3, but 3"):
        mg.grad(f, 3)(X, X, X)
    with pytest.raises(ValueError, match="names argument -4"):
        mg.grad(f, -4)(X, X, X)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mg.grad(lambda n: n * 2.0)(3), "grad: argument 0 is of dtype int64"),
        (lambda: mg.grad(lambda x, n: x * n, 1)(1.0, 3), "argument 1 is of dtype int64"),
        (lambda: mg.grad(lambda p: p["x"])({"x": np.arange(3)}), r"argument 0\['x'\] is of dtype"),
        (lambda: mg.vjp(lambda x: x, np.array([True])), "vjp: argument 0 is of dtype bool"),
        (lambda: mg.jacobian(lambda x: x)(mg.tensor([1, 2])), "jacobian: argument 0 is of dtype"),
        (lambda: mg.jvp(lambda x: x, [3], [1.0]), "jvp: argument 0 is of dtype int64"),
        (lambda: mg.hessian(lambda x: x * x)(2), "only floating dtypes have gradients"),
        (lambda: mg.grad(lambda s: 1.0)("text"), "argument 0 is of dtype <U4"),
    ],
)
def test_what_is_not_floating_is_named(call, said):
    with pytest.raises(DTypeError, match=said):
        call()


def test_what_has_several_values_is_told_what_to_use():
    with pytest.raises(ShapeError, match=r"one value, not shape \(4,\): reduce it"):
        mg.grad(mg.sin)(X)
    with pytest.raises(TypeError, match="returns a Tensor, not float"):
        mg.grad(lambda x: 2.0)(X)


def test_what_nothing_depends_on_is_zero():
    for made in (
        mg.grad(lambda x, y: (y * y).sum())(X, mg.tensor(X)),
        mg.hvp(lambda x: x.sum(), X, X),
        mg.jvp(lambda x: mg.tensor(M), [X], [X])[1],
        mg.vjp(lambda x: mg.tensor(M), X)[1](np.ones((3, 4)))[0],
        *(mg.jacobian(lambda x: mg.tensor(M), mode=m)(X) for m in ("reverse", "forward", "auto")),
        mg.hessian(lambda x: x.sum())(X),
        mg.grad(lambda x: mg.stop_gradient(x).sum() + 0.0 * x.sum())(X),
    ):
        assert not made.numpy().any()


# has_aux


def test_auxiliary_results_come_along():
    def f(x):
        return (x**3.0).sum(), {"norm": x.sum(), "text": "as it is"}

    def g(x):
        return x**2.0, "aux"

    value, aux = mg.value_and_grad(f, has_aux=True)(X)[0]
    close(value, (X**3.0).sum())
    assert aux["text"] == "as it is"
    assert mg.grad(f, has_aux=True)(X)[1]["text"] == "as it is"
    out, pull, aux = mg.vjp(g, X, has_aux=True)
    close(out, X**2.0)
    close(pull(X)[0], 2.0 * X * X)
    assert aux == "aux"
    out, pushed, aux = mg.jvp(g, [X], [X], has_aux=True)
    close(pushed, 2.0 * X * X)
    assert aux == "aux"
    for mode in ("reverse", "forward", "auto"):
        jacobian, aux = mg.jacobian(g, has_aux=True, mode=mode)(X)
        close(jacobian, np.diag(2.0 * X))
        assert aux == "aux"
    hessian, aux = mg.hessian(f, has_aux=True)(X)
    close(hessian, np.diag(6.0 * X))
    close(aux["norm"], X.sum())
    for wrong in (mg.grad, mg.jacobian, mg.hessian):
        with pytest.raises(TypeError, match="has_aux=True needs"):
            wrong(lambda x: x.sum(), has_aux=True)(X)


# Modes and batches


def wide(x):
    return {"outer": mg.outer(x, mg.exp(x)), "sum": x.sum(), "pair": (x[0], x[1:] * x[:-1])}


def same(a, b):
    flat_a, flat_b = leaves(a), leaves(b)
    assert len(flat_a) == len(flat_b)
    for left, right in zip(flat_a, flat_b, strict=True):
        assert left.shape == right.shape
        close(left, right.numpy())


def leaves(tree):
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [x for part in tree for x in leaves(part)] if isinstance(tree, list | tuple) else [tree]


def test_forward_and_reverse_give_the_same_jacobian():
    by_rows = mg.jacobian(wide, mode="reverse")(X)
    by_columns = mg.jacobian(wide, mode="forward")(X)
    assert by_rows["outer"].shape == (4, 4, 4)
    same(by_rows, by_columns)
    same(by_rows, mg.jacobian(wide)(X))
    two = lambda p, y: {"y": p["a"] * y.sum(), "z": p["b"] @ y}  # noqa: E731
    arguments = {"a": X, "b": M}, X
    rows = mg.jacobian(two, (0, 1), mode="reverse")(*arguments)
    columns = mg.jacobian(two, (0, 1), mode="forward")(*arguments)
    assert rows["z"][0]["b"].shape == (3, 3, 4)
    same(rows, columns)
    with pytest.raises(ValueError, match="'auto', 'reverse' or 'forward'"):
        mg.jacobian(wide, mode="backward")  # type: ignore[arg-type]


def test_zero_sizes_in_both_modes():
    for mode in ("reverse", "forward"):
        assert mg.jacobian(lambda x: x[:0], mode=mode)(X).shape == (0, 4)
        assert mg.jacobian(lambda x: x.sum() * np.ones(2), mode=mode)(X[:0]).shape == (2, 0)


def test_a_jacobian_in_parts_is_the_whole(monkeypatch):
    from minigrad import calculus

    wanted = mg.jacobian(mg.sin)(X).numpy()
    for elements in (1, 5, 13):
        monkeypatch.setattr(calculus, "_TOGETHER", elements)
        close(mg.jacobian(mg.sin, mode="reverse")(X), wanted)
        close(mg.jacobian(mg.sin, mode="forward")(X), wanted)


def test_a_jacobian_is_nobody_elses_array():
    jacobian = mg.jacobian(lambda x: x * 1.0)(X).numpy()
    jacobian += 1.0
    close(mg.jacobian(lambda x: x * 1.0)(X), np.eye(4))


def test_many_rows_take_less_time_together():
    def f(x):
        for _ in range(5):
            x = mg.tanh(x * x[::-1] + 0.5)
        return x

    def seconds(work):
        best = math.inf
        for _ in range(3):
            start = time.perf_counter()
            work()
            best = min(best, time.perf_counter() - start)
        return best

    point = RNG.normal(size=60)
    _, pull = mg.vjp(f, point)
    one_by_one = seconds(lambda: [pull(unit) for unit in np.eye(60)])
    assert seconds(lambda: mg.jacobian(f)(point)) < one_by_one / 2.0
    close(mg.jacobian(f)(point), np.stack([pull(unit)[0].numpy() for unit in np.eye(60)]))


# Any order


def test_hessian_and_hvp_agree_with_each_other_and_the_closed_form():
    a = M.T @ M + M.T[:, :1]
    quadratic = lambda x: x @ a @ x  # noqa: E731
    close(mg.hessian(quadratic)(X), a + a.T)
    for v in np.eye(4):
        close(mg.hvp(quadratic, X, v), (a + a.T) @ v)
    hessian = mg.hessian(energy)(X).numpy()
    close(hessian, hessian.T)
    close(mg.vmap(lambda v: mg.hvp(energy, X, v))(np.eye(4)), hessian)
    close(mg.jacobian(mg.grad(energy), mode="forward")(X), hessian)
    diagonal = np.exp(X[::-1]) * -np.sin(X) + np.sin(X[::-1]) * np.exp(X)
    close(np.diag(hessian), diagonal)


def test_hvp_of_nested_and_several_arguments():
    f = lambda p, y: (p["a"] ** 2.0 * p["b"] * y).sum()  # noqa: E731
    p, y = {"a": X, "b": X + 1.0}, X + 2.0
    by_p, by_y = mg.hvp(f, (p, y), ({"a": X, "b": X}, X))
    a, b = p["a"], p["b"]
    close(by_p["a"], 2.0 * (b * y * X + a * y * X + a * b * X))
    close(by_p["b"], 2.0 * a * y * X + a * a * X)
    close(by_y, 2.0 * a * b * X + a * a * X)


@pytest.mark.parametrize("order", range(1, 7))
def test_jvp_of_any_order(order):
    f: Any = mg.sin
    for _ in range(order):
        f = (lambda g: lambda x: mg.jvp(g, [x], [np.ones(4)])[1])(f)
    close(f(X), np.sin(X + order * np.pi / 2), rtol=1e-9)


@pytest.mark.parametrize("order", range(1, 7))
def test_grad_of_any_order(order):
    f = lambda x: x**5.0 * mg.exp(x)  # noqa: E731
    for _ in range(order):
        f = mg.grad(f)
    falling = [math.perm(5, k) for k in range(6)]
    wanted = math.exp(0.7) * sum(
        math.comb(order, k) * falling[k] * 0.7 ** (5 - k) for k in range(min(order, 5) + 1)
    )
    close(f(0.7), wanted, rtol=1e-9)


def test_jvp_of_nested_results():
    out, pushed = mg.jvp(wide, [X], [np.ones(4)])
    close(out["sum"], X.sum())
    close(pushed["sum"], 4.0)
    close(pushed["pair"][1], X[1:] + X[:-1])
    _, pushed = mg.jvp(lambda x: (x, x.argmax()), [X], [X])
    assert pushed[1].numpy() == 0


def test_jacobians_of_a_module():
    layer = mg.nn.Linear(4, 2, dtype=float)
    jacobian = mg.jacobian(lambda m: m(X))(layer)
    close(jacobian["bias"], np.eye(2))
    close(jacobian["weight"], np.einsum("i,jk->jik", X, np.eye(2)))
    forward = mg.jacobian(lambda m: m(X), mode="forward")(layer)
    close(forward["weight"], jacobian["weight"].numpy())


def test_results_of_jacobians_are_differentiable_in_what_they_close_over():
    w = mg.tensor(X, requires_grad=True)
    for mode in ("reverse", "forward"):
        w.zero_grad()
        jacobian = mg.jacobian(lambda x: mg.sin(x * w), mode=mode)(X)
        (jacobian**2.0).sum().backward()
        cos, sin = np.cos(X * X), np.sin(X * X)
        close(w.grad, 2.0 * X * cos * (cos - X * X * sin))
