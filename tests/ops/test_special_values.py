"""Values at which ops have conventions, lose digits, or are handed nothing at all."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import ShapeError

inf, nan = np.inf, np.nan


def gradient(f, *arrays, g=None, dtype=np.float64):
    """Gradients of ``f`` at the arrays; a single one for a single array."""
    tensors = [mg.Tensor(np.asarray(a, dtype), requires_grad=True) for a in arrays]
    out = f(*tensors)
    out.backward(np.ones(out.shape, out.dtype) if g is None else np.asarray(g, out.dtype))
    found = []
    for t in tensors:
        assert t.grad is not None
        assert t.grad.dtype == t.dtype
        found.append(t.grad.numpy())
    return found[0] if len(found) == 1 else found


def equal(found, wanted):
    np.testing.assert_array_equal(found, wanted)


# Ties


@pytest.mark.parametrize("op", [mg.maximum, mg.minimum])
def test_operands_that_tie_share_the_cotangent(op):
    a, b = gradient(op, [1.0, 2.0, -0.0], [1.0, 3.0, 0.0])
    equal(a + b, [1.0, 1.0, 1.0])
    assert a[0] == b[0] == 0.5
    assert a[2] == b[2] == 0.5


@pytest.mark.parametrize(("op", "x"), [(mg.max, [3.0, 1.0, 3.0]), (mg.min, [0.0, 1.0, 0.0])])
def test_elements_that_tie_share_the_cotangent(op, x):
    equal(gradient(op, x), [0.5, 0.0, 0.5])
    equal(gradient(lambda t: op(t, axis=0), np.array(x)[:, None]), [[0.5], [0.0], [0.5]])


def test_a_maximum_of_equal_operands_of_several_shapes():
    a, b = gradient(mg.maximum, np.ones((2, 3)), 1.0)
    equal(a, np.full((2, 3), 0.5))
    equal(b, 3.0)


# Powers


def test_zero_to_the_power_of_zero():
    equal(mg.power(np.array(0.0), 0.0), 1.0)
    a, b = gradient(mg.power, 0.0, 0.0)
    equal(a, 0.0)
    equal(b, 0.0)


@pytest.mark.parametrize(
    ("exponent", "slope"), [(2, 0.0), (1, 1.0), (3.0, 0.0), (0, 0.0), (2.0, 0.0)]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_powers_at_zero(exponent, slope, dtype):
    equal(gradient(lambda x: x**exponent, [0.0, 0.0], dtype=dtype), [slope, slope])
    array = np.asarray(exponent, dtype)
    equal(gradient(lambda x: x**array, [0.0, 0.0], dtype=dtype), [slope, slope])


def test_powers_of_negative_numbers():
    equal(gradient(lambda x: x**3, [-2.0]), [12.0])
    equal(gradient(lambda x: x**-1, [-2.0]), [-0.25])
    equal(gradient(lambda b: mg.power(np.array([-2.0, 0.0]), b), [2.0, 2.0]), [0.0, 0.0])


def test_no_exponent_of_a_base_without_logarithm_has_a_gradient_even_where_the_power_is_infinite():
    with np.errstate(divide="ignore"):
        equal(gradient(lambda b: mg.power(np.array([0.0, 0.0, -1.0]), b), [-1.0, 2.0, -2.0]), 0.0)
        equal(gradient(lambda b: 0.0**b, [-1.0, 0.0, 2.0]), 0.0)
    equal(gradient(lambda b: mg.power(np.array([nan, 2.0]), b), [2.0, 1.0]), [nan, 2 * np.log(2)])


def test_the_second_derivative_of_a_square_at_zero():
    equal(mg.grad(mg.grad(lambda x: x**2))(0.0).numpy(), 2.0)
    equal(mg.grad(mg.grad(lambda x: x**2.0))(0.0).numpy(), 2.0)


@pytest.mark.parametrize(
    ("op", "x", "wanted"),
    [
        (mg.power, (2.0, 0.0), [[0.0, 0.5], [0.5, math.log(2) ** 2]]),
        (mg.power, (2.0, 1.0), [[0.0, 1 + math.log(2)], [1 + math.log(2), 2 * math.log(2) ** 2]]),
        (mg.logaddexp, (-0.4, -0.4), [[0.25, -0.25], [-0.25, 0.25]]),
        (mg.logaddexp2, (3.0, 3.0), math.log(2) * np.array([[0.25, -0.25], [-0.25, 0.25]])),
        (mg.hypot, (1.0, 1.0), 0.5**1.5 * np.array([[1.0, -1.0], [-1.0, 1.0]])),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_second_derivatives_where_a_rule_takes_care_of_the_first(op, x, wanted):
    found = mg.hessian(lambda v: op(v[0], v[1]))(np.array(x))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-14)


# Edges of domains


def test_log_and_sqrt_at_the_edge():
    with np.errstate(divide="ignore"):
        equal(mg.log(np.array([0.0])), [-inf])
        equal(gradient(mg.log, [0.0]), [inf])
        equal(gradient(mg.sqrt, [0.0]), [inf])
        equal(gradient(mg.log1p, [-1.0]), [inf])
    np.testing.assert_allclose(gradient(mg.log, [1e-300]), [1e300])


def test_where_keeps_nan_out_of_the_branch_not_taken():
    def safe_log(x):
        with np.errstate(invalid="ignore", divide="ignore"):
            return mg.where(x > 0, mg.log(mg.where(x > 0, x, 1.0)), 0.0)

    equal(gradient(safe_log, [-1.0, 0.0, 2.0]), [0.0, 0.0, 0.5])
    a, b = gradient(lambda a, b: mg.where(np.array([True, False]), a, b), [1.0, nan], [inf, 2.0])
    equal(a, [1.0, 0.0])
    equal(b, [0.0, 1.0])


def test_the_cotangent_of_a_dead_branch_is_selected_not_multiplied():
    a, b = gradient(
        lambda a, b: mg.where(np.array([True, False]), a, b), [1.0, 1.0], [2.0, 2.0], g=[nan, inf]
    )
    equal(a, [nan, 0.0])
    equal(b, [0.0, inf])


# Saturation


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sigmoid_far_out(dtype):
    x = np.array([-1e4, -50.0, 0.0, 50.0, 1e4], dtype)
    y = mg.sigmoid(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, [0, math.exp(-50), 0.5, 1, 1], rtol=1e-6)
    slope = gradient(mg.sigmoid, x, dtype=dtype)
    assert slope[0] == slope[4] == 0.0
    assert slope[2] == 0.25
    np.testing.assert_allclose(slope[1], math.exp(-50), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_softplus_and_tanh_far_out(dtype):
    x = np.array([-1e4, 0.0, 1e4], dtype)
    np.testing.assert_allclose(mg.softplus(x), [0.0, math.log(2), 1e4], rtol=1e-6)
    equal(gradient(mg.softplus, x, dtype=dtype), [0.0, 0.5, 1.0])
    equal(gradient(mg.tanh, x, dtype=dtype), [0.0, 1.0, 0.0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shift", [-1e4, 0.0, 1e4])
def test_logsumexp_far_out(dtype, shift):
    x = np.asarray(np.array([0.0, 1.0, 1.0]) + shift, dtype)
    total = 1 + 2 * math.e
    np.testing.assert_allclose(mg.logsumexp(x), math.log(total) + shift, rtol=1e-6)
    np.testing.assert_allclose(
        gradient(mg.logsumexp, x, dtype=dtype), np.array([1, math.e, math.e]) / total, rtol=1e-6
    )


def test_logsumexp_of_infinities():
    equal(mg.logsumexp(np.array([-inf, 0.0])), 0.0)
    equal(gradient(mg.logsumexp, [-inf, 0.0]), [0.0, 1.0])
    equal(mg.logsumexp(np.array([-inf, -inf])), -inf)
    equal(mg.logsumexp(np.array([inf, 0.0])), inf)
    equal(mg.logsumexp(np.array([[-inf, -inf], [0.0, -inf]]), axis=1), [-inf, 0.0])


# Reductions of nothing, of zeros, of equal elements


def test_reductions_of_nothing():
    nothing = np.zeros((0, 3))
    equal(mg.sum(nothing, axis=0), np.zeros(3))
    equal(mg.prod(nothing, axis=0), np.ones(3))
    equal(mg.logsumexp(nothing, axis=0), np.full(3, -inf))
    op: Any
    for op in (mg.sum, mg.prod, mg.logsumexp):
        assert gradient(lambda x, op=op: op(x, axis=0), nothing).shape == (0, 3)
    for op in (mg.max, mg.min):
        with pytest.raises(ValueError, match=r"zero-size|no identity"):
            op(mg.Tensor(nothing), axis=0)
    with pytest.warns(RuntimeWarning, match="invalid|empty"):
        assert np.isnan(mg.mean(np.zeros(0)))


@pytest.mark.parametrize(
    ("x", "wanted"),
    [
        ([2.0, 0.0, 4.0], [0.0, 8.0, 0.0]),
        ([0.0, 0.0, 4.0], [0.0, 0.0, 0.0]),
        ([2.0, 3.0, 4.0], [12.0, 8.0, 6.0]),
        ([5.0], [1.0]),
        ([0.0], [1.0]),
    ],
)
def test_the_gradient_of_a_product_with_zeros(x, wanted):
    equal(gradient(mg.prod, x), wanted)


@pytest.mark.parametrize(
    ("x", "wanted"),
    [
        ([np.inf, 2.0, 3.0], [6.0, np.inf, np.inf]),
        ([0.0, np.inf], [np.inf, 0.0]),
        ([np.nan, 0.0], [0.0, np.nan]),
    ],
)
def test_the_gradient_of_a_product_with_what_is_not_finite(x, wanted):
    with np.errstate(invalid="ignore"):
        equal(gradient(mg.prod, np.array(x)), wanted)


def test_the_second_derivative_of_a_product_with_zeros():
    found = mg.hessian(lambda x: mg.prod(x))(np.array([0.0, 0.0, 4.0])).numpy()
    equal(found, [[0, 4, 0], [4, 0, 0], [0, 0, 0]])


def test_std_of_equal_elements_has_the_gradient_zero():
    equal(gradient(mg.std, [2.0, 2.0, 2.0]), [0.0, 0.0, 0.0])
    equal(gradient(lambda x: mg.std(x, axis=1), [[1.0, 1.0], [1.0, 3.0]]), [[0, 0], [-0.5, 0.5]])
    equal(gradient(mg.var, [2.0, 2.0]), [0.0, 0.0])


def test_moments_without_degrees_of_freedom_are_nan():
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="Degrees of freedom"):
        assert np.isnan(mg.var(np.array([1.0]), ddof=1))


@pytest.mark.parametrize("op", [mg.sum, mg.mean, mg.max, mg.prod, mg.var, mg.logsumexp])
def test_reductions_in_float16(op):
    x = np.linspace(0.5, 1.5, 8, dtype=np.float16)
    out = op(x)
    assert out.dtype == np.float16
    np.testing.assert_allclose(out, op(x.astype(np.float64)), rtol=4e-3)
    low, high = gradient(op, x, dtype=np.float16), gradient(op, x)
    np.testing.assert_allclose(low, high, rtol=1e-2, atol=2e-3)


def test_a_float16_mean_does_not_overflow_on_the_way():
    x = np.full(4096, 100.0, np.float16)
    equal(mg.mean(x), np.float16(100.0))
    assert np.all(np.isfinite(gradient(mg.mean, x, dtype=np.float16)))


# Bounds


def test_clip_with_bounds_left_out():
    x = [-2.0, 0.5, 2.0]
    equal(mg.clip(np.array(x), None, 1.0), [-2.0, 0.5, 1.0])
    equal(gradient(lambda t: mg.clip(t, None, 1.0), x), [1.0, 1.0, 0.0])
    equal(gradient(lambda t: mg.clip(t, 0.0, None), x), [0.0, 1.0, 1.0])
    equal(gradient(lambda t: mg.clip(t, 0.0), x), [0.0, 1.0, 1.0])
    equal(gradient(lambda t: np.clip(t, 0.0, 1.0), x), [0.0, 1.0, 0.0])


def test_a_bound_of_clip_has_one_of_its_two_names():
    x = np.array([-1.0, 0.5, 3.0])
    equal(mg.clip(x, min=0.0, max=1.0), mg.clip(x, 0.0, 1.0))
    equal(gradient(lambda t: t.clip(min=0.0), x), [0.0, 1.0, 1.0])
    for both in ({"min": 0.0}, {"a_max": 1.0, "max": 1.0}):
        with pytest.raises(TypeError, match="one bound"):
            mg.clip(x, 0.0, **both)


def test_clip_on_its_bounds_gives_the_cotangent_to_x():
    x, low, high = gradient(mg.clip, [0.0, 1.0, -5.0, 5.0], 0.0, 1.0)
    equal(x, [1.0, 1.0, 0.0, 0.0])
    equal(low, 1.0)
    equal(high, 1.0)


def test_clip_with_crossed_bounds_gives_the_upper_one():
    x, low, high = gradient(mg.clip, [0.0, 5.0], 3.0, 2.0)
    equal(x + low.sum() * 0, [0.0, 0.0])
    equal(low, 0.0)
    equal(high, 2.0)


# Indices


def test_an_element_read_twice_collects_both_cotangents():
    equal(gradient(lambda x: x[[0, 2, 0]], [1.0, 2.0, 3.0], g=[1.0, 10.0, 100.0]), [101, 0, 10])
    equal(gradient(lambda x: x[np.array([-1, 2])], [1.0, 2.0, 3.0]), [0.0, 0.0, 2.0])


def test_set_at_gives_the_cotangent_to_the_value_that_stayed():
    x, v = gradient(
        lambda x, v: mg.set_at(x, np.array([1, 1]), v), [1.0, 2.0, 3.0], [5.0, 7.0], g=[1.0, 2, 3]
    )
    equal(x, [1.0, 0.0, 3.0])
    equal(v, [0.0, 2.0])
    equal(mg.set_at(np.zeros(2), np.array([1, 1]), np.array([5.0, 7.0])), [0.0, 7.0])


def test_set_at_does_not_cut_fractions_off():
    equal(mg.set_at(np.array([1, 2]), 0, 5), [5, 2])
    equal(mg.set_at(np.array([1.0, 2.0]), 0, 5), [5.0, 2.0])
    with pytest.raises(TypeError, match=r"int64 would cut a value's fraction off"):
        mg.set_at(mg.Tensor([1, 2]), 0, mg.Tensor(5.5, requires_grad=True))


def test_add_at_adds_at_a_repeated_index():
    equal(mg.add_at(np.zeros(2), np.array([1, 1]), np.array([5.0, 7.0])), [0.0, 12.0])
    x, v = gradient(
        lambda x, v: mg.add_at(x, np.array([1, 1]), v), [1.0, 2.0], [5.0, 7.0], g=[1.0, 2.0]
    )
    equal(x, [1.0, 2.0])
    equal(v, [2.0, 2.0])


@pytest.mark.parametrize(
    ("shape", "axis", "indices"),
    [
        ((2, 3, 4), 2, [[[0, -1, 0]]]),
        ((2, 1, 4), 0, [[[1, 1, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0]]]),
        ((1, 3), 1, [[0, 2], [2, 2], [1, 0]]),
    ],
)
def test_take_along_axis_broadcasts_the_other_axes(shape, axis, indices):
    x, indices = np.arange(1.0, 1 + math.prod(shape)).reshape(shape), np.array(indices)
    wanted = np.take_along_axis(x, indices, axis)
    g = np.arange(1.0, 1 + wanted.size).reshape(wanted.shape)
    found = gradient(lambda t: mg.take_along_axis(t, indices, axis), x, g=g)
    for place in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[place] = 1.0
        assert found[place] == np.sum(g * np.take_along_axis(unit, indices, axis))


def test_indices_may_be_tensors():
    x = mg.Tensor([3.0, 1.0, 2.0], requires_grad=True)
    order = mg.argsort(x)
    equal(mg.take_along_axis(x, order, axis=0).numpy(), [1.0, 2.0, 3.0])
    equal(x[order].numpy(), [1.0, 2.0, 3.0])
    mg.set_at(x, order[:1], 9.0).sum().backward()
    assert x.grad is not None
    equal(x.grad.numpy(), [1.0, 0.0, 1.0])


def test_masks_and_empty_indices():
    equal(gradient(lambda x: x[x.numpy() > 1], [1.0, 2.0, 3.0]), [0.0, 1.0, 1.0])
    equal(gradient(lambda x: x[np.zeros(0, int)], [1.0, 2.0]), [0.0, 0.0])
    equal(gradient(lambda x: x[()], 2.0), 1.0)


# Contractions


def test_products_of_lists():
    equal(mg.matmul([[1.0, 2.0]], [[3.0], [4.0]]), [[11.0]])
    equal(mg.dot([1.0, 2.0], [3.0, 4.0]), 11.0)


SHAPES = {0: (), 1: (3,), 2: (3, 3), 3: (2, 3, 3), 4: (2, 2, 3, 3)}


@pytest.mark.parametrize(("m", "n"), list(itertools.product([1, 2, 3, 4], repeat=2)))
def test_matmul_of_every_pair_of_dimensions(m, n):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=SHAPES[m]), rng.normal(size=SHAPES[n])
    g = rng.normal(size=(a @ b).shape)
    np.testing.assert_allclose((mg.Tensor(a) @ mg.Tensor(b)).numpy(), a @ b, rtol=1e-14)
    pulled = gradient(mg.matmul, a, b, g=g)
    for i, (x, found) in enumerate(zip((a, b), pulled, strict=True)):
        assert found.shape == x.shape
        place = (0,) * x.ndim
        for sign in (1.0, -1.0):
            x[place] += sign
            shifted = np.sum(g * (a @ b))
            x[place] -= sign
            change = shifted - np.sum(g * (a @ b))
            np.testing.assert_allclose(change, sign * found[place], rtol=1e-9, err_msg=str(i))


@pytest.mark.parametrize(("m", "n"), [(0, 1), (0, 2), (1, 0), (2, 0)])
def test_matmul_of_a_scalar_says_what_to_do(m, n):
    with pytest.raises(ShapeError, match=r"use \* to scale"):
        mg.matmul(mg.Tensor(np.ones(SHAPES[m])), np.ones(SHAPES[n]))


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("...i,...i->...", [(2, 3), (3,)]),
        ("...ij,jk->...ik", [(2, 4, 3), (3, 2)]),
        ("i...,i...", [(3, 2), (3, 2)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("iij->j", [(2, 2, 3)]),
        ("ij->", [(2, 3)]),
        ("ij,ij,jk->ik", [(2, 3), (2, 3), (3, 2)]),
        ("i,j", [(2,), (3,)]),
        ("ba", [(2, 3)]),
        ("...", [(2, 3)]),
        (" ij , jk -> ik", [(2, 3), (3, 2)]),
    ],
)
def test_einsum(subscripts, shapes):
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=s) for s in shapes]
    wanted = np.einsum(subscripts, *arrays)
    out = mg.einsum(subscripts, *map(mg.Tensor, arrays))
    np.testing.assert_allclose(out.numpy(), wanted, rtol=1e-13)
    g = rng.normal(size=wanted.shape)
    pulled = gradient(lambda *t: mg.einsum(subscripts, *t), *arrays, g=g)
    for i, found in enumerate(pulled if len(arrays) > 1 else [pulled]):
        direction = rng.normal(size=arrays[i].shape)
        others = [*arrays]
        others[i] = direction  # an einsum is linear in each operand
        np.testing.assert_allclose(
            np.sum(found * direction), np.sum(g * np.einsum(subscripts, *others)), rtol=1e-12
        )


# Borders


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("widths", [1, (2, 1), ((0, 2), (1, 0)), ((1, 1), (5, 4))])
def test_pad_modes(mode, widths):
    x = np.arange(6.0).reshape(2, 3)
    wanted = np.pad(x, widths, mode=mode)
    equal(mg.pad(x, widths, mode=mode), wanted)
    g = np.arange(1.0, wanted.size + 1).reshape(wanted.shape)
    found = gradient(lambda t: mg.pad(t, widths, mode=mode), x, g=g)
    for place in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[place] = 1.0
        assert found[place] == np.sum(g * np.pad(unit, widths, mode=mode))


@pytest.mark.parametrize("mode", ["constant", "edge"])
def test_pad_of_some_axes(mode):
    x, widths = np.arange(6.0).reshape(2, 3), [(0, 0), (2, 1)]
    equal(mg.pad(x, {-1: (2, 1)}, mode), np.pad(x, widths, mode=mode))
    g = np.arange(12.0).reshape(2, 6)
    found = gradient(lambda t: mg.pad(t, {1: (2, 1)}, mode), x, g=g)
    equal(found, gradient(lambda t: mg.pad(t, widths, mode), x, g=g))
    equal(
        gradient(lambda t: mg.pad(t, {0: 1}, mode), x, g=np.ones((4, 3))).sum(),
        12.0 - 6.0 * (mode == "constant"),
    )


def test_pad_with_another_constant_and_an_unknown_mode():
    equal(mg.pad(np.ones(2), 1, constant_values=7.0), [7.0, 1.0, 1.0, 7.0])
    with pytest.raises(ValueError, match="'mean' has no gradient rule"):
        mg.pad(np.ones(2), 1, mode="mean")


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "logsumexp"])
def test_a_0d_array_may_be_reduced_over_axis_0(name):
    t = mg.Tensor(3.0, requires_grad=True)
    getattr(mg, name)(t, 0).backward()
    assert t.grad is not None
    assert t.grad.item() == 1.0
