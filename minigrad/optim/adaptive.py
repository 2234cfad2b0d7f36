"""Optimisers whose steps depend on how large gradients have been."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigrad.optim import updates
from minigrad.optim.optimizer import Optimizer, State, adam_settings, count, settings
from minigrad.primitive import Array

__all__ = ["Adadelta", "Adagrad", "Adamax", "Lion", "NAdam", "RMSprop"]


class RMSprop(Optimizer):
    """RMSprop (Hinton, 2012): steps relative to a running root mean square of the gradient.

    Args:
        parameters: What to train.
        learning_rate: Size of a step.
        alpha: Share of the old in the mean of squares.
        eps: Added to the divisor.
        weight_decay: Strength of an L2 penalty, added to the gradient.
        momentum: Share of the last direction that goes on, in [0, 1).
        centered: Whether to divide by the standard deviation instead of the root mean square.
        maximize: Whether to go up the gradient instead of down.

    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> (w * 2.0).backward()
    >>> RMSprop([w], learning_rate=0.1, alpha=0.75).step()
    >>> w.numpy()
    array([0.8])
    """

    keeps = ("v",)
    may_keep = ("mean", "velocity")

    @settings
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        p, state["v"], mean, velocity = updates.rmsprop(
            p,
            updates.decayed(p, g, group["weight_decay"]),
            state.get("v"),
            state.get("mean"),
            state.get("velocity"),
            learning_rate=group["learning_rate"],
            alpha=group["alpha"],
            eps=group["eps"],
            momentum=group["momentum"],
            centered=group["centered"],
        )
        state.update({} if mean is None else {"mean": mean})
        state.update({} if velocity is None else {"velocity": velocity})
        return p


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., 2011): steps shrink with all the gradient seen so far.

    Args:
        parameters: What to train.
        learning_rate: Size of a step.
        eps: Added to the divisor.
        weight_decay: Strength of an L2 penalty, added to the gradient.
        learning_rate_decay: The rate is divided by 1 and this times the steps before.
        initial_accumulator_value: What the sum of squares starts at.
        maximize: Whether to go up the gradient instead of down.

    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> (w * 2.0).backward()
    >>> Adagrad([w], learning_rate=0.1).step()
    >>> w.numpy()
    array([0.9])
    """

    keeps = ("total",)
    may_keep = ("t",)

    @settings
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 0.01,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        learning_rate_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        rate, start = group["learning_rate"], group["initial_accumulator_value"]
        if group["learning_rate_decay"]:
            rate = rate / (1.0 + (count(state) - 1) * group["learning_rate_decay"])
        p, state["total"] = updates.adagrad(
            p,
            updates.decayed(p, g, group["weight_decay"]),
            np.full_like(p, start) if start and "total" not in state else state.get("total"),
            learning_rate=rate,
            eps=group["eps"],
        )
        return p


class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012): steps find their size themselves.

    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> (w * 2.0).backward()
    >>> Adadelta([w], rho=0.0, eps=4.0).step()
    >>> w.numpy().round(3)
    array([-0.414])
    """

    keeps = ("v", "u")

    @settings
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        p, state["v"], state["u"] = updates.adadelta(
            p,
            updates.decayed(p, g, group["weight_decay"]),
            state.get("v"),
            state.get("u"),
            learning_rate=group["learning_rate"],
            rho=group["rho"],
            eps=group["eps"],
        )
        return p


class Adamax(Optimizer):
    """Adamax (Kingma and Ba, 2015): Adam relative to the largest gradient of late.

    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> (w * 2.0).backward()
    >>> Adamax([w], learning_rate=0.1).step()
    >>> w.numpy()
    array([0.9])
    """

    keeps = ("m", "top", "t")

    @settings
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        g = updates.decayed(p, g, group["weight_decay"])
        p, state["m"], state["top"] = updates.adamax(
            p, g, state.get("m"), state.get("top"), step=count(state), **adam_settings(group)
        )
        return p


class NAdam(Optimizer):
    """NAdam (Dozat, 2016): Adam with Nesterov's momentum.

    Args:
        parameters: What to train.
        learning_rate: Size of a step.
        beta1: Share of the old in the mean of gradients.
        beta2: Share of the old in the mean of their squares.
        eps: Added to the divisor.
        weight_decay: Strength of an L2 penalty, added to the gradient.
        momentum_decay: How slowly the momentum grows to ``beta1``; 0.004 takes some 10⁴ steps.
        decoupled_weight_decay: Whether the decay shrinks the parameters and leaves gradients alone.
        maximize: Whether to go up the gradient instead of down.

    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> (w * 2.0).backward()
    >>> NAdam([w], learning_rate=0.1).step()
    >>> w.numpy()
    array([0.89435482])
    """

    keeps = ("m", "v", "mu_product", "t")

    @settings
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 0.002,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 0.004,
        *,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        if group["decoupled_weight_decay"]:
            p = updates.shrunk(p, group["learning_rate"], group["weight_decay"])
        else:
            g = updates.decayed(p, g, group["weight_decay"])
        p, state["m"], state["v"], state["mu_product"] = updates.nadam(
            p,
            g,
            state.get("m"),
            state.get("v"),
            state.get("mu_product", 1.0),
            step=count(state),
            momentum_decay=group["momentum_decay"],
            **adam_settings(group),
        )
        return p


class Lion(Optimizer):
    """Lion (Chen et al., 2023): every element moves by the learning rate, one way or the other.

    Wants a learning rate 3 to 10 times smaller than AdamW's, and as much more weight decay.

    >>> import minigrad as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> (w * 2.0).backward()
    >>> Lion([w], learning_rate=0.1).step()
    >>> w.numpy()
    array([0.9])
    """

    keeps = ("m",)

    @settings
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 1e-4,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        p, state["m"] = updates.lion(
            p,
            g,
            state.get("m"),
            learning_rate=group["learning_rate"],
            beta1=group["beta1"],
            beta2=group["beta2"],
            weight_decay=group["weight_decay"],
        )
        return p
