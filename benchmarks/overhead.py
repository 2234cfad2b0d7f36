"""What one op costs: a chain of ``y = y * c`` on 4 floats, forward and backward, 1e3 to 1e6 ops.

Run as ``OMP_NUM_THREADS=1 python benchmarks/overhead.py``. Prints microseconds an op side by side
with PyTorch, autograd and MyGrad where installed (for 1e3 ops: some of them recurse), and bytes an
op that minigrad holds until backward.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

import numpy as np

import minigrad as mg

C = 1.0001


def with_minigrad(n: int) -> None:
    y = mg.tensor(np.ones(4), requires_grad=True)
    for _ in range(n):
        y = y * C
    y.sum().backward()


def with_torch(n: int) -> None:
    import torch

    torch.set_num_threads(1)
    y = torch.ones(4, dtype=torch.float64, requires_grad=True)
    for _ in range(n):
        y = y * C
    y.sum().backward()


def with_autograd(n: int) -> None:
    import autograd
    import autograd.numpy as anp

    def chain(y):
        for _ in range(n):
            y = y * C
        return anp.sum(y)

    autograd.grad(chain)(np.ones(4))


def with_mygrad(n: int) -> None:
    import mygrad

    y = mygrad.tensor(np.ones(4))
    for _ in range(n):
        y = y * C
    y.sum().backward()


PEERS: dict[str, Callable[[int], None]] = {
    "minigrad": with_minigrad,
    "PyTorch": with_torch,
    "autograd": with_autograd,
    "MyGrad": with_mygrad,
}


def microseconds(run: Callable[[int], None], n: int) -> float:
    start = time.perf_counter()
    run(n)
    return (time.perf_counter() - start) / n * 1e6


def bytes_per_op(n: int = 100_000) -> float:
    y = mg.tensor(np.ones(4), requires_grad=True)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(n):
        y = y * C
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held / n


def main() -> None:
    sys.setrecursionlimit(10_000)
    available = {}
    for name, run in PEERS.items():
        try:
            run(10)
        except ImportError:
            continue
        available[name] = run
    print("| ops | " + " | ".join(f"{name}, µs an op" for name in available) + " |")
    print("|---" * (len(available) + 1) + "|")
    for n in (1_000, 10_000, 100_000, 1_000_000):
        cells = []
        rounds = {1_000: 21, 10_000: 5}.get(n, 1)
        chosen = {k: f for k, f in available.items() if k == "minigrad" or n <= 1_000}
        spent: dict[str, list[float]] = {name: [] for name in chosen}
        for _ in range(rounds):
            for name, run in chosen.items():
                spent[name].append(microseconds(run, n))
        cells = [f"{median(spent[name]):.2f}" if name in spent else "-" for name in available]
        print(f"| {n:,} | {' | '.join(cells)} |", flush=True)
    print(f"\nminigrad holds {bytes_per_op():.0f} bytes an op until backward")


if __name__ == "__main__":
    main()
