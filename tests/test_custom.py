"""custom_vjp: gradients written by hand, of any structure and order, and what wrong ones say."""

import functools

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import NotDifferentiable, RuleError, ShapeError

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))


def close(a, b, rtol=1e-12):
    np.testing.assert_allclose(a.numpy() if hasattr(a, "numpy") else a, b, rtol=rtol, atol=1e-13)


@mg.custom_vjp
def both(x, y):
    """A product, and a sine beside it."""
    return {"product": x * y, "sine": mg.sin(x)}


both.defvjp(
    lambda x, y: (both(x, y), (x, y)),
    lambda r, g: (g["product"] * r[1] + g["sine"] * mg.cos(r[0]), g["product"] * r[0]),
)


def used(x, y):
    out = both(x, y)
    return (out["product"] ** 2.0 + out["sine"]).sum()


def wanted(x, y):
    return ((x * y) ** 2.0 + mg.sin(x)).sum()


def test_gradients_of_several_inputs_and_outputs():
    for got, want in zip(mg.grad(used, (0, 1))(X, Y), mg.grad(wanted, (0, 1))(X, Y), strict=True):
        close(got, want.numpy())
    close(mg.grad(lambda x: both(x, Y)["sine"].sum())(X), np.cos(X))
    assert both.__doc__ == "A product, and a sine beside it."
    assert repr(both) == "<custom_vjp both(x, y)>"


def test_any_order_when_written_in_ops():
    for got, want in zip(mg.hvp(used, (X, Y), (Y, X)), mg.hvp(wanted, (X, Y), (Y, X)), strict=True):
        close(got, want.numpy())
    points = X[0], Y[0]
    rows = zip(mg.hessian(used, (0, 1))(*points), mg.hessian(wanted, (0, 1))(*points), strict=True)
    for got, want in rows:
        for g, w in zip(got, want, strict=True):
            close(g, w.numpy())
    cube = mg.custom_vjp(lambda x: x**3.0)
    cube.defvjp(lambda x: (x**3.0, x), lambda x, g: (g * 3.0 * x**2.0,))
    assert [
        round(float(f(2.0)), 9)
        for f in (cube, mg.grad(cube), mg.grad(mg.grad(cube)), mg.grad(mg.grad(mg.grad(cube))))
    ] == [8.0, 12.0, 12.0, 6.0]


def test_the_gradient_given_is_the_one_used_and_gradcheck_tells_a_wrong_one():
    assert mg.gradcheck(used, X, Y, order=2).verdict == "pass"
    wrong = mg.custom_vjp(mg.sin)
    wrong.defvjp(lambda x: (mg.sin(x), x), lambda x, g: (-g * mg.cos(x),))
    close(mg.grad(lambda x: wrong(x).sum())(X), -np.cos(X))
    report = mg.gradcheck(wrong, X)
    assert report.verdict == "fail"
    assert "sign" in report.cause


def test_every_derivative_and_vmap():
    f = lambda x: both(x, Y[0])["product"] * 2.0  # noqa: E731
    for mode in ("reverse", "forward"):
        close(mg.jacobian(f, mode=mode)(X[0]), np.diag(2.0 * Y[0]))
    close(mg.jvp(f, [X[0]], [X[1]])[1], 2.0 * Y[0] * X[1])
    got = mg.vmap(mg.grad(used, (0, 1)), in_axes=(0, None))(X, Y[0])
    want = mg.vmap(mg.grad(wanted, (0, 1)), in_axes=(0, None))(X, Y[0])
    for g, w in zip(got, want, strict=True):
        close(g, w.numpy())
    w = mg.tensor(Y[0], requires_grad=True)
    mg.vmap(lambda x: used(x, w))(X).sum().backward()
    close(w.grad, mg.grad(lambda y: wanted(X, y))(Y[0]).numpy())
    close(mg.vmap(lambda x: both(x, Y[0])["sine"])(X), np.sin(X))
    close(mg.grad(lambda x: mg.checkpoint(used)(x, Y))(X), mg.grad(wanted)(X, Y).numpy())


def test_static_arguments_come_first_in_bwd():
    @functools.partial(mg.custom_vjp, nondiff_argnums=(0, -1))
    def apply(function, x, times):
        return function(x) * times

    apply.defvjp(
        lambda function, x, times: (function(x) * times, x),
        lambda function, times, x, g: (g * function(x) * times,),
    )
    close(mg.grad(lambda x: apply(mg.exp, x, 3).sum())(X), 3.0 * np.exp(X))
    close(mg.grad(lambda x: apply(mg.exp, x, times=3).sum())(X), 3.0 * np.exp(X))
    with pytest.raises(NotDifferentiable, match="argument 2 is in nondiff_argnums"):
        mg.grad(lambda t: apply(mg.exp, X, t).sum())(2.0)
    decorated = mg.custom_vjp(nondiff_argnums=1)(lambda x, n: x * n)
    decorated.defvjp(lambda x, n: (x * n, None), lambda n, _, g: (g * n,))
    close(mg.grad(lambda x: decorated(x, 3).sum())(X), np.full_like(X, 3.0))
    beyond = mg.custom_vjp(lambda x: x, nondiff_argnums=(1,))
    beyond.defvjp(lambda x: (x, None), lambda _, g: (g,))
    with pytest.raises(ValueError, match="names argument 1, but 1 were given"):
        beyond(X)


def test_nested_arguments_integers_and_none():
    @mg.custom_vjp
    def pick(tree, labels):
        return tree["w"][labels] * tree["b"]

    def bwd(r, g):
        (w, b), labels = r
        return {"w": mg.scatter_add(g * b, w.shape, labels), "b": None}, None

    pick.defvjp(lambda t, i: (pick(t, i), ((t["w"], t["b"]), i)), bwd)
    labels = np.array([1, 0, 1])
    got = mg.grad(lambda t: pick(t, labels).sum())({"w": X[0], "b": np.array(2.0)})
    close(got["w"], [2.0, 4.0, 0.0, 0.0])
    close(got["b"], 0.0)


def test_a_gradient_in_plain_numpy_is_right_to_first_order():
    @mg.custom_vjp
    def clipped(x):
        return np.clip(x, -0.5, 0.5)

    clipped.defvjp(lambda x: (clipped(x), x.numpy()), lambda x, g: (g * (np.abs(x) < 1.0),))
    close(mg.grad(lambda x: clipped(x).sum())(X), (np.abs(X) < 1.0) * 1.0)


def test_float32_keeps_its_dtype_and_constants_record_nothing():
    double = mg.custom_vjp(lambda x: x * 2.0)
    double.defvjp(lambda x: (x * 2.0, None), lambda _, g: (g.astype(np.float64) * 2.0,))
    x = mg.tensor(X.astype(np.float32), requires_grad=True)
    double(x).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float32
    assert not double(mg.tensor(X)).requires_grad
    assert isinstance(double(X), np.ndarray)
    with mg.no_grad():
        assert not double(x).requires_grad


def test_bwd_runs_once_for_all_inputs():
    calls = []
    counted = mg.custom_vjp(lambda a, b, c: a * b * c)

    def bwd(r, g):
        calls.append(1)
        a, b, c = r
        return g * b * c, g * a * c, g * a * b

    counted.defvjp(lambda a, b, c: (a * b * c, (a, b, c)), bwd)
    mg.grad(lambda a, b, c: counted(a, b, c).sum(), (0, 1, 2))(X, X, X)
    assert len(calls) == 1


def test_as_a_method():
    class Scale:
        factor = 3.0

        @mg.custom_vjp
        def f(self, x):
            return x * self.factor

        f.defvjp(lambda self, x: (x * self.factor, None), lambda _, g: (None, g * 7.0))

    close(mg.grad(lambda x: Scale().f(x).sum())(X), np.full_like(X, 7.0))


MISTAKES = [
    (lambda r, g: g, RuleError, r"one cotangent for each argument, not Tensor: write \(g,\)"),
    (lambda r, g: (g,), RuleError, "returned 1 cotangents for 2 arguments"),
    (lambda r, g: (g, g, g), RuleError, "returned 3 cotangents for 2 arguments"),
    (lambda r, g: (g, g.sum()), ShapeError, r"shape \(\) for y of shape \(5, 4\)"),
    (lambda r, g: (g.T, g), ShapeError, r"shape \(4, 5\) for x of shape \(5, 4\)"),
]


@pytest.mark.parametrize(("bwd", "error", "said"), MISTAKES)
def test_wrong_cotangents_are_told_by_name(bwd, error, said):
    wrong = mg.custom_vjp(lambda x, y: x * y)
    wrong.defvjp(lambda x, y: (x * y, None), bwd)
    with pytest.raises(error, match=said):
        mg.grad(lambda x, y: wrong(x, y).sum(), (0, 1))(X, Y)


def test_what_is_missing_is_told():
    bare = mg.custom_vjp(mg.sin)
    with pytest.raises(RuleError, match=r"call \w+\.defvjp\(fwd, bwd\)"):
        bare(X)
    with pytest.raises(RuleError, match="bwd is a function, not None"):
        bare.defvjp(mg.sin, None)  # type: ignore[arg-type]
    single = mg.custom_vjp(lambda x: x)
    single.defvjp(lambda x: x, lambda _, g: (g,))
    with pytest.raises(RuleError, match="returns a pair"):
        mg.grad(lambda x: single(x).sum())(X)
    named = mg.custom_vjp(lambda x, *, scale: x * scale)
    named.defvjp(lambda x: (x, None), lambda _, g: (g,))
    with pytest.raises(TypeError, match="scale can't be passed"):
        named(X, scale=2.0)
