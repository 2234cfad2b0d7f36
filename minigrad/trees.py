"""Nested containers: dicts, lists, tuples, named tuples and dataclasses, with leaves of any kind.

None is a container of nothing, as in JAX; whatever is no container is a leaf.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any


def mapped(f: Callable[..., Any], tree: Any, *prefixes: Any) -> Any:
    """Apply ``f`` to every leaf. Each of ``prefixes`` has the structure of the tree as far as it
    goes; where it ends, its leaf is handed to ``f`` with every leaf of the tree below.

    >>> mapped(lambda x: x + 1, {"a": 1, "b": [2, None]})
    {'a': 2, 'b': [3, None]}
    >>> mapped(lambda x, p: (x, p), {"a": 1, "b": [2, 3]}, {"a": "p", "b": "q"})
    {'a': (1, 'p'), 'b': [(2, 'q'), (3, 'q')]}
    """
    return with_paths(lambda _, *leaves: f(*leaves), tree, *prefixes)


def with_paths(f: Callable[..., Any], tree: Any, *prefixes: Any, path: str = "") -> Any:
    """Apply ``f(path, leaf, ...)`` to every leaf; a path is what Python would write: ``['a'][0]``.

    >>> with_paths(lambda path, leaf: path, {"a": [1.0, 2.0]})
    {'a': ["['a'][0]", "['a'][1]"]}
    """
    if tree is None:
        return None
    parts = _parts(tree)
    if parts is None:
        return f(path, tree, *prefixes)
    below = [
        with_paths(f, part, *(_below(p, tree, key, path) for p in prefixes), path=path + step)
        for key, step, part in parts
    ]
    if isinstance(tree, dict):
        return {key: value for (key, _, _), value in zip(parts, below, strict=True)}
    if isinstance(tree, list | tuple):
        return type(tree)(*below) if hasattr(tree, "_fields") else type(tree)(below)
    changed = copy.copy(tree)
    for (key, _, _), value in zip(parts, below, strict=True):
        object.__setattr__(changed, key, value)  # a frozen dataclass, too
    return changed


def leaves(tree: Any) -> list[Any]:
    """Return every leaf, in order.

    >>> leaves({"a": 1, "b": (2, [3])})
    [1, 2, 3]
    """
    found: list[Any] = []
    mapped(found.append, tree)
    return found


def rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    """The same containers with other leaves.

    >>> rebuilt({"a": 1, "b": (2,)}, iter("xy"))
    {'a': 'x', 'b': ('y',)}
    """
    return mapped(lambda _: next(values), tree)


def _parts(tree: Any) -> list[tuple[Any, str, Any]] | None:
    """Key, step of the path, and value of what a container holds; None of a leaf."""
    if isinstance(tree, dict):
        return [(key, f"[{key!r}]", value) for key, value in tree.items()]
    if isinstance(tree, list | tuple):
        return [(i, f"[{i}]", value) for i, value in enumerate(tree)]
    if hasattr(tree, "named_parameters"):  # a Module is a leaf, also one that is a dataclass
        return None
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = [field.name for field in dataclasses.fields(tree)]
        return [(name, f".{name}", getattr(tree, name)) for name in names]
    return None


def _below(prefix: Any, tree: Any, key: Any, path: str) -> Any:
    """What a prefix says of one part of a container."""
    parts = None if prefix is None else _parts(prefix)
    if parts is None:
        return prefix
    known = {k: value for k, _, value in parts}
    own = {k for k, _, _ in _parts(tree) or ()}
    if known.keys() != own:
        raise ValueError(f"{prefix!r} does not fit the {type(tree).__name__} at {path or 'top'}")
    return known[key]
