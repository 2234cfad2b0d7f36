"""What a function can reach: the state that it reads and leaves behind, and how to tell a change.

The walk follows closures, the globals that code names, attributes, and containers. It finds arrays,
Tensors, numbers and random generators, each with the place that holds it.
"""

from __future__ import annotations

import array
import collections
import functools
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import errors
from minigrad.compile.program import CompileError
from minigrad.errors import MinigradError
from minigrad.primitive import Primitive
from minigrad.tensor import Tensor

__all__ = ["Cell", "Data", "Grad", "Item", "Place", "Replaced", "State", "Walk"]

LIMIT = 50_000  # places: a step that can reach more has its data in a global
PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, range)
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
        self.cell.cell_contents = value


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
class Contents:
    """What a set or a deque holds, as text: guarded, never replaced."""

    container: Any

    def get(self) -> Any:
        """What is there now."""
        items = [repr(x) if isinstance(x, PLAIN) else f"#{id(x)}" for x in self.container]
        return str(sorted(items) if isinstance(self.container, set) else items)

    def set(self, value: Any) -> None:
        """Leave it: nothing replaces it."""


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
        sizes: Every dict and list with its keys or its length.
        generators: Streams of random numbers.
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
                if content is MISSING:
                    continue
                if len(self.states) >= LIMIT:
                    raise CompileError(
                        f"a compiled step can reach more than {LIMIT} values, up to {inner}: hand "
                        "data over as arguments instead of as globals or attributes"
                    )
                self.states.append(State(place, inner, content))
                if not isinstance(content, PLAIN):
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
            yield Data(value, self.owners.get(id(value))), path
            if value._node is not None and value.is_leaf:
                if value.grad is not None:
                    self.owners[id(value.grad)] = value
                yield Grad(value), f"{path}.grad"
        elif isinstance(value, dict):
            keys = [key for key in value if key != "_label"]
            self.sizes.append((value, tuple(keys)))
            yield from ((Item(value, key), _inner(path, key)) for key in keys)
        elif isinstance(value, list):
            self.sizes.append((value, len(value)))
            yield from ((Item(value, i), f"{path}[{i}]") for i in range(len(value)))
        elif isinstance(value, tuple):
            self._stack.extend((part, f"{path}[{i}]") for i, part in enumerate(value))
        elif isinstance(value, types.FunctionType):
            yield from _of_function(value)
        elif isinstance(value, types.MethodType):
            self._stack += [(value.__func__, path), (value.__self__, "self")]
        elif isinstance(value, functools.partial):
            self._stack += [(value.func, path), (value.args, path), (value.keywords, path)]
        elif isinstance(value, type):
            yield from _of_class(value)
        elif hasattr(type(value), "__wrapped_function__"):  # compiled already: what it runs counts
            self._stack.append((value.__wrapped_function__, path))
        elif isinstance(value, set | collections.deque | bytearray | array.array):
            yield Contents(value), path
        elif not _opaque(value):
            yield from self._of_object(value, path)

    def _of_object(self, value: Any, path: str) -> Iterator[tuple[Any, str]]:
        if _own(type(value)):
            self._stack.append((type(value), type(value).__name__))
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            self._seen[id(attributes)] = attributes
            keys = [key for key in attributes if key != "_label"]
            self.sizes.append((attributes, tuple(keys)))
            yield from ((Item(attributes, key), f"{path}.{key}") for key in keys)
        for kind in type(value).__mro__:
            slots = vars(kind).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                    yield Slot(value, name), f"{path}.{name}"


def _inner(path: str, key: Any) -> str:
    return f"{path}[{key!r}]" if isinstance(key, str | int) else f"{path}[...]"


def _own(thing: Any) -> bool:
    """Whether a class or function is the user's, so that its code may read state.

    Told by the file, since a user's module may be called like one of Python's.
    """
    home = str(getattr(thing, "__module__", "builtins"))
    code = getattr(thing, "__code__", None)
    if isinstance(code, types.CodeType):
        return _of_user(code.co_filename)
    file = getattr(sys.modules.get(home), "__file__", None)
    return home == "__main__" if file is None else _of_user(file)


_LIBRARIES = tuple(str(Path(m.__file__).parent) for m in (np, errors) if m.__file__)
_PYTHON = str(Path(types.__file__).parent)


def _of_user(file: str) -> bool:
    if file.startswith("<frozen") or file.startswith(_LIBRARIES):
        return False
    return not file.startswith(_PYTHON) or "site-packages" in file


_LEAVES = (
    *(np.ndarray, np.random.Generator, np.random.BitGenerator, np.ufunc, Primitive, MinigradError),
    *(types.ModuleType, types.BuiltinFunctionType, types.CodeType, types.FrameType),
    *(types.GeneratorType, types.MappingProxyType, set, frozenset, slice),
)


def _opaque(value: Any) -> bool:
    """Whether a value is told apart by its identity alone."""
    return isinstance(value, _LEAVES) or hasattr(type(value), "__next__")


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _of_function(function: Any) -> Iterator[tuple[Any, str]]:
    """Variables of enclosing functions, and the globals that the code names."""
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        yield Cell(cell), name
    if isinstance(getattr(function, "__wrapped__", None), types.FunctionType):
        yield Item(vars(function), "__wrapped__"), function.__name__
    if function.__defaults__:
        for i, value in enumerate(function.__defaults__):
            if not isinstance(value, PLAIN):
                yield Item(list(function.__defaults__), i), function.__name__
    if not _own(function):
        return
    scope = function.__globals__
    names = {name: None for code in _codes(function.__code__) for name in code.co_names}
    for name in names:
        if name in scope:
            yield Item(scope, name), name
            module = scope[name]
            if isinstance(module, types.ModuleType) and _own_module(module):
                inner = vars(module)
                yield from ((Item(inner, n), f"{name}.{n}") for n in names if n in inner)


def _own_module(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return module.__name__ not in sys.builtin_module_names if file is None else _of_user(file)


def _of_class(kind: type) -> Iterator[tuple[Any, str]]:
    """Methods, whose code may read state, and plain attributes of a user's class."""
    for base in kind.__mro__:
        if not _own(base):
            continue
        for name, value in vars(base).items():
            if isinstance(value, staticmethod | classmethod):
                value = value.__func__
            if isinstance(value, property):
                value = value.fget
            if isinstance(value, types.FunctionType) or (
                isinstance(value, PLAIN) and not name.startswith("__")
            ):
                yield ClassItem(base, name), f"{kind.__name__}.{name}"


@dataclass(frozen=True, slots=True, eq=False)
class ClassItem:
    """An attribute of a class: read and guarded, never replaced."""

    owner: type
    name: str

    def get(self) -> Any:
        """What is there now."""
        value = vars(self.owner).get(self.name, MISSING)
        if isinstance(value, staticmethod | classmethod):
            return value.__func__
        return value.fget if isinstance(value, property) else value

    def set(self, value: Any) -> None:
        """Put something there."""
        setattr(self.owner, self.name, value)


Place = Item | Cell | Slot | Data | Grad | ClassItem
