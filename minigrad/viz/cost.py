"""What an op costs: floating point operations, counted from shapes, and bytes.

Counted is the forward call, as textbooks count: one for each addition, multiplication, comparison
or function of an element, two for each multiply-add of a product, the leading terms of Golub and
Van Loan for decompositions. What only moves elements counts nothing, and what depends on the
elements themselves, such as sorting, has no count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.viz.graph import Card
from minigrad.viz.tape import Vertex

__all__ = [
    "EACH",
    "FORMULAS",
    "MOVES",
    "UNCOUNTED",
    "amount",
    "bytes_of",
    "cost_text",
    "flops",
    "flops_of",
]

Shape = tuple[int, ...]

# one for each element of the largest array that goes in or comes out
_EACH = """
absolute add all angle any arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin
betaln bitwise_and bitwise_count bitwise_not bitwise_or bitwise_xor cbrt ceil clip conjugate
copysign cos cosh count_nonzero cummax cummin cumprod cumsum degrees digamma divide entr equal
erf erfc erfinv exp exp2 expm1 fabs floor floor_divide fmax fmin fmod frexp_exponent gammaln
gcd greater greater_equal heaviside hypot imag inverse_mills iscomplex isfinite isinf isnan
isneginf isposinf isreal lcm ldexp left_shift less less_equal log log10 log1p log2 log_ndtr
logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit logsigmoid max
maximum mean min minimum multiply nan_to_num nanargmax nanargmin ndtri negative not_equal
one_minus_square polygamma power prod radians reciprocal relu remainder right_shift rint round
sigmoid sign signbit sin sinc sinh softplus sqrt square step subtract sum tan tanh trunc unwrap
xlog1py xlogy
"""
_MOVES = """
astype broadcast_to concatenate diagonal expand_dims flip getitem moveaxis one_hot pad positive
reshape roll scatter_diagonal set_at sliding_windows spread squeeze stop_gradient
swapaxes take_along_axis transpose where
"""
EACH, MOVES = frozenset(_EACH.split()), frozenset(_MOVES.split())
UNCOUNTED = {
    "argpartition": "how many elements are compared depends on them",
    "argsort": "how many elements are compared depends on them",
    "argwhere": "its result has as many rows as there are elements that are not 0",
    "lexsort": "how many elements are compared depends on them",
    "partition": "how many elements are compared depends on them",
    "searchsorted": "how many elements are compared depends on them",
    "sort": "how many elements are compared depends on them",
    "unique_places": "how many elements are compared depends on them",
}


def flops(op: str, inputs: Sequence[Shape], out: Shape, params: Mapping[str, Any]) -> int | None:
    """Operations of one call; None where they are not counted, as of ops of others.

    Args:
        op: Name of the primitive.
        inputs: Shapes of its inputs.
        out: Shape of its result.
        params: Its static parameters.

    >>> flops("matmul", [(3, 4), (4, 2)], (3, 2), {})
    48
    >>> flops("add", [(3, 2), (2,)], (3, 2), {}), flops("reshape", [(3, 2)], (6,), {})
    (6, 0)
    """
    if op in MOVES:
        return 0
    if op in EACH:
        return max(map(math.prod, (out, *inputs)))
    formula = FORMULAS.get(op)
    return None if formula is None else round(formula(inputs, out, params))


def flops_of(v: Vertex, vertices: Sequence[Vertex]) -> int | None:
    """Operations that made a vertex; None where they are not counted, or an input is not known.

    Args:
        v: The vertex.
        vertices: All of its graph.
    """
    unknown = [i for i, p in enumerate(v.parents) if p is None and i not in v.numbers]
    if v.kind != "op" or (unknown and v.function in FORMULAS):
        return None
    params = {**(v.primitive.statics if v.primitive is not None else {}), **v.params}
    shapes = [() if p is None else vertices[p].shape for p in v.parents]
    try:
        return flops(v.function, shapes, v.shape, params)
    except (KeyError, IndexError, ValueError):  # an op of others that has the name of one of ours
        return None


def bytes_of(v: Vertex) -> int:
    """Bytes of a value, by its shape and the name of its dtype.

    >>> [bytes_of(Vertex(0, "op", (2,), dtype)) for dtype in ("float32", "bfloat16", "float8_e5m2")]
    [8, 4, 2]
    """
    try:
        size = np.dtype(v.dtype).itemsize if v.dtype else 0
    except TypeError:  # a dtype that only others have
        bits = re.search(r"\d+", v.dtype)
        size = int(bits.group()) // 8 if bits else 0
    return v.size * size


def cost_text(card: Card, all_saved: int) -> str:
    """What a card costs, in words.

    >>> from minigrad.viz.graph import Card
    >>> cost_text(Card("n0", "op", "matmul", bytes=48, flops=96, saved=24), 96)
    '48 B · 96 FLOPs forward · keeps 24 B for backward (25 % of all that is kept)'
    """
    parts = [amount(card.bytes, "B")] if card.bytes else []
    if card.flops is not None:
        parts.append(f"{amount(card.flops, 'FLOPs')} forward")
    if card.saved:
        share = f"{100 * card.saved / max(all_saved, 1):.0f} % of all that is kept"
        parts.append(f"keeps {amount(card.saved, 'B')} for backward ({share})")
    return " · ".join(parts)


def amount(n: float, unit: str) -> str:
    """Write a large number with the prefix that leaves three digits.

    >>> amount(48, "FLOPs"), amount(1_250_000, "B")
    ('48 FLOPs', '1.25 MB')
    """
    for prefix in ("", "k", "M", "G", "T", "P"):
        if n < 999.5 or prefix == "P":
            break
        n /= 1000
    return f"{n:.3g} {prefix}{unit}"


Formula = Callable[[Sequence[Shape], Shape, Mapping[str, Any]], float]


def _matmul(inputs: Sequence[Shape], out: Shape, _: Mapping[str, Any]) -> float:
    return 2 * math.prod(out) * inputs[0][-1]


def _einsum(inputs: Sequence[Shape], out: Shape, params: Mapping[str, Any]) -> float:
    """The loop over all indices at once; NumPy may find a path that is shorter."""
    terms = str(params["subscripts"]).replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    batch = 1
    for term, shape in zip(terms, inputs, strict=True):
        head, _, tail = term.partition("...")
        end = len(shape) - len(tail)
        sizes |= dict(zip(head + tail, (*shape[: len(head)], *shape[end:]), strict=True))
        batch = max(batch, math.prod(shape[len(head) : end]))
    return max(len(inputs), 1) * batch * math.prod(sizes.values())


def _windows(inputs: Sequence[Shape], out: Shape, _: Mapping[str, Any]) -> float:
    """Images ``(n, groups, inputs, …)`` and kernels ``(groups, outputs, inputs, …)``."""
    return 2 * math.prod(out) * math.prod(inputs[1][2:])


def _overlaps(inputs: Sequence[Shape], out: Shape, _: Mapping[str, Any]) -> float:
    return 2 * math.prod(inputs[0]) * math.prod(inputs[1][2:])


def _kernels(inputs: Sequence[Shape], out: Shape, _: Mapping[str, Any]) -> float:
    return 2 * math.prod(inputs[1]) * math.prod(out[2:])


def _square(leading: float) -> Formula:
    """So many times n³, for each of a stack of n by n matrices."""

    def formula(inputs: Sequence[Shape], out: Shape, _: Mapping[str, Any]) -> float:
        return leading * math.prod(inputs[0]) * inputs[0][-1]

    return formula


def _tall(square: float, cube: float) -> Formula:
    """So many times m n² and n³, where n is the smaller side of a matrix."""

    def formula(inputs: Sequence[Shape], out: Shape, _: Mapping[str, Any]) -> float:
        *stack, m, n = inputs[0]
        m, n = max(m, n), min(m, n)
        return math.prod(stack) * (square * m * n**2 + cube * n**3)

    return formula


def _solve(inputs: Sequence[Shape], out: Shape, _: Mapping[str, Any]) -> float:
    n = inputs[0][-1]
    return 2 / 3 * math.prod(inputs[0]) * n + 2 * n * math.prod(out)


def _times(each: float) -> Formula:
    """So many for each element that goes in."""

    def formula(inputs: Sequence[Shape], out: Shape, _: Mapping[str, Any]) -> float:
        return each * max(map(math.prod, inputs))

    return formula


def _added(inputs: Sequence[Shape], out: Shape, _: Mapping[str, Any]) -> float:
    """What is added at places: the last input, if there are several."""
    return math.prod(inputs[-1])


FORMULAS: dict[str, Formula] = {
    "matmul": _matmul,
    "einsum": _einsum,
    "window_product": _windows,
    "overlap_product": _overlaps,
    "kernel_product": _kernels,
    "convolve": lambda inputs, out, _: 2 * math.prod(inputs[0]) * math.prod(inputs[1]),
    "linear_recurrence": _times(2),
    "overlap_add": _times(1),
    "scatter_add": _added,
    "add_at": _added,
    "add_along_axis": _added,
    "cross": lambda inputs, out, _: 3 * math.prod(out),
    "std": _times(3),
    "var": _times(3),
    "euclidean_norm": _times(2),
    "power_norm": _times(2),
    "logsumexp": _times(2),
    "logcumsumexp": _times(3),
    "cholesky": _square(1 / 3),
    "det": _square(2 / 3),
    "slogdet": _square(2 / 3),
    "inv": _square(2),
    "solve": _solve,
    "qr": _tall(4, -4 / 3),
    "eigvalsh": _square(4 / 3),
    "eigh": _square(9),
    "svdvals": _tall(4, -4 / 3),
    "nuclear_norm": _tall(4, -4 / 3),
    "svd": _tall(14, 8),
    "cofactor": _tall(14, 8),
    "pinv": _tall(16, 8),
    "polar_factor": _tall(16, 8),
}
