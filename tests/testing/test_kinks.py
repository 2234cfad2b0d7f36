"""Points without a derivative, functions that cannot be checked, and how inputs are treated."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import Inconclusive, NotDifferentiable, check_vjp, gradcheck

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4))

KINKS: dict[str, Any] = {
    "abs": (np.abs, lambda g, x: g * np.sign(x), [0.0, 1.0, -2.0], "kink: slopes -1 and 1"),
    "relu": (lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0), [0.0, 1.0], "is between them"),
    "a weak kink": (
        lambda x: x * x + 1e-4 * np.abs(x - 2),
        lambda g, x: g * (2 * x + 1e-4 * np.sign(x - 2)),
        [2.0, 1.0],
        "kink",
    ),
    "a tie": (
        lambda x: x.max(),
        lambda g, x: g * (x == x.max()) / np.sum(x == x.max()),
        [1.0, 2.0, 2.0],
        "kink",
    ),
    "a jump": (np.floor, lambda g, x: g * 0.0, [1.0, 2.5], "jump"),
    "sign": (np.sign, lambda g, x: g * 0.0, [0.0, 2.5], "jump"),
    "a vertical tangent": (
        np.cbrt,
        lambda g, x: g / 3 / np.cbrt(np.where(x == 0, np.inf, x)) ** 2,
        [0.0, 1.0],
        "vertical tangent",
    ),
    "an edge": (np.sqrt, lambda g, x: g * 0.5 / np.sqrt(x), [0.0, 1.0], "edge of the domain"),
    "a cone": (
        lambda x: np.sqrt(np.sum(x * x)),
        lambda g, x: g * x / max(np.sqrt(np.sum(x * x)), 1e-300),
        [0.0, 0.0],
        "kink",
    ),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", KINKS)
def test_points_without_a_derivative_are_reported(name, seed):
    f, rule, x, note = KINKS[name]
    report = check_vjp(f, rule, [np.array(x)], seed)
    assert report.verdict == "not differentiable", report
    assert report.worst is not None
    assert report.worst.index in ((0,), (1,))
    assert note in report.worst.note
    with pytest.raises(NotDifferentiable):
        report.raise_if_failed()


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6, 1e-8, -1e-5])
def test_a_jump_nearby_is_no_jump_here(gap):
    report = check_vjp(np.floor, lambda g, x: g * 0.0, [np.array([1.0 + gap])])
    assert report.verdict == "pass", report
    report = check_vjp(np.floor, lambda g, x: g * 1.0, [np.array([1.0 + gap])])
    assert report.verdict in ("fail", "inconclusive"), report  # it might be x, rounded
    x = np.array([0.3, -0.2, 1.5, -0.2 + gap])
    assert gradcheck(np.sort, x, order=2).verdict == "pass"


def test_a_kink_does_not_excuse_the_rest():
    report = check_vjp(np.abs, lambda g, x: g * np.where(x > 0, 1.0, -2.0), [np.array([0.0, -2.0])])
    assert report.verdict == "fail"
    nearby = check_vjp(np.abs, lambda g, x: g * 3.0 * np.sign(x), [np.array([0.0])])
    assert nearby.verdict == "fail"
    assert "at a generic point nearby" in " ".join(nearby.notes)


def test_a_tie_that_no_element_shows():
    def halves(g, x):
        return g * (x == np.median(x)) / np.sum(x == np.median(x))

    verdicts = [
        check_vjp(np.median, halves, [np.array([1.0, 2.0, 2.0, 2.0, 5.0])], seed).verdict
        for seed in range(4)
    ]
    assert set(verdicts) <= {"not differentiable", "inconclusive"}
    assert "not differentiable" in verdicts


def test_a_slope_that_goes_on_changing():
    def f(x):
        return x * np.cos(np.log(np.where(x == 0, 1, np.abs(x))))

    def rule(g, x):
        t = np.log(np.where(x == 0, 1, np.abs(x)))
        return g * np.where(x == 0, 0, np.cos(t) - np.sin(t))

    for seed in range(3):
        assert check_vjp(f, rule, [np.array([0.0, 1.0])], seed).verdict == "not differentiable"


def test_one_kink_among_many_elements():
    x = RNG.normal(size=3000)
    x[7] = 0.0
    report = check_vjp(np.abs, lambda g, x: g * np.sign(x), [x])
    assert report.verdict == "not differentiable"
    assert report.worst is not None
    assert report.worst.where == "x[7]"


def test_where_f_is_not_finite_there_is_no_derivative():
    report = check_vjp(np.log, lambda g, x: g / x, [np.array([0.0, 1.0])])
    assert report.verdict == "not differentiable"


def test_what_noise_hides_is_not_a_pass():
    # The 1e-6 of x is below the rounding of 1e16, at any step for which x is x.
    report = check_vjp(
        lambda x: np.round(x * 1e3) / 1e3 + 0.3 * x, lambda g, x: g * 1.3, [np.array([0.7])]
    )
    assert not report


def test_a_random_function_is_refused():
    generator = np.random.default_rng()
    report = check_vjp(lambda x: x * generator.random(), lambda g, x: g, [X])
    assert report.verdict == "inconclusive"
    assert "pass it a seeded generator" in report.cause
    with pytest.raises(Inconclusive):
        report.raise_if_failed()
    seeded = check_vjp(
        lambda x: x * np.random.default_rng(3).random(),
        lambda g, x: g * np.random.default_rng(3).random(),
        [X],
    )
    assert seeded


def test_a_function_that_writes_into_its_input_is_refused():
    report = check_vjp(lambda x: np.multiply(x, 2, out=x) * 1.0, lambda g, x: 2 * g, [X])
    assert "f writes into its input 0" in report.cause


def test_inputs_are_never_disturbed():
    x = X.copy()
    x.setflags(write=False)
    check_vjp(np.sin, lambda g, x: g * np.cos(x), [x])
    np.testing.assert_array_equal(x, X)
    with pytest.raises(ZeroDivisionError):
        check_vjp(lambda x: 1 / 0, lambda g, x: g, [x])


def test_the_cost_does_not_depend_on_the_size():
    calls = [
        check_vjp(np.sin, lambda g, x: g * np.cos(x), [np.linspace(0.1, 3, n)]).evaluations
        for n in (1_000, 100_000)
    ]
    assert calls[1] < calls[0] + 20
    assert max(calls) < 300


def test_wrong_use_is_said():
    with pytest.raises(TypeError, match=r"\[x\] for a single one"):
        check_vjp(np.sin, lambda g, x: g, X)  # type: ignore[arg-type]
    params: Any = {"w": X}
    with pytest.raises(TypeError, match="each array of a dict an input of its own"):
        check_vjp(lambda p: p["w"], lambda g, p: ({"w": g},), [params])
    with pytest.raises(TypeError, match="no input is floating"):
        check_vjp(np.sin, lambda g, x: g, [np.arange(3)])
    with pytest.raises(TypeError, match="nothing to differentiate"):
        gradcheck(lambda x: x, 3)
    with pytest.raises(TypeError, match="returns Tensors, not float"):
        gradcheck(lambda x: 1.0, 3.0)
    with pytest.raises(ValueError, match="order must be"):
        gradcheck(mg.exp, 3.0, order=0)


@pytest.mark.parametrize("distance", [1e-3, 1e-5, 2.7e-6, 1e-9])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_rule_is_right_beside_a_kink_however_near(distance, side):
    x = np.array([0.5, side * distance, -0.7])

    def f(x):
        return np.array([np.sum(np.maximum(x, 0.0) * x + np.maximum(x, 0.0))])

    def rule(g, x):
        return (g * np.where(x > 0.0, 2.0 * x + 1.0, 0.0),)

    def averaged(g, x):  # what steps over the kink agree on
        return (g * np.where(np.abs(x) < 0.01, 0.5, np.where(x > 0.0, 2.0 * x + 1.0, 0.0)),)

    assert check_vjp(f, rule, (x,)).verdict == "pass"
    assert check_vjp(f, averaged, (x,)).verdict != "pass"
