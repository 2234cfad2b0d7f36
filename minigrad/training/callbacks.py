"""What may happen after each epoch: stop before it gets worse, keep the best on disk.

A callback is any function of the history; one that returns True stops training.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from minigrad.errors import StateError
from minigrad.nn import Module
from minigrad.optim import Optimizer
from minigrad.random import generator
from minigrad.serialize import load, save
from minigrad.training.history import History

__all__ = ["Checkpoint", "EarlyStopping"]


class Watched:
    """A number of the history, and which of its values was the best."""

    def __init__(self, monitor: str | None, mode: Literal["min", "max"]) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' or 'max', not {mode!r}")
        self.monitor, self.sign = monitor, 1.0 if mode == "min" else -1.0
        self.best = self.sign * math.inf

    def improved(self, history: History, margin: float = 0.0) -> bool:
        """Whether the newest number is better than all before, and by more than a margin."""
        if self.monitor is None:
            self.monitor = "validation_loss" if "validation_loss" in history.records else "loss"
        if self.monitor not in history.records:
            known = ", ".join(history.records)
            raise ValueError(f"the history has no {self.monitor!r} to watch, only {known}")
        now = history[self.monitor][-1]
        if not self.sign * now < self.sign * self.best - margin:  # NaN is no improvement
            return False
        self.best = now
        return True


class EarlyStopping:
    """Stops training that no longer gets better, and puts the best parameters back.

    Args:
        model: Whose parameters and buffers are kept.
        monitor: The number to watch; by default the validation loss, or the loss if there is none.
        patience: How many epochs without improvement are borne.
        min_delta: How much better counts as an improvement.
        mode: Whether ``"min"`` or ``"max"`` is better.

    Attributes:
        epoch: The best epoch, counted from 1.

    >>> from minigrad import nn, optim
    >>> from minigrad.functional import mse_loss
    >>> from minigrad.training import fit
    >>> import numpy as np
    >>> line = nn.Linear(1, 1, rng=0)
    >>> x = np.linspace(-1, 1, 32)[:, None]
    >>> stop = EarlyStopping(line, patience=3, min_delta=1e-6)
    >>> history = fit(line, x, 2 * x, optimizer=optim.SGD(line.parameters(), 0.5), loss=mse_loss,
    ...               epochs=500, callbacks=[stop], rng=0, progress=False)
    >>> len(history) == stop.epoch + 3
    True
    """

    def __init__(
        self,
        model: Module,
        monitor: str | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] = "min",
    ) -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience is 1 or more, not {patience}")
        self.model, self.patience, self.min_delta = model, patience, min_delta
        self.watched = Watched(monitor, mode)
        self.epoch = 0
        self._state: dict[str, Any] | None = None

    def __call__(self, history: History) -> bool:
        """Look at the newest epoch; True where it is time to stop."""
        if self.watched.improved(history, self.min_delta):
            self.epoch, self._state = len(history), self.model.state_dict()
            return False
        return len(history) - self.epoch >= self.patience and self.restore()

    def state_dict(self) -> dict[str, Any]:
        """Return what to resume from: the best epoch, its number and its parameters."""
        state = {"epoch": np.array(self.epoch), "best": np.array(self.watched.best)}
        return state | {f"model.{name}": value for name, value in (self._state or {}).items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from a state dict.

        Raises:
            StateError: If it is not one of an EarlyStopping.
        """
        if not {"epoch", "best"} <= state.keys():
            raise StateError(f"state does not fit EarlyStopping: {sorted(state)}")
        kept = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
        self.epoch, self._state = int(state["epoch"]), kept or None
        self.watched.best = float(state["best"])

    def restore(self) -> bool:
        """Put the best parameters back, if there were any; also for a run that was interrupted."""
        if self._state is not None:
            self.model.load_state_dict(self._state)
        return True


class Checkpoint:
    """Saves model, optimiser and history after each epoch, and resumes from them.

    Where the streams of random numbers stand is saved, too: the global one, that of ``rng`` and
    those of dropout in the model. So a run that is resumed is the run that was not interrupted,
    number by number, if whatever else it is trained with is given.

    Args:
        path: A file; it is replaced as a whole, so an interrupt leaves the one before.
        model: What to save.
        optimizer: Saved, too, so that momentum and learning rate are gone on with.
        best_only: Whether to save only when ``monitor`` has improved.
        monitor: The number to watch; by default the validation loss, or the loss if there is none.
        mode: Whether ``"min"`` or ``"max"`` is better.
        schedule: Saved, too; the one that ``fit`` is given.
        rng: The generator that ``fit`` is given, if it is given one.
        early_stopping: Saved, too; it stands before the checkpoint among the callbacks.

    >>> import tempfile, os
    >>> from minigrad import nn
    >>> from minigrad.training import History
    >>> path = os.path.join(tempfile.mkdtemp(), "run.npz")
    >>> checkpoint = Checkpoint(path, nn.Linear(2, 1))
    >>> history = History({"loss": [0.5]})
    >>> checkpoint(history)
    >>> Checkpoint(path, nn.Linear(2, 1)).resume().records
    {'loss': [0.5]}
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        model: Module,
        optimizer: Optimizer | None = None,
        best_only: bool = False,
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        *,
        schedule: Any = None,
        rng: np.random.Generator | None = None,
        early_stopping: EarlyStopping | None = None,
    ) -> None:
        self.path, self.model, self.optimizer = Path(path), model, optimizer
        self.parts = {"schedule": schedule, "stop": early_stopping}
        self.rng = rng
        self.best_only, self.watched = best_only, Watched(monitor, mode)

    def __call__(self, history: History) -> None:
        """Save, if it is time to."""
        if self.best_only and not self.watched.improved(history):
            return
        model = self.model.state_dict()
        state: dict[str, Any] = {f"model.{name}": value for name, value in model.items()}
        if self.optimizer is not None:
            memory = self.optimizer.state_dict()
            state |= {f"optimizer.{name}": value for name, value in memory.items()}
        for kind, part in self.parts.items():
            if part is not None:
                state |= {f"{kind}.{name}": value for name, value in part.state_dict().items()}
        for name, stream in self._streams().items():
            state[f"stream.{name}"] = _written(stream)
        state |= {f"history.{name}": numbers for name, numbers in history.records.items()}
        save(self.path, state)

    def _streams(self) -> dict[str, np.random.Generator]:
        """Every stream that training draws from, by name."""
        streams = {"global": generator()}
        if self.rng is not None:
            streams["rng"] = self.rng
        for name, module in self.model.named_modules():
            for key, value in vars(module).items():
                if isinstance(value, np.random.Generator):
                    streams[f"model.{name}.{key}"] = value
        return streams

    def resume(self) -> History:
        """Load model and optimiser from the file, and return its history; an empty one without.

        Raises:
            StateError: If the file is damaged or of another model.
        """
        if not self.path.exists():
            return History()
        parts: dict[str, dict[str, Any]] = {"model": {}, "optimizer": {}, "history": {}}
        for name, value in load(self.path).items():
            kind, _, rest = name.partition(".")
            parts.setdefault(kind, {})[rest] = value
        self.model.load_state_dict(parts["model"])
        if self.optimizer is not None:
            self.optimizer.load_state_dict(parts["optimizer"])
        for kind, part in self.parts.items():
            if part is not None:
                part.load_state_dict(parts.get(kind, {}))
        for name, stream in self._streams().items():
            if (written := parts.get("stream", {}).get(name)) is not None:
                _put_back(stream, written, name)
        records = {name: numbers.tolist() for name, numbers in parts["history"].items()}
        history = History(records)
        if self.best_only and records:
            self.watched.improved(history)
        return history


def _written(stream: np.random.Generator) -> np.ndarray[Any, Any]:
    """Where a stream stands, as bytes of JSON: its numbers are larger than any dtype's."""
    text = json.dumps(stream.bit_generator.state, default=lambda array: array.tolist())
    return np.frombuffer(text.encode(), np.uint8)


def _put_back(stream: np.random.Generator, written: Any, name: str) -> None:
    """Let a stream stand where it was when it was written."""
    try:
        stream.bit_generator.state = json.loads(np.asarray(written).tobytes())
    except (ValueError, TypeError, KeyError) as error:
        raise StateError(f"state does not fit the random stream {name!r}: {error}") from error
