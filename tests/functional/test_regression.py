"""Losses of numbers: PyTorch's values and gradients, weights, edges, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, cut, smooth, value_and_gradients

RNG = np.random.default_rng(0)
X, T = RNG.normal(0, 1.5, (3, 4)), RNG.normal(0, 1.5, (3, 4))
W = RNG.uniform(0.5, 2.0, (3, 4))
LOGS = np.log(RNG.dirichlet(np.ones(4), 3))
PROBS = RNG.dirichlet(np.ones(4), 3)
COUNTS = np.array([[0.0, 1.0, 2.0, 5.0], [3.0, 0.0, 7.0, 1.0], [2.0, 2.0, 0.0, 1.0]])
VAR = RNG.uniform(0.2, 2.0, (3, 4))

LOSSES: dict[str, Any] = {
    "mse_loss": (F.mse_loss, "mse_loss", {}, [X, T]),
    "mse_loss weight": (
        lambda x, t, w, **k: F.mse_loss(x, t, weight=w, **k),
        lambda f, x, t, w, **k: f.mse_loss(x, t, weight=w, **k),
        {},
        [X, T, W],
    ),
    "l1_loss": (F.l1_loss, "l1_loss", {}, [X, T]),
    "l1_loss weight": (
        lambda x, t, w, **k: F.l1_loss(x, t, weight=w, **k),
        lambda f, x, t, w, **k: f.l1_loss(x, t, weight=w, **k),
        {},
        [X, T, W],
    ),
    "smooth_l1_loss": (F.smooth_l1_loss, "smooth_l1_loss", {}, [X, T]),
    "smooth_l1_loss 2": (F.smooth_l1_loss, "smooth_l1_loss", {"beta": 2.0}, [X, T]),
    "smooth_l1_loss 0": (F.smooth_l1_loss, "smooth_l1_loss", {"beta": 0.0}, [X, T]),
    "huber_loss": (F.huber_loss, "huber_loss", {}, [X, T]),
    "huber_loss half": (F.huber_loss, "huber_loss", {"delta": 0.5}, [X, T]),
    "huber_loss weight": (
        lambda x, t, w, **k: F.huber_loss(x, t, delta=1.5, weight=w, **k),
        lambda f, x, t, w, **k: f.huber_loss(x, t, delta=1.5, weight=w, **k),
        {},
        [X, T, W],
    ),
    "kl_div": (F.kl_div, "kl_div", {}, [LOGS, PROBS]),
    "kl_div log_target": (F.kl_div, "kl_div", {"log_target": True}, [LOGS, np.log(PROBS)]),
    "poisson_nll_loss": (F.poisson_nll_loss, "poisson_nll_loss", {}, [X, COUNTS]),
    "poisson_nll_loss rate": (
        F.poisson_nll_loss,
        "poisson_nll_loss",
        {"log_input": False, "eps": 1e-3},
        [np.exp(X), COUNTS],
    ),
    "poisson_nll_loss full": (
        F.poisson_nll_loss,
        "poisson_nll_loss",
        {"full": True},
        [X, COUNTS + 2.5],
    ),
    "gaussian_nll_loss": (F.gaussian_nll_loss, "gaussian_nll_loss", {}, [X, T, VAR]),
    "gaussian_nll_loss full": (
        F.gaussian_nll_loss,
        "gaussian_nll_loss",
        {"full": True, "eps": 0.01},
        [X, T, VAR],
    ),
    "gaussian_nll_loss rows": (F.gaussian_nll_loss, "gaussian_nll_loss", {}, [X, T, VAR[:, 0]]),
    "gaussian_nll_loss ones": (F.gaussian_nll_loss, "gaussian_nll_loss", {}, [X, T, VAR[:, :1]]),
}


def case_of(name, reduction="mean", dtype=np.float64):
    ours, theirs, params, arrays = LOSSES[name]
    call = theirs if callable(theirs) else lambda f, *a, **k: getattr(f, theirs)(*a, **k)
    return Case(
        lambda *a: ours(*a, **params, reduction=reduction),
        lambda f, *a: call(f, *a, **params, reduction=reduction),
        [x.astype(dtype) for x in arrays],
    )


@pytest.mark.filterwarnings("ignore:reduction.*'mean' divides the total loss")
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_torch_agrees(name, reduction):
    agrees(case_of(name, reduction))
    agrees(case_of(name, reduction, np.float32), 1e-5, 1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_agree_with_finite_differences(name, order):
    smooth(cut(case_of(name)), order)


@pytest.mark.parametrize("name", LOSSES)
def test_arrays_give_what_tensors_give_and_low_precision_stays(name):
    alike(case_of(name))
    each = case_of(name, "none")
    assert each.ours(*each.arrays).shape == (3, 4)
    for dtype in (np.float16, np.float32):
        value, slopes = value_and_gradients(*case_of(name, "mean", dtype)[::2])
        assert value.dtype == dtype
        assert all(slope.dtype == dtype for slope in slopes)
    with pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none', not 'max'"):
        case_of(name, "max").ours(*each.arrays)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shapes", [((3, 1), (3,)), ((3,), ()), ((2, 3), (3,)), ((2, 3), (2, 1))])
def test_targets_that_would_broadcast_are_refused(name, shapes):
    ours, _, params, arrays = LOSSES[name]
    rest = [np.ones(shapes[0]) for _ in arrays[2:]]
    with pytest.raises(ShapeError, match="would broadcast and compare the wrong pairs"):
        ours(np.zeros(shapes[0]), np.zeros(shapes[1]), *rest, **params)


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.huber_loss])
def test_a_weight_is_one_for_each_element(loss):
    with pytest.raises(ShapeError, match=r"weight \(4,\) for losses \(3, 4\): pass one for each"):
        loss(X, T, weight=np.ones(4))
    weight = W.copy()
    weight[1] = 0.0
    kept = [0, 2]
    total = weight.sum() if loss is not F.huber_loss else X.size
    wanted = (loss(X[kept], T[kept], reduction="none") * W[kept]).sum() / total
    np.testing.assert_allclose(loss(X, T, weight=weight), wanted, rtol=1e-14)


FAR = np.array([-1e4, -1.0, -0.5, 0.0, 0.5, 1.0, 1e4])


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_kinks_and_large_errors_are_pytorchs(name, dtype):
    agrees(case_of(name, "sum", dtype)._replace(arrays=[FAR.astype(dtype), np.zeros(7, dtype)]))
    agrees(case_of(name, "sum", dtype)._replace(arrays=[np.zeros(7, dtype), FAR.astype(dtype)]))


@pytest.mark.parametrize("loss", [F.smooth_l1_loss, F.huber_loss])
def test_a_large_error_in_float16_does_not_overflow(loss):
    value, slopes = value_and_gradients(loss, [np.array([1e4], "f2"), np.zeros(1, "f2")])
    assert np.isfinite(value)
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes)


def test_parameters_out_of_range_are_refused():
    with pytest.raises(ValueError, match="beta is not negative, but -1"):
        F.smooth_l1_loss(X, T, beta=-1.0)
    with pytest.raises(ValueError, match="delta is positive, not 0"):
        F.huber_loss(X, T, delta=0.0)
    with pytest.raises(ValueError, match="a variance is negative"):
        F.gaussian_nll_loss(X, T, -VAR)
    with pytest.raises(ShapeError, match=r"var \(4,\) for predictions \(3, 4\)"):
        F.gaussian_nll_loss(X, T, VAR[0])
    with pytest.raises(ShapeError, match=r"var \(1, 1\) for predictions \(3, 4\)"):
        F.gaussian_nll_loss(X, T, VAR[:1, :1])


# Kullback-Leibler


def test_batchmean_is_the_divergence_of_mathematics():
    wanted = (PROBS * (np.log(PROBS) - LOGS)).sum(-1)
    np.testing.assert_allclose(F.kl_div(LOGS, PROBS, reduction="batchmean"), wanted.mean())
    np.testing.assert_allclose(F.kl_div(LOGS, PROBS, reduction="none").sum(-1), wanted)
    np.testing.assert_allclose(F.kl_div(LOGS, np.exp(LOGS)), 0.0, atol=1e-16)
    agrees(case_of("kl_div", "batchmean"))


def test_an_outcome_of_probability_zero_costs_nothing():
    logs, target = np.array([[0.0, -np.inf]]), np.array([[1.0, 0.0]])
    value, slopes = value_and_gradients(F.kl_div, [logs, target])
    assert value == 0.0
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes)
    assert F.kl_div(logs, target[:, ::-1].copy()) == np.inf


# Likelihoods


def test_poisson_is_least_at_the_logarithm_of_the_count():
    x = np.log(np.array([2.0, 5.0]))
    _, (slope, _) = value_and_gradients(F.poisson_nll_loss, [x, np.exp(x)])
    np.testing.assert_allclose(slope.numpy(), 0.0, atol=1e-15)
    exact = math.exp(3.0) - 10 * 3.0 + math.lgamma(11)
    full = F.poisson_nll_loss(np.array([3.0]), np.array([10.0]), full=True)
    np.testing.assert_allclose(full, exact, rtol=2e-3)


def test_a_gaussian_is_normalised():
    grid = np.linspace(-12, 12, 4001)
    each = F.gaussian_nll_loss(np.full(4001, 0.5), grid, 2.0, full=True, reduction="none")
    np.testing.assert_allclose(np.trapezoid(np.exp(-each), grid), 1.0, rtol=1e-10)


def test_a_small_variance_counts_as_eps_and_still_gets_a_gradient():
    arrays = [X[:1, :1], T[:1, :1], np.array([[1e-9]])]
    value, (_, _, slope) = value_and_gradients(F.gaussian_nll_loss, arrays)
    np.testing.assert_allclose(value, F.gaussian_nll_loss(X[:1, :1], T[:1, :1], 1e-6), rtol=1e-10)
    assert slope.numpy().item() != 0.0
    agrees(case_of("gaussian_nll_loss")._replace(arrays=arrays))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "poisson_nll_loss"])
def test_integers_do_not_wrap_around(name):
    ints = np.array([[0, 200, 3]], np.uint8)
    f = case_of(name).ours
    if name == "poisson_nll_loss":
        ints = ints % 5
    for x in (ints, mg.tensor(ints)):
        wanted = f(ints.astype(float), ints[:, ::-1].astype(float))
        np.testing.assert_allclose(np.asarray(f(x, ints[:, ::-1])), wanted)
