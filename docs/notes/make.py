"""Draw the pictures of the course again: ``python docs/notes/make.py [page ...]``.

A page's own code makes its pictures: what it calls ``picture`` becomes ``pictures/<page>.svg``, and
``picture_name`` becomes ``pictures/<page>-name.svg``. Each file ends with a fingerprint of the code
that made it, so that a test can tell a picture that its page has outgrown.
"""

import contextlib
import doctest
import hashlib
import io
import sys
from pathlib import Path
from typing import Any

NOTES = Path(__file__).parent
TUTORIAL = NOTES.parent / "tutorial"
STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#56626e",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "grid.color": "#e4e9ee",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "minigrad",
}
COLOURS = ["#0b5cad", "#b93c0a", "#1a7f42", "#7d5800", "#5b2a86", "#3f4c5a"]


def pages() -> list[Path]:
    """Return the pages that make pictures: the numbered ones and the tutorial's."""
    return sorted(NOTES.glob("[0-9]*.md")) + sorted(TUTORIAL.glob("*.md"))


def examples(page: Path) -> list[doctest.Example]:
    """Return the statements of a page, as doctest reads them."""
    return doctest.DocTestParser().get_examples(page.read_text(encoding="utf-8"), str(page))


def fingerprint(page: Path) -> str:
    """Return what changes when the page's code does."""
    code = "".join(example.source for example in examples(page))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def run(page: Path) -> dict[str, Any]:
    """Run a page and return what its code has defined."""
    space: dict[str, Any] = {"__name__": "__main__"}
    for example in examples(page):
        raises = contextlib.suppress(Exception) if example.exc_msg else contextlib.nullcontext()
        with contextlib.redirect_stdout(io.StringIO()), raises:
            exec(compile(example.source, str(page), "single"), space)
    return space


def draw(page: Path) -> list[Path]:
    """Run a page, write its pictures and return where they are."""
    import matplotlib as mpl

    (page.parent / "pictures").mkdir(exist_ok=True)
    written = []
    with mpl.rc_context({**STYLE, "axes.prop_cycle": mpl.cycler(color=COLOURS)}):
        for name, picture in run(page).items():
            if name != "picture" and not name.startswith("picture_"):
                continue
            suffix = name.removeprefix("picture").replace("_", "-")
            path = page.parent / "pictures" / f"{page.stem}{suffix}.svg"
            if hasattr(picture, "savefig"):
                picture.savefig(path, metadata={"Date": None})
            else:
                picture.save(path)
            text = path.read_text(encoding="utf-8").rstrip()
            text = "\n".join(line.rstrip() for line in text.splitlines())
            path.write_text(f"{text}\n<!-- code {fingerprint(page)} -->\n", encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for page in pages():
        if not wanted or any(name in page.name for name in wanted):
            for path in draw(page):
                print("wrote", path)
