"""Elementwise ops: third order, far out, next to edges, without SciPy, and called as SciPy's."""

import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, NotDifferentiable
from minigrad.ops import approximation, special
from minigrad.primitive import REGISTRY
from minigrad.testing import gradcheck
from minigrad.testing.samples import call_of, cases_of, kind_of
from tests.ops.exact import mpmath

inf, nan = np.inf, np.nan
KINKS = Path(__file__).parents[2] / "docs" / "reference" / "kinks.md"
FILES = {"elementwise", "exponential", "rounding", "special", "trigonometry"}
ELEMENTWISE = {
    name: op
    for name, op in sorted(REGISTRY.items())
    if op.rules and op.__module__.removeprefix("minigrad.ops.") in FILES
}


def gradients(f, *arrays, dtype=np.float64):
    """Gradients of the sum of ``f`` at the arrays."""
    tensors = [mg.Tensor(np.asarray(a, dtype), requires_grad=True) for a in arrays]
    out = f(*tensors)
    assert out.dtype == dtype
    out.backward(np.ones(out.shape, dtype))
    found = [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in tensors]
    assert all(t.grad is None or t.grad.dtype == dtype for t in tensors)
    return found


def plain(x: Any) -> Any:
    """The array of what NumPy's stubs don't know to be a Tensor."""
    assert type(x) is mg.Tensor
    return x.numpy()


def slope(f, x, dtype=np.float64):
    return gradients(f, x, dtype=dtype)[0]


def derivative(f, order):
    for _ in range(order):
        f = mg.grad(f)
    return f


# Third order


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_third_order(name):
    op = ELEMENTWISE[name]
    case = cases_of(op)[0]
    if not op.cases:
        case = case._replace(shapes=((2,),) * op.arity)
    call = call_of(op, case, np.random.default_rng(3))
    floating = [i for i in range(len(call.arrays)) if kind_of(op, i) == "f"]

    def f(*tensors):
        arrays = list(call.arrays)
        for i, t in zip(floating, tensors, strict=True):
            arrays[i] = t
        return op(*arrays, **call.params)

    gradcheck(f, *[call.arrays[i] for i in floating], order=3).raise_if_failed()


@pytest.mark.parametrize(
    ("f", "at", "wanted"),
    [
        (lambda x: x**2, 0.0, [0, 0, 2, 0, 0]),
        (lambda x: x**2.0, 0.0, [0, 0, 2, 0, 0]),
        (lambda x: x ** np.array(2.0), 0.0, [0, 0, 2, 0, 0]),
        (lambda x: x**3, 0.0, [0, 0, 0, 6, 0]),
        (lambda x: x**0, 0.0, [1, 0, 0, 0, 0]),
        (lambda x: x**3, -2.0, [-8, 12, -12, 6, 0]),
        (lambda x: x ** np.array(3.0), -2.0, [-8, 12, -12, 6, 0]),
        (lambda x: x**-1, -1.0, [-1, -1, -2, -6, -24]),
        (mg.sinc, 0.0, [1, 0, -(np.pi**2) / 3, 0, np.pi**4 / 5]),
        (mg.arctan, 0.0, [0, 1, 0, -2, 0]),
        (mg.arcsinh, 0.0, [0, 1, 0, -1, 0]),
        (mg.arcsin, 0.0, [0, 1, 0, 1, 0]),
        (mg.arctanh, 0.0, [0, 1, 0, 2, 0]),
        (mg.tan, 0.0, [0, 1, 0, 2, 0]),
        (lambda x: mg.hypot(x, 1.0), 0.0, [1, 0, 1, 0, -3]),
        (lambda x: mg.absolute(x) * x, 0.0, [0, 0, 0, 0, 0]),
        (lambda x: mg.xlogy(x, 2.0), 0.0, [0, np.log(2), 0, 0, 0]),
    ],
)
def test_derivatives_of_order_0_to_4_at_a_point(f, at, wanted):
    found = [float(derivative(f, order)(at)) for order in range(5)]
    np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-15)


# Far out and at infinity

FAR: dict[str, tuple[Any, list[float], list[float]]] = {
    "arctan": (mg.arctan, [-np.pi / 2 + 1e-4, np.pi / 2 - 1e-4], [1 / 100000001, 1 / 100000001]),
    "arcsinh": (mg.arcsinh, [-9.903487555, 9.903487555], [1e-4, 1e-4]),
    "erf": (mg.erf, [-1, 1], [0, 0]),
    "erfc": (mg.erfc, [2, 0], [0, 0]),
    "log_ndtr": (mg.log_ndtr, [-5.00000101e7, 0], [1e4, 0]),
    "logaddexp": (lambda x: mg.logaddexp(x, 0.0), [0, 1e4], [0, 1]),
    "logaddexp of negatives": (lambda x: mg.logaddexp(-x, x), [1e4, 1e4], [-1, 1]),
    "logaddexp2": (lambda x: mg.logaddexp2(0.0, x), [0, 1e4], [0, 1]),
    "logsigmoid": (mg.logsigmoid, [-1e4, 0], [1, 0]),
    "ndtr": (mg.ndtr, [0, 1], [0, 0]),
    "sigmoid": (mg.sigmoid, [0, 1], [0, 0]),
    "softplus": (mg.softplus, [0, 1e4], [0, 1]),
    "tanh": (mg.tanh, [-1, 1], [0, 0]),
    "hypot": (lambda x: mg.hypot(x, x), [14142.1356, 14142.1356], [-(2**0.5), 2**0.5]),
    "arctan2": (lambda x: mg.arctan2(x, 1e4), [-np.pi / 4, np.pi / 4], [5e-5, 5e-5]),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [("f8", 1e-8), ("f4", 1e-5), ("f2", 2e-3)])
@pytest.mark.parametrize("name", FAR)
def test_values_and_gradients_at_plus_and_minus_ten_thousand(name, dtype, tolerance):
    f, values, slopes = FAR[name]
    far = 100.0 if (name, dtype) == ("log_ndtr", "f2") else 1e4  # -5e7 is no float16
    if far == 100.0:
        values, slopes = [-5005.524, 0], [100.01, 0]
    x = np.array([-far, far], dtype)
    quantum = float(np.finfo(dtype).smallest_subnormal)
    np.testing.assert_allclose(f(x), values, rtol=tolerance, atol=quantum)
    np.testing.assert_allclose(slope(f, x, dtype=dtype), slopes, rtol=tolerance, atol=quantum)


@pytest.mark.parametrize("op", [mg.logaddexp, mg.logaddexp2])
def test_logaddexp_at_infinities(op):
    a, b = [inf, -inf, inf, -inf, 3.0, -inf], [inf, -inf, -inf, 0.0, inf, inf]
    np.testing.assert_array_equal(op(np.array(a), np.array(b)), [inf, -inf, inf, 0, inf, inf])
    to_a, to_b = gradients(op, a, b)
    np.testing.assert_array_equal(to_a, [0.5, 0.5, 1, 0, 0, 0])
    np.testing.assert_array_equal(to_b, [0.5, 0.5, 0, 1, 1, 1])


@pytest.mark.parametrize(
    ("op", "values", "slopes"),
    [
        (mg.logsigmoid, [-inf, 0], [1, 0]),
        (mg.softplus, [0, inf], [0, 1]),
        (mg.sigmoid, [0, 1], [0, 0]),
        (mg.erfc, [2, 0], [0, 0]),
        (mg.arctan, [-np.pi / 2, np.pi / 2], [0, 0]),
    ],
)
def test_values_and_gradients_at_infinities(op, values, slopes):
    x = np.array([-inf, inf])
    np.testing.assert_array_equal(op(x), values)
    np.testing.assert_array_equal(slope(op, x), slopes)


def test_no_square_overflows_and_none_underflows():
    a, b = gradients(mg.hypot, [1e200, 3e-200], [1e200, 4e-200])
    np.testing.assert_allclose([a[0], b[0], a[1], b[1]], [0.5**0.5, 0.5**0.5, 0.6, 0.8])
    a, b = gradients(mg.arctan2, [1e-200], [1e-200])
    np.testing.assert_allclose([a, b], [[5e199], [-5e199]])
    np.testing.assert_allclose(slope(mg.arcsinh, [1e200]), 1e-200)
    np.testing.assert_allclose(slope(mg.arccosh, [1e200]), 1e-200)
    np.testing.assert_allclose(slope(mg.arctan, [300.0], dtype=np.float16), 1 / 90001, rtol=1e-2)


def test_slopes_keep_their_digits_next_to_an_edge():
    x = 1 - 2.0**-40
    rest = float(2 * Fraction(1, 2**40) - Fraction(1, 2**80))  # 1 - x², exactly
    np.testing.assert_allclose(slope(mg.arcsin, x), rest**-0.5, rtol=1e-15)
    np.testing.assert_allclose(slope(mg.arccos, -x), -(rest**-0.5), rtol=1e-15)
    np.testing.assert_allclose(slope(mg.arctanh, x), 1 / rest, rtol=1e-15)
    np.testing.assert_allclose(derivative(mg.arcsin, 2)(1e-300).item(), 1e-300)


@pytest.mark.parametrize(
    ("op", "second"),
    [(mg.arcsin, inf), (mg.arccos, -inf), (mg.arctanh, inf), (mg.arccosh, -inf), (mg.sqrt, -inf)],
)
def test_second_derivatives_at_an_edge_are_infinite(op, second):
    with np.errstate(divide="ignore"):
        assert derivative(op, 2)(0.0 if op is mg.sqrt else 1.0).item() == second


@pytest.mark.parametrize("x", [1e-8, 1e-3, 0.3, 1.0, 1.75, 1e4, 123456.25])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_sinc_of_any_order(x, order):
    with mpmath.workdps(60):
        wanted = float(mpmath.diff(mpmath.sincpi, mpmath.mpf(x), order, h=mpmath.mpf("1e-9")))
    np.testing.assert_allclose(derivative(mg.sinc, order)(x).item(), wanted, rtol=1e-12)


def test_the_inverse_mills_ratio_far_on_the_left():
    for x in (-99.0, -101.0, -1e4):
        with mpmath.workdps(80):
            t = mpmath.mpf(x)
            h = mpmath.npdf(t) / (mpmath.erfc(-t / mpmath.sqrt(2)) / 2)
            wanted = [float(h), float(-h * (t + h))]
        found = [derivative(mg.log_ndtr, order)(x).item() for order in (1, 2)]
        np.testing.assert_allclose(found, wanted, rtol=1e-11)


# Special functions, of SciPy and of ours

NEAR_0 = [0.0, 1e-300, 1e-10, -1e-5]
LINE = [*NEAR_0, 0.3, -0.7, 1.1, -2.5, 3.9, 4.1, -5.0]
POSITIVE = [
    1e-10,
    0.1,
    0.49,
    0.7,
    0.999,
    1.3,
    1.45,
    1.4616,
    1.6,
    1.999,
    2.51,
    5.5,
    9.99,
    10.1,
    171.5,
]
UNIT = [1e-300, 1e-17, 1e-5, 0.02, 0.074, 0.076, 0.3, 0.49999, 0.5, 0.7, 0.93, 0.999999]


def reference(function, *points):
    with mpmath.workdps(360):
        return [float(function(*map(mpmath.mpf, at))) for at in zip(*points, strict=True)]


def quantile(p):
    return mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1)


def normal(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


# Name, what it is in mpmath, points, tolerance: 1e-14, or what rounding of the argument costs.
EXACT = {
    "erf": (mpmath.erf, [LINE], 1e-15),
    "erfc": (mpmath.erfc, [[*LINE, 10.0]], 2e-14),
    "erfcx": (lambda x: mpmath.exp(x * x) * mpmath.erfc(x), [[*LINE, 10.0, 1e4]], 2e-14),
    "erfinv": (mpmath.erfinv, [[*NEAR_0, 0.3, -0.8, 0.86, -0.999, 1 - 2.0**-50]], 1e-14),
    "log_ndtr": (lambda x: mpmath.log(normal(x)), [[*LINE, -30.0, -1e4]], 1e-14),
    "ndtri": (quantile, [UNIT], 1e-14),
    "gammaln": (lambda x: mpmath.log(abs(mpmath.gamma(x))), [[*POSITIVE, 1e5, -0.5, -7.3]], 3e-14),
    "psi": (mpmath.digamma, [[*POSITIVE, 1e10, -0.3, -7.3]], 1e-14),
    "betaln": (
        lambda a, b: mpmath.log(mpmath.beta(a, b)),
        [[0.3, 2.0, 9.0, 12.0, 500.0, 0.5], [0.7, 3.0, 14.0, 30.0, 2.0, 1e4]],
        3e-14,
    ),
    "xlogy": (lambda x, y: x * mpmath.log(y), [[1.0, -2.0, 0.0], [3.0, 0.5, 2.0]], 1e-15),
    "xlog1py": (lambda x, y: x * mpmath.log1p(y), [[1.0, -2.0, 0.0], [3.0, 1e-9, 2.0]], 1e-15),
    "entr": (lambda x: -x * mpmath.log(x), [[1e-300, 0.3, 0.999, 5.0]], 1e-15),
    "logit": (lambda x: mpmath.log(x / (1 - x)), [[*UNIT, 0.500001]], 1e-15),
}


# SciPy's log-gamma is exact in absolute terms only next to its zeros 1 and 2, and so is its sum.
LESS_IN_SCIPY = {"gammaln": 1e-12, "betaln": 1e-12}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("source", ["scipy", "minigrad"])
def test_special_functions_to_the_last_digits(name, source):
    owner = approximation if source == "minigrad" else pytest.importorskip("scipy.special")
    function, points, tolerance = EXACT[name]
    found = getattr(owner, name)(*map(np.array, points))
    if source == "scipy":
        tolerance = LESS_IN_SCIPY.get(name, tolerance)
    np.testing.assert_allclose(found, reference(function, *points), rtol=tolerance, atol=0)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_polygamma_to_the_last_digits(n):
    x = [*POSITIVE, 1e5, -0.3, -7.25, -20.5]
    found = approximation.polygamma(n, np.array(x))
    with mpmath.workdps(40):
        wanted = [float(mpmath.polygamma(n, mpmath.mpf(at))) for at in x]
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


# Where they end: what SciPy gives there.
ENDS = {
    "erfcx": [[-inf, inf, nan, 27.0, -27.0]],
    "erfinv": [[-1.0, 1.0, 1.5, nan, 0.0]],
    "log_ndtr": [[-inf, inf, nan]],
    "ndtri": [[0.0, 1.0, -0.1, 1.1, nan]],
    "gammaln": [[0.0, -1.0, -2.0, inf, -inf, nan, 1.0, 2.0, 1e300]],
    "psi": [[0.0, -1.0, inf, nan]],
    "xlogy": [[0.0, 0.0, 0.0, 1.0, nan, 0.0], [0.0, -1.0, nan, 0.0, 1.0, inf]],
    "xlog1py": [[0.0, 0.0, 0.0, 1.0, nan, 0.0], [-1.0, -2.0, nan, -1.0, 1.0, inf]],
    "entr": [[0.0, -1.0, inf, nan, 1.0]],
    "logit": [[0.0, 1.0, -0.5, 1.5, nan, 0.5]],
}


@pytest.mark.parametrize("name", ENDS)
def test_special_functions_at_their_ends_are_scipys(name):
    scipys = pytest.importorskip("scipy.special")
    points = [np.array(p) for p in ENDS[name]]
    found = getattr(approximation, name)(*points)
    np.testing.assert_allclose(found, getattr(scipys, name)(*points), rtol=1e-14)


@pytest.fixture
def without_scipy(monkeypatch):
    """As if SciPy were not installed."""
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    special.implementation.cache_clear()
    yield
    special.implementation.cache_clear()


SPECIAL = [name for name, op in ELEMENTWISE.items() if op.__module__ == "minigrad.ops.special"]


def test_without_scipy_float32_is_exact_too(without_scipy):
    x = np.linspace(0.05, 0.95, 200, dtype=np.float32)
    for op in (mg.erf, mg.erfinv, mg.gammaln, mg.digamma, mg.ndtri, mg.logit, mg.log_ndtr):
        found, wanted = op(x), op(x.astype(np.float64)).astype(np.float32)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", SPECIAL)
def test_special_ops_without_scipy(name, without_scipy):
    op = ELEMENTWISE[name]
    call = call_of(op, cases_of(op)[0], np.random.default_rng(0))
    assert special.implementation("erf") is approximation.erf
    alone = op(*call.arrays, **call.params)
    gradcheck(lambda *t: op(*t, **call.params), *call.arrays, order=2).raise_if_failed()
    special.implementation.cache_clear()
    sys.modules.pop("scipy"), sys.modules.pop("scipy.special")
    pytest.importorskip("scipy.special")
    special.implementation.cache_clear()
    np.testing.assert_allclose(alone, op(*call.arrays, **call.params), rtol=3e-14)


def test_importing_minigrad_imports_no_scipy():
    told = "import sys, minigrad; print('scipy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize("name", special.SCIPY)
def test_scipys_ufuncs_run_on_tensors(name):
    ufunc = getattr(pytest.importorskip("scipy.special"), name)
    arrays = [np.array([0.25, 0.5]), np.array([0.75, 0.5])][: ufunc.nin]
    tensors = [mg.Tensor(x, requires_grad=True) for x in arrays]
    out = ufunc(*tensors)
    assert type(out) is mg.Tensor
    np.testing.assert_allclose(out.numpy(), ufunc(*arrays), rtol=1e-15)
    gradcheck(ufunc, *arrays, order=2).raise_if_failed()


def test_other_ufuncs_of_scipy_and_of_that_name_are_refused():
    scipys = pytest.importorskip("scipy.special")
    t = mg.Tensor([0.5], requires_grad=True)
    with pytest.raises(NotDifferentiable, match=r"scipy\.special\.gamma has no gradient rule"):
        scipys.gamma(t)
    assert type(scipys.gamma(mg.Tensor([0.5]))) is not mg.Tensor
    assert special.of_scipy(np.frompyfunc(abs, 1, 1)) is None
    with pytest.raises(NotDifferentiable):
        scipys.logsumexp(t)


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [("?", "f2"), ("i1", "f2"), ("u2", "f4"), ("i8", "f8"), ("f2", "f2"), ("f4", "f4")],
)
@pytest.mark.parametrize("op", [mg.erf, mg.gammaln, mg.digamma, mg.entr, lambda x: mg.xlogy(x, x)])
def test_special_functions_have_the_dtype_of_exp(op, dtype, wanted):
    x = np.ones(2, dtype)
    assert op(x).dtype == wanted == np.exp(x).dtype
    assert op(mg.Tensor(x)).dtype == wanted
    assert mg.polygamma(1, x).dtype == wanted


def test_special_functions_of_numbers_and_of_complex_ones():
    assert mg.erf(0.5) == pytest.approx(0.5204998778130465, rel=1e-15)
    assert mg.gammaln(5) == pytest.approx(np.log(24))
    with pytest.raises(DTypeError, match="erf takes real numbers, not complex128"):
        mg.erf(1j)


@pytest.mark.parametrize("n", [-1, 1.5])
def test_polygamma_of_what_is_no_order(n):
    with pytest.raises(ValueError, match="a whole number of at least 0"):
        mg.polygamma(n, np.ones(1))


def test_polygamma_of_order_0_is_digamma():
    x = mg.Tensor([0.5], requires_grad=True)
    assert mg.polygamma(0, x).node.primitive is mg.digamma


# Ops of two results, and those that take what is not a number


def test_divmod_modf_and_frexp_are_numpys():
    a, b = np.array([7.0, -7.0, 5.5]), np.array([2.0, 2.0, -1.5])
    for mine, theirs in zip(np.divmod(mg.Tensor(a), b), np.divmod(a, b), strict=True):
        np.testing.assert_array_equal(plain(mine), theirs)
    x = np.array([1.5, -2.25, -0.0, 3.0, inf, -inf, -0.75])
    for mine, theirs in zip(np.modf(mg.Tensor(x)), np.modf(x), strict=True):
        np.testing.assert_array_equal(plain(mine), theirs)
        np.testing.assert_array_equal(np.signbit(plain(mine)), np.signbit(theirs))
    x = np.array([3.0, -0.3, 1e-310, 0.0, 1e300])
    for mine, theirs in zip(np.frexp(mg.Tensor(x)), np.frexp(x), strict=True):
        np.testing.assert_array_equal(plain(mine), theirs)
        assert mine.dtype == theirs.dtype


def test_gradients_of_divmod_modf_and_frexp():
    a, b = gradients(lambda a, b: mg.divmod(a, b)[1], [7.0, -7.0], [2.0, 2.0])
    np.testing.assert_array_equal([a, b], [[1, 1], [-3, 4]])
    np.testing.assert_array_equal(slope(lambda x: mg.modf(x)[0], [1.5, -2.25, inf]), [1, 1, 0])
    np.testing.assert_array_equal(slope(lambda x: mg.modf(x)[1], [1.5, -2.25]), [0, 0])
    np.testing.assert_array_equal(slope(lambda x: mg.frexp(x)[0], [3.0, 0.125]), [0.25, 4.0])


def test_the_mantissa_times_its_power_is_the_identity():
    def again(x):
        mantissa, exponent = mg.frexp(x)
        return mg.ldexp(mantissa, exponent) * x

    assert derivative(again, 1)(3.0).item() == 6.0
    assert derivative(again, 2)(3.0).item() == 2.0


def test_fmod_counts_whole_periods_exactly():
    a, b = 1e15 + 0.25, 0.1
    _, to_b = gradients(mg.fmod, a, b)
    assert to_b == -(Fraction(a) // Fraction(b))


def test_float_power_is_float64():
    x = mg.Tensor(np.array([2, 4], np.float32), requires_grad=True)
    out = np.float_power(x, -1)
    assert out.dtype == np.float64
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.numpy(), [-0.25, -0.0625])
    np.testing.assert_array_equal(mg.float_power(2, -1), 0.5)


def test_nan_to_num_with_numbers_of_ones_own():
    x = np.array([nan, inf, -inf, 2.0])
    found = np.nan_to_num(mg.Tensor(x), nan=1.0, posinf=5.0, neginf=-5.0)
    np.testing.assert_array_equal(plain(found), [1, 5, -5, 2])
    np.testing.assert_array_equal(slope(mg.nan_to_num, x), [0, 0, 0, 1])


STEPS = ["sign", "floor", "ceil", "trunc", "rint", "round", "angle", "step"]


@pytest.mark.parametrize("name", STEPS)
def test_the_gradient_of_a_step_is_0_whatever_comes_back(name):
    x = mg.Tensor([0.25, 0.25, 0.25], requires_grad=True)
    getattr(mg, name)(x).backward(np.array([inf, nan, 1.0]))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), 0.0)


def test_round_to_decimals():
    x = mg.Tensor([1.25, 12.345], requires_grad=True)
    np.testing.assert_array_equal(plain(np.round(x, 1)), np.round([1.25, 12.345], 1))
    np.testing.assert_array_equal(plain(np.around(x, decimals=-1)), [0.0, 10.0])


def test_real_and_imaginary_parts_of_real_tensors():
    x = mg.Tensor([1.0, -2.0], requires_grad=True)
    assert np.real(x) is x
    assert not np.imag(x).requires_grad
    np.testing.assert_array_equal(plain(np.imag(x)), [0.0, 0.0])
    np.testing.assert_array_equal(slope(np.conj, [1.0, -2.0]), [1.0, 1.0])
    np.testing.assert_array_equal(plain(np.angle(x, deg=True)), [0.0, 180.0])


def test_ops_of_whole_numbers_take_tensors():
    a, b = mg.Tensor([12, 18]), np.array([18, 4])
    np.testing.assert_array_equal(plain(np.gcd(a, b)), [6, 2])
    np.testing.assert_array_equal(plain(np.lcm(a, b)), [36, 36])
    np.testing.assert_array_equal(plain(np.left_shift(a, 1)), [24, 36])
    np.testing.assert_array_equal(plain(np.bitwise_count(a)), [2, 2])


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize(
    "name", [n for n, op in ELEMENTWISE.items() if op.numpy and not op.statics]
)
def test_dtypes_are_numpys(name, dtype):
    op = ELEMENTWISE[name]
    arrays = [np.ones(2, dtype if kind_of(op, i) == "f" else int) for i in range(op.arity)]
    with np.errstate(all="ignore"):
        try:
            wanted = op.numpy[0](*arrays)
        except TypeError:
            with pytest.raises(TypeError):
                op(*map(mg.Tensor, arrays))
            return
        found = op(*map(mg.Tensor, arrays)).numpy()
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


# Kinks

ROW = re.compile(r"\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \| [^|]+ \|")
ROWS = [line for line in KINKS.read_text().splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("row", ROWS)
def test_kinks_are_as_documented(row):
    matched = ROW.fullmatch(row)
    assert matched, "a row is | `op(x)` | `x = value` | `gradient` | why |"
    call, where, gradient = matched.groups()
    values = eval(f"dict({where})", {"nan": nan, "inf": inf})
    with np.errstate(all="ignore"):
        found = gradients(
            lambda *tensors: eval(call, vars(mg) | dict(zip(values, tensors, strict=True))),
            *values.values(),
        )
    wanted = eval(f"({gradient},)", {"nan": nan, "inf": inf})
    for one, expected in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, expected)


def test_every_elementwise_kink_in_a_docstring_is_in_the_table():
    told = {"gradient at", "slope at", "gradient to", " tie", "gradient is 0", "gradients are 0"}
    listed = {re.split(r"\W", row.removeprefix("| `"))[0] for row in ROWS}
    speaking = {
        name
        for name, op in ELEMENTWISE.items()
        if name in vars(mg) and any(words in (op.__doc__ or "") for words in told)
    }
    assert speaking <= listed
