"""Affine maps and lookups, and the gradient of a row that is looked up often."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, smooth, value_and_gradients

RNG = np.random.default_rng(0)


def test_linear_is_a_product_and_a_sum():
    rng = np.random.default_rng(4)
    x, w, b = rng.normal(size=(2, 5, 3)), rng.normal(size=(3, 4)), rng.normal(size=4)
    np.testing.assert_allclose(F.linear(x, w, b), np.einsum("bij,jk->bik", x, w) + b, rtol=1e-13)
    np.testing.assert_array_equal(F.linear(x, w), x @ w)
    assert mg.gradcheck(lambda x, w, b: (F.linear(x, w, b) ** 2).sum(), x, w, b, order=2)
    with pytest.raises(ShapeError, match=r"in linear"):
        F.linear(mg.tensor(x), w.T, b)


# Bilinear


@pytest.mark.parametrize("lead", [(), (2,), (3, 2), (0,)])
@pytest.mark.parametrize("bias", [False, True])
def test_bilinear(lead, bias):
    arrays = [RNG.normal(size=(*lead, 2)), RNG.normal(size=(*lead, 3)), RNG.normal(size=(2, 3, 2))]
    arrays += [RNG.normal(size=2)] * bias
    case = Case(
        F.bilinear,
        lambda T, a, b, w, *bias: T.bilinear(a, b, w.permute(2, 0, 1).contiguous(), *bias),
        arrays,
    )
    alike(case)
    if lead == (2,):
        smooth(case, 2)
    assert F.bilinear(*(x.astype("f4") for x in arrays)).dtype == np.float32
    if lead and lead[0]:
        agrees(case, 1e-12, 1e-13)


def test_bilinear_refuses_what_does_not_fit():
    x1, x2, w = np.ones((2, 3)), np.ones((2, 4)), np.ones((3, 4, 5))
    with pytest.raises(ShapeError, match=r"x1 \(2, 3\) and x2 \(1, 4\) differ before the last"):
        F.bilinear(x1, x2[:1], w)
    for wrong in (np.ones((5, 3, 4)), np.ones((3, 4))):
        with pytest.raises(ShapeError, match=r"weight .* where \(3, 4, out_features\) fits"):
            F.bilinear(x1, x2, wrong)


# Embedding


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0,)])
@pytest.mark.parametrize("padding", [None, 1, -1])
def test_embedding(shape, padding):
    indices, weight = RNG.integers(0, 5, shape), RNG.normal(size=(5, 2))
    case = Case(
        lambda i, w: F.embedding(i, w, padding),
        lambda T, i, w: T.embedding(i, w, padding),
        [indices, weight],
    )
    alike(case)
    np.testing.assert_array_equal(F.embedding(indices, weight, padding), weight[indices])
    assert mg.gradcheck(lambda w: F.embedding(indices, w) ** 3, weight, order=2)
    agrees(case)


def test_a_row_looked_up_often_collects_every_gradient():
    indices = np.array([[3, 3, 0], [3, 1, 1]], np.int32)
    _, (slope,) = value_and_gradients(lambda w: F.embedding(indices, w), [np.ones((4, 1))])
    g = np.random.default_rng(7).uniform(0.5, 2.0, (2, 3, 1))
    wanted = [g[0, 2, 0], g[1, 1, 0] + g[1, 2, 0], 0.0, g[0, 0, 0] + g[0, 1, 0] + g[1, 0, 0]]
    np.testing.assert_allclose(slope.numpy().ravel(), wanted)
    _, (slope,) = value_and_gradients(lambda w: F.embedding(indices, w, 3), [np.ones((4, 1))])
    np.testing.assert_allclose(slope.numpy().ravel(), [*wanted[:3], 0.0])


def test_embedding_takes_tensors_of_indices_and_keeps_float32():
    weight = mg.Tensor(np.ones((4, 2), np.float32), requires_grad=True)
    out = F.embedding(mg.tensor([3, 0]), weight)
    assert out.dtype == np.float32
    assert out.requires_grad


@pytest.mark.parametrize("indices", [[5], [-1], [[0, 99]]])
def test_embedding_refuses_rows_that_are_not_there(indices):
    with pytest.raises(IndexError, match=r"indices span .*, but weight \(5, 2\) has rows 0\.\.4"):
        F.embedding(indices, np.ones((5, 2)))
    with pytest.raises(IndexError, match="padding_idx 5 of 5 rows"):
        F.embedding([0], np.ones((5, 2)), 5)
    with pytest.raises(TypeError, match="indices are integers, not float64"):
        F.embedding(np.ones((5, 2)), np.array([1]))
    with pytest.raises(ShapeError, match=r"weight \(5,\) is not \(rows, features\)"):
        F.embedding([0], np.ones(5))
