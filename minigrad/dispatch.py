"""How a NumPy function or ufunc, called with Tensors, finds the op that differentiates it.

Three answers are possible. What has an op is the op. What has none but also no gradient by nature
(shapes, comparisons), or is asked of constants alone, is NumPy's own answer on the arrays. All else
raises, and says what to use instead: nothing leaves the graph in silence.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad import ops
from minigrad.arguments import misnamed
from minigrad.errors import NotDifferentiable
from minigrad.graph import RECORDING
from minigrad.instead import WRITES, instead_of
from minigrad.primitive import NUMPY, Array

OUT = (
    "out= (and array += tensor) writes where nothing is recorded: use the result instead, "
    "such as a = a + t"
)

# Functions whose answer has no gradient by nature: about shape, type, equality or position.
ABOUT = frozenset(
    {
        *(np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.min_scalar_type),
        *(np.array_equal, np.array_equiv, np.allclose, np.isclose, np.may_share_memory),
        *(np.shares_memory, np.iscomplexobj, np.isrealobj, np.iscomplex, np.isreal),
        *(np.isneginf, np.isposinf, np.common_type, np.einsum_path, np.count_nonzero),
        *(np.zeros_like, np.ones_like, np.full_like, np.empty_like),
        *(np.array2string, np.array_repr, np.array_str, np.lexsort, np.argpartition),
        *(np.digitize, np.isin, np.linalg.matrix_rank, np.histogram_bin_edges),
        *(np.diag_indices_from, np.tril_indices_from, np.triu_indices_from),
    }
) & {f for f in vars(np).values() if callable(f)} | {np.linalg.matrix_rank}


def plain(value: Any) -> Any:
    """Arrays in the place of Tensors, also inside of tuples and lists."""
    if hasattr(value, "__primitive__"):
        return value._data
    if isinstance(value, tuple | list):
        parts = [plain(part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


def _requires_gradient(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(map(_requires_gradient, value))
    return getattr(value, "_node", None) is not None and RECORDING.get()


def answer(function: Callable[..., Any], name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    """What NumPy answers on the arrays, if no Tensor among the arguments wants a gradient."""
    if _requires_gradient([*args, *kwargs.values()]):
        raise NotDifferentiable(
            f"{name} has no gradient rule in minigrad, so it can't be applied to a Tensor that "
            f"requires a gradient: {instead_of(name)}"
        )
    return function(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})


# Functions


def call_function(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """What ``np.func(*args, **kwargs)`` is, where some argument is a Tensor."""
    op = NUMPY.get(func)
    if func is np.where and len(args) == 1 and not kwargs:
        op = ops.nonzero  # NumPy's other use of the name
    if op is not None:
        form = _form(func, op)
        if len(args) > form.alike or not kwargs.keys() <= form.own:
            args, kwargs = _translated(form, op, args, kwargs)
        return op(*args, **kwargs)
    if func in ABOUT:
        return func(*map(plain, args), **{k: plain(v) for k, v in kwargs.items()})
    name = f"{func.__module__}.{func.__name__}".replace("numpy.", "np.")
    if name in WRITES and hasattr((*args, *kwargs.values())[0], "__primitive__"):
        raise NotDifferentiable(f"{name} writes into a Tensor: {instead_of(name)}")
    return answer(func, name, args, kwargs)


_OTHERWISE = {"correction": "ddof", "N": "n"}


class _Form(NamedTuple):
    """What an op calls the parameters of the NumPy function that it differentiates.

    ``alike`` counts the leading parameters that mean the same in both, and ``own`` names those
    that do by keyword: a call that has no others is passed on as it is.
    """

    alike: int
    own: frozenset[str]
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    defaults: dict[str, Any]
    renamed: dict[str, str]


@functools.cache
def _form(function: Any, op: Callable[..., Any]) -> _Form:
    parameters = inspect.signature(op).parameters.values()
    own = [p.name for p in parameters]
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    inputs = tuple(p.name for p in needed)
    by_keyword = frozenset(p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY)
    try:
        theirs = list(inspect.signature(function).parameters.values())
    except ValueError:  # compiled functions of older NumPys do not tell
        theirs = []
    if any(p.kind is p.VAR_KEYWORD for p in parameters):  # an op that takes whatever NumPy does
        by_keyword |= {p.name for p in theirs}
    unused: dict[str, Any] = {"out": None, "dtype": None}
    if not theirs:
        return _Form(len(own), by_keyword, inputs, (*own, "out"), unused, {})
    if theirs[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return _Form(sys.maxsize, by_keyword, inputs, (), unused, {})
    renamed = {}
    for i, parameter in enumerate(theirs):
        name = _OTHERWISE.get(parameter.name, parameter.name)
        if i < len(inputs) or name in own:
            renamed[parameter.name] = inputs[i] if i < len(inputs) else name
    names = tuple(p.name for p in theirs)
    same = [renamed.get(name) == mine for name, mine in zip(names, own, strict=False)]
    alike = same.index(False) if False in same else len(same)
    return _Form(alike, by_keyword, inputs, names, {p.name: p.default for p in theirs}, renamed)


def _translated(
    form: _Form, op: Callable[..., Any], args: Any, kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of a NumPy function as its op takes them.

    What the op does not know may be given as NumPy's default, which says nothing.
    """
    params: dict[str, Any] = {}
    given = dict(zip(form.names, args, strict=False)) | kwargs
    for name, value in given.items():
        own = form.renamed.get(name, name)
        if value is np._NoValue:
            continue
        if own in form.own or own in form.inputs:
            params[own] = value
        elif not _is_default(value, form.defaults.get(name, ...)):
            if name == "out":
                raise NotDifferentiable(OUT)
            raise TypeError(misnamed(op.__name__, sorted(form.own), [name]))
    inputs = [params.pop(name) for name in form.inputs if name in params]
    return (*inputs, *args[len(form.names) :]), params


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (value.__class__ in (str, bool) and value == default)


# Ufuncs


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """What ``np.ufunc(*inputs)``, or one of its methods, is, where some input is a Tensor."""
    if ufunc not in NUMPY:
        adopted = ops.special.of_scipy(ufunc)
        if adopted is not None:
            NUMPY[ufunc] = adopted
    if method == "__call__" and not kwargs:
        op = NUMPY.get(ufunc)
        if op is not None:
            return op(*inputs)
    if method == "reduce" and kwargs.keys() <= _PLAIN_REDUCTION:  # as gradient rules call it
        op = NUMPY.get(ufunc.reduce)
        if op is not None:
            kwargs.setdefault("axis", 0)
            return op(*inputs, **kwargs)
    function, name = ufunc, f"{ops.special.home_of(ufunc)}.{ufunc.__name__}"
    if method != "__call__":
        function, name = getattr(ufunc, method), f"{name}.{method}"
    if kwargs.get("out") is not None or method == "at":
        return _written(function, name, inputs, kwargs)
    kwargs = {k: v for k, v in kwargs.items() if not _is_default(v, _UFUNC.get(k, ...))}
    if ufunc not in NUMPY and function not in NUMPY:
        return answer(function, name, inputs, kwargs)
    return _METHODS[method](ufunc, name, *inputs, **kwargs)


_PLAIN_REDUCTION = frozenset({"axis", "keepdims"})
_UFUNC = {"dtype": None, "where": True, "casting": "same_kind", "order": "K", "subok": True}
_UFUNC |= {"out": None, "signature": None}


def _written(function: Any, name: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """A ufunc that writes into an array: done for constants, refused to whatever is recorded."""
    if name.endswith(".at"):
        if hasattr(inputs[0], "__primitive__") or _requires_gradient(inputs):
            raise NotDifferentiable(f"{name} writes in place: {instead_of(name)}")
        return function(*map(plain, inputs))
    out = kwargs["out"]
    if any(hasattr(array, "__primitive__") for array in out) or _requires_gradient(inputs):
        raise NotDifferentiable(OUT)
    function(*map(plain, inputs), **{k: plain(v) for k, v in kwargs.items()})
    return out[0] if len(out) == 1 else out


def _called(ufunc: np.ufunc, name: str, *inputs: Any, dtype: Any = None, **rest: Any) -> Any:
    """A ufunc with ``dtype``: the operands are cast first, as NumPy does."""
    if "where" in rest:
        raise TypeError(
            f"{name}(where=) leaves the other elements unset: "
            f"use np.where(mask, {name}(...), other)"
        )
    op = NUMPY[ufunc]
    if dtype is not None:
        if np.dtype(dtype).kind != "f" or not getattr(op, "rules", True):
            raise TypeError(f"{name}(dtype={dtype!r}) of a Tensor: use .astype() on the result")
        inputs = tuple(_cast(name, x, dtype) for x in inputs)
    rest.pop("order", None)  # says how the result lies in memory, not what it is
    out = op(*inputs, **rest)
    if dtype is not None and out.dtype != dtype:
        raise TypeError(f"{name}(dtype={np.dtype(dtype)}) is not what it computes: {out.dtype} is")
    return out


def _cast(name: str, x: Any, dtype: Any) -> Any:
    """``x`` in ``dtype``, unless that is another kind of number."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if not np.can_cast(x.dtype, dtype, "same_kind"):
        raise TypeError(f"{name}(dtype={np.dtype(dtype)}): can't cast from {x.dtype}")
    return ops.astype(x, dtype)


def _slices(x: Any, axis: int) -> list[Any]:
    moved = np.moveaxis(x, axis, 0)
    return [moved[i] for i in range(np.shape(moved)[0])]


def _promoted(ufunc: np.ufunc, name: str, x: Any, dtype: Any) -> Any:
    """``x`` in the dtype in which the ufunc would combine its elements."""
    if dtype is not None:
        return _cast(name, x, dtype)
    (*_, wanted) = ufunc.resolve_dtypes((x.dtype, x.dtype, None))
    return x if wanted == x.dtype else ops.astype(x, wanted)


def _reduced(
    ufunc: np.ufunc,
    name: str,
    x: Any,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: bool = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    """``ufunc.reduce``: its op if it has one, else one call of the ufunc after another."""
    start = None if initial in (np._NoValue, None) else initial
    if where is not True and start is None and ufunc.identity is None:
        raise ValueError(f"{name}(where=) has no identity: pass initial, too")
    op = NUMPY.get(ufunc.reduce)
    if op is None:
        return _folded(ufunc, name, _promoted(ufunc, name, x, dtype), axis, keepdims, start, where)
    x = x if dtype is None else _cast(name, x, dtype)
    if where is not True:  # what changes nothing: the identity, or for max and min the start itself
        x = np.where(where, x, start if ufunc.identity is None else ufunc.identity)
    out = op(x, axis=axis, keepdims=keepdims)
    return out if start is None else ufunc(x.dtype.type(start), out)


def _folded(
    ufunc: np.ufunc, name: str, x: Any, axis: Any, keepdims: bool, start: Any, where: Any
) -> Any:
    """``ufunc.reduce`` of a ufunc that no op reduces, from ``start`` on, leaving elements out."""
    ndim = np.ndim(x)
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = sorted(i % max(ndim, 1) for i in given)
    if len(axes) > 1 and ufunc.identity is None:
        raise ValueError(f"{name} depends on the order of elements: pass one axis")
    rest = tuple(i for i in range(ndim) if i not in axes)
    count = math.prod(np.shape(x)[i] for i in axes) if ndim else 1

    def parts(array: Any) -> list[Any]:
        moved = np.transpose(array, (*axes, *rest)) if ndim else np.reshape(array, (1,))
        return _slices(np.reshape(moved, (count, *(np.shape(array)[i] for i in rest))), 0)

    if where is not True or not count:
        start = ufunc.identity if start is None else start
    elements = parts(x)
    chosen = parts(np.broadcast_to(plain(where), np.shape(x))) if where is not True else None
    if start is None and not elements:
        raise ValueError(f"{name} of zero elements, which have no identity")
    if start is None:
        out, elements = elements[0], elements[1:]
    else:
        out = np.sum(x, axis=tuple(axes)) * 0 + x.dtype.type(start)
    for i, element in enumerate(elements):
        then = ufunc(out, element)
        out = then if chosen is None else np.where(chosen[i], then, out)
    return np.expand_dims(out, tuple(axes)) if keepdims else out


def _accumulated(ufunc: np.ufunc, name: str, x: Any, axis: int = 0, dtype: Any = None) -> Any:
    """``ufunc.accumulate``: its op if it has one, else one call of the ufunc after another."""
    op = NUMPY.get(ufunc.accumulate)
    if op is not None:
        return op(x if dtype is None else _cast(name, x, dtype), axis=axis)
    x = _promoted(ufunc, name, x, dtype)
    if not np.shape(x)[axis]:
        return x[:]
    parts = _slices(x, axis)
    totals = [parts[0]]
    for part in parts[1:]:
        totals.append(ufunc(totals[-1], part))
    return np.stack(totals, axis=axis)


def _outer(ufunc: np.ufunc, name: str, a: Any, b: Any, **rest: Any) -> Any:
    """``ufunc.outer``: every element of ``a`` with every element of ``b``."""
    a = a if hasattr(a, "reshape") else np.asarray(a)
    return _called(ufunc, name, a.reshape((*a.shape, *(1,) * np.ndim(b))), b, **rest)


def _sections(
    ufunc: np.ufunc, name: str, x: Any, indices: Any, axis: int = 0, dtype: Any = None
) -> Any:
    """``ufunc.reduceat``: the slices between one index and the next, each reduced."""
    starts = [int(i) for i in plain(indices)]
    x = np.moveaxis(x, axis, 0)
    ends = [*starts[1:], np.shape(x)[0]]
    parts = [
        _reduced(ufunc, name, x[i:j] if i < j else x[i : i + 1], 0, dtype)
        for i, j in zip(starts, ends, strict=True)
    ]
    return np.stack(parts, axis=axis)


_METHODS: dict[str, Callable[..., Array]] = {
    "__call__": _called,
    "reduce": _reduced,
    "accumulate": _accumulated,
    "outer": _outer,
    "reduceat": _sections,
}
for _function, _op in {
    np.logical_and.reduce: ops.all,
    np.logical_or.reduce: ops.any,
    np.logaddexp.reduce: ops.logsumexp,
}.items():
    NUMPY.setdefault(_function, _op)
