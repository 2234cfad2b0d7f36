"""The text of a rule is what the rule computes."""

import ast
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad.primitive import REGISTRY, Primitive
from minigrad.viz.markup import LONGEST
from minigrad.viz.rules import Writer, asks_for, rule_text


@pytest.mark.parametrize(
    ("op", "position", "names", "known", "text"),
    [
        ("multiply", 1, {"a": "x", "b": "weight"}, {}, "g × x"),
        ("multiply", 0, {"a": "in", "b": "0.5"}, {"b": 0.5}, "g × 0.5"),
        ("divide", 1, {"a": "x", "b": "y"}, {}, "−g × out / y"),
        ("matmul", 0, {"a": "in", "b": "weight"}, {}, "g · weightᵀ"),
        ("matmul", 1, {"a": "x", "b": "weight"}, {}, "xᵀ · g"),
        ("relu", 0, {"x": "in"}, {}, "g × (out > 0)"),
        ("tanh", 0, {"x": "in"}, {}, "g × (1 − out × out)"),
        ("sqrt", 0, {"x": "in"}, {}, "g × 0.5 / out"),
        ("cos", 0, {"x": "θ"}, {}, "−g × sin(θ)"),
        ("power", 0, {"a": "w", "b": "3"}, {"b": 3.0}, "g × 3 × w²"),
        ("power", 0, {"a": "w", "b": "2"}, {"b": 2.0}, "g × 2 × w"),
        ("power", 1, {"a": "w", "b": "n"}, {}, "g × w^n × log(w)"),
        ("where", 1, {"condition": "mask", "a": "u", "b": "v"}, {}, "g where mask, else 0"),
        ("floor", 0, {"x": "in"}, {}, "0"),
        ("logsumexp", 0, {"x": "in"}, {"axis": -1, "keepdims": False}, "g × softmax(in)"),
        ("sum", 0, {"x": "in"}, {"x_shape": (3,), "axis": None, "keepdims": False}, "repeat(g)"),
        (
            "mean", 0, {"x": "in"}, {"x_shape": (4, 3), "axis": 0, "keepdims": False},
            "repeat(g / 4)",
        ),
        ("concatenate", 0, {"arrays": "in"}, {}, "the part of g that came from one of the arrays"),
    ],
)  # fmt: skip
def test_rules_of_the_registry(op, position, names, known, text):
    assert rule_text(REGISTRY[op], position, names, known) == text


def test_every_rule_of_the_registry_has_a_text_that_is_not_its_source():
    own = [op for op in REGISTRY.values() if op.__module__.startswith("minigrad.")]
    for primitive in own:  # other tests and pages declare ops, too
        for i, name in enumerate(primitive.inputs):
            if name in primitive.rules:
                text = rule_text(primitive, i, {}, dict(primitive.statics))
                assert text, primitive
                assert "lambda" not in text, text
                assert "np." not in text, text
                assert len(text) <= 2 * LONGEST, text
                assert not re.search(r"``| - | \* |\*\*|\.T\b|\b_|pull_", text), text


def test_rules_call_only_what_readers_know():
    """What a text calls is an op or a function of mathematics, not a helper of the source."""
    mathematics = {*REGISTRY, "copyltu", "diag", "inv", "log", "polar", "repeat", "skew", "softmax"}
    own = [op for op in REGISTRY.values() if op.__module__.startswith("minigrad.")]
    for primitive in own:  # other tests and pages declare ops, too
        for i, name in enumerate(primitive.inputs):
            if name in primitive.rules:
                text = rule_text(primitive, i, {}, {**primitive.statics, "x_shape": (2, 3)})
                called = set(re.findall(r"([A-Za-z_]\w+)\(", text))
                assert called <= mathematics | {primitive.name}, (primitive.name, text)


@pytest.mark.parametrize(
    ("op", "text"),
    [
        ("maximum", "g where u = out, else 0"),
        ("clip", "g where lo ≤ u ≤ hi, else 0"),
        ("erf", "g × 1.128 × exp(−u²)"),
        ("hypot", "g × u / out"),
        ("arctan2", "g × w / (u² + w²)"),
        ("arcsin", "g / sqrt(1 − u²)"),
        ("logaddexp", "g × sigmoid(u − w)"),
        ("log_ndtr", "g × (φ(u) / Φ(u))"),
    ],
)
def test_helpers_of_rules_are_written_out(op, text):
    names = {"a": "u", "b": "w", "x": "u", "a_min": "lo", "a_max": "hi"}
    assert rule_text(REGISTRY[op], 0, names, {}) == text


@pytest.fixture
def declared():
    """Own ops, forgotten again."""
    before = set(REGISTRY)
    yield
    for name in set(REGISTRY) - before:
        del REGISTRY[name]


def test_ops_of_users_have_one_too(declared):
    @mg.primitive(np.hypot, numpy=[])
    @mg.defvjp(a=lambda g, a, out: g * a / out, b=lambda g, b, out: g * b / out)
    def my_hypot(a, b, /):
        """Length of the hypotenuse."""

    assert rule_text(my_hypot, 0, {"a": "u", "b": "v"}, {}) == "g × u / out"
    assert rule_text(my_hypot, 1, {"a": "u", "b": "v"}, {}) == "g × v / out"


def test_the_docstring_speaks_for_a_function(declared):
    def pull_twice(g):
        """``g * 2``; nothing else. More words."""
        return g * 2

    def pull_words(g):
        """Hand the cotangent of ``x`` to the next, unchanged. More."""
        return g

    def pull_silently(g):
        return g

    texts = []
    for rule in (pull_twice, pull_words, pull_silently):

        def kernel(x, /):
            return x

        made: Primitive[...] = mg.primitive(name=rule.__name__)(mg.defvjp(x=rule)(kernel))
        texts.append(rule_text(made, 0, {"x": "input"}, {}))
    assert texts == [
        "g × 2",
        "hand the cotangent of input to the next, unchanged",
        "pull_silently(g)",
    ]


def test_without_source_the_op_is_named(declared):
    space: dict[str, object] = {}
    exec("rule = lambda g: g * 2", space)

    def sourceless(x, /):
        return x

    made: Primitive[...] = mg.primitive()(mg.defvjp(x=space["rule"])(sourceless))  # type: ignore[arg-type]
    assert rule_text(made, 0, {}, {}) == "rule of sourceless"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("(a + b) * c", "(a + b) × c"),
        ("a - (b - c)", "a − (b − c)"),
        ("a * b - c", "a × b − c"),
        ("-(a + b)", "−(a + b)"),
        ("a / (b * c)", "a / (b × c)"),
        ("(a + b) ** 2", "(a + b)²"),
        ("a ** -1", "a⁻¹"),
        ("a.T @ (b + c)", "aᵀ · (b + c)"),
        ("np.add.reduce(a * b, axis=0)", "Σ (a × b)"),
        ("np.where(a >= 0, b, c)", "b where a ≥ 0, else c"),
        ("a.astype(dtype)", "a"),
        ("_private(a, b)", "private(a, b)"),
        ("a[b]", "a[b]"),
        ("a[..., None]", "a[..., None]"),
        ("np.dot(a, b + c)", "a · (b + c)"),
        ("a.clip(b)", "a.clip(b)"),
        ("np.asarray(a)", "a"),
        ("a ** (b + c)", "a^(b + c)"),
        ("a if b is None else c", "c"),
        ("[a for a in b]", "[a for a in b]"),
    ],
)
def test_expressions_keep_their_meaning(source, text):
    arrays = {name: name for name in "abc"}
    assert Writer(arrays, {}).write(ast.parse(source, mode="eval").body) == text


def test_what_was_saved():
    assert asks_for(REGISTRY["matmul"], (0, 1), {0: "x", 1: "weight"}) == "needs x, weight"
    assert asks_for(REGISTRY["add"], (), {}) == "passes g on"
    assert asks_for(REGISTRY["sum"], (-2,), {}) == "passes g on"
