"""fit, evaluate and History: what is learnt, recorded, shown, and kept when it is interrupted."""

import math
import re
import sys
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import MissingExtra, StateError
from minigrad.functional import mse_loss
from minigrad.serialize import load, save
from minigrad.training import History, evaluate, fit

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 2))
Y = (X[:, 0] > X[:, 1]).astype(int) + (X[:, 0] > X[:, 1] + 1.0)


def network(**settings):
    return nn.Sequential(
        nn.Linear(2, 16, rng=1),
        mg.tanh,
        nn.Dropout(settings.pop("p", 0.0), rng=3),
        nn.Linear(16, 3, rng=2),
    )


def run(model=None, x=X, y=Y, **settings):
    model = model or network()
    optimizer = settings.pop("optimizer", None) or optim.Adam(model.parameters(), 0.02)
    settings = {"epochs": 3, "batch_size": 16, "progress": False, "rng": 0, **settings}
    return fit(model, x, y, optimizer=optimizer, **settings), model


# fit


def test_fit_learns():
    history, model = run(epochs=40)
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9
    assert len(history) == len(history["loss"]) == 40
    assert evaluate(model, X, Y)["accuracy"] > 0.9


def test_fit_is_the_loop_that_one_would_write():
    history, model = run(epochs=2)
    twin = network()
    optimizer = optim.Adam(twin.parameters(), 0.02)
    stream = np.random.default_rng(0)
    for epoch in range(2):
        total = right = 0.0
        for x, y in mg.data.batches(X, Y, 16, rng=stream):
            optimizer.zero_grad()
            output = twin(x)
            loss = mg.cross_entropy(output, y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
            right += mg.accuracy(output, y) * len(x)
        assert history["loss"][epoch] == pytest.approx(total / 90, rel=1e-12)
        assert history["accuracy"][epoch] == pytest.approx(right / 90, rel=1e-12)
    for name, value in twin.state_dict().items():
        np.testing.assert_array_equal(value, model.state_dict()[name])


def test_fit_is_repeatable():
    def records(seed=None, **settings):
        if seed is not None:
            mg.seed(seed)
        return run(**settings)[0].records

    assert records(rng=5) == records(rng=5) != records(rng=6)
    assert records(rng=None, seed=5) == records(rng=None, seed=5) != records(rng=None, seed=6)
    stream = np.random.default_rng(5)
    assert records(rng=stream) == records(rng=5)


def test_validation_is_evaluated_after_every_epoch_without_dropout():
    seen: list[dict[str, float]] = []
    model = network(p=0.5)

    def look(history):
        seen.append(evaluate(model, X[:20], Y[:20]))

    history, _ = run(model, X[20:], Y[20:], validation=(X[:20], Y[:20]), callbacks=[look])
    assert list(history.records) == ["loss", "accuracy", "validation_loss", "validation_accuracy"]
    assert history["validation_loss"] == [numbers["loss"] for numbers in seen]
    assert history["validation_accuracy"] == [numbers["accuracy"] for numbers in seen]


def test_metrics_replace_the_default():
    def confidence(output, y):
        return float(mg.softmax(output).numpy().max(axis=-1).mean())

    history, model = run(metrics={"confidence": confidence}, validation=(X, Y))
    assert list(history.records) == [
        "loss", "confidence", "validation_loss", "validation_confidence",
    ]  # fmt: skip
    assert 1 / 3 < history["confidence"][0] <= 1.0
    assert evaluate(model, X, Y, metrics={}).keys() == {"loss"}
    with pytest.raises(ValueError, match="a metric can't be called 'loss'"):
        run(metrics={"loss": confidence})
    line = nn.Linear(2, 1, rng=0)
    target = X @ np.array([[1.0], [2.0]])
    history, _ = run(line, X, target, loss=mse_loss)
    assert list(history.records) == ["loss"]


def test_soft_labels_can_be_fitted():
    history, _ = run(y=np.eye(3)[Y] * 0.9 + 0.1 / 3, epochs=30)
    assert history["accuracy"][-1] > 0.85


def test_callbacks_see_the_history_and_stop_training():
    calls: list[str] = []

    def first(history):
        calls.append(f"first {len(history)}")
        return len(history) == 2

    def second(history):
        calls.append(f"second {history['loss'][-1] < 9}")
        return 1  # only True itself stops

    history, _ = run(epochs=9, callbacks=[first, second])
    assert len(history) == 2
    assert calls == ["first 1", "second True", "first 2", "second True"]


def test_zero_epochs_change_nothing():
    model = network()
    before = model.state_dict()
    history, _ = run(model, epochs=0)
    assert len(history) == 0
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_an_interrupt_keeps_history_and_model():
    model, history = network(), History()
    before = model.state_dict()
    batch = 0

    def loss(output, y):
        nonlocal batch
        batch += 1
        if batch == 15:  # in the third of epochs of six batches
            raise KeyboardInterrupt
        return mg.cross_entropy(output, y)

    with pytest.raises(KeyboardInterrupt):
        run(model, loss=loss, history=history, epochs=9)
    assert len(history) == 2
    assert all(np.isfinite(value).all() for value in model.state_dict().values())
    assert (model.state_dict()["layers.0.weight"] != before["layers.0.weight"]).any()
    again, _ = run(model, history=history, epochs=2)
    assert again is history
    assert len(history) == 4


def test_fit_trains_in_training_mode_and_evaluates_without():
    modes: list[bool] = []

    class Spy(nn.Module):
        def forward(self, x):
            modes.append(self.training)
            return x

    model = nn.Sequential(Spy(), nn.Linear(2, 3)).eval()
    run(model, epochs=2, batch_size=90, validation=(X, Y))
    assert modes == [True, False, True, False]


@pytest.mark.parametrize("batch_size", [1, 7, 90, 1000])
def test_numbers_of_an_epoch_weigh_every_example_the_same(batch_size):
    model = network()
    frozen = optim.SGD(model.parameters(), learning_rate=0.0)
    history, _ = run(model, optimizer=frozen, epochs=1, batch_size=batch_size)
    expected = evaluate(model, X, Y)
    assert history["loss"][0] == pytest.approx(expected["loss"], rel=1e-5)
    assert history["accuracy"][0] == pytest.approx(expected["accuracy"], rel=1e-12)


# Schedules, early stopping, checkpoints, L-BFGS


def test_a_schedule_is_stepped_after_each_epoch():
    model = network()
    optimizer = optim.SGD(model.parameters(), 1.0)
    run(model, optimizer=optimizer, schedule=optim.StepLR(optimizer, 2, 0.5), epochs=5)
    assert optimizer.learning_rate == 0.25


@pytest.mark.parametrize("validation", [None, (X[:20], Y[:20])])
def test_a_plateau_is_told_the_loss(validation):
    model = network()
    optimizer = optim.SGD(model.parameters(), 0.5)
    told: list[float] = []

    class Spy(optim.ReduceLROnPlateau):
        def step(self, metric):
            told.append(metric)

    history, _ = run(model, optimizer=optimizer, schedule=Spy(optimizer), validation=validation)
    assert told == history["validation_loss" if validation else "loss"]


def test_lbfgs_can_be_fitted():
    model = network()
    optimizer = optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    history, _ = run(model, optimizer=optimizer, epochs=4, batch_size=90)
    assert history["loss"][-1] < 0.1 * history["loss"][0]


def numbers_of(*values):
    history = History()
    for value in values:
        history.append(loss=9.0, validation_loss=value)
        yield history


def test_early_stopping_puts_the_best_back():
    model = nn.Linear(1, 1)
    stop = mg.EarlyStopping(model, patience=2)
    answers = []
    for i, history in enumerate(numbers_of(3.0, 2.0, 2.5, math.nan, 1.0)):
        model.weight.data = np.full((1, 1), float(i), np.float32)
        answers.append(stop(history))
        if answers[-1]:
            break
    assert answers == [False, False, False, True]
    assert stop.epoch == 2
    assert model.weight.item() == 1.0


def test_early_stopping_watches_what_it_is_told():
    history = History({"loss": [1.0], "accuracy": [0.5]})
    stop = mg.EarlyStopping(nn.Linear(1, 1), "accuracy", patience=1, min_delta=0.1, mode="max")
    assert not stop(history)
    history.append(loss=0.5, accuracy=0.55)
    assert stop(history)
    with pytest.raises(ValueError, match="the history has no 'f1' to watch, only loss, accuracy"):
        mg.EarlyStopping(nn.Linear(1, 1), "f1")(history)
    with pytest.raises(ValueError, match="patience is 1 or more, not 0"):
        mg.EarlyStopping(nn.Linear(1, 1), patience=0)
    with pytest.raises(ValueError, match="mode is 'min' or 'max', not 'best'"):
        mg.EarlyStopping(nn.Linear(1, 1), mode="best")  # type: ignore[arg-type]


def test_early_stopping_ends_a_run_that_learns_by_heart():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 3, 90)
    model = network()
    stop = mg.EarlyStopping(model, patience=4)
    history, _ = run(model, y=noise, validation=(X[::-1], noise), epochs=80, callbacks=[stop])
    assert len(history) == stop.epoch + 4 < 80
    found = evaluate(model, X[::-1], noise)["loss"]
    assert found == pytest.approx(min(history["validation_loss"]), rel=1e-6)


def test_a_run_goes_on_from_a_checkpoint(tmp_path):
    def parts():
        model = network()
        optimizer = optim.Adam(model.parameters(), 0.02)
        return model, optimizer, mg.Checkpoint(tmp_path / "run.npz", model, optimizer)

    model, optimizer, checkpoint = parts()
    stream = np.random.default_rng(1)
    assert len(checkpoint.resume()) == 0
    whole, _ = run(model, optimizer=optimizer, epochs=6, rng=stream)
    model, optimizer, checkpoint = parts()
    stream = np.random.default_rng(1)
    run(model, optimizer=optimizer, epochs=2, rng=stream, callbacks=[checkpoint])
    model, optimizer, checkpoint = parts()
    history = checkpoint.resume()
    assert len(history) == 2
    run(model, optimizer=optimizer, epochs=4, rng=stream, history=history, callbacks=[checkpoint])
    assert history.records == whole.records
    assert checkpoint.resume().records == whole.records


def interrupted(path, stop=None):
    """A run with everything that draws or counts, which a stranger resumes from its file."""
    mg.seed(3)
    model = nn.Sequential(
        nn.Linear(2, 8, rng=1), nn.BatchNorm1d(8), nn.Dropout(0.3), mg.relu, nn.Dropout(0.1, rng=4),
        nn.Linear(8, 3, rng=2),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), 0.05, amsgrad=True)
    warm_up = optim.LinearLR(optimizer, 0.1, total_iters=3)
    schedule = optim.SequentialLR([warm_up, optim.CosineAnnealingLR(optimizer, 6)], [3])
    rng = np.random.default_rng(5)
    best = mg.EarlyStopping(model, "validation_accuracy", patience=9, mode="max")
    keep = mg.Checkpoint(path, model, optimizer, schedule=schedule, rng=rng, early_stopping=best)
    history = keep.resume()
    callbacks: list[Any] = [best, keep]
    if stop is not None:

        def ctrl_c(history):
            if len(history) == stop:
                raise KeyboardInterrupt

        callbacks.append(ctrl_c)
    left = 8 - len(history)
    settings: Any = {"validation": (X, Y), "callbacks": callbacks, "progress": False}
    fit(model, X, Y, optimizer=optimizer, epochs=left, batch_size=32, schedule=schedule,
        rng=rng, history=history, **settings)  # fmt: skip
    last = model.state_dict()
    best.restore()
    return history.records, {**last, "epoch": best.epoch}, model.state_dict()


def test_an_interrupted_run_is_resumed_as_if_it_had_not_been(tmp_path):
    records, state, at_best = interrupted(tmp_path / "whole.npz")
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "parts.npz", stop=5)
    assert load(tmp_path / "parts.npz")["history.loss"].tolist() == records["loss"][:5]
    others, twin, twin_at_best = interrupted(tmp_path / "parts.npz")
    assert others == records
    for name, value in state.items():
        np.testing.assert_array_equal(twin[name], value)
    assert state["epoch"] <= 5  # the best was before the interrupt, and is known after it
    for name, value in at_best.items():
        np.testing.assert_array_equal(twin_at_best[name], value)
    with pytest.raises(StateError, match="state does not fit EarlyStopping"):
        mg.EarlyStopping(nn.Linear(1, 1)).load_state_dict({"count": 1})


def test_a_stream_that_does_not_fit_is_told(tmp_path):
    model, path = nn.Linear(1, 1), tmp_path / "run.npz"
    mg.Checkpoint(path, model, rng=np.random.default_rng(0))(History({"loss": [1.0]}))
    other = mg.Checkpoint(path, model, rng=np.random.Generator(np.random.MT19937(0)))
    with pytest.raises(StateError, match="state does not fit the random stream 'rng'"):
        other.resume()
    save(path, load(path) | {"stream.rng": np.zeros(3, np.uint8)})
    with pytest.raises(StateError, match="state does not fit the random stream 'rng'"):
        other.resume()


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"optimizer": "adam"}, TypeError, "not 'adam': pass one that holds the model's param"),
        ({"optimizer": optim.SGD}, TypeError, "such as mg.optim.Adam(model.parameters())"),
        ({"loss": "mse"}, TypeError, "fit: loss is a function, not 'mse'"),
        (
            {"optimizer": optim.SGD(nn.Linear(2, 1, rng=0).parameters(), 0.1)},
            ValueError,
            "be learnt: make it anew, SGD(model.parameters())",
        ),
        ({"validation_data": (X, Y)}, TypeError, "no parameter 'validation_data': write validat"),
    ],
)
def test_what_would_train_nothing_is_refused(settings, kind, said):
    model = nn.Linear(2, 1, rng=0)
    given = {"optimizer": optim.SGD(model.parameters(), 0.1), "loss": mse_loss} | settings
    with pytest.raises(kind, match=re.escape(said)):
        fit(model, X, Y, progress=False, **given)


def test_a_loss_that_is_not_finite_ends_training_before_it_spoils_the_model():
    model = nn.Linear(2, 1, rng=0)
    x = np.ones((40, 2))
    x[25] = np.nan
    before, history = model.state_dict(), History()
    with pytest.raises(FloatingPointError, match=r"the loss is nan in epoch 1, batch 1;") as e:
        fit(model, x, np.zeros((40, 1)), optimizer=optim.SGD(model.parameters(), 0.1), rng=0,
            loss=mse_loss, batch_size=40, history=history, progress=False)  # fmt: skip
    assert "mg.diagnose(model, x, y, optimizer=optimizer)" in str(e.value)
    assert len(history) == 0
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_checkpoint_of_the_best_is_the_best(tmp_path):
    model = nn.Linear(1, 1)
    keep = mg.Checkpoint(tmp_path / "best.npz", model, best_only=True)
    for i, history in enumerate(numbers_of(3.0, 1.0, 2.0)):
        model.weight.data = np.full((1, 1), float(i), np.float32)
        keep(history)
    resumed = mg.Checkpoint(tmp_path / "best.npz", nn.Linear(1, 1), best_only=True)
    assert resumed.resume()["validation_loss"] == [3.0, 1.0]
    assert resumed.model.state_dict()["weight"] == 1.0
    assert not resumed.watched.improved(History({"validation_loss": [1.5]}))
    other = mg.Checkpoint(tmp_path / "best.npz", nn.Linear(2, 1))
    with pytest.raises(StateError, match="shape"):
        other.resume()


# evaluate


def test_evaluate_restores_modes_and_records_nothing():
    model = network(p=0.5)
    model.layers[2].eval()
    modes = [module.training for _, module in model.named_modules()]
    outputs: list[Any] = []

    def spy(output, y):
        outputs.append(output)
        return 0.0

    evaluate(model, X, Y, metrics={"spy": spy})
    assert len(outputs) == 1
    assert not any(output.requires_grad for output in outputs)
    assert [module.training for _, module in model.named_modules()] == modes

    def failing(output, y):
        raise RuntimeError("no loss")

    with pytest.raises(RuntimeError, match="no loss"):
        evaluate(model, X, Y, loss=failing)
    assert [module.training for _, module in model.named_modules()] == modes
    assert all(p.grad is None for p in model.parameters())


def test_evaluate_in_batches_is_evaluate_at_once():
    model = network()
    whole = evaluate(model, X, Y)
    assert whole["loss"] == pytest.approx(mg.cross_entropy(model(X), Y).item(), rel=1e-6)
    for size in (1, 17):
        parts = evaluate(model, X, Y, batch_size=size)
        assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)
        assert parts["accuracy"] == pytest.approx(whole["accuracy"], rel=1e-12)
    assert all(math.isnan(value) for value in evaluate(model, X[:0], Y[:0]).values())


# What is shown


def test_without_progress_nothing_is_printed(capfd):
    run(validation=(X, Y))
    assert capfd.readouterr() == ("", "")


def test_progress_shows_the_numbers_on_stderr(capfd):
    pytest.importorskip("tqdm")
    run(progress=True, epochs=2)
    out, err = capfd.readouterr()
    assert out == ""
    assert "epoch 2/2" in err
    assert "loss=" in err


def test_progress_works_without_tqdm(capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    history, _ = run(progress=True)
    assert len(history) == 3
    assert capfd.readouterr() == ("", "")


# History


def test_history_grows_and_may_have_gaps():
    history = History()
    assert len(history) == 0
    history.append(loss=1.0)
    history.append(loss=0.5, accuracy=0.25)
    assert history.records == {"loss": [1.0, 0.5], "accuracy": [0.25]}
    assert len(history) == 2
    with pytest.raises(KeyError):
        history["nothing"]
    assert History().records == {}


def test_history_plots_training_beside_validation():
    figure_class = pytest.importorskip("matplotlib.figure").Figure
    history, _ = run(validation=(X, Y))
    figure = history.plot(baseline=math.log(3))
    assert isinstance(figure, figure_class)
    loss, accuracy = figure.axes
    assert [line.get_label() for line in loss.lines] == ["training", "validation", "guessing"]
    assert [line.get_label() for line in accuracy.lines] == ["training", "validation"]
    for axes, kind in ((loss, "loss"), (accuracy, "accuracy")):
        assert (axes.get_title(), axes.get_xlabel()) == (kind, "epoch")
        assert axes.lines[0].get_xdata().tolist() == [1, 2, 3]
        assert list(axes.lines[0].get_ydata()) == history[kind]
        assert list(axes.lines[1].get_ydata()) == history[f"validation_{kind}"]
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_a_notebook_shows_the_plot_though_nobody_imported_pyplot():
    pytest.importorskip("matplotlib")
    shown = History({"loss": [3.0, 2.0]}).plot()._repr_png_()
    assert shown.startswith(b"\x89PNG")
    assert len(shown) > 2000


def test_a_single_epoch_is_visible():
    pytest.importorskip("matplotlib")
    figure = run(epochs=1)[0].plot()
    assert [axes.lines[0].get_marker() for axes in figure.axes] == ["o", "o"]


def test_plotting_says_what_is_missing(monkeypatch):
    history = History({"loss": [1.0]})
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"History\.plot\(\) needs matplotlib: pip install"):
        history.plot()
    monkeypatch.undo()
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="the history is empty"):
        History().plot()
