"""Batching rules: how an op runs on all examples at once.

A rule is given a :class:`Call` and returns a value whose first axis is the batch. Most ops need
none here: elementwise ones share one rule, and what has no rule runs once for each example. A rule
names the static parameters it knows; a call with others falls back to that, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.batching.interpreter import RULES, Call, Rule, aligned, elementwise, one_by_one

Axes = int | tuple[int, ...]


def batches(*names: str, knows: str = "") -> Callable[[Rule], Rule]:
    """Make a function the rule of primitives that have no static parameters but those it knows."""

    def attach(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = (rule, frozenset(knows.split()))
        return rule

    return attach


def behind(axis: Axes) -> Axes:
    """An axis of one example as an axis of the batch: counted from the end it stays.

    >>> behind(0), behind((-1, 1))
    (1, (-1, 2))
    """
    if isinstance(axis, tuple | list):
        return tuple(int(behind(i)) for i in axis)  # type: ignore[arg-type]
    return int(axis) + (axis >= 0)


batches("where", "clip")(elementwise)
batches("cross")(elementwise)  # of vectors along the last axis
batches("astype", knows="dtype")(elementwise)
batches("angle", knows="deg")(elementwise)
batches("nan_to_num", knows="nan posinf neginf")(elementwise)
batches("polygamma", knows="n")(elementwise)
batches("round", knows="decimals")(elementwise)
batches("sinc", knows="order")(elementwise)


@batches("one_hot", knows="num_classes dtype")
def leading(call: Call) -> Any:
    """Ops that leave leading axes alone."""
    return call.run(*call.values)


@batches("sum", "mean", "max", "min", "prod", "logsumexp", knows="axis keepdims")
@batches("all", "any", "count_nonzero", knows="axis keepdims")
@batches("var", "std", knows="axis keepdims ddof")
def reduction(call: Call) -> Any:
    """Reductions: over all axes but the first where ``axis`` is None."""
    axis, ndim = call.params["axis"], call.ndim(0)
    if axis is None or not ndim:  # NumPy lets a 0-d array be reduced over axis 0
        return call.run(call.values[0], axis=tuple(range(1, ndim + 1)))
    return call.run(call.values[0], axis=behind(axis))


@batches("argmax", "argmin", "nanargmax", "nanargmin", knows="axis keepdims")
@batches("euclidean_norm", "power_norm", knows="ord axis keepdims")
@batches("sort", "argsort", "partition", "argpartition", knows="kth axis kind stable")
@batches("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", knows="axis")
@batches("unwrap", knows="discont axis period")
def along_one_axis(call: Call) -> Any:
    """Ops along one axis, which flatten where it is None."""
    (x,), axis, ndim = call.values, call.params["axis"], call.ndim(0)
    if axis is not None and ndim:
        return call.run(x, axis=behind(axis))
    if call.params.get("keepdims"):
        flat = call.run(ops.reshape(x, (call.size, -1)), axis=1)
        return ops.reshape(flat, (call.size, *(1,) * ndim))
    if axis is not None:
        np.empty(()).sum(axis=axis)  # which raises for the axes that a 0-d array has not
    return call.run(ops.reshape(x, (call.size, math.prod(call.shape(0)))), axis=1)


@batches("spread", knows="shape axis keepdims")
def spread(call: Call) -> Any:
    """The adjoint of a reduction."""
    axis, shape = call.params["axis"], call.params["shape"]
    g = call.values[0]
    if axis is None or not shape:
        axis, keepdims = tuple(range(1, len(shape) + 1)), True
        g = ops.reshape(g, (call.size, *(1,) * len(shape)))
    else:
        axis, keepdims = behind(axis), call.params["keepdims"]
    return call.run(g, shape=(call.size, *shape), axis=axis, keepdims=keepdims)


# Shape


@batches("reshape", knows="shape order")
def reshape(call: Call) -> Any:
    """A new shape for each example; -1 is inferred from one example."""
    if call.params["order"] != "C":
        return one_by_one(call)
    shape = call.params["shape"]
    shape = list(shape) if isinstance(shape, tuple | list) else [shape]
    size = math.prod(call.shape(0))
    if shape.count(-1) == 1:
        others = -math.prod(shape)
        if others:
            shape[shape.index(-1)] = size // others
    if math.prod(shape) != size or -1 in shape:
        given = call.params["shape"]
        raise ValueError(f"cannot reshape an example of shape {call.shape(0)} into shape {given}")
    return ops.reshape(call.values[0], (call.size, *shape))


@batches("transpose", knows="axes")
def transpose(call: Call) -> Any:
    """Axes of each example in another order."""
    axes, ndim = call.params["axes"], call.ndim(0)
    order = range(ndim)[::-1] if axes is None else [axis % ndim for axis in axes]
    return call.run(call.values[0], axes=(0, *(axis + 1 for axis in order)))


@batches("swapaxes", knows="axis1 axis2")
@batches("moveaxis", knows="source destination")
@batches("diagonal", knows="offset axis1 axis2")
@batches("expand_dims", "roll", knows="axis shift")
def shifted_axes(call: Call) -> Any:
    """Ops whose axes are named one by one."""
    named = {"axis", "axis1", "axis2", "source", "destination"}
    axes = {name: value for name, value in call.params.items() if name in named}
    if None in axes.values():
        flat = ops.reshape(call.values[0], (call.size, math.prod(call.shape(0))))
        return ops.reshape(call.run(flat, axis=1), (call.size, *call.shape(0)))
    return call.run(call.values[0], **{name: behind(value) for name, value in axes.items()})


@batches("squeeze", knows="axis")
@batches("flip", knows="axis")
def all_or_some_axes(call: Call) -> Any:
    """Ops on some axes of each example, by default on all (that ``squeeze`` may remove)."""
    axis, shape = call.params["axis"], call.shape(0)
    if axis is not None:
        return call.run(call.values[0], axis=behind(axis))
    flip = call.primitive is ops.flip
    return call.run(
        call.values[0], axis=tuple(i + 1 for i, n in enumerate(shape) if flip or n == 1)
    )


@batches("broadcast_to", knows="shape")
def broadcast_to(call: Call) -> Any:
    """Repetition of each example."""
    shape = call.params["shape"]
    shape = shape if isinstance(shape, tuple | list) else (shape,)
    return call.run(aligned(call, 0, len(shape)), shape=(call.size, *shape))


@batches("pad", knows="pad_width constant_values")
def pad(call: Call) -> Any:
    """A border around each example."""
    width = call.params["pad_width"]
    if isinstance(width, dict):
        widths = {i % call.ndim(0) + 1: pair for i, pair in width.items()}
        return call.run(call.values[0], pad_width=widths)
    pairs = np.broadcast_to(np.asarray(width), (call.ndim(0), 2)).tolist()
    values = call.params["constant_values"]
    if np.ndim(values):
        inner = np.broadcast_to(np.asarray(values), (call.ndim(0), 2)).tolist()
        values = ((0, 0), *map(tuple, inner))
    return call.run(call.values[0], pad_width=((0, 0), *map(tuple, pairs)), constant_values=values)


@batches("concatenate", knows="axis")
def concatenate(call: Call) -> Any:
    """Examples joined one by one."""
    axis = call.params["axis"]
    each = [call.each(i) for i in range(len(call.values))]
    if axis is None:
        each = [ops.reshape(value, (call.size, math.prod(value.shape[1:]))) for value in each]
        return call.run(*each, axis=1)
    if not all(call.ndim(i) for i in range(len(each))):
        raise ValueError("zero-dimensional examples cannot be concatenated: use stack")
    return call.run(*each, axis=behind(axis))


# Products


@batches("matmul")
def matmul(call: Call) -> Any:
    """Products of matrices; a stack of vectors against one matrix is one product of matrices."""
    (a, b), (rows, columns) = call.values, (call.ndim(0), call.ndim(1))
    if not rows or not columns:  # let NumPy refuse it
        return np.matmul(np.empty(call.shape(0)), np.empty(call.shape(1)))
    if not call.batched[1] and columns <= 2:  # one product of matrices for all examples
        flat = a if rows == 1 else ops.reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
        out = call.run(flat, b)
        return out if rows == 1 else ops.reshape(out, (*a.shape[:-1], *out.shape[1:]))
    if not call.batched[0] and rows <= 2 and columns == 1:
        return call.run(b, ops.transpose(a))
    if not call.batched[0] and rows == columns == 2 and b.shape[-1] == 1:
        return ops.expand_dims(call.run(b[..., 0], ops.transpose(a)), -1)
    if rows == 1:
        a = ops.expand_dims(a, -2)
    if columns == 1:
        b = ops.expand_dims(b, -1)
    rank = max(len(np.shape(a)) - call.batched[0], len(np.shape(b)) - call.batched[1])
    out = call.run(_ranked(a, call.batched[0], rank), _ranked(b, call.batched[1], rank))
    lost = (-2,) * (rows == 1) + (-1,) * (columns == 1)
    return ops.squeeze(out, axis=lost) if lost else out


def _ranked(value: Any, batched: bool, rank: int) -> Any:
    lost = rank + 1 - len(np.shape(value))
    if not batched or not lost:
        return value
    return ops.reshape(value, (value.shape[0], *(1,) * lost, *value.shape[1:]))


@batches("einsum", knows="subscripts optimize")
def einsum(call: Call) -> Any:
    """The same summation with one more letter: the batch."""
    inputs, arrow, output = call.params["subscripts"].replace(" ", "").partition("->")
    if not arrow:
        letters = inputs.replace(",", "").replace(".", "")
        output = "..." * ("..." in inputs)
        output += "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    batch = next(c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvuts" if c not in inputs)
    terms = [batch * own + term for own, term in zip(call.batched, inputs.split(","), strict=True)]
    return call.run(*call.values, subscripts=f"{','.join(terms)}->{batch}{output}")
