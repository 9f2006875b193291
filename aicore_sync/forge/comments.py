"""One comment on a pull or merge request, kept up to date. GitHub and GitLab.

docs.github.com/rest/issues/comments and docs.gitlab.com/api/notes. A hidden mark in the text finds it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aicore_sync.forge.wire import Wire, ignored

PAGE = 100
MOST_PAGES = 30
LONGEST = 60_000  # characters: GitHub takes 65,536


@dataclass(frozen=True)
class Thread:
    """Where the comments of a request are: their address, how one is addressed, and the verb that changes one."""

    comments: str
    comment: str
    change: str

    @classmethod
    def github(cls, api: str, repository: str, number: int) -> Thread:
        """`repository` is OWNER/NAME."""
        base = f"{api}/repos/{repository}/issues"
        return cls(f"{base}/{number}/comments", f"{base}/comments", "PATCH")

    @classmethod
    def gitlab(cls, api: str, project: str, number: int) -> Thread:
        """`project` is the number or the quoted path."""
        notes = f"{api}/projects/{project}/merge_requests/{number}/notes"
        return cls(notes, notes, "PUT")


def marked(mark: str, text: str) -> str:
    """The text with the mark in front that people do not see; cut where the forge would refuse it."""
    hidden = f"<!-- aicore-sync: {mark} -->\n"
    if len(hidden) + len(text) > LONGEST:
        text = text[: LONGEST - len(hidden) - 40] + "\n\n… cut here: too long"
    return hidden + text


async def comment(wire: Wire, thread: Thread, mark: str, text: str) -> bool:
    """Have exactly one comment with this mark say this; True when something was written.

    Raises as `Wire`. Comments of others that quote the mark do not begin with it.
    """
    body = marked(mark, text)
    known = await _find(wire, thread, body.partition("\n")[0])
    if known is None:
        await wire.send("POST", thread.comments, {"body": body}, ignored)
        return True
    if known["body"].strip() == body.strip():
        return False
    await wire.send(thread.change, f"{thread.comment}/{known['id']}", {"body": body}, ignored)
    return True


async def _find(wire: Wire, thread: Thread, first_line: str) -> Mapping[str, Any] | None:
    for page in range(1, MOST_PAGES + 1):
        found: list[Mapping[str, Any]] = await wire.get(
            thread.comments, {"per_page": str(PAGE), "page": str(page)}, list
        )
        for one in found:
            if str(one["body"]).startswith(first_line):
                return one
        if len(found) < PAGE:
            return None
    return None
