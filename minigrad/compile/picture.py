"""A traced program as a drawing: a card for each call, grouped by section."""

from __future__ import annotations

from minigrad.compile.program import Program, Value
from minigrad.viz.graph import Card, Edge, Graph, Group

__all__ = ["picture"]


def picture(program: Program) -> Graph:
    """Draw what a program reads, what it calls, and how results reach others.

    >>> from minigrad.compile.program import Input, Instruction
    >>> import numpy as np
    >>> x, y = (Value((2,), np.dtype(float), name=n) for n in "xy")
    >>> double = Instruction("np.multiply", (x, 2.0), {}, y)
    >>> graph = picture(Program("f", [Input(x, "argument", "x")], [double], [y]))
    >>> [card.title for card in graph.cards]
    ['x', 'np.multiply']
    """
    cards: list[Card] = []
    edges: list[Edge] = []
    ids: dict[Value, str] = {}
    read = {value for instruction in program.instructions for value in instruction.operands()}
    for i, given in enumerate(program.inputs):
        if given.value not in read:  # memory that is lent
            continue
        kind = "parameter" if given.kind == "tensor" else "input"
        ids[given.value] = f"i{i}"
        cards.append(_card(f"i{i}", kind, given.value.name, given.value))
    sections = list(dict.fromkeys(i.section for i in program.instructions))
    for i, instruction in enumerate(program.instructions):
        ids[instruction.out] = f"c{i}"
        card = _card(f"c{i}", "op", instruction.function, instruction.out)
        card.group, card.path, card.step = instruction.section, instruction.scope, i
        card.subtitle, card.ops = instruction.out.name, 1
        cards.append(card)
        operands = dict.fromkeys(instruction.operands())
        edges.extend(Edge(ids[v], f"c{i}", "data") for v in operands if v in ids)
    groups = [Group(name, name, "", name, None) for name in sections]
    outputs = [ids[v] for v in program.results if isinstance(v, Value) and v in ids]
    count = f"{len(program.instructions)} calls of NumPy"
    return Graph(program.name, count, "both", "light", "", cards, edges, groups, [], outputs)


def _card(name: str, kind: str, title: str, value: Value) -> Card:
    dtype = str(value.dtype) if value.dtype is not None else ""
    shape = value.shape if value.dtype is not None else None
    return Card(name, kind, title, shape=shape, dtype=dtype)
