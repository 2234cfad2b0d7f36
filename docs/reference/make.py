"""Write the reference from the registry: ``python docs/reference/make.py [--check]``.

One page for each public op, each function composed of ops and each module of the rest, tables that
lead to them, and the table of the names that PyTorch and JAX give to what is here.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import functional, ops
from minigrad.elsewhere import ABSENT
from minigrad.names import LAYERS, MEANINGS, NOTES, OPTIM, RECIPES, WITHIN
from minigrad.primitive import NUMPY, REGISTRY, Primitive
from minigrad.viz.rules import rule_text

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # so that the next line finds its neighbour from wherever this is run

from docstrings import (  # noqa: E402
    MODULES,
    arguments,
    cell,
    doc,
    example,
    paragraphs,
    public,
    sentences,
    signature,
    summary,
)

MODULES_PAGE = """# Modules

What is neither an op nor a function composed of ops. Written from the docstrings by
`docs/reference/make.py`.

| module | what it holds |
|---|---|
"""
OPS = """# Ops

Every op that minigrad has, read from the registry by `docs/reference/make.py`; each name leads to
its page. `g` is the cotangent of the result. *Keeps* is what stays in memory until backward if
every input requires a gradient; an op without a gradient rule is never recorded.

| op | what it computes | gradient | keeps | smooth on | NumPy |
|---|---|---|---|---|---|
"""
FUNCTIONAL = """# Functions composed of ops

None has a gradient rule of its own: its gradient is that of the ops it is made of. Each is drawn as
one card that can be opened.

| function | what it computes |
|---|---|
"""
NAMES = """# Names

One thing has one name: NumPy's for arrays, PyTorch's for training, JAX's for calculus. Where
another name is typed, the error says what to write; this is the table it reads from. `t` and `u`
are tensors, `ts` is a list of them, `f` is a function.

| elsewhere | here |
|---|---|
"""
NOT_OFFERED = """
## Names of PyTorch and JAX that are not offered

A `*` stands for any letters. Layers are told in the same way. What NumPy alone has (`np.hanning`,
`np.isclose`) is NumPy's here too, and is told so.

| why | names |
|---|---|
"""
MEANING = """
## Names that mean something else in PyTorch

They exist here and mean what NumPy means by them.

| name | what to know |
|---|---|
"""


def declared(name: str) -> Primitive | None:
    """The primitive behind a public name; a composition may stand in front of one."""
    value = public(name)
    return value if isinstance(value, Primitive) else REGISTRY.get(name.rpartition(".")[2])


# What the registry knows


def rules(op: Primitive) -> list[str]:
    """The rule of each input."""
    names = {x: x for x in op.inputs}
    return [
        cell(f"{name}: {spelt(op, name, rule_text(op, position, names, {}))}")
        for position, name in enumerate(op.inputs)
        if name in op.rules
    ]


def spelt(op: Primitive, name: str, text: str) -> str:
    """The text of a rule; where it only calls a function of its file, what that says of itself."""
    called = re.fullmatch(r"(\w+)\([^()]*\)", text)
    scope = getattr(op.rules[name], "__globals__", {})
    helper = called and (scope.get(f"_{called[1]}") or scope.get(called[1]))
    if not inspect.isfunction(helper) or helper.__module__ != op.__module__ or not helper.__doc__:
        return text
    said = re.split(r"[;\n]", helper.__doc__.strip())[0].rstrip(".").replace("``", "")
    return said[0].lower() + said[1:] if said[1:2].islower() else said


def keeps(op: Primitive) -> str:
    asked = {request for requests in op.requests.values() for request in requests}
    arrays = [name for name in (*op.inputs, "out") if name in asked]
    return ", ".join(arrays) or ("nothing" if op.rules else "")


def domain(op: Primitive) -> str:
    intervals = op.domain if isinstance(op.domain[0], tuple | list) else [op.domain]
    if all(np.isinf(interval).all() for interval in intervals):
        return "everywhere"
    return ", ".join(f"({low:g}, {high:g})" for low, high in intervals)


def numpy_name(function: Callable[..., Any]) -> str:
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{function.__name__}"
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}".replace("numpy.", "np.")


def numpy_names(name: str) -> list[str]:
    """NumPy's functions that run this op on tensors."""
    value = public(name)
    behind = (inspect.unwrap(value), declared(name))
    found = {numpy_name(f) for f, op in NUMPY.items() if any(op is v for v in behind)}
    return sorted(found)


def torch_names(name: str) -> list[str]:
    """What PyTorch calls it: what the docstring says, and the recipes that lead here."""
    said = re.findall(r"PyTorch calls it ``([^`]+)``", " ".join(doc(name).split()))
    call = re.compile(rf"mg\.{re.escape(name)}\([a-z_, ]*\)")
    led = [other for other, recipe in RECIPES.items() if call.fullmatch(recipe)]
    return sorted({*said, *led} - {name})


# Pages


def facts(name: str) -> list[tuple[str, str]]:
    """What there is to say of an op, by heading."""
    op, text = declared(name), doc(name)
    rows = []
    if op is None:
        rows.append(("Gradient", "that of the ops it is composed of"))
    else:
        given = "<br>".join(f"`{r}`".replace(": ", "` ← `", 1) for r in rules(op))
        rows.append(("Gradient", given or "none: nothing is recorded"))
        if op.rules:
            rows += [("Kept until backward", keeps(op)), ("Smooth on", domain(op))]
    kinks = sentences(text, "gradient", "cotangent", " tie")
    if kinks:
        rows.append(("Where it is not smooth", cell(" ".join(kinks))))
    numpy, torch = numpy_names(name), torch_names(name)
    if numpy:
        rows.append(("NumPy", ", ".join(f"`{f}`" for f in numpy)))
    if torch:
        rows.append(("PyTorch", ", ".join(f"`{f}`" for f in torch)))
    plain = name.rpartition(".")[2]
    if hasattr(mg.Tensor, plain) and "." not in name:
        rows.append(("Method", f"`t.{plain}`"))
    return rows


def page(name: str, up: str) -> str:
    """The page of one op or function."""
    first, *rest = paragraphs(doc(name))
    parts = [f"# {name}", first, f"```text\n{signature(name)}\n```"]
    parts += [arguments(b) for b in rest]
    rows = "".join(f"| {head} | {text} |\n" for head, text in facts(name))
    parts.append(f"| | |\n|---|---|\n{rows}".rstrip())
    if example(name):
        parts.append(f"```python\n{example(name)}\n\n```")
    parts.append(f"[All of them](../{up})")
    return "\n\n".join(parts) + "\n"


# Modules


def exists(module: str) -> bool:
    """Whether a module can be imported: some need a package of their own."""
    try:
        importlib.import_module(f"minigrad.{module}")
    except ImportError:
        return False
    return True


def members(module: str) -> list[str]:
    """Dotted names of the classes and functions that a module exports."""
    home = importlib.import_module(f"minigrad.{module}")
    own = [n for n in mg.__all__ if getattr(getattr(mg, n), "__module__", "") == home.__name__]
    names = getattr(home, "__all__", own)
    return [f"{module}.{n}" for n in names if callable(getattr(home, n)) and doc(f"{module}.{n}")]


@functools.cache
def classes() -> frozenset[type]:
    """Every class that has a section on some page."""
    found = [public(name) for module in MODULES if exists(module) for name in members(module)]
    return frozenset(value for value in found if inspect.isclass(value))


def methods(kind: type) -> list[str]:
    """Methods of a class as items of a list, without those of a class that has its own section."""
    bases = [base for base in kind.__mro__[1:] if base in classes()]
    told = {name for base in bases for name in vars(base)} - {"forward"}
    told |= set(getattr(kind, "_fields", ()))
    items = []
    for base in [b for b in kind.__mro__ if b not in bases and b.__module__.startswith("minigrad")]:
        for name, value in vars(base).items():
            text = inspect.getdoc(value)
            if name[0] == "_" or name in told or not text or name.endswith("_request"):
                continue
            told.add(name)
            items.append(f"- `{name}{called(value)}`: {cell(arguments(paragraphs(text)[0]))}")
    return items


def called(value: Any) -> str:
    """The arguments of a method; nothing for a property."""
    function = getattr(value, "__func__", value)
    if not inspect.isfunction(function):
        return ""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return str(inspect.Signature([p.replace(annotation=p.empty) for p in parameters]))


def anchor(headings: list[str], heading: str) -> str:
    """Where a link to a heading leads: ``Tensor`` and ``tensor`` are told apart by a number."""
    before = [h.lower() for h in headings[: headings.index(heading)]].count(heading.lower())
    return f"{heading.lower()}-{before}" if before else heading.lower()


def module_page(module: str) -> str:
    """The page of one module: all that it exports, each with its example."""
    home = importlib.import_module(f"minigrad.{module}")
    names = members(module)
    lasts = [name.rpartition(".")[2] for name in names]
    rows = [f"| [`{n}`](#{anchor(lasts, n)}) | {summary(f'{module}.{n}')} |" for n in lasts]
    parts = [f"# minigrad.{module}: {MODULES[module]}"]
    parts += [arguments(block) for block in paragraphs(inspect.getdoc(home) or "")]
    parts.append("\n".join(["| name | what it is |", "|---|---|", *rows]))
    for name in names:
        value = public(name)
        parts += [f"## {name.rpartition('.')[2]}", f"```text\n{signature(name)}\n```"]
        parts += [arguments(block) for block in paragraphs(doc(name))]
        if example(name):
            parts.append(f"```python\n{example(name)}\n\n```")
        if inspect.isclass(value) and methods(value):
            parts.append("\n".join(methods(value)))
    parts.append("[All modules](../modules.md)")
    return "\n\n".join(parts) + "\n"


def op_row(name: str) -> str:
    op = declared(name)
    link = f"[`{name}`](ops/{name}.md)"
    numpy = ", ".join(f"`{f}`" for f in numpy_names(name) if not f.endswith("reduce"))
    if op is None:
        return f"| {link} | {summary(name)} | composed |  |  | {numpy} |"
    cells = [link, summary(name), "<br>".join(rules(op)) or "none", keeps(op), domain(op), numpy]
    return "| " + " | ".join(cells) + " |"


def own(names: Iterable[str]) -> list[str]:
    """Names that are the first name of what they name: ``abs`` is ``absolute``."""
    return sorted(n for n in names if callable(public(n)) and not isinstance(public(n), type))


def op_names() -> list[str]:
    inside = [f"linalg.{n}" for n in getattr(getattr(mg, "linalg", None), "__all__", ())]
    top = {id(public(n)) for n in ops.__all__}
    names = [n for n in ops.__all__ if public(n).__name__ == n]
    return own([*names, *(n for n in inside if id(public(n)) not in top)])


def pages() -> dict[Path, str]:
    """Every page of the reference, by where it stands."""
    made = {HERE / "ops" / f"{name}.md": page(name, "ops.md") for name in op_names()}
    composed = own(functional.__all__)
    made |= {HERE / "functional" / f"{n}.md": page(n, "functional.md") for n in composed}
    made[HERE / "ops.md"] = OPS + "\n".join(map(op_row, op_names())) + "\n"
    rows = [f"| [`{n}`](functional/{n}.md) | {summary(n)} |" for n in composed]
    made[HERE / "functional.md"] = FUNCTIONAL + "\n".join(rows) + "\n"
    there = [module for module in MODULES if exists(module)]
    made |= {HERE / "modules" / f"{module}.md": module_page(module) for module in there}
    rows = [f"| [`minigrad.{m}`](modules/{m}.md) | {about} |" for m, about in MODULES.items()]
    made[HERE / "modules.md"] = MODULES_PAGE + "\n".join(rows) + "\n"
    layers = {f"nn.{name}": f"`{recipe}`, a function" for name, recipe in LAYERS.items()}
    layers |= {f"nn.{name}": text for name, text in WITHIN.items()}
    layers |= {f"optim.{name}": text for name, text in OPTIM.items()}
    table = {name: f"`{cell(recipe)}`" for name, recipe in RECIPES.items()} | NOTES | layers
    rows = [f"| `{name}` | {cell(text)} |" for name, text in sorted(table.items())]
    other = [f"| {name} | {cell(text)} |" for name, text in sorted(MEANINGS.items())]
    without = [
        f"| {cell(why)} | {' '.join(f'`{name}`' for name in sorted(names.split()))} |"
        for why, names in ABSENT.items()
    ]
    parts = [NAMES, *rows, MEANING, *other, NOT_OFFERED, *without]
    made[HERE / "names.md"] = "\n".join(part.removesuffix("\n") for part in parts) + "\n"
    return made


def stale(made: dict[Path, str]) -> list[Path]:
    """Pages that differ from what they should be, are missing, or should not be."""
    unknown = [module for module in MODULES if not exists(module)]
    aside = {HERE / "kinks.md", *(HERE / "modules" / f"{module}.md" for module in unknown)}
    there = set(HERE.rglob("*.md")) - aside  # kinks.md is written by hand
    changed = {p for p, text in made.items() if p not in there or p.read_text() != text}
    return sorted(changed | (there - set(made)))


if __name__ == "__main__":
    made = pages()
    if "--check" in sys.argv:
        paths = [str(path.relative_to(HERE)) for path in stale(made)]
        sys.exit(f"out of date: {', '.join(paths)}; run {sys.argv[0]}" if paths else 0)
    for path in stale(made):
        if path in made:
            path.parent.mkdir(exist_ok=True)
            path.write_text(made[path])
        else:
            path.unlink()
