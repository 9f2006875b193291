"""What deciding about a template needs to see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from aicore_sync.controller.estate import Estate, Tenant
from aicore_sync.controller.memory import Memory
from aicore_sync.controller.observe.lists import Lists
from aicore_sync.controller.observe.quota import Places
from aicore_sync.core.desired import PublishedFile, ScheduleUse, SeenTemplate, WantTemplate
from aicore_sync.core.errors import Transient
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.plan.review import counted
from aicore_sync.core.plan.templates import paused_path
from aicore_sync.core.refusals import Refusal, declined_path, read_declined, read_refusal, refusal_path
from aicore_sync.core.template import binding_problems, read_published
from aicore_sync.core.world import ApplicationStatus, Configuration, Executable, Schedule
from aicore_sync.git import Blob, StateSnapshot, blob_id

RARELY = 3600.0  # how often a push is tried for which schedules pause each time
SHA = re.compile(r"[0-9a-f]{40}")


class TemplateReader:
    """Reads the branch head, the application and who uses the template."""

    def __init__(self, estate: Estate, memory: Memory, lists: Lists) -> None:
        self._estate = estate
        self._memory = memory
        self._lists = lists
        self._places = Places(estate, memory, lists)

    async def read(self, want: WantTemplate) -> SeenTemplate:
        """Everything that deciding about a template needs."""
        tenant = self._estate.tenants[want.key.tenant]
        published = await self._lists.published(tenant, want.key.executable)
        status = await self._lists.application(tenant)
        state = await self._lists.state(tenant.branch.home)
        uses = await self._uses(want, tenant)
        declined = read_declined(state.files.get(declined_path(want.key)))
        wanted = want.template.facts.template_digest if want.template else ""
        proposed = await self._lists.review(tenant, want.key.executable, published)
        review = counted(proposed, declined, wanted)
        seen = SeenTemplate(
            published=published,
            pending=self._pending(want, tenant, published),
            push_error=self._push_error(want, uses),
            registration=await self._lists.registration(tenant),
            application=status,
            synced_blob=await self._synced_blob(tenant, published, status),
            schedules=uses,
            executions=await self._running(want, tenant) if want.gone else 0,
            declined=declined,
            review=None if review and review.outdated else review,
            conflict=review if review and review.outdated else None,
            paused=paused(state.files.get(paused_path(want))),
            sync_requested=self._sync_requested(tenant),
            overdue=self._overdue(want),
            file_error=_file_error(published, status),
            taken=None if published else await self._taken(want, tenant, status),
        )
        seen = await self._places.read(want, tenant, seen)
        seen = replace(seen, executable=await self._executable(tenant, seen))
        return replace(seen, refusal=await self._refusal(want, tenant, state, published))

    def _pending(self, want: WantTemplate, tenant: Tenant, published: PublishedFile | None) -> bool:
        names = {f"wt-{want.key.executable}.{tenant.format}"} | ({published.file} if published else set())
        return any(tenant.branch.committer.pending(tenant.path, name) for name in names)

    def _push_error(self, want: WantTemplate, uses: Iterable[ScheduleUse]) -> Hold | None:
        """What the last push failed with, until the next try is due: for this content, or in taking something away."""
        failure = self._memory.push_failures.get(want.key)
        wanted = want.template.facts.template_digest if want.template else ""
        if failure is None or failure.template_digest not in ("", wanted):
            return None
        transient = isinstance(failure.error, Transient)
        timings = self._estate.timings
        wait = timings.push_retry if transient else timings.interval
        if not transient and any(not use.accepted and use.schedule.status == "ACTIVE" for use in uses):
            wait = max(wait, min(wait * 2 ** min(failure.times - 1, 16), RARELY))
        left = wait - (self._estate.clock() - failure.at).total_seconds()
        if left <= 0:
            return None
        mark = Mark.WAIT if transient else Mark.FAIL
        return Hold(Stage.PUBLISH, failure.error.reason, failure.error.message, after=left, mark=mark)

    async def _synced_blob(
        self, tenant: Tenant, published: PublishedFile | None, status: ApplicationStatus | None
    ) -> str | None:
        if published is None or status is None or not SHA.fullmatch(status.revision):
            return None
        path = place_of(tenant, published)
        return await tenant.branch.clone.blob_id_at(status.revision, path)

    async def _executable(self, tenant: Tenant, seen: SeenTemplate) -> Executable | None:
        """Read again only while the version at the head is not yet the one that AI Core lists."""
        facts = seen.published.facts if seen.published else None
        if facts is None:
            return None
        found = await self._lists.executable(tenant, facts)
        stale = found is None or found.version_id != facts.version
        if stale and seen.published and seen.synced_blob == seen.published.blob:
            found = await self._lists.executable(tenant, facts, self._estate.timings.head_age)
        return found

    async def _taken(
        self, want: WantTemplate, tenant: Tenant, status: ApplicationStatus | None
    ) -> Executable | None:
        """An executable of the wanted id that is not from our application, whose status names all that it made.

        AI Core may list one for a while after its file went, when the application names it no more.
        """
        if want.template is None or want.blocked or _names(status, want.key.executable):
            return None
        found = await self._lists.executables.anywhere(tenant, want.template.facts)
        if found is None:
            return None
        fresh = await self._lists.application(tenant, self._estate.timings.head_age)
        if _names(fresh, found.id):
            return None
        return None if await self._was_ours(tenant, found) else found

    async def _was_ours(self, tenant: Tenant, found: Executable) -> bool:
        """Where the application does not name it: whether a file that we took away has left this version behind."""
        path = f"{tenant.path.strip('/')}/wt-{found.id}.{tenant.format}".lstrip("/")
        data = await tenant.branch.clone.previous_blob(path, frozenset())
        facts = read_published(data) if data else None
        ours = facts is not None and facts.owner == self._estate.owner
        return facts is not None and ours and facts.version == found.version_id

    async def _uses(self, want: WantTemplate, tenant: Tenant) -> tuple[ScheduleUse, ...]:
        uses: list[ScheduleUse] = []
        for place in self._estate.environments_of(tenant.name):
            known = (await self._lists.configurations(place)).by_id
            for schedule in (await self._lists.schedules(place)).all:
                configuration = known.get(schedule.configuration)
                if _runs(schedule, configuration, want.key.executable, self._estate.owner):
                    # What is taken for awake here could have its note about the pause dropped.
                    if self._memory.paused(schedule.id, self._estate.clock(), self._estate.settle):
                        schedule = replace(schedule, status="INACTIVE")
                    uses.append(ScheduleUse(place.name, schedule, _accepted(want, configuration)))
        return tuple(uses)

    async def _running(self, want: WantTemplate, tenant: Tenant) -> int:
        count = 0
        for place in self._estate.environments_of(tenant.name):
            runs = await self._lists.executions(place)
            count += sum(e.active for e in runs.of(want.key.executable))
            serving = await self._lists.deployments(place)
            count += sum(d.active for d in serving.of(want.key.executable))
        return count

    def _overdue(self, want: WantTemplate) -> bool:
        since = self._memory.unsynced_since.get(want.key)
        if since is None:
            return False
        return (self._estate.clock() - since).total_seconds() > self._estate.timings.sync_timeout

    def _sync_requested(self, tenant: Tenant) -> datetime | None:
        asked = self._memory.refreshed_at.get(tenant.name)
        pushed = self._memory.pushed_at.get(tenant.name)
        return None if asked is None or (pushed and pushed > asked) else asked

    async def _refusal(
        self, want: WantTemplate, tenant: Tenant, state: StateSnapshot, published: PublishedFile | None
    ) -> Refusal | None:
        refusal = read_refusal(state.files.get(refusal_path(want.key)))
        if refusal is None:
            return None
        if published is None or published.facts is None:
            return refusal
        if published.facts.template_digest != refusal.template_digest:
            return refusal
        previous = self._memory.live_files.get(want.key)
        if previous is None:
            previous = await self._never_refused(tenant, published, frozenset(refusal.all))
        return replace(refusal, previous=previous)

    async def _never_refused(
        self, tenant: Tenant, published: PublishedFile, refused: frozenset[str]
    ) -> bytes | None:
        """The newest version of a file in git's history that AI Core has not refused."""
        path, passed = place_of(tenant, published), {published.blob}
        while len(passed) <= len(refused) + 1:
            data = await tenant.branch.clone.previous_blob(path, frozenset(passed))
            if data is None:
                return None
            facts = self._lists.read(Blob(blob_id(data, length=len(published.blob)), data))
            if facts is None or facts.template_digest not in refused:
                return data
            passed.add(blob_id(data, length=len(published.blob)))
        return None


def _names(status: ApplicationStatus | None, executable: str) -> bool:
    return status is not None and status.resource(executable) is not None


def place_of(tenant: Tenant, published: PublishedFile) -> str:
    """The file's path in the repository."""
    return f"{tenant.path.strip('/')}/{published.file}".lstrip("/")


def paused(data: bytes | None) -> frozenset[str] | None:
    """The schedules that a record on the state branch names; None without one that can be read."""
    try:
        return frozenset(map(str, json.loads(data)["schedules"])) if data else None
    except (ValueError, KeyError, TypeError):
        return None


def _file_error(published: PublishedFile | None, status: ApplicationStatus | None) -> str:
    """AI Core's message when it names our file as what it cannot read."""
    if published is None or status is None or status.sync.lower() == "synced":
        return ""
    named = re.search(rf"(?<![\w.-]){re.escape(published.file)}(?![\w.-])", status.message)
    return status.message if named else ""


def _runs(schedule: Schedule, configuration: Configuration | None, executable: str, owner: str) -> bool:
    if configuration is None:  # somebody pointed it at a configuration of theirs: its name must do
        return schedule.name.startswith(f"{owner}.{executable}.")
    return configuration.executable == executable


def _accepted(want: WantTemplate, configuration: Configuration | None) -> bool:
    if want.template is None or configuration is None:
        return True
    return not binding_problems(want.template.facts, configuration.parameters, configuration.inputs)
