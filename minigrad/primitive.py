"""What an op is: a NumPy function, and one gradient rule for each input, written in NumPy too.

A :class:`Primitive` knows neither Tensors nor autodiff. Called with arrays it runs its kernel;
called with anything that knows how to interpret primitives (a Tensor records them) it hands itself
over. A rule asks *by parameter name* for what it needs, so what no rule asks for is never kept.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, ParamSpec, TypeAlias

import numpy as np

from minigrad.arguments import misnamed, telling
from minigrad.errors import RuleError

Array: TypeAlias = Any  # a NumPy array, or any duck that speaks NumPy's protocols
Axis: TypeAlias = int | tuple[int, ...] | None
Rule: TypeAlias = Callable[..., Array]
P = ParamSpec("P")

REAL = (-np.inf, np.inf)
POSITIVE = (0.0, np.inf)
SMALL = 4096  # elements: a constant no rule asks for is kept for drawings only below this size

_PLAIN = frozenset({np.ndarray, np.float64, np.float32, np.float16})

REGISTRY: dict[str, Primitive[...]] = {}
NUMPY: dict[Callable[..., Any], Callable[..., Array]] = {}
"""NumPy function or ufunc -> the primitive or composition that differentiates it."""


class Case(NamedTuple):
    """Shapes and parameters on which an op is worth checking."""

    shapes: tuple[tuple[int, ...], ...]
    params: dict[str, Any]


def case(*shape: int | tuple[int, ...], **params: Any) -> Case:
    """Declare a case: ``case(2, 3, axis=0)`` is one input, ``case((2, 3), (3, 4))`` are two.

    >>> case(2, 3, axis=0)
    Case(shapes=((2, 3),), params={'axis': 0})
    """
    if any(isinstance(part, tuple) for part in shape):
        return Case(tuple(part for part in shape if isinstance(part, tuple)), params)
    return Case((tuple(part for part in shape if isinstance(part, int)),), params)


@dataclass(slots=True, frozen=True)
class Plan:
    """How one call is recorded, given which of its inputs require a gradient.

    ``keep(values, out)`` makes the tuple that the node holds, None if that is empty; ``pulls`` are
    pairs of an input's position and ``pull(g, kept, node)``, its gradient rule with the requests
    already wired; ``sources`` says what each kept slot is: an input's position, ``OUT``, or
    ``SHAPE``; ``drops`` whether the static parameters hold arrays too, to be released with what is
    kept.
    """

    primitive: Primitive[...]
    keep: Callable[[Sequence[Array], Array], tuple[Any, ...]] | None
    pulls: tuple[tuple[int, Callable[[Array, Sequence[Any], Any], Array]], ...]
    sources: tuple[int, ...]
    drops: bool


OUT, SHAPE = -1, -2


def pass_on(g: Array, kept: Sequence[Any], node: Any) -> Array:
    """What plans hold where the rule is ``lambda g: g``: the walk need not call it."""
    return g


_SAME = (lambda g: g).__code__.co_code


class Primitive(Generic[P]):
    """An op: kernel, rules, and what tests, drawings and compilers need to know of it.

    Positional-only parameters of the declaration (before ``/``, or ``*arrays``) are its inputs,
    the others are static. Calling it with arrays runs the kernel and returns an array.

    Attributes:
        name: What graphs and errors call it.
        kernel: The function that computes it on arrays.
        numpy: The NumPy functions that dispatch here.
        rules: Gradient rule by input name; an input without one is not differentiable.
        inputs: Names of the inputs; for a variadic op the one name of them all.
        statics: Default by name of the static parameters, in order.
        broadcasts: Whether inputs broadcast, so that the engine may fold a cotangent.
        domain: Open interval, or one for each input, on which op and rules are smooth.
        cases: Shapes and parameters that the generated suite checks.
    """

    def __init__(
        self,
        declaration: Callable[P, Array],
        kernel: Callable[..., Array],
        *,
        numpy: Sequence[Callable[..., Any]],
        rules: dict[str, Rule],
        domain: Sequence[Any],
        cases: Sequence[Case],
        broadcasts: bool,
        onnx: str | None,
    ) -> None:
        functools.update_wrapper(self, declaration)
        self.name = declaration.__name__
        self.kernel, self.numpy, self.rules = kernel, tuple(numpy), rules
        self.domain, self.cases, self.broadcasts, self.onnx = domain, tuple(cases), broadcasts, onnx
        parameters = inspect.signature(declaration).parameters.values()
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.inputs = tuple(
            p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)
        )
        self.statics = {p.name: p.default for p in parameters if p.name not in self.inputs}
        self.required = [n for n, value in self.statics.items() if value is inspect.Parameter.empty]
        self.arity = -1 if self.variadic else len(self.inputs)
        self.bare = -1 if self.statics else self.arity  # that many arguments leave nothing to bind
        # A body of one input binds its own arguments: on an array there is nothing left to do.
        self.direct = self.arity == 1 and kernel is declaration
        self.plans: dict[int, Plan] = {}
        self.requests = {name: self._requests(name, rule) for name, rule in rules.items()}

    def __call__(self, *args: P.args, **params: P.kwargs) -> Array:
        """Run on arrays, or let the first argument that interprets primitives do it."""
        if self.direct and args and args[0].__class__ in _PLAIN:
            return self.kernel(*args, **params)
        if params or len(args) != self.bare:
            return self.apply(*self.bind(args, params))
        return self.apply(args, params)

    def apply(self, operands: tuple[Any, ...], statics: dict[str, Any]) -> Array:
        """Run on operands and all of the static parameters, with nothing left to bind."""
        for operand in operands:
            interpret = getattr(operand.__class__, "__primitive__", None)
            if interpret is not None:
                return interpret(self, operands, statics)
        return self.kernel(*operands, **statics)

    def bind(
        self, args: tuple[Any, ...], params: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Part arguments into inputs and complete static parameters, as Python would.

        >>> from minigrad import ops
        >>> ops.argmax.bind((1.0, 0), {})
        ((1.0,), {'axis': 0, 'keepdims': False})
        """
        bound = self.statics.copy()
        if not self.variadic and len(args) > self.arity:
            extra = args[self.arity :]
            if len(extra) > len(bound):
                most = self.arity + len(bound)
                raise TypeError(f"{self.name}() takes {most} arguments, {len(args)} were given")
            bound.update(zip(self.statics, extra, strict=False))
            args = args[: self.arity]
        elif len(args) < self.arity:
            missing = ", ".join(self.inputs[len(args) :])
            raise TypeError(f"{self.name}() is missing {missing}")
        bound.update(params)
        if len(bound) != len(self.statics):
            raise TypeError(misnamed(self.name, self.statics, params))
        for name in self.required:
            if bound[name] is inspect.Parameter.empty:
                raise TypeError(f"{self.name}() is missing {name}")
        return args, bound

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind as a method, so that a class may name a primitive as one of its methods."""
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> str:
        return str(vars(self)["__qualname__"])  # pickled and copied by reference, as a function is

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join([*self.inputs, *self.statics])})>"

    def plan(self, key: int) -> Plan:
        """Return the plan for ``key``: bit *i* says whether input *i* requires a gradient.

        The bit above the last input is always set, so that ``key`` also tells the arity.
        """
        try:
            return self.plans[key]
        except KeyError:
            return self.plans.setdefault(key, self._make_plan(key))

    def _requests(self, name: str, rule: Rule) -> tuple[str, ...]:
        on_offer = [offer for x in self.inputs for offer in (x, f"{x}_shape")]
        on_offer += ["out", *self.statics, *(["index"] if self.variadic else [])]
        if name not in self.inputs:
            raise RuleError(f"{self.name} has no input {name!r}; its inputs are {self.inputs}")
        wanted = tuple(inspect.signature(rule).parameters)
        unknown = [request for request in wanted[1:] if request not in on_offer]
        if unknown:
            raise RuleError(
                f"the rule of {self.name} for {name!r} asks for {unknown}; on offer are {on_offer}"
            )
        return wanted[1:]

    def _make_plan(self, key: int) -> Plan:
        """Wire the rules of one combination of inputs, as source that Python compiles.

        Compiled because this is the hot path: a generic loop over requests costs as much as a
        small NumPy call. For ``multiply`` with both inputs the source is
        ``keep = lambda v, out: (v[1], v[0])`` and ``lambda g, kept, node: rule(g, kept[0])``.
        """
        arity = key.bit_length() - 1
        names = self.inputs * arity if self.variadic else self.inputs
        slots: dict[tuple[int, bool], str] = {}  # (source, is_shape) -> the expression that keeps

        def slot(source: int, *, shape: bool = False) -> int:
            value = "out" if source == OUT else f"v[{source}]"
            if shape:
                value = "tuple(map(shape, v))" if source == SHAPE else f"shape({value})"
            slots.setdefault((source, shape), value)
            return list(slots).index((source, shape))

        def fetch(request: str) -> str:
            if request in self.statics:
                return f"node.params[{request!r}]"
            if request == "index" and self.variadic:
                return "position"
            if request == "out":
                return f"kept[{slot(OUT)}]"
            shape = request not in self.inputs
            if self.variadic and shape:
                return f"kept[{slot(SHAPE, shape=True)}]"
            if self.variadic:
                for i in range(arity):
                    slots.setdefault((i, False), f"v[{i}]")
                return f"(*kept[{slot(0)}:{slot(0) + arity}],)"
            position = names.index(request.removesuffix("_shape") if shape else request)
            if shape and key >> position & 1:  # which its vertex knows
                return f"node.parents[{position}].shape"
            return f"kept[{slot(position, shape=shape)}]"

        wire: dict[str, Any] = {}  # once for all the inputs of a variadic op
        for i, name in enumerate(names):
            if key >> i & 1 and name in self.rules and name not in wire:
                rule, wired = self.rules[name], ", ".join(["g", *map(fetch, self.requests[name])])
                pull = "pass_on" if _is_same(rule) else f"lambda g, kept, node: rule({wired})"
                wire[name] = eval(f"lambda position: {pull}", {"rule": rule, "pass_on": pass_on})
        pulls = [(i, wire[n](i)) for i, n in enumerate(names) if key >> i & 1 and n in wire]
        for position in range(arity):
            if not key >> position & 1 and (position, False) not in slots:
                constant = f"v[{position}]"  # that no rule asks for: kept if small, to be drawn
                slots[position, False] = (
                    f"{constant} if getattr({constant}, 'size', 1) <= {SMALL} else None"
                )
        source = f"lambda v, out: ({''.join(e + ',' for e in slots.values())})"
        return Plan(
            primitive=self,
            keep=eval(source, {"shape": np.shape}) if slots else None,
            pulls=tuple(pulls),
            sources=tuple(SHAPE if is_shape else i for i, is_shape in slots),
            drops=not {"index", "indices"}.isdisjoint(self.statics),
        )


def _is_same(rule: Rule) -> bool:
    code = getattr(rule, "__code__", None)
    return code is not None and code.co_argcount == 1 and code.co_code == _SAME


def defvjp(**rules: Rule) -> Callable[[Callable[P, Array]], Callable[P, Array]]:
    """Attach a vector-Jacobian product to inputs: ``defvjp(x=lambda g, out: g * out)``.

    A rule's first parameter is the cotangent ``g``; each further one is a request for an input, a
    static parameter, ``out`` or ``<input>_shape``. Rules are pure functions in NumPy, operators and
    methods that arrays and Tensors share; they need not undo broadcasting.
    """

    def attach(declaration: Callable[P, Array]) -> Callable[P, Array]:
        vars(declaration)["vjp_rules"] = rules
        return declaration

    return attach


def primitive(
    kernel: Callable[..., Array] | None = None,
    *,
    numpy: Sequence[Callable[..., Any]] | None = None,
    name: str | None = None,
    domain: Any = REAL,
    cases: Sequence[Case] = (),
    broadcasts: bool | None = None,
    onnx: str | None = None,
) -> Callable[[Callable[P, Array]], Primitive[P]]:
    """Declare a primitive; without a ``kernel`` the body of the declaration is it.

    Args:
        kernel: The NumPy function that computes the op.
        numpy: NumPy functions that dispatch to this op on Tensors; by default the kernel.
        name: What the op is called, if not like its declaration.
        domain: Open interval on which op and rules are smooth, or one for each input.
        cases: Shapes and parameters to check; elementwise ops need none.
        broadcasts: Whether the engine undoes broadcasting; by default true for ufunc kernels.
        onnx: Name of the ONNX operator that computes the same.
    """

    def declare(declaration: Callable[P, Array]) -> Primitive[P]:
        if name is not None:
            declaration.__name__ = name
        made = Primitive(
            declaration,
            kernel or declaration,
            numpy=numpy if numpy is not None else [kernel] if kernel else [],
            rules=vars(declaration).pop("vjp_rules", {}),
            domain=domain,
            cases=cases,
            broadcasts=isinstance(kernel, np.ufunc) if broadcasts is None else broadcasts,
            onnx=onnx,
        )
        if made.name in REGISTRY:
            raise RuleError(f"a primitive {made.name!r} is declared already")
        for function in made.numpy:
            if function in NUMPY:
                taken = f"{function.__name__} runs {NUMPY[function].__name__} on tensors already"
                raise RuleError(f"{made.name}: {taken}; pass numpy=[] to leave that as it is")
        REGISTRY[made.name] = made
        NUMPY.update(dict.fromkeys(made.numpy, made))
        return made

    return declare


def composition(
    *numpy: Callable[..., Any],
) -> Callable[[Callable[P, Array]], Callable[P, Array]]:
    """Declare that calls of a NumPy function on Tensors run the decorated composition of ops.

    Inside ``vmap``, a composition that decides by values that differ runs once for each example.
    """

    def declare(function: Callable[P, Array]) -> Callable[P, Array]:
        NUMPY.update(dict.fromkeys(numpy, function))
        return telling(function, apart=True)

    return declare
