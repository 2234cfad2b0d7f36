"""What linear algebra costs: forward and backward, against the same written by hand in NumPy.

Run as ``OMP_NUM_THREADS=1 python benchmarks/linalg.py``. Prints for each operation the microseconds
of the NumPy that somebody who knows the gradient would write, and the ratio of minigrad (and of
PyTorch where installed) to it: medians of interleaved rounds.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from interleave import race

import minigrad as mg

RNG = np.random.default_rng(0)


class Task(NamedTuple):
    """An operation in three ways; ``by_hand`` returns the result and the gradients."""

    arrays: tuple[np.ndarray, ...]
    by_hand: Callable[..., tuple[Any, ...]]
    op: Callable[..., Any]
    torch: Callable[..., Any]


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def positive(n: int) -> np.ndarray:
    a = normal(n, n)
    return a @ a.T + n * np.eye(n)


def matmul(g, a, b):
    return a @ b, g @ b.T, a.T @ g


def stack_by_matrix(g, a, b):
    rows = g.reshape(-1, g.shape[-1])
    return a @ b, g @ b.T, a.reshape(-1, a.shape[-1]).T @ rows


def stacks(g, a, b):
    return a @ b, g @ b.swapaxes(1, 2), a.swapaxes(1, 2) @ g


def scores(g, q, k):
    q, k = q.transpose(0, 2, 1, 3), k.transpose(0, 2, 1, 3)
    gq, gk = g @ k, g.swapaxes(2, 3) @ q
    return q @ k.swapaxes(2, 3), gq.transpose(0, 2, 1, 3), gk.transpose(0, 2, 1, 3)


def bilinear(g, x, w, y):
    n, i, j, k = len(x), *w.shape
    xw = (x @ w.reshape(i, j * k)).reshape(n, j, k)
    out = (xw @ y[:, :, None])[..., 0]
    gxw = g[:, :, None] * y[:, None, :]
    flat = gxw.reshape(n, j * k)
    gw = (x.T @ flat).reshape(i, j, k)
    gy = (g[:, None, :] @ xw)[:, 0]
    return out, flat @ w.reshape(i, j * k).T, gw, gy


def total(g, a, b):
    return np.einsum("ij,ij->", a, b), g * b, g * a


def inverse(g, a):
    out = np.linalg.inv(a)
    return out, -(out.T @ g @ out.T)


def solution(g, a, b):
    out = np.linalg.solve(a, b)
    back = np.linalg.solve(a.T, g)
    return out, -np.outer(back, out), back


def factor(g, a):
    out = np.linalg.cholesky(a)
    n = len(out)
    middle = np.tril(out.T @ g)
    middle[range(n), range(n)] *= 0.5
    middle = (middle + middle.T) * 0.5
    inverse = np.linalg.inv(out)
    return out, inverse.T @ middle @ inverse


def log_determinant(g, a):
    return np.linalg.slogdet(a)[1], g * np.linalg.inv(a).T


def determinant(g, a):
    out = np.linalg.det(a)
    return out, g * out * np.linalg.inv(a).T


def both_factors(g, a):
    q, r = np.linalg.qr(a)
    middle = r @ g[1].T - g[0].T @ q
    middle = np.tril(middle) + np.tril(middle, -1).T
    return q, r, np.linalg.solve(r, (g[0] + q @ middle).T).T


def spectrum(g, a):
    w, v = np.linalg.eigh(a)
    gap = w - w[:, None] + np.eye(len(w))
    inner = v.T @ g[1]
    middle = (inner - inner.T) * 0.5 / gap + np.diag(g[0])
    return w, v, v @ middle @ v.T


def singular(g, a):
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    gap = s * s - (s * s)[:, None] + np.eye(len(s))
    left, right = u.T @ g[0], vh @ g[2].T
    middle = (left - left.T) / gap * s + s[:, None] * ((right - right.T) / gap) + np.diag(g[1])
    out = (u @ middle + (g[0] - u @ left) / s) @ vh
    return u, s, vh, out


def length(g, x):
    out = np.linalg.norm(x, axis=1)
    return out, (g / out)[:, None] * x


N = 256
TASKS = {
    "matmul 256": Task((normal(N, N), normal(N, N)), matmul, np.matmul, lambda t: t.matmul),
    "matmul 1024": Task((normal(1024, 1024),) * 2, matmul, np.matmul, lambda t: t.matmul),
    "matmul (32, 64, 128) by (128, 128)": Task(
        (normal(32, 64, 128), normal(128, 128)), stack_by_matrix, np.matmul, lambda t: t.matmul
    ),
    "matmul of 32 stacks of 128": Task(
        (normal(32, 128, 128), normal(32, 128, 128)), stacks, np.matmul, lambda t: t.matmul
    ),
    "einsum ij,jk->ik of 256": Task(
        (normal(N, N), normal(N, N)),
        matmul,
        lambda a, b: np.einsum("ij,jk->ik", a, b),
        lambda t: lambda a, b: t.einsum("ij,jk->ik", a, b),
    ),
    "einsum bqhd,bkhd->bhqk": Task(
        (normal(8, 128, 4, 32), normal(8, 128, 4, 32)),
        scores,
        lambda q, k: np.einsum("bqhd,bkhd->bhqk", q, k),
        lambda t: lambda q, k: t.einsum("bqhd,bkhd->bhqk", q, k),
    ),
    "einsum ni,ijk,nk->nj": Task(
        (normal(64, 48), normal(48, 32, 48), normal(64, 48)),
        bilinear,
        lambda x, w, y: np.einsum("ni,ijk,nk->nj", x, w, y),
        lambda t: lambda x, w, y: t.einsum("ni,ijk,nk->nj", x, w, y),
    ),
    "einsum ij,ij-> of 512": Task(
        (normal(512, 512), normal(512, 512)),
        total,
        lambda a, b: np.einsum("ij,ij->", a, b),
        lambda t: lambda a, b: t.einsum("ij,ij->", a, b),
    ),
    "inv 256": Task((positive(N),), inverse, np.linalg.inv, lambda t: t.linalg.inv),
    "solve 256, a vector": Task(
        (positive(N), normal(N)), solution, np.linalg.solve, lambda t: t.linalg.solve
    ),
    "cholesky 256": Task((positive(N),), factor, np.linalg.cholesky, lambda t: t.linalg.cholesky),
    "slogdet 256": Task(
        (positive(N) / N,),
        log_determinant,
        lambda a: np.linalg.slogdet(a)[1],
        lambda t: lambda a: t.linalg.slogdet(a)[1],
    ),
    "det 128": Task((positive(128) / 128,), determinant, np.linalg.det, lambda t: t.linalg.det),
    "qr (256, 128)": Task((normal(N, 128),), both_factors, np.linalg.qr, lambda t: t.linalg.qr),
    "eigh 128": Task((positive(128),), spectrum, np.linalg.eigh, lambda t: t.linalg.eigh),
    "svd (256, 128)": Task(
        (normal(N, 128),),
        singular,
        lambda a: np.linalg.svd(a, full_matrices=False),
        lambda t: lambda a: t.linalg.svd(a, full_matrices=False),
    ),
    "norm of 1024 rows of 256": Task(
        (normal(1024, N),),
        length,
        lambda x: np.linalg.norm(x, axis=1),
        lambda t: lambda x: t.linalg.vector_norm(x, dim=1),
    ),
}


def outputs(result: Any) -> tuple[Any, ...]:
    return tuple(result) if isinstance(result, tuple) else (result,)


def contestants(task: Task) -> dict[str, Callable[[], object]]:
    """The three ways, with the cotangents drawn once; minigrad's gradients are verified."""
    shapes = [np.shape(x) for x in outputs(task.op(*task.arrays))]
    gs = [np.asarray(RNG.normal(size=shape)) for shape in shapes]
    g = tuple(gs) if len(gs) > 1 else gs[0]

    def by_hand() -> tuple[Any, ...]:
        return task.by_hand(g, *task.arrays)

    def with_minigrad() -> list[Any]:
        if len(gs) > 1:  # one walk for several results
            return list(mg.vjp(task.op, *task.arrays)[1](g))
        leaves = [mg.Tensor(x, requires_grad=True) for x in task.arrays]
        task.op(*leaves).backward(g)
        return [leaf.grad for leaf in leaves]

    for found, wanted in zip(with_minigrad(), by_hand()[len(gs) :], strict=True):
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(found.numpy() / scale, wanted / scale, atol=1e-8)
    ways: dict[str, Callable[[], object]] = {"NumPy": by_hand, "minigrad": with_minigrad}
    try:
        import torch
    except ImportError:
        return ways
    torch.set_num_threads(1)
    arrays = [torch.from_numpy(x) for x in task.arrays]
    cotangents = [torch.from_numpy(c) for c in gs]
    op = task.torch(torch)

    def with_torch() -> None:
        leaves = [x.detach().requires_grad_() for x in arrays]
        torch.autograd.backward(outputs(op(*leaves)), cotangents)

    return {**ways, "PyTorch": with_torch}


def main() -> None:
    rounds = int(sys.argv[sys.argv.index("--rounds") + 1]) if "--rounds" in sys.argv else 15
    print("| forward and backward | NumPy by hand, µs | minigrad | PyTorch |\n|---|---|---|---|")
    for name, task in TASKS.items():
        if "--only" in sys.argv and sys.argv[sys.argv.index("--only") + 1] not in name:
            continue
        timed = race(contestants(task), rounds=rounds, seconds=0.05)
        peer = f"{timed['PyTorch'][1]:.2f}" if "PyTorch" in timed else "-"
        micros, ratio = timed["NumPy"][0] * 1e6, timed["minigrad"][1]
        print(f"| {name} | {micros:.0f} | {ratio:.2f} | {peer} |", flush=True)


if __name__ == "__main__":
    main()
