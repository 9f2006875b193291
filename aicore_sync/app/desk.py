"""What people do in the window: the commands' own functions, in the name of whoever is logged in."""

from __future__ import annotations

import structlog

from aicore_sync.app.act import stop_run, trigger_run
from aicore_sync.app.again import try_again
from aicore_sync.app.board import now
from aicore_sync.app.build import App
from aicore_sync.app.decide import resume, suspend
from aicore_sync.app.identity import acting_as
from aicore_sync.app.look import named
from aicore_sync.app.once import confirm
from aicore_sync.app.rollback import end_rollback, roll_back, told, told_end
from aicore_sync.app.runs import Asked, find
from aicore_sync.core.chronicle import Event
from aicore_sync.core.decisions import Scope
from aicore_sync.core.errors import Stalled
from aicore_sync.core.model import FlowKey, Key, TemplateKey
from aicore_sync.core.problems import unknown
from aicore_sync.web import Underway

PATIENCE = 10.0  # seconds that somebody who asks for a look waits for remote sources
log = structlog.get_logger()


class AppDesk:
    """See `aicore_sync.web.Desk`. The loop holds the lock, so runs are asked for and it starts and stops them."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def sync(self, by: str, scope: Scope) -> Underway:
        """Looks at the source first, and at the flows whatever they wait for."""
        await self._app.look_at_sources(PATIENCE)
        since = now()  # nothing was awaited since the scan's end, so every pass from here on knows it
        keys = self._keys(scope)
        new = scope.flow in self._app.desire.catalog.names()  # and has been given to the loop just now
        if not keys and not new and scope != Scope():
            raise self._unknown(scope)
        if scope.flow:
            with acting_as(by):
                await try_again(self._app, keys)
        for key in keys:
            self._app.loop.add(key)
        if scope == Scope():
            self._app.sweep.ask()
        await self._app.share.tell()
        message = await self._told(by, scope, "SyncAsked", f"{by} asked for a look at {scope}")
        return Underway(message, since)

    async def suspend(self, by: str, scope: Scope, reason: str) -> str:
        try:
            with acting_as(by):
                await suspend(self._app, scope, reason)
        finally:  # it may be done in one repository and not in another
            await self._look_again(scope)
        why = f": {reason}" if reason else ""
        return await self._told(by, scope, "SuspendedByHand", f"{by} suspended {scope}{why}")

    async def resume(self, by: str, scope: Scope, reason: str) -> str:
        try:
            with acting_as(by):
                decided = await resume(self._app, scope, reason)
        finally:
            await self._look_again(scope)
        if not decided.changed:
            return f"{scope} was not suspended"
        return await self._told(by, scope, "ResumedByHand", f"{by} resumed {scope}")

    async def rollback(self, by: str, flow: str, to: str, reason: str) -> Underway:
        with acting_as(by):
            words = told(await roll_back(self._app, flow, to, reason))
        why, scope = f": {reason}" if reason else "", _scope_of(flow)
        said = await self._told(by, scope, "RolledBackByHand", f"{by} rolled back {words}{why}")
        return await self._underway(scope, said)

    async def end_rollback(self, by: str, flow: str) -> Underway:
        with acting_as(by):
            ended = await end_rollback(self._app, flow)
        said, scope = told_end(ended), _scope_of(flow)
        if any(ended.values()):
            said = await self._told(by, scope, "RollbackEnded", f"{by}: {said}")
        return await self._underway(scope, said)

    async def _underway(self, scope: Scope, said: str) -> Underway:
        since = now()  # no pass begins before its decisions are to be read anew
        await self._look_again(scope)
        return Underway(said, since)

    async def confirm(self, by: str, fingerprint: str) -> str:
        shown = (c.fingerprint for status in self._app.board.everywhere() for c in status.conditions)
        if fingerprint not in shown:
            words = f"nothing waits for a confirmation of {fingerprint}; look again at what waits now"
            raise Stalled(words, reason="NothingWaits")
        try:
            with acting_as(by):
                await confirm(self._app, fingerprint)
        finally:
            await self._look_again(Scope())
            self._app.sweep.ask()
        return await self._told(by, Scope(), "Confirmed", f"{by} confirmed {fingerprint}")

    async def trigger(self, by: str, scope: Scope, configuration: str) -> str:
        asked = Asked(scope.flow, scope.environment, configuration)
        with acting_as(by):
            found = await trigger_run(self._app, asked, _quietly)
        await self._look_again(scope)
        what = f"{by} asked for a run of {scope.flow}"
        what += f", configuration {configuration}" if configuration else ""
        what += f": execution {found.execution.id} was started" if found else ""
        return await self._told(by, scope, "TriggerAsked", what)

    async def stop(self, by: str, execution: str, environment: str) -> str:
        found = await find(self._app, execution, environment)
        with acting_as(by):
            said = await stop_run(self._app, found, _quietly)
        scope = Scope(named(found.name)[0], found.place.name)
        await self._look_again(scope)
        return await self._told(by, scope, "StopAsked", f"{by}: {said}")

    async def _told(self, by: str, scope: Scope, reason: str, words: str) -> str:
        """Leave the sentence where people look for what happened: log and events."""
        log.info("acted", user=by, reason=reason, scope=str(scope), text=words)
        event = Event(now(), "action", reason, words, flow=scope.flow, environment=scope.environment, by=by)
        await self._app.store.record(event)
        return words

    async def _look_again(self, scope: Scope) -> None:
        for home in self._app.estate.homes():
            self._app.reader.lists.state_changed(home)
        self._app.decided.ask()
        for key in self._keys(scope):
            self._app.loop.add(key)
        await self._app.share.tell()

    def _unknown(self, scope: Scope) -> Stalled:
        environments = self._app.estate.environments
        if scope.environment and scope.environment not in environments:
            return unknown("environment", scope.environment, environments)
        names = {s.key.flow for s in self._app.board.everywhere() if isinstance(s.key, FlowKey)}
        if scope.flow and scope.flow not in names:
            return unknown("flow", scope.flow, names)
        return Stalled(f"there is no flow for {scope}", reason="NotFound")

    def _keys(self, scope: Scope) -> list[Key]:
        """The flows in scope and their templates, as far as the board knows them."""
        chosen: set[Key] = set()
        everywhere = self._app.board.everywhere()
        for status in everywhere:
            key = status.key
            template = TemplateKey(status.facts.get("tenant", ""), status.facts.get("template", ""))
            its_own = template.executable == scope.flow != ""
            if isinstance(key, FlowKey) and (its_own or scope.covers(key.flow, key.environment)):
                chosen |= {key, template}
            elif isinstance(key, TemplateKey) and key.executable == scope.flow:
                chosen.add(key)
        known = {status.key for status in everywhere}
        return sorted(chosen & known, key=lambda key: (isinstance(key, FlowKey), key))


def _scope_of(flow: str) -> Scope:
    """Of FLOW or FLOW@TENANT."""
    return Scope(flow.partition("@")[0])


def _quietly(text: str) -> None:
    log.info("told_operator", text=text)
