"""Products of sliding windows with kernels: what convolutions of any kind are made of.

The three ops are one trilinear form, solved for each of its arguments, so the rules of each are
the other two. Arrays are in groups: ``x`` is ``(batch, groups, in, *size)``, ``weight`` is
``(groups, out, in, *kernel)`` and a product ``(batch, groups, out, *count)``.

Windows are copied into the columns of a matrix (im2col), which BLAS multiplies. That is done a
block of ``BLOCK`` bytes at a time, since the columns of a whole batch would be larger than ``x`` by
the number of elements in a kernel, and slower to write to memory than to multiply.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minigrad.ops.window import add_windows, window_view
from minigrad.primitive import Array, case, defvjp, primitive

__all__: list[str] = []

BLOCK = 1 << 21  # bytes of columns at a time: what is next to a core caches them
WASTE = 1.5  # how many windows may be computed for each one that is wanted

Ints = tuple[int, ...]


class _Form(NamedTuple):
    """How windows of a block lie in it.

    With step 1, an image is one long row: the window at ``l`` has its element ``(i, j)`` at
    ``l + i * width + j``. Windows that run across the image's edge are computed for nothing, but
    copies and additions go in runs as long as the image, not as its rows. ``row`` is how far apart
    neighbours along each axis are then; where it is empty, the axes are left as they are.
    """

    size: Ints
    kernel: Ints
    counts: Ints
    step: Ints
    dilation: Ints
    row: Ints

    @property
    def axis(self) -> Ints:
        """Axes of a block along which windows slide."""
        return (3,) * len(self.size) if self.row else tuple(range(3, 3 + len(self.size)))

    @property
    def computed(self) -> Ints:
        """Counts of the windows that are computed, the useless ones too."""
        return (self.length,) if self.row else self.counts

    @property
    def length(self) -> int:
        """Number of windows of an image that is one long row."""
        return sum((c - 1) * r for c, r in zip(self.counts, self.row, strict=True)) + 1

    def images(self, x: Array) -> Array:
        """``x`` with each image as one long row, if that is how windows slide."""
        return x.reshape(*x.shape[:3], math.prod(self.size)) if self.row else x

    def wanted(self, product: Array) -> Array:
        """View of ``(groups, out, batch, *computed)`` without the windows across an edge."""
        if not self.row:
            return product
        if len(self.row) == 1 or not product.size:
            return product.reshape(*product.shape[:3], *self.counts)
        stride = product.strides[-1]
        strides = (*product.strides[:3], *(stride * r for r in self.row))
        shape = (*product.shape[:3], *self.counts)
        return np.lib.stride_tricks.as_strided(product, shape, strides)


@functools.lru_cache(maxsize=256)
def _form(size: Ints, kernel: Ints, step: Ints, dilation: Ints) -> _Form:
    count = tuple(
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(size, kernel, step, dilation, strict=True)
    )
    row = tuple(math.prod(size[j + 1 :]) for j in range(len(size)))
    form = _Form(size, kernel, count, (1,) * len(size), dilation, row)
    if any(s != 1 for s in step) or form.length > WASTE * math.prod(count):
        return _Form(size, kernel, count, step, dilation, ())
    return form._replace(dilation=tuple(d * r for d, r in zip(dilation, row, strict=True)))


class _Block(NamedTuple):
    """Part of a batch, and rows of its products with the rows of images that they need."""

    batch: slice
    rows: slice
    source: slice
    form: _Form


def _blocks(
    x_shape: Ints, kernel: Ints, step: Ints, dilation: Ints, itemsize: int
) -> Iterator[_Block]:
    batch, groups, channels, *size = x_shape
    whole = _form(tuple(size), kernel, step, dilation)
    each = groups * channels * math.prod(kernel) * itemsize
    image = each * math.prod(whole.computed)
    several = max(1, BLOCK // max(image, 1))
    rows = whole.counts[0]
    if several == 1 and image > BLOCK:
        rows = min(rows, max(1, BLOCK * rows // image))
    for n in range(0, batch, several):
        for p in range(0, whole.counts[0], rows):
            last = min(p + rows, whole.counts[0]) - 1
            source = slice(p * step[0], last * step[0] + dilation[0] * (kernel[0] - 1) + 1)
            part = (source.stop - source.start, *size[1:])
            yield _Block(
                slice(n, min(n + several, batch)),
                slice(p, last + 1),
                source,
                _form(part, kernel, step, dilation),
            )


def _columns(x: Array, form: _Form) -> Array:
    """Windows as columns ``(groups, in * kernel, batch * computed)``."""
    windows = window_view(form.images(x), form.kernel, form.axis, form.step, form.dilation)
    places = tuple(range(3, windows.ndim - len(form.kernel)))
    offsets = tuple(range(windows.ndim - len(form.kernel), windows.ndim))
    batch, groups, channels = x.shape[:3]
    height = channels * math.prod(form.kernel)
    width = batch * math.prod(form.computed)
    return windows.transpose(1, 2, *offsets, 0, *places).reshape(groups, height, width)


def _rows(g: Array, form: _Form) -> Array:
    """Cotangents of products as ``(groups, out, batch * computed)``, 0 where none is wanted."""
    batch, groups, channels = g.shape[:3]
    turned = g.transpose(1, 2, 0, *range(3, g.ndim))
    if form.row and form.length != math.prod(form.counts):
        out = np.zeros((groups, channels, batch, form.length), g.dtype)
        form.wanted(out)[...] = turned
        turned = out
    return turned.reshape(groups, channels, batch * math.prod(form.computed))


def _times(a: Array, b: Array) -> Array:
    """Product of stacks of matrices; a column by a row is faster as what it is."""
    return a * b if a.shape[-1] == 1 else np.matmul(a, b)


def _wide(*arrays: Array) -> tuple[tuple[Array, ...], np.dtype[np.generic]]:
    """Arrays in one dtype to compute in, and that of the result: half precision adds in single."""
    dtype = np.result_type(*arrays)
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    return tuple(np.asarray(array, wide) for array in arrays), dtype


def _matrix(weight: Array) -> Array:
    return weight.reshape(*weight.shape[:2], math.prod(weight.shape[2:]))


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


def _correlated(x: Array, weight: Array, step: Ints, dilation: Ints) -> Array:
    groups, channels, _, *kernel = weight.shape
    matrix = _matrix(weight)
    form = _form(x.shape[3:], tuple(kernel), step, dilation)
    out = np.empty((x.shape[0], groups, channels, *form.counts), x.dtype)
    for batch, rows, source, part in _blocks(x.shape, form.kernel, step, dilation, x.itemsize):
        product = _times(matrix, _columns(x[batch, :, :, source], part))
        product = product.reshape(groups, channels, batch.stop - batch.start, *part.computed)
        out[batch, :, :, rows] = np.moveaxis(part.wanted(product), 2, 0)
    return out


def _added(product: Array, weight: Array, used: Ints, step: Ints, dilation: Ints) -> Array:
    """Kernels added up in images of size ``used``."""
    groups, _, channels, *kernel = weight.shape
    matrix = np.swapaxes(_matrix(weight), 1, 2)
    out = np.zeros((product.shape[0], groups, channels, *used), product.dtype)
    for batch, rows, source, part in _blocks(
        out.shape, tuple(kernel), step, dilation, product.itemsize
    ):
        columns = _times(matrix, _rows(product[batch, :, :, rows], part))
        n = batch.stop - batch.start
        windows = columns.reshape(groups, channels, *kernel, n, *part.computed)
        order = (2 + len(kernel), 0, 1, *range(3 + len(kernel), windows.ndim))
        windows = windows.transpose(*order, *range(2, 2 + len(kernel)))
        target = part.images(out[batch, :, :, source])
        add_windows(target, windows, part.axis, part.step, part.dilation)
    return out


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
    out = np.zeros((groups, channels, x.shape[2] * math.prod(kernel)), x.dtype)
    for batch, rows, source, part in _blocks(x.shape, kernel, step, dilation, x.itemsize):
        columns = _columns(x[batch, :, :, source], part)
        out += _times(_rows(product[batch, :, :, rows], part), np.swapaxes(columns, 1, 2))
    return out.reshape(groups, channels, x.shape[2], *kernel).astype(dtype, copy=False)
