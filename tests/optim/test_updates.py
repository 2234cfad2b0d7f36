"""The arithmetic of the optimisers: two hundred steps against PyTorch's, and nobody's arrays."""

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.optim import updates
from tests.optim.trajectories import (
    CASES,
    KINDS,
    START,
    A,
    descend,
    gradients_of,
    make,
    moving,
    start,
)


@pytest.mark.parametrize("name", CASES)
def test_two_hundred_steps_end_where_pytorchs_end(name):
    (kind, settings), _, (w, b) = CASES[name]
    parameters = start()
    path = descend(kind(parameters, **settings), parameters, 200)
    np.testing.assert_allclose(path[-1], [*w, b], rtol=0, atol=1e-10)


@pytest.fixture
def torch():
    """PyTorch, which keeps numbers such as NAdam's product of momenta in its default dtype."""
    module = pytest.importorskip("torch")
    module.set_default_dtype(module.float64)
    yield module
    module.set_default_dtype(module.float32)


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_pytorchs_where_it_is_installed(name, torch):
    (kind, settings), (their, their_settings), _ = CASES[name]
    parameters = start()
    path = descend(kind(parameters, **settings), parameters, 200)
    w, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in START)
    optimizer = getattr(torch.optim, their)([w, b], **their_settings)
    for i in range(200):
        optimizer.zero_grad()
        r = torch.tensor(A) @ w + b - torch.tensor(moving(i))
        ((r * r).mean() + (w**4.0).sum() * 0.01).backward()
        optimizer.step()
        np.testing.assert_allclose(path[i], [*w.tolist(), b.item()], rtol=0, atol=1e-10)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_lion_is_the_paper_line_by_line(weight_decay):
    """Algorithm 2 of Chen et al. (2023), an element at a time."""
    parameters = start()
    settings: Any = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.99}
    optimizer = optim.Lion(parameters, weight_decay=weight_decay, **settings)
    theta, m = [*START[0], START[1]], [0.0] * 5
    for i in range(200):
        w, b = np.array(theta[:4]), theta[4]
        r = A @ w + b - moving(i)
        gradient = [*(A.T @ r * 0.4 + 0.04 * w**3), 0.4 * r.sum()]
        path = descend(optimizer, parameters, 1, first=i)
        for k, g in enumerate(gradient):
            c = 0.9 * m[k] + (1 - 0.9) * g
            theta[k] -= 0.01 * (math.copysign(1.0, c) + weight_decay * theta[k])
            m[k] = 0.99 * m[k] + (1 - 0.99) * g
        np.testing.assert_allclose(path[0], theta, rtol=0, atol=1e-10)


def test_lbfgs_direction_is_newtons_where_the_loss_is_quadratic():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    hessian = root @ root.T + np.eye(5)
    steps = np.linalg.eigh(hessian)[1].T  # conjugate, so that five of them tell everything
    g = rng.normal(size=5)
    direction = updates.lbfgs_direction(g, steps @ hessian, steps)
    np.testing.assert_allclose(direction, -np.linalg.solve(hessian, g), rtol=1e-12)
    none = np.zeros((0, 5))
    np.testing.assert_array_equal(updates.lbfgs_direction(g, none, none), -g)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_never_writes_into_the_old_array_or_the_gradient(kind):
    parameters = start()
    optimizer = make(kind, parameters, weight_decay=0.1)
    for _ in range(3):
        arrays = [p.numpy() for p in parameters]
        for array in arrays:
            array.setflags(write=False)
        gradients_of(parameters, ([1.0, 2.0, 3.0, 4.0], 5.0))
        for p in parameters:
            p.grad.numpy().setflags(write=False)
        optimizer.step()
        for p, array in zip(parameters, arrays, strict=True):
            assert not np.shares_memory(p.numpy(), array)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_remembered_is_no_ones_gradient(kind):
    def run(wipe):
        parameters = start()
        optimizer = make(kind, parameters)
        for _ in range(3):
            gradients_of(parameters, ([1.0, 2.0, 3.0, 4.0], 5.0))
            gradients = [p.grad for p in parameters]
            optimizer.step()
            if wipe:
                for g in gradients:
                    g.numpy()[...] = 0.0
        return parameters[0].numpy()

    np.testing.assert_array_equal(run(wipe=True), run(wipe=False))


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_recorded_before_a_step_stays_right(kind):
    w: Any = mg.Tensor([2.0], requires_grad=True)
    loss = (w * w).sum()
    w.grad = mg.tensor([1.0])
    make(kind, [w]).step()
    w.grad = None
    loss.backward()
    np.testing.assert_array_equal(w.grad.numpy(), [4.0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scalar", [float, np.float64, np.float32])
def test_parameters_and_memory_keep_their_dtype_and_shape(kind, dtype, scalar):
    parameters = start(dtype)
    optimizer = make(kind, parameters, learning_rate=scalar(0.5))
    for _ in range(3):
        gradients_of(parameters, ([1.0, 2.0, 3.0, 4.0], 5.0))
        optimizer.step()
        optimizer.groups[0]["learning_rate"] = scalar(0.25)  # a schedule may be NumPy
    for p, shape in zip(parameters, [(4,), ()], strict=True):
        assert type(p.numpy()) is np.ndarray
        assert (p.dtype, p.shape) == (dtype, shape)
    for name, value in optimizer.state_dict().items():
        is_number = name.endswith((".t", ".mu_product"))
        assert not isinstance(value, np.ndarray) or is_number or value.dtype == dtype
