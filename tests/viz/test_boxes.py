"""Labels drawn without Graphviz have the sizes and the parts that Graphviz would give them."""

import re

import pytest

from minigrad.viz.boxes import Palette, Rows, draw_label
from minigrad.viz.markup import cell, font, row, table
from minigrad.viz.metrics import width


def drawn(label, rows=Rows(), shared=None, dark=None, palette=None):  # noqa: B008
    palette = palette or Palette()
    return draw_label(label, dark or label, palette, "t", {} if shared is None else shared, rows)


def test_widths_are_those_of_helvetica():
    assert width("relu", 10) == pytest.approx(3.33 + 5.56 + 2.22 + 5.56)
    assert width("relu", 10, bold=True) > width("relu", 10)
    assert width("重", 10) == 10
    assert width("é", 10) == width("e\u0301", 10) + 0.44


def test_columns_are_as_wide_as_their_widest_cell():
    small, large = cell(width=10, height=5), cell(width=30, height=7)
    d = drawn(table([row(small, small), row(large, small)], cellspacing=1))
    assert (d.width, d.height) == (30 + 10 + 3, 5 + 7 + 3)


def test_what_spans_several_columns_makes_them_equally_wider():
    label = table([row(cell(width=10, height=5), cell(width=20, height=5)),
                   row(cell(width=50, height=5, colspan=2))])  # fmt: skip
    assert drawn(label).width == 50
    assert drawn(label.replace("50", "25")).width == 30


def test_padding_and_border_are_around_the_text():
    d = drawn(table([row(cell(font("ab", 10, "#000000"), cellpadding=4))], border=1))
    assert d.width == pytest.approx(width("ab", 10) + 2 * 4 + 2)
    assert d.height == pytest.approx(12 + 2 * 4 + 2)


def test_both_themes_share_one_drawing():
    palette = Palette()
    light = table([row(cell(font("a", 9, "#111111"), bgcolor="#eeeeee"))])
    dark = light.replace("#111111", "#dddddd").replace("#eeeeee", "#222222")
    d = drawn(light, dark=dark, palette=palette)
    assert palette.pairs == {("#eeeeee", "#222222"): 0, ("#111111", "#dddddd"): 1}
    assert 'class="f0"' in d.svg
    assert "#" not in d.svg
    assert palette.css().startswith(
        ':root{--c0:#eeeeee;--c1:#111111}:root[data-theme="dark"]{--c0:#222222;--c1:#dddddd}'
    )


def test_rows_know_their_example():
    numbers = table([row(cell(bgcolor="#000000", width=7, height=7)) for _ in range(4)])
    label = table([row(cell(numbers))])
    assert re.findall(r'data-row="(\d)"', drawn(label, Rows(2, 2)).svg) == ["0", "0", "1", "1"]
    assert re.findall(r'data-row="(\d)"', drawn(label, Rows(3, 1)).svg) == []


def test_numbers_that_occur_again_are_drawn_once():
    numbers = table([row(cell(bgcolor="#000000", width=7, height=7))])
    label = table([row(cell(numbers), cell(numbers))])
    shared: dict[str, str] = {}
    assert drawn(label, shared=shared).svg.count("<use ") == 1
    assert drawn(label, shared=shared).svg.count("<use ") == 2


def test_text_stays_text():
    text = table(
        [row(cell(font("&lt;b&gt; &amp; &quot;", 9, "#000000") + font("x", 8, "#111111")))]
    )
    assert "&lt;b&gt; &amp; &quot;<tspan" in drawn(text).svg


def test_an_unknown_tag_is_not_swallowed():
    with pytest.raises(ValueError, match="can't hold <HR>"):
        drawn(table([row(cell("<HR/>"))]))
