"""A flow's code package as a file, and the recipe of an image that holds it."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, replace
from pathlib import Path

from aicore_sync.app.build import App
from aicore_sync.core.catalog import Target
from aicore_sync.core.discover import FoundTemplate
from aicore_sync.core.dockerfile import ImageRecipe, dockerfile, image_requirements
from aicore_sync.core.errors import Stalled
from aicore_sync.core.requirements import own_requirements
from aicore_sync.render import pinned

_PACKAGE = re.compile(r"/data/[0-9a-f]{2}/[0-9a-f]{40}\Z")


@dataclass(frozen=True)
class PackageOrder:
    """Where to write: `file` ends with .tar, .tar.gz or .tgz; without `dockerfile` no recipe is written."""

    file: Path
    dockerfile: Path | None
    base: str


async def code_package(app: App, target: Target) -> Path:
    """A file with the tar.gz that steps would download, whatever the manifest says of `embedded`; uploads nothing.

    Raises Stalled for hand-written templates, and whatever rendering raises.
    """
    if isinstance(target.source.found, FoundTemplate):
        raise Stalled(
            f"{target.source.file} is a hand-written template; only flows have a code package",
            reason="NotFound",
        )
    manifest = target.manifest.model_copy(update={"embedded": False})
    made = await app.desire.make(replace(target, manifest=manifest))
    return Path(next(upload.file for upload in made.template.uploads if _PACKAGE.search(upload.url)))


def own_packages(app: App, target: Target) -> tuple[str, ...]:
    """What the flow's own requirements file names; rendering has checked it. Blocks."""
    if not target.manifest.requirements:
        return ()
    path = "/".join(part for part in (target.source.directory, target.manifest.requirements) if part)
    return own_requirements(app.desire.sources.file(path).read_text(encoding="utf-8"), path)


def write_package(
    order: PackageOrder, target: Target, package: Path, own: tuple[str, ...]
) -> tuple[Path, ...]:
    """Write what was ordered, from `code_package` and `own_packages`, and return the files. Blocks.

    The same flow gives the same bytes.
    Raises Stalled where a build could not see the package.
    """
    place = order.dockerfile.absolute().parent if order.dockerfile else order.file.absolute().parent
    if not order.file.absolute().is_relative_to(place):
        raise Stalled(
            f"{order.file} is not below the directory of {order.dockerfile}, and builds see nothing else; "
            "write both into one directory",
            reason="InvalidInput",
        )
    packed = package.read_bytes()
    written = {order.file: packed if order.file.name.endswith((".gz", ".tgz")) else gzip.decompress(packed)}
    if order.dockerfile is not None:
        wanted = order.file.with_name(f"{order.file.name.partition('.')[0]}.requirements.txt")
        code, needed = (path.absolute().relative_to(place).as_posix() for path in (order.file, wanted))
        recipe = ImageRecipe(target.key.executable, code, needed, order.base)
        written[wanted] = image_requirements(pinned(target.manifest.dialect), own).encode()
        written[order.dockerfile] = dockerfile(recipe).encode()
    for path, data in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tuple(written)
