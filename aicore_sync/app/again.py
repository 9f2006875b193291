"""Another try for what AI Core refused: a person who asks for a flow does not wait until it is due."""

from __future__ import annotations

from collections.abc import Iterable

from aicore_sync.app.build import App
from aicore_sync.app.identity import operator
from aicore_sync.core.model import Key, TemplateKey
from aicore_sync.core.refusals import read_refusal, refusal_path


async def try_again(app: App, keys: Iterable[Key]) -> None:
    """Let these templates go to AI Core once more, by whoever works on them: the state branch tells."""
    templates = {key for key in keys if isinstance(key, TemplateKey) and key.tenant in app.estate.tenants}
    for home in app.estate.homes():
        here = sorted(key for key in templates if app.estate.tenants[key.tenant].branch.home is home)
        files = (await home.state.read()).files if here else {}
        found = {key: read_refusal(files.get(refusal_path(key))) for key in here}
        refused = {key: refusal for key, refusal in found.items() if refusal and not refusal.again}
        if refused:
            changes = {
                refusal_path(key): refusal.retried(app.estate.clock()).encoded()
                for key, refusal in refused.items()
            }
            names = ", ".join(key.executable for key in refused)
            await home.state.write(changes, f"{operator()} lets AI Core try {names} again")
            app.reader.lists.state_changed(home)
