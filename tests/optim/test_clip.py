"""Clipping: one scale for all gradients, in every precision, and what is not finite is told."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from tests.optim.trajectories import gradients_of, start


def norm_of(parameters):
    return np.sqrt(sum(np.sum(p.grad.numpy().astype(float) ** 2) for p in parameters))


def test_clipping_scales_all_gradients_together():
    parameters = start()
    gradients_of(parameters, ([3.0, 0.0, 0.0, 0.0], 4.0))
    old = parameters[0].grad.numpy()
    assert optim.clip_grad_norm(iter(parameters), 10.0) == 5.0
    assert norm_of(parameters) == 5.0
    assert optim.clip_grad_norm(parameters, 1.0) == 5.0
    np.testing.assert_allclose(parameters[0].grad.numpy(), [0.6, 0, 0, 0])
    assert type(parameters[1].grad.numpy()) is np.ndarray
    np.testing.assert_array_equal(old, [3.0, 0.0, 0.0, 0.0])


def test_clipping_agrees_with_torch_where_it_is_installed():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(0, 3, shape) for shape in [(4, 3), (7,), ()]]
    ours: Any = [mg.Tensor(np.zeros(a.shape), requires_grad=True) for a in arrays]
    theirs = [torch.zeros(a.shape, dtype=torch.float64, requires_grad=True) for a in arrays]
    for p, t, a in zip(ours, theirs, arrays, strict=True):
        p.grad, t.grad = mg.tensor(np.array(a)), torch.tensor(a)
    norm = torch.nn.utils.clip_grad_norm_(theirs, 2.0).item()
    np.testing.assert_allclose(optim.clip_grad_norm(ours, 2.0), norm, rtol=1e-14)
    for p, t in zip(ours, theirs, strict=True):
        # PyTorch divides by the norm plus 1e-6.
        np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "size"), [(np.float16, 6e4), (np.float16, 1e-7), (np.float32, 3e38), (float, 1e300)]
)
def test_squares_neither_overflow_nor_underflow(dtype, size):
    w: Any = mg.Tensor(np.zeros(1024), requires_grad=True, dtype=dtype)
    w.grad = mg.tensor(np.full(1024, size, dtype))
    exact = 32 * float(dtype(size))
    np.testing.assert_allclose(optim.clip_grad_norm([w], np.float64(exact / 2)), exact, rtol=1e-6)
    assert w.grad.dtype == dtype
    tolerance = 1e-3 if size > 1 else 0.5  # half of a subnormal is rounded
    np.testing.assert_allclose(w.grad.numpy().astype(float), size / 2, rtol=tolerance)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_told_and_left(bad):
    parameters = start()
    gradients_of(parameters, ([3.0, bad, 0.0, 0.0], 4.0))
    grads = [p.grad for p in parameters]
    with pytest.raises(ValueError, match="the gradient of w is not finite"):
        optim.clip_grad_norm(parameters, 1.0)
    assert all(p.grad is g for p, g in zip(parameters, grads, strict=True))


def test_a_norm_that_overflows_is_told():
    w: Any = mg.Tensor(np.zeros(100), requires_grad=True)
    w.grad = mg.tensor(np.full(100, 1e308))
    with pytest.raises(ValueError, match=r"the norm of gradients as large as 1e\+308 is not"):
        optim.clip_grad_norm([w], 1.0)


def test_nothing_to_clip():
    w, b = start()
    assert optim.clip_grad_norm([w, b], 1.0) == 0.0
    w.grad = mg.tensor(np.zeros(4))
    assert optim.clip_grad_norm([w, b], 1.0) == 0.0
    empty: Any = mg.Tensor(np.zeros((0, 3)), requires_grad=True)
    empty.grad = mg.tensor(np.zeros((0, 3)))
    assert optim.clip_grad_norm([empty], 1.0) == 0.0
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="max_norm is positive"):
            optim.clip_grad_norm([w], bad)


def test_a_plain_array_as_gradient_can_be_clipped():
    w: Any = mg.Tensor(np.zeros(2), requires_grad=True)
    w.grad = np.array([3.0, 4.0])
    assert optim.clip_grad_norm([w], 1.0) == 5.0
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.8])


def test_clipping_values_limits_each_element():
    parameters = start()
    gradients_of(parameters, ([3.0, -9.0, 0.5, np.inf], -0.25))
    old = parameters[0].grad.numpy()
    optim.clip_grad_value(iter(parameters), 1.0)
    np.testing.assert_array_equal(parameters[0].grad.numpy(), [1.0, -1.0, 0.5, 1.0])
    np.testing.assert_array_equal(parameters[1].grad.numpy(), -0.25)
    np.testing.assert_array_equal(old, [3.0, -9.0, 0.5, np.inf])
    w: Any = mg.Tensor(np.zeros(2), requires_grad=True, dtype=np.float32)
    optim.clip_grad_value([w], 1.0)
    assert w.grad is None
    w.grad = np.array([np.nan, 2.0], np.float32)
    optim.clip_grad_value([w], np.float64(0.5))
    assert w.grad.dtype == np.float32
    np.testing.assert_array_equal(w.grad.numpy(), [np.nan, 0.5])
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="clip_value is positive"):
            optim.clip_grad_value([w], bad)


def test_one_tensor_may_be_clipped_and_what_is_none_is_told():
    w = mg.tensor([3.0, 4.0], requires_grad=True)
    (w * w).sum().backward()
    optim.clip_grad_value(w, 7.0)
    assert optim.clip_grad_norm(w, 1.0) == pytest.approx(np.hypot(6.0, 7.0))
    assert norm_of([w]) == pytest.approx(1.0)
    model: Any = mg.nn.Linear(2, 1)
    for clip in (optim.clip_grad_norm, optim.clip_grad_value):
        with pytest.raises(TypeError, match=rf"{clip.__name__} takes parameters: pass model"):
            clip(model, 1.0)
        with pytest.raises(TypeError, match=r"takes tensors, not a tuple: pass model\.parameters"):
            clip(model.named_parameters(), 1.0)
