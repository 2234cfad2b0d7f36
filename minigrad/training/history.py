"""What happened in a run of training, epoch by epoch, and its picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minigrad.training.figure import figure

__all__ = ["History"]


@dataclass
class History:
    """What happened in each epoch: ``history["loss"]`` and so on, one number an epoch.

    A run that is interrupted keeps what it has: the history is filled as training goes on.

    >>> history = History()
    >>> history.append(loss=0.5); history.append(loss=0.25)
    >>> history["loss"], len(history)
    ([0.5, 0.25], 2)
    """

    records: dict[str, list[float]] = field(default_factory=dict)

    def append(self, **numbers: float) -> None:
        """Add the numbers of one epoch."""
        for name, number in numbers.items():
            self.records.setdefault(name, []).append(number)

    def __getitem__(self, name: str) -> list[float]:
        return self.records[name]

    def __len__(self) -> int:
        return max((len(numbers) for numbers in self.records.values()), default=0)

    def plot(self, baseline: float | None = None) -> Any:
        """Draw every number against the epoch and return the figure: notebooks show it.

        Args:
            baseline: A loss to compare with, such as that of guessing.

        Raises:
            MissingExtra: If matplotlib is not installed.
            ValueError: If there is nothing to plot yet.
        """
        if not self.records:
            raise ValueError("the history is empty: there is nothing to plot")
        kinds = list(dict.fromkeys(name.removeprefix("validation_") for name in self.records))
        picture = figure("History.plot()", 4.8 * len(kinds), 3.4)
        for axes, kind in zip(
            picture.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True
        ):
            for name, colour, label in (
                (kind, "#0b5cad", "training"),
                (f"validation_{kind}", "#c2410c", "validation"),
            ):
                numbers = self.records.get(name, [])
                epochs = range(1, len(numbers) + 1)
                if numbers:  # one point makes no line
                    marker = "o" if len(numbers) == 1 else ""
                    axes.plot(epochs, numbers, color=colour, label=label, marker=marker)
            if kind == "loss" and baseline is not None:
                axes.axhline(baseline, color="#5a6672", linestyle=":", label="guessing")
            axes.set(xlabel="epoch", ylabel=kind, title=kind)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
        return picture
