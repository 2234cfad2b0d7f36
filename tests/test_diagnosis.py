"""Diagnosis: planted faults are named, healthy models are left in peace, nothing is changed."""

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.diagnosis import Report

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
IMAGES = RNG.normal(size=(16, 1, 8, 8))
DIGITS = RNG.integers(0, 10, 16)
TOKENS = RNG.integers(0, 12, (16, 7))


def network(**settings):
    return nn.Sequential(
        nn.Linear(6, 24, rng=1, **settings),
        mg.relu,
        nn.Linear(24, 24, rng=2, **settings),
        mg.relu,
        nn.Linear(24, 3, rng=3, **settings),
    )


def deep(bend, init, depth=12, width=24):
    layers: list[Any] = []
    for i in range(depth):
        layers += [nn.Linear(6 if i == 0 else width, width, rng=i, init=init), bend]
    return nn.Sequential(*layers, nn.Linear(width, 3, rng=99, init=init))


def dead():
    model = network()
    model.layers[0].bias.data = np.full(24, -20.0, np.float32)
    return mg.diagnose(model, X, Y)


def saturated():
    model = nn.Sequential(
        nn.Linear(6, 24, rng=1, init=nn.init.normal(30.0)), mg.tanh, nn.Linear(24, 3, rng=2)
    )
    return mg.diagnose(model, X, Y)


def exploding():
    return mg.diagnose(deep(mg.relu, nn.init.normal(2.0)), X, Y)


def vanishing():
    return mg.diagnose(deep(mg.sigmoid, nn.init.xavier_uniform()), X, Y)


def zero_start():
    return mg.diagnose(network(init=nn.init.zeros()), X, Y)


def equal_start():
    return mg.diagnose(network(init=nn.init.constant(0.1)), X, Y)


def guessing():
    model = network()
    model.layers[4].weight.data = np.zeros((24, 3), np.float32)
    return mg.diagnose(model, X, Y)


def unscaled():
    ears = np.column_stack([RNG.uniform(100, 400, 64), RNG.uniform(7000, 10000, 64)])
    return mg.diagnose(
        nn.Sequential(nn.Linear(2, 8, rng=0), mg.relu, nn.Linear(8, 3, rng=1)), ears, Y
    )


def steep():
    model = network()
    return mg.diagnose(model, X, Y, optimizer=optim.SGD(model.parameters(), 50.0))


def slow():
    model = network()
    return mg.diagnose(model, X, Y, optimizer=optim.SGD(model.parameters(), 1e-9))


def double_softmax():
    return mg.diagnose(nn.Sequential(network(), mg.softmax), X, Y)


def double_sigmoid():
    model = nn.Sequential(nn.Linear(6, 1, rng=0), mg.sigmoid)
    target = (Y[:, None] > 0).astype(float)
    return mg.diagnose(model, X, target, loss=mg.binary_cross_entropy_with_logits)


def forgotten():
    model = network()
    optimizer = optim.SGD(model.parameters(), 0.01)

    def step(x, y):
        mg.cross_entropy(model(x), y).backward()
        optimizer.step()

    return mg.diagnose(model, X, Y, optimizer=optimizer, step=step)


def frozen():
    model = network()
    model.layers[2].weight.requires_grad = False
    return mg.diagnose(model, X, Y)


def left_out():
    model = network()
    return mg.diagnose(model, X, Y, optimizer=optim.SGD(model.parameters()[:-1]))


def labels_from_one():
    return mg.diagnose(network(), X, Y + 1)


def negative_labels():
    return mg.diagnose(network(), X, Y - 1)


def nan_input():
    x = X.copy()
    x[3, 1] = np.nan
    return mg.diagnose(network(), x, Y)


def nan_parameter():
    model = network()
    model.layers[0].weight.data[2, 5] = np.inf
    return mg.diagnose(model, X, Y)


def nan_loss():
    model = nn.Sequential(nn.Linear(6, 3, rng=0), mg.log)
    return mg.diagnose(model, X, Y)


class Forgetful(nn.Module):
    def __init__(self):
        self.used, self.spare = nn.Linear(6, 3, rng=0), nn.Linear(6, 3, rng=1)

    def forward(self, x):
        return self.used(x)


def unused():
    return mg.diagnose(Forgetful(), X, Y)


def stepped():
    return mg.diagnose(nn.Sequential(nn.Linear(6, 8, rng=0), mg.step, nn.Linear(8, 3, rng=1)), X, Y)


def broadcast():
    return mg.diagnose(nn.Linear(6, 1, rng=0), X, X[:, 0], loss=mg.mse_loss)


def relu_at_the_end():
    return mg.diagnose(nn.Sequential(network(), mg.relu), X, Y)


def no_activation():
    return mg.diagnose(nn.Sequential(nn.Linear(6, 24, rng=1), nn.Linear(24, 3, rng=2)), X, Y)


def in_evaluation_mode():
    model = nn.Sequential(nn.Linear(6, 24, rng=1), nn.BatchNorm1d(24), nn.Linear(24, 3, rng=2))
    return mg.diagnose(model.eval(), X, Y, optimizer=optim.SGD(model.parameters(), 0.01))


def equal_inputs():
    return mg.diagnose(network(), np.repeat(X[:1], 64, axis=0), Y)


def probabilities_as_logarithms():
    return mg.diagnose(nn.Sequential(network(), mg.softmax), X, Y, loss=mg.nll_loss)


def softmax_over_the_batch():
    return mg.diagnose(nn.Sequential(network(), lambda t: mg.softmax(t, axis=0)), X, Y)


def detached():
    class Cut(nn.Module):
        def __init__(self):
            self.body, self.head = nn.Linear(6, 24, rng=0), nn.Linear(24, 3, rng=1)

        def forward(self, x):
            return self.head(mg.relu(self.body(x)).detach())

    return mg.diagnose(Cut(), X, Y)


def dead_channels():
    model = images()
    del model.layers[1]  # the norm would bring them back
    model.layers[0].bias.data = np.array([-50.0] * 6 + [0.0] * 2, np.float32)
    return mg.diagnose(model, IMAGES, DIGITS)


def bright_images():
    return mg.diagnose(images(), 128 + 40 * IMAGES, DIGITS)


def large_target():
    model = nn.Sequential(nn.Linear(6, 8, rng=0), mg.tanh, nn.Linear(8, 1, rng=1))
    optimizer = optim.SGD(model.parameters(), 0.05)
    return mg.diagnose(model, X, 1e5 * X[:, :1], loss=mg.mse_loss, optimizer=optimizer)


def upwards():
    model = network()
    return mg.diagnose(
        model, X, Y, optimizer=optim.SGD(model.parameters(), 0.3, momentum=0.9, maximize=True)
    )


def nan_target():
    y = X[:, :1].copy()
    y[5] = np.nan
    return mg.diagnose(nn.Linear(6, 1, rng=0), X, y, loss=mg.mse_loss)


def without_a_step():
    model = network()

    def step(x, y):
        model.zero_grad()
        mg.cross_entropy(model(x), y).backward()

    return mg.diagnose(model, X, Y, step=step)


def without_backward():
    model = network()
    optimizer = optim.SGD(model.parameters(), 0.01)

    def step(x, y):
        mg.cross_entropy(model(x), y)
        optimizer.step()

    return mg.diagnose(model, X, Y, optimizer=optimizer, step=step)


FAULTS = [
    (dead, "dead units", "layers.1: 100% of relu outputs are 0 on this batch"),
    (saturated, "saturated units", "% of tanh outputs are at their bounds"),
    (exploding, "exploding activations", "x from layers.0 to here: start with smaller weights"),
    (vanishing, "vanishing gradient", "x from layers.24.weight to the first layer"),
    (zero_start, "symmetric initialisation", "layers.0.weight: all columns are 0"),
    (equal_start, "symmetric initialisation", "all columns are equal and have equal gradients"),
    (guessing, "guessing", "the loss is ln(3): the network guesses"),
    (unscaled, "unscaled input", ": scale them (nn.Normalize)"),
    (steep, "learning rate too large", "lower the learning rate"),
    (slow, "learning rate too small", "raise the learning rate"),
    (double_softmax, "double softmax", "was softmax applied twice?"),
    (double_sigmoid, "double sigmoid", "the last op is sigmoid"),
    (forgotten, "forgotten zero_grad", "call zero_grad() before backward()"),
    (frozen, "frozen parameter", "layers.2.weight: does not require a gradient"),
    (left_out, "parameter not optimised", "layers.4.bias: is not among the optimiser's"),
    (
        labels_from_one,
        "label range",
        "labels span 1..3, but an output of 3 columns has classes",
    ),
    (negative_labels, "label range", "labels span -1..1"),
    (nan_input, "NaN input", "x[3, 1] is nan"),
    (nan_parameter, "NaN parameter", "layers.0.weight[2, 5] is inf"),
    (nan_loss, "NaN loss", "log is the first op that is not finite"),
    (unused, "unused parameter", "spare.weight: the loss does not depend on it"),
    (stepped, "zero gradient", "layers.0.weight: its gradient is 0 everywhere"),
    (broadcast, "loss fails", "the loss fails: mse_loss"),
    (relu_at_the_end, "relu at the end", "no activation belongs after the last layer"),
    (no_activation, "no activation", "layers.1: takes what layers.0 gives as it is"),
    (in_evaluation_mode, "evaluation mode", "layers.1: in evaluation mode although it is trained"),
    (equal_inputs, "equal inputs", "x: all 64 examples are equal"),
    (probabilities_as_logarithms, "no logarithm", "nll_loss takes logarithms"),
    (softmax_over_the_batch, "softmax over the batch", "softmax went over the batch"),
    (detached, "unused parameter", "body.weight: the loss does not depend on it"),
    (dead_channels, "dead units", "6 of 8 units are 0 for every example of this batch"),
    (bright_images, "unscaled input", ": scale them (nn.Normalize)"),
    (large_target, "learning rate too large", "lower the learning rate"),
    (upwards, "learning rate too large", "5 steps on this batch take the loss from"),
    (nan_target, "NaN target", "y[5, 0] is nan"),
    (without_a_step, "idle step", "is optimizer.step() called?"),
    (without_backward, "idle step", "is backward() called?"),
]


@pytest.mark.parametrize(
    ("plant", "kind", "said"), FAULTS, ids=lambda v: getattr(v, "__name__", "")
)
def test_a_planted_fault_is_named(plant, kind, said):
    report = plant()
    assert kind in report.kinds
    assert said in str(report)
    assert not report.healthy
    # What follows from a fault may be named as well, but nothing that is not there.
    allowed = {
        "symmetric initialisation": {"guessing", "dead units", "vanishing gradient"},
        "guessing": {"zero gradient", "learning rate too large"},
        "double softmax": set(),
        "exploding activations": {"learning rate too large", "saturated units"},
        "vanishing gradient": {"guessing"},
        "dead units": {"zero gradient", "guessing"},
        "unscaled input": {"learning rate too large"},
        "saturated units": {"exploding activations", "unscaled input"},
        "equal inputs": {"dead units"},
        "softmax over the batch": {"guessing"},
    }.get(kind, set())
    assert set(report.kinds) <= {kind} | allowed


class Reader(nn.Module):
    """Tokens, an LSTM, a label."""

    def __init__(self):
        self.table = nn.Embedding(12, 8, rng=0)
        self.memory = nn.LSTM(8, 16, rng=1)
        self.head = nn.Linear(16, 3, rng=2)

    def forward(self, tokens):
        return self.head(self.memory(self.table(tokens))[0][:, -1])


class Translator(nn.Module):
    """Tokens, two transformer layers, a label for each."""

    def __init__(self):
        self.table = nn.Embedding(12, 16, rng=0)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 2, 32, norm_first=True, rng=i) for i in range(2)
        )
        self.head = nn.Linear(16, 12, rng=2)

    def forward(self, tokens):
        x = self.table(tokens)
        for block in self.blocks:
            x = block(x, is_causal=True)
        return mg.reshape(self.head(x), (-1, 12))


def images():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, rng=0),
        nn.BatchNorm2d(8),
        mg.relu,
        nn.MaxPool2d(2),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(128, 10, rng=1),
    )


def wave():
    return nn.Sequential(nn.Linear(1, 32, rng=0), mg.tanh, nn.Linear(32, 1, rng=1))


class Shortcut(nn.Module):
    """A branch that starts at 0, beside which the signal passes, as deep networks like it."""

    def __init__(self):
        self.first, self.head = nn.Linear(6, 16, rng=0), nn.Linear(16, 3, rng=2)
        self.branch = nn.Sequential(
            nn.Linear(16, 16, rng=1), mg.relu, nn.Linear(16, 16, init=nn.init.zeros())
        )

    def forward(self, x):
        x = mg.relu(self.first(x))
        return self.head(x + self.branch(x))


class Pairs(nn.Module):
    """One network for both of a pair."""

    def __init__(self):
        self.eye = nn.Sequential(nn.Linear(6, 16, rng=0), mg.tanh, nn.Linear(16, 4, rng=1))

    def forward(self, x):
        return ((self.eye(x[:, 0]) - self.eye(x[:, 1])) ** 2).mean(axis=1, keepdims=True)


class Bag(nn.Module):
    """Words without an order; most of them do not occur in the batch."""

    def __init__(self):
        self.table = nn.Embedding(200, 8, rng=0, init=nn.init.normal(0.1))
        self.head = nn.Linear(8, 3, rng=1)

    def forward(self, words):
        return self.head(self.table(words).mean(axis=1))


def residual_images():
    class Block(nn.Module):
        def __init__(self, seed):
            self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False, rng=seed)
            self.norm = nn.BatchNorm2d(4)

        def forward(self, x):
            return mg.relu(x + self.norm(self.conv(x)))

    first = nn.Conv2d(1, 4, 3, padding=1, rng=0)
    last = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 10, rng=5)]
    return nn.Sequential(first, nn.BatchNorm2d(4), mg.relu, Block(1), Block(2), *last)


def bottleneck():
    """A narrow layer between wide ones, on purpose without an activation."""
    narrow = nn.Sequential(nn.Linear(6, 2, rng=0), nn.Linear(2, 16, rng=1))
    return nn.Sequential(narrow, mg.relu, nn.Linear(16, 6, rng=2))


LINE = np.linspace(-3, 3, 64)[:, None]
HEALTHY: Any = {
    "perceptron": (network, X, Y, mg.cross_entropy),
    "images": (images, IMAGES, DIGITS, mg.cross_entropy),
    "reader": (Reader, TOKENS, TOKENS.sum(1) % 3, mg.cross_entropy),
    "translator": (Translator, TOKENS, TOKENS.ravel(), mg.cross_entropy),
    "regression": (wave, LINE, np.sin(LINE), mg.mse_loss),
    "binary": (
        lambda: nn.Sequential(nn.Linear(6, 8, rng=0), mg.gelu, nn.Linear(8, 1, rng=1)),
        X,
        (Y[:, None] > 0).astype(float),
        mg.binary_cross_entropy_with_logits,
    ),
    "scaled": (
        lambda: nn.Sequential(nn.Normalize(6).fit(X * 900 + 5000), network()),
        X * 900 + 5000,
        Y,
        mg.cross_entropy,
    ),
    "deep": (lambda: deep(mg.relu, nn.init.kaiming_uniform()), X, Y, mg.cross_entropy),
    "shortcut": (Shortcut, X, Y, mg.cross_entropy),
    "pairs": (Pairs, RNG.normal(size=(32, 2, 6)), RNG.random((32, 1)), mg.mse_loss),
    "bag": (Bag, RNG.integers(0, 200, (32, 9)), RNG.integers(0, 3, 32), mg.cross_entropy),
    "residual": (residual_images, IMAGES, DIGITS, mg.cross_entropy),
    "bottleneck": (bottleneck, X, X, mg.mse_loss),
    "from zero": (lambda: nn.Linear(6, 3, init=nn.init.zeros()), X, Y, mg.cross_entropy),
    "normed": (
        lambda: nn.Sequential(
            nn.Linear(6, 32, rng=0), nn.LayerNorm(32), mg.gelu, nn.Dropout(0.5), nn.Linear(32, 3)
        ),
        X,
        np.eye(3)[Y] * 0.9 + 0.1 / 3.0,
        mg.cross_entropy,
    ),
    "rare features": (
        lambda: nn.Sequential(nn.Linear(20, 16, rng=0), mg.relu, nn.Linear(16, 2, rng=1)),
        (RNG.random((64, 20)) < 0.15).astype(float),
        Y // 2,
        mg.cross_entropy,
    ),
    "counts": (
        lambda: nn.Sequential(nn.Linear(8, 16, rng=0), mg.relu, nn.Linear(16, 2, rng=1)),
        RNG.poisson(2.0, (64, 8)).astype(float),
        Y // 2,
        mg.cross_entropy,
    ),
    "one example": (network, X[:1], Y[:1], mg.cross_entropy),
    "sigmoids": (
        lambda: deep(mg.sigmoid, nn.init.xavier_uniform(), depth=2),
        X,
        Y,
        mg.cross_entropy,
    ),
}


@pytest.mark.parametrize("trained", [0, 60], ids=["fresh", "trained"])
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_is_left_in_peace(name, trained):
    make, x, y, loss = HEALTHY[name]
    model = make()
    optimizer = optim.Adam(model.parameters(), 0.003)

    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()

    for _ in range(trained):
        step(x, y)
    report = mg.diagnose(model, x, y, loss=loss, optimizer=optimizer, step=step)
    assert report.findings == []
    assert report.healthy
    assert str(report).startswith("nothing to complain of\nloss: ")
    assert mg.diagnose(model, loss(model(x), y)).healthy


def test_nothing_is_changed():
    model = images()
    optimizer = optim.Adam(model.parameters(), 0.003)

    def step(x, y):
        optimizer.zero_grad()
        mg.cross_entropy(model(x), y).backward()
        optimizer.step()

    step(IMAGES, DIGITS)
    grads = [p.grad for p in model.parameters()]
    before, memory = model.state_dict(), copy.deepcopy(optimizer.state_dict())
    mg.seed(5)
    mg.diagnose(model, IMAGES, DIGITS, optimizer=optimizer, step=step)
    drawn = mg.random.generator().random()
    mg.seed(5)
    assert drawn == mg.random.generator().random()
    for old, new in ((before, model.state_dict()), (memory, optimizer.state_dict())):
        assert old.keys() == new.keys()
        for name in old:
            np.testing.assert_array_equal(old[name], new[name])
    assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
    loss = mg.cross_entropy(model(IMAGES), DIGITS)
    mg.diagnose(model, loss)
    loss.backward()  # the graph is still there


def test_a_loss_alone_tells_of_gradients():
    model = Forgetful()
    report = mg.diagnose(model, mg.cross_entropy(model(X), Y))
    assert report.kinds == ["unused parameter"]
    with pytest.raises(TypeError, match="a batch x and y, or a loss of one element"):
        mg.diagnose(model, X)


def test_a_loss_alone_tells_what_its_graph_has_kept():
    model = network()
    model.layers[0].bias.data = np.full(24, -20.0, np.float32)
    report = mg.diagnose(model, mg.cross_entropy(model(X * 900.0), Y))
    assert {"unscaled input", "dead units"} & set(report.kinds) == {"unscaled input"}
    report = mg.diagnose(model, mg.cross_entropy(model(X), Y))
    assert "layers.1: 100% of relu outputs are 0 on this batch" in str(report)
    row = next(row for row in report.layers if row.name == "layers.1")
    assert (row.mean, row.std, row.zeros) == (0.0, 0.0, 1.0)


def test_the_table_has_a_row_for_every_layer():
    model = network()
    report = mg.diagnose(model, X, Y, optimizer=optim.SGD(model.parameters(), 0.1))
    assert [row.name for row in report.layers] == [f"layers.{i}" for i in range(5)]
    relu, linear = report.layers[1], report.layers[4]
    hidden = mg.relu(model.layers[0](X)).numpy()
    assert relu.mean == pytest.approx(float(hidden.mean()), rel=1e-5)
    assert relu.std == pytest.approx(float(hidden.std()), rel=1e-5)
    assert relu.zeros == pytest.approx(float((hidden == 0).mean()))
    assert relu.gradient is relu.update is None
    mg.cross_entropy(model(X), Y).backward()
    parts = [(p.grad.numpy() ** 2).sum() for p in model.layers[4].parameters()]
    assert linear.gradient == pytest.approx(float(np.sqrt(sum(parts))), rel=1e-5)
    assert 0.0 < (linear.update or 0.0) < 0.5
    lines = str(report).splitlines()
    assert lines[2].split() == ["layer", "kind", "mean", "std", "zeros", "gradient", "update"]
    assert isinstance(report, Report)
