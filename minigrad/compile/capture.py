"""What a function can reach: the state that it reads and leaves behind, and how to tell a change.

The walk follows closures, the globals that code names, attributes, and containers. It finds arrays,
Tensors, numbers and random generators, each with the place that holds it.
"""

from __future__ import annotations

import contextvars
import functools
import gc
import io
import random
import types
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.compile.contents import PLAIN, Contents, Position, is_whole, keys_of
from minigrad.compile.program import CompileError
from minigrad.compile.reach import is_users, named_by, of_class
from minigrad.errors import MinigradError
from minigrad.primitive import Primitive
from minigrad.tensor import Tensor

__all__ = ["Asking", "Cell", "Data", "Grad", "Held", "Item", "Place", "Replaced", "State", "Walk"]

LIMIT = 50_000  # places: a step that can reach more has its data in a global
MISSING = object()


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """An entry of a dict (also one of attributes, or of globals) or of a list."""

    container: Any
    key: Any

    def get(self) -> Any:
        """What is there now."""
        try:
            return self.container[self.key]
        except (KeyError, IndexError):
            return MISSING

    def set(self, value: Any) -> None:
        """Put something there."""
        if value is MISSING:
            self.container.pop(self.key, None)
        else:
            self.container[self.key] = value


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A variable of an enclosing function."""

    cell: Any

    def get(self) -> Any:
        """What is there now."""
        try:
            return self.cell.cell_contents
        except ValueError:
            return MISSING

    def set(self, value: Any) -> None:
        """Put something there."""
        if value is not MISSING:
            self.cell.cell_contents = value
        elif self.get() is not MISSING:
            del self.cell.cell_contents


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """An attribute of an object that has no ``__dict__``."""

    owner: Any
    name: str

    def get(self) -> Any:
        """What is there now."""
        return getattr(self.owner, self.name, MISSING)

    def set(self, value: Any) -> None:
        """Put something there."""
        object.__setattr__(self.owner, self.name, value)


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """The array of a Tensor."""

    tensor: Tensor
    owner: Tensor | None = None  # whose gradient the Tensor is

    def get(self) -> Any:
        """What is there now."""
        return self.tensor._data

    def set(self, value: Any) -> None:
        """Put something there."""
        node = self.tensor._node
        self.tensor._data = value
        if node is not None and node.primitive is None:
            node.kept = (value,)


@dataclass(frozen=True, slots=True, eq=False)
class Grad:
    """The gradient of a Tensor."""

    tensor: Tensor

    def get(self) -> Any:
        """What is there now."""
        return self.tensor.grad

    def set(self, value: Any) -> None:
        """Put something there."""
        self.tensor.grad = value


@dataclass(frozen=True, slots=True, eq=False)
class Asking:
    """Whether a Tensor requires a gradient, and the hooks that see it: guarded, never replaced."""

    tensor: Tensor

    def get(self) -> Any:
        """False, True, or its hooks."""
        node = self.tensor._node
        return node is not None and (node.hooks or True)

    def set(self, value: Any) -> None:
        """Let it require a gradient again, or not, and have these hooks."""
        self.tensor.requires_grad = value is not False
        if self.tensor._node is not None:
            self.tensor._node.hooks = None if value is True else value


@dataclass(frozen=True, slots=True, eq=False)
class ClassItem:
    """An attribute of a class."""

    owner: type
    name: str

    def get(self) -> Any:
        """What is there now; of a property what it calls."""
        value = vars(self.owner).get(self.name, MISSING)
        if isinstance(value, staticmethod | classmethod):
            return value.__func__
        return value.fget if isinstance(value, property) else value

    def set(self, value: Any) -> None:
        """Put something there."""
        setattr(self.owner, self.name, value)


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """The value of a ``ContextVar``."""

    variable: contextvars.ContextVar[Any]

    def get(self) -> Any:
        """What is there now."""
        return self.variable.get(MISSING)

    def set(self, value: Any) -> None:
        """Put something there."""
        self.variable.set(value)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """The array of whatever Tensor a place holds, where a step puts another one at each call."""

    place: Any

    def get(self) -> Any:
        """What is there now."""
        tensor = self.place.get()
        return tensor._data if type(tensor) is Tensor and tensor._node is None else MISSING

    def set(self, value: Any) -> None:
        """Put something there."""
        self.place.get()._data = value


class Replaced:
    """What marks a place whose holder is replaced together with what it holds."""

    __slots__ = ()


@dataclass(eq=False, slots=True)
class State:
    """One place and what the walk found in it."""

    place: Any
    path: str
    value: Any


class Walk:
    """All the places that a function can reach.

    Attributes:
        states: Every place with what was there, in the order in which they were found.
        sizes: Every dict and list with its keys or its length, and what classes have.
    """

    def __init__(self, root: Any, name: str = "") -> None:
        self.states: list[State] = []
        self.sizes: list[tuple[Any, tuple[Any, ...] | int]] = []
        self.names: dict[int, str] = {}
        self.owners: dict[int, Tensor] = {}
        self._seen: dict[int, Any] = {}
        self._stack: list[tuple[Any, str]] = [(root, name)]
        while self._stack:
            value, path = self._stack.pop()
            mark = len(self._stack)
            for place, inner, content in self._inside(value, path):
                if len(self.states) >= LIMIT:
                    raise CompileError(
                        f"a compiled step can reach more than {LIMIT} values, up to {inner}: hand "
                        "data over as arguments instead of as globals or attributes"
                    )
                self.states.append(State(place, inner, content))
                if not isinstance(content, PLAIN) and content is not MISSING:
                    self._stack.append((content, inner))
            self._stack[mark:] = self._stack[mark:][::-1]  # what was found first is next

    def values(self) -> list[Any]:
        """Every object that the walk has visited."""
        return list(self._seen.values())

    def _inside(self, value: Any, path: str) -> list[tuple[Any, str, Any]]:
        """The places directly inside of a value, with their paths and contents."""
        if id(value) in self._seen:
            return []
        self._seen[id(value)] = value
        self.names[id(value)] = path
        return [(place, inner, place.get()) for place, inner in self._places(value, path)]

    def _places(self, value: Any, path: str) -> Iterator[tuple[Any, str]]:
        if isinstance(value, Tensor):
            owner = self.owners.get(id(value))
            yield Data(value, owner), path
            if owner is None:
                yield Asking(value), f"{path}.requires_grad"
            if value._node is not None and value.is_leaf:
                if value.grad is not None:
                    self.owners[id(value.grad)] = value
                yield Grad(value), f"{path}.grad"
        elif isinstance(value, dict | list | tuple):
            yield from self._of_container(value, path)
        elif isinstance(value, types.FunctionType):
            yield from of_function(value)
        elif isinstance(value, type):
            if is_users(value):
                self.sizes.append((vars(value), tuple(keys_of(vars(value)))))
            yield from ((ClassItem(base, n), f"{base.__name__}.{n}") for base, n in of_class(value))
        elif isinstance(value, contextvars.ContextVar):
            yield Variable(value), value.name
        elif is_whole(value):
            held = Contents(value)
            yield held, path
            inside = [x for x in held.parts() if not isinstance(x, PLAIN)]
            self._stack.extend((x, f"{path}[...]") for x in inside)
            yield from self._of_object(value, path)
        elif isinstance(value, random.Random | np.random.RandomState) or _is_file(value):
            yield Position(value), path
        elif not self._leads_on(value, path) and not _opaque(value):
            yield from self._of_object(value, path)

    def _of_container(self, value: Any, path: str) -> Iterator[tuple[Any, str]]:
        if isinstance(value, dict):
            keys = keys_of(value)
            self.sizes.append((value, tuple(keys)))
            self._stack.extend((key, path) for key in keys if not isinstance(key, PLAIN))
            yield from ((Item(value, key), _inner(path, key)) for key in keys)
        elif isinstance(value, list):
            self.sizes.append((value, len(value)))
            yield from ((Item(value, i), f"{path}[{i}]") for i in range(len(value)))
        else:
            self._stack.extend((part, f"{path}[{i}]") for i, part in enumerate(value))
        if type(value).__module__ != "builtins":
            yield from self._of_object(value, path)

    def _leads_on(self, value: Any, path: str) -> bool:
        """Whether a value is no state itself but leads to some, which is noted to be looked at."""
        if isinstance(value, types.MethodType):
            inner = [(value.__func__, path), (value.__self__, "self")]
        elif isinstance(value, functools.partial):
            inner = [(value.func, path), (value.args, path), (value.keywords, path)]
        elif hasattr(type(value), "__wrapped_function__"):  # compiled already: what it runs counts
            inner = [(value.__wrapped_function__, path)]
        elif isinstance(value, types.BuiltinMethodType | types.MethodWrapperType):
            bound = value.__self__
            inner = [] if isinstance(bound, types.ModuleType | type) else [(bound, path)]
        elif isinstance(value, _VIEWS):
            inner = [(held, path) for held in gc.get_referents(value)]
        elif isinstance(value, weakref.ref):
            inner = [(value(), path)]
        else:
            return False
        self._stack += inner
        return True

    def _of_object(self, value: Any, path: str) -> Iterator[tuple[Any, str]]:
        if is_users(type(value)):
            self._stack.append((type(value), type(value).__name__))
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            self._seen[id(attributes)] = attributes
            keys = keys_of(attributes)
            self.sizes.append((attributes, tuple(keys)))
            yield from ((Item(attributes, key), f"{path}.{key}") for key in keys)
        for kind in type(value).__mro__:
            slots = vars(kind).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                    yield Slot(value, name), f"{path}.{name}"


def _inner(path: str, key: Any) -> str:
    return f"{path}[{key!r}]" if isinstance(key, str | int) else f"{path}[...]"


def _is_file(value: Any) -> bool:
    return isinstance(value, io.IOBase) and not value.closed and value.seekable()


_LEAVES = (
    *(np.random.Generator, np.random.BitGenerator, np.ufunc, Primitive, MinigradError),
    *(types.ModuleType, types.BuiltinFunctionType, types.CodeType, types.FrameType),
    slice,
)
_VIEWS: tuple[type, ...] = (
    types.MappingProxyType,
    frozenset,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)


_MARKS = ("__next__", "_traced_value")  # of iterators, and of what stands for values in a trace


def _opaque(value: Any) -> bool:
    """Whether a value is told apart by its identity alone."""
    return isinstance(value, _LEAVES) or any(hasattr(type(value), x) for x in _MARKS)


def of_function(function: Any) -> Iterator[tuple[Any, str]]:
    """Variables of enclosing functions, defaults, and the globals that the code names."""
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        yield Cell(cell), name
    if isinstance(getattr(function, "__wrapped__", None), types.FunctionType):
        yield Item(vars(function), "__wrapped__"), function.__name__
    if not is_users(function):
        if not all(isinstance(value, PLAIN) for value in function.__defaults__ or ()):
            yield Slot(function, "__defaults__"), function.__name__
        return
    for part in ("__code__", "__defaults__", "__kwdefaults__"):
        yield Slot(function, part), f"{function.__name__}.{part}"
    for container, name, path in named_by(function):
        yield Item(container, name), path


Place = Item | Cell | Slot | Data | Grad | Held | ClassItem | Variable
