"""Steps that the compiler's tests run twice: as they are written, and compiled."""

from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

needs_numba = pytest.mark.skipif(not find_spec("numba"), reason="machine code needs Numba")
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, learning_rate=0.05),
    "momentum": lambda p: optim.SGD(p, learning_rate=0.02, momentum=0.9, nesterov=True),
    "decay": lambda p: optim.SGD(p, learning_rate=0.02, momentum=0.5, weight_decay=1e-3),
    "adam": lambda p: optim.Adam(p, learning_rate=1e-2, weight_decay=1e-3),
    "adamw": lambda p: optim.AdamW(p, learning_rate=1e-2),
    "rmsprop": lambda p: optim.RMSprop(p, learning_rate=1e-3),
    "adagrad": lambda p: optim.Adagrad(p, learning_rate=1e-2),
}


def network(*widths, dropout=0.0, dtype=np.float64):
    mg.seed(0)
    layers: list[Any] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b, dtype=dtype), mg.relu]
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers[: -2 if dropout else -1])


def training(model, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        logits = model(x)
        loss = mg.cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def batches(count, rows, features, classes, dtype=np.float64):
    rng = np.random.default_rng(1)
    for _ in range(count):
        yield rng.normal(size=(rows, features)).astype(dtype), rng.integers(classes, size=rows)
