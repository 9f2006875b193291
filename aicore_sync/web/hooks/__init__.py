"""Webhooks: who may wake us, and how it is checked that a delivery is theirs."""

from __future__ import annotations

from aicore_sync.web.hooks.routes import Hook, HookRoom, Wake
from aicore_sync.web.hooks.senders import SENDERS, Delivery, Sender

__all__ = ["SENDERS", "Delivery", "Hook", "HookRoom", "Sender", "Wake"]
