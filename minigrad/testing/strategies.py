"""Hypothesis strategies in the manner of ``hypothesis.extra.numpy``: arrays, Tensors, calls of ops.

Most elements are eighths, which are exact in binary, shrink to readable examples and tie on
purpose; the rest are any floats of the domain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad.primitive import REAL, Array, Primitive
from minigrad.tensor import Tensor
from minigrad.testing.samples import Call, cases_of, interval, kind_of

__all__ = ["arrays", "broadcastable", "op_calls", "tensors"]

Domain = tuple[float, float]


def elements(domain: Domain = REAL, dtype: Any = np.float64) -> st.SearchStrategy[float]:
    """Numbers strictly inside an open interval, mostly eighths.

    >>> strategy = elements((0.0, 1.0))
    """
    low, high = (float(np.clip(end, -64.0, 64.0)) for end in domain)
    width = 8 * np.dtype(dtype).itemsize
    if width == 16:
        low, high = max(low, -8.0), min(high, 8.0)
    first, last = int(np.floor(low * 8)) + 1, int(np.ceil(high * 8)) - 1
    margin = 0.01 * (high - low)
    ends = [float(np.dtype(dtype).type(end)) for end in (low + margin, high - margin)]
    floats = st.floats(*ends, width=width, allow_subnormal=False)
    if low < 0.0 < high:  # squares of what is smaller underflow
        floats = floats.map(lambda x: x if abs(x) > 2.0**-20 else 0.0)
    if first > last:
        return floats
    return st.one_of(st.integers(first, last).map(lambda n: n / 8), floats)


def arrays(
    shape: Any = None, domain: Domain = REAL, dtype: Any = np.float64, unique: bool = False
) -> st.SearchStrategy[Array]:
    """Arrays with elements inside an open interval.

    Args:
        shape: A shape or a strategy of shapes; by default up to 3 axes of up to 4 elements, 0-d
            and zero-size included.
        domain: The open interval.
        dtype: A floating dtype.
        unique: Whether no two elements tie.

    >>> from hypothesis import find
    >>> find(arrays((2,), domain=(0.0, 9.0)), lambda x: x.sum() > 2).shape
    (2,)
    """
    if shape is None:
        shape = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return hnp.arrays(dtype, shape, elements=elements(domain, dtype), unique=unique)


def tensors(
    shape: Any = None,
    domain: Domain = REAL,
    dtype: Any = np.float64,
    requires_grad: bool = True,
    unique: bool = False,
) -> st.SearchStrategy[Tensor]:
    """Tensors with elements inside an open interval; the arguments are those of :func:`arrays`.

    >>> from hypothesis import find
    >>> find(tensors(()), lambda x: x.item() >= 1)
    Tensor(1., dtype=float64, requires_grad=True)
    """
    return arrays(shape, domain, dtype, unique).map(lambda x: Tensor(x, requires_grad))


def broadcastable(
    count: int = 2, domain: Domain = REAL, dtype: Any = np.float64
) -> st.SearchStrategy[tuple[Array, ...]]:
    """Tuples of arrays that broadcast with each other, 0-d and zero-size ones included.

    >>> from hypothesis import find
    >>> [x.shape for x in find(broadcastable(2), lambda pair: True)]
    [(), ()]
    """
    shapes = hnp.mutually_broadcastable_shapes(
        num_shapes=count, min_dims=0, max_dims=3, min_side=0, max_side=4
    )
    return shapes.flatmap(
        lambda drawn: st.tuples(*[arrays(s, domain, dtype) for s in drawn.input_shapes])
    )


@st.composite
def op_calls(draw: st.DrawFn, op: Primitive[...], dtype: Any = np.float64) -> Call:
    """Calls of an op, drawn from what it declares: its domain, its cases or broadcasting shapes.

    >>> from hypothesis import find
    >>> from minigrad import ops
    >>> call = find(op_calls(ops.log), lambda call: call.arrays[0].size > 0)
    >>> bool((call.arrays[0] > 0).all()), call.params
    (True, {})
    """
    if op.cases:
        case = draw(st.sampled_from(cases_of(op)))
        shapes, params = case.shapes, case.params
    else:
        several = hnp.mutually_broadcastable_shapes(
            num_shapes=max(op.arity, 1), min_dims=0, max_dims=3, min_side=0, max_side=3
        )
        shapes, params = draw(several).input_shapes, {}
    drawn = []
    for position, shape in enumerate(shapes):
        kind = kind_of(op, position)
        if kind == "f":
            drawn.append(draw(arrays(shape, interval(op, position), dtype)))
        else:
            what = st.booleans() if kind == "b" else st.integers(0, 2)
            drawn.append(draw(hnp.arrays(bool if kind == "b" else int, shape, elements=what)))
    return Call(tuple(drawn), dict(params))
