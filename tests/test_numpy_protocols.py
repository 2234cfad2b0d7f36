"""NumPy's functions applied to Tensors: every one that has a rule, and what the others say."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import NotDifferentiable
from minigrad.primitive import NUMPY, Primitive
from minigrad.testing.samples import kind_of

RNG = np.random.default_rng(0)


def inside(domain, shape):
    """Draw an array well inside of a domain."""
    low = domain[0] if np.isfinite(domain[0]) else min(-2.0, domain[1] - 2.0)
    high = domain[1] if np.isfinite(domain[1]) else max(2.0, domain[0] + 2.0)
    return RNG.uniform(low + 0.05 * (high - low), high - 0.05 * (high - low), shape)


def examples(op):
    """Arrays and parameters on which to try a primitive."""
    cases = op.cases or [mg.case(*[(2, 3)] * len(op.inputs))]
    for shapes, params in cases:
        domains = op.domain if isinstance(op.domain[0], tuple) else [op.domain] * len(shapes)
        yield [inside(d, shape) for d, shape in zip(domains, shapes, strict=True)], params


DIRECT = {
    function: op
    for function, op in NUMPY.items()
    if isinstance(op, Primitive) and not op.variadic and op.name != "where"
}


def label(function):
    owner = getattr(function, "__self__", None)
    prefix = f"{owner.__name__}." if isinstance(owner, np.ufunc) else ""
    return prefix + function.__name__


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")
@pytest.mark.parametrize("function", DIRECT, ids=label)
def test_a_numpy_function_computes_the_same_and_is_recorded(function):
    op = DIRECT[function]
    for arrays, params in examples(op):
        whole = [kind_of(op, i) == "i" for i in range(len(arrays))]
        arrays = [np.abs(x).astype(int) if w else x for x, w in zip(arrays, whole, strict=True)]
        wanted = function(*arrays, **params)
        tensors = [mg.Tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
        got = function(*tensors, **params)
        assert type(got) is mg.Tensor
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        # logsumexp shifts by the maximum once, np.logaddexp.reduce at every step
        np.testing.assert_allclose(got.data, wanted, rtol=1e-15 * (op.name == "logsumexp"))
        assert got.requires_grad == bool(op.rules)
        if op.rules:
            assert got.node is not None
            assert got.node.primitive is op


@pytest.mark.parametrize(
    "function",
    [f for f, op in DIRECT.items() if isinstance(f, np.ufunc) and f.nin == len(op.rules) == 2],
    ids=label,
)
def test_binary_ufuncs_take_an_array_on_either_side(function):
    a, b = next(examples(DIRECT[function]))[0]
    for pair in [(a, mg.Tensor(b, requires_grad=True)), (mg.Tensor(a, requires_grad=True), b)]:
        got: Any = function(*pair)
        assert type(got) is mg.Tensor
        np.testing.assert_array_equal(got.data, function(a, b))


A, B = RNG.uniform(0.5, 2.0, (3, 3)), RNG.uniform(0.5, 2.0, (3, 3))
# Calls as users write them, of the functions that are compositions or take sequences, too.
CALLS = {
    "where": lambda a, b: np.where(A > 1, a, b),
    "where with a tensor mask": lambda a, b: np.where(a > b, a, b),
    "concatenate": lambda a, b: np.concatenate([a, B, b], axis=1),
    "concatenate flat": lambda a, b: np.concatenate((a, b), axis=None),
    "concatenate with a list": lambda a, b: np.concatenate([a, [[1.0, 2.0, 3.0]]]),
    "stack": lambda a, b: np.stack([a, b], axis=-1),
    "einsum": lambda a, b: np.einsum("ij,jk->ik", a, b),
    "einsum trace": lambda a, b: np.einsum("ii", a),
    "dot": lambda a, b: np.dot(a, b),
    "dot with an array": lambda a, b: np.dot(A, b),
    "outer": lambda a, b: np.outer(a[0], b[0]),
    "clip": lambda a, b: np.clip(a, 0.8, 1.5),
    "ravel": lambda a, b: np.ravel(a),
    "pad": lambda a, b: np.pad(a, ((1, 0), (0, 2))),
    "pad edge": lambda a, b: np.pad(a, 1, mode="edge"),
    "sum": lambda a, b: np.sum(a, axis=0, keepdims=True),
    "sum by position": lambda a, b: np.sum(a, 1),
    "sum with what is None": lambda a, b: np.sum(a, axis=None, dtype=None, out=None),
    "max over axes": lambda a, b: np.max(a, axis=(0, 1)),
    "std with ddof": lambda a, b: np.std(a, axis=1, ddof=1),
    "add.reduce": lambda a, b: np.add.reduce(a),
    "multiply.reduce over the rest": lambda a, b: np.multiply.reduce(a, axis=1, keepdims=True),
    "mixed": lambda a, b: np.exp(np.tanh(a) - b) / np.sqrt(B + a),
    "scalar ufunc argument": lambda a, b: np.maximum(a, 1.0) + np.power(2.0, b),
    "sum with all by position": lambda a, b: np.sum(a, 0, None, None, True),
    "mean with all by position": lambda a, b: np.mean(a, 1, None, None, True),
    "max with all by position": lambda a, b: np.max(a, 1, None, True),
    "std with all by position": lambda a, b: np.std(a, 0, None, None, 1, True),
    "var with a correction": lambda a, b: np.var(a, axis=1, correction=1),
    "NumPy's names": lambda a, b: np.sum(a=a, axis=0) + np.flip(m=b, axis=0)[0],
    "more of NumPy's names": lambda a, b: np.broadcast_to(array=a, shape=(2, 3, 3)),
    "add.reduce with its defaults": lambda a, b: np.add.reduce(a, 0, dtype=None, out=None),
    "ufunc with its defaults": lambda a, b: np.exp(a, where=True, casting="same_kind", dtype=None),
    "sort with its defaults": lambda a, b: np.sort(a, axis=0, kind=None, order=None),
    "sort by position": lambda a, b: np.sort(a, 1, None),
    "reshape in its order": lambda a, b: np.reshape(a, (9,), order="C"),
    "ravel in either order": lambda a, b: np.ravel(a, order="C") * np.ravel(b, "F"),
    "clip by all names": lambda a, b: np.clip(a=a, a_min=0.8, a_max=b),
    "clip with an out": lambda a, b: np.clip(a, 0.8, 1.5, None),
    "concatenate with an out": lambda a, b: np.concatenate([a, b], 0, None),
    "dot with an out": lambda a, b: np.dot(a, b, None),
    "pad by names": lambda a, b: np.pad(array=a, pad_width=1, mode="constant", constant_values=2.0),
    "einsum with a hint": lambda a, b: np.einsum("ij,jk,kl", a, b, a, optimize="greedy"),
    "copy": lambda a, b: np.copy(a, order="K") * b,
    "astype": lambda a, b: np.astype(a, np.float64, copy=True) * b,
    "take_along_axis with its names": lambda a, b: np.take_along_axis(
        arr=a, indices=np.array([[0, 2]]), axis=1
    ),
    "take_along_axis": lambda a, b: np.take_along_axis(a, np.argsort(A), axis=-1),
    "add.outer": lambda a, b: np.add.outer(a[0], b),
    "subtract.outer with a list": lambda a, b: np.subtract.outer([1.0, 2.0], b),
    "power.outer": lambda a, b: np.power.outer(a[0], b[0]),
    "maximum.outer of a number": lambda a, b: np.maximum.outer(a, 1.0),
    "add.accumulate": lambda a, b: np.add.accumulate(a),
    "multiply.accumulate": lambda a, b: np.multiply.accumulate(a, axis=1),
    "subtract.accumulate": lambda a, b: np.subtract.accumulate(a, axis=-1),
    "subtract.reduce": lambda a, b: np.subtract.reduce(a, axis=1),
    "divide.reduce": lambda a, b: np.divide.reduce(a, axis=0, keepdims=True),
    "add.reduce over axes": lambda a, b: np.add.reduce(a, axis=(0, 1)),
    "add.reduce with a start": lambda a, b: np.add.reduce(a, axis=1, initial=3.0),
    "add.reduce with a mask": lambda a, b: np.add.reduce(a * b, axis=1, where=A > 1),
    "maximum.reduce with a mask": lambda a, b: np.maximum.reduce(a, 0, initial=0.1, where=A > 1),
    "add.reduce with both": lambda a, b: np.add.reduce(a, 1, initial=2, where=A > 1),
    "hypot.reduce with both": lambda a, b: np.hypot.reduce(a, 1, initial=2, where=A > 1),
    "subtract.reduce with a start": lambda a, b: np.subtract.reduce(a, initial=3.0),
    "divide.reduce with a mask": lambda a, b: np.divide.reduce(a, initial=2.0, where=A > 1),
    "hypot.reduce over axes": lambda a, b: np.hypot.reduce(a, axis=(0, 1), keepdims=True),
    "add.reduceat": lambda a, b: np.add.reduceat(a, [0, 2, 1], axis=1),
    "multiply.reduceat": lambda a, b: np.multiply.reduceat(a * b, [0, 2]),
    "add with a dtype": lambda a, b: np.add(a, b, dtype=np.float64),
    "multiply with a list and a dtype": lambda a, b: np.multiply(a, [1, 2, 3], dtype=float),
    "add.reduce with a dtype": lambda a, b: np.add.reduce(a, dtype=np.float64),
    "exp in an order": lambda a, b: np.exp(a, order="F"),
    "divmod": lambda a, b: np.add(*divmod(a, 0.3)) + np.add(*divmod(2.0, b)),
    "reshape in the other order": lambda a, b: a.reshape((1, 9), order="F"),
}
if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
    CALLS["clip by min and max"] = lambda a, b: np.clip(a, min=0.8, max=1.5) + np.clip(b, max=1.0)


METHODS: Any = {
    "reduce": lambda u, a: u.reduce(a, axis=1),
    "reduce, axis kept": lambda u, a: u.reduce(a, axis=0, keepdims=True),
    "reduce from a start": lambda u, a: u.reduce(a, initial=2),
    "reduce some from a start": lambda u, a: u.reduce(a, initial=2, where=[True, False, True]),
    "reduce some": lambda u, a: u.reduce(a, where=[True, False, True]),
    "reduce in float64": lambda u, a: u.reduce(a, axis=-1, dtype=np.float64),
    "reduce nothing": lambda u, a: u.reduce(a[:0]),
    "reduce to nothing": lambda u, a: u.reduce(a[:0], axis=1),
    "accumulate": lambda u, a: u.accumulate(a, axis=1),
    "accumulate nothing": lambda u, a: u.accumulate(a[:0]),
    "reduceat": lambda u, a: u.reduceat(a, [0, 2, 1]),
    "outer": lambda u, a: u.outer(a, a[0]),
    "outer of 0-d": lambda u, a: u.outer(a[0, 0], a[0, 1]),
    "call in float32": lambda u, a: u(a, a, dtype=np.float32),
}
UFUNCS: list[Any] = [np.add, np.subtract, np.multiply, np.divide, np.power, np.maximum, np.minimum]
UFUNCS += [np.fmax, np.fmin, np.hypot, np.arctan2, np.logaddexp, np.logaddexp2, np.fmod]
UFUNCS += [np.remainder, np.floor_divide, np.copysign, np.heaviside, np.float_power]


# NumPy 2.4 on x86 gives wrong numbers for np.power.reduce along a contiguous axis, as if the loop
# overwrote what it still reads; the test after the next has the right ones.
OVERWRITING = {np.power, np.float_power, np.arctan2}


def attempted(call, *args):
    """A result, or the kind of error: NumPy refuses some of these calls, too."""
    try:
        return call(*args)
    except (TypeError, ValueError) as error:
        return type(error)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64])
@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda u: u.__name__)
def test_methods_of_ufuncs_compute_what_numpys_do(ufunc, dtype):
    array = np.random.default_rng(0).uniform(1, 3, (4, 3)).astype(dtype)
    for name, call in METHODS.items():
        if ufunc in OVERWRITING and name.startswith("reduce"):
            continue
        with np.errstate(all="ignore"):
            wanted = attempted(call, ufunc, array)
            got = attempted(call, ufunc, mg.Tensor(array, requires_grad=dtype != np.int64))
        if isinstance(wanted, type):
            assert isinstance(got, type), name
            continue
        assert isinstance(got, mg.Tensor), f"{name}: {got}"
        assert got.requires_grad == (dtype != np.int64)
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), name
        exact = 4 * np.finfo(got.dtype).eps if got.dtype.kind == "f" else 0
        np.testing.assert_allclose(got.data, wanted, rtol=exact, atol=exact, err_msg=name)


@pytest.mark.parametrize("ufunc", sorted(OVERWRITING, key=str), ids=lambda u: u.__name__)
def test_reductions_combine_from_left_to_right(ufunc):
    t: Any = mg.Tensor(A, requires_grad=True)
    wanted = ufunc(ufunc(A[:, 0], A[:, 1]), A[:, 2])
    np.testing.assert_allclose(ufunc.reduce(t, axis=1).data, wanted, rtol=1e-14)
    np.testing.assert_allclose(ufunc.reduceat(t, [0, 1], axis=1).data[:, 0], A[:, 0])


def differences(f, x, step=1e-6):
    found = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        found[i] = (f(up) - f(down)) / (2 * step)
    return found


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_calls_have_numpys_value_and_the_right_gradient(call):
    a, b = (mg.Tensor(array, requires_grad=True) for array in (A, B))
    got, wanted = call(a, b), call(A, B)
    assert type(got) is mg.Tensor
    assert got.requires_grad
    np.testing.assert_array_equal(got.data, wanted)
    weight = RNG.normal(size=wanted.shape)
    (got * weight).sum().backward()
    for t, f in [(a, lambda x: call(x, B)), (b, lambda x: call(A, x))]:
        slope = differences(lambda x, f=f: (f(x) * weight).sum(), t.data)
        grad = np.zeros_like(slope) if t.grad is None else t.grad.data
        np.testing.assert_allclose(grad, slope, atol=1e-7)


def test_where_of_a_mask_alone_gives_its_indices():
    t: Any = mg.Tensor(A, requires_grad=True)
    for got, wanted in zip(np.where(t > 1.2), np.where(A > 1.2), strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(t[np.where(t > 1.2)].data, A[A > 1.2])


def test_questions_about_tensors_are_answered_with_arrays():
    t = mg.Tensor(A, requires_grad=True)
    assert (np.shape(t), np.ndim(t), np.size(t)) == ((3, 3), 2, 9)
    assert np.shape(a=t) == (3, 3)
    assert np.result_type(t, np.float32) == np.float64
    assert np.allclose(t, A)
    assert np.allclose(A, b=t)
    assert np.array_equal(A, t)
    assert not np.array_equal(t, B)
    assert np.isclose(A, t).all()
    assert np.array_equiv(t, A)
    assert np.isrealobj(t)
    assert not np.iscomplexobj(t)
    for made in (np.zeros_like(t), np.ones_like(a=t), np.full_like(t, 7.0), np.empty_like(t)):
        assert type(made) is np.ndarray
        assert made.shape == (3, 3)


WITHOUT_RULE: Any = {
    "np.histogram": np.histogram,
    "np.unique_values": np.unique_values,
    "np.spacing": np.spacing,
    "np.linalg.eigvals": np.linalg.eigvals,
    "np.fft.rfft2": np.fft.rfft2,
    "np.packbits": np.packbits,
    "np.spacing.outer": lambda t: np.nextafter.outer(t, t),
    "np.nextafter.accumulate": np.nextafter.accumulate,
    "np.roots": lambda t: np.roots(t[0]),
}


@pytest.mark.parametrize("call", WITHOUT_RULE.values(), ids=WITHOUT_RULE)
def test_what_has_no_rule_says_so_by_its_name(call):
    with pytest.raises(NotDifferentiable, match=r"^np\.[a-z0-9._]+ has no gradient rule") as caught:
        call(mg.Tensor(A, requires_grad=True))
    assert "use t.numpy() to leave the graph" in str(caught.value)


def test_what_has_no_rule_answers_constants_with_arrays():
    t: Any = mg.Tensor(A)
    counts, edges = np.histogram(t, bins=3)
    assert type(counts) is type(edges) is np.ndarray
    assert counts.sum() == 9
    np.testing.assert_array_equal(np.fft.rfft2(t), np.fft.rfft2(A))
    np.testing.assert_array_equal(np.nextafter(t, t + 1.0), np.nextafter(A, A + 1.0))
    np.testing.assert_array_equal(np.union1d(t, t), np.unique(A))
    with mg.no_grad():
        w: Any = mg.Tensor(A, requires_grad=True)
        np.testing.assert_array_equal(np.unique_values(w), np.unique(A))


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.put(t, [0], 1.0),
        lambda t: np.copyto(t, A),
        lambda t: np.place(t, A > 1, [1.0]),
        lambda t: np.putmask(t, A > 1, 1.0),
        lambda t: np.fill_diagonal(t, 0.0),
        lambda t: np.put_along_axis(t, np.array([[0]]), 1.0, 0),
        lambda t: np.add.at(t, 0, 1.0),
    ],
)
@pytest.mark.parametrize("requires_grad", [True, False])
def test_nothing_writes_into_a_tensor(call, requires_grad):
    t = mg.Tensor(A.copy(), requires_grad=requires_grad)
    with pytest.raises(NotDifferentiable, match="makes a new tensor"):
        call(t)
    np.testing.assert_array_equal(t.data, A)


def test_constants_are_written_into_arrays():
    t: Any = mg.Tensor(A)
    out = np.zeros((3, 3))
    np.copyto(out, t)
    np.add.at(out, (0, 0), t[0, 0])
    out[1] = t[1]
    out[2, 2] = t[2, 2]
    assert out[0, 0] == 2 * A[0, 0]
    w: Any = mg.Tensor(A, requires_grad=True)
    for call in (lambda: np.copyto(out, w), lambda: np.add.at(out, (0, 0), w[0, 0])):
        with pytest.raises(NotDifferentiable, match="new tensor"):
            call()


def test_constants_may_be_asked_with_all_parameters_of_a_ufunc():
    t: Any = mg.Tensor(A)
    out = np.zeros((3, 3))
    assert np.exp(t, out=out, where=A > 1) is out
    np.testing.assert_array_equal(out, np.exp(A, out=np.zeros((3, 3)), where=A > 1))
    whole, rest = np.zeros((3, 3)), np.zeros((3, 3))
    assert np.divmod(t, 0.3, out=(whole, rest)) == (whole, rest)
    np.testing.assert_array_equal(rest, A % 0.3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: np.exp(t, where=A > 1), r"use np.where\(mask, np.exp\(...\), other\)"),
        (lambda t: np.add(t, t, casting="unsafe"), "has no parameter 'casting'"),
        (lambda t: np.add(t, t, dtype=np.int64), "dtype"),
        (lambda t: np.equal(t, t, dtype=np.float64), "astype"),
        (lambda t: np.maximum.reduce(t, where=A > 1), "pass initial"),
        (lambda t: np.subtract.reduce(t, axis=(0, 1)), "one axis"),
        (lambda t: np.subtract.reduce(t[:0]), "zero elements"),
    ],
)
@pytest.mark.filterwarnings("ignore:'where' used without 'out'")
def test_parameters_that_rules_do_not_know_are_refused_and_not_ignored(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call(mg.Tensor(A, requires_grad=True))


def test_a_composition_may_take_whatever_numpy_does():
    before = NUMPY[np.trace]

    @mg.composition(np.trace)
    def trace(x, **rest):
        return mg.einsum("ii", x[:, rest["offset"] :][: -rest["offset"]])

    try:
        t: Any = mg.Tensor(A, requires_grad=True)
        assert np.trace(t, offset=1).item() == np.trace(A, offset=1)
        assert np.trace(t, 1).item() == np.trace(A, 1)
    finally:
        NUMPY[np.trace] = before


def test_out_takes_constants_into_arrays_and_refuses_everything_else():
    t: Any = mg.Tensor(A)
    out: Any = np.zeros((3, 3))
    assert np.add(t, 1.0, out=out) is out
    np.testing.assert_array_equal(out, A + 1.0)
    out = np.zeros((3, 3), np.int64)
    with pytest.raises(TypeError, match="Cannot cast"):
        np.add(t, 1.0, out=out)
    w: Any = mg.Tensor(A, requires_grad=True)
    for call in (
        lambda: np.add(w, 1.0, out=np.zeros((3, 3))),
        lambda: np.add(t, 1.0, out=t),
        lambda: np.add(A, 1.0, out=t),
        lambda: np.sum(w, out=np.zeros(())),
        lambda: np.sum(w, 0, None, np.zeros(3)),
        lambda: np.concatenate([w, w], out=np.zeros((6, 3))),
    ):
        with pytest.raises(NotDifferentiable, match="use the result instead"):
            call()
    with mg.no_grad():
        assert np.add(w, 1.0, out=np.zeros((3, 3))).sum() > 0


def test_asarray_lets_constants_through_and_refuses_what_requires_a_gradient():
    t = mg.Tensor(A)
    assert np.asarray(t) is A
    assert np.array(t, dtype=np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(t), A)
    assert np.array([t, t]).shape == (2, 3, 3)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(t, dtype=np.float32, copy=False)
    w = mg.Tensor(A, requires_grad=True)
    for convert in (
        np.asarray,
        np.array,
        np.ascontiguousarray,
        lambda w: np.array([w, w]),
        lambda w: np.zeros((3, 3)).__setitem__(..., w),
        lambda w: np.asarray(w * 2.0),
    ):
        with pytest.raises(NotDifferentiable, match=r"t\.numpy\(\)"):
            convert(w)


def test_functions_of_scipy_that_are_written_in_python_are_told_by_name():
    special = pytest.importorskip("scipy.special")
    t = mg.Tensor([0.3, 0.5], requires_grad=True)
    for name in ("logsumexp", "softmax", "log_softmax"):
        words = rf"scipy\.special\.{name} makes a NumPy array .*: write mg\.{name}\(t, \.\.\.\)"
        with pytest.raises(NotDifferentiable, match=words):
            getattr(special, name)(t)
    with pytest.raises(NotDifferentiable, match=r"write mg\.polygamma\(t, \.\.\.\)"):
        special.polygamma(2, t)
    with pytest.raises(NotDifferentiable, match=r"^scipy\.special\.multig.* compose it of mg\.ops"):
        special.multigammaln(t, 2)
    with pytest.raises(NotDifferentiable, match=r"^a NumPy array of a tensor that requires"):
        np.asarray(t)
    assert special.logsumexp(t.detach()) == pytest.approx(mg.logsumexp(t).item())
