"""Many examples at once: ``vmap`` and what it is made of."""

from minigrad.batching import algebra, places, rules  # which declare the rules
from minigrad.batching.batched import (
    LEVELS,
    Batched,
    BranchError,
    Level,
    batched_in,
    by_example,
    lowered,
    raised,
)
from minigrad.batching.mapping import running, vmap
from minigrad.batching.modules import substituted

__all__ = [
    "LEVELS",
    "Batched",
    "BranchError",
    "Level",
    "algebra",
    "batched_in",
    "by_example",
    "lowered",
    "places",
    "raised",
    "rules",
    "running",
    "substituted",
    "vmap",
]
