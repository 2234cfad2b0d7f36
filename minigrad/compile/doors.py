"""What lets traced values through while a step is traced, where Python or NumPy would read them.

``np.asarray`` and ``math.sqrt`` dispatch nothing, so for the milliseconds of a trace they are
functions that ask first whether they are given a traced value. For anything else, also in other
threads, they are what they always are.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad import checkpointing, random, walks
from minigrad.anomaly import mode
from minigrad.autodiff import backward
from minigrad.batching import LEVELS
from minigrad.compile.interpret import constant, onlooker
from minigrad.compile.program import CompileError
from minigrad.compile.tape import Tape, current, where
from minigrad.compile.traced import Number, Traced, tape_of
from minigrad.functional import adaptive, pooling
from minigrad.interposing import interposed
from minigrad.tensor import Tensor, wrap

__all__ = ["LOCK", "TracedGenerator", "observed", "open_doors"]

LOCK = threading.RLock()
_TRACING: ContextVar[bool] = ContextVar("tracing", default=False)
_asarray, _pull, _recorded = np.asarray, walks.Walk.pull, checkpointing._Segment.recorded
_FUNCTIONS = (
    *("sqrt", "exp", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "tanh"),
    *("pow", "floor", "ceil", "fabs", "atan", "hypot"),
)


def observed() -> bool:
    """Whether each op is looked at here and now: by a trace, a ``vmap`` or ``detect_anomaly``.

    A compiled function runs as it is written then.
    """
    return _TRACING.get() or bool(LEVELS.get()) or mode() is not None


def _let_through(a: Any, dtype: Any = None, *order: Any, **options: Any) -> Any:
    if isinstance(a, Traced):
        return a if dtype is None else a.astype(dtype)
    if isinstance(a, Number) and dtype is None:
        return a
    return _asarray(a, dtype, *order, **options)


def _of_number(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any) -> Any:
        tape = tape_of(*args)
        return original(*args) if tape is None else tape.call(f"math.{name}", args, {})

    return function


def _opaque(original: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any) -> Any:
        tape = tape_of(*args)
        if tape is None:
            return original(*args)
        return tape.record("call", (original, *args), {}, original(*map(current, args)))

    return function


def _as_constant(tape: Tape, original: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any) -> Any:
        out = original(*args)
        if isinstance(out, tuple):
            return tuple(constant(tape, x) if isinstance(x, np.ndarray) else x for x in out)
        return out if isinstance(out, Traced) else constant(tape, out)

    return function


# Functions of the library that write into arrays of their own are called as they are; those whose
# result is indexed by a traced array, which NumPy does not hand over, give a traced constant.
_WRITING = ((pooling, "first_largest"), (adaptive, "first_largest"))
_INDEXED = ((pooling, "_sums"), (adaptive, "_regions"))


def _backward(self: Tensor, gradient: Any = None, **options: Any) -> None:
    """``backward`` whose cotangent is traced from its first value on."""
    if isinstance(self._data, Traced) and gradient is None and self.size == 1:
        one = np.ones(self.shape, self.dtype)
        gradient = wrap(constant(self._data._tape, one))
    backward(self, gradient, **options)


def _pull_traced(
    self: walks.Walk, outputs: Sequence[Any], cotangents: Sequence[Any], **options: Any
) -> list[Any]:
    """A walk's ``pull`` whose cotangents are traced from their first value on."""
    tapes = [tape_of(getattr(out, "_data", None)) for out in outputs]
    seeds = [
        constant(tape, g) if tape is not None and isinstance(g, np.ndarray) else g
        for tape, g in zip(tapes, cotangents, strict=True)
    ]
    return _pull(self, outputs, seeds, **options)


def _at_once(self: Any) -> Any:
    """A checkpoint that is traced: what it would compute twice is computed once anyway."""
    return self.call()


class TracedGenerator(np.random.Generator):
    """A stream of random numbers whose draws are written down; it shares the bits of another."""

    def follow(self, tape: Tape, value: Any) -> TracedGenerator:
        """Write draws to a tape, as draws from ``value``."""
        self._tape, self._value = tape, value
        return self

    def draw(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Draw, and write it down."""
        if tape_of(*args, *kwargs.values()) is not None:
            raise CompileError(
                f"rng.{method} is given computed values{where()}: draw from a fixed distribution "
                "and shift and scale the result"
            )
        now = getattr(np.random.Generator(self.bit_generator), method)(*args, **kwargs)
        return self._tape.record(f"rng.{method}", (self, *args), kwargs, now)

    @property
    def _traced_value(self) -> Any:
        return self._value

    @property
    def _now(self) -> Any:
        return self


def _drawing(name: str) -> Callable[..., Any]:
    def method(self: TracedGenerator, *args: Any, **kwargs: Any) -> Any:
        return self.draw(name, args, kwargs)

    return method


for _name in dir(np.random.Generator):
    if not _name.startswith("_") and _name not in ("bit_generator", "spawn", "shuffle", "permuted"):
        setattr(TracedGenerator, _name, _drawing(_name))


def _shuffle(self: TracedGenerator, *_: Any, **__: Any) -> Any:
    raise CompileError(f"rng.shuffle writes into an array{where()}: use rng.permutation(n)")


for _name in ("shuffle", "permuted", "spawn"):
    setattr(TracedGenerator, _name, _shuffle)


@contextlib.contextmanager
def open_doors(stream: np.random.Generator, tape: Tape) -> Iterator[None]:
    """Let traced values through inside the block; draws of the global stream are ``stream``'s."""
    originals = {name: getattr(math, name) for name in _FUNCTIONS}
    replaced = [(m, name, getattr(m, name)) for m, name in (*_WRITING, *_INDEXED)]
    token, tracing = random._GENERATOR.set(stream), _TRACING.set(True)
    try:
        np.asarray = _let_through
        Tensor.backward = _backward
        walks.Walk.pull = _pull_traced  # type: ignore[method-assign]
        checkpointing._Segment.recorded = _at_once  # type: ignore[method-assign]
        for name, original in originals.items():
            setattr(math, name, _of_number(name, original))
        for module, name, original in replaced:
            indexed = (module, name) in _INDEXED
            new = _as_constant(tape, original) if indexed else _opaque(original)
            setattr(module, name, new)
        with interposed(onlooker):
            yield
    finally:
        for module, name, original in replaced:
            setattr(module, name, original)
        for name, original in originals.items():
            setattr(math, name, original)
        np.asarray = _asarray
        Tensor.backward = backward
        walks.Walk.pull = _pull  # type: ignore[method-assign]
        checkpointing._Segment.recorded = _recorded  # type: ignore[method-assign]
        random._GENERATOR.reset(token)
        _TRACING.reset(tracing)
