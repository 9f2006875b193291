"""What a lint rule reads and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from aicore_sync.core.template.text import SIZE_LIMIT
from aicore_sync.core.template.walk import Document

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found.

    `message` says what is wrong, `cure` what to write instead. Only `error` keeps a template from being published.
    `place` is a dotted path into the document, "" for all of it. `file` is a path below the source, `line` counts
    from 1 (0: unknown), `step` is the step's name; rules over one document leave these to `placed`.
    `detail` is what the flow's own code said, which may hold anything: for people only, and masked.
    """

    code: str
    severity: Severity
    message: str
    place: str = ""
    cure: str = ""
    file: str = ""
    line: int = 0
    step: str = ""
    detail: str = ""

    def __str__(self) -> str:
        place = f" at {self.place}" if self.place else ""
        cure = f"; {self.cure}" if self.cure else ""
        return f"{self.code} {self.severity}{place}: {self.message}{cure}"


@dataclass(frozen=True)
class Override:
    """A repository's own severity of a rule and why; `off` drops its findings."""

    severity: Literal["off", "error", "warning", "info"]
    reason: str


@dataclass(frozen=True)
class LintOptions:
    """What the rules know beside the document.

    `rendered` is True for flows: our renderer keeps user data out of shell text, a person may know what they do.
    `canaries` are (name, value) pairs of secrets that must not occur anywhere. `size_limit` is in bytes.
    `overrides` are by code. `plans` and `instance_types` are names that this tenant has beyond the known ones;
    `quota` is how many templates of one kind a tenant takes. `fallback_image` is the one that steps have when nobody
    names one, "" where somebody does.
    """

    rendered: bool = False
    canaries: tuple[tuple[str, str], ...] = ()
    size_limit: int = SIZE_LIMIT
    overrides: Mapping[str, Override] = field(default_factory=dict)
    plans: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()
    quota: int = 50
    fallback_image: str = ""


Rule = Callable[[Document, LintOptions], Iterator[Finding]]


def judged(findings: Iterable[Finding], options: LintOptions) -> tuple[Finding, ...]:
    """The findings with the severities that the repository chose: errors first, then by file, line, code and place."""
    kept = set()
    for finding in findings:
        own = options.overrides.get(finding.code)
        if own is None:
            kept.add(finding)
        elif own.severity != "off":
            kept.add(replace(finding, severity=own.severity))
    return tuple(sorted(kept, key=_rank))


def _rank(finding: Finding) -> tuple[int, str, int, str, str, str]:
    order = SEVERITIES.index(finding.severity)
    return order, finding.file, finding.line, finding.code, finding.place, finding.message
