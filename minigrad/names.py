"""Names that PyTorch and JAX give to what minigrad has, and what to write instead.

There are no aliases: one thing has one name. This table is what an ``AttributeError`` reads from,
after the attribute was not found, so it costs nothing where the name is right. In a recipe ``t``
and ``u`` are Tensors, ``ts`` is a list of them, ``f`` is a function.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["LAYERS", "MEANINGS", "MODULES", "NOTES", "RECIPES", "advice", "layer_advice"]

RECIPES: dict[str, str] = {
    # shape
    "H": "t.mT",
    "adjoint": "t.mT",
    "block_diag": "mg.block([[t, np.zeros((2, 3))], [np.zeros((2, 3)), u]])",
    "broadcast_tensors": "mg.broadcast_arrays(t, u)",
    "cat": "mg.concatenate(ts, axis)",
    "chunk": "mg.array_split(t, n, axis)",
    "contiguous": "t.copy()",
    "diag_embed": "mg.expand_dims(t, -1) * np.eye(n)",
    "dim": "t.ndim",
    "expand": "mg.broadcast_to(t, shape)",
    "expand_as": "mg.broadcast_to(t, u.shape)",
    "mH": "t.mT",
    "movedim": "mg.moveaxis(t, source, destination)",
    "narrow": "t[:, start : start + length]",
    "ndimension": "t.ndim",
    "nelement": "t.size",
    "numel": "t.size",
    "permute": "t.transpose(axes)",
    "repeat_interleave": "mg.repeat(t, n, axis)",
    "reshape_as": "t.reshape(u.shape)",
    "select": "t[:, i]",
    "split_with_sizes": "mg.split(t, ends, axis)",
    "sum_to_size": "t.sum(axis, keepdims=True)",
    "swapdims": "t.swapaxes(axis1, axis2)",
    "t": "t.T",
    "tensor_split": "mg.array_split(t, n, axis)",
    "unbind": "list(t)",
    "unflatten": "t.reshape(shape)",
    "unsqueeze": "mg.expand_dims(t, axis)",
    "view": "t.reshape(shape)",
    "view_as": "t.reshape(u.shape)",
    # indexing
    "gather": "mg.take_along_axis(t, index, axis)",
    "take_along_dim": "mg.take_along_axis(t, index, axis)",
    "index_add": "mg.add_at(t, labels, rows)",
    "index_copy": "mg.set_at(t, labels, rows)",
    "index_fill": "mg.set_at(t, labels, value)",
    "index_put": "mg.set_at(t, (labels,), rows)",
    "index_select": "mg.take(t, labels, axis)",
    "masked_fill": "mg.where(mask, value, t)",
    "masked_select": "t[mask]",
    "scatter": "mg.set_at(t, (index, np.arange(3)), source)",
    "select_scatter": "mg.set_at(t, (slice(None), i), column)",
    "slice_scatter": "mg.set_at(t, slice(start, stop), rows)",
    "bucketize": "mg.searchsorted(edges, t)",
    "kthvalue": "mg.sort(t, axis)[:, k - 1]",
    "msort": "mg.sort(t, 0)",
    # arithmetic
    "acos": "mg.arccos(t)",
    "acosh": "mg.arccosh(t)",
    "around": "mg.round(t)",
    "asin": "mg.arcsin(t)",
    "asinh": "mg.arcsinh(t)",
    "atan": "mg.arctan(t)",
    "atan2": "mg.arctan2(t, u)",
    "atanh": "mg.arctanh(t)",
    "fix": "mg.trunc(t)",
    "addcdiv": "t + value * u / row",
    "addcmul": "t + value * u * row",
    "clamp": "mg.clip(t, low, high)",
    "clamp_max": "mg.minimum(t, high)",
    "clamp_min": "mg.maximum(t, low)",
    "div": "t / u",
    "eq": "t == u",
    "frac": "t - mg.trunc(t)",
    "ge": "t >= u",
    "gt": "t > u",
    "le": "t <= u",
    "lerp": "t + value * (u - t)",
    "lt": "t < u",
    "mul": "t * u",
    "ne": "t != u",
    "neg": "-t",
    "pow": "t**u",
    "rsqrt": "1 / mg.sqrt(t)",
    "rsub": "u - t",
    "sgn": "mg.sign(t)",
    "sub": "t - u",
    "lgamma": "mg.gammaln(t)",
    "softmax": "mg.softmax(t, axis)",
    "log_softmax": "mg.log_softmax(t, axis)",
    "hardshrink": "mg.hardshrink(t, value)",
    "expit": "mg.sigmoid(t)",
    "swish": "mg.silu(t)",
    # reductions
    "aminmax": "(t.min(), t.max())",
    "cdist": "mg.sqrt(((t[:, None] - u[None]) ** 2).sum(-1))",
    "dist": "mg.linalg.norm((t - u).ravel())",
    "frobenius_norm": "mg.linalg.norm(t)",
    "norm": "mg.linalg.norm(t, axis=axis)",
    "std_mean": "(t.std(ddof=1), t.mean())",
    "var_mean": "(t.var(ddof=1), t.mean())",
    "renorm": "t * mg.minimum(1.0, value / mg.linalg.norm(t, axis=1, keepdims=True))",
    "trapz": "np.trapezoid(t, axis=axis)",
    # linear algebra
    "addmm": "square + t.T @ u",
    "addmv": "column + t @ row",
    "addr": "t + mg.outer(column, row)",
    "baddbmm": "batch + batch @ batch",
    "bmm": "batch @ batch",
    "chain_matmul": "t @ u.T @ t",
    "cholesky": "mg.linalg.cholesky(square)",
    "det": "mg.linalg.det(square)",
    "ger": "mg.outer(column, column)",
    "inv": "mg.linalg.inv(square)",
    "inverse": "mg.linalg.inv(square)",
    "logdet": "mg.linalg.slogdet(square)[1]",
    "matrix_power": "mg.linalg.matrix_power(square, n)",
    "mm": "t @ u.T",
    "mv": "t @ row",
    "pinverse": "mg.linalg.pinv(t)",
    "slogdet": "mg.linalg.slogdet(square)",
    "svd": "mg.linalg.svd(square)",
    # making
    "as_tensor": "mg.tensor(array)",
    "from_numpy": "mg.tensor(array)",
    "asarray": "mg.tensor(array)",
    "array": "mg.tensor(array)",
    "arange": "mg.tensor(np.arange(3.0))",
    "eye": "mg.tensor(np.eye(3))",
    "full": "mg.tensor(np.full((2, 3), value))",
    "linspace": "mg.tensor(np.linspace(0, 1, 5))",
    "ones": "mg.tensor(np.ones((2, 3)))",
    "zeros": "mg.tensor(np.zeros((2, 3)))",
    "full_like": "mg.tensor(np.full_like(t, value))",
    "ones_like": "mg.tensor(np.ones_like(t))",
    "zeros_like": "mg.tensor(np.zeros_like(t))",
    "new_ones": "mg.tensor(np.ones(shape, t.dtype))",
    "new_tensor": "mg.tensor(array, dtype=t.dtype)",
    "new_zeros": "mg.tensor(np.zeros(shape, t.dtype))",
    "new_full": "mg.tensor(np.full(shape, value, t.dtype))",
    "rand": "mg.tensor(np.random.default_rng(0).random((2, 3)))",
    "randint": "mg.tensor(np.random.default_rng(0).integers(0, 3, (2, 3)))",
    "randn": "mg.tensor(np.random.default_rng(0).standard_normal((2, 3)))",
    "randperm": "mg.tensor(np.random.default_rng(0).permutation(3))",
    "manual_seed": "mg.seed(0)",
    # dtype and device
    "bool": "t.astype(bool)",
    "double": "t.astype(np.float64)",
    "float": "t.astype(np.float32)",
    "half": "t.astype(np.float16)",
    "int": "t.astype(np.int32)",
    "long": "t.astype(np.int64)",
    "to": "t.astype(dtype)",
    "type": "t.astype(dtype)",
    "type_as": "t.astype(u.dtype)",
    "element_size": "t.dtype.itemsize",
    "is_floating_point": "t.dtype.kind == 'f'",
    "is_tensor": "isinstance(t, mg.Tensor)",
    # gradients
    "clone": "t.copy()",
    "elementwise_grad": "mg.grad(lambda x: f(x).sum())",
    "grad_fn": "t.node",
    "jacfwd": "mg.jacobian(f)",
    "jacrev": "mg.jacobian(f)",
    "linearize": "mg.jvp(f, (t,), (u,))",
    "make_vjp": "mg.vjp(f, t)",
    "requires_grad_": "mg.tensor(t, requires_grad=True)",
}
"""Name -> the expression that does the same; what it is called here, with the arguments it has."""

NOTES: dict[str, str] = {
    **dict.fromkeys(
        ["cpu", "cuda", "mps", "xpu", "device", "pin_memory", "is_cuda", "get_device"],
        "minigrad computes on the CPU, so there is nothing to move",
    ),
    **dict.fromkeys(
        ["copy_", "fill_", "zero_", "uniform_", "normal_", "set_"],
        "a leaf's array may be changed: t.data[...] = value (in training, the optimiser does it)",
    ),
    **dict.fromkeys(
        ["fill", "put", "partition", "resize", "setfield", "setflags", "byteswap"],
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
    "detach_": "tensors are not changed in place: t = t.detach()",
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

LAYERS: dict[str, str] = {
    "BCELoss": "mg.binary_cross_entropy",
    "BCEWithLogitsLoss": "mg.binary_cross_entropy_with_logits",
    "CrossEntropyLoss": "mg.cross_entropy",
    "ELU": "mg.elu",
    "GELU": "mg.gelu",
    "HuberLoss": "mg.huber_loss",
    "KLDivLoss": "mg.kl_div",
    "L1Loss": "mg.l1_loss",
    "LeakyReLU": "mg.leaky_relu",
    "LogSoftmax": "mg.log_softmax",
    "MSELoss": "mg.mse_loss",
    "NLLLoss": "mg.nll_loss",
    "ReLU": "mg.relu",
    "SELU": "mg.selu",
    "SiLU": "mg.silu",
    "Sigmoid": "mg.sigmoid",
    "SmoothL1Loss": "mg.smooth_l1_loss",
    "Softmax": "mg.softmax",
    "Softplus": "mg.softplus",
    "Tanh": "mg.tanh",
    "functional": "mg.functional",
}
"""Layer of PyTorch's without parameters -> the function that a Sequential takes in its place."""

MODULES: dict[str, str] = {
    **dict.fromkeys(
        ["to", "cuda", "cpu", "xpu"], NOTES["cpu"] + "; dtype= of a layer is its dtype"
    ),
    **dict.fromkeys(
        ["double", "float", "half", "type"],
        "layers are made in their dtype: nn.Linear(2, 3, dtype=np.float64), or "
        "mg.set_default_dtype(np.float64) before",
    ),
    **dict.fromkeys(
        ["register_parameter", "add_module", "register_module"],
        "what is assigned is found: self.weight = nn.Parameter(...), self.layer = nn.Linear(2, 3)",
    ),
    "register_buffer": "what is assigned is found: self.mean = nn.Buffer(...)",
    "requires_grad_": "for p in module.parameters(): p.requires_grad = False",
    "children": "[m for _, m in module.named_modules()] are this module and all inside it",
    "modules": "[m for _, m in module.named_modules()] are this module and all inside it",
    "fit": "write mg.fit(module, x, y, loss=mg.cross_entropy)",
    "predict": "call the module: module(x)",
}
"""Method of PyTorch's or Keras' modules -> what there is instead."""

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


def advice(name: str, owner: str, known: Iterable[str] = ()) -> str:
    """What to write instead of a name that does not exist; "" if nothing is known of it.

    Args:
        name: The name.
        owner: What was asked for it: ``"a Tensor"`` or ``"minigrad"``.
        known: Names that exist at the top level, to find a function that is not a method.

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
    plain = name.removesuffix("_")
    recipe = RECIPES.get(name) or RECIPES.get(plain)
    if recipe is None and plain in known:
        recipe = f"mg.{plain}(t, ...)"
    if recipe is None:
        near = difflib.get_close_matches(name, list(known), 1, 0.8)
        return f"{head}: did you mean {near[0]!r}?" if near else head
    if name.endswith("_") and name not in RECIPES:
        return f"{head}: tensors are not changed in place, so write t = {recipe}"
    return f"{head}: write {recipe}"


def layer_advice(name: str) -> str:
    """What to write instead of a layer that does not exist.

    >>> layer_advice("ReLU")
    "minigrad.nn has no 'ReLU': what has no parameters is a function: write mg.relu"
    """
    head = f"minigrad.nn has no {name!r}"
    recipe = LAYERS.get(name)
    return f"{head}: what has no parameters is a function: write {recipe}" if recipe else head
