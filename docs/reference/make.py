"""Write the reference from the registry: ``python docs/reference/make.py [--check]``.

One page for each public op and each function composed of ops, two tables that lead to them, and the
table of the names that PyTorch and JAX give to what is here.
"""

from __future__ import annotations

import ast
import builtins
import doctest
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import functional, ops
from minigrad.names import LAYERS, MEANINGS, NOTES, RECIPES
from minigrad.primitive import NUMPY, REGISTRY, Primitive
from minigrad.viz.rules import rule_text

HERE = Path(__file__).parent

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
MEANING = """
## Names that mean something else in PyTorch

They exist here and mean what NumPy means by them.

| name | what to know |
|---|---|
"""


def cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def doc(name: str) -> str:
    return inspect.getdoc(public(name)) or ""


def public(name: str) -> Any:
    """What a dotted name at the top level of minigrad is."""
    found: Any = mg
    for part in name.split("."):
        found = getattr(found, part)
    return found


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


# What a docstring says


def paragraphs(text: str) -> list[str]:
    """The prose of a docstring: its paragraphs, without the example."""
    blocks = re.split(r"\n\s*\n", text)
    return [block for block in blocks if ">>>" not in block]


def sentences(text: str, *words: str) -> list[str]:
    """The sentences of a docstring in which one of the words occurs."""
    blocks = [block for block in paragraphs(text) if not block.startswith(("Args:", "Raises:"))]
    found = re.split(r"(?<=\.)\s+(?=[A-Z`])", " ".join(" ".join(blocks).split()))
    return [s for s in found if any(word in s for word in words)]


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
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
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
    lines = ["import numpy as np"] if "np" in free else []
    lines += ["import minigrad as mg"] if "mg" in free else []
    ours, linear = [], []
    for used in sorted(set(free) - {"np", "mg"}):
        if name == f"linalg.{used}":
            linear.append(used)
        elif getattr(mg, used, None) is getattr(module, used, ...):
            ours.append(used)
        elif hasattr(module, used):
            lines.append(f"from {module.__name__} import {used}")
        elif not hasattr(builtins, used):
            raise NameError(f"the example of {name} uses {used}, which its module has not")
    lines += [f"from minigrad import {', '.join(ours)}"] if ours else []
    return lines + ([f"from minigrad.linalg import {', '.join(linear)}"] if linear else [])


def signature(name: str) -> str:
    parameters = [
        p.replace(annotation=p.empty) for p in inspect.signature(public(name)).parameters.values()
    ]
    text = str(inspect.Signature(parameters))
    return f"mg.{name}{text}"


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
    parts += [arguments(b) if re.match(r"(Args|Raises):\n", b) else b for b in rest]
    rows = "".join(f"| {head} | {text} |\n" for head, text in facts(name))
    parts.append(f"| | |\n|---|---|\n{rows}".rstrip())
    if example(name):
        parts.append(f"```python\n{example(name)}\n\n```")
    parts.append(f"[All of them](../{up})")
    return "\n\n".join(parts) + "\n"


def arguments(block: str) -> str:
    """The ``Args:`` or ``Raises:`` of a docstring as a list."""
    head, *lines = block.split("\n")
    lines = [line[4:] for line in lines]
    items = [f"- {line}" if line[:1].strip() else f"  {line.strip()}" for line in lines]
    return "\n".join([head, "", *items])


def summary(name: str) -> str:
    return cell(paragraphs(doc(name))[0]) if doc(name) else ""


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
    layers = {f"nn.{name}": f"`{recipe}`, a function" for name, recipe in LAYERS.items()}
    table = {name: f"`{cell(recipe)}`" for name, recipe in RECIPES.items()} | NOTES | layers
    rows = [f"| `{name}` | {cell(text)} |" for name, text in sorted(table.items())]
    other = [f"| {name} | {cell(text)} |" for name, text in sorted(MEANINGS.items())]
    made[HERE / "names.md"] = NAMES + "\n".join(rows) + "\n" + MEANING + "\n".join(other) + "\n"
    return made


def stale(made: dict[Path, str]) -> list[Path]:
    """Pages that differ from what they should be, are missing, or should not be."""
    there = set(HERE.rglob("*.md")) - {HERE / "kinks.md"}  # that one is written by hand
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
