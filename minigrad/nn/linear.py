"""Layers that transform features: the dense layer, and scaling that is fitted and saved."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np

from minigrad import ops
from minigrad.arguments import telling
from minigrad.errors import ShapeError
from minigrad.graph import asarray
from minigrad.nn import init as initialisers
from minigrad.nn.init import Initialiser
from minigrad.nn.module import Buffer, Module, Parameter
from minigrad.primitive import Array
from minigrad.scopes import SCOPE
from minigrad.tensor import Tensor

__all__ = ["Linear", "Normalize"]


def in_dtype(x: Any, dtype: np.dtype[Any]) -> Array:
    """Return ``x`` in a layer's dtype; converting a tensor is an op that the graph shows."""
    if not isinstance(x, Tensor):
        data = asarray(x)
        return data if data.dtype == dtype else data.astype(dtype)
    if x._data.dtype == dtype:
        return x
    converted = x.astype(dtype)
    if converted._node is None:  # a constant: what is recorded shows where it comes from
        converted._name = x._name
    return converted


class Linear(Module):
    """Dense layer ``x @ weight + bias``.

    Args:
        in_features: Length of the last axis of the input.
        out_features: Length of the last axis of the output.
        bias: Whether to add a bias, which starts at 0.
        init: Initialiser of the weight of shape ``(in_features, out_features)``; by default
            ``kaiming_uniform``.
        dtype: Floating dtype of the parameters, to which inputs are converted.
        rng: Where initial values are drawn from; by default the global stream.

    >>> layer = Linear(4, 3)
    >>> layer(np.ones((2, 4))).shape, layer.weight.shape, layer.bias.shape
    ((2, 3), (4, 3), (3,))
    """

    bias: Parameter | None

    @telling
    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: Initialiser | None = None,
        dtype: Any = None,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        if in_features < 1 or out_features < 1:
            raise ValueError(f"Linear needs features, not {in_features} → {out_features}")
        self.in_features, self.out_features = in_features, out_features
        shape = (in_features, out_features)
        weight = initialisers.make(init or initialisers.kaiming_uniform(), shape, dtype, rng)
        self.weight = Parameter(weight, name="weight")
        self.bias = Parameter(np.zeros(out_features, weight.dtype), name="bias") if bias else None

    def forward(self, x: Any) -> Any:
        """Return ``x @ weight + bias`` of shape ``(..., out_features)``."""
        weight, bias = self.weight, self.bias
        interpret = weight.__primitive__
        product = interpret(ops.matmul, (in_dtype(x, weight._data.dtype), weight), {})
        return product if bias is None else interpret(ops.add, (product, bias), {})

    def title(self) -> str:
        """Return the layer with its widths."""
        return f"Linear({self.in_features} → {self.out_features})"


class Normalize(Module):
    """Scaling of features that is fitted to data once and then belongs to the model.

    Args:
        num_features: Length of the last axis of the data.
        method: ``"minmax"`` maps each feature's range to 0..1, ``"standard"`` its mean to 0 and
            its standard deviation to 1. A feature that never varies maps to 0.
        dtype: Floating dtype of the result.

    >>> scaled = Normalize(2).fit([[100.0, 7000.0], [400.0, 10000.0]])
    >>> scaled(np.array([[250.0, 8500.0]])).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """

    @telling
    def __init__(
        self,
        num_features: int,
        method: Literal["minmax", "standard"] = "minmax",
        dtype: Any = None,
    ) -> None:
        if method not in ("minmax", "standard"):
            raise ValueError(f"method is 'minmax' or 'standard', not {method!r}")
        self.method = method
        kind = initialisers.default_dtype() if dtype is None else np.dtype(dtype)
        self.offset = Buffer(np.zeros(num_features, kind), name="offset")
        self.scale = Buffer(np.ones(num_features, kind), name="scale")

    def fit(self, x: Any) -> Self:
        """Take offset and scale from the rows of ``x`` and return the layer."""
        data = np.asarray(x, dtype=np.float64)
        features = self.offset.size
        if data.ndim < 2 or data.shape[-1] != features or not data.size:
            raise ValueError(f"Normalize is fitted to rows of {features}, not to {data.shape}")
        if not np.isfinite(data).all():
            raise ValueError("Normalize is fitted to finite data; this has NaN or infinity")
        rows = data.reshape(-1, features)
        spread = np.ptp(rows, axis=0)
        varies = spread > 0  # asked of the range: equal numbers can have a std that is not 0
        offset = rows.min(axis=0)
        if self.method == "standard":
            offset, spread = np.where(varies, rows.mean(axis=0), offset), rows.std(axis=0)
        scale = 1.0 / np.where(varies, spread, 1.0)
        self.offset.data = offset.astype(self.offset.dtype)
        self.scale.data = scale.astype(self.scale.dtype)
        return self

    def forward(self, x: Any) -> Any:
        """Return ``(x - offset) * scale``.

        Raises:
            ShapeError: If the last axis of ``x`` is not one of ``num_features``.
        """
        rows = in_dtype(x, self.offset.dtype)
        if rows.shape[-1:] != self.offset.shape:  # 1 would broadcast
            said = f"Normalize scales rows of {self.offset.size}, not x {rows.shape}"
            raise ShapeError(f"{said}\n  in {SCOPE.get()}")
        scaled = (rows - self.offset) * self.scale
        if not scaled.requires_grad and scaled.name is None:
            scaled.name = f"scaled {x.name}" if isinstance(x, Tensor) and x.name else "scaled"
        return scaled

    def title(self) -> str:
        """Return the layer with its method and width."""
        return f"Normalize({self.offset.size}, {self.method})"
