"""Publishing through requests: one open request per branch, kept up to date, and what people did with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from aicore_sync.forge import Forge, Proposal, Request
from aicore_sync.git import Batch, Proposals, Proposed, Published, Standing, blob_id

log = structlog.get_logger()

TITLES = 3  # names in a title


@dataclass(frozen=True)
class Reviewed:
    """The request's branch, and the newest request for it; None without one."""

    standing: Standing
    request: Request | None

    @property
    def open(self) -> bool:
        """True while people have not decided."""
        return self.request is not None and self.request.state == "open"

    @property
    def declined(self) -> bool:
        """True when people closed the request for exactly what the branch holds."""
        head, request = self.standing.head, self.request
        return bool(request and head and request.state == "closed" and request.is_of(head))


class Reviews:
    """Publishes by proposing. Raises as `Proposals` and `Forge` do."""

    def __init__(self, proposals: Proposals, forge: Forge, owner: str) -> None:
        self._proposals = proposals
        self._forge = forge
        self._owner = owner

    async def read(self) -> Reviewed:
        """What is proposed now; the forge is asked only when there is a branch."""
        standing = await self._proposals.read()
        if standing.head is None:
            return Reviewed(standing, None)
        return Reviewed(standing, await self._newest())

    async def publish(self, batch: Batch) -> Published:
        """Have the batch in the open request, with what it holds already; a new one is made when there is none.

        What was in a request that people closed or merged is not proposed again along with the batch.
        """
        request = await self._newest()
        live = request if request and request.state == "open" else None
        done = await self._proposals.propose(batch, keep=live is not None)
        if done.commit:
            await self._tell(live, self._proposal(done.files))
        elif live:
            await self._forge.close(live.number)
            log.info("request_closed", number=live.number, url=live.url)
        return _published(done)

    async def _newest(self) -> Request | None:
        return await self._forge.newest(self._proposals.remote.branch, self._proposals.target)

    async def _tell(self, live: Request | None, proposal: Proposal) -> None:
        if live is None:
            made = await self._forge.open(proposal)
            log.info("request_opened", number=made.number, url=made.url)
        elif (live.title, live.text.strip()) != (proposal.title, proposal.text.strip()):
            await self._forge.update(live.number, proposal)

    def _proposal(self, files: Mapping[str, bytes | None]) -> Proposal:
        source, target = self._proposals.remote.branch, self._proposals.target
        return Proposal(source, target, title_of(files), text_of(files, self._owner, target))


def title_of(files: Mapping[str, bytes | None]) -> str:
    """`Templates: churn-train, evaluate and 3 more`."""
    names = sorted({path.rpartition("/")[2].removeprefix("wt-").rpartition(".")[0] for path in files})
    rest = f" and {len(names) - TITLES} more" if len(names) > TITLES else ""
    return f"Templates: {', '.join(names[:TITLES])}{rest}"


def text_of(files: Mapping[str, bytes | None], owner: str, target: str) -> str:
    """What reviewers should know: the files, what a merge does, and what closing means."""
    lines = [f"- {'remove' if data is None else 'write'} `{path}`" for path, data in sorted(files.items())]
    return "\n".join(
        [
            f"aicore-sync, owner `{owner}`, proposes for branch `{target}`:",
            "",
            *lines,
            "",
            "AI Core runs these templates once this is merged. The branch is rewritten when the flows change again. "
            "Closing this means no: the same content is not proposed again.",
        ]
    )


def _published(done: Proposed) -> Published:
    length = len(done.commit or "") or 40
    blobs = {
        path: data if data is None else blob_id(data, length=length) for path, data in done.files.items()
    }
    return Published(done.commit, done.changed, blobs, done.refused)
