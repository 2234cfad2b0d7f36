"""Deciding what is one card: composites first, then modules from the innermost, then repeats.

Whatever is folded is contiguous in the order of creation, which is a topological order, so what
remains is a graph without cycles again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from minigrad import functional
from minigrad.primitive import REGISTRY
from minigrad.scopes import Scope
from minigrad.viz.tape import Tape, Vertex

__all__ = ["Fold", "Scopes", "Unit", "fold_tape"]

Fold = Literal["auto"] | bool
LONGEST_PERIOD = 8
MANY = 8  # inputs from outside that are still drawn one by one where ops are not
DEEPEST = 12  # boxes inside each other
FUNCTIONS = frozenset(vars(functional)["__all__"])
FEW = 4  # cards that say too little: repeats and runs are tried before folding to so few


@dataclass(slots=True)
class Unit:
    """What becomes one card.

    Attributes:
        kind: ``"vertex"``, ``"composite"``, ``"module"``, ``"repeat"`` or ``"run"``.
        members: Vertices, in order of creation.
        home: The module in whose box it is drawn.
        scope: The scope that was folded.
        parts: The units of a repeat or a run.
        times: How often the parts of a repeat occur.
    """

    kind: str
    members: list[int]
    home: Scope | None
    scope: Scope | None = None
    parts: list[Unit] = field(default_factory=list)
    times: int = 1


class Scopes:
    """The tree of the scopes in which a graph was recorded."""

    def __init__(self, tape: Tape) -> None:
        self.vertices = tape.vertices
        self.children: dict[Scope, list[Scope]] = {}
        self.consumers: dict[int, list[int]] = {}
        direct: set[Scope] = set()  # scopes whose own ops use parameters
        for v in tape.vertices:
            for p in v.inputs:
                if tape.vertices[p].kind != "op":
                    self.consumers.setdefault(p, []).append(v.index)
            scope = v.scope
            if scope is not None and any(self._is_parameter(v, p) for p in v.inputs):
                direct.add(scope)
            while scope is not None and scope not in self.children:
                self.children[scope] = []
                scope = scope.parent
        for scope in self.children:
            if scope.parent is not None:
                self.children[scope.parent].append(scope)
        self.composites: set[Scope] = set()
        for scope in self.inside_out():
            nested = all(child in self.composites for child in self.children[scope])
            # What a function of minigrad is given stays an operand, whatever it is.
            function = scope not in direct or scope.name in FUNCTIONS
            if self.plain(scope) and nested and function:
                self.composites.add(scope)
        self.heights: dict[Scope, int] = {}
        for scope in self.inside_out():
            if scope not in self.composites and not self.layer(scope):
                below = [self.heights[c] for c in self.children[scope] if c in self.heights]
                self.heights[scope] = 1 + max(below, default=-1)

    def _is_parameter(self, user: Vertex, index: int) -> bool:
        """Whether a leaf is used as weights are, not as the data that a function is given."""
        leaf = self.vertices[index]
        named = leaf.kind == "leaf" and leaf.name is not None
        return named and len(user.parents) > 1 and leaf.shape != user.shape

    def plain(self, scope: Scope) -> bool:
        """Whether a scope is a function rather than a module."""
        return scope.title in ("", "function")

    def layer(self, scope: Scope) -> bool:
        """Whether it is where a ``Sequential`` calls a function, whose own card says enough."""
        title = scope.title
        return len(scope.label) == 2 and (title in FUNCTIONS or title in REGISTRY)

    def inside_out(self) -> list[Scope]:
        """Scopes, children before their parents."""
        depth: dict[Scope, int] = {}
        for scope in self.children:
            path = []
            at: Scope | None = scope
            while at is not None and at not in depth:
                path.append(at)
                at = at.parent
            for s in reversed(path):
                depth[s] = depth[s.parent] + 1 if s.parent is not None else 0
        return sorted(depth, key=lambda s: -depth[s])

    def chain(self, scope: Scope | None) -> list[Scope]:
        """A scope and all that it lies in, from the inside."""
        found = []
        while scope is not None:
            found.append(scope)
            scope = scope.parent
        return found

    def parameters(self) -> dict[Scope, list[int]]:
        """Leaves by the scopes in which they are first used."""
        found: dict[Scope, list[int]] = {}
        for v in self.vertices:
            if v.kind == "leaf" and v.index in self.consumers:
                for scope in self.chain(self.vertices[self.consumers[v.index][0]].scope):
                    found.setdefault(scope, []).append(v.index)
        return found

    def common(self, scopes: Sequence[Scope | None]) -> Scope | None:
        """The innermost scope that all of these lie in."""
        shared = self.chain(scopes[0])
        for scope in scopes[1:]:
            chain = set(self.chain(scope))
            shared = [s for s in shared if s in chain]
        return shared[0] if shared else None


class _Folding:
    def __init__(self, tape: Tape, scopes: Scopes, fold: Fold) -> None:
        self.tape, self.scopes, self.fold = tape, scopes, fold
        self.folded: set[Scope] = set() if fold is False else set(scopes.composites)
        self.tops: dict[Scope, Scope | None] = {}
        self.crowded = sum(v.kind != "op" and self.outside(v) for v in tape.vertices) > MANY

    def outside(self, v: Vertex) -> bool:
        """Whether a leaf or constant comes from outside of all modules."""
        users = self.scopes.consumers.get(v.index)
        if not users:
            return False
        return self.is_input(v) or (v.kind == "leaf" and self.tape.vertices[users[0]].scope is None)

    def add(self, scopes: Sequence[Scope]) -> None:
        self.folded.update(scopes)
        self.tops.clear()

    def top(self, scope: Scope | None) -> Scope | None:
        """The outermost folded scope around one."""
        if scope is None:
            return None
        if scope not in self.tops:
            folded = [s for s in self.scopes.chain(scope) if s in self.folded]
            self.tops[scope] = folded[-1] if folded else None
        return self.tops[scope]

    def home(self, scope: Scope | None) -> Scope | None:
        """The scope whose box is drawn: a function inside a module adds none of its own."""
        while (
            scope is not None
            and self.fold is not False
            and scope.parent is not None
            and (self.scopes.plain(scope) or self.scopes.layer(scope))
        ):
            scope = scope.parent
        chain = self.scopes.chain(scope)
        return chain[-DEEPEST] if len(chain) > DEEPEST else scope

    def ops(self) -> list[Unit]:
        """Units of ops, in order, as the folded scopes make them."""
        units: list[Unit] = []
        made: dict[Scope, Unit] = {}
        for v in self.tape.vertices:
            if v.kind != "op":
                continue
            top = self.top(v.scope)
            if top is None:
                units.append(Unit("vertex", [v.index], self.home(v.scope)))
            elif top in made:
                made[top].members.append(v.index)
            else:
                kind = "composite" if top in self.scopes.composites else "module"
                made[top] = Unit(kind, [v.index], self.home(top.parent), top)
                units.append(made[top])
        return units

    def complete(self, ops: Sequence[Unit]) -> list[Unit]:
        """Units with the leaves and constants that are visible, each before its first use."""
        of: dict[int, Unit] = {m: unit for unit in ops for m in unit.members}
        seen: set[int] = set()
        units: list[Unit] = []
        for unit in ops:
            leaves = [v for m in unit.members for v in self.operands(m) if v.kind != "op"]
            starved = unit.kind == "composite" and not self.fed(unit, of)
            largest = max((v.size for v in leaves if v.kind == "constant"), default=0)
            for v in leaves:
                if v.index in seen:
                    continue
                seen.add(v.index)
                consumers = [of[c] for c in self.scopes.consumers[v.index]]
                only = starved and v.kind == "constant" and v.size == largest > 1
                if only or not self.hidden(v, consumers):
                    home = None
                    if not (only or self.is_input(v)):
                        home = self.scopes.common([c.home for c in consumers])
                    units.append(Unit("vertex", [v.index], home))
                    starved = starved and not only
            units.append(unit)
        alone = [v.index for v in self.tape.vertices if v.kind == "leaf" and v.index not in seen]
        used = self.scopes.consumers
        units += [Unit("vertex", [i], None) for i in alone if i not in used]
        return units

    def operands(self, index: int) -> list[Vertex]:
        """What a vertex was made of."""
        return [self.tape.vertices[p] for p in self.tape.vertices[index].inputs]

    def fed(self, unit: Unit, of: Mapping[int, Unit]) -> bool:
        """Whether a function is given anything that has a card, parameters apart."""
        for m in unit.members:
            for v in self.operands(m):
                outside = v.kind == "op" and of[v.index] is not unit
                if outside or (v.kind == "constant" and not self.hidden(v, [unit])):
                    return True
                if v.kind == "leaf" and v.shape == self.tape.vertices[unit.members[-1]].shape:
                    return True
        return False

    def is_input(self, v: Vertex) -> bool:
        """Whether a constant is data that came from outside, and not something made on the way."""
        if v.kind == "leaf":
            return False
        if v.name is not None or v.dtype.startswith(("int", "uint")):
            return True
        first = self.tape.vertices[self.scopes.consumers[v.index][0]]
        return all(self.tape.vertices[p].kind != "op" for p in first.inputs)

    def hidden(self, v: Vertex, consumers: Sequence[Unit]) -> bool:
        if any(c is not consumers[0] for c in consumers) or consumers[0].kind == "vertex":
            return False
        if consumers[0].kind == "composite":
            if v.kind == "leaf" or v.name is not None:
                return False
            if v.dtype.startswith(("int", "uint", "bool")):  # labels, or what a function looked up
                return consumers[0].members[-1] not in self.tape.outputs
            # Targets have the shape of what they are compared with; the rest was made inside.
            user = self.tape.vertices[self.scopes.consumers[v.index][0]]
            return v.shape != user.shape or user.scope is None or user.scope.name == "dropout"
        if consumers[0].kind == "module":
            return not self.is_input(v)
        return self.crowded or not self.outside(v)


def fold_tape(tape: Tape, scopes: Scopes, fold: Fold, max_cards: int) -> list[Unit]:
    """Divide a graph into what becomes cards.

    Args:
        tape: The graph.
        scopes: The tree of its scopes.
        fold: ``"auto"`` folds composites, and more only where ``max_cards`` would be exceeded;
            True folds every innermost module, False nothing unless the graph is too large.
        max_cards: How many cards are readable.
    """
    folding = _Folding(tape, scopes, fold)
    by_height: dict[int, list[Scope]] = {}
    for scope, height in scopes.heights.items():
        by_height.setdefault(height, []).append(scope)
    if fold is True:
        folding.add(by_height.pop(0, []))
    ops = folding.ops()
    units = folding.complete(ops)
    if fold is False and len(units) <= 1000:
        return units
    for height in sorted(by_height):
        if len(units) <= max_cards:
            return units
        repeated = folding.complete(_repeats(folding, ops))
        if len(repeated) <= max_cards:
            return repeated
        before = set(folding.folded)
        folding.add(by_height[height])
        coarser = folding.ops()
        if len(coarser) <= FEW and height:
            folding.folded = before
            break
        ops = coarser
        units = folding.complete(ops)
    if len(units) <= max_cards:
        return units
    ops = _repeats(folding, ops)
    units = folding.complete(ops)
    size = 1
    while len(units) > max_cards and size < 2 * len(ops):
        size = max(2 * size, -(-2 * len(ops) // max_cards))
        units = folding.complete(_runs(folding, ops, size, mixed=size > len(ops)))
    return units


def _signature(folding: _Folding, unit: Unit) -> object:
    if unit.scope is not None:
        return unit.kind, unit.scope.title or unit.scope.name, unit.home
    v = folding.tape.vertices[unit.members[0]]
    return v.op, v.shape, unit.home


def _repeats(folding: _Folding, ops: Sequence[Unit]) -> list[Unit]:
    """Merge what occurs at least three times in a row."""
    outputs = set(folding.tape.outputs)
    numbers: dict[object, int] = {}
    sequence = []
    for i, unit in enumerate(ops):
        last = unit.members[-1] in outputs
        key = ("output", i) if last else _signature(folding, unit)
        sequence.append(numbers.setdefault(key, len(numbers)))
    merged: list[Unit] = []
    i = 0
    while i < len(ops):
        period, times = _longest(sequence, i)
        if times < 3:
            merged.append(ops[i])
            i += 1
            continue
        parts = list(ops[i : i + period * times])
        members = [m for part in parts for m in part.members]
        merged.append(Unit("repeat", members, ops[i].home, None, parts, times))
        i += period * times
    return merged


def _longest(sequence: Sequence[int], start: int) -> tuple[int, int]:
    """Period and number of the repeats from ``start`` that cover most."""
    best = (1, 1)
    for period in range(1, LONGEST_PERIOD + 1):
        end = start + period
        while end < len(sequence) and sequence[end] == sequence[end - period]:
            end += 1
        times = (end - start) // period
        if times >= 3 and times * period > best[0] * best[1]:
            best = (period, times)
    return best


def _runs(folding: _Folding, ops: Sequence[Unit], size: int, mixed: bool) -> list[Unit]:
    """Merge up to ``size`` neighbours; of different modules only if ``mixed``."""
    outputs = set(folding.tape.outputs)
    merged: list[Unit] = []
    parts: list[Unit] = []

    def close() -> None:
        if len(parts) > 1:
            members = [m for part in parts for m in part.members]
            home = folding.scopes.common([part.home for part in parts])
            merged.append(Unit("run", members, home, None, parts[:]))
        else:
            merged.extend(parts)
        parts.clear()

    for unit in ops:
        is_output = unit.members[-1] in outputs
        elsewhere = bool(parts) and unit.home is not parts[-1].home and not mixed
        if is_output or elsewhere or len(parts) >= size:
            close()
        parts.append(unit)
        if is_output:
            close()
    close()
    return merged
