"""The three digests: is a render needed (input), is a commit needed (template), is a run needed (run).

All are SHA-256 in hex over canonical JSON: same meaning, same digest, on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aicore_sync.core.template.canonical import canonical
from aicore_sync.core.template.walk import Document

OURS = "aicore-sync/"
VERSION_LABEL = "ai.sap.com/version"


@dataclass(frozen=True)
class RunInputs:
    """What a run of a rendered flow depends on; tool versions, labels and descriptions are no part of it.

    `user_files` and `included` are (name, SHA-256) pairs: the packaged files of the user and the contents of
    IncludeFile parameters. `options` holds the rendering options that reach the running code (secrets,
    environment variables, hardware, deadline …), `rerun` is the manifest's free text.
    """

    user_files: tuple[tuple[str, str], ...] = ()
    included: tuple[tuple[str, str], ...] = ()
    images: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    rerun: str = ""


def digest(value: Any) -> str:
    """SHA-256 in hex of `value` as canonical JSON; ValueError or TypeError when it is no JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def input_digest(parts: Mapping[str, Any]) -> str:
    """Digest of all that rendering reads; equal means that rendering would give the same document.

    That is packaged files, IncludeFile contents, the manifest's rendering part, renderer and versions.
    """
    return digest(dict(parts))


def template_digest(document: Mapping[str, Any]) -> str:
    """Digest of the canonical document without our annotations and the version label; equal means no commit.

    Code packages count by the content hash in their URL.
    """
    return digest(_without_marks(canonical(document)))


def run_digest(inputs: RunInputs) -> str:
    """Digest that makes `run: onChange` run; see `RunInputs`. Order of files and images does not matter."""
    return digest(
        {
            "files": sorted(map(list, inputs.user_files)),
            "included": sorted(map(list, inputs.included)),
            "images": sorted(set(inputs.images)),
            "options": dict(inputs.options),
            "rerun": inputs.rerun,
        }
    )


def spec_digest(document: Mapping[str, Any], rerun: str = "") -> str:
    """The run-digest of a hand-written template: its canonical spec and the manifest's `rerun` text."""
    return digest({"spec": canonical(document).get("spec"), "rerun": rerun})


def _without_marks(document: Document) -> Document:
    metadata = dict(document.get("metadata") or {})
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if not k.startswith(OURS)}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != VERSION_LABEL}
    return {**document, "metadata": {**metadata, "annotations": annotations, "labels": labels}}
