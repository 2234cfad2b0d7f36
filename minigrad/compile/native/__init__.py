"""Machine code for compiled programs, through Numba: the extra ``minigrad[native]``."""

from minigrad.compile.native.build import Native, build

__all__ = ["Native", "build"]
