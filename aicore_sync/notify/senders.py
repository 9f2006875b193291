"""Who carries notes: the log always, and apprise to chats, mail and webhooks."""

from __future__ import annotations

import logging
from collections.abc import Callable

import structlog

from aicore_sync.core.errors import SyncError
from aicore_sync.notify.changes import Note, NoteKind
from aicore_sync.notify.outbox import Message

log = structlog.get_logger()
# Its lines hold addresses with tokens in them.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)

INSTALL = "notes to people need the extra: pip install 'aicore-sync[notifications]'"


class LogNotifier:
    """Writes each note to the log."""

    def put(self, note: Note) -> None:
        tell = log.warning if note.kind is NoteKind.ATTENTION else log.info
        tell(
            "note",
            key=str(note.key),
            kind=note.kind.value,
            title=note.title,
            text=note.text,
            reason=note.reason,
        )


class AppriseSender:
    """Delivers to an address in apprise's form (`slack://…`, `mailtos://…`): a secret, read anew for each message.

    Proxies come from HTTPS_PROXY and NO_PROXY, as apprise has it.
    """

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address

    async def send(self, message: Message) -> str:
        """Why the receiver did not get it; "" when it did."""
        try:
            url = self._address()
        except SyncError as error:
            return error.message
        from apprise import Apprise  # an extra

        receiver = Apprise()
        if not receiver.add(url):
            return unusable(url)
        if await receiver.async_notify(title=message.title, body=message.body, notify_type=message.tone):
            return ""
        return f"the receiver of {_scheme(url)} did not take it"


def unusable(url: str) -> str:
    """Why apprise cannot use an address, "" when it can; never holds the address."""
    try:
        from apprise import Apprise
    except ImportError:
        return INSTALL
    return "" if Apprise.instantiate(url) else f"{_scheme(url)} is no address that apprise knows"


def _scheme(url: str) -> str:
    """What of an address may be shown."""
    scheme, mark, _ = url.partition("://")
    return f"{scheme}://…" if mark else "text without ://"
