"""Parameters, IncludeFiles and Configs of a flow, as AI Core and the first step need them."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaflow import includefile
from metaflow.parameters import deploy_time_eval

from .model import NONE, Input
from .refused import NotOnAICore


@dataclass(frozen=True)
class Included:
    """A file that an IncludeFile's default names; `data` is gzip, as Metaflow stores it."""

    name: str
    url: str
    sha256: str
    data: bytes = field(repr=False)


@contextlib.contextmanager
def capturing_includes(root: str, directory: Path) -> Iterator[list[Included]]:
    """While it lasts, IncludeFile contents are kept in the list instead of being sent to the store.

    `directory` is the flow's: names are relative to it.
    """
    kept: list[Included] = []
    uploader = includefile.UploaderV2
    before = uploader.__dict__["store"]

    def store(flow_name: str, path: str, is_text: bool, encoding: str, *_: Any) -> dict[str, Any]:
        raw = Path(path).read_bytes()
        name = _inside(Path(path).resolve(), directory.resolve())
        url = f"{root}/data/{flow_name}/{hashlib.sha1(raw).hexdigest()}"  # noqa: S324  Metaflow's content address
        kept.append(Included(name, url, hashlib.sha256(raw).hexdigest(), gzip.compress(raw, 6, mtime=0)))
        facts = {"type": uploader.file_type, "url": url, "is_text": is_text, "encoding": encoding}
        note = "Internal representation of IncludeFile"
        return {**facts, "note": note, "sub-type": "uploaded", "size": len(raw)}

    uploader.store = staticmethod(store)
    try:
        yield kept
    finally:
        uploader.store = before


def _inside(full: Path, directory: Path) -> str:
    """Relative to the flow's directory, wherever the command runs, so that no machine shows."""
    return str(full.relative_to(directory)) if full.is_relative_to(directory) else full.name


def read_parameters(flow: Any) -> tuple[tuple[Input, ...], tuple[str, ...]]:
    """All parameters in their order, and warnings. Raises NotOnAICore for what no template can carry."""
    found: list[Input] = []
    warnings: list[str] = []
    for _, parameter in flow._get_parameters():
        if getattr(parameter, "IS_CONFIG_PARAMETER", False):
            continue
        item = _input(parameter)
        twin = next((f for f in found if f.variable == item.variable), None)
        if twin:
            raise NotOnAICore(
                f"the parameters {twin.name} and {item.name} differ only in case or in '-' and '_', and would "
                "overwrite each other in a step's environment; rename one"
            )
        found.append(item)
        if "$$" in (item.default or ""):
            warnings.append(f"parameter {item.name}: Kubernetes turns '$$' in its value into '$'")
        if item.default is None:
            warnings.append(f"parameter {item.name} has no default: each configuration must bind it")
    return tuple(found), tuple(warnings)


def _input(parameter: Any) -> Input:
    facts = parameter.kwargs
    default = _text(
        deploy_time_eval(facts.get("default")), facts.get("type"), getattr(parameter, "separator", None)
    )
    name, required = str(parameter.name), bool(facts.get("required"))
    if default is not None and "{{" in default:
        raise NotOnAICore(
            f"the default of parameter {name} contains '{{{{', which Argo would substitute; write it "
            "differently, for example with a space between the braces"
        )
    optional = default is None and not required
    kind = getattr(facts.get("type"), "name", None) or getattr(facts.get("type"), "__name__", "str")
    return Input(
        name, str(kind), NONE if optional else default, optional, " ".join((facts.get("help") or "").split())
    )


def _text(value: Any, kind: Any, separator: str | None) -> str | None:
    """What a person would type after `--name`; None stays None."""
    if value is None or isinstance(value, str):
        return value
    if separator and isinstance(value, (list, tuple)):
        return separator.join(map(str, value))
    return json.dumps(value)


def configs(flow: Any) -> dict[str, str]:
    """Config name → where a step finds its value in the package; empty where the release has no Config."""
    names = [p.name for _, p in flow._get_parameters() if getattr(p, "IS_CONFIG_PARAMETER", False)]
    return {str(n): "kv." + str(n).lower() for n in names}
