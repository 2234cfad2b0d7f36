"""One sensible call of every public function of NumPy, and what is to come of it.

``v`` is a vector of four numbers between 0 and 1, ``m`` a symmetric definite 3x3 matrix. What
stands in neither of the tables below has a gradient; a name that is in no table is new in NumPy.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

V = np.array([0.31, 0.77, 0.12, 0.58])
M = np.array([[3.0, 0.4, 0.7], [0.4, 2.0, 0.3], [0.7, 0.3, 1.2]])
ROWS = np.array([2, 0, 1])


def listed(text: str) -> list[str]:
    """The names in a block of text."""
    return text.split()


UNARY = listed("""
absolute abs acos acosh arccos arcsin arctan arctanh asin asinh arcsinh atan atanh cbrt ceil
conj conjugate copy cos cosh cumprod cumsum cumulative_prod cumulative_sum deg2rad degrees diff
ediff1d exp exp2 expm1 fabs fix flatten_ flip floor gradient i0 log log10 log1p log2 max amax
min amin mean median nan_to_num nancumprod nancumsum nanmax nanmean nanmedian nanmin nanprod
nanstd nansum
nanvar negative positive prod ptp rad2deg radians ravel real reciprocal rint round around sign sin
sinc sinh sort sqrt square squeeze std sum tan tanh trapezoid trunc unwrap var vander unstack
angle imag real_if_close spacing frexp modf signbit isfinite isinf isnan isneginf isposinf isreal
iscomplex iscomplexobj isrealobj logical_not argmax argmin argsort argwhere nanargmax nanargmin
flatnonzero nonzero count_nonzero all any ndim shape size zeros_like ones_like empty_like
array_repr array_str array2string sort_complex unique unique_all unique_counts unique_inverse
unique_values histogram histogram_bin_edges roots poly atleast_1d atleast_2d atleast_3d diag
diagflat common_type min_scalar_type isscalar iterable trim_zeros
isfortran asarray asanyarray array ascontiguousarray asfortranarray asarray_chkfinite
""")
MATRIX = listed("""
matrix_transpose permute_dims transpose trace diagonal fliplr flipud rot90 tril triu corrcoef cov
linalg.cond linalg.det linalg.diagonal linalg.inv
linalg.matrix_norm linalg.matrix_transpose linalg.norm linalg.pinv linalg.qr linalg.slogdet
linalg.svd linalg.svdvals linalg.trace linalg.vector_norm linalg.eig linalg.eigvals
linalg.matrix_rank diag_indices_from tril_indices_from triu_indices_from asmatrix
""")
BINARY = listed("""
add subtract multiply divide true_divide maximum minimum fmax fmin arctan2 atan2 hypot logaddexp
logaddexp2 power pow float_power copysign heaviside floor_divide remainder mod fmod divmod nextafter
equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor isclose
allclose array_equal array_equiv dot inner outer vdot vecdot kron convolve correlate
linalg.outer linalg.vecdot polyadd polysub polymul polydiv union1d intersect1d setdiff1d setxor1d
isin searchsorted may_share_memory shares_memory result_type broadcast_arrays meshgrid
""")
FOURIER = listed("fft fft2 fftn hfft ifft ifft2 ifftn ihfft irfft irfft2 irfftn rfft rfft2 rfftn")


def _named(name: str) -> Any:
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _unary(name: str) -> Callable[..., Any]:
    return lambda v, m: _named(name)(v)


def _matrix(name: str) -> Callable[..., Any]:
    return lambda v, m: _named(name)(m)


def _binary(name: str) -> Callable[..., Any]:
    return lambda v, m: _named(name)(v, v[::-1] * 1.3)


CALLS: dict[str, Callable[..., Any]] = {
    **{name: _unary(name) for name in UNARY if name != "flatten_"},
    **{name: _matrix(name) for name in MATRIX},
    **{name: _binary(name) for name in BINARY},
    **{f"fft.{name}": _matrix(f"fft.{name}") for name in FOURIER},
    "acosh": lambda v, m: np.acosh(v + 1.5),
    "arccosh": lambda v, m: np.arccosh(v + 1.5),
    "append": lambda v, m: np.append(v, m),
    "apply_along_axis": lambda v, m: np.apply_along_axis(np.sum, 0, m),
    "apply_over_axes": lambda v, m: np.apply_over_axes(np.sum, m, [0]),
    "argpartition": lambda v, m: np.argpartition(v, 1),
    "array_split": lambda v, m: np.array_split(v, 3),
    "astype": lambda v, m: np.astype(v, np.float64),
    "average": lambda v, m: np.average(v, weights=v[::-1]),
    "bincount": lambda v, m: np.bincount([0, 1, 1, 2], weights=v),
    "bmat": lambda v, m: np.bmat([[m, m]]),
    "block": lambda v, m: np.block([[m, m], [m, 2 * m]]),
    "broadcast_to": lambda v, m: np.broadcast_to(v, (2, 4)),
    "can_cast": lambda v, m: np.can_cast(v.dtype, float),
    "choose": lambda v, m: np.choose([0, 1, 2], m),
    "clip": lambda v, m: np.clip(v, 0.2, v[1] * 0.8),
    "column_stack": lambda v, m: np.column_stack([v, v * v]),
    "compress": lambda v, m: np.compress([True, False, True, True], v),
    "concat": lambda v, m: np.concat([v, v * v]),
    "concatenate": lambda v, m: np.concatenate([m, m * m], axis=1),
    "copyto": lambda v, m: np.copyto(np.zeros(4), v),
    "cross": lambda v, m: np.cross(m[0], v[:3]),
    "delete": lambda v, m: np.delete(v, 1),
    "digitize": lambda v, m: np.digitize(v, [0.2, 0.6]),
    "dsplit": lambda v, m: np.dsplit(np.reshape(v, (1, 1, 4)), 2),
    "dstack": lambda v, m: np.dstack([v, v * v]),
    "einsum": lambda v, m: np.einsum("ij,j->i", m, v[:3]),
    "einsum_path": lambda v, m: np.einsum_path("ij,j->i", m, v[:3])[1],
    "expand_dims": lambda v, m: np.expand_dims(v, 0),
    "extract": lambda v, m: np.extract([True, False, True, True], v),
    "fill_diagonal": lambda v, m: np.fill_diagonal(m, 0.0),
    "from_dlpack": lambda v, m: np.from_dlpack(v),
    "fromiter": lambda v, m: np.fromiter(v, float),
    "full_like": lambda v, m: np.full_like(v, 2.0),
    "full": lambda v, m: np.full(3, v[0]),
    "geomspace": lambda v, m: np.geomspace(v[0], v[1], 4),
    "histogram2d": lambda v, m: np.histogram2d(v, v),
    "histogramdd": lambda v, m: np.histogramdd(m),
    "hsplit": lambda v, m: np.hsplit(v, 2),
    "hstack": lambda v, m: np.hstack([v, v * v]),
    "insert": lambda v, m: np.insert(v, 1, v[0] * 2),
    "interp": lambda v, m: np.interp([0.3, 1.4, 2.2], np.arange(4.0), v),
    "ix_": lambda v, m: np.ix_(v > 0.5),
    "ldexp": lambda v, m: np.ldexp(v, 3),
    "lexsort": lambda v, m: np.lexsort((v,)),
    "linspace": lambda v, m: np.linspace(v[0], v[1], 4),
    "logspace": lambda v, m: np.logspace(v[0], v[1], 4),
    "arange": lambda v, m: np.arange(v[0], 3.0),
    "matmul": lambda v, m: np.matmul(m, v[:3]),
    "matvec": lambda v, m: np.matvec(m, v[:3]),
    "moveaxis": lambda v, m: np.moveaxis(m, 0, 1),
    "nanpercentile": lambda v, m: np.nanpercentile(v, 30.0),
    "nanquantile": lambda v, m: np.nanquantile(v, 0.3),
    "packbits": lambda v, m: np.packbits(v),
    "pad": lambda v, m: np.pad(v, 1),
    "partition": lambda v, m: np.partition(v, 1),
    "percentile": lambda v, m: np.percentile(v, 30.0),
    "piecewise": lambda v, m: np.piecewise(v, [np.array(V < 0.5)], [np.sin, np.cos]),
    "place": lambda v, m: np.place(v, V > 0.5, [1.0]),
    "polyder": lambda v, m: np.polyder(v),
    "polyfit": lambda v, m: np.polyfit(np.arange(4.0), v, 1),
    "polyint": lambda v, m: np.polyint(v),
    "polyval": lambda v, m: np.polyval(v, v * 2),
    "put": lambda v, m: np.put(v, [0], 1.0),
    "put_along_axis": lambda v, m: np.put_along_axis(v, np.array([0]), 1.0, 0),
    "putmask": lambda v, m: np.putmask(v, V > 0.5, 1.0),
    "quantile": lambda v, m: np.quantile(v, 0.3),
    "repeat": lambda v, m: np.repeat(v, 2),
    "require": lambda v, m: np.require(v, float),
    "reshape": lambda v, m: np.reshape(v, (2, 2)),
    "resize": lambda v, m: np.resize(v, (2, 3)),
    "roll": lambda v, m: np.roll(v, 1),
    "rollaxis": lambda v, m: np.rollaxis(m, 1),
    "row_stack": lambda v, m: np.vstack([v, v * v]),
    "select": lambda v, m: np.select([V > 0.5, V > 0.2], [v, v * v], 0.0),
    "split": lambda v, m: np.split(v, 2),
    "stack": lambda v, m: np.stack([v, v * v]),
    "swapaxes": lambda v, m: np.swapaxes(m, 0, 1),
    "take": lambda v, m: np.take(v, ROWS),
    "take_along_axis": lambda v, m: np.take_along_axis(v, ROWS, 0),
    "tensordot": lambda v, m: np.tensordot(m, m, 1),
    "linalg.tensordot": lambda v, m: np.linalg.tensordot(m, m, axes=1),
    "tile": lambda v, m: np.tile(v, 2),
    "vecmat": lambda v, m: np.vecmat(v[:3], m),
    "vsplit": lambda v, m: np.vsplit(m, 3),
    "vstack": lambda v, m: np.vstack([v, v * v]),
    "where": lambda v, m: np.where(V > 0.5, v, v * v),
    "save": lambda v, m: np.save("never written", v),
    "savetxt": lambda v, m: np.savetxt("never written", v),
    "savez": lambda v, m: np.savez("never written", v),
    "savez_compressed": lambda v, m: np.savez_compressed("never written", v),
    "fft.fftshift": lambda v, m: np.fft.fftshift(v),
    "fft.ifftshift": lambda v, m: np.fft.ifftshift(v),
    "linalg.cholesky": lambda v, m: np.linalg.cholesky((m + m.T) / 2),
    "linalg.eigh": lambda v, m: np.linalg.eigh((m + m.T) / 2),
    "linalg.eigvalsh": lambda v, m: np.linalg.eigvalsh((m + m.T) / 2),
    "linalg.cross": lambda v, m: np.linalg.cross(m[0], v[:3]),
    "linalg.lstsq": lambda v, m: np.linalg.lstsq(m, v[:3]),
    "linalg.matmul": lambda v, m: np.linalg.matmul(m, m),
    "linalg.matrix_power": lambda v, m: np.linalg.matrix_power(m, 3),
    "linalg.multi_dot": lambda v, m: np.linalg.multi_dot([m, m, v[:3]]),
    "linalg.solve": lambda v, m: np.linalg.solve(m, v[:3]),
    "linalg.tensorinv": lambda v, m: np.linalg.tensorinv(m, 1),
    "linalg.tensorsolve": lambda v, m: np.linalg.tensorsolve(m, v[:3]),
    # not functions of np.*, but what else a Tensor is handed to
    "float64()": lambda v, m: np.float64(v[0]),
    "float32()": lambda v, m: np.float32(v[0]),
    "complex128()": lambda v, m: np.complex128(v[0]),
    "array of tensors": lambda v, m: np.array([v[0], v[1]]),
    "array with a tensor": lambda v, m: np.array([v[0], 1.0]),
    "vectorize": lambda v, m: np.vectorize(np.sin)(v),
    "frompyfunc": lambda v, m: np.frompyfunc(float, 1, 1)(v),
    "r_": lambda v, m: np.r_[v, 1.0],
    "c_": lambda v, m: np.c_[v, v],
    "poly1d": lambda v, m: np.poly1d(v)(2.0),
    "matrix": lambda v, m: np.matrix(m),
    "nditer": lambda v, m: list(np.nditer(v)),
    "ndenumerate": lambda v, m: list(np.ndenumerate(v)),
    "random": lambda v, m: np.random.default_rng(0).normal(v),
    "assignment": lambda v, m: np.zeros(4).__setitem__(slice(None), v),
    "polynomial": lambda v, m: np.polynomial.Polynomial([1.0, 2.0])(v),
    "polynomial.polyval": lambda v, m: np.polynomial.polynomial.polyval(v, V),
    "lib.stride_tricks.sliding_window_view": lambda v, m: np.lib.stride_tricks.sliding_window_view(
        v, 2
    ),
}

# Answers that have no gradient: about shape, type, truth, equality, position or text.
CONSTANT = set(
    listed("""
    signbit isfinite isinf isnan isneginf isposinf isreal iscomplex iscomplexobj isrealobj
    logical_not logical_and logical_or logical_xor argmax argmin argsort argpartition argwhere
    nanargmax nanargmin flatnonzero nonzero count_nonzero all any ndim shape size zeros_like
    ones_like empty_like full_like array_repr array_str array2string equal not_equal less less_equal
    greater greater_equal isclose allclose array_equal array_equiv isin searchsorted digitize
    may_share_memory shares_memory result_type can_cast common_type min_scalar_type isscalar
    iterable lexsort einsum_path linalg.matrix_rank diag_indices_from tril_indices_from
    triu_indices_from ix_ histogram_bin_edges imag isfortran
    """)
)

# Calls that raise, and a word of what they say to do instead.
RAISES: dict[str, str] = {
    **dict.fromkeys([f"fft.{name}" for name in FOURIER], "complex"),
    **dict.fromkeys(["unique_all", "unique_counts", "unique_inverse"], "return_index"),
    **dict.fromkeys(["unique_values", "sort_complex"], "t.numpy()"),
    **dict.fromkeys(["union1d", "intersect1d", "setdiff1d", "setxor1d"], "t[indices]"),
    **dict.fromkeys(["histogram", "histogram2d", "histogramdd"], "mg.add_at"),
    **dict.fromkeys(["roots", "linalg.eig", "linalg.eigvals"], "complex"),
    **dict.fromkeys(["linspace", "logspace", "geomspace"], "np.linspace(0, 1, n)"),
    **dict.fromkeys(["copyto", "put", "place", "putmask", "put_along_axis"], "makes a new tensor"),
    **dict.fromkeys(["save", "savez", "savez_compressed", "savetxt"], "mg.save"),
    **dict.fromkeys(["spacing", "nextafter", "packbits"], "bits"),
    **dict.fromkeys(
        ["asarray", "asanyarray", "array", "ascontiguousarray", "asfortranarray", "r_", "c_"],
        "t.numpy()",
    ),
    **dict.fromkeys(
        ["asarray_chkfinite", "asmatrix", "bmat", "matrix", "require", "full", "arange"],
        "t.numpy()",
    ),
    **dict.fromkeys(["float64()", "float32()", "complex128()", "random"], "t.numpy()"),
    **dict.fromkeys(["array of tensors", "array with a tensor", "assignment"], "t.numpy()"),
    **dict.fromkeys(["ndenumerate", "polyfit", "polynomial"], "t.numpy()"),
    "apply_along_axis": "np.stack",
    "apply_over_axes": "axis=(0, 1)",
    "fill_diagonal": "mg.set_at",
    "frompyfunc": "np.exp",
    "i0": "t.numpy()",
    "vectorize": "t.numpy()",
    "from_dlpack": "t.numpy()",
    "fromiter": "setting an array element",
    "nditer": "writeable",
}

# Functions that take no array of numbers, by what they are about.
WITHOUT_ARRAYS = set(
    listed("""
    bartlett blackman hamming hanning kaiser
    base_repr binary_repr format_float_positional format_float_scientific
    bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or
    bitwise_right_shift bitwise_xor invert left_shift right_shift gcd lcm unpackbits
    broadcast_shapes busday_count busday_offset is_busday datetime_as_string datetime_data isnat
    diag_indices indices mask_indices ravel_multi_index tri tril_indices triu_indices unravel_index
    empty eye identity ones zeros fromfunction
    frombuffer fromfile fromregex fromstring genfromtxt load loadtxt
    get_include get_printoptions getbufsize geterr geterrcall info nested_iters printoptions
    set_printoptions setbufsize seterr seterrcall show_config show_runtime test
    isdtype issubdtype promote_types typename mintypecode linalg.test fft.test
    fft.fftfreq fft.rfftfreq in1d trapz recfromcsv
    """)
)
