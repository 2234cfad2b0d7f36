"""Random programs: graphs of ops that a test can run, differentiate, draw or compile.

Every operand lies in the domain of the op that takes it. What Hypothesis finds shrinks to few steps
on small inputs, and is printed as the Python that it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad.primitive import REGISTRY, Array, Primitive
from minigrad.testing.samples import cases_of, domain_of, kind_of, takes_matrices

LARGEST = 1e4  # what is larger is not computed with: a few steps on, it overflows
MARGIN = 0.05  # from the ends of a domain
# Ops whose gradient is not what a finite difference of their output shows.
UNLIKE = {
    **dict.fromkeys(
        ["partition", "sort"],
        "of three that tie, the one in the middle stays where it is when one is moved",
    ),
    "astype": "rounds",
    "cholesky": "reads one triangle, and its gradient is that of symmetric matrices",
    "eigh": "as cholesky, and its vectors have either sign",
    "eigvalsh": "as cholesky",
    "qr": "its vectors have either sign",
    "stop_gradient": "its purpose",
    "svd": "its vectors have either sign",
}


class Step(NamedTuple):
    """One call: ``operands`` are positions among the values so far, or constant arrays."""

    op: Primitive[...]
    operands: tuple[int | Array, ...]
    params: dict[str, Any]


class Program:
    """A sequence of ops, the last of which gives the result: a function of arrays or Tensors.

    Attributes:
        inputs: Arrays on which it was drawn, and can be run.
        steps: Its calls.
    """

    def __init__(self, inputs: Sequence[Array], steps: Sequence[Step]) -> None:
        self.inputs, self.steps = tuple(inputs), tuple(steps)

    def __call__(self, *inputs: Any) -> Any:
        """Run on arrays, or on Tensors, which record it."""
        values = list(inputs)
        for step in self.steps:
            operands = [values[o] if isinstance(o, int) else o for o in step.operands]
            values.append(step.op(*operands, **step.params))
        return values[-1]

    def __repr__(self) -> str:
        count = len(self.inputs)
        names = [f"x{i}" for i in range(count)] + [f"v{i}" for i in range(len(self.steps))]
        lines = [f"def program({', '.join(names[:count])}):"]
        for i, step in enumerate(self.steps):
            operands = [names[o] if isinstance(o, int) else _short(o) for o in step.operands]
            params = [f"{name}={value!r}" for name, value in step.params.items()]
            call = f"{step.op.name}({', '.join([*operands, *params])})"
            last = i == len(self.steps) - 1
            lines.append(f"    return {call}" if last else f"    {names[count + i]} = {call}")
        return "\n".join([*lines, f"program({', '.join(map(_short, self.inputs))})"])


def _short(array: Array) -> str:
    return " ".join(np.array_repr(array).split())


def pruned(inputs: Sequence[Array], steps: Sequence[Step]) -> Program:
    """The program without what its result does not depend on."""
    count, needed = len(inputs), {len(inputs) + len(steps) - 1}
    for i in reversed(range(len(steps))):
        if count + i in needed:
            needed |= {o for o in steps[i].operands if isinstance(o, int)}
    place = {old: new for new, old in enumerate(sorted(needed))}
    kept = [
        step._replace(operands=tuple(place[o] if isinstance(o, int) else o for o in step.operands))
        for i, step in enumerate(steps)
        if count + i in needed
    ]
    return Program([x for i, x in enumerate(inputs) if i in needed], kept)


def usable_ops() -> list[Primitive[...]]:
    """Every op of minigrad whose gradient a finite difference of its output shows.

    >>> len(usable_ops()) > 100
    True
    """
    ops = [
        op
        for op in REGISTRY.values()
        if op.rules and op.name not in UNLIKE and op.__module__.startswith("minigrad.")
    ]
    return sorted(ops, key=lambda op: (bool(op.cases), op.arity, op.name))  # the simple first


class Builder:
    """Values computed so far, and the steps that made them."""

    def __init__(self, draw: st.DrawFn, dtype: Any) -> None:
        self.draw, self.dtype = draw, dtype
        self.steps: list[tuple[int, Step]] = []  # with the number of the value
        self.values: list[Array] = []
        self.joined, self.latest = True, -1  # whether the call being drawn takes the latest value

    def step(self, ops: Sequence[Primitive[...]]) -> None:
        """Add a call of an op, on values there are or on new inputs; none if it overflows."""
        held = len(self.values)
        # Of ops with shapes of their own only a few fit; a program should hang together.
        op = self.draw(st.sampled_from([op for op in ops if self._connects(op)] or ops))
        shapes, params = self._shapes(op)
        operands: list[int | Array] = []
        for position, shape in enumerate(shapes):
            taken = [self.values[o] if isinstance(o, int) else o for o in operands]
            self.joined = not held or held - 1 in [o for o in operands if isinstance(o, int)]
            self.latest = held - 1
            operands.append(self._operand(op, position, shape, taken))
        arrays = [self.values[o] if isinstance(o, int) else o for o in operands]
        with np.errstate(all="ignore"):
            out = op(*arrays, **params)
        if not (out.dtype.kind == "f" and np.all(np.abs(out) < LARGEST)):
            del self.values[held:]  # with the inputs that were drawn for it
            return
        self.steps.append((len(self.values), Step(op, tuple(operands), params)))
        self.values.append(out)

    def _shapes(
        self, op: Primitive[...]
    ) -> tuple[Sequence[tuple[int, ...] | None], dict[str, Any]]:
        """Shapes that the operands have to have, None where any will do, and parameters."""
        if not op.cases:
            return [None] * max(op.arity, 1), {}
        cases = cases_of(op)
        connected = [case for case in cases if self._places(op, case.shapes)]
        case = self.draw(st.sampled_from(connected or cases))
        return case.shapes, dict(case.params)

    def _connects(self, op: Primitive[...]) -> bool:
        if not op.cases:
            return self._places(op, [None] * max(op.arity, 1))
        return any(self._places(op, case.shapes) for case in cases_of(op))

    def _places(self, op: Primitive[...], shapes: Sequence[tuple[int, ...] | None]) -> bool:
        """Whether one of the operands could be the latest value."""
        return any(
            self._fits(op, position, shape, [], value)
            for position, shape in enumerate(shapes)
            for value in self.values[-1:]
        )

    def _operand(
        self, op: Primitive[...], position: int, shape: tuple[int, ...] | None, taken: list[Array]
    ) -> int | Array:
        from minigrad.testing.strategies import operands

        fitting = [
            i
            for i in reversed(range(len(self.values)))
            if self._fits(op, position, shape, taken, self.values[i])
        ]
        if not self.joined and self.latest in fitting:
            return self.latest
        choice = self.draw(st.sampled_from([*fitting, None]))
        if choice is not None:
            return choice
        if shape is None:
            shape = self.draw(_shapes_beside(taken))
        drawn = self.draw(operands(op, position, shape, self.dtype))
        if drawn.dtype.kind != "f":
            return drawn
        self.values.append(drawn)
        return len(self.values) - 1

    def _fits(
        self,
        op: Primitive[...],
        position: int,
        shape: tuple[int, ...] | None,
        taken: list[Array],
        value: Array,
    ) -> bool:
        if kind_of(op, position) != "f" or (position == 0 and takes_matrices(op)):
            return False
        if shape is not None and value.shape != shape:
            return False
        low, high = domain_of(op, position)
        if value.size and not (low + MARGIN < value.min() and value.max() < high - MARGIN):
            return False
        try:
            return len(np.broadcast_shapes(value.shape, *[x.shape for x in taken])) <= 3
        except ValueError:
            return shape is not None

    def program(self) -> Program:
        """What was built, without what does not matter."""
        made = dict(self.steps)
        inputs = [i for i in range(len(self.values)) if i not in made]
        place = {old: new for new, old in enumerate([*inputs, *made])}
        steps = [
            step._replace(
                operands=tuple(place[o] if isinstance(o, int) else o for o in step.operands)
            )
            for step in made.values()
        ]
        return pruned([self.values[i] for i in inputs], steps)


def _shapes_beside(taken: list[Array]) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes that broadcast with those of other operands."""
    if not taken:
        return hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3)
    shape = np.broadcast_shapes(*[x.shape for x in taken])
    if 0 in shape:
        return st.just(shape)
    return hnp.broadcastable_shapes(shape, max_dims=max(len(shape), 2), max_side=3)


@st.composite
def programs(  # noqa: D417
    draw: st.DrawFn,
    ops: Sequence[Primitive[...]] | None = None,
    depth: int = 5,
    dtype: Any = np.float64,
) -> Program:
    """Random programs of at most ``depth`` calls, on inputs that lie in the domains of the ops.

    Args:
        ops: From which to draw; by default every op of minigrad that a finite difference can
            check, over a hundred.
        depth: How many calls, at most.
        dtype: Of the inputs.

    >>> from hypothesis import find
    >>> from minigrad import ops
    >>> find(programs([ops.exp, ops.multiply]), lambda program: len(program.steps) == 2)
    def program(x0):
        v0 = exp(x0)
        return exp(v0)
    program(array(0.))
    """
    chosen = list(ops) if ops is not None else usable_ops()
    builder = Builder(draw, dtype)
    for _ in range(draw(st.integers(1, depth))):
        builder.step(chosen)
    assume(builder.steps)
    return builder.program()
