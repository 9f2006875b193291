"""The steps of a workflow as a graph: what its entrypoint calls, with sub-workflows in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aicore_sync.core.template.walk import Document, entries, mapping, spec

MOST_NODES = 150
DEEPEST = 8
_TASK_NAME = re.compile(r"[A-Za-z0-9_-]+(?=\.|\s|$|\)|&|\|)")


@dataclass(frozen=True)
class Node:
    """One step. `after` are indexes of the steps it waits for; `many`: it runs once for each item of a list.

    `names` are what AI Core may call it.
    """

    label: str
    after: tuple[int, ...] = ()
    many: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Steps in an order in which none comes before what it waits for. `cut`: there are more than are shown."""

    nodes: tuple[Node, ...] = ()
    cut: bool = False


@dataclass
class _Expansion:
    templates: Mapping[str, Mapping[str, Any]]
    nodes: list[Node] = field(default_factory=list)
    cut: bool = False

    def template(self, name: str, before: tuple[int, ...], many: bool, depth: int) -> tuple[int, ...]:
        """Add what a template runs; returns the steps that whoever comes next waits for."""
        body = self.templates.get(name, {})
        if depth > DEEPEST or len(self.nodes) >= MOST_NODES:
            self.cut = True
            return before
        if "steps" in body:
            for group in body["steps"] if isinstance(body["steps"], list) else ():
                tasks = entries(group if isinstance(group, list) else [group])
                ends = [self._task(task, before, many, depth) for task in tasks]
                before = tuple(dict.fromkeys(index for end in ends for index in end)) or before
            return before
        return self._dag(entries(mapping(body.get("dag")).get("tasks")), before, many, depth)

    def _dag(
        self, tasks: Sequence[Mapping[str, Any]], before: tuple[int, ...], many: bool, depth: int
    ) -> tuple[int, ...]:
        by_name = {str(task.get("name")): task for task in tasks}
        ends: dict[str, tuple[int, ...]] = {}
        waited: set[str] = set()

        def place(name: str, above: frozenset[str]) -> tuple[int, ...]:
            if name not in ends and name not in above:
                needed = [n for n in _waits_for(by_name[name]) if n in by_name]
                waited.update(needed)
                found = [index for n in needed for index in place(n, above | {name})]
                ends[name] = self._task(by_name[name], tuple(dict.fromkeys(found)) or before, many, depth)
            return ends.get(name, before)

        for name in by_name:
            place(name, frozenset())
        last = [index for name, end in ends.items() if name not in waited for index in end]
        return tuple(dict.fromkeys(last)) or before

    def _task(
        self, task: Mapping[str, Any], before: tuple[int, ...], many: bool, depth: int
    ) -> tuple[int, ...]:
        name, template = str(task.get("name", "")), str(task.get("template", ""))
        many = many or any(key in task for key in ("withParam", "withItems", "withSequence"))
        body = self.templates.get(template, {})
        if "dag" in body or "steps" in body:
            return self.template(template, before, many, depth + 1)
        if len(self.nodes) >= MOST_NODES:
            self.cut = True
            return before
        self.nodes.append(Node(name or template, before, many, (name, template)))
        return (len(self.nodes) - 1,)


def graph_of(document: Document) -> Graph:
    """The steps of a WorkflowTemplate; nothing for what is none. Odd shapes give an odd graph, never an error."""
    templates = {str(body.get("name")): body for body in entries(spec(document).get("templates"))}
    entry = str(spec(document).get("entrypoint", ""))
    if entry not in templates:
        return Graph()
    made = _Expansion(templates)
    if "dag" in templates[entry] or "steps" in templates[entry]:
        made.template(entry, (), False, 0)
    else:
        made.nodes.append(Node(entry, names=(entry,)))
    return Graph(tuple(made.nodes), made.cut)


def _waits_for(task: Mapping[str, Any]) -> list[str]:
    listed = task.get("dependencies")
    if isinstance(listed, list):
        return [str(name) for name in listed]
    return _TASK_NAME.findall(str(task.get("depends") or ""))
