"""Rules about what a pod gets from AI Core: hardware, logs, secrets, images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aicore_sync.core.lint.findings import Finding, LintOptions
from aicore_sync.core.lint.inside import all_containers, all_metadata
from aicore_sync.core.problems import did_you_mean
from aicore_sync.core.template.walk import (
    Document,
    containers,
    entries,
    mapping,
    steps,
)

HARDWARE = ("ai.sap.com/resourcePlan", "ai.sap.com/instanceType")
# AI Core's page "Choose a resource plan"; free tenants have only the first.
PLANS = ("starter", "basic", "basic.8x", "infer.s", "infer.m", "infer.l", "train.l")


def hardware_exists(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC129: the resource plan is one that AI Core has; instance types depend on the tenant and are only named."""
    known = (*PLANS, *options.plans)
    for place, labels in all_metadata(document, "labels"):
        plan, kind = labels.get("ai.sap.com/resourcePlan"), labels.get("ai.sap.com/instanceType")
        where = f"{place}.ai.sap.com"
        if isinstance(plan, str) and "{{" not in plan and plan not in known:
            cure = f"{did_you_mean(plan, known)}; known are {', '.join(known)}; add others under lint.resourcePlans"
            yield Finding(
                "AC129", "error", f"there is no resource plan {plan}", f"{where}/resourcePlan", cure
            )
        if isinstance(kind, str) and "{{" not in kind and kind not in options.instance_types:
            cure = "needs the extended plan; list the tenant's types under lint.instanceTypes to check them"
            message = f"the instance type {kind} is not checked"
            if options.instance_types:
                message, cure = (
                    f"there is no instance type {kind}",
                    did_you_mean(kind, options.instance_types),
                )
            severity = "error" if options.instance_types else "info"
            yield Finding(
                "AC129", "error" if severity == "error" else "info", message, f"{where}/instanceType", cure
            )


def container_names(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC130: of several containers one is `main`; only names with `readable-` have logs that tenants can read."""
    for step in steps(document):
        group = entries(mapping(step.body.get("containerSet")).get("containers"))
        names = [str(c.get("name", "")) for c in group]
        if len(names) > 1 and "main" not in names:
            place = f"{step.place}.containerSet"
            yield Finding("AC130", "error", "no container is called main", place, "call the leading one main")
        named = [(place, str(c.get("name", ""))) for place, c in containers(step)]
        for place, name in named if len(named) > 1 else ():
            extra = not place.endswith((".container", ".script")) and name != "main"
            if extra and not name.startswith("readable-"):
                message = f"the logs of {name or 'a container'} cannot be read"
                yield Finding("AC130", "info", message, place, f"call it readable-{name}")


def secrets_everywhere(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC131: in rendered flows every step gets the secrets that any step gets, or it cannot reach its data."""
    pods = (
        [(step, _secrets(step.body)) for step in steps(document) if step.runs_pod] if options.rendered else []
    )
    every = set().union(*(found for _, found in pods))
    for step, found in pods:
        missing = ", ".join(sorted(every - found))
        if missing and found == set():
            cure = "name the secrets in the manifest, so that all steps get them"
            yield Finding("AC131", "error", f"step {step.name} does not get {missing}", step.place, cure)


def _secrets(body: Mapping[str, Any]) -> set[str]:
    sources = [s for key in ("container", "script") for s in entries(mapping(body.get(key)).get("envFrom"))]
    names = {mapping(source.get("secretRef")).get("name") for source in sources}
    return {str(name) for name in names if name}


def pinned_images(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC132: without a tag, or with `latest`, the same template runs other code tomorrow."""
    for place, container in all_containers(document):
        image = str(container.get("image") or "")
        tag = image.rpartition("/")[2].partition(":")[2]
        if image and "{{" not in image and "@" not in image and tag in ("", "latest"):
            message = f"{image} has no fixed version"
            cure = "write a tag or a digest: image@sha256:…"
            yield Finding("AC132", "warning", message, f"{place}.image", cure)


def fallback_image(document: Document, options: LintOptions) -> Iterator[Finding]:
    """AC135: nobody named an image, so that steps run on a plain Python without the flow's packages."""
    images = {place: str(c.get("image")) for place, c in all_containers(document)}
    plain = sorted(place for place, image in images.items() if image == options.fallback_image)
    if options.fallback_image and plain:
        message = f"nobody names an image: {len(plain)} steps run on {options.fallback_image}"
        cure = "set image in the manifest, to one that has what the flow imports"
        yield Finding("AC135", "warning", message, f"{plain[0]}.image", cure)
