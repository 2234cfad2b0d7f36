"""What removes a hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minigrad.graph import Node


class Handle:
    """Returned for a hook: calling it, or its ``remove()``, takes the hook away.

    >>> import minigrad as mg
    >>> w = mg.tensor(1.0, requires_grad=True)
    >>> handle = w.register_hook(lambda g: g * 10.0)
    >>> handle.remove()
    >>> (w * 2.0).backward(); w.grad
    Tensor(2., dtype=float64)
    """

    __slots__ = ("hook", "node")

    def __init__(self, node: Node, hook: Callable[..., Any]) -> None:
        self.node, self.hook = node, hook

    def remove(self) -> None:
        """Take the hook away; nothing happens if it is gone already."""
        self.node.hooks = [h for h in self.node.hooks or [] if h is not self.hook] or None

    __call__ = remove
