"""Optimisers, their arithmetic, schedules of the learning rate, and limits on gradients."""

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
