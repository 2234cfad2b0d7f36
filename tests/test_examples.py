"""Every example runs in a process of its own; its last line is a number, and the right one."""

import ast
import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad as mg

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("[0-9]*.py"))
ENVIRONMENT = {**os.environ, "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"}

# The last line of a smoke run lies in this interval.
EXPECTED = {
    "01_gradient": (0.0, 1e-14),
    "02_network_from_scratch": (0.0, 1e-12),
    "03_spirals": (0.6, 1.0),
    "04_fit_a_sine": (0.0, 0.5),
    "05_own_op": (-1 / 3 - 1e-12, -1 / 3 + 1e-12),
    "06_own_training_loop": (0.0, 1.0),
}
PICTURES = {
    "02_network_from_scratch": ["02_layers.svg", "02_scratch.svg"],
    "03_spirals": ["03_curves.png", "03_graph.svg"],
    "04_fit_a_sine": ["04_curves.png"],
    "05_own_op": ["05_own_op.svg"],
}


def last_line(path, *arguments, where=None):
    command = [sys.executable, str(path), *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=where,
        env=ENVIRONMENT,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return float(done.stdout.splitlines()[-1])


def test_every_example_is_expected():
    assert [path.stem for path in EXAMPLES] == list(EXPECTED)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_ends_with_its_number_and_writes_nothing(path, tmp_path):
    low, high = EXPECTED[path.stem]
    assert low <= last_line(path, "--smoke", where=tmp_path) <= high
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stem", PICTURES)
def test_pictures_go_where_they_are_told(stem, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pygraphviz")
    (path,) = [path for path in EXAMPLES if path.stem == stem]
    last_line(path, "--smoke", "--out", "pictures/new", where=tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["pictures"]
    written = tmp_path / "pictures" / "new"
    assert sorted(os.listdir(written)) == PICTURES[stem]
    for name in PICTURES[stem]:
        start = (written / name).read_bytes()[:8]
        assert start.startswith(b"<svg" if name.endswith(".svg") else b"\x89PNG\r\n\x1a\n")


def test_the_spirals_are_learnt(tmp_path):
    path = next(path for path in EXAMPLES if path.stem == "03_spirals")
    assert last_line(path, where=tmp_path) >= 0.93


def test_the_loss_of_the_spirals_can_be_imported_and_drawn():
    path = next(path for path in EXAMPLES if path.stem == "03_spirals")
    spec = importlib.util.spec_from_file_location("spirals", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loss = module.loss()
    assert math.isfinite(loss.item())
    assert loss.item() == module.loss().item()
    graph = mg.draw(loss)
    assert {"layers.0.weight", "weight"} & {card.title for card in graph.cards}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_one_learns(path):
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    docstring = ast.get_docstring(tree) or ""
    assert len(source.splitlines()) < 100
    assert "You learn:" in docstring
    assert "Prints" in docstring
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert "main" in functions
    assert '"--smoke"' in source
