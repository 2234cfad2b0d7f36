"""``python -m minigrad``: the command ``minigrad``."""

from minigrad.cli import main

raise SystemExit(main())
