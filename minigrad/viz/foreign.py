"""Tapes of what other frameworks have computed, so that they are drawn as the same cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.primitive import REGISTRY, Array
from minigrad.scopes import Scope
from minigrad.viz import diagnose
from minigrad.viz.build import build
from minigrad.viz.digest import digest
from minigrad.viz.fold import Fold
from minigrad.viz.graph import Graph
from minigrad.viz.style import THEMES
from minigrad.viz.tape import Tape, Vertex

__all__ = ["Recorder", "checked"]


class Recorder:
    """Collects vertices in the order of computation, and judges them as minigrad's own."""

    def __init__(self) -> None:
        self.tape = Tape([], [], False, [], [])
        self.arrays: dict[int, Array] = {}
        self.turns = 0
        self.roles: dict[int, tuple[bool, bool]] = {}  # whether rows and columns need a gradient

    def new(self, kind: str, value: Any, name: str | None = None, label: str = "") -> Vertex:
        """Add the vertex of an array."""
        array = np.asarray(value)
        v = Vertex(len(self.tape.vertices), kind, array.shape, array.dtype.name, name, label=label)
        v.value = digest(array)
        self.tape.vertices.append(v)
        self.arrays[v.index] = array
        if kind != "op":
            self.tape.findings += diagnose.of_value(v, array, [], self.tape.findings)
        return v

    def op(
        self,
        label: str,
        value: Any,
        operands: Sequence[int | None],
        numbers: Mapping[int, Any],
        scope: Scope | None,
        known: str | None,
    ) -> Vertex:
        """Add the vertex of an op; ``known`` is the op of minigrad that computes the same."""
        v = self.new("op", value, label=label)
        v.parents = tuple(operands)
        v.inputs = tuple(dict.fromkeys(p for p in v.parents if p is not None))
        v.numbers, v.scope = dict(numbers), scope
        primitive = REGISTRY.get(known) if known is not None else None
        if primitive is not None and len(primitive.inputs) == len(operands):
            v.primitive = primitive
        inputs = [self.arrays.get(p) for p in v.inputs]
        found = self.tape.findings
        found += diagnose.of_value(v, self.arrays[v.index], inputs, found)
        return v

    def gradient(self, v: Vertex, g: Any) -> None:
        """Take what arrived at a vertex; turns are counted in the order of the calls."""
        array = np.asarray(g)
        self.turns += 1
        v.gradient, v.step = digest(array), self.turns
        if v.kind == "leaf":
            rows, columns = self.roles.get(v.index, (False, False))
            value = self.arrays[v.index]
            found = diagnose.of_parameter(v, value, array, rows=rows, columns=columns)
            self.tape.findings += found

    def finish(self, outputs: Sequence[int]) -> None:
        """Say which vertices are the outputs, and along which inputs gradients went."""
        self.tape.outputs = list(outputs)
        vertices = self.tape.vertices
        for v in vertices:
            parents = [None if p is None else vertices[p] for p in v.parents]
            back = [i for i, p in enumerate(parents) if p is not None and p.gradient is not None]
            v.pulls = tuple(back) if v.gradient is not None else ()
            if v.primitive is not None:
                rules = [v.primitive.inputs[i] in v.primitive.rules for i in back]
                v.primitive = v.primitive if all(rules) else None

    def draw(self, mode: str, look: Mapping[str, Any]) -> Graph:
        """Build the drawing."""
        if mode == "forward":
            for v in self.tape.vertices:
                v.gradient, v.pulls, v.step = None, (), 0
        return build(self.tape, mode=mode, **look)


def checked(mode: str, title: str | None, fold: Fold, theme: str, max_cards: int) -> dict[str, Any]:
    """What :func:`minigrad.draw` refuses is refused here, too."""
    if mode not in ("both", "forward", "backward"):
        raise ValueError(f"mode is 'both', 'forward' or 'backward', not {mode!r}")
    if theme not in THEMES:
        raise ValueError(f"theme is {' or '.join(map(repr, THEMES))}, not {theme!r}")
    return {"title": title, "fold": fold, "theme": theme, "max_cards": max_cards}
