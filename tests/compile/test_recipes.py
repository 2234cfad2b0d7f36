"""What training is made of, compiled and as it is written: the same numbers, or why not."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.compile import CompileError
from minigrad.trees import leaves

RNG = np.random.default_rng(0)
ROWS = [RNG.normal(size=(6, 8)) for _ in range(8)]
LABELS = [RNG.integers(3, size=6) for _ in range(8)]
PAIRS = list(zip(ROWS, LABELS, strict=True))
SERIES = [(RNG.normal(size=(2, 3, 4)),) for _ in range(5)]
IMAGES = [(RNG.normal(size=(2, 2, 6, 6)),) for _ in range(5)]
WORDS = [(RNG.integers(5, size=(3, 2)),) for _ in range(5)]
POINTS = [(RNG.normal(size=(4, 3)),) for _ in range(5)]


@dataclass
class Recipe:
    """A step, what it is called with, and what may change and be looked at between calls."""

    step: Callable[..., Any]
    data: Iterable[tuple[Any, ...]]
    watched: list[Any] = field(default_factory=list)
    between: Callable[[int], Any] = lambda k: None


def double(model):
    """The model in float64."""
    for p in model.parameters():
        p.data = p.numpy().astype(float)
    for _, buffer in model.named_buffers():
        if buffer.dtype.kind == "f":
            buffer.data = buffer.numpy().astype(float)
    return model


def network():
    return double(nn.Sequential(nn.Linear(8, 5), mg.tanh, nn.Linear(5, 3)))


def trained(model, optimizer, loss, data, after: Callable[[], Any] = lambda: None):
    def step(*given):
        optimizer.zero_grad()
        value = loss(*given)
        value.backward()
        told = after()
        optimizer.step()
        return value, told

    return Recipe(step, data, [model, optimizer])


def sgd(model, **settings):
    return optim.SGD(model.parameters(), **{"learning_rate": 0.1, **settings})


def classified(limit=lambda model: None, **options):
    """A classifier whose loss, and limit on gradients, is another one."""

    def make():
        model = network()
        loss = lambda x, y: mg.cross_entropy(model(x), y, **options)  # noqa: E731
        return trained(model, sgd(model), loss, PAIRS, lambda: limit(model))

    return make


def of_layers(make, data):
    def recipe():
        model = double(make())

        def loss(x):
            out = model(x)
            return ((out[0] if isinstance(out, tuple) else out) ** 2.0).mean()

        return trained(model, sgd(model, momentum=0.5), loss, data)

    return recipe


def scheduled(schedule, inside):
    def make():
        recipe = classified()()
        follows, plain = schedule(recipe.watched[1]), recipe.step

        def step(*given):
            out = plain(*given)
            follows.step()
            return out

        recipe.data = PAIRS * 2
        if inside:
            recipe.step = step
        else:
            recipe.between = lambda k: follows.step()
        return recipe

    return make


SCHEDULES: dict[str, Any] = {
    "lambda": lambda o: optim.LambdaLR(o, lambda count: 1 / (1 + count)),
    "constant": lambda o: optim.ConstantLR(o, total_iters=3),
    "linear": lambda o: optim.LinearLR(o, total_iters=4),
    "step": lambda o: optim.StepLR(o, step_size=2),
    "multi step": lambda o: optim.MultiStepLR(o, [2, 5]),
    "exponential": lambda o: optim.ExponentialLR(o, 0.9),
    "cosine": lambda o: optim.CosineAnnealingLR(o, 6),
    "one cycle": lambda o: optim.OneCycleLR(o, max_lr=0.2, total_steps=40),
    "chained": lambda o: optim.ChainedScheduler(
        [optim.ExponentialLR(o, 0.9), optim.ConstantLR(o, total_iters=3)]
    ),
    "sequence": lambda o: optim.SequentialLR(
        [optim.LinearLR(o, total_iters=3), optim.ExponentialLR(o, 0.9)], [3]
    ),
}


def labels_to_ignore():
    recipe = classified(ignore_index=-1, label_smoothing=0.1)()
    recipe.data = [(x, np.where(np.arange(6) < k % 5, -1, y)) for k, (x, y) in enumerate(PAIRS)]
    return recipe


def probabilities():
    recipe = classified(label_smoothing=0.1)()
    recipe.data = [(x, np.eye(3)[y]) for x, y in PAIRS]
    return recipe


def micro_batches():
    model = network()
    optimizer = sgd(model)

    def step(x, y):
        optimizer.zero_grad()
        total: Any = 0.0
        for rows in (slice(0, 2), slice(2, 4), slice(4, 6)):
            loss = mg.cross_entropy(model(x[rows]), y[rows]) / 3.0
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        return total

    return Recipe(step, PAIRS, [model, optimizer])


def gradients_of_two_calls():
    model = network()
    optimizer, calls = sgd(model), [0]

    def step(x, y):
        loss = mg.cross_entropy(model(x), y) / 2.0
        loss.backward()
        calls[0] += 1
        if calls[0] % 2 == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return Recipe(step, PAIRS * 2, [model, optimizer])


def checkpointed():
    model = network()
    part = mg.checkpoint(lambda x: mg.dropout(model(x), 0.3))
    return trained(model, sgd(model), lambda x, y: mg.cross_entropy(part(x), y), PAIRS)


def custom():
    model = network()

    @mg.custom_vjp
    def limited(x):
        return np.clip(x, -0.1, 0.1)

    limited.defvjp(lambda x: (limited(x), x), lambda x, g: (g * np.cos(x),))
    return trained(model, sgd(model), lambda x, y: mg.cross_entropy(limited(model(x)), y), PAIRS)


def train_and_evaluate():
    layers = nn.Linear(8, 5), nn.BatchNorm1d(5), nn.Dropout(0.3)
    model = double(nn.Sequential(*layers))
    recipe = trained(model, sgd(model), lambda x: (model(x) ** 2.0).mean(), [(x,) for x in ROWS])
    recipe.data = [(x,) for x in ROWS * 2]
    recipe.between = lambda k: model.train(k % 6 < 3)
    return recipe


def groups():
    model = network()
    first, _, second = model.layers
    optimizer = optim.SGD(
        [
            {"parameters": first.parameters(), "learning_rate": 0.2},
            {"parameters": second.parameters(), "weight_decay": 0.1},
        ],
        momentum=0.9,
        learning_rate=0.05,
    )
    recipe = trained(model, optimizer, lambda x, y: mg.cross_entropy(model(x), y), PAIRS)

    def between(k):
        if k == 4:
            optimizer.groups[1].update(learning_rate=0.5, momentum=0.5)

    recipe.between = between
    return recipe


def penalties():
    model = network()

    def loss(x, y):
        own = list(model.parameters())
        return mg.cross_entropy(model(x), y) + optim.l1_penalty(own, 0.1) + optim.l2_penalty(own, 1)

    return trained(model, sgd(model), loss, PAIRS)


def penalty_of_gradients():
    model = network()

    def loss(x):
        slope = mg.grad(lambda z: model(z).sum())(mg.tensor(x))
        return ((slope**2.0).sum() - 1.0) ** 2.0

    return trained(model, sgd(model, learning_rate=0.01), loss, [(x,) for x in ROWS])


def smaller_last_batch():
    recipe = classified()()
    recipe.data = [(x[:4], y[:4]) if k % 3 == 2 else (x, y) for k, (x, y) in enumerate(PAIRS * 2)]
    return recipe


def averaged_weights():
    recipe = classified()()
    model, plain = recipe.watched[0], recipe.step
    average = {name: p.numpy().copy() for name, p in model.named_parameters()}

    def step(x, y):
        out = plain(x, y)
        for name, p in model.named_parameters():
            average[name] = 0.9 * average[name] + 0.1 * p.numpy()
        return out, dict(average)

    recipe.step = step
    return recipe


def figures():
    recipe = classified()()
    model = recipe.watched[0]
    recipe.step = lambda x, y: (mg.accuracy(model(x), y), (model(x).argmax(-1) == y).mean())
    return recipe


def tied():
    table = double(nn.Embedding(5, 4))
    loss = lambda words: mg.cross_entropy(table(words) @ table.weight.T, words)  # noqa: E731
    return trained(table, sgd(table), loss, WORDS)


def closure_of_lbfgs():
    """The closure is compiled, the decisions of L-BFGS are not."""
    model = network()
    optimizer = optim.LBFGS(model.parameters(), max_iter=4)

    def closure():
        optimizer.zero_grad()
        loss = mg.cross_entropy(model(ROWS[0]), LABELS[0])
        loss.backward()
        return loss

    recipe = Recipe(closure, [()] * 6, [model])
    recipe.between = lambda k: optimizer.step(closure) if k % 2 else None
    return recipe


def curve(x):
    return (mg.sin(x) * x).sum()


class SelfAttention(nn.Module):
    def __init__(self):
        self.attention = nn.MultiHeadAttention(4, 2, dropout=0.2)

    def forward(self, x):
        return self.attention(x, x, x)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "clipped norm": classified(lambda m: optim.clip_grad_norm(m.parameters(), 0.6)),
    "clipped values": classified(lambda m: optim.clip_grad_value(m.parameters(), 0.01)),
    "class weights": classified(weight=np.array([1.0, 2.0, 0.5]), label_smoothing=0.1),
    "labels to ignore": labels_to_ignore,
    "probabilities": probabilities,
    "micro-batches": micro_batches,
    "gradients of two calls": gradients_of_two_calls,
    "checkpoint": checkpointed,
    "custom_vjp": custom,
    "recurrent dropout": of_layers(lambda: nn.GRU(4, 2, num_layers=2, dropout=0.3), SERIES),
    "attention": of_layers(SelfAttention, SERIES),
    "encoder": of_layers(lambda: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.2), SERIES),
    "embedding": of_layers(lambda: nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 2)), WORDS),
    "adaptive pooling": of_layers(
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveMaxPool2d(2)), IMAGES
    ),
    "train and evaluate": train_and_evaluate,
    "mean of all batches": of_layers(
        lambda: nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5, momentum=None)),
        [(x,) for x in ROWS],
    ),
    "groups": groups,
    "penalties": penalties,
    "penalty of gradients": penalty_of_gradients,
    "smaller last batch": smaller_last_batch,
    "averaged weights": averaged_weights,
    "figures": figures,
    "tied": tied,
    "closure of L-BFGS": closure_of_lbfgs,
    "grad": lambda: Recipe(mg.grad(curve), POINTS),
    "hessian": lambda: Recipe(mg.hessian(curve), POINTS),
    "hvp": lambda: Recipe(lambda x: mg.hvp(curve, x, np.ones((4, 3))), POINTS),
    "vmap of grad": lambda: Recipe(mg.vmap(mg.grad(curve)), POINTS),
}
RECIPES |= {f"{name}, outside": scheduled(make, False) for name, make in SCHEDULES.items()}
RECIPES |= {f"{name}, inside": scheduled(make, True) for name, make in SCHEDULES.items()}


def ran(make, compiled):
    """All that each call returned and left behind, and how often it was traced."""
    mg.seed(0)
    recipe = make()
    step = mg.compile(recipe.step) if compiled else recipe.step
    mg.seed(1)
    told = []
    for k, given in enumerate(recipe.data):
        recipe.between(k)
        out = leaves(step(*given))
        told.append([np.copy(getattr(x, "_data", x)) for x in out])
        states = [thing.state_dict() for thing in recipe.watched]
        told.append([np.copy(value) for state in states for value in state.values()])
    return told, getattr(step, "traces", 0)


@pytest.mark.parametrize("name", RECIPES)
def test_compiled_as_it_is_written(name):
    told, _ = ran(RECIPES[name], False)
    others, traces = ran(RECIPES[name], True)
    for one, other in zip(told, others, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-12)
    assert traces <= 7


def lbfgs():
    model = network()
    optimizer = optim.LBFGS(model.parameters())

    def closure():
        optimizer.zero_grad()
        loss = mg.cross_entropy(model(ROWS[0]), LABELS[0])
        loss.backward()
        return loss

    return lambda: optimizer.step(closure)


def plateau():
    recipe = classified()()
    schedule, plain = optim.ReduceLROnPlateau(recipe.watched[1]), recipe.step
    return lambda: schedule.step(plain(*PAIRS[0])[0])


REFUSED = {
    "compile the closure that computes loss and gradients": lbfgs,
    "return the loss from the compiled step, and call the schedule's step(loss) outside": plateau,
}


@pytest.mark.parametrize("advice", REFUSED)
def test_what_decides_by_values_says_what_to_compile(advice):
    with pytest.raises(CompileError, match=re.escape(advice)) as caught:
        mg.compile(REFUSED[advice]())()
    assert re.search(rf"{re.escape(__file__)}:\d+", str(caught.value))


def test_a_gradient_that_is_not_finite_raises_as_ever():
    recipe = classified(lambda m: optim.clip_grad_norm(m.parameters(), 1.0))()
    model, step = recipe.watched[0], mg.compile(recipe.step)
    for given in PAIRS:
        step(*given)
    before = {name: np.copy(value) for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="is not finite"), np.errstate(all="ignore"):
        step(np.full((6, 8), np.nan), LABELS[0])
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert np.isfinite(step(*PAIRS[0])[0].item())
