"""Each pass leaves the numbers as they are, and finds what it is for."""

import numpy as np
import pytest

from minigrad.compile.passes import PIPELINE, optimise
from minigrad.compile.plan import plan
from minigrad.compile.program import Input, Instruction, Missed, Program, Update, Value

FLOAT = np.dtype(float)
X = np.arange(6.0).reshape(2, 3) - 2.0


def value(*shape):
    return Value(shape, FLOAT)


def program(build):
    """A program of one argument of shape (2, 3); ``build`` calls ``do(function, *args)``."""
    x, made = value(2, 3), []

    def do(function, *args, shape=(2, 3), **kwargs):
        made.append(Instruction(function, args, kwargs, value(*shape)))
        return made[-1].out

    out = build(do, x)
    return Program("f", [Input(x, "argument", "x")], made, [out])


def constant(array):
    return Value(np.shape(array), np.asarray(array).dtype, constant=np.asarray(array))


SIMPLER = {
    "times one": (lambda do, x: do("np.multiply", x, 1.0), []),
    "one times": (lambda do, x: do("np.multiply", 1, x), []),
    "divided by one": (lambda do, x: do("np.divide", x, 1.0), []),
    "minus minus": (lambda do, x: do("np.negative", do("np.negative", x)), []),
    "transposed twice": (
        lambda do, x: do("np.transpose", do("np.transpose", x, shape=(3, 2))),
        [],
    ),
    "twice the same": (
        lambda do, x: do("np.add", do("np.exp", x), do("np.exp", x)),
        ["np.exp", "np.add"],
    ),
    "dead": (lambda do, x: (do("np.exp", x), do("np.sin", x))[1], ["np.sin"]),
    "constants": (
        lambda do, x: do("np.add", x, do("np.exp", constant([0.0, 1.0, 2.0]), shape=(3,))),
        ["np.add"],
    ),
    "one number": (lambda do, x: do("np.multiply", x, constant(np.full((2, 3), 0.5))), None),
    "broadcast": (
        lambda do, x: do(
            "np.multiply",
            x,
            do("np.broadcast_to", do("np.max", x, shape=()), (2, 3)),
        ),
        ["np.max", "np.multiply"],
    ),
    "added where it belongs": (
        lambda do, x: do(
            "np.add",
            do("np.exp", x),
            do(
                "add_at",
                (2, 3),
                (constant(np.arange(2)), constant(np.array([2, 0]))),
                do("np.sum", x, axis=1, shape=(2,)),
            ),
        ),
        ["np.exp", "np.sum", "increment"],
    ),
    "plus zero stays": (lambda do, x: do("np.add", x, 0.0), ["np.add"]),
    "one and True differ": (
        lambda do, x: do("np.add", do("np.add", x, 1), do("np.add", x, True)),
        ["np.add", "np.add", "np.add"],
    ),
}


@pytest.mark.parametrize("name", SIMPLER)
def test_what_is_found_and_what_stays(name):
    build, functions = SIMPLER[name]
    before, after = program(build), program(build)
    optimise(after)
    np.testing.assert_array_equal(before.run([X])[0], after.run([X])[0])
    if functions is not None:
        assert [i.function for i in after.instructions] == functions
    else:
        assert 0.5 in after.instructions[0].args


@pytest.mark.parametrize("step", PIPELINE, ids=lambda step: step.__name__)
@pytest.mark.parametrize("name", SIMPLER)
def test_each_pass_alone_is_exact(name, step):
    build, _ = SIMPLER[name]
    before, after = program(build), program(build)
    step(after)
    np.testing.assert_array_equal(before.run([X])[0], after.run([X])[0])


def test_checks_come_first_and_leave():
    x, out, most, high = value(2, 3), value(2, 3), value(), Value((), np.dtype(bool))
    made = [
        Instruction("np.exp", (x,), {}, out),
        Instruction("np.max", (x,), {}, most),
        Instruction("np.greater", (most, 5.0), {}, high),
        Instruction("check", (high, False), {}, Value((), None)),
    ]
    checked = Program("f", [Input(x, "argument", "x")], made, [out])
    optimise(checked)
    assert [i.function for i in checked.instructions][-1] == "np.exp"
    np.testing.assert_array_equal(checked.run([X])[0], np.exp(X))
    with pytest.raises(Missed):
        checked.run([X + 9])


def test_an_input_is_overwritten_only_by_what_replaces_it():
    w, g, scaled, new, read = (value(4) for _ in range(5))
    made = [
        Instruction("np.multiply", (g, 0.1), {}, scaled),
        Instruction("np.subtract", (w, scaled), {}, new),
        Instruction("np.exp", (g,), {}, read),
    ]
    inputs = [Input(w, "tensor", "w"), Input(g, "argument", "g")]
    step = Program("f", inputs, made, [read], [Update("place", "w", new, w)])
    plan(step)
    assert step.updates[0].in_place
    assert made[1].into is w
    assert made[0].into is None  # the caller's argument stays what it is
    assert made[2].into is not g


def test_an_input_that_is_returned_is_not_overwritten():
    w, new = value(4), value(4)
    made = [Instruction("np.subtract", (w, 1.0), {}, new)]
    step = Program("f", [Input(w, "tensor", "w")], made, [w], [Update("place", "w", new, w)])
    plan(step)
    assert not step.updates[0].in_place
    assert made[0].into is None
