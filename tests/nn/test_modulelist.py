"""ModuleList: names, order, slices, and that what it holds is found."""

import numpy as np
import pytest

from minigrad import nn


class Tower(nn.Module):
    def __init__(self, blocks):
        self.blocks = blocks

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def blocks(count=3):
    return [nn.Linear(4, 4, rng=i) for i in range(count)]


def test_parameters_are_found_under_their_number():
    tower, plain = Tower(nn.ModuleList(blocks())), Tower(blocks())
    names = [name for name, _ in tower.named_parameters()]
    assert names[:3] == ["blocks.0.weight", "blocks.0.bias", "blocks.1.weight"]
    assert list(tower.state_dict()) == list(plain.state_dict())
    x = np.ones((1, 4))
    np.testing.assert_array_equal(tower(x).numpy(), plain(x).numpy())
    assert "blocks.1" in str(tower.summary(x))
    assert not tower.eval().blocks[2].training


def test_it_is_a_list():
    held = blocks(12)
    items = nn.ModuleList(held)
    assert len(items) == 12
    assert list(items) == held
    assert items[-1] is held[-1]
    assert items[10] is held[10]
    assert list(items[1:3]) == held[1:3]
    with pytest.raises(IndexError):
        items[12]
    other = nn.Linear(4, 2)
    items[-1] = other
    assert list(items)[-1] is other
    assert len(items.append(held[-1])) == 13
    assert repr(nn.ModuleList(blocks(1))) == "ModuleList(1)\n  (0): Linear(4 → 4)"
    assert len(items.parameters()) == 26


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match="a ModuleList holds modules, not 3"):
        nn.ModuleList([3])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="a ModuleList holds modules"):
        nn.ModuleList(blocks())[0] = abs  # type: ignore[assignment]
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        nn.ModuleList(blocks())(np.ones(4))
