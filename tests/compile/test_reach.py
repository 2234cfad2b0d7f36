"""Wherever Python may hold state, a change of it is seen at the next call."""

import array
import collections
import contextvars
import ctypes
import functools
import io
import itertools
import os
import random
import sys
import threading
import types
import weakref
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.compile import CompileError
from minigrad.compile.reach import is_users
from tests.compile.steps import batches, network, training

X = np.arange(6.0).reshape(2, 3) + 1
NUMBER = 2.0
VARIABLE = contextvars.ContextVar("VARIABLE", default=2.0)
PACKAGE: Any = types.ModuleType("package")
PACKAGE.config = types.ModuleType("package.config")
PACKAGE.config.rate = 2.0
sys.modules["package_of_settings"] = PACKAGE


class Settings:
    """State of a class."""

    rates = [2.0]  # noqa: RUF012
    array = np.full(3, 2.0)

    def scaled(self, x):
        return x * 2.0


class Held:
    """A descriptor with a value of its own."""

    def __init__(self):
        self.value = 2.0

    def __get__(self, instance, owner):
        return self.value


class Holder:
    held = Held()


class Names(dict[str, float]):
    """A dict with attributes."""


def in_a_list_of_a_class():
    return lambda x: x * Settings.rates[0], lambda: Settings.rates.__setitem__(0, 5.0)


def in_an_array_of_a_class():
    return lambda x: x * Settings().array, lambda: Settings.array.__setitem__(0, 5.0)


def in_a_method():
    settings = Settings()

    def change():
        Settings.scaled = lambda self, x: x * 5.0  # type: ignore[method-assign]

    return lambda x: settings.scaled(x), change


def in_a_descriptor():
    return lambda x: x * Holder().held, lambda: setattr(vars(Holder)["held"], "value", 5.0)


def in_a_default():
    def function(x, rate=2.0):
        return x * rate

    return function, lambda: setattr(function, "__defaults__", (5.0,))


def in_a_list_that_is_a_default():
    array = np.full(3, 2.0)

    def function(x, rates=(2.0, array)):  # a tuple, whose arrays are inputs
        return x * rates[1]

    return function, lambda: array.__setitem__(0, 5.0)


def in_a_default_by_keyword():
    def function(x, *, rate=2.0):
        return x * rate

    return function, lambda: setattr(function, "__kwdefaults__", {"rate": 5.0})


def in_code():
    def inner(x):
        return x * 2.0

    def other(x):
        return x * 5.0

    return lambda x: inner(x), lambda: setattr(inner, "__code__", other.__code__)


def in_an_attribute_of_a_dict():
    names: Any = Names()
    names.rate = 2.0
    return lambda x: x * names.rate, lambda: setattr(names, "rate", 5.0)


def in_a_set():
    rate = mg.tensor(2.0)
    rates = {rate}
    return lambda x: x * sum(rates), lambda: setattr(rate, "data", np.array(5.0))


def in_a_frozen_set():
    rate = mg.tensor(2.0)
    rates = frozenset([rate])
    return lambda x: x * sum(rates), lambda: setattr(rate, "data", np.array(5.0))


def in_an_object_of_a_set():
    settings: Any = Settings()
    settings.rate = 2.0
    every = {settings}
    return lambda x: x * sum(s.rate for s in every), lambda: setattr(settings, "rate", 5.0)


def in_a_key_of_a_dict():
    rate = mg.tensor(2.0)
    counts = {rate: 1}
    return lambda x: x * sum(counts), lambda: setattr(rate, "data", np.array(5.0))


def in_an_array_of_a_queue():
    rate = np.full(3, 2.0)
    queue = collections.deque([(rate, "name")])
    return lambda x: x * queue[0][0], lambda: rate.__setitem__(0, 5.0)


def in_a_tensor_of_an_array():
    rates = np.empty(1, object)
    rates[0] = mg.tensor(2.0)
    return lambda x: x * rates[0], lambda: setattr(rates[0], "data", np.array(5.0))


def in_an_attribute_of_a_queue():
    class Queue(collections.deque[float]):
        rate = 2.0

    queue: Any = Queue([1.0])
    queue.rate = 2.0
    return lambda x: x * queue.rate, lambda: setattr(queue, "rate", 5.0)


def in_memory():
    rate: Any = np.full(3, 2.0)
    view = memoryview(rate)
    return lambda x: x * view[0], lambda: rate.fill(5.0)


def in_a_number_of_c():
    rate = ctypes.c_double(2.0)
    return lambda x: x * rate.value, lambda: setattr(rate, "value", 5.0)


def of_weight(change, hook=None):
    """A step that gives the gradient of a weight, which stands beside another one."""
    weight, other = (mg.tensor(np.full(3, 2.0), requires_grad=True) for _ in range(2))
    remove = hook and weight.register_hook(hook)

    def function(x):
        weight.grad = other.grad = None
        (weight * other * x).sum().backward()
        return x * 0.0 if weight.grad is None else weight.grad

    return function, lambda: change(weight, remove)


def in_a_frozen_weight():
    return of_weight(lambda weight, _: setattr(weight, "requires_grad", False))


def in_a_new_hook():
    return of_weight(lambda weight, _: weight.register_hook(lambda g: g * 5.0))


def in_a_hook_that_is_removed():
    return of_weight(lambda _, remove: remove(), lambda g: g * 5.0)


def in_what_a_hook_reads():
    rates = {"a": 2.0}
    return of_weight(lambda *_: rates.update(a=5.0), lambda g: g * rates["a"])


def behind_the_values_of_a_dict():
    rates = {"a": 2.0}
    values = rates.values()
    return lambda x: x * sum(values), lambda: rates.update(a=5.0)


def behind_a_bound_method():
    rates = {"a": 2.0}
    read = rates.get
    return lambda x: x * read("a", 0.0), lambda: rates.update(a=5.0)


def behind_a_read_only_view():
    rates = {"a": 2.0}
    view = types.MappingProxyType(rates)
    return lambda x: x * view["a"], lambda: rates.update(a=5.0)


def behind_a_weak_reference():
    settings: Any = Settings()
    settings.rate, settings.keep = 2.0, settings
    reference: Any = weakref.ref(settings)
    return lambda x: x * reference().rate, lambda: setattr(settings, "rate", 5.0)


def behind_a_cache():
    rates = ["two"]
    lengths = functools.lru_cache(lambda: 2.0 if rates[0] == "two" else 5.0)

    def change():
        rates[0] = "five"
        lengths.cache_clear()

    return lambda x: x * lengths(), change


def in_a_module_of_a_module():
    return lambda x: x * PACKAGE.config.rate, lambda: setattr(PACKAGE.config, "rate", 5.0)


def in_a_module_imported_inside():
    def function(x):
        from package_of_settings import config  # type: ignore[import-not-found]

        return x * config.rate

    return function, lambda: setattr(PACKAGE.config, "rate", 5.0)


def in_a_context():
    return lambda x: x * VARIABLE.get(), lambda: VARIABLE.set(5.0)


def in_a_thread_local():
    local = threading.local()
    local.rate = 2.0
    return lambda x: x * local.rate, lambda: setattr(local, "rate", 5.0)


def in_the_environment():
    return (
        lambda x: x * float(os.environ.get("RATE_OF_A_TEST", "2")),
        lambda: os.environ.__setitem__("RATE_OF_A_TEST", "5"),
    )


def in_a_global_by_its_name():
    return lambda x: x * globals()["NUMBER"], lambda: globals().update(NUMBER=5.0)


def in_a_global_that_appears():
    def function(x):
        return x * (APPEARS if "APPEARS" in globals() else 2.0)  # type: ignore[name-defined] # noqa: F821

    return function, lambda: globals().update(APPEARS=5.0)


def in_a_global_before_a_builtin():
    return lambda x: x * abs(-2.0), lambda: globals().update(abs=lambda x: 5.0)


def in_a_variable_that_appears():
    def function(x):
        try:
            return x * later
        except NameError:
            return x

    def change():
        cells: Any = function.__closure__
        cells[0].cell_contents = 5.0

    if len(X) > 2:  # it never is: the variable has no value yet
        later = 0.0
    return function, change


def in_an_array_of_text():
    words = np.array(["two", "five"])
    return lambda x: x * (2.0 if words[0] == "two" else 5.0), lambda: words.__setitem__(0, "six")


def in_an_array_of_objects():
    things = np.array([2.0, "five"], dtype=object)
    return lambda x: x * things[0], lambda: things.__setitem__(0, 5.0)


PLACES = {
    name: make
    for name, make in vars().items()
    if name.startswith(("in_", "behind_")) and callable(make)
}


@pytest.fixture
def restored(monkeypatch):
    """Put back what a change of a class, of globals or of the environment left."""
    monkeypatch.setattr(Settings, "rates", [2.0])
    monkeypatch.setattr(Settings, "array", np.full(3, 2.0))
    monkeypatch.setattr(Settings, "scaled", Settings.scaled)
    monkeypatch.setattr(PACKAGE.config, "rate", 2.0)
    monkeypatch.delenv("RATE_OF_A_TEST", raising=False)
    before = dict(globals())
    yield
    os.environ.pop("RATE_OF_A_TEST", None)
    globals().update(before)
    for name in globals().keys() - before.keys():
        del globals()[name]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("place", PLACES)
def test_a_change_is_seen(place):
    function, change = PLACES[place]()
    compiled = mg.compile(function)

    def agree(first):
        for k in range(first, first + 4):
            np.testing.assert_array_equal(compiled(X + k), function(X + k))
        return compiled.traces

    def run():
        settled = agree(0)
        before = np.array(function(X))
        change()
        assert not np.array_equal(function(X), before)
        agree(4)
        assert settled < 4

    contextvars.copy_context().run(run)


def numbers():
    yield from (1.0, 1.0, 1.0, 2.0, 2.0, 3.0)


STREAMS: dict[str, Any] = {
    "cycle": (lambda: itertools.cycle([1.0, 1.0, 1.0, 2.0]), next),
    "generator": (numbers, next),
    "list": (lambda: iter([1.0, 1.0, 1.0, 2.0, 2.0, 3.0]), next),
    "queue": (lambda: collections.deque([1.0, 1.0, 1.0, 2.0, 2.0, 3.0]), lambda q: q.popleft()),
    "file": (lambda: io.StringIO("1\n1\n1\n2\n2\n3\n"), lambda f: float(f.readline())),
    "lines": (lambda: io.StringIO("1\n1\n1\n2\n2\n3\n"), lambda f: float(next(f))),
    "random": (lambda: random.Random(2), lambda r: float(r.random() < 0.8)),
    "legacy": (
        lambda: np.random.RandomState(2),
        lambda r: float(r.random_sample() < 0.8),
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_what_moves_on_is_never_a_constant(name):
    make, read = STREAMS[name]
    stream, twin = make(), make()
    compiled = mg.compile(lambda x: x * read(stream))
    for k in range(6):
        np.testing.assert_array_equal(compiled(X + k), (X + k) * read(twin))
    assert compiled.traces == 6
    assert "made or replaced" in compiled.explain()


def test_weights_that_are_frozen_for_a_while_and_hooks_of_one_call():
    weight, other = (mg.tensor(np.full(3, 2.0), requires_grad=True) for _ in range(2))

    def step(x):
        weight.grad = other.grad = None
        weight.requires_grad = False
        (weight * other * x).sum().backward()
        weight.requires_grad = True
        remove = other.register_hook(lambda g: g * 3.0)
        (weight * other * x).sum().backward()
        remove()
        return weight.grad, other.grad

    compiled = mg.compile(step)
    for k in range(5):
        told, others = compiled(X[0] + k), step(X[0] + k)
        for a, b in zip(told, others, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy())
    assert compiled.traces <= 3


def test_what_can_not_be_compiled_freezes_nothing():
    weight: Any = mg.tensor(np.full(3, 2.0), requires_grad=True)
    remove = weight.register_hook(lambda g: g * 3.0)

    def step(x):
        remove()
        weight.requires_grad = False
        return float(x.sum())

    with pytest.raises(CompileError):
        mg.compile(step)(X)
    (weight * 2.0).sum().backward()
    np.testing.assert_array_equal(weight.grad.numpy(), np.full(3, 6.0))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", [np.ma.MaskedArray, np.matrix])
def test_what_computes_otherwise_than_an_array_is_refused(kind):
    holder = types.SimpleNamespace(rates=kind([2.0, 3.0, 4.0]))
    with pytest.raises(CompileError, match=rf"holder\.rates is a {kind.__name__}, which computes"):
        mg.compile(lambda x: x * holder.rates)(X)


@pytest.mark.usefixtures("restored")
def test_a_step_may_count_in_a_class_and_in_a_context():
    def run(wrap):
        Settings.array = np.zeros(3)
        VARIABLE.set(1.0)

        def step(x):
            VARIABLE.set(VARIABLE.get() * 2.0)
            Settings.array = Settings.array + VARIABLE.get()
            return x * Settings.array

        step = wrap(step)
        outs = [step(X + k) for k in range(5)]
        return outs, Settings.array, VARIABLE.get()

    for compiled, written in zip(
        contextvars.copy_context().run(run, mg.compile),
        contextvars.copy_context().run(run, lambda f: f),
        strict=True,
    ):
        np.testing.assert_array_equal(compiled, written)


def test_what_a_step_puts_into_queues_are_arrays():
    queue, objects = collections.deque[Any](maxlen=3), np.empty((1, 2), object)

    def step(x):
        total = x.sum()
        queue.append(total)
        queue.append((x * 2.0, total))
        objects[0, 0] = x * 3.0
        return total

    compiled = mg.compile(step)
    for k in range(3):
        compiled(X + k)
        assert type(queue[-1]) is tuple
        assert type(queue[-2]) is np.ndarray
        np.testing.assert_array_equal(queue[-2], (X + k).sum())
        np.testing.assert_array_equal(queue[-1][0], 2.0 * (X + k))
        np.testing.assert_array_equal(objects[0, 0], 3.0 * (X + k))


@pytest.mark.parametrize(
    "container",
    [
        *({1.0}, collections.deque([1.0]), bytearray(b"1"), array.array("d", [1.0])),
        *(np.array([None]), (ctypes.c_double * 1)(1.0)),
    ],
    ids=lambda container: type(container).__name__,
)
def test_what_can_not_be_compiled_leaves_containers_as_they_were(container):
    before = list(container)

    def step(x):
        if isinstance(container, np.ndarray | ctypes.Array):
            container[0] = 2.0
        else:
            (container.add if isinstance(container, set) else container.append)(2)
        return x if (x.sum() > 0) and bool(np.unique(x).size) else -x

    with pytest.raises(CompileError):
        mg.compile(step)(X)
    assert list(container) == before


class Slotted:
    """An object without a dict."""

    __slots__ = ("out",)

    def __init__(self, out):
        self.out = out


def boxed(x):
    objects = np.empty(1, object)
    objects[0] = x
    return objects


@pytest.mark.parametrize(
    "make",
    [Slotted, boxed, lambda x: {"a": x}.values(), lambda x: slice(mg.tensor(x), None)],
    ids=["slots", "array", "view", "slice"],
)
def test_nothing_traced_is_handed_out(make):
    with pytest.raises(CompileError, match="that each call makes anew"):
        mg.compile(lambda x: make(x * 2.0))(X)


def test_a_folder_that_begins_like_one_of_a_library_is_the_users():
    for library in (np, mg):
        folder = os.path.dirname(str(library.__file__))
        for path, of_user in ((f"{folder}ro/rates.py", True), (f"{folder}/rates.py", False)):
            code = compile("def rate(): return 2.0", path, "exec")
            space: dict[str, Any] = {}
            exec(code, space)
            assert is_users(space["rate"]) is of_user


def test_an_iterator_beside_the_step_does_not_stop_it():
    holder = types.SimpleNamespace(rate=2.0, batches=iter([1, 2, 3]))
    compiled = mg.compile(lambda x: x * holder.rate)
    for _ in range(4):
        compiled(X)
    assert compiled.traces == 2
    assert next(holder.batches) == 1


def test_the_type_is_that_of_an_array_or_a_number():
    rate = {"now": 1.0}

    def function(x):
        scale = 2.0 if isinstance(rate["now"], float) else 3.0
        return x * scale * rate["now"] if isinstance(x, np.ndarray) else x

    compiled = mg.compile(function)
    for k in range(6):
        rate["now"] = 1.0 + k
        np.testing.assert_array_equal(compiled(X), function(X))


def test_an_exception_of_the_step_leaves_what_it_did():
    def make():
        model, count = network(3, 4, 2), {"steps": 0}
        plain = training(model, optim.SGD(model.parameters(), learning_rate=0.1))

        def step(x, y):
            loss = plain(x, y)
            count["steps"] += 1
            if count["steps"] % 3 == 0:
                raise KeyError("every third")
            return loss

        return step, model, count

    (eager, model, count), (written, twin, counted) = make(), make()
    compiled = mg.compile(written)
    for x, y in batches(9, 5, 3, 2):
        for step in (eager, compiled):
            try:
                step(x, y)
            except KeyError:
                assert count["steps"] % 3 == 0
        assert count == counted
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=0, atol=1e-12)


class Plain:
    def __init__(self, value):
        self.value = value


MADE = {
    "object": lambda x: Plain(x * 2.0),
    "generator": lambda x: (row for row in x * 2.0),
    "function": lambda x: lambda: x * 2.0,
    "set": lambda x: {1, 2},
}


@pytest.mark.parametrize("name", MADE)
def test_what_each_call_makes_anew_is_not_returned(name):
    with pytest.raises(CompileError, match="that each call makes anew"):
        mg.compile(MADE[name])(X)


def test_what_was_there_before_may_be_returned():
    holder = Plain(3.0)
    compiled = mg.compile(lambda x: (x * holder.value, holder, mg.relu, np.float32, "text"))
    for k in range(4):
        out = compiled(X + k)
        np.testing.assert_array_equal(out[0], (X + k) * 3.0)
        assert out[1:] == (holder, mg.relu, np.float32, "text")


def test_what_only_a_trace_meets_says_so():
    with pytest.raises(CompileError, match=r"test_reach.py:\d+ \(has no .tobytes"):
        mg.compile(lambda x: x.tobytes())(X)
    with pytest.raises(CompileError, match="is a MaskedArray"):
        mg.compile(lambda x: x * 2.0)(np.ma.masked_array(X))


def test_it_runs_as_written_where_each_op_is_looked_at():
    compiled = mg.compile(lambda x: mg.log(x).sum())
    for _ in range(3):
        compiled(X)
    np.testing.assert_allclose(mg.vmap(compiled)(X).numpy(), np.log(X).sum(axis=1))
    with (
        np.errstate(invalid="ignore"),
        mg.detect_anomaly(),
        pytest.raises(FloatingPointError, match="log"),
    ):
        compiled(mg.tensor(-X))


def test_a_compiled_function_inside_another_that_hands_it_nothing():
    weight = mg.tensor(np.ones(3), requires_grad=True)
    inner = mg.compile(lambda: (weight * 2.0).sum())
    for _ in range(3):
        inner()
    outer = mg.compile(lambda x: inner() * x)
    for k in range(5):
        weight.data = np.full(3, float(k))
        np.testing.assert_allclose(outer(X).numpy(), X * 6.0 * k)


def test_another_thread_works_on_while_one_traces():
    """What it computes is its own; what it takes of the traced state is told, never recorded."""
    weight = mg.tensor(np.ones(3), requires_grad=True, name="weight")
    inside, done = threading.Event(), threading.Event()
    told: list[Any] = []

    @mg.compile
    def step(x):
        out = x * weight
        inside.set()
        assert done.wait(5)
        return out.sum()

    def other():
        assert inside.wait(5)
        x = mg.tensor([1.0, 2.0], requires_grad=True)
        (x * np.asarray([3, 4], float, "C")).sum().backward()
        told.append(x.grad)
        try:
            told.append(weight * 2.0)
        except CompileError as error:
            told.append(str(error))
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert step(X).item() == X.sum()
    finally:
        done.set()
        thread.join()
    np.testing.assert_array_equal(told[0].numpy(), [3.0, 4.0])
    assert "another thread is tracing" in told[1]
    assert step(X).item() == X.sum()


def test_everything_that_training_may_change_between_steps():
    """Tied layers, a new group, loaded state, settings, frozen and replaced arrays, a dtype."""

    def make():
        model = network(3, 3, 3)
        optimizer = optim.Adam(model.parameters(), learning_rate=0.1)
        return model, optimizer, training(model, optimizer)

    (model, optimizer, eager), (twin, theirs, step) = make(), make()
    compiled = mg.compile(step)

    def freeze(model, optimizer):
        model.layers[2].bias.requires_grad = False
        model.layers[2].bias.grad = None

    changes: dict[int, Any] = {
        4: lambda m, o: setattr(m.layers[2], "weight", m.layers[0].weight),
        8: lambda m, o: o.groups.append(
            {**o.groups[0], "parameters": [nn.Parameter(np.ones(3), name="more")]}
        ),
        12: lambda m, o: (o.load_state_dict(o.state_dict()), m.load_state_dict(m.state_dict())),
        16: lambda m, o: o.groups[0].update(beta1=0.5, learning_rate=0.01),
        20: freeze,
        24: lambda m, o: setattr(m.layers[0].bias, "data", np.full(3, 0.25)),
        28: lambda m, o: m.layers.append(mg.tanh),
    }
    for k, (x, y) in enumerate(batches(32, 5, 3, 3)):
        if k in changes:
            changes[k](model, optimizer)
            changes[k](twin, theirs)
        assert compiled(x, y).item() == pytest.approx(eager(x, y).item(), abs=1e-12), k
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=0, atol=1e-12)
    assert compiled.traces < 24


@pytest.mark.parametrize("kind", ["attribute", "dict", "variable"])
def test_a_total_that_is_another_tensor_at_each_call(kind):
    """It becomes an input; where the same Tensor is held twice, or its array is set, too."""

    def make():
        holder, variable = types.SimpleNamespace(total=mg.tensor(0.0)), mg.tensor(0.0)
        table = {"total": mg.tensor(0.0)}

        def step(x):
            nonlocal variable
            loss = (mg.tensor(x) ** 2.0).sum()
            if kind == "attribute":
                holder.total = holder.total + loss
                return holder.total * 1.0
            if kind == "dict":
                table["total"] = table["total"] + loss
                return table["total"] * 1.0
            variable = variable + loss
            return variable * 1.0

        return step, holder, table

    (eager, holder, table), (written, other, others) = make(), make()
    compiled = mg.compile(written)
    for k in range(16):
        assert compiled(X + k).item() == eager(X + k).item()
        if k == 8:
            holder.total, other.total = mg.tensor(1.0), mg.tensor(1.0)
            table["total"], others["total"] = mg.tensor(1.0), mg.tensor(1.0)
        if k == 11:
            table["best"], others["best"] = table["total"], others["total"]
        if k == 13:
            table["total"].data, others["total"].data = np.array(2.0), np.array(2.0)
    assert compiled.traces < 10
