"""The softmax family: its values, and what a -inf, a whole row of them, and a dtype come to."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from tests.functional.agreement import Case, agrees, alike, smooth, value_and_gradients

RNG = np.random.default_rng(0)
FAMILY = {
    "softmax": (F.softmax, lambda T, x, axis: T.softmax(x, axis)),
    "log_softmax": (F.log_softmax, lambda T, x, axis: T.log_softmax(x, axis)),
    "softmin": (F.softmin, lambda T, x, axis: T.softmin(x, axis)),
}


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize(
    ("shape", "axis"), [((4,), 0), ((2, 3), -1), ((3, 1, 2), 1), ((2, 3, 1), -3)]
)
def test_torch_agrees(name, shape, axis):
    ours, theirs = FAMILY[name]
    x = RNG.normal(0, 4, shape)
    case = Case(lambda x: ours(x, axis), lambda T, x: theirs(T, x, axis), [x])
    alike(case)
    smooth(case, 2)
    agrees(case)
    agrees(case._replace(arrays=[x.astype("f4")]), 4e-6, 1e-6)


@pytest.mark.parametrize("name", FAMILY)
def test_huge_logits(name):
    ours, theirs = FAMILY[name]
    x = np.array([[1e4, -1e4, 0.0], [1e4, 1e4, 1e4]])
    for dtype in (np.float64, np.float32):
        agrees(Case(ours, lambda T, x: theirs(T, x, -1), [x.astype(dtype)]), 1e-6, 1e-7)


def test_softmin_is_the_softmax_of_the_opposite():
    x = RNG.normal(size=(2, 3))
    np.testing.assert_array_equal(F.softmin(x, 0), F.softmax(-x, 0))
    np.testing.assert_array_equal(F.softmin(np.array([0, 3], np.uint8)), F.softmax([0, -3]))


def test_an_impossible_class_gets_no_gradient_and_a_row_of_them_is_nan():
    x = np.array([[0.0, -np.inf, 1.0]])
    value, (slope,) = value_and_gradients(F.softmax, [x])
    assert value[0, 1] == slope.numpy()[0, 1] == 0.0
    assert np.isfinite(slope.numpy()).all()
    assert F.log_softmax(x)[0, 1] == -np.inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(F.softmax(np.full((1, 3), -np.inf))).all()
        assert np.isnan(F.log_softmax(np.full((1, 3), -np.inf))).all()


@pytest.mark.parametrize("f", [F.softmax, F.log_softmax, F.softmin])
def test_dtype_is_converted_before(f):
    x = np.array([60000.0, 59999.0, 0.0], np.float16)
    out = f(x, dtype=np.float32)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, f(x.astype(np.float32)))
    t = mg.Tensor(x, requires_grad=True)
    f(t, -1, np.float64)[0].backward()
    assert t.grad is not None
    assert t.grad.dtype == np.float16


# Gumbel-softmax


def test_gumbel_draws_as_often_as_the_softmax_says():
    logits = np.log(np.array([0.1, 0.2, 0.7]))
    drawn = F.gumbel_softmax(np.tile(logits, (20000, 1)), hard=True, rng=0)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_array_equal(drawn.sum(-1), 1.0)
    # Six standard deviations of a binomial share.
    np.testing.assert_allclose(drawn.mean(0), [0.1, 0.2, 0.7], atol=6 * math.sqrt(0.25 / 20000))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_hard_draw_is_the_argmax_of_the_soft_one_and_has_its_gradient(axis):
    x = RNG.normal(size=(4, 3))
    soft, (slope,) = value_and_gradients(lambda t: F.gumbel_softmax(t, 0.7, False, axis, 3), [x])
    hard, (other,) = value_and_gradients(lambda t: F.gumbel_softmax(t, 0.7, True, axis, 3), [x])
    np.testing.assert_allclose(soft.sum(axis), 1.0)
    np.testing.assert_array_equal(hard.argmax(axis), soft.argmax(axis))
    assert set(np.unique(hard)) == {0.0, 1.0}
    np.testing.assert_allclose(slope.numpy(), other.numpy(), rtol=1e-12)
    smooth(Case(lambda t: F.gumbel_softmax(t, 0.7, False, axis, 3), None, [x]), 2)


def test_gumbel_is_cold_when_tau_is_small_and_stays_float32():
    x = np.zeros(5, np.float32)
    assert F.gumbel_softmax(x, rng=0).dtype == np.float32
    assert F.gumbel_softmax(x, 1e-4, rng=0).max() == 1.0
    mg.seed(3)
    first = F.gumbel_softmax(x)
    mg.seed(3)
    np.testing.assert_array_equal(F.gumbel_softmax(x), first)
    with pytest.raises(ValueError, match="tau is a temperature above 0, not 0"):
        F.gumbel_softmax(x, 0.0)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
@pytest.mark.parametrize("function", [F.softmax, F.log_softmax, F.softmin])
def test_nothing_has_no_probabilities(function, shape):
    x = mg.tensor(np.zeros(shape), requires_grad=True)
    out = function(x)
    assert out.shape == shape
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == shape
