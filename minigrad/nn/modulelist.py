"""Modules in a list that is a module itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self, overload

from minigrad.nn.module import Module

__all__ = ["ModuleList"]


class ModuleList(Module):
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
        self.extend(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end and return the list."""
        if not isinstance(module, Module):
            raise TypeError(f"a ModuleList holds modules, not {module!r}")
        vars(self)[str(len(self))] = module
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end and return the list."""
        for module in modules:
            self.append(module)
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

    def __setitem__(self, index: int, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"a ModuleList holds modules, not {module!r}")
        vars(self)[str(range(len(self))[index])] = module
