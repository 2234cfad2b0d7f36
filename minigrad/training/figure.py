"""Figures of matplotlib that show themselves in notebooks, whether or not pyplot is there."""

from __future__ import annotations

import io
from typing import Any

from minigrad.errors import MissingExtra

__all__ = ["figure"]


def figure(asked: str, width: float, height: float) -> Any:
    """Return an empty figure of a size in inches, which a notebook shows as its result.

    Args:
        asked: What is drawn, for the error.
        width: Inches from left to right.
        height: Inches from top to bottom.

    Raises:
        MissingExtra: If matplotlib is not installed.

    >>> figure("a plot", 2.0, 1.0)._repr_png_()[1:4]
    b'PNG'
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", asked, "demo") from error

    class Shown(Figure):  # type: ignore[misc, unused-ignore]
        """A figure that Jupyter knows how to show: plain ones need pyplot to be imported."""

        def _repr_png_(self) -> bytes:
            picture = io.BytesIO()
            self.savefig(picture, format="png")
            return picture.getvalue()

    return Shown(figsize=(width, height), layout="constrained")
