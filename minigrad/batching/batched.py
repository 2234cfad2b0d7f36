"""A batched value: what a variable inside ``vmap`` is, one array for each example.

It shows the shape of one example and holds those of all, the batch as its first axis. It holds a
Tensor, or where ``vmap`` is nested another batched value: recording happens below, on all examples
at once, so a gradient inside ``vmap`` or around it is the ordinary one.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar, NoReturn

import numpy as np

from minigrad import ops
from minigrad.errors import NotDifferentiable
from minigrad.operators import Operators
from minigrad.primitive import NUMPY
from minigrad.tensor import Tensor, wrap
from minigrad.trees import leaves, mapped, rebuilt

_SERIAL = itertools.count()


class Level:
    """One running ``vmap``: how many examples it has, and its place among nested ones."""

    __slots__ = ("serial", "size")

    def __init__(self, size: int) -> None:
        self.size, self.serial = size, next(_SERIAL)


_ASKED: ContextVar[frozenset[Any]] = ContextVar("asked", default=frozenset())
"""NumPy functions whose composition runs: one that hands them over to NumPy is asked again."""

LEVELS: ContextVar[tuple[Level, ...]] = ContextVar("levels", default=())
"""The ``vmap`` that run here, the outermost first."""


class Batched(Operators):
    """One value for each example of a ``vmap``, with the shape of a single one."""

    __slots__ = ("level", "value")
    __primitive__: ClassVar[Callable[..., Any]]  # minigrad.batching.interpreter sets it
    _lift: ClassVar[Callable[[Any], Any]]  # of an array that it is to point into
    base = name = node = None  # what a walk and an error ask of an array

    def __init__(self, level: Level, value: Tensor | Batched) -> None:
        self.level, self.value = level, value

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis of one example."""
        return self.value.shape[1:]

    @property
    def ndim(self) -> int:
        """Number of axes of one example."""
        return self.value.ndim - 1

    @property
    def size(self) -> int:
        """Number of elements of one example."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.value.dtype

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        return self.value.requires_grad

    @property
    def T(self) -> Any:  # noqa: N802
        """Axes reversed."""
        return ops.transpose(self)

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two axes interchanged."""
        return ops.swapaxes(self, -1, -2)

    def detach(self) -> Batched:
        """Return the same values as constants."""
        return Batched(self.level, self.value.detach())

    def copy(self) -> Any:
        """Return a copy that gradients pass through."""
        return ops.positive(self)

    @property
    def _examples(self) -> Tensor | Batched:
        return self.value  # for what asks of all examples at once

    # An index stays what it is: the interpreter knows what to do with a batched one.
    @property
    def _data(self) -> Batched:
        return self

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements of one example."""
        return self.size * self.itemsize

    @property
    def flags(self) -> NoReturn:
        """How an array lies in memory, which is asked of one array."""
        raise AttributeError  # in answer, __getattr__ says why

    @property
    def strides(self) -> NoReturn:
        """Bytes from one element to the next, which are asked of one array."""
        raise AttributeError

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a batched value with no axes")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    # NumPy's functions: what has an op is the op, anything else runs example by example

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Interpret a ufunc as it is interpreted for a Tensor."""
        if kwargs.get("out") is not None or method == "at":
            raise NotDifferentiable(
                "out= (and array += value) writes one array, but inside vmap there is one value "
                "for each example: use the result instead, such as a = a + value"
            )
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        inputs = tuple(map(_as_tensor, inputs))
        if ufunc not in NUMPY and function not in NUMPY:
            return by_example(function, inputs, kwargs)
        try:
            return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        except BranchError:  # np.add.reduceat at indices that differ
            return by_example(function, inputs, kwargs)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Interpret a NumPy function as it is interpreted for a Tensor."""
        if func in _OF_SHAPE:
            return func(*map(_stand_in, args), **{k: _stand_in(v) for k, v in kwargs.items()})
        args = tuple(map(_as_tensor, args))
        kwargs = {k: _as_tensor(v) for k, v in kwargs.items()}
        if func not in NUMPY or (func, self.level) in _ASKED.get():
            return by_example(func, args, kwargs)
        token = _ASKED.set(_ASKED.get() | {(func, self.level)})
        try:
            return super().__array_function__(func, types, args, kwargs)
        except BranchError:  # a composition that decides by what it is given
            return by_example(func, args, kwargs)
        finally:
            _ASKED.reset(token)

    # What differs by example can't steer Python

    def __bool__(self) -> NoReturn:
        raise _steering(
            "the truth of a batched value differs by example, so if, while, and, or and not can't "
            "decide by it: use mg.where(condition, a, b)"
        )

    def __contains__(self, value: object) -> NoReturn:
        raise _steering("`in` of a batched value differs by example: use (x == value).any()")

    def __float__(self) -> NoReturn:
        raise _steering("float() of a batched value: it is one number for each example")

    def __int__(self) -> NoReturn:
        raise _steering("int() of a batched value: it is one number for each example")

    def __index__(self) -> NoReturn:
        raise _steering(
            "a batched value can't be an index of a list or a plain array, nor a length: index a "
            "Tensor, as in mg.tensor(table)[i]"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise _steering(
            "a NumPy array of a batched value: there is one array for each example. Use NumPy "
            "functions that minigrad differentiates, or index mg.tensor(table) with it"
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _ONE_ARRAY:
            raise NoSuchAttribute(
                f"{name} of a batched value: inside vmap there is one value for each example; "
                "return it from the function instead, or use mg.grad inside vmap"
            )
        raise NoSuchAttribute(f"a batched value has no attribute {name!r} (inside vmap)")

    def __repr__(self) -> str:
        return f"Batched(shape={self.shape}, dtype={self.dtype}, examples={self.level.size})"


_ONE_ARRAY = {"numpy", "item", "tolist", "data", "backward", "grad", "zero_grad", "register_hook"}
_ONE_ARRAY |= {"retain_grad", "flags", "strides"}


class BranchError(NotDifferentiable):
    """Python was to branch on, or make one array of, a value that differs by example."""

    def again(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Call the function that met the error once for each example, in which nothing differs.

        So a function of minigrad's own may branch. Where nothing among its arguments differs by
        example, the branch is on what it closes over, and the error is raised.
        """
        if not batched_in([args, kwargs]):
            raise self
        return by_example(function, args, kwargs)


class NoSuchAttribute(BranchError, AttributeError):
    """An array's attribute that a value that differs by example does not have."""


def _steering(message: str) -> BranchError:
    return BranchError(f"{message} (inside vmap)")


def _as_tensor(value: Any) -> Any:
    """An array as a Tensor, which can meet a batched value in any argument of a primitive."""
    if isinstance(value, list | tuple) and any(isinstance(v, Batched) for v in value):
        return type(value)(map(_as_tensor, value))
    return Tensor(value) if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" else value


Batched._lift = staticmethod(_as_tensor)

# NumPy functions of shape and dtype alone
_OF_SHAPE = frozenset({np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj})
_OF_SHAPE |= {np.zeros_like, np.ones_like, np.empty_like, np.common_type}


def _stand_in(value: Any) -> Any:
    if isinstance(value, Batched):
        return np.broadcast_to(np.zeros((), value.dtype), value.shape)
    return value._data if isinstance(value, Tensor) else value


# Any function, one example after the other


def batched_in(tree: Any) -> list[Batched]:
    """The values in nested containers that differ by example."""
    return [leaf for leaf in map(opened, leaves(tree)) if isinstance(leaf, Batched)]


def opened(x: Any) -> Any:
    """The batched value in a Tensor that was made of it, a constant as that is; else ``x``."""
    while isinstance(x, Tensor) and isinstance(x._data, Batched):
        if x._node is not None:
            raise NotDifferentiable(
                "a leaf was made of a batched value: inside vmap differentiate with mg.grad"
            )
        x = x._data.detach()
    return x


def by_example(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Call a function for each example of the innermost ``vmap``, and stack what it returns."""
    level = max((x.level for x in batched_in([args, kwargs])), key=serial_of)

    def example(i: int, x: Any) -> Any:
        x = opened(x)
        return x.value[i] if isinstance(x, Batched) and x.level is level else x

    outs = []
    for i in range(level.size):
        own, named = mapped(functools.partial(example, i), (args, kwargs))
        outs.append(function(*own, **named))
    if not outs:
        raise ValueError(f"{_name(function)} runs example by example, but there is none")
    columns = zip(*(leaves(out) for out in outs), strict=True)
    return rebuilt(outs[0], (Batched(level, stacked(function, column)) for column in columns))


def stacked(function: Any, values: Sequence[Any]) -> Any:
    """What a function gave for each example, as one value; raise if the shapes differ."""
    shapes = {np.shape(value) for value in values}
    if len(shapes) > 1:
        raise BranchError(
            f"{_name(function)}: examples give results of different shapes {sorted(shapes)}, which "
            "no array can hold"
        )
    return ops.stack([_tensor(value) for value in values])


def _name(function: Any) -> str:
    return getattr(function, "__name__", str(function))


def serial_of(level: Level) -> int:
    """The order in which levels began."""
    return level.serial


# Down to the Tensor below, and up again


def lowered(x: Any, levels: Sequence[Level]) -> Any:
    """The Tensor of all examples below ``x``: an axis for each level, the outermost first.

    Where ``x`` does not differ by example it is broadcast. What lives on other levels stays there.
    """
    x = opened(x)
    for level in reversed(levels):
        if isinstance(x, Batched) and x.level is level:
            x = x.value
        else:
            x = ops.broadcast_to(_tensor(x), (level.size, *x.shape))
    return x


def raised(x: Any, levels: Sequence[Level]) -> Any:
    """The batched value whose Tensor below is ``x``; the inverse of :func:`lowered`."""
    for level in levels:
        x = Batched(level, x)
    return x


def _tensor(x: Any) -> Any:
    if isinstance(x, Batched):
        return x
    return x if isinstance(x, Tensor) else wrap(np.asarray(x))
