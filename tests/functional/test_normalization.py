"""Normalisation: PyTorch's values, gradients and running statistics, and what is refused."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, smooth, value_and_gradients

RNG = np.random.default_rng(0)
W4, B4 = RNG.uniform(0.5, 2.0, 4), RNG.normal(size=4)
MEAN, VAR = RNG.normal(size=4), RNG.uniform(0.5, 2.0, 4)


def x_of(*shape):
    return RNG.normal(0.5, 2.0, shape)


CASES: dict[str, Any] = {
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        lambda T, x, w, b: T.batch_norm(x, None, None, w, b, training=True),
        [x_of(2, 4), W4, B4],
    ),
    "batch_norm images": (
        lambda x: F.batch_norm(x, training=True, eps=0.1),
        lambda T, x: T.batch_norm(x, None, None, training=True, eps=0.1),
        [x_of(2, 2, 2, 1)],
    ),
    "batch_norm running": (
        lambda x, w, b: F.batch_norm(x, MEAN, VAR, w, b),
        lambda T, x, w, b: T.batch_norm(x, x.new_tensor(MEAN), x.new_tensor(VAR), w, b),
        [x_of(2, 4, 1), W4, B4],
    ),
    "instance_norm": (
        lambda x, w, b: F.instance_norm(x, None, None, w, b),
        lambda T, x, w, b: T.instance_norm(x, None, None, w, b),
        [x_of(1, 4, 3), W4, B4],
    ),
    "group_norm": (
        lambda x, w, b: F.group_norm(x, 2, w, b),
        lambda T, x, w, b: T.group_norm(x, 2, w, b),
        [x_of(1, 4, 3), W4, B4],
    ),
    "group_norm of one": (
        lambda x: F.group_norm(x, 1, eps=0.01),
        lambda T, x: T.group_norm(x, 1, eps=0.01),
        [x_of(2, 4)],
    ),
    "layer_norm": (
        lambda x, w, b: F.layer_norm(x, 4, w, b),
        lambda T, x, w, b: T.layer_norm(x, [4], w, b),
        [x_of(2, 1, 4), W4, B4],
    ),
    "layer_norm of axes": (
        lambda x, w: F.layer_norm(x, (3, 2), w, eps=0.01),
        lambda T, x, w: T.layer_norm(x, [3, 2], w, eps=0.01),
        [x_of(2, 3, 2), x_of(3, 2)],
    ),
    "rms_norm": (
        lambda x, w: F.rms_norm(x, 4, w, 1e-5),
        lambda T, x, w: T.rms_norm(x, [4], w, 1e-5),
        [x_of(3, 4), W4],
    ),
    "rms_norm of axes": (
        lambda x: F.rms_norm(x, (3, 2)),
        lambda T, x: T.rms_norm(x, [3, 2]),
        [x_of(2, 3, 2)],
    ),
    "local_response_norm": (
        lambda x: F.local_response_norm(x, 3, 0.5, 0.6, 2.0),
        lambda T, x: T.local_response_norm(x, 3, 0.5, 0.6, 2.0),
        [x_of(2, 4, 2)],
    ),
    "local_response_norm of even size": (
        lambda x: F.local_response_norm(x, 4, 0.5),
        lambda T, x: T.local_response_norm(x, 4, 0.5),
        [x_of(1, 5, 2, 1)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_torch_agrees(name):
    case = Case(*CASES[name])
    alike(case)
    agrees(case, 1e-10, 1e-12)
    agrees(case._replace(arrays=[x.astype("f4") for x in case.arrays]), 2e-4, 2e-5)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_agree_with_finite_differences(name, order):
    smooth(Case(*CASES[name]), order)


@pytest.mark.parametrize("name", CASES)
def test_low_precision_stays_and_large_values_do_not_overflow(name):
    f, _, arrays = CASES[name]
    for dtype in (np.float16, np.float32):
        large = [np.asarray(arrays[0] * 2e3).astype(dtype), *(x.astype(dtype) for x in arrays[1:])]
        value, slopes = value_and_gradients(f, large)
        assert value.dtype == dtype
        assert np.isfinite(value).all()
        assert all(np.isfinite(slope.numpy()).all() for slope in slopes)
        wanted = f(*(x.astype(float) for x in large))
        np.testing.assert_allclose(value, wanted, rtol=0.01, atol=0.01)
    ints = np.asarray(arrays[0] * 10).astype(int)
    np.testing.assert_array_equal(f(ints, *arrays[1:]), f(ints.astype(float), *arrays[1:]))


@pytest.mark.parametrize("name", CASES)
def test_equal_elements_have_a_finite_gradient(name):
    f, _, arrays = CASES[name]
    for fill in (0.0, 3.0, 1e4):
        for dtype in (np.float32, np.float64):
            same = np.full(arrays[0].shape, fill, dtype)
            value, slopes = value_and_gradients(f, [same, *(x.astype(dtype) for x in arrays[1:])])
            assert np.isfinite(value).all()
            assert all(np.isfinite(slope.numpy()).all() for slope in slopes)


def test_a_mean_far_from_zero_costs_no_more_digits_than_x_has():
    x = (1e4 + RNG.normal(size=(50, 4))).astype(np.float32)
    for f in (
        lambda t: F.batch_norm(t, training=True),
        lambda t: F.layer_norm(t, 4),
        lambda t: F.group_norm(t, 1),
        lambda t: F.batch_norm(t, t.mean(0), t.var(0)),
    ):
        # An ulp of the mean, 1e-3, over the least deviation of a row.
        np.testing.assert_allclose(f(x), f(x.astype(float)), atol=1e-3 / x.std(1).min())


# Running statistics


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 2), (2, 4, 3, 2)])
@pytest.mark.parametrize("momentum", [0.1, 0.7])
@pytest.mark.parametrize("f", ["batch_norm", "instance_norm"])
def test_running_statistics_are_pytorchs(shape, momentum, f):
    torch = pytest.importorskip("torch")
    if f == "instance_norm":
        shape = (*shape, 3)
    mean, var = MEAN.copy(), VAR.copy()
    buffers = mg.nn.module.Buffer(MEAN.copy()), mg.nn.module.Buffer(VAR.copy())
    theirs = torch.tensor(MEAN), torch.tensor(VAR)
    params: dict[str, Any] = {"training": True} if f == "batch_norm" else {}
    for _ in range(2):
        x = x_of(*shape)
        out = getattr(F, f)(x, mean, var, momentum=momentum, **params)
        getattr(F, f)(x, *buffers, momentum=momentum, **params)
        other = getattr(torch.nn.functional, f)(
            torch.tensor(x), *theirs, momentum=momentum, **params
        )
        np.testing.assert_allclose(out, other.numpy(), rtol=1e-9, atol=1e-11)
    for mine, buffer, other in zip((mean, var), buffers, theirs, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-12)
        np.testing.assert_array_equal(mine, buffer.numpy())


def test_a_graph_keeps_the_statistics_it_was_made_with():
    mean, var = mg.nn.module.Buffer(np.zeros(1)), mg.nn.module.Buffer(np.ones(1))
    x = mg.Tensor([[1.0], [3.0]], requires_grad=True)
    out = F.batch_norm(x, mean, var, eps=0.0).sum()
    F.batch_norm(x, mean, var, training=True, momentum=1.0)
    np.testing.assert_array_equal(mean.numpy(), [2.0])
    out.backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [[1.0], [1.0]])


def test_evaluation_and_float32_statistics():
    x = x_of(3, 4).astype("f4")
    mean, var = MEAN.astype("f4"), VAR.astype("f4")
    before = mean.copy()
    assert F.batch_norm(x, mean, var).dtype == np.float32
    np.testing.assert_array_equal(mean, before)
    F.batch_norm(x, mean, var, training=True)
    assert mean.dtype == np.float32
    assert (mean != before).all()
    out = F.instance_norm(x[..., None], MEAN, VAR, use_input_stats=False)
    np.testing.assert_allclose(out[..., 0], (x - MEAN) / np.sqrt(VAR + 1e-5), rtol=1e-5)


def test_what_normalising_means():
    x = x_of(6, 4, 5)
    for out, axes in (
        (F.batch_norm(x, eps=0.0), (0, 2)),
        (F.instance_norm(x, eps=0.0), 2),
        (F.group_norm(x, 4, eps=0.0), 2),
        (F.layer_norm(x, (4, 5), eps=0.0), (1, 2)),
    ):
        np.testing.assert_allclose(out.mean(axes), 0.0, atol=1e-14)
        np.testing.assert_allclose(out.var(axes), 1.0, rtol=1e-13)
    np.testing.assert_allclose((F.rms_norm(x, 5, eps=0.0) ** 2).mean(-1), 1.0)


# What is refused


def test_shapes_that_do_not_fit_are_refused():
    x = x_of(3, 4, 2)
    refused: list[Any] = [
        (lambda: F.batch_norm(np.ones(3)), r"batch_norm: x \(3,\) has no channels"),
        (lambda: F.instance_norm(np.ones((3, 4))), r"instance_norm: x \(3, 4\) has no channels"),
        (lambda: F.group_norm(np.ones(3), 1), r"group_norm: x \(3,\) has no channels"),
        (lambda: F.local_response_norm(np.ones((3, 4)), 2), r"has no channels"),
        (lambda: F.batch_norm(x, weight=np.ones(2)), r"weight \(2,\) for the 4 channels of"),
        (lambda: F.batch_norm(x, MEAN, VAR[:3]), r"running_var \(3,\) for the 4 channels of"),
        (lambda: F.group_norm(x, 3), r"4 channels of \(3, 4, 2\) in 3 groups"),
        (lambda: F.group_norm(x, 2, bias=np.ones(2)), r"bias \(2,\) for the 4 channels of"),
        (lambda: F.layer_norm(x, 4), r"normalized_shape \(4,\) is not how \(3, 4, 2\) ends"),
        (lambda: F.layer_norm(x, ()), r"normalized_shape \(\) is not how"),
        (lambda: F.layer_norm(x, (4, 2), np.ones(2)), r"weight \(2,\) where \(4, 2\) is norm"),
        (lambda: F.rms_norm(x, 2, np.ones(4)), r"weight \(4,\) where \(2,\) is normalised"),
        (lambda: F.batch_norm(np.ones((1, 4)), training=True), r"one value in a channel"),
        (lambda: F.instance_norm(np.ones((2, 4, 1))), r"one value in a channel"),
    ]
    for call, said in refused:
        with pytest.raises(ShapeError, match=said):
            call()
    with pytest.raises(ValueError, match="running_mean and running_var belong together"):
        F.batch_norm(x, MEAN)
    with pytest.raises(ValueError, match="without use_input_stats pass the running statistics"):
        F.instance_norm(x, use_input_stats=False)
    with pytest.raises(ValueError, match="size is 1 or more, not 0"):
        F.local_response_norm(x, 0)
    with pytest.raises(TypeError, match="running statistics are arrays or Tensors"):
        F.batch_norm(x, [0.0] * 4, [1.0] * 4, training=True)


def test_no_examples_are_no_error():
    for f in (
        lambda t: F.layer_norm(t, 2),
        lambda t: F.group_norm(t, 2),
        lambda t: F.rms_norm(t, 2),
        lambda t: F.instance_norm(t),
        lambda t: F.batch_norm(t, MEAN, VAR),
        lambda t: F.local_response_norm(t, 2),
    ):
        assert f(np.ones((0, 4, 2))).shape == (0, 4, 2)
