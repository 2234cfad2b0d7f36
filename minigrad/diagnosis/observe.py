"""What can be seen of a model: every op of a forward pass, and gradients that leave no trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.graph import enable_grad
from minigrad.interposing import interposed
from minigrad.nn import Module, Parameter
from minigrad.primitive import OUT
from minigrad.scopes import SCOPE, Scope
from minigrad.tensor import Tensor

__all__ = ["Evidence", "Seen", "gradients_of", "observe", "remembered"]

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass
class Seen:
    """One call of an op in a model's forward pass."""

    layer: str  # the module or function that called it, by its dotted name
    title: str
    op: str
    out: np.ndarray[Any, Any]
    entering: np.ndarray[Any, Any] | None  # what a parameter of two axes or more is applied to


@dataclass
class Evidence:
    """All that checks look at; what could not be had is None or empty."""

    model: Module
    loss_function: Any = None
    x: Any = None
    y: Any = None
    output: np.ndarray[Any, Any] | None = None
    loss: float | None = None
    seen: list[Seen] = field(default_factory=list)
    gradients: dict[str, np.ndarray[Any, Any] | None] = field(default_factory=dict)
    updates: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    accumulated: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    idle: str = ""  # why a training step of somebody's own changes nothing
    trains: bool = False  # whether an optimiser or a training step was given
    error: str = ""

    @property
    def weights(self) -> Arrays:
        """Parameters that mix features: those of two axes or more."""
        named = self.model.named_parameters()
        return {name: p.numpy() for name, p in named if p.ndim >= 2}


def observe(call: Callable[[], Any]) -> tuple[Any, list[Seen]]:
    """Run a forward pass and see what every op in it gives.

    >>> from minigrad import nn, ops
    >>> model = nn.Sequential(nn.Linear(2, 3), ops.relu)
    >>> output, seen = observe(lambda: model(np.ones((1, 2))))
    >>> [(call.layer, call.op) for call in seen]
    [('layers.0', 'matmul'), ('layers.0', 'add'), ('layers.1', 'relu')]
    """
    seen: list[Seen] = []

    def look(record: Any, primitive: Any, args: Any, params: Any) -> Any:
        out = record(primitive, args, params)
        if isinstance(out, Tensor):
            # A convolution's kernels are reshaped before: they are no Parameter any more.
            mixing = primitive.name == "window_product" or any(
                isinstance(a, Parameter) and a.ndim >= 2 for a in args
            )
            entering = args[0] if mixing and not isinstance(args[0], Parameter) else None
            if isinstance(entering, Tensor):
                entering = entering._data
            name, title = _layer(SCOPE.get())
            seen.append(Seen(name, title, primitive.name, out._data, entering))
        return out

    with np.errstate(all="ignore"), enable_grad(), interposed(look):
        return call(), seen


def remembered(model: Module, loss: Tensor) -> list[Seen]:
    """What the graph of a loss still knows of a model's forward pass: what its rules have kept.

    An op whose result no rule asked for has an empty ``out``.

    >>> from minigrad import nn, ops
    >>> model = nn.Sequential(nn.Linear(2, 3), ops.tanh)
    >>> [(s.op, s.out.shape) for s in remembered(model, model(np.ones((1, 2))).sum())]
    [('matmul', (0,)), ('add', (0,)), ('tanh', (1, 3))]
    """
    nodes, waiting, values = {}, [loss.node], {}
    while waiting:
        node = waiting.pop()
        if node is None or node.serial in nodes:
            continue
        nodes[node.serial] = node
        waiting += node.parents
        if node.plan is None:
            continue
        for source, array in zip(node.plan.sources, node.kept or (), strict=False):
            made = node if source == OUT else node.parents[source] if source >= 0 else None
            if made is not None:  # an input that a rule has kept is what another op gave
                values[made.serial] = array
    seen = []
    for _, node in sorted(nodes.items()):
        if node.plan is None or node.primitive is None or node.scope is None:
            continue
        root, _, _ = node.scope.path.partition(".")
        if root != type(model).__name__:
            continue
        kept = dict(zip(node.plan.sources, node.kept or (), strict=False))
        entering = kept.get(0) if node.primitive.name in ("matmul", "window_product") else None
        out = values.get(node.serial, np.empty(0))
        seen.append(Seen(*_layer(node.scope), node.primitive.name, out, entering))
    return seen


def _layer(scope: Scope | None) -> tuple[str, str]:
    """The innermost module, or function in a Sequential, that is no mere composite."""
    while scope is not None and not scope.title:
        scope = scope.parent
    if scope is None:
        return "", ""
    return scope.path.partition(".")[2], scope.title


def gradients_of(
    model: Module, loss: Tensor, retain_graph: bool = False
) -> dict[str, np.ndarray[Any, Any] | None]:
    """Gradients of all parameters by name, None where a loss does not reach; ``.grad`` stays.

    >>> from minigrad import nn
    >>> layer = nn.Linear(1, 1)
    >>> gradients_of(layer, layer(np.ones((1, 1))).sum())["bias"], layer.bias.grad
    (array([1.], dtype=float32), None)
    """
    parameters = list(model.named_parameters())
    before = [p.grad for _, p in parameters]
    for _, p in parameters:
        p.grad = None
    try:
        with np.errstate(all="ignore"):
            loss.backward(retain_graph=retain_graph)
        return {name: None if p.grad is None else p.grad.numpy() for name, p in parameters}
    finally:
        for (_, p), grad in zip(parameters, before, strict=True):
            p.grad = grad
