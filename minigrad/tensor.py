"""The Tensor, and the one place where anything is recorded.

A :class:`Tensor` is an array and, if a gradient is wanted, a :class:`Node`: the vertex of the graph
that made it. Nodes point to the nodes of their inputs, never back and never to a Tensor, so a graph
that nobody holds is freed at once, however deep it is.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar, Self

import numpy as np

from minigrad import ops
from minigrad.errors import (
    BackwardError,
    DTypeError,
    NotDifferentiable,
    Operand,
    ShapeError,
    broadcast_message,
    matmul_message,
)
from minigrad.primitive import NUMPY, Array, Plan, Primitive

RECORDING: ContextVar[bool] = ContextVar("recording", default=True)
SCOPE: ContextVar[Scope | None] = ContextVar("scope", default=None)
SERIAL = itertools.count()

_new = object.__new__
_ndarray = np.ndarray
_NO_PARAMS: dict[str, Any] = {}
_AS_IS = frozenset({np.ndarray, int, float, bool, type(None)})


class Scope:
    """Where in a model ops are recorded: a module's call, or a composite such as ``softmax``.

    ``label`` is a name and a title such as ``Linear(4 → 3)``, and for a module a weak reference to
    it: one tuple, made once, because a scope is made at every call.
    """

    __slots__ = ("label", "parent")

    def __init__(self, label: tuple[Any, ...], parent: Scope | None) -> None:
        self.label, self.parent = label, parent

    @property
    def name(self) -> str:
        """Name relative to the parent."""
        return self.label[0]

    @property
    def title(self) -> str:
        """What it is; empty for a function."""
        return self.label[1]

    @property
    def path(self) -> str:
        """The dotted names from the outermost scope to this one."""
        return f"{self.parent.path}.{self.name}" if self.parent else self.name

    def __repr__(self) -> str:
        return f"{self.path} ({self.title})" if self.title else self.path


class Node:
    """A vertex of the graph: the call of a primitive, or a leaf (``primitive`` is None).

    Attributes:
        plan: How its rules are run; None for a leaf.
        parents: For each input the node that made it, or None for a constant.
        kept: What the rules asked for, in the order of ``plan.sources``; None once released. A
            leaf keeps its own array.
        params: Static parameters of the call.
        serial: Creation number; the order of serials is a topological order.
        scope: Where in the model it was recorded.
        names: What Tensors were called: of this node at -1, of its constants at their positions.
        owner: Weak reference to the Tensor whose ``.grad`` backward fills.
        mutated: For a leaf, the serial at which its array was last changed in place.
    """

    __slots__ = (
        "dtype",
        "hooks",
        "kept",
        "mutated",
        "names",
        "owner",
        "params",
        "parents",
        "plan",
        "scope",
        "serial",
        "shape",
    )
    plan: Plan | None
    parents: Sequence[Node | None]
    kept: tuple[Any, ...] | None
    params: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    serial: int
    scope: Scope | None
    names: dict[int, str] | None
    owner: weakref.ref[Tensor] | None
    hooks: list[Callable[[Tensor], Any]] | None
    mutated: int

    @property
    def primitive(self) -> Primitive[...] | None:
        """The op that was called; None for a leaf."""
        return self.plan.primitive if self.plan is not None else None

    @property
    def name(self) -> str | None:
        """The name that a user gave the Tensor of this node."""
        return self.names.get(-1) if self.names else None

    def __repr__(self) -> str:
        op = self.primitive.name if self.primitive else "leaf"
        return f"<node {self.serial} {op} {self.shape}>"


def asarray(data: Any) -> Array:
    """Return ``data`` as it is if it speaks NumPy's protocols, else as a new NumPy array."""
    kind = type(data)
    if kind is np.ndarray or isinstance(data, np.generic):
        return data
    if not isinstance(data, np.ndarray) and hasattr(kind, "__array_function__"):
        return data
    if isinstance(data, np.ma.MaskedArray):
        raise DTypeError("a masked array would lose its mask: use .filled(value), or mg.where")
    array = np.asarray(data)  # a np.matrix, too: its * is not the product that rules mean
    if array.dtype.kind == "O":
        raise DTypeError(f"a Tensor holds numbers, not dtype object (of a {kind.__name__})")
    return array


def record(primitive: Primitive[...], args: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
    """Run a primitive on the arrays in ``args`` and, if a gradient is wanted, record the call."""
    values: Sequence[Any]
    parents: Sequence[Node | None]
    if len(args) == 1:  # one input is a Tensor, or nobody would have called
        values, parents = (args[0]._data,), (args[0]._node,)
        key = 2 if parents[0] is None else 3
    else:
        values, parents, key = _unwrapped(args)
    try:
        out = primitive.kernel(*values, **params) if params else primitive.kernel(*values)
    except Exception as error:
        raise explained(error, primitive, args, values) from error
    if out.__class__ is not _ndarray:
        out = np.asarray(out) if isinstance(out, np.generic) else asarray(out)
    tensor = _new(Tensor)
    tensor.grad = tensor._name = None
    try:
        plan = primitive.plans[key]
    except KeyError:
        plan = primitive.plan(key)
    if plan.pulls and RECORDING.get():
        if out is values[0]:
            out = out.view()
        out.setflags(False)  # what a graph needs may not change: a write raises where it is made
        tensor._node = node = _new(Node)
        node.plan = plan
        node.parents = parents
        node.params = params
        node.serial = next(SERIAL)
        node.scope = SCOPE.get()
        node.owner = node.hooks = node.names = None
        node.shape = out.shape
        node.dtype = out.dtype
        node.kept = plan.keep(values, out)
        if plan.constants:
            node.names = _names(args)
    else:
        tensor._node = None
    tensor._data = out
    return tensor


def _unwrapped(
    args: tuple[Any, ...],
) -> tuple[Sequence[Any], Sequence[Node | None], int]:
    """Part arguments into arrays and the nodes that made them, and say which have one.

    The last is the key of a plan: bit *i* for input *i*, and one bit above them all.
    """
    if len(args) == 2:  # unrolled, since the loop costs as much as a small NumPy call
        a, b = args
        if isinstance(a, Tensor):
            left = a._node
            key = 4 if left is None else 5
            if isinstance(b, Tensor):
                right = b._node
                return (a._data, b._data), (left, right), key if right is None else key + 2
            if b.__class__ in _AS_IS:
                return (a._data, b), (left, None), key
    values: list[Any] = []
    parents: list[Node | None] = []
    key, bit = 0, 1
    for arg in args:
        if isinstance(arg, Tensor):
            values.append(arg._data)
            parents.append(arg._node)
            if arg._node is not None:
                key += bit
        else:
            values.append(arg if arg.__class__ in _AS_IS else asarray(arg))
            parents.append(None)
        bit += bit
    return values, parents, key + bit


def _names(args: tuple[Any, ...]) -> dict[int, str] | None:
    """Names of the constants among the arguments, by position."""
    names = None
    for i, arg in enumerate(args):
        if isinstance(arg, Tensor) and arg._node is None and arg._name is not None:
            names = {**(names or {}), i: arg._name}
    return names


def explained(
    error: Exception, primitive: Primitive[...], args: tuple[Any, ...], values: Sequence[Any]
) -> Exception:
    """Return a kernel's error with the operands, their shapes and the module path told."""
    inputs = primitive.inputs * len(args) if primitive.variadic else primitive.inputs
    operands = []
    for i, (value, arg, name) in enumerate(zip(values, args, inputs, strict=False)):
        own = arg.name if isinstance(arg, Tensor) else None
        label = own or (f"{name}[{i}]" if primitive.variadic else name)
        operands.append(Operand(label, np.shape(value), str(getattr(value, "dtype", ""))))
    scope = SCOPE.get()
    where = f"\n  in {scope}" if scope else ""
    shapes = isinstance(error, ValueError | AttributeError) and not isinstance(error, ShapeError)
    if shapes and len(operands) > 1:
        message = None
        if primitive is ops.matmul:
            message = matmul_message(*operands)
        elif isinstance(primitive.kernel, np.ufunc) or primitive.name in ("where", "clip"):
            message = broadcast_message(primitive.name, operands)
        if message:
            shape_error = ShapeError(message + where)
            shape_error.operands = tuple(operands)
            return shape_error
    signature = ", ".join(f"{operand} {operand.dtype}".rstrip() for operand in operands)
    error.add_note(f"  while computing {primitive.name}({signature}){where}")
    return error


def leaf(owner: Tensor) -> Node:
    """Make the vertex at which gradients of ``owner`` are collected."""
    node = _new(Node)
    node.plan = node.scope = node.hooks = None
    node.parents, node.params, node.names = (), _NO_PARAMS, None
    node.kept, node.shape, node.dtype = (owner._data,), owner._data.shape, owner._data.dtype
    node.serial, node.mutated, node.owner = next(SERIAL), -1, weakref.ref(owner)
    return node


def wrap(data: Array, node: Node | None = None) -> Tensor:
    """Make a Tensor of an array and the vertex that made it, unchecked."""
    tensor = _new(Tensor)
    tensor._data, tensor._node, tensor.grad, tensor._name = data, node, None, None
    return tensor


def rebind(tensor: Tensor, array: Array) -> None:
    """Give a leaf a new array of the same shape and dtype; graphs keep the one they used."""
    tensor._data = array
    if tensor._node is not None:
        tensor._node.kept = (array,)


class Tensor:
    """An array that can record what is done with it.

    Args:
        data: Anything NumPy can make an array of; an array is wrapped, not copied.
        requires_grad: Whether gradients with respect to it are wanted.
        dtype: Converts to this dtype; by default NumPy's choice (Python numbers give float64).
        name: What graphs and errors call it.

    Raises:
        DTypeError: If it is not numeric, or a gradient is wanted of a dtype that is not floating.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    Tensor([2., 4.], dtype=float64)
    """

    __slots__ = ("__weakref__", "_data", "_name", "_node", "grad")
    _data: Array
    _node: Node | None
    _name: str | None
    grad: Tensor | None

    def __init__(
        self,
        data: Any,
        requires_grad: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        if isinstance(data, Tensor):
            data = data._data
        array = asarray(data)
        if dtype is not None and array.dtype != dtype:
            array = array.astype(dtype)
        if isinstance(array, np.generic):
            array = np.asarray(array)
        if array.dtype.kind not in "biufc":
            raise DTypeError(f"a Tensor holds numbers, not dtype {array.dtype}")
        self._data, self._node, self._name, self.grad = array, None, name, None
        if requires_grad:
            self.requires_grad = True

    # What it holds

    @property
    def data(self) -> Array:
        """The array itself. Assigning replaces it and keeps no history.

        A result of a recorded op is read-only; a leaf may be changed in place (``w.data -= step``)
        once no backward pass needs its old value any more.
        """
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        array = value._data if isinstance(value, Tensor) else np.asarray(asarray(value))
        node = self._node
        if array.dtype.kind not in ("biufc" if node is None else "f"):
            raise DTypeError(f"data of dtype {array.dtype} for a tensor of dtype {self.dtype}")
        if node is not None:
            if node.primitive is not None:
                raise BackwardError("data of a recorded result is fixed; detach() it first")
            if array.shape != node.shape:
                raise ShapeError(f"data of shape {array.shape} for a tensor of shape {node.shape}")
            if array is self._data:
                node.mutated = next(SERIAL)
            node.kept, node.dtype = (array,), array.dtype
        self._data = array

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it: a leaf that asks for them, or a result of one that does."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self._node is None:
            if self._data.dtype.kind != "f":
                raise DTypeError(
                    f"only floating dtypes have gradients, not {self._data.dtype}: "
                    "pass dtype=float or use .astype(float)"
                )
            self._node = leaf(self)
            self.name = self._name
        elif not value and self._node is not None:
            if self._node.primitive is not None:
                raise BackwardError("requires_grad of a recorded result is fixed; detach() it")
            self._node = None

    @property
    def name(self) -> str | None:
        """What graphs and errors call it."""
        return self._name

    @name.setter
    def name(self, value: str | None) -> None:
        self._name = value
        if self._node is not None and value is not None:
            self._node.names = {**(self._node.names or {}), -1: value}

    @property
    def node(self) -> Node | None:
        """The vertex of the graph that made it, or None where nothing was recorded."""
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made it."""
        return self._node is None or self._node.primitive is None

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._data.dtype

    @property
    def T(self) -> Tensor:  # noqa: N802
        """Axes reversed."""
        return record(ops.transpose, (self,), {"axes": None})

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The last two axes interchanged: the transpose of a stack of matrices."""
        return record(ops.swapaxes, (self,), {"axis1": -1, "axis2": -2})

    def numpy(self) -> Array:
        """Return the array: the way out of the graph.

        >>> Tensor([1.0, 2.0]).numpy()
        array([1., 2.])
        """
        return self._data

    def item(self) -> Any:
        """Return the one element as a Python number."""
        return self._data.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers."""
        return self._data.tolist()

    def detach(self) -> Tensor:
        """Return the same array as a constant: no gradient passes.

        >>> Tensor([1.0], requires_grad=True).detach()
        Tensor([1.], dtype=float64)
        """
        return wrap(self._data)

    def copy(self) -> Tensor:
        """Return a copy that gradients pass through."""
        return ops.positive(self)

    # Gradients

    backward: ClassVar[Callable[..., None]]  # minigrad.autodiff sets it: it walks the graph

    def zero_grad(self) -> None:
        """Forget the gradient collected so far."""
        self.grad = None

    def retain_grad(self) -> None:
        """Have backward fill ``.grad`` although this is not a leaf."""
        if self._node is None:
            raise BackwardError("retain_grad() of a tensor that requires no gradient")
        if self._node.owner is None:
            self._node.owner = weakref.ref(self)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Callable[[], None]:
        """Call ``hook(cotangent)`` when backward gets here; what it returns replaces the cotangent.

        Returns a function that removes the hook.
        """
        if self._node is None:
            raise BackwardError("register_hook() of a tensor that requires no gradient")
        node = self._node
        node.hooks = [*(node.hooks or []), hook]

        def remove() -> None:
            node.hooks = [h for h in node.hooks or [] if h is not hook] or None

        return remove

    # NumPy's protocols: np.exp(t), np.sum(t, axis=0), array + t

    __primitive__ = staticmethod(record)
    __array_priority__ = 1000.0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Convert to a NumPy array, which a tensor that requires a gradient refuses."""
        if self._node is not None:
            raise NotDifferentiable(
                "a NumPy array of a tensor that requires a gradient would leave the graph silently:"
                " use t.numpy() to leave it, or a NumPy function that has a gradient"
            )
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Interpret a NumPy ufunc, or its ``reduce``, as the primitive that differentiates it."""
        out = kwargs.pop("out", None)
        function, name = ufunc, ufunc.__name__
        if method != "__call__":
            function, name = getattr(ufunc, method), f"{name}.{method}"
        if method == "reduce":
            kwargs.setdefault("axis", 0)
        if out is not None and isinstance(out[0], Tensor):
            raise NotDifferentiable(_OUT)
        result = _dispatch(function, f"np.{name}", inputs, kwargs)
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
        for unused in ("out", "dtype"):
            if kwargs.get(unused, 0) is None:
                kwargs = {k: v for k, v in kwargs.items() if k != unused}
        if "out" in kwargs:
            raise NotDifferentiable(_OUT)
        return _dispatch(func, f"{func.__module__}.{func.__name__}", args, kwargs)

    # Python's operators

    def __add__(self, other: Any) -> Tensor:
        return record(ops.add, (self, other), _NO_PARAMS)

    def __radd__(self, other: Any) -> Tensor:
        return record(ops.add, (other, self), _NO_PARAMS)

    def __sub__(self, other: Any) -> Tensor:
        return record(ops.subtract, (self, other), _NO_PARAMS)

    def __rsub__(self, other: Any) -> Tensor:
        return record(ops.subtract, (other, self), _NO_PARAMS)

    def __mul__(self, other: Any) -> Tensor:
        return record(ops.multiply, (self, other), _NO_PARAMS)

    def __rmul__(self, other: Any) -> Tensor:
        return record(ops.multiply, (other, self), _NO_PARAMS)

    def __truediv__(self, other: Any) -> Tensor:
        return record(ops.divide, (self, other), _NO_PARAMS)

    def __rtruediv__(self, other: Any) -> Tensor:
        return record(ops.divide, (other, self), _NO_PARAMS)

    def __floordiv__(self, other: Any) -> Tensor:
        return record(ops.floor_divide, (self, other), _NO_PARAMS)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return record(ops.floor_divide, (other, self), _NO_PARAMS)

    def __mod__(self, other: Any) -> Tensor:
        return record(ops.remainder, (self, other), _NO_PARAMS)

    def __rmod__(self, other: Any) -> Tensor:
        return record(ops.remainder, (other, self), _NO_PARAMS)

    def __pow__(self, other: Any) -> Tensor:
        if other.__class__ is int and other == 2:
            return record(ops.square, (self,), _NO_PARAMS)
        return record(ops.power, (self, other), _NO_PARAMS)

    def __rpow__(self, other: Any) -> Tensor:
        return record(ops.power, (other, self), _NO_PARAMS)

    def __matmul__(self, other: Any) -> Tensor:
        return record(ops.matmul, (self, other), _NO_PARAMS)

    def __rmatmul__(self, other: Any) -> Tensor:
        return record(ops.matmul, (other, self), _NO_PARAMS)

    def __neg__(self) -> Tensor:
        return record(ops.negative, (self,), _NO_PARAMS)

    def __pos__(self) -> Tensor:
        return record(ops.positive, (self,), _NO_PARAMS)

    def __abs__(self) -> Tensor:
        return record(ops.absolute, (self,), _NO_PARAMS)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return record(ops.equal, (self, other), _NO_PARAMS)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return record(ops.not_equal, (self, other), _NO_PARAMS)

    def __lt__(self, other: Any) -> Tensor:
        return record(ops.less, (self, other), _NO_PARAMS)

    def __le__(self, other: Any) -> Tensor:
        return record(ops.less_equal, (self, other), _NO_PARAMS)

    def __gt__(self, other: Any) -> Tensor:
        return record(ops.greater, (self, other), _NO_PARAMS)

    def __ge__(self, other: Any) -> Tensor:
        return record(ops.greater_equal, (self, other), _NO_PARAMS)

    def __and__(self, other: Any) -> Tensor:
        return record(ops.bitwise_and, (self, other), _NO_PARAMS)

    def __or__(self, other: Any) -> Tensor:
        return record(ops.bitwise_or, (self, other), _NO_PARAMS)

    def __xor__(self, other: Any) -> Tensor:
        return record(ops.bitwise_xor, (self, other), _NO_PARAMS)

    def __invert__(self) -> Tensor:
        return record(ops.bitwise_not, (self,), _NO_PARAMS)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Tensor:
        return record(ops.getitem, (self,), {"index": _plain_index(index)})

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

    def reshape(self, *shape: Any) -> Tensor:
        """Return the same elements in another shape: ``t.reshape(2, 3)`` or ``t.reshape((2, 3))``."""
        if len(shape) == 1:
            shape = shape[0]
        return record(ops.reshape, (self,), {"shape": shape})

    def transpose(self, *axes: Any) -> Tensor:
        """Return the axes in another order, reversed by default."""
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = axes[0]
        return record(ops.transpose, (self,), {"axes": axes or None})

    # How it shows itself

    def __repr__(self) -> str:
        text = np.array2string(
            self._data, separator=", ", prefix="Tensor(", threshold=100, max_line_width=88
        )
        if len(text) > 700:
            text = text[:700] + " ...]"
        parts = [text, f"dtype={self._data.dtype}"]
        if self._data.size > 100:
            parts.append(f"shape={self.shape}")
        if self._name is not None:
            parts.append(f"name={self._name[:80]!r}")
        if self._node is not None:
            primitive = self._node.primitive
            parts.append(f"op={primitive.name}" if primitive else "requires_grad=True")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __format__(self, spec: str) -> str:
        return format(self._data.item() if spec and self._data.size == 1 else repr(self), spec)

    def __reduce__(self) -> Any:
        return _restore, (type(self), self._data, self.requires_grad, self._name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = _restore(type(self), self._data.copy(), self.requires_grad, self._name)
        memo[id(self)] = copied
        return copied  # type: ignore[return-value]


def _restore(kind: type[Tensor], data: Array, requires_grad: bool, name: str | None) -> Tensor:
    """Make a Tensor again of what pickling and copying keep: all but the history."""
    tensor = _new(kind)
    Tensor.__init__(tensor, data, requires_grad, name=name)
    return tensor


def _plain_index(index: Any) -> Any:
    """An index with its Tensors (of integers or booleans) and lists as arrays."""
    if isinstance(index, tuple):
        return tuple(map(_plain_index, index))
    if isinstance(index, Tensor):
        return index._data
    return np.asarray(index) if isinstance(index, list) and index else index


_ABOUT = frozenset({np.shape, np.ndim, np.size, np.result_type, np.array_equal, np.allclose})
_ABOUT |= {np.isclose, np.zeros_like, np.ones_like, np.full_like, np.empty_like}
_OUT = (
    "out= (and array += tensor) writes where nothing is recorded: use the result instead, "
    "such as a = a + t"
)


def _dispatch(function: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
    op = NUMPY.get(function)
    if op is None:
        raise NotDifferentiable(
            f"{name.replace('numpy.', 'np.')} has no gradient rule in minigrad, so it can't be "
            "applied to a Tensor: use t.numpy() to leave the graph, or compose it of mg.ops"
        )
    return op(*args, **kwargs)


def tensor(
    data: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None
) -> Tensor:
    """Make a :class:`Tensor`; the same as calling the class.

    >>> tensor([1, 2])
    Tensor([1, 2], dtype=int64)
    """
    return Tensor(data, requires_grad, dtype, name)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside the block; also a decorator. Other threads and tasks are unaffected.

    >>> x = Tensor(1.0, requires_grad=True)
    >>> with no_grad():
    ...     (x * 2).requires_grad
    False
    """
    token = RECORDING.set(False)
    try:
        yield
    finally:
        RECORDING.reset(token)


@contextlib.contextmanager
def enable_grad() -> Iterator[None]:
    """Record inside the block, also within ``no_grad``.

    >>> x = Tensor(1.0, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     (x * 2).requires_grad
    True
    """
    token = RECORDING.set(True)
    try:
        yield
    finally:
        RECORDING.reset(token)


@contextlib.contextmanager
def scope(name: str, title: str = "") -> Iterator[Scope]:
    """Group what is recorded inside the block under ``name`` in drawings, errors and emitted code.

    >>> with scope("encoder"), scope("attention") as inner:
    ...     inner.path
    'encoder.attention'
    """
    inner = Scope((name, title), SCOPE.get())
    token = SCOPE.set(inner)
    try:
        yield inner
    finally:
        SCOPE.reset(token)
