"""The command ``minigrad draw``: a picture of what a script computes."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from minigrad.tensor import Tensor
from minigrad.viz.drawing import draw
from minigrad.viz.fold import Fold
from minigrad.viz.graph import Graph
from minigrad.viz.style import THEMES

__all__ = ["add_draw"]

DESCRIPTION = """\
Draw the forward and backward graph of a tensor that a script makes. What raises an error on the way
is drawn, too, with the call that failed marked.
"""
SUFFIXES = (".svg", ".png", ".pdf", ".html", ".dot", ".gv", ".json")


class _Wrong(Exception):
    """What a user can mend: it is told in one line."""


def add_draw(commands: Any) -> None:
    """Add ``draw`` to the subcommands of an argument parser."""
    parser = commands.add_parser(
        "draw", help="draw what a script computes", description=DESCRIPTION
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "target",
        metavar="SCRIPT:NAME",
        help="a file or a module, and in it a tensor, or a function of no arguments that returns "
        "one; without a name it is loss",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="FILE",
        help=f"the picture, {' '.join(SUFFIXES)}; without it a table is printed",
    )
    parser.add_argument(
        "--mode",
        choices=["both", "forward", "backward"],
        default="both",
        help="what to draw (both)",
    )
    parser.add_argument("--theme", choices=list(THEMES), default="light", help="colours (light)")
    parser.add_argument(
        "--fold", choices=["auto", "yes", "no"], default="auto", help="whether modules fold (auto)"
    )
    parser.add_argument(
        "--max-cards", type=int, default=40, metavar="N", help="cards before more is folded (40)"
    )
    parser.add_argument("--title", help="heading of the picture")


def run(options: argparse.Namespace) -> int:
    """Run ``minigrad draw``; 0, 1 if the script raised an error, 2 if there is nothing to draw."""
    try:
        graph, error = _drawn(options)
    except _Wrong as wrong:
        print(f"minigrad draw: {wrong}", file=sys.stderr)
        return 2
    if error is not None:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    if options.out is None:
        print(graph)
    else:
        graph.save(options.out)
        print(f"{options.out}: {graph.title}, {graph.subtitle}")
    for issue in graph.issues if error is None else ():
        print(f"⚠ {issue}")
    return 0 if error is None else 1


def _drawn(options: argparse.Namespace) -> tuple[Graph, Exception | None]:
    """The picture of the target, or of the error that it ended with."""
    if options.out is not None and options.out.suffix.lower() not in SUFFIXES:
        raise _Wrong(f"can't draw {options.out.name!r}: use {' '.join(SUFFIXES)}")
    if options.max_cards < 1:
        raise _Wrong(f"--max-cards is at least 1, not {options.max_cards}")
    where, separator, name = options.target.rpartition(":")
    if not separator or name.endswith(".py") or "/" in name or "\\" in name:
        where, name = options.target, "loss"
    folds: dict[str, Fold] = {"auto": "auto", "yes": True, "no": False}
    fold = folds[options.fold]
    look = {"title": options.title, "theme": options.theme, "max_cards": options.max_cards}
    try:
        module = _module(where)
        value = _value(module, where, name)
    except _Wrong:
        raise
    except Exception as error:
        try:
            return draw(error, fold=fold, **look), error
        except TypeError:
            raise error from None
    # Evaluated among the names of the script, after which arrays without names are called then.
    call = "_draw(_value, _mode, fold=_fold, **_look)"
    known = {"_draw": draw, "_value": value, "_mode": options.mode, "_fold": fold, "_look": look}
    return eval(call, vars(module), known), None


def _module(where: str) -> ModuleType:
    """A script by its path, or a module by its name."""
    path = Path(where)
    if path.suffix != ".py":
        sys.path.insert(0, "")
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name is not None and where.startswith(error.name):
                raise _Wrong(f"there is no script or module {where!r}") from error
            raise
    if not path.is_file():
        raise _Wrong(f"there is no script {where!r}")
    sys.path.insert(0, str(path.parent))  # what it imports may lie beside it
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _value(module: ModuleType, where: str, name: str) -> Any:
    """The tensor of that name, or what the function of that name returns."""
    if not hasattr(module, name):
        known = [n for n, v in vars(module).items() if isinstance(v, Tensor) and n[:1] != "_"]
        hint = f"; its tensors are {', '.join(known)}" if known else ""
        raise _Wrong(f"{where} has no {name!r}{hint}")
    value = getattr(module, name)
    if callable(value) and not isinstance(value, Tensor):
        value = value()
    outputs = value if isinstance(value, tuple) else (value,)
    for output in outputs:
        if not isinstance(output, Tensor):
            kind = type(output).__name__
            raise _Wrong(
                f"{name!r} of {where} is no Tensor, nor a function that returns one: {kind}"
            )
        if output.node is None:
            raise _Wrong(f"{name!r} of {where} requires no gradient, so nothing was recorded")
    return value
