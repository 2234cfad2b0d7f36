"""Products of sliding windows with kernels: what convolutions of any kind are made of.

The three ops are one trilinear form, solved for each of its arguments, so the rules of each are
the other two. Arrays are in groups: ``x`` is ``(batch, groups, in, *size)``, ``weight`` is
``(groups, out, in, *kernel)`` and a product ``(batch, groups, out, *count)``.

Windows are copied into the columns of matrices, which BLAS multiplies, but for the first spatial
axis: along that, they are views of one copy. That is done a block of ``BLOCK`` bytes at a time,
since the columns of a whole batch would be slower to write to memory than to multiply.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minigrad.ops.window import add_windows
from minigrad.primitive import Array, case, defvjp, primitive

__all__: list[str] = []

BLOCK = 1 << 21  # bytes of columns at a time: what is next to a core caches them
NARROW = 64  # columns: matrices of fewer are slower than a copy of all windows

Ints = tuple[int, ...]


class _Form(NamedTuple):
    """How the windows of a block are multiplied.

    Where ``slides``, only windows along the later axes are copied, into the rows of one matrix for
    each place along the first. Those matrices lie one after the other, so that neighbouring ones
    are the windows along the first axis, without a copy. Otherwise windows along all axes are
    copied, behind a first axis of length 1.
    """

    kernel: Ints
    counts: Ints
    step: Ints
    dilation: Ints
    slides: bool

    def led(self, x: Array) -> Array:
        """``x`` with the axis that slides before the others."""
        return x if self.slides else np.expand_dims(x, 3)

    @property
    def first(self) -> tuple[int, int]:
        """Length of the kernel and step along the axis that slides."""
        return (self.kernel[0], self.step[0]) if self.slides else (1, 1)

    def inner_counts(self, size: Ints) -> Ints:
        """Number of windows along those axes in a part of an image."""
        return _counts(size, *self.inner)

    @property
    def inner(self) -> tuple[Ints, Ints, Ints]:
        """Kernel, step and dilation along the axes whose windows are copied."""
        start = int(self.slides)
        return self.kernel[start:], self.step[start:], self.dilation[start:]


def _counts(size: Ints, kernel: Ints, step: Ints, dilation: Ints) -> Ints:
    """Number of windows along each axis."""
    return tuple(
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(size, kernel, step, dilation, strict=True)
    )


@functools.lru_cache(maxsize=256)
def _form(batch: int, size: Ints, kernel: Ints, step: Ints, dilation: Ints) -> _Form:
    counts = _counts(size, kernel, step, dilation)
    slides = kernel[0] > 1 == dilation[0] and batch * math.prod(counts[1:]) >= NARROW
    return _Form(kernel, counts, step, dilation, slides)


class _Block(NamedTuple):
    """Part of a batch, and rows of its products with the rows of images that they need."""

    batch: slice
    rows: slice
    source: slice


def _blocks(x_shape: Ints, form: _Form, itemsize: int) -> Iterator[_Block]:
    batch, groups, channels = x_shape[:3]
    kernel, count, step, dilation = (each[0] for each in form[:4])
    taken = step if form.slides else 1  # places with columns, for one with products
    width = math.prod(form.counts[1:])
    row = groups * channels * math.prod(form.inner[0]) * width * taken * itemsize
    several = max(1, BLOCK // max(row * count, 1))
    if form.slides:
        several = max(several, -(-NARROW // width))
    rows = max(1, min(count, BLOCK // max(row * several, 1)))
    for n in range(0, batch, several):
        for p in range(0, count, rows):
            last = min(p + rows, count) - 1
            source = slice(p * step, last * step + dilation * (kernel - 1) + 1)
            yield _Block(slice(n, min(n + several, batch)), slice(p, last + 1), source)


def _inner_windows(x: Array, form: _Form) -> Array:
    """Windows as ``(groups, first axis, in, *kernel, batch, *counts)``, a view."""
    kernel, step, dilation = form.inner
    batch, group, channel, first, *places = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (x.shape[1], x.shape[3], x.shape[2], *kernel, x.shape[0], *form.inner_counts(x.shape[4:])),
        (
            *(group, first, channel),
            *(d * stride for d, stride in zip(dilation, places, strict=True)),
            batch,
            *(s * stride for s, stride in zip(step, places, strict=True)),
        ),
        writeable=False,
    )


def _matrices(x: Array, height: int, border: int = 0, inner: Ints = ()) -> Array:
    """``(groups, first axis, rows, columns)`` without gaps.

    The axes of rows are the ``height`` after the first two. There are zeros around the first axis,
    and behind the last ones where ``inner`` says that they are to be longer.
    """
    groups, length, *rest = x.shape
    wide = rest[: len(rest) - len(inner)] + list(inner)
    shape = (groups, length + 2 * border, math.prod(wide[:height]), math.prod(wide[height:]))
    if not border and wide == rest:
        return np.ascontiguousarray(x.reshape(shape))
    out = np.zeros(shape, x.dtype)
    places: tuple[Any, ...] = (..., *(slice(n) for n in rest[len(rest) - len(inner) :]))
    out.reshape(groups, -1, *wide)[:, border : border + length][places] = x
    return out


def _columns(x: Array, form: _Form) -> Array:
    """Windows along the inner axes as matrices ``(in * kernel, batch * counts)``."""
    return _matrices(_inner_windows(form.led(x), form), 1 + len(form.inner[0]))


def _rows(g: Array, form: _Form, border: int = 0, inner: Ints = ()) -> Array:
    """Products as matrices ``(out, batch * counts)``."""
    g = form.led(g)
    return _matrices(g.transpose(1, 3, 2, 0, *range(4, g.ndim)), 1, border, inner)


def _runs(matrices: Array, several: int, step: int, count: int) -> Array:
    """View of ``several`` matrices, one below the other, ``count`` times, ``step`` apart."""
    groups, _, height, width = matrices.shape
    group, place, row, element = matrices.strides
    return np.lib.stride_tricks.as_strided(
        matrices,
        (groups, count, several * height, width),
        (group, step * place, row, element),
        writeable=False,
    )


def _times(a: Array, b: Array) -> Array:
    """Product of a matrix in each group and stacks of them.

    A column by a row is faster as what it is. BLAS takes rows four by four and two or three that
    are left one by one, so that zeros below them save up to a third of its time.
    """
    if a.shape[-1] == 1:
        return a * b
    height = a.shape[-2]
    if height % 4 < 2:
        return np.matmul(a, b)
    even = np.zeros((*a.shape[:-2], height + -height % 4, a.shape[-1]), a.dtype)
    even[..., :height, :] = a
    return np.matmul(even, b)[..., :height, :]


def _wide(*arrays: Array) -> tuple[tuple[Array, ...], np.dtype[np.generic]]:
    """Arrays in one dtype to compute in, and that of the result: half precision adds in single."""
    dtype = np.result_type(*arrays)
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    return tuple(np.asarray(array, wide) for array in arrays), dtype


def _used(count: Ints, kernel: Ints, step: Ints, dilation: Ints) -> Ints:
    """Size of the part of an image that its windows cover."""
    return tuple(
        (c - 1) * s + d * (k - 1) + 1
        for c, k, s, d in zip(count, kernel, step, dilation, strict=True)
    )


def _cut(x: Array, count: Ints, kernel: Ints, step: Ints, dilation: Ints) -> Array:
    """``x`` without what no window covers, where that would make room for another window."""
    used = _used(count, kernel, step, dilation)
    if all(n < u + s for n, u, s in zip(x.shape[3:], used, step, strict=True)):
        return x
    return x[(..., *map(slice, used))]


def pull_image(g: Array, x_shape: Ints, weight: Array, step: Ints, dilation: Ints) -> Array:
    """Kernels, each times the cotangent of its product, added up."""
    return overlap_product(g, weight, x_shape[3:], step, dilation)


def pull_kernel(g: Array, x: Array, weight_shape: Ints, step: Ints, dilation: Ints) -> Array:
    """Windows, each times the cotangent of its product, added up."""
    return kernel_product(x, g, weight_shape[3:], step, dilation)


@primitive(
    cases=[
        case((2, 1, 2, 4, 5), (1, 3, 2, 2, 3), step=(1, 1), dilation=(1, 1)),
        case((2, 2, 1, 8), (2, 2, 1, 3), step=(2,), dilation=(2,)),
    ]
)
@defvjp(x=pull_image, weight=pull_kernel)
def window_product(x: Array, weight: Array, /, step: Ints, dilation: Ints) -> Array:
    """Product of every window of ``x`` with every kernel of its group: a cross-correlation.

    >>> x, weight = np.arange(5.0).reshape(1, 1, 1, 5), np.array([[[[1.0, 0.0, -1.0]]]])
    >>> window_product(x, weight, step=(1,), dilation=(1,))
    array([[[[-2., -2., -2.]]]])
    """
    (x, weight), dtype = _wide(x, weight)
    return _correlated(x, weight, step, dilation).astype(dtype, copy=False)


def _is_pointwise(size: Ints, kernel: Ints, step: Ints) -> bool:
    """Whether an image is one matrix already: kernels of one element, which leave none out."""
    return math.prod(kernel) == math.prod(step) == 1 and math.prod(size) >= NARROW


def _flat(x: Array) -> Array:
    """Images as matrices ``(batch, groups, channels, elements)``."""
    return x.reshape(*x.shape[:3], math.prod(x.shape[3:]))


def _correlated(x: Array, weight: Array, step: Ints, dilation: Ints) -> Array:
    groups, channels, _, *kernel = weight.shape
    if _is_pointwise(x.shape[3:], tuple(kernel), step):
        product = np.matmul(weight[(..., *(0,) * len(kernel))], _flat(x))
        return product.reshape(*product.shape[:3], *x.shape[3:])
    form = _form(x.shape[0], x.shape[3:], tuple(kernel), step, dilation)
    matrix = np.swapaxes(form.led(weight), 2, 3).reshape(groups, 1, channels, -1)
    out = np.empty((x.shape[0], groups, channels, *form.counts), x.dtype)
    for batch, rows, source in _blocks(x.shape, form, x.itemsize):
        target = form.led(out[batch, :, :, rows])
        target = target.transpose(1, 3, 2, 0, *range(4, target.ndim))
        columns = _columns(x[batch, :, :, source], form)
        product = _times(matrix, _runs(columns, *form.first, target.shape[1]))
        target[...] = product.reshape(target.shape)
    return out


def _added(product: Array, weight: Array, used: Ints, step: Ints, dilation: Ints) -> Array:
    """Kernels added up in images of size ``used``.

    Along the axis that slides, an element is in as many windows as the kernel is long, or, with a
    step, in those whose offset leaves the same rest: the products of these are neighbours, too.
    """
    groups, _, channels, *kernel = weight.shape
    if _is_pointwise(used, tuple(kernel), step):
        matrix = np.swapaxes(weight[(..., *(0,) * len(kernel))], 1, 2)
        return np.matmul(matrix, _flat(product)).reshape(len(product), groups, channels, *used)
    out = np.zeros((product.shape[0], groups, channels, *used), product.dtype)
    form = _form(len(product), used, tuple(kernel), step, dilation)
    length, stride = form.first
    weight = form.led(weight)
    border = -(-length // stride) - 1
    for batch, rows, source in _blocks(out.shape, form, product.itemsize):
        image = form.led(out[batch, :, :, source])
        inner = _as_wide_as_the_image(form, image.shape[4:])
        matrices = _rows(product[batch, :, :, rows], form, border, inner)
        for start in range(min(stride, length)):
            part = weight[:, :, :, start::stride][:, :, :, ::-1]
            several = part.shape[3]
            height = math.prod(part.shape[2:]) // several
            matrix = part.transpose(0, 2, *range(4, part.ndim), 3, 1)
            matrix = matrix.reshape(groups, 1, height, -1)
            count = matrices.shape[1] - 2 * border + several - 1
            runs = _runs(matrices[:, border + 1 - several :], several, 1, count)
            part = image[:, :, :, start::stride][:, :, :, :count]
            if inner:
                _add_shifted(part, _times(matrix, runs), form)
            else:
                _add(part, _times(matrix, runs), form)
    return out


def _as_wide_as_the_image(form: _Form, size: Ints) -> Ints:
    """The size along the inner axes, if products may as well be that long; else ()."""
    kernel, step, _ = form.inner
    few = math.prod(size) <= 1.2 * math.prod(form.inner_counts(size))
    return size if few and math.prod(step) == 1 < math.prod(kernel) else ()


def _add_shifted(image: Array, columns: Array, form: _Form) -> None:
    """Add columns that are as long as an image, with zeros where it has no window.

    Each element of a kernel then moves all of them by the same distance, so that they are added in
    a few long runs, and not in one for each row of an image.
    """
    kernel, _, dilation = form.inner
    batch, groups, channels, length, *size = image.shape
    columns = columns.reshape(groups, length, channels, math.prod(kernel), -1)
    total = columns[:, :, :, 0]
    for n, offset in enumerate(itertools.product(*map(range, kernel))):
        moved = 0
        for o, d, width in zip(offset, dilation, size, strict=True):
            moved = moved * width + o * d
        if n:
            total[..., moved:] += columns[:, :, :, n, : columns.shape[-1] - moved]
    windows = total.reshape(groups, length, channels, batch, *size)
    image += windows.transpose(3, 0, 2, 1, *range(4, windows.ndim))


def _add(image: Array, columns: Array, form: _Form) -> None:
    """Add columns where :func:`_columns` would have taken them from ``image``."""
    kernel, step, dilation = form.inner
    batch, groups, channels, length = image.shape[:4]
    axis = tuple(range(4, image.ndim))
    counts = form.inner_counts(image.shape[4:])
    windows = columns.reshape(groups, length, channels, *kernel, batch, *counts)
    turn = 3 + len(kernel)
    windows = windows.transpose(turn, 0, 2, 1, *range(turn + 1, windows.ndim), *range(3, turn))
    add_windows(image, windows, axis, step, dilation)


def pull_product(
    g: Array, weight: Array, product_shape: Ints, weight_shape: Ints, step: Ints, dilation: Ints
) -> Array:
    """Windows of the cotangent times the kernels that were added there."""
    g = _cut(g, product_shape[3:], weight_shape[3:], step, dilation)
    return window_product(g, weight, step, dilation)


def pull_added_kernel(
    g: Array, product: Array, weight_shape: Ints, step: Ints, dilation: Ints
) -> Array:
    """Windows of the cotangent, each times what its kernel was multiplied with."""
    g = _cut(g, product.shape[3:], weight_shape[3:], step, dilation)
    return kernel_product(g, product, weight_shape[3:], step, dilation)


@primitive(
    cases=[
        case((2, 1, 3, 3, 3), (1, 3, 2, 2, 3), size=(4, 5), step=(1, 1), dilation=(1, 1)),
        case((2, 2, 2, 2), (2, 2, 1, 3), size=(11,), step=(2,), dilation=(2,)),
    ]
)
@defvjp(product=pull_product, weight=pull_added_kernel)
def overlap_product(
    product: Array, weight: Array, /, size: Ints, step: Ints, dilation: Ints
) -> Array:
    """Multiples of kernels added where their windows are: the adjoint of :func:`window_product`.

    >>> product, weight = np.array([[[[1.0, 2.0]]]]), np.array([[[[1.0, 10.0]]]])
    >>> overlap_product(product, weight, size=(4,), step=(2,), dilation=(1,))
    array([[[[ 1., 10.,  2., 20.]]]])
    """
    (product, weight), dtype = _wide(product, weight)
    used = _used(product.shape[3:], weight.shape[3:], step, dilation)
    out = _added(product, weight, used, step, dilation)
    if used != tuple(size):
        inner, out = out, np.zeros((*out.shape[:3], *size), out.dtype)
        part: tuple[Any, ...] = (..., *map(slice, used))
        out[part] = inner
    return out.astype(dtype, copy=False)


@primitive(
    cases=[
        case((2, 1, 2, 4, 5), (2, 1, 3, 3, 3), kernel=(2, 3), step=(1, 1), dilation=(1, 1)),
        case((2, 2, 1, 8), (2, 2, 2, 2), kernel=(3,), step=(2,), dilation=(2,)),
    ]
)
@defvjp(
    x=lambda g, x_shape, product, step, dilation: overlap_product(
        product, g, x_shape[3:], step, dilation
    ),
    product=lambda g, x, step, dilation: window_product(x, g, step, dilation),
)
def kernel_product(x: Array, product: Array, /, kernel: Ints, step: Ints, dilation: Ints) -> Array:
    """Sum of all windows of ``x``, each times an element: what a kernel gets as its gradient.

    >>> x, product = np.arange(4.0).reshape(1, 1, 1, 4), np.array([[[[1.0, 10.0]]]])
    >>> kernel_product(x, product, kernel=(3,), step=(1,), dilation=(1,))
    array([[[[10., 21., 32.]]]])
    """
    (x, product), dtype = _wide(x, product)
    groups, channels = product.shape[1:3]
    if _is_pointwise(x.shape[3:], kernel, step):
        out = np.matmul(_flat(product), np.swapaxes(_flat(x), 2, 3)).sum(0)
        return out.reshape(*out.shape, *kernel).astype(dtype, copy=False)
    form = _form(len(x), x.shape[3:], kernel, step, dilation)
    length, stride = form.first
    rest = form.inner[0]
    out = np.zeros((groups, channels, length * x.shape[2] * math.prod(rest)), x.dtype)
    for batch, rows, source in _blocks(x.shape, form, x.itemsize):
        matrices = _rows(product[batch, :, :, rows], form)
        columns = _columns(x[batch, :, :, source], form)
        runs = _runs(columns, length, stride, matrices.shape[1])
        out += np.matmul(matrices, np.swapaxes(runs, 2, 3)).sum(1)
    out = np.moveaxis(out.reshape(groups, channels, length, x.shape[2], *rest), 2, 3)
    return out.reshape(groups, channels, x.shape[2], *kernel).astype(dtype, copy=False)
