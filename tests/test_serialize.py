"""Saved state: round trips, files that appear whole or not at all, and damage that is told."""

import errno
import io
import os
import pickle
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import StateError
from minigrad.serialize import load, save

DTYPES = [*"?bhiqBHIQefd", "g", ">f4", ">i8", "<f8", ">u2"]


def check_equal(a, b):
    assert list(a) == list(b)
    for name, value in a.items():
        np.testing.assert_array_equal(value, b[name], strict=True)
        assert value.dtype == b[name].dtype


# Round trips


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_numeric_dtype_comes_back(dtype, tmp_path):
    values = np.arange(-3, 9).reshape(3, 4)
    state = {
        "matrix": values.astype(dtype),
        "scalar": np.array(1).astype(dtype),
        "empty": np.zeros((0, 3), dtype),
        "transposed": values.astype(dtype).T,
        "strided": values.astype(dtype)[::2, ::-3],
        "broadcast": np.broadcast_to(np.array(1).astype(dtype), (2, 2)),
    }
    save(tmp_path / "state.npz", state)
    check_equal(load(tmp_path / "state.npz"), state)


def test_special_values_come_back_bit_by_bit(tmp_path):
    special = np.array([np.nan, -0.0, np.inf, -np.inf, 5e-324, np.finfo(float).max])
    save(tmp_path / "state.npz", {"x": special})
    assert load(tmp_path / "state.npz")["x"].tobytes() == special.tobytes()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "/root", "a/b", "ü→", "x.npy", "a b", "\\"]
)
def test_names_are_only_names(name, tmp_path):
    save(tmp_path / "state.npz", {name: np.ones(2)})
    check_equal(load(tmp_path / "state.npz"), {name: np.ones(2)})
    assert os.listdir(tmp_path) == ["state.npz"]


def test_numpy_reads_what_is_saved_and_the_other_way_round(tmp_path):
    state = {"w": np.arange(6.0).reshape(2, 3), "n": np.array(7)}
    save(tmp_path / "ours.npz", state)
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as archive:
        check_equal(dict(archive), state)
    np.savez(tmp_path / "theirs.npz", allow_pickle=False, **state)
    check_equal(load(tmp_path / "theirs.npz"), state)


def test_modules_optimizers_tensors_and_numbers_can_be_saved(tmp_path):
    network = nn.Sequential(nn.Normalize(2), nn.Linear(2, 3))
    network(np.ones((1, 2))).sum().backward()
    optimizer = optim.Adam(network.parameters())
    optimizer.step()
    path = str(tmp_path / "x.npz")
    for thing in (network, optimizer):
        save(path, thing)
        check_equal(load(path), {k: np.asarray(v) for k, v in thing.state_dict().items()})
    save(path, {"t": mg.Tensor([1.0], requires_grad=True), "n": 3, "f": 0.5, "b": True, "l": [1]})
    assert {k: v.tolist() for k, v in load(path).items()} == {
        "t": [1.0], "n": 3, "f": 0.5, "b": True, "l": [1],
    }  # fmt: skip
    save(path, {})
    assert load(path) == {}


def test_the_same_state_gives_the_same_file(tmp_path):
    for name in ("a.npz", "b.npz"):
        save(tmp_path / name, {"w": np.arange(3.0)})
        time.sleep(0.01)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    "value", [np.array([None]), "text", np.array(["a"]), 1j, np.zeros(1, "M8[s]"), None]
)
def test_what_is_not_numeric_is_refused(value, tmp_path):
    with pytest.raises(StateError, match=r"x holds .*, neither booleans, integers nor floats"):
        save(tmp_path / "state.npz", {"x": value})
    assert os.listdir(tmp_path) == []


def test_what_is_swapped_or_nested_is_told(tmp_path):
    with pytest.raises(StateError, match="not str: the path comes first"):
        save({"x": np.ones(2)}, str(tmp_path / "state.npz"))  # type: ignore[arg-type]
    with pytest.raises(StateError, match=r"model holds a dict, .* or prefix the names"):
        save(tmp_path / "state.npz", {"model": {"w": np.ones(2)}})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", [1, None, "a\0b", "\ud800", "x" * 2000])
def test_a_name_that_could_not_be_read_back_is_refused(name, tmp_path):
    with pytest.raises(StateError, match="can't be the name of an array in a file"):
        save(tmp_path / "state.npz", {name: np.ones(1)})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("state", [[1.0], np.ones(2), "w", 3])
def test_only_a_module_or_a_dict_can_be_saved(state, tmp_path):
    with pytest.raises(StateError, match="a Module or a dict of arrays can be saved, not"):
        save(tmp_path / "state.npz", state)


# Whole or not at all


@pytest.mark.parametrize("when", ["write_array", "fsync"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), MemoryError()])
def test_a_failing_write_keeps_the_old_file_and_leaves_nothing(when, error, tmp_path, monkeypatch):
    path = tmp_path / "state.npz"
    save(path, {"w": np.zeros(2)})
    owner = np.lib.format if when == "write_array" else os
    genuine = getattr(owner, when)
    calls = []

    def failing(*args, **kwargs):
        calls.append(args)
        if when == "fsync" or len(calls) == 2:
            raise error
        return genuine(*args, **kwargs)

    monkeypatch.setattr(owner, when, failing)
    with pytest.raises(type(error)):
        save(path, {"w": np.ones(2), "v": np.ones(3)})
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["state.npz"]
    check_equal(load(path), {"w": np.zeros(2)})


def test_a_folder_that_is_missing_or_no_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        save(tmp_path / "nowhere" / "x.npz", {})
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        save(tmp_path / "file" / "x.npz", {})
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        save(tmp_path / "folder", {})
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    for missing in (tmp_path / "none.npz", tmp_path / "folder"):
        with pytest.raises(OSError, match=r"No such file|Is a directory"):
            load(missing)


def test_a_disk_that_fails_is_no_damaged_file(tmp_path, monkeypatch):
    save(tmp_path / "x.npz", {"w": np.ones(2)})

    def failing(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(zipfile.ZipFile, "read", failing)
    with pytest.raises(OSError, match="Input/output error"):
        load(tmp_path / "x.npz")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_has_the_mode_that_the_umask_asks_for(tmp_path):
    before = os.umask(0o027)
    try:
        save(tmp_path / "x.npz", {})
    finally:
        os.umask(before)
    assert (tmp_path / "x.npz").stat().st_mode & 0o777 == 0o640


def test_threads_may_save_to_one_path(tmp_path):
    path = tmp_path / "x.npz"

    def work(value):
        for _ in range(10):
            save(path, {"w": np.full(1000, value)})

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            assert len(np.unique(load(path)["w"])) == 1
    for thread in threads:
        thread.join()
    assert os.listdir(tmp_path) == ["x.npz"]


KILLER = """
import os, random, signal, sys, time
import numpy as np
from minigrad.serialize import save

random.seed(0)
for i in range(20):
    path = os.path.join(sys.argv[1], f"{i}.npz")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        version = 0
        while True:
            version += 1
            save(path, {"version": np.array(version), "w": np.full(200_000, float(version))})
            os.write(writing, b".")
    os.close(writing)
    acknowledged = len(os.read(reading, 1))
    time.sleep(random.uniform(0.0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reading, 1000):
        acknowledged += len(more)
    os.close(reading)
    print(acknowledged)
"""


@pytest.mark.skipif(os.name != "posix", reason="fork and SIGKILL are POSIX's")
def test_a_process_killed_while_saving_leaves_a_file_that_loads(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", KILLER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    acknowledged = [int(line) for line in done.stdout.split()]
    assert len(acknowledged) == 20
    for i, least in enumerate(acknowledged):
        state = load(tmp_path / f"{i}.npz")
        assert least <= state["version"] <= least + 1
        np.testing.assert_array_equal(state["w"], np.full(200_000, float(state["version"])))


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can ask whether a process lives")
def test_what_a_killed_process_left_is_removed_at_the_next_save(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    orphan = tmp_path / f".state.npz.{dead.pid}-0a1b2c3d.tmp"
    alive = tmp_path / f".state.npz.{os.getpid()}-0a1b2c3d.tmp"
    others = [tmp_path / ".state.npz.notes", tmp_path / f".other.npz.{dead.pid}-0a1b2c3d.tmp"]
    for path in (orphan, alive, *others):
        path.write_bytes(b"half")
    save(tmp_path / "state.npz", {"w": np.ones(2)})
    assert not orphan.exists()
    assert all(path.exists() for path in (alive, *others))


# Damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "state.npz"
    state = {
        "layers.0.weight": np.arange(60.0).reshape(6, 10),
        "layers.0.bias": np.arange(5, dtype=np.float32),
        "t": np.array(3),
    }
    save(path, state)
    return path.read_bytes(), state


def check_harmless(path, content, state):
    """Loading what is damaged gives the state, or StateError, and takes little memory."""
    path.write_bytes(content)
    loaded, said = None, ""
    tracemalloc.start()
    try:
        loaded = load(path)
    except StateError as error:
        said = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    if loaded is None:
        assert said.startswith(str(path))
        return False
    check_equal(loaded, state)
    return True


def test_three_hundred_mutations_are_harmless(whole, tmp_path):
    content, state = whole
    rng = np.random.default_rng(0)
    survived = 0
    for i in range(300):
        mutant = bytearray(content)
        kind = i % 3
        if kind == 0:  # one byte
            mutant[rng.integers(len(mutant))] ^= 1 << rng.integers(8)
        elif kind == 1:  # several bytes, half of them in the directory at the end
            low = len(mutant) - 300 if i % 2 else 0
            for j in rng.integers(low, len(mutant), 4):
                mutant[j] = rng.integers(256)
        else:  # cut out, doubled or overwritten
            a, b = np.sort(rng.integers(0, len(mutant), 2))
            part = mutant[a:b]
            mutant[a:b] = (b"", part + part, bytes(len(part)))[i // 3 % 3]
        survived += check_harmless(tmp_path / "mutant.npz", bytes(mutant), state)
    assert survived < 150


def test_a_directory_that_hides_an_array_is_refused(whole, tmp_path):
    content, state = whole
    entry = content.index(b"PK\1\2")  # the length of its comment, which swallows what follows
    for low, high in ((b"\x00", b"\x01"), (b"\x40", b"\x00"), (b"\xff", b"\xff")):
        mutant = bytearray(content)
        mutant[entry + 32 : entry + 34] = low + high
        assert not check_harmless(tmp_path / "mutant.npz", bytes(mutant), state)


def test_every_truncation_is_refused(whole, tmp_path):
    content, state = whole
    for length in range(0, len(content), 11):
        assert not check_harmless(tmp_path / "cut.npz", content[:length], state)


def archive_of(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)


def npy(array, **settings):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **settings)
    return buffer.getvalue()


def header(text, version=b"\x01\x00"):
    size = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + size + text.encode()


class Bomb:
    """What unpickles into a call."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_pickles_are_refused_and_never_run(tmp_path):
    sentinel = tmp_path / "sentinel"
    bomb = np.array([Bomb(str(sentinel))], dtype=object)
    archive_of(tmp_path / "a.npz", [("w.npy", npy(bomb))])
    archive_of(tmp_path / "b.npz", [("w.npy", pickle.dumps(Bomb(str(sentinel))))])
    (tmp_path / "c.npz").write_bytes(pickle.dumps(Bomb(str(sentinel))))
    np.save(tmp_path / "d.npy", bomb)
    for name in ("a.npz", "b.npz", "c.npz", "d.npy"):
        with pytest.raises(StateError, match=name):
            load(tmp_path / name)
    assert not sentinel.exists()


def test_compressed_archives_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", w=np.zeros(1000))
    with pytest.raises(StateError, match="claims more data than the file holds"):
        load(tmp_path / "x.npz")
    noise = np.random.default_rng(0).integers(0, 256, 50, dtype=np.uint8)
    archive_of(tmp_path / "y.npz", [("w.npy", npy(noise)), ("v", b"")], zipfile.ZIP_LZMA)
    with pytest.raises(StateError, match=r"w\.npy is compressed; save\(\) never compresses"):
        load(tmp_path / "y.npz")


def test_a_small_file_never_becomes_large(tmp_path):
    path = tmp_path / "bomb.npz"
    archive_of(path, [(f"{i}.npy", bytes(10_000_000)) for i in range(3)], zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    check = "more data than the file holds"
    tracemalloc.start()
    with pytest.raises(StateError, match=check):
        load(path)
    for shape in ("(10000000000000,)", "(1000000, 1000000, 1000000)", "(-1, -5)", "(0, -1)"):
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n"
        archive_of(path, [("w.npy", header(text))])
        with pytest.raises(StateError):
            load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "magic"),
        (b"not an array", "magic string is not correct"),
        (header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"), "claims"),
        (header("{'descr': '<U9', 'fortran_order': False, 'shape': (1,), }\n"), "claims"),
        (header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }\n"), "claims"),
        (
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n") + bytes(8),
            "EOF",
        ),
        (header("__import__('os').getcwd()\n"), "Cannot parse header|malformed|Header"),
        (header("{'descr': '<f8', 'shape': (1,)}\n"), "correct keys"),
        (
            header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}\n", b"\x09\x00"),
            "format",
        ),
        (header(" " * 60_000), "Header"),
    ],
)
def test_headers_that_lie_are_refused(content, said, tmp_path):
    archive_of(tmp_path / "x.npz", [("w.npy", content)])
    with pytest.raises(StateError, match=rf"(?s)x\.npz.*({said})"):
        load(tmp_path / "x.npz")


def test_the_second_version_of_the_header_is_read_and_the_third_refused(tmp_path):
    archive_of(tmp_path / "x.npz", [("w.npy", npy(np.arange(3.0), version=(2, 0)))])
    check_equal(load(tmp_path / "x.npz"), {"w": np.arange(3.0)})
    archive_of(tmp_path / "x.npz", [("w.npy", npy(np.arange(3.0), version=(3, 0)))])
    with pytest.raises(StateError, match=r"w\.npy has format \(3, 0\)"):
        load(tmp_path / "x.npz")


def test_other_archives_are_refused(tmp_path):
    archive_of(tmp_path / "x.npz", [("readme.txt", b"hello")])
    with pytest.raises(StateError, match=r"readme\.txt is not an array"):
        load(tmp_path / "x.npz")
    with pytest.warns(UserWarning, match="Duplicate"):
        archive_of(tmp_path / "x.npz", [("w.npy", npy(np.ones(1)))] * 2)
    with pytest.raises(StateError, match="w appears twice"):
        load(tmp_path / "x.npz")
    np.save(tmp_path / "x.npy", np.ones(3))
    with pytest.raises(StateError, match="is not a state file, or is damaged"):
        load(tmp_path / "x.npy")
