"""What an optimiser's next step would change, relative to the size of what it changes."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np

from minigrad.optim import LBFGS, Optimizer
from minigrad.primitive import Array
from minigrad.tensor import wrap

__all__ = ["update_ratios"]


def update_ratios(optimizer: Optimizer, gradients: Mapping[int, Array]) -> dict[int, float]:
    """Let a copy of an optimiser take a step; nothing that anybody holds is changed.

    Args:
        optimizer: Whose step it is.
        gradients: Of its parameters, by ``id``; those without one stay as they are.

    Returns:
        For each parameter that has a gradient and is not all 0 the norm of its change, divided by
        its own, by ``id``.

    Raises:
        TypeError: If it is no optimiser, or one whose step computes the loss again.
    """
    if not isinstance(optimizer, Optimizer) or isinstance(optimizer, LBFGS):
        kind = type(optimizer).__name__
        raise TypeError(f"optimizer= takes one whose step() needs nothing else, not {kind}")
    twin = copy.deepcopy(optimizer)
    ratios = {}
    pairs = [
        (p, q)
        for group, copied in zip(optimizer.groups, twin.groups, strict=True)
        for p, q in zip(group["parameters"], copied["parameters"], strict=True)
        if id(p) in gradients
    ]
    for p, q in pairs:
        q.grad = wrap(gradients[id(p)].copy())
    with np.errstate(all="ignore"):
        twin.step()
    for p, q in pairs:
        size = float(np.linalg.norm(p.numpy().astype(float).ravel()))
        if size > 0.0:
            change = (q.numpy().astype(float) - p.numpy()).ravel()
            ratios[id(p)] = float(np.linalg.norm(change)) / size
    return ratios
