"""Optimisers: objects that hold parameters in groups, and remember what their update needs.

The arithmetic stands in :mod:`minigrad.optim.updates`. A step gives a parameter a new array; it
never writes into the old one, so a graph that still holds it stays right.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec

import numpy as np

from minigrad.arguments import argument, telling
from minigrad.errors import ShapeError, StateError
from minigrad.names import OPTIMIZERS, telling_of
from minigrad.optim import updates
from minigrad.primitive import Array
from minigrad.tensor import Tensor, rebind

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]

_ndarray = np.ndarray
State = dict[str, Any]
P = ParamSpec("P")


_NOT_NEGATIVE = (
    "learning_rate",
    "weight_decay",
    "eps",
    "momentum_decay",
    "learning_rate_decay",
    "initial_accumulator_value",
)
_FRACTIONS = ("momentum", "alpha", "beta1", "beta2", "rho")
_NUMBERS = {"t": int, "mu_product": float}  # what is remembered as a number, not as an array


def _checked(settings: State) -> State:
    """Return settings as Python numbers, none of them out of its range."""
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in settings.items()}
    for name, value in plain.items():
        if (name in _NOT_NEGATIVE or name in _FRACTIONS) and np.ndim(value):
            raise TypeError(f"{name} is one number, not {value!r}")
        if name in _NOT_NEGATIVE and not 0.0 <= value < math.inf:
            raise ValueError(f"{name} is finite and not negative, so it can't be {value}")
        if name in _FRACTIONS and not 0.0 <= value < 1.0:
            raise ValueError(f"{name} lies in [0, 1), so it can't be {value}")
    if plain.get("nesterov") and (not plain.get("momentum") or plain.get("dampening")):
        raise ValueError("nesterov needs a momentum, and no dampening")
    return plain


class Optimizer:
    """What all optimisers share: groups of parameters, steps, and state that can be saved.

    Args:
        parameters: Tensors that require a gradient; or dicts such as ``{"parameters": [...],
            "learning_rate": 0.1}``, groups with settings of their own.
        settings: Defaults of every group.

    Attributes:
        groups: One dict for each group; its ``"learning_rate"`` and the rest may be changed
            between steps.
    """

    keeps: ClassVar[tuple[str, ...]] = ()
    may_keep: ClassVar[tuple[str, ...]] = ()  # with some settings only

    def __init__(self, parameters: Iterable[Any], **settings: Any) -> None:
        if hasattr(parameters, "parameters"):
            raise TypeError(f"{type(self).__name__} takes parameters: pass model.parameters()")
        given = list(parameters)
        if not any(isinstance(group, dict) for group in given):
            given = [{"parameters": given}]
        self.groups: list[dict[str, Any]] = []
        seen: set[int] = set()
        for group in given:
            if not isinstance(group, dict) or "parameters" not in group:
                keys = f"with {', '.join(map(repr, group))}" if isinstance(group, dict) else ""
                raise ValueError(f'a group is a dict with "parameters", not {keys or repr(group)}')
            unknown = set(group) - {"parameters", *settings}
            if unknown:
                name = min(unknown)
                meant = argument(name, settings)
                hint = f": write {meant!r}" if meant else ""
                raise ValueError(f"{type(self).__name__} has no setting {name!r}{hint}")
            own = list(group["parameters"])
            for p in own:
                if not isinstance(p, Tensor) or not p.is_leaf or not p.requires_grad:
                    raise ValueError(f"a parameter is a leaf that requires a gradient, not {p!r}")
                if id(p) in seen:
                    raise ValueError(f"{p.name or 'a parameter'} is in two places of the groups")
                seen.add(id(p))
            self.groups.append(_checked({**settings, **group}) | {"parameters": own})
        if not seen:
            raise ValueError(f"{type(self).__name__} has no parameters to train")
        self._state: dict[int, State] = defaultdict(dict)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first group; setting it sets that of all."""
        rate: float = self.groups[0]["learning_rate"]
        return rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        checked = _checked({"learning_rate": value})
        for group in self.groups:
            group.update(checked)

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return a parameter's new array and put what to remember into ``state``."""
        raise NotImplementedError(f"{type(self).__name__} has no update()")

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        memory, update = self._state, self.update
        for group in self.groups:
            upwards = group.get("maximize", False)
            for p in group["parameters"]:
                gradient = p.grad
                if gradient is None:
                    continue
                old = p._data
                g = gradient._data if isinstance(gradient, Tensor) else np.asarray(gradient)
                if g.shape != old.shape:
                    name = p.name or "a parameter"
                    raise ShapeError(f"{name} {old.shape} has a gradient {g.shape}")
                new = update(old, -g if upwards else g, memory[id(p)], group)
                # A setting that is a NumPy scalar promotes float32; a 0-d array becomes a scalar.
                if new.dtype is not old.dtype or new.__class__ is not _ndarray:
                    new = np.asarray(new, old.dtype)
                rebind(p, new)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for group in self.groups:
            for p in group["parameters"]:
                p.grad = None

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.groups for p in group["parameters"]]

    def state_dict(self) -> State:
        """Return settings and remembered arrays, to save and to resume from.

        Keys are flat (``"0.m"`` is what the first parameter remembers as ``m``), values arrays or
        numbers.
        """
        state: State = {}
        for i, group in enumerate(self.groups):
            settings = {k: v for k, v in group.items() if k != "parameters"}
            state.update({f"group.{i}.{name}": value for name, value in settings.items()})
        for i, p in enumerate(self._parameters()):
            for name, value in self._state[id(p)].items():
                state[f"{i}.{name}"] = np.copy(value)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state dict of the same optimiser over parameters of the same shapes.

        Raises:
            StateError: If it does not fit; nothing has changed then.
        """
        kind, rest = type(self).__name__, dict(state)
        groups: list[State] = [{} for _ in self.groups]
        memory: dict[int, State] = defaultdict(dict)
        try:
            for i, group in enumerate(self.groups):
                for name in group.keys() - {"parameters"}:
                    groups[i][name] = np.asarray(rest.pop(f"group.{i}.{name}")).item()
                groups[i] = _checked(groups[i])
            for i, p in enumerate(self._parameters()):
                if any(f"{i}.{name}" in rest for name in self.keeps):
                    kept = {name: rest.pop(f"{i}.{name}") for name in self.keeps}
                    others = [name for name in self.may_keep if f"{i}.{name}" in rest]
                    kept |= {name: rest.pop(f"{i}.{name}") for name in others}
                    memory[id(p)] = {name: self.kept(name, v, p) for name, v in kept.items()}
        except KeyError as error:
            raise StateError(f"state does not fit {kind}: missing: {error.args[0]}") from None
        except (ValueError, TypeError) as error:
            raise StateError(f"state does not fit {kind}: {error}") from error
        if rest:
            raise StateError(f"state does not fit {kind}: unexpected: {', '.join(map(str, rest))}")
        for group, values in zip(self.groups, groups, strict=True):
            group.update(values)
        self._state = memory

    def kept(self, name: str, value: Any, p: Tensor) -> Any:
        """Return what is remembered of ``p`` as ``name``, read from a state dict."""
        array = np.array(value)
        shape: tuple[int, ...] = () if name in _NUMBERS else p.shape
        if array.shape != shape or array.dtype.kind not in "iuf":
            found = f"{array.dtype} of shape {array.shape}"
            raise ValueError(f"{name} is of shape {shape}, not {found}")
        return _NUMBERS[name](array) if name in _NUMBERS else array.astype(p.dtype)

    def __getstate__(self) -> State:
        """Return what pickling and copying keep: memory by place, since copies have other ids."""
        memory = [self._state.get(id(p), {}) for p in self._parameters()]
        return vars(self) | {"_state": memory}

    def __setstate__(self, state: State) -> None:
        vars(self).update(state)
        pairs = zip(self._parameters(), state["_state"], strict=True)
        self._state = defaultdict(dict, {id(p): kept for p, kept in pairs})

    if not TYPE_CHECKING:  # a type checker is to say itself that a name is unknown
        __getattr__ = telling_of(OPTIMIZERS)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, but not one of PyTorch's on a class that would not look at it."""
        if name in OPTIMIZERS and type(self).__module__.startswith("minigrad.optim."):
            getattr(self, name)  # raises, and tells what there is instead
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shown = {k: v for k, v in self.groups[0].items() if k != "parameters"}
        settings = ", ".join(f"{name}={value!r}" for name, value in shown.items())
        return f"{type(self).__name__}({len(self._parameters())} parameters, {settings})"


def settings(declared: Callable[P, None]) -> Callable[P, None]:
    """Make an ``__init__`` of its signature alone: what it names are the settings of every group.

    >>> class Constant(Optimizer):
    ...     @settings
    ...     def __init__(self, parameters, learning_rate=0.5):
    ...         "Take steps of one size."
    >>> Constant([Tensor(1.0, requires_grad=True)])
    Constant(1 parameters, learning_rate=0.5)
    """
    signature, checked = inspect.signature(declared), telling(declared)

    @functools.wraps(declared)
    def init(*args: P.args, **kwargs: P.kwargs) -> None:
        checked(*args, **kwargs)  # which says what is missing or unknown
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        optimizer, parameters, *values = bound.arguments.items()
        Optimizer.__init__(optimizer[1], parameters[1], **dict(values))

    return init


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    Args:
        parameters: What to train.
        learning_rate: Size of a step.
        momentum: Share of the last direction that goes on, in [0, 1).
        nesterov: Whether to look ahead along the momentum.
        weight_decay: Strength of an L2 penalty, added to the gradient.
        dampening: Share of every gradient but the first that does not join the momentum.
        maximize: Whether to go up the gradient instead of down.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> (w * 2.0).backward()
    >>> SGD([w], learning_rate=0.1).step()
    >>> w.numpy()
    array([0.8])
    """

    keeps = ("velocity",)

    @settings
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        dampening: float = 0.0,
        maximize: bool = False,
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        if group["weight_decay"]:
            g = updates.decayed(p, g, group["weight_decay"])
        if not group["momentum"]:
            return updates.sgd(p, g, learning_rate=group["learning_rate"])
        p, state["velocity"] = updates.sgd_momentum(
            p,
            g,
            state.get("velocity"),
            learning_rate=group["learning_rate"],
            momentum=group["momentum"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
        )
        return p


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): steps relative to how large gradients have been.

    Args:
        parameters: What to train.
        learning_rate: Size of a step.
        beta1: Share of the old in the mean of gradients.
        beta2: Share of the old in the mean of their squares.
        eps: Added to the divisor.
        weight_decay: Strength of an L2 penalty, added to the gradient.
        amsgrad: Whether the largest mean of squares so far divides (Reddi et al., 2018).
        maximize: Whether to go up the gradient instead of down.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> (w * 2.0).backward()
    >>> Adam([w], learning_rate=0.1).step()
    >>> w.numpy()
    array([0.9])
    """

    keeps = ("m", "v", "t")
    may_keep = ("top",)

    @settings
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        amsgrad: bool = False,
        maximize: bool = False,
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        return self._step(p, updates.decayed(p, g, group["weight_decay"]), state, group)

    def _step(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        memory, rates = (state.get("m"), state.get("v")), adam_settings(group)
        if group["amsgrad"]:
            step = count(state)
            p, state["m"], state["v"], state["top"] = updates.amsgrad(
                p, g, *memory, state.get("top"), step=step, **rates
            )
        else:
            p, state["m"], state["v"] = updates.adam(p, g, *memory, step=count(state), **rates)
        return p


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Its arguments are Adam's; ``weight_decay`` shrinks the parameters and leaves gradients alone.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> (w * 2.0).backward()
    >>> AdamW([w], learning_rate=0.1, weight_decay=0.1).step()
    >>> w.numpy()
    array([0.89])
    """

    @settings
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        amsgrad: bool = False,
        maximize: bool = False,
    ) -> None:
        """Hold the parameters with these settings."""

    def update(self, p: Array, g: Array, state: State, group: Mapping[str, Any]) -> Array:
        """Return the parameter after one step."""
        return self._step(
            updates.shrunk(p, group["learning_rate"], group["weight_decay"]), g, state, group
        )


def count(state: State) -> int:
    """Count a parameter's own updates: one that joins late starts its bias correction at 1."""
    state["t"] = state.get("t", 0) + 1
    return state["t"]  # not int(): a traced count stays one


def adam_settings(group: Mapping[str, Any]) -> dict[str, float]:
    return {name: group[name] for name in ("learning_rate", "beta1", "beta2", "eps")}
