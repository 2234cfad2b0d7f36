"""Fit a sine from noisy points: regression with one hidden layer, and why the ends are worse.

A network of 32 tanh units learns ``sin`` from 200 points between -pi and pi that carry noise of
size 0.1. Within the interval it comes close to the curve behind the noise; outside, where it saw
nothing, it does not know that a sine repeats.

You learn: ``mse_loss``, a held-out set, a callback that stops and keeps the best, and to distrust
extrapolation. Prints the fitted curve beside the true one, and last the root mean square error
within the interval.
"""

import argparse
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import nn, optim

NOISE = 0.1


def main(epochs: int, out: Path | None) -> float:
    """Train and return the error within the interval."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-np.pi, np.pi, (200, 1))
    y = np.sin(x) + rng.normal(0.0, NOISE, x.shape)
    x_train, x_test, y_train, y_test = mg.data.train_test_split(x, y, rng=0)
    model = nn.Sequential(
        nn.Linear(1, 32, rng=1, init=nn.init.uniform(-1.0, 1.0)), mg.tanh, nn.Linear(32, 1, rng=2)
    )

    best: dict[str, np.ndarray] = {}

    def no_better_for_long(history: mg.History) -> bool:
        losses = history["validation_loss"]
        if losses[-1] == min(losses):
            best.update(model.state_dict())
        return len(losses) - losses.index(min(losses)) > 30

    history = mg.fit(
        model,
        x_train,
        y_train,
        loss=mg.mse_loss,
        optimizer=optim.Adam(model.parameters(), learning_rate=0.01),
        epochs=epochs,
        validation=(x_test, y_test),
        callbacks=[no_better_for_long],
        rng=0,
        progress=False,
    )
    model.load_state_dict(best)
    print(
        f"stopped after {len(history)} epochs, held-out loss {min(history['validation_loss']):.4f}"
    )
    print("     x   sin(x)  network")
    for point in np.linspace(-2.0 * np.pi, 2.0 * np.pi, 13):
        where = "" if abs(point) <= np.pi else "   outside of what it saw"
        guess = model([[point]]).item()
        print(f"{point:6.2f} {np.sin(point):8.3f} {guess:8.3f}{where}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        history.plot(baseline=0.5).savefig(out / "04_curves.png")
    grid = np.linspace(-np.pi, np.pi, 101)[:, None]
    print("root mean square error within the interval:")
    return float(np.sqrt(np.mean((model(grid).numpy() - np.sin(grid)) ** 2)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="only a few epochs")
    parser.add_argument("--out", type=Path, help="folder for the curves")
    options = parser.parse_args()
    print(main(5 if options.smoke else 300, options.out))
