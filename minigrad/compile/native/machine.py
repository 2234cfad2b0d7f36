"""What Numba makes of a source: functions of machine code, and how to call them without detours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from minigrad.compile.native.disk import source_file

__all__ = ["compiled", "entry", "unchanged"]


def compiled(source: str, name: str) -> dict[str, Any]:
    """Run a source whose functions Numba compiles or finds on disk, and say what it defines."""
    from minigrad.compile.native import vectors

    path = source_file(source, *vectors.versions())
    if path is None:
        source = source.replace("cache=True, ", "")
    space: dict[str, Any] = {"__name__": __name__}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Numba's own, such as a folder that went away
        exec(compile(source, f"<native {name}>" if path is None else str(path), "exec"), space)
    return space


@cache
def unchanged() -> Callable[[int], bool]:
    """The function that goes through the rows of a watch."""
    source = Path(__file__).with_name("unchanged.py").read_text("utf-8")
    return entry(compiled(source, "unchanged")["unchanged"])


def entry(function: Any) -> Callable[..., Any]:
    """A function of one signature without Numba's look for it, which takes 0.1 µs.

    Arguments have to be of the types that it was compiled for, but for how arrays lie in memory.
    """
    found: Callable[..., Any] = function.overloads[function.signatures[0]].entry_point
    return found
