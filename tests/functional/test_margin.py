"""Losses of order: PyTorch's values and gradients, on margins too, and targets that are refused."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, cut, smooth, value_and_gradients

RNG = np.random.default_rng(0)
X = RNG.normal(0, 1.5, (3, 4))
A, P, N = RNG.normal(size=(3, 3, 4))
SIGNS = RNG.choice([-1, 1], (3, 4))
LABELS = np.array([0, 3, 1])
LISTS = np.array([[3, 0, -1, 1], [-1, 2, 2, 0], [1, 0, 2, 3]])
W = RNG.uniform(0.5, 2.0, 4)
SOFT = RNG.random((3, 4))

LOSSES: dict[str, Any] = {
    "soft_margin_loss": (F.soft_margin_loss, "soft_margin_loss", {}, [X, SIGNS]),
    "hinge_embedding_loss": (F.hinge_embedding_loss, "hinge_embedding_loss", {}, [X, SIGNS]),
    "hinge_embedding_loss 2": (
        F.hinge_embedding_loss,
        "hinge_embedding_loss",
        {"margin": 2.0},
        [X, SIGNS],
    ),
    "margin_ranking_loss": (F.margin_ranking_loss, "margin_ranking_loss", {}, [X, A, SIGNS]),
    "margin_ranking_loss 1": (
        F.margin_ranking_loss,
        "margin_ranking_loss",
        {"margin": 1.0},
        [X, A, SIGNS],
    ),
    "cosine_embedding_loss": (
        F.cosine_embedding_loss,
        "cosine_embedding_loss",
        {},
        [A, P, SIGNS[:, 0]],
    ),
    "cosine_embedding_loss 1": (
        F.cosine_embedding_loss,
        "cosine_embedding_loss",
        {"margin": -0.5},
        [A, P, SIGNS[:, 0]],
    ),
    "triplet_margin_loss": (F.triplet_margin_loss, "triplet_margin_loss", {}, [A, P, N]),
    "triplet_margin_loss swap": (
        F.triplet_margin_loss,
        "triplet_margin_loss",
        {"margin": 3.0, "p": 3.0, "eps": 1e-5, "swap": True},
        [A, P, N],
    ),
    "triplet_margin_with_distance_loss": (
        F.triplet_margin_with_distance_loss,
        "triplet_margin_with_distance_loss",
        {"distance_function": lambda a, b: ((a - b) ** 2).sum(-1), "margin": 2.0},
        [A, P, N],
    ),
    "triplet_margin_with_distance_loss swap": (
        F.triplet_margin_with_distance_loss,
        "triplet_margin_with_distance_loss",
        {"swap": True, "margin": 2.0},
        [A, P, N],
    ),
    "multi_margin_loss": (F.multi_margin_loss, "multi_margin_loss", {}, [X, LABELS]),
    "multi_margin_loss 2": (
        F.multi_margin_loss,
        "multi_margin_loss",
        {"p": 2, "margin": 2.0},
        [X, LABELS],
    ),
    "multi_margin_loss weight": (
        lambda x, y, **k: F.multi_margin_loss(x, y, weight=W, **k),
        lambda f, x, y, **k: f.multi_margin_loss(x, y, weight=x.new_tensor(W), **k),
        {"p": 2},
        [X, LABELS],
    ),
    "multilabel_margin_loss": (F.multilabel_margin_loss, "multilabel_margin_loss", {}, [X, LISTS]),
    "multilabel_soft_margin_loss": (
        F.multilabel_soft_margin_loss,
        "multilabel_soft_margin_loss",
        {},
        [X, SOFT],
    ),
    "multilabel_soft_margin_loss weight": (
        lambda x, y, w, **k: F.multilabel_soft_margin_loss(x, y, weight=w, **k),
        lambda f, x, y, w, **k: f.multilabel_soft_margin_loss(x, y, weight=w, **k),
        {},
        [X, SOFT, W],
    ),
}


def case_of(name, reduction="mean", dtype=np.float64):
    ours, theirs, params, arrays = LOSSES[name]
    call = theirs if callable(theirs) else lambda f, *a, **k: getattr(f, theirs)(*a, **k)
    return Case(
        lambda *a: ours(*a, **params, reduction=reduction),
        lambda f, *a: call(f, *a, **params, reduction=reduction),
        [x.astype(dtype) if x.dtype.kind == "f" else x for x in arrays],
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_torch_agrees(name, reduction):
    agrees(case_of(name, reduction))
    agrees(case_of(name, reduction, np.float32), 1e-5, 1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_agree_with_finite_differences(name, order):
    case = cut(case_of(name))
    if order == 2:  # most are lines, whose second derivative is 0: bend them
        bent = case_of(name, "none").ours
        case = case._replace(ours=lambda *a: (bent(*a) ** 2).sum())
    smooth(case, order)


@pytest.mark.parametrize("name", LOSSES)
def test_arrays_give_what_tensors_give_and_low_precision_stays(name):
    alike(case_of(name))
    for dtype in (np.float16, np.float32):
        value, slopes = value_and_gradients(*case_of(name, "mean", dtype)[::2])
        assert value.dtype == dtype
        assert all(slope.dtype == dtype for slope in slopes)
    with pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none', not 'max'"):
        case_of(name, "max").ours(*case_of(name).arrays)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_large_scores_give_finite_losses_and_gradients(name, dtype):
    case = case_of(name, "mean", dtype)
    arrays = [x * dtype(1e4) if x.dtype.kind == "f" and x is not SOFT else x for x in case.arrays]
    value, slopes = value_and_gradients(case.ours, arrays)
    assert np.isfinite(value)
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes)


@pytest.mark.parametrize("name", LOSSES)
def test_operands_that_would_broadcast_are_refused(name):
    ours, _, params, arrays = LOSSES[name]
    for i in range(2):
        wrong = list(arrays)
        wrong[i] = wrong[i][:1]
        with pytest.raises(ShapeError, match=rf"^{name.split()[0]}: "):
            ours(*wrong, **params)


# The hinge, which PyTorch does not have


def test_hinge_loss():
    wanted = np.maximum(0.0, 1.0 - SIGNS * X)
    np.testing.assert_allclose(F.hinge_loss(X, SIGNS, reduction="none"), wanted)
    np.testing.assert_allclose(
        F.hinge_loss(X, SIGNS, margin=0.5), np.mean(np.maximum(0, wanted - 0.5))
    )
    case = Case(lambda x: (F.hinge_loss(x, SIGNS, reduction="none") ** 2).sum(), None, [X])
    alike(case)
    smooth(case, 2)
    assert F.hinge_loss(X.astype("f4"), SIGNS).dtype == np.float32
    with pytest.raises(ShapeError, match=r"hinge_loss: prediction .* would broadcast"):
        F.hinge_loss(X, SIGNS[0])
    value, (slope,) = value_and_gradients(lambda x: F.hinge_loss(x, [1]), [np.array([1.0])])
    assert value == 0.0
    assert slope.numpy() < 0  # on the margin the gradient passes


@pytest.mark.parametrize(
    "f",
    [
        lambda t: F.hinge_loss(X, t),
        lambda t: F.hinge_embedding_loss(X, t),
        lambda t: F.cosine_embedding_loss(A, P, t[:, 0]),
    ],
)
def test_classes_of_zero_and_one_are_refused(f):
    with pytest.raises(ValueError, match=r"targets are 1 and -1; classes 0 and 1 are targets \* 2"):
        f((SIGNS + 1) // 2)


# On the margin, and other edges


def test_a_tie_gets_the_gradient_that_pytorch_gives_it():
    x = np.array([1.0, 2.0])
    agrees(case_of("margin_ranking_loss", "sum")._replace(arrays=[x, x.copy(), np.array([1, -1])]))
    agrees(case_of("hinge_embedding_loss", "sum")._replace(arrays=[x, np.array([-1, -1])]))


def test_zero_vectors_have_a_cosine_of_zero():
    arrays = [np.zeros((2, 3)), A[:2, :3], np.array([1, -1])]
    value, _ = value_and_gradients(case_of("cosine_embedding_loss", "none").ours, arrays)
    np.testing.assert_array_equal(value, [1.0, 0.0])
    agrees(case_of("cosine_embedding_loss", "none")._replace(arrays=arrays), 1e-6)


@pytest.mark.parametrize("shape", [(), (0,), (2, 2)])
def test_labels_of_any_rank(shape):
    scores, labels = RNG.normal(size=(*shape, 4)), RNG.integers(0, 4, shape)
    each = F.multi_margin_loss(scores, labels, reduction="none")
    assert each.shape == shape
    flat = F.multi_margin_loss(scores.reshape(-1, 4), labels.reshape(-1), reduction="none")
    np.testing.assert_allclose(np.ravel(each), flat)
    lists = np.full((*shape, 4), -1)
    lists[..., 0] = labels
    assert F.multilabel_margin_loss(scores, lists, reduction="none").shape == shape


def test_labels_that_are_not_there_are_refused():
    for labels in ([0, 4, 1], [0, -1, 1]):
        with pytest.raises(IndexError, match=r"labels span .* 4 classes are 0\.\.3"):
            F.multi_margin_loss(X, labels)
    with pytest.raises(IndexError, match=r"4 classes are 0\.\.3"):
        F.multilabel_margin_loss(X, np.where(LISTS == 3, 9, LISTS))
    with pytest.raises(ShapeError, match=r"scores \(\): pass scores of shape \(..., classes\)"):
        F.multi_margin_loss(np.array(1.0), np.array(0))
    with pytest.raises(ShapeError, match="float64 labels"):
        F.multi_margin_loss(X, LABELS.astype(float))
    with pytest.raises(ShapeError, match=r"weight \(2,\) for 4 classes"):
        F.multi_margin_loss(X, LABELS, weight=np.ones(2))
    with pytest.raises(ShapeError, match=r"weight \(3, 1, 4\) does not broadcast to \(3, 4\)"):
        F.multilabel_soft_margin_loss(X, SOFT, weight=np.ones((3, 1, 4)))
    with pytest.raises(ValueError, match="p is 1 or 2, not 3"):
        F.multi_margin_loss(X, LABELS, p=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="margin is positive, not 0"):
        F.triplet_margin_loss(A, P, N, margin=0.0)


def test_triplets_with_a_distance_of_ones_own():
    ours = F.triplet_margin_with_distance_loss(A, P, N)
    np.testing.assert_allclose(ours, F.triplet_margin_loss(A, P, N))
    equal = [A, A.copy(), A.copy()]
    _, slopes = value_and_gradients(lambda a, p, n: F.triplet_margin_loss(a, p, n), equal)
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes)
    assert mg.gradcheck(lambda a: F.triplet_margin_loss(a, P, N, p=1.0), A)
