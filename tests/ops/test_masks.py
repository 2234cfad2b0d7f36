"""Choosing by bits is ``np.where``, for whatever a float holds."""

import numpy as np
import pytest

from minigrad.ops.masks import MANY, select

SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, 5e-324, -1e-40]


def drawn(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind != "f":
        return rng.integers(-9, 9, size=shape).astype(dtype)
    with np.errstate(all="ignore"):
        return rng.choice(SPECIAL, size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.complex128])
@pytest.mark.parametrize("count", [MANY - 1, MANY, 3 * MANY])
def test_every_bit_is_that_of_where(dtype, count):
    mask = np.random.default_rng(0).random((count, 2)) > 0.5
    a = drawn((count, 2), dtype, 1)
    b = a[::-1]
    column, row = a[:, :1], a[0]
    for x, y in [(a, b), (a, 0.0), (0.0, a), (a, -0.0), (-0.0, a), (a, 0), (1, a), (2.5, a)]:
        _same(mask, x, y)
    for x, y in [(column, row), (row, 0.0), (np.zeros((), dtype), a), (a.T.copy().T, b)]:
        _same(mask, x, y)
    _same(mask[:, :1], a, b)
    _same(mask[:, :1], a, 0.0)
    _same(mask.astype(np.int8), a, b)
    _same(mask, a, b.astype(np.complex128))
    _same(mask, a, b.real.astype(np.float64))
    _same(mask, a.astype(a.dtype.newbyteorder()), b)


def _same(mask, x, y):
    found, wanted = select(mask, x, y), np.where(mask, x, y)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert found.tobytes() == wanted.tobytes()
