"""Golden files of emitted source: ``pytest --overwrite-source`` rewrites them."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--overwrite-source", action="store_true", help="rewrite emitted golden files")


@pytest.fixture
def overwrite(request):
    return request.config.getoption("--overwrite-source", default=False)
