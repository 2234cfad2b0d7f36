"""Draw all pictures again, and write the gallery: ``python docs/pictures/make.py``.

It needs Graphviz, or pygraphviz. Names of scenes as arguments draw only those.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))  # so that it runs from a checkout, from anywhere

import minigrad as mg  # noqa: E402
from docs.pictures.scenes import SCENES, normal  # noqa: E402
from minigrad import nn  # noqa: E402
from minigrad.viz import Graph  # noqa: E402

Make = Callable[[], Graph]


def readme() -> Graph:
    """The program of the README."""
    w = mg.tensor([[0.2, 0.8], [0.5, -0.9]], requires_grad=True, name="w")
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], name="x")
    return mg.draw(mg.cross_entropy(mg.relu(x @ w), mg.tensor([0, 1, 0], name="y")))


def error() -> Graph:
    """An error: layers that do not fit each other, drawn up to where they meet."""
    model = nn.Sequential(
        nn.Linear(3, 4, rng=1, dtype="float64"), mg.relu, nn.Linear(3, 2, rng=2, dtype="float64")
    )
    try:
        model(mg.tensor(normal(2, 3), name="x"))
    except mg.ShapeError as raised:
        return mg.draw(raised)
    raise AssertionError("these layers must not fit")


def difference() -> Graph:
    """Two drawings compared: the same loss before and after one step of gradient descent."""
    w = mg.tensor([[0.5, -1.0], [0.25, 2.0]], requires_grad=True, name="w")
    x = mg.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]], name="x")

    def loss() -> mg.Tensor:
        return mg.mean(mg.square(mg.tanh(x @ w) - 0.5))

    before, out = mg.draw(loss(), title="one step"), loss()
    out.backward()
    assert w.grad is not None
    w.data = w.data - np.asarray(0.5) * w.grad.numpy()
    return mg.viz.diff(before, mg.draw(loss(), title="one step"))


LOOK: dict[str, dict[str, Any]] = {"residual": {"fold": True}, "vanishing": {"max_cards": 20}}


def drawing(scene: Callable[[], mg.Tensor], **look: Any) -> Make:
    """Draw a scene; the description is that of the scene."""

    def make() -> Graph:
        title = (inspect.getdoc(scene) or "").split(":")[0].split(".")[0]
        return mg.draw(scene(), title=title, **look)

    make.__doc__ = scene.__doc__
    return make


def pictures() -> dict[str, Make]:
    """All pictures by the names of their files."""
    made: dict[str, Make] = {"readme": readme}
    for name, scene in SCENES.items():
        made[name] = drawing(scene, **LOOK.get(name, {}))
    network = SCENES["network"]
    for mode, words in (
        ("forward", "Only what went forward: ``mode='forward'``."),
        ("backward", "Every gradient rule under its op: ``mode='backward'``."),
    ):
        made[f"network_{mode}"] = drawing(network, mode=mode)
        made[f"network_{mode}"].__doc__ = f"The same network. {words}"
    made["network_dark"] = drawing(network, theme="dark")
    made["network_dark"].__doc__ = "The same network, for dark pages: ``theme='dark'``."
    return made | {"error": error, "difference": difference}


def gallery() -> str:
    """Write the page that shows all of them."""
    lines = [
        "# Gallery",
        "",
        "Every picture that this page shows is drawn by `python docs/pictures/make.py`, which also",
        "writes the page. [Reading a gradient picture](explanation/reading-a-gradient-picture.md)",
        "says what is what.",
    ]
    for name, make in pictures().items():
        told = " ".join((inspect.getdoc(make) or "").split()).replace("``", "`")
        title = name.replace("_", ", ").capitalize() if name != "lstm" else "LSTM"
        lines += ["", f"## {title}", "", told, "", f"![{told}](pictures/{name}.svg)"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(pictures())
    for name in wanted:
        path = pictures()[name]().save(HERE / f"{name}.svg")
        print(f"{path}: {path.stat().st_size / 1000:,.0f} kB")
    (HERE.parent / "gallery.md").write_text(gallery(), encoding="utf-8")
