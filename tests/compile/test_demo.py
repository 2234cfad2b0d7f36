"""``minigrad demo --compile`` learns what ``minigrad demo`` learns, and says how much faster."""

import re

import pytest

import minigrad as mg
from minigrad import cli


def test_the_demo_compiled(tmp_path, capsys):
    for package in ("matplotlib", "tqdm", "sklearn"):
        pytest.importorskip(package)
    accuracies = []
    for flags in ([], ["--compile"]):
        mg.seed(0)
        options = cli._parser().parse_args(["demo", "--epochs", "2", *flags])
        x, y = cli._digits()
        x_train, x_test, y_train, y_test = mg.data.train_test_split(x, y, rng=0)
        model = mg.nn.Sequential(mg.nn.Linear(64, 32), mg.relu, mg.nn.Linear(32, 10))
        history = mg.History()
        train, test = (x_train / 16.0, y_train), (x_test / 16.0, y_test)
        assert cli._train(model, history, train, test, options)
        accuracies.append(mg.evaluate(model, *test))
    said = capsys.readouterr().out
    assert accuracies[0] == pytest.approx(accuracies[1], abs=1e-4)
    assert re.search(r"a step of 32 digits takes \d+ µs as it is written and \d+ µs compiled", said)
    assert said.count("trained 2 epochs") == 2
