"""What a change means, in words for people: of a template, and of a flow's objects in an environment. Pure."""

from __future__ import annotations

from aicore_sync.core.difference.change import Change, Kind, joined, summary
from aicore_sync.core.difference.flow import flow_changes
from aicore_sync.core.difference.template import template_changes, text_changes

__all__ = ["Change", "Kind", "flow_changes", "joined", "summary", "template_changes", "text_changes"]
