"""Compositions that reduce, order, join, part and sample: NumPy's values, gradients of two orders.

Each call is written once, as a user writes it for arrays. It must give NumPy's values and dtypes on
arrays and Tensors, and gradients that agree with differences, of first and second order.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import gradcheck

RNG = np.random.default_rng(5)
A, B = RNG.permuted(np.linspace(-2.0, 2.0, 12)).reshape(3, 4), RNG.normal(size=(3, 4))
V, W = RNG.permuted(np.linspace(0.3, 2.5, 5)), RNG.normal(size=3)
CUBE = RNG.permuted(np.linspace(-1.5, 1.5, 24)).reshape(2, 3, 4)
HOLES = np.where(np.arange(12).reshape(3, 4) % 5 == 1, np.nan, A)
MASK = A > -0.7

# Name -> what is computed, and of which arrays.
CALLS = {
    # sums of a part
    "sum where": (lambda x: np.sum(x, axis=0, where=MASK), A),
    "sum where initial": (lambda x: np.sum(x, axis=(0, 1), where=MASK, initial=2.0), A),
    "add.reduce where": (lambda x: np.add.reduce(x, axis=1, where=MASK, keepdims=True), A),
    "prod where initial": (lambda x: np.prod(x, axis=1, where=MASK, initial=3.0), A),
    "mean where": (lambda x: np.mean(x, axis=1, where=MASK), A),
    "var where": (lambda x: np.var(x, axis=1, where=MASK, ddof=1), A),
    "var mean": (lambda x: np.var(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)), A),
    "std where": (lambda x: np.std(x, axis=0, where=MASK, keepdims=True), A),
    "var correction": (lambda x: np.var(x, correction=1), A),
    "max initial": (lambda x: np.max(x, axis=0, initial=0.5), A),
    "max where": (lambda x: np.max(x, axis=0, initial=-9.0, where=MASK), A),
    "min where": (lambda x: np.min(x, axis=1, initial=9.0, where=MASK), A),
    "minimum.reduce initial": (lambda x: np.minimum.reduce(x, axis=1, initial=-1.0), A),
    "ptp": (lambda x: np.ptp(x, axis=1, keepdims=True), A),
    "nansum": (lambda x: np.nansum(x, axis=0), HOLES),
    "nanprod": (lambda x: np.nanprod(x, axis=1, keepdims=True), HOLES),
    "nanmean": (lambda x: np.nanmean(x, axis=0), HOLES),
    "nanmean where": (lambda x: np.nanmean(x, axis=1, where=MASK), HOLES),
    "nanvar": (lambda x: np.nanvar(x, axis=1, ddof=1), HOLES),
    "nanstd": (lambda x: np.nanstd(x, axis=0, keepdims=True), HOLES),
    "nanmax": (lambda x: np.nanmax(x, axis=0), HOLES),
    "nanmin": (lambda x: np.nanmin(x), HOLES),
    "nancumsum": (lambda x: np.nancumsum(x, axis=1), HOLES),
    "nancumprod": (lambda x: np.nancumprod(x), HOLES),
    # moments
    "average": (lambda x, w: np.average(x, axis=1, weights=w * w), A, B),
    "average of axis": (lambda x, w: np.average(x, axis=0, weights=w * w), A, W),
    "average of axes": (lambda x, w: np.average(x, (2, 0), weights=w.T[:, :2] ** 2), CUBE, A),
    "average returned": (lambda x: np.average(x, axis=0, returned=True), A),
    "average keepdims": (lambda x, w: np.average(x, 0, w * w, keepdims=True), A, W),
    "cov": (lambda x: np.cov(x), A),
    "cov of two": (lambda x, y: np.cov(x, y, rowvar=False, bias=True), A, B),
    "cov weighed": (
        lambda x, w: np.cov(x, aweights=w * w, fweights=np.array([1, 2, 1, 3])),
        A,
        B[0],
    ),
    "cov of a vector": (lambda x: np.cov(x, ddof=0), V),
    "corrcoef": (lambda x: np.corrcoef(x), A),
    "corrcoef of two": (lambda x, y: np.corrcoef(x, y), A[0], B[0]),
    # in order
    "median odd": (lambda x: np.median(x, axis=0), A),
    "median even": (lambda x: np.median(x, axis=(0, 1), keepdims=True), A),
    "median axes": (lambda x: np.median(x, axis=(2, 0)), CUBE),
    "nanmedian": (lambda x: np.nanmedian(x, axis=0), HOLES),
    "nanmedian all": (lambda x: np.nanmedian(x, keepdims=True), HOLES),
    "quantile": (lambda x: np.quantile(x, 0.3, axis=1), A),
    "quantile several": (lambda x: np.quantile(x, [0.0, 0.13, 0.8, 1.0], axis=(0, 2)), CUBE),
    "quantile keepdims": (lambda x: np.quantile(x, [0.2, 0.9], axis=0, keepdims=True), A),
    "percentile": (lambda x: np.percentile(x, 35, axis=0), A),
    "nanquantile": (lambda x: np.nanquantile(x, [0.2, 0.7], axis=0), HOLES),
    "nanpercentile": (lambda x: np.nanpercentile(x, 20, axis=1, keepdims=True), HOLES),
    "sort stable": (lambda x: np.sort(x, axis=0, kind="stable"), A),
    "partition": (lambda x: np.partition(x, 2, axis=1), A),
    "partition flat": (lambda x: np.partition(x, (3, 7), axis=None), A),
    "unique": (lambda x: np.unique(x), A[:, :2]),
    "unique counts": (lambda x: np.unique(x, return_counts=True)[1] * x, V),
    # running
    "cumsum flat": (lambda x: np.cumsum(x), A),
    "cumsum axis": (lambda x: np.cumsum(x, axis=-2), CUBE),
    "cumprod flat": (lambda x: np.cumprod(x), A[:2]),
    "cumprod axis": (lambda x: np.cumprod(x, axis=1), CUBE),
    "add.accumulate": (lambda x: np.add.accumulate(x), A),
    "multiply.accumulate": (lambda x: np.multiply.accumulate(x, axis=1), A),
    "maximum.accumulate": (lambda x: np.maximum.accumulate(x, axis=1), CUBE),
    "minimum.accumulate": (lambda x: np.minimum.accumulate(x), A),
    "logaddexp.accumulate": (lambda x: np.logaddexp.accumulate(x, axis=1), A),
    "logaddexp.reduce": (lambda x: np.logaddexp.reduce(x, axis=1), A),
    # samples
    "diff": (lambda x: np.diff(x, n=2, axis=0), A),
    "diff between": (lambda x, y: np.diff(x, prepend=0.5, append=y), A, B),
    "ediff1d": (lambda x, y: np.ediff1d(x, to_end=y, to_begin=7.0), A, W),
    "gradient": (lambda x: np.gradient(x), A),
    "gradient spaced": (lambda x: np.gradient(x, 0.5, axis=1), A),
    "gradient spaced twice": (lambda x: np.gradient(x, 0.5, [0.0, 1.0, 3.0, 3.5])[1], A),
    "gradient second edge": (lambda x: np.gradient(x, 0.5, edge_order=2, axis=(1, 0))[0], A),
    "gradient at points": (
        lambda x, t: np.gradient(x, np.cumsum(t * t + 1.0), axis=1, edge_order=2),
        A,
        B[0],
    ),
    "trapezoid": (lambda y: np.trapezoid(y, dx=0.5, axis=0), A),
    "trapezoid at points": (lambda y, x: np.trapezoid(y, x, axis=1), CUBE, W),
    "trapezoid at many": (lambda y, x: np.trapezoid(y, x), A, B),
    "interp": (lambda x, y: np.interp(x, [-1.0, 0.05, 0.3, 1.7], y), A, B[0]),
    "interp points": (lambda x, p: np.interp(x, np.cumsum(p), A[0, :3], -5.0, 8.0), A, abs(W)),
    "interp periodic": (
        lambda x, y: np.interp(x, [0.53, 2.71, 1.17, 4.03], y, period=3.1),
        A,
        B[0],
    ),
    **{
        f"{name} {mode} {swap}": (
            lambda a, v, f=f, mode=mode: f(a, v, mode),
            *((V, W) if swap else (W, V)),
        )
        for name, f in {"convolve": np.convolve, "correlate": np.correlate}.items()
        for mode in ("full", "same", "valid")
        for swap in (0, 1)
    },
    "correlate even": (lambda a, v: np.correlate(a, v, "same"), W[:2], V),
    # joined, parted, repeated
    "hstack": (lambda x, y: np.hstack([x, y]), V, W),
    "hstack matrices": (lambda x, y: np.hstack((x, y[:, :1])), A, B),
    "vstack": (lambda x, y: np.vstack([x, y[0]]), A, B),
    "dstack": (lambda x, y: np.dstack([x, y]), A, B),
    "column_stack": (lambda x, y: np.column_stack([x, y]), A, W),
    "stack": (lambda x, y: np.stack([x, y], axis=1), A, B),
    "block": (lambda x, y: np.block([[x, y], [np.zeros((1, 8))]]), A, B),
    "block vectors": (lambda x, y: np.block([x, y, 3.0]), V, W),
    "append": (lambda x, y: np.append(x, y), A, W),
    "append axis": (lambda x, y: np.append(x, y, axis=1), A, B),
    "split": (lambda x: np.split(x, 2, axis=1)[1], A),
    "split at": (lambda x: np.split(x, [1, 3], axis=-1)[1], A),
    "array_split": (lambda x: np.array_split(x, 3, axis=1)[0], A),
    "hsplit": (lambda x: np.hsplit(x, 2)[0], A),
    "vsplit": (lambda x: np.vsplit(x, 3)[2], A),
    "dsplit": (lambda x: np.dsplit(x, [2])[1], CUBE),
    "tile": (lambda x: np.tile(x, 2), A),
    "tile axes": (lambda x: np.tile(x, (2, 1, 3)), A),
    "repeat": (lambda x: np.repeat(x, 2), A),
    "repeat axis": (lambda x: np.repeat(x, 3, axis=-1), A),
    "repeat each": (lambda x: np.repeat(x, [0, 2, 1], axis=0), A),
    "resize": (lambda x: np.resize(x, (5, 4)), A),
    "insert": (lambda x, y: np.insert(x, 1, y[0], axis=0), A, B),
    "insert column": (lambda x, y: np.insert(x, -1, y, axis=1), A, W),
    "insert several": (lambda x, y: np.insert(x, [1, 1, 3], y, axis=1), A, W[:1]),
    "insert flat": (lambda x, y: np.insert(x, [0, 5], y[:2]), A, W),
    "insert slice": (lambda x, y: np.insert(x, slice(0, 2), y[:2], axis=0), A, B),
    "delete": (lambda x: np.delete(x, [0, -1], axis=1), A),
    "delete slice": (lambda x: np.delete(x, slice(None, None, 3)), A),
    "atleast": (lambda x: np.atleast_3d(x) * np.atleast_2d(x[0])[..., None], A),
    "broadcast_arrays": (lambda x, y: np.broadcast_arrays(x, y[:, None])[1], A, W),
    "meshgrid": (lambda x, y: np.meshgrid(x, y)[0] * np.meshgrid(x, y)[1], V, W),
    "meshgrid sparse": (lambda x, y: np.meshgrid(x, y, indexing="ij", sparse=True)[1], V, W),
    # turned
    "roll": (lambda x: np.roll(x, 5), A),
    "roll axes": (lambda x: np.roll(x, (1, -2), axis=(0, 1)), A),
    **{f"rot90 {k}": (lambda x, k=k: np.rot90(x, k, axes=(1, 2)), CUBE) for k in range(-1, 4)},
    "fliplr": (lambda x: np.fliplr(x), A),
    "flipud": (lambda x: np.flipud(x), A),
    "moveaxis": (lambda x: np.moveaxis(x, (0, -1), (1, 0)), CUBE),
    "rollaxis": (lambda x: np.rollaxis(x, 2, -1), CUBE),
    "matrix_transpose": (lambda x: np.matrix_transpose(x), CUBE),
    "permute_dims": (lambda x: np.permute_dims(x, (2, 0, 1)), CUBE),
    "reshape F": (lambda x: np.reshape(x, (4, -1), order="F"), CUBE),
    "reshape method F": (lambda x: x.reshape(6, 4, order="F"), CUBE),
    "ravel F": (lambda x: np.ravel(x, order="F"), CUBE),
    # diagonals
    "diag": (lambda x: np.diag(x, -1), W),
    "diag of a matrix": (lambda x: np.diag(x, 1), A),
    "diagflat": (lambda x: np.diagflat(x, 2), A[:2, :2]),
    "diagonal": (lambda x: np.diagonal(x, 1, 0, 2), CUBE),
    "trace": (lambda x: np.trace(x, offset=-1, axis1=1, axis2=2), CUBE),
    "tril": (lambda x: np.tril(x, -1), CUBE),
    "triu": (lambda x: np.triu(x, 1), A),
    "triu of a vector": (lambda x: np.triu(x), W),
    # selected
    "take": (lambda x: np.take(x, [[0, 3], [3, 1]], axis=1), A),
    "take wrap": (lambda x: np.take(x, [5, -13, 25], mode="wrap"), A),
    "take clip": (lambda x: np.take(x, [-5, 9, 1], axis=0, mode="clip"), A),
    "take scalar": (lambda x: np.take(x, 2, axis=1), A),
    "compress": (lambda x: np.compress([False, True, True], x, axis=1), A),
    "extract": (lambda x: np.extract(MASK, x), A),
    "choose": (lambda x, y: np.choose([[0, 1, 1, 0]], [x, y]), A, B),
    "choose wrap": (lambda x, y: np.choose([3, -1, 4, 2], [x, y], mode="wrap"), A, B),
    "select": (lambda x, y: np.select([MASK, x > -1.2], [x * y, y * y], 3.0), A, B),
    "piecewise": (lambda x: np.piecewise(x, [x < 0, x > 1], [lambda t: t * t, 4.0, np.exp]), A),
    "bincount": (lambda w: np.bincount([0, 4, 4, 1, 0], weights=w, minlength=7), V),
    "where": (lambda x: np.where(x[:, :, None] > np.zeros(2), x[:, :, None], 2.0), A),
}


def results(value):
    """What a call gives, as a list of Tensors or arrays."""
    return list(value) if isinstance(value, tuple | list) else [value]


def plain(value):
    return value.numpy() if isinstance(value, mg.Tensor) else np.asarray(value)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_has_numpys_values_and_dtypes(name):
    f, *arrays = CALLS[name]
    for dtype in (np.float64, np.float32):
        cast = [np.asarray(array, dtype) for array in arrays]
        wanted = results(f(*cast))
        found = results(f(*(mg.Tensor(array, requires_grad=True) for array in cast)))
        assert len(found) == len(wanted)
        for ours, numpys in zip(found, wanted, strict=True):
            assert isinstance(ours, mg.Tensor)
            assert (ours.shape, ours.dtype) == (numpys.shape, numpys.dtype)
            eps = float(np.finfo(dtype).eps)
            np.testing.assert_allclose(ours.numpy(), numpys, rtol=32 * eps, atol=16 * eps)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_has_gradients_of_two_orders(name):
    f, *arrays = CALLS[name]
    whole = [np.where(np.isnan(array), 0.0, array) for array in arrays]
    holes = [np.isnan(array) for array in arrays]

    def total(*tensors):
        with_holes = [
            mg.where(hole, np.nan, t) if hole.any() else t
            for hole, t in zip(holes, tensors, strict=True)
        ]
        parts = results(f(*with_holes))
        return mg.concatenate([mg.reshape(part, -1) for part in parts])

    for order in (1, 2):
        gradcheck(total, *whole, order=order).raise_if_failed()
