"""Rendering flows as the service does, in both dialects and at both ends of Metaflow, and running what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
from extension_bench import Listener
from quick_pods import QuickPods

from aicore_sync.datastore import DataStore, DataStoreOptions, StoreKeys
from aicore_sync.render import Rendered, Renderer, RenderJob
from aicore_sync.sandbox.objectstore import ObjectStoreProcess
from aicore_sync.sandbox.workflow import RunOptions, RunRequest, RunResult, StoreLocation, run_workflow

# Dialect and environment, by name.
WAYS: Mapping[str, Mapping[str, Any]] = {
    "native": {"dialect": "native"},
    "native-oldest": {"dialect": "native", "rendering": "oldest"},
    "plugin": {"dialect": "plugin"},
}


@dataclass(frozen=True)
class Line:
    """The line from a flow's directory to the end of its run."""

    renderer: Renderer
    store: ObjectStoreProcess
    pods: QuickPods
    room: Path

    async def render(self, script: Path, way: str, **more: Any) -> Rendered:
        """`way` is one of WAYS."""
        facts = {"image": "docker.io/team/flow:1", "secrets": ("store",), "name": "under-test", **WAYS[way]}
        return await self.renderer.render(
            RenderJob(script.parent, script.name, "s3://bucket/metaflow", **{**facts, **more})
        )

    async def run(self, rendered: Rendered, way: str, **request: Any) -> tuple[RunResult, Listener]:
        """Upload and run; `request` may bind `parameters` and `inputs`."""
        keys = (self.store.access_key, self.store.secret_key)
        options = DataStoreOptions("s3://bucket/metaflow", self.store.endpoint, self.store.region)
        for upload in rendered.uploads:
            await DataStore(options, lambda: StoreKeys(*keys)).ensure(upload)
        toolchain = await self.renderer._toolchains.get(WAYS[way]["dialect"], WAYS[way].get("rendering", ""))
        self.pods.offer(rendered.uploads, toolchain.library.packed)
        name = f"run-{len(list(self.room.iterdir()))}"
        (self.room / name).touch()
        login = {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
        place = {"AWS_DEFAULT_REGION": self.store.region, "METAFLOW_S3_ENDPOINT_URL": self.store.endpoint}
        parts: dict[str, Any] = {"parameters": {}, "inputs": {}, **request}
        store = StoreLocation(self.store.endpoint, "bucket", "runs", *keys, self.store.region)
        wanted = RunRequest(
            id=name, template=dict(rendered.document), store=store, workdir=self.room / f"{name}-pods",
            env=self.pods.env, secrets={"store": login | place, "own": {}, "extra": {}, "a-secret": {}}, **parts,
        )  # fmt: skip
        heard = Listener()
        ended = await run_workflow(wanted, heard, RunOptions(max_backoff=0.0, keep=(str(self.pods.room),)))
        return ended, heard

    def read(self, key: str) -> bytes:
        """An object of the bucket."""
        keys = {"aws_access_key_id": self.store.access_key, "aws_secret_access_key": self.store.secret_key}
        client = boto3.client("s3", endpoint_url=self.store.endpoint, region_name=self.store.region, **keys)
        data: bytes = client.get_object(Bucket="bucket", Key=key)["Body"].read()
        return data

    async def succeed(self, script: Path, way: str, **request: Any) -> Listener:
        """Render and run to the end."""
        ended, heard = await self.run(await self.render(script, way), way, **request)
        assert (ended.phase, ended.message) == ("Succeeded", ""), "\n".join(heard.lines[-60:])
        return heard
