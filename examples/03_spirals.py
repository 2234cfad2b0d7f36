"""Three spirals that no straight line parts: the smallest problem that needs a hidden layer.

Each class is an arm of a spiral, wound around the others. A network with 64 hidden units bends
the plane until three half-planes part them.

You learn: ``mg.fit`` with an optimiser and a history, and how to look at a model's decisions.
Prints the loss now and then, and last the accuracy on the points. ``loss`` is a function of no
arguments that can be imported and drawn: ``mg.draw(loss())``.
"""

import argparse
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import nn, optim

CLASSES = 3


def spirals(points: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points of shape ``(3 * points, 2)`` on three noisy arms, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), points)
    radius = np.tile(np.linspace(0.0, 1.0, points), CLASSES)
    turn = 4.0 * radius + 4.0 * labels + rng.normal(0.0, 0.2, labels.size)
    return np.stack([radius * np.sin(turn), radius * np.cos(turn)], axis=1), labels


def network() -> nn.Sequential:
    """Return 2-64-3 with ReLU."""
    return nn.Sequential(nn.Linear(2, 64, rng=1), mg.relu, nn.Linear(64, CLASSES, rng=2))


def loss() -> mg.Tensor:
    """Return the loss of the untrained network on a few points, to be drawn."""
    x, labels = spirals(8)
    return mg.cross_entropy(network()(mg.tensor(x, name="x")), labels)


def plane(model: nn.Module, width: int = 60, height: int = 24) -> str:
    """Return the decisions on the square around the spirals, as text."""
    across, down = np.linspace(-1.1, 1.1, width), np.linspace(1.1, -1.1, height)
    grid = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    winners = model(grid).numpy().argmax(axis=1).reshape(height, width)
    return "\n".join("".join(".o#"[winner] for winner in row) for row in winners)


def main(epochs: int, out: Path | None) -> float:
    """Train, show what was learnt, and return the accuracy."""
    x, labels = spirals(100)
    model = network()

    def report(history: mg.History) -> None:
        if len(history) % max(epochs // 5, 1) == 0:
            print(f"epoch {len(history):4d}  loss {history['loss'][-1]:.4f}")

    history = mg.fit(
        model,
        x,
        labels,
        optimizer=optim.Adam(model.parameters(), learning_rate=0.01),
        epochs=epochs,
        batch_size=32,
        callbacks=[report],
        rng=0,
        progress=False,
    )
    print(plane(model))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        history.plot(baseline=np.log(CLASSES)).savefig(out / "03_curves.png")
        mg.draw(loss(), title="three spirals").save(out / "03_graph.svg")
    return mg.evaluate(model, x, labels)["accuracy"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="only a few epochs")
    parser.add_argument("--out", type=Path, help="folder for the curves and the graph")
    options = parser.parse_args()
    print(main(5 if options.smoke else 200, options.out))
