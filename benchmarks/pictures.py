"""What a picture costs: the first view of long graphs, size of pages, folding in a browser.

Run as ``OMP_NUM_THREADS=1 python benchmarks/pictures.py``. Folding needs Playwright and Chromium,
and is left out without them; layout needs Graphviz or pygraphviz.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.viz import Graph

ROUNDS = 3


def chain(n: int) -> mg.Tensor:
    """So many ops in a row."""
    y = mg.tensor([0.3, 0.7], requires_grad=True, name="x")
    for _ in range(n // 2):
        y = mg.sin(y) * 0.9
    return mg.sum(y)


def tangle(n: int) -> mg.Tensor:
    """So many ops, each of two of the 200 before it, so that hardly anything repeats."""
    rng = np.random.default_rng(0)
    nodes = [mg.tensor(np.ones(3), requires_grad=True, name=f"p{i}") for i in range(20)]
    for i in range(n):
        a, b = rng.integers(max(0, len(nodes) - 200), len(nodes), 2)
        nodes.append((nodes[a] + nodes[b]) * 0.5 if i % 3 else mg.tanh(nodes[a]))
    return mg.sum(nodes[-1])


def digits(width: int = 64, hidden: int = 128) -> mg.Tensor:
    """A classifier of images of so many pixels, with a batch of 32."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(width, hidden, rng=0), mg.relu, nn.Linear(hidden, 10, rng=1))
    x = rng.random((32, width)).astype(np.float32)
    return mg.cross_entropy(model(mg.tensor(x, name="x")), rng.integers(0, 10, 32))


class Residual(nn.Module):
    """A block that adds two layers to what it is given."""

    def __init__(self, n: int) -> None:
        self.norm = nn.LayerNorm(n)
        self.a, self.b = nn.Linear(n, n), nn.Linear(n, n)

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        """Add what the layers make of ``x``."""
        return x + self.b(mg.relu(self.a(self.norm(x))))


def residual(blocks: int = 22) -> mg.Tensor:
    """As many blocks as make 300 cards."""
    mg.seed(0)
    model = nn.Sequential(nn.Linear(4, 6), *(Residual(6) for _ in range(blocks)), nn.Linear(6, 2))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    return mg.cross_entropy(model(mg.tensor(x, name="x")), np.array([0, 1, 1]))


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Median and greatest of several times of the processor, here and in Graphviz."""
    took = []
    for _ in range(ROUNDS):
        start = sum(os.times()[:4])
        work()
        took.append(sum(os.times()[:4]) - start)
    return median(took), max(took)


def first_views() -> None:
    """From a recorded graph to an SVG."""
    print("first view (draw and SVG)          cards  median s  greatest s")
    for name, loss in (
        ("chain of 10,000 ops", chain(10_000)),
        ("tangle of 10,000 ops", tangle(6_000)),
        ("chain of 100,000 ops", chain(100_000)),
    ):
        cards = len(mg.draw(loss).cards)
        took = seconds(lambda loss=loss: mg.draw(loss)._repr_svg_())  # type: ignore[misc]
        print(f"{name:34} {cards:5}  {took[0]:8.2f}  {took[1]:10.2f}")


def pages() -> dict[str, Graph]:
    """Size of pages, and how long they take to write."""
    print("page                               cards      kB  median s to write")
    graphs = {
        "64-128-10, batch of 32": mg.draw(digits()),
        "784-128-10, batch of 32": mg.draw(digits(784)),
        "chain of 10,000 ops": mg.draw(chain(10_000)),
        "residual, 22 blocks": mg.draw(residual()),
    }
    for name, graph in graphs.items():
        size = len(graph.interactive().html.encode()) / 1000
        took = seconds(graph.interactive)[0]
        print(f"{name:34} {len(graph.cards):5}  {size:6,.0f}  {took:.2f}")
    return graphs


FOLDS = """() => {
  const took = [], ids = [...groups.keys()].filter((_, i) => i % 9 === 2);
  const timed = (change, id) => {
    const start = performance.now();
    change(id);
    picture.getBoundingClientRect();  // waits for style and layout
    took.push(performance.now() - start);
  };
  for (let round = 0; round < 4; round++) {
    for (const id of ids) for (const change of [fold, unfold]) timed(change, id);
  }
  return [plan.places.size, took];
}"""


def folding(graph: Graph) -> None:
    """Fold and unfold modules of an unfolded page, until the browser has laid it out again."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        print("folding: needs Playwright and Chromium")
        return
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(viewport={"width": 1400, "height": 800})
        page.goto(graph.save(Path(folder, "page.html")).as_uri())
        page.keyboard.press("e")
        shown, took = page.evaluate(FOLDS)
        browser.close()
    ordered = sorted(took)
    print(
        f"folding with {shown} cards shown: least {ordered[0]:.0f} ms, median "
        f"{median(took):.0f} ms, nine of ten under {ordered[9 * len(took) // 10]:.0f} ms, "
        f"{len(took)} times"
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        raise SystemExit(__doc__)
    first_views()
    folding(pages()["residual, 22 blocks"])
