"""Flows that wait for each other's outputs in a ring."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Edges = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Link:
    """A flow takes an output of another one in an input of one of its configurations."""

    consumer: str
    producer: str


def rings(links: Iterable[Link]) -> dict[Link, tuple[str, ...]]:
    """Every link that is part of a ring, with the shortest way back to its consumer: `(consumer, producer, …)`."""
    found = tuple(links)
    edges: dict[str, set[str]] = defaultdict(set)
    for link in found:
        edges[link.consumer].add(link.producer)
    fixed = {flow: frozenset(producers) for flow, producers in edges.items()}
    ways = {link: _way(fixed, link.producer, link.consumer) for link in found}
    return {link: (link.consumer, *way) for link, way in ways.items() if way}


def _way(edges: Edges, start: str, goal: str) -> tuple[str, ...]:
    """The shortest way from `start` to `goal`, both included; empty where there is none."""
    before: dict[str, str] = {start: ""}
    waiting = [start]
    for flow in waiting:
        if flow == goal:
            return tuple(_back(before, goal))[::-1]
        for following in sorted(edges.get(flow, frozenset()) - before.keys()):
            before[following] = flow
            waiting.append(following)
    return ()


def _back(before: Mapping[str, str], goal: str) -> Iterator[str]:
    flow = goal
    while flow:
        yield flow
        flow = before[flow]
