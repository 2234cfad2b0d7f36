"""The tape as text: every step forward, numbered, and every gradient rule in the order it runs."""

from __future__ import annotations

from dataclasses import dataclass

from minigrad.errors import BackwardError
from minigrad.tensor import Tensor
from minigrad.viz.describe import gradient_text
from minigrad.viz.operands import Namer, caller_names, same, setting
from minigrad.viz.reading import read
from minigrad.viz.style import clean
from minigrad.viz.tape import Tape, Vertex

__all__ = ["Listing", "tape"]


@dataclass(frozen=True, repr=False)
class Listing:
    """What was computed and what its gradient computes, one line for each step.

    Attributes:
        title: What it is the tape of.
        forward: Leaves, inputs and ops, in the order of creation.
        backward: Gradients, in the order in which ``backward()`` computes them.
    """

    title: str
    forward: list[str]
    backward: list[str]

    def __str__(self) -> str:
        forward = [f"  {line}" for line in self.forward]
        backward = [f"  {line}" for line in self.backward]
        lines = [self.title, "forward", *forward, "backward", *backward]
        return "\n".join(clean(line).rstrip() for line in lines)

    __repr__ = __str__


def tape(output: Tensor) -> Listing:
    """List the forward and the backward tape of ``output``, to be printed.

    ``%4`` is the result of step 4, ``g4`` the gradient of the output with respect to it, and ``+=``
    says that several paths meet. Names are as in :func:`minigrad.draw`. Nothing is computed, so a
    graph that ``backward()`` has released is listed as well.

    Raises:
        BackwardError: If ``output`` was not recorded.
        TypeError: If it is no Tensor.

    >>> w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> print(tape((w * w).sum()))
    tape of sum: 2 ops
    forward
      %0 w                 (2,) float64  parameter
      %1 = multiply(w, w)  (2,) float64
      %2 = sum(%1)         () float64
    backward
      g2 = 1
      g1 = repeat(g2)  # sum
      w.grad = g1 × w  # multiply
      w.grad += g1 × w  # multiply
    """
    if not isinstance(output, Tensor):
        raise TypeError(f"tape() needs a Tensor, not {type(output).__name__}")
    if output.node is None:
        raise BackwardError("tape() of a tensor that requires no gradient: nothing was recorded")
    record = read([output], names=caller_names(), values=False, gradients=False)
    writer = _Writer(record)
    vertices = record.vertices
    ops = sum(v.kind == "op" for v in vertices)
    what = writer.namer.of(record.outputs[0])
    title = f"tape of {what}: {ops:,} op{'s' * (ops != 1)}"
    return Listing(title, _aligned([writer.forward(v) for v in vertices]), writer.backward())


class _Writer:
    def __init__(self, record: Tape) -> None:
        self.record, self.vertices = record, record.vertices
        self.namer = Namer(record)

    def name(self, index: int) -> str:
        """What a tensor is called: a leaf by its full name, a result by its number."""
        v = self.vertices[index]
        return f"%{index}" if v.kind == "op" else self.namer.full(index)

    def forward(self, v: Vertex) -> tuple[str, str]:
        """One line: what is computed from what, and what it is."""
        kind = {"leaf": "  parameter", "constant": "  input"}.get(v.kind, "")
        made = f"{v.shape} {v.dtype}{kind}" if v.dtype else f"{kind}".strip()
        if v.kind != "op" or v.primitive is None:
            return f"%{v.index} {self.namer.full(v.index)}", made
        inputs = [self.operand(v, i) for i in range(len(v.parents))]
        defaults = v.primitive.statics
        inputs += [setting(k, x) for k, x in v.params.items() if not same(x, defaults.get(k))]
        if v.scope is not None:
            made = f"{made}  in {v.scope.path}"
        return f"%{v.index} = {v.op}({', '.join(inputs)})", made

    def operand(self, v: Vertex, i: int) -> str:
        """The input at ``i``: a number as it is."""
        parent = v.parents[i]
        return self.namer.argument(v, i) if parent is None else self.name(parent)

    def backward(self) -> list[str]:
        """All rules in the order in which they run: a result after all that used it."""
        reached = set(self.record.outputs)
        lines = [f"g{i} = 1" for i in self.record.outputs]
        for v in reversed(self.vertices):
            if v.index not in reached or v.primitive is None:
                continue
            inputs = v.primitive.inputs
            names = {"g": f"g{v.index}", "out": f"%{v.index}"}
            if not v.primitive.variadic:
                names |= {name: self.operand(v, i) for i, name in enumerate(inputs)}
            for i in v.pulls:
                parent = v.parents[i]
                assert parent is not None
                text = gradient_text(self.vertices, v, i, names)
                target = self.vertices[parent]
                to = f"g{parent}" if target.kind == "op" else f"{self.namer.full(parent)}.grad"
                sign = "+=" if parent in reached else "="
                reached.add(parent)
                lines.append(f"{to} {sign} {text}  # {v.op}")
        return lines


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    widest = max((len(left) for left, _ in rows if len(left) <= 48), default=0)
    return [f"{left.ljust(widest)}  {right}" for left, right in rows]
