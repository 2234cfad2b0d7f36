"""Initial values of parameters. Each function returns an initialiser: ``(shape, rng) -> array``.

``fan_in`` is the number of inputs of a unit and ``fan_out`` the number of its outputs: for a weight
of shape ``(in_features, out_features)`` its rows and columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.errors import DTypeError
from minigrad.random import generator

__all__ = [
    "constant",
    "default_dtype",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "ones",
    "set_default_dtype",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Shape = tuple[int, ...]
Initialiser = Callable[[Shape, np.random.Generator], np.ndarray[Any, Any]]

_FLOAT32: np.dtype[Any] = np.dtype(np.float32)
_DTYPE: ContextVar[np.dtype[Any]] = ContextVar("dtype", default=_FLOAT32)


def set_default_dtype(dtype: Any) -> None:
    """Set the floating dtype that new parameters have, float32 at the start.

    >>> set_default_dtype(np.float64); default_dtype()
    dtype('float64')
    >>> set_default_dtype(np.float32)
    """
    chosen = np.dtype(dtype)
    if chosen.kind != "f":
        raise DTypeError(f"parameters are floating, so their dtype can't be {chosen}")
    _DTYPE.set(chosen)


def default_dtype() -> np.dtype[Any]:
    """Return the dtype that new parameters have.

    >>> default_dtype()
    dtype('float32')
    """
    return _DTYPE.get()


def make(
    init: Initialiser, shape: Shape, dtype: Any, rng: np.random.Generator | int | None
) -> np.ndarray[Any, Any]:
    """Draw initial values of one parameter, in its dtype."""
    values = np.asarray(init(shape, generator(rng)))
    if values.shape != shape:
        raise ValueError(f"the initialiser gave shape {values.shape} where {shape} was asked")
    return values.astype(default_dtype() if dtype is None else dtype)


def _fans(shape: Shape) -> tuple[int, int]:
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    window = math.prod(shape[2:])
    return shape[0] * window, shape[1] * window


def constant(value: float) -> Initialiser:
    """Every element is ``value``.

    >>> constant(0.5)((2,), np.random.default_rng(0))
    array([0.5, 0.5])
    """
    return lambda shape, rng: np.full(shape, float(value))


def zeros() -> Initialiser:
    """Every element is 0: right for a bias, fatal for the weight of a hidden layer.

    >>> zeros()((2,), np.random.default_rng(0))
    array([0., 0.])
    """
    return constant(0.0)


def ones() -> Initialiser:
    """Every element is 1.

    >>> ones()((2,), np.random.default_rng(0))
    array([1., 1.])
    """
    return constant(1.0)


def uniform(low: float = -0.1, high: float = 0.1) -> Initialiser:
    """Uniform between ``low`` and ``high``.

    >>> bool(np.abs(uniform(-0.1, 0.1)((9,), np.random.default_rng(0))).max() < 0.1)
    True
    """
    return lambda shape, rng: rng.uniform(low, high, shape)


def normal(std: float = 0.01, mean: float = 0.0) -> Initialiser:
    """Normal of standard deviation ``std``.

    >>> float(normal(2.0)((1000, 10), np.random.default_rng(0)).std().round(1))
    2.0
    """
    return lambda shape, rng: rng.normal(mean, std, shape)


def xavier_uniform(gain: float = 1.0) -> Initialiser:
    """Uniform of variance ``2 gain² / (fan_in + fan_out)``: keeps the size of signals both ways
    through sigmoid and tanh (Glorot and Bengio, 2010).

    >>> bool(np.abs(xavier_uniform()((3, 3), np.random.default_rng(0))).max() <= 1.0)
    True
    """

    def draw(shape: Shape, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        bound = gain * math.sqrt(6.0 / max(sum(_fans(shape)), 1))
        return rng.uniform(-bound, bound, shape)

    return draw


def xavier_normal(gain: float = 1.0) -> Initialiser:
    """Normal of variance ``2 gain² / (fan_in + fan_out)`` (Glorot and Bengio, 2010).

    >>> float(xavier_normal()((500, 500), np.random.default_rng(0)).var().round(4))
    0.002
    """
    return lambda shape, rng: rng.normal(
        0.0, gain * math.sqrt(2.0 / max(sum(_fans(shape)), 1)), shape
    )


def kaiming_uniform(gain: float = math.sqrt(2.0)) -> Initialiser:
    """Uniform of variance ``gain² / fan_in``: keeps the size of signals through relu
    (He et al., 2015).

    >>> float(kaiming_uniform()((500, 500), np.random.default_rng(0)).var().round(4))
    0.004
    """

    def draw(shape: Shape, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        bound = gain * math.sqrt(3.0 / max(_fans(shape)[0], 1))
        return rng.uniform(-bound, bound, shape)

    return draw


def kaiming_normal(gain: float = math.sqrt(2.0)) -> Initialiser:
    """Normal of variance ``gain² / fan_in`` (He et al., 2015).

    >>> float(kaiming_normal()((500, 500), np.random.default_rng(0)).var().round(4))
    0.004
    """
    return lambda shape, rng: rng.normal(0.0, gain / math.sqrt(max(_fans(shape)[0], 1)), shape)
