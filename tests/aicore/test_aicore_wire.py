from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aicore_sync.aicore.values import ExecutionMetrics, Metric
from aicore_sync.aicore.wire import admin, lifecycle
from aicore_sync.aicore.wire.basics import (
    Unreadable,
    read_items,
    read_labels,
    read_time,
    write_instant,
    write_time,
)
from aicore_sync.core.world import Quota

AT = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T08:00:00Z", AT),
        ("2026-01-31T08:00:00+00:00", AT),
        ("2026-01-31T09:00:00+01:00", AT),
        ("2026-01-31T08:00:00.25Z", AT + timedelta(milliseconds=250)),
        ("2026-01-31T08:00:00.123456789Z", AT + timedelta(microseconds=123456)),
        ("2026-01-31T08:00:00", AT),
        ("1970-01-01T00:00:00+00:00", None),
        ("Unknown", None),
        ("", None),
        (None, None),
        (17, None),
    ],
)
def test_times_in_all_spellings(text: object, time: datetime | None) -> None:
    assert read_time(text) == time


def test_schedule_times_have_no_fraction_and_are_never_earlier() -> None:
    berlin = timezone(timedelta(hours=1))
    assert write_time(datetime(2026, 1, 31, 9, 0, tzinfo=berlin)) == "2026-01-31T08:00:00Z"
    assert write_time(AT + timedelta(microseconds=1)) == "2026-01-31T08:00:01Z"
    assert write_instant(AT + timedelta(microseconds=1999)) == "2026-01-31T08:00:00.001Z"


@pytest.mark.parametrize("name", ["syncResourcesStatus", "syncRessourcesStatus", "syncResourceStatus"])
def test_status_is_read_under_all_its_names_and_unknown_is_nothing(name: str) -> None:
    status = admin.read_application_status(
        {
            "healthStatus": "Healthy",
            "syncStatus": "Unknown",
            "message": "Unknown",
            "source": {"repoURL": "u", "revision": "Unknown"},
            "syncFinishedAt": "Unknown",
            name: [{"name": "churn", "kind": "WorkflowTemplate", "status": "Synced", "new": 1}],
        }
    )
    assert (status.health, status.sync, status.message, status.revision) == ("Healthy", "", "", "")
    entry = status.resource("churn")
    assert entry is not None
    assert entry.status == "Synced"


def test_status_with_an_empty_list_beside_the_misspelt_full_one() -> None:
    body = {"syncResourcesStatus": [], "syncRessourcesStatus": [{"name": "churn", "status": "Synced"}]}
    assert admin.read_application_status(body).resource("churn") is not None


@pytest.mark.parametrize("labels", [[{"key": "a", "value": "1"}, {"bad": 1}, 7], {"a": 1}])
def test_labels_as_list_or_object(labels: Any) -> None:
    assert read_labels(labels) == {"a": "1"}


def test_execution_as_ai_core_sends_it() -> None:
    run = lifecycle.read_execution(
        {
            "id": "e1",
            "configurationId": "c1",
            "status": "completed",
            "targetStatus": "COMPLETED",
            "progress": {"new": "field"},
            "outputArtifacts": [{"id": "a1", "name": "model", "url": "ai://default/e1/model"}, {}],
            "submissionTime": "2026-01-31T08:00:00Z",
        }
    )
    assert (run.status, run.schedule, run.created_at) == ("COMPLETED", None, AT)
    assert [output.id for output in run.outputs] == ["a1"]
    assert lifecycle.read_execution({"id": "e1"}).status == "UNKNOWN"


def test_executable_keeps_parameters_without_default_apart() -> None:
    found = lifecycle.read_executable("churn")(
        {
            "id": "churn-train",
            "versionId": "1-abc",
            "parameters": [{"name": "alpha", "default": ""}, {"name": "beta"}],
            "inputArtifacts": [{"name": "data"}],
            "modifiedAt": "1970-01-01T00:00:00+00:00",
        }
    )
    assert (found.scenario, found.parameters) == ("churn", {"alpha": "", "beta": None})
    assert (found.inputs, found.deployable, found.modified_at) == (frozenset({"data"}), False, None)


@pytest.mark.parametrize(
    "body", [{}, {"count": 2}, {"count": 2, "resources": None}, {"resources": [1]}, "text", None]
)
def test_a_listing_that_is_none_is_no_empty_listing(body: object) -> None:
    with pytest.raises(Unreadable):
        read_items(body)


@pytest.mark.parametrize("body", [{"count": 0}, {"count": 0, "resources": None}, {"resources": []}, []])
def test_empty_listings(body: object) -> None:
    assert read_items(body) == []


def test_an_object_without_id_is_refused() -> None:
    with pytest.raises(Unreadable, match="'id'"):
        lifecycle.read_schedule({"name": "nightly"})


def test_metrics_leave_out_what_is_not_set() -> None:
    body = lifecycle.write_metrics(ExecutionMetrics("e1", (Metric("auc", 0.9, step=1),), {"owner": "ci"}))
    assert body == {
        "executionId": "e1",
        "metrics": [{"name": "auc", "value": 0.9, "step": 1}],
        "tags": [{"name": "owner", "value": "ci"}],
    }
    assert lifecycle.read_metrics(body) == ExecutionMetrics(
        "e1", (Metric("auc", 0.9, step=1),), {"owner": "ci"}
    )


def test_meta_of_the_docs_and_of_an_empty_answer() -> None:
    docs = {
        "runtimeIdentifier": "aicore",
        "aiApi": {
            "version": "2.17.0",
            "capabilities": {"bulkUpdates": {"executions": True}, "logs": {"executions": False}},
            "limits": {"executions": {"maxRunningCount": 5}, "minimumFrequencyHour": 2},
        },
    }
    meta = admin.read_meta(docs)
    assert (meta.bulk_executions, meta.logs, meta.max_running, meta.minimum_frequency_hours) == (
        True,
        False,
        5,
        2.0,
    )
    empty = admin.read_meta({"aiApi": {"limits": {"executions": {"maxRunningCount": -1}}}})
    assert (empty.bulk_executions, empty.schedules, empty.max_running) == (False, True, None)


def test_quotas_of_both_shapes_and_without_usage() -> None:
    limits = {"workflowTemplateMaxCount": 50, "servingTemplateMaxCount": 40}
    executables = admin.read_quota("executables")({"quota": limits, "usage": {"workflowTemplateCount": 7}})
    assert executables == (Quota("workflowTemplates", 7, 50), Quota("servingTemplates", 0, 40))
    assert admin.read_quota("repositories")({"quota": {"maxCount": 50}}) == (Quota("repositories", 0, 50),)


def test_secret_names_lose_the_suffix_that_ai_core_adds() -> None:
    secret = admin.read_secret(
        {"name": "default-object-store-secret", "metadata": {"storage.ai.sap.com/bucket": "b"}}
    )
    assert (secret.name, secret.metadata) == ("default", {"storage.ai.sap.com/bucket": "b"})
    wide = admin.read_secret(
        {"name": "s", "resourceGroupSecretReplicationStatus": {"rg1": True, "rg2": False}}
    )
    assert wide.replicated == {"rg1": True, "rg2": False}
