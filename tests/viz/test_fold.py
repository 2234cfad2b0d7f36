"""What is folded can be read, and remains a graph without cycles."""

# mypy: disable-error-code="union-attr, index"

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad.scopes import scope
from minigrad.tensor import Tensor
from minigrad.viz import draw


def leaf(name, *shape):
    return Tensor(np.full(shape, 0.5), requires_grad=True, name=name)


def test_composites_are_one_card(loss):
    graph = draw(loss())
    last = graph.cards[-1]
    assert (last.kind, last.title, last.shape) == ("loss", "cross_entropy", ())
    assert last.value.rows[0][0] == pytest.approx(float(loss()))
    assert [g.title for g in graph.groups] == ["fc1", "act", "fc2"]


def test_nothing_is_folded_if_not_wanted(loss):
    graph = draw(loss(), fold=False)
    assert "log" in [card.title for card in graph.cards]
    assert [g.title for g in graph.groups] == ["fc1", "act", "fc2", "cross_entropy"]


def test_modules_are_folded_if_wanted(loss):
    graph = draw(loss(), fold=True)
    assert [(c.title, c.ops, c.params) for c in graph.cards if c.kind == "fold"] == [
        ("fc1", 2, 15), ("act", 1, 0), ("fc2", 2, 8),
    ]  # fmt: skip
    assert "parameter" not in {card.kind for card in graph.cards}
    assert not graph.groups


def test_a_function_of_parameters_adds_no_box_inside_a_module():
    with scope("fc", "Linear(2 → 2)"), scope("linear", ""):
        out = np.ones((1, 2)) @ leaf("weight", 2, 2) + leaf("bias", 2)
    graph = draw(out.sum())
    assert [g.title for g in graph.groups] == ["fc"]
    assert {c.group for c in graph.cards if c.title in ("matmul", "add", "weight", "bias")} == {
        "g0"
    }


def test_a_plain_scope_with_parameters_is_a_box():
    with scope("encoder"):
        out = np.ones((1, 2)) @ leaf("weight", 2, 2)
    assert [g.title for g in draw(out.sum()).groups] == ["encoder"]


def layers(n, different=False):
    h = np.ones((2, 4))
    with scope("net", "Net"):
        for i in range(n):
            with scope(f"layers.{i}", f"Linear(4 → {4 + different * (i % 7 == 3) * i})"):
                h = h @ leaf("weight", 4, 4)
            with scope(f"act.{i}", "Tanh" if not different or i % 3 else "Sin"):
                h = mg.tanh(h) if not different or i % 3 else mg.sin(h)
    return h.sum()


def test_identical_repeats_are_one_card():
    graph = draw(layers(50))
    (repeat,) = [card for card in graph.cards if card.kind == "fold"]
    assert (repeat.title, repeat.subtitle) == ("Linear(4 → 4) → Tanh", "× 50")
    assert (repeat.ops, repeat.params, len(repeat.norms)) == (100, 800, 50)
    assert repeat.norms == sorted(repeat.norms)


@pytest.mark.parametrize("most", [5, 12, 40])
def test_what_does_not_repeat_is_folded_in_runs(most):
    graph = draw(layers(50, different=True), max_cards=most)
    assert len(graph.cards) <= most
    assert sum(card.ops for card in graph.cards) == 100
    assert sum(card.params for card in graph.cards) == 800


def test_blocks_are_folded_before_they_are_merged():
    h = leaf("x", 2, 2)
    with scope("net", "Net"):
        for i in range(6):
            with scope(f"blocks.{i}", f"Block{i}"):
                for j in range(4):
                    with scope(f"fc{j}", f"Linear{j}"):
                        h = mg.tanh(h @ leaf("weight", 2, 2))
    graph = draw(h.sum(), max_cards=20)
    assert [card.title for card in graph.cards if card.kind == "fold"] == [
        f"blocks.{i}" for i in range(6)
    ]
    assert [g.title for g in graph.groups] == ["net"]


@pytest.mark.parametrize("n", [1, 3, 20, 300])
def test_chains_stay_small_and_keep_their_ends(chain, n):
    _, out = chain(n)
    graph = draw(out)
    assert len(graph.cards) <= 40
    assert graph.cards[0].title == "x"
    assert graph.cards[-1].title == "sum"
    assert graph.cards[0].gradient is not None


@given(st.data())
def test_folded_graphs_have_no_cycles_and_lose_no_op(data):
    tensors = [leaf("x", 2)]
    for i in range(data.draw(st.integers(1, 60))):
        names = data.draw(st.lists(st.sampled_from("abc"), max_size=2))
        with scope(f"m{i // 7}", data.draw(st.sampled_from(["", "Module"]))):
            for name in names:
                with scope(name, ""):
                    tensors.append(mg.sin(tensors[-1]))
            other = data.draw(st.sampled_from(tensors))
            tensors.append(mg.multiply(tensors[-1], other) if data.draw(st.booleans()) else -other)
    out = sum((t.sum() for t in tensors[1:]), tensors[0].sum())
    fold = data.draw(st.sampled_from(["auto", True]))
    graph = draw(out, fold=fold, max_cards=data.draw(st.integers(3, 40)))
    places = {card.id: i for i, card in enumerate(graph.cards)}
    for edge in graph.edges:
        assert places[edge.source] < places[edge.target]
    for card in graph.cards:
        assert card.group is None or card.group in {g.id for g in graph.groups}


def test_boxes_inside_boxes_end():
    def deep(n):
        if not n:
            return leaf("w", 2) * 2.0
        with scope(f"s{n}", "Scope"):
            return deep(n - 1)

    graph = draw(deep(100).sum())
    assert len(graph.groups) == 12
    assert graph.dot.count("subgraph cluster_g") == 12
