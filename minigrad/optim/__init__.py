"""Optimisers, their arithmetic, schedules of the learning rate, and limits on gradients."""

import difflib
from typing import TYPE_CHECKING

from minigrad.names import OPTIM
from minigrad.optim import updates
from minigrad.optim.adaptive import Adadelta, Adagrad, Adamax, Lion, NAdam, RMSprop
from minigrad.optim.clip import clip_grad_norm, clip_grad_value
from minigrad.optim.composed import ChainedScheduler, SequentialLR
from minigrad.optim.lbfgs import LBFGS
from minigrad.optim.optimizer import SGD, Adam, AdamW, Optimizer
from minigrad.optim.penalty import l1_penalty, l2_penalty
from minigrad.optim.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "Lion",
    "MultiStepLR",
    "NAdam",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "clip_grad_norm",
    "clip_grad_value",
    "l1_penalty",
    "l2_penalty",
    "updates",
]

if not TYPE_CHECKING:  # a type checker is to say itself that a name is unknown

    def __getattr__(name: str) -> object:
        """Say what an optimiser that does not exist may be called here; runs on failure only."""
        near = difflib.get_close_matches(name, __all__, 1, 0.8)
        hint = f": did you mean {near[0]!r}?" if near else ""
        if name in OPTIM:
            hint = f": {OPTIM[name]}"
        elif name[:1] != "_" and (found := [n for n in __all__ if n.lower() == name.lower()]):
            hint = f": did you mean {found[0]!r}?"
        raise AttributeError(f"minigrad.optim has no {name!r}{hint}", name=name)
