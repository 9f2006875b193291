"""Carrying out what people ask for: start or stop a run, then forget the ask. Each ask is done once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from aicore_sync.core.actions import Plan, Remember, StartExecution, StopExecution
from aicore_sync.core.asks import Ask
from aicore_sync.core.desired import SeenFlow, WantConfiguration, WantFlow
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan.origin import origin
from aicore_sync.core.plan.runs import make_way
from aicore_sync.core.template import binding_problems
from aicore_sync.core.world import Configuration

EXPIRES = timedelta(days=1)  # nobody waits longer for a run; a late one would surprise


def plan_asks(want: WantFlow, seen: SeenFlow, now: datetime) -> Plan:
    """Starts and stops that were asked for. The proof that a start happened is a run that was not known before."""
    plan = Plan()
    for ask in seen.asks:
        if now - ask.at > EXPIRES:
            plan += _forget(ask, "too old")
        elif ask.do == "stop":
            plan += _stop(ask, want, seen)
        else:
            plan += _start(ask, want, seen, now)
    return plan


def _forget(ask: Ask, why: str) -> Plan:
    return Plan((Remember(ask.path, None, f"{ask.by} asked to {ask.do} {ask.target}: {why}"),))


def _stop(ask: Ask, want: WantFlow, seen: SeenFlow) -> Plan:
    execution = next((e for e in seen.executions if e.id == ask.target), None)
    if execution is None or not execution.active or execution.target_status == "STOPPED":
        return _forget(ask, "done")
    if origin(execution, want, seen) != "ours":
        return _forget(ask, "not ours")
    return Plan((StopExecution(want.key, execution.id, f"{ask.by} asked for it"),))


def _start(ask: Ask, want: WantFlow, seen: SeenFlow, now: datetime) -> Plan:
    configuration = next((c for c in seen.configurations if c.id == ask.target), None)
    if configuration is None:
        return _forget(ask, "there is no such configuration")
    if any(e.configuration == configuration.id and e.id not in ask.known for e in seen.executions):
        return _forget(ask, "done")
    name = _part_name(configuration)
    written = seen.recent.get(configuration.id)
    settled = written + timedelta(seconds=want.policy.settle) if written else None
    for until in (seen.settled_at, settled):
        if until and now < until:
            message = "a run was asked for; waits until lists are trustworthy"
            wait = (until - now).total_seconds()
            return Plan(holds=(Hold(Stage.EXECUTE, "Settling", message, name, after=wait),))
    for block in want.blocked:
        return Plan(holds=(replace(block, subject=name),))  # before anything is stopped to make way
    wanted = next((c for c in want.configurations if c.name == name), WantConfiguration(name))
    gate = _misfit(ask, configuration, want, seen) or make_way(want, seen, wanted, now)
    if gate != Plan():
        return gate
    digest = seen.live.run_digest if seen.live else ""
    source = seen.live.source_revision if seen.live else ""
    start = StartExecution(want.key, configuration.id, configuration.name, digest, source, ask.known)
    return Plan((start,))


def _part_name(configuration: Configuration) -> str:
    """What the manifest calls it."""
    return configuration.name.split(".")[2] if configuration.name.count(".") > 2 else configuration.name


def _misfit(ask: Ask, configuration: Configuration, want: WantFlow, seen: SeenFlow) -> Plan | None:
    """A run with values that the live template does not take would only be stuck: refused, unless a template that
    may take them is on its way; None where nothing is wrong.
    """
    name = _part_name(configuration)
    if seen.live is None:
        words = "a run was asked for; the executable is not synced yet"
        return Plan(holds=(Hold(Stage.EXECUTE, "ExecutableMissing", words, name),))
    problems = binding_problems(seen.live, configuration.parameters, configuration.inputs)
    if not problems:
        return None
    if want.template_holds:
        words = f"a run was asked for; it waits for the template: {want.template_holds[0].message}"
        return Plan(holds=(Hold(Stage.EXECUTE, "RunHeld", words, name),))
    words = f"{ask.by} asked for a run, which is refused: {'; '.join(problems)}"
    refusal = Hold(Stage.EXECUTE, "BindingInvalid", words, name, mark=Mark.FAIL)
    return _forget(ask, "; ".join(problems)) + Plan(holds=(refusal,))
