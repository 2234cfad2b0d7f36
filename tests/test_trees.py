"""Nested containers."""

import dataclasses
from typing import NamedTuple

import pytest

from minigrad.trees import leaves, mapped, rebuilt, with_paths


class Pair(NamedTuple):
    a: object
    b: object


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: object
    b: object = None


TREE = {"x": [1, (2, 3)], "y": Pair(4, Frozen(5)), "z": None}


def test_every_container_comes_back_as_it_was():
    doubled = mapped(lambda x: 2 * x, TREE)
    assert doubled == {"x": [2, (4, 6)], "y": Pair(8, Frozen(10)), "z": None}
    assert isinstance(doubled["y"], Pair)
    assert leaves(TREE) == [1, 2, 3, 4, 5]
    assert rebuilt(TREE, iter("abcde"))["y"].b == Frozen("e")
    assert TREE["x"] == [1, (2, 3)]


def test_paths_are_what_python_would_write():
    paths = leaves(with_paths(lambda path, leaf: path, TREE))
    assert paths == ["['x'][0]", "['x'][1][0]", "['x'][1][1]", "['y'][0]", "['y'][1].a"]


def test_a_prefix_stands_for_all_below():
    found = mapped(lambda x, p: (x, p), {"x": [1, 2], "y": 3}, {"x": "p", "y": "q"})
    assert found == {"x": [(1, "p"), (2, "p")], "y": (3, "q")}
    with pytest.raises(ValueError, match="does not fit the dict at top"):
        mapped(lambda x, p: x, {"x": 1}, {"y": 1})
    with pytest.raises(ValueError, match=r"does not fit the list at \['x'\]"):
        mapped(lambda x, p: x, {"x": [1, 2]}, {"x": [1]})
