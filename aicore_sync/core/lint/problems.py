"""Mistakes that were found before there was a document, as findings; and findings as what a pass shows."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.lint.findings import Finding

_BY_KEY = (
    ("AC165", re.compile(r"(^|\.)(schedule\.cron|@schedule)$")),
    ("AC166", re.compile(r"(^|\.)artifacts\[\d+\]\.url$")),
)


def finding_of(problem: Problem, default: str = "") -> Finding:
    """A problem as an error with its code: its own, by its key, or `default` (by the file when empty)."""
    code = problem.code or next((code for code, key in _BY_KEY if key.search(problem.key)), default)
    code = code or ("AC181" if problem.file.endswith(".py") else "AC164")
    message = f"found {problem.found}, expected {problem.expected}"
    return Finding(code, "error", message, problem.key, problem.cure, problem.file, problem.line)


def problems_of(findings: Iterable[Finding]) -> tuple[Problem, ...]:
    """Findings as problems, with the code in the words: what a condition shows."""
    return tuple(
        Problem(f.file, f.line, f.place, f"{f.code} ({f.message})", "no error of this rule", f.cure, f.code)
        for f in findings
    )


class LintFailed(InvalidInput):
    """A template must not be published; `findings` are all of them, not only the errors."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        super().__init__(problems_of(f for f in findings if f.severity == "error"), reason="LintFailed")
