"""The state branch: small files that must outlive this process, one commit per decision."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from aicore_sync.core.errors import Stalled
from aicore_sync.git.bare import Bare
from aicore_sync.git.objects import NAME, Draft
from aicore_sync.git.options import Author, Remote
from aicore_sync.git.race import Race, healed, land


@dataclass(frozen=True)
class StateSnapshot:
    """The branch at one moment: path → content; `commit` is None while there is no branch."""

    commit: str | None
    files: Mapping[str, bytes]


Decide = Callable[[Mapping[str, bytes]], Mapping[str, bytes | None]]


def state_branch(owner: str) -> str:
    """The name of the branch that holds the state of the installation called `owner`."""
    return f"aicore-sync/{owner}"


class StateBranch:
    """The branch `aicore-sync/<owner>` beside the published one. Methods may be called side by side.

    `now` is in seconds since 1970 and dates the commits; `patience` is for races, in seconds.
    Raises as `Clone` does.
    """

    def __init__(
        self,
        remote: Remote,
        owner: str,
        *,
        now: Callable[[], float],
        rng: random.Random,
        patience: float = 60.0,
    ) -> None:
        self.remote = replace(remote, branch=state_branch(owner))
        self._now = now
        self._race = Race(rng, patience)
        self._bare = Bare(self.remote)
        self._lock = asyncio.Lock()

    async def read(self) -> StateSnapshot:
        """The branch as it is on the remote now."""
        async with self._lock:
            return await healed(self._bare, self._read)

    async def write(
        self, changes: Mapping[str, bytes | None], message: str, author: Author | None = None
    ) -> StateSnapshot:
        """Set files (None removes); other files stay, whoever changed them meanwhile."""
        return await self.update(lambda _: changes, message, author)

    async def update(self, decide: Decide, message: str, author: Author | None = None) -> StateSnapshot:
        """Set the files that `decide` names after a look at the present ones.

        `decide` is asked again after every lost race, and may raise to give up.
        """
        async with self._lock:
            return await healed(
                self._bare, lambda: self._update(decide, message, author or self.remote.author)
            )

    def pushed(self, commit: str) -> bool:
        """Whether a commit is one of the last that this process made."""
        return commit in self._bare.pushed

    async def close(self) -> None:
        """Delete the local copy."""
        async with self._lock:
            await self._bare.close()

    async def _read(self) -> StateSnapshot:
        commit = await self._bare.refresh()
        return StateSnapshot(commit, await self._files(commit))

    async def _update(self, decide: Decide, message: str, author: Author) -> StateSnapshot:
        files: dict[str, bytes] = {}

        async def build(head: str | None) -> Draft | None:
            nonlocal files
            files = await self._files(head)
            changes = {path: data for path, data in decide(files).items() if files.get(path) != data}
            for path, data in changes.items():
                _check(path)
                if data is None:
                    files.pop(path)
                else:
                    files[path] = data
            return Draft(head, changes, message, author, int(self._now())) if changes else None

        landed = await land(self._bare, build, self._race)
        return StateSnapshot(landed.commit, files)

    async def _files(self, commit: str | None) -> dict[str, bytes]:
        tree = await self._bare.tree(commit, "", deep=True)
        ids = {path: entry.id for path, entry in tree.items() if entry.regular}
        contents = await self._bare.contents(ids.values())
        self._bare.keep_only(ids.values())
        return {path: contents[identity] for path, identity in ids.items()}


def _check(path: str) -> None:
    if not all(NAME.fullmatch(part) for part in path.split("/")):
        raise Stalled(
            f"state file: found {path!r}, expected names of letters, digits and . _ - with no dot at the start",
            reason="BadName",
        )
