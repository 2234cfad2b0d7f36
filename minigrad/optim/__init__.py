"""Optimisers, their arithmetic, schedules of the learning rate, and limits on gradients."""

from minigrad.optim import updates
from minigrad.optim.adaptive import Adadelta, Adamax, Lion, NAdam
from minigrad.optim.clip import clip_grad_norm, clip_grad_value
from minigrad.optim.lbfgs import LBFGS
from minigrad.optim.optimizer import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from minigrad.optim.penalty import l1_penalty, l2_penalty
from minigrad.optim.schedules import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
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
