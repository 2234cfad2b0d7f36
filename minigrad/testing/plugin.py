"""The pytest plugin: a seed for gradient checks, and the order that a test asks for.

``pytest --gradcheck-seed=7`` draws other directions and cotangents;
``@pytest.mark.gradcheck(order=2)`` has :func:`~minigrad.testing.assert_gradients` check the second
order, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from minigrad.testing.assertion import ORDER, SEED


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("minigrad", "gradient checks")
    group.addoption(
        "--gradcheck-seed",
        type=int,
        default=0,
        help="seed of the random directions and cotangents of gradient checks",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers", "gradcheck(order=1, seed=None): order and seed of assert_gradients in this test"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Tell ``assert_gradients`` what the command line and the marker ask for."""
    marker = item.get_closest_marker("gradcheck")
    asked = dict(marker.kwargs) if marker else {}
    seed = SEED.set(asked.get("seed", item.config.getoption("--gradcheck-seed")))
    order = ORDER.set(asked.get("order", 1))
    try:
        return (yield)
    finally:
        ORDER.reset(order)
        SEED.reset(seed)
