"""What compiled code calls things: as the model and the step that was traced call them."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Callable
from typing import Any

from minigrad.compile.algebra import is_count
from minigrad.compile.capture import Data, Grad, Item
from minigrad.compile.phrases import augments
from minigrad.compile.places import Argument, Part
from minigrad.compile.program import Input, Instruction, Program, Value
from minigrad.compile.tape import Tape
from minigrad.compile.trace import Recorded
from minigrad.nn.module import Module
from minigrad.primitive import Primitive

__all__ = ["name_values"]

NOUNS = {
    "np.dot": "product",
    "np.matmul": "product",
    "np.add": "sum",
    "np.subtract": "difference",
    "np.multiply": "product",
    "np.divide": "quotient",
    "np.negative": "negative",
    "np.add.reduce": "total",
    "np.maximum.reduce": "largest",
    "np.max": "most",
    "np.maximum": "maximum",
    "np.greater": "mask",
    "getitem": "chosen",
    "np.reshape": "reshaped",
    "np.lib.stride_tricks.sliding_window_view": "windows",
    "np.ravel": "flat",
    "np.sqrt": "root",
    "math.sqrt": "root",
    "math.fabs": "size",
    "np.exp": "exp",
    "np.square": "square",
    "np.broadcast_to": "spread",
    "increment": "sum",
    "first_largest": "choice",
    "add_at": "scattered",
    "put_at": "scattered",
    "+": "sum",
    "-": "difference",
    "*": "product",
    "/": "quotient",
    "**": "power",
}
_OPERATIONS = frozenset({"product", "sum", "difference", "quotient"})
_OPS = frozenset({"relu", "mean", "leaky_relu", "sigmoid"})  # that say more than their functions
_VAGUE = frozenset(
    {"out", "x", "g", "product", "c", "y", "result", "data", "value", "new", "array", "total"}
)
_TAKEN = frozenset({"np", "math", "ops", "Missed", "rng", "self", "slice", *keyword.kwlist})


class _Names:
    """Identifiers, each given once; none is that of a function which the program calls."""

    def __init__(self, program: Program) -> None:
        called = [i.args[0] for i in program.instructions if i.function == "call"]
        imported = [f.__name__ for f in called if not isinstance(f, Primitive)]
        self.used = {*_TAKEN, "REGISTRY", *imported}

    def fresh(self, wish: str) -> str:
        """An identifier like ``wish`` that nothing else has."""
        name = re.sub(r"\W+", "_", wish).strip("_") or "value"
        name = f"v_{name}" if name[0].isdigit() else name
        taken, count = name, 2
        while taken in self.used:
            taken, count = f"{name}_{count}", count + 1
        self.used.add(taken)
        return taken


def name_values(recorded: Recorded, function: Callable[..., Any]) -> None:
    """Give every Value and Buffer of a program its name.

    What takes the memory of a value without a name of its own, as in ``a += b``, gives it its own.
    """
    program = recorded.program
    names = _Names(program)
    known = _of_state(recorded)
    for given in program.inputs:
        given.value.name = names.fresh(_of_input(given, known, function))
    for count, value in enumerate(program.constants(), 1):
        value.name = names.fresh("rows" if is_count(value) else f"constant_{count}")
    program.name = names.fresh(program.name if program.name.isidentifier() else "compiled")
    namer = _Namer(recorded.tape, program, names, known)
    for instruction in program.instructions:
        if instruction.function != "check":
            instruction.out.name = namer.name(instruction)
    _unite(program, namer.plain)
    by_buffer = {i.into: i.out.name for i in reversed(program.instructions)}
    for buffer in program.buffers:
        buffer.name = names.fresh(f"{by_buffer.get(buffer, 'array')}_memory")


def _unite(program: Program, plain: set[Value]) -> None:
    """Give one name to what stands in one array, one after the other, as ``a += b`` has it."""
    sections = {i.out: i.section for i in program.instructions}
    chains: dict[Value, list[Value]] = {}
    for instruction in program.instructions:
        into, out = instruction.into, instruction.out
        if not isinstance(into, Value) or sections.get(into) != instruction.section:
            continue
        again = _numbered(out.name, into.name)
        adds = instruction.function.startswith("increment")
        if augments(instruction) and (adds or again or into in plain):
            chain = chains.setdefault(into, [into])
            chain.append(out)
            chains[out] = chain
    for chain in {id(c): c for c in chains.values()}.values():
        last = chain[-1].name
        first = [v.name for v in chain if _numbered(last, v.name)]
        if not first and _says_little(last):
            first = [v.name for v in chain if not _says_little(v.name)]
        for value in chain:
            value.name = first[0] if first else last


def _numbered(name: str, first: str) -> bool:
    """Whether a name is a further one of its kind: ``total_2`` of ``total``."""
    return name.startswith(f"{first}_") and name[len(first) + 1 :].isdigit()


def _says_little(name: str) -> bool:
    """Whether a name only says by which operation a value was made."""
    parts = name.split("_")
    return (parts[-2:-1] if parts[-1].isdigit() else parts[-1:])[0] in _OPERATIONS


def _of_state(recorded: Recorded) -> dict[int, str]:
    """What Tensors are called, by their identity: the dotted path in their model."""
    known: dict[int, str] = {}
    models = [v for v in recorded.walk.values() if isinstance(v, Module)]
    inside = {id(m) for model in models for _, m in model.named_modules() if m is not model}
    tops = [model for model in models if id(model) not in inside]
    for model in tops:
        prefix = "" if len(tops) == 1 else recorded.walk.names.get(id(model), "") + "_"
        for path, value in model._walk():
            if not isinstance(value, Module):
                known.setdefault(id(value), prefix + path.replace(".", "_"))
    return known


def _of_input(given: Input, known: dict[int, str], function: Callable[..., Any]) -> str:
    place = given.place
    while isinstance(place, Part):
        place = place.place
    if isinstance(place, Argument):
        return _of_argument(given.path, function)
    if isinstance(place, Data):
        if given.kind == "gradient":
            return "d_" + known.get(id(place.owner), given.path.removesuffix(".grad"))
        return known.get(id(place.tensor), place.tensor.name or given.path)
    if given.kind == "generator":
        return "generator" if given.path == "minigrad.random" else given.path
    if isinstance(place, Item):
        owner = re.search(r"_state\[(\d+)\]\['(\w+)'\]$", given.path)
        if owner:
            return f"{known.get(int(owner[1]), 'parameter')}_{owner[2]}"
        if isinstance(place.key, str):
            return place.key
    return given.path


def _of_argument(path: str, function: Callable[..., Any]) -> str:
    """``[0][1]`` is the second positional argument, ``[1]['rate']`` the keyword ``rate``."""
    steps = re.findall(r"\[([^\]]+)\]|\.(\w+)", path)
    parts = [(a or b).strip("'\"") for a, b in steps]
    if parts[0] == "1":
        return "_".join(parts[1:])
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    index = int(parts[1])
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    first = plain[index] if index < len(plain) else f"argument_{index}"
    return "_".join([first, *parts[2:]])


class _Namer:
    """Names of results, from what the trace saw."""

    def __init__(self, tape: Tape, program: Program, names: _Names, known: dict[int, str]) -> None:
        self.tape, self.names, self.known = tape, names, known
        self.plain: set[Value] = set()  # values that have no name of their own
        self.leaves = {
            id(i.place.tensor): i.value.name for i in program.inputs if isinstance(i.place, Data)
        }
        self.vertices = {
            i.place.tensor._node: i.value.name for i in program.inputs if isinstance(i.place, Data)
        }
        self.updated = {
            u.result: u for u in program.updates if isinstance(u.result, Value) and u.target
        }
        self.steps: dict[Value, str] = {}  # what is taken away from a parameter
        for instruction in program.instructions:
            update = self.updated.get(instruction.out)
            if update is not None and update.target is not None:
                first, *rest = instruction.args
                taken = instruction.function == "np.subtract" and first is update.target
                if taken and isinstance(rest[0], Value):
                    self.steps[rest[0]] = f"{update.target.name}_step"
        self.last_of: dict[object, Value] = {}  # the last result of what one call assigns
        self.last_in: dict[str, Value] = {}
        self.gradient_of: dict[Value, str] = {}
        for update in program.updates:
            if isinstance(update.result, Value):
                tensor = getattr(getattr(update.place, "place", update.place), "tensor", None)
                if isinstance(getattr(update.place, "place", update.place), Grad):
                    name = known.get(id(tensor), getattr(tensor, "name", None) or "parameter")
                    self.gradient_of.setdefault(update.result, f"d_{name}")
        last: dict[tuple[Any, int], Value] = {}
        for instruction in program.instructions:
            if instruction.section == "forward":
                for key, _ in tape.hints.get(instruction.out, ()):
                    self.last_of[key] = instruction.out
                self.last_in[instruction.scope] = instruction.out
            pair = tape.cotangents.get(instruction.out)
            if pair is not None:
                last[pair] = instruction.out
        self.cotangents = {value: pair for pair, value in last.items()}

    def name(self, instruction: Instruction) -> str:
        """A name for a result."""
        self.plain.add(instruction.out)
        wish = getattr(self, f"_{instruction.section}")(instruction)
        return self.names.fresh(wish)

    def _noun(self, instruction: Instruction) -> str:
        """What a result is called that nobody has given a name."""
        if instruction.function == "call":
            called = instruction.args[0]
            name = str(called.name if isinstance(called, Primitive) else called.__name__)
            return NOUNS.get(name, name)
        if instruction.op in _OPS and instruction.section == "forward":
            return instruction.op
        if instruction.function == "np.multiply" and instruction.args[0] is instruction.args[1]:
            return "square"
        return NOUNS.get(instruction.function, instruction.function.rpartition(".")[2])

    def _forward(self, instruction: Instruction) -> str:
        out, scope = instruction.out, instruction.scope
        hints = [(k, n) for k, n in self.tape.hints.get(out, ()) if self.last_of.get(k) is out]
        wishes = [name for _, name in hints if name not in _VAGUE]
        noun = self._noun(instruction)
        last = bool(scope) and self.last_in.get(scope) is out
        if wishes or last:
            self.plain.discard(out)
        if wishes:
            return wishes[-1]
        if last:
            return scope
        return f"{scope}_{noun}" if scope and "." in scope else noun

    def _backward(self, instruction: Instruction) -> str:
        out = instruction.out
        if out in self.gradient_of:
            self.plain.discard(out)
            return self.gradient_of[out]
        noun = self._noun(instruction)
        pair = self.cotangents.get(out)
        if pair is not None:
            parent = pair[0].parents[pair[1]]
            if parent is not None:
                value = self.tape.nodes.get(parent)
                name = self.vertices.get(parent) if value is None else value.name
                if name:
                    self.plain.discard(out)
                    return f"d_{name}"
        scope = instruction.scope or instruction.op
        return f"d_{scope}_{noun}"

    def _update(self, instruction: Instruction) -> str:
        out = instruction.out
        if out in self.steps:
            return self.steps[out]
        update = self.updated.get(out)
        if update is not None and update.target is not None:
            return f"{update.target.name}_next"
        wishes = [name for _, name in self.tape.hints.get(out, ()) if name not in _VAGUE]
        noun = self._noun(instruction)
        if instruction.function == "np.add" and not self.gradient_of.keys().isdisjoint(
            instruction.operands()
        ):
            self.plain.discard(out)
            noun = "gradient"  # with what a decay of weights adds to it
        array = self.tape.updating.get(out)
        owner = self.known.get(id(array)) or self.leaves.get(id(array), "")
        noun = wishes[0] if wishes else noun
        return f"{owner}_{noun}" if owner else noun
