"""Running a function once on traced values: its program, and the state it left behind."""

from __future__ import annotations

import collections
import random as python_random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.compile.capture import (
    Asking,
    Data,
    Grad,
    Held,
    Walk,
)
from minigrad.compile.contents import PLAIN, Contents, Position, same_keys
from minigrad.compile.doors import LOCK, TracedGenerator, open_doors
from minigrad.compile.outcome import Result, Saved, Watched, settle
from minigrad.compile.places import (
    Argument,
    Key,
    Part,
    Stream,
    TensorPlace,
    key_of,
    varies,
)
from minigrad.compile.program import CompileError, Input, Kind, Program, Update, Value
from minigrad.compile.tape import Tape
from minigrad.compile.traced import Number, Traced, of_ducks
from minigrad.graph import RECORDING
from minigrad.tensor import Tensor, wrap
from minigrad.trees import leaves, mapped, with_paths

__all__ = ["Recorded", "trace"]


@dataclass(eq=False)
class Recorded:
    """What one trace found out.

    Attributes:
        program: What was computed; None if the call itself made state that was not there before,
            so that no later call can be like it.
        result: What the call returned.
        tree: Containers of the result, with a :class:`Leaf` for each leaf.
        walk: The places that the function can reach, as they were before.
        promoted: Places of numbers that changed: inputs, the next time.
        made: What the call made, as one would write it.
        lifted: For places of Tensors that each call replaces, the place that holds them.
        tape: Hints for names.
    """

    program: Program
    result: Any
    tree: Any
    walk: Walk
    arguments: list[Any]
    tape: Tape
    call: tuple[Any, Any] = ((), {})
    recording: bool = True
    promoted: set[Key] = field(default_factory=set)
    made: list[str] = field(default_factory=list)
    lifted: dict[int, Any] = field(default_factory=dict)


class _Run:
    """One trace while it runs."""

    def __init__(self, function: Callable[..., Any], promoted: set[Key]) -> None:
        self.function, self.promoted = function, promoted
        self.program = Program(getattr(function, "__name__", type(function).__name__))
        self.tape = Tape(_call.__code__)
        self.installed: dict[int, Any] = {}
        self.lifted: dict[int, Held] = {}  # by the identity of the place of a Tensor's array
        self.moved: dict[str, None] = {}  # iterators that were asked for more

    def stand_in(self, now: Any, kind: Kind, path: str, place: Any) -> Any:
        """A traced value in the place of an array, a number or a generator."""
        if isinstance(now, np.random.Generator):
            value = Value((), None)
            duck: Any = TracedGenerator(now.bit_generator).follow(self.tape, value)
        elif kind == "number":
            value = Value((), np.asarray(now).dtype, weak=type(now))
            duck = Number(self.tape, value, now)
        else:
            value = Value(now.shape, now.dtype)
            duck = Traced(self.tape, value, now)
        self.program.inputs.append(Input(value, kind, path, place))
        self.tape.inputs.add(value)
        return duck

    # Arguments

    def arguments(self, args: Any) -> tuple[Any, list[Any]]:
        """Arguments with traced leaves, and their leaves as they were given."""
        given: list[Any] = []

        def leaf(path: str, x: Any) -> Any:
            index = len(given)
            given.append(x)
            return self.argument(x, Argument(index), path)

        return with_paths(leaf, args), given

    def argument(self, x: Any, place: Argument, path: str) -> Any:
        """One leaf of the arguments as the function gets it."""
        if isinstance(x, Tensor):
            if x._node is not None:
                raise CompileError(
                    "an argument of a compiled function requires a gradient: pass x.detach(), or "
                    "compile the gradient itself: mg.compile(mg.grad(f))"
                )
            tensor = wrap(self.stand_in(x._data, "argument", path, place))
            tensor._name = x._name
            return tensor
        if isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biufc":
            _plain(x, "an argument of a compiled function")
            return self.stand_in(x, "argument", path, place)
        if x.__class__ in (int, float) and ("argument", place.index) in self.promoted:
            return self.stand_in(x, "number", path, place)
        return x

    # State

    def lift(self, walk: Walk) -> None:
        """Take Tensors that were replaced before, such as running totals, by the place they are at.

        Only where nothing else holds the same one.
        """
        found = collections.Counter(id(x) for s in walk.states for x in _flat(s.value))
        single: dict[int, Any] = {}
        for state in walk.states:
            value = state.value
            alone = type(value) is Tensor and value._node is None and found[id(value)] == 1
            if alone and key_of(state.place) in self.promoted:
                single[id(value)] = state.place
        for state in walk.states:
            if isinstance(state.place, Data) and id(state.place.tensor) in single:
                self.lifted[id(state.place)] = Held(single[id(state.place.tensor)])

    def install(self, walk: Walk) -> None:
        """Put traced values in every place that holds an array, a number that changes, a stream."""
        self.lift(walk)
        for i, state in enumerate(walk.states):
            value = state.value
            if isinstance(state.place, Data):
                if not state.place.tensor.is_leaf:
                    raise CompileError(
                        f"{state.path} is a tensor that was computed outside: a compiled step "
                        "can't carry its history; use detach(), or compute it inside"
                    )
                kind: Kind = "gradient" if state.path.endswith(".grad") else "tensor"
                place = self.lifted.get(id(state.place), state.place)
                self.put(i, state.place, self.stand_in(value, kind, state.path, place))
                continue
            if isinstance(value, tuple):
                new = self.parts(value, state.place, state.path)
            else:
                new = self.replacement(value, state.place, state.path)
            if new is not value:
                self.put(i, state.place, new)

    def put(self, i: int, place: Any, new: Any) -> None:
        self.installed[i] = new
        if isinstance(place, Data):
            place.tensor._data = new
        else:
            place.set(new)

    def replacement(self, value: Any, place: Any, path: str) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            _plain(value, path)
            return self.stand_in(value, "array", path, place)
        if isinstance(value, np.random.Generator):
            return self.stand_in(value, "generator", path, place)
        if value.__class__ in (int, float) and (key_of(place) in self.promoted or varies(place)):
            return self.stand_in(value, "number", path, place)
        if hasattr(type(value), "__next__"):
            return Watched(value, path, self.moved)
        return value

    def parts(self, value: tuple[Any, ...], place: Any, path: str) -> Any:
        """A tuple whose arrays are traced, or the tuple itself."""
        new = []
        for i, part in enumerate(value):
            at, inner = Part(place, i), f"{path}[{i}]"
            nested = isinstance(part, tuple)
            new.append((self.parts if nested else self.replacement)(part, at, inner))
        if all(a is b for a, b in zip(new, value, strict=True)):
            return value
        return type(value)(*new) if hasattr(value, "_fields") else tuple(new)

    # What the call left behind

    def collect(self, walk: Walk, made: list[str], changed: set[Key]) -> None:
        """Note what every place holds now that it did not hold before."""
        for i, state in enumerate(walk.states):
            before, place = self.installed.get(i, state.value), state.place
            if id(place) in self.lifted:
                place = self.lifted[id(place)]
                if place.place.get() is not state.place.tensor:
                    continue  # another Tensor is there: that is an update of the place
            after = place.get()
            looked_at = isinstance(state.place, Contents | Position | Asking)
            if after is before or (looked_at and after == before):
                continue
            if looked_at or not self.update(place, state.path, before, after):
                made.append(state.path)
            elif not isinstance(place, Grad) and _varied(state.value, after):
                changed.add(key_of(state.place))
        made.extend(self.moved)
        for container, keys in walk.sizes:
            if not same_keys(container, keys):
                made.append(walk.names.get(id(container), "a container"))

    def update(self, place: Any, path: str, before: Any, after: Any) -> bool:
        """Note a new value; return whether later calls can leave one like it."""
        target = getattr(before, "_traced_value", None)
        result = getattr(after, "_traced_value", None)
        if isinstance(place, Grad) and isinstance(before, Tensor):
            target = getattr(before._data, "_traced_value", None)
        if isinstance(after, Tensor):
            if not isinstance(after._data, Traced) or type(after) is not Tensor:
                return False
            result = after._data._traced_value
            place = TensorPlace(place)
        elif result is None:
            if not isinstance(after, PLAIN):
                return False
            result = after
        elif isinstance(after, TracedGenerator):
            return False
        self.program.updates.append(Update(place, path, result, target))
        return True


def _plain(x: Any, said: str) -> None:
    if isinstance(x, np.ndarray) and type(x) not in (np.ndarray, np.memmap):
        raise CompileError(
            f"{said} is a {type(x).__name__}, which computes otherwise than an array: "
            "take np.asarray(x)"
        )


def _varied(before: Any, after: Any) -> bool:
    """Whether what a step left is of the kind of what was there: an input, from then on."""
    if type(before) in (int, float):
        return isinstance(after, int | float | Number)
    return type(before) is Tensor and before._node is None and type(after) is Tensor


def _flat(value: Any) -> Iterator[Any]:
    """A value, and what tuples in it hold."""
    yield value
    if isinstance(value, tuple):
        for part in value:
            yield from _flat(part)


def _call(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    return function(*args, **kwargs)


def trace(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    promoted: set[Key],
    judge: Callable[[Program], None] = lambda program: None,
) -> Recorded:
    """Run ``function`` on traced values, and leave everything as an ordinary call would.

    Args:
        function: What to run.
        args: What it is called with.
        kwargs: What it is called with by keyword.
        promoted: Places of numbers that are inputs, since they have changed before.
        judge: May raise on seeing the program, before anything has changed.

    Raises:
        CompileError: If something in it can't be compiled; everything is as it was before.
    """
    with LOCK:
        run = _Run(function, promoted)
        statics = [x for x in leaves((args, kwargs)) if not isinstance(x, (Tensor, np.ndarray))]
        root = (function, statics) if statics else function  # a method's self, a model
        walk = Walk(root)
        stream, legacy = Stream(), _legacy()
        before = Saved(walk, stream.get())
        try:
            ours = run.stand_in(stream.get(), "generator", "minigrad.random", stream)
            (inner, inner_kwargs), given = run.arguments((args, kwargs))
            run.install(walk)
            with open_doors(ours, run.tape):
                out = _call(function, inner, inner_kwargs)
            if _legacy() != legacy:
                raise CompileError(
                    "a compiled step draws from np.random or random, whose numbers would be the "
                    "same at every call: draw from rng = np.random.default_rng(seed), or mg.random"
                )
            return _finish(run, walk, out, given, (args, kwargs), root, judge)
        except BaseException as error:
            said = error if isinstance(error, CompileError) else of_ducks(error)
            if said is None:  # raised by the function itself, which leaves what it did so far
                settle(root, walk, run.installed)
                raise
            before.restore()
            if said is error:
                raise
            raise said from error
        finally:
            run.tape.open = False


def _finish(
    run: _Run,
    walk: Walk,
    out: Any,
    given: list[Any],
    call: tuple[Any, Any],
    root: Any,
    judge: Callable[[Program], None],
) -> Recorded:
    """What a trace that ran to its end found out."""
    made: list[str] = []
    changed: set[Key] = set()
    run.collect(walk, made, changed)
    program = run.program
    program.instructions = run.tape.instructions
    handed = Result(program, walk)
    tree = mapped(handed.leaf, out)
    if not made:
        judge(program)
    result = mapped(handed.plain, out)
    settle(root, walk, run.installed)
    recording = RECORDING.get()
    return Recorded(
        program, result, tree, walk, given, run.tape, call, recording, changed, made, run.lifted
    )


def _legacy() -> Any:
    """Where the streams stand that no generator object holds."""
    pos = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return pos["pos"], pos["key"][:4].tobytes(), hash(python_random.getstate()[1])
