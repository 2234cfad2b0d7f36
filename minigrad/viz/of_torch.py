"""PyTorch modules, drawn: one forward and backward pass with values and gradients."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from minigrad.errors import MissingExtra
from minigrad.scopes import Scope
from minigrad.viz.diagnose import Finding
from minigrad.viz.fold import Fold
from minigrad.viz.foreign import Recorder, checked
from minigrad.viz.graph import Graph
from minigrad.viz.tape import Vertex

__all__ = ["from_torch"]

# Ops of PyTorch that compute what one of minigrad does, if called without options.
SAME = {
    **{name: name for name in ("exp", "expm1", "log", "log1p", "sqrt", "relu", "tanh", "sigmoid")},
    **{name: name for name in ("sin", "cos", "tan", "square", "matmul", "maximum", "minimum")},
    **{name: name for name in ("softplus", "erf", "reciprocal", "sinh", "cosh")},
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "div": "divide",
    "neg": "negative",
    "truediv": "divide",
    "abs": "absolute",
    "pow": "power",
    "mm": "matmul",
    "bmm": "matmul",
    "radd": "add",
    "rmul": "multiply",
}
RULES = {
    "linear": ("∂L/∂in = g · weight", "∂L/∂weight = gᵀ · in", "∂L/∂bias = Σ rows g"),
    "flatten": ("∂L/∂in = reshape(g)",),
    "reshape": ("∂L/∂in = reshape(g)",),
    "view": ("∂L/∂in = reshape(g)",),
}
UNSEEN = ("detach", "requires_grad_", "retain_grad", "register_hook", "clone", "contiguous")


def from_torch(
    module: Callable[..., Any],
    *inputs: Any,
    loss: Callable[[Any], Any] | None = None,
    mode: str = "both",
    title: str | None = None,
    fold: Fold = "auto",
    theme: str = "light",
    max_cards: int = 40,
) -> Graph:
    """Draw one forward and backward pass of a PyTorch module, as :func:`minigrad.draw` draws.

    Every call of a function of PyTorch becomes a card with its value and the gradient that arrived
    there, modules become boxes, and the same is found to be wrong: dead units, saturation, NaN,
    vanishing gradients, parameters that are not used. No ``.grad`` is touched::

        mg.viz.from_torch(model, x, loss=lambda out: F.cross_entropy(out, y)).save("model.svg")

    Args:
        module: A ``torch.nn.Module``, or any function of tensors.
        inputs: What to call it with.
        loss: Makes the scalar to differentiate of the output; without it gradients start from ones.
        mode: As for ``draw``, like all that follows.
        title: Heading of the picture.
        fold: Whether modules are folded.
        theme: ``"light"`` or ``"dark"``.
        max_cards: How many cards are drawn before more is folded.

    Raises:
        MissingExtra: If PyTorch is not installed.
        ValueError: If an argument is none of those above, or nothing was computed from tensors.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("PyTorch", "mg.viz.from_torch", "torch") from error
    look = checked(mode, title, fold, theme, max_cards)
    parameters = dict(module.named_parameters()) if isinstance(module, torch.nn.Module) else {}
    watch = _Watch(torch, module, inputs, parameters)
    with torch.enable_grad(), watch.mode(), watch.scopes():
        output = module(*inputs)
        if loss is not None:
            watch.inside = [None]
            output = loss(output)
    roots = [t for t in watch.tensors(output) if id(t) in watch.known]
    if not roots:
        raise ValueError("from_torch() found nothing computed from tensors in what was returned")
    watch.walk_back(roots)
    if not parameters and any(t.numel() != 1 for t in roots):
        watch.recorder.tape.notes.append("started from ones, as the output is not a scalar")
    return watch.recorder.draw(mode, look)


class _Watch:
    """What PyTorch is seen to do: calls, modules, and the gradients that arrive."""

    def __init__(
        self, torch: Any, module: Any, inputs: tuple[Any, ...], parameters: dict[str, Any]
    ) -> None:
        self.torch, self.module, self.parameters = torch, module, parameters
        self.recorder = Recorder()
        self.known: dict[int, Vertex] = {}
        self.alive: list[Any] = []  # so that no id is given twice
        self.hooks: list[Any] = []
        self.inside: list[Scope | None] = [None]
        self.names = {id(t): name.rpartition(".")[2] for name, t in parameters.items()}
        forward = getattr(module, "forward", module)
        try:
            given = [p for p in inspect.signature(forward).parameters if p != "self"]
        except (TypeError, ValueError):
            given = []
        for i, x in enumerate(inputs):
            if isinstance(x, torch.Tensor):
                self.names.setdefault(id(x), given[i] if i < len(given) else f"x{i}")

    def tensors(self, found: Any) -> Iterator[Any]:
        """All tensors in arguments or results, also inside lists, tuples and dicts."""
        if isinstance(found, self.torch.Tensor):
            yield found
        elif isinstance(found, list | tuple):
            for part in found:
                yield from self.tensors(part)
        elif isinstance(found, dict):
            yield from self.tensors(list(found.values()))

    def mode(self) -> Any:
        """A context in which every call of a function of PyTorch is seen."""
        watch = self

        class Seen(self.torch.overrides.TorchFunctionMode):  # type: ignore[misc, name-defined]
            def __torch_function__(
                self, function: Any, types: Any, args: Any = (), kwargs: Any = None
            ) -> Any:
                out = function(*args, **(kwargs or {}))
                watch.call(function, args, kwargs or {}, out)
                return out

        return Seen()

    def vertex(self, tensor: Any) -> Vertex:
        """The vertex of a tensor; one that no call made is a parameter or an input."""
        found = self.known.get(id(tensor))
        if found is not None:
            return found
        kind = "leaf" if tensor.requires_grad else "constant"
        found = self.recorder.new(kind, _plain(tensor), self.names.get(id(tensor)))
        self.remember(tensor, found)
        return found

    def remember(self, tensor: Any, vertex: Vertex) -> None:
        self.known[id(tensor)] = vertex
        self.alive.append(tensor)
        if tensor.requires_grad:
            arrived = self.recorder.gradient
            self.hooks.append(tensor.register_hook(lambda g: arrived(vertex, _plain(g))))

    def call(self, function: Any, args: Any, kwargs: Any, out: Any) -> None:
        """Record a call, unless it only looks at a tensor."""
        plain = getattr(function, "__name__", "")
        if plain == "__get__":  # a property, such as x.T
            plain = getattr(getattr(function, "__self__", None), "__name__", "")
            if plain not in ("T", "mT", "H", "mH", "real", "imag"):
                return
        operands = list(self.tensors([args, kwargs]))
        results = list(self.tensors(out))
        if plain in UNSEEN or not operands or not results:
            if plain in UNSEEN and results and operands and results[0] is not operands[0]:
                self.known.setdefault(id(results[0]), self.vertex(operands[0]))
                self.alive.append(results[0])
            return
        if plain.endswith("_") and not results[0].is_floating_point():
            return  # a counter, such as that of batch normalisation
        self._record(plain, args, kwargs, operands, results)

    def _record(self, plain: str, args: Any, kwargs: Any, operands: Any, results: Any) -> None:
        name = plain.strip("_")
        flat = [x for x in args if isinstance(x, self.torch.Tensor | int | float)]
        options = [x for x in kwargs.values() if x is not False and x is not None]
        exact = not options and len(flat) == len(args) and len(results) == 1
        numbers = {}
        if exact:
            numbers = {i: x for i, x in enumerate(flat) if not isinstance(x, self.torch.Tensor)}
            parents = [None if i in numbers else self.vertex(x).index for i, x in enumerate(flat)]
        else:
            parents = [self.vertex(t).index for t in operands]
        for k, result in enumerate(results):
            label = name if len(results) == 1 else f"{name}[{k}]"
            known = SAME.get(name) if exact else None
            v = self.recorder.op(label, _plain(result), parents, numbers, self.inside[-1], known)
            back = getattr(result.grad_fn, "__name__", None) or type(result.grad_fn).__name__
            through = (f"through {back}",) if result.grad_fn is not None else ()
            v.rules = RULES.get(name, through)
            if name == "linear" and len(parents) > 1 and parents[1] is not None:
                made = (
                    parents[0] is not None and self.recorder.tape.vertices[parents[0]].kind == "op"
                )
                self.recorder.roles[parents[1]] = (True, made)  # a row is a unit
            self.remember(result, v)

    def scopes(self) -> Any:
        """A context in which calls of modules open boxes."""
        return _Boxes(self)

    def walk_back(self, roots: list[Any]) -> None:
        """Differentiate the outputs, without touching any ``.grad``."""
        recorder, torch = self.recorder, self.torch
        outputs = [t for t in roots if t.requires_grad]
        leaves = [t for t in self.alive if t.requires_grad and t.is_leaf]
        if outputs and leaves:
            ones = [torch.ones_like(t) for t in outputs]
            torch.autograd.grad(outputs, leaves, ones, allow_unused=True)
        for hook in self.hooks:
            hook.remove()
        for name, parameter in self.parameters.items():
            if parameter.requires_grad and id(parameter) not in self.known:
                v = recorder.new("leaf", _plain(parameter), name)
                recorder.tape.findings.append(Finding("unused", v.index, "not used by the output"))
        recorder.finish([self.known[id(t)].index for t in roots])


class _Boxes:
    """Hooks on all modules that follow which of them is being called."""

    def __init__(self, watch: _Watch) -> None:
        self.watch, self.handles = watch, list[Any]()
        self.paths: dict[int, str] = {}
        self.labels: dict[int, tuple[Any, ...]] = {}

    def __enter__(self) -> None:
        module = self.watch.module
        if not isinstance(module, self.watch.torch.nn.Module):
            return
        for path, part in module.named_modules():
            if not any(True for _ in part.parameters()) and not list(part.children()):
                continue  # an activation, say: its own card says enough
            self.paths[id(part)] = path
            self.handles += [
                part.register_forward_pre_hook(self.enter),
                part.register_forward_hook(self.leave, always_call=True),
            ]

    def __exit__(self, *error: object) -> None:
        for handle in self.handles:
            handle.remove()

    def enter(self, part: Any, args: Any) -> None:
        inside = self.watch.inside
        outer = inside[-1]
        around = self.paths.get(id(outer.label[2]()), "") if outer is not None else ""
        path = self.paths[id(part)]
        name = path.removeprefix(f"{around}.") or type(part).__name__
        label = self.labels.setdefault(id(part), (name, _title(part), weakref.ref(part)))
        inside.append(Scope(label, outer))

    def leave(self, part: Any, args: Any, out: Any) -> None:
        self.watch.inside.pop()


def _title(module: Any) -> str:
    """The class, and where it says so the widths, such as ``Linear(4 → 3)``."""
    name = type(module).__name__
    for ends in (("in_features", "out_features"), ("in_channels", "out_channels")):
        if all(isinstance(getattr(module, end, None), int) for end in ends):
            return f"{name}({getattr(module, ends[0])} → {getattr(module, ends[1])})"
    return name


def _plain(tensor: Any) -> Any:
    """A copy of the numbers of a tensor, of a dtype that NumPy has."""
    tensor = tensor.detach()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return tensor.resolve_conj().resolve_neg().cpu().numpy().copy()
