"""How values are written in a manifest: paths, labels, cron, hardware by step."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    StringConstraints,
    WithJsonSchema,
    WrapSerializer,
)

from aicore_sync.core.cron import CronError, require_spacing
from aicore_sync.core.fields import matching, refuse

LABEL_PREFIX = "ext.ai.sap.com/"
_LABEL = re.compile(r"(ext\.ai\.sap\.com/)?[A-Za-z0-9_.-]{1,63}")
ArtifactKind = Literal["model", "dataset", "resultset", "other"]


def _label_keys(value: object) -> object:
    """Short keys get AI Core's prefix; keys under our own name are refused."""
    if not isinstance(value, dict):
        return value
    bad = [key for key in value if not _LABEL.fullmatch(key)]
    if bad:
        raise refuse("keys of at most 63 letters, digits, `_`, `.`, `-`", found=f'the key "{bad[0]}"')
    full = {key if key.startswith(LABEL_PREFIX) else LABEL_PREFIX + key: text for key, text in value.items()}
    if any(key.startswith(LABEL_PREFIX + "aicore-sync.") for key in full):
        raise refuse("labels that do not begin with `aicore-sync.`", "these are ours; choose another key")
    return full


def _short_keys(value: dict[str, str]) -> dict[str, str]:
    return {key.removeprefix(LABEL_PREFIX): text for key, text in value.items()}


def short_labels(value: Any, key: str = "") -> Any:
    """Raw overlay data with short label keys, so that a merge meets the same keys in both."""
    if isinstance(value, dict):
        names = _short_keys(value) if key == "labels" else value
        return {name: short_labels(item, name) for name, item in names.items()}
    return [short_labels(item) for item in value] if isinstance(value, list) else value


def _one_for_all(value: object) -> object:
    return {"*": value} if isinstance(value, str) else value


def _one_or_many(value: dict[str, str], handler: SerializerFunctionWrapHandler) -> Any:
    return value["*"] if set(value) == {"*"} else handler(value)


def _cron(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return require_spacing(value)
    except CronError as error:
        raise refuse(error.expected, error.cure) from None


Labels = Annotated[dict[str, str], BeforeValidator(_label_keys), PlainSerializer(_short_keys)]
HARDWARE = "one name for all steps, or a mapping of step names to names (`*`: all other steps)"
PerStep = Annotated[
    dict[str, Annotated[str, StringConstraints(min_length=1)]],
    BeforeValidator(_one_for_all),
    WrapSerializer(_one_or_many),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}
    ),
]
GlobalName = Annotated[
    str, matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "letters, digits, `-`, `_`; at most 63")
]
VariableName = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "letters, digits and `_`, no digit first")]
BranchName = Annotated[
    str, matching(r"[a-z0-9_]{1,128}", "lower-case letters, digits and `_`, which Metaflow takes")
]
Version = Annotated[
    str,
    matching(
        r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,52}[A-Za-z0-9])?",
        "a version as text, at most 54 letters, digits, `.`, `-`",
    ),
]
_FILE = r"(?!/)(?!(.*/)?\.)[^:\\]+"
FlowPath = Annotated[
    str,
    matching(
        rf"{_FILE}\.py(:[A-Za-z_]\w*)?",
        "a Python file below the manifest's directory, e.g. `train.py`, or `train.py:TrainFlow`",
        "keep the manifest beside the flow; hidden directories are not packaged",
    ),
]
TemplatePath = Annotated[
    str, matching(rf"{_FILE}\.(yaml|yml|json)", "a YAML or JSON file below the manifest's directory")
]
RequirementsPath = Annotated[str, matching(rf"{_FILE}\.txt", "a .txt file below the manifest's directory")]
Cron = Annotated[str, BeforeValidator(_cron)]
Url = Annotated[
    str,
    StringConstraints(max_length=1024),
    matching(r"[a-z0-9-]+://(.*[^/])", "a URL such as ai://default/data/churn, without a slash at its end"),
]


def _no_tag(value: str) -> str:
    """Argo replaces `{{…}}` wherever it stands in a template, values included, or fails."""
    if "{{" in value:
        raise refuse("text without `{{`, which Argo would replace", "put a space between the braces")
    return value


Text = Annotated[str, StringConstraints(max_length=5000), AfterValidator(_no_tag)]
Variable = Annotated[str, AfterValidator(_no_tag)]
