"""Every text is readable in both themes, and numbers are short."""

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given

from minigrad.viz.style import THEMES, clean, contrast, heat, ink, number

TINTED = ["forward", "backward", "parameter", "input", "loss"]


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_has_contrast(theme):
    pairs = [(getattr(theme, n), getattr(theme, f"{n}_tint")) for n in TINTED]
    pairs += [(theme.alarm, theme.alarm_tint), (theme.muted, theme.empty)]
    pairs += [(theme.text, theme.input_tint), (theme.text, theme.group), (theme.muted, theme.group)]
    pairs += [(theme.muted, getattr(theme, f"{n}_tint")) for n in TINTED]
    pairs += [
        (getattr(theme, text), ground)
        for text in ("text", "muted", "forward", "backward", "loss", "alarm", "good")
        for ground in (theme.body, theme.page)
    ]
    assert min(contrast(*pair) for pair in pairs) >= 4.5


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_numbers_have_contrast_on_every_heat(theme):
    shades = {heat(x / 200, 1.0, theme) for x in range(-200, 201)} | {heat(float("nan"), 1, theme)}
    assert len(shades) > 150
    assert min(contrast(ink(shade), shade) for shade in shades) >= 4.5


def test_ink_is_readable_on_any_grey():
    assert min(contrast(ink(g), g) for g in (f"#{i:02x}{i:02x}{i:02x}" for i in range(256))) >= 4.5


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_heat_tells_sign_and_size(theme):
    signs = [heat(x, 1.0, theme) for x in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    assert len(set(signs)) == 5
    far = [contrast(a, theme.empty) for a in signs]
    assert far[0] > far[1] > far[2] == 1.0 < far[3] < far[4]
    assert heat(float("inf"), 1.0, theme) == theme.alarm


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"), (0.125, "0.12"), (-0.13, "−0.13"), (9.999, "10.0"), (42.31, "42.3"),
        (99.97, "100"), (-1234.5, "−1234"), (9999.7, "1e4"), (0.0049, "5e−3"), (-3.1e-4, "−3e−4"),
        (1e-300, "1e−300"), (float("nan"), "nan"), (float("inf"), "∞"), (float("-inf"), "−∞"),
        (7, "7"), (-12, "−12"), (123456, "1e5"), (True, "1"), (10**400, "big"),
    ],
)  # fmt: skip
def test_number(x, text):
    assert number(x) == text


@given(st.one_of(st.floats(), st.integers(-(10**30), 10**30)))
def test_numbers_are_short_and_have_no_hyphen(x):
    text = number(x)
    assert 0 < len(text) <= 7
    assert "-" not in text


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4))
def test_numbers_keep_their_order(a, b):
    low, high = sorted([a, b])
    assert float(number(low)) <= float(number(high))


@given(st.text())
def test_clean_text_can_be_encoded(text):
    assert len(clean(text)) == len(text)
    assert not set(clean(text).encode("utf-8")) & set(itertools.chain(range(32), [127]))
