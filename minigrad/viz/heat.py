"""Heat pictures: what is too large for a cell per number, as a small picture of blocks.

A pixel stands for a block of elements and has the colour of the one of largest magnitude, so that
no extreme, and nothing that is not finite, is averaged away. The pictures are PNG with
transparency: the same one lies on the background of both themes.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from minigrad.primitive import Array

__all__ = ["Album", "Heat", "blocks_text", "heat_of"]

ROWS, COLUMNS = 56, 70  # pixels of the largest picture
LEVELS = 30  # shades of each sign
ZERO, BAD = 0, 2 * LEVELS + 1
WIDE, HIGH = 140, 112  # the largest size on a card
SIDE = 7  # of the largest pixel
_LOW, _HIGH, _ALARM = (0x95, 0x61, 0xB6), (0x47, 0xA0, 0x6E), (0xE1, 0x1D, 0x48)
_FINE = 2  # image points along a side of a pixel and a unit: edges stay sharp when enlarged


@dataclass(frozen=True, slots=True)
class Heat:
    """Shades of a table of blocks.

    Attributes:
        rows: Rows of blocks.
        columns: Columns of blocks.
        shades: One byte for each block: 0 for zeros alone, 1 to 30 for negative, 31 to 60 for
            positive, the stronger the larger, 61 for what is not finite.
        block: Rows and columns of elements that make a block; smaller ones are at the edge.
    """

    rows: int
    columns: int
    shades: bytes
    block: tuple[int, int]

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height of a pixel on a card."""
        wide, high = WIDE // self.columns, HIGH // self.rows
        side = min(max(wide, 1), max(high, 1), SIDE)
        # A long and narrow table is drawn wider, so that it can be seen.
        return min(max(wide, side), 2 * side), min(max(high, side), 2 * side)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on a card."""
        across, down = self.sides
        return across * self.columns, down * self.rows

    def png(self) -> bytes:
        r"""Write it as a picture.

        >>> heat_of(np.array([[1.0, -1.0]])).png()[:4]
        b'\x89PNG'
        """
        across, down = (side * _FINE for side in self.sides)
        shades = np.frombuffer(self.shades, np.uint8).reshape(self.rows, self.columns)
        points = np.repeat(np.repeat(shades, down, axis=0), across, axis=1)
        height, width = points.shape
        lines = np.zeros((height, width + 1), np.uint8)  # each begins with the filter: none
        lines[:, 1:] = points
        header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
        chunks = (
            (b"IHDR", header),
            (b"PLTE", bytes(_PALETTE)),
            (b"tRNS", bytes(_OPACITY)),
            (b"IDAT", zlib.compress(lines.tobytes(), 9)),
            (b"IEND", b""),
        )
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


_PALETTE = [*(0, 0, 0), *_LOW * LEVELS, *_HIGH * LEVELS, *_ALARM]
_SHADES = [round(255 * (0.1 + 0.9 * i / LEVELS)) for i in range(1, LEVELS + 1)]
_OPACITY = [0, *_SHADES, *_SHADES, 255]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def heat_of(table: Array) -> Heat:
    r"""Shades of a table that is not empty, of at most 56 by 70 blocks.

    >>> heat_of(np.array([[0.0, 2.0], [-1.0, np.nan]])).shades
    b'\x00<\x13='
    """
    table = np.asarray(table, dtype=np.float64)
    height, width = (-(-n // most) for n, most in zip(table.shape, (ROWS, COLUMNS), strict=True))
    bad = ~np.isfinite(table)
    if bad.any():
        table = np.where(bad, 0.0, table)
    starts = np.arange(0, table.shape[0], height), np.arange(0, table.shape[1], width)

    def of_blocks(join: np.ufunc, values: Array) -> Array:
        return np.asarray(join.reduceat(join.reduceat(values, starts[0], 0), starts[1], 1))

    low, high = of_blocks(np.minimum, table), of_blocks(np.maximum, table)
    largest: Array = np.where(-low > high, low, high)
    scale = float(np.abs(largest).max()) or 1.0
    # The exponent is that of the cells with numbers.
    levels = np.ceil(LEVELS * np.abs(largest / scale) ** 0.7).astype(np.uint8)
    shades: Array = np.where(largest > 0, levels + LEVELS, levels)
    shades[levels == 0] = ZERO  # also where a share of the scale is too small for a number
    if bad.any():
        shades[of_blocks(np.logical_or, bad)] = BAD
    rows, columns = shades.shape
    return Heat(rows, columns, shades.astype(np.uint8).tobytes(), (height, width))


class Album:
    """The heat pictures of one drawing.

    Args:
        inline: Whether labels hold the pictures themselves, rather than names of files.
    """

    def __init__(self, inline: bool = False) -> None:
        self.inline = inline
        self.files: dict[str, bytes] = {}
        self.names: dict[Heat, str] = {}

    def add(self, heat: Heat) -> str:
        """Take a picture in, and return what a label calls it; equal ones are kept once."""
        name = self.names.get(heat)
        if name is None:
            png = heat.png()
            name = _uri(png) if self.inline else f"heat{len(self.files)}.png"
            self.names[heat], self.files[name] = name, png
        return name

    def embedded(self, svg: str) -> str:
        """An SVG that refers to the files, with the pictures in their place."""
        for name, png in self.files.items():
            svg = svg.replace(f'xlink:href="{name}"', f'xlink:href="{_uri(png)}"')
        return svg.replace("<image ", '<image image-rendering="pixelated" ') if self.files else svg


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def blocks_text(heat: Heat) -> str:
    """What a pixel stands for, in words; empty if it is a single element."""
    height, width = heat.block
    return "" if math.prod(heat.block) == 1 else f"pixel: largest of {height} × {width}"
