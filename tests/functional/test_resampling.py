"""Images in other sizes and at other places: PyTorch's, and their gradients."""

import itertools
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError
from tests.functional.agreement import Case, agrees, alike, smooth

LOOSE: Any = F  # a type checker knows better than what is tried here
RNG = np.random.default_rng(0)
SHAPES = {1: (2, 3, 5), 2: (2, 3, 5, 4), 3: (1, 2, 3, 5, 4)}
X = {n: RNG.normal(size=shape) for n, shape in SHAPES.items()}
SIZES = [
    {"size": 3},
    {"size": 7},
    {"size": 1},
    *({"scale_factor": f} for f in (2.0, 1.7, 0.6, 1.0)),
]
MODES = [("nearest", 1), ("nearest", 2), ("nearest", 3), ("nearest-exact", 2), ("area", 2)]
SMOOTH = [("linear", 1), ("bilinear", 2), ("trilinear", 3), ("bicubic", 2)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(
    ("mode", "n", "corners"),
    [(*m, None) for m in MODES] + [(*m, c) for m, c in itertools.product(SMOOTH, [False, True])],
)
def test_images_in_another_size(mode, n, corners, sizes):
    case = Case(
        lambda x: F.interpolate(x, mode=mode, align_corners=bool(corners), **sizes),
        lambda T, x: T.interpolate(x, mode=mode, align_corners=corners, **sizes),
        [X[n]],
    )
    agrees(case, 1e-11, 1e-13)
    if sizes == {"size": 7}:
        alike(case)
        agrees(case._replace(arrays=[X[n].astype("f4")]), 1e-4, 1e-5)


def test_a_size_for_each_axis():
    case = Case(
        lambda x: F.interpolate(x, (3, 9), mode="bilinear"),
        lambda T, x: T.interpolate(x, (3, 9), mode="bilinear"),
        [X[2]],
    )
    agrees(case, 1e-11, 1e-13)
    smooth(case._replace(arrays=[X[2][:1, :1, :2, :3]]), 2)
    wide = F.interpolate(X[2], scale_factor=(1, 2.5))
    assert wide.shape == (2, 3, 5, 10)
    np.testing.assert_array_equal(F.interpolate(X[2], 4)[..., 0], X[2][:, :, [0, 1, 2, 3], 0])
    assert F.interpolate(np.arange(3).reshape(1, 1, 3), 6).dtype == np.float64


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: F.interpolate(x), "pass either size= or scale_factor="),
        (lambda x: F.interpolate(x, 2, 2.0), "pass either size= or scale_factor="),
        (
            lambda x: LOOSE.interpolate(x, 2, mode="cubic"),
            "mode is one of .*'bicubic'.*, not 'cubic'",
        ),
        (lambda x: F.interpolate(x, 2, mode="linear"), "mode='linear' is for 1 spatial axes"),
        (lambda x: F.interpolate(x[0, 0], 2), "is for one to three spatial axes"),
        (lambda x: F.interpolate(x, scale_factor=0.1), "nothing is left at scale_factor=0.1"),
        (lambda x: F.interpolate(x, scale_factor=(1.0, 2.0, 3.0)), "for 2 axes: pass a positive"),
        (lambda x: F.interpolate(x, scale_factor=-1.0), "pass a positive number"),
        (lambda x: F.interpolate(x, 0), "size 0 must be at least 1"),
        (lambda x: F.grid_sample(x, np.zeros((2, 1, 1, 3))), "affine_grid makes one"),
        (lambda x: F.grid_sample(x, np.zeros((1, 1, 1, 2))), "affine_grid makes one"),
        (lambda x: LOOSE.grid_sample(x, np.zeros((2, 1, 1, 2)), "linear"), "mode is 'bilinear'"),
        (
            lambda x: LOOSE.grid_sample(x, np.zeros((2, 1, 1, 2)), padding_mode="wrap"),
            "padding_mode is 'zeros'",
        ),
        (lambda x: F.affine_grid(np.zeros((2, 2, 2)), x.shape), "expected .batch, 2, 3."),
    ],
)
def test_what_does_not_fit_is_told(call, words):
    with pytest.raises(ValueError, match=words):
        call(X[2])
    assert issubclass(ShapeError, ValueError)


GRIDS = [(mode, 2) for mode in ("bilinear", "nearest", "bicubic")] + [("bilinear", 3)]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(("mode", "n"), GRIDS)
def test_images_at_the_places_of_a_grid(mode, n, padding_mode, align_corners):
    x = X[n]
    grid = RNG.uniform(-1.7, 1.7, (*(len(x), 3, 4, 2)[: n + 1], n))
    case = Case(
        lambda x, g: F.grid_sample(x, g, mode, padding_mode, align_corners),
        lambda T, x, g: T.grid_sample(x, g, mode, padding_mode, align_corners),
        [x, grid],
    )
    alike(case)
    if mode == "nearest":  # whose places have no gradient, which PyTorch says by zeros
        case = case._replace(
            ours=lambda x, g: F.grid_sample(x, g, mode, padding_mode, align_corners) + 0.0 * g.sum()
        )
    agrees(case, 1e-9, 1e-11)


def test_gradients_of_the_places():
    x = RNG.normal(size=(1, 1, 2, 3))
    grid = np.array([[[[-0.4, 0.3]]]])
    for mode in ("bilinear", "bicubic"):
        smooth(Case(lambda x, g, mode=mode: F.grid_sample(x, g, mode), None, [x, grid]), 2)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 3, 2, 4)])
def test_a_grid_of_an_affine_map(size, align_corners):
    n = len(size) - 2
    agrees(
        Case(
            lambda theta: F.affine_grid(theta, size, align_corners),
            lambda T, theta: T.affine_grid(theta, size, align_corners),
            [RNG.normal(size=(2, n, n + 1))],
        ),
        1e-12,
        1e-13,
    )


def test_the_identity_reads_the_image_itself():
    theta = mg.tensor(np.eye(2, 3)[None].repeat(2, 0), requires_grad=True)
    out = F.grid_sample(X[2], F.affine_grid(theta, X[2].shape))
    np.testing.assert_allclose(out.data, X[2], atol=1e-14)
    out.sum().backward()
    assert theta.grad is not None
