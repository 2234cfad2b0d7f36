"""What ops cost: every primitive is counted or listed, and the counts are those of loops."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.primitive import REGISTRY
from minigrad.viz import draw
from minigrad.viz.cost import EACH, FORMULAS, MOVES, UNCOUNTED, amount, flops

IMAGE, KERNEL = (2, 1, 3, 5, 6), (1, 4, 3, 2, 2)  # (n, groups, channels, …), (groups, outputs, …)
MADE = (2, 1, 4, 4, 5)
OWN = [name for name, op in REGISTRY.items() if op.__module__.startswith("minigrad.")]


def test_every_primitive_is_counted_or_it_is_said_why_not():
    tables = [EACH, MOVES, FORMULAS.keys(), UNCOUNTED.keys()]
    assert set().union(*tables) == {*OWN}
    assert not any(a & b for a, b in itertools.combinations(map(set, tables), 2))
    assert all(UNCOUNTED.values())


@pytest.mark.parametrize("op", OWN)
def test_the_cases_of_the_registry_can_be_counted(op):
    primitive = REGISTRY[op]
    for case in primitive.cases:
        shapes = [s for s in case.shapes if isinstance(s, tuple)]
        if not shapes or len(shapes) != len(case.shapes):
            continue
        found = flops(op, shapes, shapes[0], {**primitive.statics, **case.params})
        assert (found is None) == (op in UNCOUNTED)
        assert found is None or found >= 0


@pytest.mark.parametrize(
    ("op", "inputs", "out", "params", "count"),
    [
        ("matmul", [(5, 3, 4), (4, 2)], (5, 3, 2), {}, 5 * 3 * 2 * 4 * 2),
        ("matmul", [(4,), (4,)], (), {}, 8),
        ("add", [(3, 4), (4,)], (3, 4), {}, 12),
        ("sum", [(3, 4)], (), {}, 12),
        ("reshape", [(3, 4)], (12,), {}, 0),
        ("sort", [(3, 4)], (3, 4), {}, None),
        ("einsum", [(3, 4), (4, 5)], (3, 5), {"subscripts": "ij,jk->ik"}, 2 * 60),
        ("einsum", [(7, 3, 4), (4, 5)], (7, 3, 5), {"subscripts": "...ij,jk->...ik"}, 2 * 420),
        ("einsum", [(3, 3)], (), {"subscripts": "ii->"}, 3),
        ("window_product", [IMAGE, KERNEL], MADE, {}, 2 * (2 * 4 * 4 * 5) * (3 * 2 * 2)),
        ("overlap_product", [MADE, KERNEL], IMAGE, {}, 2 * (2 * 4 * 4 * 5) * (3 * 2 * 2)),
        ("kernel_product", [IMAGE, MADE], KERNEL, {}, 2 * (2 * 4 * 4 * 5) * (3 * 2 * 2)),
        ("cholesky", [(6, 9, 9)], (6, 9, 9), {}, 6 * 243),
        ("solve", [(3, 3), (3, 2)], (3, 2), {}, 18 + 36),
        ("svd", [(10, 4)], (), {}, 14 * 160 + 8 * 64),
        ("svd", [(4, 10)], (), {}, 14 * 160 + 8 * 64),
        ("add_at", [(9,), (2,)], (9,), {}, 2),
        ("of somebody else", [(9,)], (9,), {}, None),
    ],
)
def test_counts(op, inputs, out, params, count):
    assert flops(op, inputs, out, params) == count


def test_a_network_adds_up():
    x = np.random.default_rng(0).normal(size=(32, 64))
    model = nn.Sequential(nn.Linear(64, 16, dtype="float64", rng=0), mg.relu)
    graph = draw(mg.mean(model(mg.tensor(x, name="x"))))
    cards = {card.title: card for card in graph.cards}
    assert cards["matmul"].flops == 2 * 32 * 64 * 16
    assert cards["add"].flops == cards["relu"].flops == cards["mean"].flops == 32 * 16
    assert cards["weight"].bytes == 64 * 16 * 8
    assert cards["weight"].flops is None
    assert cards["matmul"].saved == x.nbytes
    assert cards["add"].saved == 0
    assert cards["relu"].saved == 32 * 16 * 8  # its own result, and nothing of what came in
    folded = draw(mg.mean(model(x)), fold=True)
    (linear,) = [card for card in folded.cards if card.kind == "fold"]
    assert linear.flops == 2 * 32 * 64 * 16 + 32 * 16
    assert linear.saved == x.nbytes


def test_what_two_ops_keep_is_counted_once_and_a_view_as_what_it_keeps_alive():
    w = mg.Tensor(np.ones(10), requires_grad=True, name="w")
    h = mg.exp(w)
    y = (h * h).sum() + mg.square(h[2:4]).sum()
    graph = draw(y, fold=False)
    assert [card.saved for card in graph.cards if card.saved] == [80]  # exp keeps what it made
    assert sum(card.saved for card in draw(mg.sum(w * w)).cards) == 0  # a parameter lives anyway


def test_what_a_page_tells(tmp_path):
    w = mg.Tensor(np.ones((300, 200)), requires_grad=True, name="w")
    page = draw(mg.sum(mg.exp(w))).save(tmp_path / "page.html").read_text(encoding="utf-8")
    assert r"480 kB \u00b7 60 kFLOPs forward \u00b7 keeps 480 kB" in page
    assert "(100 % of all that is kept)" in page


def test_amounts_have_three_digits():
    assert [amount(n, "B") for n in (0, 999, 1000, 1234567, 5e9, 2e18)] == [
        "0 B", "999 B", "1 kB", "1.23 MB", "5 GB", "2e+03 PB",
    ]  # fmt: skip


def test_lines_are_known_under_detect_anomaly():
    w = mg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    assert {card.line for card in draw(mg.sum(mg.exp(w))).cards} == {""}
    with mg.detect_anomaly():
        loss = mg.sum(mg.exp(w))
    graph = draw(loss)
    name = "test_lines_are_known_under_detect_anomaly"
    number = test_lines_are_known_under_detect_anomaly.__code__.co_firstlineno + 4
    lines = [card.line for card in graph.cards]
    assert lines == ["", *[f"test_cost.py:{number} ({name})"] * 2]
    assert f"called at test_cost.py:{number}" in graph.dot
    assert f"test_cost.py:{number}" in graph.interactive().html
