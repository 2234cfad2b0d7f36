"""The Python function around the machine code: numbers, draws, and what stays NumPy calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.compile.native.module import Module, Region
from minigrad.compile.native.schedule import Plain
from minigrad.compile.program import SPECIAL, Missed, Value, is_view

__all__ = ["Wrapper"]

CALLED = frozenset({"add_at", "put_at", "increment", "increment_each"})


class Wrapper:
    """Source of the function, and the objects that it refers to.

    Attributes:
        source: A module with one function of the program's inputs.
        views: Values in reused memory that NumPy calls see as arrays.
    """

    def __init__(self, module: Module) -> None:
        self.module, self.program = module, module.program
        self.memory, self.names = module.memory, module.names
        self.emitter = module.emitter
        self.views: dict[str, Value] = {}
        self.targets = self.memory.targets
        self.lines: list[str] = []
        self.fresh: set[Value] = set()
        for entry in module.order:
            if isinstance(entry, Region):
                self.region(entry)
            else:
                self.plain(entry)
        returned = [self.result(value) for value in module.outputs]
        if returned:
            self.lines.append(f"return {', '.join(returned)}")
        names = ", ".join(i.value.name for i in self.program.inputs)
        head = [*sorted(self.emitter.imports), f"def {self.program.name}({names}):"]
        body = self.lines or ["pass"]
        self.source = "\n".join([*head, *(f"    {line}" for line in body), ""])

    def namespace(self) -> dict[str, Any]:
        """What the source refers to, save for regions and memory."""
        space: dict[str, Any] = {name: SPECIAL[name] for name in CALLED}
        space.update(self.emitter.opaque, np=np, math=__import__("math"), Missed=Missed)
        space.update(empty=np.empty, required=_required)
        space.update({v.name: v.constant for v in self.program.constants()})
        return space

    # Regions

    def region(self, region: Region) -> None:
        """Call machine code."""
        given, required = ["TABLE"], ["TABLE"]
        for value in region.arrays:
            name = self.text(value)
            if value in self.memory.results and value not in self.fresh:
                self.fresh.add(value)
                self.lines.append(f"{name} = empty({value.shape!r}, np.{_kind(value)})")
            given.append(name)
            ours = value in self.memory.results
            required.append(name if ours else f"required({name}, np.{_kind(value)})")
        scalars = [f"{self.text(value)}[()]" for value in region.scalars]
        numbers = [self.text(value) for value in region.numbers]
        out = [self.names[v] for v in region.returns]
        left = f"{', '.join(out)} = " if out else ""
        call = f"{left}{region.name}({', '.join([*given, *scalars, *numbers])})"
        if required == given and not numbers:
            self.lines.append(call)
        else:
            again = f"{left}{region.name}({', '.join([*required, *scalars, *numbers])})"
            self.lines += ["try:", f"    {call}", "except TypeError:", f"    {again}"]
        for value in region.returns:
            self.lines.append(f"{self.names[value]} = np.{_kind(value)}({self.names[value]})")

    def direct(self, names: dict[Value, str]) -> tuple[str, str, list[str]] | None:
        """The call of machine code by itself, if nothing else is left to do but to return numbers.

        Args:
            names: Of the program's inputs.

        Returns:
            The call, the call with arrays as machine code reads them, and what makes NumPy's
            numbers ``r0``, ``r1``, ... of the results.
        """
        if len(self.module.order) != 1 or not isinstance(self.module.order[0], Region):
            return None
        region = self.module.order[0]
        given = [*region.arrays, *region.scalars, *region.numbers]
        whole = region.returns == self.module.outputs == self.program.results
        if not whole or any(v not in names for v in given):
            return None
        arrays = [names[v] for v in region.arrays]
        rest = [f"{names[v]}[()]" for v in region.scalars] + [names[v] for v in region.numbers]
        ready = [f"required({names[v]}, np.{_kind(v)})" for v in region.arrays]
        out = ", ".join(f"r{k}" for k in range(len(region.returns)))
        left = f"{out} = " if out else ""
        kinds = enumerate(map(_kind, region.returns))
        return (
            f"{left}{region.name}({', '.join(['TABLE', *arrays, *rest])})",
            f"{left}{region.name}({', '.join(['TABLE', *ready, *rest])})",
            [f"r{k} = np.{kind}(r{k})" for k, kind in kinds],
        )

    # NumPy calls

    def plain(self, step: Plain) -> None:
        """Write a NumPy call as the NumPy emitter does."""
        instruction = step.instruction
        function, out = instruction.function, instruction.out
        for value in instruction.operands():
            self.emitter.inlined[value] = self.text(value)
        name = self.names[out]
        if function == "check":
            asked, expected = map(self.emitter.text, instruction.args)
            self.lines += [f"if bool({asked} != {expected}):", "    raise Missed"]
            return
        store = self.memory.stores.get(out)
        if store is not None and store.kind != "python" and function in ("np.dot", "np.matmul"):
            if out in self.memory.results:
                self.fresh.add(out)
                self.lines.append(f"{name} = empty({out.shape!r}, np.{_kind(out)})")
            a, b = map(self.emitter.text, instruction.args)
            self.lines.append(f"{function}({a}, {b}, out={self.text(out)})")
            return
        if function in CALLED:
            expression = f"{function}({', '.join(map(self.emitter.text, instruction.args))})"
        else:
            expression = self.emitter.expression(instruction)
        if out in self.targets:
            self.lines.append(f"np.copyto({self.text(out)}, {expression})")
        else:
            self.lines.append(f"{name} = {expression}")

    def text(self, value: Value) -> str:
        """A value as Python code, which may need a view of another one first."""
        base = self.module.base(value)
        if base is not value:
            return self.view(value)
        if value.constant is not None:
            return value.name
        target = self.targets.get(value)
        if target is not None:
            return self.names[target]
        store = self.memory.stores.get(value)
        if store is not None and store.kind == "memory":
            self.views[self.names[value]] = value
        return self.names[value]

    def view(self, value: Value) -> str:
        """A view, made where it is first asked for."""
        name = self.names[value]
        instruction = self.module.makers.get(value)
        if value in self.emitter.inlined or instruction is None:
            return self.emitter.inlined.get(value, name)
        for operand in instruction.operands():
            self.emitter.inlined[operand] = self.text(operand)
        self.lines.append(f"{name} = {self.emitter.expression(instruction)}")
        self.emitter.inlined[value] = name
        return name

    def result(self, value: Any) -> str:
        """What is returned."""
        if not isinstance(value, Value):
            return self.emitter.text(value)
        maker = self.module.makers.get(value)
        text = self.text(value)
        plain = maker is not None and value not in self.memory.results
        shared = plain and bool(value.shape) and not value.weak and maker is not None
        return f"{text}.copy()" if shared and is_view(maker) else text  # type: ignore[arg-type]


def _kind(value: Value) -> str:
    """The name of a dtype in NumPy."""
    assert value.dtype is not None
    return "bool" if value.dtype.char == "?" else value.dtype.name


def _required(array: Any, dtype: Any) -> Any:
    """An array that machine code can read: aligned, and in C order."""
    return np.require(array, dtype, ["C", "A"])
