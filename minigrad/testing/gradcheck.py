"""Check gradients against finite differences that know their own error.

:func:`check_vjp` takes a function and its rule in plain NumPy; :func:`gradcheck` takes a function
of Tensors, or a model and its loss. Both return a :class:`~minigrad.testing.report.Report`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.testing import causes
from minigrad.testing.adapt import Adapted, in_arrays, steeper
from minigrad.testing.contract import breach, impurity
from minigrad.testing.elements import VERDICTS, Survey
from minigrad.testing.examine import BROKEN, FAIL
from minigrad.testing.heat import errors_of
from minigrad.testing.probe import RuleFault, Subject, bits_of, quiet
from minigrad.testing.report import Finding, Report, Verdict
from minigrad.testing.survey import survey


def check_vjp(
    f: Callable[..., Any],
    vjp: Callable[..., Any],
    inputs: Sequence[Any],
    seed: int = 0,
    *,
    names: Sequence[str] | None = None,
) -> Report:
    """Check a gradient rule written in plain NumPy; no Tensor is involved.

    Args:
        f: Maps arrays to an array.
        vjp: Maps the cotangent of that array, and the same arrays, to one cotangent for each array
            (a tuple; for a single input also the cotangent itself). None for an integer input.
        inputs: The point, as a sequence of arrays. They are copied, never written.
        seed: Of the random directions and cotangents.
        names: What to call the inputs; by default the parameters of ``f``.

    Returns:
        A report that is true only if the gradient was verified.

    >>> import numpy as np
    >>> check_vjp(np.sin, lambda g, x: g * np.cos(x), [np.array([0.5, 1.0])]).verdict
    'pass'
    >>> check_vjp(np.sin, lambda g, x: -g * np.cos(x), [np.array([0.5, 1.0])]).cause
    'the sign of the gradient of x is flipped'
    """
    if isinstance(inputs, np.ndarray) or not isinstance(inputs, list | tuple):
        raise TypeError("check_vjp takes the inputs as a list of arrays: [x] for a single one")
    if any(np.asarray(x).dtype == object for x in inputs):
        raise TypeError("check_vjp takes arrays: give each array of a dict an input of its own")
    with quiet():
        subject = Subject(f, vjp, inputs, np.random.default_rng(seed))
    called = list(names) if names is not None else causes.argument_names(f, len(inputs))
    if not subject.active:
        raise TypeError("no input is floating, so there is no gradient to check")
    with np.errstate(all="ignore"):  # infinite and NaN are data here
        return _check(subject, called)


def _check(subject: Subject, names: Sequence[str]) -> Report:
    said = impurity(subject)
    if said:
        return Report("inconclusive", cause=said, evaluations=subject.evaluations)
    dead = int(np.count_nonzero(~np.isfinite(subject.base)))
    precise = _promoted(subject)
    said = breach(subject) or (breach(precise) if precise else "")
    if said:
        kind: Verdict = "not differentiable" if dead == subject.base.size > 0 else "fail"
        named = causes.with_names(said, names)
        return Report(kind, cause=named, evaluations=subject.evaluations)
    used = precise or subject
    try:
        made = survey(used, names)
        if precise is not None:
            _compare_precisions(subject, precise, made)
        generic = _elsewhere(used, names, made)
    except RuleFault as fault:
        return Report("fail", cause=str(fault), evaluations=used.evaluations)
    calls = used.evaluations + generic + (subject.evaluations if precise else 0)
    return _report(made, calls, dead)


def _report(made: Survey, evaluations: int, dead: int) -> Report:
    order = {"fail": 0, "not differentiable": 1, "inconclusive": 2, "pass": 3}
    findings = sorted(made.findings, key=lambda f: (order[f.verdict], -f.excess))
    verdict: Verdict = findings[0].verdict if findings else "pass"
    if dead and verdict != "fail":
        verdict = "not differentiable"
        made.notes.append(f"f is not finite in {dead} of {made.subject.base.size} outputs")
    cause = causes.cause_of(made, findings[0]) if findings else ""
    elements: dict[str, list[Verdict]] = {}
    for position, codes in enumerate(made.codes):
        name = made.names[made.subject.active[position]]
        if codes.size and (codes >= 0).all():
            elements[name] = [VERDICTS[int(code)] for code in codes]
    errors = {made.names[i]: errors_of(made, p) for p, i in enumerate(made.subject.active)}
    return Report(
        verdict, tuple(findings), cause, made.checked, evaluations, made.resolution, elements,
        tuple(made.notes), errors,
    )  # fmt: skip


def _promoted(subject: Subject) -> Subject | None:
    """The same in float64, where inputs are of lower precision and ``f`` and the rule run there."""
    low = [subject.point[i].dtype.itemsize < 8 for i in subject.active]
    if not any(low):
        return None
    inputs = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in subject.point]
    try:
        with quiet():
            precise = Subject(subject.f, subject.vjp, inputs, subject.rng)
            if precise.out_dtype != np.float64:
                return None
            precise.pull(np.zeros(precise.base.shape))
    except (RuleFault, ArithmeticError, TypeError, ValueError):
        return None
    if precise.base.shape != subject.base.shape:
        return None
    lost = np.isfinite(precise.base) != np.isfinite(subject.base)
    return None if lost.any() else precise


def _compare_precisions(subject: Subject, precise: Subject, made: Survey) -> None:
    """Compare the rule in its own precision with the rule in float64."""
    for g, label, exact in zip(made.cotangents, made.labels, made.rows, strict=True):
        given = subject.pull(g)
        bits = [min(bits_of(subject.point[i].dtype), subject.bits) for i in subject.active]
        jitter = precise.rule_noise(g, exact, [2.0 ** (1 - b) for b in bits], rounds=3)
        for position, (low, high) in enumerate(zip(given, exact, strict=True)):
            i = subject.active[position]
            eps = 2.0 ** (1 - bits[position])
            size = np.max(np.abs(high), initial=0.0, where=np.isfinite(high))
            value = np.max(
                np.abs(g * np.nan_to_num(subject.base, posinf=0.0, neginf=0.0)), initial=0.0
            )
            tiny = float(np.finfo(subject.point[i].dtype).tiny)
            slack = 16.0 * eps * (np.abs(high) + size + value) + 8.0 * jitter[position] + tiny
            with np.errstate(invalid="ignore"):
                off = ~(np.abs(low - high) <= slack) & np.isfinite(high)
            off &= np.abs(high) < 0.25 * float(np.finfo(subject.point[i].dtype).max)
            for j in np.flatnonzero(off)[:8]:
                index = tuple(int(a) for a in np.unravel_index(j, subject.point[i].shape))
                note = f"in {subject.point[i].dtype} the rule is another than in float64"
                made.findings.append(
                    Finding("fail", made.names[i], index, label, low[j], high[j], slack[j], note)
                )
        if made.findings:
            return


def _elsewhere(subject: Subject, names: Sequence[str], made: Survey) -> int:
    """Check a generic point nearby if the point itself is a kink; return the evaluations."""
    broken = any((codes == BROKEN).any() for codes in made.codes)
    if not broken or any((codes == FAIL).any() for codes in made.codes):
        return 0
    moved = [x.copy() for x in subject.point]
    for i in subject.active:
        x = moved[i]
        step = (
            0.04 * np.maximum(np.abs(x), subject.typical(i)) * (0.5 + subject.rng.random(x.shape))
        )
        moved[i] = (x + np.where(x < 0, -step, step)).astype(x.dtype)
    with quiet():
        try:
            nearby = Subject(subject.f, subject.vjp, moved, subject.rng)
        except (ArithmeticError, ValueError):
            return 1
    if not np.isfinite(nearby.base).all() or nearby.base.shape != subject.base.shape:
        return nearby.evaluations
    again = survey(nearby, names, limit=32)
    wrong = [f for f in again.findings if f.verdict == "fail"]
    if wrong:
        made.findings += wrong
        made.notes.append("wrong at a generic point nearby, where the function is smooth")
    return nearby.evaluations


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    params: Any = None,
    seed: int = 0,
) -> Report:
    """Check the gradients that minigrad computes of ``f`` against finite differences.

    Args:
        f: A function of Tensors that returns a Tensor, or nested containers of them.
        *inputs: Where to check: arrays, numbers, Tensors, or nested dicts, lists and tuples of
            them. What is not floating is passed on and not differentiated.
        order: 1 checks the gradient, 2 the gradient of the gradient, and so on.
        params: A model (anything with ``named_parameters()``) whose parameters are checked too;
            ``f`` may then be a closure over it. They are put back exactly as they were.
        seed: Of the random directions and cotangents.

    Returns:
        A report that is true only if every gradient was verified.

    Raises:
        TypeError: If there is nothing to differentiate, or ``f`` does not return Tensors.

    >>> import minigrad as mg
    >>> gradcheck(lambda x: mg.exp(x).sum(), [0.5, 1.0], order=2).verdict
    'pass'
    """
    if order < 1:
        raise ValueError(f"order must be 1 or more, not {order}")
    adapted = Adapted(f, inputs, params)
    function = adapted.call
    for _ in range(order - 1):
        function = steeper(function)
    with adapted.borrowed():
        return check_vjp(*in_arrays(function), adapted.arrays, seed, names=adapted.names)
