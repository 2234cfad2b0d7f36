"""Write the notebooks from the scripts: ``python examples/notebooks/make.py``.

The scripts are the source. A notebook has the script's docstring as text, one cell for each
function, and ends with what the script's last lines do, and a picture.
"""

import ast
import json
from pathlib import Path

HERE = Path(__file__).parent

# The cells that follow the functions: the full run, and something to look at.
ENDS = {
    "01_gradient": [
        "main(points=9)",
        'x = mg.tensor([1.0, 2.0], requires_grad=True, name="x")\nmg.draw(f(x), title="x sin x")',
    ],
    "02_xor": [
        "main(steps=400)",
        "model = nn.Sequential(nn.Linear(2, 4, rng=0), mg.tanh, nn.Linear(4, 1, rng=1))\n"
        "mg.draw(mg.binary_cross_entropy_with_logits(model(X), Y), inputs=model)",
    ],
    "03_spirals": ["main(epochs=200, out=None)", 'mg.draw(loss(), title="three spirals")'],
    "04_fit_a_sine": [
        "main(epochs=300, out=None)",
        "x = np.array([[-1.0], [0.5], [2.0]])\n"
        "model = nn.Sequential(nn.Linear(1, 4, rng=1), mg.tanh, nn.Linear(4, 1, rng=2))\n"
        'mg.draw(mg.mse_loss(model(x), np.sin(x)), title="four units, before training")',
    ],
}


def cells(source: str, ends: list[str]) -> list[tuple[str, str]]:
    """Return kind and text of the cells that a script becomes."""
    tree = ast.parse(source)
    title, _, text = (ast.get_docstring(tree) or "").partition("\n")
    found = [("markdown", f"# {title}\n{text.replace('``', '`')}")]
    lines, start = source.splitlines(), tree.body[1].lineno - 1
    for statement in tree.body[1:]:
        if isinstance(statement, ast.FunctionDef | ast.If):
            between = "\n".join(lines[start : statement.lineno - 1])
            between = between.replace("import argparse\n", "").strip()
            if between:
                found.append(("code", between))
            start = statement.end_lineno or start
        if isinstance(statement, ast.FunctionDef):
            found.append(("code", "\n".join(lines[statement.lineno - 1 : start])))
    return found + [("code", end) for end in ends]


def notebook(stem: str) -> str:
    """Return the notebook of one script as text."""
    source = (HERE.parent / f"{stem}.py").read_text(encoding="utf-8")
    written = []
    for i, (kind, text) in enumerate(cells(source, ENDS[stem])):
        cell = {"cell_type": kind, "id": f"cell-{i}", "metadata": {}}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        written.append({**cell, "source": text.splitlines(keepends=True)})
    about = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    book = {"cells": written, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in ENDS:
        (HERE / f"{name}.ipynb").write_text(notebook(name), encoding="utf-8")
        print("wrote", HERE / f"{name}.ipynb")
