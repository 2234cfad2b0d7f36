"""The documentation holds together: links lead somewhere, pictures are those of their pages."""

import functools
import inspect
import itertools
import json
import os
import posixpath
import re
import runpy
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import minigrad as mg

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NOTES = runpy.run_path(str(DOCS / "notes" / "make.py"))
PAGES = NOTES["pages"]()
MARKDOWN = [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted(DOCS.rglob("*.md"))]
HAND_WRITTEN = [page for page in MARKDOWN if "reference/" not in page.as_posix()]

# A newcomer's way, each page linking to the next.
WAY = [
    "README.md",
    "docs/notes/index.md",
    "docs/tutorial/backward-of-the-digits.md",
    "docs/explanation/the-core-in-an-hour.md",
]


def name(page):
    return page.relative_to(ROOT).as_posix()


def prose(page):
    """The text of a page without what stands in code."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "code", text)


def links(page):
    """Targets of the links and pictures of a page, without those to other machines."""
    found = re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)", prose(page))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page):
    """What ``#`` can be followed by: the headings as GitHub and the site write them.

    The second of two equal ones ends in ``-1``.
    """
    headings = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.M)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    found: list[str] = []
    for heading in plain:
        anchor = heading.strip().replace(" ", "-")
        found.append(f"{anchor}-{found.count(anchor)}" if anchor in found else anchor)
    return set(found)


def broken(page):
    for link in links(page):
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists():
            yield f"{name(page)}: {link} leads nowhere"
        elif anchor and anchor not in anchors(path):
            yield f"{name(page)}: {link} has no such heading"


def test_every_relative_link_leads_somewhere():
    assert sum(len(links(page)) for page in MARKDOWN) > 500
    assert [problem for page in MARKDOWN for problem in broken(page)] == []


def test_a_broken_link_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A title\n[a](none.md) `[b](none.md)` [c](#a-title) [d](#none) [e](page.md)\n"
    )
    assert len(list(broken(page))) == 2


def test_every_page_written_by_hand_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.is_dir():
                waiting += sorted(target.glob("*.md"))
            elif target.suffix == ".md":
                waiting.append(target)
    lost = [name(page) for page in HAND_WRITTEN if page not in reached]
    assert lost == [], "docs/index.md is the place to link to them"


def test_a_newcomer_gets_from_the_readme_to_the_backward_pass_by_links():
    for here, there in itertools.pairwise(WAY):
        targets = [(ROOT / here).parent / link for link in links(ROOT / here)]
        assert (ROOT / there).resolve() in [t.resolve() for t in targets], f"{here} -> {there}"


# The course


def test_the_course_answers_25_questions_in_one_order():
    index = (DOCS / "notes" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^(\d+)\. \[.+\]\((\S+)\)$", index, re.M)
    assert [int(number) for number, _ in listed] == list(range(1, 26))
    order = [file for _, file in listed]
    numbered = sorted(page.name for page in DOCS.glob("notes/[0-9]*.md"))
    assert sorted(order) == numbered
    assert [int(file[:2]) for file in numbered] == list(range(1, 26))
    for file, following in zip(order, [*order[1:], "backward-of-the-digits.md"], strict=True):
        last = (DOCS / "notes" / file).read_text(encoding="utf-8").splitlines()[-1]
        assert last.startswith("[All notes](index.md)")
        assert last.endswith(f"{following})"), f"{file} should lead to {following}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_shows_the_pictures_that_its_code_made(page):
    shown = [link for link in links(page) if link.endswith(".svg")]
    source = "".join(example.source for example in NOTES["examples"](page))
    made = re.findall(r"^picture(\w*) = ", source, re.M)
    expected = {f"pictures/{page.stem}{suffix.replace('_', '-')}.svg" for suffix in made}
    assert made
    assert expected == set(shown)
    for link in shown:
        text = (page.parent / link).read_text(encoding="utf-8")
        assert "<svg" in text
        fresh = f"<!-- code {NOTES['fingerprint'](page)} -->"
        assert text.rstrip().endswith(fresh), f"run python docs/notes/make.py {page.stem}"


@pytest.mark.parametrize("folder", ["notes", "tutorial"])
def test_no_picture_is_left_behind(folder):
    shown = {link for page in PAGES for link in links(page)}
    assert all(f"pictures/{path.name}" in shown for path in (DOCS / folder / "pictures").iterdir())


@pytest.mark.parametrize("page", PAGES[:-1], ids=name)
def test_a_note_is_one_idea_on_one_screen(page):
    words = len(prose(page).split())
    statements = len(NOTES["examples"](page))
    assert words < 300, f"{words} words beside the code"
    assert statements < 40


def test_a_picture_is_drawn_by_its_page(tmp_path):
    pytest.importorskip("pygraphviz")
    pytest.importorskip("matplotlib")
    page = tmp_path / "page.md"
    shutil.copy(DOCS / "notes" / "04-the-first-layer.md", page)
    (path,) = NOTES["draw"](page)
    assert path == tmp_path / "pictures" / "page.svg"
    drawn, kept = (
        p.read_text(encoding="utf-8")
        for p in (path, DOCS / "notes" / "pictures" / "04-the-first-layer.svg")
    )
    numbers = [re.findall(r">(−?\d+\.\d+)<", text) for text in (drawn, kept)]
    assert numbers[0] == numbers[1] != []


# The site


class Html(HTMLParser):
    """Names that a page of the site can be entered at, and what it refers to."""

    def __init__(self, path):
        super().__init__()
        self.names: set[str] = set()
        self.targets: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.names |= {value for key in ("id", "name") if (value := given.get(key))}
        self.targets += [(tag, value) for key in ("href", "src") if (value := given.get(key))]


@functools.cache  # a browser looks at the same site: viz/browser/test_site.py
def built(folder):
    for package in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(package)
    where = folder / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    command += ["-f", str(DOCS / "site" / "mkdocs.yml"), "-d", str(where)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.relative_to(where).as_posix(): Html(path) for path in where.rglob("*.html")}, where


@pytest.fixture
def site(tmp_path_factory):
    return built(tmp_path_factory.getbasetemp())


def test_the_site_has_every_page_and_no_broken_link(site):
    pages, where = site
    for page in HAND_WRITTEN:
        if page.is_relative_to(DOCS):
            assert page.relative_to(DOCS).with_suffix(".html").as_posix() in pages
    assert {"readme.html", "examples/09_digits.html", "api/nn.html"} <= set(pages)
    problems = []
    for here, page in pages.items():
        for tag, target in page.targets:
            if re.match(r"[a-z]+:|//", target):
                if tag != "a":
                    problems.append(f"{here} fetches {target}")
                continue
            path, _, anchor = target.partition("#")
            folder = "" if path.startswith("/") else posixpath.dirname(here)
            there = posixpath.normpath(posixpath.join(folder, path.lstrip("/"))) if path else here
            if not (where / there).exists():
                problems.append(f"{here}: {target}")
            elif anchor and there in pages and anchor not in pages[there].names:
                problems.append(f"{here}: {target} has no such heading")
    assert problems == []


def test_the_site_documents_modules_and_finds_words(site):
    pages, where = site
    assert {"minigrad.nn.Linear", "minigrad.nn.Module.forward"} <= pages["api/nn.html"].names
    assert "minigrad.optim.Adam" in pages["api/optim.html"].names
    index = json.loads((where / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = [entry["location"] for entry in index["docs"] if "softmax" in entry["text"].lower()]
    assert any(location.startswith("notes/03-why-softmax") for location in found)
    text = (where / "notes" / "03-why-softmax.html").read_text(encoding="utf-8")
    assert 'data-md-color-scheme="slate"' in text


def test_everything_public_has_a_page_on_the_site(site):
    pages, _ = site
    known = {name.rpartition(".")[2] for here in pages for name in pages[here].names}
    known |= {path.stem for path in DOCS.glob("reference/*/*.md")}
    missing = []
    for name in vars(mg)["__all__"]:
        value = getattr(mg, name)
        own = getattr(value, "name", name)  # an op may have a second name
        if not inspect.ismodule(value) and not known & {name, own}:
            missing.append(name)
    assert missing == []
