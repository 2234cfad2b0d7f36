"""Modules in a list that is a module itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self, overload

from minigrad.nn.listed import Listed
from minigrad.nn.module import Module

__all__ = ["ModuleList"]


class ModuleList(Listed[Module]):
    """A list of modules whose parameters are found: ``blocks.0.weight``, ``blocks.1.weight``.

    A plain Python list as an attribute is found just as well and has the same names; this one is a
    module, too, with ``parameters()``, ``state_dict()`` and ``train()`` of its own. It has no
    ``forward``: how its modules are called is for the module that holds it.

    >>> from minigrad import nn
    >>> blocks = ModuleList(nn.Linear(8, 8) for _ in range(3))
    >>> blocks.append(nn.Linear(8, 2))
    ModuleList(4)
      (0): Linear(8 → 8)
      (1): Linear(8 → 8)
      (2): Linear(8 → 8)
      (3): Linear(8 → 2)
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._number(_checked(modules))

    def _number(self, modules: list[Module]) -> None:
        for name in [name for name in vars(self) if name.isdigit()]:
            del vars(self)[name]
        vars(self).update((str(i), module) for i, module in enumerate(modules))

    def _hold(self, modules: Iterable[Module]) -> Self:
        """Take other modules and name them anew."""
        checked = _checked(modules)
        with self._relabelling():
            self._number(checked)
        return self

    def title(self) -> str:
        """Return ``ModuleList`` and the number of modules."""
        return f"ModuleList({len(self)})"

    def __len__(self) -> int:
        return sum(name.isdigit() for name in vars(self))

    def __iter__(self) -> Iterator[Module]:
        return iter([vars(self)[str(i)] for i in range(len(self))])

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: int | slice) -> Module | ModuleList:
        """Return a module, or a list of those of a slice."""
        found = list(self)[index]
        return found if isinstance(found, Module) else ModuleList(found)

    def __add__(self, modules: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *modules])

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)


def _checked(modules: Iterable[Module]) -> list[Module]:
    modules = list(modules)
    for module in modules:
        if not isinstance(module, Module):
            raise TypeError(f"a ModuleList holds modules, not {module!r}")
    return modules
