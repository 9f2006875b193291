"""Rules about labels and annotations, of the document and of its pods.

Which ones AI Core needs: its help pages on workflow and serving templates. How they are written: Kubernetes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions, Severity
from aicore_sync.core.lint.inside import all_metadata
from aicore_sync.core.template.digests import VERSION_LABEL
from aicore_sync.core.template.walk import Document, mapping, metadata

_SCENARIO = re.compile(r"[A-Za-z0-9]([\w.-]{2,61})[A-Za-z0-9]\Z", re.ASCII)
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?\Z")
_KEY = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\Z")
_NOT_THE_ID = "executables.ai.sap.com/id"
_KNOWN = re.compile(r"([a-z0-9-]+\.)*ai\.sap\.com/")
# The AI-API's numbers for scenarios and artifacts are certain; it says none for executables.
_LONGEST: tuple[tuple[re.Pattern[str], int, Severity], ...] = (
    (re.compile(r"scenarios\.ai\.sap\.com/name"), 256, "error"),
    (re.compile(r"scenarios\.ai\.sap\.com/description"), 5000, "error"),
    (re.compile(r"executables\.ai\.sap\.com/name"), 256, "warning"),
    (re.compile(r"executables\.ai\.sap\.com/description"), 5000, "warning"),
    (re.compile(r"artifacts\.ai\.sap\.com/.*\.name"), 256, "warning"),
    (re.compile(r"artifacts\.ai\.sap\.com/.*\.description"), 5000, "warning"),
)


def needed_labels(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC103: the labels that AI Core needs, and all labels as Kubernetes accepts them."""
    found = metadata(document, "labels")
    scenario = found.get("scenarios.ai.sap.com/id")
    if not isinstance(scenario, str) or not _SCENARIO.match(scenario):
        cure = "name the scenario by 4 to 63 letters, digits, dots, hyphens or underscores"
        yield _missing("AC103", "labels", "scenarios.ai.sap.com/id", scenario, cure)
    if not found.get(VERSION_LABEL):
        yield _missing("AC103", "labels", VERSION_LABEL, None, 'give the version, quoted: "1.0"')
    for place, labels in all_metadata(document, "labels"):
        for key, value in labels.items():
            if not _KEY.match(key):
                yield _bad_key("AC103", place, key)
            if not isinstance(value, str) or not ("{{" in value or _VALUE.match(value)):
                cure = "use at most 63 letters, digits, dots, hyphens or underscores, in quotes"
                yield Finding("AC103", "error", f"{value!r} is not a label value", f"{place}.{key}", cure)


def foreign_labels(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC104: labels that AI Core does not know; scenarios have been reported to stay invisible because of them."""
    for place, labels in all_metadata(document, "labels"):
        for key in labels:
            if not _KNOWN.match(key):
                cure = "make it an annotation"
                yield Finding("AC104", "warning", "AI Core does not know this label", f"{place}.{key}", cure)
    found, own = metadata(document, "labels").get(_NOT_THE_ID), mapping(document.get("metadata")).get("name")
    if found is not None and found != own:
        message = f"the executable id is metadata.name, {own}, and not {found}"
        yield Finding("AC104", "warning", message, f"metadata.labels.{_NOT_THE_ID}", "remove the label")


def needed_annotations(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC105: the annotations that AI Core needs, and all of them text of a length that it takes."""
    found = metadata(document, "annotations")
    for key in ("scenarios.ai.sap.com/name", "executables.ai.sap.com/name"):
        if not found.get(key):
            yield _missing("AC105", "annotations", key, None, "give the name that people see")
    for place, said in all_metadata(document, "annotations"):
        for key, value in said.items():
            if not _KEY.match(key):
                yield _bad_key("AC105", place, key)
            if not isinstance(value, str):
                yield Finding(
                    "AC105", "error", f"{value!r} is not text", f"{place}.{key}", "put it in quotes"
                )
                continue
            for known, longest, severity in _LONGEST:
                if known.fullmatch(key) and len(value) > longest:
                    message = f"{len(value)} characters, the limit is {longest}"
                    yield Finding("AC105", severity, message, f"{place}.{key}", "shorten it")


def _bad_key(code: str, place: str, key: str) -> Finding:
    cure = "use at most 63 letters, digits, dots, hyphens or underscores behind the slash"
    return Finding(code, "error", f"{key!r} is no key that Kubernetes takes", f"{place}.{key}", cure)


def _missing(code: str, group: str, key: str, found: Any, cure: str) -> Finding:
    message = "is missing" if found is None else f"{found!r} is not valid"
    return Finding(code, "error", f"{key} {message}", f"metadata.{group}.{key}", cure)
