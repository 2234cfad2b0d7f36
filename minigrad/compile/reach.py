"""What code can reach by name: globals, modules, attributes of classes; and whose code it is."""

from __future__ import annotations

import dis
import functools
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import errors

__all__ = ["is_users", "named_by", "of_class"]

# Down to the separator: numpyro is not in the folder of numpy.
_LIBRARIES = tuple(str(Path(m.__file__).parent) + os.sep for m in (np, errors) if m.__file__)
_PYTHON = str(Path(types.__file__).parent) + os.sep


def is_users(thing: Any) -> bool:
    """Whether a class or function is the user's, so that its code may read state.

    Told by the file, since a user's module may be called like one of Python's.
    """
    home = str(getattr(thing, "__module__", "builtins"))
    code = getattr(thing, "__code__", None)
    if isinstance(code, types.CodeType):
        return _of_user(code.co_filename)
    file = getattr(sys.modules.get(home), "__file__", None)
    return home == "__main__" if file is None else _of_user(file)


def _of_user(file: str) -> bool:
    if file.startswith("<frozen") or file.startswith(_LIBRARIES):
        return False
    return not file.startswith(_PYTHON) or "site-packages" in file


def _is_users_module(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return module.__name__ not in sys.builtin_module_names if file is None else _of_user(file)


class _Names:
    """What a function's code, and code inside of it, names."""

    def __init__(self, code: types.CodeType) -> None:
        self.globals: dict[str, None] = {}
        self.all: dict[str, None] = {}
        self.modules: dict[tuple[str, int], None] = {}
        self.texts: dict[str, None] = {}
        self._add(code)

    def _add(self, code: types.CodeType) -> None:
        self.all.update(dict.fromkeys(code.co_names))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._add(constant)
            elif isinstance(constant, str):
                self.texts[constant] = None
        last: list[Any] = [0, 0]  # constants on top of the stack: an import's level stands below
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"):
                self.globals[str(step.argval)] = None
            elif step.opname == "IMPORT_NAME":
                level = last[-2] if isinstance(last[-2], int) else 0
                self.modules[str(step.argval), level] = None
            if step.opname.startswith("LOAD_"):
                last = [last[-1], step.argval]


@functools.lru_cache(maxsize=4096)
def _names(code: types.CodeType) -> _Names:
    return _Names(code)


def named_by(function: Any) -> Iterator[tuple[Any, str, str]]:
    """Yield the dicts, names and paths of all that a function's code names outside of it.

    Globals, also those that are not there (yet), those named by text (``globals()["rate"]``), what
    it names of the user's modules, imported anywhere, and the environment.
    """
    names, scope = _names(function.__code__), function.__globals__
    wanted = dict(names.globals)
    wanted.update({text: None for text in names.texts if text in scope})
    seen: set[int] = set()
    for name in filter(str.isidentifier, wanted):  # pytest adds names of its own to tests
        yield scope, name, name
        yield from _of_module(scope.get(name), name, names, seen)
    for name, level in names.modules:
        home = str(scope.get("__package__") or "")
        for _ in range(level - 1):
            home = home.rpartition(".")[0]
        whole = ".".join(filter(None, (home if level else "", name)))
        yield from _of_module(sys.modules.get(whole), whole, names, seen)
    if not names.all.keys().isdisjoint(("environ", "getenv")):
        held = getattr(os.environ, "_data", {})
        yield from ((held, key, f"os.environ[{key!r}]") for key in _of_environment(names, held))


def _of_module(
    module: Any, path: str, names: _Names, seen: set[int]
) -> Iterator[tuple[Any, str, str]]:
    """What code names of a module of the user's, and of modules in it."""
    if not isinstance(module, types.ModuleType) or id(module) in seen:
        return
    seen.add(id(module))
    if not _is_users_module(module):
        return
    inner = vars(module)
    for name in (*names.all, *names.texts):
        if name in inner:
            yield inner, name, f"{path}.{name}"
            yield from _of_module(inner[name], f"{path}.{name}", names, seen)


def _of_environment(names: _Names, held: Any) -> list[Any]:
    """Variables of the environment that code names, or all if it names none."""
    encode = getattr(os.environ, "encodekey", str)
    named = [encode(text) for text in names.texts if text.isidentifier()]
    return named or list(held)


_OF_PYTHON = frozenset(
    {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__"}
    | {"__firstlineno__", "__static_attributes__", "__slots__", "__parameters__", "__orig_bases__"}
    | {"__annotate__", "__annotate_func__", "__annotations_cache__", "__abstractmethods__"}
    | {"_abc_impl", "__dataclass_fields__", "__dataclass_params__", "__match_args__", "__hash__"}
)


def of_class(kind: type) -> Iterator[tuple[type, str]]:
    """Yield what a user's class and its bases have, with their names."""
    for base in kind.__mro__:
        if is_users(base):
            yield from (
                (base, name)
                for name, value in vars(base).items()
                if name not in _OF_PYTHON and not isinstance(value, types.MemberDescriptorType)
            )
