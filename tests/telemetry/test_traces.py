"""Statuses become spans, and spans reach a collector over OTLP."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from aicore_sync.core.model import Condition, FlowKey, Health, Key, Mark, Stage, Status, TemplateKey
from aicore_sync.telemetry import TraceOptions, open_traces
from aicore_sync.telemetry.rollouts import Rollouts, Span, trace_name

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TEMPLATE = TemplateKey("acme", "train")
FLOW = FlowKey("train", "dev")


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def status(key: Key, second: float, version: str, **waits: str) -> Status:
    """A status in which the named stages wait."""
    conditions = [
        Condition(stage, Mark.WAIT if stage.value in waits else Mark.OK, waits.get(stage.value, "Well"))
        for stage in (Stage.PUBLISH, Stage.SYNC, Stage.CONFIGURE, Stage.SCHEDULE, Stage.EXECUTE)
    ]
    facts = {"version": version, "source": f"source-of-{version}", "template": "train", "tenant": "acme"}
    health = Health.PROGRESSING if waits else Health.HEALTHY
    return Status(key, health, "", tuple(conditions), facts, updated=at(second))


ROLLOUT = (
    status(TEMPLATE, 0, "1-a"),
    status(FLOW, 0, "1-a"),
    status(TEMPLATE, 10, "1-a", publish="PublishPending"),
    status(TEMPLATE, 12, "1-b", sync="SyncPending"),
    status(FLOW, 13, "1-a", configure="PublishPending"),
    status(TEMPLATE, 20, "1-b"),
    status(FLOW, 21, "1-b", execute="Running"),
    status(FLOW, 50, "1-b"),
    status(FLOW, 60, "1-b"),
)


def spans(*way: Status) -> list[Span]:
    rollouts = Rollouts()
    return [span for one in way for span in rollouts.spans(one)]


def test_a_rollout_is_timed_by_its_stages() -> None:
    found = {(str(s.key), s.name): (s.start, s.end) for s in spans(*ROLLOUT)}
    assert found == {
        ("train@acme", "publish"): (at(10), at(12)),
        ("train@acme", "sync"): (at(12), at(20)),
        ("train/dev", "configure"): (at(13), at(21)),
        ("train/dev", "execute"): (at(21), at(50)),
        ("train/dev", "rollout"): (at(10), at(50)),  # from the change, not from the flow's own first wait
    }
    assert {span.rollout for span in spans(*ROLLOUT)} == {"source-of-1-b"}


def test_a_start_of_the_service_and_a_passing_trouble_are_no_rollouts() -> None:
    assert spans(status(FLOW, 0, "1-a"), status(FLOW, 5, "1-a")) == []
    assert (
        spans(status(FLOW, 0, "1-a"), status(FLOW, 5, "1-a", schedule="Retry"), status(FLOW, 9, "1-a")) == []
    )


def test_a_service_that_starts_in_the_middle_tells_the_rest() -> None:
    way = (status(FLOW, 0, "1-a", execute="Running"), status(FLOW, 9, "1-b"))
    assert [span.name for span in spans(*way)] == ["execute", "rollout"]


def test_a_push_begins_a_rollout_and_what_was_seen_of_it_is_a_stage() -> None:
    rollouts = Rollouts()
    found = [s for one in ROLLOUT for s in rollouts.spans(one, at(4) if one.updated == at(20) else None)]
    ways = {(str(s.key), s.name): (s.start, s.end) for s in found}
    assert ways["train@acme", "desire"] == (at(4), at(10))
    assert ways["train/dev", "rollout"] == (at(4), at(50))


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        ((f"a/flow.py@{'4f' * 20}", f"b/flow.py@{'4f' * 20}"), {"4f" * 20}),
        (
            ("a/flow.py@0123456789ab", "b/flow.py@0123456789ab"),
            {"a/flow.py@0123456789ab", "b/flow.py@0123456789ab"},
        ),
        (("",), {"train@1-b"}),
    ],
)
def test_one_commit_is_one_trace_whatever_it_touches(sources: tuple[str, ...], names: set[str]) -> None:
    made = [status(TEMPLATE, 0, "1-b") for _ in sources]
    given = [replace(one, facts={**one.facts, "source": s}) for one, s in zip(made, sources, strict=True)]
    assert set(map(trace_name, given)) == names


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest], list[str]]]:
    """A receiver of OTLP over HTTP on a free port."""
    received: list[ExportTraceServiceRequest] = []
    logins: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            received.append(ExportTraceServiceRequest.FromString(body))
            logins.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", received, logins
    finally:
        server.shutdown()
        server.server_close()


def test_a_collector_gets_one_trace_for_a_rollout() -> None:
    with collector() as (endpoint, received, logins):
        traces = open_traces(TraceOptions(endpoint, "team", "1.0", {"Authorization": "Bearer word"}))
        for one in ROLLOUT:
            traces.changed(one, None)
        traces.close()
    (resource,) = [r for request in received for r in request.resource_spans]
    got = [span for scope in resource.scope_spans for span in scope.spans]
    assert {span.name for span in got} == {"publish", "sync", "configure", "execute", "rollout"}
    assert len({span.trace_id for span in got}) == 1
    assert len({span.span_id for span in got}) == len(got)
    whole = next(span for span in got if span.name == "rollout")
    below = {span.name for span in got if span.parent_span_id == whole.span_id}
    assert below == {"configure", "execute"}
    assert (whole.end_time_unix_nano - whole.start_time_unix_nano) == 40 * 10**9
    assert {a.key: a.value.string_value for a in whole.attributes}["aicore_sync.version"] == "1-b"
    assert logins == ["Bearer word"]
