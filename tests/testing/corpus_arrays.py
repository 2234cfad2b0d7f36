"""The corpus: reductions, indexing, shapes, products, convolutions and linear algebra."""

import math
from typing import Any

import numpy as np

from tests.testing.corpus_rules import (
    Array,
    Rule,
    apart,
    both,
    cast,
    cholesky,
    det,
    eigh,
    fold,
    inv,
    normal,
    of,
    solve,
    spread,
    symmetric,
    uniform,
    unwindows,
    windows,
)

M = normal((3, 4))
SQ = normal((3, 3))
RAGGED = spread((6,), low=-8, high=8, signed=True)


def expand(g: Array, x: Array, axis) -> Array:
    return np.broadcast_to(g if axis is None else np.expand_dims(g, axis), x.shape)


def count(x: Array, axis) -> int:
    axes = range(x.ndim) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    return math.prod(x.shape[i] for i in axes)


def reductions() -> list[Rule]:
    rules = []
    for label, axis, draw in [
        ("all", None, M),
        ("rows", 0, M),
        ("columns", 1, M),
        ("square", 0, SQ),
        ("two axes", (0, 2), normal((2, 3, 2))),
        ("mixed", None, RAGGED),
        ("offset", None, normal((5,), shift=1e4)),
        ("100000", None, normal((100_000,))),
    ]:
        rules += [sums(label, axis, draw), means(label, axis, draw)]
        if label not in ("mixed",):
            rules += [variances(label, axis, draw, ddof) for ddof in (0, 1)]
    return rules + extremes() + norms() + scans()


def sums(label, axis, draw) -> Rule:
    def vjp(g, x):
        return (expand(g, x, axis) + 0 * x,)

    return Rule(f"sum, {label}", lambda x: x.sum(axis=axis), vjp, draw)


def means(label, axis, draw) -> Rule:
    def vjp(g, x):
        return (expand(g, x, axis) / count(x, axis) + 0 * x,)

    def forgets(g, x):
        return (expand(g, x, axis) + 0 * x,)

    wrong = {"mean as sum": forgets}
    return Rule(f"mean, {label}", lambda x: x.mean(axis=axis), vjp, draw, wrong)


def variances(label, axis, draw, ddof) -> Rule:
    def f(x):
        d = x - x.mean(axis=axis, keepdims=True)
        return (d * d).sum(axis=axis) / (count(x, axis) - ddof)

    def vjp(g, x, off=ddof):
        d = x - x.mean(axis=axis, keepdims=True)
        return (2 * expand(g, x, axis) * d / (count(x, axis) - off),)

    wrong = {
        "ddof": lambda g, x: vjp(g, x, 1 - ddof),
        "dropped term": lambda g, x: (2 * expand(g, x, axis) * x / (count(x, axis) - ddof),),
    }
    return Rule(f"variance {ddof}, {label}", f, vjp, draw, wrong)


def pick(x: Array, axis: int, index: Any) -> Array:
    out = np.zeros_like(x)
    np.put_along_axis(out, np.expand_dims(index, axis), 1, axis)
    return out


def extremes() -> list[Rule]:
    rows = apart((3, 4))

    def median(x):
        return np.sort(x)[len(x) // 2]

    def sort_vjp(g, x):
        out = np.empty_like(x)
        out[np.argsort(x)] = g
        return (out,)

    return [
        Rule(
            "max, columns",
            lambda x: x.max(axis=1),
            lambda g, x: (g[:, None] * pick(x, 1, x.argmax(1)),),
            rows,
            {"wrong element": lambda g, x: (g[:, None] * pick(x, 1, x.argmin(1)),)},
        ),
        Rule(
            "min, rows", lambda x: x.min(axis=0), lambda g, x: (g * pick(x, 0, x.argmin(0)),), rows
        ),
        Rule(
            "max, mixed",
            lambda x: x.max(),
            lambda g, x: (g * pick(x, 0, x.argmax()),),
            spread((7,), low=-8, high=8),
        ),
        Rule(
            "range, unit",
            np.ptp,
            lambda g, x: (g * (pick(x, 0, x.argmax()) - pick(x, 0, x.argmin())),),
            apart((6,)),
        ),
        Rule(
            "sort, unit",
            np.sort,
            sort_vjp,
            apart((6,)),
            {"wrong order": lambda g, x: (g[np.argsort(x)[::-1]],)},
        ),
        Rule("sort, mixed", np.sort, sort_vjp, spread((6,), low=-8, high=8, signed=True)),
        Rule(
            "median, odd",
            median,
            lambda g, x: (g * pick(x, 0, np.argsort(x)[len(x) // 2]),),
            apart((7,)),
        ),
        Rule(
            "prod, unit",
            np.prod,
            lambda g, x: (g * np.prod(x) / x,),
            uniform((6,), low=0.5, high=2),
        ),
        Rule(
            "prod, with a zero",
            np.prod,
            lambda g, x: (g * np.array([np.prod(np.delete(x, i)) for i in range(x.size)]),),
            of([2.0, 0.0, 3.0, -1.0]),
        ),
        Rule(
            "prod, mixed",
            np.prod,
            lambda g, x: (g * np.prod(x) / x,),
            spread((6,), low=-4, high=4, signed=True),
        ),
    ]


def norms() -> list[Rule]:
    def length(x):
        return np.sqrt((x * x).sum())

    def f_lse(x):
        return np.log(np.exp(x - x.max()).sum()) + x.max()

    def d_lse(g, x):
        e = np.exp(x - x.max())
        return (g * e / e.sum(),)

    def d_unit(g, x):
        y = x / length(x)
        return ((g - y * (g * y).sum()) / length(x),)

    def root(g, x):
        return (g * x / length(x),)

    lost = {"dropped term": lambda g, x: (g / length(x),)}
    return [
        *(
            Rule(f"norm, {k}", length, root, d, {"wrong formula": lambda g, x: (2 * g * x,)})
            for k, d in {
                "unit": M,
                "tiny": normal((5,), scale=1e-8),
                "huge": normal((5,), scale=1e8),
                "mixed": RAGGED,
                "float32": cast(M, "float32"),
                "100000": normal((100_000,)),
            }.items()
        ),
        Rule(
            "norm 1, unit", lambda x: np.abs(x).sum(), lambda g, x: (g * np.sign(x),), apart((6,))
        ),
        Rule(
            "norm 3, unit",
            lambda x: (np.abs(x) ** 3).sum() ** (1 / 3),
            lambda g, x: (g * x * np.abs(x) / (np.abs(x) ** 3).sum() ** (2 / 3),),
            apart((6,)),
        ),
        Rule(
            "sum of squares, unit",
            lambda x: (x * x).sum(),
            lambda g, x: (2 * g * x,),
            M,
            {"factor 2": lambda g, x: (g * x,)},
        ),
        Rule(
            "sum of squares, mixed",
            lambda x: (x * x).sum(),
            lambda g, x: (2 * g * x,),
            spread((6,), low=-3, high=3),
        ),
        *(
            Rule(f"unit vector, {k}", lambda x: x / length(x), d_unit, d, lost)
            for k, d in {
                "unit": normal((5,)),
                "tiny": normal((5,), scale=1e-8),
                "huge": normal((5,), scale=1e8),
            }.items()
        ),
        *(
            Rule(f"logsumexp, {k}", f_lse, d_lse, d)
            for k, d in {
                "unit": normal((6,)),
                "saturated": normal((4,), scale=10),
                "offset": normal((6,), shift=1e4),
                "float32": cast(normal((6,)), "float32"),
                "large": normal((5,), shift=700),
            }.items()
        ),
        Rule(
            "rms, unit",
            lambda x: np.sqrt((x * x).mean()),
            lambda g, x: (g * x / x.size / np.sqrt((x * x).mean()),),
            M,
            {"mean as sum": lambda g, x: (g * x / np.sqrt((x * x).mean()),)},
        ),
        Rule(
            "alternating sum, unit",
            lambda x: (x[::2].sum() - x[1::2].sum()) ** 2,
            lambda g, x: (2 * g * (x[::2].sum() - x[1::2].sum()) * (-1.0) ** np.arange(x.size),),
            normal((6,), shift=100.0),
        ),
    ]


def scans() -> list[Rule]:
    def tail(g):
        return np.cumsum(g[::-1])[::-1]

    return [
        Rule(
            "cumsum, unit",
            np.cumsum,
            lambda g, x: (tail(g),),
            normal((6,)),
            {"reversed": lambda g, x: (np.cumsum(g),)},
        ),
        Rule("cumsum, mixed", np.cumsum, lambda g, x: (tail(g),), spread((6,), low=-6, high=6)),
        Rule(
            "cumprod, unit",
            np.cumprod,
            lambda g, x: (tail(g * np.cumprod(x)) / x,),
            uniform((5,), low=0.5, high=2),
            {"reversed": lambda g, x: (np.cumsum(g * np.cumprod(x)) / x,)},
        ),
        Rule(
            "diff, unit",
            np.diff,
            lambda g, x: (np.concatenate([-g[:1], g[:-1] - g[1:], g[-1:]]),),
            normal((6,)),
            {"dropped term": lambda g, x: (np.concatenate([0 * g[:1], g]),)},
        ),
        Rule(
            "running mean, unit",
            lambda x: np.cumsum(x) / np.arange(1, x.size + 1),
            lambda g, x: (tail(g / np.arange(1, x.size + 1)),),
            normal((6,)),
            {"wrong order": lambda g, x: (tail(g) / np.arange(1, x.size + 1),)},
        ),
        Rule(
            "logcumsumexp, unit",
            lambda x: np.log(np.cumsum(np.exp(x))),
            lambda g, x: (np.exp(x) * tail(g / np.cumsum(np.exp(x))),),
            normal((5,)),
        ),
    ]


def scatter(shape: tuple[int, ...], index, g: Array) -> Array:
    out = np.zeros(shape, g.dtype)
    np.add.at(out, index, g)
    return out


def indexing() -> list[Rule]:
    repeats = np.array([0, 2, 2, 1, 2])
    pairs = (np.array([0, 1, 1, 2]), np.array([3, 0, 0, 1]))

    def getitem(name, index, draw=M):
        def overwrites(g, x):
            out = np.zeros_like(x)
            out[index] = g
            return (out,)

        wrong = {"overwrites repeats": overwrites} if "repeats" in name else {}
        return Rule(
            name, lambda x: x[index], lambda g, x: (scatter(x.shape, index, g),), draw, wrong
        )

    return [
        getitem("row", 1),
        getitem("slice", (slice(None), slice(1, 3))),
        getitem("stepped", (slice(None, None, -2),)),
        getitem("take, repeats", repeats),
        getitem("pairs, repeats", pairs),
        getitem("embedding, repeats", np.array([[0, 0], [2, 0]])),
        getitem("take, repeats, mixed", repeats, spread((4,), low=-8, high=8)),
        getitem("embedding, repeats, large", np.arange(100_000) % 37, normal((40,))),
        getitem("new axis", (None, slice(None), 0)),
        getitem("mask", np.eye(3, 4, dtype=bool)),
        Rule(
            "squares of repeats",
            lambda x: x[repeats] ** 2,
            lambda g, x: (scatter(x.shape, repeats, 2 * g * x[repeats]),),
            normal((4,)),
        ),
        Rule(
            "scatter add, repeats",
            lambda x: scatter((4,), repeats, x),
            lambda g, x: (g[repeats],),
            normal((5,)),
        ),
        Rule(
            "transpose",
            lambda x: x.T * 1,
            lambda g, x: (g.T * 1,),
            M,
            {"reshape": lambda g, x: (g.reshape(x.shape),)},
        ),
        Rule(
            "transpose, square",
            lambda x: x.T * 1,
            lambda g, x: (g.T * 1,),
            SQ,
            {"no transpose": lambda g, x: (g * 1,)},
        ),
        Rule(
            "three axes",
            lambda x: x.transpose(1, 2, 0) * 1,
            lambda g, x: (g.transpose(2, 0, 1) * 1,),
            normal((2, 3, 2)),
        ),
        Rule(
            "reshape",
            lambda x: x.reshape(4, 3) * 1,
            lambda g, x: (g.reshape(3, 4) * 1,),
            M,
            {"order": lambda g, x: (g.T * 1,)},
        ),
        Rule(
            "flip",
            lambda x: x[::-1] ** 3,
            lambda g, x: (3 * g[::-1] * x**2,),
            normal((5,)),
            {"reversed": lambda g, x: (3 * g * x**2,)},
        ),
        Rule(
            "roll",
            lambda x: np.roll(x, 2),
            lambda g, x: (np.roll(g, -2),),
            normal((5,)),
            {"roll": lambda g, x: (np.roll(g, 2),)},
        ),
        Rule(
            "tile",
            lambda x: np.tile(x, 3),
            lambda g, x: (g.reshape(3, -1).sum(0),),
            normal((4,)),
            {"wrong axis": lambda g, x: (g.reshape(-1, 3).sum(1),)},
        ),
        Rule(
            "repeat",
            lambda x: np.repeat(x, 3),
            lambda g, x: (g.reshape(-1, 3).sum(1),),
            normal((4,)),
            {"wrong axis": lambda g, x: (g.reshape(3, -1).sum(0),)},
        ),
        Rule(
            "pad",
            lambda x: np.pad(x, 2),
            lambda g, x: (g[2:-2],),
            normal((4,)),
            {"off by one": lambda g, x: (g[1:-3],)},
        ),
        Rule(
            "pad, reflected",
            lambda x: np.pad(x, 1, mode="reflect"),
            lambda g, x: (g[1:-1] + pick(x, 0, 1) * g[0] + pick(x, 0, -2) * g[-1],),
            normal((4,)),
            {"dropped term": lambda g, x: (g[1:-1] * 1,)},
        ),
        Rule(
            "concatenate",
            lambda a, b: np.concatenate([a, b]),
            lambda g, a, b: (g[: len(a)], g[len(a) :]),
            normal((3, 2), (3, 2)),
            {"swapped arguments": lambda g, a, b: (g[len(a) :], g[: len(a)])},
        ),
        Rule(
            "stack",
            lambda a, b: np.stack([a, b**2], 1),
            lambda g, a, b: (g[:, 0], 2 * b * g[:, 1]),
            normal((4,), (4,)),
        ),
        Rule("diagonal", np.diagonal, lambda g, x: (np.diag(g),), SQ),
        Rule(
            "triangle",
            np.tril,
            lambda g, x: (np.tril(g),),
            SQ,
            {"transposed": lambda g, x: (np.triu(g),)},
        ),
        Rule("trace", np.trace, lambda g, x: (g * np.eye(len(x)),), SQ),
        Rule(
            "where",
            lambda x, y: np.where(np.arange(5) % 2 == 0, x, y * y),
            lambda g, x, y: (g * (np.arange(5) % 2 == 0), 2 * y * g * (np.arange(5) % 2 == 1)),
            normal((5,), (5,)),
            {
                "wrong branch": lambda g, x, y: (
                    g * (np.arange(5) % 2 == 1),
                    2 * y * g * (np.arange(5) % 2 == 0),
                )
            },
        ),
        Rule("empty slice", lambda x: x[:0] * 2, lambda g, x: (0 * x,), normal((4,))),
        Rule("sum of nothing", np.sum, lambda g, x: (0 * x,), normal((0, 3))),
    ]


def products() -> list[Rule]:
    def matmul(g, a, b):
        return fold(g @ b.swapaxes(-1, -2), a.shape), fold(a.swapaxes(-1, -2) @ g, b.shape)

    swapped = {
        "swapped arguments": lambda g, a, b: matmul(g, b, a),
        "transposed": lambda g, a, b: (g @ b, a @ g),
    }
    batched = normal((2, 3, 2), (2, 4))
    rules = [
        Rule("matmul", np.matmul, matmul, normal((3, 4), (4, 2))),
        Rule("matmul, square", np.matmul, matmul, normal((3, 3), (3, 3)), swapped),
        Rule(
            "matmul, mixed", np.matmul, matmul, spread((3, 3), (3, 3), low=-4, high=4, signed=True)
        ),
        Rule(
            "matmul, 1e-8 by 1e8",
            np.matmul,
            matmul,
            both(normal((2, 3), scale=1e-8), normal((3, 2), scale=1e8)),
        ),
        Rule("matmul, batched", np.matmul, matmul, batched),
        Rule("matmul, empty", np.matmul, matmul, normal((2, 0), (0, 3))),
        Rule("matmul, float32", np.matmul, matmul, cast(normal((3, 4), (4, 2)), "float32")),
        Rule("matmul, large", np.matmul, matmul, normal((300, 334), (334, 5))),
        Rule(
            "matrix by vector",
            np.matmul,
            lambda g, a, x: (np.outer(g, x), a.T @ g),
            normal((4, 4), (4,)),
            {"transposed": lambda g, a, x: (np.outer(x, g), a @ g)},
        ),
        Rule(
            "dot",
            np.dot,
            lambda g, x, y: (g * y, g * x),
            normal((5,), (5,)),
            {"swapped arguments": lambda g, x, y: (g * x, g * y)},
        ),
        Rule(
            "dot, cancelling",
            np.dot,
            lambda g, x, y: (g * y, g * x),
            of([1e4, 1.0, -1e4], [1.0, 1.0, 1.0]),
        ),
        Rule("outer", np.outer, lambda g, x, y: (g @ y, x @ g), normal((3,), (4,))),
        Rule(
            "quadratic form",
            lambda a, x: x @ a @ x,
            lambda g, a, x: (g * np.outer(x, x), g * (a + a.T) @ x),
            normal((3, 3), (3,)),
            {
                "dropped term": lambda g, a, x: (g * np.outer(x, x), g * a @ x),
                "factor 2": lambda g, a, x: (g * np.outer(x, x), 2 * g * a @ x),
            },
        ),
        Rule(
            "bilinear",
            lambda x, w, y: np.einsum("bi,kij,bj->bk", x, w, y),
            lambda g, x, w, y: (
                np.einsum("bk,kij,bj->bi", g, w, y),
                np.einsum("bk,bi,bj->kij", g, x, y),
                np.einsum("bk,kij,bi->bj", g, w, x),
            ),
            normal((2, 3), (2, 3, 2), (2, 2)),
        ),
        Rule(
            "gram",
            lambda a: a.T @ a,
            lambda g, a: (a @ (g + g.T),),
            normal((4, 3)),
            {"dropped term": lambda g, a: (a @ g,), "factor 2": lambda g, a: (2 * a @ g,)},
        ),
        Rule(
            "covariance",
            lambda a: (a - a.mean(0)).T @ (a - a.mean(0)) / (len(a) - 1),
            lambda g, a: ((a - a.mean(0)) @ (g + g.T) / (len(a) - 1),),
            normal((5, 2)),
            {"ddof": lambda g, a: ((a - a.mean(0)) @ (g + g.T) / len(a),)},
        ),
        Rule(
            "kron",
            np.kron,
            lambda g, a, b: (
                np.einsum("ikjl,kl->ij", g.reshape(2, 3, 2, 3), b),
                np.einsum("ikjl,ij->kl", g.reshape(2, 3, 2, 3), a),
            ),
            normal((2, 2), (3, 3)),
        ),
        Rule(
            "cross",
            lambda a, b: np.cross(a, b),
            lambda g, a, b: (np.cross(b, g), np.cross(g, a)),
            normal((3,), (3,)),
            {"sign of a term": lambda g, a, b: (np.cross(g, b), np.cross(g, a))},
        ),
        Rule(
            "matrix cube",
            lambda a: a @ a @ a,
            lambda g, a: (g @ a.T @ a.T + a.T @ g @ a.T + a.T @ a.T @ g,),
            SQ,
            {
                "dropped term": lambda g, a: (g @ a.T @ a.T + a.T @ g @ a.T,),
                "factor 3": lambda g, a: (3 * a.T @ a.T @ g,),
            },
        ),
    ]
    return rules + convolutions()


def convolutions() -> list[Rule]:
    def conv(x, w, stride=1):
        return np.einsum("bcijkl,ockl->boij", windows(x, w.shape[-1], stride), w)

    def pull(g, x, w, stride=1):
        patches = np.einsum("boij,ockl->bcijkl", g, w)
        return unwindows(patches, x.shape, stride), np.einsum(
            "bcijkl,boij->ockl", windows(x, w.shape[-1], stride), g
        )

    def flipped(g, x, w):
        return pull(g, x, w[..., ::-1, ::-1])[0], pull(g, x, w)[1]

    def pool(x):
        return windows(x, 2, 2).max((-1, -2))

    def pull_pool(g, x):
        w = windows(x, 2, 2)
        return (unwindows((w == w.max((-1, -2), keepdims=True)) * g[..., None, None], x.shape, 2),)

    def one(x, k):
        return np.array([x[i : i + len(k)] @ k for i in range(len(x) - len(k) + 1)], dtype=x.dtype)

    def pull_one(g, x, k):
        return np.convolve(g, k), np.array([g @ x[i : i + len(g)] for i in range(len(k))])

    images, kernels = (1, 2, 4, 4), (2, 2, 3, 3)
    return [
        Rule(
            "correlate",
            one,
            pull_one,
            normal((6,), (3,)),
            {"reversed": lambda g, x, k: (np.convolve(g, k[::-1]), pull_one(g, x, k)[1])},
        ),
        Rule(
            "convolve",
            np.convolve,
            lambda g, x, k: (one(g, k), one(g, x)),
            normal((6,), (3,)),
            {"reversed": lambda g, x, k: (one(g, k[::-1]), one(g, x))},
        ),
        Rule(
            "convolve, mixed",
            np.convolve,
            lambda g, x, k: (one(g, k), one(g, x)),
            spread((5,), (2,), low=-4, high=4),
        ),
        Rule("conv2d", conv, pull, normal(images, kernels), {"reversed": flipped}),
        Rule(
            "conv2d, stride 2",
            lambda x, w: conv(x, w, 2),
            lambda g, x, w: pull(g, x, w, 2),
            normal((1, 1, 5, 5), (1, 1, 3, 3)),
        ),
        Rule("conv2d, large", conv, pull, normal((1, 1, 320, 320), (1, 1, 2, 2))),
        Rule("conv2d, float32", conv, pull, cast(normal((1, 1, 4, 4), (1, 1, 2, 2)), "float32")),
        Rule("max pool", pool, pull_pool, apart((1, 4, 4))),
        Rule(
            "mean pool",
            lambda x: windows(x, 2, 2).mean((-1, -2)),
            lambda g, x: (
                unwindows(np.ones_like(windows(x, 2, 2)) * g[..., None, None] / 4, x.shape, 2),
            ),
            normal((1, 4, 4)),
            {
                "mean as sum": lambda g, x: (
                    unwindows(np.ones_like(windows(x, 2, 2)) * g[..., None, None], x.shape, 2),
                )
            },
        ),
        Rule(
            "overlapping mean pool",
            lambda x: windows(x, 2).mean((-1, -2)),
            lambda g, x: (
                unwindows(np.ones_like(windows(x, 2)) * g[..., None, None] / 4, x.shape),
            ),
            normal((3, 3)),
        ),
        Rule(
            "power spectrum",
            lambda x: np.abs(np.fft.fft(x)) ** 2,
            lambda g, x: (2 * np.fft.ifft(g * np.fft.fft(x)).real * len(x),),
            normal((6,)),
            {
                "forgotten constant": lambda g, x: (2 * np.fft.ifft(g * np.fft.fft(x)).real,),
                "factor 2": lambda g, x: (np.fft.ifft(g * np.fft.fft(x)).real * len(x),),
            },
        ),
        Rule(
            "real part of fft",
            lambda x: np.fft.fft(x).real,
            lambda g, x: (np.fft.fft(g).real,),
            normal((5,)),
        ),
    ]


def algebra() -> list[Rule]:
    def well(n):
        return lambda rng: (rng.normal(size=(n, n)) + 3 * np.eye(n),)

    def sym(a):
        return (a + a.T) / 2

    def pull_inv(g, a):
        return (-inv(a).T @ g @ inv(a).T,)

    def pull_solve(g, a, b):
        w = solve(a.T, g)
        return -np.outer(w, solve(a, b)), w

    def pull_cholesky(g, a):
        low = cholesky(a)
        p = np.tril(low.T @ np.tril(g))
        p = p - np.diag(np.diagonal(p)) / 2
        return (sym(inv(low).T @ p @ inv(low)),)

    def values(a):
        return eigh(sym(a))[0]

    def pull_values(g, a):
        v = eigh(sym(a))[1]
        return ((v * g) @ v.T,)

    def of_matrix(fn, d):
        def f(a):
            w, v = eigh(sym(a))
            return (v * fn(w)) @ v.T

        def vjp(g, a, exact=True):
            w, v = eigh(sym(a))
            gap = w[:, None] - w + np.eye(len(w))
            ratio = (fn(w)[:, None] - fn(w)) / gap + np.diag(d(w)) if exact else np.diag(d(w))
            return (sym(v @ (ratio * (v.T @ g @ v)) @ v.T),)

        return f, vjp, {"dropped term": lambda g, a: vjp(g, a, False)}

    def rule(name, fn, d, draw):
        f, vjp, wrong = of_matrix(fn, d)
        return Rule(name, f, vjp, draw, wrong)

    def singular(a):
        return np.sqrt(eigh(a.T @ a)[0])

    def pull_singular(g, a):
        w, v = eigh(a.T @ a)
        return (a @ (v * (g / np.sqrt(w))) @ v.T,)

    def lstsq(a, b):
        return solve(a.T @ a, a.T @ b)

    def pull_lstsq(g, a, b):
        x, s = lstsq(a, b), solve(a.T @ a, g)
        return np.outer(b - a @ x, s) - np.outer(a @ s, x), a @ s

    def projector(a):
        v = eigh(sym(a))[1][:, -1]
        return np.outer(v, v)

    def pull_projector(g, a):
        w, v = eigh(sym(a))
        h = v.T @ (g + g.T) @ v[:, -1] / np.append(w[-1] - w[:-1], 1)
        h[-1] = 0
        return (sym(np.outer(v @ h, v[:, -1])),)

    return [
        Rule(
            "inv",
            inv,
            pull_inv,
            well(3),
            {
                "sign": lambda g, a: (-pull_inv(g, a)[0],),
                "transposed": lambda g, a: (-inv(a) @ g @ inv(a),),
            },
        ),
        Rule(
            "inv, ill-conditioned",
            inv,
            pull_inv,
            lambda rng: (rng.normal(size=(3, 3)) @ np.diag([1e3, 1.0, 1e-1]),),
        ),
        Rule("inv, scaled 1e-8", inv, pull_inv, lambda rng: (1e-8 * well(3)(rng)[0],)),
        Rule(
            "solve",
            solve,
            pull_solve,
            both(well(4), normal((4,))),
            {"transposed": lambda g, a, b: (-np.outer(solve(a, b), solve(a.T, g)), solve(a, g))},
        ),
        Rule(
            "det",
            det,
            lambda g, a: (g * det(a) * inv(a).T,),
            well(3),
            {"transposed": lambda g, a: (g * det(a) * inv(a),)},
        ),
        Rule(
            "log det",
            lambda a: np.log(np.abs(det(a))),
            lambda g, a: (g * inv(a).T,),
            well(4),
            {"transposed": lambda g, a: (g * inv(a),)},
        ),
        Rule(
            "cholesky",
            lambda a: cholesky(sym(a)),
            pull_cholesky,
            symmetric(3),
            {"transposed": lambda g, a: pull_cholesky(g.T, a)},
        ),
        Rule(
            "cholesky, scaled 1e8",
            lambda a: cholesky(sym(a)),
            pull_cholesky,
            lambda rng: (1e8 * symmetric(3)(rng)[0],),
        ),
        Rule(
            "eigenvalues",
            values,
            pull_values,
            symmetric(3),
            {"wrong order": lambda g, a: pull_values(g[::-1], a)},
        ),
        Rule("eigenvalues, 6", values, pull_values, symmetric(6, definite=False)),
        rule("matrix exponential", np.exp, np.exp, symmetric(3)),
        rule("matrix root", np.sqrt, lambda w: 0.5 / np.sqrt(w), symmetric(3)),
        rule("matrix logarithm", np.log, lambda w: 1 / w, symmetric(4)),
        Rule("first eigenvector's projector", projector, pull_projector, symmetric(3)),
        Rule("singular values", singular, pull_singular, normal((4, 3))),
        Rule(
            "nuclear norm",
            lambda a: singular(a).sum(),
            lambda g, a: pull_singular(g * np.ones(a.shape[1]), a),
            normal((4, 3)),
        ),
        Rule(
            "least squares",
            lstsq,
            pull_lstsq,
            normal((5, 2), (5,)),
            {
                "dropped term": lambda g, a, b: (
                    -np.outer(pull_lstsq(g, a, b)[1], lstsq(a, b)),
                    pull_lstsq(g, a, b)[1],
                )
            },
        ),
        Rule(
            "Mahalanobis distance",
            lambda x, a: x @ solve(a, x),
            lambda g, x, a: (
                g * (solve(a, x) + solve(a.T, x)),
                -g * np.outer(solve(a.T, x), solve(a, x)),
            ),
            both(normal((3,)), well(3)),
            {
                "dropped term": lambda g, x, a: (
                    g * solve(a, x),
                    -g * np.outer(solve(a.T, x), solve(a, x)),
                )
            },
        ),
        Rule(
            "trace of inverse",
            lambda a: np.trace(inv(a)),
            lambda g, a: (-g * (inv(a) @ inv(a)).T,),
            well(3),
        ),
    ]
