"""What a picture keeps of an array: all of a small one, a summary of a large one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.primitive import Array
from minigrad.viz.heat import Heat, heat_of

__all__ = ["BINS", "DIGITS", "MOSAIC", "Digest", "digest"]

DIGITS = 8  # rows and columns that are written out
MOSAIC = 32  # rows and columns that are drawn as coloured cells
BINS = 14


@dataclass(frozen=True, slots=True)
class Digest:
    """Numbers about an array, and the array itself where it is small enough to be drawn.

    Attributes:
        shape: Shape of the array.
        dtype: Name of its dtype.
        rows: Its numbers as rows, if there are at most 32 of at most 32; the last axis runs along
            a row, and a long vector is wrapped.
        low: Smallest finite element; 0 if there is none.
        mean: Mean of the finite elements.
        high: Largest finite element.
        norm: Euclidean norm of the finite elements.
        bins: Counts of 14 equal intervals between ``low`` and ``high``.
        nan: How many elements are not numbers.
        inf: How many elements are infinite.
        heat: Shades of a table, or of a batch of them, that is too large for ``rows``.
    """

    shape: tuple[int, ...]
    dtype: str
    rows: tuple[tuple[float, ...], ...] | None
    low: float
    mean: float
    high: float
    norm: float
    bins: tuple[int, ...]
    nan: int = 0
    inf: int = 0
    heat: Heat | None = None

    @property
    def integer(self) -> bool:
        """Whether the array holds integers or booleans, which are labels rather than quantities."""
        return self.dtype.startswith(("int", "uint", "bool"))

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def digits(self) -> bool:
        """Whether it is small enough to be written out."""
        rows = self.rows
        return rows is not None and len(rows) <= DIGITS and all(len(r) <= DIGITS for r in rows)

    def plain(self) -> dict[str, Any]:
        """Return it as what JSON knows; ``nan`` and infinity as strings.

        >>> digest(np.array([1.0, np.inf])).plain()["rows"]
        [[1.0, 'inf']]
        """
        rows = None
        if self.rows is not None:
            rows = [[x if np.isfinite(x) else str(x) for x in row] for row in self.rows]
        names = ("dtype", "low", "mean", "high", "norm", "nan", "inf")
        return {
            "shape": list(self.shape),
            "rows": rows,
            "bins": list(self.bins),
            **{name: getattr(self, name) for name in names},
        }


def _rows(array: Array) -> tuple[tuple[float, ...], ...] | None:
    """The elements as rows that fit into a picture, or None."""
    if not 0 < array.size <= MOSAIC * MOSAIC:
        return None
    if array.ndim < 2:
        longest = DIGITS if array.size <= DIGITS * DIGITS else MOSAIC
        lines = -(-array.size // longest)
        width = -(-array.size // lines)
        flat = array.ravel().tolist()
        return tuple(tuple(flat[i : i + width]) for i in range(0, len(flat), width))
    table = array.reshape(-1, array.shape[-1])
    if max(table.shape) > MOSAIC:
        return None
    return tuple(map(tuple, table.tolist()))


@np.errstate(all="ignore")  # what overflows here is only a number in a picture
def digest(data: Array) -> Digest:
    """Summarise an array; of complex numbers it is the magnitudes.

    >>> d = digest(np.array([[3.0, -4.0]]))
    >>> d.rows, d.norm, d.digits
    (((3.0, -4.0),), 5.0, True)
    """
    array = np.asarray(data)
    shape, dtype = array.shape, array.dtype.name
    if array.dtype.kind == "c":
        array = np.abs(array)
    rows = _rows(array)
    heat = None
    if rows is None and array.size and array.ndim in (2, 3) and array.dtype.kind in "fc":
        heat = heat_of(array.reshape(-1, array.shape[-1]))
    if array.dtype.kind != "f" or array.dtype.itemsize < 8:
        array = array.astype(np.float64)
    finite = np.isfinite(array)
    nan = inf = 0
    if not finite.all():
        nan = int(np.isnan(array).sum())
        inf = array.size - int(finite.sum()) - nan
        array = array[finite]
    if not array.size:
        return Digest(shape, dtype, rows, 0.0, 0.0, 0.0, 0.0, (0,) * BINS, nan, inf, heat)
    low, high = float(array.min()), float(array.max())
    # Divided by the largest magnitude, no square overflows.
    top = max(-low, high)
    norm = top * float(np.sqrt(np.square(array / top).sum())) if top else 0.0
    bins = (0,) * BINS
    if rows is None:
        bins = _bins(array, low, high)
    mean = float(np.clip(array.mean(), low, high))
    return Digest(shape, dtype, rows, low, mean, high, norm, bins, nan, inf, heat)


def _bins(array: Array, low: float, high: float) -> tuple[int, ...]:
    """Counts of equal intervals; all in the middle where the elements are equal."""
    width = high - low
    if not 0 < width < np.inf:
        return tuple(array.size if i == BINS // 2 else 0 for i in range(BINS))
    places = np.minimum(((array - low) / width * BINS).astype(np.intp), BINS - 1)
    return tuple(np.bincount(places.ravel(), minlength=BINS).tolist())
