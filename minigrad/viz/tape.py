"""A recorded graph as plain records: what every tensor is, and what it was made of."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.graph import LINE, Node
from minigrad.primitive import OUT, Array, Primitive
from minigrad.scopes import Scope
from minigrad.tensor import Tensor
from minigrad.viz.diagnose import Finding
from minigrad.viz.digest import Digest

__all__ = ["DETAILED", "Names", "Reader", "Tape", "Vertex", "plain"]

DETAILED = 20_000  # vertices: in a larger graph no digests of single ops are taken


@dataclass(slots=True)
class Vertex:
    """A tensor of the graph: what an op made, a leaf, or a constant.

    Attributes:
        kind: ``"op"``, ``"leaf"`` or ``"constant"``.
        parents: For each input its vertex, or None for a number or what is not known any more.
        inputs: The vertices it was made of, each once.
        numbers: Constants of a single element, by position.
        sources: What the rules asked for: positions of inputs, or ``OUT``.
        pulls: Positions of the inputs that get a gradient.
        step: Turn in the backward walk, from 1; 0 if it was not reached.
        serial: Creation number of its node; -1 if it has none.
        saved: Bytes that its backward step keeps and no step before it does, parameters apart.
        line: Where it was recorded, if that is known.
        update: How large the next step of its optimiser is, relative to its own size.
        label: Name of an op where it is not that of its primitive.
        rules: Gradient rules of such an op, in words.
    """

    index: int
    kind: str
    shape: tuple[int, ...]
    dtype: str
    name: str | None = None
    primitive: Primitive[...] | None = None
    parents: tuple[int | None, ...] = ()
    inputs: tuple[int, ...] = ()
    numbers: dict[int, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    scope: Scope | None = None
    sources: tuple[int, ...] = ()
    pulls: tuple[int, ...] = ()
    value: Digest | None = None
    gradient: Digest | None = None
    step: int = 0
    serial: int = -1
    saved: int = 0
    line: str = ""
    update: float | None = None
    label: str = ""
    rules: tuple[str, ...] = ()

    @property
    def op(self) -> str:
        """Name of the op; empty for a leaf or a constant."""
        return self.label or (self.primitive.name if self.primitive else "")

    @property
    def function(self) -> str:
        """Name of the op of minigrad that computes the same, or else its own."""
        return self.primitive.name if self.primitive else self.label

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass
class Tape:
    """All vertices in the order of creation, and what was found on the way.

    ``constants`` finds the vertex of a constant by the ``id`` of its array, while that lives.
    """

    vertices: list[Vertex]
    outputs: list[int]
    released: bool
    notes: list[str]
    findings: list[Finding]
    constants: dict[int, int] = field(default_factory=dict)


Names = Mapping[int, str]  # id() of an array that is alive -> what to call it


class Reader:
    """The state of one reading: vertices by node, and the arrays that are known without replay."""

    def __init__(self, outputs: Sequence[Tensor], names: Names) -> None:
        self.names = names
        self.nodes = _reachable([t.node for t in outputs if t.node is not None])
        self.released = any(n.kept is None for n in self.nodes)
        self.vertices: list[Vertex] = []
        self.arrays: dict[int, Array] = {}
        self.raw: dict[tuple[int, int], Any] = {}
        self.dtypes: dict[Any, str] = {}
        self.held: set[int] = set()  # buffers of which it is known that something keeps them
        self.of_node: dict[Node, int] = {}
        self.of_array: dict[int, int] = {}
        for node in self.nodes:
            self.add(node)
        self.limit = DETAILED
        self.detailed = len(self.vertices) <= self.limit
        for tensor in outputs:
            if tensor.node is not None:
                self.arrays.setdefault(self.of_node[tensor.node], plain(tensor.data))

    def add(self, node: Node) -> None:
        """Make the vertex of a node, and those of its constants before it."""
        if node.primitive is None:
            array = node.kept[0] if node.kept else None
            name = node.name or self.names.get(id(array))
            vertex = self.new("leaf", node.shape, node.dtype, name)
            vertex.serial = node.serial
            self.of_node[node] = vertex.index
            if array is not None:
                self.arrays[vertex.index] = plain(array)
                self.held.add(id(_buffer(plain(array))))
            return
        known = self.constants(node)
        labels = tuple(self.constant(a, None) for a in _label_arrays(node.params))
        vertex = self.new("op", node.shape, node.dtype, node.name)
        parents: list[int | None] = []
        for i, parent in enumerate(node.parents):
            if parent is not None:
                parents.append(self.of_node[parent])
                continue
            if isinstance(known.get(i), Vertex):
                parents.append(known[i].index)
                continue
            parents.append(None)
            if i in known:
                constant = self.raw[vertex.index, i] = known[i]
                if constant is not None:
                    vertex.numbers[i] = np.asarray(constant).ravel()[0].item()
        self.of_node[node], vertex.serial = vertex.index, node.serial
        # Of the file its name: where it lies is nobody's business who is shown the picture.
        vertex.line = re.sub(r"^.*[/\\]", "", (node.names or {}).get(LINE, ""))
        vertex.primitive, vertex.params, vertex.scope = node.primitive, node.params, node.scope
        vertex.parents = tuple(parents)
        vertex.inputs = tuple(dict.fromkeys(p for p in (*parents, *labels) if p is not None))
        if node.plan is not None:
            vertex.sources = node.plan.sources
            vertex.pulls = tuple(i for i, _ in node.plan.pulls)
            self.remember(node, vertex)

    def new(self, kind: str, shape: tuple[int, ...], dtype: Any, name: str | None) -> Vertex:
        """Make a vertex."""
        # Asking a dtype for its name costs more than the rest of this function.
        written = "" if dtype is None else self.dtypes.get(dtype)
        if written is None:
            written = self.dtypes[dtype] = dtype.name
        vertex = Vertex(len(self.vertices), kind, tuple(shape), written, name)
        self.vertices.append(vertex)
        return vertex

    def constants(self, node: Node) -> dict[int, Any]:
        """The constants of a node by position: a vertex for an array, a number as it is."""
        found: dict[int, Any] = {}
        names = node.names or {}
        kept = map(plain, node.kept or ())
        slots = dict(zip(node.plan.sources, kept, strict=True)) if node.kept else {}  # type: ignore[union-attr]
        for i, parent in enumerate(node.parents):
            if parent is not None:
                continue
            constant = slots.get(i)
            if (constant is not None and np.size(constant) == 1) or (
                constant is None and i in slots and _asked(node, i)
            ):
                found[i] = constant
            elif constant is not None:
                found[i] = self.vertices[self.constant(constant, names.get(i))]
            elif i in names:
                found[i] = self.new("constant", (), None, names[i])
        return found

    def constant(self, array: Array, name: str | None) -> int:
        """The vertex of an array, the same wherever the array is used."""
        index = self.of_array.get(id(array))
        if index is None:
            name = name or self.names.get(id(array))
            vertex = self.new("constant", np.shape(array), np.asarray(array).dtype, name)
            index = self.of_array[id(array)] = vertex.index
            self.arrays[index] = array
        return index

    def remember(self, node: Node, vertex: Vertex) -> None:
        """Note the arrays that the node kept of itself and of its inputs."""
        for source, array in zip(vertex.sources, node.kept or (), strict=False):
            owner = vertex.index if source == OUT else -1
            if 0 <= source < len(vertex.parents):
                parent = vertex.parents[source]
                owner = -1 if parent is None else parent
            array = plain(array)
            if owner >= 0 and array is not None:
                self.arrays.setdefault(owner, array)
            if isinstance(array, np.ndarray) and array.ndim:
                buffer = _buffer(array)
                if id(buffer) not in self.held:
                    self.held.add(id(buffer))
                    vertex.saved += buffer.nbytes


def plain(array: Any) -> Any:
    """The array itself: while a step is compiled, a traced one stands for it and holds it."""
    return getattr(array, "_now", array)


def _buffer(array: Array) -> Array:
    """The array that owns the memory which a view keeps alive."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _reachable(roots: Iterable[Node]) -> list[Node]:
    """Every node that the roots were made of, oldest first."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: node.serial)


def _asked(node: Node, i: int) -> bool:
    """Whether a rule of this call asks for an input, so that None is what it was."""
    primitive, plan = node.primitive, node.plan
    if primitive is None or plan is None or primitive.variadic:
        return False
    name = primitive.inputs[i]
    return any(name in primitive.requests[primitive.inputs[at]] for at, _ in plan.pulls)


def _label_arrays(params: Mapping[str, Any]) -> list[Array]:
    """Integer arrays among static parameters, except a count 0, 1, 2, ... as indexing uses it."""
    found = []
    for value in params.values():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, np.ndarray) and part.dtype.kind in "iub" and part.size > 1:
                flat = part.ravel()
                if flat.dtype == bool or not np.array_equal(flat, np.arange(flat.size)):
                    found.append(part)
    return found
