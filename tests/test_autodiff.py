"""Gradients: what backward adds up, and the calculus against closed forms and against itself."""

from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.errors import BackwardError, DTypeError, MutationError, ShapeError
from minigrad.graph import RECORDING
from minigrad.primitive import REGISTRY

X = np.array([0.3, -1.2, 2.5])
M = np.array([[2.0, 0.5, -1.0], [0.5, 1.0, 0.3], [-1.0, 0.3, 3.0]])


def leaf(value):
    return mg.Tensor(value, requires_grad=True)


def differences(f, x, step=1e-6):
    """The gradient of a function of arrays with one value, by central differences."""
    found = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        found[i] = (float(f(up)) - float(f(down))) / (2 * step)
    return found


# backward


def test_gradients_accumulate_until_forgotten():
    w = leaf(X)
    for n in (1, 2, 3):
        (w * 2.0).sum().backward()
        np.testing.assert_array_equal(w.grad.data, [2.0 * n] * 3)
    w.zero_grad()
    (w * 2.0).sum().backward()
    np.testing.assert_array_equal(w.grad.data, [2.0] * 3)


def test_accumulating_leaves_the_earlier_gradient_object_alone():
    w = leaf(X)
    w.sum().backward()
    first = w.grad
    w.sum().backward()
    assert first.tolist() == [1.0] * 3
    assert w.grad.tolist() == [2.0] * 3


def test_a_tensor_used_twice_gets_both_cotangents():
    w = leaf(X)
    (w * w + w).sum().backward()
    np.testing.assert_allclose(w.grad.data, 2 * X + 1)


def test_a_diamond_visits_its_bottom_once():
    w = leaf(X)
    bottom = w * 1.0
    visits = []
    bottom.register_hook(lambda g: visits.append(g.tolist()))
    (bottom * 2.0 + bottom * 3.0).sum().backward()
    assert visits == [[5.0] * 3]
    assert w.grad.tolist() == [5.0] * 3


def test_a_matrix_times_its_own_transpose():
    x = leaf(M[:2])
    g = np.array([[1.0, 2.0], [3.0, 4.0]])
    (x @ x.T).backward(g)
    np.testing.assert_allclose(x.grad.data, (g + g.T) @ M[:2])


def test_broadcasting_is_undone_for_each_input():
    a, b, c = leaf(np.ones((2, 1))), leaf(np.ones(3)), leaf(2.0)
    (a * b * c).sum().backward()
    assert a.grad.tolist() == [[6.0], [6.0]]
    assert b.grad.tolist() == [4.0, 4.0, 4.0]
    assert c.grad.tolist() == 6.0


def test_a_second_walk_needs_retain_graph_and_doubles_exactly():
    w, v = leaf(X), leaf(M)
    loss = (mg.tanh(v @ w) * w).sum()
    loss.backward(retain_graph=True)
    once = w.grad.data.copy(), v.grad.data.copy()
    loss.backward()
    np.testing.assert_array_equal(w.grad.data, 2 * once[0])
    np.testing.assert_array_equal(v.grad.data, 2 * once[1])
    with pytest.raises(BackwardError, match=r"walked before .* retain_graph=True"):
        loss.backward()
    np.testing.assert_array_equal(w.grad.data, 2 * once[0])


def test_a_released_part_says_so_also_to_another_output():
    w = leaf(X)
    h = w * w
    h.sum().backward()
    with pytest.raises(BackwardError, match=r"the graph of <node \d+ multiply \(3,\)> was walked"):
        (h * 2.0).sum().backward()


def test_backward_of_what_was_not_recorded():
    for t in (mg.Tensor(1.0), mg.Tensor(1.0) * 2.0, leaf(1.0).detach()):
        with pytest.raises(BackwardError, match="requires no gradient"):
            t.backward()


def test_backward_of_several_elements_needs_a_cotangent_that_fits():
    y = leaf(X) * 2.0
    with pytest.raises(BackwardError, match=r"shape \(3,\) needs gradient=.*loss\.sum\(\)"):
        y.backward()
    for wrong in (1.0, [1.0], np.ones((3, 1)), mg.Tensor([1.0, 2.0])):
        with pytest.raises(ShapeError, match="gradient of shape"):
            y.backward(wrong)


@pytest.mark.parametrize("kind", [list, np.array, mg.Tensor, lambda g: np.array(g, np.float32)])
def test_a_cotangent_may_be_anything_that_is_an_array(kind):
    w = leaf(X)
    (w * 2.0).backward(kind([1.0, 2.0, 3.0]))
    assert (w.grad.tolist(), w.grad.dtype) == ([2.0, 4.0, 6.0], np.dtype(np.float64))


def test_one_element_of_any_shape_is_a_loss():
    w = leaf(np.array([[3.0]]))
    (w * w).backward()
    assert w.grad.tolist() == [[6.0]]


def test_backward_of_a_leaf_and_of_zero_elements():
    w, none = leaf(2.0), leaf(np.zeros((0, 3)))
    w.backward()
    assert w.grad.item() == 1.0
    (none * 2.0).sum().backward()
    assert none.grad.shape == (0, 3)


def test_create_graph_to_third_order():
    x = leaf(0.7)
    g, orders = mg.sin(x) * x, []
    for _ in range(3):
        x.zero_grad()
        g.backward(create_graph=True)
        g = x.grad
        orders.append(g.item())
    s, c = np.sin(0.7), np.cos(0.7)
    np.testing.assert_allclose(orders, [s + 0.7 * c, 2 * c - 0.7 * s, -3 * s - 0.7 * c])


def test_a_failure_in_a_rule_names_the_node_and_leaves_recording_on():
    @mg.primitive(name="failing")
    @mg.defvjp(x=lambda g: g @ g)
    def failing(x, /):
        return np.array(x)

    try:
        with pytest.raises(ValueError, match="matmul") as caught:
            failing(leaf(np.ones((2, 3)))).sum().backward()
        assert "in the gradient rule of <node" in caught.value.__notes__[-1]
        assert RECORDING.get()
    finally:
        del REGISTRY["failing"]


# grad and value_and_grad


def test_grad_touches_no_grad_attribute():
    w, x = leaf(M), leaf(X)
    g = mg.grad(lambda x: (w @ x).sum())(x)
    np.testing.assert_allclose(g.data, M.sum(0))
    assert w.grad is None
    assert x.grad is None


def test_argnums_picks_and_orders():
    def f(a, b, c):
        return (a * b**2.0 * c).sum()

    args = (X, np.array(2.0), np.array(3.0))
    wanted = 4 * 3.0 + 0 * X, 4 * 3.0 * X.sum(), 4 * X.sum()
    for argnums in (0, 1, 2, -1, (0, 2), (2, 0), [1], (0, 1, 2)):
        got = mg.grad(f, argnums)(*args)
        picked = [argnums] if isinstance(argnums, int) else argnums
        for i, g in zip(picked, [got] if isinstance(argnums, int) else got, strict=True):
            np.testing.assert_allclose(g.data, wanted[i])
    assert isinstance(mg.grad(f, (1,))(*args), tuple)
    with pytest.raises(ValueError, match="argnums names argument 3, but 3 positional"):
        mg.grad(f, 3)(*args)


def test_keyword_arguments_pass_through():
    g = mg.grad(lambda x, *, scale: (x * scale).sum())(X, scale=5.0)
    assert g.tolist() == [5.0] * 3


def test_has_aux_gives_what_else_was_computed():
    def f(x):
        return (x * x).sum(), {"largest": x.max(), "note": "text"}

    (value, aux), g = mg.value_and_grad(f, has_aux=True)(X)
    assert (value.item(), aux["largest"].item(), aux["note"]) == ((X * X).sum(), 2.5, "text")
    again, aux = mg.grad(f, has_aux=True)(X)
    np.testing.assert_array_equal(again.data, g.data)
    with pytest.raises(TypeError, match=r"a pair \(value, aux\)"):
        mg.grad(lambda x: x.sum(), has_aux=True)(X)


Layer = namedtuple("Layer", "weight bias")


def test_nested_arguments_give_gradients_of_the_same_structure():
    tree: Any = {"a": X, "b": [np.array(2.0), (X, Layer(M, X))]}

    def f(t):
        layer = t["b"][1][1]
        return ((layer.weight @ t["a"]) * t["b"][0] + t["b"][1][0] * layer.bias).sum()

    value, g = mg.value_and_grad(f)(tree)
    assert isinstance(g["b"][1], tuple)
    assert isinstance(g["b"][1][1], Layer)
    np.testing.assert_allclose(value.item(), (M @ X * 2.0 + X * X).sum())
    np.testing.assert_allclose(g["a"].data, 2.0 * M.sum(0))
    np.testing.assert_allclose(g["b"][0].data, (M @ X).sum())
    np.testing.assert_allclose(g["b"][1][0].data, X)
    np.testing.assert_allclose(g["b"][1][1].weight.data, 2.0 * np.tile(X, (3, 1)))
    np.testing.assert_allclose(g["b"][1][1].bias.data, X)
    assert all(isinstance(value, np.ndarray) for value in (tree["a"], tree["b"][0]))


def test_an_argument_the_value_does_not_depend_on_gets_zeros():
    a, b = mg.grad(lambda a, b: (a * a).sum(), (0, 1))(X, M)
    assert a.shape == (3,)
    assert b.tolist() == np.zeros((3, 3)).tolist()
    assert mg.grad(lambda x: mg.Tensor(1.0))(X).tolist() == [0.0] * 3


def test_the_same_array_in_two_arguments_counts_as_two_variables():
    w = leaf(X)
    a, b = mg.grad(lambda a, b: (a * a * b).sum(), (0, 1))(w, w)
    np.testing.assert_allclose(a.data, 2 * X * X)
    np.testing.assert_allclose(b.data, X * X)


def test_returned_gradients_are_nobody_elses_arrays():
    a, b = mg.grad(lambda a, b: (a + b).sum(), (0, 1))(X, X)
    a.data *= 5.0
    assert b.tolist() == [1.0] * 3
    cotangent = np.ones(3)
    _, pull = mg.vjp(lambda x, y: x + y.reshape(3), X, X.reshape(3, 1))
    arrays = [cotangent, *(t.data for t in pull(cotangent))]
    for i, array in enumerate(arrays):
        assert array.flags.writeable
        assert not any(np.shares_memory(array, other) for other in arrays[:i])


def test_what_is_no_loss_is_refused():
    with pytest.raises(ShapeError, match=r"grad needs a function with one value, not shape \(3,\)"):
        mg.grad(lambda x: x * 2.0)(X)
    with pytest.raises(TypeError, match="returns a Tensor, not float"):
        mg.grad(lambda x: 1.0)(X)
    with pytest.raises(DTypeError, match="only floating dtypes have gradients"):
        mg.grad(lambda x: x * 2)(3)


def test_grad_of_grad_of_grad():
    f: Any = mg.sin
    for _ in range(4):
        f = mg.grad(f)
    np.testing.assert_allclose(f(0.3).item(), np.sin(0.3), rtol=1e-15)


def test_perturbations_are_not_confused():
    # d/dx (x * d/dy (x + y)) is 1; an engine that mixes the two variables up says 2.
    assert mg.grad(lambda x: x * mg.grad(lambda y: x + y)(1.0))(1.0).item() == 1.0
    # d/dx (x * d/dy (x * y)) = d/dx x**2
    assert mg.grad(lambda x: x * mg.grad(lambda y: x * y)(2.0))(3.0).item() == 6.0
    # The inner function reads the outer variable both as its argument and from outside.
    assert mg.grad(lambda x: mg.grad(lambda y: y * y * x)(x))(3.0).item() == 12.0
    inner = mg.grad(lambda x: mg.jvp(lambda y: x * y * y, [x], [np.array(1.0)])[1])(3.0)
    assert inner.item() == 12.0


def test_a_gradient_penalty_reaches_the_parameters_it_closes_over():
    w, x = leaf(M), X
    g = mg.grad(lambda x: mg.tanh(w @ x).sum())(x)
    assert g.requires_grad
    ((g * g).sum() - 1.0).backward()

    def penalty(m):
        slope = m.T @ (1.0 - np.tanh(m @ x) ** 2)
        return slope @ slope - 1.0

    np.testing.assert_allclose(w.grad.data, differences(penalty, M), atol=1e-7)


def test_a_gradient_that_nothing_outside_depends_on_is_a_constant():
    value, g = mg.value_and_grad(lambda x: (x * x).sum())(X)
    assert not g.requires_grad
    assert not value.requires_grad
    assert float(value) == np.sum(X * X)  # as SciPy's minimize asks for it


def test_no_grad_outside_still_differentiates_but_records_nothing():
    w = leaf(M)
    with mg.no_grad():
        g = mg.grad(lambda x: (w @ (x * x)).sum())(X)
        second = mg.grad(lambda x: mg.grad(lambda y: y**3.0)(x) * 1.0)(2.0)
    np.testing.assert_allclose(g.data, 2 * X * M.sum(0))
    assert not g.requires_grad
    assert second.item() == 12.0


def test_no_grad_inside_makes_constants():
    def f(x):
        with mg.no_grad():
            square = x * x
        return (square * x).sum()

    np.testing.assert_allclose(mg.grad(f)(X).data, X * X)
    w = leaf(X)
    with mg.no_grad():
        assert not (w * 2.0).requires_grad
        with mg.enable_grad():
            assert (w * 2.0).requires_grad
        assert not (w * 2.0).requires_grad
    assert (w * 2.0).requires_grad


def test_no_grad_is_a_decorator_and_survives_exceptions():
    @mg.no_grad()
    def predict(t):
        if t.size > 3:
            raise ValueError("too many")
        return t * 2.0

    assert not predict(leaf(X)).requires_grad
    with pytest.raises(ValueError, match="too many"):
        predict(leaf(M))
    assert predict(leaf(X)).requires_grad is False
    assert RECORDING.get()


def test_stop_gradient_and_detach_are_constants():
    for stop in (mg.stop_gradient, mg.Tensor.detach):
        np.testing.assert_allclose(mg.grad(lambda x, s=stop: (s(x) * x).sum())(X).data, X)


# vjp, jvp, jacobian, hessian, hvp


def network(x):
    """Three values of three variables, with something of everything."""
    return mg.tanh(M @ x) * mg.exp(x[::-1] * 0.3) + x.sum()


def network_jacobian(x):
    columns = [differences(lambda y, i=i: network(mg.Tensor(y)).data[i], x) for i in range(3)]
    return np.stack(columns)


def test_vjp_jvp_and_jacobian_agree_with_differences_and_each_other():
    wanted = network_jacobian(X)
    jacobian = mg.jacobian(network)(X).data
    np.testing.assert_allclose(jacobian, wanted, atol=1e-7)
    g, v = np.array([1.0, -2.0, 0.5]), np.array([0.3, 0.7, -1.1])
    out, pull = mg.vjp(network, X)
    for _ in range(2):  # a pull may be called again
        np.testing.assert_allclose(pull(g)[0].data, g @ jacobian, rtol=1e-13)
    pushed = mg.jvp(network, [X], [v])
    np.testing.assert_allclose(pushed[1].data, jacobian @ v, rtol=1e-13)
    np.testing.assert_array_equal(out.data, pushed[0].data)


def test_vjp_of_several_outputs_and_inputs():
    out, pull = mg.vjp(lambda x, y: {"product": x * y, "sum": [x + y]}, X, np.array(2.0))
    np.testing.assert_array_equal(out["product"].data, X * 2.0)
    gx, gy = pull({"product": np.ones(3), "sum": [np.full(3, 10.0)]})
    np.testing.assert_allclose(gx.data, [12.0] * 3)
    np.testing.assert_allclose(gy.data, X.sum() + 30.0)
    with pytest.raises(ValueError, match="1 cotangents were given for 2 arrays"):
        pull([np.ones(3)])
    with pytest.raises(ShapeError, match=r"a cotangent of shape \(2,\) for shape \(3,\)"):
        pull({"product": np.ones(2), "sum": [np.ones(3)]})


def test_cotangents_and_tangents_take_the_dtype_of_their_array():
    single = X.astype(np.float32)
    _, pull = mg.vjp(lambda x: x * 1.0, single)
    for g in (np.ones(3), mg.Tensor(np.ones(3)), np.ones(3, int), [1, 1, 1]):
        if not isinstance(g, list):
            assert pull(g)[0].dtype == np.float32
    assert mg.jvp(lambda x: x * 2.0, [single], [np.ones(3)])[1].dtype == np.float32


@pytest.mark.parametrize(
    ("f", "wanted"),
    [
        (lambda x: x, [1.0, 5.0]),
        (lambda x: x * 3.0, [3.0, 15.0]),
        (lambda x: mg.Tensor([1.0, 2.0, 3.0]), [0.0, 0.0, 0.0]),
    ],
)
def test_jvp_of_linear_and_constant_functions(f, wanted):
    assert mg.jvp(f, [np.array([1.0, 2.0])], [np.array([1.0, 5.0])])[1].tolist() == wanted


def test_tangents_that_do_not_fit_are_refused():
    for tangents in ([1.0], [np.ones(2)], [np.ones((3, 1))]):
        with pytest.raises(ShapeError, match="a tangent of shape"):
            mg.jvp(network, [X], tangents)
    with pytest.raises(ValueError, match="1 tangents were given for 2 arrays"):
        mg.jvp(lambda x, y: x * y, [X, X], [X])
    bare: Any = X
    with pytest.raises(TypeError, match=r"jvp\(f, \[x\], \[v\]\)"):
        mg.jvp(lambda x: x * x, bare, bare)
    with pytest.raises(ShapeError, match="a tangent of shape"):
        mg.hvp(lambda x: (x * x).sum(), X, np.ones(1))
    with pytest.raises(TypeError, match="returns Tensors"):
        mg.jvp(lambda x: (x, 1.0), [X], [X])


def test_jacobian_shapes():
    f = mg.jacobian(lambda x: x @ np.ones((3, 2)))
    assert f(M).shape == (3, 2, 3, 3)
    assert f(X).shape == (2, 3)
    assert mg.jacobian(lambda x: x.sum())(M).shape == (3, 3)
    assert mg.jacobian(lambda x: x[:0])(X).shape == (0, 3)
    assert mg.jacobian(lambda x: x * 2.0)(2.0).item() == 2.0
    nested = mg.jacobian(lambda p: {"y": p["a"] * p["b"]})({"a": X, "b": np.array(2.0)})
    np.testing.assert_array_equal(nested["y"]["a"].data, 2.0 * np.eye(3))
    np.testing.assert_array_equal(nested["y"]["b"].data, X)
    with pytest.raises(TypeError, match="not of float"):
        mg.jacobian(lambda x: 1.0)(X)


def test_jacobian_picks_an_argument():
    np.testing.assert_array_equal(mg.jacobian(lambda a, b: a @ b, 1)(M, X).data, M)


def test_several_arguments_give_a_tuple_of_jacobians_and_rows_of_hessians():
    by_x, by_m = mg.jacobian(lambda a, b: a @ b, (1, 0))(M, X)
    np.testing.assert_array_equal(by_x.data, M)
    np.testing.assert_array_equal(by_m.data, np.einsum("ij,k->ijk", np.eye(3), X))
    (only,) = mg.jacobian(lambda a: a * a, [0])(X)
    np.testing.assert_array_equal(only.data, np.diag(2.0 * X))
    blocks = mg.hessian(lambda a, b: (a * a * b).sum(), (0, 1))(X, X)
    wanted = ((2.0 * X, 2.0 * X), (2.0 * X, 0.0 * X))
    for row, wanted_row in zip(blocks, wanted, strict=True):
        for block, diagonal in zip(row, wanted_row, strict=True):
            np.testing.assert_array_equal(block.data, np.diag(diagonal))


def energy(x):
    return mg.log(mg.exp(M @ x).sum()) + (x * x * x).sum()


def test_hessian_against_differences_of_the_gradient_and_symmetry():
    gradient = mg.grad(energy)
    wanted = np.stack([differences(lambda y, i=i: gradient(y).data[i], X) for i in range(3)])
    hessian = mg.hessian(energy)(X).data
    np.testing.assert_allclose(hessian, wanted, atol=1e-7)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12)
    for v in np.eye(3):
        np.testing.assert_allclose(mg.hvp(energy, X, v).data, hessian @ v, rtol=1e-12, atol=1e-14)
        pushed = mg.jvp(gradient, [X], [v])[1]
        np.testing.assert_allclose(pushed.data, hessian @ v, rtol=1e-12, atol=1e-14)


def test_hessian_of_a_quadratic_form_is_its_matrix():
    np.testing.assert_allclose(mg.hessian(lambda x: x @ M @ x * 0.5)(X).data, M, rtol=1e-14)
    assert mg.hessian(lambda x: x.sum())(X).tolist() == np.zeros((3, 3)).tolist()
    both = mg.hessian(lambda p: (p["a"] * p["b"]).sum())({"a": X, "b": X})
    np.testing.assert_array_equal(both["a"]["b"].data, np.eye(3))
    np.testing.assert_array_equal(both["a"]["a"].data, np.zeros((3, 3)))


def test_hvp_of_several_arguments():
    def f(a, b):
        return (a * b * b).sum()

    v, zero = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    by_a = mg.hvp(f, (X, X), (v, zero))
    by_b = mg.hvp(f, (X, X), (zero, v))
    for got, wanted in zip([*by_a, *by_b], [zero, 2 * X * v, 2 * X * v, 2 * X * v], strict=True):
        np.testing.assert_allclose(got.data, wanted)


def test_transformations_nest_in_any_order():
    def cube(x):
        return (x**3.0).sum()

    v = np.array([1.0, -1.0, 2.0])
    wanted = 6.0 * v  # d/dx of hvp(cube, x, v) summed
    np.testing.assert_allclose(mg.grad(lambda x: mg.hvp(cube, x, v).sum())(X).data, wanted)
    by_jacobian = mg.jacobian(lambda x: mg.hvp(cube, x, v))(X).data
    np.testing.assert_allclose(by_jacobian, np.diag(wanted))
    pushed = mg.jvp(lambda x: mg.jvp(mg.grad(cube), [x], [v])[1], [X], [v])[1]
    np.testing.assert_allclose(pushed.data, 6.0 * v * v)
    pulled = mg.grad(lambda x: mg.vjp(lambda y: y**3.0, x)[1](v)[0].sum())(X)
    np.testing.assert_allclose(pulled.data, 6.0 * X * v)


def test_a_pull_after_its_parameters_changed_raises():
    w, other = leaf(M), leaf(X)
    out, pull = mg.vjp(lambda x: (w @ x) * other, X)
    w.data -= 1.0
    with pytest.raises(MutationError, match="changed in place"):
        pull(np.ones(3))
    assert out.shape == (3,)


# Random functions


def unary():
    return st.sampled_from([mg.sin, mg.tanh, mg.exp, mg.negative, mg.square, mg.sigmoid])


def binary():
    return st.sampled_from([mg.add, mg.subtract, mg.multiply, lambda a, b: a / (b * b + 1.0)])


@st.composite
def functions(draw):
    """A composition of ops on a vector, each value bounded before it is used again."""
    steps = draw(st.lists(st.tuples(unary(), binary(), st.integers(0, 9)), min_size=1, max_size=6))

    def f(x):
        values = [x]
        for one, two, back in steps:
            a, b = values[-1], values[back % len(values)]
            values.append(mg.tanh(two(one(a * 0.5), b)))
        return (values[-1] * np.arange(1.0, 4.0)).sum()

    return f


@given(functions(), st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3))
def test_random_functions_against_central_differences(f, point):
    x = np.array(point)
    gradient = mg.grad(f)(x)
    np.testing.assert_allclose(gradient.data, differences(f, x), rtol=1e-5, atol=1e-7)
    w = leaf(x)
    f(w).backward()
    np.testing.assert_array_equal(w.grad.data, gradient.data)
    w.zero_grad()
    f(w).backward(create_graph=True)
    np.testing.assert_array_equal(w.grad.data, gradient.data)
    v = np.array([1.0, -0.5, 2.0])
    slope = differences(lambda y: mg.grad(f)(y).data @ v, x)
    np.testing.assert_allclose(mg.hvp(f, x, v).data, slope, rtol=1e-5, atol=1e-6)


def test_a_walk_that_fails_leaves_retained_gradients_as_they_were():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    early = x * 2.0
    late = early * 3.0
    late.retain_grad()

    def refuse(g):
        raise ValueError("no further")

    early.register_hook(refuse)
    with pytest.raises(ValueError, match="no further"):
        late.sum().backward()
    assert late.grad is None
    assert x.grad is None


def test_a_gradient_is_an_array_of_its_own_and_not_copied_where_it_is_already():
    held = np.arange(6.0)

    @mg.primitive(name="reshaped_in_a_test", numpy=[])
    @mg.defvjp(x=lambda g, x_shape, fresh: (g.ravel() * 2.0 if fresh else held).reshape(x_shape))
    def reshaped(x, /, fresh):
        return x.reshape(-1)

    try:
        for fresh in (True, False):
            x = mg.Tensor(np.ones((2, 3)), requires_grad=True)
            reshaped(x, fresh=fresh).backward(np.ones(6))
            assert x.grad is not None
            assert (x.grad.data.base is not None) == fresh
            assert not np.shares_memory(x.grad.data, held)
    finally:
        del REGISTRY["reshaped_in_a_test"]
    g = np.ones((2, 3))
    x = mg.Tensor(g * 2, requires_grad=True)
    mg.reshape(x, (3, 2)).backward(g.reshape(3, 2))
    assert x.grad is not None
    assert not np.shares_memory(x.grad.data, g)


def test_what_an_index_takes_is_converted_before_it_is_added():
    x: Any = mg.tensor(np.array([1.0, -2.0, 3.0], ">f8"), requires_grad=True)
    z = x[np.array([0, 0, 2])]
    (z.sum() + z.sum() + (z * 2).sum()).backward()
    assert x.grad.numpy().tolist() == [8.0, 0.0, 4.0]
    x = mg.tensor(np.ones(3), requires_grad=True)
    loss = x[np.array([0, 2])].sum() + x.sum()
    x.data = x.data.astype(np.float32)
    loss.backward()
    assert x.grad.dtype == np.float32
    assert x.grad.numpy().tolist() == [2.0, 1.0, 2.0]
