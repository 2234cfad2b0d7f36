"""What stands for arrays and numbers while a step is traced: ducks that speak NumPy's protocols.

Whatever NumPy or an operator is asked of them is written to their tape. Reading one (``bool``,
``float``, ``print``) raises, unless minigrad's own code does so: then what it saw becomes a check
of the program.
"""

from __future__ import annotations

import operator
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigrad.compile.program import CompileError, RunEagerly, Value
from minigrad.compile.tape import (
    _MAKERS,
    NUMPY,
    OWN,
    PACKAGE,
    Tape,
    current,
    reading,
    where,
)

__all__ = ["Number", "Traced", "of_ducks", "tape_of"]

_NUMBERS = (bool, int, float)


def _asked_by_minigrad() -> bool:
    """Whether code of the library looks at a value; a Tensor's own exits are their callers'."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        name = frame.f_code.co_filename
        leaves = frame.f_code.co_name in _EXITS and name.endswith(_SURFACE)
        if not leaves and not name.startswith((OWN, NUMPY)):
            break
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(PACKAGE)


_SURFACE = ("operators.py", "tensor.py")
_EXITS = frozenset({"__bool__", "__float__", "__int__", "__index__", "__contains__", "item"})
_EXITS |= {"tolist", "__repr__", "__format__", "__array__", "__round__"}


def _foreign(x: Any) -> bool:
    """Whether it interprets primitives itself, as a Tensor does."""
    return hasattr(type(x), "__primitive__") and not isinstance(x, Traced)


def tape_of(*args: Any) -> Tape | None:
    """The tape of the first traced value among arguments, also inside of tuples and slices."""
    for x in args:
        if isinstance(x, Traced | Number):
            return x._tape
        if isinstance(x, tuple | list):
            found = tape_of(*x)
        elif isinstance(x, slice):
            found = tape_of(x.start, x.stop, x.step)
        else:
            continue
        if found is not None:
            return found
    return None


def numpy_name(function: Any) -> str:
    """How compiled code calls a NumPy function: ``np.linalg.norm``."""
    if isinstance(function, np.ufunc):
        name = f"np.{function.__name__}"
        if getattr(np, function.__name__, None) is function:
            return name
        raise CompileError(f"{function.__name__} is no function of NumPy{where()}")
    module = str(function.__module__).replace("numpy", "np", 1)
    return f"{module}.{function.__name__}"


class _Ducks:
    """The two protocols, for arrays and numbers alike."""

    __slots__ = ("_now", "_tape", "_traced_value")
    _tape: Tape
    _traced_value: Value
    _now: Any

    def __init__(self, tape: Tape, value: Value, now: Any) -> None:
        self._tape, self._traced_value, self._now = tape, value, now

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """What ``isinstance`` tells a user's code, which may decide by it; not the library's."""
        if sys._getframe(1).f_code.co_filename.startswith((PACKAGE, NUMPY)):
            return type(self)
        return np.ndarray if isinstance(self, Traced) else type(self._now)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Write down a ufunc or one of its methods."""
        if any(map(_foreign, inputs)):
            return NotImplemented
        out = kwargs.pop("out", None)
        if method == "at" or (out is not None and any(x is not None for x in out)):
            raise CompileError(
                f"np.{ufunc.__name__} writes into an array{where()}, which a compiled step can't "
                "follow: use the result instead, such as a = a + b"
            )
        name = numpy_name(ufunc) + ("" if method == "__call__" else f".{method}")
        return self._tape.call(name, inputs, kwargs)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Write down a NumPy function; questions about shape and type are answered at once."""
        if any(hasattr(kind, "__primitive__") and not issubclass(kind, Traced) for kind in types):
            return NotImplemented
        if func in _ABOUT:
            return func(*map(current, args), **{k: current(v) for k, v in kwargs.items()})
        if kwargs.get("out") is not None:
            raise CompileError(f"out= writes into an array{where()}: use the result instead")
        kwargs = {k: v for k, v in kwargs.items() if v is not np._NoValue}
        kwargs.pop("out", None)
        return self._tape.call(numpy_name(func), tuple(args), kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        reading("turned into a NumPy array")

    def _read(self, how: str) -> Any:
        """What it is now, which becomes a check if minigrad itself wants to know."""
        if not _asked_by_minigrad() and not isinstance(self, Number):
            reading(how)
        now = self._now if isinstance(self._now, _NUMBERS) else self._now.item()
        if isinstance(now, float) and not isinstance(self, Number):
            reading(how)  # it would be another one at the next call
        self._tape.check(self._traced_value, now)
        return now

    def __bool__(self) -> bool:
        if isinstance(self, Traced) and self._traced_value.size != 1:
            return bool(self._now)  # which raises as NumPy does
        truth = bool(self._now)
        if isinstance(self._now, bool | np.bool_):
            self._read("tested with if, and, or, not")
        else:
            bool(self.__ne__(0))  # any other number that is not 0 leads the same way
        return truth

    def __float__(self) -> float:
        return float(self._read("turned into a Python number"))

    def __int__(self) -> int:
        return int(self._read("turned into a Python number"))

    def __index__(self) -> int:
        return operator.index(self._read("used as a Python index"))

    def __repr__(self) -> str:
        if _asked_by_minigrad():
            raise RunEagerly("an error message of minigrad shows values")
        reading("printed")

    def __format__(self, spec: str) -> str:
        return self.__repr__()

    __str__ = __repr__

    def __reduce__(self) -> Any:
        reading("copied or pickled")

    def __hash__(self) -> int:
        return id(self)


_ABOUT = frozenset(
    {np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj}
    | {np.may_share_memory, np.shares_memory, np.min_scalar_type, np.common_type, np.einsum_path}
    | {np.broadcast_shapes}
)


def of_ducks(error: BaseException) -> CompileError | None:
    """What to say of an exception that only a trace meets; None if the function itself raised it.

    An attribute that arrays have and ducks have not, or a type that was looked at.
    """
    text = str(error)
    asked = isinstance(error, AttributeError) and isinstance(error.obj, _Ducks)
    named = isinstance(error, TypeError) and re.search(r"\b(Traced|Number|TracedGenerator)\b", text)
    if not asked and not named:
        return None
    place, trail = "", error.__traceback__
    while trail is not None:
        file = trail.tb_frame.f_code.co_filename
        if not file.startswith((PACKAGE, NUMPY)):
            place = f" at {file}:{trail.tb_lineno}"
        trail = trail.tb_next
    what = f"has no .{error.name} to follow" if isinstance(error, AttributeError) else text
    return CompileError(
        f"a value that a compiled step computes can't be used so{place} ({what}): use functions of "
        "NumPy or minigrad, or leave this part out of what is compiled"
    )


def _binary(ufunc: np.ufunc, *, swapped: bool = False) -> Callable[[Any, Any], Any]:
    def method(self: Traced, other: Any) -> Any:
        if _foreign(other):
            return NotImplemented
        pair = (other, self) if swapped else (self, other)
        return self._tape.call(f"np.{ufunc.__name__}", pair, {})

    return method


class Traced(_Ducks):
    """An array while a step is traced."""

    __slots__ = ()

    base = None
    name = _node = node = None  # what dispatch and errors ask of an array
    __array_priority__ = 500.0

    @property
    def _data(self) -> Traced:
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._traced_value.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._now.dtype

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: self._traced_value.size)
    itemsize = property(lambda self: self.dtype.itemsize)
    nbytes = property(lambda self: self._traced_value.nbytes)
    flags = property(lambda self: self._now.flags)
    T = property(lambda self: self.transpose())
    mT = property(lambda self: np.swapaxes(self, -1, -2))  # noqa: N815
    real = property(lambda self: self)

    def setflags(self, *_: Any, **__: Any) -> None:
        """Do nothing: a traced array is never written to."""

    def copy(self) -> Traced:
        """Return the same value: none is ever written to."""
        return Traced(self._tape, self._traced_value, self._now)

    def view(self, dtype: Any = None) -> Traced:
        """Return the same bytes as another dtype."""
        return self.copy() if dtype is None else self._tape.call("view", (self, dtype), {})

    def astype(self, dtype: Any, copy: bool = True) -> Traced:
        """Return the elements as another dtype."""
        if self.dtype == dtype:
            return self.copy()
        return self._tape.call("astype", (self, np.dtype(dtype)), {})

    def reshape(self, *shape: Any, order: str = "C") -> Traced:
        """Return the elements in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)  # type: ignore

    def transpose(self, *axes: Any) -> Traced:
        """Return the axes in another order."""
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return self._tape.call("np.transpose", (self,), {"axes": axes} if axes else {})

    def item(self) -> Any:
        """Raise: reading it is not compiled."""
        return self._read("read with .item()")

    def tolist(self) -> Any:
        """Raise: reading it is not compiled."""
        reading("read with .tolist()")

    def __len__(self) -> int:
        return len(self._now)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, item: Any) -> bool:
        reading("searched with in")

    def __getitem__(self, index: Any) -> Any:
        return self._tape.call("getitem", (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        raise CompileError(
            f"an array is written to{where()}, which a compiled step can't follow: use "
            "mg.set_at(x, index, value) or mg.where"
        )

    def __round__(self, digits: int = 0) -> Any:
        return np.round(self, digits)


def _in_place(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    plain = _binary(ufunc)

    def method(self: Traced, other: Any) -> Any:
        if not _asked_by_minigrad():
            raise CompileError(
                f"an array is changed in place{where()}, which a compiled step can't follow: "
                "write a = a + b in the place of a += b"
            )
        return plain(self, other)

    return method


_OPERATORS: dict[str, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
}
_OPERATORS |= {"floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power}
_OPERATORS |= {"matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or}
_OPERATORS |= {"xor": np.bitwise_xor}
for _name, _ufunc in _OPERATORS.items():
    setattr(Traced, f"__{_name}__", _binary(_ufunc))
    setattr(Traced, f"__r{_name}__", _binary(_ufunc, swapped=True))
    setattr(Traced, f"__i{_name}__", _in_place(_ufunc))
_COMPARISONS: dict[str, Any] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
}
_COMPARISONS |= {"gt": np.greater, "ge": np.greater_equal}
for _name, _ufunc in _COMPARISONS.items():
    setattr(Traced, f"__{_name}__", _binary(_ufunc))


def _unary(ufunc: np.ufunc) -> Callable[[Any], Any]:
    return lambda self: self._tape.call(f"np.{ufunc.__name__}", (self,), {})


_SIGNED: dict[str, Any] = {"neg": np.negative, "pos": np.positive, "abs": np.absolute}
for _name, _ufunc in _SIGNED.items():
    setattr(Traced, f"__{_name}__", _unary(_ufunc))
setattr(Traced, "__invert__", _unary(np.bitwise_not))  # noqa: B010
Traced.__hash__ = _Ducks.__hash__  # type: ignore[method-assign]


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Traced, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    return method


for _name in (
    *("sum", "mean", "max", "min", "prod", "any", "all", "var", "std", "cumsum", "cumprod"),
    *("argmax", "argmin", "argsort", "clip", "round", "squeeze", "swapaxes", "repeat", "take"),
    *("diagonal", "trace", "dot", "nonzero", "searchsorted", "ravel", "conj", "compress"),
):
    setattr(Traced, _name, _method(getattr(np, _name)))
Traced.flatten = _method(np.ravel)  # type: ignore[attr-defined]


class Number(_Ducks):
    """A Python number that a step is given: a learning rate, a count of steps."""

    __slots__ = ()
    shape: tuple[int, ...] = ()
    size, ndim = 1, 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an array of it."""
        return np.asarray(self._now).dtype

    def item(self) -> Any:
        """Return the number itself, which becomes a check."""
        return self._read("read")

    def __repr__(self) -> str:
        return repr(self._read("printed"))

    def __format__(self, spec: str) -> str:
        return format(self._read("printed"), spec)

    __str__ = __repr__


def _arithmetic(sign: str, *, swapped: bool = False) -> Callable[[Any, Any], Any]:
    ufunc = _UFUNCS[sign]

    def method(self: Number, other: Any) -> Any:
        if isinstance(other, np.ndarray | np.generic):
            pair = (other, self) if swapped else (self, other)
            return self._tape.call(f"np.{ufunc.__name__}", pair, {})
        if not isinstance(other, (*_NUMBERS, Number)):
            return NotImplemented
        return self._tape.call(sign, (other, self) if swapped else (self, other), {})

    return method


_UFUNCS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.remainder}
_UFUNCS |= {"//": np.floor_divide, "**": np.power, "<": np.less, "<=": np.less_equal}
_UFUNCS |= {">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal}
_SIGNS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%"}
for _name, _sign in (_SIGNS | {"pow": "**"}).items():
    setattr(Number, f"__{_name}__", _arithmetic(_sign))
    setattr(Number, f"__r{_name}__", _arithmetic(_sign, swapped=True))
for _name, _sign in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    setattr(Number, f"__{_name}__", _arithmetic(_sign))
for _name in ("neg", "abs"):
    setattr(Number, f"__{_name}__", lambda self, _n=_name: self._tape.call(_n, (self,), {}))
setattr(Number, "__pos__", lambda self: self)  # noqa: B010
Number.__hash__ = _Ducks.__hash__  # type: ignore[method-assign]
_MAKERS.update(number=Number, array=Traced)
