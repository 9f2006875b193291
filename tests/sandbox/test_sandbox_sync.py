"""GitOps: what becomes an executable, what is refused, and what stays when it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from callers import Caller, Remote, register, template

pytest_plugins = ["sandbox_fixtures"]
pytestmark = pytest.mark.asyncio(loop_scope="session")


async def status(call: Caller, application: str = "app-one") -> Any:
    return (await call("GET", f"/admin/applications/{application}/status")).body


def entries(state: Any) -> dict[str, tuple[str, str]]:
    return {e["name"]: (e["status"], e["message"]) for e in state["syncResourcesStatus"]}


async def executables(call: Caller) -> dict[str, Any]:
    found = (await call("GET", "/lm/scenarios/lab-scenario/executables")).body["resources"]
    return {e["id"]: e for e in found}


async def test_a_commit_becomes_an_executable_and_its_status_names_the_commit(
    call: Caller, remote: Remote
) -> None:
    arguments = {"parameters": [{"name": "alpha", "default": "0.1", "description": "rate"}, {"name": "must"}]}
    slots = [
        {
            "name": "main",
            "inputs": {"artifacts": [{"name": "cases", "path": "/in"}]},
            "outputs": {"artifacts": [{"name": "model", "globalName": "model", "path": "/out"}]},
            "container": {"image": "x", "command": ["true"]},
        },
        {"name": "late", "inputs": {"artifacts": [{"name": "cases", "path": "/in", "from": "{{x}}"}]}},
    ]
    document = template("alpha-train", "2.0-abc", arguments=arguments, templates=slots)
    document["metadata"]["annotations"]["artifacts.ai.sap.com/cases.kind"] = "dataset"
    head = remote.commit(
        {"templates/wt-alpha.json": json.dumps(document), "templates/deep/x.yaml": "{", "x.txt": "{"}
    )
    assert (await call("POST", "/admin/applications/app-one/refresh")).status == 202
    synced = await call.until("/admin/applications/app-one/status", lambda s: s["source"]["revision"] == head)
    assert synced["syncStatus"] == "Synced"
    assert synced["message"] == "successfully synced (all tasks run)"
    assert entries(synced) == {
        "alpha-train": ("Synced", "workflowtemplate.argoproj.io/alpha-train configured")
    }
    found = (await executables(call))["alpha-train"]
    assert found["versionId"] == "2.0-abc"
    assert found["parameters"] == [
        {"name": "alpha", "description": "rate", "default": "0.1", "type": "string"},
        {"name": "must", "type": "string"},
    ]
    assert found["inputArtifacts"] == [{"name": "cases", "kind": "dataset"}]
    assert found["outputArtifacts"] == [{"name": "model", "kind": "model"}]
    assert not found["deployable"]


async def test_a_file_that_does_not_parse_blocks_the_application_and_leaves_what_was(
    call: Caller, remote: Remote
) -> None:
    new = template("alpha-train", "9.9")
    head = remote.commit({"templates/wt-alpha.json": json.dumps(new), "templates/bad.yaml": "a: [1"})
    await call.sync()
    state = await status(call)
    assert state["message"].startswith('Failed to unmarshal "bad.yaml"')
    assert state["syncStatus"] == "Unknown"
    assert state["source"]["revision"] == head
    assert (await executables(call))["alpha-train"]["versionId"] == "1.0"


async def test_a_secret_blocks_the_application(call: Caller, remote: Remote) -> None:
    remote.commit({"templates/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"})
    await call.sync()
    assert "Secret" in (await status(call))["message"]
    assert "alpha-train" in await executables(call)


async def test_bad_documents_fail_alone(call: Caller, remote: Remote) -> None:
    unlabelled = template("no-version")
    del unlabelled["metadata"]["labels"]["ai.sap.com/version"]
    number = template("number-version")
    number["metadata"]["labels"]["ai.sap.com/version"] = 1.0
    wrong = template("wrong-group") | {"apiVersion": "ai.sap.com/v1alpha1"}
    cron = template("cron-kind") | {"kind": "CronWorkflow"}
    prompt = {"apiVersion": "ai.sap.com/v1alpha1", "kind": "Service", "metadata": {"name": "ignored"}}
    documents = [unlabelled, number, wrong, cron, template("Bad_Name"), prompt, template("fine-too")]
    remote.commit({
        "templates/many.yaml": yaml.safe_dump_all(documents),
        "templates/a.prompttemplate.ai.sap.yaml": "name: p",
    })  # fmt: skip
    await call.sync()
    state = await status(call)
    verdicts = {name: verdict for name, (verdict, _) in entries(state).items()}
    assert verdicts == {
        "alpha-train": "Synced", "fine-too": "Synced", "no-version": "SyncFailed", "number-version": "SyncFailed",
        "wrong-group": "SyncFailed", "cron-kind": "SyncFailed", "Bad_Name": "SyncFailed",
    }  # fmt: skip
    assert "ai.sap.com/version" in entries(state)["no-version"][1]
    assert state["syncStatus"] == "OutOfSync"
    assert set(await executables(call)) == {"alpha-train", "fine-too"}


async def test_names_are_unique_in_the_tenant(call: Caller, remote: Remote) -> None:
    twin = json.dumps(template("twin-a"))
    taken = json.dumps(template("alpha-train", "7"))
    remote.commit({"second/x.json": taken, "second/y.json": twin, "second/z.json": twin})
    await register(call, remote, "app-two", "second")
    found = entries(await status(call, "app-two"))
    assert found["alpha-train"][0] == found["twin-a"][0] == "SyncFailed"
    assert "app-one" in found["alpha-train"][1]
    assert (await executables(call))["alpha-train"]["versionId"] == "1.0"


async def test_two_applications_on_one_source_fail_both(call: Caller, remote: Remote) -> None:
    source = {"repositoryUrl": remote.url + "/", "revision": "main", "path": "/templates/"}
    assert (await call("POST", "/admin/applications", source | {"applicationName": "twin"})).status == 200
    await call.sync()
    assert "same repository" in (await status(call, "twin"))["message"]
    assert "same repository" in (await status(call))["message"]


async def test_what_is_removed_is_pruned_and_what_cannot_be_found_is_named(
    call: Caller, remote: Remote
) -> None:
    remote.commit({"templates/wt-alpha.json": None, "templates/keep.json": json.dumps(template("kept-one"))})
    await call.sync()
    assert set(await executables(call)) == {"kept-one"}
    for change, words in (
        ({"revision": "gone"}, "Unable to resolve 'gone' to a commit SHA"),
        ({"path": "nowhere"}, "nowhere: app path does not exist"),
        (
            {"repositoryUrl": "https://example.com/x"},
            "application repo https://example.com/x is not permitted",
        ),
    ):
        body = {"repositoryUrl": remote.url, "revision": "main", "path": "templates"} | change
        assert (await call("PATCH", "/admin/applications/app-one", body)).status == 200
        await call.sync()
        assert words in (await status(call))["message"]
    assert set(await executables(call)) == {"kept-one"}


async def test_the_clock_syncs_every_three_minutes_and_the_quota_holds(call: Caller, remote: Remote) -> None:
    await call.sandbox.faults(quota=2)
    remote.commit({f"templates/n{i}.json": json.dumps(template(f"more-{i}")) for i in range(2)})
    await call.sandbox.clock(advance=181)
    state = await call.until(
        "/admin/applications/app-one/status", lambda s: len(s["syncResourcesStatus"]) == 3
    )
    assert "quota exceeded" in entries(state)["more-1"][1]
    assert len(await executables(call)) == 2


async def test_an_ordered_failure_of_one_file_fails_its_resource(call: Caller, remote: Remote) -> None:
    await call.sandbox.faults(syncFail={"wt-alpha.json": "admission webhook denied the request"})
    await call.sync()
    assert entries(await status(call))["alpha-train"] == (
        "SyncFailed",
        "admission webhook denied the request",
    )
