"""Retention: which ended executions go. AI Core keeps all of them for ever, and Metaflow has no word for it either.

Of every configuration the newest stay, the young stay, the newest COMPLETED run stays (for each output that it made),
and so does everything that runs. Runs of a current `run: onChange` configuration stay, because they are the proof that
this content has run; so do those of its older versions as long as a missing run would be started again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from aicore_sync.core.actions import DeleteExecutions, Plan
from aicore_sync.core.desired import Retention, SeenFlow, WantConfiguration, WantFlow
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan.origin import age_order, ended, of_configuration, origin
from aicore_sync.core.world import Execution

_NO_ARCHIVE = Hold(
    Stage.EXECUTE,
    "LogArchiveMissing",
    "retention.logs is `directory` and the service's configuration names none, so no execution is deleted: set "
    "reconcile.logArchive to a directory that outlives the service, or say `logs: objectStore`",
    mark=Mark.FAIL,
)
AT_ONCE = 100  # what AI Core takes in one request


def plan_retention(want: WantFlow, seen: SeenFlow, current: Mapping[str, str], now: datetime) -> Plan:
    """Deletions of all configurations; `current` maps their manifest names to the ids they have now."""
    plan = Plan()
    for configuration in (*want.configurations, *dropped(want, seen)):
        rule = configuration.retention or want.policy.retention
        wanted = configuration in want.configurations
        unknown = wanted and configuration.run == "onChange" and configuration.name not in current
        if (rule.keep is None and rule.younger_than is None) or unknown:
            continue
        if rule.logs == "directory" and not want.policy.log_directory:
            plan += Plan(holds=(replace(_NO_ARCHIVE, subject=configuration.name),))
            continue
        protected = _proofs(configuration, current.get(configuration.name), want, seen, now)
        runs = [
            e
            for e in of_configuration(configuration.name, want, seen)
            if ended(e) and (rule.foreign or origin(e, want, seen) == "ours")
        ]
        old = surplus(runs, rule, now)
        ids = tuple(
            e.id for e in old if e.configuration not in protected and not _just_written(e, want, seen, now)
        )
        if ids:
            name, portion = configuration.name, ids[:AT_ONCE]
            action = DeleteExecutions(want.key, name, want.executable, portion, rule.foreign, rule.logs)
            plan += Plan((action,))
    return plan


def dropped(want: WantFlow, seen: SeenFlow) -> tuple[WantConfiguration, ...]:
    """Configurations that the manifest names no more: the general rule holds for their runs."""
    wanted = {configuration.name for configuration in want.configurations}
    names = {c.name.split(".")[2] for c in seen.configurations if c.name.count(".") == 3}
    return tuple(WantConfiguration(name, run="onChange") for name in sorted(names - wanted))


def surplus(runs: Iterable[Execution], rule: Retention, now: datetime) -> tuple[Execution, ...]:
    """Of ended runs those that a rule lets go, oldest first."""
    newest_first = sorted(runs, key=age_order, reverse=True)
    kept = {e.id for e in newest_first[: rule.keep or 0]}
    kept |= {e.id for e in newest_first if _young(e, rule, now)}
    kept |= _newest_completed(newest_first)
    return tuple(e for e in reversed(newest_first) if e.id not in kept)


def _young(execution: Execution, rule: Retention, now: datetime) -> bool:
    end = execution.completed_at or execution.created_at
    if end is None:
        return True
    return rule.younger_than is not None and now - end < timedelta(seconds=rule.younger_than)


def _newest_completed(newest_first: Iterable[Execution]) -> set[str]:
    """The newest COMPLETED run, and the newest that made each output: other flows may take it as their input."""
    newest: dict[str, str] = {}
    for execution in newest_first:
        if execution.status == "COMPLETED":
            for name in ("", *(output.name for output in execution.outputs)):
                newest.setdefault(name, execution.id)
    return set(newest.values())


def _proofs(
    configuration: WantConfiguration, current: str | None, want: WantFlow, seen: SeenFlow, now: datetime
) -> frozenset[str]:
    """Ids of onChange configurations whose runs prove that their content has run."""
    if configuration.run != "onChange":
        return frozenset()
    within = timedelta(seconds=want.policy.start_within)
    startable = {c.id for c in seen.configurations if c.created_at is None or now - c.created_at <= within}
    return frozenset(startable | {current} - {None})  # type: ignore[operator]


def _just_written(execution: Execution, want: WantFlow, seen: SeenFlow, now: datetime) -> bool:
    """True as long as lists may not show yet that it is marked for deletion."""
    written = seen.recent.get(execution.id)
    return written is not None and now - written < timedelta(seconds=want.policy.settle)
