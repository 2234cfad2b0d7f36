"""Penalties: their values, their gradients, and that weight decay is one of them."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from tests.optim.trajectories import START, start


def test_values_and_gradients():
    w, b = start()
    flat = np.array([*START[0], START[1]])
    assert optim.l1_penalty([w, b], 0.5).item() == 0.5 * np.abs(flat).sum()
    assert optim.l2_penalty([w, b], 0.5).item() == 0.25 * (flat**2).sum()
    (optim.l1_penalty([w, b], 0.5) + optim.l2_penalty(iter([w, b]), 2.0)).backward()
    np.testing.assert_allclose(w.grad.numpy(), 0.5 * np.sign(START[0]) + 2.0 * np.array(START[0]))
    assert b.grad.shape == ()
    with pytest.raises(ValueError, match="there are no parameters to penalise"):
        optim.l1_penalty([])


def test_weight_decay_of_sgd_is_the_l2_penalty():
    decayed, penalised = start(), start()
    one, other = optim.SGD(decayed, 0.1, weight_decay=0.3), optim.SGD(penalised, 0.1)
    for parameters, optimizer, strength in ((decayed, one, 0.0), (penalised, other, 0.3)):
        for _ in range(5):
            optimizer.zero_grad()
            loss = (parameters[0] ** 2.0).sum() + parameters[1]
            (loss + optim.l2_penalty(parameters, strength)).backward()
            optimizer.step()
    np.testing.assert_allclose(decayed[0].numpy(), penalised[0].numpy(), rtol=1e-14)


def test_a_penalty_keeps_the_precision_of_parameters():
    w: Any = mg.Tensor([1.0, -2.0], requires_grad=True, dtype=np.float32)
    assert optim.l2_penalty([w], np.float64(0.1)).dtype == np.float32
    assert optim.l1_penalty([w], 0.1).dtype == np.float32


def test_l1_finds_the_few_features_that_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 10))
    y = x[:, 0] * 2.0 - x[:, 3]
    w: Any = mg.Tensor(np.zeros(10), requires_grad=True)
    optimizer = optim.SGD([w], 0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (((x @ w - y) ** 2.0).mean() + optim.l1_penalty([w], 0.2)).backward()
        optimizer.step()
    large = np.abs(w.numpy()) > 0.05
    assert large[[0, 3]].all()
    assert large.sum() == 2
