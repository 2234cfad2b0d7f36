"""Products of every shape and layout are what NumPy makes of them."""

import os

import numpy as np
import pytest

import minigrad as mg
from minigrad.compile.native.products import even
from tests.compile.steps import needs_numba

SHAPES = [(3, 4, 8), (50, 20, 35), (13, 300, 70), (1, 1, 1), (33, 17, 1), (1, 9, 70)]
LARGE = [(300, 64, 3), (70, 600, 600), (257, 513, 129)]


def products(*arrays):
    """Both orders of both layouts, of each pair."""
    out = []
    for a, b in zip(arrays[::2], arrays[1::2], strict=True):
        g = (a @ b) * 1.5
        out += [g, g @ b.T, a.T @ g, np.matmul(np.stack([a, a + 1.0]), b)]
    return out


@needs_numba
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products(dtype):
    rng = np.random.default_rng(0)
    many = os.environ.get("HYPOTHESIS_PROFILE") == "ci"
    shapes = SHAPES + LARGE if many else SHAPES[:1] if dtype == np.float64 else SHAPES[2:3]
    compiled = mg.compile(products, backend="native")
    for _ in range(3):
        arrays = []
        for m, k, n in shapes:
            arrays += [rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)]
        for got, expected in zip(compiled(*arrays), products(*arrays), strict=True):
            scale = float(np.abs(expected).max())
            tolerance = 1e-5 if dtype == np.float32 else 1e-13
            np.testing.assert_allclose(got, expected, rtol=0, atol=20 * tolerance * scale)
    assert "stays NumPy (a product" not in compiled.explain()


@pytest.mark.parametrize("total", range(1, 40))
def test_parts_of_a_whole_are_all_of_it(total):
    for most in range(1, 17):
        count, length, rest = even(total, most)
        assert count * length + rest == total
        assert 0 < length <= most
        assert 0 <= rest < length
