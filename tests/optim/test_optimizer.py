"""Optimisers: gradients, groups, settings, state, and what must be refused."""

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import ShapeError, StateError
from minigrad.names import OPTIM, OPTIMIZERS
from minigrad.serialize import load, save
from tests.optim.trajectories import CASES, KINDS, START, descend, gradients_of, make, start

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
        (optim.SGD, "nesterov", True, "nesterov needs a momentum, and no dampening"),
        (optim.Adagrad, "initial_accumulator_value", -1.0, "value is finite and not negative"),
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
    with pytest.raises(ValueError, match="SGD has no setting 'lr': write 'learning_rate'"):
        optim.SGD([{"parameters": [w], "lr": 0.1}])
    for group in ({"learning_rate": 0.1}, b):
        with pytest.raises(ValueError, match='a group is a dict with "parameters"'):
            optim.SGD([{"parameters": [w]}, group])
    with pytest.raises(ValueError, match=r"not with 'params', 'lr'$"):
        optim.SGD([{"params": [w], "lr": 0.1}])
    with pytest.raises(TypeError, match=r"SGD takes parameters: pass model\.parameters\(\)"):
        optim.SGD(mg.nn.Linear(2, 3))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"beta1 is one number, not \(0\.9, 0\.99\)"):
        optim.Adam([w], 1e-3, (0.9, 0.99))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no parameter 'betas': write beta1= and beta2="):
        optim.Adam([w], betas=(0.9, 0.99))  # type: ignore[call-arg]


def test_repr_tells_kind_and_settings():
    assert repr(optim.SGD(start(), learning_rate=np.float64(0.5))) == (
        "SGD(2 parameters, learning_rate=0.5, momentum=0.0, nesterov=False, weight_decay=0.0, "
        "dampening=0.0, maximize=False)"
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
    with pytest.raises(StateError, match="state does not fit LBFGS"):
        optim.LBFGS(start()).load_state_dict(state)


# Everything together


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_learns(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    network = nn.Sequential(nn.Linear(2, 16, rng=1), mg.tanh, nn.Linear(16, 2, rng=2))
    rates = {optim.SGD: 0.1, optim.Adagrad: 0.1, optim.Adadelta: 2.0, optim.Lion: 0.01}
    rate = rates.get(kind, 0.02)
    optimizer = make(kind, network.parameters(), learning_rate=rate)
    for _ in range(150):
        optimizer.zero_grad()
        mg.cross_entropy(network(x), y).backward()
        optim.clip_grad_norm(network.parameters(), 5.0)
        optimizer.step()
    assert mg.accuracy(network(x), y) > 0.95


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_attribute_of_pytorchs_is_told_what_there_is(name):
    optimizer = optim.SGD([mg.tensor([1.0], requires_grad=True)], 0.1)
    for owner in (optimizer, optim.StepLR(optimizer, 2)):
        kind = type(owner).__name__
        with pytest.raises(AttributeError) as caught:
            getattr(owner, name)
        assert str(caught.value) == f"{kind} has no {name!r}: {OPTIMIZERS[name]}"
        with pytest.raises(AttributeError, match=f"'{kind}' object has no attribute 'rates'"):
            getattr(owner, "rates")  # noqa: B009
        copy.deepcopy(owner)
    with pytest.raises(AttributeError, match=f"SGD has no {name!r}"):
        setattr(optimizer, name, 0.5)


def test_an_optimiser_of_ones_own_may_have_an_attribute_of_pytorchs():
    class Mine(optim.Optimizer):
        def __init__(self, parameters, lr):
            super().__init__(parameters, learning_rate=lr)
            self.lr = lr

        def update(self, p, g, state, group):
            return p - self.lr * g

    w = mg.tensor([1.0], requires_grad=True)
    mine = Mine([w], 0.5)
    (w * 2.0).backward()
    mine.step()
    assert (w.item(), mine.lr, copy.deepcopy(mine).lr) == (0.0, 0.5, 0.5)
    with pytest.raises(
        AttributeError, match=r"Mine has no 'param_groups': write optimizer\.groups"
    ):
        mine.param_groups  # type: ignore[attr-defined]  # noqa: B018


def test_every_name_of_torchs_optimisers_and_schedules_is_here_or_told():
    torch = pytest.importorskip("torch")
    optimizer = optim.SGD([mg.tensor([1.0], requires_grad=True)], 0.1)
    theirs = torch.optim.SGD([torch.ones(1)], 0.1)
    both: list[tuple[Any, Any]] = [(optimizer, theirs)]
    both += [(optim.StepLR(optimizer, 2), torch.optim.lr_scheduler.StepLR(theirs, 2))]
    inside = {"OptimizerPreHook", "OptimizerPostHook", "profile_hook_step"}
    for ours, other in both:
        names = {name for name in dir(other) if name[0] != "_"} - inside
        assert {name for name in names if not hasattr(ours, name)} <= OPTIMIZERS.keys()
    names = {n for n, v in vars(torch.optim).items() if isinstance(v, type)}
    scheduler = vars(torch.optim.lr_scheduler)
    names |= {n for n in scheduler if n.endswith(("LR", "Scheduler", "Plateau", "Restarts"))}
    assert {name for name in names if name[0] != "_" and not hasattr(optim, name)} <= OPTIM.keys()


@pytest.mark.parametrize("name", OPTIM)
def test_what_pytorchs_optim_has_besides_is_told(name):
    with pytest.raises(AttributeError) as caught:
        getattr(optim, name)
    assert str(caught.value) == f"minigrad.optim has no {name!r}: {OPTIM[name]}"


def test_what_is_told_of_schedules_and_settings_is_there():
    optimizer = optim.SGD([mg.tensor([1.0], requires_grad=True)], 0.1)
    schedule = optim.StepLR(optimizer, 1, gamma=0.5)
    schedule.step()
    assert (schedule.count, schedule.initial, optimizer.learning_rate) == (1, [0.1], 0.05)
    assert optimizer.groups[0]["momentum"] == 0.0
    for owner in (optim.ChainedScheduler([schedule]), optim.SequentialLR([schedule], [])):
        with pytest.raises(AttributeError, match=r"has no 'base_lrs': a schedule has them as sch"):
            owner.base_lrs  # type: ignore[union-attr]  # noqa: B018


def test_the_means_that_are_told_are_those_of_torch():
    torch = pytest.importorskip("torch")
    model, steps = mg.nn.Linear(2, 1, rng=0, dtype=float), np.random.default_rng(0)
    theirs: Any = torch.nn.Linear(2, 1, dtype=torch.float64)
    means = torch.optim.swa_utils.AveragedModel(theirs)
    given: dict[str, Any] = {"model": model, "mean": model.state_dict()}
    recipe = "{k: mean[k] + (v - mean[k]) / n for k, v in model.state_dict().items()}"
    assert f"mean = {recipe}, which" in OPTIM["swa_utils"]
    for n in range(1, 5):
        state = {k: steps.normal(size=v.shape) for k, v in model.state_dict().items()}
        model.load_state_dict(state)
        theirs.weight.data[...] = torch.tensor(state["weight"].T)
        means.update_parameters(theirs)
        given |= {"n": n}
        given["mean"] = eval(recipe, given)
    model.load_state_dict(given["mean"])
    np.testing.assert_allclose(model.weight.numpy().T, means.module.weight.detach(), rtol=1e-12)


def test_a_name_that_is_not_here_is_told():
    with pytest.raises(
        AttributeError, match=r"Rprop': it is not offered, and is not RMSprop: mg.optim"
    ):
        optim.Rprop  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="no 'SGDM': did you mean 'SGD'"):
        optim.SGDM  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"minigrad.optim has no 'Shampoo'$"):
        optim.Shampoo  # type: ignore[attr-defined]  # noqa: B018


def test_a_signature_tells_the_settings():
    assert list(inspect.signature(optim.AdamW).parameters) == [
        "parameters", "learning_rate", "beta1", "beta2", "eps", "weight_decay",
        "amsgrad", "maximize",
    ]  # fmt: skip
    assert inspect.signature(optim.AdamW).parameters["weight_decay"].default == 0.01
    assert inspect.signature(optim.Adam).parameters["weight_decay"].default == 0.0
    with pytest.raises(TypeError, match=r"Adam.* no parameter 'lr': write learning_rate="):
        optim.Adam(start(), lr=0.1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'parameters'"):
        optim.Adam()  # type: ignore[call-arg]
    optimizer = optim.Adam(start(), 0.5, 0.8)
    assert (optimizer.groups[0]["learning_rate"], optimizer.groups[0]["beta1"]) == (0.5, 0.8)


def test_defaults_are_those_that_are_documented():
    w, _ = start()
    assert [repr(kind([w])) for kind in KINDS] == [
        "SGD(1 parameters, learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=0.0, "
        "dampening=0.0, maximize=False)",
        "Adam(1 parameters, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-08, "
        "weight_decay=0.0, amsgrad=False, maximize=False)",
        "AdamW(1 parameters, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-08, "
        "weight_decay=0.01, amsgrad=False, maximize=False)",
        "RMSprop(1 parameters, learning_rate=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, "
        "momentum=0.0, centered=False, maximize=False)",
        "Adagrad(1 parameters, learning_rate=0.01, eps=1e-10, weight_decay=0.0, "
        "learning_rate_decay=0.0, initial_accumulator_value=0.0, maximize=False)",
        "Adadelta(1 parameters, learning_rate=1.0, rho=0.9, eps=1e-06, weight_decay=0.0, "
        "maximize=False)",
        "Adamax(1 parameters, learning_rate=0.002, beta1=0.9, beta2=0.999, eps=1e-08, "
        "weight_decay=0.0, maximize=False)",
        "NAdam(1 parameters, learning_rate=0.002, beta1=0.9, beta2=0.999, eps=1e-08, "
        "weight_decay=0.0, momentum_decay=0.004, decoupled_weight_decay=False, maximize=False)",
        "Lion(1 parameters, learning_rate=0.0001, beta1=0.9, beta2=0.99, weight_decay=0.0, "
        "maximize=False)",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_to_maximise_is_to_minimise_the_opposite(kind):
    up, down = start(), start()
    upwards, downwards = make(kind, up, maximize=True), make(kind, down)
    rng = np.random.default_rng(0)
    for _ in range(5):
        gradients = rng.normal(size=4), rng.normal()
        gradients_of(up, gradients)
        gradients_of(down, [-g for g in gradients])
        upwards.step()
        downwards.step()
    np.testing.assert_array_equal(up[0].numpy(), down[0].numpy())


def test_a_spread_that_rounding_makes_negative_is_none():
    w: Any = mg.tensor([1.0], requires_grad=True)
    optimizer = optim.RMSprop([w], alpha=0.1, centered=True)
    for _ in range(40):  # a gradient that does not vary
        w.grad = mg.tensor([0.1])
        optimizer.step()
    assert np.isfinite(w.numpy()).all()
