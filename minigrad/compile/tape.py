"""Where a trace is written down: each call of NumPy on traced values, and where it came from.

The call is carried out as well, on the arrays of the moment, so a trace is also an ordinary run.
"""

from __future__ import annotations

import dis
import functools
import itertools
import os
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from minigrad.autodiff import backprop
from minigrad.compile.program import CompileError, Instruction, Value, function_of
from minigrad.graph import Node
from minigrad.ops.index import Scattered
from minigrad.optim import LBFGS, clip, composed, schedules
from minigrad.optim.optimizer import Optimizer
from minigrad.scopes import SCOPE, Scope

# Down to the separator: numpyro is not in the folder of numpy.
PACKAGE = str(Path(__file__).parent.parent) + os.sep
OWN = str(Path(__file__).parent) + os.sep
NUMPY = str(Path(np.__file__).parent) + os.sep
# What belongs to an update but stands around it, and what to call it: "" is by the function.
_AROUND = {clip.__file__: "", schedules.__file__: "schedule", composed.__file__: "schedule"}
_NUMBERS = (bool, int, float)

# Their results have a shape that depends on values, which straight-line code can't follow.
DYNAMIC = frozenset(
    {"np.nonzero", "np.flatnonzero", "np.argwhere", "np.unique", "np.compress", "np.extract"}
    | {"np.trim_zeros", "np.bincount", "np.union1d", "np.intersect1d", "np.setdiff1d"}
    | {"np.unique_values", "np.unique_counts", "np.unique_all", "np.unique_inverse", "np.delete"}
    | {"np.setxor1d", "np.histogram_bin_edges", "np.fromiter", "np.partition_at"}
)
READS = frozenset({"np.array2string", "np.array_repr", "np.array_str", "np.save", "np.savetxt"})
WRITES = frozenset(
    {"np.copyto", "np.put", "np.place", "np.putmask", "np.put_along_axis", "np.fill_diagonal"}
    | {"np.ndarray.fill", "np.savez"}
)


class Tape:
    """The instructions of one trace, and what the names in it go back to."""

    def __init__(self, entry: types.CodeType) -> None:
        self.entry = entry  # the code of the function that began the trace: frames end there
        self.instructions: list[Instruction] = []
        self.nodes: dict[Node, Value] = {}
        self.hints: dict[Value, list[tuple[Any, str]]] = {}
        self.cotangents: dict[Value, tuple[Node, int]] = {}
        self.updating: dict[Value, Any] = {}
        self.inputs: set[Value] = set()
        self.titles: dict[str, str] = {}
        self.thread = threading.get_ident()
        self.open = True

    def call(self, function: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Carry out one call on traced operands, and write it down."""
        if threading.get_ident() != self.thread:
            raise CompileError(
                f"{function}: another thread is tracing a function that can reach this array, as "
                "its first calls are: make them before the threads start, or let threads that "
                "share a model wait for each other"
            )
        if not self.open:
            raise CompileError(
                f"{function}: a value of a compiled step was used after the step had ended; "
                "return it from the step instead of storing it where minigrad.compile can't see it"
            )
        _refuse(self, function, args)
        run = function_of(function)
        now = run(*map(current, args), **{k: current(v) for k, v in kwargs.items()})
        return self.record(function, args, kwargs, now)

    def record(self, function: str, args: Any, kwargs: dict[str, Any], now: Any) -> Any:
        """Write down a call that gave ``now``, and return it traced."""
        weak = function in _ARITHMETIC or function.startswith("math.")
        out = value_of(now, weak=weak)
        instruction = Instruction(
            function,
            tuple(map(operand, args)),
            {name: operand(value) for name, value in kwargs.items()},
            out,
        )
        self.locate(instruction)
        self.instructions.append(instruction)
        return self._parts(out, now) if isinstance(now, tuple | list) else traced(self, out, now)

    def _parts(self, whole: Value, now: Any) -> Any:
        parts = []
        for i, part in enumerate(now):
            out = value_of(part)
            instruction = Instruction("getitem", (whole, i), {}, out)
            self.locate(instruction)
            self.instructions.append(instruction)
            parts.append(traced(self, out, part))
        if hasattr(now, "_fields"):
            return type(now)(*parts)
        return type(now)(parts)

    def check(self, value: Value, expected: Any) -> None:
        """Write down that the program is right only as long as a value is what it is now."""
        instruction = Instruction("check", (value, expected), {}, Value((), None))
        self.locate(instruction)
        self.instructions.append(instruction)

    def locate(self, instruction: Instruction) -> None:
        """Fill in which part of a step is running, in which module, and on whose behalf."""
        scope = SCOPE.get()
        instruction.scope = path_of(scope)
        if scope is not None and scope.title:
            self.titles[instruction.scope] = scope.title
        frame: types.FrameType | None = sys._getframe(1)
        hints: list[tuple[Any, str]] = []
        found = False
        while frame is not None:
            code = frame.f_code
            if code is self.entry:
                break
            if code is backprop.__code__ and not found:
                self._in_backward(instruction, frame)
                found = True
            elif code is Optimizer.step.__code__ and not found:
                self._in_update(instruction, frame)
                found = True
            elif code.co_filename in _AROUND and not found:
                title = _AROUND[code.co_filename]
                instruction.section, instruction.scope = "update", title or code.co_name
            if not code.co_filename.startswith((OWN, NUMPY)):
                name = _stores(code).get(frame.f_lasti)
                of_user = not code.co_filename.startswith(PACKAGE)
                if name is not None and not (of_user and instruction.section == "update"):
                    hints.append(((id(frame), frame.f_lasti), name))
                if of_user and not instruction.origin[0]:
                    instruction.origin = code.co_filename, frame.f_lineno
            frame = frame.f_back
        self.hints[instruction.out] = hints

    def _in_backward(self, instruction: Instruction, frame: types.FrameType) -> None:
        node: Node | None = frame.f_locals.get("node")
        instruction.section = "backward"
        if node is not None and node.primitive is not None:
            instruction.scope, instruction.op = path_of(node.scope), node.primitive.name
            position = frame.f_locals.get("i")
            if isinstance(position, int):
                self.cotangents[instruction.out] = node, position

    def _in_update(self, instruction: Instruction, frame: types.FrameType) -> None:
        instruction.section = "update"
        self.updating[instruction.out] = frame.f_locals.get("p")


def path_of(scope: Scope | None) -> str:
    """The dotted names of a scope, without that of the outermost module."""
    names: list[str] = []
    while scope is not None:
        names.append(scope.name)
        outermost = scope.parent is None and len(scope.label) > 2
        scope = scope.parent
    return ".".join(reversed(names[:-1] if names and outermost else names))


_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**", "neg", "abs"})
_ARITHMETIC |= {"<", "<=", ">", ">=", "==", "!="}


@functools.lru_cache(maxsize=4096)
def _stores(code: types.CodeType) -> dict[int, str]:
    """Offsets of the instructions whose result is at once assigned to a variable, and its name."""
    stores: dict[int, str] = {}
    for here, after in itertools.pairwise(dis.get_instructions(code)):
        if after.opname in ("STORE_FAST", "STORE_NAME", "STORE_DEREF", "STORE_GLOBAL"):
            # A call of a Python function stands at one of the cache entries behind it.
            stores.update(dict.fromkeys(range(here.offset, after.offset), str(after.argval)))
    return stores


def _refuse(tape: Tape, function: str, args: tuple[Any, ...]) -> None:
    """Raise for what straight-line code can't do."""
    if function in READS:
        reading("printed")
    if function in WRITES:
        raise CompileError(f"{function} writes into an array{where()}: use np.where or mg.set_at")
    masked = function == "getitem" and _has_mask(args[1])
    if function in DYNAMIC or masked or (function == "np.where" and len(args) == 1):
        what = "a boolean index" if masked else function
        raise CompileError(
            f"{what} gives a shape that depends on values{where()}, which a compiled step can't "
            "follow: use mg.where(mask, x, 0) and keep the shape"
        )


def _has_mask(index: Any) -> bool:
    if isinstance(index, tuple):
        return any(map(_has_mask, index))
    return not isinstance(index, bool) and getattr(index, "dtype", None) == np.bool_


def where() -> str:
    """Say at which line of the caller's code the trace stands."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((PACKAGE, NUMPY)) and not name.startswith("<"):
            return f" at {name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


# Methods of the library that decide by values, and what to compile instead.
_DECIDING = {
    LBFGS.step.__code__: "LBFGS chooses its steps by the loss: compile the closure that computes "
    "loss and gradients, and call optimizer.step(closure) outside",
    schedules.ReduceLROnPlateau.step.__code__: "ReduceLROnPlateau decides by the loss: return the "
    "loss from the compiled step, and call the schedule's step(loss) outside",
}


def _advice() -> str:
    """What to do about a value that is read here."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code in _DECIDING:
            return _DECIDING[frame.f_code]
        frame = frame.f_back
    return (
        "return it from the step and look at it outside, decide with mg.where, or leave this part "
        "out of what is compiled"
    )


def reading(how: str) -> NoReturn:
    """Raise for a value that is looked at while a step is traced."""
    raise CompileError(
        f"a value that a compiled step computes was {how}{where()}, but its code is made for all "
        f"values: {_advice()}"
    )


# Values, operands and what stands for them


def value_of(now: Any, *, weak: bool = False) -> Value:
    """A new Value for what a call gave."""
    if isinstance(now, np.ndarray | np.generic):
        return Value(now.shape, now.dtype)
    if isinstance(now, _NUMBERS):
        return Value((), np.asarray(now).dtype, weak=type(now))
    if isinstance(now, tuple | list) and all(isinstance(p, np.ndarray | np.generic) for p in now):
        return Value((), None)
    if weak:
        raise CompileError(f"a number became {type(now).__name__}{where()}")
    raise CompileError(
        f"a NumPy function gave a {type(now).__name__}{where()}: compiled code holds arrays only"
    )


_MAKERS: dict[str, Callable[..., Any]] = {}  # minigrad.compile.traced fills it


def traced(tape: Tape, value: Value, now: Any) -> Any:
    """What stands for a value while tracing: an array's duck, or a number's."""
    return _MAKERS["number" if value.weak else "array"](tape, value, now)


def current(x: Any) -> Any:
    """The array or number of the moment, also inside of tuples, lists and slices."""
    if hasattr(x, "_traced_value"):
        return x._now
    if isinstance(x, tuple | list):
        parts = [current(part) for part in x]
        if hasattr(x, "_fields"):
            return type(x)(*parts)
        return parts if isinstance(x, list) else tuple(parts)
    if isinstance(x, slice):
        return slice(current(x.start), current(x.stop), current(x.step))
    return x


_CONSTANTS = (bool, int, float, complex, str, type(None), type(Ellipsis), np.dtype, type)


def operand(x: Any) -> Any:
    """What stands for an argument in an instruction."""
    value = getattr(x, "_traced_value", None)
    if value is not None:
        return value
    if isinstance(x, Scattered):  # a cotangent that does not depend on the inputs
        x = np.asarray(x)
    if isinstance(x, np.ndarray):
        return Value(x.shape, x.dtype, constant=x)
    if isinstance(x, np.generic):
        return Value((), x.dtype, constant=np.asarray(x))
    if isinstance(x, tuple | list):
        parts = [operand(part) for part in x]
        return parts if isinstance(x, list) else tuple(parts)
    if isinstance(x, slice):
        return slice(operand(x.start), operand(x.stop), operand(x.step))
    if isinstance(x, _CONSTANTS) or callable(x):
        return x
    raise CompileError(f"a {type(x).__name__} is handed to NumPy{where()}, which can't be compiled")
