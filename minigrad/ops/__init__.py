"""The ops: NumPy functions with a gradient rule for each input.

They know arrays, not Tensors: given arrays they return arrays, at NumPy's speed. Each file says one
kind; an op is one block in it, and its name in ``__all__`` there is all that makes it public.
"""

from typing import TYPE_CHECKING

from minigrad.ops import compare, elementwise, index, linalg, reduce, shape, window
from minigrad.ops.compare import *
from minigrad.ops.elementwise import *
from minigrad.ops.index import *
from minigrad.ops.linalg import *
from minigrad.ops.reduce import *
from minigrad.ops.shape import *
from minigrad.ops.window import *

if not TYPE_CHECKING:  # a type checker takes what the stars bring
    __all__ = sorted(
        name
        for module in (compare, elementwise, index, linalg, reduce, shape, window)
        for name in module.__all__
    )
