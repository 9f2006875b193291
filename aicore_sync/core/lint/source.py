"""Rules over the source as a whole: all flows and templates, as they are in the tenants of the configuration."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from aicore_sync.core.discover import FoundTemplate
from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.inventory import FlowSource, Inventory
from aicore_sync.core.lint.cycles import Link, rings
from aicore_sync.core.lint.findings import Finding, LintOptions, judged
from aicore_sync.core.lint.problems import problems_of
from aicore_sync.core.manifest import Manifest, for_environment
from aicore_sync.core.problems import did_you_mean
from aicore_sync.core.template import PublishedTemplate, binding_problems
from aicore_sync.core.template.walk import SERVING, WORKFLOW


@dataclass(frozen=True)
class Placed:
    """A source as it is in one environment."""

    source: FlowSource
    tenant: str
    environment: str
    manifest: Manifest

    @property
    def file(self) -> str:
        """Where its scenario and configurations are written."""
        return self.source.manifest_file or self.source.file


@dataclass(frozen=True)
class Made:
    """A source in one environment, and the facts of its template; None when it could not be made."""

    placed: Placed
    facts: PublishedTemplate | None


SourceRule = Callable[[tuple[Placed, ...], LintOptions], Iterator[Finding]]


def lint_source(
    sources: Iterable[FlowSource], tenants: Mapping[str, str], options: LintOptions
) -> tuple[Finding, ...]:
    """All findings over the source; `tenants` maps environments to tenants. Files are set, lines are not."""
    everywhere = in_environments(sources, tenants)
    return judged((finding for rule in SOURCE_RULES for finding in rule(everywhere, options)), options)


def in_environments(sources: Iterable[FlowSource], tenants: Mapping[str, str]) -> tuple[Placed, ...]:
    """Every source in every environment that it names and that exists."""
    found = []
    for source in sources:
        for name in source.manifest.environments:
            try:
                manifest = for_environment(source.manifest, name)
            except InvalidInput:  # the source's own problems say so
                continue
            if name in tenants:
                found.append(Placed(source, tenants[name], name, manifest))
    return tuple(found)


def with_errors(inventory: Inventory, findings: Iterable[Finding]) -> Inventory:
    """The inventory with the error findings as problems of the sources they are about: those are not rendered."""
    by_file: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.severity == "error":
            by_file[finding.file].append(finding)
    sources = [
        replace(
            source, problems=(*source.problems, *problems_of(by_file[source.manifest_file or source.file]))
        )
        if (source.manifest_file or source.file) in by_file
        else source
        for source in inventory.sources
    ]
    return replace(inventory, sources=tuple(sources))


def scenario_names(everywhere: tuple[Placed, ...], options: LintOptions) -> Iterator[Finding]:
    """AC162: templates of one scenario in one tenant give it one name; which one AI Core shows is not certain."""
    names: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for item in everywhere:
        names[item.tenant, item.manifest.scenario.id][item.manifest.scenario.name] += 1
    for item in everywhere:
        scenario = item.manifest.scenario
        found = names[item.tenant, scenario.id]
        usual = min(found, key=lambda name: (-found[name], name))
        if scenario.name != usual:
            message = f"scenario {scenario.id} is called {scenario.name!r} here and {usual!r} elsewhere"
            cure = f"write name: {usual} in all manifests of this scenario, or use another id"
            yield Finding("AC162", "warning", message, "scenario.name", cure, item.file)


def embedded_images(everywhere: tuple[Placed, ...], options: LintOptions) -> Iterator[Finding]:
    """AC133: where the image holds the code, it is one of the team's own."""
    for item in everywhere:
        image = item.manifest.image
        if item.manifest.embedded and image.startswith("docker.io/library/"):
            message = f"embedded: true, and {image} holds no code of yours"
            cure = "build an image with `aicore-sync package` and name it"
            yield Finding("AC133", "error", message, "image", cure, item.file)


def serving_alone(everywhere: tuple[Placed, ...], options: LintOptions) -> Iterator[Finding]:
    """AC171: a scenario comes to be by its first WorkflowTemplate; another repository may hold that one."""
    flows = {(i.tenant, i.manifest.scenario.id) for i in everywhere if _kind(i) == WORKFLOW[1]}
    for item in everywhere:
        scenario = item.manifest.scenario.id
        if _kind(item) == SERVING[1] and (item.tenant, scenario) not in flows:
            message = (
                f"no WorkflowTemplate of this source makes the scenario {scenario} in tenant {item.tenant}"
            )
            cure = "use the scenario of a flow, or turn the rule off where another repository has one"
            yield Finding("AC171", "warning", message, "scenario.id", cure, item.file)


def _kind(item: Placed) -> str:
    found = item.source.found
    return found.kind if isinstance(found, FoundTemplate) else WORKFLOW[1]


def quota(everywhere: tuple[Placed, ...], options: LintOptions) -> Iterator[Finding]:
    """AC169: a tenant takes 50 templates of each kind unless SAP has raised it."""
    counts: dict[tuple[str, str], set[str]] = defaultdict(set)
    for item in everywhere:
        counts[item.tenant, _kind(item)].add(item.manifest.executable.id)
    for (tenant, kind), ids in sorted(counts.items()):
        if len(ids) > options.quota:
            message = f"{len(ids)} {kind}s for tenant {tenant}, which takes {options.quota}"
            cure = "retire some, move some to another tenant, or ask SAP for more and set lint.quota"
            yield Finding("AC169", "warning", message, "", cure)


def cycles(everywhere: tuple[Placed, ...], options: LintOptions) -> Iterator[Finding]:
    """AC170: flows that take each other's newest outputs never get a first one, or start each other for ever."""
    for environment in sorted({item.environment for item in everywhere}):
        here = [item for item in everywhere if item.environment == environment]
        names = {item.manifest.executable.id: item.source.manifest.executable.id for item in here}
        found = [(item, f"configurations[{c.name}].inputs.{key}", Link(
            item.source.manifest.executable.id, names.get(part.flow, part.flow)
        )) for item in here for c in item.manifest.configurations for key, part in c.inputs.items()
            if part.flow and part.select == "latestCompleted"]  # fmt: skip
        ring = rings(link for _, _, link in found)
        for item, place, link in found:
            if link in ring:
                message = f"flows wait for each other in {environment}: {' ← '.join(ring[link])}"
                cure = (
                    "break the ring: bind one of them to an artifact, or to one output by its id in `select`"
                )
                yield Finding("AC170", "error", message, place, cure, item.file)


SOURCE_RULES: tuple[SourceRule, ...] = (scenario_names, serving_alone, embedded_images, quota, cycles)


def lint_bindings(made: Iterable[Made], options: LintOptions) -> tuple[Finding, ...]:
    """What configurations bind, against the templates that were made. A wrong one never stops a template."""
    all_made = tuple(made)
    found = [f for item in all_made for f in (*bindings(item), *upstreams(item, all_made))]
    return judged(found, options)


def bindings(made: Made) -> Iterator[Finding]:
    """AC167: parameters and inputs of a configuration are those of the template; case counts."""
    for item in made.placed.manifest.configurations if made.facts else ():
        place = f"configurations[{item.name}]"
        for text in binding_problems(made.facts, item.parameters, item.inputs) if made.facts else ():
            message, _, cure = text.partition("; ")
            yield Finding("AC167", "error", message, place, cure, made.placed.file)


def upstreams(made: Made, everything: tuple[Made, ...]) -> Iterator[Finding]:
    """AC168: the flow and the output that an input comes from exist in the same environment."""
    here = [m for m in everything if m.placed.environment == made.placed.environment]
    flows = {
        name: m
        for m in here
        for name in (m.placed.source.manifest.executable.id, m.placed.manifest.executable.id)
    }
    for item in made.placed.manifest.configurations:
        for key, part in item.inputs.items():
            place = f"configurations[{item.name}].inputs.{key}"
            producer = flows.get(part.flow)
            if part.flow and producer is None:
                message = f"no flow {part.flow} is in {made.placed.environment}"
                cure = did_you_mean(part.flow, sorted(flows))
                yield Finding("AC168", "warning", message, place, cure, made.placed.file)
            elif producer and producer.facts and part.output not in producer.facts.outputs:
                message = f"{part.flow} has no output {part.output}"
                known = ", ".join(producer.facts.outputs) or "none"
                yield Finding("AC168", "error", message, place, f"its outputs are: {known}", made.placed.file)
