"""Checks before anything leaves the house: coded rules, each a small function over a document or over the source.

Codes: AC10x the document, AC11x its shape, AC12x and AC13x steps and containers, AC14x artifacts, AC16x manifests and
the source as a whole, AC18x rendering. A code never changes its meaning. Each has a section in docs/lint.md.
"""

from __future__ import annotations

from aicore_sync.core.lint import (
    artifacts,
    calls,
    graph,
    keys,
    labels,
    metadata,
    pods,
    runtime,
    serving,
    shape,
    tags,
)
from aicore_sync.core.lint.codes import CODES, FIXED
from aicore_sync.core.lint.findings import Finding, LintOptions, Override, Rule, Severity, judged
from aicore_sync.core.lint.formats import github, rows, sarif, sentence
from aicore_sync.core.lint.places import placed
from aicore_sync.core.lint.problems import LintFailed, finding_of, problems_of
from aicore_sync.core.lint.source import (
    SOURCE_RULES,
    Made,
    Placed,
    SourceRule,
    in_environments,
    lint_bindings,
    lint_source,
    with_errors,
)
from aicore_sync.core.lint.wishes import unheard, unused_schedule
from aicore_sync.core.template.walk import SERVING, WORKFLOW, Document

__all__ = [
    "CODES",
    "FIXED",
    "RULES",
    "SOURCE_RULES",
    "Finding",
    "LintFailed",
    "LintOptions",
    "Made",
    "Override",
    "Placed",
    "Rule",
    "Severity",
    "SourceRule",
    "errors",
    "finding_of",
    "github",
    "in_environments",
    "judged",
    "lint",
    "lint_bindings",
    "lint_source",
    "misshapen",
    "placed",
    "problems_of",
    "rows",
    "sarif",
    "sentence",
    "unheard",
    "unused_schedule",
    "with_errors",
]

RULES: tuple[Rule, ...] = (
    metadata.kind,
    metadata.name,
    labels.needed_labels,
    labels.foreign_labels,
    labels.needed_annotations,
    metadata.no_kubernetes_secret,
    metadata.no_secret_values,
    metadata.size,
    keys.no_embedded_keys,
    shape.unknown_keys,
    shape.wrong_types,
    graph.unsupported,
    graph.overridable,
    graph.defaults,
    calls.references,
    calls.open_inputs,
    calls.rings,
    tags.variables,
    tags.known_roots,
    pods.hardware,
    pods.environment,
    pods.variable_names,
    pods.forbidden,
    pods.compressed_paths,
    pods.shell_text,
    pods.image,
    pods.command,
    pods.deadline,
    runtime.hardware_exists,
    runtime.container_names,
    runtime.secrets_everywhere,
    runtime.pinned_images,
    runtime.fallback_image,
    artifacts.registered_outputs,
    artifacts.unique_outputs,
    artifacts.artifact_names,
    artifacts.artifact_paths,
    artifacts.serving_inputs,
    artifacts.artifact_labels,
    artifacts.orphan_annotations,
    artifacts.packed_outputs,
    serving.inner_form,
)
# What can be said about any file that lies where AI Core looks for templates.
_ANY_KIND = (metadata.kind, metadata.no_kubernetes_secret, metadata.no_secret_values, keys.no_embedded_keys)

_SHAPE = (metadata.kind, shape.unknown_keys, shape.wrong_types)
_UNREADABLE = frozenset({"AC101", "AC114"})  # both fixed: no repository can let them pass


def lint(document: Document, options: LintOptions | None = None) -> tuple[Finding, ...]:
    """All findings on a finished document, errors first, then by code and place."""
    known = options or LintOptions()
    rules = RULES if document.get("kind") in (WORKFLOW[1], SERVING[1]) else _ANY_KIND
    return judged((finding for rule in rules for finding in rule(document, known)), known)


def misshapen(document: Document, options: LintOptions | None = None) -> tuple[Finding, ...]:
    """What keeps a document from being read at all, and from being written into; () when it has the right form.

    The first question to ask: everything behind it walks the document without looking at types again.
    """
    known = options or LintOptions()
    found = judged((f for rule in _SHAPE for f in rule(document, known)), known)
    return found if any(f.code in _UNREADABLE for f in found) else ()


def errors(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings that keep a template from being published."""
    return tuple(finding for finding in findings if finding.severity == "error")
