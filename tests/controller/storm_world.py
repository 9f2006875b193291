"""What storms have besides workflows that stand alone: outputs for another flow, deployments, people who review."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from controller_world import World
from controller_world import replace as save
from forges import TOKEN, TestForge
from storm_steps import MAKER, SERVER, TAKER

from aicore_sync.aicore import Group
from aicore_sync.core.world import Configuration

OUTPUT = {"name": "features", "globalName": "features", "path": "/tmp/f", "archive": {"none": {}}}
KIND = {"artifacts.ai.sap.com/features.kind": "dataset"}


def shape(path: Path, flow: str, text: str) -> None:
    """Have the written template make the output, take it, or be deployed, as its flow does."""
    document = yaml.safe_load(path.read_text())
    spec, annotations = document["spec"], document["metadata"]["annotations"]
    if flow == MAKER:
        spec["templates"][0]["outputs"] = {"artifacts": [OUTPUT]}
        annotations |= KIND
    elif flow == TAKER:
        spec["templates"][0]["inputs"] = {"artifacts": [{"name": "features", "path": "/tmp/f"}]}
        spec["arguments"] = {"artifacts": [{"name": "features"}]}
        annotations |= KIND
    elif flow == SERVER:
        document |= {"apiVersion": "ai.sap.com/v1alpha1", "kind": "ServingTemplate"}
        pod = {"apiVersion": "serving.kserve.io/v1beta1", "spec": text}
        document["spec"] = {"inputs": {"parameters": [{"name": "size", "type": "string"}]}, "template": pod}
    save(path, yaml.safe_dump(document, sort_keys=False))


def publishing(forge: TestForge | None, room: Path) -> dict[str, Any]:
    """The `publish` part of the repository."""
    if forge is None:
        return {}
    (room / "token").write_text(TOKEN)
    token = {"file": "token"}
    return {"publish": {"mode": "pullRequest", "forge": forge.kind, "apiUrl": forge.url, "token": token}}


def review(forge: TestForge | None, decision: str) -> None:
    """Somebody merges or closes the open request, where there is one. One with a conflict stays."""
    if forge is None or not forge.open_ones():
        return
    if decision == "close":
        forge.close()
        return
    (ticket,) = forge.open_ones()
    if forge.head(ticket.source):
        with suppress(AssertionError):  # a conflict
            forge.merge()


def give_back(w: World) -> None:
    """Whoever took the place of a template of ours leaves it."""
    for flow in (MAKER, "beta", "gamma", TAKER, SERVER):
        text = w.file(flow)
        if text and "aicore-sync/owner" not in text:
            w.commit({f"templates/wt-{flow}.yaml": None})


async def deploy(group: Group, deployments: list[dict[str, Any]], what: str) -> set[str]:
    """Somebody stops a deployment of ours, or starts one of a configuration of their own; ids of what is theirs."""
    if what == "stop-deployment":
        ours = [
            d for d in deployments if d["configurationName"].startswith("team.") and d["status"] == "RUNNING"
        ]
        for one in ours:
            await group.deployments.stop(one["id"])
        return set()
    theirs = await group.configurations.create(Configuration("", "theirs", SERVER, "tests", {"size": "9"}))
    return {theirs, await group.deployments.create(theirs)}


def check_deployments(deployments: list[dict[str, Any]], foreign: set[str]) -> None:
    """One of ours for a configuration at most; those of others go on."""
    there = [d for d in deployments if d.get("targetStatus", "RUNNING") == "RUNNING"]
    names = [d["configurationName"].rpartition(".")[0] for d in there if d["id"] not in foreign]
    assert len(names) == len(set(names)), f"more than one deployment: {there}"
    touched = [d for d in deployments if d["id"] in foreign and d not in there]
    assert not touched, f"stopped or deleted, of others: {touched}"
