"""From a call of a step to its program and back: guards, inputs by reference, state left behind.

All of it is one generated function, since a step of a small network takes 20 microseconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import random
from minigrad.compile.capture import Data, Held
from minigrad.compile.guards import Bound, Condition, assign, conditions, read, source_of_guard
from minigrad.compile.outcome import Leaf
from minigrad.compile.places import Argument, Stream, TensorPlace
from minigrad.compile.program import Input, Update, Value
from minigrad.compile.trace import Recorded
from minigrad.tensor import Tensor, wrap
from minigrad.trees import with_paths

__all__ = ["DECIDED", "MISS", "UNLIKE", "Miss", "bind", "holders_of", "indented"]


class Miss:
    """What a call returns that the program is not for; nothing has changed then."""


UNLIKE = "(KeyError, IndexError, AttributeError, TypeError)"  # what a look at another place raises
MISS, DECIDED = Miss(), Miss()  # a guard did not hold; the guards did, but a check of data did not


def bind(recorded: Recorded, source: str, functions: dict[str, Any]) -> Callable[..., Any]:
    """Make the function ``call(args, kwargs)`` of a program's source; it may return a ``Miss``."""
    return Binder(recorded).make(source, functions)


def _own_holders() -> int:
    """How many of those that ``getrefcount`` counts are its argument and one local variable."""
    thing = object()
    return sys.getrefcount(thing)  # an argument may be borrowed, depending on the Python


OWN = _own_holders()


class _Never(Exception):
    """What a program without checks raises: nothing."""


class Binder:
    """Lines of the generated function.

    Attributes:
        guards: What returns ``MISS``, and takes the inputs.
        found: Guards of what stays where it is, and what takes the arrays that are overwritten.
        before: What follows once no guard can fail any more.
        claims: What makes sure of the arrays that are overwritten.
        after: What follows the program.
        names: Of the program's inputs.
        lasts: Lists of one that keep the arrays that are overwritten, by number of input.
    """

    def __init__(self, recorded: Recorded) -> None:
        self.recorded, self.program = recorded, recorded.program
        self.bound = Bound()
        self.guards: list[str] = []
        self.found: list[str] = []
        self.before: list[str] = []
        self.claims: list[str] = []
        self.after: list[str] = []
        self.names: list[str] = []
        self.lasts: dict[int, str] = {}
        self.targets = {u.target for u in self.program.updates if u.in_place}

    def make(self, source: str, functions: dict[str, Any]) -> Callable[..., Any]:
        """Compile the program, and the function that calls it."""
        module: dict[str, Any] = {**functions}
        exec(compile(source, f"<compiled {self.program.name}>", "exec"), module)
        self.arguments()
        self.reached(conditions(self.recorded, self.bound))
        for i, given in enumerate(self.program.inputs):
            self.input(i, given)
        lines = ["def call(args, kwargs):", *self.lines()]
        space = {
            **self.bound.namespace,
            "MISS": MISS,
            "DECIDED": DECIDED,
            "program": module[self.program.name],
            "Missed": module.get("Missed", _Never),
            "ndarray": np.ndarray,
            "Tensor": Tensor,
            "wrap": wrap,
            "asarray": np.asarray,
            "empty": np.empty,
            "getrefcount": sys.getrefcount,
            "random": random,
            "owned": _owned,
        }
        exec(compile("\n".join(lines), f"<call of {self.program.name}>", "exec"), space)
        call: Callable[..., Any] = space["call"]
        return call

    def lines(self) -> list[str]:
        """The function's body."""
        return [
            "    try:",
            *indented(self.guards + self.found),
            f"    except {UNLIKE}:",
            "        return MISS",
            *self.before,
            *self.claims,
            *self.run(),
        ]

    # What is handed in

    def reached(self, found: list[Condition]) -> None:
        """Guard what can be reached."""
        self.found += source_of_guard(found)

    def arguments(self) -> None:
        """Guard the arguments, and take their arrays."""
        recorded = self.recorded
        paths: list[str] = []
        with_paths(lambda path, x: paths.append(path), recorded.call)
        self.containers(recorded.call[0], "args")
        self.containers(recorded.call[1], "kwargs")
        inputs = {i.place.index for i in self.program.inputs if isinstance(i.place, Argument)}
        for i, (path, was) in enumerate(zip(paths, recorded.arguments, strict=True)):
            base = "args" if path.startswith("[0]") else "kwargs"
            self.guards.append(f"    a{i} = {base}{path[3:]}")
            tests = [f"a{i}.__class__ is {self.bound.name(type(was))}"]
            array = was
            if isinstance(was, Tensor):
                tests.append(f"a{i}._node is None")
                array = was._data
            self.guards += [f"    if not ({' and '.join(tests)}):", "        return MISS"]
            if isinstance(was, Tensor):
                self.guards.append(f"    a{i} = a{i}._data")
            if isinstance(array, np.ndarray | np.generic):
                self.guards += self.form(f"a{i}", array.shape, array.dtype)
            elif i not in inputs:
                known = self.bound.name(was)
                test = f"a{i} is {known} or same({known}, a{i})"
                self.guards += [f"    if not ({test}):", "        return MISS"]

    def form(self, name: str, shape: tuple[int, ...], dtype: Any) -> list[str]:
        """What guards the shape and dtype of an array."""
        kind = self.bound.name(dtype)
        test = f"{name}.shape == {shape!r} and ({name}.dtype is {kind} or {name}.dtype == {kind})"
        return [f"    if not ({test}):", "        return MISS"]

    def containers(self, tree: Any, path: str) -> None:
        """Guard how the arguments are nested."""
        if isinstance(tree, dict | list | tuple):
            self.guards += [f"    if len({path}) != {len(tree)}:", "        return MISS"]
            items = tree.items() if isinstance(tree, dict) else enumerate(tree)
            for key, part in items:
                self.containers(part, f"{path}[{key!r}]")
        elif tree is None:
            self.guards += [f"    if {path} is not None:", "        return MISS"]

    def input(self, i: int, given: Input) -> None:
        """Read one input, and guard its form."""
        place, value = given.place, given.value
        lines = self.found if value in self.targets else self.guards
        if isinstance(place, Argument):
            self.names.append(f"a{place.index}")
            return
        if isinstance(place, Stream):
            self.before.append(f"    v{i} = random._GENERATOR.get() or random._DEFAULT[0]")
            self.names.append(f"v{i}")
            return
        self.names.append(f"v{i}")
        if value in self.targets and given.kind == "gradient":
            self.lent(i, given)
            return
        if isinstance(place, Held):
            lines += [
                f"    h{i} = {read(place.place, self.bound)}",
                f"    if h{i}.__class__ is not Tensor or h{i}._node is not None:",
                "        return MISS",
                f"    v{i} = h{i}._data",
            ]
        else:
            lines.append(f"    v{i} = {read(place, self.bound)}")
        if value.weak:
            kind = value.weak.__name__
            self.guards += [f"    if v{i}.__class__ is not {kind}:", "        return MISS"]
        elif value.dtype is None:
            kind = self.bound.name(np.random.Generator)
            self.guards += [f"    if not isinstance(v{i}, {kind}):", "        return MISS"]
        elif value in self.targets:
            self.donated(i, given)
        else:
            lines += self.form(f"v{i}", value.shape, value.dtype)

    def donated(self, i: int, given: Input) -> None:
        """An array that is overwritten, unless somebody else holds it, too: then a copy is."""
        # A list of one keeps the array that was checked last: the same one needs no second look.
        last = self.lasts[i] = self.bound.name([None], "last")
        self.found.append(f"    if v{i} is not {last}[0]:")
        self.found += indented(self.form(f"v{i}", given.value.shape, given.value.dtype))
        at = self.bound.name(given.place, "place")
        holders = holders_of(given.place) + OWN
        self.claims += [
            f"    if v{i} is not {last}[0] or getrefcount(v{i}) > {holders}:",
            f"        v{i} = {last}[0] = owned(v{i}, {at})",
        ]

    def lent(self, i: int, given: Input) -> None:
        """The array of the last gradient, unless somebody else holds it: then a new one."""
        last = self.lasts[i] = self.bound.name([None], "last")
        value, owner = given.value, self.bound.name(given.place.owner, "t")
        self.found += [f"    g{i} = {owner}.grad", f"    v{i} = g{i}._data"]
        shape, kind = value.shape, self.bound.name(value.dtype)
        alone = f"getrefcount(v{i}) <= {2 + OWN} and getrefcount(g{i}) <= {1 + OWN}"
        self.claims += [
            f"    n{i} = not (v{i} is {last}[0] and {alone} and g{i}._node is None)",
            f"    if n{i}:",
            f"        v{i} = {last}[0] = empty({shape!r}, {kind})",
        ]
        self.after += [f"    if n{i}:", f"        {owner}.grad = wrap(v{i})"]

    # What comes out

    def run(self) -> list[str]:
        """Call the program, put state where it belongs, and hand out the result."""
        program = self.program
        names = [f"r{i}" for i in range(len(program.results))]
        writes: list[str] = []
        for i, update in enumerate(program.updates):
            if not update.in_place:
                names.append(f"u{i}")
                writes += self.write(f"u{i}", update)
        draws = [i for i in program.inputs if i.kind == "generator"]
        checked = [i.function for i in program.instructions]
        risky = bool(draws) and "check" in _after_a_draw(checked)
        called = f"program({', '.join(self.names)})"
        if names:
            called = f"{', '.join(names)} = {called}"
        lines = ["    try:", f"        {called}", "    except Missed:"]
        if risky:
            bits = [self.names[program.inputs.index(d)] + ".bit_generator" for d in draws]
            states = ", ".join(f"{b}.state" for b in bits)
            lines.insert(0, f"    states = [{states}]")
            lines += [f"        {b}.state = states[{k}]" for k, b in enumerate(bits)]
        return [
            *lines,
            "        return DECIDED",
            *self.after,
            *writes,
            f"    return {self.result()}",
        ]

    def write(self, name: str, update: Update) -> list[str]:
        """Leave one piece of state behind."""
        place, result = update.place, update.result
        array = isinstance(result, Value) and not result.weak
        if array and isinstance(result, Value) and not result.shape:
            name = f"asarray({name})"
        if isinstance(place, TensorPlace):
            return [f"    {assign(place.place, f'wrap({name})', self.bound)}"]
        if isinstance(place, Held):
            return [f"    {read(place.place, self.bound)}._data = {name}"]
        if isinstance(place, Data) and place.owner is None:
            tensor = self.bound.name(place.tensor, "t")
            lines = [f"    {tensor}._data = {name}"]
            if place.tensor._node is not None:
                lines.append(f"    {tensor}._node.kept = ({tensor}._data,)")
            return lines
        return [f"    {assign(place, name, self.bound)}"]

    def result(self) -> str:
        """The expression of what the call returns."""
        return self.tree(self.recorded.tree)

    def tree(self, tree: Any) -> str:
        if isinstance(tree, Leaf):
            if tree.kind == "object":
                name = self.bound.name(tree.item)
                if isinstance(tree.item, np.ndarray):  # a constant: the caller may write into it
                    return f"{name}.copy()"
                return name
            if tree.kind == "constant":
                return f"wrap({self.bound.name(tree.item)}._data.copy())"
            name = f"r{tree.index}"
            value = self.program.results[tree.index]
            scalar = isinstance(value, Value) and not value.shape
            if tree.kind == "tensor":
                return f"wrap(asarray({name}))" if scalar else f"wrap({name})"
            return name
        if tree is None:
            return "None"
        if isinstance(tree, dict):
            return "{" + ", ".join(f"{k!r}: {self.tree(v)}" for k, v in tree.items()) + "}"
        if isinstance(tree, list):
            return f"[{', '.join(map(self.tree, tree))}]"
        if isinstance(tree, tuple):
            inner = "".join(f"{self.tree(part)}, " for part in tree)
            named = hasattr(tree, "_fields")
            return f"{self.bound.name(type(tree))}({inner})" if named else f"({inner})"
        kind = self.bound.name(type(tree))
        fields = ", ".join(f"{k}={self.tree(v)}" for k, v in vars(tree).items())
        return f"{kind}({fields})"


def holders_of(place: Any) -> int:
    """How many hold an array that is overwritten: its place, a leaf's vertex, and a list here."""
    return 3 if isinstance(place, Data) and place.tensor._node is not None else 2


def indented(lines: list[str]) -> list[str]:
    """Lines one level deeper."""
    return [f"    {line}" for line in lines]


def _after_a_draw(functions: list[str]) -> list[str]:
    for i, function in enumerate(functions):
        if function.startswith("rng."):
            return functions[i:]
    return []


def _owned(array: Any, place: Any) -> Any:
    """A copy of an array that others hold, put in its place."""
    copy = np.array(array, order="C")
    place.set(copy)
    return copy
