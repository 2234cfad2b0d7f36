"""Pictures of a graph: what went forward, what came back, and what is wrong with it."""

from minigrad.viz.difference import diff
from minigrad.viz.drawing import draw
from minigrad.viz.graph import Card, Edge, Graph, Group, Issue
from minigrad.viz.listing import Listing
from minigrad.viz.of_jax import from_jax
from minigrad.viz.of_torch import from_torch

__all__ = [
    "Card",
    "Edge",
    "Graph",
    "Group",
    "Issue",
    "Listing",
    "diff",
    "draw",
    "from_jax",
    "from_torch",
]
