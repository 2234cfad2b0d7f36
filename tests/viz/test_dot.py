"""The DOT text: the same in every run, reviewed as golden files, and never broken by a name.

After a change that is meant, ``MINIGRAD_OVERWRITE=1 pytest tests/viz/test_dot.py`` rewrites the
golden files; look at the pictures, and at the difference, before committing it.
"""

import os
import pathlib
import subprocess
import sys

import pytest

import minigrad as mg
from minigrad.scopes import scope
from minigrad.tensor import Tensor, tensor
from minigrad.viz import draw, engine

GOLDEN = pathlib.Path(__file__).parent / "golden"
OVERWRITE = os.environ.get("MINIGRAD_OVERWRITE") == "1"


def golden(name, graph):
    path = GOLDEN / f"{name}.gv"
    if OVERWRITE:
        path.write_text(graph.dot, encoding="utf-8")
    assert graph.dot == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", ["both", "forward", "backward"])
def test_golden_modes(loss, mode):
    golden(f"network_{mode}", draw(loss(), mode))


def test_golden_dark(loss):
    golden("network_dark", draw(loss(), theme="dark"))


def test_golden_folded(loss):
    golden("network_folded", draw(loss(), fold=True))


def test_golden_chain(chain):
    _, out = chain(100)
    golden("chain", draw(out))


def test_golden_expression():
    x, w = tensor([1.0, 2.0, 3.0]), Tensor([0.5, -1.0, 2.0], requires_grad=True)
    b = Tensor(0.1, requires_grad=True)
    golden("expression", draw((x * w + b).relu().sum()))


SCRIPT = """
import numpy as np, minigrad as mg
from minigrad.viz import draw
w = mg.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
with mg.scope("a", "A"):
    y = mg.tanh(w @ np.ones((3, 2))) * np.array([1.0, 2.0])
print(draw((y.sum(), y.max())).dot)
"""


def test_the_text_is_the_same_in_every_process():
    texts = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, env=env, check=True
        )
        texts.add(done.stdout)
    assert len(texts) == 1


HOSTILE = [
    "", " ", "</TABLE>>];", '"]; x [label="', "\\", "\\N\\G", "a\x00\x1b[31m", "\ud800", "&lt;",
    "<B>", "]]>", "‖", "名前", "x" * 10_000, "\n\t", "{a|b}", "//", "/*", "#", "n0", "->",
    "🧠🔥", "👨\u200d👩\u200d👧", "שלום עולם", "\u202eevil", "a\u0301\u0302\u0303",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["svg"])
def test_names_can_not_break_the_picture(kind):
    pytest.importorskip("pygraphviz")
    total = Tensor(0.0, requires_grad=True)
    for name in HOSTILE:
        with scope(name, name):
            total = total + mg.sin(Tensor([1.0], requires_grad=True, name=name)).sum()
    graph = draw(total, fold=False, title="".join(HOSTILE[:-8]))
    for name in ("dot", "pygraphviz"):
        command = engine._command(kind, name)
        if command is not None:
            picture = engine._run(command, graph.dot)
            assert picture.count(b'class="node"') == len(graph.cards)


def test_the_direction_follows_the_length(loss, chain):
    assert "rankdir=LR" in draw(loss()).dot
    assert "rankdir=TB" in draw(loss(), fold=True).dot
    _, out = chain(10)
    assert "rankdir=TB" in draw(out).dot
    assert "rankdir=LR" in draw(loss(), "backward", fold=True).dot


def test_wider_is_larger(loss):
    graph = draw(loss())
    widths = {}
    for line in graph.dot.split("\n"):
        if "dir=back" in line:
            ends, _, look = line.strip().partition(" [")
            widths[ends] = float(look.split("penwidth=")[1].split()[0].rstrip("]"))
    edges = sorted(
        (e.norm, widths[f"{e.source} -> {e.target}"]) for e in graph.edges if e.kind == "gradient"
    )
    assert len(edges) == 9
    drawn = [width for _, width in edges]
    assert drawn == sorted(drawn)
    assert drawn[0] == 1.0 < drawn[-1] <= 3.5


def test_large_graphs_are_laid_out_with_less_care(chain):
    _, out = chain(200)
    assert "nslimit=1" in draw(out, fold=False).dot
    assert "nslimit" not in draw(out).dot


def test_gradients_never_turn_an_edge_around(loss):
    for line in draw(loss()).dot.split("\n"):
        if " -> " in line and "[" in line:
            source, target = line.split("[")[0].split(" -> ")
            assert int(source.strip()[1:]) < int(target.strip()[1:])
