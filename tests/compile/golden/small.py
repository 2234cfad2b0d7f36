"""The function step, traced and written out as NumPy."""

import numpy as np

rows = np.arange(16)


class Missed(ValueError):
    """The arguments are not of the kind that this was traced with."""


def step(
    x,
    y,
    layers_0_weight,
    d_layers_0_weight,
    layers_0_bias,
    d_layers_0_bias,
    layers_2_weight,
    d_layers_2_weight,
    layers_2_bias,
    d_layers_2_bias,
    learning_rate,
):
    """Compute one call: forward, backward, update.

    Args:
        x: (16, 4) float64
        y: (16,) int64
        layers_0_weight: (4, 8) float64, overwritten
        d_layers_0_weight: (4, 8) float64, memory for the gradient
        layers_0_bias: (8,) float64, overwritten
        d_layers_0_bias: (8,) float64, memory for the gradient
        layers_2_weight: (8, 3) float64, overwritten
        d_layers_2_weight: (8, 3) float64, memory for the gradient
        layers_2_bias: (3,) float64, overwritten
        d_layers_2_bias: (3,) float64, memory for the gradient
        learning_rate: float
    """
    # Forward
    # cross_entropy
    if np.max(y.view("u8")) >= 3:
        raise Missed("cross_entropy would decide otherwise")
    # layers.0: Linear(4 → 8)
    layers_0 = x.dot(layers_0_weight)  # (16, 8)
    layers_0 += layers_0_bias
    # layers.1: relu
    layers_1 = np.maximum(layers_0, 0, out=layers_0)  # (16, 8)
    # layers.2: Linear(8 → 3)
    logits = layers_1.dot(layers_2_weight)  # (16, 3)
    logits += layers_2_bias
    # cross_entropy
    largest = np.maximum.reduce(logits, axis=-1, keepdims=True)  # (16, 1)
    centred = np.subtract(logits, largest, out=logits)  # (16, 3)
    chosen = centred[rows, y]  # (16,)
    exp = np.exp(centred)  # (16, 3)
    total = np.add.reduce(exp, axis=-1)  # (16,)
    log_norm = np.log(total)  # (16,)
    difference = np.subtract(log_norm, chosen, out=log_norm)  # (16,)
    loss = np.add.reduce(difference, axis=None) / 16.0

    # Backward
    # gradient of cross_entropy
    d_total = np.divide(0.0625, total, out=total)  # (16,)
    d_centred = np.multiply(d_total[..., None], exp, out=exp)  # (16, 3)
    d_centred[rows, y] -= 0.0625
    # gradient of layers.2: Linear(8 → 3)
    np.add.reduce(d_centred, axis=0, out=d_layers_2_bias)  # (3,)
    d_layers_1 = d_centred.dot(layers_2_weight.T)  # (16, 8)
    layers_1.T.dot(d_centred, out=d_layers_2_weight)  # (8, 3)
    # gradient of layers.1: relu
    d_layers_1_mask = layers_1 > 0  # (16, 8)
    d_layers_0 = np.multiply(d_layers_1, d_layers_1_mask, out=d_layers_1)  # (16, 8)
    # gradient of layers.0: Linear(4 → 8)
    np.add.reduce(d_layers_0, axis=0, out=d_layers_0_bias)  # (8,)
    x.T.dot(d_layers_0, out=d_layers_0_weight)  # (4, 8)

    # Update
    layers_0_weight -= learning_rate * d_layers_0_weight
    layers_0_bias -= learning_rate * d_layers_0_bias
    layers_2_weight -= learning_rate * d_layers_2_weight
    layers_2_bias -= learning_rate * d_layers_2_bias

    return loss
