"""A digest says of an array what NumPy says of it."""

import math

import hypothesis.extra.numpy as npst
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minigrad.viz.digest import BINS, digest

ARRAYS = npst.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.bool_]),
    npst.array_shapes(min_dims=0, max_dims=3, max_side=40),
)


@given(ARRAYS)
def test_statistics_are_those_of_the_finite_elements(array):
    d = digest(array)
    wide = array.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    assert (d.shape, d.dtype, d.size) == (array.shape, array.dtype.name, array.size)
    assert (d.nan, d.inf) == (np.isnan(wide).sum(), np.isinf(wide).sum())
    if finite.size:
        assert (d.low, d.high) == (finite.min(), finite.max())
        assert d.low <= d.mean <= d.high
        norm = math.hypot(*finite.tolist())
        largest = float(np.abs(finite).max())
        # At the end of the range hypot may round to infinity what a scaled sum does not.
        assert math.isclose(d.norm, norm, rel_tol=1e-12) or d.norm >= largest > 1e300
    if d.rows is not None:
        flat = np.array([x for row in d.rows for x in row], dtype=np.float64)
        np.testing.assert_array_equal(flat, wide.ravel())


@given(npst.arrays(np.float64, (40, 40), elements=st.floats(-1e3, 1e3)))
def test_bins_count_every_element(array):
    d = digest(array)
    assert d.rows is None
    assert sum(d.bins) == array.size
    if d.low < d.high:
        assert min(d.bins[0], d.bins[-1]) > 0


def test_bins_count_elements_where_they_lie():
    array = np.random.default_rng(0).normal(size=5000)
    expected = np.histogram(array, BINS, (array.min(), array.max()))[0]
    assert list(digest(array).bins) == expected.tolist()


@pytest.mark.parametrize(
    ("shape", "rows", "width", "digits"),
    [
        ((), 1, 1, True), ((8,), 1, 8, True), ((10,), 2, 5, True), ((64,), 8, 8, True),
        ((8, 8), 8, 8, True), ((2, 3, 4), 6, 4, True), ((9, 2), 9, 2, False),
        ((32, 32), 32, 32, False), ((128,), 4, 32, False), ((1024,), 32, 32, False),
    ],
)  # fmt: skip
def test_small_arrays_are_kept_as_rows(shape, rows, width, digits):
    d = digest(np.ones(shape))
    assert d.rows is not None
    assert (len(d.rows), len(d.rows[0]), d.digits) == (rows, width, digits)


@pytest.mark.parametrize("shape", [(33, 2), (2, 33), (1025,), (0,), (3, 0)])
def test_other_arrays_are_not_kept(shape):
    assert digest(np.ones(shape)).rows is None


def test_elements_that_are_equal_fall_into_one_bin():
    assert sorted(digest(np.full((40, 40), 2.5)).bins)[-2:] == [0, 1600]


def test_complex_numbers_are_drawn_by_magnitude():
    d = digest(np.array([3 + 4j, 0]))
    assert d.rows == ((5.0, 0.0),)
    assert d.dtype == "complex128"


def test_it_holds_no_array():
    array = np.ones((4, 4))
    d = digest(array)
    array[:] = 7.0
    assert d.rows == ((1.0,) * 4,) * 4
