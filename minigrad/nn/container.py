"""Modules that arrange others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from minigrad.nn.module import Module
from minigrad.scopes import enter, leave

__all__ = ["Sequential"]


class Sequential(Module):
    """Layers applied one after the other; a layer is a Module or any function of one tensor.

    >>> from minigrad import nn, ops
    >>> nn.Sequential(nn.Linear(2, 8), ops.relu, nn.Linear(8, 3))
    Sequential(3)
      (layers.0): Linear(2 → 8)
      (layers.2): Linear(8 → 3)
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(f"layer {i} is not callable: {layer!r}")
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """Apply the layers in order."""
        for i, layer in enumerate(self.layers):
            if isinstance(layer, Module):
                x = layer(x)
                continue
            name = getattr(layer, "__name__", "") or type(layer).__name__
            token = enter((f"layers.{i}", name))
            try:
                x = layer(x)
            finally:
                leave(token)
        return x

    def title(self) -> str:
        """Return ``Sequential`` and the number of layers."""
        return f"Sequential({len(self.layers)})"

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Callable[[Any], Any]:
        return self.layers[index]
