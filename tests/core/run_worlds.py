"""A flow with one configuration and runs of it, as plain values: what plans about runs are asked with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aicore_sync.core.desired import RunPolicy, SeenFlow, WantConfiguration, WantFlow
from aicore_sync.core.model import FlowKey
from aicore_sync.core.plan import configuration_hash, configuration_name
from aicore_sync.core.template import PublishedTemplate
from aicore_sync.core.world import Configuration, Execution, Schedule

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = FlowKey("churn", "dev")
SCHEDULE = Schedule("s-1", "team.churn.main", "0 2 * * *", "c-new", created_at=NOW - timedelta(days=400))


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


def live(run_digest: str = "new") -> PublishedTemplate:
    return PublishedTemplate("churn", "scene", owner="team", flow="churn", run_digest=run_digest)


def configuration(identity: str, run_digest: str, age: timedelta, run: str = "onChange") -> Configuration:
    """The version of configuration `main` that template content `run_digest` gives."""
    key = f"{run_digest}\n" if run == "onChange" else ""
    digest = configuration_hash("scene", "churn", {}, {}, key)
    name = configuration_name("team", "churn", "main", digest)
    return Configuration(identity, name, "churn", "scene", created_at=NOW - age)


def run(identity: str, status: str = "COMPLETED", **fields: Any) -> Execution:
    """A run of the current configuration that began an hour ago and ended (if it did) at once."""
    begun = fields.pop("at", ago(hours=1))
    end = begun if status in {"COMPLETED", "DEAD", "STOPPED"} else None
    bare = Execution(identity, "c-new", "churn", "scene", status, created_at=begun, completed_at=end)
    return replace(bare, **fields)


def want(policy: RunPolicy | None = None, **fields: Any) -> WantFlow:
    main = WantConfiguration("main", **({"run": "onChange"} | fields))
    policy = policy or RunPolicy(settle=0, max_runs_per_day=1000)
    return WantFlow(KEY, "team", "churn", "scene", configurations=(main,), policy=policy)


def seen(*runs: Execution, **fields: Any) -> SeenFlow:
    """Everything is live and configured an hour ago; runs are ours unless `owners` says otherwise."""
    known = (
        configuration("c-new", "new", timedelta(hours=1)),
        configuration("c-old", "old", timedelta(days=9)),
    )
    owners = {e.id: "team" for e in runs if not e.schedule} | fields.pop("owners", {})
    return SeenFlow(
        **({"live": live(), "configurations": known, "executions": runs, "owners": owners} | fields)
    )
