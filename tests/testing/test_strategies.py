"""What the strategies draw, and every op on calls drawn by them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.primitive import REGISTRY
from minigrad.testing import gradcheck
from minigrad.testing.strategies import arrays, broadcastable, op_calls, tensors

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
    x = data.draw(arrays(domain=(low, high), dtype=dtype))
    assert x.dtype == dtype
    assert np.all((x > low) & (x < high))


@given(arrays((5,), unique=True))
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
