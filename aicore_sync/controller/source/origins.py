"""All sources as one: each is walked on its own, and its paths begin with its name when there are several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from aicore_sync.controller.source.contents import Contents, as_text
from aicore_sync.controller.source.walk import Scan, scan
from aicore_sync.core.errors import Problem, SyncError
from aicore_sync.core.inventory import Part
from aicore_sync.core.rights import Rights


@dataclass(frozen=True)
class View:
    """A source at one moment. `root` is None while nothing could be read yet; `error` says why it is not the newest.

    `revision` is the commit that the files are of, "" for a directory.
    """

    root: Path | None
    revision: str = ""
    error: SyncError | None = None


@dataclass(frozen=True)
class Origin:
    """One source: where its files are now, which of them count, and what its flows may do."""

    view: Callable[[], View]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rights: Rights = field(default_factory=Rights)

    @property
    def name(self) -> str:
        """Its name, unique among the sources."""
        return self.rights.source


class Sources:
    """The files of all origins. A path is relative to its source and, with several sources, begins with its name."""

    def __init__(self, origins: Iterable[Origin]) -> None:
        self.origins = tuple(origins)
        self._several = len(self.origins) > 1
        self._by_name = {origin.name: origin for origin in self.origins}
        self._scans: dict[str, Scan] = {}
        self._views = {origin.name: origin.view() for origin in self.origins}
        self._contents = Contents()

    def scan(self) -> Scan:
        """Walk every source; blocks. A source that cannot be read keeps its files and makes the scan incomplete."""
        views = {origin.name: origin.view() for origin in self.origins}
        scans = {o.name: _walked(o, views[o.name], self._scans.get(o.name, Scan())) for o in self.origins}
        self._views, self._scans = views, scans
        files: dict[str, str] = {}
        problems: list[Problem] = []
        hiding: list[Problem] = []
        configured: list[str] = []
        for origin in self.origins:
            part, prefix = scans[origin.name], self._prefix(origin)
            files |= {prefix + path: found for path, found in part.files.items()}
            problems += [replace(p, file=prefix + p.file) for p in part.problems]
            hiding += [replace(p, file=prefix + p.file) for p in part.hiding]
            configured += [(prefix + path).rstrip("/") for path in part.configured]
        complete = all(part.complete for part in scans.values())
        self._contents.keep(files)
        whole = Scan(dict(sorted(files.items())), tuple(sorted(problems)), tuple(sorted(hiding)), complete)
        return replace(whole, configured=tuple(configured))

    def data(self, path: str) -> bytes:
        """A file of the scan. Raises OSError when it cannot be read and was not read before."""
        return self._contents.read(path, *self.locate(path))

    def text(self, path: str) -> str:
        """As `data`, as text."""
        return as_text(self.data(path))

    def parts(self, files: Mapping[str, str]) -> list[Part]:
        """The files of a scan by source, with what the flows in them may do."""
        found: dict[str, list[str]] = {origin.name: [] for origin in self.origins}
        for path in files:
            found[self._origin_of(path).name].append(path)
        return [Part(found[origin.name], origin.rights) for origin in self.origins]

    def locate(self, path: str) -> tuple[Path, str]:
        """The root of the source that a path of the scan is in, and the path below it."""
        origin = self._origin_of(path)
        root = self._views[origin.name].root
        below = path.partition("/")[2] if self._several else path
        return root or Path("/nonexistent"), below

    def file(self, path: str) -> Path:
        """Where a path of the scan is on the disk."""
        root, below = self.locate(path)
        return root / below

    def revision(self, path: str) -> str:
        """The commit that a path of the scan is of, "" for a directory."""
        return self._views[self._origin_of(path).name].revision

    def origin_of(self, path: str) -> str:
        """The name of the source that a path of the scan is in."""
        return self._origin_of(path).name

    def revisions(self) -> dict[str, str]:
        """The commit that each source in git was at in the last scan, by the source's name."""
        return {name: view.revision for name, view in self._views.items() if view.revision}

    def errors(self) -> dict[str, SyncError]:
        """Sources that were not read as they are now, with the reasons."""
        return {name: view.error for name, view in self._views.items() if view.error}

    def hiding(self, name: str) -> str:
        """What hides a part of a source from its last scan, "" when nothing does."""
        return "; ".join(map(str, self._scans.get(name, Scan()).hiding[:3]))

    def unread(self) -> frozenset[str]:
        """Sources of which the last scan did not see everything."""
        return frozenset(
            o.name for o in self.origins if not self._scans.get(o.name, Scan(complete=False)).complete
        )

    def _prefix(self, origin: Origin) -> str:
        return f"{origin.name}/" if self._several else ""

    def _origin_of(self, path: str) -> Origin:
        return self._by_name[path.partition("/")[0]] if self._several else self.origins[0]


def _walked(origin: Origin, view: View, before: Scan) -> Scan:
    found = (
        scan(view.root, origin.include, origin.exclude, before)
        if view.root
        else replace(before, problems=(), hiding=())
    )
    if view.error is None and view.root:
        return found
    words = view.error.message if view.error else "nothing, it has not been read yet"
    problem = Problem("", 0, "", words, "the newest state of the source")
    return replace(found, complete=False, problems=(*found.problems, problem))
