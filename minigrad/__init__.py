# mypy: implicit-reexport
"""minigrad: tensors that record what is done with them, and gradients of any order.

``import minigrad as mg``. NumPy's words for arrays, PyTorch's for training, JAX's for calculus.
"""

from typing import TYPE_CHECKING

from minigrad import data, functional, linalg, nn, ops, optim
from minigrad.anomaly import detect_anomaly
from minigrad.batching import vmap
from minigrad.calculus import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from minigrad.checkpointing import checkpoint
from minigrad.compile import CompileError, compile
from minigrad.custom import custom_vjp
from minigrad.diagnosis import diagnose
from minigrad.errors import MinigradError, NotDifferentiable, ShapeError
from minigrad.functional import *
from minigrad.graph import enable_grad, no_grad
from minigrad.names import advice as _advice
from minigrad.nn.init import set_default_dtype
from minigrad.ops import *
from minigrad.primitive import case, composition, defvjp, primitive
from minigrad.random import seed
from minigrad.scopes import scope
from minigrad.serialize import load, save
from minigrad.tensor import Tensor, tensor
from minigrad.testing import gradcheck
from minigrad.training import Checkpoint, EarlyStopping, History, evaluate, fit
from minigrad.viz import draw
from minigrad.viz.listing import tape

__version__ = "0.1.0"

if not TYPE_CHECKING:  # type checkers take what is imported, as the first line tells them
    __all__ = sorted(
        [
            "Checkpoint",
            "CompileError",
            "EarlyStopping",
            "History",
            "MinigradError",
            "NotDifferentiable",
            "ShapeError",
            "Tensor",
            "case",
            "checkpoint",
            "compile",
            "composition",
            "custom_vjp",
            "data",
            "defvjp",
            "detect_anomaly",
            "diagnose",
            "draw",
            "enable_grad",
            "evaluate",
            "fit",
            "functional",
            "grad",
            "gradcheck",
            "hessian",
            "hvp",
            "jacobian",
            "jvp",
            "linalg",
            "load",
            "nn",
            "no_grad",
            "ops",
            "optim",
            "primitive",
            "save",
            "scope",
            "seed",
            "set_default_dtype",
            "tape",
            "tensor",
            "value_and_grad",
            "vjp",
            "vmap",
            *functional.__all__,
            *ops.__all__,
        ]
    )

    def __getattr__(name: str) -> object:
        """Say what a name that does not exist is called here; runs on failure only."""
        known = () if name[:1] == "_" else __all__
        raise AttributeError(_advice(name, "minigrad", known, dir(Tensor)), name=name)
