"""Noise that regularises while training."""

from __future__ import annotations

import numpy as np

from minigrad.errors import ShapeError
from minigrad.functional.activation import SELU_ALPHA, SELU_SCALE
from minigrad.functional.composition import as_operand, composite, floating
from minigrad.primitive import Array
from minigrad.random import generator

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]

Stream = np.random.Generator | int | None


@composite
def dropout(x: Array, p: float = 0.5, training: bool = True, rng: Stream = None) -> Array:
    """``x`` with each element zeroed with probability ``p``, the others divided by ``1 - p``.

    Args:
        x: Any shape.
        p: Probability of zero, ``0 <= p < 1``; 1 gives zeros.
        training: Whether to drop at all; without, ``x`` is returned as it is.
        rng: Where the draws come from; by default the global stream.

    >>> dropout(np.ones(4), p=0.5, rng=0)
    array([2., 0., 0., 0.])
    """
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout: p is a probability, not {p}")
    if not training or p == 0.0:
        return x
    x = as_operand(x)
    return _dropped(x, p, x.shape, rng)


def _dropped(x: Array, p: float, shape: tuple[int, ...], rng: Stream) -> Array:
    """``x`` with draws of a shape that broadcasts to it."""
    kept = generator(rng).random(shape) >= p
    scale = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return x * (kept * scale).astype(x.dtype if x.dtype.kind == "f" else float)


def _per_channel(name: str, x: Array, p: float, training: bool, rng: Stream, spatial: int) -> Array:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: p is a probability, not {p}")
    x = as_operand(x)
    if len(x.shape) - spatial not in (1, 2):
        wanted = ", ".join("LHWD"[1 : spatial + 1] if spatial > 1 else "L")
        raise ShapeError(f"{name}: x {x.shape} is neither (C, {wanted}) nor (N, C, {wanted})")
    if not training or p == 0.0:
        return x
    return _dropped(x, p, x.shape[:-spatial] + (1,) * spatial, rng)


@composite
def dropout1d(x: Array, p: float = 0.5, training: bool = True, rng: Stream = None) -> Array:
    """``dropout`` of whole channels of shape ``(N, C, L)`` or ``(C, L)``.

    Raises:
        ShapeError: If ``x`` has neither shape.

    >>> dropout1d(np.ones((2, 3)), p=0.5, rng=0)
    array([[2., 2., 2.],
           [0., 0., 0.]])
    """
    return _per_channel("dropout1d", x, p, training, rng, 1)


@composite
def dropout2d(x: Array, p: float = 0.5, training: bool = True, rng: Stream = None) -> Array:
    """``dropout`` of whole channels of shape ``(N, C, H, W)`` or ``(C, H, W)``.

    Raises:
        ShapeError: If ``x`` has neither shape.

    >>> dropout2d(np.ones((2, 2, 2)), p=0.5, rng=0).tolist()
    [[[2.0, 2.0], [2.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]]
    """
    return _per_channel("dropout2d", x, p, training, rng, 2)


@composite
def dropout3d(x: Array, p: float = 0.5, training: bool = True, rng: Stream = None) -> Array:
    """``dropout`` of whole channels of shape ``(N, C, D, H, W)`` or ``(C, D, H, W)``.

    Raises:
        ShapeError: If ``x`` has neither shape.

    >>> dropout3d(np.ones((2, 1, 1, 2)), p=0.5, rng=0).tolist()
    [[[[2.0, 2.0]]], [[[0.0, 0.0]]]]
    """
    return _per_channel("dropout3d", x, p, training, rng, 3)


def _alpha_dropped(
    name: str, x: Array, p: float, training: bool, rng: Stream, per_channel: bool
) -> Array:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: p is a probability, not {p}")
    if not training or p == 0.0:
        return x
    x = floating(x)
    shape = x.shape
    if per_channel:
        if len(shape) < 2:
            raise ShapeError(f"{name}: x {shape} has no channels (N, C, ...)")
        shape = shape[:2] + (1,) * (len(shape) - 2)
    # Klambauer et al. (2017): what selu tends to far on the left replaces what is dropped, and an
    # affine map gives mean 0 and variance 1 back.
    low = -SELU_ALPHA * SELU_SCALE
    scale = ((1.0 - p) * (1.0 + p * low * low)) ** -0.5 if p < 1.0 else 0.0
    kept = generator(rng).random(shape) >= p
    offset = (np.where(kept, 0.0, low) - p * low) * scale
    return x * (kept * scale).astype(x.dtype) + offset.astype(x.dtype)


@composite
def alpha_dropout(x: Array, p: float = 0.5, training: bool = False, rng: Stream = None) -> Array:
    """Dropout for ``selu``: mean 0 and variance 1 stay, since what is dropped is not zeroed.

    As in PyTorch, nothing is dropped unless ``training`` is true.

    >>> alpha_dropout(np.zeros(4), p=0.5, training=True, rng=0)
    array([ 0.77919393, -0.77919393, -0.77919393, -0.77919393])
    """
    return _alpha_dropped("alpha_dropout", x, p, training, rng, False)


@composite
def feature_alpha_dropout(
    x: Array, p: float = 0.5, training: bool = False, rng: Stream = None
) -> Array:
    """``alpha_dropout`` of whole channels of shape ``(N, C, ...)``.

    Raises:
        ShapeError: If ``x`` has no channels.

    >>> feature_alpha_dropout(np.zeros((1, 2, 2)), p=0.5, training=True, rng=0)
    array([[[ 0.77919393,  0.77919393],
            [-0.77919393, -0.77919393]]])
    """
    return _alpha_dropped("feature_alpha_dropout", x, p, training, rng, True)
