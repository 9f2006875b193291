"""The window: what people and probes see of the process, and where those who are logged in act."""

from __future__ import annotations

from aicore_sync.web.answers import Answers
from aicore_sync.web.application import create_app
from aicore_sync.web.auth import Access, OidcClient, TokenHolder
from aicore_sync.web.desk import Desk, Underway
from aicore_sync.web.hooks import Hook, HookRoom
from aicore_sync.web.parts import Parts
from aicore_sync.web.runs import QuotaRow, Run, RunDetails, Runs
from aicore_sync.web.server import WebServer, listen
from aicore_sync.web.view import View

__all__ = [
    "Access",
    "Answers",
    "Desk",
    "Hook",
    "HookRoom",
    "OidcClient",
    "Parts",
    "QuotaRow",
    "Run",
    "RunDetails",
    "Runs",
    "TokenHolder",
    "Underway",
    "View",
    "WebServer",
    "create_app",
    "listen",
]
