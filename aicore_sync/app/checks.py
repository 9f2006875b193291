"""Checks a whole source without any tenant: what `aicore-sync lint` does, with a configuration or without one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from aicore_sync.app.build import lint_options, render_options
from aicore_sync.app.estate import instance_types
from aicore_sync.app.sources import rights_of
from aicore_sync.config import Settings, Source
from aicore_sync.controller.jobs import Place
from aicore_sync.controller.renders import Made as MadeTemplate
from aicore_sync.controller.renders import SourceOptions, TemplateMaker
from aicore_sync.controller.source import Origin, Scan, Sources, View
from aicore_sync.core.catalog import Target, catalog
from aicore_sync.core.discover import FoundTemplate, find_flows
from aicore_sync.core.errors import InvalidInput, Problem, Stalled, Transient
from aicore_sync.core.inventory import FlowSource, Inventory, Part, is_manifest, take_inventory
from aicore_sync.core.lint import (
    Finding,
    LintFailed,
    LintOptions,
    Made,
    Placed,
    finding_of,
    in_environments,
    judged,
    lint,
    lint_bindings,
    lint_source,
    placed,
    unused_schedule,
)
from aicore_sync.core.manifest import Defaults, with_metaflow_schedule
from aicore_sync.core.model import TemplateKey
from aicore_sync.core.rights import Rights
from aicore_sync.core.template import parse_document
from aicore_sync.render import Renderer, RenderFailed, RenderOptions

log = structlog.get_logger()

_KIND = re.compile(r"(?m)^[\"']?kind[\"']?:\s*[\"']?(\w*Workflow\w*|ServingTemplate|Secret)\b")
_NO_TENANT = Place("lint", "s3://bucket/metaflow", "", "default-object-store-secret", "yaml")


@dataclass(frozen=True)
class CheckOptions:
    """What to check and how.

    `tenants` maps environments to tenants, None: every environment that a manifest names is a tenant of its own.
    `rights` says what the flows may do, `places` what of a tenant ends up in templates. `loose`:
    templates without a manifest are checked too.
    """

    root: Path
    render: RenderOptions
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = (".py", ".R", ".RDS")
    defaults: Defaults = field(default_factory=Defaults)
    tenants: Mapping[str, str] | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    lint: LintOptions = field(default_factory=LintOptions)
    rights: Rights = field(default_factory=Rights)
    loose: bool = False


@dataclass(frozen=True)
class Checked:
    """All findings, and how many flows and templates were looked at."""

    findings: tuple[Finding, ...]
    count: int

    def __add__(self, other: Checked) -> Checked:
        """Both together."""
        return Checked(self.findings + other.findings, self.count + other.count)


def configured(settings: Settings) -> list[CheckOptions]:
    """The checks that a configuration describes: one for each directory; what is in git is checked there."""
    return [
        _configured(settings, source, source.directory) for source in settings.sources if source.directory
    ]


def _configured(settings: Settings, source: Source, directory: Path) -> CheckOptions:
    return CheckOptions(
        root=directory.resolve(),
        render=render_options(settings),
        include=source.include,
        exclude=source.exclude,
        rights=rights_of(settings, source),
        suffixes=settings.render.package_suffixes,
        defaults=settings.defaults,
        tenants=settings.tenants_by_environment(),
        places={tenant.name: _place(settings, tenant.name) for tenant in settings.tenants},
        lint=lint_options(settings),
    )


def unconfigured(root: Path, cache_dir: Path) -> CheckOptions:
    """The check of a directory that belongs to no installation: defaults, and one made-up environment."""
    options = RenderOptions(cache_dir=cache_dir)
    return CheckOptions(root.resolve(), options, defaults=Defaults(environments=("default",)), loose=True)


def _place(settings: Settings, name: str) -> Place:
    tenant = settings.tenant(name)
    store, repository = tenant.datastore, settings.repository(tenant.repository)
    return Place(
        settings.owner,
        store.root,
        store.endpoint or "",
        store.secret_name,
        repository.format,
        instance_types(tenant),
    )


async def check(options: CheckOptions) -> Checked:
    """Render and check everything. What is wrong with a flow or its rendering environment is a finding, no error."""
    async with _checker(options) as checker:
        return await checker.run()


@asynccontextmanager
async def _checker(options: CheckOptions) -> AsyncIterator[_Checker]:
    renderer = Renderer(options.render)
    try:
        view = View(options.root)
        sources = Sources([Origin(lambda: view, options.include, options.exclude, options.rights)])
        seen = await asyncio.to_thread(sources.scan)
        inventory, tenants = await asyncio.to_thread(_inventory, options, seen)
        rules = options.lint
        maker = TemplateMaker(
            renderer, SourceOptions(sources, options.render.cache_dir, options.suffixes, rules)
        )
        yield _Checker(options, seen, inventory, tenants, maker)
    finally:
        await renderer.aclose()


def _inventory(options: CheckOptions, seen: Scan) -> tuple[Inventory, Mapping[str, str]]:
    """The source's flows, and the tenants of their environments."""

    def read(path: str) -> str:
        return _text(options.root / path)

    tenants = options.tenants
    if tenants is None:
        first = take_inventory([Part(seen.files)], read, options.defaults, {})
        named = {e for s in first.sources for e in (*s.manifest.environments, *s.manifest.overlays)}
        tenants = {name: name for name in sorted(named)}
    return take_inventory([Part(seen.files, options.rights)], read, options.defaults, tenants), tenants


@dataclass(frozen=True)
class _Checker:
    """One check under way."""

    options: CheckOptions
    seen: Scan
    inventory: Inventory
    tenants: Mapping[str, str]
    maker: TemplateMaker

    async def run(self) -> Checked:
        targets = catalog(self.inventory, self.tenants, complete_scan=True)
        unique = {target.key: target for target in (*targets.flows.values(), *targets.targets.values())}
        results = await asyncio.gather(*(self._made(target) for target in unique.values()))
        made = dict(zip(unique, (template for template, _ in results), strict=True))
        found = [finding for _, several in results for finding in several]
        found += [finding_of(problem) for problem in (*self.inventory.problems(), *self.seen.problems)]
        found += lint_source(self.inventory.sources, self.tenants, self.options.lint)
        found += lint_bindings(self._bindable(made), self.options.lint)
        found += await asyncio.to_thread(lambda: list(self._never_started()))
        loose = await asyncio.to_thread(lambda: list(self._loose()))
        found += [finding for _, several in loose for finding in several]
        count = len(self.inventory.sources) + len(self.inventory.broken) + len(loose)
        return Checked(judged(map(self._with_line, found), self.options.lint), count)

    async def _made(self, target: Target) -> tuple[MadeTemplate | None, list[Finding]]:
        """A target's template, None when there is none, and what was found on the way."""
        source = target.source
        if source.problems:
            return None, []
        try:
            return await self._tried(target)
        except (
            Exception
        ) as error:  # a fault of ours with one file must not hide what is wrong with the others
            log.exception("a check failed", file=source.file)
            code = "AC100" if isinstance(source.found, FoundTemplate) else "AC181"
            message = f"aicore-sync cannot check this file: {type(error).__name__}"
            return None, [Finding(code, "error", message, cure="report it with the log", file=source.file)]

    async def _tried(self, target: Target) -> tuple[MadeTemplate | None, list[Finding]]:
        """Raises only what nobody foresaw."""
        source = target.source
        place = self.options.places.get(target.key.tenant) or _NO_TENANT
        try:
            made = await self.maker.make(target, self.seen, place)
            with_metaflow_schedule(target.manifest, made.cron, source.file)
        except LintFailed as error:
            return None, list(error.findings)
        except InvalidInput as error:
            return None, [_unmade(problem, source) for problem in error.problems]
        except RenderFailed as error:
            file = error.file or source.file
            words = re.sub(
                r"^\S+\.py(:\d+)?: ", "", error.message
            )  # the finding has file and line of its own
            code = "AC184" if error.refused else "AC181"
            return None, [Finding(code, "error", words, file=file, line=error.line, detail=error.detail)]
        except (
            Stalled,
            Transient,
        ) as error:  # no environment to render this one in: the others are still checked
            return None, [Finding("AC181", "error", error.message, file=source.file)]
        found = [*made.findings, *(_warned(text, source) for text in made.warnings)]
        return made, [*found, *unused_schedule(target.manifest, made.cron, source.file)]

    def _bindable(self, made: Mapping[TemplateKey, MadeTemplate | None]) -> Iterator[Made]:
        for item in in_environments(self.inventory.sources, self.tenants):
            template = made.get(TemplateKey(item.tenant, item.manifest.executable.id))
            yield Made(_scheduled(item, template), template.template.facts if template else None)

    def _never_started(self) -> Iterator[Finding]:
        """Flows that no manifest names and no `__main__` block starts: perhaps bases of others, perhaps forgotten.

        One that is started and still unknown belongs to a manifest that cannot be read, which says so itself.
        """
        known = {source.file for source in self.inventory.sources} | {b.file for b in self.inventory.broken}
        for path in self.seen.files:
            if not path.endswith(".py") or path in known:
                continue
            with suppress(InvalidInput):
                for flow in find_flows(_text(self.options.root / path), path):
                    if flow.has_main:
                        continue
                    cure = f'end the file with: if __name__ == "__main__": {flow.class_name}()'
                    message = f"{flow.class_name} is never started, so it is no flow here"
                    yield Finding("AC183", "info", message, "", cure, path, flow.line)

    def _loose(self) -> Iterator[tuple[str, tuple[Finding, ...]]]:
        """Template files that no manifest speaks for, as they are."""
        known = {source.file for source in self.inventory.sources}
        for path in self.seen.files if self.options.loose else ():
            if path in known or is_manifest(path) or not path.endswith((".yaml", ".yml", ".json")):
                continue
            text = _text(self.options.root / path)
            if not _KIND.search(text) and '"WorkflowTemplate"' not in text:
                continue
            try:
                found = lint(parse_document(text, path), self.options.lint)
            except InvalidInput as error:
                yield path, tuple(finding_of(problem, "AC100") for problem in error.problems)
            else:
                yield path, placed(found, path, text)

    def _with_line(self, finding: Finding) -> Finding:
        """Findings in manifests that have a key and no line get the line of that key."""
        if finding.line or not finding.place or not is_manifest(finding.file):
            return finding
        (found,) = placed([finding], finding.file, _text(self.options.root / finding.file))
        return found


def _scheduled(item: Placed, template: MadeTemplate | None) -> Placed:
    """With `@schedule` the flow has a configuration that its manifest may not name; its parameters count too."""
    try:
        cron = template.cron if template else None
        return replace(item, manifest=with_metaflow_schedule(item.manifest, cron, item.file))
    except InvalidInput:
        return item


def _unmade(problem: Problem, source: FlowSource) -> Finding:
    """A template that does not parse is AC100; the rest is about the manifest or the flow."""
    own = isinstance(source.found, FoundTemplate) and problem.file == source.file
    return finding_of(problem, "AC100" if own else "")


def _warned(text: str, source: FlowSource) -> Finding:
    return Finding("AC182", "warning", text, file=source.file)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # moved away since the scan; the file's own rules say so
        return ""


def below(findings: Iterable[Finding], path: str) -> tuple[Finding, ...]:
    """The findings about files at or below `path` ("": all). Those about no file stay."""
    return tuple(
        f for f in findings if not path or not f.file or f.file == path or f.file.startswith(f"{path}/")
    )
