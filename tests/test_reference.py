"""The generated reference says what the registry says."""

import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest

import minigrad as mg
from minigrad.elsewhere import ABSENT
from minigrad.names import NOTES, RECIPES
from minigrad.primitive import REGISTRY

MAKE = Path(__file__).parent.parent / "docs" / "reference" / "make.py"
MADE = runpy.run_path(str(MAKE))
PAGES = MADE["pages"]()


def page(name):
    return PAGES[MAKE.parent / name]


def test_the_reference_is_up_to_date():
    stale = [path.name for path in MADE["stale"](PAGES)]
    assert not stale, f"run python {MAKE}"


def test_a_page_that_differs_is_missing_or_should_not_be_is_stale():
    first, second = list(PAGES)[:2]
    made = {path: text for path, text in PAGES.items() if path != second}
    made |= {first: "changed", MAKE.parent / "ops" / "new.md": "new"}
    found = set(MADE["stale"](made)) - set(MADE["stale"](PAGES))
    assert found >= {first, second, MAKE.parent / "ops" / "new.md"}


def test_everything_public_has_a_page_and_nothing_else():
    names = {path.stem for path in PAGES if path.parent.name in {"ops", "functional"}}
    for name in vars(mg)["__all__"]:
        value = getattr(mg, name)
        if callable(value) and value.__module__.startswith(("minigrad.ops", "minigrad.functional")):
            assert name in names or getattr(value, "__name__", "") in names, name
    inside = [n for n in mg.linalg.__all__ if not inspect.isclass(getattr(mg.linalg, n))]
    assert {f"linalg.{name}" for name in inside if not hasattr(mg, name)} <= names
    internal = {name for name in REGISTRY if not hasattr(mg, name)}
    assert not internal & names


def test_every_module_has_a_page_with_a_section_for_all_that_it_exports():
    modules = {path.stem: text for path, text in PAGES.items() if path.parent.name == "modules"}
    table = page("modules.md")
    for name, text in modules.items():
        assert f"](modules/{name}.md)" in table
        home = importlib.import_module(f"minigrad.{name}")
        for own in getattr(home, "__all__", ()):
            if callable(getattr(home, own)) and inspect.getdoc(getattr(home, own)):
                assert f"\n## {own}\n" in text, f"{name}.{own}"
    assert {"nn", "optim", "training", "diagnosis", "testing", "viz", "compile"} <= modules.keys()
    sections = "".join(modules.values())
    for name in vars(mg)["__all__"]:
        value = getattr(mg, name)
        place = getattr(value, "__module__", "minigrad.ops")
        if callable(value) and not place.startswith(("minigrad.ops", "minigrad.functional")):
            assert f"\n## {value.__name__}\n" in sections, name


def test_the_tables_lead_to_pages_that_are_there():
    for table, folder in (("ops.md", "ops"), ("functional.md", "functional")):
        links = re.findall(r"^\| \[`[^`]+`\]\(([^)]+)\)", page(table), re.MULTILINE)
        assert links
        for link in links:
            assert MAKE.parent / link in PAGES
            assert link.startswith(folder)
    assert (
        "| [`multiply`](ops/multiply.md) | Product ``a * b``, elementwise. | a: g × b<br>b: g × a "
        "| a, b | everywhere | `np.multiply` |" in page("ops.md")
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ops/multiply.md", "mg.multiply(a, b, /)"),
        ("ops/multiply.md", "| Gradient | `a` ← `g × b`<br>`b` ← `g × a` |"),
        ("ops/multiply.md", "| Kept until backward | a, b |"),
        ("ops/exp.md", "| Kept until backward | out |"),
        ("ops/log.md", "| Smooth on | (0, inf) |"),
        ("ops/relu.md", "its gradient at 0 is 0"),
        ("ops/concatenate.md", "| PyTorch | `cat`, `concat` |"),
        ("ops/expand_dims.md", "`unsqueeze`"),
        ("ops/concatenate.md", "`np.concatenate`"),
        ("ops/sum.md", "| Method | `t.sum` |"),
        ("ops/equal.md", "none: nothing is recorded"),
        ("ops/linalg.solve.md", "from minigrad.linalg import solve"),
        ("functional/softmax.md", "that of the ops it is composed of"),
        ("functional/softmax.md", "from minigrad import softmax"),
        ("modules/nn.md", "mg.nn.Linear(in_features, out_features, bias=True, *, init=None"),
        ("modules/nn.md", ">>> from minigrad.nn import Linear\n"),
        ("modules/nn.md", "- `forward(query, key=None, value=None, *, key_padding_mask=None"),
        ("modules/nn.md", "- `load_state_dict(state, strict=True)`: Take over the values of"),
        ("modules/optim.md", "- amsgrad: Whether the largest mean of squares so far divides"),
        ("modules/training.md", "mg.fit(model, x, y, "),
        ("modules/tensor.md", "| [`tensor`](#tensor-1) |"),
    ],
)
def test_a_page_says(name, words):
    assert words in page(name)


def test_every_page_of_an_op_has_an_example_that_runs():
    for path, text in PAGES.items():
        if path.parent.name in {"ops", "functional"}:
            assert ">>> " in text, path


def test_every_name_is_in_the_table_of_names():
    text = page("names.md")
    for name in [*RECIPES, *NOTES]:
        assert f"| `{name}` |" in text
    for why, names in ABSENT.items():
        assert f"| {why} | " in text
        assert all(f"`{name}`" in text for name in names.split())
