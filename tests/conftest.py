"""What every test stands on: repeatable draws, strict warnings, nothing left switched."""

import gc
import os

import hypothesis
import numpy as np
import pytest

import minigrad as mg
from minigrad.graph import RECORDING
from minigrad.scopes import SCOPE

hypothesis.settings.register_profile("dev", max_examples=10, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=50, deadline=None, derandomize=True)
hypothesis.settings.register_profile("thorough", max_examples=1000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_finish(session):
    """Spare the collector some 18,000 collected tests, which all live until the end."""
    gc.freeze()


def legacy_stream():
    """Where NumPy's global stream of random numbers stands."""
    state = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return state["pos"], state["key"].tobytes()


@pytest.fixture(autouse=True)
def nothing_left_switched():
    """Fail a test that leaves recording off, a scope open, or NumPy's legacy stream moved."""
    mg.seed(0)
    before = legacy_stream()
    with np.errstate(all="warn", under="ignore"):
        yield
    assert RECORDING.get()
    assert SCOPE.get() is None
    assert legacy_stream() == before
