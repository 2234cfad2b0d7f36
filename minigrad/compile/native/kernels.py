"""Kernels that are no loops over a group: products, rows added at an index, a look at an index."""

from __future__ import annotations

import numpy as np

from minigrad.compile.native.layout import Layouts, contiguous
from minigrad.compile.native.loops import Kernel
from minigrad.compile.native.products import Shape, product
from minigrad.compile.native.scalars import number
from minigrad.compile.program import Instruction, Value

__all__ = ["MEMORY", "add_rows", "multiply", "outside"]

MEMORY = Value((0,), np.dtype(np.uint8), name="memory")  # the beginning of what is reused


def multiply(
    instruction: Instruction,
    layouts: Layouts,
    shape: Shape,
    kernel: Kernel,
    tiling: tuple[int, tuple[int, ...]],
) -> dict[str, str]:
    """Write a product; return the tiles that it calls."""
    lines, tiles = product(shape, *tiling)
    dtype = instruction.out.dtype
    assert dtype is not None
    for letter, value in zip("abc", (*instruction.args, instruction.out), strict=True):
        kernel.letters[letter] = letter
        kernel.operands.append((layouts.of(value).base, dtype))
    if shape.packed:
        kernel.letters["w"] = "w"
        kernel.operands.append((MEMORY, dtype))
    for line in lines:
        kernel.line(0, line)
    return tiles


def add_rows(instruction: Instruction, layouts: Layouts, kernel: Kernel) -> None:
    """Write the sum of rows at an index of whole numbers, which is in range."""
    shape, index, g = instruction.args
    out = instruction.out
    where = layouts.of(g)
    assert out.dtype is not None
    names = [kernel.letter(v, v.dtype) for v in (index, where.base, out)]
    kernel.line(0, f"for k in range({out.size}):")
    kernel.line(1, f"{names[2]}[k] = {number(0, out.dtype)}")
    terms, rows, rest = [str(where.offset)], ["0"], ["0"]
    many, steps, inside = len(index.shape), contiguous(index.shape), contiguous(shape[1:])
    for k, n in enumerate(g.shape):
        kernel.line(k, f"for i{k} in range({n}):")
        terms.append(f"i{k} * {where.strides[k]}")
        if k < many:
            rows.append(f"i{k} * {steps[k]}")
        else:
            rest.append(f"i{k} * {inside[k - many]}")
    depth = len(g.shape)
    kernel.line(depth, f"row = {names[0]}[{' + '.join(rows)}]")
    if index.dtype.kind == "i":
        kernel.line(depth, f"row = row + {shape[0]} if row < 0 else row")
    kernel.line(depth, f"at = row * {out.size // shape[0]} + {' + '.join(rest)}")
    kernel.line(depth, f"{names[2]}[at] = {names[2]}[at] + {names[1]}[{' + '.join(terms)}]")


def outside(index: Value, length: int, kernel: Kernel) -> None:
    """Write a look at an index, for whether it is out of range."""
    a = kernel.letter(index, index.dtype)
    signed = index.dtype is not None and index.dtype.kind == "i"
    low = f"{a}[k] < -{length} or " if signed else ""
    kernel.line(0, f"for k in range({index.size}):")
    kernel.line(1, f"if {low}{a}[k] >= {length}:")
    kernel.line(2, "return True")
    kernel.line(0, "return False")
