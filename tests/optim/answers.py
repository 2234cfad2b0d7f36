"""Rates that PyTorch's schedules give, and where its L-BFGS goes.

``python -m tests.optim.answers`` asks PyTorch 2.13 and stores the answers.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import optim
from minigrad.names import OPTIM
from tests.optim.trajectories import START, A, moving, start

STORED = Path(__file__).with_name("torch_answers.npz")
STEPS = 200

# Each schedule as a function of the optimiser and a namespace, ours or PyTorch's.
SCHEDULES: Any = {
    "constant": lambda o, t: t.ConstantLR(o, 0.25, 7),
    "linear": lambda o, t: t.LinearLR(o, 0.1, 0.8, 50),
    "step": lambda o, t: t.StepLR(o, 30, 0.3),
    "multi step": lambda o, t: t.MultiStepLR(o, [10, 60, 60, 150], 0.5),
    "exponential": lambda o, t: t.ExponentialLR(o, 0.97),
    "lambda": lambda o, t: t.LambdaLR(o, lambda count: 1.0 / (1.0 + 0.1 * count)),
    "cosine": lambda o, t: t.CosineAnnealingLR(o, 60, 0.001),
    "warm restarts": lambda o, t: t.CosineAnnealingWarmRestarts(o, 10, 2, 0.001),
    "warm restarts of one length": lambda o, t: t.SequentialLR(
        *lists(o, t, [t.LinearLR(o, 0.2, total_iters=9), t.CosineAnnealingWarmRestarts(o, 15)], [9])
    ),
    "one cycle": lambda o, t: t.OneCycleLR(o, 0.5, total_steps=STEPS),
    "one cycle linear": lambda o, t: t.OneCycleLR(
        o, [0.5, 0.1], total_steps=STEPS, pct_start=0.4, anneal_strategy="linear",
        cycle_momentum=False, div_factor=10.0, final_div_factor=50.0, three_phase=True,
    ),
    "plateau": lambda o, t: t.ReduceLROnPlateau(o, factor=0.5, patience=3, cooldown=2),
    "plateau max": lambda o, t: t.ReduceLROnPlateau(
        o, "max", factor=0.7, patience=1, threshold=0.05, threshold_mode="abs", min_lr=0.01
    ),
    "chained": lambda o, t: t.ChainedScheduler(
        [t.ConstantLR(o, 0.5, 4), t.CosineAnnealingLR(o, 50), t.ExponentialLR(o, 0.99)]
    ),
    "warm-up": lambda o, t: t.SequentialLR(
        *lists(o, t, [t.LinearLR(o, 0.01, total_iters=20), t.CosineAnnealingLR(o, 100)], [20])
    ),
    "sequence": lambda o, t: t.SequentialLR(
        *lists(o, t, [t.ConstantLR(o, 0.1, 5), t.ExponentialLR(o, 0.9), t.StepLR(o, 9)], [8, 70])
    ),
    "polynomial": lambda o, t: told("PolynomialLR", o, n=60, power=1.7)
    if t is optim else t.PolynomialLR(o, 60, 1.7),
    "multiplicative": lambda o, t: told("MultiplicativeLR", o, f=waves)
    if t is optim else t.MultiplicativeLR(o, waves),
    "cyclic": lambda o, t: told("CyclicLR", o, n=15, base_lr=0.1, max_lr=0.6)
    if t is optim else t.CyclicLR(o, [0.1, 0.3], [0.6, 1.8], 15, cycle_momentum=False),
}  # fmt: skip

LBFGS: Any = {
    "lbfgs": ({"learning_rate": 0.5, "max_iter": 4}, {"lr": 0.5, "max_iter": 4}),
    "lbfgs of few": (
        {"learning_rate": 0.3, "max_iter": 6, "history_size": 3},
        {"lr": 0.3, "max_iter": 6, "history_size": 3},
    ),
    "lbfgs searching": (
        {"max_iter": 2, "line_search_fn": "strong_wolfe"},
        {"max_iter": 2, "line_search_fn": "strong_wolfe"},
    ),
}
# On Rosenbrock's valley, where line searches bracket and zoom.
VALLEY: Any = {
    "lbfgs in a valley": {"max_iter": 1, "max_eval": 25, "line_search_fn": "strong_wolfe"},
    "lbfgs in a valley, one long step": {"max_iter": 60, "line_search_fn": "strong_wolfe"},
    "lbfgs in a valley of little memory": {
        "max_iter": 3, "max_eval": 9, "history_size": 2, "line_search_fn": "strong_wolfe",
    },
}  # fmt: skip


def told(name, optimizer, **given):
    """A schedule as an error says to write it."""
    said = OPTIM[name].removeprefix("write ").partition(", w")[0]
    return eval(said, {"mg": mg, "math": math, "optimizer": optimizer, **given})


def waves(count):
    return 0.98 + 0.03 * math.sin(count)


def lists(optimizer, t, schedules, milestones):
    """Arguments of SequentialLR: PyTorch's takes the optimiser, too."""
    own = () if t is optim else (optimizer,)
    return (*own, schedules, milestones)


def metric(i):
    """A number that falls, with waves: some steps improve it, some don't."""
    return float(np.exp(-i / 60.0) + 0.1 * np.sin(i * 0.7))


def our_rates(name):
    """Rates of two groups, and the momentum, after every step."""
    parameters = start()
    groups = [
        {"parameters": [parameters[0]]},
        {"parameters": [parameters[1]], "learning_rate": 0.3},
    ]
    optimizer = optim.SGD(groups, 0.1, momentum=0.9)
    schedule = SCHEDULES[name](optimizer, optim)
    plateau = isinstance(schedule, optim.ReduceLROnPlateau)
    rows = []
    for i in range(STEPS):
        rows.append([g[k] for g in optimizer.groups for k in ("learning_rate", "momentum")])
        schedule.step(*([metric(i)] if plateau else []))
    return np.array(rows)


def torch_rates(torch, name):
    """The same from PyTorch."""
    w, b = (torch.zeros(1, requires_grad=True) for _ in "wb")
    optimizer = torch.optim.SGD([{"params": [w]}, {"params": [b], "lr": 0.3}], 0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler
    schedule = SCHEDULES[name](optimizer, scheduler)
    plateau = isinstance(schedule, scheduler.ReduceLROnPlateau)
    rows = []
    optimizer.step()
    for i in range(STEPS):
        rows.append([g[k] for g in optimizer.param_groups for k in ("lr", "momentum")])
        schedule.step(*([metric(i)] if plateau else []))
    return np.array(rows, float)


def our_path(name, dtype: Any = float, steps=STEPS):
    """Where L-BFGS is after each step on a problem whose minimum moves on."""
    parameters = start(dtype)
    optimizer = optim.LBFGS(parameters, **LBFGS[name][0])
    return walk(optimizer, parameters, steps)


def walk(optimizer, parameters, steps, first=0):
    w, b = parameters
    path = []
    for i in range(first, first + steps):

        def closure(i=i):
            optimizer.zero_grad()
            r = A @ w + b - moving(i * 0.1)
            loss = (r * r).mean() + (w**4.0).sum() * 0.01
            loss.backward()
            return loss

        value = optimizer.step(closure)
        path.append([*w.tolist(), b.item(), value.item()])
    return np.array(path)


def torch_path(torch, name):
    """The same from PyTorch."""
    w, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in START)
    optimizer = torch.optim.LBFGS([w, b], **LBFGS[name][1])
    path = []
    for i in range(STEPS):

        def closure(i=i):
            optimizer.zero_grad()
            r = torch.tensor(A) @ w + b - torch.tensor(moving(i * 0.1))
            loss = (r * r).mean() + (w**4.0).sum() * 0.01
            loss.backward()
            return loss

        value = optimizer.step(closure)
        path.append([*w.tolist(), b.item(), value.item()])
    return np.array(path)


def valley(x):
    """Rosenbrock's function in five dimensions."""
    return (100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1.0 - x[:-1]) ** 2.0).sum()


def through_the_valley(x, optimizer, steps=12):
    """Where an optimiser is after each step: PyTorch's and ours are called alike."""
    path = []
    for _ in range(steps):

        def closure():
            optimizer.zero_grad()
            loss = valley(x)
            loss.backward()
            return loss

        value = optimizer.step(closure)
        path.append([*x.tolist(), value.item()])
    return np.array(path)


VALLEY_START = [-1.2, 1.0, -0.5, 0.8, 1.7]


def our_valley(name):
    x = mg.Tensor(VALLEY_START, requires_grad=True)
    return through_the_valley(x, optim.LBFGS([x], **VALLEY[name]))


def torch_valley(torch, name):
    x = torch.tensor(VALLEY_START, dtype=torch.float64, requires_grad=True)
    return through_the_valley(x, torch.optim.LBFGS([x], **VALLEY[name]))


def main():
    import torch

    torch.set_num_threads(1)
    answers = {name: torch_rates(torch, name) for name in SCHEDULES}
    answers |= {name: torch_path(torch, name) for name in LBFGS}
    answers |= {name: torch_valley(torch, name) for name in VALLEY}
    np.savez_compressed(STORED, **answers)


if __name__ == "__main__":
    main()
