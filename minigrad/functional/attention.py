"""Attention: a mean of values, weighted by how well keys answer a query."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.errors import ShapeError
from minigrad.functional.composition import as_operand, composite, floating, held, in_dtype
from minigrad.functional.noise import Stream, dropout
from minigrad.functional.probability import softmax
from minigrad.primitive import Array

__all__ = ["scaled_dot_product_attention"]


@composite
def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    rng: Stream = None,
) -> Array:
    """``softmax(query @ key.mT * scale + mask) @ value`` (Vaswani et al., 2017).

    A query whose keys are all masked attends to nothing: its row is 0, and so are its gradients.

    Args:
        query: Of shape ``(..., L, E)``; leading axes broadcast.
        key: Of shape ``(..., S, E)``.
        value: Of shape ``(..., S, V)``.
        attn_mask: Booleans that are true where a query may attend to a key, or numbers that are
            added to the scores; of a shape that broadcasts to ``(..., L, S)``.
        dropout_p: Probability with which weights are dropped. As in PyTorch it is for the caller
            to pass 0 in evaluation.
        is_causal: Whether query ``i`` attends to keys ``0 .. i`` only; counts besides a mask.
        scale: Factor of the scores, by default ``1 / sqrt(E)``.
        enable_gqa: Whether keys and values, at axis -3, may have fewer heads than queries, each
            then serving a group of them.
        rng: Where draws of the dropout come from; by default the global stream.

    Returns:
        Shape ``(..., L, V)``.

    Raises:
        ShapeError: If the shapes do not fit.

    >>> rows = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(rows, rows, rows, is_causal=True, scale=np.log(3.0))
    array([[1.  , 0.  ],
           [0.25, 0.75]])
    """
    query, key, value = floating(query), floating(key), floating(value)
    if enable_gqa:
        key, value = _for_each_head(query, key), _for_each_head(query, value)
    _check(query, key, value)
    factor = 1.0 / math.sqrt(query.shape[-1] or 1) if scale is None else float(scale)
    scores = ops.matmul(query * factor, ops.swapaxes(key, -1, -2))
    if attn_mask is None and not is_causal and key.shape[-2]:
        weights = softmax(scores)
    else:
        weights = _masked_softmax(scores, attn_mask, is_causal)
    return ops.matmul(dropout(weights, dropout_p, True, rng), value)


def _check(query: Array, key: Array, value: Array) -> None:
    fits = (
        min(len(query.shape), len(key.shape), len(value.shape)) >= 2
        and query.shape[-1] == key.shape[-1]
        and key.shape[-2] == value.shape[-2]
    )
    if not fits:
        raise ShapeError(
            f"scaled_dot_product_attention: query {query.shape}, key {key.shape} and value "
            f"{value.shape} are not (..., L, E), (..., S, E) and (..., S, V)"
        )


def _for_each_head(query: Array, x: Array) -> Array:
    """Keys or values repeated, so that each head of the queries has its own."""
    if min(len(query.shape), len(x.shape)) < 3 or query.shape[-3] % (x.shape[-3] or 1):
        raise ShapeError(
            f"scaled_dot_product_attention: the heads of {x.shape} do not divide those of the "
            f"query {query.shape}, at axis -3"
        )
    heads = x.shape[-3]
    if query.shape[-3] == heads:
        return x
    return x[..., np.repeat(np.arange(heads), query.shape[-3] // heads), :, :]


def _masked_softmax(scores: Array, mask: Any, is_causal: bool) -> Array:
    """Softmax of the scores that a mask leaves; zeros where it leaves none."""
    if mask is not None:
        mask = as_operand(mask)
        axes = zip(reversed(mask.shape), reversed(scores.shape), strict=False)
        if len(mask.shape) > len(scores.shape) or any(n not in (1, m) for n, m in axes):
            raise ShapeError(
                f"scaled_dot_product_attention: attn_mask {mask.shape} does not broadcast to the "
                f"scores {scores.shape}"
            )
        if mask.dtype.kind == "b":
            scores = ops.where(mask, scores, -np.inf)
        else:
            scores = scores + in_dtype(mask, scores.dtype)
    if is_causal:
        scores = ops.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    top = np.maximum.reduce(held(scores), axis=-1, keepdims=True, initial=-np.inf)
    weights = ops.exp(scores - np.where(np.isneginf(top), 0.0, top))
    total = ops.sum(weights, -1, True)
    return weights / ops.where(ops.equal(total, 0), 1.0, total)
