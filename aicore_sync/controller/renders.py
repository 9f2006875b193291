"""From a target to a finished template: snapshot, render, decorate, check. Cached by input digest, on disk too."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import structlog

from aicore_sync.controller.jobs import Place, job_of, require_small, requirements_of, secrets_of
from aicore_sync.controller.judge import Judge
from aicore_sync.controller.kept import Kept
from aicore_sync.controller.outcomes import Outcomes
from aicore_sync.controller.source import (
    Scan,
    Sources,
    files_below,
    is_source,
    settings_above,
    snapshot,
)
from aicore_sync.core.catalog import Target
from aicore_sync.core.desired import Template
from aicore_sync.core.discover import FoundTemplate
from aicore_sync.core.errors import Stalled, Transient
from aicore_sync.core.ingredients import Ingredients
from aicore_sync.core.lint import Finding, LintOptions, unheard
from aicore_sync.core.manifest import rendering_part
from aicore_sync.core.template import (
    RunInputs,
    decorate,
    facts,
    file_name,
    images,
    input_digest,
    parse_document,
    run_digest,
    spec_digest,
    template_digest,
    to_bytes,
)
from aicore_sync.core.wanted import run_options, template_options
from aicore_sync.core.world import Upload
from aicore_sync.render import Dialect, InstanceType, Rendered, RenderFailed, RenderJob, claimed

log = structlog.get_logger()


class Renders(Protocol):
    """What renders flows; see `aicore_sync.render.Renderer`."""

    async def version(self, dialect: Dialect, rendering: str = "") -> str: ...
    async def render(self, job: RenderJob) -> Rendered: ...


PACKAGED = (".py", ".R", ".RDS")

# Keys of a manifest by which a hand-written template becomes another one.
_ADDED = frozenset({"timeout", "resource_plan", "instance_type", "image_pull_secrets", "outputs"})


@dataclass(frozen=True)
class Made:
    """A template, the cron that the flow itself asks for, (step, why it got its machine) pairs, and the files that
    were opened to make it, None where that is not known."""

    template: Template
    cron: str | None
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    opened: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Inputs:
    """All that making a template reads: equal digest, equal template. `opened` is None while it is not known.

    `machines` are the tenant's and no source: another list of them ends no rollback.
    """

    source: Ingredients
    renderer: str
    machines: tuple[InstanceType, ...]
    opened: tuple[str, ...] | None

    @property
    def digest(self) -> str:
        machines = [asdict(machine) for machine in self.machines]
        source = self.source.digest(self.opened)
        return input_digest({"source": source, "renderer": self.renderer, "machines": machines})

    @property
    def whole(self) -> str:
        """The digest with every file that may count."""
        return replace(self, opened=None).digest


@dataclass(frozen=True)
class SourceOptions:
    """`suffixes` are the endings of packaged files; `lint` says what no template may hold, our secrets among it."""

    sources: Sources
    cache_dir: Path
    suffixes: tuple[str, ...] = PACKAGED
    lint: LintOptions = field(default_factory=LintOptions)


class TemplateMaker:
    """Makes templates of targets; equal inputs are rendered once."""

    def __init__(
        self, renders: Renders, options: SourceOptions, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._renders = renders
        self._options = options
        self._judge = Judge(options.lint, options.sources)
        self._made = Outcomes[Made](clock)
        self._kept = Kept(options.cache_dir / "rendered")
        self._locks: dict[str, asyncio.Lock] = {}

    def ingredients(self, target: Target, scan: Scan, place: Place) -> Ingredients:
        """What people wrote that this template is made of, tools apart."""
        packaged, others = self._inputs(target, scan)
        parts = {
            "manifest": rendering_part(target.manifest),
            "place": [place.owner, place.store_root, place.store_endpoint, place.store_secret, place.format],
            "target": [target.key.executable, target.flow, target.source.origin],
            "script": target.source.script,
            "files": sorted(packaged.items()),
        }
        return Ingredients(input_digest(parts), others)

    def _inputs(self, target: Target, scan: Scan) -> tuple[dict[str, str], dict[str, str]]:
        """Files that make the template, and those that may: IncludeFile may name any below the flow's directory."""
        if isinstance(target.source.found, FoundTemplate):
            return {target.source.file: scan.files.get(target.source.file, "")}, {}
        named = (target.source.script, target.manifest.requirements)
        packaged: dict[str, str] = {}
        others: dict[str, str] = {}
        for name, digest in files_below(scan, target.source.directory).items():
            found = packaged if name in named or self._is_packaged(name) else others
            found[name] = digest
        return packaged, others

    def _is_packaged(self, name: str) -> bool:
        return name.endswith(self._options.suffixes or PACKAGED)

    async def make(self, target: Target, scan: Scan, place: Place) -> Made:
        """The template. Raises RenderFailed, InvalidInput or Stalled (LintFailed); `Outcomes` remembers."""
        handwritten = isinstance(target.source.found, FoundTemplate)
        manifest, version = target.manifest, self._renders.version
        renderer = "" if handwritten else await version(manifest.dialect, manifest.render_environment)
        source = self.ingredients(target, scan, place)
        async with self._lock(source.always):
            opened = await self._opened(source.always)
            inputs = Inputs(source, renderer, place.instance_types, opened)
            known = self._made.get(inputs.digest) or self._made.get(inputs.whole)
            if known is None:
                known = await self._make(target, scan, place, inputs)
                # a failure may have come of any file, whatever earlier renders opened
                done = known.template.facts.input_digest if isinstance(known, Made) else inputs.whole
                self._made.put(done, known)
        if isinstance(known, Stalled):
            raise known
        unread = [] if handwritten else settings_above(scan, target.source.directory)
        ignored = (f"{file} is ignored: settings come from the manifest" for file in unread)
        return replace(known, warnings=(*ignored, *known.warnings))

    async def _opened(self, always: str) -> tuple[str, ...] | None:
        if self._kept.remembers(always):  # without the price of a thread in every pass
            return self._kept.opened(always)
        return await asyncio.to_thread(self._kept.opened, always)

    def _lock(self, digest: str) -> asyncio.Lock:
        if len(self._locks) > 2000:
            self._locks = {digest: lock for digest, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(digest, asyncio.Lock())

    def forget(self, digest: str) -> None:
        """Something that this render left behind is lost: the next pass renders again."""
        self._made.forget(digest)
        self._kept.forget(digest)

    async def _make(self, target: Target, scan: Scan, place: Place, inputs: Inputs) -> Made | Stalled:
        try:
            if isinstance(target.source.found, FoundTemplate):
                seen = scan.files.get(target.source.file, "")
                return await asyncio.to_thread(self._handwritten, target, seen, place, inputs.digest)
            rendered = await self._rendered(target, scan, place, inputs)
            digest = replace(inputs, opened=rendered.opened).digest
            return await asyncio.to_thread(self._finished, target, rendered, place, digest)
        except Stalled as error:
            return error

    def _handwritten(self, target: Target, seen: str, place: Place, digest: str) -> Made:
        try:
            data = self._options.sources.data(target.source.file)
        except OSError as error:
            raise Transient(f"the template cannot be read: {error}", reason="SourceChanging") from None
        if hashlib.sha256(data).hexdigest() != seen:
            raise Transient("the template changed while it was read", reason="SourceChanging")
        document = parse_document(data, target.source.file)
        run = spec_digest(document)
        made = self._made_of(target, document, (place, digest, run), ())
        original = "" if target.manifest.model_fields_set & _ADDED else template_digest(document)
        return replace(made, template=replace(made.template, original=original))

    async def _rendered(self, target: Target, scan: Scan, place: Place, inputs: Inputs) -> Rendered:
        found = await asyncio.to_thread(self._kept.get, inputs.digest)
        if found is not None:
            return found
        with claimed(self._options.cache_dir / "snapshots" / uuid.uuid4().hex) as claim:
            rendered = await self._fresh(target, scan, place, claim / "flow")
        opened = rendered.opened
        if opened is not None:  # what is packaged counts anyhow
            opened = tuple(n for n in opened if not self._is_packaged(n) and is_source(n))
        rendered = replace(rendered, opened=opened)
        await asyncio.to_thread(self._kept.note_opened, inputs.source.always, opened)
        await asyncio.to_thread(self._kept.put, replace(inputs, opened=opened).digest, rendered)
        return rendered

    async def _fresh(self, target: Target, scan: Scan, place: Place, private: Path) -> Rendered:
        """Rendered from a snapshot, which is `private`, and gone afterwards."""
        try:
            files = files_below(scan, target.source.directory)
            directory = target.source.directory
            root, below = self._options.sources.locate(directory)
            await asyncio.to_thread(require_small, target, root, below, files)
            same = await asyncio.to_thread(snapshot, root, below, files, private)
            if not same:
                raise Transient("the flow's files changed while they were copied", reason="SourceChanging")
            log.info("rendering", flow=target.flow, script=target.source.file)
            own = await asyncio.to_thread(requirements_of, target, private)
            return await self._render(
                replace(job_of(target, private, place, self._options.suffixes), requirements=own), directory
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, private, True)

    async def _render(self, job: RenderJob, directory: str) -> Rendered:
        """Render; an error names the file as the source knows it."""
        try:
            return await self._renders.render(job)
        except RenderFailed as error:
            if not directory or not error.file:
                raise
            file, named = f"{directory}/{error.file}", error.message.startswith(error.file)
            message = f"{directory}/{error.message}" if named else error.message
            raise RenderFailed(
                message, file=file, line=error.line, detail=error.detail, refused=error.refused
            ) from error

    def _finished(self, target: Target, rendered: Rendered, place: Place, digest: str) -> Made:
        inputs = RunInputs(
            rendered.user_files,
            rendered.included,
            tuple(images(rendered.document)),
            run_options(target.manifest, secrets_of(target, place)),
        )
        chosen = {**target.manifest.resource_plan, **target.manifest.instance_type}
        wishes = self._judge.findings(unheard(rendered.unheard, chosen, rendered.document), target)
        made = self._made_of(target, rendered.document, (place, digest, run_digest(inputs)), rendered.uploads)
        said = replace(made, cron=rendered.cron, warnings=rendered.warnings, notes=rendered.notes)
        return replace(said, findings=(*wishes, *made.findings), opened=rendered.opened)

    def _made_of(
        self,
        target: Target,
        document: Mapping[str, Any],
        marks: tuple[Place, str, str],
        uploads: tuple[Upload, ...],
    ) -> Made:
        place, digest, run = marks
        revision = self._options.sources.revision(target.source.file) or digest[:12]
        source = f"{target.source.file}@{revision}"
        options = replace(
            template_options(target, place.owner), input_digest=digest, run_digest=run, source_revision=source
        )
        self._judge.require_form(document, target)
        finished = decorate(document, options)
        findings = self._judge.checked(finished, target)
        name = file_name(target.key.executable, place.format)
        data = to_bytes(finished, place.format)
        return Made(Template(name, data, facts(finished), uploads, source), None, findings)
