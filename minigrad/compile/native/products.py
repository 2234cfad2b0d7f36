"""The source of products of matrices: blocks of results that stay in registers.

NumPy's BLAS does not know the vectors of every processor (OpenBLAS 0.3.31 takes a Zen 5 for a
Haswell, which halves its speed), and a call of it for a 4 by 8 matrix takes longer than the
product. Each product is written for its shape here. Transposes are strides; a second operand of
which columns do not lie side by side, or that is large, is copied in blocks to where they do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from minigrad.compile.native.layout import Where, contiguous
from minigrad.compile.program import Value

__all__ = ["Shape", "product", "scratch", "shape_of"]

DIRECT = 98_304  # bytes: a second operand up to this size is read where it lies
DEPTH = 256  # terms of a sum between two looks at the result
BLOCK = 262_144  # bytes of the second operand that are copied at a time


@dataclass(frozen=True, slots=True)
class Shape:
    """``rows`` by ``depth`` times ``depth`` by ``columns``, and how the operands lie.

    Strides are in elements: of the first operand between rows and between terms, of the second
    between terms and between columns. ``stack`` is for each leading axis its length and the
    distances from one product to the next in the operands and the result.
    """

    rows: int
    depth: int
    columns: int
    a: tuple[int, int]
    b: tuple[int, int]
    offsets: tuple[int, int]
    stack: tuple[tuple[int, int, int, int], ...]
    size: int

    @property
    def packed(self) -> bool:
        """Whether the second operand is copied."""
        if self.columns == 1:
            return False
        return self.b[1] != 1 or self.depth * self.columns * self.size > DIRECT


def shape_of(a: Value, b: Value, out: Value, place: Where, other: Where) -> Shape:
    """The shape of ``np.matmul(a, b)``, or of ``np.dot`` of matrices and vectors."""
    assert out.dtype is not None
    x, y = place.strides, other.strides
    rows, depth = (1, a.shape[0]) if len(a.shape) == 1 else a.shape[-2:]
    columns = 1 if len(b.shape) == 1 else b.shape[-1]
    step_a = (0, x[0]) if len(a.shape) == 1 else x[-2:]
    step_b = (y[0], 1) if len(b.shape) == 1 else y[-2:]
    if columns == 1:
        step_b = (step_b[0], 1)
    lead = out.shape[: max(len(a.shape), len(b.shape)) - 2]
    stack = []
    strides = contiguous((*lead, rows * columns))
    for k, n in enumerate(lead):
        steps = []
        for value, where in ((a, x), (b, y)):
            own = k - len(lead) + len(value.shape) - 2
            steps.append(where[own] if own >= 0 and value.shape[own] > 1 else 0)
        stack.append((n, steps[0], steps[1], strides[k]))
    return Shape(
        rows,
        depth,
        columns,
        (step_a[0], step_a[1]),
        (step_b[0], step_b[1]),
        (place.offset, other.offset),
        tuple(stack),
        out.dtype.itemsize,
    )


def even(total: int, most: int) -> tuple[int, int, int]:
    """Parts of a whole: how many of which length, and what remains for the last.

    >>> even(32, 6), even(10, 16)
    ((5, 6, 2), (1, 10, 0))
    """
    count = math.ceil(total / most)
    length = math.ceil(total / count)
    return total // length, length, total % length


def blocks(shape: Shape, lanes: int, heights: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of the largest block of results."""
    vectors = math.ceil(shape.columns / lanes)
    wide = math.ceil(vectors / math.ceil(vectors / len(heights)))
    return heights[wide - 1], wide * lanes


def scratch(shape: Shape, lanes: int, heights: tuple[int, ...]) -> int:
    """Bytes that copies of the second operand take."""
    if not shape.packed:
        return 0
    depth, wide = packing(shape, blocks(shape, lanes, heights)[1])
    return depth * wide * shape.size


def packing(shape: Shape, width: int) -> tuple[int, int]:
    """Terms and columns of what is copied at a time."""
    depth = min(DEPTH, shape.depth)
    columns = math.ceil(shape.columns / width) * width
    return depth, min(columns, max(width, BLOCK // (depth * shape.size) // width * width))


class _Tiles:
    """Names of the tile functions that a product calls."""

    def __init__(self, shape: Shape, lanes: int) -> None:
        self.shape, self.lanes = shape, lanes
        self.made: dict[str, str] = {}

    def name(self, rows: int, columns: int, add: bool) -> str:
        size, lanes = self.shape.size, self.lanes
        name = f"tile_{rows}x{columns}_f{size * 8}" + "_add" * add
        self.made[name] = f"{name} = tile_of({size}, {lanes}, {rows}, {columns}, {add})"
        return name

    def turn(self) -> str:
        size, lanes = self.shape.size, self.lanes
        name = f"turn_{lanes}_f{size * 8}"
        self.made[name] = f"{name} = transpose_of({size}, {lanes})"
        return name


def product(shape: Shape, lanes: int, heights: tuple[int, ...]) -> tuple[list[str], dict[str, str]]:
    """Statements of a kernel of ``a``, ``b``, ``c`` (and ``w``), and the tiles that it calls."""
    tiles = _Tiles(shape, lanes)
    z: list[str] = []
    x = [str(shape.offsets[0])] if shape.offsets[0] else []
    y = [str(shape.offsets[1])] if shape.offsets[1] else []
    lines = []
    for k, (n, *steps) in enumerate(shape.stack):
        lines.append("    " * k + f"for s{k} in range({n}):")
        for terms, step in zip((x, y, z), steps, strict=True):
            terms += [f"s{k} * {step}"] if step else []
    starts = tuple(" + ".join(terms) for terms in (x, y, z))
    if shape.columns == 1:
        inner = _vector(shape, starts)
    elif shape.packed:
        inner = _packed(shape, tiles, heights, starts)
    else:
        inner = _direct(shape, tiles, heights, starts)
    depth = "    " * len(shape.stack)
    return [*lines, *(depth + line for line in inner)], tiles.made


def total(*terms: str) -> str:
    """A sum of terms as text, without those that are nothing."""
    return " + ".join(t for t in terms if t) or "0"


def times(name: str, step: int) -> str:
    """A multiple as text."""
    return "" if not step else name if step == 1 else f"{name} * {step}"


def _vector(shape: Shape, starts: tuple[str, ...]) -> list[str]:
    """A matrix times a vector."""
    zero = "0.0" if shape.size == 8 else "np.float32(0.0)"
    left = total(starts[0], times("i", shape.a[0]), times("p", shape.a[1]))
    right = total(starts[1], times("p", shape.b[0]))
    return [
        f"for i in range({shape.rows}):",
        f"    total = {zero}",
        f"    for p in range({shape.depth}):",
        f"        total = total + a[{left}] * b[{right}]",
        f"    c[{total(starts[2], 'i')}] = total",
    ]


def _rows(shape: Shape, height: int) -> list[tuple[str, int]]:
    """Loops, or single numbers, that go through the rows in blocks."""
    count, length, rest = even(shape.rows, height)
    steps = [(f"for i in range(0, {count * length}, {length}):", length)] if count > 1 else []
    if count == 1:
        steps = [("i = 0", length)]
    return steps + ([(f"i = {count * length}", rest)] if rest else [])


def _block(
    shape: Shape,
    tiles: _Tiles,
    height: int,
    width: int,
    call: tuple[str, str, str],
    *,
    step: str,
    depth: str,
    add: bool,
) -> list[str]:
    """One block of columns, for all rows."""
    lines = []
    left, right, result = call
    for head, rows in _rows(shape, height):
        looped = head.startswith("for")
        tile = tiles.name(rows, width, add)
        at = total(left, times("i", shape.a[0]))
        to = total(result, times("i", shape.columns))
        lines.append(head)
        lines.append(
            "    " * looped
            + f"{tile}(a, {at}, {shape.a[0]}, {shape.a[1]}, {right}, {step}, "
            + f"c, {to}, {shape.columns}, {depth})"
        )
    return lines


def _direct(
    shape: Shape, tiles: _Tiles, heights: tuple[int, ...], starts: tuple[str, ...]
) -> list[str]:
    """The second operand is read where it lies."""
    _, width = blocks(shape, tiles.lanes, heights)
    whole, rest = divmod(shape.columns, width)
    lines = []
    for head, columns in (
        (f"for j in range(0, {whole * width}, {width}):", width if whole else 0),
        (f"j = {whole * width}", rest),
    ):
        if not columns:
            continue
        call = (starts[0], f"b, {total(starts[1], 'j')}", total(starts[2], "j"))
        inner = _block(
            shape,
            tiles,
            heights[math.ceil(columns / tiles.lanes) - 1],
            columns,
            call,
            step=str(shape.b[0]),
            depth=str(shape.depth),
            add=False,
        )
        indent = "    " * head.startswith("for")
        lines += [head, *(indent + line for line in inner)]
    return lines


def _packed(
    shape: Shape, tiles: _Tiles, heights: tuple[int, ...], starts: tuple[str, ...]
) -> list[str]:
    """Blocks of the second operand are copied, so that a row of columns lies together."""
    height, width = blocks(shape, tiles.lanes, heights)
    deep, wide = packing(shape, width)
    add = shape.depth > deep
    rest = shape.columns % width
    lines = []
    if add:
        zero = "0.0" if shape.size == 8 else "np.float32(0.0)"
        whole = shape.rows * shape.columns
        lines += [f"for i in range({whole}):", f"    c[{total(starts[2], 'i')}] = {zero}"]
    lines += [
        f"for p0 in range(0, {shape.depth}, {deep}):",
        f"    depth = min({deep}, {shape.depth} - p0)",
        f"    for j0 in range(0, {shape.columns}, {wide}):",
        f"        end = min(j0 + {wide}, {shape.columns})",
        f"        for j in range(j0, end, {width}):",
        *("            " + line for line in _copied(shape, tiles, width, starts[1])),
    ]
    for head, rows in _rows(shape, height):
        left = total(starts[0], times("i", shape.a[0]), times("p0", shape.a[1]))
        result = total(starts[2], times("i", shape.columns), "j")
        indent = "        " + "    " * head.startswith("for")
        lines.append("        " + head)
        inner = []
        for test, columns in ((f"j + {width} <= end", width), (f"j + {width} > end", rest)):
            if not columns or (columns == width and shape.columns < width):
                continue
            tile = tiles.name(rows, columns, add)
            called = f"{tile}(a, {left}, {shape.a[0]}, {shape.a[1]}, "
            called += f"w, (j - j0) * depth, {width}, c, {result}, {shape.columns}, depth)"
            inner += [f"if {test}:", f"    {called}"]
        lines.append(f"{indent}for j in range(j0, end, {width}):")
        lines += [f"{indent}    {line}" for line in inner]
    return lines


def _copied(shape: Shape, tiles: _Tiles, width: int, start: str) -> list[str]:
    """Copy ``depth`` rows of ``width`` columns to ``w``."""
    at = total(start, times("(p0 + p)", shape.b[0]), times("(j + q)", shape.b[1]))
    lines = [
        "base = (j - j0) * depth",
        f"many = min({width}, {shape.columns} - j)",
    ]
    if shape.b[0] == 1 and shape.b[1] > 1 and shape.columns >= tiles.lanes <= shape.depth:
        lanes = tiles.lanes
        source = total(start, times("(j + q)", shape.b[1]), "p0 + p")
        return [
            *lines,
            f"full = depth // {lanes} * {lanes}",
            f"square = many // {lanes} * {lanes}",
            f"for q in range(0, square, {lanes}):",
            f"    for p in range(0, full, {lanes}):",
            f"        {tiles.turn()}(b, {source}, {shape.b[1]}, "
            f"w, base + p * {width} + q, {width})",
            "    for p in range(full, depth):",
            f"        for k in range({lanes}):",
            f"            w[base + p * {width} + q + k] = b[{at.replace('+ q)', '+ q + k)')}]",
            "for q in range(square, many):",
            "    for p in range(depth):",
            f"        w[base + p * {width} + q] = b[{at}]",
        ]
    return [
        *lines,
        "for p in range(depth):",
        "    for q in range(many):",
        f"        w[base + p * {width} + q] = b[{at}]",
    ]
