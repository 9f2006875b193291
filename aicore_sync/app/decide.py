"""Decisions of operators, written to the state branches where every process of this owner finds them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from aicore_sync.app.board import now
from aicore_sync.app.build import App
from aicore_sync.app.everywhere import everywhere
from aicore_sync.app.identity import operator
from aicore_sync.controller.estate import Home
from aicore_sync.core.decisions import (
    Decision,
    Decisions,
    Scope,
    decisions,
    expired,
    joined,
    thaw_path,
)
from aicore_sync.core.freeze import frozen
from aicore_sync.core.problems import unknown
from aicore_sync.core.resources import REWRITE
from aicore_sync.git import Author


@dataclass(frozen=True)
class Decided:
    """What holds after a decision. `changed` is False when it was so before."""

    standing: Decisions
    changed: bool = True


async def suspend(app: App, scope: Scope, reason: str) -> Decided:
    """Suspend what `scope` names. Raises Stalled (NotFound) for what the configuration and the source do not have."""
    await _require_known(app, scope)
    decision = Decision(operator(), now(), reason)
    why = f": {reason}" if reason else ""
    return await _write(app, scope, {scope.path: decision.encoded()}, f"suspend {scope}{why}")


async def resume(app: App, scope: Scope, reason: str) -> Decided:
    """Take that suspension back; wider and narrower ones stay, and stand in the result."""
    why = f": {reason}" if reason else ""
    return await _write(app, scope, {scope.path: None}, f"resume {scope}{why}")


async def lift_freezes(app: App, reason: str) -> dict[str, datetime]:
    """Let every environment that is frozen now be changed until its freeze ends; returns these ends."""
    lifted = {}
    for place in app.estate.environments.values():
        freeze = frozen(app.estate.freezes, place.name, now())
        if freeze is None:
            continue
        decision = Decision(operator(), now(), reason, until=freeze.until)
        words = f"override the freeze of {place.name} until {freeze.until:%Y-%m-%d %H:%M} UTC"
        await _write(app, Scope(environment=place.name), {thaw_path(place.name): decision.encoded()}, words)
        lifted[place.name] = freeze.until
    return lifted


async def rewrite_secrets(app: App) -> int:
    """Have every declared secret written anew by whoever holds the lock; returns how many there are."""
    count = 0
    for home in app.estate.homes():
        tenants = [tenant for tenant in app.estate.tenants.values() if tenant.branch.home is home]
        paths = [secret.id.path(t.name) for t in tenants for secret in t.declared.secrets]
        if paths:
            note, author = signed(f"write {len(paths)} secrets anew")
            await home.state.write(dict.fromkeys(paths, f"{REWRITE}\n".encode()), note, author)
            app.reader.lists.state_changed(home)
        count += len(paths)
    return count


async def _require_known(app: App, scope: Scope) -> None:
    """In the configuration, and in the source (broken flows count) or among what was published."""
    if scope.environment and scope.environment not in app.estate.environments:
        raise unknown("environment", scope.environment, app.estate.environments)
    if not scope.flow:
        return
    await app.read_sources()
    known = app.desire.catalog.names()
    if scope.flow not in known:
        for tenant in app.estate.tenants.values():
            known |= {f.flow or f.executable for f in (await app.reader.lists.owned(tenant)).values()}
    if scope.flow not in known:
        raise unknown("flow", scope.flow, known)


def _homes(app: App, scope: Scope) -> tuple[Home, ...]:
    if scope.environment:
        return (app.estate.tenant_of(scope.environment).branch.home,)
    return app.estate.homes()


async def _write(app: App, scope: Scope, changes: Mapping[str, bytes | None], words: str) -> Decided:
    """One commit in the operator's name on every branch that the scope concerns; ended overrides go with it."""
    note, author = signed(words)
    found: list[Decisions] = []
    changed: dict[str, bool] = {}

    async def write(home: Home) -> None:
        def decide(files: Mapping[str, bytes]) -> Mapping[str, bytes | None]:
            changed[home.name] = any(data is not None or path in files for path, data in changes.items())
            return {**dict.fromkeys(expired(decisions(files), now())), **changes}

        snapshot = await home.state.update(decide, note, author)
        found.append(decisions(snapshot.files))

    await everywhere(_homes(app, scope), write)
    return Decided(joined(found), any(changed.values()))


def signed(words: str) -> tuple[str, Author]:
    """The message of a commit in the operator's name, and that name."""
    name = operator()
    return f"{name}: {words}", Author(name, f"{name}@{socket.gethostname()}")
