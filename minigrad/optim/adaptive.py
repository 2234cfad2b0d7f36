"""More optimisers whose steps depend on how large gradients have been."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from minigrad.optim import updates
from minigrad.optim.optimizer import Optimizer, State, adam_settings, count, settings
from minigrad.primitive import Array

__all__ = ["Adadelta", "Adamax", "Lion", "NAdam"]


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
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        p, state["m"], state["v"], state["mu_product"] = updates.nadam(
            p,
            updates.decayed(p, g, group["weight_decay"]),
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
