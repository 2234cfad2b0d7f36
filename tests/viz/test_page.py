"""The page as text: one file, safe whatever it shows, and in a notebook what it should be."""

# mypy: disable-error-code="union-attr, index"

import base64
import hashlib
import html
import json
import math
import os
import re
import sys
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.tensor import Tensor
from minigrad.viz import draw, engine
from minigrad.viz import page as page_module
from minigrad.viz.page import write


class Elements(HTMLParser):
    """Counts elements and their attributes, and keeps scripts and styles apart."""

    def __init__(self, text):
        super().__init__()
        self.counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.open = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.counts[tag, tuple(name for name, _ in attrs)] += 1
        self.open = tag

    def handle_endtag(self, tag):
        self.open = None

    def handle_data(self, data):
        if self.open in self.texts:
            self.texts[self.open].append(data)


def data_of(page):
    return json.loads(Elements(page).texts["script"][0])


def test_the_policy_allows_this_script_and_this_style_and_nothing_else(loss):
    page = write(draw(loss()))
    parsed = Elements(page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    _, script = parsed.texts["script"]
    hashes = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in (("script", script), ("style", parsed.texts["style"][0]))
    }
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; "
        f"style-src 'sha256-{hashes['style']}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    for word in (
        "eval(",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "fetch(",
    ):
        assert word not in script
    # What the policy would refuse is not there in the first place.
    names = {name for _, attributes in parsed.counts for name in attributes}
    assert not {name for name in names if name.startswith("on") or name in ("style", "src")}


def test_it_is_the_same_in_every_run_and_needs_no_graphviz(loss, monkeypatch, tmp_path):
    first = write(draw(loss()))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    path = draw(loss()).save(tmp_path / "graph.html")
    assert path.read_text(encoding="utf-8") == first


def test_a_card_for_every_tensor_and_every_folded_module(loss):
    data = data_of(write(draw(loss())))
    cards = {card["id"]: card for card in data["cards"]}
    assert [c["id"] for c in data["cards"]] == [f"n{i}" for i in range(12)] + ["g0", "g1", "g2"]
    assert cards["g1"]["badges"] == ["relu: unit 2 is dead: 0 for all 3 examples"]
    assert cards["g0"]["params"] == 15
    assert cards["g0"]["value"] == cards["n4"]["value"]
    assert cards["n5"]["gradient"]["rows"][0] == pytest.approx(
        draw(loss()).cards[5].gradient.rows[0], rel=1e-4
    )
    assert cards["n1"]["under"] == "n2"
    assert all(
        c["bare"][0] <= c["size"][0] and c["bare"][1] <= c["size"][1] for c in cards.values()
    )


def test_the_pass_goes_forward_and_then_backward(loss):
    steps = data_of(write(draw(loss())))["steps"]
    ways = [step["way"] for step in steps]
    assert ways == ["forward"] * 6 + ["backward"] * 10
    assert [s["card"] for s in steps[:6]] == ["n2", "n4", "n5", "n7", "n9", "n11"]
    assert [s["card"] for s in steps[6:9]] == ["n11", "n9", "n8"]
    assert "∂L/∂weight = inᵀ · g" in steps[9]["text"]
    only = data_of(write(draw(loss(), "forward")))["steps"]
    assert {step["way"] for step in only} == {"forward"}


def blocks(n):
    layers = [nn.Sequential(nn.Linear(2, 2), mg.tanh, nn.Linear(2, 2)) for _ in range(n)]
    model = nn.Sequential(*layers)
    return model(np.ones((3, 2), np.float32)).sum()


def test_what_the_picture_folds_is_folded_at_first_and_can_be_unfolded():
    graph = draw(blocks(12))
    data = data_of(write(graph))
    assert len(graph.cards) <= 40
    assert 100 < sum(card["id"][0] == "n" for card in data["cards"]) <= 300
    inside = {g["id"]: g["parent"] for g in data["groups"]}
    folded = set(data["folded"])

    def visible(group):
        while group is not None:
            if group in folded:
                return False
            group = inside[group]
        return True

    shown = [c for c in data["cards"] if c["id"][0] == "n" and visible(c["group"])]
    assert len(shown) + len(folded) <= 40


def test_the_digits_network_is_far_under_a_megabyte():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(64, 32), mg.relu, nn.Linear(32, 10))
    out = mg.cross_entropy(model(rng.normal(size=(16, 64)).astype(np.float32)), np.arange(16) % 10)
    assert len(write(draw(out)).encode()) < 600_000


def test_examples_are_tagged_where_the_first_axis_counts_them(loss):
    page = write(draw(loss()))
    cards = re.split(r'<g class="card ', page)[1:]
    rows = {re.search(r'id="(\w+)"', c)[1]: re.findall(r'data-row="(\d+)"', c) for c in cards}
    assert rows["n0"] == ["0", "1", "2"]  # the input: its value, used again without gradients
    assert rows["n2"] == ["0", "1", "2"] * 2
    assert rows["n1"] == rows["g0"] == []  # a parameter, a folded module
    assert rows["n10"] == ["0", "1", "2"]  # labels


@pytest.mark.parametrize("mode", ["both", "forward", "backward"])
def test_released_graphs_and_odd_arrays_have_pages(mode):
    w = Tensor(np.array([1.0, np.nan, np.inf, -np.inf]), requires_grad=True, name="w")
    out = (w * w).sum()
    page = write(draw(out, mode))
    assert data_of(page)["cards"][0]["value"]["rows"] == [[1.0, "nan", "inf", "-inf"]]
    out.backward()
    assert data_of(write(draw(out, mode)))["cards"]
    empty = Tensor(np.zeros((0, 3)), requires_grad=True, name="e")
    assert data_of(write(draw((empty * 2.0).sum(), mode)))["cards"]


# Injection

NASTY = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "</style><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "]]>\\\"'`${1}%%data%%",
    "\u2028\u2029\u0000\u0007\ud800\udfff\ufffe\u202e",
    "\\N\\G|{}<>&amp;&#60;",
    "\n\r\t",
]
LABELS = st.sampled_from(NASTY) | st.text(
    st.characters(codec=None) | st.sampled_from("<>&\"'\\/`${}|;\u2028\ud800"),
    min_size=1,
    max_size=30,
)


def named(label):
    """A graph that shows a label wherever one can be given."""
    w = Tensor(np.array([[1.0, -2.0], [0.5, 3.0]]), requires_grad=True, name=label)
    x = Tensor(np.array([[1.0, 2.0], [3.0, 4.0]]), name=label + "i")
    with mg.scope(label, label):
        h = x @ w
    return draw(h.sum(), title=label)


def svg_elements(svg):
    return Elements(svg).counts


@given(LABELS)
@example(NASTY[0])
@example(NASTY[5])
def test_no_label_becomes_html(label):
    assert Elements(write(named(label))).counts == PLAIN_PAGE
    frame = Elements(named(label).interactive()._repr_html_()).counts
    assert list(frame) == [("iframe", ("sandbox", "title", "style", "srcdoc"))]


@settings(max_examples=8)
@given(LABELS)
@example(NASTY[0])
@example(NASTY[6])
def test_no_label_becomes_dot_or_svg(label):
    pytest.importorskip("pygraphviz")
    assert svg_elements(engine.render(named(label), "svg").decode()) == svg_elements(
        engine.render(named("x"), "svg").decode()
    )


@given(LABELS)
def test_no_label_becomes_data(label):
    page = write(named(label))
    parsed = Elements(page)
    raw = parsed.texts["script"][0]
    assert raw.isascii()
    assert not set("<>&\u2028\u2029") & set(raw)
    names = [card["title"] for card in json.loads(raw)["cards"]]
    assert len(names) == 5
    page.encode("utf-8")  # no half of a surrogate pair is left


@given(st.lists(st.floats(width=64), min_size=1, max_size=9))
def test_no_number_breaks_the_data(numbers):
    w = Tensor(np.array(numbers), requires_grad=True, name="w")
    with np.errstate(all="ignore"):
        card = data_of(write(draw((w * 1.0).sum())))["cards"][0]
    flat = [x for row in card["value"]["rows"] for x in row]
    for x, y in zip(numbers, flat, strict=True):
        assert str(x) == y if not math.isfinite(x) else y == pytest.approx(x, rel=1e-4)


PLAIN_PAGE = Elements(write(named("x"))).counts


# Notebooks


def test_a_notebook_takes_what_it_can_show(loss):
    pytest.importorskip("pygraphviz")
    bundle = draw(loss())._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/svg+xml"}
    assert bundle["image/svg+xml"].startswith("<svg")
    assert " id=" not in bundle["image/svg+xml"]  # two outputs are one document


def test_without_graphviz_a_notebook_gets_the_page_and_showing_never_raises(loss, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("no picture today")

    graph = draw(loss())
    monkeypatch.setattr(engine, "render", broken)
    assert graph._repr_mimebundle_()["text/html"] == graph.interactive()._repr_html_()
    monkeypatch.setattr(page_module, "write", broken)
    assert set(graph._repr_mimebundle_()) == {"text/plain"}


def test_the_frame_holds_the_page_and_may_only_run_its_script(loss):
    graph = draw(loss())
    shown = graph.interactive(height=300)._repr_html_()
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', shown)[1]) == write(graph)
    assert re.search(r'sandbox="([^"]*)"', shown)[1] == "allow-scripts allow-downloads"
    assert "height:300px" in shown


@pytest.mark.skipif(
    os.environ.get("HYPOTHESIS_PROFILE", "dev") == "dev",
    reason="starts a kernel: HYPOTHESIS_PROFILE=ci runs it",
)
def test_an_executed_notebook_shows_the_picture_and_survives_export(request):
    pytest.importorskip("pygraphviz")
    exported = request.getfixturevalue("exported")
    page = exported.read_text(encoding="utf-8")
    image = re.search(r'src="data:image/svg\+xml;base64,([^"]*)"', page)[1]
    svg = base64.b64decode(image).decode("utf-8")
    assert svg.startswith("<svg")
    assert "slope" in svg
    assert "a &lt;title&gt;" in svg
    assert page.count("<iframe sandbox=") == 1
