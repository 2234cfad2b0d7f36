"""What pytest tells the assertions, and what it keeps: options, marker, files, properties."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import GradientError, assert_gradients, assert_vjp
from minigrad.testing.assertion import FULL, SESSION

pytest_plugins = ["pytester"]


@mg.primitive(np.sin, numpy=[], name="sine_with_a_detached_slope")
@mg.defvjp(x=lambda g, x: g * np.cos(x.data if isinstance(x, mg.Tensor) else x))
def detached_sine(x, /):
    """An op that is right in first order only."""


def session():
    current = SESSION.get()
    assert current is not None
    return current


def test_the_first_order_by_default(request):
    assert assert_gradients(detached_sine, [0.5, 1.0])
    assert session().seed == request.config.getoption("--gradcheck-seed")
    assert len(session().reports) == (FULL if session().level == "full" else 1)


@pytest.mark.gradcheck(order=2, seed=5, level="quick")
def test_the_order_and_seed_of_the_marker():
    assert (session().order, session().seed) == (2, 5)
    with pytest.raises(GradientError, match="gradient check: FAIL"):
        assert_gradients(detached_sine, [0.5, 1.0])
    assert session().failed is not None
    assert assert_gradients(mg.sin, [0.5, 1.0])
    assert assert_gradients(detached_sine, [0.5, 1.0], order=1)


@pytest.mark.gradcheck(level="full")
def test_full_draws_other_cotangents_every_time():
    drawn = []

    def pull(g, x):
        drawn.append(np.array(g))
        return g * np.cos(x)

    assert assert_vjp(np.sin, pull, [np.linspace(0, 1, 40)])
    assert len(session().reports) == FULL
    mixes = {tuple(g) for g in drawn if set(np.abs(g).tolist()) == {1.0}}
    assert len(mixes) == 6 * FULL


def test_without_pytest_the_settings_are_the_defaults():
    token = SESSION.set(None)
    try:
        assert assert_gradients(detached_sine, [0.5])
        with pytest.raises(GradientError, match="sign of the gradient of x is flipped"):
            assert_vjp(np.sin, lambda g, x: -g * np.cos(x), [np.array([0.5])])
        with pytest.raises(ValueError, match="order must be 1 or more, not 0"):
            assert_gradients(detached_sine, [0.5], order=0)
    finally:
        SESSION.reset(token)


SUITE = '''
import numpy as np
import pytest
import minigrad as mg
from minigrad.testing import assert_gradients, assert_vjp
from minigrad.testing.assertion import SESSION

@mg.primitive(lambda x: x * x * x, name="cube_of_a_suite")
@mg.defvjp(x=lambda g, x: g * 3.0 * x)
def cubed(x, /):
    """Cube, with a wrong rule."""

def test_right():
    assert_gradients(mg.tanh, [0.5, 1.0])
    assert_gradients(mg.exp, [0.5, 1.0])

@pytest.mark.parametrize("scale", [2.0, 3.0])
def test_wrong(scale):
    assert_gradients(lambda weight: cubed(weight * scale).sum(), [0.5, 1.0])

def test_rule():
    assert_vjp(np.sin, lambda g, x: -g * np.cos(x), [np.array([0.5])])

def test_caught():
    with pytest.raises(AssertionError):
        assert_gradients(cubed, [0.5])

def test_told():
    assert (SESSION.get().seed, SESSION.get().level) == (7, "full")
'''
OPTIONS = ("--gradcheck-seed=7", "--gradcheck-level=full", "--gradcheck-dir=kept", "-p", "no:cov")


@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "xdist"])
def test_a_run_keeps_what_failed_and_says_how_fine_it_was(pytester, workers):
    if workers:
        pytest.importorskip("xdist")
    pytester.makepyfile(SUITE.replace("cube_of_a_suite", f"cube_of_a_suite_{workers}"))
    run = pytester.runpytest_subprocess if workers else pytester.runpytest_inprocess
    distributed = ("-n", str(workers)) if workers else ()
    done = run(*OPTIONS, "--junit-xml=junit.xml", *distributed)
    done.assert_outcomes(passed=3, failed=3)
    said = done.stdout.str()
    assert "in the gradient of x a factor x is missing" not in said  # the parameter has a name
    assert "the sign of the gradient of x is flipped" in said
    # Two checks repeated with four seeds; four that stop at the first that fails.
    assert re.search(r"^12 gradient checks with seed 7: relative resolution \de-\d+", said, re.M)
    assert re.search(r"see kept.test_a_run\S*py-test_wrong-2.0-\w{8}\.svg", said)

    kept = sorted(path.name for path in (pytester.path / "kept").iterdir())
    assert [re.sub(r"^.*?py-|-[0-9a-f]{8}", "", name) for name in kept] == [
        "test_rule.html", "test_wrong-2.0.html", "test_wrong-2.0.svg", "test_wrong-3.0.html",
        "test_wrong-3.0.svg",
    ]  # fmt: skip
    drawn = ElementTree.parse(pytester.path / "kept" / kept[2]).getroot()
    text = "".join(drawn.itertext())
    assert "weight" in text
    assert "cube_of_a_suite" in text
    page = (pytester.path / "kept" / kept[1]).read_text(encoding="utf-8")
    assert "gradient check: FAIL" in page
    assert "<svg" in page

    cases = ElementTree.parse(pytester.path / "junit.xml").getroot().iter("testcase")
    told = {
        case.attrib["name"]: {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}
        for case in cases
    }
    assert told["test_right"]["gradcheck_seed"] == "7"
    assert told["test_right"]["gradcheck_checks"] == "8"
    assert 0.0 < float(told["test_right"]["gradcheck_resolution"]) < 1e-6
    assert told["test_told"] == {}


def test_a_marker_that_is_misspelt_is_told(pytester):
    pytester.makepyfile(
        "import pytest\n@pytest.mark.gradcheck(degree=2)\ndef test_x():\n    pass\n",
        test_other="import pytest\n@pytest.mark.gradcheck(2)\ndef test_x():\n    pass\n",
    )
    done = pytester.runpytest_inprocess("-p", "no:cov", "-p", "no:xdist")
    assert done.ret != 0
    assert done.stdout.str().count("the marker is gradcheck(order=1, seed=None, level=None)") >= 2
