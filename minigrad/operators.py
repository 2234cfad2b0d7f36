"""What makes a Tensor feel like an array: operators, methods, and NumPy's own functions.

Everything here only finds the primitive that is meant and hands it to ``__primitive__``, which a
Tensor fills with the function that records.
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from minigrad import ops
from minigrad.errors import NotDifferentiable
from minigrad.primitive import NUMPY, Array

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

_NO_PARAMS: dict[str, Any] = {}


class Operators:
    """The surface of a Tensor; only ``__primitive__`` and ``_data`` are the Tensor's own."""

    __slots__ = ()
    __primitive__: ClassVar[Callable[..., Any]]
    _data: Array

    # NumPy's protocols: np.exp(t), np.sum(t, axis=0), array + t

    __array_priority__ = 1000.0

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Interpret a NumPy ufunc, or its ``reduce``, as the primitive that differentiates it."""
        out = kwargs.pop("out", None)
        function, name = ufunc, ufunc.__name__
        if method != "__call__":
            function, name = getattr(ufunc, method), f"{name}.{method}"
        if kwargs:
            kwargs = {k: v for k, v in kwargs.items() if not _is_default(v, _UFUNC.get(k, ...))}
        if method == "reduce":
            kwargs.setdefault("axis", 0)
        if out is not None and isinstance(out[0], Operators):
            raise NotDifferentiable(_OUT)
        result = _differentiable(function, f"np.{name}")(*inputs, **kwargs)
        if out is None or result is NotImplemented:
            return result
        if result._node is not None:
            raise NotDifferentiable(_OUT)
        np.copyto(out[0], result._data, casting="same_kind")
        return out[0]

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Interpret a NumPy function as the primitive or composition that differentiates it."""
        if func in _ABOUT:
            return func(*map(_plain_index, args), **{k: _plain_index(v) for k, v in kwargs.items()})
        op = _differentiable(func, f"{func.__module__}.{func.__name__}")
        form = _form(func, op)
        if len(args) > form.alike or not kwargs.keys() <= form.own:
            args, kwargs = _translated(form, op, args, kwargs)
        return op(*args, **kwargs)

    # Python's operators

    def __add__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.add, (self, other), _NO_PARAMS)

    def __radd__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.add, (other, self), _NO_PARAMS)

    def __sub__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.subtract, (self, other), _NO_PARAMS)

    def __rsub__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.subtract, (other, self), _NO_PARAMS)

    def __mul__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.multiply, (self, other), _NO_PARAMS)

    def __rmul__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.multiply, (other, self), _NO_PARAMS)

    def __truediv__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.divide, (self, other), _NO_PARAMS)

    def __rtruediv__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.divide, (other, self), _NO_PARAMS)

    def __floordiv__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.floor_divide, (self, other), _NO_PARAMS)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.floor_divide, (other, self), _NO_PARAMS)

    def __mod__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.remainder, (self, other), _NO_PARAMS)

    def __rmod__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.remainder, (other, self), _NO_PARAMS)

    def __pow__(self, other: Any) -> Tensor:
        if other.__class__ is int and other == 2:
            return self.__primitive__(ops.square, (self,), _NO_PARAMS)
        return self.__primitive__(ops.power, (self, other), _NO_PARAMS)

    def __rpow__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.power, (other, self), _NO_PARAMS)

    def __matmul__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.matmul, (self, other), _NO_PARAMS)

    def __rmatmul__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.matmul, (other, self), _NO_PARAMS)

    def __neg__(self) -> Tensor:
        return self.__primitive__(ops.negative, (self,), _NO_PARAMS)

    def __pos__(self) -> Tensor:
        return self.__primitive__(ops.positive, (self,), _NO_PARAMS)

    def __abs__(self) -> Tensor:
        return self.__primitive__(ops.absolute, (self,), _NO_PARAMS)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return self.__primitive__(ops.equal, (self, other), _NO_PARAMS)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return self.__primitive__(ops.not_equal, (self, other), _NO_PARAMS)

    def __lt__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.less, (self, other), _NO_PARAMS)

    def __le__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.less_equal, (self, other), _NO_PARAMS)

    def __gt__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.greater, (self, other), _NO_PARAMS)

    def __ge__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.greater_equal, (self, other), _NO_PARAMS)

    def __and__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.bitwise_and, (self, other), _NO_PARAMS)

    def __or__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.bitwise_or, (self, other), _NO_PARAMS)

    def __xor__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.bitwise_xor, (self, other), _NO_PARAMS)

    def __rand__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.bitwise_and, (other, self), _NO_PARAMS)

    def __ror__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.bitwise_or, (other, self), _NO_PARAMS)

    def __rxor__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.bitwise_xor, (other, self), _NO_PARAMS)

    def __invert__(self) -> Tensor:
        return self.__primitive__(ops.bitwise_not, (self,), _NO_PARAMS)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Tensor:
        return self.__primitive__(ops.getitem, (self,), {"index": _plain_index(index)})

    def __setitem__(self, index: Any, value: Any) -> None:
        raise NotDifferentiable(
            "t[i] = v would change what the graph has recorded. Instead:\n"
            "  t = mg.set_at(t, i, v)              # a new tensor with v at i\n"
            "  t = mg.where(mask, v, t)            # v where a mask holds\n"
            "  t = mg.concatenate([t[:i], v, t[j:]])  # v in the place of t[i:j]"
        )

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self._data)))

    def __contains__(self, value: Any) -> bool:
        return value in self._data

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        return float(self._data.item())

    def __int__(self) -> int:
        return int(self._data.item())

    def __index__(self) -> int:
        return operator.index(self._data)

    # Methods that NumPy and PyTorch users expect

    sum, mean, max, min = ops.sum, ops.mean, ops.max, ops.min
    prod, var, std = ops.prod, ops.var, ops.std
    any, all = ops.any, ops.all
    argmax, argmin, argsort, sort = ops.argmax, ops.argmin, ops.argsort, ops.sort
    exp, log, sqrt, square, tanh = ops.exp, ops.log, ops.sqrt, ops.square, ops.tanh
    sigmoid, relu, abs, clip = ops.sigmoid, ops.relu, ops.absolute, ops.clip
    sin, cos, logsumexp = ops.sin, ops.cos, ops.logsumexp
    astype, swapaxes, squeeze, ravel = ops.astype, ops.swapaxes, ops.squeeze, ops.ravel
    dot, flatten = ops.dot, ops.ravel

    def reshape(self, *shape: Any, order: str = "C") -> Tensor:
        """Return the same elements in another shape, as ``t.reshape(2, 3)`` or with a tuple."""
        if order != "C":
            raise TypeError(f"reshape() of a Tensor knows order='C' only, not {order!r}")
        if len(shape) == 1:
            shape = shape[0]
        return self.__primitive__(ops.reshape, (self,), {"shape": shape})

    def transpose(self, *axes: Any) -> Tensor:
        """Return the axes in another order, reversed by default."""
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = axes[0]
        return self.__primitive__(ops.transpose, (self,), {"axes": axes or None})


def _plain_index(index: Any) -> Any:
    """An index with its Tensors (of integers or booleans) and lists as arrays."""
    if isinstance(index, tuple):
        return tuple(map(_plain_index, index))
    if isinstance(index, Operators):
        return index._data
    return np.asarray(index) if isinstance(index, list) and index else index


_ABOUT = frozenset({np.shape, np.ndim, np.size, np.result_type, np.array_equal, np.allclose})
_ABOUT |= {np.isclose, np.zeros_like, np.ones_like, np.full_like, np.empty_like}
_ABOUT |= {np.array_equiv, np.iscomplexobj, np.isrealobj}
_OUT = (
    "out= (and array += tensor) writes where nothing is recorded: use the result instead, "
    "such as a = a + t"
)


def _differentiable(function: Any, name: str) -> Callable[..., Any]:
    """The primitive or composition that differentiates a NumPy function."""
    op = NUMPY.get(function)
    if op is None:
        raise NotDifferentiable(
            f"{name.replace('numpy.', 'np.')} has no gradient rule in minigrad, so it can't be "
            "applied to a Tensor: use t.numpy() to leave the graph, or compose it of mg.ops"
        )
    return op


_UFUNC = {"dtype": None, "where": True, "casting": "same_kind", "order": "K", "subok": True}
_OTHERWISE = {"correction": "ddof"}


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
                raise NotDifferentiable(_OUT)
            known = ", ".join(sorted(form.own)) or "none"
            raise TypeError(f"{op.__name__}() has no parameter {name!r}; it has {known}")
    inputs = [params.pop(name) for name in form.inputs if name in params]
    return (*inputs, *args[len(form.names) :]), params


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (value.__class__ in (str, bool) and value == default)
