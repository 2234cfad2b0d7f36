"""``vmap``: a function of one example, made one of many."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from minigrad import ops, random
from minigrad.batching.batched import LEVELS, Batched, Level, opened
from minigrad.batching.interpreter import beware
from minigrad.batching.modules import substituted
from minigrad.errors import ShapeError
from minigrad.interposing import interposed
from minigrad.tensor import Tensor
from minigrad.trees import mapped, with_paths

Randomness = Literal["error", "same"]


def vmap(
    f: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    randomness: Randomness = "error",
) -> Callable[..., Any]:
    """Make a function of one example a function of a batch, without a loop in Python.

    ``f`` is called once. What it sees of a mapped argument has the shape of a single example; each
    op runs on all examples at once, by a batching rule, or example by example where it has none.
    Composes with ``grad``, ``jacobian`` and the others, inside and outside, and with itself.

    Args:
        f: A function of arrays, nested containers of them and Modules, that returns the same. It
            can't branch in Python on a value that differs by example: use ``mg.where``.
        in_axes: The axis of each positional argument that counts the examples; None hands it to
            all of them as it is. One for all, or a tuple with one for each, which may be nested as
            the argument is. Keyword arguments are mapped over axis 0.
        out_axes: Where in the result that axis goes, one for all or nested as the result is; None
            for what does not differ by example.
        randomness: What drawing from the global stream does inside: by default it raises, since
            all examples would get the ``"same"`` draws, which that word allows.

    Raises:
        ValueError: If no argument is mapped, an argument has no such axis, or the lengths of mapped
            axes differ.
        TypeError: If Python branches on, counts with or converts a value that differs by example.

    >>> import minigrad as mg
    >>> vmap(lambda x, w: x @ w, in_axes=(0, None))(np.ones((3, 2)), np.array([1.0, 2.0]))
    Tensor([3., 3., 3.], dtype=float64)
    >>> vmap(mg.grad(lambda w, x: (w * x) ** 2.0), in_axes=(None, 0))(3.0, np.array([1.0, 2.0]))
    Tensor([ 6., 24.], dtype=float64)
    """
    if randomness not in ("error", "same"):
        raise ValueError(f"vmap: randomness is 'error' or 'same', not {randomness!r}")

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        axes = _axes_of(in_axes, len(args))
        names = _names(f, len(args))
        pairs = [(axis, arg, name) for axis, arg, name in zip(axes, args, names, strict=True)]
        pairs += [(0, value, name) for name, value in kwargs.items()]
        level = Level(_size(pairs))
        inputs = [_examples(arg, axis, level) for axis, arg, _ in pairs]
        with running((*LEVELS.get(), level)), _draws(randomness):
            out = f(*inputs[: len(args)], **dict(zip(kwargs, inputs[len(args) :], strict=True)))
            return mapped(functools.partial(_gathered, level), out, _prefix(out_axes))

    return wrapped


@contextlib.contextmanager
def running(levels: tuple[Level, ...]) -> Iterator[None]:
    """Let batched values of these levels be used inside the block."""
    token = LEVELS.set(levels)
    try:
        if levels:
            with interposed(beware):
                yield
        else:
            yield
    finally:
        LEVELS.reset(token)


class _Unmapped:
    """None as a leaf of ``in_axes`` and ``out_axes``, where it is no empty container."""

    def __repr__(self) -> str:
        return "None"


_NONE = _Unmapped()


def _prefix(axes: Any) -> Any:
    """The axes of a tree with None as a leaf, and checked."""
    if axes is None:
        return _NONE
    if isinstance(axes, dict):
        return {key: _prefix(value) for key, value in axes.items()}
    if isinstance(axes, list | tuple):
        return (
            type(axes)(map(_prefix, axes))
            if not hasattr(axes, "_fields")
            else type(axes)(*map(_prefix, axes))
        )
    if isinstance(axes, bool) or not isinstance(axes, int | np.integer):
        if hasattr(axes, "__dataclass_fields__"):
            return axes
        raise TypeError(f"vmap: an axis is an int or None, not {axes!r}")
    return int(axes)


def _axes_of(in_axes: Any, count: int) -> list[Any]:
    if not isinstance(in_axes, list | tuple):
        return [_prefix(in_axes)] * count
    if len(in_axes) != count:
        raise ValueError(
            f"vmap: in_axes has {len(in_axes)} entries, but {count} positional arguments were given"
        )
    return [_prefix(axes) for axes in in_axes]


def _names(f: Callable[..., Any], count: int) -> list[str]:
    """What positional arguments are called."""
    numbered = [f"argument {i}" for i in range(count)]
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return numbered
    own = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return (own + numbered[len(own) :])[:count] if len(own) <= count else own[:count]


def _size(pairs: list[tuple[Any, Any, str]]) -> int:
    """The number of examples, on which all mapped arguments must agree."""
    found: list[tuple[str, int, tuple[int, ...]]] = []

    def look(path: str, leaf: Any, axis: Any, name: str) -> None:
        for array in _arrays(leaf) if axis is not _NONE else ():
            shape = np.shape(array)
            if not -len(shape) <= axis < len(shape):
                raise ShapeError(
                    f"vmap: {name}{path} of shape {shape} has no axis {axis} to map over; "
                    "in_axes=None hands it to every example as it is"
                )
            found.append((f"{name}{path} axis {axis}", shape[axis], shape))

    for axis, arg, name in pairs:
        with_paths(functools.partial(look, name=name), arg, axis)
    if not found:
        raise ValueError("vmap: in_axes maps no argument: at least one needs an axis, not None")
    if len({size for _, size, _ in found}) > 1:
        said = ", ".join(f"{what} has {size}" for what, size, _ in found)
        raise ShapeError(f"vmap: mapped axes have different lengths: {said}")
    return found[0][1]


def _arrays(leaf: Any) -> list[Any]:
    """The arrays of a leaf: itself, or the parameters and buffers of a Module."""
    if hasattr(leaf, "named_parameters"):
        return [t for _, t in (*leaf.named_parameters(), *leaf.named_buffers())]
    return [leaf]


def _examples(arg: Any, axes: Any, level: Level) -> Any:
    """An argument as ``f`` sees it: one example of what is mapped."""

    def example(leaf: Any, axis: Any) -> Any:
        if axis is _NONE:
            return leaf
        if hasattr(leaf, "named_parameters"):
            return substituted(leaf, lambda tensor: example(tensor, axis))
        value = leaf if isinstance(leaf, Tensor | Batched) else Tensor(leaf)
        return Batched(level, value if axis in (0, -value.ndim) else ops.moveaxis(value, axis, 0))

    return mapped(example, arg, axes)


def _gathered(level: Level, out: Any, axis: Any) -> Any:
    """One result of ``f`` with the axis of the examples where ``out_axes`` wants it."""
    out = opened(out)
    own = isinstance(out, Batched) and out.level is level
    if axis is _NONE:
        if own:
            raise ValueError("vmap: out_axes is None for a result that differs by example")
        return out
    if not own:
        if isinstance(out, str | bytes) or callable(out):
            raise TypeError(f"vmap needs a function that returns arrays, not {type(out).__name__}")
        out = out if isinstance(out, Tensor | Batched) else Tensor(out)
        rows = [ops.expand_dims(out, 0)] * level.size
        value = ops.concatenate(rows) if rows else ops.broadcast_to(out, (0, *out.shape))
    else:
        value = out.value
    if not -value.ndim <= axis < value.ndim:
        raise ShapeError(f"vmap: out_axes {axis} for a result of shape {value.shape}")
    return value if axis in (0, -value.ndim) else ops.moveaxis(value, 0, axis)


@contextlib.contextmanager
def _draws(randomness: Randomness) -> Iterator[None]:
    def refuse(generator: np.random.Generator, given: bool) -> None:
        if not given:
            raise ValueError(
                "a draw from the global stream inside vmap gives every example the same numbers: "
                "draw outside and map over the draws, or pass vmap(..., randomness='same')"
            )

    if randomness == "same":
        yield
    else:
        with random.observed(refuse):
            yield
