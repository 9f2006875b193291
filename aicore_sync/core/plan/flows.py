"""Configure and execute: artifacts, configurations and the runs that changes ask for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from aicore_sync.core.actions import CreateArtifact, CreateConfiguration, Plan
from aicore_sync.core.desired import (
    ArtifactId,
    ArtifactRef,
    InputRef,
    SeenFlow,
    WantArtifact,
    WantConfiguration,
    WantFlow,
)
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan.adoption import foreign_schedules, takeover
from aicore_sync.core.plan.asks import plan_asks
from aicore_sync.core.plan.deployments import (
    Case,
    drop_deployments,
    plan_deployment,
    reduce_deployments,
    served,
)
from aicore_sync.core.plan.restraint import restrained
from aicore_sync.core.plan.retention import plan_retention
from aicore_sync.core.plan.runs import plan_runs, start_gate, start_run, tag_lost
from aicore_sync.core.plan.schedules import drop_schedules, plan_schedules, schedule_name
from aicore_sync.core.plan.vanished import vanished
from aicore_sync.core.template import PublishedTemplate, binding_problems
from aicore_sync.core.world import Artifact, Configuration

__all__ = ["configuration_hash", "configuration_name", "plan_flow", "schedule_name"]

LABEL = "ext.ai.sap.com/aicore-sync."


@dataclass(frozen=True)
class Bound:
    """A wanted configuration with its inputs resolved, its name, and the one in AI Core if there is one."""

    want: WantConfiguration
    name: str
    inputs: tuple[tuple[str, str], ...]
    existing: Configuration | None
    problems: tuple[str, ...] = ()  # why the live template does not take it


def plan_flow(want: WantFlow, seen: SeenFlow, now: datetime) -> Plan:
    """What to do for a flow in an environment."""
    if not want.targeted:
        dropped = drop_schedules(want, seen) + drop_deployments(want, seen, now)
        return Plan(holds=want.desire_holds) + dropped
    step = takeover(want, seen)
    if step.rests:
        return step.plan
    want, first = step.want, step.plan
    going = Plan(holds=(want.removal,)) if want.removal and vanished(want, seen) else Plan()
    plan = Plan(holds=want.desire_holds) + going + tag_lost(want, seen)
    plan += _artifacts(want, seen) + reduce_deployments(want, seen, now)
    current: dict[str, str] = {}
    fitting: dict[str, str] = {}
    for wanted in want.configurations:
        bound, hold = _bind(wanted, want, seen)
        if bound is None:
            plan += Plan(holds=(hold,) if hold else ())
            continue
        plan += _configure(bound, want, seen, now)
        if bound.existing:
            current[wanted.name] = bound.existing.id
            fitting |= {} if bound.problems else {wanted.name: bound.existing.id}
            plan += _execute(bound, want, seen, now)
    plan += plan_schedules(want, seen, fitting, now) + Plan(holds=want.unfit)
    plan += plan_asks(want, seen, now)
    plan = first + plan + plan_retention(want, seen, current, now) + foreign_schedules(want, seen)
    return restrained(plan, want, seen.paused | (seen.adopting or frozenset()))


def bound_configurations(want: WantFlow, seen: SeenFlow) -> dict[str, Bound]:
    """Manifest name → what the manifest wants now, those whose inputs exist."""
    bound = [_bind(wanted, want, seen)[0] for wanted in want.configurations]
    return {b.want.name: b for b in bound if b}


def current_configurations(want: WantFlow, seen: SeenFlow) -> dict[str, Configuration]:
    """Manifest name → the configuration in AI Core that is what the manifest wants now; those that exist."""
    return {name: b.existing for name, b in bound_configurations(want, seen).items() if b.existing}


def configuration_name(owner: str, flow: str, name: str, digest: str) -> str:
    """`<owner>.<flow>.<name>.<hash12>`: dots separate, no part may hold one."""
    return f"{owner}.{flow}.{name}.{digest[:12]}"


def configuration_hash(
    scenario: str, executable: str, parameters: Mapping[str, str], inputs: Mapping[str, str], run_key: str
) -> str:
    """Identity of a configuration's content; `run_key` is "" unless changes ask for runs."""
    content = [scenario, executable, sorted(parameters.items()), sorted(inputs.items()), run_key]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def _artifacts(want: WantFlow, seen: SeenFlow) -> Plan:
    missing = [a for a in want.artifacts if find_artifact(want, seen.artifacts, a) is None]
    if missing and seen.live is None:
        hold = Hold(
            Stage.CONFIGURE, "ExecutableMissing", "artifacts wait until the scenario is synced", "artifacts"
        )
        return Plan(holds=(hold,))
    return Plan(tuple(CreateArtifact(want.key, want.scenario, a) for a in missing))


def find_artifact(want: WantFlow, artifacts: Iterable[Artifact], wanted: WantArtifact) -> Artifact | None:
    """The artifact of ours with this key and content; the oldest wins."""
    key = f"{want.key.flow}.{wanted.name}"
    found = [
        a
        for a in artifacts
        if a.labels.get(LABEL + "key") == key and a.labels.get(LABEL + "hash") == wanted.hash
    ]
    return min(found, key=_age, default=None)


def _age(item: Artifact | Configuration) -> tuple[bool, float, str]:
    created = item.created_at
    return (created is None, created.timestamp() if created else 0.0, item.id)


def _bind(wanted: WantConfiguration, want: WantFlow, seen: SeenFlow) -> tuple[Bound | None, Hold | None]:
    """Resolve inputs and find the configuration, or say what it waits for."""
    if seen.live is None:
        holds = want.template_holds
        reason = holds[0].message if holds else "the executable is not synced yet"
        return None, Hold(Stage.CONFIGURE, "ExecutableMissing", reason, wanted.name)
    inputs: dict[str, str] = {}
    for key, ref in wanted.inputs:
        found = _resolve(ref, want, seen)
        if isinstance(found, Hold):
            return None, replace(found, subject=wanted.name)
        inputs[key] = found
    misplaced = _misplaced(wanted, seen.live)
    if misplaced:
        return None, Hold(Stage.CONFIGURE, "BindingInvalid", misplaced, wanted.name, mark=Mark.FAIL)
    problems = binding_problems(seen.live, dict(wanted.parameters), inputs)
    existing, name = _existing(wanted, want, seen, inputs)
    return Bound(wanted, name, tuple(sorted(inputs.items())), existing, tuple(problems)), None


def _misplaced(wanted: WantConfiguration, live: PublishedTemplate) -> str:
    """What does not go with the kind of the template: ServingTemplates are deployed, WorkflowTemplates run."""
    serves = live.kind == "ServingTemplate"
    if wanted.deployment and not serves:
        return f"`deployment` needs a ServingTemplate, {live.executable} is a {live.kind}"
    if serves and (wanted.run == "onChange" or wanted.schedule):
        return f"{live.executable} is a ServingTemplate: use `deployment` instead of `run` and `schedule`"
    return ""


def _resolve(ref: InputRef, want: WantFlow, seen: SeenFlow) -> str | Hold:
    if isinstance(ref, ArtifactId):
        return ref.id
    if isinstance(ref, ArtifactRef):
        wanted = next((a for a in want.artifacts if a.name == ref.name), None)
        if wanted is None:
            message = f"input names the artifact {ref.name}, which the manifest does not declare"
            return Hold(Stage.CONFIGURE, "BindingInvalid", message, mark=Mark.FAIL)
        found = find_artifact(want, seen.artifacts, wanted)
        return (
            found.id
            if found
            else Hold(Stage.CONFIGURE, "ArtifactPending", f"waits for artifact {ref.name}", after=0.0)
        )
    output = seen.upstream.get((ref.flow, ref.output))
    message = f"waits for a COMPLETED run of {ref.flow} with output {ref.output}"
    return output or Hold(Stage.CONFIGURE, "UpstreamMissing", message, after=60)


def run_key(wanted: WantConfiguration, seen: SeenFlow) -> str:
    """What makes what follows its content a new configuration: the template's run-digest and the manifest's `rerun`."""
    if (wanted.run != "onChange" and not wanted.deployment) or seen.live is None:
        return ""
    return f"{seen.live.run_digest}\n{wanted.rerun}"


def _existing(
    wanted: WantConfiguration, want: WantFlow, seen: SeenFlow, inputs: Mapping[str, str]
) -> tuple[Configuration | None, str]:
    parameters = dict(wanted.parameters)
    digest = configuration_hash(want.scenario, want.executable, parameters, inputs, run_key(wanted, seen))
    name = configuration_name(want.owner, want.key.flow, wanted.name, digest)
    found = [
        c
        for c in seen.configurations
        if c.name == name and dict(c.parameters) == parameters and dict(c.inputs) == dict(inputs)
    ]
    return min(found, key=_age, default=None), name


def _misfits(bound: Bound, want: WantFlow) -> bool:
    """Whether no template that is on its way will mend it. An earlier template may have taken one that is there."""
    return bool(bound.problems) and not want.template_holds


def _configure(bound: Bound, want: WantFlow, seen: SeenFlow, now: datetime) -> Plan:
    if _misfits(bound, want):
        words = "; ".join(bound.problems)
        hold = Hold(Stage.CONFIGURE, "BindingInvalid", words, bound.want.name, mark=Mark.FAIL)
        return Plan(holds=(hold,))
    if bound.existing:
        return Plan()
    if want.template_holds:
        message = f"waits for the template: {want.template_holds[0].message}"
        return Plan(holds=(Hold(Stage.CONFIGURE, "ExecutableMissing", message, bound.want.name),))
    if (bound.want.run == "onChange" or bound.want.deployment) and not _only_upstream_moved(
        bound, want, seen
    ):
        gate = start_gate(want, seen, bound.want, now)
        if gate != Plan():
            return gate
    action = CreateConfiguration(
        want.key, bound.name, want.scenario, want.executable, bound.want.parameters, bound.inputs
    )
    return Plan((action,))


def _only_upstream_moved(bound: Bound, want: WantFlow, seen: SeenFlow) -> bool:
    """True when this configuration differs from one that has run only in what upstream flows made.

    The run-digest is hidden in the hash of the name, so an older name is recomputed with today's run-digest.
    """
    moving = {key for key, ref in bound.want.inputs if not isinstance(ref, ArtifactId | ArtifactRef)}
    if not moving or bound.want.on_upstream:
        return False
    ran = {e.configuration for e in seen.executions} | {d.configuration for d in seen.deployments}
    fixed = {k: v for k, v in bound.inputs if k not in moving}
    for old in seen.configurations:
        if old.id not in ran or old.name == bound.name:
            continue
        same_fixed = {k: v for k, v in old.inputs.items() if k not in moving} == fixed
        digest = configuration_hash(
            want.scenario, want.executable, old.parameters, old.inputs, run_key(bound.want, seen)
        )
        name = configuration_name(want.owner, want.key.flow, bound.want.name, digest)
        if same_fixed and old.name == name and dict(old.parameters) == dict(bound.want.parameters):
            return True
    return False


def _execute(bound: Bound, want: WantFlow, seen: SeenFlow, now: datetime) -> Plan:
    assert bound.existing is not None
    if bound.want.deployment:
        existing = bound.existing
        if _only_upstream_moved(bound, want, seen):
            existing = served(bound.want.name, seen) or existing
        return plan_deployment(Case(want, seen, now, bound.want, existing))
    # A run with values that the live template does not take would only be stuck.
    wanted = replace(bound.want, run="manual") if _misfits(bound, want) else bound.want
    followed = plan_runs(want, seen, wanted, bound.existing, now)
    if followed is not None:
        return followed
    if wanted.run != "onChange" or _only_upstream_moved(bound, want, seen):
        return Plan()
    return start_run(want, seen, wanted, bound.existing, now)
