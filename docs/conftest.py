"""Leaves out pages and modules that need a package that is not installed.

Pages of modules repeat the examples of docstrings, which run where they stand: the full run of CI
alone runs them once more, with the imports that the pages add.
"""

import importlib.util
import os
import re
from pathlib import Path

DOCS = Path(__file__).parent


def needed(page: Path) -> set[str]:
    """Return the packages that the sessions of a page, or the code of a module, import."""
    prompt = ">>> " if page.suffix == ".md" else ""
    text = page.read_text(encoding="utf-8")
    return set(re.findall(rf"^{prompt}(?:from|import) (\w+)", text, re.M))


collect_ignore = [
    str(page)
    for page in [*DOCS.rglob("*.md"), *DOCS.glob("site/*.py")]
    if not all(importlib.util.find_spec(name) for name in needed(page))
]
if os.environ.get("HYPOTHESIS_PROFILE", "dev") == "dev":
    collect_ignore_glob = ["reference/modules/*"]
