"""A rollback: an earlier version of a template holds until its source moves on.

    pinned/<tenant>/<executable>.json

The file carries the version itself, so that nothing else must be read to keep to it, and the digest of the source that
it holds back with the names of the files that count in it: another source ends it, `suspend: true` does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from aicore_sync.core.desired import Template, WantTemplate
from aicore_sync.core.errors import InvalidInput
from aicore_sync.core.ingredients import Ingredients
from aicore_sync.core.model import Hold, Mark, Stage, TemplateKey
from aicore_sync.core.template import parse_document, read_published, template_digest

PINNED = "pinned/"
REASON = "RolledBack"


@dataclass(frozen=True)
class Pin:
    """`data` is the template file as it was at `commit`; `holds_back` names the source that is not published, with the
    files that making it `opened`, and `holds_template` the digest of its template, "" where it gave none."""

    holds_back: str
    commit: str
    data: bytes
    by: str
    at: datetime
    reason: str = ""
    opened: tuple[str, ...] | None = None
    holds_template: str = ""

    def encoded(self) -> bytes:
        """The content of its file."""
        body = {
            "holdsBack": self.holds_back,
            "opened": self.opened,
            "holdsTemplate": self.holds_template,
            "commit": self.commit,
            "by": self.by,
            "at": self.at.isoformat(timespec="seconds"),
            "reason": self.reason,
            "template": self.data.decode(),
        }
        return (json.dumps(body, ensure_ascii=False, indent=2) + "\n").encode()


def pin_path(key: TemplateKey) -> str:
    """Where the rollback of a template lies on the state branch."""
    return f"{PINNED}{key.tenant}/{key.executable}.json"


def pins(files: Mapping[str, bytes]) -> dict[TemplateKey, Pin]:
    """The rollbacks among the files of a state branch; one that cannot be read is none."""
    found = {}
    for path, data in files.items():
        parts = path.removeprefix(PINNED).removesuffix(".json").split("/")
        pin = _read(data) if path.startswith(PINNED) and path.endswith(".json") and len(parts) == 2 else None
        if pin:
            found[TemplateKey(*parts)] = pin
    return found


def pinned(want: WantTemplate, pin: Pin | None) -> WantTemplate:
    """What is wanted under a rollback. A pin whose source has moved on is named, so that it is forgotten.

    A source that cannot be told now, because its manifest is broken, has not moved on.
    """
    if pin and want.gone:
        return replace(want, lapsed_pin=pin_path(want.key))
    if pin is None or want.source is None:
        return want
    if _moved_on(want, want.source, pin):
        return replace(want, lapsed_pin=pin_path(want.key))
    template = _template(want, pin)
    return replace(want, template=template, holds=(*want.holds, _hold(want.key, pin))) if template else want


def _moved_on(want: WantTemplate, source: Ingredients, pin: Pin) -> bool:
    """Of what was made elsewhere only the template is here: another one is of another source."""
    if not source.made_elsewhere:
        return source.digest(pin.opened) != pin.holds_back
    made = want.template.facts.template_digest if want.template else ""
    return bool(made and pin.holds_template) and made != pin.holds_template


def _template(want: WantTemplate, pin: Pin) -> Template | None:
    facts = read_published(pin.data)
    if facts is None or facts.executable != want.key.executable:
        return None
    facts = replace(facts, template_digest=template_digest(parse_document(pin.data, "template")))
    suffix = "json" if pin.data.lstrip().startswith(b"{") else "yaml"
    file = want.template.file if want.template else f"wt-{facts.executable}.{suffix}"
    note = f"{facts.executable} back to {facts.version}"
    return Template(file, pin.data, facts, (), facts.source_revision, note)


def _hold(key: TemplateKey, pin: Pin) -> Hold:
    why = f": {pin.reason}" if pin.reason else ""
    words = f"kept at commit {pin.commit[:12]} by {pin.by} since {pin.at:%Y-%m-%d %H:%M} UTC{why}; "
    ends = f"ends with the next change of the source, or by `aicore-sync rollback {key.executable} --undo`"
    return Hold(Stage.PUBLISH, REASON, words + ends, mark=Mark.OFF)


def _read(data: bytes) -> Pin | None:
    try:
        body = json.loads(data)
        text = str(body["template"]).encode()
        parse_document(text, "template")
        at = datetime.fromisoformat(body["at"]).astimezone(UTC)
        opened = body.get("opened")
        return Pin(
            str(body["holdsBack"]),
            str(body["commit"]),
            text,
            str(body["by"]),
            at,
            str(body.get("reason", "")),
            None if opened is None else tuple(map(str, opened)),
            str(body.get("holdsTemplate", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput):
        return None
