"""The page in a real JupyterLab: cells are run there, and the frame is used."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.viz.browser.conftest import until
from tests.viz.conftest import NOTEBOOK

PATIENT = 180_000  # milliseconds in which a slow machine starts the laboratory and its kernel

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jupyterlab") is None,
    reason="no JupyterLab: pip install 'minigrad[browser]'",
)


@pytest.fixture
def lab(tmp_path):
    """A server of its own, with nothing of this user's settings, ended afterwards."""
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(c) for c in (NOTEBOOK, "graph.interactive(height=400)")]
    )
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "", "language": "python"}
    nbformat.write(notebook, tmp_path / "graph.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    options += ["--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        env={**os.environ, **home},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}/lab/tree/graph.ipynb?reset"
        for _ in range(360):
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def test_the_page_works_in_jupyterlab(browser, lab):
    page = browser.new_page(viewport={"width": 1400, "height": 1300})
    page.goto(lab)
    page.locator(".jp-Notebook .jp-Cell").first.click(timeout=PATIENT)
    page.get_by_text(re.compile(r"\| Idle$")).wait_for(timeout=PATIENT)
    for _ in range(2):
        page.keyboard.press("Shift+Enter")
    page.locator("iframe[srcdoc]").wait_for(timeout=PATIENT)
    assert page.locator(".jp-RenderedSVG").count() == 1
    page.locator("iframe[srcdoc]").scroll_into_view_if_needed()
    (frame,) = [frame for frame in page.frames if frame.parent_frame]
    until(frame, "typeof plan !== 'undefined' && plan !== null")
    assert frame.evaluate("window.origin") == "null"
    frame.locator("#search").fill("slope")
    frame.locator("#hits li").first.click()
    assert frame.locator("#details h2").inner_text() == "slope"
    page.close()
