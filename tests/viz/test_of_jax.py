"""A function of JAX is drawn with its own numbers."""

# mypy: disable-error-code="union-attr, index, arg-type"

import sys

import numpy as np
import pytest

from minigrad.errors import MissingExtra
from minigrad.viz import from_jax

jax = pytest.importorskip("jax")
jnp = jax.numpy
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 4)).astype("float32"), np.array([0, 1, 1, 0, 1])
PARAMS = {
    "fc1": {"w": RNG.normal(size=(4, 3)).astype("float32"), "b": np.zeros(3, "float32")},
    "fc2": {"w": RNG.normal(size=(3, 2)).astype("float32")},
}


def loss(params, x, y):
    with jax.named_scope("first"):
        h = jax.nn.relu(x @ params["fc1"]["w"] + params["fc1"]["b"])
    with jax.named_scope("second"):
        out = h @ params["fc2"]["w"]
    return -jnp.mean(jax.nn.log_softmax(out)[jnp.arange(5), y])


def test_values_and_gradients_are_those_of_jax():
    graph = from_jax(loss, PARAMS, X, Y)
    found = {c.title: c for c in graph.cards}
    expected = jax.grad(loss)(PARAMS, X, Y)
    for layer, leaves in expected.items():
        for name, g in leaves.items():
            rows = np.asarray(g).reshape(-1, g.shape[-1])
            np.testing.assert_allclose(found[f"{layer}.{name}"].gradient.rows, rows, rtol=1e-6)
    h = np.maximum(X @ PARAMS["fc1"]["w"], 0)
    np.testing.assert_allclose(found["relu"].value.rows, h, rtol=1e-5)
    assert found["relu"].gradient is not None
    (output,) = [c for c in graph.cards if c.kind == "loss"]
    assert output.value.rows[0][0] == pytest.approx(float(loss(PARAMS, X, Y)))


def test_functions_and_scopes_are_cards_and_boxes_and_indices_are_left_out():
    graph = from_jax(loss, PARAMS, X, Y)
    titles = [c.title for c in graph.cards]
    assert "log_softmax" in titles
    assert not {"iota", "select_n", "lt"} & set(titles)
    assert [g.title for g in graph.groups] == ["first", "second"]
    assert [c.title for c in graph.cards if c.kind == "input"] == ["x", "y"]
    relu = next(c for c in graph.cards if c.title == "relu")
    assert relu.rules == ["∂L/∂in = g × (out > 0)"]


def test_faults_are_found():
    params = {**PARAMS, "fc1": {**PARAMS["fc1"], "b": np.array([0.0, -99.0, 0.0], "float32")}}
    issues = [str(i) for i in from_jax(loss, params, X, Y).issues]
    assert "first.relu: unit 1 is dead: 0 for all 5 examples" in issues


def test_several_arguments_and_results():
    def f(a, b):
        return jnp.sin(a) * b, jnp.exp(b)

    graph = from_jax(f, 0.5, jnp.array([1.0, 2.0]), argnums=(0, 1))
    found = {c.title: c for c in graph.cards}
    a, b = jax.grad(lambda a, b: sum(o.sum() for o in f(a, b)), (0, 1))(0.5, jnp.array([1.0, 2.0]))
    assert found["a"].gradient.rows[0][0] == pytest.approx(float(a))
    np.testing.assert_allclose(found["b"].gradient.rows[0], b, rtol=1e-6)
    assert "started from ones" in graph.subtitle
    assert found["a"].kind == found["b"].kind == "parameter"


def test_loops_stay_one_card_and_calls_are_opened():
    @jax.jit
    def inner(w, x):
        return jnp.tanh(w * x)

    def f(w, xs):
        last, _ = jax.lax.scan(lambda h, x: (inner(w, h) + x, h), 0.5, xs)
        return inner(w, last) + inner(w, 2.0)

    graph = from_jax(f, 0.7, jnp.arange(3.0))
    titles = [c.title for c in graph.cards]
    assert titles.count("inner") == 2
    assert "scan[0]" in titles
    w = next(c for c in graph.cards if c.title == "w")
    expected = float(jax.grad(f)(0.7, jnp.arange(3.0)))
    assert w.gradient.rows[0][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mode", ["both", "forward", "backward"])
def test_it_is_a_drawing(mode, tmp_path):
    pytest.importorskip("pygraphviz")
    graph = from_jax(loss, PARAMS, X, Y, mode=mode, theme="dark", title="jax")
    assert graph.title == "jax"
    assert graph.save(tmp_path / "jax.svg").stat().st_size > 10_000


def test_what_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="theme is 'light' or 'dark', not 'red'"):
        from_jax(jnp.sin, 1.0, theme="red")
    with pytest.raises(ValueError, match="nothing computed from the arguments"):
        from_jax(lambda x: 3.0, 1.0)
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(MissingExtra, match=r"pip install 'minigrad\[jax\]'"):
        from_jax(jnp.sin, 1.0)
