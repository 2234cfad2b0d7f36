"""Schedules made of schedules: several at once, or one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.arguments import telling, telling_also
from minigrad.errors import StateError
from minigrad.optim.schedules import Counting

__all__ = ["ChainedScheduler", "SequentialLR"]


class Composed(Counting):
    """What schedules made of schedules share."""

    def __init__(self, schedules: Sequence[Counting]) -> None:
        self.schedules = list(schedules)
        if not self.schedules:
            raise ValueError(f"{type(self).__name__} needs schedules")
        for schedule in self.schedules:
            if not isinstance(schedule, Counting):
                kinds = f"{type(self).__name__} takes schedules that only count their steps"
                raise TypeError(f"{kinds}, not {type(schedule).__name__}: call its step() apart")
        self.optimizer = self.schedules[0].optimizer
        if any(schedule.optimizer is not self.optimizer for schedule in self.schedules):
            raise ValueError(f"{type(self).__name__}: the schedules are of several optimisers")

    def state_dict(self) -> dict[str, Any]:
        """Return what to resume from: each schedule's state under its place."""
        return {
            f"{i}.{name}": value
            for i, schedule in enumerate(self.schedules)
            for name, value in schedule.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state dict.

        Raises:
            StateError: If it does not fit.
        """
        for i, schedule in enumerate(self.schedules):
            head = f"{i}."
            own = {k.removeprefix(head): v for k, v in state.items() if k.startswith(head)}
            schedule.load_state_dict(own)


class ChainedScheduler(Composed):
    """Schedules that all apply at once, one after the other in each step.

    >>> import minigrad as mg
    >>> from minigrad.optim.schedules import followed
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> warm_up = mg.optim.ConstantLR(sgd, 0.5, total_iters=2)
    >>> followed(ChainedScheduler([warm_up, mg.optim.ExponentialLR(sgd, 0.9)]), 3)
    [0.5, 0.45, 0.81, 0.729]
    """

    @telling
    def __init__(self, schedules: Sequence[Counting]) -> None:
        super().__init__(schedules)

    def begin(self) -> None:
        """Count from 0, and set the rates from what they are."""
        for schedule in self.schedules:
            schedule.begin()

    @telling_also("epoch")
    def step(self) -> None:
        """Step every schedule."""
        for schedule in self.schedules:
            schedule.step()


class SequentialLR(Composed):
    """Schedules that follow each other: the next one begins at each of the milestones.

    >>> import minigrad as mg
    >>> from minigrad.optim.schedules import followed
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> warm_up = mg.optim.LinearLR(sgd, start_factor=0.5, total_iters=2)
    >>> schedule = SequentialLR([warm_up, mg.optim.CosineAnnealingLR(sgd, 4)], milestones=[2])
    >>> [round(rate, 3) for rate in followed(schedule, 6)]
    [0.5, 0.75, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    @telling
    def __init__(self, schedules: Sequence[Counting], milestones: Sequence[int]) -> None:
        super().__init__(schedules)
        self.milestones, self.count = list(milestones), 0
        if len(self.milestones) != len(self.schedules) - 1 or sorted(milestones) != self.milestones:
            raise ValueError(
                f"SequentialLR: {len(self.schedules)} schedules need {len(self.schedules) - 1} "
                f"milestones in order, not {self.milestones}"
            )
        self.restart()

    def begin(self) -> None:
        """Count from 0, and set the rates from what they are."""
        self.count = 0
        self.schedules[bisect_right(self.milestones, 0)].begin()

    @telling_also("epoch")
    def step(self) -> None:
        """Step the schedule whose turn it is."""
        self.count += 1
        turn = bisect_right(self.milestones, self.count)
        if turn and self.milestones[turn - 1] == self.count:
            self.schedules[turn].restart()
        else:
            self.schedules[turn].step()

    def state_dict(self) -> dict[str, Any]:
        """Return what to resume from: each schedule's state under its place."""
        return {"count": np.array(self.count), **super().state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state dict.

        Raises:
            StateError: If it does not fit.
        """
        if "count" not in state:
            raise StateError("state does not fit SequentialLR: missing: count")
        super().load_state_dict(state)
        self.count = int(np.asarray(state["count"]))
