"""What every function has in common: a scope, and errors that know PyTorch's names."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F  # noqa: N812, as everybody calls it
from minigrad.errors import ShapeError

LOGITS = np.array([[2.0, -1.0, 0.5, 0.0], [0.25, 3.0, -2.0, 1.0], [-0.5, -0.5, 4.0, 0.75]])
PROBS = np.array([[0.1, 0.2, 0.3, 0.4], [1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.5, 0.0]])


def test_a_composite_is_a_scope_and_a_function_of_the_same_name():
    assert F.softmax.__name__ == "softmax"
    x = mg.Tensor(LOGITS, requires_grad=True)
    assert str(F.softmax(x).node.scope) == "softmax"
    loss = F.cross_entropy(x, PROBS)
    scopes = set()
    pending = [loss.node]
    while pending:
        node = pending.pop()
        scopes.add(str(node.scope))
        pending += [parent for parent in node.parents if parent is not None]
    assert scopes == {"None", "cross_entropy", "cross_entropy.log_softmax"}


def test_a_scope_is_left_when_a_function_raises():
    with pytest.raises(ShapeError):
        F.mse_loss(mg.tensor([1.0]), [1.0, 2.0])
    assert mg.Tensor(1.0, requires_grad=True).sum().node.scope is None


# PyTorch calls them otherwise: what to write is said, and nothing is accepted under two names.
loose: Any = F  # a type checker would find these mistakes
MISNAMED = {
    "softmax() has no parameter 'dim': write axis=": lambda x: loose.softmax(x, dim=1),
    "glu() has no parameter 'dim': write axis=": lambda x: loose.glu(x, dim=1),
    "cosine_similarity() has no parameter 'dim': write axis=": (
        lambda x: loose.cosine_similarity(x, x, dim=1)
    ),
    "pairwise_distance() has no parameter 'keepdim': write keepdims=": (
        lambda x: loose.pairwise_distance(x, x, keepdim=True)
    ),
    "gelu() has no parameter 'input': write x=": lambda x: loose.gelu(input=x),
    "mse_loss() has no parameter 'input': write prediction=": (
        lambda x: loose.mse_loss(input=x, target=x)
    ),
    "cross_entropy() has no parameter 'target': write labels=": (
        lambda x: loose.cross_entropy(x, target=x)
    ),
    "embedding() has no parameter 'input': write indices=": lambda x: loose.embedding(input=x),
    "margin_ranking_loss() has no parameter 'input2': write x2=": (
        lambda x: loose.margin_ranking_loss(x, input2=x)
    ),
    "dropout() has no parameter 'inplace': tensors are not changed in place": (
        lambda x: loose.dropout(x, inplace=True)
    ),
    "elu() has no parameter 'alhpa': write alpha=": lambda x: loose.elu(x, alhpa=1.0),
}


@pytest.mark.parametrize("said", MISNAMED)
def test_an_argument_of_pytorchs_name_is_told_ours(said):
    for x in (LOGITS, mg.Tensor(LOGITS, requires_grad=True)):
        with pytest.raises(TypeError) as info:
            MISNAMED[said](x)
        assert str(info.value) == said


def test_other_type_errors_are_left_as_they_are():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'weight'"):
        loose.prelu(LOGITS)
    with pytest.raises(TypeError, match="class labels are integers, not float64"):
        F.cross_entropy(LOGITS, labels=np.zeros(3))


# Inside vmap

EXAMPLES: dict[str, Any] = {
    "gelu": (F.gelu, [LOGITS]),
    "hardtanh": (F.hardtanh, [LOGITS]),
    "softmax": (F.softmax, [LOGITS]),
    "gumbel_softmax": (lambda x: F.gumbel_softmax(x, hard=True, rng=0), [LOGITS]),
    "cross_entropy": (F.cross_entropy, [LOGITS, np.array([0, 3, 1])]),
    "cross_entropy of a class": (
        lambda x, y: F.cross_entropy(x, y, ignore_index=3, label_smoothing=0.1),
        [LOGITS, np.array([0, 3, 1])],
    ),
    "binary_cross_entropy": (F.binary_cross_entropy, [PROBS, PROBS]),
    "hinge_loss": (F.hinge_loss, [LOGITS, np.sign(LOGITS + 0.1)]),
    "multi_margin_loss": (F.multi_margin_loss, [LOGITS, np.array([0, 3, 1])]),
    "gaussian_nll_loss": (F.gaussian_nll_loss, [LOGITS, PROBS, PROBS + 0.1]),
    "layer_norm": (lambda x, w: F.layer_norm(x, 4, w), [LOGITS, PROBS[0]]),
    "normalize": (F.normalize, [LOGITS]),
    "cosine_similarity": (F.cosine_similarity, [LOGITS, PROBS]),
    "attention": (
        lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
        [LOGITS],
    ),
    "embedding": (F.embedding, [np.array([2, 0]), LOGITS]),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_functions_map_over_examples(name):
    f, arrays = EXAMPLES[name]
    batch = [np.stack([x, x[::-1]]) for x in arrays]
    mapped = mg.vmap(f)(*batch)
    wanted = np.stack([f(*(x[i] for x in batch)) for i in range(2)])
    np.testing.assert_allclose(mapped.numpy(), wanted, rtol=1e-12, atol=1e-14)
