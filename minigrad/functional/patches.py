"""Patches of images as columns, images of patches, and channels as pixels."""

from __future__ import annotations

from minigrad import ops
from minigrad.functional.composition import as_operand, composite
from minigrad.functional.convolution import (
    batch_of,
    cropped,
    described,
    images,
    misfit,
    padded,
    spans,
)
from minigrad.ops.window import Ints, each
from minigrad.primitive import Array

__all__ = ["channel_shuffle", "fold", "pixel_shuffle", "pixel_unshuffle", "unfold"]


@composite
def unfold(
    x: Array, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Array:
    """Patches of images as columns: ``(batch, channels * kernel height * kernel width, patches)``.

    The layout is PyTorch's: a column is one patch, channels first, and patches go row by row. For
    windows without a copy, along any axis, see :func:`sliding_windows`.

    Args:
        x: ``(batch, channels, height, width)``, or without the batch.
        kernel_size: Height and width of a patch, or one number for both.
        dilation: How far elements of a patch are apart.
        padding: Zeros before and after height and width.
        stride: How far a patch is from the next one.

    Raises:
        ShapeError: If the patch is larger than the padded image.

    >>> import numpy as np
    >>> unfold(np.arange(9.0).reshape(1, 1, 3, 3), 2)
    array([[[0., 1., 3., 4.],
            [1., 2., 4., 5.],
            [3., 4., 6., 7.],
            [4., 5., 7., 8.]]])
    """
    x = images("unfold", x, 2)
    has_batch = len(x.shape) == 4
    kernel = each(kernel_size, 2, "unfold: kernel_size", 1)
    x = padded(batch_of(x, 2), tuple((p, p) for p in each(padding, 2, "unfold: padding", 0)))
    windows = ops.sliding_windows(x, kernel, (2, 3), stride, dilation)
    batch, channels, rows, columns = windows.shape[:4]
    patches = ops.transpose(windows, (0, 1, 4, 5, 2, 3))
    out = ops.reshape(patches, (batch, channels * kernel[0] * kernel[1], rows * columns))
    return out if has_batch else out[0]


@composite
def fold(
    x: Array,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Ints = 1,
    padding: Ints = 0,
    stride: Ints = 1,
) -> Array:
    """Patches added up to images: the adjoint of :func:`unfold`, not its inverse.

    Args:
        x: ``(batch, channels * kernel height * kernel width, patches)``, or without the batch.
        output_size: Height and width of the images.
        kernel_size: Height and width of a patch, or one number for both.
        dilation: How far elements of a patch are apart.
        padding: What is cropped from both ends of height and width.
        stride: How far a patch is from the next one.

    Raises:
        ShapeError: If rows or columns of ``x`` are not as many as the parameters make.

    >>> import numpy as np
    >>> fold(np.ones((1, 4, 4)), output_size=3, kernel_size=2)
    array([[[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]]])
    """
    x = images("fold", x, 1)
    kernel = each(kernel_size, 2, "fold: kernel_size", 1)
    crops = each(padding, 2, "fold: padding", 0)
    steps = each(stride, 2, "fold: stride", 1)
    dilations = each(dilation, 2, "fold: dilation", 1)
    output = each(output_size, 2, "fold: output_size", 1)
    size = tuple(length + 2 * p for length, p in zip(output, crops, strict=True))
    rows, columns = (
        (length - span) // s + 1
        for length, span, s in zip(size, spans(kernel, dilations), steps, strict=True)
    )
    area = kernel[0] * kernel[1]
    if x.shape[-2] % area or min(rows, columns) < 1 or x.shape[-1] != rows * columns:
        raise misfit(
            "fold",
            [described(x, "x")],
            f"expected (batch, channels * {area}, {max(rows, 0)} * {max(columns, 0)}) for "
            f"output_size {output} and kernel_size {kernel}",
            "pass what unfold was called with",
        )
    has_batch = len(x.shape) == 3
    x = batch_of(x, 1)
    batch, channels = x.shape[0], x.shape[1] // area
    windows = ops.reshape(x, (batch, channels, *kernel, rows, columns))
    windows = ops.transpose(windows, (0, 1, 4, 5, 2, 3))
    out = ops.overlap_add(windows, (batch, channels, *size), (2, 3), steps, dilations)
    out = cropped(out, tuple((p, p) for p in crops))
    return out if has_batch else out[0]


@composite
def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    """Channels as pixels: ``(..., channels * r * r, height, width)`` becomes larger by ``r``.

    Raises:
        ShapeError: If ``r * r`` does not divide the channels.

    >>> import numpy as np
    >>> pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), 2)
    array([[[0., 1.],
            [2., 3.]]])
    """
    x, (r,) = as_operand(x), each(upscale_factor, 1, "pixel_shuffle: upscale_factor", 1)
    if len(x.shape) < 3 or x.shape[-3] % (r * r):
        problem = f"expected (..., channels * {r * r}, height, width)"
        hint = "pass channels that upscale_factor ** 2 divides"
        raise misfit("pixel_shuffle", [described(x, "x")], problem, hint)
    *lead, channels, height, width = x.shape
    n = len(lead)
    x = ops.reshape(x, (*lead, channels // (r * r), r, r, height, width))
    x = ops.transpose(x, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return ops.reshape(x, (*lead, channels // (r * r), height * r, width * r))


@composite
def pixel_unshuffle(x: Array, downscale_factor: int) -> Array:
    """Pixels as channels: undoes :func:`pixel_shuffle`.

    Raises:
        ShapeError: If ``r`` does not divide height and width.

    >>> import numpy as np
    >>> pixel_unshuffle(np.array([[[0.0, 1.0], [2.0, 3.0]]]), 2).ravel()
    array([0., 1., 2., 3.])
    """
    x, (r,) = as_operand(x), each(downscale_factor, 1, "pixel_unshuffle: downscale_factor", 1)
    if len(x.shape) < 3 or x.shape[-2] % r or x.shape[-1] % r:
        problem = f"expected (..., channels, height, width), height and width multiples of {r}"
        hint = "pass sizes that downscale_factor divides"
        raise misfit("pixel_unshuffle", [described(x, "x")], problem, hint)
    *lead, channels, height, width = x.shape
    n = len(lead)
    x = ops.reshape(x, (*lead, channels, height // r, r, width // r, r))
    x = ops.transpose(x, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return ops.reshape(x, (*lead, channels * r * r, height // r, width // r))


@composite
def channel_shuffle(x: Array, groups: int) -> Array:
    """Channels dealt out anew: the first of each group, the second of each, and so on.

    ``x`` is ``(batch, channels, ...)``. Between grouped convolutions this lets groups meet
    (Zhang et al., ShuffleNet, 2018).

    Raises:
        ShapeError: If ``groups`` does not divide the channels.

    >>> import numpy as np
    >>> channel_shuffle(np.arange(6.0).reshape(1, 6, 1), 2).ravel()
    array([0., 3., 1., 4., 2., 5.])
    """
    x, (n,) = as_operand(x), each(groups, 1, "channel_shuffle: groups", 1)
    if len(x.shape) < 2 or x.shape[1] % n:
        problem = f"expected (batch, channels, ...), with a multiple of {n} channels"
        hint = "pass groups that divide the channels"
        raise misfit("channel_shuffle", [described(x, "x")], problem, hint)
    batch, channels, *size = x.shape
    parted = ops.reshape(x, (batch, n, channels // n, *size))
    return ops.reshape(ops.swapaxes(parted, 1, 2), (batch, channels, *size))
