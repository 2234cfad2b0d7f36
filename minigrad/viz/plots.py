"""Plots that need numbers rather than a graph: decisions, activations, functions with slopes.

Each returns a matplotlib figure, which shows itself in notebooks and has ``savefig``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.calculus import grad
from minigrad.diagnosis.observe import observe
from minigrad.errors import ShapeError
from minigrad.functional import softmax
from minigrad.graph import no_grad
from minigrad.nn import Module
from minigrad.ops import sigmoid
from minigrad.tensor import Tensor
from minigrad.training.figure import figure

__all__ = ["activations", "decision_boundary", "functions"]

COLOURS = ("#0b5cad", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0e7490", "#be185d", "#4d4d4d")


def _evaluated(model: Module, call: Callable[[], Any]) -> Any:
    """Call with a model in evaluation mode, and leave its modes as they were."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        return call()
    finally:
        for module, training in modes:
            module.training = training


def decision_boundary(
    model: Module, x: Any, y: Any = None, *, resolution: int = 200, margin: float = 0.1
) -> Any:
    """What a classifier of two features answers everywhere, and the examples on top.

    The stronger a colour, the surer the model is.

    Args:
        model: Gives logits of shape ``(n, classes)``, or of one column for two classes.
        x: Examples of shape ``(n, 2)``.
        y: Their labels, which colour them.
        resolution: Places along each axis at which the model is asked.
        margin: How far the picture goes beyond the examples, relative to their span.

    Raises:
        MissingExtra: If matplotlib is not installed.
        ShapeError: If examples do not have two features.

    >>> from minigrad import nn
    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> figure = decision_boundary(nn.Linear(2, 3, rng=0), x, np.arange(30) % 3, resolution=20)
    >>> len(figure.axes[0].collections)  # one for each label
    3
    """
    picture = figure("decision_boundary()", 4.6, 4.0)
    points = np.asarray(x.data if isinstance(x, Tensor) else x, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError(f"decision_boundary: x {points.shape} is not (n, 2)")
    low, high = points.min(axis=0), points.max(axis=0)
    reach = margin * np.where(high > low, high - low, 1.0)
    low, high = low - reach, high + reach
    sides = [np.linspace(a, b, resolution) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)

    shares = _shares(model, grid)
    classes = shares.shape[1]
    palette = np.array([_rgb(COLOURS[i % len(COLOURS)]) for i in range(classes)])
    sure = (shares.max(axis=1) * classes - 1.0) / max(classes - 1, 1)
    tint = 0.15 + 0.45 * np.clip(sure, 0.0, 1.0)[:, None]
    colours = 1.0 - tint * (1.0 - palette[shares.argmax(axis=1)])
    axes = picture.subplots()
    axes.imshow(
        colours.reshape(resolution, resolution, 3),
        origin="lower",
        extent=(low[0], high[0], low[1], high[1]),
        aspect="auto",
    )
    _scatter(axes, points, y)
    return picture


def _shares(model: Module, points: Any) -> Any:
    """The probability of each class at points, by a model in evaluation mode."""

    def ask() -> Any:
        with no_grad():
            output = model(points)
            return output.numpy() if isinstance(output, Tensor) else np.asarray(output)

    logits = _evaluated(model, ask).astype(float).reshape(len(points), -1)
    if logits.shape[1] > 1:
        return np.asarray(softmax(logits))
    share = np.asarray(sigmoid(logits))
    return np.concatenate([1.0 - share, share], axis=1)


def _scatter(axes: Any, points: Any, y: Any) -> None:
    """Draw examples, in the colour of their labels if there are any."""
    labels = np.zeros(len(points), int) if y is None else np.asarray(y).ravel().astype(int)
    for label in np.unique(labels):
        chosen = points[labels == label]
        colour = "#222222" if y is None else COLOURS[label % len(COLOURS)]
        name = None if y is None else f"class {label}"
        axes.scatter(*chosen.T, s=14, color=colour, edgecolor="white", linewidth=0.5, label=name)
    if y is not None:
        axes.legend(frameon=False, loc="upper right")


def _rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]


def activations(model: Module, x: Any, *, bins: int = 60, columns: int = 3) -> Any:
    """Histograms of what each layer gives for a batch, with mean, spread and share of zeros.

    Args:
        model: Looked at in evaluation mode.
        x: A batch.
        bins: Bars of each histogram.
        columns: Panels in a row.

    Raises:
        MissingExtra: If matplotlib is not installed.
        ValueError: If there is nothing to show.

    >>> from minigrad import nn, ops
    >>> model = nn.Sequential(nn.Linear(4, 16, rng=0), ops.relu, nn.Linear(16, 3, rng=1))
    >>> figure = activations(model, np.random.default_rng(0).normal(size=(64, 4)))
    >>> [axes.get_title().split(":")[0] for axes in figure.axes]
    ['layers.0', 'layers.1', 'layers.2']
    """
    _, seen = _evaluated(model, lambda: observe(lambda: model(x)))
    last = {s.layer: s for s in seen if s.out.size and s.out.dtype.kind == "f"}
    shown = [(s, s.out[np.isfinite(s.out)]) for s in last.values()]
    shown = [(s, values) for s, values in shown if values.size]
    if not shown:
        raise ValueError("activations: no layer gives numbers to show")
    rows = -(-len(shown) // columns)
    picture = figure("activations()", 3.4 * min(columns, len(shown)), 2.6 * rows)
    panels = picture.subplots(rows, min(columns, len(shown)), squeeze=False)
    for axes, (s, values) in zip(panels.flat, shown, strict=False):
        axes.hist(values.ravel().astype(float), bins=bins, color=COLOURS[0])
        axes.set_title(f"{s.layer or 'output'}: {s.title}", fontsize=9)
        zeros = f", {np.mean(values == 0):.0%} zeros" if (values == 0).any() else ""
        axes.set_xlabel(f"{values.mean():.3g} ± {values.std():.3g}{zeros}", fontsize=8)
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    for axes in panels.flat[len(shown) :]:
        axes.remove()
    return picture


def functions(
    fs: Sequence[Callable[[Any], Any]],
    low: float = -4.0,
    high: float = 4.0,
    *,
    columns: int = 4,
) -> Any:
    """Functions of one number, each with the derivative that autodiff gives.

    Args:
        fs: Functions such as ``mg.relu``, applied to each element.
        low: Where the axis starts.
        high: Where it ends.
        columns: Panels in a row.

    Raises:
        MissingExtra: If matplotlib is not installed.

    >>> from minigrad import ops
    >>> figure = functions([ops.relu, ops.tanh])
    >>> [line.get_label() for line in figure.axes[1].lines[:2]]
    ['tanh', 'derivative']
    """
    fs = list(fs)
    if not fs:
        raise ValueError("functions: there is none to show")
    rows, wide = -(-len(fs) // columns), min(columns, len(fs))
    picture = figure("functions()", 2.8 * wide, 2.4 * rows)
    panels = picture.subplots(rows, wide, squeeze=False)
    x = np.linspace(low, high, 401)
    for axes, f in zip(panels.flat, fs, strict=False):
        name = getattr(f, "__name__", type(f).__name__)
        axes.plot(x, np.asarray(f(x)), color=COLOURS[0], label=name)
        slope = np.asarray(grad(lambda t, f=f: f(t).sum())(x))
        axes.plot(x, slope, color=COLOURS[1], linestyle="--", label="derivative")
        axes.set_title(name, fontsize=10)
        axes.axhline(0.0, color="#d0d0d0", linewidth=0.8, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
    panels.flat[0].legend(frameon=False, fontsize=8)
    for axes in panels.flat[len(fs) :]:
        axes.remove()
    return picture
