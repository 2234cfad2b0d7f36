"""Layers: modules that hold parameters and compose ops."""

from typing import TYPE_CHECKING

from minigrad.names import layer_advice
from minigrad.nn import init
from minigrad.nn.container import Sequential
from minigrad.nn.dropout import Dropout
from minigrad.nn.flatten import Flatten
from minigrad.nn.linear import Linear, Normalize
from minigrad.nn.module import Buffer, Module, Parameter
from minigrad.nn.summary import Summary

__all__ = [
    "Buffer",
    "Dropout",
    "Flatten",
    "Linear",
    "Module",
    "Normalize",
    "Parameter",
    "Sequential",
    "Summary",
    "init",
]

if not TYPE_CHECKING:  # a type checker is to say itself that a name is unknown

    def __getattr__(name: str) -> object:
        """Say what a layer that does not exist is called here; runs on failure only."""
        raise AttributeError(layer_advice(name), name=name)
