"""The function that guards a call of machine code, and finds what the code overwrites."""

from __future__ import annotations

from typing import Any

from minigrad.compile.bind import UNLIKE, Binder, holders_of, indented
from minigrad.compile.guards import Condition, source_of_guard
from minigrad.compile.native.machine import entry, unchanged
from minigrad.compile.native.module import Module
from minigrad.compile.native.watch import watch_of
from minigrad.compile.native.wrapper import Wrapper
from minigrad.compile.outcome import Leaf
from minigrad.compile.program import Input
from minigrad.compile.trace import Recorded

__all__ = ["NativeBinder", "WatchingBinder"]


class WatchingBinder(Binder):
    """A function of which half is passed over while a watch sees no change."""

    def __init__(self, recorded: Recorded) -> None:
        super().__init__(recorded)
        self.watch = watch_of(self.program)

    def reached(self, found: list[Condition]) -> None:
        """Guard what can be reached: what is watched only if the watch sees a change."""
        watch = self.watch
        watched = [watch is not None and watch.condition(test) for test in found]
        pairs = list(zip(found, watched, strict=True))
        self.guards += source_of_guard([test for test, seen in pairs if not seen])
        self.found += source_of_guard([test for test, seen in pairs if seen])

    def lines(self) -> list[str]:
        """The function's body."""
        watch = self.watch
        if watch is None or not watch.count:
            return super().lines()
        self.bound.namespace.update(
            unchanged=unchanged(), ROWS=watch.address, rows=watch.rows, watched=watch.kept
        )
        trusted = f"    rows[0] = {watch.count}"
        self.after = ["    if not still:", *indented([*self.after, *watch.notes, trusted])]
        return [
            "    try:",
            *indented(self.guards),
            "        still = unchanged(ROWS)",
            "        if not still:",
            *indented(indented(self.found)),
            f"    except {UNLIKE}:",
            "        return MISS",
            *self.before,
            "    if not still:",
            "        rows[0] = -1",  # until the call has ended well
            *indented(self.claims),
            *self.known(),
            *self.run(),
        ]

    def known(self) -> list[str]:
        """Names of the arrays that are overwritten, with which the program is called."""
        lines = [f"        v{i} = {last}[0]" for i, last in self.lasts.items()]
        return ["    else:", *lines] if lines else []

    def donated(self, i: int, given: Input) -> None:
        """Watch an array that is overwritten, and where it stands."""
        super().donated(i, given)
        if self.watch is not None:
            self.watch.owned(given.place, holders_of(given.place), f"v{i}")

    def lent(self, i: int, given: Input) -> None:
        """Watch the array of the last gradient, and the gradient."""
        super().lent(i, given)
        if self.watch is not None:
            self.watch.lent(given.place.owner, f"v{i}", f"g{i}")


class NativeBinder(WatchingBinder):
    """The addresses of what is overwritten are kept in a table, where machine code finds them."""

    def __init__(
        self,
        recorded: Recorded,
        wrapper: Wrapper,
        module: Module,
        space: dict[str, Any],
        table: Any,
    ) -> None:
        super().__init__(recorded)
        self.wrapper, self.module, self.space, self.table = wrapper, module, space, table
        self.slots = {v: k for k, v in enumerate(module.memory.table) if v is not None}

    def known(self) -> list[str]:
        """Nothing, where machine code is called at once."""
        return super().known() if self.direct() is None else []

    def run(self) -> list[str]:
        """Call machine code at once where the function around it does nothing else."""
        called = self.direct()
        if called is None:
            return super().run()
        space = self.space
        self.bound.namespace.update({n: space[n] for n in ("TABLE", "required", "np")})
        regions = self.module.regions
        self.bound.namespace.update({r.name: entry(space[r.name]) for r in regions})
        plain, required, rest = called
        tree = self.recorded.tree
        if isinstance(tree, Leaf) and tree.kind == "tensor":  # made of a float as of a float64
            rest = [line for line in rest if "np.float64(" not in line]
        lines = ["    try:", "        try:", f"            {plain}"]
        lines += ["        except TypeError:", f"            {required}"]
        lines += ["    except Missed:", "        return DECIDED"]
        lines += [f"    {line}" for line in rest]
        return [*lines, *self.after, f"    return {self.result()}"]

    def direct(self) -> tuple[str, str, list[str]] | None:
        """The call of machine code by itself, if nothing is around it."""
        values = [given.value for given in self.program.inputs]
        return self.wrapper.direct(dict(zip(values, self.names, strict=True)))

    def donated(self, i: int, given: Input) -> None:
        """Note the address of an array that is overwritten."""
        super().donated(i, given)
        self.addressed(i, given)

    def lent(self, i: int, given: Input) -> None:
        """Note the address of the array of the last gradient."""
        super().lent(i, given)
        self.addressed(i, given)

    def addressed(self, i: int, given: Input) -> None:
        """Follow the line that chooses another array by one that looks up its address."""
        slot = self.slots.get(given.value)
        if slot is None:
            return
        table = self.bound.name(self.table, "table")
        self.claims.append(f"        {table}[{slot}] = v{i}.ctypes.data")
