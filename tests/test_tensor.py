"""What a Tensor is by itself: made, read, converted, shown, copied, and combined by operators."""

import copy
import operator
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import (
    BackwardError,
    DTypeError,
    MutationError,
    NotDifferentiable,
    ShapeError,
)

RIGHT = np.array([[1.5, -2.0, 0.5], [3.0, 0.25, -1.0]])


# How one is made


def test_a_right_array_is_wrapped_and_not_copied():
    assert mg.Tensor(RIGHT).data is RIGHT
    assert mg.Tensor(RIGHT, requires_grad=True, dtype=np.float64, name="x").data is RIGHT
    assert mg.Tensor(mg.Tensor(RIGHT)).data is RIGHT


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (3, np.int64, ()),
        (3.0, np.float64, ()),
        (True, np.bool_, ()),
        ([1, 2], np.int64, (2,)),
        ([1, 2.5], np.float64, (2,)),
        ([[1.0], [2.0]], np.float64, (2, 1)),
        ((1.0, 2.0), np.float64, (2,)),
        ([], np.float64, (0,)),
        (range(3), np.int64, (3,)),
        (np.float32(2), np.float32, ()),
        (np.int8(2), np.int8, ()),
        (np.zeros((2, 0), np.float16), np.float16, (2, 0)),
        (1 + 2j, np.complex128, ()),
        ([mg.Tensor(1.0), mg.Tensor(2.0)], np.float64, (2,)),
    ],
)
def test_anything_numpy_takes_becomes_an_array_of_numpys_dtype(data, dtype, shape):
    t = mg.Tensor(data)
    assert (t.dtype, t.shape, t.ndim, t.size) == (dtype, shape, len(shape), np.prod(shape))
    assert type(t.data) is np.ndarray
    assert not t.requires_grad
    assert t.is_leaf
    assert t.node is None


def test_dtype_converts_and_name_stays():
    t = mg.Tensor([1, 2], requires_grad=True, dtype=np.float32, name="w")
    assert (t.dtype, t.name) == (np.dtype(np.float32), "w")
    assert t.node is not None
    assert t.node.name == "w"
    t.name = "v"
    assert t.node.name == "v"
    assert mg.tensor([1, 2], True, np.float32, "w").name == "w"


@pytest.mark.parametrize("data", ["text", [None], [object()], b"raw", np.array(["a"]), {"a": 1}])
def test_what_holds_no_numbers_is_refused(data):
    with pytest.raises(DTypeError, match="a Tensor holds numbers, not dtype"):
        mg.Tensor(data)


@pytest.mark.parametrize("data", [[1, 2], True, np.int8(1), 1 + 1j])
def test_only_floating_dtypes_have_gradients(data):
    with pytest.raises(DTypeError, match="only floating dtypes have gradients"):
        mg.Tensor(data, requires_grad=True)
    t = mg.Tensor(data)
    with pytest.raises(TypeError):
        t.requires_grad = True
    assert not t.requires_grad


def test_a_list_of_tensors_that_require_gradients_would_leave_the_graph():
    with pytest.raises(NotDifferentiable, match="leave the graph silently"):
        mg.Tensor([mg.Tensor(1.0, requires_grad=True)])


def test_arrays_that_compute_otherwise_become_plain_or_are_refused():
    matrix = RIGHT.view(np.matrix)
    t = mg.Tensor(matrix, requires_grad=True)
    assert type(t.data) is np.ndarray
    assert np.shares_memory(t.data, RIGHT)
    (t * matrix).sum().backward()
    assert t.grad is not None
    np.testing.assert_array_equal(t.grad.data, RIGHT)
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    with pytest.raises(DTypeError, match=r"lose its mask: use \.filled\(value\)"):
        mg.Tensor(masked)
    with pytest.raises(DTypeError, match="lose its mask"):
        mg.Tensor([1.0, 2.0]) * masked
    for op in (np.ma.multiply, lambda m, t: m + t, lambda m, t: m / t, lambda m, t: m @ t):
        with pytest.raises(DTypeError, match="lose its mask"):
            op(masked, mg.Tensor([3.0, 4.0], requires_grad=True))
    np.testing.assert_array_equal((masked * mg.Tensor([3.0, 4.0])).mask, masked.mask)
    with pytest.raises(DTypeError, match="of a object"):
        mg.Tensor([1.0, 2.0]) * object()


# Python's operators


def test_bits_are_shifted_as_numpy_shifts_them():
    a = np.array([1, 6])
    for found, wanted in [
        (mg.Tensor(a) << 2, a << 2),
        (mg.Tensor(a) >> 1, a >> 1),
        (2 << mg.Tensor(a), 2 << a),
        (a >> mg.Tensor([1, 2]), [0, 1]),
    ]:
        assert isinstance(found, mg.Tensor)
        np.testing.assert_array_equal(found.numpy(), wanted)


FLOATS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
BASE = np.array([0.7, 1.9, 2.7])
OTHERS = {
    "array": np.array([1.2, 0.6, 2.3]),
    "column": np.array([[1.2], [0.6]]),
    "number": 1.3,
    "whole number": 3,
    "NumPy scalar": np.float64(1.3),
    "list": [1.2, 0.6, 2.3],
    "tuple": (1.2, 0.6, 2.3),
    "0-d array": np.array(1.3),
    "Tensor": mg.Tensor([1.2, 0.6, 2.3]),
}


def slope(f, x, step=1e-6):
    """Central differences of ``f(x).sum()``."""
    found = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        found[i] = (np.sum(f(up)) - np.sum(f(down))) / (2 * step)
    return found


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("sign", FLOATS.keys())
def test_operators_take_everything_on_either_side(sign, other, side):
    plain = np.asarray(other.data if isinstance(other, mg.Tensor) else other)

    def f(x, y):
        return FLOATS[sign](x, y) if side == "left" else FLOATS[sign](y, x)

    t = mg.Tensor(BASE, requires_grad=True)
    out = f(t, other)
    assert type(out) is mg.Tensor
    assert out.requires_grad
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out.data, f(BASE, plain))
    out.backward(np.ones(out.shape))
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.data, slope(lambda x: f(x, plain), BASE), atol=1e-7)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("other", [RIGHT, RIGHT.tolist(), mg.Tensor(RIGHT)], ids=type)
def test_matmul_takes_arrays_and_lists_on_either_side(other, side):
    x = np.array([[0.5, 1.0], [2.0, -1.0]]) if side == "left" else np.ones((3, 1))
    t = mg.Tensor(x, requires_grad=True)
    out = t @ other if side == "left" else other @ t
    assert type(out) is mg.Tensor
    np.testing.assert_array_equal(out.data, x @ RIGHT if side == "left" else RIGHT @ x)
    out.sum().backward()
    assert t.grad is not None
    wanted = np.tile(RIGHT.sum(1), (2, 1)) if side == "left" else RIGHT.sum(0)[:, None]
    np.testing.assert_allclose(t.grad.data, wanted)


@pytest.mark.parametrize("f", [operator.neg, operator.pos, operator.abs])
def test_unary_operators(f):
    t = mg.Tensor(RIGHT, requires_grad=True)
    out = f(t)
    np.testing.assert_array_equal(out.data, f(RIGHT))
    assert not np.shares_memory(out.data, RIGHT)
    out.sum().backward()
    assert t.grad is not None
    np.testing.assert_allclose(t.grad.data, slope(f, RIGHT), atol=1e-9)


COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("f", COMPARISONS)
@pytest.mark.parametrize(
    "other", [1.5, np.float64(1.5), RIGHT[:, ::-1], [1.5, -2.0, 9.0]], ids=type
)
def test_comparisons_give_booleans_that_require_nothing(f, other):
    t = mg.Tensor(RIGHT, requires_grad=True)
    for out, wanted in [(f(t, other), f(RIGHT, other)), (f(other, t), f(other, RIGHT))]:
        assert type(out) is mg.Tensor
        assert out.dtype == bool
        assert not out.requires_grad
        np.testing.assert_array_equal(out.data, wanted)


def test_equality_with_none_is_false_everywhere():
    t = mg.Tensor([1.0, 2.0])
    assert (t == None).tolist() == [False, False]  # noqa: E711
    assert (t != None).tolist() == [True, True]  # noqa: E711


def test_masks_combine_as_in_numpy():
    a, b = mg.Tensor([True, True, False]), np.array([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (b | a).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~a).tolist() == [False, False, True]
    assert (mg.Tensor([6, 1]) & 3).tolist() == (3 & mg.Tensor([6, 1])).tolist() == [2, 1]
    assert (True ^ a).tolist() == [False, False, True]
    assert (False | a).tolist() == [True, True, False]


def test_tensors_hash_by_identity_although_they_compare_by_value():
    a, b = mg.Tensor(1.0), mg.Tensor(1.0)
    assert len({a, b, a}) == 2


def test_in_place_operators_rebind_and_leave_the_graph_right():
    w = mg.Tensor([3.0], requires_grad=True)
    alias = w
    y = w * w
    alias += 1.0
    alias *= 2.0
    assert w.data.tolist() == [3.0]
    assert alias is not w
    (y + alias).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [8.0]


def test_an_array_on_the_left_of_an_in_place_operator():
    a = np.ones(2)
    a += mg.Tensor([1.0, 2.0])
    assert a.tolist() == [2.0, 3.0]
    with pytest.raises(NotDifferentiable, match=r"such as a = a \+ t"):
        a += mg.Tensor([1.0, 2.0], requires_grad=True)
    assert a.tolist() == [2.0, 3.0]


# dtypes


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("sign", FLOATS.keys())
@pytest.mark.parametrize("number", [2, 2.0, 2.5])
def test_python_numbers_keep_the_dtype(dtype, sign, number):
    t = mg.Tensor(BASE, requires_grad=True, dtype=dtype)
    for out in (FLOATS[sign](t, number), FLOATS[sign](number, t)):
        assert out.dtype == dtype
        t.zero_grad()
        out.sum().backward()
        assert t.grad is not None
        assert t.grad.dtype == dtype


def test_mixed_precision_gives_each_input_a_gradient_of_its_own_dtype():
    a = mg.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    b = mg.Tensor(np.full(3, 2.0), requires_grad=True)
    c = mg.Tensor(np.float16(3.0), requires_grad=True)
    out = a * b * c
    assert out.dtype == np.float64
    out.sum().backward()
    for leaf, wanted in [(a, np.full((2, 3), 6.0)), (b, np.full(3, 6.0)), (c, np.array(12.0))]:
        assert leaf.grad is not None
        assert leaf.grad.dtype == leaf.dtype
        np.testing.assert_array_equal(leaf.grad.data, wanted)


def test_astype_carries_gradients_between_floats_and_stops_them_at_integers():
    x = mg.Tensor(BASE, requires_grad=True)
    half = x.astype(np.float16)
    assert (half.dtype, half.requires_grad) == (np.float16, True)
    (half * half).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad.data, 2 * BASE, rtol=1e-3)
    for kind in (int, bool):
        assert not x.astype(kind).requires_grad


# Reading


def test_len_iteration_and_membership():
    t = mg.Tensor(RIGHT, requires_grad=True)
    assert len(t) == 2
    rows = list(t)
    assert [type(row) for row in rows] == [mg.Tensor, mg.Tensor]
    (rows[1] * rows[0]).sum().backward()
    assert t.grad is not None
    np.testing.assert_array_equal(t.grad.data, RIGHT[::-1])
    assert [row.tolist() for row in reversed(t)] == RIGHT[::-1].tolist()
    assert -1.0 in t
    assert 7.0 not in t
    first, second = t
    assert (first.tolist(), second.tolist()) == (RIGHT[0].tolist(), RIGHT[1].tolist())
    assert t.argmax() == 3


def test_a_scalar_has_no_length_and_no_elements():
    t = mg.Tensor(1.0)
    with pytest.raises(TypeError, match="0-d"):
        iter(t)
    with pytest.raises(TypeError, match="len"):
        len(t)


def test_one_element_converts_to_python_numbers():
    assert (float(mg.Tensor([[2.5]])), int(mg.Tensor([2.5])), bool(mg.Tensor([0.0]))) == (
        2.5,
        2,
        False,
    )
    assert [10, 20, 30][mg.Tensor(1)] == 20
    assert float(mg.Tensor([2.5], requires_grad=True)) == 2.5
    item = mg.Tensor([2.5], dtype=np.float32).item()
    assert type(item) is float
    assert mg.Tensor(RIGHT).tolist() == RIGHT.tolist()


@pytest.mark.parametrize("convert", [float, int, bool])
def test_several_elements_do_not(convert):
    with pytest.raises(ValueError, match=r"one element|size 1|scalar"):
        convert(mg.Tensor([1.0, 2.0]))


def test_floats_are_no_index():
    with pytest.raises(TypeError):
        operator.index(mg.Tensor(1.0))


INDICES = {
    "integer": 1,
    "negative": -1,
    "slice": slice(0, 1),
    "step": (slice(None), slice(None, None, -2)),
    "ellipsis": (..., 0),
    "new axis": (None, 1),
    "array": np.array([1, 0, 1]),
    "list": [1, 0, 1],
    "mask": RIGHT > 0,
    "row mask": np.array([False, True]),
    "mixed": ([1, 1], slice(1, None)),
    "pairs": ([0, 0, 1], [2, 2, 0]),
    "Tensor": mg.Tensor([1, 0, 1]),
    "Tensor mask": mg.Tensor(RIGHT > 0),
    "Tensor slice": slice(mg.Tensor(0), mg.Tensor(1)),
    "empty list": [],
    "nothing": (),
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())
def test_indexing_is_numpys_and_its_gradient_counts_each_read(index):
    plain = index.data if isinstance(index, mg.Tensor) else index
    t = mg.Tensor(RIGHT, requires_grad=True)
    out = t[index]
    assert type(out) is mg.Tensor
    np.testing.assert_array_equal(out.data, RIGHT[plain])
    weight = np.arange(1.0, out.size + 1).reshape(out.shape)
    (out * weight).sum().backward()
    wanted = np.zeros_like(RIGHT)
    np.add.at(wanted, plain, weight)
    assert t.grad is not None
    np.testing.assert_array_equal(t.grad.data, wanted)


def test_an_index_out_of_bounds_says_of_what():
    with pytest.raises(IndexError, match="out of bounds") as caught:
        mg.Tensor(RIGHT, name="x")[5]
    assert "getitem(x (2, 3) float64)" in caught.value.__notes__[0]


def test_assignment_to_an_element_raises_with_recipes_that_work():
    t = mg.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(NotDifferentiable) as caught:
        t[1] = 5.0
    i, j, mask = 1, 2, np.array([False, True, False])
    recipes = [
        line.partition("t = ")[2].partition("#")[0].strip()
        for line in str(caught.value).splitlines()
        if "t = mg." in line
    ]
    assert len(recipes) == 3
    for recipe in recipes:
        v = mg.Tensor([5.0] if "concatenate" in recipe else 5.0)
        made = eval(recipe, {"mg": mg, "t": t, "i": i, "j": j, "v": v, "mask": mask})
        assert made.tolist() == [1.0, 5.0, 3.0]
        assert made.requires_grad


def test_shapes_and_transposes():
    t = mg.Tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True)
    assert (t.T.shape, t.mT.shape) == ((4, 3, 2), (2, 4, 3))
    assert t.reshape(6, 4).shape == t.reshape((6, 4)).shape == (6, 4)
    assert t.reshape(-1).shape == t.ravel().shape == t.flatten().shape == (24,)
    assert t.reshape(6, 4, order="C").shape == (6, 4)
    np.testing.assert_array_equal(t.flatten("F").data, t.data.flatten("F"))
    np.testing.assert_array_equal(t.reshape(6, 4, order="F").data, t.data.reshape(6, 4, order="F"))
    np.testing.assert_array_equal(t.reshape(-1, order="F").data, t.data.reshape(-1, order="F"))
    unknown: Any = "K"
    with pytest.raises(ValueError, match="order is 'C' or 'F', not 'K'"):
        t.reshape(6, 4, order=unknown)
    with pytest.raises(ValueError, match="order is 'C' or 'F', not 'K'"):
        t.ravel(unknown)
    assert t.transpose().shape == (4, 3, 2)
    assert t.transpose(1, 0, 2).shape == t.transpose((1, 0, 2)).shape == (3, 2, 4)
    weight = np.random.default_rng(0).normal(size=(4, 3, 2))
    (t.T * weight).sum().backward()
    assert t.grad is not None
    np.testing.assert_array_equal(t.grad.data, weight.T)


def test_numpy_and_data_are_the_array_itself():
    t = mg.Tensor(RIGHT, requires_grad=True)
    assert t.numpy() is RIGHT
    assert t.data is RIGHT
    assert t.detach().data is RIGHT
    assert not t.detach().requires_grad


# How it shows itself


@pytest.mark.parametrize(
    ("t", "shown"),
    [
        (mg.Tensor(1.5), "Tensor(1.5, dtype=float64)"),
        (mg.Tensor([1, 2]), "Tensor([1, 2], dtype=int64)"),
        (mg.Tensor([True]), "Tensor([ True], dtype=bool)"),
        (mg.Tensor([]), "Tensor([], dtype=float64)"),
        (
            mg.Tensor([1.0], requires_grad=True, dtype=np.float32, name="w"),
            "Tensor([1.], dtype=float32, name='w', requires_grad=True)",
        ),
        (mg.Tensor([1.0], requires_grad=True) * 2.0, "Tensor([2.], dtype=float64, op=multiply)"),
        (
            mg.Tensor([[1.0, 2.0], [3.0, 4.0]]),
            "Tensor([[1., 2.],\n        [3., 4.]], dtype=float64)",
        ),
        (
            mg.Tensor(np.zeros((200, 3))),
            "Tensor([[0., 0., 0.],\n        [0., 0., 0.],\n        [0., 0., 0.],\n        ...,\n"
            "        [0., 0., 0.],\n        [0., 0., 0.],\n        [0., 0., 0.]], dtype=float64,"
            " shape=(200, 3))",
        ),
    ],
)
def test_repr(t, shown):
    assert repr(t) == str(t) == f"{t}" == shown


def test_repr_stays_short():
    assert len(repr(mg.Tensor(np.ones((50,) * 4), name="n" * 10_000))) <= 1000


def test_one_element_formats_like_a_number():
    assert f"{mg.Tensor([2.0]):.3f}|{mg.Tensor(1):>3d}" == "2.000|  1"
    with pytest.raises(ValueError, match="format"):
        f"{mg.Tensor([1.0, 2.0]):.3f}"


# Copies


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))]
)
def test_copies_keep_data_name_and_wish_for_a_gradient(duplicate, requires_grad):
    t = mg.Tensor(RIGHT.astype(np.float32), requires_grad=requires_grad, name="w")
    t.grad = mg.Tensor(RIGHT)
    made = duplicate(t)
    assert type(made) is mg.Tensor
    assert (made.name, made.dtype, made.requires_grad) == ("w", np.dtype(np.float32), requires_grad)
    np.testing.assert_array_equal(made.data, t.data)
    assert made.grad is None
    assert made.node is not t.node or not requires_grad


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_deep_copies_are_leaves_with_writable_arrays_of_their_own(duplicate):
    w = mg.Tensor(RIGHT, requires_grad=True)
    made = duplicate(w * 2.0)
    assert made.is_leaf
    assert made.requires_grad
    assert not np.shares_memory(made.data, w.data)
    made.data -= 1.0
    np.testing.assert_array_equal(made.data, RIGHT * 2.0 - 1.0)
    (made * made).sum().backward()
    assert w.grad is None
    assert made.grad is not None


def test_deepcopy_keeps_sharing_within_one_structure():
    w = mg.Tensor([1.0], requires_grad=True)
    first, second = copy.deepcopy([w, w])
    assert first is second
    assert first is not w


def test_copy_method_passes_gradients():
    w = mg.Tensor([1.0], requires_grad=True)
    made = w.copy()
    assert not np.shares_memory(made.data, w.data)
    made.backward()
    assert w.grad is not None


# Gradients kept, changed and forgotten


def test_retain_grad_fills_an_intermediate():
    w = mg.Tensor([3.0], requires_grad=True)
    h = w * w
    h.retain_grad()
    h.retain_grad()
    (h * 5.0).sum().backward()
    assert h.grad is not None
    assert w.grad is not None
    assert (h.grad.tolist(), w.grad.tolist()) == ([5.0], [30.0])
    with pytest.raises(BackwardError, match="requires no gradient"):
        mg.Tensor(1.0).retain_grad()


def test_no_two_gradients_share_memory():
    a = mg.Tensor(np.ones(3), requires_grad=True)
    b = mg.Tensor(np.ones(3), requires_grad=True)
    row = mg.Tensor(np.ones((1, 3)), requires_grad=True)
    h, k = a * 1.0, b * 1.0
    y = (h + k) + row.reshape(3)
    tensors = [h, k, y]
    for t in tensors:
        t.retain_grad()
    (y + a + b).backward(seed := np.ones(3))
    arrays = [seed, *(t.grad.data for t in [*tensors, a, b, row] if t.grad is not None)]
    assert len(arrays) == 7
    for i, array in enumerate(arrays):
        assert array.flags.writeable
        assert not any(np.shares_memory(array, other) for other in arrays[:i])


def test_gradients_of_create_graph_do_not_share_writable_memory():
    a = mg.Tensor(np.ones(3), requires_grad=True)
    b = mg.Tensor(np.ones(3), requires_grad=True)
    (a + b).backward(np.ones(3), create_graph=True)
    assert a.grad is not None
    assert b.grad is not None
    assert a.grad is not b.grad
    assert not np.shares_memory(a.grad.data, b.grad.data)


def test_a_gradient_given_as_a_tensor_is_copied_and_cast():
    w = mg.Tensor(np.ones(2, np.float32), requires_grad=True)
    g = mg.Tensor([1.0, 2.0])
    w.backward(g)
    assert w.grad is not None
    assert w.grad.dtype == np.float32
    w.grad.data *= 0.0
    assert g.tolist() == [1.0, 2.0]


def test_hooks_see_and_replace_the_cotangent_until_removed():
    w = mg.Tensor([1.0, 2.0], requires_grad=True)
    seen = []
    y = w * 3.0
    remove_seen = y.register_hook(lambda g: seen.append(g.tolist()))
    remove = y.register_hook(lambda g: g * 10.0)
    w.register_hook(lambda g: np.minimum(g, 50))
    y.backward([1.0, 2.0], retain_graph=True)
    assert seen == [[1.0, 2.0]]
    assert w.grad is not None
    assert w.grad.tolist() == [30.0, 50.0]
    remove()
    remove()
    remove_seen.remove()
    w.zero_grad()
    assert w.grad is None
    y.backward([1.0, 2.0])
    assert w.grad is not None
    assert w.grad.tolist() == [3.0, 6.0]
    assert len(seen) == 1


def test_a_hook_cannot_write_into_what_it_is_shown():
    a, b = (mg.Tensor(np.ones(2), requires_grad=True) for _ in range(2))

    def double(g):
        g.data *= 2.0

    a.register_hook(double)
    with pytest.raises(ValueError, match="read-only"):
        (a + b).sum().backward()


def test_what_a_hook_returns_is_copied_cast_and_checked():
    w = mg.Tensor(np.ones(2, np.float32), requires_grad=True)
    constant = np.array([7.0, 8.0])
    remove = w.register_hook(lambda g: constant)
    (w * 2.0).sum().backward()
    assert w.grad is not None
    assert (w.grad.dtype, w.grad.tolist()) == (np.dtype(np.float32), [7.0, 8.0])
    assert not np.shares_memory(w.grad.data, constant)
    remove()
    y = w * 2.0
    y.register_hook(lambda g: g.sum())
    with pytest.raises(ShapeError, match=r"hook of <node \d+ multiply \(2,\)> returned shape \(\)"):
        y.sum().backward()
    with pytest.raises(BackwardError, match="requires no gradient"):
        mg.Tensor(1.0).register_hook(double := lambda g: g)
    assert double(1) == 1


def test_hooks_act_under_create_graph_and_in_grad():
    def f(x):
        y = x * x
        y.register_hook(lambda g: g * 2.0)
        return y.sum()

    assert mg.grad(f)(np.array([3.0])).tolist() == [12.0]
    w = mg.Tensor([3.0], requires_grad=True)
    f(w).backward(create_graph=True)
    assert w.grad is not None
    assert (w.grad.tolist(), w.grad.requires_grad) == ([12.0], True)


def test_requires_grad_is_switched_at_leaves_only():
    w = mg.Tensor([1.0])
    w.requires_grad = True
    y = w * 2.0
    assert (w.requires_grad, w.is_leaf, y.requires_grad, y.is_leaf) == (True, True, True, False)
    with pytest.raises(BackwardError, match="detach"):
        y.requires_grad = False
    w.requires_grad = False
    assert not (w * 2.0).requires_grad


# Data replaced


def test_a_step_down_the_gradient_in_place():
    w = mg.Tensor([3.0, -1.0], requires_grad=True)
    array = w.data
    for _ in range(3):
        w.zero_grad()
        (w * w).sum().backward()
        assert w.grad is not None
        w.data -= 0.25 * w.grad
    assert w.data is array
    assert w.requires_grad
    assert w.data.tolist() == [0.375, -0.125]


def test_new_data_is_used_from_then_on_and_the_old_graph_stays_right():
    w = mg.Tensor([3.0], requires_grad=True)
    y = (w * w).sum()
    w.data = np.array([10.0])
    y.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [6.0]
    assert (w * w).tolist() == [100.0]
    w.data = mg.Tensor([4.0], requires_grad=True)
    assert w.tolist() == [4.0]
    with pytest.raises(ShapeError, match=r"data of shape \(2,\) for a tensor of shape \(1,\)"):
        w.data = np.ones(2)
    with pytest.raises(BackwardError, match="detach"):
        (w * 2.0).data = np.ones(1)


def test_a_step_between_forward_and_backward_raises_where_it_matters():
    w = mg.Tensor([3.0], requires_grad=True, name="w")
    x = mg.Tensor([1.0], requires_grad=True)
    y, linear = (w * x).sum(), (w + x).sum()
    w.data -= 1.0
    with pytest.raises(MutationError, match=r"w was changed in place after <node \d+ multiply"):
        y.backward(retain_graph=True)
    linear.backward()
    (w * x).sum().backward()


def test_data_of_a_leaf_stays_floating():
    w = mg.Tensor([3.0], requires_grad=True)
    for wrong in ([1], np.array([True]), np.array(["a"]), np.array([None])):
        with pytest.raises(DTypeError, match="dtype"):
            w.data = wrong
    with pytest.raises(DTypeError, match="data of dtype <U1"):
        mg.Tensor([1.0]).data = "a"
    w.data = np.array([2.0], np.float32)
    (w * w).sum().backward()
    assert w.grad is not None
    assert w.grad.dtype == np.float32


def test_a_step_on_constants_is_free():
    t = mg.Tensor([1.0])
    t.data -= 1.0
    t.data = [4, 5]
    assert t.tolist() == [4, 5]
