"""What the site has beyond the files in ``docs``: README, examples, and the modules' reference.

Pages are written for a reader of the repository, so their links are those of the repository. Here
each becomes the link to the page that the site has of that file; one without a page is an error.
"""

import posixpath
import re
import runpy
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))

# Pages made of files elsewhere in the repository.
ELSEWHERE = {
    "README.md": "readme.md",
    "examples/README.md": "examples/index.md",
    "examples/notebooks": "examples/index.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "docs/decisions": "decisions/index.md",
    **{f"examples/{path.name}": f"examples/{path.stem}.md" for path in EXAMPLES},
}
ORIGINS = {"readme.md": "README.md", "examples/index.md": "examples/README.md"}
ORIGINS |= {"benchmarks.md": "benchmarks/RESULTS.md"}

MODULES: dict[str, str] = runpy.run_path(str(ROOT / "docs" / "reference" / "docstrings.py"))[
    "MODULES"
]
ELSEWHERE |= {f"docs/reference/modules/{name}.md": f"api/{name}.md" for name in MODULES}
ELSEWHERE["docs/reference/modules.md"] = "api/index.md"

CSS = """
.md-grid { max-width: 72rem; }
.md-typeset img { background: white; border-radius: .3rem; padding: .3rem; }
.md-typeset table:not([class]) { font-size: .65rem; }
"""


def _pages() -> dict[str, str]:
    """Return the pages that no file of ``docs`` is, by their address on the site."""
    found = {"assets/site.css": CSS}
    for site, origin in ORIGINS.items():
        found[site] = (ROOT / origin).read_text(encoding="utf-8")
    for path in EXAMPLES:
        code = path.read_text(encoding="utf-8")
        found[f"examples/{path.stem}.md"] = f"# {path.name}\n\n```python\n{code}```\n"
    rows = []
    for path in DECISIONS:
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        rows.append(f"- [{title}]({path.name})")
    found["decisions/index.md"] = "# Decisions\n\n" + "\n".join(rows) + "\n"
    rows = [f"- [`minigrad.{name}`]({name}.md): {about}" for name, about in MODULES.items()]
    found["api/index.md"] = "# Modules\n\n" + "\n".join(rows) + "\n"
    for name, about in MODULES.items():
        found[f"api/{name}.md"] = f"# `minigrad.{name}`: {about}\n\n::: minigrad.{name}\n"
    return found


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for address, text in _pages().items():
        files.append(File.generated(config, address, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Lead links to where the site has what they point to; mark sessions as sessions."""
    site = page.file.src_uri
    here = posixpath.dirname(ORIGINS.get(site, f"docs/{site}"))

    def led(match: re.Match[str]) -> str:
        target, mark, anchor = match[1].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        path = posixpath.normpath(posixpath.join(here, target))
        address = ELSEWHERE.get(path, path.removeprefix("docs/"))
        relative = posixpath.relpath(address, posixpath.dirname(site) or ".")
        return f"]({relative}{mark}{anchor})"

    # A wide picture shrinks to the column: it leads to itself, to be seen in full.
    markdown = re.sub(
        r"^(!\[[^\]]*\]\(([^)\s]+\.(?:svg|png))\))$", r"[\1](\2)", markdown, flags=re.M
    )
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.M | re.S)
    text = [
        re.sub(r"^```python\n>>>", "```pycon\n>>>", part)
        if part.startswith("```")
        else re.sub(r"\]\(([^)\s]+)\)", led, part)
        for part in parts
    ]
    return "".join(text)
