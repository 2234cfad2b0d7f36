"""``minigrad check``: what it prints, and the code it exits with."""

import subprocess
import sys

import pytest

from minigrad.cli import main

MODULE = """
import numpy as np
import minigrad as mg

def forward(x, w, b):
    return np.maximum(x @ w + b, 0)

def backward(g, x, w, b):
    dz = g * (x @ w + b > 0)
    return dz @ w.T, x.T @ dz, dz.mean(axis=0)

def scaled(x, scale):
    return x * scale

def pull_scaled(g, x, scale):
    return g * scale

def detached(x):
    return mg.exp(mg.stop_gradient(x)) * x - mg.stop_gradient(mg.exp(x) * x) + mg.exp(x)

def softmax(x, axis=None):
    return mg.softmax(x, axis=axis)

def noisy(x):
    return x + np.random.default_rng().normal()

def broken(x):
    return x @ np.ones((7, 7))

class Space:
    model = mg.nn.Sequential(mg.nn.Linear(3, 4), mg.tanh)
    number = 3
"""
HAND = ["--vjp", "mine:backward", "--shape", "5,4", "--shape", "4,3", "--shape", "3"]


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "unfinished.py").write_text("import nothing_of_the_kind\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("mine", None)


def check(capsys, *arguments):
    code = main(["check", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_a_gradient_by_hand_with_a_mistake(capsys):
    code, out, err = check(capsys, "mine:forward", *HAND)
    assert (code, err) == (1, "")
    assert out.splitlines()[1] == (
        "  the gradient of b is 1/5 of what it should be: a sum is treated as a mean"
    )


def test_it_is_a_command_of_the_shell(module):
    done = subprocess.run(
        [sys.executable, "-m", "minigrad", "check", "mine:forward", *HAND],
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "the gradient of b is 1/5 of what it should be" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["mine:softmax", "--shape", "2,3", "--param", "axis=1"], 0, "pass, 6 elements"),
        (["mine.py:softmax", "--shape", "()", "--dtype", "float32"], 0, "pass, 1 element "),
        (["mine:Space.model", "--shape", "2,3"], 0, "pass, 22 elements"),
        (["numpy:log", "--shape", "3", "--range", "1,2"], 0, "pass, 3 elements"),
        (["mine:scaled", "--vjp", "mine:pull_scaled", "--shape", "3", "--param", "scale=2.5"], 0,
         "pass, 3 elements"),
        (["minigrad:abs", "--shape", "3", "--range", "0,0"], 3, "NOT DIFFERENTIABLE (3 of 3"),
        (["numpy:log", "--shape", "3", "--range=-2,-1"], 3, "NOT DIFFERENTIABLE"),
        (["mine:noisy", "--shape", "2"], 4, "f is random or keeps state"),
    ],
)  # fmt: skip
def test_verdicts_are_exit_codes(arguments, code, said, capsys):
    got, out, err = check(capsys, *arguments)
    assert (got, err) == (code, "")
    assert said in out


def test_every_order_up_to_the_one_asked_for(capsys):
    code, out, _ = check(capsys, "numpy:tanh", "--shape", "3", "--order", "2")
    assert code == 0
    assert [line[:30] for line in out.splitlines()] == [
        "order 1: gradient check: pass,", "order 2: gradient check: pass,"
    ]  # fmt: skip
    code, out, _ = check(capsys, "mine:detached", "--shape", "3", "--order", "2")
    assert code == 1
    assert "order 1: gradient check: FAIL" in out
    assert "order 2" not in out


def test_the_seed_draws_the_inputs(capsys):
    _, first, _ = check(capsys, "mine:forward", *HAND)
    assert check(capsys, "mine:forward", *HAND)[1] == first
    assert check(capsys, "mine:forward", *HAND, "--seed", "1")[1] != first


def test_the_report_as_a_page(module, capsys):
    code, _, _ = check(capsys, "mine:forward", *HAND, "--html", "report.html")
    assert code == 1
    text = (module / "report.html").read_text(encoding="utf-8")
    assert "<h1>mine:forward</h1>" in text
    assert text.count("<svg") == 3
    code, _, err = check(capsys, "mine:forward", *HAND, "--html", "no/folder/report.html")
    assert code == 2
    assert err == "minigrad: can't use no/folder/report.html: No such file or directory\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mine:nothing", "--shape", "3"], "mine has no nothing"),
        (["mine:Space.number", "--shape", "3"],
         "mine:Space.number is 3, which can't be called"),
        (["mine", "--shape", "3"], "'mine' is not module:function"),
        (["other:f", "--shape", "3"],
         "other can't be imported: ModuleNotFoundError: No module named 'other'"),
        (["other.py:f", "--shape", "3"], "there is no file other.py"),
        (["unfinished:f", "--shape", "3"], "unfinished can't be imported: ModuleNotFoundError: No "
         "module named 'nothing_of_the_kind' ({}/unfinished.py:1)"),
        (["mine:forward"], "mine:forward needs inputs: say --shape 3,4 for each"),
        (["mine:broken", "--shape", "3"], "mine:broken raised ShapeError: matmul: a (3,) @ b "
         "(7, 7): a axis 0 is 3, but b axis 0 is 7 ({}/mine.py:28)"),
        (["mine:scaled", "--shape", "3", "--vjp", "mine:pull_scaled", "--order", "2"],
         "--order goes with functions of Tensors: a rule by hand has the first only"),
    ],
)  # fmt: skip
def test_what_can_not_be_run_is_told_in_one_line(arguments, said, module, capsys):
    code, out, err = check(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err == f"minigrad check: {said.format(module)}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--shape", "3,x"], "'3,x' is not a shape: 3,4 or 7 or ()"),
        (["--shape", "-3"], "'-3' is not a shape"),
        (["--shape"], "expected one argument"),
        (["--shape", ""], "'' is not a shape"),
        (["--param", "axis"], "'axis' is not name=value"),
        (["--range", "2,1"], "'2,1' is not low,high"),
        (["--range", "0,nan"], "'0,nan' is not low,high"),
        (["--seed", "-1"], "'-1' is not a whole number of at least 0"),
        (["--seed", "1.5"], "'1.5' is not a whole number of at least 0"),
        (["--dtype", "int64"], "invalid choice: 'int64'"),
        (["--order", "0"], "invalid choice: 0"),
    ],
)  # fmt: skip
def test_bad_flags_are_told_in_one_line(arguments, said, capsys):
    with pytest.raises(SystemExit) as info:
        main(["check", "numpy:tanh", *arguments])
    assert info.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_help_tells_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as info:
        main(["check", "--help"])
    assert info.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for said in ("--vjp FUNCTION", "--shape N,M", "0 for a pass, 1 for a wrong gradient"):
        assert said in out
