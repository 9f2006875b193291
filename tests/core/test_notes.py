"""Which templates have notes on the state branch."""

from __future__ import annotations

from aicore_sync.core.model import TemplateKey
from aicore_sync.core.notes import noted_templates

PATHS = ("refused/t/a.json", "paused/t/b.json", "pinned/t/a.json", "paused/other/c.json", "declined/t/g.json",
         "suspended/all.json", "starts/t/e/main.json", "asks/t/f.json", "refused/t/readme.md", "lock.json")  # fmt: skip


def test_notes_name_the_templates_of_a_tenant() -> None:
    assert noted_templates(PATHS, "t") == {TemplateKey("t", name) for name in "abg"}
