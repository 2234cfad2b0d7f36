"""Faults are found and named; a healthy model has none."""

# mypy: disable-error-code="union-attr, index"

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.functional import cross_entropy
from minigrad.scopes import scope
from minigrad.tensor import Tensor
from minigrad.viz import draw


def leaf(data, name="w"):
    return Tensor(np.array(data), requires_grad=True, name=name)


def issues(output, **kwargs):
    with np.errstate(all="ignore"):
        return [str(issue) for issue in draw(output, **kwargs).issues]


def test_the_dead_unit_of_the_network(loss):
    assert issues(loss()) == [
        "act.relu: unit 2 is dead: 0 for all 3 examples",
        "fc2.weight: row 2 gets no gradient",
        "fc1.weight: column 2 gets no gradient",
    ]


def test_the_card_says_so_and_outlines_the_cells(loss):
    relu = next(card for card in draw(loss()).cards if card.title == "relu")
    assert relu.badges == ["unit 2 is dead: 0 for all 3 examples"]
    assert relu.marks["value"]["columns"] == (2,)


def test_a_healthy_model_has_no_issues():
    rng = np.random.default_rng(0)
    hidden, out = nn.Linear(64, 128, rng=1), nn.Linear(128, 10, rng=2)
    x = rng.uniform(0, 1, (32, 64)) * (np.arange(64) > 5)  # some pixels are always 0
    logits = out(mg.relu(hidden(x)))
    for mode in ("both", "forward", "backward"):
        assert issues(cross_entropy(logits, rng.integers(0, 10, 32)), mode=mode) == []


def test_the_first_op_that_made_nan_is_named():
    w = leaf([[1.0], [2.0], [-0.5]])
    with np.errstate(all="ignore"):
        out = mg.sqrt(mg.log(np.array([[1.0, -2.0, 3.0], [0.5, 1.0, 2.0]]) @ w)).mean()
    assert issues(out) == ["log: log made 1 NaN here, input min −4.50"]


def test_infinity_that_was_meant_is_no_fault():
    w = leaf([1.0, 2.0, 3.0])
    mask = np.array([True, False, True])
    assert issues(mg.exp(mg.where(mask, w, -np.inf)).sum()) == []
    assert issues(mg.exp(w + np.array([0.0, -np.inf, 0.0])).sum()) == []


def test_a_leaf_that_is_not_finite():
    assert issues((leaf([1.0, np.nan]) * 2.0).sum())[0] == "w: holds 1 NaN"


def test_a_rule_that_makes_infinity_of_finite_numbers():
    assert issues(mg.sqrt(leaf([0.0, 4.0])).sum()) == [
        "sqrt: the gradient of sqrt is 1 infinite here"
    ]


@pytest.mark.parametrize(("op", "large"), [(mg.sigmoid, 9.0), (mg.tanh, 5.0)])
def test_saturation(op, large):
    slope = "saturated: slope under 0.05 for 100% of the elements"
    assert issues(op(leaf([[large, -large], [large, large]])).sum()) == [f"{op.name}: {slope}"]
    assert issues(op(leaf([[large, 0.0], [large, large]])).sum()) == []


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (1.0, None),
        (1e-2, None),
        (1e-4, "vanishing: gradient 10,000× smaller than in last"),
        (1e4, "exploding: gradient 10,000× larger than in last"),
        (1e-12, "vanishing: gradient 1e12× smaller than in last"),
    ],
)
def test_layers_that_learn_at_another_pace(size, message):
    x = np.eye(3)
    with scope("first", "Linear"):
        h = x @ leaf(np.eye(3), "weight")
    with scope("last", "Linear"):
        h = h @ leaf(np.eye(3) * size, "weight")
    found = issues((h * np.eye(3)).sum())
    assert found == ([] if message is None else [f"first.matmul: {message}"])


def test_a_gradient_that_is_zero():
    assert issues((leaf([1.0, 2.0]) * 0.0).sum()) == ["w: gradient is 0 everywhere"]


def test_units_that_stay_copies():
    w, v = leaf(np.ones((3, 2))), leaf(np.ones((2, 1)), "v")
    x = np.random.default_rng(0).normal(size=(4, 3))
    assert issues((mg.tanh(x @ w) @ v).mean()) == [
        "w: all 2 units are equal and get equal gradients"
    ]


def test_rows_of_an_embedding_may_go_without():
    assert issues(leaf(np.ones((5, 2)))[np.array([1, 3])].sum()) == []


def test_a_parameter_that_is_not_used():
    w, unused = leaf([1.0]), leaf([2.0], "scale")
    graph = draw((w * 2.0).sum(), inputs={"w": w, "head.scale": unused})
    assert [str(i) for i in graph.issues] == ["head.scale: not used by the output"]
    card = next(card for card in graph.cards if card.id == graph.issues[0].card)
    assert (card.title, card.badges) == ("head.scale", ["not used by the output"])


def test_a_folded_card_says_what_is_wrong_inside(loss):
    graph = draw(loss(), fold=True)
    badges = {card.title: card.badges for card in graph.cards if card.badges}
    assert badges == {
        "fc1": ["weight: column 2 gets no gradient"],
        "act": ["unit 2 is dead: 0 for all 3 examples"],
        "fc2": ["weight: row 2 gets no gradient"],
    }


def test_many_issues_on_one_card_are_counted():
    h = np.ones((4, 3))
    for i in range(30):
        with scope(f"l{i}", "Linear(3 → 3)"):
            h = mg.relu(h @ leaf(np.array([[1.0, 1, -1]] * 3), "weight"))
    graph = draw(h.sum(), max_cards=10)
    repeat = next(card for card in graph.cards if card.kind == "fold")
    assert len(repeat.badges) == 2
    assert repeat.badges[1].endswith("more")


def test_several_units_are_counted():
    x = -np.ones((4, 8))
    x[:, :5] = 1.0
    text = "units 5, 6, 7 are dead: 0 for all 4 examples"
    assert issues(mg.relu(leaf(x, "x")).sum()) == [f"relu: {text}"]
    text = "7 of 8 units are dead: 0 for all 4 examples"
    assert issues(mg.relu(leaf(x, "x") - np.arange(8.0) * 2).sum())[0] == f"relu: {text}"


def test_units_of_images_are_channels():
    x = np.ones((2, 3, 4, 4))
    x[:, 1] = -1.0
    assert issues(mg.relu(leaf(x, "x")).sum()) == ["relu: unit 1 is dead: 0 for all 32 positions"]


def test_a_few_idle_units_of_a_wide_layer_are_no_fault():
    x = np.ones((4, 100))
    x[:, :20] = -1.0
    assert issues(mg.relu(leaf(x, "x")).sum()) == []


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        (1e-2, []),
        (50.0, ["lower the learning rate"] * 2),
        (1e-12, ["it does not learn"] * 2),
    ],
)
def test_the_size_of_an_update(rate, told):
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(20, 3)), leaf(rng.normal(size=(3, 4)), "v")
    w, b = leaf(rng.normal(size=(4, 2)), "w"), leaf(np.zeros(2), "b")
    y = rng.integers(2, size=20)
    before = [p.numpy().copy() for p in (v, w, b)]
    optimizer = mg.optim.Adam([v, w, b], learning_rate=rate)
    graph = draw(cross_entropy(mg.tanh(x @ v) @ w + b, y), optimizer=optimizer)
    found = [str(issue) for issue in graph.issues if issue.kind == "update"]
    assert [text.partition(" of its size: ")[2] for text in found] == told
    notes = {card.title: card.note for card in graph.cards if card.kind == "parameter"}
    assert notes["b"] == ""  # all 0: nothing to compare with
    assert [p.numpy().tolist() for p in (v, w, b)] == [array.tolist() for array in before]
    assert v.grad is None
    assert not any(name.startswith("0.") for name in optimizer.state_dict())  # nothing remembered


def test_the_size_of_an_update_is_that_of_the_step():
    w = leaf([[3.0, 4.0]])
    optimizer = mg.optim.SGD([w], learning_rate=0.1, momentum=0.9)
    for _ in range(2):
        loss = (w * w).sum()
        (card,) = (c for c in draw(loss, optimizer=optimizer).cards if c.kind == "parameter")
        before = w.numpy()
        w.grad = None
        loss.backward()
        optimizer.step()
        ratio = np.linalg.norm(w.numpy() - before) / np.linalg.norm(before)
        assert card.note == f"the next update is {ratio:.2f} of its size"
    with pytest.raises(TypeError, match="needs nothing else, not LBFGS"):
        draw((w * w).sum(), optimizer=mg.optim.LBFGS([w]))
