"""Deployments of a ServingTemplate through the real service: started once, followed, stopped with their flow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from controller_world import World, replace, template, world
from githosts import git

from aicore_sync.core.world import Configuration

NOTE = "aicore-sync/team:deployed/default/serve/main.json"


def serve(w: World, size: str = "1", pod: str = "predictor: {}\n", **deployment: Any) -> None:
    """A serving template `serve` beside a workflow that makes its scenario visible."""
    w.write("train")
    document = yaml.safe_load(template("serve"))
    document |= {"apiVersion": "ai.sap.com/v1alpha1", "kind": "ServingTemplate"}
    document["spec"] = {
        "inputs": {"parameters": [{"name": "size", "type": "string"}]},
        "template": {"apiVersion": "serving.kserve.io/v1beta1", "spec": pod},
    }
    text = yaml.safe_dump(document, sort_keys=False)
    directory = w.source / "serve"
    directory.mkdir(exist_ok=True)
    manifest = {
        "template": "template.yaml",
        "version": "1",
        "scenario": {"id": "tests", "name": "Tests"},
        "executable": {"id": "serve", "name": "serve"},
        "environments": ["default"],
        "configurations": [{"name": "main", "parameters": {"size": size}, "deployment": deployment}],
    }
    replace(directory / "template.yaml", text)
    replace(directory / "aicore.yaml", yaml.safe_dump(manifest))


async def deployments(w: World) -> list[dict[str, Any]]:
    """Those that are not marked for deletion."""
    found = (await w.group()).state.get("deployments", {}).values()
    return [d for d in found if d.get("targetStatus") != "DELETED"]


@pytest.mark.slow
async def test_a_deployment_starts_follows_its_content_stops_and_goes_with_its_flow(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        serve(w, ttl="2h")
        async with w.service():
            await w.healthy("serve")
            (one,) = await deployments(w)
            assert one["configurationId"] in git(w.remote, "show", NOTE), "when it began is kept"
            assert one["configurationName"].startswith("team.serve.main.")
            rows = [o for s in w.rows() for o in s.objects if o.kind == "deployment"]
            assert [(o.id, o.state, o.detail) for o in rows] == [(one["id"], "RUNNING", one["deploymentUrl"])]

            serve(w, size="2", pod="predictor: {minReplicas: 1}\n", ttl="2h")

            async def followed() -> bool:
                now = await deployments(w)
                return [d["id"] for d in now] == [one["id"]] and now[0].get("lastOperation") == "UPDATE"

            await w.seen(followed, "the deployment follows under its own address")
            await w.healthy("serve")
            await w.quiet()
            assert await followed()
            assert len((await w.group()).configurations) == 3

            serve(w, size="2", pod="predictor: {minReplicas: 1}\n", suspend=True)

            async def stopped() -> bool:
                return [d["status"] for d in await deployments(w)] == ["STOPPED"]

            await w.seen(stopped, "suspend stops it")
            serve(w, size="2", pod="predictor: {minReplicas: 1}\n", suspend=False)

            async def again() -> bool:
                now = await deployments(w)
                return [d["status"] for d in now] == ["RUNNING"] and now[0]["id"] != one["id"]

            await w.seen(again, "a new one runs")
            for file in ("template.yaml", "aicore.yaml"):
                w.path("serve", file).unlink()

            async def gone() -> bool:
                return not await deployments(w) and w.file("serve") is None

            await w.seen(gone, "deployment first, then the template")
            assert "deployed" not in git(w.remote, "ls-tree", "aicore-sync/team")


@pytest.mark.slow
async def test_dead_is_said_and_what_others_deploy_is_left_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        serve(w)
        await w.sandbox.executor(outcome="DEAD", message="no GPU", match={"executableId": "serve"})
        async with w.service():
            await w.until(lambda: "DeploymentDead" in w.reasons("serve"), "it is DEAD")
            assert "no GPU" in str(w.status("serve") and w.status("serve"))
            await w.quiet()
            assert len(await deployments(w)) == 1, "what dies at once is not started again and again"
            await w.sandbox.executor(outcome="COMPLETED", match={"executableId": "serve"})
            async with w.somebody() as person:
                group = person.group("default")
                by_hand = Configuration("", "by hand", "serve", "tests", {"size": "9"})
                other = await group.deployments.create(await group.configurations.create(by_hand))
            serve(w, size="2")
            await w.healthy("serve")
            for file in ("template.yaml", "aicore.yaml"):
                w.path("serve", file).unlink()

            async def left() -> bool:
                return [(d["id"], d["status"]) for d in await deployments(w)] == [(other, "RUNNING")]

            await w.seen(left, "only the foreign one is left")
            await w.quiet()
            assert await left()
            assert w.file("serve") is not None, "the file stays while somebody serves it"
