"""One training step of MLPs: forward, backward, SGD update, loss read.

Run with one thread, as ``OMP_NUM_THREADS=1 python benchmarks/train_step.py``. The yardstick is the
same step written by hand in NumPy; peers that are not installed are left out. ``--only`` picks
sizes or contestants by name. Everything runs on one core. ``--memory`` measures that instead of
time: the most that NumPy's arrays take at once in a step, with what every step reuses.
"""

from __future__ import annotations

import argparse
import os
import tracemalloc

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from interleave import race

import minigrad as mg

Step = Callable[[], float]
SIZES = {
    "4-8-3": ([4, 8, 3], 3, np.float64),
    "spiral": ([2, 64, 3], 300, np.float64),
    "digits": ([64, 128, 10], 32, np.float64),
    "mnist": ([784, 128, 128, 10], 128, np.float32),
    "wide": ([784, 1024, 1024, 10], 512, np.float32),
    "deep": ([64] * 50 + [10], 32, np.float32),
}
RATE = 1e-3


def problem(widths, batch, dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, widths[0])).astype(dtype)
    y = rng.integers(widths[-1], size=batch)
    weights = [
        (rng.normal(size=(a, b)) * np.sqrt(2 / a)).astype(dtype) for a, b in pairwise(widths)
    ]
    biases = [np.zeros(b, dtype) for b in widths[1:]]
    return x, y, weights, biases


def by_hand(x, y, weights, biases) -> Step:
    rows = np.arange(len(x))
    last = len(weights) - 1

    def step() -> float:
        inputs = [x]
        h = x
        for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
            h = h @ w + b
            if i < last:
                h = np.maximum(h, 0)
                inputs.append(h)
        p = np.exp(h - h.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, y]).mean()
        p[rows, y] -= 1
        g = p / len(x)
        for i in range(last, -1, -1):
            dw, db = inputs[i].T @ g, g.sum(axis=0)
            if i:
                g = (g @ weights[i].T) * (inputs[i] > 0)
            weights[i] -= RATE * dw
            biases[i] -= RATE * db
        return float(loss)

    return step


def network(weights, biases) -> mg.nn.Sequential:
    layers: list[Callable] = []
    for w, b in zip(weights, biases, strict=True):
        layer = mg.nn.Linear(*w.shape, dtype=w.dtype)
        layer.weight.data, layer.bias.data = w, b
        layers += [layer, mg.relu]
    return mg.nn.Sequential(*layers[:-1])


def with_minigrad(x, y, weights, biases) -> Step:
    model = network(weights, biases)
    optimizer = mg.optim.SGD(model.parameters(), learning_rate=RATE)

    def step() -> float:
        optimizer.zero_grad()
        loss = mg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def with_compiled(x, y, weights, biases, backend="numpy") -> Step:
    model = network(weights, biases)
    optimizer = mg.optim.SGD(model.parameters(), learning_rate=RATE)

    def step(x, y):
        optimizer.zero_grad()
        loss = mg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    compiled = mg.compile(step, backend=backend)

    def run() -> float:
        return compiled(x, y).item()

    run.compiled = compiled
    return run


def with_native(x, y, weights, biases) -> Step:
    return with_compiled(x, y, weights, biases, "native")


def with_torch(x, y, weights, biases, compiled=False) -> Step:
    import torch

    torch.set_num_threads(1)
    layers: list = []
    for w, b in zip(weights, biases, strict=True):
        layer = torch.nn.Linear(*w.shape, dtype=torch.from_numpy(w).dtype)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(w.T))
            layer.bias.copy_(torch.from_numpy(b))
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    x, y = torch.from_numpy(x), torch.from_numpy(y)

    def loss_of(x, y):
        return torch.nn.functional.cross_entropy(model(x), y)

    update = optimizer.step
    if compiled:
        loss_of, update = torch.compile(loss_of), torch.compile(update)

    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        update()
        return loss.item()

    return step


def with_torch_compile(x, y, weights, biases) -> Step:
    return with_torch(x, y, weights, biases, compiled=True)


def with_jax(x, y, weights, biases) -> Step:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def loss_of(params, x, y):
        h = x
        for i, (w, b) in enumerate(params):
            h = h @ w + b
            if i < len(params) - 1:
                h = jnp.maximum(h, 0)
        return -jax.nn.log_softmax(h)[jnp.arange(len(x)), y].mean()

    @jax.jit
    def update(params, x, y):
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        return loss, jax.tree.map(lambda p, g: p - RATE * g, params, grads)

    params = [(jnp.array(w), jnp.array(b)) for w, b in zip(weights, biases, strict=True)]
    x, y = jnp.array(x), jnp.array(y)

    def step() -> float:
        nonlocal params
        loss, params = update(params, x, y)
        return float(loss)

    return step


def with_autograd(x, y, weights, biases) -> Step:
    import autograd
    import autograd.numpy as anp

    rows = np.arange(len(x))

    def loss_of(params):
        h = x
        for i, (w, b) in enumerate(params):
            h = anp.dot(h, w) + b
            if i < len(params) - 1:
                h = anp.maximum(h, 0)
        z = h - anp.max(h, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(z), axis=1)) - z[rows, y])

    gradient = autograd.value_and_grad(loss_of)
    params = list(zip(weights, biases, strict=True))

    def step() -> float:
        loss, grads = gradient(params)
        for (w, b), (dw, db) in zip(params, grads, strict=True):
            w -= RATE * dw
            b -= RATE * db
        return float(loss)

    return step


def with_mygrad(x, y, weights, biases) -> Step:
    import mygrad
    from mygrad.nnet.losses import softmax_crossentropy

    params = [(mygrad.tensor(w), mygrad.tensor(b)) for w, b in zip(weights, biases, strict=True)]

    def step() -> float:
        h = x
        for i, (w, b) in enumerate(params):
            h = mygrad.matmul(h, w) + b
            if i < len(params) - 1:
                h = mygrad.maximum(h, 0)
        loss = softmax_crossentropy(h, y)
        loss.backward()
        for w, b in params:
            w.data -= RATE * w.grad
            b.data -= RATE * b.grad
        return float(loss)

    return step


CONTESTANTS = {
    "NumPy by hand": by_hand,
    "minigrad": with_minigrad,
    "compiled": with_compiled,
    "native": with_native,
    "PyTorch": with_torch,
    "torch.compile": with_torch_compile,
    "JAX jit": with_jax,
    "autograd": with_autograd,
    "MyGrad": with_mygrad,
}


def memory() -> None:
    """Print the peak of a step, for those that keep their numbers in NumPy's arrays."""
    chosen = ["NumPy by hand", "minigrad", "compiled", "native"]
    print("| size | " + " | ".join(f"{name}, kB" for name in chosen) + " |")
    print("|---" * (len(chosen) + 1) + "|")
    for size in SIZES:
        cells = []
        for name in chosen:
            x, y, weights, biases = problem(*SIZES[size])
            step = CONTESTANTS[name](x, y, weights, biases)
            for _ in range(5):
                step()
            kept = reused(step)
            if name != "NumPy by hand":  # gradients stay from one step to the next
                kept += sum(array.nbytes for array in weights + biases)
            tracemalloc.start()
            step()
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            step()
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            cells.append(f"{(peak - before + kept) / 1e3:,.0f}")
        print(f"| {size} | {' | '.join(cells)} |", flush=True)


def reused(step) -> int:
    """Bytes that every call of a compiled step reuses."""
    if not hasattr(step, "compiled"):
        return 0
    entry = step.compiled._ready()
    if entry.native is not None:
        return entry.native.module.memory.size
    return sum(buffer.nbytes for buffer in entry.recorded.program.buffers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="sizes or contestants")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--memory", action="store_true", help="bytes instead of time")
    arguments = parser.parse_args()
    if arguments.memory:
        memory()
        return
    if hasattr(os, "sched_setaffinity"):  # XLA takes every core that it sees
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    chosen = [n for n in CONTESTANTS if n in arguments.only] or list(CONTESTANTS)
    if "NumPy by hand" not in chosen:
        chosen.insert(0, "NumPy by hand")
    print("| size | NumPy by hand, µs | " + " | ".join(chosen[1:]) + " |")
    print("|---|---" + "|---" * (len(chosen) - 1) + "|")
    for size in [n for n in SIZES if n in arguments.only] or SIZES:
        steps = {}
        for name in chosen:
            try:
                steps[name] = CONTESTANTS[name](*problem(*SIZES[size]))
            except ImportError:
                continue
        first = {name: step() for name, step in steps.items()}
        expected = first["NumPy by hand"]
        wrong = {name: loss for name, loss in first.items() if abs(loss - expected) > 1e-4}
        assert not wrong, f"{size}: losses differ from {expected}: {wrong}"
        seconds = 0.02 if size != "wide" else 0.3
        results = race(steps, rounds=arguments.rounds, seconds=seconds)
        cells = [f"{results[name][1]:.2f}" if name in results else "-" for name in chosen[1:]]
        print(
            f"| {size} | {results['NumPy by hand'][0] * 1e6:.0f} | {' | '.join(cells)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
