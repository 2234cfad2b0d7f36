"""Plots of decisions, activations and functions: the numbers that are drawn."""

import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import MissingExtra, ShapeError
from minigrad.viz import plots

pytest.importorskip("matplotlib")
POINTS = np.array([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])


def right(classes):
    """A model whose answer is the side of the first feature."""
    layer = nn.Linear(2, classes, dtype=float)
    weight = np.zeros((2, classes))
    weight[0, -1] = 9.0
    layer.weight.data = weight
    return layer


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_the_boundary_is_where_the_answer_changes(classes):
    figure = plots.decision_boundary(right(classes), POINTS, [0, 1, 0, 1], resolution=40)
    (axes,) = figure.axes
    image = axes.images[0].get_array()
    assert image.shape == (40, 40, 3)
    answer = np.array(plots._rgb(plots.COLOURS[max(classes, 2) - 1]))
    ends = image[:, [0, -1]].mean(axis=0)
    near = np.abs(ends - (1.0 - 0.6 * (1.0 - answer))).sum(axis=1)
    assert near[1] < 0.01 < near[0]
    np.testing.assert_array_equal(image, np.broadcast_to(image[:1], image.shape))
    assert tuple(axes.images[0].get_extent()) == (-1.2, 1.2, -1.2, 1.2)
    drawn = [c.get_offsets().tolist() for c in axes.collections]
    assert drawn == [POINTS[[0, 2]].tolist(), POINTS[[1, 3]].tolist()]
    assert [c.get_label() for c in axes.collections] == ["class 0", "class 1"]


def test_a_model_is_asked_in_evaluation_mode_and_left_as_it_was():
    model = nn.Sequential(nn.Dropout(0.9, rng=0), right(2))
    once, again = (
        plots.decision_boundary(model, mg.tensor(POINTS), resolution=10) for _ in range(2)
    )
    np.testing.assert_array_equal(
        once.axes[0].images[0].get_array(), again.axes[0].images[0].get_array()
    )
    assert model.layers[0].training  # type: ignore[attr-defined]
    with pytest.raises(ShapeError, match=r"x \(4, 3\) is not \(n, 2\)"):
        plots.decision_boundary(model, np.ones((4, 3)))


def test_histograms_count_every_output():
    model = nn.Sequential(nn.Linear(2, 5, rng=0), mg.relu, nn.Dropout(0.5), nn.Linear(5, 1, rng=1))
    figure = plots.activations(model, POINTS, bins=7)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["layers.0: Linear(2 → 5)", "layers.1: relu", "layers.3: Linear(5 → 1)"]
    counts = [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes]
    assert counts == [20, 20, 4]
    hidden = mg.relu(model.layers[0](POINTS)).numpy()
    assert f"{np.mean(hidden == 0):.0%} zeros" in figure.axes[1].get_xlabel()
    assert all(module.training for _, module in model.named_modules())
    with pytest.raises(ValueError, match="no layer gives numbers to show"):
        plots.activations(nn.Identity(), POINTS)


def test_functions_are_drawn_with_their_derivatives():
    figure = plots.functions([mg.tanh, mg.softplus, mg.relu, mg.gelu, mg.silu], -2.0, 2.0)
    assert [axes.get_title() for axes in figure.axes] == [
        "tanh", "softplus", "relu", "gelu", "silu",
    ]  # fmt: skip
    value, slope = figure.axes[0].lines[:2]
    x = value.get_xdata()
    assert (x[0], x[-1]) == (-2.0, 2.0)
    np.testing.assert_allclose(value.get_ydata(), np.tanh(x))
    np.testing.assert_allclose(slope.get_ydata(), 1 - np.tanh(x) ** 2, rtol=1e-12)
    with pytest.raises(ValueError, match="there is none to show"):
        plots.functions([])


def test_plots_say_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"functions\(\) needs matplotlib: pip install"):
        plots.functions([mg.tanh])


def test_pictures_can_be_saved(tmp_path):
    model = nn.Sequential(nn.Linear(2, 5, rng=0), mg.relu, nn.Linear(5, 3, rng=1))
    for i, figure in enumerate(
        [
            plots.decision_boundary(model, POINTS, [0, 1, 2, 0], resolution=20),
            plots.activations(model, POINTS),
            plots.functions([mg.relu, mg.sigmoid]),
        ]
    ):
        figure.savefig(tmp_path / f"{i}.png")
        assert (tmp_path / f"{i}.png").stat().st_size > 3000
