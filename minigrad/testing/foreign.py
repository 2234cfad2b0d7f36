"""Functions of PyTorch and JAX as plain functions of arrays with a rule, to be checked.

``check_vjp(*from_torch(f, x))`` holds the gradients that PyTorch computes of ``f`` against finite
differences, and so finds the mistake in a ``torch.autograd.Function``, a ``jax.custom_vjp`` or a
kernel behind one. Neither package is needed unless its adapter is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.primitive import Array
from minigrad.testing.adapt import paths, rebuilt
from minigrad.testing.causes import argument_names
from minigrad.trees import leaves as leaves_of
from minigrad.trees import mapped


class Foreign(NamedTuple):
    """What :func:`~minigrad.testing.check_vjp` takes: ``check_vjp(*foreign)``.

    Attributes:
        f: Maps arrays to an array; several outputs are joined flat.
        vjp: Maps a cotangent of that array, and the arrays, to a cotangent for each of them.
        inputs: Every floating array among the inputs, then every parameter.
    """

    f: Callable[..., Array]
    vjp: Callable[..., tuple[Array, ...]]
    inputs: list[Array]


class _Named:
    """A function that says what its inputs are called, where they are more than arguments."""

    def __init__(self, function: Callable[..., Array], names: list[str]) -> None:
        self.function, self.input_names = function, names

    def __call__(self, *arrays: Array) -> Array:
        return self.function(*arrays)


def from_torch(f: Callable[..., Any], *inputs: Any, params: Any = None, order: int = 1) -> Foreign:
    """Take a function or a module of PyTorch to be checked.

    Args:
        f: A function of torch tensors, or a ``torch.nn.Module``.
        *inputs: Where to check: arrays, torch tensors or numbers, also in dicts, lists and tuples.
            What is not floating is passed on as it is.
        params: A module whose parameters are checked too, for an ``f`` that is a closure over it;
            a module given as ``f`` is its own. Neither parameters nor buffers are changed.
        order: 1 checks the gradient, 2 the gradient of the gradient.

    Raises:
        ImportError: If PyTorch is not installed.

    >>> import pytest; torch = pytest.importorskip("torch")
    >>> from minigrad.testing import check_vjp
    >>> check_vjp(*from_torch(torch.nn.functional.gelu, np.linspace(-2.0, 2.0, 5))).verdict
    'pass'
    """
    import torch

    model = f if params is None and isinstance(f, torch.nn.Module) else params
    weights = {} if model is None else dict(model.named_parameters())
    weights = {name: p for name, p in weights.items() if p.requires_grad}
    dtype = next((_torch_array(p).dtype for p in weights.values()), np.dtype(np.float64))

    def to_array(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return _torch_array(leaf)
        given = np.asarray(leaf)  # NumPy's numbers are float64, which no float32 module takes
        return given.astype(dtype) if weights and given.dtype.kind == "f" else leaf

    plain = [mapped(to_array, argument) for argument in inputs]
    arrays, names = _floating(f.forward if f is model else f, plain)
    count = len(arrays)
    arrays += [_torch_array(p) for p in weights.values()]
    run = _torch_caller(f, model, list(weights))

    def to_tensor(leaf: Any) -> Any:
        return torch.tensor(leaf.copy()) if isinstance(leaf, np.ndarray) else leaf

    def call(*leaves: Any) -> Any:
        arguments = [rebuilt(argument, rest) for rest in [iter(leaves)] for argument in plain]
        arguments = [mapped(to_tensor, a) for a in arguments]
        outputs = [t for t in leaves_of(run(arguments, leaves[count:])) if t.is_floating_point()]
        return outputs[0] if len(outputs) == 1 else torch.cat([t.reshape(-1) for t in outputs])

    for _ in range(order - 1):
        call = _torch_slope(call)
    value, vjp = _torch_pair(call, [a.dtype for a in arrays], record=order > 1)
    return Foreign(_Named(value, [*names, *weights]), vjp, arrays)


def from_jax(f: Callable[..., Any], *inputs: Any, order: int = 1) -> Foreign:
    """Take a function of JAX to be checked; it is run with 64 bits enabled.

    Args:
        f: A function of JAX arrays, or of pytrees of them, such as the parameters of a model.
        *inputs: Where to check: arrays or pytrees. What is not floating is passed on as it is.
        order: 1 checks the gradient, 2 the gradient of the gradient.

    Raises:
        ImportError: If JAX is not installed.

    >>> import pytest; jax = pytest.importorskip("jax")
    >>> from minigrad.testing import check_vjp
    >>> check_vjp(*from_jax(jax.nn.gelu, np.linspace(-2.0, 2.0, 5))).verdict
    'pass'
    """
    import jax

    tree = jax.tree_util
    arguments = argument_names(f, len(inputs))
    pairs, structure = tree.tree_flatten_with_path(tuple(inputs))
    values = [value for _, value in pairs]
    active = [i for i, value in enumerate(values) if _is_floating(value)]
    names = [arguments[path[0].idx] + tree.keystr(path[1:]) for path, _ in pairs]

    def call(*leaves: Any) -> Any:
        filled = list(values)
        for i, leaf in zip(active, leaves, strict=True):
            filled[i] = leaf
        outputs = tree.tree_leaves(f(*tree.tree_unflatten(structure, filled)))
        outputs = [out for out in map(jax.numpy.asarray, outputs) if out.dtype.kind != "i"]
        if len(outputs) == 1:
            return outputs[0]
        return jax.numpy.concatenate([jax.numpy.ravel(out) for out in outputs])

    for _ in range(order - 1):
        call = _jax_slope(call)

    def value(*given: Array) -> Array:
        with jax.enable_x64(True):
            return np.array(call(*map(jax.numpy.asarray, given)))

    def vjp(g: Array, *given: Array) -> tuple[Array, ...]:
        with jax.enable_x64(True):
            out, pull = jax.vjp(call, *map(jax.numpy.asarray, given))
            return tuple(map(np.array, pull(jax.numpy.asarray(g, out.dtype))))

    floating = [np.array(values[i]) for i in active]
    return Foreign(_Named(value, [names[i] for i in active]), vjp, floating)


def _torch_slope(function: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of a function of torch tensors, through a non-linear head."""
    import torch

    def gradient(*leaves: Any) -> Any:
        out = function(*leaves)
        head = torch.cos(torch.arange(out.numel()) + 1.0).to(out.dtype).reshape(out.shape)
        found = torch.autograd.grad(
            out, leaves, out * head + head, create_graph=True, materialize_grads=True
        )
        return torch.cat([c.reshape(-1) for c in found])

    return gradient


def _jax_slope(function: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of a function of JAX arrays, through a non-linear head."""
    import jax

    def gradient(*leaves: Any) -> Any:
        out, pull = jax.vjp(function, *leaves)
        head = jax.numpy.cos(jax.numpy.arange(out.size) + 1.0).reshape(out.shape)
        return jax.numpy.concatenate([c.ravel() for c in pull(out * head + head)])

    return gradient


def _torch_pair(
    call: Callable[..., Any], dtypes: list[Any], record: bool
) -> tuple[Callable[..., Array], Callable[..., tuple[Array, ...]]]:
    """A function of tensors as a function of arrays and its rule."""
    import torch

    def value(*given: Array) -> Array:
        leaves = [torch.tensor(a.copy(), requires_grad=record) for a in given]
        try:
            with torch.set_grad_enabled(record):
                return _torch_array(call(*leaves))
        except RuntimeError as error:
            if [a.dtype for a in given] == dtypes:
                raise
            raise TypeError(f"f does not run in {given[0].dtype}") from error

    def vjp(g: Array, *given: Array) -> tuple[Array, ...]:
        leaves = [torch.tensor(a.copy(), requires_grad=True) for a in given]
        out = call(*leaves)
        if not out.requires_grad:
            return tuple(np.zeros_like(a) for a in given)
        cotangent = torch.tensor(g.copy()).to(out.dtype)
        found = torch.autograd.grad(out, leaves, cotangent, materialize_grads=True)
        return tuple(map(_torch_array, found))

    return value, vjp


def _torch_caller(f: Callable[..., Any], model: Any, names: list[str]) -> Callable[..., Any]:
    """A function that runs ``f`` on arguments, with given tensors as parameters of the model."""
    if model is None:
        return lambda arguments, _: f(*arguments)
    import torch

    class Holder(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """What ``functional_call`` needs where ``f`` is a closure and not the model itself."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *arguments: Any) -> Any:
            return f(*arguments)

    holder = Holder()

    def run(arguments: list[Any], weights: tuple[Any, ...]) -> Any:
        dtype = next((w.dtype for w in weights), None)
        state = {f"model.{name}": w for name, w in zip(names, weights, strict=True)}
        for name, held in (*model.named_parameters(), *model.named_buffers()):
            if name not in names:  # a copy, in the precision of the check
                fits = dtype if held.is_floating_point() else None
                state[f"model.{name}"] = held.detach().clone().to(fits or held.dtype)
        return torch.func.functional_call(holder, state, tuple(arguments))

    return run


def _floating(f: Callable[..., Any], arguments: list[Any]) -> tuple[list[Array], list[str]]:
    """The floating arrays among the arguments, and what each is called."""
    named = zip(argument_names(f, len(arguments)), arguments, strict=True)
    pairs = [pair for name, argument in named for pair in paths(argument, name)]
    return [array for _, array in pairs], [path for path, _ in pairs]


def _torch_array(tensor: Any) -> Array:
    return np.array(tensor.detach().cpu().resolve_conj().numpy())


def _is_floating(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return isinstance(value, float) if dtype is None else str(dtype).startswith("float")
