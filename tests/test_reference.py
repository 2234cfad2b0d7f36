"""The generated reference says what the registry says."""

import runpy
from pathlib import Path

MAKE = Path(__file__).parent.parent / "docs" / "reference" / "make.py"


def test_the_reference_of_the_ops_is_up_to_date():
    made = runpy.run_path(str(MAKE))["page"]()
    assert made == MAKE.with_name("ops.md").read_text(), f"run python {MAKE}"
    assert "| `multiply` | Product ``a * b``, elementwise. | a: g × b<br>b: g × a | a, b |" in made
