"""Linear algebra against closed forms: forms of calls, singular and degenerate matrices, errors."""

import functools
import inspect
import warnings
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import NotDifferentiable
from minigrad.testing import gradcheck

RNG = np.random.default_rng(3)
numpy: Any = np  # NumPy called on Tensors, of which its type hints know nothing


def normal(*shape):
    return RNG.normal(size=shape)


def positive(*shape):
    a = normal(*shape)
    return a @ a.swapaxes(-1, -2) + np.eye(shape[-1])


def gradient(f, *arrays):
    """Gradients of the one number that ``f`` gives; a single one for a single array."""
    leaves = [mg.Tensor(a, requires_grad=True) for a in arrays]
    f(*leaves).backward()
    found = [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in leaves]
    return found[0] if len(found) == 1 else found


def weighed(f, weight):
    return lambda *arrays: (f(*arrays) * weight).sum()


def close(found, wanted, tolerance=1e-9):
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def check(f, *arrays, order=2):
    for n in range(1, order + 1):
        gradcheck(f, *arrays, order=n).raise_if_failed()


# Products


@pytest.mark.parametrize(
    ("a", "b", "axes"),
    [
        ((2, 3, 4), (3, 4, 5), 2),
        ((2, 3), (4,), 0),
        ((2, 3, 4), (4, 3, 2), ([1, 2], [1, 0])),
        ((2, 3, 4), (4, 3, 2), ([-2], [1])),
        ((2, 3), (3, 2), (0, 1)),
        ((2, 3), (3, 2), ([], [])),
        ((2, 0), (0, 3), 1),
        ((0, 3), (3, 2), 1),
    ],
)
def test_tensordot_takes_axes_in_every_form(a, b, axes):
    x, y = normal(*a), normal(*b)
    wanted = numpy.tensordot(x, y, axes)
    out = numpy.tensordot(mg.Tensor(x), mg.Tensor(y), axes)
    close(out.numpy(), wanted)
    close(mg.tensordot(x, y, axes), wanted)
    if x.size and y.size:
        check(lambda s, t: numpy.tensordot(s, t, axes), x, y)


def test_tensordot_refuses_axes_that_differ():
    with pytest.raises(ValueError, match=r"axes \(1,\) of a \(2, 3\) and \(0,\) of b \(2, 3\)"):
        mg.tensordot(np.ones((2, 3)), np.ones((2, 3)), 1)
    with pytest.raises(ValueError, match="2 axes of a, 1 of b"):
        mg.tensordot(np.ones((2, 3)), np.ones((2, 3)), ([0, 1], [0]))
    with pytest.raises(np.exceptions.AxisError):
        mg.tensordot(np.ones((2, 3)), np.ones((2, 3)), ([2], [0]))
    with pytest.raises(ValueError, match="axes=3"):
        mg.tensordot(np.ones((2, 3)), np.ones((2, 3)), 3)


PRODUCTS: dict[str, Any] = {
    "dot of 3 and 3 axes": (numpy.dot, (2, 2, 3), (4, 3, 2)),
    "dot of a vector and 3 axes": (numpy.dot, (3,), (4, 3, 2)),
    "dot of 3 axes and a vector": (numpy.dot, (2, 2, 3), (3,)),
    "dot of a number": (numpy.dot, (), (2, 3)),
    "inner": (numpy.inner, (2, 3), (4, 3)),
    "inner of a number": (numpy.inner, (), (2,)),
    "vdot": (numpy.vdot, (2, 3), (3, 2)),
    "kron": (numpy.kron, (2, 3), (3, 1, 2)),
    "kron of a number": (numpy.kron, (), (2, 2)),
    "vecdot": (numpy.vecdot, (4, 1, 3), (2, 3)),
    "vecdot along 0": (functools.partial(numpy.vecdot, axis=0), (3, 4), (3, 1)),
    "cross": (numpy.cross, (3,), (2, 3)),
    "cross along 0": (functools.partial(numpy.cross, axis=0), (3, 2), (3, 2)),
    "cross with all axes": (
        functools.partial(numpy.cross, axisa=0, axisb=1, axisc=0), (3, 2), (2, 3),
    ),
    "linalg.cross": (numpy.linalg.cross, (2, 3), (2, 3)),
    "linalg.outer": (numpy.linalg.outer, (2,), (3,)),
    "matmul that folds": (numpy.matmul, (2, 1, 2, 3), (3, 3, 2)),
    "a matrix by stacks": (numpy.matmul, (2, 3), (4, 3, 2)),
    "stacks by a matrix": (numpy.matmul, (2, 2, 2, 3), (3, 2)),
}  # fmt: skip
if hasattr(np, "matvec"):  # NumPy 2.2
    PRODUCTS["matvec"] = (numpy.matvec, (2, 1, 3, 4), (3, 4))
    PRODUCTS["matvec of one vector"] = (numpy.matvec, (2, 3, 4), (4,))
    PRODUCTS["vecmat"] = (numpy.vecmat, (2, 1, 3), (4, 3, 2))
    PRODUCTS["vecmat of one matrix"] = (numpy.vecmat, (2, 3), (3, 2))


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_numpys_and_have_both_gradients(name):
    f, *shapes = PRODUCTS[name]
    arrays = [normal(*shape) for shape in shapes]
    wanted = f(*arrays)
    out = f(*map(mg.Tensor, arrays))
    close(out.numpy(), wanted)
    assert out.dtype == wanted.dtype
    check(f, *arrays)


def test_products_of_whole_numbers_and_booleans_are_whole():
    a, b = np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2)
    for f in (numpy.matmul, numpy.dot, numpy.kron, numpy.tensordot):
        x = (a, b, 1) if f is numpy.tensordot else (a, b)
        assert f(*map(mg.Tensor, x[:2]), *x[2:]).dtype == f(*x).dtype
    assert numpy.matmul(mg.Tensor(a > 1), mg.Tensor(b > 1)).dtype == bool


def test_cross_and_vecdot_say_what_does_not_fit():
    with pytest.raises(ValueError, match=r"cross: takes vectors of 3 elements, not shapes \(2,\)"):
        mg.cross(np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=r"vecdot: axis -1 of shapes \(1,\) and \(3,\)"):
        mg.vecdot(np.ones(1), np.ones(3))
    with pytest.raises(ValueError, match="takes vectors"):
        mg.linalg.outer(np.ones((2, 2)), np.ones(2))


# Einstein summation

SUMS = [
    ("ij,jk", (2, 3), (3, 4)),
    ("ji", (2, 3)),
    ("ij->", (2, 3)),
    ("iij->j", (3, 3, 2)),
    ("iii->i", (3, 3, 3)),
    ("ijij->ij", (2, 3, 2, 3)),
    ("i...->...", (3, 2)),
    ("...,...", (2, 3), (3,)),
    ("a...b,b->a...", (2, 3, 4, 5), (5,)),
    ("...i,...i->...", (4, 1, 3), (2, 3)),
    (",ij->ij", (), (2, 3)),
    ("i,ij->j", (1,), (3, 2)),
    ("i,i->", (1,), (3,)),
    ("ij,kj,i->k", (2, 3), (4, 3), (2,)),
    ("iij,jj->i", (2, 2, 3), (3, 3)),
    ("ij , jk -> ik", (2, 0), (0, 3)),
    ("ij,jk->ik", (0, 3), (3, 2)),
]
LARGE = [
    ("ij,jk->ki", (30, 40), (40, 20)),
    ("ij,jk", (30, 40), (40, 20)),
    ("bqhd,bkhd->bhqk", (2, 12, 3, 8), (2, 14, 3, 8)),
    ("bij,bkj->bik", (3, 16, 17), (3, 18, 17)),
    ("ij,ij->", (40, 50), (40, 50)),
    ("ij,ij->i", (40, 50), (40, 50)),
    ("ij,kl->lijk", (10, 12), (13, 11)),
    ("ij,kj->i", (40, 30), (20, 30)),
    ("iij,jk->k", (12, 12, 20), (20, 16)),
    ("ijk,lkj->il", (10, 12, 14), (11, 14, 12)),
    ("...ij,jk->...ik", (3, 4, 10, 12), (12, 14)),
    ("ij,j->ij", (300, 60), (60,)),
    ("i,j->ji", (200,), (100,)),
    (",ij->ji", (), (200, 100)),
    ("ij,jk,kl->il", (20, 30), (30, 25), (25, 20)),
    ("ni,ijk,nk->nj", (20, 12), (12, 14, 10), (20, 10)),
]


@pytest.mark.parametrize("case", SUMS, ids=lambda case: case[0])
def test_einsum_is_numpys_bit_for_bit_where_it_is_small(case):
    subscripts, *shapes = case
    arrays = [normal(*shape) for shape in shapes]
    out = numpy.einsum(subscripts, *map(mg.Tensor, arrays))
    np.testing.assert_array_equal(out.numpy(), numpy.einsum(subscripts, *arrays))
    if all(x.size for x in arrays):
        check(lambda *x: numpy.einsum(subscripts, *x), *arrays)


@pytest.mark.parametrize("case", LARGE, ids=lambda case: case[0])
def test_einsum_of_large_operands_is_the_sum_that_numpy_computes(case):
    subscripts, *shapes = case
    arrays = [normal(*shape) for shape in shapes]
    wanted = numpy.einsum(subscripts, *arrays)
    for layout in (
        np.ascontiguousarray,
        np.asfortranarray,
        lambda x: np.repeat(x, 2, -1)[..., ::2],
    ):
        found = mg.einsum(subscripts, *(layout(x) if x.ndim else x for x in arrays))
        assert found.shape == wanted.shape
        close(found, wanted)
    g = normal(*wanted.shape)
    found = gradient(weighed(lambda *x: numpy.einsum(subscripts, *x), g), *arrays)
    for i, x in enumerate(arrays):  # the sum is linear in each operand
        unit = normal(*x.shape)
        moved = numpy.einsum(subscripts, *arrays[:i], unit, *arrays[i + 1 :])
        close(np.sum(found[i] * unit), np.sum(moved * g), 1e-8)


def test_einsum_by_lists_of_axes():
    a, b = normal(2, 3), normal(3, 4)
    t, u = mg.Tensor(a), mg.Tensor(b)
    close(numpy.einsum(t, [0, 1], u, [1, 2], [0, 2]).numpy(), a @ b)
    close(numpy.einsum(t, [0, 1], u, [1, 2]).numpy(), a @ b)
    close(numpy.einsum(t, [Ellipsis, 30], [30, Ellipsis]).numpy(), a.T)
    close(numpy.einsum(mg.Tensor(a[:, :2]), [5, 5]).numpy(), np.trace(a[:, :2]))


@pytest.mark.parametrize("optimize", [True, False, "greedy", "optimal", ("greedy", 10000)])
def test_einsum_takes_every_order_of_products(optimize):
    arrays = normal(20, 30), normal(30, 40), normal(40, 10)
    out = numpy.einsum("ij,jk,kl->il", *map(mg.Tensor, arrays), optimize=optimize)
    close(out.numpy(), numpy.linalg.multi_dot(arrays))


def test_einsum_takes_a_path_and_a_dtype():
    arrays = normal(20, 30), normal(30, 40), normal(40, 10)
    path = np.einsum_path("ij,jk,kl->il", *arrays, optimize="optimal")[0]
    close(mg.einsum("ij,jk,kl->il", *arrays, optimize=path), numpy.linalg.multi_dot(arrays))
    assert mg.einsum("i->", np.ones(3, np.float32), dtype=np.float64).dtype == np.float64
    assert mg.einsum("i->", [1, 2, 3]) == 6
    with pytest.raises(TypeError, match="can't be cast"):
        mg.einsum("i->", np.ones(3), dtype=np.float32)


def test_einsum_says_what_is_wrong():
    for call in (lambda: mg.einsum(), lambda: mg.einsum("ij,jk", np.ones((2, 2)))):
        with pytest.raises(ValueError, match=r"einsum|einstein"):
            call()
    with pytest.raises(TypeError, match="subscripts as a string first"):
        mg.einsum(np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=r"broadcast|dimension|size") as caught:
        mg.einsum("ij,jk", mg.Tensor(np.ones((200, 3))), mg.Tensor(np.ones((200, 3))))
    assert "while computing einsum" in "".join(caught.value.__notes__)


def test_the_gradient_of_an_einsum_repeats_without_a_copy():
    """An axis that was summed is a stride of 0 in the gradient until somebody adds to it."""
    _, pull = mg.vjp(lambda x: numpy.einsum("ij->i", x), np.ones((1000, 1000)))
    out = mg.ops.contraction.pull_einsum(
        np.ones(1000), (np.ones((1000, 1000)),), 0, ((1000, 1000),), "ij->i"
    )
    assert out.strides == (8, 0)
    close(pull(np.ones(1000))[0].numpy(), 1.0)


# Systems and determinants


@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 3), (3,)), ((2, 3, 3), (3,)), ((2, 3, 3), (3, 2)), ((2, 2), (3, 2, 1)), ((0, 0), (0, 2))],
)
def test_solve_knows_vectors_and_matrices_as_numpy_2_does(a, b):
    x, y = positive(*a), normal(*b)
    wanted = numpy.linalg.solve(x, y)
    close(numpy.linalg.solve(mg.Tensor(x), mg.Tensor(y)).numpy(), wanted)
    g = normal(*wanted.shape)
    found = gradient(weighed(numpy.linalg.solve, g), x, y)
    by_inverse = gradient(
        weighed(lambda s, t: numpy.matmul(numpy.linalg.inv(s), t), g), x, y
    )  # fmt: skip
    for left, right in zip(found, by_inverse, strict=True):
        close(left, right)


def permanent_rank(n, rank):
    u, _ = numpy.linalg.qr(normal(n, n))
    v, _ = numpy.linalg.qr(normal(n, n))
    return (u[:, :rank] * np.arange(1.0, rank + 1)) @ v[:, :rank].T


def cofactors(a):
    minors = [
        [
            (-1) ** (i + j) * numpy.linalg.det(np.delete(np.delete(a, i, 0), j, 1))
            for j in range(len(a))
        ]
        for i in range(len(a))
    ]
    return np.array(minors)


SINGULAR = {
    "rank 2 of 3": permanent_rank(3, 2),
    "rank 1 of 3": permanent_rank(3, 1),
    "zero": np.zeros((3, 3)),
    "rank 3 of 4": permanent_rank(4, 3),
    "ones": np.ones((3, 3)),
    "whole": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]),
    "a zero row": np.diag([1.0, 2.0, 0.0]),
    "identity": np.eye(3),
    "number": np.zeros((1, 1)),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_the_gradient_of_det_is_the_cofactors_at_any_matrix(name):
    a = SINGULAR[name]
    close(gradient(numpy.linalg.det, a), cofactors(a))


@pytest.mark.parametrize("name", SINGULAR)
def test_the_second_derivative_of_det_is_right_at_any_matrix(name):
    """``det`` is linear in every element, so one step of 1 gives it exactly."""
    a = SINGULAR[name]
    found = mg.hessian(numpy.linalg.det)(a).numpy()
    for place in np.ndindex(*a.shape):
        unit = np.zeros_like(a)
        unit[place] = 1.0
        close(found[place], (cofactors(a + unit) - cofactors(a - unit)) / 2)


def test_stacks_of_singular_and_regular_matrices_keep_their_gradients():
    stack = np.stack([SINGULAR["rank 2 of 3"], positive(3, 3), np.zeros((3, 3))])
    close(gradient(lambda x: numpy.linalg.det(x).sum(), stack), [cofactors(a) for a in stack])
    stack = np.stack([np.ones((2, 2)), 2 * np.eye(2)])
    with np.errstate(divide="ignore"):
        found = gradient(lambda x: numpy.linalg.slogdet(x)[1][1], stack)
    close(found[1], np.eye(2) / 2)


def test_slogdet_survives_where_det_overflows():
    a = np.eye(400) * 10.0
    sign, logarithm = numpy.linalg.slogdet(mg.Tensor(a))
    assert sign.item() == 1.0
    close(logarithm.item(), 400 * np.log(10))
    close(gradient(lambda x: numpy.linalg.slogdet(x)[1], a), np.eye(400) / 10)


def test_the_sign_of_a_determinant_has_the_gradient_zero():
    np.testing.assert_array_equal(
        gradient(lambda x: numpy.linalg.slogdet(x)[0], positive(3, 3)), 0.0
    )


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3), (2, 3, 2)])
@pytest.mark.parametrize("rank", [None, 1])
def test_pinv_at_full_and_at_constant_rank(shape, rank):
    a, b = normal(*shape[:-1], 1), normal(*shape[:-2], 1, shape[-1])
    if rank is None:
        check(numpy.linalg.pinv, normal(*shape))
    else:  # moved within the matrices of rank 1
        check(lambda s, t: numpy.linalg.pinv(s @ t), a, b)


def test_what_is_said_to_be_symmetric_is_read_from_one_triangle():
    a = positive(3, 3)
    g = normal(3, 3)
    found = gradient(weighed(lambda x: numpy.linalg.pinv(x, hermitian=True), g), np.tril(a))
    inverse = numpy.linalg.inv(a)
    whole = -inverse @ g @ inverse
    close(found, (whole + whole.T) / 2)
    singular = gradient(lambda x: (numpy.linalg.svd(x, hermitian=True)[1] ** 2).sum(), np.tril(a))
    close(singular, 2 * a)
    values = functools.partial(numpy.linalg.svd, compute_uv=False, hermitian=True)
    close(gradient(lambda x: (values(x) ** 2).sum(), np.tril(a)), 2 * a)
    with pytest.raises(ValueError, match="rcond and rtol"):
        mg.linalg.pinv(a, 0.1, rtol=0.1)
    close(mg.linalg.pinv(a, rtol=0.9), numpy.linalg.pinv(a, rtol=0.9))


@pytest.mark.parametrize(
    ("a", "b"), [((4, 2), (4,)), ((4, 2), (4, 3)), ((2, 4), (2,)), ((3, 3), (3, 1))]
)
def test_lstsq_is_numpys(a, b):
    x, y = normal(*a), normal(*b)
    found, wanted = numpy.linalg.lstsq(mg.Tensor(x), mg.Tensor(y)), numpy.linalg.lstsq(x, y)
    for one, other in zip(found, wanted, strict=True):
        assert np.shape(one) == np.shape(other)
        close(one.numpy() if isinstance(one, mg.Tensor) else one, other)
    check(lambda s, t: mg.linalg.lstsq(s, t)[0], x, y)
    if len(a) == 2 and a[0] > a[1]:
        check(lambda s, t: mg.linalg.lstsq(s, t)[1], x, y)


def test_lstsq_of_dependent_columns_has_no_residuals():
    a = normal(4, 1) @ np.ones((1, 2))
    found, wanted = mg.linalg.lstsq(a, np.ones(4)), numpy.linalg.lstsq(a, np.ones(4))
    for one, other in zip(found, wanted, strict=True):
        close(one, other)
    assert found[2] == 1
    for b in (np.ones(3), np.ones((4, 1, 1))):
        with pytest.raises(np.linalg.LinAlgError, match="lstsq"):
            mg.linalg.lstsq(a, b)


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 5])
def test_powers_of_matrices(n):
    a = positive(2, 3, 3)
    out = numpy.linalg.matrix_power(mg.Tensor(a), n)
    close(out.numpy(), numpy.linalg.matrix_power(a, n))
    check(lambda x: numpy.linalg.matrix_power(x, n), a[0] / 3)
    whole = np.array([[1, 2], [3, 4]])
    assert (
        numpy.linalg.matrix_power(mg.Tensor(whole), n).dtype
        == numpy.linalg.matrix_power(whole, n).dtype
    )


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 5), (5, 3), (3, 4), (4,)],
        [(5,), (5, 3), (3,)],
        [(2, 3), (3, 4)],
        [(3,), (3, 4), (4, 2)],
    ],
)
def test_multi_dot(shapes):
    arrays = [normal(*shape) for shape in shapes]
    out = numpy.linalg.multi_dot([mg.Tensor(a) for a in arrays])
    close(out.numpy(), numpy.linalg.multi_dot(arrays))
    check(lambda *x: numpy.linalg.multi_dot(x), *arrays)


def test_multi_dot_takes_the_cheapest_order():
    t = [mg.Tensor(np.ones(s), requires_grad=True) for s in [(100, 2), (2, 100), (100, 2)]]
    out = numpy.linalg.multi_dot(t)
    assert out.node.parents[0].shape == (100, 2)  # a @ (b @ c)
    assert out.node.parents[1].shape == (2, 2)


def test_tensors_as_matrices():
    a = normal(2, 3, 6)
    wanted = numpy.linalg.tensorinv(a)
    close(numpy.linalg.tensorinv(mg.Tensor(a)).numpy(), wanted)
    b, c = normal(2, 3, 6), normal(2, 3)
    close(
        numpy.linalg.tensorsolve(mg.Tensor(b), mg.Tensor(c)).numpy(), numpy.linalg.tensorsolve(b, c)
    )
    d = normal(3, 6, 2)
    out = numpy.linalg.tensorsolve(mg.Tensor(d), mg.Tensor(normal(3, 2)), axes=(1,))
    assert out.shape == (6,)
    check(numpy.linalg.tensorinv, a, order=1)
    check(numpy.linalg.tensorsolve, b, c, order=1)
    with pytest.raises(np.linalg.LinAlgError, match="no square matrix"):
        mg.linalg.tensorsolve(normal(2, 3, 5), c)
    with pytest.raises(ValueError, match="ind is positive"):
        mg.linalg.tensorinv(a, 0)


# Decompositions


def test_results_have_numpys_names():
    a = mg.Tensor(positive(3, 3))
    for name in ("eigh", "svd", "qr", "slogdet"):
        found = getattr(numpy.linalg, name)(a)
        assert found._fields == getattr(numpy.linalg, name)(a.numpy())._fields
        for one, other in zip(found, getattr(numpy.linalg, name)(a.numpy()), strict=True):
            np.testing.assert_array_equal(one.numpy(), other)


REBUILT = {
    "cholesky": lambda a: (lambda c: c @ c.mT)(numpy.linalg.cholesky(a)),
    "cholesky upper": lambda a: (lambda c: c.mT @ c)(numpy.linalg.cholesky(a, upper=True)),
    "eigh": lambda a: (lambda w, v: v * w[..., None, :] @ v.mT)(*numpy.linalg.eigh(a)),
    "eigh U": lambda a: (lambda w, v: v * w[..., None, :] @ v.mT)(*numpy.linalg.eigh(a, "U")),
    "svd": lambda a: (lambda u, s, vh: u * s[..., None, :] @ vh)(*numpy.linalg.svd(a)),
    "qr": lambda a: (lambda q, r: q @ r)(*numpy.linalg.qr(a)),
}


@pytest.mark.parametrize("name", REBUILT)
def test_what_is_put_together_again_has_the_gradient_of_the_whole(name):
    a, g = positive(2, 4, 4), normal(2, 4, 4)
    found = gradient(weighed(REBUILT[name], g), a)
    symmetric = name not in ("svd", "qr")
    close(found, (g + g.swapaxes(-1, -2)) / 2 if symmetric else g)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (2, 3, 2), (1, 3), (3, 1)])
@pytest.mark.parametrize("name", ["svd", "qr"])
def test_what_is_rectangular_is_put_together_again_too(name, shape):
    a, g = normal(*shape), normal(*shape)

    def rebuilt(x):
        if name == "qr":
            q, r = numpy.linalg.qr(x)
            return q @ r
        u, s, vh = numpy.linalg.svd(x, full_matrices=False)
        return u * s[..., None, :] @ vh

    close(gradient(weighed(rebuilt, g), a), g)


def test_factors_agree_with_what_they_are_made_for():
    a = positive(4, 4)
    inverse = numpy.linalg.inv(a)
    roots = {
        "cholesky": lambda x: 2 * np.log(numpy.einsum("ii->i", numpy.linalg.cholesky(x))).sum(),
        "eigvalsh": lambda x: np.log(numpy.linalg.eigvalsh(x)).sum(),
        "svdvals": lambda x: np.log(numpy.linalg.svdvals(x)).sum(),
        "qr": lambda x: np.log(np.abs(numpy.einsum("ii->i", numpy.linalg.qr(x, "r")))).sum(),
    }
    for f in roots.values():
        close(gradient(f, a), inverse)


def test_a_triangle_that_is_not_read_changes_nothing():
    a = positive(3, 3)
    forms: Any = [("cholesky", {"upper": True}), ("eigvalsh", {"UPLO": "U"})]
    for name, upper in forms:
        f = getattr(numpy.linalg, name)
        for call, half in ((f, np.tril(a)), (functools.partial(f, **upper), np.triu(a))):
            close(call(mg.Tensor(half)).numpy(), call(a))
            total = weighed(call, 1.0)
            close(gradient(total, half), gradient(total, a))
            close(gradient(total, half), gradient(total, half).T)


# Where values tie


DEGENERATE = {
    "identity": np.eye(3),
    "one pair": np.diag([1.0, 1.0, 2.0]),
    "rotated": (lambda q: (q * [1.0, 1.0, 3.0]) @ q.T)(numpy.linalg.qr(normal(3, 3))[0]),
    "zero": np.zeros((3, 3)),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_functions_of_tied_values_keep_their_gradient(name):
    a = DEGENERATE[name]
    a = (a + a.T) / 2
    wanted = 3 * a @ a
    close(gradient(lambda x: (numpy.linalg.eigvalsh(x) ** 3).sum(), a), wanted)
    close(gradient(lambda x: (numpy.linalg.eigh(x)[0] ** 3).sum(), a), wanted)
    close(gradient(lambda x: (numpy.linalg.svdvals(x) ** 3).sum(), a), wanted)
    close(gradient(lambda x: (numpy.linalg.svd(x)[1] ** 3).sum(), a), wanted)


def test_a_projector_on_whole_eigenspaces_that_do_not_tie_with_others():
    """Vectors of a tied pair that take no part leave the gradient of the others right."""
    q, _ = numpy.linalg.qr(normal(4, 4))
    a, g = (q * [1.0, 1.0, 1.0, 3.0]) @ q.T, normal(4, 4)
    a = (a + a.T) / 2
    found = gradient(
        weighed(lambda x: (lambda v: v[:, 3:] @ v[:, 3:].T)(numpy.linalg.eigh(x)[1]), g), a
    )
    top, rest = q[:, 3:] @ q[:, 3:].T, np.eye(4) - q[:, 3:] @ q[:, 3:].T
    half = (g + g.T) / 2
    close(found, (top @ half @ rest + rest @ half @ top) / 2.0, 1e-8)


@pytest.mark.parametrize("name", ["identity", "one pair", "rotated"])
def test_vectors_of_tied_values_have_a_gradient_of_nan_and_never_a_wrong_one(name):
    """A square root by eigenvectors: differentiable, but not by what eigenvectors can tell."""
    a = DEGENERATE[name]
    a = (a + a.T) / 2
    root = lambda x: (lambda w, v: v * np.sqrt(w)[..., None, :] @ v.mT)(*numpy.linalg.eigh(x))  # noqa: E731
    assert np.isnan(gradient(weighed(root, normal(3, 3)), a)).any()
    polar = lambda x: (lambda u, s, vh: u @ vh)(*numpy.linalg.svd(x))  # noqa: E731
    assert np.isnan(gradient(weighed(polar, normal(3, 3)), a)).any()


def test_vectors_of_a_null_space_that_take_no_part():
    """Principal components of more variables than samples."""
    x = normal(3, 6)

    def explained(t):
        w, v = numpy.linalg.eigh(t.mT @ t)
        return ((v[:, -1] * np.arange(6.0)) ** 2).sum() + w[-2:].sum()

    check(explained, x, order=1)
    check(lambda t: numpy.linalg.svd(t)[0][:, 0] ** 2, x, order=1)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4)])
def test_vectors_that_are_not_determined_have_no_gradient_and_say_so(shape):
    a = normal(*shape)
    part = 0 if shape[0] > shape[1] else 2
    with pytest.raises(NotDifferentiable, match="use the first 2 only, or full_matrices=False"):
        gradient(lambda x: (numpy.linalg.svd(x)[part] ** 3).sum(), a)
    k = min(shape)
    close(
        gradient(lambda x: (numpy.linalg.svd(x)[1] ** 2).sum(), a), 2 * a
    )  # fmt: skip
    u, s, vh = numpy.linalg.svd(mg.Tensor(a))
    close(((u[:, :k] * s) @ vh[:k]).numpy(), a)


def test_qr_complete():
    a, g = normal(4, 2), normal(4, 2)

    def rebuilt(x):
        q, r = numpy.linalg.qr(x, mode="complete")
        assert q.shape == (4, 4)
        assert r.shape == (4, 2)
        return q[:, :2] @ r[:2]

    close(gradient(weighed(rebuilt, g), a), g)
    with pytest.raises(NotDifferentiable, match="use the first 2 only, or mode='reduced'"):
        gradient(lambda x: (numpy.linalg.qr(x, mode="complete")[0] ** 3).sum(), a)
    with pytest.raises(ValueError, match="mode is"):
        numpy.linalg.qr(mg.Tensor(a), mode="raw")


# Norms

ORDERS = [None, 0, 1, 2, 3, 1.5, 0.5, -1, -2.5, np.inf, -np.inf]
MATRIX_ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axis", [0, -1])
def test_norms_of_vectors(order, axis):
    x = normal(3, 4) + 0.3
    for keepdims in (False, True):
        norm = functools.partial(numpy.linalg.norm, ord=order, axis=axis, keepdims=keepdims)
        found, wanted = norm(mg.Tensor(x)).numpy(), norm(x)
        assert found.shape == wanted.shape
        close(found, wanted)
    check(norm, x)


@pytest.mark.parametrize("order", MATRIX_ORDERS)
@pytest.mark.parametrize(("shape", "axis"), [((3, 3), None), ((2, 4), (0, 1)), ((2, 3, 3), (2, 0))])
def test_norms_of_matrices(order, shape, axis):
    x = normal(*shape)
    for keepdims in (False, True):
        norm = functools.partial(numpy.linalg.norm, ord=order, axis=axis, keepdims=keepdims)
        found, wanted = norm(mg.Tensor(x)).numpy(), norm(x)
        assert found.shape == wanted.shape
        close(found, wanted)
    check(norm, x)


def zero_at_any_order(f, shape):
    zero = np.zeros(shape)
    with np.errstate(divide="ignore"):
        first = mg.grad(f)
        np.testing.assert_array_equal(first(zero).numpy(), 0.0)
        second = mg.grad(lambda x: (first(x) * np.arange(1.0, x.size + 1).reshape(shape)).sum())
        np.testing.assert_array_equal(second(zero).numpy(), 0.0)
        third = mg.grad(lambda x: second(x).sum())
        assert np.isfinite(third(zero).numpy()).all()


@pytest.mark.parametrize("order", ORDERS)
def test_the_norm_of_the_zero_vector_has_the_gradient_zero_at_any_order(order):
    zero_at_any_order(lambda x: numpy.linalg.norm(x, order), (3,))


@pytest.mark.parametrize("order", MATRIX_ORDERS)
def test_the_norm_of_the_zero_matrix_has_the_gradient_zero_at_any_order(order):
    zero_at_any_order(lambda x: numpy.linalg.norm(x, order), (3, 2))


def test_the_nuclear_norm_where_singular_values_tie():
    nuclear = lambda x: numpy.linalg.norm(x, "nuc")  # noqa: E731
    g = normal(3, 3)
    close(gradient(nuclear, np.eye(3) * 5.0), np.eye(3))
    close(mg.hvp(nuclear, np.eye(3) * 5.0, g).numpy(), (g - g.T) / 10)
    tall, h = np.eye(3)[:, :2] * 2.0, normal(3, 2)
    skew = np.zeros((3, 2))
    skew[:2] = (h[:2] - h[:2].T) / 4
    skew[2] = h[2] / 2
    close(mg.hvp(nuclear, tall, h).numpy(), skew)


def test_an_element_that_is_zero_in_a_norm_that_is_not():
    x = np.array([3.0, 0.0, -4.0])
    close(gradient(numpy.linalg.norm, x), x / 5)
    for order in ORDERS:
        if order in (None, 2) or order < 0:
            continue
        found = gradient(lambda t, order=order: numpy.linalg.norm(t, order), x)
        assert found[1] == 0.0


def test_norms_of_arrays_of_many_axes():
    x = normal(2, 3, 2)
    close(gradient(numpy.linalg.norm, x), x / numpy.linalg.norm(x))
    for axis in (None, 0, (0, 2), (2, 0, 1)):
        for order in (2, 1, 3, np.inf, 0):
            for keepdims in (False, True):
                norm = functools.partial(
                    numpy.linalg.vector_norm, axis=axis, ord=order, keepdims=keepdims
                )
                found, wanted = norm(mg.Tensor(x)).numpy(), norm(x)
                assert found.shape == wanted.shape
                close(found, wanted)
    found = numpy.linalg.matrix_norm(mg.Tensor(x), ord="nuc", keepdims=True).numpy()
    close(found, numpy.linalg.matrix_norm(x, ord="nuc", keepdims=True))
    check(lambda t: numpy.linalg.vector_norm(t, axis=(0, 2), ord=3), x)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_norms_keep_the_dtype(dtype):
    x = normal(3, 2).astype(dtype)
    for order in (None, 1, 2, 3, np.inf, 0):
        assert numpy.linalg.norm(mg.Tensor(x), order, axis=0).dtype == dtype
    assert numpy.linalg.norm(mg.Tensor(np.arange(3))).dtype == np.float64


def test_norm_says_what_it_cannot_do():
    x = normal(2, 2, 2)
    wrong: Any = [
        ("fro", 0, "not of vectors"),
        (3, (0, 1), "no norm of matrices"),
        (2, None, "one axis or two, not 3"),
        (1, (0, -3), "one axis twice"),
    ]
    for order, axis, words in wrong:
        with pytest.raises(ValueError, match=words):
            mg.norm(x, order, axis)
    with pytest.raises(np.exceptions.AxisError):
        mg.norm(x, 1, (0, 3))


@pytest.mark.parametrize("p", [None, 2, -2, 1, -1, "fro", "nuc", np.inf, -np.inf])
def test_condition_numbers(p):
    a = positive(2, 3, 3)
    close(numpy.linalg.cond(mg.Tensor(a), p).numpy(), numpy.linalg.cond(a, p))
    check(lambda x: numpy.linalg.cond(x, p), a[0], order=1)


def test_the_condition_of_a_singular_matrix_and_its_rank():
    assert numpy.linalg.cond(mg.Tensor(np.zeros((2, 2)) + np.diag([1.0, 0.0]))).item() == np.inf
    with pytest.raises(np.linalg.LinAlgError, match="empty"):
        mg.linalg.cond(np.zeros((0, 0)))
    stack = np.stack([np.eye(3), np.ones((3, 3)), np.zeros((3, 3))])
    np.testing.assert_array_equal(numpy.linalg.matrix_rank(mg.Tensor(stack)), [3, 1, 0])
    assert mg.linalg.matrix_rank(np.diag([1.0, 1e-3]), tol=1e-2) == 1
    assert mg.linalg.matrix_rank(np.diag([1.0, 1e-3]), rtol=1e-2, hermitian=True) == 1


# What NumPy says


SQUARE = ["inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh"]


@pytest.mark.parametrize("name", SQUARE)
def test_what_is_not_square_raises_numpys_error_with_the_operands(name):
    t = mg.Tensor(np.ones((2, 3)), requires_grad=True, name="weights")
    with pytest.raises(np.linalg.LinAlgError, match="square") as caught:
        getattr(numpy.linalg, name)(t)
    assert f"while computing {name}(weights (2, 3) float64)" in "".join(caught.value.__notes__)


def test_what_is_singular_or_not_definite_raises_numpys_error_with_the_operands():
    zero = mg.Tensor(np.zeros((2, 2)))
    for call, words in [
        (lambda: numpy.linalg.inv(zero), "Singular"),
        (lambda: numpy.linalg.solve(zero, np.ones(2)), "Singular"),
        (lambda: numpy.linalg.cholesky(-zero - 1.0), "positive definite"),
        (lambda: numpy.linalg.matrix_power(zero, -1), "Singular"),
    ]:
        with pytest.raises(np.linalg.LinAlgError, match=words) as caught:
            call()
        assert "(2, 2) float64" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("name", ["inv", "det", "svd", "qr", "eigh", "pinv", "cholesky"])
def test_whole_numbers_are_converted_as_numpy_converts_them(name):
    a = np.array([[4, 1], [1, 3]])
    found = getattr(numpy.linalg, name)(mg.Tensor(a))
    wanted = getattr(numpy.linalg, name)(a)
    several = isinstance(found, tuple)
    for one, other in zip(
        found if several else [found], wanted if several else [wanted], strict=True
    ):
        assert one.dtype == np.asarray(other).dtype
        close(one.numpy(), other)


def test_eigenvalues_that_may_be_complex_say_what_to_use():
    a = np.array([[0.0, 1.0], [-1.0, 0.0]])
    for name in ("eig", "eigvals"):
        with pytest.raises(NotDifferentiable, match=f"np.linalg.{name} has no gradient rule"):
            getattr(numpy.linalg, name)(mg.Tensor(a, requires_grad=True))
    close(numpy.linalg.eigvals(mg.Tensor(a)), [1j, -1j])
    close(mg.linalg.eig(a).eigenvalues, [1j, -1j])


def test_every_function_of_np_linalg_is_here_with_its_parameters():
    theirs = {name for name in numpy.linalg.__all__ if name != "LinAlgError"}
    assert theirs <= set(mg.linalg.__all__)
    for name in theirs:
        wanted = [
            p for p in inspect.signature(getattr(numpy.linalg, name)).parameters if p != "out"
        ]
        ours = getattr(mg.linalg, name)
        found = list(inspect.signature(ours).parameters)
        assert len(found) >= len(wanted), name


def test_np_linalg_looks_at_the_last_two_axes():
    x = normal(2, 3, 4)
    for offset in (-3, -1, 0, 1, 2, 4):
        for name in ("diagonal", "trace"):
            f = functools.partial(getattr(numpy.linalg, name), offset=offset)
            out = f(mg.Tensor(x))
            assert isinstance(out, mg.Tensor)
            close(out.numpy(), f(x))
    check(lambda t: numpy.linalg.trace(t, offset=1), x)
    close(numpy.linalg.matrix_transpose(mg.Tensor(x)).numpy(), x.swapaxes(1, 2))
    with pytest.raises(ValueError, match="two axes"):
        mg.linalg.matrix_transpose(np.ones(2))


@pytest.mark.parametrize(
    "name", ["inv", "cholesky", "qr", "svd", "eigh", "pinv", "norm", "slogdet"]
)
@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0)])
def test_matrices_of_nothing(name, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        t = mg.Tensor(np.zeros(shape), requires_grad=True)
        out = getattr(numpy.linalg, name)(t)
        parts = out if isinstance(out, tuple) else (out,)
        wanted = getattr(numpy.linalg, name)(t.numpy())
        for part, other in zip(parts, wanted if isinstance(out, tuple) else (wanted,), strict=True):
            assert part.shape == np.shape(other)
        sum(part.sum() for part in parts).backward()
    assert t.grad is not None
    assert t.grad.shape == shape
