"""Guards as machine code see what guards as Python see, and look at nothing in vain."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.compile.capture import Asking, Cell, Data, Item
from minigrad.compile.guards import Condition, Length
from minigrad.compile.native.binder import WatchingBinder
from minigrad.compile.native.machine import unchanged
from minigrad.compile.native.watch import Watch, distances
from tests.compile.steps import needs_numba
from tests.compile.test_guards import (
    test_a_frozen_parameter_stays,
    test_globals_and_closures,
    test_layers_may_be_swapped_frozen_and_switched,
    test_python_state_is_never_stale,
)
from tests.compile.test_training import (
    test_gradients_that_add_up,
    test_parameters_that_share_an_array_part,
    test_state_that_is_loaded_is_used,
    test_what_somebody_holds_is_not_overwritten,
)

__all__ = [  # these run once more, watched
    "test_a_frozen_parameter_stays",
    "test_globals_and_closures",
    "test_gradients_that_add_up",
    "test_layers_may_be_swapped_frozen_and_switched",
    "test_parameters_that_share_an_array_part",
    "test_python_state_is_never_stale",
    "test_state_that_is_loaded_is_used",
    "test_what_somebody_holds_is_not_overwritten",
]
pytestmark = needs_numba
X = np.arange(3.0)


@pytest.fixture(autouse=True, scope="module")
def answers():
    """Guard what runs as NumPy as machine code is guarded, and note what the watch says."""
    said: list[bool] = []

    def noting():
        look = unchanged()

        def noted(rows):
            said.append(look(rows))
            return said[-1]

        return noted

    with pytest.MonkeyPatch.context() as patch:
        bind = lambda recorded, *rest: WatchingBinder(recorded).make(*rest)  # noqa: E731
        patch.setattr(import_module("minigrad.compile.compiled"), "bind", bind)
        patch.setattr(import_module("minigrad.compile.native.binder"), "unchanged", noting)
        yield said


class Odd:
    """A key that can't be compared, and sorts under the same entry as another one."""

    def __hash__(self):
        return hash("key")

    def __eq__(self, other):
        raise ValueError("no")


def cell_of(value):
    return (lambda: value).__closure__[0]  # type: ignore[index]


def watched(*tests):
    at = distances()
    assert at is not None
    watch = Watch(at)
    assert all(watch.condition(Condition("", place, value)) for place, value in tests)
    watch.rows[0] = watch.count
    return watch


def test_every_kind_of_row():
    mark, other, cell = object(), object(), cell_of(1)
    entries: list[Any] = [1, 2]
    table: dict[Any, Any] = {"key": None, 7: 1}
    entries[1] = table["key"] = cell.cell_contents = mark
    watch = watched(
        (Item(entries, 1), mark),
        (Item(table, "key"), mark),
        (Item(table, 7), 1),
        (Cell(cell), mark),
        (Length(entries), 2),
        (Length(table), 2),
    )

    def holds():
        return unchanged()(watch.address)

    assert holds()
    for change, back in [
        (lambda: entries.__setitem__(1, other), lambda: entries.__setitem__(1, mark)),
        (lambda: table.update(key=other), lambda: table.update(key=mark)),
        (lambda: table.update({7: True}), lambda: table.update({7: 1})),
        (lambda: setattr(cell, "cell_contents", 2), lambda: setattr(cell, "cell_contents", mark)),
        (lambda: entries.append(3), entries.pop),
        (lambda: table.update(more=3), lambda: table.pop("more")),
    ]:
        change()
        assert not holds()
        back()
        assert holds()
    entries.clear()
    assert not holds()
    entries += [1, mark]
    del table["key"]
    table[Odd()] = mark
    assert not holds()
    watch.rows[0] = -1
    assert not holds()


def test_arrays_gradients_and_who_holds_them():
    w = mg.tensor(np.ones(3), requires_grad=True)
    w.grad = mg.tensor(np.zeros(3))
    at = distances()
    assert at is not None
    watch, last = Watch(at), [w._data, w.grad._data]
    watch.owned(Data(w), 3, "w._data")
    watch.lent(w, "w.grad._data", "gradient")
    assert watch.condition(Condition("", Asking(w), True))
    rows = watch.rows
    exec("\n".join(map(str.strip, watch.notes)), {"rows": rows, "w": w, "watched": watch.kept})
    rows[0] = watch.count

    def holds():
        return unchanged()(watch.address)

    assert holds()
    for held in (lambda: w.numpy(), lambda: w.grad, lambda: w.grad.numpy()):
        kept = held()
        assert not holds()
        del kept
        assert holds()
    w.grad._node = w._node
    assert not holds()
    w.grad._node = None
    assert holds()
    w.register_hook(lambda g: None)
    assert not holds()
    assert w._node is not None
    w._node.hooks = None
    assert holds()
    w.grad = mg.tensor(last[1])
    assert not holds()
    w.grad = None
    assert not holds()


def test_what_runs_somebodys_code_is_not_watched():
    class Own(dict[Any, Any]):
        def __getitem__(self, key):
            return 1

    at = distances()
    assert at is not None
    watch = Watch(at)
    for place in (Item(Own(a=1), "a"), Item({Odd(): 1}, 1.0), Item([1], -1), Length(Own())):
        assert not watch.condition(Condition("", place, 1))
    assert watch.count == 0


def test_nothing_is_watched_where_objects_are_laid_out_otherwise(monkeypatch, answers):
    monkeypatch.setattr(import_module("minigrad.compile.native.watch"), "distances", lambda: None)
    del answers[:]
    test_what_somebody_holds_is_not_overwritten()
    assert not answers


def test_a_step_that_changes_nothing_is_not_looked_at_twice(answers):
    w = mg.tensor(np.ones(3), requires_grad=True)
    rule = mg.optim.Adam([w], learning_rate=0.1)

    @mg.compile
    def step(x):
        rule.zero_grad()
        loss = (w * x).sum()
        loss.backward()
        rule.step()
        return loss

    for _ in range(5):
        step(X)
    del answers[:]
    for k in range(10):
        rule.learning_rate = 0.1 / (k + 1)
        step(X)
    assert answers == [True] * 10
    held = w.numpy()
    before = held.copy()
    step(X)
    step(X)
    np.testing.assert_array_equal(held, before)
    assert answers[10:] == [False, True]
