"""Layers: modules that hold parameters and compose ops."""

import difflib
from typing import TYPE_CHECKING

from minigrad import functional as _functional
from minigrad import ops as _ops
from minigrad.names import LAYERS, WITHIN, layer_advice
from minigrad.nn import init
from minigrad.nn.attention import MultiHeadAttention, TransformerEncoderLayer
from minigrad.nn.container import Sequential
from minigrad.nn.convolution import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from minigrad.nn.dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d
from minigrad.nn.embedding import Embedding
from minigrad.nn.flatten import Flatten, Identity
from minigrad.nn.linear import Linear, Normalize
from minigrad.nn.module import Buffer, Module, Parameter
from minigrad.nn.modulelist import ModuleList
from minigrad.nn.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    RMSNorm,
)
from minigrad.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from minigrad.nn.recurrent import GRU, LSTM, RNN
from minigrad.nn.summary import Summary

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AlphaDropout",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Module",
    "ModuleList",
    "MultiHeadAttention",
    "Normalize",
    "Parameter",
    "RMSNorm",
    "Sequential",
    "Summary",
    "TransformerEncoderLayer",
    "init",
]

if not TYPE_CHECKING:  # a type checker is to say itself that a name is unknown

    def __getattr__(name: str) -> object:
        """Say what a layer that does not exist is called here; runs on failure only."""
        near = difflib.get_close_matches(name, __all__, 1, 0.8)
        known = name in LAYERS or name in WITHIN
        hint = f": did you mean {near[0]!r}?" if near and not known else ""
        here = [*vars(_functional)["__all__"], *vars(_ops)["__all__"]]
        functions = () if name[:1] == "_" else here
        raise AttributeError(layer_advice(name, functions) + hint, name=name)
