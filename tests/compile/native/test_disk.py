"""What is kept on disk is the user's own, whole, and not without end."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minigrad.compile.native import disk

unix = pytest.mark.skipif(sys.platform == "win32", reason="permissions are others on Windows")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_a_source_is_written_once(home):
    path = disk.source_file("x = 1\n", "numba 1")
    assert path is not None
    assert path.read_text() == "x = 1\n"
    stamp = path.stat().st_mtime_ns
    assert disk.source_file("x = 1\n", "numba 1") == path
    assert path.stat().st_mtime_ns == stamp
    assert disk.source_file("x = 1\n", "numba 2") != path
    assert disk.source_file("x = 2\n", "numba 1") != path


@unix
def test_nobody_else_may_write_there(home):
    path = disk.source_file("x = 1\n")
    assert path is not None
    for place in (path, path.parent, disk.cache_folder()):
        mode = place.stat().st_mode
        place.chmod(mode | stat.S_IWOTH)
        assert disk.source_file("x = 1\n") is None
        place.chmod(mode)
    assert disk.source_file("x = 1\n") == path


@unix
def test_what_numba_keeps_must_be_the_users_own(home):
    path = disk.source_file("x = 1\n")
    assert path is not None
    kept = path.parent / "__pycache__"
    kept.mkdir()
    (kept / "native.nbc").symlink_to(home / "elsewhere")
    assert disk.source_file("x = 1\n") is None
    (kept / "native.nbc").unlink()
    assert disk.source_file("x = 1\n") == path


@unix
def test_a_lenient_umask_does_no_harm(home):
    path = disk.source_file("x = 1\n")
    assert path is not None
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    kept = path.parent / "__pycache__"
    kept.mkdir()
    (kept / "native.nbc").touch()
    (kept / "native.nbc").chmod(0o664)
    kept.chmod(0o775)
    assert disk.source_file("x = 1\n") == path
    path.parent.chmod(0o755)
    assert disk.source_file("x = 1\n") is None


@unix
def test_a_folder_of_another_user_is_not_used(home, monkeypatch):
    assert disk.source_file("x = 1\n") is not None
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert disk.source_file("x = 1\n") is None


def test_a_place_that_cannot_be_written_keeps_nothing(home):
    (home / "minigrad").write_text("a file")
    assert disk.source_file("x = 1\n") is None


def test_several_at_once_leave_one_whole_file(home):
    text = "x = 1\n" * 20_000
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: disk.source_file(text), range(32)))
    assert len(paths) == 1
    path = paths.pop()
    assert path is not None
    assert path.read_text() == text
    assert [p.name for p in path.parent.iterdir()] == ["native.py"]


def test_the_oldest_are_forgotten(home, monkeypatch):
    monkeypatch.setattr(disk, "KEPT", 3)
    paths = []
    for k in range(5):
        path = disk.source_file(f"x = {k}\n")
        assert path is not None
        os.utime(path.parent, (k, k))
        paths.append(path)
    assert [p.exists() for p in paths] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", None, ".cache/minigrad/native"),
        ("darwin", None, "Library/Caches/minigrad/native"),
        ("win32", "LOCALAPPDATA", "local/minigrad/native"),
    ],
)
def test_the_folder_is_where_the_platform_has_it(
    platform, variable, expected, tmp_path, monkeypatch
):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "local"))
    assert disk.cache_folder() == tmp_path / expected
