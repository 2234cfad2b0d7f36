"""Handwritten digits with a convolutional network: the same small kernels look everywhere.

1,797 digits of 8 x 8 pixels. Two convolutions of 3 x 3 kernels and a pooling turn each image into
32 maps of 4 x 4, and two dense layers read the digit off them. While training, an image is moved by
up to a pixel, because a moved digit is the same digit. The full run takes about ten seconds.

You learn: ``nn.Conv2d``, ``nn.MaxPool2d``, dropout, augmentation, a falling learning rate. Prints
the model, the loss beside that of guessing, and last the accuracy on 449 digits held out.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import minigrad as mg
from minigrad import nn, optim


def network(seed: int = 0) -> nn.Sequential:
    """Return two convolutions, a pooling and two dense layers."""
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, rng=rng),
        mg.relu,
        nn.Conv2d(16, 32, 3, padding=1, rng=rng),
        mg.relu,
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3, rng=seed),
        nn.Linear(32 * 4 * 4, 64, rng=rng),
        mg.relu,
        nn.Linear(64, 10, rng=rng),
    )


def moved(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each image moved by up to one pixel each way, zeros coming in."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    down, right = rng.integers(0, 3, (2, len(images)))
    rows = down[:, None] + np.arange(8)
    columns = right[:, None] + np.arange(8)
    which = np.arange(len(images))[:, None, None]
    return padded[which, 0, rows[:, :, None], columns[:, None, :]][:, None]


def main(epochs: int, size: int, out: Path | None) -> float:
    """Train and return the accuracy on the digits held out."""
    x, y = load_digits(return_X_y=True)
    images = (x[:size] / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    split = mg.data.train_test_split(images, y[:size], test_size=0.25, rng=0)
    x_train, x_test, y_train, y_test = split
    model = network()
    print(model.summary(x_test[:1]))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        loss = mg.cross_entropy(model(mg.tensor(x_train[:8], name="x")), y_train[:8])
        mg.draw(loss, title="digits: one batch").save(out / "09_digits.svg")
    optimizer = optim.AdamW(model.parameters(), learning_rate=2e-3, weight_decay=0.01)
    rng = np.random.default_rng(0)
    for epoch in range(epochs):
        optimizer.learning_rate = 1e-3 * (1.0 + np.cos(np.pi * epoch / epochs))
        epoch_x = moved(x_train, rng)
        history = mg.fit(
            model, epoch_x, y_train, optimizer=optimizer, epochs=1, rng=rng, progress=False
        )
        if epoch % max(epochs // 6, 1) == 0:
            print(f"epoch {epoch:3d}  loss {history['loss'][-1]:.4f}")
    result = mg.evaluate(model, x_test, y_test)
    print(f"held out: loss {result['loss']:.4f} (guessing: {np.log(10.0):.4f}), accuracy")
    return result["accuracy"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one epoch on 200 digits")
    parser.add_argument("--out", type=Path, help="folder for the drawing")
    options = parser.parse_args()
    smoke = options.smoke
    print(main(2 if smoke else 30, 400 if smoke else 1797, options.out))
