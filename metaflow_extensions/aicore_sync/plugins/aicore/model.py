"""The values between Metaflow and the template: what a flow asks for, in words that both ends understand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RESOURCE_PLAN = "ai.sap.com/resourcePlan"
INSTANCE_TYPE = "ai.sap.com/instanceType"
NONE = "(none)"  # the default of a parameter whose default is None: AI Core knows texts only
SPLITS_FILE = "/tmp/aicore-splits"  # noqa: S108  a foreach step says here how wide it fans out
COUNT_FILE = "/tmp/aicore-split-count"  # noqa: S108


@dataclass(frozen=True)
class Machine:
    """A resource plan or an instance type: CPUs, GB of memory, GPUs; `label` is the key that asks for it."""

    label: str
    name: str
    cpu: float = 0.0
    memory: float = 0.0
    gpu: int = 0


@dataclass(frozen=True)
class Options:
    """What the caller decides, not the flow.

    `name` is the executable id ("" makes one of the flow's name); `image` and `secrets` are the defaults of
    every step; `environment` is added to every step and wins; `timeout` in seconds bounds the whole run.
    `chosen` are machines by step, which win over what the flow says; the one of "*" is for steps that ask for
    nothing. `library` is a file with the packed library part (see `package.library`), or "". `embedded`: the image
    holds the code, nothing is downloaded. `machines` are the instance types of the tenant; empty: resource plans.
    """

    name: str = ""
    scenario: str = ""
    scenario_name: str = ""
    version: str = "0.1.0"
    image: str = ""
    chosen: tuple[tuple[str, Machine], ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    machines: tuple[Machine, ...] = ()
    max_workers: int = 100
    timeout: int = 0
    embedded: bool = False
    library: str = ""


@dataclass(frozen=True)
class Retries:
    """`user` attempts after the first run the user's code; one more attempt lets `@catch` record the failure."""

    user: int = 0
    fallback: int = 0
    minutes: int = 2

    @property
    def total(self) -> int:
        return self.user + self.fallback


@dataclass(frozen=True)
class Step:
    """One step, placed in the graph.

    `inside` names the innermost foreach whose body the step belongs to ("" at the top). `before` are the steps
    whose tasks it reads. `joins` is the foreach that it closes, `opens` the first step of the body that it fans
    out to; "" where not. `deadline` bounds the pod in seconds, 0: unbounded.
    """

    name: str
    inside: str = ""
    before: tuple[str, ...] = ()
    joins: str = ""
    opens: str = ""
    image: str = ""
    machine: Machine = Machine(RESOURCE_PLAN, "starter")
    labels: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    inputs: tuple[Mapping[str, Any], ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()
    volume: tuple[str, str] = ("", "")  # (mount path, size)
    shared_memory: int = 0  # MiB
    deadline: int = 0
    retries: Retries = Retries()
    script: str = ""


@dataclass(frozen=True)
class Input:
    """A parameter: `default` is the raw text, None when a configuration must bind it.

    `optional` parameters have the default None in Python, which `NONE` stands for.
    """

    name: str
    kind: str
    default: str | None = None
    optional: bool = False
    help: str = ""

    @property
    def variable(self) -> str:
        """Metaflow reads the value of `--<name>` from this variable too, where no shell sees it."""
        return "METAFLOW_INIT_" + self.name.upper().replace("-", "_")


@dataclass(frozen=True)
class Plan:
    """A whole flow, ready to be written down. `kinds` are artifact kinds by global name."""

    flow: str
    first: str
    steps: tuple[Step, ...]
    parameters: tuple[Input, ...] = ()
    kinds: tuple[tuple[str, str], ...] = ()
    description: str = ""


@dataclass(frozen=True)
class Upload:
    """Bytes that the object store must hold at `url` before the template runs.

    `kind` is "package" or "include"; `name` the flow's or the included file's. The last part of the URL is the
    sha1 of the uncompressed content.
    """

    kind: str
    name: str
    url: str
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Compiled:
    """The result: see `compiler`."""

    flow: str
    document: Mapping[str, Any]
    package: Upload
    uploads: tuple[Upload, ...] = ()
    user_files: tuple[tuple[str, str], ...] = ()
    included: tuple[tuple[str, str], ...] = ()
    schedule: str | None = None
    timezone: str | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    plan: Plan | None = field(default=None, repr=False)
