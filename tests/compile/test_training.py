"""A compiled step leaves what the step as it is written leaves, over a thousand calls."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.functional.composition import held
from minigrad.trees import leaves
from tests.compile.steps import OPTIMIZERS, batches, network, training


def trained(name, compiled, count=120, dropout=0.2):
    model = network(6, 16, 3, dropout=dropout)
    optimizer = OPTIMIZERS[name](model.parameters())
    step = training(model, optimizer)
    step = mg.compile(step) if compiled else step
    mg.seed(5)
    losses = []
    for k, (x, y) in enumerate(batches(count, 8, 6, 3)):
        optimizer.learning_rate = 0.05 * 0.995**k
        losses.append(float(step(x, y).numpy()))
    return losses, model, optimizer, step


def assert_same(one, other):
    (losses, model, optimizer, _), (others, twin, theirs, _) = one, other
    np.testing.assert_allclose(losses, others, rtol=0, atol=1e-12)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=0, atol=1e-12)
    state, other_state = optimizer.state_dict(), theirs.state_dict()
    assert state.keys() == other_state.keys()
    for key, value in state.items():
        np.testing.assert_allclose(value, other_state[key], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_with_a_schedule_and_dropout(name):
    compiled = trained(name, compiled=True)
    assert_same(trained(name, compiled=False), compiled)
    assert compiled[-1].traces == 3  # state is made, then two calls of a kind


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_thousand_steps(name):
    assert_same(trained(name, False, 1000), trained(name, True, 1000))


def test_float32_stays_float32():
    model = network(6, 16, 3, dtype=np.float32)
    optimizer = optim.Adam(model.parameters())
    step = mg.compile(training(model, optimizer))
    for x, y in batches(6, 8, 6, 3, np.float32):
        loss = step(x, y)
    assert loss.dtype == np.float32
    assert all(p.dtype == np.float32 == p.grad.dtype for p in model.parameters())


def test_running_statistics_follow():
    def run(compiled):
        mean, var = mg.tensor(np.zeros(3)), mg.tensor(np.ones(3))
        weight = mg.tensor(np.ones(3), requires_grad=True, name="weight")
        optimizer = optim.SGD([weight], learning_rate=0.1)

        def step(x):
            optimizer.zero_grad()
            out = mg.batch_norm(x, mean, var, weight, training=True)
            loss = (out**3.0).sum()
            loss.backward()
            optimizer.step()
            return loss

        step = mg.compile(step) if compiled else step
        for x, _ in batches(20, 8, 3, 2):
            step(mg.tensor(x))
        return mean.numpy(), var.numpy(), weight.numpy()

    for eager, compiled in zip(run(False), run(True), strict=True):
        np.testing.assert_allclose(eager, compiled, rtol=0, atol=1e-12)


def test_convolution_and_pooling():
    def run(compiled):
        rng = np.random.default_rng(0)
        w = mg.tensor(rng.normal(size=(2, 1, 3, 3)), requires_grad=True, name="w")
        optimizer = optim.SGD([w], learning_rate=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = mg.max_pool2d(mg.relu(mg.conv2d(x, w)), 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        step = mg.compile(step) if compiled else step
        return [step(rng.normal(size=(2, 1, 8, 8))).item() for _ in range(8)], w.numpy()

    for eager, compiled in zip(run(False), run(True), strict=True):
        np.testing.assert_allclose(eager, compiled, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["first_largest", "REGISTRY", "slice"])
def test_no_value_has_the_name_of_a_function_that_is_called(name):
    def pooled(x):
        once = mg.max_pool2d(x, 2)
        return (mg.max_pool2d(mg.sin(once), 2) ** 2.0).sum()

    scope = {"pooled": pooled}
    exec(f"def named({name}): return pooled({name})", scope)
    x = np.random.default_rng(0).normal(size=(2, 2, 8, 8))
    gradient = mg.grad(pooled)
    compiled = mg.compile(mg.grad(scope["named"]))
    for _ in range(3):  # traced, traced again, and then the source is run
        np.testing.assert_allclose(compiled(x).numpy(), gradient(x).numpy(), rtol=0, atol=1e-15)
    assert "choice_2 = first_largest(" in compiled.source


def test_gradients_that_add_up():
    w, v = (mg.tensor(np.ones(3), requires_grad=True) for _ in range(2))

    def step(w, x):
        loss = ((w * x) ** 2.0).sum()
        loss.backward()
        return loss

    compiled = mg.compile(lambda x: step(w, x))
    for k in range(8):
        if k == 5:
            w.grad = v.grad = None
        x = np.arange(3.0) + k
        compiled(x)
        step(v, x)
        assert w.grad is not None
        assert v.grad is not None
        np.testing.assert_allclose(w.grad.numpy(), v.grad.numpy(), rtol=0, atol=1e-12)


def test_what_somebody_holds_is_not_overwritten():
    model = network(4, 3)
    step = mg.compile(training(model, optim.SGD(model.parameters(), learning_rate=0.1)))
    held = []
    for x, y in batches(8, 5, 4, 3):
        step(x, y)
        for p in model.parameters():
            assert p.grad is not None
            arrays = (p.numpy(), p.numpy()[:1], p.grad.numpy())
            held.append((arrays, [a.copy() for a in arrays], p.grad, arrays[2].copy()))
    for arrays, copies, gradient, its_copy in held:
        for array, copy in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(array, copy)
        assert gradient is not None
        np.testing.assert_array_equal(gradient.numpy(), its_copy)


def test_parameters_that_share_an_array_part():
    array = np.ones(3)
    a, b = (mg.tensor(array, requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([a, b], learning_rate=0.1)

    @mg.compile
    def step(x):
        optimizer.zero_grad()
        loss = (a * x).sum() + (b * x * 2.0).sum()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(4):
        step(np.ones(3))
    a.data = b.data = np.ones(3)
    step(np.ones(3))
    np.testing.assert_allclose(a.numpy(), 0.9)
    np.testing.assert_allclose(b.numpy(), 0.8)


def test_state_that_is_loaded_is_used():
    model = network(4, 3)
    step = mg.compile(training(model, optim.SGD(model.parameters(), learning_rate=0.1)))
    data = list(batches(6, 5, 4, 3))
    state = model.state_dict()
    first = [step(x, y).item() for x, y in data]
    model.load_state_dict(state)
    assert [step(x, y).item() for x, y in data] == pytest.approx(first, abs=1e-12)


def test_a_model_for_inference_by_batch_size_and_mode():
    model = nn.Sequential(nn.Linear(3, 4), mg.relu, nn.Dropout(0.5), nn.Linear(4, 2))
    compiled = mg.compile(model)
    rng = np.random.default_rng(0)
    for training_mode in (False, True, False):
        model.train(training_mode)
        for rows in (4, 4, 4, 2, 2, 2, 4, 2):
            x = rng.normal(size=(rows, 3)).astype(np.float32)
            mg.seed(rows)
            expected = model(x).numpy()
            mg.seed(rows)
            np.testing.assert_array_equal(compiled(x).numpy(), expected)
    assert compiled.traces == 8  # two batch sizes, two modes, twice each


FUNCTIONS = {
    "grad": mg.grad(lambda x: (x * x * mg.sin(x)).sum()),
    "second": mg.grad(lambda x: mg.grad(lambda z: (z**3.0).sum())(x).sum()),
    "value_and_grad": mg.value_and_grad(lambda x: mg.logsumexp(x)),
    "hvp": lambda x: mg.hvp(lambda z: (mg.exp(z) * z).sum(), x, np.ones((4, 3))),
    "jacobian": mg.jacobian(lambda x: mg.tanh(x).sum(0)),
    "vmap": mg.vmap(lambda x: mg.softmax(x)),
    "numpy": lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
    "dict": lambda x: {"a": [x.sum(), 3], "b": (x.T, None)},
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_functions(name):
    function, rng = FUNCTIONS[name], np.random.default_rng(0)
    compiled = mg.compile(function)
    for _ in range(5):
        x = rng.normal(size=(4, 3))
        got, expected = leaves(compiled(x)), leaves(function(x))
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_allclose(held(a), held(b), rtol=0, atol=1e-12)
            assert type(a) is type(b)
    assert compiled.traces == 2


class Trainer:
    def __init__(self):
        self.model = network(3, 2)
        self.optimizer = optim.SGD(self.model.parameters(), learning_rate=0.1, momentum=0.9)
        self.count = 0

    def written(self, x, y):
        self.optimizer.zero_grad()
        loss = mg.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.count += 1
        return loss

    step = mg.compile(written)


def test_a_method_of_an_object_that_holds_the_model():
    eager, compiled = Trainer(), Trainer()
    before = Trainer.step.traces
    for x, y in batches(10, 4, 3, 2):
        assert compiled.step(x, y).item() == pytest.approx(eager.written(x, y).item(), abs=1e-12)
    assert compiled.count == eager.count == 10
    assert Trainer.step.traces - before == 3


def test_an_argument_that_is_the_parameter_itself():
    w = mg.tensor(np.ones((3, 3)), requires_grad=True)
    optimizer = optim.SGD([w], learning_rate=0.1)

    @mg.compile
    def step(x):
        optimizer.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        optimizer.step()
        return loss

    expected = np.ones((3, 3))
    for _ in range(6):
        assert step(w.data).item() == pytest.approx((expected * expected).sum(), abs=1e-12)
        expected = expected - 0.1 * expected
    np.testing.assert_allclose(w.numpy(), expected, rtol=0, atol=1e-12)


def test_results_are_the_callers_own():
    constant = np.arange(3.0)
    compiled = mg.compile(lambda x: (np.exp(x) * 2.0, x, np.zeros(3), constant))
    large = mg.compile(lambda x: np.exp(x) * 2.0)
    for _ in range(4):
        for result in compiled(np.zeros(3)):
            result += 5.0
    np.testing.assert_array_equal(compiled(np.zeros(3))[0], 2.0)
    np.testing.assert_array_equal(compiled(np.zeros(3))[2], 0.0)
    held = [large(np.full((200, 200), float(k))) for k in range(5)]
    for k, result in enumerate(held):
        np.testing.assert_allclose(result, 2.0 * np.exp(k))


def test_several_threads_share_a_compiled_function():
    compiled = mg.compile(lambda x: np.tanh(x @ x.T).sum(axis=0))

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(50):
            x = rng.normal(size=(8, 8))
            np.testing.assert_allclose(compiled(x), np.tanh(x @ x.T).sum(axis=0))
        return seed

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "function",
    [
        mg.vmap(mg.grad(lambda x: x[1:].sum() + np.exp(x).sum())),
        mg.vmap(mg.grad(lambda x: (x[np.array([0, 2])] ** 2).sum() + (x * x).sum())),
        mg.vmap(mg.hessian(lambda x: (x[np.array([0, 0, 2])] ** 2).sum() + (x * x).sum())),
    ],
)
def test_what_an_index_takes_meets_what_is_traced(function):
    x = np.random.default_rng(0).normal(size=(2, 3))
    compiled = mg.compile(function)
    compiled(x)
    other = x * 1.5 + 0.1
    np.testing.assert_allclose(np.asarray(compiled(other)), function(other).numpy(), rtol=1e-12)
