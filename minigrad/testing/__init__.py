"""Checks of gradients: of minigrad's own ops, of models, and of rules written in plain NumPy."""

from minigrad.testing.assertion import assert_gradients, assert_vjp
from minigrad.testing.foreign import from_jax, from_torch
from minigrad.testing.gradcheck import check_vjp, gradcheck
from minigrad.testing.report import (
    Finding,
    GradientError,
    Inconclusive,
    NotDifferentiable,
    Report,
)

__all__ = [
    "Finding",
    "GradientError",
    "Inconclusive",
    "NotDifferentiable",
    "Report",
    "assert_gradients",
    "assert_vjp",
    "check_vjp",
    "from_jax",
    "from_torch",
    "gradcheck",
]
