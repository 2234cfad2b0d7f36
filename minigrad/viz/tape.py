"""Reading a recorded graph: plain records of its vertices, their values and their gradients.

Nothing of this touches the graph. Values that no node kept are computed again by running kernels on
arrays, gradients by a walk of its own, and an array lives only until its digest is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad.graph import Node, Scope
from minigrad.ops.shape import fold
from minigrad.primitive import OUT, Array, Primitive
from minigrad.tensor import Tensor
from minigrad.viz import diagnose
from minigrad.viz.diagnose import Finding
from minigrad.viz.digest import Digest, digest

__all__ = ["Tape", "Vertex", "read"]

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

    @property
    def op(self) -> str:
        """Name of the op; empty for a leaf or a constant."""
        return self.primitive.name if self.primitive else ""

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size


@dataclass
class Tape:
    """All vertices in the order of creation, and what was found on the way."""

    vertices: list[Vertex]
    outputs: list[int]
    released: bool
    notes: list[str]
    findings: list[Finding]


Names = Mapping[int, str]  # id() of an array that is alive -> what to call it


class _Reader:
    """The state of one reading: vertices by node, and the arrays that are known without replay."""

    def __init__(self, outputs: Sequence[Tensor], names: Names) -> None:
        self.names = names
        self.nodes = _reachable([t.node for t in outputs if t.node is not None])
        self.released = any(n.kept is None for n in self.nodes)
        self.vertices: list[Vertex] = []
        self.arrays: dict[int, Array] = {}
        self.raw: dict[tuple[int, int], Any] = {}
        self.dtypes: dict[Any, str] = {}
        self.of_node: dict[Node, int] = {}
        self.of_array: dict[int, int] = {}
        for node in self.nodes:
            self.add(node)
        self.detailed = len(self.vertices) <= DETAILED
        for tensor in outputs:
            if tensor.node is not None:
                self.arrays.setdefault(self.of_node[tensor.node], tensor.numpy())

    def add(self, node: Node) -> None:
        if node.primitive is None:
            array = node.kept[0] if node.kept else None
            name = node.name or self.names.get(id(array))
            vertex = self.new("leaf", node.shape, node.dtype, name)
            self.of_node[node] = vertex.index
            if array is not None:
                self.arrays[vertex.index] = array
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
        self.of_node[node] = vertex.index
        vertex.primitive, vertex.params, vertex.scope = node.primitive, node.params, node.scope
        vertex.parents = tuple(parents)
        vertex.inputs = tuple(dict.fromkeys(p for p in (*parents, *labels) if p is not None))
        if node.plan is not None:
            vertex.sources = node.plan.sources
            vertex.pulls = tuple(i for i, _ in node.plan.pulls)
            self.remember(node, vertex)

    def new(self, kind: str, shape: tuple[int, ...], dtype: Any, name: str | None) -> Vertex:
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
        slots = dict(zip(node.plan.sources, node.kept, strict=True)) if node.kept else {}  # type: ignore[union-attr]
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
            if owner >= 0 and array is not None:
                self.arrays.setdefault(owner, array)


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


def read(
    outputs: Sequence[Tensor],
    *,
    names: Names,
    values: bool = True,
    gradients: bool = True,
    cotangents: Sequence[Array] = (),
    expected: Mapping[str, Tensor] | None = None,
) -> Tape:
    """Read the graph of ``outputs``, with digests of values and of gradients.

    Args:
        outputs: Tensors that require a gradient.
        names: What to call arrays that have no name of their own, by ``id``.
        values: Whether to take digests of values.
        gradients: Whether to walk backward.
        cotangents: What to start the walk with, one for each output.
        expected: Leaves by name that should be part of the graph.
    """
    reader = _Reader(outputs, names)
    roots = [reader.of_node[t.node] for t in outputs if t.node is not None]
    tape = Tape(reader.vertices, roots, reader.released, [], [])
    with np.errstate(all="ignore"):
        if values:
            _take_values(reader, tape)
        if reader.released:
            _take_deposits(reader)
            tape.notes.append(
                "released by backward(): pass retain_graph=True, or draw before it, to see values"
            )
        elif gradients:
            _take_gradients(reader, tape, cotangents)
    tape.findings += _unused(reader, expected or {})
    stale = {
        reader.vertices[reader.of_node[p]].name or "a leaf"
        for n in reader.nodes
        for p in n.parents
        if p is not None and p.primitive is None and p.mutated > n.serial
    }
    if stale and not reader.released:
        tape.notes.append(f"{', '.join(sorted(stale))} changed in place since: new values drawn")
    if not reader.detailed and not reader.released:
        tape.notes.append(f"numbers of single ops are left out above {DETAILED:,}")
    if any(n.hooks for n in reader.nodes):
        tape.notes.append("hooks were not run")
    return tape


def _unused(reader: _Reader, expected: Mapping[str, Tensor]) -> list[Finding]:
    """Add the leaves that nothing was made of."""
    found = []
    for name, tensor in expected.items():
        node = tensor.node
        if node is None or node in reader.of_node or not tensor.is_leaf:
            continue
        vertex = reader.new("leaf", tensor.shape, tensor.dtype, name)
        reader.of_node[node] = vertex.index
        vertex.value = digest(tensor.numpy())
        found.append(Finding("unused", vertex.index, "not used by the output"))
    return found


def _take_values(reader: _Reader, tape: Tape) -> None:
    """Take digests of all values, computing again what no node kept."""
    vertices, arrays = reader.vertices, reader.arrays
    healthy = all(np.isfinite(arrays[i]).all() for i in tape.outputs)
    if reader.released or (healthy and not reader.detailed):
        for v in vertices:
            if (v.kind != "op" or v.index in tape.outputs) and v.index in arrays:
                v.value = digest(arrays[v.index])
        return
    waiting = [0] * len(vertices)
    for v in vertices:
        for p in v.inputs:
            waiting[p] += 1
    replayed: dict[int, Array] = {}
    for v in vertices:
        array = arrays.get(v.index)
        if array is None and v.primitive is not None:
            array = _replay(v, arrays, replayed, reader.raw)
            if array is not None:
                replayed[v.index] = array
        if array is not None:
            if reader.detailed or v.kind != "op" or v.index in tape.outputs:
                v.value = digest(array)
            inputs = [arrays.get(p, replayed.get(p)) for p in v.inputs]
            tape.findings += diagnose.of_value(v, array, inputs, tape.findings)
        for p in v.inputs:
            waiting[p] -= 1
            if not waiting[p]:
                replayed.pop(p, None)


def _replay(
    v: Vertex, arrays: dict[int, Array], replayed: dict[int, Array], raw: dict[tuple[int, int], Any]
) -> Array | None:
    """Run the kernel of a vertex on arrays; None if one of them is not known."""
    operands = []
    for i, p in enumerate(v.parents):
        if p is None and (v.index, i) in raw:
            operands.append(raw[v.index, i])
            continue
        operand = None if p is None else arrays.get(p, replayed.get(p))
        if operand is None:
            return None
        operands.append(operand)
    assert v.primitive is not None
    return np.asarray(v.primitive.kernel(*operands, **v.params))


def _take_gradients(reader: _Reader, tape: Tape, cotangents: Sequence[Array]) -> None:
    """Walk backward as ``autodiff.backprop`` does, but over records and into digests."""
    vertices = reader.vertices
    users: dict[int, list[Vertex]] = {}
    for v in vertices:
        for p in v.inputs:
            if vertices[p].kind == "leaf":
                users.setdefault(p, []).append(v)
    pending: dict[int, Array] = {}
    for i, g in zip(tape.outputs, cotangents, strict=True):
        pending[i] = pending[i] + g if i in pending else g
    turn = 0
    for node in reversed(reader.nodes):
        v = vertices[reader.of_node[node]]
        g = pending.pop(v.index, None)
        if g is None:
            continue
        turn += 1
        v.step = turn
        g = np.asarray(g)
        if reader.detailed or v.kind != "op" or v.index in tape.outputs:
            v.gradient = digest(g)
        if v.kind == "leaf":
            value = reader.arrays.get(v.index)
            factor, of_made = _roles(v, users.get(v.index, ()), vertices)
            tape.findings += diagnose.of_parameter(v, value, g, columns=factor, rows=of_made)
        if node.plan is None:
            continue
        for i, pull in node.plan.pulls:
            parent = v.parents[i]
            assert parent is not None
            c = _fitted(pull(g, node.kept or (), node.params), vertices[parent])
            if reader.detailed:
                tape.findings += diagnose.of_rule(v, g, c, tape.findings)
            pending[parent] = pending[parent] + c if parent in pending else c


def _roles(v: Vertex, users: Iterable[Vertex], vertices: list[Vertex]) -> tuple[bool, bool]:
    """Whether a leaf is the right factor of products, and only of what ops have made.

    A pixel that is 0 in every example leaves a row without gradient, and that is no fault.
    """
    products = [u.parents for u in users if u.op == "matmul" and u.parents[1] == v.index]
    factor = len(products) == len(list(users)) > 0
    made = all(left is not None and vertices[left].kind == "op" for left, _ in products)
    return factor, factor and made


def _fitted(c: Array, parent: Vertex) -> Array:
    """Undo broadcasting and promotion, as the engine does."""
    c = np.asarray(c)
    if c.shape != parent.shape:
        c = fold(c, parent.shape)
    return c if c.dtype == parent.dtype else c.astype(parent.dtype)


def _take_deposits(reader: _Reader) -> None:
    """Take the gradients that an earlier backward() left in the Tensors."""
    for node in reader.nodes:
        owner = node.owner() if node.owner is not None else None
        if owner is not None and owner.grad is not None:
            reader.vertices[reader.of_node[node]].gradient = digest(owner.grad.numpy())
