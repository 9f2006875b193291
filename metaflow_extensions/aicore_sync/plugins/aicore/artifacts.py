"""Input and output artifacts as the decorators name them, in Argo's form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Artifacts = tuple[dict[str, Any], ...]


class WrongArtifact(ValueError):
    """Says what was found and what was expected."""


def inputs(value: Any) -> Artifacts:
    """`{"data": "/tmp/data"}` or Argo's list. Raises WrongArtifact."""
    return tuple(_checked({**item, "name": item.get("name")}, "inputs") for item in _listed(value, "inputs"))


def outputs(value: Any) -> Artifacts:
    """`{"model": "/tmp/model"}`, `{"model": {"path": …}}` or Argo's list. Raises WrongArtifact.

    Without a globalName AI Core registers nothing, and its documentation disagrees on whether `name` or
    `globalName` ends the artifact's URL: both are made equal where only one is given.
    """
    return tuple(_output(item) for item in _listed(value, "outputs"))


def kinds(value: Any) -> dict[str, str]:
    """The artifact kinds that `outputs` or `inputs` says, by name: they become annotations of the template."""
    return {
        i.get("globalName") or i["name"]: str(i["kind"]) for i in _listed(value, "artifacts") if "kind" in i
    }


def _output(item: Mapping[str, Any]) -> dict[str, Any]:
    name = item.get("globalName") or item.get("name")
    rest = {k: v for k, v in item.items() if k not in {"name", "globalName"}}
    return _checked(
        {"archive": {"none": {}}, **rest, "name": item.get("name") or name, "globalName": name}, "outputs"
    )


def _checked(item: dict[str, Any], key: str) -> dict[str, Any]:
    for field in ("name", "path"):
        if not item.get(field) or not isinstance(item[field], str):
            raise WrongArtifact(f"{key}: {item!r} has no {field}; expected a name and an absolute path")
    if not item["path"].startswith("/") or item["path"] in ("/", "/tmp"):  # noqa: S108
        raise WrongArtifact(
            f"{key}: the path of {item['name']} is {item['path']!r}; expected one of its own below /"
        )
    return {k: v for k, v in item.items() if k != "kind"}


def _listed(value: Any, key: str) -> Iterable[dict[str, Any]]:
    if not value:
        return ()
    if isinstance(value, Mapping):
        return [{"name": n, **(v if isinstance(v, Mapping) else {"path": v})} for n, v in value.items()]
    if isinstance(value, (list, tuple)) and all(isinstance(v, Mapping) for v in value):
        return [dict(v) for v in value]
    raise WrongArtifact(f'{key}: {value!r} was found; expected {{"name": "/path"}}')
