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
from minigrad.testing.programs import Program, programs
from minigrad.testing.samples import Call, cases_of, interval, kind_of, takes_matrices

__all__ = [
    "Program",
    "arrays",
    "broadcastable",
    "elements",
    "op_calls",
    "operands",
    "programs",
    "tensors",
]

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
    dtype: Any = np.float64, shape: Any = None, *, domain: Domain = REAL, unique: bool = False
) -> st.SearchStrategy[Array]:
    """Arrays with elements inside an open interval.

    Args:
        dtype: A floating dtype.
        shape: A shape or a strategy of shapes; by default up to 3 axes of up to 4 elements, 0-d
            and zero-size included.
        domain: The open interval.
        unique: Whether no two elements tie.

    >>> from hypothesis import find
    >>> find(arrays(shape=(2,), domain=(0.0, 9.0)), lambda x: x.sum() > 2).shape
    (2,)
    """
    if shape is None:
        shape = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return hnp.arrays(dtype, shape, elements=elements(domain, dtype), unique=unique)


def tensors(
    dtype: Any = np.float64,
    shape: Any = None,
    *,
    domain: Domain = REAL,
    unique: bool = False,
    requires_grad: bool = True,
) -> st.SearchStrategy[Tensor]:
    """Tensors with elements inside an open interval; the arguments are those of :func:`arrays`.

    >>> from hypothesis import find
    >>> find(tensors(shape=()), lambda x: x.item() >= 1)
    Tensor(1., dtype=float64, requires_grad=True)
    """
    return arrays(dtype, shape, domain=domain, unique=unique).map(
        lambda x: Tensor(x, requires_grad)
    )


def broadcastable(
    count: int = 2, dtype: Any = np.float64, *, domain: Domain = REAL
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
        lambda drawn: st.tuples(*[arrays(dtype, s, domain=domain) for s in drawn.input_shapes])
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
    drawn = [draw(operands(op, position, shape, dtype)) for position, shape in enumerate(shapes)]
    return Call(tuple(drawn), dict(params))


def operands(
    op: Primitive[...], position: int, shape: tuple[int, ...], dtype: Any = np.float64
) -> st.SearchStrategy[Array]:
    """What an op takes in one place: floats of its domain, truth values or whole numbers.

    >>> from hypothesis import find
    >>> from minigrad import ops
    >>> find(operands(ops.where, 0, (2,)), lambda x: True)
    array([False, False])
    """
    kind = kind_of(op, position)
    if kind == "b":
        return hnp.arrays(bool, shape, elements=st.booleans())
    if kind == "i":
        return hnp.arrays(int, shape, elements=st.integers(0, 2))
    drawn = arrays(dtype, shape, domain=interval(op, position))
    if position == 0 and takes_matrices(op):  # a heavy diagonal, so that none is singular
        heavy = (4 * max(shape[-2:]) * np.eye(shape[-2], shape[-1])).astype(dtype)
        return drawn.map(lambda x: x + heavy)
    return drawn
