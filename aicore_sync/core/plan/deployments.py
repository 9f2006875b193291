"""Deployments: one for each configuration that asks for it, pointed at its newest content, never started twice.

A deployment has neither name nor labels. One of a configuration of ours is ours; all others are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from aicore_sync.core.actions import (
    DeleteDeployment,
    Plan,
    Remember,
    StartDeployment,
    StopDeployment,
    UpdateDeployment,
)
from aicore_sync.core.deployed import deployed_path
from aicore_sync.core.desired import SeenFlow, WantConfiguration, WantDeployment, WantFlow
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan.runs import LOOK_AGAIN, STUCK_LOOK_AGAIN, start_gate
from aicore_sync.core.world import Configuration, Deployment

_UNITS = {"m": 60, "h": 3600, "d": 86400}
_NOBODY = "nothing asks for it any more"
_YOUNGER = "an older one serves the same configuration"
_AGAIN = "it was stopped, and suspend: false wants it to run"


@dataclass(frozen=True)
class Case:
    """One configuration with a deployment: `existing` is what the manifest wants now, as AI Core has it."""

    want: WantFlow
    seen: SeenFlow
    now: datetime
    configuration: WantConfiguration
    existing: Configuration

    @property
    def part(self) -> WantDeployment:
        """What the manifest says about the deployment."""
        assert self.configuration.deployment is not None
        return self.configuration.deployment

    def hold(self, reason: str, words: str, mark: Mark = Mark.WAIT, after: float | None = LOOK_AGAIN) -> Plan:
        """A plan that only says something about the configuration's deployment."""
        name = self.configuration.name
        return Plan(holds=(Hold(Stage.EXECUTE, reason, words, name, after=after, mark=mark),))

    def settling(self, note: str) -> Plan:
        """Empty unless `note` was written so recently that lists may not show it."""
        left = _unsettled(note, self.want, self.seen, self.now)
        words = "a deployment was sent or changed; waits until lists would show it"
        return self.hold("Settling", words, after=left) if left else Plan()


def note(verb: str, deployment: str) -> str:
    """Under what a write to a deployment is remembered until lists show it."""
    return f"{verb} deployment {deployment}"


def our_deployments(seen: SeenFlow) -> dict[str, tuple[Deployment, ...]]:
    """Manifest name → deployments of its configurations, oldest first, without those marked for deletion."""
    used = {d.configuration for d in seen.deployments}
    named = ((c.id, c.name.split(".")) for c in seen.configurations if c.id in used)
    names = {identity: parts[2] for identity, parts in named if len(parts) > 3}
    ours = [d for d in seen.deployments if d.configuration in names and d.target_status != "DELETED"]
    found: dict[str, tuple[Deployment, ...]] = {}
    for deployment in sorted(ours, key=_age):
        name = names[deployment.configuration]
        found[name] = (*found.get(name, ()), deployment)
    return found


def served(name: str, seen: SeenFlow) -> Configuration | None:
    """The configuration that the newest deployment of the configuration with this manifest name has."""
    several = our_deployments(seen).get(name, ())
    return next((c for c in seen.configurations if several and c.id == several[-1].configuration), None)


def drop_deployments(want: WantFlow, seen: SeenFlow, now: datetime) -> Plan:
    """Stop and delete every deployment of the flow; waits only for the mass-removal brake."""
    ours = [d for several in our_deployments(seen).values() for d in several]
    if want.removal:
        return Plan(holds=(want.removal,)) if ours else Plan()
    return _all(ours, _NOBODY, want, seen, now) + _forgotten(want, seen)


def reduce_deployments(want: WantFlow, seen: SeenFlow, now: datetime) -> Plan:
    """What goes whatever the template does: what the manifest no longer names, suspends, or has twice."""
    wanted = {c.name: c.deployment for c in want.configurations if c.deployment}
    plan = Plan()
    for name, several in our_deployments(seen).items():
        part = wanted.get(name)
        if part is None and not want.keeps:
            plan += _all(several, _NOBODY, want, seen, now)
        elif part and part.suspend:
            running = [d for d in several if d.active and d.status != "UNKNOWN"]
            plan += _all(running, "the manifest says suspend: true", want, seen, now)
        elif part:
            plan += _all([d for d in several if _serves(d)][1:], _YOUNGER, want, seen, now)
    return plan if want.keeps else plan + _forgotten(want, seen)


def plan_deployment(case: Case) -> Plan:
    """Start, point at new content, or say how it is."""
    several = our_deployments(case.seen).get(case.configuration.name, ())
    stopping = [d for d in several if d.active and not _serves(d)]
    serving = [d for d in several if _serves(d)]
    if case.part.suspend:
        words = "the manifest says suspend: true"
        return Plan() if serving or stopping else case.hold("Suspended", words, Mark.OFF, None)
    if serving:
        return _follow(serving[0], case)
    if stopping:
        return case.hold("DeploymentStopping", f"deployment {stopping[0].id} is {stopping[0].status}")
    return _ended(several[-1], case) if several else _start(case)


def _follow(deployment: Deployment, case: Case) -> Plan:
    """Point it at the wanted content, or say how it is."""
    words = f"deployment {deployment.id} is {deployment.status}"
    if deployment.configuration != case.existing.id:
        if deployment.status == "UNKNOWN":
            return case.hold("DeploymentPending", f"{words} and takes no new content yet")
        waits = case.settling(note("update", deployment.id)) or _gate(case)
        began = (deployment.created_at or case.now) if case.part.ttl else None
        update = UpdateDeployment(case.want.key, deployment.id, case.existing.id, case.existing.name, began)
        return waits or Plan((update,))
    if deployment.status == "RUNNING":
        return Plan()
    said = case.seen.causes.get(deployment.id) or deployment.message
    if said:
        words += f": {said}"
    if deployment.status == "DEAD":
        return case.hold("DeploymentDead", words, Mark.FAIL, None)
    begun = deployment.created_at
    if begun and case.now - begun >= timedelta(seconds=case.want.policy.stuck_after):
        words += f", since {begun:%Y-%m-%d %H:%M} UTC"
        return case.hold("DeploymentStuck", words, Mark.FAIL, STUCK_LOOK_AGAIN)
    return case.hold("DeploymentPending", words)


def _ended(last: Deployment, case: Case) -> Plan:
    """DEAD takes new content under its own address; STOPPED stays so unless the manifest says that it must run."""
    if last.status == "DEAD":
        return _follow(last, case)
    if case.part.suspend is None:
        words = f"deployment {last.id} was stopped; `suspend: false` would start it again"
        return case.hold("Stopped", words, Mark.OFF, None)
    return _gate(case) or _one(last, _AGAIN, case.want, case.seen, case.now)


def _start(case: Case) -> Plan:
    existing, ttl = case.existing, case.part.ttl
    begun = _begun(case)
    if ttl and begun and begun + lifetime(ttl) <= case.now:
        words = f"it was deployed at {begun:%Y-%m-%d %H:%M} UTC and its ttl of {ttl} is over; "
        return case.hold("Expired", words + "new content or another `rerun` deploys again", Mark.OFF, None)
    known = tuple(d.id for d in case.seen.deployments if d.configuration == existing.id)
    start = StartDeployment(case.want.key, existing.id, existing.name, ttl, known)
    return case.settling(existing.id) or _gate(case) or Plan((start,))


def _begun(case: Case) -> datetime | None:
    """When this content was deployed last: as AI Core lists it, or as it was noted before AI Core deleted it."""
    times = [d.created_at for d in case.seen.deployments if d.configuration == case.existing.id]
    noted = case.seen.deployed.get(case.configuration.name)
    if noted and noted.id == case.existing.id:
        times.append(noted.at)
    return max(filter(None, times), default=None)


def _forgotten(want: WantFlow, seen: SeenFlow) -> Plan:
    """Notes about what the manifest deploys no more, or no longer for a time: asked for again, it starts again."""
    noted = (
        {c.name for c in want.configurations if c.deployment and c.deployment.ttl} if want.targeted else set()
    )
    left = sorted(seen.deployed.keys() - noted - our_deployments(seen).keys())
    words = "is not deployed any more"
    return Plan(tuple(Remember(deployed_path(want.key, n), None, f"{n} of {want.key} {words}") for n in left))


def _gate(case: Case) -> Plan:
    return start_gate(case.want, case.seen, case.configuration, case.now)


def lifetime(ttl: str) -> timedelta:
    """`10m`, `2h`, `1d` as a duration."""
    return timedelta(seconds=int(ttl[:-1]) * _UNITS[ttl[-1]])


def _all(deployments: Iterable[Deployment], why: str, want: WantFlow, seen: SeenFlow, now: datetime) -> Plan:
    plan = Plan()
    for deployment in deployments:
        plan += _one(deployment, why, want, seen, now)
    return plan


def _one(deployment: Deployment, why: str, want: WantFlow, seen: SeenFlow, now: datetime) -> Plan:
    """Stop what runs, delete what has ended. AI Core can delete, but not stop, what is UNKNOWN."""
    identity = deployment.id
    if not deployment.active or deployment.status == "UNKNOWN":
        if _unsettled(note("delete", identity), want, seen, now):
            return Plan()
        return Plan((DeleteDeployment(want.key, identity, why),))
    words = f"deployment {identity} is {deployment.status}: {why}"
    hold = Hold(Stage.EXECUTE, "DeploymentStopping", words, after=LOOK_AGAIN)
    sent = _unsettled(note("stop", identity), want, seen, now)
    if sent or not _serves(deployment):
        return Plan(holds=(hold,))
    return Plan((StopDeployment(want.key, identity, why),), (hold,))


def _serves(deployment: Deployment) -> bool:
    going = deployment.status == "STOPPING" or deployment.target_status == "STOPPED"
    return deployment.active and not going


def _unsettled(written: str, want: WantFlow, seen: SeenFlow, now: datetime) -> float:
    """Seconds until lists surely show this write; 0 when they do."""
    at = seen.recent.get(written)
    left = (at + timedelta(seconds=want.policy.settle) - now).total_seconds() if at else 0.0
    return max(0.0, left)


def _age(deployment: Deployment) -> tuple[float, str]:
    return (deployment.created_at.timestamp() if deployment.created_at else 0.0, deployment.id)
