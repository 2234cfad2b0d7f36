"""Dropout of elements and of channels: what is dropped, what stays, and from which stream."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import value_and_gradients


def test_dropout_keeps_the_mean_and_scales_what_stays():
    x = np.ones(20000)
    for p in (0.1, 0.5, 0.9):
        out = F.dropout(x, p, rng=0)
        np.testing.assert_allclose(np.unique(out), [0.0, 1.0 / (1.0 - p)], rtol=1e-15)
        # Six standard deviations of a binomial share.
        assert abs(np.mean(out == 0) - p) < 6 * math.sqrt(p * (1 - p) / x.size)


def test_dropout_sends_gradients_where_values_went():
    x = mg.Tensor(np.full(50, 2.0), requires_grad=True)
    out = F.dropout(x, 0.3, rng=1)
    out.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), out.numpy() / 2.0)
    assert mg.gradcheck(lambda t: (F.dropout(t, 0.4, rng=5) ** 2).sum(), np.ones(9), order=2)


def test_dropout_may_do_nothing_or_drop_everything():
    x = mg.Tensor([1.0, 2.0])
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    np.testing.assert_array_equal(F.dropout(x, 1.0).numpy(), [0.0, 0.0])


def test_dropout_draws_from_the_global_stream_or_its_own():
    x = np.ones(64)
    mg.seed(5)
    first = F.dropout(x)
    second = F.dropout(x)
    mg.seed(5)
    np.testing.assert_array_equal(F.dropout(x), first)
    assert (first != second).any()
    np.testing.assert_array_equal(F.dropout(x, rng=5), F.dropout(x, rng=5))
    stream = np.random.default_rng(5)
    assert (F.dropout(x, rng=stream) != F.dropout(x, rng=stream)).any()


def test_dropout_keeps_floats_and_scales_integers():
    for dtype in (np.float16, np.float32, np.float64):
        assert F.dropout(np.ones(3, dtype), 0.4, rng=0).dtype == dtype
    np.testing.assert_allclose(np.unique(F.dropout(np.ones(20, int), 0.2, rng=0)), [0.0, 1.25])


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match="dropout: p is a probability, not"):
        F.dropout(np.ones(2), p)


# Whole channels

CHANNELS = [(F.dropout1d, 1), (F.dropout2d, 2), (F.dropout3d, 3)]


@pytest.mark.parametrize(("f", "spatial"), CHANNELS)
def test_channels_are_dropped_whole(f, spatial):
    for lead in ((200, 30), (6000,)):
        x = np.random.default_rng(0).uniform(1.0, 2.0, (*lead, *[2] * spatial))
        out = f(x, 0.3, rng=0)
        dropped = (out == 0).reshape(*lead, -1)
        np.testing.assert_array_equal(dropped.any(-1), dropped.all(-1))
        np.testing.assert_allclose(out[out != 0], (x / 0.7)[out != 0])
        # Six standard deviations of a binomial share of 6000.
        assert abs(dropped.mean() - 0.3) < 6 * math.sqrt(0.3 * 0.7 / 6000)


@pytest.mark.parametrize(("f", "spatial"), CHANNELS)
def test_dropout_of_channels_may_do_nothing_and_refuses_other_shapes(f, spatial):
    x = mg.tensor(np.ones((2, 3, *[2] * spatial), np.float32))
    assert f(x, 0.5, training=False) is x
    assert f(x, 0.0) is x
    assert f(x, 0.5, rng=0).dtype == np.float32
    np.testing.assert_array_equal(f(x, 1.0).numpy(), np.zeros(x.shape))
    for shape in ((2,) * spatial, (2,) * (spatial + 3)):
        with pytest.raises(
            ShapeError, match=rf"{f.__name__}: x .* is neither \(C, .*\) nor \(N, C,"
        ):
            f(np.ones(shape))
    with pytest.raises(ValueError, match=f"{f.__name__}: p is a probability, not 2"):
        f(x, 2)


# Alpha dropout


@pytest.mark.parametrize("f", [F.alpha_dropout, F.feature_alpha_dropout])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_alpha_dropout_keeps_mean_and_variance(f, p):
    x = np.random.default_rng(1).standard_normal((400, 500, 1))
    out = f(x, p, training=True, rng=0)
    assert abs(out.mean()) < 0.03
    assert abs(out.var() - 1.0) < 0.03
    # What is dropped has one value, which selu saturates to, scaled and shifted like the rest.
    values, counts = np.unique(out, return_counts=True)
    assert abs(counts.max() / x.size - p) < 0.01
    low = F.selu(np.array(-1e4))
    scale = ((1 - p) * (1 + p * low**2)) ** -0.5
    np.testing.assert_allclose(values[counts.argmax()], scale * low * (1 - p), rtol=1e-12)


def test_alpha_dropout_drops_whole_features():
    x = np.random.default_rng(1).standard_normal((40, 5, 6))
    out = F.feature_alpha_dropout(x, 0.5, training=True, rng=0)
    flat = (out == out.min(-1, keepdims=True)).all(-1)
    assert 0.3 < flat.mean() < 0.7
    assert (np.ptp(out, axis=-1)[~flat] > 0).all()
    with pytest.raises(ShapeError, match=r"has no channels"):
        F.feature_alpha_dropout(np.ones(3), training=True)


@pytest.mark.parametrize("f", [F.alpha_dropout, F.feature_alpha_dropout])
def test_alpha_dropout_off_and_its_gradient(f):
    x = mg.tensor(np.ones((3, 2), np.float32))
    assert f(x) is x  # as in PyTorch it is off by default
    assert f(x, 0.0, training=True) is x
    assert f(x, 0.5, training=True, rng=0).dtype == np.float32
    value, (slope,) = value_and_gradients(lambda t: f(t, 0.5, True, 3), [np.ones((4, 3))])
    dropped = value == value.min()
    assert dropped.any()
    assert not dropped.all()
    np.testing.assert_array_equal(slope.numpy() == 0, dropped)
    np.testing.assert_array_equal(f(np.ones((2, 2)), 1.0, True), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="p is a probability, not -1"):
        f(x, -1)
