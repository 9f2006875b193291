"""Why an execution or a deployment is DEAD or does not begin: one sentence that a person can act on, from known causes.

`statusDetails` are free-form, so everything is looked for and nothing is relied on. Known causes: AI Core's
troubleshooting pages, and what Kubernetes and Argo say in such cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aicore_sync.core.world import Deployment, Execution

LOG_LINES = 3
_LINE = 160
_MESSAGE = 240


@dataclass(frozen=True)
class Evidence:
    """What was found out about an execution or a deployment.

    `details` are its `statusDetails`, `log` the last lines of its log. `missing` names secrets that it needs and that
    do not exist, `bindings` what is wrong with its configuration.
    """

    execution: Execution | Deployment
    details: Mapping[str, Any] = field(default_factory=dict)
    log: Sequence[str] = ()
    missing: Sequence[str] = ()
    bindings: Sequence[str] = ()


@dataclass(frozen=True)
class Failure:
    """The part of `statusDetails` that speaks of the failing step."""

    step: str = ""
    message: str = ""
    exit_code: int | None = None
    log: tuple[str, ...] = ()


def explain(evidence: Evidence) -> str:
    """One sentence, for DEAD executions with the last lines of the failing step's log behind it."""
    failure = failing_step(evidence.details)
    sentence = _cause(evidence, failure)
    lines = failure.log or tuple(evidence.log)
    if evidence.execution.status != "DEAD" or not lines:
        return sentence
    return f"{sentence}; last lines: {' | '.join(_short(line, _LINE) for line in lines[-LOG_LINES:])}"


def _cause(evidence: Evidence, failure: Failure) -> str:
    if evidence.missing:
        return f"it needs secrets that do not exist: {', '.join(evidence.missing)}; create them, or correct their names"
    if evidence.bindings:
        return f"its configuration does not fit the template: {'; '.join(evidence.bindings)}"
    words = " ".join(dict.fromkeys((failure.message, evidence.execution.message)))  # often the same twice
    where = f"step {failure.step}: " if failure.step else ""
    text = "\n".join((words, *(failure.log or evidence.log)))
    for pattern, cure in _CAUSES:
        match = re.search(pattern, text, re.IGNORECASE)
        if match:
            return f"{where}{_short(_said(words) or match[0], _MESSAGE)}; {cure}"
    if failure.exit_code in _EXIT_CODES:
        return f"{where}{_EXIT_CODES[failure.exit_code]}"
    if failure.exit_code:
        return f"{where}it ended with exit code {failure.exit_code}; its log says why"
    return where + (_short(_said(words), _MESSAGE) or _UNSAID[evidence.execution.status == "DEAD"])


_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"ErrImagePull|ImagePullBackOff|pull access denied|manifest unknown|failed to pull image|back-off pulling",
        "the image cannot be pulled: write it with its registry's host, and name a registered docker registry "
        "secret in imagePullSecrets if it is private",
    ),
    (r"InvalidImageName|couldn't parse image", "correct the image's name"),
    (
        r"CreateContainerConfigError|secrets? \"[^\"]+\" not found|references non-existent secret",
        "create the secret in this resource group, or correct its name in the manifest",
    ),
    (
        r"OOMKilled|out of memory|MemoryError|Cannot allocate memory",
        "it needs more memory: choose a larger resourcePlan or instanceType for this step",
    ),
    (
        r"FailedScheduling|Unschedulable|Insufficient (cpu|memory|nvidia)|exceeded quota",
        "no machine is free for it: wait, choose a smaller resourcePlan, or stop other runs",
    ),
    (r"DeadlineExceeded|exceeded its deadline|active on the node longer", "raise `timeout` in the manifest"),
    (
        r"NoSuchKey|specified key does not exist",
        "the object is not in the store: compare the artifact's url with the secret's path prefix, no slash at the end",
    ),
    (
        r"NoSuchBucket|InvalidAccessKeyId|SignatureDoesNotMatch",
        "correct the object store secret of this resource group",
    ),
    (r"No module named '?[\w.]+'?", "add the package to the image, or to the flow's packages"),
    (
        r"Permission denied|EACCES|Read-only file system",
        "steps run as user 65534: write below /tmp, and let the image's files be readable by everybody",
    ),
    (
        r"executable file not found|no such file or directory.*exec|StartError",
        "the image lacks the command: correct `command`, or choose an image that has it",
    ),
    (
        r"failed to resolve \{\{|unable to resolve|requires a value|not supplied",
        "compare the names of parameters and artifacts with the template's: case counts",
    ),
)
_EXIT_CODES = {
    137: "it was killed, most often for its memory: choose a larger resourcePlan or instanceType for this step",
    143: "it was ended from outside: a stop, or its timeout",
    127: "the image lacks the command: correct `command`, or choose an image that has it",
    126: "its command may not be executed: steps run as user 65534",
}
_UNSAID = {
    True: "AI Core gives no reason; without a log it is mostly an image that cannot be pulled, a template that Argo "
    "refuses, or files that user 65534 cannot read",
    False: "AI Core gives no reason; the secrets that it needs exist and its configuration fits, so machines of its "
    "resource plan are probably taken: look at the tenant's quota and at other runs",
}


def failing_step(details: Mapping[str, Any]) -> Failure:
    """The first entry that failed: the pod's own words before those of the workflow's node."""
    entries = [_plain(entry) for entry in _mappings(details)]
    nodes = {str(e.get("id") or e.get("name")): e for e in entries if e.get("phase") in ("Failed", "Error")}
    pods = [e for e in entries if "containername" in e or "lastlogmessages" in e]
    for pod in sorted(pods, key=lambda e: _number(e.get("exitcode")) in (None, 0)):
        node = nodes.get(str(pod.get("podname")), {})
        code = _number(pod.get("exitcode"))
        if code not in (None, 0) or node or (pod.get("message") and pod.get("ready") is False):
            name = node.get("name") or pod.get("podname")
            message = str(pod.get("message") or node.get("message") or "")
            return Failure(_step(name), message, code, _lines(pod.get("lastlogmessages")))
    leaves = [e for e in nodes.values() if e.get("type") in (None, "Pod")] or list(nodes.values())
    for node in leaves:
        message = str(node.get("message") or "")
        return Failure(_step(node.get("name")), message, _number(node.get("exitcode")))
    return Failure(message=next((str(e["message"]) for e in entries if e.get("message")), ""))


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    """Every mapping at any depth, outer ones first."""
    if isinstance(value, Mapping):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _mappings(item)


def _plain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Keys without underscores and case: `exit_code` and `exitCode` are the same."""
    return {str(key).replace("_", "").lower(): value for key, value in entry.items()}


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else None


def _lines(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return tuple(line for text in texts for line in str(text).splitlines() if line.strip())


def _step(name: object) -> str:
    """`execution-1.dag.train(0:a)` → `train(0:a)`."""
    return str(name or "").rpartition(".")[2]


def _said(words: str) -> str:
    return " ".join(words.split())


def _short(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
