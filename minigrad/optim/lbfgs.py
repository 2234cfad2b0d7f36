"""L-BFGS: Newton's direction from the last few gradients, for smooth losses of a whole data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from minigrad.arguments import telling
from minigrad.errors import ShapeError
from minigrad.graph import enable_grad
from minigrad.optim import updates
from minigrad.optim.linesearch import Trial, strong_wolfe
from minigrad.optim.optimizer import Optimizer, State
from minigrad.primitive import Array
from minigrad.tensor import Tensor, rebind

__all__ = ["LBFGS"]

Closure = Callable[[], Any]
LEAST_CURVATURE = 1e-10  # a step along which the gradient hardly changes says nothing


class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal, 1989), which takes several steps along directions of Newton's kind.

    ``step(closure)`` needs a function that clears the gradients, computes the loss, calls
    ``backward()`` and returns the loss, since a step looks at several places. There is one group.

    Args:
        parameters: What to train.
        learning_rate: Length of a step, 1 being Newton's.
        max_iter: Directions to take in each ``step``.
        max_eval: Calls of the closure in each ``step``; by default ``max_iter * 5 / 4``.
        tolerance_grad: A gradient whose elements are all smaller ends a step.
        tolerance_change: As small a change of parameters or loss ends a step.
        history_size: How many of the last steps make the direction.
        line_search_fn: ``"strong_wolfe"`` looks for a good length of each step.

    >>> w = Tensor([3.0, -1.0], requires_grad=True)
    >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1.0 - w[0]) ** 2 + 100.0 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3): loss = optimizer.step(closure)
    >>> w.numpy().round(4)
    array([1., 1.])
    """

    keeps: ClassVar[tuple[str, ...]] = ("changes", "steps", "direction", "length", "before", "t")

    @telling
    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: Literal["strong_wolfe"] | None = None,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"line_search_fn is 'strong_wolfe' or None, not {line_search_fn!r}")
        if max_iter < 1 or history_size < 1:
            raise ValueError(f"max_iter and history_size are 1 or more: {max_iter}, {history_size}")
        super().__init__(
            parameters,
            learning_rate=learning_rate,
            max_iter=max_iter,
            max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            strong_wolfe=line_search_fn == "strong_wolfe",
        )
        if len(self.groups) > 1:
            raise ValueError("LBFGS has one direction for all parameters, so one group")

    def kept(self, name: str, value: Any, p: Tensor) -> Any:
        """Return what is remembered as ``name``, read from a state dict."""
        array = np.array(value)
        whole = sum(p.size for p in self._parameters())
        rank = {"changes": 2, "steps": 2, "direction": 1, "before": 1}.get(name, 0)
        if (
            array.ndim != rank
            or (rank and array.shape[-1] != whole)
            or array.dtype.kind not in "iuf"
        ):
            raise ValueError(f"{name} has {rank} axes, the last of {whole}, not {array.shape}")
        if not rank:
            return int(array) if name == "t" else float(array)
        return array.astype(p.dtype)

    def step(self, closure: Closure) -> Any:  # type: ignore[override]
        """Take up to ``max_iter`` steps and return the loss at the start."""
        group = self.groups[0]
        calls = 0

        def evaluate() -> tuple[float, Array, Any]:
            nonlocal calls
            calls += 1
            with enable_grad():
                value = closure()
            return float(value), self._gradient(), value

        loss, g, first = evaluate()
        state = self._state[id(group["parameters"][0])]
        if np.abs(g).max() <= group["tolerance_grad"]:
            return first
        for i in range(1, group["max_iter"] + 1):
            self._turn(state, g, group)
            d, before = state["direction"], loss
            slope = float(np.dot(g, d))
            if slope > -group["tolerance_change"]:
                break
            if group["strong_wolfe"]:
                loss, g = self._search(state, Trial(0.0, loss, g, slope), group, evaluate, calls)
            else:
                self._move(self._arrays(), state["length"] * d)
                if i < group["max_iter"]:  # the last place is looked at by the next step
                    loss, g, _ = evaluate()
            if calls >= group["max_eval"] or np.abs(g).max() <= group["tolerance_grad"]:
                break
            moved = float(np.abs(d).max()) * state["length"]
            if min(moved, abs(loss - before)) < group["tolerance_change"]:
                break
        return first

    def _turn(self, state: State, g: Array, group: Mapping[str, Any]) -> None:
        """Remember what the last step changed, and put the next direction into ``state``."""
        if not state:
            empty = np.zeros((0, g.size), g.dtype)
            length = min(1.0, 1.0 / float(np.abs(g).sum())) * group["learning_rate"]
            state.update(changes=empty, steps=empty, direction=-g, length=length, before=g, t=1)
            return
        change, step = g - state["before"], state["direction"] * state["length"]
        if np.dot(change, step) > LEAST_CURVATURE:
            first = 1 if len(state["steps"]) >= group["history_size"] else 0
            state["changes"] = np.concatenate([state["changes"][first:], change[None]])
            state["steps"] = np.concatenate([state["steps"][first:], step[None]])
        state["direction"] = updates.lbfgs_direction(g, state["changes"], state["steps"])
        state["length"], state["before"] = float(group["learning_rate"]), g
        state["t"] += 1

    def _search(
        self,
        state: State,
        start: Trial,
        group: Mapping[str, Any],
        evaluate: Callable[[], tuple[float, Array, Any]],
        calls: int,
    ) -> tuple[float, Array]:
        """Go along the direction as far as a line search says."""
        arrays, d = self._arrays(), state["direction"]

        def trial(t: float) -> Trial:
            self._move(arrays, t * d)
            loss, g, _ = evaluate()
            return Trial(t, loss, g, float(np.dot(g, d)))

        best, _ = strong_wolfe(
            trial,
            start,
            state["length"],
            float(np.abs(d).max()),
            group["tolerance_change"],
            group["max_eval"] - calls,
        )
        self._move(arrays, best.t * d)
        state["length"] = best.t
        return best.loss, best.gradient

    def _arrays(self) -> list[Array]:
        return [p._data for p in self.groups[0]["parameters"]]

    def _gradient(self) -> Array:
        """All gradients in one row; 0 where there is none."""
        rows = []
        for p in self.groups[0]["parameters"]:
            g = np.zeros(p.shape, p.dtype) if p.grad is None else np.asarray(_array(p.grad))
            if g.shape != p.shape:
                raise ShapeError(f"{p.name or 'a parameter'} {p.shape} has a gradient {g.shape}")
            rows.append(g.ravel())
        return np.concatenate(rows)

    def _move(self, arrays: list[Array], step: Array) -> None:
        """Put the parameters a step away from arrays."""
        start = 0
        for p, old in zip(self.groups[0]["parameters"], arrays, strict=True):
            part = step[start : start + old.size].reshape(old.shape)
            rebind(p, np.asarray(old + part, old.dtype))
            start += old.size


def _array(gradient: Any) -> Array:
    return gradient._data if isinstance(gradient, Tensor) else gradient
