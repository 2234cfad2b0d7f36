"""Schedules: small objects that change an optimiser's learning rate as training goes on.

Make one beside the optimiser, which sets the first rate, and call ``step()`` after each epoch (or
after each batch: a schedule counts calls). Every group follows from its own rate. Names and
numbers are PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from minigrad.arguments import telling, telling_also
from minigrad.errors import StateError
from minigrad.names import OPTIMIZERS, telling_of
from minigrad.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "StepLR",
]


class Stateful:
    """What can be saved: the numbers named in ``keeps``."""

    keeps: ClassVar[tuple[str, ...]] = ("count",)

    def state_dict(self) -> dict[str, Any]:
        """Return what to resume from, numbers by name."""
        return {name: np.copy(getattr(self, name)) for name in self.keeps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state dict; the rates themselves are the optimiser's, and saved with it.

        Raises:
            StateError: If names are missing or unexpected; nothing has changed then.
        """
        if set(state) != set(self.keeps):
            kind = type(self).__name__
            raise StateError(f"state does not fit {kind}: {sorted(state)}, not {list(self.keeps)}")
        for name in self.keeps:
            setattr(self, name, np.asarray(state[name]).tolist())

    if not TYPE_CHECKING:  # a type checker is to say itself that a name is unknown
        __getattr__ = telling_of(OPTIMIZERS)


class Counting(Stateful):
    """What only counts its steps: a schedule, or several of them in one."""

    optimizer: Optimizer

    def begin(self) -> None:
        """Count from 0, and set the rates from what they are."""
        raise NotImplementedError(f"{type(self).__name__} has no begin()")

    def step(self) -> None:
        """Count one more step and set the rates."""
        raise NotImplementedError(f"{type(self).__name__} has no step()")

    def restart(self) -> None:
        """Set the rates as if the schedule began now."""
        initial: list[float] = vars(self.optimizer)["initial_rates"]
        for group, rate in zip(self.optimizer.groups, initial, strict=True):
            group["learning_rate"] = rate
        self.begin()


class Schedule(Counting):
    """A schedule whose rate follows from the number of steps.

    Args:
        optimizer: Whose rates to change.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.count = optimizer, 0
        rates = [group["learning_rate"] for group in optimizer.groups]
        # The first schedule of an optimiser finds the rates that all of them start from.
        self.initial: list[float] = vars(optimizer).setdefault("initial_rates", rates)
        self._set()

    def rate(self, count: int, now: float, initial: float) -> float:
        """Return a group's rate after ``count`` steps, from what it is now and was at first."""
        raise NotImplementedError(f"{type(self).__name__} has no rate()")

    @telling_also("epoch")
    def step(self) -> None:
        """Count one more step and set the rates."""
        self.count += 1
        self._set()

    def begin(self) -> None:
        """Count from 0, and set the rates from what they are."""
        self.count = 0
        self._set()

    def _set(self) -> None:
        for group, initial in zip(self.optimizer.groups, self.initial, strict=True):
            group["learning_rate"] = self.rate(self.count, group["learning_rate"], initial)


def followed(schedule: Any, steps: int) -> list[float]:
    """The first group's rate now and after each of some steps, to look at or to plot.

    >>> from minigrad.tensor import Tensor
    >>> from minigrad.optim import SGD
    >>> w = Tensor(1.0, requires_grad=True)
    >>> followed(StepLR(SGD([w], 1.0), step_size=2), 4)
    [1.0, 1.0, 0.1, 0.1, 0.01]
    """
    rates = [schedule.optimizer.learning_rate]
    for _ in range(steps):
        schedule.step()
        rates.append(schedule.optimizer.learning_rate)
    return rates


class LambdaLR(Schedule):
    """The initial rate times a function of the number of steps.

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 0.5)
    >>> followed(LambdaLR(sgd, lambda count: 1 / (1 + count)), 3)
    [0.5, 0.25, 0.16666667, 0.125]
    """

    @telling
    def __init__(self, optimizer: Optimizer, factor: Callable[[int], float]) -> None:
        if not callable(factor):
            raise TypeError(f"LambdaLR: factor is one function of the steps, not {factor!r}")
        self.factor = factor
        super().__init__(optimizer)

    def rate(self, count: int, now: float, initial: float) -> float:
        """Return a group's rate after ``count`` steps."""
        return initial * self.factor(count)


class ConstantLR(Schedule):
    """The rate times ``factor`` for ``total_iters`` steps, then as it was.

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> followed(ConstantLR(sgd, factor=0.5, total_iters=2), 3)
    [0.5, 0.5, 1.0, 1.0]
    """

    @telling
    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3.0, total_iters: int = 5
    ) -> None:
        if not 0.0 < factor <= 1.0:
            raise ValueError(f"ConstantLR: factor lies in (0, 1], so it can't be {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer)

    def rate(self, count: int, now: float, initial: float) -> float:
        """Return a group's rate after ``count`` steps."""
        if count == 0:
            return now * self.factor
        return now / self.factor if count == self.total_iters else now


class LinearLR(Schedule):
    """A line from ``start_factor`` to ``end_factor`` times the rate: the usual warm-up.

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> followed(LinearLR(sgd, start_factor=0.25, total_iters=3), 4)
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    @telling
    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3.0,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        if not 0.0 < start_factor <= 1.0 or not 0.0 <= end_factor <= 1.0:
            raise ValueError(
                "LinearLR: start_factor lies in (0, 1] and end_factor in [0, 1], so they can't be "
                f"{start_factor} and {end_factor}"
            )
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def rate(self, count: int, now: float, initial: float) -> float:
        """Return a group's rate after ``count`` steps."""
        if count == 0:
            return now * self.start_factor
        if count > self.total_iters:
            return now
        rise = self.end_factor - self.start_factor
        return now * (1.0 + rise / (self.total_iters * self.start_factor + (count - 1) * rise))


class StepLR(Schedule):
    """The rate times ``gamma`` after every ``step_size`` steps.

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> followed(StepLR(sgd, step_size=2, gamma=0.5), 4)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    @telling
    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size is 1 or more, not {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def rate(self, count: int, now: float, initial: float) -> float:
        """Return a group's rate after ``count`` steps."""
        return now * self.gamma if count and count % self.step_size == 0 else now


class MultiStepLR(Schedule):
    """The rate times ``gamma`` at each of some steps.

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> followed(MultiStepLR(sgd, [1, 3], gamma=0.5), 4)
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    @telling
    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = list(milestones), gamma
        super().__init__(optimizer)

    def rate(self, count: int, now: float, initial: float) -> float:
        """Return a group's rate after ``count`` steps."""
        return now * self.gamma ** self.milestones.count(count)


class ExponentialLR(Schedule):
    """The rate times ``gamma`` after every step.

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> followed(ExponentialLR(sgd, gamma=0.5), 3)
    [1.0, 0.5, 0.25, 0.125]
    """

    @telling
    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, count: int, now: float, initial: float) -> float:
        """Return a group's rate after ``count`` steps."""
        return now * self.gamma if count else now


class CosineAnnealingLR(Schedule):
    """Half a wave from the rate down to ``eta_min`` in ``t_max`` steps, and up again after it.

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> [round(rate, 3) for rate in followed(CosineAnnealingLR(sgd, 4), 5)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.146]
    """

    @telling
    def __init__(self, optimizer: Optimizer, t_max: int, eta_min: float = 0.0) -> None:
        if t_max < 1:
            raise ValueError(f"CosineAnnealingLR: t_max is 1 or more, not {t_max}")
        self.t_max, self.eta_min = t_max, eta_min
        super().__init__(optimizer)

    def rate(self, count: int, now: float, initial: float) -> float:
        """Return a group's rate after ``count`` steps."""
        if count == 0:
            return now
        turn = math.pi / self.t_max
        if (count - 1 - self.t_max) % (2 * self.t_max) == 0:  # from the bottom no factor leads up
            return now + (initial - self.eta_min) * (1.0 - math.cos(turn)) / 2.0
        ratio = (1.0 + math.cos(turn * count)) / (1.0 + math.cos(turn * (count - 1)))
        return ratio * (now - self.eta_min) + self.eta_min


class CosineAnnealingWarmRestarts(Schedule):
    """Half a wave from the rate down to ``eta_min`` in ``t_0`` steps, then from the top again.

    Each wave is ``t_mult`` times as long as the one before (Loshchilov and Hutter, 2017).

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> schedule = CosineAnnealingWarmRestarts(sgd, t_0=2, t_mult=2)
    >>> [round(rate, 3) for rate in followed(schedule, 6)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    @telling
    def __init__(
        self, optimizer: Optimizer, t_0: int, t_mult: int = 1, eta_min: float = 0.0
    ) -> None:
        if t_0 < 1 or t_mult < 1:
            kind = type(self).__name__
            raise ValueError(f"{kind}: t_0 and t_mult are 1 or more, not {t_0} and {t_mult}")
        self.t_0, self.t_mult, self.eta_min = t_0, t_mult, eta_min
        super().__init__(optimizer)

    def rate(self, count: int, now: float, initial: float) -> float:
        """Return a group's rate after ``count`` steps."""
        done, length = count, self.t_0
        while done >= length:
            done, length = done - length, length * self.t_mult
        share = (1.0 + math.cos(math.pi * done / length)) / 2.0
        return self.eta_min + (initial - self.eta_min) * share


class OneCycleLR(Schedule):
    """Up to ``max_lr`` and down to almost 0, while momentum goes down and up (Smith, 2018).

    Made for a ``step()`` after each batch, ``total_steps`` in all.

    Args:
        optimizer: Whose rates, and momentum or ``beta1``, to change.
        max_lr: The highest rate, for all groups or each.
        total_steps: Number of steps in the cycle.
        pct_start: Share of the steps that lead up.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: Whether momentum changes, too.
        base_momentum: Momentum at the highest rate.
        max_momentum: Momentum at the start and at the end.
        div_factor: ``max_lr / div_factor`` is the rate at the start.
        final_div_factor: What that is divided by for the rate at the end.
        three_phase: Whether the way down has two parts: back to the start, then on to the end.

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], momentum=0.9)
    >>> schedule = OneCycleLR(sgd, max_lr=1.0, total_steps=6, pct_start=0.5)
    >>> [round(rate, 2) for rate in followed(schedule, 5)]
    [0.04, 0.52, 1.0, 0.75, 0.25, 0.0]
    """

    @telling
    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        groups = optimizer.groups
        self.momentum = next((name for name in ("momentum", "beta1") if name in groups[0]), "")
        if cycle_momentum and not self.momentum:
            kind = type(optimizer).__name__
            raise ValueError(f"OneCycleLR: {kind} has no momentum: pass cycle_momentum=False")
        if not 0.0 <= pct_start <= 1.0 or total_steps < 1:
            raise ValueError(f"OneCycleLR: pct_start={pct_start} of total_steps={total_steps}")
        if anneal_strategy not in ("cos", "linear"):
            said = f"'cos' or 'linear', not {anneal_strategy!r}"
            raise ValueError(f"OneCycleLR: anneal_strategy is {said}")
        self.total_steps, self.linear = total_steps, anneal_strategy == "linear"
        self.momenta = (max_momentum, base_momentum) if cycle_momentum else None
        tops = [max_lr] * len(groups) if isinstance(max_lr, float | int) else list(max_lr)
        low, last = 1.0 / div_factor, 1.0 / div_factor / final_div_factor
        up, end = pct_start * total_steps - 1.0, total_steps - 1.0
        # Where a phase ends, the rate there relative to max_lr, and whether momentum is low there.
        self.phases = [(up, 1.0, True), (end, last, False)]
        if three_phase:
            self.phases = [(up, 1.0, True), (2.0 * up, low, False), (end, last, False)]
        vars(optimizer)["initial_rates"] = [top * low for top in tops]
        self.tops, self.low = dict(enumerate(tops)), low
        super().__init__(optimizer)

    def _set(self) -> None:
        if self.count > self.total_steps:
            raise ValueError(f"OneCycleLR: the cycle of {self.total_steps} steps is over")
        begin, share, at_base = 0.0, self.low, False
        for stop, next_share, next_at_base in self.phases:
            if self.count <= stop or stop == self.phases[-1][0]:
                break
            begin, share, at_base = stop, next_share, next_at_base
        done = (self.count - begin) / (stop - begin) if stop != begin else 1.0
        for i, group in enumerate(self.optimizer.groups):
            top = self.tops[i]
            group["learning_rate"] = self._between(top * share, top * next_share, done)
            if self.momenta is not None:
                ends = self.momenta[at_base], self.momenta[next_at_base]
                group[self.momentum] = self._between(*ends, done)

    def restart(self) -> None:
        """Set the rates as if the cycle began now."""
        self.count = 0
        self._set()

    def _between(self, start: float, end: float, done: float) -> float:
        if self.linear:
            return (end - start) * done + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1.0)


class ReduceLROnPlateau(Stateful):
    """The rate times ``factor`` whenever a number has not improved for longer than ``patience``.

    ``step(number)`` takes it, such as the validation loss.

    Args:
        optimizer: Whose rates to change.
        mode: Whether ``"min"`` or ``"max"`` is better.
        factor: What a rate is multiplied by.
        patience: How many steps without improvement are borne.
        threshold: How large an improvement must be.
        threshold_mode: ``"rel"`` measures it relative to the best, ``"abs"`` as it is.
        cooldown: How many steps after a change are not counted.
        min_lr: No rate becomes lower.
        eps: A smaller change of a rate is left out.

    >>> import minigrad as mg
    >>> sgd = mg.optim.SGD([mg.tensor(1.0, requires_grad=True)], 1.0)
    >>> schedule = ReduceLROnPlateau(sgd, factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0, 2.0]: schedule.step(loss)
    >>> sgd.learning_rate
    0.5
    """

    keeps = ("best", "bad", "cooling")

    @telling
    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not 0.0 <= factor < 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor lies in [0, 1), so it can't be {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            said = f"'min' or 'max' and 'rel' or 'abs', not {mode!r} and {threshold_mode!r}"
            raise ValueError(f"ReduceLROnPlateau: mode and threshold_mode are {said}")
        if np.ndim(min_lr):
            raise TypeError(f"ReduceLROnPlateau: min_lr is one number, not {min_lr!r}")
        self.optimizer, self.sign = optimizer, 1.0 if mode == "min" else -1.0
        self.factor, self.patience, self.cooldown = factor, patience, cooldown
        self.threshold, self.relative = threshold, threshold_mode == "rel"
        self.min_lr, self.eps = min_lr, eps
        self.best, self.bad, self.cooling = self.sign * math.inf, 0, 0

    @telling_also("epoch")
    def step(self, metric: float) -> None:
        """Take the number of this epoch, and reduce the rates if it is time."""
        now = float(metric)
        level = self.best - self.sign * self.threshold
        if self.relative:
            level = self.best * (1.0 - self.sign * self.threshold)
        if self.sign * now < self.sign * level:
            self.best, self.bad = now, 0
        else:
            self.bad += 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            for group in self.optimizer.groups:
                rate = max(group["learning_rate"] * self.factor, self.min_lr)
                if group["learning_rate"] - rate > self.eps:
                    group["learning_rate"] = rate
            self.cooling, self.bad = self.cooldown, 0
