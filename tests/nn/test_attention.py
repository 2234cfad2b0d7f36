"""Attention: masks, heads, weights that sum to 1, and dropout."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError

X = np.random.default_rng(0).normal(size=(2, 5, 6))


def layer(**settings):
    return nn.MultiHeadAttention(6, 3, dtype=float, rng=0, **settings)


def test_weights_are_shares_and_belong_to_the_result():
    out, weights = layer()(X, need_weights=True)
    assert weights.shape == (2, 3, 5, 5)
    np.testing.assert_allclose(weights.numpy().sum(-1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(out.numpy(), layer()(X).numpy(), rtol=1e-12)


def test_self_attention_does_not_know_the_order():
    order = [3, 1, 4, 0, 2]
    np.testing.assert_allclose(layer()(X)[:, order].numpy(), layer()(X[:, order]).numpy(), 1e-12)


def test_what_is_masked_is_not_read():
    other = X.copy()
    other[:, 3:] = 9.0
    padded = np.tile([False, False, False, True, True], (2, 1))
    for settings in (
        {"key_padding_mask": padded},
        {"attn_mask": ~padded[0]},
        {"attn_mask": ~padded[:, None, None, :]},
        {"attn_mask": np.where(padded[0], -np.inf, 0.0)},
        {"key_padding_mask": padded, "attn_mask": np.ones((5, 5), bool)},
        {"key_padding_mask": padded, "attn_mask": np.zeros((5, 5))},
    ):
        for x in (X, other):
            np.testing.assert_allclose(
                layer()(x, **settings)[:, :3].numpy(), layer()(X[:, :3]).numpy(), rtol=1e-12
            )
    causal = layer()(X, is_causal=True)
    np.testing.assert_allclose(causal[:, :3].numpy(), layer()(other, is_causal=True)[:, :3].numpy())
    with_padding = layer()(X, is_causal=True, key_padding_mask=padded)
    np.testing.assert_allclose(causal[:, :3].numpy(), with_padding[:, :3].numpy(), rtol=1e-12)


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"key_padding_mask \(2, 4\) where \(2, 5\) fits"):
        layer()(X, key_padding_mask=np.zeros((2, 4), bool))
    with pytest.raises(TypeError, match="key_padding_mask holds booleans, not int64"):
        layer()(X, key_padding_mask=np.zeros((2, 5), np.int64))
    with pytest.raises(ShapeError, match="attn_mask"):
        layer()(X, attn_mask=np.ones((4, 4), bool))


def test_the_causal_mask_of_pytorchs_layers_is_refused():
    reverse = np.triu(np.ones((5, 5), bool), 1)
    said = r"later keys only: .* so pass ~mask, or is_causal=True"
    with pytest.raises(ValueError, match=said):
        layer()(X, attn_mask=reverse)
    with pytest.raises(ValueError, match=said):
        nn.TransformerEncoderLayer(6, 3, 8)(X, reverse)
    causal = layer()(X, is_causal=True).numpy()
    np.testing.assert_array_equal(layer()(X, attn_mask=~reverse).numpy(), causal)
    added = np.where(reverse, -np.inf, 0.0)  # numbers mean what PyTorch's mean
    np.testing.assert_array_equal(layer()(X, attn_mask=added).numpy(), causal)
    layer()(X[:, :1], attn_mask=np.zeros((1, 1), bool))  # nothing to tell apart by


def test_gradients_pass_to_all_three():
    small = nn.MultiHeadAttention(4, 2, dtype=float, rng=0)
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, n, 4)) for n in (2, 3, 3))
    assert mg.gradcheck(lambda q, k, v: (small(q, k, v) ** 2).sum(), q, k, v, params=small, order=1)


def test_dropout_falls_on_weights_only_while_training():
    noisy = layer(dropout=0.5)
    weights = noisy(X, need_weights=True)[1].numpy()
    assert 0.3 < (weights == 0).mean() < 0.7
    np.testing.assert_array_equal(noisy.eval()(X).numpy(), layer()(X).numpy())
    block = nn.TransformerEncoderLayer(6, 3, 8, dropout=0.5, dtype=float, rng=0)
    assert (block(X).numpy() != block(X).numpy()).any()
    np.testing.assert_array_equal(block.eval()(X).numpy(), block(X).numpy())


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_stack_of_transformer_layers_keeps_the_size_of_signals_and_gradients(norm_first):
    stack = nn.Sequential(
        *[
            nn.TransformerEncoderLayer(6, 3, 16, norm_first=norm_first, dtype=float, rng=i).eval()
            for i in range(6)
        ]
    )
    x = mg.Tensor(X, requires_grad=True)
    out = stack(x)
    (out * np.cos(np.arange(out.size)).reshape(out.shape)).sum().backward()
    assert 0.3 < np.std(out.numpy()) < 10.0
    assert all(1e-3 < np.abs(p.grad.numpy()).max() < 1e3 for p in stack.parameters())  # type: ignore[union-attr]
