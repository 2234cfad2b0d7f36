"""The function step, traced and written out as NumPy."""

import numpy as np

from minigrad.functional.pooling import first_largest
from minigrad.primitive import REGISTRY

constant_1 = np.array([0, 1, 4, 5], np.int64)
constant_2 = np.array([0, 2, 8, 10], np.int64).reshape((2, 2))
constant_3 = np.array(
    [
        0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240
    ],
    np.int64,
).reshape((8, 2, 1, 1))


def step(x, y, kernel, learning_rate):
    """Compute one call: forward, backward, update.

    Args:
        x: (8, 36) float64
        y: (8,) int64
        kernel: (2, 1, 3, 3) float64
        learning_rate: float
    """
    # Forward
    # conv2d
    reshaped_2 = x.reshape((-1, 1, 6, 6)).reshape((8, 1, 1, 6, 6))  # (8, 1, 1, 6, 6)
    window_product = REGISTRY["window_product"](
        reshaped_2,
        kernel.reshape((1, 2, 1, 3, 3)),
        step=(1, 1),
        dilation=(1, 1),
    )
    relu = np.maximum(window_product.reshape((8, 2, 4, 4)), 0)  # (8, 2, 4, 4)
    # max_pool2d
    view = np.lib.stride_tricks.sliding_window_view(relu, (2, 2), (2, 3), writeable=False)
    choice = first_largest(view[:, :, ::2, ::2, ::1, ::1][..., :2, :2, :, :], 2)  # (8, 2, 2, 2)
    chosen = constant_1[choice]  # (8, 2, 2, 2)
    index = constant_2 + chosen  # (8, 2, 2, 2)
    index += constant_3
    flat = np.ravel(index)  # (64,)
    chosen_2 = relu.reshape(-1)[flat]  # (64,)
    pooled = chosen_2.reshape((8, 2, 2, 2))  # (8, 2, 2, 2)
    power = pooled**2.0  # (8, 2, 2, 2)
    loss = np.add.reduce(power, axis=None) / 64.0

    # Backward
    d_pooled = 0.03125 * pooled  # (8, 2, 2, 2)
    # gradient of max_pool2d
    d_chosen_2 = d_pooled.reshape((64,))  # (64,)
    d_reshaped_3 = np.zeros((256,))  # (256,)
    np.add.at(d_reshaped_3, flat, d_chosen_2)
    d_relu_mask = relu > 0  # (8, 2, 4, 4)
    d_conv2d = d_reshaped_3.reshape((8, 2, 4, 4)) * d_relu_mask  # (8, 2, 4, 4)
    # gradient of conv2d
    d_weight = REGISTRY["kernel_product"](
        reshaped_2,
        d_conv2d.reshape((8, 1, 2, 4, 4)),
        kernel=(3, 3),
        step=(1, 1),
        dilation=(1, 1),
    )
    d_kernel = d_weight.reshape((2, 1, 3, 3))  # (2, 1, 3, 3)

    # Update
    kernel_step = learning_rate * d_kernel  # (2, 1, 3, 3)
    kernel_next = np.subtract(kernel, kernel_step, out=kernel_step)  # (2, 1, 3, 3)

    return loss, kernel_next, d_kernel.copy()
