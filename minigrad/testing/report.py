"""What a check found: a verdict, the numbers behind it, and the cause where they show one."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["pass", "fail", "not differentiable", "inconclusive"]
SHOWN = 8  # findings that a printed report lists
WIDTH = 80


class GradientError(AssertionError):
    """A gradient differs from the finite difference, or a rule breaks its contract."""


class NotDifferentiablePoint(GradientError):
    """The function has a kink, a jump or an edge at the point, so there is no gradient to check."""


class InconclusiveCheck(GradientError):
    """The function could not be resolved finely enough to believe or to refute its gradient."""


@dataclass(frozen=True)
class Finding:
    """One element of an input, seen through the output (or cotangent) that says most about it.

    Attributes:
        verdict: Of this element.
        name: Of the input: its argument or parameter path.
        index: Of the element in the input.
        output: Which output, or combination of outputs.
        rule: What the gradient rule says.
        difference: What finite differences say.
        tolerance: How far the two may be apart.
        note: What else is known of the place, such as both slopes of a kink.
    """

    verdict: Verdict
    name: str
    index: tuple[int, ...]
    output: str
    rule: float
    difference: float
    tolerance: float
    note: str = ""

    @property
    def where(self) -> str:
        """The element as one would write it: ``x[0, 1]``."""
        inner = ", ".join(map(str, self.index))
        return f"{self.name}[{inner}]" if inner else self.name

    @property
    def excess(self) -> float:
        """How many tolerances rule and difference are apart."""
        gap = abs(self.rule - self.difference)
        if gap != gap:
            return float("inf")
        return gap / self.tolerance if self.tolerance else float("inf") if gap else 0.0


@dataclass(frozen=True)
class Report:
    """The result of a check; true only if it is a pass.

    Attributes:
        verdict: ``"pass"``, ``"fail"``, ``"not differentiable"`` or ``"inconclusive"``.
        findings: The elements that did not pass, the worst first.
        cause: One sentence on why it did not pass, or empty.
        checked: Number of elements that were checked, directly or in random directions.
        evaluations: How often ``f`` was called.
        resolution: Largest relative error that could have stayed unseen in what passed.
        elements: Verdict of every element by input name, where elements were checked one by one.
        notes: What a reader should know besides.

    >>> from minigrad.testing import gradcheck
    >>> report = gradcheck(lambda x: x * x, [1.0, 2.0])
    >>> bool(report), report.verdict
    (True, 'pass')
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    cause: str = ""
    checked: int = 0
    evaluations: int = 0
    resolution: float = 0.0
    elements: dict[str, list[Verdict]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.verdict == "pass"

    @property
    def worst(self) -> Finding | None:
        """The finding furthest beyond its tolerance, or None."""
        return self.findings[0] if self.findings else None

    def raise_if_failed(self) -> None:
        """Raise unless it is a pass.

        Raises:
            GradientError: With this report as its message; of the kind that fits the verdict.
        """
        kinds = {
            "fail": GradientError,
            "not differentiable": NotDifferentiablePoint,
            "inconclusive": InconclusiveCheck,
        }
        if self.verdict in kinds:
            raise kinds[self.verdict](f"\n{self}")

    def __repr__(self) -> str:
        lines = [self._head()]
        for said in (self.cause, *self.notes):
            if said:
                lines += _wrapped(said)
        if self.findings:
            lines += _table(self.findings[:SHOWN])
            left = len(self.findings) - SHOWN
            if left > 0:
                lines.append(f"  ... and {left} more")
        return "\n".join(lines)

    def _head(self) -> str:
        calls = f"{self.evaluations} evaluation{'s' * (self.evaluations != 1)} of f"
        if self.verdict == "pass":
            if not self.checked:
                return f"gradient check: pass, no elements to check ({calls})"
            some = f"{self.checked} element{'s' * (self.checked != 1)}"
            return f"gradient check: pass, {some} to a relative {self.resolution:.0e} ({calls})"
        count = len(self.findings)
        bad = f"{count} of {self.checked} elements, " if self.checked and count else ""
        return f"gradient check: {self.verdict.upper()} ({bad}{calls})"

    def _repr_html_(self) -> str:
        """The report for a notebook: each element coloured by how far it is beyond tolerance."""
        text = [f"<b>{html.escape(self._head())}</b>"]
        text += [f"<div>{html.escape(said)}</div>" for said in (self.cause, *self.notes) if said]
        if self.findings:
            cells = "".join(map(_html_row, self.findings[: 4 * SHOWN]))
            titles = "".join(f"<th>{t}</th>" for t in ("element", *_TITLES))
            text.append(f"<table><tr>{titles}</tr>{cells}</table>")
        text += [_heat(name, row) for name, row in self.elements.items()]
        return f'<div class="minigrad-gradcheck">{"".join(text)}</div>'


_TITLES = ("output", "rule", "finite difference", "verdict")
_COLOURS = {
    "pass": "#2a9d55", "fail": "#c8372d", "not differentiable": "#d9a400", "inconclusive": "#8a8a8a"
}  # fmt: skip


def _cells(finding: Finding) -> tuple[str, ...]:
    measured = f"{finding.difference:.7g} ± {finding.tolerance:.0e}"
    return (finding.output, f"{finding.rule:.7g}", measured, finding.note or finding.verdict)


def _table(findings: Sequence[Finding]) -> list[str]:
    rows = [("element", *_TITLES), *((f.where, *_cells(f)) for f in findings)]
    room = (22, 10, 14, 24)
    widths = [min(most, max(len(row[c]) for row in rows)) for c, most in enumerate(room)]
    lines = []
    for row in rows:
        fitted = [_shortened(cell, w).ljust(w) for cell, w in zip(row, widths, strict=False)]
        line = "  " + "  ".join(fitted) + "  "
        lines.append(line + _shortened(row[-1], WIDTH - len(line)))
    notes = [f"{f.where}: {f.note}" for f in findings[:1] if len(f.note) > WIDTH - len(line)]
    return lines + [part for note in notes for part in _wrapped(note)]


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def _wrapped(text: str) -> list[str]:
    lines, line = [], " "
    for word in text.split():
        if len(line) + 1 + len(word) > WIDTH and line.strip():
            lines.append(line)
            line = "   "
        line += " " + word
    return [*lines, line]


def _html_row(finding: Finding) -> str:
    cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in (finding.where, *_cells(finding)))
    return f'<tr style="color:{_COLOURS[finding.verdict]}">{cells}</tr>'


def _heat(name: str, verdicts: Sequence[Verdict]) -> str:
    if len(verdicts) > 1024:
        return ""
    squares = "".join(
        f'<i title="{i}: {v}" style="background:{_COLOURS[v]};display:inline-block;'
        f'width:9px;height:9px;margin:1px"></i>'
        for i, v in enumerate(verdicts)
    )
    return f"<div>{html.escape(name)} {squares}</div>"
