"""The instruction list: what a traced function does, one NumPy call after another.

A :class:`Program` is straight-line code. Every instruction calls one NumPy function on values that
earlier ones made (each value is made once) and on constants; there is no control flow, and nothing
in it is a Tensor. Passes rewrite the list, emitters print it or make machine code of it.

**Operands.** What stands in ``Instruction.args`` and ``.kwargs`` is a :class:`Value` or a
constant: a Python number, bool, None, str, dtype, slice or Ellipsis, or a tuple or list of operands
(an index such as ``(rows, labels)``). An array constant is a Value whose ``constant`` it is.

**Functions.** ``Instruction.function`` names what is called:

============================  ====================================================================
``"np.exp"``, ``"np.add"``    a ufunc, elementwise with broadcasting: ``args`` are its operands
``"np.add.reduce"``           a reduction; ``kwargs`` are ``axis`` (int, tuple, None), ``keepdims``
``"np.dot"``, ``"np.matmul"`` products; ``np.dot`` only of two matrices, or of matrix and vector
``"np.transpose"``            a view; ``kwargs["axes"]`` is None or a tuple
``"np.reshape"``, ...         any other NumPy function, under its dotted name, as NumPy takes it
``"getitem"``                 ``args[0][args[1]]`` with all of NumPy's indexing
``"astype"``                  ``args[0].astype(args[1])``
``"view"``                    ``args[0].view(args[1])``: the same bytes as another dtype
``"add_at"``                  zeros of shape ``args[0]`` in the dtype of ``args[2]``, to which
                              ``args[2]`` is added at the index ``args[1]`` (repeated ones add up)
``"put_at"``                  the same where the index names no element twice
``"increment"``               ``args[0]`` with ``args[2]`` added at the index ``args[1]``, which
                              names no element twice; ``"increment_each"`` where it may
``"math.sqrt"``, ``"+"``,     arithmetic of Python numbers, such as a learning rate
``"rng.random"``, ...         a draw: ``args[0]`` is the generator's Value. Draws are in order and
                              never dropped; none depends on an array.
``"check"``                   ``args`` are a Value and what it must equal; if it does not, the
                              program is left before anything is written, and the step runs eagerly
``"call"``                    ``args[0](*args[1:], **kwargs)``: a Python function as it is, opaque
============================  ====================================================================

**Memory.** ``Instruction.into`` is filled in by the planner: the Value whose array is overwritten
with the result (it has the same shape and dtype and is not used afterwards), or a :class:`Buffer`
that every call reuses; None makes a new array. ``Update.in_place`` says that the last instruction
wrote into the input that is updated.

:meth:`Program.run` computes a program with plain NumPy, instruction by instruction: that is what
every pass and every emitter must agree with.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from minigrad.errors import MinigradError

__all__ = ["Buffer", "CompileError", "Input", "Instruction", "Missed", "Program", "Update", "Value"]

Section = Literal["forward", "backward", "update"]
Kind = Literal["argument", "tensor", "gradient", "array", "number", "generator"]


class CompileError(MinigradError, RuntimeError):
    """A function that can't be compiled as it is; the message says where, and what to do.

    >>> import minigrad as mg
    >>> positive = mg.compile(lambda x: x if x > 0 else -x)
    >>> try:
    ...     positive(np.array(1.0))
    ... except CompileError as error:
    ...     print(str(error)[:62])
    a value that a compiled step computes was tested with if, and,
    """


class RunEagerly(CompileError):
    """The call fails by itself: run as it was written, it says why."""


class Missed(Exception):
    """A check of a running program did not hold: the call has to be run as it was written."""


@dataclass(eq=False, slots=True)
class Value:
    """What an instruction makes, a program is given, or a constant array.

    Attributes:
        shape: Length of each axis; () also for Python numbers.
        dtype: Type of the elements; None for what is no array (a generator, a tuple of arrays).
        weak: ``int``, ``float`` or ``bool`` if it is a Python number, which promotes no dtype.
        constant: The array of a constant.
        name: A Python identifier, unique in the program once it is named.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None
    weak: type | None = None
    constant: Any = None
    name: str = ""

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.dtype.itemsize if self.dtype is not None else 0

    def __repr__(self) -> str:
        kind = self.weak.__name__ if self.weak else str(self.dtype)
        return f"<{self.name or 'value'} {self.shape} {kind}>"


@dataclass(eq=False, slots=True)
class Buffer:
    """Memory that every call of a program reuses."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    name: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(eq=False, slots=True)
class Instruction:
    """One call of a NumPy function.

    Attributes:
        function: Its name, as the table of this module's docstring has it.
        args: Operands by position.
        kwargs: Operands by keyword.
        out: What it makes; of a ``"check"`` a value that nobody uses.
        section: Which part of a training step it belongs to.
        scope: The dotted module path, such as ``layers.0``, of the op that it computes or, in
            ``backward``, the gradient of.
        op: The primitive that it is a part of; in ``backward`` the one whose rule runs.
        origin: File and line of the caller's code that led to it.
        into: Where the result is written; None for a new array.
    """

    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Value
    section: Section = "forward"
    scope: str = ""
    op: str = ""
    origin: tuple[str, int] = ("", 0)
    into: Value | Buffer | None = None

    @property
    def pure(self) -> bool:
        """Whether the result depends on the operands alone, so that it may be moved or dropped."""
        return self.function not in ("check", "call") and not self.function.startswith("rng.")

    def operands(self) -> Iterator[Value]:
        """Yield every Value among the operands, also inside of tuples."""
        yield from values_in(self.args)
        yield from values_in(tuple(self.kwargs.values()))

    def substitute(self, new: Mapping[Value, Any]) -> None:
        """Replace operands."""
        self.args = substituted(self.args, new)
        self.kwargs = {name: substituted(value, new) for name, value in self.kwargs.items()}


@dataclass(eq=False, slots=True)
class Input:
    """What a program is given at each call, and where it stands.

    Attributes:
        value: The Value it is in the program.
        kind: ``"argument"`` of the call, the array of a captured ``"tensor"`` or of its
            ``"gradient"``, an ``"array"``, a ``"number"`` or a random ``"generator"``.
        path: Where it was found, as one would write it: ``model.layers[0].weight``.
        place: What reads and writes it; its meaning is the capture's.
    """

    value: Value
    kind: Kind
    path: str
    place: Any = None


@dataclass(eq=False, slots=True)
class Update:
    """State that a call leaves behind: ``place`` holds ``result`` afterwards.

    ``result`` is a Value or a constant. ``target`` is the Value of the input that was there before,
    if that was one; ``in_place`` says that its array was overwritten with the result.
    """

    place: Any
    path: str
    result: Any
    target: Value | None = None
    in_place: bool = False


@dataclass(eq=False)
class Program:
    """Straight-line NumPy: inputs, instructions, and what comes out.

    Attributes:
        name: Of the function that was compiled.
        inputs: What it is given, in order.
        instructions: What it does, in order.
        results: Values (or constants) that the call returns, in the order of its tree's leaves.
        updates: State that it leaves behind.
        buffers: Memory kept between calls; filled in by the planner.
    """

    name: str
    inputs: list[Input] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)

    def outputs(self) -> list[Any]:
        """Everything that must exist when the program ends: results, then updates."""
        return [*self.results, *(update.result for update in self.updates)]

    def constants(self) -> list[Value]:
        """Constant arrays in the order of their use."""
        used = [v for i in self.instructions for v in i.operands()]
        used += [v for v in self.outputs() if isinstance(v, Value)]
        return list(dict.fromkeys(v for v in used if v.constant is not None))

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Compute :meth:`outputs`, one instruction after another, overwriting nothing.

        Raises:
            Missed: If a check does not hold.
        """
        known = {i.value: given for i, given in zip(self.inputs, inputs, strict=True)}
        for instruction in self.instructions:
            args = _found(instruction.args, known)
            kwargs = {k: _found(v, known) for k, v in instruction.kwargs.items()}
            known[instruction.out] = function_of(instruction.function)(*args, **kwargs)
        return [_found(value, known) for value in self.outputs()]

    def peak_bytes(self) -> int:
        """The most memory that results of instructions hold at once, buffers included."""
        last: dict[Value, int] = {}
        for i, instruction in enumerate(self.instructions):
            last.update(dict.fromkeys(instruction.operands(), i))
        ends = len(self.instructions)
        last.update({v: ends for v in self.outputs() if isinstance(v, Value)})
        made: dict[Value, int] = {}
        held = peak = sum(buffer.nbytes for buffer in self.buffers)
        for i, instruction in enumerate(self.instructions):
            own = instruction.into is None and not is_view(instruction)
            made[instruction.out] = instruction.out.nbytes if own else 0
            if isinstance(instruction.into, Value):  # it goes on living under another name
                made[instruction.out] = made.pop(instruction.into, 0)
            held += instruction.out.nbytes if own else 0
            peak = max(peak, held)
            for value in {*instruction.operands(), instruction.out}:
                if last.get(value, i) <= i:
                    held -= made.pop(value, 0)
        return peak


def is_view(instruction: Instruction) -> bool:
    """Whether the result may share memory with an operand: unless known otherwise, it may."""
    function = instruction.function
    if function in FRESH or function in SPECIAL:
        return function in ("getitem", "view", "call")
    home, _, path = function.partition(".")
    if home != "np":
        return False
    return not isinstance(getattr(np, path.partition(".")[0], None), np.ufunc)


FRESH = frozenset(
    {"np.dot", "np.matmul", "np.where", "np.concatenate", "np.stack", "np.take", "np.pad", "np.sum"}
    | {"np.mean", "np.max", "np.min", "np.prod", "np.var", "np.std", "np.cumsum", "np.cumprod"}
    | {"np.argmax", "np.argmin", "np.argsort", "np.sort", "np.take_along_axis", "np.tensordot"}
    | {"np.any", "np.all", "np.clip", "np.zeros_like", "np.ones_like", "np.full_like", "np.repeat"}
    | {"np.linalg.inv", "np.linalg.solve", "np.linalg.det", "np.linalg.norm", "np.linalg.cholesky"}
    | {"np.outer", "np.tril", "np.triu", "np.roll", "np.searchsorted", "np.count_nonzero"}
)


def values_in(operand: Any) -> Iterator[Value]:
    """Yield the Values in an operand."""
    if isinstance(operand, Value):
        yield operand
    elif isinstance(operand, tuple | list):
        for part in operand:
            yield from values_in(part)
    elif isinstance(operand, slice):
        yield from values_in((operand.start, operand.stop, operand.step))


def substituted(operand: Any, new: Mapping[Value, Any]) -> Any:
    """An operand with Values replaced."""
    if isinstance(operand, Value):
        return new.get(operand, operand)
    if isinstance(operand, tuple | list):
        parts = [substituted(part, new) for part in operand]
        return parts if isinstance(operand, list) else tuple(parts)
    if isinstance(operand, slice):
        return slice(*(substituted(p, new) for p in (operand.start, operand.stop, operand.step)))
    return operand


def _found(operand: Any, known: Mapping[Value, Any]) -> Any:
    if isinstance(operand, Value):
        return operand.constant if operand.constant is not None else known[operand]
    if isinstance(operand, tuple | list):
        parts = [_found(part, known) for part in operand]
        return parts if isinstance(operand, list) else tuple(parts)
    if isinstance(operand, slice):
        return slice(*(_found(p, known) for p in (operand.start, operand.stop, operand.step)))
    return operand


# What the names of functions mean


def add_at(shape: tuple[int, ...], index: Any, g: Any) -> Any:
    """Zeros with ``g`` added at an index.

    >>> add_at((3,), np.array([0, 0]), np.array([1.0, 2.0]))
    array([3., 0., 0.])
    """
    out = np.zeros(shape, g.dtype)
    np.add.at(out, index, g)
    return out


def put_at(shape: tuple[int, ...], index: Any, g: Any) -> Any:
    """Zeros with ``g`` at an index that names no element twice.

    >>> put_at((3,), slice(1, None), np.array([1.0, 2.0]))
    array([0., 1., 2.])
    """
    out = np.zeros(shape, g.dtype)
    out[index] = g
    return out


def increment(x: Any, index: Any, g: Any) -> Any:
    """A copy of ``x`` with ``g`` added at an index that names no element twice.

    >>> increment(np.array([1.0, 2.0]), (np.array([1]),), 0.5)
    array([1. , 2.5])
    """
    out = np.array(x)
    out[index] += g
    return out


def increment_each(x: Any, index: Any, g: Any) -> Any:
    """A copy of ``x`` with ``g`` added at an index; repeated ones add up.

    >>> increment_each(np.array([1.0, 2.0]), np.array([1, 1]), 0.5)
    array([1., 3.])
    """
    out = np.array(x)
    np.add.at(out, index, g)
    return out


def _check(value: Any, expected: Any) -> None:
    if bool(value != expected):
        raise Missed


SPECIAL: dict[str, Callable[..., Any]] = {
    "getitem": operator.getitem,
    "astype": lambda x, dtype: x.astype(dtype),
    "view": lambda x, dtype: x.view(dtype),
    "add_at": add_at,
    "put_at": put_at,
    "increment": increment,
    "increment_each": increment_each,
    "check": _check,
    "call": lambda function, *args, **kwargs: function(*args, **kwargs),
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "neg": operator.neg,
    "abs": abs,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def function_of(name: str) -> Callable[..., Any]:
    """What a function's name means.

    >>> function_of("np.add.reduce") == np.add.reduce, function_of("math.sqrt")(4.0)
    (True, 2.0)
    """
    if name in SPECIAL:
        return SPECIAL[name]
    home, _, path = name.partition(".")
    if home == "rng":
        return lambda generator, *args, **kwargs: getattr(generator, path)(*args, **kwargs)
    return operator.attrgetter(path)({"np": np, "math": math}[home])
