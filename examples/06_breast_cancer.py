"""Logistic regression: 30 measurements of 569 tumours, one neuron, and what it looks at.

The measurements differ in size by a factor of a million, so the model begins with a scaling that is
fitted to the training part and saved with it. After that, the neuron's weights can be compared.

You learn: ``nn.Normalize``, a binary loss, weight decay, and how to read a linear model.
Prints the measurements that weigh most, and last the accuracy on tumours held out.
"""

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer

import minigrad as mg
from minigrad import nn, optim


def right(logits: mg.Tensor, labels: np.ndarray) -> float:
    """Return the share of logits on the right side of 0."""
    return float(np.mean((np.asarray(logits.numpy()) > 0.0) == (labels > 0.5)))


def main(epochs: int) -> float:
    """Train, print what matters, and return the accuracy on the held-out part."""
    data = load_breast_cancer()
    y = data.target[:, None].astype(float)  # a column, as the model's output is: 1 is benign
    x_train, x_test, y_train, y_test = mg.data.train_test_split(data.data, y, test_size=0.25, rng=0)
    largest = data.data.max(axis=0)
    print(f"largest values: from {largest.min():.3f} to {largest.max():.0f}")

    scaling = nn.Normalize(x_train.shape[1], "standard").fit(x_train)
    neuron = nn.Linear(x_train.shape[1], 1, rng=0)
    model = nn.Sequential(scaling, neuron)
    history = mg.fit(
        model,
        x_train,
        y_train,
        loss=mg.binary_cross_entropy_with_logits,
        optimizer=optim.AdamW(model.parameters(), learning_rate=0.01, weight_decay=0.1),
        epochs=epochs,
        validation=(x_test, y_test),
        metrics={"accuracy": right},
        rng=0,
        progress=False,
    )
    weights = neuron.weight.numpy().ravel()
    print(f"loss {history['loss'][-1]:.4f}, held out {history['validation_loss'][-1]:.4f}")
    print("what weighs most (above 0 speaks for benign):")
    for i in np.argsort(-np.abs(weights))[:5]:
        print(f"  {weights[i]:6.2f}  {data.feature_names[i]}")
    share = max(y_test.mean(), 1.0 - y_test.mean())
    print(f"always the more frequent answer: {share:.4f}; this model:")
    return history["validation_accuracy"][-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="only a few epochs")
    print(main(epochs=3 if parser.parse_args().smoke else 60))
