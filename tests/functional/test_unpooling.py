"""Where the largest elements were, and putting them back: PyTorch's, and norms of windows."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, smooth

RNG = np.random.default_rng(0)
X = {
    1: RNG.normal(size=(2, 3, 9)),
    2: RNG.normal(size=(2, 3, 7, 6)),
    3: RNG.normal(size=(2, 4, 5, 6)),
}
WITH: dict[int, Any] = {
    1: F.max_pool1d_with_indices,
    2: F.max_pool2d_with_indices,
    3: F.max_pool3d_with_indices,
}
BACK: dict[int, Any] = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}
NORM: dict[int, Any] = {1: F.lp_pool1d, 2: F.lp_pool2d, 3: F.lp_pool3d}
WINDOWS: list[tuple[int, dict[str, Any]]] = [
    (2, {}),
    (3, {"stride": 2, "padding": 1}),
    (2, {"stride": 3, "ceil_mode": True}),
    (2, {"stride": 1, "dilation": 2}),
]


@pytest.mark.parametrize(("kernel", "params"), WINDOWS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_places_of_the_largest(n, kernel, params):
    torch = pytest.importorskip("torch")
    values, places = WITH[n](X[n], kernel, **params)
    theirs = getattr(torch.nn.functional, f"max_pool{n}d")
    wanted, where = theirs(torch.tensor(X[n]), kernel, return_indices=True, **params)
    np.testing.assert_array_equal(values, wanted.numpy())
    np.testing.assert_array_equal(places, where.numpy())
    lead = X[n].shape[: X[n].ndim - n]
    rows = X[n].reshape(*lead, -1)
    np.testing.assert_array_equal(
        np.take_along_axis(rows, places.reshape(*lead, -1), -1).reshape(values.shape), values
    )


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("params", [{}, {"padding": 1, "stride": 2}])
def test_the_largest_are_put_back_where_they_were(n, params):
    size = X[n].shape[-n:]
    kernel = 3 if params else 2

    def ours(x):
        values, places = WITH[n](x, kernel, **params)
        return BACK[n](values, places, kernel, output_size=size, **params)

    def theirs(T, x):
        values, places = getattr(T, f"max_pool{n}d")(x, kernel, return_indices=True, **params)
        values = values.clone()
        return getattr(T, f"max_unpool{n}d")(values, places, kernel, output_size=size, **params)

    case = Case(ours, theirs, [X[n]])
    alike(case)
    if not params:  # where windows overlap, PyTorch counts the cotangent of a place several times
        agrees(case)
        smooth(case._replace(arrays=[X[n][:1, :1]]), 1) if n == 1 else None
    out = ours(X[n])
    assert out.shape == X[n].shape
    np.testing.assert_array_equal(out[out != 0], X[n][out != 0])


def test_without_a_size_it_is_what_the_windows_cover():
    values, places = F.max_pool2d_with_indices(X[2][..., :6, :], 2)
    out = F.max_unpool2d(values, places, 2)
    assert out.shape == (2, 3, 6, 6)
    assert (out != 0).sum() == values.size
    with pytest.raises(ShapeError, match="no place 30 or 65"):
        F.max_unpool2d(values, places + 30, 2)
    with pytest.raises(ShapeError, match="one place for each element"):
        F.max_unpool2d(values, places[:1], 2)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize(("kernel", "params"), [(2, {}), (3, {"stride": 2, "ceil_mode": True})])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_norms_of_windows(n, kernel, params, p):
    case = Case(
        lambda x: NORM[n](x, p, kernel, **params),
        lambda T, x: getattr(T, f"lp_pool{n}d")(x, p, kernel, **params),
        [np.abs(X[n]) + 0.1],
    )
    alike(case)
    agrees(case, 1e-11, 1e-13)


def test_a_window_of_zeros_has_a_finite_gradient():
    x = mg.tensor(np.array([[0.0, 0.0, 3.0, 4.0]]), requires_grad=True)
    F.lp_pool1d(x, 2, 2).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, [[0.0, 0.0, 0.6, 0.8]])
    with pytest.raises(ValueError, match="norm_type is positive, not 0"):
        F.lp_pool1d(x, 0, 2)


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_channels_dealt_out_anew(groups):
    x = RNG.normal(size=(2, 6, 3))
    out = F.channel_shuffle(x, groups)
    wanted = [c * (6 // groups) + i for i in range(6 // groups) for c in range(groups)]
    np.testing.assert_array_equal(out, x[:, wanted])
    with pytest.raises(ShapeError, match="multiple of 4 channels"):
        F.channel_shuffle(x, 4)
