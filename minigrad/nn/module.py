"""Modules: objects whose attributes hold parameters, found by walking them.

There is no metaclass, no attribute hook and no ``super().__init__()`` to forget: whatever
Parameters, Buffers and Modules ``vars(self)`` holds, also inside lists, tuples and dicts, belongs
to a module.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from minigrad.errors import StateError
from minigrad.names import MODULES, telling_of
from minigrad.nn.summary import OBSERVER, Summary, summarise
from minigrad.scopes import Scope, current_scope, enter, leave
from minigrad.tensor import Tensor

__all__ = ["Buffer", "Module", "Parameter"]

_observer = OBSERVER.get
_LABEL = "_label"  # the one attribute a module has of its own: its cached name and title
Label = tuple[Any, ...]


class _Labels(dict[int, tuple[Any, Label]]):
    """Labels of a module that is called by several names, by the reference to who calls it.

    They are false, so that every call of such a module asks for its label.
    """

    def __bool__(self) -> Literal[False]:
        return False


class Parameter(Tensor):
    """A Tensor that asks to be found and trained.

    >>> Parameter([1.0, 2.0])
    Parameter([1., 2.], dtype=float64, requires_grad=True)
    """

    __slots__ = ()

    def __init__(
        self, data: Any, requires_grad: bool = True, dtype: Any = None, name: str | None = None
    ) -> None:
        super().__init__(data, requires_grad, dtype, name)


class Buffer(Tensor):
    """A Tensor that asks to be found and saved, but not trained.

    >>> Buffer([1.0]).requires_grad
    False
    """

    __slots__ = ()


class Module:
    """A part of a model: override ``forward``, assign parameters and modules in ``__init__``.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter([2.0])
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(np.array([3.0])).numpy(), dict(Scale().named_parameters())
    (array([6.]), {'factor': Parameter([2.], dtype=float64, name='factor', requires_grad=True)})
    """

    training: bool = True
    _label: Label | _Labels | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; called through ``module(x)``, which opens the module's scope."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` inside a scope of the module's name."""
        label = self._label or self._make_label(current_scope())
        token = enter(label)
        try:
            observer = _observer()
            if observer is None:
                return self.forward(*args, **kwargs)
            return observer(self, self.forward, args, kwargs)
        finally:
            leave(token)

    def _make_label(self, outer: Scope | None) -> Label:
        """Name the modules inside the calling module, or inside this one if it is the outermost.

        What two modules hold by two names, such as a layer of a ``Sequential`` and of its slice,
        keeps a label for each of them.
        """
        while outer is not None and len(outer.label) < 3:
            outer = outer.parent
        caller = outer.label[2] if outer is not None else None
        parent = caller() if caller is not None else None
        if self._label is None and parent is not None:
            parent._label_inside()
        if self._label is None:  # it is the outermost, or its caller does not hold it
            self.__dict__[_LABEL] = self._label_by(type(self).__name__)
            self._label_inside()
            self.parameters()  # which names them
        label = self._label
        if not isinstance(label, _Labels):
            return label  # type: ignore[return-value]  # it has just been made
        if id(caller) not in label:
            inside = parent._called() if parent is not None else ()
            name = next((path for path, child in inside if child is self), type(self).__name__)
            label[id(caller)] = caller, self._label_by(name)  # it keeps the id from a second use
        return label[id(caller)][1]

    def _label_inside(self) -> None:
        """Label what is called from here, and in turn what is called from there."""
        pending: list[Module] = [self]
        while pending:
            for path, child in pending.pop()._called():
                label = child._label
                if label is None:
                    child.__dict__[_LABEL] = child._label_by(path)
                    pending += [child] * child._is_called()
                elif label and label[0] != path:
                    child.__dict__[_LABEL] = _Labels()

    def _label_by(self, name: str) -> Label:
        return name, self.title(), weakref.ref(self)

    @contextlib.contextmanager
    def _relabelling(self) -> Iterator[None]:
        """Forget the labels of this module and of what it calls, which the block changes.

        What has a label even so is new here, and called by another name elsewhere.
        """
        for module in [self, *(child for _, child in self._called())]:
            if isinstance(module._label, _Labels):
                module._label.clear()
            else:
                module.__dict__.pop(_LABEL, None)
        yield
        for _, child in self._called():
            if child._label:
                child.__dict__[_LABEL] = _Labels()

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickling and copying keep: all but the cached label."""
        return {name: value for name, value in vars(self).items() if name != _LABEL}

    def title(self) -> str:
        """Return what drawings write beside the module's name, such as ``Linear(4 → 3)``."""
        return type(self).__name__

    # Walking

    def _walk(self, deep: bool = True) -> Iterator[tuple[str, Tensor | Module]]:
        """Yield parameters, buffers and modules with their dotted names, each object once.

        Args:
            deep: Whether to go into the modules inside this one.
        """
        seen = {id(self)}
        stack: list[tuple[str, Any]] = [("", vars(self))]
        while stack:
            path, value = stack.pop()
            if not isinstance(value, _WALKED) or id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, Module | Tensor):
                yield path, value
            if isinstance(value, Module):
                value = vars(value) if deep else None
            if isinstance(value, dict):
                items = [(key, item) for key, item in value.items() if key != _LABEL]
            elif isinstance(value, list | tuple):
                items = [(str(i), item) for i, item in enumerate(value)]
            else:
                continue  # a Tensor holds nothing
            prefix = f"{path}." if path else ""
            stack.extend((f"{prefix}{key}", item) for key, item in reversed(items))

    def _children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules directly inside this one, with their names relative to it."""
        for path, value in self._walk(deep=False):
            if isinstance(value, Module):
                yield path, value

    def _is_called(self) -> bool:
        """Whether it is called itself, and not what it holds, as of a ``ModuleList``."""
        return type(self).forward is not Module.forward

    def _called(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules that this one calls, also those in a ``ModuleList``, by their names."""
        pending, seen = [("", self)], {id(self)}
        while pending:
            prefix, holder = pending.pop()
            for path, child in holder._children():
                if id(child) not in seen:
                    seen.add(id(child))
                    yield prefix + path, child
                    if not child._is_called():
                        pending.append((f"{prefix}{path}.", child))

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield ``(dotted name, parameter)`` in the order of assignment, a shared one once."""
        for path, value in self._walk():
            if isinstance(value, Parameter):
                if value.name is None:
                    value.name = path.rpartition(".")[2]
                yield path, value

    def parameters(self) -> list[Parameter]:
        """Return all parameters, for an optimiser."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Yield ``(dotted name, buffer)`` in the order of assignment."""
        return ((path, value) for path, value in self._walk() if isinstance(value, Buffer))

    def buffers(self) -> list[Buffer]:
        """Return all buffers: what is saved, but not trained."""
        return [buffer for _, buffer in self.named_buffers()]

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield ``(dotted name, module)`` for this module, named ``""``, and all inside it."""
        yield "", self
        for path, value in self._walk():
            if isinstance(value, Module):
                yield path, value

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function`` with this module and every one inside it; return this module."""
        for _, module in self.named_modules():
            function(module)
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and in every module inside; dropout depends on it."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode: the same as ``train(False)``."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for _, parameter in self.named_parameters():
            parameter.grad = None

    # State

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return copies of all parameters and buffers by dotted name."""
        return {path: value.numpy().copy() for path, value in self._state().items()}

    def _state(self) -> dict[str, Tensor]:
        own: dict[str, Tensor] = {}
        for path, value in self._walk():
            if isinstance(value, Tensor) and own.setdefault(path, value) is not value:
                raise StateError(f"two tensors of {type(self).__name__} are called {path!r}")
        return own

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take over the values of a state dict, all of them or none.

        Args:
            state: Arrays by dotted name, as :meth:`state_dict` gives them.
            strict: Whether names that are missing or unexpected are an error.

        Raises:
            StateError: If names or shapes don't fit; nothing has changed then.
        """
        own = self._state()
        problems = []
        if strict:
            problems += [f"missing: {name}" for name in own if name not in state]
            problems += [f"unexpected: {name}" for name in state if name not in own]
        taken = {}
        for name, tensor in own.items():
            if name not in state:
                continue
            value = np.asarray(state[name])
            if value.shape != tensor.shape:
                told = f"{name}: shape {value.shape} in the state, {tensor.shape} here"
                turned = value.ndim == 2 and value.T.shape == tensor.shape
                problems.append(told + ", as in PyTorch: transpose it" * turned)
            elif value.dtype.kind not in "biuf":
                problems.append(f"{name}: dtype {value.dtype} is not numeric")
            else:
                taken[name] = value.astype(tensor.dtype)  # a copy also where the dtype is right
        if problems:
            raise StateError(f"state does not fit {type(self).__name__}: " + "; ".join(problems))
        for name, value in taken.items():
            own[name].data = value

    # How it shows itself

    def summary(self, x: Any, time: bool = False) -> Summary:
        """Run the model on ``x`` and tell, module by module, output shape, size and memory.

        A module that holds others counts what is in them. ``kept`` is the memory of what backward
        needs, parameters aside. The table goes up to a module that fails, and marks it.

        Args:
            x: Input of the model.
            time: Whether to show each module's share of the time, too.

        >>> from minigrad import nn, ops
        >>> model = nn.Sequential(nn.Linear(4, 3), ops.relu, nn.Linear(3, 1))
        >>> print(model.summary(np.ones((2, 4))))
        module      kind            output  parameters  kept
                    Sequential(3)   (2, 1)          19  56 B
          layers.0  Linear(4 → 3)   (2, 3)          15  32 B
          layers.2  Linear(3 → 1)   (2, 1)           4  24 B
        total: 19 parameters, 76 bytes; kept for backward: 56 bytes
        """
        return summarise(self, x, time)

    if not TYPE_CHECKING:  # a type checker is to say itself that a name is unknown
        __getattr__ = telling_of(MODULES)

    def __repr__(self) -> str:
        inside = (f"({path}): {child!r}" for path, child in self._children())
        return "\n  ".join([self.title(), *(text.replace("\n", "\n  ") for text in inside)])


_WALKED = (Module, Parameter, Buffer, dict, list, tuple)
