"""From a traced program to a call of machine code."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.compile.bind import Binder
from minigrad.compile.literals import amount
from minigrad.compile.native.disk import source_file
from minigrad.compile.native.memory import LINE
from minigrad.compile.native.module import Module
from minigrad.compile.native.wrapper import Wrapper
from minigrad.compile.outcome import Leaf
from minigrad.compile.program import Input, Value
from minigrad.compile.trace import Recorded

__all__ = ["Native", "build", "require_numba"]

THREADED = 1 << 24  # multiplications


@dataclass(eq=False)
class Native:
    """Machine code of one program.

    Attributes:
        module: What it was made from.
        wrapper: The Python function around it.
        space: What that function refers to.
        table: Addresses that the machine code looks up.
        seconds: How long Numba took.
        kept: Whether the machine code was found on disk.
    """

    module: Module
    wrapper: Wrapper
    space: dict[str, Any]
    table: Any
    seconds: float
    kept: bool

    def bind(self, recorded: Recorded) -> Callable[..., Any]:
        """The function that guards a call and runs it."""
        return _Binder(recorded, self).make(self.wrapper.source, self.space)

    def explained(self) -> list[str]:
        """What is machine code and what is not, in a few lines."""
        module = self.module
        found = "found on disk" if self.kept else "compiled"
        kernels, regions = len(module.kernels), len(module.regions)
        size = amount(module.memory.size)
        lines = [
            f"machine code {found} in {self.seconds:.1f} s: {kernels} kernels in {regions} "
            f"{'region' if regions == 1 else 'regions'}, {size} reused by every call"
        ]
        reasons: dict[str, list[str]] = {}
        for function, reason in module.fallen:
            reasons.setdefault(reason, []).append(function)
        for reason, functions in reasons.items():
            lines.append(f"stays NumPy ({reason}): {', '.join(dict.fromkeys(functions))}")
        return lines


def build(recorded: Recorded) -> Native:
    """Compile a program that was optimised, planned and named.

    Raises:
        ImportError: If Numba is not installed.
    """
    require_numba()
    from minigrad.compile.native import vectors as tools

    program = recorded.program
    vectors = {size: tools.shape_of_tiles(size) for size in (4, 8)}
    module = Module(program, recorded.tape.titles, vectors, _blas())
    wrapper = Wrapper(module)
    start = time.perf_counter()
    regions, kept = _regions(module, tools)
    seconds = time.perf_counter() - start
    space = {**wrapper.namespace(), **regions}
    table = _memory(module, wrapper, space)
    return Native(module, wrapper, space, table, seconds, kept)


def require_numba() -> None:
    """Raise an error that says what to install, if Numba is missing."""
    if importlib.util.find_spec("numba") is None:
        raise ImportError(
            "mg.compile(..., backend='native') makes machine code with Numba, which is not "
            "installed: pip install 'minigrad[native]', or use backend='numpy'"
        )


def _blas() -> int | None:
    """From how many multiplications on NumPy's product is faster, since it has several threads."""
    limits = [os.environ.get(f"{name}_NUM_THREADS") for name in ("OPENBLAS", "OMP", "MKL")]
    if "1" in limits or len(_cores()) < 3:  # two cores of it are as fast as one of ours
        return None
    return THREADED


def _cores() -> Any:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return range(os.cpu_count() or 1)


def _regions(module: Module, tools: Any) -> tuple[dict[str, Any], bool]:
    """Compile the regions, or find them compiled; and whether they were kept on disk."""
    if not module.regions:
        return {}, True
    path = source_file(module.source, *tools.versions())
    text, name = module.source, str(path)
    if path is None:
        text, name = text.replace("cache=True, ", ""), f"<native {module.program.name}>"
    shown = sys.stderr is not None and sys.stderr.isatty()
    if shown:
        print(f"compiling {module.program.name} to machine code ...", end="", file=sys.stderr)
        sys.stderr.flush()
    space: dict[str, Any] = {"__name__": __name__}
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Numba's own, such as a folder that went away
        exec(compile(text, name, "exec"), space)
    if shown:
        print(f" {time.perf_counter() - start:.1f} s", file=sys.stderr)
    functions = {region.name: space[region.name] for region in module.regions}
    hits = all(sum(f.stats.cache_hits.values()) for f in functions.values())
    return functions, hits


def _memory(module: Module, wrapper: Wrapper, space: dict[str, Any]) -> Any:
    """Make what every call reuses, and the table of addresses."""
    memory = module.memory
    block = np.zeros(memory.size + LINE, np.uint8)
    start = -block.ctypes.data % LINE
    held = block[start : start + memory.size]
    table = np.zeros(len(memory.table), np.int64)
    table[0] = held.ctypes.data
    constants = []
    for k, value in enumerate(memory.table):
        if value is not None and value.constant is not None:
            constants.append(np.require(value.constant, requirements=["C", "A"]))
            table[k] = constants[-1].ctypes.data
    for name, value in wrapper.views.items():
        space[name] = _seen(held, memory.stores[value].at, value)
    # The code knows addresses only: the arrays live as long as the namespace does.
    space.update(TABLE=table.ctypes.data, held=(block, table, constants))
    return table


def _seen(held: Any, at: int, value: Value) -> Any:
    """A value in memory as an array."""
    assert value.dtype is not None
    return held[at : at + value.nbytes].view(value.dtype).reshape(value.shape)


class _Binder(Binder):
    """Guards and inputs, with the addresses of what is overwritten kept in a table."""

    def __init__(self, recorded: Recorded, native: Native) -> None:
        super().__init__(recorded)
        self.native, self.table = native, native.table
        self.slots = {v: k for k, v in enumerate(native.module.memory.table) if v is not None}

    def run(self) -> list[str]:
        """Call machine code at once where the function around it does nothing else."""
        called = self.native.wrapper.direct(dict(zip(self.inputs(), self.names, strict=True)))
        if called is None:
            return super().run()
        space = self.native.space
        self.bound.namespace.update({n: space[n] for n in ("TABLE", "required", "np")})
        self.bound.namespace.update({r.name: space[r.name] for r in self.native.module.regions})
        plain, required, rest = called
        tree = self.recorded.tree
        if isinstance(tree, Leaf) and tree.kind == "tensor":  # made of a float as of a float64
            rest = [line for line in rest if "np.float64(" not in line]
        lines = ["    try:", "        try:", f"            {plain}"]
        lines += ["        except TypeError:", f"            {required}"]
        lines += ["    except Missed:", "        return DECIDED"]
        lines += [f"    {line}" for line in rest]
        return [*lines, *self.after, f"    return {self.result()}"]

    def inputs(self) -> list[Value]:
        """Values of the program's inputs, in order."""
        return [given.value for given in self.program.inputs]

    def donated(self, i: int, given: Input) -> None:
        """Note the address of an array that is overwritten."""
        mark = len(self.before)
        super().donated(i, given)
        self.addressed(i, given, mark)

    def lent(self, i: int, given: Input) -> None:
        """Note the address of the array of the last gradient."""
        mark, before = len(self.before), len(self.guards)
        super().lent(i, given)
        # One look at the gradient serves both: its array, and whether others hold it.
        taken, looked = self.guards[before - 1], self.guards[before:]
        if taken.endswith(".grad._data"):
            self.guards[before - 1 :] = [*looked, f"    v{i} = g{i}._data"]
        self.addressed(i, given, mark)

    def addressed(self, i: int, given: Input, mark: int) -> None:
        """Follow each line that chooses another array by one that looks up its address."""
        slot = self.slots.get(given.value)
        if slot is None:
            return
        table = self.bound.name(self.table, "table")
        lines = []
        for line in self.before[mark:]:
            lines.append(line)
            if line.lstrip().startswith(f"v{i} = "):
                lines.append(f"        {table}[{slot}] = v{i}.ctypes.data")
        self.before[mark:] = lines
