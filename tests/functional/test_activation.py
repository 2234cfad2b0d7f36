"""Activations: PyTorch's values and gradients, also at kinks and far out, in every dtype."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, smooth, value_and_gradients

RNG = np.random.default_rng(0)
SMOOTH = RNG.uniform(0.05, 0.45, (2, 4)) + np.array([[-4.0, -2.0, -1.0, 0.0], [0.5, 1.0, 2.0, 3.5]])
# Kinks of all of them, and what overflows when it is squared or exponentiated without care.
HARD = np.array([-1e4, -100.0, -6.0, -3.0, -1.0, -0.5, -1e-4, 0.0, 0.5, 1.0, 3.0, 6.0, 100.0, 1e4])

ACTIVATIONS = {
    "celu": (F.celu, lambda T, x: T.celu(x)),
    "celu 2": (lambda x: F.celu(x, 2.5), lambda T, x: T.celu(x, 2.5)),
    "elu": (F.elu, lambda T, x: T.elu(x)),
    "elu 2": (lambda x: F.elu(x, 2.5), lambda T, x: T.elu(x, 2.5)),
    "gelu": (F.gelu, lambda T, x: T.gelu(x)),
    "gelu tanh": (lambda x: F.gelu(x, "tanh"), lambda T, x: T.gelu(x, approximate="tanh")),
    "hardshrink": (F.hardshrink, lambda T, x: T.hardshrink(x)),
    "hardsigmoid": (F.hardsigmoid, lambda T, x: T.hardsigmoid(x)),
    "hardswish": (F.hardswish, lambda T, x: T.hardswish(x)),
    "hardtanh": (F.hardtanh, lambda T, x: T.hardtanh(x)),
    "hardtanh 3": (lambda x: F.hardtanh(x, -0.5, 3.0), lambda T, x: T.hardtanh(x, -0.5, 3.0)),
    "leaky_relu": (F.leaky_relu, lambda T, x: T.leaky_relu(x)),
    "leaky_relu 2": (lambda x: F.leaky_relu(x, 2.0), lambda T, x: T.leaky_relu(x, 2.0)),
    "mish": (F.mish, lambda T, x: T.mish(x)),
    "relu6": (F.relu6, lambda T, x: T.relu6(x)),
    "selu": (F.selu, lambda T, x: T.selu(x)),
    "silu": (F.silu, lambda T, x: T.silu(x)),
    "softshrink": (F.softshrink, lambda T, x: T.softshrink(x)),
    "softshrink 0": (lambda x: F.softshrink(x, 0.0), lambda T, x: T.softshrink(x, 0.0)),
    "softsign": (F.softsign, lambda T, x: T.softsign(x)),
    "tanhshrink": (F.tanhshrink, lambda T, x: T.tanhshrink(x)),
    "threshold": (lambda x: F.threshold(x, 0.5, 7.0), lambda T, x: T.threshold(x, 0.5, 7.0)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(np.float64, 1e-12, 1e-14), (np.float32, 4e-6, 1e-6)]
)
def test_torch_agrees_also_at_kinks_and_far_out(name, dtype, rtol, atol):
    ours, theirs = ACTIVATIONS[name]
    if name == "hardsigmoid":  # where PyTorch's slope is a sixth of single precision
        rtol = max(rtol, 1e-7)
    for x in (SMOOTH, HARD):
        agrees(Case(ours, theirs, [x.astype(dtype)]), rtol, atol)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_agree_with_finite_differences(name, order):
    smooth(Case(ACTIVATIONS[name][0], None, [SMOOTH]), order)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(), (0, 3), (4, 1)])
def test_shape_and_dtype_stay(name, shape):
    f = ACTIVATIONS[name][0]
    for dtype in (np.float16, np.float32, np.float64):
        x = np.full(shape, 0.3, dtype)
        alike(Case(f, None, [x]))
        value, (slope,) = value_and_gradients(f, [x])
        assert value.shape == slope.shape == shape
        assert value.dtype == slope.dtype == dtype


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_integers_become_floats_and_do_not_wrap_around(name):
    f = ACTIVATIONS[name][0]
    for dtype in (np.uint8, np.int64, bool):
        x = np.array([0, 1, 1], dtype)
        for given in (x, mg.tensor(x)):
            out = f(given)
            assert out.dtype == np.float64
            np.testing.assert_array_equal(np.asarray(out), f(x.astype(float)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_nan_stays_nan(name):
    with np.errstate(invalid="ignore"):
        assert np.isnan(ACTIVATIONS[name][0](np.array([np.nan]))).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_are_finite_far_out(name, order):
    f = ACTIVATIONS[name][0]
    for dtype in (np.float32, np.float64):
        x = mg.Tensor(HARD.astype(dtype), requires_grad=True)
        out = mg.sum(f(x))
        for _ in range(order):
            x.zero_grad()
            out.backward(create_graph=True)
            assert x.grad is not None
            assert np.isfinite(x.grad.numpy()).all()
            out = x.grad.sum()
            if not out.requires_grad:  # the second derivative of a line
                break


# Closed forms


def test_gelu_keeps_the_digits_of_its_left_tail():
    # x * Φ(x) at -10 and -30: 40 digits of mpmath, rounded.
    np.testing.assert_allclose(
        F.gelu(np.array([-10.0, -30.0])),
        [-7.619853024160526e-23, -1.4720141781444561e-196],
        rtol=1e-12,
    )
    x = np.array([-1.5, 0.25, 2.0])
    exact = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x]
    np.testing.assert_allclose(F.gelu(x), exact, rtol=1e-14)
    assert np.abs(F.gelu(x) - F.gelu(x, "tanh")).max() < 1e-3
    with pytest.raises(ValueError, match="approximate is 'none' or 'tanh', not 'erf'"):
        F.gelu(x, "erf")  # type: ignore[arg-type]


def test_selu_keeps_mean_and_variance():
    x = np.random.default_rng(0).standard_normal(200_000)
    out = F.selu(x)
    assert abs(out.mean()) < 0.01
    assert abs(out.var() - 1.0) < 0.02


def test_parts_of_a_line():
    x = np.array([-5.0, -1.0, 0.5, 5.0])
    np.testing.assert_allclose(F.hardswish(x), x * F.hardsigmoid(x))
    np.testing.assert_array_equal(F.softshrink(x) + np.clip(x, -0.5, 0.5), x)
    np.testing.assert_allclose(F.silu(x), x / (1 + np.exp(-x)), rtol=1e-15)
    np.testing.assert_allclose(F.mish(x), x * np.tanh(np.log1p(np.exp(x))), rtol=1e-14)


@pytest.mark.parametrize("f", [F.softshrink, F.hardshrink])
def test_shrinking_by_less_than_nothing(f):
    if f is F.softshrink:
        with pytest.raises(ValueError, match="lambd is not negative, but -1"):
            f(np.ones(1), -1.0)
    else:
        np.testing.assert_array_equal(f(np.array([0.0, 0.1]), -1.0), [0.0, 0.1])


# Those of several operands


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 3, 2, 2)])
@pytest.mark.parametrize("each", [False, True])
def test_prelu(shape, each):
    each = each and len(shape) > 1
    x = RNG.permutation(np.linspace(-2.0, 2.1, math.prod(shape))).reshape(shape)
    weight = RNG.uniform(0.1, 0.9, shape[1] if each else 1)
    case = Case(F.prelu, lambda T, x, w: T.prelu(x, w), [x, weight])
    smooth(case, 2)
    alike(case)
    assert F.prelu(x.astype("f4"), weight).dtype == np.float32
    if not each:
        np.testing.assert_array_equal(F.prelu(x, weight[0]), F.prelu(x, weight))
    agrees(case)


def test_slope_of_prelu_at_zero_is_its_weight():
    _, (slope, of_weight) = value_and_gradients(F.prelu, [np.zeros(2), np.array([0.25])])
    assert (slope.numpy() > 0).all()
    np.testing.assert_array_equal(of_weight.numpy(), [0.0])
    assert F.prelu(np.asarray(-2.0), np.array([0.5])).shape == ()


@pytest.mark.parametrize(("x", "weight"), [((2, 3), (2,)), ((3,), (3,)), ((2, 3), (1, 3))])
def test_prelu_refuses_weights_that_are_no_channels(x, weight):
    with pytest.raises(ShapeError, match=r"pass one weight, or one for each channel"):
        F.prelu(np.ones(x), np.ones(weight))


@pytest.mark.parametrize(("shape", "axis"), [((4,), -1), ((2, 6), 1), ((4, 3), 0), ((2, 4, 3), -2)])
def test_glu(shape, axis):
    case = Case(lambda x: F.glu(x, axis), lambda T, x: T.glu(x, axis), [RNG.normal(size=shape)])
    smooth(case, 2)
    alike(case)
    agrees(case)


@pytest.mark.parametrize("x", [np.ones((2, 3)), np.ones(())])
def test_glu_needs_halves(x):
    with pytest.raises(ShapeError, match=r"has no halves along axis -1"):
        F.glu(x)
    with pytest.raises(IndexError):
        F.glu(np.ones((2, 4)), axis=2)


@pytest.mark.parametrize("f", [F.elu, F.selu, F.celu, F.leaky_relu, lambda x: F.prelu(x, 0.25)])
def test_nan_and_infinities_pass_through_what_bends_at_zero(f):
    x = mg.tensor([np.nan, np.inf, -np.inf, 0.0, -0.0], requires_grad=True)
    out = f(x)
    out.backward(np.ones(5))
    assert np.isnan(out.data[0])
    assert out.data[1] == np.inf
    assert out.data[2] < -0.9
    np.testing.assert_array_equal(out.data[3:], 0.0)
    assert x.grad is not None
    assert x.grad.data[0] != 0.0  # NaN, or the slope below 0: never as if nothing had happened
    np.testing.assert_allclose(x.grad.data[3:], f(np.array(-1e-9)) / -1e-9, rtol=1e-6)
