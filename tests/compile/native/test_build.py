"""Machine code leaves what the step as it is written leaves: numbers, state, what others hold."""

import os
import tomllib
from importlib import import_module, metadata, util
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.compile.native import require_numba
from minigrad.compile.native.build import OLDEST
from minigrad.compile.program import CompileError
from tests.compile.steps import OPTIMIZERS, batches, needs_numba, network, training
from tests.compile.test_layers import LAYERS, trained

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "ci"
thorough = pytest.mark.skipif(not THOROUGH, reason="takes minutes: HYPOTHESIS_PROFILE=ci")


def run(optimizer, native, count, dropout=0.2, dtype=np.float64):
    model = network(6, 16, 3, dropout=dropout, dtype=dtype)
    rule = OPTIMIZERS[optimizer](model.parameters())
    step = training(model, rule)
    step = mg.compile(step, backend="native") if native else step
    mg.seed(5)
    losses = []
    for k, (x, y) in enumerate(batches(count, 8, 6, 3, dtype)):
        rule.learning_rate = 0.05 * 0.995**k
        losses.append(step(x, y).item())
    return losses, model, rule, step


def assert_same(one, other, atol=1e-11):
    (losses, model, rule, _), (others, twin, its_rule, _) = one, other
    np.testing.assert_allclose(losses, others, rtol=0, atol=atol)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=0, atol=atol)
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=0, atol=atol)
    state, its_state = rule.state_dict(), its_rule.state_dict()
    for key, value in state.items():
        np.testing.assert_allclose(value, its_state[key], rtol=0, atol=atol)


@pytest.fixture(scope="module")
def adam():
    """A step of a network with dropout, trained with Adam for a thousand steps."""
    pytest.importorskip("numba")
    return run("adam", True, 1000)


@needs_numba
def test_a_thousand_steps_of_adam_with_a_schedule_and_dropout(adam):
    assert_same(run("adam", False, 1000), adam)
    assert adam[-1].traces == 3


@needs_numba
def test_explain_says_what_stays_numpy(adam):
    said = adam[-1].explain()
    assert "machine code" in said
    assert "stays NumPy (a draw): rng.random" in said


@needs_numba
def test_the_source_of_both_backends_can_be_read(adam):
    step = adam[-1]
    assert "np.random" not in step.native_source
    assert "@njit" in step.native_source
    assert "# layers.0: Linear(6 → 16)" in step.native_source
    assert "layers_0_weight" in step.source
    assert "njit" not in step.source


@needs_numba
@thorough
@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n != "adam"])
def test_each_optimizer(name):
    assert_same(run(name, False, 300), run(name, True, 300))


@needs_numba
@thorough
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, monkeypatch):
    losses, model, _ = trained(*LAYERS[name], False, "SGD")
    compiled = mg.compile
    monkeypatch.setattr(mg, "compile", lambda f: compiled(f, backend="native"))
    others, twin, _ = trained(*LAYERS[name], True, "SGD")
    np.testing.assert_allclose(others, losses, rtol=1e-6)
    state = twin.state_dict()
    for key, value in model.state_dict().items():
        np.testing.assert_allclose(state[key], value, rtol=1e-5, atol=1e-7)


@needs_numba
def test_float32_steps_and_what_others_hold():
    model = network(6, 16, 3, dtype=np.float32)
    step = mg.compile(
        training(model, optim.SGD(model.parameters(), learning_rate=0.1)), backend="native"
    )
    twin = network(6, 16, 3, dtype=np.float32)
    written = training(twin, optim.SGD(twin.parameters(), learning_rate=0.1))
    held = []
    for k, (x, y) in enumerate(batches(9, 8, 6, 3, np.float32)):
        given = x
        if k == 6:
            given = np.asfortranarray(x)
        elif k == 7:
            given = np.repeat(x, 2, axis=0)[::2]
        elif k == 8:
            given = x.copy()
            given.flags.writeable = False
        loss = step(given, y)
        np.testing.assert_allclose(loss.numpy(), written(x, y).numpy(), rtol=1e-5)
        assert loss.dtype == np.float32
        for p in model.parameters():
            assert p.grad is not None
            held.append((p.numpy(), p.numpy().copy(), p.grad, p.grad.numpy().copy()))
    assert step.traces == 3
    for array, copy, gradient, its_copy in held:
        np.testing.assert_array_equal(array, copy)
        np.testing.assert_array_equal(gradient.numpy(), its_copy)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-4, atol=1e-6)
        assert p.dtype == np.float32
    with pytest.raises(IndexError, match="labels span"):
        step(x, np.full(8, 3))


def everything(x, k):
    """Dtypes and functions side by side, in one program, as it takes a second to compile."""
    f, mask = x.astype(np.float32), x > 0.5
    count = k.astype(np.int32) + 2_000_000_000
    rows = np.maximum.reduce(x, axis=1, keepdims=True)
    return {
        "weak": f * 0.1 + 2,
        "wide": f * x,
        "mask": mask & (x < 1.0),
        "product": x * mask,
        "wraps": count + count,
        "truth": k / 2,
        "where": np.where(mask, f, 0.0),
        "clip": np.clip(x, 0.25, 0.75),
        "square": x**2.0,
        "nan": np.maximum(x / (x - x), 0.0),
        "minimum": np.minimum(0.0, np.log(x - 0.5)),
        "infinite": np.isinf(1.0 / (x - x)),
        "softmax": np.exp(x - rows) / np.exp(x - rows).sum(axis=1, keepdims=True),
        "columns": (x.sum(axis=0), x.min(axis=0), mask.sum(axis=1), f.sum(axis=0)),
        "all": (x.sum(), np.max(k), f.mean()),
        "views": (x.T @ x, x[1:, ::2] + 1.0, x.reshape(2, -1).T * 2.0, x[:, None, 1]),
        "turned": np.maximum(x, 0.5)[::-1] * 2.0,
        "sorted": np.sort(x, axis=1)[:, 0] * 2.0,
        "vector": (x @ x[0], x[:, 0] @ x),
        "powers": (x**3.0, x**0.5, np.sqrt(x), np.tanh(f), np.sign(x - 0.5)),
    }


@needs_numba
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_numbers_are_as_numpy_has_them():
    from minigrad.trees import leaves

    rng = np.random.default_rng(0)
    compiled = mg.compile(everything, backend="native")
    for _ in range(4):
        x, k = rng.random((4, 6)), rng.integers(9, size=5)
        expected, got = everything(x, k), compiled(x, k)
        for a, b in zip(leaves(expected), leaves(got), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-6 if a.dtype == np.float32 else 1e-12)
            assert (a.dtype, a.shape, type(a)) == (b.dtype, b.shape, type(b))
    assert "stays NumPy (no loop is written for it): np.mean, np.sort" in compiled.explain()


@needs_numba
def test_an_index_out_of_range_raises_as_numpy_does_and_changes_nothing():
    table = mg.tensor(np.ones((4, 3)), requires_grad=True, name="table")
    rule = optim.SGD([table], learning_rate=0.1)

    @lambda f: mg.compile(f, backend="native")
    def step(index):
        rule.zero_grad()
        loss = (table[index] ** 2.0).sum()
        loss.backward()
        rule.step()
        return loss

    for _ in range(4):
        step(np.array([0, -1, 0]))
    before = table.numpy().copy()
    np.testing.assert_allclose(before[:, 0], [0.6**4, 1.0, 1.0, 0.8**4])
    with pytest.raises(IndexError):
        step(np.array([0, 4, 0]))
    np.testing.assert_array_equal(table.numpy(), before)


@needs_numba
def test_gradients_of_functions():
    f = mg.grad(lambda x: (mg.tanh(x) * x).sum())
    compiled = mg.compile(f, backend="native")
    for k in range(4):
        x = np.linspace(-2, 2, 7) + k
        np.testing.assert_allclose(compiled(x).numpy(), f(x).numpy(), rtol=1e-12)


def test_without_numba_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'minigrad\[native\]'"):
        require_numba()
    with pytest.raises(ImportError, match="backend='numpy'"):
        mg.compile(lambda x: x, backend="native")


@needs_numba
def test_an_old_numba_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "0.67.1")
    with pytest.raises(ImportError, match=r"0\.68 or newer, and 0\.67\.1 is installed"):
        require_numba()
    for version in ("0.68.0rc1", "0.100", "1.0"):
        monkeypatch.setattr(metadata, "version", lambda name, version=version: version)
        require_numba()


def test_the_oldest_numba_is_the_one_that_is_asked_for():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    needed = project["project"]["optional-dependencies"]["native"]
    assert needed == [f"numba>={OLDEST[0]}.{OLDEST[1]}"]


def test_other_backends_are_named():
    with pytest.raises(ValueError, match="'numpy' or 'native', not 'fast'"):
        mg.compile(lambda x: x, backend="fast")  # type: ignore[call-overload]


def test_numpy_has_no_native_source():
    compiled = mg.compile(lambda x: x + 1.0)
    for _ in range(2):
        compiled(np.ones(2))
    with pytest.raises(CompileError, match="backend='native'"):
        _ = compiled.native_source


@needs_numba
def test_a_draw_that_decides_comes_in_order():
    def make(rng):
        return lambda x: x * 2.0 if rng.random() < 0.5 else x - rng.normal(size=3) * rng.random()

    x = np.arange(3.0)
    compiled = mg.compile(make(np.random.default_rng(0)), backend="native")
    eager = make(np.random.default_rng(0))
    for _ in range(30):
        np.testing.assert_allclose(compiled(x), eager(x), rtol=1e-15)


@needs_numba
def test_large_products_are_left_to_numpy_where_it_has_threads(monkeypatch):
    module = import_module("minigrad.compile.native.build")
    monkeypatch.setattr(module, "_blas", lambda: 1)
    compiled = mg.compile(lambda x, w: (x @ w) * 2.0, backend="native")
    x, w = np.random.default_rng(0).normal(size=(2, 3, 3))
    for _ in range(4):
        np.testing.assert_allclose(compiled(x, w), (x @ w) * 2.0, rtol=1e-14)
    assert "stays NumPy (a large product" in compiled.explain()
