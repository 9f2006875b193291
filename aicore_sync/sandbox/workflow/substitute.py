"""`{{tags}}` of Argo and `$(VAR)` of Kubernetes, replaced the way the originals do it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from aicore_sync.sandbox.workflow.calls import TemplateError

T = TypeVar("T")
TAG = re.compile(r"\{\{([^{}]*)\}\}")
_REFERENCE = re.compile(r"""([\w.-]+?)(?:\.([\w-]+)|\[['"]([^'"]+)['"]\])""")
_BASE64 = re.compile(r"(?:toBase64|sprig\.b64enc)\((.*)\)")


def substitute(document: T, scope: Mapping[str, str]) -> T:
    """Replace every tag whose name is in `scope`; unknown tags stay as they are.

    As in Argo the tags are replaced in the JSON text of the document, with the value escaped as a JSON string,
    so a value never changes the structure. Raises `TemplateError` for an expression tag that is not a plain
    reference or `toBase64(reference)`.
    """

    def replace(match: re.Match[str]) -> str:
        tag = match.group(1)
        if tag.startswith("="):
            value = _expression(tag[1:].replace('\\"', '"').strip(), scope)
        else:
            value = scope.get(tag.strip())
        return match.group(0) if value is None else json.dumps(value)[1:-1]

    replaced: T = json.loads(TAG.sub(replace, json.dumps(document, ensure_ascii=False)))
    return replaced


def _expression(expression: str, scope: Mapping[str, str]) -> str | None:
    encoded = _BASE64.fullmatch(expression)
    reference = _REFERENCE.fullmatch(encoded.group(1).strip() if encoded else expression)
    if reference is None:
        raise TemplateError(
            f"the expression {{{{={expression}}}}} is not understood by the sandbox; "
            "it knows plain references and toBase64(reference)"
        )
    value = scope.get(f"{reference[1]}.{reference[2] or reference[3]}")
    if value is None or encoded is None:
        return value
    return base64.b64encode(value.encode()).decode()


def references(document: Any) -> set[str]:
    """The names of all simple tags in a document."""
    return {tag.strip() for tag in TAG.findall(json.dumps(document)) if not tag.startswith("=")}


def expand(value: str, variables: Mapping[str, str]) -> str:
    """Kubernetes' expansion in command, args and env: `$(NAME)` if NAME is defined, and `$$` gives `$`."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(2)
        return "$" if name is None else variables.get(name, match.group(0))

    return re.sub(r"\$(\$|\(([^)]*)\))", replace, value)
