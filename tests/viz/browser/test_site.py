"""The site in a browser: words are found, it turns dark, and it asks no other machine."""

import functools
import http.server
import re
import threading

import pytest

from tests.test_docs import built


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the site is served: browsers run no search in a page from the disk."""
    _, where = built(tmp_path_factory.getbasetemp())
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(where))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(browser, address):
    """The first page; fails if anything is asked elsewhere, is missing, or goes wrong."""
    problems = []
    page = browser.new_page(viewport={"width": 1300, "height": 900}, color_scheme="light")
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, "data:", "blob:"))
            else problems.append(request.url)
        ),
    )
    page.on(
        "response",
        lambda response: (
            problems.append(f"{response.status} {response.url}") if response.status >= 400 else None
        ),
    )
    page.goto(f"{address}/index.html")
    yield page
    page.close()
    assert problems == []


def background(page):
    """How light the page is, from 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return min(int(number) for number in re.findall(r"\d+", colour)[:3])


@pytest.mark.parametrize(
    ("words", "title", "leads_to"),
    [
        ("proj_size", "minigrad.nn", "/api/nn.html"),
        ("vanishing gradient", "", ".html"),
        ("initial weights zero", "Why must initial weights not be zero?", "/notes/15-why-not-zero"),
    ],
)
def test_a_search_finds_pages_and_leads_there(page, words, title, leads_to):
    page.click(".md-search__input")
    page.keyboard.type(words)
    results = page.locator(".md-search-result__item")
    results.first.wait_for()
    result = results.filter(has_text=title).first
    result.locator("a.md-search-result__link").first.click()
    page.wait_for_url(lambda url: leads_to in url and "index.html" not in url)
    assert page.locator("article h1").count() == 1


def test_it_turns_dark_and_stays_so(page, address):
    assert background(page) > 200
    page.locator("label.md-header__button[for^=__palette]:not([hidden])").click()
    page.wait_for_function("document.body.dataset.mdColorScheme === 'slate'")
    assert background(page) < 80
    page.goto(f"{address}/notes/03-why-softmax.html")
    page.wait_for_function("document.body.dataset.mdColorScheme === 'slate'")


def test_pictures_of_the_course_are_seen(page, address):
    page.goto(f"{address}/notes/22-graphs-of-activations.html")
    widths = page.evaluate("[...document.querySelectorAll('article img')].map(i => i.naturalWidth)")
    assert widths
    assert min(widths) > 100
    fits = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert fits


def test_a_wide_picture_is_seen_in_full_at_a_click(page, address):
    page.goto(f"{address}/notes/01-how-backpropagation-works.html")
    picture = page.locator("article a img[src*=layers]")
    shown = picture.bounding_box()["width"]
    picture.click()
    page.wait_for_url(lambda url: url.endswith("-layers.svg"))
    assert page.evaluate("document.documentElement.viewBox.baseVal.width") > 2 * shown


def test_a_telephone_shows_a_page_without_scrolling_sideways(page, address):
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("index", "readme", "notes/04-the-first-layer", "reference/ops", "api/nn"):
        page.goto(f"{address}/{path}.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
