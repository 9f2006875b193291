"""The one place that takes secrets out of text: known values, and what looks like a token."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"

# Shorter values are masked only where they stand as a word: hiding every "demo" or "123" would hide the log.
LONG_ENOUGH = 8
# Still shorter ones are not masked: they stand everywhere, and the gaps would spell them out.
SHORTEST = 4

SECRET_KEYS = re.compile(
    r"(?i)^(.*[._-])?((client|webhook)?_?-?secret|pass(word|wd|phrase)|authorization|credentials?"
    r"|(access|refresh|id|bearer|private|auth)?_?-?token|api_?-?key|private_?-?key|secret_?-?access_?-?key)$"
)

_ASSIGNED = (
    r"client_?-?secret|pass(?:word|wd|phrase)|(?:access|refresh|id|private|auth)_?-?token"
    r"|secret_?-?access_?-?key|api_?-?key|private_?-?key"
)

# (what looks like a secret, what is written instead); the name in front of it stays readable.
# Our own errors say `password: found …` and `password: {env: …}`: neither is a password.
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), MASK),
    (
        re.compile(r"(?i)\b((?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?)(?:[a-z]+\s+)?[^\s'\",;\\]+"),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b((?i:bearer|basic|token)\s+)(?=[^\s'\",]*[A-Z0-9=])[\w.~+/=-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(https?://)[^/\s'\"@]*(?:@[^/\s'\"@]*)*@"), rf"\1{MASK}@"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^/\s:'\"@]*):[^/\s'\"]+@"), rf"\1:{MASK}@"),
    (
        re.compile(
            rf"(?i)\b((?:\w+[_.-])?(?:{_ASSIGNED})['\"]?\s*[:=]\s*['\"]?)(?!found\b|\{{)[^\s'\"&,;}}\\]+"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), MASK),
    (re.compile(r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|AKIA[0-9A-Z]{16})"), MASK),
)


class Masker:
    """Replaces secrets by `***`: registered values in every usual spelling, and text that looks like a token.

    Safe to call from any thread: `add` swaps one attribute.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, value: str) -> None:
        """Registers a secret, with its lines, its encodings and its JSON leaves under secret-looking keys."""
        parts = {value.strip(), *_lines(value), *secret_leaves(value)}
        known = self._known.union(*(_spellings(part) for part in parts if len(part) >= SHORTEST))
        if known != self._known:
            self._known = known
            self._pattern = re.compile("|".join(map(_as_pattern, sorted(known, key=len, reverse=True))))

    def __call__(self, text: str) -> str:
        """`text` without secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        for pattern, instead in PATTERNS:
            text = pattern.sub(instead, text)
        return text

    def value(self, value: Any) -> Any:
        """Any value of a log event without secrets: what is not a plain scalar or container becomes text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self(str(k)): self._field(str(k), v) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if isinstance(value, bytes):
            return self(value.decode(errors="replace"))
        return self(str(value))

    def _field(self, key: str, value: Any) -> Any:
        if isinstance(value, str | bytes) and value and SECRET_KEYS.match(key):
            return MASK
        return self.value(value)

    def event(self, _logger: Any, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """The structlog processor; stands directly before the renderer, after exceptions have become text."""
        masked: dict[str, Any] = self.value(event)
        return masked


def _spellings(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        encoded,
    }


def _as_pattern(secret: str) -> str:
    literal = re.escape(secret)
    return literal if len(secret) >= LONG_ENOUGH else rf"(?<![A-Za-z0-9_-]){literal}(?![A-Za-z0-9_-])"


def _lines(value: str) -> list[str]:
    """The lines of a key file: a library may quote one of them alone."""
    lines = value.split("\n")
    return (
        [line.strip() for line in lines if len(line) >= 16 and not line.startswith("-----")]
        if len(lines) > 1
        else []
    )


def secret_leaves(value: str) -> set[str]:
    """The secrets inside a JSON document such as a service key."""
    if not value.lstrip().startswith("{"):
        return set()
    try:
        return set(_secret_leaves(json.loads(value)))
    except ValueError:
        return set()


def _secret_leaves(node: Any) -> Iterable[str]:
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        # A service key calls its private key just "key"; a field of a log line with that name is none.
        if isinstance(value, str) and (key == "key" or SECRET_KEYS.match(str(key))):
            yield value.strip()
            yield from _lines(value)
        else:
            yield from _secret_leaves(value)
