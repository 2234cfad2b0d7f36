"""Lengths, distances and angles: PyTorch's, and finite where vectors are 0."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, smooth, value_and_gradients

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
POWERS = [0.5, 1.0, 1.5, 2.0, 3.0, np.inf]


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_normalize(p, axis):
    case = Case(lambda x: F.normalize(x, p, axis), lambda T, x: T.normalize(x, p, axis), [A])
    alike(case)
    smooth(case._replace(arrays=[A[:2, :2]]), 2)
    norms = (np.abs(case.ours(A)) ** p).sum(axis) if p < np.inf else np.abs(case.ours(A)).max(axis)
    np.testing.assert_allclose(norms, 1.0)
    agrees(case, 1e-11, 1e-13)
    agrees(case._replace(arrays=[A.astype("f4")]), 1e-5, 1e-6)


@pytest.mark.parametrize("p", POWERS)
def test_zero_vectors_stay_zero_with_a_finite_gradient(p):
    x = np.array([[0.0, 0.0], [3.0, 4.0], [1e4, -1e4]])
    for dtype in (np.float64, np.float32):
        value, (slope,) = value_and_gradients(lambda t: F.normalize(t, p), [x.astype(dtype)])
        assert (value[0] == 0.0).all()
        assert np.isfinite(slope.numpy()).all()
    if p < np.inf:  # whose ties PyTorch divides otherwise
        agrees(Case(lambda x: F.normalize(x, p), lambda T, x: T.normalize(x, p), [x]), 1e-9)


def test_normalize_of_several_axes_and_in_float16():
    x = np.full((2, 3, 4), 200.0, np.float16)  # whose squares overflow
    out = F.normalize(x, axis=(1, 2))
    assert out.dtype == np.float16
    np.testing.assert_allclose(out, 12**-0.5, rtol=1e-3)
    np.testing.assert_array_equal(F.normalize([[3, 4]]), [[0.6, 0.8]])
    with pytest.raises(ValueError, match="p is not negative, but -1"):
        F.normalize(x, -1.0)


# Cosine


@pytest.mark.parametrize(
    ("shapes", "axis"),
    [
        (((3, 4), (3, 4)), 0),
        (((3, 4), (3, 4)), 1),
        (((3, 4), (1, 4)), -1),
        (((2, 2, 3), (2, 3)), 1),
        (((2, 1, 3), (3,)), -1),
    ],
)
def test_cosine_similarity(shapes, axis):
    arrays = [RNG.normal(size=shape) for shape in shapes]
    case = Case(
        lambda a, b: F.cosine_similarity(a, b, axis),
        lambda T, a, b: T.cosine_similarity(a, b, axis),
        arrays,
    )
    alike(case)
    smooth(case, 2)
    agrees(case, 1e-11, 1e-13)
    agrees(case._replace(arrays=[x.astype("f4") for x in arrays]), 1e-5, 1e-5)


@pytest.mark.parametrize("x", [np.zeros((1, 3)), np.full((1, 3), 1e-12), np.full((1, 3), 1e4)])
def test_cosine_with_short_and_long_vectors(x):
    for dtype in (np.float64, np.float32):
        arrays = [x.astype(dtype), A[:1, :3].astype(dtype)]
        _, slopes = value_and_gradients(F.cosine_similarity, arrays)
        assert all(np.isfinite(slope.numpy()).all() for slope in slopes)
    for dtype in (np.float64, np.float32):
        arrays = [x.astype(dtype), A[:1, :3].astype(dtype)]
        case = Case(F.cosine_similarity, lambda T, a, b: T.cosine_similarity(a, b), arrays)
        agrees(case, 1e-5, 1e-6)


def test_cosine_is_one_of_one_direction_and_ignores_length():
    np.testing.assert_allclose(F.cosine_similarity(A, 7.0 * A), 1.0, rtol=1e-14)
    np.testing.assert_allclose(F.cosine_similarity(A, -0.1 * A), -1.0, rtol=1e-14)
    assert F.cosine_similarity(A.astype("f4"), B).dtype == np.float64
    assert F.cosine_similarity(A.astype("f2") * 100, B.astype("f2") * 100).dtype == np.float16
    np.testing.assert_array_equal(F.cosine_similarity([[1, 0]], [[0, 1]]), [0.0])


# Distance


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("keepdims", [False, True])
def test_pairwise_distance(p, keepdims):
    case = Case(
        lambda a, b: F.pairwise_distance(a, b, p, keepdims=keepdims),
        lambda T, a, b: T.pairwise_distance(a, b, p, keepdim=keepdims),
        [A, B],
    )
    alike(case)
    smooth(case._replace(arrays=[A[:2, :2], B[:1, :2]]), 2)
    agrees(case, 1e-11, 1e-13)
    agrees(case._replace(arrays=[A, B[:1]]), 1e-11, 1e-13)
    agrees(case._replace(arrays=[A[0], B[0]]), 1e-11, 1e-13)


def test_distance_of_equal_rows_has_a_finite_gradient():
    for p in POWERS:
        for eps in (1e-6, 0.0):
            f = lambda a, b, p=p, eps=eps: F.pairwise_distance(a, b, p, eps)  # noqa: E731
            _, slopes = value_and_gradients(f, [A, A.copy()])
            assert all(np.isfinite(slope.numpy()).all() for slope in slopes)
    assert F.pairwise_distance(A, A, 0.0, 0.0).tolist() == [0.0, 0.0, 0.0]
    assert F.pairwise_distance(A, A + 1.0, 0.0).tolist() == [4.0, 4.0, 4.0]
    assert F.pairwise_distance(mg.tensor(A), B.astype("f4")).dtype == np.float64
    with pytest.raises(ValueError, match="p is not negative, but -2"):
        F.pairwise_distance(A, B, -2.0)


def test_cosine_along_an_axis_that_broadcasts_counts_every_copy():
    a, b = np.arange(1.0, 7.0).reshape(2, 3), np.array([[2.0, -1.0, 3.0]])
    wanted = F.cosine_similarity(a, np.broadcast_to(b, a.shape), 0)
    np.testing.assert_allclose(F.cosine_similarity(a, b, 0), wanted, rtol=1e-15)


# Distances of all pairs


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, np.inf])
def test_distances_of_all_pairs(p):
    x, y = RNG.normal(size=(2, 4, 3)), RNG.normal(size=(2, 5, 3))
    case = Case(lambda a, b: F.cdist(a, b, p), None, [x, y])
    alike(case)
    if p:
        smooth(case._replace(arrays=[x[0, :2], y[0, :2]]), 1 if p == np.inf else 2)
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(
        F.cdist(x, y, p), torch.cdist(torch.tensor(x), torch.tensor(y), p).numpy(), rtol=1e-12
    )
    assert F.cdist(x[0].astype("f2"), y.astype("f2")).shape == (2, 4, 5)


def test_equal_rows_have_distance_and_gradient_zero():
    x = mg.tensor(A + 1e8, requires_grad=True)
    out = F.cdist(x, x)
    assert (np.diag(out.data) == 0).all()
    np.testing.assert_allclose(out.data, F.cdist(A, A), rtol=1e-6)
    out.sum().backward()
    assert x.grad is not None
    assert np.isfinite(x.grad.data).all()
    with pytest.raises(ShapeError, match=r"cdist: .*x\[None\] makes a row"):
        F.cdist(A[0], A)
    with pytest.raises(ValueError, match="p is not negative"):
        F.cdist(A, A, -1.0)


def test_numbers_have_no_angle():
    with pytest.raises(np.exceptions.AxisError, match="two numbers have no axis 1"):
        F.cosine_similarity(np.array(1.0), np.array(2.0))
