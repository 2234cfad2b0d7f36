"""Words of the corpus: what a rule is, how its inputs are drawn, and mathematics that also runs in
``longdouble``, where NumPy has none.

Nothing here knows the checker. Every ``f`` and ``vjp`` is plain NumPy, free of its arguments'
precision, so that the same function in ``longdouble`` says what is true of it in ``float64``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray
Draw = Callable[[np.random.Generator], tuple[Array, ...]]
LONG = np.longdouble
PI = 4 * np.arctan(LONG(1))


@dataclass(frozen=True)
class Rule:
    """A function with its right gradient, a way to draw inputs, and ways people get it wrong.

    ``wrong`` holds gradients written wrongly by hand; ``exact`` is ``f`` for ``longdouble`` where
    ``f`` itself insists on a lower precision.
    """

    name: str
    f: Callable[..., Any]
    vjp: Callable[..., tuple[Array, ...]]
    draw: Draw
    wrong: dict[str, Callable[..., Any]] = field(default_factory=dict)
    exact: Callable[..., Any] | None = None
    exact_vjp: Callable[..., Any] | None = None


def is_long(*arrays: Array) -> bool:
    return any(np.asarray(array).dtype == LONG for array in arrays)


def fold(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum a cotangent over the axes along which its input was broadcast."""
    g = np.asarray(g)
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return g.sum(axis=axes, keepdims=True).reshape(shape)


# How inputs are drawn ---------------------------------------------------------------------------


def normal(*shapes: tuple[int, ...], scale: float = 1.0, shift: float = 0.0) -> Draw:
    return lambda rng: tuple(shift + scale * rng.normal(size=shape) for shape in shapes)


def uniform(*shapes: tuple[int, ...], low: float, high: float) -> Draw:
    return lambda rng: tuple(rng.uniform(low, high, size=shape) for shape in shapes)


def spread(*shapes: tuple[int, ...], low: float, high: float, signed: bool = False) -> Draw:
    """Magnitudes from ``10**low`` to ``10**high``, all in one array."""

    def draw(rng):
        sizes = [10.0 ** rng.uniform(low, high, size=shape) for shape in shapes]
        return tuple(a * (rng.choice([-1.0, 1.0], size=a.shape) if signed else 1) for a in sizes)

    return draw


def apart(*shapes: tuple[int, ...], gap: float = 0.1, scale: float = 1.0) -> Draw:
    """Distinct values, no two nearer than ``gap``, none nearer than half of it to zero."""

    def draw(rng):
        out = []
        for shape in shapes:
            n = math.prod(shape)
            steps = rng.permutation(n) - n // 2 + 0.5
            out.append(scale * (gap * 2 * steps + rng.uniform(-0.4, 0.4, n) * gap).reshape(shape))
        return tuple(out)

    return draw


def symmetric(n: int, *, definite: bool = True) -> Draw:
    """A symmetric matrix whose eigenvalues are well apart."""

    def draw(rng):
        q, _ = np.linalg.qr(rng.normal(size=(n, n)))
        values = np.arange(1, n + 1) - (0 if definite else n / 2 + 0.2) + rng.uniform(0, 0.3, n)
        return ((q * values) @ q.T,)

    return draw


def both(*draws: Draw) -> Draw:
    return lambda rng: tuple(array for draw in draws for array in draw(rng))


def of(*values: Any) -> Draw:
    return lambda rng: tuple(np.array(value, dtype=float) for value in values)


def cast(draw: Draw, dtype: Any) -> Draw:
    return lambda rng: tuple(array.astype(dtype) for array in draw(rng))


# Special functions and linear algebra that run in longdouble too --------------------------------


def erf(x: Array) -> Array:
    if not is_long(x):
        return np.vectorize(math.erf, otypes=[np.asarray(x).dtype])(x)
    total = term = np.asarray(x, LONG)
    for n in range(1, 200):
        term = term * 2 * x * x / (2 * n + 1)
        total = total + term
    return 2 / np.sqrt(PI) * np.exp(-x * x) * total


BERNOULLI = [(1, 6), (-1, 30), (1, 42), (-1, 30), (5, 66), (-691, 2730), (7, 6), (-3617, 510)]


def lgamma(x: Array) -> Array:
    if not is_long(x):
        return np.vectorize(math.lgamma, otypes=[np.asarray(x).dtype])(x)
    z = x + 25
    out = (z - LONG(0.5)) * np.log(z) - z + np.log(2 * PI) / 2
    for k, (p, q) in enumerate(BERNOULLI, 1):
        out = out + LONG(p) / q / (2 * k * (2 * k - 1)) / z ** (2 * k - 1)
    for shift in range(25):
        out = out - np.log(x + shift)
    return out


def digamma(x: Array) -> Array:
    z = x + 25
    out = np.log(z) - 1 / (2 * z)
    for k, (p, q) in enumerate(BERNOULLI, 1):
        out = out - LONG(p) / q / (2 * k) / z ** (2 * k)
    for shift in range(25):
        out = out - 1 / (x + shift)
    return out.astype(np.asarray(x).dtype)


def solve(a: Array, b: Array) -> Array:
    if not is_long(a, b):
        return np.linalg.solve(a, b if b.ndim > 1 else b[:, None]).reshape(b.shape)
    rows = np.concatenate([a.astype(LONG), b.reshape(len(a), -1).astype(LONG)], axis=1)
    eliminate(rows)
    return rows[:, len(a) :].reshape(b.shape)


def eliminate(rows: Array) -> LONG:
    """Reduce the square part on the left to the identity; returns its determinant."""
    det = LONG(1)
    for i in range(len(rows)):
        pivot = i + int(np.argmax(np.abs(rows[i:, i])))
        if pivot != i:
            rows[[i, pivot]] = rows[[pivot, i]]
            det = -det
        det = det * rows[i, i]
        rows[i] /= rows[i, i]
        for j in range(len(rows)):
            if j != i:
                rows[j] -= rows[j, i] * rows[i]
    return det


def inv(a: Array) -> Array:
    return solve(a, np.eye(len(a)))


def det(a: Array) -> Any:
    return eliminate(a.astype(LONG)) if is_long(a) else np.linalg.det(a)


def cholesky(a: Array) -> Array:
    if not is_long(a):
        return np.linalg.cholesky(a)
    low = np.zeros_like(a)
    for i in range(len(a)):
        for j in range(i + 1):
            rest = (a[i, j] + a[j, i]) / 2 - low[i, :j] @ low[j, :j]
            low[i, j] = np.sqrt(rest) if i == j else rest / low[j, j]
    return low


def eigh(a: Array) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric matrix."""
    if not is_long(a):
        return np.linalg.eigh(a)
    a, v = a.copy(), np.eye(len(a), dtype=LONG)
    for _ in range(14):
        for p in range(len(a)):
            for q in range(p + 1, len(a)):
                angle = np.arctan2(2 * a[p, q], a[q, q] - a[p, p]) / 2
                turn = np.eye(len(a), dtype=LONG)
                turn[p, p] = turn[q, q] = np.cos(angle)
                turn[p, q], turn[q, p] = np.sin(angle), -np.sin(angle)
                a, v = turn.T @ a @ turn, v @ turn
    order = np.argsort(np.diagonal(a))
    return np.diagonal(a)[order], v[:, order]


def windows(x: Array, k: int, stride: int = 1) -> Array:
    """Views of ``k`` by ``k`` patches over the last two axes."""
    out = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(-2, -1))
    return out[..., ::stride, ::stride, :, :]


def unwindows(g: Array, shape: tuple[int, ...], stride: int = 1) -> Array:
    """Add patches back where they came from."""
    out = np.zeros(shape, g.dtype)
    for i in range(g.shape[-4]):
        for j in range(g.shape[-3]):
            a, b = i * stride, j * stride
            out[..., a : a + g.shape[-2], b : b + g.shape[-1]] += g[..., i, j, :, :]
    return out
