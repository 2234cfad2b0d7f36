"""How far gradient checkers can be trusted: minigrad's and its peers', on the whole corpus.

Run as ``OMP_NUM_THREADS=1 python benchmarks/gradcheck.py``; see ``--help``. The cases are those
of ``tests/testing/corpus.py``; each is judged with default settings. Prints for each checker
the share of right gradients that it accepts, of wrong ones that it finds while it accepts their
right twins, and of points without a derivative that it reports or passes; then what it costs, in
evaluations of f and in processor time.
Peers see the same functions and rules, wrapped as their own custom ones. PyTorch's full Jacobian is
replaced by its fast mode where it has more than 10,000 elements.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from minigrad.testing import check_vjp
from tests.testing import corpus
from tests.testing.corpus import Case

JACOBIAN = 10_000  # elements beyond which a full Jacobian is out of reach
Judge = Callable[[Case, int], str]  # "pass", "fail", "not differentiable" or "inconclusive"


class Counted:
    """A function that counts its calls."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f, self.calls = f, 0

    def __call__(self, *inputs: Any) -> Any:
        """Call the function."""
        self.calls += 1
        return self.f(*inputs)


def minigrad(case: Case, seed: int) -> str:
    return check_vjp(case.f, case.vjp, case.inputs, seed).verdict


def verdict(accepts: Callable[[], bool]) -> str:
    """A peer's answer; whatever it raises is a refusal."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return "pass" if accepts() else "fail"
    except Exception:
        return "fail"


def torch_judge(fast: bool) -> Judge:
    import torch

    def judge(case: Case, seed: int) -> str:
        class Custom(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                ctx.save_for_backward(*inputs)
                out = case.f(*(x.detach().numpy() for x in inputs))
                return torch.from_numpy(np.array(out))

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                arrays = [x.detach().numpy() for x in ctx.saved_tensors]
                return tuple(torch.from_numpy(np.array(c)) for c in case.vjp(g.numpy(), *arrays))

        torch.manual_seed(seed)
        sizes = [x.size for x in case.inputs]
        quick = fast or max(sizes) * max(np.size(case.f(*case.inputs)), 1) > JACOBIAN
        tensors = [torch.tensor(x, requires_grad=True) for x in case.inputs]
        check = torch.autograd.gradcheck
        return verdict(lambda: check(Custom.apply, tensors, raise_exception=False, fast_mode=quick))

    return judge


def jax_judge() -> Judge:
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)

    def judge(case: Case, seed: int) -> str:
        out = np.asarray(case.f(*(x.copy() for x in case.inputs)))
        shape = jax.ShapeDtypeStruct(out.shape, out.dtype)
        shapes = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in case.inputs)

        def call(*inputs: Any) -> Any:
            arrays = (np.array(x) for x in inputs)
            return np.asarray(case.f(*arrays), out.dtype)

        def pull(inputs: Any, g: Any) -> Any:
            return tuple(map(np.asarray, case.vjp(np.array(g), *(np.array(x) for x in inputs))))

        @jax.custom_vjp
        def f(*inputs: Any) -> Any:
            return jax.pure_callback(call, shape, *inputs)

        f.defvjp(
            lambda *inputs: (f(*inputs), inputs),
            lambda inputs, g: jax.pure_callback(pull, shapes, inputs, g),
        )

        def accepts() -> bool:
            check_grads(f, case.inputs, order=1, modes=["rev"])
            return True

        return verdict(accepts)

    return judge


def autograd_judge() -> Judge:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def judge(case: Case, seed: int) -> str:
        f = primitive(lambda *inputs: case.f(*inputs))

        def maker(i: int) -> Any:
            return lambda out, *inputs: lambda g: case.vjp(g, *inputs)[i]

        defvjp(f, *(maker(i) for i in range(len(case.inputs))))

        def accepts() -> bool:
            check_grads(f, modes=["rev"], order=1)(*(x.copy() for x in case.inputs))
            return True

        np.random.seed(seed)  # noqa: NPY002
        return verdict(accepts)

    return judge


class Score:
    """What one checker said of everything."""

    def __init__(self, judge: Judge, told: bool) -> None:
        self.judge, self.told = judge, told
        self.count: Counter[str] = Counter()
        self.small: list[tuple[float, str]] = []
        self.large: list[int] = []
        self.seconds: list[float] = []

    def ask(self, case: Case, seed: int) -> str:
        """Judge one case and count what it took."""
        counted = Counted(case.f)
        case = Case(
            case.name, case.kind, case.rule, counted, case.vjp,
            tuple(x.copy() for x in case.inputs), case.fault,
        )  # fmt: skip
        started = time.process_time()
        said = self.judge(case, seed)
        self.seconds.append(time.process_time() - started)
        self.count[f"{case.kind} {said}"] += 1
        self.count[case.kind] += 1
        size = sum(x.size for x in case.inputs)
        if case.kind == "right" and 0 < size <= 256:
            self.small.append((counted.calls / size, case.name))
        elif case.kind == "right" and size >= 100_000:
            self.large.append(counted.calls)
        good = {"right": "pass", "wrong": "fail", "kink": "not differentiable"}[case.kind]
        if self.told and said != good:
            print(f"  seed {seed}: {case.kind}: {case.name}: {said}")
        return said

    def run(self, seed: int, each: int, share: int) -> None:
        """Judge every case that a seed draws, or one in ``share`` of them."""
        for case in corpus.right(seed):
            if zlib.crc32(case.name.encode()) % share:
                continue
            accepted = self.ask(case, seed) == "pass"
            for mutant in corpus.wrong(case, seed, each):
                self.count["found"] += self.ask(mutant, seed) == "fail" and accepted
        for case in corpus.unsmooth(seed):
            self.ask(case, seed)

    def row(self, name: str) -> str:
        """A line of the table."""
        count, large = self.count, self.large
        per, ms = [calls for calls, _ in self.small], 1e3 * np.array(self.seconds)
        return (
            f"| {name} | {count['right']} | {count['wrong']} | {count['kink']} "
            f"| {count['right pass'] / count['right']:.1%} "
            f"| {count['found'] / count['wrong']:.1%} "
            f"| {count['kink not differentiable'] / count['kink']:.0%} "
            f"| {count['kink pass'] / count['kink']:.0%} "
            f"| {np.median(per):.1f} | {max(per):.0f} | {np.median(large):.0f} | {max(large)} "
            f"| {np.median(ms):.1f} | {np.mean(ms):.1f} |"
        )


CHECKERS: dict[str, Callable[[], Judge]] = {
    "minigrad": lambda: minigrad,
    "torch": lambda: torch_judge(False),
    "torch, fast mode": lambda: torch_judge(True),
    "jax": jax_judge,
    "autograd": autograd_judge,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--each", type=int, default=corpus.MUTANTS_EACH, help="mutants of a rule")
    parser.add_argument("--share", type=int, default=1, help="one right case in so many")
    parser.add_argument("--peers", action="store_true", help="ask the peers, too")
    given = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    print("checker|right|wrong|without a derivative", end="|")
    print("right accepted|wrong found, right twin accepted|kinks reported|kinks passed", end="|")
    print("f for each element, median|most|f at 1e5 elements, median|most|ms, median|mean")
    for name in CHECKERS if given.peers else ("minigrad",):
        try:
            score = Score(CHECKERS[name](), told=name == "minigrad")
        except ImportError:
            continue
        for seed in given.seeds:
            score.run(seed, given.each, given.share)
        print(score.row(name), flush=True)
        if name == "minigrad":
            print("most evaluations for an element:", sorted(score.small)[-3:])


if __name__ == "__main__":
    main()
