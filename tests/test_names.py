"""Every recipe of the table is run, and gives what PyTorch gives by the name it stands for."""

import copy
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.elsewhere import ABSENT, absent
from minigrad.names import LAYERS, MEANINGS, NOTES, RECIPES, WITHIN

ANSWERS = Path(__file__).with_name("torch_answers.json")

RNG = np.random.default_rng(0)
SQUARE = RNG.uniform(0.2, 0.9, (3, 3)) + 2 * np.eye(3)
# What the names in the recipes are, here.
GIVEN: dict[str, Any] = {
    "t": RNG.uniform(0.1, 0.9, (2, 3)),
    "u": RNG.uniform(1.1, 1.9, (2, 3)),
    "batch": RNG.uniform(size=(2, 3, 3)),
    "square": SQUARE,
    "row": RNG.uniform(1.0, 2.0, 3),
    "column": RNG.uniform(size=2),
    "rows": RNG.uniform(size=(2, 3)),
    "source": RNG.uniform(size=(2, 3)),
}
PLAIN: dict[str, Any] = {
    "array": np.arange(6.0).reshape(2, 3),
    "edges": np.array([0.2, 0.5, 0.7]),
    "index": np.array([[1, 0, 1], [0, 1, 0]]),
    "labels": np.array([1, 0]),
    "mask": np.array([[True, False, True], [False, False, True]]),
    "axes": (1, 0),
    "ends": [1],
    "shape": (3, 2),
}
PLAIN |= {"axis": 1, "axis1": 0, "axis2": 1, "destination": 1, "i": 1, "k": 2, "n": 3}
PLAIN |= {"length": 2, "start": 1, "stop": 2}
PLAIN |= {"high": 0.7, "low": 0.3, "value": 0.4}
ONLY_HERE: dict[str, dict[str, Any]] = {
    "acosh": {"t": 1 / mg.Tensor(GIVEN["t"])},
    "expand": {"shape": (2, 2, 3)},
    "gather": {"axis": 0},
    "movedim": {"source": 0},
    "scatter": {},
    "slice_scatter": {"start": 0, "stop": 2},
    "take_along_dim": {"axis": 0},
    "to": {"dtype": np.float32},
    "cast": {"dtype": np.float32},
    "idiv": {"t": -9 * mg.Tensor(GIVEN["t"])},
    "type": {"dtype": np.float32},
}

TWO = ["true_divide", "atan2", "div", "eq", "ge", "gt", "le", "lt", "mul", "ne", "pow", "sub"]
# How the same is said in PyTorch, where it is not t.name(): evaluated with the tensors above.
TORCH: dict[str, str] = {
    "H": "t.H",
    "T": "t.T",
    "mH": "t.mH",
    "aminmax": "t.aminmax()",
    "acosh": "(1 / t).acosh()",
    "around": "t.round()",
    "array": "torch.tensor(array)",
    "arange": "torch.arange(3.0)",
    "as_tensor": "torch.as_tensor(array)",
    "asarray": "torch.asarray(array)",
    "addcdiv": "t.addcdiv(u, row, value=value)",
    "addcmul": "t.addcmul(u, row, value=value)",
    "addbmm": "square.addbmm(batch, batch)",
    "addmm": "square.addmm(t.T, u)",
    "addmv": "column.addmv(t, row)",
    "addr": "t.addr(column, row)",
    "baddbmm": "batch.baddbmm(batch, batch)",
    "block_diag": "torch.block_diag(t, u)",
    "bartlett_window": "torch.bartlett_window(n, dtype=torch.float64)",
    "bernoulli": "t.bernoulli()",
    "bitwise_left_shift": "labels.bitwise_left_shift(n)",
    "bitwise_right_shift": "labels.bitwise_right_shift(n)",
    "blackman_window": "torch.blackman_window(n, dtype=torch.float64)",
    "bmm": "batch.bmm(batch)",
    "broadcast_tensors": "torch.broadcast_tensors(t, u)",
    "bucketize": "torch.bucketize(t, edges)",
    "cat": "torch.cat([t, u], axis)",
    "cartesian_prod": "torch.cartesian_prod(row, column)",
    "chain_matmul": "torch.linalg.multi_dot([t, u.T, t])",
    "cholesky": "torch.linalg.cholesky(square)",
    "cholesky_inverse": "square.tril().cholesky_inverse()",
    "cholesky_solve": "t.T.cholesky_solve(square.tril())",
    "combinations": "torch.combinations(row)",
    "concat": "torch.concat([t, u], axis)",
    "constant_pad_nd": "torch.constant_pad_nd(t, (1, 2))",
    "chunk": "t.chunk(n, axis)",
    "clamp": "t.clamp(low, high)",
    "clamp_max": "t.clamp_max(high)",
    "clamp_min": "t.clamp_min(low)",
    "det": "square.det()",
    "diagonal_scatter": "square.diagonal_scatter(row)",
    "dim": "t.dim()",
    "dist": "t.dist(u)",
    "element_size": "t.element_size()",
    "expand": "t.expand(2, 2, 3)",
    "expand_as": "t.expand_as(u)",
    "fill_diagonal": "square.clone().fill_diagonal_(value)",
    "hamming_window": "torch.hamming_window(n, dtype=torch.float64)",
    "hann_window": "torch.hann_window(n, dtype=torch.float64)",
    "hard_silu": "torch.nn.functional.hardswish(t)",
    "expit": "torch.special.expit(t)",
    "eye": "torch.eye(3)",
    "frobenius_norm": "torch.linalg.matrix_norm(t)",
    "from_numpy": "torch.from_numpy(array)",
    "full": "torch.full((2, 3), value)",
    "full_like": "torch.full_like(t, value)",
    "gather": "t.gather(0, index)",
    "ger": "torch.ger(column, column)",
    "hardshrink": "t.hardshrink(value)",
    "index_add": "t.index_add(0, labels, rows)",
    "index_copy": "t.index_copy(0, labels, rows)",
    "index_fill": "t.index_fill(0, labels, value)",
    "index_put": "t.index_put((labels,), rows)",
    "index_select": "t.index_select(axis, labels)",
    "inv": "torch.linalg.inv(square)",
    "inverse": "square.inverse()",
    "is_tensor": "torch.is_tensor(t)",
    "is_same_size": "t.is_same_size(u)",
    "is_signed": "t.is_signed()",
    "kaiser_window": "torch.kaiser_window(n, dtype=torch.float64)",
    "log_expit": "torch.nn.functional.logsigmoid(t)",
    "logmeanexp": "t.exp().mean().log()",
    "jacfwd": "torch.func.jacfwd(f)(t)",
    "jacrev": "torch.func.jacrev(f)(t)",
    "kthvalue": "t.kthvalue(k, axis).values",
    "lerp": "t.lerp(u, value)",
    "linearize": "torch.func.jvp(f, (t,), (u,))",
    "linspace": "torch.linspace(0, 1, 5)",
    "log_softmax": "t.log_softmax(axis)",
    "logdet": "square.logdet()",
    "masked_fill": "t.masked_fill(mask, value)",
    "masked_scatter": "t.masked_scatter(mask, u)",
    "multigammaln": "u.mvlgamma(2)",
    "mvlgamma": "u.mvlgamma(2)",
    "nuclear_norm": "torch.linalg.matrix_norm(t, 'nuc')",
    "psi": "t.digamma()",
    "pdist": "torch.nn.functional.pdist(t)",
    "permute_dims": "torch.permute(t, axes)",
    "rand_like": "torch.rand_like(t)",
    "randint_like": "torch.randint_like(t, 3)",
    "randn_like": "torch.randn_like(t)",
    "rel_entr": "t.xlogy(t) - t.xlogy(u)",
    "resize_as": "t.reshape(u.shape)",
    "row_stack": "torch.row_stack([t, u])",
    "scalar_tensor": "torch.scalar_tensor(value)",
    "solve_triangular": "torch.linalg.solve_triangular(square, t.T, upper=True)",
    "squareplus": "(t + (t**2 + 4).sqrt()) / 2",
    "standardize": "torch.nn.functional.layer_norm(t, (3,))",
    "triangular_solve": "torch.linalg.solve_triangular(square, t.T, upper=True)",
    "upsample": "torch.nn.functional.interpolate(batch[None], scale_factor=2)",
    "upsample_bilinear": "torch.nn.functional.interpolate(batch[None], size=5, mode='bilinear', "
    "align_corners=True)",
    "upsample_nearest": "torch.nn.functional.interpolate(batch[None], scale_factor=2)",
    "masked_select": "t.masked_select(mask)",
    "matrix_power": "square.matrix_power(n)",
    "mm": "t.mm(u.T)",
    "movedim": "t.movedim(0, 1)",
    "mv": "t.mv(row)",
    "narrow": "t.narrow(1, start, length)",
    "new_full": "t.new_full(shape, value)",
    "new_ones": "t.new_ones(shape)",
    "new_tensor": "t.new_tensor(array)",
    "new_zeros": "t.new_zeros(shape)",
    "norm": "t.norm(dim=axis)",
    "ones": "torch.ones((2, 3))",
    "ones_like": "torch.ones_like(t)",
    "permute": "t.permute(axes)",
    "rand": "torch.rand(2, 3)",
    "randint": "torch.randint(0, 3, (2, 3))",
    "randn": "torch.randn(2, 3)",
    "randperm": "torch.randperm(3)",
    "renorm": "t.renorm(2, 0, value)",
    "repeat_interleave": "t.repeat_interleave(n, axis)",
    "requires_grad_": "t.requires_grad_()",
    "reshape_as": "t.reshape_as(u)",
    "rsub": "torch.rsub(t, u)",
    "scatter": "t.scatter(0, index, source)",
    "select": "t.select(1, i)",
    "select_scatter": "t.select_scatter(column, 1, i)",
    "slice_scatter": "t.slice_scatter(rows, 0, 0, 2)",
    "slogdet": "square.slogdet()",
    "softmax": "t.softmax(axis)",
    "split_with_sizes": "t.split_with_sizes([1, 2], axis)",
    "std_mean": "torch.std_mean(t)",
    "sum_to_size": "t.sum_to_size(2, 1)",
    "svd": "torch.linalg.svd(square)",
    "swapdims": "t.swapdims(0, 1)",
    "swish": "torch.nn.functional.silu(t)",
    "take_along_dim": "t.take_along_dim(index, 0)",
    "tensor_split": "t.tensor_split(n, axis)",
    "to": "t.to(torch.float32)",
    "trapz": "torch.trapezoid(t, dim=axis)",
    "type": "t.type(torch.float32)",
    "type_as": "t.type_as(u)",
    "unflatten": "t.reshape(-1).unflatten(0, shape)",
    "unsqueeze": "t.unsqueeze(axis)",
    "var_mean": "torch.var_mean(t)",
    "view": "t.view(shape)",
    "view_as": "t.view_as(u)",
    "xlogy": "t.xlogy(u)",
    "cast": "t.to(torch.float32)",
    "loggamma": "t.lgamma()",
    "log1mexp": "(1 - (-t).exp()).log()",
    "sec": "1 / t.cos()",
    "csc": "1 / t.sin()",
    "cot": "t.cos() / t.sin()",
    "sech": "2 / (t.exp() + (-t).exp())",
    "csch": "2 / (t.exp() - (-t).exp())",
    "coth": "t.cosh() / t.sinh()",
    "arcsec": "(1 / u).acos()",
    "arccsc": "(1 / u).asin()",
    "arccot": "torch.pi / 2 - t.atan()",
    "arccsch": "(1 / t + (1 + 1 / t**2).sqrt()).log()",
    "arccoth": "((u + 1) / (u - 1)).log() / 2",
    "add_sequence": "t + u",
    "multiply_sequence": "t * u",
    "multi_matmul": "torch.linalg.multi_dot([t, u.T, t])",
    "idiv": "(-9 * t).div(u, rounding_mode='trunc')",
    "lshift": "labels << n",
    "rshift": "labels >> n",
    "xor": "labels ^ n",
    "shrink": "t[:, start:stop]",
    "softmax_crossentropy": "torch.nn.functional.cross_entropy(t, labels)",
    "negative_log_likelihood": "torch.nn.functional.nll_loss(t, labels)",
    "focal_loss": "torch.stack([-(1 - p) ** 2 * p.log() for p in (t[0, 1], t[1, 0])])",
    "softmax_focal_loss": "torch.stack([-(1 - p) ** 2 * p.log() for p in (t.softmax(1)[0, 1], "
    "t.softmax(1)[1, 0])])",
    "multiclass_hinge": "torch.nn.functional.multi_margin_loss(t, labels) * 3",
    "cumulative_trapezoid": "torch.cumulative_trapezoid(t, dim=axis)",
    "zeros": "torch.zeros((2, 3))",
    "zeros_like": "torch.zeros_like(t)",
    **{name: f"t.{name}(u)" for name in TWO},
}
# Recipes of names that PyTorch has not, or whose answer is no array.
APART = {
    "constant",
    "creator",
    "is_grad_enabled",
    "elementwise_grad",
    "grad_fn",
    "make_vjp",
    "manual_seed",
}
DRAWN = {"bernoulli", "rand", "randint", "randn", "randperm"}
DRAWN |= {"rand_like", "randint_like", "randn_like"}
MAKING = {"scalar_tensor", "arange", "eye", "full", "linspace", "ones", "zeros"}


def cube(x):
    return x**3


def environment(name: str) -> dict[str, Any]:
    tensors = {key: mg.Tensor(value, requires_grad=True) for key, value in GIVEN.items()}
    made = {
        "math": math,
        "np": np,
        "mg": mg,
        "f": cube,
        **tensors,
        **PLAIN,
        **ONLY_HERE.get(name, {}),
    }
    return {**made, "ts": [tensors["t"], tensors["u"]]}


def listed(value: Any) -> Any:
    """An answer as what JSON can hold."""
    if isinstance(value, tuple | list):
        return [listed(part) for part in value]
    if hasattr(value, "detach"):
        return listed(np.asarray(value.detach().numpy()))
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def close(got: Any, wanted: Any) -> None:
    if isinstance(wanted, list) and isinstance(got, list):
        assert len(got) == len(wanted)
        for g, w in zip(got, wanted, strict=True):
            close(g, w)
    else:
        assert got == pytest.approx(wanted, rel=1e-6, abs=1e-12)


COMPARED = sorted(set(RECIPES) - APART)


@pytest.mark.parametrize("name", COMPARED)
def test_a_recipe_gives_what_torch_gives(name):
    wanted = json.loads(ANSWERS.read_text())[name]
    env = environment(name)
    got = eval(RECIPES[name], env)
    got = got(env["t"]) if callable(got) else got
    if name in DRAWN:
        assert np.shape(listed(got)) == np.shape(wanted["value"])
        return
    close(listed(got), wanted["value"])
    if isinstance(got, mg.Tensor) and name not in MAKING:
        assert str(got.dtype) == wanted["dtype"]


def asked(torch: Any, name: str) -> dict[str, Any]:
    """What PyTorch answers by this name."""
    made = {key: torch.tensor(value) for key, value in GIVEN.items()}
    made |= {k: torch.tensor(v) for k, v in PLAIN.items() if isinstance(v, np.ndarray)}
    plain = {k: v for k, v in PLAIN.items() if k not in made} | {"array": PLAIN["array"]}
    got = eval(
        TORCH.get(name, f"t.{name}()"), {"torch": torch, "f": cube, **plain, **made, **plain}
    )
    dtype = str(got.dtype).removeprefix("torch.") if isinstance(got, torch.Tensor) else ""
    return {"value": listed(got), "dtype": dtype}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_answers_are_what_torch_says():
    torch = pytest.importorskip("torch")
    answers = json.loads(ANSWERS.read_text())
    assert set(answers) == set(COMPARED)
    for name in sorted(set(COMPARED) - DRAWN):
        made = asked(torch, name)
        assert made["dtype"] == answers[name]["dtype"], name
        close(made["value"], answers[name]["value"])


def test_recipes_that_stand_apart():
    env = environment("")
    t = env["t"]
    np.testing.assert_allclose(eval(RECIPES["elementwise_grad"], env)(t).data, 3 * t.data**2)
    value, pull = eval(RECIPES["make_vjp"], env)
    np.testing.assert_array_equal(value.data, t.data**3)
    assert callable(pull)
    assert eval(RECIPES["grad_fn"], env) is t.node
    assert eval(RECIPES["creator"], env) is t.node
    assert eval(RECIPES["is_grad_enabled"], env)
    with mg.no_grad():
        assert not eval(RECIPES["is_grad_enabled"], env)
    eval(RECIPES["manual_seed"], env)
    assert eval(RECIPES["requires_grad_"], env).requires_grad


# How the table is read


@pytest.mark.parametrize("name", [*RECIPES, *NOTES])
def test_a_name_that_is_known_elsewhere_is_told_what_it_is_called_here(name):
    t = mg.Tensor(GIVEN["t"])
    owners = [owner for owner in (t, mg) if not hasattr(owner, name)]
    assert owners, f"{name} exists: its recipe is never read"
    for owner in owners:
        with pytest.raises(AttributeError) as caught:
            getattr(owner, name)
        words = str(caught.value)
        assert words.startswith("a Tensor has no" if owner is t else "minigrad has no")
        assert (NOTES.get(name) or RECIPES[name]) in words
        assert caught.value.name == name


def words_of(owner, name):
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    return str(caught.value)


def test_names_by_rule():
    t = mg.Tensor([1.0, 2.0])
    assert words_of(t, "add_") == (
        "a Tensor has no 'add_': tensors are not changed in place, so write t = mg.add(t, ...)"
    )
    assert words_of(t, "clamp_").endswith("so write t = mg.clip(t, low, high)")
    assert words_of(t, "gelu") == "a Tensor has no 'gelu': write mg.gelu(t, ...)"
    assert words_of(mg, "concatenat") == "minigrad has no 'concatenat': did you mean 'concatenate'?"
    assert words_of(mg, "zzz") == "minigrad has no 'zzz'"
    assert words_of(t, "_zzz") == "a Tensor has no '_zzz'"
    with pytest.raises(ImportError, match="cannot import name 'cat'"):
        exec("from minigrad import cat")


def test_functions_methods_and_what_is_numpys_alone():
    assert words_of(mg, "detach") == "minigrad has no 'detach': write t.detach"
    assert words_of(mg, "solve") == "minigrad has no 'solve': write mg.linalg.solve(t, ...)"
    assert words_of(mg, "hanning").endswith("write np.hanning, which has no gradient")
    assert words_of(mg, "pi") == "minigrad has no 'pi': write np.pi"
    assert words_of(mg, "ix_").endswith("write np.ix_, which has no gradient")
    assert (
        words_of(mg.functional, "relu")
        == "minigrad.functional has no 'relu': write mg.relu(t, ...)"
    )
    assert words_of(mg.functional, "one_hod").endswith("did you mean 'one_hot'?")
    assert (
        words_of(mg.linalg, "vander") == "minigrad.linalg has no 'vander': write mg.vander(t, ...)"
    )
    assert words_of(mg.linalg, "LinAlgError").endswith("write np.linalg.LinAlgError")
    assert words_of(mg.linalg, "lu_factor").partition(": ")[2] == absent("lu_factor")
    assert words_of(mg.nn, "Mish").endswith("is a function: write mg.mish")
    assert words_of(mg.nn, "LazyLinear").partition(": ")[2] == absent("LazyLinear")
    for module in (mg.functional, mg.linalg, mg.nn):
        assert not hasattr(module, "__path_of__")


def public(owner: Any) -> list[str]:
    return [name for name in dir(owner) if name[:1] != "_"]


def untold(owner: Any, names: Any) -> list[str]:
    """Names that ``owner`` has not, and says nothing of."""
    return [n for n in names if not hasattr(owner, n) and ": " not in words_of(owner, n)]


def test_every_name_of_numpy_is_here_or_told():
    t = mg.Tensor(GIVEN["t"])
    assert untold(mg, [n for n in np.__all__ if n[0] != "_"]) == []
    assert untold(mg.linalg, np.linalg.__all__) == []
    assert untold(t, public(np.ndarray)) == []


@pytest.mark.filterwarnings("ignore")
def test_every_name_of_torch_is_here_or_told():
    torch = pytest.importorskip("torch")
    functional, t = torch.nn.functional, mg.Tensor(GIVEN["t"])
    assert untold(t, public(torch.Tensor)) == []
    for theirs, ours in [(torch, mg), (functional, mg), (functional, mg.functional)]:
        values = {n: getattr(theirs, n) for n in public(theirs)}
        called = [n for n, value in values.items() if callable(value) and n != "Tensor"]
        assert untold(ours, called) == []
    assert untold(mg.linalg, public(torch.linalg)) == []
    assert untold(mg.nn, [n for n in public(torch.nn) if n[0].isupper()]) == []


def test_nothing_that_is_here_is_said_to_be_missing():
    here = {*vars(mg)["__all__"], *mg.linalg.__all__, *mg.nn.__all__, *public(mg.Tensor)}
    assert [name for name in here if absent(name)] == []
    assert all(why and names.split() for why, names in ABSENT.items())


def test_what_asks_for_attributes_is_not_disturbed():
    w = mg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    assert not hasattr(w, "cpu")
    assert not hasattr(mg, "cat")
    assert getattr(w, "named_parameters", None) is None
    made: Any
    for made in (copy.copy(w), copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        np.testing.assert_array_equal(made.data, w.data)
        assert made.requires_grad
    made = np.ones(2) + w
    assert made.requires_grad
    assert not hasattr(w, "__array_interface__")
    with pytest.raises(AttributeError):
        setattr(w, "cat", 1)  # noqa: B010


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_without_parameters_is_told_to_be_a_function(name):
    assert words_of(mg.nn, name).endswith(f"is a function: write {LAYERS[name]}")
    assert eval(LAYERS[name], {"mg": mg}) is not None
    assert words_of(mg.nn, "Lineal") == "minigrad.nn has no 'Lineal': did you mean 'Linear'?"
    assert not hasattr(mg.nn, "__path_of__")


@pytest.mark.parametrize("name", WITHIN)
def test_what_pytorchs_nn_has_besides_layers_is_told(name):
    assert words_of(mg.nn, name) == f"minigrad.nn has no {name!r}: {WITHIN[name]}"


def test_names_of_modules_that_are_asked_for_what_they_have_not():
    assert words_of(mg.data, "DataLoader").endswith("and mg.data.train_test_split parts them")
    assert words_of(mg.data, "batch") == "minigrad.data has no 'batch': did you mean 'batches'?"
    assert words_of(mg.data, "folds") == "minigrad.data has no 'folds'"
    given = "a layer is made with it: nn.Linear(2, 3, init=nn.init."
    assert words_of(mg.nn.init, "xavier_uniform_").endswith(f"{given}xavier_uniform(...))")
    assert words_of(mg.nn.init, "trunc_normal_").endswith(f"{given}truncated_normal(...))")
    assert words_of(mg.nn.init, "he_normal").endswith(f"{given}kaiming_normal(...))")
    assert words_of(mg.nn.init, "normal2") == "minigrad.nn.init has no 'normal2'"
    assert words_of(mg.optim, "RMSProp").endswith("did you mean 'RMSprop'?")
    assert words_of(mg.optim, "Adamw").endswith("did you mean 'AdamW'?")
    for module in (mg.data, mg.nn.init):
        assert not hasattr(module, "__path__")


INITIALISERS = {
    "eye_": ("np.eye(*shape)", (3, 2)),
    "sparse_": ("rng.normal(0.0, 0.01, shape) * (rng.random(shape) > sparsity)", (50, 40)),
    "dirac_": ("np.multiply.outer(np.eye(*shape[:2]), window)", (3, 2, 3, 5)),
}


@pytest.mark.parametrize("name", INITIALISERS)
def test_an_initialiser_of_pytorchs_is_told_as_a_function_that_does_it(name):
    torch = pytest.importorskip("torch")
    function, shape = INITIALISERS[name]
    said = f"an initialiser is a function: init=lambda shape, rng: {function}"
    for asked in (name, name[:-1]):
        start = f"minigrad.nn.init has no {asked!r}: {said}"
        assert words_of(mg.nn.init, asked).startswith(start)
    window = np.zeros(shape[2:])
    window[tuple(n // 2 for n in shape[2:])] = 1.0
    given = {"np": np, "window": window, "sparsity": 0.75}
    init = eval(f"lambda shape, rng: {function}", given)
    ours = init(shape, np.random.default_rng(0))
    if name == "sparse_":
        theirs = torch.nn.init.sparse_(torch.empty(shape), 0.75).numpy()
        assert (ours == 0.0).mean() == pytest.approx((theirs == 0.0).mean(), abs=0.03)
        assert ours[ours != 0.0].std() == pytest.approx(0.01, rel=0.1)
        assert (mg.nn.Linear(50, 40, init=init).weight.numpy() == 0.0).any()
    else:
        np.testing.assert_array_equal(ours, getattr(torch.nn.init, name)(torch.empty(shape)))


def test_the_gain_of_an_initialiser_is_told():
    torch = pytest.importorskip("torch")
    said = "gain= of an initialiser: 2**0.5 for relu, 5 / 3 for tanh, 1 for sigmoid"
    assert words_of(mg.nn.init, "calculate_gain").endswith(said)
    for kind, gain in {"relu": 2**0.5, "tanh": 5 / 3, "sigmoid": 1.0}.items():
        assert torch.nn.init.calculate_gain(kind) == pytest.approx(gain)
        mg.nn.init.kaiming_normal(gain=gain)


@pytest.mark.filterwarnings("ignore")
def test_every_name_of_mygrad_is_here_or_told():
    mygrad = pytest.importorskip("mygrad")
    nnet = pytest.importorskip("mygrad.nnet")
    near = "did you mean"
    for theirs in (mygrad, nnet.losses, nnet.activations, nnet.layers):
        called = [n for n in public(theirs) if callable(getattr(theirs, n))]
        assert untold(mg, called) == []
        wrong = [n for n in called if n[:3] == "arc" and not hasattr(mg, n)]
        assert not [n for n in wrong if near in words_of(mg, n)]
    assert untold(mg.Tensor(1.0), public(mygrad.Tensor)) == []
    initialisers = [n for n in public(nnet.initializers) if n not in ("dirac", "identity")]
    assert untold(mg.nn.init, initialisers) == []


def test_names_of_others_are_told():
    t = mg.Tensor(GIVEN["t"])
    assert words_of(mg, "loggamma") == "minigrad has no 'loggamma': write mg.gammaln(t)"
    assert words_of(t, "cast") == "a Tensor has no 'cast': write t.astype(dtype)"
    assert words_of(t, "null_grad") == "a Tensor has no 'null_grad': write t.grad = None"
    assert words_of(t, "clear_graph").endswith(
        "backward() frees the graph; t.detach() is outside of it"
    )
    assert words_of(t, "realize").endswith("values are computed at once: t.data has them")
    assert words_of(mg, "igamma").endswith(absent("igammac"))


def test_names_that_mean_something_else_mean_what_numpy_means():
    t = mg.Tensor(GIVEN["t"])
    for names in MEANINGS:
        for name in names.split(", "):
            assert name == "Linear.weight" or hasattr(mg, name) or hasattr(t, name), name
    for name in ("max", "min", "median", "sort", "argmax", "argmin", "std", "var"):
        got = getattr(mg, name)(t, axis=1)
        np.testing.assert_array_equal(got.data, getattr(np, name)(t.data, axis=1))
    np.testing.assert_array_equal(t.repeat(2).data, t.data.repeat(2))
    assert t.size == 6
    assert [part.shape for part in mg.split(t, 3, axis=1)] == [(2, 1)] * 3
    assert t.transpose(0, 1).shape == (2, 3)
    assert t.flatten().shape == (6,)
    assert t.dot(t.T).shape == (2, 2)
    assert mg.nn.Linear(2, 5).weight.shape == (2, 5)
    mask: Any = mg.Tensor(PLAIN["mask"])
    for got, wanted in zip(mg.nonzero(mask), np.where(PLAIN["mask"]), strict=True):
        np.testing.assert_array_equal(got, wanted)
