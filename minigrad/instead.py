"""What to do instead of a NumPy function that has no gradient rule."""

from __future__ import annotations

__all__ = ["INSTEAD", "WRITES", "instead_of"]

LEAVE = "use t.numpy() to leave the graph, or compose it of mg.ops"
_SET = "mg.set_at(t, index, value) or mg.where(mask, value, t) makes a new tensor"
_COMPLEX = "its result is complex, and complex numbers have no gradient here; "
_POSITIONS = "which elements it takes has no gradient; on t.numpy() it tells, and t[indices] takes "
_FILE = "write the array: t.numpy()"
_BITS = "it is about the bits of numbers: t.numpy() has them"

INSTEAD: dict[str, str] = {
    **dict.fromkeys(["np.copyto", "np.put", "np.place", "np.putmask"], _SET),
    "np.put_along_axis": "mg.put_along_axis(t, indices, values, axis) makes a new tensor",
    "np.fill_diagonal": "mg.set_at(t, np.diag_indices(len(t)), value) makes a new tensor",
    **dict.fromkeys(
        ["np.unique_all", "np.unique_counts", "np.unique_inverse", "np.unique_values"],
        _POSITIONS + "them (return_index=True)",
    ),
    **dict.fromkeys(
        ["np.intersect1d", "np.union1d", "np.setdiff1d", "np.setxor1d"], _POSITIONS + "them"
    ),
    "np.sort_complex": _COMPLEX + "mg.sort(t) is for real numbers",
    "np.roots": _COMPLEX + "for real roots, take a Newton step from np.roots(t.numpy())",
    "np.linalg.eig": _COMPLEX + "np.linalg.eigh is for symmetric matrices",
    "np.linalg.eigvals": _COMPLEX + "np.linalg.eigvalsh is for symmetric matrices",
    **dict.fromkeys(
        ["np.histogram", "np.histogram2d", "np.histogramdd"],
        "counts are constant between jumps; of t.numpy() they are right, and "
        "mg.add_at(zeros, indices, weights) sums weights with a gradient",
    ),
    **dict.fromkeys(
        ["np.save", "np.savez", "np.savez_compressed", "np.savetxt"], _FILE + ", or mg.save"
    ),
    **dict.fromkeys(["np.spacing", "np.nextafter", "np.packbits"], _BITS),
    "np.apply_along_axis": "np.stack([f(row) for row in t]) has a gradient",
    "np.apply_over_axes": "give the function all axes: np.sum(t, axis=(0, 1), keepdims=True)",
    "np.vectorize": "functions of NumPy take whole tensors: write f(t) with np.exp, not math.exp",
    "np.linalg.lstsq": "np.linalg.solve(a.T @ a, a.T @ b) has a gradient, as has pinv(a) @ b",
    "np.polyfit": "np.linalg.solve(v.T @ v, v.T @ y) with v = np.vander(x, n) has a gradient",
    "np.linspace": "start + (stop - start) * np.linspace(0, 1, n) has a gradient",
    "np.logspace": "10 ** (start + (stop - start) * np.linspace(0, 1, n)) has a gradient",
    "np.geomspace": "start * (stop / start) ** np.linspace(0, 1, n) has a gradient",
}
"""NumPy function -> the sentence that ends its error."""

WRITES = frozenset(
    {"np.copyto", "np.put", "np.place", "np.putmask", "np.put_along_axis", "np.fill_diagonal"}
)
"""Functions that write into their first argument."""


def instead_of(name: str) -> str:
    """What to do instead of calling a NumPy function, by its full name.

    >>> instead_of("np.logspace").partition(" has")[0]
    '10 ** (start + (stop - start) * np.linspace(0, 1, n))'
    >>> instead_of("np.fft.fft")[:13]
    'its result is'
    """
    if name in INSTEAD:
        return f"{INSTEAD[name]} ({LEAVE})"
    if name.startswith("np.fft."):
        return f"{_COMPLEX}t @ np.cos(...) is a real transform ({LEAVE})"
    if name.endswith(".at"):
        return "mg.add_at(x, indices, value) makes a new tensor, where repeated indices add up"
    if "(vectorized)" in name:
        return INSTEAD["np.vectorize"]
    return LEAVE
