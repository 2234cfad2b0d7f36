"""A small transformer that learns to say a sequence backwards.

Eight digits go in, the same eight come out in reverse order. Nothing in the data says where a digit
belongs: attention has to learn to look from position 0 at position 7, from 1 at 6, and so on. After
training, the map of who looks at whom is an anti-diagonal, and the example prints it.

You learn: embedding, positions, attention with several heads, residual connections, layer norm.
Prints the loss, the map, an answer, and last the share of right digits in sequences never seen.
"""

import argparse

import numpy as np

import minigrad as mg
from minigrad import nn, optim

DIGITS, LENGTH, WIDTH, HEADS = 10, 8, 32, 2


class Reverser(nn.Module):
    """One transformer block between an embedding and a classifier of each position."""

    def __init__(self, rng: np.random.Generator) -> None:
        small = nn.init.normal(0.1)
        self.symbols = nn.Parameter(small((DIGITS, WIDTH), rng).astype(np.float32))
        self.places = nn.Parameter(small((LENGTH, WIDTH), rng).astype(np.float32))
        xavier = nn.init.xavier_uniform()
        self.project = nn.Linear(WIDTH, 3 * WIDTH, rng=rng, init=xavier)
        self.join = nn.Linear(WIDTH, WIDTH, rng=rng, init=xavier)
        self.widen = nn.Linear(WIDTH, 4 * WIDTH, rng=rng)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH, rng=rng)
        self.classify = nn.Linear(WIDTH, DIGITS, rng=rng)

    def heads(self, x: mg.Tensor) -> tuple[mg.Tensor, ...]:
        """Return queries, keys and values of shape ``(batch, heads, length, width / heads)``."""
        parts = self.project(mg.layer_norm(x, (WIDTH,)))
        parts = parts.reshape(-1, LENGTH, 3, HEADS, WIDTH // HEADS).transpose(2, 0, 3, 1, 4)
        return parts[0], parts[1], parts[2]

    def embed(self, sequences: np.ndarray) -> mg.Tensor:
        """Return what each symbol and its place say, added up."""
        return mg.embedding(sequences, self.symbols) + self.places

    def forward(self, sequences: np.ndarray) -> mg.Tensor:
        """Return the logits of shape ``(batch, length, digits)``."""
        x = self.embed(sequences)
        seen = mg.scaled_dot_product_attention(*self.heads(x))
        x = x + self.join(seen.transpose(0, 2, 1, 3).reshape(-1, LENGTH, WIDTH))
        x = x + self.narrow(mg.gelu(self.widen(mg.layer_norm(x, (WIDTH,)))))
        return self.classify(mg.layer_norm(x, (WIDTH,)))

    def looks(self, sequences: np.ndarray) -> np.ndarray:
        """Return who looks at whom, as a mean over sequences and heads."""
        queries, keys, _ = self.heads(self.embed(sequences))
        scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(WIDTH // HEADS)
        return mg.softmax(scores, axis=-1).numpy().mean(axis=(0, 1))


def main(steps: int) -> float:
    """Train on random sequences and return the share of right digits in others."""
    rng = np.random.default_rng(0)
    model = Reverser(rng)
    optimizer = optim.Adam(model.parameters(), learning_rate=3e-3)
    for step in range(steps):
        sequences = rng.integers(0, DIGITS, (64, LENGTH))
        optimizer.zero_grad()
        logits = model(sequences).reshape(-1, DIGITS)
        loss = mg.cross_entropy(logits, sequences[:, ::-1].ravel())
        loss.backward()
        optimizer.step()
        if step % max(steps // 5, 1) == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}")
    unseen = np.random.default_rng(1).integers(0, DIGITS, (256, LENGTH))
    print("who (row) looks at whom (column), in percent:")
    for row in model.looks(unseen):
        print(" ".join(f"{100 * share:3.0f}" for share in row))
    with mg.no_grad():
        answers = model(unseen).numpy().argmax(axis=-1)
    print(f"{unseen[0]} backwards is {answers[0]}, says the model; the share that is right:")
    return float(np.mean(answers == unseen[:, ::-1]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="only a few steps")
    print(main(steps=5 if parser.parse_args().smoke else 500))
