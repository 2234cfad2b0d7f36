"""The command ``minigrad check module:function --shape 3,4``: a gradient check from a shell."""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.testing.gradcheck import check_vjp, gradcheck
from minigrad.testing.report import Report, page

DESCRIPTION = """\
Check the gradient of a function against finite differences, at random inputs. The function takes
Tensors (NumPy's functions do, and so do models, whose parameters are checked too), or arrays, if
--vjp names the gradient that was written for it by hand. Exits with 0 for a pass, 1 for a wrong
gradient, 2 for what can't be run, 3 where the function has no derivative, 4 if inconclusive.
"""
CODES = {"pass": 0, "fail": 1, "not differentiable": 3, "inconclusive": 4}
UNUSABLE = 2


class Unusable(Exception):
    """What was asked for can't be found or run; the message is one line."""


def shape_of(text: str) -> tuple[int, ...]:
    """Read a shape: ``3,4``, or ``()`` for a single number.

    >>> shape_of("3,4"), shape_of("7"), shape_of("()")
    ((3, 4), (7,), ())
    """
    try:
        shape = tuple(int(part) for part in text.strip(" ()").split(",") if part.strip())
    except ValueError:
        shape = (-1,)
    if min(shape, default=0) < 0 or (not shape and text.strip() != "()"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape: 3,4 or 7 or ()")
    return shape


def param_of(text: str) -> tuple[str, Any]:
    """Read a keyword argument: ``axis=0`` or ``reduction=mean``.

    >>> param_of("axis=(0, 1)"), param_of("reduction=mean")
    (('axis', (0, 1)), ('reduction', 'mean'))
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not name=value")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def _range_of(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = np.nan
    if not (np.isfinite([low, high]).all() and low <= high):
        raise argparse.ArgumentTypeError(f"{text!r} is not low,high")
    return low, high


def _seed_of(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def add_check(commands: Any) -> None:
    """Declare ``minigrad check`` among the commands of a parser."""
    parser = commands.add_parser("check", help="check a gradient", description=DESCRIPTION)
    parser.set_defaults(run=run_check)
    parser.add_argument(
        "function", help="module:name or path/to/file.py:name, with dots for what is inside"
    )
    parser.add_argument(
        "--shape",
        type=shape_of,
        action="append",
        default=[],
        metavar="N,M",
        help="shape of an input, once for each; () is a single number",
    )
    parser.add_argument(
        "--vjp",
        metavar="FUNCTION",
        help="the gradient by hand: vjp(g, *inputs) gives one for each input, in plain NumPy",
    )
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Declare what has a default: how inputs are drawn, and how the check is made."""
    parser.add_argument(
        "--dtype", choices=("float64", "float32", "float16"), default="float64",
        help="of the inputs (float64)",
    )  # fmt: skip
    parser.add_argument(
        "--range", type=_range_of, default=(-2.0, 2.0), metavar="LOW,HIGH",
        help="where inputs are drawn (--range=-2,2)",
    )  # fmt: skip
    parser.add_argument(
        "--order", type=int, choices=(1, 2, 3), default=1,
        help="check every order up to this one (1)",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=_seed_of, default=0, metavar="N", help="of the inputs and the check (0)"
    )
    parser.add_argument(
        "--param", type=param_of, action="append", default=[], metavar="NAME=VALUE",
        help="a keyword argument of the function, once for each",
    )  # fmt: skip
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write the report as a page, with maps"
    )


def run_check(options: argparse.Namespace) -> int:
    """Run ``minigrad check`` and return its exit code."""
    try:
        report = _checked(options)
    except Unusable as error:
        print(f"minigrad check: {error}", file=sys.stderr)
        return UNUSABLE
    if options.html is not None:
        options.html.write_text(page(report, options.function), encoding="utf-8")
    return CODES[report.verdict]


def _checked(options: argparse.Namespace) -> Report:
    """Check every order that is asked for, print each report and return the last."""
    f = found(options.function)
    rule = None if options.vjp is None else found(options.vjp)
    if rule is not None and options.order > 1:
        raise Unusable("--order goes with functions of Tensors: a rule by hand has the first only")
    rng = np.random.default_rng(options.seed)
    low, high = options.range
    inputs = [
        np.asarray(rng.uniform(low, high, shape)).astype(options.dtype) for shape in options.shape
    ]
    params = dict(options.param)
    call = functools.partial(f, **params) if params else f
    model = f if hasattr(f, "named_parameters") else None
    if not inputs and model is None:
        raise Unusable(f"{options.function} needs inputs: say --shape 3,4 for each")
    for order in range(1, options.order + 1):
        try:
            if rule is not None:
                named = functools.partial(rule, **params) if params else rule
                report = check_vjp(call, named, inputs, options.seed)
            else:
                report = gradcheck(call, *inputs, order=order, params=model, seed=options.seed)
        except Exception as error:  # whatever the function raises: it is not ours
            raise Unusable(f"{options.function} raised {_told(error)}") from error
        print(report if options.order == 1 else f"order {order}: {report}")
        if not report:
            break
    return report


def found(target: str) -> Callable[..., Any]:
    """Import what ``module:name`` or ``path/to/file.py:name`` names.

    Raises:
        Unusable: If there is no such thing, or it can't be called.

    >>> found("math:hypot")(3.0, 4.0)
    5.0
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise Unusable(f"{target!r} is not module:function")
    path = Path(place)
    folder, module = (path.parent, path.stem) if path.suffix == ".py" else (Path(), place)
    if path.suffix == ".py" and not path.is_file():
        raise Unusable(f"there is no file {place}")
    sys.path.insert(0, str(folder.resolve()))
    try:
        value: Any = importlib.import_module(module)
    except Exception as error:
        raise Unusable(f"{place} can't be imported: {_told(error)}") from error
    finally:
        sys.path.pop(0)
    for part in name.split("."):
        if not hasattr(value, part):
            raise Unusable(f"{place} has no {name}")
        value = getattr(value, part)
    if not callable(value):
        raise Unusable(f"{target} is {value!r:.40}, which can't be called")
    return value


def _told(error: Exception) -> str:
    """An error in one line, with the place in the user's file."""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    own = str(Path(__file__).parent.parent)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.line]
    theirs = [
        f for f in frames if not f.filename.startswith((own, "<", sys.prefix, sys.base_prefix))
    ]
    return f"{said} ({theirs[-1].filename}:{theirs[-1].lineno})" if theirs else said
