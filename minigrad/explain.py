"""What an error of a kernel says: the operands by name and shape, where they met, and the fix.

And what is said where a Tensor would become a plain number without anybody having asked for it.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Sequence
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.errors import Operand, ShapeError, broadcast_message, matmul_message
from minigrad.primitive import Primitive
from minigrad.scopes import SCOPE


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
            if message and "hint" not in message and primitive is ops.multiply:
                message += _product_hint(*operands)
        if message:
            shape_error = ShapeError(message + where)
            shape_error.operands = tuple(operands)
            return shape_error
    signature = ", ".join(f"{operand} {operand.dtype}".rstrip() for operand in operands)
    error.add_note(f"  while computing {primitive.name}({signature}){where}")
    return error


def _product_hint(a: Operand, b: Operand) -> str:
    """What to write where ``*`` stands between matrices that ``@`` would multiply."""
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[0]:
        return ""
    shape = a.shape[0], b.shape[1]
    return f"\n  hint: the matrix product fits: {a} @ {b} -> {shape}"


def silent_array(frame: FrameType | None) -> str:
    """Say what would make a NumPy array of a tensor that requires a gradient, and what to do.

    Functions of SciPy that are written in Python do so before anybody can say otherwise; the
    outermost of them is what was called.
    """
    called = module = ""
    while frame is not None:
        module_here = frame.f_globals.get("__name__", "")
        if module_here.startswith("scipy.") and frame.f_code.co_name[:1] not in "_<":
            called, module = frame.f_code.co_name, ".".join(module_here.split(".")[:2])
        elif called:
            break
        frame = frame.f_back
    if not called:
        return (
            "a NumPy array of a tensor that requires a gradient would leave the graph silently:"
            " use t.numpy() to leave it, np.stack([t, u]) in the place of np.array([t, u]), "
            "or another NumPy function that has a gradient"
        )
    known = vars(sys.modules.get("minigrad", ops)).get("__all__", ())
    instead = f"write mg.{called}(t, ...)" if called in known else "compose it of mg.ops"
    return (
        f"{module}.{called} makes a NumPy array of a tensor that requires a gradient, which would "
        f"leave the graph silently: {instead}, or use t.numpy() to leave it"
    )


def silent_exit(frame: FrameType) -> str:
    """Say what takes a plain number of a Tensor without being asked to; "" if it was asked to.

    ``float(t)`` asks. ``math.exp(t)``, ``array[i] = t`` and ``np.float64(t)`` call ``__float__``
    just the same, and the gradient would be lost in silence. Which of them it is stands in the
    instruction that the caller is at, the only trace that a call from C leaves.

    >>> import math
    >>> from minigrad import tensor
    >>> math.exp(tensor(1.0, requires_grad=True))
    Traceback (most recent call last):
    minigrad.errors.NotDifferentiable: math.exp(t) would turn a tensor that requires a gradient \
into a plain number, which has none: use np.exp(t), or float(t) if that is meant
    """
    instruction, chain = _instruction(frame.f_code, frame.f_lasti)
    if instruction == "STORE_SUBSCR":
        return (
            "array[i] = t would keep the number and lose the gradient: collect tensors in a list "
            "and join them by np.stack(ts), or use mg.set_at(array, i, t)"
        )
    called = _resolved(frame, chain)
    module = getattr(called, "__module__", None)
    owner = getattr(called, "__self__", None)
    if not isinstance(owner, np.ndarray) and module not in ("math", "cmath", "numpy"):
        return ""
    name = ".".join(chain)
    plain = chain[-1]
    instead = f"np.{plain}(t)" if isinstance(getattr(np, plain, None), np.ufunc) else "NumPy on t"
    return (
        f"{name}(t) would turn a tensor that requires a gradient into a plain number, which has "
        f"none: use {instead}, or float(t) if that is meant"
    )


@functools.lru_cache(maxsize=256)
def _instruction(code: CodeType, offset: int) -> tuple[str, tuple[str, ...]]:
    """The instruction at ``offset``, and the dotted name of what it calls, if it is a call."""
    instructions = list(dis.get_instructions(code))
    here = next((i for i in instructions if i.offset == offset), None)
    if here is None or here.positions is None or not here.opname.startswith("CALL"):
        return ("", ()) if here is None else (here.opname, ())
    start = (here.positions.lineno, here.positions.col_offset)
    end = (here.positions.end_lineno, here.positions.end_col_offset)
    chain = []
    for i in instructions:
        where = i.positions
        if where is None or None in where or not i.opname.startswith("LOAD_"):
            continue
        inside = (where.lineno, where.col_offset) == start
        if inside and (where.end_lineno, where.end_col_offset) < end and i.offset < offset:
            chain.append(i.argval)
    named = chain and all(isinstance(name, str) for name in chain)
    return here.opname, tuple(chain) if named else ()


def _resolved(frame: FrameType, chain: tuple[str, ...]) -> Any:
    """What a dotted name means in a frame, as far as modules and arrays lead; else None."""
    if not chain:
        return None
    found = frame.f_locals.get(chain[0], frame.f_globals.get(chain[0]))
    for name in chain[1:]:
        if not isinstance(found, ModuleType | np.ndarray):
            return None
        found = getattr(found, name, None)
    return found
