"""Layers: modules that hold parameters and compose ops."""

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
