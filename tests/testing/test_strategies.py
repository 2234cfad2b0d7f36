"""What the strategies draw, and every op on calls drawn by them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.primitive import REGISTRY
from minigrad.testing import gradcheck
from minigrad.testing.programs import UNLIKE, Step, pruned, usable_ops
from minigrad.testing.strategies import arrays, broadcastable, op_calls, programs, tensors

SMOOTH = sorted(
    name
    for name, op in REGISTRY.items()
    if op.rules and not op.cases and op.__module__.startswith("minigrad.")
)


@given(st.data())
def test_arrays_lie_in_their_domain(data):
    low = data.draw(st.sampled_from([-np.inf, -2.0, 0.0, 0.9]))
    high = data.draw(st.sampled_from([1.0, 7.0, np.inf]))
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    x = data.draw(arrays(dtype, domain=(low, high)))
    assert x.dtype == dtype
    assert np.all((x > low) & (x < high))


@given(arrays(shape=(5,), unique=True))
def test_unique_elements_do_not_tie(x):
    assert len(set(x.tolist())) == 5


@given(tensors(requires_grad=True))
def test_tensors_ask_for_a_gradient(x):
    assert isinstance(x, mg.Tensor)
    assert x.requires_grad
    x.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.ones(x.shape))


@given(broadcastable(3))
def test_broadcastable_arrays_broadcast(drawn):
    a, b, c = drawn
    wanted = np.broadcast_shapes(a.shape, b.shape, c.shape)
    assert (mg.Tensor(a) + b * c).shape == wanted


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=5)
@given(data=st.data())
def test_elementwise_ops_on_drawn_calls(name, data):
    op = REGISTRY[name]
    call = data.draw(op_calls(op))
    floating = [i for i, x in enumerate(call.arrays) if x.dtype.kind == "f"]

    def f(*tensors):
        operands = dict(enumerate(call.arrays)) | dict(zip(floating, tensors, strict=True))
        return op(*operands.values())

    report = gradcheck(f, *[call.arrays[i] for i in floating])
    assert report.verdict in ("pass", "not differentiable"), report  # drawn numbers may tie


def test_what_is_found_shrinks_to_readable_examples():
    assert repr(find(tensors(shape=(2,)), lambda x: (x.numpy() > 0.9).all())) == (
        "Tensor([1., 1.], dtype=float64, requires_grad=True)"
    )


def test_calls_of_ops_on_matrices_are_not_singular():
    for name in ("inv", "det", "slogdet"):
        call = find(op_calls(REGISTRY[name]), lambda call: call.arrays[0].shape[-1] == 3)
        assert np.linalg.det(call.arrays[0]).all()


@settings(max_examples=30)
@given(programs(depth=4))
def test_programs_have_gradients_that_are_right(program):
    report = gradcheck(program, *program.inputs)
    # Some special functions have 11 digits, and the checker sees what is missing.
    right = report.worst is None or report.worst.share < 1e-9
    assert report.verdict != "fail" or right, report


@settings(max_examples=20)
@given(programs(depth=8, dtype=np.float32))
def test_programs_compute_the_same_on_arrays_and_on_tensors(program):
    assert 1 <= len(program.steps) <= 8
    wanted = program(*program.inputs)
    got = program(*map(mg.Tensor, program.inputs))
    np.testing.assert_array_equal(got.numpy(), wanted)
    assert np.isfinite(wanted).all()
    used = {o for step in program.steps for o in step.operands if isinstance(o, int)}
    last = len(program.inputs) + len(program.steps) - 1
    assert used == set(range(last))  # nothing is computed in vain


def test_programs_hang_together_and_use_many_ops():
    names: set[str] = set()
    deep = 0

    @settings(max_examples=60, derandomize=True, database=None)
    @given(programs(depth=4))
    def look(program):
        nonlocal deep
        names.update(step.op.name for step in program.steps)
        deep += len(program.steps) >= 3

    look()
    assert deep >= 12
    assert len(names) >= 30


def test_programs_take_the_ops_they_are_given_and_print_as_python():
    ops = [REGISTRY[name] for name in ("exp", "multiply", "log")]
    program = find(programs(ops), lambda p: [s.op.name for s in p.steps] == ["exp", "multiply"])
    assert repr(program) == (
        "def program(x0):\n    v0 = exp(x0)\n    return multiply(v0, v0)\nprogram(array(0.))"
    )
    chosen = find(programs([REGISTRY["where"]]), lambda p: len(p.inputs) == 2)
    source, _, call = repr(chosen).rpartition("\n")
    scope = {"array": np.array, "where": mg.ops.where}
    exec(source, scope)
    np.testing.assert_array_equal(eval(call, scope), chosen(*chosen.inputs))
    positive = find(programs([mg.ops.log], depth=3), lambda p: len(p.steps) == 2)
    assert (positive.inputs[0] > 1.0).all()  # whose logarithm has one, too


def test_what_a_result_does_not_need_is_left_out():
    x = np.ones(2)
    steps = [
        ("dead", (0,)), ("kept", (1, 1)), ("dead", (3,)), ("last", (4, 1)),
    ]  # fmt: skip
    made = pruned([x, 2 * x, 3 * x], [_step(name, operands) for name, operands in steps])
    assert [i.tolist() for i in made.inputs] == [[2.0, 2.0]]
    assert [(step.op, step.operands) for step in made.steps] == [("kept", (0, 0)), ("last", (1, 0))]


def _step(name: Any, operands):
    return Step(name, operands, {})


def test_what_programs_leave_out_is_what_there_is():
    usable = {op.name for op in usable_ops()}
    assert not usable & set(UNLIKE)
    assert set(UNLIKE) <= set(REGISTRY)
    assert {"add", "matmul", "einsum", "where", "max"} <= usable
