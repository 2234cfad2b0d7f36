"""Machine code kept from one run to the next, in the user's cache folder.

Numba keeps what it compiled next to the source file, so the source is written to a folder of its
own, named by a hash of all that the code depends on. What is kept there is executed later, so the
folder must belong to the user, and nobody else may write to it; where that can't be had, nothing is
kept.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
from pathlib import Path

__all__ = ["cache_folder", "source_file"]

WRITTEN = stat.S_IWGRP | stat.S_IWOTH  # others may write
OPEN = stat.S_IRWXG | stat.S_IRWXO  # others may do anything at all
KEPT = 128  # programs: the oldest are deleted


def cache_folder() -> Path:
    """Where minigrad keeps machine code: as the platform has it, or below ``XDG_CACHE_HOME``."""
    home = Path.home()
    if os.environ.get("XDG_CACHE_HOME"):
        root = Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = home / "Library" / "Caches"
    else:
        root = home / ".cache"
    return root / "minigrad" / "native"


def source_file(source: str, *versions: str) -> Path | None:
    """Write a source to its place, unless it is there; None if nothing can be kept safely.

    Args:
        source: What is compiled.
        versions: What else the machine code depends on.
    """
    words = [source, platform.python_version(), *versions]
    name = hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]
    try:
        root = cache_folder()
        folder = root / name
        for part in (root, folder):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not is_own(part, WRITTEN if part is root else OPEN):
                return None
        path = folder / "native.py"
        if not path.exists() or path.read_text("utf-8") != source:
            _write(path, source)
            _forget(root, folder)
        # Numba's files have the modes that the user's umask gives: the closed folder guards them.
        safe = is_own(path, WRITTEN) and all(is_own(kept, 0) for kept in _inside(folder))
        return path if safe else None
    except (OSError, RuntimeError):  # no home, no space, not allowed
        return None


def is_own(path: Path, forbidden: int) -> bool:
    """Whether a file or folder belongs to the user, and others lack some permissions."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return False
    if sys.platform == "win32":
        return True
    return found.st_uid == os.getuid() and not found.st_mode & forbidden


def _inside(folder: Path) -> list[Path]:
    """What Numba keeps next to a source."""
    kept = folder / "__pycache__"
    return [kept, *kept.iterdir()] if kept.exists() else []


def _write(path: Path, source: str) -> None:
    """Write a file so that nobody ever sees half of it."""
    number, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(source)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _forget(root: Path, newest: Path) -> None:
    """Delete the oldest programs."""
    folders = [f for f in root.iterdir() if f != newest and f.is_dir()]
    folders.sort(key=lambda f: f.stat().st_mtime)
    for folder in folders[: max(0, len(folders) + 1 - KEPT)]:
        shutil.rmtree(folder, ignore_errors=True)
