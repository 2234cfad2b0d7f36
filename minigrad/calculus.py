"""Functions of functions: gradients, products with Jacobians and Hessians, and these in full.

Each is made of the walks of :mod:`minigrad.walks`. Arguments and results may be nested dicts,
lists, tuples, named tuples and dataclasses; an argument may also be a Module.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from minigrad import ops
from minigrad.batching import Batched, vmap
from minigrad.primitive import Array
from minigrad.tensor import Tensor, wrap
from minigrad.trees import leaves, mapped, rebuilt
from minigrad.walks import Walk, like, positions, seed_of

Argnums = int | Sequence[int]
Mode = Literal["auto", "reverse", "forward"]


def _pair(out: Any, has_aux: bool) -> tuple[Any, Any]:
    """What a function returned as ``(value, aux)``."""
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple) and len(out) == 2):
        raise TypeError("has_aux=True needs a function that returns a pair (value, aux)")
    return out


def value_and_grad(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Make a function that returns ``f``'s value and its gradient.

    Args:
        f: A function with one value. Its arguments may be arrays, Tensors, nested containers of
            them, or a Module, whose parameters then are the variables.
        argnums: Which argument to differentiate with respect to, also counted from the end;
            several give a tuple.
        has_aux: Whether ``f`` returns ``(value, aux)``, of which only the value is differentiated.

    Value and gradient are differentiable wherever something outside of ``f`` depends on them, and
    constants elsewhere. What the value does not depend on has the gradient 0.

    Raises:
        DTypeError: If an argument to differentiate is not floating.
        ShapeError: If ``f`` returns several values.

    >>> value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    (Tensor(5., dtype=float64), Tensor([2., 4.], dtype=float64))
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        walk = Walk(functools.partial(f, **kwargs), args, positions(argnums, args))
        out, _ = _pair(walk.out, has_aux)
        grads = walk.pull([out], [seed_of(out, "grad")], again=has_aux)
        return _settled(walk.out), _one_or_all(argnums, grads)

    return wrapped


def _settled(out: Any) -> Any:
    """A value as a constant if its graph was released, since nothing outside can ask for it."""
    node = out._node if isinstance(out, Tensor) else None
    return out if node is None or node.plan is None or node.kept is not None else out.detach()


def _one_or_all(argnums: Argnums, values: Sequence[Any]) -> Any:
    return values[0] if isinstance(argnums, int | np.integer) else tuple(values)


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
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


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Return ``f(*primals)`` and the function that pulls a cotangent of it back to the primals.

    The cotangent is nested as the result is. With ``has_aux``, ``f`` returns ``(out, aux)``, and
    what is returned is ``out``, the function, and ``aux``.

    >>> out, pull = vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pull(np.array([1.0, 0.0]))
    (Tensor([3., 0.], dtype=float64), Tensor([1., 0.], dtype=float64))
    """
    walk = Walk(f, primals, range(len(primals)), "vjp")
    out, aux = _pair(walk.out, has_aux)
    outputs = leaves(out)

    def pull(cotangent: Any) -> tuple[Any, ...]:
        """Return the cotangent of every primal."""
        cotangents = [cotangent] if isinstance(out, Tensor | Batched) else leaves(cotangent)
        return tuple(walk.pull(outputs, like(outputs, cotangents, "cotangent")))

    return (out, pull, aux) if has_aux else (out, pull)


class _Pushing:
    """``f`` at its primals, and what carries tangents of them to its result.

    A vjp is linear in its cotangent, so its own vjp is the jvp: two walks, any op.
    """

    def __init__(
        self, f: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int], has_aux: bool
    ) -> None:
        self.first = Walk(f, args, argnums, "jvp")
        self.out, self.aux = _pair(self.first.out, has_aux)
        outputs = leaves(self.out)
        if not all(isinstance(out, Tensor | Batched) for out in outputs):
            raise TypeError("jvp and forward mode need a function that returns Tensors")
        self.floating = [out for out in outputs if out.dtype.kind == "f"]
        zeros = [np.zeros(out.shape, out.dtype) for out in self.floating]
        self.second = Walk(self._pull, [zeros], [0])
        self.variables = leaves(self.second.out)

    def _pull(self, cotangents: list[Any]) -> Any:
        return self.first.pull(self.floating, cotangents)

    def push(self, tangents: Sequence[Any]) -> Any:
        """The tangent of the result, nested as it is."""
        pushed = iter(self.second.pull(self.variables, tangents, known=self.first.wanted)[0])

        def tangent(out: Any) -> Any:
            floating = out.dtype.kind == "f"
            return next(pushed) if floating else wrap(np.zeros(out.shape, out.dtype))

        return mapped(tangent, self.out)


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """Return ``f(*primals)`` and its derivative in the direction ``tangents``.

    With ``has_aux``, ``f`` returns ``(out, aux)``, and ``aux`` is returned, too.

    >>> jvp(lambda x: x * x, [np.array([3.0])], [np.array([1.0])])[1]
    Tensor([6.], dtype=float64)
    """
    if not isinstance(primals, list | tuple) or not isinstance(tangents, list | tuple):
        raise TypeError("jvp takes a list of primals, and one of tangents: jvp(f, [x], [v])")
    pushing = _Pushing(f, primals, range(len(primals)), has_aux)
    directions = like(pushing.variables, leaves(list(tangents)), "tangent")
    pushed = pushing.push(directions)
    return (pushing.out, pushed, pushing.aux) if has_aux else (pushing.out, pushed)


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """Return the Hessian of ``f`` times ``tangents``, at the cost of a few evaluations of ``f``.

    ``primals`` and ``tangents`` are one array, or a tuple with one for each argument.

    >>> hvp(lambda x: (x**3.0).sum(), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    Tensor([ 6., 12.], dtype=float64)
    """
    several = isinstance(primals, tuple) and not hasattr(primals, "_fields")
    args, directions = (primals, tangents) if several else ((primals,), (tangents,))
    gradient = grad(f, argnums=range(len(args)))

    def slope(*inputs: Any) -> Any:
        slopes = leaves(gradient(*inputs))
        pairs = zip(slopes, like(slopes, leaves(directions), "tangent"), strict=True)
        terms = [np.add.reduce(g * v, axis=None) for g, v in pairs]
        return functools.reduce(ops.add, terms)

    products = grad(slope, argnums=range(len(args)))(*args)
    return products if several else products[0]


def jacobian(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, mode: Mode = "auto"
) -> Callable[..., Any]:
    """Make a function that returns all partial derivatives, of shape ``out.shape + x.shape``.

    Nested arguments give nested Jacobians, and so do nested outputs: ``{"y": ...}`` gives ``{"y":
    jacobian of y}``. Several ``argnums`` give a tuple. With ``has_aux``, ``f`` returns ``(out,
    aux)``, and the result is ``(jacobian, aux)``.

    ``mode`` is ``"reverse"``, which walks back once for each element of the output, ``"forward"``,
    which pushes each element of the input, or by default whichever takes fewer. All of them run
    together, as under ``vmap``, as far as memory allows. JAX calls them ``jacrev`` and ``jacfwd``.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]], dtype=float64)
    """
    if mode not in ("auto", "reverse", "forward"):
        raise ValueError(f"jacobian: mode is 'auto', 'reverse' or 'forward', not {mode!r}")

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        bound, where = functools.partial(f, **kwargs), positions(argnums, args)
        if mode == "forward":
            return _columns(_Pushing(bound, args, where, has_aux), argnums, has_aux)
        walk = Walk(bound, args, where, "jacobian")
        out, aux = _pair(walk.out, has_aux)
        for output in leaves(out):
            if not isinstance(output, Tensor | Batched):
                raise TypeError(
                    f"jacobian needs a function of Tensors, not of {type(output).__name__}"
                )
        rows = sum(output.size for output in leaves(out))
        columns = sum(_one(walk, v).size for v in leaves(walk.variables))
        if mode == "auto" and rows > 2 * columns:  # each push takes two walks to prepare
            return _columns(_Pushing(bound, args, where, has_aux), argnums, has_aux)
        variables = _one_or_all(argnums, walk.variables)
        made = mapped(functools.partial(_rows, walk, variables), out)
        return (made, aux) if has_aux else made

    return wrapped


def _one(walk: Walk, variable: Tensor) -> Any:
    """What ``f`` saw of a variable: inside ``vmap``, one example."""
    return walk.lift(variable)


def _rows(walk: Walk, variables: Any, out: Any) -> Any:
    """The Jacobian of one output of a walk in its variables, from pulls of unit cotangents."""

    def pull(unit: Array) -> list[Any]:
        return leaves(walk.pull([out], [unit]))

    below = walk.lower(out)
    rows = _stacked(pull, out.shape, out.dtype, below._node)
    columns = iter(rows)

    def assemble(variable: Tensor) -> Any:
        shape = out.shape + _one(walk, variable).shape
        return ops.reshape(next(columns), shape) if rows else wrap(np.zeros(shape, variable.dtype))

    return mapped(assemble, variables)


def _columns(pushing: _Pushing, argnums: Argnums, has_aux: bool) -> Any:
    """The Jacobian from pushes of unit tangents, one for each element of the variables."""
    blocks: list[list[Any]] = []
    outputs = leaves(pushing.out)
    for i, variable in enumerate(pushing.variables):

        def push(unit: Array, i: int = i) -> list[Any]:
            units = [np.zeros(v.shape, v.dtype) for v in pushing.variables]
            return leaves(pushing.push([*units[:i], unit, *units[i + 1 :]]))

        below = pushing.second.lower(variable)
        columns = _stacked(push, variable.shape, variable.dtype, below._node)
        block = []
        for out, column in zip(outputs, columns or [None] * len(outputs), strict=True):
            shape = out.shape + variable.shape
            if column is None:
                block.append(wrap(np.zeros(shape, out.dtype)))
            else:
                block.append(ops.reshape(ops.moveaxis(column, 0, -1), shape))
        blocks.append(block)
    variables = _one_or_all(argnums, pushing.first.variables)
    made = [rebuilt(variables, iter(row)) for row in zip(*blocks, strict=True)]
    jacobians = rebuilt(pushing.out, iter(made))
    return (jacobians, pushing.aux) if has_aux else jacobians


_TOGETHER = 1 << 22  # elements that the largest array of a walk may have, for all units together


def _stacked(
    walked: Callable[[Array], list[Any]], shape: tuple[int, ...], dtype: Any, root: Any
) -> list[Any]:
    """What each unit vector of ``shape`` gives, stacked; nothing if there are none."""
    size = int(np.prod(shape, dtype=int))
    largest = max([size, *(int(np.prod(s, dtype=int)) for s in _shapes_behind(root))])
    together = max(1, _TOGETHER // max(largest, 1))
    parts: list[list[Any]] = []
    for start in range(0, size, together):
        count = min(together, size - start)
        units = np.zeros((count, size), dtype)
        units[np.arange(count), start + np.arange(count)] = 1.0
        units = units.reshape((count, *shape))
        if count < 3:
            parts += [[ops.expand_dims(row, 0) for row in walked(unit)] for unit in units]
        else:
            parts.append(vmap(walked)(units))
    return [ops.concatenate(list(part)) for part in zip(*parts, strict=True)]


def _shapes_behind(root: Any) -> Iterator[tuple[int, ...]]:
    """Shapes of the arrays in the graph that made a node."""
    stack, seen = [root], {root, None}
    while stack:
        node = stack.pop()
        if node is None:
            continue
        yield node.shape
        fresh = set(node.parents) - seen
        seen |= fresh
        stack += fresh


def hessian(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Make a function that returns all second derivatives, of shape ``x.shape + x.shape``.

    Several ``argnums`` give a tuple of rows, each a tuple of blocks. With ``has_aux``, ``f``
    returns ``(value, aux)``, and the result is ``(hessian, aux)``.

    >>> hessian(lambda x: (x**3.0).sum())(np.array([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]], dtype=float64)
    """
    return jacobian(grad(f, argnums, has_aux), argnums, has_aux, mode="reverse")
