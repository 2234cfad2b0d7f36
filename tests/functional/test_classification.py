"""Losses of classes and softmax: values and gradients against PyTorch's and against formulas."""

import math
import re
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, cut, smooth

LOGITS = np.array([[2.0, -1.0, 0.5, 0.0], [0.25, 3.0, -2.0, 1.0], [-0.5, -0.5, 4.0, 0.75]])
LABELS = np.array([0, 3, 1])
PROBS = np.array([[0.1, 0.2, 0.3, 0.4], [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.5, 0.0]])

LOSSES = {
    "cross_entropy": lambda x: F.cross_entropy(x, LABELS),
    "cross_entropy sum": lambda x: F.cross_entropy(x, LABELS, reduction="sum"),
    "cross_entropy probabilities": lambda x: F.cross_entropy(x, PROBS),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy_with_logits(x, PROBS),
    "mse": lambda x: F.mse_loss(x, PROBS),
    "softmax": lambda x: (F.softmax(x) ** 2).sum(),
    "log_softmax": lambda x: (F.log_softmax(x, 0) ** 2).sum(),
}
# Value, and the gradient's first row, of PyTorch 2.13 in float64.
TORCH = {
    "cross_entropy": (
        2.3629546982034593,
        [-0.0966333590379419, 0.01178459780291629, 0.05281490317165991, 0.032033858063365735],
    ),
    "cross_entropy sum": (
        7.088864094610377,
        [-0.2899000771138257, 0.03535379340874887, 0.15844470951497974, 0.09610157419009721],
    ),
    "cross_entropy probabilities": (
        2.4796213648701255,
        [0.20336664096205812, -0.054882068863750376, -0.04718509682834007, -0.10129947526996759],
    ),
    "binary_cross_entropy": (
        1.1146087696423292,
        [0.06506642316482353, 0.005745118447499591, 0.026871610933487885, 0.008333333333333331],
    ),
    "mse": (
        2.8125,
        [0.31666666666666665, -0.19999999999999998, 0.03333333333333333, -0.06666666666666667],
    ),
    "softmax": (
        2.1327039729795416,
        [0.24181443560543697, -0.03567043869197131, -0.12085760632720285, -0.08528639058626303],
    ),
    "log_softmax": (
        93.95906078434105,
        [7.401069709162494, -7.827757803025042, -6.503070283767161, -2.3139302641313555],
    ),
}


def grad_of(tensor):
    return tensor.grad.numpy()


def value_and_gradient(f, x):
    x = mg.Tensor(x, requires_grad=True)
    out = f(x)
    out.backward()
    return out.numpy(), grad_of(x)


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_are_pytorchs(name):
    value, gradient = value_and_gradient(LOSSES[name], LOGITS)
    expected, row = TORCH[name]
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    np.testing.assert_allclose(gradient[0], row, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("order", [1, 2])
def test_gradients_agree_with_finite_differences(name, order):
    report = mg.gradcheck(LOSSES[name], LOGITS, order=order)
    assert report, report


@pytest.mark.parametrize("name", LOSSES)
def test_arrays_give_what_tensors_give(name):
    out = LOSSES[name](LOGITS)
    assert not isinstance(out, mg.Tensor)
    np.testing.assert_array_equal(out, LOSSES[name](mg.tensor(LOGITS)).numpy())


@pytest.mark.parametrize("name", ["cross_entropy", "cross_entropy sum", "softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_low_precision_stays_what_it_is(name, dtype):
    value, gradient = value_and_gradient(LOSSES[name], LOGITS.astype(dtype))
    assert value.dtype == gradient.dtype == dtype
    exact, row = TORCH[name]
    tolerance = 8 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(value, exact, rtol=tolerance)
    np.testing.assert_allclose(gradient[0], row, rtol=4 * tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(1, 2), (5, 3), (7, 11)])
def test_torch_agrees_where_it_is_installed(shape):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(0, 4, shape), rng.integers(0, shape[1], shape[0])
    soft = rng.dirichlet(np.ones(shape[1]), shape[0])
    for our, their, target in (
        (F.cross_entropy, theirs.cross_entropy, labels),
        (F.cross_entropy, theirs.cross_entropy, soft),
        (
            F.binary_cross_entropy_with_logits,
            theirs.binary_cross_entropy_with_logits,
            soft,
        ),
        (F.mse_loss, theirs.mse_loss, soft),
    ):
        x, t = mg.Tensor(logits, requires_grad=True), torch.tensor(logits, requires_grad=True)
        mine, other = our(x, target), their(t, torch.tensor(target))
        mine.backward()
        other.backward()
        np.testing.assert_allclose(mine.item(), other.item(), rtol=1e-13)
        np.testing.assert_allclose(grad_of(x), t.grad.numpy(), rtol=1e-11, atol=1e-15)


# Closed forms


def test_gradient_of_cross_entropy_is_softmax_minus_one_hot():
    _, gradient = value_and_gradient(LOSSES["cross_entropy"], LOGITS)
    expected = (F.softmax(LOGITS) - np.eye(4)[LABELS]) / 3
    np.testing.assert_allclose(gradient, expected, rtol=1e-14, atol=1e-17)


def test_jacobian_of_softmax_is_diag_minus_outer():
    p = F.softmax(LOGITS[0])
    jacobian = mg.jacobian(F.softmax)(LOGITS[0]).numpy()
    np.testing.assert_allclose(jacobian, np.diag(p) - np.outer(p, p), rtol=1e-13, atol=1e-17)


def test_hessian_of_cross_entropy_is_the_jacobian_of_softmax():
    p = F.softmax(LOGITS[0])
    hessian = mg.hessian(lambda x: F.cross_entropy(x, 2))(LOGITS[0]).numpy()
    np.testing.assert_allclose(hessian, np.diag(p) - np.outer(p, p), rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_softmax_sums_to_one_along_any_axis(axis):
    x = np.random.default_rng(0).normal(0, 3, (2, 3, 4))
    np.testing.assert_allclose(F.softmax(x, axis).sum(axis), 1.0, rtol=1e-15)
    np.testing.assert_allclose(np.exp(F.log_softmax(x, axis)), F.softmax(x, axis), rtol=1e-14)


# Cross-entropy


def test_reductions_are_of_the_same_losses():
    each = F.cross_entropy(LOGITS, LABELS, reduction="none")
    np.testing.assert_allclose(each, -F.log_softmax(LOGITS)[np.arange(3), LABELS], rtol=1e-14)
    assert F.cross_entropy(LOGITS, LABELS, reduction="sum") == each.sum()
    assert F.cross_entropy(LOGITS, LABELS) == each.mean()
    losses: list[Any] = [F.cross_entropy, F.mse_loss, F.binary_cross_entropy_with_logits]
    for loss in losses:
        assert loss(LOGITS, PROBS, reduction="none").shape[0] == 3
        with pytest.raises(ValueError, match="'mean', 'sum' or 'none', not 'max'"):
            loss(LOGITS, PROBS, reduction="max")


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, np.uint64, ">i8", ">u2"])
@pytest.mark.parametrize("kind", [np.array, mg.tensor, list])
def test_labels_of_any_integer_dtype_and_container(dtype, kind):
    labels = LABELS.astype(dtype)
    value, gradient = value_and_gradient(lambda x: F.cross_entropy(x, kind(labels)), LOGITS)
    expected, row = TORCH["cross_entropy"]
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    np.testing.assert_allclose(gradient[0], row, rtol=1e-12)


def test_labels_may_be_a_view():
    labels = np.repeat(LABELS, 2)[::2]
    assert not labels.flags.c_contiguous
    assert F.cross_entropy(LOGITS, labels) == F.cross_entropy(LOGITS, LABELS)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (2, 1, 3, 4)])
def test_logits_of_any_rank(shape):
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=shape), rng.integers(0, 4, shape[:-1])
    each = F.cross_entropy(logits, labels, reduction="none")
    assert each.shape == shape[:-1]
    flat = F.cross_entropy(logits.reshape(-1, 4), labels.ravel(), reduction="none")
    np.testing.assert_allclose(each.ravel(), flat, rtol=1e-14)
    assert mg.gradcheck(lambda x: F.cross_entropy(x, labels), logits, order=2)


def test_one_hot_probabilities_are_labels():
    one_hot = np.eye(4)[LABELS]
    np.testing.assert_allclose(
        value_and_gradient(lambda x: F.cross_entropy(x, one_hot), LOGITS)[1],
        value_and_gradient(lambda x: F.cross_entropy(x, LABELS), LOGITS)[1],
        rtol=1e-13,
        atol=1e-17,
    )


def test_probabilities_get_a_gradient_too():
    log_probs = F.log_softmax(LOGITS)
    _, gradient = value_and_gradient(lambda y: F.cross_entropy(LOGITS, y), PROBS)
    np.testing.assert_allclose(gradient, -log_probs / 3, rtol=1e-14)
    assert mg.gradcheck(F.cross_entropy, LOGITS, PROBS, order=2)


@pytest.mark.parametrize("labels", [[0, 4, 1], [0, -1, 1], [10**12, 0, 0], [-(2**63), 0, 0]])
def test_a_label_out_of_range_is_refused(labels):
    for container in (np.array, mg.tensor):
        with pytest.raises(IndexError, match=r"labels span .* have classes 0\.\.3"):
            F.cross_entropy(LOGITS, container(labels))
    with pytest.raises(IndexError, match=r"labels span .* have classes 0\.\.3"):
        F.cross_entropy(LOGITS[None], np.array([labels]))


def test_a_negative_label_of_a_short_dtype_is_refused():
    with pytest.raises(IndexError, match=r"labels span -1\.\.1"):
        F.cross_entropy(LOGITS, np.array([0, -1, 1], np.int8))
    with pytest.raises(IndexError, match=r"labels span -256\.\.1"):
        F.cross_entropy(np.zeros((3, 400)), np.array([0, -256, 1], ">i2"))


@pytest.mark.parametrize("labels", [np.zeros((3, 1), int), np.zeros(4, int), np.zeros((), int)])
def test_labels_that_would_broadcast_are_refused(labels):
    said = (
        f"cross_entropy: labels {labels.shape} for logits (3, 4): pass integers of shape (3,), or "
        "probabilities of shape (3, 4)"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(said)}$"):
        F.cross_entropy(LOGITS, labels)


def test_labels_of_the_wrong_dtype_are_refused():
    with pytest.raises(TypeError, match=r"are integers, not float64: pass labels\.astype\(int\)$"):
        F.cross_entropy(LOGITS, LABELS.astype(float))
    with pytest.raises(TypeError, match="class labels are integers, not bool"):
        F.cross_entropy(LOGITS, LABELS.astype(bool))
    with pytest.raises(TypeError, match=r"not int64: pass labels\.astype\(float\), or labels"):
        F.cross_entropy(LOGITS, np.eye(4, dtype=int)[LABELS])


# Stability


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_huge_logits_give_exact_losses_and_gradients(dtype, sign):
    x = np.array([[sign * 1e4, 0.0]], dtype)
    best = int(sign < 0)
    best_row = np.eye(2)[[best]]
    cost, slope = value_and_gradient(lambda t: F.cross_entropy(t, [best]), x)
    assert cost == 0.0
    np.testing.assert_array_equal(slope, [[0.0, 0.0]])
    cost, slope = value_and_gradient(lambda t: F.cross_entropy(t, [1 - best]), x)
    assert cost == 1e4
    np.testing.assert_array_equal(slope, best_row - best_row[:, ::-1])
    np.testing.assert_array_equal(F.softmax(x), best_row)
    np.testing.assert_array_equal(F.log_softmax(x), (best_row - 1) * 1e4)
    _, slope = value_and_gradient(lambda t: F.log_softmax(t)[0, 1 - best], x)
    np.testing.assert_array_equal(slope, best_row[:, ::-1] - best_row)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_of_two_classes(dtype):
    x = np.array([1e4, -1e4, 1e4, -1e4], dtype)
    targets = np.array([1.0, 0.0, 0.0, 1.0], dtype)
    f = F.binary_cross_entropy_with_logits
    np.testing.assert_array_equal(f(x, targets, reduction="none"), [0.0, 0.0, 1e4, 1e4])
    _, slope = value_and_gradient(lambda t: f(t, targets, reduction="sum"), x)
    np.testing.assert_array_equal(slope, [0.0, 0.0, 1.0, -1.0])


def test_all_logits_may_be_shifted_together():
    for shift in (1e4, -1e4):
        shifted = F.cross_entropy(LOGITS + shift, LABELS)
        np.testing.assert_allclose(shifted, TORCH["cross_entropy"][0], rtol=1e-11)


def test_impossible_classes_cost_nothing_and_get_no_gradient():
    x = np.array([[0.0, -np.inf, 0.0], [-np.inf, -np.inf, 1.0]])
    np.testing.assert_array_equal(F.softmax(x), [[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]])
    cost, slope = value_and_gradient(lambda t: F.cross_entropy(t, [0, 2]), x)
    np.testing.assert_allclose(cost, math.log(2) / 2)
    np.testing.assert_array_equal(slope, [[-0.25, 0.0, 0.25], [0.0, 0.0, 0.0]])
    y = np.array([[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]])
    cost, slope = value_and_gradient(lambda t: F.cross_entropy(t, y), x)
    np.testing.assert_allclose(cost, math.log(2) / 2)
    np.testing.assert_array_equal(slope, np.zeros((2, 3)))
    assert F.cross_entropy(x, [1, 2]) == np.inf


# The other losses


@pytest.mark.parametrize("loss", [F.mse_loss, F.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("shapes", [((3, 1), (3,)), ((3,), ()), ((2, 3), (3,)), ((2, 3), (2, 1))])
def test_targets_that_would_broadcast_are_refused(loss, shapes):
    with pytest.raises(ShapeError, match="would broadcast and compare the wrong pairs") as info:
        loss(np.zeros(shapes[0]), np.zeros(shapes[1]))
    assert str(shapes[0]) in str(info.value)
    assert isinstance(info.value, ValueError)


def test_integer_targets_take_the_dtype_of_the_prediction():
    x = mg.Tensor([0.5, -0.5], requires_grad=True, dtype=np.float32)
    for loss in (F.mse_loss, F.binary_cross_entropy_with_logits):
        for targets in ([1, 0], np.array([True, False]), mg.tensor([1, 0])):
            assert loss(x, targets).dtype == np.float32
    np.testing.assert_allclose(F.mse_loss(x, [1, 0]).numpy(), 0.25)


def test_mse_is_the_mean_square():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 3, 5))
    np.testing.assert_allclose(F.mse_loss(a, b), np.mean((a - b) ** 2), rtol=1e-15)
    _, slope = value_and_gradient(lambda x: F.mse_loss(x, b), a)
    np.testing.assert_allclose(slope, 2 * (a - b) / 15, rtol=1e-14)
    assert mg.gradcheck(F.mse_loss, a, b, order=2)
    assert mg.gradcheck(lambda x: F.mse_loss(x, b, reduction="none"), a)


def test_binary_cross_entropy_gives_targets_a_gradient_too():
    logits = np.linspace(-2.9, 3.1, 12).reshape(3, 4)
    assert mg.gradcheck(F.binary_cross_entropy_with_logits, logits, PROBS, order=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_integer_predictions_do_not_wrap_around(dtype):
    low, high = np.iinfo(np.int8 if dtype is np.int64 else dtype).min, 120
    ints = np.array([[low, high, 3], [7, 7, high]], dtype)
    exact = ints.astype(float)
    soft = np.array([[0.5, 0.25, 0.25], [0.0, 0.5, 0.5]])
    for x in (ints, mg.tensor(ints)):
        for got, expected in (
            (F.softmax(x), F.softmax(exact)),
            (F.log_softmax(x, 0), F.log_softmax(exact, 0)),
            (F.cross_entropy(x, [0, 2]), F.cross_entropy(exact, [0, 2])),
            (F.cross_entropy(x, soft), F.cross_entropy(exact, soft)),
            (F.mse_loss(x, ints[::-1]), np.mean((exact - exact[::-1]) ** 2)),
            (F.mse_loss(x, soft), np.mean((exact - soft) ** 2)),
            (
                F.binary_cross_entropy_with_logits(x, soft),
                F.binary_cross_entropy_with_logits(exact, soft),
            ),
        ):
            value = got.numpy() if isinstance(got, mg.Tensor) else got
            np.testing.assert_allclose(value, expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_loss_has_the_dtype_of_its_predictions(dtype):
    x = mg.Tensor(LOGITS, requires_grad=True, dtype=dtype)
    for loss in (F.cross_entropy, F.mse_loss, F.binary_cross_entropy_with_logits):
        assert loss(x, PROBS).dtype == dtype


# Weights, ignored labels, smoothing

WEIGHT = np.array([0.5, 2.0, 1.0, 0.25])
SOME = np.array([2, -100, 1])
OPTIONS: dict[str, dict[str, Any]] = {
    "weight": {"weight": WEIGHT},
    "ignore -100": {},
    "ignore a class": {"ignore_index": 1},
    "smoothing": {"label_smoothing": 0.2},
    "all smooth": {"label_smoothing": 1.0},
    "weight and ignore": {"weight": WEIGHT, "ignore_index": 2},
    "all of them": {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1},
}


def for_torch(params, like):
    return {k: like.new_tensor(v) if isinstance(v, np.ndarray) else v for k, v in params.items()}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_options_of_cross_entropy_are_pytorchs(name, reduction, shape):
    params: dict[str, Any] = {**OPTIONS[name], "reduction": reduction}
    labels = np.broadcast_to(SOME if "-100" in name else LABELS, (2, 3))[
        -1 if len(shape) < 3 else ...
    ]
    labels = np.array(labels if len(shape) > 1 else labels[0])
    case = Case(
        lambda x: F.cross_entropy(x, labels, **params),
        lambda T, x: T.cross_entropy(
            x.movedim(-1, 1) if x.ndim > 2 else x, T_(labels), **for_torch(params, x)
        ),
        [np.random.default_rng(5).normal(0, 3, shape)],
    )
    alike(case)
    if reduction == "mean" and len(shape) == 2:
        smooth(case, 2)
    agrees(case, 1e-12, 1e-14)
    agrees(case._replace(arrays=[case.arrays[0].astype("f4")]), 1e-5, 1e-6)


@pytest.mark.parametrize("name", ["weight", "smoothing", "all smooth"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_options_with_probabilities_are_pytorchs(name, reduction):
    params: dict[str, Any] = {**OPTIONS[name], "reduction": reduction}
    case = Case(
        lambda x, y: F.cross_entropy(x, y, **params),
        lambda T, x, y: T.cross_entropy(x, y, **for_torch(params, x)),
        [LOGITS, PROBS],
    )
    smooth(cut(case), 2)
    agrees(case, 1e-12, 1e-14)


def T_(x):
    import torch

    return torch.tensor(x)


@pytest.mark.parametrize("name", ["weight", "ignore -100", "ignore a class", "weight and ignore"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nll_loss_is_pytorchs_and_the_rest_of_cross_entropy(name, reduction):
    params: dict[str, Any] = {**OPTIONS[name], "reduction": reduction}
    labels = SOME if "-100" in name else LABELS
    case = Case(
        lambda x: F.nll_loss(x, labels, **params),
        lambda T, x: T.nll_loss(x, T_(labels), **for_torch(params, x)),
        [F.log_softmax(LOGITS)],
    )
    smooth(case, 1)
    alike(case)
    np.testing.assert_allclose(
        case.ours(case.arrays[0]), F.cross_entropy(LOGITS, labels, **params), rtol=1e-14
    )
    agrees(case)


def test_what_an_ignored_row_holds_does_not_count():
    x = LOGITS.copy()
    x[1] = [np.nan, np.inf, -np.inf, 1e300]
    value, slope = value_and_gradient(lambda t: F.cross_entropy(t, SOME), x)
    kept = [0, 2]
    np.testing.assert_allclose(value, F.cross_entropy(LOGITS[kept], SOME[kept]), rtol=1e-15)
    np.testing.assert_array_equal(slope[1], 0.0)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("f", [F.cross_entropy, F.nll_loss])
def test_the_mean_of_nothing_is_nan_and_its_sum_is_zero(f):
    labels = np.full(3, -100)
    assert np.isnan(f(LOGITS, labels))
    assert f(LOGITS, labels, reduction="sum") == 0.0
    np.testing.assert_array_equal(f(LOGITS, labels, reduction="none"), np.zeros(3))


def test_a_weight_may_have_a_gradient_too():
    assert mg.gradcheck(
        lambda x, w: F.cross_entropy(x, LABELS, weight=w, label_smoothing=0.1), LOGITS, WEIGHT
    )
    weight = mg.Tensor(WEIGHT, requires_grad=True)
    assert F.cross_entropy(LOGITS.astype("f4"), LABELS, weight=weight).dtype == np.float32


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"cross_entropy: weight \(3,\) for 4 classes"):
        F.cross_entropy(LOGITS, LABELS, weight=np.ones(3))
    with pytest.raises(ShapeError, match=r"cross_entropy: weight \(3, 4\) for 4 classes"):
        F.cross_entropy(LOGITS, PROBS, weight=np.ones((3, 4)))
    with pytest.raises(ValueError, match="ignore_index is for labels, not for probabilities"):
        F.cross_entropy(LOGITS, PROBS, ignore_index=1)
    for labels in (LABELS, PROBS):
        with pytest.raises(ValueError, match=r"label_smoothing is a share of 1, not 1\.5"):
            F.cross_entropy(LOGITS, labels, label_smoothing=1.5)
    with pytest.raises(IndexError, match=r"labels span 0\.\.9, .* have classes 0\.\.3"):
        F.cross_entropy(LOGITS, [9, -100, 1])
    with pytest.raises(IndexError, match=r"nll_loss: labels span -1\.\.2, .* classes 0\.\.3"):
        F.nll_loss(LOGITS, [-1, 2, 1])
    with pytest.raises(
        ShapeError, match=r"^nll_loss: labels \(2,\) for log_probs \(3, 4\): pass i"
    ):
        F.nll_loss(LOGITS, [0, 1])
    with pytest.raises(TypeError, match="nll_loss: class labels are integers, not float64"):
        F.nll_loss(LOGITS, np.zeros(3))


def test_classes_in_the_second_axis_are_told_to_move():
    logits, labels = np.zeros((2, 4, 5)), np.zeros((2, 5), int)
    hint = r"hint: the class axis is the last one here: np\.moveaxis\(logits, 1, -1\)$"
    with pytest.raises(ShapeError, match=hint):
        F.cross_entropy(logits, labels)
    with pytest.raises(ShapeError, match=hint.replace("logits", "log_probs")):
        F.nll_loss(logits, labels)
    assert F.cross_entropy(np.moveaxis(logits, 1, -1), labels) == np.log(4.0)


# Two classes

BINARY: dict[str, dict[str, Any]] = {
    "plain": {},
    "weight": {"weight": np.array([[0.5], [2.0], [1.0]])},
    "a weight": {"weight": np.array(3.0)},
    "classes": {"weight": np.array([0.5, 2.0, 1.0, 3.0])},
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_binary_cross_entropies_are_pytorchs(name, reduction):
    params: dict[str, Any] = {**BINARY[name], "reduction": reduction}
    soft = np.random.default_rng(0).random((3, 4))
    case = Case(
        lambda x, y: F.binary_cross_entropy(x, y, **params),
        lambda T, x, y: T.binary_cross_entropy(x, y, **for_torch(params, x)),
        [PROBS * 0.9 + 0.05, soft],
    )
    logits = Case(
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, **params),
        lambda T, x, y: T.binary_cross_entropy_with_logits(x, y, **for_torch(params, x)),
        [LOGITS, soft],
    )
    positive = Case(
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, pos_weight=WEIGHT, **params),
        lambda T, x, y: T.binary_cross_entropy_with_logits(
            x, y, pos_weight=x.new_tensor(WEIGHT), **for_torch(params, x)
        ),
        [LOGITS, soft],
    )
    for each in (case, logits, positive):
        alike(each)
        if reduction == "mean" and name == "classes":
            smooth(cut(each._replace(arrays=[each.arrays[0] + 0.01, soft])), 2)
    for each in (case, logits, positive):
        agrees(each)
        if name == "plain":
            agrees(each._replace(arrays=[x.astype("f4") for x in each.arrays]), 1e-5, 1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_probabilities_of_zero_and_one_have_pytorchs_loss_and_slope(dtype):
    probs = np.array([0.0, 0.0, 1.0, 1e-13, 1e-30, 0.5], dtype)
    targets = np.array([1.0, 0.5, 0.0, 1.0, 1.0, 1.0], dtype)
    case = Case(
        lambda x: F.binary_cross_entropy(x, targets, reduction="none"),
        lambda T, x: T.binary_cross_entropy(x, T_(targets), reduction="none"),
        [probs],
    )
    # Where they are right PyTorch's slope is 0; that of the logarithm is 1, and so is ours.
    right = np.array([0.0, 1.0], dtype)
    value, slope = value_and_gradient(lambda x: F.binary_cross_entropy(x, right), right)
    assert value == 0.0
    np.testing.assert_array_equal(slope, [0.5, -0.5])
    agrees(case, 1e-6, 1e-14)


def test_binary_cross_entropy_of_a_sigmoid_is_that_of_logits():
    value = F.binary_cross_entropy(mg.sigmoid(LOGITS), PROBS)
    np.testing.assert_allclose(value, F.binary_cross_entropy_with_logits(LOGITS, PROBS), rtol=1e-13)


def test_binary_cross_entropy_refuses_logits_and_weights_that_do_not_fit():
    with pytest.raises(ValueError, match=r"span -2\.0\.\.4\.0, beyond 0\.\.1; of logits use"):
        F.binary_cross_entropy(LOGITS, PROBS)
    with pytest.raises(ShapeError, match=r"weight \(3,\) does not broadcast to \(3, 4\)"):
        F.binary_cross_entropy(PROBS, PROBS, weight=np.ones(3))
    with pytest.raises(ShapeError, match=r"pos_weight \(2, 3, 4\) does not broadcast to \(3, 4\)"):
        F.binary_cross_entropy_with_logits(LOGITS, PROBS, pos_weight=np.ones((2, 3, 4)))
    with pytest.raises(ShapeError, match="would broadcast and compare the wrong pairs"):
        F.binary_cross_entropy(PROBS, PROBS[0])
    empty = F.binary_cross_entropy(PROBS[:0], PROBS[:0], reduction="sum")
    assert empty == 0.0
