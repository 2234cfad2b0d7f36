"""Optimisers, their arithmetic, and limits on gradients."""

from minigrad.optim import updates
from minigrad.optim.clip import clip_grad_norm
from minigrad.optim.optimizer import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "clip_grad_norm",
    "updates",
]
