"""Functions of Tensors, and models with parameters, as functions of plain arrays with a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.calculus import vjp
from minigrad.graph import no_grad
from minigrad.primitive import Array
from minigrad.tensor import Tensor
from minigrad.testing.causes import argument_names

TensorFunction = Callable[..., Tensor]


class Adapted:
    """``f`` at its inputs, and optionally at a model's parameters, as a function of arrays.

    Attributes:
        arrays: Every floating array among the inputs, then every parameter.
        names: What each is called: an argument, a path into a container, a parameter's path.
    """

    def __init__(self, f: Callable[..., Any], inputs: Sequence[Any], params: Any) -> None:
        self.f, self.inputs = f, inputs
        self.arrays: list[Array] = []
        self.names: list[str] = []
        for name, argument in zip(argument_names(f, len(inputs)), inputs, strict=True):
            for path, leaf in paths(argument, name):
                self.names.append(path)
                self.arrays.append(leaf)
        self.params: list[Tensor] = []
        for path, tensor in params.named_parameters() if params is not None else ():
            if tensor.requires_grad and tensor.dtype.kind == "f":
                self.params.append(tensor)
                self.names.append(path)
                self.arrays.append(tensor.data)
        self.buffers = dict(getattr(params, "named_buffers", dict)())
        self.modules = [m for _, m in getattr(params, "named_modules", tuple)()]
        if not self.arrays:
            raise TypeError(
                "there is nothing to differentiate: pass floating inputs, or params=model"
            )

    def call(self, *leaves: Tensor) -> Tensor:
        """``f`` of Tensors in the places of the arrays; several outputs are joined flat."""
        rest = iter(leaves)
        arguments = [rebuilt(argument, rest) for argument in self.inputs]
        held = [(p, p._data, p._node) for p in self.params]
        try:
            with self._in_dtype(leaves):
                for p, leaf in zip(self.params, rest, strict=True):
                    p._data, p._node = leaf._data, leaf._node
                out = self.f(*arguments)
        finally:
            for p, data, node in held:
                p._data, p._node = data, node
        outputs = [t for _, t in _outputs(out)]
        if len(outputs) == 1:
            return outputs[0]
        return ops.concatenate([ops.ravel(t) for t in outputs])

    @contextmanager
    def _in_dtype(self, leaves: Sequence[Tensor]) -> Iterator[None]:
        """Let layers and their buffers compute in the precision in which they are checked."""
        dtypes = [leaf.dtype for leaf in leaves]
        if not self.params or dtypes == [a.dtype for a in self.arrays]:
            yield
            return
        dtype = dtypes[-1]  # of the last parameter
        told = [m for m in self.modules if getattr(m, "dtype", dtype) != dtype]
        kept = [b for b in self.buffers.values() if isinstance(b, Tensor) and b.dtype.kind == "f"]
        before = [m.dtype for m in told], [b._data for b in kept]
        try:
            for m in told:
                m.dtype = dtype
            for b in kept:
                b._data = b._data.astype(dtype)
            yield
        finally:
            for m, was in zip(told, before[0], strict=True):
                m.dtype = was
            for b, data in zip(kept, before[1], strict=True):
                b._data = data

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Give buffers that ``f`` updates their values back."""
        held = [(b, np.array(_array(b))) for b in self.buffers.values()]
        try:
            yield
        finally:
            for buffer, value in held:
                _array(buffer)[...] = value


def recorded(f: Callable[..., Any], inputs: Sequence[Any], params: Any, order: int) -> Tensor:
    """What a check of ``f`` looks at, recorded from leaves that are named, to be drawn.

    >>> recorded(lambda x: (x * x).sum(), [[1.0, 2.0]], None, 1).requires_grad
    True
    """
    adapted = Adapted(f, inputs, params)
    leaves = [
        Tensor(a, requires_grad=True, name=name)
        for a, name in zip(adapted.arrays, adapted.names, strict=True)
    ]
    function = adapted.call
    for _ in range(order - 1):
        function = steeper(function)
    with adapted.borrowed():
        return function(*leaves)


def steeper(function: TensorFunction) -> TensorFunction:
    """The gradient of ``function`` through a non-linear head, itself a function of Tensors.

    The head makes the gradient depend on the point even where ``function`` is linear.
    """

    def slope(*leaves: Tensor) -> Tensor:
        out, pull = vjp(function, *leaves)
        weights = np.cos(np.arange(out.size) + 1.0).reshape(out.shape).astype(out.dtype)
        parts = pull(out * weights + weights)
        return ops.concatenate([ops.ravel(part) for part in parts])

    return slope


def in_arrays(function: TensorFunction) -> tuple[Callable[..., Array], Callable[..., Any]]:
    """A function of Tensors as ``f(*arrays)`` and ``vjp(g, *arrays)``."""

    def f(*arrays: Array) -> Array:
        with no_grad():
            return function(*[Tensor(a) for a in arrays]).data

    def rule(g: Array, *arrays: Array) -> tuple[Array, ...]:
        _, pull = vjp(function, *arrays)
        return tuple(c.data for c in pull(g))

    return f, rule


def _array(buffer: Any) -> Any:
    return buffer.data if isinstance(buffer, Tensor) else buffer


def _is_floating(leaf: Any) -> bool:
    if isinstance(leaf, Tensor | np.ndarray | np.generic):
        return leaf.dtype.kind == "f"
    return isinstance(leaf, float)


def _is_numbers(value: Any) -> bool:
    """Whether a list is one array written out, rather than a container of arrays."""
    if isinstance(value, list | tuple) and value:
        return all(_is_numbers(v) for v in value)
    return isinstance(value, int | float | bool)


def paths(value: Any, path: str) -> Iterator[tuple[str, Array]]:
    """Every floating array in nested containers, with the way to it."""
    if isinstance(value, list) and _is_numbers(value):
        value = np.asarray(value)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from paths(item, f"{path}[{i}]")
    elif _is_floating(value):
        yield path, value.data if isinstance(value, Tensor) else np.asarray(value)


def rebuilt(value: Any, leaves: Iterator[Tensor]) -> Any:
    """The container with Tensors in the places that :func:`paths` names."""
    if isinstance(value, list) and _is_numbers(value):
        value = np.asarray(value)
    if isinstance(value, dict):
        return {key: rebuilt(item, leaves) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [rebuilt(item, leaves) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return next(leaves) if _is_floating(value) else value


def _outputs(value: Any) -> Iterator[tuple[str, Tensor]]:
    """Every floating Tensor in what a function returned."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _outputs(item)
    elif isinstance(value, Tensor):
        yield "", value
    else:
        raise TypeError(
            f"gradcheck needs a function that returns Tensors, not {type(value).__name__}"
        )
