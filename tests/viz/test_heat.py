"""Heat pictures: no extreme is lost, the PNG is one, and every engine shows them."""

import io
import re
import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.viz import draw, engine
from minigrad.viz.digest import digest
from minigrad.viz.heat import BAD, COLUMNS, LEVELS, ROWS, ZERO, Album, blocks_text, heat_of
from minigrad.viz.markup import CELLS


def points(png):
    """Palette indices of a PNG, read by its specification."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            kind + data
        )
        chunks[kind] = data
        at += 12 + length
    width, height, depth, colours = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colours) == (8, 3)
    assert len(chunks[b"PLTE"]) == 3 * len(chunks[b"tRNS"]) == 3 * (BAD + 1)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:]


def shades(heat):
    return np.frombuffer(heat.shades, np.uint8).reshape(heat.rows, heat.columns)


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.lists(st.tuples(st.integers(0, 199), st.integers(0, 199)), max_size=3),
    st.sampled_from([3.0, -3.0, np.nan, np.inf]),
)
def test_no_extreme_is_averaged_away(rows, columns, places, extreme):
    table = np.random.default_rng(0).uniform(-1, 1, (rows, columns))
    for i, j in places:
        table[i % rows, j % columns] = extreme
    heat = heat_of(table)
    assert heat.rows <= ROWS
    assert heat.columns <= COLUMNS
    height, width = heat.block
    strongest = {3.0: 2 * LEVELS, -3.0: LEVELS}.get(extreme, BAD)
    for i, j in places:
        assert shades(heat)[i % rows // height, j % columns // width] == strongest
    blocks = {(i % rows // height, j % columns // width) for i, j in places}
    if places:  # and only there
        assert (shades(heat) == strongest).sum() == len(blocks)


def test_what_is_too_small_beside_the_largest_has_no_shade():
    assert list(heat_of(np.array([[1e300, 1e-300, -1e-300]])).shades) == [2 * LEVELS, ZERO, ZERO]


def test_what_is_zero_in_all_of_a_block_is_grey():
    table = np.ones((112, 140))
    table[10:20, :] = 0.0
    table[0, 0] = -1e-12
    found = shades(heat_of(table))
    assert (found[5:10] == ZERO).all()
    assert (np.delete(found, np.arange(5, 10), axis=0) == 2 * LEVELS).all()


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_shades_do_not_depend_on_the_unit(scale):
    table = np.array([[0.0, 0.5, -1.0, 1e-9]])
    assert shades(heat_of(table * scale)).tolist() == shades(heat_of(table)).tolist()
    assert shades(heat_of(table)).tolist() == [[ZERO, 49, LEVELS, LEVELS + 1]]


@pytest.mark.parametrize("shape", [(784, 128), (1, 3000), (128, 10), (40, 33)])
def test_the_picture_shows_the_shades_block_by_block(shape):
    heat = heat_of(np.random.default_rng(1).normal(size=shape))
    drawn = points(heat.png())
    down, across = drawn.shape[0] // heat.rows, drawn.shape[1] // heat.columns
    np.testing.assert_array_equal(drawn[::down, ::across], shades(heat))
    np.testing.assert_array_equal(np.kron(shades(heat), np.ones((down, across))), drawn)
    width, height = heat.size
    assert drawn.shape == (2 * height, 2 * width)
    assert width <= 140
    assert height <= 112
    assert len(heat.png()) < 8000


def test_it_is_taken_of_tables_and_batches_of_them():
    assert digest(np.ones((40, 40))).heat is not None
    assert digest(np.ones((4, 20, 40))).heat is not None
    for other in (np.ones((32, 32)), np.ones(5000), np.ones((2, 3, 30, 30)), np.ones((0, 90))):
        assert digest(other).heat is None
    assert digest(np.ones((90, 90), int)).heat is None  # labels have no size
    assert heat_of(np.ones((57, 71))).block == (2, 2)
    assert blocks_text(heat_of(np.ones((57, 71)))) == "pixel: largest of 2 × 2"
    assert blocks_text(heat_of(np.ones((56, 70)))) == ""


def test_equal_pictures_are_kept_once():
    album, one, other = Album(), np.ones((40, 40)), np.eye(40)
    names = [album.add(heat_of(x)) for x in (one, other, one.copy())]
    assert names == ["heat0.png", "heat1.png", "heat0.png"]
    svg = '<image xlink:href="heat1.png"/>'
    found = re.search(r'base64,([^"]*)"', Album.embedded(album, svg))
    assert found is not None
    assert Album(inline=True).add(heat_of(other)).endswith(found[1])


@pytest.fixture
def wide():
    w = mg.Tensor(np.random.default_rng(0).normal(size=(90, 40)), requires_grad=True, name="w")
    return mg.mean(mg.square(mg.tensor(np.eye(90), name="x") @ w))


@pytest.mark.parametrize("how", ["dot", "pygraphviz"])
def test_an_svg_holds_them_itself(wide, how, monkeypatch, tmp_path):
    if how == "pygraphviz":
        pytest.importorskip("pygraphviz")
        monkeypatch.setenv("PATH", str(tmp_path))
    elif engine._command("svg", "dot") is None:
        pytest.skip("no Graphviz")
    graph = draw(wide)
    svg = engine.render(graph, "svg", "auto" if how == "pygraphviz" else "dot")
    images = list(ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}image"))
    assert len(images) == 7  # x; value and gradient of w, matmul and square
    link = "{http://www.w3.org/1999/xlink}href"
    assert all(image.attrib[link].startswith("data:image/png;base64,") for image in images)
    assert b".png" not in svg
    sizes = {(image.attrib["width"], image.attrib["height"]) for image in images}
    assert sizes == {("135px", "90px"), ("120px", "90px")}


def test_a_picture_of_points_has_them_as_well(wide):
    if engine._command("png", "auto") is None:
        pytest.skip("no Graphviz")
    image = pytest.importorskip("matplotlib.image")
    picture = engine.render(draw(wide), "png")

    seen = image.imread(io.BytesIO(picture), "png")[..., :3]
    purple = (abs(seen - np.array([0x95, 0x61, 0xB6]) / 255).max(axis=-1) < 0.1).sum()
    assert purple > 300


def test_the_text_of_a_drawing_names_no_files(wide):
    assert "IMG" not in draw(wide).dot
    assert "norm" in draw(wide).dot  # histograms stand for them


def test_a_page_holds_each_once_for_both_themes_and_with_and_without_gradients(wide, tmp_path):
    page = draw(wide).save(tmp_path / "page.html").read_text(encoding="utf-8")
    held = re.findall(r'<image href="(data:image/png;base64,[^"]*)"', page)
    assert (len(held), len(set(held))) == (5, 4)  # gradients that are a multiple look the same
    assert "img-src data:" in page


def test_beyond_the_cells_of_a_picture_mosaics_are_pictures(monkeypatch):
    w = mg.Tensor(np.eye(30), requires_grad=True, name="w")
    y = w
    for _ in range(8):
        y = mg.tanh(y)
    graph = draw(mg.sum(y), "forward", fold=False)
    page = graph.interactive().html
    drawn = CELLS // 900
    assert page.count("<image ") == 9 - drawn
    monkeypatch.setattr("minigrad.viz.markup.HEATS", 0)
    assert "<image " not in graph.interactive().html
