"""Exclusive or: four points that one neuron cannot part, but a hidden layer can.

The answer is 1 where exactly one of two inputs is 1. A single neuron draws one straight line, and
no line has the two ones on one side: it ends up guessing, with a loss of ln 2. Four hidden neurons
bend the plane, and the same loop learns the table. Two would do on paper, but from most starts they
get stuck half-way: try it.

You learn: a small network, ``zero_grad``, ``backward``, ``step``, and why there are hidden layers.
Prints both tables, and last the largest error of a probability of the network.
"""

import argparse

import numpy as np

import minigrad as mg
from minigrad import nn, optim

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])


def train(model: nn.Module, steps: int) -> float:
    """Learn the table, all four rows in each step, and return the last loss."""
    optimizer = optim.Adam(model.parameters(), learning_rate=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = mg.binary_cross_entropy_with_logits(model(X), Y)
        loss.backward()
        optimizer.step()
    return loss.item()


def table(model: nn.Module) -> np.ndarray:
    """Print what the model says beside what is true, and return its probabilities."""
    probabilities = mg.sigmoid(model(X)).numpy()
    for (a, b), said, (true,) in zip(X, probabilities.ravel(), Y, strict=True):
        print(f"  {a:.0f} xor {b:.0f} = {true:.0f}   said {said:.4f}")
    return probabilities


def main(steps: int) -> float:
    """Train one neuron, then a network, and return the largest error of the network."""
    neuron = nn.Sequential(nn.Linear(2, 1, rng=0))
    loss = train(neuron, steps)
    print(f"one neuron: loss {loss:.4f}, and ln 2 = {np.log(2.0):.4f}")
    table(neuron)

    network = nn.Sequential(nn.Linear(2, 4, rng=0), mg.tanh, nn.Linear(4, 1, rng=1))
    loss = train(network, steps)
    print(f"with four hidden neurons: loss {loss:.4f}")
    error = np.abs(table(network) - Y).max()
    print("largest error of a probability:")
    return float(error)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="only a few steps")
    print(main(steps=20 if parser.parse_args().smoke else 400))
