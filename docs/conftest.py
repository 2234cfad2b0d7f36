"""Leaves out pages whose code needs a package that is not installed."""

import importlib.util
import re
from pathlib import Path

DOCS = Path(__file__).parent


def needed(page: Path) -> set[str]:
    """Return the packages that a page's code imports."""
    code = re.findall(r"^>>> (?:from|import) (\w+)", page.read_text(encoding="utf-8"), re.M)
    return set(code)


collect_ignore = [
    str(page)
    for page in DOCS.rglob("*.md")
    if not all(importlib.util.find_spec(name) for name in needed(page))
]
