"""The function step, traced and written out as NumPy."""

import numpy as np

rows = np.arange(128)

# Memory that every call reuses: 720.9 kB
layers_0_memory = np.empty((128, 256), np.float32)
layers_2_memory = np.empty((128, 256), np.float32)
d_layers_3_memory = np.empty((128, 256), np.float32)
layers_2_weight_step_memory = np.empty((256, 256), np.float32)
layers_0_weight_step_memory = np.empty((64, 256), np.float32)


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
    layers_4_weight,
    d_layers_4_weight,
    layers_4_bias,
    d_layers_4_bias,
    learning_rate,
):
    """Compute one call: forward, backward, update.

    Args:
        x: (128, 64) float32
        y: (128,) int64
        layers_0_weight: (64, 256) float32, overwritten
        d_layers_0_weight: (64, 256) float32, memory for the gradient
        layers_0_bias: (256,) float32, overwritten
        d_layers_0_bias: (256,) float32, memory for the gradient
        layers_2_weight: (256, 256) float32, overwritten
        d_layers_2_weight: (256, 256) float32, memory for the gradient
        layers_2_bias: (256,) float32, overwritten
        d_layers_2_bias: (256,) float32, memory for the gradient
        layers_4_weight: (256, 10) float32, overwritten
        d_layers_4_weight: (256, 10) float32, memory for the gradient
        layers_4_bias: (10,) float32, overwritten
        d_layers_4_bias: (10,) float32, memory for the gradient
        learning_rate: float
    """
    # Forward
    # cross_entropy
    if np.max(y.view("u8")) >= 10:
        raise Missed("cross_entropy would decide otherwise")
    # layers.0: Linear(64 → 256)
    layers_0 = x.dot(layers_0_weight, out=layers_0_memory)  # (128, 256)
    layers_0 += layers_0_bias
    # layers.1: relu
    layers_1 = np.maximum(layers_0, 0, out=layers_0)  # (128, 256)
    # layers.2: Linear(256 → 256)
    layers_2 = layers_1.dot(layers_2_weight, out=layers_2_memory)  # (128, 256)
    layers_2 += layers_2_bias
    # layers.3: relu
    layers_3 = np.maximum(layers_2, 0, out=layers_2)  # (128, 256)
    # layers.4: Linear(256 → 10)
    logits = layers_3.dot(layers_4_weight)  # (128, 10)
    logits += layers_4_bias
    # cross_entropy
    largest = np.maximum.reduce(logits, axis=-1, keepdims=True)  # (128, 1)
    centred = np.subtract(logits, largest, out=logits)  # (128, 10)
    chosen = centred[rows, y]  # (128,)
    exp = np.exp(centred)  # (128, 10)
    total = np.add.reduce(exp, axis=-1)  # (128,)
    log_norm = np.log(total)  # (128,)
    difference = np.subtract(log_norm, chosen, out=log_norm)  # (128,)
    loss = np.add.reduce(difference, axis=None) / 128.0

    # Backward
    # gradient of cross_entropy
    d_total = np.divide(0.0078125, total, out=total)  # (128,)
    d_centred = np.multiply(d_total[..., None], exp, out=exp)  # (128, 10)
    d_centred[rows, y] -= 0.0078125
    # gradient of layers.4: Linear(256 → 10)
    np.add.reduce(d_centred, axis=0, out=d_layers_4_bias)  # (10,)

    # Update
    layers_4_bias -= learning_rate * d_layers_4_bias

    # Backward
    # gradient of layers.4: Linear(256 → 10)
    d_layers_3 = d_centred.dot(layers_4_weight.T, out=d_layers_3_memory)  # (128, 256)
    layers_3.T.dot(d_centred, out=d_layers_4_weight)  # (256, 10)

    # Update
    layers_4_weight -= learning_rate * d_layers_4_weight

    # Backward
    # gradient of layers.3: relu
    d_layers_3_mask = layers_3 > 0  # (128, 256)
    d_layers_2 = np.multiply(d_layers_3, d_layers_3_mask, out=d_layers_3)  # (128, 256)
    # gradient of layers.2: Linear(256 → 256)
    np.add.reduce(d_layers_2, axis=0, out=d_layers_2_bias)  # (256,)

    # Update
    layers_2_bias -= learning_rate * d_layers_2_bias

    # Backward
    # gradient of layers.2: Linear(256 → 256)
    d_layers_1 = d_layers_2.dot(layers_2_weight.T, out=layers_2_memory)  # (128, 256)
    layers_1.T.dot(d_layers_2, out=d_layers_2_weight)  # (256, 256)

    # Update
    layers_2_weight_step = np.multiply(
        learning_rate,
        d_layers_2_weight,
        out=layers_2_weight_step_memory,
    )
    layers_2_weight -= layers_2_weight_step

    # Backward
    # gradient of layers.1: relu
    d_layers_1_mask = layers_1 > 0  # (128, 256)
    d_layers_0 = np.multiply(d_layers_1, d_layers_1_mask, out=d_layers_1)  # (128, 256)
    # gradient of layers.0: Linear(64 → 256)
    np.add.reduce(d_layers_0, axis=0, out=d_layers_0_bias)  # (256,)

    # Update
    layers_0_bias -= learning_rate * d_layers_0_bias

    # Backward
    # gradient of layers.0: Linear(64 → 256)
    x.T.dot(d_layers_0, out=d_layers_0_weight)  # (64, 256)

    # Update
    layers_0_weight_step = np.multiply(
        learning_rate,
        d_layers_0_weight,
        out=layers_0_weight_step_memory,
    )
    layers_0_weight -= layers_0_weight_step

    return loss
