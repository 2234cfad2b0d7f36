"""Figures without a gradient."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError

LOGITS = np.array([[2.0, -1.0, 0.5, 0.0], [0.25, 3.0, -2.0, 1.0], [-0.5, -0.5, 4.0, 0.75]])
LABELS = np.array([0, 3, 1])
PROBS = np.array([[0.1, 0.2, 0.3, 0.4], [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.5, 0.0]])


def test_accuracy_counts_largest_logits():
    assert F.accuracy(LOGITS, [0, 1, 2]) == 1.0
    assert F.accuracy(mg.Tensor(LOGITS, requires_grad=True), mg.tensor([0, 1, 1])) == 2 / 3
    assert F.accuracy(LOGITS[None], np.array([[0, 3, 1]])) == 1 / 3
    assert F.accuracy(LOGITS, PROBS) == 1 / 3
    assert math.isnan(F.accuracy(LOGITS[:0], LABELS[:0]))


@pytest.mark.parametrize("labels", [[[0], [1], [2]], [0, 1], 0, np.zeros((3, 3))])
def test_accuracy_refuses_labels_that_would_broadcast(labels):
    with pytest.raises(ShapeError, match=r"accuracy: labels .* for logits \(3, 4\)"):
        F.accuracy(LOGITS, labels)
