"""From the configuration file to checked `Settings`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from aicore_sync.config.between import findings
from aicore_sync.config.model import Settings
from aicore_sync.config.secret import SecretRef
from aicore_sync.core.document import Node, key_text, lift, read_document
from aicore_sync.core.document import Path as KeyPath
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.problems import problem_at, validate

# In the place of sections that are missing or wrong, while those between the others are looked for.
_STAND_IN: Mapping[str, Any] = {
    "owner": "owner",
    "sources": [{"name": "source", "directory": "."}],
    "repositories": [{"name": "repository", "url": "https://git.invalid/r"}],
    "tenants": [
        {
            "name": "tenant",
            "repository": "repository",
            "application": {"name": "application", "path": "path"},
            "datastore": {"root": "s3://bucket"},
        }
    ],
    "environments": [{"name": "environment", "tenant": "tenant"}],
}
_LITERAL = frozenset({"environment"})  # variables of steps: text exactly as written


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings in `path`; secrets by `{env: …}` will be read from `environ`, later, when they are used.

    Raises InvalidInput with all problems at once. Relative paths start at the file's directory.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "text that is not UTF-8"
        found = "no such file" if isinstance(error, FileNotFoundError) else found
        cure = "name another file, or begin with the output of `aicore-sync config example`"
        raise InvalidInput([Problem(str(path), 0, "", str(found), "a readable YAML file", cure)]) from None
    return parse_settings(text, path, environ)


def parse_settings(text: str, path: Path, environ: Mapping[str, str]) -> Settings:
    """As `load_settings`, from the text of the file at `path`."""
    file = str(path)
    node, problems = read_document(text, file, lambda key: len(key) > 1 and key[-2] in _LITERAL)
    if node is None:
        raise InvalidInput(problems)
    context = {"base": path.parent}
    try:
        settings = validate(Settings, node, file, context)
    except InvalidInput as error:
        between = _between(node, file, context, error.problems)
        raise InvalidInput(sorted({*problems, *error.problems, *between})) from None
    found = [problem_at(node, file, finding) for finding in findings(settings)]
    if problems or found:
        raise InvalidInput(sorted({*problems, *found}))
    for key, reference in secret_references(settings):
        reference.bind(key, path, environ)
    return settings


def secret_references(value: Any, path: KeyPath = ()) -> Iterator[tuple[str, SecretRef]]:
    """All references to secrets with their keys: what to check at the start, and what to mask in logs."""
    if isinstance(value, SecretRef):
        yield key_text(path), value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from secret_references(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            yield from secret_references(item, (*path, at))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from secret_references(item, (*path, str(name)))


def _between(
    node: Node, file: str, context: Mapping[str, Any], mistakes: Iterable[Problem]
) -> Iterator[Problem]:
    """Mistakes between keys, as far as sections without a mistake of their own can tell."""
    bad = frozenset(re.split(r"[.\[]", problem.key)[0] for problem in mistakes)
    if not isinstance(node.value, Mapping) or "" in bad:
        return
    sound = {key: part for key, part in node.value.items() if key not in bad}
    stand_in = {key: lift(part) for key, part in _STAND_IN.items() if key not in sound}
    try:
        settings = validate(Settings, Node({**sound, **stand_in}), file, context)
    except InvalidInput:  # what is wrong with the stand-ins beside the rest is nobody's mistake
        return
    yield from (problem_at(node, file, finding) for finding in findings(settings, bad | stand_in.keys()))
