"""Gather the evidence on a model and a batch, and let the checks look at it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.diagnosis.checks import CHECKS
from minigrad.diagnosis.observe import Evidence, gradients_of, observe, remembered
from minigrad.diagnosis.report import Layer, Report
from minigrad.functional import cross_entropy
from minigrad.graph import enable_grad
from minigrad.nn import Module
from minigrad.optim import LBFGS, Optimizer
from minigrad.random import fork
from minigrad.tensor import Tensor

__all__ = ["diagnose"]

STEPS = 5


def diagnose(
    model: Module,
    x: Any,
    y: Any = None,
    *,
    loss: Callable[[Any, Any], Tensor] = cross_entropy,
    optimizer: Optimizer | None = None,
    step: Callable[[Any, Any], Any] | None = None,
) -> Report:
    """Look for what commonly goes wrong, on one batch, and say it in sentences.

    Dead and saturated units, exploding and vanishing signals, symmetric initial values, inputs that
    are not scaled or all the same, labels out of range, NaN, softmax applied twice, activations
    that are missing or too many, parameters that are frozen, unused or left out of the optimiser.
    With an optimiser, five steps on copies tell whether the learning rate suits; with a training
    step of your own also whether ``zero_grad``, ``backward`` or ``step`` is forgotten. Model,
    gradients and optimiser are as before. What is rare needs a batch that is large enough to have
    it: a thousand examples are no trouble.

    Args:
        model: The model, in the mode in which it is trained.
        x: A batch of inputs; or, without ``y``, a loss that was computed from the model: then what
            its graph still holds is looked at, gradients and what their rules have kept.
        y: Labels or targets of the batch.
        loss: Function of the model's output and ``y``.
        optimizer: What trains the model.
        step: Function of ``x`` and ``y`` that makes one step of training. It is called twice;
            without ``optimizer``, what its optimiser remembers can't be put back.

    >>> from minigrad import nn, ops
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(64, 4)), rng.integers(0, 3, 64)
    >>> model = nn.Sequential(nn.Linear(4, 16, rng=0), ops.relu, nn.Linear(16, 3, rng=1))
    >>> diagnose(model, x, y).healthy
    True
    >>> model.layers[0].bias.data = np.full(16, -9.0, np.float32)
    >>> print(diagnose(model, x, y).findings[-1])
    layers.1: 100% of relu outputs are 0 on this batch
    """
    if y is None:
        return _of_loss(model, x)
    evidence = Evidence(model, loss, x, y)
    trial, copied = copy.deepcopy((model, optimizer))
    with fork(0):
        _look(evidence, trial, x, y, loss)
    evidence.trains = optimizer is not None or step is not None
    if optimizer is not None:
        own = {id(p) for group in optimizer.groups for p in group["parameters"]}
        for name, p in model.named_parameters():
            if p.requires_grad and id(p) not in own:
                evidence.forgotten.append(name)
    if not evidence.error:
        with fork(0), np.errstate(all="ignore"):
            if copied is not None and not isinstance(copied, LBFGS):
                _try_steps(evidence, trial, copied, x, y, loss)
            if step is not None:
                _try_own_step(evidence, model, optimizer, step, x, y, loss)
    return _judge(evidence)


def _of_loss(model: Module, loss: Any) -> Report:
    if not isinstance(loss, Tensor) or loss.size != 1:
        raise TypeError("diagnose takes a batch x and y, or a loss of one element")
    evidence = Evidence(model, loss=loss.item(), seen=remembered(model, loss))
    evidence.gradients = gradients_of(model, loss, retain_graph=True)
    return _judge(evidence)


def _look(e: Evidence, model: Module, x: Any, y: Any, loss: Any) -> None:
    """Run forward and backward on a copy of the model."""
    output, e.seen = observe(lambda: model(x))
    e.output = output.numpy() if isinstance(output, Tensor) else np.asarray(output)
    try:
        with np.errstate(all="ignore"), enable_grad():
            value = loss(output, y)
            e.loss = float(value)
    except (ValueError, TypeError, IndexError) as error:
        e.error = f"the loss fails: {error}"
        return
    if value.requires_grad:
        e.gradients = gradients_of(model, value)


def _try_steps(e: Evidence, model: Module, optimizer: Optimizer, x: Any, y: Any, loss: Any) -> None:
    """Take some steps with copies, and note how far they lead."""
    for i in range(STEPS):
        before = {name: p.numpy() for name, p in model.named_parameters()}
        optimizer.zero_grad()
        value = loss(model(x), y)
        if not value.requires_grad or not math.isfinite(float(value)):
            break
        value.backward()
        optimizer.step()
        if i == 0:
            e.updates = _ratios(before, model)
        e.losses.append(float(loss(model(x), y)))


def _ratios(before: dict[str, Any], model: Module) -> dict[str, float]:
    """Size of each update relative to the weight it changes."""
    ratios = {}
    for name, p in model.named_parameters():
        old, new = before[name].astype(float), p.numpy().astype(float)
        size = math.sqrt(float(np.mean(old * old)))
        if size > 0.0:
            ratios[name] = math.sqrt(float(np.mean((new - old) ** 2))) / size
    return ratios


def _try_own_step(
    e: Evidence, model: Module, optimizer: Optimizer | None, step: Any, x: Any, y: Any, loss: Any
) -> None:
    """Call somebody's training step twice, see whether gradients pile up, and undo it."""
    state = model.state_dict()
    memory = None if optimizer is None else optimizer.state_dict()
    named = list(model.named_parameters())
    grads = [p.grad for _, p in named]
    try:
        for _, p in named:
            p.grad = None
        step(x, y)
        first = {name: None if p.grad is None else p.grad.numpy() for name, p in named}
        e.idle = _idle(state, first, e.gradients, model)
        fresh = gradients_of(model, loss(model(x), y))
        if optimizer is None:
            e.updates = e.updates or _ratios(state, model)
            e.losses = e.losses or [float(loss(model(x), y))]
        step(x, y)
        for name, p in named:
            old, new = first[name], fresh[name]
            if old is None or new is None or p.grad is None or not old.any():
                continue
            piled, clean = np.abs(p.grad.numpy() - (old + new)), np.abs(p.grad.numpy() - new)
            if piled.max() < 0.1 * clean.max():
                e.accumulated.append(name)
    finally:
        model.load_state_dict(state)
        if optimizer is not None and memory is not None:
            optimizer.load_state_dict(memory)
        for (_, p), grad in zip(named, grads, strict=True):
            p.grad = grad


def _idle(
    before: dict[str, Any], left: dict[str, Any], gradients: dict[str, Any], model: Module
) -> str:
    """Why a step changed no parameter, although there are gradients; "" if one changed."""
    named = dict(model.named_parameters())
    if any((before[name] != p.numpy()).any() for name, p in named.items()):
        return ""
    if not any(g is not None and g.any() for g in gradients.values()):
        return ""
    if any(g is not None and g.any() for g in left.values()):
        return "gradients are there, but no parameter changes: is optimizer.step() called?"
    return "no parameter changes, and none has a gradient: is backward() called?"


def _judge(e: Evidence) -> Report:
    with np.errstate(all="ignore"):
        findings = [finding for check in CHECKS for finding in check(e)]
    return Report(findings, _layers(e), e.loss)


def _layers(e: Evidence) -> list[Layer]:
    """A row for every layer that did something or has parameters, in the order of the calls."""
    rows: dict[str, Layer] = {}
    for s in e.seen:
        row = rows.setdefault(s.layer, Layer(s.layer, s.title))
        if s.out.size and s.out.dtype.kind == "f":
            with np.errstate(all="ignore"):
                row.mean, row.std = float(s.out.mean()), float(s.out.std())
            row.zeros = float(np.mean(s.out == 0.0))
    for name, g in e.gradients.items():
        path = name.rpartition(".")[0]
        row = rows.setdefault(path, Layer(path, ""))
        if g is not None:
            norm = float(np.sum(np.square(g.astype(float))))
            row.gradient = math.hypot(row.gradient or 0.0, math.sqrt(norm))
        if name in e.updates:
            row.update = max(row.update or 0.0, e.updates[name])
    return list(rows.values())
