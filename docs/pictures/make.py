"""Draw the pictures of the README again: ``python docs/pictures/make.py``."""

from pathlib import Path

import minigrad as mg

HERE = Path(__file__).parent


def readme() -> mg.Tensor:
    """The loss of the README's program."""
    w = mg.tensor([[0.2, 0.8], [0.5, -0.9]], requires_grad=True, name="w")
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], name="x")
    return mg.cross_entropy(mg.relu(x @ w), mg.tensor([0, 1, 0], name="y"))


if __name__ == "__main__":
    mg.draw(readme()).save(HERE / "readme.svg")
