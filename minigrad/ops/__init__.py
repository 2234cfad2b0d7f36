"""The ops: NumPy functions with a gradient rule for each input.

They know arrays, not Tensors: given arrays they return arrays, at NumPy's speed. Each file says one
kind; an op is one block in it, and its name in ``__all__`` there is all that makes it public.
"""

from minigrad.ops import compare, elementwise, index, linalg, reduce, shape
from minigrad.ops.compare import *
from minigrad.ops.elementwise import *
from minigrad.ops.index import *
from minigrad.ops.linalg import *
from minigrad.ops.reduce import *
from minigrad.ops.shape import *

__all__: list[str] = []
__all__ += compare.__all__
__all__ += elementwise.__all__
__all__ += index.__all__
__all__ += linalg.__all__
__all__ += reduce.__all__
__all__ += shape.__all__
__all__.sort()
