"""Rollouts as OpenTelemetry traces: one trace per source commit, from the push to healthy.

Ids are made from what a rollout is about, so that spans of different keys, passes and replicas meet in one trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import FlowKey, Key, Status
from aicore_sync.telemetry.rollouts import Rollouts, Span


class Traces(Protocol):
    """Takes statuses, with the push that one has just proven live; where spans go is its own matter, nobody waits."""

    def changed(self, status: Status, pushed: datetime | None) -> None: ...
    def forget(self, key: Key) -> None: ...
    def close(self) -> None: ...


class NoTraces:
    """Nobody asked for traces."""

    def changed(self, status: Status, pushed: datetime | None) -> None: ...

    def forget(self, key: Key) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class TraceOptions:
    """`endpoint` is the whole URL of the collector's OTLP receiver over HTTP, `.../v1/traces`."""

    endpoint: str
    owner: str
    version: str
    headers: Mapping[str, str]


def open_traces(options: TraceOptions) -> Traces:
    """Traces to a collector. Raises Stalled when the extra is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        cure = "pip install 'aicore-sync[tracing]', or take `tracing` out of the configuration"
        raise Stalled(f"traces need the extra `tracing`: {cure}", reason="TracingMissing") from None
    exporter = OTLPSpanExporter(endpoint=options.endpoint, headers=dict(options.headers), timeout=10)
    return OpenTelemetryTraces(BatchSpanProcessor(exporter), options)


class OpenTelemetryTraces:
    """Hands ended spans to an OpenTelemetry span processor, which sends them from a thread of its own."""

    def __init__(self, processor: Any, options: TraceOptions) -> None:
        from opentelemetry.sdk.resources import Resource

        self._processor = processor
        self._rollouts = Rollouts()
        self._owner = options.owner
        self._resource = Resource.create(
            {
                "service.name": "aicore-sync",
                "service.version": options.version,
                "service.namespace": options.owner,
            }
        )

    def changed(self, status: Status, pushed: datetime | None) -> None:
        for span in self._rollouts.spans(status, pushed):
            self._processor.on_end(self._readable(span))

    def forget(self, key: Key) -> None:
        self._rollouts.forget(key)

    def close(self) -> None:
        """Send what still waits, for a few seconds at most."""
        self._processor.shutdown()

    def _readable(self, span: Span) -> Any:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Status as SpanStatus
        from opentelemetry.trace import StatusCode

        whole = self._context(span.rollout, str(span.key))
        # A template's stages serve several flows, so they stand beside the flows' rollouts and not below one.
        below = span.stage is not None and isinstance(span.key, FlowKey)
        return ReadableSpan(
            name=span.name,
            context=self._context(span.rollout, f"{span.key} {span.stage}") if span.stage else whole,
            parent=whole if below else None,
            resource=self._resource,
            attributes=dict(span.attributes),
            start_time=_nanoseconds(span.start),
            end_time=_nanoseconds(span.end),
            status=SpanStatus(StatusCode.OK),
        )

    def _context(self, rollout: str, part: str) -> Any:
        from opentelemetry.trace import SpanContext, TraceFlags

        trace = int.from_bytes(sha256(f"{self._owner}\n{rollout}".encode()).digest()[:16])
        identity = int.from_bytes(sha256(f"{self._owner}\n{rollout}\n{part}".encode()).digest()[:8])
        return SpanContext(trace, identity, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e9)
