"""The native source of a whole program: kernels, regions that call them, and what calls those."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.compile.emit import Emitter
from minigrad.compile.native.groups import Group
from minigrad.compile.native.kernels import MEMORY, add_rows, multiply, outside
from minigrad.compile.native.layout import Layouts, prepared
from minigrad.compile.native.loops import Kernel, loops
from minigrad.compile.native.memory import Memory, Store
from minigrad.compile.native.products import Shape, scratch, shape_of
from minigrad.compile.native.scalars import storage
from minigrad.compile.native.schedule import (
    Bounds,
    Check,
    Plain,
    Product,
    Scatter,
    Schedule,
    Step,
    outs,
)
from minigrad.compile.program import Instruction, Program, Value

__all__ = ["Module", "Region"]

HEAD = '''"""The function {name}, traced and written out for Numba."""

import math

import numpy as np
from numba import njit, types

from minigrad.compile.native.vectors import (
    address,
    array,
    kernel,
    pointer,
    tile_of,
    transpose_of,
)
from minigrad.compile.program import Missed
'''


@dataclass(eq=False)
class Region:
    """Steps without a NumPy call between them: one function of machine code."""

    name: str
    steps: list[Step] = field(default_factory=list)
    arrays: list[Value] = field(default_factory=list)
    scalars: list[Value] = field(default_factory=list)
    numbers: list[Value] = field(default_factory=list)
    returns: list[Value] = field(default_factory=list)
    written: set[Value] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)
    pointers: dict[Any, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)


class Module:
    """A program as machine code will do it.

    Attributes:
        source: For Numba: kernels and regions.
        memory: Where values stand.
        regions: Functions of machine code, in order.
        fallen: What stays NumPy calls, and why.
    """

    def __init__(
        self,
        program: Program,
        titles: dict[str, str],
        vectors: dict[int, tuple[int, tuple[int, ...]]],
        blas: int | None,
    ) -> None:
        self.program, self.vectors = program, vectors
        self.layouts = Layouts()
        instructions, self.outputs = prepared(program, self.layouts)
        self.makers = {i.out: i for i in instructions}
        schedule = Schedule(program, self.layouts, self.outputs, blas)
        self.steps = schedule.run(instructions)
        self.names = self.named(instructions)
        self.memory = Memory(program, self.layouts, self.steps, self.outputs, self.names)
        self.memory.plan(max([0, *map(self.scratch, self.steps)]))
        self.emitter = Emitter(program, titles)
        self.kernels: dict[tuple[str, ...], str] = {}
        self.texts: list[str] = []
        self.tiles: dict[str, str] = {}
        self.regions: list[Region] = []
        self.fallen: list[tuple[str, str]] = []
        for step in self.steps:
            self.sort(step)
        for region in self.regions:
            self.write(region)
        self.source = self.text()

    def base(self, value: Value) -> Value:
        """The value whose memory this one is."""
        return self.layouts.of(value).base

    def named(self, instructions: list[Instruction]) -> dict[Value, str]:
        """Names of all values, each another one."""
        names: dict[Value, str] = {}
        taken = {"table", "addresses", "np", "math", "scratch", "memory"}
        values = [i.value for i in self.program.inputs] + self.program.constants()
        values += [i.out for i in instructions]
        for value in values:
            name, count = value.name or "value", 1
            name = f"x_{name}" if name.startswith("kernel_") else name
            while (name if count == 1 else f"{name}_{count}") in taken:
                count += 1
            names[value] = name if count == 1 else f"{name}_{count}"
            taken.add(names[value])
        return names

    def sort(self, step: Step) -> None:
        """Put a step into the region that is open, or note that it stays a NumPy call."""
        if isinstance(step, Plain):
            self.order.append(step)
            if step.reason:
                self.fallen.append((step.instruction.function, step.reason))
            return
        if not self.order or not isinstance(self.order[-1], Region):
            region = Region(f"{self.program.name}_{len(self.regions)}")
            self.regions.append(region)
            self.order.append(region)
        self.regions[-1].steps.append(step)

    @property
    def order(self) -> list[Plain | Region]:
        """Regions and NumPy calls as they follow each other."""
        if not hasattr(self, "_order"):
            self._order: list[Plain | Region] = []
        return self._order

    # Kernels

    def scratch(self, step: Step) -> int:
        """Bytes that a product copies its second operand to."""
        return scratch(self.shape(step), *self.tiling(step)) if isinstance(step, Product) else 0

    def shape(self, step: Product) -> Shape:
        """The shape of a product."""
        a, b = step.instruction.args
        place, other = self.layouts.of(a), self.layouts.of(b)
        return shape_of(a, b, step.instruction.out, place, other)

    def tiling(self, step: Product) -> tuple[int, tuple[int, ...]]:
        """Numbers in a vector, and rows of a block."""
        dtype = step.instruction.out.dtype
        assert dtype is not None
        return self.vectors[dtype.itemsize]

    def key(self, value: Value, dtype: np.dtype[Any]) -> Any:
        """What tells memory from other memory."""
        store = self.memory.stores.get(value)
        return (value if store is None else store), storage(dtype)

    def kernel_of(self, step: Step) -> tuple[str, Kernel]:
        """The kernel of a step, and what its operands are."""
        kernel = Kernel(self.key)
        if isinstance(step, Group):
            stored = {v for v in step.inside if v in self.memory.stores}
            kernel = loops(step, stored, self.key)
            words = [m.instruction.function.split(".") for m in step.members]
            word = "_".join(dict.fromkeys(w[1] if len(w) > 1 else w[0] for w in words))
            sums = any(m.reduces for m in step.members)
        elif isinstance(step, Product):
            word, sums = "product", True
            shape, tiling = self.shape(step), self.tiling(step)
            self.tiles |= multiply(step.instruction, self.layouts, shape, kernel, tiling)
        elif isinstance(step, Scatter):
            word, sums = "add_rows", False
            add_rows(step.instruction, self.layouts, kernel)
        else:
            assert isinstance(step, Bounds)
            word, sums = "outside", False
            outside(step.index, step.length, kernel)
        word = "_".join(["kernel", *word.split("_")[:6]])
        return self.shared(word, kernel, sums), kernel

    def shared(self, word: str, kernel: Kernel, sums: bool) -> str:
        """The name of a kernel: of an equal one, if there is one."""
        letters = [*kernel.letters.values()]
        key = (str(sums), *letters, *kernel.lines)
        if key not in self.kernels:
            same = [n for n in self.kernels.values() if re.sub(r"_\d+$", "", n) == word]
            name = word if not same else f"{word}_{len(same) + 1}"
            self.kernels[key] = name
            head = ["", "", f"@kernel(sums={sums})", f"def {name}({', '.join(letters)}):"]
            self.texts += [*head, *kernel.lines]
        return self.kernels[key]

    # Regions

    def write(self, region: Region) -> None:
        """The lines of a region."""
        section = scope = ""
        for step in region.steps:
            instruction = first_of(step)
            if instruction is not None and instruction.section != section:
                section, scope = instruction.section, ""
                region.lines.append(f"    # {section.capitalize()}")
            header = self.emitter.header(instruction) if instruction is not None else ""
            if header and header != scope:
                scope = header
                region.lines.append(f"    # {header}")
            self.call(step, region)
        scalars = [
            v for v in self.memory.scalars if v in {o for s in region.steps for o in outs(s)}
        ]
        region.returns = list(dict.fromkeys(scalars))

    def call(self, step: Step, region: Region) -> None:
        """The statement of a step."""
        region.written.update(v for v in outs(step) if v in self.memory.results)
        if isinstance(step, Check):
            asked, expected = step.instruction.args
            text = self.element(asked, region)
            region.lines += [f"    if {text} != {expected!r}:", "        raise Missed"]
            return
        name, kernel = self.kernel_of(step)
        if not kernel.lines:
            return
        called = ", ".join(self.operand(v, d, region) for v, d in kernel.operands)
        if isinstance(step, Bounds):
            region.lines += [f"    if {name}({called}):", "        raise Missed"]
        else:
            region.lines.append(f"    {name}({called})")

    def element(self, value: Value, region: Region) -> str:
        """The one number of a value."""
        where = self.layouts.of(value)
        assert value.dtype is not None
        text = f"{self.operand(where.base, value.dtype, region)}[{where.offset}]"
        return f"({text} != 0)" if value.dtype.char == "?" else text

    def operand(self, value: Value, dtype: np.dtype[Any], region: Region) -> str:
        """What a kernel is called with: a number, or a pointer to the memory of a value."""
        if value.weak:
            if value not in region.numbers:
                region.numbers.append(value)
            return self.names[value]
        if value is MEMORY:
            store = Store("memory", 0)
            return self.pointer((store, storage(dtype)), "scratch", store, dtype, region)
        store = self.memory.stores[value]
        if store.kind in ("array", "python"):
            kept = region.arrays if value.shape else region.scalars
            if value not in kept:
                kept.append(value)
        return self.pointer(self.key(value, dtype), self.names[value], store, dtype, region, value)

    def pointer(
        self,
        key: Any,
        name: str,
        store: Store,
        dtype: np.dtype[Any],
        region: Region,
        value: Value | None = None,
    ) -> str:
        """The name of a pointer in a region."""
        if key not in region.pointers:
            chosen, count = name, 1
            while chosen in region.taken:
                count += 1
                chosen = f"{name}_{count}"
            region.taken.add(chosen)
            region.pointers[key] = chosen
        return region.pointers[key]

    def text(self) -> str:
        """The whole source."""
        parts = [HEAD.format(name=self.program.name)]
        parts += sorted(self.tiles.values())
        parts += self.texts
        for region in self.regions:
            parts += ["", "", *self.region_text(region)]
        return "\n".join([*parts, ""])

    def region_text(self, region: Region) -> list[str]:
        """A region as a function."""
        kinds, names, lines = ["types.int64"], ["table"], []
        for value in region.arrays:
            dtype = value.dtype
            assert dtype is not None
            frozen = value not in region.written
            kinds.append(f'array("{dtype.name}", {len(value.shape)}, {frozen})')
            names.append(f"{self.names[value]}_array")
        for value in region.scalars:
            assert value.dtype is not None
            kinds.append(f"types.{'boolean' if value.dtype.char == '?' else value.dtype.name}")
            names.append(f"{self.names[value]}_number")
        for value in region.numbers:
            kind = {"float": "float64", "int": "int64", "bool": "boolean"}[value.weak.__name__]  # type: ignore[union-attr]
            kinds.append(f"types.{kind}")
            names.append(self.names[value])
        lines = [f'@njit(({", ".join(kinds)},), cache=True, error_model="numpy")']
        lines += [f"def {region.name}({', '.join(names)}):"]
        tests = [test for v in region.arrays if v not in region.written for test in self.lies(v)]
        if tests:  # is called again with arrays in C order
            lines += [f"    if {' or '.join(tests)}:", "        raise TypeError"]
        lines += ["    addresses = pointer(table, np.int64)"]
        for (store, kind), name in region.pointers.items():
            lines += self.bound(store, kind, name, region)
        lines += region.lines
        if region.returns:
            lines.append(f"    return {', '.join(self.element(v, region) for v in region.returns)}")
        return lines

    def lies(self, value: Value) -> list[str]:
        """What tells that an array that is handed over is not in C order, or not aligned."""
        name, dtype = f"{self.names[value]}_array", value.dtype
        assert dtype is not None
        tests, stride = [], dtype.itemsize
        for axis in reversed(range(len(value.shape))):
            if value.shape[axis] > 1:  # else NumPy may have anything there
                tests.append(f"{name}.strides[{axis}] != {stride}")
            stride *= value.shape[axis]
        tests += [f"address({name}) % {dtype.alignment} != 0"] * (dtype.alignment > 1)
        return tests if stride else []

    def bound(self, store: Any, kind: str, name: str, region: Region) -> list[str]:
        """Statements that give a pointer its name."""
        if store.kind == "table":
            return [f"    {name} = pointer(addresses[{store.at}], {kind})"]
        if store.kind == "memory":
            return [f"    {name} = pointer(addresses[0] + {store.at}, {kind})"]
        for value in region.arrays:
            if self.memory.stores[value] == store:
                return [f"    {name} = pointer(address({self.names[value]}_array), {kind})"]
        for value in region.scalars:
            if self.memory.stores[value] == store:
                at = self.memory.places[value]
                given = f"{self.names[value]}_number"
                return [
                    f"    {name} = pointer(addresses[0] + {at}, {kind})",
                    f"    {name}[0] = {given}",
                ]
        raise AssertionError(f"no memory for {name}")


def first_of(step: Step) -> Instruction | None:
    """The instruction that a step begins with."""
    if isinstance(step, Group):
        return step.members[0].instruction
    return None if isinstance(step, Bounds) else step.instruction
