"""Arguments by the names that PyTorch and JAX give them, and what they are called here."""

from __future__ import annotations

import difflib
import functools
import inspect
import itertools
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

__all__ = ["ARGUMENTS", "argument", "misnamed", "telling", "telling_also"]

P = ParamSpec("P")
R = TypeVar("R")

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "dim": ("axis",),
    "dim0": ("axis1",),
    "dim1": ("axis2",),  # of transpose; of diagonal it is axis1, see misnamed()
    "dim2": ("axis2",),
    "dims": ("axis", "axes"),
    "keepdim": ("keepdims",),
    "unbiased": ("ddof",),
    "correction": ("ddof",),
    "interpolation": ("method",),
    "offset": ("k",),
    "axes": ("axis",),
    "shifts": ("shift",),
    "lr": ("learning_rate",),
    "lr_decay": ("learning_rate_decay",),
    "betas": ("beta1",),
    "momentum_decay": ("momentum",),
    "start_dim": ("start_axis",),
    "end_dim": ("end_axis",),
    "params": ("parameters",),
    "T_max": ("t_max",),
    "T_0": ("t_0",),
    "T_mult": ("t_mult",),
    "schedulers": ("schedules",),
    "lr_lambda": ("factor",),
    "input": ("x",),
    "other": ("b",),
    "target": ("labels",),
    "p": ("ord",),
    "value": ("constant_values",),
    "diagonal": ("k",),
    "rtol": ("rcond", "tol"),
    "atol": ("tol",),
    "decimal": ("decimals",),
    "size_average": ("reduction",),
    "reduce": ("reduction",),
    "weights": ("weight",),
    "criterion": ("loss",),
    "scheduler": ("schedule",),
    "validation_data": ("validation",),
    "validation_split": ("validation",),
}
"""Parameter as PyTorch or JAX calls it -> as it is called here, if the function has that."""

LACKING: dict[str, str] = {
    **dict.fromkeys(
        ["capturable", "differentiable", "foreach", "fused"], "there is one way it is computed"
    ),
    "copy": "tensors are not changed in place",
    "decoupled_weight_decay": "write AdamW",
    "epoch": "a schedule counts its steps",
    **dict.fromkeys(
        ["epochs", "steps_per_epoch"], "total_steps is the product of epochs and steps in each"
    ),
    "error_if_nonfinite": "a norm that is not finite is always an error",
    "last_epoch": "load_state_dict() resumes",
    "norm_type": "the norm is the square root of the sum of squares",
    "verbose": "print optimizer.learning_rate",
    "device": "minigrad computes on the CPU",
    "inplace": "tensors are not changed in place",
    "out": "results are new arrays",
    "alpha": "multiply before: t + alpha * u",
    "antialias": "blur before, or take mode='area'",
    "descending": "flip the result: mg.flip(mg.sort(t, axis), axis)",
    "layout": "arrays are dense",
    "memory_format": "how an array lies in memory is NumPy's matter",
    "non_blocking": "nothing is copied to another device",
    "recompute_scale_factor": "pass size= to have it computed from sizes",
    "return_indices": "write max_pool2d_with_indices (or 1d, 3d)",
    "rounding_mode": "write mg.floor_divide(t, u) or mg.trunc(t / u)",
    "sparse": "gradients are dense",
}
"""Parameter of PyTorch's that nothing here has -> why."""


def argument(name: str, parameters: Iterable[str]) -> str:
    """What an unknown argument is called among ``parameters``; "" if none is meant.

    >>> argument("keepdim", ["axis", "keepdims"])
    'keepdims'
    """
    parameters = list(parameters)
    for meant in ARGUMENTS.get(name, ()):
        if meant in parameters:
            return meant
    near = difflib.get_close_matches(name, parameters, 1, 0.8)
    return near[0] if near else ""


_PLACES = {"input": 0, "input1": 0, "input2": 1}  # PyTorch's names of operands, whatever they are


def misnamed(name: str, parameters: Iterable[str], given: Iterable[str]) -> str:
    """What to call an argument that a function does not have; "" if it has all that were given.

    >>> misnamed("sum", ["x", "axis", "keepdims"], ["dim"])
    "sum() has no parameter 'dim': write axis="
    >>> misnamed("exp", [], ["base"])
    "exp() has no parameter 'base': it has none"
    """
    known = list(parameters)
    unknown = next((one for one in given if one not in known), None)
    if unknown is None:
        return ""
    place = _PLACES.get(unknown, len(known))
    meant = known[place] if place < len(known) else argument(unknown, known)
    if unknown == "dim1" and "offset" in known:
        meant = "axis1"
    if unknown == "betas" and "beta2" in known:
        meant = "beta1= and beta2"
    told = f"write {meant}=" if meant else LACKING.get(unknown, "")
    told = told or f"it has {', '.join(known) or 'none'}"
    return f"{name}() has no parameter {unknown!r}: {told}"


def telling(
    function: Callable[P, R], others: tuple[str, ...] = (), *, apart: bool = False
) -> Callable[P, R]:
    """``function``, but an argument that it does not have is told what it is called here.

    Args:
        function: What is called.
        others: What PyTorch calls the positional arguments that come after those it has.
        apart: Whether it may be called again and again on parts of its arguments, if it raises an
            error that knows how: ``error.again(function, args, kwargs)``, as that of a branch does
            inside ``vmap``. Here, because what succeeds is to pass through one function alone.

    >>> @telling
    ... def total(x, axis=None):
    ...     return x
    >>> total(1.0, dim=0)
    Traceback (most recent call last):
    TypeError: total() has no parameter 'dim': write axis=
    """

    @functools.wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            again = getattr(error, "again", None) if apart else None
            name, parameters = function.__name__, [*inspect.signature(function).parameters]
            surplus = others[: max(len(args) - len(parameters), 0)]
            if parameters[:1] == ["self"]:
                parameters = parameters[1:]
            if name == "__init__":  # of a class, whose own name is what was called
                name = type(args[0]).__name__
            message = misnamed(name, parameters, itertools.chain(kwargs, surplus))
            if not message and not again:
                raise
        if again:
            return again(told, args, kwargs)
        raise TypeError(message)

    return told


def telling_also(*others: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """:func:`telling`, also of positional arguments that PyTorch's function has at the end.

    >>> @telling_also("epoch")
    ... def step():
    ...     return None
    >>> step(3)
    Traceback (most recent call last):
    TypeError: step() has no parameter 'epoch': a schedule counts its steps
    """
    return lambda function: telling(function, others)
