"""Recurrent layers: time, state, dropout between layers, and long sequences."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError

KINDS = [nn.RNN, nn.LSTM, nn.GRU]
X = np.random.default_rng(0).normal(size=(2, 6, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_in_two_parts_is_the_sequence(kind):
    layer = kind(3, 4, 2, dtype=float, rng=0)
    whole, end = layer(X)
    first, state = layer(X[:, :2])
    second, same = layer(X[:, 2:], state)
    np.testing.assert_allclose(mg.concatenate([first, second], 1).numpy(), whole.numpy(), 1e-13)
    for a, b in zip(end, same, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_at_the_ends_are_the_state(kind):
    layer = kind(3, 4, 2, bidirectional=True, dtype=float, rng=0)
    out, state = layer(X)
    hidden = state[0] if kind is nn.LSTM else state
    np.testing.assert_array_equal(out[:, -1, :4].numpy(), hidden[2].numpy())
    np.testing.assert_array_equal(out[:, 0, 4:].numpy(), hidden[3].numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_time_first_is_the_same_with_axes_swapped(kind):
    layer = kind(3, 4, dtype=float, rng=0)
    other = kind(3, 4, batch_first=False, dtype=float, rng=0)
    np.testing.assert_array_equal(
        layer(X)[0].numpy(), np.swapaxes(other(np.swapaxes(X, 0, 1))[0].numpy(), 0, 1)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_pass_through_time(kind):
    layer = kind(2, 2, bidirectional=True, dtype=float, rng=0)
    x = np.random.default_rng(1).normal(size=(2, 3, 2))
    assert mg.gradcheck(lambda t: (layer(t)[0] ** 2).sum(), x, params=layer, order=1)


def test_dropout_falls_between_layers_only_while_training():
    layer = nn.GRU(3, 4, 2, dropout=0.5, dtype=float, rng=0)
    assert (layer(X)[0].numpy() != layer(X)[0].numpy()).any()
    plain = nn.GRU(3, 4, 2, dtype=float)
    plain.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(layer.eval()(X)[0].numpy(), plain(X)[0].numpy())
    single = nn.GRU(3, 4, 1, dropout=0.5, dtype=float, rng=0)
    np.testing.assert_array_equal(single(X)[0].numpy(), single(X)[0].numpy())


def test_a_state_that_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"state \(2, 4\) where \(1, 2, 4\) was expected"):
        nn.RNN(3, 4)(X, np.zeros((2, 4)))
    with pytest.raises(ShapeError, match=r"state \(1, 2, 4\) where"):
        nn.LSTM(3, 4)(X, (np.zeros((1, 2, 4)),))


def test_a_recurrent_network_learns_to_count():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (64, 8, 1)).astype(np.float32)
    parity = bits[..., 0].sum(1) > 3.5

    class Counter(nn.Module):
        def __init__(self):
            self.memory = nn.GRU(1, 8, rng=0)
            self.head = nn.Linear(8, 2, rng=1)

        def forward(self, x):
            return self.head(self.memory(x)[0][:, -1])

    model = Counter()
    optimizer = mg.optim.Adam(model.parameters(), 0.03)
    history = mg.fit(
        model, bits, parity.astype(int), optimizer=optimizer, epochs=25, rng=0, progress=False
    )
    assert history["accuracy"][-1] > 0.95
