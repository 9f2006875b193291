"""Finding flows and hand-written templates in texts, without executing anything."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from aicore_sync.core.errors import InvalidInput, Problem

TEMPLATE_KINDS = {"WorkflowTemplate": "argoproj.io/v1alpha1", "ServingTemplate": "ai.sap.com/v1alpha1"}
READ = 5000  # texts of which what was found is remembered: an edit of one file does not read the others anew
_GUESS = re.compile(r"^class\s+(\w+)\s*\(\s*(?:\w+\.)?FlowSpec\b", re.MULTILINE)


@dataclass(frozen=True)
class FoundFlow:
    """A Metaflow flow in a file: its class, the line of the class, and what decides how it is handled.

    `has_main` is True when the file's `__main__` block starts this class (without one, running the file
    renders nothing); `has_schedule` when the class carries `@schedule`. `file` is the text's name as given.
    """

    class_name: str
    file: str
    line: int
    has_main: bool
    has_schedule: bool = False


@dataclass(frozen=True)
class FoundTemplate:
    """A hand-written WorkflowTemplate or ServingTemplate; fields that the file lacks are empty."""

    kind: str
    name: str
    file: str
    scenario_id: str = ""
    scenario_name: str = ""
    executable_name: str = ""
    version: str = ""


@lru_cache(maxsize=READ)
def find_flows(text: str, file: str) -> tuple[FoundFlow, ...]:
    """All flows of a Python file: subclasses of Metaflow's FlowSpec that are not bases of others in the file.

    A file that never mentions FlowSpec has none, whatever is wrong with it. Raises InvalidInput when the text
    is not valid Python.
    """
    if "FlowSpec" not in text:
        return ()
    tree = _parsed(text, file)
    classes = _flow_classes(tree)
    bases = {name for node in classes.values() for name in _base_names(node)}
    started = _started_by_main(tree)
    leaves = [node for name, node in classes.items() if name not in bases or name in (started or ())]
    return tuple(
        FoundFlow(node.name, file, node.lineno, _starts(started, node.name, leaves), _scheduled(node))
        for node in leaves
    )


def guess_flows(text: str, file: str) -> tuple[FoundFlow, ...]:
    """Flows of a file that is not valid Python at the moment, by pattern: enough to know whose file it is."""
    return tuple(
        FoundFlow(match[1], file, text.count("\n", 0, match.start()) + 1, has_main=True)
        for match in _GUESS.finditer(text)
    )


@lru_cache(maxsize=READ)
def find_template(text: str, file: str) -> FoundTemplate | None:
    """Facts of a hand-written template, None when the text is something else (or no YAML)."""
    try:
        data = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  BaseLoader builds text, lists and dicts only
    except (yaml.YAMLError, RecursionError):
        return None
    if (
        not isinstance(data, Mapping)
        or (data.get("kind"), data.get("apiVersion")) not in TEMPLATE_KINDS.items()
    ):
        return None
    metadata = _mapping(data.get("metadata"))
    labels, annotations = _mapping(metadata.get("labels")), _mapping(metadata.get("annotations"))
    return FoundTemplate(
        kind=data["kind"],
        name=str(metadata.get("name", "")),
        file=file,
        scenario_id=str(labels.get("scenarios.ai.sap.com/id", "")),
        scenario_name=str(annotations.get("scenarios.ai.sap.com/name", "")),
        executable_name=str(annotations.get("executables.ai.sap.com/name", "")),
        version=str(labels.get("ai.sap.com/version", "")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _parsed(text: str, file: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # doubtful escapes in users' strings are not ours to report
            return ast.parse(text, filename=file)
    except SyntaxError as error:
        found = f"a syntax error ({error.msg})"
        problem = Problem(file, error.lineno or 0, "", found, "valid Python", "mend the line and save again")
    except (ValueError, RecursionError, MemoryError) as error:
        problem = Problem(file, 0, "", f"text that Python cannot parse ({error})", "valid Python")
    raise InvalidInput([problem], reason="RenderFailed")


def _flow_classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    """Top-level classes that derive from FlowSpec, directly or through classes of this file, in their order."""
    roots = _flowspec_names(tree)
    found: dict[str, ast.ClassDef] = {}
    for node in _top_level(tree.body):
        if isinstance(node, ast.ClassDef) and (roots | found.keys()) & set(_base_names(node)):
            found[node.name] = node
    return found


def _flowspec_names(tree: ast.Module) -> set[str]:
    """The spellings under which this file knows FlowSpec: `FlowSpec`, an alias, `metaflow.FlowSpec`, `mf.FlowSpec`."""
    names: set[str] = set()
    for node in _top_level(tree.body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "metaflow":
                    names |= {f"{alias.asname or alias.name}.FlowSpec"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "metaflow":
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "FlowSpec"}
            names |= {"FlowSpec" for alias in node.names if alias.name == "*"}
    return names


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of the module, also those inside its `if` and `try` blocks."""
    for node in body:
        yield node
        for attribute in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try):
                yield from _top_level(getattr(node, attribute, []))
        for handler in node.handlers if isinstance(node, ast.Try) else ():
            yield from _top_level(handler.body)


def _base_names(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base) for base in node.bases]


def _started_by_main(tree: ast.Module) -> frozenset[str] | None:
    """Names called in `if __name__ == "__main__":` blocks, None when the file has no such block."""
    blocks = [node for node in _top_level(tree.body) if isinstance(node, ast.If) and _is_main(node.test)]
    if not blocks:
        return None
    calls = (node for block in blocks for node in ast.walk(block) if isinstance(node, ast.Call))
    return frozenset(call.func.id for call in calls if isinstance(call.func, ast.Name))


def _is_main(test: ast.expr) -> bool:
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = {ast.unparse(test.left), ast.unparse(test.comparators[0])}
    return sides == {"__name__", "'__main__'"}


def _starts(started: frozenset[str] | None, name: str, leaves: list[ast.ClassDef]) -> bool:
    """The block names the class, or it names no flow at all (`main()`) and there is only this one."""
    if started is None:
        return False
    return name in started or (len(leaves) == 1 and not started & {leaf.name for leaf in leaves})


def _scheduled(node: ast.ClassDef) -> bool:
    names = (ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list)
    return any(name.split(".")[-1] == "schedule" for name in names)
