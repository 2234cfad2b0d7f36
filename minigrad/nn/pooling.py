"""Pooling layers. Channels stand before the spatial axes: ``(batch, channels, height, width)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from minigrad import functional
from minigrad.arguments import telling
from minigrad.functional.adaptive import Sizes
from minigrad.nn.module import Module
from minigrad.ops.window import Ints, each

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]

Pool = dict[int, Callable[..., Any]]
LARGEST: Pool = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
MEAN: Pool = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
REGIONS: dict[str, Pool] = {
    "mean": {
        1: functional.adaptive_avg_pool1d,
        2: functional.adaptive_avg_pool2d,
        3: functional.adaptive_avg_pool3d,
    },
    "largest": {
        1: functional.adaptive_max_pool1d,
        2: functional.adaptive_max_pool2d,
        3: functional.adaptive_max_pool3d,
    },
}


class Windows(Module):
    """What layers that pool windows share."""

    axes: ClassVar[int]

    def _place(self, kernel_size: Ints, stride: Ints | None, padding: Ints) -> None:
        kind = type(self).__name__
        self.kernel_size = each(kernel_size, self.axes, f"{kind}: kernel_size", 1)
        self.stride = self.kernel_size
        if stride is not None:
            self.stride = each(stride, self.axes, f"{kind}: stride", 1)
        self.padding = each(padding, self.axes, f"{kind}: padding", 0)

    def title(self) -> str:
        """Return the layer with its window, and what is not as usual."""
        parts = ["×".join(map(str, self.kernel_size))]
        if self.stride != self.kernel_size:
            parts.append(f"stride {'×'.join(map(str, self.stride))}")
        if any(self.padding):
            parts.append(f"padding {'×'.join(map(str, self.padding))}")
        return f"{type(self).__name__}({', '.join(parts)})"


class MaxPool(Windows):
    """The largest element of each window along ``axes`` spatial axes."""

    @telling
    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> None:
        self._place(kernel_size, stride, padding)
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: Any) -> Any:
        """Return the largest elements."""
        pool = LARGEST[self.axes]
        return pool(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool(Windows):
    """The mean of each window along ``axes`` spatial axes."""

    @telling
    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._place(kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Any) -> Any:
        """Return the means."""
        pool = MEAN[self.axes]
        return pool(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class Regions(Module):
    """As many regions of images as are wanted, along ``axes`` spatial axes."""

    axes: ClassVar[int]
    takes: ClassVar[str]

    @telling
    def __init__(self, output_size: Sizes) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        """Return one number for each region."""
        return REGIONS[self.takes][self.axes](x, self.output_size)

    def title(self) -> str:
        """Return the layer with the size of what it gives."""
        return f"{type(self).__name__}({self.output_size})"


class MaxPool1d(MaxPool):
    """Largest element of each window of ``(batch, channels, length)``; arguments as MaxPool2d's.

    >>> import numpy as np
    >>> MaxPool1d(2)(np.array([[[1.0, 3.0, 2.0, 0.0]]]))
    array([[[3., 2.]]])
    """

    axes = 1


class MaxPool2d(MaxPool):
    """Largest element of each window of images ``(batch, channels, height, width)``.

    Args:
        kernel_size: Height and width of a window, or one number for both.
        stride: How far a window is from the next one; by default as far as it is long.
        padding: Border of ``-inf`` around each image, at most half a window.
        dilation: How far elements of a window are apart.
        ceil_mode: Whether a last window may reach beyond the border.

    >>> import numpy as np
    >>> MaxPool2d(2)(np.ones((1, 8, 28, 28))).shape
    (1, 8, 14, 14)
    """

    axes = 2


class MaxPool3d(MaxPool):
    """Largest element of each window of ``(batch, channels, depth, height, width)``.

    Its arguments are those of MaxPool2d.

    >>> import numpy as np
    >>> MaxPool3d(2)(np.ones((1, 1, 4, 4, 6))).shape
    (1, 1, 2, 2, 3)
    """

    axes = 3


class AvgPool1d(AvgPool):
    """Mean of each window of ``(batch, channels, length)``; arguments as AvgPool2d's.

    >>> import numpy as np
    >>> AvgPool1d(2)(np.array([[[1.0, 3.0, 2.0, 0.0]]]))
    array([[[2., 1.]]])
    """

    axes = 1


class AvgPool2d(AvgPool):
    """Mean of each window of images ``(batch, channels, height, width)``.

    Args:
        kernel_size: Height and width of a window, or one number for both.
        stride: How far a window is from the next one; by default as far as it is long.
        padding: Border of zeros around each image, at most half a window.
        ceil_mode: Whether a last window may reach beyond the border.
        count_include_pad: Whether zeros of the border count as elements.

    >>> import numpy as np
    >>> AvgPool2d(2)(np.ones((1, 8, 28, 28))).shape
    (1, 8, 14, 14)
    """

    axes = 2


class AvgPool3d(AvgPool):
    """Mean of each window of ``(batch, channels, depth, height, width)``; arguments as AvgPool2d's.

    >>> import numpy as np
    >>> AvgPool3d(2)(np.ones((1, 1, 4, 4, 6))).shape
    (1, 1, 2, 2, 3)
    """

    axes = 3


class AdaptiveAvgPool1d(Regions):
    """Means of ``output_size`` regions of ``(batch, channels, length)``, whatever the length.

    >>> import numpy as np
    >>> AdaptiveAvgPool1d(2)(np.array([[[1.0, 3.0, 2.0, 0.0]]]))
    array([[[2., 1.]]])
    """

    axes, takes = 1, "mean"


class AdaptiveAvgPool2d(Regions):
    """Means of as many regions of images as the result shall have, whatever their size.

    Args:
        output_size: Height and width of the result, or one number for both; None keeps an axis.

    >>> import numpy as np
    >>> AdaptiveAvgPool2d(1)(np.ones((2, 16, 7, 7))).shape
    (2, 16, 1, 1)
    """

    axes, takes = 2, "mean"


class AdaptiveAvgPool3d(Regions):
    """Means of regions of ``(batch, channels, depth, height, width)``.

    >>> import numpy as np
    >>> AdaptiveAvgPool3d(1)(np.ones((2, 4, 3, 3, 3))).shape
    (2, 4, 1, 1, 1)
    """

    axes, takes = 3, "mean"


class AdaptiveMaxPool1d(Regions):
    """Largest elements of ``output_size`` regions of ``(batch, channels, length)``.

    >>> import numpy as np
    >>> AdaptiveMaxPool1d(2)(np.array([[[1.0, 3.0, 2.0, 0.0]]]))
    array([[[3., 2.]]])
    """

    axes, takes = 1, "largest"


class AdaptiveMaxPool2d(Regions):
    """Largest elements of as many regions of images as the result shall have.

    >>> import numpy as np
    >>> AdaptiveMaxPool2d((1, 2))(np.ones((2, 16, 7, 7))).shape
    (2, 16, 1, 2)
    """

    axes, takes = 2, "largest"


class AdaptiveMaxPool3d(Regions):
    """Largest elements of regions of ``(batch, channels, depth, height, width)``.

    >>> import numpy as np
    >>> AdaptiveMaxPool3d(1)(np.ones((2, 4, 3, 3, 3))).shape
    (2, 4, 1, 1, 1)
    """

    axes, takes = 3, "largest"
