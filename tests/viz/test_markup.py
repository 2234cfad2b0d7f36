"""Labels are well-formed whatever a user calls things, and draw what they should."""

import xml.etree.ElementTree as ET

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from minigrad.viz.digest import digest
from minigrad.viz.graph import Card, Graph, Group
from minigrad.viz.label import Labels
from minigrad.viz.markup import CELLS, Numbers, escape
from minigrad.viz.style import LIGHT

NAMES = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["</TABLE>", "<B>", "&amp;", '">', "]]>", "\ud800", "\x00", "‖", "a\\nb", "{a|b}", "\u202e"]
)


def labels(*cards, mode="both"):
    graph = Graph("title", "", mode, "light", "float64", list(cards), [], [], [], [])
    return Labels(graph, LIGHT)


def parsed(text):
    return ET.fromstring(f"<label>{text.replace('&nbsp;', ' ')}</label>")


@given(NAMES, NAMES, NAMES)
def test_any_name_makes_a_label_that_is_well_formed(title, subtitle, badge):
    ones = digest(np.ones((2, 2)))
    card = Card("n0", "op", title, subtitle, (2, 2), "float64", None, "", ones, ones)
    card.rules, card.badges, card.note = [title, subtitle], [badge], subtitle
    written = labels(card)
    tree = parsed(written.card(card))
    assert all((font.text or len(font)) for font in tree.iter("FONT"))  # else a syntax error
    group = Group("g0", title, subtitle, "", None, params=3, norm=0.5)
    for narrow in (False, True):
        assert all((f.text or len(f)) for f in parsed(written.group(group, narrow)).iter("FONT"))


@given(NAMES)
def test_escape_is_never_empty_and_never_long(text):
    assert 0 < len(parsed(escape(text)).text or "") <= 60


def test_long_names_are_cut():
    assert escape("x" * 1000) == "x" * 59 + "…"


def numbers_in(text):
    return ["".join(font.itertext()) for font in parsed(text).iter("FONT")]


def fills(text):
    return [cell.get("BGCOLOR") for cell in parsed(text).iter("TD") if cell.get("BGCOLOR")]


def test_small_arrays_are_written_out():
    written = labels().half(Card("n0", "op", "x", value=digest(np.array([[1.0, -2.0]]))), "value")
    assert numbers_in(written) == ["0", "1.00", "−2.00"]


def test_medium_arrays_are_mosaics():
    array = np.arange(-50.0, 50.0).reshape(10, 10)
    written = labels().half(Card("n0", "op", "x", value=digest(array)), "value")
    assert len(fills(written)) == 100
    assert not numbers_in(written)


def test_large_arrays_are_histograms():
    written = labels().half(Card("n0", "op", "x", value=digest(np.arange(4000.0))), "value")
    assert len(fills(written)) == 14
    assert numbers_in(written) == ["0 … 3999", "mean 2000  norm 1e5"]


def test_what_is_not_finite_is_counted_in_a_histogram():
    array = np.r_[np.full(2000, np.nan), np.inf, np.arange(10.0)]
    written = labels().half(Card("n0", "op", "x", value=digest(array)), "value")
    assert numbers_in(written)[-1] == "2,000 NaN 1 infinite"


def test_dead_cells_are_outlined():
    card = Card("n0", "op", "relu", value=digest(np.array([[1.0, 0.0], [2.0, 0.0]])))
    card.marks["value"] = {"rows": (), "columns": (1,)}
    cells = [c for c in parsed(labels().half(card, "value")).iter("TD") if c.get("COLOR")]
    assert [c.get("COLOR") for c in cells] == [LIGHT.alarm] * 2


def test_a_picture_has_a_budget_of_cells():
    numbers, square = Numbers(LIGHT), digest(np.ones((32, 32)))
    assert [numbers.afford(square) for _ in range(6)] == [True] * 4 + [False] * 2
    assert numbers.cells <= CELLS


def test_bars_are_in_proportion():
    array = np.repeat([0.0, 13.5, 14.0], [1024, 512, 1])
    bars = parsed(Numbers(LIGHT).bars(digest(array), "#123456", 9, 26))
    heights = [int(c.get("HEIGHT")) for c in bars.iter("TD") if c.get("BGCOLOR") == "#123456"]
    assert heights == [26, 13]


def test_gradient_norms_are_bars_on_a_log_scale():
    cards = [Card(f"n{i}", "fold", "fc", norms=[10.0**-i]) for i in range(5)]
    written = labels(*cards)
    widths = []
    for card in cards:
        bar = parsed(written.log_bar(card.norms[0], "#123456"))
        widths += [int(c.get("WIDTH")) for c in bar.iter("TD") if c.get("BGCOLOR") == "#123456"]
    steps = np.diff(widths)
    assert widths[0] == 130
    assert (steps[:3] < 0).all()
    assert np.ptp(steps[:3]) <= 2


def test_the_last_row_of_a_wrapped_vector_may_be_shorter():
    for size, cells in ((20, 20), (130, 130)):
        written = labels().half(Card("n0", "op", "x", value=digest(np.ones(size))), "value")
        widths = [
            sum(int(cell.get("COLSPAN", 1)) for cell in line) for line in parsed(written).iter("TR")
        ]
        assert len(set(widths)) == 1
        assert len(fills(written)) == cells


def test_dead_columns_of_a_mosaic_are_marked():
    array = np.ones((10, 10))
    array[:, 3] = 0.0
    card = Card("n0", "op", "relu", value=digest(array))
    card.marks["value"] = {"rows": (), "columns": (3,)}
    assert fills(labels().half(card, "value")).count(LIGHT.alarm) == 10


def test_empty_tensors_say_so():
    card = Card("n0", "op", "x", value=digest(np.ones((0, 3))))
    assert numbers_in(labels().half(card, "value")) == ["empty"]


def test_a_gradient_without_a_value_has_the_card_for_itself():
    card = Card("n0", "op", "x", gradient=digest(np.ones((1, 2))))
    assert "gradient" in numbers_in(labels(card).card(card))
    assert "value" not in numbers_in(labels(card).card(card))


def test_a_repeat_has_one_bar_for_each_time():
    card = Card("n0", "fold", "Linear", "× 20", norms=[10.0**-i for i in range(20)], ops=1)
    written = labels(card).card(card)
    heights = [int(c.get("HEIGHT")) for c in parsed(written).iter("TD")
               if c.get("BGCOLOR") == LIGHT.backward]  # fmt: skip
    assert len(heights) == 20
    assert heights == sorted(heights, reverse=True)
    assert "1.00 … 1e−19" in numbers_in(written)


def test_a_folded_card_without_parameters_shows_the_gradient_that_arrives():
    card = Card("n0", "fold", "act", ops=2, params=0, gradient=digest(np.array([3.0, 4.0])))
    card.value = digest(np.array(2.0))
    texts = numbers_in(labels(card).card(card))
    assert texts[1:] == ["2 ops", " ", "value", "2.00", "grad norm", "5.00"]


def test_a_norm_that_vanishes_is_in_the_colour_of_alarms():
    card = Card("n0", "fold", "fc", norms=[1e-9], badges=["vanishing: gradient 1e9× smaller"])
    assert LIGHT.alarm in fills(labels(card, Card("n1", "fold", "fc", norms=[1.0])).card(card))
    assert labels().share(0.0) == 0.0
    assert labels().share(float("inf")) == 1.0
