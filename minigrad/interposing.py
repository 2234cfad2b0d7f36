"""Standing between Tensors and ``record`` for as long as somebody needs to, at no cost otherwise.

What interprets primitives for a Tensor is an attribute of its class. While a ``vmap`` or a
``detect_anomaly`` runs anywhere, that attribute is a function that looks at the call first; when
the last one has ended it is ``record`` again. The look itself depends on the arguments and on
ContextVars only, so other threads compute what they always do.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from minigrad.tensor import Tensor, record

Onlooker = Callable[..., Any]
"""``onlooker(record, primitive, args, params)``: returns what the call gives."""

_LOCK = threading.Lock()
_COUNTS: dict[Onlooker, int] = {}


@contextlib.contextmanager
def interposed(onlooker: Onlooker) -> Iterator[None]:
    """Have ``onlooker`` see every call of a primitive on Tensors inside the block.

    >>> seen = []
    >>> def look(record, primitive, args, params):
    ...     seen.append(primitive.name)
    ...     return record(primitive, args, params)
    >>> with interposed(look):
    ...     _ = Tensor(1.0) + 2.0
    >>> seen
    ['add']
    """
    _stand(onlooker, 1)
    try:
        yield
    finally:
        _stand(onlooker, -1)


def _stand(onlooker: Onlooker, step: int) -> None:
    with _LOCK:
        _COUNTS[onlooker] = _COUNTS.get(onlooker, 0) + step
        if not _COUNTS[onlooker]:
            del _COUNTS[onlooker]
        interpret: Callable[..., Any] = record
        for standing in _COUNTS:
            interpret = functools.partial(standing, interpret)
        Tensor.__primitive__ = staticmethod(interpret)
