"""Training: the loop, its history, and what may happen after each epoch."""

from minigrad.training.callbacks import Checkpoint, EarlyStopping
from minigrad.training.history import History
from minigrad.training.loop import evaluate, fit

__all__ = ["Checkpoint", "EarlyStopping", "History", "evaluate", "fit"]
