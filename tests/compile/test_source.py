"""The emitted source: a program of its own, and what a person would write."""

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.compile.program import Value
from tests.compile.steps import OPTIMIZERS, batches, network, training

GOLDEN = Path(__file__).parent / "golden"


def small():
    model = network(4, 8, 3)
    return training(model, OPTIMIZERS["sgd"](model.parameters())), (16, 4, 3)


def digits():
    model = network(64, 128, 10)
    return training(model, OPTIMIZERS["adam"](model.parameters())), (32, 64, 10)


def noisy():
    model = network(4, 8, 3, dropout=0.2)
    return training(model, OPTIMIZERS["momentum"](model.parameters())), (16, 4, 3)


def residual():
    first, second = network(4, 8, 4), nn.Linear(4, 3, dtype=np.float64)

    class Residual(nn.Module):
        def __init__(self):
            self.block, self.head = first, second

        def forward(self, x):
            hidden = mg.tanh(self.block(x) + x)
            return self.head(mg.layer_norm(hidden, 4))

    model = Residual()
    return training(model, OPTIMIZERS["sgd"](model.parameters())), (16, 4, 3)


def wide():
    model = network(64, 256, 256, 10, dtype=np.float32)
    return training(model, OPTIMIZERS["sgd"](model.parameters())), (128, 64, 10)


def image():
    rng = np.random.default_rng(0)
    kernel = mg.tensor(rng.normal(size=(2, 1, 3, 3)), requires_grad=True, name="kernel")
    optimizer = optim.SGD([kernel], learning_rate=0.1)

    def step(x, y):
        optimizer.zero_grad()
        pooled = mg.max_pool2d(mg.relu(mg.conv2d(x.reshape(-1, 1, 6, 6), kernel)), 2)
        loss = (pooled**2.0).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step, (8, 36, 2)


MODELS = {f.__name__: f for f in (small, digits, noisy, residual, wide, image)}


def compiled(name):
    step, sizes = MODELS[name]()
    step = mg.compile(step)
    data = list(batches(6, *sizes))
    if name == "wide":
        data = [(x.astype(np.float32), y) for x, y in data]
    for x, y in data[:4]:
        step(x, y)
    return step, data


def handed_in(program, x, y):
    """Copies of what a program is about to be given; its draws are those of seed 9."""
    mg.seed(9)
    given = []
    for i in program.inputs:
        now = {"x": x, "y": y}[i.value.name] if i.kind == "argument" else i.place.get()
        given.append(now.copy() if isinstance(now, np.ndarray) else now)
    return given


@pytest.mark.parametrize("name", MODELS)
def test_golden(name, overwrite):
    source = compiled(name)[0].source
    path = GOLDEN / f"{name}.py"
    if overwrite:
        path.write_text(source)
    assert source == path.read_text(), "pytest --overwrite-source rewrites it, if this is meant"


@pytest.mark.parametrize("name", MODELS)
def test_reads_as_written_by_hand(name):
    source = compiled(name)[0].source
    assert max(map(len, source.splitlines())) <= 100
    assert not re.search(r"[ \t]+$", source, re.MULTILINE)
    assert source.endswith("\n")
    assert not source.endswith("\n\n")
    (function,) = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    assert ast.get_docstring(function)
    assigned = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
    assert not [n for n in assigned if re.fullmatch(r"(v|value|t|tmp)_?\d+", n)]
    sections = re.findall(r"^    # (Forward|Backward|Update)$", source, re.MULTILINE)
    assert list(dict.fromkeys(sections)) == ["Forward", "Backward", "Update"]


@pytest.mark.parametrize("name", MODELS)
def test_runs_as_a_file_with_the_parameters_loaded(name, tmp_path):
    """What the file computes from the state before a call is what the call leaves behind."""
    step, data = compiled(name)
    path = tmp_path / "step.py"
    path.write_text(step.source)
    module: dict[str, Any] = {"__name__": "step"}
    exec(compile(path.read_text(), str(path), "exec"), module)
    program, (x, y) = step.program, data[-1]
    given = handed_in(program, x, y)
    known = dict(zip((i.value for i in program.inputs), given, strict=True))
    out = module[program.name](*given)
    out = out if isinstance(out, tuple) else (out,)
    mg.seed(9)
    loss = step(x, y)
    np.testing.assert_array_equal(out[0], loss.numpy())
    rest = iter(out[len(program.results) :])
    for update in program.updates:
        now = update.place.get()
        now = now.numpy() if isinstance(now, mg.Tensor) else now
        mine = known[update.target] if update.in_place else next(rest)
        np.testing.assert_array_equal(mine, now)


@pytest.mark.parametrize("name", MODELS)
def test_the_instruction_list_computes_what_the_source_does(name):
    """The reference meaning of a program, overwriting nothing, gives the same numbers."""
    step, data = compiled(name)
    program, (x, y) = step.program, data[-1]
    given = handed_in(program, x, y)
    out = program.run(given)
    mg.seed(9)
    loss = step(x, y)
    np.testing.assert_array_equal(out[0], loss.numpy())
    for update, mine in zip(program.updates, out[len(program.results) :], strict=True):
        now = update.place.get()
        now = now.numpy() if isinstance(now, mg.Tensor) else now
        np.testing.assert_allclose(mine, now, rtol=0, atol=1e-12)


def test_memory_is_reused():
    step, _ = compiled("wide")
    program = step.program
    assert program.buffers
    fresh = sum(
        i.out.nbytes for i in program.instructions if isinstance(i.out, Value) and i.into is None
    )
    everything = sum(i.out.nbytes for i in program.instructions)
    assert fresh < everything / 2
    assert program.peak_bytes() < everything / 2
    assert "at most" in step.explain()


def test_source_before_it_is_compiled():
    with pytest.raises(mg.CompileError, match="second call of a kind"):
        _ = mg.compile(lambda x: x).source


def test_the_graph_draws_what_was_traced(tmp_path):
    step, _ = compiled("small")
    graph = step.graph
    assert [group.id for group in graph.groups] == ["forward", "backward", "update"]
    titles = [card.title for card in graph.cards]
    assert {"x", "y", "layers_0_weight", "np.dot", "np.maximum", "increment"} <= set(titles)
    known = {card.id for card in graph.cards}
    assert all({edge.source, edge.target} <= known for edge in graph.edges)
    assert graph.save(tmp_path / "step.dot").read_text().count("np.dot") >= 5


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(150, 120), (120, 130)]),
        ("bqhd,bkhd->bhqk", [(2, 24, 3, 16), (2, 20, 3, 16)]),
        ("ni,ijk,nk->nj", [(24, 12), (12, 14, 10), (24, 10)]),
    ],
)
def test_large_sums_are_products_that_a_person_would_write(subscripts, shapes):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    g = rng.normal(size=np.einsum(subscripts, *arrays).shape)

    def loss(*arrays):
        return (np.einsum(subscripts, *arrays) * g).sum()

    plain = mg.grad(loss, argnums=tuple(range(len(arrays))))
    compiled = mg.compile(plain)
    for _ in range(3):
        for got, expected in zip(compiled(*arrays), plain(*arrays), strict=True):
            np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-10, atol=1e-10)
    assert "REGISTRY" not in compiled.source
    assert re.search(r"\.dot\(|np\.matmul\(", compiled.source)


def test_rows_that_are_named_often_are_added_in_one_flat_call():
    rng = np.random.default_rng(0)
    tokens, weight = rng.integers(-100, 100, size=(32, 16)), rng.normal(size=(100, 8))
    factor = rng.normal(size=(32, 16, 8))
    plain = mg.grad(lambda weight, tokens: (weight[tokens] * factor).sum())
    compiled = mg.compile(plain)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(weight, tokens), plain(weight, tokens))
    assert "tokens[..., None] * 8 + np.arange(8)" in compiled.source


def test_large_choices_are_made_by_bits_there_too():
    x = np.random.default_rng(0).normal(size=(64, 64))
    plain = mg.grad(lambda x: mg.leaky_relu(x).sum())
    compiled = mg.compile(plain)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(x), plain(x))
    assert "= select(" in compiled.source
    small = mg.compile(plain)
    for _ in range(3):
        small(x[0])
    assert "= np.where(" in small.source
