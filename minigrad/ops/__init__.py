"""The ops: NumPy functions with a gradient rule for each input.

They know arrays, not Tensors: given arrays they return arrays, at NumPy's speed. Each file says one
kind; an op is one block in it, and its name in ``__all__`` there is all that makes it public.
"""

from types import ModuleType as _Module
from typing import TYPE_CHECKING

from minigrad.ops.compare import *
from minigrad.ops.contraction import *
from minigrad.ops.correlation import *
from minigrad.ops.cumulative import *
from minigrad.ops.decomposition import *
from minigrad.ops.diagonals import *
from minigrad.ops.elementwise import *
from minigrad.ops.exponential import *
from minigrad.ops.index import *
from minigrad.ops.join import *
from minigrad.ops.linalg import *
from minigrad.ops.magnitude import *
from minigrad.ops.missing import *
from minigrad.ops.moments import *
from minigrad.ops.periodic import *
from minigrad.ops.polynomial import *
from minigrad.ops.product import *
from minigrad.ops.quantiles import *
from minigrad.ops.reduce import *
from minigrad.ops.rounding import *
from minigrad.ops.sampled import *
from minigrad.ops.selection import *
from minigrad.ops.shape import *
from minigrad.ops.sorting import *
from minigrad.ops.special import *
from minigrad.ops.trigonometry import *
from minigrad.ops.window import *

if not TYPE_CHECKING:  # a type checker takes what the stars bring
    __all__ = sorted(
        name
        for name, value in vars().items()
        if name[0] != "_" and name != "TYPE_CHECKING" and not isinstance(value, _Module)
    )
