"""What a primitive becomes in a trace: the NumPy calls of its body, or one call of the op as it is.

A Tensor whose array is traced records as ever; only the kernel is another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.compile.program import CompileError
from minigrad.compile.tape import Tape, current, operand, traced
from minigrad.compile.traced import Traced, numpy_name, tape_of
from minigrad.ops.index import writes_once
from minigrad.ops.shape import expand_reduced
from minigrad.primitive import REGISTRY, Primitive
from minigrad.tensor import Tensor

Lowering = Callable[..., Any]
LOWERED: dict[str, Lowering] = {}
"""What stands for the body of a primitive that NumPy's protocols alone can't trace."""


def lowering(name: str) -> Callable[[Lowering], Lowering]:
    """Declare how a primitive is written in NumPy that can be traced."""

    def declare(function: Lowering) -> Lowering:
        LOWERED[name] = function
        return function

    return declare


@lowering("getitem")
def _getitem(tape: Tape, x: Any, index: Any) -> Any:
    return tape.call("getitem", (x, index), {})


@lowering("spread")
def _spread(tape: Tape, g: Any, shape: Any, axis: Any, keepdims: bool) -> Any:
    if axis is not None or g.shape:
        g = expand_reduced(g, len(shape), axis, keepdims)
    return tape.call("np.broadcast_to", (g, tuple(shape)), {})


@lowering("scatter_add")
def _scatter_add(tape: Tape, g: Any, shape: Any, index: Any) -> Any:
    once = writes_once(current(index))
    return tape.call("put_at" if once else "add_at", (tuple(shape), index, g), {})


@lowering("add_along_axis")
def _add_along_axis(tape: Tape, g: Any, shape: Any, indices: Any, axis: int) -> Any:
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in shape)])
    grid[axis] = indices
    return tape.call("add_at", (tuple(shape), tuple(grid), g), {})


@lowering("mean")
def _mean(tape: Tape, x: Any, axis: Any, keepdims: bool) -> Any:
    if x.dtype.char not in "fd" or not x.size:
        return np.mean(x, axis=axis, keepdims=keepdims)
    total: Any = np.add.reduce(x, axis=axis, keepdims=bool(keepdims))  # type: ignore[call-overload]
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return total / float(math.prod(x.shape[i] for i in axes))


@lowering("transpose")
def _transpose(tape: Tape, x: Any, axes: Any) -> Any:
    return tape.call("np.transpose", (x,), {} if axes is None else {"axes": tuple(axes)})


def kernel_name(kernel: Callable[..., Any]) -> str | None:
    """How compiled code calls a kernel that is a function of NumPy; None if it is not."""
    if isinstance(kernel, np.ufunc):
        return numpy_name(kernel) if getattr(np, kernel.__name__, None) is kernel else None
    owner = getattr(kernel, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"{numpy_name(owner)}.{kernel.__name__}"
    if str(getattr(kernel, "__module__", "")).partition(".")[0] == "numpy":
        return numpy_name(kernel)
    return None


def compute(primitive: Primitive[...], values: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Run a primitive's kernel on values of which some may be traced."""
    tape = tape_of(*values, *params.values())
    if tape is None:
        return primitive.kernel(*values, **params)
    if REGISTRY.get(primitive.name) is not primitive:  # checkpoint, custom_vjp: it ran already
        out = primitive.kernel(*values, **params)
        return out if isinstance(out, Traced) else constant(tape, out)
    own = primitive.__module__.startswith("minigrad.")
    mark = len(tape.instructions)
    out = _computed(tape, primitive, values, params, own)
    for instruction in tape.instructions[mark:]:
        instruction.op = instruction.op or primitive.name
    return out


def _computed(
    tape: Tape,
    primitive: Primitive[...],
    values: tuple[Any, ...],
    params: dict[str, Any],
    own: bool,
) -> Any:
    """What NumPy calls give, or one opaque call of the op."""
    if own and primitive.name in LOWERED:
        return LOWERED[primitive.name](tape, *values, **params)
    name = kernel_name(primitive.kernel)
    if name is not None:
        return tape.call(name, values, params)
    if own:
        mark = len(tape.instructions)
        try:
            out = primitive.kernel(*values, **params)
            looked = any(i.function == "check" for i in tape.instructions[mark:])
            if isinstance(out, Traced) and not looked:
                return out
        except (CompileError, TypeError, AttributeError):
            pass  # the body writes into arrays, or asks for values
        del tape.instructions[mark:]
    return _opaque(tape, primitive, values, params)


def _opaque(tape: Tape, primitive: Primitive[...], values: Any, params: dict[str, Any]) -> Any:
    """Call the op as it is, when the compiled program runs."""
    if primitive.name in ("nonzero", "unique", "compress"):
        raise CompileError(f"{primitive.name} gives a shape that depends on values")
    now = primitive.kernel(*map(current, values), **{k: current(v) for k, v in params.items()})
    return tape.record("call", (primitive, *values), params, now)


def constant(tape: Tape, now: Any) -> Any:
    """A constant array as a traced one, so that what is computed from it is traced, too."""
    array = np.asarray(now)
    return traced(tape, operand(array), array)


class _Computing:
    """A primitive as ``record`` sees it, with the kernel that traces."""

    __slots__ = ("primitive",)

    def __init__(self, primitive: Primitive[...]) -> None:
        self.primitive = primitive

    def kernel(self, *values: Any, **params: Any) -> Any:
        return compute(self.primitive, values, params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.primitive, name)


def onlooker(record: Callable[..., Any], primitive: Primitive[...], args: Any, params: Any) -> Any:
    """Stand before ``record``: calls on Tensors that hold traced arrays are written down."""
    inner = [x._data if isinstance(x, Tensor) else x for x in args]
    tape = tape_of(*inner, *params.values())
    if tape is None:
        return record(primitive, args, params)
    out = record(_Computing(primitive), args, params)
    if out._node is not None and isinstance(out._data, Traced):
        tape.nodes[out._node] = out._data._traced_value
    return out


def interpret(primitive: Primitive[...], args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Run a primitive on traced arrays; a Tensor among them records."""
    for x in args:
        if hasattr(type(x), "__primitive__") and not isinstance(x, Traced):
            return type(x).__primitive__(primitive, args, params)
    return compute(primitive, args, params)


Traced.__primitive__ = staticmethod(interpret)  # type: ignore[attr-defined]
