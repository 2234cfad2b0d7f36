"""``mg.compile``: a function that runs as the NumPy that one would have written by hand.

Or as machine code that is made of the same list of instructions, with ``backend="native"``.
"""

from __future__ import annotations

import functools
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, overload

from minigrad.compile.bind import DECIDED, Miss, bind
from minigrad.compile.doors import observed
from minigrad.compile.emit import emit
from minigrad.compile.guards import mismatch
from minigrad.compile.naming import name_values
from minigrad.compile.native import Native, build, require_numba
from minigrad.compile.passes import optimise
from minigrad.compile.picture import picture
from minigrad.compile.places import Key
from minigrad.compile.plan import plan
from minigrad.compile.program import CompileError, Program, RunEagerly
from minigrad.compile.same import difference
from minigrad.compile.trace import Recorded, trace
from minigrad.tensor import Tensor, record
from minigrad.viz.graph import Graph

__all__ = ["CompileWarning", "Compiled", "compile"]

LIMIT = 8  # specialisations kept
OFTEN = 24  # traces after which a step is said not to settle


class CompileWarning(UserWarning):
    """A compiled function that does not settle: it is traced again and again."""


@dataclass(eq=False)
class Entry:
    """One specialisation: what was traced, and the code once two calls have agreed on it."""

    recorded: Recorded
    call: Callable[..., Any] | None = None
    source: str = ""
    functions: dict[str, Any] = field(default_factory=dict)
    native: Native | None = None
    found: dict[str, int] = field(default_factory=dict)
    before: int = 0
    seconds: float = 0.0


class Compiled:
    """A compiled function; see :func:`compile`.

    Attributes:
        function: What was compiled.
        calls: How often it was called.
        traces: How often it was traced, each a call that ran as it was written.
    """

    def __init__(self, function: Callable[..., Any], backend: str = "numpy") -> None:
        functools.update_wrapper(self, function, updated=())
        self.function, self.backend = function, backend
        self.calls = self.traces = 0
        self.reasons: list[str] = []
        self._entries: list[Entry] = []
        self._latest: Callable[..., Any] | None = None
        self._promoted: set[Key] = set()
        self._lock = threading.RLock()
        self._warned = False

    @property
    def __wrapped_function__(self) -> Callable[..., Any]:
        return self.function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the compiled code if it fits the call, else trace the call."""
        if Tensor.__primitive__ is not record and observed():
            return self.function(*args, **kwargs)
        with self._lock:
            self.calls += 1
            if self._latest is not None:
                out = self._latest(args, kwargs)
                if out.__class__ is not Miss:
                    return out
            return self._search(args, kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Bind as a method."""
        return self if instance is None else functools.partial(self, instance)

    def _search(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Look for another specialisation that fits; trace if there is none."""
        decided: list[Entry] = []  # whose guards hold, but not a check of data
        for entry in reversed(self._entries):  # guards that are code are quicker than a look
            if entry.call is not None and entry.call is not self._latest:
                out = entry.call(args, kwargs)
                if out.__class__ is not Miss:
                    self._latest = entry.call
                    return out
                if out is DECIDED:
                    decided.append(entry)
        reason, pending = "first call", list[Entry]()
        for entry in reversed(self._entries):
            differs = mismatch(entry.recorded, args, kwargs)
            if differs is not None:
                reason, number = differs
                if number is not None:
                    self._promoted.add(number)
            elif entry.call is None:
                pending.append(entry)
            else:
                if entry not in decided:  # equal, but not the same objects as before
                    entry.call = self._bound(entry)
                    out = entry.call(args, kwargs)
                    if out.__class__ is not Miss:
                        self._latest = entry.call
                        return out
                reason = "a check of the program did not hold"
        if pending:
            reason = "second call of a kind: both must compute the same"
        return self._trace(args, kwargs, pending, reason)

    def _twin(self, pending: list[Entry], program: Program) -> Entry | None:
        """The entry of a call that computed the same; None if data decided otherwise."""
        for entry in pending:
            differs = difference(entry.recorded.program, program)
            if differs is None:
                return entry
            if not differs.decided:
                self._entries.remove(entry)
                raise CompileError(
                    f"two calls of {self.program_name} that look alike did not compute the same: "
                    f"{differs.said}. Something is read that changes where minigrad.compile can't "
                    "see it, such as a clock, an iterator or a file: pass it as an argument"
                )
        return None

    def _trace(self, args: Any, kwargs: Any, pending: list[Entry], reason: str) -> Any:
        """Run the call as it was written, write down what it does, and compile the second time."""
        self.traces += 1
        again: Entry | None = None

        def judge(program: Program) -> None:
            nonlocal again
            again = self._twin(pending, program)

        try:
            recorded = trace(self.function, args, kwargs, self._promoted, judge)
        except RunEagerly:
            self.reasons.append("a call that fails as it was written")
            return self.function(*args, **kwargs)
        self.reasons.append(reason)
        self._promoted |= recorded.promoted
        if recorded.made:
            self.reasons[-1] += f"; it made or replaced {', '.join(recorded.made)}"
            if self.traces >= OFTEN:
                self._unsettled(f"each call makes state anew: {', '.join(recorded.made)}")
            return recorded.result
        if again is None:
            if pending:
                self.reasons[-1] = "data decided otherwise than in the calls before"
            self._entries = [*self._entries[1 - LIMIT :], Entry(recorded)]
            if self.traces >= OFTEN:
                self._unsettled(reason)
            return recorded.result
        again.recorded = recorded
        self._compile(again)
        self._latest = again.call
        return recorded.result

    def _compile(self, entry: Entry) -> None:
        start = time.perf_counter()
        program = entry.recorded.program
        entry.before = len(program.instructions)
        entry.found = optimise(program)
        plan(program)
        name_values(entry.recorded, self.function)
        entry.source, entry.functions = emit(program, entry.recorded.tape.titles)
        if self.backend == "native":
            entry.native = build(entry.recorded)
        entry.call = self._bound(entry)
        entry.seconds = time.perf_counter() - start

    def _bound(self, entry: Entry) -> Callable[..., Any]:
        if entry.native is not None:
            return entry.native.bind(entry.recorded)
        return bind(entry.recorded, entry.source, entry.functions)

    def _unsettled(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.program_name} was traced {self.traces} times and runs no faster than as "
                f"it was written; the last reason: {reason}",
                CompileWarning,
                stacklevel=4,
            )

    # What it tells of itself

    @property
    def program_name(self) -> str:
        """What the function is called."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def _ready(self) -> Entry:
        for entry in reversed(self._entries):
            if entry.call is not None:
                return entry
        raise CompileError(
            f"{self.program_name} is compiled at its second call of a kind; it has had "
            f"{self.calls} calls"
        )

    @property
    def source(self) -> str:
        """The NumPy source of the specialisation compiled last.

        Raises:
            CompileError: If nothing is compiled yet: that takes two calls of a kind.
        """
        return self._ready().source

    @property
    def native_source(self) -> str:
        """The source that Numba compiled for the specialisation compiled last.

        Raises:
            CompileError: If nothing is compiled yet, or the backend is not ``"native"``.
        """
        native = self._ready().native
        if native is None:
            raise CompileError(
                f"{self.program_name} is NumPy, whose text is .source; machine code is made by "
                "mg.compile(..., backend='native')"
            )
        return native.module.source

    @property
    def program(self) -> Program:
        """The instruction list of the specialisation compiled last."""
        return self._ready().recorded.program

    @property
    def graph(self) -> Graph:
        """A drawing of the specialisation compiled last: ``step.graph.save("step.svg")``."""
        return picture(self.program)

    def explain(self) -> str:
        """Say what was captured and guarded, why it was traced, and what the passes found.

        >>> import numpy as np
        >>> twice = compile(lambda x: x * 2.0)
        >>> for _ in range(3): _ = twice(np.ones(2))
        >>> print(twice.explain().splitlines()[0])
        <lambda>: 3 calls, 2 traces, 1 specialisation
        """
        ready = [entry for entry in self._entries if entry.call is not None]
        plural = "" if len(ready) == 1 else "s"
        lines = [
            f"{self.program_name}: {self.calls} calls, {self.traces} traces, "
            f"{len(ready)} specialisation{plural}"
        ]
        lines += [f"  traced: {reason}" for reason in self.reasons[-5:]]
        for entry in ready:
            lines += _explained(entry)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<compiled {self.program_name}>"


def _explained(entry: Entry) -> list[str]:
    recorded, program = entry.recorded, entry.recorded.program
    after = len(program.instructions)
    in_place = sum(i.into is not None for i in program.instructions)
    lines = [
        f"compiled in {entry.seconds * 1e3:.0f} ms: {entry.before} instructions became {after}, "
        f"{in_place} of them in place; at most {program.peak_bytes() / 1e3:,.0f} kB at once"
    ]
    used = ", ".join(f"{name} {count}" for name, count in entry.found.items() if count)
    lines.append(f"  passes: {used or 'found nothing'}")
    if entry.native is not None:
        lines += [f"  {line}" for line in entry.native.explained()]
    for kind in ("argument", "tensor", "gradient", "array", "number", "generator"):
        names = [i.value.name for i in program.inputs if i.kind == kind]
        if names:
            lines.append(f"  {kind} inputs: {', '.join(names)}")
    written = [u.target.name if u.target and u.target.name else u.path for u in program.updates]
    if written:
        lines.append(f"  leaves behind: {', '.join(written)}")
    checks = [i for i in program.instructions if i.function == "check"]
    lines.append(
        f"  guards: {len(recorded.walk.states)} values, {len(recorded.walk.sizes)} containers, "
        f"{len(checks)} checks of data"
    )
    return lines


@overload
def compile(
    function: Callable[..., Any], *, backend: Literal["numpy", "native"] = "numpy"
) -> Compiled: ...


@overload
def compile(
    *, backend: Literal["numpy", "native"] = "numpy"
) -> Callable[[Callable[..., Any]], Compiled]: ...


def compile(
    function: Callable[..., Any] | None = None, *, backend: Literal["numpy", "native"] = "numpy"
) -> Compiled | Callable[[Callable[..., Any]], Compiled]:
    """Make a function, a model or a whole training step run as straight-line NumPy.

    Calls run as they were written until two of a kind have computed the same, step by step; from
    then on the compiled code runs: forward pass, gradient and update as one NumPy function, which
    ``.source`` shows. Parameters, what an optimiser remembers, buffers, learning rates, counts and
    random streams are read where they stand at every call, and left as the function would leave
    them. A call that differs in what was taken for granted (shapes, dtypes, modes, any Python value
    that can be reached) is traced again. Results carry no history.

    Args:
        function: What to compile; also a Module, or what :func:`grad` returns. Left out where
            ``@compile(backend=...)`` decorates it.
        backend: ``"numpy"``, or ``"native"`` for machine code that Numba makes of the same
            program: loops fused, products written for their shapes, no Python and no new array
            inside of a step. Sums are added up in another order, so results agree within rounding,
            and no warning says that a number is not finite.
            What it can't express stays NumPy calls, as :meth:`Compiled.explain` says.

    Raises:
        ImportError: If the backend is ``"native"`` and Numba is not installed, or too old.
        CompileError: At a call, if the function does what can't be compiled: it looks at a value
            (``if loss > 1``, ``float(t)``, ``print``), writes into an array, or needs a shape that
            depends on values. Nothing has changed then.

    >>> import minigrad as mg, numpy as np
    >>> w = mg.tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> optimizer = mg.optim.SGD([w], learning_rate=0.1)
    >>> @compile
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     loss = (w * x).sum()
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> for _ in range(4): loss = step(np.array([1.0, 0.0]))
    >>> w.numpy(), float(loss)
    (array([0.6, 2. ]), 0.7)
    """
    if backend not in ("numpy", "native"):
        raise ValueError(f"backend is 'numpy' or 'native', not {backend!r}")
    if backend == "native":
        require_numba()
    if function is None:
        return functools.partial(compile, backend=backend)
    if not callable(function):
        raise TypeError(f"compile takes a function or a model, not a {type(function).__name__}")
    return Compiled(function, backend)
