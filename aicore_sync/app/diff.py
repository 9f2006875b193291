"""What the source would change, key by key: in words, and as the text of the template files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aicore_sync.app.board import now
from aicore_sync.app.once import Planned
from aicore_sync.controller.reconcile import FlowLook, Look, TemplateLook
from aicore_sync.core.difference import Change, flow_changes, template_changes, text_changes
from aicore_sync.core.model import FlowKey, Hold, Key, Mark, TemplateKey, TenantKey
from aicore_sync.core.problems import unknown
from aicore_sync.core.template import file_name


@dataclass(frozen=True)
class Difference:
    """The changes of one key; `raw` is the diff of its template file, `failure` why it cannot be compared."""

    key: Key
    changes: tuple[Change, ...] = ()
    raw: str = ""
    failure: Hold | None = None


def differences(planned: Planned, flow: str = "") -> tuple[Difference, ...]:
    """What differs or cannot be compared, templates first; of one flow where it is named.

    Raises Stalled (NotFound) for a flow that there is not.
    """
    names = {name for key in planned.plans for name in _flows(key, planned)}
    if flow and flow not in names:
        raise unknown("flow", flow, names)
    failures = dict(reversed(planned.failures))
    found = []
    for key in sorted(planned.plans, key=lambda k: (not isinstance(k, TemplateKey), k)):
        if flow and flow not in _flows(key, planned):
            continue
        made = _difference(key, planned.looks.get(key), failures.get(key))
        if made.changes or made.failure:
            found.append(made)
    return tuple(found)


def _flows(key: Key, planned: Planned) -> Iterator[str]:
    """The names by which people know a key."""
    if isinstance(key, FlowKey):
        yield key.flow
        return
    if isinstance(key, TenantKey):
        return
    yield key.executable
    look = planned.looks.get(key)
    if isinstance(look, TemplateLook):
        published = look.seen.published.facts if look.seen.published else None
        wanted = look.want.template.facts if look.want.template else None
        yield from (facts.flow for facts in (published, wanted) if facts)


def _difference(key: Key, look: Look | None, failure: Hold | None) -> Difference:
    if isinstance(look, FlowLook):
        return Difference(key, flow_changes(look.want, look.seen, now()), failure=failure)
    if not isinstance(look, TemplateLook) or (look.want.template is None and not look.want.gone):
        return Difference(key, failure=failure)
    file = look.seen.published
    before = file.data if file and file.ours else None
    after = look.want.template.data if look.want.template else None
    name = look.want.template.file if look.want.template else file_name(look.want.key.executable)
    changes = template_changes(before, after)
    return Difference(key, changes, text_changes(before, after, name) if changes else "", failure)


def failed(found: tuple[Difference, ...]) -> tuple[Hold, ...]:
    """What a person must mend before the rest can be compared, each once."""
    holds = [d.failure for d in found if d.failure and d.failure.mark is Mark.FAIL]
    return tuple({(hold.reason, hold.message): hold for hold in holds}.values())
