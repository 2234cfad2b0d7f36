"""From a traced program to a call of machine code."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.compile.literals import amount
from minigrad.compile.native.binder import NativeBinder
from minigrad.compile.native.machine import compiled
from minigrad.compile.native.memory import LINE
from minigrad.compile.native.module import Module
from minigrad.compile.native.wrapper import Wrapper
from minigrad.compile.program import Value
from minigrad.compile.trace import Recorded

__all__ = ["Native", "build", "require_numba"]

OLDEST = 0, 68  # Numba, as pyproject.toml has it
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
        binder = NativeBinder(recorded, self.wrapper, self.module, self.space, self.table)
        return binder.make(self.wrapper.source, self.space)

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
        ImportError: If Numba is not installed, or too old.
    """
    require_numba()
    from minigrad.compile.native import vectors as tools

    program = recorded.program
    vectors = {size: tools.shape_of_tiles(size) for size in (4, 8)}
    module = Module(program, recorded.tape.titles, vectors, _blas())
    wrapper = Wrapper(module)
    start = time.perf_counter()
    regions, kept = _regions(module)
    seconds = time.perf_counter() - start
    space = {**wrapper.namespace(), **regions}
    table = _memory(module, wrapper, space)
    return Native(module, wrapper, space, table, seconds, kept)


def require_numba() -> None:
    """Raise an error that says what to install, if Numba is missing or too old."""
    if importlib.util.find_spec("numba") is None:
        raise ImportError(
            "mg.compile(..., backend='native') makes machine code with Numba, which is not "
            "installed: pip install 'minigrad[native]', or use backend='numpy'"
        )
    found = importlib.metadata.version("numba")
    if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) < OLDEST:
        raise ImportError(
            f"mg.compile(..., backend='native') needs Numba {OLDEST[0]}.{OLDEST[1]} or newer, and "
            f"{found} is installed: pip install --upgrade 'minigrad[native]', or use "
            "backend='numpy'"
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


def _regions(module: Module) -> tuple[dict[str, Any], bool]:
    """Compile the regions, or find them compiled; and whether they were kept on disk."""
    if not module.regions:
        return {}, True
    shown = sys.stderr is not None and sys.stderr.isatty()
    if shown:
        print(f"compiling {module.program.name} to machine code ...", end="", file=sys.stderr)
        sys.stderr.flush()
    start = time.perf_counter()
    space = compiled(module.source, module.program.name)
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
