"""What the reference reads from docstrings and signatures: prose, arguments, examples."""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib
import inspect
import re
import sys
from collections.abc import Iterable
from typing import Any

import minigrad as mg

MODULES = {
    "tensor": "tensors",
    "graph": "what is recorded, and switching it off",
    "scopes": "where in a model ops are recorded",
    "hooks": "what removes a hook",
    "calculus": "gradients as functions",
    "nn": "layers",
    "nn.init": "initial values",
    "optim": "optimisers and schedules",
    "optim.updates": "the arithmetic of optimisers",
    "training": "the training loop",
    "data": "batches and splits",
    "serialize": "saving and loading",
    "diagnosis": "what is wrong with a network",
    "sklearn": "estimators for scikit-learn",
    "viz": "pictures",
    "viz.plots": "plots of data and activations",
    "viz.listing": "the graph as text",
    "testing": "gradient checks",
    "testing.gradcheck": "the check of a function",
    "testing.strategies": "Hypothesis strategies",
    "compile": "compiled programs",
    "anomaly": "where NaN comes from",
    "checkpointing": "less memory for more time",
    "custom": "gradients of one's own",
    "batching": "vmap",
    "primitive": "declaring ops",
    "random": "seeds",
    "errors": "exceptions",
}


def cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def public(name: str) -> Any:
    """What a dotted name is: of a module, or of what stands at the top level of minigrad."""
    module, _, last = name.rpartition(".")
    if module in MODULES:  # by its own name: mg.compile is a function
        return getattr(importlib.import_module(f"minigrad.{module}"), last)
    return getattr(getattr(mg, module) if module else mg, last)


def doc(name: str) -> str:
    return inspect.getdoc(public(name)) or ""


def paragraphs(text: str) -> list[str]:
    """The prose of a docstring: its paragraphs, without the example."""
    blocks = re.split(r"\n\s*\n", text)
    return [block for block in blocks if ">>>" not in block]


def sentences(text: str, *words: str) -> list[str]:
    """The sentences of a docstring in which one of the words occurs."""
    blocks = [block for block in paragraphs(text) if not block.startswith(("Args:", "Raises:"))]
    found = re.split(r"(?<=\.)\s+(?=[A-Z`])", " ".join(" ".join(blocks).split()))
    return [s for s in found if any(word in s for word in words)]


def summary(name: str) -> str:
    return cell(arguments(paragraphs(doc(name))[0])) if doc(name) else ""


def arguments(block: str) -> str:
    """The ``Args:`` or ``Raises:`` of a docstring as a list; another paragraph as it is."""
    head, *lines = block.split("\n")
    if not re.fullmatch(r"(Args|Raises|Returns|Yields|Attributes):", head):
        return re.sub(r":\w+:`([^`]*)`", r"`\1`", block)
    if head in ("Returns:", "Yields:"):
        return f"{head[:-1]}: {' '.join(' '.join(lines).split())}"
    lines = [line[4:] for line in lines]
    items = [f"- {line}" if line[:1].strip() else f"  {line.strip()}" for line in lines]
    return "\n".join([head, "", *items])


def signature(name: str) -> str:
    value, last = public(name), name.rpartition(".")[2]
    call = f"mg.{last if getattr(mg, last, None) is value else name}"
    try:
        given = inspect.signature(value)
    except ValueError:  # an exception takes what every exception takes
        return call
    parameters = [p.replace(annotation=p.empty) for p in given.parameters.values()]
    text = str(inspect.Signature(parameters))
    return call + re.sub(r"<(?:function|primitive) (\w+)[^>]*>", r"\1", text)


def example(name: str) -> str:
    """The example of a docstring, with the imports that let it stand alone."""
    examples = doctest.DocTestParser().get_examples(doc(name))
    if not examples:
        return ""
    tree = ast.parse("".join(e.source for e in examples))
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {n.id for n in names if not isinstance(n.ctx, ast.Load)}
    loads = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    bound |= {alias.asname or alias.name for n in loads for alias in n.names}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.name}
    free = {n.id for n in names if isinstance(n.ctx, ast.Load)} - bound
    lines = [f">>> {line}" for line in imports(name, free)]
    for e in examples:
        first, *rest = e.source.rstrip("\n").split("\n")
        lines += [f">>> {first}", *(f"... {line}" for line in rest)]
        lines += e.want.rstrip("\n").split("\n") if e.want else []
    return "\n".join(lines)


def imports(name: str, free: Iterable[str]) -> list[str]:
    """Import lines for the names that an example takes from the module it stands in."""
    value = public(name)
    module = sys.modules[value.__module__]
    home = importlib.import_module(f"minigrad.{name}".rpartition(".")[0])
    lines = ["import numpy as np"] if "np" in free else []
    lines += ["import minigrad as mg"] if "mg" in free else []
    found: dict[str, list[str]] = {}
    for used in sorted(set(free) - {"np", "mg"}):
        meant = getattr(module, used, ...)
        for place in (mg, home, module):
            if getattr(place, used, None) is meant:
                found.setdefault(place.__name__, []).append(used)
                break
        else:
            if not hasattr(builtins, used):
                raise NameError(f"the example of {name} uses {used}, which its module has not")
    return lines + [f"from {place} import {', '.join(names)}" for place, names in found.items()]
