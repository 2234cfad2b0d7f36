"""minigrad: tensors that record what is done with them, and gradients of any order.

``import minigrad as mg``. NumPy's words for arrays, PyTorch's for training, JAX's for calculus.
"""

from minigrad import ops
from minigrad.autodiff import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from minigrad.ops import *
from minigrad.primitive import case, composition, defvjp, primitive
from minigrad.random import seed
from minigrad.tensor import Tensor, enable_grad, no_grad, scope, tensor

__version__ = "0.1.0"
__all__ = sorted(
    [
        "Tensor",
        "case",
        "composition",
        "defvjp",
        "enable_grad",
        "grad",
        "hessian",
        "hvp",
        "jacobian",
        "jvp",
        "no_grad",
        "ops",
        "primitive",
        "scope",
        "seed",
        "tensor",
        "value_and_grad",
        "vjp",
        *ops.__all__,
    ]
)
