"""Einstein summation, and the sum of products that it comes down to.

NumPy's own loop computes small sums, bit for bit as ``np.einsum`` does. Where two operands are
large, the sum is arranged as a product of matrices, which BLAS computes many times as fast.
"""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.primitive import Array, case, composition, defvjp, primitive

__all__ = ["einsum"]

LETTERS = string.ascii_uppercase + string.ascii_lowercase
SMALL = 1 << 14
"""Products of this many pairs of elements are left to NumPy's loop: arranging them costs more."""

Shapes = tuple[tuple[int, ...], ...]


@functools.lru_cache(maxsize=512)
def explicit(subscripts: str, ndims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """Subscripts with every axis named: ellipses written out and the output stated.

    >>> explicit("...i,i", (2, 1))
    (('Zi', 'i'), 'Z')
    """
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {subscripts!r} names {len(terms)} operands, {len(ndims)} given")
    spare = "".join(c for c in reversed(LETTERS[:26]) if c not in subscripts)
    spare += "".join(c for c in LETTERS[26:] if c not in subscripts)
    covered = [
        n - len(term.replace("...", "")) if "..." in term else 0
        for term, n in zip(terms, ndims, strict=True)
    ]
    dots = spare[: max(covered)]
    named = [
        term.replace("...", dots[len(dots) - n :]) for term, n in zip(terms, covered, strict=True)
    ]
    if not arrow:
        once = sorted(c for c in set(inputs) - set(".,") if inputs.count(c) == 1)
        output = "..." + "".join(once)
    return tuple(named), output.replace("...", dots)


def _lengths(terms: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """How long each named axis is; where an operand has length 1, it broadcasts."""
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            if lengths.get(letter, 1) == 1:
                lengths[letter] = n
    return lengths


def pull_einsum(
    g: Array,
    operands: tuple[Array, ...],
    index: int,
    operands_shape: Shapes,
    subscripts: str,
) -> Array:
    """The same contraction with ``g`` in the place of the operand, and its axes as output.

    An axis that the operand alone has was summed: the result is repeated along it, without a copy.
    An axis named twice was a diagonal: the result is put on it.
    """
    terms, output = explicit(subscripts, tuple(map(len, operands_shape)))
    mine, shape = terms[index], operands_shape[index]
    others = [*operands[:index], *operands[index + 1 :]]
    names = [output, *terms[:index], *terms[index + 1 :]]
    own = dict(zip(mine, shape, strict=True))
    lengths = _lengths(terms, operands_shape)
    elsewhere = set().union(*names)
    kept = "".join(c for c, n in own.items() if c in elsewhere and (n != 1 or lengths[c] == 1))
    if others or kept != output:
        g = einsum(f"{','.join(names)}->{kept}", g, *others)
    if g.shape != tuple(own.values()):
        g = np.reshape(g, [m if c in kept else 1 for c, m in _with_ones(own, kept, g.shape)])
        g = np.broadcast_to(g, tuple(own.values()))
    return g if len(own) == len(mine) else _on_diagonal(g, mine, own)


def _with_ones(own: dict[str, int], kept: str, shape: tuple[int, ...]) -> list[tuple[str, int]]:
    """The length that each axis of ``own`` has in a result with the axes ``kept``."""
    found = dict(zip(kept, shape, strict=True))
    return [(c, found.get(c, 1)) for c in own]


def _on_diagonal(g: Array, mine: str, own: dict[str, int]) -> Array:
    """Put ``g``, whose axes are ``own``, on the diagonals that the repeated letters name."""
    first = {c: mine.index(c) for c in own}
    g = np.reshape(g, [own[c] if first[c] == i else 1 for i, c in enumerate(mine)])
    for i, c in enumerate(mine):
        if first[c] != i:
            ones = [own[c] if j in (first[c], i) else 1 for j in range(len(mine))]
            g = g * np.reshape(np.eye(own[c], dtype=g.dtype), ones)
    return g


def _contract(*operands: Array, subscripts: str, optimize: Any = False) -> Array:
    if len(operands) == 2 and np.size(operands[0]) * np.size(operands[1]) > SMALL:
        a, b = map(np.asarray, operands)
        if np.result_type(a, b).char in "fdFD" and not isinstance(optimize, list):
            (left, right), output = explicit(subscripts, (a.ndim, b.ndim))
            known = set(left + right) >= set(output) and len(set(output)) == len(output)
            if len(left) == a.ndim and len(right) == b.ndim and known:
                lengths = _lengths((left, right), (a.shape, b.shape))
                if tuple(lengths[c] for c in left + right) == a.shape + b.shape:
                    return _multiply(a, left, b, right, output)
    return np.einsum(subscripts, *operands, optimize=optimize)


def _reduced(x: Array, term: str, wanted: str) -> tuple[Array, str]:
    """The diagonal of ``x`` where axes are named alike, summed over those that nobody wants."""
    kept = "".join(c for c in dict.fromkeys(term) if c in wanted)
    return (x, term) if kept == term else (np.einsum(f"{term}->{kept}", x), kept)


@functools.lru_cache(maxsize=512)
def _roles(left: str, right: str, output: str) -> tuple[str, str, str, str]:
    """The axes that make a stack, those that are summed, and the rows and columns of the result."""
    stacks = "".join(c for c in output if c in left and c in right)
    summed = "".join(c for c in left if c not in output)
    rows = "".join(c for c in left if c in output and c not in stacks)
    columns = "".join(c for c in right if c in output and c not in stacks)
    return stacks, summed, rows, columns


def _multiply(a: Array, left: str, b: Array, right: str, output: str) -> Array:
    """Contract two operands as a stack of products of matrices."""
    a, left = _reduced(a, left, right + output)
    b, right = _reduced(b, right, left + output)
    if output[-1:] in left and output[-1:] not in right:  # so that the result has its last axis
        a, left, b, right = b, right, a, left
    stacks, summed, rows, columns = _roles(left, right, output)
    if not summed:
        return np.multiply(_arranged(a, left, output), _arranged(b, right, output))
    lengths = dict(zip(left + right, a.shape + b.shape, strict=True))
    m, k, n = (math.prod([lengths[c] for c in cs]) for cs in (rows, summed, columns))
    if m * n == 1 or (stacks and m * k * n < 512):  # NumPy's loop takes no longer than BLAS would
        return np.einsum(f"{left},{right}->{output}", a, b)
    heights = [lengths[c] for c in stacks]
    matrices = _blas(_arranged(a, left, stacks + rows + summed), [*heights, m, k])
    others = _blas(_arranged(b, right, stacks + summed + columns), [*heights, k, n])
    order, shape = stacks + rows + columns, tuple(lengths[c] for c in output)
    if order != output and len(rows) == len(columns) == 1 and output[-1:] == columns:
        # BLAS writes into rows that lie apart just as well, and nothing has to be moved later.
        out = np.empty(shape, np.result_type(a, b))
        np.matmul(matrices, others, out=_arranged(out, output, order))
        return out
    product = np.matmul(matrices, others) if stacks else np.dot(matrices, others)
    if order == output:
        return product if product.shape == shape else product.reshape(shape)
    return _arranged(product.reshape([lengths[c] for c in order]), order, output)


@functools.lru_cache(maxsize=512)
def _arrangement(term: str, order: str) -> tuple[tuple[int, ...], tuple[slice | None, ...]]:
    """How to transpose axes ``term`` to the ``order``, and where to put new ones."""
    axes = tuple(term.index(c) for c in order if c in term)
    return axes, tuple(slice(None) if c in term else None for c in order)


def _arranged(x: Array, term: str, order: str) -> Array:
    """A view of ``x`` with its axes in another order, and length 1 where it lacks one."""
    if term == order:
        return x
    axes, places = _arrangement(term, order)
    return x.transpose(axes)[places]


def _blas(x: Array, shape: Sequence[int]) -> Array:
    """``x`` in a shape, copied where neither rows nor columns are contiguous: BLAS needs one."""
    x, unit = x.reshape(shape), x.itemsize
    plain = unit in x.strides[-2:] and min(x.strides[-2:], default=0) > 0
    return x if plain or not x.size else np.ascontiguousarray(x)


@primitive(
    _contract,
    numpy=[],
    name="einsum",
    cases=[
        case((2, 3), (3, 4), subscripts="ij,jk->ik"),
        case((2, 3), (2, 3), subscripts="ij,ij->"),
        case((3, 3), subscripts="ii->i"),
        case((3, 3), subscripts="ii"),
        case((2, 3), subscripts="ij->j"),
        case((5, 2, 3), (3, 4), subscripts="...ij,jk->...ik"),
        case((2,), (2, 3), (3,), subscripts="i,ij,j"),
        case((3, 3, 2), (1, 2), (2,), subscripts="iij,ij,k->j"),
    ],
    onnx="Einsum",
)
@defvjp(operands=pull_einsum)
def _einsum(*operands: Array, subscripts: str, optimize: Any = False) -> Array:
    """Einstein summation with the subscripts as a static parameter."""


def _from_sublists(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Subscripts and operands of the form ``einsum(a, [0, 1], b, [1, 2], [0, 2])``."""

    def term(sublist: Sequence[Any]) -> str:
        return "".join("..." if i is Ellipsis else LETTERS[i.__index__()] for i in sublist)

    pairs = len(operands) // 2
    subscripts = ",".join(term(operands[2 * i + 1]) for i in range(pairs))
    if len(operands) % 2:
        subscripts += "->" + term(operands[-1])
    return subscripts, [operands[2 * i] for i in range(pairs)]


@functools.lru_cache(maxsize=256)
def _path(subscripts: str, shapes: Shapes, strategy: Any) -> tuple[tuple[int, ...], ...]:
    """The order of products that NumPy finds best.

    Left alone, NumPy allows no intermediate result larger than the largest operand, and takes all
    operands in one slow loop where there would be one.
    """
    ghosts = [np.broadcast_to(np.float64(0), shape) for shape in shapes]
    if isinstance(strategy, str):
        strategy = (strategy, max(1 << 24, *(8 * math.prod(shape) for shape in shapes)))
    found = np.einsum_path(subscripts, *ghosts, optimize=strategy)[0]
    return tuple(found[1:])


def _in_pairs(subscripts: str, operands: list[Array], optimize: Any) -> Array:
    """Contract several operands two at a time, so that backward uses what forward computed."""
    shapes = tuple(np.shape(x) for x in operands)
    terms, output = explicit(subscripts, tuple(map(len, shapes)))
    if isinstance(optimize, list):
        path = tuple(optimize[1:])
    else:
        strategy = optimize if optimize.__class__ in (str, tuple) else "greedy"
        path = _path(f"{','.join(terms)}->{output}", shapes, strategy)
    names = list(terms)
    for step in path:
        chosen = sorted(step, reverse=True)
        parts = [(names.pop(i), operands.pop(i)) for i in chosen][::-1]
        inputs = ",".join(name for name, _ in parts)
        needed = set("".join([*names, output]))
        made = "".join(dict.fromkeys(c for c in inputs if c in needed)) if names else output
        operands.append(_einsum(*(x for _, x in parts), subscripts=f"{inputs}->{made}"))
        names.append(made)
    return operands[0]


@composition(np.einsum)
def einsum(
    *operands: Any,
    optimize: Any = False,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
) -> Array:
    """Einstein summation: axes named alike are multiplied, those not in the output summed.

    Takes NumPy's forms: ``einsum("ij,jk->ik", a, b)``, also without the output, with ellipses and
    with letters repeated in one operand (its diagonal), and ``einsum(a, [0, 1], b, [1, 0])``. An
    axis of length 1 broadcasts.

    Args:
        *operands: The subscripts and then the arrays, or arrays and lists of axes in turn.
        optimize: The order of products of three or more operands, as NumPy takes it (a strategy,
            or a path). Large products are taken in pairs in any case.
        dtype: Converts the operands first.
        order: NumPy's memory layout, which changes no value.
        casting: What ``dtype`` may convert.

    >>> einsum("ij,jk->ik", np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    >>> einsum(np.array([[1.0, 2.0], [3.0, 4.0]]), [0, 1], [1, 0])
    array([[1., 3.],
           [2., 4.]])
    """
    if not operands:
        raise ValueError("einsum: pass the subscripts and the operands: einsum('ij,jk', a, b)")
    if isinstance(operands[0], str):
        subscripts, arrays = operands[0], list(operands[1:])
    elif len(operands) > 1 and isinstance(operands[1], list | tuple):
        subscripts, arrays = _from_sublists(operands)
    else:
        raise TypeError("einsum: pass the subscripts as a string first, such as 'ij,jk->ik'")
    if dtype is not None:
        for x in arrays:
            if not np.can_cast(np.result_type(x), dtype, casting):  # type: ignore[arg-type]
                raise TypeError(f"einsum: {np.result_type(x)} can't be cast to {dtype}: {casting}")
        arrays = [np.astype(x if hasattr(x, "dtype") else np.asarray(x), dtype) for x in arrays]
    if len(arrays) > 2:
        shapes = [np.shape(x) for x in arrays]
        terms, _ = explicit(subscripts, tuple(map(len, shapes)))
        fits = all(len(t) == len(s) for t, s in zip(terms, shapes, strict=True))
        if fits and math.prod(_lengths(terms, shapes).values()) > SMALL:
            return _in_pairs(subscripts, arrays, optimize)
    return _einsum(*arrays, subscripts=subscripts, optimize=optimize)
