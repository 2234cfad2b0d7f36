"""Nested containers: dicts, lists, tuples, named tuples and dataclasses, with leaves of any kind.

None is a container of nothing, as in JAX; whatever is no container is a leaf.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Parts: TypeAlias = list[tuple[Any, str, Any]]  # key, step of the path, and value


def mapped(f: Callable[..., Any], tree: Any, *prefixes: Any) -> Any:
    """Apply ``f`` to every leaf. Each of ``prefixes`` has the structure of the tree as far as it
    goes; where it ends, its leaf is handed to ``f`` with every leaf of the tree below.

    >>> mapped(lambda x: x + 1, {"a": 1, "b": [2, None]})
    {'a': 2, 'b': [3, None]}
    >>> mapped(lambda x, p: (x, p), {"a": 1, "b": [2, 3]}, {"a": "p", "b": "q"})
    {'a': (1, 'p'), 'b': [(2, 'q'), (3, 'q')]}
    """
    if _lister(tree.__class__) is None:
        return f(tree, *prefixes)
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
    parts = _parts(tree)
    if parts is None:
        return [tree]
    return [leaf for _, _, part in parts for leaf in leaves(part)]


def rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    """The same containers with other leaves.

    >>> rebuilt({"a": 1, "b": (2,)}, iter("xy"))
    {'a': 'x', 'b': ('y',)}
    """
    return mapped(lambda _: next(values), tree)


@functools.lru_cache(maxsize=1024)
def _lister(kind: type) -> Callable[[Any], Parts] | None:
    """What lists the parts of a container of this kind; None where it is a leaf."""
    if kind is type(None):
        return lambda _: []
    if issubclass(kind, dict):
        return lambda tree: [(key, f"[{key!r}]", value) for key, value in tree.items()]
    if issubclass(kind, list | tuple):
        return lambda tree: [(i, f"[{i}]", value) for i, value in enumerate(tree)]
    if hasattr(kind, "named_parameters"):  # a Module is a leaf, also one that is a dataclass
        return None
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        return lambda tree: [(name, f".{name}", getattr(tree, name)) for name in names]
    return None


def _parts(tree: Any) -> Parts | None:
    lister = _lister(tree.__class__)
    return None if lister is None else lister(tree)


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
