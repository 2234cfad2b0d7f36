"""The tape as text: numbered, complete, and in the order in which things are computed."""

import re

import numpy as np
import pytest

import minigrad as mg
from docs.pictures.scenes import SCENES
from minigrad.errors import BackwardError


def test_a_network():
    lines = str(mg.tape(SCENES["network"]())).splitlines()
    assert lines[0] == "tape of mean: 12 ops"
    assert "  %7 = relu(%6)                                 (3, 3) float64  in Network" in lines
    backward = lines[lines.index("backward") :]
    assert backward[-3:] == [
        "  g5 = g6  # add",
        "  Network.fc1.bias.grad = Σ rows g6  # add",
        "  Network.fc1.weight.grad = xᵀ · g5  # matmul",
    ]


def test_paths_that_meet_are_added():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    listing = mg.tape(mg.sum(mg.sin(w) * w))
    assert listing.backward == [
        "g3 = 1",
        "g2 = repeat(g3)  # sum",
        "g1 = g2 × w  # multiply",
        "w.grad = g2 × %1  # multiply",
        "w.grad += g1 × cos(w)  # sin",
    ]


def test_numbers_and_settings_are_told():
    w = mg.tensor(np.ones((2, 3)), requires_grad=True)
    listing = mg.tape(mg.sum(w * 0.5, axis=1)[0])
    assert [line.split("  ")[0] for line in listing.forward[1:]] == [
        "%1 = multiply(w, 0.5)", "%2 = sum(%1, axis=1)", "%3 = getitem(%2, [0])",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
def test_every_gradient_is_made_before_it_is_used(name):
    listing = mg.tape(SCENES[name]())
    made: set[str] = set()
    for line in listing.backward:
        target, rule = re.split(r" \+?= ", line, maxsplit=1)
        used = set(re.findall(r"\bg\d+\b", rule.split("  # ")[0]))
        assert used <= made
        made.add(target)
    grads = {line.split(".grad")[0] for line in listing.backward if ".grad" in line}
    leaves = {line.split()[1] for line in listing.forward if line.endswith("parameter")}
    assert leaves >= grads
    assert len(grads) >= 1


def test_a_released_graph_is_listed_as_well():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    loss = mg.sum(mg.exp(w))
    before = str(mg.tape(loss))
    loss.backward()
    assert str(mg.tape(loss)) == before == repr(mg.tape(loss))


def test_what_has_no_tape():
    with pytest.raises(BackwardError, match="nothing was recorded"):
        mg.tape(mg.tensor([1.0]))
    with pytest.raises(TypeError, match="not ndarray"):
        mg.tape(np.ones(2))  # type: ignore[arg-type]
