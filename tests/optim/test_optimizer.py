"""Optimisers: two hundred steps against PyTorch, groups, state, and what must never happen."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import ShapeError, StateError
from minigrad.serialize import load, save

A = np.sin(np.arange(20.0)).reshape(5, 4)
START = [1.0, -2.0, 0.5, 3.0], 0.25

# Each optimiser with its settings, PyTorch's class with the same ones, and where 200 steps in
# float64 with PyTorch 2.13 end.
CASES: Any = {
    "sgd": (
        (optim.SGD, {"learning_rate": 0.05}),
        ("SGD", {"lr": 0.05}),
        ([1.1451090927226455, -0.5198489711128121, 0.3492119717889613, 0.742284423568322],
         0.010649529070751843),
    ),
    "momentum": (
        (optim.SGD, {"learning_rate": 0.02, "momentum": 0.9}),
        ("SGD", {"lr": 0.02, "momentum": 0.9}),
        ([0.5538393782040039, -0.3332043643838751, 0.25895386448657465, 0.2777386300947813],
         -0.006326028003851234),
    ),
    "nesterov": (
        (optim.SGD, {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True}),
        ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
        ([0.5761568960483691, -0.33673913827430874, 0.2520535903934996, 0.2982174780446682],
         -0.0004965976009979811),
    ),
    "sgd decay": (
        (optim.SGD, {"learning_rate": 0.02, "momentum": 0.5, "weight_decay": 0.1}),
        ("SGD", {"lr": 0.02, "momentum": 0.5, "weight_decay": 0.1}),
        ([0.6903911427294293, -0.2881981003124918, 0.1848976862108592, 0.4702066129693144],
         -0.0014990526395150241),
    ),
    "adam": (
        (optim.Adam, {"learning_rate": 0.05}),
        ("Adam", {"lr": 0.05}),
        ([1.011550088446109, -0.3140717720678696, 0.15770330055066933, 0.8014677086013522],
         -0.005485592522987309),
    ),
    "adam decay": (
        (optim.Adam,
         {"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
        ([0.004362234463248709, -0.017845949374988665, -0.011775236413153265, 0.020333962794769747],
         -0.006936392109962724),
    ),
    "adamw": (
        (optim.AdamW, {"learning_rate": 0.05, "weight_decay": 0.2}),
        ("AdamW", {"lr": 0.05, "weight_decay": 0.2}),
        ([0.2273625985755984, -0.07493152113069744, 0.03565089652954432, 0.1754711536491365],
         -0.003579963934855469),
    ),
    "rmsprop": (
        (optim.RMSprop, {"learning_rate": 0.01, "alpha": 0.9}),
        ("RMSprop", {"lr": 0.01, "alpha": 0.9}),
        ([1.5794854374200042, -0.5256853258678426, 0.26901720519075817, 1.256005578447223],
         -0.008444992016841369),
    ),
    "rmsprop decay": (
        (optim.RMSprop, {"learning_rate": 0.01, "alpha": 0.95, "eps": 1e-4, "weight_decay": 0.1}),
        ("RMSprop", {"lr": 0.01, "alpha": 0.95, "eps": 1e-4, "weight_decay": 0.1}),
        ([1.3932166345362997, -0.4110023400700398, 0.15577275149348704, 1.2479564982129903],
         -0.015536010881359518),
    ),
    "adagrad": (
        (optim.Adagrad, {"learning_rate": 0.3}),
        ("Adagrad", {"lr": 0.3}),
        ([1.040397196738169, -0.3364446680133599, 0.14460331423776146, 0.8096886410395117],
         0.012121529973152061),
    ),
    "adagrad decay": (
        (optim.Adagrad, {"learning_rate": 0.3, "eps": 1e-6, "weight_decay": 0.1}),
        ("Adagrad", {"lr": 0.3, "eps": 1e-6, "weight_decay": 0.1}),
        ([0.4564230766163638, -0.06884732485312679, -0.04301706274672937, 0.4401394299121646],
         0.01287744010000753),
    ),
}  # fmt: skip
KINDS: Any = [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad]
MOMENTUM: Any = {optim.SGD: {"momentum": 0.9, "nesterov": True}}


def make(kind, parameters, **settings):
    return kind(parameters, **{**MOMENTUM.get(kind, {}), **settings})


def start(dtype: Any = float) -> Any:
    return [mg.Tensor(value, requires_grad=True, dtype=dtype, name=name)
            for name, value in zip("wb", START, strict=True)]  # fmt: skip


def moving(i):
    """Targets that move on: where a gradient vanishes, rounding decides where RMSprop goes."""
    return np.cos(np.arange(5.0) + i)


def descend(optimizer, parameters, steps, first=0):
    w, b = parameters
    path = []
    for i in range(first, first + steps):
        optimizer.zero_grad()
        r = A @ w + b - moving(i)
        loss = (r * r).mean() + (w**4.0).sum() * 0.01
        loss.backward()
        optimizer.step()
        path.append([*w.tolist(), b.item()])
    return np.array(path)


def gradients_of(parameters, values):
    for parameter, value in zip(parameters, values, strict=True):
        parameter.grad = None if value is None else mg.tensor(np.array(value, parameter.dtype))


# The arithmetic


@pytest.mark.parametrize("name", CASES)
def test_two_hundred_steps_end_where_pytorchs_end(name):
    (kind, settings), _, (w, b) = CASES[name]
    parameters = start()
    path = descend(kind(parameters, **settings), parameters, 200)
    np.testing.assert_allclose(path[-1], [*w, b], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_pytorchs_where_it_is_installed(name):
    torch = pytest.importorskip("torch")
    (kind, settings), (their, their_settings), _ = CASES[name]
    parameters = start()
    path = descend(kind(parameters, **settings), parameters, 200)
    w, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in START)
    optimizer = getattr(torch.optim, their)([w, b], **their_settings)
    for i in range(200):
        optimizer.zero_grad()
        r = torch.tensor(A) @ w + b - torch.tensor(moving(i))
        ((r * r).mean() + (w**4.0).sum() * 0.01).backward()
        optimizer.step()
        np.testing.assert_allclose(path[i], [*w.tolist(), b.item()], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_never_writes_into_the_old_array_or_the_gradient(kind):
    parameters = start()
    optimizer = make(kind, parameters, weight_decay=0.1)
    for _ in range(3):
        arrays = [p.numpy() for p in parameters]
        for array in arrays:
            array.setflags(write=False)
        gradients_of(parameters, ([1.0, 2.0, 3.0, 4.0], 5.0))
        for p in parameters:
            p.grad.numpy().setflags(write=False)
        optimizer.step()
        for p, array in zip(parameters, arrays, strict=True):
            assert not np.shares_memory(p.numpy(), array)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_remembered_is_no_ones_gradient(kind):
    def run(wipe):
        parameters = start()
        optimizer = make(kind, parameters)
        for _ in range(3):
            gradients_of(parameters, ([1.0, 2.0, 3.0, 4.0], 5.0))
            gradients = [p.grad for p in parameters]
            optimizer.step()
            if wipe:
                for g in gradients:
                    g.numpy()[...] = 0.0
        return parameters[0].numpy()

    np.testing.assert_array_equal(run(wipe=True), run(wipe=False))


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_recorded_before_a_step_stays_right(kind):
    w: Any = mg.Tensor([2.0], requires_grad=True)
    loss = (w * w).sum()
    w.grad = mg.tensor([1.0])
    make(kind, [w]).step()
    w.grad = None
    loss.backward()
    np.testing.assert_array_equal(w.grad.numpy(), [4.0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scalar", [float, np.float64, np.float32])
def test_parameters_and_memory_keep_their_dtype_and_shape(kind, dtype, scalar):
    parameters = start(dtype)
    optimizer = make(kind, parameters, learning_rate=scalar(0.5))
    for _ in range(3):
        gradients_of(parameters, ([1.0, 2.0, 3.0, 4.0], 5.0))
        optimizer.step()
        optimizer.groups[0]["learning_rate"] = scalar(0.25)  # a schedule may be NumPy
    for p, shape in zip(parameters, [(4,), ()], strict=True):
        assert type(p.numpy()) is np.ndarray
        assert (p.dtype, p.shape) == (dtype, shape)
    for name, value in optimizer.state_dict().items():
        assert not isinstance(value, np.ndarray) or name.endswith(".t") or value.dtype == dtype


# Gradients


@pytest.mark.parametrize("kind", KINDS)
def test_a_parameter_without_a_gradient_is_left_alone(kind):
    parameters = start()
    optimizer = make(kind, parameters, weight_decay=0.5)
    b = parameters[1].numpy()
    gradients_of(parameters, ([1.0] * 4, None))
    optimizer.step()
    assert parameters[1].numpy() is b
    assert not any(name.startswith("1.") for name in optimizer.state_dict())


def test_a_parameter_that_joins_late_corrects_its_bias_from_one():
    parameters = start()
    optimizer = optim.Adam(parameters, learning_rate=0.1)
    for gradient in (None, None, 5.0):
        gradients_of(parameters, ([1.0] * 4, gradient))
        optimizer.step()
    # The first step of Adam is the learning rate, whatever the gradient.
    np.testing.assert_allclose(parameters[1].numpy(), START[1] - 0.1, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_of_the_wrong_shape_is_refused(kind):
    w: Any = mg.Tensor(np.zeros(3), requires_grad=True, name="w")
    optimizer = make(kind, [w])
    for shape in [(), (1,), (3, 1), (2,)]:
        w.grad = mg.tensor(np.ones(shape))
        with pytest.raises(ShapeError, match=r"w \(3,\) has a gradient \("):
            optimizer.step()
    np.testing.assert_array_equal(w.numpy(), np.zeros(3))


def test_a_gradient_may_be_an_array_of_another_dtype():
    w: Any = mg.Tensor(np.ones(2, np.float32), requires_grad=True)
    w.grad = np.ones(2)
    optim.SGD([w], learning_rate=0.5).step()
    assert w.dtype == np.float32
    np.testing.assert_array_equal(w.numpy(), [0.5, 0.5])


def test_zero_grad_forgets():
    parameters = start()
    gradients_of(parameters, ([1.0] * 4, 1.0))
    optimizer = optim.SGD(parameters)
    optimizer.zero_grad()
    assert [p.grad for p in parameters] == [None, None]
    optimizer.step()
    np.testing.assert_array_equal(parameters[0].numpy(), START[0])


# Groups and settings


def test_groups_have_settings_of_their_own():
    w, b = start()
    optimizer = optim.SGD(
        [{"parameters": [w], "learning_rate": 0.5}, {"parameters": iter([b]), "weight_decay": 2.0}],
        learning_rate=0.1,
    )
    gradients_of((w, b), ([1.0] * 4, 1.0))
    optimizer.step()
    np.testing.assert_allclose(w.numpy(), np.array(START[0]) - 0.5)
    np.testing.assert_allclose(b.numpy(), 0.25 - 0.1 * (1.0 + 2.0 * 0.25))
    assert optimizer.learning_rate == 0.5
    optimizer.learning_rate = 0.0
    assert [group["learning_rate"] for group in optimizer.groups] == [0.0, 0.0]
    before = w.numpy()
    optimizer.step()
    np.testing.assert_array_equal(w.numpy(), before)


def test_settings_of_a_group_are_its_own_dict():
    w, b = start()
    given = [{"parameters": [w]}, {"parameters": [b]}]
    optimizer = optim.Adam(given)
    optimizer.groups[0]["beta1"] = 0.5
    assert optimizer.groups[1]["beta1"] == 0.9
    assert given == [{"parameters": [w]}, {"parameters": [b]}]


@pytest.mark.parametrize(
    ("kind", "setting", "value", "said"),
    [
        (optim.SGD, "learning_rate", -0.1, "learning_rate is finite and not negative"),
        (optim.SGD, "learning_rate", np.nan, "learning_rate is finite and not negative"),
        (optim.SGD, "learning_rate", np.inf, "learning_rate is finite and not negative"),
        (optim.SGD, "momentum", 1.0, r"momentum lies in \[0, 1\)"),
        (optim.SGD, "momentum", -0.1, r"momentum lies in \[0, 1\)"),
        (optim.SGD, "weight_decay", -1.0, "weight_decay is finite and not negative"),
        (optim.SGD, "nesterov", True, "nesterov needs a momentum"),
        (optim.Adam, "beta1", 1.0, r"beta1 lies in \[0, 1\)"),
        (optim.Adam, "beta2", -0.5, r"beta2 lies in \[0, 1\)"),
        (optim.AdamW, "eps", -1e-8, "eps is finite and not negative"),
        (optim.AdamW, "beta2", np.nan, r"beta2 lies in \[0, 1\)"),
        (optim.RMSprop, "alpha", 1.5, r"alpha lies in \[0, 1\)"),
        (optim.Adagrad, "eps", np.nan, "eps is finite and not negative"),
    ],
)
def test_settings_out_of_range_are_refused(kind, setting, value, said):
    with pytest.raises(ValueError, match=said):
        kind(start(), **{setting: value})
    with pytest.raises(ValueError, match=said):
        kind([{"parameters": start(), setting: value}])


def test_the_learning_rate_is_checked_when_it_is_set():
    optimizer = optim.SGD(start(), learning_rate=0.5)
    with pytest.raises(ValueError, match="learning_rate is finite and not negative"):
        optimizer.learning_rate = -1.0
    assert optimizer.learning_rate == 0.5


def test_what_can_not_be_trained_is_refused():
    w, b = start()
    wrong: Any
    for wrong in ([], [{"parameters": []}], iter(())):
        with pytest.raises(ValueError, match="SGD has no parameters to train"):
            optim.SGD(wrong)
    for odd in ([w * 2.0], [mg.tensor([1.0])], [np.ones(2)], ["w"], w, [("w", w)]):
        with pytest.raises(ValueError, match="a parameter is a leaf that requires a gradient"):
            optim.SGD(odd)
    with pytest.raises(ValueError, match="w is in two places"):
        optim.SGD([w, b, w])
    with pytest.raises(ValueError, match="w is in two places"):
        optim.SGD([{"parameters": [w]}, {"parameters": [w, b]}])
    with pytest.raises(ValueError, match="SGD has no setting 'lr'"):
        optim.SGD([{"parameters": [w], "lr": 0.1}])
    for group in ({"learning_rate": 0.1}, b):
        with pytest.raises(ValueError, match='a group is a dict with "parameters"'):
            optim.SGD([{"parameters": [w]}, group])


def test_repr_tells_kind_and_settings():
    assert repr(optim.SGD(start(), learning_rate=np.float64(0.5))) == (
        "SGD(2 parameters, learning_rate=0.5, momentum=0.0, nesterov=False, weight_decay=0.0)"
    )


def test_an_optimizer_of_ones_own_needs_only_update():
    class SignDescent(optim.Optimizer):
        def __init__(self, parameters, learning_rate=0.1):
            super().__init__(parameters, learning_rate=learning_rate)

        def update(self, p, g, state, group):
            return p - group["learning_rate"] * np.sign(g)

    w, b = start()
    optimizer = SignDescent([w, b])
    gradients_of((w, b), ([1.0, -2.0, 0.0, 3.0], None))
    optimizer.step()
    np.testing.assert_allclose(w.numpy(), [0.9, -1.9, 0.5, 2.9])
    with pytest.raises(NotImplementedError, match=r"Optimizer has no update\(\)"):
        optim.Optimizer([w]).step()


# State


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_is_saved_and_resumed_is_the_same_run(name, tmp_path):
    (kind, settings), _, _ = CASES[name]
    parameters = start()
    whole = descend(kind(parameters, **settings), parameters, 20)

    parameters = start()
    optimizer = kind(parameters, **settings)
    descend(optimizer, parameters, 8)
    save(tmp_path / "optimizer.npz", optimizer)
    save(tmp_path / "parameters.npz", {p.name: p for p in parameters})

    kept = load(tmp_path / "parameters.npz")
    resumed = [mg.Tensor(kept[name], requires_grad=True) for name in "wb"]
    optimizer = kind(resumed, learning_rate=1)  # an integer must not round what is loaded
    optimizer.load_state_dict(load(tmp_path / "optimizer.npz"))
    np.testing.assert_array_equal(descend(optimizer, resumed, 12, first=8), whole[8:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_a_copy_goes_on_where_the_original_stood(kind, copied):
    parameters = start()
    optimizer = make(kind, parameters)
    descend(optimizer, parameters, 5)
    twins, twin = copied((parameters, optimizer))
    assert twin.groups[0]["parameters"][0] is twins[0]
    path = descend(twin, twins, 5)
    assert not np.shares_memory(twins[0].numpy(), parameters[0].numpy())
    np.testing.assert_array_equal(descend(optimizer, parameters, 5), path)


def test_state_is_copied_both_ways():
    parameters = start()
    optimizer = optim.SGD(parameters, momentum=0.9)
    descend(optimizer, parameters, 2)
    state = optimizer.state_dict()
    velocity = state["0.velocity"].copy()
    state["0.velocity"][...] = 0.0
    np.testing.assert_array_equal(optimizer.state_dict()["0.velocity"], velocity)
    optimizer.load_state_dict(state)
    state["0.velocity"][...] = 9.0
    np.testing.assert_array_equal(optimizer.state_dict()["0.velocity"], np.zeros(4))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("0.m"), "missing: 0.m"),
        (lambda s: s.pop("group.0.beta1"), "missing: group.0.beta1"),
        (lambda s: s.clear(), "missing: group.0."),
        (lambda s: s.update({"2.m": np.zeros(4)}), "unexpected: 2.m"),
        (lambda s: s.update({"-1.m": np.zeros(())}), "unexpected: -1.m"),
        (lambda s: s.update({"0.velocity": np.zeros(4)}), "unexpected: 0.velocity"),
        (lambda s: s.update({"group.1.eps": 0.1}), "unexpected: group.1.eps"),
        (lambda s: s.update({"group.0.parameters": 1}), "unexpected: group.0.parameters"),
        (lambda s: s.update({"0.m": np.zeros(3)}), r"m is of shape \(4,\), not float64 of shape"),
        (lambda s: s.update({"0.t": np.zeros(4)}), r"t is of shape \(\), not float64 of shape"),
        (lambda s: s.update({"0.m": np.array(["a"] * 4)}), r"m is of shape \(4,\), not <U1"),
        (lambda s: s.update({"group.0.beta1": 1.5}), r"beta1 lies in \[0, 1\)"),
        (lambda s: s.update({"group.0.beta1": "x"}), "not supported between"),
        (lambda s: s.update({"group.0.eps": np.zeros(2)}), "size 1"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, said):
    parameters = start()
    optimizer = optim.Adam(parameters)
    descend(optimizer, parameters, 3)
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    state["group.0.learning_rate"] = 0.75
    change(state)
    with pytest.raises(StateError, match=f"state does not fit Adam: .*{said}"):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert list(after) == list(before)
    for name, value in after.items():
        np.testing.assert_array_equal(value, before[name])


def test_the_state_of_another_optimiser_is_refused():
    state = optim.SGD(start(), momentum=0.9).state_dict()
    for kind in KINDS[1:]:
        with pytest.raises(StateError, match="state does not fit"):
            kind(start()).load_state_dict(state)


# Clipping


def norm_of(parameters):
    return np.sqrt(sum(np.sum(p.grad.numpy().astype(float) ** 2) for p in parameters))


def test_clipping_scales_all_gradients_together():
    parameters = start()
    gradients_of(parameters, ([3.0, 0.0, 0.0, 0.0], 4.0))
    old = parameters[0].grad.numpy()
    assert optim.clip_grad_norm(iter(parameters), 10.0) == 5.0
    assert norm_of(parameters) == 5.0
    assert optim.clip_grad_norm(parameters, 1.0) == 5.0
    np.testing.assert_allclose(parameters[0].grad.numpy(), [0.6, 0, 0, 0])
    assert type(parameters[1].grad.numpy()) is np.ndarray
    np.testing.assert_array_equal(old, [3.0, 0.0, 0.0, 0.0])


def test_clipping_agrees_with_torch_where_it_is_installed():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(0, 3, shape) for shape in [(4, 3), (7,), ()]]
    ours: Any = [mg.Tensor(np.zeros(a.shape), requires_grad=True) for a in arrays]
    theirs = [torch.zeros(a.shape, dtype=torch.float64, requires_grad=True) for a in arrays]
    for p, t, a in zip(ours, theirs, arrays, strict=True):
        p.grad, t.grad = mg.tensor(np.array(a)), torch.tensor(a)
    norm = torch.nn.utils.clip_grad_norm_(theirs, 2.0).item()
    np.testing.assert_allclose(optim.clip_grad_norm(ours, 2.0), norm, rtol=1e-14)
    for p, t in zip(ours, theirs, strict=True):
        # PyTorch divides by the norm plus 1e-6.
        np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "size"), [(np.float16, 6e4), (np.float16, 1e-7), (np.float32, 3e38), (float, 1e300)]
)
def test_squares_neither_overflow_nor_underflow(dtype, size):
    w: Any = mg.Tensor(np.zeros(1024), requires_grad=True, dtype=dtype)
    w.grad = mg.tensor(np.full(1024, size, dtype))
    exact = 32 * float(dtype(size))
    np.testing.assert_allclose(optim.clip_grad_norm([w], np.float64(exact / 2)), exact, rtol=1e-6)
    assert w.grad.dtype == dtype
    tolerance = 1e-3 if size > 1 else 0.5  # half of a subnormal is rounded
    np.testing.assert_allclose(w.grad.numpy().astype(float), size / 2, rtol=tolerance)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_told_and_left(bad):
    parameters = start()
    gradients_of(parameters, ([3.0, bad, 0.0, 0.0], 4.0))
    grads = [p.grad for p in parameters]
    with pytest.raises(ValueError, match="the gradient of w is not finite"):
        optim.clip_grad_norm(parameters, 1.0)
    assert all(p.grad is g for p, g in zip(parameters, grads, strict=True))


def test_a_norm_that_overflows_is_told():
    w: Any = mg.Tensor(np.zeros(100), requires_grad=True)
    w.grad = mg.tensor(np.full(100, 1e308))
    with pytest.raises(ValueError, match=r"the norm of gradients as large as 1e\+308 is not"):
        optim.clip_grad_norm([w], 1.0)


def test_nothing_to_clip():
    w, b = start()
    assert optim.clip_grad_norm([w, b], 1.0) == 0.0
    w.grad = mg.tensor(np.zeros(4))
    assert optim.clip_grad_norm([w, b], 1.0) == 0.0
    empty: Any = mg.Tensor(np.zeros((0, 3)), requires_grad=True)
    empty.grad = mg.tensor(np.zeros((0, 3)))
    assert optim.clip_grad_norm([empty], 1.0) == 0.0
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="max_norm is positive"):
            optim.clip_grad_norm([w], bad)


def test_a_plain_array_as_gradient_can_be_clipped():
    w: Any = mg.Tensor(np.zeros(2), requires_grad=True)
    w.grad = np.array([3.0, 4.0])
    assert optim.clip_grad_norm([w], 1.0) == 5.0
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.8])


# Everything together


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_learns(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    network = nn.Sequential(nn.Linear(2, 16, rng=1), mg.tanh, nn.Linear(16, 2, rng=2))
    rate = {optim.SGD: 0.1, optim.Adagrad: 0.1}.get(kind, 0.02)
    optimizer = make(kind, network.parameters(), learning_rate=rate)
    for _ in range(150):
        optimizer.zero_grad()
        mg.cross_entropy(network(x), y).backward()
        optim.clip_grad_norm(network.parameters(), 5.0)
        optimizer.step()
    assert mg.accuracy(network(x), y) > 0.95
