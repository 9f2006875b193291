"""From the text of a manifest to a `Manifest`, with all mistakes at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from aicore_sync.core.document import Node, Path, child_of, lift, merge, read_document
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.manifest.model import Manifest
from aicore_sync.core.problems import Finding, did_you_mean, problem_at, validate

READ = 5000  # texts that are remembered: an edit of one manifest does not read the others anew
SPREAD = frozenset({"resourcePlan", "instanceType"})  # one text, or a mapping by step
_LITERAL = frozenset({"parameters", "environment", "labels"})  # their values are text exactly as written
_ONLY_BASE = ("flow", "template", "environments", "overlays")  # an overlay cannot change these


@lru_cache(maxsize=READ)
def parse_manifest(text: str, file: str) -> Manifest:
    """The manifest in `text`; `file` is only for messages.

    Raises InvalidInput with all problems of the base and, once that is right, of every overlay.
    """
    node, problems = read_document(text, file, lambda path: len(path) > 1 and path[-2] in _LITERAL)
    if node is None:
        raise InvalidInput(problems)
    try:
        manifest = validate(Manifest, node, file)
    except InvalidInput as error:
        raise InvalidInput(_distinct((*problems, *error.problems))) from None
    found = [problem_at(node, file, finding) for finding in findings(manifest)]
    found += [problem for name in manifest.overlays for problem in _overlay_problems(node, name, file)]
    if problems or found:
        raise InvalidInput(_distinct((*problems, *found)))
    return manifest


def merged(base: Node, overlay: Node) -> Node:
    """The base of a manifest with one overlay laid upon it, without any overlays left."""
    assert isinstance(base.value, Mapping)
    without = Node({key: item for key, item in base.value.items() if key != "overlays"}, base.line)
    return merge(without, overlay, SPREAD)


def lift_manifest(manifest: Manifest) -> Node:
    """What was set in the manifest, as a tree; the notation of the file."""
    return lift(manifest.model_dump(mode="json", by_alias=True, exclude_unset=True))


def _overlay_problems(node: Node, name: str, file: str) -> list[Problem]:
    path: Path = ("overlays", name)
    overlays = child_of(node, "overlays")
    overlay = child_of(overlays, name) if overlays else None
    if overlay is None or not isinstance(overlay.value, Mapping):
        return [problem_at(node, file, (path, "no mapping", "a mapping of the keys that differ", ""))]
    fixed = [key for key in _ONLY_BASE if key in overlay.value]
    if fixed:
        words = "keys that may differ between environments"
        return [
            problem_at(node, file, ((*path, key), f"`{key}`", words, "set it at the top level"))
            for key in fixed
        ]
    tree = merged(node, overlay)
    try:
        result = validate(Manifest, tree, file)
    except InvalidInput as error:
        return [_inside(problem, name) for problem in error.problems]
    return [_inside(problem_at(tree, file, finding), name) for finding in findings(result)]


def _inside(problem: Problem, name: str) -> Problem:
    key = f"overlays.{name}.{problem.key}" if problem.key else f"overlays.{name}"
    return Problem(problem.file, problem.line, key, problem.found, problem.expected, problem.cure)


def _distinct(problems: tuple[Problem, ...]) -> list[Problem]:
    """Sorted by place; of several about one key on one line the first stays, the others follow from it."""
    first: dict[tuple[int, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.line, problem.key), problem)
    return sorted(first.values())


def findings(manifest: Manifest) -> Iterator[Finding]:
    """Mistakes between the keys of a manifest."""
    if manifest.flow and manifest.template:
        yield ("template",), "`flow` and `template`", "one of the two", "make two manifests"
    if manifest.project and manifest.dialect == "plugin":
        expected = "`dialect: native`"
        yield ("project",), "`project` with `dialect: plugin`", expected, "the plugin tells steps no branch"
    for step in sorted(set(manifest.resource_plan) & set(manifest.instance_type)):
        expected = "either a resource plan or an instance type for a step"
        yield (
            ("instanceType",),
            f"both for {'all steps' if step == '*' else step}",
            expected,
            "remove one of them",
        )
    yield from _doubles(manifest)
    yield from _bindings(manifest)
    for at, item in enumerate(manifest.configurations):
        schedule = item.schedule
        if schedule and schedule.start and schedule.end and schedule.end <= schedule.start:
            path: Path = ("configurations", at, "schedule", "end")
            yield path, f"{schedule.end:%Y-%m-%dT%H:%M:%SZ}", "a time after `start`", "swap or correct them"
    for name, output in manifest.outputs.items():
        if bool(output.path) != bool(output.step):
            found = "`path` without `step`" if output.path else "`step` without `path`"
            yield ("outputs", name), found, "both or none", "an output the flow declares itself needs neither"


def _doubles(manifest: Manifest) -> Iterator[Finding]:
    lists: Mapping[str, list[Any]] = {
        "configurations": [item.name for item in manifest.configurations],
        "artifacts": [item.name for item in manifest.artifacts],
        "environments": list(manifest.environments),
    }
    for key, names in lists.items():
        for at, name in enumerate(names):
            if name in names[:at]:
                yield (key, at), f"`{name}` a second time", "every name once", "rename or remove one"


def _bindings(manifest: Manifest) -> Iterator[Finding]:
    known = [item.name for item in manifest.artifacts]
    for at, item in enumerate(manifest.configurations):
        for key, bound in item.inputs.items():
            if bound.artifact and bound.artifact not in known:
                expected = "an artifact of this manifest" + (": " + ", ".join(known) if known else "")
                cure = did_you_mean(bound.artifact, known) if known else "declare it under `artifacts`"
                yield ("configurations", at, "inputs", key), f'"{bound.artifact}"', expected, cure
