"""Special functions: of the error function's family, of the gamma function's, and of entropy.

Where SciPy is installed its ufuncs compute them, else :mod:`minigrad.ops.approximation` does; SciPy
is imported at the first call. Names and conventions are ``scipy.special``'s, and calls of SciPy's
ufuncs on Tensors come here by :func:`of_scipy`. In contrast to SciPy's, the results of float16 are
float16, and integers become the floats that ``np.exp`` makes of them.
"""

from __future__ import annotations

import functools
import importlib
import math
import sys
from collections.abc import Callable

import numpy as np

from minigrad.errors import DTypeError
from minigrad.ops import approximation
from minigrad.ops.elementwise import cbrt
from minigrad.ops.exponential import exp2, expm1, log1p, logsigmoid, sigmoid
from minigrad.primitive import POSITIVE, Array, case, composition, defvjp, primitive

__all__ = [
    "betaln",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfinv",
    "gammaln",
    "log_ndtr",
    "logit",
    "ndtr",
    "ndtri",
    "polygamma",
    "xlog1py",
    "xlogy",
]

UNIT = (0.0, 1.0)
ROOT_PI, ROOT_HALF = math.sqrt(math.pi), math.sqrt(0.5)


@functools.cache
def implementation(name: str) -> Callable[..., Array]:
    """SciPy's ufunc of that name, or where SciPy is not installed our own approximation.

    >>> implementation("erf") is implementation("erf")
    True
    """
    try:
        return vars(importlib.import_module("scipy.special"))[name]
    except ImportError:
        return vars(approximation)[name]


def computed(name: str, *operands: Array) -> Array:
    """Run a special function in float64 or float32, and give the dtype that NumPy would."""
    function = implementation(name)
    if all(x.__class__ is np.ndarray and x.dtype == np.float64 for x in operands):
        return function(*operands)
    found = np.result_type(*(x if isinstance(x, int | float) else np.asarray(x) for x in operands))
    wanted = np.result_type(found, np.float16)  # as np.exp does: int8 to float16, int64 to float64
    if wanted.kind != "f":
        raise DTypeError(f"{name} takes real numbers, not {found}")
    working = np.float32 if wanted.itemsize < 8 else np.float64
    out = function(*(np.asarray(x, working) for x in operands))
    return out.astype(wanted, copy=False)


def _like(x: Array, g: Array) -> Array:
    """A Python number in the dtype of ``g``, since NumPy's functions of numbers give float64."""
    return np.asarray(x, g.dtype) if isinstance(x, int | float) else x


# The error function's family


def pull_bell(g: Array, x: Array, height: float) -> Array:
    """``g * height * exp(-x²)``, in silence where the square overflows."""
    with np.errstate(over="ignore"):
        return g * np.exp(-np.square(x)) * height


@primitive(onnx="Erf")
@defvjp(x=lambda g, x: pull_bell(g, x, 2.0 / ROOT_PI))
def erf(x: Array, /) -> Array:
    """Error function, ``2 / √π`` times the integral of ``exp(-t²)`` from 0 to ``x``.

    >>> erf(np.array([0.0, 1.0, np.inf]))
    array([0.        , 0.84270079, 1.        ])
    """
    return computed("erf", x)


@primitive()
@defvjp(x=lambda g, x: pull_bell(g, x, -2.0 / ROOT_PI))
def erfc(x: Array, /) -> Array:
    """Complement ``1 - erf(x)``, exact where it is close to 0.

    >>> erfc(np.array([0.0, 10.0]))
    array([1.00000000e+00, 2.08848758e-45])
    """
    return computed("erfc", x)


@primitive(domain=(-1.0, 1.0))
@defvjp(x=lambda g, out: g * np.exp(out * out) * (ROOT_PI / 2.0))
def erfinv(x: Array, /) -> Array:
    """Inverse of ``erf`` for ``-1 <= x <= 1``; at both ends it and its slope are infinite.

    >>> erfinv(np.array([0.0, 0.5, 1.0]))
    array([0.        , 0.47693628,        inf])
    """
    return computed("erfinv", x)


@composition()
def ndtr(x: Array) -> Array:
    """Distribution function of the standard normal distribution, exact in its left tail.

    >>> ndtr(np.array([0.0, -1.96]))
    array([0.5       , 0.0249979])
    """
    return erfc(np.multiply(x, -ROOT_HALF)) * 0.5


def pull_hazard(g: Array, x: Array, out: Array) -> Array:
    """``-g * h * (x + h)``, where ``h`` is the inverse Mills ratio.

    Far out on the left ``x + h`` cancels; its asymptotic series is exact there.
    """
    inside = np.greater(x, -100.0)
    square = np.square(np.where(inside, -100.0, x))
    series = (((-74.0 / square + 10.0) / square - 2.0) / square + 1.0) / np.where(inside, -100.0, x)
    return -g * out * np.where(inside, x + out, -series)


@primitive(name="inverse_mills")
@defvjp(x=pull_hazard)
def _hazard(x: Array, /) -> Array:
    """``φ(x) / Φ(x)`` of the normal distribution, the slope of ``log_ndtr``."""
    x64 = np.asarray(x, np.float64)
    left = math.sqrt(2.0 / math.pi) / implementation("erfcx")(np.minimum(x64, 0.0) * -ROOT_HALF)
    below = implementation("erfc")(np.maximum(x64, 0.0) * -ROOT_HALF)
    right = np.exp(np.square(x64) * -0.5) * math.sqrt(2.0 / math.pi) / below
    return np.where(x64 < 0, left, right).astype(x.dtype)


@primitive()
@defvjp(x=lambda g, x: g * _hazard(x))
def log_ndtr(x: Array, /) -> Array:
    """Logarithm of ``ndtr``, also where that underflows to 0.

    >>> log_ndtr(np.array([0.0, -1e4]))
    array([-6.93147181e-01, -5.00000101e+07])
    """
    return computed("log_ndtr", x)


@primitive(domain=UNIT)
@defvjp(x=lambda g, out: g * np.exp(out * out * 0.5) * math.sqrt(2.0 * math.pi))
def ndtri(x: Array, /) -> Array:
    """Inverse of ``ndtr``: the quantile of the standard normal distribution.

    >>> ndtri(np.array([0.5, 0.975]))
    array([0.        , 1.95996398])
    """
    return computed("ndtri", x)


# The gamma function's family


def pull_gammaln(g: Array, x: Array) -> Array:
    """``g * digamma(x)``."""
    return g * digamma(x)


@primitive(domain=POSITIVE)
@defvjp(x=pull_gammaln)
def gammaln(x: Array, /) -> Array:
    """``log|Γ(x)|``; infinite at 0 and at negative whole numbers.

    PyTorch calls it ``lgamma``.

    >>> gammaln(np.array([1.0, 5.0, -0.5]))
    array([0.        , 3.17805383, 1.26551212])
    """
    return computed("gammaln", x)


def pull_polygamma(g: Array, x: Array, n: int = 0) -> Array:
    """``g`` times the next derivative."""
    return g * _polygamma(x, n + 1)


@primitive(domain=POSITIVE)
@defvjp(x=lambda g, x: pull_polygamma(g, x))
def digamma(x: Array, /) -> Array:
    """Derivative of ``gammaln``, also called ψ; not defined at 0, -1, -2, ...

    >>> digamma(np.array([1.0, 2.0]))
    array([-0.57721566,  0.42278434])
    """
    return computed("psi", x)


@primitive(
    name="polygamma", domain=POSITIVE, cases=[case(2, 3, n=1), case((), n=2), case(0, 2, n=1)]
)
@defvjp(x=pull_polygamma)
def _polygamma(x: Array, /, n: int) -> Array:
    """The ``n``-th derivative of ``digamma``, for ``n > 0``."""
    x64 = np.asarray(x, np.float64)
    wanted = np.result_type(np.asarray(x).dtype, np.float16)
    return approximation.polygamma(n, x64).astype(wanted)


def polygamma(n: int, x: Array) -> Array:
    """The ``n``-th derivative of ``digamma``, for negative ``x``, too.

    Raises:
        ValueError: If ``n`` is not a whole number of at least 0.

    >>> polygamma(1, np.array([1.0]))  # π² / 6
    array([1.64493407])
    """
    order = int(n)
    if order != n or order < 0:
        raise ValueError(f"polygamma: n is a whole number of at least 0, not {n!r}")
    return _polygamma(x, order) if order else digamma(x)


@primitive(domain=POSITIVE, broadcasts=True)
@defvjp(
    a=lambda g, a, b: g * (digamma(a) - digamma(np.add(a, b))),
    b=lambda g, a, b: g * (digamma(b) - digamma(np.add(a, b))),
)
def betaln(a: Array, b: Array, /) -> Array:
    """``log|B(a, b)| = gammaln(a) + gammaln(b) - gammaln(a + b)``.

    >>> betaln(np.array([1.0, 2.0]), 2.0)
    array([-0.69314718, -1.79175947])
    """
    return computed("betaln", a, b)


# Products with logarithms


def _loggable(x: Array, y: Array, least: float) -> Array:
    """``y``, and 1 + ``least`` where both ``x`` is 0 and ``y`` has no logarithm."""
    return np.where(np.logical_and(np.equal(x, 0), np.less_equal(y, least)), 1.0 + least, y)


@primitive(domain=[(-2.0, 2.0), POSITIVE], broadcasts=True)
@defvjp(
    x=lambda g, x, y: g * np.log(_loggable(x, _like(y, g), 0.0)),
    y=lambda g, x, y: g * x / _loggable(x, y, 0.0),
)
def xlogy(x: Array, y: Array, /) -> Array:
    """``x * log(y)``, and 0 where ``x`` is 0; both gradients are 0 where also ``y <= 0``.

    >>> xlogy(np.array([0.0, 2.0]), np.array([0.0, np.e]))
    array([0., 2.])
    """
    return computed("xlogy", x, y)


@primitive(domain=[(-2.0, 2.0), (-1.0, np.inf)], broadcasts=True)
@defvjp(
    x=lambda g, x, y: g * np.log1p(_loggable(x, _like(y, g), -1.0)),
    y=lambda g, x, y: g * x / (_loggable(x, y, -1.0) + 1.0),
)
def xlog1py(x: Array, y: Array, /) -> Array:
    """``x * log(1 + y)``, and 0 where ``x`` is 0; both gradients are 0 where also ``y <= -1``.

    >>> xlog1py(np.array([0.0, 2.0]), np.array([-1.0, 1e-10]))
    array([0.e+00, 2.e-10])
    """
    return computed("xlog1py", x, y)


@primitive(domain=POSITIVE)
@defvjp(x=lambda g, x: -g * (np.log(x) + 1.0))
def entr(x: Array, /) -> Array:
    """Entropy ``-x * log(x)``, 0 at 0 and minus infinity below; its slope at 0 is infinite.

    >>> entr(np.array([0.0, 0.5, 2.0]))
    array([ 0.        ,  0.34657359, -1.38629436])
    """
    return computed("entr", x)


@primitive(domain=UNIT)
@defvjp(x=lambda g, x: g / (x * (1.0 - x)))
def logit(x: Array, /) -> Array:
    """``log(x / (1 - x))``, the inverse of the sigmoid; infinite at 0 and 1, as its slope is.

    >>> logit(np.array([0.5, 0.75]))
    array([0.        , 1.09861229])
    """
    return computed("logit", x)


SCIPY: dict[str, Callable[..., Array]] = {
    "betaln": betaln,
    "cbrt": cbrt,
    "entr": entr,
    "erf": erf,
    "erfc": erfc,
    "erfinv": erfinv,
    "exp2": exp2,
    "expit": sigmoid,
    "expm1": expm1,
    "gammaln": gammaln,
    "log1p": log1p,
    "log_expit": logsigmoid,
    "log_ndtr": log_ndtr,
    "logit": logit,
    "ndtr": ndtr,
    "ndtri": ndtri,
    "psi": digamma,
    "xlog1py": xlog1py,
    "xlogy": xlogy,
}
"""Name of a ufunc of ``scipy.special`` -> the op that differentiates it."""


def home_of(ufunc: np.ufunc) -> str:
    """Where a ufunc is at home, as far as messages tell. It never imports SciPy.

    >>> home_of(np.exp)
    'np'
    """
    known = vars(sys.modules["scipy.special"]) if "scipy.special" in sys.modules else {}
    return "scipy.special" if known.get(ufunc.__name__) is ufunc else "np"


def of_scipy(ufunc: np.ufunc) -> Callable[..., Array] | None:
    """The op that differentiates a ufunc of ``scipy.special``, or None. It never imports SciPy.

    >>> of_scipy(np.exp) is None
    True
    """
    return SCIPY.get(ufunc.__name__) if home_of(ufunc) == "scipy.special" else None
