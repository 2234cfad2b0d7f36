"""ModuleList: names, order, slices, and that what it holds is found."""

import operator

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


def test_modules_are_put_in_taken_out_and_replaced():
    a, b, c, d, e = (nn.Linear(4, 4) for _ in range(5))
    items = nn.ModuleList([a, b])
    assert items.insert(0, c) is items
    assert list(items) == [c, a, b]
    assert items.insert(-1, d)[2] is d
    assert items.pop() is b
    assert items.pop(0) is c
    items += [b, c]
    assert list(items) == [a, d, b, c]
    longer = items + nn.ModuleList([e])
    assert type(longer) is nn.ModuleList
    assert list(longer) == [a, d, b, c, e]
    del items[0]
    assert list(items) == [d, b, c]
    del items[1:]
    assert list(items) == [d]
    assert [name for name, _ in items.named_parameters()] == ["0.weight", "0.bias"]
    assert [name for name in vars(longer) if name.isdigit()] == list("01234")


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda items: items.insert(0, abs), TypeError, "a ModuleList holds modules, not <built"),
        (lambda items: items.extend([blocks(1)[0], 3]), TypeError, "holds modules, not 3"),
        (lambda items: operator.add(items, [3]), TypeError, "holds modules, not 3"),
        (lambda items: operator.iadd(items, [3]), TypeError, "holds modules, not 3"),
        (lambda items: items.insert(9, blocks(1)[0]), IndexError, "insert at 9 of a ModuleList(3)"),
        (lambda items: items.pop(3), IndexError, "pop index out of range"),
        (lambda items: items.__delitem__(3), IndexError, "index out of range"),
        (lambda items: items.__setitem__(3, blocks(1)[0]), IndexError, "index out of range"),
    ],
)
def test_what_does_not_fit_changes_nothing(change, kind, said):
    items = nn.ModuleList(blocks())
    before = list(items)
    with pytest.raises(kind) as error:
        change(items)
    assert said in str(error.value)
    assert list(items) == before


def test_what_it_holds_is_named_by_its_number_also_after_a_change():
    tower, x = Tower(nn.ModuleList(blocks())), np.ones((1, 4))

    def last():
        return str(tower(x).node.scope)

    assert last() == "Tower.blocks.2 (Linear(4 → 4))"
    tower.blocks.insert(0, nn.Linear(4, 4))
    assert last() == "Tower.blocks.3 (Linear(4 → 4))"
    del tower.blocks[:2]
    assert last() == "Tower.blocks.1 (Linear(4 → 4))"
    tower.blocks += [nn.Linear(4, 2)]
    assert last() == "Tower.blocks.2 (Linear(4 → 2))"
    first = tower.blocks.pop(0)
    assert last() == "Tower.blocks.1 (Linear(4 → 2))"
    assert str(first(x).node.scope) == "Linear (Linear(4 → 4))"
    tower.blocks = nn.ModuleList([nn.ModuleList(tower.blocks)])
    tower.blocks[0].insert(0, first)
    assert [name for name, _ in tower._called()][1:] == [
        "blocks.0",
        "blocks.0.0",
        "blocks.0.1",
        "blocks.0.2",
    ]


def test_a_slice_of_it_in_a_forward_leaves_the_names_as_they_are():
    class Skipping(Tower):
        def forward(self, x):
            for block in self.blocks[1:]:
                x = block(x)
            return x

    skipping, x = Skipping(nn.ModuleList(blocks())), np.ones((1, 4))
    for _ in range(2):
        assert str(skipping(x).node.scope) == "Skipping.blocks.2 (Linear(4 → 4))"
        assert isinstance(skipping.blocks[1]._label, tuple)
