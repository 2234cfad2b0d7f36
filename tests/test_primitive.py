"""What an op is: declared, called with arrays and ducks, bound, planned, and kept small."""

import inspect
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.primitive import NUMPY, OUT, REGISTRY, SMALL, Case, Primitive, case


def leaf(value):
    return mg.Tensor(value, requires_grad=True)


@pytest.fixture
def declared():
    """Declare primitives in a test and forget them after it."""
    before = dict(REGISTRY), dict(NUMPY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before[0])
    NUMPY.clear()
    NUMPY.update(before[1])


def test_a_primitive_keeps_the_name_words_and_module_of_its_declaration():
    assert vars(mg.multiply)["__name__"] == mg.multiply.name == "multiply"
    assert "Product" in (mg.multiply.__doc__ or "")
    assert mg.multiply.__module__ == "minigrad.ops.elementwise"
    assert str(inspect.signature(mg.argmax)).startswith("(x: 'Array', /, axis")
    assert repr(mg.argmax) == "<primitive argmax(x, axis, keepdims)>"


def test_called_with_arrays_it_returns_arrays():
    out = mg.exp(np.zeros(2))
    assert type(out) is np.ndarray
    assert type(mg.add([1.0], (2.0,))) is np.ndarray


def test_whoever_interprets_primitives_is_asked():
    class Duck:
        @staticmethod
        def __primitive__(primitive, args, params):
            return primitive.name, len(args), params

    assert mg.add(1.0, Duck()) == ("add", 2, {})
    assert mg.sum(Duck(), keepdims=True) == ("sum", 1, {"axis": None, "keepdims": True})
    assert mg.concatenate([np.ones(1), Duck()]) == ("concatenate", 2, {"axis": 0})


def test_statics_bind_by_position_and_by_name():
    assert mg.argmax.bind(("x", 0), {"keepdims": True}) == (("x",), {"axis": 0, "keepdims": True})
    with pytest.raises(TypeError, match="no parameter 'dim'"):
        mg.argmax.bind(("x",), {"dim": 0})
    with pytest.raises(TypeError, match="is missing x"):
        mg.argmax.bind((), {})


def test_an_op_without_rules_is_never_recorded(declared):
    @mg.primitive(np.negative, numpy=[], name="ruleless")
    def ruleless(x, /):
        """Negate, without a rule."""

    assert not ruleless(leaf(1.0)).requires_grad


def test_an_input_without_a_rule_passes_no_gradient(declared):
    @mg.primitive(np.multiply, numpy=[], name="half")
    @mg.defvjp(a=lambda g, b: g * b)
    def half(a, b, /):
        """Multiply, differentiable in the first input only."""

    a, b = (leaf(value) for value in (2.0, 3.0))
    half(a, b).backward()
    assert (a.grad.item(), b.grad) == (3.0, None)
    assert not half(2.0, b).requires_grad


def test_only_what_rules_ask_for_is_kept():
    a, b = (leaf(np.full(3, v)) for v in (2.0, 3.0))
    large = np.ones(SMALL + 1)
    sources = {
        "multiply": (a * b, {0, 1}),
        "add": (a + b, set()),
        "exp": (mg.exp(a), {OUT}),
        "sum": (a.sum(), set()),  # its rule asks for a shape, which the vertex of a knows
    }
    for t, wanted in sources.values():
        assert set(t.node.plan.sources) == wanted
    product: Any = leaf(large) + large
    assert all(value is None for value in product.node.kept)
    drawn: Any = (a + np.ones(3)).node
    assert drawn.kept[0].tolist() == [1.0] * 3


def test_rules_of_a_variadic_op_know_their_index():
    a, b = (leaf(np.full(n, 1.0)) for n in (2, 3))
    mg.concatenate([a, np.zeros(2), b]).backward(np.arange(7.0))
    assert (a.grad.tolist(), b.grad.tolist()) == ([0.0, 1.0], [4.0, 5.0, 6.0])


def test_a_rule_that_returns_the_wrong_shape_is_our_bug_and_says_so(declared):
    @mg.primitive(name="wrong_shape")
    @mg.defvjp(x=lambda g: g[None])
    def wrong_shape(x, /):
        return np.array(x)

    with pytest.raises(mg.ShapeError, match=r"a rule of <node \d+ wrong_shape \(2,\)> returned"):
        wrong_shape(leaf([1.0, 2.0])).backward(np.ones(2))


def test_numpy_functions_dispatch_to_what_is_declared_for_them(declared):
    @mg.primitive(np.spacing)
    @mg.defvjp(x=lambda g: g * 0.0)
    def spacing(x, /):
        """Distance to the next number."""

    out: Any = np.spacing(leaf([1.0]))
    assert out.node.primitive is spacing

    @mg.composition(np.trapezoid)
    def trapezoid(y):
        return ((y[1:] + y[:-1]) * 0.5).sum()

    t = leaf([1.0, 2.0, 4.0])
    area: Any = np.trapezoid(t)
    area.backward()
    assert t.grad.tolist() == [0.5, 1.0, 0.5]


def test_cases_part_shapes_from_parameters():
    assert case(2, 3) == Case(((2, 3),), {})
    assert case((2, 3), (), axis=1) == Case(((2, 3), ()), {"axis": 1})


def test_a_class_may_take_a_primitive_as_its_method():
    class Box:
        square = mg.square

    assert isinstance(Box.square, Primitive)
    with pytest.raises(TypeError):
        Box().square()


def test_plans_are_made_once_for_each_combination_of_inputs():
    first = mg.multiply.plan(0b101)
    assert mg.multiply.plan(0b101) is first
    assert [i for i, _ in first.pulls] == [0]
    assert [i for i, _ in mg.multiply.plan(0b111).pulls] == [0, 1]
