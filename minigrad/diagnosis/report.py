"""What a diagnosis found: sentences, and the numbers they rest on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Finding", "Layer", "Report"]


class Finding(NamedTuple):
    """One thing that is wrong: its kind, such as ``"dead units"``, where, and a sentence."""

    kind: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass
class Layer:
    """Numbers of one layer on the batch; None where there is nothing to tell."""

    name: str
    title: str
    mean: float | None = None
    std: float | None = None
    zeros: float | None = None
    gradient: float | None = None
    update: float | None = None


@dataclass
class Report:
    """Findings, worst first, and a table of the layers; printing it shows both.

    >>> report = Report(findings=[Finding("NaN input", "x", "x[0, 1] is nan")], loss=0.5)
    >>> print(report)
    1 finding:
      x: x[0, 1] is nan
    loss: 0.5
    >>> report.healthy, report.kinds
    (False, ['NaN input'])
    """

    findings: list[Finding] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    loss: float | None = None

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def kinds(self) -> list[str]:
        """The kinds of findings, each once."""
        return list(dict.fromkeys(finding.kind for finding in self.findings))

    def __str__(self) -> str:
        count = len(self.findings)
        head = f"{count} finding{'s' if count > 1 else ''}:" if count else "nothing to complain of"
        lines = [head, *(f"  {finding}" for finding in self.findings)]
        if self.loss is not None:
            lines.append(f"loss: {self.loss:.4g}")
        if self.layers:
            lines += _table(self.layers)
        return "\n".join(lines)

    __repr__ = __str__


def _table(layers: list[Layer]) -> list[str]:
    cells = [["layer", "kind", "mean", "std", "zeros", "gradient", "update"]]
    cells += [
        [
            layer.name,
            layer.title,
            *(f"{v:.3g}" if v is not None else "" for v in (layer.mean, layer.std)),
            f"{layer.zeros:.0%}" if layer.zeros is not None else "",
            *(f"{v:.2g}" if v is not None else "" for v in (layer.gradient, layer.update)),
        ]
        for layer in layers
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
