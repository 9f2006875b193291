"""Going back to a version of a template that was published before, and ending that."""

from __future__ import annotations

from collections.abc import Mapping

from aicore_sync.app.board import now
from aicore_sync.app.build import App
from aicore_sync.app.decide import signed
from aicore_sync.app.everywhere import everywhere
from aicore_sync.app.history import Version, templates_of, versions
from aicore_sync.app.identity import operator
from aicore_sync.controller.estate import Home
from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import TemplateKey
from aicore_sync.core.pins import Pin, pin_path
from aicore_sync.core.template import owned_by


async def roll_back(app: App, flow: str, to: str, reason: str) -> Mapping[TemplateKey, str]:
    """Keep the templates of FLOW, or of FLOW@TENANT, at an earlier version until their source moves on.

    `to` is a commit of the history, "" the version before the one that is there. Writes the decisions to the state
    branches; whoever holds the lock publishes. Returns what was decided, a few words for each. Raises Stalled, and
    decides nothing, where one of the templates has no such version, or none of ours.
    """
    await app.read_sources()
    found = {key: await _back(app, key, to, reason) for key in await templates_of(app, flow)}
    pins = {key: pin.encoded() for key, (_, pin) in found.items()}
    await _write(app, pins, f"roll {flow} back" + (f": {reason}" if reason else ""))
    return {key: words for key, (words, _) in found.items()}


async def end_rollback(app: App, flow: str) -> Mapping[TemplateKey, bool]:
    """Publish the source again; False for a template that was not rolled back."""
    keys = await templates_of(app, flow)
    files: dict[str, bytes] = {}
    for home in app.estate.homes():
        files |= (await home.state.read()).files
    held = {key: pin_path(key) in files for key in keys}
    if any(held.values()):
        await _write(app, {key: None for key, was in held.items() if was}, f"end the rollback of {flow}")
    return held


def told(decided: Mapping[TemplateKey, str]) -> str:
    """What was decided, a line for each template."""
    return "\n".join(f"{key}: {words}" for key, words in decided.items())


def told_end(ended: Mapping[TemplateKey, bool]) -> str:
    """What came of the end of a rollback, a line for each template."""
    return told({key: "its rollback ends" if was else "was not rolled back" for key, was in ended.items()})


async def _back(app: App, key: TemplateKey, to: str, reason: str) -> tuple[str, Pin]:
    """What is decided of a template, in words and as what is kept."""
    want = await app.desire.template(key)
    if want.gone or want.source is None:
        words = f"{key} is not in the source any more, so there is nothing to hold back"
        raise Stalled(words, reason="NotFound")
    chosen = _chosen(await versions(app, key, 100), key, to)
    commit = chosen.revision.commit
    if chosen.data is None or not owned_by(chosen.data, app.estate.owner):
        what = "removed the template" if chosen.data is None else "is not ours"
        raise Stalled(f"commit {commit[:12]} {what}; choose another", reason="NotFound")
    opened = want.source.opened
    made = want.template.facts.template_digest if want.template else ""
    pin = Pin(want.source.digest(opened), commit, chosen.data, operator(), now(), reason, opened, made)
    at = f"{chosen.answer.at:%Y-%m-%d %H:%M} UTC"
    return f"back to {chosen.answer.version}, commit {commit[:12]} of {at}", pin


def _chosen(found: tuple[Version, ...], key: TemplateKey, to: str) -> Version:
    if to:
        fitting = [v for v in found if v.revision.commit.startswith(to)]
        if len(fitting) == 1:
            return fitting[0]
        word = "no" if not fitting else "more than one"
        words = f"{word} commit {to} among the last {len(found)} of {key}; see `aicore-sync history`"
        raise Stalled(words, reason="NotFound")
    now_there = found[0].answer.version if found else ""
    earlier = next((v for v in found[1:] if v.data and v.answer.version != now_there), None)
    if earlier is None:
        raise Stalled(f"{key} has no earlier version to go back to", reason="NotFound")
    return earlier


async def _write(app: App, files: Mapping[TemplateKey, bytes | None], words: str) -> None:
    """One commit in the operator's name on every branch that a decision is about."""
    note, author = signed(words)

    async def write(home: Home) -> None:
        ours = {
            key: data for key, data in files.items() if app.estate.tenants[key.tenant].branch.home is home
        }
        await home.state.write({pin_path(key): data for key, data in ours.items()}, note, author)

    concerned = {app.estate.tenants[key.tenant].branch.home.name for key in files}
    await everywhere([home for home in app.estate.homes() if home.name in concerned], write)
