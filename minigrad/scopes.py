"""Scopes: where in a model ops are recorded, which drawings, errors and emitted code show."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar, Token
from typing import Any

SCOPE: ContextVar[Scope | None] = ContextVar("scope", default=None)


class Scope:
    """Where in a model ops are recorded: a module's call, or a composite such as ``softmax``.

    ``label`` is a name and a title such as ``Linear(4 → 3)``, and for a module a weak reference to
    it: one tuple, made once, because a scope is made at every call.
    """

    __slots__ = ("label", "parent")

    def __init__(self, label: tuple[Any, ...], parent: Scope | None) -> None:
        self.label, self.parent = label, parent

    @property
    def name(self) -> str:
        """Name relative to the parent."""
        return self.label[0]

    @property
    def title(self) -> str:
        """What it is; empty for a function."""
        return self.label[1]

    @property
    def path(self) -> str:
        """The dotted names from the outermost scope to this one."""
        return f"{self.parent.path}.{self.name}" if self.parent else self.name

    def __repr__(self) -> str:
        return f"{self.path} ({self.title})" if self.title else self.path


current_scope = SCOPE.get  # bound: CPython 3.11 is slow at calling a method of what is imported
leave: Callable[[Token[Scope | None]], None] = SCOPE.reset


def enter(label: tuple[Any, ...]) -> Token[Scope | None]:
    """Open a scope inside the current one; ``leave(token)`` closes it."""
    return SCOPE.set(Scope(label, current_scope()))


@contextlib.contextmanager
def scope(name: str, title: str = "") -> Iterator[Scope]:
    """Group what is recorded inside the block under ``name`` in drawings, errors and emitted code.

    >>> with scope("encoder"), scope("attention") as inner:
    ...     inner.path
    'encoder.attention'
    """
    token = enter((name, title))
    try:
        yield current_scope()  # type: ignore[misc]
    finally:
        leave(token)
