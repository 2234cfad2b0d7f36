"""Attention: PyTorch's, for every kind of mask, and the rows that a mask leaves empty."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, smooth, value_and_gradients

RNG = np.random.default_rng(0)
attention = F.scaled_dot_product_attention


def operands(lead=(2,), length=3, keys=4, features=5, values=2):
    shapes = [(length, features), (keys, features), (keys, values)]
    return [RNG.normal(size=(*lead, *shape)) for shape in shapes]


MASK = RNG.random((3, 4)) < 0.6
MASK[:, 0] = True
ADDED = RNG.normal(size=(2, 3, 4))


def with_torch(**params):
    def call(functional, *tensors):
        import torch

        arrays = {k: torch.tensor(v) for k, v in params.items() if isinstance(v, np.ndarray)}
        given = {**params, **arrays}
        return functional.scaled_dot_product_attention(*tensors, **given)

    return call


SETTINGS: dict[str, Any] = {
    "plain": {},
    "scale": {"scale": 0.25},
    "causal": {"is_causal": True},
    "booleans": {"attn_mask": MASK},
    "booleans of a batch": {"attn_mask": np.stack([MASK, MASK[::-1]])},
    "numbers": {"attn_mask": ADDED},
    "numbers with -inf": {"attn_mask": np.where(MASK, ADDED, -np.inf)},
    "a row": {"attn_mask": MASK[1:2]},
}


def case_of(name, arrays=None):
    params = SETTINGS[name]
    return Case(
        lambda q, k, v: attention(q, k, v, **params), with_torch(**params), arrays or operands()
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_torch_agrees(name):
    case = case_of(name)
    alike(case)
    if "numbers" not in name:
        agrees(case._replace(arrays=[x.astype("f4") for x in case.arrays]), 1e-5, 1e-6)
    agrees(case, 1e-11, 1e-13)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_agree_with_finite_differences(name, order):
    small = operands((), 3, 4, 2, 2) if "batch" not in name and "numbers" not in name else None
    if order == 1 or small:
        smooth(case_of(name, small), order)


def test_heads_and_batches_are_leading_axes():
    q, k, v = operands((2, 3))
    out = attention(q, k[:1], v[:, :1])
    np.testing.assert_allclose(out[1, 2], attention(q[1, 2], k[0, 2], v[1, 0]), rtol=1e-13)
    for lead in ((), (2, 3), (1, 2, 2)):
        agrees(case_of("causal", operands(lead)), 1e-11, 1e-13)


def test_a_gradient_of_the_mask():
    q, k, v = operands()
    added = ADDED.copy()
    case = Case(attention, lambda T, *a: T.scaled_dot_product_attention(*a), [q, k, v, added])
    agrees(case, 1e-11, 1e-13)


def test_fewer_heads_of_keys_serve_groups_of_queries():
    q, k, v = operands((2, 6))
    k, v = k[:, :2], v[:, :3]
    case = Case(
        lambda q, k, v: attention(q, k, v, enable_gqa=True),
        lambda T, q, k, v: T.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        [q, k, v[:, :2]],
    )
    np.testing.assert_allclose(
        attention(q, k, v, enable_gqa=True)[1, 4], attention(q[1, 4], k[1, 1], v[1, 2])
    )
    with pytest.raises(
        ShapeError, match=r"heads of \(2, 4, 4, 5\) do not divide those of the query"
    ):
        attention(q, np.ones((2, 4, 4, 5)), v, enable_gqa=True)
    agrees(case, 1e-11, 1e-13)


# Rows without a key


@pytest.mark.parametrize("mask", [np.array([[True] * 4, [False] * 4, [True, False] * 2])])
@pytest.mark.parametrize("added", [False, True])
def test_a_row_that_is_masked_whole_is_zero_and_gets_no_gradient(mask, added):
    given = np.where(mask, 0.0, -np.inf) if added else mask
    value, slopes = value_and_gradients(lambda *a: attention(a[0], a[1], a[2], given), operands())
    assert (value[:, 1] == 0.0).all()
    assert np.isfinite(value).all()
    assert (slopes[0].numpy()[:, 1] == 0.0).all()
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes)
    q, k, v = operands((), 3, 4, 2, 2)
    assert mg.gradcheck(lambda q: (attention(q, k, v, given) ** 2).sum(), q, order=2)
    if not added:
        ours = lambda q, k, v: attention(q, k, v, mask)  # noqa: E731
        agrees(Case(ours, with_torch(attn_mask=mask), operands()), 1e-11, 1e-13)


def test_a_causal_mask_counts_besides_another():
    q, k, v = operands()
    both = attention(q, k, v, MASK, is_causal=True)
    np.testing.assert_allclose(both, attention(q, k, v, MASK & np.tri(3, 4, dtype=bool)))
    np.testing.assert_allclose(both[:, 0], v[:, 0])


def test_no_keys_give_zeros():
    q, k, v = operands((2,), 3, 0)
    np.testing.assert_array_equal(attention(q, k, v), np.zeros((2, 3, 2)))
    assert attention(*operands((0,))).shape == (0, 3, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_scores_choose_one_key(dtype):
    q = np.array([[1e4, 0.0]], dtype)
    k, v = np.array([[1.0, 0.0], [-1.0, 0.0]], dtype), np.array([[3.0], [5.0]], dtype)
    value, slopes = value_and_gradients(attention, [q, k, v])
    np.testing.assert_array_equal(value, [[3.0]])
    assert all(slope.dtype == dtype and np.isfinite(slope.numpy()).all() for slope in slopes)


# Dropout, and what is refused


def test_dropout_of_weights_keeps_the_mean():
    q, k, v = operands((4000,), 1, 3)
    q[:], k[:], v[:] = q[0], k[0], v[0]
    dropped = attention(q, k, v, dropout_p=0.4, rng=0)
    np.testing.assert_allclose(dropped.mean(0), attention(q, k, v)[0], atol=0.1)
    assert dropped.std(0).min() > 0.05
    np.testing.assert_array_equal(dropped, attention(q, k, v, dropout_p=0.4, rng=0))
    with pytest.raises(ValueError, match="p is a probability, not 2"):
        attention(q, k, v, dropout_p=2.0)


def test_what_does_not_fit_is_refused():
    q, k, v = operands()
    for wrong in ((q[..., :2], k, v), (q, k[:, :2], v), (q[0, 0], k, v)):
        with pytest.raises(ShapeError, match=r"are not \(\.\.\., L, E\), \(\.\.\., S, E\) and"):
            attention(*wrong)
    for mask in (np.ones((4, 3), bool), np.ones((5, 2, 3, 4))):
        with pytest.raises(ShapeError, match=r"does not broadcast to the scores \(2, 3, 4\)"):
            attention(q, k, v, mask)
