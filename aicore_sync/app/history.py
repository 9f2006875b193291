"""What was published of a flow, commit by commit, and going back to one of them."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from itertools import pairwise

from aicore_sync.app.board import now
from aicore_sync.app.build import App
from aicore_sync.app.identity import operator
from aicore_sync.core.answers import VersionAnswer
from aicore_sync.core.difference import template_changes
from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import TemplateKey
from aicore_sync.core.pins import Pin, pin_path
from aicore_sync.core.plan import proven_live
from aicore_sync.core.problems import unknown
from aicore_sync.core.template import PublishedTemplate, file_name, owned_by, read_published
from aicore_sync.git import Author, Revision


@dataclass(frozen=True)
class Version:
    """A revision of a template's file with its content, and what it changed."""

    key: TemplateKey
    revision: Revision
    data: bytes | None
    facts: PublishedTemplate | None
    answer: VersionAnswer


async def templates_of(app: App, flow: str) -> tuple[TemplateKey, ...]:
    """The templates of FLOW, or of FLOW@TENANT, published or only in the source. Raises Stalled when there is none."""
    flow, _, tenant = flow.partition("@")
    await app.know_sources()
    known: dict[str, set[TemplateKey]] = {}
    for key, target in app.desire.catalog.targets.items():
        known.setdefault(target.flow, set()).add(key)
    for place in app.estate.tenants.values():
        for executable, facts in (await app.reader.lists.owned(place)).items():
            known.setdefault(facts.flow or executable, set()).add(TemplateKey(place.name, executable))
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
        changes=tuple(str(change) for change in template_changes(before, data)),
        live=live,
    )
    return Version(key, revision, data, facts, answer)


# --- going back ---


@dataclass(frozen=True)
class Back:
    """A rollback that was decided: the version that holds now."""

    key: TemplateKey
    version: VersionAnswer


async def rollback(app: App, key: TemplateKey, to: str, reason: str) -> Back:
    """Keep a template at an earlier version until its source moves on: at `to`, or at the one before what is there.

    Writes the decision to the state branch; whoever holds the lock makes the commit. Raises Stalled where there is no
    such version, or none of ours.
    """
    tenant = app.estate.tenants[key.tenant]
    want = await app.desire.template(key)
    if want.gone or want.source is None:
        raise Stalled(
            f"{key} is not in the source any more, so there is nothing to hold back", reason="NotFound"
        )
    chosen = _chosen(await versions(app, key, 100), key, to)
    if chosen.data is None or not owned_by(chosen.data, app.estate.owner):
        what = "removed the template" if chosen.data is None else "is not ours"
        raise Stalled(f"commit {chosen.revision.commit[:12]} {what}; choose another", reason="NotFound")
    opened = want.source.opened
    held = want.source.digest(opened)
    pin = Pin(held, chosen.revision.commit, chosen.data, operator(), now(), reason, opened)
    why = f": {reason}" if reason else ""
    words = f"{pin.by}: roll {key} back to {chosen.answer.version}{why}"
    await tenant.branch.state.write({pin_path(key): pin.encoded()}, words, _author())
    return Back(key, chosen.answer)


def _chosen(found: tuple[Version, ...], key: TemplateKey, to: str) -> Version:
    if to:
        fitting = [v for v in found if v.revision.commit.startswith(to)]
        if len(fitting) == 1:
            return fitting[0]
        word = "no" if not fitting else "more than one"
        raise Stalled(
            f"{word} commit {to} among the last {len(found)} of {key}; see `aicore-sync history`",
            reason="NotFound",
        )
    now_there = found[0].answer.version if found else ""
    earlier = next((v for v in found[1:] if v.data and v.answer.version != now_there), None)
    if earlier is None:
        raise Stalled(f"{key} has no earlier version to go back to", reason="NotFound")
    return earlier


async def undo(app: App, key: TemplateKey) -> bool:
    """End a rollback; False when there is none."""
    tenant = app.estate.tenants[key.tenant]
    path = pin_path(key)
    if path not in (await tenant.branch.state.read()).files:
        return False
    await tenant.branch.state.write({path: None}, f"{operator()}: end the rollback of {key}", _author())
    return True


def _author() -> Author:
    name = operator()
    return Author(name, f"{name}@{socket.gethostname()}")
