"""The computations that the gallery and the tests draw, each a function that returns what to draw.

All of them are small, deterministic and named as users would name theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

import minigrad as mg
from minigrad import functional as F  # noqa: N812
from minigrad import nn

SCENES: dict[str, Callable[[], mg.Tensor]] = {}


def scene(make: Callable[[], mg.Tensor]) -> Callable[[], mg.Tensor]:
    """Put a scene on the list."""
    SCENES[make.__name__] = make
    return make


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Draw numbers that are the same in every run and on every machine."""
    return np.random.default_rng(seed).normal(size=shape) * scale


M = TypeVar("M", bound=nn.Module)
_HELD: list[nn.Module] = []


def held(model: M) -> M:
    """Keep a model alive, as a program does while it trains: then drawings know what it has."""
    _HELD.append(model)
    return model


def parameter(data: Any, name: str | None = None) -> nn.Parameter:
    return nn.Parameter(np.asarray(data), name=name)


@scene
def network() -> mg.Tensor:
    """A batch of 3 through Linear, relu, Linear and cross-entropy; one unit is dead."""
    x = np.array([[0.13, -0.13, 0.64, 0.1], [-0.54, 0.36, 1.3, 0.95], [-0.7, -1.27, -0.62, 0.04]])
    y = np.array([0, 1, 1])
    fc1, fc2 = nn.Linear(4, 3, dtype="float64"), nn.Linear(3, 2, dtype="float64")
    fc1.weight = parameter(
        [[-1.63, -0.15, -0.88], [-0.51, -0.38, -0.22], [0.29, 0.73, -0.09], [0.96, 0.47, 0.24]]
    )
    fc1.bias = parameter([0.1, -0.1, -3.0])
    fc2.weight = parameter([[0.9, 0.09], [-0.74, -0.92], [-0.46, 0.22]])
    fc2.bias = parameter([0.0, 0.0])
    return mg.cross_entropy(held(Network(fc1, fc2))(mg.tensor(x, name="x")), mg.tensor(y, name="y"))


class Network(nn.Module):
    """Two layers with a relu between them."""

    def __init__(self, fc1: nn.Module, fc2: nn.Module) -> None:
        self.fc1, self.fc2 = fc1, fc2

    def forward(self, x: Any) -> Any:
        return self.fc2(mg.relu(self.fc1(x)))


@scene
def digits() -> mg.Tensor:
    """A network for pictures of 8 x 8 pixels, with scaling as its first layer."""
    mg.seed(0)
    images = np.random.default_rng(1).integers(0, 17, (32, 64)).astype("float32")
    labels = np.arange(32) % 10
    model = nn.Sequential(
        nn.Normalize(64).fit(images), nn.Linear(64, 128), mg.relu, nn.Linear(128, 10)
    )
    logits = model(mg.tensor(images, name="images"))
    return mg.cross_entropy(logits, mg.tensor(labels, name="labels"))


class Conv(nn.Module):
    """A convolution with a bias."""

    def __init__(self, inputs: int, outputs: int, seed: int) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.weight = parameter(
            normal(outputs, inputs, 3, 3, seed=seed, scale=(9 * inputs) ** -0.5)
        )
        self.bias = parameter(np.zeros(outputs))

    def title(self) -> str:
        return f"Conv({self.inputs} → {self.outputs})"

    def forward(self, x: Any) -> Any:
        return F.conv2d(x, self.weight, self.bias, padding=1)


class Images(nn.Module):
    """Two convolutions with pooling, and a linear layer."""

    def __init__(self) -> None:
        self.conv1, self.conv2 = Conv(1, 4, seed=1), Conv(4, 8, seed=2)
        self.head = nn.Linear(32, 3, dtype="float64")
        self.head.weight = parameter(normal(32, 3, seed=3, scale=0.2))

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(mg.relu(self.conv1(x)), 2)
        x = F.max_pool2d(mg.relu(self.conv2(x)), 2)
        return self.head(x.reshape(x.shape[0], -1))


@scene
def convolution() -> mg.Tensor:
    """A small convolutional network on four pictures of 8 x 8 pixels."""
    images, labels = normal(4, 1, 8, 8, seed=4), np.array([0, 2, 1, 0])
    logits = held(Images())(mg.tensor(images, name="images"))
    return mg.cross_entropy(logits, mg.tensor(labels, name="labels"))


class Block(nn.Module):
    """A layer that is added to its input."""

    def __init__(self, width: int, seed: int) -> None:
        self.fc = nn.Linear(width, width, dtype="float64")
        self.fc.weight = parameter(normal(width, width, seed=seed, scale=0.5 * width**-0.5))

    def forward(self, x: Any) -> Any:
        return x + mg.tanh(self.fc(x))


@scene
def residual() -> mg.Tensor:
    """Four layers, each added to its input."""
    model = nn.Sequential(*(Block(8, seed=i) for i in range(4)))
    x, target = normal(6, 8, seed=9), normal(6, 8, seed=10)
    return F.mse_loss(model(mg.tensor(x, name="x")), mg.tensor(target, name="target"))


class LSTM(nn.Module):
    """A long short-term memory, unrolled over the first axis."""

    def __init__(self, inputs: int, width: int) -> None:
        self.width = width
        self.wx = parameter(normal(inputs, 4 * width, seed=1, scale=0.5))
        self.wh = parameter(normal(width, 4 * width, seed=2, scale=0.5))
        self.bias = parameter(np.zeros(4 * width))

    def forward(self, xs: Any) -> Any:
        n = self.width
        h = c = np.zeros((xs.shape[1], n))
        for i in range(len(xs)):
            with mg.scope(f"step {i}", "LSTM cell"):
                gates = xs[i] @ self.wx + h @ self.wh + self.bias
                forget, take, give = (mg.sigmoid(gates[:, k * n : (k + 1) * n]) for k in range(3))
                c = forget * c + take * mg.tanh(gates[:, 3 * n :])
                h = give * mg.tanh(c)
        return h


@scene
def lstm() -> mg.Tensor:
    """A long short-term memory over 20 steps."""
    xs, target = normal(20, 2, 3, seed=3), normal(2, 4, seed=4)
    return F.mse_loss(held(LSTM(3, 4))(xs), mg.tensor(target, name="target"))


class Attention(nn.Module):
    """Self-attention with one head for every two features."""

    def __init__(self, width: int, heads: int) -> None:
        self.heads = heads
        self.qkv = parameter(normal(width, 3 * width, seed=1, scale=width**-0.5))
        self.out = parameter(normal(width, width, seed=2, scale=width**-0.5))

    def forward(self, x: Any) -> Any:
        batch, length, width = x.shape
        parts = (x @ self.qkv).reshape(batch, length, 3, self.heads, -1)
        q, k, v = (mg.swapaxes(parts[:, :, i], 1, 2) for i in range(3))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return mg.swapaxes(mixed, 1, 2).reshape(batch, length, width) @ self.out


class Norm(nn.Module):
    """Layer normalisation."""

    def __init__(self, width: int) -> None:
        self.weight, self.bias = parameter(np.ones(width)), parameter(np.zeros(width))

    def forward(self, x: Any) -> Any:
        return F.layer_norm(x, x.shape[-1], self.weight, self.bias)


class Transformer(nn.Module):
    """One block: attention and a layer of its own for each position, both added to their input."""

    def __init__(self, width: int) -> None:
        self.norm1, self.attention = Norm(width), Attention(width, 2)
        self.norm2 = Norm(width)
        self.up = nn.Linear(width, 2 * width, dtype="float64")
        self.up.weight = parameter(normal(width, 2 * width, seed=3, scale=width**-0.5))
        self.down = nn.Linear(2 * width, width, dtype="float64")
        self.down.weight = parameter(normal(2 * width, width, seed=4, scale=width**-0.5))

    def forward(self, x: Any) -> Any:
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


@scene
def transformer() -> mg.Tensor:
    """A transformer block on two sequences of three positions."""
    x, target = normal(2, 3, 4, seed=5), normal(2, 3, 4, seed=6)
    return F.mse_loss(
        held(Transformer(4))(mg.tensor(x, name="x")), mg.tensor(target, name="target")
    )


@scene
def siamese() -> mg.Tensor:
    """One network on both of a pair, so that its parameters get two gradients."""
    mg.seed(0)
    left, right = normal(3, 4, seed=1), normal(3, 4, seed=2)
    layer = nn.Linear(4, 3, dtype="float64")
    layer.weight = parameter(normal(4, 3, seed=3))
    encoder = nn.Sequential(layer, mg.tanh)
    a, b = encoder(mg.tensor(left, name="left")), encoder(mg.tensor(right, name="right"))
    return mg.mean(mg.square(a - b))


@scene
def hessian() -> mg.Tensor:
    """The gradient of a gradient: the graph that differentiating a second time walks."""
    x = mg.tensor([0.5, -1.0, 2.0], requires_grad=True, name="x")
    y = mg.sum(mg.sin(x) * x)
    y.backward(create_graph=True)
    assert x.grad is not None
    slope, x.grad = x.grad, None
    return mg.sum(slope * np.array([1.0, 0.0, 0.0]))


@scene
def nan() -> mg.Tensor:
    """A logarithm of something negative, and what becomes of it."""
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], name="x")
    w = mg.tensor([[0.5, -1.0], [-0.5, 0.25]], requires_grad=True, name="w")
    with np.errstate(all="ignore"):
        return mg.mean(mg.log(x @ w) * 2.0)


@scene
def vanishing() -> mg.Tensor:
    """Nine sigmoid layers: hardly anything of the gradient arrives at the first."""
    layers: list[Any] = []
    for i in range(9):
        layer = nn.Linear(8, 8, dtype="float64")
        layer.weight = parameter(normal(8, 8, seed=i, scale=0.7))
        layers += [layer, mg.sigmoid]
    head = nn.Linear(8, 3, dtype="float64")
    head.weight = parameter(normal(8, 3, seed=20, scale=0.5))
    logits = nn.Sequential(*layers, head)(mg.tensor(normal(16, 8, seed=21), name="x"))
    return mg.cross_entropy(logits, mg.tensor(np.arange(16) % 3, name="y"))


@scene
def chain() -> mg.Tensor:
    """Ten thousand ops in a row."""
    y = mg.tensor([0.3, 0.7], requires_grad=True, name="x")
    for _ in range(5000):
        y = mg.sin(y) * 0.9
    return mg.sum(y)


@scene
def saturated() -> mg.Tensor:
    """A sigmoid far from 0, where it is flat."""
    x = mg.tensor([[2.0, -1.0], [-1.5, 2.5], [1.0, 1.5]], name="x")
    w = mg.tensor([[9.0, -8.0], [7.0, -9.0]], requires_grad=True, name="w")
    return mg.mean(mg.square(mg.sigmoid(x @ w) - np.array([1.0, 0.0])))


class Forgetful(nn.Module):
    """Two layers of which one is cut off, and a parameter that nothing uses."""

    def __init__(self) -> None:
        self.fc1, self.fc2 = nn.Linear(3, 3, dtype="float64"), nn.Linear(3, 2, dtype="float64")
        self.fc1.weight = parameter(normal(3, 3, seed=1))
        self.fc2.weight = parameter(normal(3, 2, seed=2))

    def forward(self, x: Any) -> Any:
        return self.fc2(mg.tanh(self.fc1(x)).detach())


@scene
def detached() -> mg.Tensor:
    """A layer behind a detach(), whose parameters get nothing."""
    x, target = normal(4, 3, seed=3), normal(4, 2, seed=4)
    model = held(Forgetful())
    return F.mse_loss(model(mg.tensor(x, name="x")), mg.tensor(target, name="target"))


@scene
def unused() -> mg.Tensor:
    """A parameter of the model that the loss does not use."""
    x, target = normal(4, 3, seed=3), normal(4, 2, seed=4)
    layer = nn.Linear(3, 2, dtype="float64")
    layer.weight = parameter(normal(3, 2, seed=2))
    layer.scale = parameter(np.ones(2))  # type: ignore[attr-defined]
    model = held(nn.Sequential(layer))
    return F.mse_loss(model(mg.tensor(x, name="x")), mg.tensor(target, name="target"))
