"""Functions as people write them for NumPy: nothing in this file knows of minigrad.

Each stands with arrays to call it on, chosen away from kinks and well conditioned. The tests call
them on arrays and on Tensors and compare values and gradients.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Program(NamedTuple):
    """A function and the arrays that it is called on."""

    function: Callable[..., Any]
    inputs: tuple[Any, ...]


PROGRAMS: dict[str, Program] = {}


def on(*inputs: Any) -> Any:
    """Register a function with the arrays to call it on."""

    def register(function: Any) -> Any:
        PROGRAMS[function.__name__] = Program(function, inputs)
        return function

    return register


def drawn(*shape: int, seed: int = 0, low: float = 0.2, high: float = 1.8) -> Any:
    return np.random.default_rng(seed).uniform(low, high, shape)


def definite(n: int, seed: int = 0) -> Any:
    """A symmetric matrix with eigenvalues well above 0 and apart from each other."""
    a = np.random.default_rng(seed).normal(size=(n, n)) / 3
    return a @ a.T + np.diag(np.arange(1.0, n + 1.0))


# Statistics


@on(drawn(7, 3))
def standardise(x):
    return (x - np.mean(x, axis=0)) / np.std(x, axis=0, ddof=1)


@on(drawn(9))
def skewness_and_kurtosis(x):
    centred = x - x.mean()
    variance = np.mean(centred**2)
    return np.stack([np.mean(centred**3) / variance**1.5, np.mean(centred**4) / variance**2 - 3])


@on(drawn(6, 2), drawn(6, 2, seed=1))
def welch_t(a, b):
    error = np.sqrt(np.var(a, axis=0, ddof=1) / len(a) + np.var(b, axis=0, ddof=1) / len(b))
    return (np.mean(a, axis=0) - np.mean(b, axis=0)) / error


@on(drawn(6, 3, seed=4))
def correlation(x):
    centred = x - x.mean(axis=0, keepdims=True)
    scale = np.sqrt(np.sum(np.square(centred), axis=0))
    return centred.T @ centred / np.outer(scale, scale)


@on(drawn(9))
def gini(x):
    ordered = np.sort(x)
    n = len(x)
    ranks = np.arange(1, n + 1)
    return (2.0 * np.sum(ranks * ordered) / (n * np.sum(ordered))) - (n + 1.0) / n


@on(drawn(11))
def interquartile_range(x):
    ordered = np.sort(x)
    position = np.array([0.25, 0.75]) * (x.size - 1)
    below = np.floor(position).astype(int)
    share = position - below
    quartiles = ordered[below] * (1 - share) + ordered[below + 1] * share
    return quartiles[1] - quartiles[0]


@on(drawn(5))
def entropy(weights):
    p = weights / weights.sum()
    return -np.sum(p * np.log(p))


@on(drawn(6), drawn(6, seed=1))
def ranked_probability_score(forecast, outcome):
    p = forecast / forecast.sum()
    q = outcome / outcome.sum()
    return np.sum((np.cumsum(p) - np.cumsum(q)) ** 2)


@on(drawn(6), drawn(6, seed=1))
def weighted_moments(x, w):
    mean = np.average(x, weights=w)
    return np.stack([mean, np.average((x - mean) ** 2, weights=w)])


@on(drawn(9), drawn(9, seed=3))
def huber_regression_loss(residuals, scale):
    small = np.abs(residuals) <= 1.0
    loss = np.where(small, 0.5 * residuals**2, np.abs(residuals) - 0.5)
    return np.sum(loss * scale) / np.sum(scale)


@on(drawn(10))
def autocovariance(x):
    centred = x - np.mean(x)
    n = len(x)
    return np.stack([np.dot(centred[: n - lag], centred[lag:]) / n for lag in range(4)])


# Kernels, distances, clusters


@on(drawn(4, 2), drawn(3, 2, seed=1), np.array(0.7))
def squared_exponential_kernel(x, y, length):
    squared = np.sum((x[:, np.newaxis, :] - y[np.newaxis, :, :]) ** 2, axis=-1)
    return np.exp(-0.5 * squared / length**2)


@on(drawn(4, 2), drawn(3, 2, seed=1), np.array(0.7))
def matern_kernel(x, y, length):
    distance = np.sqrt(np.sum((x[:, None] - y[None]) ** 2, axis=-1))
    scaled = np.sqrt(3.0) * distance / length
    return (1.0 + scaled) * np.exp(-scaled)


@on(drawn(6, 2), drawn(3, 2, seed=2))
def k_means_distortion(points, centres):
    distances = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    nearest = np.argmin(distances, axis=1)
    return np.mean(distances[np.arange(len(points)), nearest])


@on(drawn(4, 3), drawn(5, 3, seed=1))
def cosine_similarities(a, b):
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return np.matmul(a, b.T)


@on(drawn(5, 3), drawn(3, 3, seed=1))
def mahalanobis(x, root):
    precision = np.dot(root.T, root) + np.eye(3)
    centred = x - x.mean(0)
    return np.sqrt(np.einsum("ni,ij,nj->n", centred, precision, centred))


@on(drawn(6, 2))
def maximum_mean_discrepancy(x):
    a, b = np.split(x, 2)

    def kernel(u, v):
        return np.exp(-((u[:, None] - v[None]) ** 2).sum(-1)).mean()

    return kernel(a, a) + kernel(b, b) - 2 * kernel(a, b)


# Models


@on(drawn(5, 3), drawn(3, 4, seed=1), drawn(4, seed=2))
def softmax_regression(x, w, b):
    labels = np.array([0, 2, 1, 3, 2])
    logits = x @ w + b
    logits = logits - np.max(logits, axis=1, keepdims=True)
    log_probs = logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))
    return -np.mean(log_probs[np.arange(5), labels])


@on(drawn(6, 3), drawn(3, seed=1))
def logistic_regression(x, w):
    y = np.array([0, 1, 1, 0, 1, 0])
    z = np.dot(x, w)
    return np.mean(np.logaddexp(0, -z) + (1 - y) * z) + 0.1 * np.linalg.norm(w)


@on(drawn(3, 3, seed=1) / 4, drawn(3, 3, seed=2) / 4, drawn(3, 3))
def recurrent_network(w_hidden, w_input, x):
    hidden = np.zeros(3)
    states = []
    for step in x:
        hidden = np.tanh(w_hidden @ hidden + w_input.dot(step))
        states.append(hidden)
    return np.stack(states)


@on(drawn(4, 3), drawn(5, 3, seed=1), drawn(5, 2, seed=2))
def attention(queries, keys, values):
    scores = queries @ keys.T / np.sqrt(keys.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights @ values


@on(drawn(2, 5))
def layer_normalisation(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


@on(drawn(4, 4), drawn(4, seed=1))
def ridge_closed_form(x, y):
    weights = np.linalg.solve(x.T @ x + 0.5 * np.eye(4), x.T @ y)
    return np.sum((x @ weights - y) ** 2)


@on(drawn(4, 1), drawn(4, seed=1), np.array(0.8), np.array(0.3))
def gaussian_process_likelihood(x, y, length, noise):
    kernel = np.exp(-0.5 * (x - x.T) ** 2 / length**2) + noise * np.eye(len(x))
    factor = np.linalg.cholesky(kernel)
    alpha = np.linalg.solve(factor.T, np.linalg.solve(factor, y))
    log_det = np.sum(np.log(np.diag(factor)))
    return -0.5 * y @ alpha - log_det - 0.5 * len(x) * np.log(2 * np.pi)


@on(drawn(3, seed=1), definite(3), definite(3, 1))
def gaussian_divergence(mean, a, b):
    inverse = np.linalg.inv(b)
    _, log_a = np.linalg.slogdet(a)
    _, log_b = np.linalg.slogdet(b)
    return 0.5 * (np.trace(inverse @ a) + mean @ inverse @ mean - 3 + log_b - log_a)


@on(drawn(3), drawn(3, 3, seed=1), drawn(3, 4, seed=2))
def hidden_markov_likelihood(start, transition, emission):
    log_t = np.log(transition / transition.sum(axis=1, keepdims=True))
    log_e = np.log(emission / emission.sum(axis=1, keepdims=True))
    forward = np.log(start / start.sum()) + log_e[:, 1]
    for observed in (0, 3, 2):
        joint = forward[:, None] + log_t
        total = joint[0]
        for row in joint[1:]:
            total = np.logaddexp(total, row)
        forward = total + log_e[:, observed]
    return np.logaddexp.reduce(forward)


@on(drawn(2), definite(2), drawn(1, seed=1))
def kalman_step(mean, covariance, observed):
    motion = np.array([[1.0, 0.1], [0.0, 1.0]])
    look = np.array([[1.0, 0.0]])
    mean = motion @ mean
    covariance = motion @ covariance @ motion.T + 0.01 * np.eye(2)
    innovation = observed - look @ mean
    spread = look @ covariance @ look.T + 0.1
    gain = covariance @ look.T @ np.linalg.inv(spread)
    mean = mean + gain @ innovation
    covariance = (np.eye(2) - gain @ look) @ covariance
    return np.concatenate([mean, covariance.ravel()])


# Signals and images


@on(drawn(9), drawn(3, seed=1))
def finite_impulse_response(signal, taps):
    return np.convolve(signal, taps, mode="same")


@on(drawn(8))
def exponential_smoothing(x):
    level = x[0]
    smoothed = [level]
    for value in x[1:]:
        level = 0.3 * value + 0.7 * level
        smoothed.append(level)
    return np.array([1.0, 2.0]) * np.stack(smoothed)[-1]


@on(drawn(6))
def cosine_transform(x):
    n = len(x)
    k = np.arange(n)
    basis = np.cos(np.pi * np.outer(k, k + 0.5) / n)
    return basis @ x * np.sqrt(2.0 / n)


@on(drawn(7))
def power_spectrum(x):
    n = x.shape[0]
    angles = 2 * np.pi * np.outer(np.arange(n // 2), np.arange(n)) / n
    return (np.cos(angles) @ x) ** 2 + (np.sin(angles) @ x) ** 2


@on(drawn(4, 5), np.array([0.3, 1.6, 2.2]), np.array([0.4, 1.1, 3.7]))
def bilinear_interpolation(image, rows, columns):
    r, c = np.floor(rows).astype(int), np.floor(columns).astype(int)
    dr, dc = rows - r, columns - c
    top = image[r, c] * (1 - dc) + image[r, c + 1] * dc
    bottom = image[r + 1, c] * (1 - dc) + image[r + 1, c + 1] * dc
    return top * (1 - dr) + bottom * dr


@on(drawn(5, 5))
def total_variation(image):
    return np.sum(np.sqrt(np.diff(image, axis=0)[:, 1:] ** 2 + np.diff(image)[1:] ** 2 + 1e-3))


@on(drawn(4, 4))
def sobel_energy(image):
    padded = np.pad(image, 1, mode="edge")
    across = padded[1:-1, 2:] - padded[1:-1, :-2]
    down = padded[2:, 1:-1] - padded[:-2, 1:-1]
    return np.hypot(across, down + 2.0).sum()


# Physics and numerical analysis


@on(np.array([1.0, 0.2]), np.array(0.5))
def runge_kutta(state, damping):
    def slope(y):
        return np.stack([y[1], -np.sin(y[0]) - damping * y[1]])

    h = 0.1
    for _ in range(5):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


@on(drawn(8), np.array(0.4))
def finite_volume_step(u, speed):
    flux = speed * 0.5 * (u**2 + np.roll(u, 1) ** 2)
    return u - 0.1 * (np.roll(flux, -1) - flux)


@on(drawn(6, 6))
def heat_equation(u):
    for _ in range(3):
        inner = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
        u = u + 0.2 * np.pad(inner, 1)
    return u


@on(drawn(4, 3), drawn(4, seed=1))
def n_body_energy(positions, masses):
    i, j = np.triu_indices(4, k=1)
    distance = np.linalg.norm(positions[i] - positions[j], axis=-1)
    return -np.sum(masses[i] * masses[j] / distance)


@on(drawn(3, 3) + np.arange(3.0)[:, None])
def lennard_jones(positions):
    energy = 0.0
    for i in range(len(positions)):
        for j in range(i):
            squared = np.sum((positions[i] - positions[j]) ** 2)
            sixth = (1.0 / squared) ** 3
            energy += 4.0 * (sixth**2 - sixth)
    return energy


@on(np.array(0.7), np.array(0.3))
def kepler_equation(mean_anomaly, eccentricity):
    anomaly = mean_anomaly
    for _ in range(6):
        error = anomaly - eccentricity * np.sin(anomaly) - mean_anomaly
        anomaly = anomaly - error / (1 - eccentricity * np.cos(anomaly))
    return anomaly


@on(drawn(3), drawn(3, seed=1), np.array(0.6))
def rodrigues_rotation(vector, axis, angle):
    axis = axis / np.sqrt(np.dot(axis, axis))
    turned = vector * np.cos(angle) + np.cross(axis, vector) * np.sin(angle)
    return turned + axis * np.dot(axis, vector) * (1.0 - np.cos(angle))


@on(drawn(4))
def quaternion_to_matrix(q):
    w, x, y, z = q / np.linalg.norm(q)
    rows = [
        np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)]),
        np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)]),
        np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]),
    ]
    return np.vstack(rows)


@on(drawn(6), np.linspace(0.0, 1.0, 6) ** 1.5 * 2)
def trapezoid_rule(y, x):
    return np.sum((y[1:] + y[:-1]) * np.diff(x)) / 2.0


@on(drawn(6), drawn(6, seed=1))
def arc_length(x, y):
    return np.sum(np.hypot(np.ediff1d(x), np.ediff1d(y)))


@on(drawn(5), np.array([0.3, 1.7, 3.4]))
def cubic_spline(y, at):
    n = len(y)
    system = 4 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
    system[0, :2], system[-1, -2:] = [1, 0], [0, 1]
    right = 6 * np.concatenate([np.zeros(1), y[2:] - 2 * y[1:-1] + y[:-2], np.zeros(1)])
    bend = np.linalg.solve(system, right)
    left = np.floor(at).astype(int)
    t = at - left
    linear = y[left] * (1 - t) + y[left + 1] * t
    curved = ((1 - t) ** 3 - (1 - t)) * bend[left] + (t**3 - t) * bend[left + 1]
    return linear + curved / 6


@on(drawn(4), np.array([-0.5, 0.2, 0.9]))
def legendre_series(coefficients, x):
    before, now = np.ones_like(x), x
    total = coefficients[0] * before + coefficients[1] * now
    for n in range(1, len(coefficients) - 1):
        before, now = now, ((2 * n + 1) * x * now - n * before) / (n + 1)
        total = total + coefficients[n + 1] * now
    return total


@on(drawn(4), np.array([0.5, -1.2]))
def horner(coefficients, x):
    value = 0.0
    for c in coefficients:
        value = value * x + c
    return value


@on(drawn(4), np.array([0.5, -1.2]))
def polynomial(coefficients, x):
    return np.polyval(coefficients, x)


@on(drawn(4), drawn(4, seed=1))
def vandermonde_fit(x, y):
    basis = np.vander(x, 3)
    return np.linalg.solve(basis.T @ basis + 0.1 * np.eye(3), basis.T @ y)


# Finance


@on(np.array([90.0, 100.0]), np.array(105.0), np.array(0.02), np.array(0.3), np.array(0.75))
def black_scholes(spot, strike, rate, volatility, years):
    def normal_cdf(z):  # Abramowitz and Stegun, 7.1.26
        x = np.abs(z) / np.sqrt(2.0)
        t = 1.0 / (1.0 + 0.3275911 * x)
        terms = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429]
        series = sum(c * t ** (i + 1) for i, c in enumerate(terms))
        erf = np.sign(z) * (1.0 - series * np.exp(-(x**2)))
        return 0.5 * (1.0 + erf)

    width = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * years) / width
    return spot * normal_cdf(d1) - strike * np.exp(-rate * years) * normal_cdf(d1 - width)


@on(drawn(6, 3), drawn(3, seed=1))
def portfolio_sharpe(returns, weights):
    weights = weights / np.sum(np.abs(weights))
    gains = returns.dot(weights)
    return gains.mean() / np.sqrt(weights @ np.cov(returns, rowvar=False) @ weights)


@on(drawn(6))
def drawdown(returns):
    wealth = np.cumprod(1.0 + 0.1 * (returns - 1.0))
    return np.max(np.maximum.accumulate(wealth) - wealth) + wealth[-1]


@on(drawn(5), np.array(0.05))
def present_value(payments, rate):
    return np.sum(payments / (1 + rate) ** np.arange(1, 6))


# Matrices


@on(definite(3))
def matrix_exponential(a):
    a = a / 8
    term = total = np.eye(3)
    for k in range(1, 14):
        term = term @ a / k
        total = total + term
    return total


@on(definite(4))
def power_iteration(a):
    v = np.ones(4) / 2.0
    for _ in range(4):
        v = a @ v
        v = v / np.linalg.norm(v)
    return v @ a @ v


@on(drawn(4, 3) + np.eye(4, 3))
def gram_schmidt(a):
    basis: list[Any] = []
    for column in a.T:
        for b in basis:
            column = column - np.dot(b, column) * b
        basis.append(column / np.linalg.norm(column))
    return np.column_stack(basis)


@on(drawn(7, 3) * np.array([1.0, 2.0, 4.0]))
def principal_energy(x):
    centred = x - x.mean(axis=0)
    energies = np.linalg.eigvalsh(centred.T @ centred / (len(x) - 1))
    return energies[-1] / np.sum(energies)


@on(drawn(6, 3))
def cholesky_whitening(x):
    centred = x - np.mean(x, axis=0)
    factor = np.linalg.cholesky(centred.T @ centred / len(x) + 0.1 * np.eye(3))
    return np.linalg.solve(factor, centred.T).T


@on(drawn(3, 4), drawn(4, 5, seed=1), drawn(3, 5, seed=2))
def tensor_contraction(a, b, c):
    return np.einsum("ij,jk,ik->j", a, b, c) + np.tensordot(a, c, axes=([0], [0])).sum(axis=1)


@on(drawn(4, 3))
def regularisers(w):
    return (
        np.linalg.norm(w, "fro")
        + np.linalg.norm(w[0], 1)
        + np.linalg.norm(w, axis=0).sum()
        + np.abs(w).max()
    )


@on(drawn(3, 3) + 2 * np.eye(3))
def log_determinant_barrier(a):
    symmetric = (a + a.T) / 2
    return -np.log(np.linalg.det(symmetric)) - np.sum(np.log(np.diagonal(symmetric)))


@on(drawn(5, low=-1.5, high=1.5))
def piecewise_activations(x):
    leaky = np.where(x > 0, x, 0.1 * x)
    clipped = np.clip(x, -1.0, 1.0)
    elu = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    return np.concatenate([leaky, clipped, elu, np.maximum(x, 0.5), np.heaviside(x, 0.5) * x])


@on(drawn(3, 4), drawn(4, 3, seed=1))
def ufunc_methods(a, b):
    table = np.multiply.outer(a[0], b[:, 0])
    return np.add.reduce(table, axis=0) * np.multiply.reduce(a) + np.add.accumulate(b[:, 1])
