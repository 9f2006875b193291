"""Environments that left the configuration: schedules there may still run a template, so its file goes on naming them.

Nobody can look into such an environment. The names in the template files are all that is left to tell of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from aicore_sync.core.desired import PublishedFile, Template, WantTemplate
from aicore_sync.core.model import Hold, Mark, Stage
from aicore_sync.core.template import PublishedTemplate, parse_document, to_bytes
from aicore_sync.core.template.digests import OURS


def kept_in_mind(want: WantTemplate, file: PublishedFile | None, known: Iterable[str]) -> WantTemplate:
    """With the environments of the published file that are not `known` in the template that takes its place.

    Those that people empty stay in it as well: only a commit of its own takes them out, once they are empty.
    """
    template = want.template
    if template is None or file is None or not file.ours or file.facts is None:
        return want
    if file.file == template.file and file.facts.template_digest == template.facts.template_digest:
        return want  # it is published as it is
    lost = set(file.facts.environments) - (set(known) - want.retired) - set(template.facts.environments)
    return replace(want, template=_naming(template, lost)) if lost else want


def _naming(template: Template, more: Iterable[str]) -> Template:
    """The same template, for more environments: annotations are in no digest."""
    names = tuple(sorted({*template.facts.environments, *more}))
    document = parse_document(template.data, template.file)
    metadata = dict(document["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), OURS + "environments": ",".join(names)}
    data = to_bytes({**document, "metadata": metadata}, "json" if template.file.endswith(".json") else "yaml")
    return replace(template, data=data, facts=replace(template.facts, environments=names))


def orphans(owned: Mapping[str, PublishedTemplate], known: Iterable[str]) -> tuple[Hold, ...]:
    """A word about every environment that only template files name."""
    here, found = frozenset(known), dict[str, list[str]]()
    for executable, facts in sorted(owned.items()):
        for name in facts.environments:
            if name not in here:
                found.setdefault(name, []).append(executable)
    return tuple(_orphan(name, templates) for name, templates in sorted(found.items()))


def _orphan(name: str, templates: list[str]) -> Hold:
    more = f" and {len(templates) - 3} more" if len(templates) > 3 else ""
    words = (
        f"the configuration names no such environment any more; schedules there may still run "
        f"{', '.join(templates[:3])}{more}, and nobody checks whether new versions take their values. "
        "Put it back with `retire: true` until they are gone"
    )
    return Hold(Stage.CONFIGURE, "Orphaned", words, f"environment {name}", mark=Mark.OFF)
