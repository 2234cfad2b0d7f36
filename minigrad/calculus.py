"""Functions of functions: gradients, products with Jacobians and Hessians, and these in full.

Each is made of walks of :mod:`minigrad.autodiff`. Arguments may be nested dicts, lists, tuples and
Modules.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autodiff import Cotangents, backprop
from minigrad.errors import ShapeError
from minigrad.graph import RECORDING, Node, enable_grad, no_grad
from minigrad.primitive import Array
from minigrad.tensor import Tensor, wrap


def _map(f: Callable[[Any], Any], tree: Any) -> Any:
    """Apply ``f`` to every array in nested dicts, lists and tuples."""
    if isinstance(tree, dict):
        return {key: _map(f, value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        mapped = [_map(f, value) for value in tree]
        return type(tree)(*mapped) if hasattr(tree, "_fields") else type(tree)(mapped)
    return f(tree)


def _leaves(tree: Any) -> list[Any]:
    found: list[Any] = []
    _map(found.append, tree)
    return found


def _variable(value: Any) -> Any:
    """A vertex of its own for an argument, connected to what it was made of."""
    if hasattr(value, "named_parameters"):
        return value
    if isinstance(value, Tensor) and value._node is not None:
        return ops.positive(value)
    return Tensor(value, requires_grad=True)


def _tensors(value: Any) -> Any:
    """The tensors in which an argument is differentiated: itself, or a module's parameters."""
    return dict(value.named_parameters()) if hasattr(value, "named_parameters") else value


class _Walk:
    """A graph that was recorded from variables to outputs, to be walked once or several times."""

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int]) -> None:
        arguments = list(args)
        with enable_grad():
            for i in argnums:
                arguments[i] = _map(_variable, arguments[i])
            self.out = f(*arguments)
        self.variables = [_map(_tensors, arguments[i]) for i in argnums]
        self.wanted = frozenset(t._node for v in self.variables for t in _leaves(v) if t._node)

    def pull(
        self,
        outputs: Sequence[Any],
        cotangents: Sequence[Any],
        *,
        known: frozenset[Node] = frozenset(),
        again: bool = True,
    ) -> list[Any]:
        """Return the cotangents of the variables, recorded if something outside depends on them.

        Outside is every leaf that is neither a variable nor ``known``. Unless the graph will be
        walked ``again``, its arrays are released, if only the variables can ask for them.
        """
        roots: Cotangents = {}
        for output, g in zip(outputs, cotangents, strict=True):
            if isinstance(output, Tensor) and output._node is not None:
                roots[output._node] = roots[output._node] + g if output._node in roots else g
        useful, foreign = _reaching(roots, self.wanted, known)
        tracked = any(isinstance(g, Tensor) and g._node is not None for g in cotangents)
        differentiable = RECORDING.get() and (foreign or tracked)
        for node, g in roots.items():
            plain = g._data if isinstance(g, Tensor) else g
            roots[node] = g if differentiable and isinstance(g, Tensor) else plain
            if differentiable:
                roots[node] = g if isinstance(g, Tensor) else wrap(g)
        if not differentiable:
            held = {id(g) for g in roots.values()}
            keep = again or foreign
            with no_grad():
                found = backprop(roots, useful=useful, wanted=self.wanted, keep=keep)
            for node, g in found.items():  # what is returned may be written to: nobody shares it
                found[node] = g if id(g) not in held and getattr(g, "base", 0) is None else g.copy()
                held.add(id(found[node]))
        else:
            found = backprop(
                roots, useful=useful, wanted=self.wanted, keep=True, differentiable=True
            )
        return [_map(functools.partial(_cotangent_of, found), v) for v in self.variables]


def _cotangent_of(found: Cotangents, variable: Tensor) -> Tensor:
    g = found.get(variable._node) if variable._node is not None else None
    if g is None:
        return wrap(np.zeros(variable.shape, variable.dtype))
    return g if isinstance(g, Tensor) else wrap(np.asarray(g))


def _reaching(
    roots: Iterable[Node], wanted: frozenset[Node], known: frozenset[Node]
) -> tuple[set[Node], bool]:
    """Vertices on a way from ``roots`` to ``wanted``, and whether any way leads elsewhere."""
    seen, stack, foreign = set(roots), list(roots), False
    while stack:
        node = stack.pop()
        if node in wanted:
            foreign = foreign or node.primitive is not None
            continue
        foreign = foreign or (node.primitive is None and node not in known)
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    useful: set[Node] = set()
    for node in sorted(seen, key=_serial):
        if node in wanted or any(parent in useful for parent in node.parents):
            useful.add(node)
    return useful, foreign


def _serial(node: Node) -> int:
    return node.serial


def _seed(out: Any, what: str) -> Array:
    if not isinstance(out, Tensor):
        raise TypeError(f"{what} needs a function that returns a Tensor, not {type(out).__name__}")
    if out.size != 1:
        raise ShapeError(f"{what} needs a function with one value, not shape {out.shape}")
    return np.ones(out.shape, out.dtype)


def _positions(argnums: int | Sequence[int], args: Sequence[Any]) -> tuple[int, ...]:
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in positions:
        if not -len(args) <= i < len(args):
            raise ValueError(
                f"argnums names argument {i}, but {len(args)} positional arguments were given"
            )
    return positions


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Make a function that returns ``f``'s value and its gradient.

    Args:
        f: A function with one value. Its arguments may be arrays, Tensors, nested containers of
            them, or a Module, whose parameters then are the variables.
        argnums: Which argument to differentiate with respect to; several give a tuple.
        has_aux: Whether ``f`` returns ``(value, aux)``, of which only the value is differentiated.

    The gradient is itself differentiable wherever something outside of ``f`` depends on it.

    >>> value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    (Tensor(5., dtype=float64, op=sum), Tensor([2., 4.], dtype=float64))
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        walk = _Walk(functools.partial(f, **kwargs), args, _positions(argnums, args))
        if has_aux and not (isinstance(walk.out, tuple) and len(walk.out) == 2):
            raise TypeError("has_aux=True needs a function that returns a pair (value, aux)")
        out = walk.out[0] if has_aux else walk.out
        grads = walk.pull([out], [_seed(out, "grad")], again=has_aux)
        return walk.out, grads[0] if isinstance(argnums, int) else tuple(grads)

    return wrapped


def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Make a function that returns the gradient of ``f``; see :func:`value_and_grad`.

    >>> cube = lambda x: x**3.0
    >>> grad(cube)(2.0), grad(grad(cube))(2.0)
    (Tensor(12., dtype=float64), Tensor(12., dtype=float64))
    """
    both = value_and_grad(f, argnums, has_aux)

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        out, gradient = both(*args, **kwargs)
        return (gradient, out[1]) if has_aux else gradient

    return wrapped


def _like(arrays: Sequence[Any], given: Sequence[Any], what: str) -> list[Any]:
    """Cotangents or tangents ``given`` for arrays, in their dtype; raise unless they match."""
    if len(given) != len(arrays):
        raise ValueError(f"{len(given)} {what}s were given for {len(arrays)} arrays")
    matched = []
    for array, g in zip(arrays, given, strict=True):
        if np.shape(g) != np.shape(array):
            raise ShapeError(f"a {what} of shape {np.shape(g)} for shape {np.shape(array)}")
        plain = not isinstance(g, Tensor)
        matched.append(np.asarray(g, array.dtype) if plain else g.astype(array.dtype))
    return matched


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return ``f(*primals)`` and the function that pulls a cotangent of it back to the primals.

    >>> out, pull = vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pull(np.array([1.0, 0.0]))
    (Tensor([3., 0.], dtype=float64), Tensor([1., 0.], dtype=float64))
    """
    walk = _Walk(f, primals, range(len(primals)))
    outputs = _leaves(walk.out)

    def pull(cotangent: Any) -> tuple[Any, ...]:
        """Return the cotangent of every primal."""
        cotangents = [cotangent] if isinstance(walk.out, Tensor) else _leaves(cotangent)
        return tuple(walk.pull(outputs, _like(outputs, cotangents, "cotangent")))

    return walk.out, pull


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return ``f(*primals)`` and its derivative in the direction ``tangents``.

    A vjp is linear in its cotangent, so its own vjp is the jvp: two walks, any op.

    >>> jvp(lambda x: x * x, [np.array([3.0])], [np.array([1.0])])[1]
    Tensor([6.], dtype=float64)
    """
    if not isinstance(primals, list | tuple):
        raise TypeError("jvp takes a list of primals, and one of tangents: jvp(f, [x], [v])")
    first = _Walk(f, primals, range(len(primals)))
    out = first.out
    if not isinstance(out, Tensor):
        raise TypeError("jvp needs a function that returns one Tensor")
    second = _Walk(lambda g: _leaves(first.pull([out], [g])), [np.zeros(out.shape, out.dtype)], [0])
    directions = _like(_leaves(first.variables), _leaves(list(tangents)), "tangent")
    return out, second.pull(second.out, directions, known=first.wanted)[0]


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """Return the Hessian of ``f`` times ``tangents``, at the cost of a few evaluations of ``f``.

    ``primals`` and ``tangents`` are one array, or a tuple with one for each argument.

    >>> hvp(lambda x: (x**3.0).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    Tensor([ 6., 12.], dtype=float64)
    """
    several = isinstance(primals, tuple)
    args, directions = (primals, tangents) if several else ((primals,), (tangents,))
    gradient = grad(f, argnums=range(len(args)))

    def slope(*inputs: Any) -> Any:
        slopes = _leaves(gradient(*inputs))
        pairs = zip(slopes, _like(slopes, _leaves(directions), "tangent"), strict=True)
        terms = [np.add.reduce(g * v, axis=None) for g, v in pairs]
        return functools.reduce(ops.add, terms)

    products = grad(slope, argnums=range(len(args)))(*args)
    return products if several else products[0]


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Make a function that returns all partial derivatives, of shape ``out.shape + x.shape``.

    One backward walk for each element of the output. Nested arguments give nested Jacobians, and
    so do nested outputs: ``{"y": ...}`` gives ``{"y": jacobian of y}``. Several ``argnums`` give a
    tuple.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]], dtype=float64)
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        walk = _Walk(functools.partial(f, **kwargs), args, _positions(argnums, args))
        variables = walk.variables[0] if isinstance(argnums, int) else tuple(walk.variables)
        return _map(functools.partial(_rows, walk, variables), walk.out)

    return wrapped


def _rows(walk: _Walk, variables: Any, out: Any) -> Any:
    """The Jacobian of one output of a walk in its variables."""
    if not isinstance(out, Tensor):
        raise TypeError(f"jacobian needs a function of Tensors, not of {type(out).__name__}")
    rows = []
    for i in range(out.size):
        unit = np.zeros(out.shape, out.dtype)
        unit.flat[i] = 1.0
        rows.append(_leaves(walk.pull([out], [unit])))
    columns = iter(zip(*rows, strict=True))

    def assemble(variable: Tensor) -> Tensor:
        shape = out.shape + variable.shape
        if not rows:
            return wrap(np.zeros(shape, variable.dtype))
        return ops.reshape(ops.stack(list(next(columns))), shape)

    return _map(assemble, variables)


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Make a function that returns all second derivatives, of shape ``x.shape + x.shape``.

    Several ``argnums`` give a tuple of rows, each a tuple of blocks.

    >>> hessian(lambda x: (x**3.0).sum())(np.array([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]], dtype=float64)
    """
    return jacobian(grad(f, argnums), argnums)
