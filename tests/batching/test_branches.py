"""Functions of minigrad's own that decide by values, under vmap: as one example after the other."""

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.batching import BranchError, batched
from minigrad.errors import NotDifferentiable
from minigrad.primitive import Primitive
from tests.numpy import namespace
from tests.numpy.namespace import CALLS, CONSTANT, RAISES, M, V
from tests.numpy.test_namespace import leaves, there

pytestmark = [
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning"),
]

VS = np.random.default_rng(0).permuted(np.stack([V, V * 0.9 + 0.05, V * 0.7 + 0.1]), axis=1)
MS = np.stack([M, M * 1.1 + np.eye(3), M * 0.9 + 0.3 * np.eye(3)])


class Own:
    """The namespace of NumPy in which minigrad's functions hide those they are named after."""

    def __init__(self, own, other):
        self.own, self.other = own, other

    def __getattr__(self, name):
        if name == "linalg":
            return Own(mg.linalg, np.linalg)
        return getattr(self.own if name in self.own.__all__ else self.other, name)


SPACES = {"np": np, "mg": Own(mg, np)}


def numbers(x):
    return x.numpy() if isinstance(x, mg.Tensor) else np.asarray(x)


def close(got, want):
    got = numbers(got)
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)


def weighted(call):
    """The parts of a result that have gradients, as one number."""

    def summed(v, m):
        total = (v[0] + m[0, 0]) * 0.0
        for part in leaves(call(v, m)):
            if getattr(part, "dtype", np.dtype(int)).kind == "f":
                weights = np.cos(np.arange(part.size) + 1.0).reshape(part.shape)
                total = total + (part * weights).sum()
        return total

    return summed


def of_gradients(f):
    """A function of the gradient, whose own gradient is of the second order."""

    def slopes(v, m):
        gv, gm = mg.grad(f, (0, 1))(v, m)
        return mg.sin(gv).sum() + mg.cos(gm * 3.0).sum()

    return slopes


def agree(call, smooth):
    """``call`` of each example, and its gradients inside and around vmap, against the loop."""
    pairs = list(zip(VS, MS, strict=True))
    rows = [[numbers(x) for x in leaves(call(mg.Tensor(v), mg.Tensor(m)))] for v, m in pairs]
    for got, *wanted in zip(leaves(mg.vmap(call)(VS, MS)), *rows, strict=True):
        close(got, np.stack(wanted))
    for f in (weighted(call), of_gradients(weighted(call))) if smooth else ():
        slopes = mg.grad(f, (0, 1))
        singles = [slopes(v, m) for v, m in pairs]
        inside = mg.vmap(slopes)(VS, MS)
        around = mg.grad(lambda v, m, f=f: mg.vmap(f)(v, m).sum(), (0, 1))(VS, MS)
        for k in range(2):
            slope = np.stack([single[k].numpy() for single in singles])
            close(inside[k], slope)
            close(around[k], slope)


# NumPy's public functions, by its own names and by minigrad's

# What makes one array, a text, a dtype or a file, or writes: refused, or no result of a vmap.
NO_MAP = set(RAISES) - {name for name in RAISES if name.startswith(("fft.", "unique", "histogram"))}
NO_MAP |= {"common_type", "result_type", "isfortran", "polyfit", "empty_like", "require"}
NO_MAP |= {"array_repr", "array_str", "array2string", "min_scalar_type", "einsum_path"}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", [n for n in CALLS if n not in NO_MAP and there(n)])
def test_every_function_of_numpy_agrees_with_a_loop(name, space, monkeypatch):
    monkeypatch.setattr(namespace, "np", SPACES[space])
    agree(CALLS[name], name not in CONSTANT and name not in RAISES)


def test_every_composition_may_decide_by_values():
    """So that whatever of it branches on a value goes on example by example."""
    free = {"add_at", "cummax", "cummin", "cumulative_prod", "cumulative_sum", "logcumsumexp"}
    free |= {"matvec", "overlap_add", "polygamma", "set_at", "topk", "unstack", "vecmat"}
    bare = set()
    for module in (mg.ops, mg.linalg):
        for name in vars(module)["__all__"]:
            found = getattr(module, name)
            plain = inspect.isfunction(found) and not hasattr(found, "__wrapped__")
            if plain and not isinstance(found, Primitive):
                bare.add(name)
    assert bare == free  # these look at shapes alone


# What a function is told to do, too, may differ by example


def holed(x):
    """``x`` without its large elements."""
    return np.where(x > 0.75, np.nan, x)


NANS = ["nancumprod", "nancumsum", "nanmax", "nanmean", "nanmedian", "nanmin", "nanprod", "nanstd"]
NANS += ["nansum", "nanvar"]


def reduced(name, **params):
    return lambda n, v, m: getattr(n, name)(holed(m / 3.0), axis=1, **params)


def emptied(name):
    """A reduction of rows that in some examples are nothing but NaN."""
    return lambda n, v, m: getattr(n, name)(np.where(v[0] > 0.4, np.nan, holed(m / 3.0)), axis=1)


TOGETHER = {
    **{name: lambda n, v, m, name=name: getattr(n, name)(holed(v)) for name in NANS},
    **{f"{name} of rows": reduced(name) for name in NANS},
    **{f"{name} keepdims": reduced(name, keepdims=True) for name in NANS if "cum" not in name},
    **{f"{name} of nothing": emptied(name) for name in NANS},
    "nanvar ddof": reduced("nanvar", ddof=2),
    "nanmax where": lambda n, v, m: n.nanmax(holed(v), where=v > 0.2, initial=0.0),
    "nanquantile q": lambda n, v, m: n.nanquantile(holed(v), v[:2] * 0.5),
    "nanpercentile q": lambda n, v, m: n.nanpercentile(holed(v), v[0] * 50.0, keepdims=True),
    "quantile q": lambda n, v, m: n.quantile(m, v, axis=0),
    "percentile q": lambda n, v, m: n.percentile(v, v[:2] * 50.0),
    "average": lambda n, v, m: n.average(m, axis=0, weights=v[:3]),
    "average returned": lambda n, v, m: n.average(v, weights=v * v, returned=True),
    "mean where": lambda n, v, m: n.mean(v, where=v > 0.2),
    "std where": lambda n, v, m: n.std(v, where=v > 0.2),
    "cov aweights": lambda n, v, m: n.cov(m, aweights=v[:3]),
    "cov fweights": lambda n, v, m: n.cov(m, fweights=mg.argsort(m[0]) + 1),
    "select": lambda n, v, m: n.select([v > 0.5, v > 0.2], [v, v * v], 0.0),
    "select default": lambda n, v, m: n.select([v > 0.5, V > 0.2], [v, 1.0], v * v),
    "choose": lambda n, v, m: n.choose(mg.argsort(m[0]), [m[0], m[1], V[:3]]),
    "choose wrap": lambda n, v, m: n.choose(mg.argsort(m[0]) * 3, m, mode="wrap"),
    "take": lambda n, v, m: n.take(m, mg.argsort(m[0]), axis=1),
    "take clip": lambda n, v, m: n.take(v, mg.argsort(v) + 2, mode="clip"),
    "take of a table": lambda n, v, m: mg.take(V, mg.argsort(v)) * v,
    "put_along_axis": lambda n, v, m: mg.put_along_axis(v, mg.argsort(v)[:2], v[:2] * 2.0, 0),
    "put_along_axis rows": lambda n, v, m: mg.put_along_axis(m, mg.argsort(m)[:, :1], 9.0, 1),
    "put_along_axis flat": lambda n, v, m: mg.put_along_axis(m, mg.argsort(v)[:2], v[:2], None),
    "interp": lambda n, v, m: n.interp(v * 3.0, np.arange(4.0), V),
    "interp fp": lambda n, v, m: n.interp([0.3, 1.4, 2.2], np.arange(4.0), v),
    "interp ends": lambda n, v, m: n.interp(v * 5.0, np.arange(4.0), v, left=v[0], right=v[1]),
    "lstsq": lambda n, v, m: n.linalg.lstsq(m[:, :2], v[:3], rcond=None),
    "lstsq columns": lambda n, v, m: n.linalg.lstsq(m[:, :2], m, rcond=None),
    "lstsq wide": lambda n, v, m: n.linalg.lstsq(m[:2], v[:2], rcond=None),
}
APART = {
    "piecewise": lambda n, v, m: n.piecewise(v, [v < 0.5], [np.sin, np.cos]),
    "piecewise branches": lambda n, v, m: n.piecewise(
        v, [v < 0.3, v > 0.6], [1.0, lambda t: t * t if t[0] > 0.0 else t]
    ),
    "piecewise of a tensor": lambda n, v, m: mg.piecewise(mg.tensor(v), [v < 0.5], [np.sin]) * v,
    "interp xp": lambda n, v, m: n.interp([0.3, 0.4, 0.2], np.sort(v), v),
    "interp period": lambda n, v, m: n.interp(v * 5.0, np.sort(v) * 1.1, v, period=2.0),
    "bincount": lambda n, v, m: n.bincount(mg.argsort(v), weights=v),
    "digitize": lambda n, v, m: n.digitize(v, np.sort(v)) * v,
    "repeat": lambda n, v, m: n.repeat(v, mg.argsort(v)),
    "tile": lambda n, v, m: n.tile(v, mg.argmax(v) * 0 + 2),
    "insert": lambda n, v, m: n.insert(v, mg.argmax(v), v[0]),
    "delete": lambda n, v, m: n.delete(v, mg.argmax(v)),
    "extract": lambda n, v, m: n.extract(mg.argsort(v) > 1, v),
    "compress": lambda n, v, m: n.compress(mg.argsort(v) > 1, v),
    "trim_zeros": lambda n, v, m: n.trim_zeros(v),
    "polydiv": lambda n, v, m: n.polydiv(v, v[:2]),
    "reduceat": lambda n, v, m: np.add.reduceat(v, mg.argsort(v)),
}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", TOGETHER)
def test_what_only_checks_its_input_runs_on_all_examples_at_once(name, space, monkeypatch):
    def refused(function, args, kwargs):
        raise AssertionError(f"{function} ran example by example")

    monkeypatch.setattr(batched, "by_example", refused)
    agree(lambda v, m: TOGETHER[name](SPACES[space], v, m), True)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", APART)
def test_what_depends_on_values_runs_example_by_example(name, space):
    agree(lambda v, m: APART[name](SPACES[space], v, m), True)


def test_one_map_in_another():
    cube = np.stack([VS, VS[::-1] * 0.9])
    for function in (
        lambda x: mg.piecewise(x, [x < 0.5], [np.sin, np.cos]),
        lambda x: mg.nanmean(holed(x)),
        lambda x: mg.take(V, mg.argsort(x)),
    ):
        want = np.stack([[numbers(function(x)) for x in rows] for rows in cube])
        close(mg.vmap(mg.vmap(function))(cube), want)
    both = mg.vmap(mg.vmap(lambda x, y: mg.select([x < y], [x], y), (0, None)), (None, 0))
    close(both(VS, VS), np.minimum(VS, VS[:, None]))


# What is still refused, and how it is said


def test_a_branch_of_the_users_own_is_not_taken_apart():
    with pytest.raises(BranchError, match="truth of a batched value"):
        mg.vmap(lambda x: mg.nanmean(x) if x[0] > 0.0 else x)(VS)
    with pytest.raises(NotDifferentiable, match="selects a different number"):
        mg.vmap(lambda x: x[x > 0.5])(VS)


def test_a_branch_on_what_no_argument_holds_is_raised_as_it_was():
    def closed_over(x):
        return mg.piecewise(V, [V < 0.5], [lambda t: t if x[0] > 0.5 else -t])

    with pytest.raises(BranchError, match="truth of a batched value") as caught:
        mg.vmap(closed_over)(VS)
    assert caught.value.__context__ is None


def test_results_of_different_shapes_are_told_once():
    with pytest.raises(NotDifferentiable, match=r"extract: .* different shapes") as caught:
        mg.vmap(lambda x: mg.extract(x > 0.55, x))(VS)
    assert caught.value.__context__ is None
    matrices = np.stack([np.eye(3)[:, :2], np.ones((3, 2))])
    with pytest.raises(NotDifferentiable, match=r"lstsq: .* different shapes"):
        mg.vmap(lambda a: mg.linalg.lstsq(a, np.ones(3)))(matrices)


def test_a_check_fails_if_it_fails_for_one_example():
    with pytest.raises(ZeroDivisionError, match="weights sum to zero"):
        mg.vmap(lambda x, w: mg.average(x, weights=w))(VS, VS * [[1.0], [0.0], [1.0]])
    with pytest.raises(ValueError, match=r"choose: a names choices 0\.\.3 of 3"):
        mg.vmap(lambda x: mg.choose(mg.argsort(x), [x, x, x]))(VS)
    with pytest.raises(ValueError, match="q lies in"):
        mg.vmap(lambda x: mg.quantile(x, x[0] * 2.0))(VS + 0.1)
    with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        close(mg.vmap(mg.nanmean)(VS * [[1.0], [np.nan], [1.0]])[[0, 2]], VS.mean(axis=1)[[0, 2]])


def test_no_example_at_all():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mg.vmap(mg.nanmean)(np.empty((0, 4))).shape == (0,)
        assert mg.vmap(lambda x: mg.select([x > 0.5], [x]))(np.empty((0, 4))).shape == (0, 4)


def test_a_tensor_made_of_a_batched_value_is_a_constant_as_outside():
    def f(x):
        return (mg.tensor(x) * x).sum()

    close(mg.vmap(mg.grad(f))(VS), np.stack([mg.grad(f)(v).numpy() for v in VS]))


def test_how_one_array_lies_in_memory():
    assert mg.vmap(lambda x: x * x.itemsize + x.nbytes)(VS).shape == VS.shape
    for name in ("flags", "strides"):
        with pytest.raises(AttributeError, match=f"{name} of a batched value"):
            mg.vmap(lambda x, name=name: getattr(x, name))(VS)


def test_a_composition_of_a_users_own_may_branch():
    @mg.composition()
    def positive_part(x):
        return x if x.sum() > 1.5 else x * 0.0

    misspelt: Any = positive_part
    agree(lambda v, m: positive_part(v[:3]) * positive_part(m[0]), True)
    with pytest.raises(TypeError, match="no parameter 'axis': it has x"):
        misspelt(V, axis=0)
