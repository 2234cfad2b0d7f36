"""What pytest tells ``assert_gradients``."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.testing import GradientError, assert_gradients
from minigrad.testing.assertion import ORDER, SEED


@mg.primitive(np.sin, numpy=[], name="sine_with_a_detached_slope")
@mg.defvjp(x=lambda g, x: g * np.cos(x.data if isinstance(x, mg.Tensor) else x))
def detached_sine(x, /):
    """An op that is right in first order only."""


def test_the_first_order_by_default(request):
    assert assert_gradients(detached_sine, [0.5, 1.0])
    assert SEED.get() == request.config.getoption("--gradcheck-seed")


@pytest.mark.gradcheck(order=2, seed=5)
def test_the_order_and_seed_of_the_marker():
    assert (ORDER.get(), SEED.get()) == (2, 5)
    with pytest.raises(GradientError, match="gradient check: FAIL"):
        assert_gradients(detached_sine, [0.5, 1.0])
    assert assert_gradients(mg.sin, [0.5, 1.0])
    assert assert_gradients(detached_sine, [0.5, 1.0], order=1)
