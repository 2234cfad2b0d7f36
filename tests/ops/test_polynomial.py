"""Polynomials and what goes round: every argument as NumPy takes it."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg

P, Q = np.array([2.0, -1.0, 0.5, 3.0]), np.array([1.5, 2.0])
S = np.array([0.0, 0.0, 1.0, 0.0, 2.0, 0.0])
F = np.arange(12.0).reshape(3, 4)

CALLS: dict[str, Any] = {
    "polyval of a matrix": lambda p, q: np.polyval(p, F),
    "polyval of a number": lambda p, q: np.polyval(p, 2.0),
    "polyval of whole numbers": lambda p, q: np.polyval(p, np.array([1, 2])),
    "polyval of a list": lambda p, q: np.polyval([1, 2, 3], q),
    "polyval of one coefficient": lambda p, q: np.polyval(p[:1], q),
    "polyadd, longer first": lambda p, q: np.polyadd(p, q),
    "polyadd, shorter first": lambda p, q: np.polyadd(q, p),
    "polyadd of a number": lambda p, q: np.polyadd(p, 1.0),
    "polysub of a list": lambda p, q: np.polysub(q, [1, 2, 3]),
    "polymul": lambda p, q: np.polymul(p, q),
    "polydiv": lambda p, q: np.polydiv(p, q),
    "polydiv by a longer one": lambda p, q: np.polydiv(q, p),
    "polydiv by a number": lambda p, q: np.polydiv(p, q[:1]),
    "polyder": lambda p, q: np.polyder(p),
    "polyder twice": lambda p, q: np.polyder(p, 2),
    "polyder not at all": lambda p, q: np.polyder(p, 0),
    "polyder of a constant": lambda p, q: np.polyder(p[:1]),
    "polyint": lambda p, q: np.polyint(p),
    "polyint twice": lambda p, q: np.polyint(p, 2, [3.0, 4.0]),
    "polyint with one constant": lambda p, q: np.polyint(p, 2, 3.0),
    "polyint with a tensor": lambda p, q: np.polyint(p, 2, q),
    "poly": lambda p, q: np.poly(p),
    "poly of one root": lambda p, q: np.poly(q[:1]),
    "vander": lambda p, q: np.vander(p),
    "vander of some columns": lambda p, q: np.vander(p, 2, True),
    "vander by names": lambda p, q: np.vander(x=p, N=3, increasing=True),
    "unwrap": lambda p, q: np.unwrap(p * 4),
    "unwrap along an axis": lambda p, q: np.unwrap(p * F, axis=0, period=3.0),
    "unwrap with a discontinuity": lambda p, q: np.unwrap(p * 4, discont=5.0),
    "fftshift": lambda p, q: np.fft.fftshift(p * F),
    "fftshift along an axis": lambda p, q: np.fft.fftshift(p * F, axes=1),
    "ifftshift": lambda p, q: np.fft.ifftshift(p * F, axes=(0, 1)),
    "real_if_close": lambda p, q: np.real_if_close(p),
}


def parts(value):
    return list(value) if isinstance(value, tuple) else [value]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_value_and_gradient(call):
    wanted = parts(call(P, Q))
    got = parts(call(mg.Tensor(P, requires_grad=True), mg.Tensor(Q, requires_grad=True)))
    assert len(got) == len(wanted)
    for g, w in zip(got, wanted, strict=True):
        assert isinstance(g, mg.Tensor)
        assert (g.dtype, g.shape) == (w.dtype, np.shape(w))
        np.testing.assert_allclose(g.data, w, rtol=1e-14, atol=1e-14)
    smooth = [i for i, g in enumerate(got) if g.size and g.requires_grad]
    if smooth:
        joined = lambda p, q: mg.concatenate([parts(call(p, q))[i].ravel() for i in smooth])  # noqa: E731
        mg.gradcheck(joined, P, Q, order=2).raise_if_failed()


def test_a_product_divided_by_a_factor_is_the_other_one():
    p, q = mg.Tensor(P, requires_grad=True), mg.Tensor(Q, requires_grad=True)
    quotient, rest = mg.polydiv(mg.polymul(p, q), q)
    np.testing.assert_allclose(quotient.data, P, rtol=1e-14)
    np.testing.assert_allclose(rest.data, 0, atol=1e-14)
    quotient.sum().backward()
    assert p.grad is not None
    assert q.grad is not None
    np.testing.assert_allclose(p.grad.data, 1.0, rtol=1e-14)
    np.testing.assert_allclose(q.grad.data, 0.0, atol=1e-14)


@pytest.mark.parametrize("trim", ["fb", "f", "b", "FB"])
def test_zeros_at_the_ends_are_trimmed(trim):
    t: Any = mg.Tensor(S, requires_grad=True)
    np.testing.assert_array_equal(np.trim_zeros(t, trim).data, np.trim_zeros(S, trim))
    assert np.trim_zeros(t * 0.0).shape == (0,)
    np.trim_zeros(t, trim).sum().backward()
    assert t.grad is not None
    assert t.grad.data[2:5].all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mg.poly(F), "eigvalsh"),
        (lambda: mg.polyder(P, -1), "can't be negative"),
        (lambda: mg.polyint(P, -1), "can't be negative"),
        (lambda: mg.polyint(P, 3, [1.0, 2.0]), "3 constants are needed, or one; 2 given"),
        (lambda: mg.vander(F), "one axis"),
        (lambda: mg.vander(F[0], -1), "vander: n=-1 columns"),
        (lambda: mg.resize(F, -2), r"resize: no axis of new_shape \(-2,\) can be negative"),
        (lambda: mg.trim_zeros(F), "of a vector"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64])
def test_dtypes_are_numpys(dtype):
    p = np.array([3, 2, 1]).astype(dtype)
    t = mg.Tensor(p)
    for call in (
        lambda x: np.polyval(x, x),
        lambda x: np.polyder(x),
        lambda x: np.polyint(x),
        lambda x: np.polyadd(x, x[:2]),
        lambda x: np.vander(x),
        lambda x: np.polydiv(x, x[:2])[0],
    ):
        wanted: Any = call(p)
        got: Any = call(t)
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got.data, wanted, rtol=1e-3 if dtype == np.float16 else 1e-6)


@pytest.mark.parametrize("n", [0, 1])
def test_few_columns_of_powers_are_a_tensor_too(n):
    found = mg.vander(mg.tensor([1.0, np.nan], requires_grad=True), n)
    assert isinstance(found, mg.Tensor)
    np.testing.assert_array_equal(found.numpy(), np.ones((2, n)))
