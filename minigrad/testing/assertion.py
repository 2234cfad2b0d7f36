"""``assert_gradients`` and ``assert_vjp``: a gradient check as one line of a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from minigrad.tensor import Tensor
from minigrad.testing.adapt import recorded
from minigrad.testing.gradcheck import check_vjp, gradcheck
from minigrad.testing.report import Report

Level = Literal["quick", "full"]
FULL = 4  # seeds with which a full check is repeated


@dataclass
class Session:
    """What a test was told about its gradient checks, and what they found.

    Attributes:
        seed: Of every check that is not given one.
        order: Of every check that is not given one.
        level: ``"full"`` repeats every check with further seeds.
        reports: Of the checks made so far.
        failed: The last report that did not pass, and a function that records the graph of what
            was checked; None for a rule in plain NumPy, which has no graph.
    """

    seed: int = 0
    order: int = 1
    level: Level = "quick"
    reports: list[Report] = field(default_factory=list)
    failed: tuple[Report, Callable[[], Tensor] | None] | None = None

    def seeds(self, seed: int | None) -> range:
        """The seeds with which a check is made."""
        first = self.seed if seed is None else seed
        return range(first, first + (FULL if self.level == "full" else 1))

    def note(self, report: Report, graph: Callable[[], Tensor] | None) -> None:
        """Remember a report, and raise unless it is a pass."""
        self.reports.append(report)
        if not report:
            self.failed = report, graph
        report.raise_if_failed()


SESSION: ContextVar[Session | None] = ContextVar("gradcheck_session", default=None)


def assert_gradients(
    f: Callable[..., Any],
    *inputs: Any,
    order: int | None = None,
    params: Any = None,
    seed: int | None = None,
) -> Report:
    """Assert that :func:`~minigrad.testing.gradcheck` passes, in every order up to ``order``.

    ``seed`` and ``order`` default to what pytest was told: ``--gradcheck-seed`` and
    ``@pytest.mark.gradcheck(order=2)``; under ``--gradcheck-level=full`` every check is repeated
    with further seeds.

    Returns:
        The report of the last check.

    Raises:
        GradientError: With the report as its message; a NotDifferentiable or an Inconclusive where
            that is the verdict.

    >>> import minigrad as mg
    >>> assert_gradients(mg.tanh, [0.5, -1.0], order=2).checked
    2
    """
    session = SESSION.get() or Session()
    highest = session.order if order is None else order
    if highest < 1:
        raise ValueError(f"order must be 1 or more, not {highest}")
    for n in range(1, highest + 1):
        for number in session.seeds(seed):
            report = gradcheck(f, *inputs, order=n, params=params, seed=number)
            session.note(report, lambda n=n: recorded(f, inputs, params, n))  # type: ignore[misc]
    return report


def assert_vjp(
    f: Callable[..., Any],
    vjp: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    seed: int | None = None,
    names: Sequence[str] | None = None,
) -> Report:
    """Assert that :func:`~minigrad.testing.check_vjp` passes: a rule in NumPy, as a line of a test.

    ``seed`` defaults to ``--gradcheck-seed``.

    Raises:
        GradientError: As :func:`assert_gradients` does.

    >>> import numpy as np
    >>> assert_vjp(np.sin, lambda g, x: g * np.cos(x), [np.array([0.5, 1.0])]).verdict
    'pass'
    """
    session = SESSION.get() or Session()
    for number in session.seeds(seed):
        report = check_vjp(f, vjp, inputs, number, names=names)
        session.note(report, None)
    return report
