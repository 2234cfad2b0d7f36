"""The checker before the corpus, and the corpus before its own truth: a part of both.

``python benchmarks/gradcheck.py`` asks about all of it, with five seeds.
"""

import re
import zlib
from typing import Any

import numpy as np
import pytest

from minigrad.testing import check_vjp
from tests.testing import corpus

RIGHT_LIMIT = {8: 1e-8, 4: 1e-3, 2: 0.1}  # of the rule in its own precision
BUDGET = 40  # evaluations of f for an element of a small input


def size_of(case):
    return sum(x.size for x in case.inputs)


def part(cases, of, which=0):
    """A share of the cases that stays the same while others are added."""
    return [case for case in cases if zlib.crc32(case.name.encode()) % of == which]


def small(cases):
    return [
        case for case in cases if size_of(case) <= 1000 and np.size(case.f(*case.inputs)) <= 1000
    ]


with np.errstate(all="ignore"):
    RIGHT = small(part(corpus.right(0), 12))
    JUDGED = small(part(corpus.right(1), 16, 5))
KINKS = list(corpus.unsmooth(0))


@pytest.fixture(autouse=True)
def outside_the_domain():
    with np.errstate(all="ignore"):
        yield


def test_the_corpus_is_large_and_each_case_has_a_name():
    names = [rule.name for rule in corpus.rules()]
    assert len(names) == len(set(names)) >= 400
    assert len(KINKS) >= 70
    assert len(corpus.MUTANTS) >= 50


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.name)
def test_right_gradients_are_those_of_f_in_higher_precision(case):
    exact, own, known = corpus.gradient_error(case)
    assert exact < 1e-8
    assert own < RIGHT_LIMIT[case.inputs[0].dtype.itemsize]
    assert known < 1e-2


@pytest.mark.parametrize("case", small(KINKS), ids=lambda case: case.name)
def test_where_the_corpus_says_so_there_is_no_derivative(case):
    assert corpus.has_no_derivative(case)


@pytest.mark.parametrize(
    "name",
    ["x |x|, smooth at zero", "tanh, unit", "huber, at its joint", "norm, unit", "softmax, unit",
     "square of relu, smooth at zero", "offset 1e6, unit", "abs, unit", "matmul"],
)  # fmt: skip
def test_smooth_points_are_told_from_them(name):
    case = next(case for case in corpus.right(0) if case.name == name)
    assert not corpus.has_no_derivative(case)


@pytest.mark.parametrize("case", JUDGED, ids=lambda case: case.name)
def test_right_gradients_pass_at_a_fair_price(case):
    report = check_vjp(case.f, case.vjp, case.inputs, 1)
    report.raise_if_failed()
    if 0 < size_of(case) <= 256:
        assert report.evaluations <= BUDGET * max(size_of(case), 2)


@pytest.mark.parametrize("case", JUDGED, ids=lambda case: case.name)
def test_wrong_gradients_are_found(case):
    for mutant in corpus.wrong(case, 1, each=2):
        report = check_vjp(mutant.f, mutant.vjp, mutant.inputs, 1)
        assert report.verdict == "fail", mutant.name


@pytest.mark.parametrize("case", part(KINKS, 4), ids=lambda case: case.name)
def test_points_without_a_derivative_are_reported(case):
    report = check_vjp(case.f, case.vjp, case.inputs, 0)
    assert report.verdict == "not differentiable", report


def test_the_price_does_not_depend_on_the_size():
    pairs: list[Any] = [
        (np.tanh, lambda g, x: (g * (1 - np.tanh(x) ** 2),)),
        (lambda x: (x * x).sum(), lambda g, x: (2 * g * x,)),
    ]
    for f, vjp in pairs:
        prices = [check_vjp(f, vjp, [np.linspace(0.2, 2, n)]).evaluations for n in (1_000, 100_000)]
        assert prices[1] <= 1.2 * prices[0]


CAUSES = {
    "sign": "sign .* flipped|swapped",
    "zero": "is zero",
    "factor 2": "factor 2$|2 times|3/2",
    "factor 1/2": "factor 0.5$|1/2",
    "factor 1.01": "relative .*everywhere",
    "factor 1 + 1e-3": "relative .*everywhere",
    "factor 1 + 1e-4": "relative .*everywhere",
    "factor 1 + 1e-5": "relative .*everywhere",
    "factor size": "times too large",
    "factor 1/size": "sum is treated as a mean",
    "factor n/(n-1)": "ddof",
    "mean as sum": "mean is treated as a sum",
    "ddof": "ddof",
    "one element, zero": "wrong only|is zero",
    "one element, factor": "wrong only|relative",
    "one element, sign": "wrong only|sign",
    "one element, NaN": "gives nan",
    "one row": "wrong only|relative",
    "transposed": "transposed",
    "reversed": "reversed|transposed|swapped",
    "swapped arguments": "arguments are swapped",
    "negative inputs only": "< 0|wrong only",
    "clipped cotangent": "not linear",
    "ignored cotangent": "not linear",
    "squared cotangent": "not linear",
    "random": "random",
    "in place, input": "writes into",
    "in place, cotangent": "writes into the cotangent",
    "dtype, lower": "returned float",
    "shape, flat": "returned shape",
    "nothing returned": "None",
    "too many returned": "2 gradients|gradients for",
    "factor x": "factor|incoming",
    "missing factor x": "factor|incoming",
    "factor y": "factor",
    "returns the cotangent": "incoming gradient|factor|sign",
}
"""What the report should say of a fault. Some have two true names: at a single element a row is
an element, and a factor x is a constant.
"""


def test_causes_are_named():
    right, wrong = 0, []
    cases = [case for case in part(corpus.right(2), 16, 4) if 1 < size_of(case) <= 30]
    for case in cases:
        for i, (fault, said) in enumerate(CAUSES.items()):
            rng = corpus.drawn(case.name, i)
            vjp: Any = case.rule.wrong.get(fault)
            if (zlib.crc32(case.name.encode()) + i) % 5 and vjp is None:
                continue
            if vjp is None and fault in corpus.MUTANTS:
                vjp = corpus.MUTANTS[fault](case.rule, case.inputs, rng)
            if vjp is None or not corpus.is_wrong(case, vjp, 1e-5):
                continue
            report = check_vjp(case.f, vjp, case.inputs, 2)
            named = bool(re.search(said, report.cause))
            right += named
            if not named:
                wrong.append(f"{case.name}: {fault}: {report.verdict}: {report.cause}")
    assert right >= 60
    assert right >= 0.9 * (right + len(wrong)), "\n".join(wrong)
