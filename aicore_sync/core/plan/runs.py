"""Starting runs and what holds them, a second try after a failure, and what a person should know about the runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from aicore_sync.core.actions import Plan, StartExecution, StopExecution, TagExecution
from aicore_sync.core.desired import SeenFlow, WantConfiguration, WantFlow
from aicore_sync.core.model import FlowKey, Hold, Mark, Stage
from aicore_sync.core.plan.origin import age_order, of_configuration, origin
from aicore_sync.core.world import Configuration, Execution

DAY = timedelta(days=1)
LOOK_AGAIN = 15.0
STUCK_LOOK_AGAIN = 60.0


def start_gate(want: WantFlow, seen: SeenFlow, configuration: WantConfiguration, now: datetime) -> Plan:
    """What must be waited for or done before a run may start; empty when it may start now."""
    subject = configuration.name
    for block in (*want.blocked, *want.unfit):
        return Plan(holds=(Hold(Stage.EXECUTE, "RunHeld", f"waits: {block.message}", subject),))
    if want.template_holds:
        message = f"waits for the template: {want.template_holds[0].message}"
        return Plan(holds=(Hold(Stage.EXECUTE, "RunHeld", message, subject),))
    for until, message in (
        (want.quiet_until, "waits until the input has been quiet for a while"),
        (seen.settled_at, "waits after a start or take-over until lists are trustworthy"),
    ):
        if until and now < until:
            wait = (until - now).total_seconds()
            return Plan(holds=(Hold(Stage.EXECUTE, "RunHeld", message, subject, after=wait),))
    holds = _daily_limit(want, seen, configuration, now) or _budget(want, seen, subject)
    return Plan(holds=holds) if holds else make_way(want, seen, configuration, now)


def _daily_limit(
    want: WantFlow, seen: SeenFlow, configuration: WantConfiguration, now: datetime
) -> tuple[Hold, ...]:
    """Counts what is there, whoever started it: no restart begins anew. Schedules have a brake of their own, the hour
    between two ticks; counted here, an hourly one would keep new content away for ever.
    """
    started = (e for e in seen.executions if not e.schedule)
    today = sorted(e.created_at for e in started if e.created_at and now - e.created_at < DAY)
    limit = configuration.max_runs_per_day or want.policy.max_runs_per_day
    if len(today) < limit:
        return ()
    wait = (today[-limit] + DAY - now).total_seconds()
    message = (
        f"{len(today)} runs were started in 24 hours beside those of schedules, maxRunsPerDay is {limit}"
    )
    return (Hold(Stage.EXECUTE, "RunHeld", message, configuration.name, after=wait, mark=Mark.FAIL),)


def budget_fingerprint(keys: frozenset[FlowKey]) -> str:
    """Names exactly the set of flows whose starts a person confirms."""
    return hashlib.sha256("\n".join(sorted(map(str, keys))).encode()).hexdigest()[:12]


def _budget(want: WantFlow, seen: SeenFlow, subject: str) -> tuple[Hold, ...]:
    wanting = seen.budget.wanting | {want.key}
    fingerprint = budget_fingerprint(wanting)
    if len(wanting) <= seen.budget.limit or seen.budget.allowed:
        return ()
    message = (
        f"{len(wanting)} flows want to run at once, more than {seen.budget.limit}; "
        f"confirm with: aicore-sync apply --expect {fingerprint}"
    )
    return (
        Hold(Stage.EXECUTE, "RunHeld", message, subject, after=30, mark=Mark.FAIL, fingerprint=fingerprint),
    )


def make_way(want: WantFlow, seen: SeenFlow, configuration: WantConfiguration, now: datetime) -> Plan:
    """`concurrency`: what runs of this configuration, in any version, are in the way of a new one."""
    rule = configuration.concurrency or want.policy.concurrency
    active = [e for e in of_configuration(configuration.name, want, seen) if e.active]
    if rule == "allow" or not active:
        return Plan()
    stops: list[StopExecution] = []
    if rule == "replace":
        why = "concurrency is replace, and newer content waits"
        stops = [StopExecution(want.key, e.id, why) for e in active if _may_be_stopped(e, want, seen, now)]
    first = active[-1]
    whose = "of somebody else " if origin(first, want, seen) == "foreign" else ""
    message = f"concurrency is {rule}: waits for execution {first.id} {whose}({first.status})"
    if rule == "replace" and first.status == "UNKNOWN":
        message += "; AI Core cannot stop it in this state, delete it if it stays"
    hold = Hold(Stage.EXECUTE, "ConcurrencyHeld", message, configuration.name, after=LOOK_AGAIN)
    return Plan(tuple(stops), (hold,))


def _may_be_stopped(execution: Execution, want: WantFlow, seen: SeenFlow, now: datetime) -> bool:
    written = seen.recent.get(execution.id)
    just_sent = written is not None and now - written < timedelta(seconds=want.policy.settle)
    stoppable = execution.status in {"PENDING", "RUNNING"} and execution.target_status != "STOPPED"
    return stoppable and not just_sent and origin(execution, want, seen) == "ours"


def plan_runs(
    want: WantFlow, seen: SeenFlow, configuration: WantConfiguration, existing: Configuration, now: datetime
) -> Plan | None:
    """What the runs of a configuration ask for; None when there was none yet."""
    runs = sorted((e for e in seen.executions if e.configuration == existing.id), key=age_order)
    if not runs:
        return None
    live = [e for e in runs if e.target_status != "DELETED"]
    ours = [e for e in live if origin(e, want, seen) != "foreign"] or live
    if not ours:
        return Plan()  # deleted, but it has run: once for ever
    if configuration.run == "onChange":
        retry = _retry(want, configuration, live, ours[-1], now)
        if isinstance(retry, Plan):
            return retry
        if retry:
            return start_run(want, seen, configuration, existing, now)
    return watch_runs(want, seen, configuration.name, ours, now)


def _retry(
    want: WantFlow,
    configuration: WantConfiguration,
    runs: Sequence[Execution],
    last: Execution,
    now: datetime,
) -> Plan | bool:
    """True when the newest run is DEAD and the next try is due; a Plan while it is not due yet.

    Tries are counted by the executions that there are, whoever started them, so no restart begins anew.
    """
    rule = configuration.on_failure or want.policy.on_failure
    tries = [e for e in runs if not e.schedule]
    failed = sum(e.status == "DEAD" for e in tries)
    others = any(e.status != "DEAD" for e in tries)
    if last.status != "DEAD" or last.schedule or others or failed > rule.times:
        return False
    end = last.completed_at or last.created_at
    due = end + timedelta(seconds=rule.backoff * 2 ** (failed - 1)) if end else None
    if due is None or now - due > timedelta(seconds=want.policy.start_within):
        return False
    if now >= due:
        return True
    message = f"execution {last.id} is DEAD, try {failed} of {rule.times + 1}; the next is due at {due:%H:%M:%S} UTC"
    wait = (due - now).total_seconds()
    return Plan(holds=(Hold(Stage.EXECUTE, "RetryPending", message, configuration.name, after=wait),))


def tag_lost(want: WantFlow, seen: SeenFlow) -> Plan:
    """Runs that we started and that nobody can tell from runs of others: whoever stops or deletes asks for the tag."""
    lost = sorted(seen.untagged.items())
    return Plan(tuple(TagExecution(want.key, i, tuple(s.tags.items()), s.path) for i, s in lost))


def start_run(
    want: WantFlow, seen: SeenFlow, configuration: WantConfiguration, existing: Configuration, now: datetime
) -> Plan:
    """Start a run, or what holds it: lists that may not show the last start yet, an old configuration, the brakes."""
    written = seen.recent.get(existing.id)
    settle = timedelta(seconds=want.policy.settle)
    subject = configuration.name
    if written and now - written < settle:
        wait = (written + settle - now).total_seconds()
        message = "a start was sent; waits until lists would show it"
        return Plan(holds=(Hold(Stage.EXECUTE, "Settling", message, subject, after=wait),))
    known = tuple(e.id for e in seen.executions if e.configuration == existing.id)
    age = now - existing.created_at if existing.created_at else timedelta.max
    if not known and age > timedelta(seconds=want.policy.start_within):
        message = "this content was configured long ago and has no run in the lists; start it yourself if it never ran"
        return Plan(holds=(Hold(Stage.EXECUTE, "RunUnknown", message, subject, mark=Mark.FAIL),))
    gate = start_gate(want, seen, configuration, now)
    if gate != Plan():
        return gate
    digest = seen.live.run_digest if seen.live else ""
    source = seen.live.source_revision if seen.live else ""
    return Plan((StartExecution(want.key, existing.id, existing.name, digest, source, known),))


def watch_runs(
    want: WantFlow, seen: SeenFlow, subject: str, runs: Sequence[Execution], now: datetime
) -> Plan:
    """The newest of these runs speaks for its configuration."""
    last = max(runs, key=age_order)
    if last.status == "DEAD":
        words = seen.causes.get(last.id) or last.message or "see its logs"
        message = f"execution {last.id} is DEAD: {words}"
        return Plan(holds=(Hold(Stage.EXECUTE, "ExecutionDead", message, subject, mark=Mark.FAIL),))
    if last.status == "STOPPED":
        message = f"execution {last.id} was stopped"
        return Plan(holds=(Hold(Stage.EXECUTE, "Stopped", message, subject, mark=Mark.OFF),))
    if is_stuck(last, want.policy.stuck_after, now):
        words = seen.causes.get(last.id) or last.message or "AI Core gives no reason"
        since = f"{last.created_at:%Y-%m-%d %H:%M} UTC" if last.created_at else "its start"
        hold = Hold(
            Stage.EXECUTE,
            "RunStuck",
            f"execution {last.id} is {last.status} since {since}: {words}",
            subject,
            after=STUCK_LOOK_AGAIN,
            mark=Mark.FAIL,
        )
        return Plan(holds=(hold,))
    if last.active:
        message = f"execution {last.id} is {last.status}"
        return Plan(holds=(Hold(Stage.EXECUTE, "Running", message, subject, after=LOOK_AGAIN),))
    return Plan()


def is_stuck(execution: Execution, after: float, now: datetime) -> bool:
    """True when it should have begun long ago."""
    if execution.status not in {"UNKNOWN", "PENDING"} or not execution.active or not execution.created_at:
        return False
    return now - execution.created_at >= timedelta(seconds=after)
