"""``custom_vjp``: a function whose gradient somebody wrote by hand."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from minigrad.batching import Batched, Level, raised
from minigrad.errors import NotDifferentiable, RuleError, ShapeError
from minigrad.graph import RECORDING, no_grad
from minigrad.joint import Place, lowest, onto, whole
from minigrad.tensor import Tensor, wrap
from minigrad.trees import leaves, mapped, rebuilt, with_paths

Argnums = int | Sequence[int]


class CustomVJP:
    """A function with a hand-written gradient; what :func:`custom_vjp` makes.

    >>> @custom_vjp
    ... def double(x):
    ...     return 2.0 * x
    >>> double
    <custom_vjp double(x)>
    """

    def __init__(self, f: Callable[..., Any], nondiff_argnums: Sequence[int]) -> None:
        functools.update_wrapper(self, f, updated=())
        self.f, self.name = f, getattr(f, "__name__", type(f).__name__)
        self.nondiff = tuple(nondiff_argnums)
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Give the function its gradient.

        Args:
            fwd: Takes what the function takes, returns ``(out, residuals)``: its result, and
                whatever ``bwd`` needs.
            bwd: ``bwd(residuals, g)``, with static arguments before them, takes the cotangent of
                the result, nested as it is, and returns a tuple with the cotangent of each argument
                that is not static, nested as that is. None is 0.

        >>> @custom_vjp
        ... def clipped(x):  # whose gradient pretends that nothing was clipped
        ...     return np.clip(x, -1.0, 1.0)
        >>> clipped.defvjp(lambda x: (clipped(x), None), lambda _, g: (g,))
        >>> x = Tensor([0.5, 2.0], requires_grad=True)
        >>> clipped(x).sum().backward()
        >>> x.grad
        Tensor([1., 1.], dtype=float64)
        """
        for what, function in (("fwd", fwd), ("bwd", bwd)):
            if not callable(function):
                raise RuleError(f"defvjp of {self.name}: {what} is a function, not {function!r}")
        self.fwd, self.bwd = fwd, bwd

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind as a method does; then ``self`` counts as the first argument."""
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the function; recorded with its own gradient."""
        args = self._positional(args, kwargs)
        if self.fwd is None or self.bwd is None:
            raise RuleError(
                f"{self.name} has no gradient yet: call {self.name}.defvjp(fwd, bwd), or use "
                "the function without custom_vjp"
            )
        count = len(args)
        for i in self.nondiff:
            if not -count <= i < count:
                raise ValueError(
                    f"{self.name}: nondiff_argnums names argument {i}, but {count} were given"
                )
        static = {i % count for i in self.nondiff}
        for i in static:
            if any(isinstance(x, Tensor | Batched) and x.requires_grad for x in leaves(args[i])):
                raise NotDifferentiable(
                    f"{self.name}: argument {i} is in nondiff_argnums, but requires a gradient: "
                    "detach() it, or take it out of nondiff_argnums"
                )
        return _Application(self, args, static).result()

    def _positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Arguments by name in their places, and defaults filled in."""
        try:
            bound = inspect.signature(self.f).bind(*args, **kwargs)
        except ValueError:  # a compiled function that does not tell
            return args
        bound.apply_defaults()
        if bound.kwargs:
            names = ", ".join(bound.kwargs)
            raise TypeError(f"{self.name}: {names} can't be passed to a custom_vjp by keyword only")
        return bound.args

    def __repr__(self) -> str:
        return f"<custom_vjp {self.name}{inspect.signature(self.f)}>"


@overload
def custom_vjp(f: Callable[..., Any], *, nondiff_argnums: Argnums = ()) -> CustomVJP: ...
@overload
def custom_vjp(*, nondiff_argnums: Argnums = ()) -> Callable[..., CustomVJP]: ...
def custom_vjp(
    f: Callable[..., Any] | None = None, *, nondiff_argnums: Argnums = ()
) -> CustomVJP | Callable[..., CustomVJP]:
    """Make a function whose gradient is given by hand, with ``defvjp``; a decorator.

    Arguments and results may be nested. The function must not use Tensors from outside that need a
    gradient: pass them. It differentiates to any order if ``fwd`` and ``bwd`` are made of ops.
    ``gradcheck`` tells whether the gradient is right.

    Args:
        f: The function.
        nondiff_argnums: Positions of static arguments, that need not be arrays. ``bwd`` is given
            them first: ``bwd(*static, residuals, g)``.

    Raises:
        RuleError: If ``bwd`` returns another number of cotangents than there are arguments, or
            ``fwd`` no pair.
        ShapeError: If a cotangent has another shape than its argument.

    >>> import minigrad as mg
    >>> @custom_vjp
    ... def log1pexp(x):
    ...     return mg.log(1.0 + mg.exp(x))
    >>> log1pexp.defvjp(
    ...     lambda x: (log1pexp(x), x), lambda x, g: (g * (1.0 - 1.0 / (1.0 + mg.exp(x))),)
    ... )
    >>> mg.grad(log1pexp)(100.0)
    Tensor(1., dtype=float64)
    """
    if isinstance(nondiff_argnums, int):
        nondiff_argnums = (nondiff_argnums,)
    if f is None:
        return functools.partial(custom_vjp, nondiff_argnums=nondiff_argnums)
    return CustomVJP(f, nondiff_argnums)


class _Application:
    """One call of such a function: where its inputs stand in the arguments."""

    def __init__(self, custom: CustomVJP, args: tuple[Any, ...], static: set[int]) -> None:
        self.custom, self.args, self.static = custom, args, static
        self.place = Place()
        self.inputs: list[Tensor] = []  # below, of every leaf that may have a gradient
        self.levels: list[tuple[Level, ...]] = []
        for i, arg in enumerate(args):
            for leaf in leaves(arg) if i not in static else ():
                if _is_floating(leaf):
                    below, levels = lowest(leaf)
                    self.inputs.append(below if isinstance(below, Tensor) else Tensor(below))
                    self.levels.append(levels)

    def result(self) -> Any:
        custom = self.custom
        if not RECORDING.get() or not any(t._node is not None for t in self.inputs):
            with no_grad():
                return custom.f(*self.args)
        out, self.residuals = self._forward([t.detach() for t in self.inputs])
        found = [lowest(_tensor(x)) for x in leaves(out)]
        self.out, self.out_levels = mapped(lambda x: None, out), [levels for _, levels in found]
        self.form = mapped(lambda x: 0, out)
        made = whole(custom.name, self.inputs, [t.detach() for t, _ in found], self._pull)
        self.inputs = []  # the vertex has them
        above = [raised(t, levels) for t, levels in zip(made, self.out_levels, strict=True)]
        self.floating = [t.dtype.kind == "f" for t, _ in found]
        self.shapes = [(x.shape, x.dtype) for x in above]
        return rebuilt(out, iter(above))

    def _forward(self, below: Sequence[Any], record: bool = False) -> tuple[Any, Any]:
        """Run ``fwd`` on inputs in the places of the arguments' leaves."""
        own = iter(raised(x, levels) for x, levels in zip(below, self.levels, strict=True))
        args = [
            arg if i in self.static else mapped(lambda x: next(own) if _is_floating(x) else x, arg)
            for i, arg in enumerate(self.args)
        ]
        fwd = self.custom.fwd
        assert fwd is not None
        if record:
            made = fwd(*args)
        else:
            with no_grad():
                made = fwd(*args)
        if not (isinstance(made, tuple) and len(made) == 2):
            raise RuleError(
                f"{self.custom.name}: fwd returns a pair (out, residuals), not a "
                f"{type(made).__name__}"
            )
        return made

    def _pull(self, cotangents: list[Any], inputs: Sequence[Any]) -> list[Any]:
        """The rule: ``bwd``, whose residuals are recorded, too, where the walk is."""
        recorded = RECORDING.get()

        def run() -> list[Any]:
            residuals = self.residuals
            if recorded:
                _, residuals = self._forward(inputs, record=True)
            given = iter(cotangents)
            gs = []
            for (shape, dtype), levels, floating in zip(
                self.shapes, self.out_levels, self.floating, strict=True
            ):
                g = next(given) if floating else np.zeros(shape, dtype)
                g = g if isinstance(g, Tensor | Batched) else wrap(np.asarray(g))
                gs.append(raised(g, levels) if floating else g)
            statics = [self.args[i] for i in sorted(self.static)]
            bwd = self.custom.bwd
            assert bwd is not None
            if recorded:
                return self._checked(bwd(*statics, residuals, rebuilt(self.form, iter(gs))))
            with no_grad():
                return self._checked(bwd(*statics, residuals, rebuilt(self.form, iter(gs))))

        found = self.place.run(run)
        if recorded:
            return found
        return [c._data if isinstance(c, Tensor) else c for c in found]

    def _checked(self, given: Any) -> list[Any]:
        """What ``bwd`` returned, as one cotangent for each input, or why that can't be."""
        name = self.custom.name
        dynamic = [i for i in range(len(self.args)) if i not in self.static]
        if not isinstance(given, tuple | list):
            raise RuleError(
                f"bwd of {name} returns a tuple with one cotangent for each argument, not "
                f"{type(given).__name__}: write (g,) for a single one"
            )
        if len(given) != len(dynamic):
            raise RuleError(
                f"bwd of {name} returned {len(given)} cotangents for {len(dynamic)} arguments"
            )
        found: list[Any] = []
        levels = iter(self.levels)
        called = self._names()
        for i, c in zip(dynamic, given, strict=True):

            def check(path: str, x: Any, c: Any, i: int = i) -> None:
                if _is_floating(x):
                    found.append(self._fitted(f"{called[i]}{path}", x, c, next(levels)))

            with_paths(check, self.args[i], _empty(c))
        return found

    def _names(self) -> list[str]:
        names = list(inspect.signature(self.custom.f).parameters)
        return names + [f"argument {i}" for i in range(len(names), len(self.args))]

    def _fitted(self, name: str, x: Any, c: Any, levels: tuple[Level, ...]) -> Any:
        if c is _ZERO:
            return None
        if np.shape(c) != np.shape(x):
            raise ShapeError(
                f"bwd of {self.custom.name} returned a cotangent of shape {np.shape(c)} for {name} "
                f"of shape {np.shape(x)}"
            )
        below = onto(_tensor(c), self.place.levels, levels)
        dtype = x.dtype if hasattr(x, "dtype") else np.dtype(float)
        return below if below.dtype == dtype else below.astype(dtype)


class _Zero:
    """A cotangent None, where None would be an empty container."""


_ZERO = _Zero()


def _empty(c: Any) -> Any:
    if c is None:
        return _ZERO
    if isinstance(c, dict):
        return {key: _empty(value) for key, value in c.items()}
    if isinstance(c, list | tuple):
        made = [_empty(value) for value in c]
        return type(c)(*made) if hasattr(c, "_fields") else type(c)(made)
    return c


def _is_floating(x: Any) -> bool:
    if isinstance(x, Tensor | Batched | np.ndarray | np.generic):
        return x.dtype.kind == "f"
    return isinstance(x, float)


def _tensor(x: Any) -> Any:
    return x if isinstance(x, Tensor | Batched) else Tensor(x)
