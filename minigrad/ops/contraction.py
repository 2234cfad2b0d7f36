"""Einstein summation, and the sum of products that it comes down to.

NumPy's own loop computes small sums, bit for bit as ``np.einsum`` does. Where two operands are
large, the sum is arranged as a product of matrices, which BLAS computes many times as fast.
"""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
    how = _pullback(subscripts, operands_shape, index)
    if how.subscripts is not None:
        g = contracted(how.subscripts, [g, *operands[:index], *operands[index + 1 :]], False)
    if how.repeated is not None:
        g = np.broadcast_to(np.reshape(g, how.repeated), how.shape)
    if how.spread is not None:
        g = np.reshape(g, how.spread)
    for n, ones in how.diagonals:
        g = g * np.reshape(np.eye(n, dtype=g.dtype), ones)
    return g


class _Pullback(NamedTuple):
    """How the cotangent of one operand is made; what is None need not be done.

    Attributes:
        subscripts: The contraction of the result's cotangent with the other operands.
        repeated: Its shape with length 1 along axes that were summed.
        shape: One axis for each letter of the operand.
        spread: That with length 1 for letters that come again.
        diagonals: Length of each axis that comes again, and the shape of the identity on it.
    """

    subscripts: str | None
    repeated: tuple[int, ...] | None
    shape: tuple[int, ...]
    spread: tuple[int, ...] | None
    diagonals: tuple[tuple[int, tuple[int, ...]], ...]


@functools.lru_cache(maxsize=512)
def _pullback(subscripts: str, shapes: Shapes, index: int) -> _Pullback:
    terms, output = explicit(subscripts, tuple(map(len, shapes)))
    mine, shape = terms[index], shapes[index]
    names = [output, *terms[:index], *terms[index + 1 :]]
    own = dict(zip(mine, shape, strict=True))
    lengths = _lengths(terms, shapes)
    made = tuple(lengths[c] for c in output)
    elsewhere = _lengths(names, [made, *shapes[:index], *shapes[index + 1 :]])
    kept = "".join(c for c, n in own.items() if c in elsewhere and (n != 1 or lengths[c] == 1))
    found = tuple(elsewhere[c] if c in kept else 1 for c in own)
    whole = len(kept) == len(own) and found == tuple(own.values())
    first = {c: mine.index(c) for c in own}
    again = [(i, c) for i, c in enumerate(mine) if first[c] != i]
    return _Pullback(
        None if kept == output and len(names) == 1 else f"{','.join(names)}->{kept}",
        None if whole else found,
        tuple(own.values()),
        tuple(own[c] if first[c] == i else 1 for i, c in enumerate(mine)) if again else None,
        tuple(
            (own[c], tuple(own[c] if j in (first[c], i) else 1 for j in range(len(mine))))
            for i, c in again
        ),
    )


def _contract(*operands: Array, subscripts: str, optimize: Any = False) -> Array:
    if len(operands) == 2 and not isinstance(optimize, list):
        a, b = (x if hasattr(x, "dtype") else np.asarray(x) for x in operands)
        if a.size * b.size > SMALL:
            dtype = a.dtype if a.dtype is b.dtype else np.result_type(a.dtype, b.dtype)
            product = _product(subscripts, a.shape, b.shape) if dtype.char in "fdFD" else None
            if product is not None:
                return product.of(a, b, dtype)
    return np.einsum(subscripts, *operands, optimize=optimize)


class _Operand(NamedTuple):
    """How an operand becomes a stack of matrices; what is None need not be done.

    Attributes:
        reduction: Subscripts that take its diagonals and sum what nobody else has.
        axes: The order of its axes.
        places: Where it gets axes of length 1.
        matrices: The shape of the stack.
        scattered: Whether rows and columns lie apart in it, if the operand is contiguous.
    """

    reduction: str | None
    axes: tuple[int, ...] | None
    places: tuple[slice | None, ...] | None
    matrices: tuple[int, ...] | None
    scattered: bool

    def of(self, x: Array) -> Array:
        """The stack, copied where neither rows nor columns are contiguous: BLAS needs one."""
        if self.reduction is not None:
            x = np.einsum(self.reduction, x)
        if self.axes is not None:
            x = x.T if self.axes == (1, 0) else x.transpose(self.axes)
        if self.places is not None:
            x = x[self.places]
        if self.matrices is None:
            return x
        if x.shape != self.matrices:
            x = x.reshape(self.matrices)
        if isinstance(x, np.ndarray):
            near = x.strides[-2:]
            apart = x.itemsize not in near or min(near) <= 0
            return np.ascontiguousarray(x) if apart and x.size else x
        return np.ascontiguousarray(x) if self.scattered else x


class _Product(NamedTuple):
    """Two operands contracted as a stack of products of matrices.

    Attributes:
        swapped: Whether the second operand comes first, so that the result has its last axis.
        left: How the one that comes first is arranged.
        right: How the other is.
        multiply: The product of both.
        shape: What it is to be reshaped to, if that is needed.
        axes: The order of its axes then, if that is another.
        apart: If rows of the result merely lie apart in memory, the shape of the result and its
            axes in the order of the product: BLAS writes there just as well.
    """

    swapped: bool
    left: _Operand
    right: _Operand
    multiply: Callable[[Array, Array], Array]
    shape: tuple[int, ...] | None = None
    axes: tuple[int, ...] | None = None
    apart: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def of(self, a: Array, b: Array, dtype: np.dtype[Any]) -> Array:
        """The result."""
        if self.swapped:
            a, b = b, a
        a, b = self.left.of(a), self.right.of(b)
        if self.apart is not None and a.__class__ is b.__class__ is np.ndarray:
            out = np.empty(self.apart[0], dtype)
            np.matmul(a, b, out=out.transpose(self.apart[1]))
            return out
        out = self.multiply(a, b)
        if self.shape is not None:
            out = out.reshape(self.shape)
        return out if self.axes is None else out.transpose(self.axes)


def _reduction(term: str, wanted: str) -> tuple[str | None, str]:
    """The diagonal where axes are named alike, summed over those that nobody wants."""
    kept = "".join(c for c in dict.fromkeys(term) if c in wanted)
    return (None, term) if kept == term else (f"{term}->{kept}", kept)


def _arranged(
    reduction: str | None, term: str, order: str, matrices: tuple[int, ...] | None, ends: str
) -> _Operand:
    """An operand with its axes in the ``order``, and length 1 where it lacks one."""
    axes = tuple(term.index(c) for c in order if c in term)
    return _Operand(
        reduction,
        axes if list(axes) != sorted(axes) else None,
        tuple(slice(None) if c in term else None for c in order)
        if len(order) > len(term)
        else None,
        matrices,
        term[-1:] not in ends,
    )


def _roles(left: str, right: str, output: str) -> tuple[str, str, str, str]:
    """The axes that make a stack, those that are summed, and the rows and columns of the result."""
    stacks = "".join(c for c in output if c in left and c in right)
    summed = "".join(c for c in left if c not in output)
    rows = "".join(c for c in left if c in output and c not in stacks)
    columns = "".join(c for c in right if c in output and c not in stacks)
    return stacks, summed, rows, columns


@functools.lru_cache(maxsize=512)
def _product(subscripts: str, *shapes: tuple[int, ...]) -> _Product | None:
    """How two operands are contracted by BLAS; None where an axis broadcasts, for one thing."""
    (left, right), output = explicit(subscripts, tuple(map(len, shapes)))
    known = set(left + right) >= set(output) and len(set(output)) == len(output)
    if not known or (len(left), len(right)) != tuple(map(len, shapes)):
        return None
    lengths = _lengths((left, right), shapes)
    if tuple(lengths[c] for c in left + right) != shapes[0] + shapes[1]:
        return None
    first, left = _reduction(left, right + output)
    second, right = _reduction(right, left + output)
    swapped = output[-1:] in left and output[-1:] not in right
    if swapped:
        first, left, second, right = second, right, first, left
    stacks, summed, rows, columns = _roles(left, right, output)
    if not summed:
        one = _arranged(first, left, output, None, "")
        return _Product(swapped, one, _arranged(second, right, output, None, ""), np.multiply)
    m, k, n = (math.prod([lengths[c] for c in cs]) for cs in (rows, summed, columns))
    if m * n == 1 or (stacks and m * k * n < 512):  # NumPy's loop takes no longer than BLAS would
        loop = functools.partial(np.einsum, f"{left},{right}->{output}")
        one = _arranged(first, left, left, None, "")
        return _Product(swapped, one, _arranged(second, right, right, None, ""), loop)
    heights = tuple(lengths[c] for c in stacks)
    ends = rows[-1:] + summed[-1:]
    one = _arranged(first, left, stacks + rows + summed, (*heights, m, k), ends)
    ends = summed[-1:] + columns[-1:]
    other = _arranged(second, right, stacks + summed + columns, (*heights, k, n), ends)
    multiply = np.matmul if stacks else np.dot
    order, shape = stacks + rows + columns, tuple(lengths[c] for c in output)
    made = tuple(lengths[c] for c in order)
    reshaped = None if made == (*heights, m, n) else made
    if order == output:
        return _Product(swapped, one, other, multiply, reshaped)
    apart = None
    if len(rows) == len(columns) == 1 and output[-1:] == columns:
        apart = shape, tuple(output.index(c) for c in order)
    axes = tuple(order.index(c) for c in output)
    return _Product(swapped, one, other, multiply, reshaped, axes, apart)


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
def _steps(
    subscripts: str, shapes: Shapes, strategy: Any
) -> tuple[tuple[tuple[int, ...], str], ...]:
    """Which operands to take out in turn, and the contraction whose result is put at the end.

    A strategy is NumPy's, or the order itself. Left alone, NumPy allows no intermediate result
    larger than the largest operand, and takes all operands in one slow loop where there would be
    one.
    """
    terms, output = explicit(subscripts, tuple(map(len, shapes)))
    path = strategy
    if isinstance(strategy, str) or strategy[:1] != ("einsum_path",):
        if isinstance(strategy, str):
            strategy = (strategy, max(1 << 24, *(8 * math.prod(shape) for shape in shapes)))
        ghosts = [np.broadcast_to(np.float64(0), shape) for shape in shapes]
        subscripts = f"{','.join(terms)}->{output}"
        path = np.einsum_path(subscripts, *ghosts, optimize=strategy)[0]
    names, steps = list(terms), []
    for step in path[1:]:
        inputs = ",".join([names.pop(i) for i in sorted(step, reverse=True)][::-1])
        needed = set("".join([*names, output]))
        made = "".join(dict.fromkeys(c for c in inputs if c in needed)) if names else output
        steps.append((tuple(sorted(step, reverse=True)), f"{inputs}->{made}"))
        names.append(made)
    return tuple(steps)


def _in_pairs(subscripts: str, operands: list[Array], optimize: Any) -> Array:
    """Contract several operands two at a time, so that backward uses what forward computed."""
    strategy = optimize if optimize.__class__ in (str, tuple) else "greedy"
    if isinstance(optimize, list):
        strategy = (optimize[0], *map(tuple, optimize[1:]))
    for chosen, contraction in _steps(subscripts, tuple(map(np.shape, operands)), strategy):
        parts = tuple([operands.pop(i) for i in chosen][::-1])
        operands.append(_einsum.apply(parts, {"subscripts": contraction, "optimize": False}))
    return operands[0]


def contracted(subscripts: str, operands: list[Array], optimize: Any) -> Array:
    """The sum that subscripts describe: several operands two at a time, unless they are small."""
    if len(operands) > 2:
        shapes = [np.shape(x) for x in operands]
        terms, _ = explicit(subscripts, tuple(map(len, shapes)))
        fits = all(len(t) == len(s) for t, s in zip(terms, shapes, strict=True))
        if fits and math.prod(_lengths(terms, shapes).values()) > SMALL:
            return _in_pairs(subscripts, operands, optimize)
    return _einsum.apply(tuple(operands), {"subscripts": subscripts, "optimize": optimize})


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
    return contracted(subscripts, arrays, optimize)
