"""Checks of gradients: of minigrad's own ops, of models, and of rules written in plain NumPy."""

from minigrad.testing.assertion import assert_gradients
from minigrad.testing.gradcheck import check_vjp, gradcheck
from minigrad.testing.report import (
    Finding,
    GradientError,
    InconclusiveCheck,
    NotDifferentiablePoint,
    Report,
)

__all__ = [
    "Finding",
    "GradientError",
    "InconclusiveCheck",
    "NotDifferentiablePoint",
    "Report",
    "assert_gradients",
    "check_vjp",
    "gradcheck",
]
