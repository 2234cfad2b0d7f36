"""The function that draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from minigrad.errors import BackwardError
from minigrad.optim import Optimizer
from minigrad.primitive import Array
from minigrad.tensor import Tensor
from minigrad.viz.build import build
from minigrad.viz.failure import draw_error
from minigrad.viz.fold import Fold
from minigrad.viz.graph import Graph
from minigrad.viz.operands import by_array, caller_names
from minigrad.viz.reading import read
from minigrad.viz.style import THEMES

__all__ = ["draw"]

Mode = Literal["both", "forward", "backward"]


def draw(
    output: Tensor | tuple[Tensor, ...] | BaseException,
    mode: Mode = "both",
    *,
    gradient: Any = None,
    inputs: Any = None,
    optimizer: Optimizer | None = None,
    title: str | None = None,
    fold: Fold = "auto",
    show_values: bool = True,
    theme: Literal["light", "dark"] = "light",
    max_cards: int = 40,
) -> Graph:
    """Draw the graph that made ``output``, with values and gradients.

    Gradients come from a walk of its own: no ``.grad`` is touched, the graph is not released, and
    nothing is recorded. After ``backward()`` without ``retain_graph`` the values are gone, and
    structure, shapes and the ``.grad`` of leaves are drawn.

    Args:
        output: The tensor, usually a loss, or a tuple of several; or an exception that an op or a
            walk back has raised: then what led to it is drawn, with the call that failed marked.
        mode: ``"both"`` shows value and gradient on one card, ``"forward"`` values only,
            ``"backward"`` puts every gradient rule as a card of its own under its op.
        gradient: Cotangent to start from; by default ones.
        inputs: Names for tensors and arrays that have none: a dict, or a module, whose parameters
            it then expects: one that the output does not use is drawn, too, and says so. What has
            no name is called like the caller's variable.
        optimizer: Whose next step each parameter's card compares with the parameter's size; a copy
            takes it, so nothing changes.
        title: Heading of the picture.
        fold: ``"auto"`` folds functions, and modules where there are more than ``max_cards``; True
            folds every innermost module, False nothing.
        show_values: Whether numbers are drawn; without them structure, rules and widths remain.
        theme: ``"light"`` or ``"dark"``.
        max_cards: How many cards are drawn before more is folded.

    Raises:
        BackwardError: If ``output`` was not recorded.
        ValueError: If an argument is none of those above.

    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> print(draw((w * w).sum()))  # doctest: +ELLIPSIS
    sum: forward and backward  (float64 · 2 ops · 2 parameters · sum = 5 · left ... gradient)
    #  op        shape  from  value      gradient
    0  w         (2,)         norm 2.24  norm 4.47
    1  multiply  (2,)   #0    norm 4.12  norm 1.41
    2  sum       ()     #1    5.00       1.00
    """
    if isinstance(output, BaseException):
        look: dict[str, Any] = {
            "title": title,
            "fold": fold,
            "theme": theme,
            "max_cards": max_cards,
        }
        return draw_error(output, **look)
    outputs = _checked(output, mode, theme)
    given = _given(inputs)
    names = {**caller_names(), **by_array(given.items())}
    tape = read(
        outputs,
        names=names,
        values=show_values,
        gradients=mode != "forward",
        cotangents=_cotangents(outputs, gradient),
        expected={name: value for name, value in given.items() if isinstance(value, Tensor)},
        optimizer=optimizer,
    )
    if mode != "forward" and gradient is None and any(t.size != 1 for t in outputs):
        tape.notes.append("started from ones, as the output is not a scalar")
    look = {"title": title, "fold": fold, "theme": theme, "max_cards": max_cards}
    return build(tape, mode=mode, show_values=show_values, **look)


def _checked(output: Any, mode: str, theme: str) -> tuple[Tensor, ...]:
    """The outputs, if they can be drawn as asked."""
    if mode not in ("both", "forward", "backward"):
        hint = f": a file is written by draw(...).save({mode!r})" if "." in str(mode) else ""
        raise ValueError(f"mode is 'both', 'forward' or 'backward', not {mode!r}{hint}")
    if theme not in THEMES:
        raise ValueError(f"theme is {' or '.join(map(repr, THEMES))}, not {theme!r}")
    outputs = output if isinstance(output, tuple) else (output,)
    for tensor in outputs:
        if not isinstance(tensor, Tensor):
            hint = ": draw what it computes, draw(f(x))" if callable(tensor) else ""
            raise TypeError(f"draw() needs a Tensor, not {type(tensor).__name__}{hint}")
        if tensor.node is None:
            raise BackwardError(
                "draw() of a tensor that requires no gradient: nothing was recorded, because no "
                "leaf with requires_grad=True took part in it, or it was made under no_grad()"
            )
    return outputs


def _cotangents(outputs: tuple[Tensor, ...], gradient: Any) -> list[Array]:
    given = gradient if isinstance(gradient, tuple) else (gradient,) * len(outputs)
    found = []
    for tensor, g in zip(outputs, given, strict=True):
        plain = g.numpy() if isinstance(g, Tensor) else 1.0 if g is None else g
        found.append(np.broadcast_to(np.asarray(plain, tensor.dtype), tensor.shape))
    return found


def _given(inputs: Any) -> Mapping[str, Any]:
    """Names that were given: a dict of them, or a module that names its parameters."""
    if inputs is None:
        return {}
    if hasattr(inputs, "named_parameters"):
        inputs = dict(inputs.named_parameters())
    if not isinstance(inputs, Mapping):
        raise TypeError("inputs= takes a dict from names to tensors, or a module")
    return inputs
