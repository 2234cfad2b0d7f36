"""The difference of two drawings: one step and the next, or mine and a reference."""

from __future__ import annotations

import copy
import math
from collections.abc import Hashable
from dataclasses import replace
from difflib import SequenceMatcher

import numpy as np

from minigrad.viz.digest import Digest, digest
from minigrad.viz.graph import Card, Edge, Graph, Issue
from minigrad.viz.style import number

__all__ = ["diff"]


def diff(before: Graph, after: Graph, *, rtol: float = 1e-6) -> Graph:
    """Compare two drawings, card by card.

    Cards show what changed: second minus first, value on the left and gradient on the right, and
    how much that is of the largest number of the first. What is in one drawing only says so. The
    first card that differs although nothing before it does is where to look: ``issues`` begins
    with it.

    Args:
        before: A drawing.
        after: Another, of the same mode.
        rtol: What counts as equal, relative to the largest magnitude of a tensor.

    Raises:
        TypeError: If these are no drawings.
        ValueError: If the modes differ.

    >>> import minigrad as mg
    >>> w = mg.tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> first = mg.draw(mg.sum(w * w))
    >>> w.data = np.array([1.0, 2.5])
    >>> for issue in diff(first, mg.draw(mg.sum(w * w))).issues[:2]:
    ...     print(issue)
    w: first difference: value by 0.50 (25%), gradient by 1.00 (25%)
    multiply: value by 2.25 (56%)
    """
    for graph in (before, after):
        if not isinstance(graph, Graph):
            raise TypeError(f"diff() compares what draw() returns, not {type(graph).__name__}")
    if before.mode != after.mode:
        raise ValueError(f"these are drawings of modes {before.mode!r} and {after.mode!r}")
    partners = _partners(before.cards, after.cards)
    cards, issues = [], []
    for card in after.cards:
        partner = partners.get(card.id)
        cards.append(_changed(partner, card, rtol) if partner else _alone(card, "second"))
    found = {p.id for p in partners.values()}
    names = {p.id: card for card, p in partners.items()}
    gone = [card for card in before.cards if card.id not in found]
    for card in gone:
        names[card.id] = f"{card.id}.0"
        cards.append(replace(_alone(card, "first"), id=names[card.id], group=None, twin=None))
    _mark_first(cards, after.edges)
    for card in cards:
        path = f"{card.path}.{card.title}" if card.path else card.title
        kind = "difference" if card.id in partners else "only in one"
        issues += [Issue(kind, card.id, path, badge) for badge in card.badges]
    issues.sort(key=lambda issue: not issue.message.startswith("first"))
    lost = {card.id for card in gone}
    edges = [
        Edge(names[e.source], names[e.target], e.kind, e.norm)
        for e in before.edges
        if e.source in lost or e.target in lost
    ]
    changed = len({issue.card for issue in issues})
    told = f"{changed} of {len(cards)} cards differ · second minus first"
    subtitle = f"{told} · left half of a card: value, right half: gradient"
    compared = copy.copy(after)
    compared.title = f"difference: {before.title} → {after.title}"
    if before.title == after.title:
        compared.title = f"difference: {after.title}"
    compared.subtitle, compared.cards, compared.issues = subtitle, cards, issues
    compared.edges, compared.refold = [*after.edges, *edges], None
    return compared


def _partners(before: list[Card], after: list[Card]) -> dict[str, Card]:
    """For each card of the second drawing the one of the first that it is compared with."""
    found: dict[str, Card] = {}
    first_keys, second_keys = ([_key(c) for c in cards] for cards in (before, after))
    matcher = SequenceMatcher(None, first_keys, second_keys, autojunk=False)
    for first, second, size in matcher.get_matching_blocks():
        for k in range(size):
            found[after[second + k].id] = before[first + k]
    return found


def _key(card: Card) -> Hashable:
    return card.kind, card.path, card.title, card.shape


def _alone(card: Card, which: str) -> Card:
    return replace(card, badges=[f"only in the {which}"], marks={}, rules=[], note="")


def _changed(before: Card, after: Card, rtol: float) -> Card:
    """The card of a difference."""
    halves: dict[str, Digest | None] = {}
    told = []
    for half in ("value", "gradient"):
        a, b = getattr(before, half), getattr(after, half)
        halves[half], text = _minus(a, b, half, rtol)
        if text:
            told.append(text)
    badges = [", ".join(told)] if told else []
    note = "" if told else "equal"
    return replace(after, badges=badges, marks={}, rules=[], note=note, norms=[], **halves)  # type: ignore[arg-type]


def _minus(a: Digest | None, b: Digest | None, half: str, rtol: float) -> tuple[Digest | None, str]:
    """What changed, as numbers where both are kept whole, and in words."""
    if a is None or b is None:
        return None, "" if a is b else f"{half} only in the {'second' if a is None else 'first'}"
    if a.rows is None or b.rows is None or a.shape != b.shape:
        pairs = ((a.low, b.low), (a.mean, b.mean), (a.high, b.high), (a.norm, b.norm))
        scale = max(a.norm, b.norm)
        if (a.nan, a.inf) == (b.nan, b.inf) and all(abs(x - y) <= rtol * scale for x, y in pairs):
            return None, ""
        return None, f"{half} norm {number(a.norm)} → {number(b.norm)}"
    first, second = (np.array([x for row in d.rows or () for x in row]) for d in (a, b))
    with np.errstate(all="ignore"):
        same = (first == second) | (np.isnan(first) & np.isnan(second))
        change = np.where(same, 0.0, second.astype(float) - first.astype(float))
        scale = max(abs(a.low), abs(a.high), abs(b.low), abs(b.high))
        close = np.abs(change) <= rtol * scale
    change = np.where(close, 0.0, change)
    result = digest(change.reshape(a.shape))
    if not change.any():
        return result, ""
    largest = float(np.abs(change).max())  # nan if one of the two is
    of = max(abs(a.low), abs(a.high))
    share = ""
    if of and math.isfinite(largest):
        ratio = largest / of
        share = f" ({ratio:.0%})" if ratio >= 0.005 else f" ({number(ratio)} of the largest)"
    return result, f"{half} by {number(largest)}{share}"


def _mark_first(cards: list[Card], edges: list[Edge]) -> None:
    """Say which card differs although nothing that it was made of does.

    Where only gradients differ it is what the way back meets first.
    """
    differs = {card.id: card for card in cards if card.badges}
    later = {c.id for c in differs.values() if c.badges[0].startswith("gradient")}
    forward = [(e.source, e.target) for e in edges if e.kind in ("data", "parameter", "input")]
    if len(later) == len(differs):
        cards, forward = cards[::-1], [(target, source) for source, target in forward]
        later = set()
    feeds: dict[str, list[str]] = {}
    for source, target in forward:
        feeds.setdefault(target, []).append(source)
    for card in cards:
        counts = card.id in differs and card.id not in later
        if counts and (differs.keys() - later).isdisjoint(feeds.get(card.id, ())):
            card.badges = [f"first difference: {card.badges[0]}"]
            return
