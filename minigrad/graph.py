"""The graph: its vertices, and what switches recording.

Nodes point to the nodes of their inputs, never back and never to a Tensor, so a graph that nobody
holds is freed at once, however deep it is.
"""

from __future__ import annotations

import contextlib
import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.errors import DTypeError
from minigrad.primitive import Array, Plan, Primitive
from minigrad.scopes import Scope

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

RECORDING: ContextVar[bool] = ContextVar("recording", default=True)
SERIAL = itertools.count()
MASKED = "a masked array would lose its mask: use .filled(value), or mg.where"
LINE = -2  # where a node keeps what line recorded it


class Node:
    """A vertex of the graph: the call of a primitive, or a leaf (``primitive`` is None).

    Attributes:
        plan: How its rules are run; None for a leaf.
        parents: For each input the node that made it, or None for a constant.
        kept: What the rules asked for, in the order of ``plan.sources``; None once released. A
            leaf keeps its own array.
        params: Static parameters of the call.
        serial: Creation number; the order of serials is a topological order.
        scope: Where in the model it was recorded.
        names: What Tensors were called: of this node at -1, of its constants at their positions;
            and at ``LINE`` the line that recorded it, under ``detect_anomaly``.
        owner: Weak reference to the Tensor whose ``.grad`` backward fills.
        mutated: For a leaf, the serial at which its array was last changed in place.
    """

    __slots__ = (
        "dtype",
        "hooks",
        "kept",
        "mutated",
        "names",
        "owner",
        "params",
        "parents",
        "plan",
        "scope",
        "serial",
        "shape",
    )
    plan: Plan | None
    parents: Sequence[Node | None]
    kept: tuple[Any, ...] | None
    params: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    serial: int
    scope: Scope | None
    names: dict[int, str] | None
    owner: weakref.ref[Tensor] | None
    hooks: list[Callable[[Tensor], Any]] | None
    mutated: int

    @property
    def primitive(self) -> Primitive[...] | None:
        """The op that was called; None for a leaf."""
        return self.plan.primitive if self.plan is not None else None

    @property
    def name(self) -> str | None:
        """The name that a user gave the Tensor of this node."""
        return self.names.get(-1) if self.names else None

    def __repr__(self) -> str:
        op = self.primitive.name if self.primitive else "leaf"
        return f"<node {self.serial} {op} {self.shape}>"


def leaf(owner: Tensor) -> Node:
    """Make the vertex at which gradients of ``owner`` are collected."""
    node = object.__new__(Node)
    node.plan = node.scope = node.hooks = None
    node.parents, node.params, node.names = (), {}, None
    node.kept, node.shape, node.dtype = (owner._data,), owner._data.shape, owner._data.dtype
    node.serial, node.mutated, node.owner = next(SERIAL), -1, weakref.ref(owner)
    return node


def asarray(data: Any) -> Array:
    """Return ``data`` as it is if it speaks NumPy's protocols, else as a new NumPy array."""
    kind = type(data)
    if kind is np.ndarray or isinstance(data, np.generic):
        return data
    if not isinstance(data, np.ndarray) and hasattr(kind, "__array_function__"):
        return data
    if isinstance(data, np.ma.MaskedArray):
        raise DTypeError(MASKED)
    array = np.asarray(data)  # a np.matrix, too: its * is not the product that rules mean
    if array.dtype.kind == "O":
        raise DTypeError(f"a Tensor holds numbers, not dtype object (of a {kind.__name__})")
    return array


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside the block; also a decorator. Other threads and tasks are unaffected.

    >>> import minigrad as mg
    >>> x = mg.tensor(1.0, requires_grad=True)
    >>> with no_grad():
    ...     (x * 2).requires_grad
    False
    """
    token = RECORDING.set(False)
    try:
        yield
    finally:
        RECORDING.reset(token)


@contextlib.contextmanager
def enable_grad() -> Iterator[None]:
    """Record inside the block, also within ``no_grad``.

    >>> import minigrad as mg
    >>> x = mg.tensor(1.0, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     (x * 2).requires_grad
    True
    """
    token = RECORDING.set(True)
    try:
        yield
    finally:
        RECORDING.reset(token)
