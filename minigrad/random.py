"""One generator of random numbers for everything that draws: initialisation, dropout, batches.

``seed`` makes a program repeatable; ``fork`` gives a part of it a stream of its own, so that
drawing more in one place does not change what another place draws.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import numpy as np

__all__ = ["fork", "generator", "seed"]

_GENERATOR: ContextVar[np.random.Generator | None] = ContextVar("generator", default=None)
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
    if rng is None:
        return _GENERATOR.get() or _DEFAULT[0]
    return np.random.default_rng(rng)


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
