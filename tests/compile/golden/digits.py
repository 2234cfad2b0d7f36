"""The function step, traced and written out as NumPy."""

import math

import numpy as np

rows = np.arange(32)

# Memory that every call reuses: 131.1 kB
layers_0_weight_gradient_memory = np.empty((64, 128))
layers_0_weight_product_3_memory = np.empty((64, 128))


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
    layers_0_weight_t,
    layers_0_weight_m,
    layers_0_weight_v,
    layers_0_bias_t,
    layers_0_bias_m,
    layers_0_bias_v,
    layers_2_weight_t,
    layers_2_weight_m,
    layers_2_weight_v,
    layers_2_bias_t,
    layers_2_bias_m,
    layers_2_bias_v,
):
    """Compute one call: forward, backward, update.

    Args:
        x: (32, 64) float64
        y: (32,) int64
        layers_0_weight: (64, 128) float64, overwritten
        d_layers_0_weight: (64, 128) float64, memory for the gradient
        layers_0_bias: (128,) float64, overwritten
        d_layers_0_bias: (128,) float64, memory for the gradient
        layers_2_weight: (128, 10) float64, overwritten
        d_layers_2_weight: (128, 10) float64, memory for the gradient
        layers_2_bias: (10,) float64, overwritten
        d_layers_2_bias: (10,) float64, memory for the gradient
        learning_rate: float
        layers_0_weight_t: int
        layers_0_weight_m: (64, 128) float64, overwritten
        layers_0_weight_v: (64, 128) float64, overwritten
        layers_0_bias_t: int
        layers_0_bias_m: (128,) float64, overwritten
        layers_0_bias_v: (128,) float64, overwritten
        layers_2_weight_t: int
        layers_2_weight_m: (128, 10) float64, overwritten
        layers_2_weight_v: (128, 10) float64, overwritten
        layers_2_bias_t: int
        layers_2_bias_m: (10,) float64, overwritten
        layers_2_bias_v: (10,) float64, overwritten
    """
    # Forward
    # cross_entropy
    if np.max(y.view("u8")) >= 10:
        raise Missed("cross_entropy would decide otherwise")
    # layers.0: Linear(64 → 128)
    layers_0 = x.dot(layers_0_weight)  # (32, 128)
    layers_0 += layers_0_bias
    # layers.1: relu
    layers_1 = np.maximum(layers_0, 0, out=layers_0)  # (32, 128)
    # layers.2: Linear(128 → 10)
    logits = layers_1.dot(layers_2_weight)  # (32, 10)
    logits += layers_2_bias
    # cross_entropy
    largest = np.maximum.reduce(logits, axis=-1, keepdims=True)  # (32, 1)
    centred = np.subtract(logits, largest, out=logits)  # (32, 10)
    chosen = centred[rows, y]  # (32,)
    exp = np.exp(centred)  # (32, 10)
    total = np.add.reduce(exp, axis=-1)  # (32,)
    log_norm = np.log(total)  # (32,)
    difference = np.subtract(log_norm, chosen, out=log_norm)  # (32,)
    loss = np.add.reduce(difference, axis=None) / 32.0

    # Backward
    # gradient of cross_entropy
    d_total = np.divide(0.03125, total, out=total)  # (32,)
    d_centred = np.multiply(d_total[..., None], exp, out=exp)  # (32, 10)
    d_centred[rows, y] -= 0.03125
    # gradient of layers.2: Linear(128 → 10)
    np.add.reduce(d_centred, axis=0, out=d_layers_2_bias)  # (10,)

    # Update
    layers_2_bias_gradient = 0.001 * layers_2_bias  # (10,)
    layers_2_bias_gradient += d_layers_2_bias
    layers_2_bias_t_next = layers_2_bias_t + 1
    layers_2_bias_m *= 0.9
    layers_2_bias_m += (1.0 - 0.9) * layers_2_bias_gradient
    layers_2_bias_v *= 0.999
    layers_2_bias_square = np.multiply(
        layers_2_bias_gradient,
        layers_2_bias_gradient,
        out=layers_2_bias_gradient,
    )
    layers_2_bias_square *= 1.0 - 0.999
    layers_2_bias_v += layers_2_bias_square
    layers_2_bias_size = learning_rate / (1.0 - (0.9**layers_2_bias_t_next))
    layers_2_bias_scale = np.sqrt(layers_2_bias_v)  # (10,)
    layers_2_bias_difference_2 = 1.0 - (0.999**layers_2_bias_t_next)
    layers_2_bias_scale /= math.sqrt(layers_2_bias_difference_2)
    layers_2_bias_scale += 1e-08
    layers_2_bias_step = np.divide(layers_2_bias_m, layers_2_bias_scale, out=layers_2_bias_scale)
    layers_2_bias_step *= layers_2_bias_size
    layers_2_bias -= layers_2_bias_step

    # Backward
    # gradient of layers.2: Linear(128 → 10)
    d_layers_1 = d_centred.dot(layers_2_weight.T)  # (32, 128)
    layers_1.T.dot(d_centred, out=d_layers_2_weight)  # (128, 10)

    # Update
    layers_2_weight_gradient = 0.001 * layers_2_weight  # (128, 10)
    layers_2_weight_gradient += d_layers_2_weight
    layers_2_weight_t_next = layers_2_weight_t + 1
    layers_2_weight_m *= 0.9
    layers_2_weight_m += (1.0 - 0.9) * layers_2_weight_gradient
    layers_2_weight_v *= 0.999
    layers_2_weight_square = np.multiply(
        layers_2_weight_gradient,
        layers_2_weight_gradient,
        out=layers_2_weight_gradient,
    )
    layers_2_weight_square *= 1.0 - 0.999
    layers_2_weight_v += layers_2_weight_square
    layers_2_weight_size = learning_rate / (1.0 - (0.9**layers_2_weight_t_next))
    layers_2_weight_scale = np.sqrt(layers_2_weight_v)  # (128, 10)
    layers_2_weight_difference_2 = 1.0 - (0.999**layers_2_weight_t_next)
    layers_2_weight_scale /= math.sqrt(layers_2_weight_difference_2)
    layers_2_weight_scale += 1e-08
    layers_2_weight_step = np.divide(
        layers_2_weight_m,
        layers_2_weight_scale,
        out=layers_2_weight_scale,
    )
    layers_2_weight_step *= layers_2_weight_size
    layers_2_weight -= layers_2_weight_step

    # Backward
    # gradient of layers.1: relu
    d_layers_1_mask = layers_1 > 0  # (32, 128)
    d_layers_0 = np.multiply(d_layers_1, d_layers_1_mask, out=d_layers_1)  # (32, 128)
    # gradient of layers.0: Linear(64 → 128)
    np.add.reduce(d_layers_0, axis=0, out=d_layers_0_bias)  # (128,)

    # Update
    layers_0_bias_gradient = 0.001 * layers_0_bias  # (128,)
    layers_0_bias_gradient += d_layers_0_bias
    layers_0_bias_t_next = layers_0_bias_t + 1
    layers_0_bias_m *= 0.9
    layers_0_bias_m += (1.0 - 0.9) * layers_0_bias_gradient
    layers_0_bias_v *= 0.999
    layers_0_bias_square = np.multiply(
        layers_0_bias_gradient,
        layers_0_bias_gradient,
        out=layers_0_bias_gradient,
    )
    layers_0_bias_square *= 1.0 - 0.999
    layers_0_bias_v += layers_0_bias_square
    layers_0_bias_size = learning_rate / (1.0 - (0.9**layers_0_bias_t_next))
    layers_0_bias_scale = np.sqrt(layers_0_bias_v)  # (128,)
    layers_0_bias_difference_2 = 1.0 - (0.999**layers_0_bias_t_next)
    layers_0_bias_scale /= math.sqrt(layers_0_bias_difference_2)
    layers_0_bias_scale += 1e-08
    layers_0_bias_step = np.divide(layers_0_bias_m, layers_0_bias_scale, out=layers_0_bias_scale)
    layers_0_bias_step *= layers_0_bias_size
    layers_0_bias -= layers_0_bias_step

    # Backward
    # gradient of layers.0: Linear(64 → 128)
    x.T.dot(d_layers_0, out=d_layers_0_weight)  # (64, 128)

    # Update
    layers_0_weight_gradient = np.multiply(
        0.001,
        layers_0_weight,
        out=layers_0_weight_gradient_memory,
    )
    layers_0_weight_gradient += d_layers_0_weight
    layers_0_weight_t_next = layers_0_weight_t + 1
    layers_0_weight_m *= 0.9
    layers_0_weight_product_3 = np.multiply(
        1.0 - 0.9,
        layers_0_weight_gradient,
        out=layers_0_weight_product_3_memory,
    )
    layers_0_weight_m += layers_0_weight_product_3
    layers_0_weight_v *= 0.999
    layers_0_weight_square = np.multiply(
        layers_0_weight_gradient,
        layers_0_weight_gradient,
        out=layers_0_weight_gradient,
    )
    layers_0_weight_square *= 1.0 - 0.999
    layers_0_weight_v += layers_0_weight_square
    layers_0_weight_size = learning_rate / (1.0 - (0.9**layers_0_weight_t_next))
    layers_0_weight_scale = np.sqrt(layers_0_weight_v, out=layers_0_weight_product_3_memory)
    layers_0_weight_difference_2 = 1.0 - (0.999**layers_0_weight_t_next)
    layers_0_weight_scale /= math.sqrt(layers_0_weight_difference_2)
    layers_0_weight_scale += 1e-08
    layers_0_weight_step = np.divide(
        layers_0_weight_m,
        layers_0_weight_scale,
        out=layers_0_weight_scale,
    )
    layers_0_weight_step *= layers_0_weight_size
    layers_0_weight -= layers_0_weight_step

    return (
        loss,
        layers_0_weight_t_next,
        layers_0_bias_t_next,
        layers_2_weight_t_next,
        layers_2_bias_t_next,
    )
