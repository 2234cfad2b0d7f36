"""Normalisation layers: mean 0 and variance 1, then a scale and a shift that are learned.

Channels are axis 1: ``(batch, channels, ...)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from minigrad import ops
from minigrad.arguments import telling
from minigrad.errors import DTypeError, ShapeError
from minigrad.functional import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from minigrad.nn import init as initialisers
from minigrad.nn.linear import in_dtype
from minigrad.nn.module import Buffer, Module, Parameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "RMSNorm",
]

Shape = tuple[int, ...]


class Normalization(Module):
    """What these layers share: a scale that starts at 1, a shift that starts at 0."""

    weight: Parameter | None
    bias: Parameter | None

    def _learn(self, shape: Shape, weight: bool, bias: bool, dtype: Any) -> None:
        if not shape or min(shape) < 1:
            raise ValueError(f"{type(self).__name__}: there is nothing to normalise in {shape}")
        self.dtype = initialisers.default_dtype() if dtype is None else np.dtype(dtype)
        if self.dtype.kind != "f":
            raise DTypeError(f"parameters are floating, so their dtype can't be {self.dtype}")
        self.weight = Parameter(np.ones(shape, self.dtype), name="weight") if weight else None
        self.bias = Parameter(np.zeros(shape, self.dtype), name="bias") if bias else None


class RunningNorm(Normalization):
    """What layers share that keep statistics of the data seen in training."""

    running_mean: Buffer | None
    running_var: Buffer | None
    ranks: ClassVar[Shape]  # how many axes an input has

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        dtype: Any,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self._learn((num_features,), affine, affine and bias, dtype)
        self.running_mean = self.running_var = None
        if track_running_stats:
            zeros, ones = np.zeros(num_features, self.dtype), np.ones(num_features, self.dtype)
            self.running_mean = Buffer(zeros, name="running_mean")
            self.running_var = Buffer(ones, name="running_var")
            self.num_batches_tracked = Buffer(np.zeros((), np.int64), name="num_batches_tracked")

    def _statistics(self) -> tuple[bool, float]:
        """Whether statistics of the input count, and how much of them is remembered."""
        if self.running_mean is None:
            return True, 0.0
        if not self.training:
            return False, 0.0
        self.num_batches_tracked.data = self.num_batches_tracked.data + 1
        if self.momentum is not None:
            return True, self.momentum
        # fabs gives a float, as float() does, but a compiled step can follow it.
        return True, 1.0 / math.fabs(self.num_batches_tracked.data)

    def _check(self, x: Any) -> None:
        shape = np.shape(x)
        # An InstanceNorm takes an example without a batch: its channels are axis 0.
        channels = len(shape) - max(self.ranks) + 1 if isinstance(self, InstanceNorm) else 1
        if len(shape) not in self.ranks or shape[channels] != self.num_features:
            wanted = " or ".join(str(rank) for rank in self.ranks)
            raise ShapeError(
                f"{self.title()}: x {shape} is not (batch, {self.num_features}, ...) with {wanted} "
                "axes"
            )

    def title(self) -> str:
        """Return the layer with its channels."""
        return f"{type(self).__name__}({self.num_features})"


class BatchNorm(RunningNorm):
    """Statistics of each channel of a batch while training, the running ones in evaluation."""

    @telling
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def forward(self, x: Any) -> Any:
        """Return ``x`` normalised; while training the running statistics move."""
        self._check(x)
        fresh, momentum = self._statistics()
        return batch_norm(
            in_dtype(x, self.dtype),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            fresh,
            momentum,
            self.eps,
        )


class InstanceNorm(RunningNorm):
    """Statistics of each channel of each example."""

    @telling
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def forward(self, x: Any) -> Any:
        """Return ``x`` normalised; with running statistics, evaluation uses those."""
        self._check(x)
        fresh, momentum = self._statistics()
        x = in_dtype(x, self.dtype)
        alone = len(x.shape) < max(self.ranks)
        out = instance_norm(
            ops.expand_dims(x, 0) if alone else x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            fresh,
            momentum,
            self.eps,
        )
        return out[0] if alone else out


class BatchNorm1d(BatchNorm):
    """Batch normalisation of ``(batch, channels)`` or ``(batch, channels, length)``.

    Its arguments are those of BatchNorm2d.

    >>> layer = BatchNorm1d(2)
    >>> layer(np.array([[1.0, 10.0], [3.0, 30.0]])).numpy().round(3)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    """

    ranks = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalisation of images ``(batch, channels, height, width)`` (Ioffe, Szegedy, 2015).

    While training, each channel gets mean 0 and variance 1 over the batch; the buffers
    ``running_mean`` and ``running_var`` follow, and count in evaluation.

    Args:
        num_features: Number of channels.
        eps: Added to the variance.
        momentum: Share of a new batch in the running statistics; None takes the mean of all.
        affine: Whether a scale ``weight`` and a shift ``bias`` of each channel are learned.
        track_running_stats: Whether to keep statistics; without, the batch's always count.
        bias: Whether a shift is learned besides the scale.
        dtype: Floating dtype of parameters and statistics, to which inputs are converted.

    >>> layer = BatchNorm2d(3)
    >>> layer(np.random.default_rng(0).normal(5.0, 2.0, (8, 3, 4, 4))).shape
    (8, 3, 4, 4)
    >>> layer.running_mean.numpy().round(1)
    array([0.5, 0.5, 0.5], dtype=float32)
    """

    ranks = (4,)


class BatchNorm3d(BatchNorm):
    """Batch normalisation of ``(batch, channels, depth, height, width)``; as BatchNorm2d.

    >>> BatchNorm3d(2)(np.ones((1, 2, 2, 2, 2))).shape
    (1, 2, 2, 2, 2)
    """

    ranks = (5,)


class InstanceNorm1d(InstanceNorm):
    """Instance normalisation of ``(batch, channels, length)``; arguments as InstanceNorm2d's.

    >>> InstanceNorm1d(1)(np.array([[[1.0, 3.0]]])).round(3)
    array([[[-1.,  1.]]], dtype=float32)
    """

    ranks = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """Mean 0 and variance 1 in each channel of each image ``(batch, channels, height, width)``.

    Args:
        num_features: Number of channels.
        eps: Added to the variance.
        momentum: Share of a new batch in the running statistics.
        affine: Whether a scale ``weight`` and a shift ``bias`` of each channel are learned.
        track_running_stats: Whether to keep statistics, which then count in evaluation.
        bias: Whether a shift is learned besides the scale.
        dtype: Floating dtype of parameters and statistics, to which inputs are converted.

    >>> InstanceNorm2d(3)(np.ones((8, 3, 4, 4))).shape
    (8, 3, 4, 4)
    """

    ranks = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """Instance normalisation of ``(batch, channels, depth, height, width)``; as InstanceNorm2d.

    >>> InstanceNorm3d(2)(np.ones((1, 2, 2, 2, 2))).shape
    (1, 2, 2, 2, 2)
    """

    ranks = (4, 5)


class GroupNorm(Normalization):
    """Mean 0 and variance 1 in each group of channels of each example (Wu and He, 2018).

    Args:
        num_groups: How many groups there are; it divides the channels.
        num_channels: Number of channels.
        eps: Added to the variance.
        affine: Whether a scale ``weight`` and a shift ``bias`` of each channel are learned.
        bias: Whether a shift is learned besides the scale.
        dtype: Floating dtype of the parameters, to which inputs are converted.

    >>> GroupNorm(2, 4)(np.ones((1, 4, 8, 8))).shape
    (1, 4, 8, 8)
    """

    @telling
    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels in {num_groups} groups")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self._learn((num_channels,), affine, affine and bias, dtype)

    def forward(self, x: Any) -> Any:
        """Return ``x`` normalised."""
        shape = np.shape(x)
        if shape[1:2] != (self.num_channels,):
            raise ShapeError(f"{self.title()}: x {shape} is not (batch, {self.num_channels}, ...)")
        x = in_dtype(x, self.dtype)
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def title(self) -> str:
        """Return the layer with its groups and channels."""
        return f"GroupNorm({self.num_groups} of {self.num_channels})"


class LayerNorm(Normalization):
    """Mean 0 and variance 1 over the last axes of each example (Ba et al., 2016).

    Args:
        normalized_shape: Length of the last axis, or lengths of the last axes.
        eps: Added to the variance.
        elementwise_affine: Whether a scale ``weight`` of that shape is learned.
        bias: Whether a shift ``bias`` is learned besides the scale.
        dtype: Floating dtype of the parameters, to which inputs are converted.

    >>> LayerNorm(2)(np.array([[1.0, 3.0], [5.0, 25.0]])).numpy().round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    @telling
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        self._learn(self.normalized_shape, elementwise_affine, elementwise_affine and bias, dtype)

    def forward(self, x: Any) -> Any:
        """Return ``x`` normalised."""
        x = in_dtype(x, self.dtype)
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def title(self) -> str:
        """Return the layer with the lengths of its axes."""
        return f"LayerNorm({'×'.join(map(str, self.normalized_shape))})"


class RMSNorm(Normalization):
    """Root mean square 1 over the last axes of each example (Zhang and Sennrich, 2019).

    Args:
        normalized_shape: Length of the last axis, or lengths of the last axes.
        eps: Added to the mean square; by default the machine epsilon of the dtype.
        elementwise_affine: Whether a scale ``weight`` of that shape is learned.
        dtype: Floating dtype of the weight, to which inputs are converted.

    >>> RMSNorm(4)(np.array([[3.0, 4.0, 0.0, 0.0]])).numpy().round(3)
    array([[1.2, 1.6, 0. , 0. ]], dtype=float32)
    """

    @telling
    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        self._learn(self.normalized_shape, elementwise_affine, False, dtype)

    def forward(self, x: Any) -> Any:
        """Return ``x`` divided by its root mean square."""
        return rms_norm(in_dtype(x, self.dtype), self.normalized_shape, self.weight, self.eps)

    def title(self) -> str:
        """Return the layer with the lengths of its axes."""
        return f"RMSNorm({'×'.join(map(str, self.normalized_shape))})"


def _shape(lengths: int | Sequence[int]) -> Shape:
    return (lengths,) if isinstance(lengths, int) else tuple(lengths)
