"""What was published of a flow, commit by commit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from aicore_sync.app.board import now
from aicore_sync.app.build import App
from aicore_sync.core.answers import VersionAnswer
from aicore_sync.core.difference import joined, template_changes
from aicore_sync.core.model import TemplateKey
from aicore_sync.core.plan import proven_live
from aicore_sync.core.problems import unknown
from aicore_sync.core.template import PublishedTemplate, file_name, read_published
from aicore_sync.git import Revision


@dataclass(frozen=True)
class Version:
    """A revision of a template's file with its content, and what it changed."""

    key: TemplateKey
    revision: Revision
    data: bytes | None
    facts: PublishedTemplate | None
    answer: VersionAnswer


async def templates_of(app: App, flow: str) -> tuple[TemplateKey, ...]:
    """The templates of FLOW, or of FLOW@TENANT, published or only in the source; an executable id is one's own name.

    Raises Stalled when there is none.
    """
    flow, _, tenant = flow.partition("@")
    await app.know_sources()
    known: dict[str, set[TemplateKey]] = {}
    for key, target in app.desire.catalog.targets.items():
        for name in (target.flow, key.executable):
            known.setdefault(name, set()).add(key)
    for place in app.estate.tenants.values():
        for executable, facts in (await app.reader.lists.owned(place)).items():
            for name in (facts.flow or executable, executable):
                known.setdefault(name, set()).add(TemplateKey(place.name, executable))
    found = {key for key in known.get(flow, ()) if tenant in ("", key.tenant)}
    if not found:
        if flow in known:
            flow, known = f"{flow}@{tenant}", {str(key): set() for key in known[flow]}
        raise unknown("flow", flow, known)
    return tuple(sorted(found))


async def history(app: App, flow: str, limit: int) -> tuple[Version, ...]:
    """The newest `limit` versions of each of the flow's templates, newest first."""
    found: list[Version] = []
    for key in await templates_of(app, flow):
        found += await versions(app, key, limit)
    return tuple(sorted(found, key=lambda v: v.revision.at, reverse=True))


async def versions(app: App, key: TemplateKey, limit: int) -> tuple[Version, ...]:
    """The newest versions of one template, newest first."""
    tenant = app.estate.tenants[key.tenant]
    published = await app.reader.lists.published(tenant, key.executable)
    file = published.file if published else file_name(key.executable, tenant.format)
    path = f"{tenant.path.strip('/')}/{file}".lstrip("/")
    revisions = await tenant.branch.clone.revisions(
        path, limit + 1
    )  # one more, to say what the oldest changed
    contents = await tenant.branch.clone.contents({r.blob for r in revisions if r.blob})
    live = await _live(app, key)
    texts = [contents[r.blob] if r.blob else None for r in revisions]
    pairs = pairwise([*texts, None])
    newest = next((r.commit for r in revisions if r.blob and r.blob == live), "")
    made = [_version(key, r, pair, live=r.commit == newest) for r, pair in zip(revisions, pairs, strict=True)]
    return tuple(made[:limit])


async def _live(app: App, key: TemplateKey) -> str:
    """The blob that AI Core is proven to run, "" when that is not proven."""
    look = await app.reconcile.look(key, now())
    seen = getattr(look.seen, "published", None)
    return seen.blob if seen and proven_live(look.seen) else ""  # type: ignore[arg-type]


def _version(
    key: TemplateKey, revision: Revision, texts: tuple[bytes | None, bytes | None], *, live: bool
) -> Version:
    data, before = texts
    facts = read_published(data) if data else None
    answer = VersionAnswer(
        commit=revision.commit,
        at=revision.at,
        author=revision.author,
        subject=revision.subject,
        tenant=key.tenant,
        executable=key.executable,
        version=facts.version if facts else "",
        source=facts.source_revision if facts else "",
        changes=tuple(str(change) for change in joined(template_changes(before, data))),
        live=live,
    )
    return Version(key, revision, data, facts, answer)
