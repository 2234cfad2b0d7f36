"""The arithmetic of the optimisers: pure functions from ``(p, g, state)`` to ``(p, state)``.

Each takes a parameter's array, its gradient and the arrays the optimiser remembers, and returns new
arrays. Learning rate, step count and the rest are arguments, never constants, and everything is
plain NumPy, so that an update can be traced and compiled like the rest of a step. The formulas are
those of the papers named, with PyTorch's conventions where the papers leave a choice.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.primitive import Array

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "amsgrad",
    "lbfgs_direction",
    "lion",
    "nadam",
    "rmsprop",
    "sgd",
    "sgd_momentum",
]


_subtract, _ndarray = np.subtract, np.ndarray


def decayed(p: Array, g: Array, weight_decay: float) -> Array:
    """Add the gradient of an L2 penalty ``weight_decay / 2 * p ** 2``."""
    return g + weight_decay * p if weight_decay else g


def shrunk(p: Array, learning_rate: float, weight_decay: float) -> Array:
    """Decay of the parameter itself, apart from its gradient (Loshchilov and Hutter, 2019).

    >>> shrunk(np.array([1.0]), 0.5, 0.2)
    array([0.9])
    """
    return p * (1.0 - learning_rate * weight_decay)


def sgd(p: Array, g: Array, *, learning_rate: float) -> Array:
    """Gradient descent ``p - learning_rate * g``.

    >>> sgd(np.array([1.0]), np.array([2.0]), learning_rate=0.1)
    array([0.8])
    """
    step = learning_rate * g
    return _subtract(p, step, step) if step.__class__ is _ndarray else p - step


def sgd_momentum(
    p: Array,
    g: Array,
    velocity: Array | None,
    *,
    learning_rate: float,
    momentum: float,
    dampening: float = 0.0,
    nesterov: bool = False,
) -> tuple[Array, Array]:
    """Gradient descent with momentum ``v = momentum * v + g`` (Polyak 1964, Nesterov 1983).

    Dampening takes that share from every gradient but the first.

    >>> sgd_momentum(np.array([1.0]), np.array([2.0]), None, learning_rate=0.1, momentum=0.9)
    (array([0.8]), array([2.]))
    """
    if velocity is None:
        velocity = +g  # an array of its own
    else:
        velocity = momentum * velocity + ((1.0 - dampening) * g if dampening else g)
    direction = g + momentum * velocity if nesterov else velocity
    return p - learning_rate * direction, velocity


def adam(
    p: Array,
    g: Array,
    m: Array | None,
    v: Array | None,
    *,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Adam with bias correction (Kingma and Ba, 2015); ``step`` counts from 1.

    >>> adam(np.array([1.0]), np.array([2.0]), None, None, step=1, learning_rate=0.1, beta1=0.9,
    ...      beta2=0.999, eps=1e-8)[0]
    array([0.9])
    """
    m, v = _means(g, m, v, beta1, beta2)
    return _adam_step(p, m, v, step, learning_rate, beta1, beta2, eps), m, v


def amsgrad(
    p: Array,
    g: Array,
    m: Array | None,
    v: Array | None,
    top: Array | None,
    *,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> tuple[Array, Array, Array, Array]:
    """Adam whose steps are divided by the largest mean of squares so far (Reddi et al., 2018).

    >>> amsgrad(np.array([1.0]), np.array([2.0]), None, None, None, step=1, learning_rate=0.1,
    ...         beta1=0.9, beta2=0.999, eps=1e-8)[0]
    array([0.9])
    """
    m, v = _means(g, m, v, beta1, beta2)
    top = +v if top is None else np.maximum(top, v)
    return _adam_step(p, m, top, step, learning_rate, beta1, beta2, eps), m, v, top


def _means(
    g: Array, m: Array | None, v: Array | None, beta1: float, beta2: float
) -> tuple[Array, Array]:
    """Running means of gradients and of their squares, which start at 0."""
    m = (1.0 - beta1) * g if m is None else beta1 * m + (1.0 - beta1) * g
    v = (1.0 - beta2) * (g * g) if v is None else beta2 * v + (1.0 - beta2) * (g * g)
    return m, v


def _adam_step(
    p: Array,
    m: Array,
    v: Array,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> Array:
    size = learning_rate / (1.0 - beta1**step)
    scale = np.sqrt(v) / math.sqrt(1.0 - beta2**step) + eps
    return p - size * (m / scale)


def rmsprop(
    p: Array,
    g: Array,
    v: Array | None,
    mean: Array | None = None,
    velocity: Array | None = None,
    *,
    learning_rate: float,
    alpha: float,
    eps: float,
    momentum: float = 0.0,
    centered: bool = False,
) -> tuple[Array, Array, Array | None, Array | None]:
    """RMSprop: steps divided by a running root mean square (Hinton, Coursera lecture 6e, 2012).

    With ``centered`` the divisor is the standard deviation (Graves, 2013).

    >>> rmsprop(np.array([1.0]), np.array([2.0]), None, learning_rate=0.1, alpha=0.75, eps=0.0)[0]
    array([0.8])
    """
    v = (1.0 - alpha) * (g * g) if v is None else alpha * v + (1.0 - alpha) * (g * g)
    spread = v
    if centered:
        mean = (1.0 - alpha) * g if mean is None else alpha * mean + (1.0 - alpha) * g
        spread = np.maximum(v - mean * mean, 0.0)  # rounding takes more than there is
    direction = g / (np.sqrt(spread) + eps)
    if not momentum:
        return p - learning_rate * direction, v, mean, velocity
    p, velocity = sgd_momentum(
        p, direction, velocity, learning_rate=learning_rate, momentum=momentum
    )
    return p, v, mean, velocity


def adagrad(
    p: Array, g: Array, total: Array | None, *, learning_rate: float, eps: float
) -> tuple[Array, Array]:
    """Adagrad: steps divided by the root of all squared gradients so far (Duchi et al., 2011).

    >>> adagrad(np.array([1.0]), np.array([2.0]), None, learning_rate=0.1, eps=0.0)
    (array([0.9]), array([4.]))
    """
    total = g * g if total is None else total + g * g
    return p - learning_rate * (g / (np.sqrt(total) + eps)), total


def adadelta(
    p: Array,
    g: Array,
    v: Array | None,
    u: Array | None,
    *,
    learning_rate: float,
    rho: float,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Adadelta: steps as large as steps have been, relative to the gradient (Zeiler, 2012).

    >>> p, v, u = adadelta(np.array([1.0]), np.array([2.0]), None, None, learning_rate=1.0, rho=0.9,
    ...                    eps=1e-6)
    >>> v
    array([0.4])
    """
    v = (1.0 - rho) * (g * g) if v is None else rho * v + (1.0 - rho) * (g * g)
    u = np.zeros_like(v) if u is None else u
    delta = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    return p - learning_rate * delta, v, rho * u + (1.0 - rho) * (delta * delta)


def adamax(
    p: Array,
    g: Array,
    m: Array | None,
    top: Array | None,
    *,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> tuple[Array, Array, Array]:
    """Adam with the largest gradient in place of the root mean square (Kingma and Ba, 2015).

    >>> adamax(np.array([1.0]), np.array([2.0]), None, None, step=1, learning_rate=0.1, beta1=0.9,
    ...        beta2=0.999, eps=0.0)[0]
    array([0.9])
    """
    m = (1.0 - beta1) * g if m is None else beta1 * m + (1.0 - beta1) * g
    size = np.absolute(g) + eps
    top = size if top is None else np.maximum(beta2 * top, size)
    return p - learning_rate / (1.0 - beta1**step) * (m / top), m, top


def nadam(
    p: Array,
    g: Array,
    m: Array | None,
    v: Array | None,
    mu_product: float,
    *,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    eps: float,
    momentum_decay: float,
) -> tuple[Array, Array, Array, float]:
    """Adam that looks ahead along its momentum, which grows at the start (Dozat, 2016).

    ``mu_product`` is the product of the momenta so far, 1 at the start.

    >>> nadam(np.array([1.0]), np.array([2.0]), None, None, 1.0, step=1, learning_rate=0.1,
    ...       beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=0.004)[0]
    array([0.89435482])
    """
    mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * momentum_decay))
    ahead = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * momentum_decay))
    mu_product = mu_product * mu
    m, v = _means(g, m, v, beta1, beta2)
    scale = np.sqrt(v) / math.sqrt(1.0 - beta2**step) + eps
    now, then = (1.0 - mu) / (1.0 - mu_product), ahead / (1.0 - mu_product * ahead)
    return p - learning_rate * ((now * g + then * m) / scale), m, v, mu_product


def lion(
    p: Array,
    g: Array,
    m: Array | None,
    *,
    learning_rate: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
) -> tuple[Array, Array]:
    """Lion: the sign of a mean of gradients, steps of one size (Chen et al., 2023).

    >>> lion(np.array([1.0]), np.array([2.0]), None, learning_rate=0.1, beta1=0.9, beta2=0.99,
    ...      weight_decay=0.0)[0]
    array([0.9])
    """
    m = np.zeros_like(g) if m is None else m
    sign = np.sign(beta1 * m + (1.0 - beta1) * g)
    p = shrunk(p, learning_rate, weight_decay)
    return p - learning_rate * sign, beta2 * m + (1.0 - beta2) * g


def lbfgs_direction(g: Array, changes: Array, steps: Array) -> Array:
    """Newton's direction by the last changes of the gradient and the steps that made them.

    The two loops of L-BFGS (Nocedal, 1980): ``-H @ g`` for the approximation ``H`` of the inverse
    Hessian that maps every change to its step; without any it is ``-g``.

    Args:
        g: The gradient, of shape ``(n,)``.
        changes: Differences of gradients, of shape ``(k, n)``, the oldest first.
        steps: The steps between them, of shape ``(k, n)``.

    >>> hessian = np.array([2.0, 4.0])
    >>> steps = np.eye(2)
    >>> lbfgs_direction(np.array([2.0, 4.0]), steps * hessian, steps)
    array([-1., -1.])
    """
    d = -g
    kept = []
    for y, s in zip(reversed(changes), reversed(steps), strict=True):
        share = np.dot(s, d) / np.dot(y, s)
        d = d - share * y
        kept.append(share)
    if len(changes):
        y = changes[-1]
        d = d * (np.dot(y, steps[-1]) / np.dot(y, y))
    for y, s, share in zip(changes, steps, reversed(kept), strict=True):
        d = d + s * (share - np.dot(y, d) / np.dot(y, s))
    return d
