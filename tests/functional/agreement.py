"""How a function is compared with PyTorch's: value and every gradient, on the same arrays."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad as mg


class Case(NamedTuple):
    """A function of ours and of PyTorch's, and the arrays to call both with."""

    ours: Callable[..., Any]
    theirs: Any  # None where only ours is checked
    arrays: Sequence[Any]


def value_and_gradients(f, arrays, weights=None):
    """The output of ``f``, and the gradients of a weighted sum of it."""
    tensors = [mg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    out = f(*tensors)
    (out * draws(out.shape, out.dtype)).sum().backward()
    return out.numpy(), [t.grad for t in tensors if t.requires_grad]


def draws(shape, dtype):
    return np.asarray(np.random.default_rng(7).uniform(0.5, 2.0, shape)).astype(dtype)


def agrees(case, rtol=1e-12, atol=1e-14):
    """Check a case in the dtype of its arrays; without PyTorch the rest of a test is skipped."""
    torch = pytest.importorskip("torch")
    value, gradients = value_and_gradients(case.ours, case.arrays)
    tensors = [
        torch.tensor(x, requires_grad=bool(np.asarray(x).dtype.kind == "f")) for x in case.arrays
    ]
    out = case.theirs(torch.nn.functional, *tensors)
    assert value.shape == tuple(out.shape)
    np.testing.assert_allclose(value, out.detach().numpy(), rtol=rtol, atol=atol)
    assert str(out.dtype) == f"torch.{value.dtype}"
    (out * torch.tensor(draws(value.shape, value.dtype))).sum().backward()
    theirs = [t.grad for t in tensors if t.requires_grad]
    for i, (mine, other) in enumerate(zip(gradients, theirs, strict=True)):
        assert (mine is None) == (other is None), f"input {i}"
        if mine is not None:
            assert mine.dtype == value.dtype
            scale = float(np.abs(other.numpy()).max(initial=1.0, where=np.isfinite(other.numpy())))
            np.testing.assert_allclose(
                mine.numpy(), other.numpy(), rtol=rtol, atol=atol * scale, err_msg=f"input {i}"
            )


def smooth(case, order):
    """Check the gradients of a case against finite differences."""
    floating = [i for i, x in enumerate(case.arrays) if x.dtype.kind == "f"]

    def f(*tensors):
        arrays = list(case.arrays)
        for i, t in zip(floating, tensors, strict=True):
            arrays[i] = t
        return case.ours(*arrays)

    report = mg.gradcheck(f, *[case.arrays[i] for i in floating], order=order)
    assert report, report


def cut(case):
    """The first row of arrays that have three: finite differences cost as much as elements."""
    return case._replace(arrays=[x[:1] if x.shape[:1] == (3,) else x for x in case.arrays])


def alike(case):
    """Check that arrays give arrays, of what Tensors give."""
    out = case.ours(*case.arrays)
    assert not isinstance(out, mg.Tensor)
    wanted = case.ours(*map(mg.tensor, case.arrays))
    np.testing.assert_array_equal(out, wanted.numpy())
    assert np.asarray(out).dtype == wanted.dtype
