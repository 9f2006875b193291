"""Keys and passwords that somebody wrote into a template.

High precision on purpose: formats that nothing else has, and variables whose name says that they are secret and whose
value looks made by a machine. Libraries for this judge any text by its entropy; image digests and code packages in
templates would drown the few true findings, and each of them would bring its own dependencies into the pure core.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions
from aicore_sync.core.lint.places import item_name
from aicore_sync.core.template.walk import Document

_FORMATS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,})",
    "a GitLab token": r"\bglpat-[\w-]{20,}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w+",
    "a Google API key": r"\bAIza[\w-]{35}\b",
    "an API key": r"\bsk-(?:proj-|ant-|live-)?[A-Za-z0-9_-]{32,}|\bsk_live_[A-Za-z0-9]{20,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "an npm or PyPI token": r"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[\w-]{50,}",
    "an Azure storage key": r"\bAccountKey=[A-Za-z0-9+/=]{60,}",
    "a JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "a client secret": r"""["']?client_?secret["']?\s*[:=]\s*["'][^"'{}$\s]{16,}["']""",
    "a login in a URL": r"\b[a-z][a-z0-9+.-]*://[^\s/:@{}$]+:[^\s/:@{}$<>*]{3,}@[\w.-]+",
}
_KNOWN = [
    (what, re.compile(pattern, re.IGNORECASE if "client" in what else 0))
    for what, pattern in _FORMATS.items()
]
_WORDS = r"(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)"
_SECRET_NAME = re.compile(rf"(?i){_WORDS}")
# `--password=…`, `--password …`, `DB_PASSWORD=…` and `password: …` inside a command.
_INLINE = re.compile(
    rf"""(?i)(?<![\w-])([\w-]{{0,40}}{_WORDS}[\w-]{{0,40}})(["']?\s*[=:]\s*|\s+)["']?([^\s"'&;,|()]+)"""
)
_REFERENCE_NAME = re.compile(r"(?i)(_|^)(name|file|path|url|uri|dir|id|arn|type|ref|ttl|count|limit|length)$")
_PLACEHOLDER = re.compile(
    r"[{}$<>*\s]|^(/|\.|https?:|ai:|s3:)|(?i:example|change|dummy|placeholder)"
    r"|(?i:(?<![A-Za-z0-9])(?:your|test))"
)
_MIN_SECRET, _MIN_BITS = 12, 3.2


def no_embedded_keys(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC109: no keys, tokens or passwords in the text. The finding names the kind, never the value."""
    cure = "register a generic secret at AI Core, read it at run time, and make this one invalid: it is in git now"
    for place, what in _secrets(document, ""):
        yield Finding("AC109", "error", f"holds {what}", place, cure)


def _secrets(node: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        known = [what for what, pattern in _KNOWN if pattern.search(node)]
        named = () if known else sorted(set(_inline(node)))
        yield from ((place, what) for what in (*known, *(f"what looks like a secret, in {n}" for n in named)))
    elif isinstance(node, list):
        for index, (option, value) in enumerate(pairwise(node), start=1):
            if _is_flag(option) and isinstance(value, str) and _is_secret(option, value):
                yield f"{place}[{index}]", f"what looks like a secret, for {option}"
        for index, item in enumerate(node):
            yield from _secrets(item, f"{place}[{item_name(item, index)}]")
    elif isinstance(node, dict):
        name, value = node.get("name"), node.get("value", node.get("default"))
        if isinstance(name, str) and isinstance(value, str) and _is_secret(name, value):
            yield (
                f"{place}.{'value' if 'value' in node else 'default'}",
                f"what looks like a secret, in {name}",
            )
        for key, item in node.items():
            yield from _secrets(item, f"{place}.{key}".lstrip("."))


def _inline(text: str) -> Iterator[str]:
    """The words inside a command whose values look like secrets; behind a space only an option has its value."""
    for name, between, value in _INLINE.findall(text):
        if (name.startswith("--") or not between.isspace()) and _is_secret(name, value):
            yield name


def _is_flag(option: object) -> bool:
    return isinstance(option, str) and option.startswith("-") and not re.search(r"[\s=]", option)


def _is_secret(name: str, value: str) -> bool:
    name = name.replace("-", "_")
    if not _SECRET_NAME.search(name) or _REFERENCE_NAME.search(name) or _PLACEHOLDER.search(value):
        return False
    if any(pattern.search(value) for _, pattern in _KNOWN):  # said already, by its format
        return False
    mixed = bool(re.search(r"\d", value)) and bool(re.search(r"[A-Za-z]", value))
    return len(value) >= _MIN_SECRET and mixed and _bits(value) >= _MIN_BITS


def _bits(value: str) -> float:
    """Entropy in bits per character: words are near 3, machine-made keys above."""
    shares = [count / len(value) for count in Counter(value).values()]
    return -sum(share * math.log2(share) for share in shares)
