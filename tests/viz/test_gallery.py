"""The gallery shows every picture, and all of them are there."""

import html
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from docs.pictures.make import gallery, pictures

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_page_is_what_the_command_writes():
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery()


def test_every_picture_is_described_and_drawn():
    page = gallery()
    for name, make in pictures().items():
        assert make.__doc__
        assert f"(pictures/{name}.svg)" in page
        assert ET.parse(DOCS / "pictures" / f"{name}.svg").getroot().get("viewBox")
    total = sum(path.stat().st_size for path in (DOCS / "pictures").glob("*.svg"))
    assert total < 1_500_000


@pytest.mark.parametrize("name", ["error", "difference", "readme", "network_dark"])
def test_the_pictures_are_of_what_the_code_draws(name):
    text = html.unescape((DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8"))
    graph = pictures()[name]()
    for card in graph.cards:
        assert re.search(rf">(◆ )?{re.escape(card.title)}<", text), card.title
    assert graph.title.split(";")[0] in text
