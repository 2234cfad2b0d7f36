"""The function step, traced and written out as NumPy."""

import numpy as np

rows = np.arange(16)


class Missed(ValueError):
    """The arguments are not of the kind that this was traced with."""


def step(
    x,
    y,
    block_layers_0_weight,
    d_block_layers_0_weight,
    block_layers_0_bias,
    d_block_layers_0_bias,
    block_layers_2_weight,
    d_block_layers_2_weight,
    block_layers_2_bias,
    d_block_layers_2_bias,
    head_weight,
    d_head_weight,
    head_bias,
    d_head_bias,
    learning_rate,
):
    """Compute one call: forward, backward, update.

    Args:
        x: (16, 4) float64
        y: (16,) int64
        block_layers_0_weight: (4, 8) float64, overwritten
        d_block_layers_0_weight: (4, 8) float64, memory for the gradient
        block_layers_0_bias: (8,) float64, overwritten
        d_block_layers_0_bias: (8,) float64, memory for the gradient
        block_layers_2_weight: (8, 4) float64, overwritten
        d_block_layers_2_weight: (8, 4) float64, memory for the gradient
        block_layers_2_bias: (4,) float64, overwritten
        d_block_layers_2_bias: (4,) float64, memory for the gradient
        head_weight: (4, 3) float64, overwritten
        d_head_weight: (4, 3) float64, memory for the gradient
        head_bias: (3,) float64, overwritten
        d_head_bias: (3,) float64, memory for the gradient
        learning_rate: float
    """
    # Forward
    # cross_entropy
    if np.max(y.view("u8")) >= 3:
        raise Missed("cross_entropy would decide otherwise")
    # block.layers.0: Linear(4 → 8)
    block_layers_0 = x.dot(block_layers_0_weight)  # (16, 8)
    block_layers_0 += block_layers_0_bias
    # block.layers.1: relu
    block_layers_1 = np.maximum(block_layers_0, 0, out=block_layers_0)  # (16, 8)
    # block.layers.2: Linear(8 → 4)
    block_layers_2 = block_layers_1.dot(block_layers_2_weight)  # (16, 4)
    block_layers_2 += block_layers_2_bias
    sum = np.add(block_layers_2, x, out=block_layers_2)  # (16, 4)
    hidden = np.tanh(sum, out=sum)  # (16, 4)
    # layer_norm
    mean = np.add.reduce(hidden, axis=-1, keepdims=True)  # (16, 1)
    mean /= 4.0
    centred = hidden - mean  # (16, 4)
    square = np.square(centred)  # (16, 4)
    mean_3 = np.add.reduce(square, axis=-1, keepdims=True)  # (16, 1)
    mean_3 /= 4.0
    mean_3 += 1e-05
    root = np.sqrt(mean_3, out=mean_3)  # (16, 1)
    layer_norm = centred / root  # (16, 4)
    # head: Linear(4 → 3)
    logits = layer_norm.dot(head_weight)  # (16, 3)
    logits += head_bias
    # cross_entropy
    largest = np.maximum.reduce(logits, axis=-1, keepdims=True)  # (16, 1)
    centred_2 = np.subtract(logits, largest, out=logits)  # (16, 3)
    chosen = centred_2[rows, y]  # (16,)
    exp = np.exp(centred_2)  # (16, 3)
    total = np.add.reduce(exp, axis=-1)  # (16,)
    log_norm = np.log(total)  # (16,)
    difference = np.subtract(log_norm, chosen, out=log_norm)  # (16,)
    loss = np.add.reduce(difference, axis=None) / 16.0

    # Backward
    # gradient of cross_entropy
    d_total = np.divide(0.0625, total, out=total)  # (16,)
    d_centred_2 = np.multiply(d_total[..., None], exp, out=exp)  # (16, 3)
    d_centred_2[rows, y] -= 0.0625
    # gradient of head: Linear(4 → 3)
    np.add.reduce(d_centred_2, axis=0, out=d_head_bias)  # (3,)
    d_layer_norm = d_centred_2.dot(head_weight.T)  # (16, 4)
    layer_norm.T.dot(d_centred_2, out=d_head_weight)  # (4, 3)
    # gradient of layer_norm
    d_centred = d_layer_norm / root  # (16, 4)
    d_layer_norm_negative = np.negative(d_layer_norm, out=d_layer_norm)  # (16, 4)
    d_layer_norm_negative *= layer_norm
    d_layer_norm_negative /= root
    d_layer_norm_total = np.add.reduce(d_layer_norm_negative, axis=1)  # (16,)
    d_sum_2 = d_layer_norm_total.reshape((16, 1)) * 0.5  # (16, 1)
    d_sum_2 /= root
    d_square = np.divide(d_sum_2, 4.0, out=d_sum_2)  # (16, 1)
    d_layer_norm_product_4 = np.multiply(d_square, centred, out=centred)  # (16, 4)
    d_layer_norm_product_4 *= 2.0
    d_centred += d_layer_norm_product_4
    d_layer_norm_negative_2 = -d_centred  # (16, 4)
    d_layer_norm_total_2 = np.add.reduce(d_layer_norm_negative_2, axis=1)  # (16,)
    d_layer_norm_quotient_2 = d_layer_norm_total_2.reshape((16, 1)) / 4.0  # (16, 1)
    d_hidden = np.add(d_centred, d_layer_norm_quotient_2, out=d_centred)  # (16, 4)
    d_tanh_square = np.multiply(hidden, hidden, out=hidden)  # (16, 4)
    d_tanh_difference = np.subtract(1.0, d_tanh_square, out=d_tanh_square)  # (16, 4)
    d_sum = np.multiply(d_hidden, d_tanh_difference, out=d_hidden)  # (16, 4)
    # gradient of block.layers.2: Linear(8 → 4)
    np.add.reduce(d_sum, axis=0, out=d_block_layers_2_bias)  # (4,)
    d_block_layers_1 = d_sum.dot(block_layers_2_weight.T)  # (16, 8)
    block_layers_1.T.dot(d_sum, out=d_block_layers_2_weight)  # (8, 4)
    # gradient of block.layers.1: relu
    d_block_layers_1_mask = block_layers_1 > 0  # (16, 8)
    d_block_layers_0 = np.multiply(d_block_layers_1, d_block_layers_1_mask, out=d_block_layers_1)
    # gradient of block.layers.0: Linear(4 → 8)
    np.add.reduce(d_block_layers_0, axis=0, out=d_block_layers_0_bias)  # (8,)
    x.T.dot(d_block_layers_0, out=d_block_layers_0_weight)  # (4, 8)

    # Update
    block_layers_0_weight -= learning_rate * d_block_layers_0_weight
    block_layers_0_bias -= learning_rate * d_block_layers_0_bias
    block_layers_2_weight -= learning_rate * d_block_layers_2_weight
    block_layers_2_bias -= learning_rate * d_block_layers_2_bias
    head_weight -= learning_rate * d_head_weight
    head_bias -= learning_rate * d_head_bias

    return loss
