"""Pictures come out with any Graphviz, and errors come out in time without one."""

import importlib.util
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from minigrad.errors import MissingExtra
from minigrad.viz import draw, engine
from minigrad.viz.style import FONT

ENGINES = [
    pytest.param("dot", marks=pytest.mark.skipif(not shutil.which("dot"), reason="no Graphviz")),
    "pygraphviz",
]
HEADS = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.fixture(autouse=True)
def _pygraphviz():
    pytest.importorskip("pygraphviz")


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("kind", HEADS)
def test_every_engine_writes_every_format(loss, tmp_path, name, kind):
    path = draw(loss()).save(tmp_path / f"graph.{kind}", engine=name)
    data = path.read_bytes()
    assert data.startswith(HEADS[kind])
    assert len(data) > 5000


@pytest.mark.parametrize("name", ENGINES)
def test_svg_scales_and_holds_the_text(loss, name):
    root = ET.fromstring(engine.render(draw(loss()), "svg", name))
    assert root.get("viewBox")
    assert root.get("width") is root.get("height") is None
    assert (root.get("style") or "").startswith("max-width:")
    texts = [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "fc1" in texts
    assert any("unit 2 is dead: 0 for all 3 examples" in t for t in texts)


def heights(graph, name):
    command = engine._command("plain", name)
    assert command is not None
    lines = engine._run(command, graph.dot).decode().split("\n")
    return {words[1]: float(words[3]) for words in map(str.split, lines) if words[:1] == ["node"]}


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("fold", ["auto", True])
def test_the_backward_row_lies_under_the_forward_row(loss, name, fold):
    graph = draw(loss(), "backward", fold=fold)
    y = heights(graph, name)
    for card in graph.cards:
        if card.kind == "pull":
            assert y[card.id] < y[card.twin]
        elif card.kind == "grad":
            assert y[card.id] < min(y[c.id] for c in graph.cards if c.kind == "op")


@pytest.mark.parametrize("name", ENGINES)
def test_parameters_hang_beside_their_op_and_the_data_path_is_straight(loss, name):
    graph = draw(loss())
    y = heights(graph, name)
    ops = [y[c.id] for c in graph.cards if c.kind == "op" and c.group != "g1"]
    assert max(ops) - min(ops) < 0.3
    assert all(abs(y[c.id] - ops[0]) > 0.6 for c in graph.cards if c.kind == "parameter")


def test_without_the_system_the_embedded_one_is_used(loss, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine.render(draw(loss()), "png").startswith(HEADS["png"])


def test_without_any_the_dot_file_is_written_and_the_extra_named(loss, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    graph = draw(loss())
    with pytest.raises(MissingExtra, match=r"pip install 'minigrad\[draw\]'"):
        graph.save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8") == graph.dot
    assert graph._repr_svg_() is None


# Stands in for Graphviz: takes its time unless the drawing is small.
SLOW = """
import sys, time
text = sys.stdin.read()
time.sleep(0 if text.count("label=<<TABLE") < 12 else 60)
sys.stdout.write('<?xml?><svg width="72pt" height="72pt" viewBox="0 0 1 1"></svg>')
"""


def test_a_layout_that_takes_too_long_is_folded_further(loss, monkeypatch):
    monkeypatch.setattr(engine, "TIMEOUT", 1.0)
    monkeypatch.setattr(engine, "FEWER", 6)
    monkeypatch.setattr(engine, "_command", lambda *_: [sys.executable, "-c", SLOW])
    picture = engine.render(draw(loss()), "svg")
    assert picture.startswith(b'<svg style="max-width:96px" font-family="Helvetica')
    assert picture.endswith(b' viewBox="0 0 1 1"></svg>')


def test_svg_is_written_briefly():
    cell = '<polygon fill="#112233" stroke="{}" points="{}"/>'
    upright = "1,-2.5 1,-7 4.25,-7 4.25,-2.5 1,-2.5"
    arrow = "1,-2 3,-7 4,-7 4,-2 1,-2"
    font = f' font-family="{FONT}"'
    texts = f'<text{font} x="1">a</text><text{font} x="2">b</text>'
    cells = [cell.format(*look) for look in (("none", upright), ("red", upright), ("none", arrow))]
    svg = f'<?xml?>\n<svg width="72pt" height="9pt">{"".join(cells)}{texts}</svg>'
    short = engine._scalable(svg.encode()).decode()
    assert short.count(font) == 1
    assert '<path fill="#112233" d="M1,-7H4.25V-2.5H1z"/>' in short
    assert all(kept in short for kept in cells[1:])
    ET.fromstring(short)


def test_a_layout_that_still_takes_too_long_is_given_up(loss, monkeypatch):
    monkeypatch.setattr(engine, "TIMEOUT", 0.3)
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(engine, "_command", lambda *_: command)
    with pytest.raises(TimeoutError, match=r"more than 0\.3 s .* max_cards= or fold=True"):
        engine.render(draw(loss()), "svg")


def test_an_engine_that_fails_says_why(loss, monkeypatch):
    command = [sys.executable, "-c", "import sys; sys.exit('syntax error in line 1')"]
    monkeypatch.setattr(engine, "_command", lambda *_: command)
    with pytest.raises(RuntimeError, match="syntax error in line 1"):
        engine.render(draw(loss()), "svg")


def test_engines_that_do_not_exist(loss):
    with pytest.raises(ValueError, match="not 'neato'"):
        engine.render(draw(loss()), "svg", "neato")


def test_importing_minigrad_imports_no_engine():
    code = (
        "import sys, minigrad, minigrad.viz;"
        "print(sorted({'graphviz', 'pygraphviz'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_small_drawing_that_takes_too_long_is_not_tried_again(chain, monkeypatch):
    runs = []

    def slow(command, dot):
        runs.append(dot)
        raise subprocess.TimeoutExpired(command, 1.0)

    monkeypatch.setattr(engine, "_run", slow)
    monkeypatch.setattr(engine, "_command", lambda *_: ["dot"])
    with pytest.raises(TimeoutError, match="3 cards"):
        engine.render(draw(chain(50)[1]), "svg")
    assert len(runs) == 1
    with pytest.raises(TimeoutError, match="52 cards"):
        engine.render(draw(chain(25)[1], fold=False), "svg")
    assert len(runs) == 3
    assert len(runs[2]) < len(runs[1])


@pytest.mark.parametrize("name", ENGINES)
def test_texts_beside_each_other_do_not_touch(loss, name):
    root = ET.fromstring(engine.render(draw(loss()), "svg", name))
    texts = [t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}text")]
    shapes = [t for t in texts if t.endswith("(3, 3)".replace(" ", "\xa0"))]
    assert shapes
    assert all(t.startswith("\xa0\xa0\xa0") for t in shapes)
