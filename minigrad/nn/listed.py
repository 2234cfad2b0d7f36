"""What modules that hold others in a row have of a list."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Self, TypeVar

from minigrad.nn.module import Module

__all__ = ["Listed"]

Item = TypeVar("Item")


class Listed(Module, Generic[Item]):
    """A module that is changed as a list is; what it holds is checked and named anew each time.

    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Linear(2, 8)).append(nn.Linear(8, 3))
    >>> model.pop()
    Linear(8 → 3)
    """

    def __iter__(self) -> Iterator[Item]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__()")

    def _hold(self, items: Iterable[Any]) -> Self:
        """Take other items and name them anew."""
        raise NotImplementedError(f"{type(self).__name__} has no _hold()")

    def append(self, item: Item) -> Self:
        """Add one at the end and return the module."""
        return self._hold([*self, item])

    def extend(self, items: Iterable[Item]) -> Self:
        """Add several at the end, such as those of another one, and return the module."""
        return self._hold([*self, *items])

    def insert(self, index: int, item: Item) -> Self:
        """Add one before that of an index and return the module."""
        items = [*self]
        if not -len(items) <= index <= len(items):  # where a list would take the nearest end
            raise IndexError(f"insert at {index} of a {self.title()}")
        items.insert(index, item)
        return self._hold(items)

    def pop(self, index: int = -1) -> Item:
        """Take one out, the last one by default, and return it."""
        items = [*self]
        item = items.pop(index)
        self._hold(items)
        return item

    def __setitem__(self, index: int, item: Item) -> None:
        items = [*self]
        items[operator.index(index)] = item
        self._hold(items)

    def __delitem__(self, index: int | slice) -> None:
        items = [*self]
        del items[index]
        self._hold(items)
