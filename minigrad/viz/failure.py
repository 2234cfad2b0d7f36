"""Pictures of errors: the graph up to the call that failed, with that call marked.

What failed is read off the traceback, whose frames hold the operands, so raising an error costs
nothing more than it did.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.graph import Node
from minigrad.primitive import Primitive
from minigrad.scopes import Scope
from minigrad.tensor import Tensor
from minigrad.viz.build import build
from minigrad.viz.diagnose import Finding
from minigrad.viz.digest import digest
from minigrad.viz.fold import Fold
from minigrad.viz.graph import Graph
from minigrad.viz.operands import by_array
from minigrad.viz.reading import read
from minigrad.viz.tape import Tape, Vertex, plain

__all__ = ["draw_error"]

PACKAGE = __name__.partition(".")[0]


@dataclass
class _Call:
    """A call that failed: what it is called, on what, and in which modules, the outermost first."""

    name: str
    operands: Sequence[Any]
    labels: tuple[tuple[Any, ...], ...]
    primitive: Primitive[...] | None = None
    params: dict[str, Any] = field(default_factory=dict)


def draw_error(
    error: BaseException, *, title: str | None, fold: Fold, theme: str, max_cards: int
) -> Graph:
    """Draw what led to an error; see :func:`minigrad.draw`."""
    frames = list(_frames(error))
    names = _names(frames)
    node = _node(frames)
    call = None if node is not None else _call(frames) or _nearest(frames, error)
    if node is not None:
        roots = _outputs(frames, node)
        tape = read(roots, names=names, gradients=False)
        tape.findings = [Finding("failed", _place(tape, node), _first_line(error))]
    elif call is not None:
        tape = _before(call, names)
        tape.findings = [Finding("failed", tape.outputs[0], _first_line(error))]
    else:
        raise TypeError(
            f"draw() of a {type(error).__name__} that came from no op: its traceback holds no "
            "tensors to draw"
        )
    kind = type(error).__name__
    graph = build(
        tape,
        mode="forward",
        title=title or f"{kind}: what led to it",
        theme=theme,
        fold=fold,
        max_cards=max_cards,
    )
    (issue,) = graph.issues
    card = next(card for card in graph.cards if card.id == issue.card)
    card.kind = "failed"
    card.line = card.line or (_line(error) if node is None else "")
    hints = [line.strip() for line in str(error).split("\n")[1:] if "hint:" in line]
    card.note = card.note or " ".join(hints)
    return graph


def _names(frames: Sequence[types.FrameType]) -> dict[int, str]:
    """What the arrays in the variables of a user's frames are called."""
    return {
        key: name
        for frame in frames
        if not _ours(frame)
        for scope in (frame.f_globals, frame.f_locals)
        for key, name in by_array(scope.items()).items()
    }


def _first_line(error: BaseException) -> str:
    return (str(error).split("\n")[0] or type(error).__name__).strip()


def _frames(error: BaseException) -> Iterator[types.FrameType]:
    """The frames of a traceback, outermost first."""
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _line(error: BaseException) -> str:
    """The innermost line of a traceback that is not minigrad's."""
    found, traceback = "", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not _ours(traceback.tb_frame):
            found = f"{Path(code.co_filename).name}:{traceback.tb_lineno} ({code.co_name})"
        traceback = traceback.tb_next
    return found


def _ours(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == PACKAGE


def _node(frames: Sequence[types.FrameType]) -> Node | None:
    """The node at which a walk back failed."""
    for frame in reversed(frames):
        module = frame.f_globals.get("__name__")
        if module in (f"{PACKAGE}.autodiff", f"{PACKAGE}.anomaly"):
            node = frame.f_locals.get("node")
            if isinstance(node, Node):
                return node
    return None


def _outputs(frames: Sequence[types.FrameType], node: Node) -> list[Tensor]:
    """The tensors that the walk started from, or else the one that the node made."""
    for frame in frames:
        if _ours(frame):
            for value in frame.f_locals.values():
                for tensor in value if isinstance(value, tuple | list) else (value,):
                    if isinstance(tensor, Tensor) and tensor.node is not None and tensor.node.plan:
                        return [tensor]
    raise TypeError(f"draw() found no tensor from which {node} was reached")


def _place(tape: Tape, node: Node) -> int:
    """The vertex of a node: they are in the order of creation, so its record is found by that."""
    for v in tape.vertices:
        if v.serial == node.serial:
            return v.index
    return tape.outputs[0]


def _call(frames: Sequence[types.FrameType]) -> _Call | None:
    """The innermost call of an op or a function of minigrad that a traceback tells of."""
    found: _Call | None = None
    labels: tuple[tuple[Any, ...], ...] = ()
    for frame in frames:
        values = frame.f_locals
        label, args = values.get("label"), values.get("args")
        if not _ours(frame):
            continue
        if isinstance(label, tuple) and len(label) > 1:
            if len(label) == 2 and args:  # a function, such as conv2d
                given = [*args, *values.get("kwargs", {}).values()]
                found = _Call(label[0], [x for x in given if _is_array(x)], labels)
            labels = (*labels, label)
        primitive = values.get("primitive")
        if isinstance(primitive, Primitive) and isinstance(args, tuple):
            params = values.get("params")
            known = params if isinstance(params, dict) else {}
            found = _Call(primitive.name, args, labels, primitive, known)
    return found


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor | np.ndarray)


def _nearest(frames: Sequence[types.FrameType], error: BaseException) -> _Call | None:
    """What was given to the module, or done to the tensor, in which an error came from no op.

    It is told only of what minigrad was asked for, or of what a module of a user did.
    """
    modules = [(i, frame.f_locals.get("label")) for i, frame in enumerate(frames) if _ours(frame)]
    modules = [(i, label) for i, label in modules if isinstance(label, tuple) and len(label) > 2]
    around = tuple(label for _, label in modules if label is not None)
    first = modules[-1][0] if modules else len(frames)
    while not modules and first and _ours(frames[first - 1]):
        first -= 1
    for frame in reversed(frames[first:]):
        found = [x for x in _held(frame) if isinstance(x, Tensor) and x.node is not None]
        found = [x for x in found if x.node is not None and x.node.plan is not None]
        if found:  # what was computed last is what it was about
            latest = max(found, key=lambda x: x.node.serial if x.node is not None else -1)
            return _Call(type(error).__name__, [latest], around)
    if not modules:
        return None
    given = [x for x in frames[first].f_locals.get("args", ()) if _is_array(x)]
    return _Call(around[-1][0], given, around[:-1]) if given else None


def _held(frame: types.FrameType) -> Iterator[Any]:
    """The values of a frame's variables, and of those what tuples and lists hold."""
    for value in list(frame.f_locals.values()):
        yield from value if isinstance(value, tuple | list) else (value,)


def _before(call: _Call, names: dict[int, str]) -> Tape:
    """The graph of the operands, and the call after them."""
    recorded = [x for x in call.operands if isinstance(x, Tensor) and x.node is not None]
    tape = read(recorded, names=names, gradients=False)
    parents: list[int | None] = []
    numbers: dict[int, Any] = {}
    places = iter(tape.outputs)
    for i, operand in enumerate(call.operands):
        if isinstance(operand, Tensor) and operand.node is not None:
            parents.append(next(places))
            continue
        array = np.asarray(plain(operand.data if isinstance(operand, Tensor) else operand))
        if not array.ndim and array.dtype.kind in "biufc":
            numbers[i] = array.item()
            parents.append(None)
            continue
        if id(array) in tape.constants:
            parents.append(tape.constants[id(array)])
            continue
        constant = Vertex(len(tape.vertices), "constant", array.shape, array.dtype.name)
        constant.name = operand.name if isinstance(operand, Tensor) else None
        constant.name = constant.name or names.get(id(operand))
        constant.value = digest(array) if array.dtype.kind in "biufc" else None
        tape.vertices.append(constant)
        parents.append(constant.index)
    failed = Vertex(len(tape.vertices), "op", (), "", label=call.name)
    failed.scope = _scope(tape, call.labels)
    failed.primitive, failed.numbers, failed.parents = call.primitive, numbers, tuple(parents)
    failed.inputs = tuple(dict.fromkeys(p for p in parents if p is not None))
    if call.primitive is not None:
        failed.params = call.params
    tape.vertices.append(failed)
    tape.outputs, tape.notes = [failed.index], []
    return tape


def _scope(tape: Tape, labels: Sequence[tuple[Any, ...]]) -> Scope | None:
    """The scope that was open, as far as anything was recorded in it."""
    made: dict[tuple[Scope | None, int], Scope] = {}
    for v in tape.vertices:
        scope = v.scope
        while scope is not None:
            made[scope.parent, id(scope.label)] = scope
            scope = scope.parent
    found: Scope | None = None
    for label in labels:
        found = made.get((found, id(label))) or Scope(label, found)
    return found
