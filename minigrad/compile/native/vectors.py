"""What Numba lacks: pointers from addresses, and the inner loop of a matrix product in vectors.

LLVM vectorises the loops that :mod:`~minigrad.compile.native.loops` writes by itself. A product
needs a block of results held in registers, which it does not find, so :func:`tile_of` writes the
vectors down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "address",
    "array",
    "kernel",
    "pointer",
    "shape_of_tiles",
    "tile_of",
    "transpose_of",
    "versions",
]


def versions() -> tuple[str, ...]:
    """What machine code depends on besides its source: versions, and the tiles below."""
    own = Path(__file__).read_bytes()
    return numba.__version__, llvmlite.__version__, hashlib.sha256(own).hexdigest()


@cache
def shape_of_tiles(itemsize: int) -> tuple[int, tuple[int, ...]]:
    """Numbers in a vector of this machine, and how many rows suit 1, 2, ... vectors of columns.

    A block of rows times vectors stays in registers: 32 of them, 16 where AVX-512 is missing.
    """
    features = llvm.get_host_cpu_features() if llvm.get_process_triple() else {}
    if features.get("avx512f"):
        return 64 // itemsize, (16, 12, 8, 6)
    if features.get("avx"):
        return 32 // itemsize, (8, 6)
    return 16 // itemsize, (12, 10, 8, 6) if features.get("neon") else (6, 4)


@intrinsic  # type: ignore[untyped-decorator]
def pointer(typing: Any, address: Any, dtype: Any) -> Any:
    """The address of an array's first element as something that can be indexed."""
    signature = types.CPointer(dtype.dtype)(types.int64, dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return signature, codegen


class _Vectors:
    """Loads and stores of vectors of which the last may be narrower."""

    def __init__(self, builder: Any, element: Any, lanes: int, size: int) -> None:
        self.builder, self.size, self.lanes = builder, size, lanes
        self.kind = ir.VectorType(element, lanes)
        self.element = element
        self.suffix = f"v{lanes}f{size * 8}"

    def called(self, name: str, result: Any, *args: Any) -> Any:
        kind = ir.FunctionType(result, [x.type for x in args])
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, args)

    def mask(self, count: int) -> Any:
        return ir.Constant(
            ir.VectorType(ir.IntType(1), self.lanes), [int(k < count) for k in range(self.lanes)]
        )

    def load(self, base: Any, count: int) -> Any:
        at = self.builder.bitcast(base, self.kind.as_pointer())
        if count == self.lanes:
            return self.builder.load(at, align=self.size)
        align = ir.Constant(ir.IntType(32), self.size)
        nothing = ir.Constant(self.kind, [0.0] * self.lanes)
        name = f"llvm.masked.load.{self.suffix}.p0"
        return self.called(name, self.kind, at, align, self.mask(count), nothing)

    def store(self, value: Any, base: Any, count: int) -> None:
        at = self.builder.bitcast(base, self.kind.as_pointer())
        if count == self.lanes:
            self.builder.store(value, at, align=self.size)
            return
        align = ir.Constant(ir.IntType(32), self.size)
        name = f"llvm.masked.store.{self.suffix}.p0"
        self.called(name, ir.VoidType(), value, at, align, self.mask(count))

    def splat(self, scalar: Any) -> Any:
        undefined = ir.Constant(self.kind, ir.Undefined)
        zero = ir.Constant(ir.IntType(32), 0)
        one = self.builder.insert_element(undefined, scalar, zero)
        order = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, undefined, order)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.called(f"llvm.fmuladd.{self.suffix}", self.kind, a, b, c)


class _Block:
    """A block of results in registers, while the terms of its sums are gone through."""

    def __init__(self, builder: Any, args: Any, vectors: _Vectors, rows: int, columns: int) -> None:
        self.builder, self.v, self.rows = builder, vectors, rows
        a, a0, self.row, self.step, b, b0, self.b_step, c, c0, self.c_row, self.depth = args
        self.a, self.b, self.c = self.at(a, a0), self.at(b, b0), self.at(c, c0)
        lanes = vectors.lanes
        self.counts = [min(lanes, columns - start) for start in range(0, columns, lanes)]

    def at(self, base: Any, *terms: Any) -> Any:
        """A pointer further on."""
        for term in terms:
            base = self.builder.gep(base, [term])
        return base

    def number(self, n: int) -> Any:
        return ir.Constant(ir.IntType(64), n)

    def results(self) -> list[tuple[Any, int]]:
        """Where each vector of results is, and how many numbers of it."""
        return [
            (
                self.at(
                    self.c,
                    self.builder.mul(self.number(r), self.c_row),
                    self.number(k * self.v.lanes),
                ),
                count,
            )
            for r in range(self.rows)
            for k, count in enumerate(self.counts)
        ]

    def term(self, p: Any, sums: list[Any]) -> list[Any]:
        """The sums with one more term."""
        builder, v = self.builder, self.v
        here = self.at(self.a, builder.mul(p, self.step))
        there = self.at(self.b, builder.mul(p, self.b_step))
        columns = [
            v.load(self.at(there, self.number(k * v.lanes)), n) for k, n in enumerate(self.counts)
        ]
        new = []
        for r in range(self.rows):
            offset = builder.mul(self.number(r), self.row)
            factor = v.splat(builder.load(self.at(here, offset)))
            for k, column in enumerate(columns):
                new.append(v.fma(factor, column, sums[r * len(columns) + k]))
        return new

    def write(self, add: bool) -> None:
        """Write the loop over the terms."""
        builder, v = self.builder, self.v
        zero = ir.Constant(v.kind, [0.0] * v.lanes)
        places = self.results()
        first = [v.load(place, n) if add else zero for place, n in places]
        before = builder.block
        loop, after = map(builder.append_basic_block, ("terms", "done"))
        builder.branch(loop)
        builder.position_at_end(loop)
        p = builder.phi(ir.IntType(64))
        sums = [builder.phi(v.kind) for _ in places]
        new = self.term(p, sums)
        following = builder.add(p, self.number(1))
        starts, ends = [self.number(0), *first], [following, *new]
        for phi, start, end in zip([p, *sums], starts, ends, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(end, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, self.depth), loop, after)
        builder.position_at_end(after)
        for value, (place, count) in zip(new, places, strict=True):
            v.store(value, place, count)


@cache
def tile_of(size: int, lanes: int, rows: int, columns: int, add: bool = False) -> Any:
    """The product of a few rows with a few vectors of columns, of numbers of ``size`` bytes.

    The result is called as ``tile(a, a0, row, step, b, b0, b_step, c, c0, c_row, depth)``: pointers
    and where to begin, distances between rows of ``a`` and from one term of the sum to the next,
    and the number of terms, at least one.

    Args:
        size: Bytes of a number: 4 or 8.
        lanes: Numbers in a vector.
        rows: Rows of ``a`` and of the result.
        columns: Columns of ``b`` and of the result.
        add: Whether the product is added to what stands in ``c``.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = ir.FloatType() if size == 4 else ir.DoubleType()
        _Block(builder, args, _Vectors(builder, element, lanes, size), rows, columns).write(add)
        return context.get_dummy_value()

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        typing: Any, a: Any, a0: Any, row: Any, step: Any, b: Any, b0: Any, b_step: Any,
        c: Any, c0: Any, c_row: Any, depth: Any,
    ) -> Any:  # fmt: skip
        n = types.int64
        return types.void(a, n, n, n, b, n, n, c, n, n, n), codegen

    return tile


@cache
def transpose_of(size: int, lanes: int) -> Any:
    """Turn a square block of ``lanes`` rows: ``turn(a, a0, row, b, b0, b_row)``."""

    @intrinsic  # type: ignore[untyped-decorator]
    def turn(typing: Any, a: Any, a0: Any, row: Any, b: Any, b0: Any, b_row: Any) -> Any:
        whole = types.int64
        return types.void(a, whole, whole, b, whole, whole), codegen

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, a0, row, b, b0, b_row = args
        v = _Vectors(builder, ir.FloatType() if size == 4 else ir.DoubleType(), lanes, size)
        a, b = builder.gep(a, [a0]), builder.gep(b, [b0])
        whole, small = ir.IntType(64), ir.VectorType(ir.IntType(32), lanes)
        rows = [
            v.load(builder.gep(a, [builder.mul(ir.Constant(whole, r), row)]), lanes)
            for r in range(lanes)
        ]
        width = lanes // 2
        while width:  # swap the corners of ever smaller squares
            for r in range(lanes):
                if r & width:
                    continue
                x, y = rows[r], rows[r + width]
                low = [k if not k & width else lanes + k - width for k in range(lanes)]
                high = [k + width if not k & width else lanes + k for k in range(lanes)]
                rows[r] = builder.shuffle_vector(x, y, ir.Constant(small, low))
                rows[r + width] = builder.shuffle_vector(x, y, ir.Constant(small, high))
            width //= 2
        for r in range(lanes):
            v.store(rows[r], builder.gep(b, [builder.mul(ir.Constant(whole, r), b_row)]), lanes)
        return context.get_dummy_value()

    return turn


@intrinsic  # type: ignore[untyped-decorator]
def address(typing: Any, array: Any) -> Any:
    """The address of an array's first element."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        data = cgutils.create_struct_proxy(kind)(context, builder, value=args[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), codegen


def array(name: str, ndim: int, readonly: bool) -> Any:
    """The type of an array in C order."""
    kind = types.boolean if name == "bool" else getattr(types, name)
    return types.Array(kind, ndim, "C", readonly=readonly)


def kernel(*, sums: bool) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function of pointers, which point to memory apart from each other.

    Args:
        sums: Whether terms may be added in another order, as vectors do.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        fastmath = {"contract", "reassoc"} if sums else {"contract"}
        made = njit(error_model="numpy", fastmath=fastmath)(function)
        compiler = made._compiler

        def customised(flags: Any) -> Any:  # njit has no option for it
            flags.noalias = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
            return flags

        compiler._customize_flags = customised
        return made

    return compiled
