"""Every op, from its declaration: value, dtype, layout, cotangents, first and second order.

Whatever is declared is tested; what is exempt stands in one of the tables below with its reason,
and a test holds that no table says more or less than what is so.
"""

import itertools
import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.primitive import REGISTRY as DECLARED
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck
from minigrad.testing.samples import call_of, cases_of, interval, kind_of, takes_matrices
from tests.ops.exact import mpmath

# What minigrad itself declares; other tests and pages declare ops of their own.
REGISTRY = {name: op for name, op in DECLARED.items() if op.__module__.startswith("minigrad.")}


def spread_by_hand(g, shape, axis, keepdims):
    if axis is not None and not keepdims:
        g = np.expand_dims(g, axis)
    return np.broadcast_to(g, shape)


def added_by_hand(x, index, value):
    out = np.array(x)
    places = np.arange(out.size).reshape(out.shape)[index]
    for place, v in zip(places.ravel(), np.broadcast_to(value, places.shape).ravel(), strict=True):
        out.flat[place] += v
    return out


def added_along_by_hand(g, shape, indices, axis):
    out = np.zeros(shape, g.dtype)
    for place in np.ndindex(indices.shape):
        target = list(place)
        target[axis] = indices[place]
        out[tuple(target)] += g[place]
    return out


def assigned_by_hand(x, value, index):
    out = np.array(x)
    out[index] = value
    return out


def every_place(shape, window, axis, step, dilation):
    """Pairs of an index into the windows and one into the array they slide over."""
    last = np.array(shape) - 1
    steps = np.ones(len(shape), int)
    for i, k, s, d in zip(axis, window, step, dilation, strict=True):
        last[i] -= d * (k - 1)
        steps[i] = s
    for position in np.ndindex(*(last // steps + 1)):
        for offset in np.ndindex(*window):
            place: Any = position * steps
            for i, k, d in zip(axis, offset, dilation, strict=True):
                place[i] += k * d
            yield position + offset, tuple(place)


unique: Any = np.unique  # its overloads know no name that is made up at run time


def windows_by_hand(x, window_shape, axis, step, dilation):
    pairs = dict(every_place(x.shape, window_shape, axis, step, dilation))
    out = np.zeros([n + 1 for n in max(pairs)], x.dtype)
    for place, source in pairs.items():
        out[place] = x[source]
    return out


def overlapped_by_hand(windows, shape, axis, step, dilation):
    out = np.zeros(shape)
    for place, target in every_place(shape, windows.shape[len(shape) :], axis, step, dilation):
        if all(i < n for i, n in zip(place, windows.shape, strict=True)):
            out[target] += windows[place]
    return out.astype(windows.dtype)


def to_all_digits(function):
    """A function of numbers in mpmath, to 30 digits on arrays, rounded to their dtype."""

    def rounded(*arrays, **params):
        with mpmath.workdps(30):
            numbers = [np.vectorize(mpmath.mpf, otypes=[object])(x) for x in arrays]
            out = np.vectorize(lambda *x: function(*x, **params), otypes=[float])(*numbers)
        return out.astype(arrays[0].dtype)

    return rounded


def packed_by_hand(*parts):
    """The parts of a decomposition, flat, side by side."""
    batch = parts[0].shape[: parts[0].ndim - 2 + (parts[0].ndim < parts[-1].ndim)]
    sizes = [math.prod(part.shape[len(batch) :]) for part in parts]
    flat = [part.reshape(*batch, n) for part, n in zip(parts, sizes, strict=True)]
    return np.concatenate(flat, axis=-1)


def cofactors_by_hand(matrix):
    out = np.ones_like(matrix)
    for *place, i, j in np.ndindex(matrix.shape):
        minor = np.delete(np.delete(matrix[tuple(place)], i, 0), j, 1)
        out[(*place, i, j)] = (-1) ** (i + j) * np.linalg.det(minor)
    return out


def polar_by_hand(matrix):
    u, _, vh = np.linalg.svd(matrix, full_matrices=False)
    return u @ vh


def products_by_hand(x, weight, step, dilation):
    axis = tuple(range(3, x.ndim))
    windows = windows_by_hand(x, weight.shape[3:], axis, step, dilation)
    shape = (x.shape[0], *weight.shape[:2], *windows.shape[3 : x.ndim])
    out = np.zeros(shape)
    for n, g, o, *p in np.ndindex(*shape):
        out[n, g, o, *p] = np.sum(windows[n, g, :, *p].astype(float) * weight[g, o])
    return out.astype(x.dtype)


def overlaps_by_hand(product, weight, size, step, dilation):
    axis = tuple(range(3, product.ndim))
    windows = np.zeros(
        (*product.shape[:2], *weight.shape[2:3], *product.shape[3:], *weight.shape[3:])
    )
    for n, g, o, *p in np.ndindex(*product.shape):
        windows[n, g, :, *p] += product[n, g, o, *p] * weight[g, o].astype(float)
    shape = (*windows.shape[:3], *size)
    return overlapped_by_hand(windows, shape, axis, step, dilation).astype(product.dtype)


def kernels_by_hand(x, product, kernel, step, dilation):
    windows = windows_by_hand(x, kernel, tuple(range(3, x.ndim)), step, dilation)
    out = np.zeros((*product.shape[1:3], x.shape[2], *kernel))
    for n, g, o, *p in np.ndindex(*product.shape):
        out[g, o] += product[n, g, o, *p] * windows[n, g, :, *p].astype(float)
    return out.astype(x.dtype)


def recurred_by_hand(a, b, axis, reverse):
    out = np.array(b)
    rows, factors = np.moveaxis(out, axis, 0), np.moveaxis(a, axis, 0)
    places = range(len(rows))[::-1] if reverse else range(len(rows))
    for before, i in itertools.pairwise(places):
        rows[i] = factors[i] * rows[before] + rows[i]
    return out


def on_diagonal_by_hand(g, shape, offset, axis1, axis2):
    out = np.zeros(shape, g.dtype)
    places = np.arange(out.size).reshape(shape).diagonal(offset, axis1, axis2)
    out.flat[places.ravel()] = g.ravel()
    return out


# What an op computes, written another way, where its kernel is not a NumPy function.
REFERENCES = {
    "add_along_axis": added_along_by_hand,
    "add_at": lambda x, value, index: added_by_hand(x, index, value),
    "betaln": to_all_digits(lambda a, b: mpmath.log(mpmath.beta(a, b))),
    "astype": lambda x, dtype: np.array(x, dtype=dtype),
    "clip": np.clip,
    "concatenate": lambda *arrays, axis: np.concatenate(arrays, axis),
    "convolve": lambda a, v: np.convolve(a, v),
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
    "cumprod": lambda x, axis: np.multiply.accumulate(x, axis),
    "cumsum": lambda x, axis: np.add.accumulate(x, axis),
    "digamma": to_all_digits(mpmath.digamma),
    "einsum": lambda *operands, subscripts, optimize: np.einsum(subscripts, *operands),
    "entr": to_all_digits(lambda x: -x * mpmath.log(x)),
    "erf": to_all_digits(mpmath.erf),
    "erfc": to_all_digits(mpmath.erfc),
    "erfinv": to_all_digits(mpmath.erfinv),
    "frexp_exponent": lambda x: np.frexp(x)[1],
    "gammaln": to_all_digits(mpmath.loggamma),
    "getitem": lambda x, index: x[index],
    "inverse_mills": to_all_digits(lambda x: mpmath.npdf(x) / mpmath.ncdf(x)),
    "log_ndtr": to_all_digits(lambda x: mpmath.log(mpmath.ncdf(x))),
    "logit": to_all_digits(lambda x: mpmath.log(x / (1 - x))),
    "logsigmoid": lambda x: -np.log1p(np.exp(-x)),
    "lexsort": np.lexsort,
    "linear_recurrence": recurred_by_hand,
    "logcumsumexp": np.logaddexp.accumulate,
    "logsumexp": lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
    "kernel_product": lambda x, product, **params: kernels_by_hand(x, product, **params),
    "overlap_product": lambda product, weight, **params: overlaps_by_hand(
        product, weight, **params
    ),
    "window_product": lambda x, weight, **params: products_by_hand(x, weight, **params),
    "overlap_add": overlapped_by_hand,
    "ndtri": to_all_digits(lambda x: mpmath.sqrt(2) * mpmath.erfinv(2 * x - 1)),
    "one_hot": lambda labels, num_classes, dtype: np.eye(num_classes, dtype=dtype)[labels],
    "one_minus_square": lambda x: 1 - x * x,
    "pad": np.pad,
    "polygamma": to_all_digits(lambda x, n: mpmath.polygamma(n, x)),
    "relu": lambda x: np.where(x > 0, x, x.dtype.type(0)),
    "scatter_diagonal": on_diagonal_by_hand,
    "searchsorted": np.searchsorted,
    "unique_places": lambda x, what, axis, equal_nan: unique(
        x, axis=axis, **{f"return_{what}": True}
    )[1],
    "scatter_add": lambda g, shape, index: added_by_hand(np.zeros(shape, g.dtype), index, g),
    "set_at": assigned_by_hand,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sliding_windows": windows_by_hand,
    "sinc": to_all_digits(lambda x, order: mpmath.diff(mpmath.sincpi, x, order)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "spread": spread_by_hand,
    "step": lambda x: np.heaviside(x, 0),
    "stop_gradient": lambda x: x,
    "take_along_axis": np.take_along_axis,
    "cholesky": lambda matrix, upper: np.linalg.cholesky(matrix, upper=upper),
    "cofactor": cofactors_by_hand,
    "cross": np.cross,
    "eigh": lambda matrix, uplo: packed_by_hand(*np.linalg.eigh(matrix, uplo)),
    "eigvalsh": lambda matrix, uplo: np.linalg.eigvalsh(matrix, uplo),
    "euclidean_norm": lambda x, axis, keepdims: np.sqrt(
        np.sum(x * x, axis=axis, keepdims=keepdims)
    ),
    "nuclear_norm": lambda matrix: np.linalg.matrix_norm(matrix, ord="nuc"),
    "pinv": lambda matrix, rcond, hermitian: np.linalg.pinv(matrix, rcond, hermitian),
    "polar_factor": polar_by_hand,
    "power_norm": lambda x, ord, axis, keepdims: np.linalg.norm(x, ord, axis, keepdims),
    "qr": lambda matrix, mode: packed_by_hand(*np.linalg.qr(matrix, mode)),
    "slogdet": lambda matrix: np.stack(np.linalg.slogdet(matrix), axis=-1),
    "svd": lambda matrix, full, hermitian: packed_by_hand(
        *np.linalg.svd(matrix, full_matrices=full, hermitian=hermitian)
    ),
    "svdvals": lambda matrix, hermitian: np.linalg.svdvals(matrix),
    "xlog1py": to_all_digits(lambda x, y: x * mpmath.log1p(y)),
    "xlogy": to_all_digits(lambda x, y: x * mpmath.log(y)),
}

# Ops that have no rule: nothing can be differentiated through them.
WITHOUT_RULES = {
    **dict.fromkeys(["argpartition", "argwhere", "lexsort", "searchsorted"], "gives indices"),
    **dict.fromkeys(["nanargmax", "nanargmin", "unique_places"], "gives indices"),
    "count_nonzero": "gives a count",
    **dict.fromkeys(
        ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"], "gives booleans"
    ),
    **dict.fromkeys(["logical_and", "logical_or", "logical_xor", "logical_not"], "gives booleans"),
    **dict.fromkeys(["isnan", "isinf", "isfinite", "all", "any"], "gives booleans"),
    **dict.fromkeys(["isneginf", "isposinf", "isreal", "iscomplex", "signbit"], "gives booleans"),
    **dict.fromkeys(["bitwise_count", "gcd", "lcm", "left_shift", "right_shift"], "of integers"),
    **dict.fromkeys(["frexp_exponent", "imag"], "constant"),
    **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not"], "of integers"),
    **dict.fromkeys(["argmax", "argmin", "argsort", "one_hot"], "gives or takes indices"),
    "stop_gradient": "its purpose",
}

# Inputs without a rule, of ops that have one for another input.
CONSTANT_INPUTS = {
    ("where", "condition"): "a choice has no derivative",
    ("ldexp", "exponent"): "a whole number",
}

# Ops that read one triangle, and whose gradient is that of a function of symmetric matrices.
SYMMETRIC = {"cholesky", "eigh", "eigvalsh"}

# Ops whose vectors LAPACK gives either sign: a finite difference is of their squares.
SIGNLESS = {"eigh", "svd"}

# Rules whose cotangent the engine has to convert.
CONVERTED = {"astype": "its cotangent arrives in the dtype of the output"}


def described(name, case):
    shapes = "-".join("x".join(map(str, shape)) or "0d" for shape in case.shapes)
    params = ",".join(f"{k}={v}" for k, v in case.params.items())
    return f"{name}-{shapes}{'-' * bool(params)}{params}".replace("\n", "")


EVERY = [(name, case) for name in sorted(REGISTRY) for case in cases_of(REGISTRY[name])]
SMOOTH = [(name, case) for name, case in EVERY if REGISTRY[name].rules]
# Without what LAPACK computes: it has no float16, and a matrix of equal elements is singular.
PLAIN = [(name, case) for name, case in SMOOTH if not takes_matrices(REGISTRY[name])]


def every(cases):
    return pytest.mark.parametrize(
        ("name", "case"), cases, ids=[described(name, case) for name, case in cases]
    )


def drawn(name, case, dtype=np.float64, seed=0):
    return call_of(REGISTRY[name], case, np.random.default_rng(seed), dtype)


def read_only(array):
    copied = array.copy()
    copied.setflags(write=False)
    return copied


def layouts(array):
    """The same values in every way that strides can say them."""
    if array.ndim:
        yield np.asfortranarray(array)
        yield np.flip(np.flip(array).copy())
        wide = np.repeat(array, 2, axis=-1)
        yield wide[..., ::2]


def identical(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def close(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    eps = np.finfo(a.dtype).eps if a.dtype.kind == "f" else 0.0
    np.testing.assert_allclose(a.astype(complex), b.astype(complex), rtol=16 * eps, atol=16 * eps)


def recorded(name, call):
    """The output of an op on leaves, and those of its inputs that get a gradient."""
    primitive = REGISTRY[name]
    tensors = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in call.arrays]
    out = primitive(*tensors, **call.params)
    names = primitive.inputs * len(tensors) if primitive.variadic else primitive.inputs
    return out, [t for t, n in zip(tensors, names, strict=True) if n in primitive.rules]


def gradient(tensor):
    assert tensor.grad is not None
    return tensor.grad.numpy()


def cotangent(out, seed=1):
    rng = np.random.default_rng(seed)
    return np.asarray(rng.integers(1, 9, out.shape) / 4 * rng.choice([-1, 1], out.shape)).astype(
        out.dtype
    )


def test_the_tables_say_what_is_so():
    assert set(WITHOUT_RULES) == {name for name, op in REGISTRY.items() if not op.rules}
    constant = {
        (name, x)
        for name, op in REGISTRY.items()
        if op.rules
        for x in op.inputs
        if x not in op.rules
    }
    assert set(CONSTANT_INPUTS) == constant
    assert set(REFERENCES) == {name for name, op in REGISTRY.items() if not op.numpy}


def test_every_case_has_the_inputs_that_the_op_takes():
    for name, case in EVERY:
        op = REGISTRY[name]
        assert op.variadic or len(case.shapes) == op.arity, name
        assert set(case.params) <= set(op.statics), name


def reference(name):
    op = REGISTRY[name]
    return REFERENCES[name] if name in REFERENCES else op.numpy[-1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@every(EVERY)
def test_value_and_dtype_are_numpys(name, case, dtype):
    call = drawn(name, case, dtype)
    op = REGISTRY[name]
    if dtype is np.float16 and takes_matrices(op):  # LAPACK has none, and NumPy says so
        with pytest.raises(TypeError, match="float16"):
            op(*map(Tensor, call.arrays), **call.params)
        return
    _, params = op.bind(call.arrays, call.params)
    wanted = reference(name)(*call.arrays, **params)
    close(op(*call.arrays, **call.params), wanted)
    tensor = op(*map(Tensor, call.arrays), **call.params)
    close(tensor.numpy(), wanted)
    assert not tensor.requires_grad


@every(EVERY)
def test_layout_does_not_matter(name, case):
    call = drawn(name, case)
    op = REGISTRY[name]
    wanted = op(*call.arrays, **call.params)
    for position, array in enumerate(call.arrays):
        for other in layouts(array):
            arrays = [*call.arrays]
            arrays[position] = other
            close(op(*arrays, **call.params), wanted)


@every(SMOOTH)
def test_gradient_ignores_the_layout_of_inputs_and_cotangent(name, case):
    call = drawn(name, case)
    out, leaves = recorded(name, call)
    g = cotangent(out)
    out.backward(g)
    wanted = [t.grad.numpy() for t in leaves]
    for position, array in enumerate(call.arrays):
        for other, g_other in zip(layouts(array), itertools.cycle([*layouts(g), g]), strict=False):
            arrays = [*call.arrays]
            arrays[position] = other
            out, leaves = recorded(name, call._replace(arrays=arrays))
            out.backward(Tensor(g_other))
            for t, w in zip(leaves, wanted, strict=True):
                close(t.grad.numpy(), w)


@every(PLAIN)
def test_gradient_of_equal_elements_and_an_unwritable_cotangent(name, case):
    call = drawn(name, case)
    arrays = [
        np.broadcast_to(x.ravel()[:1].reshape((1,) * x.ndim), x.shape) if x.size else x
        for x in call.arrays
    ]
    out, leaves = recorded(name, call._replace(arrays=tuple(map(np.array, arrays))))
    out.backward(np.full(out.shape, 1.5, out.dtype))
    wanted = [t.grad.numpy() for t in leaves]
    out, leaves = recorded(name, call._replace(arrays=tuple(arrays)))  # strides of 0
    out.backward(Tensor(np.broadcast_to(np.asarray(1.5, out.dtype), out.shape)))
    for t, w in zip(leaves, wanted, strict=True):
        close(t.grad.numpy(), w)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every(SMOOTH)
def test_rules_write_nothing_and_keep_shape_and_dtype(name, case, dtype):
    call = drawn(name, case, dtype)
    call = call._replace(arrays=tuple(map(read_only, call.arrays)))
    before = [x.copy() for x in call.arrays]
    out, leaves = recorded(name, call)
    op, node = REGISTRY[name], out.node
    g = read_only(cotangent(out))
    kept_g = g.copy()
    for position, pull in node.plan.pulls:
        c = np.asarray(pull(g, node.kept, node))
        if name not in CONVERTED:
            assert c.dtype == dtype
        if not op.broadcasts:
            assert c.shape == call.arrays[position].shape
    out.backward(Tensor(g))
    for t in leaves:
        assert t.grad.dtype == t.dtype
        assert t.grad.shape == t.shape
    assert identical(g, kept_g)
    for x, y in zip(call.arrays, before, strict=True):
        assert identical(x, y)


@every(PLAIN)
def test_rules_write_nothing_and_keep_shape_and_float16(name, case):
    test_rules_write_nothing_and_keep_shape_and_dtype(name, case, np.float16)


@every(SMOOTH)
def test_rules_on_tensors_agree_bit_for_bit_with_rules_on_arrays(name, case):
    call = drawn(name, case)
    plain, leaves = recorded(name, call)
    g = cotangent(plain)
    plain.backward(g)
    on_arrays = [t.grad.numpy() for t in leaves]
    out, leaves = recorded(name, call)
    out.backward(Tensor(g), create_graph=True)
    for t, wanted in zip(leaves, on_arrays, strict=True):
        assert identical(t.grad.numpy() + 0.0, wanted + 0.0)


@pytest.mark.parametrize("order", [1, 2])
@every(SMOOTH)
def test_gradient(name, case, order):
    call = drawn(name, case)
    op = REGISTRY[name]
    floating = [i for i, x in enumerate(call.arrays) if kind_of(op, i) == "f"]

    def f(*tensors):
        arrays = list(call.arrays)
        for i, t in zip(floating, tensors, strict=True):
            arrays[i] = (t + t.mT) / 2 if name in SYMMETRIC else t
        out = op(*arrays, **call.params)
        return out * out if name in SIGNLESS else out

    report = gradcheck(f, *[call.arrays[i] for i in floating], order=order)
    report.raise_if_failed()


TWICE = [
    (name, case)
    for name, case in SMOOTH
    if len(case.shapes) == 2 and len(set(case.shapes)) == 1 and name != "ldexp"  # whole exponents
]


@every(TWICE)
def test_the_same_input_twice_gets_the_sum_of_both_gradients(name, case):
    op = REGISTRY[name]
    low = max(interval(op, i)[0] for i in (0, 1))
    high = min(interval(op, i)[1] for i in (0, 1))
    if low >= high:
        low, high = interval(op, 1)
    call = drawn(name, case)
    x = np.asarray(np.random.default_rng(0).uniform(low, high, case.shapes[0]))
    parts = [Tensor(x, requires_grad=True), Tensor(x.copy(), requires_grad=True)]
    out = op(*parts, **call.params)
    g = cotangent(out)
    out.backward(g)
    both = Tensor(x, requires_grad=True)
    op(both, both, **call.params).backward(g)
    close(gradient(both), gradient(parts[0]) + gradient(parts[1]))


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, op in sorted(REGISTRY.items())
        if len(op.rules) == op.arity == 2
        and not op.statics
        and op.broadcasts
        and n not in {"matmul", "solve", "cross"}
    ],
)
def test_python_numbers_do_not_promote(name):
    op = REGISTRY[name]
    for position, number in itertools.product([0, 1], [1.5, 2]):
        low = np.asarray([0.25, 0.5], np.float32) + np.float32(1.25 * (position == 1))
        x = Tensor(low, requires_grad=True)
        out = op(x, number) if position == 0 else op(number, x)
        assert out.dtype == np.float32
        node = out.node
        for _, pull in node.plan.pulls:
            assert np.asarray(pull(np.ones(2, np.float32), node.kept, node)).dtype == "f4"


@pytest.mark.parametrize("name", sorted(WITHOUT_RULES))
def test_ops_without_rules_record_nothing(name):
    op = REGISTRY[name]
    call = drawn(name, cases_of(op)[0])
    tensors = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in call.arrays]
    out = op(*tensors, **call.params)
    assert not (out.requires_grad if isinstance(out, mg.Tensor) else False)
