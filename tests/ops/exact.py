"""mpmath where it is installed: what special functions are to all digits."""

from typing import Any

import pytest


class _Mpmath:
    """Its functions by name, looked up when called; a test that calls one without it is skipped."""

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            return getattr(pytest.importorskip("mpmath"), name)(*args, **kwargs)

        return call


mpmath = _Mpmath()
