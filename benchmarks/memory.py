"""How many arrays a graph keeps alive: 60 linear ops on an array of a million elements.

Run as ``python benchmarks/memory.py``. Peers that are not installed are left out.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

SIZE, OPS = 1_000_000, 60


def linear_ops(y: Any) -> Any:
    for _ in range(OPS // 2):
        y = (y + 1.0) * 0.5
    return y


def with_minigrad() -> Any:
    return linear_ops(mg.tensor(np.ones(SIZE), requires_grad=True))


def with_mygrad() -> Any:
    import mygrad

    return linear_ops(mygrad.tensor(np.ones(SIZE)))


def with_autograd() -> Any:
    import autograd

    return autograd.make_vjp(linear_ops)(np.ones(SIZE))


PEERS: dict[str, Callable[[], Any]] = {
    "minigrad": with_minigrad,
    "autograd": with_autograd,
    "MyGrad": with_mygrad,
}


def main() -> None:
    print("| library | arrays held after 60 linear ops |")
    print("|---|---|")
    for name, run in PEERS.items():
        try:
            run()
        except ImportError:
            continue
        gc.collect()
        tracemalloc.start()
        result = run()
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del result
        print(f"| {name} | {held / (SIZE * 8):.1f} |")


if __name__ == "__main__":
    main()
