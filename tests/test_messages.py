"""The words of errors, pinned; and every hint that an error gives, followed."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import (
    BackwardError,
    MinigradError,
    MissingExtra,
    NotDifferentiable,
    RuleError,
    ShapeError,
)
from minigrad.primitive import REGISTRY


def named(name, *shape, requires_grad=True):
    return mg.Tensor(np.ones(shape), requires_grad=requires_grad, name=name)


def message_of(kind, f):
    with pytest.raises(kind) as caught:
        f()
    return str(caught.value)


def hint_of(message):
    """The expression that a hint says would fit, and the shape that it promises."""
    hint = message.partition("hint: ")[2].partition("\n")[0]
    expression, _, promise = hint.partition(" fits: ")
    return expression, promise


def test_a_product_by_element_of_what_fits_as_matrices_says_so():
    x, w = named("x", 4, 3), named("w", 3, 2)
    said = message_of(ShapeError, lambda: x * w)
    assert said.endswith("\n  hint: the matrix product fits: x (4, 3) @ w (3, 2) -> (4, 2)")
    assert (x @ w).shape == (4, 2)
    assert "hint" not in message_of(ShapeError, lambda: x + w)
    assert "hint" not in message_of(ShapeError, lambda: x * named("w", 4, 2))


MATMULS = [
    (
        (3, 4),
        (3, 4),
        "matmul: x (3, 4) @ w (3, 4): x axis 1 is 4, but w axis 0 is 3\n"
        "  hint: w.T fits: (3, 4) @ (4, 3) -> (3, 3)",
    ),
    (
        (3, 4),
        (3, 5),
        "matmul: x (3, 4) @ w (3, 5): x axis 1 is 4, but w axis 0 is 3\n"
        "  hint: x.T fits: (4, 3) @ (3, 5) -> (4, 5)",
    ),
    ((3, 4), (5, 6), "matmul: x (3, 4) @ w (5, 6): x axis 1 is 4, but w axis 0 is 5"),
    ((4,), (3, 5), "matmul: x (4,) @ w (3, 5): x axis 0 is 4, but w axis 0 is 3"),
    ((3, 4), (3,), "matmul: x (3, 4) @ w (3,): x axis 1 is 4, but w axis 0 is 3"),
    ((2, 3, 4), (5, 3), "matmul: x (2, 3, 4) @ w (5, 3): x axis 2 is 4, but w axis 0 is 5"),
    (
        (2, 3, 4),
        (5, 4, 6),
        "matmul: x (2, 3, 4) @ w (5, 4, 6): "
        "the leading (batch) axes (2,) and (5,) do not broadcast",
    ),
    ((), (3,), "matmul: x () @ w (3,): x is a scalar\n  hint: use * to scale by it"),
    ((3,), (), "matmul: x (3,) @ w (): w is a scalar\n  hint: use * to scale by it"),
]


@pytest.mark.parametrize(("left", "right", "words"), MATMULS)
def test_matmul_says_which_axes_differ_and_its_hint_is_true(left, right, words):
    x, w = named("x", *left), named("w", *right)
    assert message_of(ShapeError, lambda: x @ w) == words
    assert message_of(ShapeError, lambda: np.matmul(x, w)) == words
    expression, promise = hint_of(words)
    if promise:
        fitting = {"x": x, "w": w, expression[0]: eval(expression, {"x": x, "w": w})}
        product = fitting["x"] @ fitting["w"]
        assert promise == f"{fitting['x'].shape} @ {fitting['w'].shape} -> {product.shape}"
    elif "scale" in words:
        assert (x * w).shape == (3,)


BROADCASTS = [
    (
        (32, 8),
        (32,),
        "add: h (32, 8) and b (32,) do not broadcast: h axis 1 is 8, but b axis 0 is 32\n"
        "  hint: b[:, None] fits: (32, 1) broadcasts with (32, 8)",
    ),
    (
        (3,),
        (3, 4),
        "add: h (3,) and b (3, 4) do not broadcast: h axis 0 is 3, but b axis 1 is 4\n"
        "  hint: h[:, None] fits: (3, 1) broadcasts with (3, 4)",
    ),
    (
        (2, 3),
        (2, 4),
        "add: h (2, 3) and b (2, 4) do not broadcast: h axis 1 is 3, but b axis 1 is 4",
    ),
    (
        (5, 1, 3),
        (4, 2, 1),
        "add: h (5, 1, 3) and b (4, 2, 1) do not broadcast: h axis 0 is 5, but b axis 0 is 4",
    ),
]


@pytest.mark.parametrize(("left", "right", "words"), BROADCASTS)
def test_broadcasting_says_which_axes_differ_and_its_hint_is_true(left, right, words):
    h, b = named("h", *left), named("b", *right)
    assert message_of(ShapeError, lambda: h + b) == words
    assert message_of(ShapeError, lambda: mg.add(h, b.data)) == words
    expression, promise = hint_of(words)
    if promise:
        fitting = {"h": h, "b": b, expression[0]: eval(expression, {"h": h, "b": b})}
        assert (fitting["h"] + fitting["b"]).shape == np.broadcast_shapes(
            fitting["h"].shape, fitting["b"].shape
        )


def test_matmul_with_a_number_is_no_attribute_error():
    assert message_of(ShapeError, lambda: named("x", 3) @ 2) == (
        "matmul: x (3,) @ b (): b is a scalar\n  hint: use * to scale by it"
    )


def test_where_names_all_three_operands():
    mask = mg.Tensor(np.ones((2, 3), bool), name="mask")
    words = message_of(ShapeError, lambda: mg.where(mask, named("x", 2, 3), named("y", 2, 2)))
    assert words == (
        "where: mask (2, 3) and x (2, 3) and y (2, 2) do not broadcast: "
        "mask axis 1 is 3, but y axis 1 is 2"
    )


def test_unnamed_operands_are_called_as_in_the_declaration():
    x = mg.Tensor(np.ones(3), requires_grad=True)
    assert message_of(ShapeError, lambda: x * np.ones(2)).startswith(
        "multiply: a (3,) and b (2,) do not broadcast"
    )


def test_a_shape_error_tells_the_module_path_and_carries_its_operands():
    x, w = named("x", 3, 4), named("w", 5, 6)
    layer = mg.scope("layers[1]", "Linear(5, 6)")
    with pytest.raises(ShapeError) as caught, mg.scope("encoder"), layer:
        x @ w
    assert str(caught.value).endswith("\n  in encoder.layers[1] (Linear(5, 6))")
    assert [(o.name, o.shape, o.dtype) for o in caught.value.operands] == [
        ("x", (3, 4), "float64"),
        ("w", (5, 6), "float64"),
    ]
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, MinigradError)
    assert caught.value.__cause__ is not None


def test_errors_of_numpy_are_kept_and_told_where():
    with mg.scope("model"), pytest.raises(ValueError, match="reshape") as caught:
        named("x", 2, 3).reshape(4)
    assert caught.value.__notes__ == ["  while computing reshape(x (2, 3) float64)\n  in model"]
    with pytest.raises(ValueError, match="negative integer powers") as caught:
        mg.Tensor([2, 3]) ** -1
    assert not isinstance(caught.value, ShapeError)
    with pytest.raises(ValueError, match="no identity"):
        named("x", 0, 3).max()


# Declarations


def x_only(x, /, scale=1.0):
    """Declare one input and one static parameter."""


def test_a_rule_that_asks_for_what_there_is_not_fails_at_import():
    with pytest.raises(RuleError) as caught:
        mg.primitive(np.negative, name="wrong")(mg.defvjp(x=lambda g, y, scale: g)(x_only))
    assert str(caught.value) == (
        "the rule of wrong for 'x' asks for ['y']; on offer are ['x', 'x_shape', 'out', 'scale']"
    )
    assert "wrong" not in REGISTRY


def test_a_rule_for_no_input_and_a_name_taken_fail_at_import():
    def declare(a, b, /):
        """Declare two inputs."""

    with pytest.raises(RuleError) as caught:
        mg.primitive(np.add, name="wrong")(mg.defvjp(c=lambda g: g)(declare))
    assert str(caught.value) == "wrong has no input 'c'; its inputs are ('a', 'b')"
    with pytest.raises(RuleError, match="a primitive 'add' is declared already"):
        mg.primitive(np.add, name="add")(declare)
    with pytest.raises(RuleError, match=r"wrong: add runs add on tensors already; pass numpy=\[\]"):
        mg.primitive(np.add, name="wrong")(declare)


def test_calls_that_do_not_fit_the_declaration():
    x, ops = named("x", 2), vars(mg)  # which a type checker, that knows better, does not see
    assert message_of(TypeError, lambda: ops["argmax"](x, keepdim=True)) == (
        "argmax() has no parameter 'keepdim': write keepdims="
    )
    assert message_of(TypeError, lambda: ops["add"](x)) == "add() is missing b"
    assert message_of(TypeError, lambda: ops["argmax"](x, 0, True, 1)) == (
        "argmax() takes 3 arguments, 4 were given"
    )
    assert message_of(TypeError, lambda: ops["exp"](x, base=2)) == (
        "exp() has no parameter 'base': it has none"
    )
    assert message_of(TypeError, lambda: ops["swapaxes"](x, 0)) == "swapaxes() is missing axis2"


# Backward


def test_backward_errors_say_what_to_do_and_doing_it_helps():
    words = message_of(BackwardError, lambda: mg.Tensor(1.0).backward())
    assert words == (
        "backward() of a tensor that requires no gradient: no leaf with requires_grad=True took "
        "part in it, or it was made under no_grad()"
    )
    w = named("w", 2)
    words = message_of(BackwardError, lambda: (w * 2.0).backward())
    assert words == (
        "backward() of a tensor of shape (2,) needs gradient=, an array of that shape; for a loss, "
        "reduce it first: loss.sum() or loss.mean()"
    )
    (w * 2.0).backward(gradient=np.ones(2))
    (w * 2.0).sum().backward()
    (w * 2.0).mean().backward()
    loss = (w * w).sum()
    loss.backward()
    words = message_of(BackwardError, loss.backward)
    assert words.startswith("the graph of <node ")
    assert words.endswith(
        "sum ()> was walked before and its arrays released: compute the loss again, or pass "
        "retain_graph=True to the first backward()"
    )
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    loss.backward()


# Leaving the graph


def test_a_numpy_function_without_a_rule_says_so_and_its_ways_out_work():
    x = named("x", 2)
    assert message_of(NotDifferentiable, lambda: np.histogram(x)) == (
        "np.histogram has no gradient rule in minigrad, so it can't be applied to a Tensor that "
        "requires a gradient: counts are constant between jumps; of t.numpy() they are right, and "
        "mg.add_at(zeros, indices, weights) sums weights with a gradient "
        "(use t.numpy() to leave the graph, or compose it of mg.ops)"
    )
    assert message_of(NotDifferentiable, lambda: np.spacing(x)).startswith("np.spacing has no")
    assert message_of(NotDifferentiable, lambda: np.fft.fft(x)).startswith("np.fft.fft has no")
    assert message_of(NotDifferentiable, lambda: np.nextafter.outer(x, x)).startswith(
        "np.nextafter.outer has no gradient rule"
    )
    np.histogram(x.numpy())
    mg.add_at(np.zeros(3), np.array([2, 2]), x).sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 1.0])


def test_an_array_of_a_tensor_that_requires_a_gradient_is_refused_and_its_way_out_works():
    x = named("x", 2)
    words = message_of(NotDifferentiable, lambda: np.asarray(x))
    assert words == (
        "a NumPy array of a tensor that requires a gradient would leave the graph silently: use "
        "t.numpy() to leave it, np.stack([t, u]) in the place of np.array([t, u]), or another "
        "NumPy function that has a gradient"
    )
    assert np.stack([x, x]).requires_grad  # type: ignore[attr-defined]
    assert type(x.numpy()) is np.ndarray
    assert np.exp(x).requires_grad


def test_out_is_refused_and_its_hint_works():
    x, a = named("x", 2), np.ones(2)
    words = message_of(NotDifferentiable, lambda: np.add(a, x, out=a))
    assert words == (
        "out= (and array += tensor) writes where nothing is recorded: use the result instead, such "
        "as a = a + t"
    )
    a = a + x
    assert isinstance(a, mg.Tensor)


def test_a_missing_extra_is_the_command_that_brings_it():
    error = MissingExtra("pygraphviz", "draw()", "draw")
    assert str(error) == "draw() needs pygraphviz: pip install 'minigrad[draw]'"
    assert isinstance(error, ImportError)
