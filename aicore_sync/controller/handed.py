"""Templates that were made elsewhere: read from a directory, never rendered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from aicore_sync.controller.jobs import Place
from aicore_sync.controller.renders import Made
from aicore_sync.controller.source import Scan
from aicore_sync.core.catalog import Target
from aicore_sync.core.desired import Template
from aicore_sync.core.errors import InvalidInput, Problem
from aicore_sync.core.ingredients import Ingredients
from aicore_sync.core.template import facts, file_name, parse_document, template_digest


class HandedTemplates:
    """Stands where the maker stands. `root` holds `<tenant>/<file>`; `crons` are flows' own, by their files."""

    def __init__(self, root: Path, crons: Mapping[str, str | None]) -> None:
        self._root = root
        self._crons = crons

    def ingredients(self, target: Target, scan: Scan, place: Place) -> Ingredients:
        """The file."""
        file = f"{target.key.tenant}/{file_name(target.key.executable, place.format)}"
        return Ingredients(scan.files.get(file, ""), made_elsewhere=True)

    async def make(self, target: Target, scan: Scan, place: Place) -> Made:
        """The template as it lies there. Raises InvalidInput when it is not the one that it should be."""
        name = file_name(target.key.executable, place.format)
        path = self._root / target.key.tenant / name
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except OSError:
            raise _refused(target, name, "no such file") from None
        document = parse_document(data, name)
        found = facts(document)
        if found.executable != target.key.executable:
            raise _refused(target, name, f"a template called {found.executable}")
        if found.template_digest != template_digest(document):
            raise _refused(target, name, "another template digest than it has")
        return Made(Template(name, data, found, (), found.source_revision), self._crons[target.source.file])

    def forget(self, digest: str) -> None:
        """Nothing is kept."""


def _refused(target: Target, name: str, found: str) -> InvalidInput:
    expected = f"the template of {target.key.executable} as `aicore-sync render --out` writes it"
    return InvalidInput([Problem(f"{target.key.tenant}/{name}", 0, "", found, expected)])
