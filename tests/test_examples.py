"""Every example runs in a process of its own; its last line is a number, and the right one."""

import ast
import importlib.util
import json
import math
import os
import runpy
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
    "02_xor": (0.0, 0.6),
    "03_spirals": (0.6, 1.0),
    "04_fit_a_sine": (0.0, 0.5),
    "05_network_from_scratch": (0.0, 1e-12),
    "06_breast_cancer": (0.85, 1.0),
    "07_own_training_loop": (0.0, 1.0),
    "08_own_op": (-1 / 3 - 1e-12, -1 / 3 + 1e-12),
    "09_digits": (0.4, 1.0),
    "10_character_rnn": (2.0, 3.4),
    "11_reverse": (0.1, 0.5),
    "12_physics_informed": (0.1, 3.0),
}
PICTURES = {
    "03_spirals": ["03_curves.png", "03_graph.svg"],
    "04_fit_a_sine": ["04_curves.png"],
    "05_network_from_scratch": ["05_layers.svg", "05_scratch.svg"],
    "08_own_op": ["08_own_op.svg"],
    "09_digits": ["09_digits.svg"],
    "12_physics_informed": ["12_violation.svg"],
}
# What the run without --smoke reaches.
LEARNT = {
    "02_xor": (0.0, 0.01),
    "03_spirals": (0.93, 1.0),
    "04_fit_a_sine": (0.0, 0.1),
    "06_breast_cancer": (0.95, 1.0),
    "09_digits": (0.985, 1.0),
    "10_character_rnn": (0.0, 0.2),
    "11_reverse": (0.99, 1.0),
    "12_physics_informed": (0.0, 0.01),
}
QUICK = {"02_xor", "03_spirals", "04_fit_a_sine"}  # the others take seconds: left to CI
NOTEBOOKS = EXAMPLES[0].parent / "notebooks"
MADE = runpy.run_path(str(NOTEBOOKS / "make.py"))


def patience(quick):
    """Skip what takes seconds where time is short; HYPOTHESIS_PROFILE=ci runs it."""
    if not quick and os.environ.get("HYPOTHESIS_PROFILE", "dev") == "dev":
        pytest.skip("takes seconds: HYPOTHESIS_PROFILE=ci runs it")


def needs(stem):
    """Skip what works on data of scikit-learn where that is not installed."""
    if stem in ("06_breast_cancer", "09_digits"):
        pytest.importorskip("sklearn")


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
    needs(path.stem)
    drawn = path.stem in PICTURES and importlib.util.find_spec("pygraphviz")
    patience(not drawn)  # the next test runs it, too
    low, high = EXPECTED[path.stem]
    assert low <= last_line(path, "--smoke", where=tmp_path) <= high
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stem", PICTURES)
def test_pictures_go_where_they_are_told(stem, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pygraphviz")
    needs(stem)
    (path,) = [path for path in EXAMPLES if path.stem == stem]
    low, high = EXPECTED[stem]
    assert low <= last_line(path, "--smoke", "--out", "pictures/new", where=tmp_path) <= high
    assert sorted(os.listdir(tmp_path)) == ["pictures"]
    written = tmp_path / "pictures" / "new"
    assert sorted(os.listdir(written)) == PICTURES[stem]
    for name in PICTURES[stem]:
        start = (written / name).read_bytes()[:8]
        assert start.startswith(b"<svg" if name.endswith(".svg") else b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("stem", LEARNT)
def test_what_is_to_be_learnt_is_learnt(stem, tmp_path):
    needs(stem)
    patience(stem in QUICK)
    path = next(path for path in EXAMPLES if path.stem == stem)
    low, high = LEARNT[stem]
    assert low <= last_line(path, where=tmp_path) <= high


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


@pytest.mark.parametrize("stem", MADE["ENDS"])
def test_a_notebook_is_what_its_script_says(stem):
    written = (NOTEBOOKS / f"{stem}.ipynb").read_text(encoding="utf-8")
    assert written == MADE["notebook"](stem), f"run python {NOTEBOOKS / 'make.py'}"


def test_the_first_four_examples_are_notebooks_and_no_other_is_left_behind():
    names = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
    assert names == [path.stem for path in EXAMPLES[:4]]


@pytest.mark.parametrize("stem", MADE["ENDS"])
def test_the_cells_of_a_notebook_run(stem, capsys):
    """Without Jupyter: the code cells, one after the other, in one namespace."""
    pytest.importorskip("pygraphviz")
    book = json.loads((NOTEBOOKS / f"{stem}.ipynb").read_text(encoding="utf-8"))
    codes = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    space = {"__name__": "__main__"}
    for code in codes[:-2]:
        exec(compile(code, stem, "exec"), space)
    low, high = LEARNT.get(stem, EXPECTED[stem])
    assert low <= eval(codes[-2], space) <= high
    *setting, last = codes[-1].splitlines()
    exec("\n".join(setting), space)
    assert eval(last, space)._repr_svg_().startswith("<svg")
    assert capsys.readouterr().out


@pytest.mark.parametrize("stem", MADE["ENDS"])
@pytest.mark.filterwarnings("ignore")  # Jupyter's own
def test_a_notebook_runs_in_jupyter(stem):
    patience(stem == "02_xor")
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    book = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4)
    nbformat.validate(book)
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    (number,) = book.cells[-2].outputs[-1:]
    low, high = LEARNT.get(stem, EXPECTED[stem])
    assert low <= float(number["data"]["text/plain"]) <= high
    (picture,) = book.cells[-1].outputs
    assert picture["data"]["image/svg+xml"].startswith("<svg")
