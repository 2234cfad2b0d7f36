"""Reading a recorded graph: plain records of its vertices, their values and their gradients.

Nothing of this touches the graph. Values that no node kept are computed again by running kernels on
arrays, gradients by a walk of its own, and an array lives only until its digest is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.graph import Node
from minigrad.ops.shape import fold
from minigrad.primitive import Array
from minigrad.tensor import Tensor
from minigrad.viz import diagnose
from minigrad.viz.diagnose import Finding
from minigrad.viz.digest import digest
from minigrad.viz.tape import Names, Reader, Tape, Vertex
from minigrad.viz.updates import update_ratios

__all__ = ["read"]


def read(
    outputs: Sequence[Tensor],
    *,
    names: Names,
    values: bool = True,
    gradients: bool = True,
    cotangents: Sequence[Array] = (),
    expected: Mapping[str, Tensor] | None = None,
    optimizer: Any = None,
) -> Tape:
    """Read the graph of ``outputs``, with digests of values and of gradients.

    Args:
        outputs: Tensors that require a gradient.
        names: What to call arrays that have no name of their own, by ``id``.
        values: Whether to take digests of values.
        gradients: Whether to walk backward.
        cotangents: What to start the walk with, one for each output.
        expected: Leaves by name that should be part of the graph; if empty, the parameters of the
            modules that took part; None expects nothing.
        optimizer: Whose next step is compared with what it changes.
    """
    reader = Reader(outputs, names)
    roots = [reader.of_node[t.node] for t in outputs if t.node is not None]
    tape = Tape(reader.vertices, roots, reader.released, [], [], reader.of_array)
    with np.errstate(all="ignore"):
        if values:
            _take_values(reader, tape)
        if reader.released:
            _take_deposits(reader)
            tape.notes.append(
                "released by backward(): pass retain_graph=True, or draw before it, to see values"
            )
        elif gradients:
            of_leaves = _take_gradients(reader, tape, cotangents)
            if optimizer is not None:
                _take_updates(reader, tape, optimizer, of_leaves)
    if expected is not None:
        tape.findings += _unused(reader, expected)
    stale = {
        reader.vertices[reader.of_node[p]].name or "a leaf"
        for n in reader.nodes
        for p in n.parents
        if p is not None and p.primitive is None and p.mutated > n.serial
    }
    if stale and not reader.released:
        tape.notes.append(f"{', '.join(sorted(stale))} changed in place since: new values drawn")
    if not reader.detailed and not reader.released:
        tape.notes.append(f"numbers of single ops are left out above {reader.limit:,}")
    if any(n.hooks for n in reader.nodes):
        tape.notes.append("hooks were not run")
    return tape


def _unused(reader: Reader, expected: Mapping[str, Tensor]) -> list[Finding]:
    """Add the leaves that nothing was made of, and say where they were cut off."""
    found = []
    for name, tensor in (expected or _of_modules(reader)).items():
        node = tensor.node
        if node is None or node in reader.of_node or not tensor.is_leaf:
            continue
        vertex = reader.new("leaf", tensor.shape, tensor.dtype, name)
        reader.of_node[node] = vertex.index
        vertex.value = digest(tensor.numpy())
        found.append(Finding("unused", vertex.index, "not used by the output"))
    if found:
        for v in reader.vertices:
            array = reader.arrays.get(v.index) if v.kind == "constant" else None
            # Only what a recorded op has made is read-only, and it would not be a constant here.
            made = isinstance(array, np.ndarray) and array.base is None
            if array is not None and made and not array.flags.writeable:
                found.append(diagnose.of_cut(v, len(found)))
                break
    return found


def _of_modules(reader: Reader) -> dict[str, Tensor]:
    """The parameters of the outermost modules that took part."""
    found: dict[str, Tensor] = {}
    labels = {}
    for scope in {v.scope for v in reader.vertices if v.scope is not None}:
        while scope.parent is not None:
            scope = scope.parent
        labels[id(scope.label)] = scope.label
    for label in labels.values():
        module = label[2]() if len(label) > 2 else None
        if module is not None:
            found |= dict(module.named_parameters())
    return found


def _take_values(reader: Reader, tape: Tape) -> None:
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


def _take_gradients(reader: Reader, tape: Tape, cotangents: Sequence[Array]) -> dict[Node, Array]:
    """Walk backward as ``autodiff.backprop`` does, but over records and into digests.

    Returns the gradients of the leaves.
    """
    of_leaves: dict[Node, Array] = {}
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
            of_leaves[node] = g
            value = reader.arrays.get(v.index)
            factor, of_made = _roles(v, users.get(v.index, ()), vertices)
            tape.findings += diagnose.of_parameter(v, value, g, columns=factor, rows=of_made)
        if node.plan is None:
            continue
        for i, pull in node.plan.pulls:
            parent = v.parents[i]
            assert parent is not None
            c = _fitted(pull(g, node.kept or (), node), vertices[parent])
            if reader.detailed:
                tape.findings += diagnose.of_rule(v, g, c, tape.findings)
            pending[parent] = pending[parent] + c if parent in pending else c
    return of_leaves


def _take_updates(
    reader: Reader, tape: Tape, optimizer: Any, of_leaves: Mapping[Node, Array]
) -> None:
    """Note how large the next step of an optimiser is, and judge it."""
    owners = {node: node.owner() for node in of_leaves if node.owner is not None}
    by_id = {id(t): of_leaves[node] for node, t in owners.items() if t is not None}
    ratios = update_ratios(optimizer, by_id)
    for node, tensor in owners.items():
        v = reader.vertices[reader.of_node[node]]
        v.update = ratios.get(id(tensor))
        tape.findings += diagnose.of_update(v)


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


def _take_deposits(reader: Reader) -> None:
    """Take the gradients that an earlier backward() left in the Tensors."""
    for node in reader.nodes:
        owner = node.owner() if node.owner is not None else None
        if owner is not None and owner.grad is not None:
            reader.vertices[reader.of_node[node]].gradient = digest(owner.grad.numpy())
