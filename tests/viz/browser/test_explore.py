"""What a reader does with the page: fold, search, step, pick, zoom, save; by mouse and by keys."""

# mypy: disable-error-code="union-attr"

import pathlib
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad.viz import draw
from tests.viz.browser.conftest import click_card, click_title, deep, shown, state, until

OVERLAPS = (pathlib.Path(__file__).parent / "overlaps.js").read_text(encoding="utf-8")
ALL = {f"n{i}" for i in range(12)}
FC1 = {"n1", "n2", "n3", "n4"}


def overlaps(page):
    """Pairs of cards that lie on top of each other, and cards outside of their box."""
    return page.evaluate(OVERLAPS)


def test_a_title_folds_its_module_and_the_folded_card_unfolds_it(page):
    assert shown(page) == ALL
    click_title(page, "g0")
    assert shown(page) == ALL - FC1 | {"g0"}
    assert page.locator("#g0").is_visible()
    click_card(page, "g0")
    assert shown(page) == ALL


def test_what_folds_stays_where_it_was(page):
    page.evaluate("fit()")
    title = page.locator("[data-group=g1] .hit").bounding_box()
    click_title(page, "g1")
    card = page.locator("#g1").bounding_box()
    assert abs(card["x"] - title["x"]) < 30
    assert abs(card["y"] - title["y"]) < 30


def test_all_can_be_folded_and_unfolded(page):
    page.get_by_role("button", name="Collapse all").click()
    assert shown(page) == {"n0", "g0", "g1", "g2", "n10", "n11"}
    page.get_by_role("button", name="Expand all").click()
    assert shown(page) == ALL


@pytest.mark.parametrize("gradients", [True, False])
def test_nothing_lies_on_top_of_anything(visit, gradients):
    page = visit(deep(3))
    if not gradients:
        page.keyboard.press("g")
    for press in ("e", "c"):
        page.keyboard.press(press)
        assert overlaps(page) == []
    page.keyboard.press("e")
    for group in page.evaluate("[...groups.keys()].filter((_, i) => i % 4 === 2)"):
        page.evaluate(f"fold('{group}')")
        assert overlaps(page) == []


def test_the_data_path_is_straight(page):
    rows = page.evaluate(
        "['n0', 'n2', 'n4', 'n5', 'n7', 'n9', 'n11'].map((id) => { const p = plan.places.get(id);"
        " return p.y + p.h / 2; })"
    )
    assert max(rows) - min(rows) < 0.01


def test_search_finds_what_is_folded_and_opens_the_way_to_it(page):
    page.get_by_role("button", name="Collapse all").click()
    page.keyboard.press("/")
    page.keyboard.type("fc2 weight")
    hit = page.locator("#hits li").first
    assert hit.inner_text().startswith("fc2.weight")
    assert "in a folded module" in hit.inner_text()
    assert page.locator("#g2").get_attribute("class").split()[-1] != "dim"
    assert "dim" in page.locator("#g0").get_attribute("class")
    page.keyboard.press("Enter")
    assert "n6" in shown(page)
    assert "g0" in shown(page)
    assert page.locator("#details h2").inner_text() == "fc2.weight"
    assert page.locator("#details th").all_inner_texts() == ["0", "1", "2"] * 2


def test_search_by_diagnosis_and_without_success(page):
    page.locator("#search").fill("dead")
    assert [hit.split("\n")[0] for hit in page.locator("#hits li").all_inner_texts()] == [
        "act.relu"
    ]
    page.locator("#search").fill("nothing like this")
    assert page.locator("#hits").inner_text() == "nothing found"
    page.keyboard.press("Escape")
    assert page.locator("#search").input_value() == ""
    assert not page.locator(".dim").count()


def test_a_click_shows_every_number_of_a_card(page, loss):
    click_card(page, "n5")
    details = page.locator("#details")
    assert details.locator("h2").inner_text() == "act.relu"
    assert "⚠ unit 2 is dead: 0 for all 3 examples" in details.inner_text()
    assert "∂L/∂in = g" in details.inner_text()
    assert "72 B · 9 FLOPs forward · keeps 72 B for backward" in details.inner_text()
    card = draw(loss()).cards[5]
    tables = details.locator("table").all()
    for table, digest in zip(tables, (card.value, card.gradient), strict=True):
        cells = [cell.replace("−", "-") for cell in table.locator("td").all_inner_texts()]
        numbers = [x for row in digest.rows for x in row]
        assert [float(cell) for cell in cells] == pytest.approx(numbers, rel=1e-4)
    click_card(page, "n5")
    assert details.locator("h2").inner_text() == "Pick a card"


def test_the_pass_is_stepped_forward_and_backward(page):
    for _ in range(3):
        page.get_by_role("button", name="Step on").click()
    assert page.locator("#caption").inner_text().startswith("3/16 forward: act.relu")
    assert page.locator(".now").get_attribute("id") == "n5"
    assert "forward" in page.locator(".now").get_attribute("class")
    assert "dim" in page.locator("#n7").get_attribute("class")
    page.locator("#step").fill("9")
    assert page.locator("#caption").inner_text().startswith("9/16 backward: fc2.bias")
    assert {c.get_attribute("id") for c in page.locator(".card:not(.dim)").all()} >= {
        "n11",
        "n9",
        "n8",
    }
    assert "dim" in page.locator("#n7").get_attribute("class")
    page.get_by_role("button", name="Step back").click()
    assert state(page, "step") == 8


def test_the_pass_plays_by_itself_and_stops_at_its_end(page):
    page.evaluate("goTo(13)")
    page.get_by_role("button", name="Play").click()
    until(page, "state.step === 16")
    until(page, "document.getElementById('play').getAttribute('aria-pressed') === 'false'")


def test_a_step_inside_a_folded_module_lights_the_module(page):
    click_title(page, "g1")
    page.evaluate("goTo(3)")
    assert page.locator(".now").get_attribute("id") == "g1"


def test_an_example_is_followed_through_the_batch(page):
    page.locator("#example").select_option("1")
    rows = page.evaluate(
        "[...document.querySelectorAll('[data-row]')].map((row) =>"
        " [row.dataset.row, row.classList.contains('on'), Number(getComputedStyle(row).opacity)])"
    )
    assert len(rows) > 20
    assert all(on == (row == "1") and (opacity == 1) == on for row, on, opacity in rows)
    click_card(page, "n5")
    assert page.locator("#details tr.on th").all_inner_texts() == ["1", "1"]
    page.keyboard.press("x")
    assert not page.locator(".on").count()


def test_gradients_can_be_put_away(page):
    wide = page.evaluate("plan.places.get('n5').w")
    page.get_by_role("button", name="Gradients").click()
    assert page.evaluate("plan.places.get('n5').w") < wide
    assert not page.locator(".wire.gradient").count()
    texts = page.locator("#n5 .bare text").all_text_contents()
    assert "0.24" in page.locator("#n5 text").all_text_contents()
    assert not any("∂" in text for text in texts)
    assert page.locator("#n5 .full").is_hidden()


def test_issues_one_after_the_other(page):
    click_title(page, "g1")
    seen = []
    for _ in range(3):
        page.keyboard.press("n")
        seen.append(page.locator("#details h2").inner_text())
    assert sorted(seen) == ["act.relu", "fc1.weight", "fc2.weight"]
    assert "n5" in shown(page)
    page.keyboard.press("N")
    assert page.locator("#details h2").inner_text() == seen[1]


def test_the_address_leads_back_to_the_same_view(visit, loss):
    page = visit(draw(loss()))
    click_title(page, "g2")
    for key in ("d", "g", "1", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    click_card(page, "n4")
    address = page.evaluate("location.hash")
    again = visit(draw(loss()), address)
    look = (
        "[[...state.folded], state.card, state.step, state.example, state.gradients,"
        " document.documentElement.dataset.theme]"
    )
    assert again.evaluate(look) == page.evaluate(look) == [["g2"], "n4", 2, 1, False, "dark"]
    assert again.evaluate("location.hash") == address


def test_a_broken_address_is_no_harm(visit, loss):
    page = visit(
        draw(loss()), "#fold=g99.__proto__&card=%3Cb%3E&step=-7&example=1e9&theme=pink&find=%"
    )
    assert shown(page) == ALL
    assert (state(page, "card"), state(page, "step"), state(page, "example")) == (None, 0, None)


def test_zoom_at_the_pointer_and_drag(page):
    def corner():
        """Where a card begins in the window, and how large its units are: what no font changes."""
        return page.evaluate(
            "(() => { const m = at('n5').getScreenCTM(); return [m.e, m.f, m.a]; })()"
        )

    page.keyboard.press("f")
    left, top, k = corner()
    x, y = round(left) + 6, round(top) + 6
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    until(page, f"zoom.k > {1.5 * k}")
    zoomed = corner()
    assert (x - zoomed[0]) / zoomed[2] == pytest.approx((x - left) / k, abs=0.1)
    assert (y - zoomed[1]) / zoomed[2] == pytest.approx((y - top) / k, abs=0.1)
    page.mouse.down()
    page.mouse.move(x + 40, y - 10, steps=3)
    page.mouse.up()
    moved = corner()
    assert moved == pytest.approx([zoomed[0] + 40, zoomed[1] - 10, zoomed[2]], abs=0.1)
    assert state(page, "card") is None  # a drag is no click
    page.keyboard.press("f")
    assert corner() == pytest.approx([left, top, k], abs=0.1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_saved_picture_needs_no_style_sheet(visit, loss, theme, browser, files):
    page = visit(draw(loss(), theme=theme))
    click_title(page, "g0")
    with page.expect_download() as waiting:
        page.keyboard.press("s")
    assert waiting.value.suggested_filename == "graph.svg"
    path = files / f"{theme}.svg"
    waiting.value.save_as(path)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"var\(|class=|style=|tabindex|data-", text)
    root = ET.fromstring(text)
    drawn = "".join(root.itertext())
    assert "unit 2 is dead" in drawn
    assert "◆ bias" in drawn
    assert re.search(r'fill="rgb\(\d+', text)
    # Shown alone it is the same picture: as many dark points, or almost.
    alone = browser.new_page()
    alone.goto(path.as_uri())
    assert alone.evaluate("document.documentElement.getBBox().width") > 500
    alone.close()


def test_large_matrices_are_pictures_on_the_page_and_in_what_is_saved(visit, files):
    w = mg.tensor(np.random.default_rng(0).normal(size=(90, 40)), requires_grad=True, name="w")
    page = visit(draw(mg.mean(mg.square(mg.tensor(np.eye(90), name="x") @ w))))
    widths = page.evaluate(
        """() => Promise.all([...document.querySelectorAll("image")].map(async (drawn) => {
          const image = new Image();  // which the policy allows, and can be decoded
          image.src = drawn.getAttribute("href");
          await image.decode();
          return image.naturalWidth / drawn.width.baseVal.value;
        }))"""
    )
    assert widths == [2] * 5  # two points for each unit, so that edges stay sharp
    with page.expect_download() as waiting:
        page.keyboard.press("s")
    waiting.value.save_as(files / "heat.svg")
    images = ET.parse(files / "heat.svg").getroot().iter("{http://www.w3.org/2000/svg}image")
    assert {image.get("href", "")[:22] for image in images} == {"data:image/png;base64,"}


def test_folding_three_hundred_cards_is_quick(visit):
    page = visit(deep(18))
    page.keyboard.press("e")
    assert len(shown(page)) > 240
    least, slowness = page.evaluate(
        """() => {
          const timed = (work) => {
            const start = performance.now();
            work();
            return performance.now() - start;
          };
          const fixed = () => {
            for (let i = 0, x = 1; i < 4e6; i++) x = (x * 48271) % 2147483647;
          };
          const change = (act, id) => () => {
            act(id);
            picture.getBoundingClientRect();  // waits for style and layout
          };
          const folds = ['g2', 'g8', 'g14', 'g20', 'g2', 'g8', 'g14', 'g20'].map((id) =>
            Math.max(timed(change(fold, id)), timed(change(unfold, id))));
          const usual = 100, took = Math.min(...Array.from({ length: 5 }, () => timed(fixed)));
          return [Math.min(...folds), took / usual];
        }"""
    )
    # The least of several is what the page needs; the rest is what else this machine does. Where a
    # fixed amount of arithmetic takes longer than usual, this may take longer as well.
    assert least < 100 * max(slowness, 1)


def test_the_mirror_has_its_gradients_below(visit, loss):
    page = visit(draw(loss(), "backward"))
    places = page.evaluate("Object.fromEntries(plan.places)")
    for name, place in places.items():
        if name[0] == "b":
            assert place["y"] > places["n" + name[1:]]["y"]
    page.get_by_role("button", name="Gradients").click()
    assert shown(page) == ALL
