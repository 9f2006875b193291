"""The metrics of the process, in a registry of their own; names follow what GitOps users expect.

Label values are bounded: stages, results, routes with placeholders. Series that name a flow go with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from aicore_sync.core.model import STAGES, FlowKey, Key, Mark, Stage, Status, TemplateKey, TenantKey

PASS_RESULTS = ("done", "wait", "retry", "stalled")
GIT_OPERATIONS = ("fetch", "ls-remote", "push")
RENDER_RESULTS = ("rendered", "failed")
WATCH_EVENTS = (
    "started", "burst", "rescan", "overflow", "root_replaced", "root_missing", "observer_died", "fell_back",
)  # fmt: skip
SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
LIVE_SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True)
class Tally:
    """What was last listed: `executions` by (environment, status), `quota_left` by (tenant, name of the quota)."""

    executions: Mapping[tuple[str, str], int]
    quota_left: Mapping[tuple[str, str], int]


class _Tallies(Collector):
    """Counts a scrape at a time, so that what is gone leaves no series behind."""

    def __init__(self, tally: Callable[[], Tally]) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        now = self._tally()
        for name, words, labels, counts in (
            (
                "aicore_sync_executions",
                "Executions as last listed, by status.",
                ["environment", "status"],
                now.executions,
            ),
            (
                "aicore_sync_quota_remaining",
                "What AI Core still admits, by quota.",
                ["tenant", "quota"],
                now.quota_left,
            ),
        ):
            family = GaugeMetricFamily(name, words, labels=labels)
            for values, count in sorted(counts.items()):
                family.add_metric(values, count)
            yield family


class Metrics:
    """Every number that the process shows at /metrics. Durations are seconds. One per process, passed on."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=r)
        self._reconcile = Histogram(
            "aicore_sync_reconcile_duration_seconds",
            "Time of one pass over a key, by the stage that it reached and its verdict.",
            ["stage", "result"], registry=r, buckets=SECONDS,
        )  # fmt: skip
        self._syncs = Counter("aicore_sync_sync_total", "Passes, by verdict.", ["result"], registry=r)
        self._queue = Gauge("aicore_sync_queue_depth", "Keys that wait for a pass now.", registry=r)
        self._condition = Gauge(
            "aicore_sync_condition",
            "1 for a stage that is not ok: wait, fail or off. Templates have a tenant, no environment.",
            ["flow", "environment", "tenant", "stage", "status"], registry=r,
        )  # fmt: skip
        self._git = Counter(
            "aicore_sync_git_requests_total", "Calls of a git remote.", ["operation", "result"], registry=r
        )
        self._git_time = Histogram(
            "aicore_sync_git_request_duration_seconds", "Time of a call of a git remote.",
            ["operation"], registry=r, buckets=SECONDS,
        )  # fmt: skip
        self._aicore = Counter(
            "aicore_sync_aicore_requests_total", "Requests to the AI-API.", ["method", "route", "code"], registry=r,
        )  # fmt: skip
        self._aicore_time = Histogram(
            "aicore_sync_aicore_request_duration_seconds", "Time of a request to the AI-API.",
            ["method", "route"], registry=r, buckets=SECONDS,
        )  # fmt: skip
        self._renders = Counter("aicore_sync_renders_total", "Renders of a flow.", ["result"], registry=r)
        self._watch = Counter(
            "aicore_sync_watch_events_total", "What the watcher saw.", ["event"], registry=r
        )
        self._leader = Gauge("aicore_sync_leader", "1 while it may write there.", ["repository"], registry=r)
        self._oldest = Gauge(
            "aicore_sync_oldest_unsynced_seconds",
            "Age of the oldest change that is not live yet.",
            registry=r,
        )
        self._live = Histogram(
            "aicore_sync_push_to_live_seconds", "From the push to the synced template.",
            registry=r, buckets=LIVE_SECONDS,
        )  # fmt: skip
        self._notes = Counter(
            "aicore_sync_notes_total", "Messages to people.", ["route", "result"], registry=r
        )
        self._shown: dict[Key, set[tuple[str, str]]] = {}
        self._zero()

    def _zero(self) -> None:
        """Rates need a first zero, and an alert on an absent series never fires."""
        for result in PASS_RESULTS:
            self._syncs.labels(result)
            for stage in (Stage.DESIRE, *STAGES):
                self._reconcile.labels(stage.value, result)
        for operation in GIT_OPERATIONS:
            self._git.labels(operation, "ok")
        for result in RENDER_RESULTS:
            self._renders.labels(result)
        for event in WATCH_EVENTS:
            self._watch.labels(event)

    def count(self, tally: Callable[[], Tally]) -> None:
        """Show what `tally` says at each scrape."""
        self.registry.register(_Tallies(tally))

    def passed(self, stage: Stage, result: str, seconds: float) -> None:
        """One pass is over: the furthest stage it worked on, its verdict (see PASS_RESULTS), its time."""
        self._reconcile.labels(stage.value, result).observe(seconds)
        self._syncs.labels(result).inc()

    def queue_depth(self, depth: int) -> None:
        self._queue.set(depth)

    def git_request(self, operation: str, result: str, seconds: float) -> None:
        """`operation` is the git command, `result` "ok" or the reason of the error."""
        self._git.labels(operation, result).inc()
        self._git_time.labels(operation).observe(seconds)

    def aicore_request(self, method: str, route: str, code: int | str, seconds: float) -> None:
        """`route` is the path with placeholders (`/lm/schedules/{id}`), `code` the status or "error"."""
        self._aicore.labels(method, route, str(code)).inc()
        self._aicore_time.labels(method, route).observe(seconds)

    def rendered(self, result: str) -> None:
        """`result` is rendered or failed."""
        self._renders.labels(result).inc()

    def watch_event(self, event: str) -> None:
        self._watch.labels(event).inc()

    def leader(self, repository: str, leads: bool) -> None:
        """`repository` is a name of the configuration; each is there from the start."""
        self._leader.labels(repository).set(int(leads))

    def oldest_unsynced(self, seconds: float) -> None:
        self._oldest.set(seconds)

    def push_to_live(self, seconds: float) -> None:
        self._live.observe(seconds)

    def note(self, route: str, result: str) -> None:
        """`route` is a name of the configuration, `result` ok, failed or dropped."""
        self._notes.labels(route, result).inc()

    def show(self, status: Status) -> None:
        """Sets the condition series of a key and drops those that it no longer has."""
        now = {(stage, mark) for stage, mark in _marks(status).items()}
        name = _labels(status.key)
        for stage, mark in self._shown.get(status.key, set()) - now:
            self._condition.remove(*name, stage, mark)
        for stage, mark in now:
            self._condition.labels(*name, stage, mark).set(1)
        self._shown[status.key] = now

    def forget(self, key: Key) -> None:
        """Drops the series of a key that is gone."""
        for stage, mark in self._shown.pop(key, set()):
            self._condition.remove(*_labels(key), stage, mark)

    def expose(self) -> bytes:
        """The text exposition format, UTF-8."""
        return generate_latest(self.registry)


def _labels(key: Key) -> tuple[str, str, str]:
    match key:
        case TemplateKey():
            return key.executable, "", key.tenant
        case FlowKey():
            return key.flow, key.environment, ""
        case TenantKey():
            return "", "", key.tenant


def _marks(status: Status) -> Mapping[str, str]:
    """Of stages that are not ok: a hundred thousand series that say that all is well would cost every scrape."""
    found = {stage: status.condition(stage) for stage in (Stage.DESIRE, *STAGES)}
    return {s.value: c.mark.value for s, c in found.items() if c and c.mark is not Mark.OK}
