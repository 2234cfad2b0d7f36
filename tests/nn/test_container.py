"""Sequential as a list of layers: slices that share them, changes, and names that stay right."""

import copy
import operator
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError

X = np.linspace(-1.0, 1.0, 8).reshape(2, 4)


def layers(count=3):
    return [nn.Linear(4, 4, rng=i) for i in range(count)]


def model(count=3):
    return nn.Sequential(*layers(count))


def called(module, x=X):
    """The names of the modules through which ``x`` went, from the last to the first."""
    node, found = module(mg.tensor(x, requires_grad=True)).node, []
    while node is not None and node.primitive is not None:
        found.append(str(node.scope).partition(" (")[0])
        node = node.parents[0]
    return list(dict.fromkeys(found))


# What a list does


def test_a_slice_is_a_sequential_that_shares_the_layers():
    whole = model().eval()
    part = whole[:2]
    assert type(part) is nn.Sequential
    assert [*part] == [*whole][:2]
    assert part[1] is whole[1]
    assert not part.training
    np.testing.assert_array_equal(whole[2](part(X)).numpy(), whole(X).numpy())
    assert [*whole[::-1]] == [*whole][::-1]
    assert len(whole[5:]) == 0
    part.append(mg.tanh)
    assert (len(part), len(whole)) == (3, 3)


def test_layers_are_put_in_taken_out_and_replaced():
    a, b, c, d, e = layers(5)
    held = nn.Sequential(a, b)
    assert held.append(c) is held
    assert held.extend([d]) is held
    assert held.insert(0, mg.tanh) is held
    assert [*held] == [mg.tanh, a, b, c, d]
    assert held.insert(-1, e)[-2] is e
    assert held.pop() is d
    assert held.pop(0) is mg.tanh
    held[-1] = d
    held[0] = mg.relu
    assert [*held] == [mg.relu, b, c, d]
    del held[0]
    del held[1:]
    assert [*held] == [b]
    held += nn.Sequential(c)
    joined = held + nn.Sequential(d, e)
    assert [*held] == [b, c]
    assert [*joined] == [b, c, d, e]
    assert type(joined) is nn.Sequential
    assert joined.extend(held)[-1] is c


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda m: m.append(3), TypeError, "layer 3 is not callable: 3"),
        (lambda m: m.insert(0, 3), TypeError, "layer 0 is not callable: 3"),
        (lambda m: m.extend([abs, "relu"]), TypeError, "layer 4 is not callable: 'relu'"),
        (lambda m: m.__setitem__(1, None), TypeError, "layer 1 is not callable: None"),
        (lambda m: m.__setitem__(slice(2), [abs]), TypeError, "'slice' object cannot be inter"),
        (lambda m: m.__setitem__(3, abs), IndexError, "list assignment index out of range"),
        (lambda m: m.__delitem__(3), IndexError, "list assignment index out of range"),
        (lambda m: m.insert(4, abs), IndexError, "insert at 4 of a Sequential(3)"),
        (lambda m: m.insert(-4, abs), IndexError, "insert at -4 of a Sequential(3)"),
        (lambda m: m.pop(3), IndexError, "pop index out of range"),
        (lambda m: nn.Sequential().pop(), IndexError, "pop from empty list"),
        (lambda m: operator.add(m, [1]), TypeError, "for +: 'Sequential' and 'list'"),
        (lambda m: operator.iadd(m, [1]), TypeError, "for +=: 'Sequential' and 'list'"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(change, kind, said):
    held = model()
    before = [*held]
    with pytest.raises(kind) as error:
        change(held)
    assert said in str(error.value)
    assert [*held] == before


def test_it_does_what_torchs_does():
    torch = pytest.importorskip("torch")

    def changed(nn):
        a, b, c, d = (nn.Identity() for _ in range(4))
        name = {id(layer): letter for layer, letter in zip((a, b, c, d), "abcd", strict=True)}
        seen: list[Any] = []

        def note(held):
            seen.append([name[id(layer)] for layer in held])

        held = nn.Sequential(a, b, c)
        for part in (held[1:], held[:-1], held[::2], held + nn.Sequential(d), held.append(d)):
            note(part)
        for index in (0, 2, -1, -4):
            note(held.insert(index, b))
        note(held.extend(held[:2]))
        note([held.pop(1), held.pop(-1)])
        held[-1] = d
        note(held)
        del held[1:3]
        note(held)
        del held[-1]
        held += nn.Sequential(a, c)
        note(held)
        return seen

    assert changed(nn) == changed(torch.nn)


# Names


def test_parameters_are_named_by_where_they_are_now():
    held = model()
    held(X)
    held.insert(0, nn.Flatten())
    assert [*held.state_dict()][:2] == ["layers.1.weight", "layers.1.bias"]
    del held[:2]
    assert [*held.state_dict()] == [f"layers.{i}.{n}" for i in (0, 1) for n in ("weight", "bias")]
    assert repr(held) == "Sequential(2)\n  (layers.0): Linear(4 → 4)\n  (layers.1): Linear(4 → 4)"


def test_what_is_recorded_and_what_fails_is_named_by_where_it_is_now():
    held = model()
    assert called(held) == [f"Sequential.layers.{i}" for i in (2, 1, 0)]
    first = held.pop(0)
    assert called(held) == ["Sequential.layers.1", "Sequential.layers.0"]
    assert called(first) == ["Linear"]
    assert str(held(X).node.scope.parent) == "Sequential (Sequential(2))"
    held.append(nn.Linear(3, 2))
    with pytest.raises(ShapeError, match=r"in Sequential\.layers\.2 \(Linear\(3 → 2\)\)"):
        held(X)
    held[-1] = nn.Linear(4, 2)
    assert called(held)[0] == "Sequential.layers.2"
    assert "layers.2" in mg.draw(held(X)).dot


def test_a_slice_and_the_whole_name_what_they_share_each_in_its_own_way():
    whole = model()
    tail = whole[1:]
    for _ in range(3):
        assert called(whole) == [f"Sequential.layers.{i}" for i in (2, 1, 0)]
        assert called(tail) == ["Sequential.layers.1", "Sequential.layers.0"]
        assert called(whole[2]) == ["Linear"]
    whole.insert(0, nn.Linear(4, 4))
    for _ in range(2):
        assert called(whole) == [f"Sequential.layers.{i}" for i in (3, 2, 1, 0)]
        assert called(tail) == ["Sequential.layers.1", "Sequential.layers.0"]
    tail.pop(0)
    for _ in range(2):
        assert called(tail) == ["Sequential.layers.0"]
        assert called(whole)[0] == "Sequential.layers.3"


class Two(nn.Module):
    def __init__(self, body):
        self.body, self.head = body, body[1:]

    def forward(self, x):
        return self.head(self.body(x))


def test_parts_inside_of_a_module_keep_their_names_too():
    two = Two(model())
    names = ["head.layers.1", "head.layers.0", "body.layers.2", "body.layers.1", "body.layers.0"]
    for _ in range(2):
        assert called(two) == [f"Two.{name}" for name in names]
    two.body.pop(1)
    for _ in range(2):
        assert called(two) == [f"Two.{names[i]}" for i in (0, 1, 3, 4)]
    two.head = two.body[:1]
    assert called(two) == [f"Two.{name}" for name in ["head.layers.0", *names[3:]]]


def test_a_layer_that_was_called_alone_is_named_by_the_model_that_takes_it():
    layer, held = nn.Linear(4, 4), nn.Sequential(model())
    assert called(layer) == ["Linear"]
    assert called(held)[0] == "Sequential.layers.0.layers.2"
    inner: Any = held[0]
    inner.append(layer)
    for _ in range(2):
        assert called(held)[0] == "Sequential.layers.0.layers.3"
        assert called(layer) == ["Linear"]


def test_calls_of_a_shared_layer_are_one_module_to_a_drawing():
    held = model()
    called(held[1:])
    called(held)
    layer = held[2]
    one, two = layer(X), layer(X)
    assert one.node.scope.label is two.node.scope.label


def test_modules_that_hold_each_other_are_named():
    held: Any = model(1)
    space: Any = nn.Module()
    space.layer, space.back, space.outer = nn.Linear(4, 4), space, held
    held[0].space, held.space = space, space
    assert called(held) == ["Sequential.layers.0"]
    held.append(lambda x: space.layer(x))
    assert called(held)[0].endswith("space.layer")


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_copies_are_named_anew(copied):
    held = model()
    called(held[1:])
    called(held)
    twin = copied(held)
    assert called(twin) == called(held)
    twin.pop(0)
    assert called(twin) == ["Sequential.layers.1", "Sequential.layers.0"]
    assert len(called(held)) == 3


def test_a_compiled_model_follows_a_change():
    held = model()
    fast = mg.compile(held)
    for change in (lambda: None, lambda: held.append(mg.tanh), lambda: held.pop(0)):
        change()
        np.testing.assert_allclose(fast(X).numpy(), held(X).numpy(), rtol=1e-6)
    tail = held[1:]
    np.testing.assert_allclose(mg.compile(tail)(X).numpy(), tail(X).numpy(), rtol=1e-6)
    np.testing.assert_allclose(fast(X).numpy(), held(X).numpy(), rtol=1e-6)
