"""A vector for each of a number of things, looked up by its number."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import telling
from minigrad.functional import embedding
from minigrad.nn import init as initialisers
from minigrad.nn.init import Initialiser
from minigrad.nn.module import Module, Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """Rows of ``weight``, of shape ``(num_embeddings, embedding_dim)``, by their number.

    Args:
        num_embeddings: How many things there are: indices are ``0 .. num_embeddings - 1``.
        embedding_dim: Length of a vector.
        padding_idx: A row that starts at 0 and gets no gradient, from the end if negative.
        init: Initialiser of the weight; by default normal of standard deviation 1.
        dtype: Floating dtype of the weight.
        rng: Where initial values are drawn from; by default the global stream.

    >>> layer = Embedding(10, 4)
    >>> layer(np.array([[1, 2, 9]])).shape, layer.weight.shape
    ((1, 3, 4), (10, 4))
    """

    @telling
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        init: Initialiser | None = None,
        dtype: Any = None,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        if num_embeddings < 1 or embedding_dim < 1:
            raise ValueError(f"Embedding needs rows, not {num_embeddings} of {embedding_dim}")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx {padding_idx} of {num_embeddings} rows")
        shape = (num_embeddings, embedding_dim)
        weight = initialisers.make(init or initialisers.normal(1.0), shape, dtype, rng)
        if padding_idx is not None:
            weight[padding_idx] = 0.0
        self.weight = Parameter(weight, name="weight")
        self.padding_idx = padding_idx

    def forward(self, indices: Any) -> Any:
        """Return the rows at ``indices``, of shape ``(*indices.shape, embedding_dim)``."""
        return embedding(indices, self.weight, self.padding_idx)

    def title(self) -> str:
        """Return the layer with the shape of its table."""
        return f"Embedding({' × '.join(map(str, self.weight.shape))})"
