"""A change's flows, rendered where there is no secret and planned where nothing of theirs runs.

The directory between the two holds `flows.json` and, for each tenant, a directory of templates.
"""

from __future__ import annotations

from pathlib import Path

from aicore_sync.app.sources import rights_of
from aicore_sync.config import Settings
from aicore_sync.controller.desire import Desire
from aicore_sync.controller.handed import HandedTemplates
from aicore_sync.controller.source import Origin, Sources, View
from aicore_sync.controller.watched import Watched
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.handover import FILE, decode, encode, inventory_of
from aicore_sync.core.inventory import FlowSource
from aicore_sync.core.lint import LintOptions


async def hand_over(desire: Desire) -> dict[str, bytes]:
    """Every flow that has an environment, rendered: files by their paths below the directory.

    Raises InvalidInput for the first file that describes no flow, RenderFailed or LintFailed for the first flow that
    cannot be rendered.
    """
    catalog = desire.catalog
    if catalog.broken:
        raise InvalidInput(next(iter(catalog.broken.values())).problems)
    files: dict[str, bytes] = {}
    flows: dict[tuple[str, str], tuple[FlowSource, str | None]] = {}
    for key, target in sorted(catalog.targets.items()):
        if target.source.problems:
            raise InvalidInput(target.source.problems)
        made = await desire.make(target)
        files[f"{key.tenant}/{made.template.file}"] = made.template.data
        flows[target.source.file, target.flow] = (target.source, made.cron)
    return files | {FILE: encode(flows.values())}


def handed(settings: Settings, root: Path, lint: LintOptions) -> tuple[Watched, HandedTemplates]:
    """What reads a directory that `hand_over` wrote in place of the sources. Raises InvalidInput."""
    try:
        handover = decode((root / FILE).read_bytes())
    except OSError as error:
        cure = "have `aicore-sync render --out` write it"
        problem = Problem(str(root), 0, FILE, str(error.strerror), "a file", cure)
        raise InvalidInput([problem]) from None
    rights = {source.name: rights_of(settings, source) for source in settings.sources}
    view = View(root.resolve())
    sources = Sources([Origin(lambda: view)])
    crons = {flow.file: flow.cron for flow in handover.flows}
    watched = Watched(sources, settings.defaults, lint, inventory_of(handover, rights))
    return watched, HandedTemplates(root.resolve(), crons)
