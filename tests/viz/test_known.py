"""A closed form is shown where it is true, and only there."""

import numpy as np
import pytest

from minigrad.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from minigrad.scopes import scope
from minigrad.tensor import Tensor
from minigrad.viz import draw
from minigrad.viz.digest import digest
from minigrad.viz.known import FORMS, closed_form

RNG = np.random.default_rng(0)


def rule(output, **inputs):
    return draw(output, inputs=inputs).cards[-1].rules


def logits(dtype=np.float64):
    return Tensor(RNG.normal(size=(4, 3)).astype(dtype), requires_grad=True, name="z")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("reduction", "divided"), [("mean", " / 4"), ("sum", "")])
def test_cross_entropy(dtype, reduction, divided):
    labels = np.array([0, 2, 1, 1])
    text = "softmax(z) − onehot(labels)"
    text = f"({text}){divided}" if divided else text
    loss = cross_entropy(logits(dtype), labels, reduction=reduction)
    assert rule(loss, labels=labels) == [f"∂L/∂z = {text}"]


def test_mse_loss():
    target = RNG.normal(size=(4, 3))
    assert rule(mse_loss(logits(), target), target=target) == ["∂L/∂z = (2 × (z − target)) / 12"]


def test_binary_cross_entropy():
    target = RNG.integers(0, 2, (4, 3)).astype(float)
    found = rule(binary_cross_entropy_with_logits(logits(), target), target=target)
    assert found == ["∂L/∂z = (sigmoid(z) − target) / 12"]


def test_the_name_alone_proves_nothing():
    z, labels = logits(), np.array([0, 2, 1, 1])
    with scope("cross_entropy", ""):
        wrong = (z * z)[np.arange(4), labels].sum()
    assert rule(wrong)[0].startswith("through ")


def test_a_loss_that_is_weighted_shows_the_ops_it_runs_through():
    z, labels = logits(), np.array([0, 2, 1, 1])
    graph = draw(cross_entropy(z, labels) * 0.5)
    card = next(card for card in graph.cards if card.title == "cross_entropy")
    assert card.rules[0].startswith("through ")


@pytest.mark.parametrize("other", [np.array([0, 9, 1, 1]), np.array([0, 1]), np.ones((2, 2))])
def test_shapes_and_labels_of_something_else_are_no_closed_form(other):
    x, g = digest(RNG.normal(size=(4, 3))), digest(RNG.normal(size=(4, 3)))
    for name in FORMS:
        assert closed_form(name, x, "x", digest(other), "y", g) is None
