"""Batching rules of linear algebra, which NumPy batches itself, and of windows and convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops
from minigrad.batching.interpreter import Call, aligned, one_by_one
from minigrad.batching.rules import batches, behind, leading

batches("cofactor", "det", "inv", "slogdet", "nuclear_norm", "polar_factor")(leading)
batches("cholesky", knows="upper")(leading)
batches("eigh", "eigvalsh", knows="uplo")(leading)
batches("qr", knows="mode")(leading)
batches("svd", "svdvals", knows="full hermitian")(leading)


@batches("pinv", knows="rcond hermitian")
def pinv(call: Call) -> Any:
    """Pseudo-inverses; a cut-off for each matrix of an example goes one by one."""
    return leading(call) if np.ndim(call.params["rcond"]) == 0 else one_by_one(call)


@batches("solve")
def solve(call: Call) -> Any:
    """Solutions; a vector of one example becomes a column."""
    vector = call.ndim(1) == 1
    b = ops.expand_dims(call.values[1], -1) if vector else call.values[1]
    call = Call(call.primitive, (call.values[0], b), call.batched, call.params, call.size)
    rank = max(call.ndim(0), call.ndim(1))
    out = call.run(aligned(call, 0, rank), aligned(call, 1, rank))
    return ops.squeeze(out, axis=-1) if vector else out


@batches("linear_recurrence", knows="axis reverse")
def recurrence(call: Call) -> Any:
    """Recurrences, whose inputs have one shape."""
    return call.run(call.each(0), call.each(1), axis=behind(call.params["axis"]))


@batches("lexsort", knows="axis")
def lexsort(call: Call) -> Any:
    """Orders by several keys, which stay the first axis."""
    return call.run(ops.moveaxis(call.values[0], 0, 1), axis=behind(call.params["axis"]))


@batches("searchsorted", knows="side sorter")
def searchsorted(call: Call) -> Any:
    """Places in one sorted array that all examples share."""
    return one_by_one(call) if call.batched[0] else call.run(*call.values)


# Windows


@batches("sliding_windows", knows="window_shape axis step dilation")
def sliding_windows(call: Call) -> Any:
    """Windows of each example."""
    return call.run(call.values[0], axis=behind(call.params["axis"]))


@batches("overlap_add", knows="shape axis step dilation")
@batches("scatter_diagonal", knows="shape offset axis1 axis2")
def into_zeros(call: Call) -> Any:
    """Ops that add into zeros of a shape, along named axes."""
    axes = {k: behind(v) for k, v in call.params.items() if k in ("axis", "axis1", "axis2")}
    return call.run(call.values[0], shape=(call.size, *call.params["shape"]), **axes)


def _as_groups(call: Call, i: int) -> Any:
    """Images ``(N, G, ...)`` of each example as groups of one: ``(N, examples * G, ...)``."""
    images = ops.moveaxis(call.each(i), 0, 1)
    return ops.reshape(images, (images.shape[0], call.size * images.shape[2], *images.shape[3:]))


@batches("window_product", knows="step dilation")
@batches("overlap_product", knows="size step dilation")
def convolution(call: Call) -> Any:
    """Images and kernels: shared kernels see one long batch, other ones are groups of their own."""
    images, kernels = call.values
    if not call.batched[1]:
        flat = ops.reshape(images, (call.size * images.shape[1], *images.shape[2:]))
        out = call.run(flat, kernels)
        return ops.reshape(out, (call.size, images.shape[1], *out.shape[1:]))
    groups = kernels.shape[1]
    flat = ops.reshape(kernels, (call.size * groups, *kernels.shape[2:]))
    out = call.run(_as_groups(call, 0), flat)
    out = ops.reshape(out, (out.shape[0], call.size, groups, *out.shape[2:]))
    return ops.moveaxis(out, 1, 0)


@batches("kernel_product", knows="kernel step dilation")
def kernel_product(call: Call) -> Any:
    """Gradients of kernels, one for each example."""
    out = call.run(_as_groups(call, 0), _as_groups(call, 1))
    return ops.reshape(out, (call.size, out.shape[0] // call.size, *out.shape[1:]))
