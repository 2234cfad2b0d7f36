"""The checks of a diagnosis: each looks at the evidence and says what is wrong, if anything.

Thresholds are chosen so that freshly initialised and well trained networks pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigrad.diagnosis.observe import Evidence, Seen
from minigrad.diagnosis.report import Finding
from minigrad.functional import binary_cross_entropy_with_logits, cross_entropy, nll_loss
from minigrad.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, Dropout

__all__ = ["CHECKS"]

DEAD = 0.9  # share of relu outputs that are 0; half of them is usual
NEVER, EXAMPLES = 0.75, 32  # share of units that are 0 for every one of so many examples
SATURATED = 0.7  # share of sigmoid or tanh outputs within 1 % of their bounds
FAR = 30.0  # a feature this far from 0, or with a span so many times another's, is not scaled
VANISHED, EXPLODED = 1e4, 1e3  # ratios between the first and the last layer
LARGE, SMALL = 0.5, 1e-7  # size of an update relative to its weight
Check = Callable[[Evidence], Iterator[Finding]]


def check_values(e: Evidence) -> Iterator[Finding]:
    """NaN or infinity in inputs, targets, parameters or the loss."""
    named: list[tuple[str, str, Any]] = [("NaN input", "x", e.x), ("NaN target", "y", e.y)]
    named += [("NaN parameter", name, p.numpy()) for name, p in e.model.named_parameters()]
    clean = True
    for kind, name, value in named:
        array = np.asarray(getattr(value, "data", value)) if kind != "NaN parameter" else value
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            clean = False
            place = np.argwhere(~np.isfinite(array))[0]
            where = f"[{', '.join(map(str, place))}]" if len(place) else ""
            yield Finding(kind, name, f"{name}{where} is {array[tuple(place)]}")
    if clean and e.loss is not None and not math.isfinite(e.loss):
        first = next((s for s in e.seen if not np.isfinite(s.out).all()), None)
        said = f"; {first.op} is the first op that is not finite" if first else ""
        yield Finding("NaN loss", first.layer if first else "", f"the loss is {e.loss}{said}")


def check_labels(e: Evidence) -> Iterator[Finding]:
    """Labels that are no classes of the output."""
    if e.loss_function is cross_entropy and e.output is not None and e.y is not None:
        labels = np.asarray(e.y)
        classes = e.output.shape[1] if e.output.ndim > 1 else 0
        if labels.dtype.kind in "iu" and labels.size and classes:
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= classes:
                yield Finding(
                    "label range",
                    "y",
                    f"labels span {low}..{high}, but an output of {classes} columns has classes "
                    f"0..{classes - 1}",
                )
                return
    if e.error:
        yield Finding("loss fails", "", e.error)


def check_scale(e: Evidence) -> Iterator[Finding]:
    """Inputs of the first layer that are far from 0, or of different scales."""
    first = next((s.entering for s in e.seen if s.entering is not None), None)
    if first is None or first.ndim < 2 or first.dtype.kind != "f" or not np.isfinite(first).all():
        return
    axes = (0,) if first.ndim == 2 else tuple(i for i in range(first.ndim) if i != 1)
    low, high = first.min(axis=axes), first.max(axis=axes)
    span, far = high - low, np.maximum(np.abs(low), np.abs(high))
    widest, varying = int(np.argmax(far)), span > 0
    spans = np.where(varying, far, np.inf)
    nearest = int(np.argmin(spans))
    uneven = varying.any() and far[widest] > FAR * spans[nearest] and far[widest] > 5.0
    if far[widest] > FAR or uneven:
        said = f"inputs span {low[widest]:g}..{high[widest]:g}"
        if far[widest] > 2.0 * spans[nearest]:
            said += f" beside {low[nearest]:g}..{high[nearest]:g}"
        yield Finding("unscaled input", "x", f"{said}: scale them (nn.Normalize)")


def check_batch(e: Evidence) -> Iterator[Finding]:
    """Examples that are all the same."""
    if e.x is None:
        return
    x = np.asarray(getattr(e.x, "data", e.x))
    if x.ndim > 1 and len(x) > 1 and x.size and (x == x[:1]).all():
        said = f"all {len(x)} examples are equal: is the batch what it should be?"
        yield Finding("equal inputs", "x", said)


def check_chain(e: Evidence) -> Iterator[Finding]:
    """Dense layers that follow each other with nothing that bends in between."""
    made = {id(s.out): s for s in e.seen}
    for s in e.seen:
        if s.entering is None or not s.out.size:
            continue
        before = made.get(id(s.entering))
        if before is None or before.layer == s.layer or before.op not in ("matmul", "add"):
            continue
        first = next((t for t in e.seen if t.layer == before.layer and t.op == "matmul"), None)
        if first is None or first.entering is None or not _dense(before) or not _dense(s):
            continue
        width = s.entering.shape[-1]  # a narrow one between wide ones is meant to be there
        if width >= min(first.entering.shape[-1], s.out.shape[-1]):
            said = f"takes what {before.layer} gives as it is: two linear layers in a row are one"
            yield Finding("no activation", s.layer, f"{said}; put an activation between them")


def _dense(s: Seen) -> bool:
    return s.title.startswith("Linear(")


def check_units(e: Evidence) -> Iterator[Finding]:
    """Units that are dead or saturated."""
    for i, s in enumerate(e.seen):
        if not s.out.size or i == len(e.seen) - 1 or not np.isfinite(s.out).all():
            continue  # the last op gives the answer, and may be as sure of it as it likes
        if s.op == "relu" and (share := float(np.mean(s.out == 0.0))) >= DEAD:
            said = f"{share:.0%} of relu outputs are 0 on this batch"
            yield Finding("dead units", s.layer, said)
        elif s.op == "relu" and (said := _never(s.out)):
            yield Finding("dead units", s.layer, said)
        if s.op in ("sigmoid", "tanh"):
            low = 0.0 if s.op == "sigmoid" else -1.0
            near = 0.01 * (1.0 - low)
            share = float(np.mean((s.out < low + near) | (s.out > 1.0 - near)))
            if share >= SATURATED:
                said = f"{share:.0%} of {s.op} outputs are at their bounds, where it is flat"
                yield Finding("saturated units", s.layer, said)


def _never(out: Any) -> str:
    """Tell if many units are 0 for every example; of images a unit is a channel."""
    units = np.moveaxis(out, 1 if out.ndim > 3 else -1, 0)
    units = units.reshape(len(units), -1)
    dead = int((units == 0.0).all(axis=1).sum())
    if units.shape[1] < EXAMPLES or dead < NEVER * len(units):
        return ""
    return f"{dead} of {len(units)} units are 0 for every example of this batch"


def check_growth(e: Evidence) -> Iterator[Finding]:
    """Activations that explode on the way through the layers."""
    stds = [(s.layer, float(s.out.std())) for s in e.seen if s.entering is not None and s.out.size]
    stds = [(name, std) for name, std in stds if std > 0.0]
    if len(stds) > 1 and not stds[-1][1] < EXPLODED * stds[0][1]:
        ratio = stds[-1][1] / stds[0][1]
        said = f"outputs grow {ratio:.0e}x from {stds[0][0] or 'the first layer'} to here"
        yield Finding("exploding activations", stds[-1][0], f"{said}: start with smaller weights")


def check_gradients(e: Evidence) -> Iterator[Finding]:
    """Gradients that vanish, explode, or are 0 or missing."""
    named = dict(e.model.named_parameters())
    # Behind weights that start at 0 gradients are 0, too, until these have made their first step.
    waiting = any(not w.any() and _flows(e.gradients.get(name)) for name, w in e.weights.items())
    for name, p in named.items():
        g = e.gradients.get(name)
        if not p.requires_grad:
            yield Finding("frozen parameter", name, "does not require a gradient: it never learns")
        elif e.gradients and g is None:
            yield Finding("unused parameter", name, "the loss does not depend on it")
        elif g is not None and p.ndim >= 2 and not g.any() and p.numpy().any() and not waiting:
            yield Finding("zero gradient", name, "its gradient is 0 everywhere on this batch")
    sizes = [
        (name, float(np.sqrt(np.mean(np.square(g.astype(float))))))
        for name in e.weights
        if (g := e.gradients.get(name)) is not None and np.isfinite(g).all()
    ]
    sizes = [(name, size) for name, size in sizes if size > 0.0]
    if len(sizes) >= 3:
        (first, start), (last, end) = sizes[0], sizes[-1]
        if end > VANISHED * start:
            said = f"gradient falls {end / start:.0e}x from {last} to the first layer"
            yield Finding("vanishing gradient", first, said)
        elif start > VANISHED * end:
            said = f"gradient grows {start / end:.0e}x from {last} to the first layer"
            yield Finding("exploding gradient", first, said)


def _flows(g: Any) -> bool:
    return g is not None and bool(g.any())


def check_symmetry(e: Evidence) -> Iterator[Finding]:
    """Units that start alike and learn alike."""
    for name, weight in e.weights.items():
        g = e.gradients.get(name)
        if weight.ndim != 2 or min(weight.shape) < 2 or g is None:
            continue
        if not np.ptp(weight, axis=1).any() and not np.ptp(g, axis=1).any():
            start = "are 0" if not weight.any() else "are equal"
            said = f"all columns {start} and have equal gradients: symmetric initialisation"
            yield Finding("symmetric initialisation", name, said)


def check_output(e: Evidence) -> Iterator[Finding]:
    """An output that is not what the loss takes, or that is the same whatever the input."""
    out = e.output
    if out is None or e.loss is None or not np.isfinite(out).all() or out.size < 2:
        return
    last = e.seen[-1].op if e.seen else ""
    rows = out.ndim == 2 and out.shape[1] > 1 and bool((out >= 0.0).all())
    shares = rows and np.allclose(out.sum(1), 1.0, atol=1e-4)
    if e.loss_function is nll_loss and shares:
        said = "rows sum to 1, but nll_loss takes logarithms: cross_entropy of logits does both"
        yield Finding("no logarithm", "output", said)
    if e.loss_function is cross_entropy and out.ndim == 2 and out.shape[1] > 1:
        if shares:
            said = "rows of the logits already sum to 1: was softmax applied twice?"
            yield Finding("double softmax", "output", said)
        elif rows and len(out) > 1 and np.allclose(out.sum(0), 1.0, atol=1e-4):
            said = "columns of the logits sum to 1: softmax went over the batch, and is not needed"
            yield Finding("softmax over the batch", "output", said)
        classes = out.shape[1]
        alone = len(e.weights) == 1  # one layer may start at 0 and learns all the same
        if (
            not alone
            and abs(e.loss - math.log(classes)) < 0.02
            and float(out.std(axis=0).max()) < 1e-3
        ):
            said = f"the loss is ln({classes}): the network guesses, whatever its input"
            yield Finding("guessing", "output", said)
    if e.loss_function is binary_cross_entropy_with_logits and last == "sigmoid":
        said = "the loss takes logits, but the last op is sigmoid: it is applied twice"
        yield Finding("double sigmoid", "output", said)
    if e.loss_function in (cross_entropy, binary_cross_entropy_with_logits) and last == "relu":
        said = "logits are cut off at 0: no activation belongs after the last layer"
        yield Finding("relu at the end", "output", said)


def check_mode(e: Evidence) -> Iterator[Finding]:
    """Layers that do in evaluation what they should not do in training."""
    if not e.trains:
        return
    resting = [
        name or type(module).__name__
        for name, module in e.model.named_modules()
        if not module.training
        and isinstance(module, Dropout | BatchNorm1d | BatchNorm2d | BatchNorm3d)
    ]
    if resting:
        said = "in evaluation mode although it is trained: call model.train()"
        yield Finding("evaluation mode", resting[0], said)


def check_steps(e: Evidence) -> Iterator[Finding]:
    """Steps that are too large or too small, gradients that pile up, parameters left out."""
    if e.idle:
        yield Finding("idle step", "", e.idle)
    for name in e.forgotten:
        yield Finding("parameter not optimised", name, "is not among the optimiser's parameters")
    if e.accumulated:
        names = ", ".join(e.accumulated[:3])
        said = "gradients of the last step were still there: call zero_grad() before backward()"
        yield Finding("forgotten zero_grad", names, said)
    if not e.losses or e.loss is None or not math.isfinite(e.loss):
        return
    worst = max((v for k, v in e.updates.items() if k in e.weights), default=0.0)
    rising = not e.losses[-1] < 1.5 * abs(e.loss) + 0.1
    if rising or worst > LARGE:
        steps = len(e.losses)
        said = f"{steps} steps on this batch take the loss from {e.loss:.3g} to {e.losses[-1]:.3g}"
        said += f", and an update is {worst:.2g} of its weight: lower the learning rate"
        yield Finding("learning rate too large", "", said)
    elif (
        e.updates
        and not e.idle
        and max(e.updates.values()) < SMALL
        and any(g is not None and g.any() for g in e.gradients.values())
    ):
        said = f"no update is more than {max(e.updates.values()):.0e} of its weight"
        yield Finding("learning rate too small", "", f"{said}: raise the learning rate")


CHECKS: tuple[Check, ...] = (
    check_values,
    check_labels,
    check_batch,
    check_scale,
    check_symmetry,
    check_output,
    check_mode,
    check_steps,
    check_gradients,
    check_chain,
    check_units,
    check_growth,
)
