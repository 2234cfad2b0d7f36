"""The page for everybody: by keyboard, read aloud, legible, still; and nothing but itself."""

import pathlib

import pytest

from minigrad.viz import draw
from tests.viz.browser.conftest import click_card, click_title, deep, shown, state, until
from tests.viz.test_page import NASTY, named

CONTRAST = (pathlib.Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")


def focus(page):
    return page.evaluate("document.activeElement.id || document.activeElement.dataset.group || ''")


def test_everything_by_keyboard(page):
    for _ in range(20):
        page.keyboard.press("Tab")
        if focus(page) == "n0":
            break
    assert focus(page) == "n0"
    order = []
    for _ in range(15):
        page.keyboard.press("ArrowDown")
        order.append(focus(page))
    assert order == [
        "g0",
        "n1",
        "n2",
        "n3",
        "n4",
        "g1",
        "n5",
        "g2",
        "n6",
        "n7",
        "n8",
        "n9",
        "n10",
        "n11",
        "n0",
    ]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert "g0" in shown(page)
    assert focus(page) == "g0"
    assert page.locator("#g0").get_attribute("aria-expanded") == "false"
    page.keyboard.press("Enter")
    assert "g0" not in shown(page)
    assert focus(page) == "g0"  # now the title of the box
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    assert state(page, "card") == "n1"
    page.keyboard.press("ArrowRight")
    assert state(page, "step") == 1
    page.keyboard.press("End")
    assert state(page, "step") == 16
    page.keyboard.press("Escape")
    assert (state(page, "step"), state(page, "card")) == (0, None)
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("dialog").is_hidden()


def test_typing_in_the_search_steps_nothing(page):
    page.keyboard.press("/")
    page.keyboard.type("degs 1")
    assert page.locator("#search").input_value() == "degs 1"
    assert state(page, "step") == 0
    assert state(page, "example") is None
    assert page.evaluate("document.documentElement.dataset.theme") == "light"


def test_a_card_says_what_it_is(page):
    name = page.locator("#n5").get_attribute("aria-label")
    assert name.startswith("op, act.relu, (3, 3), gradient norm 0.4")
    assert name.endswith("warning: unit 2 is dead: 0 for all 3 examples")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault(page, theme):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe: pip install 'minigrad[browser]'"
    ).Axe()
    if theme == "dark":
        page.keyboard.press("d")
    for prepare in ("0", "goTo(4)", "fold('g1'); reveal('n2')", "state.query = 'w'; listHits()"):
        page.evaluate(prepare)
        found = axe.run(page).response
        assert found["passes"]
        assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found["violations"]] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("graph", ["folded", "mirror"])
def test_all_text_has_a_contrast_of_four_and_a_half(visit, loss, theme, graph):
    drawing = {
        "folded": lambda: deep(3),
        "mirror": lambda: draw(loss(), "backward"),
    }[graph]()
    page = visit(drawing, f"#theme={theme}&card=n2")
    page.keyboard.press("f")
    found = page.evaluate(CONTRAST)
    assert len(found) > 100
    assert {text["ink"] for text in found} > {"rgb(0, 0, 0)"}
    assert [text for text in found if text["ratio"] < 4.5] == []


def test_the_theme_of_the_system_is_the_first_one(visit, loss):
    assert (
        visit(draw(loss()), color_scheme="dark").evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        == "rgb(18, 23, 29)"
    )


def test_nothing_moves_for_those_who_want_it_still(visit, loss):
    look = "getComputedStyle(document.getElementById('n0')).transitionDuration"
    assert visit(draw(loss()), reduced_motion="reduce").evaluate(look) == "0s"
    assert visit(draw(loss())).evaluate(look) == "0.15s"


def test_the_policy_is_in_force(browser, files, loss):
    path = draw(loss()).save(files / "policy.html")
    page = browser.new_page()
    asked, refused = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: refused.append((request.url, request.failure)))
    page.goto(path.as_uri())
    page.evaluate(
        """async () => {
          const add = (tag, name, value) => {
            const made = document.createElement(tag);
            made[name] = value;
            document.body.append(made);
          };
          add("script", "textContent", "window.pwned = 1");
          add("img", "src", "http://127.0.0.1:9/x.png");
          add("style", "textContent", "body { display: none }");
          const button = document.createElement("div");
          button.setAttribute("onclick", "window.pwned = 2");
          document.body.append(button);
          button.click();
          // In a task of the page: what the debugger itself evaluates may do more.
          await new Promise((done) => setTimeout(() => {
            try { new Function("window.pwned = 3")(); }
            catch (error) { window.refused = error.name; }
            done();
          }));
          await fetch("http://127.0.0.1:9/").catch(() => 0);
        }"""
    )
    for _ in range(400):  # what was refused is told a little later
        if refused:
            break
        page.wait_for_timeout(25)
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("getComputedStyle(document.body).display") == "flex"
    assert page.evaluate("refused") == "EvalError"
    assert refused == [("http://127.0.0.1:9/x.png", "csp")]
    assert set(asked) <= {path.as_uri(), "http://127.0.0.1:9/x.png"}
    page.close()


def test_nasty_names_are_only_text(visit):
    elements = set()
    for label in ("x", NASTY[0], "".join(NASTY[1:])):
        page = visit(named(label))
        page.evaluate("reveal('n1')")
        page.locator("#search").fill("o")
        elements.add(page.evaluate("document.querySelectorAll('*').length"))
        assert page.evaluate("document.scripts.length") == 2
    assert len(elements) == 1


def test_the_frame_in_a_notebook(browser, files, loss):
    """The frame that ``interactive()`` shows runs its script and sees nothing around it."""
    path = files / "frame.html"
    shown_frame = draw(loss()).interactive(height=500)._repr_html_()
    path.write_text(
        f"<!doctype html><body>{shown_frame}<script>secret = 1</script>", encoding="utf-8"
    )
    page = browser.new_page(viewport={"width": 1200, "height": 700})
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(path.as_uri())
    frame = page.frames[1]
    until(frame, "plan !== null")
    click_title(frame, "g0")
    assert frame.evaluate("plan.places.has('g0')")
    assert frame.evaluate("window.origin") == "null"
    assert frame.evaluate("try { parent.secret } catch (error) { error.name }") == "SecurityError"
    with page.expect_download() as waiting:
        frame.locator("#save").click()
    assert waiting.value.suggested_filename == "graph.svg"
    assert wrong == []
    page.close()


def test_an_exported_notebook_shows_the_picture_and_runs_the_page(browser, exported):
    page = browser.new_page(viewport={"width": 1200, "height": 1400})
    page.goto(exported.as_uri(), wait_until="commit")  # its template asks for MathJax, offline
    picture = page.locator("img[src^='data:image/svg']")
    until(page, "document.querySelector(\"img[src^='data:image/svg']\")?.naturalWidth > 100")
    assert picture.bounding_box()["height"] > 100
    page.wait_for_selector("iframe")
    until(page, "window.length === 1")
    frame = page.frames[1]
    until(frame, "typeof plan !== 'undefined' && plan !== null && plan.places.size === 4")
    page.locator("iframe").scroll_into_view_if_needed()
    assert page.locator("iframe").bounding_box()["height"] == 400 + 2
    click_card(frame, "n2")
    assert frame.locator("#details h2").inner_text() == "matmul"
    page.close()
