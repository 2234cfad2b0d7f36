"""Modules that arrange others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, overload

from minigrad.nn.listed import Listed
from minigrad.nn.module import Module
from minigrad.scopes import enter, leave

__all__ = ["Sequential"]

Layer = Callable[[Any], Any]


class Sequential(Listed[Layer]):
    """Layers applied one after the other; a layer is a Module or any function of one tensor.

    It is a list of its layers, too: a slice of it is a Sequential that shares them.

    >>> from minigrad import nn, ops
    >>> model = nn.Sequential(nn.Linear(2, 8), ops.relu, nn.Linear(8, 3))
    >>> model
    Sequential(3)
      (layers.0): Linear(2 → 8)
      (layers.2): Linear(8 → 3)
    >>> features = model[:-1]
    >>> features[0] is model[0]
    True
    >>> features.append(nn.Linear(8, 1))
    Sequential(3)
      (layers.0): Linear(2 → 8)
      (layers.2): Linear(8 → 1)
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = _checked(layers)

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

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Layer | Sequential:
        """Return a layer, or those of a slice as a Sequential that shares them."""
        found = self.layers[index]
        if not isinstance(found, list):
            return found
        part = Sequential(*found)
        part.training = self.training
        return part

    # As a list

    def _hold(self, layers: Iterable[Layer]) -> Self:
        """Take other layers, in the same list, and name them anew."""
        checked = _checked(layers)
        with self._relabelling():
            self.layers[:] = checked
        return self

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        if not isinstance(other, Sequential):
            return NotImplemented
        return self.extend(other)


def _checked(layers: Iterable[Any]) -> list[Layer]:
    layers = list(layers)
    for i, layer in enumerate(layers):
        if not callable(layer):
            raise TypeError(f"layer {i} is not callable: {layer!r}")
    return layers
