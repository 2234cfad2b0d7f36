"""Random programs, run by minigrad and by the naive engine of ``reference.py``, must agree.

The machine makes leaves, combines what there is, detaches, switches recording off, forgets
references, walks backward once and again, and holds two engines to the same gradients throughout.
"""

import gc
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import minigrad as mg
from minigrad.errors import BackwardError
from minigrad.graph import RECORDING, Node
from tests.reference import BINARY, UNARY, Value, add_gradients

SHAPES = [(), (3,), (1, 3), (3, 1), (3, 3)]
OPS = sorted({**UNARY, **BINARY})
back = st.integers(0, 12)  # which value: how far back in the list of them, around its end
late = st.integers(0, 2)
seeds = st.integers(0, 99)


class Pair(NamedTuple):
    """The same value in both engines."""

    ours: mg.Tensor
    theirs: Value


class Programs(RuleBasedStateMachine):
    """Programs over arrays whose shapes all broadcast with each other."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Pair] = []
        self.watched: list[Pair] = []  # leaves, and what retains a gradient
        gc.freeze()  # what other tests left alive need not be searched
        gc.disable()

    def pick(self, i: int) -> Pair:
        return self.values[-1 - i % len(self.values)]

    def pick_computed(self, i: int) -> Pair:
        computed = [x for x in self.values if not x.ours.is_leaf] or self.values
        return computed[-1 - i % len(computed)]

    def keep(self, ours: mg.Tensor, theirs: Value) -> None:
        """Keep a value for later, if it can be squared a few times more."""
        np.testing.assert_array_equal(ours.data, theirs.data)
        if np.abs(theirs.data).max() < 1e3 and theirs.paths < 200:
            self.values.append(Pair(ours, theirs))

    @initialize(shape=st.sampled_from(SHAPES), seed=seeds)
    def start(self, shape, seed):
        self.make_leaf(shape, seed)

    @rule(shape=st.sampled_from(SHAPES), seed=seeds)
    def make_leaf(self, shape, seed):
        data = np.random.default_rng(seed).normal(size=shape)
        self.values.append(Pair(mg.Tensor(data, requires_grad=True), Value(data)))
        self.watched.append(self.values[-1])

    @rule(program=st.lists(st.tuples(st.sampled_from(OPS), back, back), min_size=4, max_size=12))
    def compute(self, program):
        for op, i, j in program:
            a, b = self.pick(i), self.pick(j)
            if op in UNARY:
                self.keep(getattr(mg, op)(a.ours), UNARY[op](a.theirs))
            else:
                self.keep(getattr(mg, op)(a.ours, b.ours), BINARY[op](a.theirs, b.theirs))

    @rule(i=back)
    def detach(self, i):
        x = self.pick(i)
        self.keep(x.ours.detach(), Value(x.theirs.data))

    @rule(i=back, op=st.sampled_from(sorted(UNARY)))
    def compute_without_recording(self, i, op):
        x = self.pick(i)
        with mg.no_grad():
            ours = getattr(mg, op)(x.ours)
        assert not ours.requires_grad
        self.keep(ours, Value(UNARY[op](x.theirs).data))

    @precondition(lambda self: len(self.values) > 1)
    @rule(i=back)
    def forget(self, i):
        del self.values[-1 - i % len(self.values)]

    @rule(i=back)
    def retain(self, i):
        x = self.pick(i)
        if x.ours.requires_grad and not x.theirs.retains:
            x.ours.retain_grad()
            x.theirs.retains = True
            self.watched.append(x)

    def is_released(self, node: Node | None) -> bool:
        if node is None:
            return False
        return node.kept is None or any(map(self.is_released, node.parents))

    @rule(i=late, seed=seeds, retain=st.booleans(), create=st.booleans())
    def walk_backward(self, i, seed, retain, create):
        x = self.pick_computed(i)
        g = np.random.default_rng(seed).normal(size=x.ours.shape)
        if x.ours.node is None or self.is_released(x.ours.node):
            before = [pair.ours.grad for pair in self.watched]
            with pytest.raises(BackwardError):
                x.ours.backward(g)
            for pair, grad in zip(self.watched, before, strict=True):
                assert not pair.ours.is_leaf or pair.ours.grad is grad
                pair.ours.grad = grad  # what retains one may have got it before the walk ended
            return
        x.ours.backward(g, retain_graph=retain, create_graph=create)
        add_gradients(x.theirs, g)
        for pair in self.watched:
            if pair.ours.grad is not None:
                pair.ours.grad = pair.ours.grad.detach()

    @rule(i=late, seed=seeds)
    def walk_twice(self, i, seed):
        x = self.pick_computed(i)
        if x.ours.node is None or self.is_released(x.ours.node):
            return
        g = np.random.default_rng(seed).normal(size=x.ours.shape)
        for pair in self.watched:
            pair.ours.grad = pair.theirs.grad = None
        x.ours.backward(g, retain_graph=True)
        once = [None if p.ours.grad is None else p.ours.grad.data.copy() for p in self.watched]
        x.ours.backward(g, retain_graph=True)
        for pair, grad in zip(self.watched, once, strict=True):
            assert (pair.ours.grad is None) == (grad is None)
            if pair.ours.grad is not None and grad is not None:
                np.testing.assert_array_equal(pair.ours.grad.data, 2 * grad)
        for _ in range(2):
            add_gradients(x.theirs, g)

    @rule(seed=seeds)
    def forget_gradients(self, seed):
        for pair in self.watched[seed % 3 :: 2]:
            pair.ours.zero_grad()
            pair.theirs.grad = None

    @rule(seed=seeds)
    def halve_a_gradient_in_place(self, seed):
        """What one gradient holds is its own: the others stay as they are."""
        pair = self.watched[seed % len(self.watched)]
        if pair.ours.grad is not None and pair.ours.grad.data.flags.writeable:
            pair.ours.grad.data *= 0.5
            pair.theirs.grad = pair.theirs.grad * 0.5

    @invariant()
    def gradients_are_equal(self):
        for ours, theirs in self.watched:
            assert (ours.grad is None) == (theirs.grad is None)
            if ours.grad is not None:
                assert ours.grad.shape == ours.shape
                np.testing.assert_allclose(ours.grad.data, theirs.grad, rtol=1e-8, atol=1e-8)

    @invariant()
    def recording_is_on(self):
        assert RECORDING.get()

    def teardown(self):
        self.values.clear()
        self.watched.clear()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            gc.collect()
            garbage = [x for x in gc.garbage if isinstance(x, mg.Tensor | Node)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert not garbage


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(
    max_examples=3 * settings().max_examples, stateful_step_count=30, deadline=None
)
