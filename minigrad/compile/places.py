"""Places beside those of the walk: arguments, parts of tuples, the stream in force, new Tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import random
from minigrad.compile.capture import MISSING, Item, Replaced
from minigrad.compile.program import CompileError
from minigrad.tensor import wrap

__all__ = ["Argument", "Key", "Part", "Stream", "TensorPlace", "key_of", "varies"]

Key = tuple[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of a tuple that some place holds: read, never replaced."""

    place: Any
    index: int

    def get(self) -> Any:
        """What is there now."""
        whole = self.place.get()
        return whole[self.index] if isinstance(whole, tuple) else MISSING

    def set(self, value: Any) -> None:
        """Refuse: tuples do not change."""
        raise CompileError("a part of a tuple was replaced")


class Stream:
    """The random stream in force, which ``mg.seed`` and ``fork`` replace."""

    def get(self) -> np.random.Generator:
        """The stream now."""
        return random._GENERATOR.get() or random._DEFAULT[0]


@dataclass(frozen=True, slots=True)
class Argument:
    """A leaf of the call's arguments."""

    index: int


@dataclass(frozen=True, slots=True, eq=False)
class TensorPlace(Replaced):
    """A place that is to hold a Tensor of the array."""

    place: Any

    def get(self) -> Any:
        """What is there now."""
        return self.place.get()

    def set(self, value: Any) -> None:
        """Put a Tensor there."""
        self.place.set(wrap(np.asarray(value)))


def key_of(place: Any) -> Key:
    """What tells a place from others as long as its container lives."""
    if isinstance(place, Item):
        return id(place.container), place.key
    for name in ("cell", "tensor", "owner", "place", "variable"):
        if hasattr(place, name):
            return id(getattr(place, name)), getattr(place, "name", getattr(place, "index", ""))
    return id(place), ""


def varies(place: Any) -> bool:
    """Whether a number is known to change from call to call: a rate, a count of steps."""
    named = isinstance(place, Item) and isinstance(place.key, str)  # a Tensor may be a key
    return named and place.key in ("learning_rate", "t", "mu_product")
