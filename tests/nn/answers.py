"""Layers beside PyTorch's, and what PyTorch 2.13 answers: ``python -m tests.nn.answers`` asks it.

Parameters and inputs are waves, so that both sides have the same without a generator. A case is a
layer, PyTorch's layer of the same settings, the shapes of the inputs, and how both are called.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import nn

STORED = Path(__file__).with_name("torch_answers.npz")
CAUSAL = np.tri(4, dtype=bool)
PADDED = np.array([[False, False, False, True], [False, False, True, True]])


class Case(NamedTuple):
    ours: Any
    theirs: Any  # of torch.nn
    shapes: Any = ()
    inputs: Any = None  # integers, where they are not floats of these shapes
    call: Any = lambda layer, *inputs: layer(*inputs)
    call_theirs: Any = None  # (torch, layer, *inputs), where it is not the same
    train: bool = True


def conv(name, n, *args, **settings):
    shape = (2, 4, 5, 6, 4)[: n + 2]
    return Case(
        lambda: getattr(nn, name)(*args, dtype=float, **settings),
        lambda t: getattr(t.nn, name)(*args, dtype=t.float64, **settings),
        [shape],
    )


def plain(name, *args, shape, **settings):
    return Case(
        lambda: getattr(nn, name)(*args, **settings),
        lambda t: getattr(t.nn, name)(*args, **settings),
        [shape],
    )


def norm(name, *args, shape, train=True, **settings):
    return Case(
        lambda: getattr(nn, name)(*args, dtype=float, **settings),
        lambda t: getattr(t.nn, name)(*args, dtype=t.float64, **settings),
        [shape],
        train=train,
    )


def first(pair):
    """Output and state of a recurrent layer as one row of numbers."""
    out, state = pair
    return [out, *(state if isinstance(state, tuple) else [state])]


def recurrent(name, *args, shape=(2, 5, 3), state=(), **settings):
    def call(layer, x, *given):
        if not given:
            return first(layer(x))
        return first(layer(x, given if len(given) > 1 else given[0]))

    theirs = {"batch_first": True, **settings}
    return Case(
        lambda: getattr(nn, name)(*args, dtype=float, **settings),
        lambda t: getattr(t.nn, name)(*args, dtype=t.float64, **theirs),
        [shape, *state],
        call=call,
    )


def attention(call, call_theirs, shapes, ours=None, **settings):
    return Case(
        lambda: nn.MultiHeadAttention(6, 2, dtype=float, **settings, **(ours or {})),
        lambda t: t.nn.MultiheadAttention(6, 2, dtype=t.float64, batch_first=not ours, **settings),
        shapes,
        call=call,
        call_theirs=call_theirs,
    )


def transformer(call=None, call_theirs=None, activation="relu", **settings):
    bend: Any = {"relu": mg.relu, "gelu": mg.gelu}[activation]
    sizes: Any = {"dim_feedforward": 5, "dropout": 0.0}
    return Case(
        lambda: nn.TransformerEncoderLayer(6, 2, activation=bend, dtype=float, **sizes, **settings),
        lambda t: t.nn.TransformerEncoderLayer(
            6, 2, activation=activation, dtype=t.float64, batch_first=True, **sizes, **settings
        ),
        [(2, 4, 6)],
        call=call or (lambda layer, x: layer(x)),
        call_theirs=call_theirs,
    )


CASES: dict[str, Case] = {
    "conv1d": conv("Conv1d", 1, 4, 3, 2),
    "conv1d same": conv("Conv1d", 1, 4, 4, 3, padding="same", dilation=2, groups=2),
    "conv2d": conv("Conv2d", 2, 4, 3, 3),
    "conv2d strided": conv("Conv2d", 2, 4, 6, (2, 3), stride=(2, 1), padding=1, groups=2),
    "conv2d without bias": conv("Conv2d", 2, 4, 2, 2, dilation=(2, 1), bias=False),
    "conv3d": conv("Conv3d", 3, 4, 2, (2, 3, 2), stride=2),
    "conv1d circular": conv("Conv1d", 1, 4, 3, 3, padding=2, padding_mode="circular"),
    "conv2d reflect": conv("Conv2d", 2, 4, 2, 3, padding=(2, 1), padding_mode="reflect", groups=2),
    "conv2d replicate": conv(
        "Conv2d", 2, 4, 2, (2, 3), padding="same", padding_mode="replicate", dilation=2
    ),
    "conv3d circular": conv("Conv3d", 3, 4, 2, 2, padding=1, padding_mode="circular", stride=2),
    "conv transpose1d": conv("ConvTranspose1d", 1, 4, 3, 3, stride=2),
    "conv transpose2d": conv("ConvTranspose2d", 2, 4, 3, 2, stride=2),
    "conv transpose2d grouped": conv(
        "ConvTranspose2d", 2, 4, 2, (3, 2), stride=2, padding=1, output_padding=1, groups=2
    ),
    "conv transpose3d": conv("ConvTranspose3d", 3, 4, 1, 2, bias=False),
    "max pool1d": plain("MaxPool1d", 2, shape=(2, 3, 7)),
    "max pool2d": plain("MaxPool2d", 3, stride=2, padding=1, shape=(2, 2, 7, 6)),
    "max pool2d ceil": plain("MaxPool2d", (2, 3), ceil_mode=True, shape=(1, 2, 5, 7)),
    "max pool3d": plain("MaxPool3d", 2, dilation=2, stride=1, shape=(1, 2, 4, 4, 4)),
    "avg pool1d": plain("AvgPool1d", 3, stride=2, padding=1, shape=(2, 3, 7)),
    "avg pool2d": plain(
        "AvgPool2d", 2, padding=1, count_include_pad=False, ceil_mode=True, shape=(2, 2, 5, 6)
    ),
    "avg pool3d": plain("AvgPool3d", 2, shape=(1, 2, 4, 4, 5)),
    "adaptive avg pool1d": plain("AdaptiveAvgPool1d", 3, shape=(2, 3, 7)),
    "adaptive avg pool2d": plain("AdaptiveAvgPool2d", (3, None), shape=(2, 3, 7, 2)),
    "adaptive avg pool3d": plain("AdaptiveAvgPool3d", 2, shape=(1, 2, 4, 3, 5)),
    "adaptive max pool1d": plain("AdaptiveMaxPool1d", 3, shape=(2, 3, 7)),
    "adaptive max pool2d": plain("AdaptiveMaxPool2d", (3, 2), shape=(2, 3, 7, 5)),
    "adaptive max pool3d": plain("AdaptiveMaxPool3d", 2, shape=(1, 2, 4, 3, 5)),
    "batch norm1d": norm("BatchNorm1d", 3, shape=(5, 3)),
    "batch norm1d of a length": norm("BatchNorm1d", 3, shape=(2, 3, 4)),
    "batch norm2d": norm("BatchNorm2d", 3, momentum=0.3, eps=1e-3, shape=(2, 3, 2, 3)),
    "batch norm2d mean of all": norm("BatchNorm2d", 3, momentum=None, shape=(2, 3, 2, 3)),
    "batch norm2d in evaluation": norm("BatchNorm2d", 3, shape=(2, 3, 2, 3), train=False),
    "batch norm2d plain": norm(
        "BatchNorm2d", 3, affine=False, track_running_stats=False, shape=(2, 3, 2, 3), train=False
    ),
    "batch norm2d without bias": norm("BatchNorm2d", 3, bias=False, shape=(2, 3, 2, 3)),
    "batch norm3d": norm("BatchNorm3d", 2, shape=(2, 2, 2, 3, 2)),
    "instance norm1d": norm("InstanceNorm1d", 3, affine=True, shape=(2, 3, 4)),
    "instance norm1d alone": norm("InstanceNorm1d", 3, affine=True, shape=(3, 4)),
    "instance norm2d": norm("InstanceNorm2d", 3, shape=(2, 3, 2, 3)),
    "instance norm2d tracking": norm(
        "InstanceNorm2d", 3, affine=True, track_running_stats=True, shape=(2, 3, 2, 3)
    ),
    "instance norm2d in evaluation": norm(
        "InstanceNorm2d", 3, track_running_stats=True, shape=(2, 3, 2, 3), train=False
    ),
    "instance norm2d without bias": norm(
        "InstanceNorm2d", 3, affine=True, bias=False, shape=(2, 3, 2, 3)
    ),
    "instance norm3d": norm("InstanceNorm3d", 2, affine=True, shape=(2, 2, 2, 3, 2)),
    "group norm": norm("GroupNorm", 2, 4, shape=(2, 4, 3, 2)),
    "group norm without bias": norm("GroupNorm", 2, 4, bias=False, shape=(2, 4, 3)),
    "group norm plain": norm("GroupNorm", 1, 4, affine=False, shape=(2, 4)),
    "layer norm": norm("LayerNorm", 5, shape=(3, 5)),
    "layer norm of two axes": norm("LayerNorm", (3, 2), eps=1e-3, bias=False, shape=(4, 3, 2)),
    "layer norm plain": norm("LayerNorm", 4, elementwise_affine=False, shape=(2, 3, 4)),
    "rms norm": norm("RMSNorm", 5, shape=(3, 5)),
    "rms norm of two axes": norm("RMSNorm", (3, 2), eps=1e-3, shape=(4, 3, 2)),
    "linear": norm("Linear", 4, 3, shape=(2, 4)),
    "linear without bias": norm("Linear", 4, 3, bias=False, shape=(2, 3, 4)),
    "embedding": Case(
        lambda: nn.Embedding(5, 3, dtype=float),
        lambda t: t.nn.Embedding(5, 3, dtype=t.float64),
        inputs=np.array([[0, 4, 4], [1, 0, 4]]),
    ),
    "embedding with padding": Case(
        lambda: nn.Embedding(5, 3, padding_idx=-1, dtype=float),
        lambda t: t.nn.Embedding(5, 3, padding_idx=-1, dtype=t.float64),
        inputs=np.array([[0, 4, 4], [1, 0, 4]]),
    ),
    "flatten": plain("Flatten", shape=(2, 3, 4)),
    "flatten the middle": Case(
        lambda: nn.Flatten(1, -2), lambda t: t.nn.Flatten(1, -2), [(2, 3, 4, 2)]
    ),
    "flatten all": Case(lambda: nn.Flatten(0), lambda t: t.nn.Flatten(0), [(2, 3, 4)]),
    "identity": plain("Identity", shape=(2, 3)),
    "rnn": recurrent("RNN", 3, 4),
    "rnn relu": recurrent("RNN", 3, 4, 2, nonlinearity="relu", bias=False),
    "rnn with a state": recurrent("RNN", 3, 4, 2, bidirectional=True, state=[(4, 2, 4)]),
    "lstm": recurrent("LSTM", 3, 4),
    "lstm both ways": recurrent("LSTM", 3, 4, 2, bidirectional=True),
    "lstm with a state": recurrent("LSTM", 3, 4, state=[(1, 2, 4), (1, 2, 4)]),
    "lstm time first": recurrent("LSTM", 3, 4, batch_first=False, shape=(5, 2, 3)),
    "lstm alone": recurrent("LSTM", 3, 4, shape=(5, 3), state=[(1, 4), (1, 4)]),
    "lstm projected": recurrent("LSTM", 3, 4, proj_size=2),
    "lstm projected both ways": recurrent(
        "LSTM", 3, 4, 2, bidirectional=True, proj_size=3, bias=False, state=[(4, 2, 3), (4, 2, 4)]
    ),
    "gru": recurrent("GRU", 3, 4),
    "gru both ways": recurrent("GRU", 3, 4, 2, bidirectional=True, state=[(4, 2, 4)]),
    "gru without bias": recurrent("GRU", 3, 4, bias=False),
    "attention": attention(
        lambda layer, x: list(layer(x, need_weights=True)),
        lambda t, layer, x: list(layer(x, x, x, average_attn_weights=False)),
        [(2, 4, 6)],
    ),
    "attention to others": attention(
        lambda layer, q, k, v: layer(q, k, v),
        lambda t, layer, q, k, v: layer(q, k, v, need_weights=False)[0],
        [(2, 3, 6), (2, 4, 6), (2, 4, 6)],
        bias=False,
    ),
    "attention masked": attention(
        lambda layer, x: layer(x, attn_mask=CAUSAL, key_padding_mask=PADDED),
        lambda t, layer, x: layer(
            x, x, x, attn_mask=t.tensor(~CAUSAL), key_padding_mask=t.tensor(PADDED)
        )[0],
        [(2, 4, 6)],
    ),
    "attention with scores": attention(
        lambda layer, x: layer(x, attn_mask=CAUSAL * 0.3),
        lambda t, layer, x: layer(x, x, x, attn_mask=t.tensor(CAUSAL * 0.3))[0],
        [(2, 4, 6)],
    ),
    "attention length first": attention(
        lambda layer, x, y: layer(x, y),
        lambda t, layer, x, y: layer(x, y, y)[0],
        [(3, 2, 6), (4, 2, 6)],
        ours={"batch_first": False},
    ),
    "attention alone": attention(
        lambda layer, x: list(layer(x, is_causal=True, need_weights=True)),
        lambda t, layer, x: list(
            layer(x, x, x, attn_mask=t.tensor(~CAUSAL), average_attn_weights=False)
        ),
        [(4, 6)],
    ),
    "attention to keys and values of their own": attention(
        lambda layer, q, k, v: list(layer(q, k, v, need_weights=True)),
        lambda t, layer, q, k, v: list(layer(q, k, v, average_attn_weights=False)),
        [(2, 3, 6), (2, 4, 5), (2, 4, 3)],
        kdim=5,
        vdim=3,
    ),
    "attention to values of their own": attention(
        lambda layer, q, v: layer(q, q, v, key_padding_mask=PADDED, is_causal=True),
        lambda t, layer, q, v: layer(
            q, q, v, attn_mask=t.tensor(~CAUSAL), key_padding_mask=t.tensor(PADDED)
        )[0],
        [(2, 4, 6), (2, 4, 5)],
        vdim=5,
        bias=False,
    ),
    "transformer": transformer(),
    "transformer norm first": transformer(norm_first=True, activation="gelu", bias=False),
    "transformer masked": transformer(
        lambda layer, x: layer(x, is_causal=True, src_key_padding_mask=PADDED),
        lambda t, layer, x: layer(
            x, src_mask=t.tensor(~CAUSAL), src_key_padding_mask=t.tensor(PADDED)
        ),
    ),
}


def wave(shape, phase):
    """Numbers around 0 without two that are equal, so that no maximum ties."""
    count = int(np.prod(shape))
    return np.sin(np.arange(count) * 1.7 + phase).reshape(shape)


def values_of(names_and_shapes):
    """What parameters and buffers are set to, by name."""
    values = {}
    for i, (name, shape) in enumerate(names_and_shapes):
        if name == "num_batches_tracked":
            continue
        value = wave(shape, 0.5 + i)
        values[name] = value * 0.5 + 1.0 if name == "running_var" else value
    return values


def transposed(layer, name, value):
    """A value of ours in PyTorch's layout: matrices that multiply have their output first there."""
    whole = isinstance(layer, nn.Embedding | nn.LayerNorm | nn.RMSNorm)
    turned = value.ndim == 2 and "weight" in name and not whole
    return value.T if turned else value


def inputs_of(case):
    return [wave(shape, 0.1 * i) for i, shape in enumerate(case.shapes)]


def total(outputs, asarray=lambda w: w):
    """One number that every output has its own share of."""
    parts = outputs if isinstance(outputs, list) else [outputs]
    weights = [asarray(np.cos(np.arange(np.prod(p.shape)) * 0.9).reshape(p.shape)) for p in parts]
    return sum((p * w).sum() for p, w in zip(parts, weights, strict=True))


def our_answers(case):
    """Outputs, gradients of inputs and parameters, and buffers after the call."""
    layer = case.ours().train(case.train)
    own: Any = {n: t for n, t in layer._walk() if isinstance(t, mg.Tensor)}
    for name, value in values_of((n, t.shape) for n, t in own.items()).items():
        own[name].data = value
    inputs: list[Any] = [mg.Tensor(x, requires_grad=True) for x in inputs_of(case)]
    given = inputs if case.inputs is None else [case.inputs]
    outputs = case.call(layer, *given)
    total(outputs).backward()
    answers = {}
    for i, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        answers[f"output {i}"] = output.numpy()
    for i, x in enumerate(inputs):
        answers[f"input {i}"] = x.grad.numpy()
    for name, tensor in own.items():
        learned = isinstance(tensor, nn.Parameter)
        answers[name] = (tensor.grad if learned else tensor).numpy()
    return answers


def torch_answers(torch, case):
    """The same from PyTorch, in our layout."""
    ours = case.ours()
    layer = case.theirs(torch).train(case.train)
    own = {n: t for n, t in ours._walk() if isinstance(t, mg.Tensor)}
    state = values_of((n, t.shape) for n, t in own.items())
    turned = {n: torch.tensor(transposed(ours, n, v).copy()) for n, v in state.items()}
    missing = layer.load_state_dict(turned, strict=False)
    assert not missing.unexpected_keys
    assert set(missing.missing_keys) <= {"num_batches_tracked"}
    inputs = [torch.tensor(x, requires_grad=True) for x in inputs_of(case)]
    given = inputs if case.inputs is None else [torch.tensor(case.inputs)]
    outputs = (
        case.call(layer, *given)
        if case.call_theirs is None
        else case.call_theirs(torch, layer, *given)
    )
    total(outputs, torch.tensor).backward()
    answers = {}
    for i, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
        answers[f"output {i}"] = output.detach().numpy()
    for i, x in enumerate(inputs):
        answers[f"input {i}"] = x.grad.numpy()
    for name, tensor in layer.named_parameters():
        answers[name] = transposed(ours, name, tensor.grad.numpy())
    for name, tensor in layer.named_buffers():
        answers[name] = tensor.numpy()
    if isinstance(layer, torch.nn.modules.instancenorm._InstanceNorm) and layer.track_running_stats:
        answers["num_batches_tracked"] = ours.num_batches_tracked.numpy() + case.train  # it has 0
    return answers


def packed(answers):
    """All answers in one row, in the order of their names: a file of many small arrays is large."""
    return np.concatenate([np.ravel(answers[name]).astype(float) for name in sorted(answers)])


def main():
    import torch

    torch.set_num_threads(1)
    stored = {name: packed(torch_answers(torch, case)) for name, case in CASES.items()}
    np.savez_compressed(STORED, **stored)


if __name__ == "__main__":
    main()
