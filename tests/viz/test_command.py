"""``minigrad draw script.py:name``: what it draws, prints and refuses."""

import sys
import textwrap

import pytest

from minigrad.cli import main


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Write a script; what the command imports is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    modules = set(sys.modules)

    def write(text, name="made.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    yield write
    for name in set(sys.modules) - modules:
        del sys.modules[name]


GOOD = """
    import numpy as np
    import minigrad as mg
    rain = np.array([1.0, 2.0, 3.0])
    w = mg.tensor([0.5, -1.0, 2.0], requires_grad=True)
    loss = mg.sum(mg.exp(w * rain))
    pair = loss, w * 2.0

    def later():
        return mg.sum(w * w)

    plain, text = mg.tensor([1.0]), "text"
"""


def test_a_tensor_of_a_script_is_drawn(script, tmp_path, capsys):
    out = tmp_path / "made.dot"
    assert main(["draw", f"{script(GOOD)}:loss", "-o", str(out)]) == 0
    dot = out.read_text(encoding="utf-8")
    assert "rain" in dot  # arrays are called like the variables of the script
    assert capsys.readouterr().out.startswith(f"{out}: sum: forward and backward, float64 · 3 ops")


def test_without_a_file_a_table_is_printed_and_loss_is_the_name(script, capsys):
    assert main(["draw", str(script(GOOD)), "--mode", "forward", "--title", "mine"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mine  (float64")
    assert [line.split()[1] for line in lines[2:]] == ["w", "rain", "multiply", "exp", "sum"]


@pytest.mark.parametrize("name", ["later", "pair"])
def test_functions_without_arguments_and_several_outputs(script, name, capsys):
    assert main(["draw", f"{script(GOOD)}:{name}"]) == 0
    assert "multiply" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["svg", "json", "png"])
def test_files_of_every_kind(script, tmp_path, suffix):
    pytest.importorskip("pygraphviz")
    out = tmp_path / f"made.{suffix}"
    arguments = ["--theme", "dark", "--fold", "no", "--max-cards", "5"]
    assert main(["draw", str(script(GOOD)), "-o", str(out), *arguments]) == 0
    assert out.stat().st_size > 1000


def test_a_script_that_fails_is_drawn_up_to_there(script, tmp_path, capsys):
    text = """
        import minigrad as mg, numpy as np
        w = mg.tensor(np.ones((3, 4)), requires_grad=True, name="w")
        def loss():
            return mg.sum(mg.exp(w) @ w)
    """
    out = tmp_path / "made.dot"
    assert main(["draw", str(script(text)), "-o", str(out)]) == 1
    told = capsys.readouterr()
    assert told.err.startswith("ShapeError: matmul: a (3, 4) @ w (3, 4)")
    assert "ShapeError: what led to it" in told.out
    assert "exp" in out.read_text(encoding="utf-8")


def test_an_error_of_the_script_itself_is_not_hidden(script):
    with pytest.raises(ZeroDivisionError):
        main(["draw", str(script("loss = 1 / 0"))])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}:nope"], "has no 'nope'; its tensors are w, loss, plain"),
        (["{}:text"], "'text' of {} is no Tensor, nor a function that returns one: str"),
        (["{}:plain"], "'plain' of {} requires no gradient"),
        (["{}.nope.py"], "there is no script '{}.nope.py'"),
        (["no.such.module:loss"], "there is no script or module 'no.such.module'"),
        (["{}", "-o", "made.bmp"], "can't draw 'made.bmp': use .svg"),
        (["{}", "--max-cards", "0"], "--max-cards is at least 1, not 0"),
    ],
)
def test_what_a_user_can_mend_is_one_line(script, capsys, arguments, message):
    path = script(GOOD)
    assert main(["draw", *(a.format(path) for a in arguments)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("minigrad draw: ")
    assert message.format(path) in told
    assert told.count("\n") == 1


def test_issues_are_told(script, capsys):
    text = """
        import minigrad as mg
        loss = mg.sum(mg.tensor([1.0, 2.0], requires_grad=True, name="w") * 0.0)
    """
    assert main(["draw", str(script(text))]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "⚠ w: gradient is 0 everywhere"
