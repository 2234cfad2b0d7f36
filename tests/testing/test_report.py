"""What a report says, word by word."""

import numpy as np

from minigrad.testing import check_vjp

X = np.array([0.5, -1.0, 2.0])


def test_the_text_of_a_failure():
    report = check_vjp(np.square, lambda g, x: g * x, [X])
    assert repr(report) == (
        "gradient check: FAIL (3 of 3 elements, 45 evaluations of f)\n"
        "  the gradient of x is off by the constant factor 0.5\n"
        "  element  output  rule  finite difference  verdict\n"
        "  x[0]     [0]     0.5   1 ± 5e-13          fail\n"
        "  x[1]     [1]     -1    -2 ± 9e-13         fail\n"
        "  x[2]     [2]     2     4 ± 2e-12          fail"
    )


def test_a_report_fits_80_columns_and_shows_a_few_of_many():
    a, b = np.linspace(1, 2, 5), np.linspace(1, 2, 4)[:, None] * 1e-30
    report = check_vjp(
        lambda a_name_that_is_long, b: a_name_that_is_long * b,
        lambda g, a, b: (-(g * b).sum(0) * 1.000123, (g * a).sum(1, keepdims=True)),
        [a, b],
    )
    assert max(map(len, repr(report).splitlines())) <= 80
    many = check_vjp(np.sin, lambda g, x: g, [np.linspace(1, 2, 30)])
    assert "... and 22 more" in repr(many)


def test_a_pass_states_its_resolution():
    report = check_vjp(np.sin, lambda g, x: g * np.cos(x), [X])
    assert repr(report).startswith("gradient check: pass, 3 elements to a relative ")
    assert 0 < report.resolution < 1e-8
    assert report.worst is None
    assert report.elements == {"x": ["pass", "pass", "pass"]}
    report.raise_if_failed()


def test_the_html_escapes_and_colours():
    report = check_vjp(lambda x: x * x, lambda g, x: g * x, [X], names=["<x>"])
    text = report._repr_html_()
    assert "&lt;x&gt;[0]" in text
    assert "<x>" not in text
    assert text.count("<tr") == 4
    assert "#c8372d" in text


def test_findings_say_where_they_are():
    report = check_vjp(np.sin, lambda g, x: -g * np.cos(x), [np.array(0.3)])
    assert report.worst is not None
    assert report.worst.where == "x"
    assert report.worst.excess > 1e6
