"""What a request is, whatever the server calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["github", "gitlab", "azureDevOps", "bitbucket"]
StatusKind = Literal["github", "gitlab"]
State = Literal["open", "merged", "closed"]


@dataclass(frozen=True)
class Proposal:
    """What a request is to say: from branch `source` into branch `target`."""

    source: str
    target: str
    title: str
    text: str


@dataclass(frozen=True)
class Request:
    """A request as the server has it. `head` is the newest commit of its source, perhaps cut short."""

    number: int
    state: State
    url: str
    head: str
    title: str
    text: str

    def is_of(self, commit: str) -> bool:
        """True when the request is about exactly this commit."""
        return bool(self.head) and commit.startswith(self.head)


class Forge(Protocol):
    """The requests of one repository.

    All raise `Transient` for what passes by itself and `Stalled` for what a person must mend. None is ever repeated by
    itself: who is not sure whether a request was made asks for the newest.
    """

    async def newest(self, source: str, target: str) -> Request | None:
        """The request between these branches that was made last, open or not."""

    async def open(self, proposal: Proposal) -> Request:
        """Make a request."""

    async def update(self, number: int, proposal: Proposal) -> None:
        """Change title and text of an open request."""

    async def close(self, number: int) -> None:
        """Close an open request without merging it."""
