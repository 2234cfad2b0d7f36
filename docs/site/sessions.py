"""Fences the interactive sessions of docstrings, which Markdown would take for quotations."""

import re
from typing import Any

import griffe


def fenced(text: str) -> str:
    r"""Return a docstring whose ``>>>`` examples are code blocks.

    >>> fenced("Double.\n\n>>> double(2)\n4\n\nEnd.")
    'Double.\n\n```pycon\n>>> double(2)\n4\n```\n\nEnd.'
    """
    return re.sub(
        r"^>>> .*?(?=\n\s*\n|\Z)", lambda m: f"```pycon\n{m[0]}\n```", text, flags=re.M | re.S
    )


class Sessions(griffe.Extension):
    """Applies :func:`fenced` to every docstring."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
