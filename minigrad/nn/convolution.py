"""Convolution layers. Channels stand before spatial axes: ``(batch, channels, height, width)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from minigrad import functional, ops
from minigrad.arguments import telling
from minigrad.functional.convolution import Padding, borders
from minigrad.nn import init as initialisers
from minigrad.nn.init import Initialiser
from minigrad.nn.linear import in_dtype
from minigrad.nn.module import Module, Parameter
from minigrad.ops.window import Ints, each
from minigrad.primitive import Array

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

CONVOLVE: dict[int, Callable[..., Any]] = {
    1: functional.conv1d,
    2: functional.conv2d,
    3: functional.conv3d,
}
TRANSPOSED: dict[int, Callable[..., Any]] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}


MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # PyTorch's, in NumPy's


class Kernels(Module):
    """What convolutions and their transposes share: kernels, a bias, and how they are shown."""

    axes: ClassVar[int]
    bias: Parameter | None

    def _make(
        self,
        channels: tuple[int, int],
        kernel_size: Ints,
        groups: int,
        bias: bool,
        init: Initialiser | None,
        dtype: Any,
        rng: np.random.Generator | int | None,
    ) -> None:
        """Draw kernels ``(channels[0], channels[1] / groups, *kernel_size)``."""
        kind = type(self).__name__
        if min(channels) < 1 or groups < 1 or any(count % groups for count in channels):
            inside, outside = self.in_channels, self.out_channels
            raise ValueError(
                f"{kind}: {inside} → {outside} channels can't be parted into {groups} groups"
            )
        self.kernel_size = each(kernel_size, self.axes, f"{kind}: kernel_size", 1)
        shape = (channels[0], channels[1] // groups, *self.kernel_size)
        weight = initialisers.make(init or initialisers.kaiming_uniform(), shape, dtype, rng)
        self.weight = Parameter(weight, name="weight")
        zeros = np.zeros(self.out_channels, weight.dtype)
        self.bias = Parameter(zeros, name="bias") if bias else None

    in_channels: int
    out_channels: int

    def title(self) -> str:
        """Return the layer with its channels, its window, and what is not as usual."""
        parts = [f"{self.in_channels} → {self.out_channels}", "×".join(map(str, self.kernel_size))]
        for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1)):
            value = getattr(self, name)
            if value != usual:
                parts.append(f"{name} {value}")
        return f"{type(self).__name__}({', '.join(parts)})"


class Convolution(Kernels):
    """A convolution along ``axes`` spatial axes."""

    @telling
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Padding = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        *,
        init: Initialiser | None = None,
        dtype: Any = None,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.in_channels, self.out_channels = in_channels, out_channels
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.groups, self.padding_mode = groups, padding_mode
        if padding_mode != "zeros" and padding_mode not in MODES:
            said = ", ".join(map(repr, MODES))
            raise ValueError(f"{type(self).__name__}: {padding_mode=} is not 'zeros', {said}")
        self._make((out_channels, in_channels), kernel_size, groups, bias, init, dtype, rng)

    def forward(self, x: Any) -> Any:
        """Return the cross-correlation of ``x`` with the kernels, and the bias added."""
        x, padding = in_dtype(x, self.weight.dtype), self.padding
        if self.padding_mode != "zeros":
            x, padding = self._bordered(x), 0
        return CONVOLVE[self.axes](
            x,
            self.weight,
            self.bias,
            self.stride,
            padding,
            self.dilation,
            self.groups,
        )

    def _bordered(self, x: Array) -> Array:
        """``x`` with a border of its own elements along the spatial axes."""
        dilation = each(self.dilation, self.axes, f"{type(self).__name__}: dilation", 1)
        widths = borders(type(self).__name__, self.padding, self.kernel_size, self.stride, dilation)
        lead = ((0, 0),) * (len(x.shape) - self.axes)
        return ops.pad(x, lead + widths, mode=MODES[self.padding_mode])


class Transposed(Kernels):
    """The transpose of a convolution along ``axes`` spatial axes."""

    @telling
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        *,
        init: Initialiser | None = None,
        dtype: Any = None,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self.in_channels, self.out_channels = in_channels, out_channels
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.output_padding, self.groups = output_padding, groups
        self._make((in_channels, out_channels), kernel_size, groups, bias, init, dtype, rng)

    def forward(self, x: Any) -> Any:
        """Return the sum of a kernel for each element of ``x``, and the bias added."""
        return TRANSPOSED[self.axes](
            in_dtype(x, self.weight.dtype),
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )


class Conv1d(Convolution):
    """Convolution of ``(batch, in_channels, length)``; its arguments are those of Conv2d.

    >>> Conv1d(2, 3, 5)(np.ones((1, 2, 8))).shape
    (1, 3, 4)
    """

    axes = 1


class Conv2d(Convolution):
    """Convolution of images ``(batch, in_channels, height, width)``, or of one without the batch.

    Its ``weight`` has shape ``(out_channels, in_channels / groups, kernel height, kernel width)``,
    its ``bias``, which starts at 0, ``(out_channels,)``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the window, or one number for both.
        stride: How far the window moves, for both axes or each.
        padding: Border at both ends of each axis; ``"same"`` keeps the size, ``"valid"`` adds none.
        dilation: How far elements of the window are apart.
        groups: Into how many parts the channels fall, each with its own kernels.
        bias: Whether to add a bias.
        padding_mode: What the border is made of: ``"zeros"``, ``"reflect"`` for what lies behind
            the edge, ``"replicate"`` for the edge itself, ``"circular"`` for the other end.
        init: Initialiser of the weight; by default ``kaiming_uniform``.
        dtype: Floating dtype of the parameters, to which inputs are converted.
        rng: Where initial values are drawn from; by default the global stream.

    >>> layer = Conv2d(1, 8, 3, padding="same")
    >>> layer(np.ones((2, 1, 28, 28))).shape, layer.weight.shape
    ((2, 8, 28, 28), (8, 1, 3, 3))
    """

    axes = 2


class Conv3d(Convolution):
    """Convolution of ``(batch, in_channels, depth, height, width)``; arguments as for Conv2d.

    >>> Conv3d(1, 2, 3)(np.ones((1, 1, 4, 5, 6))).shape
    (1, 2, 2, 3, 4)
    """

    axes = 3


class ConvTranspose1d(Transposed):
    """Transposed convolution of ``(batch, in_channels, length)``; arguments as ConvTranspose2d's.

    >>> ConvTranspose1d(2, 3, 4, stride=2)(np.ones((1, 2, 5))).shape
    (1, 3, 12)
    """

    axes = 1


class ConvTranspose2d(Transposed):
    """Transpose of the convolution with the same arguments: enlarges images, and learns how.

    Its ``weight`` has shape ``(in_channels, out_channels / groups, kernel height, kernel width)``.
    The size of the output is ``(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 +
    output_padding``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the window, or one number for both.
        stride: How far apart the windows of neighbouring elements are.
        padding: What is cropped at both ends: as much as Conv2d would pad.
        output_padding: What is cropped less at the end, where several sizes have one convolution.
        groups: Into how many parts the channels fall, each with its own kernels.
        bias: Whether to add a bias, which starts at 0.
        dilation: How far elements of the window are apart.
        init: Initialiser of the weight; by default ``kaiming_uniform``.
        dtype: Floating dtype of the parameters, to which inputs are converted.
        rng: Where initial values are drawn from; by default the global stream.

    >>> ConvTranspose2d(8, 1, 2, stride=2)(np.ones((2, 8, 7, 7))).shape
    (2, 1, 14, 14)
    """

    axes = 2


class ConvTranspose3d(Transposed):
    """Transposed convolution of ``(batch, in_channels, depth, height, width)``.

    Its arguments are those of ConvTranspose2d.

    >>> ConvTranspose3d(1, 2, 2, stride=2)(np.ones((1, 1, 2, 2, 2))).shape
    (1, 2, 4, 4, 4)
    """

    axes = 3
