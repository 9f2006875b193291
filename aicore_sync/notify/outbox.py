"""Notes on their way: joined for a moment, tried again for a while, never in the way of a pass."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from aicore_sync.core.model import Key
from aicore_sync.notify.changes import Note, NoteKind

log = structlog.get_logger()

MOST_LINES = 20
Tone = Literal["warning", "success", "info"]


@dataclass(frozen=True)
class Message:
    """What a receiver gets: plain text, one line per note."""

    title: str
    body: str
    tone: Tone


class Sender(Protocol):
    """Delivers one message. Returns "" when it arrived, else why not, without an address."""

    async def send(self, message: Message) -> str: ...


@dataclass(frozen=True)
class OutboxOptions:
    """`group`: seconds in which notes are joined; `retries`: seconds before each further try; `link` gives a URL or "".

    `sent` is told the route and "ok", "failed" or "dropped" for each message.
    """

    group: float = 10.0
    retries: tuple[float, ...] = (2.0, 10.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1700.0)  # an hour
    most: int = 500
    link: Callable[[Key], str] = lambda key: ""
    sent: Callable[[str, str], None] = lambda route, result: None


class Outbox:
    """The notes of one route. `put` is immediate, `run` delivers until it is cancelled, `drain` delivers the rest."""

    def __init__(self, name: str, sender: Sender, options: OutboxOptions | None = None) -> None:
        self._name = name
        self._sender = sender
        self._options = options or OutboxOptions()
        self._notes: deque[Note] = deque()
        self._news = asyncio.Event()

    def put(self, note: Note) -> None:
        if len(self._notes) >= self._options.most:
            self._notes.popleft()  # the newest say how things are
            self._options.sent(self._name, "dropped")
        self._notes.append(note)
        self._news.set()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(self._options.group)
            await self._deliver(self._options.retries)

    async def drain(self, seconds: float) -> None:
        """One try for what still waits, at most this long."""
        try:
            async with asyncio.timeout(seconds):
                await self._deliver(())
        except TimeoutError:
            log.warning("note_not_sent", route=self._name, error="stopped before the receiver answered")

    async def _deliver(self, retries: Sequence[float]) -> None:
        """Try until it arrives or no try is left; what comes meanwhile goes along. A cancelled try loses nothing."""
        for wait in (*retries, None):
            notes = tuple(self._notes)
            self._news.clear()
            if not notes:
                return
            message = compose(notes, self._options.link)
            error = await self._sender.send(message)
            if not error or wait is None:
                self._forget(notes)
                self._told(message, error)
                return
            log.warning("note_delayed", route=self._name, error=error, again_in=wait)
            await asyncio.sleep(wait)

    def _forget(self, notes: Sequence[Note]) -> None:
        """They are dealt with; others may have come or been dropped meanwhile."""
        for note in notes:
            if self._notes and self._notes[0] is note:
                self._notes.popleft()

    def _told(self, message: Message, error: str) -> None:
        self._options.sent(self._name, "failed" if error else "ok")
        if error:
            log.warning(
                "note_not_sent", route=self._name, error=error, title=message.title, text=message.body
            )
        else:
            log.info("note_sent", route=self._name, title=message.title)


def compose(notes: Sequence[Note], link: Callable[[Key], str]) -> Message:
    """One message from the notes of a moment; of several about one key the last speaks."""
    last = {note.key: note for note in notes}
    kept = list(last.values())
    lines = [_line(note, link(note.key)) for note in kept[:MOST_LINES]]
    if len(kept) > MOST_LINES:
        lines.append(f"… and {len(kept) - MOST_LINES} more")
    if len(kept) == 1:
        note = kept[0]
        return Message(note.title, "\n".join(filter(None, [note.text, link(note.key)])), _tone(kept))
    return Message(_title(kept), "\n".join(lines), _tone(kept))


def _title(notes: Sequence[Note]) -> str:
    words = {
        NoteKind.ATTENTION: "need attention",
        NoteKind.RECOVERED: "healthy again",
        NoteKind.CHANGED: "changed",
    }
    counts = {kind: sum(note.kind is kind for note in notes) for kind in words}
    return ", ".join(f"{count} {words[kind]}" for kind, count in counts.items() if count)


def _line(note: Note, link: str) -> str:
    return f"{note.title}: {note.text}" + (f" {link}" if link else "")


def _tone(notes: Sequence[Note]) -> Tone:
    kinds = {note.kind for note in notes}
    if NoteKind.ATTENTION in kinds:
        return "warning"
    return "success" if NoteKind.RECOVERED in kinds else "info"
