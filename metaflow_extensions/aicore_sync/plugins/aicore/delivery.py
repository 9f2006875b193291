"""What becomes of a compiled flow. A program that drives the command replaces `deliver`; see `compiler`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from .model import Compiled


@dataclass(frozen=True)
class Desk:
    """The command as a person gave it: Metaflow's state, `--only-json`, `-o`."""

    obj: Any
    only_json: bool
    output: str


def deliver(compiled: Compiled, desk: Desk) -> None:
    """Upload unless `--only-json`, print or write the template, say what a person should know on stderr."""
    if not desk.only_json:
        upload(compiled, desk)
    text = json.dumps(compiled.document, indent=1, sort_keys=True) + "\n"
    for line in remarks(compiled):
        desk.obj.echo(line)
    if compiled.schedule:
        desk.obj.echo(f"schedule: {compiled.schedule} (a schedule of AI Core, not part of the template)")
    if desk.output:
        Path(desk.output).write_text(text, encoding="utf-8")
        desk.obj.echo(f"wrote {desk.output}")
    else:
        desk.obj.echo_always(text, err=False, no_bold=True, nl=False)


def remarks(compiled: Compiled) -> list[str]:
    """What a person should know, one line each."""
    return [*(f"step {s}: {why}" for s, why in compiled.notes), *(f"warning: {w}" for w in compiled.warnings)]


def upload(compiled: Compiled, desk: Desk) -> None:
    """Put what is not there yet into the datastore, with the credentials that Metaflow finds."""
    storage = desk.obj.datastore_impl()
    root = desk.obj.flow_datastore.datastore_root.rstrip("/") + "/"
    for item in compiled.uploads:
        storage.save_bytes([(item.url[len(root) :], BytesIO(item.data))], overwrite=False, len_hint=1)
        desk.obj.echo(f"uploaded {item.url}")
