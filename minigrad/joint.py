"""One vertex for a whole function: several inputs and outputs, and one rule for them all.

What ``checkpoint`` and ``custom_vjp`` are recorded as. Several outputs leave the vertex as one flat
array and are cut out of it, so that the rule sees the cotangents of all of them together.
"""

from __future__ import annotations

import contextvars
import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.anomaly import mode, resumed
from minigrad.batching import LEVELS, Batched, Level, lowered, running
from minigrad.primitive import Array, Plan, Primitive
from minigrad.tensor import Tensor, wrap

Pull = Callable[[list[Any], Sequence[Any]], list[Any]]
"""``pull(cotangents of the outputs, inputs)``: the cotangents of the inputs, None for 0."""


class _Whole(Primitive[...]):
    """The primitive of such a vertex. It is in no registry: there is one for each function."""

    def _make_plan(self, key: int) -> Plan:
        # The call holds arrays, so it is released with what is kept.
        return dataclasses.replace(super()._make_plan(key), drops=True)


class _Call:
    """What one vertex knows: its value until it is recorded, and the rule."""

    def __init__(self, value: Array, cut: Callable[[Any], list[Any]], pull: Pull) -> None:
        self.value: Array | None = value
        self.cut, self.pull = cut, pull
        self.pulled: dict[int, tuple[Any, dict[int, Any]]] = {}

    def cotangent(self, g: Any, i: int, inputs: Sequence[Any]) -> Any:
        """The cotangent of input ``i``; the rule runs once for all inputs, in each thread."""
        thread = threading.get_ident()
        known, waiting = self.pulled.pop(thread, (None, {}))
        if known is not g or i not in waiting:
            waiting = dict(enumerate(self.pull(self.cut(g), inputs)))
        c = waiting.pop(i)
        if any(other is not None for other in waiting.values()):
            self.pulled[thread] = (g, waiting)
        if c is None:
            c = np.zeros(inputs[i].shape, inputs[i].dtype)
            return wrap(c) if isinstance(g, Tensor) else c
        return c


def whole(name: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor], pull: Pull) -> list[Any]:
    """Record outputs that were computed from inputs as one vertex of the graph.

    Args:
        name: What graphs and errors call it.
        inputs: The Tensors that the outputs depend on.
        outputs: Their values; those that are not floating stay constants.
        pull: The rule; it is given arrays, or Tensors where the walk is recorded.
    """
    floating = [out for out in outputs if out.dtype.kind == "f"]
    if not floating or not inputs:
        return [out.detach() for out in outputs]
    cut: Callable[[Any], list[Any]] = _as_list
    packed = floating[0]._data
    if len(floating) > 1:
        packed, cut = _packed(floating)
    recorded = _primitive(name)(*inputs, call=_Call(packed, cut, pull))
    made = iter([recorded] if len(floating) == 1 else cut(recorded))
    return [next(made) if out.dtype.kind == "f" else out.detach() for out in outputs]


def _as_list(g: Any) -> list[Any]:
    return [g]


def _packed(outputs: Sequence[Tensor]) -> tuple[Array, Callable[[Any], list[Any]]]:
    """Outputs as one flat array, and the function that cuts them out of it again."""
    wide = np.result_type(*(out.dtype for out in outputs))
    packed = np.concatenate([out._data.ravel().astype(wide) for out in outputs])
    ends = np.cumsum([out.size for out in outputs]).tolist()
    spans = [(slice(end - out.size, end), out) for end, out in zip(ends, outputs, strict=True)]
    forms = [(span, out.shape, out.dtype) for span, out in spans]

    def cut(flat: Any) -> list[Any]:
        return [
            part if part.dtype == dtype else part.astype(dtype)
            for part, dtype in ((np.reshape(flat[span], shape), d) for span, shape, d in forms)
        ]

    return packed, cut


_MADE: dict[str, _Whole] = {}


def _primitive(name: str) -> _Whole:
    if name not in _MADE:

        def declaration(*inputs: Array, call: _Call) -> Array: ...

        declaration.__name__ = name
        declaration.__doc__ = "A function recorded as a whole."
        _MADE[name] = _Whole(
            declaration,
            _value,
            numpy=(),
            rules={"inputs": _rule},
            domain=(-np.inf, np.inf),
            cases=(),
            broadcasts=False,
            onnx=None,
        )
    return _MADE[name]


def _value(*inputs: Array, call: _Call) -> Array:
    value, call.value = call.value, None  # the vertex, not the call, decides how long it lives
    return value


def _rule(g: Any, inputs: Sequence[Any], call: _Call, index: int) -> Any:
    return call.cotangent(g, index, inputs)


# Where the function ran


class Place:
    """Where a function was called: its scope, its ``vmap``, the streams it draws from."""

    def __init__(self) -> None:
        self.levels = LEVELS.get()
        self._context = contextvars.copy_context()

    def run(self, f: Callable[..., Any], *args: Any) -> Any:
        """Run ``f`` as if it were there, on batched values of the ``vmap`` that ran there.

        Those of a ``vmap`` around the call of this method work, too, and so does anomaly mode.
        """
        now = LEVELS.get()
        levels = (*self.levels, *(level for level in now if level not in self.levels))
        notes = mode()

        def there() -> Any:
            with running(levels), resumed(notes):
                return f(*args)

        return self._context.copy().run(there)


def lowest(x: Any) -> tuple[Tensor, tuple[Level, ...]]:
    """The Tensor below a value, and the levels on which it differs by example."""
    levels: list[Level] = []
    while isinstance(x, Batched):
        levels.append(x.level)
        x = x.value
    return x, tuple(reversed(levels))


def onto(c: Any, levels: Sequence[Level], own: Sequence[Level]) -> Any:
    """A cotangent, lowered to what its input is below: summed over examples that share it."""
    below = lowered(c, levels)
    shared = tuple(i for i, level in enumerate(levels) if level not in own)
    return ops.sum(below, axis=shared) if shared else below
