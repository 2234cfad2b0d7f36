"""What makes a Tensor feel like an array: operators, methods, and NumPy's own functions.

Everything here only finds the primitive that is meant and hands it to ``__primitive__``, which a
Tensor fills with the function that records.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from minigrad import ops
from minigrad.dispatch import call_function, call_ufunc
from minigrad.errors import DTypeError, NotDifferentiable
from minigrad.explain import silent_exit
from minigrad.graph import MASKED
from minigrad.names import advice
from minigrad.primitive import Array

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

_NO_PARAMS: dict[str, Any] = {}


@functools.lru_cache(maxsize=1024)
def _advice(name: str, owner: str) -> str:
    """What to write instead; kept, since whoever probes by ``hasattr`` would wait for it again."""
    public = vars(sys.modules.get("minigrad", ops)).get("__all__", ())  # if imported by now
    return advice(name, owner, () if name[:1] == "_" else public)


class Operators:
    """The surface of a Tensor; only ``__primitive__`` and ``_data`` are the Tensor's own."""

    __slots__ = ()
    __primitive__: ClassVar[Callable[..., Any]]
    _data: Array
    _node: Any

    # NumPy's protocols: np.exp(t), np.sum(t, axis=0), array + t

    __array__: Callable[..., Any]
    __array_priority__ = 1000.0

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Interpret a NumPy ufunc, or one of its methods, as the op that differentiates it."""
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, func: Callable[..., Any], types: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Interpret a NumPy function as the primitive or composition that differentiates it."""
        return call_function(func, args, kwargs)

    @property
    def _mask(self) -> Any:
        # NumPy's masked arrays take _data and _mask of their operand, and so past the graph.
        if self._node is None:
            raise AttributeError("_mask")
        raise DTypeError(MASKED)

    if not TYPE_CHECKING:  # a type checker is to say itself that an attribute is unknown

        def __getattr__(self, name: str) -> Any:
            """Say what an attribute that does not exist is called here; runs on failure only."""
            raise AttributeError(_advice(name, f"a {type(self).__name__}"), name=name, obj=self)

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

    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return other // self, other % self

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

    def __lshift__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.left_shift, (self, other), _NO_PARAMS)

    def __rlshift__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.left_shift, (other, self), _NO_PARAMS)

    def __rshift__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.right_shift, (self, other), _NO_PARAMS)

    def __rrshift__(self, other: Any) -> Tensor:
        return self.__primitive__(ops.right_shift, (other, self), _NO_PARAMS)

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

    def __dlpack__(self, **options: Any) -> Any:
        return self.__array__().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._data.__dlpack_device__()

    def __contains__(self, value: Any) -> bool:
        return value in self._data

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        if self._node is not None:
            message = silent_exit(sys._getframe(1))
            if message:
                raise NotDifferentiable(message)
        return float(self._data.item())

    def __int__(self) -> int:
        return int(self._data.item())

    def __index__(self) -> int:
        return operator.index(self._data)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self._data.item()) if digits is None else ops.round(self, digits)

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
    cumsum, cumprod, diagonal, trace = ops.cumsum, ops.cumprod, ops.diagonal, ops.trace
    take, repeat, nonzero, searchsorted = ops.take, ops.repeat, ops.nonzero, ops.searchsorted
    take, repeat, round, nonzero = ops.take, ops.repeat, ops.round, ops.nonzero
    argpartition, searchsorted, choose = ops.argpartition, ops.searchsorted, ops.choose
    conj = conjugate = ops.conjugate

    def compress(self, condition: Any, axis: int | None = None) -> Tensor:
        """Return the slices along ``axis`` where the condition holds."""
        return ops.compress(condition, self, axis)

    @property
    def real(self) -> Tensor:
        """Real part: the tensor itself, if it is real."""
        return ops.real(self)

    @property
    def imag(self) -> Tensor:
        """Imaginary part."""
        return ops.imag(self)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._data.nbytes

    @property
    def flags(self) -> Any:
        """How the array lies in memory; what a graph has recorded is not writeable."""
        return self._data.flags

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one element to the next along each axis."""
        return self._data.strides

    def reshape(self, *shape: Any, order: str = "C") -> Tensor:
        """Return the same elements in another shape, as ``t.reshape(2, 3)`` or with a tuple."""
        if len(shape) == 1:
            shape = shape[0]
        return self.__primitive__(ops.reshape, (self,), {"shape": shape, "order": order})

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
