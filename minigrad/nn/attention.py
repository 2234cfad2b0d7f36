"""Attention with several heads, and the layer of a transformer that is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.arguments import telling
from minigrad.errors import ShapeError
from minigrad.functional import scaled_dot_product_attention
from minigrad.functional.composition import as_operand
from minigrad.nn import init as initialisers
from minigrad.nn.dropout import Dropout
from minigrad.nn.init import Initialiser
from minigrad.nn.linear import Linear, in_dtype
from minigrad.nn.module import Module, Parameter
from minigrad.nn.normalization import LayerNorm
from minigrad.primitive import Array

__all__ = ["MultiHeadAttention", "TransformerEncoderLayer"]

Rng = np.random.Generator | int | None


class MultiHeadAttention(Module):
    """Attention of ``num_heads`` heads at once, each in a part of the features.

    Queries, keys and values are the thirds of ``x @ in_proj_weight + in_proj_bias``; what the heads
    give is joined and goes through ``out_proj``. ``in_proj_weight`` has shape ``(embed_dim,
    3 * embed_dim)``; where keys or values have features of their own, ``q_proj_weight``,
    ``k_proj_weight`` and ``v_proj_weight`` stand in its place.

    Args:
        embed_dim: Features of queries, keys, values and the result.
        num_heads: Number of heads; it divides the features.
        dropout: Probability with which weights of the attention are dropped in training.
        bias: Whether there are biases.
        kdim: Features of the keys given, if they are not ``embed_dim``.
        vdim: Features of the values given, if they are not ``embed_dim``.
        batch_first: Whether inputs are ``(batch, length, features)``; else ``(length, batch,
            features)``.
        init: Initialiser of the weights; by default ``xavier_uniform``.
        dtype: Floating dtype of the parameters, to which inputs are converted.
        rng: Where initial values and dropout are drawn from; by default the global stream.

    >>> layer = MultiHeadAttention(8, num_heads=2)
    >>> x = np.ones((3, 5, 8))
    >>> layer(x, is_causal=True).shape
    (3, 5, 8)
    >>> output, weights = layer(x, need_weights=True)
    >>> weights.shape  # (batch, heads, queries, keys)
    (3, 2, 5, 5)
    """

    in_proj_weight: Parameter  # not where keys or values have features of their own
    in_proj_bias: Parameter | None

    @telling
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = True,
        init: Initialiser | None = None,
        dtype: Any = None,
        rng: Rng = None,
    ) -> None:
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiHeadAttention: {embed_dim} features in {num_heads} heads")
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        if min(self.kdim, self.vdim) < 1:
            raise ValueError(f"MultiHeadAttention: keys of {kdim} and values of {vdim} features")
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"MultiHeadAttention: dropout is a probability, not {dropout}")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.batch_first = batch_first
        self.rng = None if rng is None else np.random.default_rng(rng)
        init = init or initialisers.xavier_uniform()
        for name, shape in self._shapes().items():
            weight = initialisers.make(init, shape, dtype, self.rng)
            setattr(self, name, Parameter(weight, name=name))
        zeros = np.zeros(3 * embed_dim, weight.dtype)
        self.in_proj_bias = Parameter(zeros, name="in_proj_bias") if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, init=init, dtype=dtype, rng=self.rng)

    def _shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes of the weights that inputs are multiplied by, one or three of them."""
        n = self.embed_dim
        if self.kdim == self.vdim == n:
            return {"in_proj_weight": (n, 3 * n)}
        rows = {"q_proj_weight": n, "k_proj_weight": self.kdim, "v_proj_weight": self.vdim}
        return {name: (features, n) for name, features in rows.items()}

    def forward(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        *,
        key_padding_mask: Any = None,
        attn_mask: Any = None,
        is_causal: bool = False,
        need_weights: bool = False,
    ) -> Any:
        """Return what each query reads from the values.

        Args:
            query: ``(batch, length, features)``, or without the batch.
            key: What answers the queries; by default they themselves, which is self-attention.
            value: What is read; by default the keys.
            key_padding_mask: Booleans ``(batch, keys)``, true where a key is padding that no query
                attends to.
            attn_mask: Booleans, **true where a query may attend to a key** as in
                ``scaled_dot_product_attention`` (PyTorch's layer means the reverse), or numbers
                that are added to the scores; of a shape that broadcasts to ``(batch, heads,
                queries, keys)``.
            is_causal: Whether query ``i`` attends to keys ``0 .. i`` only.
            need_weights: Whether to return the weights of the attention, too.

        Returns:
            An array of the shape of ``query``; with ``need_weights`` a pair of it and the weights
            ``(batch, heads, queries, keys)``.

        Raises:
            ShapeError: If an input has another number of features, or shapes do not fit.
            ValueError: If a square mask lets every query read later keys only: PyTorch's causal
                mask, which means the reverse.
        """
        alone = np.ndim(query) == 2
        q, k, v = (self._heads(part) for part in self._project(query, key, value, alone))
        mask = _allowed(key_padding_mask, attn_mask, k.shape, alone)
        p = self.dropout if self.training else 0.0
        settings: dict[str, Any] = {"attn_mask": mask, "dropout_p": p, "is_causal": is_causal}
        if need_weights:  # values that are unit vectors read the weights themselves
            unit = np.eye(k.shape[-2], dtype=k.dtype)
            weights = scaled_dot_product_attention(q, k, unit, rng=self.rng, **settings)
            read = ops.matmul(weights, v)
        else:
            read = scaled_dot_product_attention(q, k, v, rng=self.rng, **settings)
        joined = ops.swapaxes(read, 1, 2)
        out = self.out_proj(ops.reshape(joined, (*joined.shape[:2], self.embed_dim)))
        if alone:
            out = out[0]
        elif not self.batch_first:
            out = ops.swapaxes(out, 0, 1)
        if not need_weights:
            return out
        return out, weights[0] if alone else weights

    def _project(self, query: Any, key: Any, value: Any, alone: bool) -> list[Array]:
        """Queries, keys and values ``(batch, length, features)``, in one product if they can be."""
        given = [query, query if key is None else key]
        given.append(given[1] if value is None else value)
        weights: list[Array] = [getattr(self, name) for name in self._shapes()]
        features = (self.embed_dim, self.kdim, self.vdim)
        inputs: list[Array] = []
        for i, (name, x) in enumerate(zip(("query", "key", "value"), given, strict=True)):
            if i and x is given[i - 1] and features[i] == features[i - 1]:
                inputs.append(inputs[-1])
                continue
            x = in_dtype(x, weights[0].dtype)
            if len(x.shape) != 3 - alone or x.shape[-1] != features[i]:
                order = "batch, length" if self.batch_first else "length, batch"
                raise ShapeError(
                    f"{self.title()}: {name} {x.shape} is not ({order}, {features[i]})"
                )
            if alone:
                x = ops.expand_dims(x, 0)
            elif not self.batch_first:
                x = ops.swapaxes(x, 0, 1)
            inputs.append(x)
        n, bias = self.embed_dim, self.in_proj_bias
        thirds = [slice(i * n, (i + 1) * n) for i in range(3)]
        if len(weights) == 1 and inputs[0] is inputs[1] is inputs[2]:
            product = _affine(inputs[0], weights[0], bias)
            return [product[..., third] for third in thirds]
        if len(weights) == 1:
            weights = [weights[0][:, third] for third in thirds]
        biases = [None if bias is None else bias[third] for third in thirds]
        return [_affine(*part) for part in zip(inputs, weights, biases, strict=True)]

    def _heads(self, x: Array) -> Array:
        """Part the features: ``(batch, heads, length, features / heads)``."""
        parts = (*x.shape[:2], self.num_heads, self.embed_dim // self.num_heads)
        return ops.swapaxes(ops.reshape(x, parts), 1, 2)

    def title(self) -> str:
        """Return the layer with its features and heads."""
        others = {"keys": self.kdim, "values": self.vdim}
        told = [f", {what} of {n}" for what, n in others.items() if n != self.embed_dim]
        return f"MultiHeadAttention({self.embed_dim}, {self.num_heads} heads{''.join(told)})"


def _affine(x: Array, weight: Array, bias: Array | None) -> Array:
    product = ops.matmul(x, weight)
    return product if bias is None else product + bias


def _refuse_reversed(mask: np.ndarray[Any, Any]) -> None:
    """Raise for ``np.triu(ones, 1)``: taken as it is, a model would read what it is to predict."""
    n = len(mask)
    if mask.shape == (n, n) and n > 1 and mask[0, 1:].all() and not np.tril(mask).any():
        raise ValueError(
            f"attn_mask {mask.shape} lets queries read later keys only: it is true where a query "
            "may attend, so pass ~mask, or is_causal=True (PyTorch's layers mean the reverse)"
        )


def _allowed(padding: Any, mask: Any, keys: tuple[int, ...], alone: bool) -> Any:
    """One mask, for ``scaled_dot_product_attention``, of both that a layer takes."""
    if isinstance(mask, np.ndarray) and mask.dtype.kind == "b" and mask.ndim == 2:
        _refuse_reversed(mask)
    if padding is None:
        return mask
    padding = np.asarray(padding)
    if padding.dtype.kind != "b":
        raise TypeError(f"key_padding_mask holds booleans, not {padding.dtype}")
    padding = padding[None] if alone else padding
    if padding.shape != (keys[0], keys[2]):
        raise ShapeError(f"key_padding_mask {padding.shape} where {(keys[0], keys[2])} fits")
    open_ = ~padding[:, None, None, :]
    if mask is None:
        return open_
    mask = as_operand(mask)
    return (
        ops.logical_and(open_, mask) if mask.dtype.kind == "b" else ops.where(open_, mask, -np.inf)
    )


class TransformerEncoderLayer(Module):
    """Self-attention, then two dense layers at each place, each around a shortcut.

    ``x = norm1(x + self_attn(x))``, then ``norm2(x + linear2(activation(linear1(x))))`` (Vaswani et
    al., 2017); with ``norm_first`` the norms stand inside the shortcuts: deeper stacks train.

    Args:
        d_model: Features of input and output.
        nhead: Number of heads; it divides the features.
        dim_feedforward: Features between the two dense layers.
        dropout: Probability with which weights of the attention, and what the parts add, are
            dropped in training.
        activation: What bends between the dense layers.
        layer_norm_eps: Added to the variance by both norms.
        batch_first: Whether inputs are ``(batch, length, features)``; else ``(length, batch,
            features)``.
        norm_first: Whether norms stand before what they belong to.
        bias: Whether there are biases.
        dtype: Floating dtype of the parameters, to which inputs are converted.
        rng: Where initial values and dropout are drawn from; by default the global stream.

    >>> layer = TransformerEncoderLayer(8, nhead=2, dim_feedforward=16)
    >>> layer(np.ones((3, 5, 8)), is_causal=True).shape
    (3, 5, 8)
    """

    @telling
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Callable[[Any], Any] = ops.relu,
        layer_norm_eps: float = 1e-5,
        *,
        batch_first: bool = True,
        norm_first: bool = False,
        bias: bool = True,
        dtype: Any = None,
        rng: Rng = None,
    ) -> None:
        if not callable(activation):
            hint = f"pass the function: activation=mg.{activation}"
            raise TypeError(
                f"TransformerEncoderLayer: activation {activation!r} can't be called; {hint}"
            )
        rng = None if rng is None else np.random.default_rng(rng)
        self.self_attn = MultiHeadAttention(
            d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype, rng=rng
        )
        plain = initialisers.xavier_uniform()  # no activation follows the second one
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, init=plain, dtype=dtype, rng=rng)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout = Dropout(dropout, rng)
        self.activation, self.norm_first = activation, norm_first

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Any:
        """Return an array of the shape of ``src``; the masks are those of MultiHeadAttention.

        So booleans of ``src_mask`` are true where a place *may* read another, the reverse of
        PyTorch's; for a causal mask pass ``is_causal=True``.
        """
        x = in_dtype(src, self.linear1.weight.dtype)

        def attend(x: Array) -> Array:
            read = self.self_attn(
                x,
                attn_mask=src_mask,
                key_padding_mask=src_key_padding_mask,
                is_causal=is_causal,
            )
            return self.dropout(read)

        def feed(x: Array) -> Array:
            return self.dropout(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        if self.norm_first:
            x = x + attend(self.norm1(x))
            return x + feed(self.norm2(x))
        x = self.norm1(x + attend(x))
        return self.norm2(x + feed(x))

    def title(self) -> str:
        """Return the layer with its features and heads."""
        return (
            f"TransformerEncoderLayer({self.linear1.in_features}, {self.self_attn.num_heads} heads)"
        )
