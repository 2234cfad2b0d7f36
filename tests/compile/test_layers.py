"""Every layer and optimiser trains compiled as it does as it is written."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

RNG = np.random.default_rng(0)
ROWS = [RNG.normal(size=(6, 8)) for _ in range(6)]
SERIES = [RNG.normal(size=(4, 5, 8)) for _ in range(6)]
IMAGES = [RNG.normal(size=(2, 3, 8, 8)) for _ in range(6)]
WORDS = [RNG.integers(7, size=(4, 5)) for _ in range(6)]


class SelfAttention(nn.Module):
    def __init__(self):
        self.attention = nn.MultiHeadAttention(8, 2)

    def forward(self, x):
        return self.attention(x, x, x)


LAYERS = {
    "batch norm": (lambda: [nn.Linear(8, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)], ROWS),
    "layer norm": (lambda: [nn.LayerNorm(8), nn.Linear(8, 3)], ROWS),
    "group norm": (lambda: [nn.GroupNorm(2, 8), nn.Linear(8, 3)], ROWS),
    "dropout": (lambda: [nn.Linear(8, 5), nn.Dropout(0.3), nn.Linear(5, 3)], ROWS),
    "gelu": (lambda: [nn.Linear(8, 5), mg.gelu, nn.Linear(5, 3)], ROWS),
    "recurrent": (lambda: [nn.RNN(8, 3)], SERIES),
    "lstm": (lambda: [nn.LSTM(8, 3)], SERIES),
    "gru": (lambda: [nn.GRU(8, 3)], SERIES),
    "encoder": (lambda: [nn.TransformerEncoderLayer(8, 2)], SERIES),
    "attention": (lambda: [SelfAttention()], SERIES),
    "convolution": (lambda: [nn.Conv2d(3, 4, 3), mg.relu, nn.MaxPool2d(2)], IMAGES),
    "batch norm of images": (lambda: [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)], IMAGES),
    "transposed": (lambda: [nn.ConvTranspose2d(3, 4, 3), nn.AvgPool2d(2)], IMAGES),
    "embedding": (lambda: [nn.Embedding(7, 4), nn.Linear(4, 2)], WORDS),
}
OTHERS = ["Adadelta", "Adamax", "Lion", "NAdam"]


def trained(layers, data, compiled, optimizer):
    mg.seed(0)
    model = nn.Sequential(*layers())
    rule = getattr(optim, optimizer)(model.parameters(), learning_rate=0.01)

    def step(x):
        rule.zero_grad()
        out = model(x)
        out = out[0] if isinstance(out, tuple) else out
        loss = (out * out).mean()
        loss.backward()
        rule.step()
        return loss

    step = mg.compile(step) if compiled else step
    mg.seed(1)
    losses = [step(x).item() for x in data]
    return losses, model, step


def compare(layers, data, optimizer, settles=3):
    losses, model, _ = trained(layers, data, False, optimizer)
    others, twin, step = trained(layers, data, True, optimizer)
    np.testing.assert_allclose(others, losses, rtol=1e-6)
    state = twin.state_dict()
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(state[name], value, rtol=1e-5, atol=1e-7)
    assert step.traces == settles
    assert "Update" in step.source


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    compare(*LAYERS[name], "SGD")


@pytest.mark.parametrize("name", OTHERS)
def test_optimisers(name):
    data = ROWS + ROWS
    compare(LAYERS["gelu"][0], data, name)
