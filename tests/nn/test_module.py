"""Modules: what walking finds, what state holds, and what survives copying."""

import copy
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import ShapeError, StateError
from minigrad.names import MODULES
from minigrad.nn import Buffer, Module, Parameter


def param(*values):
    return Parameter(np.array(values, float))


def names(module):
    return [name for name, _ in module.named_parameters()]


class Pair(NamedTuple):
    left: Any
    right: Any


class Holder(Module):
    """Everything a module may hold, and no call of super().__init__()."""

    def __init__(self):
        self.z = param(1)
        self.number = 3
        self.list = [param(2), nn.Linear(1, 2, bias=False), "text", None]
        self.nested = {"b": (param(3), {"deep": param(4)}), "a": [[param(5)]]}
        self.pair = Pair(param(6), 0)
        self.buffer = Buffer([7.0])
        self.a = param(8)
        self.constant = mg.tensor([9.0], requires_grad=True)

    def forward(self, x):
        return x * self.z * self.a


class Block(Module):
    def __init__(self):
        self.a = nn.Linear(4, 4, rng=0)
        self.b = nn.Linear(4, 4, rng=1)

    def forward(self, x):
        return mg.tanh(self.b(mg.relu(self.a(x))))


def model():
    layers = nn.Normalize(4), Block(), nn.Dropout(0.2, rng=0), mg.relu, nn.Linear(4, 3, rng=2)
    return nn.Sequential(*layers)


X = np.linspace(-1.0, 1.0, 8).reshape(2, 4)


def train(network, steps=3):
    optimizer = optim.Adam(network.parameters(), learning_rate=0.01)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = mg.cross_entropy(network(X), [0, 2])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# Walking


def test_parameters_are_found_in_containers_in_order_of_assignment():
    assert names(Holder()) == [
        "z",
        "list.0",
        "list.1.weight",
        "nested.b.0",
        "nested.b.1.deep",
        "nested.a.0.0",
        "pair.0",
        "a",
    ]
    holder = Holder()
    assert dict(holder.named_buffers()) == {"buffer": holder.buffer}
    assert [id(buffer) for buffer in holder.buffers()] == [id(holder.buffer)]
    assert nn.Linear(2, 2).buffers() == []
    assert [name for name, _ in Holder().named_modules()] == ["", "list.1"]


def test_names_follow_the_order_of_assignment_and_not_the_alphabet():
    module = Module()
    for name in "qazxswedc":
        setattr(module, name, param(0))
    assert names(module) == list("qazxswedc")


def test_parameters_take_their_own_name_from_the_attribute():
    holder = Holder()
    assert [p.name for p in holder.parameters()] == [
        name.rpartition(".")[2] for name in names(holder)
    ]
    called = Holder()
    called(np.ones(1))
    assert (called.z.name, called.a.name) == ("z", "a")
    named = Module()
    named.w = Parameter([1.0], name="kernel")  # type: ignore[attr-defined]
    assert [(n, p.name) for n, p in named.named_parameters()] == [("w", "kernel")]


def test_a_shared_parameter_and_a_shared_module_count_once():
    shared = nn.Linear(2, 2)
    network = nn.Sequential(shared, mg.tanh, shared)
    network.tied = shared.weight  # type: ignore[attr-defined]
    assert names(network) == ["layers.0.weight", "layers.0.bias"]
    assert list(network.state_dict()) == names(network)
    assert [name for name, _ in network.named_modules()] == ["", "layers.0"]
    network(np.ones((1, 2))).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_cycles_end():
    module = Module()
    loop: list[Any] = [param(1)]
    loop.append(loop)
    module.loop, module.me, module.everything = loop, module, vars(module)  # type: ignore[attr-defined]
    child = Module()
    child.parent, child.w = module, param(2)  # type: ignore[attr-defined]
    module.child = child  # type: ignore[attr-defined]
    assert names(module) == ["loop.0", "child.w"]


def test_two_tensors_of_one_name_are_refused_rather_than_lost():
    module = Module()
    module.d = {1: param(1), "1": param(2)}  # type: ignore[attr-defined]
    with pytest.raises(StateError, match=r"two tensors of Module are called 'd\.1'"):
        module.state_dict()


def test_what_is_added_later_is_found():
    network = nn.Sequential(nn.Linear(4, 4))
    network(X)
    network.layers.append(nn.Linear(4, 2))
    assert names(network)[2:] == ["layers.1.weight", "layers.1.bias"]
    assert str(network(X).node.scope) == "Sequential.layers.1 (Linear(4 → 2))"


def test_missing_attributes_and_missing_forward_raise():
    with pytest.raises(AttributeError, match="nothing"):
        _ = Holder().nothing  # type: ignore[attr-defined]
    with pytest.raises(NotImplementedError, match=r"Module has no forward\(\)"):
        Module()(X)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_method_of_pytorchs_is_told_what_there_is(name):
    with pytest.raises(AttributeError, match=f"^Linear has no '{name}': ") as error:
        getattr(nn.Linear(2, 2), name)
    assert MODULES[name] in str(error.value)
    assert not hasattr(nn.Sequential(), name)


SAID = {
    "children": "[m for _, m in module.named_modules()]",
    "modules": "[m for _, m in module.named_modules()]",
    "named_children": "list(module.named_modules())[1:]",
    "get_submodule": "dict(module.named_modules())[path]",
    "get_parameter": "dict(module.named_parameters())[path]",
    "get_buffer": "dict(module.named_buffers())[path]",
    "register_forward_hook": "f = module.forward; module.forward = lambda x: hook(f(x))",
    "register_forward_pre_hook": "f = module.forward; module.forward = lambda x: f(hook(x))",
    "register_backward_hook": "y = module(x); y.register_hook(hook)",
    "register_full_backward_hook": "y = module(x); y.register_hook(hook)",
    "register_full_backward_pre_hook": "y = module(x); y.register_hook(hook)",
}


def told(name, **given):
    """Run what is said of a method that is not here."""
    assert SAID[name] in MODULES[name]
    code, _, value = SAID[name].rpartition("; ")
    if " = " in value:
        code, value = SAID[name], "None"
    exec(code, given)
    return eval(value, given), given


def test_what_is_told_of_finding_the_parts_of_a_module_finds_them():
    block, holder = Block(), Holder()
    every = [block, block.a, block.b]
    assert [id(m) for m in told("modules", module=block)[0]] == [*map(id, every)]
    assert [id(m) for m in told("children", module=block)[0]] == [*map(id, every)]
    assert told("named_children", module=block)[0] == [("a", block.a), ("b", block.b)]
    assert told("get_submodule", module=block, path="b")[0] is block.b
    assert told("get_parameter", module=block, path="b.weight")[0] is block.b.weight
    assert told("get_buffer", module=holder, path="buffer")[0] is holder.buffer


def test_what_is_told_of_hooks_hooks_in():
    seen: list[Any] = []

    def hook(x):
        seen.append(x)
        return x * 2.0

    layer, x = nn.Linear(4, 3, rng=0), mg.tensor(X)
    plain = layer(x).numpy()
    told("register_forward_hook", module=layer, hook=hook)
    np.testing.assert_allclose(layer(x).numpy(), 2.0 * plain)
    np.testing.assert_array_equal(seen[0].numpy(), plain)
    layer = nn.Linear(4, 3, rng=0, bias=False)
    plain = layer(x).numpy()
    told("register_forward_pre_hook", module=layer, hook=hook)
    np.testing.assert_allclose(layer(x).numpy(), 2.0 * plain, rtol=1e-6)
    assert seen[1] is x
    for name in ("register_backward_hook", "register_full_backward_hook"):
        layer = nn.Linear(4, 3, rng=0)
        _, given = told(name, module=layer, x=x, hook=seen.append)
        given["y"].sum().backward()
        np.testing.assert_array_equal(seen[-1].numpy(), np.ones((2, 3)))
        assert layer.weight.grad is not None


def test_every_name_of_torchs_modules_is_here_or_told():
    torch = pytest.importorskip("torch")
    layer, inside = nn.Linear(2, 2), {"T_destination", "call_super_init", "dump_patches"}
    theirs = {name for name in dir(torch.nn.Linear(2, 2)) if name[0] != "_"}
    assert {name for name in theirs - inside if not hasattr(layer, name)} <= MODULES.keys()


def test_an_error_inside_a_property_is_the_one_that_is_seen():
    class Broken(Module):
        @property
        def width(self):
            return self.girth  # type: ignore[attr-defined]

    with pytest.raises(AttributeError, match="no attribute 'girth'"):
        Broken().width  # noqa: B018


# Modes, gradients, apply


def test_modes_reach_every_module_and_can_be_chained():
    network = model()
    assert all(module.training for _, module in network.named_modules())
    assert network.eval() is network
    assert not any(module.training for _, module in network.named_modules())
    assert network.train() is network
    assert all(module.training for _, module in network.named_modules())
    assert Module.training is True


def test_apply_visits_every_module_and_returns_the_module():
    seen: list[Module] = []
    network = model()
    assert network.apply(seen.append) is network
    assert [type(module).__name__ for module in seen] == [
        "Sequential",
        "Normalize",
        "Block",
        "Linear",
        "Linear",
        "Dropout",
        "Linear",
    ]


def test_zero_grad_forgets():
    network = model()
    network(X).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    network.zero_grad()
    assert all(p.grad is None for p in network.parameters())


def test_buffers_are_saved_and_never_trained():
    holder = Holder()
    assert "buffer" in holder.state_dict()
    assert id(holder.buffer) not in map(id, holder.parameters())
    assert not holder.buffer.requires_grad
    assert isinstance(holder.buffer, mg.Tensor)


# State


def test_state_goes_out_and_comes_back():
    source, target = model(), nn.Sequential(*model().layers)
    train(source)
    state = source.state_dict()
    target.load_state_dict(state)
    for name, value in target.state_dict().items():
        np.testing.assert_array_equal(value, state[name], strict=True)
    np.testing.assert_array_equal(source.eval()(X).numpy(), target.eval()(X).numpy())


def test_state_is_copied_both_ways():
    network = nn.Linear(2, 2, rng=0)
    before = network.weight.numpy().copy()
    state = network.state_dict()
    state["weight"][...] = 7.0
    np.testing.assert_array_equal(network.weight.numpy(), before)
    network.load_state_dict(state)
    state["weight"][...] = 8.0
    np.testing.assert_array_equal(network.weight.numpy(), np.full((2, 2), 7.0))


def test_loading_takes_the_dtype_of_the_parameter_and_keeps_its_identity():
    network = nn.Linear(2, 1)
    weight = network.weight
    network.load_state_dict({"weight": [[1], [2]], "bias": np.array([0.5], np.float64)})
    assert network.weight is weight
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight.numpy(), [[1.0], [2.0]])
    assert weight.requires_grad


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("bias"), "missing: bias"),
        (lambda s: s.update(extra=np.zeros(1)), "unexpected: extra"),
        (lambda s: s.update(bias=np.zeros(4)), r"bias: shape \(4,\) in the state, \(3,\) here"),
        (lambda s: s.update(bias=np.zeros((1, 3))), r"bias: shape \(1, 3\)"),
        (lambda s: s.update(weight=s["weight"].T), r", \(2, 3\) here, as in PyTorch: transpose it"),
        (lambda s: s.update(bias=np.array(["a"] * 3)), "bias: dtype <U1 is not numeric"),
        (lambda s: s.update(bias=np.zeros(3, complex)), "bias: dtype complex128 is not numeric"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, said):
    network = nn.Linear(2, 3, rng=0)
    before = network.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    change(state)
    with pytest.raises(StateError, match=f"state does not fit Linear: .*{said}"):
        network.load_state_dict(state)
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_all_problems_are_told_at_once():
    with pytest.raises(StateError) as info:
        nn.Linear(2, 3).load_state_dict({"weight": np.zeros((3, 2)), "other": 1})
    for said in ("missing: bias", "unexpected: other", "weight: shape (3, 2)"):
        assert said in str(info.value)


def test_without_strict_only_names_may_differ():
    network = nn.Linear(2, 3, rng=0)
    network.load_state_dict({"bias": np.ones(3), "other": 1}, strict=False)
    np.testing.assert_array_equal(network.bias.numpy(), np.ones(3))  # type: ignore[union-attr]
    with pytest.raises(StateError, match="bias: shape"):
        network.load_state_dict({"bias": np.ones(2)}, strict=False)


def test_a_graph_keeps_the_values_from_before_loading():
    network = nn.Linear(2, 1, bias=False, dtype=float, rng=0)
    x = mg.Tensor(np.ones((1, 2)), requires_grad=True)
    before = network.weight.numpy().copy()
    out = network(x)
    network.load_state_dict({"weight": np.zeros((2, 1))})
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), before.T)  # type: ignore[union-attr]


# Scopes


def scopes(out):
    found, pending = set(), [out.node]
    while pending:
        node = pending.pop()
        if node.primitive is not None:
            found.add(str(node.scope))
        pending += [parent for parent in node.parents if parent is not None]
    return sorted(found)


SCOPES = [
    "Sequential.layers.1 (Block)",
    "Sequential.layers.1.a (Linear(4 → 4))",
    "Sequential.layers.1.b (Linear(4 → 4))",
    "Sequential.layers.2.dropout",
    "Sequential.layers.3 (relu)",
    "Sequential.layers.4 (Linear(4 → 3))",
]


def test_every_op_knows_the_module_it_was_recorded_in():
    network = model()
    assert scopes(network(X)) == SCOPES
    assert scopes(network(X)) == SCOPES  # what the first call found is remembered
    assert mg.tanh(network.layers[1].a.weight).node.scope is None


def test_scopes_of_ones_own_stand_around_and_between_modules():
    class Encoder(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(4, 2)

        def forward(self, x):
            with mg.scope("first"), mg.scope("half"):
                return self.inner(x)

    with mg.scope("outer"):
        out = nn.Sequential(Encoder())(X)
    assert scopes(out) == ["outer.Sequential.layers.0.first.half.inner (Linear(4 → 2))"]


def test_a_part_called_alone_is_a_root_of_its_own():
    block = Block()
    assert scopes(block(mg.tensor(X)))[0] == "Block (Block)"
    network = nn.Sequential(block)
    assert "Sequential.layers.0.a (Linear(4 → 4))" in scopes(network(X))


def test_a_scope_is_left_when_a_module_raises():
    network = nn.Sequential(nn.Linear(4, 3), mg.relu, nn.Sequential(nn.Linear(4, 2)))
    for _ in range(2):
        with pytest.raises(ShapeError) as info:
            network(X)
        assert str(info.value) == (
            "matmul: a (2, 3) @ weight (4, 2): a axis 1 is 3, but weight axis 0 is 4\n"
            "  in Sequential.layers.2.layers.0 (Linear(4 → 2))\n"
            "  a came from relu in Sequential.layers.1 (relu)"
        )
    assert mg.Tensor(1.0, requires_grad=True).sum().node.scope is None


def test_other_errors_name_the_module_too():
    network = nn.Sequential(nn.Linear(4, 3), lambda x: x.reshape(7))
    with pytest.raises(ValueError, match="cannot reshape") as info:
        network(X)
    assert "in Sequential.layers.1 (<lambda>)" in "".join(info.value.__notes__)


# Copies


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("called", [False, True])
def test_a_copy_is_the_same_model_and_independent_of_it(copied, called):
    network = model()
    if called:
        train(network)
    twin = copied(network)
    assert repr(twin) == repr(network)
    assert names(twin) == names(network)
    assert twin.layers[3] is mg.relu
    state = network.state_dict()
    for name, value in twin.state_dict().items():
        np.testing.assert_array_equal(value, state[name], strict=True)
    assert scopes(twin(X)) == SCOPES
    train(twin)
    for name, value in network.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    assert any((value != state[name]).any() for name, value in twin.state_dict().items())
    assert all(p.name in ("weight", "bias") for p in twin.parameters())


def test_copies_keep_what_is_shared_shared():
    shared = nn.Linear(2, 2)
    network = nn.Sequential(shared, shared)
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert twin.layers[0] is twin.layers[1]
        assert twin.layers[0] is not shared
        assert len(twin.parameters()) == 2


def test_frozen_parameters_stay_frozen():
    network = nn.Linear(2, 2)
    network.weight.requires_grad = False
    twin: Any
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert not twin.weight.requires_grad
        assert twin.bias.requires_grad


# How they show themselves


def test_repr():
    assert repr(model()) == (
        "Sequential(5)\n"
        "  (layers.0): Normalize(4, minmax)\n"
        "  (layers.1): Block\n"
        "    (a): Linear(4 → 4)\n"
        "    (b): Linear(4 → 4)\n"
        "  (layers.2): Dropout(0.2)\n"
        "  (layers.4): Linear(4 → 3)"
    )
    assert repr(param(1, 2)) == "Parameter([1., 2.], dtype=float64, requires_grad=True)"


SUMMARY = """\
module          kind                   output  parameters   kept
                Sequential(5)          (2, 3)          55  128 B
  layers.0      Normalize(4, minmax)   (2, 4)           0    0 B
  layers.1      Block                  (2, 4)          40   96 B
    layers.1.a  Linear(4 → 4)          (2, 4)          20   32 B
    layers.1.b  Linear(4 → 4)          (2, 4)          20   32 B
  layers.2      Dropout(0.2)           (2, 4)           0    0 B
  layers.4      Linear(4 → 3)          (2, 3)          15   32 B
total: 55 parameters, 220 bytes; kept for backward: 128 bytes"""

FAILED = """\
module                 kind            output  parameters  kept
                       Sequential(4)   failed          28  32 B
  layers.0             Linear(4 → 3)   (2, 3)          15  32 B
  layers.2             Sequential(1)   failed          10   0 B
    layers.2.layers.0  Linear(4 → 2)   failed          10   0 B
total: 28 parameters, 112 bytes; kept for backward: 32 bytes
ShapeError: matmul: a (2, 3) @ weight (4, 2): a axis 1 is 3, but weight axis 0 is 4
  in Sequential.layers.2.layers.0 (Linear(4 → 2))
  a came from relu in Sequential.layers.1 (relu)"""


def test_summary():
    network = model()
    network.layers[1].eval()
    assert str(network.summary(X)) == SUMMARY
    assert [m.training for _, m in network.named_modules()] == [
        True,
        True,
        *[False] * 3,
        True,
        True,
    ]
    assert all(p.grad is None for p in network.parameters())


def test_summary_of_a_model_that_fails_midway_shows_how_far_it_got():
    network = nn.Sequential(
        nn.Linear(4, 3), mg.relu, nn.Sequential(nn.Linear(4, 2)), nn.Linear(2, 1)
    )
    assert str(network.summary(X)) == FAILED
    assert all(module.training for _, module in network.named_modules())
    network.layers[2] = nn.Linear(3, 2)
    assert network(X).shape == (2, 1)


def test_summary_follows_a_failure_that_the_model_survives():
    class Careful(Module):
        def __init__(self):
            self.wrong, self.right = nn.Linear(3, 2), nn.Linear(4, 2)

        def forward(self, x):
            try:
                return self.wrong(x)
            except ShapeError:
                return self.right(x), [x]

    class Counting(Module):
        def forward(self, x):
            return {"rows": len(x)}

    assert [row.output for row in Counting().summary(X).rows] == ["dict"]
    rows = Careful().summary(X).rows
    assert [(row.name, row.depth, row.output) for row in rows] == [
        ("", 0, "(2, 2), (2, 4)"),
        ("wrong", 1, "failed"),
        ("right", 1, "(2, 2)"),
    ]


def test_summary_counts_what_backward_keeps_and_shows_time_if_asked():
    network = nn.Sequential(nn.Linear(4, 3, dtype=float), mg.tanh, nn.Linear(3, 2, dtype=float))
    summary = network.summary(X)
    # The input, and the output of tanh, which the second layer keeps as well.
    assert summary.kept == summary.rows[0].kept == X.nbytes + 2 * 3 * 8
    with mg.no_grad():
        assert network.summary(X).kept == summary.kept
    assert all(row.seconds > 0 for row in summary.rows)
    shown = str(network.summary(X, time=True)).splitlines()
    assert shown[0].split()[-2:] == ["kept", "time"]
    assert shown[1].endswith("100%")
    assert all(p.grad is None for p in network.parameters())

    class Twice(Module):
        def __init__(self):
            self.layer = nn.Linear(4, 4, dtype=float)

        def forward(self, x):
            return {"rows": self.layer(mg.exp(self.layer(x)))}

    twice = Twice().summary(X)
    assert [row.name for row in twice.rows] == ["", "layer", "layer"]
    assert [row.kept for row in twice.rows] == [2 * X.nbytes, 2 * X.nbytes, 0]
