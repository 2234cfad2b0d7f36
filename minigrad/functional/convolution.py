"""Convolutions and their transposes.

Channels stand before the spatial axes, as in PyTorch: ``(batch, channels, height,
width)``, with weights ``(out, in / groups, height, width)``. The batch axis may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from minigrad import ops
from minigrad.errors import Operand, ShapeError
from minigrad.functional.composition import as_operand, composite
from minigrad.ops.correlation import overlap_product, window_product
from minigrad.ops.window import Ints, each
from minigrad.primitive import Array
from minigrad.scopes import SCOPE

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]

Padding = Ints | Literal["same", "valid"]
Pairs = tuple[tuple[int, int], ...]

AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def described(x: Array, name: str) -> Operand:
    """What an error says of an operand: its own name if it has one."""
    return Operand(getattr(x, "name", None) or name, x.shape, str(x.dtype))


def misfit(function: str, operands: Sequence[Operand], problem: str, hint: str) -> ShapeError:
    """Make the error of operands that do not fit, with where in the model that is."""
    scope = SCOPE.get()
    where = f"\n  in {scope}" if scope is not None and scope.parent is not None else ""
    error = ShapeError(
        f"{function}: {' and '.join(map(str, operands))}: {problem}\n  hint: {hint}{where}"
    )
    error.operands = tuple(operands)
    return error


def padded(x: Array, widths: Pairs, value: float = 0) -> Array:
    """``x`` with borders along its last axes; ``x`` itself where they are 0."""
    if not any(map(any, widths)):
        return x
    lead = len(x.shape) - len(widths)
    return ops.pad(x, ((0, 0),) * lead + widths, constant_values=value)


def cropped(x: Array, widths: Pairs) -> Array:
    """``x`` without borders along its last axes; ``x`` itself where they are 0."""
    if not any(map(any, widths)):
        return x
    inner = tuple(
        slice(before, n - after)
        for n, (before, after) in zip(x.shape[-len(widths) :], widths, strict=True)
    )
    return ops.getitem(x, (..., *inner))


def images(function: str, x: Any, n: int) -> Array:
    """``x`` as an operand, if it has ``n`` spatial axes, channels and perhaps a batch."""
    x = as_operand(x)
    if len(x.shape) not in (n + 1, n + 2):
        raise misfit(
            function,
            [described(x, "x")],
            f"expected {n + 2} axes (batch, channels, {AXES[n]}), or {n + 1} without the batch",
            f"reshape x to (batch, channels, {AXES[n]})",
        )
    return x


def batch_of(x: Array, n: int) -> Array:
    """``x`` with a batch axis, of length 1 if it had none."""
    return ops.expand_dims(x, 0) if len(x.shape) == n + 1 else x


def spans(kernel: Sequence[int], dilation: Sequence[int]) -> tuple[int, ...]:
    """How many elements a window with gaps reaches over, along each axis."""
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def _check(
    function: str, x: Array, weight: Array, bias: Array | None, n: int, groups: int, into: int
) -> None:
    """Refuse weights of another kind; ``into`` is the axis of ``weight`` that meets channels."""
    operands = [described(x, "x"), described(weight, "weight")]
    if len(weight.shape) != n + 2:
        form = "(out, in / groups" if into else "(in, out / groups"
        problem = f"expected a weight {form}, {AXES[n]})"
        raise misfit(function, operands, problem, f"reshape it to {n + 2} axes")
    channels, rows = x.shape[-n - 1], weight.shape[0]
    if groups < 1 or channels % groups or rows % groups:
        problem = f"groups={groups} must divide the {channels} channels of {operands[0].name}"
        problem += f" and axis 0 of {operands[1].name}, which is {rows}"
        raise misfit(function, operands, problem, "pass another groups=")
    wanted = weight.shape[1] * groups if into else rows
    if channels != wanted:
        with_groups = f" with groups={groups}" if groups > 1 else ""
        problem = f"{operands[0].name} has {channels} channels, but {operands[1].name}{with_groups}"
        problem += f" takes {wanted}"
        raise misfit(function, operands, problem, _channels_hint(x, weight, n, wanted, into))
    out = rows if into else weight.shape[1] * groups
    if bias is not None and bias.shape != (out,):
        operands.append(described(bias, "bias"))
        problem = f"expected a bias of one number for each of {out} channels of the result"
        raise misfit(function, operands, problem, f"reshape the bias to ({out},)")


def _channels_hint(x: Array, weight: Array, n: int, wanted: int, into: int) -> str:
    if len(x.shape) == n + 1 and wanted == 1:
        return f"x was taken as one example of {x.shape[0]} channels; x[:, None] is a batch"
    if x.shape[-1] == wanted:
        return f"channels come before {AXES[n]}: np.moveaxis(x, -1, {-n - 1}) fits"
    if weight.shape[1 - into] == x.shape[-n - 1]:
        form = "(out, in / groups)" if into else "(in, out / groups)"
        return f"axes 0 and 1 of weight are {form}: np.swapaxes(weight, 0, 1) fits"
    return f"pass x of {wanted} channels, or a weight for {x.shape[-n - 1]}"


def borders(
    function: str, padding: Padding, kernel: Sequence[int], stride: Ints, dilation: Sequence[int]
) -> Pairs:
    """Border before and after each spatial axis."""
    n = len(kernel)
    if padding == "valid":
        return ((0, 0),) * n
    if padding == "same":
        if any(s != 1 for s in each(stride, n, f"{function}: stride", 1)):
            raise ValueError(f"{function}: padding='same' needs stride 1, not {stride}")
        totals = [span - 1 for span in spans(kernel, dilation)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise ValueError(f"{function}: padding is 'same', 'valid' or numbers, not {padding!r}")
    return tuple((p, p) for p in each(padding, n, f"{function}: padding", 0))


def _with_bias(out: Array, bias: Array | None) -> Array:
    if bias is None:
        return out
    return out + ops.reshape(bias, (-1,) + (1,) * (len(out.shape) - 2))


def _convolve(
    function: str,
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Array:
    x, weight = images(function, x, n), as_operand(weight)
    bias = None if bias is None else as_operand(bias)
    _check(function, x, weight, bias, n, groups, into=1)
    out_channels, depth, *kernel = weight.shape
    dilations = each(dilation, n, f"{function}: dilation", 1)
    sides = borders(function, padding, kernel, stride, dilations)
    size = [length + sum(side) for length, side in zip(x.shape[-n:], sides, strict=True)]
    if any(a < b for a, b in zip(size, spans(kernel, dilations), strict=True)):
        raise misfit(
            function,
            [described(x, "x"), described(weight, "weight")],
            f"the kernel spans {spans(kernel, dilations)}, but x padded by {padding} has only "
            f"{tuple(size)}",
            "pad more, or take a smaller kernel or dilation",
        )
    has_batch = len(x.shape) == n + 2
    x = padded(batch_of(x, n), sides)
    weight = ops.reshape(weight, (groups, out_channels // groups, depth, *kernel))
    x = ops.reshape(x, (x.shape[0], groups, depth, *x.shape[2:]))
    steps = each(stride, n, f"{function}: stride", 1)
    out = window_product(x, weight, steps, dilations)
    out = _with_bias(ops.reshape(out, (x.shape[0], out_channels, *out.shape[3:])), bias)
    return out if has_batch else out[0]


@composite
def conv1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of ``(batch, in, length)`` with kernels ``(out, in / groups, width)``.

    The parameters are those of :func:`conv2d`.

    >>> import numpy as np
    >>> conv1d(np.arange(5.0).reshape(1, 1, 5), np.array([[[1.0, 0.0, -1.0]]]))
    array([[[-2., -2., -2.]]])
    """
    return _convolve("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


@composite
def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of images ``(batch, in, height, width)`` with kernels, and a bias.

    ``out[n, o, p, q] = bias[o] + sum(weight[o, c, i, j] * x[n, c, p * stride + i * dilation,
    q * stride + j * dilation])`` over ``c, i, j``, where ``x`` is padded with zeros.

    Args:
        x: ``(batch, in, height, width)``, or without the batch.
        weight: ``(out, in / groups, kernel height, kernel width)``.
        bias: ``(out,)``.
        stride: How far the kernel moves, for all spatial axes or each.
        padding: Zeros before and after each spatial axis; ``"same"`` keeps the size (stride 1; an
            odd one goes after), ``"valid"`` adds none.
        dilation: How far elements of the kernel are apart.
        groups: Into how many parts the channels fall, each with its own kernels; as many as there
            are channels make a depthwise convolution.

    Raises:
        ShapeError: If channels, groups, bias or size do not fit.
        ValueError: If ``padding="same"`` meets a stride.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3)), np.zeros(3), padding="same").shape
    (1, 3, 4, 4)
    """
    return _convolve("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


@composite
def conv3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Padding = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation of ``(batch, in, depth, height, width)`` with kernels of three axes.

    The parameters are those of :func:`conv2d`.

    >>> import numpy as np
    >>> conv3d(np.ones((1, 2, 4, 4, 4)), np.ones((3, 2, 2, 2, 2)), stride=2).shape
    (1, 3, 2, 2, 2)
    """
    return _convolve("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


def _grown(
    function: str,
    x: Array,
    weight: Array,
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
) -> tuple[int, ...]:
    """Size of a transposed convolution before it is cropped."""
    if any(e >= max(s, d) for e, s, d in zip(output_padding, stride, dilation, strict=True)):
        raise ValueError(
            f"{function}: output_padding {output_padding} must be smaller than stride {stride} or "
            f"dilation {dilation}"
        )
    span = spans(weight.shape[2:], dilation)
    lengths = x.shape[-len(span) :]
    size = tuple(
        (length - 1) * s + reach + e
        for length, s, reach, e in zip(lengths, stride, span, output_padding, strict=True)
    )
    if any(full - 2 * crop < 1 for full, crop in zip(size, padding, strict=True)):
        raise misfit(
            function,
            [described(x, "x"), described(weight, "weight")],
            f"the result {size} would be cropped by padding={padding} to nothing",
            "pass a smaller padding=",
        )
    return size


def _convolve_transposed(
    function: str,
    n: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> Array:
    x, weight = images(function, x, n), as_operand(weight)
    bias = None if bias is None else as_operand(bias)
    _check(function, x, weight, bias, n, groups, into=0)
    channels, depth, *kernel = weight.shape
    steps = each(stride, n, f"{function}: stride", 1)
    dilations = each(dilation, n, f"{function}: dilation", 1)
    crops = each(padding, n, f"{function}: padding", 0)
    extra = each(output_padding, n, f"{function}: output_padding", 0)
    size = _grown(function, x, weight, steps, dilations, crops, extra)
    has_batch = len(x.shape) == n + 2
    x = batch_of(x, n)
    x = ops.reshape(x, (x.shape[0], groups, channels // groups, *x.shape[2:]))
    weight = ops.reshape(weight, (groups, channels // groups, depth, *kernel))
    out = overlap_product(x, weight, size, steps, dilations)
    out = cropped(out, tuple((crop, crop) for crop in crops))
    out = _with_bias(ops.reshape(out, (x.shape[0], groups * depth, *out.shape[3:])), bias)
    return out if has_batch else out[0]


@composite
def conv_transpose1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Array:
    """Adjoint of :func:`conv1d`: each element of ``x`` adds a multiple of a kernel to the result.

    The parameters are those of :func:`conv_transpose2d`.

    >>> import numpy as np
    >>> x = np.array([[[1.0, 2.0, 3.0]]])
    >>> conv_transpose1d(x, np.array([[[1.0, 10.0]]]), stride=2)
    array([[[ 1., 10.,  2., 20.,  3., 30.]]])
    """
    return _convolve_transposed(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


@composite
def conv_transpose2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Array:
    """Adjoint of :func:`conv2d`: each element of ``x`` adds a multiple of a kernel to the result.

    The spatial size is ``(size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 +
    output_padding``.

    Args:
        x: ``(batch, in, height, width)``, or without the batch.
        weight: ``(in, out / groups, kernel height, kernel width)``.
        bias: ``(out,)``.
        stride: How far the kernels of neighbouring elements are apart.
        padding: What is cropped from both ends: as much as :func:`conv2d` would pad.
        output_padding: What is cropped less at the end, where several sizes have one convolution;
            smaller than stride or dilation.
        groups: Into how many parts the channels fall, each with its own kernels.
        dilation: How far elements of the kernel are apart.

    Raises:
        ShapeError: If channels, groups or bias do not fit, or nothing is left.
        ValueError: If ``output_padding`` is too large.

    >>> import numpy as np
    >>> conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((3, 2, 3, 3)), stride=2).shape
    (1, 2, 9, 9)
    """
    return _convolve_transposed(
        "conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation
    )


@composite
def conv_transpose3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Array:
    """Adjoint of :func:`conv3d`: each element of ``x`` adds a multiple of a kernel to the result.

    The parameters are those of :func:`conv_transpose2d`.

    >>> import numpy as np
    >>> conv_transpose3d(np.ones((1, 3, 2, 2, 2)), np.ones((3, 2, 3, 3, 3))).shape
    (1, 2, 4, 4, 4)
    """
    return _convolve_transposed(
        "conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation
    )
