"""Special functions in NumPy alone, for where SciPy is not installed.

All compute in float64 and are exact to about 1e-15 relative, or absolute next to a zero that is no
whole number; ``docs/decisions/0013`` has the figures. ``erf`` and ``erfc`` are the C library's, one
element after the other. The names are those of ``scipy.special``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.primitive import Array

__all__ = [
    "betaln",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "gammaln",
    "log_ndtr",
    "logit",
    "ndtri",
    "polygamma",
    "psi",
    "xlog1py",
    "xlogy",
    "zeta",
]

ROOT_PI, ROOT_TWO = math.sqrt(math.pi), math.sqrt(2.0)
EULER = 0.5772156649015329

# B(2), B(4), ..., B(24): Bernoulli's numbers.
BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510]
BERNOULLI += [43867 / 798, -174611 / 330, 854513 / 138, -236364091 / 2730]

# ζ(k) - 1 for k = 2, 3, ..., 29, the Taylor coefficients of log Γ (NIST DLMF 5.7.3).
ZETA_MINUS_1 = [
    *(0.6449340668482264, 0.2020569031595943, 0.08232323371113819, 0.03692775514336993),
    *(0.01734306198444914, 0.008349277381922827, 0.00407735619794434, 0.0020083928260822143),
    *(0.0009945751278180853, 0.0004941886041194645, 0.0002460865533080483, 0.00012271334757848915),
    *(6.124813505870483e-05, 3.058823630702049e-05, 1.528225940865187e-05, 7.637197637899763e-06),
    *(3.81729326499984e-06, 1.908212716553939e-06, 9.539620338727962e-07, 4.769329867878064e-07),
    *(2.38450502727733e-07, 1.1921992596531106e-07, 5.960818905125948e-08, 2.980350351465228e-08),
    *(1.4901554828365043e-08, 7.45071178983543e-09, 3.725334024788457e-09, 1.862659723513049e-09),
]

# The positive root of digamma, its digits beyond float64, and digamma's Taylor coefficients there.
ROOT, ROOT_REST = 1.4616321449683622, 9.549995429965697e-17
AT_ROOT = [
    *(0.9676722454476212, -0.4427631689835921, 0.258499760955651, -0.16394270544240652),
    *(0.10782405069126237, -0.07219956125645471, 0.04880428816414311, -0.03316112647484736),
    *(0.022597648232218104, -0.01542476590494896, 0.010538791616612175, -0.007204534386356869),
    *(0.004926781395729853, -0.003369801655439328, 0.002305126326734928, -0.0015769367714301972),
    *(0.0010788252019162967, -0.0007380709389960052, 0.000504953265834602, -0.0003454680251063077),
    *(0.00023635601564027053, -0.00016170622091974803, 0.0001106337276874741),
    *(-7.569179582195066e-05, 5.178575795222081e-05),
]

# Wichura, Algorithm AS 241: The percentage points of the normal distribution, Applied Statistics
# 37 (1988): numerator and denominator near 1/2, in the tails, and in the far tails.
CENTRE = (
    [
        *(2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987),
        *(13731.69376550946, 1971.5909503065513, 133.14166789178438, 3.3871328727963665),
    ],
    [
        *(5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597),
        *(5394.196021424751, 687.1870074920579, 42.31333070160091, 1.0),
    ],
)
TAIL = (
    [
        *(7.745450142783414e-4, 2.2723844989269184e-2, 0.2417807251774506, 1.2704582524523684),
        *(3.6478483247632045, 5.769497221460691, 4.630337846156546, 1.4234371107496835),
    ],
    [
        *(1.0507500716844169e-9, 5.475938084995345e-4, 1.5198666563616457e-2, 0.14810397642748008),
        *(0.6897673349851, 1.6763848301838038, 2.053191626637759, 1.0),
    ],
)
FAR_TAIL = (
    [
        *(
            2.0103343992922881e-7,
            2.7115555687434876e-5,
            1.2426609473880784e-3,
            2.6532189526576124e-2,
        ),
        *(0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103),
    ],
    [
        *(
            2.0442631033899397e-15,
            1.421511758316446e-7,
            1.8463183175100548e-5,
            7.868691311456133e-4,
        ),
        *(1.4875361290850615e-2, 0.1369298809227358, 0.599832206555888, 1.0),
    ],
)


def quietly(function: Callable[..., Array]) -> Callable[..., Array]:
    """Run ``function`` in float64, and in silence, since it computes every branch everywhere."""

    @functools.wraps(function)
    def quiet(*args: Any) -> Array:
        with np.errstate(all="ignore"):
            return function(
                *(x if isinstance(x, int | float) else np.asarray(x, np.float64) for x in args)
            )

    return quiet


def _polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """Horner's rule, from the highest power down."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def _mapped(function: Callable[[float], float], x: Array) -> Array:
    values = np.asarray(x, np.float64)
    found = np.fromiter(map(function, values.ravel().tolist()), np.float64, values.size)
    return found.reshape(values.shape)


def erf(x: Array) -> Array:
    """Error function."""
    return _mapped(math.erf, x)


def erfc(x: Array) -> Array:
    """Complementary error function."""
    return _mapped(math.erfc, x)


@quietly
def erfcx(x: Array) -> Array:
    """``exp(x²) erfc(x)``, from Laplace's continued fraction (NIST DLMF 7.9.1) above 4."""
    tail = np.maximum(x, 4.0)
    fraction = tail
    for k in range(60, 0, -1):
        fraction = tail + k / 2 / fraction
    # x² = high² + (x - high) * (x + high), where high² is exact
    high = np.clip(x, -30.0, 4.0)
    short = high.astype(np.float32).astype(np.float64)
    square = np.exp(short * short) * np.exp((high - short) * (high + short))
    return np.where(x > 4.0, 1.0 / ROOT_PI / fraction, square * erfc(high))


def _quantile(centred: Array, tail: Array) -> Array:
    """Quantile of the normal distribution at ``1/2 + centred``, ``tail`` from its nearer end."""
    r = 0.180625 - centred * centred
    near = centred * _polynomial(r, CENTRE[0]) / _polynomial(r, CENTRE[1])
    r = np.sqrt(-np.log(tail))
    far = _polynomial(r - 1.6, TAIL[0]) / _polynomial(r - 1.6, TAIL[1])
    farther = _polynomial(r - 5.0, FAR_TAIL[0]) / _polynomial(r - 5.0, FAR_TAIL[1])
    outer = np.where(tail == 0, np.inf, np.where(r <= 5.0, far, farther))
    return np.where(np.abs(centred) <= 0.425, near, np.copysign(outer, centred))


@quietly
def erfinv(x: Array) -> Array:
    """Inverse error function."""
    return _quantile(x / 2.0, (1.0 - np.abs(x)) / 2.0) / ROOT_TWO


@quietly
def ndtri(x: Array) -> Array:
    """Quantile of the standard normal distribution."""
    return _quantile(x - 0.5, np.minimum(x, 1.0 - x))


@quietly
def log_ndtr(x: Array) -> Array:
    """Logarithm of the distribution function of the standard normal distribution."""
    left = np.log(erfcx(np.minimum(x, -1.0) / -ROOT_TWO) / 2.0) - x * x / 2.0
    right = np.log1p(erfc(np.maximum(x, -1.0) / ROOT_TWO) / -2.0)
    return np.where(x < -1.0, left, right)


def _correction(x: Array) -> Array:
    """What ``log Γ(x)`` is above Stirling's formula, for ``x >= 10``."""
    terms = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI[:8], start=1)]
    inverse = 1.0 / x
    return _polynomial(inverse * inverse, terms[::-1]) * inverse


def _log_gamma_near_2(w: Array) -> Array:
    """``log Γ(2 + w)`` for ``|w| <= 1/2``."""
    terms = [(-1) ** k * z / k for k, z in enumerate(ZETA_MINUS_1, start=2)]
    return w * (1.0 - EULER + w * _polynomial(w, terms[::-1]))


def _positive_log_gamma(x: Array) -> Array:
    large = np.maximum(x, 10.0)
    stirling = (large - 0.5) * np.log(large) - large + 0.5 * math.log(2.0 * math.pi)
    # Below 10, step down to [3/2, 5/2]: log Γ(x) = log((x - 1) (x - 2) ...) + log Γ(x - n).
    rest, product = np.minimum(x, 10.0), np.ones_like(x)
    for _ in range(8):
        above = rest > 2.5
        rest = np.where(above, rest - 1.0, rest)
        product = np.where(above, product * rest, product)
    middle = np.log(product) + _log_gamma_near_2(rest - 2.0)
    near_1 = _log_gamma_near_2(x - 1.0) - np.log1p(x - 1.0)
    near_0 = _log_gamma_near_2(x) - np.log1p(x) - np.log(x)
    small = np.where(x < 0.5, near_0, np.where(x < 1.5, near_1, middle))
    return np.where(x < 10.0, small, np.where(np.isinf(x), x, stirling + _correction(large)))


@quietly
def gammaln(x: Array) -> Array:
    """``log|Γ(x)|``, by reflection for negative ``x``."""
    if np.all(x > 0):
        return _positive_log_gamma(x)
    sine = np.abs(np.sin(np.pi * (x - np.rint(x))))
    below = np.log(np.pi / sine) - _positive_log_gamma(1.0 - x)
    return np.where(np.isneginf(x), x, np.where(x > 0, _positive_log_gamma(x), below))


@quietly
def betaln(a: Array, b: Array) -> Array:
    """``log|B(a, b)|``; large arguments as in Didonato and Morris, ACM Algorithm 708 (1992)."""
    a, b = np.minimum(a, b), np.maximum(a, b)
    large_a, large_b = np.maximum(a, 10.0), np.maximum(b, 10.0)
    corrections = _correction(large_b) - _correction(a + large_b)
    both = 0.5 * math.log(2.0 * math.pi) - 0.5 * np.log(large_b) + _correction(large_a)
    both += corrections + (large_a - 0.5) * np.log(large_a / (large_a + large_b))
    both -= large_b * np.log1p(large_a / large_b)
    one = gammaln(a) + corrections + a - a * np.log(a + large_b)
    one -= (large_b - 0.5) * np.log1p(a / large_b)
    none = gammaln(a) + gammaln(b) - gammaln(a + b)
    return np.where(a >= 10.0, both, np.where((b >= 10.0) & (a > 0), one, none))


def _positive_psi(x: Array) -> Array:
    total, large = np.zeros_like(x), x
    for _ in range(10):
        small = large < 10.0
        total = total - np.where(small, 1.0 / large, 0.0)
        large = np.where(small, large + 1.0, large)
    terms = [-b / (2 * k) for k, b in enumerate(BERNOULLI[:8], start=1)]
    inverse = 1.0 / (large * large)
    series = _polynomial(inverse, [*terms[::-1], 0.0])
    away = total + (series - 0.5 / large + np.log(large))
    beyond = (x - ROOT) - ROOT_REST
    near = np.abs(beyond) < 0.3
    return np.where(near, beyond * _polynomial(np.where(near, beyond, 0.0), AT_ROOT[::-1]), away)


def _cotangent(x: Array) -> Array:
    """``cot(πx)``, exact next to whole numbers and halves."""
    rest = x - np.rint(x)
    quarter = np.abs(rest) > 0.25
    turned = np.tan(np.pi * np.where(quarter, np.copysign(0.5, rest) - rest, rest))
    return np.where(quarter, turned, 1.0 / turned)


@quietly
def psi(x: Array) -> Array:
    """Digamma function, by recurrence and Stirling's series (NIST DLMF 5.5.2, 5.11.2)."""
    if np.all(x > 0):
        return _positive_psi(x)
    below = _positive_psi(1.0 - x) - np.pi * _cotangent(x)
    whole = np.where(x == 0, np.copysign(np.inf, -x), np.nan)
    below = np.where(np.rint(x) == x, whole, below)
    return np.where(x > 0, _positive_psi(x), below)


@quietly
def zeta(s: float, q: Array) -> Array:
    """Hurwitz's zeta function for ``q >= 0``, by Euler and Maclaurin (NIST DLMF 25.11.28)."""
    steps = 10 + int(s)
    total = np.zeros_like(q)
    for k in range(steps):
        total = total + (q + k) ** -s
    far = q + steps
    total = total + far ** (1.0 - s) / (s - 1.0) + 0.5 * far**-s
    factor = 1.0
    for k, b in enumerate(BERNOULLI):
        factor *= (s + 2 * k) / (2 * k + 2) * ((s + 2 * k - 1) / (2 * k + 1) if k else 1.0)
        total = total + b * factor * far ** (-s - 2 * k - 1)
    return total


@quietly
def polygamma(n: int, x: Array) -> Array:
    """The ``n``-th derivative of digamma, by reflection for negative ``x`` (NIST DLMF 5.15.6)."""
    signed = float((-1) ** (n + 1) * math.factorial(n))
    if np.all(x >= 0):
        return signed * zeta(n + 1.0, x)
    positive = signed * zeta(n + 1.0, np.where(x < 0, 1.0 - x, x))
    slope = np.polynomial.Polynomial([0.0, 1.0])  # cot(πx) as a polynomial in itself
    for _ in range(n):
        slope = np.polynomial.Polynomial([-1.0, 0.0, -1.0]) * slope.deriv()
    cotangent = math.pi ** (n + 1) * slope(_cotangent(x))
    below = (-1) ** n * positive - cotangent
    at_pole = np.inf if n % 2 else np.nan
    below = np.where(np.rint(x) == x, at_pole, below)
    return np.where(x < 0, below, positive)


@quietly
def xlogy(x: Array, y: Array) -> Array:
    """``x log(y)``, and 0 where ``x`` is 0 and ``y`` is not NaN."""
    return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y))


@quietly
def xlog1py(x: Array, y: Array) -> Array:
    """``x log(1 + y)``, and 0 where ``x`` is 0 and ``y`` is not NaN."""
    return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log1p(y))


@quietly
def entr(x: Array) -> Array:
    """``-x log(x)``."""
    return np.where(x < 0, -np.inf, np.where(x == 0, 0.0, -x * np.log(x)))


@quietly
def logit(x: Array) -> Array:
    """``log(x / (1 - x))``, exact around 1/2."""
    return np.where(np.abs(x - 0.5) < 0.25, 2 * np.arctanh(2 * x - 1), np.log(x) - np.log1p(-x))
