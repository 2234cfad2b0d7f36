"""The networks that the pictures are of, small enough to be read."""

import subprocess
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad.scopes import scope
from minigrad.tensor import Tensor


def parameter(data, name):
    return Tensor(np.array(data), requires_grad=True, name=name)


@pytest.fixture
def network():
    """A batch of 3 through Linear 4-3, relu, Linear 3-2 and cross-entropy; unit 2 is dead."""

    def make():
        x = np.array(
            [[0.13, -0.13, 0.64, 0.1], [-0.54, 0.36, 1.3, 0.95], [-0.7, -1.27, -0.62, 0.04]]
        )
        labels = np.array([0, 1, 1])
        first = [
            [-1.63, -0.15, -0.88],
            [-0.51, -0.38, -0.22],
            [0.29, 0.73, -0.09],
            [0.96, 0.47, 0.24],
        ]
        with scope("fc1", "Linear(4 → 3)"):
            h = x @ parameter(first, "weight") + parameter([0.1, -0.1, -3.0], "bias")
        with scope("act", "ReLU"):
            h = h.relu()
        with scope("fc2", "Linear(3 → 2)"):
            second = parameter([[0.9, 0.09], [-0.74, -0.92], [-0.46, 0.22]], "weight")
            logits = h @ second + parameter([0.0, 0.0], "bias")
        return logits, labels

    return make


@pytest.fixture
def loss(network):
    """The loss of the network, as one composite."""

    def make():
        logits, labels = network()
        with scope("cross_entropy", ""):
            shifted = logits - np.maximum.reduce(logits.numpy(), axis=-1, keepdims=True)
            chosen = shifted[np.arange(3), labels]
            return (mg.log(mg.sum(mg.exp(shifted), -1)) - chosen).mean()

    return make


@pytest.fixture
def chain():
    """``y = sin(y) * 0.9``, over and over."""

    def make(n):
        y = x = parameter([0.3, 0.7], "x")
        for _ in range(n):
            y = mg.sin(y) * 0.9
        return x, y.sum()

    return make


NOTEBOOK = """
import numpy as np, minigrad as mg
w = mg.Tensor([[0.5, -1.0]], requires_grad=True, name="slope")
graph = mg.draw((mg.tensor([[1.0], [2.0]]) @ w).sum(), title="a <title>")
graph
"""


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A notebook that was executed by a kernel, and exported to HTML."""
    nbformat = pytest.importorskip(
        "nbformat", reason="no nbformat: pip install 'minigrad[browser]'"
    )
    for module in ("nbclient", "nbconvert", "ipykernel"):
        pytest.importorskip(module, reason=f"no {module}: pip install 'minigrad[browser]'")
    folder = tmp_path_factory.mktemp("notebook")
    cells = [NOTEBOOK, "graph.interactive(height=400)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, folder / "graph.ipynb")
    # In a process of its own, because a kernel leaves threads and event loops behind.
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--execute",
        "--to",
        "html",
        "--log-level",
        "ERROR",
    ]
    done = subprocess.run(
        [*command, folder / "graph.ipynb"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "graph.html"
