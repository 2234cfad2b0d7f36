"""A headless Chromium, if there is one, and the pages that it is shown."""

import os
import shutil
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.viz import draw

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Residual(nn.Module):
    def __init__(self, n):
        self.norm = nn.LayerNorm(n)
        self.a, self.b = nn.Linear(n, n), nn.Linear(n, n)

    def forward(self, x):
        return x + self.b(mg.relu(self.a(self.norm(x))))


class Deep(nn.Module):
    """So many cards, in modules inside modules, with paths that skip."""

    def __init__(self, n):
        self.first = nn.Linear(4, 6)
        self.blocks = [Residual(6) for _ in range(n)]
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def deep(n):
    mg.seed(0)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    return draw(mg.cross_entropy(Deep(n)(x), np.array([0, 1, 1])))


@pytest.fixture(scope="session")
def browser():
    if os.environ.get("HYPOTHESIS_PROFILE", "dev") == "dev":
        pytest.skip("takes a minute: HYPOTHESIS_PROFILE=ci runs it")
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install 'minigrad[browser]'"
    )
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    # Chromium refuses to be root with its sandbox; these pages are our own.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=options)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def visit(browser, files):
    """Opens a graph's page, and fails if the page asks for anything or complains."""
    asked, wrong, opened = [], [], []

    def open_page(graph, hash="", **options):
        path = graph.save(files / f"{len(list(files.iterdir()))}.html")
        page = browser.new_page(viewport={"width": 1400, "height": 800}, **options)
        opened.append(page)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.goto(path.as_uri() + hash)
        return page

    yield open_page
    for page in opened:
        page.close()
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    assert len(asked) == len({*asked})
    assert wrong == []


@pytest.fixture
def page(visit, loss):
    return visit(draw(loss()))


def until(page, expression, seconds=30):
    """Wait; Playwright's own way needs eval, which the page's policy refuses."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > end:
            pytest.fail(f"never became true: {expression}")
        page.wait_for_timeout(25)


def click_card(page, name):
    """Click the top of a card, wherever fonts and window have put it; also in a frame."""
    page.evaluate("fit()")
    card = page.locator(f"#{name}")
    box = card.bounding_box()
    card.click(position={"x": box["width"] / 2, "y": box["height"] / 12}, force=True)


def click_title(page, group):
    """Click the title of an open module, wherever fonts and window have put it."""
    page.evaluate("fit()")
    page.locator(f"[data-group={group}] .hit").click(force=True)


def state(page, name):
    return page.evaluate(f"state.{name}")


def shown(page):
    """Ids of the visible cards."""
    return set(page.evaluate("[...plan.places.keys()]"))
