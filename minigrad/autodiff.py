"""Walking the graph backward.

:func:`backprop` is the whole of reverse mode: take the vertex that was made last, hand its
cotangent to its rules, add what they return to the vertices of its inputs, repeat. Given arrays it
computes at NumPy's speed; given Tensors the same rules are recorded, so gradients of any order come
for free.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from heapq import heappop, heappush, heappushpop
from typing import Any

import numpy as np

from minigrad.errors import BackwardError, MutationError, ShapeError
from minigrad.graph import RECORDING, Node, enable_grad
from minigrad.ops.index import Scattered
from minigrad.ops.shape import fold
from minigrad.primitive import Array, pass_on
from minigrad.tensor import Tensor, wrap

_DEPOSIT = threading.Lock()
_ndarray = np.ndarray

Cotangents = dict[Node, Array]


def backprop(
    cotangents: Cotangents,
    *,
    useful: set[Node] | None = None,
    wanted: frozenset[Node] = frozenset(),
    keep: bool = False,
    differentiable: bool = False,
) -> Cotangents:
    """Walk backward from the vertices in ``cotangents``; return those of ``wanted`` ones.

    Vertices are taken in the order opposite to their creation, so each has all of its cotangent
    when its turn comes. Leaves, and vertices that retain a gradient, deposit it in their Tensor's
    ``.grad`` unless something is ``wanted``.

    Args:
        cotangents: Where to start, and with what.
        useful: The only vertices worth visiting; None for all.
        wanted: Vertices to return the cotangents of, and not to go beyond.
        keep: Whether nodes keep their arrays, so that they can be walked again.
        differentiable: Whether the cotangents are Tensors, so that the walk itself is recorded.
    """
    found: Cotangents = {}
    retained: Cotangents = {}
    mine: set[Node] = set()  # vertices whose cotangent is a sum that this walk allocated
    aliased: set[Node] = set()  # leaves whose cotangent is another's array, or a view of it
    hooked: list[Node] = []  # leaves with hooks, which run when all of their cotangent is there
    pending: list[tuple[int, Node]] = []
    for node in cotangents:
        if node.plan is not None:
            heappush(pending, (-node.serial, node))
        elif node.hooks is not None:
            hooked.append(node)
    latest: Node | None = None  # found last, not in the heap: along a chain the heap stays empty
    while pending or latest is not None:
        if latest is None:
            node = heappop(pending)[1]
        else:
            node = heappushpop(pending, (-latest.serial, latest))[1] if pending else latest
        latest = None
        g = cotangents.pop(node)
        plan = node.plan
        kept: Sequence[Any] | None = node.kept
        if kept is None or plan is None:
            raise BackwardError(_released(node))
        if node.hooks is not None:
            g = _run_hooks(node, g, differentiable)
        if wanted:
            if node in wanted:
                found[node] = g
                continue
            _check_kept(node)
        elif node.owner is not None:
            retained[node] = _owned(g)
        if differentiable:
            kept = _as_tensors(node, kept)
        parents = node.parents
        for i, pull in plan.pulls:
            parent: Node = parents[i]  # type: ignore[assignment]
            if useful is not None and parent not in useful:
                continue
            try:
                c = g if pull is pass_on else pull(g, kept, node)
                if c.shape != parent.shape:
                    c = _folded(c, node, parent)
                if c.dtype is not parent.dtype and c.dtype != parent.dtype:
                    c = c.astype(parent.dtype)
            except Exception as error:
                error.add_note(f"  in the gradient rule of {node} for input {i}")
                raise
            if parent.plan is None and parent.mutated > node.serial:
                _check_unchanged(node, parent, i)
            if parent in cotangents:
                if parent not in mine:
                    cotangents[parent] = cotangents[parent] + c
                    aliased.discard(parent)
                    if not differentiable and parent.shape:  # a sum of 0-d arrays is a scalar
                        mine.add(parent)
                elif c.__class__ is Scattered:
                    c.add_to(cotangents[parent])
                else:
                    cotangents[parent] += c
                continue
            if c.__class__ is Scattered:
                c = np.asarray(c)
                mine.add(parent)
            cotangents[parent] = c
            if parent.plan is None:
                if c is g or differentiable or (c.base is not None and not _holds_alone(c)):
                    aliased.add(parent)
                if parent.hooks is not None:
                    hooked.append(parent)
            elif latest is None:
                latest = parent
            else:
                heappush(pending, (-parent.serial, parent))
        if not keep:
            node.kept = None  # the skeleton (op, shapes, scope) stays, to be drawn
            if plan.drops:
                node.params = {}
    # Only leaves are left. Nothing is deposited before the walk is over: one that fails halfway
    # leaves every gradient as it was.
    for node in hooked:
        cotangents[node] = _run_hooks(node, cotangents[node], differentiable)
    for node in aliased:
        cotangents[node] = _owned(cotangents[node])
    if wanted:
        return found | {node: g for node, g in cotangents.items() if node in wanted}
    _deposit(cotangents)
    _deposit(retained)
    return found


def _holds_alone(view: Array) -> bool:
    """Whether a view, such as a product reshaped, is all that refers to the array behind it.

    One that lies otherwise in memory is copied all the same: that makes updates faster.
    """
    return bool(view.flags.c_contiguous) and sys.getrefcount(view.base) == _ALONE


_ALONE = sys.getrefcount((_alone := np.empty(2)[:]).base)  # counted, since Pythons differ in it


def _run_hooks(node: Node, g: Array, differentiable: bool) -> Array:
    for hook in node.hooks or ():
        if not differentiable:  # others may hold this array: a hook that writes into it raises
            shown = np.asarray(g).view()
            shown.setflags(write=False)
        replaced = hook(g if differentiable else wrap(shown))
        if replaced is not None:
            if not isinstance(replaced, Tensor):
                replaced = wrap(np.asarray(replaced))
            replaced = replaced.astype(node.dtype)  # which copies
            g = replaced if differentiable else replaced._data
            if g.shape != node.shape:
                raise ShapeError(f"a hook of {node} returned shape {g.shape}")
    return g


def _owned(g: Array) -> Array:
    """Copy a cotangent that others hold too, unless it is recorded and so can't be written."""
    if isinstance(g, Tensor):
        return g if g._node is not None else wrap(g._data.copy())
    return g.copy()


def _is_view(node: Node, leaf: Node) -> bool:
    """Whether what a node made of a leaf is the leaf's own memory; only asked when in doubt."""
    if node.primitive is None or len(node.parents) != 1 or leaf.kept is None:
        return False
    array = leaf.kept[0]
    return np.may_share_memory(array, node.primitive.kernel(array, **node.params))


def _check_unchanged(node: Node, leaf: Node, i: int) -> None:
    """Raise if a leaf that has changed since is what a node keeps of its input, or shows."""
    if node.plan is not None and (i in node.plan.sources or _is_view(node, leaf)):
        raise MutationError(_mutated(node, leaf))


def _check_kept(node: Node) -> None:
    """Raise if a leaf whose array a node kept was changed, also one that this walk won't visit."""
    for source in node.plan.sources if node.plan is not None else ():
        parent = node.parents[source] if source >= 0 else None
        if parent is not None and parent.plan is None and parent.mutated > node.serial:
            raise MutationError(_mutated(node, parent))


def _deposit(cotangents: Cotangents) -> None:
    """Add cotangents to ``.grad`` of the Tensors whose vertices these are, where still alive."""
    with _DEPOSIT:
        for node, g in cotangents.items():
            owner = node.owner() if node.owner is not None else None
            if owner is None:
                continue
            if not isinstance(g, Tensor):
                g = wrap(g if g.__class__ is _ndarray else np.asarray(g))
            owner.grad = g if owner.grad is None else owner.grad + g


def _folded(c: Array, node: Node, parent: Node) -> Array:
    """Give a rule's result the shape of its input, where the op broadcasts."""
    if not node.plan.primitive.broadcasts:  # type: ignore[union-attr]
        raise ShapeError(f"a rule of {node} returned shape {c.shape} for {parent.shape}")
    return fold(c, parent.shape)


def _as_tensors(node: Node, kept: Sequence[Any]) -> list[Any]:
    """What a node kept, with each array as the Tensor it was, so that rules are recorded."""
    tensors = []
    for source, value in zip(node.plan.sources, kept, strict=True):  # type: ignore[union-attr]
        vertex = node if source == -1 else node.parents[source] if source >= 0 else None
        tensors.append(value if vertex is None else wrap(value, vertex))
    return tensors


def _released(node: Node) -> str:
    return (
        f"the graph of {node} was walked before and its arrays released: compute the loss again, "
        "or pass retain_graph=True to the first backward()"
    )


def _mutated(node: Node, parent: Node) -> str:
    return (
        f"{parent.name or parent} was changed in place after {node} used it, so its gradient would "
        "be wrong: call backward() before the update, or compute the loss again"
    )


def backward(  # noqa: D417 (self)
    self: Tensor,
    gradient: Any = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Add the gradient of this tensor to ``.grad`` of every leaf that made it.

    Args:
        gradient: Its cotangent; by default 1, which only a single element may leave out.
        retain_graph: Keep the arrays that the graph holds, so that it can be walked again.
        create_graph: Record the walk, so that the gradients can be differentiated; implies
            ``retain_graph``.

    Raises:
        BackwardError: If nothing was recorded, the graph was released by an earlier walk, or the
            tensor has several elements and no ``gradient`` is given.
        MutationError: If an array that a rule needs was changed in place meanwhile.

    >>> w = Tensor([3.0], requires_grad=True)
    >>> (w * w).backward()
    >>> w.grad
    Tensor([6.], dtype=float64)
    """
    node = self._node
    if node is None:
        raise BackwardError(
            "backward() of a tensor that requires no gradient: no leaf with requires_grad=True "
            "took part in it, or it was made under no_grad()"
        )
    g: Array
    if gradient is None:
        if self._data.size != 1:
            raise BackwardError(
                f"backward() of a tensor of shape {self.shape} needs gradient=, an array of that "
                "shape; for a loss, reduce it first: loss.sum() or loss.mean()"
            )
        g = np.asarray(1.0, node.dtype).reshape(node.shape)
    else:
        g = gradient if isinstance(gradient, Tensor) else np.asarray(gradient)
        if g.shape != node.shape:
            raise ShapeError(f"gradient of shape {g.shape} for a tensor of shape {node.shape}")
        if g.dtype != node.dtype or node.plan is None:  # a leaf's .grad is an array of its own
            g = g.astype(node.dtype)
    if create_graph:
        with enable_grad():
            g = g if isinstance(g, Tensor) else wrap(g)
            backprop({node: g}, keep=True, differentiable=True)
    else:
        g = g._data if isinstance(g, Tensor) else g
        token = RECORDING.set(False)
        try:
            backprop({node: g}, keep=retain_graph)
        finally:
            RECORDING.reset(token)


Tensor.backward = backward
