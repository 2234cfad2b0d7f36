"""A graph is plain data that becomes files, text and a notebook's picture."""

# mypy: disable-error-code="union-attr, index"

import json

import numpy as np
import pytest

from minigrad.tensor import Tensor
from minigrad.viz import Graph, draw
from minigrad.viz import engine as engines


def test_json_holds_everything(loss, tmp_path):
    graph = draw(loss())
    path = graph.save(tmp_path / "graph.json")
    data = json.loads(path.read_text(encoding="utf-8"))
    assert [c["id"] for c in data["cards"]] == [c.id for c in graph.cards]
    assert data["cards"][-1]["value"]["rows"] == [[graph.cards[-1].value.rows[0][0]]]
    assert len(data["edges"]) == len(graph.edges)
    assert data["issues"][0]["kind"] == "dead"
    assert data["outputs"] == ["n11"]


def test_json_knows_no_nan():
    w = Tensor([1.0, np.nan, np.inf], requires_grad=True, name="\ud800")
    text = json.dumps(draw(w * 1.0).plain(), allow_nan=False)
    assert '["nan"' not in text.split('"rows"')[0]
    assert '"nan", "inf"' in text


def test_the_table(loss):
    lines = str(draw(loss())).split("\n")
    assert lines[0].startswith("cross_entropy: forward and backward  (batch of 3 · float64 · ")
    assert [line.split()[:2] for line in lines[2:5]] == [
        ["0", "x"],
        ["1", "fc1.weight"],
        ["2", "fc1.matmul"],
    ]
    assert "#0 #1" in lines[4]
    assert "⚠ unit 2 is dead" in str(draw(loss()))
    assert all(line == line.rstrip() for line in lines)


def test_the_table_can_be_printed_whatever_a_name_holds():
    w = Tensor([1.0], requires_grad=True, name="a\ud800\nb")
    text = str(draw(w * 2.0))
    text.encode("utf-8")
    assert len(text.split("\n")) == 4


def test_unknown_suffixes_are_refused(loss, tmp_path):
    with pytest.raises(ValueError, match=r"use \.html \.svg \.png \.pdf \.dot \.gv or \.json"):
        draw(loss()).save(tmp_path / "graph.bmp")


@pytest.mark.parametrize("suffix", ["dot", "gv", "DOT"])
def test_dot_needs_no_engine(loss, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(engines, "_command", lambda *_: None)
    path = draw(loss()).save(tmp_path / f"graph.{suffix}")
    assert path.read_text(encoding="utf-8") == draw(loss()).dot


def test_a_notebook_gets_picture_and_text(loss):
    bundle = draw(loss())._repr_mimebundle_()
    assert bundle["text/plain"].startswith("cross_entropy: ")
    assert bundle["image/svg+xml"].startswith("<svg")


def test_showing_never_raises(loss, monkeypatch):
    def broken(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(engines, "render", broken)
    graph = draw(loss())
    assert graph._repr_svg_() is None
    assert set(graph._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_changing_the_model_changes_no_drawing():
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True, name="w")
    graph = draw(w * 2.0)
    before = graph.dot
    w.data = np.array([7.0, 8.0])
    assert graph.dot == before


def test_it_can_be_folded_further(loss):
    graph = draw(loss())
    assert graph.refold is not None
    smaller = graph.refold(6)
    assert isinstance(smaller, Graph)
    assert len(smaller.cards) <= 6 < len(graph.cards)
    assert smaller.cards[-1].title == "cross_entropy"
