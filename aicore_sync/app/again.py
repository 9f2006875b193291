"""Another try for what AI Core refused or people declined, when a person asks for a flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from aicore_sync.app.build import App
from aicore_sync.app.identity import operator
from aicore_sync.core.model import Key, TemplateKey
from aicore_sync.core.refusals import declined_path, read_declined, read_refusal, refusal_path


async def try_again(app: App, keys: Iterable[Key]) -> None:
    """Let these templates go to AI Core, or to people, once more, by whoever works on them: the state branch tells."""
    templates = {key for key in keys if isinstance(key, TemplateKey) and key.tenant in app.estate.tenants}
    for home in app.estate.homes():
        here = sorted(key for key in templates if app.estate.tenants[key.tenant].branch.home is home)
        files = (await home.state.read()).files if here else {}
        changes = {key: _once_more(key, files, app.estate.clock()) for key in here}
        names = ", ".join(key.executable for key, change in changes.items() if change)
        if names:
            every = {path: data for change in changes.values() for path, data in change.items()}
            await home.state.write(every, f"{operator()} has {names} tried again")
            app.reader.lists.state_changed(home)


def _once_more(key: TemplateKey, files: Mapping[str, bytes], now: datetime) -> dict[str, bytes]:
    """The notes of one template that stand in its way, by path, so that they do not."""
    refusal = read_refusal(files.get(refusal_path(key)))
    declined = read_declined(files.get(declined_path(key)))
    found = {}
    if refusal and not refusal.again:
        found[refusal_path(key)] = refusal.retried(now).encoded()
    if declined and not declined.again:
        found[declined_path(key)] = replace(declined, again=True).encoded()
    return found
