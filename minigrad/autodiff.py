"""Walking the graph backward, and the calculus that is made of such walks.

:func:`backprop` is the whole of reverse mode: take the vertex that was made last, hand its cotangent
to its rules, add what they return to the vertices of its inputs, repeat. Given arrays it computes at
NumPy's speed; given Tensors the same rules are recorded, so gradients of any order come for free.
"""

from __future__ import annotations

import functools
import heapq
import threading
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.errors import BackwardError, MutationError, ShapeError
from minigrad.ops.shape import fold
from minigrad.primitive import Array
from minigrad.tensor import RECORDING, Node, Tensor, enable_grad, no_grad, wrap

_DEPOSIT = threading.Lock()

Cotangents = dict[Node, Array]


def backprop(
    cotangents: Cotangents,
    *,
    useful: set[Node] | None = None,
    wanted: frozenset[Node] = frozenset(),
    keep: bool = False,
    differentiable: bool = False,
) -> Cotangents:
    """Walk backward from the vertices in ``cotangents``; return those of ``wanted`` ones.

    Vertices are taken in the order opposite to their creation, so each has all of its cotangent
    when its turn comes. Leaves, and vertices that retain a gradient, deposit it in their Tensor's
    ``.grad`` unless something is ``wanted``.

    Args:
        cotangents: Where to start, and with what.
        useful: The only vertices worth visiting; None for all.
        wanted: Vertices to return the cotangents of, and not to go beyond.
        keep: Whether nodes keep their arrays, so that they can be walked again.
        differentiable: Whether the cotangents are Tensors, so that the walk itself is recorded.
    """
    found: Cotangents = {}
    mine: set[Node] = set()  # vertices whose cotangent is a sum that this walk allocated
    aliased: set[Node] = set()  # leaves whose cotangent is another's array, or a view of it
    pending = [(-node.serial, node) for node in cotangents if node.plan is not None]
    heapq.heapify(pending)
    while pending:
        node = heappop(pending)[1]
        g = cotangents.pop(node)
        plan = node.plan
        kept: Sequence[Any] | None = node.kept
        if kept is None or plan is None:
            raise BackwardError(_released(node))
        if node.hooks is not None:
            g = _run_hooks(node, g, differentiable)
        if wanted:
            if node in wanted:
                found[node] = g
                continue
            _check_kept(node)
        elif node.owner is not None:
            _deposit({node: _owned(g)})
        if differentiable:
            kept = _as_tensors(node, kept)
        parents, params = node.parents, node.params
        for i, pull in plan.pulls:
            parent: Node = parents[i]  # type: ignore[assignment]
            if useful is not None and parent not in useful:
                continue
            try:
                c = pull(g, kept, params)
                if c.shape != parent.shape or c.dtype is not parent.dtype:
                    c = _fit(c, node, parent)
            except Exception as error:
                error.add_note(f"  in the gradient rule of {node} for input {i}")
                raise
            if (
                parent.plan is None
                and parent.mutated > node.serial
                and (i in plan.sources or _is_view(node, parent))
            ):
                raise MutationError(_mutated(node, parent))
            if parent in cotangents:
                if parent in mine:
                    cotangents[parent] += c
                else:
                    cotangents[parent] = cotangents[parent] + c
                    aliased.discard(parent)
                    if not differentiable and parent.shape:  # a sum of 0-d arrays is a scalar
                        mine.add(parent)
                continue
            cotangents[parent] = c
            if parent.plan is not None:
                heappush(pending, (-parent.serial, parent))
            elif c is g or differentiable or c.base is not None:
                aliased.add(parent)
        if not keep:
            node.kept = None  # the skeleton (op, shapes, scope) stays, to be drawn
            if plan.drops:
                node.params = {}
    # Only leaves are left. Nothing is deposited before the walk is over: one that fails halfway
    # leaves every gradient as it was.
    for node, g in cotangents.items():
        if node.hooks is not None:
            cotangents[node] = g = _run_hooks(node, g, differentiable)
        if node in aliased:
            cotangents[node] = _owned(g)
        if node in wanted:
            found[node] = g
    if not wanted:
        _deposit(cotangents)
    return found


def _run_hooks(node: Node, g: Array, differentiable: bool) -> Array:
    for hook in node.hooks or ():
        if not differentiable:  # others may hold this array: a hook that writes into it raises
            shown = np.asarray(g).view()
            shown.setflags(write=False)
        replaced = hook(g if differentiable else wrap(shown))
        if replaced is not None:
            if not isinstance(replaced, Tensor):
                replaced = wrap(np.asarray(replaced))
            replaced = replaced.astype(node.dtype)  # which copies
            g = replaced if differentiable else replaced._data
            if g.shape != node.shape:
                raise ShapeError(f"a hook of {node} returned shape {g.shape}")
    return g


def _owned(g: Array) -> Array:
    """Copy a cotangent that others hold too, unless it is recorded and so can't be written."""
    if isinstance(g, Tensor):
        return g if g._node is not None else wrap(g._data.copy())
    return g.copy()


def _is_view(node: Node, leaf: Node) -> bool:
    """Whether what a node made of a leaf is the leaf's own memory; only asked when in doubt."""
    if node.primitive is None or len(node.parents) != 1 or leaf.kept is None:
        return False
    array = leaf.kept[0]
    return np.may_share_memory(array, node.primitive.kernel(array, **node.params))


def _check_kept(node: Node) -> None:
    """Raise if a leaf whose array a node kept was changed, also one that this walk won't visit."""
    for source in node.plan.sources if node.plan is not None else ():
        parent = node.parents[source] if source >= 0 else None
        if parent is not None and parent.plan is None and parent.mutated > node.serial:
            raise MutationError(_mutated(node, parent))


def _deposit(cotangents: Cotangents) -> None:
    """Add cotangents to ``.grad`` of the Tensors whose vertices these are, where still alive."""
    with _DEPOSIT:
        for node, g in cotangents.items():
            owner = node.owner() if node.owner is not None else None
            if owner is None:
                continue
            if g.__class__ is np.ndarray:
                g = wrap(g)
            elif not isinstance(g, Tensor):
                g = wrap(np.asarray(g))
            owner.grad = g if owner.grad is None else owner.grad + g


def _fit(c: Array, node: Node, parent: Node) -> Array:
    """Give a rule's result the shape and dtype of its input, where the op may ask for that."""
    if not hasattr(c, "shape"):
        c = np.asarray(c)
    if c.shape != parent.shape:
        primitive = node.primitive
        if primitive is None or not primitive.broadcasts:
            raise ShapeError(f"a rule of {node} returned shape {c.shape} for {parent.shape}")
        c = fold(c, parent.shape)
    return c if c.dtype == parent.dtype else c.astype(parent.dtype)


def _as_tensors(node: Node, kept: Sequence[Any]) -> list[Any]:
    """What a node kept, with each array as the Tensor it was, so that rules are recorded."""
    tensors = []
    for source, value in zip(node.plan.sources, kept, strict=True):  # type: ignore[union-attr]
        vertex = node if source == -1 else node.parents[source] if source >= 0 else None
        tensors.append(value if vertex is None else wrap(value, vertex))
    return tensors


def _released(node: Node) -> str:
    return (
        f"the graph of {node} was walked before and its arrays released: compute the loss again, or "
        "pass retain_graph=True to the first backward()"
    )


def _mutated(node: Node, parent: Node) -> str:
    return (
        f"{parent.name or parent} was changed in place after {node} used it, so its gradient would "
        "be wrong: call backward() before the update, or compute the loss again"
    )


def backward(
    self: Tensor,
    gradient: Any = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> None:
    """Add the gradient of this tensor to ``.grad`` of every leaf that made it.

    Args:
        gradient: Its cotangent; by default 1, which only a single element may leave out.
        retain_graph: Keep the arrays that the graph holds, so that it can be walked again.
        create_graph: Record the walk, so that the gradients can be differentiated; implies
            ``retain_graph``.

    Raises:
        BackwardError: If nothing was recorded, the graph was released by an earlier walk, or the
            tensor has several elements and no ``gradient`` is given.
        MutationError: If an array that a rule needs was changed in place meanwhile.

    >>> w = Tensor([3.0], requires_grad=True)
    >>> (w * w).backward()
    >>> w.grad
    Tensor([6.], dtype=float64)
    """
    node = self._node
    if node is None:
        raise BackwardError(
            "backward() of a tensor that requires no gradient: no leaf with requires_grad=True "
            "took part in it, or it was made under no_grad()"
        )
    g: Array
    if gradient is None:
        if self.size != 1:
            raise BackwardError(
                f"backward() of a tensor of shape {self.shape} needs gradient=, an array of that "
                "shape; for a loss, reduce it first: loss.sum() or loss.mean()"
            )
        g = np.ones(node.shape, node.dtype)
    else:
        g = gradient if isinstance(gradient, Tensor) else np.array(gradient, dtype=node.dtype)
        if g.shape != node.shape:
            raise ShapeError(f"gradient of shape {g.shape} for a tensor of shape {node.shape}")
        g = g.astype(node.dtype)
    if create_graph:
        with enable_grad():
            g = g if isinstance(g, Tensor) else wrap(g)
            backprop({node: g}, keep=True, differentiable=True)
    else:
        g = g._data if isinstance(g, Tensor) else g
        token = RECORDING.set(False)
        try:
            backprop({node: g}, keep=retain_graph)
        finally:
            RECORDING.reset(token)


Tensor.backward = backward


# The calculus: functions of functions. Arguments may be nested dicts, lists, tuples and Modules.


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


def jacobian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Make a function that returns all partial derivatives, of shape ``out.shape + x.shape``.

    One backward walk for each element of the output. Nested arguments give nested Jacobians, and
    so do nested outputs: ``{"y": ...}`` gives ``{"y": jacobian of y}``.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]], dtype=float64)
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        walk = _Walk(functools.partial(f, **kwargs), args, _positions(argnums, args))
        return _map(functools.partial(_rows, walk), walk.out)

    return wrapped


def _rows(walk: _Walk, out: Any) -> Any:
    """The Jacobian of one output of a walk in its variable."""
    if not isinstance(out, Tensor):
        raise TypeError(f"jacobian needs a function of Tensors, not of {type(out).__name__}")
    rows = []
    for i in range(out.size):
        unit = np.zeros(out.shape, out.dtype)
        unit.flat[i] = 1.0
        rows.append(_leaves(walk.pull([out], [unit])[0]))
    columns = iter(zip(*rows, strict=True))

    def assemble(variable: Tensor) -> Tensor:
        shape = out.shape + variable.shape
        if not rows:
            return wrap(np.zeros(shape, variable.dtype))
        return ops.reshape(ops.stack(list(next(columns))), shape)

    return _map(assemble, walk.variables[0])


def hessian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Make a function that returns all second derivatives, of shape ``x.shape + x.shape``.

    >>> hessian(lambda x: (x**3.0).sum())(np.array([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]], dtype=float64)
    """
    return jacobian(grad(f, argnums), argnums)
