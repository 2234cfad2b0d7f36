"""The Tensor, and the one place where anything is recorded.

A :class:`Tensor` is an array and, if a gradient is wanted, a :class:`Node`: the vertex of the graph
that made it. Nodes point to the nodes of their inputs, never back and never to a Tensor, so a graph
that nobody holds is freed at once, however deep it is.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from minigrad import ops
from minigrad.errors import BackwardError, DTypeError, NotDifferentiable, ShapeError
from minigrad.explain import explained, silent_array
from minigrad.graph import RECORDING, SERIAL, Node, asarray, leaf
from minigrad.hooks import Handle
from minigrad.operators import Operators
from minigrad.primitive import Array, Primitive
from minigrad.scopes import current_scope

_new = object.__new__
_ndarray = np.ndarray
_recording = RECORDING.get  # bound, as current_scope is
_AS_IS = frozenset({np.ndarray, int, float, bool, type(None)})


def record(primitive: Primitive[...], args: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
    """Run a primitive on the arrays in ``args`` and, if a gradient is wanted, record the call."""
    values: Sequence[Any]
    parents: Sequence[Node | None]
    constant = False  # whether some Tensor among the inputs is one, which may have a name
    if len(args) == 1:  # one input is a Tensor, or nobody would have called
        (tensor,) = args
        values, parents = (tensor._data,), (tensor._node,)
        key = 2 if parents[0] is None else 3
    elif len(args) == 2:  # unrolled, since the loop costs as much as a small NumPy call
        a, b = args
        if isinstance(a, Tensor):
            x, left = a._data, a._node
            constant = left is None
        else:
            x, left = a if a.__class__ in _AS_IS else asarray(a), None
        if isinstance(b, Tensor):
            y, right = b._data, b._node
            constant = constant or right is None
        else:
            y, right = b if b.__class__ in _AS_IS else asarray(b), None
        values, parents = (x, y), (left, right)
        key = (4 if left is None else 5) if right is None else 6 if left is None else 7
    else:
        values, parents, key = _unwrapped(args)
        constant = True
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
    if plan.pulls and _recording():
        if out is values[0]:
            out = out.view()
        out.setflags(False)  # what a graph needs may not change: a write raises where it is made
        tensor._node = node = Node()
        node.plan = plan
        keep = plan.keep
        node.parents = parents
        node.params = params
        node.serial = next(SERIAL)
        node.scope = current_scope()
        node.owner = node.hooks = None
        node.shape = out.shape
        node.dtype = out.dtype
        node.kept = keep(values, out) if keep is not None else ()
        node.names = _names(args) if constant else None
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


def wrap(data: Array, node: Node | None = None) -> Tensor:
    """Make a Tensor of an array and the vertex that made it, unchecked."""
    tensor = _new(Tensor)
    tensor._data, tensor._node, tensor.grad, tensor._name = data, node, None, None
    return tensor


def rebind(tensor: Tensor, array: Array) -> None:
    """Give a leaf a new array of the same shape and dtype; graphs keep the one they used."""
    tensor._data, node = array, tensor._node
    if node is not None:
        node.kept = (array,)


class Tensor(Operators):
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
        return wrap(self._data.copy()) if self._node is None else ops.positive(self)

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

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """Call ``hook(cotangent)`` when backward gets here; what it returns replaces the cotangent.

        Returns a handle: its ``remove()``, or calling it, removes the hook.
        """
        node = self._node
        if node is None:
            raise BackwardError("register_hook() of a tensor that requires no gradient")
        node.hooks = [*(node.hooks or []), hook]
        return Handle(node, hook)

    # Leaving for NumPy, and the hand-over from the operators and NumPy's functions

    __primitive__ = staticmethod(record)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Convert to a NumPy array, which a tensor that requires a gradient refuses."""
        if self._node is not None:
            raise NotDifferentiable(silent_array(sys._getframe(1)))
        return np.array(self._data, dtype=dtype, copy=copy)

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


def tensor(
    data: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None
) -> Tensor:
    """Make a :class:`Tensor`; the same as calling the class.

    >>> tensor([1, 2])
    Tensor([1, 2], dtype=int64)
    """
    return Tensor(data, requires_grad, dtype, name)
