"""NumPy code becomes differentiable as it stands: value, gradient and second order."""

import numpy as np
import pytest

import minigrad as mg
from tests.numpy.programs import PROGRAMS


def parametrized(names):
    return pytest.mark.parametrize("name", names)


def test_there_are_enough_of_them_and_they_know_nothing():
    assert len(PROGRAMS) >= 45
    for program in PROGRAMS.values():
        assert "mg" not in program.function.__globals__
        assert "Tensor" not in program.function.__globals__


@parametrized(PROGRAMS)
def test_the_value_is_numpys(name):
    function, inputs = PROGRAMS[name]
    wanted = function(*inputs)
    before = [x.copy() for x in inputs]
    got = function(*(mg.Tensor(x, requires_grad=True) for x in inputs))
    assert type(got) is mg.Tensor
    assert got.requires_grad
    assert got.shape == np.shape(wanted)
    assert got.dtype == np.asarray(wanted).dtype
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12)
    for x, kept in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(x, kept)


@parametrized(PROGRAMS)
def test_every_input_has_the_right_gradient_of_first_and_second_order(name):
    function, inputs = PROGRAMS[name]
    mg.gradcheck(function, *inputs, order=2).raise_if_failed()
    tensors = [mg.Tensor(x, requires_grad=True) for x in inputs]
    out = function(*tensors)
    (out * np.cos(np.arange(out.size)).reshape(out.shape)).sum().backward()
    for t in tensors:
        assert t.grad is not None
        assert np.any(t.grad.numpy() != 0)
