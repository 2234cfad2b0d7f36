"""The training loop that everybody writes, written once and readable."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.anomaly import AnomalyError
from minigrad.arguments import telling
from minigrad.data import batches
from minigrad.functional import accuracy, cross_entropy
from minigrad.graph import no_grad
from minigrad.nn import Module
from minigrad.optim import LBFGS, Optimizer, ReduceLROnPlateau
from minigrad.tensor import Tensor
from minigrad.training.history import History

__all__ = ["evaluate", "fit"]

Loss = Callable[[Any, Any], Tensor]
Metric = Callable[[Any, Any], float]
Callback = Callable[["History"], Any]


def _go_through(
    model: Module,
    pairs: Iterable[tuple[Any, Any]],
    loss: Loss,
    metrics: Mapping[str, Metric],
    optimizer: Optimizer | None = None,
    epoch: int = 0,
) -> dict[str, float]:
    """Run a model on batches, learn from each if there is an optimiser, and return the means."""
    totals, count = dict.fromkeys(["loss", *metrics], 0.0), 0
    for i, (x, y) in enumerate(pairs, 1):
        output = model(x)
        value = loss(output, y)
        number = float(value)
        if optimizer is not None:
            if not math.isfinite(number):
                raise AnomalyError(_advice(number, epoch, i))
            _learn(optimizer, value, functools.partial(_again, model, loss, x, y))
        totals["loss"] += number * len(x)
        for name, metric in metrics.items():
            totals[name] += metric(output, y) * len(x)
        count += len(x)
    return {name: total / count if count else math.nan for name, total in totals.items()}


def _advice(number: float, epoch: int, batch: int) -> str:
    return (
        f"the loss is {number} in epoch {epoch}, batch {batch}; the parameters are as before it\n"
        "  hint: mg.diagnose(model, x, y, optimizer=optimizer) looks for the cause; inside "
        "'with mg.detect_anomaly():' the first op that is not finite is named"
    )


def _again(model: Module, loss: Loss, x: Any, y: Any) -> Tensor:
    return loss(model(x), y)


def _learn(optimizer: Optimizer, value: Tensor, again: Callable[[], Tensor]) -> None:
    """Take a step down from a loss; L-BFGS looks at it several times."""
    if not isinstance(optimizer, LBFGS):
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return

    def closure() -> Tensor:
        optimizer.zero_grad()
        fresh = again()
        fresh.backward()
        return fresh

    optimizer.step(closure)


def evaluate(
    model: Module,
    x: Any,
    y: Any,
    loss: Loss = cross_entropy,
    metrics: Mapping[str, Metric] | None = None,
    batch_size: int = 1024,
) -> dict[str, float]:
    """Return the loss and metrics of a model in evaluation mode, without recording.

    >>> from minigrad import nn
    >>> evaluate(nn.Flatten(), np.zeros((4, 2)), np.array([0, 0, 0, 0]))
    {'loss': 0.6931471805599453, 'accuracy': 1.0}
    """
    chosen = _chosen(metrics, loss)
    pairs = batches(x, y, batch_size, shuffle=False)
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad():
            return _go_through(model, pairs, loss, chosen)
    finally:
        for module, training in modes:
            module.training = training


def _chosen(metrics: Mapping[str, Metric] | None, loss: Loss) -> Mapping[str, Metric]:
    if metrics is None:
        return {"accuracy": accuracy} if loss is cross_entropy else {}
    if "loss" in metrics:
        raise ValueError("a metric can't be called 'loss': that is what is trained with")
    return metrics


def _fitting(model: Module, optimizer: Any, loss: Any) -> None:
    """Refuse what would fail late, or train nothing without a word."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"fit: optimizer is an optimiser, not {optimizer!r}: pass one that holds the model's "
            "parameters, such as mg.optim.Adam(model.parameters())"
        )
    if not callable(loss):
        raise TypeError(
            f"fit: loss is a function, not {loss!r}: pass one such as mg.cross_entropy or "
            "mg.mse_loss"
        )
    own = {id(p) for p in model.parameters()}
    if not any(id(p) in own for group in optimizer.groups for p in group["parameters"]):
        raise ValueError(
            "fit: the optimiser holds no parameter of this model, so nothing would be learnt: "
            f"make it anew, {type(optimizer).__name__}(model.parameters())"
        )


def _progress(epochs: int, show: bool) -> Any:
    """Return tqdm's bar over the epochs, or a plain range where it is not wanted or not there."""
    if show:
        try:
            with warnings.catch_warnings():  # a notebook without widgets has a plain bar
                warnings.filterwarnings("ignore", "IProgress not found")
                from tqdm.auto import tqdm
        except ImportError:
            return range(epochs)
        return tqdm(range(epochs), unit="epoch", dynamic_ncols=True)
    return range(epochs)


@telling
def fit(
    model: Module,
    x: Any,
    y: Any,
    *,
    optimizer: Optimizer,
    loss: Loss = cross_entropy,
    epochs: int = 10,
    batch_size: int = 32,
    validation: tuple[Any, Any] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    callbacks: Sequence[Callback] = (),
    schedule: Any = None,
    rng: np.random.Generator | int | None = None,
    progress: bool = True,
    history: History | None = None,
) -> History:
    """Train a model in mini-batches and return what happened.

    Args:
        model: Called as ``model(x_batch)`` in training mode.
        x: Examples along the first axis.
        y: Their labels or targets.
        optimizer: Updates the model's parameters after each batch.
        loss: Function of the model's output and the batch of ``y``.
        epochs: How often to go through all examples.
        batch_size: Examples in a batch.
        validation: ``(x, y)`` to evaluate after each epoch.
        metrics: Functions of output and ``y`` by name; by default accuracy for cross-entropy.
        callbacks: Called with the history after each epoch; one that returns True stops training.
            ``EarlyStopping`` and ``Checkpoint`` are two.
        schedule: One of ``optim``'s, stepped after each epoch; ``ReduceLROnPlateau`` is given the
            validation loss, or without validation the loss.
        rng: Where the order of the examples is drawn from; by default the global stream.
        progress: Whether to show a bar (where tqdm is installed).
        history: Where to write; keeps what happened if training is interrupted.

    Raises:
        AnomalyError: If a loss is NaN or infinite; parameters are as before the batch that made it,
            but running statistics, as those of BatchNorm, have seen it.
        TypeError: If the optimiser is none, or the loss no function.
        ValueError: If the optimiser holds no parameter of the model, as one made for another has.

    >>> from minigrad import nn, optim
    >>> line = nn.Linear(1, 1, rng=0)
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> from minigrad.functional import mse_loss
    >>> history = fit(line, x, 3 * x + 1, optimizer=optim.SGD(line.parameters(), 0.1),
    ...               loss=mse_loss, epochs=40, rng=0, progress=False)
    >>> [round(float(value), 2) for value in (line.weight.item(), line.bias.item())]
    [3.0, 1.0]
    """
    _fitting(model, optimizer, loss)
    chosen = _chosen(metrics, loss)
    history = History() if history is None else history
    stream = np.random.default_rng(rng) if rng is not None else None
    bar = _progress(epochs, progress)
    try:
        for epoch in bar:
            model.train()
            pairs = batches(x, y, batch_size, rng=stream)
            numbers = _go_through(model, pairs, loss, chosen, optimizer, epoch + 1)
            if validation is not None:
                held_out = evaluate(model, *validation, loss=loss, metrics=chosen)
                numbers |= {f"validation_{name}": number for name, number in held_out.items()}
            history.append(**numbers)
            if isinstance(schedule, ReduceLROnPlateau):
                schedule.step(numbers.get("validation_loss", numbers["loss"]))
            elif schedule is not None:
                schedule.step()
            if hasattr(bar, "set_postfix"):
                bar.set_description(f"epoch {epoch + 1}/{epochs}", refresh=False)
                bar.set_postfix({name: f"{number:.4f}" for name, number in numbers.items()})
            answers = [callback(history) for callback in callbacks]  # all are called
            if any(answer is True for answer in answers):
                break
    finally:  # an interrupt leaves no half a bar behind
        if hasattr(bar, "close"):
            bar.close()
    return history
