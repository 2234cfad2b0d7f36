"""What becomes one kernel, and where values stand: without compiling anything."""

from typing import Any

import numpy as np

import minigrad as mg
from minigrad import optim
from minigrad.compile.native.groups import Group
from minigrad.compile.native.layout import Layouts
from minigrad.compile.native.module import Module
from minigrad.compile.native.schedule import Plain
from minigrad.compile.program import Instruction, Value
from tests.compile.steps import batches, network, training

VECTORS: dict[int, tuple[int, tuple[int, ...]]] = {4: (16, (16, 12, 8, 6)), 8: (8, (16, 12, 8, 6))}


def module_of(step, *args, blas=None):
    compiled = mg.compile(step)
    for _ in range(4):
        compiled(*args)
    entry = compiled._entries[-1]
    return Module(entry.recorded.program, entry.recorded.tape.titles, VECTORS, blas)


def trained(optimizer, *widths):
    model = network(*widths)
    step = training(model, optimizer(model.parameters()))
    return module_of(step, *next(batches(1, 8, widths[0], widths[-1])))


def functions(group):
    return [m.instruction.function for m in group.members]


def test_a_softmax_with_its_gradient_is_one_kernel():
    module = trained(optim.SGD, 6, 16, 3)
    assert len(module.regions) == 1
    assert not module.fallen
    groups = [functions(s) for s in module.steps if isinstance(s, Group)]
    loss = next(g for g in groups if "np.exp" in g)
    assert {"np.add", "np.maximum.reduce", "np.add.reduce", "np.log", "increment"} <= {*loss}
    assert ["np.greater", "np.multiply", "np.add.reduce"] in groups  # the rectifier's gradient


def test_an_update_is_one_kernel_for_each_parameter():
    module = trained(optim.Adam, 6, 16, 3)
    groups = [functions(s) for s in module.steps if isinstance(s, Group)]
    updates = [g for g in groups if "np.sqrt" in g]
    assert len(updates) == 4
    assert all(g.count("np.multiply") >= 4 and g[-1] == "np.subtract" for g in updates)


def test_layers_that_are_alike_share_kernels():
    few, many = trained(optim.SGD, 8, 8, 8, 8, 3), trained(optim.SGD, *[8] * 12, 3)
    assert len(few.kernels) == len(many.kernels)


def test_memory_is_used_again():
    module = trained(optim.SGD, *[64] * 12, 3)
    layers, scratch = 12 * 8 * 64 * 8, 64 * 64 * 8  # a transposed weight is copied
    assert layers < module.memory.size < (layers + scratch) * 1.1
    spans = [(s.at, v) for v, s in module.memory.stores.items() if s.kind == "memory"]
    assert all(at % 64 == 0 and at + v.nbytes <= module.memory.size for at, v in spans)


def test_what_is_not_written_as_a_loop_parts_the_code():
    def function(x):
        return np.sort(np.exp(x) * 2.0, axis=0) + 1.0

    module = module_of(function, np.arange(6.0).reshape(2, 3))
    assert module.fallen == [("np.sort", "no loop is written for it")]
    assert len(module.regions) == 2
    assert [type(e) is Plain for e in module.order] == [False, True, False]


def test_views_lie_where_numpy_puts_them():
    base = Value((4, 6), np.dtype(float))
    array = np.arange(24.0).reshape(4, 6)
    views: list[tuple[str, Any, Any]] = [
        ("np.transpose", (), {}),
        ("getitem", ((slice(1, None), slice(None, None, -2)),), {}),
        ("getitem", ((Ellipsis, None),), {}),
        ("np.reshape", ((2, 12),), {}),
        ("np.broadcast_to", ((3, 4, 6),), {}),
        ("np.swapaxes", (0, 1), {}),
    ]
    for function, args, kwargs in views:
        name = function.removeprefix("np.")
        seen = array[args[0]] if name == "getitem" else getattr(np, name)(array, *args, **kwargs)
        out, layouts = Value(seen.shape, seen.dtype), Layouts()
        assert layouts.view(Instruction(function, (base, *args), kwargs, out))
        where = layouts.of(out)
        assert where.base is base
        grid = np.indices(seen.shape)
        index = sum(g * s for g, s in zip(grid, where.strides, strict=True))
        np.testing.assert_array_equal(array.ravel()[index + where.offset], seen)
    copy = Value((24,), np.dtype(float))
    assert not Layouts().view(Instruction("np.sort", (base,), {}, copy))
