"""The command ``minigrad``: what it prints and writes, and how it ends when something is wrong."""

import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import minigrad as mg
from minigrad import cli, nn

for package in ("sklearn", "matplotlib", "tqdm"):
    pytest.importorskip(package)
# A test that runs in the background inherits that Ctrl-C is ignored; a user's shell does not.
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.modules.update(dict.fromkeys({blocked!r}))
from minigrad.cli import main
sys.exit(main())
"""


def start(*arguments, blocked=(), **settings):
    command = [sys.executable, "-c", COMMAND.format(blocked=blocked), *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **settings,
    )


def end(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def one_line(text):
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return text


def model():
    return nn.Sequential(nn.Normalize(64), nn.Linear(64, 128), mg.relu, nn.Linear(128, 10))


def numbers(out):
    """What is printed and depends on the run: losses and accuracies, not times and folders."""
    return re.findall(r"^(?:train|test ) loss .*$", out, re.MULTILINE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A run of two epochs with ``python -m minigrad``: its folder and what it printed."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    command = [sys.executable, "-m", "minigrad", "demo", "--epochs", "2", "--out", str(out)]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done.stdout, done.stderr


# A run that goes well


def test_the_demo_tells_what_it_does(demo):
    out, said, progress = demo
    assert said.startswith("1,797 digits of 8 x 8 pixels: 1,348 to train on, 449 to test\n")
    for line in (
        r"  layers\.1  Linear\(64 → 128\) +\(32, 128\) +8,320 +8\.0 kB",
        r"total: 9,610 parameters, 38,440 bytes; kept for backward: 24,576 bytes",
        r"trained 2 epochs in \d+\.\d s",
        r"train loss 0\.\d{4}, accuracy 0\.8\d{3}",
        r"test  loss \d\.\d{4}, accuracy 0\.8\d{3}",
        r"guessing loses ln 10 = 2\.3026 and is right 0\.1000 of the time",
        r"gradient of the loss in all 4 parameters against finite differences: \w+.*",
    ):
        assert re.search(f"^{line}$", said, re.MULTILINE), line
    wrote = said.split("\nwrote\n")[1].splitlines()
    told = [line.split()[0] for line in wrote]
    assert sorted(told) == sorted(str(path) for path in out.iterdir())
    assert "epoch 2/2" in progress


def test_the_demo_writes_files_that_are_what_their_names_say(demo):
    out, said, _ = demo
    names = ["curves.png", "graph.dot", "graph.png", "graph.svg", "model.npz"]
    assert sorted(path.name for path in out.iterdir()) == names
    for name in ("curves.png", "graph.png"):
        content = (out / name).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert content.endswith(b"IEND\xaeB`\x82")
        assert int.from_bytes(content[16:20], "big") > 300
    root = ElementTree.parse(out / "graph.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = "".join(root.itertext())
    for shown in ("cross_entropy", "layers.1", "Linear(64 → 128)"):
        assert shown in text
    dot = (out / "graph.dot").read_text(encoding="utf-8")
    assert dot.lstrip().startswith("digraph")

    from sklearn.datasets import load_digits

    network = model()
    network.load_state_dict(mg.load(out / "model.npz"))
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = mg.data.train_test_split(x, y, rng=0)
    for name, data in (("train", (x_train, y_train)), ("test ", (x_test, y_test))):
        result = mg.evaluate(network, *data)
        line = f"{name} loss {result['loss']:.4f}, accuracy {result['accuracy']:.4f}"
        assert line in numbers(said)


def test_the_same_seed_gives_the_same_numbers_and_another_others(demo, tmp_path, capsys):
    out, said, _ = demo
    assert cli.main(["demo", "--epochs", "2", "--out", str(tmp_path)]) == 0
    assert numbers(capsys.readouterr().out) == numbers(said)
    assert (tmp_path / "model.npz").read_bytes() == (out / "model.npz").read_bytes()
    assert cli.main(["demo", "--epochs", "2", "--seed", "1", "--out", str(tmp_path)]) == 0
    assert numbers(capsys.readouterr().out) != numbers(said)


def test_the_default_run_learns_the_digits(tmp_path):
    code, out, _ = end(start("demo", cwd=tmp_path))
    assert code == 0
    assert "trained 60 epochs" in out
    accuracy = re.search(r"^test  loss .* accuracy (\S+)$", out, re.MULTILINE)
    assert accuracy is not None
    assert float(accuracy[1]) >= 0.97
    assert "4 parameters against finite differences: pass" in out
    assert os.listdir(tmp_path) == ["minigrad-demo"]


def test_flags_reach_the_training(tmp_path, capsys):
    arguments = ["demo", "--epochs", "1", "--lr", "0", "--batch-size", "64", "--out", str(tmp_path)]
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    assert "(64, 128)" in out
    mg.seed(0)
    x = np.zeros((3, 64))
    mg.data.train_test_split(x, rng=0)
    state = mg.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(state["layers.1.weight"], model().state_dict()["layers.1.weight"])


# What a user can mend: one line on stderr, exit code 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: command"),
        (["paint"], "invalid choice: 'paint'"),
        (["demo", "--epochs", "0"], "'0' is not a whole number of at least 1"),
        (["demo", "--epochs", "2.5"], "'2.5' is not a whole number of at least 1"),
        (["demo", "--batch-size", "-3"], "'-3' is not a whole number of at least 1"),
        (["demo", "--lr", "fast"], "'fast' is not a learning rate of at least 0"),
        (["demo", "--lr", "nan"], "'nan' is not a learning rate of at least 0"),
        (["demo", "--lr", "inf"], "'inf' is not a learning rate of at least 0"),
        (["demo", "--lr=-1"], "'-1' is not a learning rate of at least 0"),
        (["demo", "--seed", "-1"], "'-1' is not a whole number of at least 0"),
        (["demo", "--seed"], "expected one argument"),
        (["demo", "--layers", "3"], "unrecognized arguments: --layers 3"),
        (["demo", "extra"], "unrecognized arguments: extra"),
    ],
)
def test_bad_flags_are_told_in_one_line(arguments, said, capsys):
    with pytest.raises(SystemExit) as info:
        cli.main(arguments)
    assert info.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in one_line(err)
    assert err.startswith("minigrad")
    assert err.endswith("--help)\n")


def test_a_folder_that_cannot_be_made_is_told_before_any_work(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "folder"):
        assert cli.main(["demo", "--out", str(out)]) == 2
        said, err = capsys.readouterr()
        assert said == ""
        assert one_line(err).startswith("minigrad: ")
        assert str(tmp_path / "file") in err


@pytest.mark.parametrize("package", ["sklearn", "matplotlib", "tqdm"])
def test_a_missing_package_is_told_with_the_command_that_brings_it(package, tmp_path):
    code, out, err = end(start("demo", "--out", tmp_path / "new", blocked=(package,)))
    assert (code, out) == (2, "")
    name = {"sklearn": "scikit-learn"}.get(package, package)
    assert one_line(err) == f"minigrad: minigrad demo needs {name}: pip install 'minigrad[demo]'\n"
    assert not (tmp_path / "new").exists()


def test_without_graphviz_the_text_is_written_and_the_command_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert cli.main(["demo", "--epochs", "1", "--out", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    (told,) = [line for line in err.splitlines() if line.startswith("minigrad:")]
    assert told.endswith("needs Graphviz or pygraphviz: pip install 'minigrad[draw]'")
    assert sorted(os.listdir(tmp_path)) == ["curves.png", "graph.dot", "model.npz"]
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8").lstrip().startswith("digraph")
    assert "graph.svg" not in out
    assert str(tmp_path / "graph.dot") in out


# Ctrl-C


def test_an_interrupt_while_training_keeps_what_was_learnt(tmp_path):
    terminal = {**os.environ, "PYTHONIOENCODING": "ascii"}  # which has no arrow
    process = start("demo", "--epochs", "100000", "--out", tmp_path, env=terminal)
    seen = ""
    while "epoch 3/" not in seen:
        part = process.stderr.read(1)
        assert part, seen
        seen += part
    process.send_signal(signal.SIGINT)
    code, out, err = end(process)
    assert code == 130
    assert "Traceback" not in err
    assert "Linear(64 ? 128)" in out
    told = re.search(r"^interrupted after (\d+) epochs; saved (.*)$", out, re.MULTILINE)
    assert told is not None
    assert int(told[1]) >= 2
    assert told[2] == str(tmp_path / "model.npz")
    assert os.listdir(tmp_path) == ["model.npz"]
    network = model()
    before = network.state_dict()
    network.load_state_dict(mg.load(tmp_path / "model.npz"))
    assert (network.state_dict()["layers.3.bias"] != before["layers.3.bias"]).all()


def test_an_interrupt_elsewhere_is_one_line_too(tmp_path, capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "gradcheck", interrupted)
    assert cli.main(["demo", "--epochs", "1", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err.endswith("\ninterrupted\n")
    assert os.listdir(tmp_path) == ["model.npz"]


# Help


def test_help_names_every_flag(capsys):
    with pytest.raises(SystemExit) as info:
        cli.main(["demo", "--help"])
    assert info.value.code == 0
    out = capsys.readouterr().out
    flags = {
        "--epochs": "(60)",
        "--batch-size": "(32)",
        "--lr": "(0.001)",
        "--seed": "(0)",
        "--out": "(minigrad-demo)",
    }
    for flag, default in flags.items():
        described = out.split("options:")[1].split(flag)[1].split("--")[0]
        assert default in described
    assert set(re.findall(r"--[a-z-]+", out)) == {"--help", "--compile", "--backend", *flags}
    assert "pip install 'minigrad[demo]'" in " ".join(out.split())


def test_help_and_version_of_the_command(capsys):
    for flag, said in (("--help", "demo"), ("--version", f"minigrad {mg.__version__}\n")):
        with pytest.raises(SystemExit) as info:
            cli.main([flag])
        assert info.value.code == 0
        assert said in capsys.readouterr().out
