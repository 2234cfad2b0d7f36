"""Random programs, run by minigrad and by the naive engine of ``reference.py``, must agree.

The machine makes leaves, combines what there is, detaches, switches recording off, forgets
references, walks backward once and again, and holds two engines to the same gradients throughout.
"""

import gc
from typing import Any, NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

import minigrad as mg
from minigrad.errors import BackwardError
from minigrad.tensor import RECORDING, Node
from tests.reference import BINARY, UNARY, Value, add_gradients

SHAPES = [(), (3,), (1, 3), (3, 1), (3, 3)]


class Pair(NamedTuple):
    """The same value in both engines, and whether it asks for a gradient."""

    ours: mg.Tensor
    theirs: Value


class Programs(RuleBasedStateMachine):
    """Programs over arrays whose shapes all broadcast with each other."""

    values: Bundle[Pair] = Bundle("values")

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[Pair] = []
        self.serial = 0
        self.collecting = gc.isenabled()
        gc.collect()
        gc.disable()

    def bounded(self, ours: mg.Tensor, theirs: Value) -> Any:
        """Keep a value for later if it can be squared a few times more."""
        np.testing.assert_array_equal(ours.data, theirs.data)
        if np.abs(theirs.data).max() > 1e3 or theirs.paths > 1000:
            return multiple()
        return Pair(ours, theirs)

    @rule(target=values, shape=st.sampled_from(SHAPES), seed=st.integers(0, 99))
    def make_leaf(self, shape, seed):
        data = np.random.default_rng(seed).normal(size=shape)
        pair = Pair(mg.Tensor(data, requires_grad=True), Value(data))
        self.leaves.append(pair)
        return pair

    @rule(target=values, shape=st.sampled_from(SHAPES), number=st.floats(-2, 2, width=16))
    def make_constant(self, shape, number):
        return Pair(mg.Tensor(np.full(shape, number)), Value(np.full(shape, number)))

    @rule(target=values, x=values, op=st.sampled_from(sorted(UNARY)))
    def apply_unary(self, x, op):
        return self.bounded(getattr(mg, op)(x.ours), UNARY[op](x.theirs))

    @rule(target=values, a=values, b=values, op=st.sampled_from(sorted(BINARY)))
    def apply_binary(self, a, b, op):
        return self.bounded(getattr(mg, op)(a.ours, b.ours), BINARY[op](a.theirs, b.theirs))

    @rule(target=values, x=values, op=st.sampled_from(sorted(BINARY)))
    def apply_to_itself(self, x, op):
        return self.bounded(getattr(mg, op)(x.ours, x.ours), BINARY[op](x.theirs, x.theirs))

    @rule(target=values, x=values)
    def detach(self, x):
        return Pair(x.ours.detach(), Value(x.theirs.data))

    @rule(target=values, x=values, op=st.sampled_from(sorted(UNARY)))
    def apply_without_recording(self, x, op):
        with mg.no_grad():
            ours = getattr(mg, op)(x.ours)
        assert not ours.requires_grad
        return self.bounded(ours, Value(UNARY[op](x.theirs).data))

    @rule(x=consumes(values))
    def forget(self, x):
        pass

    @rule(x=values, seed=st.integers(0, 99), retain=st.booleans(), create=st.booleans())
    def walk_backward(self, x, seed, retain, create):
        g = np.random.default_rng(seed).normal(size=x.ours.shape)
        before = [leaf.ours.grad for leaf in self.leaves]
        try:
            x.ours.backward(g, retain_graph=retain, create_graph=create)
        except BackwardError:
            # What an earlier walk released can't be walked; some leaves may have got their share.
            assert x.ours.node is None or self.has_released(x.ours.node)
            for leaf, grad in zip(self.leaves, before, strict=True):
                leaf.ours.grad = grad
        else:
            add_gradients(x.theirs, g)
        for leaf in self.leaves:
            if leaf.ours.grad is not None:
                leaf.ours.grad = leaf.ours.grad.detach()

    def has_released(self, node: Node) -> bool:
        return node.kept is None or any(self.has_released(p) for p in node.parents if p)

    @rule(x=values)
    def retain(self, x):
        if x.ours.requires_grad and not x.theirs.retains:
            x.ours.retain_grad()
            x.theirs.retains = True
            self.leaves.append(x)

    @rule(x=values, seed=st.integers(0, 99))
    def walk_twice(self, x, seed):
        g = np.random.default_rng(seed).normal(size=x.ours.shape)
        for leaf in self.leaves:
            leaf.ours.grad = leaf.theirs.grad = None
        try:
            x.ours.backward(g, retain_graph=True)
        except BackwardError:
            for leaf in self.leaves:
                leaf.ours.grad = None
            return
        once = [None if p.ours.grad is None else p.ours.grad.data.copy() for p in self.leaves]
        x.ours.backward(g, retain_graph=True)
        for pair, grad in zip(self.leaves, once, strict=True):
            assert (pair.ours.grad is None) == (grad is None)
            if grad is not None and pair.ours.grad is not None:
                np.testing.assert_array_equal(pair.ours.grad.data, 2 * grad)
        for _ in range(2):
            add_gradients(x.theirs, g)

    @rule(seed=st.integers(0, 99))
    def forget_gradients(self, seed):
        for leaf in self.leaves[seed % 2 :]:
            leaf.ours.zero_grad()
            leaf.theirs.grad = None

    @invariant()
    def gradients_are_equal(self):
        for ours, theirs in self.leaves:
            assert (ours.grad is None) == (theirs.grad is None)
            if ours.grad is not None:
                assert ours.grad.shape == ours.shape
                np.testing.assert_allclose(ours.grad.data, theirs.grad, rtol=1e-8, atol=1e-8)

    @invariant()
    def recording_is_on(self):
        assert RECORDING.get()

    def teardown(self):
        self.leaves.clear()
        super().teardown()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            gc.collect()
            garbage = [x for x in gc.garbage if isinstance(x, mg.Tensor | Node)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            if self.collecting:
                gc.enable()
        assert not garbage


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(
    max_examples=4 * settings().max_examples, stateful_step_count=40, deadline=None
)
