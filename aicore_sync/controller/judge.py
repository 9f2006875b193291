"""Lint in a pass: findings at the lines of the source, and LintFailed where one of them is an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from aicore_sync.controller.source import Sources
from aicore_sync.core.catalog import Target
from aicore_sync.core.discover import FoundTemplate
from aicore_sync.core.lint import Finding, LintFailed, LintOptions, errors, judged, lint, misshapen, placed
from aicore_sync.core.template import Document


@dataclass(frozen=True)
class Judge:
    """Each function raises LintFailed with all findings when one of them keeps the template from being published."""

    options: LintOptions
    sources: Sources

    def require_form(self, document: Mapping[str, Any], target: Target) -> None:
        """Nothing can be written into a document of another form."""
        self.findings(misshapen(dict(document), self.options), target)

    def checked(self, document: Document, target: Target) -> tuple[Finding, ...]:
        """The findings on a finished document."""
        rendered = not isinstance(target.source.found, FoundTemplate)
        named = not rendered or "image" in target.manifest.model_fields_set
        fallback = "" if named else target.manifest.image
        options = replace(self.options, rendered=rendered, fallback_image=fallback)
        return self.findings(lint(document, options), target)

    def findings(self, found: Iterable[Finding], target: Target) -> tuple[Finding, ...]:
        """With the severities that the repository chose, and lines."""
        kept, file = judged(found, self.options), target.source.file
        at_lines = placed(kept, file, _text(self.sources, file)) if kept else ()
        if errors(at_lines):
            raise LintFailed(at_lines)
        return at_lines


def _text(sources: Sources, path: str) -> str:
    try:
        return sources.text(path)
    except OSError:  # moved away meanwhile: findings without lines are still right
        return ""
