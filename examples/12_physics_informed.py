"""Solve a differential equation with a network: no data, only the equation.

A mass on a spring with friction obeys ``u'' + u' / 2 + 4 u = 0``; it starts at 1 and at rest. The
network never sees the solution. It proposes ``u(t) = 1 + tanh(t)² network(t)``, which starts right
whatever the network says, and the loss is how badly the equation is violated at 64 times. That loss
holds second derivatives in ``t`` and is then differentiated in the parameters: a third in all.

You learn: ``mg.grad`` of ``mg.grad`` inside a loss. Prints the motion beside the exact one, and
last the largest difference.
"""

import argparse
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import nn, optim

FRICTION, STIFFNESS, END = 0.5, 4.0, 4.0


def exact(t: np.ndarray) -> np.ndarray:
    """Return the solution that one finds on paper."""
    slow = FRICTION / 2.0
    turn = np.sqrt(STIFFNESS - slow * slow)
    return np.exp(-slow * t) * (np.cos(turn * t) + slow / turn * np.sin(turn * t))


def main(steps: int, out: Path | None) -> float:
    """Train on the equation alone and return the largest error."""
    mg.set_default_dtype(np.float64)
    first = nn.Linear(1, 32, rng=0, init=nn.init.uniform(-2.0, 2.0))
    first.bias.data = np.random.default_rng(3).uniform(-END, END, 32)  # bends at all times
    network = nn.Sequential(
        first,
        mg.tanh,
        nn.Linear(32, 32, rng=1, init=nn.init.xavier_uniform()),
        mg.tanh,
        nn.Linear(32, 1, rng=2),
    )

    def u(t: mg.Tensor) -> mg.Tensor:
        return 1.0 + mg.tanh(t) ** 2 * network(t)

    # Each time is a row of its own, so the gradient of the sum is the slope at each of them.
    velocity = mg.grad(lambda t: u(t).sum())
    acceleration = mg.grad(lambda t: velocity(t).sum())

    def violation(t: np.ndarray) -> mg.Tensor:
        return acceleration(t) + FRICTION * velocity(t) + STIFFNESS * u(mg.tensor(t))

    times = np.linspace(0.0, END, 64)[:, None]
    optimizer = optim.Adam(network.parameters(), learning_rate=5e-3)
    for step in range(steps):
        optimizer.learning_rate = 5e-3 * (1.0 - step / steps)
        optimizer.zero_grad()
        loss = (violation(times) ** 2).mean()
        loss.backward()
        optimizer.step()
        if step % max(steps // 5, 1) == 0:
            print(f"step {step:4d}  mean squared violation {loss.item():.2e}")

    print("    t  network    exact")
    for t in np.linspace(0.0, END, 9):
        print(f"{t:5.2f} {u(mg.tensor([[t]])).item():8.4f} {exact(t):8.4f}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        graph = mg.draw((violation(times[:3]) ** 2).mean(), mode="forward", title="the violation")
        graph.save(out / "12_violation.svg")
    print("largest difference from the exact motion:")
    return float(np.abs(u(mg.tensor(times)).numpy() - exact(times)).max())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="only a few steps")
    parser.add_argument("--out", type=Path, help="folder for the drawing")
    options = parser.parse_args()
    print(main(5 if options.smoke else 1500, options.out))
