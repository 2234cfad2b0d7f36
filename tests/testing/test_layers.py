"""Every layer of nn, checked through its output and through the closure of a loss."""

import inspect
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.testing import gradcheck

RNG = np.random.default_rng(0)


def drawn(*shape):
    return RNG.normal(size=shape)


IMAGE, SIGNAL, BLOCK = drawn(2, 2, 4, 4), drawn(2, 2, 6), drawn(2, 2, 3, 3, 3)
ROWS, SEQUENCE = drawn(3, 4), drawn(2, 3, 4)
LABELS = np.array([0, 2, 1])

# By name, how a layer is made, and what it is called with.
LAYERS: dict[str, tuple[Any, Any]] = {
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(2), SIGNAL),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), IMAGE),
    "AdaptiveAvgPool3d": (lambda: nn.AdaptiveAvgPool3d(2), BLOCK),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(2), SIGNAL),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d(2), IMAGE),
    "AdaptiveMaxPool3d": (lambda: nn.AdaptiveMaxPool3d(2), BLOCK),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), SIGNAL),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), IMAGE),
    "AvgPool3d": (lambda: nn.AvgPool3d(2), BLOCK),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), ROWS),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), IMAGE),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(2), BLOCK),
    "Conv1d": (lambda: nn.Conv1d(2, 2, 3), SIGNAL),
    "Conv2d": (lambda: nn.Conv2d(2, 2, 2, stride=2), IMAGE),
    "Conv3d": (lambda: nn.Conv3d(2, 1, 2), BLOCK),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(2, 1, 2, stride=2), SIGNAL),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 1, 2), IMAGE),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 1, 2), BLOCK),
    "Embedding": (lambda: nn.Embedding(5, 3), np.array([[0, 4, 4]])),
    "Flatten": (nn.Flatten, SEQUENCE),
    "GRU": (lambda: nn.GRU(4, 2), SEQUENCE),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), drawn(2, 4, 3)),
    "Identity": (nn.Identity, ROWS),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(2), SIGNAL),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(2), IMAGE),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(2), BLOCK),
    "LSTM": (lambda: nn.LSTM(4, 2), SEQUENCE),
    "LayerNorm": (lambda: nn.LayerNorm(4), SEQUENCE),
    "Linear": (lambda: nn.Linear(4, 3), ROWS),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), SIGNAL),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGE),
    "MaxPool3d": (lambda: nn.MaxPool3d(2), BLOCK),
    "MultiHeadAttention": (lambda: nn.MultiHeadAttention(4, 2), SEQUENCE),
    "Normalize": (lambda: nn.Normalize(4).fit(ROWS), ROWS),
    "RMSNorm": (lambda: nn.RMSNorm(4), ROWS),
    "RNN": (lambda: nn.RNN(4, 3), SEQUENCE),
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), mg.tanh), ROWS),
    "TransformerEncoderLayer": (
        lambda: nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0), drawn(1, 3, 4)
    ),
}  # fmt: skip
RANDOM = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]
NO_LAYERS = {"Module": "what layers are", "ModuleList": "holds layers, and is not called"}


def test_every_layer_is_checked():
    public = {name: getattr(nn, name) for name in vars(nn)["__all__"]}
    layers = {n for n, v in public.items() if inspect.isclass(v) and issubclass(v, nn.Module)}
    assert layers == {*LAYERS, *RANDOM, *NO_LAYERS}


def made(name):
    make, x = LAYERS[name]
    mg.seed(3)
    return make(), x.astype(np.float32) if x.dtype.kind == "f" else x


def outputs(value):
    """The Tensors of a result: recurrent layers give states, too."""
    if isinstance(value, tuple | list):
        return [t for part in value for t in outputs(part)]
    return [] if value is None else [value]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_has_the_gradients_of_its_output_and_is_left_as_it_was(name):
    layer, x = made(name)
    before = {key: np.array(value) for key, value in layer.state_dict().items()}
    arrays = [p.data for p in layer.parameters()]

    def f(x):
        return [mg.tanh(t) for t in outputs(layer(x))]

    report = gradcheck(f, x, params=layer)
    report.raise_if_failed()
    names = [key for key, p in layer.named_parameters() if p.requires_grad]
    assert list(report.elements) == (["x"] if x.dtype.kind == "f" else []) + names
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    for p, data in zip(layer.parameters(), arrays, strict=True):
        assert p.data is data
        assert p.grad is None


@pytest.mark.parametrize("name", ["Linear", "Conv2d", "LSTM", "BatchNorm1d", "MultiHeadAttention"])
def test_the_closure_of_a_loss(name):
    layer, x = made(name)

    def loss():
        return sum((mg.square(t).mean() for t in outputs(layer(mg.Tensor(x)))), mg.tensor(0.0))

    assert gradcheck(loss, params=layer)
    frozen = next(iter(dict(layer.named_parameters())))

    def wrong():
        return loss() + (dict(layer.named_parameters())[frozen].detach() ** 2).sum()

    report = gradcheck(wrong, params=layer)
    assert report.verdict == "fail"
    assert {finding.name for finding in report.findings} == {frozen}


@pytest.mark.parametrize("name", RANDOM)
def test_a_layer_that_draws_is_told_to_be_random_until_it_evaluates(name):
    layer = getattr(nn, name)(0.5)
    x = drawn(2, 2, 6) if name.endswith("1d") else drawn(2, 2, 2, 2, 2)[..., 0]
    x = drawn(2, 2, 2, 2, 2) if name.endswith("3d") else x
    report = gradcheck(layer, x)
    assert report.verdict == "inconclusive"
    assert "f is random" in report.cause
    assert gradcheck(layer.eval(), x)
