"""Environments with both ends of the Metaflow releases that we support, compiling in them, and running the result."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]

from aicore_sync.sandbox.objectstore import ObjectStoreProcess
from aicore_sync.sandbox.workflow import (
    NodeState,
    RunOptions,
    RunRequest,
    RunResult,
    StoreLocation,
    run_workflow,
)

ROOT = Path(__file__).resolve().parents[2]
FLOWS = Path(__file__).parent / "flows"
DRIVER = Path(__file__).with_name("compile_driver.py")
STORE_ROOT = "s3://bucket/metaflow"


@dataclass(frozen=True)
class Desk:
    """Compiles flows with one Metaflow. `extension` is a directory that holds `metaflow_extensions` and no more."""

    name: str
    python: Path
    extension: Path
    scratch: Path

    def command(self, arguments: list[str], cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the environment, with nothing of this process' environment but what is named here."""
        env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.scratch),
            "PYTHONPATH": str(self.extension),
            "PYTHONDONTWRITEBYTECODE": "1",
            "METAFLOW_HOME": "/nonexistent",
            "METAFLOW_USER": "somebody",
            "METAFLOW_DEFAULT_DATASTORE": "s3",
            "METAFLOW_DEFAULT_METADATA": "local",
            "METAFLOW_DATASTORE_SYSROOT_S3": STORE_ROOT,
            "METAFLOW_S3_RETRY_COUNT": "0",
            "METAFLOW_TEMPDIR": str(self.scratch),
            "METAFLOW_ARTIFACT_LOCALROOT": str(self.scratch),
            **({"LD_LIBRARY_PATH": os.environ["LD_LIBRARY_PATH"]} if "LD_LIBRARY_PATH" in os.environ else {}),
            **more,
        }
        return subprocess.run(
            [str(self.python), *arguments],
            check=False,
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def create(self, script: Path, *arguments: str, **environment: str) -> Compiled:
        """Compile in the script's directory; stdout and stderr in the error if it fails."""
        return self.create_from(script.parent, [script.name, "--no-pylint", *arguments], **environment)

    def create_from(self, cwd: Path, words: list[str], **environment: str) -> Compiled:
        """Compile through the driver: `words` begin with the script, as a person in `cwd` writes it."""
        out = self.scratch / f"out-{len(list(self.scratch.glob('out-*')))}"
        out.mkdir()
        ended = self.command([str(DRIVER), str(out), *words], cwd, **environment)
        assert (out / "compiled.json").exists(), f"{ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return Compiled(json.loads((out / "compiled.json").read_text()), out)

    def native(self, name: str, *more: str, **environment: str) -> Compiled:
        """Compile one of our flows with the usual options."""
        return self.create(FLOWS / name / "flow.py", *USUAL, *more, **environment)


USUAL = ("aicore", "--name=under-test", "create", "--image=docker.io/team/flow:1", "--secret=store")


@dataclass(frozen=True)
class Compiled:
    facts: dict[str, Any]
    directory: Path

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = self.facts["document"]
        return document

    @property
    def templates(self) -> dict[str, dict[str, Any]]:
        return {t["name"]: t for t in self.document["spec"]["templates"]}

    def blobs(self) -> list[tuple[str, bytes]]:
        uploads = self.facts["uploads"]
        return [(u["url"], (self.directory / f"blob-{n}").read_bytes()) for n, u in enumerate(uploads)]


class Listener:
    """Keeps what pods say."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, *, pod: str, container: str, stream: str, line: str) -> None:
        if container == "main":
            self.lines.append(f"{pod}: {line}")

    def node(self, node: NodeState) -> None:
        """Not of interest here."""

    def said(self, word: str) -> str:
        """The rest of the first line in which a pod says `word`."""
        found = next((line for line in self.lines if f" {word} " in line), "")
        return found.partition(f" {word} ")[2]


@dataclass(frozen=True)
class Cluster:
    """Runs templates in the sandbox's interpreter against a real S3 server."""

    store: ObjectStoreProcess
    workdir: Path

    def client(self) -> Any:
        keys = {"aws_access_key_id": self.store.access_key, "aws_secret_access_key": self.store.secret_key}
        return boto3.client("s3", endpoint_url=self.store.endpoint, region_name=self.store.region, **keys)

    def upload(self, compiled: Compiled) -> None:
        for url, data in compiled.blobs():
            self.client().put_object(Bucket="bucket", Key=url.removeprefix("s3://bucket/"), Body=data)

    async def run(
        self, compiled: Compiled, name: str, keep: tuple[str, ...] = (), **request: Any
    ) -> tuple[RunResult, Listener]:
        """Upload and run. `keep`: directories below /tmp that pods see."""
        self.upload(compiled)
        location = StoreLocation(
            self.store.endpoint,
            "bucket",
            "runs",
            self.store.access_key,
            self.store.secret_key,
            self.store.region,
        )
        keys = {
            "AWS_ACCESS_KEY_ID": self.store.access_key,
            "AWS_SECRET_ACCESS_KEY": self.store.secret_key,
            "AWS_DEFAULT_REGION": self.store.region,
            "METAFLOW_S3_ENDPOINT_URL": self.store.endpoint,
        }
        secrets = {"store": keys, "own": {"OWN": "1"}, "extra": {"EXTRA": "1"}}
        parts: dict[str, Any] = {"parameters": {}, "inputs": {}, "secrets": secrets, "env": {}, **request}
        wanted = RunRequest(
            id=name, template=compiled.document, store=location, workdir=self.workdir / name, **parts
        )
        heard = Listener()
        return await run_workflow(wanted, heard, RunOptions(max_backoff=0.0, keep=keep)), heard
