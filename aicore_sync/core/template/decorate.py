"""From a rendered or hand-written document to the one that is published: AI Core's labels and annotations,
hardware, outputs, and our marks. Keys and rules: AI Core's pages on workflow and serving templates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.template.canonical import canonical
from aicore_sync.core.template.digests import OURS, VERSION_LABEL, template_digest
from aicore_sync.core.template.walk import Document, Step, is_serving, steps

SCENARIO_LABEL = "scenarios.ai.sap.com/id"
DEFAULT_PLAN = "starter"


@dataclass(frozen=True)
class Hardware:
    """What a step runs on: a resource plan (all service plans) or an instance type (extended plan only)."""

    value: str = DEFAULT_PLAN
    kind: Literal["resourcePlan", "instanceType"] = "resourcePlan"

    @property
    def label(self) -> str:
        return f"ai.sap.com/{self.kind}"


@dataclass(frozen=True)
class Output:
    """An output artifact as the manifest describes it; empty fields are not written.

    With `path` the output is also declared in the template, in `step` ("": the only step that runs a pod).
    """

    global_name: str
    kind: str = ""
    name: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""
    path: str = ""
    step: str = ""


@dataclass(frozen=True)
class TemplateOptions:
    """What the manifest and the pass say about a template. Empty texts leave the document's own value alone.

    `hardware` is keyed by step name (Metaflow's `a_b` or the template's `a-b`), `*` means all other steps; a
    label that the step carries already is stronger than `*`. `active_deadline` is in seconds. `source` is the
    file that problems name, `origin` the name of the source that it is from.
    """

    executable_id: str
    scenario_id: str = ""
    scenario_name: str = ""
    scenario_description: str = ""
    executable_name: str = ""
    executable_description: str = ""
    version: str = ""
    hardware: Mapping[str, Hardware] = field(default_factory=dict)
    image_pull_secrets: tuple[str, ...] = ()
    active_deadline: int | None = None
    outputs: tuple[Output, ...] = ()
    owner: str = ""
    origin: str = ""
    flow: str = ""
    environments: tuple[str, ...] = ()
    input_digest: str = ""
    run_digest: str = ""
    source_revision: str = ""
    source: str = "manifest"


def decorate(document: Mapping[str, Any], options: TemplateOptions) -> Document:
    """The canonical document with everything that AI Core and we read from it; the input is left untouched.

    Raises InvalidInput when the options name a step that the document does not have.
    """
    result = canonical(document)
    _metadata(result, options)
    if not is_serving(result) and isinstance(result.get("spec"), dict):
        _check_steps(result, options)
        _workflow(result, options)
    digest = template_digest(result)
    result["metadata"]["labels"][VERSION_LABEL] = version_label(options.version, digest)
    result["metadata"]["annotations"].update(_marks(options, digest))
    return canonical(result)


def version_label(version: str, digest: str) -> str:
    """`<version>-<digest8>` as a Kubernetes label value: at most 63 safe characters."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", version)[:54].strip("._-")
    return f"{safe}-{digest[:8]}" if safe else digest[:8]


def _metadata(document: Document, options: TemplateOptions) -> None:
    metadata = document.setdefault("metadata", {})
    metadata["name"] = options.executable_id
    labels = metadata.setdefault("labels", {})
    annotations = metadata.setdefault("annotations", {})
    if options.scenario_id:
        labels[SCENARIO_LABEL] = options.scenario_id
    # Marks are ours alone: whatever a source file claims about them is dropped.
    for key in [key for key in annotations if key.startswith(OURS)]:
        del annotations[key]
    annotations.update({key: text for key, text in _annotations(options).items() if text})
    if labels.get(SCENARIO_LABEL):
        annotations.setdefault("scenarios.ai.sap.com/name", labels[SCENARIO_LABEL])
    annotations.setdefault("executables.ai.sap.com/name", options.executable_id)


def _annotations(options: TemplateOptions) -> dict[str, str]:
    found = {
        "scenarios.ai.sap.com/name": options.scenario_name,
        "scenarios.ai.sap.com/description": options.scenario_description,
        "executables.ai.sap.com/name": options.executable_name,
        "executables.ai.sap.com/description": options.executable_description,
    }
    for output in options.outputs:
        prefix = f"artifacts.ai.sap.com/{output.global_name}"
        found[f"{prefix}.kind"] = output.kind
        found[f"{prefix}.name"] = output.name
        found[f"{prefix}.description"] = output.description
        found[f"{prefix}.suffix"] = output.suffix
        found[f"{prefix}.labels"] = json.dumps(dict(output.labels), sort_keys=True) if output.labels else ""
    return found


def _marks(options: TemplateOptions, digest: str) -> dict[str, str]:
    marks = {
        "owner": options.owner,
        "source": options.origin,
        "flow": options.flow,
        "environments": ",".join(sorted(options.environments)),
        "input-digest": options.input_digest,
        "template-digest": digest,
        "run-digest": options.run_digest,
        "source-revision": options.source_revision,
    }
    return {OURS + key: text for key, text in marks.items() if text}


def _workflow(document: Document, options: TemplateOptions) -> None:
    spec = document["spec"]
    if options.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in options.image_pull_secrets]
    if options.active_deadline is not None:
        spec["activeDeadlineSeconds"] = options.active_deadline
    for step in steps(document):
        _step(step, options)


def _step(step: Step, options: TemplateOptions) -> None:
    # `steps` walks the result of `canonical`, a private copy made of plain dictionaries and lists.
    body = step.body
    assert isinstance(body, dict)
    if step.runs_pod:
        _set_hardware(step.name, body, options.hardware)
    for key in ("container", "script"):
        if isinstance(body.get(key), dict):
            body[key].pop("resources", None)  # the resource plan decides
    for output in options.outputs:
        if output.path and _declares(output, step, options):
            _declare(body, output)


def _set_hardware(name: str, body: Document, hardware: Mapping[str, Hardware]) -> None:
    labels = body.setdefault("metadata", {}).setdefault("labels", {})
    own = next((h for key, h in hardware.items() if _same_step(key, name)), None)
    has_label = any(key in labels for key in ("ai.sap.com/resourcePlan", "ai.sap.com/instanceType"))
    if own is None and has_label:
        return
    chosen = own or hardware.get("*") or Hardware()
    labels.pop("ai.sap.com/resourcePlan", None)
    labels.pop("ai.sap.com/instanceType", None)
    labels[chosen.label] = chosen.value


def _declares(output: Output, step: Step, options: TemplateOptions) -> bool:
    return _same_step(output.step, step.name) if output.step else step.runs_pod


def _declare(body: Document, output: Output) -> None:
    """Declare an output; name == globalName, because sources differ on which one AI Core registers."""
    artifacts = body.setdefault("outputs", {}).setdefault("artifacts", [])
    entry = {
        "name": output.global_name,
        "globalName": output.global_name,
        "path": output.path,
        "archive": {"none": {}},
    }
    others = [a for a in artifacts if output.global_name not in (a.get("globalName"), a.get("name"))]
    body["outputs"]["artifacts"] = [*others, entry]


def _same_step(key: str, name: str) -> bool:
    # Metaflow's step a_b becomes the template a-b.
    return key != "*" and (key == name or key.replace("_", "-") == name)


def _check_steps(document: Document, options: TemplateOptions) -> None:
    names = [step.name for step in steps(document) if step.runs_pod]
    wanted = [("resourcePlan", key) for key in options.hardware if key != "*"]
    wanted += [(f"outputs.{o.global_name}.step", o.step) for o in options.outputs if o.path and o.step]
    problems = [
        _unknown_step(options.source, key, step, names)
        for key, step in wanted
        if not any(_same_step(step, name) for name in names)
    ]
    problems += [
        _unknown_step(options.source, f"outputs.{o.global_name}.step", "no step", names)
        for o in options.outputs
        if o.path and not o.step and len(names) != 1
    ]
    if problems:
        raise InvalidInput(problems, reason="LintFailed")


def _unknown_step(source: str, key: str, found: str, names: list[str]) -> Problem:
    known = ", ".join(names) or "no step that runs a pod"
    return Problem(source, 0, key, found, f"one of the steps {known}", "name the step as the flow does")
