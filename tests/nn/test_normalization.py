"""Normalisation layers: what they make of data, and what they remember of it."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

X = np.random.default_rng(0).normal(3.0, 2.0, (16, 4, 5, 5))


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        (nn.BatchNorm2d(4, dtype=float), (0, 2, 3)),
        (nn.InstanceNorm2d(4, dtype=float), (2, 3)),
        (nn.GroupNorm(1, 4, dtype=float), (1, 2, 3)),
        (nn.LayerNorm((5, 5), dtype=float), (2, 3)),
    ],
)
def test_mean_is_zero_and_variance_one(layer, axes):
    out = layer(X)
    out = out.numpy() if isinstance(out, mg.Tensor) else out
    np.testing.assert_allclose(out.mean(axes), 0.0, atol=1e-12)
    np.testing.assert_allclose(out.var(axes), 1.0, rtol=1e-4)


def test_running_statistics_approach_those_of_the_data():
    layer: Any = nn.BatchNorm2d(4, dtype=float)
    for _ in range(200):
        layer(X)
    np.testing.assert_allclose(layer.running_mean.numpy(), X.mean((0, 2, 3)), rtol=1e-8)
    np.testing.assert_allclose(layer.running_var.numpy(), X.var((0, 2, 3), ddof=1), rtol=1e-8)
    np.testing.assert_allclose(layer.eval()(X).numpy().mean((0, 2, 3)), 0.0, atol=1e-7)
    before = layer.state_dict()
    layer(X + 1.0)
    assert all((before[name] == value).all() for name, value in layer.state_dict().items())
    assert before["num_batches_tracked"] == 200


def test_without_momentum_the_mean_of_all_batches_is_remembered():
    layer: Any = nn.BatchNorm1d(4, momentum=None, dtype=float)
    rows = X[:, :, 0, 0]
    for part in (rows[:8], rows[8:]):
        layer(part)
    np.testing.assert_allclose(layer.running_mean.numpy(), rows.mean(0), rtol=1e-13)


def test_statistics_of_a_graph_stay_when_the_running_ones_move():
    layer: Any = nn.BatchNorm1d(4, dtype=float).train()
    layer(X[:, :, 0, 0])
    layer.eval()
    x = mg.Tensor(X[:, :, 0, 0], requires_grad=True)
    loss = (layer(x) ** 2.0).sum()
    scale = 1.0 / np.sqrt(layer.running_var.numpy() + layer.eps)
    expected = 2 * layer(x).numpy() * scale
    layer.train()(X[:, :, 1, 1])
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)  # type: ignore[union-attr]


def test_titles_tell_what_is_normalised():
    assert nn.LayerNorm((3, 4)).title() == "LayerNorm(3×4)"
    assert nn.GroupNorm(2, 4).title() == "GroupNorm(2 of 4)"
    assert nn.BatchNorm1d(4).title() == "BatchNorm1d(4)"
    assert nn.RMSNorm(4).title() == "RMSNorm(4)"
