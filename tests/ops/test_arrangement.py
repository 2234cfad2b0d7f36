"""Compositions that reduce, order, join, part and sample: NumPy's values, gradients of two orders.

Each call is written once, as a user writes it for arrays. It must give NumPy's values and dtypes on
arrays and Tensors, and gradients that agree with differences, of first and second order.
"""

from typing import Any

import numpy as np
import pytest

import minigrad as mg

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
    "atleast_3d": (lambda x: np.atleast_3d(x) * np.atleast_2d(x[0])[..., None], A),
    "broadcast_arrays": (lambda x, y: np.broadcast_arrays(x, y[:, None])[1], A, W),
    "meshgrid": (lambda x, y: np.meshgrid(x, y)[0] * np.meshgrid(x, y)[1], V, W),
    "meshgrid sparse": (lambda x, y: np.meshgrid(x, y, indexing="ij", sparse=True)[1], V, W),
    # turned
    "roll": (lambda x: np.roll(x, 5), A),
    "roll axes": (lambda x: np.roll(x, (1, -2), axis=(0, 1)), A),
    "roll by a list": (lambda x: np.roll(x, [1, -2], axis=[0, 1]), A),
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
    "methods": (lambda x: x.take([1, 0], axis=0).repeat(2, axis=1) + x.diagonal()[0], A),
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
    rng = np.random.default_rng(3)
    whole = [np.where(np.isnan(array), 0.0, array) for array in arrays]
    holes = [np.where(np.isnan(array), np.nan, 0.0) for array in arrays]
    weights = [rng.normal(size=plain(part).shape) for part in results(f(*arrays))]
    ahead = [rng.normal(size=array.shape) for array in arrays]

    def total(*tensors):  # not linear in the results, so that a linear call has a second order
        parts = results(f(*(t + hole for t, hole in zip(tensors, holes, strict=True))))
        terms = zip(weights, parts, strict=True)
        return sum((np.nansum(w * part * (1.0 + part)) for w, part in terms), start=0.0)

    def beside(step):
        return [x + step * d for x, d in zip(whole, ahead, strict=True)]

    def along(parts):
        return sum(float(np.sum(plain(p) * d)) for p, d in zip(parts, ahead, strict=True))

    slopes = mg.grad(total, argnums=tuple(range(len(whole))))
    step = 1e-5
    change = (plain(total(*beside(step))) - plain(total(*beside(-step)))) / (2 * step)
    np.testing.assert_allclose(along(slopes(*whole)), change, rtol=1e-7, atol=1e-7)

    def slope_along(*tensors):
        found = slopes(*tensors)
        return sum((np.sum(s * d) for s, d in zip(found, ahead, strict=True)), start=0.0)

    curvature = along(mg.grad(slope_along, argnums=tuple(range(len(whole))))(*whole))
    change = (along(slopes(*beside(step))) - along(slopes(*beside(-step)))) / (2 * step)
    np.testing.assert_allclose(curvature, change, rtol=1e-6, atol=1e-6)


def gradient(f, *arrays):
    """Gradients of the sum of ``f`` to the arrays; a single one for a single array."""
    tensors = [mg.Tensor(np.asarray(a, float), requires_grad=True) for a in arrays]
    f(*tensors).sum().backward()
    found = [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in tensors]
    return found[0] if len(found) == 1 else found


def equal(found, wanted):
    np.testing.assert_array_equal(plain(found), wanted)


# Nothing


@pytest.mark.parametrize("op", [np.max, np.min, np.ptp])
def test_an_extremum_of_nothing_says_what_to_do(op):
    with pytest.raises(ValueError, match=r"zero-size|no identity") as caught:
        op(mg.Tensor(np.zeros((0, 3))), axis=0)
    assert any("initial= says what it is then" in note for note in caught.value.__notes__)
    equal(np.max(mg.Tensor(np.zeros((0, 3))), axis=0, initial=-1.0), [-1.0] * 3)
    equal(np.min(mg.Tensor(np.zeros((2, 0))), axis=1, initial=7.0, keepdims=True), [[7.0]] * 2)


EMPTY = {
    "sum": lambda x: np.sum(x, axis=0),
    "prod": lambda x: np.prod(x, axis=0, where=np.ones((0, 3), bool)),
    "cumsum": lambda x: np.cumsum(x, axis=0),
    "cumprod": lambda x: np.cumprod(x, axis=0),
    "cummax": lambda x: np.maximum.accumulate(x, axis=1),
    "logcumsumexp": lambda x: np.logaddexp.accumulate(x, axis=0),
    "sort": lambda x: np.sort(x, axis=0),
    "median": lambda x: np.median(x, axis=1),
    "nansum": lambda x: np.nansum(x, axis=0),
    "diff": lambda x: np.diff(x, axis=0),
    "repeat": lambda x: np.repeat(x, 2, axis=0),
    "tile": lambda x: np.tile(x, 2),
    "roll": lambda x: np.roll(x, 1),
    "concatenate": lambda x: np.vstack([x, x]),
    "tril": lambda x: np.tril(x),
    "diagonal": lambda x: np.diagonal(x),
    "take": lambda x: np.take(x, [], axis=0),
    "unique": lambda x: np.unique(x),
    "insert": lambda x: np.insert(x, 0, 5.0, axis=0),
}


@pytest.mark.parametrize("name", EMPTY)
def test_no_elements_have_no_gradient_but_a_shape(name):
    nothing = np.zeros((0, 3))
    out = EMPTY[name](mg.Tensor(nothing, requires_grad=True))
    wanted = EMPTY[name](nothing)
    assert (out.shape, out.dtype) == (wanted.shape, wanted.dtype)
    assert gradient(EMPTY[name], nothing).shape == (0, 3)


# Products and recurrences


@pytest.mark.parametrize("zeros", [(), (1,), (1, 3), (0, 1, 2, 3)])
def test_running_products_with_zeros_are_exact_to_the_second_order(zeros):
    x = np.array([2.0, 3.0, 0.5, -1.0])
    x[list(zeros)] = 0.0

    def slopes(x, order):  # a polynomial in each element: differences of any step are exact
        if not order:
            return np.sum(np.cumprod(x))
        return (
            np.stack([slopes(x + e, order - 1) - slopes(x - e, order - 1) for e in np.eye(4)]) / 2
        )

    equal(gradient(np.cumprod, x), slopes(x, 1))
    equal(
        mg.hessian(lambda t: np.sum(np.cumprod(t)))(x).numpy() * (1 - np.eye(4)),
        slopes(x, 2) * (1 - np.eye(4)),
    )
    equal(np.diag(mg.hessian(lambda t: np.sum(np.cumprod(t)))(x).numpy()), np.zeros(4))
    equal(np.diag(mg.hessian(lambda t: np.prod(t))(x).numpy()), np.zeros(4))


@pytest.mark.parametrize("width", [1, 15, 16, 40])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_linear_recurrence_of_any_width(width, reverse, dtype):
    rng = np.random.default_rng(width)
    a, b = (rng.normal(size=(width, 6)).astype(dtype) for _ in "ab")
    wanted = b.copy()
    for i in range(4, -1, -1) if reverse else range(1, 6):
        wanted[:, i] += a[:, i] * wanted[:, i + 1 if reverse else i - 1]
    found = mg.linear_recurrence(a, b, reverse=reverse)
    assert found.dtype == dtype
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(found, wanted, rtol=32 * eps, atol=32 * eps)
    equal(mg.linear_recurrence(a.T, b.T, axis=0, reverse=reverse), found.T)


def test_logcumsumexp_keeps_its_digits_far_out():
    x = np.array([-1e4, 1e4, 1e4, -np.inf])
    two = np.log(2.0)
    np.testing.assert_allclose(mg.logcumsumexp(x), [-1e4, 1e4, 1e4 + two, 1e4 + two])
    np.testing.assert_allclose(gradient(mg.logcumsumexp, x), [1.0, 2.0, 1.0, 0.0])


# Order


METHODS = [
    *("linear", "lower", "higher", "midpoint", "nearest", "hazen", "weibull"),
    *("inverted_cdf", "averaged_inverted_cdf", "interpolated_inverted_cdf"),
    *("closest_observation", "median_unbiased", "normal_unbiased"),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_quantiles_by_every_method(method, dtype):
    for n in (1, 2, 5, 8):
        x = (RNG.normal(size=n) * 5).astype(dtype)
        for q in (0.0, 0.25, 0.37, 0.5, 1.0, [0.1, 0.9], np.float32(0.3)):
            wanted = np.quantile(x, q, method=method)
            for op in (mg.quantile, mg.nanquantile):
                found = op(mg.Tensor(x), q, method=method)
                assert (found.shape, found.dtype) == (np.shape(wanted), wanted.dtype)
                eps = float(np.finfo(found.dtype).eps) if found.dtype.kind == "f" else 0.0
                np.testing.assert_allclose(found.numpy(), wanted, rtol=8 * eps, atol=8 * eps)
    x = np.array([[1.0, np.nan, 2.0], [4.0, 3.0, 5.0]])
    equal(mg.quantile(x, 0.4, axis=1, method=method)[:1], [np.nan])


def test_a_quantile_of_a_tensor_of_places_and_what_it_refuses():
    x = np.array([1.0, 2.0, 4.0, 8.0])
    equal(gradient(lambda q: mg.quantile(x, q), [0.5, 0.9]), [6.0, 12.0])
    for wrong, error in ((1.5, ValueError), ([[0.5]], ValueError)):
        with pytest.raises(error, match="quantile: q"):
            mg.quantile(x, wrong)
    with pytest.raises(ValueError, match=r"no method 'cubic'; there are linear"):
        mg.quantile(x, 0.5, method="cubic")
    with pytest.raises(IndexError, match=r"quantile of no elements: shape \(0,\)"):
        mg.quantile(x[:0], 0.5)
    with pytest.raises(TypeError, match="real numbers, not bool"):
        mg.percentile(x > 2, 50)


def test_slices_of_nan_warn_as_numpy_does():
    x = np.array([[np.nan, np.nan], [1.0, np.nan]])
    for name, words in {
        "nanmax": "All-NaN",
        "nanmedian": "All-NaN",
        "nanmean": "Mean of empty",
        "nanvar": "Degrees of freedom",
    }.items():
        with pytest.warns(RuntimeWarning, match=words):
            found = getattr(np, name)(mg.Tensor(x), axis=1)
        assert np.isnan(plain(found)).tolist() == [True, False]


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("largest", [True, False])
def test_topk_is_the_head_of_a_sort(axis, largest):
    x = np.array([[3.0, 1.0, 3.0], [2.0, np.nan, 5.0]])
    found = mg.topk(mg.Tensor(x, requires_grad=True), 2, axis, largest)
    order = np.argsort(-x if largest else x, axis=axis, kind="stable")
    if largest:  # NaN counts as the largest
        order = np.argsort(np.where(np.isnan(x), -np.inf, -x), axis=axis, kind="stable")
    order = np.take(order, [0, 1], axis=axis)
    equal(found.indices, order)
    equal(found.values, np.take_along_axis(x, order, axis))
    with pytest.raises(ValueError, match=r"topk: k=4 of \d elements along axis"):
        mg.topk(x, 4, axis)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("kind", [float, np.int8, bool])
def test_topk_of_many_is_the_head_of_a_sort_too(largest, kind):
    x = np.random.default_rng(0).integers(-3, 4, size=(40, 3, 50)).astype(kind)
    if kind is float:
        x[0, 0, :2], x[1, 1, 7] = np.inf, -np.inf
    for axis, k in ((0, 1), (0, 5), (2, 6)):
        found = mg.topk(x, k, axis, largest)
        keys = np.flip(x, axis) if largest else x
        order = np.argsort(keys, axis=axis, kind="stable")
        if largest:
            order = x.shape[axis] - 1 - np.flip(order, axis)
        order = np.take(order, range(k), axis=axis)
        equal(found.indices, order)
        equal(found.values, np.take_along_axis(x, order, axis))


def test_indices_and_counts_are_tensors_of_integers():
    x = mg.Tensor([[3.0, 0.0], [1.0, 3.0]], requires_grad=True)
    equal(np.count_nonzero(x, axis=0), [2, 1])
    equal(np.argwhere(x), [[0, 0], [1, 0], [1, 1]])
    equal(np.nonzero(x)[1], [0, 0, 1])
    equal(np.where(x)[0], [0, 1, 1])
    equal(np.flatnonzero(x), [0, 2, 3])
    equal(np.searchsorted([1.0, 3.0], x, side="right"), [[2, 0], [1, 2]])
    equal(np.searchsorted(x[:, 1], [1.0], sorter=np.array([0, 1])), [1])
    equal(np.digitize(x, [3.0, 1.0, 0.5]), np.digitize(x.numpy(), [3.0, 1.0, 0.5]))
    equal(np.digitize(x, [0.5, 3.0], right=True), [[1, 0], [1, 1]])
    equal(np.lexsort((x[0], x[1])), [0, 1])
    equal(np.argpartition(x, 1, axis=1), [[1, 0], [0, 1]])
    equal(np.bincount(mg.Tensor([1, 1, 3])), [0, 2, 0, 1])
    values, index, inverse, counts = np.unique(x, True, True, True)
    equal(values, [0.0, 1.0, 3.0])
    equal(index, [1, 2, 0])
    equal(inverse, [[2, 0], [1, 2]])
    equal(counts, [1, 1, 2])
    with pytest.raises(ValueError, match="bins must ascend or descend"):
        np.digitize(x, [1.0, 3.0, 2.0])


# Putting


def test_put_along_axis_is_the_inverse_of_taking():
    x, v = np.arange(6.0).reshape(2, 3), np.array([[7.0], [8.0]])
    places = np.array([[2], [0]])
    wanted = x.copy()
    np.put_along_axis(wanted, places, v, axis=1)
    equal(mg.put_along_axis(x, places, v, axis=1), wanted)
    gx, gv = gradient(lambda t, u: mg.put_along_axis(t, places, u, 1) * (x + 1.0), x, v)
    equal(gx, [[1.0, 2.0, 0.0], [0.0, 5.0, 6.0]])
    equal(gv, [[3.0], [4.0]])
    flat = x.copy()
    np.put_along_axis(flat, np.array([4]), 9.0, None)
    equal(mg.put_along_axis(x, np.array([4]), 9.0, None), flat)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.put(t, [0], 1.0),
        lambda t: np.fill_diagonal(t, 1.0),
        lambda t: np.put_along_axis(t, np.array([[0], [0]]), 1.0, 1),
        lambda t: np.add.at(t, 0, 1.0),
    ],
)
def test_what_writes_in_place_raises_and_names_what_does_not(call):
    with pytest.raises(mg.NotDifferentiable, match="new tensor"):
        call(mg.Tensor(np.ones((2, 2)), requires_grad=True))


# What does not fit

WRONG: Any = "A"  # which a type checker would refuse


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: mg.split(t, 3), r"axis 0 of \(2, 2\) has no 3 equal parts; array_split makes"),
        (lambda t: mg.dsplit(t, 2), "dsplit: x has 2 axes, and at least 3"),
        (lambda t: mg.take(t, [0], mode="around"), "'raise', 'wrap' or 'clip', not 'around'"),
        (lambda t: mg.choose(np.array([2, 0]), [t, t]), r"names choices 0\.\.2 of 2"),
        (lambda t: mg.select([t > 0], []), "1 conditions for 0 choices"),
        (lambda t: mg.piecewise(t, [t > 0, t < 0], [1.0]), "1 functions for 2 conditions"),
        (lambda t: mg.convolve(t, t[0]), r"a \(2, 2\) and v \(2,\) must have one axis each"),
        (lambda t: mg.convolve(t[0], t[0], WRONG), "not 'A'"),
        (lambda t: mg.interp(t, [0.0, 1.0], [1.0]), r"xp \(2,\) and fp \(1,\)"),
        (lambda t: mg.gradient(t, edge_order=2), r"axis 0 of \(2, 2\) needs at least 3 samples"),
        (lambda t: mg.gradient(t, edge_order=3), "edge_order is 1 or 2"),
        (lambda t: mg.diff(t, -1), "order n must not be negative"),
        (lambda t: mg.reshape(t, 4, order=WRONG), "order is 'C' or 'F', not 'A'"),
        (lambda t: mg.block([[t], t]), "nested to different depths"),
        (lambda t: mg.meshgrid(t[0], indexing="yx"), "'xy' or 'ij', not 'yx'"),
        (lambda t: mg.max(t, where=t > 0), "with where=, initial= must say"),
        (lambda t: mg.var(t, ddof=1, correction=2), "two names of one number"),
        (lambda t: mg.average(t, 0, np.ones(3)), r"weights of shape \(3,\) do not fit axis 0"),
        (lambda t: mg.linear_recurrence(t, t[0]), r"a \(2, 2\) and b \(2,\) must have one shape"),
        (lambda t: mg.pad(t, 1, "median"), "mg.concatenate joins a border computed from x"),
        (lambda t: mg.repeat(t, -1), "must not be negative"),
        (lambda t: mg.roll(t, 1, axis=2), "axis 2 is out of bounds"),
        (lambda t: mg.take(t, [0], axis=2), "axis 2 is out of bounds"),
        (lambda t: mg.median(t, axis=(0, 0)), "duplicate value in 'axis'"),
        (lambda t: mg.diag(t[None]), r"one axis or two, not shape \(1, 2, 2\)"),
    ],
)
def test_what_does_not_fit_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call(mg.Tensor(np.ones((2, 2)), requires_grad=True))


def test_weights_that_sum_to_zero():
    with pytest.raises(ZeroDivisionError, match="weights sum to zero"):
        mg.average(np.ones(2), weights=np.array([1.0, -1.0]))
    with pytest.raises(TypeError, match="need an axis to lie along"):
        mg.average(np.ones((2, 3)), weights=np.ones(3))


def test_a_covariance_without_degrees_of_freedom_warns():
    with pytest.warns(RuntimeWarning, match="Degrees of freedom"), np.errstate(all="ignore"):
        assert np.isnan(mg.cov(np.ones((1, 1)))).all()


def test_constants_are_extended_by_what_was_not_recorded():
    x = np.arange(6.0).reshape(2, 3)
    assert isinstance(mg.median(x, axis=0), np.ndarray)
    assert isinstance(mg.hstack([x, x]), np.ndarray)
    assert mg.tile([1, 2], 2).tolist() == [1, 2, 1, 2]
    assert mg.interp([0.5], [0, 1], [0, 10]).tolist() == [5.0]
