"""Two drawings compared: what changed, by how much, and where it began."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.scopes import scope
from minigrad.viz import diff, draw


def model(second=1.0, extra=False, seed=0):
    x = np.random.default_rng(seed).normal(size=(3, 2))
    w = mg.tensor([[1.0, -1.0], [0.5, 2.0]], requires_grad=True, name="w")
    v = mg.tensor([[second], [0.5]], requires_grad=True, name="v")
    with scope("hidden", "Linear"):
        h = mg.tanh(x @ w)
    with scope("head", "Linear"):
        out = h @ v
    if extra:
        out = mg.exp(out)
    return mg.mean(out)


def test_a_drawing_does_not_differ_from_itself():
    graph = diff(draw(model()), draw(model()))
    assert graph.issues == []
    assert {card.note for card in graph.cards} == {"equal"}
    assert all(not card.value.norm for card in graph.cards)  # type: ignore[union-attr]
    assert graph.subtitle.startswith("0 of 7 cards differ")


def test_what_changed_is_told_and_the_first_of_it_marked():
    a, b = draw(model()), draw(model(second=1.1))
    graph = diff(a, b)
    messages = {i.path: i.message for i in graph.issues}
    assert next(iter(messages)) == "head.v"
    assert messages["head.v"] == "first difference: value by 0.10 (10%)"
    assert "hidden.w" in messages  # whose gradient is another now
    assert messages["hidden.w"].startswith("gradient by")
    (v,) = [card for card in graph.cards if card.title == "v"]
    np.testing.assert_allclose(v.value.rows, [[0.1], [0.0]], atol=1e-12)  # type: ignore[union-attr, arg-type]
    (x,) = [card for card in graph.cards if card.title == "x"]
    assert x.note == "equal"
    assert a.cards[0].note == "equal" or not a.cards[0].note  # the drawings are as they were
    assert all("difference" not in " ".join(c.badges) for c in b.cards)


def test_where_only_gradients_differ_the_way_back_is_followed():
    out = model()
    graph = diff(draw(out), draw(out, gradient=2.0))
    assert graph.issues[0].path == "mean"
    assert graph.issues[0].message == "first difference: gradient by 1.00 (100%)"


def test_cards_of_one_drawing_only():
    graph = diff(draw(model()), draw(model(extra=True)))
    alone = [i.message for i in graph.issues if i.kind == "only in one"]
    assert alone == ["first difference: only in the second"]
    graph = diff(draw(model(extra=True)), draw(model()))
    (gone,) = [c for c in graph.cards if "only in the first" in c.badges]
    assert (gone.title, gone.id[-2:]) == ("exp", ".0")
    assert sum(gone.id in (e.source, e.target) for e in graph.edges) >= 2
    ids = {card.id for card in graph.cards}
    assert {e.source for e in graph.edges} | {e.target for e in graph.edges} <= ids
    assert len(ids) == len(graph.cards)


def test_small_differences_are_none():
    a, b = draw(model()), draw(model(second=1.0 + 1e-9))
    assert diff(a, b).issues == []
    assert diff(a, b, rtol=0.0).issues[0].message.startswith("first difference: value by 1e−9")


def test_large_arrays_are_compared_by_what_is_known_of_them():
    def loss(factor):
        w = mg.tensor(np.arange(2000.0) * factor, requires_grad=True, name="w")
        return mg.sum(w * w)

    graph = diff(draw(loss(1.0)), draw(loss(2.0)))
    assert "value norm 5e4 → 1e5" in graph.issues[0].message
    assert diff(draw(loss(1.0)), draw(loss(1.0))).issues == []


def test_nan_equals_nan_and_nothing_else():
    def loss(x):
        return mg.sum(mg.tensor(x, requires_grad=True, name="w") * 1.0)

    with np.errstate(all="ignore"):
        a, b = draw(loss([np.nan, 1.0])), draw(loss([2.0, 1.0]))
    assert diff(a, draw(loss([np.nan, 1.0]))).issues == []
    assert diff(a, b).issues[0].message.startswith("first difference: value by nan")


@pytest.mark.parametrize("mode", ["both", "forward", "backward"])
def test_it_is_a_drawing(mode, tmp_path):
    pytest.importorskip("pygraphviz")
    graph = diff(draw(model(), mode), draw(model(second=2.0, extra=True), mode))
    assert graph.save(tmp_path / "difference.svg").stat().st_size > 5000
    assert "difference" in graph.title
    assert "only in the second" in str(graph)


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match="modes 'both' and 'forward'"):
        diff(draw(model()), draw(model(), "forward"))
    with pytest.raises(TypeError, match="not Tensor"):
        diff(draw(model()), model())
