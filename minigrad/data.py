"""Mini-batches and splits; for anything more, scikit-learn does it better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.errors import ShapeError
from minigrad.names import advice
from minigrad.random import generator

__all__ = ["batches", "train_test_split"]

Rng = np.random.Generator | int | None


def _rows(*arrays: Any) -> tuple[list[np.ndarray[Any, Any]], int]:
    given = [np.asarray(array) for array in arrays]
    shapes = [array.shape for array in given]
    if any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
        raise ShapeError(f"examples are rows, so the first axes must agree: {shapes}")
    return given, shapes[0][0]


def batches(
    x: Any,
    y: Any = None,
    batch_size: int = 32,
    shuffle: bool = True,
    rng: Rng = None,
    drop_last: bool = False,
) -> Iterator[Any]:
    """Yield mini-batches ``(x_batch, y_batch)``, or ``x_batch`` alone where no ``y`` is given.

    Args:
        x: Examples along the first axis.
        y: Their labels or targets.
        batch_size: Examples in a batch; the last batch may be smaller.
        shuffle: Whether to draw a new order.
        rng: Where the order is drawn from; by default the global stream.
        drop_last: Whether to leave out a smaller last batch.

    >>> [len(batch) for batch in batches(np.arange(5), batch_size=2)]
    [2, 2, 1]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is at least 1, not {batch_size}")
    arrays, count = _rows(x) if y is None else _rows(x, y)
    order = generator(rng).permutation(count) if shuffle else np.arange(count)
    stop = count - count % batch_size if drop_last else count

    def draw() -> Iterator[Any]:
        for start in range(0, stop, batch_size):
            rows = order[start : min(start + batch_size, stop)]
            taken = [array[rows] for array in arrays]
            yield taken[0] if y is None else tuple(taken)

    return draw()


def train_test_split(
    *arrays: Any, test_size: float | int = 0.25, rng: Rng = None
) -> list[np.ndarray[Any, Any]]:
    """Split arrays along their first axis at random: ``x_train, x_test, y_train, y_test``.

    Args:
        arrays: Arrays of as many rows.
        test_size: Share of the rows that go to the test part, or their number.
        rng: Where the order is drawn from; by default the global stream.

    >>> x_train, x_test = train_test_split(np.arange(10), test_size=3, rng=0)
    >>> len(x_train), len(x_test)
    (7, 3)
    """
    given, count = _rows(*arrays)
    whole = isinstance(test_size, int | np.integer)
    held_out = int(test_size) if whole else round(test_size * count)
    if not 0 < held_out < count:
        raise ValueError(f"test_size={test_size} of {count} rows leaves one part empty")
    order = generator(rng).permutation(count)
    test, train = order[:held_out], order[held_out:]
    return [array[rows] for array in given for rows in (train, test)]


if not TYPE_CHECKING:  # a type checker is to say itself that a name is unknown

    def __getattr__(name: str) -> object:
        """Say what there is instead of a name that does not exist; runs on failure only."""
        raise AttributeError(advice(name, "minigrad.data", __all__), name=name)
