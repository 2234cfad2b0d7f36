"""Recurrent layers: one step after the other along time, each with what the last one left.

The batch stands first, as everywhere: ``(batch, time, features)``. ``batch_first=False`` takes and
gives ``(time, batch, features)``, PyTorch's order. States are ``(layers * directions, batch,
hidden)`` in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from minigrad import ops
from minigrad.arguments import telling
from minigrad.errors import ShapeError
from minigrad.functional import dropout as drop
from minigrad.nn import init as initialisers
from minigrad.nn.init import Initialiser
from minigrad.nn.linear import in_dtype
from minigrad.nn.module import Module, Parameter
from minigrad.primitive import Array

__all__ = ["GRU", "LSTM", "RNN"]

Rng = np.random.Generator | int | None
States = tuple[Array, ...]
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


class Recurrent(Module):
    """What recurrent layers share: their parameters, and the way through layers and time."""

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    proj_size: int = 0
    weight_ih_l0: Parameter

    @telling
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        init: Initialiser | None = None,
        dtype: Any = None,
        rng: Rng = None,
    ) -> None:
        kind = type(self).__name__
        if min(input_size, hidden_size, num_layers) < 1:
            sizes = f"{input_size} → {hidden_size} in {num_layers} layers"
            raise ValueError(f"{kind} needs features and layers, not {sizes}")
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"{kind}: dropout is a probability, not {dropout}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, dropout
        self.bidirectional = bidirectional
        self.rng = None if rng is None else np.random.default_rng(rng)
        bound = 1.0 / math.sqrt(hidden_size)
        init = init or initialisers.uniform(-bound, bound)
        features = input_size
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                for name, shape in self._shapes(features).items():
                    values = initialisers.make(init, shape, dtype, self.rng)
                    setattr(self, name + suffix, Parameter(values, name=name + suffix))
            features = self._sizes()[0] * (1 + bidirectional)

    def _shapes(self, features: int) -> dict[str, tuple[int, ...]]:
        """Shapes of one layer's parameters in one direction, by name."""
        wide, hidden, out = self.gates * self.hidden_size, self.hidden_size, self._sizes()[0]
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (features, wide),
            "weight_hh": (out, wide),
        }
        if self.bias:
            shapes |= {"bias_ih": (wide,), "bias_hh": (wide,)}
        return shapes | ({"weight_hr": (hidden, out)} if self.proj_size else {})

    def _suffixes(self, layer: int) -> list[str]:
        """What the names of a layer's parameters end in, for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def _sizes(self) -> tuple[int, ...]:
        """Features of each part of the state, of which the first is the output."""
        return (self.proj_size or self.hidden_size, self.hidden_size)[: self.states]

    def _cell(self, x: Array, states: States, weights: Sequence[Any]) -> States:
        raise NotImplementedError(f"{type(self).__name__} has no cell")

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Return the last layer's output at every time, and every layer's state at the end.

        Args:
            x: ``(batch, time, input_size)``, or without the batch.
            state: What to start with, as it is returned; by default zeros.

        Raises:
            ShapeError: If the input has another size, no time, or the state does not fit.
        """
        dtype = self.weight_ih_l0.dtype
        x = in_dtype(x, dtype)
        if len(x.shape) not in (2, 3) or x.shape[-1] != self.input_size:
            order = "batch, time" if self.batch_first else "time, batch"
            raise ShapeError(f"{self.title()}: x {x.shape} is not ({order}, {self.input_size})")
        alone = len(x.shape) == 2
        axis = 1 if self.batch_first else 0
        x = ops.expand_dims(x, 1 - axis) if alone else x
        if not x.shape[axis]:
            raise ShapeError(f"{self.title()}: x {x.shape} has no time")
        lead = (slice(None),) * axis
        steps = [x[(*lead, t)] for t in range(x.shape[axis])]
        states = self._start(state, x.shape[1 - axis], alone, dtype)
        finals: list[States] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                steps = [drop(step, self.dropout, self.training, self.rng) for step in steps]
            steps = self._layer(layer, steps, states, finals)
        out = ops.stack(steps, axis)
        ends = tuple(ops.stack([final[k] for final in finals]) for k in range(self.states))
        if alone:
            out, ends = ops.squeeze(out, 1 - axis), tuple(ops.squeeze(end, 1) for end in ends)
        return out, ends if self.states > 1 else ends[0]

    def _start(self, state: Any, batch: int, alone: bool, dtype: np.dtype[Any]) -> States:
        places = self.num_layers * (1 + self.bidirectional)
        shapes = [(places, batch, size) for size in self._sizes()]
        if state is None:
            return tuple(np.zeros(shape, dtype) for shape in shapes)
        given = tuple(state) if self.states > 1 else (state,)
        given = tuple(in_dtype(part, dtype) for part in given)
        if alone:
            given = tuple(ops.expand_dims(part, 1) for part in given)
        if [part.shape for part in given] != shapes:
            said = ", ".join(str(part.shape) for part in given)
            wanted = ", ".join(map(str, dict.fromkeys(shapes)))
            raise ShapeError(f"{self.title()}: state {said} where {wanted} was expected")
        return given

    def _layer(
        self, layer: int, steps: list[Array], states: States, finals: list[States]
    ) -> list[Array]:
        """Go through time in each direction, and leave the state at the end in ``finals``."""
        directions = []
        for i, suffix in enumerate(self._suffixes(layer)):
            weights = [getattr(self, name + suffix, None) for name in NAMES]
            place = len(finals)
            current = tuple(part[place] for part in states)
            outputs = []
            for step in reversed(steps) if i else steps:
                current = self._cell(step, current, weights)
                outputs.append(current[0])
            finals.append(current)
            directions.append(outputs[::-1] if i else outputs)
        if len(directions) == 1:
            return directions[0]
        return [ops.concatenate(pair, axis=-1) for pair in zip(*directions, strict=True)]

    def title(self) -> str:
        """Return the layer with its sizes."""
        parts = [f"{self.input_size} → {self.hidden_size}"]
        if self.num_layers > 1:
            parts.append(f"{self.num_layers} layers")
        if self.bidirectional:
            parts.append("bidirectional")
        if self.proj_size:
            parts.append(f"projected to {self.proj_size}")
        return f"{type(self).__name__}({', '.join(parts)})"


def _affine(x: Array, weight: Array, bias: Array | None) -> Array:
    product = ops.matmul(x, weight)
    return product if bias is None else product + bias


class RNN(Recurrent):
    """Elman's network ``h = tanh(x @ weight_ih + bias_ih + h @ weight_hh + bias_hh)``.

    Called with ``x`` and perhaps a state ``h``; returns the output at every time and the state at
    the end. Parameters are ``weight_ih_l0`` of shape ``(input_size, hidden_size)``,
    ``weight_hh_l0`` ``(hidden_size, hidden_size)``, and biases; ``_l1`` is the second layer,
    ``_reverse`` the way back.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state and of the output in one direction.
        num_layers: How many layers stand on each other.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: Whether there are biases.
        batch_first: Whether ``x`` is ``(batch, time, features)``; else ``(time, batch, features)``.
        dropout: Probability with which outputs of all layers but the last are dropped in training.
        bidirectional: Whether a second network goes from the end to the start; outputs of both are
            joined.
        init: Initialiser of all parameters; by default uniform within ``1 / sqrt(hidden_size)``.
        dtype: Floating dtype of the parameters, to which inputs are converted.
        rng: Where initial values and dropout are drawn from; by default the global stream.

    >>> output, h = RNN(4, 8)(np.ones((2, 5, 4)))
    >>> output.shape, h.shape
    ((2, 5, 8), (1, 2, 8))
    """

    @telling
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        *,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        init: Initialiser | None = None,
        dtype: Any = None,
        rng: Rng = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            init=init,
            dtype=dtype,
            rng=rng,
        )

    def _cell(self, x: Array, states: States, weights: Sequence[Any]) -> States:
        bend = ops.tanh if self.nonlinearity == "tanh" else ops.relu
        inner, outer, bias, recurrent, _ = weights
        return (bend(_affine(x, inner, bias) + _affine(states[0], outer, recurrent)),)


class LSTM(Recurrent):
    """Long short-term memory: a cell ``c`` that gates protect (Hochreiter, Schmidhuber, 1997).

    ``i, f, g, o`` are the quarters of ``x @ weight_ih + bias_ih + h @ weight_hh + bias_hh``; then
    ``c = sigmoid(f) * c + sigmoid(i) * tanh(g)`` and ``h = sigmoid(o) * tanh(c)``. The state is
    ``(h, c)``. Arguments and names of parameters are those of RNN, without ``nonlinearity``; with
    ``proj_size`` the output and ``h`` are ``h @ weight_hr``, of that many features (Sak, 2014).

    >>> output, (h, c) = LSTM(4, 8, num_layers=2, bidirectional=True)(np.ones((2, 5, 4)))
    >>> output.shape, h.shape, c.shape
    ((2, 5, 16), (4, 2, 8), (4, 2, 8))
    """

    gates, states = 4, 2

    @telling
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        init: Initialiser | None = None,
        dtype: Any = None,
        rng: Rng = None,
    ) -> None:
        if not 0 <= proj_size < max(hidden_size, 1):
            raise ValueError(f"LSTM: proj_size {proj_size} is not below hidden_size {hidden_size}")
        self.proj_size = proj_size
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            init=init,
            dtype=dtype,
            rng=rng,
        )

    def _cell(self, x: Array, states: States, weights: Sequence[Any]) -> States:
        inner, outer, bias, recurrent, down = weights
        hidden, cell = states
        z = _affine(x, inner, bias) + _affine(hidden, outer, recurrent)
        n = self.hidden_size
        let_in, keep = ops.sigmoid(z[:, :n]), ops.sigmoid(z[:, n : 2 * n])
        fresh, let_out = ops.tanh(z[:, 2 * n : 3 * n]), ops.sigmoid(z[:, 3 * n :])
        cell = keep * cell + let_in * fresh
        hidden = let_out * ops.tanh(cell)
        return hidden if down is None else ops.matmul(hidden, down), cell


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al., 2014), in the form of cuDNN and PyTorch.

    With the thirds ``r, z, n`` of ``x @ weight_ih + bias_ih`` and of ``h @ weight_hh + bias_hh``:
    ``r`` and ``z`` are sigmoids of their sums, ``n = tanh(n_x + r * n_h)``, and ``h = (1 - z) * n +
    z * h``. Arguments and names of parameters are those of RNN, without ``nonlinearity``.

    >>> output, h = GRU(4, 8)(np.ones((2, 5, 4)))
    >>> output.shape, h.shape
    ((2, 5, 8), (1, 2, 8))
    """

    gates = 3

    def _cell(self, x: Array, states: States, weights: Sequence[Any]) -> States:
        inner, outer, bias, recurrent, _ = weights
        hidden = states[0]
        n = self.hidden_size
        from_x, from_h = _affine(x, inner, bias), _affine(hidden, outer, recurrent)
        gates = ops.sigmoid(from_x[:, : 2 * n] + from_h[:, : 2 * n])
        reset, keep = gates[:, :n], gates[:, n:]
        fresh = ops.tanh(from_x[:, 2 * n :] + reset * from_h[:, 2 * n :])
        return (fresh + keep * (hidden - fresh),)
