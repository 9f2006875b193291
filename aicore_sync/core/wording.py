"""One line for people about each kind of action. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from aicore_sync.core.actions import (
    Action,
    CreateArtifact,
    CreateConfiguration,
    CreateGroup,
    CreateSchedule,
    DeleteDeployment,
    DeleteExecutions,
    DeleteSchedule,
    LabelGroup,
    PatchSchedule,
    PauseForeign,
    Publish,
    Refresh,
    Register,
    Remember,
    Retract,
    StartDeployment,
    StartExecution,
    StopDeployment,
    StopExecution,
    TagExecution,
    UpdateDeployment,
    Withdraw,
    WriteSecret,
)
from aicore_sync.core.cron import next_ticks

TICKS = 3  # of a new schedule or cron


def describe(action: Action) -> str:
    """One line for people: what an action does to which object."""
    match action:
        case Publish(tenant=tenant, template=template, restore=True):
            return f"put {template.file} back to its last synced version in {tenant}"
        case Publish(tenant=tenant, template=template, adopt=True):
            return f"put our annotations on {template.file} in {tenant}"
        case Publish(tenant=tenant, template=template):
            return f"publish {template.file} ({template.facts.version}) to {tenant}"
        case Retract(tenant=tenant, file=file):
            return f"retract {file} from {tenant}"
        case Withdraw(tenant=tenant, file=file):
            return f"take {file} out of the open request for {tenant}"
        case Remember(message=message):
            return f"note on the state branch: {message}"
        case Register(tenant=tenant, what=what):
            return f"register the {what} of {tenant} with AI Core"
        case Refresh(tenant=tenant):
            return f"ask AI Core to sync {tenant}"
        case CreateArtifact(artifact=artifact):
            return f"register artifact {artifact.name} ({artifact.kind}, {artifact.url})"
        case CreateConfiguration(name=name):
            return f"create configuration {name}"
        case CreateSchedule(name=name, cron=cron, start=start, end=end):
            return f"create schedule {name} ({cron}, {_ticks(cron, start, end)})"
        case PatchSchedule(name=name, changes=changes):
            return f"patch schedule {name}: " + ", ".join(
                _changed(field, dict(changes)) for field, _ in changes
            )
        case PauseForeign(id=identity, name=name):
            return f"pause schedule {name} ({identity}), which ours takes over"
        case DeleteSchedule(name=name):
            return f"delete schedule {name}"
        case StartExecution(name=name):
            return f"start an execution of {name}"
        case TagExecution(id=identity):
            return f"tag execution {identity} as ours"
        case StopExecution(id=identity, why=why):
            return f"stop execution {identity}: {why}"
        case DeleteExecutions(name=name, ids=ids):
            return f"delete {len(ids)} old executions of {name}"
        case StartDeployment() | UpdateDeployment() | StopDeployment() | DeleteDeployment():
            return _of_deployment(action)
        case CreateGroup(group=group, tenant=tenant):
            return f"create resource group {group} in {tenant}"
        case LabelGroup(group=group, labels=labels):
            shown = ", ".join(f"{k.rpartition('/')[2]}={v}" for k, v in labels)
            return f"label resource group {group}: {shown}"
        case WriteSecret(id=identity, why=why, new=new):
            return f"{'create' if new else 'write'} {identity}: {why}"


def lasting(action: Action) -> str:
    """Names an action in a fingerprint: as long as nothing but the clock changes, neither does this."""
    match action:
        case CreateSchedule(name=name, cron=cron, end=end):
            return f"create schedule {name} ({cron}) until {end}"
        case PatchSchedule(name=name, changes=changes, soon=soon):
            values = ", ".join(f"{field} → {'soon' if value == soon else value}" for field, value in changes)
            return f"patch schedule {name}: {values}"
    return describe(action)


def _of_deployment(
    action: StartDeployment | UpdateDeployment | StopDeployment | DeleteDeployment,
) -> str:
    match action:
        case StartDeployment(name=name, ttl=ttl):
            return f"deploy {name}" + (f" for {ttl}" if ttl else "")
        case UpdateDeployment(id=identity, name=name):
            return f"point deployment {identity} at {name}"
        case StopDeployment(id=identity, why=why):
            return f"stop deployment {identity}: {why}"
        case DeleteDeployment(id=identity, why=why):
            return f"delete deployment {identity}: {why}"


def _changed(field: str, changes: dict[str, str | datetime]) -> str:
    value = changes[field]
    if isinstance(value, datetime):
        return f"{field} → {value.isoformat()}"
    start, end = changes.get("start"), changes.get("end")
    if field != "cron":
        return f"{field} → {value}"
    begins = start if isinstance(start, datetime) else None
    return f"{field} → {value} ({_ticks(value, begins, end if isinstance(end, datetime) else None)})"


def _ticks(cron: str, start: datetime | None, end: datetime | None) -> str:
    """The clock that a schedule goes by, and the first ticks from its start on where that is known."""
    clock = "UTC without daylight saving time"
    if start is None:
        return clock
    ticks = next_ticks(cron, start - timedelta(seconds=1), TICKS)
    coming = [f"{tick:%a %Y-%m-%d %H:%M}" for tick in ticks if end is None or tick <= end]
    return f"{clock}; next {', '.join(coming)}" if coming else f"{clock}; no tick before its end"
