"""``checkpoint``: a part of a model whose arrays are computed again instead of kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from minigrad import random
from minigrad.batching import Batched, raised
from minigrad.errors import MutationError, NotDifferentiable
from minigrad.graph import RECORDING, SERIAL, Node, enable_grad
from minigrad.joint import Place, lowest, whole
from minigrad.tensor import Tensor, wrap
from minigrad.trees import leaves, mapped
from minigrad.walks import walk_back

P = ParamSpec("P")
R = TypeVar("R")


def checkpoint(f: Callable[P, R]) -> Callable[P, R]:
    """Make a function that keeps nothing for backward but its inputs, and runs again there.

    Saves the memory of everything in between, for the time of one more forward pass. Values and
    gradients of any order are those of ``f``. ``f`` may be a Module, use parameters of Modules and
    Tensors from outside, and return nested containers. What it draws through :mod:`minigrad.random`
    (dropout does) is drawn again alike. It may nest, and do nothing under ``no_grad``.

    ``f`` must compute the same when it runs again: other side effects happen twice. Buffers of a
    Module that ``f`` is, or is a method of, are given back the values they had.

    Raises:
        MutationError: In backward, if a parameter was changed between.
        NotDifferentiable: In backward, if ``f`` computed something else than before.

    >>> import minigrad as mg
    >>> x = mg.tensor(np.linspace(0.0, 1.0, 5), requires_grad=True)
    >>> y = checkpoint(lambda x: mg.sin(mg.exp(x)))(x)
    >>> y.node.primitive.name, y.node.parents[0] is x.node
    ('checkpoint', True)
    """

    @functools.wraps(f, updated=())
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        if not RECORDING.get():
            return f(*args, **kwargs)
        return _Segment(functools.partial(f, *args, **kwargs), f).recorded()

    return wrapped


class _Segment:
    """One call of a checkpointed function."""

    def __init__(self, call: Callable[[], Any], f: Any) -> None:
        self.call, self.place = call, Place()
        module: Any = f if hasattr(f, "named_buffers") else getattr(f, "__self__", None)
        named = module.named_buffers() if hasattr(module, "named_buffers") else ()
        self.buffers: list[Tensor] = [buffer for _, buffer in named]
        self.state: dict[str, Any] | None = None  # of the stream in force, before the first draw
        self.given: list[tuple[np.random.Generator, dict[str, Any]]] = []

    def recorded(self) -> Any:
        """Run the function, note what it depends on, and forget how it was computed."""
        self.start = start = next(SERIAL)
        with random.observed(self._note):
            out = self.call()
        found = [(x, *lowest(x)) for x in leaves(out) if isinstance(x, Tensor | Batched)]
        tensors = [t for _, t, _ in found]
        self.frontier = _frontier([t._node for t in tensors if t._node is not None], start)
        self.samples = [_sample(t._data) for t in tensors]
        inputs = [_stand_in(node) for node in self.frontier]
        values = [t.detach() for t in tensors]
        made = iter(whole("checkpoint", inputs, values, self._pull))
        levels = iter([levels for _, _, levels in found])

        def rewired(x: Any) -> Any:
            return raised(next(made), next(levels)) if isinstance(x, Tensor | Batched) else x

        return mapped(rewired, out)

    def _note(self, generator: np.random.Generator, given: bool) -> None:
        state = dict(generator.bit_generator.state)
        if not given:
            self.state = self.state or state
        elif not any(known is generator for known, _ in self.given):
            self.given.append((generator, state))

    def _again(self) -> list[Tensor]:
        """The outputs, computed again and recorded."""
        held = [(b, np.array(b._data)) for b in self.buffers]
        moved = [(generator, dict(generator.bit_generator.state)) for generator, _ in self.given]
        try:
            for generator, state in self.given:
                generator.bit_generator.state = state
            with enable_grad(), random.replayed(self.state):
                out = self.call()
        finally:
            for generator, state in moved:
                generator.bit_generator.state = state
            for buffer, value in held:
                buffer.data = value
        return [lowest(x)[0] for x in leaves(out) if isinstance(x, Tensor | Batched)]

    def _pull(self, cotangents: list[Any], inputs: Sequence[Any]) -> list[Any]:
        for node, value in zip(self.frontier, inputs, strict=True):
            array = value._data if isinstance(value, Tensor) else value
            if node.primitive is not None or node.kept is None:
                continue
            if node.mutated > self.start or node.kept[0] is not array:
                raise MutationError(
                    f"{node.name or node} was changed since a checkpoint used it, so its gradient "
                    "would be wrong: call backward() before the update"
                )
        outputs = self.place.run(self._again)
        self._compare(outputs)
        floating = [out for out in outputs if out.dtype.kind == "f"]
        roots: dict[Node, Any] = {}
        for out, g in zip(floating, cotangents, strict=True):
            if out._node is not None:
                roots[out._node] = roots[out._node] + g if out._node in roots else g
        wanted = frozenset(self.frontier)
        found = walk_back(roots, wanted, again=False, inside=True)
        return [found.get(node) for node in self.frontier]

    def _compare(self, outputs: list[Tensor]) -> None:
        """Raise unless the same was computed as before, up to rounding."""
        same = len(outputs) == len(self.samples) and all(
            _agree(_sample(out._data), sample)
            for out, sample in zip(outputs, self.samples, strict=True)
        )
        if not same:
            raise NotDifferentiable(
                "a checkpointed function computed something else when it ran again: it draws from "
                "a stream of its own (use mg.random.generator()) or depends on what has changed"
            )


_SAMPLED = 64  # elements of an output by which a second run is recognised as the same


def _sample(array: Any) -> Any:
    """A few elements, spread over all of an array."""
    flat = array.reshape(-1) if array.flags.c_contiguous else array.flat
    step = max(1, array.size // _SAMPLED)
    return np.array(flat[::step]), array.shape


def _agree(mine: Any, theirs: Any) -> bool:
    """Whether two samples are the same up to what another order of summation may change."""
    (a, shape), (b, other) = mine, theirs
    if shape != other or a.dtype != b.dtype:
        return False
    if a.dtype.kind not in "fc":
        return bool((a == b).all())
    scale = np.sqrt(np.finfo(a.dtype).eps)
    return np.allclose(a, b, rtol=scale, atol=0.0, equal_nan=True)


def _frontier(roots: Sequence[Node], start: int) -> list[Node]:
    """The vertices from before ``start`` on which others depend: what a function was given.

    Also leaves that it made and somebody still holds, as layers do that wait for their first input.
    """
    found, seen, stack = [], set(roots), list(roots)
    while stack:
        node = stack.pop()
        if node.primitive is None:
            if node.serial < start or (node.owner is not None and node.owner() is not None):
                found.append(node)
        elif node.serial < start:
            found.append(node)
        else:
            fresh = {p for p in node.parents if p is not None} - seen
            seen |= fresh
            stack += fresh
    return sorted(found, key=lambda node: node.serial)


def _stand_in(node: Node) -> Tensor:
    """A Tensor at a vertex: a leaf with its array, any other with one that takes no memory."""
    if node.primitive is None and node.kept is not None:
        return wrap(node.kept[0], node)
    return wrap(np.broadcast_to(np.zeros((), node.dtype), node.shape), node)
