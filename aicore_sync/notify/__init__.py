"""Which change is worth a note to people, and who carries it: the log, and through apprise whatever people read."""

from __future__ import annotations

from aicore_sync.notify.changes import Known, Note, NoteKind, Rule, step
from aicore_sync.notify.notices import Notices, Route
from aicore_sync.notify.outbox import Message, Outbox, OutboxOptions, Sender, compose
from aicore_sync.notify.senders import AppriseSender, LogNotifier, unusable

__all__ = [
    "AppriseSender",
    "Known",
    "LogNotifier",
    "Message",
    "Note",
    "NoteKind",
    "Notices",
    "Outbox",
    "OutboxOptions",
    "Route",
    "Rule",
    "Sender",
    "compose",
    "step",
    "unusable",
]
