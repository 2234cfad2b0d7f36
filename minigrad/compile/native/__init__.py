"""Machine code for compiled programs, through Numba: the extra ``minigrad[native]``.

The list of instructions is grouped into loops (:mod:`.groups`, :mod:`.schedule`), every value gets
its memory once and for all (:mod:`.layout`, :mod:`.memory`), kernels are written
(:mod:`.scalars`, :mod:`.loops`, :mod:`.products`) and put together (:mod:`.module`), and a Python
function around them does what stays NumPy (:mod:`.wrapper`).
"""

from minigrad.compile.native.build import Native, build, require_numba

__all__ = ["Native", "build", "require_numba"]
