"""What a report says, word by word."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import (
    Finding,
    GradientError,
    Inconclusive,
    NotDifferentiable,
    Report,
    check_vjp,
)
from minigrad.testing.heat import COLOURS
from minigrad.testing.report import page

X = np.array([0.5, -1.0, 2.0])


def told(report):
    """The lines of a report, without the size of its tolerances."""
    return re.sub(r"± \de-\d\d", "± tol", repr(report)).splitlines()


def test_the_text_of_a_failure():
    report = check_vjp(np.square, lambda g, x: g * x, [X])
    assert told(report)[1:] == [
        "  the gradient of x is off by the constant factor 0.5",
        "  element  output  rule  finite difference  verdict",
        "  x[0]     [0]     0.5   1 ± tol          off by 50%",
        "  x[1]     [1]     -1    -2 ± tol         off by 50%",
        "  x[2]     [2]     2     4 ± tol          off by 50%",
    ]
    said = f"gradient check: FAIL (3 of 3 elements, {report.evaluations} evaluations of f)"
    assert repr(report).splitlines()[0] == said


def test_the_output_is_not_mentioned_where_there_is_one():
    report = check_vjp(lambda x: np.sum(x * x), lambda g, x: 2.0 * g * x * [1, 1 + 1e-7, 1], [X])
    assert told(report)[-2:] == [
        "  element  rule  finite difference  verdict",
        "  x[1]     -2    -2 ± tol         off by 1.0e-07",
    ]


def test_a_report_fits_80_columns_and_shows_a_few_of_many():
    a, b = np.linspace(1, 2, 5), np.linspace(1, 2, 4)[:, None] * 1e-30
    report = check_vjp(
        lambda a_name_that_is_long, b: a_name_that_is_long * b,
        lambda g, a, b: (-(g * b).sum(0) * 1.000123, (g * a).sum(1, keepdims=True)),
        [a, b],
        names=["model.encoder.layers[11].attention.projection.weight", "b"],
    )
    lines = repr(report).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("  model…on.weight[0]  ") for line in lines)  # a path's ends
    assert all("off by 200%" in line for line in lines if line.startswith("  model…"))
    many = check_vjp(np.sin, lambda g, x: g, [np.linspace(1, 2, 30)])
    assert "... and 22 more" in repr(many)
    name = "a_name_without_a_place_to_break_" * 4
    endless = check_vjp(np.sin, lambda g, x: -g * np.cos(x), [X], names=[name])
    assert max(map(len, repr(endless).splitlines())) <= 80


@pytest.mark.parametrize(
    ("rule", "difference", "said"),
    [
        (1.5, 1.0, "off by 50%"),
        (1.0 + 1e-5, 1.0, "off by 1.0e-05"),
        (-1e6, 1.0, "off by 1.0e+06"),
        (3.0, 0.0, "should be 0"),
        (float("nan"), 1.0, "not a number"),
        (float("inf"), 0.0, "not finite"),
    ],
)
def test_a_finding_says_how_far_off_it_is(rule, difference, said):
    assert Finding("fail", "x", (0,), "", rule, difference, 1e-12).said == said


def test_a_pass_states_its_resolution():
    report = check_vjp(np.sin, lambda g, x: g * np.cos(x), [X])
    assert repr(report).startswith("gradient check: pass, 3 elements to a relative ")
    assert 0 < report.resolution < 1e-8
    assert report.worst is None
    assert report.elements == {"x": ["pass", "pass", "pass"]}
    report.raise_if_failed()


def shown(text):
    """By what each square says, its colour."""
    squares = re.findall(r'<rect [^>]*fill="(#\w+)"><title>([^<]*)</title>', text)
    return {said: colour for colour, said in squares}


def test_the_html_is_well_formed_and_escapes():
    report = check_vjp(lambda x: x * x, lambda g, x: g * x, [X], names=["<x>"])
    text = report._repr_html_()
    root = ElementTree.fromstring(text)
    assert "<x>[0]" in "".join(root.itertext())
    assert "<x>" not in text
    assert text.count("<tr") == 4
    assert len(shown(text)) == 3
    alone = page(report, "a < b")
    assert "<h1>a &lt; b</h1>" in alone
    assert text in alone


def test_the_map_shows_where_the_gradient_is_off_and_how_far():
    scale = np.ones((4, 6))
    scale[2], scale[0, 1] = 1.5, 1.0 + 1e-6
    x = np.random.default_rng(0).normal(size=(4, 6))
    report = check_vjp(np.sin, lambda g, x: g * np.cos(x) * scale, [x])
    np.testing.assert_allclose(report.errors["x"], np.abs(scale - 1.0), rtol=1e-3, atol=1e-12)
    squares = shown(report._repr_html_())
    assert len(squares) == 24
    assert squares["x[1, 1]: pass"] == COLOURS["pass"]
    assert squares["x[0, 1]: fail, off by a relative 1e-06"] == "#fbd0a4"
    strong = squares["x[2, 3]: fail, off by a relative 0.5"]
    assert int(strong[1:3], 16) < 0xD0
    assert int(strong[5:], 16) < 0x30


def test_the_map_tells_kinks_from_faults():
    report = check_vjp(np.abs, lambda g, x: g * np.sign(x) * (1 + (x > 1)), [[0.0, 1.5, 0.5]])
    squares = shown(report._repr_html_())
    assert squares["x[0]: not differentiable"] == COLOURS["not differentiable"]
    assert squares["x[1]: fail, off by a relative 1"] == COLOURS["fail"]
    assert squares["x[2]: pass"] == COLOURS["pass"]


def test_the_map_of_a_large_input_shows_the_worst_of_each_square():
    x = np.random.default_rng(0).normal(size=(300, 100))

    def rule(g, x):
        c = 2.0 * g * x
        c[7, 77] *= 1.01
        return c

    report = check_vjp(lambda x: np.sum(x * x), rule, [x])
    assert np.isnan(report.errors["x"]).sum() > 29_000
    text = report._repr_html_()
    assert "x: 300 x 100 (the worst of 13 x 3 in each square)" in text
    squares = shown(text)
    assert len(squares) == 24 * 34
    assert squares["x[7, 77]: fail, off by a relative 0.01"] not in COLOURS.values()
    assert sum("only in directions" in said for said in squares) > 24 * 34 - 20


def test_a_map_of_a_vector_is_wrapped_and_of_nothing_is_empty():
    report = check_vjp(np.sin, lambda g, x: -g * np.cos(x), [np.linspace(0.1, 1, 100)])
    svg = report._repr_html_().partition("<svg ")[2]
    assert 'width="672" height="42"' in svg
    nothing = check_vjp(
        lambda a, b: b * 1.0, lambda g, a, b: (a, -g), [np.zeros((0, 3)), np.ones(2)]
    )
    assert shown(nothing._repr_html_()).keys() == {
        f"b[{i}]: fail, off by a relative 2" for i in (0, 1)
    }


def test_what_is_said_of_many_elements_is_said_once():
    notes = ("a note", *(f"b[{i}]: checked nearby" for i in range(10)), "c[0, 1]: moved")
    assert repr(Report("pass", checked=3, notes=notes)).splitlines()[1:] == [
        "  a note",
        "  b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7] and 2 more: checked nearby",
        "  c[0, 1]: moved",
    ]


def test_every_verdict_raises_its_own_error():
    rng = np.random.default_rng(0)
    for error, f, rule, x in (
        (GradientError, np.sin, lambda g, x: g, [0.5]),
        (NotDifferentiable, np.abs, lambda g, x: g, [0.0]),
        (Inconclusive, lambda x: x + rng.normal(), lambda g, x: g, [0.7]),
    ):
        report = check_vjp(f, rule, [np.array(x)])
        with pytest.raises(error) as raised:
            report.raise_if_failed()
        assert type(raised.value) is error
        assert isinstance(raised.value, AssertionError)
        assert str(raised.value) == str(report)
    assert issubclass(NotDifferentiable, mg.NotDifferentiable)


def test_findings_say_where_they_are():
    report = check_vjp(np.sin, lambda g, x: -g * np.cos(x), [np.array(0.3)])
    assert report.worst is not None
    assert report.worst.where == "x"
    assert report.worst.excess > 1e6
