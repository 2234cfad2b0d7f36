"""A second engine, as plain as can be, that the state machine compares the real one with.

It keeps everything, never frees anything, recurses, and differentiates each op in one line. Nothing
of it is shared with minigrad but NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any
Pull = Callable[[Array], Array]


class Value:
    """An array, and for each array it was made of the function that pulls a cotangent back."""

    def __init__(self, data: Array, parents: tuple[tuple[Value, Pull], ...] = ()) -> None:
        self.data = np.asarray(data, dtype=np.float64)
        self.parents = parents
        self.grad: Array = None
        self.retains = not parents
        self.paths: int = sum(parent.paths for parent, _ in parents) or 1


def fold(g: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting, one axis at a time."""
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, length in enumerate(shape):
        if length == 1 and g.shape[axis] != 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


def unary(data: Array, x: Value, pull: Pull) -> Value:
    return Value(data, ((x, pull),))


def binary(data: Array, a: Value, b: Value, to_a: Pull, to_b: Pull) -> Value:
    return Value(
        data,
        ((a, lambda g: fold(to_a(g), a.data.shape)), (b, lambda g: fold(to_b(g), b.data.shape))),
    )


UNARY: dict[str, Callable[[Value], Value]] = {
    "sin": lambda x: unary(np.sin(x.data), x, lambda g: g * np.cos(x.data)),
    "tanh": lambda x: unary(np.tanh(x.data), x, lambda g: g * (1 - np.tanh(x.data) ** 2)),
    "negative": lambda x: unary(-x.data, x, lambda g: -g),
    "square": lambda x: unary(x.data**2, x, lambda g: 2 * x.data * g),
    "sum": lambda x: unary(x.data.sum(), x, lambda g: np.full(x.data.shape, g)),
    "transpose": lambda x: unary(x.data.T, x, lambda g: g.T),
    "flip": lambda x: unary(np.flip(x.data), x, lambda g: np.flip(g)),
}
BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "add": lambda a, b: binary(a.data + b.data, a, b, lambda g: g, lambda g: g),
    "subtract": lambda a, b: binary(a.data - b.data, a, b, lambda g: g, lambda g: -g),
    "multiply": lambda a, b: binary(
        a.data * b.data, a, b, lambda g: g * b.data, lambda g: g * a.data
    ),
    "maximum": lambda a, b: binary(
        np.maximum(a.data, b.data),
        a,
        b,
        lambda g: g * np.heaviside(a.data - b.data, 0.5),
        lambda g: g * np.heaviside(b.data - a.data, 0.5),
    ),
}


def add_gradients(out: Value, g: Array) -> None:
    """Send a cotangent down every path to every leaf, each path by itself."""
    if out.retains:
        out.grad = g if out.grad is None else out.grad + g
    for parent, pull in out.parents:
        add_gradients(parent, pull(g))
