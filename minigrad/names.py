"""Names that PyTorch and JAX give to what minigrad has, and what to write instead.

There are no aliases: one thing has one name. This table is what an ``AttributeError`` reads from,
after the attribute was not found, so it costs nothing where the name is right.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from minigrad.classes import LAYERS, MODULES, ON_THE_CPU, OPTIM, OPTIMIZERS, UTILITIES, WITHIN
from minigrad.elsewhere import absent
from minigrad.recipes import RECIPES

__all__ = [
    "LAYERS",
    "MEANINGS",
    "MODULES",
    "NOTES",
    "OPTIM",
    "OPTIMIZERS",
    "RECIPES",
    "WITHIN",
    "advice",
    "layer_advice",
    "telling_of",
]

NOTES: dict[str, str] = {
    **dict.fromkeys(
        ["cpu", "cuda", "mps", "xpu", "device", "pin_memory", "is_cuda", "get_device"],
        ON_THE_CPU,
    ),
    **dict.fromkeys(
        ["copy_", "fill_", "zero_", "uniform_", "normal_", "set_"],
        "a leaf's array may be changed: t.data[...] = value (in training, the optimiser does it)",
    ),
    **dict.fromkeys(
        ["fill", "partition", "resize", "setfield", "setflags", "byteswap"],
        "it would change the array in place: mg.set_at(t, index, value) makes a new tensor, and "
        "t.data is the array itself",
    ),
    **dict.fromkeys(
        ["complex", "cfloat", "view_as_real", "view_as_complex", "stft", "istft"],
        "complex numbers have no gradient here",
    ),
    **dict.fromkeys(
        ["data_ptr", "storage", "untyped_storage", "stride", "ctypes", "base"],
        "that is a matter of the array: t.data has it",
    ),
    **dict.fromkeys(
        ["tobytes", "tofile", "dump", "dumps", "flat", "getfield", "to_device"],
        "t.numpy() has it; the result leaves the graph",
    ),
    "jit": "write mg.compile(f)",
    **dict.fromkeys(
        [
            "binomial",
            "cauchy_",
            "exponential_",
            "geometric_",
            "log_normal_",
            "multinomial",
            "normal",
            "poisson",
            "random_",
        ],
        "draw by NumPy: rng = np.random.default_rng(0); mg.tensor(rng.normal(size=shape))",
    ),
    **dict.fromkeys(
        ["apply_", "map_", "map2_"], "functions take whole tensors: write f(t), with np.exp in it"
    ),
    **dict.fromkeys(
        ["histc", "histogramdd"],
        "counts have no gradient: np.histogram(t.numpy()) has them",
    ),
    **dict.fromkeys(["pca_lowrank", "svd_lowrank"], "mg.linalg.svd computes all of it"),
    **dict.fromkeys(["gru", "lstm"], "a layer holds its weights: mg.nn.GRU, mg.nn.LSTM"),
    **dict.fromkeys(
        ["grid_sampler", "grid_sampler_2d", "grid_sampler_3d"], "write mg.grid_sample(t, grid)"
    ),
    **dict.fromkeys(["debug_nans", "debug_infs"], "write with mg.detect_anomaly():"),
    **dict.fromkeys(
        ["put_", "put"], "mg.set_at(t, index, value) makes a new tensor; mg.add_at adds"
    ),
    **dict.fromkeys(
        ["DataLoader", "Dataset", "TensorDataset", "Subset", "random_split"],
        "for x, y in mg.data.batches(x, y, batch_size=32): goes through arrays in mini-batches, "
        "and mg.data.train_test_split parts them",
    ),
    **dict.fromkeys(
        ["tree", "tree_map", "tree_util", "tree_leaves"],
        "write {name: f(t) for name, t in tree.items()}; of nested ones minigrad.trees.mapped(f, "
        "tree) makes the same, and minigrad.trees.leaves(tree) lists what is in them",
    ),
    "constant": "not t.requires_grad tells whether it is one; mg.tensor(array) makes one",
    "clear_graph": "backward() frees the graph; t.detach() is outside of it",
    **dict.fromkeys(["null_grad", "null_gradients"], "write t.grad = None"),
    "no_autodiff": "write with mg.no_grad():",
    "realize": "values are computed at once: t.data has them",
    **dict.fromkeys(
        ["glorot_normal", "glorot_uniform", "he_normal", "he_uniform"],
        "layers take init=mg.nn.init.xavier_uniform(), kaiming_normal() and their like",
    ),
    "conv_nd": "write mg.conv1d, mg.conv2d or mg.conv3d",
    "functional_call": "gradients of a module are asked for as they are: mg.grad(loss)(module)",
    "autograd": "its functions are at the top: mg.grad, mg.vjp, mg.jacobian, mg.hessian",
    "numpy": "its functions are at the top, and np.exp(t) works on tensors, too",
    "special": "its functions are at the top: mg.erf, mg.gammaln, mg.logsumexp",
    "summary": "a module has it: model.summary(x)",
    "to": f"write t.astype(dtype); {ON_THE_CPU}",
    "utils": UTILITIES,
    "index": "write t[index]",
    "new": "write mg.tensor(array)",
    "new_empty": "write np.empty(shape, t.dtype)",
    "named_scope": "write with mg.scope(name):",
    "register_post_accumulate_grad_hook": "t.register_hook(f) calls f with the gradient",
    "remat": "write mg.checkpoint(f)",
    "retains_grad": "t.retain_grad() makes backward fill t.grad",
    "symeig": "write mg.linalg.eigh(t)",
    "detach_": "tensors are not changed in place: t = t.detach()",
    "func": "its functions are at the top: mg.grad, mg.vmap, mg.jvp, mg.jacobian, mg.hessian",
    "inference_mode": "write with mg.no_grad():",
    "is_sparse": "tensors are dense",
    "lax": "its functions are at the top: mg.where, mg.stop_gradient, mg.linalg.cholesky",
    "pmap": "minigrad runs in one process",
    "retain_graph": "it is an argument: t.backward(retain_graph=True)",
    "scan": "a Python loop is recorded as it runs",
    "set_grad_enabled": "write with mg.no_grad(): or with mg.enable_grad():",
    "sparse": "tensors are dense",
}
"""Name -> why there is no such thing, and what there is."""

MEANINGS: dict[str, str] = {
    "argmax, argmin": "`dim=` is `axis=`; `keepdim=` is `keepdims=`",
    "max, min, median": "with an axis PyTorch returns values and indices; here the values alone: "
    "`mg.argmax(t, axis)` gives the indices",
    "repeat": "NumPy's: each element repeated; PyTorch's `repeat` is `mg.tile`",
    "size": "NumPy's: a number without brackets; PyTorch's `t.size()` is `t.shape`",
    "sort": "the sorted values alone; `mg.argsort` gives the indices",
    "split": "NumPy's: the number of parts or where to cut; PyTorch's takes the size of a part",
    "std, var": "NumPy's: divided by n; PyTorch divides by n - 1, which is `ddof=1`",
    "transpose": "NumPy's: all axes in a new order; PyTorch's `t.transpose(0, 1)` is `t.swapaxes`",
    "flatten": "all axes into one; PyTorch's `flatten(1)` is `t.reshape(len(t), -1)`",
    "dot": "NumPy's: matrices multiply, too; PyTorch's takes vectors",
    "where": "takes a mask and both values; of a mask alone `mg.nonzero` gives the indices",
    "Linear.weight": "of shape (in_features, out_features), PyTorch's transposed",
}
"""Names that exist here and mean what NumPy means, where PyTorch means something else."""


def advice(name: str, owner: str, known: Iterable[str] = (), methods: Iterable[str] = ()) -> str:
    """What to write instead of a name that does not exist; "" if nothing is known of it.

    Args:
        name: The name.
        owner: What was asked for it: ``"a Tensor"`` or ``"minigrad"``.
        known: Names that exist at the top level, to find a function that is not a method.
        methods: Names that Tensors have, to find a method that is not a function.

    >>> advice("unsqueeze", "a Tensor")
    "a Tensor has no 'unsqueeze': write mg.expand_dims(t, axis)"
    >>> advice("add_", "a Tensor", ["add"])
    "a Tensor has no 'add_': tensors are not changed in place, so write t = mg.add(t, ...)"
    >>> advice("cuda", "a Tensor")
    "a Tensor has no 'cuda': minigrad computes on the CPU, so there is nothing to move"
    """
    head = f"{owner} has no {name!r}"
    if name in NOTES:
        return f"{head}: {NOTES[name]}"
    known, plain = list(known), name.removesuffix("_copy").removeprefix("unsafe_").removesuffix("_")
    recipe = RECIPES.get(name) or _by_rule(name, known, methods)
    if recipe is not None:
        return f"{head}: write {recipe}"
    recipe = RECIPES.get(plain) or _by_rule(plain, known, methods)
    if recipe is None:
        why = absent(name) or absent(plain)
        near = difflib.get_close_matches(name, known, 1, 0.8)
        if near and not why:
            why = f"did you mean {near[0]!r}?"
        return f"{head}: {why}" if why else head
    if name.endswith("_"):
        return f"{head}: tensors are not changed in place, so write t = {recipe}"
    return f"{head}: write {recipe}"


def _by_rule(name: str, known: Iterable[str], methods: Iterable[str]) -> str | None:
    """What is at the top, a method, of linear algebra, or NumPy's own without a gradient."""
    if name in known:
        return f"mg.{name}(t, ...)"
    if name[:1] == "_":
        return None
    if name in methods:
        return f"t.{name}"
    if name in np.linalg.__all__:
        return f"mg.linalg.{name}(t, ...)" if name[0].islower() else f"np.linalg.{name}"
    if name not in np.__all__ and name not in vars(np):
        return None
    plain = isinstance(getattr(np, name), type) or not callable(getattr(np, name))
    return f"np.{name}" if plain else f"np.{name}, which has no gradient"


def layer_advice(name: str, functions: Iterable[str] = ()) -> str:
    """What to write instead of a layer that does not exist.

    Args:
        name: The name.
        functions: Names that exist at the top level.

    >>> layer_advice("ReLU")
    "minigrad.nn has no 'ReLU': what has no parameters is a function: write mg.relu"
    >>> layer_advice("PixelShuffle", ["pixel_shuffle"])[35:]
    'what has no parameters is a function: write mg.pixel_shuffle'
    """
    head = f"minigrad.nn has no {name!r}"
    if name in WITHIN:
        return f"{head}: {WITHIN[name]}"
    alike = {function.replace("_", ""): f"mg.{function}" for function in functions}
    recipe = LAYERS.get(name) or alike.get(name.lower())
    if recipe:
        return f"{head}: what has no parameters is a function: write {recipe}"
    return f"{head}: {absent(name)}" if absent(name) else head


def telling_of(table: Mapping[str, str]) -> Callable[[Any, str], Any]:
    """A ``__getattr__`` that says what there is instead of a name of PyTorch's.

    Args:
        table: Name -> what there is. Of a name that is not in it Python says what it always does.

    >>> class Here:
    ...     __getattr__ = telling_of({"there": "go on"})
    >>> Here().there
    Traceback (most recent call last):
    AttributeError: Here has no 'there': go on
    """

    def __getattr__(self: Any, name: str) -> Any:  # noqa: N807
        """Say what there is instead of a name of PyTorch's; runs on failure only."""
        if name not in table:
            return object.__getattribute__(self, name)  # which says again what it said
        kind = type(self).__name__
        raise AttributeError(f"{kind} has no {name!r}: {table[name]}", name=name, obj=self)

    return __getattr__
