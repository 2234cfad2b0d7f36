"""An argument by the name that another framework gives it is told its name here."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.arguments import ARGUMENTS, argument

LOOSE: Any = mg  # a type checker knows better than what is tried here


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: LOOSE.sum(t, dim=1), "sum() has no parameter 'dim': write axis="),
        (lambda t: t.sum(dim=1), "sum() has no parameter 'dim': write axis="),
        (lambda t: t.mean(axis=1, keepdim=True), "mean() has no parameter 'keepdim': write keepd"),
        (lambda t: t.argmax(dim=1), "argmax() has no parameter 'dim': write axis="),
        (lambda t: t.std(unbiased=False), "std() has no parameter 'unbiased': write ddof="),
        (lambda t: LOOSE.softmax(t, dim=1), "softmax() has no parameter 'dim': write axis="),
        (lambda t: LOOSE.stack([t, t], dim=0), "stack() has no parameter 'dim': write axis="),
        (
            lambda t: LOOSE.concatenate([t, t], dim=0),
            "concatenate() has no parameter 'dim': write a",
        ),
        (lambda t: LOOSE.cumsum(t, dim=0), "cumsum() has no parameter 'dim': write axis="),
        (lambda t: LOOSE.flip(t, dims=(0,)), "flip() has no parameter 'dims': write axis="),
        (lambda t: LOOSE.roll(t, shifts=1), "roll() has no parameter 'shifts': write shift="),
        (lambda t: LOOSE.squeeze(t, dim=0), "squeeze() has no parameter 'dim': write axis="),
        (lambda t: LOOSE.linalg.norm(t, dim=0), "norm() has no parameter 'dim': write axis="),
        (lambda t: LOOSE.linalg.norm(t, p=1), "norm() has no parameter 'p': write ord="),
        (lambda t: LOOSE.pad(t, 1, value=2.0), "no parameter 'value': write constant_values="),
        (lambda t: LOOSE.tril(t, diagonal=1), "tril() has no parameter 'diagonal': write k="),
        (lambda t: LOOSE.mse_loss(t, t, reduce=True), "no parameter 'reduce': write reduction="),
        (lambda t: LOOSE.sort(t, descending=True), "no parameter 'descending': flip the result"),
        (lambda t: LOOSE.add(t, t, alpha=2), "no parameter 'alpha': multiply before"),
        (lambda t: LOOSE.divide(t, t, rounding_mode="floor"), "write mg.floor_divide(t, u)"),
        (lambda t: LOOSE.exp(t, out=t), "exp() has no parameter 'out': results are new arrays"),
        (
            lambda t: LOOSE.max_pool2d(t[None], 2, return_indices=True),
            "no parameter 'return_indices': write max_pool2d_with_indices",
        ),
        (
            lambda t: np.nan_to_num(t, copy=False),
            "nan_to_num() has no parameter 'copy': tensors are not changed in place",
        ),
        (
            lambda t: LOOSE.nan_to_num(t, copy=False),
            "nan_to_num() has no parameter 'copy': tensors are not changed in place",
        ),
        (lambda t: LOOSE.swapaxes(t, dim0=0, dim1=1), "no parameter 'dim0': write axis1="),
    ],
)
def test_an_argument_that_is_known_elsewhere_is_told_what_it_is_called_here(call, words):
    with pytest.raises(TypeError) as caught:
        call(mg.Tensor(np.ones((2, 3)), requires_grad=True))
    assert words in str(caught.value)


def sgd():
    return mg.optim.SGD([mg.tensor([1.0], requires_grad=True)], 0.1)


NORM = "clip_grad_norm() has no parameter 'norm_type': the norm is the square root of the sum of"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda o: o.clip_grad_norm([], 1.0, norm_type=1), NORM),
        (lambda o: o.clip_grad_norm([], 1.0, 1), NORM),
        (lambda o: o.clip_grad_norm([], 1.0, error_if_nonfinite=True), "is always an error"),
        (lambda o: o.clip_grad_norm([], 1.0, foreach=True), "'foreach': there is one way it is c"),
        (
            lambda o: o.clip_grad_value([], 1.0, foreach=True),
            "clip_grad_value() has no parameter 'foreach': there is one way it is computed",
        ),
        (
            lambda o: o.StepLR(sgd(), 2).step(3),
            "step() has no parameter 'epoch': a schedule counts its steps",
        ),
        (lambda o: o.StepLR(sgd(), 2).step(epoch=3), "has no parameter 'epoch': a schedule count"),
        (lambda o: o.ReduceLROnPlateau(sgd()).step(1.0, 3), "has no parameter 'epoch': a schedu"),
        (lambda o: o.ReduceLROnPlateau(sgd()).step(metrics=1.0), "'metrics': write metric="),
        (lambda o: o.SequentialLR([o.StepLR(sgd(), 2)], []).step(3), "no parameter 'epoch': a sch"),
        (lambda o: o.ChainedScheduler([o.StepLR(sgd(), 2)]).step(3), "no parameter 'epoch': a sch"),
        (lambda o: o.StepLR(sgd(), 2, last_epoch=3), "'last_epoch': load_state_dict() resumes"),
        (lambda o: o.StepLR(sgd(), 2, verbose=True), "'verbose': print optimizer.learning_rate"),
        (
            lambda o: o.OneCycleLR(sgd(), 1.0, epochs=3, steps_per_epoch=7),
            "'epochs': total_steps is the product of epochs and steps in each",
        ),
        (lambda o: o.Adam([], fused=True), "no parameter 'fused': there is one way it is computed"),
        (
            lambda o: o.Adam([], decoupled_weight_decay=True),
            "'decoupled_weight_decay': write AdamW",
        ),
    ],
)
def test_an_argument_of_torchs_optim_is_told_what_there_is(call, words):
    with pytest.raises(TypeError) as caught:
        call(LOOSE.optim)
    assert words in str(caught.value)


def test_what_goes_wrong_inside_of_a_step_is_told_as_it_is():
    schedule = mg.optim.LambdaLR(sgd(), lambda count: 1.0 if not count else "fast")  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="can't multiply sequence"):
        schedule.step()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'clip_value'"):
        LOOSE.optim.clip_grad_value([])


def test_arguments_that_nothing_is_known_of():
    assert argument("colour", ["axis"]) == ""
    assert argument("axes", ["axes"]) == "axes"
    assert argument("axi", ["axis"]) == "axis"
    assert {("axis",), ("keepdims",)} < set(ARGUMENTS.values())
