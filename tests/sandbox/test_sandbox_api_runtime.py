"""The /lm families: what they accept, what they refuse, and what happens by itself."""

from __future__ import annotations

from typing import Any

import pytest
from callers import Caller

pytest_plugins = ["sandbox_fixtures"]
pytestmark = pytest.mark.asyncio(loop_scope="session")
LABEL = "ext.ai.sap.com/aicore-sync.owner"


async def configure(call: Caller, name: str = "conf-one", **bindings: Any) -> str:
    body = {"name": name, "executableId": "alpha-train", "scenarioId": "lab-scenario"} | bindings
    answer = await call("POST", "/lm/configurations", body)
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


async def run(call: Caller, configuration: str) -> str:
    answer = await call("POST", "/lm/executions", {"configurationId": configuration})
    assert (answer.status, answer.body["status"]) == (202, "UNKNOWN")
    return str(answer.body["id"])


async def state(call: Caller, execution: str, wanted: str) -> Any:
    return await call.until(f"/lm/executions/{execution}", lambda e: e["status"] == wanted)


async def test_artifacts_are_found_by_labels_name_and_text(call: Caller) -> None:
    body = {"name": "cases", "kind": "dataset", "url": "ai://default/cases", "scenarioId": "lab-scenario"}
    first = await call("POST", "/lm/artifacts", body | {"labels": [{"key": LABEL, "value": "team,a"}]})
    second = await call("POST", "/lm/artifacts", body | {"description": "Second"})
    assert first.status == second.status == 201
    assert first.body["id"] != second.body["id"], "names are not unique"
    assert first.headers["location"].endswith(first.body["id"])

    async def found(**params: Any) -> set[str]:
        listed = await call("GET", "/lm/artifacts", params=params)
        counted = await call("GET", "/lm/artifacts/$count", params=params)
        assert int(counted.body) == listed.body["count"]
        return {artifact["id"] for artifact in listed.body["resources"]}

    both = {first.body["id"], second.body["id"]}
    assert await found() == both
    assert await found(artifactLabelSelector=f"{LABEL}=team{{comma}}a") == {first.body["id"]}
    assert await found(artifactLabelSelector=f"{LABEL}!=team{{comma}}a") == {second.body["id"]}
    assert await found(**{"$search": "second"}) == set()
    assert await found(**{"$search": "second", "searchCaseInsensitive": "true"}) == {second.body["id"]}
    assert await found(kind="model") == set()
    one = (await call("GET", "/lm/artifacts", params={"$top": 1, "$skip": 1, "$expand": "scenario"})).body
    assert one["count"] == 1
    assert one["resources"][0]["scenario"]["name"] == "Lab"


async def test_bad_bodies_are_400_in_the_shape_of_the_api(call: Caller) -> None:
    artifact = {"name": "a", "kind": "model", "url": "x://y", "scenarioId": "lab-scenario"}
    unknown = {"name": "c", "executableId": "nope-none", "scenarioId": "lab-scenario"}
    not_found = (
        "Could not create configuration, because executable nope-none for scenario lab-scenario is not found"
    )
    for path, body, word in (
        ("/lm/artifacts", artifact | {"kind": "table"}, "kind"),
        ("/lm/artifacts", artifact | {"name": "§"}, "name"),
        ("/lm/artifacts", artifact | {"url": "nowhere"}, "url"),
        ("/lm/configurations", unknown, not_found),
        ("/lm/executions", {"configurationId": "nope-none"}, "nope-none"),
        (
            "/lm/executionSchedules",
            {"name": "s", "cron": "0 3 * * *", "configurationId": "nope-none"},
            "nope-none",
        ),
    ):
        answer = await call("POST", path, body)
        assert answer.status == 400
        assert word in answer.body["error"]["message"]
        assert {"code", "message", "requestId"} <= set(answer.body["error"])


async def test_the_gateway_speaks_plain_text_and_a_missing_group_header_is_400(call: Caller) -> None:
    assert (await call("GET", "/lm/executions", group=None)).status == 400
    answer = await call("GET", "/lm/executions", group="nowhere")
    assert (answer.status, answer.body) == (403, "RBAC: access denied")
    answer = await call("GET", "/lm/executions", headers={"Authorization": "Bearer x"})
    assert (answer.status, answer.body) == (401, "Jwt issuer is not configured")


async def test_an_execution_runs_to_its_outcome_with_metrics_and_outputs(call: Caller) -> None:
    rule = {
        "outcome": "COMPLETED",
        "metrics": {"loss": 0.25},
        "outputs": ["model"],
        "match": {"configurationName": "^good"},
    }
    await call.sandbox.executor(**rule)
    done = await state(call, await run(call, await configure(call, "good-one")), "COMPLETED")
    assert [a["url"] for a in done["outputArtifacts"]] == [f"ai://default/{done['id']}/model"]
    listed = (await call("GET", "/lm/artifacts", params={"executionId": done["id"]})).body["resources"]
    assert [a["id"] for a in listed] == [a["id"] for a in done["outputArtifacts"]]
    measured = (await call("GET", "/lm/metrics", params={"executionIds": done["id"]})).body["resources"]
    assert [(m["name"], m["value"]) for m in measured[0]["metrics"]] == [("loss", 0.25)]
    assert {"submissionTime", "startTime", "completionTime"} <= set(done)

    await call.sandbox.executor(outcome="DEAD", message="out of memory", match={"configurationName": "^bad"})
    dead = await state(call, await run(call, await configure(call, "bad-one")), "DEAD")
    assert dead["statusMessage"] == "out of memory"


async def test_stop_and_delete_hold_their_preconditions(call: Caller) -> None:
    await call.sandbox.executor(outcome="RUNNING", match={"configurationName": "^long"})
    held = await run(call, await configure(call, "long-one"))
    await state(call, held, "RUNNING")
    assert (await call("DELETE", f"/lm/executions/{held}")).status == 412
    assert (await call("PATCH", f"/lm/executions/{held}", {"targetStatus": "STOPPED"})).status == 202
    await state(call, held, "STOPPED")
    assert (await call("PATCH", f"/lm/executions/{held}", {"targetStatus": "STOPPED"})).status == 412
    bulk = {
        "executions": [{"id": held, "targetStatus": "DELETED"}, {"id": "0" * 16, "targetStatus": "STOPPED"}]
    }
    assert (await call("PATCH", "/lm/executions", bulk)).status == 400, "not declared as a merge patch"
    items = (await call("PATCH", "/lm/executions", bulk, merge=True)).body["executions"]
    assert set(items[0]) == {"id", "message"}
    assert set(items[1]) == {"id", "error"}
    lingering = (await call("GET", f"/lm/executions/{held}")).body
    assert lingering["targetStatus"] == "DELETED"
    await call.sandbox.clock(advance=5)
    assert (await call("GET", f"/lm/executions/{held}")).status == 404


async def test_a_schedule_is_refused_for_its_cron(call: Caller) -> None:
    body = {"name": "s", "configurationId": await configure(call)}
    for cron in ("*/30 * * * *", "0,30 3 * * *", "@daily", "0 0 * * * *", "0 3 * * FRI", "61 * * * *", ""):
        assert (await call("POST", "/lm/executionSchedules", body | {"cron": cron})).status == 400, cron
    assert (await call("GET", "/lm/executionSchedules/$count")).body == "0"


async def test_a_schedule_fires_while_it_is_active(call: Caller) -> None:
    now = await call.sandbox.clock(to="2031-01-01T00:30:00Z")
    assert now.startswith("2031-01-01T00:30:00")
    call.token = (await call.sandbox.admin.post("/oauth/token", data=_form(call))).json()["access_token"]
    first, second = await configure(call, "first"), await configure(call, "second")
    body = {"name": "nightly", "cron": "0 * * * *", "configurationId": first, "end": "2031-01-01T06:30:00Z"}
    schedule = (await call("POST", "/lm/executionSchedules", body)).body["id"]
    path = f"/lm/executionSchedules/{schedule}"

    async def runs() -> list[str]:
        listed = (await call("GET", "/lm/executions", params={"executionScheduleId": schedule})).body[
            "resources"
        ]
        return sorted(f"{e['createdAt']} {e['configurationName']}" for e in listed)

    await call.sandbox.clock(to="2031-01-01T02:10:00Z")
    assert await runs() == ["2031-01-01T01:00:00Z first", "2031-01-01T02:00:00Z first"]
    assert (await call("PATCH", path, {"status": "INACTIVE"})).status == 202
    await call.sandbox.clock(to="2031-01-01T04:30:00Z")
    assert (await call("PATCH", path, {"status": "ACTIVE", "configurationId": second})).status == 202
    await call.sandbox.clock(to="2031-01-01T09:00:00Z")
    assert (await runs())[2:] == ["2031-01-01T05:00:00Z second", "2031-01-01T06:00:00Z second"]
    assert (await call("GET", path)).body["status"] == "INACTIVE", "its end has passed"
    assert (await call("PATCH", path, {"status": "ACTIVE"})).status == 400
    assert (await call("PATCH", path, {"end": "2031-01-02T00:00:00.5Z"})).status == 400
    assert (await call("DELETE", path)).status == 202
    assert len(await runs()) == 4, "deleting a schedule leaves its executions"


def _form(call: Caller) -> dict[str, str]:
    key = call.sandbox.service_keys[call.tenant]
    return {
        "grant_type": "client_credentials",
        "client_id": key["clientid"],
        "client_secret": key["clientsecret"],
    }


async def test_tags_replace_their_namesakes_and_metrics_add_up(call: Caller) -> None:
    execution = await run(call, await configure(call))
    for value in ("a", "b"):
        body = {
            "executionId": execution,
            "tags": [{"name": "sha", "value": value}],
            "metrics": [{"name": "f1", "value": 1}],
        }
        assert (await call("PATCH", "/lm/metrics", body, merge=True)).status == 204
    held = (await call("GET", "/lm/metrics", params={"tagFilters": "sha=b"})).body["resources"][0]
    assert held["tags"] == [{"name": "sha", "value": "b"}]
    assert len(held["metrics"]) == 2
    assert (await call("GET", "/lm/metrics")).status == 400
    assert (await call("DELETE", "/lm/metrics", params={"executionId": execution})).status == 200
    assert (await call("DELETE", "/lm/metrics", params={"executionId": execution})).status == 404


async def test_secrets_go_in_and_never_come_out(call: Caller) -> None:
    store = {"name": "data", "type": "S3", "bucket": "b", "endpoint": "s3.example.com", "region": "eu",
             "data": {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hush-hush"}}  # fmt: skip
    assert (await call("POST", "/admin/objectStoreSecrets", store)).status == 202
    generic = {"name": "gen", "data": {"token": "aHVzaC1odXNo"}}
    assert (await call("POST", "/admin/secrets", generic)).status == 200
    assert (await call("POST", "/admin/secrets", generic | {"name": "bad", "data": {"t": "!"}})).status == 400
    docker = {"name": "reg", "data": {".dockerconfigjson": '{"auths": {"x": {"password": "hush-hush"}}}'}}
    assert (await call("POST", "/admin/dockerRegistrySecrets", docker)).status == 202
    shown = [
        (await call("GET", path)).body
        for path in ("/admin/objectStoreSecrets", "/admin/objectStoreSecrets/data-object-store-secret",
                     "/admin/secrets", "/admin/dockerRegistrySecrets/reg")
    ]  # fmt: skip
    assert shown[1]["metadata"]["storage.ai.sap.com/bucket"] == "b"
    text = str(shown) + str(await call.sandbox.dump())
    assert "hush-hush" not in text
    assert "aHVzaC1odXNo" not in text
    assert call.sandbox.service_keys[call.tenant]["clientsecret"] not in text


async def test_tenants_are_strangers(call: Caller) -> None:
    await call.sandbox.tenant("stranger")
    key = call.sandbox.service_keys["stranger"]
    form = {"grant_type": "client_credentials", "client_id": key["clientid"], "client_secret": "wrong"}
    refused = await call.http.post("/oauth/token", data=form)
    assert (refused.status_code, refused.text) == (401, "Bad credentials")
    granted = await call.http.post("/oauth/token", data=form | {"client_secret": key["clientsecret"]})
    assert granted.json()["expires_in"] > 0
    headers = {"Authorization": f"Bearer {granted.json()['access_token']}"}
    assert (await call("GET", "/lm/scenarios", headers=headers)).body["count"] == 0
    assert (await call("GET", "/lm/scenarios")).body["count"] == 1


async def test_a_resource_group_can_be_put_with_all_that_it_holds(call: Caller) -> None:
    at = {"createdAt": "2024-01-01T00:00:00Z"}
    old = {"id": "conf-1", "name": "old", "executableId": "train", "scenarioId": "lab-scenario", **at}
    fires = {
        "id": "sched-1",
        "name": "nightly",
        "cron": "0 2 * * *",
        "configurationId": "conf-1",
        "start": at["createdAt"],
    }
    held = {
        "configurations": {"conf-1": old},
        "schedules": {"sched-1": fires | at | {"modifiedAt": at["createdAt"]}},
    }
    await call.sandbox.post(f"tenants/{call.tenant}/groups", [{"resourceGroupId": "history", **at, **held}])
    listed = await call("GET", "/lm/configurations", group="history")
    assert [c["name"] for c in listed.body["resources"]] == ["old"]
    listed = await call("GET", "/lm/executionSchedules", group="history")
    assert [(s["name"], s["status"]) for s in listed.body["resources"]] == [("nightly", "ACTIVE")]
    assert (await call.sandbox.admin.post("/sandbox/tenants/nobody/groups", json=[])).status_code == 404
