"""What goes into a run and what comes out of it. The only types that other parts of the sandbox need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

NodePhase = Literal["Pending", "Running", "Succeeded", "Failed", "Error", "Skipped", "Omitted"]
RunPhase = Literal["Succeeded", "Failed", "Error"]


@dataclass(frozen=True)
class StoreLocation:
    """An S3 bucket and who may use it. `prefix` is put before every key that a run writes ("" for none)."""

    endpoint: str
    bucket: str
    prefix: str
    access_key: str
    secret_key: str
    region: str

    def __repr__(self) -> str:
        return f"StoreLocation({self.endpoint}/{self.bucket}/{self.prefix})"


@dataclass(frozen=True)
class RunRequest:
    """One execution.

    `id` names the workflow and the folder of its outputs; `template` is a parsed Argo WorkflowTemplate.
    `inputs` maps the name of an input artifact to its place: a full key in the bucket of `store`, an
    `s3://bucket/key` address at the same endpoint, or a `file:///path`. `secrets` maps the Kubernetes name of
    a secret to its entries. `workdir` belongs to this run alone and is removed
    at its end. `env` is given to every container.
    """

    id: str
    template: dict[str, Any]
    parameters: dict[str, str]
    inputs: dict[str, str]
    secrets: dict[str, dict[str, str]]
    store: StoreLocation | None
    workdir: Path
    env: dict[str, str]


@dataclass(frozen=True)
class NodeState:
    """One node of the run as it is now. `id` of a `Pod` node is the pod's name in the log lines.

    `type` is one of Argo's words: Pod, DAG, Steps, Retry, TaskGroup, Skipped.
    """

    id: str
    name: str
    type: str
    phase: NodePhase
    exit_code: int | None = None
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True)
class Output:
    """An output artifact with a `globalName`. `key` is its full key in the bucket; for a folder, their prefix."""

    global_name: str
    name: str
    key: str


@dataclass(frozen=True)
class RunResult:
    phase: RunPhase
    message: str
    outputs: tuple[Output, ...] = ()
    nodes: tuple[NodeState, ...] = ()


class Listener(Protocol):
    """Hears about the run while it goes on; called in the event loop, must not block."""

    def log(self, *, pod: str, container: str, stream: str, line: str) -> None: ...

    def node(self, node: NodeState) -> None: ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class RunOptions:
    """How this machine runs pods; not part of what a template means.

    `isolation`: "ns" gives each pod its own mount namespace, "shim" rewrites paths, "auto" takes the first
    that works. `max_backoff`: seconds that a retry waits at most, whatever the template says. `keep`:
    directories below /tmp or /mnt that pods must still see. `keep_files`: leave `workdir` behind, to look into.
    """

    isolation: str = "auto"
    max_backoff: float = 1.0
    keep: tuple[str, ...] = ()
    keep_files: bool = False
    now: Callable[[], datetime] = _utc_now

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> RunOptions:
        """Read AICORE_SANDBOX_ISOLATION (ns, shim, auto), _MAX_BACKOFF (seconds), _KEEP (paths), _KEEP_FILES (1)."""
        isolation = environ.get("AICORE_SANDBOX_ISOLATION", "auto")
        if isolation not in ("auto", "ns", "shim"):
            raise ValueError(f"AICORE_SANDBOX_ISOLATION is {isolation!r}, expected ns, shim or auto")
        return cls(
            isolation=isolation,
            max_backoff=float(environ.get("AICORE_SANDBOX_MAX_BACKOFF", "1")),
            keep=tuple(p for p in environ.get("AICORE_SANDBOX_KEEP", "").split(":") if p),
            keep_files=environ.get("AICORE_SANDBOX_KEEP_FILES", "") not in ("", "0"),
        )
