"""L-BFGS: PyTorch's way, line searches, state, and closures."""

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.errors import ShapeError, StateError
from minigrad.serialize import load, save
from tests.optim.answers import (
    LBFGS,
    STORED,
    VALLEY,
    our_path,
    our_valley,
    through_the_valley,
    torch_path,
    torch_valley,
    walk,
)
from tests.optim.trajectories import start

TOLERANCE: Any = {"rtol": 0, "atol": 1e-10}


@pytest.fixture(scope="module")
def stored():
    with np.load(STORED) as file:
        return dict(file)


@pytest.mark.parametrize("name", LBFGS)
def test_two_hundred_steps_are_those_of_torch(name, stored):
    path = our_path(name)
    np.testing.assert_allclose(path, stored[name], **TOLERANCE)
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(path, torch_path(torch, name), **TOLERANCE)


@pytest.mark.parametrize("name", VALLEY)
def test_line_searches_are_those_of_torch(name, stored):
    path = our_valley(name)
    np.testing.assert_allclose(path, stored[name], **TOLERANCE)
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(path, torch_valley(torch, name), **TOLERANCE)


def test_a_run_resumes_where_it_stopped(tmp_path):
    parameters = start()
    settings: Any = {"max_iter": 4, "history_size": 5}
    whole = walk(optim.LBFGS(parameters, **settings), parameters, 20)
    parameters = start()
    optimizer = optim.LBFGS(parameters, **settings)
    walk(optimizer, parameters, 8)
    save(tmp_path / "optimizer.npz", optimizer)
    resumed: Any = [mg.Tensor(p.numpy(), requires_grad=True) for p in parameters]
    again = optim.LBFGS(resumed)
    again.load_state_dict(load(tmp_path / "optimizer.npz"))
    np.testing.assert_array_equal(walk(again, resumed, 12, first=8), whole[8:])
    twins, twin = copy.deepcopy((parameters, optimizer))
    np.testing.assert_array_equal(walk(twin, twins, 12, first=8), whole[8:])


def test_a_state_that_does_not_fit_is_refused():
    parameters = start()
    optimizer = optim.LBFGS(parameters)
    walk(optimizer, parameters, 2)
    for change in (
        lambda s: s.update({"0.changes": np.zeros((2, 4))}),
        lambda s: s.update({"0.direction": np.zeros(())}),
        lambda s: s.pop("0.steps"),
    ):
        state = optimizer.state_dict()
        change(state)
        with pytest.raises(StateError, match="state does not fit LBFGS"):
            optimizer.load_state_dict(state)


def test_a_step_makes_new_arrays_and_keeps_the_precision():
    parameters = start(np.float32)
    arrays = [p.numpy() for p in parameters]
    for array in arrays:
        array.setflags(write=False)
    walk(optim.LBFGS(parameters, line_search_fn="strong_wolfe"), parameters, 3)
    assert all(p.dtype == np.float32 for p in parameters)
    assert all(type(p.numpy()) is np.ndarray for p in parameters)


def test_parameters_without_gradient_stay():
    x: Any = mg.Tensor([0.5, 0.25], requires_grad=True)
    other: Any = mg.Tensor([1.0], requires_grad=True)
    through_the_valley(x, optim.LBFGS([x, other], line_search_fn="strong_wolfe"), steps=5)
    np.testing.assert_array_equal(other.numpy(), [1.0])
    np.testing.assert_allclose(x.numpy(), [1.0, 1.0], atol=1e-4)


def test_at_the_minimum_nothing_moves():
    x: Any = mg.Tensor([1.0, 1.0], requires_grad=True)
    path = through_the_valley(x, optim.LBFGS([x]), steps=3)
    np.testing.assert_array_equal(path, [[1.0, 1.0, 0.0]] * 3)


def test_what_cannot_be_is_refused():
    w, b = start()
    with pytest.raises(ValueError, match="one direction for all parameters, so one group"):
        optim.LBFGS([{"parameters": [w]}, {"parameters": [b]}])
    with pytest.raises(ValueError, match="line_search_fn is 'strong_wolfe' or None, not 'wolfe'"):
        optim.LBFGS([w], line_search_fn="wolfe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_iter and history_size are 1 or more"):
        optim.LBFGS([w], max_iter=0)
    with pytest.raises(TypeError, match="closure"):
        optim.LBFGS([w]).step()  # type: ignore[call-arg]

    def wrong():
        w.grad = mg.tensor(np.ones(3))
        return mg.tensor(1.0)

    with pytest.raises(ShapeError, match=r"w \(4,\) has a gradient \(3,\)"):
        optim.LBFGS([w]).step(wrong)
