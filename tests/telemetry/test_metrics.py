from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from aicore_sync.core.model import Condition, FlowKey, Health, Mark, Stage, Status, TemplateKey
from aicore_sync.telemetry import Metrics, Tally

KEY = FlowKey("train", "dev")


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric by their label values, in the alphabetical order of the label names."""
    families = text_string_to_metric_families(metrics.expose().decode())
    return {
        tuple(s.labels.values()): s.value for family in families for s in family.samples if s.name == name
    }


def status(mark: Mark, *, key: FlowKey | TemplateKey = KEY) -> Status:
    return Status(key, Health.HEALTHY, "", (Condition(Stage.SCHEDULE, mark, "Scheduled"),))


def test_every_bounded_series_starts_at_zero() -> None:
    metrics = Metrics()
    assert series(metrics, "aicore_sync_sync_total") == {
        (r,): 0 for r in ("done", "wait", "retry", "stalled")
    }
    assert series(metrics, "aicore_sync_git_requests_total")["push", "ok"] == 0
    assert len(series(metrics, "aicore_sync_reconcile_duration_seconds_count")) == 24


def test_numbers_arrive_under_their_names() -> None:
    metrics = Metrics()
    metrics.passed(Stage.SYNC, "wait", 0.2)
    metrics.aicore_request("GET", "/lm/schedules/{id}", 200, 0.1)
    metrics.git_request("push", "PushRejected", 0.5)
    metrics.push_to_live(7)
    metrics.queue_depth(4)
    metrics.leader("main", True)
    metrics.leader("other", False)
    assert series(metrics, "aicore_sync_reconcile_duration_seconds_sum")["wait", "sync"] == 0.2
    assert series(metrics, "aicore_sync_sync_total")["wait",] == 1
    assert series(metrics, "aicore_sync_aicore_requests_total") == {("200", "GET", "/lm/schedules/{id}"): 1}
    assert series(metrics, "aicore_sync_git_requests_total")["push", "PushRejected"] == 1
    assert series(metrics, "aicore_sync_push_to_live_seconds_count") == {(): 1}
    assert series(metrics, "aicore_sync_queue_depth") == {(): 4}
    assert series(metrics, "aicore_sync_leader") == {("main",): 1, ("other",): 0}


def test_condition_series_follow_the_status_and_go_with_the_key() -> None:
    metrics = Metrics()
    template = {("", "train", "schedule", "fail", "team"): 1}
    metrics.show(status(Mark.FAIL, key=TemplateKey("team", "train")))
    metrics.show(status(Mark.OK))
    assert series(metrics, "aicore_sync_condition") == template, "that a stage is ok needs no series"
    metrics.show(status(Mark.FAIL))
    metrics.show(status(Mark.WAIT))
    assert series(metrics, "aicore_sync_condition") == {
        ("dev", "train", "schedule", "wait", ""): 1,
        **template,
    }
    metrics.forget(KEY)
    assert series(metrics, "aicore_sync_condition") == template
    metrics.forget(KEY)


def test_two_objects_share_nothing() -> None:
    one, two = Metrics(), Metrics()
    one.rendered("failed")
    assert series(two, "aicore_sync_renders_total")["failed",] == 0


def test_what_was_listed_last_is_counted_at_each_scrape() -> None:
    metrics = Metrics()
    now = Tally({("dev", "DEAD"): 2, ("dev", "COMPLETED"): 7}, {("acme", "workflowTemplates"): 3})
    metrics.count(lambda: now)
    assert series(metrics, "aicore_sync_executions") == {("dev", "COMPLETED"): 7, ("dev", "DEAD"): 2}
    assert series(metrics, "aicore_sync_quota_remaining") == {("workflowTemplates", "acme"): 3}
    now = Tally({}, {})
    assert series(metrics, "aicore_sync_executions") == {}
