"""Whether a call may run a compiled program: what it was traced with must still be so.

:func:`mismatch` looks at everything and says what differs; :func:`conditions` has the same one by
one, and :func:`source_of_guard` writes them as straight-line code, which takes microseconds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.compile.capture import (
    MISSING,
    Asking,
    Cell,
    ClassItem,
    Data,
    Grad,
    Item,
    Slot,
    State,
    Variable,
)
from minigrad.compile.contents import PLAIN, Position, same_keys
from minigrad.compile.places import Argument, Key, key_of
from minigrad.compile.program import Input
from minigrad.compile.trace import Recorded
from minigrad.graph import RECORDING
from minigrad.tensor import Tensor
from minigrad.trees import with_paths

__all__ = [
    "Bound",
    "Condition",
    "Length",
    "assign",
    "conditions",
    "mismatch",
    "same",
    "source_of_guard",
]


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are interchangeable: 1, 1.0 and True are not, nor 0.0 and -0.0.

    >>> same(1.0, 1.0), same(1, True), same(0.0, -0.0)
    (True, False, False)
    """
    return a is b or (type(a) is type(b) and isinstance(a, PLAIN) and repr(a) == repr(b))


def mismatch(
    recorded: Recorded, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, Key | None] | None:
    """What differs from the call that was traced, and the place if it is a number; or None."""
    if RECORDING.get() is not recorded.recording:
        return "gradients are recorded now, or are not any more", None
    differs = _arguments_differ(recorded, args, kwargs)
    if differs:
        return differs
    inputs = {id(i.place): i for i in recorded.program.inputs}
    lifted = _lifted(recorded)
    for container, keys in recorded.walk.sizes:
        if not same_keys(container, keys):
            named = recorded.walk.names.get(id(container), "a container")
            return f"{named} has other entries", None
    for state in recorded.walk.states:
        place = recorded.lifted.get(id(state.place), state.place)
        given, now = inputs.get(id(place)), place.get()
        if given is not None:
            if _unlike(given, now):
                return f"{state.path} has another shape or dtype", None
        elif isinstance(state.place, Grad):
            if (now is None) != (state.value is None):
                return (
                    f"{state.path} is {'there' if state.value is None else 'not there'} now",
                    None,
                )
        elif id(state.place) in lifted or isinstance(state.place, Data | Position):
            continue
        elif not _holds(state.value, now):
            number = type(state.value) in (int, float) and type(now) is type(state.value)
            said = f"{state.path} was {_short(state.value)}, is {_short(now)}"
            return said, key_of(state.place) if number else None
    return None


def _lifted(recorded: Recorded) -> set[int]:
    """Places that hold another Tensor at each call: what they hold is looked at as an input."""
    return {id(held.place) for held in recorded.lifted.values()}


def _holds(before: Any, now: Any) -> bool:
    if _handed_in(before):  # an input, or not even asked for
        return type(now) is type(before)
    if isinstance(before, tuple) and isinstance(now, tuple):
        pairs = zip(before, now, strict=False)
        return len(before) == len(now) and all(_holds(a, b) for a, b in pairs)
    return same(before, now)


def _handed_in(value: Any) -> bool:
    """Whether a program is given what stands there: guarded by its kind, not by identity."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufc"
    return isinstance(value, np.random.Generator)


def _unlike(given: Input, now: Any) -> bool:
    value = given.value
    if value.weak:
        return type(now) is not value.weak
    if value.dtype is None:
        return not isinstance(now, np.random.Generator)
    return getattr(now, "shape", None) != value.shape or now.dtype != value.dtype


def _short(x: Any) -> str:
    text = "not there" if x is MISSING else repr(x)
    return text if len(text) <= 40 else f"a {type(x).__name__}"


def _arguments_differ(
    recorded: Recorded, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, Key | None] | None:
    given: list[tuple[str, Any]] = []
    before: list[str] = []
    with_paths(lambda path, x: given.append((path, x)), (args, kwargs))
    with_paths(lambda path, x: before.append(path), recorded.call)
    if [path for path, _ in given] != before:
        return "the arguments are nested otherwise", None
    numbers = {
        i.place.index
        for i in recorded.program.inputs
        if i.kind == "number" and isinstance(i.place, Argument)
    }
    for index, ((path, now), was) in enumerate(zip(given, recorded.arguments, strict=True)):
        what = f"argument {path}"
        if type(now) is not type(was):
            return f"{what} is a {type(now).__name__} now", None
        if isinstance(was, Tensor):
            if now._node is not None:
                return f"{what} requires a gradient", None
            was, now = was._data, now._data
        if isinstance(was, np.ndarray | np.generic):
            if now.shape != was.shape or now.dtype != was.dtype:
                return (
                    f"{what} has shape {now.shape} {now.dtype}, not {was.shape} {was.dtype}",
                    None,
                )
        elif index not in numbers and not same(now, was):
            number = type(now) in (int, float)
            said = f"{what} was {_short(was)}, is {_short(now)}"
            return said, ("argument", index) if number else None
    return None


class Bound:
    """Objects that generated code refers to, each under one name."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.namespace: dict[str, Any] = {}

    def name(self, thing: Any, prefix: str = "o") -> str:
        """The name of an object in the generated code."""
        if id(thing) not in self.names:
            self.names[id(thing)] = f"{prefix}{len(self.names)}"
            self.namespace[self.names[id(thing)]] = thing
        return self.names[id(thing)]


def read(place: Any, bound: Bound) -> str:
    """The expression that reads a place."""
    if isinstance(place, Item):
        key = repr(place.key) if isinstance(place.key, str | int) else bound.name(place.key)
        return f"{bound.name(place.container, 'c')}[{key}]"
    if isinstance(place, Cell):
        return f"{bound.name(place.cell, 'cell')}.cell_contents"
    if isinstance(place, Data):
        if place.owner is not None:
            return f"{bound.name(place.owner, 't')}.grad._data"
        return f"{bound.name(place.tensor, 't')}._data"
    if isinstance(place, Grad):
        return f"{bound.name(place.tensor, 't')}.grad"
    if isinstance(place, Slot):
        return f"{bound.name(place.owner)}.{place.name}"
    if isinstance(place, Asking):
        node = f"{bound.name(place.tensor, 't')}._node"
        return f"({node} is not None and ({node}.hooks or True))"
    if isinstance(place, ClassItem):
        return f"{bound.name(place.owner)}.__dict__[{place.name!r}]"
    if isinstance(place, Variable):
        return f"{bound.name(place.variable)}.get({bound.name(MISSING)})"
    return f"{bound.name(place, 'place')}.get()"


def assign(place: Any, value: str, bound: Bound) -> str:
    """The statement that leaves a value at a place."""
    if isinstance(place, ClassItem | Variable):  # what reads them is nothing to assign to
        return f"{bound.name(place, 'place')}.set({value})"
    return f"{read(place, bound)} = {value}"


def _missing(place: Any, bound: Bound) -> str:
    """The test that nothing is at a place yet."""
    if isinstance(place, Item) and isinstance(place.key, str):
        return f"{place.key!r} not in {bound.name(place.container, 'c')}"
    return f"{bound.name(place, 'place')}.get() is {bound.name(MISSING)}"


class Length(NamedTuple):
    """How many entries a dict or a list has."""

    container: Any


class Condition(NamedTuple):
    """One condition of a guard.

    Attributes:
        text: As Python.
        place: If the condition is that a place holds one object, that place, or a length.
        value: That object, or the length.
    """

    text: str
    place: Any = None
    value: Any = None


def conditions(recorded: Recorded, bound: Bound) -> list[Condition]:
    """All that has to hold for a call to be like the one that was traced."""
    found = [Condition(f"RECORDING.get() is {recorded.recording}")]
    inputs = {id(i.place) for i in recorded.program.inputs} | _lifted(recorded)
    looked_up = {id(i.place.owner) for i in recorded.program.inputs if isinstance(i.place, Data)}
    for container, _ in recorded.walk.sizes:
        size = len(container)
        found.append(
            Condition(f"len({bound.name(container, 'c')}) == {size}", Length(container), size)
        )
    for state in recorded.walk.states:
        place = state.place
        if isinstance(place, Data | Position) or id(place) in inputs:
            continue
        if isinstance(place, Grad) and state.value is not None and id(place.tensor) in looked_up:
            continue  # its array is looked up, which fails if there is none
        found.append(_condition(state, bound))
    bound.namespace.update(holds=_holds, same=same, RECORDING=RECORDING)
    return found


def _condition(state: State, bound: Bound) -> Condition:
    """The condition that a place is as it was."""
    place, value = state.place, state.value
    if value is MISSING:
        return Condition(_missing(place, bound))
    now = read(place, bound)
    if isinstance(place, Grad):
        return Condition(f"{now} {'is' if value is None else 'is not'} None")
    if _handed_in(value):
        return Condition(f"{now}.__class__ is {bound.name(type(value))}")
    if isinstance(value, tuple):
        known = bound.name(value)
        return Condition(f"({now} is {known} or holds({known}, {now}))", place, value)
    if isinstance(place, ClassItem):
        raw = vars(place.owner).get(place.name)  # what stands around a function, too
        return Condition(f"{now} is {bound.name(raw)}")
    if value is None or isinstance(value, bool):
        return Condition(f"{now} is {value!r}", place, value)
    known = bound.name(value)
    if isinstance(value, PLAIN):
        return Condition(f"({now} is {known} or same({known}, {now}))", place, value)
    return Condition(f"{now} is {known}", place, value)


def source_of_guard(conditions: list[Condition]) -> list[str]:
    """Lines that return ``MISS`` unless all of the conditions hold."""
    texts = [condition.text for condition in conditions]
    lines = []
    for start in range(0, len(texts), 40):
        test = "\n        and ".join(texts[start : start + 40])
        lines += [f"    if not ({test}):", "        return MISS"]
    return lines
