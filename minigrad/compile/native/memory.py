"""Where values stand: in arrays that the step is given, or in memory that every call reuses."""

from __future__ import annotations

from dataclasses import dataclass, field

from minigrad.compile.native.groups import Group
from minigrad.compile.native.layout import Layouts, is_plain
from minigrad.compile.native.loops import needs_memory
from minigrad.compile.native.schedule import (
    Plain,
    Product,
    Scatter,
    Step,
    borrowed,
    outs,
    reads,
    reads_in_step,
)
from minigrad.compile.program import Program, Value

__all__ = ["LINE", "Memory", "Store"]

LINE = 64  # bytes: where a value begins


@dataclass(frozen=True, slots=True)
class Store:
    """The memory of a value.

    Attributes:
        kind: ``"table"``, an address that the step looks up: ``at`` is its number; ``"memory"``, at
            ``at`` bytes in what every call reuses; ``"array"``, an array that is handed over;
            ``"python"``, an array that NumPy calls make.
        at: Number or offset.
        name: Of an array.
    """

    kind: str
    at: int = 0
    name: str = ""


@dataclass(eq=False)
class Memory:
    """Memory of all values, decided once.

    Attributes:
        table: What stands in the table of addresses: nothing at 0, where the memory's own address
            is, then inputs that are overwritten and constants.
        size: Bytes of the memory that every call reuses.
        stores: The memory of the base of each value.
        results: Arrays that every call makes anew, to hand them out.
        scalars: Outputs of one number, which the step returns.
        places: Where numbers of one element that are handed over are kept.
    """

    program: Program
    layouts: Layouts
    steps: list[Step]
    outputs: list[Value]
    names: dict[Value, str]
    table: list[Value | None] = field(default_factory=lambda: [None])
    size: int = LINE
    stores: dict[Value, Store] = field(default_factory=dict)
    results: list[Value] = field(default_factory=list)
    scalars: list[Value] = field(default_factory=list)
    places: dict[Value, int] = field(default_factory=dict)
    gone: set[Value] = field(default_factory=set)

    def plan(self, scratch: int) -> None:
        """Decide for everything.

        Args:
            scratch: Bytes at the beginning that products use.
        """
        self.size = max(LINE, -(-scratch // LINE) * LINE)
        self.targets = {
            u.result: u.target for u in self.program.updates if u.in_place and u.target is not None
        }
        self.given()
        self.uses()
        self.free: list[tuple[int, int]] = []
        for k, step in enumerate(self.steps):
            for value in list(outs(step)):
                self.place(value, step, k)
            self.release(k)

    def base(self, value: Value) -> Value:
        """The value whose memory this one is."""
        return self.layouts.of(value).base

    def given(self) -> None:
        """Inputs and constants."""
        written = {*self.targets.values()}
        for given in self.program.inputs:
            value = given.value
            if value in written:
                self.stores[value] = Store("table", len(self.table))
                self.table.append(value)
            elif not value.weak and value.dtype is not None:
                self.handed(value, "array")
        for value in self.program.constants():
            if value not in self.stores:
                self.stores[value] = Store("table", len(self.table))
                self.table.append(value)

    def handed(self, value: Value, kind: str) -> None:
        """Note a value that is handed over, and where it is kept if it is one number."""
        self.stores[value] = Store(kind, name=self.names[value])
        if not value.shape:
            self.places[value] = self.size
            self.size += LINE

    def uses(self) -> None:
        """Where each value is needed last; what a NumPy call may only look at lives as long."""
        self.last: dict[Value, int] = {}
        roots: dict[Value, set[Value]] = {}
        for k, step in enumerate(self.steps):
            read = {r for v in reads(step, self.layouts) for r in (v, *roots.get(v, ()))}
            if borrowed(step):
                for value in outs(step):
                    roots[value] = read
            self.last.update(dict.fromkeys(read, k))
        for value in self.outputs:
            if isinstance(value, Value):
                base = self.base(value)
                for root in (base, *roots.get(base, ())):
                    self.last[root] = len(self.steps)

    def place(self, value: Value, step: Step, k: int) -> None:
        """Decide for one result."""
        target = self.targets.get(value)
        if target is not None:
            self.stores[value] = self.stores[target]
            return
        product = isinstance(step, Plain) and step.instruction.function in ("np.dot", "np.matmul")
        own = product and is_plain(value) and bool(value.shape)
        if isinstance(step, Plain) and not own:
            if not value.weak:
                self.handed(value, "python")
            return
        if value in self.outputs:
            if value.shape:
                self.handed(value, "array")
                self.results.append(value)
                return
            self.scalars.append(value)
        if isinstance(step, Group) and not self.needed(value, step, k):
            return
        if isinstance(step, Group | Product | Scatter | Plain):
            self.stores[value] = Store("memory", self.taken(value, step, k))

    def needed(self, value: Value, group: Group, k: int) -> bool:
        """Whether a result of a group has to be in memory."""
        return self.last.get(value, -1) > k or needs_memory(group, value)

    def taken(self, value: Value, step: Step, k: int) -> int:
        """Memory for a value: of an operand that is not needed any more, or what is free."""
        if isinstance(step, Group):
            for operand in dict.fromkeys(step.operands()):
                if self.dies_into(operand, value, step, k):
                    store = self.stores[operand]
                    self.last[operand] = -1  # its memory is given away
                    return store.at
        size = -(-value.nbytes // LINE) * LINE
        for span in sorted(self.free, key=lambda s: s[1]):
            if span[1] >= size:
                self.free.remove(span)
                if span[1] > size:
                    self.free.append((span[0] + size, span[1] - size))
                return span[0]
        at = self.size
        self.size += size
        return at

    def dies_into(self, operand: Value, value: Value, group: Group, k: int) -> bool:
        """Whether the elements of a result may overwrite those of an operand, one by one."""
        member = group.inside[value]
        store = self.stores.get(operand)
        if store is None or store.kind != "memory" or self.last.get(operand) != k:
            return False
        if operand in group.inside or member.row or member.reduces:
            return False
        alike = operand.shape == value.shape == group.shape and operand.dtype == value.dtype
        return alike and reads_in_step(group, operand, member.phase)

    def release(self, k: int) -> None:
        """Free what was needed until now."""
        for value, store in self.stores.items():
            if store.kind == "memory" and self.last.get(value, k) == k and value not in self.gone:
                self.gone.add(value)
                self.free.append((store.at, -(-value.nbytes // LINE) * LINE))
        self.join()

    def join(self) -> None:
        """Free spans side by side are one."""
        joined: list[tuple[int, int]] = []
        for start, size in sorted(self.free):
            if joined and sum(joined[-1]) == start:
                joined[-1] = (joined[-1][0], joined[-1][1] + size)
            else:
                joined.append((start, size))
        self.free = joined
