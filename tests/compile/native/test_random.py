"""Programs made at random compute as machine code what they compute as they are written."""

import os

import numpy as np
import pytest

import minigrad as mg
from tests.compile.steps import needs_numba

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "ci"
UNARY = [
    lambda t: mg.tanh(t),
    lambda t: mg.relu(t - 0.1),
    lambda t: mg.exp(-t * t),
    lambda t: mg.sigmoid(t) * t,
    lambda t: mg.log(t * t + 1.0),
    lambda t: -t / 3.0,
    lambda t: t.T if t.ndim == 2 else t,
    lambda t: t.reshape(t.shape[::-1]),
    lambda t: t[::-1] * 2.0,
    lambda t: mg.sqrt(mg.abs(t) + 0.5),
]
REDUCING = [
    lambda t: t.sum(axis=-1, keepdims=True),
    lambda t: t.max(axis=0, keepdims=True),
    lambda t: t.mean(axis=-1, keepdims=True),
    lambda t: mg.softmax(t, axis=-1),
]
BINARY = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a - 0.5 * b,
    lambda a, b: mg.maximum(a, b),
    lambda a, b: a / (b * b + 1.0),
    lambda a, b: mg.where(b > 0.0, a, b),
]


def fits(a, b):
    """Whether two shapes broadcast."""
    return all(m == n or 1 in (m, n) for m, n in zip(a.shape[::-1], b.shape[::-1], strict=False))


def program(seed, length):
    """A function of three Tensors, each line of which is drawn, and of two that are trained."""
    rng = np.random.default_rng(seed)
    lines = [(rng.random(), *rng.integers(1 << 30, size=3)) for _ in range(length)]

    def run(*given):
        known = list(given)
        for kind, which, i, j in lines:
            a, b = known[i % len(known)], known[j % len(known)]
            if kind < 0.2 and a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]:
                known.append(a @ b * 0.2)
            elif kind < 0.55 and fits(a, b):
                known.append(BINARY[which % len(BINARY)](a, b))
            elif kind < 0.7:
                known.append(REDUCING[which % len(REDUCING)](a))
            else:
                known.append(UNARY[which % len(UNARY)](a))
        total = known[0].sum() * 0.0
        for t in known[len(given) :]:
            total = total + mg.tanh(t).mean()
        return total

    return run


def trained(seed, length, dtype, native):
    rng = np.random.default_rng(1000 + seed)
    m, n = (int(k) for k in rng.integers(2, 7, size=2))
    function = program(seed, length)
    weights = [
        mg.tensor(rng.normal(size=shape).astype(dtype), requires_grad=True)
        for shape in [(m, n), (n,)]
    ]
    rule = mg.optim.SGD(weights, learning_rate=0.05, momentum=0.9 if seed % 2 else 0.0)

    def step(x, y, z):
        rule.zero_grad()
        loss = function(mg.tensor(x), mg.tensor(y), mg.tensor(z), *weights)
        loss.backward()
        rule.step()
        return loss

    step = mg.compile(step, backend="native") if native else step
    losses = []
    for _ in range(5):
        arrays = [rng.normal(size=shape).astype(dtype) for shape in [(m, n), (n, m), (m, 1)]]
        losses.append(step(*arrays).numpy())
    return losses, [w.numpy() for w in weights]


@needs_numba
@pytest.mark.parametrize("seed", range(60 if THOROUGH else 1))
def test_random_programs(seed):
    dtype, tolerance = (np.float32, 1e-4) if seed % 3 == 1 else (np.float64, 1e-11)
    length = 12 if THOROUGH else 8
    expected = trained(seed, length, dtype, native=False)
    got = trained(seed, length, dtype, native=True)
    for a, b in zip([*got[0], *got[1]], [*expected[0], *expected[1]], strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        assert a.dtype == dtype
