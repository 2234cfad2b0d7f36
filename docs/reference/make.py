"""Write the reference of the ops from the registry: ``python docs/reference/make.py [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad.primitive import REGISTRY, Primitive
from minigrad.viz.rules import rule_text

PAGE = Path(__file__).with_name("ops.md")
HEAD = """# Ops

Every op that minigrad has, read from the registry by `docs/reference/make.py`. `g` is the cotangent
of the result. *Keeps* is what stays in memory until backward if every input requires a gradient;
an op without a gradient rule is never recorded.

| op | what it computes | gradient | keeps | smooth on | NumPy |
|---|---|---|---|---|---|
"""


def cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def gradients(op: Primitive) -> str:
    """The rule of each input, one a line."""
    rules = []
    for position, name in enumerate(op.inputs):
        if name in op.rules:
            names = {x: x for x in op.inputs}
            rules.append(f"{name}: {rule_text(op, position, names, {})}")
    return "<br>".join(cell(rule) for rule in rules) or "none"


def keeps(op: Primitive) -> str:
    asked = {request for requests in op.requests.values() for request in requests}
    arrays = [name for name in (*op.inputs, "out") if name in asked]
    return ", ".join(arrays) or ("nothing" if op.rules else "")


def domain(op: Primitive) -> str:
    intervals = op.domain if isinstance(op.domain[0], tuple) else [op.domain]
    if all(np.isinf(interval).all() for interval in intervals):
        return "everywhere"
    return ", ".join(f"({low:g}, {high:g})" for low, high in intervals)


def row(name: str) -> str:
    op = REGISTRY[name]
    what = (getattr(mg, name).__doc__ or "").split("\n\n")[0]
    numpy = ", ".join(f"`{f.__name__}`" for f in op.numpy if not f.__qualname__.endswith("reduce"))
    cells = [f"`{name}`", cell(what), gradients(op), keeps(op), domain(op), numpy]
    return "| " + " | ".join(cells) + " |"


def page() -> str:
    names = sorted(name for name in REGISTRY if hasattr(mg, name))
    return HEAD + "\n".join(map(row, names)) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text() != page() and f"{PAGE} is out of date: run {sys.argv[0]}")
    PAGE.write_text(page())
