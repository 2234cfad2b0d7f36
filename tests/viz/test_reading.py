"""What is read of a graph is what was computed, and reading leaves no trace."""

# mypy: disable-error-code="union-attr, index"

import gc
import time
import weakref

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad.graph import SERIAL
from minigrad.tensor import Tensor
from minigrad.viz import tape as tapes
from minigrad.viz.reading import read


def reading(output, **kwargs):
    ones = [np.ones(output.shape, output.dtype)]
    return read([output], names={}, cotangents=ones, **kwargs)


def rows(digest):
    return np.array(digest.rows).reshape(digest.shape)


UNARY = [mg.sin, mg.tanh, mg.exp, mg.relu, lambda t: t * 0.5, lambda t: t.T, mg.logsumexp]


@given(st.data())
def test_values_and_gradients_of_random_programs(data):
    x = Tensor(np.linspace(-1, 1, 6).reshape(2, 3), requires_grad=True)
    made = [x, x * np.arange(3.0)]
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.booleans()):
            t = data.draw(st.sampled_from(UNARY))(data.draw(st.sampled_from(made)))
        else:
            t = made[-1] * 2.0 + data.draw(st.sampled_from(made)).sum()
        if t.size:
            made.append(t)
    out = sum((t.sum() for t in made[2:]), made[1].sum())
    recorded = {t.node.serial: t for t in made if t.node is not None}
    for t in made:
        t.retain_grad()
    tape = reading(out)
    assert all(t.grad is None for t in made)
    out.backward(retain_graph=True)
    order = sorted(recorded)
    found = [v for v in tape.vertices if v.kind != "constant"]
    by_shape = {(v.kind, v.op, v.shape): v for v in found}
    assert len(found) >= len(order)
    for t in made:
        primitive = t.node.primitive
        kind = "leaf" if primitive is None else "op"
        op = primitive.name if primitive else ""
        same = [v for v in found if (v.kind, v.op, v.shape) == (kind, op, t.shape)]
        assert by_shape[kind, op, t.shape] in same
        assert any(
            np.array_equal(rows(v.value), t.numpy())
            and (t.grad is None or np.allclose(rows(v.gradient), t.grad.numpy(), rtol=1e-12))
            for v in same
        )


def test_reading_leaves_no_trace(loss):
    value = loss()
    node = value.node
    before = next(SERIAL)
    tape = reading(value)
    assert next(SERIAL) == before + 1
    assert not tape.released
    assert node.kept is not None
    value.backward()
    assert node.kept is None


def test_a_tape_holds_no_array_of_the_graph():
    x = Tensor(np.ones((3, 3)), requires_grad=True)
    out = (x * np.full((3, 3), 2.0)).exp().sum()
    alive = weakref.ref(x)
    kept = [weakref.ref(k) for k in out.node.parents[0].kept if isinstance(k, np.ndarray)]
    assert kept
    tape = reading(out)
    del x, out
    gc.collect()
    assert alive() is None
    assert [ref() for ref in kept] == [None] * len(kept)
    assert tape.vertices[-1].value is not None


def test_values_that_nobody_kept_are_computed_again():
    x = Tensor([1.0, 2.0], requires_grad=True)
    tape = reading(((x + 1.0) - 0.5 + np.array([1.0, 2.0])).sum())
    values = [v.value.rows for v in tape.vertices]
    assert values == [
        ((1.0, 2.0),), ((2.0, 3.0),), ((1.5, 2.5),), ((1.0, 2.0),), ((2.5, 4.5),), ((7.0,),),
    ]  # fmt: skip


def test_a_value_is_left_out_where_a_constant_is_lost():
    x = Tensor(np.ones(5000), requires_grad=True)
    tape = reading(((x + np.ones(5000)) * 1.0).sum())
    ops = {v.op: v for v in tape.vertices if v.kind == "op"}
    assert ops["add"].value is None
    assert ops["sum"].value.rows == ((10000.0,),)
    assert ops["add"].gradient.norm == pytest.approx(np.sqrt(5000))


def test_none_is_a_constant_where_a_rule_asked_for_it():
    x = Tensor([1.0, 5.0], requires_grad=True)
    tape = reading(mg.clip(x, None, 2.0))
    assert tape.vertices[-1].value.rows == ((1.0, 2.0),)
    assert tape.vertices[-1].numbers == {2: 2.0}


def test_broadcasting_is_undone():
    b = Tensor(2.0, requires_grad=True)
    tape = reading(b * np.ones((4, 3)))
    assert tape.vertices[0].gradient.rows == ((12.0,),)


def test_a_released_graph_keeps_its_skeleton_and_the_gradients_of_leaves():
    w = Tensor([1.0, 2.0], requires_grad=True)
    value = (mg.exp(w) * w).sum()
    value.backward()
    tape = reading(value)
    assert tape.released
    assert "retain_graph=True" in tape.notes[0]
    assert tape.vertices[tape.outputs[0]].value.rows is not None
    for v in tape.vertices:
        if v.kind == "leaf":
            assert v.value is not None
            assert v.gradient is not None
        elif v.index not in tape.outputs:
            assert v.value is v.gradient is None


def test_hooks_are_not_run():
    x = Tensor([1.0], requires_grad=True)
    ran: list[Tensor] = []
    x.register_hook(ran.append)
    tape = reading(x * 2.0)
    assert not ran
    assert tape.notes == ["hooks were not run"]


def test_a_leaf_that_changed_since_is_told():
    w = Tensor([1.0], requires_grad=True, name="w")
    out = w * w
    w.data = np.array([5.0])
    w.node.mutated = next(SERIAL)
    assert reading(out).notes == ["w changed in place since: new values drawn"]


def test_the_order_of_the_backward_walk():
    x = Tensor(1.0, requires_grad=True)
    y = mg.sin(x)
    tape = reading(mg.exp(y) + y)
    assert [(v.op, v.step) for v in tape.vertices] == [("", 4), ("sin", 3), ("exp", 2), ("add", 1)]


def test_the_same_array_is_one_input():
    w = Tensor(np.ones((2, 2)), requires_grad=True)
    x = np.ones((2, 2))
    tape = reading(x @ w + x)
    assert [v.kind for v in tape.vertices].count("constant") == 1


def test_labels_are_inputs_but_counts_are_not():
    w = Tensor(np.ones((3, 2)), requires_grad=True)
    tape = reading(w[np.arange(3), np.array([0, 1, 1])])
    constants = [v for v in tape.vertices if v.kind == "constant"]
    assert [v.value.rows for v in constants] == [((0, 1, 1),)]


def test_long_graphs_are_read_without_recursion_in_bounded_time(chain, monkeypatch):
    _, out = chain(2500)
    start = time.perf_counter()
    detailed = reading(out)
    assert time.perf_counter() - start < 5
    monkeypatch.setattr(tapes, "DETAILED", 1000)
    coarse = reading(out)
    assert all(v.gradient is not None for v in detailed.vertices)
    inner = [v for v in coarse.vertices if v.kind == "op" and v.index not in coarse.outputs]
    assert all(v.gradient is None for v in inner)
    assert coarse.vertices[0].gradient == detailed.vertices[0].gradient
    assert "left out above 1,000" in coarse.notes[0]
