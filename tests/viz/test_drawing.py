"""The function users call: what it takes, what it refuses, and that it leaves everything alone."""

# mypy: disable-error-code="union-attr, index, arg-type, attr-defined"

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import BackwardError
from minigrad.graph import RECORDING
from minigrad.tensor import Tensor
from minigrad.viz import draw


def leaf(data, name=None):
    return Tensor(np.array(data), requires_grad=True, name=name)


def titles(graph):
    return [card.title for card in graph.cards]


def test_both_shows_value_and_gradient_on_one_card(loss):
    graph = draw(loss())
    assert titles(graph) == [
        "x", "weight", "matmul", "bias", "add", "relu", "weight", "matmul", "bias", "add",
        "y", "cross_entropy",
    ]  # fmt: skip
    assert all(c.value is not None for c in graph.cards)
    assert all((c.gradient is None) == (c.kind == "input") for c in graph.cards)
    assert graph.cards[2].rules == ["∂L/∂weight = xᵀ · g"]
    assert graph.cards[4].rules == ["∂L/∂bias = Σ rows g"]
    assert graph.cards[-1].rules == ["∂L/∂in = (softmax(in) − onehot(y)) / 3"]


def test_forward_shows_no_gradient(loss):
    graph = draw(loss(), "forward")
    assert all(c.gradient is None and not c.rules for c in graph.cards)
    assert {e.kind for e in graph.edges} == {"data", "input", "parameter"}


def test_backward_shows_every_rule_in_order_and_what_it_needs(loss):
    graph = draw(loss(), "backward")
    pulls = sorted((c for c in graph.cards if c.kind == "pull"), key=lambda c: c.step)
    assert [(c.step, c.title) for c in pulls] == [
        (1, "cross_entropy"), (2, "add"), (3, "matmul"), (4, "relu"), (5, "add"), (6, "matmul"),
    ]  # fmt: skip
    assert [c.subtitle for c in pulls[1:]] == [
        "passes g on", "needs weight, in", "needs out", "passes g on", "needs x",
    ]  # fmt: skip
    ids = {c.id: c for c in graph.cards}
    saved = {(ids[e.source].title, ids[e.target].step) for e in graph.edges if e.kind == "saved"}
    assert saved == {("cross_entropy", 1), ("weight", 3), ("relu", 3), ("relu", 4), ("x", 6)}
    assert [c.title for c in graph.cards if c.kind == "grad"] == [
        "weight.grad", "bias.grad", "weight.grad", "bias.grad",
    ]  # fmt: skip
    for card in graph.cards:
        if card.kind in ("pull", "grad"):
            assert ids[card.twin].group == card.group


def test_the_walk_is_its_own(loss):
    w = leaf([1.0, 2.0])
    out = (w * w).sum()
    draw(out)
    assert w.grad is None
    assert RECORDING.get()
    out.backward()
    np.testing.assert_array_equal(w.grad.numpy(), [2.0, 4.0])


def test_unnamed_tensors_are_called_like_the_variables_of_the_caller():
    x = np.array([1.0, 2.0, 3.0])
    w, b = leaf([0.5, -1.0, 2.0]), leaf(0.1)
    y = (x * w + b).relu().sum()
    graph = draw(y)
    assert titles(graph) == ["x", "w", "multiply", "b", "add", "relu", "sum"]
    assert [c.subtitle for c in graph.cards if c.kind == "op"] == ["x × w", "+ b", ""]
    assert graph.cards[2].rules == ["∂L/∂w = g × x"]
    assert graph.cards[4].rules == ["∂L/∂b = Σ g"]


def test_names_that_nobody_gave_do_not_collide():
    taken = leaf([1.0, 2.0], "x")
    out = taken * np.array([1.0, 2.0]) * np.array([3.0, 4.0]) + leaf([1.0, 1.0])
    assert titles(draw(out)) == ["x", "x2", "multiply", "x3", "multiply", "p", "add"]


def test_given_names_go_before_variables():
    w = leaf([1.0])
    assert titles(draw(w * 2.0, inputs={"slope": w}))[0] == "slope"


def test_numbers_are_part_of_their_op():
    graph = draw(1.0 - leaf([1.0], "w") * 0.5)
    assert [(c.title, c.subtitle) for c in graph.cards] == [
        ("w", ""), ("multiply", "w × 0.5"), ("subtract", "1 − in"),
    ]  # fmt: skip
    assert graph.cards[1].rules == ["∂L/∂w = g × 0.5"]


def test_static_parameters_are_named_if_they_differ_from_the_default():
    graph = draw(leaf([[1.0, 2.0]], "w").sum(axis=1)[0:1].reshape(1, 1))
    assert [c.subtitle for c in graph.cards[1:]] == ["axis=1", "[0:1]", ""]


def test_several_outputs():
    w = leaf([1.0, 2.0], "w")
    a, b = (w * 3.0).sum(), mg.exp(w)
    graph = draw((a, b))
    assert [c.title for c in graph.cards if c.kind == "loss"] == ["sum", "exp"]
    np.testing.assert_allclose(graph.cards[0].gradient.rows[0], 3.0 + np.exp([1.0, 2.0]))
    assert "started from ones" in graph.subtitle


def test_a_cotangent_can_be_given():
    w = leaf([1.0, 2.0], "w")
    graph = draw(w * 3.0, gradient=np.array([1.0, -1.0]))
    assert graph.cards[0].gradient.rows == ((3.0, -3.0),)
    assert "started from ones" not in graph.subtitle


def test_a_leaf_alone():
    graph = draw(leaf([1.0], "w"))
    assert [(c.kind, c.title) for c in graph.cards] == [("loss", "w")]


@pytest.mark.parametrize("mode", ["both", "forward", "backward"])
def test_numbers_can_be_left_out(loss, mode):
    graph, full = draw(loss(), mode, show_values=False), draw(loss(), mode)
    assert all(c.value is None and c.gradient is None for c in graph.cards)
    assert [c.title for c in graph.cards] == [c.title for c in full.cards]
    assert graph.edges == full.edges
    assert len(graph.dot) < len(full.dot) / 1.5


def test_a_released_graph_says_how_to_keep_values(loss):
    w = leaf([1.0, 2.0], "w")
    out = (w * w).sum()
    out.backward()
    for mode in ("both", "forward", "backward"):
        graph = draw(out, mode)
        assert "retain_graph=True" in graph.subtitle
        assert graph.cards[1].value is None
        assert graph.cards[1].shape == (2,)
    assert draw(out).cards[0].gradient.rows == ((2.0, 4.0),)


def test_the_graph_of_a_gradient_can_be_drawn():
    w = leaf([1.0, 2.0], "w")
    (w**3.0).sum().backward(create_graph=True)
    assert draw((w.grad * w.grad).sum()).cards[0].gradient.rows == ((36.0, 288.0),)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: draw(Tensor([1.0])), BackwardError, "requires no gradient"),
        (lambda: draw(np.ones(3)), TypeError, "needs a Tensor, not ndarray"),
        (lambda: draw(np.tanh), TypeError, r"not ufunc: draw what it computes, draw\(f\(x\)\)"),
        (lambda: draw(leaf([1.0]), "sideways"), ValueError, "not 'sideways'$"),
        (lambda: draw(leaf([1.0]), "a.svg"), ValueError, r"by draw\(...\).save\('a.svg'\)"),
        (lambda: draw(leaf([1.0]), theme="pink"), ValueError, "not 'pink'"),
        (lambda: draw(leaf([1.0]), inputs=3), TypeError, "a dict from names"),
    ],
)
def test_what_can_not_be_drawn(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_odd_tensors():
    for data in (
        np.zeros((0, 3)),
        np.ones(1, np.float32),
        np.ones((2, 1, 2, 1)),
        1e300,
        np.ones(70),
    ):
        graph = draw(leaf(data) * 2.0)
        assert graph.dot.startswith("digraph")


def test_a_module_names_its_parameters_and_expects_them():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    graph = draw(model.layers[0](np.ones((1, 2), np.float32)).sum(), inputs=model)
    assert sorted(issue.path for issue in graph.issues if issue.kind == "unused") == sorted(
        name for name, p in model.named_parameters() if "1" in name
    )


def test_boxes_lie_inside_boxes():
    with mg.scope("net", "Net"):
        with mg.scope("a", "A"):
            h = leaf([1.0, 2.0], "w") * 2.0
        with mg.scope("b", "B"):
            h = mg.sin(h)
    graph = draw(h.sum())
    assert [(g.id, g.title, g.parent, g.path, g.ops) for g in graph.groups] == [
        ("g0", "net", None, "net", 2), ("g1", "a", "g0", "net.a", 1), ("g2", "b", "g0", "net.b", 1),
    ]  # fmt: skip


def test_what_undoes_broadcasting_is_said():
    h = np.ones((5, 2, 3)) * leaf([[1.0], [2.0]], "w") + leaf([1.0, 2.0, 3.0], "b")
    rules = [card.rules for card in draw(h).cards if card.rules]
    assert rules == [["∂L/∂w = Σ axes 0, 2 (g × x)"], ["∂L/∂b = Σ axes 0, 1 g"]]


def test_many_to_one_ops_name_their_inputs():
    a, b = leaf([1.0], "a"), leaf([2.0, 3.0], "b")
    cards = draw(mg.concatenate([a * 2.0, b, b * 3.0, np.zeros(2)])).cards
    assert cards[-1].rules == [
        "∂L/∂arrays[0], ∂L/∂b, ∂L/∂arrays[2] = the part of g that came from one of the arrays"
    ]


def test_a_released_graph_shows_inputs_that_have_a_name():
    w, x = leaf([[1.0]], "w"), Tensor(np.ones((3, 1)), name="features")
    out = ((x @ w) + 1.0).sum()
    out.backward()
    graph = draw(out)
    assert titles(graph)[:3] == ["features", "w", "matmul"]
    assert graph.cards[0].shape is None
    assert graph.dot


def test_parameters_of_calls_are_short():
    w = leaf(np.ones((3, 4)), "w")
    taken = w[..., ::2, None][np.array([0, 2])].astype(np.float32)
    out = mg.take_along_axis(taken, np.zeros((2, 1, 1), int), 1).sum()
    assert [card.subtitle for card in draw(out).cards if card.kind == "op"] == [
        "[…, ::2, None]", "[array (2,)]", "dtype=float32", "indices (2, 1, 1)  axis=1",
    ]  # fmt: skip
