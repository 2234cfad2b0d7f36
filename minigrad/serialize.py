"""Saving and loading state: NumPy's ``.npz``, never pickle, and never half a file.

A file is written beside its target and moved over it in one step, so a crash or a full disk leaves
the old file whole. Loading reads nothing before names, dtypes and sizes have been checked against
the size of the file: arrays are stored uncompressed, so a small file can't become a large one.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import io
import os
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.errors import StateError

__all__ = ["load", "save"]

Arrays = dict[str, np.ndarray[Any, Any]]
LONGEST = 1000  # bytes in a name
_END = 22  # bytes of the record that ends an archive


def save(path: str | os.PathLike[str], state: Any) -> None:
    """Save a Module, or anything with ``state_dict()``, or a dict of arrays, as ``.npz``.

    The file appears whole or not at all, and replaces an older one only when it is complete.

    Raises:
        StateError: If a value is not a numeric array, or a name no text.
        OSError: If the file can't be written; an older file is untouched then.

    >>> import tempfile, os.path
    >>> path = os.path.join(tempfile.mkdtemp(), "state.npz")
    >>> save(path, {"w": np.array([1.0, 2.0])}); load(path)
    {'w': array([1., 2.])}
    """
    content = state.state_dict() if hasattr(state, "state_dict") else state
    if not isinstance(content, Mapping):
        swapped = ": the path comes first" if isinstance(state, str | os.PathLike) else ""
        kind = type(state).__name__
        raise StateError(f"a Module or a dict of arrays can be saved, not {kind}{swapped}")
    arrays = {name: _checked(name, value) for name, value in content.items()}
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            _write(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(target.parent)
    _remove_orphans(target)


def _remove_orphans(target: Path) -> None:
    """Remove what saves to the same place left behind whose processes were killed."""
    if os.name != "posix":  # elsewhere, signal 0 is no harmless question
        return
    for orphan in target.parent.glob(f".{glob.escape(target.name)}.*-*.tmp"):
        pid = orphan.name.removeprefix(f".{target.name}.").partition("-")[0]
        if not pid.isdecimal():
            continue
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            with contextlib.suppress(OSError):
                orphan.unlink()
        except (OSError, OverflowError):
            continue  # it lives, as another user's


def _checked(name: Any, value: Any) -> np.ndarray[Any, Any]:
    """Return a value as an array that can be saved, under a name that can be found again."""
    try:
        size = len(name.encode())
    except (AttributeError, UnicodeEncodeError):
        size = LONGEST + 1
    if size > LONGEST or "\0" in name:
        raise StateError(f"{str(name)[:80]!r} can't be the name of an array in a file")
    if isinstance(value, Mapping):
        raise StateError(
            f"{name} holds a dict, and a file holds one dict of arrays: save each to a file of its "
            f"own, or prefix the names: {{f'{name}.{{n}}': a for n, a in {name}.items()}}"
        )
    array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    if array.dtype.kind not in "biuf":
        raise StateError(f"{name} holds {array.dtype}, neither booleans, integers nor floats")
    return array


def _write(file: Any, arrays: Arrays) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            # A fixed date, so that the same state gives the same file.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue())


def _sync_directory(directory: Path) -> None:
    """Make the rename itself durable, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Bounded(io.BufferedReader):
    """A file that makes no room for more than it holds, however much a damaged header asks for."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes."""
        left = max(os.fstat(self.fileno()).st_size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


def load(path: str | os.PathLike[str]) -> Arrays:
    """Load the arrays of a file written by :func:`save`, by name.

    Raises:
        StateError: If the file is damaged, compressed, or holds anything but numeric arrays.
        OSError: If it can't be read.

    >>> load("/nonexistent.npz")
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent.npz'
    """
    with _Bounded(io.FileIO(path)) as file:
        try:
            return _read(file, os.fstat(file.fileno()).st_size)
        except StateError as error:
            raise StateError(f"{os.fspath(path)}: {error}") from None
        except Exception as error:  # the zip and header parsers raise whatever damage leads them to
            # A directory that is damaged points before the file's start: that is no failing disk.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            said = f"{os.fspath(path)} is not a state file, or is damaged: {error}"
            raise StateError(said) from error


def _read(file: Any, size: int) -> Arrays:
    arrays: Arrays = {}
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > size:
            raise StateError("claims more data than the file holds")
        file.seek(max(size - _END, 0))
        # zipfile does not look at the number of members; a damaged directory may hide some.
        if int.from_bytes(file.read(_END)[10:12], "little") != min(len(members), 0xFFFF):
            raise StateError("does not hold the arrays that it should")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED:
                raise StateError(f"{member.filename} is compressed; save() never compresses")
            if not member.filename.endswith(".npy"):
                raise StateError(f"{member.filename} is not an array")
            content = archive.read(member)
            stream = io.BytesIO(content)
            version = np.lib.format.read_magic(stream)
            if version != (1, 0) and version != (2, 0):
                raise StateError(f"{member.filename} has format {version}")
            old = version == (1, 0)
            read = (
                np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(stream)
            count = 1
            for length in shape:
                count *= length
            if dtype.kind not in "biuf" or count * dtype.itemsize > len(content):
                raise StateError(f"{member.filename} claims {shape} of {dtype}")
            stream.seek(0)
            name = member.filename.removesuffix(".npy")
            if name in arrays:
                raise StateError(f"{name} appears twice")
            arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
    return arrays
