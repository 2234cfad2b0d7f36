"""The training loop, ten lines: everything that ``mg.fit`` does, and where to change it.

A linear model learns to add, with gradient clipping and a learning rate that falls as training goes
on: two things that a loop of one's own makes room for.

You learn: ``zero_grad``, ``backward``, ``step``, ``data.batches``, clipping, a schedule by hand.
Prints the loss now and then, and last the largest error of the learnt weights.
"""

import argparse

import numpy as np

import minigrad as mg
from minigrad import nn, optim

WEIGHTS = np.array([[1.0], [-2.0], [3.0]])


def main(epochs: int) -> float:
    """Train and return how far the learnt weights are from those that made the data."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 3))
    y = x @ WEIGHTS + 0.5

    model = nn.Linear(3, 1, dtype=float, rng=rng)
    optimizer = optim.SGD(model.parameters(), learning_rate=0.1, momentum=0.9)
    for epoch in range(epochs):
        optimizer.learning_rate = 0.1 * (1.0 - epoch / epochs)
        for x_batch, y_batch in mg.data.batches(x, y, batch_size=32, rng=rng):
            optimizer.zero_grad()
            loss = mg.mse_loss(model(x_batch), y_batch)
            loss.backward()
            optim.clip_grad_norm(model.parameters(), max_norm=1.0)
            optimizer.step()
        if epoch % max(epochs // 5, 1) == 0:
            print(f"epoch {epoch:3d}  loss {loss.item():.2e}")

    learnt = model.weight.numpy()
    print("learnt weights", learnt.ravel(), "and bias", model.bias.numpy())
    print("largest error of the weights:")
    return float(np.abs(learnt - WEIGHTS).max())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="only a few epochs")
    print(main(epochs=2 if parser.parse_args().smoke else 40))
