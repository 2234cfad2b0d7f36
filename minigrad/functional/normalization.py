"""Normalisation: mean 0 and variance 1 over a batch, a layer, a group of channels or an instance.

Channels are axis 1, as in PyTorch: ``(N, C, ...)``. Statistics of float16 are float32's, since
squares overflow early; the result has the dtype of ``x``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.composition import composite, floating, held, in_dtype, widened
from minigrad.primitive import Array
from minigrad.tensor import Tensor

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]

Axes = int | tuple[int, ...]


def _moments(x: Array, axes: Axes) -> tuple[Array, Array]:
    """``x`` minus its mean, and its variance, over axes that stay with length 1."""
    mean = ops.mean(x, axes, True)
    centred = x - mean
    return centred, ops.mean(ops.square(centred), axes, True)


def _scaled(x: Array, factor: Array, shift: Array | None) -> Array:
    scaled = x * factor
    return scaled if shift is None else scaled + shift


def _per_channel(name: str, what: str, value: Any, x: Array) -> Array | None:
    """A parameter of each channel, so that it broadcasts with ``(N, C, ...)``."""
    if value is None:
        return None
    value = in_dtype(value, x.dtype)
    if value.shape != x.shape[1:2]:
        raise ShapeError(f"{name}: {what} {value.shape} for the {x.shape[1]} channels of {x.shape}")
    return ops.reshape(value, (-1,) + (1,) * (len(x.shape) - 2))


def _has_channels(name: str, x: Array, ndim: int = 2) -> None:
    if len(x.shape) < ndim:
        raise ShapeError(f"{name}: x {x.shape} has no channels: it is (N, C, ...)")


def _remember(name: str, running: Any, fresh: Array, momentum: float) -> None:
    """Move a running statistic towards a fresh one: a Tensor gets a new array, an array changes."""
    old = held(running)
    new = old + momentum * (fresh.reshape(-1) - old)
    if isinstance(running, Tensor):
        running.data = new.astype(old.dtype)  # what a graph kept of the old one stays
    elif isinstance(old, np.ndarray):
        old[...] = new
    else:
        raise TypeError(f"{name}: running statistics are arrays or Tensors, not {type(running)}")


@composite
def batch_norm(
    x: Array,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` with statistics of each channel.

    While training they are those of the batch, and the running ones move towards them by
    ``momentum`` (towards the unbiased variance): an array in place, a Tensor by a new array. In
    evaluation they are the running ones.

    Args:
        x: Of shape ``(N, C, ...)``.
        running_mean: Of shape ``(C,)``, or None: then the batch's statistics always count.
        running_var: Of shape ``(C,)``, or None.
        weight: Of shape ``(C,)``.
        bias: Of shape ``(C,)``.
        training: Whether the statistics are the batch's.
        momentum: Share of the new in the running statistics.
        eps: Added to the variance.

    Raises:
        ShapeError: If shapes do not fit, or a channel that is trained has a single value.

    >>> mean, var = np.zeros(1), np.ones(1)
    >>> batch_norm(np.array([[1.0], [3.0]]), mean, var, training=True)
    array([[-0.999995],
           [ 0.999995]])
    >>> mean, var
    (array([0.2]), array([1.1]))
    """
    name = "batch_norm"
    x = floating(x)
    _has_channels(name, x)
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm: running_mean and running_var belong together: pass both")
    wide = widened(x)
    mean = _per_channel(name, "running_mean", running_mean, wide)
    var = _per_channel(name, "running_var", running_var, wide)
    if training or mean is None:
        axes = (0, *range(2, len(x.shape)))
        count = math.prod(x.shape[i] for i in axes)
        if count < 2:
            raise ShapeError(f"{name}: x {x.shape} has one value in a channel, so no variance")
        centred, spread = _moments(wide, axes)
        if training and mean is not None:
            data = held(wide)
            _remember(name, running_mean, data.mean(axis=axes), momentum)
            _remember(name, running_var, held(spread) * (count / (count - 1)), momentum)
    else:
        centred, spread = wide - mean, var
    scale = 1.0 / ops.sqrt(spread + eps)
    factor = _per_channel(name, "weight", weight, wide)
    scale = scale if factor is None else scale * factor
    out = _scaled(centred, scale, _per_channel(name, "bias", bias, wide))
    return in_dtype(out, x.dtype)


@composite
def instance_norm(
    x: Array,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Array:
    """``batch_norm`` with statistics of each channel of each example.

    Args:
        x: Of shape ``(N, C, ...)`` with at least one more axis.
        running_mean: Of shape ``(C,)``, or None; moves towards the mean over the examples.
        running_var: Of shape ``(C,)``, or None.
        weight: Of shape ``(C,)``.
        bias: Of shape ``(C,)``.
        use_input_stats: Whether the statistics are those of ``x``, not the running ones.
        momentum: Share of the new in the running statistics.
        eps: Added to the variance.

    Raises:
        ShapeError: If shapes do not fit, or an example has a single value in a channel.

    >>> instance_norm(np.array([[[1.0, 3.0], [0.0, 0.0]]]))
    array([[[-0.999995,  0.999995],
            [ 0.      ,  0.      ]]])
    """
    name = "instance_norm"
    x = floating(x)
    _has_channels(name, x, 3)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError("instance_norm: without use_input_stats pass the running statistics")
        return batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    axes = tuple(range(2, len(x.shape)))
    count = math.prod(x.shape[2:])
    if count < 2:
        raise ShapeError(f"{name}: x {x.shape} has one value in a channel, so no variance")
    wide = widened(x)
    centred, spread = _moments(wide, axes)
    if running_mean is not None:
        _remember(name, running_mean, held(wide).mean(axis=(0, *axes)), momentum)
    if running_var is not None:
        unbiased = held(spread).mean(axis=0) * (count / (count - 1))
        _remember(name, running_var, unbiased, momentum)
    scale = 1.0 / ops.sqrt(spread + eps)
    factor = _per_channel(name, "weight", weight, wide)
    scale = scale if factor is None else scale * factor
    return in_dtype(_scaled(centred, scale, _per_channel(name, "bias", bias, wide)), x.dtype)


@composite
def group_norm(
    x: Array, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Array:
    """``batch_norm`` with statistics of each group of channels of each example.

    Args:
        x: Of shape ``(N, C, ...)``.
        num_groups: How many groups the channels are parted into; it divides their number.
        weight: Of shape ``(C,)``.
        bias: Of shape ``(C,)``.
        eps: Added to the variance.

    Raises:
        ShapeError: If the channels can't be parted, or a parameter does not fit.

    >>> group_norm(np.array([[1.0, 3.0, 7.0, 7.0]]), 2)
    array([[-0.999995,  0.999995,  0.      ,  0.      ]])
    """
    name = "group_norm"
    x = floating(x)
    _has_channels(name, x)
    examples, channels = x.shape[:2]
    if num_groups < 1 or channels % num_groups:
        raise ShapeError(f"{name}: {channels} channels of {x.shape} in {num_groups} groups")
    wide = widened(x)
    each = channels // num_groups * math.prod(x.shape[2:])
    centred, spread = _moments(ops.reshape(wide, (examples, num_groups, each)), 2)
    out = ops.reshape(centred / ops.sqrt(spread + eps), x.shape)
    factor, shift = (
        _per_channel(name, "weight", weight, wide),
        _per_channel(name, "bias", bias, wide),
    )
    if factor is not None:
        out = out * factor
    return in_dtype(out if shift is None else out + shift, x.dtype)


def _last_axes(name: str, x: Array, normalized_shape: Any) -> tuple[int, ...]:
    """The axes that ``normalized_shape`` names: the last ones, which have these lengths."""
    shape = (
        (normalized_shape,)
        if isinstance(normalized_shape, int)
        else tuple(map(int, normalized_shape))
    )
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(f"{name}: normalized_shape {shape} is not how {x.shape} ends")
    return tuple(range(-len(shape), 0))


def _of_shape(name: str, what: str, value: Any, x: Array, ndim: int) -> Array:
    value = in_dtype(value, x.dtype)
    if value.shape != x.shape[-ndim:]:
        raise ShapeError(f"{name}: {what} {value.shape} where {x.shape[-ndim:]} is normalised")
    return value


@composite
def layer_norm(
    x: Array,
    normalized_shape: int | tuple[int, ...],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Array:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` with statistics of the last axes.

    Args:
        x: Any shape that ends in ``normalized_shape``.
        normalized_shape: Lengths of the axes that the statistics are of.
        weight: Of that shape.
        bias: Of that shape.
        eps: Added to the variance.

    Raises:
        ShapeError: If ``x`` does not end so, or a parameter has another shape.

    >>> layer_norm(np.array([[1.0, 3.0], [5.0, 5.0]]), 2)
    array([[-0.999995,  0.999995],
           [ 0.      ,  0.      ]])
    """
    x = floating(x)
    axes = _last_axes("layer_norm", x, normalized_shape)
    wide = widened(x)
    centred, spread = _moments(wide, axes if len(axes) > 1 else -1)
    out = centred / ops.sqrt(spread + eps)
    if weight is not None:
        out = out * _of_shape("layer_norm", "weight", weight, wide, len(axes))
    if bias is not None:
        out = out + _of_shape("layer_norm", "bias", bias, wide, len(axes))
    return in_dtype(out, x.dtype)


@composite
def rms_norm(
    x: Array,
    normalized_shape: int | tuple[int, ...],
    weight: Any = None,
    eps: float | None = None,
) -> Array:
    """``x / sqrt(mean(x**2) + eps) * weight`` over the last axes (Zhang and Sennrich, 2019).

    Args:
        x: Any shape that ends in ``normalized_shape``.
        normalized_shape: Lengths of the axes that the mean is of.
        weight: Of that shape.
        eps: Added to the mean square; by default the machine epsilon of the dtype.

    Raises:
        ShapeError: If ``x`` does not end so, or the weight has another shape.

    >>> rms_norm(np.array([[3.0, 4.0, 0.0, 0.0]]), 4)
    array([[1.2, 1.6, 0. , 0. ]])
    """
    x = floating(x)
    axes = _last_axes("rms_norm", x, normalized_shape)
    wide = widened(x)
    eps = float(np.finfo(wide.dtype).eps) if eps is None else eps
    square = ops.mean(ops.square(wide), axes if len(axes) > 1 else -1, True)
    out = wide / ops.sqrt(square + eps)
    if weight is not None:
        out = out * _of_shape("rms_norm", "weight", weight, wide, len(axes))
    return in_dtype(out, x.dtype)


@composite
def local_response_norm(
    x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """``x / (k + alpha * mean(x**2)) ** beta``, the mean being over ``size`` neighbouring channels.

    The window of channel ``c`` starts at ``c - size // 2``; channels beyond the ends count as 0
    (Krizhevsky et al., 2012, who have a sum in place of the mean).

    Args:
        x: Of shape ``(N, C, ...)`` with at least one more axis.
        size: How many channels a window has.
        alpha: Factor of the mean square.
        beta: Exponent.
        k: Constant in the denominator.

    Raises:
        ShapeError: If ``x`` has too few axes.

    >>> local_response_norm(np.ones((1, 3, 1)), 2, alpha=2.0, beta=1.0).ravel()
    array([0.5       , 0.33333333, 0.33333333])
    """
    if size < 1:
        raise ValueError(f"local_response_norm: size is 1 or more, not {size}")
    x = floating(x)
    _has_channels("local_response_norm", x, 3)
    wide = widened(x)
    widths = [(0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * (len(x.shape) - 2)]
    padded = ops.pad(ops.square(wide), widths)
    channels = x.shape[1]
    total = padded[:, :channels]
    for first in range(1, size):
        total = total + padded[:, first : first + channels]
    return in_dtype(wide / (total * (alpha / size) + k) ** beta, x.dtype)
