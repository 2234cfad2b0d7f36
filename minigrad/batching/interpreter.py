"""What a primitive does with batched values: its batching rule, or one call for each example."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.batching.batched import LEVELS, Batched, Level, opened, serial_of, stacked
from minigrad.errors import NotDifferentiable
from minigrad.graph import no_grad
from minigrad.primitive import Primitive
from minigrad.tensor import Tensor, wrap


@dataclass(frozen=True)
class Each:
    """A static parameter, or a part of one, that differs by example; the batch is first."""

    value: Any


@dataclass(frozen=True)
class Call:
    """A call of a primitive of which some operands hold a value for each example.

    Attributes:
        primitive: What is called.
        values: The operands; those that are ``batched`` with the batch as first axis.
        batched: Whether each operand differs by example.
        params: All static parameters; what differs by example in them is an :class:`Each`.
        size: Number of examples.
    """

    primitive: Primitive[...]
    values: tuple[Any, ...]
    batched: tuple[bool, ...]
    params: dict[str, Any]
    size: int

    def run(self, *values: Any, **params: Any) -> Any:
        """Call the primitive on all examples at once, with some static parameters changed."""
        return self.primitive.apply(values, {**self.params, **params})

    def ndim(self, i: int) -> int:
        """Number of axes that operand ``i`` has in one example."""
        return len(np.shape(self.values[i])) - self.batched[i]

    def shape(self, i: int) -> tuple[int, ...]:
        """Shape that operand ``i`` has in one example."""
        shape = np.shape(self.values[i])
        return tuple(shape[1:] if self.batched[i] else shape)

    def each(self, i: int) -> Any:
        """Operand ``i`` with the batch as first axis, broadcast if it does not differ."""
        if self.batched[i]:
            return self.values[i]
        value = self.values[i]
        value = value if hasattr(type(value), "__primitive__") else wrap(np.asarray(value))
        return ops.broadcast_to(value, (self.size, *value.shape))


Rule = Callable[[Call], Any]
RULES: dict[str, tuple[Rule, frozenset[str]]] = {}
"""Batching rule by name of the primitive, and the static parameters that it knows of."""


def interpret(primitive: Primitive[...], args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Run a primitive on the values of the innermost ``vmap`` that took part in the call."""
    args = tuple(map(opened, args))
    args, params = primitive.bind(args, params)
    levels = [arg.level for arg in args if isinstance(arg, Batched)]
    levels += [part.level for value in params.values() for part in _batched_in(value)]
    if not levels:
        return primitive.apply(args, params)
    top = max(levels, key=serial_of)
    if top not in LEVELS.get():
        raise NotDifferentiable(
            f"{primitive.name}: a batched value was used after its vmap had ended: return it from "
            "the function that vmap maps"
        )
    batched = tuple(isinstance(arg, Batched) and arg.level is top for arg in args)
    values = tuple(arg.value if own else arg for arg, own in zip(args, batched, strict=True))
    statics = {name: _marked(value, top) for name, value in params.items()}
    out = rule_of(primitive, statics)(Call(primitive, values, batched, statics, top.size))
    return Batched(top, out if hasattr(type(out), "__primitive__") else wrap(np.asarray(out)))


def rule_of(primitive: Primitive[...], statics: dict[str, Any]) -> Rule:
    """The batching rule of a call: the primitive's own, that of its kind, or the loop."""
    rule, known = RULES.get(primitive.name, (one_by_one, frozenset[str]()))
    own = primitive.__module__.startswith("minigrad.")  # a user's own may be called the same
    if rule is one_by_one or not own:
        return elementwise if _is_elementwise(primitive, own) else one_by_one
    if primitive.statics.keys() - known:  # a parameter that the rule has never heard of
        return one_by_one
    varying = any(True for value in statics.values() for _ in _each_in(value))
    return one_by_one if varying and rule not in TAKES_EACH else rule


TAKES_EACH: set[Rule] = set()
"""Rules that know static parameters that differ by example."""


def _is_elementwise(primitive: Primitive[...], own: bool) -> bool:
    if primitive.statics or primitive.variadic:
        return False
    if isinstance(primitive.kernel, np.ufunc):
        return primitive.kernel.signature is None
    return own and not primitive.cases  # what declares no cases is elementwise, as the suite says


def elementwise(call: Call) -> Any:
    """Align the axes of the examples, as broadcasting does, behind that of the batch."""
    rank = max(call.ndim(i) for i, value in enumerate(call.values) if value is not None)
    return call.run(*(aligned(call, i, rank) for i in range(len(call.values))))


def aligned(call: Call, i: int, rank: int) -> Any:
    """Operand ``i`` with axes of length 1 between the batch and its own."""
    value, lost = call.values[i], rank - call.ndim(i)
    if not call.batched[i] or not lost:
        return value
    return ops.reshape(value, (value.shape[0], *(1,) * lost, *value.shape[1:]))


def one_by_one(call: Call) -> Any:
    """Call the primitive for each example and stack what it gives: right for any op, and slow."""
    if not call.size:
        return _of_none(call)
    outs = []
    for i in range(call.size):
        pairs = zip(call.values, call.batched, strict=True)
        values = tuple(value[i] if own else value for value, own in pairs)
        params = {name: _example(value, i) for name, value in call.params.items()}
        outs.append(call.primitive.apply(values, params))
    return stacked(call.primitive, outs)


def _of_none(call: Call) -> Any:
    """The result of no example: its shape is found on ones."""
    with no_grad():
        pairs = zip(call.values, call.batched, strict=True)
        values = tuple(
            np.ones(value.shape[1:], value.dtype) if own else value for value, own in pairs
        )
        if any(True for value in call.params.values() for _ in _each_in(value)):
            raise ValueError(f"{call.primitive.name}: vmap over no example, indexed by example")
        out = call.primitive.apply(values, call.params)
    return wrap(np.empty((0, *np.shape(out)), out.dtype))


def beware(record: Callable[..., Any], primitive: Primitive[...], args: Any, params: Any) -> Any:
    """Interpret a call on Tensors if a batched value takes part, too; an onlooker."""
    for arg in args:
        if isinstance(opened(arg), Batched):
            return interpret(primitive, args, params)
    for value in params.values():
        for _ in _batched_in(value):
            return interpret(primitive, args, params)
    return record(primitive, args, params)


def _batched_in(value: Any) -> Iterator[Batched]:
    if isinstance(value, Batched):
        yield value
    elif value.__class__ in (tuple, list):
        for part in value:
            yield from _batched_in(part)


def _each_in(value: Any) -> Iterator[Each]:
    if isinstance(value, Each):
        yield value
    elif value.__class__ in (tuple, list):
        for part in value:
            yield from _each_in(part)


def _marked(value: Any, level: Level) -> Any:
    if isinstance(value, Batched):
        return Each(value.value) if value.level is level else value
    if value.__class__ in (tuple, list):
        return type(value)(_marked(part, level) for part in value)
    return value


def _example(value: Any, i: int) -> Any:
    """A static parameter as it is for one example."""
    if isinstance(value, Each):
        return plain(value.value[i])
    if value.__class__ in (tuple, list):
        return type(value)(_example(part, i) for part in value)
    return value


def plain(value: Any) -> Any:
    """A part of an index as NumPy takes it: the array of a Tensor; a batched value as it is."""
    return value._data if isinstance(value, Tensor) else value


Batched.__primitive__ = staticmethod(interpret)
