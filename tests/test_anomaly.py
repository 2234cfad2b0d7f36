"""detect_anomaly: where NaN and infinity are born, and arrays that were written to meanwhile."""

import asyncio
import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad.anomaly import AnomalyError
from minigrad.autodiff import backward
from minigrad.errors import MutationError
from minigrad.tensor import record
from tests.test_reliability import START, UNSEEN, WRITES, leaf, outcome


def named(values, name="x"):
    return mg.tensor(values, requires_grad=True, name=name)


def caught(f):
    with pytest.raises(AnomalyError) as told, mg.detect_anomaly():
        f()
    return str(told.value)


# Forward


def test_a_nan_is_reported_with_op_operands_and_line():
    text = caught(lambda: mg.log(named([1.0, -2.0, 3.0])))
    assert text.startswith("log(x: (3,) float64 in -2..3) gave nan at index (1,)\n  at ")
    assert "test_anomaly.py:" in text
    assert "before" not in text


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x: x / 0.0, r"divide(x: (2,) float64 in 0..1, b: 0.0) gave nan"),
        (lambda x: mg.exp(x * 1e4), "exp(x: (2,) float64 in 0..1e+04) gave inf at index (1,)"),
        (lambda x: mg.sqrt(x - 1.0), "sqrt(x: (2,) float64 in -1..0) gave nan at index (0,)"),
        (lambda x: (x - 1.0).sum() ** 0.5, "power(a: -1.0, b: 0.5) gave nan"),
        (lambda x: mg.concatenate([x, [np.nan]]), "concatenate("),
    ],
)
def test_each_op_that_gives_birth_is_named(f, said):
    assert said in caught(lambda: f(named([0.0, 1.0])))


def test_a_nan_that_was_there_before_is_traced_to_where_it_came_in():
    w = named([1.0, np.nan], "weight")
    text = caught(lambda: (w * 2.0).sum())
    assert "multiply(weight: (2,) float64 in 1..1, b: 2.0) passed on nan" in text
    assert "it was there before: weight, a leaf, holds nan at index (1,)" in text
    data = np.array([[0.0, np.nan]])
    text = caught(lambda: mg.tensor(data, name="batch") @ named([[1.0], [2.0]]))
    assert "batch, a constant, holds nan at index (0, 1)" in text
    with np.errstate(invalid="ignore"):
        h = mg.log(named([-1.0]))
    assert "the result of log, holds nan" in caught(lambda: h + 1.0)


def test_the_module_is_named():
    last = mg.nn.Linear(2, 1)
    net = mg.nn.Sequential(mg.nn.Linear(2, 2), last)
    last.weight.data[0, 0] = np.nan
    text = caught(lambda: net(np.ones((3, 2))))
    assert "in Sequential.layers.1 (Linear(2 → 1))" in text
    assert "weight, a leaf, holds nan at index (0, 0)" in text


def test_an_infinity_that_was_there_before_passes_as_masks_do():
    x = named([1.0, 2.0])
    with mg.detect_anomaly():
        masked = mg.where(np.array([True, False]), x, -np.inf)
        loss = mg.softmax(masked).sum() + mg.logsumexp(masked)
        loss.backward()
    assert np.isfinite(x.grad).all()
    with mg.detect_anomaly(infinities=False):
        mg.exp(x * 1e4)


# Backward


def test_an_infinity_born_in_backward_names_rule_operands_and_where_it_was_recorded():
    x = named([1.0, 0.0])
    text = caught(lambda: mg.sqrt(x).sum().backward())
    assert text.startswith("the gradient rule of sqrt gave inf for x at index (1,)")
    assert "out: (2,) float64 in 0..1" in text
    assert "recorded at" in text
    assert "test_anomaly.py:" in text
    assert x.grad is None


def test_what_was_recorded_outside_is_watched_too():
    with mg.scope("head"):
        loss = mg.sqrt(named([0.0])).sum()
    text = caught(lambda: loss.backward())
    assert "in head" in text
    assert "recorded outside of detect_anomaly()" in text


@pytest.mark.parametrize(
    "f",
    [
        lambda x: mg.grad(lambda x: mg.sqrt(x).sum())(x),
        lambda x: mg.value_and_grad(lambda x: mg.sqrt(x).sum())(x),
        lambda x: mg.vjp(mg.sqrt, x)[1](np.ones(2)),
        lambda x: mg.jacobian(mg.sqrt)(x),
        lambda x: mg.grad(lambda x: mg.checkpoint(mg.sqrt)(x).sum())(x),
        lambda x: mg.vmap(mg.grad(mg.sqrt))(x),
        lambda x: mg.tensor(x, requires_grad=True).sqrt().sum().backward(create_graph=True),
    ],
)
def test_every_way_backward_is_watched(f):
    with pytest.raises(AnomalyError, match=r"sqrt|divide"), mg.detect_anomaly():
        f(np.array([0.0, 1.0]))


def test_a_cotangent_that_is_not_finite_already():
    x = named([1.0])
    with mg.detect_anomaly(), pytest.raises(AnomalyError, match="its cotangent already held nan"):
        (x * 2.0).backward(np.array([np.nan]))


def test_a_healthy_step_gives_the_same_as_without():
    def step():
        x = named(np.linspace(0.5, 1.0, 4))
        (mg.log(x) * x).sum().backward()
        return x.grad.numpy()

    wanted = step()
    with mg.detect_anomaly():
        np.testing.assert_array_equal(step(), wanted)
    x = named([2.0])
    with mg.detect_anomaly():
        y = mg.exp(x)
        y.backward(retain_graph=True)
        plan = y.node.plan
    y.backward()
    assert y.node.plan is plan


# Arrays written to


@pytest.mark.parametrize("write", [write for write in WRITES if write in UNSEEN])
def test_writes_that_no_tensor_sees_are_caught(write):
    with mg.detect_anomaly():
        assert outcome(leaf(np.array(START)), write, START) == "raised"


def test_other_writes_do_what_they_do_without():
    for write in WRITES:
        if write not in UNSEEN:
            plain = outcome(leaf(np.array(START)), write, START)
            with mg.detect_anomaly():
                assert outcome(leaf(np.array(START)), write, START) == plain


def test_a_write_is_reported_with_the_leaf_and_the_line():
    w, x = named([1.0, 2.0], "w"), named([3.0, 4.0])
    with mg.detect_anomaly():
        loss = (w * x).sum()
        w.data[0] = 7.0
        with pytest.raises(MutationError, match=r"w was written to after .*test_anomaly\.py"):
            loss.backward()


def test_a_constant_that_was_written_to_is_caught_where_it_matters():
    constant, x = np.array([1.0, 2.0]), named([3.0, 4.0])
    with mg.detect_anomaly():
        product, total = (x * constant).sum(), (x + constant).sum()
        constant.fill(9.0)
        total.backward()  # whose rule does not read it
        with pytest.raises(MutationError, match="the constant at input 1 was written to"):
            product.backward()


# On and off


def test_nothing_stays_behind():
    with mg.detect_anomaly():
        assert mg.Tensor.__primitive__ is not record
        with mg.detect_anomaly():
            assert mg.Tensor.backward is not backward
        assert mg.Tensor.backward is not backward
    assert mg.Tensor.__primitive__ is record
    assert mg.Tensor.backward is backward
    with pytest.raises(ZeroDivisionError), mg.detect_anomaly():
        raise ZeroDivisionError
    assert mg.Tensor.__primitive__ is record
    with np.errstate(all="ignore"):
        assert np.isnan(mg.log(named([-1.0])).item())


def test_it_is_a_decorator():
    @mg.detect_anomaly()
    def step(value):
        return mg.log(named([value]))

    assert step(1.0).item() == 0.0
    with pytest.raises(AnomalyError):
        step(-1.0)


def test_other_threads_and_tasks_are_unaffected():
    seen = []

    def work():
        with np.errstate(all="ignore"):
            seen.append(mg.log(named([-1.0])).item())

    async def watched():
        with mg.detect_anomaly():
            await asyncio.sleep(0.01)

    async def plain():
        await asyncio.sleep(0)
        work()

    async def together():
        await asyncio.gather(watched(), plain())

    with mg.detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    asyncio.run(together())
    assert len(seen) == 2
    assert np.isnan(seen).all()
