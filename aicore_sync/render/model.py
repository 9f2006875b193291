"""The values that go into and come out of a render."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.core.world import Upload

LOOK_AGAIN = 15.0  # seconds until a pass looks again at what is being installed

# Who makes the template: our own compiler over today's Metaflow, or SAP's plugin.
Dialect = Literal["native", "plugin"]


def _ignore(line: str) -> None:
    """The silent default of `RenderOptions.progress`."""


@dataclass(frozen=True)
class Environment:
    """What a named rendering environment holds beside what its dialect needs.

    `python` alone is used as it is; with `requirements` or `metaflow`, it is the interpreter that the environment is
    built from. `requirements` are lines of a requirements file; `metaflow` is a version in place of the pinned one.
    `index_file` holds the address of the package index for it, in place of the one for all.
    """

    python: Path | None = None
    requirements: tuple[str, ...] = ()
    metaflow: str = ""
    index_file: Path | None = None

    @property
    def ready_made(self) -> bool:
        return self.python is not None and not self.requirements and not self.metaflow


@dataclass(frozen=True)
class RenderOptions:
    """How renders are done here.

    `dialect` is made ready at the start; jobs may name the other one. `deadline` is in seconds; `memory` (address
    space of a child) and `output` (any file that a child writes, its stdout, stderr and code package included) are
    in bytes. `progress` gets the installer's lines.
    `sandbox`: "auto" takes what isolation this system gives, "strict" refuses to do with less, "off" takes none.
    `user` is the numeric user and group that children become where we are root. `environments` are those that
    jobs name; one called as a dialect takes the place of the one that we build for it. `index_file` holds
    the address of the package index, with its password. Built environments go when nobody has used them for
    `keep_environments` seconds, and what renders made after `keep_blobs`; at most `warm` have a running parent.
    """

    cache_dir: Path
    dialect: Dialect = "native"
    concurrency: int = 2
    deadline: float = 60.0
    memory: int = 1 << 30
    output: int = 64 << 20
    install_deadline: float = 900.0
    sandbox: str = "auto"
    user: int = 65534
    environments: Mapping[str, Environment] = field(default_factory=dict)
    index_file: Path | None = None
    keep_environments: float = 30 * 86400.0
    warm: int = 4
    keep_blobs: float = 14 * 86400.0
    progress: Callable[[str], None] = _ignore
    now: Callable[[], float] = time.time


@dataclass(frozen=True)
class InstanceType:
    """A machine of a tenant: CPUs, GB of memory, GPUs."""

    name: str
    cpu: float
    memory: float
    gpu: int = 0


@dataclass(frozen=True)
class RenderJob:
    """One flow to render.

    `directory` is a snapshot of the flow's directory that nobody changes; user code works in a copy of it.
    `script` is relative to it; `flow` names the class when the file holds several. `name` becomes
    the template's name. `environment` is added to every step and wins over `@environment`. `machines` are
    ("plan" or "instance-type", step or "*", name); steps that ask for sizes get the smallest of `instance_types`, or of
    the documented plans where there are none. Of both only dialect native hears. `rendering` names
    one of `RenderOptions.environments`, "" the one of the dialect; with `stub_imports` packages that it lacks are
    replaced by stand-ins. `requirements` are packages of this flow alone, names and versions; `project` are
    options of Metaflow's command line that `@project` reads.
    """

    directory: Path
    script: str
    datastore_root: str  # "s3://bucket/prefix"
    name: str
    flow: str | None = None
    image: str = ""
    secrets: tuple[str, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    max_workers: int = 100
    timeout: int = 0  # of the whole run in seconds; 0: none
    embedded: bool = False
    package_suffixes: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    machines: tuple[tuple[str, str, str], ...] = ()
    instance_types: tuple[InstanceType, ...] = ()
    dialect: Dialect = "native"
    rendering: str = ""
    stub_imports: bool = False
    requirements: tuple[str, ...] = ()
    project: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rendered:
    """What came out: the document, not yet canonical, and what the object store must hold for it.

    `user_files` are the packaged files of the user and `included` the contents of `IncludeFile`s, both as
    sorted (name, sha256) pairs: the raw material of the run-digest. `cron` has five POSIX fields.
    `notes` are (step, why it got its machine) pairs, `unheard` (step, the machine it asks for) where
    the dialect heard of none; `opened` the names below the flow's directory that the render
    opened or tried to, None when they are too many to tell.
    """

    document: Mapping[str, Any]
    uploads: tuple[Upload, ...] = ()
    cron: str | None = None
    user_files: tuple[tuple[str, str], ...] = ()
    included: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    unheard: tuple[tuple[str, str], ...] = ()
    opened: tuple[str, ...] | None = None


class RenderFailed(Stalled):
    """The flow cannot be rendered as it is; its owner must change it.

    `line` counts from 1, 0 when unknown; `file` is relative to the flow's directory; `detail` is what the
    owner wants to read next: the traceback through their files only, or the end of stderr. `refused`: it may be right
    for Metaflow, and AI Core cannot do it.
    """

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, detail: str = "", refused: bool = False
    ) -> None:
        super().__init__(message, reason="RenderFailed")
        self.file = file
        self.line = line
        self.detail = detail
        self.refused = refused


class EnvironmentBuilding(Transient):
    """What renders need is being installed; passes go on without it and look again."""

    def __init__(self, what: str) -> None:
        message = f"{what} is being installed, once; the flow is rendered when that is done"
        super().__init__(message, reason="EnvironmentBuilding", retry_after=LOOK_AGAIN)
