"""Activations: functions of one element that bend what a linear layer gives.

Where a function has a kink the docstring says which slope counts there; it is PyTorch's.
"""

from __future__ import annotations

import math
from typing import Literal

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.composition import composite, floating, in_dtype
from minigrad.primitive import Array

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "mish",
    "prelu",
    "relu6",
    "selu",
    "silu",
    "softshrink",
    "softsign",
    "tanhshrink",
    "threshold",
]

# Klambauer et al., Self-Normalizing Neural Networks (2017), with all the digits of float64.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@composite
def gelu(x: Array, approximate: Literal["none", "tanh"] = "none") -> Array:
    """Gaussian error linear unit ``x * Φ(x)``, where ``Φ`` is the normal distribution function.

    ``approximate="tanh"`` computes ``x / 2 * (1 + tanh(√(2/π) * (x + 0.044715 * x**3)))``, the form
    of GPT-2 and BERT (Hendrycks and Gimpel, 2016).

    >>> import numpy as np
    >>> gelu(np.array([-1.0, 0.0, 1.0]))
    array([-0.15865525,  0.        ,  0.84134475])
    """
    x = floating(x)
    if approximate == "none":
        # 1 + erf(x) would lose all digits of the left tail, where it is close to 0.
        return x * 0.5 * ops.erfc(x * -math.sqrt(0.5))
    if approximate == "tanh":
        # 1 + tanh(u) is 2 * sigmoid(2 * u), which has an exact left tail.
        slope = 2.0 * math.sqrt(2.0 / math.pi)
        return x * ops.sigmoid(x * (ops.square(x) * (slope * 0.044715) + slope))
    raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")


@composite
def silu(x: Array) -> Array:
    """Sigmoid linear unit ``x * sigmoid(x)``, also known as swish.

    >>> import numpy as np
    >>> silu(np.array([-1e4, 0.0, 1e4]))
    array([   -0.,     0., 10000.])
    """
    x = floating(x)
    return x * ops.sigmoid(x)


@composite
def mish(x: Array) -> Array:
    """``x * tanh(softplus(x))`` (Misra, 2019).

    >>> import numpy as np
    >>> mish(np.array([0.0, 1.0]))
    array([0.        , 0.86509839])
    """
    x = floating(x)
    return x * ops.tanh(ops.softplus(x))


@composite
def elu(x: Array, alpha: float = 1.0) -> Array:
    """Exponential linear unit: ``x`` where it is positive, else ``alpha * (exp(x) - 1)``.

    At 0 the slope from the left counts, which is ``alpha``.

    >>> import numpy as np
    >>> elu(np.array([-1e4, 0.0, 2.0]))
    array([-1.,  0.,  2.])
    """
    return _elu(floating(x), alpha, 1.0)


@composite
def selu(x: Array) -> Array:
    """Scaled exponential linear unit, which keeps mean 0 and variance 1 through deep networks.

    ``1.0507 * elu(x, 1.6733)`` (Klambauer et al., 2017); at 0 the slope from the left counts.

    >>> import numpy as np
    >>> selu(np.array([-1e4, 0.0, 1.0]))
    array([-1.75809934,  0.        ,  1.05070099])
    """
    return _elu(floating(x), SELU_ALPHA, 1.0) * SELU_SCALE


@composite
def celu(x: Array, alpha: float = 1.0) -> Array:
    """Continuously differentiable ELU: ``x`` where positive, else ``alpha * (exp(x / alpha) - 1)``.

    >>> import numpy as np
    >>> celu(np.array([-1e4, 0.0, 1.0]), alpha=2.0)
    array([-2.,  0.,  1.])
    """
    return _elu(floating(x), alpha, 1.0 / alpha)


def _below(x: Array) -> Array:
    """``x`` where it is not positive, else 0; at 0 its slope is 1, and that of ``relu`` is 0."""
    return ops.where(ops.greater(x, 0), 0.0, x)


def _elu(x: Array, alpha: float, rate: float) -> Array:
    below = _below(x)
    return ops.relu(x) + ops.expm1(below if rate == 1.0 else below * rate) * alpha


@composite
def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """``x`` where it is positive, else ``negative_slope * x``; that slope counts at 0, too.

    >>> import numpy as np
    >>> leaky_relu(np.array([-1.0, 0.0, 2.0]), 0.1)
    array([-0.1,  0. ,  2. ])
    """
    x = floating(x)
    return ops.relu(x) + _below(x) * negative_slope


@composite
def prelu(x: Array, weight: Array) -> Array:
    """``x`` where it is positive, else ``weight * x`` with a learned slope, which counts at 0.

    Args:
        x: Of shape ``(N, C, ...)``, or any shape for a single weight.
        weight: One slope, or one for each channel: shape ``()``, ``(1,)`` or ``(C,)``.

    Raises:
        ShapeError: If there are neither one weight nor as many as channels.

    >>> import numpy as np
    >>> prelu(np.array([[-1.0, -1.0]]), np.array([0.1, 0.2]))
    array([[-0.1, -0.2]])
    """
    x = floating(x)
    weight = in_dtype(weight, x.dtype)
    if weight.shape not in ((), (1,)):
        if len(x.shape) < 2 or weight.shape != x.shape[1:2]:
            raise ShapeError(
                f"prelu: weight {weight.shape} for x {x.shape}: pass one weight, or one for each "
                "channel, which is axis 1"
            )
        weight = ops.reshape(weight, (-1,) + (1,) * (len(x.shape) - 2))
    elif weight.shape == (1,) and not x.shape:
        weight = ops.reshape(weight, ())
    return ops.relu(x) + _below(x) * weight


def _limited(x: Array, low: float, high: float) -> Array:
    """``x`` between two bounds, with slope 0 on them; NaN stays NaN."""
    outside = ops.logical_or(ops.less_equal(x, low), ops.greater_equal(x, high))
    return ops.where(outside, ops.stop_gradient(ops.clip(x, low, high)), x)


@composite
def hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """``x`` limited to ``[min_val, max_val]``; its slope on a bound is 0, that of ``clip`` is 1.

    >>> import numpy as np
    >>> hardtanh(np.array([-2.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    return _limited(floating(x), min_val, max_val)


@composite
def relu6(x: Array) -> Array:
    """``x`` limited to ``[0, 6]``; its slope is 0 at 0 and at 6.

    >>> import numpy as np
    >>> relu6(np.array([-1.0, 3.0, 8.0]))
    array([0., 3., 6.])
    """
    return _limited(floating(x), 0.0, 6.0)


@composite
def hardsigmoid(x: Array) -> Array:
    """Piecewise linear sigmoid: ``x / 6 + 1 / 2`` limited to ``[0, 1]``, with slope 0 at ±3.

    >>> import numpy as np
    >>> hardsigmoid(np.array([-4.0, 0.0, 1.5, 4.0]))
    array([0.  , 0.5 , 0.75, 1.  ])
    """
    return (_limited(floating(x), -3.0, 3.0) + 3.0) / 6.0


@composite
def hardswish(x: Array) -> Array:
    """``x * hardsigmoid(x)``; its slope is 0 at -3, and 1 at 3.

    >>> import numpy as np
    >>> hardswish(np.array([-4.0, 0.0, 1.5, 4.0]))
    array([-0.   ,  0.   ,  1.125,  4.   ])
    """
    x = floating(x)
    return x * ((_limited(x, -3.0, 3.0) + 3.0) / 6.0)


@composite
def softsign(x: Array) -> Array:
    """``x / (1 + |x|)``: a sigmoid that approaches its bounds as slowly as a hyperbola.

    >>> import numpy as np
    >>> softsign(np.array([-1.0, 0.0, 3.0]))
    array([-0.5 ,  0.  ,  0.75])
    """
    x = floating(x)
    return x / (ops.absolute(x) + 1.0)


@composite
def tanhshrink(x: Array) -> Array:
    """``x - tanh(x)``.

    >>> import numpy as np
    >>> tanhshrink(np.array([0.0, 1e4]))
    array([   0., 9999.])
    """
    x = floating(x)
    return x - ops.tanh(x)


@composite
def softshrink(x: Array, lambd: float = 0.5) -> Array:
    """``x`` moved towards 0 by ``lambd``, and 0 where it is closer; its slope at the kink is 0.

    >>> import numpy as np
    >>> softshrink(np.array([-2.0, 0.3, 2.0]))
    array([-1.5,  0. ,  1.5])
    """
    if not lambd >= 0:
        raise ValueError(f"softshrink: lambd is not negative, but {lambd}")
    x = floating(x)
    return x - ops.clip(x, -lambd, lambd)


@composite
def hardshrink(x: Array, lambd: float = 0.5) -> Array:
    """``x`` where ``|x| > lambd``, else 0; its slope where it jumps is 0.

    >>> import numpy as np
    >>> hardshrink(np.array([-2.0, 0.3, 2.0]))
    array([-2.,  0.,  2.])
    """
    x = floating(x)
    return ops.where(ops.less_equal(ops.absolute(x), lambd), 0.0, x)


@composite
def threshold(x: Array, threshold: float, value: float) -> Array:
    """``x`` where it is larger than ``threshold``, else ``value``; there its slope is 0.

    >>> import numpy as np
    >>> threshold(np.array([-2.0, 0.3, 2.0]), 0.3, -1.0)
    array([-1., -1.,  2.])
    """
    x = floating(x)
    return ops.where(ops.less_equal(x, threshold), value, x)


@composite
def glu(x: Array, axis: int = -1) -> Array:
    """Gated linear unit ``a * sigmoid(b)`` of the two halves ``a`` and ``b`` of ``x`` along axis.

    Raises:
        ShapeError: If the axis has an odd length and so no halves.

    >>> import numpy as np
    >>> glu(np.array([1.0, 2.0, 0.0, 1e4]))
    array([0.5, 2. ])
    """
    x = floating(x)
    length = x.shape[axis] if x.shape else 1
    if length % 2:
        raise ShapeError(f"glu: x {x.shape} has no halves along axis {axis}, whose length is odd")
    before = (slice(None),) * (axis % len(x.shape))
    half = length // 2
    return x[(*before, slice(None, half))] * ops.sigmoid(x[(*before, slice(half, None))])
