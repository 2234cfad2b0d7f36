"""A recurrent network that reads a verse letter by letter and then writes in its manner.

At each letter the cell mixes what it reads with what it remembers, and says which letter comes
next. The same weights are used at every letter, so backward sums their gradients over all of them:
the graph of one batch is 24 cells long. Gradients through many cells can explode, so they are
clipped.

You learn: recurrence as a Python loop, shared weights, clipping, sampling. Prints the loss beside
that of two guessers, a few lines that the model writes, and last the loss in nats per letter.
"""

import argparse
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import nn, optim

TEXT = (Path(__file__).parent / "rain.txt").read_text(encoding="utf-8")
LETTERS = sorted(set(TEXT))
CODES = np.array([LETTERS.index(letter) for letter in TEXT])
LENGTH, WIDTH = 24, 96


class Reader(nn.Module):
    """``memory = tanh(letter's row + memory @ weight + bias)``, and logits read off the memory."""

    def __init__(self, rng: np.random.Generator) -> None:
        rows = nn.init.normal(0.3)((len(LETTERS), WIDTH), rng)
        self.letters = nn.Parameter(rows.astype(np.float32))
        self.remember = nn.Linear(WIDTH, WIDTH, rng=rng, init=nn.init.xavier_uniform())
        self.guess = nn.Linear(WIDTH, len(LETTERS), rng=rng, init=nn.init.xavier_uniform())

    def read(self, code: np.ndarray, memory: mg.Tensor) -> mg.Tensor:
        """Return what is remembered after one more letter, of shape ``(batch, WIDTH)``."""
        return mg.tanh(mg.embedding(code, self.letters) + self.remember(memory))

    def forward(self, codes: np.ndarray) -> mg.Tensor:
        """Return logits of shape ``(batch, length, letters)``, one row after each letter."""
        memory, memories = mg.tensor(np.zeros((len(codes), WIDTH), np.float32)), []
        for code in codes.T:
            memory = self.read(code, memory)
            memories.append(memory)
        return self.guess(mg.stack(memories, axis=1))

    def write(self, start: str, length: int, rng: np.random.Generator) -> str:
        """Return ``start`` and letters drawn from what the model expects."""
        written = start
        with mg.no_grad():
            memory = mg.tensor(np.zeros((1, WIDTH), np.float32))
            for i in range(length):
                memory = self.read(np.array([LETTERS.index(written[i])]), memory)
                if i == len(written) - 1:
                    chances = mg.softmax(2.0 * self.guess(memory), axis=-1).numpy()[0]
                    written += LETTERS[np.searchsorted(np.cumsum(chances), rng.uniform())]
        return written


def main(steps: int) -> float:
    """Train, write, and return the loss on the whole verse."""
    rng = np.random.default_rng(0)
    model = Reader(rng)
    optimizer = optim.Adam(model.parameters(), learning_rate=3e-3)
    windows = np.lib.stride_tricks.sliding_window_view(CODES, LENGTH + 1)
    for step in range(steps):
        batch = windows[rng.integers(0, len(windows), 32)]
        optimizer.zero_grad()
        logits = model(batch[:, :-1]).reshape(-1, len(LETTERS))
        loss = mg.cross_entropy(logits, batch[:, 1:].ravel())
        loss.backward()
        optim.clip_grad_norm(model.parameters(), max_norm=1.0)
        optimizer.step()
        if step % max(steps // 5, 1) == 0:
            print(f"step {step:4d}  loss {loss.item():.4f}")
    shares = np.bincount(CODES) / len(CODES)
    print(f"guessing evenly loses {np.log(len(LETTERS)):.4f}", end=", ")
    print(f"by how frequent a letter is {-np.sum(shares * np.log(shares)):.4f}")
    print(model.write("The ", 160, rng))
    with mg.no_grad():
        logits = model(windows[:, :-1])[:, -1]
        print("loss in nats per letter, after reading 24:")
        return mg.cross_entropy(logits, windows[:, -1]).item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="only a few steps")
    print(main(steps=4 if parser.parse_args().smoke else 400))
