"""What an error of a kernel says: the operands by name and shape, where they met, and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.errors import Operand, ShapeError, broadcast_message, matmul_message
from minigrad.graph import SCOPE
from minigrad.primitive import Primitive


def explained(
    error: Exception, primitive: Primitive[...], args: tuple[Any, ...], values: Sequence[Any]
) -> Exception:
    """Return a kernel's error with the operands, their shapes and the module path told."""
    inputs = primitive.inputs * len(args) if primitive.variadic else primitive.inputs
    operands, origins = [], ""
    for i, (value, arg, name) in enumerate(zip(values, args, inputs, strict=False)):
        own = arg.name if hasattr(arg, "__primitive__") else None
        label = own or (f"{name}[{i}]" if primitive.variadic else name)
        if own is None and getattr(arg, "node", None) is not None and arg.node.primitive:
            origins += f"\n  {label} came from {arg.node.primitive.name}"
            origins += f" in {arg.node.scope}" if arg.node.scope else ""
        operands.append(Operand(label, np.shape(value), str(getattr(value, "dtype", ""))))
    scope = SCOPE.get()
    where = (f"\n  in {scope}" if scope else "") + origins
    shapes = isinstance(error, ValueError | AttributeError) and not isinstance(error, ShapeError)
    if shapes and len(operands) > 1:
        message = None
        if primitive is ops.matmul:
            message = matmul_message(*operands)
        elif isinstance(primitive.kernel, np.ufunc) or primitive.name in ("where", "clip"):
            message = broadcast_message(primitive.name, operands)
        if message:
            shape_error = ShapeError(message + where)
            shape_error.operands = tuple(operands)
            return shape_error
    signature = ", ".join(f"{operand} {operand.dtype}".rstrip() for operand in operands)
    error.add_note(f"  while computing {primitive.name}({signature}){where}")
    return error
