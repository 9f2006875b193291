"""Values become HTML. Pure: the same values and the same time give the same page."""

from __future__ import annotations

from aicore_sync.web.pages.board import Glance, Place, glance_at, overview
from aicore_sync.web.pages.flow import FlowSeen, detail
from aicore_sync.web.pages.past import events_page, publication_page
from aicore_sync.web.pages.render import Door, Frame, Reader, age, login, problem, short, spaced
from aicore_sync.web.pages.run import RunSeen, compare_page, run_page

__all__ = [
    "Door",
    "FlowSeen",
    "Frame",
    "Glance",
    "Place",
    "Reader",
    "RunSeen",
    "age",
    "compare_page",
    "detail",
    "events_page",
    "glance_at",
    "login",
    "overview",
    "problem",
    "publication_page",
    "run_page",
    "short",
    "spaced",
]
