"""Findings for machines: plain data, SARIF 2.1.0 (code scanning), and the annotations of GitHub's workflow log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from aicore_sync.core.lint.codes import CODES
from aicore_sync.core.lint.findings import Finding

PAGE = "docs/lint.md"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as plain data: every field but what user code said; `line` 0 where it is unknown."""
    keys = ("severity", "code", "file", "line", "step", "place", "message", "cure")
    return [{key: getattr(finding, key) for key in keys} for finding in findings]


def sarif(findings: Iterable[Finding], version: str) -> dict[str, Any]:
    """A SARIF log with one run. `version` is the version of this program."""
    found = list(findings)
    codes = sorted({finding.code for finding in found})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code]},
            "help": {"text": f"See {PAGE}#{anchor(code)}"},
        }
        for code in codes
    ]
    driver = {"name": "aicore-sync", "version": version, "rules": rules}
    results = [_result(finding, codes) for finding in found if finding.file]
    # Code scanning refuses a whole log with a result that lies in no file.
    notes = [_notification(finding) for finding in found if not finding.file]
    invocation: dict[str, Any] = {"executionSuccessful": True}
    invocation |= {"toolConfigurationNotifications": notes} if notes else {}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "invocations": [invocation], "results": results}],
    }


def anchor(code: str) -> str:
    """The address of a code's section on the page, as Markdown viewers make it from the heading."""
    return re.sub(r"[^a-z0-9 -]", "", f"{code}: {CODES[code]}".lower()).replace(" ", "-")


def _result(finding: Finding, codes: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS[finding.severity],
        "message": {"text": sentence(finding)},
    }
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.file, safe="/,")}}
    if finding.line:
        place["region"] = {"startLine": finding.line}
    location: dict[str, Any] = {"physicalLocation": place}
    if finding.place:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.place}]
    return {**result, "locations": [location]}


def _notification(finding: Finding) -> dict[str, Any]:
    """What concerns no file, such as a quota."""
    return {
        "associatedRule": {"id": finding.code},
        "level": _LEVELS[finding.severity],
        "message": {"text": sentence(finding)},
    }


def github(findings: Iterable[Finding]) -> list[str]:
    """One workflow command per finding; GitHub shows them at the lines of a pull request."""
    return [_annotation(finding) for finding in findings]


def _annotation(finding: Finding) -> str:
    properties = {"file": finding.file, "line": str(finding.line or 1) if finding.file else ""}
    properties["title"] = f"{finding.code} {CODES[finding.code]}"
    words = ",".join(f"{key}={_escaped(text, ':,')}" for key, text in properties.items() if text)
    return f"::{_COMMANDS[finding.severity]} {words}::{_escaped(sentence(finding))}"


def _escaped(text: str, more: str = "") -> str:
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def sentence(finding: Finding) -> str:
    """Message, step and cure in one line."""
    step = f" (step {finding.step})" if finding.step and finding.step not in finding.message else ""
    return f"{finding.message}{step}" + (f"; {finding.cure}" if finding.cure else "")
