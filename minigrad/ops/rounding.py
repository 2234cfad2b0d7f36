"""Steps: ops that are constant between jumps, and the signs that go with them.

Their gradient is 0 wherever there is one. It is recorded all the same: a loss that only depends on
steps has a gradient, and it says that no step of an optimiser will change anything.
"""

from __future__ import annotations

import numpy as np

from minigrad.primitive import POSITIVE, Array, case, defvjp, primitive

__all__ = [
    "ceil",
    "copysign",
    "floor",
    "heaviside",
    "rint",
    "round",
    "sign",
    "step",
    "trunc",
]


def pull_nothing(g: Array) -> Array:
    """``0``; selected, since an infinite ``g`` times 0 would be NaN."""
    return np.where(False, g, 0.0)


@primitive(np.sign, domain=POSITIVE, onnx="Sign")
@defvjp(x=pull_nothing)
def sign(x: Array, /) -> Array:
    """Sign of ``x``: -1, 0 or 1; constant on both sides, so its gradient is 0.

    >>> sign(np.array([-2.0, 0.0, 5.0]))
    array([-1.,  0.,  1.])
    """


@primitive(np.floor, domain=(0.1, 0.9), onnx="Floor")
@defvjp(x=pull_nothing)
def floor(x: Array, /) -> Array:
    """Largest whole number not above ``x``; constant between its jumps, so its gradient is 0.

    >>> floor(np.array([-0.5, 1.5]))
    array([-1.,  1.])
    """


@primitive(np.ceil, domain=(0.1, 0.9), onnx="Ceil")
@defvjp(x=pull_nothing)
def ceil(x: Array, /) -> Array:
    """Smallest whole number not below ``x``; constant between its jumps, so its gradient is 0.

    >>> ceil(np.array([0.5, 1.5]))
    array([1., 2.])
    """


@primitive(np.trunc, numpy=[np.fix, np.trunc], domain=(0.1, 0.9))
@defvjp(x=pull_nothing)
def trunc(x: Array, /) -> Array:
    """Whole part, towards 0; constant between its jumps, so its gradient is 0.

    >>> trunc(np.array([-1.5, 1.5]))
    array([-1.,  1.])
    """


@primitive(np.rint, domain=(0.6, 1.4))
@defvjp(x=pull_nothing)
def rint(x: Array, /) -> Array:
    """Nearest whole number, halves to the even one; its gradient is 0.

    PyTorch calls it ``round``.

    >>> rint(np.array([0.5, 1.5, 1.7]))
    array([0., 2., 2.])
    """


@primitive(
    np.round,
    numpy=[np.around, np.round],
    domain=(0.6, 1.4),
    cases=[case(2, 3, decimals=0), case((), decimals=0), case(0, 2, decimals=-1)],
    onnx="Round",
)
@defvjp(x=pull_nothing)
def round(x: Array, /, decimals: int = 0) -> Array:
    """Nearest multiple of ``10 ** -decimals``, halves to the even one; its gradient is 0.

    >>> round(np.array([0.5, 1.25]), 1)
    array([0.5, 1.2])
    """


@primitive(np.copysign, domain=[POSITIVE, POSITIVE])
@defvjp(a=lambda g, a, out: g * np.sign(a) * np.sign(out), b=pull_nothing)
def copysign(a: Array, b: Array, /) -> Array:
    """``|a|`` with the sign of ``b``, that of -0.0 too; the gradient to ``a`` is 0 where it is 0.

    >>> copysign(np.array([1.0, -2.0]), np.array([-0.0, 3.0]))
    array([-1.,  2.])
    """


@primitive(np.heaviside, domain=POSITIVE)
@defvjp(a=pull_nothing, b=lambda g, a: np.where(np.equal(a, 0), g, 0.0))
def heaviside(a: Array, b: Array, /) -> Array:
    """Step: 0 where ``a < 0``, 1 where ``a > 0``, and ``b`` where ``a`` is 0.

    The gradient to ``a`` is 0, also at the jump; that to ``b`` passes where ``a`` is 0.

    >>> heaviside(np.array([-1.0, 0.0, 2.0]), 0.5)
    array([0. , 0.5, 1. ])
    """


@primitive(domain=POSITIVE)
@defvjp(x=pull_nothing)
def step(x: Array, /) -> Array:
    """Unit step: 1 where ``x > 0``, else 0; its gradient is 0, also at the jump.

    This is the perceptron's activation. ``heaviside`` leaves the value at 0 to the caller.

    >>> step(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """
    return np.heaviside(x, 0)
