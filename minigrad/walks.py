"""A graph recorded from variables to outputs, to be walked backward once or several times.

What :mod:`minigrad.calculus` is made of. Inside ``vmap`` a variable is one for each example: the
graph below is that of all examples, and what differs by example is lowered to it and raised again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.anomaly import watched
from minigrad.autodiff import Cotangents, backprop
from minigrad.batching import LEVELS, Batched, Level, lowered, raised, substituted
from minigrad.errors import BackwardError, DTypeError, ShapeError
from minigrad.graph import RECORDING, Node, asarray
from minigrad.primitive import Array
from minigrad.tensor import Tensor, wrap
from minigrad.trees import leaves, mapped, with_paths


class Walk:
    """``f`` at its arguments, recorded from those at ``argnums``.

    Attributes:
        out: What ``f`` returned.
        variables: For each of ``argnums`` the Tensors in which it is differentiated, nested as the
            argument is; of a Module, its parameters by name. Inside ``vmap`` those of all examples.
    """

    def __init__(
        self, f: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int], what: str = "grad"
    ) -> None:
        self.levels = LEVELS.get()
        arguments = list(args)
        self.variables: list[Any] = [None] * len(argnums)
        token = RECORDING.set(True)
        try:
            for slot, i in enumerate(argnums):
                make = functools.partial(self._variable, f"{what}: argument {i}")
                pairs = with_paths(make, arguments[i])
                arguments[i] = mapped(_ARGUMENT, pairs)
                self.variables[slot] = mapped(_TENSORS, pairs)
            self.out = f(*arguments)
        finally:
            RECORDING.reset(token)
        found = leaves(self.variables)
        self.wanted = frozenset(t._node for t in found if t._node is not None)

    def _variable(self, what: str, path: str, value: Any) -> _Made:
        """A vertex of its own for an argument, connected to what it was made of."""
        if hasattr(type(value), "named_parameters"):  # of the type: a Tensor looks long for it
            own = dict(value.named_parameters())
            if not self.levels:
                return _Made(value, own)
            lifted = {id(p): self._vertex(p) for p in own.values()}

            def example(tensor: Tensor) -> Any:
                made = lifted.get(id(tensor))
                return tensor if made is None else raised(made, self.levels)

            return _Made(
                substituted(value, example), {name: lifted[id(p)] for name, p in own.items()}
            )
        if not isinstance(value, Tensor | Batched):
            value = asarray(value)
        if value.dtype.kind != "f":
            raise DTypeError(_not_floating(what + path, value.dtype))
        made = self._vertex(value)
        return _Made(raised(made, self.levels), made)

    def _vertex(self, value: Any) -> Tensor:
        below = lowered(value, self.levels)
        if not isinstance(below, Tensor) or below._node is None:
            return Tensor(below, requires_grad=True)
        return ops.positive(below)

    def lower(self, x: Any, inner: tuple[Level, ...] = ()) -> Any:
        """``x`` as the graph below has it, for all examples of the walk's ``vmap``.

        ``inner`` are those of a ``vmap`` that began later and runs now: for them it is a batched
        value.
        """
        if not inner:
            return lowered(x, self.levels) if self.levels else x
        depth, count = len(self.levels), len(inner)
        below = lowered(x, (*self.levels, *inner))
        if depth:
            below = ops.moveaxis(below, tuple(range(depth, depth + count)), tuple(range(count)))
        return raised(below, inner)

    def lift(self, x: Any) -> Any:
        """The inverse of :meth:`lower`, of a cotangent."""
        if not self.levels:
            return x
        inner = self._inner(LEVELS.get())
        if not isinstance(x, Batched):
            return raised(x, self.levels)
        depth, count = len(self.levels), len(inner)
        below = lowered(x, inner)
        below = ops.moveaxis(below, tuple(range(count)), tuple(range(depth, depth + count)))
        return raised(below, (*self.levels, *inner))

    def _inner(self, current: tuple[Level, ...]) -> tuple[Level, ...]:
        depth = len(self.levels)
        if current[:depth] != self.levels:
            raise BackwardError("a pull-back made inside vmap was called after the vmap had ended")
        return current[depth:]

    def pull(
        self,
        outputs: Sequence[Any],
        cotangents: Sequence[Any],
        *,
        known: frozenset[Node] = frozenset(),
        again: bool = True,
    ) -> list[Any]:
        """Return the cotangents of the variables, recorded if something outside depends on them.

        Outside is every leaf that is neither a variable nor ``known``. Unless the graph will be
        walked ``again``, its arrays are released, if only the variables can ask for them.
        """
        roots: Cotangents = {}
        inner = self._inner(LEVELS.get())
        apart = [level for level in inner if any(differs(g, level) for g in cotangents)]
        for output, g in zip(outputs, cotangents, strict=True):
            output = self.lower(output, ()) if isinstance(output, Tensor | Batched) else output
            if isinstance(output, Tensor) and output._node is not None:
                g, node = self.lower(g, inner if apart else ()), output._node
                roots[node] = roots[node] + g if node in roots else g
        found = walk_back(roots, self.wanted, known, again=again)
        return [mapped(functools.partial(self._cotangent, found), v) for v in self.variables]

    def _cotangent(self, found: Cotangents, variable: Tensor) -> Any:
        g = found.get(variable._node) if variable._node is not None else None
        if g is None:
            g = np.zeros(variable.shape, variable.dtype)
        return self.lift(g if isinstance(g, Tensor | Batched) else wrap(np.asarray(g)))


class _Made:
    """An argument as ``f`` gets it, and the Tensors in which it is differentiated."""

    __slots__ = ("argument", "tensors")

    def __init__(self, argument: Any, tensors: Any) -> None:
        self.argument, self.tensors = argument, tensors


_ARGUMENT, _TENSORS = attrgetter("argument"), attrgetter("tensors")


def walk_back(
    roots: Cotangents,
    wanted: frozenset[Node],
    known: frozenset[Node] = frozenset(),
    *,
    again: bool = True,
    inside: bool = False,
) -> Cotangents:
    """Walk from ``roots`` to the ``wanted`` vertices; what is returned is nobody else's array.

    The walk is recorded if one of the cotangents was, or a leaf that is neither wanted nor
    ``known`` takes part, or if it is a part ``inside`` of a walk that is recorded.
    """
    useful, foreign = reaching(roots, wanted, known)
    foreign = foreign or inside
    differentiable = RECORDING.get() and (foreign or any(map(_tracked, roots.values())))
    with watched(roots, useful):
        if differentiable:
            roots = {
                node: g if isinstance(g, Tensor | Batched) else wrap(g) for node, g in roots.items()
            }
            return backprop(roots, useful=useful, wanted=wanted, keep=True, differentiable=True)
        roots = {node: g._data if isinstance(g, Tensor) else g for node, g in roots.items()}
        held = {id(g) for g in roots.values()}
        token = RECORDING.set(False)
        try:
            keep = again or (foreign and not inside)
            found = backprop(roots, useful=useful, wanted=wanted, keep=keep)
            for node, g in found.items():  # what is returned may be written to: nobody shares it
                found[node] = g if id(g) not in held and getattr(g, "base", 0) is None else g.copy()
                held.add(id(found[node]))
        finally:
            RECORDING.reset(token)
    return found


def _tracked(g: Any) -> bool:
    return isinstance(g, Tensor | Batched) and g.requires_grad


def differs(x: Any, level: Level) -> bool:
    """Whether a value differs by example of a level."""
    while isinstance(x, Batched):
        if x.level is level:
            return True
        x = x.value
    return False


def reaching(
    roots: Iterable[Node], wanted: frozenset[Node], known: frozenset[Node]
) -> tuple[set[Node], bool]:
    """Vertices on a way from ``roots`` to ``wanted``, and whether any way leads elsewhere."""
    seen, stack, foreign = set(roots), list(roots), False
    while stack:
        node = stack.pop()
        if node in wanted:
            foreign = foreign or node.primitive is not None
            continue
        foreign = foreign or (node.primitive is None and node not in known)
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    useful: set[Node] = set()
    for node in sorted(seen, key=_serial):
        if node in wanted or any(parent in useful for parent in node.parents):
            useful.add(node)
    return useful, foreign


def _serial(node: Node) -> int:
    return node.serial


def _not_floating(what: str, dtype: Any) -> str:
    return (
        f"{what} is of dtype {dtype}, but only floating dtypes have gradients: pass "
        "it as float (3.0, x.astype(float)), or leave it out of argnums"
    )


def seed_of(out: Any, what: str) -> Array:
    """The cotangent 1 of a function's one value; raise if it has another number of them."""
    if not isinstance(out, Tensor | Batched):
        raise TypeError(f"{what} needs a function that returns a Tensor, not {type(out).__name__}")
    if out.size != 1:
        raise ShapeError(
            f"{what} needs a function with one value, not shape {out.shape}: reduce it, as in "
            "x.sum(), or use jacobian or vjp"
        )
    return np.ones(out.shape, out.dtype)


def positions(argnums: int | Sequence[int], args: Sequence[Any]) -> tuple[int, ...]:
    """The positions that ``argnums`` names, counted from the start."""
    named = (argnums,) if isinstance(argnums, int | np.integer) else tuple(argnums)
    for i in named:
        if not -len(args) <= i < len(args):
            raise ValueError(
                f"argnums names argument {i}, but {len(args)} positional arguments were given"
            )
    return tuple(int(i) % len(args) for i in named)


def like(arrays: Sequence[Any], given: Sequence[Any], what: str) -> list[Any]:
    """Cotangents or tangents ``given`` for arrays, in their dtype; raise unless they match."""
    if len(given) != len(arrays):
        raise ValueError(f"{len(given)} {what}s were given for {len(arrays)} arrays")
    matched = []
    for array, g in zip(arrays, given, strict=True):
        plain = not isinstance(g, Tensor | Batched)
        g = np.asarray(g, array.dtype) if plain else g.astype(array.dtype)
        if g.shape != array.shape:
            raise ShapeError(f"a {what} of shape {g.shape} for shape {array.shape}")
        matched.append(g)
    return matched
