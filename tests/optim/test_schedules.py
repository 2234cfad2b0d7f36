"""Schedules: PyTorch's rates for 200 steps, state, and what is refused."""

import copy
from typing import Any

import numpy as np
import pytest

from minigrad import optim
from minigrad.errors import StateError
from minigrad.optim.schedules import followed
from tests.optim.answers import LBFGS, SCHEDULES, STEPS, STORED, VALLEY, our_rates, torch_rates
from tests.optim.trajectories import start


@pytest.fixture(scope="module")
def stored():
    with np.load(STORED) as file:
        return dict(file)


def sgd(rate=1.0):
    return optim.SGD(start(), rate, momentum=0.9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_those_stored_of_torch(name, stored):
    np.testing.assert_allclose(our_rates(name), stored[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_those_of_torch_where_it_is_installed(name):
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(our_rates(name), torch_rates(torch, name), rtol=0, atol=1e-12)


def test_what_is_stored_is_what_is_asked(stored):
    assert stored.keys() == {*SCHEDULES, *LBFGS, *VALLEY}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_run_resumes_where_it_stopped(name):
    def run(optimizer, schedule, first, last):
        rates = []
        for i in range(first, last):
            plateau = isinstance(schedule, optim.ReduceLROnPlateau)
            schedule.step(*([1.0 + (i % 7)] if plateau else []))
            rates.append(optimizer.learning_rate)
        return rates

    def make():
        parameters = start()
        groups = [{"parameters": [p]} for p in parameters]
        optimizer = optim.SGD(groups, 0.1, momentum=0.9)
        return optimizer, SCHEDULES[name](optimizer, optim)

    optimizer, schedule = make()
    whole = run(optimizer, schedule, 0, 90)
    optimizer, schedule = make()
    run(optimizer, schedule, 0, 40)
    saved = optimizer.state_dict(), schedule.state_dict()
    resumed, again = make()
    resumed.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    assert run(resumed, again, 40, 90) == whole[40:]
    twin, twins = copy.deepcopy((optimizer, schedule))
    assert run(twin, twins, 40, 90) == whole[40:]
    assert all(np.asarray(value).dtype.kind in "if" for value in saved[1].values())


def test_a_state_that_does_not_fit_is_refused():
    schedule = optim.StepLR(sgd(), 3)
    for state in ({}, {"count": 1, "best": 2.0}):
        with pytest.raises(StateError, match="state does not fit StepLR"):
            schedule.load_state_dict(state)
    chained = optim.ChainedScheduler([schedule])
    with pytest.raises(StateError, match="state does not fit StepLR"):
        chained.load_state_dict({"count": 1})
    with pytest.raises(StateError, match="state does not fit SequentialLR: missing: count"):
        optim.SequentialLR([schedule], []).load_state_dict({"0.count": 1})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda o: optim.ConstantLR(o, 0.0), "factor lies in"),
        (lambda o: optim.LinearLR(o, 0.0), r"start_factor lies in \(0, 1\]"),
        (lambda o: optim.LinearLR(o, 0.5, 1.5), "they can't be 0.5 and 1.5"),
        (lambda o: optim.StepLR(o, 0), "step_size is 1 or more, not 0"),
        (lambda o: optim.CosineAnnealingLR(o, 0), "t_max is 1 or more, not 0"),
        (lambda o: optim.CosineAnnealingWarmRestarts(o, 4, 0), "1 or more, not 4 and 0"),
        (lambda o: optim.OneCycleLR(o, 1.0, 0), "total_steps=0"),
        (lambda o: optim.OneCycleLR(o, 1.0, 9, pct_start=1.5), "pct_start=1.5"),
        (
            lambda o: optim.OneCycleLR(o, 1.0, 9, anneal_strategy="sin"),  # type: ignore[arg-type]
            "'cos' or 'linear', not",
        ),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), "factor lies in"),
        (
            lambda o: optim.ReduceLROnPlateau(o, "best"),  # type: ignore[arg-type]
            "'min' or 'max' and 'rel' or 'abs'",
        ),
        (lambda o: optim.ChainedScheduler([]), "ChainedScheduler needs schedules"),
        (lambda o: optim.SequentialLR([optim.StepLR(o, 1)], [3]), "1 schedules need 0 milestones"),
        (
            lambda o: optim.ChainedScheduler([optim.StepLR(o, 1), optim.StepLR(sgd(), 1)]),
            "the schedules are of several optimisers",
        ),
    ],
)
def test_schedules_that_cannot_be_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make(sgd())


def test_a_schedules_arguments_of_pytorchs_name_are_told():
    with pytest.raises(TypeError, match=r"CosineAnnealingLR.* no parameter 'T_max': write t_max="):
        optim.CosineAnnealingLR(sgd(), T_max=5)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"ChainedScheduler.* no parameter 'schedulers': write sch"):
        optim.ChainedScheduler(schedulers=[])  # type: ignore[call-arg]


def test_a_milestone_at_the_start_leaves_the_first_schedule_out():
    optimizer = sgd()
    schedules = [optim.ConstantLR(optimizer, 0.1, 2), optim.ExponentialLR(optimizer, 0.5)]
    rates = followed(optim.SequentialLR(schedules, [0]), 2)
    assert rates == [0.5**k * rates[0] for k in range(3)]
    assert rates[0] == sgd().learning_rate


def test_one_cycle_changes_beta1_where_there_is_one_and_ends():
    adam = optim.Adam(start())
    schedule = optim.OneCycleLR(adam, 0.1, total_steps=10)
    betas = []
    for _ in range(10):
        betas.append(adam.groups[0]["beta1"])
        schedule.step()
    assert betas[0] == 0.95
    assert min(betas) == pytest.approx(0.85)
    with pytest.raises(ValueError, match="the cycle of 10 steps is over"):
        schedule.step()
    with pytest.raises(ValueError, match=r"Adagrad has no momentum: pass cycle_momentum=False"):
        optim.OneCycleLR(optim.Adagrad(start()), 0.1, total_steps=10)
    optim.OneCycleLR(optim.Adagrad(start()), 0.1, total_steps=10, cycle_momentum=False)


def test_a_rate_that_somebody_changes_is_gone_on_from():
    optimizer = sgd()
    schedule = optim.ExponentialLR(optimizer, 0.5)
    schedule.step()
    optimizer.learning_rate = 8.0
    schedule.step()
    assert optimizer.learning_rate == 4.0


def test_a_schedule_of_ones_own_needs_one_method():
    class Sawtooth(optim.schedules.Schedule):
        def rate(self, count, now, initial):
            return initial * (1.0 - 0.25 * (count % 3))

    assert followed(Sawtooth(sgd(2.0)), 4) == [2.0, 1.5, 1.0, 2.0, 1.5]
    with pytest.raises(NotImplementedError, match=r"Schedule has no rate\(\)"):
        optim.schedules.Schedule(sgd())


def test_every_schedule_is_compared():
    kinds = {n for n in optim.__all__ if n.endswith(("LR", "Scheduler", "Plateau", "Restarts"))}
    parameters: Any = start()
    used = set()
    for make in SCHEDULES.values():
        groups = [{"parameters": [p]} for p in parameters]
        used.add(type(make(optim.SGD(groups, momentum=0.9), optim)).__name__)
    assert kinds == used
    assert STEPS == 200


def test_schedules_of_schedules_follow_each_other():
    made = sgd()
    chained = optim.ChainedScheduler([optim.LinearLR(made, 0.5), optim.ConstantLR(made, 0.5)])
    schedule = optim.SequentialLR([chained, optim.ConstantLR(made, 0.5)], [5])
    rates = [0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.5]  # PyTorch's
    np.testing.assert_allclose(followed(schedule, 6), rates)
    state = schedule.state_dict()
    schedule.load_state_dict(state)
    assert schedule.state_dict() == state
    made = sgd()
    inner = optim.SequentialLR([optim.ExponentialLR(made, 0.5), optim.ConstantLR(made, 0.1)], [2])
    schedule = optim.SequentialLR([optim.ExponentialLR(made, 0.9), inner], [1])
    np.testing.assert_allclose(followed(schedule, 4), [1.0, 1.0, 0.5, 0.1, 0.1])


def test_what_is_no_schedule_of_steps_is_told():
    made = sgd()
    wrongs: list[tuple[Any, str]] = [
        (lambda: optim.ChainedScheduler([optim.ReduceLROnPlateau(made)]), "only count their steps"),  # type: ignore[list-item]
        (lambda: optim.LambdaLR(made, [len]), "LambdaLR: factor is one function"),  # type: ignore[arg-type]
        (lambda: optim.ReduceLROnPlateau(made, min_lr=[0.1]), "min_lr is one number"),  # type: ignore[arg-type]
    ]
    for wrong, said in wrongs:
        with pytest.raises(TypeError, match=said):
            wrong()
