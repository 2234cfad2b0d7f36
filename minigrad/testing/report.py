"""What a check found: a verdict, the numbers behind it, and the cause where they show one."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from minigrad import errors
from minigrad.testing import heat

Verdict = Literal["pass", "fail", "not differentiable", "inconclusive"]
SHOWN = 8  # findings that a printed report lists
WIDTH = 80


class GradientError(AssertionError):
    """A gradient differs from the finite difference, or a rule breaks its contract."""


class NotDifferentiable(GradientError, errors.NotDifferentiable):
    """The function has a kink, a jump or an edge at the point, so there is no gradient to check."""


class Inconclusive(GradientError):
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

    @property
    def share(self) -> float:
        """How far the rule is off, relative to the finite difference; infinite if that is 0."""
        if abs(self.difference) <= self.tolerance:
            return float("inf")
        return abs(self.rule - self.difference) / abs(self.difference)

    @property
    def said(self) -> str:
        """The verdict in a few words: by how much the rule is off, or what is in the way."""
        if self.verdict != "fail" or self.note:
            return self.note or self.verdict
        share = self.share
        if share != share:
            return "not a number"
        if share == float("inf"):
            return "should be 0" if self.rule - self.rule == 0.0 else "not finite"
        return f"off by {share:.0%}" if 0.005 <= share < 10.0 else f"off by {share:.1e}"


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
        errors: By input name and in its shape, the relative error of each element, 0 where it is
            within tolerance; NaN where an element was checked in random directions only.
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
    errors: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)

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
            "not differentiable": NotDifferentiable,
            "inconclusive": Inconclusive,
        }
        if self.verdict in kinds:
            raise kinds[self.verdict](str(self))

    def __repr__(self) -> str:
        lines = [self._head()]
        for said in (self.cause, *_gathered(self.notes)):
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
        """The report for a notebook: a table, and a map of each input that shows what is off."""
        text = [f"<b>{html.escape(self._head())}</b>"]
        text += [
            f"<div>{html.escape(said)}</div>"
            for said in (self.cause, *_gathered(self.notes))
            if said
        ]
        if self.findings:
            rows = "".join(map(_html_row, self.findings[:SHOWN]))
            titles = "".join(f'<th style="{_CELL}">{t}</th>' for t in ("element", *_TITLES))
            text.append(f'<table style="border-collapse:collapse"><tr>{titles}</tr>{rows}</table>')
            text += [f"<div>... and {len(self.findings) - SHOWN} more</div>"] * (
                len(self.findings) > SHOWN
            )
            text += [self._map(name) for name in self.errors]
            text.append(heat.legend())
        look = "background:#fff;color:#222;padding:8px;font-size:13px"
        return f'<div class="minigrad-gradcheck" style="{look}">{"".join(text)}</div>'

    def _map(self, name: str) -> str:
        marked: dict[tuple[int, ...], heat.Mark] = {
            f.index: (f.verdict, f.share) for f in reversed(self.findings) if f.name == name
        }
        return f'<div style="margin-top:8px">{heat.picture(name, self.errors[name], marked)}</div>'


def page(report: Report, title: str) -> str:
    """A report as an HTML page of its own.

    >>> page(Report("pass"), "test_gelu").startswith("<!doctype html>")
    True
    """
    style = "body{font:14px sans-serif;margin:2em}h1{font-size:16px}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{style}</style><h1>{html.escape(title)}</h1>{report._repr_html_()}</html>\n"
    )


_TITLES = ("output", "rule", "finite difference", "verdict")
_CELL = "text-align:left;padding:2px 14px 2px 0;border:0;background:#fff;color:#222"
_ROOM = (18, 8, 12, 20)  # of a printed table's columns; the last one gets what is left


def _gathered(notes: Sequence[str]) -> list[str]:
    """Say once what is said of several elements: ``b[0], b[1]: checked nearby``."""
    places: dict[str, list[str]] = {}
    for note in notes:
        where, colon, said = note.partition("]: ")
        places.setdefault(said if colon else note, []).extend([f"{where}]"] if colon else [])
    lines = []
    for said, found in places.items():
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        lines.append(f"{', '.join(found[:SHOWN])}{more}: {said}" if found else said)
    return lines


def _cells(finding: Finding) -> tuple[str, ...]:
    measured = f"{finding.difference:.6g} ± {finding.tolerance:.0e}"
    return (finding.output, f"{finding.rule:.6g}", measured, finding.said)


def _table(findings: Sequence[Finding]) -> list[str]:
    rows: list[tuple[str, ...]] = [
        ("element", *_TITLES),
        *((f.where, *_cells(f)) for f in findings),
    ]
    if not any(f.output for f in findings):
        rows = [(row[0], *row[2:]) for row in rows]
    room = _ROOM if len(rows[0]) == 5 else (_ROOM[0] + _ROOM[1], *_ROOM[2:])
    widths = [min(most, max(len(row[c]) for row in rows)) for c, most in enumerate(room)]
    lines = []
    for row in rows:
        fitted = [_shortened(cell, w).ljust(w) for cell, w in zip(row, widths, strict=False)]
        line = "  " + "  ".join(fitted) + "  "
        lines.append(line + _cut(row[-1], WIDTH - len(line)))
    notes = [f"{f.where}: {f.note}" for f in findings[:1] if len(f.note) > WIDTH - len(line)]
    return lines + [part for note in notes for part in _wrapped(note)]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _shortened(text: str, width: int) -> str:
    """Leave out the middle: a path tells most at its ends."""
    if len(text) <= width:
        return text
    head = (width - 1) // 3
    return text[:head] + "…" + text[head + 1 - width :]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def _html_row(finding: Finding) -> str:
    colour = heat.COLOURS[finding.verdict]
    parts = (finding.where, *_cells(finding))
    cells = "".join(f'<td style="{_CELL}">{html.escape(part)}</td>' for part in parts[:-1])
    last = f"{_CELL};border-left:4px solid {colour};padding-left:6px"
    return f'<tr>{cells}<td style="{last}">{html.escape(parts[-1])}</td></tr>'
