"""One generator of random numbers for everything that draws: initialisation, dropout, batches.

``seed`` makes a program repeatable; ``fork`` gives a part of it a stream of its own, so that
drawing more in one place does not change what another place draws.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import numpy as np

__all__ = ["fork", "generator", "observed", "replayed", "seed"]

Observer = Callable[[np.random.Generator, bool], None]

_GENERATOR: ContextVar[np.random.Generator | None] = ContextVar("generator", default=None)
_OBSERVER: ContextVar[Observer | None] = ContextVar("observer", default=None)
_DEFAULT = [np.random.default_rng()]


def seed(value: int) -> None:
    """Restart the global stream, so that what is drawn from now on is repeatable.

    >>> seed(0); first = generator().random(); seed(0); first == generator().random()
    True
    """
    _DEFAULT[0] = np.random.default_rng(value)


def generator(rng: np.random.Generator | int | None = None) -> np.random.Generator:
    """Return ``rng`` as a generator: itself, one seeded by the integer, or the one in force.

    >>> int(generator(7).integers(100)) == int(generator(7).integers(100))
    True
    """
    own = _GENERATOR.get() or _DEFAULT[0]
    found = own if rng is None else np.random.default_rng(rng)
    observer = _OBSERVER.get()
    if observer is not None and not isinstance(rng, int):
        observer(found, rng is not None)
    return found


@contextlib.contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Call ``observer(generator, given)`` before each draw inside the block, except from integers.

    >>> seen = []
    >>> with observed(lambda rng, given: seen.append(given)):
    ...     _ = generator().random(), generator(np.random.default_rng(0)).random()
    >>> seen
    [False, True]
    """
    outer = _OBSERVER.get()

    def both(found: np.random.Generator, given: bool) -> None:
        observer(found, given)
        if outer is not None:
            outer(found, given)

    token = _OBSERVER.set(both)
    try:
        yield
    finally:
        _OBSERVER.reset(token)


@contextlib.contextmanager
def replayed(state: dict[str, object] | None) -> Iterator[None]:
    """Draw from a stream of its own that stands at ``state``; None leaves the stream as it is.

    >>> state = generator().bit_generator.state
    >>> first = generator().random()
    >>> with replayed(state):
    ...     generator().random() == first
    True
    """
    if state is None:
        yield
        return
    kind: type[np.random.BitGenerator] = getattr(np.random, str(state["bit_generator"]))
    bits = kind()
    bits.state = state
    token = _GENERATOR.set(np.random.Generator(bits))
    try:
        yield
    finally:
        _GENERATOR.reset(token)


@contextlib.contextmanager
def fork(value: int) -> Iterator[np.random.Generator]:
    """Draw from a stream of its own inside the block; the stream outside goes on untouched.

    >>> seed(0); outside = generator().random(); seed(0)
    >>> with fork(1) as rng: inside = rng.random()
    >>> generator().random() == outside
    True
    """
    token = _GENERATOR.set(np.random.default_rng(value))
    try:
        yield generator()
    finally:
        _GENERATOR.reset(token)
