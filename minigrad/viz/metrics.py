"""How wide text is: the widths of Helvetica, which Arial and Liberation Sans share."""

from __future__ import annotations

import unicodedata

__all__ = ["width"]

# Thousandths of the size, of the characters from space to tilde.
_PLAIN = """
278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556
556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778
667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556
556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584
"""
_BOLD = """
278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556
556 556 333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833 722 778
667 778 722 667 611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 556 333 611
611 278 278 556 278 889 611 611 611 611 389 556 333 611 556 778 556 556 500 389 280 389 584
"""
_SIGNS = {"−": 584, "×": 584, "·": 333, "∂": 494, "ᵀ": 433, "²": 333, "…": 1000, "→": 1000}
_SIGNS |= {"⟵": 1430, "◆": 770, "⊞": 838, "⚠": 900}
_OTHER = 720  # signs that come from another font
_WIDE = 1000

_TABLES = tuple(tuple(map(int, table.split())) for table in (_PLAIN, _BOLD))


def width(text: str, size: float, bold: bool = False) -> float:
    """Width of ``text`` in the units of ``size``.

    >>> width("relu", 10)
    16.67
    """
    table = _TABLES[bold]
    total = 0
    for sign in text:
        code = ord(sign) - 32
        if 0 <= code < len(table):
            total += table[code]
        elif sign in _SIGNS:
            total += _SIGNS[sign]
        elif unicodedata.east_asian_width(sign) in "WF":
            total += _WIDE
        elif not unicodedata.combining(sign):
            total += 600 if sign.isalpha() else _OTHER
    return total * size / 1000
