"""Initial values of parameters. Each function returns an initialiser: ``(shape, rng) -> array``.

``fan_in`` is the number of inputs of a unit and ``fan_out`` the number of its outputs: for a weight
of shape ``(in_features, out_features)`` its rows and columns. Kernels of convolutions have more
than two axes, ``(out_channels, in_channels, *window)``; there both count the window, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from minigrad import ops
from minigrad.errors import DTypeError
from minigrad.names import WITHIN
from minigrad.random import generator

__all__ = [
    "constant",
    "default_dtype",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "ones",
    "orthogonal",
    "set_default_dtype",
    "truncated_normal",
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


def _fans(shape: Shape) -> tuple[int, ...]:
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return shape[0], shape[0]
    if len(shape) == 2:
        return shape
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


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


def truncated_normal(
    std: float = 0.02, mean: float = 0.0, low: float = -2.0, high: float = 2.0
) -> Initialiser:
    """Normal, of what lies between ``low`` and ``high``; these are values, not multiples of std.

    >>> values = truncated_normal(1.0, low=-0.5, high=2.0)((1000,), np.random.default_rng(0))
    >>> bool(values.min() >= -0.5), bool(values.max() <= 2.0), bool(values.mean() > 0.3)
    (True, True, True)
    """
    if not low < high or not std > 0.0:
        raise ValueError(f"truncated_normal needs low < high and std > 0: {low}, {high}, {std}")

    def draw(shape: Shape, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        bounds = (np.array([low, high]) - mean) / (std * math.sqrt(2.0))
        flip = -1.0 if bounds[0] > 0.0 else 1.0  # digits are left where erf is not close to 1
        first, last = (math.erf(bound) for bound in sorted(flip * bounds))
        if first == last:
            raise ValueError(f"truncated_normal: nothing of the normal is in {low} .. {high}")
        values = flip * ops.erfinv(rng.uniform(first, last, shape)) * math.sqrt(2.0)
        return np.clip(np.asarray(values) * std + mean, low, high)

    return draw


def orthogonal(gain: float = 1.0) -> Initialiser:
    """Orthogonal rows or columns of length ``gain``, whichever are fewer (Saxe et al., 2014).

    Axes after the first are taken as one. A square weight keeps the length of every vector.

    >>> weight = orthogonal()((3, 2), np.random.default_rng(0))
    >>> np.allclose(weight.T @ weight, np.eye(2))
    True
    """

    def draw(shape: Shape, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        if len(shape) < 2:
            raise ValueError(f"orthogonal needs rows and columns, not {shape}")
        rows, columns = shape[0], math.prod(shape[1:])
        tall = rng.normal(size=(max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q = q * np.where(np.diag(r) < 0.0, -1.0, 1.0)  # so that all such matrices are as likely
        return gain * (q if rows >= columns else q.T).reshape(shape)

    return draw


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


def kaiming_uniform(
    gain: float = math.sqrt(2.0), mode: Literal["fan_in", "fan_out"] = "fan_in"
) -> Initialiser:
    """Uniform of variance ``gain² / fan_in``: keeps the size of signals through relu
    (He et al., 2015). With ``mode="fan_out"`` it keeps that of the gradients on their way back.

    >>> float(kaiming_uniform()((500, 500), np.random.default_rng(0)).var().round(4))
    0.004
    """

    def draw(shape: Shape, rng: np.random.Generator) -> np.ndarray[Any, Any]:
        bound = gain * math.sqrt(3.0 / max(_fans(shape)[which], 1))
        return rng.uniform(-bound, bound, shape)

    which = _which(mode)
    return draw


def kaiming_normal(
    gain: float = math.sqrt(2.0), mode: Literal["fan_in", "fan_out"] = "fan_in"
) -> Initialiser:
    """Normal of variance ``gain² / fan_in``, or ``gain² / fan_out`` (He et al., 2015).

    >>> float(kaiming_normal()((500, 500), np.random.default_rng(0)).var().round(4))
    0.004
    """
    which = _which(mode)
    return lambda shape, rng: rng.normal(0.0, gain / math.sqrt(max(_fans(shape)[which], 1)), shape)


def _which(mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    return 0 if mode == "fan_in" else 1


_ELSEWHERE = {
    "trunc_normal": "truncated_normal",
    "glorot_normal": "xavier_normal",
    "glorot_uniform": "xavier_uniform",
    "he_normal": "kaiming_normal",
    "he_uniform": "kaiming_uniform",
}

if not TYPE_CHECKING:  # a type checker is to say itself that a name is unknown

    def __getattr__(name: str) -> object:
        """Say what an initialiser that does not exist is called here; runs on failure only."""
        plain = _ELSEWHERE.get(name.strip("_"), name.strip("_"))
        told = WITHIN.get(f"init.{plain}_") or WITHIN.get(f"init.{plain}")
        hint = f": {told}" if told and name[:1] != "_" else ""
        if (name.endswith("_") or name in _ELSEWHERE) and plain in __all__:
            hint = f": a layer is made with it: nn.Linear(2, 3, init=nn.init.{plain}(...))"
        raise AttributeError(f"minigrad.nn.init has no {name!r}{hint}", name=name)
