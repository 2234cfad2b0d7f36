"""The command ``minigrad``; ``minigrad demo`` trains, checks and draws a network on digits."""

from __future__ import annotations

import argparse
import copy
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import MissingExtra
from minigrad.testing import gradcheck
from minigrad.testing.command import add_check
from minigrad.viz import draw
from minigrad.viz.command import add_draw

__all__ = ["main"]

DESCRIPTION = """\
Train a network on the 1,797 handwritten digits of scikit-learn, check its gradient against finite
differences, and draw the forward and backward graph of one batch, the training curves and the
trained model's file. Needs: pip install 'minigrad[demo]'. Ctrl-C while training saves what was
learnt and exits with 130.
"""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _number(kind: Callable[[str], Any], least: float, what: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return value

    return parse


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo", help="train, check and draw a network", description=DESCRIPTION
    )
    demo.set_defaults(run=run_demo)
    count = _number(int, 1, "a whole number of at least 1")
    demo.add_argument(
        "--epochs", type=count, default=60, help="times to go through the training digits (60)"
    )
    demo.add_argument(
        "--batch-size", type=count, default=32, help="digits in a mini-batch (32)", metavar="N"
    )
    demo.add_argument(
        "--lr",
        type=_number(float, 0.0, "a learning rate of at least 0"),
        default=1e-3,
        help="learning rate of Adam (0.001)",
    )
    demo.add_argument(
        "--seed",
        type=_number(int, 0, "a whole number of at least 0"),
        default=0,
        help="of the split, the initial weights and the order of the batches (0): the same seed "
        "gives the same numbers",
    )
    demo.add_argument("--compile", action="store_true", help="train with the step compiled")
    demo.add_argument(
        "--backend",
        choices=("numpy", "native"),
        default="numpy",
        help="what --compile makes of the step: NumPy, or machine code (minigrad[native]), which "
        "needs no --compile beside it",
    )
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("minigrad-demo"),
        metavar="DIR",
        help="folder for pictures and model (minigrad-demo)",
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="minigrad", description="Tensors that record, gradients of any order.")
    parser.add_argument("--version", action="version", version=f"minigrad {mg.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=_Parser)
    _add_demo(commands)
    add_check(commands)
    add_draw(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 2 for what a user can mend, 130 for Ctrl-C.

    >>> main(["demo", "--epochs", "none"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that has no arrow gets a question mark
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except MissingExtra as error:
        print(f"minigrad: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"minigrad: can't use {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return code


def _folder(path: Path) -> Path:
    """Make the folder and prove that it can be written to, before any work is done."""
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path):
        return path


def _digits() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    for package in ("matplotlib", "tqdm", "sklearn"):
        try:
            __import__(package)
        except ImportError as error:
            name = "scikit-learn" if package == "sklearn" else package
            raise MissingExtra(name, "minigrad demo", "demo") from error
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x, y


def run_demo(options: argparse.Namespace) -> int:
    """Run ``minigrad demo``."""
    x, y = _digits()
    out = _folder(options.out)
    mg.seed(options.seed)
    x_train, x_test, y_train, y_test = mg.data.train_test_split(x, y, rng=options.seed)
    model = nn.Sequential(
        nn.Normalize(64).fit(x_train), nn.Linear(64, 128), mg.relu, nn.Linear(128, 10)
    )
    print(f"{len(x):,} digits of 8 x 8 pixels: {len(x_train):,} to train on, {len(x_test)} to test")
    print(model.summary(x_train[: options.batch_size]))
    history = mg.History()
    finished = _train(model, history, (x_train, y_train), (x_test, y_test), options)
    mg.save(out / "model.npz", model)
    if not finished:
        print(f"\ninterrupted after {len(history)} epochs; saved {out / 'model.npz'}")
        return 130
    for name, data in (("train", (x_train, y_train)), ("test ", (x_test, y_test))):
        result = mg.evaluate(model, *data)
        print(f"{name} loss {result['loss']:.4f}, accuracy {result['accuracy']:.4f}")
    print(f"guessing loses ln 10 = {math.log(10):.4f} and is right 0.1000 of the time")
    batch, labels = x_train[: options.batch_size], y_train[: options.batch_size]
    report = gradcheck(lambda: mg.cross_entropy(model(batch), labels), params=model)
    print(
        f"\ngradient of the loss in all {len(model.parameters())} parameters against finite "
        f"differences: {report.verdict}"
    )
    print(report)
    return _pictures(model, batch, labels, history, out)


def _train(
    model: nn.Module, history: mg.History, train: Any, test: Any, options: argparse.Namespace
) -> bool:
    """Fit the model and return whether it was let finish."""
    if options.compile or options.backend == "native":
        return _train_compiled(model, history, train, test, options)
    start = time.perf_counter()
    try:
        mg.fit(
            model,
            *train,
            optimizer=optim.Adam(model.parameters(), learning_rate=options.lr),
            epochs=options.epochs,
            batch_size=options.batch_size,
            validation=test,
            rng=options.seed,
            history=history,
        )
    except KeyboardInterrupt:
        return False
    print(f"trained {len(history)} epochs in {time.perf_counter() - start:.1f} s")
    return True


def _step(model: nn.Module, optimizer: optim.Optimizer) -> Callable[..., Any]:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        logits = model(x)
        loss = mg.cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        return loss, logits

    return step


def _train_compiled(
    model: nn.Module, history: mg.History, train: Any, test: Any, options: argparse.Namespace
) -> bool:
    """Fit the model with a compiled step, and say how much faster that is than as it is written."""
    optimizer = optim.Adam(model.parameters(), learning_rate=options.lr)
    _race(model, optimizer, [part[: options.batch_size] for part in train], options.backend)
    step = mg.compile(_step(model, optimizer), backend=options.backend)
    stream = np.random.default_rng(options.seed)
    start = time.perf_counter()
    try:
        for _ in range(options.epochs):
            model.train()
            losses, right = 0.0, 0
            for x, y in mg.data.batches(train[0], train[1], options.batch_size, rng=stream):
                loss, logits = step(x, y)
                losses += loss.item() * len(x)
                right += int((logits.numpy().argmax(axis=1) == y).sum())
            held_out = mg.evaluate(model, *test)
            numbers = {f"validation_{name}": number for name, number in held_out.items()}
            count = len(train[0])
            history.append(loss=losses / count, accuracy=right / count, **numbers)
    except KeyboardInterrupt:
        return False
    print(f"trained {len(history)} epochs in {time.perf_counter() - start:.1f} s")
    return True


def _race(model: nn.Module, optimizer: optim.Optimizer, batch: Sequence[Any], backend: Any) -> None:
    """Time a step as it is written and compiled, on copies that learn nothing for the model."""
    written = _step(*copy.deepcopy((model, optimizer)))
    compiled = mg.compile(_step(*copy.deepcopy((model, optimizer))), backend=backend)
    seconds: dict[Callable[..., Any], float] = {written: math.inf, compiled: math.inf}
    for _ in range(7):
        for step in seconds:
            start = time.perf_counter()
            for _ in range(20):
                step(*batch)
            seconds[step] = min(seconds[step], (time.perf_counter() - start) / 20)
    slow, fast = seconds[written] * 1e6, seconds[compiled] * 1e6
    print(
        f"a step of {len(batch[0])} digits takes {slow:.0f} µs as it is written and {fast:.0f} µs "
        f"compiled: {slow / fast:.1f} times faster"
    )


def _pictures(model: nn.Module, batch: Any, labels: Any, history: mg.History, out: Path) -> int:
    """Draw the graph of one batch and the curves, and say what was written."""
    written = [(out / "model.npz", "the trained model: model.load_state_dict(mg.load(path))")]
    code = 0
    history.plot(baseline=math.log(10)).savefig(out / "curves.png", dpi=150)
    written.append((out / "curves.png", "loss and accuracy, epoch by epoch"))
    loss = mg.cross_entropy(model(mg.tensor(batch, name="x")), mg.tensor(labels, name="y"))
    graph = draw(loss, title="digits: one batch, forward and backward")
    graph.save(out / "graph.dot")
    written.append((out / "graph.dot", "the same graph as text for Graphviz"))
    try:
        for suffix in (".svg", ".png"):
            graph.save(out / f"graph{suffix}")
        picture = out / "graph.svg"
        written.insert(1, (picture, "forward and backward graph of one batch: open in a browser"))
        written.insert(2, (out / "graph.png", "the same as an image"))
    except MissingExtra as error:
        print(f"minigrad: {error}", file=sys.stderr)
        code = 2
    for issue in graph.issues:
        print(f"diagnosis: {issue}")
    width = max(len(str(path)) for path, _ in written)
    print("\nwrote")
    for path, what in written:
        print(f"  {path!s:<{width}}  {what}")
    return code
