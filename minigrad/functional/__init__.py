"""Functions composed of ops: softmax, losses, dropout. None has a gradient rule of its own.

Each is a scope of its own, so that drawings show it as one card that can be opened. Given Tensors
they are recorded, given arrays they return arrays.
"""

from types import ModuleType as _Module
from typing import TYPE_CHECKING

from minigrad import ops as _ops
from minigrad.functional.activation import *
from minigrad.functional.adaptive import *
from minigrad.functional.affine import *
from minigrad.functional.attention import *
from minigrad.functional.classification import *
from minigrad.functional.composition import *
from minigrad.functional.convolution import *
from minigrad.functional.margin import *
from minigrad.functional.metric import *
from minigrad.functional.noise import *
from minigrad.functional.normalization import *
from minigrad.functional.patches import *
from minigrad.functional.pooling import *
from minigrad.functional.probability import *
from minigrad.functional.regression import *
from minigrad.functional.resampling import *
from minigrad.functional.similarity import *
from minigrad.functional.unpooling import *
from minigrad.names import advice as _advice

if not TYPE_CHECKING:  # a type checker takes what the stars bring
    __all__ = sorted(
        name
        for name, value in vars().items()
        if name[0] != "_" and name != "TYPE_CHECKING" and not isinstance(value, _Module)
    )

    def __getattr__(name: str) -> object:
        """Say where a name is that is not here; runs on failure only."""
        known = () if name[:1] == "_" else [*__all__, *vars(_ops)["__all__"]]
        raise AttributeError(_advice(name, "minigrad.functional", known), name=name)
