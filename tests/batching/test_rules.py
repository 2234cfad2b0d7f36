"""Every op, functional and composition under vmap: the same as one example after the other."""

import functools
import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad.batching.interpreter import RULES, one_by_one, rule_of
from minigrad.primitive import REGISTRY as DECLARED
from minigrad.primitive import Primitive
from minigrad.testing.samples import call_of, calls_of, cases_of

REGISTRY = {name: op for name, op in DECLARED.items() if op.__module__.startswith("minigrad.")}
EXAMPLES = 3

# Ops that run once for each example, and why.
ONE_BY_ONE = {
    "argwhere": "as many rows as elements are not 0",
    "convolve": "a composition of NumPy for two single sequences",
    "unique_places": "as many places as values",
}


def close(got, want):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    if want.dtype.kind in "fc":
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11)
    else:
        np.testing.assert_array_equal(got, want)


def plain(x):
    return x.numpy() if isinstance(x, mg.Tensor) else np.asarray(x)


def parts(out):
    return list(out) if isinstance(out, tuple | list) else [out]


def compare(f, axes, batches):
    """``f`` under vmap against ``f`` of each example, for one choice of mapped arguments."""
    outs = []
    for i in range(EXAMPLES):
        own = [
            x if axis is None else np.take(x, i, axis)
            for x, axis in zip(batches, axes, strict=True)
        ]
        outs.append([plain(part) for part in parts(f(*own))])
    got = parts(mg.vmap(f, in_axes=tuple(axes))(*batches))
    for part, wanted in zip(got, zip(*outs, strict=True), strict=True):
        close(part.numpy(), np.stack(wanted))


def choices(count):
    """Ways to map some of several arguments, over the first axis or the last."""
    if count > 3:
        return [(0,) * count, (0, *(None,) * (count - 1))]
    return [c for c in itertools.product((0, None), repeat=count) if any(a == 0 for a in c)]


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_op_agrees_with_a_loop(name):
    op = REGISTRY[name]
    for case in cases_of(op):
        rng = np.random.default_rng(0)
        calls = [call_of(op, case, rng) for _ in range(EXAMPLES)]
        for axes in choices(len(case.shapes)):
            arguments = [
                calls[0].arrays[i] if axis is None else np.stack([c.arrays[i] for c in calls])
                for i, axis in enumerate(axes)
            ]
            compare(functools.partial(op, **case.params), axes, arguments)


def test_results_of_different_shapes_are_refused():
    with pytest.raises(mg.NotDifferentiable, match=r"different shapes \[\(1, 1\), \(2, 1\)\]"):
        mg.vmap(np.argwhere)(np.array([[0.0, 1.0], [1.0, 1.0]]))
    with pytest.raises(mg.NotDifferentiable, match="different shapes"):
        mg.vmap(np.unique)(np.array([[0.0, 1.0], [1.0, 1.0]]))


def weighted(f, *inputs):
    out = f(*inputs)
    return (out * np.cos(np.arange(out.size) + 1.0).reshape(out.shape)).sum()


@pytest.mark.parametrize("name", sorted(n for n, op in REGISTRY.items() if op.rules))
def test_rules_of_every_op_pull_many_cotangents_at_once(name):
    op = REGISTRY[name]
    for call in calls_of(op)[:2]:
        names = op.inputs * len(call.arrays) if op.variadic else op.inputs
        own = [i for i, n in enumerate(names) if n in op.rules and call.arrays[i].dtype.kind == "f"]

        def f(*tensors, call=call, own=own):
            arrays = list(call.arrays)
            for i, t in zip(own, tensors, strict=True):
                arrays[i] = t
            return op(*arrays, **call.params)

        inputs = [call.arrays[i] for i in own]
        out, pull = mg.vjp(f, *inputs)
        units = np.eye(out.size)[:4].reshape((-1, *out.shape))
        if not out.size:
            continue
        together = mg.vmap(pull)(units)
        for k, rows in enumerate(zip(*map(pull, units), strict=True)):
            close(together[k].numpy(), np.stack([row.numpy() for row in rows]))
        gradient = mg.grad(functools.partial(weighted, f), range(len(own)))
        wanted = gradient(*inputs)
        got = mg.vmap(gradient)(*[np.stack([x, x]) for x in inputs])
        for g, w in zip(got, wanted, strict=True):
            close(g.numpy()[0], w.numpy())
            close(g.numpy()[1], w.numpy())


def test_the_table_of_what_runs_one_by_one_says_what_is_so():
    slow = set()
    for name, op in REGISTRY.items():
        call = calls_of(op)[0]
        if rule_of(op, op.bind(call.arrays, call.params)[1]) is one_by_one:
            slow.add(name)
    assert slow == set(ONE_BY_ONE)
    assert set(RULES) <= set(REGISTRY)


def test_a_parameter_that_a_rule_does_not_know_falls_back_to_the_loop():
    rule, known = RULES["sum"]
    RULES["sum"] = (rule, known - {"keepdims"})
    try:
        assert rule_of(REGISTRY["sum"], {}) is one_by_one
        compare(lambda x: mg.sum(x, axis=0), (0,), [np.arange(12.0).reshape(3, 2, 2)])
    finally:
        RULES["sum"] = (rule, known)


def test_an_op_of_a_user_runs_one_by_one_unless_it_is_a_ufunc():
    def double(x, /):
        """Twice ``x``, with a ``sum`` that would mix examples."""
        return 2.0 * x / x.sum()

    double.__module__ = "somebody"
    own = Primitive(
        double, double, numpy=(), rules={}, domain=(0, 1), cases=(), broadcasts=False, onnx=None
    )
    x = np.arange(1.0, 7.0).reshape(3, 2)
    close(mg.vmap(own)(x).numpy(), np.stack([double(row) for row in x]))


# Functions made of ops

R = np.random.default_rng(5)
V = R.uniform(0.2, 0.8, (EXAMPLES, 4))
M = R.normal(size=(EXAMPLES, 3, 4))
SQUARE = np.eye(3) * 3.0 + R.normal(size=(EXAMPLES, 3, 3)) * 0.3
IMAGES = R.normal(size=(EXAMPLES, 2, 2, 5, 6))  # examples, batch, channels, rows, columns
KERNELS = R.normal(size=(EXAMPLES, 3, 2, 2, 3))  # examples, out, in, rows, columns
LABELS = R.integers(0, 4, (EXAMPLES, 3))
PROBS = R.uniform(0.1, 0.9, (EXAMPLES, 3, 4))
SIGNS = np.where(R.normal(size=(EXAMPLES, 3)) > 0, 1, -1)
STACKED = SQUARE @ np.swapaxes(SQUARE, 1, 2)

# Images for what pools over one, two or three axes.
SPATIAL = {"1d": IMAGES[:, :, :, 0], "2d": IMAGES, "3d": IMAGES[:, :, :, :, :4, None] * np.ones(4)}

F = mg.functional
FUNCTIONALS = {
    "affine_grid": [(lambda t: F.affine_grid(t, (1, 1, 2, 3)), M[:, None, :2, :3])],
    "batch_norm": [(F.batch_norm, M, np.zeros((EXAMPLES, 4)), np.ones((EXAMPLES, 4)))],
    "bilinear": [(F.bilinear, M, M, R.normal(size=(EXAMPLES, 4, 4, 2)))],
    "binary_cross_entropy": [(F.binary_cross_entropy, PROBS, np.round(PROBS))],
    "binary_cross_entropy_with_logits": [(F.binary_cross_entropy_with_logits, M, np.round(PROBS))],
    "cdist": [(F.cdist, M, M + 1.0)],
    "channel_shuffle": [(lambda x: F.channel_shuffle(x, 2), IMAGES)],
    "conv1d": [(F.conv1d, IMAGES[:, :, :, 0], KERNELS[..., 0, :])],
    "conv2d": [
        (F.conv2d, IMAGES, KERNELS),
        (lambda x, w: F.conv2d(x, w, stride=2, padding=1), IMAGES, KERNELS),
    ],
    "conv3d": [(F.conv3d, IMAGES[:, :, :, None], KERNELS[..., None, :, :])],
    "conv_transpose1d": [(F.conv_transpose1d, IMAGES[:, :, :, 0], KERNELS[:, :2, :, 0])],
    "conv_transpose2d": [(F.conv_transpose2d, IMAGES, KERNELS[:, :2])],
    "conv_transpose3d": [(F.conv_transpose3d, IMAGES[:, :, :, None], KERNELS[:, :2, :, None])],
    "cosine_embedding_loss": [(F.cosine_embedding_loss, M, M + 1.0, SIGNS)],
    "cosine_similarity": [(F.cosine_similarity, M, M + 1.0)],
    "cross_entropy": [
        (F.cross_entropy, M, LABELS),
        (lambda x, y: F.cross_entropy(x, y, ignore_index=1, label_smoothing=0.1), M, LABELS),
        (F.cross_entropy, M, PROBS),
    ],
    "embedding": [(F.embedding, LABELS, R.normal(size=(EXAMPLES, 5, 2)))],
    "fold": [(lambda x: F.fold(x, (3, 3), 2), R.normal(size=(EXAMPLES, 2, 8, 4)))],
    "gaussian_nll_loss": [(F.gaussian_nll_loss, M, M + 1.0, PROBS)],
    "group_norm": [(lambda x: F.group_norm(x, 2), IMAGES)],
    "hinge_embedding_loss": [(F.hinge_embedding_loss, V[:, :3], SIGNS)],
    "hinge_loss": [(F.hinge_loss, V[:, :3], SIGNS)],
    "instance_norm": [(F.instance_norm, IMAGES)],
    "kl_div": [(F.kl_div, np.log(PROBS), PROBS)],
    "layer_norm": [(lambda x: F.layer_norm(x, 4), M)],
    "linear": [(F.linear, M, R.normal(size=(EXAMPLES, 4, 2)), R.normal(size=(EXAMPLES, 2)))],
    "local_response_norm": [(lambda x: F.local_response_norm(x, 3), IMAGES)],
    "margin_ranking_loss": [(F.margin_ranking_loss, V[:, :3], V[:, 1:], SIGNS)],
    "multi_margin_loss": [(F.multi_margin_loss, M, LABELS)],
    "multilabel_margin_loss": [(F.multilabel_margin_loss, M[:, 0], np.full((EXAMPLES, 4), -1))],
    "grid_sample": [(F.grid_sample, IMAGES, R.uniform(-1.0, 1.0, (EXAMPLES, 2, 3, 2, 2)))],
    "interpolate": [(lambda x: F.interpolate(x, 4, mode="bilinear"), IMAGES)],
    **{
        f"lp_pool{n}d": [(lambda x, n=n: getattr(F, f"lp_pool{n}d")(x**2, 2, 2), SPATIAL[f"{n}d"])]
        for n in (1, 2, 3)
    },
    **{
        f"max_pool{n}d_with_indices": [
            (lambda x, n=n: getattr(F, f"max_pool{n}d_with_indices")(x, 2), SPATIAL[f"{n}d"])
        ]
        for n in (1, 2, 3)
    },
    **{
        f"max_unpool{n}d": [
            (
                lambda x, i, n=n: getattr(F, f"max_unpool{n}d")(x, i, 1),
                SPATIAL[f"{n}d"][:, :, :1],
                np.argsort(SPATIAL[f"{n}d"][:, :, :1].reshape(EXAMPLES, 2, 1, -1), axis=-1).reshape(
                    SPATIAL[f"{n}d"][:, :, :1].shape
                ),
            )
        ]
        for n in (1, 2, 3)
    },
    "multilabel_soft_margin_loss": [(F.multilabel_soft_margin_loss, M, np.round(PROBS))],
    "nll_loss": [(F.nll_loss, np.log(PROBS), LABELS)],
    "pixel_shuffle": [(lambda x: F.pixel_shuffle(x, 2), np.repeat(IMAGES, 2, axis=2))],
    "pixel_unshuffle": [(lambda x: F.pixel_unshuffle(x, 2), IMAGES[..., :4, :])],
    "poisson_nll_loss": [(F.poisson_nll_loss, M, PROBS)],
    "prelu": [(F.prelu, M, V)],
    "rms_norm": [(lambda x: F.rms_norm(x, 4), M)],
    "scaled_dot_product_attention": [
        (F.scaled_dot_product_attention, M, M + 1.0, M - 1.0),
        (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), M, M, M),
    ],
    "soft_margin_loss": [(F.soft_margin_loss, V[:, :3], SIGNS)],
    "threshold": [(lambda x: F.threshold(x, 0.5, 0.1), M)],
    "unfold": [(lambda x: F.unfold(x, 2), IMAGES)],
    "triplet_margin_loss": [(F.triplet_margin_loss, M, M + 0.5, M - 0.7)],
    "triplet_margin_with_distance_loss": [
        (F.triplet_margin_with_distance_loss, M, M + 0.5, M - 0.7)
    ],
}
# Draw, and so are refused under vmap or mapped over their draws: see test_mapping.py.
DRAWS = {"alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d"}
DRAWS |= {"feature_alpha_dropout", "gumbel_softmax", "rrelu", "fractional_max_pool2d"}
# No function of arrays to an array.
NOT_MAPPED = {"composite": "a decorator", "accuracy": "a Python number"}


def sampled(name):
    """Calls of a functional: those in the table, or of one array or two of a shape."""
    if name in FUNCTIONALS:
        return FUNCTIONALS[name]
    function = getattr(F, name)
    if "pool" in name:
        return [(lambda x: function(x, 2), SPATIAL[name[-2:]])]
    if "loss" in name or name in ("pairwise_distance", "cosine_similarity"):
        return [(function, M, M + 0.3)]
    return [(function, M)]


@pytest.mark.parametrize("name", sorted(set(vars(F)["__all__"]) - DRAWS - set(NOT_MAPPED)))
def test_every_functional_agrees_with_a_loop(name):
    for function, *arrays in sampled(name):
        for axes in choices(len(arrays)):
            given = [x if axis == 0 else x[0] for x, axis in zip(arrays, axes, strict=True)]
            compare(function, axes, given)


SYMMETRIC = (STACKED,)
COMPOSITIONS = [
    (mg.append, M, M),
    (mg.atleast_2d, V),
    (mg.average, M),
    (mg.clip, M, V[:, 0], V[:, 0] + 1.0),
    (mg.column_stack, [V, V]),
    (mg.corrcoef, M),
    (mg.cov, M),
    (mg.cross, SQUARE, SQUARE[:, 0]),
    (mg.cummax, V),
    (mg.cumsum, M),
    (mg.diag, V),
    (mg.diff, M),
    (mg.dot, M[:, 0], V),
    (lambda a, b: mg.einsum("ij,j", a, b), M, V),
    (lambda a, b: np.einsum("...j,kj->...k", a, b), M, SQUARE @ M),
    (mg.gradient, V),
    (mg.hstack, [M, M]),
    (mg.inner, V, V),
    (np.interp, V, np.sort(V), V),
    (mg.kron, V, V),
    (mg.median, M),
    (lambda x: mg.median(x, axis=0), M),
    (mg.meshgrid, V, V),
    (np.nanmax, M),
    (mg.norm, M),
    (mg.outer, V, V),
    (lambda x: mg.pad(x, 1, mode="reflect"), M),
    (lambda x: mg.percentile(x, 30.0), M),
    (mg.polyval, V, V),
    (mg.prod, V),
    (lambda x: mg.quantile(x, [0.2, 0.5], axis=1), M),
    (lambda x: mg.ravel(x, order="F"), M),
    (lambda x: mg.repeat(x, 2, axis=0), M),
    (lambda x: mg.roll(x, 1), M),
    (lambda x: mg.roll(x, 1, axis=0), M),
    (mg.rot90, M),
    (lambda x: mg.split(x, 2, axis=1), M),
    (lambda x, y: mg.stack([x, y], axis=1), M, M),
    (mg.std, M),
    (lambda x: mg.take(x, np.array([2, 0]), axis=1), M),
    (lambda a, b: mg.tensordot(a, b, axes=1), M, V),
    (lambda x: mg.tile(x, (2, 1)), M),
    (lambda x: mg.topk(x, 2), V),
    (mg.trace, SQUARE),
    (mg.trapezoid, V),
    (mg.tril, SQUARE),
    (mg.vander, V),
    (mg.linalg.cond, SQUARE),
    (mg.linalg.det, SQUARE),
    (mg.linalg.eigh, STACKED),
    (mg.linalg.inv, SQUARE),
    (np.linalg.lstsq, SQUARE, V[:, :3]),
    (lambda x: mg.linalg.matrix_power(x, 3), SQUARE),
    (lambda x: mg.linalg.matrix_norm(x, ord="nuc"), SQUARE),
    (mg.linalg.pinv, M),
    (mg.linalg.qr, SQUARE),
    (mg.linalg.slogdet, SQUARE),
    (mg.linalg.solve, SQUARE, V[:, :3]),
    (mg.linalg.svd, SQUARE),
    (mg.linalg.vector_norm, V),
    (np.array_equal, V, V),
    (np.allclose, V, V + 1e-9),
    (np.isclose, V, V + 1e-9),
    (np.count_nonzero, M),
    (np.zeros_like, M),
    (lambda x: np.full_like(x, 2.0), M),
    (lambda x: np.add.reduce(x, axis=1), M),
    (lambda x: np.add.accumulate(x), M),
    (lambda x: np.multiply.outer(x, x), V),
    (lambda x: np.histogram(x, bins=4, range=(0.0, 1.0))[0], V),
    (np.linalg.matrix_rank, SQUARE),
]


@pytest.mark.parametrize("row", COMPOSITIONS, ids=lambda row: getattr(row[0], "__name__", "?"))
def test_compositions_and_numpys_own_functions_agree_with_a_loop(row):
    function, *arrays = row
    if isinstance(arrays[0], list):
        compare(lambda *xs: function(list(xs)), (0,) * len(arrays[0]), arrays[0])
        return
    for axes in choices(len(arrays)):
        given = [x if axis == 0 else x[0] for x, axis in zip(arrays, axes, strict=True)]
        compare(function, axes, given)


# Indices


INDICES = [
    1,
    -1,
    slice(1, None, 2),
    (Ellipsis, 0),
    (slice(None), None, -1),
    np.array([1, 0, 1]),
    (np.array([[0, 1], [1, 0]]), slice(1, None)),
    (0, slice(None), np.array([1, 0])),
    (np.array([0, 1]), slice(None), np.array([1, 0])),
    (np.array([0, 1]), None, np.array([1, 0])),
    (slice(None), np.array([0, 1]), np.array([1, 0])),
    (np.array([1]), Ellipsis, np.array([[0], [1]])),
    (Ellipsis, np.array([True, False, True, False])),
    (np.array([[True, False, True], [False, False, True]]),),
    (np.array([1, 0]), [[2], [0]]),
    ([0, 1], [1, 2]),
    (),
    (slice(0, 0),),
    None,
    (np.True_, 0),
]
CUBE = np.random.default_rng(1).normal(size=(EXAMPLES, 2, 3, 4))


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_that_all_examples_share(index):
    compare(lambda x: mg.getitem(x, index), (0,), [CUBE])
    values = np.random.default_rng(2).normal(size=(EXAMPLES, *CUBE[0][index].shape))
    compare(lambda x, v: mg.add_at(x, index, v), (0, 0), [CUBE, values])
    compare(lambda x, v: mg.set_at(x, index, v), (None, 0), [CUBE[0], values])
    compare(lambda v: mg.scatter_add(v, (2, 3, 4), index), (0,), [values])
    compare(lambda x: mg.set_at(x, index, 2.0), (0,), [CUBE])


def own(kind, i):
    """Indices that differ by example, in the places that tell how axes move."""
    j = np.array([[0, 1], [1, 1], [1, 0]])[:, :2]
    table = {
        "first": (j,),
        "scalar": (j[:, 0],),
        "after a slice": (slice(None), j),
        "last": (Ellipsis, j),
        "two together": (slice(None), j, j),
        "two apart": (j, slice(None), j),
        "of two ranks": (j, j[:, 0]),
        "beside an int": (0, j),
        "beside an array": (j, np.array([1, 0])),
        "with a new axis": (None, j),
        "apart by a new axis": (j, None, j),
    }
    return table[kind]


KINDS = ["first", "scalar", "after a slice", "last", "two together", "two apart", "of two ranks"]
KINDS += ["beside an int", "beside an array", "with a new axis", "apart by a new axis"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mapped", [0, None])
def test_an_index_for_each_example(kind, mapped):
    parts_of = own(kind, 0)
    varying = [p for p in parts_of if isinstance(p, np.ndarray) and len(p) == EXAMPLES]

    def at(*given):
        rest = iter(given)
        return tuple(
            next(rest) if isinstance(p, np.ndarray) and len(p) == EXAMPLES else p for p in parts_of
        )

    def whole(*given):  # an array indexes a plain array, a batched value only a Tensor
        return tuple(x.numpy() if isinstance(x, mg.Tensor) else x for x in at(*given))

    x = CUBE if mapped == 0 else CUBE[0]
    axes = (mapped, *(0,) * len(varying))
    compare(lambda x, *i: mg.getitem(mg.tensor(x), whole(*i)), axes, [x, *varying])
    shape = CUBE[0][tuple(p[0] if any(p is v for v in varying) else p for p in parts_of)].shape
    values = np.random.default_rng(3).normal(size=(EXAMPLES, *shape))
    for function in (mg.add_at, mg.set_at):
        compare(
            lambda x, v, *i, function=function: function(x, whole(*i), v),
            (mapped, 0, *axes[1:]),
            [x, values, *varying],
        )
    summed = mg.vmap(mg.grad(lambda x, *i: (mg.getitem(x, whole(*i)) ** 2.0).sum()), in_axes=axes)
    got = summed(x, *varying).numpy()
    for b in range(EXAMPLES):
        one = x[b] if mapped == 0 else x
        index = whole(*[v[b] for v in varying])
        wanted = np.zeros(one.shape)
        np.add.at(wanted, index, 2.0 * one[index])
        np.testing.assert_allclose(got[b], wanted)


def test_along_an_axis_with_an_index_for_each_example():
    order = np.argsort(M, axis=-1)
    for axes in choices(2):
        given = [x if a == 0 else x[0] for x, a in zip([M, order], axes, strict=True)]
        compare(lambda x, i: mg.take_along_axis(x, i, axis=-1), axes, given)
        compare(lambda x, i: np.take_along_axis(x, i, axis=1), axes, given)
    compare(lambda x: mg.take_along_axis(x, mg.argsort(x, axis=0), axis=0), (0,), [M])
    compare(lambda x: x[mg.argmax(x)], (0,), [mg.tensor(V)])
