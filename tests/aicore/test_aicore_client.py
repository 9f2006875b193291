from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import structlog
from wires import API, Clock, connected, routes

from aicore_sync.aicore import (
    AICore,
    ArtifactFilter,
    ConfigurationFilter,
    Conflict,
    ExecutionMetrics,
    Forbidden,
    GitCredentials,
    NotFound,
    ObjectStoreSecret,
    PreconditionFailed,
)
from aicore_sync.core.errors import Stalled, SyncError, Transient
from aicore_sync.core.world import Application, Configuration, Repository, Schedule

EXECUTIONS = f"{API}/lm/executions"
META = f"{API}/lm/meta"


def sent(call: Any) -> Any:
    return json.loads(call.request.content)


# --- what the classes of errors mean ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected", "reason", "words"),
    [
        (400, {"error": {"code": "01", "message": "no", "requestId": "r1"}}, Stalled, "Rejected", "request id r1"),
        (400, {"error": {"message": "m", "request_id": "r2", "details": {"a": 1}}}, Stalled, "Rejected", "r2"),
        (400, {"error": {"message": "m", "details": [{"code": None, "message": "why"}]}}, Stalled, "Rejected", "[why]"),
        (413, {"request_id": "r3", "message": "too many rows"}, Stalled, "Rejected", "too many rows (request id r3)"),
        (400, {"error": {"code": "9", "message": "Quota of 50 exceeded"}}, Stalled, "QuotaExceeded", "higher quota"),
        (403, "RBAC: access denied", Forbidden, "Forbidden", 'resource group "dev"'),
        (404, {"error": {"code": "404", "message": "no such thing"}}, NotFound, "NotFound", "no such thing"),
        (400, {"error": {"message": "Application already exists"}}, Conflict, "Conflict", "already exists"),
        (409, {"error": {"code": "409", "message": "exists"}}, Conflict, "Conflict", "exists"),
        (412, {"error": {"code": "412", "message": "stop it first"}}, PreconditionFailed, "PreconditionFailed", "stop"),
        (302, "", Stalled, "Redirected", "AI_API_URL"),
        (429, "slow down", Transient, "RateLimited", "slow down"),
        (500, {"status": 500, "error": "Internal Server Error", "path": "/x"}, Transient, "ServerError", "Internal"),
        (504, "upstream request timeout", Transient, "ServerError", "upstream request timeout"),
        (502, "<html><style>x{}</style><h1>Bad  Gateway</h1></html>", Transient, "ServerError", ": Bad Gateway"),
        (500, "", Transient, "ServerError", "no message"),
    ],
)  # fmt: skip
async def test_every_refusal_has_its_class_and_ai_cores_words(
    status: int, body: Any, expected: type[SyncError], reason: str, words: str
) -> None:
    router = routes()
    content = body if isinstance(body, str) else json.dumps(body)
    route = router.post(EXECUTIONS).respond(status, text=content)
    async with connected(router) as client:
        with pytest.raises(SyncError) as caught:
            await client.group("dev").executions.create("c1")
    assert type(caught.value) is expected
    assert caught.value.reason == reason
    assert words in caught.value.message
    assert caught.value.message.startswith(
        f"AI Core answered {status} to POST /lm/executions in resource group dev"
    )
    assert route.call_count == 1
    assert getattr(caught.value, "ambiguous", False) is (status >= 500)


async def test_the_request_id_may_be_in_a_header() -> None:
    router = routes()
    router.post(EXECUTIONS).respond(400, text="no", headers={"X-Request-Id": "abc"})
    async with connected(router) as client:
        with pytest.raises(Stalled, match="request id abc"):
            await client.group("dev").executions.create("c1")


@pytest.mark.parametrize(
    ("failure", "ambiguous"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.PoolTimeout("busy"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.WriteError("broken pipe"), True),
        (httpx.RemoteProtocolError("closed without an answer"), True),
    ],
)
async def test_a_write_is_sent_once_and_says_whether_it_may_have_landed(
    failure: Exception, ambiguous: bool
) -> None:
    router = routes()
    route = router.post(EXECUTIONS).mock(side_effect=failure)
    async with connected(router) as client:
        with pytest.raises(Transient) as caught:
            await client.group("dev").executions.create("c1")
    assert (route.call_count, caught.value.ambiguous) == (1, ambiguous)


@pytest.mark.parametrize("answer", ["<html>login</html>", "{}", ""])
async def test_a_write_with_an_unreadable_answer_may_have_landed(answer: str) -> None:
    router = routes()
    router.post(EXECUTIONS).respond(202, text=answer)
    async with connected(router) as client:
        with pytest.raises(Transient) as caught:
            await client.group("dev").executions.create("c1")
    assert (caught.value.ambiguous, caught.value.reason) == (True, "BadAnswer")


async def test_an_answer_that_never_ends_is_cut_off() -> None:
    router = routes()

    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    router.post(EXECUTIONS).mock(side_effect=never)
    async with connected(router, attempt=0.05) as client:
        with pytest.raises(Transient) as caught:
            await client.group("dev").executions.create("c1")
    assert caught.value.ambiguous


# --- retries, hook, log ----------------------------------------------------------------------------


async def test_reads_are_retried_and_every_attempt_is_measured() -> None:
    router, seen = routes(), []
    router.get(META).mock(
        side_effect=[
            httpx.Response(503, json={"error": {"requestId": "r-1"}}),
            httpx.ReadError("reset"),
            httpx.Response(200, text="<html>"),
            httpx.Response(200, json={}),
        ]
    )  # fmt: skip
    with structlog.testing.capture_logs() as logs:
        async with connected(router, on_request=lambda *args: seen.append(args)) as client:
            await client.meta()
    assert [args[:3] for args in seen] == [
        ("GET", "/lm/meta", 503), ("GET", "/lm/meta", "error"), ("GET", "/lm/meta", 200), ("GET", "/lm/meta", 200),
    ]  # fmt: skip
    assert [(entry["event"], entry["status"], entry["request_id"]) for entry in logs] == [
        ("aicore_request_failed", 503, "r-1"),
        ("aicore_request_failed", "error", ""),
        ("aicore_request_failed", 200, ""),
    ]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "Sat, 31 Jan 2026 08:00:30 GMT", "Date": "Sat, 31 Jan 2026 08:00:00 GMT"}, 30.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
async def test_retry_after_beyond_the_deadline_is_handed_up(
    headers: dict[str, str], wait: float | None
) -> None:
    router, clock = routes(), Clock()
    route = router.get(META).respond(429, headers=headers)
    async with connected(router, clock=clock, deadline=0.0005) as client:
        with pytest.raises(Transient) as caught:
            await client.meta()
    assert (caught.value.retry_after, route.call_count) == (wait, 1)


async def test_what_a_person_must_mend_is_not_retried() -> None:
    router = routes()
    route = router.get(META).respond(403, text="RBAC: access denied")
    async with connected(router) as client:
        with pytest.raises(Forbidden, match="right tenant"):
            await client.meta()
    assert route.call_count == 1


# --- verbs: what goes over the wire ----------------------------------------------------------------


async def test_headers_and_quoting() -> None:
    router = routes()
    router.get(url__regex=r".*/lm/executions/.*").respond(json={"id": "e1"})
    async with connected(router) as client:
        await client.group("dev").executions.get("../../x y?")
    request = router.calls.last.request
    assert request.url.raw_path == b"/v2/lm/executions/..%2F..%2Fx%20y%3F"
    assert request.headers["ai-resource-group"] == "dev"
    assert request.headers["ai-client-type"] == "aicore-sync"
    assert request.headers["user-agent"].startswith("aicore-sync/")


async def test_secrets_of_a_write_are_masked_when_ai_core_echoes_them() -> None:
    router = routes()
    router.post(f"{API}/admin/repositories").respond(400, text="bad password 'hunter2-token'")
    async with connected(router) as client:
        with pytest.raises(Stalled) as caught:
            await client.repositories.create(
                Repository("r", "https://git.test/r.git"), GitCredentials("u", "hunter2-token")
            )
    assert "bad password '***'" in caught.value.message


@pytest.mark.parametrize("answer", ['{"message": "stored"}', ""])
async def test_a_repository_answer_needs_no_id(answer: str) -> None:
    router = routes()
    route = router.post(f"{API}/admin/repositories").respond(200, text=answer)
    async with connected(router) as client:
        await client.repositories.create(Repository("", "https://git.test/r.git"), GitCredentials("u", "p"))
    assert sent(route.calls.last) == {"url": "https://git.test/r.git", "username": "u", "password": "p"}


async def test_applications_restate_all_three_parts() -> None:
    router = routes()
    route = router.patch(f"{API}/admin/applications/churn").respond(200, json={})
    async with connected(router) as client:
        await client.applications.patch(Application("churn", "https://git.test/r.git", "main", "flows"))
    assert sent(route.calls.last) == {
        "repositoryUrl": "https://git.test/r.git",
        "revision": "main",
        "path": "flows",
    }


async def test_configurations_are_sent_sorted_and_by_id() -> None:
    router = routes()
    route = router.post(f"{API}/lm/configurations").respond(201, json={"id": "c1", "message": "created"})
    wanted = Configuration(
        "", "ci.churn.daily.abc", "churn-train", "churn", {"b": "2", "a": "1"}, {"data": "a1"}
    )
    async with connected(router) as client:
        assert await client.group("dev").configurations.create(wanted) == "c1"
    assert sent(route.calls.last)["parameterBindings"] == [
        {"key": "a", "value": "1"},
        {"key": "b", "value": "2"},
    ]
    assert sent(route.calls.last)["inputArtifactBindings"] == [{"key": "data", "artifactId": "a1"}]


async def test_schedules_send_times_without_fractions_and_patch_only_what_changes() -> None:
    router = routes()
    post = router.post(f"{API}/lm/executionSchedules").respond(202, json={"id": "s1"})
    patch = router.patch(f"{API}/lm/executionSchedules/s1").respond(202, json={"id": "s1"})
    start = datetime(2026, 1, 31, 8, 0, 0, 5, tzinfo=UTC)
    async with connected(router) as client:
        schedules = client.group("dev").schedules
        assert await schedules.create(Schedule("", "ci.churn.daily", "0 3 * * *", "c1", start=start)) == "s1"
        await schedules.patch("s1", {"configuration": "c2", "status": "INACTIVE"})
    assert sent(post.calls.last) == {
        "name": "ci.churn.daily",
        "cron": "0 3 * * *",
        "configurationId": "c1",
        "start": "2026-01-31T08:00:01Z",
    }
    assert sent(patch.calls.last) == {"configurationId": "c2", "status": "INACTIVE"}


async def test_bulk_changes_report_every_item() -> None:
    router = routes()
    ids = [f"run-{number}" for number in range(150)]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"] == "application/merge-patch+json"
        asked = [item["id"] for item in json.loads(request.content)["executions"]]
        if len(asked) == 100:
            return httpx.Response(504, text="upstream request timeout")
        refused = {"id": asked[0], "error": {"code": "412", "message": "still running"}}
        return httpx.Response(
            202, json={"executions": [refused, *({"id": i, "message": "ok"} for i in asked[2:])]}
        )

    router.patch(EXECUTIONS).mock(side_effect=answer)
    async with connected(router) as client:
        changed = await client.group("dev").executions.change_many(ids, "STOPPED")
    assert [item.id for item in changed] == ids
    assert all(isinstance(item.error, Transient) and item.error.ambiguous for item in changed[:100])
    assert isinstance(changed[100].error, PreconditionFailed)
    assert "still running" in changed[100].error.message
    assert isinstance(changed[101].error, Transient)  # AI Core kept silent about this one
    assert all(item.error is None for item in changed[102:])


async def test_metrics_are_asked_for_ten_executions_at_a_time() -> None:
    router = routes()
    route = router.get(f"{API}/lm/metrics").mock(
        side_effect=lambda r: httpx.Response(
            200, json={"count": 1, "resources": [{"executionId": r.url.params["executionIds"].split(",")[0]}]}
        )
    )
    patch = router.patch(f"{API}/lm/metrics").respond(204)
    async with connected(router) as client:
        metrics = client.group("dev").metrics
        found = await metrics.get([f"run-{number:02}" for number in range(12)])
        await metrics.patch(ExecutionMetrics("run-00", tags={"owner": "ci"}))
        assert await metrics.get([]) == ()
    assert [item.execution for item in found] == ["run-00", "run-10"]
    assert route.call_count == 2
    assert patch.calls.last.request.headers["content-type"] == "application/merge-patch+json"


async def test_quotas_leave_out_what_the_key_may_not_see() -> None:
    router = routes()
    router.get(f"{API}/admin/resourceQuota/secrets", headers={"AI-Tenant-Scope": "true"}).respond(
        403, text="RBAC"
    )
    router.get(url__regex=r".*/resourceQuota/executables").respond(
        json={"quota": {"workflowTemplateMaxCount": 50}}
    )
    router.get(url__regex=r".*/resourceQuota/.*").respond(
        json={"quota": {"maxCount": 5}, "usage": {"count": 2}}
    )
    async with connected(router) as client:
        found = await client.quotas()
    assert [(quota.name, quota.used, quota.limit) for quota in found] == [
        ("workflowTemplates", 0, 50), ("applications", 2, 5), ("repositories", 2, 5), ("resourceGroups", 2, 5),
        ("dockerRegistrySecrets", 2, 5),
    ]  # fmt: skip


async def test_object_store_secrets_are_restated_in_full_and_never_shown() -> None:
    router = routes()
    route = router.patch(f"{API}/admin/objectStoreSecrets/default").respond(202, json={})
    secret = ObjectStoreSecret(
        "default", {"AWS_SECRET_ACCESS_KEY": "k"}, bucket="b", endpoint="s3.test", use_https=False
    )
    async with connected(router) as client:
        await client.secrets.patch_object_store("dev", secret)
    assert sent(route.calls.last) == {
        "name": "default", "type": "S3", "bucket": "b", "endpoint": "s3.test", "usehttps": "0", "verifyssl": "1",
        "data": {"AWS_SECRET_ACCESS_KEY": "k"},
    }  # fmt: skip
    assert "AWS_SECRET" not in repr(secret)


# --- listings --------------------------------------------------------------------------------------


def served(ids: list[str], cap: int = 100_000) -> Any:
    """A list endpoint over `ids` that gives at most `cap` items whatever is asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        skip, top = int(request.url.params.get("$skip", 0)), int(request.url.params["$top"])
        page = ids[skip : skip + min(top, cap)]
        return httpx.Response(200, json={"count": len(page), "resources": [{"id": i} for i in page]})

    return answer


async def listed(client: AICore) -> list[str]:
    return [run.id for run in await client.group("dev").executions.list()]


async def test_a_short_single_page_needs_no_count() -> None:
    router = routes()
    route = router.get(EXECUTIONS).mock(side_effect=served(["a", "b"]))
    async with connected(router, page=10) as client:
        assert await listed(client) == ["a", "b"]
    assert route.call_count == 1


@pytest.mark.parametrize(("top", "cap"), [(10, 100_000), (10_000, 100)])
async def test_pages_are_joined_also_when_the_server_caps_them(top: int, cap: int) -> None:
    router = routes()
    ids = [f"run-{number}" for number in range(250)]
    router.get(f"{EXECUTIONS}/$count").respond(text="250")
    router.get(EXECUTIONS).mock(side_effect=served(ids, cap))
    async with connected(router, page=top) as client:
        assert await listed(client) == ids


async def test_a_listing_shorter_than_the_count_is_never_returned() -> None:
    router = routes()
    router.get(f"{EXECUTIONS}/$count").respond(text="4")
    router.get(EXECUTIONS).mock(
        side_effect=served(["a", "b", "b"])
    )  # an unstable order gave b twice and c never
    async with connected(router, page=2) as client:
        with pytest.raises(Transient, match="listed 2 of 4") as caught:
            await listed(client)
    assert caught.value.reason == "ListIncomplete"


async def test_a_listing_disturbed_by_a_deletion_is_read_again() -> None:
    router = routes()
    router.get(f"{EXECUTIONS}/$count").mock(side_effect=[httpx.Response(200, text=n) for n in "33333333"])
    lists = iter([["a", "b"], ["b"], ["a", "b"], ["c"]])
    router.get(EXECUTIONS).mock(
        side_effect=lambda _: served(next(lists))(httpx.Request("GET", f"{EXECUTIONS}?$top=9"))
    )
    async with connected(router, page=2) as client:
        assert await listed(client) == ["a", "b", "c"]


@pytest.mark.parametrize("route", ["/lm/executions", "/admin/applications"])
async def test_a_server_that_ignores_skip_does_not_keep_us_forever(route: str) -> None:
    router = routes()
    page = [{"id": name, "applicationName": name} for name in ("a", "b")]
    router.get(f"{API}{route}/$count").respond(text="5")
    total = 5 if route == "/lm/executions" else 2
    router.get(f"{API}{route}").respond(json={"count": 2, "resources": page})
    async with connected(router, page=2) as client:
        if total == 2:
            assert len(await client.applications.list()) == 2
        else:
            with pytest.raises(Transient, match="listed 2 of 5"):
                await listed(client)


async def test_admin_listings_use_their_own_total() -> None:
    router = routes()
    names = [f"app-{number}" for number in range(5)]

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["$count"] == "true"
        skip, top = int(request.url.params.get("$skip", 0)), int(request.url.params["$top"])
        page = [{"applicationName": name} for name in names[skip : skip + top]]
        return httpx.Response(200, json={"count": 5, "resources": page})

    router.get(f"{API}/admin/applications").mock(side_effect=answer)
    async with connected(router, page=2) as client:
        assert [app.name for app in await client.applications.list()] == names


async def test_executables_of_a_scenario_that_is_not_there_yet() -> None:
    router = routes()
    router.get(f"{API}/lm/scenarios/churn/executables").respond(
        404, json={"error": {"code": "404", "message": "no"}}
    )
    async with connected(router) as client:
        assert await client.group("dev").scenarios.executables("churn") == ()


async def test_artifacts_are_selected_by_label_and_compared_again() -> None:
    router = routes()
    ours = {"ext.ai.sap.com/aicore-sync.owner": "ci", "ext.ai.sap.com/note": "two words"}
    labels = [{"key": key, "value": value} for key, value in ours.items()]
    route = router.get(f"{API}/lm/artifacts").respond(
        json={"count": 2, "resources": [{"id": "a1", "labels": labels}, {"id": "a2", "labels": labels[:1]}]}
    )
    async with connected(router) as client:
        found = await client.group("dev").artifacts.list(ArtifactFilter(labels=ours))
    assert [artifact.id for artifact in found] == ["a1"]
    selector = route.calls.last.request.url.params["artifactLabelSelector"]
    assert selector == "ext.ai.sap.com/aicore-sync.owner=ci"


async def test_many_executables_are_listed_in_portions_that_fit_a_url() -> None:
    router = routes()
    route = router.get(f"{API}/lm/configurations").respond(json={"count": 1, "resources": [{"id": "c1"}]})
    names = tuple(f"executable-{number:03}" for number in range(100))
    async with connected(router) as client:
        found = await client.group("dev").configurations.list(ConfigurationFilter("ci.", names, "churn"))
    assert [configuration.id for configuration in found] == ["c1"]
    asked = [call.request.url.params["executableIds"].split(",") for call in route.calls]
    assert [name for portion in asked for name in portion] == list(names)
    assert all(len(str(call.request.url)) < 8000 for call in route.calls)
