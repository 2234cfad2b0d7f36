"""Errors are drawn: the graph up to what failed, and that marked."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional, nn
from minigrad.errors import BackwardError, ShapeError
from minigrad.viz import draw
from minigrad.viz.digest import digest


def raised(run):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        run()
    return caught.value


def failed(graph):
    (card,) = [card for card in graph.cards if card.kind == "failed"]
    (issue,) = graph.issues
    assert issue.card == card.id
    assert issue.message in card.badges
    return card


def parents(graph, card):
    titles = {c.id: c.title for c in graph.cards}
    return [titles[e.source] for e in graph.edges if e.target == card.id]


def test_layers_that_do_not_fit():
    x = mg.tensor(np.ones((3, 4)), name="x")
    model = nn.Sequential(nn.Linear(4, 5), mg.relu, nn.Linear(4, 2))
    error = raised(lambda: model(x))
    assert isinstance(error, ShapeError)
    graph = draw(error)
    card = failed(graph)
    assert card.title == "matmul"
    assert card.path == "Sequential.layers.2"
    assert "a axis 1 is 5, but weight axis 0 is 4" in card.badges[0]
    assert parents(graph, card) == ["relu", "weight"]
    assert [c.title for c in graph.cards] == [
        "x", "weight", "matmul", "bias", "add", "relu", "weight", "matmul",
    ]  # fmt: skip
    assert [g.path for g in graph.groups] == [
        "Sequential", "Sequential.layers.0", "Sequential.layers.2",
    ]  # fmt: skip
    assert all(c.value is not None for c in graph.cards if c is not card)
    assert graph.title == "ShapeError: what led to it"
    assert "failed" in graph.dot


def test_operands_that_were_not_recorded_are_drawn_too():
    b = np.ones(3)
    h = mg.tensor(np.ones((3, 4)), requires_grad=True, name="h")
    graph = draw(raised(lambda: mg.exp(h) + b))
    card = failed(graph)
    assert parents(graph, card) == ["exp", "b"]
    assert card.note == "hint: b[:, None] fits: (3, 1) broadcasts with (3, 4)"
    assert any(c.kind == "input" and c.shape == (3,) for c in graph.cards)


def test_functions_that_check_their_operands():
    images, w = np.ones((1, 1, 8, 8)), mg.tensor(np.ones((2, 3, 3, 3)), requires_grad=True)
    graph = draw(raised(lambda: functional.conv2d(images, w)))
    card = failed(graph)
    assert (card.title, parents(graph, card)) == ("conv2d", ["images", "w"])


def test_arrays_alone():
    graph = draw(raised(lambda: mg.tensor(np.ones(2), name="u") + mg.tensor(np.ones(3), name="v")))
    assert parents(graph, failed(graph)) == ["u", "v"]


def test_several_inputs_of_one_op():
    w = mg.tensor(np.ones((2, 2)), requires_grad=True, name="w")
    graph = draw(raised(lambda: mg.concatenate([w, np.ones((3, 3))])))
    card = failed(graph)
    assert (card.title, len(parents(graph, card))) == ("concatenate", 2)


def test_a_released_graph():
    w = mg.tensor([1.0, 2.0], requires_grad=True, name="w")
    loss = mg.sum(mg.exp(w) * w)
    loss.backward()
    error = raised(loss.backward)
    assert isinstance(error, BackwardError)
    graph = draw(error)
    assert failed(graph).title == "sum"
    assert [c.title for c in graph.cards] == ["w", "exp", "multiply", "sum"]


def test_a_rule_that_fails_is_marked_and_not_the_output():
    w = mg.tensor([0.0, 2.0], requires_grad=True, name="w")

    def run():
        with mg.detect_anomaly():
            mg.sum(mg.sqrt(w)).backward()

    graph = draw(raised(run))
    card = failed(graph)
    assert card.title == "sqrt"
    assert "gave inf for w at index (0,)" in card.badges[0]
    assert graph.cards[-1].title == "sum"


def test_an_anomaly_on_the_way_forward():
    w = mg.tensor([-1.0, 2.0], requires_grad=True, name="w")

    def run():
        with mg.detect_anomaly():
            mg.sum(mg.sqrt(w))

    graph = draw(raised(run))
    assert parents(graph, failed(graph)) == ["w"]


def test_what_holds_no_tensors_is_refused():
    with pytest.raises(TypeError, match="ZeroDivisionError that came from no op"):
        draw(raised(lambda: 1 / 0))
    with pytest.raises(TypeError, match="came from no op"):
        draw(ValueError("never raised"))


def test_a_message_that_breaks_lines_or_markup():
    w = mg.tensor(np.ones((2, 2)), requires_grad=True, name='<b>"&\\n')
    graph = draw(raised(lambda: w + np.ones(3)))
    assert "<b>" not in graph.dot.replace("<B>", "")
    picture = graph._repr_svg_()
    assert picture is None or "<b>" not in picture


def test_a_module_that_refuses_what_it_is_given():
    x = np.ones((2, 5, 7), np.float32)
    graph = draw(raised(lambda: nn.Sequential(mg.exp, nn.LSTM(3, 4))(x)))
    card = failed(graph)
    assert (card.title, parents(graph, card)) == ("layers.1", ["x"])
    assert "x (2, 5, 7) is not (batch, time, 3)" in card.badges[0]


class Broken(nn.Module):
    def __init__(self):
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        hidden = self.fc(x)
        return hidden.reshaped(-1)


def test_a_mistake_in_the_forward_of_a_module_follows_what_it_computed_last():
    graph = draw(raised(lambda: Broken()(np.ones((2, 4), np.float32))))
    card = failed(graph)
    assert (card.title, card.path, parents(graph, card)) == ("AttributeError", "Broken", ["add"])
    line = Broken.forward.__code__.co_firstlineno + 2
    assert card.line == f"test_failure.py:{line} (forward)"
    assert f"called at {card.line}" in graph.dot


@pytest.mark.parametrize("leave", [np.asarray, np.histogram, float])
def test_leaving_the_graph(leave):
    w = mg.tensor([1.0, 2.0], requires_grad=True, name="w")
    graph = draw(raised(lambda: leave(mg.exp(w))))
    assert parents(graph, failed(graph)) == ["exp"]


def test_operands_that_are_no_numbers():
    w = mg.tensor([1.0, 2.0], requires_grad=True, name="w")
    names = np.array(["a", "b"])
    graph = draw(raised(lambda: mg.exp(w) + names))
    assert parents(graph, failed(graph)) == ["exp", "names"]


def test_errors_of_a_compiled_step_show_the_values_it_was_traced_with():
    x = np.ones((3, 4), np.float32)
    model = nn.Sequential(nn.Linear(4, 5), mg.relu, nn.Linear(4, 2))
    graph = draw(raised(lambda: mg.compile(model)(x)))
    card = failed(graph)
    assert (card.title, parents(graph, card)) == ("matmul", ["relu", "weight"])
    assert all(c.value is not None for c in graph.cards if c is not card)
    assert graph.cards[0].value == digest(x)
    layer = nn.Linear(4, 5)
    graph = draw(raised(lambda: mg.compile(lambda x: float(mg.sum(layer(x))))(x)))
    card = failed(graph)
    assert (card.title, parents(graph, card)) == ("CompileError", ["sum"])
    assert "read with .item()" in card.badges[0]


def test_errors_that_are_about_no_tensor_are_refused():
    w = mg.tensor([1.0, 2.0], requires_grad=True, name="w")
    mg.exp(w)
    state = {"weight": np.ones((5, 5)), "bias": np.ones(3)}
    for run in (
        lambda: mg.tensor([1, 2], requires_grad=True),
        lambda: nn.Linear(2, 3).load_state_dict(state),
        lambda: mg.exp(w)[{}.popitem()],
    ):
        with pytest.raises(TypeError, match="came from no op"):
            draw(raised(run))
