"""vmap: axes, nesting, composition with every derivative, and what it refuses."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad.batching import LEVELS, Batched
from minigrad.errors import NotDifferentiable, ShapeError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(5, 4))
W = RNG.normal(size=(4, 3))
Y = RNG.normal(size=(5, 3))


def close(a, b, rtol=1e-11):
    np.testing.assert_allclose(a.numpy() if hasattr(a, "numpy") else a, b, rtol=rtol, atol=1e-12)


def loss(p, x, y):
    return ((mg.tanh(x @ p["w"] + p["b"]) - y) ** 2.0).sum()


PARAMS = {"w": W, "b": np.ones(3)}


WRONG: Any = "some"

# Axes


def test_in_axes_and_out_axes_move_the_axis():
    close(mg.vmap(lambda x: x * 2.0)(X), X * 2.0)
    close(mg.vmap(lambda x: x * 2.0, in_axes=1)(X), X.T * 2.0)
    close(mg.vmap(lambda x: x * 2.0, in_axes=-1, out_axes=-1)(X), X * 2.0)
    close(mg.vmap(lambda x, y: x @ y, in_axes=(0, None))(X, W), X @ W)
    close(mg.vmap(lambda x, y: y @ x, in_axes=[None, 1])(X[:, 0], X), (X.T @ X)[0])


def test_keyword_arguments_are_mapped_over_their_first_axis():
    close(mg.vmap(lambda x, scale: x * scale)(X, scale=np.arange(5.0)), X * np.arange(5.0)[:, None])


class Pair(NamedTuple):
    left: object
    right: object


@dataclasses.dataclass(frozen=True)
class Point:
    x: object
    y: object


def test_nested_arguments_and_results():
    def f(tree):
        return {"sum": tree["a"] + tree["b"][0], "pair": Pair(tree["a"], tree["b"][1])}

    out = mg.vmap(f, in_axes=({"a": 0, "b": (1, None)},))({"a": X[:, 0], "b": (X.T, W)})
    close(out["sum"], X[:, :1] + X)
    close(out["pair"].left, X[:, 0])
    close(out["pair"].right, np.broadcast_to(W, (5, 4, 3)))
    assert isinstance(out["pair"], Pair)
    moved = mg.vmap(f, in_axes=({"a": 0, "b": (1, None)},), out_axes={"sum": 1, "pair": 0})
    close(moved({"a": X[:, 0], "b": (X.T, W)})["sum"], (X[:, :1] + X).T)
    point = mg.vmap(lambda p: Point(p.y, p.x.sum()))(Point(X, Y))
    assert isinstance(point, Point)
    close(point.x, Y)
    close(point.y, X.sum(axis=1))


def test_none_stays_none_and_what_does_not_differ_is_repeated():
    out = mg.vmap(lambda x: (x, None, 2.0, mg.tensor(W)))(X)
    assert out[1] is None
    close(out[2], np.full(5, 2.0))
    close(out[3], np.broadcast_to(W, (5, 4, 3)))
    shared = mg.vmap(lambda x: (x, mg.tensor(W)), out_axes=(0, None))(X)
    close(shared[1], W)


def test_no_example_at_all():
    none = np.empty((0, 4))
    assert mg.vmap(lambda x: mg.softmax(x) @ W)(none).shape == (0, 3)
    assert mg.vmap(lambda x: np.convolve(x, np.ones(2)))(none).shape == (0, 5)
    assert mg.vmap(lambda x: mg.tensor(W))(none).shape == (0, 4, 3)


def test_what_a_function_sees_of_an_example():
    def f(x):
        assert x.shape == (4,)
        assert (x.ndim, x.size, len(x), np.ndim(x), np.shape(x)) == (1, 4, 4, 1, (4,))
        assert x.dtype == np.float64
        assert repr(x) == "Batched(shape=(4,), dtype=float64, examples=5)"
        assert x.T.shape == (4,)
        assert not x.requires_grad
        assert [part.shape for part in x] == [()] * 4
        return x.detach().copy()

    close(mg.vmap(f)(X), X)
    assert LEVELS.get() == ()


MISTAKES = [
    (lambda: mg.vmap(mg.sin)(2.0), ShapeError, r"x of shape \(\) has no axis 0"),
    (lambda: mg.vmap(mg.sin, in_axes=2)(X), ShapeError, "no axis 2"),
    (
        lambda: mg.vmap(lambda x, y: x, in_axes=0)(X, W),
        ShapeError,
        "x axis 0 has 5, y axis 0 has 4",
    ),
    (
        lambda: mg.vmap(lambda p: p, in_axes=0)({"a": X, "b": [W]}),
        ShapeError,
        r"p\['a'\] axis 0 has 5, p\['b'\]\[0\] axis 0 has 4",
    ),
    (lambda: mg.vmap(mg.sin, in_axes=None)(X), ValueError, "maps no argument"),
    (lambda: mg.vmap(mg.add, in_axes=(0,))(X, X), ValueError, "1 entries, but 2 positional"),
    (lambda: mg.vmap(mg.sin, in_axes="0")(X), TypeError, "an int or None, not '0'"),
    (lambda: mg.vmap(mg.sin, in_axes=True)(X), TypeError, "an int or None, not True"),
    (
        lambda: mg.vmap(lambda p: p, in_axes=({"a": 0, "c": 0},))({"a": X, "b": X}),
        ValueError,
        "does not fit the dict",
    ),
    (lambda: mg.vmap(mg.sin, out_axes=2)(X[:, 0]), ShapeError, "out_axes 2 for a result of shape"),
    (lambda: mg.vmap(mg.sin, out_axes=None)(X), ValueError, "out_axes is None for a result that"),
    (lambda: mg.vmap(lambda x: "text")(X), TypeError, "returns arrays, not str"),
    (lambda: mg.vmap(mg.sin, randomness=WRONG), ValueError, "randomness is 'error' or 'same'"),
    (lambda: mg.vmap(lambda x: x.reshape(3))(X), ValueError, r"an example of shape \(4,\)"),
]


@pytest.mark.parametrize(("mistake", "error", "said"), MISTAKES)
def test_mistakes_are_told_with_names_and_shapes(mistake, error, said):
    with pytest.raises(error, match=said):
        mistake()
    assert LEVELS.get() == ()


# Python can't branch on what differs by example


@pytest.mark.parametrize(
    ("branch", "said"),
    [
        (lambda x: x if x > 0 else -x, "truth of a batched value differs"),
        (lambda x: abs(float(x)), r"float\(\) of a batched value"),
        (lambda x: int(x), r"int\(\) of a batched value"),
        (lambda x: [1.0, 2.0][x], "index of a list"),
        (lambda x: range(x), "nor a length"),
        (lambda x: 1.0 in x, "differs by example"),
        (lambda x: X[x.astype(int)], "array of a batched value|an index of a list"),
        (lambda x: np.asarray(x), "one array for each example"),
        (lambda x: x.item(), "item of a batched value"),
        (lambda x: x.numpy(), "numpy of a batched value"),
        (lambda x: x.backward(), "mg.grad inside vmap"),
        (lambda x: x.nothing, "no attribute 'nothing'"),
        (lambda x: len(x), "no axes"),
        (lambda x: mg.tensor(X)[0][x > 0.0], "selects a different number"),
    ],
)
def test_a_branch_on_what_differs_by_example_raises(branch, said):
    with pytest.raises((TypeError, AttributeError), match=said):
        mg.vmap(branch)(np.array([1.0, 0.0]))


def test_writing_into_an_array_raises():
    total = np.zeros(4)
    with pytest.raises(NotDifferentiable, match="one value for each example"):
        mg.vmap(lambda x: np.add(total, x, out=total))(X)
    assert not total.any()


def test_branches_on_shapes_and_on_shared_values_are_free():
    def f(x, n):
        return x * 2.0 if n > 1 and x.shape == (4,) else x

    close(mg.vmap(f, in_axes=(0, None))(X, 2), X * 2.0)


def test_a_value_that_leaves_its_vmap_is_of_no_use():
    kept = []

    def keep(x):
        kept.append(x)
        return x

    mg.vmap(keep)(X)
    assert isinstance(kept[0], Batched)
    with pytest.raises(NotDifferentiable, match="after its vmap had ended"):
        kept[0] + 1.0


# Nesting and derivatives


def test_nested_maps_give_a_kernel_matrix_and_its_gradient():
    def kernel(x, y):
        return mg.exp(-((x - y) ** 2.0).sum())

    both = mg.vmap(mg.vmap(kernel, in_axes=(None, 0)), in_axes=(0, None))
    apart = X[:, None] - X[None, :3]
    wanted = np.exp(-(apart**2).sum(-1))
    close(both(X, X[:3]), wanted)
    slopes = mg.vmap(mg.vmap(mg.grad(kernel), in_axes=(None, 0)), in_axes=(0, None))
    close(slopes(X, X[:3]), -2.0 * apart * wanted[..., None])


def test_a_map_in_a_map_over_another_axis():
    cube = RNG.normal(size=(2, 3, 4))
    close(mg.vmap(mg.vmap(mg.sum, in_axes=1), in_axes=0)(cube), cube.sum(axis=1))
    close(
        mg.vmap(mg.vmap(lambda x, y: x @ y), in_axes=(0, None))(cube, X[:3]),
        cube @ X[0] * 0 + np.einsum("bij,ij->bi", cube, X[:3]),
    )


def test_gradients_of_each_example():
    got = mg.vmap(mg.grad(loss), in_axes=(None, 0, 0))(PARAMS, X, Y)
    for i in range(5):
        wanted = mg.grad(loss)(PARAMS, X[i], Y[i])
        for name in PARAMS:
            close(got[name].numpy()[i], wanted[name].numpy())
    total = mg.grad(lambda p: mg.vmap(loss, in_axes=(None, 0, 0))(p, X, Y).sum())(PARAMS)
    close(total["w"], got["w"].numpy().sum(axis=0))


def test_gradients_of_each_example_of_a_module():
    model = mg.nn.Sequential(mg.nn.Linear(4, 6, dtype=float), mg.nn.Linear(6, 3, dtype=float))
    labels = np.array([0, 2, 1, 1, 0])

    def cost(model, x, label):
        return mg.cross_entropy(model(x), label)

    got = mg.vmap(mg.grad(cost), in_axes=(None, 0, 0))(model, X, labels)
    for i in range(5):
        wanted = mg.grad(cost)(model, X[i], labels[i])
        assert list(got) == list(wanted)
        for name, g in wanted.items():
            close(got[name].numpy()[i], g.numpy())
    assert all(p.grad is None for p in model.parameters())


def test_an_ensemble_of_modules_in_one():
    models = [mg.nn.Linear(4, 3, dtype=float) for _ in range(3)]
    stacked = mg.nn.Linear(4, 3, dtype=float)
    for name, _ in stacked.named_parameters():
        parts = [dict(m.named_parameters())[name].data for m in models]
        setattr(stacked, name, mg.nn.Parameter(np.stack(parts)))
    out = mg.vmap(lambda model, x: model(x), in_axes=(0, None))(stacked, X)
    close(out, np.stack([m(X).numpy() for m in models]))


def test_gradients_through_what_a_function_closes_over():
    w = mg.tensor(W, requires_grad=True)

    def penalty(norms):
        w.zero_grad()
        (norms**2.0).sum().backward()
        assert w.grad is not None
        return w.grad.numpy()

    def slope(x):
        return mg.grad(lambda x: mg.sin(x @ w).sum())(x)

    together = penalty(mg.vmap(slope)(X))
    one_by_one = penalty(mg.stack([slope(x) for x in X]))
    close(together, one_by_one)
    left = penalty(mg.vmap(lambda x: w.T @ x + np.multiply(w[0], x[0]))(X))
    close(left, penalty(mg.stack([w.T @ x + w[0] * x[0] for x in X])))


def test_jacobians_and_hessians_of_each_example_and_around():
    def f(x):
        return mg.sin(x) * x.sum()

    def energy(x):
        return mg.exp(x[0]) * mg.tanh(x).sum()

    for mode in ("reverse", "forward"):
        close(
            mg.vmap(mg.jacobian(f, mode=mode))(X),
            np.stack([mg.jacobian(f)(x).numpy() for x in X]),
        )
    close(mg.vmap(mg.hessian(energy))(X), np.stack([mg.hessian(energy)(x).numpy() for x in X]))
    products = mg.vmap(lambda x, v: mg.hvp(energy, x, v))(X, X[::-1].copy())
    close(
        products, np.stack([mg.hvp(energy, x, v).numpy() for x, v in zip(X, X[::-1], strict=True)])
    )
    pushed = mg.vmap(lambda x, v: mg.jvp(f, [x], [v])[1])(X, X)
    close(pushed, np.stack([mg.jvp(f, [x], [x])[1].numpy() for x in X]))
    around = mg.jacobian(mg.vmap(mg.grad(energy)))(X[:2]).numpy()
    for i in range(2):
        close(around[i, :, i], mg.hessian(energy)(X[i]).numpy())
        assert not around[i, :, 1 - i].any()


def test_a_pull_made_outside_and_one_made_inside():
    def f(x):
        return mg.sin(x) * x.sum()

    _, pull = mg.vjp(f, X[0])
    close(mg.vmap(pull)(np.eye(4))[0], mg.jacobian(f)(X[0]).numpy())

    def full(x):
        return mg.vmap(mg.vjp(f, x)[1])(np.eye(4))[0]

    close(mg.vmap(full)(X), np.stack([mg.jacobian(f)(x).numpy() for x in X]))
    kept = []

    def keep(x):
        kept.append(mg.vjp(f, x)[1])
        return x

    mg.vmap(keep)(X)
    with pytest.raises(mg.MinigradError, match="after the vmap had ended"):
        kept[0](np.ones(4))


def test_third_order_inside_and_outside():
    third = mg.grad(mg.grad(mg.grad(lambda x: x**4.0)))
    close(mg.vmap(third)(np.array([1.0, 2.0])), [24.0, 48.0])
    outside = mg.grad(lambda x: mg.vmap(mg.grad(mg.grad(lambda x: x**4.0)))(x).sum())
    close(outside(np.array([1.0, 2.0])), [24.0, 48.0])


def test_gradients_of_each_example_through_a_convolution():
    images, kernel = RNG.normal(size=(3, 1, 2, 6, 6)), RNG.normal(size=(4, 2, 3, 3))

    def f(kernel, image):
        return (mg.conv2d(image, kernel) ** 2.0).sum()

    got = mg.vmap(mg.grad(f), in_axes=(None, 0))(kernel, images)
    close(got, np.stack([mg.grad(f)(kernel, image).numpy() for image in images]))


def test_a_tensor_made_of_a_batched_value_is_that_value():
    close(mg.vmap(lambda x: mg.tensor(x) * 2.0)(X), X * 2.0)
    close(mg.vmap(lambda x: mg.tensor(x))(X), X)
    with pytest.raises(NotDifferentiable, match=r"with mg\.grad"):
        mg.vmap(lambda x: mg.tensor(x, requires_grad=True) * 2.0)(X)


def test_no_grad_inside_and_outside():
    w = mg.tensor(2.0, requires_grad=True)
    assert mg.vmap(lambda x: x * w)(X).requires_grad
    with mg.no_grad():
        assert not mg.vmap(lambda x: x * w)(X).requires_grad


# Draws


def test_draws_inside_are_refused_unless_all_may_be_the_same():
    with pytest.raises(ValueError, match="randomness='same'"):
        mg.vmap(lambda x: mg.dropout(x, 0.5))(X)
    same = mg.vmap(lambda x: mg.dropout(x, 0.5), randomness="same")(np.ones((5, 40))).numpy()
    assert (same == same[0]).all()
    assert 0 < (same[0] == 0).sum() < 40
    seeded = mg.vmap(lambda x: mg.dropout(x, 0.5, rng=0))(X).numpy()
    np.testing.assert_array_equal(seeded == 0, np.broadcast_to(seeded[0] == 0, (5, 4)))
    masks = RNG.random(X.shape) > 0.5
    close(mg.vmap(lambda x, mask: x * mask)(X, masks), X * masks)


def test_tensors_interpret_primitives_themselves_again_afterwards():
    from minigrad.tensor import record

    mg.vmap(mg.sin)(X)
    assert mg.Tensor.__primitive__ is record
