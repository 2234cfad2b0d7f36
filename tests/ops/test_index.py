"""Adding at an index is what ``np.add.at`` does, however it is done."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.ops import index as module
from minigrad.ops.index import add_into


@st.composite
def arrays_and_indices(draw):
    """An array, and an index of integers, arrays of them, slices, dots, new axes and masks."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    parts: list[Any] = []
    for n in shape[: draw(st.integers(1, len(shape)))]:
        kinds = [
            int(rng.integers(-n, n)),
            rng.integers(-n, n, size=3),
            rng.integers(-n, n, size=(3, 1)),
            rng.integers(-n, n, size=3).tolist(),
            rng.integers(n, size=3).astype(np.uint8),
            np.array(rng.integers(-n, n)),
            slice(None, None, -2),
            slice(None),
            rng.random(n) > 0.3,
        ]
        parts.append(kinds[draw(st.integers(0, len(kinds) - 1))])
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), draw(st.sampled_from([None, Ellipsis])))
    x = rng.normal(size=shape)
    return x, tuple(parts) if len(parts) > 1 else parts[0]


@given(arrays_and_indices(), st.booleans())
def test_adding_at_an_index_is_numpys(drawn, one):
    x, index = drawn
    try:
        g = np.random.default_rng(0).normal(size=() if one else x[index].shape)
        wanted = x.copy()
        np.add.at(wanted, index, g)
    except (IndexError, ValueError):  # an index that NumPy refuses
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FEW", -1)
        add_into(x, index, g)
    np.testing.assert_array_equal(x, wanted)


def test_an_index_out_of_range_raises():
    with pytest.raises(IndexError, match="out of bounds"):
        mg.scatter_add(np.ones((200, 3)), (5, 3), np.full(200, 5))
    with pytest.raises(IndexError, match="out of bounds"):
        mg.add_at(np.zeros((5, 3)), np.full(200, -6), np.ones((200, 3)))


def test_rows_looked_up_often_collect_every_cotangent():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(300, 4)).astype(np.float32)
    tokens, g = rng.integers(-300, 300, size=(40, 5)), rng.normal(size=(40, 5, 4))
    found = mg.grad(lambda weight: (weight[tokens] * g.astype(np.float32)).sum())(weight)
    wanted: Any = np.eye(300)[tokens.reshape(-1) % 300].T @ g.reshape(-1, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5, atol=1e-6)
