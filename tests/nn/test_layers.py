"""Layers: what they compute, convert, draw at the start, and refuse."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn import init
from minigrad.serialize import load, save

X = np.linspace(-1.0, 1.0, 8).reshape(2, 4)


@pytest.fixture
def float64():
    mg.set_default_dtype(np.float64)
    yield
    mg.set_default_dtype(np.float32)


# Linear


def test_linear_computes_x_weight_plus_bias():
    layer = nn.Linear(4, 3, dtype=float, rng=0)
    layer.bias.data = np.array([1.0, 2.0, 3.0])  # type: ignore[union-attr]
    np.testing.assert_array_equal(layer(X).numpy(), X @ layer.weight.numpy() + [1.0, 2.0, 3.0])
    assert nn.Linear(4, 3, bias=False).bias is None
    assert [n for n, _ in nn.Linear(4, 3, bias=False).named_parameters()] == ["weight"]
    assert repr(layer) == layer.title() == "Linear(4 → 3)"


@pytest.mark.parametrize("shape", [(4,), (0, 4), (2, 4), (2, 3, 4), (1, 2, 3, 4)])
def test_linear_maps_the_last_axis(shape):
    x = np.random.default_rng(0).normal(size=shape)
    layer = nn.Linear(4, 3, dtype=float, rng=0)
    out = layer(x)
    assert out.shape == (*shape[:-1], 3)
    np.testing.assert_allclose(out.numpy(), x @ layer.weight.numpy(), rtol=1e-13)
    assert mg.gradcheck(lambda t: (layer(t) ** 2).sum(), x, params=layer)


def test_linear_takes_arrays_tensors_lists_and_any_real_dtype():
    layer = nn.Linear(4, 3, rng=0)
    expected = layer(X).numpy()
    for x in (X.tolist(), mg.tensor(X), mg.Tensor(X, requires_grad=True), X.astype(np.float32)):
        out = layer(x)
        assert out.dtype == np.float32
        np.testing.assert_array_equal(out.numpy(), expected)
    for dtype in (np.int64, np.uint8, bool, np.float16):
        assert layer(np.ones((2, 4), dtype)).dtype == np.float32


def test_linear_converts_a_tensor_in_an_op_that_the_graph_shows():
    layer = nn.Linear(4, 3, rng=0)
    x = mg.Tensor(X, requires_grad=True)
    product = layer(x).node.parents[0]
    cast = product.parents[0]
    assert cast.primitive.name == "astype"
    assert str(cast.scope) == "Linear (Linear(4 → 3))"
    assert cast.dtype == np.float32
    layer(x).sum().backward()
    assert x.grad.dtype == np.float64  # type: ignore[union-attr]
    same = mg.Tensor(X, requires_grad=True, dtype=np.float32)
    assert layer(same).node.parents[0].parents[0] is same.node


def test_linear_draws_from_where_it_is_told():
    def first(**settings):
        return nn.Linear(4, 3, **settings).weight.numpy()

    mg.seed(7)
    a = first()
    mg.seed(7)
    np.testing.assert_array_equal(first(), a)
    assert (first() != a).any()
    np.testing.assert_array_equal(first(rng=1), first(rng=np.random.default_rng(1)))
    np.testing.assert_array_equal(first(init=init.constant(0.5)), np.full((4, 3), 0.5))
    np.testing.assert_array_equal(nn.Linear(4, 3).bias.numpy(), np.zeros(3))  # type: ignore[union-attr]


def test_linear_refuses_what_it_cannot_be():
    for features in [(0, 1), (1, 0), (-2, 3)]:
        with pytest.raises(ValueError, match="Linear needs features, not"):
            nn.Linear(*features)
    with pytest.raises(ValueError, match=r"gave shape \(2,\) where \(4, 3\) was asked"):
        nn.Linear(4, 3, init=lambda shape, rng: np.zeros(2))
    with pytest.raises(DTypeError):
        nn.Linear(4, 3, dtype=int)
    with pytest.raises(ShapeError, match=r"(?s)x \(2, 3\).*in Linear \(Linear\(4 → 3\)\)"):
        nn.Linear(4, 3)(mg.tensor(np.ones((2, 3)), name="x"))


def test_new_parameters_are_float32_unless_told_otherwise(float64):
    assert nn.Linear(2, 2).weight.dtype == nn.Linear(2, 2).bias.dtype == np.float64  # type: ignore[union-attr]
    assert nn.Normalize(2).scale.dtype == np.float64
    assert nn.Linear(2, 2, dtype=np.float16).weight.dtype == np.float16
    mg.set_default_dtype("float32")
    assert nn.Linear(2, 2).weight.dtype == np.float32
    with pytest.raises(DTypeError, match="can't be int64"):
        mg.set_default_dtype(int)


# Normalize

ROWS = np.array([[100.0, 5.0, 7000.0], [400.0, 5.0, 10000.0], [200.0, 5.0, 8000.0]])


def test_normalize_maps_the_fitted_range():
    layer = nn.Normalize(3, dtype=float).fit(ROWS)
    out = layer(ROWS).numpy()
    np.testing.assert_allclose(out[:, [0, 2]], [[0.0, 0.0], [1.0, 1.0], [1 / 3, 1 / 3]], atol=1e-15)
    np.testing.assert_array_equal(out[:, 1], 0.0)
    standard = nn.Normalize(3, "standard", dtype=float).fit(ROWS)(ROWS).numpy()
    np.testing.assert_allclose(standard.mean(0), 0.0, atol=1e-15)
    np.testing.assert_allclose(standard.std(0), np.array([1.0, 0.0, 1.0]), atol=1e-15)


@pytest.mark.parametrize("method", ["minmax", "standard"])
@pytest.mark.parametrize("value", [0.1, 1e-30, -7.3, 1e30, 0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_feature_that_never_varies_maps_to_zero(method, value, dtype):
    rows = np.full((7, 1), value)  # the mean of seven times 0.1 is not 0.1
    layer = nn.Normalize(1, method, dtype).fit(rows)
    np.testing.assert_array_equal(layer(rows).numpy(), np.zeros((7, 1)))
    assert layer.scale.numpy() == 1.0


def test_normalize_is_fitted_to_rows_of_any_rank_and_does_nothing_before():
    np.testing.assert_array_equal(nn.Normalize(3, dtype=float)(ROWS).numpy(), ROWS)
    stacked = nn.Normalize(3, dtype=float).fit(np.stack([ROWS, ROWS + 50.0]))
    np.testing.assert_array_equal(stacked.offset.numpy(), [100.0, 5.0, 7000.0])
    assert stacked.title() == "Normalize(3, minmax)"


def test_normalize_is_saved_with_the_model(tmp_path):
    network = nn.Sequential(nn.Normalize(3).fit(ROWS), nn.Linear(3, 2))
    save(tmp_path / "model.npz", network)
    twin = nn.Sequential(nn.Normalize(3), nn.Linear(3, 2))
    twin.load_state_dict(load(tmp_path / "model.npz"))
    np.testing.assert_array_equal(twin(ROWS).numpy(), network(ROWS).numpy())
    assert list(network.state_dict())[:2] == ["layers.0.offset", "layers.0.scale"]
    assert len(network.parameters()) == 2


def test_normalize_passes_gradients_and_names_its_output():
    layer = nn.Normalize(3, dtype=float).fit(ROWS)
    assert mg.gradcheck(lambda x: (layer(x) ** 2).sum(), ROWS + 1.0)
    assert layer(mg.tensor(ROWS, name="x")).name == "scaled x"
    assert layer(ROWS).name == "scaled"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_normalize_refuses_what_is_not_finite(bad):
    rows = ROWS.copy()
    rows[1, 2] = bad
    layer = nn.Normalize(3)
    with pytest.raises(ValueError, match="fitted to finite data"):
        layer.fit(rows)
    np.testing.assert_array_equal(layer.scale.numpy(), np.ones(3))


def test_normalize_refuses_the_wrong_width():
    for rows in (ROWS[:, :2], ROWS[0], ROWS[:0], np.ones((3, 3, 4))):
        with pytest.raises(ValueError, match="Normalize is fitted to rows of 3"):
            nn.Normalize(3).fit(rows)
    network = nn.Sequential(nn.Normalize(3))
    for x in (ROWS[:, :1], ROWS[:, :2], np.float64(1.0)):
        with pytest.raises(ShapeError, match=r"(?s)rows of 3, not x .*in Sequential\.layers\.0"):
            network(x)
    with pytest.raises(ShapeError, match=r"rows of 1, not x \(3, 3\)"):
        nn.Normalize(1)(ROWS)
    with pytest.raises(ValueError, match="method is 'minmax' or 'standard', not 'max'"):
        nn.Normalize(3, "max")  # type: ignore[arg-type]


# Dropout, Flatten, Sequential


def test_dropout_works_only_while_training():
    layer = nn.Dropout(0.5, rng=0)
    x = np.ones((50, 50), np.float32)
    out = layer(x)
    assert set(np.unique(out)) == {0.0, 2.0}
    assert out.dtype == np.float32
    assert (layer(x) != out).any()
    assert layer.eval()(x) is x
    assert layer.title() == "Dropout(0.5)"
    np.testing.assert_array_equal(nn.Dropout(0.5, rng=0)(x), out)
    with pytest.raises(ValueError, match=r"Dropout: p is a probability, not 1\.5"):
        nn.Dropout(1.5)


@pytest.mark.parametrize(
    ("layer", "shape", "spatial"),
    [
        (nn.Dropout1d(0.5, rng=0), (4, 16, 5), 1),
        (nn.Dropout2d(0.5, rng=0), (4, 16, 3, 2), 2),
        (nn.Dropout3d(0.5, rng=0), (4, 16, 2, 2, 2), 3),
    ],
)
def test_dropout_of_channels_drops_them_whole(layer, shape, spatial):
    out = layer(np.ones(shape)).reshape(4, 16, -1)
    assert set(np.unique(out)) == {0.0, 2.0}
    assert (out == out[:, :, :1]).all()
    assert layer.eval()(np.ones(shape)).min() == 1.0


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).normal(size=(500, 500))
    out = nn.AlphaDropout(0.3, rng=0)(x)
    assert abs(out.mean()) < 0.01
    assert abs(out.var() - 1.0) < 0.02
    assert nn.AlphaDropout(0.3).eval()(x) is x


@pytest.mark.parametrize(
    ("shape", "start", "flat"),
    [
        ((2, 3, 4), 1, (2, 12)),
        ((2, 3, 4), 0, (24,)),
        ((2, 3, 4), 2, (2, 3, 4)),
        ((2, 3, 4), -2, (2, 12)),
        ((0, 3, 4), 1, (0, 12)),
        ((3,), 1, (3, 1)),
    ],
)
def test_flatten_joins_axes(shape, start, flat):
    x = np.random.default_rng(0).normal(size=shape)
    layer = nn.Flatten(start)
    assert layer(x).shape == layer(mg.tensor(x)).shape == flat
    np.testing.assert_array_equal(layer(x).ravel(), x.ravel())
    assert layer(x.tolist()).shape == flat or 0 in shape


def test_sequential_takes_any_function_of_one_tensor():
    network = nn.Sequential(nn.Linear(4, 4, dtype=float, rng=0), mg.tanh, lambda x: x[:, :2], abs)
    weight = network.layers[0].weight.numpy()  # type: ignore[attr-defined]
    expected = np.abs(np.tanh(X @ weight)[:, :2])
    np.testing.assert_allclose(network(X).numpy(), expected, rtol=1e-15)
    assert len(network) == 4
    assert network[1] is mg.tanh
    assert list(network) == network.layers
    assert nn.Sequential()(X) is X
    with pytest.raises(TypeError, match="layer 1 is not callable: 3"):
        nn.Sequential(mg.relu, 3)  # type: ignore[arg-type]


# Initial values


@pytest.mark.parametrize(
    ("initialiser", "variance", "bound"),
    [
        (init.uniform(-0.3, 0.3), 0.03, 0.3),
        (init.normal(0.5), 0.25, None),
        (init.xavier_uniform(), 2 / 500, math.sqrt(6 / 500)),
        (init.xavier_uniform(3.0), 18 / 500, 3 * math.sqrt(6 / 500)),
        (init.xavier_normal(), 2 / 500, None),
        (init.kaiming_uniform(), 2 / 300, math.sqrt(6 / 300)),
        (init.kaiming_uniform(1.0), 1 / 300, math.sqrt(3 / 300)),
        (init.kaiming_normal(), 2 / 300, None),
        (init.kaiming_normal(1.0), 1 / 300, None),
        (init.kaiming_normal(1.0, "fan_out"), 1 / 200, None),
        (init.kaiming_uniform(mode="fan_out"), 2 / 200, math.sqrt(6 / 200)),
    ],
)
def test_random_values_have_the_variance_and_bound_of_their_formula(initialiser, variance, bound):
    values = initialiser((300, 200), np.random.default_rng(0))
    assert values.shape == (300, 200)
    # Six standard errors of a variance and a mean estimated from 60,000 values.
    np.testing.assert_allclose(values.var(), variance, rtol=6 * math.sqrt(2 / values.size))
    assert abs(values.mean()) < 6 * math.sqrt(variance / values.size)
    if bound is not None:
        assert 0.999 * bound < np.abs(values).max() <= bound


def test_fans_count_windows_and_vectors():
    rng = np.random.default_rng
    window = init.kaiming_normal()((50, 10, 20, 20), rng(0))  # fan_in is 10 * 20 * 20
    np.testing.assert_allclose(window.var(), 2 / 4000, rtol=0.02)
    back = init.kaiming_normal(mode="fan_out")((50, 10, 20, 20), rng(0))
    np.testing.assert_allclose(back.var(), 2 / 20000, rtol=0.02)
    with pytest.raises(ValueError, match="mode is 'fan_in' or 'fan_out', not 'fan'"):
        init.kaiming_uniform(mode="fan")  # type: ignore[arg-type]
    vector = init.kaiming_uniform(1.0)((3000,), rng(0))
    np.testing.assert_allclose(vector.var(), 1 / 3000, rtol=0.1)
    assert init.xavier_normal()((), rng(0)).shape == ()
    assert init.kaiming_uniform()((0, 3), rng(0)).shape == (0, 3)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (4, 2, 3), (6, 1, 2, 2)])
def test_orthogonal_keeps_lengths(shape):
    weight = init.orthogonal(2.0)(shape, np.random.default_rng(0)).reshape(shape[0], -1)
    gram = weight @ weight.T if weight.shape[0] < weight.shape[1] else weight.T @ weight
    np.testing.assert_allclose(gram, 4.0 * np.eye(len(gram)), atol=1e-12)
    with pytest.raises(ValueError, match="orthogonal needs rows and columns"):
        init.orthogonal()((3,), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("std", "mean", "low", "high"),
    [(1.0, 0.0, -2.0, 2.0), (0.5, 1.0, 0.0, 1.25), (1.0, 0.0, 3.0, 9.0), (1.0, 0.0, -9.0, -6.0)],
)
def test_truncated_normal_has_the_moments_of_its_density(std, mean, low, high):
    values = init.truncated_normal(std, mean, low, high)((100_000,), np.random.default_rng(0))
    assert low <= values.min() < values.max() <= high
    x = np.linspace(low, high, 200_001)
    density = np.exp(-(((x - mean) / std) ** 2) / 2)
    exact = (x * density).sum() / density.sum()
    variance = ((x - exact) ** 2 * density).sum() / density.sum()
    assert abs(values.mean() - exact) < 6 * math.sqrt(variance / values.size)
    np.testing.assert_allclose(values.var(), variance, rtol=0.03)


def test_truncated_normal_refuses_what_has_no_values():
    for settings in [(1.0, 0.0, 2.0, 1.0), (0.0, 0.0, -1.0, 1.0)]:
        with pytest.raises(ValueError, match="needs low < high and std > 0"):
            init.truncated_normal(*settings)
    with pytest.raises(ValueError, match="nothing of the normal is in"):
        init.truncated_normal(1.0, 0.0, 90.0, 91.0)((2,), np.random.default_rng(0))


def test_constants_draw_nothing():
    rng = np.random.default_rng(0)
    for initialiser, value in ((init.zeros(), 0), (init.ones(), 1), (init.constant(2), 2)):
        np.testing.assert_array_equal(initialiser((2, 3), rng), np.full((2, 3), float(value)))
    assert rng.random() == np.random.default_rng(0).random()


def test_default_weights_keep_the_size_of_signals_through_relu():
    rng = np.random.default_rng(0)
    x = mg.tensor(rng.normal(size=(200, 256)))
    for _ in range(10):
        x = mg.relu(nn.Linear(256, 256, dtype=float, rng=rng)(x))
    assert 0.5 < np.mean(x.numpy() ** 2) < 2.0
