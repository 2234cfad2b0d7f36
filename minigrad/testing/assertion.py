"""``assert_gradients``: a gradient check as one line of a test."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from minigrad.testing.gradcheck import gradcheck
from minigrad.testing.report import Report

SEED: ContextVar[int] = ContextVar("gradcheck_seed", default=0)
ORDER: ContextVar[int] = ContextVar("gradcheck_order", default=1)


def assert_gradients(
    f: Callable[..., Any],
    *inputs: Any,
    order: int | None = None,
    params: Any = None,
    seed: int | None = None,
) -> Report:
    """Assert that :func:`~minigrad.testing.gradcheck` passes, in every order up to ``order``.

    ``seed`` and ``order`` default to what pytest was told: ``--gradcheck-seed`` and
    ``@pytest.mark.gradcheck(order=2)``.

    Raises:
        GradientError: With the report as its message.

    >>> import minigrad as mg
    >>> assert_gradients(mg.tanh, [0.5, -1.0], order=2).checked
    2
    """
    highest = ORDER.get() if order is None else order
    for n in range(1, highest + 1):
        report = gradcheck(
            f, *inputs, order=n, params=params, seed=SEED.get() if seed is None else seed
        )
        report.raise_if_failed()
    return report
