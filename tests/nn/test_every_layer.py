"""Every layer: PyTorch's values and gradients, state, modes, precision, and how it shows itself."""

import copy
import importlib.metadata
import inspect
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.serialize import load, save
from tests.nn.answers import (
    CASES,
    STORED,
    inputs_of,
    our_answers,
    packed,
    torch_answers,
)

TOLERANCE: Any = {"rtol": 1e-10, "atol": 1e-10}


def layer_of(case):
    return case.ours().train(case.train)


def given(case):
    return inputs_of(case) if case.inputs is None else [case.inputs]


def arrays(outputs):
    parts = outputs if isinstance(outputs, list) else [outputs]
    return [part.numpy() if isinstance(part, mg.Tensor) else part for part in parts]


@pytest.fixture(scope="module")
def stored():
    with np.load(STORED) as file:
        return dict(file)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_stored_of_torch(name, stored):
    np.testing.assert_allclose(packed(our_answers(CASES[name])), stored[name], **TOLERANCE)


def test_what_is_stored_is_what_is_asked(stored):
    assert stored.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_torch_where_it_is_installed(name):
    torch = pytest.importorskip("torch")
    ours, theirs = our_answers(CASES[name]), torch_answers(torch, CASES[name])
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, err_msg=key, **TOLERANCE)


def test_the_stored_answers_are_todays_where_torch_is_the_version_they_came_from(stored):
    torch = pytest.importorskip("torch")
    if not importlib.metadata.version("torch").startswith("2.13"):
        pytest.skip("another version")
    for name in ("conv2d", "lstm both ways", "transformer masked"):
        np.testing.assert_allclose(packed(torch_answers(torch, CASES[name])), stored[name], 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_state_makes_a_twin(name, tmp_path):
    case = CASES[name]
    layer = layer_of(case)
    case.call(layer, *given(case))
    save(tmp_path / "layer.npz", layer)
    twin = case.ours()
    twin.load_state_dict(load(tmp_path / "layer.npz"))
    for other in (twin, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        for mine, theirs in zip(
            arrays(case.call(layer.eval(), *given(case))),
            arrays(case.call(other.eval(), *given(case))),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("name", CASES)
def test_a_summary_knows_parameters_and_shows_the_layer(name):
    case = CASES[name]
    layer = case.ours()
    x = given(case)[0]
    summary = layer.summary(x)
    assert summary.rows[0].kind == layer.title() == repr(layer).split("\n")[0]
    assert summary.parameters == sum(p.size for p in layer.parameters())
    if len(given(case)) == 1:
        assert not summary.error
        assert str(np.shape(arrays(case.call(layer, x))[0])) in summary.rows[0].output
    names = [path.rpartition(".")[2] for path, _ in layer.named_parameters()]
    assert [p.name for p in layer.parameters()] == names
    assert layer.training


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda d: nn.Conv2d(2, 3, 3, dtype=d), (1, 2, 4, 4)),
        (lambda d: nn.ConvTranspose2d(2, 3, 3, dtype=d), (1, 2, 4, 4)),
        (lambda d: nn.BatchNorm1d(2, dtype=d), (4, 2)),
        (lambda d: nn.InstanceNorm1d(2, dtype=d), (4, 2, 3)),
        (lambda d: nn.GroupNorm(2, 4, dtype=d), (1, 4)),
        (lambda d: nn.LayerNorm(4, dtype=d), (1, 4)),
        (lambda d: nn.RMSNorm(4, dtype=d), (1, 4)),
        (lambda d: nn.RNN(3, 4, dtype=d), (1, 2, 3)),
        (lambda d: nn.LSTM(3, 4, dtype=d), (1, 2, 3)),
        (lambda d: nn.GRU(3, 4, bidirectional=True, dtype=d), (1, 2, 3)),
        (lambda d: nn.MultiHeadAttention(4, 2, dtype=d), (1, 3, 4)),
        (lambda d: nn.TransformerEncoderLayer(4, 2, 8, dtype=d), (1, 3, 4)),
    ],
)
def test_inputs_of_any_real_dtype_are_computed_in_the_layers(make, shape, dtype):
    layer = make(dtype)
    assert all(p.dtype == dtype for p in layer.parameters())
    x = np.random.default_rng(0).integers(0, 9, shape)
    for given_dtype in (np.int64, np.float64, np.float32, np.float16):
        out = layer(x.astype(given_dtype))
        for part in out if isinstance(out, tuple) else [out]:
            for one in part if isinstance(part, tuple) else [part]:
                assert one.dtype == dtype
    for p in make(None).parameters():
        assert p.dtype == np.float32
    with pytest.raises(DTypeError):
        make(int)


def test_a_seed_draws_the_same_layer():
    for make in (
        lambda rng: nn.Conv2d(2, 3, 3, rng=rng),
        lambda rng: nn.Embedding(4, 3, rng=rng),
        lambda rng: nn.LSTM(3, 4, 2, bidirectional=True, rng=rng),
        lambda rng: nn.TransformerEncoderLayer(4, 2, 8, rng=rng),
    ):
        one, same, other = make(1).state_dict(), make(1).state_dict(), make(2).state_dict()
        assert all((one[name] == same[name]).all() for name in one)
        assert any((one[name] != other[name]).any() for name in one)
        mg.seed(3)
        first = make(None).state_dict()
        mg.seed(3)
        assert all((first[name] == value).all() for name, value in make(None).state_dict().items())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "3 → 4 channels can't be parted into 2 groups"),
        (lambda: nn.Conv2d(0, 4, 3), "0 → 4 channels"),
        (lambda: nn.ConvTranspose2d(4, 3, 3, groups=2), "4 → 3 channels"),
        (lambda: nn.Conv2d(3, 4, 0), "kernel_size 0 must be at least 1"),
        (lambda: nn.Conv2d(3, 4, (2, 2, 2)), r"kernel_size \(2, 2, 2\) for 2 axes"),
        (lambda: nn.MaxPool2d(2, stride=0), "stride 0 must be at least 1"),
        (lambda: nn.AvgPool2d(2, padding=-1), "padding -1 must be at least 0"),
        (lambda: nn.BatchNorm2d(0), r"there is nothing to normalise in \(0,\)"),
        (lambda: nn.LayerNorm(()), r"there is nothing to normalise in \(\)"),
        (lambda: nn.GroupNorm(3, 4), "4 channels in 3 groups"),
        (lambda: nn.Embedding(0, 3), "Embedding needs rows, not 0 of 3"),
        (lambda: nn.Embedding(4, 3, padding_idx=4), "padding_idx 4 of 4 rows"),
        (lambda: nn.RNN(3, 0), "RNN needs features and layers, not 3 → 0 in 1 layers"),
        (lambda: nn.RNN(3, 4, nonlinearity="gelu"), "nonlinearity is 'tanh' or 'relu'"),  # type: ignore[arg-type]
        (lambda: nn.LSTM(3, 4, dropout=1.5), "LSTM: dropout is a probability, not 1.5"),
        (lambda: nn.MultiHeadAttention(6, 4), "6 features in 4 heads"),
        (lambda: nn.MultiHeadAttention(6, 2, dropout=-1), "dropout is a probability, not -1"),
        (lambda: nn.Dropout2d(-0.5), "Dropout2d: p is a probability, not -0.5"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="edge"), "padding_mode='edge' is not 'zeros', "),  # type: ignore[arg-type]
        (lambda: nn.LSTM(3, 4, proj_size=4), "LSTM: proj_size 4 is not below hidden_size 4"),
        (lambda: nn.MultiHeadAttention(6, 2, kdim=0), "keys of 0 and values of None features"),
    ],
)
def test_layers_that_cannot_be_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize(
    ("make", "settings", "said"),
    [
        (
            nn.Flatten,
            {"start_dim": 1},
            r"^Flatten\(\) has no parameter 'start_dim': write start_axis=",
        ),
        (nn.Conv2d, {"device": "cpu"}, r"Conv2d\(\) .* 'device': minigrad computes on the CPU"),
        (nn.Dropout, {"inplace": True}, "'inplace': tensors are not changed in place"),
        (nn.AvgPool2d, {"kernel_size": 2, "divisor": 3}, "'divisor': it has kernel_size, stride"),
        (nn.GRU, {"proj_size": 2}, "GRU.* has no parameter 'proj_size': it has input_size"),
        (nn.TransformerEncoderLayer, {"d_model": 4, "nhead": 2, "activation": "gelu"}, "=mg.gelu"),
    ],
)
def test_arguments_that_only_pytorch_has_are_told(make, settings, said):
    with pytest.raises(TypeError, match=said):
        make(**settings)


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [
        (nn.Conv2d(3, 4, 3), (1, 2, 8, 8), r"x has 2 channels, but weight takes 3"),
        (nn.Conv2d(3, 4, 3), (8, 8), "expected 4 axes"),
        (nn.Conv2d(3, 4, 9), (1, 3, 8, 8), r"the kernel spans \(9, 9\)"),
        (nn.MaxPool2d(9), (1, 3, 8, 8), r"a window spans \(9, 9\)"),
        (nn.BatchNorm2d(3), (2, 4, 8, 8), r"BatchNorm2d\(3\): x \(2, 4, 8, 8\) is not \(batch, 3"),
        (nn.BatchNorm2d(3), (2, 3), "with 4 axes"),
        (nn.BatchNorm1d(3), (2, 3, 8, 8), "with 2 or 3 axes"),
        (nn.BatchNorm1d(3), (1, 3), "has one value in a channel"),
        (nn.InstanceNorm2d(3), (2, 4, 8, 8), r"InstanceNorm2d\(3\): x \(2, 4, 8, 8\)"),
        (nn.GroupNorm(2, 4), (2, 6, 3), r"GroupNorm\(2 of 4\): x \(2, 6, 3\)"),
        (nn.LayerNorm(4), (2, 3), r"normalized_shape \(4,\) is not how \(2, 3\) ends"),
        (nn.RNN(3, 4), (2, 5, 4), r"RNN\(3 → 4\): x \(2, 5, 4\) is not \(batch, time, 3\)"),
        (nn.RNN(3, 4, batch_first=False), (3,), r"is not \(time, batch, 3\)"),
        (nn.GRU(3, 4), (2, 0, 3), r"x \(2, 0, 3\) has no time"),
        (nn.MultiHeadAttention(4, 2), (2, 5, 3), r"query \(2, 5, 3\) is not \(batch, length, 4\)"),
        (nn.MultiHeadAttention(4, 2), (5,), r"query \(5,\) is not"),
        (
            nn.MultiHeadAttention(4, 2, kdim=3),
            (2, 5, 4),
            r"key \(2, 5, 4\) is not \(batch, length, 3\)",
        ),
        (nn.Flatten(), (), r"Flatten: x \(\) has no axes start_axis=1 to end_axis=-1"),
        (nn.Flatten(2), (3,), r"Flatten: x \(3,\) has no axes start_axis=2 to end_axis=-1"),
        (nn.Flatten(2, 1), (3, 4, 5), "has no axes start_axis=2 to end_axis=1"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(layer, shape, said):
    with pytest.raises(ShapeError, match=said):
        layer(np.ones(shape))


def test_every_layer_is_exported_documented_and_compared():
    compared = {type(case.ours()).__name__ for case in CASES.values()}
    drawn = {"AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"}  # other numbers
    own = {"Module", "ModuleList", "Normalize", "Sequential"}
    kinds = {n for n in nn.__all__ if inspect.isclass(getattr(nn, n))}
    layers = {n for n in kinds if issubclass(getattr(nn, n), nn.Module)}
    assert layers == compared | drawn | own
    for name in layers:
        assert ">>>" in (inspect.getdoc(getattr(nn, name)) or ""), name


def test_a_layer_by_another_name_is_told_its_own():
    with pytest.raises(AttributeError, match="did you mean 'MultiHeadAttention'"):
        nn.MultiheadAttention  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"is a function: write mg\.relu$"):
        nn.ReLU  # type: ignore[attr-defined]  # noqa: B018
