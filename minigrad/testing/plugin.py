"""The pytest plugin: what gradient checks are told, and what is kept of those that fail.

``--gradcheck-seed=7`` draws other directions and cotangents, ``--gradcheck-level=full`` repeats
every check with several seeds, ``--gradcheck-dir=reports`` keeps the report and the drawn graph of
every failure. ``@pytest.mark.gradcheck(order=2)`` has
:func:`~minigrad.testing.assert_gradients` check the second order, too. Seed and worst resolution
of each test are among its properties in ``--junit-xml``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minigrad.errors import MissingExtra
from minigrad.testing.assertion import SESSION, Session
from minigrad.testing.report import page

CHECKS, RESOLUTION, SEED = "gradcheck_checks", "gradcheck_resolution", "gradcheck_seed"
MARKER = "gradcheck(order=1, seed=None, level=None): how assert_gradients checks in this test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("minigrad", "gradient checks")
    group.addoption(
        "--gradcheck-seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the random directions and cotangents of gradient checks (0)",
    )
    group.addoption(
        "--gradcheck-level",
        choices=("quick", "full"),
        default="quick",
        help="quick checks once, full repeats every check with further seeds (quick)",
    )
    group.addoption(
        "--gradcheck-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help="keep the report and the drawn graph of gradient checks that fail here",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", MARKER)


def _session(item: pytest.Item) -> Session:
    """What the command line and the marker ask for."""
    marker = item.get_closest_marker("gradcheck")
    asked: dict[str, Any] = dict(marker.kwargs) if marker else {}
    unknown = set(asked) - {"order", "seed", "level"}
    if unknown or (marker and marker.args):
        raise pytest.UsageError(f"{item.nodeid}: the marker is {MARKER.partition(':')[0]}")
    option = item.config.getoption
    return Session(
        seed=asked.get("seed", option("--gradcheck-seed")),
        order=asked.get("order", 1),
        level=asked.get("level", option("--gradcheck-level")),
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Tell the checks of a test what is asked, and keep what they found."""
    session = _session(item)
    token = SESSION.set(session)
    try:
        return (yield)
    except Exception:
        folder = item.config.getoption("--gradcheck-dir")
        if session.failed is not None and folder is not None:
            for path in _kept(session, folder, item.nodeid):
                item.add_report_section("call", "gradient check", f"see {path}")
        raise
    finally:
        SESSION.reset(token)
        if session.reports:
            worst = max(report.resolution for report in session.reports)
            item.user_properties += [
                (SEED, session.seed), (CHECKS, len(session.reports)), (RESOLUTION, worst)
            ]  # fmt: skip


def _kept(session: Session, folder: Path, test: str) -> list[Path]:
    """Write the report of a failure, and the graph that was checked, and return where."""
    assert session.failed is not None
    report, graph = session.failed
    folder.mkdir(parents=True, exist_ok=True)
    # A name that every file system takes, and that no other test has.
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", test).strip("-")[-100:]
    stem = f"{plain}-{zlib.crc32(test.encode()):08x}"
    written = [folder / f"{stem}.html"]
    written[0].write_text(page(report, test), encoding="utf-8")
    if graph is None:
        return written
    from minigrad.viz import draw

    try:
        drawing = draw(graph(), title=test.rpartition("::")[-1])
    except Exception as error:  # the failure of the test is what has to be seen
        report_only = folder / f"{stem}.txt"
        report_only.write_text(f"the graph could not be drawn: {error!r}\n", encoding="utf-8")
        return [*written, report_only]
    path = folder / f"{stem}.svg"
    try:
        drawing.save(path)
    except MissingExtra:  # the text that Graphviz would have drawn
        path = path.with_suffix(".dot")
        drawing.save(path)
    return [*written, path]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many gradients were checked, and how finely."""
    checks, worst, seeds = 0, 0.0, set()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                told: dict[str, Any] = dict(report.user_properties)
                checks += told.get(CHECKS, 0)
                worst = max(worst, told.get(RESOLUTION, 0.0))
                seeds |= {told[SEED]} if SEED in told else set()
    if checks:
        plural = "s" * (checks != 1)
        numbers = ", ".join(map(str, sorted(seeds)))
        terminalreporter.write_line(
            f"{checks} gradient check{plural} with seed {numbers}: "
            f"relative resolution {worst:.0e} at worst"
        )
