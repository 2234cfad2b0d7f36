"""A small network written op by op, then with layers: the same numbers, the same graph.

Four features go through two hidden layers of three ReLU units to two classes. The first version
spells out every product and sum, the second says ``nn.Sequential``; with the same initial weights
their loss and all six gradients agree to the last digits.

You learn: what a layer hides (nothing), how gradients reach parameters, how to draw both graphs.
Prints the loss of each and last the largest difference of loss and gradients.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import nn

SIZES = (4, 3, 3, 2)


def by_hand(x: np.ndarray, labels: np.ndarray, parameters: list[mg.Tensor]) -> mg.Tensor:
    """Return the cross-entropy of the network, op by op."""
    w1, b1, w2, b2, w3, b3 = parameters
    h1 = mg.relu(x @ w1 + b1)
    h2 = mg.relu(h1 @ w2 + b2)
    logits = h2 @ w3 + b3
    log_norm = mg.log(mg.exp(logits).sum(axis=1))
    right = logits[np.arange(len(labels)), labels]
    return (log_norm - right).mean()


def main(examples: int, out: Path | None) -> float:
    """Compute loss and gradients both ways and return the largest difference."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, SIZES[0]))
    labels = rng.integers(0, SIZES[-1], examples)

    layers = [nn.Linear(a, b, dtype=float, rng=rng) for a, b in pairwise(SIZES)]
    model = nn.Sequential(layers[0], mg.relu, layers[1], mg.relu, layers[2])
    names = ["w1", "b1", "w2", "b2", "w3", "b3"]
    scratch = [
        mg.tensor(p.numpy().copy(), requires_grad=True, name=name)
        for p, name in zip(model.parameters(), names, strict=True)
    ]

    with_layers = mg.cross_entropy(model(x), labels)
    op_by_op = by_hand(x, labels, scratch)
    print(model)
    print(f"loss with layers {with_layers.item():.12f}")
    print(f"loss op by op    {op_by_op.item():.12f}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, loss in (("layers", with_layers), ("scratch", op_by_op)):
            graph = mg.draw(loss, title=f"4-3-3-2: {name}")
            graph.save(out / f"05_{name}.svg")
            print("wrote", out / f"05_{name}.svg")

    with_layers.backward()
    op_by_op.backward()
    differences = [abs(with_layers.item() - op_by_op.item())]
    for name, one, other in zip(names, scratch, model.parameters(), strict=True):
        difference = np.abs(one.grad.numpy() - other.grad.numpy()).max()
        print(f"gradient of {name} {one.shape!s:>7}: difference {difference:.1e}")
        differences.append(difference)
    print("largest difference:")
    return float(max(differences))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="fewer examples")
    parser.add_argument("--out", type=Path, help="folder for the two drawings")
    options = parser.parse_args()
    print(main(5 if options.smoke else 100, options.out))
